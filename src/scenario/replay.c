/* SPDX-License-Identifier: MIT */
/* Replaying a trace: batches go to the access path, events become system calls of the simulated tasks.
 *
 * Mappings lie where the simulated kernel places them, and references follow them (placement.h); or, if the task says
 * so, at the recording's addresses (MAP_FIXED). Calls that failed when recorded are not repeated. Items keep their
 * recorded order; a task that runs on another CPU goes on there no earlier than the item before it ended. */
#include <string.h>

#include "scenario/engine.h"
#include "scenario/placement.h"
#include "vmsim/trace.h"

struct vmsim__replay {
    struct vmsim_trace_reader *reader;
    const struct vmsim_trace_info *info;
    const char *name;
    bool cached, recorded; /* recorded: addresses stay as they were */
    struct {
        VMSIM__VEC(struct vmsim__placement *); /* by trace task; NULL: addresses stay */
    } placements;
    struct {
        VMSIM__VEC(uint32_t); /* machine task of each trace task; VMSIM_TASK_NONE: not started */
    } tasks;
    struct {
        VMSIM__VEC(uint32_t); /* file id in the machine's cache of each trace file; 0: none yet */
    } files;
    struct {
        VMSIM__VEC(struct vmsim__file_ra); /* by trace file */
    } ra;
    struct {
        VMSIM__VEC(struct vmsim__exec_segment);
    } segments;
    const vmsim_access *batch; /* rest of the item in work */
    size_t left;
    uint32_t batch_task;
};

/* Numbers of tasks come from a file: the table grows only as far as the reader allows (VMSIM__TASKS_MAX). */
static int grow(struct vmsim_scenario *s, struct vmsim__replay *r, uint32_t task) {
    while (r->tasks.count <= task) {
        if (!vmsim__vec_push(s->alloc, &r->tasks, VMSIM_TASK_NONE) ||
            (r->placements.count < r->tasks.count && !vmsim__vec_push(s->alloc, &r->placements, NULL)))
            return vmsim__err_set(&s->err, VMSIM_ENOMEM, "no memory for the tasks of a trace");
    }
    return 0;
}

int vmsim__replay_open(struct vmsim_scenario *s, const struct vmsim__task_decl *decl, const char *path,
                       struct vmsim__replay **out) {
    struct vmsim__replay *r = vmsim__calloc(s->alloc, 1, sizeof *r);
    *out = NULL;
    if (!r)
        return vmsim__err_set(&s->err, VMSIM_ENOMEM, "no memory for a trace");
    r->name = decl->name;
    r->cached = decl->cached;
    r->recorded = decl->recorded_addresses;
    int err = vmsim_trace_open(path, VMSIM_TRACE_THREAD, &r->reader);
    if (err) {
        vmsim__err_set(&s->err, err, "%s", r->reader ? vmsim_trace_reader_error(r->reader) : "no memory for a trace");
        vmsim__replay_close(s, r);
        return err;
    }
    r->info = vmsim_trace_get_info(r->reader);
    if (!r->info->complete) { /* half a program is another program */
        vmsim__err_set(&s->err, VMSIM_ETRUNCATED,
                       "%s; `vmsim trace convert IN OUT` makes a whole trace of what is there",
                       vmsim_trace_reader_error(r->reader));
        vmsim__replay_close(s, r);
        return VMSIM_ETRUNCATED;
    }
    *out = r;
    return 0;
}

void vmsim__replay_close(struct vmsim_scenario *s, struct vmsim__replay *r) {
    vmsim_trace_close(r->reader);
    for (size_t i = 0; i < r->placements.count; i++)
        vmsim__placement_put(r->placements.at[i]);
    vmsim__vec_fini(s->alloc, &r->placements);
    vmsim__vec_fini(s->alloc, &r->tasks);
    vmsim__vec_fini(s->alloc, &r->files);
    vmsim__vec_fini(s->alloc, &r->ra);
    vmsim__vec_fini(s->alloc, &r->segments);
    vmsim__free(s->alloc, r, sizeof *r);
}

