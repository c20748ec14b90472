/* SPDX-License-Identifier: MIT */
/* The interpreter of described programs: runs the steps of steps.c against the machine.
 *
 * Each step is one function. A step that cannot be finished now (a call that waits, a long touch, sleep, wait, barrier)
 * is entered again when the task goes on; what it needs to know of its earlier entries stands in the job. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "machine/knobs.h"
#include "scenario/numa_steps.h"
#include "scenario/engine.h"

#define FAILURES_KEPT 100u
#define COMPUTE_PIECE 10000u     /* ns of computing between two points where it may be interrupted */
#define STEPS_BETWEEN_LOOKS 256u /* of a program, at whether the run is to stop */

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

/* How a step ended, this time. */
enum end {
    OVER,  /* it is done */
    AGAIN, /* not done: others may have the CPU before it goes on */
    CUT,   /* not done: it has met the horizon */
    WAIT,  /* not done: the task waits */
    EXIT,  /* the task has ended, or is to end */
    FAIL   /* the run is to end: s->err */
};

/* One step being run. */
struct run {
    struct vmsim_scenario *s;
    struct vmsim_machine *m;
    struct vmsim__job *job;
    struct vmsim__task *t;
    const struct vmsim_param_variant *step;
    const void *data;
};

/* A system call came back: is that what the step says? A result that the step does not say is no error of the run: it
 * is listed, and the exit status tells. */
static enum end came_back(struct run *r, const struct vmsim__step_result *wanted, int64_t result) {
    if (result == VMSIM__CALL_WAITS)
        return WAIT;
    if (r->s->on_result)
        r->s->on_result(r->s->on_context, result);
    bool met = wanted->error ? result == -vmsim__errno_number(wanted->error) : result >= 0;
    return !met && vmsim__step_failed(r->s, r->step, result, wanted->error) ? FAIL : OVER;
}

static int64_t call(struct run *r, enum vmsim__call_id id, const struct vmsim__call_args *args) {
    return vmsim__call(r->m, r->t, id, args);
}

/* Ends the run: what a description asks for cannot be, whatever the machine does. */
static enum end problem(struct run *r, const char *format, const char *word) {
    char text[300];
    snprintf(text, sizeof text, format, word);
    vmsim__err_set(&r->s->err, VMSIM_ECONFIG, "%s: error: %s: %s", r->step->origin, r->step->variant->tag, text);
    return FAIL;
}

static enum end no_memory(struct run *r) {
    vmsim__err_set(&r->s->err, VMSIM_ENOMEM, "no memory for a program's state");
    return FAIL;
}

/* Remembers a region under `name` (NULL: none asked for). A name that is used again means the newer region, as a
 * variable would. */
