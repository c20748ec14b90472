/* SPDX-License-Identifier: MIT */
/* The row of OOM policies, the instance of a machine, and the check of what it answers.
 *
 * A policy chooses among candidates by number; who they are and what killing means is the asker's
 * (machine/oom_kill.c), so that the same policies serve the whole machine and one cgroup, and are tested without
 * either. */
#include "oom/oom.h"

static const struct vmsim_policy *const built_in[] = {
    &vmsim__oom_badness_policy.policy,  &vmsim__oom_largest_rss.policy, &vmsim__oom_newest.policy,
    &vmsim__oom_allocating_task.policy, &vmsim__oom_panic.policy,       NULL, /* one a line */
};

const struct vmsim__policy_domain vmsim__oom_domain = {
    .info = {sizeof(struct vmsim_policy_domain_info), true, "oom", "Who is killed when memory is out.", "badness"},
    .id = VMSIM_POLICY_OOM,
    .size = sizeof(struct vmsim_oom_policy),
    .least = sizeof(struct vmsim_oom_policy),
    .decisive = {VMSIM__POLICY_HOOK(vmsim_oom_policy, choose)},
    .create = VMSIM__POLICY_HOOK(vmsim_oom_policy, create),
    .destroy = VMSIM__POLICY_HOOK(vmsim_oom_policy, destroy),
    .built_in = built_in};

/* One instance a machine: policies may keep what they learn from kill to kill. */
int vmsim__oom_create(struct vmsim__oom *o, struct vmsim__policy_registry *policies,
                      const struct vmsim__policy_choice *choice, uint64_t seed, struct vmsim__err *err) {
    *o = (struct vmsim__oom){0};
    int e = vmsim__policy_instance_start(&o->instance, policies, VMSIM_POLICY_OOM, choice, seed, "oom", err);
    o->policy = (const void *)o->instance.policy;
    return e;
}

/* Also of one that was never made. */
void vmsim__oom_destroy(struct vmsim__oom *o) {
    vmsim__policy_instance_fini(&o->instance);
    *o = (struct vmsim__oom){0};
}

/* Of equals the last, as the kernel's walk over tasks has it (oom_evaluate_task keeps a victim only against fewer
 * points). */
int32_t vmsim__oom_worst(const struct vmsim_oom_request *r) {
    VMSIM__ASSERT(r->candidate || !r->count);
    int32_t worst = VMSIM__OOM_NOBODY;
    int64_t most = INT64_MIN;
    for (uint32_t i = 0; i < r->count; i++) {
        int64_t points = vmsim__oom_badness(r->candidate[i], r->total_pages);
        if (!vmsim__oom_eligible(r->candidate[i]) || points < most)
            continue;
        most = points;
        worst = (int32_t)i;
    }
    return worst;
}

/* Kernel: sysctl_oom_kill_allocating_task, for which current must be killable. */
int32_t vmsim__oom_allocating(const struct vmsim_oom_request *r) {
    VMSIM__ASSERT(r->candidate || !r->count);
    for (uint32_t i = 0; i < r->count; i++) {
        if (r->candidate[i]->allocating && vmsim__oom_eligible(r->candidate[i]))
            return (int32_t)i;
    }
    return VMSIM__OOM_NOBODY;
}

/* Why this candidate cannot be meant. For the report of a policy that chose it. */
static const char *excuse(const struct vmsim_oom_candidate *c) {
    VMSIM__ASSERT(!vmsim__oom_eligible(c));
    return c->dying ? "is dying already" : "may not be killed";
}

/* Nobody can be killed: no policy is asked, as it could only be wrong. */
int32_t vmsim__oom_choose(struct vmsim__oom *o, const struct vmsim_oom_request *r) {
    int32_t worst = vmsim__oom_worst(r);
    VMSIM__ASSERT(r->count <= INT32_MAX);
    if (worst == VMSIM__OOM_NOBODY)
        return worst;
    int32_t chosen = o->policy->choose(o->instance.context, r);
    if (chosen == VMSIM_OOM_PANIC)
        return chosen;
    if (chosen < 0 || (uint32_t)chosen >= r->count)
        vmsim__policy_fallback(&o->instance, "chose candidate %d of %u", chosen, r->count);
    else if (!vmsim__oom_eligible(r->candidate[chosen]))
        vmsim__policy_fallback(&o->instance, "chose task %u, which %s", r->candidate[chosen]->task,
                               excuse(r->candidate[chosen]));
    else
        return chosen;
    return worst;
}
