/* SPDX-License-Identifier: MIT */
/* Putting folios on LRU lists and taking them off: inline, since every page does both.
 *
 *     lruvec.list[l].head --> next --> ... --> tail      the links are frame.next and frame.prev
 *
 * A list runs through the frames, so that a page costs no memory here and moves in O(1). Unevictable pages are only
 * counted; `prev` of their frame is the mlock count. Kernel counterpart: include/linux/mm_inline.h. */
#ifndef VMSIM__LRUVEC_H
#define VMSIM__LRUVEC_H
#include "lru/lru_gen.h"
#include "lru/lru_impl.h"
#include "lru/stat_flush.h"

static inline enum vmsim__lru_list vmsim__lru_list_of(const struct vmsim__frame *f) {
    if (VMSIM__UNLIKELY(vmsim__frame_is(f, VMSIM__FRAME_UNEVICTABLE)))
        return VMSIM__LRU_UNEVICTABLE;
    return (vmsim__frame_is(f, VMSIM__FRAME_SWAPBACKED) ? VMSIM__LRU_INACTIVE_ANON : VMSIM__LRU_INACTIVE_FILE) +
           vmsim__frame_is(f, VMSIM__FRAME_ACTIVE);
}

/* Counts the folio in or out (-1) wherever lists are counted; the lruvec that it belongs to. The statistics follow the
 * order of enum vmsim__lru_list, as in update_lru_size. */
VMSIM__INLINE struct vmsim__lruvec *vmsim__lruvec_count(struct vmsim__lru *lru, const struct vmsim__frame *f,
                                                        enum vmsim__lru_list list, int sign) {
    const int64_t pages = sign * (int64_t)vmsim__frame_pages(f);
    struct vmsim__zone *z = vmsim__lru_zone(lru, f);
    struct vmsim__lruvec *v = vmsim__lruvec_of(lru, f);
    vmsim__stats_touch(lru, v, vmsim__frame_pages(f));
    if (VMSIM__UNLIKELY(f->memcg))
        v->stat[VMSIM__NR_INACTIVE_ANON + list] += pages;
    VMSIM__ASSERT(pages >= 0 || v->zone_count[z->type][list] >= (uint64_t)-pages);
    v->zone_count[z->type][list] += (uint64_t)pages;
    z->stat[VMSIM__NR_ZONE_INACTIVE_ANON + list] += pages;
    lru->mem->nodes[z->node].stat[VMSIM__NR_INACTIVE_ANON + list] += pages;
    return v;
}

/* A number of pages of a zone: the same without a folio. */
static inline void vmsim__lruvec_count_pages(struct vmsim__lru *lru, struct vmsim__lruvec *v, struct vmsim__zone *z,
                                             enum vmsim__lru_list list, int64_t pages) {
    VMSIM__ASSERT(z->node == v->node && (pages >= 0 || v->zone_count[z->type][list] >= (uint64_t)-pages));
    vmsim__stats_touch(lru, v, (uint64_t)(pages < 0 ? -pages : pages));
    if (v->memcg->parent)
        v->stat[VMSIM__NR_INACTIVE_ANON + list] += pages;
    v->zone_count[z->type][list] += (uint64_t)pages;
    z->stat[VMSIM__NR_ZONE_INACTIVE_ANON + list] += pages;
    lru->mem->nodes[z->node].stat[VMSIM__NR_INACTIVE_ANON + list] += pages;
}

/* ---- the lists of active, inactive and unevictable folios ---- */

VMSIM__INLINE void vmsim__list_add(struct vmsim__lru *lru, vmsim__pfn pfn, struct vmsim__frame *f, bool to_tail) {
    enum vmsim__lru_list list = vmsim__lru_list_of(f);
    struct vmsim__lruvec *v = vmsim__lruvec_count(lru, f, list, 1);
    vmsim__pfn *head = &v->list[list].head, *tail = &v->list[list].tail;
    if (VMSIM__UNLIKELY(list == VMSIM__LRU_UNEVICTABLE))
        return;
    VMSIM__ASSERT((*head == VMSIM__PFN_NONE) == (*tail == VMSIM__PFN_NONE));
    const vmsim__pfn next = to_tail ? VMSIM__PFN_NONE : *head, prev = to_tail ? *tail : VMSIM__PFN_NONE;
    f->next = next;
    f->prev = prev;
    *(next != VMSIM__PFN_NONE ? &vmsim__lru_frame(lru, next)->prev : tail) = pfn;
    *(prev != VMSIM__PFN_NONE ? &vmsim__lru_frame(lru, prev)->next : head) = pfn;
}

VMSIM__INLINE void vmsim__list_del(struct vmsim__lru *lru, struct vmsim__frame *f) {
    VMSIM__ASSERT(vmsim__frame_is(f, VMSIM__FRAME_LRU));
    enum vmsim__lru_list list = vmsim__lru_list_of(f);
    struct vmsim__lruvec *v = vmsim__lruvec_count(lru, f, list, -1);
    const vmsim__pfn next = f->next, prev = f->prev;
    f->next = f->prev = VMSIM__PFN_NONE;
    if (VMSIM__UNLIKELY(list == VMSIM__LRU_UNEVICTABLE))
        return;
    *(next != VMSIM__PFN_NONE ? &vmsim__lru_frame(lru, next)->prev : &v->list[list].tail) = prev;
    *(prev != VMSIM__PFN_NONE ? &vmsim__lru_frame(lru, prev)->next : &v->list[list].head) = next;
}

/* ---- the lists that are in use ---- */

/* Where it counts while generations are on. */
enum vmsim__lru_list vmsim__lru_gen_list_of(const struct vmsim__lruvec *v, const struct vmsim__frame *f);

static inline enum vmsim__lru_list vmsim__lru_list_in_use(struct vmsim__lru *lru, const struct vmsim__frame *f) {
    return lru->gen_enabled && !vmsim__frame_is(f, VMSIM__FRAME_UNEVICTABLE)
               ? vmsim__lru_gen_list_of(vmsim__lruvec_of(lru, f), f)
               : vmsim__lru_list_of(f);
}

VMSIM__INLINE void vmsim__lruvec_add(struct vmsim__lru *lru, vmsim__pfn pfn, struct vmsim__frame *f, bool to_tail) {
    if (VMSIM__UNLIKELY(lru->gen_enabled) && !vmsim__frame_is(f, VMSIM__FRAME_UNEVICTABLE))
        vmsim__lru_gen_add(lru, pfn, f, to_tail);
    else
        vmsim__list_add(lru, pfn, f, to_tail);
}

VMSIM__INLINE void vmsim__lruvec_del(struct vmsim__lru *lru, struct vmsim__frame *f) {
    if (VMSIM__UNLIKELY(lru->gen_enabled) && !vmsim__frame_is(f, VMSIM__FRAME_UNEVICTABLE))
        vmsim__lru_gen_del(lru, f, false);
    else
        vmsim__list_del(lru, f);
}

#endif
