/* SPDX-License-Identifier: MIT */
/* mprotect: new protection for a range, VMA by VMA, and for the entries below them.
 *
 * An error in the middle leaves the part before it changed, as Linux does. An entry that becomes writable is made so at
 * once when no fault could learn anything from the first write: an anonymous page that is this process's own, or a
 * dirty page of a shared mapping. Kernel counterpart: mm/mprotect.c. */
#include "vm/vm_impl.h"

/* can_change_pte_writable: is the write bit safe without a fault? A shared page that is clean must fault, so that
 * its file learns that it becomes dirty; a private one that others map must be copied; and soft-dirty tracking wants
 * to see the first write. */
static bool may_upgrade(const struct vmsim__vma *vma, struct vmsim__pte pte) {
    const struct vmsim__vm *vm = vma->mm->vm;
    if (!(vma->flags & VMSIM__VM_WRITE) || !(pte.flags & VMSIM__PTE_PRESENT) || (pte.flags & VMSIM__PTE_SPECIAL))
        return false;
    if (!(vma->flags & VMSIM__VM_SOFTDIRTY) && !(pte.flags & VMSIM__PTE_SOFT_DIRTY))
        return false;
    if (vma->flags & VMSIM__VM_SHARED)
        return pte.flags & VMSIM__PTE_DIRTY;
    const struct vmsim__frame *f = vmsim__vm_frame(vm, (vmsim__pfn)pte.pfn);
    const struct vmsim__frame *head = vmsim__vm_frame(vm, vmsim__vm_head(vm, (vmsim__pfn)pte.pfn));
    return vmsim__frame_is(head, VMSIM__FRAME_ANON) && vmsim__frame_is(f, VMSIM__FRAME_EXCLUSIVE);
}

/* Kernel: change_pte_range. True when rights were lost, so that a TLB may allow too much; what was gained needs no
 * flush, a stale entry only faults once more. What was counted in the entry (accessed, dirty, soft-dirty) is kept:
 * only rights change. */
static bool change_entry(struct vmsim__vma *vma, const struct vmsim__pt_slot *slot, bool upgrade) {
    VMSIM__ASSERT(slot->entry);
    const struct vmsim__pt_format *f = vma->mm->pt.format;
    const uint32_t keep = VMSIM__PTE_ACCESSED | VMSIM__PTE_DIRTY | VMSIM__PTE_SOFT_DIRTY | VMSIM__PTE_SPECIAL |
                          VMSIM__PTE_LEAF | VMSIM__PTE_CONTIG;
    struct vmsim__pte old = vmsim__pt_get(f, slot), pte = old;
    if (old.flags & VMSIM__PTE_SWAP) {
        vmsim__nonpresent_protect(vma, slot, old);
        return false;
    }
    pte.flags = (old.flags & keep) | (vmsim__prot_flags(vma) & ~VMSIM__PTE_ACCESSED);
    if (upgrade && may_upgrade(vma, pte))
        pte.flags |= VMSIM__PTE_WRITE;
    vmsim__pt_set(f, slot, pte);
    vmsim__vm_cost(vma->mm->vm, vma->mm->vm->spec.costs.protect_page);
    uint32_t lost = old.flags & ~pte.flags;
    return lost & (VMSIM__PTE_PRESENT | VMSIM__PTE_RWXU);
}

/* One flush for the range from the first entry that changed to the last: rights that grow need none on x86, where a
 * stale entry costs one spurious fault. A huge page that is half inside is split first. Kernel: change_protection. */
void vmsim__change_protection(struct vmsim__vma *vma, uint64_t start, uint64_t end, bool upgrade_writable,
                              unsigned cpu) {
    VMSIM__ASSERT(start >= vma->start && end <= vma->end && start < end);
    struct vmsim__mm *mm = vma->mm;
    struct vmsim__pt_slot slot;
    uint64_t from = UINT64_MAX, to = 0;
    unsigned shift = mm->vm->page_shift;
    vmsim__flush_pending(mm, cpu);
    for (uint64_t va = start; va < end && vmsim__pt_next(&mm->pt, &va, end, &slot);) {
        uint64_t size = UINT64_C(1) << mm->pt.format->shift[slot.level];
        if (slot.level && (va < start || va + size > end)) {
            va = vmsim__max64(va, start);
            vmsim__thp_split_pmd(vma, va, &slot, cpu);
            continue;
        }
        if (change_entry(vma, &slot, upgrade_writable)) {
            from = vmsim__min64(from, va);
            to = va + size;
        }
        va += size;
    }
    if (to)
        vmsim__flush_range(mm, from, to, shift, false, cpu);
}

/* Kernel: vma_wants_manual_pte_write_upgrade. Without it each page of a mapping that becomes writable again would
 * fault once for nothing; for a shared mapping that tracks dirty pages that fault is the point. */
static bool wants_upgrade(const struct vmsim__vma *v) {
    if (v->flags & VMSIM__VM_SHARED)
        return (v->flags & VMSIM__VM_WRITE) && !(vmsim__prot_flags(v) & VMSIM__PTE_WRITE);
    return v->flags & VMSIM__VM_WRITE;
}

/* May a private mapping that becomes writable be charged? Adds ACCOUNT to *flags, or takes it away where the kernel
 * does so for an untouched mapping that can no longer be written. 0 or -ENOMEM. */
