/* SPDX-License-Identifier: MIT */
/* Steps about memory: mappings and what becomes of them, references to them, raw calls, policies and nodes, and the
 * frames of a driver.
 *
 * A region that a step names is looked for when the step begins, and addresses are never kept: remapping gives it
 * another one. Each function may be entered again after a wait, a preemption or the end of its slice, and finds how
 * far it had come in its job (`done`, the chunk of references); results go through vmsim__step_came_back, which
 * compares them with the errno that the step expects. Calls are those of the machine's table, so that a described
 * program pays, waits and counts as a recorded one does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "scenario/numa_steps.h"
#include "scenario/program.h"

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

/* The steps have names for flags that programs set; raw calls take numbers (vmsim__do_call). */
enum step_end vmsim__do_mmap(struct step_run *r) {
    VMSIM__ASSERT(r->t->mm && r->step);
    const struct vmsim__step_mmap *d = r->data;
    unsigned prot, flags = d->shared ? VMSIM__MAP_SHARED : VMSIM__MAP_PRIVATE;
    if (!parse_prot(d->prot, &prot))
        return vmsim__step_problem(r, "prot '%s' is not made of the letters r, w, x (or none)", d->prot);
    struct vmsim__file *file = d->file ? vmsim__step_file(r, d->file) : NULL;
    if (d->file && !file)
        return STEP_FAIL;
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
        step_call(r, VMSIM__CALL_MMAP, VMSIM__FILE_ARGS(file, NULL, d->address, d->length, prot, flags, 0, d->offset));
    if (result >= 0 && !vmsim__step_name_region(r, d->as, (uint64_t)result, d->length))
        return vmsim__step_no_memory(r);
    return vmsim__step_came_back(r, &d->result, result);
}

/* Four calls that take a range and nothing else. */
enum step_end vmsim__do_range_call(struct step_run *r) {
    static const enum vmsim__call_id ids[VMSIM__VERBS] = {[VMSIM__VERB_MUNMAP] = VMSIM__CALL_MUNMAP,
                                                          [VMSIM__VERB_MLOCK] = VMSIM__CALL_MLOCK,
                                                          [VMSIM__VERB_MUNLOCK] = VMSIM__CALL_MUNLOCK,
                                                          [VMSIM__VERB_MSYNC] = VMSIM__CALL_MSYNC};
    const struct vmsim__step_range_call *d = r->data;
    const enum vmsim__verb verb = vmsim__verb_of(r->step);
    uint64_t base, length;
    if (!vmsim__step_resolve(r, &d->range, &base, &length))
        return STEP_FAIL;
    uint64_t flags = verb == VMSIM__VERB_MSYNC ? VMSIM__MS_SYNC : d->on_fault ? VMSIM__MLOCK_ONFAULT : 0;
    return vmsim__step_came_back(r, &d->result, step_call(r, ids[verb], VMSIM__ARGS(base, length, flags)));
}

/* The letters are checked first: a slip in them is a mistake of the description, and not an errno. */
enum step_end vmsim__do_mprotect(struct step_run *r) {
    VMSIM__ASSERT(r->t->mm);
    const struct vmsim__step_mprotect *d = r->data;
    uint64_t base, length;
    unsigned prot;
    if (!parse_prot(d->prot, &prot))
        return vmsim__step_problem(r, "prot '%s' is not made of the letters r, w, x (or none)", d->prot);
    if (!vmsim__step_resolve(r, &d->range, &base, &length))
        return STEP_FAIL;
    return vmsim__step_came_back(r, &d->result, step_call(r, VMSIM__CALL_MPROTECT, VMSIM__ARGS(base, length, prot)));
}

