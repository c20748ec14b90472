/* SPDX-License-Identifier: MIT */
/* A folio's references, its end, and the time that it spends off its list with whoever isolated it.
 *
 * Kernel counterparts: include/linux/mm.h, __page_cache_release of mm/swap.c, folio_isolate_lru of mm/vmscan.c. */
#include "lru/deferred_split.h"
#include "lru/lruvec.h"
#include "lru/workingset.h"

#define STAT_NAME(id, name) name,
const char *const vmsim__thp_size_stat_names[VMSIM__THP_SIZE_STATS] = {VMSIM__THP_SIZE_STAT_LIST(STAT_NAME)};

/* Kernel: folio_isolate_lru. */
bool vmsim__lru_isolate(struct vmsim__lru *lru, vmsim__pfn pfn) {
    struct vmsim__frame *f = vmsim__lru_frame(lru, pfn);
    if (!vmsim__frame_is(f, VMSIM__FRAME_LRU))
        return false;
    vmsim__lruvec_del(lru, f);
    f->flags &= ~VMSIM__FRAME_LRU;
    f->refcount++;
    VMSIM__ASSERT(f->refcount > 1);
    return true;
}

/* ---- for reclaim ---- */

/* One folio of a list that is scanned: taken, or left on the list. */
static bool take(struct vmsim__lru *lru, vmsim__pfn pfn, struct vmsim__isolation *i) {
    const struct vmsim__frame *f = vmsim__lru_frame(lru, pfn);
    if ((!i->may_unmap && vmsim__folio_mapped(lru, pfn)) || !vmsim__lru_isolate(lru, pfn))
        return false;
    i->taken += vmsim__frame_pages(f);
    i->folio[i->count++] = pfn;
    return true;
}

/* The scan ends where it began if everything was left on the list: those go to the head, as the kernel's list_move
 * does, so that the next scan sees others. */
void vmsim__lru_isolate_tail(struct vmsim__lru *lru, struct vmsim__lruvec *v, enum vmsim__lru_list list, uint32_t pages,
                             struct vmsim__isolation *i) {
    VMSIM__ASSERT(list < VMSIM__LRU_UNEVICTABLE && pages <= VMSIM__ISOLATE_MAX);
    uint32_t left = pages;
    const uint64_t all = vmsim__lruvec_pages(v, list);
    i->taken = i->scanned = i->skipped = i->count = 0;
    while (left && i->scanned < all && v->list[list].tail != VMSIM__PFN_NONE) {
        vmsim__pfn pfn = v->list[list].tail;
        struct vmsim__frame *f = vmsim__lru_frame(lru, pfn);
        uint32_t size = vmsim__frame_pages(f);
        unsigned type = vmsim__lru_zone(lru, f)->type;
        i->scanned += size;
        if (type > i->zone_type) {
            i->skipped += size;
            vmsim__lru_event(lru, (enum vmsim__event_stat)(VMSIM__PGSKIP_DMA + type), size);
        } else {
            left -= (uint32_t)vmsim__min64(left, size);
            if (take(lru, pfn, i))
                continue;
        }
        vmsim__lruvec_del(lru, f);
        vmsim__lruvec_add(lru, pfn, f, false);
    }
}

uint64_t vmsim__lru_move_back(struct vmsim__lru *lru, const vmsim__pfn *folio, uint32_t count, unsigned cpu) {
    uint64_t moved = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct vmsim__frame *f = vmsim__lru_frame(lru, folio[i]);
        VMSIM__ASSERT(!vmsim__frame_is(f, VMSIM__FRAME_LRU) && f->refcount > 0);
        if (!vmsim__folio_evictable(f) || vmsim__frame_is(f, VMSIM__FRAME_UNEVICTABLE)) {
            vmsim__lru_putback(lru, folio[i], cpu);
            continue;
        }
        if (f->refcount > 1) {
            vmsim__lruvec_add(lru, folio[i], f, false);
            f->flags |= VMSIM__FRAME_LRU;
            moved += vmsim__frame_pages(f);
            if (vmsim__frame_is(f, VMSIM__FRAME_ACTIVE)) /* it takes room that those evicted would have */
                vmsim__workingset_age(vmsim__lruvec_of(lru, f), vmsim__frame_pages(f));
        }
        vmsim__folio_put(lru, folio[i], cpu);
    }
    return moved;
}

void vmsim__lru_putback(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned cpu) {
    vmsim__lru_add(lru, pfn, cpu);
    vmsim__folio_put(lru, pfn, cpu);
}

/* ---- references ---- */

bool vmsim__folio_mapped(const struct vmsim__lru *lru, vmsim__pfn pfn) {
    const struct vmsim__frame *f = vmsim__lru_frame(lru, pfn);
    if (vmsim__frame_is(f, VMSIM__FRAME_HEAD) && f[1].mapping)
        return true;
    for (uint32_t i = 0; i < vmsim__frame_pages(f); i++) {
        if (vmsim__lru_frame(lru, pfn + i)->mapcount)
            return true;
    }
    return false;
}

/* Kernel: __page_cache_release, then free_unref_page. */
void vmsim__folio_free(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned cpu) {
    struct vmsim__frame *f = vmsim__lru_frame(lru, pfn);
    VMSIM__ASSERT(!f->refcount && !f->mapcount && !vmsim__frame_is(f, VMSIM__FRAME_FILE));
    if (VMSIM__UNLIKELY(vmsim__frame_is(f, VMSIM__FRAME_DEFERRED)))
        vmsim__deferred_del(lru, pfn);
    if (vmsim__frame_is(f, VMSIM__FRAME_LRU))
        vmsim__lruvec_del(lru, f);
    if (VMSIM__UNLIKELY(vmsim__frame_is(f, VMSIM__FRAME_MLOCKED)))
        vmsim__mlock_clear(lru, f);
    if (VMSIM__UNLIKELY(lru->watch != NULL))
        lru->watch->freed(lru->watch->context, pfn);
    unsigned order = vmsim__folio_order(f);
    if (VMSIM__UNLIKELY(order && vmsim__frame_is(f, VMSIM__FRAME_ANON)))
        vmsim__thp_stat_add(lru, order, VMSIM__THP_NR_ANON, -1);
    if (VMSIM__UNLIKELY(f->memcg))
        vmsim__memcg_uncharge(lru, pfn);
    vmsim__mem_free(lru->mem, pfn, order, cpu);
}
