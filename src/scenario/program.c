/* SPDX-License-Identifier: MIT */
/* The interpreter of described programs: runs the steps of steps.c against the machine (see program.h), and what the
 * steps share. */
#include "scenario/program.h"

#include <stdio.h>

#define FAILURES_KEPT 100u
#define STEPS_BETWEEN_LOOKS 256u /* of a program, at whether the run is to stop */

/* All are counted, the first are kept with their text: a program that goes wrong does so thousands of times. */
int vmsim__step_failed(struct vmsim_scenario *s, const struct vmsim_param_variant *step, int64_t result,
                       const char *wanted) {
    VMSIM__ASSERT(step->variant && step->variant->tag);
    char text[400], number[32];
    s->failed_steps++;
    if (s->failures.count >= FAILURES_KEPT)
        return 0;
    snprintf(number, sizeof number, "%lld", (long long)result);
    const char *name = result < 0 ? vmsim__errno_name(result) : "success";
    snprintf(text, sizeof text, "%s: %s returned %s, not %s", step->origin, step->variant->tag, name ? name : number,
             wanted ? wanted : "success");
    char *copy = vmsim__strdup(s->alloc, text);
    if (copy && vmsim__vec_push(s->alloc, &s->failures, (struct vmsim__step_failure){step, copy}))
        return 0;
    vmsim__strfree(s->alloc, copy);
    return vmsim__err_set(&s->err, VMSIM_ENOMEM, "no memory for the list of failed steps");
}

enum step_end vmsim__step_came_back(struct step_run *r, const struct vmsim__step_result *wanted, int64_t result) {
    if (result == VMSIM__CALL_WAITS)
        return STEP_WAIT;
    if (r->s->on_result)
        r->s->on_result(r->s->on_context, result);
    bool met = wanted->error ? result == -vmsim__errno_number(wanted->error) : result >= 0;
    return !met && vmsim__step_failed(r->s, r->step, result, wanted->error) ? STEP_FAIL : STEP_OVER;
}

enum step_end vmsim__step_problem(struct step_run *r, const char *format, const char *word) {
    char text[300];
    snprintf(text, sizeof text, format, word);
    vmsim__err_set(&r->s->err, VMSIM_ECONFIG, "%s: error: %s: %s", r->step->origin, r->step->variant->tag, text);
    return STEP_FAIL;
}

enum step_end vmsim__step_no_memory(struct step_run *r) {
    vmsim__err_set(&r->s->err, VMSIM_ENOMEM, "no memory for a program's state");
    return STEP_FAIL;
}

/* A name that is given again is moved: a loop that maps in each round means the last one. */
bool vmsim__step_name_region(struct step_run *r, const char *name, uint64_t base, uint64_t length) {
    VMSIM__ASSERT(r->job->index < r->s->jobs.count && r->s->jobs.at[r->job->index] == r->job);
    if (!name)
        return true;
    struct vmsim__named_region *known = vmsim__job_region(r->job, name);
    if (known) {
        known->base = base;
        known->length = length;
        return true;
    }
    return vmsim__vec_push(r->s->alloc, &r->job->regions,
                           (struct vmsim__named_region){.name = name, .base = base, .length = length});
}

/* At run time, since only then is known which address a region has got. A length of 0 is the rest of it, and nothing
 * for an offset beyond its end; a call that is given too much gets its errno from the kernel's own checks. */
bool vmsim__step_resolve(struct step_run *r, const struct vmsim__step_range *range, uint64_t *base, uint64_t *length) {
    VMSIM__ASSERT(range->region);
    const struct vmsim__named_region *region = vmsim__job_region(r->job, range->region);
    if (!region) {
        vmsim__step_problem(r, "there is no region '%s' now: the step that makes it failed, or comes later",
                            range->region);
        return false;
    }
    *base = region->base + range->offset;
    *length = range->length ? range->length : region->length - vmsim__min64(range->offset, region->length);
    return true;
}

