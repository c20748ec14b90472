/* SPDX-License-Identifier: MIT */
/* TLB prefetch "none". */
#include "tlb/tlb_internal.h"

static uint32_t none_miss(void *context, const struct vmsim_tlb_miss *miss, uint64_t *pages, uint32_t limit) {
    (void)context, (void)miss, (void)pages, (void)limit;
    return 0;
}

const struct vmsim_tlb_prefetch_policy vmsim__tlb_prefetch_none = {
    .policy = {sizeof vmsim__tlb_prefetch_none, VMSIM_POLICY_ABI, VMSIM_POLICY_TLB_PREFETCH, "none",
               "Fetches nothing ahead.", NULL, 0},
    .miss = none_miss};
