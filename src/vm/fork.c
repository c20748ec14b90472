/* SPDX-License-Identifier: MIT */
/* Address spaces begin and end here: creation, fork, the last put.
 *
 * Fork copies page tables only for VMAs that may hold private pages; files without private copies are faulted in again
 * by the child. A private page is shared by write-protecting both entries and forgetting that it was exclusive; the
 * child's entry starts old. The parent's translations are flushed once, at the end. Kernel counterparts: kernel/fork.c
 * (dup_mmap), mm/memory.c (copy_page_range), mm/mmap.c (exit_mmap). */
#include "vm/vm_hugetlb.h"

/* ---- birth ---- */

/* TASK_SIZE of each architecture: a guard page below 2^47 or 2^56 on x86-64, the 3 GiB / 1 GiB split on 32-bit x86, the
 * start of the fixmap on riscv32; 32-bit ARM keeps 16 MiB below its 3 GiB for modules. */
static uint64_t task_size(const struct vmsim__vm *vm) {
    const struct vmsim__pt_format *f = vm->format;
    switch (f->id) {
    case VMSIM__PT_X86_64:
    case VMSIM__PT_X86_64_LA57:
        return (UINT64_C(1) << (f->va_bits - 1)) - vm->page_size;
    case VMSIM__PT_X86_32:
    case VMSIM__PT_X86_PAE:
        return UINT64_C(0xC0000000);
    case VMSIM__PT_RISCV_SV32:
        return UINT64_C(0x9C800000);
    case VMSIM__PT_ARM:
    case VMSIM__PT_ARM_LPAE:
        return UINT64_C(0xBF000000);
    case VMSIM__PT_NOMMU:
        return UINT64_C(1) << 56; /* all that a reference can name */
    default:
        return UINT64_C(1) << (f->va_signed ? f->va_bits - 1 : f->va_bits);
    }
}

/* Programs may keep tags in the upper bits of pointers: with five levels they get such addresses only if they ask.
 * Kernel: DEFAULT_MAP_WINDOW. */
static uint64_t map_window(const struct vmsim__mm *mm) {
    const uint64_t small = (UINT64_C(1) << 47) - mm->vm->page_size;
    return mm->vm->format->id == VMSIM__PT_X86_64_LA57 ? small : mm->task_size;
}

/* The room kept for the stack: its limit and the guard gap, at least 128 MiB, at most 5/6 of everything. Kernel:
 * mmap_base and arch_pick_mmap_layout without randomisation; an unlimited stack asks for the legacy layout. */
void vmsim__mm_layout(struct vmsim__mm *mm) {
    struct vmsim__vm *vm = mm->vm;
    uint64_t gap = mm->rlimit[VMSIM__RLIMIT_STACK], pad = vm->spec.stack_guard_gap << vm->page_shift;
    mm->topdown = !vm->spec.legacy_va_layout && gap != UINT64_MAX;
    if (gap + pad > gap)
        gap += pad;
    gap = vmsim__max64(gap, vmsim__min64(UINT64_C(128) << 20, mm->map_window / 2));
    gap = vmsim__min64(gap, mm->map_window / 6 * 5);
    mm->mmap_base = vmsim__align_up(mm->map_window - gap, vm->page_size);
    VMSIM__ASSERT(mm->mmap_base <= mm->map_window && mm->map_window <= mm->task_size);
}

/* Numbers are not used again: a stale one can be told from a new address space. */
static void enlist(struct vmsim__vm *vm, struct vmsim__mm *mm) {
    VMSIM__ASSERT(!mm->next && !mm->prev && vm->next_mm_id < UINT32_MAX);
    mm->id = ++vm->next_mm_id;
    mm->prev = vm->last_mm;
    *(vm->last_mm ? &vm->last_mm->next : &vm->first_mm) = mm;
    vm->last_mm = mm;
    vm->nr_mms++;
}

/* Rows of the per-CPU counters, where the kernel has them. */
static size_t rss_bytes(const struct vmsim__mm *mm) {
    return mm->vm->kernel->rss_percpu ? mm->vm->mem->nr_cpus * VMSIM__RSS_KINDS * sizeof *mm->rss_cpu : 0;
}

/* Per-CPU counters of residence where the release has them (percpu_counter, 6.2): readers see the sum without what CPUs
 * keep to themselves. */
