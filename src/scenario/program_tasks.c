/* SPDX-License-Identifier: MIT */
/* Steps about everything but memory: files, other tasks, time, knobs, cgroups, swap. What waits for another task or for
 * a time is woken by an event, and the step entered again looks whether it may go on. */
#include "machine/knobs.h"
#include "scenario/program.h"

#define COMPUTE_PIECE 10000u /* ns of computing between two points where it may be interrupted */

/* ---- files ---- */

int vmsim__file_declared(struct vmsim_machine *m, const struct vmsim__file_decl *d, uint32_t *file) {
    VMSIM__ASSERT(d->name && file);
    const int err = d->kind == VMSIM_FILE_HUGETLB
                        ? vmsim_file_create_hugetlb(m, d->name, d->size, d->huge_size, file)
                        : vmsim_file_create_on(m, (enum vmsim_file_kind)d->kind, d->name, d->size, d->cached, d->device,
                                               d->fragmented, file);
    return err || !d->inode ? err : vmsim_file_set_inode(m, *file, d->inode);
}

/* Files of a description exist by name, without descriptors: nothing here depends on which number one has. */
static int64_t create_work(struct vmsim_machine *m, struct vmsim__task *t, void *context) {
    const struct vmsim__step_create *d = context;
    uint32_t file;
    (void)t;
    return vmsim__file_declared(m, &d->file, &file);
}

enum step_end vmsim__do_create(struct step_run *r) {
    struct vmsim__step_create d = *(const struct vmsim__step_create *)r->data;
    if (vmsim__call_with(r->m, r->t, create_work, &d))
        return vmsim__step_problem(r, "%s", vmsim_machine_error(r->m));
    return STEP_OVER;
}

/* One call a block, as a program that reads with a buffer of that size; others may have the CPU between two. */
static enum step_end do_file_io(struct step_run *r, struct vmsim__file *f) {
    VMSIM__ASSERT(f && r->step);
    const struct vmsim__step_file *d = r->data;
    const enum vmsim__call_id id = vmsim__verb_of(r->step) == VMSIM__VERB_READ ? VMSIM__CALL_READ : VMSIM__CALL_WRITE;
    const uint64_t length = d->length ? d->length : f->size - vmsim__min64(d->offset, f->size);
    const uint64_t block = d->block ? d->block : length;
    uint64_t *done = &r->job->done;
    while (*done < length) {
        int64_t result =
            step_call(r, id, VMSIM__FILE_ARGS(f, NULL, d->offset + *done, vmsim__min64(block, length - *done)));
        if (result == VMSIM__CALL_WAITS)
            return STEP_WAIT;
        *done += result > 0 ? (uint64_t)result : block;
        if (result <= 0 || *done >= length)
            return vmsim__step_came_back(r, &d->result, result);
        if (vmsim__preempted(r->m, r->t))
            return STEP_AGAIN;
    }
    return STEP_OVER;
}

/* Opening starts readahead anew, as each open file has its own state. */
enum step_end vmsim__do_file(struct step_run *r) {
    static const enum vmsim__call_id ids[VMSIM__VERBS] = {[VMSIM__VERB_OPEN] = VMSIM__CALL_OPEN,
                                                          [VMSIM__VERB_FSYNC] = VMSIM__CALL_FSYNC,
                                                          [VMSIM__VERB_TRUNCATE] = VMSIM__CALL_FTRUNCATE,
                                                          [VMSIM__VERB_UNLINK] = VMSIM__CALL_UNLINK};
    const struct vmsim__step_file *d = r->data;
    const enum vmsim__verb verb = vmsim__verb_of(r->step);
    struct vmsim__file *f = vmsim__step_file(r, d->file);
    if (!f)
        return STEP_FAIL;
    if (verb == VMSIM__VERB_READ || verb == VMSIM__VERB_WRITE)
        return do_file_io(r, f);
    const uint64_t length = verb == VMSIM__VERB_TRUNCATE ? d->length : 0;
    return vmsim__step_came_back(r, &d->result, step_call(r, ids[verb], VMSIM__FILE_ARGS(f, NULL, length)));
}

/* PUNCH_HOLE goes with KEEP_SIZE, or Linux refuses it. */
enum step_end vmsim__do_fallocate(struct step_run *r) {
    const struct vmsim__step_fallocate *d = r->data;
    struct vmsim__file *f = vmsim__step_file(r, d->file);
    if (!f)
        return STEP_FAIL;
    const uint64_t mode = (d->keep_size || d->punch_hole ? 1u : 0u) | (d->punch_hole ? 2u : 0u);
    return vmsim__step_came_back(
        r, &d->result, step_call(r, VMSIM__CALL_FALLOCATE, VMSIM__FILE_ARGS(f, NULL, mode, d->offset, d->length)));
}

