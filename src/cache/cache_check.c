/* SPDX-License-Identifier: MIT */
/* Does the cache still agree with itself? Every page of every file against its frame and every frame of the cache
 * against its file; all counters of the cache against recounts.
 *
 * One pass over the files and one over the frames' metadata collect what the counters should say; cost is linear in
 * touched memory. Kernel counterparts: VM_BUG_ON_PAGE here and there. */
#include "cache/cache_impl.h"
#include "cache/swap_cache.h"
#include "lru/recount.h"

struct check {
    struct vmsim__cache *c;
    struct vmsim__err *err;
    struct vmsim__recount recount;
    uint64_t cached;                  /* pages of all files */
    uint64_t *objects;                /* bytes that each cgroup pays for, by id */
    uint64_t kmem[VMSIM__KMEM_KINDS]; /* objects found */
};

#define FAIL(k, ...) return vmsim__err_set((k)->err, VMSIM_ECHECK, __VA_ARGS__)

/* ---- files ---- */

/* Marks say what flags say. */
static int check_marks(struct check *k, const struct vmsim__file *f, uint64_t index, uint32_t flags) {
    bool accounts = vmsim__file_accounts_dirty(f);
    const struct {
        enum vmsim__mark mark;
        bool want;
    } marks[] = {{VMSIM__MARK_PAGE, true},
                 {VMSIM__MARK_DIRTY, accounts && (flags & VMSIM__FRAME_DIRTY)},
                 {VMSIM__MARK_WRITEBACK, (flags & VMSIM__FRAME_WRITEBACK) != 0}};
    for (unsigned i = 0; i < VMSIM__COUNT(marks); i++) {
        if (vmsim__radix_marked(&f->pages, index, marks[i].mark) != marks[i].want)
            FAIL(k, "file %u page %llu: mark %d is %s, flags %#x", f->id, (unsigned long long)index, (int)marks[i].mark,
                 marks[i].want ? "missing" : "set", flags);
    }
    if (vmsim__radix_marked(&f->pages, index, VMSIM__MARK_TOWRITE) && !accounts)
        FAIL(k, "file %u page %llu: to be written, though it has no device", f->id, (unsigned long long)index);
    return 0;
}

static int check_page(struct check *k, const struct vmsim__file *f, uint64_t index, vmsim__pfn pfn) {
    const struct vmsim__frame *fr = vmsim__cache_frame(k->c, pfn);
    bool shmem = f->kind == VMSIM__FILE_SHMEM;
    if (!vmsim__frame_is(fr, VMSIM__FRAME_FILE) || fr->mapping != f->id || vmsim__frame_is(fr, VMSIM__FRAME_TAIL) ||
        index - vmsim__frame_index(fr) >= vmsim__frame_pages(fr))
        FAIL(k, "file %u page %llu: frame %u says file %u page %llu, flags %#x", f->id, (unsigned long long)index, pfn,
             fr->mapping, (unsigned long long)vmsim__frame_index(fr), fr->flags);
    if (fr->refcount < (int32_t)vmsim__frame_pages(fr))
        FAIL(k, "file %u page %llu: frame %u has refcount %d", f->id, (unsigned long long)index, pfn, fr->refcount);
    if (shmem != vmsim__frame_is(fr, VMSIM__FRAME_SWAPBACKED))
        FAIL(k, "frame %u of file %u: swap-backed or not, contrary to its file", pfn, f->id);
    vmsim__recount_node_add(&k->recount, fr, VMSIM__NR_FILE_PAGES, 1);
    if (shmem)
        vmsim__recount_node_add(&k->recount, fr, VMSIM__NR_SHMEM, 1);
    if (vmsim__cache_is_huge(k->c, fr) && vmsim__frame_index(fr) == index)
        vmsim__recount_node_add(&k->recount, fr, shmem ? VMSIM__NR_SHMEM_HUGEPAGES : VMSIM__NR_FILE_HUGEPAGES, 1);
    if (vmsim__file_accounts_dirty(f) && vmsim__frame_is(fr, VMSIM__FRAME_DIRTY)) {
        vmsim__recount_node_add(&k->recount, fr, VMSIM__NR_DIRTY, 1);
        vmsim__recount_zone_add(&k->recount, fr, VMSIM__NR_ZONE_WRITE_PENDING, 1);
    }
    if (vmsim__frame_is(fr, VMSIM__FRAME_WRITEBACK)) { /* dirty again meanwhile: pending twice, as in the kernel */
        vmsim__recount_node_add(&k->recount, fr, VMSIM__NR_WRITEBACK, 1);
        vmsim__recount_zone_add(&k->recount, fr, VMSIM__NR_ZONE_WRITE_PENDING, 1);
    }
    return check_marks(k, f, index, fr->flags);
}

