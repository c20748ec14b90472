/* SPDX-License-Identifier: MIT */
/* Replaying a trace: every task of it is a task of the machine, with a job of its own and a lane of the trace's items
 * (replay_order.h). A job performs one item after the other: references go to the access path, events to
 * replay_events.c. Before each it looks whether its turn has come, and sleeps until then if not.
 *
 *     no item in the lane --> reads on, for all lanes, until there is one, or the window is full: idle
 *     an earlier item is not over that this one has to follow --> waits for its end
 *     else --> performs it; who waits for it is woken at the time of its end
 *
 * Tasks are spread over the CPUs that they may have, as the kernel places who is forked. Items of tasks that ended here
 * before they ended when recorded, or that never began, are over at once. */
#include <string.h>

#include "scenario/replay.h"

/* ---- opening and closing ---- */

int vmsim__replay_grow(struct vmsim_scenario *s, struct vmsim__replay *r, uint32_t task) {
    while (r->tasks.count <= task) {
        if (!vmsim__vec_push(s->alloc, &r->tasks, VMSIM_TASK_NONE) ||
            (r->placements.count < r->tasks.count && !vmsim__vec_push(s->alloc, &r->placements, NULL)))
            return vmsim__err_set(&s->err, VMSIM_ENOMEM, "no memory for the tasks of a trace");
    }
    return 0;
}

static int take_job(struct vmsim_scenario *s, struct vmsim__replay *r, struct vmsim__job *job) {
    VMSIM__ASSERT(!job->replay || job->replay == r);
    job->replay = r;
    job->turn.next_waiter = VMSIM__NO_JOB;
    if (vmsim__vec_push(s->alloc, &r->jobs, job))
        return 0;
    return vmsim__err_set(&s->err, VMSIM_ENOMEM, "no memory for the tasks of a trace");
}

/* What is damaged is found out here, before anything runs: the reader knows from the index whether the trace is whole.
 * The replay is the scenario's from its first moment on, which closes it whatever follows. */
int vmsim__replay_open(struct vmsim_scenario *s, struct vmsim__job *root, const struct vmsim__task_decl *decl,
                       const char *path) {
    VMSIM__ASSERT(decl->trace && path && !root->replay);
    struct vmsim__replay *r = vmsim__calloc(s->alloc, 1, sizeof *r);
    if (r && !vmsim__vec_push(s->alloc, &s->replays, r)) {
        vmsim__free(s->alloc, r, sizeof *r);
        r = NULL;
    }
    if (!r)
        return vmsim__err_set(&s->err, VMSIM_ENOMEM, "no memory for a trace");
    r->name = decl->name;
    r->files.cached = decl->cached;
    r->recorded = decl->recorded_addresses;
    vmsim__replay_cpus(decl, &r->cpus, &r->cpu_count);
    int err = vmsim_trace_open(path, VMSIM_TRACE_THREAD, &r->reader);
    if (err) {
        vmsim__err_set(&s->err, err, "%s", r->reader ? vmsim_trace_reader_error(r->reader) : "no memory for a trace");
        return err;
    }
    r->files.reader = r->reader;
    r->info = vmsim_trace_get_info(r->reader);
    if (!r->info->complete) { /* half a program is another program */
        vmsim__err_set(&s->err, VMSIM_ETRUNCATED,
                       "%s; `vmsim trace convert IN OUT` makes a whole trace of what is there",
                       vmsim_trace_reader_error(r->reader));
        return VMSIM_ETRUNCATED;
    }
    vmsim__order_init(&r->order, s->alloc, r->reader);
    r->root = root;
    return take_job(s, r, root);
}

/* Placements are shared among tasks of one address space, and go with the last of them. */
void vmsim__replay_close(struct vmsim_scenario *s, struct vmsim__replay *r) {
    vmsim__order_fini(&r->order);
    vmsim__replay_files_fini(s, &r->files);
    vmsim_trace_close(r->reader);
    for (size_t i = 0; i < r->placements.count; i++)
        vmsim__placement_put(r->placements.at[i]);
    vmsim__vec_fini(s->alloc, &r->placements);
    vmsim__vec_fini(s->alloc, &r->jobs);
    vmsim__vec_fini(s->alloc, &r->tasks);
    vmsim__vec_fini(s->alloc, &r->voids);
    vmsim__vec_fini(s->alloc, &r->segments);
    vmsim__free(s->alloc, r, sizeof *r);
}

