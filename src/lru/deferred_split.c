/* SPDX-License-Identifier: MIT */
/* The queue of folios to be split, and how much of it a round of reclaim looks at (deferred_split.h).
 *
 *     freeable folios >> priority, times 4 / seeks (2)     + what earlier rounds left     at most twice as many as
 * there are
 *
 * Kernel counterparts: mm/huge_memory.c (deferred_split_folio), mm/vmscan.c (do_shrink_slab). */
#include "lru/deferred_split.h"

#include "lru/lru_impl.h"

#define BATCH 128u /* SHRINK_BATCH */
#define SEEKS 2u   /* DEFAULT_SEEKS */

static struct vmsim__memcg *owner(const struct vmsim__lru *lru, const struct vmsim__frame *f) {
    struct vmsim__memcg *m = vmsim__memcg_by_id(lru, (uint16_t)f->memcg);
    VMSIM__ASSERT(m && vmsim__folio_order(f) >= 2);
    return m;
}

static vmsim__pfn *link_before(const struct vmsim__lru *lru, vmsim__pfn pfn) {
    return &vmsim__lru_frame(lru, pfn + 1)->prev;
}
static vmsim__pfn *link_behind(const struct vmsim__lru *lru, vmsim__pfn pfn) {
    return &vmsim__lru_frame(lru, pfn + 2)->prev;
}

void vmsim__deferred_add(struct vmsim__lru *lru, vmsim__pfn pfn) {
    struct vmsim__frame *f = vmsim__lru_frame(lru, pfn);
    struct vmsim__memcg *m = owner(lru, f);
    VMSIM__ASSERT(!vmsim__frame_is(f, VMSIM__FRAME_DEFERRED));
    f->flags |= VMSIM__FRAME_DEFERRED;
    vmsim__thp_stat_add(lru, vmsim__folio_order(f), VMSIM__THP_NR_ANON_PARTIALLY_MAPPED, 1);
    *link_before(lru, pfn) = m->deferred.count ? m->deferred.tail : VMSIM__PFN_NONE;
    *link_behind(lru, pfn) = VMSIM__PFN_NONE;
    if (m->deferred.count++)
        *link_behind(lru, m->deferred.tail) = pfn;
    else
        m->deferred.head = pfn;
    m->deferred.tail = pfn;
}

void vmsim__deferred_del(struct vmsim__lru *lru, vmsim__pfn pfn) {
    struct vmsim__frame *f = vmsim__lru_frame(lru, pfn);
    if (!vmsim__frame_is(f, VMSIM__FRAME_DEFERRED))
        return;
    struct vmsim__memcg *m = owner(lru, f);
    const vmsim__pfn before = *link_before(lru, pfn), behind = *link_behind(lru, pfn);
    VMSIM__ASSERT(m->deferred.count > 0);
    f->flags &= ~VMSIM__FRAME_DEFERRED;
    vmsim__thp_stat_add(lru, vmsim__folio_order(f), VMSIM__THP_NR_ANON_PARTIALLY_MAPPED, -1);
    m->deferred.count--;
    *(before == VMSIM__PFN_NONE ? &m->deferred.head : link_behind(lru, before)) = behind;
    *(behind == VMSIM__PFN_NONE ? &m->deferred.tail : link_before(lru, behind)) = before;
    *link_before(lru, pfn) = *link_behind(lru, pfn) = 0;
}

vmsim__pfn vmsim__deferred_first(const struct vmsim__memcg *m) {
    return m->deferred.count ? m->deferred.head : VMSIM__PFN_NONE;
}

uint64_t vmsim__deferred_shrink(struct vmsim__memcg *m, int priority, vmsim__shrink_fn *scan, void *context) {
    const uint64_t freeable = m->deferred.count, left = m->deferred.left;
    VMSIM__ASSERT(priority >= 0 && priority <= 12);
    if (!freeable)
        return 0;
    const uint64_t delta = (freeable >> priority) * 4 / SEEKS;
    uint64_t total = vmsim__min64((left >> priority) + delta, 2 * freeable), scanned = 0, freed = 0;
    bool stop = false;
    while (total >= BATCH || total >= freeable) {
        const uint64_t some = vmsim__min64(BATCH, total);
        const uint64_t got = scan(context, m, some, &stop);
        if (stop || !some)
            break;
        freed += got;
        m->lru->mem->event[VMSIM__SLABS_SCANNED] += some;
        total -= some;
        scanned += some;
    }
    m->deferred.left = vmsim__min64(left + delta > scanned ? left + delta - scanned : 0, 2 * freeable);
    return freed;
}
