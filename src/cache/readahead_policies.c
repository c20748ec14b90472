/* SPDX-License-Identifier: MIT */
/* The row of readahead policies, one line for each built-in one, and the choice of one for a cache. */
#include "cache/readahead_policies.h"

#include "cache/cache_impl.h"

static const struct vmsim_policy *const built_in[] = {
    &vmsim__readahead_linux.policy, &vmsim__readahead_none.policy, &vmsim__readahead_fixed.policy,
    NULL, /* one a line */
};

const struct vmsim__policy_domain vmsim__readahead_domain = {
    .info = {sizeof(struct vmsim_policy_domain_info), true, "readahead",
             "Which pages of a file are read before they are asked for.", "linux"},
    .id = VMSIM_POLICY_READAHEAD,
    .size = sizeof(struct vmsim_readahead_policy),
    .least = sizeof(struct vmsim_readahead_policy),
    .decisive = {VMSIM__POLICY_HOOK(vmsim_readahead_policy, window)},
    .create = VMSIM__POLICY_HOOK(vmsim_readahead_policy, create),
    .destroy = VMSIM__POLICY_HOOK(vmsim_readahead_policy, destroy),
    .built_in = built_in};

int vmsim__cache_set_readahead(struct vmsim__cache *c, struct vmsim__policy_registry *policies,
                               const struct vmsim__policy_choice *choice, uint64_t seed, struct vmsim__err *err) {
    struct vmsim__policy_instance *p = &c->readahead.instance;
    VMSIM__ASSERT(!p->policy);
    int e = vmsim__policy_instance_start(p, policies, VMSIM_POLICY_READAHEAD, choice, seed, "readahead", err);
    if (!e)
        c->readahead.policy = (const void *)p->policy;
    return e;
}
