/* SPDX-License-Identifier: MIT */
/* Shared memory: tmpfs, memfd, System V segments, shared anonymous mappings.
 *
 * Its pages are born zeroed, need no device, are swap-backed (so they sit on the anonymous LRU lists) and count in
 * nr_shmem besides nr_file_pages; they are never "dirty" for the accounting of dirty pages. read() of a hole allocates
 * nothing; a fault, write() and fallocate() do.
 *
 *     in the file --write--> in the swap cache alone, and then in its slot; the file's tree names the slot
 *          ^                                   |
 *          `-------------- swap_in ------------'
 *
 * A page is in its file or in the swap cache, never in both. Kernel counterpart: mm/shmem.c. */
#include "cache/cache_impl.h"
#include "cache/swap_cache.h"

/* ---- swap ---- */

static uint64_t entry_of(struct vmsim__swp e) {
    return vmsim__entry_make(VMSIM__ENTRY_SWAP, vmsim__swp_slot_word(e));
}

static struct vmsim__swp slot_of(uint64_t entry) {
    return vmsim__swp_of_slot_word(vmsim__entry_content(entry));
}

bool vmsim__shmem_swapped(const struct vmsim__file *f, uint64_t index) {
    return f->swapped && vmsim__entry_tag(vmsim__radix_get(&f->pages, index)) == VMSIM__ENTRY_SWAP;
}

static void count_page(struct vmsim__cache *c, struct vmsim__file *f, const struct vmsim__frame *fr, int64_t pages) {
    f->nrpages = (uint64_t)((int64_t)f->nrpages + pages);
    f->swapped = (uint64_t)((int64_t)f->swapped - pages);
    vmsim__cache_node_add(c, fr, VMSIM__NR_FILE_PAGES, pages);
    vmsim__cache_node_add(c, fr, VMSIM__NR_SHMEM, pages);
}

/* Its reference of the file's goes; the swap cache has one of its own. */
bool vmsim__shmem_write(struct vmsim__cache *c, vmsim__pfn pfn, unsigned cpu) {
    struct vmsim__frame *fr = vmsim__cache_frame(c, pfn);
    struct vmsim__file *f = vmsim__file_by_id(c, fr->mapping);
    const uint64_t index = vmsim__frame_index(fr);
    VMSIM__ASSERT(f && f->kind == VMSIM__FILE_SHMEM && !fr->mapcount && vmsim__frame_is(fr, VMSIM__FRAME_DIRTY));
    VMSIM__ASSERT(!vmsim__frame_is(fr, VMSIM__FRAME_HEAD)); /* reclaim splits it first */
    if (!vmsim__swap_cache_add(c, pfn, NULL, cpu))
        return false;
    const struct vmsim__swp e = vmsim__swap_cache_slot(c, pfn);
    vmsim__swap_entry_get(c, e);
    vmsim__swap_cache_write(c, pfn, cpu);
    vmsim__radix_set(&f->pages, index, entry_of(e), NULL);
    count_page(c, f, fr, -1);
    fr->flags &= ~VMSIM__FRAME_FILE;
    fr->mapping = 0;
    fr->refcount--;
    VMSIM__ASSERT(fr->refcount > 0);
    return true;
}

/* From the swap cache into the file; the slot is given back. */
static void enter_file(struct vmsim__cache *c, struct vmsim__file *f, uint64_t index, vmsim__pfn pfn,
                       struct vmsim__swp e, unsigned cpu) {
    struct vmsim__frame *fr = vmsim__cache_frame(c, pfn);
    fr->refcount++;
    vmsim__swap_cache_remove(c, pfn, VMSIM__NO_SHADOW, cpu);
    vmsim__radix_store(&f->pages, index, vmsim__entry_make(VMSIM__ENTRY_PAGE, pfn), 1u << VMSIM__MARK_PAGE, NULL);
    fr->flags |= VMSIM__FRAME_FILE | VMSIM__FRAME_DIRTY;
    fr->mapping = f->id;
    vmsim__frame_set_index(fr, index);
    count_page(c, f, fr, 1);
    vmsim__swap_entry_put(c, e);
}

