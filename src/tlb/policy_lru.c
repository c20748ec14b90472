/* SPDX-License-Identifier: MIT */
/* TLB replacement "lru": the entry whose last use is longest ago. The host recognises this policy and does the same
 * inline. */
#include "tlb/tlb_internal.h"

static uint32_t lru_victim(void *context, const struct vmsim_tlb_set *set) {
    VMSIM__ASSERT(set->ways > 0);
    (void)context;
    uint32_t at = set->first;
    for (uint32_t w = set->first + 1; w < set->first + set->ways; w++)
        at = set->last_use[w] < set->last_use[at] ? w : at;
    return at;
}

const struct vmsim_tlb_replacement_policy vmsim__tlb_lru = {
    .policy = {sizeof vmsim__tlb_lru, VMSIM_POLICY_ABI, VMSIM_POLICY_TLB_REPLACEMENT, "lru",
               "Evicts the least recently used entry.", NULL, 0},
    .victim = lru_victim};
