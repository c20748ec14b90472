/* SPDX-License-Identifier: MIT */
/* Points of a grid that begin alike, so that their beginning need be run once.
 *
 *     axes     limit, seed                program[3].touch.count, program[4].cgroup_write.value
 *              `-- early: a group         `-- late: what a task does after the steps that all points of a group share
 *
 *     leader   boot | step 0 | step 1 | step 2 +-- fork: step 3 of point 8  --> its results
 *                                              +-- fork: step 3 of point 9  --> its results
 *
 * Or they replay one trace, whatever else differs: its references are decoded once for several of them, which one
 * process runs side by side (vmsim_scenario_run_together).
 *
 *     axes     program                    limit, policy, seed
 *              `-- of the trace: a group  `-- late: all others
 *
 * An axis is late when nothing but steps of programs differs along it. Which steps these are is found by comparing
 * resolved configurations, not from the spelling of keys; and where a point leaves its group is checked once more by
 * the library (vmsim_scenario_exchange), so what is found here decides about time alone, never about results. */
#ifndef VMSIM_CLI_SWEEP_SHARE_H
#define VMSIM_CLI_SWEEP_SHARE_H
#include "cli/pool.h"
#include "cli/sweep.h"

#define SHARE_TASKS 256u
#define SHARE_MOST 64u    /* points of one leader */
#define SHARE_TOGETHER 8u /* of one decoder: their machines are in memory at once */

struct share {
    uint64_t members; /* points of a group; 1: none begin alike */
    bool together;    /* they replay one trace */
    bool late[GRID_AXES_MAX];
    size_t tasks, step[SHARE_TASKS]; /* the first step of each task that may differ; SIZE_MAX: none does */
};

/* `like`: a point that can be resolved. */
void share_find(struct share *s, const struct grid *g, uint64_t like);
/* Points in the order of their groups: member `n % members` of group `n / members`. */
uint64_t share_point(const struct share *s, const struct grid *g, uint64_t n);

/* A leader's work. The configurations have been read and not resolved, and are used up. */
struct share_work {
    const struct share *share;
    const struct grid *g;
    const uint64_t *points;
    size_t count;
    struct vmsim_config *const *configs; /* of the leader and of each point; with `together`, one of each point */
};
/* How many of them a leader of so many points takes. */
size_t share_configs(const struct share *s, size_t points);
/* Runs to where the points part, and does them from there, or each from its beginning if they never do; or runs them
 * together. Results are handed on to `fd`. Ends in the leader's process. */
void share_lead(const struct share_work *w, int fd);

#endif