/* Where the step names an address the call is MREMAP_FIXED, which needs MAYMOVE. */
enum step_end vmsim__do_mremap(struct step_run *r) {
    VMSIM__ASSERT(r->t->mm);
    const struct vmsim__step_mremap *d = r->data;
    struct vmsim__named_region *region = vmsim__job_region(r->job, d->region);
    if (!region)
        return vmsim__step_problem(r, "there is no region '%s' now: the step that makes it failed, or comes later",
                                   d->region);
    unsigned flags = (d->may_move || d->has_address || d->dont_unmap ? VMSIM__MREMAP_MAYMOVE : 0) |
                     (d->has_address ? VMSIM__MREMAP_FIXED : 0) | (d->dont_unmap ? VMSIM__MREMAP_DONTUNMAP : 0);
    int64_t result =
        step_call(r, VMSIM__CALL_MREMAP, VMSIM__ARGS(region->base, region->length, d->length, flags, d->address));
    if (result >= 0) {
        region->base = (uint64_t)result;
        region->length = d->length;
    }
    return vmsim__step_came_back(r, &d->result, result);
}

/* One in n, by the seed and the address alone. */
static bool drawn(const struct vmsim_machine *m, uint64_t address, uint64_t n) {
    struct vmsim__rng rng;
    vmsim__rng_seed(&rng, m->spec.seed ^ address);
    return !vmsim__rng_below(&rng, n);
}

/* `every` and `random` make holes, one call a page, as allocators do that give back single pages; a wait in between
 * goes on with the same page. */
enum step_end vmsim__do_madvise(struct step_run *r) {
    VMSIM__ASSERT(r->t->mm);
    const struct vmsim__step_madvise *d = r->data;
    uint64_t base, length;
    if (!vmsim__step_resolve(r, &d->range, &base, &length))
        return STEP_FAIL;
    const uint64_t advice = (uint64_t)vmsim__advice_numbers[d->advice], page = UINT64_C(1) << r->m->mem->page_shift;
    if (d->every == 1)
        return vmsim__step_came_back(r, &d->result,
                                     step_call(r, VMSIM__CALL_MADVISE, VMSIM__ARGS(base, length, advice)));
    for (; r->job->done < length; r->job->done += d->random ? page : d->every * page) {
        if (d->random && !drawn(r->m, base + r->job->done, d->every))
            continue;
        const int64_t result = step_call(r, VMSIM__CALL_MADVISE, VMSIM__ARGS(base + r->job->done, page, advice));
        if (result)
            return vmsim__step_came_back(r, &d->result, result);
    }
    return vmsim__step_came_back(r, &d->result, 0);
}

/* The system call returns the old break when it refuses; a step wants to know whether it got what it asked for. */
enum step_end vmsim__do_brk(struct step_run *r) {
    const struct vmsim__step_brk *d = r->data;
    struct vmsim__mm *mm = r->t->mm;
    VMSIM__ASSERT(mm);
    if (!r->job->entered)
        r->job->done = mm->brk + (uint64_t)d->grow;
    r->job->entered = true;
    const uint64_t wanted = r->job->done;
    int64_t result = step_call(r, VMSIM__CALL_BRK, VMSIM__ARGS(wanted));
    if (result == VMSIM__CALL_WAITS)
        return STEP_WAIT;
    if (!vmsim__step_name_region(r, d->as, mm->start_brk, mm->brk - mm->start_brk))
        return vmsim__step_no_memory(r);
    return vmsim__step_came_back(r, &d->result, (uint64_t)result == wanted ? 0 : -VMSIM__L_ENOMEM);
}

/* munlockall has the struct of mlockall, of which its table fills in the result alone. */
enum step_end vmsim__do_mlockall(struct step_run *r) {
    VMSIM__ASSERT(r->t->mm);
    const struct vmsim__step_mlockall *d = r->data;
    unsigned flags = VMSIM__MCL_CURRENT | (d->future ? VMSIM__MCL_FUTURE : 0) | (d->on_fault ? VMSIM__MCL_ONFAULT : 0);
    bool lock = vmsim__verb_of(r->step) == VMSIM__VERB_MLOCKALL;
    return vmsim__step_came_back(
        r, &d->result, step_call(r, lock ? VMSIM__CALL_MLOCKALL : VMSIM__CALL_MUNLOCKALL, VMSIM__ARGS(flags)));
}