enum step_end vmsim__do_fadvise(struct step_run *r) {
    const struct vmsim__step_fadvise *d = r->data;
    struct vmsim__file *f = vmsim__step_file(r, d->file);
    if (!f)
        return STEP_FAIL;
    return vmsim__step_came_back(
        r, &d->result,
        step_call(r, VMSIM__CALL_FADVISE, VMSIM__FILE_ARGS(f, NULL, d->offset, d->length, (uint64_t)d->advice)));
}

/* ---- tasks ---- */

/* The child knows the parent's regions, as it has its memory. */
static bool inherit_regions(struct step_run *r, struct vmsim__job *child) {
    VMSIM__ASSERT(!child->regions.count);
    for (size_t i = 0; i < r->job->regions.count; i++) {
        struct vmsim__named_region copy = {.name = r->job->regions.at[i].name,
                                           .base = r->job->regions.at[i].base,
                                           .length = r->job->regions.at[i].length};
        if (!vmsim__vec_push(r->s->alloc, &child->regions, copy))
            return false;
    }
    return true;
}

/* A child without frames for its page tables is a failed step, not a failed run. */
enum step_end vmsim__do_fork(struct step_run *r) {
    VMSIM__ASSERT(r->t->state == VMSIM__TASK_RUNNABLE);
    const struct vmsim__step_fork *d = r->data;
    const char *name = d->name ? d->name : r->t->name;
    uint32_t id;
    bool waits = false;
    if (!d->thread && !r->m->format->levels)
        return vmsim__step_problem(r, "%s", "without an MMU there is no fork: two copies cannot have one address");
    int err = d->thread ? vmsim__task_clone(r->m, r->t->id, name, true, &id)
                        : vmsim__task_fork(r->m, r->t, name, &id, &waits);
    if (err)
        return vmsim__step_no_memory(r);
    if (waits)
        return STEP_WAIT;
    int64_t result = id == VMSIM_TASK_NONE ? -VMSIM__L_ENOMEM : 0;
    const char *wanted = d->result.error;
    if (result != (wanted ? -vmsim__errno_number(wanted) : 0) && vmsim__step_failed(r->s, r->step, result, wanted))
        return STEP_FAIL;
    if (result)
        return STEP_OVER;
    if (d->has_cpu && d->cpu >= r->m->nr_cpus)
        return vmsim__step_problem(r, "%s", "there is no such CPU");
    if (d->has_cpu) /* it has not begun: there is nothing to move */
        vmsim__task_at(r->m, id)->cpu = (uint16_t)d->cpu;
    struct vmsim__job *child = vmsim__job_create(r->s, id);
    if (!child || !inherit_regions(r, child) || vmsim__job_push(r->s, child, &d->program, 1) ||
        vmsim__job_begin(child, r->m->cpus[r->t->cpu].now))
        return vmsim__step_no_memory(r);
    return STEP_OVER;
}

/* The exit that leaves as many children as may be left wakes the task. */
enum step_end vmsim__do_wait(struct step_run *r) {
    const struct vmsim__step_wait *d = r->data;
    if (!r->job->entered)
        r->job->done = d->children && d->children < r->t->children ? r->t->children - d->children : 0;
    r->job->entered = true;
    return r->t->children > r->job->done ? step_wait_for(r, VMSIM__WAIT_CHILD, r->job->done, VMSIM__TIME_NEVER)
                                         : STEP_OVER;
}

enum step_end vmsim__do_kill(struct step_run *r) {
    const struct vmsim__step_kill *d = r->data;
    VMSIM__ASSERT(d->task && r->t->mm);
    const int64_t result = vmsim__task_kill_called(r->m, d->task, r->m->cpus[r->t->cpu].now);
    return result > 0 ? vmsim__step_no_memory(r) : vmsim__step_came_back(r, &d->result, result);
}

/* Number of a barrier; VMSIM__NO_NAME: no host memory. */
static uint32_t barrier_of(struct vmsim_scenario *s, const char *name) {
    VMSIM__ASSERT(s->waiting.count == s->barriers.count && name);
    if (!vmsim__vec_reserve(s->alloc, &s->waiting, s->barriers.count + 1))
        return VMSIM__NO_NAME;
    uint32_t number = vmsim__names_add(s->alloc, &s->barriers, name);
    if (number == s->waiting.count)
        s->waiting.at[s->waiting.count++] = (struct vmsim__barrier){0};
    return number;
}