uint64_t vmsim__replay_references(const struct vmsim__replay *r) {
    VMSIM__ASSERT(r->info);
    return r->info->references;
}

bool vmsim__replay_ended(const struct vmsim__replay *r) {
    return r->order.ended && !r->order.first;
}

/* One CPU that is named is for all tasks, as taskset(1) makes it. */
void vmsim__replay_cpus(const struct vmsim__task_decl *decl, const uint64_t **cpus, size_t *count) {
    *cpus = decl->cpus.count ? decl->cpus.data : decl->has_cpu ? &decl->cpu : NULL;
    *count = decl->cpus.count ? decl->cpus.count : decl->has_cpu;
}

/* ---- wakes ---- */

static int wake(struct vmsim_scenario *s, const struct vmsim__job *job, uint64_t time) {
    if (!vmsim__task_wake_at(s->machine, vmsim__task_at(s->machine, job->task), time))
        return 0;
    return vmsim__err_set(&s->err, VMSIM_ENOMEM, "no memory for a wake");
}

/* All that wait for items are to look again. */
static int wake_idle(struct vmsim_scenario *s, struct vmsim__replay *r, uint64_t time) {
    int err = 0;
    r->starved = false;
    for (size_t i = 0; !err && i < r->jobs.count; i++) {
        struct vmsim__job *job = r->jobs.at[i];
        if (job->turn.idle)
            err = wake(s, job, time);
        job->turn.idle = false;
    }
    return err;
}

/* An item is over. After the last one it is the root's turn. */
static int end_item(struct vmsim_scenario *s, struct vmsim__replay *r, struct vmsim__replay_item *x, uint64_t time) {
    VMSIM__ASSERT(!x->done && x->in.task < r->order.lanes.count);
    int err = 0;
    for (uint32_t i = x->waiters; !err && i != VMSIM__NO_JOB;) {
        struct vmsim__job *job = s->jobs.at[i];
        i = job->turn.next_waiter;
        job->turn.next_waiter = VMSIM__NO_JOB;
        err = wake(s, job, time);
    }
    vmsim__order_finish(&r->order, x, time);
    if (!err && vmsim__replay_ended(r))
        err = wake(s, r->root, r->order.settled_at);
    return err;
}

/* ---- beginnings and ends of tasks ---- */

/* Nobody performs what the lanes in r->voids have: it is over at `time`, and what it would have begun never begins. */
static int empty_lanes(struct vmsim_scenario *s, struct vmsim__replay *r, uint64_t time) {
    int err = 0;
    while (!err && r->voids.count) {
        const uint32_t number = r->voids.at[r->voids.count - 1];
        VMSIM__ASSERT(number < r->order.lanes.count);
        struct vmsim__replay_lane *lane = &r->order.lanes.at[number];
        struct vmsim__replay_item *x = lane->head;
        if (!x || x->generation != lane->settled || lane->job != VMSIM__NO_JOB) {
            r->voids.count--;
            continue;
        }
        const uint32_t child = vmsim__order_child(x);
        err = end_item(s, r, x, time);
        if (!err && child != VMSIM_TRACE_NO_TASK && r->order.lanes.at[number].settled)
            err = vmsim__replay_settle(s, r, child, VMSIM_TASK_NONE, time);
    }
    return err;
}

static int void_lane(struct vmsim_scenario *s, struct vmsim__replay *r, uint32_t number) {
    if (vmsim__vec_push(s->alloc, &r->voids, number))
        return 0;
    return vmsim__err_set(&s->err, VMSIM_ENOMEM, "no memory for the tasks of a trace");
}

