/* SPDX-License-Identifier: MIT */
/* The interpreter of described programs: runs the steps of steps.c against the machine.
 *
 * Each step is one function; a step that cannot be finished now (a long touch, sleep, wait, barrier) says how the slice
 * ends and is entered again, or is over when the job is woken. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenario/engine.h"

#define FAILURES_KEPT 100u
#define STEPS_BETWEEN_LOOKS 256u /* of a program, at whether the run is to stop */

static const struct {
    int number;
    const char *name;
} errnos[] = {{1, "EPERM"},   {3, "ESRCH"},   {9, "EBADF"},      {11, "EAGAIN"},    {12, "ENOMEM"}, {13, "EACCES"},
              {14, "EFAULT"}, {16, "EBUSY"},  {17, "EEXIST"},    {19, "ENODEV"},    {22, "EINVAL"}, {27, "EFBIG"},
              {28, "ENOSPC"}, {38, "ENOSYS"}, {75, "EOVERFLOW"}, {95, "EOPNOTSUPP"}};

const char *vmsim__errno_name(int64_t result) {
    for (size_t i = 0; i < VMSIM__COUNT(errnos); i++) {
        if (errnos[i].number == -result)
            return errnos[i].name;
    }
    return NULL;
}

int vmsim__errno_number(const char *name) {
    for (size_t i = 0; i < VMSIM__COUNT(errnos); i++) {
        if (!strcmp(errnos[i].name, name))
            return errnos[i].number;
    }
    return 0;
}

