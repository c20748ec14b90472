/* SPDX-License-Identifier: MIT */
/* What execve leaves in a new address space, in the order in which Linux builds it.
 *
 *   1. one page of stack at the top, the strings of argv and envp written from the top down (each page faults)
 *   2. the stack grows by 128 KiB (within its limit)
 *   3. the first page of program and interpreter is read, for their headers: by read(), whose readahead goes on with
 *      the first faults
 *   4. the program's segments; the rest of its last data page is cleared (a private copy), its bss is anonymous memory
 *   5. the interpreter below mmap_base, likewise
 *   6. [vvar] and [vdso], the break after the bss
 *   7. argument and auxiliary vectors on the stack
 *
 * Without an MMU segments have no addresses of their own: they lie where a run of frames is free for each (FDPIC), or
 * for all together (flat binaries), and there is no exec when memory is free in smaller pieces only.
 *
 * Kernel counterparts: fs/exec.c (setup_arg_pages), fs/binfmt_elf.c (load_elf_binary), arch/x86/entry/vdso/vma.c;
 * fs/binfmt_elf_fdpic.c, fs/binfmt_flat.c. */
#include "vm/vm_impl.h"

#define STACK_EXPAND (UINT64_C(128) << 10)
#define VDSO_PAGES 2
#define PLATFORM_BYTES 32 /* platform name and 16 random bytes */

/* Writes to [from, to) as the kernel does, lowest page first or last. 0, -ENOMEM, -ERESTARTSYS. */
static int touch(struct vmsim__mm *mm, uint64_t from, uint64_t to, bool downward) {
    const uint64_t page = mm->vm->page_size;
    uint64_t first = vmsim__align_down(from, page), pages = (vmsim__align_up(to, page) - first) / page;
    for (uint64_t i = 0; i < pages; i++) {
        if (!vmsim__mm_put_user(mm, first + (downward ? pages - 1 - i : i) * page, mm->cpu))
            return vmsim__now_waits(&mm->vm->mem->now) ? -VMSIM__ERESTARTSYS : -VMSIM__L_ENOMEM;
    }
    return 0;
}

/* A mapping that exec knows nothing lies in the way of: the stack, [vvar] and [vdso] are made without mmap's checks.
 * Kernel: _install_special_mapping, __bprm_mm_init. */
static struct vmsim__vma *add_vma(struct vmsim__mm *mm, uint64_t start, uint64_t end, uint32_t flags,
                                  const char *name) {
    VMSIM__ASSERT(start < end && !((start | end) & (mm->vm->page_size - 1)));
    struct vmsim__vma *v = vmsim__vma_alloc(mm);
    if (!v)
        return NULL;
    v->start = start;
    v->end = end;
    v->flags = flags;
    v->name = name;
    v->pgoff = name ? 0 : start >> mm->vm->page_shift;
    vmsim__vma_link(mm, v);
    mm->map_count++;
    vmsim__stat_account(mm, flags, (int64_t)vmsim__vma_pages(v, mm->vm->page_shift));
    return v;
}

/* The stack as it is for the arguments: one page. */
static int64_t make_stack(struct vmsim__mm *mm, const struct vmsim__exec *x) {
    const uint64_t page = mm->vm->page_size;
    const uint64_t top = x->stack_top ? vmsim__align_up(x->stack_top, page) : mm->map_window;
    uint32_t flags = VMSIM__VM_READ | VMSIM__VM_WRITE | VMSIM__VM_MAYREAD | VMSIM__VM_MAYWRITE | VMSIM__VM_MAYEXEC |
                     VMSIM__VM_GROWSDOWN | VMSIM__VM_ACCOUNT | VMSIM__VM_SOFTDIRTY;
    if (x->executable_stack)
        flags |= VMSIM__VM_EXEC;
    if (!vmsim__commit(mm, 1))
        return -VMSIM__L_ENOMEM;
    struct vmsim__vma *v = add_vma(mm, top - page, top, flags, NULL);
    if (!v) {
        vmsim__uncommit(mm->vm, 1);
        return -VMSIM__L_ENOMEM;
    }
    v->temporary_stack = true;
    mm->start_stack = top - 8 - x->argument_bytes;
    return 0;
}

