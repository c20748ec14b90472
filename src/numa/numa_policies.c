/* SPDX-License-Identifier: MIT */
/* The row of policies of NUMA balancing, and the built-in ones. */
#include "numa/balancing.h"

#define POLICY(object, its_name, text)                                                                                 \
    { sizeof object, VMSIM_POLICY_ABI, VMSIM_POLICY_NUMA_BALANCING, its_name, text, NULL, 0 }

static int32_t linux_place(void *context, const struct vmsim_numa_request *r) {
    (void)context;
    return r->verdict;
}

const struct vmsim_numa_policy vmsim__numa_linux = {
    .policy = POLICY(vmsim__numa_linux, "linux",
                     "Linux's: pages follow tasks that used them twice from one node, or are their only users; from "
                     "slower tiers by how soon they are used, at a limited rate."),
    .place = linux_place};

static int32_t none_place(void *context, const struct vmsim_numa_request *r) {
    (void)context, (void)r;
    return -1;
}
static uint64_t none_scan(void *context, const struct vmsim_numa_scan *s) {
    (void)context, (void)s;
    return 0;
}

const struct vmsim_numa_policy vmsim__numa_none = {
    .policy = POLICY(vmsim__numa_none, "none", "Never: as kernel.numa_balancing 0."),
    .place = none_place,
    .scan = none_scan};

static int32_t follow_place(void *context, const struct vmsim_numa_request *r) {
    (void)context;
    return r->cpu_node == r->node ? -1 : (int32_t)r->cpu_node;
}

static const struct vmsim_numa_policy follow = {
    .policy = POLICY(follow, "follow", "Each page to the node of whoever used it last, without a filter or a rate."),
    .place = follow_place};

static const struct vmsim_policy *const built_in[] = {
    &vmsim__numa_linux.policy, &vmsim__numa_none.policy, &follow.policy, NULL, /* one a line */
};

const struct vmsim__policy_domain vmsim__numa_domain = {
    .info = {sizeof(struct vmsim_policy_domain_info), true, "numa_balancing",
             "Which pages follow their users to other nodes and tiers.", "linux"},
    .id = VMSIM_POLICY_NUMA_BALANCING,
    .size = sizeof(struct vmsim_numa_policy),
    .least = sizeof(struct vmsim_numa_policy),
    .decisive = {VMSIM__POLICY_HOOK(vmsim_numa_policy, place)},
    .create = VMSIM__POLICY_HOOK(vmsim_numa_policy, create),
    .destroy = VMSIM__POLICY_HOOK(vmsim_numa_policy, destroy),
    .built_in = built_in};