uint64_t vmsim__replay_references(const struct vmsim__replay *r) {
    VMSIM__ASSERT(r->info);
    return r->info->references;
}

/* The simulated file of a trace's file, made when first met; NULL: it has no pages (a pipe, a terminal), or no memory.
 */
static struct vmsim__file *file_of(struct vmsim_scenario *s, struct vmsim__replay *r, uint32_t id) {
    const struct vmsim_trace_file *f = id == VMSIM_TRACE_NO_FILE ? NULL : vmsim_trace_get_file(r->reader, id);
    if (!f || f->kind == VMSIM_TRACE_FILE_DEVICE || f->kind == VMSIM_TRACE_FILE_PIPE)
        return NULL;
    while (r->files.count <= id) {
        struct vmsim__file_ra ra;
        vmsim__ra_init(s->machine->cache, &ra);
        if (!vmsim__vec_push(s->alloc, &r->files, 0) || !vmsim__vec_push(s->alloc, &r->ra, ra))
            return NULL;
    }
    if (r->files.at[id])
        return vmsim__file_by_id(s->machine->cache, r->files.at[id]);
    struct vmsim__file *file = f->path && *f->path ? vmsim__file_find(s->machine->cache, f->path) : NULL;
    if (!file) {
        bool shm = f->kind == VMSIM_TRACE_FILE_SHM;
        file = vmsim__file_create(s->machine->cache, shm ? VMSIM__FILE_SHMEM : VMSIM__FILE_REGULAR, f->path, f->size);
        if (file && r->cached && !shm)
            vmsim__file_preload(s->machine->cache, file, 0);
    }
    r->files.at[id] = file ? file->id : 0;
    return file;
}

/* An item being replayed. */
struct item {
    struct vmsim_scenario *s;
    struct vmsim__replay *r;
    struct vmsim__job *job;
    struct vmsim__task *t; /* NULL: the task has ended or never began */
    const struct vmsim_trace_event *e;
    uint32_t trace_task;
};

static struct vmsim__task *task_of(struct vmsim_scenario *s, struct vmsim__replay *r, uint32_t trace_task) {
    if (trace_task >= r->tasks.count || r->tasks.at[trace_task] == VMSIM_TASK_NONE)
        return NULL;
    struct vmsim__task *t = vmsim__task_at(s->machine, r->tasks.at[trace_task]);
    return t->state == VMSIM__TASK_DEAD ? NULL : t;
}

/* The first task is the job's own; later roots (a trace with several) get tasks beside it. Trace tasks without a fork
 * begin here: the first one, and those of programs whose parent was not recorded. */
static int start(struct item *i) {
    int err = grow(i->s, i->r, i->trace_task);
    if (err || i->r->tasks.at[i->trace_task] != VMSIM_TASK_NONE)
        return err;
    uint32_t id = i->job->task;
    bool taken = false;
    for (size_t k = 0; k < i->r->tasks.count; k++)
        taken = taken || i->r->tasks.at[k] == id;
    if (taken)
        err = vmsim_task_create(i->s->machine, i->r->name, vmsim__task_at(i->s->machine, id)->cpu, &id);
    if (err == VMSIM_ELIMIT)
        return 0; /* no frame for its page table: it never begins */
    i->r->tasks.at[i->trace_task] = id;
    return err;
}

/* The host's memory, not the machine's: a simulated lack of memory ends a task and not the run. */
static int no_memory(struct item *i) {
    return vmsim__err_set(&i->s->err, VMSIM_ENOMEM, "no memory for the address space of a recorded program");
}

/* vfork counts as sharing: parent and child use one address space until the child's exec, which is all that memory
 * sees of it. */
