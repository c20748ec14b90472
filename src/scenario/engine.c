/* SPDX-License-Identifier: MIT */
/* The run loop (see engine.h). Kernel counterpart: kernel/sched, reduced to one FIFO a CPU. */
#include "scenario/engine.h"

#include <string.h>

struct vmsim__job *vmsim__job_create(struct vmsim_scenario *s, uint32_t task, uint32_t parent) {
    VMSIM__ASSERT(s->jobs.count < VMSIM__NO_JOB);
    struct vmsim__job *job = vmsim__calloc(s->alloc, 1, sizeof *job);
    if (!job)
        return NULL;
    job->index = (uint32_t)s->jobs.count;
    job->task = task;
    job->parent = parent;
    job->state = VMSIM__JOB_BLOCKED;
    job->barrier = VMSIM__NO_NAME;
    if (vmsim__vec_push(s->alloc, &s->jobs, job))
        return job;
    vmsim__free(s->alloc, job, sizeof *job);
    return NULL;
}

/* Also after a failed run, when references may be in the middle of a touch. */
void vmsim__job_release(struct vmsim_scenario *s, struct vmsim__job *job) {
    for (size_t i = 0; i < job->regions.count; i++)
        vmsim__vec_fini(s->alloc, &job->regions.at[i].blocks);
    vmsim__vec_fini(s->alloc, &job->regions);
    vmsim__vec_fini(s->alloc, &job->stack);
    if (job->touching)
        vmsim__references_fini(&job->touch);
    if (job->replay)
        vmsim__replay_close(s, job->replay);
    vmsim__free(s->alloc, job, sizeof *job);
}

struct vmsim__named_region *vmsim__job_region(struct vmsim__job *job, const char *name) {
    for (size_t i = 0; i < job->regions.count; i++) {
        if (!strcmp(job->regions.at[i].name, name))
            return &job->regions.at[i];
    }
    return NULL;
}

int vmsim__job_push(struct vmsim_scenario *s, struct vmsim__job *job, const struct vmsim_param_list *steps,
                    uint64_t times) {
    VMSIM__ASSERT(times > 0);
    struct vmsim__program_frame frame = {.steps = steps->data, .count = steps->count, .times = times};
    if (vmsim__vec_push(s->alloc, &job->stack, frame))
        return 0;
    return vmsim__err_set(&s->err, VMSIM_ENOMEM, "no memory for a program's steps");
}

static unsigned cpu_of(const struct vmsim_scenario *s, const struct vmsim__job *job) {
    VMSIM__ASSERT(vmsim__task_at(s->machine, job->task));
    return vmsim__task_at(s->machine, job->task)->cpu;
}

static bool queue_empty(const struct vmsim_scenario *s, unsigned cpu) {
    VMSIM__ASSERT(cpu < s->machine->nr_cpus && s->queue_head[cpu] <= s->queue[cpu].count);
    return s->queue_head[cpu] == s->queue[cpu].count;
}

/* A job that wakes on an idle CPU pulls its clock forward; on a busy one it waits its turn in the queue, whatever the
 * time. */
int vmsim__job_ready(struct vmsim_scenario *s, struct vmsim__job *job, uint64_t time) {
    VMSIM__ASSERT(job->state != VMSIM__JOB_DONE);
    unsigned cpu = cpu_of(s, job);
    if (queue_empty(s, cpu)) {
        s->queue[cpu].count = s->queue_head[cpu] = 0;
        if (s->machine->cpus[cpu].now < time)
            s->machine->cpus[cpu].now = time; /* the CPU idled until now */
    }
    job->state = VMSIM__JOB_QUEUED;
    if (vmsim__vec_push(s->alloc, &s->queue[cpu], job->index))
        return 0;
    return vmsim__err_set(&s->err, VMSIM_ENOMEM, "no memory for a run queue");
}

/* The CPU with work whose clock is earliest, or the number of CPUs; *second: the next such clock. */
static unsigned earliest_cpu(const struct vmsim_scenario *s, uint64_t *second) {
    unsigned best = s->machine->nr_cpus;
    *second = UINT64_MAX;
    for (unsigned i = 0; i < s->machine->nr_cpus; i++) {
        if (queue_empty(s, i))
            continue;
        if (best == s->machine->nr_cpus || s->machine->cpus[i].now < s->machine->cpus[best].now) {
            if (best < s->machine->nr_cpus)
                *second = vmsim__min64(*second, s->machine->cpus[best].now);
            best = i;
        } else {
            *second = vmsim__min64(*second, s->machine->cpus[i].now);
        }
    }
    return best;
}

/* Wakes all jobs whose time has come by `now`. */
static int wake_sleepers(struct vmsim_scenario *s, uint64_t now) {
    VMSIM__ASSERT(now < VMSIM__TIME_END);
    const struct vmsim__event *e;
    while ((e = vmsim__evq_peek(&s->sleepers)) && e->time <= now) {
        struct vmsim__event event;
        vmsim__evq_pop(&s->sleepers, &event);
        VMSIM__ASSERT(event.arg < s->jobs.count && event.time <= now);
        int err = vmsim__job_ready(s, s->jobs.at[event.arg], event.time);
        if (err)
            return err;
    }
    return 0;
}

