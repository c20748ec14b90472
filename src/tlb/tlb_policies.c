/* SPDX-License-Identifier: MIT */
/* The built-in policies of this folder: one file each, one line here. */
#include "tlb/tlb_internal.h"

static const struct vmsim_policy *const built_in[] = {
    &vmsim__tlb_lru.policy,
    &vmsim__tlb_plru.policy,
    &vmsim__tlb_fifo.policy,
    &vmsim__tlb_random.policy,
    &vmsim__tlb_srrip.policy,
    &vmsim__tlb_prefetch_none.policy,
    &vmsim__tlb_prefetch_next_page.policy,
    &vmsim__tlb_prefetch_distance.policy,
};

int vmsim__tlb_policies_add(struct vmsim__policy_registry *r, struct vmsim__err *err) {
    for (unsigned i = 0; i < VMSIM__COUNT(built_in); i++) {
        int e = vmsim__policy_add(r, built_in[i], "built-in", err);
        if (e)
            return e;
    }
    return 0;
}