/* Those that were killed while they waited have left. */
static void forget_dead(struct vmsim_scenario *s, struct vmsim__barrier *b) {
    VMSIM__ASSERT(b->count <= s->jobs.count);
    size_t kept = 0;
    for (size_t i = 0; i < b->count; i++) {
        const struct vmsim__job *job = s->jobs.at[b->at[i]];
        if (vmsim__task_at(s->machine, job->task)->state != VMSIM__TASK_DEAD)
            b->at[kept++] = b->at[i];
    }
    b->count = kept;
}

/* The last to arrive wakes the others at its own time and goes on without blocking. */
enum step_end vmsim__do_barrier(struct step_run *r) {
    const struct vmsim__step_barrier *d = r->data;
    VMSIM__ASSERT(d->tasks > 0);
    if (r->job->barrier != VMSIM__NO_NAME)
        return step_wait_for(r, VMSIM__WAIT_BARRIER, r->job->barrier, VMSIM__TIME_NEVER);
    if (r->job->entered)
        return STEP_OVER; /* it was let go */
    r->job->entered = true;
    uint32_t number = barrier_of(r->s, d->name);
    if (number == VMSIM__NO_NAME)
        return vmsim__step_no_memory(r);
    struct vmsim__barrier *b = &r->s->waiting.at[number];
    forget_dead(r->s, b);
    if (b->count + 1 < d->tasks) {
        if (!vmsim__vec_push(r->s->alloc, b, r->job->index))
            return vmsim__step_no_memory(r);
        r->job->barrier = number;
        return step_wait_for(r, VMSIM__WAIT_BARRIER, number, VMSIM__TIME_NEVER);
    }
    for (size_t i = 0; i < b->count; i++) {
        struct vmsim__job *job = r->s->jobs.at[b->at[i]];
        job->barrier = VMSIM__NO_NAME;
        if (vmsim__task_wake_at(r->m, vmsim__task_at(r->m, job->task), r->m->cpus[r->t->cpu].now))
            return vmsim__step_no_memory(r);
    }
    b->count = 0;
    return STEP_OVER;
}

enum step_end vmsim__do_repeat(struct step_run *r) {
    const struct vmsim__step_repeat *d = r->data;
    if (d->times && vmsim__job_push(r->s, r->job, &d->steps, d->times))
        return STEP_FAIL;
    return STEP_OVER;
}

/* ---- time and knobs ---- */

/* Computing is the user's time, which others may interrupt at certain points of it; sleeping gives the CPU to others.
 */
enum step_end vmsim__do_time(struct step_run *r) {
    VMSIM__ASSERT(r->t->state == VMSIM__TASK_RUNNABLE);
    const struct vmsim__step_time *d = r->data;
    struct vmsim__job *job = r->job;
    const struct vmsim__cpu *c = &r->m->cpus[r->t->cpu];
    const bool sleep = vmsim__verb_of(r->step) == VMSIM__VERB_SLEEP;
    if (!job->entered) {
        job->done = sleep ? c->now + d->time : d->time;
        job->entered = true;
    }
    if (sleep)
        return c->now < job->done ? step_wait_for(r, VMSIM__WAIT_TIME, 0, job->done) : STEP_OVER;
    vmsim__cpu_load(r->m, r->t); /* others may have had the CPU since it stopped */
    while (job->done) {
        const uint64_t ns = vmsim__min64(job->done, COMPUTE_PIECE);
        vmsim__cpu_compute(r->m, r->t, ns);
        job->done -= ns;
        if (vmsim__preempted(r->m, r->t))
            break;
    }
    return job->done ? STEP_AGAIN : STEP_OVER;
}

/* A write that is over when all is done that it asks for, and may have to wait for pages meanwhile. */
static int64_t knob_work(struct vmsim_machine *m, struct vmsim__task *t, void *context) {
    const struct vmsim__step_sysctl *d = context;
    (void)t;
    if (vmsim_machine_sysctl(m, d->name, d->value))
        return REFUSED;
    return vmsim__now_waits(&m->mem->now) ? -VMSIM__ERESTARTSYS : 0;
}

static enum step_end do_long_sysctl(struct step_run *r) {
    int64_t result = vmsim__call_with(r->m, r->t, knob_work, (void *)(uintptr_t)r->data);
    if (result == VMSIM__CALL_WAITS)
        return STEP_WAIT;
    return result ? vmsim__step_problem(r, "%s", vmsim_machine_error(r->m)) : STEP_OVER;
}

