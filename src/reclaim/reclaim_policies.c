/* SPDX-License-Identifier: MIT */
/* The domain of this folder: its row, and one line for each built-in policy. */
#include "reclaim/reclaim.h"

static const struct vmsim_policy *const built_in[] = {
    /* in a machine these two are the kernel's own mechanism */
    &vmsim__reclaim_linux_lru.policy,
    &vmsim__reclaim_linux_mglru.policy,
    /* one a line */
    &vmsim__reclaim_fifo.policy,
    &vmsim__reclaim_lru.policy,
    &vmsim__reclaim_mru.policy,
    &vmsim__reclaim_clock.policy,
    &vmsim__reclaim_random.policy,
    &vmsim__reclaim_lfu.policy,
    &vmsim__reclaim_arc.policy,
    &vmsim__reclaim_s3fifo.policy,
    &vmsim__reclaim_sieve.policy,
    &vmsim__reclaim_lhd.policy,
    &vmsim__reclaim_opt.policy,
    NULL,
};

const struct vmsim__policy_domain vmsim__reclaim_domain = {
    .info = {sizeof(struct vmsim_policy_domain_info), true, "reclaim", "Which folios leave memory when it is short.",
             "linux-lru"},
    .id = VMSIM_POLICY_RECLAIM,
    .size = sizeof(struct vmsim_reclaim_policy),
    .least = VMSIM__POLICY_UP_TO(vmsim_reclaim_policy, folio_evicted),
    .decisive = {VMSIM__POLICY_HOOK(vmsim_reclaim_policy, create),
                 VMSIM__POLICY_HOOK(vmsim_reclaim_policy, folio_added),
                 VMSIM__POLICY_HOOK(vmsim_reclaim_policy, evict)},
    .destroy = VMSIM__POLICY_HOOK(vmsim_reclaim_policy, destroy),
    .built_in = built_in};
