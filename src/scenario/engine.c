/* SPDX-License-Identifier: MIT */
/* Jobs, and the loop around the machine's steps (see engine.h). */
#include "scenario/engine.h"

#include <stdio.h>
#include <string.h>

/* A job is what a task of the scenario does next; the machine's task knows nothing of steps or traces. */
struct vmsim__job *vmsim__job_create(struct vmsim_scenario *s, uint32_t task) {
    VMSIM__ASSERT(s->jobs.count < VMSIM__NO_JOB && vmsim__task_at(s->machine, task));
    struct vmsim__job *job = vmsim__calloc(s->alloc, 1, sizeof *job);
    if (job) {
        job->scenario = s;
        job->index = (uint32_t)s->jobs.count;
        job->task = task;
        job->barrier = VMSIM__NO_NAME;
        if (vmsim__vec_push(s->alloc, &s->jobs, job))
            return job;
        vmsim__free(s->alloc, job, sizeof *job);
    }
    vmsim__err_set(&s->err, VMSIM_ENOMEM, "no memory for a task's work");
    return NULL;
}

/* Of a touch that was cut off by the end of the run. */
static void free_chunk(struct vmsim_scenario *s, struct vmsim__job *job) {
    if (job->chunk)
        vmsim__free(s->alloc, job->chunk, VMSIM__CHUNK * sizeof *job->chunk);
    job->chunk = NULL;
}

/* Also after a failed run, when references may be in the middle of a touch. */
void vmsim__job_release(struct vmsim_scenario *s, struct vmsim__job *job) {
    VMSIM__ASSERT(job->scenario == s);
    for (size_t i = 0; i < job->regions.count; i++)
        vmsim__vec_fini(s->alloc, &job->regions.at[i].blocks);
    vmsim__vec_fini(s->alloc, &job->regions);
    vmsim__vec_fini(s->alloc, &job->stack);
    if (job->touching)
        vmsim__references_fini(&job->touch);
    free_chunk(s, job);
    vmsim__free(s->alloc, job, sizeof *job);
}

/* Programs have few regions: the list is searched. */
struct vmsim__named_region *vmsim__job_region(struct vmsim__job *job, const char *name) {
    VMSIM__ASSERT(job && name);
    for (size_t i = 0; i < job->regions.count; i++) {
        if (!strcmp(job->regions.at[i].name, name))
            return &job->regions.at[i];
    }
    return NULL;
}

/* Steps are the configuration's, which outlives the run; the frame only points at them. */
int vmsim__job_push(struct vmsim_scenario *s, struct vmsim__job *job, const struct vmsim_param_list *steps,
                    uint64_t times) {
    VMSIM__ASSERT(times > 0);
    struct vmsim__program_frame frame = {.steps = steps->data, .count = steps->count, .times = times};
    if (vmsim__vec_push(s->alloc, &job->stack, frame))
        return 0;
    return vmsim__err_set(&s->err, VMSIM_ENOMEM, "no memory for a program's steps");
}

/* ---- the machine asks for work ---- */

/* The task's source: whatever a task does, described or recorded, begins here. */
static enum vmsim__work run_job(void *context, struct vmsim__task *t) {
    struct vmsim__job *job = context;
    VMSIM__ASSERT(job->task == t->id);
    (void)t;
    return job->replay ? vmsim__replay_run(job->scenario, job) : vmsim__program_run(job->scenario, job);
}

/* NULL for kernel threads, and for tasks that somebody drives call by call. */
struct vmsim__job *vmsim__job_of(const struct vmsim__task *t) {
    return t->source.run == run_job ? t->source.context : NULL;
}

/* From here on the scheduler asks for work when its time has come. */
int vmsim__job_begin(struct vmsim__job *job, uint64_t time) {
    struct vmsim_scenario *s = job->scenario;
    VMSIM__ASSERT(vmsim__task_at(s->machine, job->task));
    const struct vmsim__source source = {.run = run_job, .context = job};
    if (!vmsim__task_begin(s->machine, vmsim__task_at(s->machine, job->task), &source, time))
        return 0;
    return vmsim__err_set(&s->err, VMSIM_ENOMEM, "no memory to begin a task");
}