static int replay_fork(struct item *i) {
    VMSIM__ASSERT(i->t);
    uint32_t child = (uint32_t)i->e->args[0], id;
    unsigned flags = (unsigned)i->e->args[1];
    int err = grow(i->s, i->r, child);
    if (err || flags & VMSIM_TRACE_FORK_FAILED)
        return err;
    bool shares = flags & (VMSIM_TRACE_FORK_VM | VMSIM_TRACE_FORK_VFORK);
    err = shares ? vmsim__task_clone(i->s->machine, i->t->id, i->t->name, flags & VMSIM_TRACE_FORK_VM, &id)
                 : vmsim_task_fork(i->s->machine, i->t->id, i->t->name, &id);
    i->r->tasks.at[child] = err ? VMSIM_TASK_NONE : id;
    struct vmsim__placement *p = i->r->placements.at[i->trace_task];
    if (!p || err)
        return err;
    p->users += shares;
    struct vmsim__placement *before = i->r->placements.at[child]; /* of an earlier task of that number */
    i->r->placements.at[child] = shares ? p : vmsim__placement_copy(p);
    vmsim__placement_put(before);
    return i->r->placements.at[child] ? 0 : no_memory(i);
}

/* The trace's segments of the program or of its interpreter as an object of vmsim__mm_exec. */
static bool gather_object(struct item *i, bool interpreter, struct vmsim__exec_object *object) {
    VMSIM__ASSERT(i->e->exec);
    const struct vmsim_trace_exec *x = i->e->exec;
    const uint64_t bias = i->r->recorded ? 0 : interpreter ? x->interpreter_base : x->load_base;
    size_t first = i->r->segments.count;
    for (size_t k = 0; k < x->segment_count; k++) {
        const struct vmsim_trace_segment *seg = &x->segments[k];
        if ((seg->interpreter != 0) != interpreter || seg->file == VMSIM_TRACE_NO_FILE)
            continue;
        object->file = file_of(i->s, i->r, seg->file);
        struct vmsim__exec_segment out = {.vaddr = seg->va - bias,
                                          .offset = seg->offset,
                                          .file_bytes = seg->file_bytes,
                                          .memory_bytes = seg->length,
                                          .prot = seg->prot};
        if (!object->file || !vmsim__vec_push(i->s->alloc, &i->r->segments, out))
            return false;
    }
    object->count = i->r->segments.count - first;
    object->fixed = i->r->recorded || !bias;
    return true;
}

/* Where the first segment of an object lies now, as a difference to where it was recorded. Zero when nothing of the
 * object was mapped: its references then miss, as they should. */
static uint64_t delta_of(const struct vmsim__mm *mm, const struct vmsim__exec_object *o, uint64_t bias, uint64_t page) {
    for (const struct vmsim__vma *v = mm->first; v && o->count; v = v->next) {
        if (v->file == o->file)
            return v->start - vmsim__align_down(o->segments[0].vaddr + bias, page);
    }
    return 0;
}

static bool place_object(struct vmsim__placement *p, const struct vmsim__mm *mm, const struct vmsim__exec_object *o,
                         uint64_t bias, uint64_t page) {
    const uint64_t delta = delta_of(mm, o, bias, page);
    for (size_t k = 0; k < o->count; k++) {
        uint64_t start = o->segments[k].vaddr + bias, end = start + o->segments[k].memory_bytes;
        if (!vmsim__placement_set(p, vmsim__align_down(start, page), vmsim__align_up(end, page), delta))
            return false;
    }
    return true;
}

/* The new image: program, interpreter and stack, each where the simulated kernel put it. The stack is the topmost
 * mapping; its recorded limit is taken as its size, because references may lie anywhere below the top. */