/* Rows are taken before anything runs at or after their time; a long sleep gives one row for each interval that it
 * covers. */
static int take_intervals(struct vmsim_scenario *s, uint64_t now) {
    int err = 0;
    while (!err && s->spec->report.interval && s->next_interval <= now) {
        err = vmsim__interval_take(s, s->next_interval);
        s->next_interval += s->spec->report.interval;
    }
    return err;
}

/* The used front is dropped when it is more than half of the queue, which costs O(1) a job over time. */
static struct vmsim__job *queue_pop(struct vmsim_scenario *s, unsigned cpu) {
    VMSIM__ASSERT(!queue_empty(s, cpu));
    uint32_t index = s->queue[cpu].at[s->queue_head[cpu]++];
    if (s->queue_head[cpu] > 64 && s->queue_head[cpu] * 2 > s->queue[cpu].count) {
        size_t left = s->queue[cpu].count - s->queue_head[cpu];
        memmove(s->queue[cpu].at, s->queue[cpu].at + s->queue_head[cpu], left * sizeof *s->queue[cpu].at);
        s->queue[cpu].count = left;
        s->queue_head[cpu] = 0;
    }
    return s->jobs.at[index];
}

/* Takes the job out of a list; later ones move up. */
static size_t without(uint32_t *list, size_t from, size_t count, uint32_t job) {
    VMSIM__ASSERT(from <= count);
    for (size_t i = from; i < count; i++) {
        if (list[i] != job)
            continue;
        memmove(list + i, list + i + 1, (count - i - 1) * sizeof *list);
        return count - 1;
    }
    return count;
}

/* Takes a job off what it is queued for or waits at. */
static void job_withdraw(struct vmsim_scenario *s, struct vmsim__job *job) {
    const unsigned cpu = cpu_of(s, job);
    if (job->state == VMSIM__JOB_ASLEEP)
        vmsim__evq_cancel(&s->sleepers, job->sleeper);
    else if (job->state == VMSIM__JOB_QUEUED)
        s->queue[cpu].count = without(s->queue[cpu].at, s->queue_head[cpu], s->queue[cpu].count, job->index);
    else if (job->barrier != VMSIM__NO_NAME)
        s->waiting.at[job->barrier].count =
            without(s->waiting.at[job->barrier].at, 0, s->waiting.at[job->barrier].count, job->index);
    job->waiting = false;
    job->barrier = VMSIM__NO_NAME;
    job->state = VMSIM__JOB_BLOCKED;
}

/* A job ended: its task exits, a waiting parent goes on. */
static int job_end(struct vmsim_scenario *s, struct vmsim__job *job, unsigned cpu) {
    VMSIM__ASSERT(job->state != VMSIM__JOB_DONE && !job->waiting);
    struct vmsim__task *t = vmsim__task_at(s->machine, job->task);
    if (t->state != VMSIM__TASK_DEAD)
        vmsim__task_kill(s->machine, t, VMSIM_STOP_NONE, t->exit_code);
    job->state = VMSIM__JOB_DONE;
    if (job->parent == VMSIM__NO_JOB)
        return 0;
    struct vmsim__job *parent = s->jobs.at[job->parent];
    VMSIM__ASSERT(parent->children > 0);
    parent->children--;
    if (!parent->waiting || parent->children)
        return 0;
    parent->waiting = false;
    return vmsim__job_ready(s, parent, s->machine->cpus[cpu].now);
}

/* A signal ended more tasks than the one that ran: their jobs end, whatever they were at. All are withdrawn before any
 * ends, because a parent that waits may be among them. */
static int group_end(struct vmsim_scenario *s, unsigned cpu) {
    int err = 0;
    VMSIM__ASSERT(s->group_killed);
    s->group_killed = false;
    for (size_t i = 0; i < s->jobs.count; i++) {
        struct vmsim__job *job = s->jobs.at[i];
        if (!job->replay && job->state != VMSIM__JOB_DONE && !vmsim__task_at(s->machine, job->task)->mm)
            job_withdraw(s, job);
    }
    for (size_t i = 0; i < s->jobs.count && !err; i++) {
        struct vmsim__job *job = s->jobs.at[i];
        if (!job->replay && job->state != VMSIM__JOB_DONE && !vmsim__task_at(s->machine, job->task)->mm)
            err = job_end(s, job, cpu);
    }
    return err;
}

/* One slice of the first job of a CPU. Alone on the machine a job needs no time slice: it runs until it blocks. The
 * horizon keeps what it does in the order of virtual time with CPUs that are behind. */
