/* SPDX-License-Identifier: MIT */
/* A recorded program on a machine without an MMU, as far as one can be: a program built for such a machine asks for
 * memory in the same places, and each of its mappings is a run of frames wherever there is one.
 *
 *     recorded   [text][data][heap ...][heap ...]        [library over a reservation]   [stack]
 *     here       a run each, the stack one of 128 KiB; references follow through the placement (placement.h)
 *
 * What a libc does there when a call is refused is done for it: a break that cannot grow becomes a mapping (malloc asks
 * mmap then), a mapping that cannot grow is a new one, whose old one goes. A place that was asked for cannot be had, so
 * that what ld.so maps over its reservation gets memory of its own. Rights are those of regions: what was reserved
 * without any has all that the program could give it later. Forks fail, and their children never begin. Kernel
 * counterparts: fs/binfmt_elf_fdpic.c, mm/nommu.c. */
#include "scenario/placement.h"
#include "scenario/replay.h"

bool vmsim__replay_nommu(const struct vmsim__replaying *i) {
    return !i->s->machine->format->levels;
}

static int no_memory(struct vmsim__replaying *i) {
    return vmsim__err_set(&i->s->err, VMSIM_ENOMEM, "no memory for the address space of a recorded program");
}

/* The run of a segment: of this file, from the segment's first page on. */
static const struct vmsim__vma *run_of(const struct vmsim__mm *mm, const struct vmsim__exec_object *o,
                                       const struct vmsim__exec_segment *s) {
    const uint64_t in_page = s->vaddr & (mm->vm->page_size - 1);
    const uint64_t bytes = vmsim__align_up(s->memory_bytes + in_page, mm->vm->page_size);
    for (const struct vmsim__vma *v = mm->first; v; v = v->next) {
        if (v->file == o->file && v->pgoff == (s->offset - in_page) >> mm->vm->page_shift && v->end - v->start == bytes)
            return v;
    }
    return NULL;
}

static bool place_object(struct vmsim__placement *p, const struct vmsim__mm *mm, const struct vmsim__exec_object *o,
                         uint64_t bias) {
    for (size_t k = 0; k < o->count; k++) {
        const struct vmsim__exec_segment *s = &o->segments[k];
        const struct vmsim__vma *v = run_of(mm, o, s);
        const uint64_t start = vmsim__align_down(s->vaddr + bias, mm->vm->page_size);
        if (v && !vmsim__placement_set(p, start, start + (v->end - v->start), v->start - start))
            return false;
    }
    return true;
}

/* There is no vdso: what a loader reads of its header it reads at the far end of the stack. */
int vmsim__replay_nommu_image(struct vmsim__replaying *i, const struct vmsim__exec *image) {
    const struct vmsim_trace_exec *x = i->e->exec;
    struct vmsim__mm *mm = i->t->mm;
    const struct vmsim__vma *stack = vmsim__mm_find_vma(mm, mm->start_brk);
    struct vmsim__placement *p = vmsim__placement_create(i->s->alloc);
    VMSIM__ASSERT(stack && stack->start == mm->start_brk && !i->r->recorded);
    if (!p)
        return no_memory(i);
    vmsim__placement_put(i->r->placements.at[i->trace_task]);
    i->r->placements.at[i->trace_task] = p;
    p->brk_start = p->brk_top = x->brk_start;
    const uint64_t room = vmsim__min64(stack->end - stack->start, x->stack_top);
    const uint64_t functions = vmsim__min64(x->vdso_bytes, room / 2);
    const bool ok = vmsim__placement_set(p, x->vdso, x->vdso + functions, stack->start - x->vdso) &&
                    vmsim__placement_set(p, x->stack_top - room, x->stack_top, stack->end - x->stack_top) &&
                    place_object(p, mm, &image->program, x->load_base) &&
                    place_object(p, mm, &image->interpreter, x->interpreter_base);
    return ok ? 0 : no_memory(i);
}

/* Anonymous memory wherever there is some. */
static int64_t new_run(struct vmsim_machine *m, struct vmsim__task *t, uint64_t length) {
    return vmsim__call_work(m, t, VMSIM__CALL_MMAP,
                            VMSIM__FILE_ARGS(NULL, NULL, 0, length, VMSIM__PROT_READ | VMSIM__PROT_WRITE,
                                             VMSIM__MAP_PRIVATE | VMSIM__MAP_ANONYMOUS, 0, 0));
}

/* Recorded [start, end) lies at `at` now; negative: nowhere. */
static int placed(struct vmsim__replaying *i, uint64_t start, uint64_t end, int64_t at) {
    struct vmsim__placement *p = i->r->placements.at[i->trace_task];
    const bool ok =
        (at < 0 ? vmsim__placement_clear(p, start, end) : vmsim__placement_set(p, start, end, (uint64_t)at - start));
    return ok ? 0 : no_memory(i);
}

static uint64_t page_up(const struct vmsim__replaying *i, uint64_t va) {
    return vmsim__align_up(va, UINT64_C(1) << i->s->machine->mem->page_shift);
}

/* From the highest break that there was memory for to the new one. */
static int64_t grow_break(struct vmsim_machine *m, struct vmsim__task *t, void *context) {
    const struct vmsim__replaying *i = context;
    const struct vmsim__placement *p = i->r->placements.at[i->trace_task];
    return new_run(m, t, page_up(i, (uint64_t)i->e->result) - page_up(i, p->brk_top));
}