static int place_image(struct item *i, const struct vmsim__exec *image) {
    VMSIM__ASSERT(i->t && i->t->mm && i->t->mm->first && !i->r->recorded);
    const struct vmsim_trace_exec *x = i->e->exec;
    const struct vmsim__mm *mm = i->t->mm;
    const uint64_t page = UINT64_C(1) << i->s->machine->mem->page_shift;
    const struct vmsim__vma *stack = mm->first;
    while (stack->next)
        stack = stack->next;
    struct vmsim__placement *p = vmsim__placement_create(i->s->alloc);
    if (!p)
        return no_memory(i);
    vmsim__placement_put(i->r->placements.at[i->trace_task]);
    i->r->placements.at[i->trace_task] = p;
    p->brk_start = x->brk_start;
    uint64_t room = vmsim__min64(x->stack_limit, x->stack_top);
    bool ok = vmsim__placement_set(p, x->stack_top - room, x->stack_top, stack->end - x->stack_top) &&
              vmsim__placement_set(p, x->vdso, x->vdso + x->vdso_bytes, mm->vdso - x->vdso) &&
              place_object(p, mm, &image->program, x->load_base, page) &&
              place_object(p, mm, &image->interpreter, x->interpreter_base, page);
    return ok ? 0 : no_memory(i);
}

/* A segment could not be had. */
static int no_image(struct item *i) {
    if (vmsim__host_error(i->s->machine))
        return vmsim__err_set(&i->s->err, VMSIM_ENOMEM, "no memory for the image of a program");
    return vmsim__err_set(&i->s->err, VMSIM_ECORRUPT, "trace of '%s': an exec event maps what is no file", i->r->name);
}

/* Where the trace knows the bytes of the stack, pointers and the auxiliary vector (about 40 words) are taken off:
 * vmsim__mm_exec adds its own. */
static int replay_exec(struct item *i) {
    VMSIM__ASSERT(i->t && i->e->exec);
    const struct vmsim_trace_exec *x = i->e->exec;
    struct vmsim__exec image = {
        .argument_bytes = x->stack_bytes > 8 * (x->argc + x->envc + 40) ? x->stack_bytes - 8 * (x->argc + x->envc + 40)
                                                                        : x->stack_bytes,
        .argument_count = (uint32_t)(x->argc + x->envc),
        .stack_top = i->r->recorded ? x->stack_top : 0,
        .start_brk = i->r->recorded ? x->brk_start : 0,
        .vdso = i->r->recorded ? x->vdso : 0,
        .no_vdso = i->r->recorded && !x->vdso,
    };
    i->r->segments.count = 0;
    if (!gather_object(i, false, &image.program) || !gather_object(i, true, &image.interpreter))
        return no_image(i);
    image.program.segments = i->r->segments.at;
    image.interpreter.segments = image.interpreter.count ? i->r->segments.at + image.program.count : NULL;
    const char *slash = i->e->path ? strrchr(i->e->path, '/') : NULL;
    bool root = i->t->id == i->job->task; /* keeps the name that the scenario gave it */
    int64_t result = vmsim__task_exec(i->s->machine, i->t, root ? NULL : slash ? slash + 1 : i->e->path, &image);
    if (result == -VMSIM__L_ENOMEM)
        vmsim__task_signal(i->s->machine, i->t, VMSIM_STOP_OOM);
    else if (result)
        return vmsim__err_set(&i->s->err, VMSIM_ECORRUPT, "trace of '%s': an exec event has an impossible image",
                              i->r->name);
    return i->r->recorded || result ? 0 : place_image(i, &image);
}

/* A call that failed for want of the host's memory is found by the checks after it; here only the list can fail. */
static void placed(struct item *i, uint64_t start, uint64_t length, int64_t result) {
    struct vmsim__placement *p = i->r->placements.at[i->trace_task];
    uint64_t end = start + vmsim__align_up(length, UINT64_C(1) << i->s->machine->mem->page_shift);
    if (p && !(result < 0 ? vmsim__placement_clear(p, start, end)
                          : vmsim__placement_set(p, start, end, (uint64_t)result - start)))
        no_memory(i);
}

/* MAP_32BIT and MAP_HUGETLB are dropped: the place is the simulated kernel's affair, and the recorder's host had pages
 * of its own. */