struct shmem_reader {
    struct vmsim__cache *c;
    const struct vmsim__alloc_request *policy;
    unsigned cpu;
};

static vmsim__pfn alloc_page(void *context) {
    const struct shmem_reader *r = context;
    return vmsim__filemap_alloc(r->c, 0, 0, r->policy, r->cpu);
}

/* The page of a slot, there or on its way. */
static vmsim__pfn find(struct vmsim__cache *c, struct vmsim__swp e, const struct vmsim__alloc_request *policy,
                       bool fault, unsigned cpu) {
    struct shmem_reader from = {c, policy, cpu};
    const struct vmsim__swap_reader reader = {alloc_page, &from, cpu};
    bool ahead, fresh;
    const vmsim__pfn pfn = vmsim__swap_look_up(c, e, &ahead);
    if (ahead)
        vmsim__swap_ra_hit(c);
    if (pfn != VMSIM__PFN_NONE) {
        vmsim__lru_tell_evictable(c->lru, pfn, cpu);
        return pfn;
    }
    if (fault)
        vmsim__swap_count_major(c);
    return vmsim__swap_read_cluster(c, e, &reader) ? vmsim__swap_fetch(c, e, &reader, &fresh) : VMSIM__PFN_NONE;
}

vmsim__pfn vmsim__shmem_swap_in(struct vmsim__cache *c, struct vmsim__file *f, uint64_t index,
                                const struct vmsim__alloc_request *policy, bool fault, unsigned cpu) {
    const struct vmsim__swp e = slot_of(vmsim__radix_get(&f->pages, index));
    const vmsim__pfn pfn = find(c, e, policy, fault, cpu);
    if (pfn == VMSIM__PFN_NONE)
        return pfn;
    if (!vmsim__filemap_settled(c, pfn)) {
        vmsim__now_call(&c->mem->now)->inside = fault;
        return VMSIM__PFN_NONE;
    }
    vmsim__readahead_end(vmsim__now_call(&c->mem->now));
    enter_file(c, f, index, pfn, e, cpu);
    return pfn;
}

bool vmsim__shmem_bring_back(struct vmsim__cache *c, struct vmsim__file *f, uint64_t index, unsigned cpu) {
    return !vmsim__shmem_swapped(f, index) || vmsim__shmem_swap_in(c, f, index, NULL, false, cpu) != VMSIM__PFN_NONE;
}

/* Begins anew after a wait: what has come back is not looked at again. */
int vmsim__shmem_unuse(struct vmsim__cache *c, uint8_t type, unsigned cpu) {
    struct vmsim__call *call = vmsim__now_call(&c->mem->now);
    uint32_t id = 1;
    if (call->error) { /* a page could not be read */
        call->error = 0;
        return -VMSIM__L_EIO;
    }
    for (struct vmsim__file *f; (f = vmsim__file_next(c, &id)) != NULL; id++) {
        uint64_t entry, i = 0;
        for (; f->swapped && (entry = vmsim__radix_next(&f->pages, &i)); i++) {
            if (vmsim__entry_tag(entry) != VMSIM__ENTRY_SWAP || slot_of(entry).type != type)
                continue;
            if (vmsim__shmem_swap_in(c, f, i, NULL, false, cpu) == VMSIM__PFN_NONE)
                return vmsim__now_waits(&c->mem->now) ? -VMSIM__ERESTARTSYS : -VMSIM__L_ENOMEM;
        }
    }
    return 0;
}

void vmsim__shmem_drop_slots(struct vmsim__cache *c, struct vmsim__file *f, uint64_t first, uint64_t end,
                             unsigned cpu) {
    uint64_t entry;
    for (uint64_t i = first; f->swapped && (entry = vmsim__radix_next(&f->pages, &i)) && i < end; i++) {
        if (vmsim__entry_tag(entry) != VMSIM__ENTRY_SWAP)
            continue;
        vmsim__radix_remove(&f->pages, i);
        f->swapped--;
        vmsim__swap_entry_zap(c, slot_of(entry), cpu);
    }
}

/* ---- pages ---- */

/* What the switch of the file says: a mount's own, or that of memory that no mount has (memfd, System V, shared
 * anonymous). */