/* The strings are written, then the stack gets its room. */
static int64_t fill_stack(struct vmsim__mm *mm) {
    const uint64_t page = mm->vm->page_size;
    struct vmsim__vma *v = mm->first;
    VMSIM__ASSERT(v && v->temporary_stack && !v->next);
    int e = touch(mm, mm->start_stack, v->end, true);
    if (e)
        return e;
    v->temporary_stack = false;
    uint64_t limit = mm->rlimit[VMSIM__RLIMIT_STACK] & ~(page - 1), base = v->start - STACK_EXPAND;
    if (v->end - v->start + STACK_EXPAND > limit)
        base = v->end - limit;
    return base < v->start ? vmsim__expand_stack(v, base) : 0;
}

/* Address range that the segments of an object span. */
static uint64_t total_size(const struct vmsim__mm *mm, const struct vmsim__exec_object *o, uint64_t *low) {
    uint64_t end = 0;
    *low = UINT64_MAX;
    for (size_t i = 0; i < o->count; i++) {
        *low = vmsim__min64(*low, vmsim__align_down(o->segments[i].vaddr, mm->vm->page_size));
        end = vmsim__max64(end, o->segments[i].vaddr + o->segments[i].memory_bytes);
    }
    return o->count ? end - *low : 0;
}

/* Memory beyond the file's part of the last segment; what of it shares a page with the file is cleared by the next
 * step. */
static int64_t map_bss(struct vmsim__mm *mm, uint64_t bss, uint64_t end) {
    const uint64_t page = mm->vm->page_size;
    uint64_t from = vmsim__align_up(bss, page), to = vmsim__align_up(end, page);
    if (to > from) {
        int64_t at = vmsim__mmap_region(mm, from, to - from,
                                        VMSIM__VM_READ | VMSIM__VM_WRITE | VMSIM__VM_MAYREAD | VMSIM__VM_MAYWRITE |
                                            VMSIM__VM_MAYEXEC | mm->def_flags,
                                        NULL, from >> mm->vm->page_shift);
        if (at < 0)
            return at;
    }
    mm->exec_bss = bss & (page - 1) ? bss : 0;
    return 0;
}

/* Kernel: padzero. */
static int64_t clear_bss(struct vmsim__mm *mm) {
    const uint64_t bss = mm->exec_bss;
    const struct vmsim__vma *v = bss ? vmsim__vma_find(mm, bss) : NULL;
    int e = v && v->start <= bss && (v->flags & VMSIM__VM_WRITE) ? touch(mm, bss, bss + 1, false) : 0;
    if (!e)
        mm->exec_bss = 0;
    return e;
}

/* Each segment is mapped at page borders, so a page that two segments share is mapped twice, the later one on top. What
 * memory is larger than the file by is bss. Kernel: elf_load, elf_map. */
