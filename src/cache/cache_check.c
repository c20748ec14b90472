/* SPDX-License-Identifier: MIT */
/* Does the cache still agree with itself? Every page of every file against its frame and every frame of the cache
 * against its file; every LRU list link by link; batches; all counters of the cache against recounts.
 *
 * One pass over the files and one over the frames' metadata collect what the counters should say; cost is linear in
 * touched memory. Kernel counterparts: VM_BUG_ON_PAGE here and there. */
#include "cache/cache_impl.h"

/* What a recount finds, a row a node and a row a zone. */
struct recount {
    int64_t node[VMSIM__NODE_STAT_COUNT];
    int64_t zone[VMSIM__ZONE_STAT_COUNT];
};
struct check {
    struct vmsim__cache *c;
    struct vmsim__err *err;
    struct recount *nodes, *zones;
    uint64_t cached; /* pages of all files */
};

#define FAIL(k, ...) return vmsim__err_set((k)->err, VMSIM_ECHECK, __VA_ARGS__)

static void add(struct check *k, const struct vmsim__frame *f, int node_stat, int zone_stat, int64_t pages) {
    unsigned zone = vmsim__frame_zone(f);
    if (node_stat >= 0)
        k->nodes[k->c->mem->zones[zone].node].node[node_stat] += pages;
    if (zone_stat >= 0)
        k->zones[zone].zone[zone_stat] += pages;
}

/* ---- files ---- */

static int check_page(struct check *k, const struct vmsim__file *f, uint64_t index, vmsim__pfn pfn, uint64_t *dirty) {
    const struct vmsim__frame *fr = vmsim__cache_frame(k->c, pfn);
    bool shmem = f->kind == VMSIM__FILE_SHMEM;
    if (!vmsim__frame_is(fr, VMSIM__FRAME_FILE) || fr->mapping != f->id || vmsim__frame_index(fr) != index)
        FAIL(k, "file %u page %llu: frame %u says file %u page %llu, flags %#x", f->id, (unsigned long long)index, pfn,
             fr->mapping, (unsigned long long)vmsim__frame_index(fr), fr->flags);
    if (fr->refcount < 1)
        FAIL(k, "file %u page %llu: frame %u has refcount %d", f->id, (unsigned long long)index, pfn, fr->refcount);
    if (shmem != vmsim__frame_is(fr, VMSIM__FRAME_SWAPBACKED))
        FAIL(k, "frame %u of file %u: swap-backed or not, contrary to its file", pfn, f->id);
    add(k, fr, VMSIM__NR_FILE_PAGES, -1, 1);
    if (shmem)
        add(k, fr, VMSIM__NR_SHMEM, -1, 1);
    if (vmsim__file_accounts_dirty(f) && vmsim__frame_is(fr, VMSIM__FRAME_DIRTY)) {
        add(k, fr, VMSIM__NR_DIRTY, VMSIM__NR_ZONE_WRITE_PENDING, 1);
        if (index < f->dirty_first || index > f->dirty_last)
            FAIL(k, "dirty page %llu of file %u is outside its bounds", (unsigned long long)index, f->id);
        ++*dirty;
    }
    return 0;
}

static int check_file(struct check *k, const struct vmsim__file *f) {
    uint64_t pages = 0, dirty = 0, end = vmsim__cache_pages_of(k->c, f->size), index = 0;
    for (uint64_t value; (value = vmsim__radix_next(&f->pages, &index)) != 0; index++, pages++) {
        int rc = check_page(k, f, index, (vmsim__pfn)(value - 1), &dirty);
        if (rc)
            return rc;
        if (index >= end && f->kind != VMSIM__FILE_SHMEM)
            FAIL(k, "file %u of %llu bytes has page %llu", f->id, (unsigned long long)f->size,
                 (unsigned long long)index);
    }
    if (pages != f->pages.count)
        FAIL(k, "file %u: %llu pages found, %llu counted", f->id, (unsigned long long)pages,
             (unsigned long long)f->pages.count);
    if (dirty != f->dirty_pages)
        FAIL(k, "file %u: %llu dirty pages found, %llu counted", f->id, (unsigned long long)dirty,
             (unsigned long long)f->dirty_pages);
    if (!f->linked && !f->refcount)
        FAIL(k, "file %u has neither path nor user", f->id);
    k->cached += pages;
    return 0;
}

