/* SPDX-License-Identifier: MIT */
/* The built-in OOM policies: an order of the candidates each, of equal ones the last as in Linux. */
#include "oom/oom.h"

#define POLICY(object, its_name, text)                                                                                 \
    { sizeof object, VMSIM_POLICY_ABI, VMSIM_POLICY_OOM, its_name, text, NULL, 0 }

/* ---- badness: Linux's ---- */

static int32_t badness_choose(void *context, const struct vmsim_oom_request *r) {
    (void)context;
    return vmsim__oom_worst(r);
}

const struct vmsim_oom_policy vmsim__oom_badness_policy = {
    .policy =
        POLICY(vmsim__oom_badness_policy, "badness", "Kills who gives back most, weighed by oom_score_adj (Linux)."),
    .choose = badness_choose};

/* ---- the most or least of one number ---- */

typedef uint64_t measure(const struct vmsim_oom_candidate *c);

/* By a number of each; nobody eligible: nobody. */
static int32_t most(const struct vmsim_oom_request *r, measure *of) {
    VMSIM__ASSERT(of);
    int32_t chosen = VMSIM__OOM_NOBODY;
    for (uint32_t i = 0; i < r->count; i++)
        if (vmsim__oom_eligible(r->candidate[i]) && (chosen < 0 || of(r->candidate[i]) >= of(r->candidate[chosen])))
            chosen = (int32_t)i;
    return chosen;
}

static uint64_t rss(const struct vmsim_oom_candidate *c) {
    return c->rss_anon + c->rss_file + c->rss_shmem;
}
static uint64_t started(const struct vmsim_oom_candidate *c) {
    return c->started;
}

static int32_t largest_rss_choose(void *context, const struct vmsim_oom_request *r) {
    (void)context;
    return most(r, rss);
}
/* Of those that began at once the last made. */
static int32_t newest_choose(void *context, const struct vmsim_oom_request *r) {
    (void)context;
    return most(r, started);
}

const struct vmsim_oom_policy vmsim__oom_largest_rss = {
    .policy =
        POLICY(vmsim__oom_largest_rss, "largest-rss", "Kills who has most in memory, whatever its oom_score_adj."),
    .choose = largest_rss_choose};

const struct vmsim_oom_policy vmsim__oom_newest = {
    .policy = POLICY(vmsim__oom_newest, "newest", "Kills who began last, and so loses least work."),
    .choose = newest_choose};

/* ---- vm.oom_kill_allocating_task, vm.panic_on_oom ---- */

/* Where who asked cannot be killed, the worst goes, as with the sysctl. */
static int32_t allocating_task_choose(void *context, const struct vmsim_oom_request *r) {
    (void)context;
    int32_t allocating = vmsim__oom_allocating(r);
    return allocating == VMSIM__OOM_NOBODY ? vmsim__oom_worst(r) : allocating;
}

const struct vmsim_oom_policy vmsim__oom_allocating_task = {
    .policy = POLICY(vmsim__oom_allocating_task, "allocating-task",
                     "Kills who asked for the memory (vm.oom_kill_allocating_task)."),
    .choose = allocating_task_choose};

/* No candidate: the machine stops, and the run says so. */
static int32_t panic_choose(void *context, const struct vmsim_oom_request *r) {
    (void)context, (void)r;
    return VMSIM_OOM_PANIC;
}

const struct vmsim_oom_policy vmsim__oom_panic = {
    .policy = POLICY(vmsim__oom_panic, "panic", "Kills nobody: the machine stops (vm.panic_on_oom)."),
    .choose = panic_choose};