/* It has not begun: there is nothing to move. */
static int begin_job(struct vmsim_scenario *s, struct vmsim__replay *r, uint32_t number, uint32_t task, uint64_t time) {
    VMSIM__ASSERT(number < r->order.lanes.count);
    struct vmsim__job *job = vmsim__job_create(s, task);
    int err = job ? take_job(s, r, job) : VMSIM_ENOMEM;
    if (err)
        return err;
    job->turn.lane = number;
    r->order.lanes.at[number].job = job->index;
    struct vmsim__task *t = vmsim__task_at(s->machine, task);
    t->cpu = (uint16_t)vmsim__cpu_idlest(s->machine, t, r->cpus, r->cpu_count);
    return vmsim__job_begin(job, time);
}

/* A fork has happened: the recorded child is this task from now on. Where it could not be made (no memory, a limit)
 * the child's part of the trace is passed over, as nobody could perform it. */
int vmsim__replay_settle(struct vmsim_scenario *s, struct vmsim__replay *r, uint32_t number, uint32_t task,
                         uint64_t time) {
    VMSIM__ASSERT(number < r->order.lanes.count);
    struct vmsim__replay_lane *lane = &r->order.lanes.at[number];
    VMSIM__ASSERT(lane->settled < lane->announced);
    lane->settled++;
    lane->job = VMSIM__NO_JOB;
    if (task == VMSIM_TASK_NONE)
        return void_lane(s, r, number);
    r->tasks.at[number] = task;
    return begin_job(s, r, number, task, time);
}

/* The first task of the trace is the root's. Later ones without a fork (a trace of several programs) begin when all is
 * over that was recorded before, on tasks beside it. */
static int begin_root(struct vmsim_scenario *s, struct vmsim__replay *r, uint32_t number, uint64_t time) {
    VMSIM__ASSERT(number < r->order.lanes.count && r->order.lanes.at[number].announced);
    uint32_t id = r->root->task;
    int err = vmsim__replay_grow(s, r, number);
    if (err)
        return err;
    if (r->root_taken) {
        err = vmsim_task_create(s->machine, r->name, vmsim__task_at(s->machine, id)->cpu, &id);
        if (err && err != VMSIM_ELIMIT) /* ELIMIT: no frame for its page table, it never begins */
            return vmsim__err_set(&s->err, err, "%s", vmsim_machine_error(s->machine));
        return vmsim__replay_settle(s, r, number, err ? VMSIM_TASK_NONE : id, time);
    }
    struct vmsim__replay_lane *lane = &r->order.lanes.at[number];
    r->root_taken = true;
    r->tasks.at[number] = id;
    r->root->turn.lane = number;
    lane->settled++;
    lane->job = vmsim__task_at(s->machine, id)->state == VMSIM__TASK_DEAD ? VMSIM__NO_JOB : r->root->index;
    return lane->job == VMSIM__NO_JOB ? void_lane(s, r, number) : 0;
}

/* Beginnings need nobody: they happen when all before them is over. So does what nobody performs. */
static int settle(struct vmsim_scenario *s, struct vmsim__replay *r, uint64_t now) {
    int err = empty_lanes(s, r, now);
    for (struct vmsim__replay_item *x; !err && (x = r->order.first) != NULL;) {
        const struct vmsim__replay_lane *lane = &r->order.lanes.at[x->in.task];
        if (!x->in.event || x->event.type != VMSIM_TRACE_START || lane->settled || lane->head != x)
            break;
        const uint64_t time = vmsim__max64(r->order.settled_at, now);
        err = begin_root(s, r, x->in.task, time);
        err = err ? err : end_item(s, r, x, time);
        err = err ? err : empty_lanes(s, r, time);
    }
    return err;
}

/* A task that this machine killed though it had ended by itself when recorded. */
static void compare_end(struct vmsim_scenario *s, const struct vmsim__replay *r, const struct vmsim__task *t) {
    VMSIM__ASSERT(t->state == VMSIM__TASK_DEAD);
    for (size_t i = 0; i < r->tasks.count && t->stop != VMSIM_STOP_NONE; i++) {
        const struct vmsim_trace_task *k =
            r->tasks.at[i] == t->id ? vmsim_trace_get_task(r->reader, (uint32_t)i) : NULL;
        if (k && k->exit_status >= 0)
            vmsim__replay_died(&s->results, k->exit_status, t->exit_code, t->id, t->end_ns);
    }
}