/* However it ended, others of its trace may wait for what it would have done next. */
static void on_exit(void *context, struct vmsim__task *t) {
    struct vmsim__job *job = vmsim__job_of(t);
    if (job && job->replay)
        vmsim__replay_exited(context, job);
}

/* ---- between steps ---- */

enum { ROWS_BETWEEN_LOOKS = 64 };

/* Rows are taken before anything runs at or after their time; a long sleep gives one row for each interval that it
 * covers. When these are too many, that is told before the first. */
static int take_intervals(struct vmsim_scenario *s, uint64_t now) {
    uint64_t interval = s->spec->report.interval;
    if (!interval || s->next_interval > now)
        return 0;
    int err = vmsim__rows_room(s, (now - s->next_interval) / interval + 1);
    while (!err && s->next_interval <= now) {
        err = vmsim__rows_take(s, s->next_interval);
        err = err ? err : vmsim__block_map_take(s, s->next_interval);
        vmsim__fault_map_take(s, s->next_interval);
        s->next_interval += interval;
        if (!err && s->rows.count % ROWS_BETWEEN_LOOKS == 0 && vmsim__run_stopped(s, now))
            err = s->err.code;
    }
    return err;
}

/* The whole machine held against itself, when it is time. In the middle of a run only between steps, when
 * nothing is half done but what waits. */
static int verify(struct vmsim_scenario *s, bool at_end) {
    VMSIM__ASSERT(s->machine);
    if (!s->verify || (!at_end && ++s->unverified < s->verify))
        return 0;
    s->unverified = 0;
    int err = vmsim_machine_check(s->machine);
    return err ? vmsim__err_set(&s->err, err, "%s", vmsim_machine_error(s->machine)) : 0;
}

/* 0: at no step but, where anything was asked for, the end. */
void vmsim_scenario_verify(struct vmsim_scenario *s, uint64_t steps) {
    if (!s)
        return;
    s->verify = steps;
}

/* By whoever watches (Ctrl-C); the state stays as it is, and can be reported. */
bool vmsim__run_stopped(struct vmsim_scenario *s, uint64_t now) {
    struct vmsim_progress p = {.references = s->references, .total = s->total_references, .virtual_ns = now};
    if (!s->progress || s->progress(s->progress_context, &p))
        return false;
    s->stopped = true;
    vmsim__err_set(&s->err, VMSIM_ESTATE, "stopped before the end");
    return true;
}

/* Why a step failed: the job has said so, or the machine has. */
static int step_error(struct vmsim_scenario *s) {
    if (s->err.code)
        return s->err.code;
    int err = s->machine->err.code ? s->machine->err.code : VMSIM_ESTATE;
    return vmsim__err_set(&s->err, err, "%s", vmsim_machine_error(s->machine));
}

/* The machine is asked what comes next, and a row of intervals is cut before anything later happens. The end of time is
 * looked for here alone: no step is longer than what is left then, so that clocks cannot overflow in between. */
static int run_loop(struct vmsim_scenario *s) {
    VMSIM__ASSERT(s->ran && s->machine);
    for (;;) {
        const uint64_t now = vmsim__sched_next(s->machine);
        if (now == VMSIM__TIME_NEVER || !s->machine->nr_live)
            return 0;
        if (now >= VMSIM__TIME_END)
            return vmsim__err_set(&s->err, VMSIM_ELIMIT, "virtual time ends after 146 years, and this run goes on");
        int err = take_intervals(s, now);
        const uint64_t row = s->spec->report.interval ? s->next_interval : VMSIM__TIME_NEVER;
        VMSIM__ASSERT(err || row > now);
        const enum vmsim__step step = err ? VMSIM__STEP_FAIL : vmsim__sched_step(s->machine, row);
        if (step == VMSIM__STEP_IDLE)
            return 0;
        if (!err && step == VMSIM__STEP_FAIL)
            err = step_error(s);
        err = err ? err : verify(s, false);
        if (err)
            return err;
        if (vmsim__run_stopped(s, now))
            return s->err.code;
    }
}

