/* SPDX-License-Identifier: MIT */
/* What tasks do, and what is written down of it.
 *
 * A job is what one task of the machine does: a described program, or its part of a trace. The machine decides when
 * (machine/sched.h); it asks the job's task for work, and the job does some until it waits, ends, or its time is up.
 * Everything between two steps of the machine is here: rows of intervals, checks, progress, the end of the run. */
#ifndef VMSIM__ENGINE_H
#define VMSIM__ENGINE_H
#include "base/names.h"
#include "machine/calls.h"
#include "scenario/pattern.h"
#include "scenario/replay_results.h"
#include "scenario/block_map.h"
#include "scenario/fault_map.h"
#include "scenario/rows.h"
#include "scenario/scenario_spec.h"
#include "vmsim/scenario.h"

#define VMSIM__CHUNK 2048u /* references between looks at the clock */
#define VMSIM__NO_JOB UINT32_MAX
/* Frames that alloc_pages got: 2^order from pfn, or one range. */
struct vmsim__driver_block {
    uint64_t pfn, contiguous; /* bytes of a range; 0: none */
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

struct vmsim__replay;
struct vmsim__replay_item;

struct vmsim__job {
    struct vmsim_scenario *scenario;
    uint32_t index;
    uint32_t task;    /* id in the machine */
    uint32_t barrier; /* it waits at: number of its name; VMSIM__NO_NAME: at none */
    struct {
        VMSIM__VEC(struct vmsim__program_frame);
    } stack;
    struct {
        VMSIM__VEC(struct vmsim__named_region);
    } regions;
    size_t call_at; /* number of the step of its program before which s->at_step is called, from 1; 0: none */
    /* of the step in progress, which is entered again until it is over */
    bool begun;    /* somebody has worked on it */
    bool entered;  /* it has begun */
    uint64_t done; /* sleep, compute: ns that are left; alloc_pages, read, write: blocks, bytes behind it */
    bool touching; /* `touch` is alive */
    struct vmsim__references touch;
    vmsim_access *chunk; /* VMSIM__CHUNK references, those from chunk_at to chunk_end still to be done */
    size_t chunk_at, chunk_end;
    uint64_t steps;               /* run so far: names the random stream of each */
    struct vmsim__replay *replay; /* of a trace, else NULL */
    struct {
        uint32_t lane;                   /* its part of the trace: number of the trace's task */
        uint32_t next_waiter;            /* next job that waits for the end of the same item; VMSIM__NO_JOB */
        struct vmsim__replay_item *item; /* being performed; NULL: none */
        bool idle;                       /* it waits for items */
    } turn;
};

/* Jobs that wait at a barrier, in the order in which they came. */
struct vmsim__barrier {
    VMSIM__VEC(uint32_t);
};

/* All counters as they stood. */
struct vmsim__marker {
    char *name;       /* its own: a trace's is gone with its event */
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
    struct vmsim__reclaim_future *future; /* of a policy that wants it; NULL: none does */
    struct vmsim__alloc *future_alloc;    /* its own, which goes with this scenario */
    struct {
        VMSIM__VEC(struct vmsim__job *);
    } jobs;
    struct {
        VMSIM__VEC(struct vmsim__replay *);
    } replays;
    struct vmsim__names barriers;
    struct {
        VMSIM__VEC(struct vmsim__barrier);
    } waiting; /* by number of the barrier's name */
    struct {
        VMSIM__VEC(struct vmsim__marker);
    } markers;
    bool inodes_described;    /* some file of the description has the number of its inode */
    bool stopped, unfinished; /* by whoever watches; the run itself, not the writing of its report */
    struct vmsim__rows rows;
    struct vmsim__block_map blocks;
    struct vmsim__fault_map faults;
    struct {
        VMSIM__VEC(struct vmsim_expectation);
    } expectations;
    struct {
        VMSIM__VEC(struct vmsim__step_failure);
    } failures;
    /* For tests that look at more than counters: called at each marker, before the counters are kept, and with the
     * result of each system call of a described program. NULL: none. */
    enum vmsim__work (*on_marker)(void *context, struct vmsim_scenario *s, const char *name, uint32_t task);
    void (*on_result)(void *context, int64_t result);
    void *on_context;
    vmsim_step_fn *at_step; /* vmsim_scenario_call_at(); NULL: not asked for */
    void *at_step_context;
    uint64_t failed_steps;
    struct vmsim__replay_results results; /* of all traces */
    uint64_t next_interval;
    uint64_t total_references; /* of all traces */
    uint64_t references;
    uint64_t verify, unverified; /* steps between whole-machine checks (0: none), and since the last */
    bool ran;
    vmsim_progress_fn *progress; /* of the run; NULL: none */
    void *progress_context;
};

/* A job for a task of the machine, which it does not begin yet. NULL: no host memory, s->err says so. */
struct vmsim__job *vmsim__job_create(struct vmsim_scenario *s, uint32_t task);
/* From `time` on the machine asks it for work. 0 or VMSIM_ENOMEM. */
int vmsim__job_begin(struct vmsim__job *job, uint64_t time);
/* The job of a task; NULL: it has none. */
struct vmsim__job *vmsim__job_of(const struct vmsim__task *t);
struct vmsim__named_region *vmsim__job_region(struct vmsim__job *job, const char *name);
int vmsim__job_push(struct vmsim_scenario *s, struct vmsim__job *job, const struct vmsim_param_list *steps,
                    uint64_t times);
void vmsim__job_release(struct vmsim_scenario *s, struct vmsim__job *job);
/* Tells how far the run is; true: it is to stop (s->err says so). For loops that may be long, within steps, too. */
bool vmsim__run_stopped(struct vmsim_scenario *s, uint64_t now);

/* Runs a described program until the machine wants its CPU, or it waits or ends. */
enum vmsim__work vmsim__program_run(struct vmsim_scenario *s, struct vmsim__job *job);
/* A step did not come out as it says. */
int vmsim__step_failed(struct vmsim_scenario *s, const struct vmsim_param_variant *step, int64_t result,
                       const char *wanted);

/* Traces. `root`: the job that the scenario declared; the trace's other tasks get jobs of their own. */
int vmsim__replay_open(struct vmsim_scenario *s, struct vmsim__job *root, const struct vmsim__task_decl *decl,
                       const char *path);
/* The CPUs that a trace's tasks may run on, as declared; none: all. */
void vmsim__replay_cpus(const struct vmsim__task_decl *decl, const uint64_t **cpus, size_t *count);
void vmsim__replay_close(struct vmsim_scenario *s, struct vmsim__replay *r);
uint64_t vmsim__replay_references(const struct vmsim__replay *r);
enum vmsim__work vmsim__replay_run(struct vmsim_scenario *s, struct vmsim__job *job);
/* Its last item has been worked on: whoever is left has nothing to do any more. */
bool vmsim__replay_ended(const struct vmsim__replay *r);
/* A task of the trace has ended: another may be next. */
void vmsim__replay_exited(struct vmsim_scenario *s, struct vmsim__job *job);

/* The job's program is where job->call_at says: tells who asked. */
void vmsim__at_step(struct vmsim_scenario *s, struct vmsim__job *job);

/* Markers and expectations. */
int vmsim__marker_take(struct vmsim_scenario *s, const char *name, const char *task, uint64_t time);
int vmsim__expectations_declare(struct vmsim_scenario *s);
int vmsim__expectations_settle(struct vmsim_scenario *s);
void vmsim__markers_release(struct vmsim_scenario *s);

#endif
