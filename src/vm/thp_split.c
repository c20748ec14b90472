/* SPDX-License-Identifier: MIT */
/* Splitting a compound anonymous page into its base frames.
 *
 *   huge entries -> base entries (rmap)     no reference may be left but those of the entries
 *   [head|tail|tail|...]  ->  [page][page][page]...   each with its own references, flags, index; on the LRU list of
 * the head
 *
 * Frames that no entry maps any more go back to the allocator. Kernel counterpart: mm/huge_memory.c (split_huge_page).
 */
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

/* References that entries account for. */
static int64_t mapped_refs(const struct vmsim__vm *vm, vmsim__pfn head, uint32_t pages) {
    VMSIM__ASSERT(pages > 1);
    int64_t n = 0;
    for (uint32_t i = 0; i < pages; i++)
        n += vmsim__vm_frame(vm, head + i)->mapcount;
    return n;
}

/* One frame on its own: `like` has the flags that all share. Kernel: __split_huge_page_tail. */
static void release_frame(struct vmsim__vm *vm, vmsim__pfn pfn, const struct vmsim__frame *like, uint32_t at,
                          unsigned cpu) {
    VMSIM__ASSERT(vmsim__vm_frame(vm, pfn)->mapcount >= 0);
    struct vmsim__frame *f = vmsim__vm_frame(vm, pfn);
    const uint32_t own = VMSIM__FRAME_EXCLUSIVE;
    const uint32_t shared = VMSIM__FRAME_ANON | VMSIM__FRAME_SWAPBACKED | VMSIM__FRAME_ACTIVE |
                            VMSIM__FRAME_REFERENCED | VMSIM__FRAME_DIRTY | VMSIM__FRAME_WORKINGSET;
    uint32_t zone = vmsim__frame_zone(f) << VMSIM__FRAME_ZONE_SHIFT;
    f->flags = zone | (f->flags & own) | (like->flags & shared);
    f->mapping = like->mapping;
    f->policy = like->policy;
    f->memcg = like->memcg;
    vmsim__frame_set_index(f, vmsim__frame_index(like) + at);
    f->next = f->prev = VMSIM__PFN_NONE;
    f->refcount = f->mapcount + 1; /* the list's, which putback drops */
    if (f->mapcount)
        vmsim__lru_putback(vm->lru, pfn, cpu);
    else
        vmsim__folio_put(vm->lru, pfn, cpu);
}

/* Kernel: split_huge_page_to_list. A page that anybody else holds (a batch, a pin) cannot be split: its frames would
 * have no common owner for that reference. */
bool vmsim__thp_split_page(struct vmsim__vm *vm, vmsim__pfn pfn, unsigned cpu) {
    vmsim__pfn head = vmsim__vm_head(vm, pfn);
    struct vmsim__frame *f = vmsim__vm_frame(vm, head);
    const unsigned order = vmsim__folio_order(f);
    const uint32_t pages = vmsim__frame_pages(f);
    struct splitting s = {vm, cpu};
    vmsim__lru_drain_cpu(vm->lru, cpu);
    bool queued = vmsim__frame_is(f, VMSIM__FRAME_DEFERRED);
    if (vmsim__frame_is(f, VMSIM__FRAME_UNEVICTABLE) || !vmsim__lru_isolate(vm->lru, head)) {
        vmsim__thp_count(vm, order, VMSIM__THP_SPLIT_FAILED, VMSIM__THP_SPLIT_PAGE_FAILED);
        return false;
    }
    vmsim__rmap_walk(vm, head, split_entry, &s);
    if (!queued)
        vmsim__thp_count(vm, order, VMSIM__THP_SPLIT_DEFERRED, VMSIM__THP_DEFERRED_SPLIT_PAGE);
    f->flags |= VMSIM__FRAME_DEFERRED;
    if (f->refcount - 1 != mapped_refs(vm, head, pages)) {
        vmsim__lru_putback(vm->lru, head, cpu);
        vmsim__thp_count(vm, order, VMSIM__THP_SPLIT_FAILED, VMSIM__THP_SPLIT_PAGE_FAILED);
        return false;
    }
    VMSIM__ASSERT(vmsim__frame_is(f, VMSIM__FRAME_HEAD) && !vmsim__frame_is(f, VMSIM__FRAME_LRU));
    const struct vmsim__frame like = *f;
    for (uint32_t i = 0; i < pages; i++)
        release_frame(vm, head + i, &like, i, cpu);
    vmsim__thp_count(vm, order, VMSIM__THP_SPLIT, VMSIM__THP_SPLIT_PAGE);
    return true;
}
