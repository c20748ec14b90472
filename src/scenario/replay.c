/* SPDX-License-Identifier: MIT */
/* Replaying a trace: batches go to the access path, events become system calls of the simulated tasks.
 *
 * Addresses are the recording's: a mapping is made where the recorded program got it (MAP_FIXED), because the
 * references that follow say so. Calls that failed when recorded are not repeated. Items keep their recorded order; a
 * task that runs on another CPU goes on there no earlier than the item before it ended. */
#include <string.h>

#include "scenario/engine.h"
#include "vmsim/trace.h"

struct vmsim__replay {
    struct vmsim_trace_reader *reader;
    const struct vmsim_trace_info *info;
    const char *name;
    bool cached;
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

static int grow(struct vmsim_scenario *s, struct vmsim__replay *r, uint32_t task) {
    while (r->tasks.count <= task) {
        if (!vmsim__vec_push(s->alloc, &r->tasks, VMSIM_TASK_NONE))
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
    int err = vmsim_trace_open(path, VMSIM_TRACE_THREAD, &r->reader);
    if (err) {
        vmsim__err_set(&s->err, err, "%s", r->reader ? vmsim_trace_reader_error(r->reader) : "no memory for a trace");
        vmsim__replay_close(s, r);
        return err;
    }
    r->info = vmsim_trace_get_info(r->reader);
    *out = r;
    return 0;
}

void vmsim__replay_close(struct vmsim_scenario *s, struct vmsim__replay *r) {
    vmsim_trace_close(r->reader);
    vmsim__vec_fini(s->alloc, &r->tasks);
    vmsim__vec_fini(s->alloc, &r->files);
    vmsim__vec_fini(s->alloc, &r->ra);
    vmsim__vec_fini(s->alloc, &r->segments);
    vmsim__free(s->alloc, r, sizeof *r);
}

uint64_t vmsim__replay_references(const struct vmsim__replay *r) {
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

/* The first task is the job's own; later roots (a trace with several) get tasks beside it. */
static int start(struct item *i) {
    int err = grow(i->s, i->r, i->trace_task);
    if (err || i->r->tasks.at[i->trace_task] != VMSIM_TASK_NONE)
        return err;
    uint32_t id = i->job->task;
    for (size_t k = 0; k < i->r->tasks.count; k++) {
        if (i->r->tasks.at[k] == id)
            err = vmsim_task_create(i->s->machine, i->r->name, vmsim__task_at(i->s->machine, id)->cpu, &id);
    }
    i->r->tasks.at[i->trace_task] = id;
    i->t = vmsim__task_at(i->s->machine, id);
    return err;
}

static int replay_fork(struct item *i) {
    uint32_t child = (uint32_t)i->e->args[0], id;
    unsigned flags = (unsigned)i->e->args[1];
    int err = grow(i->s, i->r, child);
    if (err || flags & VMSIM_TRACE_FORK_FAILED)
        return err;
    bool shares = flags & (VMSIM_TRACE_FORK_VM | VMSIM_TRACE_FORK_VFORK);
    err = shares ? vmsim__task_clone(i->s->machine, i->t->id, i->t->name, &id)
                 : vmsim_task_fork(i->s->machine, i->t->id, i->t->name, &id);
    i->r->tasks.at[child] = err ? VMSIM_TASK_NONE : id;
    return err;
}

/* The trace's segments of the program or of its interpreter as an object of vmsim__mm_exec, at the recorded addresses.
 */
static bool gather_object(struct item *i, bool interpreter, struct vmsim__exec_object *object) {
    const struct vmsim_trace_exec *x = i->e->exec;
    size_t first = i->r->segments.count;
    for (size_t k = 0; k < x->segment_count; k++) {
        const struct vmsim_trace_segment *seg = &x->segments[k];
        if ((seg->interpreter != 0) != interpreter || seg->file == VMSIM_TRACE_NO_FILE)
            continue;
        object->file = file_of(i->s, i->r, seg->file);
        struct vmsim__exec_segment out = {.vaddr = seg->va,
                                          .offset = seg->offset,
                                          .file_bytes = seg->file_bytes,
                                          .memory_bytes = seg->length,
                                          .prot = seg->prot};
        if (!object->file || !vmsim__vec_push(i->s->alloc, &i->r->segments, out))
            return false;
    }
    object->count = i->r->segments.count - first;
    object->fixed = true;
    return true;
}

static int replay_exec(struct item *i) {
    const struct vmsim_trace_exec *x = i->e->exec;
    struct vmsim__exec image = {
        .argument_bytes = x->stack_bytes > 8 * (x->argc + x->envc + 40) ? x->stack_bytes - 8 * (x->argc + x->envc + 40)
                                                                        : x->stack_bytes,
        .argument_count = (uint32_t)(x->argc + x->envc),
        .stack_top = x->stack_top,
        .start_brk = x->brk_start,
        .no_vdso = !x->vdso,
    };
    i->r->segments.count = 0;
    if (!gather_object(i, false, &image.program) || !gather_object(i, true, &image.interpreter))
        return vmsim__err_set(&i->s->err, VMSIM_ENOMEM, "no memory for the image of a program");
    image.program.segments = i->r->segments.at;
    image.interpreter.segments = i->r->segments.at + image.program.count;
    const char *slash = i->e->path ? strrchr(i->e->path, '/') : NULL;
    bool root = i->t->id == i->job->task; /* keeps the name that the scenario gave it */
    int64_t result = vmsim__task_exec(i->s->machine, i->t, root ? NULL : slash ? slash + 1 : i->e->path, &image);
    if (result == -VMSIM__L_ENOMEM)
        vmsim__task_kill(i->s->machine, i->t, VMSIM_STOP_OOM, -9);
    else if (result)
        return vmsim__err_set(&i->s->err, VMSIM_ECORRUPT, "trace of '%s': an exec event has an impossible image",
                              i->r->name);
    return 0;
}

static int64_t replay_mmap(struct item *i) {
    const struct vmsim_trace_event *e = i->e;
    unsigned flags =
        (unsigned)e->args[3] & ~(unsigned)(VMSIM__MAP_FIXED_NOREPLACE | VMSIM__MAP_32BIT | VMSIM__MAP_HUGETLB);
    struct vmsim__file *file = flags & VMSIM__MAP_ANONYMOUS ? NULL : file_of(i->s, i->r, e->file);
    if (!file)
        flags |= VMSIM__MAP_ANONYMOUS;
    return vmsim__mm_mmap(i->t->mm, (uint64_t)e->result, e->args[1], (unsigned)e->args[2], flags | VMSIM__MAP_FIXED,
                          file, file ? e->args[4] : 0, i->t->cpu);
}

static int64_t replay_mremap(struct item *i) {
    const uint64_t *a = i->e->args;
    unsigned flags = (unsigned)a[3];
    bool moved = (uint64_t)i->e->result != a[0];
    if (moved)
        flags |= VMSIM__MREMAP_MAYMOVE | VMSIM__MREMAP_FIXED;
    return vmsim__mm_mremap(i->t->mm, a[0], a[1], a[2], flags, moved ? (uint64_t)i->e->result : 0, i->t->cpu);
}

/* Calls on the address space. False: not one of these. */
static bool replay_memory_call(struct item *i) {
    const uint64_t *a = i->e->args;
    struct vmsim__mm *mm = i->t->mm;
    unsigned cpu = i->t->cpu;
    switch (i->e->type) {
    case VMSIM_TRACE_MMAP:
        replay_mmap(i);
        return true;
    case VMSIM_TRACE_MUNMAP:
        vmsim__mm_munmap(mm, a[0], a[1], cpu);
        return true;
    case VMSIM_TRACE_MPROTECT:
        vmsim__mm_mprotect(mm, a[0], a[1], (unsigned)a[2], cpu);
        return true;
    case VMSIM_TRACE_MREMAP:
        replay_mremap(i);
        return true;
    case VMSIM_TRACE_MADVISE:
        vmsim__mm_madvise(mm, a[0], a[1], (int)a[2], cpu);
        return true;
    case VMSIM_TRACE_BRK:
        vmsim__mm_brk(mm, (uint64_t)i->e->result, cpu);
        return true;
    case VMSIM_TRACE_MSYNC:
        vmsim__mm_msync(mm, a[0], a[1], (unsigned)a[2], cpu);
        return true;
    case VMSIM_TRACE_MLOCK:
        vmsim__mm_mlock(mm, a[0], a[1], (unsigned)a[2], cpu);
        return true;
    case VMSIM_TRACE_MUNLOCK:
        vmsim__mm_munlock(mm, a[0], a[1], cpu);
        return true;
    case VMSIM_TRACE_MLOCKALL:
        vmsim__mm_mlockall(mm, (unsigned)a[0], cpu);
        return true;
    case VMSIM_TRACE_MUNLOCKALL:
        vmsim__mm_munlockall(mm, cpu);
        return true;
    default:
        return false;
    }
}

#define O_TRUNC_BIT 0x200u
/* Calls on files. */
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

static int replay_end(struct item *i) {
    bool killed = i->e->type == VMSIM_TRACE_KILLED;
    vmsim__task_kill(i->s->machine, i->t, VMSIM_STOP_NONE, killed ? -(int)i->e->args[0] : (int)i->e->args[0]);
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
    default:
        break;
    }
    vmsim__syscall_enter(i->s->machine, i->t);
    if (i->e->result >= 0 && !replay_memory_call(i))
        replay_file_call(i);
    vmsim__cpu_charge(i->s->machine, i->t);
    return 0;
}

/* Goes on with the batch in work; false: `until` has passed with some of it left. */
static bool run_batch(struct vmsim_scenario *s, struct vmsim__replay *r, uint64_t until) {
    struct vmsim__task *t = task_of(s, r, r->batch_task);
    while (t && r->left) {
        struct vmsim_access_result result;
        size_t n = until == UINT64_MAX ? r->left : vmsim__min64(r->left, VMSIM__CHUNK);
        vmsim__machine_access(s->machine, t, r->batch, n, NULL, &result);
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

/* The CPU on which the trace goes on: that of the item's task. */
static void follow_task(struct vmsim_scenario *s, struct vmsim__job *job, const struct vmsim__task *t) {
    const struct vmsim__task *before = vmsim__task_at(s->machine, job->task);
    if (t->cpu != before->cpu && s->machine->cpus[t->cpu].now < s->machine->cpus[before->cpu].now)
        s->machine->cpus[t->cpu].now = s->machine->cpus[before->cpu].now;
}

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