static int huge_mode(const struct vmsim__cache *c, const struct vmsim__file *f) {
    const int global = c->spec.shmem_huge;
    if (global == VMSIM__SHMEM_DENY || global == VMSIM__SHMEM_FORCE)
        return global;
    const bool mounted = f && f->path && !f->segment && strncmp(f->path, "/memfd:", 7) != 0;
    return mounted ? c->spec.tmpfs_huge : global;
}

bool vmsim__shmem_may_be_huge(const struct vmsim__cache *c, const struct vmsim__file *f) {
    const int mode = huge_mode(c, f);
    return mode != VMSIM__SHMEM_NEVER && mode != VMSIM__SHMEM_DENY;
}

bool vmsim__shmem_is_huge(const struct vmsim__cache *c, const struct vmsim__file *f, uint64_t index,
                          const struct vmsim__shmem_wish *w, bool forced) {
    if (!c->huge_order || f->kind != VMSIM__FILE_SHMEM || (w && w->refused))
        return false;
    const uint64_t pages = UINT64_C(1) << c->huge_order;
    switch (huge_mode(c, f)) {
    case VMSIM__SHMEM_DENY:
        return false;
    case VMSIM__SHMEM_FORCE:
    case VMSIM__SHMEM_ALWAYS:
        return true;
    case VMSIM__SHMEM_WITHIN_SIZE:
        if (vmsim__cache_pages_of(c, f->size) >= vmsim__align_down(index, pages) + pages)
            return true;
        return forced || (w && w->advised);
    case VMSIM__SHMEM_ADVISE:
        return forced || (w && w->advised);
    default:
        return forced;
    }
}

/* The huge page around `index`, whose place must be empty. Kernel: shmem_alloc_hugefolio, shmem_add_to_page_cache. */
static vmsim__pfn create_huge(struct vmsim__cache *c, struct vmsim__file *f, uint64_t index,
                              const struct vmsim__alloc_request *policy, const struct vmsim__shmem_wish *wish,
                              unsigned cpu) {
    const uint64_t pages = UINT64_C(1) << c->huge_order, first = vmsim__align_down(index, pages);
    const uint32_t gfp = wish ? wish->gfp : c->hooks.huge_gfp ? c->hooks.huge_gfp(c->hooks.context) : 0;
    if (!gfp || !vmsim__filemap_none_in(f, first, pages))
        return VMSIM__PFN_NONE;
    const vmsim__pfn pfn = vmsim__filemap_alloc_as(c, gfp, c->huge_order, policy, cpu);
    if (pfn == VMSIM__PFN_NONE) {
        if (!vmsim__now_waits(&c->mem->now)) {
            vmsim__cache_event(c, VMSIM__THP_FILE_FALLBACK, 1);
            vmsim__thp_stat_add(c->lru, c->huge_order, VMSIM__THP_SHMEM_FALLBACK, 1);
        }
        return pfn;
    }
    if (!vmsim__filemap_none_in(f, first, pages)) { /* finding it has let others bring a page */
        vmsim__folio_put(c->lru, pfn, cpu);
        return VMSIM__PFN_NONE;
    }
    if (!vmsim__filemap_add(c, f, first, pfn, gfp, cpu)) {
        if (!vmsim__now_waits(&c->mem->now)) {
            vmsim__cache_event(c, VMSIM__THP_FILE_FALLBACK, 1);
            vmsim__cache_event(c, VMSIM__THP_FILE_FALLBACK_CHARGE, 1);
            vmsim__thp_stat_add(c->lru, c->huge_order, VMSIM__THP_SHMEM_FALLBACK, 1);
            vmsim__thp_stat_add(c->lru, c->huge_order, VMSIM__THP_SHMEM_FALLBACK_CHARGE, 1);
        }
        return VMSIM__PFN_NONE;
    }
    vmsim__cache_event(c, VMSIM__THP_FILE_ALLOC, 1);
    vmsim__thp_stat_add(c->lru, c->huge_order, VMSIM__THP_SHMEM_ALLOC, 1);
    for (uint64_t i = 0; i < pages; i++)
        vmsim__cache_clear(c, pfn, cpu);
    vmsim__cache_zeroed(c, f, pfn);
    return pfn;
}