int vmsim__step_failed(struct vmsim_scenario *s, const struct vmsim_param_variant *step, int64_t result,
                       const char *wanted) {
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

/* One step being run. */
struct run {
    struct vmsim_scenario *s;
    struct vmsim_machine *m;
    struct vmsim__job *job;
    struct vmsim__task *t;
    const struct vmsim_param_variant *step;
    const void *data;
    uint64_t until;
};

/* A system call came back: is that what the step says? A result that the step does not say is no error of the run: it
 * is listed, and the exit status tells. */
static enum vmsim__slice came_back(struct run *r, const struct vmsim__step_result *wanted, int64_t result) {
    VMSIM__ASSERT(r->t->mm);
    vmsim__cpu_charge(r->m, r->t);
    if (r->s->on_result)
        r->s->on_result(r->s->on_context, result);
    bool met = wanted->error ? result == -vmsim__errno_number(wanted->error) : result >= 0;
    return !met && vmsim__step_failed(r->s, r->step, result, wanted->error) ? VMSIM__SLICE_FAIL : VMSIM__SLICE_MORE;
}

/* Ends the run: what a description asks for cannot be, whatever the machine does. */
static enum vmsim__slice problem(struct run *r, const char *format, const char *word) {
    char text[300];
    snprintf(text, sizeof text, format, word);
    vmsim__err_set(&r->s->err, VMSIM_ECONFIG, "%s: error: %s: %s", r->step->origin, r->step->variant->tag, text);
    return VMSIM__SLICE_FAIL;
}

static enum vmsim__slice no_memory(struct run *r) {
    vmsim__err_set(&r->s->err, VMSIM_ENOMEM, "no memory for a program's state");
    return VMSIM__SLICE_FAIL;
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
static enum vmsim__slice do_mmap(struct run *r) {
    const struct vmsim__step_mmap *d = r->data;
    unsigned prot, flags = d->shared ? VMSIM__MAP_SHARED : VMSIM__MAP_PRIVATE;
    if (!parse_prot(d->prot, &prot))
        return problem(r, "prot '%s' is not made of the letters r, w, x (or none)", d->prot);
    struct vmsim__file *file = d->file ? find_file(r, d->file) : NULL;
    if (d->file && !file)
        return VMSIM__SLICE_FAIL;
    const struct {
        bool on;
        unsigned flag;
    } bits[] = {{!file, VMSIM__MAP_ANONYMOUS},
                {d->fixed, VMSIM__MAP_FIXED},
                {d->fixed_noreplace, VMSIM__MAP_FIXED_NOREPLACE},
                {d->populate, VMSIM__MAP_POPULATE},
                {d->noreserve, VMSIM__MAP_NORESERVE},
                {d->locked, VMSIM__MAP_LOCKED},
                {d->grows_down, VMSIM__MAP_GROWSDOWN}};
    for (size_t i = 0; i < VMSIM__COUNT(bits); i++)
        flags |= bits[i].on ? bits[i].flag : 0;
    vmsim__syscall_enter(r->m, r->t);
    int64_t result = vmsim__mm_mmap(r->t->mm, d->address, d->length, prot, flags, file, d->offset, r->t->cpu);
    if (result >= 0 && !name_region(r, d->as, (uint64_t)result, d->length))
        return no_memory(r);
    return came_back(r, &d->result, result);
}

/* Four calls that take a range and nothing else. */
static enum vmsim__slice do_range_call(struct run *r) {
    const struct vmsim__step_range_call *d = r->data;
    uint64_t base, length;
    if (!resolve(r, &d->range, &base, &length))
        return VMSIM__SLICE_FAIL;
    vmsim__syscall_enter(r->m, r->t);
    struct vmsim__mm *mm = r->t->mm;
    unsigned cpu = r->t->cpu;
    switch (vmsim__verb_of(r->step)) {
    case VMSIM__VERB_MUNMAP:
        return came_back(r, &d->result, vmsim__mm_munmap(mm, base, length, cpu));
    case VMSIM__VERB_MLOCK:
        return came_back(r, &d->result, vmsim__mm_mlock(mm, base, length, d->on_fault ? VMSIM__MLOCK_ONFAULT : 0, cpu));
    case VMSIM__VERB_MUNLOCK:
        return came_back(r, &d->result, vmsim__mm_munlock(mm, base, length, cpu));
    default:
        return came_back(r, &d->result, vmsim__mm_msync(mm, base, length, VMSIM__MS_SYNC, cpu));
    }
}

static enum vmsim__slice do_mprotect(struct run *r) {
    const struct vmsim__step_mprotect *d = r->data;
    uint64_t base, length;
    unsigned prot;
    if (!parse_prot(d->prot, &prot))
        return problem(r, "prot '%s' is not made of the letters r, w, x (or none)", d->prot);
    if (!resolve(r, &d->range, &base, &length))
        return VMSIM__SLICE_FAIL;
    vmsim__syscall_enter(r->m, r->t);
    return came_back(r, &d->result, vmsim__mm_mprotect(r->t->mm, base, length, prot, r->t->cpu));
}

/* Where the step names an address the call is MREMAP_FIXED, which needs MAYMOVE. */
static enum vmsim__slice do_mremap(struct run *r) {
    const struct vmsim__step_mremap *d = r->data;
    struct vmsim__named_region *region = vmsim__job_region(r->job, d->region);
    if (!region)
        return problem(r, "there is no region '%s' now: the step that makes it failed, or comes later", d->region);
    unsigned flags = (d->may_move || d->has_address || d->dont_unmap ? VMSIM__MREMAP_MAYMOVE : 0) |
                     (d->has_address ? VMSIM__MREMAP_FIXED : 0) | (d->dont_unmap ? VMSIM__MREMAP_DONTUNMAP : 0);
    vmsim__syscall_enter(r->m, r->t);
    int64_t result = vmsim__mm_mremap(r->t->mm, region->base, region->length, d->length, flags, d->address, r->t->cpu);
    if (result >= 0) {
        region->base = (uint64_t)result;
        region->length = d->length;
    }
    return came_back(r, &d->result, result);
}

static enum vmsim__slice do_madvise(struct run *r) {
    const struct vmsim__step_madvise *d = r->data;
    uint64_t base, length;
    if (!resolve(r, &d->range, &base, &length))
        return VMSIM__SLICE_FAIL;
    vmsim__syscall_enter(r->m, r->t);
    return came_back(r, &d->result,
                     vmsim__mm_madvise(r->t->mm, base, length, vmsim__advice_numbers[d->advice], r->t->cpu));
}

/* The system call returns the old break when it refuses; a step wants to know whether it got what it asked for. */
static enum vmsim__slice do_brk(struct run *r) {
    const struct vmsim__step_brk *d = r->data;
    struct vmsim__mm *mm = r->t->mm;
    vmsim__syscall_enter(r->m, r->t);
    uint64_t wanted = mm->brk + (uint64_t)d->grow;
    int64_t result = vmsim__mm_brk(mm, wanted, r->t->cpu);
    if (!name_region(r, d->as, mm->start_brk, mm->brk - mm->start_brk))
        return no_memory(r);
    return came_back(r, &d->result, (uint64_t)result == wanted ? 0 : -VMSIM__L_ENOMEM);
}

static enum vmsim__slice do_mlockall(struct run *r) {
    const struct vmsim__step_mlockall *d = r->data;
    unsigned flags = VMSIM__MCL_CURRENT | (d->future ? VMSIM__MCL_FUTURE : 0) | (d->on_fault ? VMSIM__MCL_ONFAULT : 0);
    vmsim__syscall_enter(r->m, r->t);
    bool lock = vmsim__verb_of(r->step) == VMSIM__VERB_MLOCKALL;
    return came_back(r, &d->result,
                     lock ? vmsim__mm_mlockall(r->t->mm, flags, r->t->cpu) : vmsim__mm_munlockall(r->t->mm, r->t->cpu));
}

/* Performs one chunk of references; false: the task is dead. A caught signal passes over the one reference, as a
 * handler that returns behind the instruction would. */
static bool touch_chunk(struct run *r, size_t n, const struct vmsim__step_touch *d) {
    VMSIM__ASSERT(n <= VMSIM__CHUNK);
    size_t done = 0;
    while (done < n) {
        struct vmsim_access_result result;
        vmsim__machine_try(r->m, r->t, r->s->chunk + done, n - done, NULL, &result);
        done += result.done;
        VMSIM__ASSERT(done <= n);
        r->s->references += result.done;
        if (!result.stop)
            continue;
        if (!d->catch_signals || result.stop == VMSIM_STOP_OOM) {
            r->s->group_killed = r->t->mm->users > 1;
            vmsim__task_signal(r->m, r->t, result.stop);
            return false;
        }
        r->job->signals++;
        done++;
    }
    r->m->cpus[r->t->cpu].now += d->think * n;
    return true;
}

/* The clock is looked at once a chunk: a slice may run over its end by up to a chunk of hits. */
static enum vmsim__slice do_touch(struct run *r) {
    const struct vmsim__step_touch *d = r->data;
    if (!r->job->touching) {
        uint64_t base, length;
        char stream[96];
        if (!resolve(r, &d->range, &base, &length))
            return VMSIM__SLICE_FAIL;
        snprintf(stream, sizeof stream, "touch/%u/%llu", r->job->index, (unsigned long long)r->job->steps);
        int err =
            vmsim__references_init(&r->job->touch, r->s->alloc, d, base, length, r->s->spec->workload.seed, stream);
        r->job->touching = true;
        if (err == VMSIM_ELIMIT)
            return problem(r, "%s needs fewer than 2^32 granules: make stride larger", "this pattern");
        if (err)
            return no_memory(r);
    }
    do {
        size_t n = vmsim__references_fill(&r->job->touch, r->s->chunk, VMSIM__CHUNK);
        if (n && !touch_chunk(r, n, d))
            return vmsim__host_error(r->m) ? no_memory(r) : VMSIM__SLICE_END;
        if (vmsim__run_stopped(r->s, r->m->cpus[r->t->cpu].now))
            return VMSIM__SLICE_FAIL;
    } while (r->job->touch.left && r->m->cpus[r->t->cpu].now < r->until);
    if (r->job->touch.left)
        return VMSIM__SLICE_BLOCK; /* not over: entered again */
    vmsim__references_fini(&r->job->touch);
    r->job->touching = false;
    return VMSIM__SLICE_MORE;
}

/* Files of a description exist by name, without descriptors: nothing here depends on which number one has. */
static enum vmsim__slice do_create(struct run *r) {
    const struct vmsim__step_create *d = r->data;
    uint32_t file;
    vmsim__syscall_enter(r->m, r->t);
    int err =
        vmsim_file_create(r->m, (enum vmsim_file_kind)d->file.kind, d->file.name, d->file.size, d->file.cached, &file);
    if (err)
        return problem(r, "%s", vmsim_machine_error(r->m));
    vmsim__cpu_charge(r->m, r->t);
    return VMSIM__SLICE_MORE;
}

static int64_t file_block(struct run *r, struct vmsim__file *f, uint64_t offset, uint64_t length) {
    if (vmsim__verb_of(r->step) == VMSIM__VERB_READ)
        return vmsim__file_read(r->m->cache, f, NULL, offset, length, r->t->cpu);
    return vmsim__file_write(r->m->cache, f, offset, length, r->t->cpu);
}

/* One call a block, as a program that reads with a buffer of that size. */
static enum vmsim__slice do_file_io(struct run *r, struct vmsim__file *f) {
    const struct vmsim__step_file *d = r->data;
    uint64_t length = d->length ? d->length : f->size - vmsim__min64(d->offset, f->size);
    uint64_t block = d->block ? d->block : length;
    for (uint64_t done = 0; done < length; done += block) {
        vmsim__syscall_enter(r->m, r->t);
        int64_t result = file_block(r, f, d->offset + done, vmsim__min64(block, length - done));
        if (result <= 0 || done + block >= length)
            return came_back(r, &d->result, result);
        vmsim__cpu_charge(r->m, r->t);
    }
    return VMSIM__SLICE_MORE;
}

/* Opening starts readahead anew, as each open file has its own state. */
static enum vmsim__slice do_file(struct run *r) {
    const struct vmsim__step_file *d = r->data;
    struct vmsim__file *f = find_file(r, d->file);
    if (!f)
        return VMSIM__SLICE_FAIL;
    enum vmsim__verb verb = vmsim__verb_of(r->step);
    if (verb == VMSIM__VERB_READ || verb == VMSIM__VERB_WRITE)
        return do_file_io(r, f);
    vmsim__syscall_enter(r->m, r->t);
    int64_t result = 0;
    if (verb == VMSIM__VERB_OPEN)
        vmsim__ra_init(r->m->cache, &f->ra);
    else if (verb == VMSIM__VERB_FSYNC)
        vmsim__file_sync(r->m->cache, f, 0, UINT64_MAX, r->t->cpu);
    else if (verb == VMSIM__VERB_TRUNCATE)
        result = vmsim__file_truncate(r->m->cache, f, d->length, r->t->cpu);
    else {
        vmsim__file_unlink(r->m->cache, f, r->t->cpu);
        vmsim__file_put(r->m->cache, f, r->t->cpu); /* its maker's */
    }
    return came_back(r, &d->result, result);
}

/* PUNCH_HOLE goes with KEEP_SIZE, or Linux refuses it. */
static enum vmsim__slice do_fallocate(struct run *r) {
    const struct vmsim__step_fallocate *d = r->data;
    struct vmsim__file *f = find_file(r, d->file);
    if (!f)
        return VMSIM__SLICE_FAIL;
    vmsim__syscall_enter(r->m, r->t);
    unsigned mode = (d->keep_size || d->punch_hole ? 1u : 0u) | (d->punch_hole ? 2u : 0u);
    return came_back(r, &d->result, vmsim__file_fallocate(r->m->cache, f, mode, d->offset, d->length, r->t->cpu));
}

static enum vmsim__slice do_fadvise(struct run *r) {
    const struct vmsim__step_fadvise *d = r->data;
    struct vmsim__file *f = find_file(r, d->file);
    if (!f)
        return VMSIM__SLICE_FAIL;
    vmsim__syscall_enter(r->m, r->t);
    return came_back(r, &d->result,
                     vmsim__file_fadvise(r->m->cache, f, NULL, d->offset, d->length, d->advice, r->t->cpu));
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
static enum vmsim__slice do_fork(struct run *r) {
    const struct vmsim__step_fork *d = r->data;
    const char *name = d->name ? d->name : r->t->name;
    uint32_t id;
    int err =
        d->thread ? vmsim__task_clone(r->m, r->t->id, name, true, &id) : vmsim_task_fork(r->m, r->t->id, name, &id);
    if (err)
        return no_memory(r);
    if (id == VMSIM_TASK_NONE)
        return vmsim__step_failed(r->s, r->step, -VMSIM__L_ENOMEM, NULL) ? VMSIM__SLICE_FAIL : VMSIM__SLICE_MORE;
    if (d->has_cpu && vmsim_task_migrate(r->m, id, (unsigned)d->cpu))
        return problem(r, "%s", vmsim_machine_error(r->m));
    struct vmsim__job *child = vmsim__job_create(r->s, id, r->job->index);
    if (!child || !inherit_regions(r, child) || vmsim__job_push(r->s, child, &d->program, 1) ||
        vmsim__job_ready(r->s, child, r->m->cpus[r->t->cpu].now))
        return no_memory(r);
    r->job->children++;
    return VMSIM__SLICE_MORE;
}

/* Neither a time nor a count is waited for: the end of the last child wakes the job (job_end). */
static enum vmsim__slice do_wait(struct run *r) {
    if (!r->job->children)
        return VMSIM__SLICE_MORE;
    r->job->waiting = true;
    return VMSIM__SLICE_SLEEP;
}

/* Number of a barrier; VMSIM__NO_NAME: no host memory. */
static uint32_t barrier_of(struct vmsim_scenario *s, const char *name) {
    if (!vmsim__vec_reserve(s->alloc, &s->waiting, s->barriers.count + 1))
        return VMSIM__NO_NAME;
    uint32_t number = vmsim__names_add(s->alloc, &s->barriers, name);
    if (number == s->waiting.count)
        s->waiting.at[s->waiting.count++] = (struct vmsim__barrier){0};
    return number;
}

/* The last to arrive wakes the others at its own time and goes on without blocking. */
static enum vmsim__slice do_barrier(struct run *r) {
    VMSIM__ASSERT(r->job->barrier == VMSIM__NO_NAME);
    const struct vmsim__step_barrier *d = r->data;
    uint32_t number = barrier_of(r->s, d->name);
    if (number == VMSIM__NO_NAME)
        return no_memory(r);
    struct vmsim__barrier *b = &r->s->waiting.at[number];
    if (b->count + 1 < d->tasks) {
        if (!vmsim__vec_push(r->s->alloc, b, r->job->index))
            return no_memory(r);
        r->job->barrier = number;
        return VMSIM__SLICE_SLEEP;
    }
    for (size_t i = 0; i < b->count; i++) {
        struct vmsim__job *job = r->s->jobs.at[b->at[i]];
        job->barrier = VMSIM__NO_NAME;
        if (vmsim__job_ready(r->s, job, r->m->cpus[r->t->cpu].now))
            return no_memory(r);
    }
    b->count = 0;
    return VMSIM__SLICE_MORE;
}

static enum vmsim__slice do_repeat(struct run *r) {
    const struct vmsim__step_repeat *d = r->data;
    if (d->times && vmsim__job_push(r->s, r->job, &d->steps, d->times))
        return VMSIM__SLICE_FAIL;
    return VMSIM__SLICE_MORE;
}

/* A driver's memory: no address space, so that the task's death does not give it back. */
static enum vmsim__slice do_alloc_pages(struct run *r) {
    const struct vmsim__step_alloc_pages *d = r->data;
    vmsim__syscall_enter(r->m, r->t);
    if (!name_region(r, d->as ? d->as : "pages", 0, 0))
        return no_memory(r);
    struct vmsim__named_region *region = vmsim__job_region(r->job, d->as ? d->as : "pages");
    for (uint64_t i = 0; i < d->count; i++) {
        struct vmsim__driver_block b = {.order = (unsigned)d->order};
        if (vmsim_machine_alloc_pages(r->m, r->t->cpu, b.order, d->zone, d->atomic, &b.pfn))
            return problem(r, "%s", vmsim_machine_error(r->m));
        if (b.pfn == UINT64_MAX)
            return came_back(r, &d->result, -VMSIM__L_ENOMEM);
        if (!vmsim__vec_push(r->s->alloc, &region->blocks, b))
            return no_memory(r);
    }
    return came_back(r, &d->result, 0);
}

/* Every n-th block only, where the step says so: the way to make fragmentation. */
static enum vmsim__slice do_free_pages(struct run *r) {
    const struct vmsim__step_free_pages *d = r->data;
    struct vmsim__named_region *region = vmsim__job_region(r->job, d->region);
    if (!region)
        return problem(r, "no blocks '%s' yet: name them with alloc_pages", d->region);
    vmsim__syscall_enter(r->m, r->t);
    size_t kept = 0;
    for (size_t i = 0; i < region->blocks.count; i++) {
        struct vmsim__driver_block b = region->blocks.at[i];
        if (i % d->every)
            region->blocks.at[kept++] = b;
        else if (vmsim_machine_free_pages(r->m, r->t->cpu, b.pfn, b.order))
            return problem(r, "%s", vmsim_machine_error(r->m));
    }
    region->blocks.count = kept;
    vmsim__cpu_charge(r->m, r->t);
    return VMSIM__SLICE_MORE;
}

/* Computing moves the clock and is the user's time; sleeping gives the CPU to others. */
static enum vmsim__slice do_time(struct run *r) {
    const struct vmsim__step_time *d = r->data;
    if (vmsim__verb_of(r->step) == VMSIM__VERB_COMPUTE) {
        r->m->cpus[r->t->cpu].now += d->time;
        r->t->stats.user_ns += d->time;
        return VMSIM__SLICE_MORE;
    }
    r->job->wake = r->m->cpus[r->t->cpu].now + d->time;
    return VMSIM__SLICE_SLEEP;
}

static enum vmsim__slice do_small(struct run *r) {
    uint64_t now = r->m->cpus[r->t->cpu].now;
    switch (vmsim__verb_of(r->step)) {
    case VMSIM__VERB_MIGRATE:
        if (vmsim_task_migrate(r->m, r->t->id, (unsigned)((const struct vmsim__step_migrate *)r->data)->cpu))
            return problem(r, "%s", vmsim_machine_error(r->m));
        return VMSIM__SLICE_MORE;
    case VMSIM__VERB_MARKER: {
        const char *name = ((const struct vmsim__step_marker *)r->data)->name;
        if (r->s->on_marker)
            r->s->on_marker(r->s->on_context, r->s, name, r->t->id);
        return vmsim__marker_take(r->s, name, r->t->name, now) ? VMSIM__SLICE_FAIL : VMSIM__SLICE_MORE;
    }
    case VMSIM__VERB_SYSCTL: {
        const struct vmsim__step_sysctl *d = r->data;
        return vmsim_machine_sysctl(r->m, d->name, d->value) ? problem(r, "%s", vmsim_machine_error(r->m))
                                                             : VMSIM__SLICE_MORE;
    }
    case VMSIM__VERB_RLIMIT: {
        const struct vmsim__step_rlimit *d = r->data;
        vmsim__mm_set_rlimit(r->t->mm, (enum vmsim__rlimit)d->which, d->bytes);
        return VMSIM__SLICE_MORE;
    }
    case VMSIM__VERB_CLEAR_REFS:
        vmsim__mm_clear_refs(r->t->mm, (int)((const struct vmsim__step_clear_refs *)r->data)->what, r->t->cpu);
        vmsim__cpu_charge(r->m, r->t);
        return VMSIM__SLICE_MORE;
    case VMSIM__VERB_LRU_DRAIN:
        vmsim__lru_drain_all(r->m->lru);
        return VMSIM__SLICE_MORE;
    default:
        r->t->exit_code = (int32_t)((const struct vmsim__step_exit *)r->data)->status;
        return VMSIM__SLICE_END;
    }
}

static bool parse_numbers(const char *text, uint64_t a[6]) {
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
static int64_t raw_call(struct vmsim__mm *mm, int call, const uint64_t a[6], unsigned cpu) {
    switch (call) {
    case VMSIM__RAW_MMAP:
        return vmsim__mm_mmap(mm, a[0], a[1], (unsigned)a[2], (unsigned)a[3], NULL, a[4], cpu);
    case VMSIM__RAW_MUNMAP:
        return vmsim__mm_munmap(mm, a[0], a[1], cpu);
    case VMSIM__RAW_MPROTECT:
        return vmsim__mm_mprotect(mm, a[0], a[1], (unsigned)a[2], cpu);
    case VMSIM__RAW_MREMAP:
        return vmsim__mm_mremap(mm, a[0], a[1], a[2], (unsigned)a[3], a[4], cpu);
    case VMSIM__RAW_MADVISE:
        return vmsim__mm_madvise(mm, a[0], a[1], (int)a[2], cpu);
    case VMSIM__RAW_BRK:
        return vmsim__mm_brk(mm, a[0], cpu);
    case VMSIM__RAW_MLOCK:
        return vmsim__mm_mlock(mm, a[0], a[1], (unsigned)a[2], cpu);
    case VMSIM__RAW_MUNLOCK:
        return vmsim__mm_munlock(mm, a[0], a[1], cpu);
    case VMSIM__RAW_MLOCKALL:
        return vmsim__mm_mlockall(mm, (unsigned)a[0], cpu);
    case VMSIM__RAW_MSYNC:
        return vmsim__mm_msync(mm, a[0], a[1], (unsigned)a[2], cpu);
    default:
        return vmsim__mm_mincore(mm, a[0], a[1], NULL, cpu);
    }
}

static enum vmsim__slice do_call(struct run *r) {
    const struct vmsim__step_call *d = r->data;
    uint64_t a[6];
    if (!parse_numbers(d->args, a))
        return problem(r, "args '%s' are not up to six numbers", d->args);
    vmsim__syscall_enter(r->m, r->t);
    return came_back(r, &d->result, raw_call(r->t->mm, d->call, a, r->t->cpu));
}

typedef enum vmsim__slice step_fn(struct run *r);
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
    [VMSIM__VERB_CALL] = do_call,
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

/* How the slice goes on after a step: blocked steps that are not sleeps leave the program where it is. The frame is
 * found again by its depth: `repeat` pushes one above it, and the stack may have moved. */
static enum vmsim__slice run_step(struct run *r) {
    VMSIM__ASSERT(r->job->stack.count > 0 && vmsim__verb_of(r->step) < VMSIM__VERBS &&
                  functions[vmsim__verb_of(r->step)]);
    size_t depth = r->job->stack.count - 1;
    enum vmsim__slice how = functions[vmsim__verb_of(r->step)](r);
    if (how == VMSIM__SLICE_BLOCK)
        return VMSIM__SLICE_BLOCK;
    r->job->steps++;
    r->job->stack.at[depth].next++;
    return how;
}

enum vmsim__slice vmsim__program_run(struct vmsim_scenario *s, struct vmsim__job *job, uint64_t until) {
    VMSIM__ASSERT(!job->replay && !job->waiting && job->barrier == VMSIM__NO_NAME);
    struct run r = {.s = s, .m = s->machine, .job = job, .t = vmsim__task_at(s->machine, job->task), .until = until};
    unsigned cpu = r.t->cpu;
    do {
        r.step = next_step(job);
        if (!r.step)
            return VMSIM__SLICE_END;
        r.data = r.step->data;
        enum vmsim__slice how = run_step(&r);
        if (how == VMSIM__SLICE_BLOCK)
            return VMSIM__SLICE_MORE;
        if (how == VMSIM__SLICE_SLEEP)
            return job->waiting || job->barrier != VMSIM__NO_NAME ? VMSIM__SLICE_BLOCK : VMSIM__SLICE_SLEEP;
        if (how != VMSIM__SLICE_MORE)
            return how;
        if (vmsim__host_error(s->machine)) {
            vmsim__err_set(&s->err, VMSIM_ENOMEM, "%s", vmsim_machine_error(s->machine));
            return VMSIM__SLICE_FAIL;
        }
        if (job->steps % STEPS_BETWEEN_LOOKS == 0 && vmsim__run_stopped(s, r.m->cpus[cpu].now))
            return VMSIM__SLICE_FAIL;
    } while (r.t->cpu == cpu && r.m->cpus[cpu].now <= until);
    return VMSIM__SLICE_MORE;
}