static int check_files(struct check *k) {
    uint32_t id = 1;
    for (struct vmsim__file *f; (f = vmsim__file_next(k->c, &id)) != NULL; id++) {
        int rc = check_file(k, f);
        if (rc)
            return rc;
        if (f->linked && vmsim__file_find(k->c, f->path) != f)
            FAIL(k, "file %u is not found by its path %s", f->id, f->path);
    }
    return 0;
}

/* ---- lists ---- */

static int check_list(struct check *k, unsigned node, enum vmsim__lru_list lru, uint64_t *listed) {
    struct vmsim__lruvec *v = &k->c->lruvecs[node];
    vmsim__pfn before = VMSIM__PFN_NONE, pfn = v->list[lru].head;
    uint64_t pages = 0;
    for (; pfn != VMSIM__PFN_NONE; before = pfn, pfn = vmsim__cache_frame(k->c, pfn)->next) {
        const struct vmsim__frame *f = vmsim__cache_frame(k->c, pfn);
        if (!vmsim__frame_is(f, VMSIM__FRAME_LRU) || vmsim__lru_list_of(f) != lru || f->prev != before)
            FAIL(k, "frame %u on list %d of node %u: flags %#x, link back to %u", pfn, (int)lru, node, f->flags,
                 f->prev);
        if (k->c->mem->zones[vmsim__frame_zone(f)].node != node)
            FAIL(k, "frame %u is on a list of node %u", pfn, node);
        pages += vmsim__frame_pages(f);
        if (pages > v->count[lru])
            break;
        ++*listed;
    }
    if (pages != v->count[lru] || (pfn == VMSIM__PFN_NONE && v->list[lru].tail != before))
        FAIL(k, "list %d of node %u: %llu pages or more, %llu counted", (int)lru, node, (unsigned long long)pages,
             (unsigned long long)v->count[lru]);
    return 0;
}

static int check_lists(struct check *k, uint64_t *listed) {
    for (unsigned n = 0; n < k->c->mem->nr_nodes; n++) {
        for (unsigned l = 0; l < VMSIM__LRU_UNEVICTABLE; l++) {
            int rc = check_list(k, n, (enum vmsim__lru_list)l, listed);
            if (rc)
                return rc;
        }
    }
    return 0;
}

static int check_batches(struct check *k) {
    for (unsigned cpu = 0; cpu < k->c->cpus; cpu++) {
        for (unsigned kind = 0; kind < VMSIM__BATCH_KINDS; kind++) {
            const struct vmsim__lru_batch *b = &k->c->batches[cpu].kind[kind];
            if (b->count >= k->c->kernel->lru_batch)
                FAIL(k, "batch %u of cpu %u holds %u pages", kind, cpu, b->count);
            for (uint32_t i = 0; i < b->count; i++) {
                if (vmsim__cache_frame(k->c, b->page[i])->refcount < 1)
                    FAIL(k, "batch %u of cpu %u: frame %u has no reference", kind, cpu, b->page[i]);
            }
        }
    }
    return 0;
}

/* ---- frames ---- */

static int check_frame(struct check *k, const struct vmsim__frame *f, vmsim__pfn pfn, uint64_t *cached,
                       uint64_t *listed) {
    if (vmsim__frame_is(f, VMSIM__FRAME_BUDDY | VMSIM__FRAME_PCP | VMSIM__FRAME_TAIL) || f->refcount <= 0)
        return 0;
    if (vmsim__frame_is(f, VMSIM__FRAME_LRU)) {
        enum vmsim__lru_list lru = vmsim__lru_list_of(f);
        int64_t pages = vmsim__frame_pages(f);
        add(k, f, VMSIM__NR_INACTIVE_ANON + (int)lru, VMSIM__NR_ZONE_INACTIVE_ANON + (int)lru, pages);
        *listed += lru != VMSIM__LRU_UNEVICTABLE;
    }
    if (vmsim__frame_is(f, VMSIM__FRAME_MLOCKED))
        add(k, f, -1, VMSIM__NR_MLOCK, vmsim__frame_pages(f));
    if (!vmsim__frame_is(f, VMSIM__FRAME_FILE))
        return 0;
    const struct vmsim__file *file = vmsim__file_by_id(k->c, f->mapping);
    if (!file || vmsim__file_page(file, vmsim__frame_index(f)) != pfn)
        FAIL(k, "frame %u says page %llu of file %u, which does not have it", pfn,
             (unsigned long long)vmsim__frame_index(f), f->mapping);
    ++*cached;
    return 0;
}