static int check_file(struct check *k, const struct vmsim__file *f) {
    uint64_t pages = 0, swapped = 0, end = vmsim__cache_pages_of(k->c, f->size), index = 0;
    if (!vmsim__radix_valid(&f->pages))
        FAIL(k, "file %u: its tree of pages is damaged", f->id);
    for (uint64_t entry; (entry = vmsim__radix_next(&f->pages, &index)) != 0; index++) {
        vmsim__pfn pfn = vmsim__entry_pfn(entry);
        int rc = pfn == VMSIM__PFN_NONE ? 0 : check_page(k, f, index, pfn);
        if (rc)
            return rc;
        pages += pfn != VMSIM__PFN_NONE;
        swapped += vmsim__entry_tag(entry) == VMSIM__ENTRY_SWAP;
        if (index >= end && f->kind != VMSIM__FILE_SHMEM &&
            (pfn == VMSIM__PFN_NONE || vmsim__frame_index(vmsim__cache_frame(k->c, pfn)) >= end))
            FAIL(k, "file %u of %llu bytes has page %llu", f->id, (unsigned long long)f->size,
                 (unsigned long long)index);
    }
    if (pages != f->nrpages || swapped != f->swapped)
        FAIL(k, "file %u: %llu pages found, %llu counted; in swap %llu, counted %llu", f->id, (unsigned long long)pages,
             (unsigned long long)f->nrpages, (unsigned long long)swapped, (unsigned long long)f->swapped);
    if (!f->linked && !f->refcount)
        FAIL(k, "file %u has neither path nor user", f->id);
    k->cached += pages;
    return 0;
}

static void node_found(void *context, uint32_t payer) {
    struct check *k = context;
    k->objects[vmsim__cache_payer_memcg(payer)] += VMSIM__OBJ_RADIX_NODE;
    k->kmem[VMSIM__KMEM_RADIX_NODE]++;
}
static void swap_node_found(void *context, uint32_t payer) {
    struct check *k = context;
    (void)payer;
    k->kmem[VMSIM__KMEM_RADIX_NODE]++;
}

/* What cgroups pay for: nodes of the tree, the inode and its name. Buffers are counted with their pages. */
static void count_objects(struct check *k, const struct vmsim__file *f) {
    VMSIM__ASSERT(f->payer < vmsim__memcg_ids(k->c->lru));
    vmsim__radix_each_payer(&f->pages, node_found, k);
    if (f->in_core)
        k->objects[f->payer] += vmsim__dcache_bytes(k->c);
    k->kmem[VMSIM__KMEM_INODE] += f->in_core;
    k->kmem[VMSIM__KMEM_DENTRY] += f->in_core;
}

static int check_files(struct check *k) {
    uint32_t id = 1;
    for (struct vmsim__file *f; (f = vmsim__file_next(k->c, &id)) != NULL; id++) {
        int rc = check_file(k, f);
        if (rc)
            return rc;
        count_objects(k, f);
        if (f->linked && vmsim__file_find(k->c, f->path) != f)
            FAIL(k, "file %u is not found by its path %s", f->id, f->path);
    }
    return 0;
}

/* ---- the swap cache ---- */