static int64_t replay_mmap(struct item *i) {
    VMSIM__ASSERT(i->t && i->t->mm);
    const struct vmsim_trace_event *e = i->e;
    const struct vmsim__placement *p = i->r->placements.at[i->trace_task];
    const unsigned fixed = VMSIM__MAP_FIXED | VMSIM__MAP_FIXED_NOREPLACE;
    unsigned flags = (unsigned)e->args[3] & ~(fixed | VMSIM__MAP_32BIT | VMSIM__MAP_HUGETLB);
    struct vmsim__file *file = flags & VMSIM__MAP_ANONYMOUS ? NULL : file_of(i->s, i->r, e->file);
    uint64_t va = (uint64_t)e->result;
    if (!file)
        flags |= VMSIM__MAP_ANONYMOUS;
    if (!p || e->args[3] & fixed)
        flags |= VMSIM__MAP_FIXED;
    if (p)
        va = e->args[3] & fixed ? vmsim__placement_of(p, va) : 0;
    int64_t result =
        vmsim__mm_mmap(i->t->mm, va, e->args[1], (unsigned)e->args[2], flags, file, file ? e->args[4] : 0, i->t->cpu);
    placed(i, (uint64_t)e->result, e->args[1], result);
    return result;
}

/* The old range is cleared before the new one is placed, for the two may overlap in the recording's addresses. */
static void replay_mremap(struct item *i) {
    const uint64_t *a = i->e->args;
    const struct vmsim__placement *p = i->r->placements.at[i->trace_task];
    unsigned flags = (unsigned)a[3];
    uint64_t old = a[0], to = (uint64_t)i->e->result;
    if (p) {
        flags |= VMSIM__MREMAP_MAYMOVE; /* what grew in place there may have a neighbour here */
        old = vmsim__placement_of(p, old);
        to = flags & VMSIM__MREMAP_FIXED ? vmsim__placement_of(p, to) : 0;
    } else if (to != a[0]) {
        flags |= VMSIM__MREMAP_MAYMOVE | VMSIM__MREMAP_FIXED;
    } else {
        to = 0;
    }
    int64_t result = vmsim__mm_mremap(i->t->mm, old, a[1], a[2], flags, to, i->t->cpu);
    if (!(flags & VMSIM__MREMAP_DONTUNMAP))
        placed(i, a[0], a[1], -1);
    placed(i, (uint64_t)i->e->result, a[2], result);
}

/* Breaks are counted from the start of the heap, which the simulated kernel puts elsewhere. */
static void replay_brk(struct item *i) {
    struct vmsim__placement *p = i->r->placements.at[i->trace_task];
    struct vmsim__mm *mm = i->t->mm;
    uint64_t to = (uint64_t)i->e->result;
    if (!p) {
        vmsim__mm_brk(mm, to, i->t->cpu);
        return;
    }
    vmsim__mm_brk(mm, mm->start_brk + (to - p->brk_start), i->t->cpu);
    placed(i, p->brk_start, to - p->brk_start, (int64_t)mm->start_brk);
}

/* One call on the simulated range [va, va + length) that a recorded range came to. */
static void call_on_range(struct item *i, uint64_t va, uint64_t length) {
    VMSIM__ASSERT(i->t && i->t->mm);
    const uint64_t *a = i->e->args;
    struct vmsim__mm *mm = i->t->mm;
    unsigned cpu = i->t->cpu;
    switch (i->e->type) {
    case VMSIM_TRACE_MUNMAP:
        vmsim__mm_munmap(mm, va, length, cpu);
        break;
    case VMSIM_TRACE_MPROTECT:
        vmsim__mm_mprotect(mm, va, length, (unsigned)a[2], cpu);
        break;
    case VMSIM_TRACE_MADVISE:
        vmsim__mm_madvise(mm, va, length, (int)a[2], cpu);
        break;
    case VMSIM_TRACE_MSYNC:
        vmsim__mm_msync(mm, va, length, (unsigned)a[2], cpu);
        break;
    case VMSIM_TRACE_MLOCK:
        vmsim__mm_mlock(mm, va, length, (unsigned)a[2], cpu);
        break;
    default:
        vmsim__mm_munlock(mm, va, length, cpu);
        break;
    }
}

