/* SPDX-License-Identifier: MIT */
/* mlock and its family; msync and mincore, which walk ranges in the same way.
 *
 * Locking sets flags VMA by VMA and moves resident pages to the unevictable list (through the cache's mlock batch),
 * then faults the rest in. Kernel counterparts: mm/mlock.c, mm/msync.c, mm/mincore.c. */
#include "vm/vm_impl.h"

#define LOCK_FLAGS (VMSIM__VM_LOCKED | VMSIM__VM_LOCKONFAULT)

static int64_t fail(int e) {
    return -(int64_t)e;
}

/* Pages that are there already; compound ones mapped by base entries are left out, as in 6.1. */
static void relock_pages(struct vmsim__vma *v, uint64_t start, uint64_t end) {
    VMSIM__ASSERT(start >= v->start && end <= v->end);
    struct vmsim__mm *mm = v->mm;
    struct vmsim__vm *vm = mm->vm;
    struct vmsim__pt_slot slot;
    vmsim__lru_drain_cpu(vm->lru, mm->cpu);
    for (uint64_t va = start; va < end && vmsim__pt_next(&mm->pt, &va, end, &slot);) {
        struct vmsim__pte pte = vmsim__pt_get(mm->pt.format, &slot);
        const uint64_t size = UINT64_C(1) << mm->pt.format->shift[slot.level];
        bool there = (pte.flags & VMSIM__PTE_PRESENT) && !(pte.flags & VMSIM__PTE_SPECIAL);
        if (there && (slot.level || !vmsim__frame_is(vmsim__vm_frame(vm, (vmsim__pfn)pte.pfn),
                                                     VMSIM__FRAME_HEAD | VMSIM__FRAME_TAIL))) {
            if (v->flags & VMSIM__VM_LOCKED)
                vmsim__lru_mlock(vm->lru, (vmsim__pfn)pte.pfn, mm->cpu);
            else
                vmsim__lru_munlock(vm->lru, (vmsim__pfn)pte.pfn, mm->cpu);
        }
        va += size;
    }
    vmsim__lru_drain_cpu(vm->lru, mm->cpu);
}

/* One VMA's part: 0 or -ENOMEM. Kernel: mlock_fixup. ONFAULT on a range that is locked already changes the flag and
 * counts no page twice. */
static int relock(struct vmsim__mm *mm, struct vmsim__vma *v, uint64_t start, uint64_t end, uint32_t flags) {
    VMSIM__ASSERT(start >= v->start && end <= v->end && start < end);
    uint32_t old = v->flags;
    int64_t pages = (int64_t)((end - start) >> mm->vm->page_shift);
    if (flags == old || (old & (VMSIM__VM_SPECIAL | VMSIM__VM_HUGETLB)) || v->name)
        return 0;
    struct vmsim__vma *out;
    if (vmsim__vma_modify(mm, v, start, end, flags, &out))
        return -VMSIM__L_ENOMEM;
    VMSIM__ASSERT(out->start <= start && end <= out->end);
    if (!(flags & VMSIM__VM_LOCKED))
        pages = -pages;
    else if (old & VMSIM__VM_LOCKED)
        pages = 0;
    mm->locked_vm += (uint64_t)pages;
    if (pages && (old ^ flags) & VMSIM__VM_LOCKED)
        relock_pages(out, start, end);
    return 0;
}

/* Kernel: apply_vma_lock_flags: what lies before a hole or a failure stays locked. */
static int64_t apply(struct vmsim__mm *mm, uint64_t start, uint64_t length, uint32_t lock) {
    VMSIM__ASSERT(!((start | length) & (mm->vm->page_size - 1)));
    uint64_t end = start + length;
    if (end < start)
        return fail(VMSIM__L_EINVAL);
    for (uint64_t at = start; at < end;) {
        struct vmsim__vma *v = vmsim__vma_find(mm, at);
        if (!v || v->start > at)
            return fail(VMSIM__L_ENOMEM);
        uint64_t to = vmsim__min64(v->end, end);
        int e = relock(mm, v, at, to, (v->flags & ~LOCK_FLAGS) | lock);
        if (e)
            return e;
        at = to;
    }
    return 0;
}