/* ---- reading on ---- */

static int read_error(struct vmsim_scenario *s, struct vmsim__replay *r, int code) {
    if (r->order.no_memory)
        return vmsim__err_set(&s->err, VMSIM_ENOMEM, "no memory for the items of a trace");
    return vmsim__err_set(&s->err, code, "%s", vmsim_trace_reader_error(r->reader));
}

/* One more item comes into its lane, whose task may wait for it. */
static int read_one(struct vmsim_scenario *s, struct vmsim__replay *r, uint64_t now) {
    VMSIM__ASSERT(!r->order.ended);
    struct vmsim__replay_item *x;
    int got = vmsim__order_read(&r->order, &x);
    if (got < 0)
        return read_error(s, r, got);
    if (!got)
        return vmsim__replay_ended(r) ? wake(s, r->root, vmsim__max64(now, r->order.settled_at)) : 0;
    const struct vmsim__replay_lane *lane = &r->order.lanes.at[x->in.task];
    if (lane->job == VMSIM__NO_JOB)
        return x->generation == lane->settled && void_lane(s, r, x->in.task) ? s->err.code : settle(s, r, now);
    struct vmsim__job *job = s->jobs.at[lane->job];
    const bool waits = job->turn.idle && x->generation == lane->settled;
    job->turn.idle = job->turn.idle && !waits;
    return waits ? wake(s, job, now) : 0;
}

/* A task has left: what it has not done will not be done, and somebody else has to read on. */
static int leave(struct vmsim_scenario *s, struct vmsim__job *job, uint64_t time) {
    struct vmsim__replay *r = job->replay;
    VMSIM__ASSERT(r && !job->turn.item);
    int err = 0;
    const bool begun = job->turn.lane < r->order.lanes.count && (job != r->root || r->root_taken);
    if (begun && r->order.lanes.at[job->turn.lane].job == job->index) {
        r->order.lanes.at[job->turn.lane].job = VMSIM__NO_JOB;
        err = void_lane(s, r, job->turn.lane);
    }
    err = err ? err : settle(s, r, time);
    err = err ? err : wake_idle(s, r, time);
    while (!err && !r->order.first && !r->order.ended)
        err = read_one(s, r, time);
    return err;
}

/* An error stays with the scenario. Its own item it ends itself. */
void vmsim__replay_exited(struct vmsim_scenario *s, struct vmsim__job *job) {
    struct vmsim__replay *r = job->replay;
    const struct vmsim__task *t = vmsim__task_at(s->machine, job->task);
    compare_end(s, r, t);
    if (r->running == job)
        return;
    job->turn.item = NULL;
    leave(s, job, t->end_ns);
}

/* ---- turns ---- */

static enum vmsim__work wait_for_turn(struct vmsim__task *t, uint64_t whom, uint64_t until) {
    t->wait = (struct vmsim__wait){VMSIM__WAIT_TURN, whom, until};
    return VMSIM__WORK_WAIT;
}

/* The end of the recording ends the root, and finds the others as they are. */
static enum vmsim__work nothing_left(struct vmsim__replay *r, struct vmsim__job *job, struct vmsim__task *t,
                                     uint64_t now) {
    VMSIM__ASSERT(!job->turn.item && t->state == VMSIM__TASK_RUNNABLE);
    if (job == r->root && vmsim__replay_ended(r)) {
        if (now >= r->order.settled_at)
            return VMSIM__WORK_END;
        return wait_for_turn(t, VMSIM_TASK_NONE, r->order.settled_at);
    }
    job->turn.idle = true;
    return wait_for_turn(t, VMSIM_TASK_NONE, VMSIM__TIME_NEVER);
}

/* The lane's own head; NULL: it has none for this job. */
static struct vmsim__replay_item *head_of(const struct vmsim__replay *r, const struct vmsim__job *job) {
    if (job == r->root && !r->root_taken)
        return NULL;
    const struct vmsim__replay_lane *lane = &r->order.lanes.at[job->turn.lane];
    VMSIM__ASSERT(job->turn.lane < r->order.lanes.count);
    return lane->job == job->index && lane->head && lane->head->generation == lane->settled ? lane->head : NULL;
}

