/* SPDX-License-Identifier: MIT */
/* Calls that make threads and change programs, for who drives the machine call by call. What a recorded or described
 * program brings is checked where it is read; here a caller's image is, so that what does not fit into an address space
 * is refused before the old one goes. Kernel counterparts: kernel/fork.c (kernel_clone), fs/exec.c, fs/binfmt_elf.c. */
#include "machine/calls.h"

int vmsim_task_clone(struct vmsim_machine *m, uint32_t parent, const char *name, bool thread, uint32_t *child) {
    if (!m || !child)
        return VMSIM_EINVAL;
    *child = VMSIM_TASK_NONE;
    struct vmsim__task *p = vmsim__task_get(m, parent);
    const int err = p ? vmsim__sched_catch_up(m, p) : VMSIM_EINVAL;
    return err ? err : vmsim__task_clone(m, parent, name, thread, child);
}

/* ---- exec ---- */

enum { SEGMENTS_MOST = 64 }; /* of one object; a page of program headers holds about as many */

/* The public segments in the form that vm/ takes, with what has been found out about the whole. */
struct image {
    struct vmsim__exec exec;
    struct vmsim__exec_segment segments[2][SEGMENTS_MOST];
    const char *name;
};

/* Ascending, each of whole pages where file and memory meet, and the file no longer than the memory. `room`: how far
 * from the first they may reach. */
static bool fits(const struct vmsim_exec_object *o, uint64_t page, uint64_t room) {
    uint64_t end = 0;
    for (size_t i = 0; i < o->count; i++) {
        const struct vmsim_exec_segment *s = &o->segments[i];
        if (s->address < end || ((s->address ^ s->offset) & (page - 1)) || s->file_bytes > s->memory_bytes ||
            !s->memory_bytes || s->memory_bytes > room || s->address > UINT64_MAX / 4 || s->offset > INT64_MAX / 2 ||
            s->prot & ~7u)
            return false;
        end = s->address + s->memory_bytes;
        if (end - (o->fixed ? 0 : o->segments[0].address) > room)
            return false;
    }
    return true;
}

static int64_t take(struct vmsim_machine *m, const struct vmsim__task *t, const struct vmsim_exec_object *from,
                    struct vmsim__exec_segment *segments, struct vmsim__exec_object *to) {
    const uint64_t page = UINT64_C(1) << m->mem->page_shift;
    to->file = from->file ? vmsim__file_by_id(m->cache, from->file) : NULL;
    if (!to->file)
        return -VMSIM__L_ENOENT;
    if (!from->segments || !from->count || from->count > SEGMENTS_MOST ||
        !fits(from, page, (m->format->levels ? t->mm->map_window : t->mm->task_size) / 4))
        return -VMSIM__L_EINVAL;
    for (size_t i = 0; i < from->count; i++) {
        const struct vmsim_exec_segment *s = &from->segments[i];
        segments[i] = (struct vmsim__exec_segment){s->address, s->offset, s->file_bytes, s->memory_bytes, s->prot};
    }
    to->segments = segments;
    to->count = from->count;
    to->fixed = from->fixed;
    return 0;
}

/* Linux lets arguments have a quarter of the stack's limit, and no more than 6 MiB. Kernel: bprm_stack_limits. */
static int64_t take_arguments(const struct vmsim_exec *from, struct vmsim__exec *to) {
    enum { ARGUMENTS_MOST = 6 << 20, POINTER = 8 };
    if (from->argument_bytes > ARGUMENTS_MOST || from->argument_count > ARGUMENTS_MOST / POINTER ||
        from->argument_bytes + (uint64_t)from->argument_count * POINTER > ARGUMENTS_MOST)
        return -VMSIM__L_E2BIG;
    to->argument_bytes = from->argument_bytes;
    to->argument_count = from->argument_count;
    return 0;
}

/* The task may die while it waits: then there is nobody left to tell. */
static int64_t run(struct vmsim_machine *m, struct vmsim__task *t, const struct image *x) {
    for (;;) {
        const int64_t result = vmsim__task_exec(m, t, x->name, &x->exec);
        if (result != VMSIM__CALL_WAITS)
            return result;
        const int err = vmsim__sched_wait(m, t);
        if (err)
            return err == VMSIM_ESTATE ? -VMSIM__L_EIO : -VMSIM__L_ENOMEM;
        if (t->state == VMSIM__TASK_DEAD)
            return -VMSIM__L_ESRCH;
    }
}

int64_t vmsim_task_exec(struct vmsim_machine *m, uint32_t task, const char *name, const struct vmsim_exec *image) {
    if (!m || !image || image->size < sizeof *image)
        return -VMSIM__L_EINVAL;
    struct vmsim__task *t = vmsim__task_get(m, task);
    if (!t || vmsim__sched_catch_up(m, t) || t->state != VMSIM__TASK_RUNNABLE)
        return -VMSIM__L_ESRCH;
    struct image x = {.name = name};
    int64_t err = take(m, t, &image->program, x.segments[0], &x.exec.program);
    if (!err && image->interpreter.file)
        err = take(m, t, &image->interpreter, x.segments[1], &x.exec.interpreter);
    err = err ? err : take_arguments(image, &x.exec);
    return err ? err : run(m, t, &x);
}
