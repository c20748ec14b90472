/* SPDX-License-Identifier: MIT */
/* The row of policies of tiers, and the built-in ones. */
#include "numa/balancing.h"

#include <stddef.h>

#define POLICY(object, its_name, text, table, bytes)                                                                   \
    { sizeof object, VMSIM_POLICY_ABI, VMSIM_POLICY_TIERING, its_name, text, table, bytes }

/* The verdict comes with the request, so that a policy may start from what Linux would do. */
static bool linux_promote(void *context, const struct vmsim_promotion_request *r) {
    (void)context;
    return r->verdict;
}
static int32_t linux_demote(void *context, const struct vmsim_demotion_request *r) {
    (void)context;
    return r->verdict;
}

const struct vmsim_tiering_policy vmsim__tiering_linux = {
    .policy = POLICY(vmsim__tiering_linux, "linux",
                     "Linux's (TPP): hot by the time from scan to use, at a limited rate; reclaim demotes to the "
                     "nearest node of the next tier.",
                     NULL, 0),
    .promote = linux_promote,
    .demote = linux_demote};

/* ---- none ---- */

static bool none_promote(void *context, const struct vmsim_promotion_request *r) {
    (void)context, (void)r;
    return false;
}
/* -1: the page is given up where it is. */
static int32_t none_demote(void *context, const struct vmsim_demotion_request *r) {
    (void)context, (void)r;
    return -1;
}

static const struct vmsim_tiering_policy none = {
    .policy = POLICY(none, "none", "Pages stay where they were first placed.", NULL, 0),
    .promote = none_promote,
    .demote = none_demote};

/* ---- threshold ---- */

struct threshold_params {
    uint64_t latency_ms;
};
struct threshold {
    const struct vmsim_policy_services *services;
    uint64_t latency_ms;
};

static const struct vmsim_param threshold_table[] = {
    {.name = "latency_ms",
     .type = VMSIM_PARAM_UINT,
     .offset = offsetof(struct threshold_params, latency_ms),
     .fallback = "100",
     .max = 1000000,
     .doc = "A page that is used so soon after a scan, in ms, is promoted."},
    {0}};

static int threshold_create(const struct vmsim_policy_services *services, const void *params, void **context) {
    struct threshold *t = services->allocate(services->host, sizeof *t);
    if (!t)
        return VMSIM_ENOMEM;
    t->services = services;
    t->latency_ms = ((const struct threshold_params *)params)->latency_ms;
    *context = t;
    return 0;
}
static void threshold_destroy(void *context) {
    const struct threshold *t = context;
    t->services->release(t->services->host, context, sizeof *t);
}
/* No rate limit: what a fixed cut costs in traffic is what a study of it wants to see. */
static bool threshold_promote(void *context, const struct vmsim_promotion_request *r) {
    const struct threshold *t = context;
    return r->latency_ms <= t->latency_ms;
}

static const struct vmsim_tiering_policy threshold = {
    .policy = POLICY(threshold, "threshold", "A fixed time from scan to use, and no limit of the rate.",
                     threshold_table, sizeof(struct threshold_params)),
    .create = threshold_create,
    .destroy = threshold_destroy,
    .promote = threshold_promote,
    .demote = linux_demote};

static const struct vmsim_policy *const built_in[] = {
    &vmsim__tiering_linux.policy,         &none.policy, &threshold.policy,
    &vmsim__tiering_oracle_policy.policy, NULL, /* one a line */
};

const struct vmsim__policy_domain vmsim__tiering_domain = {
    .info = {sizeof(struct vmsim_policy_domain_info), true, "tiering",
             "Which pages change between fast and slow memory.", "linux"},
    .id = VMSIM_POLICY_TIERING,
    .size = sizeof(struct vmsim_tiering_policy),
    .least = sizeof(struct vmsim_tiering_policy),
    .decisive = {VMSIM__POLICY_HOOK(vmsim_tiering_policy, promote), VMSIM__POLICY_HOOK(vmsim_tiering_policy, demote)},
    .create = VMSIM__POLICY_HOOK(vmsim_tiering_policy, create),
    .destroy = VMSIM__POLICY_HOOK(vmsim_tiering_policy, destroy),
    .built_in = built_in};