static int replay_brk(struct vmsim__replaying *i) {
    struct vmsim__placement *p = i->r->placements.at[i->trace_task];
    const uint64_t to = (uint64_t)i->e->result;
    if (!p->brk_top) /* a trace that tells no exec: it asks where the break is */
        p->brk_top = to;
    if (page_up(i, to) <= page_up(i, p->brk_top))
        return 0;
    const int64_t at = vmsim__call_with(i->s->machine, i->t, grow_break, i);
    if (at == VMSIM__CALL_WAITS)
        return VMSIM__REPLAY_AGAIN;
    const int err = placed(i, page_up(i, p->brk_top), page_up(i, to), at);
    p->brk_top = to;
    return err;
}

static int replay_mmap(struct vmsim__replaying *i) {
    const struct vmsim_trace_event *e = i->e;
    const unsigned kept = VMSIM__MAP_TYPE | VMSIM__MAP_ANONYMOUS | VMSIM__MAP_POPULATE | VMSIM__MAP_NORESERVE;
    struct vmsim__file *file =
        e->args[3] & VMSIM__MAP_ANONYMOUS ? NULL : vmsim__replay_file(i->s, &i->r->files, e->file);
    const uint64_t prot = file && e->args[2] ? e->args[2] : e->args[2] | VMSIM__PROT_READ | VMSIM__PROT_WRITE;
    unsigned flags = ((unsigned)e->args[3] & kept) | (file ? 0 : VMSIM__MAP_ANONYMOUS);
    if (file && !(e->args[2] & VMSIM__PROT_WRITE)) /* who may not map a file that he shares reads it */
        flags = (flags & ~(unsigned)VMSIM__MAP_TYPE) | VMSIM__MAP_PRIVATE;
    const int64_t at = vmsim__call(i->s->machine, i->t, VMSIM__CALL_MMAP,
                                   VMSIM__FILE_ARGS(file, file ? &i->r->files.files.at[e->file].ra : NULL, 0,
                                                    e->args[1], prot, flags, 0, file ? e->args[4] : 0));
    if (at == VMSIM__CALL_WAITS)
        return VMSIM__REPLAY_AGAIN;
    vmsim__replay_compare(&i->s->results, e, at, i->t->id, i->now, NULL);
    return placed(i, (uint64_t)e->result, (uint64_t)e->result + page_up(i, e->args[1]), at);
}

/* In its place, if it has room there; else elsewhere, and the old one goes. */
static int64_t remap_work(struct vmsim_machine *m, struct vmsim__task *t, void *context) {
    enum { IN_PLACE, ELSEWHERE };
    struct vmsim__replaying *i = context;
    const struct vmsim__placement *p = i->r->placements.at[i->trace_task];
    const uint64_t *a = i->e->args, old = vmsim__placement_of(p, a[0]);
    if (i->x->cursor == IN_PLACE) {
        const int64_t at = vmsim__call_work(m, t, VMSIM__CALL_MREMAP, VMSIM__ARGS(old, a[1], a[2], 0, 0));
        if (at >= 0 || at == -VMSIM__ERESTARTSYS)
            return at;
        i->x->cursor = ELSEWHERE;
    }
    const int64_t at = new_run(m, t, page_up(i, a[2]));
    if (at >= 0)
        vmsim__call_work(m, t, VMSIM__CALL_MUNMAP, VMSIM__ARGS(old, a[1]));
    return at;
}

static int replay_mremap(struct vmsim__replaying *i) {
    const uint64_t *a = i->e->args, to = (uint64_t)i->e->result;
    const int64_t at = vmsim__call_with(i->s->machine, i->t, remap_work, i);
    if (at == VMSIM__CALL_WAITS)
        return VMSIM__REPLAY_AGAIN;
    vmsim__replay_compare(&i->s->results, i->e, at, i->t->id, i->now, NULL);
    const int err = placed(i, a[0], a[0] + page_up(i, a[1]), -1);
    return err ? err : placed(i, to, to + page_up(i, a[2]), at);
}

bool vmsim__replay_nommu_call(struct vmsim__replaying *i, int *how) {
    struct vmsim__placement **p = &i->r->placements.at[i->trace_task];
    if (!vmsim__replay_nommu(i))
        return false;
    if (!*p && !(*p = vmsim__placement_create(i->s->alloc))) {
        *how = no_memory(i);
        return true;
    }
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
    default:
        return false;
    }
}

/* Runs lie apart here that lay side by side: of a reference across the border the first part is made. */
void vmsim__replay_nommu_clip(const struct vmsim__placement *p, const vmsim_access *in, vmsim_access *out, size_t n) {
    for (size_t k = 0; k < n; k++) {
        const uint64_t va = vmsim_access_va(in[k]), bytes = vmsim_access_bytes(in[k]);
        if ((va & 4095) + bytes <= 4096)
            continue;
        const struct vmsim__placed *r = vmsim__placement_from(p, va);
        if (r && r->start <= va && va + bytes > r->end)
            out[k] =
                vmsim_access_make(va + r->delta, (uint32_t)vmsim__min64(r->end - va, 16), vmsim_access_kind(in[k]));
    }
}
