/* SPDX-License-Identifier: MIT */
/* What an allocation does when nothing is free above the low watermark.
 *
 * The order of the kernel's slow path, with a place for each of its means: dip to the min watermark with the rights of
 * the request, drain what per-CPU lists and LRU batches hold back, release highatomic blocks. Reclaim, compaction and
 * the OOM killer are further means of the same ladder; a machine without them ends in a clean failure. Kernel
 * counterpart: __alloc_pages_slowpath (mm/page_alloc.c). */
#include "machine/machine.h"

/* The rights that the request's GFP flags give (gfp_to_alloc_flags). */
static uint32_t rights_of(uint32_t gfp, unsigned order) {
    VMSIM__ASSERT(order < VMSIM__ORDERS);
    uint32_t flags = VMSIM__ALLOC_WMARK_MIN | VMSIM__ALLOC_CPUSET;
    if (gfp & VMSIM__GFP_HIGH)
        flags |= VMSIM__ALLOC_MIN_RESERVE;
    if (gfp & VMSIM__GFP_KSWAPD_RECLAIM)
        flags |= VMSIM__ALLOC_KSWAPD;
    if (!(gfp & (VMSIM__GFP_DIRECT_RECLAIM | VMSIM__GFP_NOMEMALLOC))) {
        flags |= VMSIM__ALLOC_NON_BLOCK;
        if (order && (gfp & VMSIM__GFP_HIGH))
            flags |= VMSIM__ALLOC_HIGHATOMIC;
        if (gfp & VMSIM__GFP_HIGH)
            flags &= ~VMSIM__ALLOC_CPUSET;
    }
    return flags;
}

vmsim__pfn vmsim__machine_slowpath(void *machine, const struct vmsim__alloc_request *rq) {
    struct vmsim_machine *m = machine;
    VMSIM__ASSERT(rq->cpu < m->nr_cpus && rq->order <= m->mem->top_order);
    uint32_t flags = rights_of(rq->gfp, rq->order);
    if (rq->gfp & VMSIM__GFP_MEMALLOC)
        flags |= VMSIM__ALLOC_NO_WATERMARKS;
    vmsim__pfn pfn = vmsim__mem_get_frames(m->mem, rq, flags);
    if (pfn != VMSIM__PFN_NONE || !(rq->gfp & VMSIM__GFP_DIRECT_RECLAIM))
        return pfn;
    vmsim__lru_drain_all(m->lru);
    vmsim__mem_drain(m->mem);
    pfn = vmsim__mem_get_frames(m->mem, rq, flags);
    while (pfn == VMSIM__PFN_NONE && vmsim__mem_unreserve_highatomic(m->mem, rq, true))
        pfn = vmsim__mem_get_frames(m->mem, rq, flags);
    if (pfn == VMSIM__PFN_NONE && (rq->gfp & VMSIM__GFP_NOFAIL))
        pfn = vmsim__mem_get_frames(m->mem, rq, (flags | VMSIM__ALLOC_MIN_RESERVE) & ~VMSIM__ALLOC_CPUSET);
    return pfn;
}