/* shmem_get_folio: the page is cleared here, so that who brings it to life pays for it. */
vmsim__pfn vmsim__shmem_create(struct vmsim__cache *c, struct vmsim__file *f, uint64_t index,
                               const struct vmsim__alloc_request *policy, const struct vmsim__shmem_wish *wish,
                               unsigned cpu) {
    VMSIM__ASSERT(f->kind == VMSIM__FILE_SHMEM);
    if (VMSIM__UNLIKELY(vmsim__shmem_is_huge(c, f, index, wish, false))) {
        const vmsim__pfn huge = create_huge(c, f, index, policy, wish, cpu);
        if (huge != VMSIM__PFN_NONE || vmsim__now_waits(&c->mem->now))
            return huge;
        const vmsim__pfn there = vmsim__file_page(f, index); /* somebody else's, meanwhile */
        if (there != VMSIM__PFN_NONE)
            return there;
    }
    vmsim__pfn pfn = vmsim__filemap_create(c, f, index, VMSIM__GFP_ZERO, policy, cpu);
    if (pfn == VMSIM__PFN_NONE)
        return pfn;
    vmsim__cache_clear(c, pfn, cpu);
    vmsim__cache_content(c, VMSIM__CONTENT_ZEROED, f, index, pfn);
    return pfn;
}

/* fallocate() without a mode: every page of the range exists afterwards. Pages are dirty from birth, or reclaim would
 * free them instead of swapping them out. */
static int shmem_allocate(struct vmsim__cache *c, struct vmsim__file *f, uint64_t first, uint64_t end, unsigned cpu) {
    VMSIM__ASSERT(f->kind == VMSIM__FILE_SHMEM);
    for (uint64_t i = first; i < end; i++) {
        vmsim__pfn pfn = vmsim__file_page(f, i);
        if (pfn == VMSIM__PFN_NONE)
            pfn = vmsim__shmem_swapped(f, i) ? vmsim__shmem_swap_in(c, f, i, NULL, false, cpu)
                                             : vmsim__shmem_create(c, f, i, NULL, NULL, cpu);
        if (pfn == VMSIM__PFN_NONE)
            return vmsim__now_waits(&c->mem->now) ? -VMSIM__ERESTARTSYS : -VMSIM__L_ENOMEM;
        vmsim__page_dirty(c, pfn);
    }
    return 0;
}

#define FALLOC_KEEP_SIZE 1u
#define FALLOC_PUNCH_HOLE 2u
#define FALLOC_ZERO_RANGE 0x10u

int vmsim__file_fallocate(struct vmsim__cache *c, struct vmsim__file *f, unsigned mode, uint64_t pos, uint64_t length,
                          unsigned cpu) {
    unsigned shift = c->mem->page_shift;
    if (length == 0 || length > UINT64_MAX / 2 || pos > UINT64_MAX / 2 - length)
        return -VMSIM__L_EINVAL;
    if (pos + length > VMSIM__FILE_SIZE_MAX)
        return -VMSIM__L_EFBIG;
    if (mode & FALLOC_PUNCH_HOLE) {
        if (!(mode & FALLOC_KEEP_SIZE))
            return -VMSIM__L_EOPNOTSUPP;
        return vmsim__file_punch(c, f, pos, pos + length, cpu);
    }
    if (mode & ~(FALLOC_KEEP_SIZE | FALLOC_ZERO_RANGE) || ((mode & FALLOC_ZERO_RANGE) && f->kind == VMSIM__FILE_SHMEM))
        return -VMSIM__L_EOPNOTSUPP;
    int rc = 0;
    if (mode & FALLOC_ZERO_RANGE)
        rc = vmsim__file_punch(c, f, pos, pos + length, cpu);
    else if (f->kind == VMSIM__FILE_SHMEM)
        rc = shmem_allocate(c, f, pos >> shift, vmsim__cache_pages_of(c, pos + length), cpu);
    if (!rc && !(mode & FALLOC_KEEP_SIZE))
        f->size = vmsim__max64(f->size, pos + length);
    return rc;
}