/* A recorded range may have come to several. */
static void replay_range(struct item *i) {
    struct vmsim__placement *p = i->r->placements.at[i->trace_task];
    uint64_t va = i->e->args[0], end = va + i->e->args[1];
    if (!p) {
        call_on_range(i, va, end - va);
        return;
    }
    for (const struct vmsim__placed *r; va < end && (r = vmsim__placement_from(p, va)) && r->start < end;) {
        uint64_t from = vmsim__max64(va, r->start), to = vmsim__min64(end, r->end), delta = r->delta;
        call_on_range(i, from + delta, to - from);
        va = to;
    }
    if (i->e->type == VMSIM_TRACE_MUNMAP)
        placed(i, i->e->args[0], i->e->args[1], -1);
}

/* Calls on the address space. False: not one of these. */
static bool replay_memory_call(struct item *i) {
    struct vmsim__mm *mm = i->t->mm;
    switch (i->e->type) {
    case VMSIM_TRACE_MMAP:
        replay_mmap(i);
        return true;
    case VMSIM_TRACE_MREMAP:
        replay_mremap(i);
        return true;
    case VMSIM_TRACE_BRK:
        replay_brk(i);
        return true;
    case VMSIM_TRACE_MUNMAP:
    case VMSIM_TRACE_MPROTECT:
    case VMSIM_TRACE_MADVISE:
    case VMSIM_TRACE_MSYNC:
    case VMSIM_TRACE_MLOCK:
    case VMSIM_TRACE_MUNLOCK:
        replay_range(i);
        return true;
    case VMSIM_TRACE_MLOCKALL:
        vmsim__mm_mlockall(mm, (unsigned)i->e->args[0], i->t->cpu);
        return true;
    case VMSIM_TRACE_MUNLOCKALL:
        vmsim__mm_munlockall(mm, i->t->cpu);
        return true;
    default:
        return false;
    }
}

/* The simulated kernel has restartable sequences also where the recorder's host refused them. */
static void register_rseq(struct item *i) {
    enum { UNREGISTER = 1 };
    const uint64_t *a = i->e->args;
    const struct vmsim__placement *p = i->r->placements.at[i->trace_task];
    i->t->rseq = a[3] & UNREGISTER ? 0 : p ? vmsim__placement_of(p, a[1]) : a[1];
    if (i->t->rseq && !vmsim__mm_put_user(i->t->mm, i->t->rseq, i->t->cpu))
        i->t->rseq = 0;
}

/* Clocks are read in the vdso: what was recorded as a system call, since the recorded one has no functions, is none.
 * False: there is no vdso to call. */
static bool read_clock(struct item *i) {
    if (i->r->recorded || !i->t->mm->vdso)
        return false;
    vmsim__cpu_load(i->s->machine, i->t);
    vmsim__mm_vdso_call(i->t->mm, i->t->cpu);
    vmsim__cpu_charge(i->s->machine, i->t);
    return true;
}

/* Calls that have no event of their own, by their numbers. Clocks of CPU time are the kernel's: they are asked for
 * after a look in the vdso. */
static void replay_other_call(struct item *i) {
    enum { GETTIMEOFDAY = 96, TIME = 201, CLOCK_GETTIME = 228, GETCPU = 309, RSEQ = 334 };
    enum { PROCESS_CPUTIME = 2, THREAD_CPUTIME = 3 };
    const uint64_t number = i->e->args[0], clock = i->e->args[1];
    if (number == GETTIMEOFDAY || number == TIME || number == CLOCK_GETTIME || number == GETCPU) {
        bool cpu_time = number == CLOCK_GETTIME && (clock == PROCESS_CPUTIME || clock == THREAD_CPUTIME);
        if (read_clock(i) && !cpu_time)
            return;
    }
    vmsim__syscall_enter(i->s->machine, i->t);
    if (number == RSEQ)
        register_rseq(i);
    vmsim__cpu_charge(i->s->machine, i->t);
}