static int run_slice(struct vmsim_scenario *s, unsigned cpu, uint64_t second) {
    VMSIM__ASSERT(cpu < s->machine->nr_cpus && s->machine->cpus[cpu].now <= second);
    const struct vmsim__event *next = vmsim__evq_peek(&s->sleepers);
    struct vmsim__job *job = queue_pop(s, cpu);
    VMSIM__ASSERT(job->state == VMSIM__JOB_QUEUED);
    uint64_t now = s->machine->cpus[cpu].now, until = UINT64_MAX;
    s->machine->horizon = vmsim__min64(second, next ? next->time : UINT64_MAX);
    if (!queue_empty(s, cpu) || next || s->spec->report.interval)
        until = now + s->spec->machine.timeslice;
    until = vmsim__min64(until, s->machine->horizon);
    enum vmsim__slice how = job->replay ? vmsim__replay_run(s, job, until) : vmsim__program_run(s, job, until);
    s->machine->horizon = UINT64_MAX;
    switch (how) {
    case VMSIM__SLICE_MORE:
        return vmsim__job_ready(s, job, s->machine->cpus[cpu].now);
    case VMSIM__SLICE_SLEEP:
        job->state = VMSIM__JOB_ASLEEP;
        if (vmsim__evq_push(&s->sleepers, job->wake, 0, job->index, &job->sleeper))
            return 0;
        return vmsim__err_set(&s->err, VMSIM_ENOMEM, "no memory for a sleeper");
    case VMSIM__SLICE_BLOCK:
        job->state = VMSIM__JOB_BLOCKED;
        return 0;
    case VMSIM__SLICE_END:
        return s->group_killed ? group_end(s, cpu) : job_end(s, job, cpu);
    default:
        return s->err.code;
    }
}

/* The whole machine held against itself, when it is time. In the middle of a run only between slices, when no call is
 * under way. */
static int verify(struct vmsim_scenario *s, bool at_end) {
    if (!s->verify || (!at_end && ++s->unverified < s->verify))
        return 0;
    s->unverified = 0;
    int err = vmsim_machine_check(s->machine);
    return err ? vmsim__err_set(&s->err, err, "%s", vmsim_machine_error(s->machine)) : 0;
}

void vmsim_scenario_verify(struct vmsim_scenario *s, uint64_t slices) {
    s->verify = slices;
}

bool vmsim__run_stopped(struct vmsim_scenario *s, uint64_t now) {
    struct vmsim_progress p = {.references = s->references, .total = s->total_references, .virtual_ns = now};
    if (!s->progress || s->progress(s->progress_context, &p))
        return false;
    vmsim__err_set(&s->err, VMSIM_ESTATE, "stopped before the end");
    return true;
}

/* Sleepers wake before the slice of the same time: whoever woke first is earlier in the queue. */
static int run_loop(struct vmsim_scenario *s) {
    for (;;) {
        uint64_t second;
        unsigned cpu = earliest_cpu(s, &second);
        const struct vmsim__event *next = vmsim__evq_peek(&s->sleepers);
        bool idle = cpu == s->machine->nr_cpus;
        if (idle && !next)
            return 0;
        uint64_t now = next && idle ? next->time : s->machine->cpus[cpu].now;
        if (now >= VMSIM__TIME_END)
            return vmsim__err_set(&s->err, VMSIM_ELIMIT, "virtual time ends after 146 years, and this run goes on");
        int err = take_intervals(s, now);
        if (!err && next && next->time <= now)
            err = wake_sleepers(s, now);
        else if (!err)
            err = run_slice(s, cpu, second);
        err = err ? err : verify(s, false);
        if (err)
            return err;
        if (vmsim__run_stopped(s, now))
            return s->err.code;
    }
}

/* Jobs that still block when nothing can run any more: a barrier that is never full, a parent without its child's end.
 */
static int report_stuck(struct vmsim_scenario *s) {
    for (size_t i = 0; i < s->jobs.count; i++) {
        struct vmsim__job *job = s->jobs.at[i];
        if (job->state == VMSIM__JOB_BLOCKED)
            return vmsim__err_set(&s->err, VMSIM_ESTATE, "task '%s' waits for ever at %s%s",
                                  vmsim__task_at(s->machine, job->task)->name,
                                  job->barrier == VMSIM__NO_NAME ? "wait" : "barrier ",
                                  job->barrier == VMSIM__NO_NAME ? "" : s->barriers.at[job->barrier].text);
    }
    return 0;
}

/* Expectations are settled after a failed run, too: what holds so far may tell why. */
int vmsim_scenario_run(struct vmsim_scenario *s, vmsim_progress_fn *progress, void *context) {
    if (s->ran)
        return vmsim__err_set(&s->err, VMSIM_ESTATE, "a scenario runs once");
    s->ran = true;
    s->next_interval = s->spec->report.interval;
    s->progress = progress;
    s->progress_context = context;
    int err = run_loop(s);
    err = err ? err : report_stuck(s);
    err = err ? err : verify(s, true);
    int settle = vmsim__expectations_settle(s);
    return err ? err : settle;
}
