/* SPDX-License-Identifier: MIT */
/* Replaying a trace: batches go to the access path, events become system calls of the simulated tasks.
 *
 * Mappings lie where the simulated kernel places them, and references follow them (placement.h); or, if the task says
 * so, at the recording's addresses (MAP_FIXED). Calls that failed when recorded are not repeated.
 *
 * Every task of the trace is a task of the machine with a job of its own. Items keep their recorded order: the item at
 * the head belongs to one task, the others wait for their turn; who is through with an item wakes the task of the next
 * one, which goes on no earlier than that. An item that waits (for a device, say) keeps its place at the head. */
#include <string.h>

#include "scenario/engine.h"
#include "scenario/placement.h"
#include "scenario/replay_files.h"
#include "trace/syscall_table.h"
#include "vmsim/trace.h"

struct vmsim__replay {
    struct vmsim_trace_reader *reader;
    const struct vmsim_trace_info *info;
    const char *name;
    bool recorded; /* addresses stay as they were */
    struct {
        VMSIM__VEC(struct vmsim__placement *); /* by trace task; NULL: addresses stay */
    } placements;
    struct {
        VMSIM__VEC(uint32_t); /* machine task of each trace task; VMSIM_TASK_NONE: not started */
    } tasks;
    struct vmsim__replay_files files;
    struct {
        VMSIM__VEC(struct vmsim__exec_segment);
    } segments;
    struct vmsim__job *root; /* declared by the scenario */
    struct {
        VMSIM__VEC(struct vmsim__job *); /* of all tasks of the trace, in order of their beginning */
    } jobs;
    /* the item at the head */
    bool have, ended; /* ended: there is none any more */
    bool running;     /* its task is at work on it */
    struct vmsim_trace_item item;
    size_t done;     /* references of a batch that are done */
    uint64_t cursor; /* of an event: how far it has come when it is entered again */
    /* references of the batch at their simulated places, from chunk_at on still to be done */
    size_t chunk_at, chunk_end;
    vmsim_access chunk[VMSIM__CHUNK];
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

int vmsim__replay_open(struct vmsim_scenario *s, struct vmsim__job *root, const struct vmsim__task_decl *decl,
                       const char *path) {
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
    r->root = root;
    root->replay = r;
    if (vmsim__vec_push(s->alloc, &r->jobs, root))
        return 0;
    return vmsim__err_set(&s->err, VMSIM_ENOMEM, "no memory for a trace");
}

void vmsim__replay_close(struct vmsim_scenario *s, struct vmsim__replay *r) {
    vmsim__replay_files_fini(s, &r->files);
    vmsim_trace_close(r->reader);
    for (size_t i = 0; i < r->placements.count; i++)
        vmsim__placement_put(r->placements.at[i]);
    vmsim__vec_fini(s->alloc, &r->placements);
    vmsim__vec_fini(s->alloc, &r->jobs);
    vmsim__vec_fini(s->alloc, &r->tasks);
    vmsim__vec_fini(s->alloc, &r->segments);
    vmsim__free(s->alloc, r, sizeof *r);
}

uint64_t vmsim__replay_references(const struct vmsim__replay *r) {
    VMSIM__ASSERT(r->info);
    return r->info->references;
}

bool vmsim__replay_ended(const struct vmsim__replay *r) {
    return r->ended;
}

/* An item being replayed. */
struct item {
    struct vmsim_scenario *s;
    struct vmsim__replay *r;
    struct vmsim__task *t; /* NULL: the task has ended or never began */
    const struct vmsim_trace_event *e;
    uint32_t trace_task;
    uint64_t now; /* of the CPU on which it happens */
};

/* An event that is not over: its task waits. */
#define AGAIN 1

static struct vmsim__task *task_of(struct vmsim_scenario *s, struct vmsim__replay *r, uint32_t trace_task) {
    if (trace_task >= r->tasks.count || r->tasks.at[trace_task] == VMSIM_TASK_NONE)
        return NULL;
    struct vmsim__task *t = vmsim__task_at(s->machine, r->tasks.at[trace_task]);
    return t->state == VMSIM__TASK_DEAD ? NULL : t;
}

/* A task of the machine goes on with its part of the trace from now on. */
static int take_part(struct item *i, uint32_t id) {
    struct vmsim__job *job = vmsim__job_create(i->s, id);
    if (!job)
        return VMSIM_ENOMEM;
    job->replay = i->r;
    if (!vmsim__vec_push(i->s->alloc, &i->r->jobs, job))
        return vmsim__err_set(&i->s->err, VMSIM_ENOMEM, "no memory for the tasks of a trace");
    return vmsim__job_begin(job, i->now);
}

/* The first task is the root's; later roots (a trace with several) get tasks beside it. Trace tasks without a fork
 * begin here: the first one, and those of programs whose parent was not recorded. */
static int start(struct item *i) {
    int err = grow(i->s, i->r, i->trace_task);
    if (err || i->r->tasks.at[i->trace_task] != VMSIM_TASK_NONE)
        return err;
    uint32_t id = i->r->root->task;
    bool taken = false;
    for (size_t k = 0; k < i->r->tasks.count; k++)
        taken = taken || i->r->tasks.at[k] == id;
    if (taken)
        err = vmsim_task_create(i->s->machine, i->r->name, vmsim__task_at(i->s->machine, id)->cpu, &id);
    if (err == VMSIM_ELIMIT)
        return 0; /* no frame for its page table: it never begins */
    i->r->tasks.at[i->trace_task] = id;
    return taken && !err ? take_part(i, id) : err;
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
    bool thread = flags & VMSIM_TRACE_FORK_VM && !(flags & VMSIM_TRACE_FORK_PROCESS), waits = false;
    err = shares ? vmsim__task_clone(i->s->machine, i->t->id, i->t->name, thread, &id)
                 : vmsim__task_fork(i->s->machine, i->t, i->t->name, &id, &waits);
    if (!err && waits)
        return AGAIN;
    i->r->tasks.at[child] = err ? VMSIM_TASK_NONE : id;
    if (!err && id != VMSIM_TASK_NONE) {
        i->now = i->s->machine->cpus[i->t->cpu].now;
        err = take_part(i, id);
    }
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
        object->file = vmsim__replay_file(i->s, &i->r->files, seg->file);
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
    if (x->stack_limit > i->t->mm->rlimit[VMSIM__RLIMIT_STACK]) /* it may grow as far as it did */
        vmsim__mm_set_rlimit(i->t->mm, VMSIM__RLIMIT_STACK, x->stack_limit);
    i->r->segments.count = 0;
    if (!gather_object(i, false, &image.program) || !gather_object(i, true, &image.interpreter))
        return no_image(i);
    image.program.segments = i->r->segments.at;
    image.interpreter.segments = image.interpreter.count ? i->r->segments.at + image.program.count : NULL;
    const char *slash = i->e->path ? strrchr(i->e->path, '/') : NULL;
    bool root = i->t->id == i->r->root->task; /* keeps the name that the scenario gave it */
    int64_t result = vmsim__task_exec(i->s->machine, i->t, root ? NULL : slash ? slash + 1 : i->e->path, &image);
    if (result == VMSIM__CALL_WAITS)
        return AGAIN;
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

/* The program went on as recorded, whatever it was given here: that is told. */
static void compare(struct item *i, int64_t here) {
    VMSIM__ASSERT(i->t);
    const struct vmsim_trace_file *f =
        i->e->file == VMSIM_TRACE_NO_FILE ? NULL : vmsim_trace_get_file(i->r->reader, i->e->file);
    vmsim__replay_compare(&i->s->results, i->e, here, i->t->id, i->now, f ? f->path : NULL);
}

/* MAP_32BIT and MAP_HUGETLB are dropped: the place is the simulated kernel's affair, and the recorder's host had pages
 * of its own. But programs align what they were given: below the size of a huge page the place agrees with the recorded
 * one. */
static int replay_mmap(struct item *i) {
    VMSIM__ASSERT(i->t && i->t->mm);
    const struct vmsim_trace_event *e = i->e;
    const struct vmsim__placement *p = i->r->placements.at[i->trace_task];
    const unsigned fixed = VMSIM__MAP_FIXED | VMSIM__MAP_FIXED_NOREPLACE;
    unsigned flags = (unsigned)e->args[3] & ~(fixed | VMSIM__MAP_32BIT | VMSIM__MAP_HUGETLB);
    struct vmsim__file *file = flags & VMSIM__MAP_ANONYMOUS ? NULL : vmsim__replay_file(i->s, &i->r->files, e->file);
    uint64_t va = (uint64_t)e->result;
    if (!file)
        flags |= VMSIM__MAP_ANONYMOUS;
    if (!p || e->args[3] & fixed)
        flags |= VMSIM__MAP_FIXED;
    if (p)
        va = e->args[3] & fixed ? vmsim__placement_of(p, va)
             : file             ? 0
                                : vmsim__mm_place_like(i->t->mm, va, e->args[1]);
    int64_t result =
        vmsim__call(i->s->machine, i->t, VMSIM__CALL_MMAP,
                    VMSIM__FILE_ARGS(file, NULL, va, e->args[1], e->args[2], flags, 0, file ? e->args[4] : 0));
    if (result == VMSIM__CALL_WAITS)
        return AGAIN;
    compare(i, result);
    placed(i, (uint64_t)e->result, e->args[1], result);
    return 0;
}

/* The old range is cleared before the new one is placed, for the two may overlap in the recording's addresses. */
static int replay_mremap(struct item *i) {
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
    int64_t result = vmsim__call(i->s->machine, i->t, VMSIM__CALL_MREMAP, VMSIM__ARGS(old, a[1], a[2], flags, to));
    if (result == VMSIM__CALL_WAITS)
        return AGAIN;
    compare(i, result);
    if (!(flags & VMSIM__MREMAP_DONTUNMAP))
        placed(i, a[0], a[1], -1);
    placed(i, (uint64_t)i->e->result, a[2], result);
    return 0;
}

/* Breaks are counted from the start of the heap, which the simulated kernel puts elsewhere. */
static int replay_brk(struct item *i) {
    struct vmsim__placement *p = i->r->placements.at[i->trace_task];
    struct vmsim__mm *mm = i->t->mm;
    const uint64_t to = (uint64_t)i->e->result;
    const uint64_t brk = p ? mm->start_brk + (to - p->brk_start) : to;
    const int64_t result = vmsim__call(i->s->machine, i->t, VMSIM__CALL_BRK, VMSIM__ARGS(brk));
    if (result == VMSIM__CALL_WAITS)
        return AGAIN;
    compare(i, (uint64_t)result == brk ? i->e->result : -VMSIM__L_ENOMEM);
    if (p)
        placed(i, p->brk_start, to - p->brk_start, (int64_t)mm->start_brk);
    return 0;
}

/* The call of an event that takes a range. */
static enum vmsim__call_id range_call(unsigned type) {
    switch (type) {
    case VMSIM_TRACE_MUNMAP:
        return VMSIM__CALL_MUNMAP;
    case VMSIM_TRACE_MPROTECT:
        return VMSIM__CALL_MPROTECT;
    case VMSIM_TRACE_MADVISE:
        return VMSIM__CALL_MADVISE;
    case VMSIM_TRACE_MSYNC:
        return VMSIM__CALL_MSYNC;
    case VMSIM_TRACE_MLOCK:
        return VMSIM__CALL_MLOCK;
    default:
        return VMSIM__CALL_MUNLOCK;
    }
}

/* A recorded range may have come to several: one call does its work on each. What is behind the cursor has been done
 * before it waited. */
static int64_t range_work(struct vmsim_machine *m, struct vmsim__task *t, void *context) {
    struct item *i = context;
    const enum vmsim__call_id id = range_call(i->e->type);
    const struct vmsim__placement *p = i->r->placements.at[i->trace_task];
    const uint64_t start = i->e->args[0], end = start + i->e->args[1];
    if (!p)
        return vmsim__call_work(m, t, id, VMSIM__ARGS(start, end - start, i->e->args[2]));
    const bool stops = i->e->type == VMSIM_TRACE_MPROTECT || i->e->type == VMSIM_TRACE_MLOCK;
    uint64_t va = vmsim__max64(start, i->r->cursor);
    int64_t first = 0;
    for (const struct vmsim__placed *r; va < end && (r = vmsim__placement_from(p, va)) && r->start < end;) {
        uint64_t from = vmsim__max64(va, r->start), to = vmsim__min64(end, r->end);
        if (from > va && stops)
            return -VMSIM__L_ENOMEM;
        i->r->cursor = from;
        int64_t result = vmsim__call_work(m, t, id, VMSIM__ARGS(from + r->delta, to - from, i->e->args[2]));
        if (result == -VMSIM__ERESTARTSYS || (result && stops))
            return result;
        first = first ? first : result;
        va = to;
    }
    return first ? first : va < end && id != VMSIM__CALL_MUNMAP ? i->e->result : 0;
}

static int replay_range(struct item *i) {
    const int64_t result = vmsim__call_with(i->s->machine, i->t, range_work, i);
    if (result == VMSIM__CALL_WAITS)
        return AGAIN;
    compare(i, result);
    if (i->e->type == VMSIM_TRACE_MUNMAP && i->r->placements.at[i->trace_task])
        placed(i, i->e->args[0], i->e->args[1], -1);
    return 0;
}

/* A call whose result nothing depends on. What is no call of the model has none. */
static int simple_call(struct item *i, enum vmsim__call_id id, const struct vmsim__call_args *args) {
    int64_t result = vmsim__call(i->s->machine, i->t, id, args);
    if (result == VMSIM__CALL_WAITS)
        return AGAIN;
    if (id != VMSIM__CALL_OTHER && id != VMSIM__CALL_OPEN)
        compare(i, result);
    return 0;
}

/* Calls on the address space. False: not one of these. */
static bool replay_memory_call(struct item *i, int *how) {
    switch (i->e->type) {
    case VMSIM_TRACE_MMAP:
        *how = replay_mmap(i);
        return true;
    case VMSIM_TRACE_MREMAP:
        *how = replay_mremap(i);
        return true;
    case VMSIM_TRACE_BRK:
        *how = replay_brk(i);
        return true;
    case VMSIM_TRACE_MUNMAP:
    case VMSIM_TRACE_MPROTECT:
    case VMSIM_TRACE_MADVISE:
    case VMSIM_TRACE_MSYNC:
    case VMSIM_TRACE_MLOCK:
    case VMSIM_TRACE_MUNLOCK:
        *how = replay_range(i);
        return true;
    case VMSIM_TRACE_MLOCKALL:
        *how = simple_call(i, VMSIM__CALL_MLOCKALL, VMSIM__ARGS(i->e->args[0]));
        return true;
    case VMSIM_TRACE_MUNLOCKALL:
        *how = simple_call(i, VMSIM__CALL_MUNLOCKALL, VMSIM__ARGS(0));
        return true;
    default:
        return false;
    }
}

/* What the kernel does in a call that the model does not follow, in ns. */
static uint64_t cost_of(const struct item *i) {
    const struct vmsim__machine_cost_spec *c = &i->s->machine->spec.costs;
    const uint64_t bytes = i->e->result > 0 ? (uint64_t)i->e->result : 0;
    const unsigned page_shift = i->s->machine->mem->page_shift;
    switch (i->e->type) {
    case VMSIM_TRACE_OPEN:
        return c->path_call;
    case VMSIM_TRACE_READ:
    case VMSIM_TRACE_WRITE:
    case VMSIM_TRACE_COPY:
        return c->message_call + (bytes >> page_shift) * c->message_page;
    case VMSIM_TRACE_SIGNAL:
        return c->wait_call;
    case VMSIM_TRACE_SYSCALL:
        break;
    default:
        return c->short_call;
    }
    switch (vmsim__syscall_work(i->e->args[0])) {
    case VMSIM__WORK_OF_PATH:
        return c->path_call;
    case VMSIM__WORK_OF_MESSAGE:
        return c->message_call;
    case VMSIM__WORK_OF_WAIT:
        return c->wait_call;
    case VMSIM__WORK_OF_SHORT:
        break;
    }
    return c->short_call;
}

/* The simulated kernel has restartable sequences also where the recorder's host refused them. */
static int64_t register_rseq(struct item *i) {
    enum { UNREGISTER = 1 };
    const uint64_t *a = i->e->args;
    const struct vmsim__placement *p = i->r->placements.at[i->trace_task];
    struct vmsim__now *now = &i->s->machine->mem->now;
    i->t->rseq = a[3] & UNREGISTER ? 0 : p ? vmsim__placement_of(p, a[1]) : a[1];
    if (!i->t->rseq || vmsim__mm_put_user(i->t->mm, i->t->rseq, i->t->cpu))
        return 0;
    i->t->rseq = 0;
    return vmsim__now_waits(now) ? -VMSIM__ERESTARTSYS : 0;
}

static int64_t other_work(struct vmsim_machine *m, struct vmsim__task *t, void *context) {
    enum { RSEQ = 334 };
    struct item *i = context;
    if (!t->call.entered)
        vmsim__now_charge(&m->mem->now, cost_of(i));
    return i->e->args[0] == RSEQ ? register_rseq(i) : 0;
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
static int replay_other_call(struct item *i) {
    enum { GETTIMEOFDAY = 96, TIME = 201, CLOCK_GETTIME = 228, GETCPU = 309 };
    enum { PROCESS_CPUTIME = 2, THREAD_CPUTIME = 3, PRCTL = 157, SET_THP_DISABLE = 41 };
    const uint64_t number = i->e->args[0], clock = i->e->args[1];
    if (number == GETTIMEOFDAY || number == TIME || number == CLOCK_GETTIME || number == GETCPU) {
        bool cpu_time = number == CLOCK_GETTIME && (clock == PROCESS_CPUTIME || clock == THREAD_CPUTIME);
        if (!i->t->in_call && read_clock(i) && !cpu_time)
            return 0;
    }
    if (number == PRCTL && clock == SET_THP_DISABLE && i->e->result >= 0)
        i->t->mm->thp_disabled = i->e->args[2] != 0;
    return vmsim__call_with(i->s->machine, i->t, other_work, i) == VMSIM__CALL_WAITS ? AGAIN : 0;
}

/* What is read is then written: two calls in one event, as sendfile and its like are. */
static int64_t copy_work(struct vmsim_machine *m, struct vmsim__task *t, void *context) {
    enum { READ, WRITE };
    struct item *i = context;
    const struct vmsim_trace_event *e = i->e;
    const uint64_t bytes = (uint64_t)e->result;
    struct vmsim__file *from = vmsim__replay_file(i->s, &i->r->files, e->file),
                       *to = vmsim__replay_file(i->s, &i->r->files, (uint32_t)e->args[4]);
    int64_t result = 0;
    if (i->r->cursor == READ)
        result = vmsim__call_work(m, t, VMSIM__CALL_READ,
                                  VMSIM__FILE_ARGS(from, &i->r->files.files.at[e->file].ra, e->args[3], bytes));
    if (result == -VMSIM__ERESTARTSYS)
        return result;
    i->r->cursor = WRITE;
    return to ? vmsim__call_work(m, t, VMSIM__CALL_WRITE, VMSIM__FILE_ARGS(to, NULL, e->args[5], bytes)) : 0;
}

/* Calls on files. Sizes are the results of the recorded calls: what a read gave then is read now. */
static int replay_file_call(struct item *i) {
    const struct vmsim_trace_event *e = i->e;
    struct vmsim__file *f = vmsim__replay_file(i->s, &i->r->files, e->file);
    struct vmsim__file_ra *ra = f ? &i->r->files.files.at[e->file].ra : NULL;
    if (!f)
        return simple_call(i, VMSIM__CALL_OTHER, VMSIM__ARGS(cost_of(i)));
    switch (e->type) {
    case VMSIM_TRACE_OPEN:
        return simple_call(i, VMSIM__CALL_OPEN, VMSIM__FILE_ARGS(f, ra, e->args[1], cost_of(i)));
    case VMSIM_TRACE_READ:
        return simple_call(i, VMSIM__CALL_READ, VMSIM__FILE_ARGS(f, ra, e->args[3], (uint64_t)e->result));
    case VMSIM_TRACE_WRITE:
        return simple_call(i, VMSIM__CALL_WRITE, VMSIM__FILE_ARGS(f, NULL, e->args[3], (uint64_t)e->result));
    case VMSIM_TRACE_COPY:
        return vmsim__call_with(i->s->machine, i->t, copy_work, i) == VMSIM__CALL_WAITS ? AGAIN : 0;
    case VMSIM_TRACE_FSYNC:
        return simple_call(i, VMSIM__CALL_FSYNC, VMSIM__FILE_ARGS(f, NULL, 0));
    case VMSIM_TRACE_FTRUNCATE:
        return simple_call(i, VMSIM__CALL_FTRUNCATE, VMSIM__FILE_ARGS(f, NULL, e->args[1]));
    case VMSIM_TRACE_FALLOCATE:
        return simple_call(i, VMSIM__CALL_FALLOCATE, VMSIM__FILE_ARGS(f, NULL, e->args[1], e->args[2], e->args[3]));
    case VMSIM_TRACE_FADVISE:
        return simple_call(i, VMSIM__CALL_FADVISE, VMSIM__FILE_ARGS(f, ra, e->args[1], e->args[2], e->args[3]));
    default:
        return simple_call(i, VMSIM__CALL_OTHER, VMSIM__ARGS(cost_of(i)));
    }
}

/* Limits hold for the replay as they did for the program, from where it set them. */
static void set_limit(struct item *i, uint64_t resource, uint64_t bytes) {
    static const struct {
        uint8_t linux_number, ours;
    } limits[] = {{1, VMSIM__RLIMIT_FSIZE},
                  {2, VMSIM__RLIMIT_DATA},
                  {3, VMSIM__RLIMIT_STACK},
                  {8, VMSIM__RLIMIT_MEMLOCK},
                  {9, VMSIM__RLIMIT_AS}};
    for (size_t k = 0; k < VMSIM__COUNT(limits); k++)
        if (limits[k].linux_number == resource)
            vmsim__mm_set_rlimit(i->t->mm, (enum vmsim__rlimit)limits[k].ours, bytes);
}

static void replay_limit(struct item *i) {
    VMSIM__ASSERT(i->t && i->t->mm);
    if (i->e->result >= 0)
        set_limit(i, i->e->args[0], i->e->args[1]);
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

/* A call over several mappings that fails at one of them has changed those before it: ENOMEM at a hole, EACCES at a
 * file that may not be written. Other failures change nothing. */
static bool has_effect(const struct vmsim_trace_event *e) {
    const bool ranged =
        e->type == VMSIM_TRACE_MPROTECT || e->type == VMSIM_TRACE_MLOCK || e->type == VMSIM_TRACE_MADVISE;
    return e->result >= 0 || (ranged && (e->result == -VMSIM__L_ENOMEM || e->result == -VMSIM__L_EACCES));
}

/* AGAIN, 0, or an error. */
static int replay_event(struct item *i) {
    int how = 0;
    if (i->e->type == VMSIM_TRACE_START)
        return start(i);
    if (!i->t) /* it died here though it lived when recorded: nothing more can happen to it */
        return 0;
    if (!i->t->in_call && vmsim__replay_descriptors(i->s, &i->r->files, i->trace_task, i->e, i->t->cpu))
        return i->s->err.code;
    switch (i->e->type) {
    case VMSIM_TRACE_EXEC:
        return replay_exec(i);
    case VMSIM_TRACE_FORK:
        return replay_fork(i);
    case VMSIM_TRACE_EXIT:
    case VMSIM_TRACE_KILLED:
        return replay_end(i);
    case VMSIM_TRACE_MARKER:
        return vmsim__marker_take(i->s, "trace", i->t->name, i->now);
    case VMSIM_TRACE_MIGRATE:
        return vmsim_task_migrate(i->s->machine, i->t->id, (unsigned)(i->e->args[0] % i->s->machine->nr_cpus));
    case VMSIM_TRACE_FILE:
    case VMSIM_TRACE_UNFOLLOWED:
    case VMSIM_TRACE_UNLINK:
        return 0;
    case VMSIM_TRACE_RLIMIT:
        replay_limit(i);
        return 0;
    case VMSIM_TRACE_SYSCALL:
        return replay_other_call(i);
    default:
        break;
    }
    if (!has_effect(i->e))
        return simple_call(i, VMSIM__CALL_OTHER, VMSIM__ARGS(cost_of(i)));
    return replay_memory_call(i, &how) ? how : replay_file_call(i);
}

/* ---- the head of the trace ---- */

/* The next item becomes the head, if none is. 0 or an error; r->ended: there is none any more. */
static int fetch(struct vmsim_scenario *s, struct vmsim__replay *r) {
    if (r->have || r->ended)
        return 0;
    int got = vmsim_trace_next(r->reader, &r->item);
    if (got < 0)
        return vmsim__err_set(&s->err, got, "%s", vmsim_trace_reader_error(r->reader));
    r->have = got > 0;
    r->ended = !got;
    r->done = r->chunk_at = r->chunk_end = 0;
    r->cursor = 0;
    return 0;
}

/* The task that the head belongs to; NULL: none that lives, whoever comes may work on it. */
static struct vmsim__task *owner(struct vmsim_scenario *s, struct vmsim__replay *r) {
    return r->have ? task_of(s, r, r->item.task) : NULL;
}

static int begin_at_head(struct vmsim_scenario *s, struct vmsim__replay *r, uint64_t now) {
    struct item i = {.s = s, .r = r, .e = r->item.event, .trace_task = r->item.task, .now = now};
    return start(&i);
}

/* Somebody is through with the head: the next item that somebody can work on becomes it, and its task wakes at `now`.
 * Items of tasks that do not live are passed over; beginnings need nobody. After the last item it is the root's turn.
 */
static int hand_over(struct vmsim_scenario *s, struct vmsim__replay *r, uint64_t now) {
    int err = fetch(s, r);
    while (!err && r->have && !owner(s, r)) {
        if (r->item.event && r->item.event->type == VMSIM_TRACE_START)
            err = begin_at_head(s, r, now);
        r->have = false;
        err = err ? err : fetch(s, r);
    }
    if (err)
        return err;
    const struct vmsim__task *next = r->ended ? vmsim__task_at(s->machine, r->root->task) : owner(s, r);
    return vmsim__task_wake_at(s->machine, next, now) ? vmsim__err_set(&s->err, VMSIM_ENOMEM, "no memory for a wake")
                                                      : 0;
}

/* A task that this machine killed though it had ended by itself when recorded. */
static void compare_end(struct vmsim_scenario *s, const struct vmsim__replay *r, const struct vmsim__task *t) {
    for (size_t i = 0; i < r->tasks.count && t->stop != VMSIM_STOP_NONE; i++) {
        const struct vmsim_trace_task *k =
            r->tasks.at[i] == t->id ? vmsim_trace_get_task(r->reader, (uint32_t)i) : NULL;
        if (k && k->exit_status >= 0)
            vmsim__replay_died(&s->results, k->exit_status, t->exit_code, t->id, t->end_ns);
    }
}

void vmsim__replay_exited(struct vmsim_scenario *s, struct vmsim__job *job) {
    struct vmsim__replay *r = job->replay;
    compare_end(s, r, vmsim__task_at(s->machine, job->task));
    if (!r->running)
        hand_over(s, r, vmsim__task_at(s->machine, job->task)->end_ns); /* an error stays with the scenario */
}

/* References of the batch at the head, a chunk after the other, until all are done or `until` has passed. */
static enum vmsim__work run_batch(struct vmsim_scenario *s, struct vmsim__replay *r, struct vmsim__task *t) {
    while (r->done < r->item.count) {
        const struct vmsim__placement *placed_at = r->placements.at[r->item.task];
        struct vmsim_access_result result;
        if (r->chunk_at == r->chunk_end) {
            r->chunk_at = 0;
            r->chunk_end = vmsim__min64(r->item.count - r->done, VMSIM__CHUNK);
            if (placed_at)
                vmsim__placement_translate(r->placements.at[r->item.task], r->item.accesses + r->done, r->chunk,
                                           r->chunk_end);
        }
        const vmsim_access *at = placed_at ? r->chunk + r->chunk_at : r->item.accesses + r->done;
        enum vmsim__work how = vmsim__machine_access(s->machine, t, at, r->chunk_end - r->chunk_at, NULL, &result);
        r->chunk_at += result.done;
        r->done += result.done;
        s->references += result.done;
        if (how != VMSIM__WORK_MORE)
            return how;
        if (s->machine->cpus[t->cpu].now >= s->machine->until)
            break;
    }
    return VMSIM__WORK_MORE;
}

/* Works on the head, which is the task's own. */
static enum vmsim__work run_head(struct vmsim_scenario *s, struct vmsim__replay *r, struct vmsim__task *t, bool *over) {
    *over = false;
    if (!r->item.event) {
        enum vmsim__work work = run_batch(s, r, t);
        *over = work == VMSIM__WORK_MORE && r->done == r->item.count;
        return work;
    }
    struct item i = {.s = s,
                     .r = r,
                     .t = task_of(s, r, r->item.task),
                     .e = r->item.event,
                     .trace_task = r->item.task,
                     .now = s->machine->cpus[t->cpu].now};
    int how = replay_event(&i);
    if (how == AGAIN)
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

/* The head belongs to somebody else now, or there is none: the task waits for its turn; the end of the recording ends
 * the root, and finds the others as they are. */
static enum vmsim__work pass_on(struct vmsim_scenario *s, struct vmsim__replay *r, struct vmsim__task *t) {
    if (hand_over(s, r, s->machine->cpus[t->cpu].now))
        return VMSIM__WORK_FAIL;
    if (r->ended && t->id == r->root->task)
        return VMSIM__WORK_END;
    t->wait = (struct vmsim__wait){VMSIM__WAIT_TURN, 0, VMSIM__TIME_NEVER};
    return VMSIM__WORK_WAIT;
}

/* One item after the other, as long as they are the task's. */
enum vmsim__work vmsim__replay_run(struct vmsim_scenario *s, struct vmsim__job *job) {
    struct vmsim__replay *r = job->replay;
    struct vmsim__task *t = vmsim__task_at(s->machine, job->task);
    const unsigned cpu = t->cpu;
    do {
        bool over;
        if (vmsim__host_error(s->machine))
            return host_failed(s);
        if (s->err.code || fetch(s, r))
            return VMSIM__WORK_FAIL;
        if (owner(s, r) == NULL && r->have && r->item.event && r->item.event->type == VMSIM_TRACE_START) {
            if (begin_at_head(s, r, s->machine->cpus[cpu].now))
                return VMSIM__WORK_FAIL;
            r->have = false;
            continue;
        }
        if (owner(s, r) != t)
            return pass_on(s, r, t);
        r->running = true;
        enum vmsim__work how = run_head(s, r, t, &over);
        r->running = false;
        if (how == VMSIM__WORK_FAIL)
            return s->err.code ? how : host_failed(s);
        r->have = !over && t->state != VMSIM__TASK_DEAD;
        if (t->state == VMSIM__TASK_DEAD)
            return hand_over(s, r, t->end_ns) ? VMSIM__WORK_FAIL : VMSIM__WORK_END;
        if (!over)
            return how;
        if (vmsim__run_stopped(s, s->machine->cpus[cpu].now))
            return VMSIM__WORK_FAIL;
    } while (t->cpu == cpu && s->machine->cpus[cpu].now < s->machine->until);
    return VMSIM__WORK_MORE;
}
