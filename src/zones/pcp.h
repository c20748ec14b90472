/* SPDX-License-Identifier: MIT */
/* Per-CPU lists: the inline halves of allocation and freeing, which most calls never leave.
 *
 *     list[type + 3 * order]   order 0..3      list[12 + movable]   whole THP blocks
 *     head: freed last (hot), handed out first        tail: goes back to the buddy first
 *
 * Their frames are free for users but not in NR_FREE_PAGES. Kernel counterpart: struct per_cpu_pages in
 * mm/page_alloc.c. */
#ifndef VMSIM__PCP_H
#define VMSIM__PCP_H
#include "zones/zones_internal.h"

#define VMSIM__PCP_BATCH_SCALE_MAX 5

/* Does a block of this order go through the per-CPU lists? Blocks of THP size are kept since 5.13. */
VMSIM__INLINE bool vmsim__pcp_order(const struct vmsim__mem *mem, unsigned order) {
    VMSIM__ASSERT(order <= mem->top_order);
    return order <= VMSIM__COSTLY_ORDER || order == mem->pageblock_order;
}
VMSIM__INLINE unsigned vmsim__pcp_index(unsigned order, enum vmsim__migratetype type) {
    VMSIM__ASSERT(type < VMSIM__PCP_TYPES);
    if (VMSIM__UNLIKELY(order > VMSIM__COSTLY_ORDER))
        return VMSIM__PCP_TYPES * (VMSIM__COSTLY_ORDER + 1) + (type == VMSIM__MOVABLE);
    return VMSIM__PCP_TYPES * order + (unsigned)type;
}

/* Moves a batch from the buddy to an empty list; false: the zone has none. */
bool vmsim__pcp_refill(struct vmsim__mem *mem, struct vmsim__zone *z, struct vmsim__pcp *pcp, unsigned order,
                       enum vmsim__migratetype type, uint32_t alloc_flags);
/* Shortens the lists of a CPU after a block went onto list `index`, as far as the kernel does now. */
void vmsim__pcp_trim_6_1(struct vmsim__mem *mem, struct vmsim__zone *z, struct vmsim__pcp *pcp, unsigned order,
                         unsigned index);
void vmsim__pcp_trim_auto(struct vmsim__mem *mem, struct vmsim__zone *z, struct vmsim__pcp *pcp, unsigned order,
                          unsigned index);

/* Takes the hottest block of a list that is not empty. */
VMSIM__INLINE vmsim__pfn vmsim__pcp_pop(struct vmsim__mem *mem, struct vmsim__pcp *pcp, struct vmsim__frame_list *list,
                                        unsigned order) {
    vmsim__pfn pfn = list->head, next = vmsim__frame_of(mem, pfn)->next;
    VMSIM__ASSERT(vmsim__frame_is(vmsim__frame_of(mem, pfn), VMSIM__FRAME_PCP) && pcp->count >= 1 << order);
    list->head = next;
    if (VMSIM__LIKELY(next != VMSIM__PFN_NONE))
        vmsim__frame_of(mem, next)->prev = VMSIM__PFN_NONE;
    else
        list->tail = VMSIM__PFN_NONE;
    pcp->count -= 1 << order;
    pcp->used = true;
    pcp->free_factor >>= 1;
    pcp->free_count >>= 1;
    return pfn;
}

VMSIM__INLINE vmsim__pfn vmsim__pcp_alloc(struct vmsim__mem *mem, struct vmsim__zone *z, unsigned cpu, unsigned order,
                                          enum vmsim__migratetype type, uint32_t alloc_flags) {
    VMSIM__ASSERT(cpu < mem->nr_cpus);
    struct vmsim__pcp *pcp = &z->pcp[cpu];
    struct vmsim__frame_list *list = &pcp->list[vmsim__pcp_index(order, type)];
    if (list->head == VMSIM__PFN_NONE && !vmsim__pcp_refill(mem, z, pcp, order, type, alloc_flags)) {
        pcp->free_factor >>= 1;
        pcp->free_count >>= 1;
        return VMSIM__PFN_NONE;
    }
    return vmsim__pcp_pop(mem, pcp, list, order);
}

/* Puts a block on top of the list of its type. `type` is that of its pageblock. */
VMSIM__INLINE void vmsim__pcp_free(struct vmsim__mem *mem, struct vmsim__zone *z, vmsim__pfn pfn,
                                   struct vmsim__frame *f, unsigned order, enum vmsim__migratetype type, unsigned cpu) {
    VMSIM__ASSERT(cpu < mem->nr_cpus && f->refcount == 0 && f->mapcount == 0);
    struct vmsim__pcp *pcp = &z->pcp[cpu];
    /* HIGHATOMIC and CMA blocks wait on the MOVABLE list and remember what they are */
    unsigned index = vmsim__pcp_index(order, type < VMSIM__PCP_TYPES ? type : VMSIM__MOVABLE);
    f->flags = (f->flags & VMSIM__FRAME_KEEP) | VMSIM__FRAME_PCP;
    vmsim__block_set_order(f, order);
    vmsim__frame_set_list(f, type);
    vmsim__list_push(mem, &pcp->list[index], pfn, f);
    pcp->count += 1 << order;
    pcp->used = true;
    if (mem->kernel->pcp_high_auto)
        vmsim__pcp_trim_auto(mem, z, pcp, order, index);
    else if (VMSIM__UNLIKELY(pcp->count >= pcp->high || z->flags & VMSIM__ZONE_RECLAIM_ACTIVE ||
                             (order && pcp->free_factor)))
        vmsim__pcp_trim_6_1(mem, z, pcp, order, index);
}

#endif