struct vmsim__file *vmsim__step_file(struct step_run *r, const char *name) {
    struct vmsim__file *f = vmsim__file_find(r->m->cache, name);
    if (!f)
        vmsim__step_problem(r, "there is no file '%s': declare it in workload.files or with create", name);
    return f;
}

/* ---- running ---- */

static step_fn *const functions[VMSIM__VERBS] = {
    [VMSIM__VERB_MMAP] = vmsim__do_mmap,
    [VMSIM__VERB_MUNMAP] = vmsim__do_range_call,
    [VMSIM__VERB_MPROTECT] = vmsim__do_mprotect,
    [VMSIM__VERB_MREMAP] = vmsim__do_mremap,
    [VMSIM__VERB_MADVISE] = vmsim__do_madvise,
    [VMSIM__VERB_BRK] = vmsim__do_brk,
    [VMSIM__VERB_MLOCK] = vmsim__do_range_call,
    [VMSIM__VERB_MUNLOCK] = vmsim__do_range_call,
    [VMSIM__VERB_MLOCKALL] = vmsim__do_mlockall,
    [VMSIM__VERB_MUNLOCKALL] = vmsim__do_mlockall,
    [VMSIM__VERB_MSYNC] = vmsim__do_range_call,
    [VMSIM__VERB_TOUCH] = vmsim__do_touch,
    [VMSIM__VERB_CREATE] = vmsim__do_create,
    [VMSIM__VERB_UNLINK] = vmsim__do_file,
    [VMSIM__VERB_OPEN] = vmsim__do_file,
    [VMSIM__VERB_READ] = vmsim__do_file,
    [VMSIM__VERB_WRITE] = vmsim__do_file,
    [VMSIM__VERB_FSYNC] = vmsim__do_file,
    [VMSIM__VERB_TRUNCATE] = vmsim__do_file,
    [VMSIM__VERB_FALLOCATE] = vmsim__do_fallocate,
    [VMSIM__VERB_FADVISE] = vmsim__do_fadvise,
    [VMSIM__VERB_FORK] = vmsim__do_fork,
    [VMSIM__VERB_WAIT] = vmsim__do_wait,
    [VMSIM__VERB_KILL] = vmsim__do_kill,
    [VMSIM__VERB_OOM_SCORE_ADJ] = vmsim__do_small,
    [VMSIM__VERB_EXIT] = vmsim__do_small,
    [VMSIM__VERB_REPEAT] = vmsim__do_repeat,
    [VMSIM__VERB_SLEEP] = vmsim__do_time,
    [VMSIM__VERB_COMPUTE] = vmsim__do_time,
    [VMSIM__VERB_BARRIER] = vmsim__do_barrier,
    [VMSIM__VERB_MIGRATE] = vmsim__do_small,
    [VMSIM__VERB_MARKER] = vmsim__do_small,
    [VMSIM__VERB_SYSCTL] = vmsim__do_small,
    [VMSIM__VERB_ALLOC_PAGES] = vmsim__do_alloc_pages,
    [VMSIM__VERB_FREE_PAGES] = vmsim__do_free_pages,
    [VMSIM__VERB_RLIMIT] = vmsim__do_small,
    [VMSIM__VERB_CLEAR_REFS] = vmsim__do_small,
    [VMSIM__VERB_LRU_DRAIN] = vmsim__do_small,
    [VMSIM__VERB_DEVICE_FAULT] = vmsim__do_small,
    [VMSIM__VERB_CALL] = vmsim__do_call,
    [VMSIM__VERB_CGROUP_CREATE] = vmsim__do_cgroup,
    [VMSIM__VERB_CGROUP_REMOVE] = vmsim__do_cgroup,
    [VMSIM__VERB_CGROUP_ATTACH] = vmsim__do_cgroup,
    [VMSIM__VERB_CGROUP_WRITE] = vmsim__do_cgroup,
    [VMSIM__VERB_SWAPON] = vmsim__do_swap,
    [VMSIM__VERB_SWAPOFF] = vmsim__do_swap,
    [VMSIM__VERB_MBIND] = vmsim__do_numa,
    [VMSIM__VERB_SET_MEMPOLICY] = vmsim__do_numa,
    [VMSIM__VERB_HOME_NODE] = vmsim__do_numa,
    [VMSIM__VERB_MIGRATE_PAGES] = vmsim__do_numa,
    [VMSIM__VERB_MOVE_PAGES] = vmsim__do_numa,
    [VMSIM__VERB_MEMORY_BLOCK] = vmsim__do_numa,
    [VMSIM__VERB_MEMORY_NODE] = vmsim__do_numa,
};