static int check_swapped(struct check *k, struct vmsim__swp e, vmsim__pfn pfn) {
    const struct vmsim__frame *part = vmsim__cache_frame(k->c, pfn);
    const struct vmsim__frame *f =
        vmsim__frame_is(part, VMSIM__FRAME_TAIL) ? vmsim__cache_frame(k->c, part->next) : part;
    const struct vmsim__swp own = vmsim__swap_cache_slot(k->c, pfn);
    if (!vmsim__frame_is(f, VMSIM__FRAME_SWAPCACHE) || !vmsim__frame_is(f, VMSIM__FRAME_SWAPBACKED) ||
        vmsim__frame_is(f, VMSIM__FRAME_FILE) || f->refcount < 1 || own.type != e.type || own.offset != e.offset)
        FAIL(k, "slot %llu of swap area %u has frame %u, flags %#x, of %d references, slot %llu of area %u",
             (unsigned long long)e.offset, e.type, pfn, f->flags, f->refcount, (unsigned long long)own.offset,
             own.type);
    if (!vmsim__swap_is_cached(k->c->swap, e))
        FAIL(k, "slot %llu of swap area %u is in the swap cache and not marked so", (unsigned long long)e.offset,
             e.type);
    vmsim__recount_node_add(&k->recount, f, VMSIM__NR_FILE_PAGES, 1);
    vmsim__recount_node_add(&k->recount, f, VMSIM__NR_SWAPCACHED, 1);
    if (vmsim__frame_is(f, VMSIM__FRAME_WRITEBACK)) {
        vmsim__recount_node_add(&k->recount, f, VMSIM__NR_WRITEBACK, 1);
        vmsim__recount_zone_add(&k->recount, f, VMSIM__NR_ZONE_WRITE_PENDING, 1);
    }
    return 0;
}

/* A slot that is free keeps neither page nor shadow, and one that is marked has its page. */
static int check_swap_area(struct check *k, uint8_t type) {
    const struct vmsim__swap *swap = k->c->swap;
    uint64_t pages = 0, index = 0;
    if (!vmsim__radix_valid(&k->c->swapped[type]))
        FAIL(k, "swap area %u: its tree of pages is damaged", type);
    vmsim__radix_each_payer(&k->c->swapped[type], swap_node_found, k);
    for (uint64_t entry; (entry = vmsim__radix_next(&k->c->swapped[type], &index)) != 0; index++) {
        const struct vmsim__swp e = {.offset = index, .type = type};
        const vmsim__pfn pfn = vmsim__entry_pfn(entry);
        int rc = pfn == VMSIM__PFN_NONE ? 0 : check_swapped(k, e, pfn);
        if (rc)
            return rc;
        pages += pfn != VMSIM__PFN_NONE;
        if (pfn == VMSIM__PFN_NONE && !vmsim__swap_users(swap, e))
            FAIL(k, "slot %llu of swap area %u is free and has a shadow", (unsigned long long)index, type);
    }
    for (index = 1; index < swap->area[type]->seen.slots; index++) {
        const struct vmsim__swp e = {.offset = index, .type = type};
        if (!swap->area[type]->cluster[index / VMSIM__SWAP_CLUSTER])
            index |= VMSIM__SWAP_CLUSTER - 1;
        else
            pages -= vmsim__swap_is_cached(swap, e);
    }
    if (pages)
        FAIL(k, "swap area %u: %lld pages more in its tree than slots are marked", type, (long long)pages);
    return 0;
}

static int check_swap(struct check *k) {
    int rc = 0;
    for (uint8_t i = 0; k->c->swap && i < k->c->swap->areas && !rc; i++)
        rc = k->c->swap->area[i] ? check_swap_area(k, i) : 0;
    return rc;
}

/* ---- frames ---- */