static bool rss_setup(struct vmsim__mm *mm) {
    if (!rss_bytes(mm))
        return true;
    mm->rss_cpu = vmsim__calloc(mm->vm->alloc, 1, rss_bytes(mm));
    mm->vm->host_nomem |= !mm->rss_cpu;
    return mm->rss_cpu;
}

static void rss_fini(struct vmsim__mm *mm) {
    vmsim__free(mm->vm->alloc, mm->rss_cpu, rss_bytes(mm));
}

/* An address space begins with one user, limits of the specification, and no mapping; exec or fork gives it the rest.
 * Kernel: mm_init. */
struct vmsim__mm *vmsim__mm_create(struct vmsim__vm *vm, unsigned cpu) {
    struct vmsim__mm *mm = vmsim__calloc(vm->alloc, 1, sizeof *mm);
    if (!mm) {
        vm->host_nomem = true;
        return NULL;
    }
    mm->vm = vm;
    mm->users = 1;
    mm->cpu = cpu;
    if (!rss_setup(mm) || !vmsim__ptmem_setup(mm)) {
        rss_fini(mm);
        vmsim__free(vm->alloc, mm, sizeof *mm);
        return NULL;
    }
    const struct vmsim__rlimit_spec *r = &vm->spec.rlimits;
    const uint64_t limits[VMSIM__RLIMITS] = {r->as, r->data, r->stack, r->memlock, r->fsize};
    for (unsigned i = 0; i < VMSIM__RLIMITS; i++)
        mm->rlimit[i] = limits[i];
    vmsim__nommu_init(mm);
    mm->privileged = vm->spec.privileged;
    mm->task_size = task_size(vm);
    mm->map_window = map_window(mm);
    mm->mmap_min = vmsim__max64(vm->page_size, vmsim__align_up(vm->spec.mmap_min_addr, vm->page_size));
    vmsim__mm_layout(mm);
    enlist(vm, mm);
    return mm;
}

/* ---- fork ---- */

/* One entry of the parent for the child; false: no memory. Kernel: copy_present_pte. From now on neither side owns the
 * page alone. */
static bool copy_entry(struct vmsim__vma *to, struct vmsim__vma *from, const struct vmsim__pt_slot *src,
                       const struct vmsim__pt_slot *dst) {
    VMSIM__ASSERT(src->entry && dst->entry && !src->level && !dst->level);
    struct vmsim__vm *vm = from->mm->vm;
    const struct vmsim__pt_format *f = vm->format;
    struct vmsim__pte pte = vmsim__pt_get(f, src);
    vmsim__vm_cost(vm, vm->spec.costs.fork_page);
    if (pte.flags & VMSIM__PTE_SWAP)
        return vmsim__nonpresent_copy(to, from, src, dst, pte);
    if (pte.flags & VMSIM__PTE_SPECIAL) {
        if (vmsim__vma_is_vdso(to))
            vmsim__vdso_mapped(to, 1);
    } else {
        vmsim__pfn pfn = (vmsim__pfn)pte.pfn;
        struct vmsim__frame *frame = vmsim__vm_frame(vm, pfn), *head = vmsim__vm_frame(vm, vmsim__vm_head(vm, pfn));
        if (vmsim__frame_is(head, VMSIM__FRAME_ANON)) /* of a file's page the bit means BUFFERS */
            frame->flags &= ~VMSIM__FRAME_EXCLUSIVE;
        vmsim__frame_map(frame, 1);
        VMSIM__ASSERT(frame->mapcount > 1 && head->refcount > 0);
        head->refcount++;
        vmsim__rss_add(to->mm, vmsim__rss_kind_of(head), 1);
    }
    if (vmsim__vma_private_writable(from) && (pte.flags & VMSIM__PTE_WRITE)) {
        pte.flags &= ~VMSIM__PTE_WRITE;
        vmsim__pt_set(f, src, pte);
    }
    if (from->flags & VMSIM__VM_SHARED)
        pte.flags &= ~VMSIM__PTE_DIRTY;
    pte.flags &= ~VMSIM__PTE_ACCESSED;
    vmsim__pt_set(f, dst, pte);
    return true;
}

