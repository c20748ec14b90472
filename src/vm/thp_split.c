/* SPDX-License-Identifier: MIT */
/* Splitting a large folio into its base frames.
 *
 *   huge entries -> base entries (rmap)     no reference may be left but those of the entries and caches; a file's
 *                                           entries go, to be found again by faults
 *   [head|tail|tail|...]  ->  [page][page][page]...   each with its own references, flags, index; on the LRU list of
 * the head
 *
 * Frames that no entry maps any more go back to the allocator. Kernel counterpart: mm/huge_memory.c (split_huge_page).
 */
#include "cache/swap_cache.h"
#include "lru/deferred_split.h"
#include "vm/vm_impl.h"

struct splitting {
    struct vmsim__vm *vm;
    unsigned cpu;
};

/* Kernel: try_to_migrate or split_huge_pmd_address in unmap_folio: afterwards base entries alone map the page. */
static bool split_entry(void *context, struct vmsim__mapping *m) {
    const struct splitting *s = context;
    if (m->slot.level)
        vmsim__thp_split_pmd(m->vma, m->va, &m->slot, s->cpu);
    return true;
}

/* References that entries and the caches account for. */
static int64_t mapped_refs(const struct vmsim__vm *vm, vmsim__pfn head, uint32_t pages) {
    VMSIM__ASSERT(pages > 1);
    const uint32_t caches = VMSIM__FRAME_SWAPCACHE | VMSIM__FRAME_FILE;
    int64_t n = vmsim__frame_is(vmsim__vm_frame(vm, head), caches) ? pages : 0;
    for (uint32_t i = 0; i < pages; i++)
        n += vmsim__vm_frame(vm, head + i)->mapcount;
    return n;
}

/* One frame on its own: `like` has the flags that all share. Kernel: __split_huge_page_tail. */
static void release_frame(struct vmsim__vm *vm, vmsim__pfn pfn, const struct vmsim__frame *like, uint32_t at) {
    VMSIM__ASSERT(vmsim__vm_frame(vm, pfn)->mapcount >= 0);
    struct vmsim__frame *f = vmsim__vm_frame(vm, pfn);
    const bool file = vmsim__frame_is(like, VMSIM__FRAME_FILE);
    const uint32_t own = file ? 0 : VMSIM__FRAME_EXCLUSIVE;
    const uint32_t shared = VMSIM__FRAME_ANON | VMSIM__FRAME_SWAPBACKED | VMSIM__FRAME_ACTIVE | VMSIM__FRAME_SWAPCACHE |
                            VMSIM__FRAME_REFERENCED | VMSIM__FRAME_DIRTY | VMSIM__FRAME_WORKINGSET | VMSIM__FRAME_FILE;
    const bool cached = vmsim__frame_is(like, VMSIM__FRAME_SWAPCACHE | VMSIM__FRAME_FILE);
    uint32_t zone = vmsim__frame_zone(f) << VMSIM__FRAME_ZONE_SHIFT;
    f->flags = zone | (f->flags & own) | (like->flags & shared);
    f->mapping = like->mapping;
    f->policy = like->policy;
    f->memcg = like->memcg;
    vmsim__frame_set_index(f, vmsim__frame_index(like) + at);
    f->next = f->prev = VMSIM__PFN_NONE;
    f->refcount = f->mapcount + cached + 1; /* the list's, which putback drops */
}

/* One that nobody has is freed; of a file those behind its end leave it. */
static void put_on_list(struct vmsim__vm *vm, vmsim__pfn pfn, unsigned cpu) {
    const struct vmsim__frame *f = vmsim__vm_frame(vm, pfn);
    if (vmsim__frame_is(f, VMSIM__FRAME_FILE))
        vmsim__filemap_trim(vm->cache, pfn, cpu);
    if (f->mapcount || vmsim__frame_is(f, VMSIM__FRAME_SWAPCACHE | VMSIM__FRAME_FILE))
        vmsim__lru_putback(vm->lru, pfn, cpu);
    else
        vmsim__folio_put(vm->lru, pfn, cpu);
}

static uint32_t failed(struct vmsim__vm *vm, unsigned order) {
    vmsim__thp_count(vm, order, VMSIM__THP_SPLIT_FAILED, VMSIM__THP_SPLIT_PAGE_FAILED);
    return 0;
}

/* Of a page that is on no list; its frames are on none then, and each has the list's reference still. Returns how many
 * they are; 0: it could not be split. */