/* Whether its lane may still get something. */
static bool has_lane(const struct vmsim__replay *r, const struct vmsim__job *job) {
    return (job == r->root && !r->root_taken) || r->order.lanes.at[job->turn.lane].job == job->index;
}

/* MORE: job->turn.item is what it performs next. */
static enum vmsim__work take_turn(struct vmsim_scenario *s, struct vmsim__job *job, struct vmsim__task *t,
                                  uint64_t now) {
    VMSIM__ASSERT(!job->turn.item && t->state == VMSIM__TASK_RUNNABLE);
    struct vmsim__replay *r = job->replay;
    struct vmsim__replay_order *o = &r->order;
    struct vmsim__replay_item *x, *d;
    job->turn.idle = false;
    vmsim__order_retire(o, now);
    if (r->starved && vmsim__order_roomy(o, now) && wake_idle(s, r, now))
        return VMSIM__WORK_FAIL;
    while ((x = head_of(r, job)) == NULL && has_lane(r, job) && !o->ended && !vmsim__order_full(o, now))
        if (read_one(s, r, now))
            return VMSIM__WORK_FAIL;
    if (!x) {
        r->starved |= !o->ended && has_lane(r, job);
        return nothing_left(r, job, t, now);
    }
    d = vmsim__order_blocker(o, x, now);
    if (o->no_memory)
        return read_error(s, r, VMSIM_ENOMEM), VMSIM__WORK_FAIL;
    if (!d) {
        job->turn.item = x;
        return VMSIM__WORK_MORE;
    }
    if (!d->done) {
        job->turn.next_waiter = d->waiters;
        d->waiters = job->index;
    }
    return wait_for_turn(t, d->in.task < r->tasks.count ? r->tasks.at[d->in.task] : VMSIM_TASK_NONE,
                         d->done ? d->done_at : VMSIM__TIME_NEVER);
}

/* ---- performing ---- */

/* The next references of the batch, where they lie here: in job->chunk if they were moved. NULL: no memory. */
static const vmsim_access *next_references(struct vmsim_scenario *s, struct vmsim__job *job,
                                           struct vmsim__replay_item *x, size_t *count) {
    VMSIM__ASSERT(x->at < x->in.count && job->chunk_at <= job->chunk_end);
    struct vmsim__placement *p = job->replay->placements.at[x->in.task];
    const bool fresh = job->chunk_at == job->chunk_end;
    if (fresh) {
        job->chunk_at = 0;
        job->chunk_end = vmsim__min64(x->in.count - x->at, VMSIM__CHUNK);
    }
    *count = job->chunk_end - job->chunk_at;
    if (!p)
        return x->in.accesses + x->at;
    if (!job->chunk && (job->chunk = vmsim__malloc(s->alloc, VMSIM__CHUNK * sizeof *job->chunk)) == NULL)
        return NULL;
    if (fresh)
        vmsim__placement_translate(p, x->in.accesses + x->at, job->chunk, job->chunk_end);
    if (fresh && !s->machine->format->levels)
        vmsim__replay_nommu_clip(p, x->in.accesses + x->at, job->chunk, job->chunk_end);
    return job->chunk + job->chunk_at;
}

/* References of the batch, a chunk after the other, until all are done or `until` has passed. */
static enum vmsim__work run_batch(struct vmsim_scenario *s, struct vmsim__job *job, struct vmsim__task *t,
                                  struct vmsim__replay_item *x) {
    VMSIM__ASSERT(!x->in.event && x->in.accesses);
    while (x->at < x->in.count) {
        struct vmsim_access_result result;
        size_t count;
        const vmsim_access *at = next_references(s, job, x, &count);
        if (!at)
            return vmsim__err_set(&s->err, VMSIM_ENOMEM, "no memory for references"), VMSIM__WORK_FAIL;
        enum vmsim__work how = vmsim__machine_access(s->machine, t, at, count, NULL, &result);
        job->chunk_at += result.done;
        x->at += result.done;
        s->references += result.done;
        if (how != VMSIM__WORK_MORE)
            return how;
        if (vmsim__preempted(s->machine, t))
            break;
    }
    return VMSIM__WORK_MORE;
}