/* Pages of the range that are locked already count once. Kernel: count_mm_mlocked_page_nr: locking twice must not
 * count twice against the limit. */
static uint64_t locked_in(struct vmsim__mm *mm, uint64_t start, uint64_t end) {
    uint64_t n = 0;
    for (struct vmsim__vma *v = vmsim__vma_find(mm, start); v && v->start < end; v = v->next) {
        if (v->flags & VMSIM__VM_LOCKED)
            n += vmsim__min64(v->end, end) - vmsim__max64(v->start, start);
    }
    return n >> mm->vm->page_shift;
}

/* Faults in what mlock promised: failures are ENOMEM (no access) or EAGAIN (no frame). */
static int64_t fault_in(struct vmsim__mm *mm, uint64_t start, uint64_t end) {
    for (struct vmsim__vma *v = vmsim__vma_find(mm, start); v && v->start < end; v = v->next) {
        if (v->flags & (VMSIM__VM_IO | VMSIM__VM_PFNMAP | VMSIM__VM_LOCKONFAULT))
            continue;
        if (!vmsim__vma_accessible(v))
            return fail(VMSIM__L_ENOMEM);
        bool write = (v->flags & (VMSIM__VM_WRITE | VMSIM__VM_SHARED)) == VMSIM__VM_WRITE;
        int e = vmsim__populate_vma(v, vmsim__max64(v->start, start), vmsim__min64(v->end, end),
                                    write ? VMSIM__POPULATE_WRITE : 0, mm->cpu);
        if (e)
            return e == -VMSIM__ERESTARTSYS ? e : fail(e == -VMSIM__L_EFAULT ? VMSIM__L_ENOMEM : VMSIM__L_EAGAIN);
    }
    return 0;
}

/* What is locked already does not count against the limit again, which the kernel looks up only when the simple sum is
 * too large. Where a hole ends the range, what came before stays locked. Kernel: do_mlock. */
int64_t vmsim__mm_mlock(struct vmsim__mm *mm, uint64_t addr, uint64_t length, unsigned flags, unsigned cpu) {
    const uint64_t page = mm->vm->page_size;
    mm->cpu = cpu;
    if (vmsim__nommu(mm->vm))
        return -VMSIM__L_ENOSYS;
    vmsim__vm_call_cost(mm->vm, mm->vm->spec.costs.mlock);
    if (flags & ~(VMSIM__MLOCK_ONFAULT | VMSIM__MLOCK_HOLE))
        return fail(VMSIM__L_EINVAL);
    if (!vmsim__mlock_allowed(mm))
        return fail(VMSIM__L_EPERM);
    uint64_t start = addr & ~(page - 1), bytes = vmsim__align_up(length + (addr & (page - 1)), page);
    uint64_t already = locked_in(mm, start, start + bytes);
    if (!vmsim__mlock_room(mm, VMSIM__VM_LOCKED, bytes) &&
        (already << mm->vm->page_shift > bytes ||
         !vmsim__mlock_room(mm, VMSIM__VM_LOCKED, bytes - (already << mm->vm->page_shift))))
        return fail(VMSIM__L_ENOMEM);
    uint32_t lock = VMSIM__VM_LOCKED | (flags & VMSIM__MLOCK_ONFAULT ? VMSIM__VM_LOCKONFAULT : 0);
    int64_t e = apply(mm, start, bytes, lock);
    return e ? e : flags & VMSIM__MLOCK_HOLE ? fail(VMSIM__L_ENOMEM) : fault_in(mm, start, start + bytes);
}

/* No limit and no rights are asked: giving up is always allowed. Kernel: sys_munlock. */
int64_t vmsim__mm_munlock(struct vmsim__mm *mm, uint64_t addr, uint64_t length, unsigned cpu) {
    const uint64_t page = mm->vm->page_size;
    mm->cpu = cpu;
    if (vmsim__nommu(mm->vm))
        return -VMSIM__L_ENOSYS;
    vmsim__vm_call_cost(mm->vm, mm->vm->spec.costs.mlock);
    return apply(mm, addr & ~(page - 1), vmsim__align_up(length + (addr & (page - 1)), page), 0);
}

