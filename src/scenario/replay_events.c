/* SPDX-License-Identifier: MIT */
/* Events of a replayed trace become system calls of the simulated tasks.
 *
 * Mappings lie where the simulated kernel places them, and references follow them (placement.h); or, if the task says
 * so, at the recording's addresses (MAP_FIXED). Calls that failed when recorded are not repeated. An event that waits
 * is entered again: what it knows of its earlier entries stands in the task's call and in the item. */
#include <string.h>

#include "scenario/placement.h"
#include "scenario/replay.h"
#include "trace/syscall_table.h"

/* An event that is not over: its task waits. */
#define AGAIN VMSIM__REPLAY_AGAIN

/* The host's memory, not the machine's: a simulated lack of memory ends a task and not the run. */
static int no_memory(struct vmsim__replaying *i) {
    return vmsim__err_set(&i->s->err, VMSIM_ENOMEM, "no memory for the address space of a recorded program");
}

/* The child's mappings lie where its parent's do. */
static int share_placement(struct vmsim__replaying *i, uint32_t child, bool shares) {
    VMSIM__ASSERT(child < i->r->placements.count);
    struct vmsim__placement *p = i->r->placements.at[i->trace_task];
    if (!p)
        return 0;
    p->users += shares;
    struct vmsim__placement *before = i->r->placements.at[child]; /* of an earlier task of that number */
    i->r->placements.at[child] = shares ? p : vmsim__placement_copy(p);
    vmsim__placement_put(before);
    return i->r->placements.at[child] ? 0 : no_memory(i);
}

static void compare(struct vmsim__replaying *i, int64_t here);

/* vfork counts as sharing: parent and child use one address space until the child's exec, which is all that memory
 * sees of it. */
static int replay_fork(struct vmsim__replaying *i) {
    VMSIM__ASSERT(i->t);
    const uint32_t child = vmsim__order_child(i->x);
    const unsigned flags = (unsigned)i->e->args[1];
    if (child == VMSIM_TRACE_NO_TASK)
        return 0;
    uint32_t id;
    bool waits = false;
    const bool shares = flags & (VMSIM_TRACE_FORK_VM | VMSIM_TRACE_FORK_VFORK);
    const bool thread = flags & VMSIM_TRACE_FORK_VM && !(flags & VMSIM_TRACE_FORK_PROCESS);
    int err = vmsim__replay_grow(i->s, i->r, child);
    if (!err && !shares && vmsim__replay_nommu(i)) {
        compare(i, -VMSIM__L_ENOSYS);
        return vmsim__replay_settle(i->s, i->r, child, VMSIM_TASK_NONE, i->now);
    }
    if (!err)
        err = shares ? vmsim__task_clone(i->s->machine, i->t->id, i->t->name, thread, &id)
                     : vmsim__task_fork(i->s->machine, i->t, i->t->name, &id, &waits);
    if (!err && waits)
        return AGAIN;
    if (err || (err = share_placement(i, child, shares)) != 0)
        return err;
    return vmsim__replay_settle(i->s, i->r, child, id, i->s->machine->cpus[i->t->cpu].now);
}

