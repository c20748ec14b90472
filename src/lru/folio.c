/* SPDX-License-Identifier: MIT */
/* A folio's references, its end, and the time that it spends off its list with whoever isolated it.
 *
 * Kernel counterparts: include/linux/mm.h, __page_cache_release of mm/swap.c, folio_isolate_lru of mm/vmscan.c. */
#include "lru/lru_impl.h"

/* Kernel: folio_isolate_lru. */
bool vmsim__lru_isolate(struct vmsim__lru *lru, vmsim__pfn pfn) {
    struct vmsim__frame *f = vmsim__lru_frame(lru, pfn);
    if (!vmsim__frame_is(f, VMSIM__FRAME_LRU))
        return false;
    vmsim__lruvec_del(lru, pfn);
    f->flags &= ~VMSIM__FRAME_LRU;
    f->refcount++;
    VMSIM__ASSERT(f->refcount > 1);
    return true;
}

void vmsim__lru_putback(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned cpu) {
    vmsim__lru_add(lru, pfn, cpu);
    vmsim__folio_put(lru, pfn, cpu);
}

/* ---- references ---- */

void vmsim__folio_get(struct vmsim__lru *lru, vmsim__pfn pfn) {
    VMSIM__ASSERT(vmsim__lru_frame(lru, pfn)->refcount > 0 &&
                  !vmsim__frame_is(vmsim__lru_frame(lru, pfn), VMSIM__FRAME_TAIL));
    vmsim__lru_frame(lru, pfn)->refcount++;
}

/* Kernel: __page_cache_release, then free_unref_page. */
void vmsim__folio_put(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned cpu) {
    VMSIM__ASSERT(cpu < lru->cpus);
    struct vmsim__frame *f = vmsim__lru_frame(lru, pfn);
    VMSIM__ASSERT(f->refcount > 0);
    VMSIM__ASSERT(!vmsim__frame_is(f, VMSIM__FRAME_BUDDY | VMSIM__FRAME_PCP | VMSIM__FRAME_TAIL));
    if (--f->refcount)
        return;
    VMSIM__ASSERT(f->mapcount == 0 && !vmsim__frame_is(f, VMSIM__FRAME_FILE));
    if (vmsim__frame_is(f, VMSIM__FRAME_LRU))
        vmsim__lruvec_del(lru, pfn);
    if (vmsim__frame_is(f, VMSIM__FRAME_MLOCKED))
        vmsim__mlock_clear(lru, f);
    unsigned order = vmsim__folio_order(f);
    vmsim__mem_free(lru->mem, pfn, order, cpu);
}