#define O_TRUNC_BIT 0x200u
/* Calls on files. Sizes are the results of the recorded calls: what a read gave then is read now. */
static void replay_file_call(struct item *i) {
    const struct vmsim_trace_event *e = i->e;
    struct vmsim__cache *cache = i->s->machine->cache;
    struct vmsim__file *f = file_of(i->s, i->r, e->file);
    struct vmsim__file_ra *ra = f ? &i->r->ra.at[e->file] : NULL;
    unsigned cpu = i->t->cpu;
    if (!f)
        return;
    switch (e->type) {
    case VMSIM_TRACE_OPEN:
        if (e->args[1] & O_TRUNC_BIT)
            vmsim__file_truncate(cache, f, 0, cpu);
        vmsim__ra_init(cache, ra);
        break;
    case VMSIM_TRACE_READ:
        vmsim__file_read(cache, f, ra, e->args[3], (uint64_t)e->result, cpu);
        break;
    case VMSIM_TRACE_WRITE:
        vmsim__file_write(cache, f, e->args[3], (uint64_t)e->result, cpu);
        break;
    case VMSIM_TRACE_COPY: {
        struct vmsim__file *to = file_of(i->s, i->r, (uint32_t)e->args[4]);
        vmsim__file_read(cache, f, &i->r->ra.at[e->file], e->args[3], (uint64_t)e->result, cpu);
        if (to)
            vmsim__file_write(cache, to, e->args[5], (uint64_t)e->result, cpu);
        break;
    }
    case VMSIM_TRACE_FSYNC:
        vmsim__file_sync(cache, f, 0, UINT64_MAX, cpu);
        break;
    case VMSIM_TRACE_FTRUNCATE:
        vmsim__file_truncate(cache, f, e->args[1], cpu);
        break;
    case VMSIM_TRACE_FALLOCATE:
        vmsim__file_fallocate(cache, f, (unsigned)e->args[1], e->args[2], e->args[3], cpu);
        break;
    case VMSIM_TRACE_FADVISE:
        vmsim__file_fadvise(cache, f, ra, e->args[1], e->args[2], (int)e->args[3], cpu);
        break;
    default:
        break;
    }
}

/* A signal's event comes for each thread, with what it did last before it; that of exit_group for the caller alone. */
static int replay_end(struct item *i) {
    VMSIM__ASSERT(i->t);
    struct vmsim_machine *m = i->s->machine;
    if (i->e->type == VMSIM_TRACE_KILLED)
        vmsim__task_kill(m, i->t, VMSIM_STOP_NONE, -(int)i->e->args[0]);
    else if (i->e->args[1])
        vmsim__task_kill_group(m, i->t, VMSIM_STOP_NONE, (int)i->e->args[0]);
    else
        vmsim__task_kill(m, i->t, VMSIM_STOP_NONE, (int)i->e->args[0]);
    return 0;
}

static int replay_event(struct item *i) {
    if (i->e->type == VMSIM_TRACE_START)
        return start(i);
    if (!i->t) /* it died here though it lived when recorded: nothing more can happen to it */
        return 0;
    switch (i->e->type) {
    case VMSIM_TRACE_EXEC:
        return replay_exec(i);
    case VMSIM_TRACE_FORK:
        return replay_fork(i);
    case VMSIM_TRACE_EXIT:
    case VMSIM_TRACE_KILLED:
        return replay_end(i);
    case VMSIM_TRACE_MARKER:
        return vmsim__marker_take(i->s, "trace", i->t->name, i->s->machine->cpus[i->t->cpu].now);
    case VMSIM_TRACE_MIGRATE:
        return vmsim_task_migrate(i->s->machine, i->t->id, (unsigned)(i->e->args[0] % i->s->machine->nr_cpus));
    case VMSIM_TRACE_FILE:
    case VMSIM_TRACE_UNFOLLOWED:
        return 0;
    case VMSIM_TRACE_SYSCALL:
        replay_other_call(i);
        return i->s->err.code;
    default:
        break;
    }
    vmsim__syscall_enter(i->s->machine, i->t);
    if (i->e->result >= 0 && !replay_memory_call(i))
        replay_file_call(i);
    vmsim__cpu_charge(i->s->machine, i->t);
    return i->s->err.code;
}

