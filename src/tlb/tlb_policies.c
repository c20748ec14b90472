/* SPDX-License-Identifier: MIT */
/* The two domains of this folder: one row each, and one line for each built-in policy. */
#include "tlb/tlb_internal.h"

static const struct vmsim_policy *const replacement[] = {
    &vmsim__tlb_lru.policy,
    &vmsim__tlb_plru.policy,
    &vmsim__tlb_fifo.policy,
    &vmsim__tlb_random.policy,
    &vmsim__tlb_srrip.policy,
    &vmsim__tlb_ship.policy,
    NULL, /* one a line */
};

static const struct vmsim_policy *const prefetch[] = {
    &vmsim__tlb_prefetch_none.policy,
    &vmsim__tlb_prefetch_next_page.policy,
    &vmsim__tlb_prefetch_distance.policy,
    NULL,
};

const struct vmsim__policy_domain vmsim__tlb_replacement_domain = {
    .info = {sizeof(struct vmsim_policy_domain_info), true, "tlb_replacement",
             "Which entry of a full TLB set goes: policy of every array; absent: as each array says.", "lru"},
    .id = VMSIM_POLICY_TLB_REPLACEMENT,
    .size = sizeof(struct vmsim_tlb_replacement_policy),
    .least = VMSIM__POLICY_UP_TO(vmsim_tlb_replacement_policy, invalidate),
    .decisive = {VMSIM__POLICY_HOOK(vmsim_tlb_replacement_policy, victim)},
    .destroy = VMSIM__POLICY_HOOK(vmsim_tlb_replacement_policy, destroy),
    .built_in = replacement};

const struct vmsim__policy_domain vmsim__tlb_prefetch_domain = {
    .info = {sizeof(struct vmsim_policy_domain_info), true, "tlb_prefetch",
             "Which pages a TLB miss also fetches; absent: as the machine's tlb says.", "none"},
    .id = VMSIM_POLICY_TLB_PREFETCH,
    .size = sizeof(struct vmsim_tlb_prefetch_policy),
    .least = VMSIM__POLICY_UP_TO(vmsim_tlb_prefetch_policy, useful),
    .decisive = {VMSIM__POLICY_HOOK(vmsim_tlb_prefetch_policy, miss)},
    .destroy = VMSIM__POLICY_HOOK(vmsim_tlb_prefetch_policy, destroy),
    .built_in = prefetch};

int vmsim__tlb_policies_add(struct vmsim__policy_registry *r, struct vmsim__err *err) {
    int e = vmsim__policy_domain_add(r, &vmsim__tlb_replacement_domain, err);
    return e ? e : vmsim__policy_domain_add(r, &vmsim__tlb_prefetch_domain, err);
}
