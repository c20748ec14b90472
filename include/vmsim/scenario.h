/* SPDX-License-Identifier: MIT */
#ifndef VMSIM_SCENARIO_H
#define VMSIM_SCENARIO_H
/**
 * @file scenario.h
 * @brief Scenarios: a machine and what runs on it, from a configuration to expectations.
 *
 *     vmsim_config_create(&config);
 *     vmsim_config_load_file(config, "box.yaml");
 *     if (vmsim_config_resolve(config) == 0 && vmsim_scenario_create(config, &scenario) == 0) {
 *         vmsim_scenario_run(scenario, NULL, NULL);
 *         vmsim_report_write(scenario, "run");
 *     }
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmsim/config.h"
#include "vmsim/error.h"
#include "vmsim/vmsim.h"

VMSIM_BEGIN_DECLS

/** A machine with its workload, ready to run, running or done. Opaque. */
struct vmsim_scenario;

/**
 * Makes machine, files and tasks of a resolved configuration, which must outlive the scenario. Traces are opened.
 * @return 0, or a negative ::vmsim_err whose texts are in the configuration's list of errors; *scenario is NULL then.
 */
int vmsim_scenario_create(struct vmsim_config *config, struct vmsim_scenario **scenario);
/** Frees it with its machine. NULL is fine. @return host allocations that leaked (0). */
size_t vmsim_scenario_destroy(struct vmsim_scenario *scenario);

/** How far a run is. */
struct vmsim_progress {
    uint64_t references; /**< performed so far */
    uint64_t total;      /**< in all, 0 when not known */
    uint64_t virtual_ns; /**< virtual time of the earliest CPU */
};
/** Called now and then during a run; return false to stop it. */
typedef bool vmsim_progress_fn(void *context, const struct vmsim_progress *progress);

/**
 * Runs to the end. `progress` may be NULL.
 * @return 0 when the workload ended (tasks that were killed are results), or a negative error: a damaged trace
 * (VMSIM_ECORRUPT, ...), VMSIM_ENOMEM, VMSIM_ESTATE when called twice or stopped by `progress`.
 */
int vmsim_scenario_run(struct vmsim_scenario *scenario, vmsim_progress_fn *progress, void *context);
/**
 * Runs scenarios to their ends, each as vmsim_scenario_run() does and with the same results, taking turns on one CPU of
 * the host. Those that replay the same trace, and no other, share its decoding: references are decoded once, and go to
 * each machine while the host's caches hold them. Threads are made, of which one works at a time; all machines are in
 * memory together.
 * @param results gets what vmsim_scenario_run() would have returned, for each of the `count` scenarios.
 * @return 0, whatever the results are; VMSIM_EINVAL: NULL among the pointers; VMSIM_ENOMEM: nothing has run.
 */
int vmsim_scenario_run_together(struct vmsim_scenario *const *scenarios, size_t count, int *results);
/** Called where a step of a described program is about to begin. */
typedef void vmsim_step_fn(void *context);
/**
 * Has `function` called once, in the middle of vmsim_scenario_run(), where task `task` of the description is to begin
 * step `step` of its program (both from 0): all before it is done, nothing of it is. One step for each task; `function`
 * is the same for all. From within it vmsim_scenario_exchange() may be called, and the process may fork: both go on.
 * @return 0; VMSIM_EINVAL: there is no such step; VMSIM_ESTATE: the run has begun, or cannot be forked (it replays a
 * trace, whose reader is a thread, or a policy was told of the future in a run of the same steps).
 */
int vmsim_scenario_call_at(struct vmsim_scenario *scenario, size_t task, size_t step, vmsim_step_fn *function,
                           void *context);
/**
 * From within a ::vmsim_step_fn: the run goes on with the steps of `config`, resolved, which must outlive the scenario
 * as its first configuration must. What comes out is what a run of `config` from the beginning comes to.
 * @return 0; VMSIM_EINVAL: it differs in something that has had its effect; else the error that is in its list. After
 * an error the scenario can only be destroyed.
 */
int vmsim_scenario_exchange(struct vmsim_scenario *scenario, struct vmsim_config *config);
/**
 * How far runs of two resolved configurations are the same: `steps[i]` gets the number of steps with which the programs
 * of task `i` begin alike, `*count` the number of tasks (at most `room`).
 * @return 0; VMSIM_EINVAL: something else than steps differs, they have no beginning in common; VMSIM_ELIMIT: more
 * tasks than `room`; VMSIM_ENOMEM; VMSIM_ESTATE: one is not resolved.
 */
int vmsim_scenario_alike(struct vmsim_config *a, struct vmsim_config *b, size_t *steps, size_t room, size_t *count);
/** Checks the whole machine (vmsim_machine_check()) after every `slices` slices of a task, and at the end; 0: never.
 *  A violated invariant ends the run with VMSIM_ECHECK. Call before vmsim_scenario_run(). */
void vmsim_scenario_verify(struct vmsim_scenario *scenario, uint64_t slices);
/** Text of the last error, or "". */
const char *vmsim_scenario_error(const struct vmsim_scenario *scenario);
/** The machine; belongs to the scenario. */
struct vmsim_machine *vmsim_scenario_machine(struct vmsim_scenario *scenario);

/** One `expect:` line after the run. */
struct vmsim_expectation {
    const char *counter; /**< its name, or what the value is made of: "a + b", "a / b", "a since filled" */
    const char *at;      /**< marker, NULL: the end */
    const char *wanted;  /**< "= 0", "<= 100", "10 .. 20", ">= 16384 (64MiB)" */
    const char *origin;  /**< file:line:col */
    const char *problem; /**< why there is no value (no such counter or marker), or NULL */
    uint64_t value;      /**< what it was */
    bool met;            /**< whether it holds */
    bool share;          /**< the value is a share, in millionths */
};
/** Number of expectations; their values are known after the run. */
size_t vmsim_scenario_expectations(const struct vmsim_scenario *scenario);
/** Number `index`, good as long as the scenario; NULL beyond the last. */
const struct vmsim_expectation *vmsim_scenario_expectation(const struct vmsim_scenario *scenario, size_t index);
/** Number of expectations that do not hold, plus steps of programs that did not come out as they say. */
size_t vmsim_scenario_failures(const struct vmsim_scenario *scenario);
/** Recorded calls that came out otherwise in the replays, and what a task's death here left undone. */
uint64_t vmsim_scenario_differences(const struct vmsim_scenario *scenario);
/** Text of failed step `index` ("box.yaml:12:9: mmap returned ENOMEM, not success"); NULL beyond the last kept (100).
 */
const char *vmsim_scenario_step_failure(const struct vmsim_scenario *scenario, size_t index);

VMSIM_END_DECLS

#endif