/* The references of the chunk that are left. A caught signal passes over the one reference, as a handler that returns
 * behind the instruction would. */
static enum step_end touch_chunk(struct step_run *r, const struct vmsim__step_touch *d) {
    struct vmsim__job *job = r->job;
    VMSIM__ASSERT(job->chunk && job->chunk_end <= VMSIM__CHUNK);
    while (job->chunk_at < job->chunk_end) {
        struct vmsim_access_result result;
        enum vmsim__work how =
            vmsim__machine_try(r->m, r->t, job->chunk + job->chunk_at, job->chunk_end - job->chunk_at, NULL, &result);
        job->chunk_at += result.done;
        r->s->references += result.done;
        if (how != VMSIM__WORK_MORE)
            return how == VMSIM__WORK_CUT ? STEP_CUT : how == VMSIM__WORK_WAIT ? STEP_WAIT : STEP_FAIL;
        if (!result.stop)
            continue;
        if (!d->catch_signals || result.stop == VMSIM_STOP_OOM) {
            if (result.stop == VMSIM_STOP_OOM && vmsim__host_error(r->m))
                return vmsim__step_no_memory(r);
            vmsim__task_signal(r->m, r->t, result.stop);
            return STEP_EXIT;
        }
        r->t->stats.signals++;
        job->chunk_at++;
    }
    if (d->think)
        vmsim__cpu_compute(r->m, r->t, d->think * job->chunk_end);
    return STEP_OVER;
}

/* The range is looked for once: a step is about the region as it was when it began. */
static enum step_end begin_touch(struct step_run *r, const struct vmsim__step_touch *d) {
    VMSIM__ASSERT(!r->job->touching);
    uint64_t base, length;
    char stream[300];
    if (!vmsim__step_resolve(r, &d->range, &base, &length))
        return STEP_FAIL;
    snprintf(stream, sizeof stream, "touch/%s/%llu", r->t->name, (unsigned long long)r->job->steps);
    r->job->chunk = vmsim__malloc(r->s->alloc, VMSIM__CHUNK * sizeof *r->job->chunk);
    r->job->chunk_at = r->job->chunk_end = 0;
    if (!r->job->chunk)
        return vmsim__step_no_memory(r);
    int err = vmsim__references_init(&r->job->touch, r->s->alloc, d, base, length, r->s->spec->workload.seed, stream);
    r->job->touching = true;
    if (err == VMSIM_ELIMIT)
        return vmsim__step_problem(r, "%s needs fewer than 2^32 granules: make stride larger", "this pattern");
    return err ? vmsim__step_no_memory(r) : STEP_OVER;
}

/* The list of references goes with the step: a program of a million touches holds one chunk. */
static void end_touch(struct step_run *r) {
    VMSIM__ASSERT(r->job->touching);
    vmsim__references_fini(&r->job->touch);
    r->job->touching = false;
    vmsim__free(r->s->alloc, r->job->chunk, VMSIM__CHUNK * sizeof *r->job->chunk);
    r->job->chunk = NULL;
}

/* The clock is looked at once a chunk: a step may run over its end by up to a chunk of hits. */
enum step_end vmsim__do_touch(struct step_run *r) {
    const struct vmsim__step_touch *d = r->data;
    struct vmsim__job *job = r->job;
    enum step_end how = job->touching ? STEP_OVER : begin_touch(r, d);
    while (how == STEP_OVER) {
        if (job->chunk_at == job->chunk_end) {
            job->chunk_at = 0;
            job->chunk_end = vmsim__references_fill(&job->touch, job->chunk, VMSIM__CHUNK);
        }
        how = touch_chunk(r, d);
        if (how != STEP_OVER)
            break;
        if (!job->touch.left) {
            end_touch(r);
            return STEP_OVER;
        }
        if (vmsim__run_stopped(r->s, r->m->cpus[r->t->cpu].now))
            return STEP_FAIL;
        if (vmsim__preempted(r->m, r->t))
            return STEP_AGAIN;
    }
    return how;
}