/* Kernel: apply_mlockall_flags; errors are ignored there as well. A merge may have swallowed the VMA, hence the
 * search by address. */
static void apply_all(struct vmsim__mm *mm, uint32_t lock) {
    for (struct vmsim__vma *v = mm->first; v;) {
        uint64_t end = v->end;
        relock(mm, v, v->start, end, (v->flags & ~LOCK_FLAGS) | lock);
        v = vmsim__vma_find(mm, end);
    }
}

/* The limit is compared with all of VmSize, touched or not. MCL_FUTURE alone touches nothing: it is def_flags, which
 * later mappings take over. Errors of populating are dropped, as in the kernel. */
int64_t vmsim__mm_mlockall(struct vmsim__mm *mm, unsigned flags, unsigned cpu) {
    const unsigned all = VMSIM__MCL_CURRENT | VMSIM__MCL_FUTURE | VMSIM__MCL_ONFAULT;
    mm->cpu = cpu;
    if (vmsim__nommu(mm->vm))
        return -VMSIM__L_ENOSYS;
    vmsim__vm_call_cost(mm->vm, mm->vm->spec.costs.mlock);
    if (!flags || (flags & ~all) || flags == VMSIM__MCL_ONFAULT)
        return fail(VMSIM__L_EINVAL);
    if (!vmsim__mlock_allowed(mm))
        return fail(VMSIM__L_EPERM);
    uint64_t limit = mm->rlimit[VMSIM__RLIMIT_MEMLOCK];
    if ((flags & VMSIM__MCL_CURRENT) && !mm->privileged && limit != UINT64_MAX &&
        mm->total_vm > limit >> mm->vm->page_shift)
        return fail(VMSIM__L_ENOMEM);
    uint32_t lock = VMSIM__VM_LOCKED | (flags & VMSIM__MCL_ONFAULT ? VMSIM__VM_LOCKONFAULT : 0);
    mm->def_flags &= ~LOCK_FLAGS;
    if (flags & VMSIM__MCL_FUTURE)
        mm->def_flags |= lock;
    if (flags & VMSIM__MCL_CURRENT) {
        apply_all(mm, lock);
        vmsim__mm_populate(mm, 0, mm->task_size, cpu);
    }
    return 0;
}

/* def_flags go as well, or the next mmap would be locked again. */
int64_t vmsim__mm_munlockall(struct vmsim__mm *mm, unsigned cpu) {
    mm->cpu = cpu;
    if (vmsim__nommu(mm->vm))
        return -VMSIM__L_ENOSYS;
    vmsim__vm_call_cost(mm->vm, mm->vm->spec.costs.mlock);
    mm->def_flags &= ~LOCK_FLAGS;
    apply_all(mm, 0);
    return 0;
}

/* ---- msync ---- */

/* Only shared mappings of files have anything to write. MS_INVALIDATE is refused on locked pages, and needs no work
 * otherwise: mapping and cache are one here, as in the kernel. */
static int sync_vma(struct vmsim__vma *v, uint64_t start, uint64_t end, unsigned flags) {
    VMSIM__ASSERT(start >= v->start && end <= v->end);
    struct vmsim__vm *vm = v->mm->vm;
    if ((flags & VMSIM__MS_INVALIDATE) && (v->flags & VMSIM__VM_LOCKED))
        return VMSIM__L_EBUSY;
    if (!(flags & VMSIM__MS_SYNC) || !v->file || !(v->flags & VMSIM__VM_SHARED))
        return 0;
    uint64_t first = vmsim__vma_index(v, start);
    return -vmsim__file_sync(vm->cache, v->file, first, first + ((end - start) >> vm->page_shift), v->mm->cpu);
}

/* A hole is passed over and told at the end (ENOMEM), after everything else has been written. How far it had come, and
 * whether there was a hole, outlive the waiting in the call's record. */