static int64_t map_segments(struct vmsim__mm *mm, const struct vmsim__exec_object *o, uint64_t bias, uint64_t *end,
                            bool program) {
    const uint64_t page = mm->vm->page_size;
    uint64_t bss = 0, brk = 0;
    for (size_t i = 0; i < o->count; i++) {
        const struct vmsim__exec_segment *s = &o->segments[i];
        uint64_t in_page = s->vaddr & (page - 1), start = s->vaddr - in_page + bias;
        uint64_t length = vmsim__align_up(s->file_bytes + in_page, page);
        uint32_t flags =
            vmsim__prot_to_flags(s->prot) | VMSIM__VM_MAYREAD | VMSIM__VM_MAYWRITE | VMSIM__VM_MAYEXEC | mm->def_flags;
        int64_t at =
            length ? vmsim__mmap_region(mm, start, length, flags, o->file, (s->offset - in_page) >> mm->vm->page_shift)
                   : 0;
        if (at < 0)
            return at;
        bss = vmsim__max64(bss, s->vaddr + s->file_bytes + bias);
        brk = vmsim__max64(brk, s->vaddr + s->memory_bytes + bias);
        if (!program)
            continue;
        if ((s->prot & VMSIM__PROT_EXEC) && (!mm->start_code || s->vaddr + bias < mm->start_code))
            mm->start_code = s->vaddr + bias;
        if (s->prot & VMSIM__PROT_EXEC)
            mm->end_code = vmsim__max64(mm->end_code, s->vaddr + s->file_bytes + bias);
        mm->start_data = vmsim__max64(mm->start_data, s->vaddr + bias);
        mm->end_data = vmsim__max64(mm->end_data, s->vaddr + s->file_bytes + bias);
    }
    *end = brk;
    return brk > bss ? map_bss(mm, bss, brk) : 0;
}

/* Where an object goes: difference between its addresses and those of the file. Negative: errno. */
static int64_t place(struct vmsim__mm *mm, const struct vmsim__exec_object *o, bool at_dyn_base, uint64_t *bias) {
    uint64_t low, size = vmsim__align_up(total_size(mm, o, &low), mm->vm->page_size);
    *bias = 0;
    if (o->fixed || !size)
        return 0;
    if (at_dyn_base) {
        *bias = vmsim__align_down(mm->map_window / 3 * 2, mm->vm->page_size) - low;
        return 0;
    }
    const struct vmsim__area_request rq = {.length = size, .file = o->file, .offset = o->segments[0].offset};
    int64_t at = vmsim__get_unmapped_area(mm, &rq);
    if (at >= 0)
        *bias = (uint64_t)at - low;
    return at < 0 ? at : 0;
}

/* Data before code, one mapping each, near the place that the recorded program had it at; both count to no limit. */
static int64_t map_vdso(struct vmsim__mm *mm, uint64_t hint) {
    const uint64_t page = mm->vm->page_size;
    const uint32_t may = VMSIM__VM_MAYREAD | VMSIM__VM_DONTEXPAND | VMSIM__VM_READ | VMSIM__VM_SOFTDIRTY;
    const uint64_t data = mm->vm->spec.vvar_pages * page;
    const struct vmsim__area_request rq = {.addr = hint > data ? hint - data : 0, .length = data + VDSO_PAGES * page};
    int64_t at = vmsim__get_unmapped_area(mm, &rq);
    if (at < 0)
        return at;
    uint64_t vvar = (uint64_t)at, vdso = vvar + data;
    if (!add_vma(mm, vvar, vdso, may | VMSIM__VM_IO | VMSIM__VM_PFNMAP | VMSIM__VM_DONTDUMP, "[vvar]") ||
        !add_vma(mm, vdso, vdso + VDSO_PAGES * page, may | VMSIM__VM_EXEC | VMSIM__VM_MAYWRITE | VMSIM__VM_MAYEXEC,
                 "[vdso]"))
        return -VMSIM__L_ENOMEM;
    mm->vdso = vdso;
    return 0;
}

/* What the device cannot give is met by the faults that follow. Kernel: prepare_binprm, load_elf_phdrs. */
static int64_t read_headers(struct vmsim__mm *mm, struct vmsim__file *file, struct vmsim__file_ra *ra) {
    enum { BINPRM_BUF_SIZE = 256 };
    if (!ra->ra_pages)
        vmsim__ra_init(mm->vm->cache, ra);
    if (!file || file->kind != VMSIM__FILE_REGULAR)
        return 0;
    const int64_t e = vmsim__file_read(mm->vm->cache, file, ra, 0, BINPRM_BUF_SIZE, mm->cpu);
    return e == -VMSIM__ERESTARTSYS || e == -VMSIM__L_ENOMEM ? e : 0;
}