/* Verbs that are one call of another part, and that cannot wait but for knobs that Linux takes its time for. */
enum step_end vmsim__do_small(struct step_run *r) {
    switch (vmsim__verb_of(r->step)) {
    case VMSIM__VERB_MIGRATE:
        if (vmsim_task_migrate(r->m, r->t->id, (unsigned)((const struct vmsim__step_migrate *)r->data)->cpu))
            return vmsim__step_problem(r, "%s", vmsim_machine_error(r->m));
        return STEP_OVER;
    case VMSIM__VERB_MARKER: {
        const char *name = ((const struct vmsim__step_marker *)r->data)->name;
        const enum vmsim__work how =
            r->s->on_marker ? r->s->on_marker(r->s->on_context, r->s, name, r->t->id) : VMSIM__WORK_MORE;
        if (how != VMSIM__WORK_MORE)
            return how == VMSIM__WORK_CUT ? STEP_CUT : how == VMSIM__WORK_WAIT ? STEP_WAIT : STEP_FAIL;
        return vmsim__marker_take(r->s, name, r->t->name, r->m->cpus[r->t->cpu].now) ? STEP_FAIL : STEP_OVER;
    }
    case VMSIM__VERB_SYSCTL: {
        const struct vmsim__step_sysctl *d = r->data;
        if (vmsim__machine_knob_waits(d->name))
            return do_long_sysctl(r);
        return vmsim_machine_sysctl(r->m, d->name, d->value) ? vmsim__step_problem(r, "%s", vmsim_machine_error(r->m))
                                                             : STEP_OVER;
    }
    case VMSIM__VERB_RLIMIT: {
        const struct vmsim__step_rlimit *d = r->data;
        vmsim__mm_set_rlimit(r->t->mm, (enum vmsim__rlimit)d->which, d->bytes);
        return STEP_OVER;
    }
    case VMSIM__VERB_OOM_SCORE_ADJ:
        vmsim__task_set_oom_score_adj(r->m, r->t, ((const struct vmsim__step_oom_score_adj *)r->data)->value);
        return STEP_OVER;
    case VMSIM__VERB_CLEAR_REFS:
        vmsim__cpu_load(r->m, r->t);
        vmsim__mm_clear_refs(r->t->mm, (int)((const struct vmsim__step_clear_refs *)r->data)->what, r->t->cpu);
        vmsim__cpu_charge(r->m, r->t);
        return STEP_OVER;
    case VMSIM__VERB_DEVICE_FAULT: {
        const struct vmsim__step_device_fault *d = r->data;
        const uint32_t device = d->device ? vmsim__block_find(r->m->block, d->device) : 0;
        VMSIM__ASSERT(device != VMSIM__BLOCK_NO_DEVICE); /* validation has found it */
        return vmsim__block_inject(r->m->block, device, &d->fault) ? vmsim__step_no_memory(r) : STEP_OVER;
    }
    case VMSIM__VERB_LRU_DRAIN:
        vmsim__lru_drain_all(r->m->lru);
        return STEP_OVER;
    default:
        r->t->exit_code = (int32_t)((const struct vmsim__step_exit *)r->data)->status;
        return STEP_EXIT;
    }
}

/* As a shell would do it: directories of cgroupfs, and writes to their files with what they return. */
enum step_end vmsim__do_cgroup(struct step_run *r) {
    const struct vmsim__step_cgroup *d = r->data;
    VMSIM__ASSERT(d->cgroup);
    int64_t result;
    switch (vmsim__verb_of(r->step)) {
    case VMSIM__VERB_CGROUP_CREATE:
        result = vmsim__cgroup_mkdir(r->m, d->cgroup);
        break;
    case VMSIM__VERB_CGROUP_REMOVE:
        result = vmsim__cgroup_rmdir(r->m, d->cgroup);
        break;
    case VMSIM__VERB_CGROUP_ATTACH:
        result = vmsim__cgroup_attach(r->m, d->cgroup, r->t);
        break;
    default:
        result = vmsim__cgroup_write_call(r->m, r->t, &(struct vmsim__cgroup_text){d->cgroup, d->file, d->value});
        break;
    }
    return vmsim__step_came_back(r, &d->result, result);
}

enum step_end vmsim__do_swap(struct step_run *r) {
    if (vmsim__verb_of(r->step) == VMSIM__VERB_SWAPON) {
        const struct vmsim__step_swapon *on = r->data;
        return vmsim__step_came_back(r, &on->result, vmsim__swapon(r->m, r->t, &on->area));
    }
    const struct vmsim__step_swapoff *off = r->data;
    return vmsim__step_came_back(r, &off->result, vmsim__swapoff(r->m, r->t, off->area));
}