static int check_frame(struct check *k, const struct vmsim__frame *f, vmsim__pfn pfn, uint64_t *cached) {
    if (vmsim__frame_is(f, VMSIM__FRAME_BUDDY | VMSIM__FRAME_PCP | VMSIM__FRAME_TAIL) || f->refcount <= 0 ||
        !vmsim__frame_is(f, VMSIM__FRAME_FILE))
        return 0;
    const struct vmsim__file *file = vmsim__file_by_id(k->c, f->mapping);
    if (!file || vmsim__file_page(file, vmsim__frame_index(f)) != pfn)
        FAIL(k, "frame %u says page %llu of file %u, which does not have it", pfn,
             (unsigned long long)vmsim__frame_index(f), f->mapping);
    if (vmsim__frame_is(f, VMSIM__FRAME_PINNED) != (file->kind == VMSIM__FILE_RAMFS))
        FAIL(k, "frame %u of file %u: pinned or not, contrary to its file", pfn, f->mapping);
    if (vmsim__frame_is(f, VMSIM__FRAME_BUFFERS)) {
        k->objects[f->memcg] += VMSIM__OBJ_BUFFER_HEAD;
        k->kmem[VMSIM__KMEM_BUFFER_HEAD]++;
    }
    *cached += vmsim__frame_pages(f);
    return 0;
}

static int check_frames(struct check *k) {
    const struct vmsim__frames *t = &k->c->mem->frames;
    uint64_t cached = 0;
    for (uint64_t pfn = 0; pfn < t->end; pfn++) {
        const struct vmsim__frame *chunk = t->chunk[pfn >> t->shift];
        if (!chunk) {
            pfn |= t->mask;
            continue;
        }
        int rc = check_frame(k, &chunk[pfn & t->mask], (vmsim__pfn)pfn, &cached);
        if (rc)
            return rc;
    }
    if (cached != k->cached)
        FAIL(k, "%llu frames are in files that have %llu pages", (unsigned long long)cached,
             (unsigned long long)k->cached);
    return 0;
}

/* ---- counters ---- */

static int check_counters(const struct check *k) {
    static const enum vmsim__node_stat node[] = {
        VMSIM__NR_FILE_PAGES, VMSIM__NR_SHMEM,           VMSIM__NR_DIRTY,         VMSIM__NR_WRITEBACK,
        VMSIM__NR_SWAPCACHED, VMSIM__NR_SHMEM_HUGEPAGES, VMSIM__NR_FILE_HUGEPAGES};
    static const enum vmsim__zone_stat zone[] = {VMSIM__NR_ZONE_WRITE_PENDING};
    int rc = vmsim__recount_compare_nodes(&k->recount, node, VMSIM__COUNT(node), k->err);
    return rc ? rc : vmsim__recount_compare_zones(&k->recount, zone, VMSIM__COUNT(zone), k->err);
}

static int run(struct check *k) {
    int rc = check_files(k);
    rc = rc ? rc : check_swap(k);
    rc = rc ? rc : check_frames(k);
    rc = rc ? rc : vmsim__memcg_check_objects(k->c->lru, k->objects, k->err);
    for (unsigned i = 0; !rc && i < VMSIM__KMEM_KINDS; i++)
        if (k->kmem[i] != k->c->mem->kmem[i].objects)
            FAIL(k, "%llu objects of %u bytes found, %llu counted", (unsigned long long)k->kmem[i],
                 k->c->mem->kmem[i].size, (unsigned long long)k->c->mem->kmem[i].objects);
    return rc ? rc : check_counters(k);
}

int vmsim__cache_check(struct vmsim__cache *c, struct vmsim__err *err) {
    struct check k = {.c = c, .err = err};
    const size_t ids = vmsim__memcg_ids(c->lru);
    k.objects = vmsim__calloc(c->alloc, ids, sizeof *k.objects);
    int rc = vmsim__recount_init(&k.recount, c->mem) && k.objects
                 ? run(&k)
                 : vmsim__err_set(err, VMSIM_ENOMEM, "no memory for a check of the cache");
    vmsim__recount_fini(&k.recount);
    vmsim__free(c->alloc, k.objects, ids * sizeof *k.objects);
    return rc;
}