static bool name_region(struct run *r, const char *name, uint64_t base, uint64_t length) {
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

/* The bytes of a range; false: no such region (the run fails with a message). The length is not held against the
 * region on purpose: a program may touch or unmap beyond what it mapped, and sees what comes of it. */
static bool resolve(struct run *r, const struct vmsim__step_range *range, uint64_t *base, uint64_t *length) {
    VMSIM__ASSERT(range->region);
    const struct vmsim__named_region *region = vmsim__job_region(r->job, range->region);
    if (!region) {
        problem(r, "there is no region '%s' now: the step that makes it failed, or comes later", range->region);
        return false;
    }
    *base = region->base + range->offset;
    *length = range->length ? range->length : region->length - vmsim__min64(range->offset, region->length);
    return true;
}

/* "rw", "none"; false: other letters. Read and write by default, which is what malloc asks for. */
static bool parse_prot(const char *text, unsigned *prot) {
    *prot = VMSIM__PROT_READ | VMSIM__PROT_WRITE;
    if (!text)
        return true;
    *prot = 0;
    if (!strcmp(text, "none"))
        return true;
    for (; *text; text++) {
        unsigned bit = *text == 'r'   ? VMSIM__PROT_READ
                       : *text == 'w' ? VMSIM__PROT_WRITE
                       : *text == 'x' ? VMSIM__PROT_EXEC
                                      : 0;
        if (!bit)
            return false;
        *prot |= bit;
    }
    return true;
}

static struct vmsim__file *find_file(struct run *r, const char *name) {
    struct vmsim__file *f = vmsim__file_find(r->m->cache, name);
    if (!f)
        problem(r, "there is no file '%s': declare it in workload.files or with create", name);
    return f;
}

/* The steps have names for flags that programs set; raw calls take numbers (do_call). */
static enum end do_mmap(struct run *r) {
    VMSIM__ASSERT(r->t->mm && r->step);
    const struct vmsim__step_mmap *d = r->data;
    unsigned prot, flags = d->shared ? VMSIM__MAP_SHARED : VMSIM__MAP_PRIVATE;
    if (!parse_prot(d->prot, &prot))
        return problem(r, "prot '%s' is not made of the letters r, w, x (or none)", d->prot);
    struct vmsim__file *file = d->file ? find_file(r, d->file) : NULL;
    if (d->file && !file)
        return FAIL;
    const struct {
        bool on;
        unsigned flag;
    } bits[] = {{!file, VMSIM__MAP_ANONYMOUS},
                {d->fixed, VMSIM__MAP_FIXED},
                {d->fixed_noreplace, VMSIM__MAP_FIXED_NOREPLACE},
                {d->populate, VMSIM__MAP_POPULATE},
                {d->noreserve, VMSIM__MAP_NORESERVE},
                {d->locked, VMSIM__MAP_LOCKED},
                {d->grows_down, VMSIM__MAP_GROWSDOWN},
                {d->hugetlb || d->huge_size, VMSIM__MAP_HUGETLB}};
    for (size_t i = 0; i < VMSIM__COUNT(bits); i++)
        flags |= bits[i].on ? bits[i].flag : 0;
    flags |= d->huge_size ? vmsim__log2(d->huge_size) << VMSIM__MAP_HUGE_SHIFT : 0;
    int64_t result =
        call(r, VMSIM__CALL_MMAP, VMSIM__FILE_ARGS(file, NULL, d->address, d->length, prot, flags, 0, d->offset));
    if (result >= 0 && !name_region(r, d->as, (uint64_t)result, d->length))
        return no_memory(r);
    return came_back(r, &d->result, result);
}

/* Four calls that take a range and nothing else. */
static enum end do_range_call(struct run *r) {
    static const enum vmsim__call_id ids[VMSIM__VERBS] = {[VMSIM__VERB_MUNMAP] = VMSIM__CALL_MUNMAP,
                                                          [VMSIM__VERB_MLOCK] = VMSIM__CALL_MLOCK,
                                                          [VMSIM__VERB_MUNLOCK] = VMSIM__CALL_MUNLOCK,
                                                          [VMSIM__VERB_MSYNC] = VMSIM__CALL_MSYNC};
    const struct vmsim__step_range_call *d = r->data;
    const enum vmsim__verb verb = vmsim__verb_of(r->step);
    uint64_t base, length;
    if (!resolve(r, &d->range, &base, &length))
        return FAIL;
    uint64_t flags = verb == VMSIM__VERB_MSYNC ? VMSIM__MS_SYNC : d->on_fault ? VMSIM__MLOCK_ONFAULT : 0;
    return came_back(r, &d->result, call(r, ids[verb], VMSIM__ARGS(base, length, flags)));
}

static enum end do_mprotect(struct run *r) {
    VMSIM__ASSERT(r->t->mm);
    const struct vmsim__step_mprotect *d = r->data;
    uint64_t base, length;
    unsigned prot;
    if (!parse_prot(d->prot, &prot))
        return problem(r, "prot '%s' is not made of the letters r, w, x (or none)", d->prot);
    if (!resolve(r, &d->range, &base, &length))
        return FAIL;
    return came_back(r, &d->result, call(r, VMSIM__CALL_MPROTECT, VMSIM__ARGS(base, length, prot)));
}

/* Where the step names an address the call is MREMAP_FIXED, which needs MAYMOVE. */
static enum end do_mremap(struct run *r) {
    VMSIM__ASSERT(r->t->mm);
    const struct vmsim__step_mremap *d = r->data;
    struct vmsim__named_region *region = vmsim__job_region(r->job, d->region);
    if (!region)
        return problem(r, "there is no region '%s' now: the step that makes it failed, or comes later", d->region);
    unsigned flags = (d->may_move || d->has_address || d->dont_unmap ? VMSIM__MREMAP_MAYMOVE : 0) |
                     (d->has_address ? VMSIM__MREMAP_FIXED : 0) | (d->dont_unmap ? VMSIM__MREMAP_DONTUNMAP : 0);
    int64_t result =
        call(r, VMSIM__CALL_MREMAP, VMSIM__ARGS(region->base, region->length, d->length, flags, d->address));
    if (result >= 0) {
        region->base = (uint64_t)result;
        region->length = d->length;
    }
    return came_back(r, &d->result, result);
}

/* One in n, by the seed and the address alone. */
static bool drawn(const struct vmsim_machine *m, uint64_t address, uint64_t n) {
    struct vmsim__rng rng;
    vmsim__rng_seed(&rng, m->spec.seed ^ address);
    return !vmsim__rng_below(&rng, n);
}

static enum end do_madvise(struct run *r) {
    VMSIM__ASSERT(r->t->mm);
    const struct vmsim__step_madvise *d = r->data;
    uint64_t base, length;
    if (!resolve(r, &d->range, &base, &length))
        return FAIL;
    const uint64_t advice = (uint64_t)vmsim__advice_numbers[d->advice], page = UINT64_C(1) << r->m->mem->page_shift;
    if (d->every == 1)
        return came_back(r, &d->result, call(r, VMSIM__CALL_MADVISE, VMSIM__ARGS(base, length, advice)));
    for (; r->job->done < length; r->job->done += d->random ? page : d->every * page) {
        if (d->random && !drawn(r->m, base + r->job->done, d->every))
            continue;
        const int64_t result = call(r, VMSIM__CALL_MADVISE, VMSIM__ARGS(base + r->job->done, page, advice));
        if (result)
            return came_back(r, &d->result, result);
    }
    return came_back(r, &d->result, 0);
}

/* The system call returns the old break when it refuses; a step wants to know whether it got what it asked for. */
static enum end do_brk(struct run *r) {
    const struct vmsim__step_brk *d = r->data;
    struct vmsim__mm *mm = r->t->mm;
    VMSIM__ASSERT(mm);
    if (!r->job->entered)
        r->job->done = mm->brk + (uint64_t)d->grow;
    r->job->entered = true;
    const uint64_t wanted = r->job->done;
    int64_t result = call(r, VMSIM__CALL_BRK, VMSIM__ARGS(wanted));
    if (result == VMSIM__CALL_WAITS)
        return WAIT;
    if (!name_region(r, d->as, mm->start_brk, mm->brk - mm->start_brk))
        return no_memory(r);
    return came_back(r, &d->result, (uint64_t)result == wanted ? 0 : -VMSIM__L_ENOMEM);
}

static enum end do_mlockall(struct run *r) {
    VMSIM__ASSERT(r->t->mm);
    const struct vmsim__step_mlockall *d = r->data;
    unsigned flags = VMSIM__MCL_CURRENT | (d->future ? VMSIM__MCL_FUTURE : 0) | (d->on_fault ? VMSIM__MCL_ONFAULT : 0);
    bool lock = vmsim__verb_of(r->step) == VMSIM__VERB_MLOCKALL;
    return came_back(r, &d->result, call(r, lock ? VMSIM__CALL_MLOCKALL : VMSIM__CALL_MUNLOCKALL, VMSIM__ARGS(flags)));
}

/* The references of the chunk that are left. A caught signal passes over the one reference, as a handler that returns
 * behind the instruction would. */
static enum end touch_chunk(struct run *r, const struct vmsim__step_touch *d) {
    struct vmsim__job *job = r->job;
    VMSIM__ASSERT(job->chunk && job->chunk_end <= VMSIM__CHUNK);
    while (job->chunk_at < job->chunk_end) {
        struct vmsim_access_result result;
        enum vmsim__work how =
            vmsim__machine_try(r->m, r->t, job->chunk + job->chunk_at, job->chunk_end - job->chunk_at, NULL, &result);
        job->chunk_at += result.done;
        r->s->references += result.done;
        if (how != VMSIM__WORK_MORE)
            return how == VMSIM__WORK_CUT ? CUT : how == VMSIM__WORK_WAIT ? WAIT : FAIL;
        if (!result.stop)
            continue;
        if (!d->catch_signals || result.stop == VMSIM_STOP_OOM) {
            if (result.stop == VMSIM_STOP_OOM && vmsim__host_error(r->m))
                return no_memory(r);
            vmsim__task_signal(r->m, r->t, result.stop);
            return EXIT;
        }
        r->t->stats.signals++;
        job->chunk_at++;
    }
    if (d->think)
        vmsim__cpu_compute(r->m, r->t, d->think * job->chunk_end);
    return OVER;
}

/* The range is looked for once: a step is about the region as it was when it began. */
static enum end begin_touch(struct run *r, const struct vmsim__step_touch *d) {
    VMSIM__ASSERT(!r->job->touching);
    uint64_t base, length;
    char stream[300];
    if (!resolve(r, &d->range, &base, &length))
        return FAIL;
    snprintf(stream, sizeof stream, "touch/%s/%llu", r->t->name, (unsigned long long)r->job->steps);
    r->job->chunk = vmsim__malloc(r->s->alloc, VMSIM__CHUNK * sizeof *r->job->chunk);
    r->job->chunk_at = r->job->chunk_end = 0;
    if (!r->job->chunk)
        return no_memory(r);
    int err = vmsim__references_init(&r->job->touch, r->s->alloc, d, base, length, r->s->spec->workload.seed, stream);
    r->job->touching = true;
    if (err == VMSIM_ELIMIT)
        return problem(r, "%s needs fewer than 2^32 granules: make stride larger", "this pattern");
    return err ? no_memory(r) : OVER;
}

static void end_touch(struct run *r) {
    VMSIM__ASSERT(r->job->touching);
    vmsim__references_fini(&r->job->touch);
    r->job->touching = false;
    vmsim__free(r->s->alloc, r->job->chunk, VMSIM__CHUNK * sizeof *r->job->chunk);
    r->job->chunk = NULL;
}

/* The clock is looked at once a chunk: a step may run over its end by up to a chunk of hits. */
static enum end do_touch(struct run *r) {
    const struct vmsim__step_touch *d = r->data;
    struct vmsim__job *job = r->job;
    enum end how = job->touching ? OVER : begin_touch(r, d);
    while (how == OVER) {
        if (job->chunk_at == job->chunk_end) {
            job->chunk_at = 0;
            job->chunk_end = vmsim__references_fill(&job->touch, job->chunk, VMSIM__CHUNK);
        }
        how = touch_chunk(r, d);
        if (how != OVER)
            break;
        if (!job->touch.left) {
            end_touch(r);
            return OVER;
        }
        if (vmsim__run_stopped(r->s, r->m->cpus[r->t->cpu].now))
            return FAIL;
        if (vmsim__preempted(r->m, r->t))
            return AGAIN;
    }
    return how;
}

/* Files of a description exist by name, without descriptors: nothing here depends on which number one has. */
static int64_t create_work(struct vmsim_machine *m, struct vmsim__task *t, void *context) {
    const struct vmsim__step_create *d = context;
    uint32_t file;
    (void)t;
    return vmsim_file_create_on(m, (enum vmsim_file_kind)d->file.kind, d->file.name, d->file.size, d->file.cached,
                                d->file.device, d->file.fragmented, &file);
}

static enum end do_create(struct run *r) {
    struct vmsim__step_create d = *(const struct vmsim__step_create *)r->data;
    if (vmsim__call_with(r->m, r->t, create_work, &d))
        return problem(r, "%s", vmsim_machine_error(r->m));
    return OVER;
}

/* One call a block, as a program that reads with a buffer of that size; others may have the CPU between two. */
static enum end do_file_io(struct run *r, struct vmsim__file *f) {
    VMSIM__ASSERT(f && r->step);
    const struct vmsim__step_file *d = r->data;
    const enum vmsim__call_id id = vmsim__verb_of(r->step) == VMSIM__VERB_READ ? VMSIM__CALL_READ : VMSIM__CALL_WRITE;
    const uint64_t length = d->length ? d->length : f->size - vmsim__min64(d->offset, f->size);
    const uint64_t block = d->block ? d->block : length;
    uint64_t *done = &r->job->done;
    while (*done < length) {
        int64_t result = call(r, id, VMSIM__FILE_ARGS(f, NULL, d->offset + *done, vmsim__min64(block, length - *done)));
        if (result == VMSIM__CALL_WAITS)
            return WAIT;
        *done += result > 0 ? (uint64_t)result : block;
        if (result <= 0 || *done >= length)
            return came_back(r, &d->result, result);
        if (vmsim__preempted(r->m, r->t))
            return AGAIN;
    }
    return OVER;
}

/* Opening starts readahead anew, as each open file has its own state. */
static enum end do_file(struct run *r) {
    static const enum vmsim__call_id ids[VMSIM__VERBS] = {[VMSIM__VERB_OPEN] = VMSIM__CALL_OPEN,
                                                          [VMSIM__VERB_FSYNC] = VMSIM__CALL_FSYNC,
                                                          [VMSIM__VERB_TRUNCATE] = VMSIM__CALL_FTRUNCATE,
                                                          [VMSIM__VERB_UNLINK] = VMSIM__CALL_UNLINK};
    const struct vmsim__step_file *d = r->data;
    const enum vmsim__verb verb = vmsim__verb_of(r->step);
    struct vmsim__file *f = find_file(r, d->file);
    if (!f)
        return FAIL;
    if (verb == VMSIM__VERB_READ || verb == VMSIM__VERB_WRITE)
        return do_file_io(r, f);
    const uint64_t length = verb == VMSIM__VERB_TRUNCATE ? d->length : 0;
    return came_back(r, &d->result, call(r, ids[verb], VMSIM__FILE_ARGS(f, NULL, length)));
}

/* PUNCH_HOLE goes with KEEP_SIZE, or Linux refuses it. */
static enum end do_fallocate(struct run *r) {
    const struct vmsim__step_fallocate *d = r->data;
    struct vmsim__file *f = find_file(r, d->file);
    if (!f)
        return FAIL;
    const uint64_t mode = (d->keep_size || d->punch_hole ? 1u : 0u) | (d->punch_hole ? 2u : 0u);
    return came_back(r, &d->result,
                     call(r, VMSIM__CALL_FALLOCATE, VMSIM__FILE_ARGS(f, NULL, mode, d->offset, d->length)));
}

static enum end do_fadvise(struct run *r) {
    const struct vmsim__step_fadvise *d = r->data;
    struct vmsim__file *f = find_file(r, d->file);
    if (!f)
        return FAIL;
    return came_back(
        r, &d->result,
        call(r, VMSIM__CALL_FADVISE, VMSIM__FILE_ARGS(f, NULL, d->offset, d->length, (uint64_t)d->advice)));
}

/* The child knows the parent's regions, as it has its memory. */
static bool inherit_regions(struct run *r, struct vmsim__job *child) {
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
static enum end do_fork(struct run *r) {
    VMSIM__ASSERT(r->t->state == VMSIM__TASK_RUNNABLE);
    const struct vmsim__step_fork *d = r->data;
    const char *name = d->name ? d->name : r->t->name;
    uint32_t id;
    bool waits = false;
    if (!d->thread && !r->m->format->levels)
        return problem(r, "%s", "without an MMU there is no fork: two copies cannot have one address");
    int err = d->thread ? vmsim__task_clone(r->m, r->t->id, name, true, &id)
                        : vmsim__task_fork(r->m, r->t, name, &id, &waits);
    if (err)
        return no_memory(r);
    if (waits)
        return WAIT;
    int64_t result = id == VMSIM_TASK_NONE ? -VMSIM__L_ENOMEM : 0;
    const char *wanted = d->result.error;
    if (result != (wanted ? -vmsim__errno_number(wanted) : 0) && vmsim__step_failed(r->s, r->step, result, wanted))
        return FAIL;
    if (result)
        return OVER;
    if (d->has_cpu && d->cpu >= r->m->nr_cpus)
        return problem(r, "%s", "there is no such CPU");
    if (d->has_cpu) /* it has not begun: there is nothing to move */
        vmsim__task_at(r->m, id)->cpu = (uint16_t)d->cpu;
    struct vmsim__job *child = vmsim__job_create(r->s, id);
    if (!child || !inherit_regions(r, child) || vmsim__job_push(r->s, child, &d->program, 1) ||
        vmsim__job_begin(child, r->m->cpus[r->t->cpu].now))
        return no_memory(r);
    return OVER;
}

/* The task waits for `kind`; it looks again when it is woken. */
static enum end wait_for(struct run *r, enum vmsim__wait_kind kind, uint64_t what, uint64_t until) {
    r->t->wait = (struct vmsim__wait){(uint8_t)kind, what, until};
    return WAIT;
}

/* The exit that leaves as many children as may be left wakes the task. */
static enum end do_wait(struct run *r) {
    const struct vmsim__step_wait *d = r->data;
    if (!r->job->entered)
        r->job->done = d->children && d->children < r->t->children ? r->t->children - d->children : 0;
    r->job->entered = true;
    return r->t->children > r->job->done ? wait_for(r, VMSIM__WAIT_CHILD, r->job->done, VMSIM__TIME_NEVER) : OVER;
}

static enum end do_kill(struct run *r) {
    const struct vmsim__step_kill *d = r->data;
    VMSIM__ASSERT(d->task && r->t->mm);
    const int64_t result = vmsim__task_kill_called(r->m, d->task, r->m->cpus[r->t->cpu].now);
    return result > 0 ? no_memory(r) : came_back(r, &d->result, result);
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
static enum end do_barrier(struct run *r) {
    const struct vmsim__step_barrier *d = r->data;
    VMSIM__ASSERT(d->tasks > 0);
    if (r->job->barrier != VMSIM__NO_NAME)
        return wait_for(r, VMSIM__WAIT_BARRIER, r->job->barrier, VMSIM__TIME_NEVER);
    if (r->job->entered)
        return OVER; /* it was let go */
    r->job->entered = true;
    uint32_t number = barrier_of(r->s, d->name);
    if (number == VMSIM__NO_NAME)
        return no_memory(r);
    struct vmsim__barrier *b = &r->s->waiting.at[number];
    forget_dead(r->s, b);
    if (b->count + 1 < d->tasks) {
        if (!vmsim__vec_push(r->s->alloc, b, r->job->index))
            return no_memory(r);
        r->job->barrier = number;
        return wait_for(r, VMSIM__WAIT_BARRIER, number, VMSIM__TIME_NEVER);
    }
    for (size_t i = 0; i < b->count; i++) {
        struct vmsim__job *job = r->s->jobs.at[b->at[i]];
        job->barrier = VMSIM__NO_NAME;
        if (vmsim__task_wake_at(r->m, vmsim__task_at(r->m, job->task), r->m->cpus[r->t->cpu].now))
            return no_memory(r);
    }
    b->count = 0;
    return OVER;
}

static enum end do_repeat(struct run *r) {
    const struct vmsim__step_repeat *d = r->data;
    if (d->times && vmsim__job_push(r->s, r->job, &d->steps, d->times))
        return FAIL;
    return OVER;
}

/* A driver's memory: no address space, so that the task's death does not give it back. 0, -ENOMEM, or a positive
 * number: the run is to end. */
enum { REFUSED = 1, NO_HOST_MEMORY };
static int64_t alloc_work(struct vmsim_machine *m, struct vmsim__task *t, void *context) {
    struct run *r = context;
    const struct vmsim__step_alloc_pages *d = r->data;
    struct vmsim__named_region *region = vmsim__job_region(r->job, d->as ? d->as : "pages");
    VMSIM__ASSERT(region && r->job->done <= d->count);
    for (; r->job->done < d->count; r->job->done++) {
        struct vmsim__driver_block b = {.order = (unsigned)d->order};
        if (vmsim_machine_alloc_pages(m, t->cpu, b.order, d->zone, d->atomic, &b.pfn))
            return REFUSED;
        if (b.pfn == UINT64_MAX)
            return vmsim__now_waits(&m->mem->now) ? -VMSIM__ERESTARTSYS : -VMSIM__L_ENOMEM;
        if (!vmsim__vec_push(r->s->alloc, &region->blocks, b))
            return NO_HOST_MEMORY;
    }
    return 0;
}

static enum end do_alloc_pages(struct run *r) {
    const struct vmsim__step_alloc_pages *d = r->data;
    if (!r->job->entered && !name_region(r, d->as ? d->as : "pages", 0, 0))
        return no_memory(r);
    r->job->entered = true;
    int64_t result = vmsim__call_with(r->m, r->t, alloc_work, r);
    if (result > 0)
        return result == REFUSED ? problem(r, "%s", vmsim_machine_error(r->m)) : no_memory(r);
    return came_back(r, &d->result, result);
}

/* Every n-th block only, where the step says so: the way to make fragmentation. */
static int64_t free_work(struct vmsim_machine *m, struct vmsim__task *t, void *context) {
    struct run *r = context;
    const struct vmsim__step_free_pages *d = r->data;
    struct vmsim__named_region *region = vmsim__job_region(r->job, d->region);
    VMSIM__ASSERT(region && d->every > 0);
    size_t kept = 0;
    int err = 0;
    for (size_t i = 0; i < region->blocks.count && !err; i++) {
        struct vmsim__driver_block b = region->blocks.at[i];
        if (i % d->every)
            region->blocks.at[kept++] = b;
        else
            err = vmsim_machine_free_pages(m, t->cpu, b.pfn, b.order);
    }
    region->blocks.count = kept;
    return err;
}

static enum end do_free_pages(struct run *r) {
    const struct vmsim__step_free_pages *d = r->data;
    if (!vmsim__job_region(r->job, d->region))
        return problem(r, "no blocks '%s' yet: name them with alloc_pages", d->region);
    return vmsim__call_with(r->m, r->t, free_work, r) ? problem(r, "%s", vmsim_machine_error(r->m)) : OVER;
}

/* Computing is the user's time, which others may interrupt at certain points of it; sleeping gives the CPU to others.
 */
static enum end do_time(struct run *r) {
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
        return c->now < job->done ? wait_for(r, VMSIM__WAIT_TIME, 0, job->done) : OVER;
    vmsim__cpu_load(r->m, r->t); /* others may have had the CPU since it stopped */
    while (job->done) {
        const uint64_t ns = vmsim__min64(job->done, COMPUTE_PIECE);
        vmsim__cpu_compute(r->m, r->t, ns);
        job->done -= ns;
        if (vmsim__preempted(r->m, r->t))
            break;
    }
    return job->done ? AGAIN : OVER;
}

/* A write that is over when all is done that it asks for, and may have to wait for pages meanwhile. */
static int64_t knob_work(struct vmsim_machine *m, struct vmsim__task *t, void *context) {
    const struct vmsim__step_sysctl *d = context;
    (void)t;
    if (vmsim_machine_sysctl(m, d->name, d->value))
        return REFUSED;
    return vmsim__now_waits(&m->mem->now) ? -VMSIM__ERESTARTSYS : 0;
}

static enum end do_long_sysctl(struct run *r) {
    int64_t result = vmsim__call_with(r->m, r->t, knob_work, (void *)(uintptr_t)r->data);
    if (result == VMSIM__CALL_WAITS)
        return WAIT;
    return result ? problem(r, "%s", vmsim_machine_error(r->m)) : OVER;
}

static enum end do_small(struct run *r) {
    switch (vmsim__verb_of(r->step)) {
    case VMSIM__VERB_MIGRATE:
        if (vmsim_task_migrate(r->m, r->t->id, (unsigned)((const struct vmsim__step_migrate *)r->data)->cpu))
            return problem(r, "%s", vmsim_machine_error(r->m));
        return OVER;
    case VMSIM__VERB_MARKER: {
        const char *name = ((const struct vmsim__step_marker *)r->data)->name;
        const enum vmsim__work how =
            r->s->on_marker ? r->s->on_marker(r->s->on_context, r->s, name, r->t->id) : VMSIM__WORK_MORE;
        if (how != VMSIM__WORK_MORE)
            return how == VMSIM__WORK_CUT ? CUT : how == VMSIM__WORK_WAIT ? WAIT : FAIL;
        return vmsim__marker_take(r->s, name, r->t->name, r->m->cpus[r->t->cpu].now) ? FAIL : OVER;
    }
    case VMSIM__VERB_SYSCTL: {
        const struct vmsim__step_sysctl *d = r->data;
        if (vmsim__machine_knob_waits(d->name))
            return do_long_sysctl(r);
        return vmsim_machine_sysctl(r->m, d->name, d->value) ? problem(r, "%s", vmsim_machine_error(r->m)) : OVER;
    }
    case VMSIM__VERB_RLIMIT: {
        const struct vmsim__step_rlimit *d = r->data;
        vmsim__mm_set_rlimit(r->t->mm, (enum vmsim__rlimit)d->which, d->bytes);
        return OVER;
    }
    case VMSIM__VERB_OOM_SCORE_ADJ:
        vmsim__task_set_oom_score_adj(r->m, r->t, ((const struct vmsim__step_oom_score_adj *)r->data)->value);
        return OVER;
    case VMSIM__VERB_CLEAR_REFS:
        vmsim__cpu_load(r->m, r->t);
        vmsim__mm_clear_refs(r->t->mm, (int)((const struct vmsim__step_clear_refs *)r->data)->what, r->t->cpu);
        vmsim__cpu_charge(r->m, r->t);
        return OVER;
    case VMSIM__VERB_DEVICE_FAULT: {
        const struct vmsim__step_device_fault *d = r->data;
        const uint32_t device = d->device ? vmsim__block_find(r->m->block, d->device) : 0;
        VMSIM__ASSERT(device != VMSIM__BLOCK_NO_DEVICE); /* validation has found it */
        return vmsim__block_inject(r->m->block, device, &d->fault) ? no_memory(r) : OVER;
    }
    case VMSIM__VERB_LRU_DRAIN:
        vmsim__lru_drain_all(r->m->lru);
        return OVER;
    default:
        r->t->exit_code = (int32_t)((const struct vmsim__step_exit *)r->data)->status;
        return EXIT;
    }
}

static enum end do_cgroup(struct run *r) {
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
    return came_back(r, &d->result, result);
}

static enum end do_swap(struct run *r) {
    if (vmsim__verb_of(r->step) == VMSIM__VERB_SWAPON) {
        const struct vmsim__step_swapon *on = r->data;
        return came_back(r, &on->result, vmsim__swapon(r->m, r->t, &on->area));
    }
    const struct vmsim__step_swapoff *off = r->data;
    return came_back(r, &off->result, vmsim__swapoff(r->m, r->t, off->area));
}

static enum end do_numa(struct run *r) {
    const struct vmsim__step_numa *d = r->data;
    struct vmsim__call_args args;
    uint64_t base = 0, length = 0;
    if (d->range.region && !resolve(r, &d->range, &base, &length))
        return FAIL;
    const enum vmsim__call_id id =
        vmsim__numa_call(vmsim__verb_of(r->step), d, r->m->mem->nr_nodes, base, length, &args);
    return came_back(r, &d->result, call(r, id, &args));
}

static bool parse_numbers(const char *text, uint64_t a[6]) {
    VMSIM__ASSERT(text);
    memset(a, 0, 6 * sizeof *a);
    for (unsigned i = 0; i < 6; i++) {
        char *end;
        text += strspn(text, " ");
        if (!*text)
            return true;
        a[i] = *text == '-' ? (uint64_t)strtoll(text, &end, 0) : strtoull(text, &end, 0);
        if (end == text || (*end && *end != ' '))
            return false;
        text = end;
    }
    return !text[strspn(text, " ")];
}

/* Arguments as the system call takes them, bad ones included: for steps that want to see an errno. */
static enum end do_call(struct run *r) {
    static const enum vmsim__call_id ids[] = {
        [VMSIM__RAW_MMAP] = VMSIM__CALL_MMAP,
        [VMSIM__RAW_MUNMAP] = VMSIM__CALL_MUNMAP,
        [VMSIM__RAW_MPROTECT] = VMSIM__CALL_MPROTECT,
        [VMSIM__RAW_MREMAP] = VMSIM__CALL_MREMAP,
        [VMSIM__RAW_MADVISE] = VMSIM__CALL_MADVISE,
        [VMSIM__RAW_BRK] = VMSIM__CALL_BRK,
        [VMSIM__RAW_MLOCK] = VMSIM__CALL_MLOCK,
        [VMSIM__RAW_MUNLOCK] = VMSIM__CALL_MUNLOCK,
        [VMSIM__RAW_MLOCKALL] = VMSIM__CALL_MLOCKALL,
        [VMSIM__RAW_MSYNC] = VMSIM__CALL_MSYNC,
        [VMSIM__RAW_MINCORE] = VMSIM__CALL_MINCORE,
        [VMSIM__RAW_MBIND] = VMSIM__CALL_MBIND,
        [VMSIM__RAW_SET_MEMPOLICY] = VMSIM__CALL_SET_MEMPOLICY,
        [VMSIM__RAW_GET_MEMPOLICY] = VMSIM__CALL_GET_MEMPOLICY,
        [VMSIM__RAW_SET_HOME_NODE] = VMSIM__CALL_SET_HOME_NODE,
        [VMSIM__RAW_MIGRATE_PAGES] = VMSIM__CALL_MIGRATE_PAGES,
        [VMSIM__RAW_MOVE_PAGES] = VMSIM__CALL_MOVE_PAGES,
    };
    const struct vmsim__step_call *d = r->data;
    VMSIM__ASSERT(d->args && d->call >= 0 && (size_t)d->call < VMSIM__COUNT(ids));
    struct vmsim__call_args args = {.file = NULL};
    if (!parse_numbers(d->args, args.a))
        return problem(r, "args '%s' are not up to six numbers", d->args);
    if (d->call == VMSIM__RAW_MMAP) /* without a file the offset has no descriptor before it */
        args.a[5] = args.a[4];
    return came_back(r, &d->result, call(r, ids[d->call], &args));
}

typedef enum end step_fn(struct run *r);
static step_fn *const functions[VMSIM__VERBS] = {
    [VMSIM__VERB_MMAP] = do_mmap,
    [VMSIM__VERB_MUNMAP] = do_range_call,
    [VMSIM__VERB_MPROTECT] = do_mprotect,
    [VMSIM__VERB_MREMAP] = do_mremap,
    [VMSIM__VERB_MADVISE] = do_madvise,
    [VMSIM__VERB_BRK] = do_brk,
    [VMSIM__VERB_MLOCK] = do_range_call,
    [VMSIM__VERB_MUNLOCK] = do_range_call,
    [VMSIM__VERB_MLOCKALL] = do_mlockall,
    [VMSIM__VERB_MUNLOCKALL] = do_mlockall,
    [VMSIM__VERB_MSYNC] = do_range_call,
    [VMSIM__VERB_TOUCH] = do_touch,
    [VMSIM__VERB_CREATE] = do_create,
    [VMSIM__VERB_UNLINK] = do_file,
    [VMSIM__VERB_OPEN] = do_file,
    [VMSIM__VERB_READ] = do_file,
    [VMSIM__VERB_WRITE] = do_file,
    [VMSIM__VERB_FSYNC] = do_file,
    [VMSIM__VERB_TRUNCATE] = do_file,
    [VMSIM__VERB_FALLOCATE] = do_fallocate,
    [VMSIM__VERB_FADVISE] = do_fadvise,
    [VMSIM__VERB_FORK] = do_fork,
    [VMSIM__VERB_WAIT] = do_wait,
    [VMSIM__VERB_KILL] = do_kill,
    [VMSIM__VERB_OOM_SCORE_ADJ] = do_small,
    [VMSIM__VERB_EXIT] = do_small,
    [VMSIM__VERB_REPEAT] = do_repeat,
    [VMSIM__VERB_SLEEP] = do_time,
    [VMSIM__VERB_COMPUTE] = do_time,
    [VMSIM__VERB_BARRIER] = do_barrier,
    [VMSIM__VERB_MIGRATE] = do_small,
    [VMSIM__VERB_MARKER] = do_small,
    [VMSIM__VERB_SYSCTL] = do_small,
    [VMSIM__VERB_ALLOC_PAGES] = do_alloc_pages,
    [VMSIM__VERB_FREE_PAGES] = do_free_pages,
    [VMSIM__VERB_RLIMIT] = do_small,
    [VMSIM__VERB_CLEAR_REFS] = do_small,
    [VMSIM__VERB_LRU_DRAIN] = do_small,
    [VMSIM__VERB_DEVICE_FAULT] = do_small,
    [VMSIM__VERB_CALL] = do_call,
    [VMSIM__VERB_CGROUP_CREATE] = do_cgroup,
    [VMSIM__VERB_CGROUP_REMOVE] = do_cgroup,
    [VMSIM__VERB_CGROUP_ATTACH] = do_cgroup,
    [VMSIM__VERB_CGROUP_WRITE] = do_cgroup,
    [VMSIM__VERB_SWAPON] = do_swap,
    [VMSIM__VERB_SWAPOFF] = do_swap,
    [VMSIM__VERB_MBIND] = do_numa,
    [VMSIM__VERB_SET_MEMPOLICY] = do_numa,
    [VMSIM__VERB_HOME_NODE] = do_numa,
    [VMSIM__VERB_MIGRATE_PAGES] = do_numa,
    [VMSIM__VERB_MOVE_PAGES] = do_numa,
    [VMSIM__VERB_MEMORY_BLOCK] = do_numa,
    [VMSIM__VERB_MEMORY_NODE] = do_numa,
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
static enum end run_step(struct run *r) {
    VMSIM__ASSERT(r->job->stack.count > 0 && vmsim__verb_of(r->step) < VMSIM__VERBS &&
                  functions[vmsim__verb_of(r->step)]);
    size_t depth = r->job->stack.count - 1;
    enum end how = functions[vmsim__verb_of(r->step)](r);
    if (how == OVER) {
        r->job->steps++;
        r->job->stack.at[depth].next++;
        r->job->entered = false;
        r->job->done = 0;
    }
    return how;
}

/* An error that the host's lack of memory left with the machine ends the run. */
static enum vmsim__work failed(struct run *r) {
    if (!r->s->err.code)
        vmsim__err_set(&r->s->err, r->m->err.code ? r->m->err.code : VMSIM_ENOMEM, "%s", vmsim_machine_error(r->m));
    return VMSIM__WORK_FAIL;
}

enum vmsim__work vmsim__program_run(struct vmsim_scenario *s, struct vmsim__job *job) {
    static const enum vmsim__work work[] = {
        [AGAIN] = VMSIM__WORK_MORE, [CUT] = VMSIM__WORK_CUT, [WAIT] = VMSIM__WORK_WAIT, [EXIT] = VMSIM__WORK_END};
    VMSIM__ASSERT(!job->replay);
    struct run r = {.s = s, .m = s->machine, .job = job, .t = vmsim__task_at(s->machine, job->task)};
    const unsigned cpu = r.t->cpu;
    do {
        r.step = next_step(job);
        if (!r.step)
            return VMSIM__WORK_END;
        r.data = r.step->data;
        enum end how = run_step(&r);
        if (how == FAIL || vmsim__host_error(s->machine))
            return failed(&r);
        if (how != OVER)
            return work[how];
        if (job->steps % STEPS_BETWEEN_LOOKS == 0 && vmsim__run_stopped(s, r.m->cpus[cpu].now))
            return VMSIM__WORK_FAIL;
    } while (r.t->cpu == cpu && !vmsim__preempted(r.m, r.t));
    return VMSIM__WORK_MORE;
}