/* The heap begins behind the program's last page, unless a recording says where it did (randomized brk). */
static int64_t map_program(struct vmsim__mm *mm, const struct vmsim__exec *x) {
    uint64_t bias, end;
    int64_t e = place(mm, &x->program, x->interpreter.file != NULL, &bias);
    e = e ? e : map_segments(mm, &x->program, bias, &end, true);
    if (!e)
        mm->start_brk = mm->brk = x->start_brk ? x->start_brk : vmsim__align_up(end, mm->vm->page_size);
    return e;
}

static int64_t map_interpreter(struct vmsim__mm *mm, const struct vmsim__exec *x) {
    uint64_t bias, ignored;
    if (!x->interpreter.file)
        return 0;
    int64_t e = place(mm, &x->interpreter, false, &bias);
    return e ? e : map_segments(mm, &x->interpreter, bias, &ignored, false);
}

/* Where the vectors lie is settled now; the next step writes them. */
static int64_t lay_vectors(struct vmsim__mm *mm, const struct vmsim__exec *x) {
    uint64_t strings = mm->start_stack;
    mm->arg_start = strings;
    mm->arg_end = mm->env_start = mm->env_end = strings + x->argument_bytes;
    uint64_t vectors = 8 * (UINT64_C(3) + x->argument_count + 2 * mm->vm->kernel->auxv_entries);
    mm->start_stack = vmsim__align_down(strings - PLATFORM_BYTES - vectors, 16);
    return 0;
}

/* What may wait is a step of its own, which can be done again from its start. */
enum {
    STACK,
    ARGUMENTS,
    HEADERS,
    INTERPRETER_HEADERS,
    PROGRAM,
    BSS,
    INTERPRETER,
    INTERPRETER_BSS,
    VDSO,
    LAY_VECTORS,
    VECTORS,
    DONE
};

/* One step at a time, each of which may wait for memory or a file's page; exec_step is how far it had come. */
static int64_t step(struct vmsim__mm *mm, const struct vmsim__exec *x) {
    switch (mm->exec_step) {
    case STACK:
        return make_stack(mm, x);
    case ARGUMENTS:
        return fill_stack(mm);
    case HEADERS:
        return read_headers(mm, x->program.file, &mm->exec_ra[0]);
    case INTERPRETER_HEADERS:
        return read_headers(mm, x->interpreter.file, &mm->exec_ra[1]);
    case PROGRAM:
        return map_program(mm, x);
    case INTERPRETER:
        return map_interpreter(mm, x);
    case VDSO:
        return x->no_vdso ? 0 : map_vdso(mm, x->vdso);
    case LAY_VECTORS:
        return lay_vectors(mm, x);
    case VECTORS:
        return touch(mm, mm->start_stack, mm->arg_start, false);
    default: /* BSS, INTERPRETER_BSS */
        return clear_bss(mm);
    }
}

/* ---- without an MMU ---- */

#define FDPIC_STACK (UINT64_C(128) << 10) /* of a program that does not say: binfmt_elf_fdpic */
#define FLAT_STACK UINT64_C(4096)         /* what elf2flt writes down */

/* A run of frames for memory that the image needs; with a file, its contents from `offset` on. */
static int64_t run_of(struct vmsim__mm *mm, uint64_t bytes, unsigned prot, struct vmsim__file *file, uint64_t offset) {
    const int64_t at =
        vmsim__nommu_mmap(mm, vmsim__align_up(bytes, mm->vm->page_size), prot,
                          VMSIM__MAP_PRIVATE | (file ? 0 : VMSIM__MAP_ANONYMOUS), file, offset >> mm->vm->page_shift);
    return at < 0 && vmsim__now_waits(&mm->vm->mem->now) ? -VMSIM__ERESTARTSYS : at;
}

/* The stack, below which the break has no room to grow. */
static int64_t lay_stack(struct vmsim__mm *mm, const struct vmsim__exec *x, uint64_t start, uint64_t end) {
    mm->start_brk = mm->brk = start;
    mm->start_stack = end - x->argument_bytes - 8 * (UINT64_C(3) + x->argument_count);
    return mm->start_stack < start || mm->start_stack > end ? -VMSIM__L_E2BIG : 0;
}