int64_t vmsim__mm_msync(struct vmsim__mm *mm, uint64_t addr, uint64_t length, unsigned flags, unsigned cpu) {
    const uint64_t page = mm->vm->page_size;
    const unsigned both = VMSIM__MS_ASYNC | VMSIM__MS_SYNC;
    mm->cpu = cpu;
    if (vmsim__nommu(mm->vm))
        return -VMSIM__L_ENOSYS;
    if ((flags & ~(both | VMSIM__MS_INVALIDATE)) || (addr & (page - 1)) || (flags & both) == both)
        return fail(VMSIM__L_EINVAL);
    uint64_t end = addr + vmsim__align_up(length, page);
    if (end < addr)
        return fail(VMSIM__L_ENOMEM);
    struct vmsim__call *call = vmsim__now_call(&mm->vm->mem->now);
    bool hole = call->result != 0; /* met before it waited */
    for (uint64_t at = vmsim__max64(addr, call->populate); at < end;) {
        struct vmsim__vma *v = vmsim__vma_find(mm, at);
        if (!v || v->start >= end)
            return fail(VMSIM__L_ENOMEM);
        hole = hole || v->start > at;
        at = vmsim__max64(at, v->start);
        int e = sync_vma(v, at, vmsim__min64(v->end, end), flags);
        call->populate = e == VMSIM__ERESTARTSYS ? at : 0;
        call->result = e == VMSIM__ERESTARTSYS && hole;
        if (e)
            return fail(e);
        at = v->end;
    }
    return hole ? fail(VMSIM__L_ENOMEM) : 0;
}

/* ---- mincore ---- */

/* Kernel: mincore_pte_range: a page of a file is resident when it is cached, mapped or not, and has arrived; a swapped
 * one when it is in the swap cache; one that is moved or broke, always. */
static bool resident_page(struct vmsim__vma *v, uint64_t va) {
    struct vmsim__pt_slot slot;
    if (vmsim__pt_slot(&v->mm->pt, va, 0, false, &slot) && slot.entry) {
        struct vmsim__pte pte = vmsim__pt_get(v->mm->pt.format, &slot);
        if (pte.flags & (VMSIM__PTE_PRESENT | VMSIM__PTE_PROTNONE))
            return true;
        const struct vmsim__swap_ops *swap = v->mm->vm->swap;
        const struct vmsim__swp e = pte.flags & VMSIM__PTE_SWAP ? vmsim__swp_of(pte) : (struct vmsim__swp){0};
        if ((pte.flags & VMSIM__PTE_SWAP) && vmsim__swp_is_swap(e))
            return swap && swap->cached && swap->cached(swap->context, e);
        if ((pte.flags & VMSIM__PTE_SWAP) && e.type != VMSIM__SWP_MARKER)
            return true;
    }
    vmsim__pfn pfn = v->file ? vmsim__file_page(v->file, vmsim__vma_index(v, va)) : VMSIM__PFN_NONE;
    return pfn != VMSIM__PFN_NONE && !vmsim__frame_is(vmsim__vm_frame(v->mm->vm, pfn), VMSIM__FRAME_LOCKED);
}

/* Page cache and swap cache count as resident, mapped here or not: the question is whether a touch would read from a
 * device. Kernel: mincore_pte_range. */
int64_t vmsim__mm_mincore(struct vmsim__mm *mm, uint64_t addr, uint64_t length, uint64_t *resident, unsigned cpu) {
    const uint64_t page = mm->vm->page_size;
    mm->cpu = cpu;
    if (vmsim__nommu(mm->vm))
        return -VMSIM__L_ENOSYS;
    if (addr & (page - 1))
        return fail(VMSIM__L_EINVAL);
    if (addr > mm->task_size || length > mm->task_size - addr)
        return fail(VMSIM__L_ENOMEM);
    uint64_t end = addr + vmsim__align_up(length, page);
    for (uint64_t va = addr, i = 0; va < end; va += page, i++) {
        struct vmsim__vma *v = vmsim__vma_find(mm, va);
        if (!v || v->start > va)
            return fail(VMSIM__L_ENOMEM);
        uint64_t bit = UINT64_C(1) << (i & 63);
        if (resident)
            resident[i >> 6] = (resident[i >> 6] & ~bit) | (resident_page(v, va) ? bit : 0);
    }
    return 0;
}