/* The entries of one leaf table from va on. Kernel: copy_pte_range. */
static bool copy_table(struct vmsim__vma *to, struct vmsim__vma *from, uint64_t va, uint64_t end,
                       struct vmsim__pt_slot src) {
    VMSIM__ASSERT(va < end && !src.level);
    const struct vmsim__pt_format *f = from->mm->pt.format;
    struct vmsim__pt_slot dst;
    if (!vmsim__mm_slot(to->mm, va, true, &dst))
        return false;
    bool ok = true;
    vmsim__rss_batch_start(to->mm);
    for (; va < end && ok; va += from->mm->vm->page_size) {
        if (vmsim__pt_read(f, &src))
            ok = copy_entry(to, from, &src, &dst);
        src.entry = (char *)src.entry + f->entry_bytes;
        dst.entry = (char *)dst.entry + f->entry_bytes;
        src.index++;
        dst.index++;
    }
    vmsim__rss_batch_end(to->mm);
    return ok;
}

/* Kernel: copy_page_range and the levels below. */
static int copy_pages(struct vmsim__vma *to, struct vmsim__vma *from) {
    VMSIM__ASSERT(to->start == from->start && to->end == from->end);
    const struct vmsim__pt_format *f = from->mm->pt.format;
    struct vmsim__pt_slot src;
    for (uint64_t va = from->start; va < from->end;) {
        if (!vmsim__pt_slot(&from->mm->pt, va, 0, false, &src))
            return -VMSIM__L_ENOMEM;
        uint64_t span = UINT64_C(1) << (src.entry && !src.level ? f->shift[0] + f->index_bits[0] : f->shift[src.level]);
        uint64_t next = vmsim__align_down(va, span) + span, end = vmsim__min64(next, from->end);
        if (src.entry && src.level) {
            if (vmsim__thp_copy(to, from, va, &src, to->mm->cpu))
                continue; /* it was split: copy the base entries */
        } else if (src.entry && !copy_table(to, from, va, end, src)) {
            return -VMSIM__L_ENOMEM;
        }
        va = next;
    }
    return 0;
}

/* Kernel: the body of dup_mmap's loop. Locks are not inherited; what MADV_WIPEONFORK covers starts empty. */
static int fork_vma(struct vmsim__mm *mm, struct vmsim__mm *parent, struct vmsim__vma *from) {
    VMSIM__ASSERT(from->start < from->end && from->mm == parent);
    struct vmsim__vm *vm = mm->vm;
    uint64_t pages = vmsim__vma_pages(from, vm->page_shift);
    bool account = from->flags & VMSIM__VM_ACCOUNT, wipe = from->flags & VMSIM__VM_WIPEONFORK;
    if (account && !vmsim__commit(parent, pages))
        return -VMSIM__L_ENOMEM;
    struct vmsim__vma *v = vmsim__vma_dup(mm, from);
    bool ok = v != NULL;
    if (v) {
        v->anon_vma = 0;
        v->flags &= ~(VMSIM__VM_LOCKED | VMSIM__VM_LOCKONFAULT);
        ok = (wipe || !vmsim__anon_vma_fork(v, from)) && (!from->file || vmsim__vma_set_file(v, from->file, from));
    }
    if (!ok) {
        if (v) {
            v->file = NULL;
            vmsim__anon_vma_unlink(v);
            vmsim__slab_free(&vm->vmas, v);
        }
        if (account)
            vmsim__uncommit(vm, pages);
        return -VMSIM__L_ENOMEM;
    }
    vmsim__vma_link(mm, v);
    mm->map_count++;
    vmsim__vm_cost(vm, vm->spec.costs.fork_vma);
    /* vma_needs_copy: what a fault finds again is left to it, which [vvar] is not */
    bool copy = from->anon_vma || (from->flags & VMSIM__VM_PFNMAP);
    if (wipe || !copy)
        return 0;
    if (VMSIM__UNLIKELY(vm->hooks.inherited != NULL))
        vm->hooks.inherited(vm->hooks.context, mm, parent, v->start, v->end);
    return from->flags & VMSIM__VM_HUGETLB ? vmsim__hugetlb_copy(v, from) : copy_pages(v, from);
}

/* Everything but the VMAs. Kernel: dup_mm copies by memcpy; here each field is named, so that a new one is thought
 * about. */
static void copy_mm_fields(struct vmsim__mm *mm, const struct vmsim__mm *p) {
    mm->start_code = p->start_code, mm->end_code = p->end_code;
    mm->start_data = p->start_data, mm->end_data = p->end_data;
    mm->start_brk = p->start_brk, mm->brk = p->brk, mm->start_stack = p->start_stack;
    mm->arg_start = p->arg_start, mm->arg_end = p->arg_end, mm->env_start = p->env_start, mm->env_end = p->env_end;
    mm->vdso = p->vdso;
    mm->total_vm = p->total_vm, mm->data_vm = p->data_vm, mm->exec_vm = p->exec_vm, mm->stack_vm = p->stack_vm;
    mm->mmap_base = p->mmap_base, mm->mmap_min = p->mmap_min, mm->topdown = p->topdown;
    mm->privileged = p->privileged, mm->thp_disabled = p->thp_disabled, mm->collapsible = p->collapsible;
    for (unsigned i = 0; i < VMSIM__RLIMITS; i++)
        mm->rlimit[i] = p->rlimit[i];
}

