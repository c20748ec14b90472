/* SPDX-License-Identifier: MIT */
/* The filter in front of level 1: which pages an access of each type may use without a lookup. See tlb/tlb_internal.h.
 *
 * Hits of level 1 are counted in byte lanes: a slot carries a 1 in the byte that belongs to its (array, size; load,
 * store or fetch), the hot loop adds slots up, and vmsim__tlb_run folds the bytes into the counters at least every 255
 * accesses. Eight lanes do for a task that runs from pages of two sizes and works on pages of three; when one more
 * comes, the next fold hands lanes out afresh. */
#include <string.h>

#include "tlb/tlb_internal.h"

void vmsim__tlb_filter_clear(struct vmsim__tlb *t) {
    for (unsigned i = 0; i < 4 * TLB_FILTER_SLOTS; i++)
        t->filter[i].key = TLB_INVALID;
    t->lanes = 0;
    t->lanes_short = false;
    for (unsigned i = 0; i < t->arrays; i++)
        memset(t->array[i].lane, TLB_NONE, sizeof t->array[i].lane);
}

/* A large page may have a slot for each base page inside, and so up to all slots of a type. */
void vmsim__tlb_filter_drop_pages(struct vmsim__tlb *t, uint64_t tag, uint64_t data, const uint64_t *use) {
    VMSIM__ASSERT(tag != TLB_INVALID && tlb_tag_class(tag) < t->classes);
    unsigned up = t->class_shift[tlb_tag_class(tag)] - t->page_shift;
    uint64_t page = tag >> TLB_PAGE_SHIFT << up, pages = UINT64_C(1) << up;
    uint32_t slots = pages < TLB_FILTER_SLOTS ? (uint32_t)pages : TLB_FILTER_SLOTS;
    for (unsigned type = 0; type < 4; type++)
        for (uint32_t i = 0; i < slots && data >> (TLB_FILTERED_SHIFT + type) & 1; i++) {
            struct tlb_filter_slot *s = &t->filter[type << TLB_FILTER_BITS | ((page + i) & (TLB_FILTER_SLOTS - 1))];
            if (s->use == use)
                s->key = TLB_INVALID;
        }
}

static const enum vmsim__tlb_counter kind_of[3] = {VMSIM__TLB_loads, VMSIM__TLB_stores, VMSIM__TLB_fetches};

/* An array whose policy wants to hear of hits is left out: the filter would hide them. */
void vmsim__tlb_filter_add(struct vmsim__tlb *t, struct tlb_array *r, uint64_t *tag, uint64_t va, unsigned type) {
    VMSIM__ASSERT(type < 4 && *tag != TLB_INVALID && r->level == 1);
    unsigned c = tlb_tag_class(*tag);
    unsigned kind = type == VMSIM_FETCH ? 2 : type & 1;
    uint8_t *lane = &r->lane[kind][c];
    if (VMSIM__UNLIKELY(r->policy->hit != NULL))
        return;
    if (*lane == TLB_NONE) {
        if (t->lanes == TLB_LANES) {
            t->lanes_short = true;
            return;
        }
        *lane = t->lanes++;
        t->lane[*lane].count = &r->by_size[c];
        t->lane[*lane].latency = r->latency;
        t->lane[*lane].kind = kind_of[kind];
    }
    uint64_t key = tlb_va57(va) >> t->page_shift, *data = tlb_data(r, tag);
    uint64_t inside = key & ((UINT64_C(1) << (t->class_shift[c] - t->page_shift)) - 1);
    VMSIM__ASSERT(*lane < TLB_LANES);
    *data |= UINT64_C(1) << (TLB_FILTERED_SHIFT + type);
    t->filter[type << TLB_FILTER_BITS | (key & (TLB_FILTER_SLOTS - 1))] = (struct tlb_filter_slot){
        key, tlb_use(r, tag), UINT64_C(1) << 8 * *lane, ((*data >> TLB_FRAME_SHIFT) + inside) << t->page_shift};
}
