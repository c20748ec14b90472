/* SPDX-License-Identifier: MIT */
/* Who is killed when memory is out: the domain of OOM policies, and the question to one of them with its answer
 * checked. Who the candidates are, and what killing means, is the asker's. Kernel counterpart: select_bad_process of
 * mm/oom_kill.c. */
#ifndef VMSIM__OOM_H
#define VMSIM__OOM_H
#include "base/policy_registry.h"
#include "base/util.h"

extern const struct vmsim__policy_domain vmsim__oom_domain;

struct vmsim__oom {
    const struct vmsim_oom_policy *policy;
    struct vmsim__policy_instance instance;
};

int vmsim__oom_create(struct vmsim__oom *o, struct vmsim__policy_registry *policies,
                      const struct vmsim__policy_choice *choice, uint64_t seed, struct vmsim__err *err);
void vmsim__oom_destroy(struct vmsim__oom *o);

#define VMSIM__OOM_NOBODY (-2) /* nobody may be killed: the kernel panics, or the allocation fails within a cgroup */

/* The number of the candidate that goes, VMSIM_OOM_PANIC, or VMSIM__OOM_NOBODY. */
int32_t vmsim__oom_choose(struct vmsim__oom *o, const struct vmsim_oom_request *request);

/* May this one be killed? */
VMSIM__INLINE bool vmsim__oom_eligible(const struct vmsim_oom_candidate *c) {
    return !c->unkillable && !c->dying && c->adj != -1000;
}

/* What Linux weighs: pages that would come back, and oom_score_adj in thousandths of all there is. Kernel: oom_badness.
 */
VMSIM__INLINE int64_t vmsim__oom_badness(const struct vmsim_oom_candidate *c, uint64_t total_pages) {
    uint64_t pages = c->rss_anon + c->rss_file + c->rss_shmem + c->swap + c->page_tables;
    return (int64_t)pages + c->adj * (int64_t)(total_pages / 1000);
}

/* The first of those that may be killed whose request it is; VMSIM__OOM_NOBODY. */
int32_t vmsim__oom_allocating(const struct vmsim_oom_request *request);
/* The worst of those that may be killed, of equal ones the last; VMSIM__OOM_NOBODY. Kernel: oom_evaluate_task. */
int32_t vmsim__oom_worst(const struct vmsim_oom_request *request);

extern const struct vmsim_oom_policy vmsim__oom_badness_policy, vmsim__oom_largest_rss, vmsim__oom_newest,
    vmsim__oom_allocating_task, vmsim__oom_panic;

#endif