/* The next step, or NULL at the end of the program; repeats are unwound here. A frame stays until its last step is
 * over, since blocked steps are entered again. */
static const struct vmsim_param_variant *next_step(struct vmsim__job *job) {
    while (job->stack.count) {
        struct vmsim__program_frame *f = &job->stack.at[job->stack.count - 1];
        VMSIM__ASSERT(f->next <= f->count && f->times > 0);
        if (f->next < f->count)
            return &f->steps[f->next];
        f->next = 0;
        if (!f->count || !--f->times)
            job->stack.count--;
    }
    return NULL;
}

/* The frame is found again by its depth: `repeat` pushes one above it, and the stack may have moved. */
static enum step_end run_step(struct step_run *r) {
    VMSIM__ASSERT(r->job->stack.count > 0 && vmsim__verb_of(r->step) < VMSIM__VERBS &&
                  functions[vmsim__verb_of(r->step)]);
    size_t depth = r->job->stack.count - 1;
    r->job->begun = true;
    enum step_end how = functions[vmsim__verb_of(r->step)](r);
    if (how == STEP_OVER) {
        r->job->steps++;
        r->job->stack.at[depth].next++;
        r->job->begun = r->job->entered = false;
        r->job->done = 0;
    }
    return how;
}

/* Whoever is told may have exchanged the steps: what comes next is looked up again. */
static const struct vmsim_param_variant *step_to_do(struct vmsim_scenario *s, struct vmsim__job *job) {
    const struct vmsim_param_variant *step = next_step(job);
    if (VMSIM__LIKELY(!job->call_at) || !step || job->stack.count != 1 || job->stack.at[0].next != job->call_at - 1)
        return step;
    vmsim__at_step(s, job);
    return next_step(job);
}

/* An error that the host's lack of memory left with the machine ends the run. */
static enum vmsim__work failed(struct step_run *r) {
    if (!r->s->err.code)
        vmsim__err_set(&r->s->err, r->m->err.code ? r->m->err.code : VMSIM_ENOMEM, "%s", vmsim_machine_error(r->m));
    return VMSIM__WORK_FAIL;
}

/* Steps until the task has had its share, waits or ends. A step that moves the task to another CPU ends the turn, too:
 * the clock that counts is another one then. */
enum vmsim__work vmsim__program_run(struct vmsim_scenario *s, struct vmsim__job *job) {
    static const enum vmsim__work work[] = {[STEP_AGAIN] = VMSIM__WORK_MORE,
                                            [STEP_CUT] = VMSIM__WORK_CUT,
                                            [STEP_WAIT] = VMSIM__WORK_WAIT,
                                            [STEP_EXIT] = VMSIM__WORK_END};
    VMSIM__ASSERT(!job->replay);
    struct step_run r = {.s = s, .m = s->machine, .job = job, .t = vmsim__task_at(s->machine, job->task)};
    const unsigned cpu = r.t->cpu;
    do {
        r.step = step_to_do(s, job);
        if (!r.step)
            return VMSIM__WORK_END;
        r.data = r.step->data;
        enum step_end how = run_step(&r);
        if (how == STEP_FAIL || vmsim__host_error(s->machine))
            return failed(&r);
        if (how != STEP_OVER)
            return work[how];
        if (job->steps % STEPS_BETWEEN_LOOKS == 0 && vmsim__run_stopped(s, r.m->cpus[cpu].now))
            return VMSIM__WORK_FAIL;
    } while (r.t->cpu == cpu && !vmsim__preempted(r.m, r.t));
    return VMSIM__WORK_MORE;
}
