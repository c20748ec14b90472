/* SPDX-License-Identifier: MIT */
/* The run loop: jobs on CPUs, in virtual time.
 *
 *     sleepers (heap by time) --wake--> run queue of a CPU (FIFO) --slice--> back, or asleep, blocked, done
 *
 * A job is a described program or a trace. The engine always takes the CPU whose clock is earliest among those with a
 * job, so what one CPU does to shared memory comes in the order of virtual time; a slice ends when the job blocks, when
 * its time is up and another waits, or at the first thing that a CPU behind could notice (machine->horizon). Ties go to
 * the lower CPU, the earlier job. */
#ifndef VMSIM__ENGINE_H
#define VMSIM__ENGINE_H
#include "base/evq.h"
#include "base/names.h"
#include "machine/machine.h"
#include "scenario/pattern.h"
#include "scenario/scenario_spec.h"
#include "vmsim/scenario.h"

#define VMSIM__CHUNK 4096u /* references between looks at the clock */
#define VMSIM__NO_JOB UINT32_MAX
/* Virtual time ends here, after 146 years. No step is longer, so that clocks never overflow. */
#define VMSIM__TIME_END (UINT64_C(1) << 62)
/* Bytes that all rows of intervals.csv together may take. */
#define VMSIM__INTERVAL_BYTES (UINT64_C(512) << 20)

/* Frames that alloc_pages got: 2^order from pfn. */
struct vmsim__driver_block {
    uint64_t pfn;
    unsigned order;
};

/* A named piece of a task's address space, or a set of driver blocks. */
struct vmsim__named_region {
    const char *name;
    uint64_t base, length;
    struct {
        VMSIM__VEC(struct vmsim__driver_block);
    } blocks; /* of alloc_pages */
};

/* A list of steps being run. */
struct vmsim__program_frame {
    const struct vmsim_param_variant *steps;
    size_t count, next;
    uint64_t times; /* runs still to come, this one included */
};

enum vmsim__job_state { VMSIM__JOB_QUEUED, VMSIM__JOB_ASLEEP, VMSIM__JOB_BLOCKED, VMSIM__JOB_DONE };
/* How a slice ended. */
enum vmsim__slice { VMSIM__SLICE_MORE, VMSIM__SLICE_SLEEP, VMSIM__SLICE_BLOCK, VMSIM__SLICE_END, VMSIM__SLICE_FAIL };

struct vmsim__replay;

struct vmsim__job {
    uint32_t index, parent; /* parent: job that forked it, or VMSIM__NO_JOB */
    uint32_t task;          /* id in the machine; of a trace: the one that the next item is for */
    uint32_t children;      /* alive */
    uint8_t state;          /* enum vmsim__job_state */
    bool waiting;           /* in `wait` */
    uint64_t wake;          /* ASLEEP: virtual time */
    uint32_t sleeper;       /* ASLEEP: its place in the queue of sleepers */
    uint32_t barrier;       /* BLOCKED at it: number of its name; VMSIM__NO_NAME: at none */
    struct {
        VMSIM__VEC(struct vmsim__program_frame);
    } stack;
    struct {
        VMSIM__VEC(struct vmsim__named_region);
    } regions;
    struct vmsim__references touch; /* in progress */
    bool touching;
    uint64_t signals;             /* caught */
    uint64_t steps;               /* run so far: names the random stream of each */
    struct vmsim__replay *replay; /* of a trace, else NULL */
};

/* Jobs that wait at a barrier, in the order in which they came. */
struct vmsim__barrier {
    VMSIM__VEC(uint32_t);
};

/* All counters as they stood. */
struct vmsim__marker {
    const char *name; /* NULL: a row of intervals */
    const char *task; /* who set it */
    uint64_t time;
    uint64_t *values;
    size_t count;
};

/* A step that did not come out as it says. */
struct vmsim__step_failure {
    const struct vmsim_param_variant *step;
    char *text; /* "file:line:col: what"; owned */
};