/* A flat binary (addresses as it was linked): text, data, bss and stack in one run, which is then relocated. Kernel:
 * load_flat_file. */
static int64_t exec_flat(struct vmsim__mm *mm, const struct vmsim__exec *x) {
    uint64_t low, stack = vmsim__align_up(FLAT_STACK + x->argument_bytes, mm->vm->page_size), file_bytes = 0;
    const uint64_t bytes = vmsim__align_up(total_size(mm, &x->program, &low), mm->vm->page_size);
    const int64_t at = run_of(mm, bytes + stack, VMSIM__PROT_READ | VMSIM__PROT_WRITE | VMSIM__PROT_EXEC, NULL, 0);
    if (at < 0)
        return at;
    for (size_t i = 0; i < x->program.count; i++)
        file_bytes = vmsim__max64(file_bytes, x->program.segments[i].offset + x->program.segments[i].file_bytes);
    struct vmsim__file_ra ra;
    vmsim__ra_init(mm->vm->cache, &ra);
    vmsim__file_read(mm->vm->cache, x->program.file, &ra, 0, file_bytes, mm->cpu);
    return lay_stack(mm, x, (uint64_t)at + bytes, (uint64_t)at + bytes + stack);
}

/* Each segment of program and interpreter is a run of its own, bss included, wherever there is one: code that is only
 * read is shared with who runs the same. Kernel: elf_fdpic_map_file_by_direct_mmap, load_elf_fdpic_binary. */
static int64_t exec_fdpic(struct vmsim__mm *mm, const struct vmsim__exec *x) {
    const struct vmsim__exec_object *const objects[] = {&x->program, &x->interpreter};
    unsigned step = 0;
    for (unsigned k = 0; k < VMSIM__COUNT(objects); k++) {
        for (size_t i = 0; objects[k]->file && i < objects[k]->count; i++) {
            const struct vmsim__exec_segment *s = &objects[k]->segments[i];
            const uint64_t in_page = s->vaddr & (mm->vm->page_size - 1);
            if (step++ < mm->exec_step)
                continue;
            const int64_t at = run_of(mm, s->memory_bytes + in_page, s->prot, objects[k]->file, s->offset - in_page);
            if (at < 0)
                return at;
            mm->exec_step = (uint8_t)step;
        }
    }
    const unsigned rights = VMSIM__PROT_READ | VMSIM__PROT_WRITE | (x->executable_stack ? VMSIM__PROT_EXEC : 0);
    const int64_t at = run_of(mm, FDPIC_STACK, rights, NULL, 0);
    return at < 0 ? at : lay_stack(mm, x, (uint64_t)at, (uint64_t)at + FDPIC_STACK);
}

/* Entered again after each wait, until all steps are done. Kernel: load_elf_binary. */
int64_t vmsim__mm_exec(struct vmsim__mm *mm, const struct vmsim__exec *x, unsigned cpu) {
    if ((mm->exec_step == STACK && mm->first) || !x->program.file || !x->program.count)
        return -VMSIM__L_EINVAL;
    mm->cpu = cpu;
    if (vmsim__nommu(mm->vm))
        return x->program.fixed ? exec_flat(mm, x) : exec_fdpic(mm, x);
    if (mm->exec_step == STACK)
        vmsim__mm_layout(mm);
    for (; mm->exec_step < DONE; mm->exec_step++) {
        mm->mapped_ra = mm->exec_step < PROGRAM ? NULL : &mm->exec_ra[mm->exec_step >= INTERPRETER];
        int64_t e = step(mm, x);
        mm->mapped_ra = NULL;
        if (e)
            return e;
    }
    VMSIM__ASSERT(!mm->exec_bss && mm->start_brk <= mm->brk);
    return 0;
}
