/* SPDX-License-Identifier: MIT */
/* Fills as they nearly always are, inline: the entry is absent, and takes the place of another that counts alike.
 *
 * Each layout of a set has its own; what else can happen (an empty way, a victim of another size, policies that are
 * asked, arrays that are inclusive) is vmsim__tlb_array_fill. */
#ifndef VMSIM__TLB_FILL_H
#define VMSIM__TLB_FILL_H
#include "tlb/tlb_internal.h"

/* The least recently used entry makes room without a change of what looks go by: it is of the same size, and neither of
 * them is global, or both are. Nearly always they are of the same ASID, too. */
VMSIM__INLINE bool tlb_replaces(struct tlb_array *r, uint64_t old, uint64_t tag) {
    if (VMSIM__LIKELY(!((old ^ tag) & ((UINT64_C(1) << TLB_PAGE_SHIFT) - 1))))
        return true;
    if (tlb_tag_class(old) != tlb_tag_class(tag) || tlb_tag_asid(old) == VMSIM__ASID_GLOBAL ||
        tlb_tag_asid(tag) == VMSIM__ASID_GLOBAL)
        return false;
    --*tlb_of_asid(r, old);
    ++*tlb_of_asid(r, tag);
    return true;
}

/* A set with times of use. */
VMSIM__INLINE uint64_t *tlb_times_victim(uint64_t *tags, const unsigned ways, bool tree) {
    const uint64_t *use = tags + ways;
    uint32_t w = tlb_oldest(use, ways);
    if (VMSIM__UNLIKELY(tree) && use[w])
        w = vmsim__tlb_plru_victim(use, ways);
    return tags + w;
}

VMSIM__INLINE uint64_t *tlb_fill_times(struct vmsim__tlb *t, const struct tlb_place *p, const unsigned ways, bool first,
                                       uint64_t page, uint64_t tag, uint64_t data) {
    uint64_t *at = tlb_times_victim(tlb_place_set(p, page), ways, p->tree), old = *at;
    if (VMSIM__UNLIKELY(!tlb_replaces(p->array, old, tag)))
        return NULL;
    if (first && VMSIM__UNLIKELY(at[2 * ways] & TLB_FILTERED))
        tlb_filter_drop(t, old, at[2 * ways], at + ways);
    at[0] = tag;
    at[ways] = t->now;
    at[2 * ways] = data;
    return at;
}

VMSIM__INLINE uint64_t *tlb_fill_order(const struct tlb_place *p, const unsigned ways, uint64_t page, uint64_t tag,
                                       uint64_t data) {
    uint32_t set = VMSIM__LIKELY(p->plain) ? (uint32_t)page & p->mask : tlb_set(p->array, page);
    uint64_t order = p->order[set], *at = p->block + (size_t)set * p->stride + tlb_order_oldest(order);
    if (VMSIM__UNLIKELY(!tlb_replaces(p->array, *at, tag)))
        return NULL;
    p->order[set] = tlb_order_rotate(order, ways);
    at[0] = tag;
    at[ways] = data;
    return at;
}

VMSIM__INLINE uint64_t *tlb_fill_wide(struct vmsim__tlb *t, const struct tlb_place *p, bool first, uint64_t page,
                                      uint64_t tag, uint64_t data) {
    struct tlb_array *r = p->array;
    uint32_t set = tlb_set(r, page), e = vmsim__tlb_wide_oldest(&r->wide, set);
    uint64_t *at = r->block + e, old = *at;
    if (VMSIM__UNLIKELY(!tlb_replaces(p->array, old, tag)))
        return NULL;
    if (first && VMSIM__UNLIKELY(at[r->data] & TLB_FILTERED))
        tlb_filter_drop(t, old, at[r->data], at + r->use);
    tlb_wide_replace(&r->wide, set, tag, t->now);
    at[0] = tag;
    at[r->use] = t->now;
    at[r->data] = data;
    return at;
}

/* vmsim__tlb_array_fill for the case that nearly all fills are: the entry is absent, and replaces another in a place
 * that has a quick way. NULL: another case. The filter knows entries of the first level only. */
VMSIM__INLINE uint64_t *tlb_fill_quick(struct vmsim__tlb *t, const struct tlb_place *p, bool first, uint64_t page,
                                       uint64_t tag, uint64_t data) {
    uint64_t *at = NULL;
    if (p->quick == TLB_QUICK_ORDER)
        at = tlb_fill_order(p, p->ways, page, tag, data);
    else if (p->quick == TLB_QUICK_4)
        at = tlb_fill_times(t, p, 4, first, page, tag, data);
    else if (p->quick == TLB_QUICK_8)
        at = tlb_fill_times(t, p, 8, first, page, tag, data);
    else if (p->quick == TLB_QUICK_FEW)
        at = tlb_fill_times(t, p, p->ways, first, page, tag, data);
    else if (p->quick == TLB_QUICK_WIDE)
        at = tlb_fill_wide(t, p, first, page, tag, data);
    p->count->fill += at != NULL;
    p->count->evict += at != NULL;
    return at;
}

#endif
