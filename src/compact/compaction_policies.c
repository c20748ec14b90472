/* SPDX-License-Identifier: MIT */
/* The row of compaction policies, the built-in ones, and the check of what they answer. */
#include "compact/compaction_policies.h"

#define POLICY(object, its_name, text)                                                                                 \
    { sizeof object, VMSIM_POLICY_ABI, VMSIM_POLICY_COMPACTION, its_name, text, NULL, 0 }

static int32_t linux_decide(void *context, const struct vmsim_compaction_request *r) {
    (void)context;
    return r->verdict;
}

const struct vmsim_compaction_policy vmsim__compaction_linux = {
    .policy = POLICY(vmsim__compaction_linux, "linux",
                     "Linux's: harder the longer an allocation tries, put off after failures, ahead of need when most "
                     "free memory is in pieces."),
    .decide = linux_decide};

static int32_t none_decide(void *context, const struct vmsim_compaction_request *r) {
    (void)context, (void)r;
    return VMSIM_COMPACTION_SKIP;
}

const struct vmsim_compaction_policy vmsim__compaction_none = {
    .policy = POLICY(vmsim__compaction_none, "none", "Never: as a kernel without CONFIG_COMPACTION."),
    .decide = none_decide};

/* The score at which it begins ahead of need: a fifth of the free memory is in pieces. */
#define EAGER_SCORE 20u

static int32_t eager_decide(void *context, const struct vmsim_compaction_request *r) {
    (void)context;
    if (r->why == VMSIM_COMPACTION_PROACTIVE && r->score < EAGER_SCORE)
        return VMSIM_COMPACTION_SKIP;
    return VMSIM_COMPACTION_FULL;
}

const struct vmsim_compaction_policy vmsim__compaction_eager = {
    .policy = POLICY(vmsim__compaction_eager, "eager",
                     "The whole zone each time, failures or not, and ahead of need when a fifth of the free memory is "
                     "in pieces."),
    .decide = eager_decide};

static const struct vmsim_policy *const built_in[] = {
    &vmsim__compaction_linux.policy, &vmsim__compaction_none.policy, &vmsim__compaction_eager.policy,
    NULL, /* one a line */
};

const struct vmsim__policy_domain vmsim__compaction_domain = {
    .info = {sizeof(struct vmsim_policy_domain_info), true, "compaction", "When memory is compacted, and how hard.",
             "linux"},
    .id = VMSIM_POLICY_COMPACTION,
    .size = sizeof(struct vmsim_compaction_policy),
    .least = sizeof(struct vmsim_compaction_policy),
    .decisive = {VMSIM__POLICY_HOOK(vmsim_compaction_policy, decide)},
    .create = VMSIM__POLICY_HOOK(vmsim_compaction_policy, create),
    .destroy = VMSIM__POLICY_HOOK(vmsim_compaction_policy, destroy),
    .built_in = built_in};

int vmsim__compaction_choice_create(struct vmsim__compaction_choice *p, struct vmsim__policy_registry *policies,
                                    const struct vmsim__policy_choice *choice, uint64_t seed, struct vmsim__err *err) {
    *p = (struct vmsim__compaction_choice){0};
    int e =
        vmsim__policy_instance_start(&p->instance, policies, VMSIM_POLICY_COMPACTION, choice, seed, "compaction", err);
    p->policy = (const void *)p->instance.policy;
    return e;
}

void vmsim__compaction_choice_destroy(struct vmsim__compaction_choice *p) {
    vmsim__policy_instance_fini(&p->instance);
    *p = (struct vmsim__compaction_choice){0};
}

enum vmsim_compaction_verdict vmsim__compaction_decide(struct vmsim__compaction_choice *p,
                                                       const struct vmsim__compaction *c, const struct vmsim__zone *z,
                                                       struct vmsim_compaction_request r) {
    VMSIM__ASSERT(r.verdict < VMSIM_COMPACTION_VERDICTS);
    const enum vmsim_compaction_verdict linux_verdict = (enum vmsim_compaction_verdict)r.verdict;
    if (p->policy == &vmsim__compaction_linux)
        return linux_verdict;
    r.size = sizeof r;
    r.node = z->node;
    r.zone = z->type;
    r.fragmentation = vmsim__zone_extfrag_index(c->mem, z, r.order);
    r.score = vmsim__fragmentation_score_zone(c, z);
    r.free = (uint64_t)z->stat[VMSIM__NR_FREE_PAGES];
    r.low = vmsim__zone_wmark(z, VMSIM__WMARK_LOW);
    r.now = c->mem->now.time;
    const int32_t verdict = p->policy->decide(p->instance.context, &r);
    if (verdict >= 0 && verdict < VMSIM_COMPACTION_VERDICTS)
        return (enum vmsim_compaction_verdict)verdict;
    vmsim__policy_fallback(&p->instance, "answered %d", verdict);
    return linux_verdict;
}