enum { STUCK_TOLD = 4 };

/* Who waits for what, for the error of a run in which nobody gets on any more: such a run ends, it does not hang. */
static void stuck_text(const struct vmsim_scenario *s, const struct vmsim__job *job, char *out, size_t size) {
    const struct vmsim__task *t = vmsim__task_at(s->machine, job->task);
    VMSIM__ASSERT(size > 0 && t->state == VMSIM__TASK_BLOCKED);
    int length = snprintf(out, size, "task '%s' waits for ever ", t->name);
    if (length < 0 || (size_t)length >= size)
        return;
    if (job->barrier != VMSIM__NO_NAME)
        snprintf(out + length, size - (size_t)length, "at barrier %s", s->barriers.at[job->barrier].text);
    else
        vmsim__wait_text(s->machine, t, out + length, size - (size_t)length);
}

/* Who waits for a device comes first: others may wait for them. */
static bool is_stuck(const struct vmsim_scenario *s, const struct vmsim__job *job, bool for_device) {
    const struct vmsim__task *t = vmsim__task_at(s->machine, job->task);
    const bool device = t->wait.kind == VMSIM__WAIT_LOCKED || t->wait.kind == VMSIM__WAIT_WRITEBACK ||
                        t->wait.kind == VMSIM__WAIT_THROTTLE;
    return t->state == VMSIM__TASK_BLOCKED && device == for_device &&
           !(job->replay && vmsim__replay_ended(job->replay));
}

/* Tasks that still wait when nothing can happen any more: a barrier that is never full, a device that never answers.
 * A few of them, since the others wait for the same. */
static int report_stuck(struct vmsim_scenario *s) {
    char text[STUCK_TOLD * 200] = "";
    size_t length = 0, count = 0;
    for (unsigned pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < s->jobs.count; i++) {
            if (!is_stuck(s, s->jobs.at[i], !pass) || count++ >= STUCK_TOLD)
                continue;
            length += (size_t)snprintf(text + length, sizeof text - length, "%s", length ? "; " : "");
            stuck_text(s, s->jobs.at[i], text + length, vmsim__min64(sizeof text - length, 180));
            length += strlen(text + length);
        }
    if (count > STUCK_TOLD)
        snprintf(text + length, sizeof text - length, "; and %zu more wait", count - STUCK_TOLD);
    if (!count && vmsim__sched_stuck(s->machine))
        snprintf(text, sizeof text, "a device never answers, and no task gets on");
    return *text ? vmsim__err_set(&s->err, VMSIM_ESTATE, "%s", text) : 0;
}

/* Expectations are settled after a failed run, too: what holds so far may tell why. */
int vmsim_scenario_run(struct vmsim_scenario *s, vmsim_progress_fn *progress, void *context) {
    if (!s)
        return VMSIM_EINVAL;
    if (s->ran)
        return vmsim__err_set(&s->err, VMSIM_ESTATE, "a scenario runs once");
    s->ran = true;
    s->next_interval = s->spec->report.interval;
    s->progress = progress;
    s->progress_context = context;
    s->machine->on_exit = on_exit;
    s->machine->on_exit_context = s;
    int err = s->spec->report.interval ? vmsim__fault_map_begin(s) : 0;
    err = err ? err : run_loop(s);
    err = err ? err : report_stuck(s);
    err = err ? err : verify(s, true);
    err = err ? err : vmsim__rows_columns(s); /* of the last tasks, too */
    s->machine->on_exit = NULL;
    s->progress = NULL;
    s->unfinished = s->stopped;
    int settle = vmsim__expectations_settle(s);
    return err ? err : settle;
}