/* The trace's segments of the program or of its interpreter as an object of vmsim__mm_exec. */
static bool gather_object(struct vmsim__replaying *i, bool interpreter, struct vmsim__exec_object *object) {
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
    object->fixed = !vmsim__replay_nommu(i) && (i->r->recorded || !bias); /* without an MMU: as built for it */
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

/* By whole pages: segments of one object may share the page at their border, and go the same way. */
static bool place_object(struct vmsim__placement *p, const struct vmsim__mm *mm, const struct vmsim__exec_object *o,
                         uint64_t bias, uint64_t page) {
    VMSIM__ASSERT(p->users > 0);
    const uint64_t delta = delta_of(mm, o, bias, page);
    for (size_t k = 0; k < o->count; k++) {
        uint64_t start = o->segments[k].vaddr + bias, end = start + o->segments[k].memory_bytes;
        if (!vmsim__placement_set(p, vmsim__align_down(start, page), vmsim__align_up(end, page), delta))
            return false;
    }
    return true;
}

/* What the program maps comes below [vvar], here as when it was recorded, whatever the sizes of that are. */
static void align_with_recording(struct vmsim__replaying *i, struct vmsim__mm *mm) {
    const struct vmsim_trace_exec *x = i->e->exec;
    const struct vmsim_machine *m = i->s->machine;
    if (mm->vdso && x->vdso)
        vmsim__mm_begin_like(mm, mm->vdso - (m->spec.vm.vvar_pages << m->mem->page_shift), x->vdso - x->vvar_bytes);
}

/* The new image: program, interpreter and stack, each where the simulated kernel put it. The stack is the topmost
 * mapping; its recorded limit is taken as its size, because references may lie anywhere below the top. */
static int place_image(struct vmsim__replaying *i, const struct vmsim__exec *image) {
    VMSIM__ASSERT(i->t && i->t->mm && i->t->mm->first && !i->r->recorded);
    const struct vmsim_trace_exec *x = i->e->exec;
    struct vmsim__mm *mm = i->t->mm;
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
    align_with_recording(i, mm);
    uint64_t room = vmsim__min64(x->stack_limit, x->stack_top);
    bool ok = vmsim__placement_set(p, x->stack_top - room, x->stack_top, stack->end - x->stack_top) &&
              vmsim__placement_set(p, x->vdso, x->vdso + x->vdso_bytes, mm->vdso - x->vdso) &&
              place_object(p, mm, &image->program, x->load_base, page) &&
              place_object(p, mm, &image->interpreter, x->interpreter_base, page);
    return ok ? 0 : no_memory(i);
}

/* A segment could not be had. */
static int no_image(struct vmsim__replaying *i) {
    if (vmsim__host_error(i->s->machine))
        return vmsim__err_set(&i->s->err, VMSIM_ENOMEM, "no memory for the image of a program");
    return vmsim__err_set(&i->s->err, VMSIM_ECORRUPT, "trace of '%s': an exec event maps what is no file", i->r->name);
}

/* Where the trace knows the bytes of the stack, pointers and the auxiliary vector (about 40 words) are taken off:
 * vmsim__mm_exec adds its own. */
static int replay_exec(struct vmsim__replaying *i) {
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
    if (result == -VMSIM__L_ENOMEM || (result == -VMSIM__L_E2BIG && vmsim__replay_nommu(i)))
        vmsim__task_signal(i->s->machine, i->t, VMSIM_STOP_OOM);
    else if (result)
        return vmsim__err_set(&i->s->err, VMSIM_ECORRUPT, "trace of '%s': an exec event has an impossible image",
                              i->r->name);
    if (i->r->recorded || result)
        return 0;
    return vmsim__replay_nommu(i) ? vmsim__replay_nommu_image(i, &image) : place_image(i, &image);
}

/* A call that failed for want of the host's memory is found by the checks after it; here only the list can fail. */
static void placed(struct vmsim__replaying *i, uint64_t start, uint64_t length, int64_t result) {
    VMSIM__ASSERT(i->trace_task < i->r->placements.count);
    struct vmsim__placement *p = i->r->placements.at[i->trace_task];
    uint64_t end = start + vmsim__align_up(length, UINT64_C(1) << i->s->machine->mem->page_shift);
    if (p && !(result < 0 ? vmsim__placement_clear(p, start, end)
                          : vmsim__placement_set(p, start, end, (uint64_t)result - start)))
        no_memory(i);
}

/* The program went on as recorded, whatever it was given here: that is told. */
static void compare(struct vmsim__replaying *i, int64_t here) {
    VMSIM__ASSERT(i->t);
    const struct vmsim_trace_file *f =
        i->e->file == VMSIM_TRACE_NO_FILE ? NULL : vmsim_trace_get_file(i->r->reader, i->e->file);
    vmsim__replay_compare(&i->s->results, i->e, here, i->t->id, i->now, f ? f->path : NULL);
}

/* A trace that tells no exec has its addresses as they are, but for mappings that no program may have here: the kernel
 * finds a place for one below vm.mmap_min_addr, and references follow it. */
static int move_up(struct vmsim__replaying *i) {
    struct vmsim__placement **p = &i->r->placements.at[i->trace_task];
    VMSIM__ASSERT(i->e->type == VMSIM_TRACE_MMAP);
    const bool low = i->e->result >= 0 && (uint64_t)i->e->result < i->s->machine->spec.vm.mmap_min_addr;
    if (*p || i->r->recorded || !low || i->e->args[3] & (VMSIM__MAP_FIXED | VMSIM__MAP_FIXED_NOREPLACE))
        return 0;
    *p = vmsim__placement_create(i->s->alloc);
    return *p ? 0 : no_memory(i);
}

/* Pages of a pool are pages of one here, where there is a pool of that size; else the mapping is of ordinary memory. */
static bool has_pool(const struct vmsim__mem *mem, unsigned flags) {
    const unsigned h = vmsim__hugetlb_of_flags(mem, flags);
    return h < mem->nr_hstates && vmsim__hugetlb_total(mem, h, VMSIM__MAX_NODES) > 0;
}

/* What to ask mmap for. A hint that was taken is asked for again, beside the same neighbour. */
static uint64_t place(const struct vmsim__replaying *i, const struct vmsim__placement *p, unsigned flags,
                      const struct vmsim__file *file) {
    const struct vmsim_trace_event *e = i->e;
    const uint64_t va = (uint64_t)e->result, page = UINT64_C(1) << i->s->machine->mem->page_shift;
    if (e->args[3] & (VMSIM__MAP_FIXED | VMSIM__MAP_FIXED_NOREPLACE))
        return vmsim__placement_of(p, va);
    if (e->args[0] && va == vmsim__align_up(e->args[0], page))
        return vmsim__placement_beside(p, va);
    return file || flags & VMSIM__MAP_HUGETLB ? 0 : vmsim__mm_place_like(i->t->mm, va, e->args[1], flags);
}

/* MAP_32BIT is dropped: the place is the simulated kernel's affair. But programs align what they were given: below the
 * size of a huge page the place agrees with the recorded one. */
static int replay_mmap(struct vmsim__replaying *i) {
    VMSIM__ASSERT(i->t && i->t->mm);
    const struct vmsim_trace_event *e = i->e;
    const struct vmsim__placement *p = i->r->placements.at[i->trace_task];
    const unsigned fixed = VMSIM__MAP_FIXED | VMSIM__MAP_FIXED_NOREPLACE;
    unsigned flags = (unsigned)e->args[3] & ~(fixed | VMSIM__MAP_32BIT);
    struct vmsim__file *file = flags & VMSIM__MAP_ANONYMOUS ? NULL : vmsim__replay_file(i->s, &i->r->files, e->file);
    uint64_t va = (uint64_t)e->result;
    if (file || !has_pool(i->s->machine->mem, flags))
        flags &= ~(VMSIM__MAP_HUGETLB | 63u << VMSIM__MAP_HUGE_SHIFT);
    if (!file)
        flags |= VMSIM__MAP_ANONYMOUS;
    if (!p || e->args[3] & fixed)
        flags |= VMSIM__MAP_FIXED;
    if (p)
        va = place(i, p, flags, file);
    int64_t result = vmsim__call(i->s->machine, i->t, VMSIM__CALL_MMAP,
                                 VMSIM__FILE_ARGS(file, file ? &i->r->files.files.at[e->file].ra : NULL, va, e->args[1],
                                                  e->args[2], flags, 0, file ? e->args[4] : 0));
    if (result == VMSIM__CALL_WAITS)
        return AGAIN;
    compare(i, result);
    placed(i, (uint64_t)e->result, e->args[1], result);
    return 0;
}

/* The old range is cleared before the new one is placed, for the two may overlap in the recording's addresses. */
static int replay_mremap(struct vmsim__replaying *i) {
    VMSIM__ASSERT(i->t->mm && i->e->type == VMSIM_TRACE_MREMAP);
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
static int replay_brk(struct vmsim__replaying *i) {
    VMSIM__ASSERT(i->t->mm && i->e->type == VMSIM_TRACE_BRK);
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

/* Whether a range with a hole is done up to the hole. Advice and msync go on behind it and say ENOMEM in the end. */
static bool stops_at_hole(const struct vmsim_trace_event *e) {
    enum { POPULATE_READ = 22, POPULATE_WRITE = 23 };
    if (e->type == VMSIM_TRACE_MADVISE)
        return e->args[2] == POPULATE_READ || e->args[2] == POPULATE_WRITE;
    return e->type != VMSIM_TRACE_MSYNC && e->type != VMSIM_TRACE_MUNMAP;
}

static bool has_hole(const struct vmsim__placement *p, uint64_t start, uint64_t end) {
    for (const struct vmsim__placed *r; start < end && (r = vmsim__placement_from(p, start)) && r->start <= start;)
        start = r->end;
    return start < end;
}

/* A recorded range may have come to several: one call does its work on each. What is behind the cursor has been done
 * before it waited. */
static int64_t range_work(struct vmsim_machine *m, struct vmsim__task *t, void *context) {
    struct vmsim__replaying *i = context;
    const enum vmsim__call_id id = range_call(i->e->type);
    const struct vmsim__placement *p = i->r->placements.at[i->trace_task];
    const uint64_t start = i->e->args[0], end = start + i->e->args[1];
    if (!p)
        return vmsim__call_work(m, t, id, VMSIM__ARGS(start, end - start, i->e->args[2]));
    const bool stops = stops_at_hole(i->e), unmaps = id == VMSIM__CALL_MUNMAP;
    const unsigned locks = id == VMSIM__CALL_MLOCK && has_hole(p, start, end) ? VMSIM__MLOCK_HOLE : 0;
    uint64_t va = vmsim__max64(start, i->x->cursor);
    bool hole = i->x->cursor && i->x->hole;
    for (const struct vmsim__placed *r; va < end && (r = vmsim__placement_from(p, va)) && r->start < end;) {
        uint64_t from = vmsim__max64(va, r->start), to = vmsim__min64(end, r->end);
        hole |= from > va;
        if (hole && stops)
            return -VMSIM__L_ENOMEM;
        i->x->cursor = from;
        i->x->hole = hole;
        int64_t result = vmsim__call_work(m, t, id, VMSIM__ARGS(from + r->delta, to - from, i->e->args[2] | locks));
        if (result == -VMSIM__L_ENOMEM && !stops)
            hole = true;
        else if (result)
            return result;
        va = to;
    }
    return (hole || va < end) && !unmaps ? -VMSIM__L_ENOMEM : 0;
}

/* One way for all calls over a range: performed by the function that the step verb uses too, waited for like that, and
 * then held against what was recorded. */
static int replay_range(struct vmsim__replaying *i) {
    VMSIM__ASSERT(i->t->mm);
    const int64_t result = vmsim__call_with(i->s->machine, i->t, range_work, i);
    if (result == VMSIM__CALL_WAITS)
        return AGAIN;
    compare(i, result);
    if (i->e->type == VMSIM_TRACE_MUNMAP && i->r->placements.at[i->trace_task])
        placed(i, i->e->args[0], i->e->args[1], -1);
    return 0;
}

/* mbind of a recorded range, which may have come to several. A hole is EFAULT, and changes nothing behind it. */
static int64_t mbind_work(struct vmsim_machine *m, struct vmsim__task *t, void *context) {
    struct vmsim__replaying *i = context;
    const struct vmsim__placement *p = i->r->placements.at[i->trace_task];
    const uint64_t *a = i->e->args, end = a[3] + a[4];
    int64_t result = 0;
    if (!p || !a[4] || end < a[3])
        return vmsim__call_work(m, t, VMSIM__CALL_MBIND, VMSIM__ARGS(a[3], a[4], a[1], a[2], a[5]));
    for (uint64_t va = vmsim__max64(a[3], i->x->cursor); va < end && !result;) {
        const struct vmsim__placed *r = vmsim__placement_from(p, va);
        if (!r || r->start > va)
            return -VMSIM__L_EFAULT;
        const uint64_t to = vmsim__min64(end, r->end);
        VMSIM__ASSERT(to > va);
        i->x->cursor = va;
        result = vmsim__call_work(m, t, VMSIM__CALL_MBIND, VMSIM__ARGS(va + r->delta, to - va, a[1], a[2], a[5]));
        va = to;
    }
    return result;
}

/* mbind with MPOL_MF_MOVE may wait for pages, and is entered again with the same arguments. */
static int replay_mempolicy(struct vmsim__replaying *i) {
    enum { MBIND = 237 }; /* on x86-64 */
    const uint64_t *a = i->e->args;
    VMSIM__ASSERT(i->e->type == VMSIM_TRACE_MEMPOLICY);
    const int64_t result = a[0] == MBIND
                               ? vmsim__call_with(i->s->machine, i->t, mbind_work, i)
                               : vmsim__call(i->s->machine, i->t, VMSIM__CALL_SET_MEMPOLICY, VMSIM__ARGS(a[1], a[2]));
    if (result == VMSIM__CALL_WAITS)
        return AGAIN;
    compare(i, result);
    return 0;
}

/* A call whose result nothing depends on. What is no call of the model has none. */
static int simple_call(struct vmsim__replaying *i, enum vmsim__call_id id, const struct vmsim__call_args *args) {
    VMSIM__ASSERT(id < VMSIM__CALLS);
    int64_t result = vmsim__call(i->s->machine, i->t, id, args);
    if (result == VMSIM__CALL_WAITS)
        return AGAIN;
    if (id != VMSIM__CALL_OTHER && id != VMSIM__CALL_OPEN)
        compare(i, result);
    return 0;
}

/* Calls on the address space. False: not one of these. */
static bool replay_memory_call(struct vmsim__replaying *i, int *how) {
    if (vmsim__replay_nommu_call(i, how))
        return true;
    switch (i->e->type) {
    case VMSIM_TRACE_MMAP:
        *how = move_up(i);
        if (!*how)
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
    case VMSIM_TRACE_MEMPOLICY:
        *how = replay_mempolicy(i);
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
static uint64_t cost_of(const struct vmsim__replaying *i) {
    const struct vmsim__machine_cost_spec *c = &i->s->machine->spec.costs;
    const uint64_t bytes = i->e->result > 0 ? (uint64_t)i->e->result : 0;
    const unsigned page_shift = i->s->machine->mem->page_shift;
    switch (i->e->type) {
    case VMSIM_TRACE_OPEN:
        return c->path_call + (i->e->result >= 0 ? c->open_call : 0);
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
    case VMSIM__WORK_OF_NAME:
        return i->e->result >= 0 ? c->name_call : c->path_call;
    case VMSIM__WORK_OF_OBJECT:
        return c->object_call;
    case VMSIM__WORK_OF_ENTRIES:
        return c->short_call + (bytes * c->entries_page >> page_shift);
    case VMSIM__WORK_OF_SOCKET:
        return c->socket_call + (bytes >> page_shift) * c->message_page;
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
static int64_t register_rseq(struct vmsim__replaying *i) {
    VMSIM__ASSERT(i->t->in_call);
    enum { UNREGISTER = 1 };
    if (vmsim__replay_nommu(i))
        return -VMSIM__L_ENOSYS;
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
    struct vmsim__replaying *i = context;
    if (!t->call.entered)
        vmsim__now_charge(&m->mem->now, cost_of(i));
    return i->e->args[0] == RSEQ ? register_rseq(i) : 0;
}

/* Clocks are read in the vdso: what was recorded as a system call, since the recorded one has no functions, is none.
 * False: there is no vdso to call. */
static bool read_clock(struct vmsim__replaying *i) {
    if (i->r->recorded || !i->t->mm->vdso)
        return false;
    vmsim__cpu_load(i->s->machine, i->t);
    vmsim__mm_vdso_call(i->t->mm, i->t->cpu);
    vmsim__cpu_charge(i->s->machine, i->t);
    return true;
}

/* Calls that have no event of their own, by their numbers. Clocks of CPU time are the kernel's: they are asked for
 * after a look in the vdso. */
static int replay_other_call(struct vmsim__replaying *i) {
    VMSIM__ASSERT(i->e->type == VMSIM_TRACE_SYSCALL);
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
    struct vmsim__replaying *i = context;
    const struct vmsim_trace_event *e = i->e;
    VMSIM__ASSERT(e->type == VMSIM_TRACE_COPY);
    const uint64_t bytes = (uint64_t)e->result;
    struct vmsim__file *from = vmsim__replay_file(i->s, &i->r->files, e->file),
                       *to = vmsim__replay_file(i->s, &i->r->files, (uint32_t)e->args[4]);
    int64_t result = 0;
    if (i->x->cursor == READ)
        result = vmsim__call_work(m, t, VMSIM__CALL_READ,
                                  VMSIM__FILE_ARGS(from, &i->r->files.files.at[e->file].ra, e->args[3], bytes));
    if (result == -VMSIM__ERESTARTSYS)
        return result;
    i->x->cursor = WRITE;
    return to ? vmsim__call_work(m, t, VMSIM__CALL_WRITE, VMSIM__FILE_ARGS(to, NULL, e->args[5], bytes)) : 0;
}

static int64_t write_work(struct vmsim_machine *m, struct vmsim__task *t, void *context) {
    struct vmsim__replaying *i = context;
    const struct vmsim_trace_event *e = i->e;
    struct vmsim__file *f = vmsim__replay_file(i->s, &i->r->files, e->file);
    if (!t->call.entered && f->kind == VMSIM__FILE_REGULAR && e->result > 0)
        vmsim__now_charge(&m->mem->now, m->spec.costs.file_write);
    return vmsim__call_work(m, t, VMSIM__CALL_WRITE, VMSIM__FILE_ARGS(f, NULL, e->args[3], (uint64_t)e->result));
}

static int replay_write(struct vmsim__replaying *i) {
    const int64_t result = vmsim__call_with(i->s->machine, i->t, write_work, i);
    if (result == VMSIM__CALL_WAITS)
        return AGAIN;
    compare(i, result);
    return 0;
}

/* Calls on files. Sizes are the results of the recorded calls: what a read gave then is read now. */
static int replay_file_call(struct vmsim__replaying *i) {
    VMSIM__ASSERT(i->t->state == VMSIM__TASK_RUNNABLE);
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
        return replay_write(i);
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
static void set_limit(struct vmsim__replaying *i, uint64_t resource, uint64_t bytes) {
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

/* Where it ran when it was recorded, unless its cpuset does not allow that here. */
static int replay_migrate(const struct vmsim__replaying *i) {
    struct vmsim_machine *m = i->s->machine;
    const unsigned cpu = (unsigned)(i->e->args[0] % m->nr_cpus);
    return vmsim__cpuset_has_cpu(m, i->t, cpu) ? vmsim_task_migrate(m, i->t->id, cpu) : 0;
}

static void replay_limit(struct vmsim__replaying *i) {
    VMSIM__ASSERT(i->t && i->t->mm);
    if (i->e->result >= 0)
        set_limit(i, i->e->args[0], i->e->args[1]);
}

/* A signal's event comes for each thread, with what it did last before it; that of exit_group for the caller alone. */
static int replay_end(struct vmsim__replaying *i) {
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
 * file that may not be written, EINVAL at one that takes no such advice. Other failures change nothing. */
static bool has_effect(const struct vmsim_trace_event *e) {
    const bool ranged = e->type == VMSIM_TRACE_MPROTECT || e->type == VMSIM_TRACE_MLOCK ||
                        e->type == VMSIM_TRACE_MUNLOCK || e->type == VMSIM_TRACE_MADVISE;
    const bool half = e->result == -VMSIM__L_ENOMEM || e->result == -VMSIM__L_EACCES ||
                      (e->result == -VMSIM__L_EINVAL && e->type == VMSIM_TRACE_MADVISE);
    return e->result >= 0 || (ranged && half);
}

/* AGAIN, 0, or an error. */
int vmsim__replay_event(struct vmsim__replaying *i) {
    int how = 0;
    VMSIM__ASSERT(i->t && i->t->state == VMSIM__TASK_RUNNABLE);
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
        return vmsim__marker_take(i->s, i->e->path && *i->e->path ? i->e->path : "trace", i->t->name, i->now);
    case VMSIM_TRACE_MIGRATE:
        return replay_migrate(i);
    case VMSIM_TRACE_START: /* its fork has begun it */
    case VMSIM_TRACE_FILE:
    case VMSIM_TRACE_UNFOLLOWED:
    case VMSIM_TRACE_UNLINK:
        return 0;
    case VMSIM_TRACE_RLIMIT:
        replay_limit(i);
        return 0;
    case VMSIM_TRACE_SYSCALL:
        return replay_other_call(i);
    case VMSIM_TRACE_REMOTE:
        return vmsim__replay_remote(i);
    case VMSIM_TRACE_SWAP:
        return vmsim__replay_swap(i);
    default:
        break;
    }
    if (!has_effect(i->e))
        return simple_call(i, VMSIM__CALL_OTHER, VMSIM__ARGS(cost_of(i)));
    return replay_memory_call(i, &how) ? how : replay_file_call(i);
}