static uint32_t split(struct vmsim__vm *vm, vmsim__pfn head, unsigned cpu) {
    struct vmsim__frame *f = vmsim__vm_frame(vm, head);
    VMSIM__ASSERT(vmsim__frame_is(f, VMSIM__FRAME_HEAD) && !vmsim__frame_is(f, VMSIM__FRAME_LRU));
    const unsigned order = vmsim__folio_order(f);
    const uint32_t pages = vmsim__frame_pages(f);
    struct splitting s = {vm, cpu};
    const bool cached = vmsim__frame_is(f, VMSIM__FRAME_SWAPCACHE);
    const bool file = vmsim__frame_is(f, VMSIM__FRAME_FILE);
    if (file && (vmsim__frame_is(f, VMSIM__FRAME_LOCKED | VMSIM__FRAME_WRITEBACK) ||
                 !vmsim__try_to_unmap(vm, head, VMSIM__TTU_IGNORE_MLOCK, cpu)))
        return failed(vm, order);
    if (!file) {
        vmsim__rmap_walk(vm, head, split_entry, &s);
        vmsim__thp_defer_split(vm, head);
    }
    if (f->refcount - 1 != mapped_refs(vm, head, pages) || (cached && !vmsim__swap_cache_may_split(vm->cache, head)))
        return failed(vm, order);
    if (file)
        vmsim__filemap_split(vm->cache, head);
    else
        vmsim__deferred_del(vm->lru, head);
    if (!file)
        vmsim__thp_stat_add(vm->lru, order, VMSIM__THP_NR_ANON, -1);
    const struct vmsim__frame like = *f;
    for (uint32_t i = 0; i < pages; i++)
        release_frame(vm, head + i, &like, i);
    vmsim__thp_count(vm, order, VMSIM__THP_SPLIT, VMSIM__THP_SPLIT_PAGE);
    return pages;
}

bool vmsim__thp_split_isolated(struct vmsim__vm *vm, vmsim__pfn head, unsigned cpu) {
    const uint32_t pages = split(vm, head, cpu);
    for (uint32_t i = 1; i < pages; i++)
        put_on_list(vm, head + i, cpu);
    return pages;
}

/* Kernel: split_huge_page_to_list. A page that anybody else holds (a batch, a pin) cannot be split: its frames would
 * have no common owner for that reference. */
bool vmsim__thp_split_page(struct vmsim__vm *vm, vmsim__pfn pfn, unsigned cpu) {
    const vmsim__pfn head = vmsim__vm_head(vm, pfn);
    const struct vmsim__frame *f = vmsim__vm_frame(vm, head);
    vmsim__lru_drain_cpu(vm->lru, cpu);
    if (vmsim__frame_is(f, VMSIM__FRAME_UNEVICTABLE) || !vmsim__lru_isolate(vm->lru, head))
        return failed(vm, vmsim__folio_order(f));
    const uint32_t pages = split(vm, head, cpu);
    for (uint32_t i = 0; i < pages; i++)
        put_on_list(vm, head + i, cpu);
    if (!pages)
        vmsim__lru_putback(vm->lru, head, cpu);
    return pages;
}

struct shrink {
    struct vmsim__vm *vm;
    unsigned cpu;
};

/* One folio leaves the queue's front: split, or behind all others. */
static bool split_first(const struct shrink *s, struct vmsim__memcg *m) {
    const vmsim__pfn pfn = vmsim__deferred_first(m);
    vmsim__deferred_del(s->vm->lru, pfn);
    if (vmsim__thp_split_page(s->vm, pfn, s->cpu))
        return true;
    if (!vmsim__frame_is(vmsim__vm_frame(s->vm, pfn), VMSIM__FRAME_DEFERRED))
        vmsim__deferred_add(s->vm->lru, pfn);
    return false;
}

/* Kernel: deferred_split_scan. */
static uint64_t scan(void *context, struct vmsim__memcg *m, uint64_t objects, bool *stop) {
    const struct shrink *s = context;
    uint64_t split = 0;
    for (uint64_t n = vmsim__min64(objects, m->deferred.count); n && m->deferred.count; n--)
        split += split_first(s, m);
    *stop = !split && !m->deferred.count;
    return split;
}

uint64_t vmsim__thp_shrink(struct vmsim__vm *vm, uint16_t memcg, int priority, unsigned cpu) {
    struct vmsim__memcg *m = vmsim__memcg_by_id(vm->lru, memcg);
    struct shrink s = {vm, cpu};
    if (!m)
        return 0;
    vmsim__memcg_get(m); /* it may lose its last page here */
    const uint64_t split = vmsim__deferred_shrink(m, priority, scan, &s);
    vmsim__memcg_put(m);
    return split;
}