/* Goes on with the batch in work; false: `until` has passed with some of it left. A batch may end early at the
 * horizon, with stop NONE: the rest is done in a later slice. */
static bool run_batch(struct vmsim_scenario *s, struct vmsim__replay *r, uint64_t until) {
    struct vmsim__task *t = task_of(s, r, r->batch_task);
    while (t && r->left) {
        struct vmsim_access_result result;
        struct vmsim__placement *p = r->placements.at[r->batch_task];
        size_t n = until == UINT64_MAX && !p ? r->left : vmsim__min64(r->left, VMSIM__CHUNK);
        if (p)
            vmsim__placement_translate(p, r->batch, s->chunk, n);
        vmsim__machine_access(s->machine, t, p ? s->chunk : r->batch, n, NULL, &result);
        r->batch += result.done;
        r->left -= result.done;
        s->references += result.done;
        if (result.stop || vmsim__host_error(s->machine))
            break;
        if (r->left && s->machine->cpus[t->cpu].now > until)
            return false;
    }
    r->left = 0;
    return true;
}

/* The CPU on which the trace goes on: that of the item's task. Items have one order: a task that goes on on another
 * CPU cannot do so before the item that preceded it. */
static void follow_task(struct vmsim_scenario *s, struct vmsim__job *job, const struct vmsim__task *t) {
    const struct vmsim__task *before = vmsim__task_at(s->machine, job->task);
    if (t->cpu != before->cpu && s->machine->cpus[t->cpu].now < s->machine->cpus[before->cpu].now)
        s->machine->cpus[t->cpu].now = s->machine->cpus[before->cpu].now;
}

/* The error of the scenario is looked at once an item, since some helpers can only leave it there. */
enum vmsim__slice vmsim__replay_run(struct vmsim_scenario *s, struct vmsim__job *job, uint64_t until) {
    struct vmsim__replay *r = job->replay;
    unsigned cpu = vmsim__task_at(s->machine, job->task)->cpu;
    while (run_batch(s, r, until)) {
        if (s->machine->cpus[cpu].now > until)
            return VMSIM__SLICE_MORE;
        if (vmsim__host_error(s->machine))
            vmsim__err_set(&s->err, VMSIM_ENOMEM, "%s", vmsim_machine_error(s->machine));
        if (s->err.code || vmsim__run_stopped(s, s->machine->cpus[cpu].now))
            return VMSIM__SLICE_FAIL;
        struct vmsim_trace_item next;
        int got = vmsim_trace_next(r->reader, &next);
        if (got < 0)
            vmsim__err_set(&s->err, got, "%s", vmsim_trace_reader_error(r->reader));
        if (got <= 0)
            return got ? VMSIM__SLICE_FAIL : VMSIM__SLICE_END;
        struct item i = {
            .s = s, .r = r, .job = job, .t = task_of(s, r, next.task), .e = next.event, .trace_task = next.task};
        if (i.t)
            follow_task(s, job, i.t);
        if (next.event && replay_event(&i)) {
            if (!s->err.code)
                vmsim__err_set(&s->err, VMSIM_ENOMEM, "%s", vmsim_machine_error(s->machine));
            return VMSIM__SLICE_FAIL;
        }
        if (!next.event && i.t) {
            r->batch = next.accesses;
            r->left = next.count;
            r->batch_task = next.task;
        }
    }
    return VMSIM__SLICE_MORE;
}