static int check_frames(struct check *k, uint64_t listed) {
    const struct vmsim__frames *t = &k->c->mem->frames;
    uint64_t cached = 0, found = 0;
    for (uint64_t pfn = 0; pfn < t->end; pfn++) {
        const struct vmsim__frame *chunk = t->chunk[pfn >> t->shift];
        if (!chunk) {
            pfn |= t->mask;
            continue;
        }
        int rc = check_frame(k, &chunk[pfn & t->mask], (vmsim__pfn)pfn, &cached, &found);
        if (rc)
            return rc;
    }
    if (cached != k->cached)
        FAIL(k, "%llu frames are in files that have %llu pages", (unsigned long long)cached,
             (unsigned long long)k->cached);
    if (found != listed)
        FAIL(k, "%llu frames say that they are on LRU lists that hold %llu", (unsigned long long)found,
             (unsigned long long)listed);
    return 0;
}

/* ---- counters ---- */

static int check_counters(struct check *k) {
    static const unsigned node_stats[] = {VMSIM__NR_INACTIVE_ANON, VMSIM__NR_ACTIVE_ANON, VMSIM__NR_INACTIVE_FILE,
                                          VMSIM__NR_ACTIVE_FILE,   VMSIM__NR_UNEVICTABLE, VMSIM__NR_FILE_PAGES,
                                          VMSIM__NR_SHMEM,         VMSIM__NR_DIRTY};
    static const unsigned zone_stats[] = {VMSIM__NR_ZONE_INACTIVE_ANON,
                                          VMSIM__NR_ZONE_ACTIVE_ANON,
                                          VMSIM__NR_ZONE_INACTIVE_FILE,
                                          VMSIM__NR_ZONE_ACTIVE_FILE,
                                          VMSIM__NR_ZONE_UNEVICTABLE,
                                          VMSIM__NR_ZONE_WRITE_PENDING,
                                          VMSIM__NR_MLOCK};
    const struct vmsim__mem *mem = k->c->mem;
    for (unsigned n = 0; n < mem->nr_nodes; n++) {
        for (unsigned i = 0; i < VMSIM__COUNT(node_stats); i++) {
            unsigned s = node_stats[i];
            if (mem->nodes[n].stat[s] != k->nodes[n].node[s])
                FAIL(k, "node %u: %s is %lld, a recount gives %lld", n, vmsim__node_stat_names[s],
                     (long long)mem->nodes[n].stat[s], (long long)k->nodes[n].node[s]);
        }
    }
    for (unsigned z = 0; z < mem->nr_zones; z++) {
        for (unsigned i = 0; i < VMSIM__COUNT(zone_stats); i++) {
            unsigned s = zone_stats[i];
            if (mem->zones[z].stat[s] != k->zones[z].zone[s])
                FAIL(k, "zone %u: %s is %lld, a recount gives %lld", z, vmsim__zone_stat_names[s],
                     (long long)mem->zones[z].stat[s], (long long)k->zones[z].zone[s]);
        }
    }
    return 0;
}

static int run(struct check *k) {
    uint64_t listed = 0;
    int rc = check_files(k);
    rc = rc ? rc : check_lists(k, &listed);
    rc = rc ? rc : check_batches(k);
    rc = rc ? rc : check_frames(k, listed);
    return rc ? rc : check_counters(k);
}

int vmsim__cache_check(struct vmsim__cache *c, struct vmsim__err *err) {
    struct check k = {.c = c, .err = err};
    size_t nodes = c->mem->nr_nodes, zones = c->mem->nr_zones;
    k.nodes = vmsim__calloc(c->alloc, nodes, sizeof *k.nodes);
    k.zones = vmsim__calloc(c->alloc, zones, sizeof *k.zones);
    int rc = k.nodes && k.zones ? run(&k) : vmsim__err_set(err, VMSIM_ENOMEM, "no memory for a check of the cache");
    vmsim__free(c->alloc, k.nodes, nodes * sizeof *k.nodes);
    vmsim__free(c->alloc, k.zones, zones * sizeof *k.zones);
    return rc;
}