/* Verbs of policies and nodes differ in how their arguments are made alone (numa_steps.c), not in how they are called.
 */
enum step_end vmsim__do_numa(struct step_run *r) {
    const struct vmsim__step_numa *d = r->data;
    struct vmsim__call_args args;
    uint64_t base = 0, length = 0;
    if (d->range.region && !vmsim__step_resolve(r, &d->range, &base, &length))
        return STEP_FAIL;
    const enum vmsim__call_id id =
        vmsim__numa_call(vmsim__verb_of(r->step), d, r->m->mem->nr_nodes, base, length, &args);
    return vmsim__step_came_back(r, &d->result, step_call(r, id, &args));
}

/* Decimal or 0x, negative ones as the register would hold them; what is not given is 0. */
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
enum step_end vmsim__do_call(struct step_run *r) {
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
        return vmsim__step_problem(r, "args '%s' are not up to six numbers", d->args);
    if (d->call == VMSIM__RAW_MMAP) /* without a file the offset has no descriptor before it */
        args.a[5] = args.a[4];
    return vmsim__step_came_back(r, &d->result, step_call(r, ids[d->call], &args));
}

/* A driver's memory: no address space, so that the task's death does not give it back. 0, -ENOMEM, or a positive
 * number: the run is to end. */
static int64_t alloc_work(struct vmsim_machine *m, struct vmsim__task *t, void *context) {
    struct step_run *r = context;
    const struct vmsim__step_alloc_pages *d = r->data;
    struct vmsim__named_region *region = vmsim__job_region(r->job, d->as ? d->as : "pages");
    VMSIM__ASSERT(region && r->job->done <= d->count);
    for (; r->job->done < d->count; r->job->done++) {
        struct vmsim__driver_block b = {.order = (unsigned)d->order, .contiguous = d->contiguous};
        if (b.contiguous ? vmsim_machine_alloc_contig(m, t->cpu, b.contiguous, d->cma, &b.pfn)
                         : vmsim_machine_alloc_pages(m, t->cpu, b.order, d->zone, d->atomic, &b.pfn))
            return REFUSED;
        if (b.pfn == UINT64_MAX)
            return vmsim__now_waits(&m->mem->now) ? -VMSIM__ERESTARTSYS : -VMSIM__L_ENOMEM;
        if (!vmsim__vec_push(r->s->alloc, &region->blocks, b))
            return NO_HOST_MEMORY;
    }
    return 0;
}

enum step_end vmsim__do_alloc_pages(struct step_run *r) {
    const struct vmsim__step_alloc_pages *d = r->data;
    if (!r->job->entered && !vmsim__step_name_region(r, d->as ? d->as : "pages", 0, 0))
        return vmsim__step_no_memory(r);
    r->job->entered = true;
    int64_t result = vmsim__call_with(r->m, r->t, alloc_work, r);
    if (result > 0)
        return result == REFUSED ? vmsim__step_problem(r, "%s", vmsim_machine_error(r->m)) : vmsim__step_no_memory(r);
    return vmsim__step_came_back(r, &d->result, result);
}

/* Every n-th block only, where the step says so: the way to make fragmentation. */
static int64_t free_work(struct vmsim_machine *m, struct vmsim__task *t, void *context) {
    struct step_run *r = context;
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
            err = b.contiguous ? vmsim_machine_free_contig(m, t->cpu, b.pfn, b.contiguous)
                               : vmsim_machine_free_pages(m, t->cpu, b.pfn, b.order);
    }
    region->blocks.count = kept;
    return err;
}

enum step_end vmsim__do_free_pages(struct step_run *r) {
    const struct vmsim__step_free_pages *d = r->data;
    if (!vmsim__job_region(r->job, d->region))
        return vmsim__step_problem(r, "no blocks '%s' yet: name them with alloc_pages", d->region);
    return vmsim__call_with(r->m, r->t, free_work, r) ? vmsim__step_problem(r, "%s", vmsim_machine_error(r->m))
                                                      : STEP_OVER;
}