/* Works on the job's item. */
static enum vmsim__work perform(struct vmsim_scenario *s, struct vmsim__job *job, struct vmsim__task *t, bool *over) {
    struct vmsim__replay *r = job->replay;
    struct vmsim__replay_item *x = job->turn.item;
    VMSIM__ASSERT(x && !x->done);
    *over = false;
    if (!x->in.event) {
        enum vmsim__work work = run_batch(s, job, t, x);
        *over = work == VMSIM__WORK_MORE && x->at == x->in.count;
        return work;
    }
    struct vmsim__replaying i = {.s = s,
                                 .r = r,
                                 .t = t,
                                 .x = x,
                                 .e = x->in.event,
                                 .trace_task = x->in.task,
                                 .now = s->machine->cpus[t->cpu].now};
    int how = vmsim__replay_event(&i);
    if (how == VMSIM__REPLAY_AGAIN)
        return VMSIM__WORK_WAIT;
    *over = !how && !s->err.code;
    if (*over)
        return VMSIM__WORK_MORE;
    if (!s->err.code)
        vmsim__err_set(&s->err, VMSIM_ENOMEM, "%s", vmsim_machine_error(s->machine));
    return VMSIM__WORK_FAIL;
}

static enum vmsim__work host_failed(struct vmsim_scenario *s) {
    vmsim__err_set(&s->err, s->machine->err.code ? s->machine->err.code : VMSIM_ENOMEM, "%s",
                   vmsim_machine_error(s->machine));
    return VMSIM__WORK_FAIL;
}

/* The item is over, or its task has ended. */
static enum vmsim__work end_turn(struct vmsim_scenario *s, struct vmsim__job *job, const struct vmsim__task *t,
                                 uint64_t now) {
    struct vmsim__replay *r = job->replay;
    struct vmsim__replay_item *x = job->turn.item;
    VMSIM__ASSERT(x);
    const bool dead = t->state == VMSIM__TASK_DEAD;
    job->turn.item = NULL;
    job->chunk_at = job->chunk_end = 0;
    if (end_item(s, r, x, dead ? t->end_ns : now) || (dead ? leave(s, job, t->end_ns) : settle(s, r, now)))
        return VMSIM__WORK_FAIL;
    if (vmsim__run_stopped(s, now))
        return VMSIM__WORK_FAIL;
    return dead ? VMSIM__WORK_END : VMSIM__WORK_MORE;
}

/* One item after the other. Whether the next one's turn has come is looked at before the horizon alone, or at the
 * beginning of a step: no other CPU is behind then. */
enum vmsim__work vmsim__replay_run(struct vmsim_scenario *s, struct vmsim__job *job) {
    struct vmsim__task *t = vmsim__task_at(s->machine, job->task);
    VMSIM__ASSERT(job->replay && t->state == VMSIM__TASK_RUNNABLE);
    const unsigned cpu = t->cpu;
    enum vmsim__work how;
    do {
        bool over;
        if (vmsim__host_error(s->machine))
            return host_failed(s);
        if (s->err.code)
            return VMSIM__WORK_FAIL;
        if (!job->turn.item && (how = take_turn(s, job, t, s->machine->cpus[cpu].now)) != VMSIM__WORK_MORE)
            return how;
        job->replay->running = job;
        how = perform(s, job, t, &over);
        job->replay->running = NULL;
        if (how == VMSIM__WORK_FAIL)
            return s->err.code ? how : host_failed(s);
        if (!over && t->state != VMSIM__TASK_DEAD)
            return how;
        if ((how = end_turn(s, job, t, s->machine->cpus[cpu].now)) != VMSIM__WORK_MORE)
            return how;
    } while (t->cpu == cpu && !vmsim__preempted(s->machine, t));
    return VMSIM__WORK_MORE;
}