/* All mappings are the child's before anything is flushed: entries became read-only in the parent on the way, one flush
 * tells its CPUs. What fails half-way leaves a child that is put like any other. Kernel: dup_mmap. */
struct vmsim__mm *vmsim__mm_fork(struct vmsim__mm *parent, unsigned cpu, int *error) {
    struct vmsim__vm *vm = parent->vm;
    parent->cpu = cpu;
    *error = -VMSIM__L_ENOMEM;
    VMSIM__ASSERT(parent->users > 0 && !vmsim__nommu(vm));
    vmsim__vm_cost(vm, vm->spec.costs.fork);
    struct vmsim__mm *mm = vmsim__mm_create(vm, cpu);
    if (!mm)
        return NULL;
    copy_mm_fields(mm, parent);
    int e = 0;
    for (struct vmsim__vma *v = parent->first; v && !e; v = v->next) {
        if (v->flags & VMSIM__VM_DONTCOPY)
            vmsim__stat_account(mm, v->flags, -(int64_t)vmsim__vma_pages(v, vm->page_shift));
        else
            e = fork_vma(mm, parent, v);
    }
    vmsim__mm_forget_leaf(parent);
    if (vm->hooks.flush_mm)
        vm->hooks.flush_mm(vm->hooks.context, parent, cpu);
    if (e) {
        vmsim__mm_put(mm, cpu);
        return NULL;
    }
    mm->hiwater_vm = mm->total_vm;
    vmsim__hiwater_rss(mm);
    *error = 0;
    return mm;
}

/* ---- death ---- */

void vmsim__mm_get(struct vmsim__mm *mm) {
    VMSIM__ASSERT(mm->users > 0);
    mm->users++;
}

/* exit_mmap: every mapping and table; the address space is empty then. */
static void unmap_all(struct vmsim__mm *mm) {
    struct vmsim__vm *vm = mm->vm;
    struct vmsim__gather g;
    vmsim__gather_start(&g, mm, true);
    vmsim__hiwater_rss(mm);
    for (struct vmsim__vma *v = mm->first; v; v = v->next)
        vmsim__zap_range(&g, v, v->start, v->end, VMSIM__ZAP_COWS | VMSIM__ZAP_MARKERS);
    vmsim__vm_dropped(mm, 0, UINT64_MAX, false);
    if (mm->first)
        vmsim__gather_tables(&g, mm->first->start, mm->task_size, 0, 0);
    vmsim__gather_finish(&g);
    while (mm->first) {
        struct vmsim__vma *v = mm->first;
        uint64_t pages = vmsim__vma_pages(v, vm->page_shift);
        if (v->flags & VMSIM__VM_ACCOUNT)
            vmsim__uncommit(vm, pages);
        mm->map_count--;
        vmsim__vm_cost(vm, vm->spec.costs.free_vma);
        vmsim__vma_unlink(mm, v);
        vmsim__vma_free(mm, v, mm->cpu);
    }
}

/* Kernel: mmput and __mmput. */
void vmsim__mm_put(struct vmsim__mm *mm, unsigned cpu) {
    struct vmsim__vm *vm = mm->vm;
    mm->cpu = cpu;
    VMSIM__ASSERT(mm->users > 0);
    if (--mm->users)
        return;
    if (vmsim__nommu(vm))
        vmsim__nommu_unmap_all(mm);
    else
        unmap_all(mm);
    VMSIM__ASSERT(!mm->first && !mm->root && !mm->map_count && !mm->deposits && !mm->hugetlb_pages);
    vmsim__pagetable_fini(&mm->pt);
    vmsim__nommu_fini(mm);
    *(mm->prev ? &mm->prev->next : &vm->first_mm) = mm->next;
    *(mm->next ? &mm->next->prev : &vm->last_mm) = mm->prev;
    vm->nr_mms--;
    rss_fini(mm);
    vmsim__free(vm->alloc, mm, sizeof *mm);
}