struct vmsim_scenario {
    struct vmsim__alloc *alloc;
    struct vmsim__err err;
    struct vmsim_config *config;
    const struct vmsim__scenario_spec *spec; /* the configuration's */
    struct vmsim_machine *machine;
    struct {
        VMSIM__VEC(struct vmsim__job *);
    } jobs;
    struct {
        VMSIM__VEC(uint32_t);
    } * queue; /* one FIFO a CPU: jobs; first element at queue_head */
    size_t *queue_head;
    struct vmsim__evq sleepers;
    struct vmsim__names barriers;
    struct {
        VMSIM__VEC(struct vmsim__barrier);
    } waiting; /* by number of the barrier's name */
    struct {
        VMSIM__VEC(struct vmsim__marker);
    } markers, intervals;
    struct {
        VMSIM__VEC(struct vmsim_expectation);
    } expectations;
    struct {
        VMSIM__VEC(struct vmsim__step_failure);
    } failures;
    /* For tests that look at more than counters: called at each marker, before the counters are kept, and with the
     * result of each system call of a described program. NULL: none. */
    void (*on_marker)(void *context, struct vmsim_scenario *s, const char *name, uint32_t task);
    void (*on_result)(void *context, int64_t result);
    void *on_context;
    uint64_t failed_steps;
    uint64_t next_interval;
    uint64_t total_references; /* of all traces */
    uint64_t references;
    uint64_t verify, unverified; /* slices between whole-machine checks (0: none), and since the last */
    bool ran;
    bool group_killed;           /* the slice ended with a signal to a process of several tasks */
    vmsim_progress_fn *progress; /* of the run; NULL: none */
    void *progress_context;
    vmsim_access chunk[VMSIM__CHUNK];
};

/* Jobs. All return NULL or a negative error with s->err set when the host has no memory. */
struct vmsim__job *vmsim__job_create(struct vmsim_scenario *s, uint32_t task, uint32_t parent);
/* Puts the job at the end of its CPU's queue, not before virtual time `time`. */
int vmsim__job_ready(struct vmsim_scenario *s, struct vmsim__job *job, uint64_t time);
struct vmsim__named_region *vmsim__job_region(struct vmsim__job *job, const char *name);
int vmsim__job_push(struct vmsim_scenario *s, struct vmsim__job *job, const struct vmsim_param_list *steps,
                    uint64_t times);
void vmsim__job_release(struct vmsim_scenario *s, struct vmsim__job *job);
/* Tells how far the run is; true: it is to stop (s->err says so). For loops that may be long, within slices, too. */
bool vmsim__run_stopped(struct vmsim_scenario *s, uint64_t now);

/* Runs a described program until its CPU's clock passes `until`, or it blocks or ends. */
enum vmsim__slice vmsim__program_run(struct vmsim_scenario *s, struct vmsim__job *job, uint64_t until);
/* A step did not come out as it says. */
int vmsim__step_failed(struct vmsim_scenario *s, const struct vmsim_param_variant *step, int64_t result,
                       const char *wanted);
/* Name of a negative Linux errno ("ENOMEM"), NULL when not known; and back: 0 when not known. */
const char *vmsim__errno_name(int64_t result);
int vmsim__errno_number(const char *name);

/* Traces. */
int vmsim__replay_open(struct vmsim_scenario *s, const struct vmsim__task_decl *decl, const char *path,
                       struct vmsim__replay **out);
void vmsim__replay_close(struct vmsim_scenario *s, struct vmsim__replay *r);
uint64_t vmsim__replay_references(const struct vmsim__replay *r);
enum vmsim__slice vmsim__replay_run(struct vmsim_scenario *s, struct vmsim__job *job, uint64_t until);

/* Markers and expectations. */
int vmsim__marker_take(struct vmsim_scenario *s, const char *name, const char *task, uint64_t time);
int vmsim__interval_take(struct vmsim_scenario *s, uint64_t time);
int vmsim__expectations_declare(struct vmsim_scenario *s);
int vmsim__expectations_settle(struct vmsim_scenario *s);
void vmsim__markers_release(struct vmsim_scenario *s);

#endif