static int charge_writable(const struct vmsim__vma *vma, uint32_t *flags, uint64_t pages, bool *charged) {
    VMSIM__ASSERT(pages > 0);
    struct vmsim__mm *mm = vma->mm;
    const uint32_t old = vma->flags;
    *charged = false;
    if (!(*flags & VMSIM__VM_WRITE)) {
        if (mm->vm->kernel->mprotect_uncharges && old & VMSIM__VM_ACCOUNT && !vma->file && !vma->anon_vma)
            *flags &= ~VMSIM__VM_ACCOUNT;
        return 0;
    }
    if (!vmsim__may_expand(mm, *flags, pages) && vmsim__may_expand(mm, old, pages))
        return -VMSIM__L_ENOMEM;
    if (old & (VMSIM__VM_ACCOUNT | VMSIM__VM_WRITE | VMSIM__VM_HUGETLB | VMSIM__VM_SHARED | VMSIM__VM_NORESERVE))
        return 0;
    if (!vmsim__commit(mm, pages))
        return -VMSIM__L_ENOMEM;
    *flags |= VMSIM__VM_ACCOUNT;
    *charged = true;
    return 0;
}

/* One VMA's part of the range. Kernel: mprotect_fixup. */
static int fixup(struct vmsim__mm *mm, struct vmsim__vma *vma, uint64_t start, uint64_t end, uint32_t flags) {
    VMSIM__ASSERT(start >= vma->start && end <= vma->end && start < end);
    uint32_t old = vma->flags;
    const uint64_t pages = (end - start) >> mm->vm->page_shift;
    bool charged;
    if (flags == old)
        return 0;
    int e = charge_writable(vma, &flags, pages, &charged);
    if (e)
        return e;
    struct vmsim__vma *v;
    e = vmsim__vma_modify(mm, vma, start, end, flags, &v);
    if (e) {
        if (charged)
            vmsim__uncommit(mm->vm, pages);
        return e;
    }
    vmsim__change_protection(v, start, end, wants_upgrade(v) && !(v->flags & VMSIM__VM_HUGETLB), mm->cpu);
    if ((old & (VMSIM__VM_WRITE | VMSIM__VM_SHARED | VMSIM__VM_LOCKED)) == VMSIM__VM_LOCKED &&
        (flags & VMSIM__VM_WRITE))
        vmsim__mm_populate(mm, start, end - start, mm->cpu);
    if (old & ~flags & VMSIM__VM_ACCOUNT)
        vmsim__uncommit(mm->vm, pages);
    vmsim__stat_account(mm, old, -(int64_t)pages);
    vmsim__stat_account(mm, flags, (int64_t)pages);
    return 0;
}

/* PROT_* may not exceed the MAY bits, which stand four bits above and came from how the file was opened. */
static int64_t protect_range(struct vmsim__mm *mm, struct vmsim__vma *v, uint64_t start, uint64_t end, uint32_t want) {
    for (uint64_t at = start; at < end;) {
        if (!v || v->start > at)
            return -VMSIM__L_ENOMEM;
        uint32_t flags = want | (v->flags & ~VMSIM__VM_ACCESS);
        uint64_t to = vmsim__min64(v->end, end);
        if (flags & ~(flags >> 4) & VMSIM__VM_ACCESS)
            return -VMSIM__L_EACCES;
        int e = fixup(mm, v, at, to, flags);
        if (e)
            return e;
        at = to;
        v = vmsim__vma_find(mm, at);
    }
    return 0;
}

/* A hole is an error only when it is reached: what lies before it has changed. PROT_GROWSDOWN takes in the whole stack
 * below. Kernel: do_mprotect_pkey. */
int64_t vmsim__mm_mprotect(struct vmsim__mm *mm, uint64_t addr, uint64_t length, unsigned prot, unsigned cpu) {
    const unsigned grows = prot & (VMSIM__PROT_GROWSDOWN | VMSIM__PROT_GROWSUP);
    const uint64_t page = mm->vm->page_size;
    mm->cpu = cpu;
    if (vmsim__nommu(mm->vm))
        return -VMSIM__L_ENOSYS;
    vmsim__vm_cost(mm->vm, mm->vm->spec.costs.mprotect);
    prot &= ~(VMSIM__PROT_GROWSDOWN | VMSIM__PROT_GROWSUP);
    if (grows == (VMSIM__PROT_GROWSDOWN | VMSIM__PROT_GROWSUP) || (addr & (page - 1)))
        return -VMSIM__L_EINVAL;
    if (!length)
        return 0;
    uint64_t end = addr + vmsim__align_up(length, page);
    if (end <= addr)
        return -VMSIM__L_ENOMEM;
    if (prot & ~(VMSIM__PROT_READ | VMSIM__PROT_WRITE | VMSIM__PROT_EXEC | VMSIM__PROT_SEM))
        return -VMSIM__L_EINVAL;
    struct vmsim__vma *v = vmsim__vma_find(mm, addr);
    if (!v)
        return -VMSIM__L_ENOMEM;
    if (grows & VMSIM__PROT_GROWSDOWN) {
        if (v->start >= end)
            return -VMSIM__L_ENOMEM;
        if (!(v->flags & VMSIM__VM_GROWSDOWN))
            return -VMSIM__L_EINVAL;
        addr = v->start;
    } else if (v->start > addr) {
        return -VMSIM__L_ENOMEM;
    } else if (grows) {
        return -VMSIM__L_EINVAL; /* no stack grows up here */
    }
    return protect_range(mm, v, addr, end, vmsim__prot_to_flags(prot));
}
