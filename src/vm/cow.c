/* SPDX-License-Identifier: MIT */
/* Writes to what is mapped read-only: reuse the page, or copy it.
 *
 * An anonymous page is reused when this process alone owns it: its frame is marked exclusive, or every reference on it
 * is the one entry at hand. References of per-CPU LRU batches count, so a page that is on no list yet has the batches
 * drained first. The number of mappings decides nothing. Kernel counterpart: mm/memory.c (do_wp_page, wp_page_copy,
 * wp_page_shared). */
#include "vm/vm_impl.h"

/* Kernel: wp_page_reuse. */
static enum vmsim__fault_outcome reuse(struct vmsim__fault_at *at) {
    VMSIM__ASSERT(at->slot.entry && !at->slot.level && at->pte.flags & VMSIM__PTE_PRESENT);
    struct vmsim__vm *vm = at->mm->vm;
    at->pte.flags |= VMSIM__PTE_ACCESSED | VMSIM__PTE_DIRTY | VMSIM__PTE_SOFT_DIRTY;
    if (at->vma->flags & VMSIM__VM_WRITE)
        at->pte.flags |= VMSIM__PTE_WRITE;
    vmsim__pt_set(at->mm->pt.format, &at->slot, at->pte);
    vmsim__vm_event(vm, VMSIM__PGREUSE, 1);
    return VMSIM__FAULT_MINOR;
}

/* Is the entry at hand the only reference? Kernel: do_wp_page: up to three references may be the entry, the page's
 * batch and the swap cache; only then a drain can help. */
static bool sole_owner(struct vmsim__fault_at *at, vmsim__pfn pfn) {
    VMSIM__ASSERT(!(at->pte.flags & VMSIM__PTE_SPECIAL));
    struct vmsim__vm *vm = at->mm->vm;
    struct vmsim__frame *f = vmsim__vm_frame(vm, pfn);
    if (vmsim__frame_is(f, VMSIM__FRAME_HEAD | VMSIM__FRAME_TAIL))
        return !vm->kernel->large_never_reused && vmsim__vm_frame(vm, vmsim__vm_head(vm, pfn))->refcount == 1;
    if (f->refcount > 3)
        return false;
    if (!vmsim__frame_is(f, VMSIM__FRAME_LRU))
        vmsim__lru_drain_cpu(vm->lru, at->cpu);
    const bool cached = vmsim__frame_is(f, VMSIM__FRAME_SWAPCACHE);
    if (f->refcount > 1 + cached)
        return false;
    if (cached && vm->swap && vm->swap->free_slot) /* nobody else's: the slot need not be kept */
        vm->swap->free_slot(vm->swap->context, pfn, at->cpu);
    return f->refcount == 1;
}

/* The new page takes the place of the old one (`head` has it; NULL: the zero page). The old entry is cleared and
 * flushed before the new one is written: no CPU may see both pages. The entry's reference goes; the caller has another.
 */
VMSIM__INLINE void replace(struct vmsim__fault_at *at, struct vmsim__frame *head, vmsim__pfn pfn) {
    struct vmsim__mm *mm = at->mm;
    if (head) {
        vmsim__rss_batch_start(mm); /* of two anonymous pages the counters see nothing */
        vmsim__rss_add_fast(mm, vmsim__rss_kind_of(head), -1);
    }
    const struct vmsim__pt_format *f = mm->pt.format;
    vmsim__pt_write(f, &at->slot, 0);
    vmsim__flush_page(mm, at->va, at->cpu);
    if (!head && vmsim__vma_is_vdso(at->vma))
        vmsim__vdso_mapped(at->vma, -1);
    vmsim__map_new_anon(at->vma, pfn, at->va, at->cpu);
    if (head)
        vmsim__rss_batch_end(mm);
    struct vmsim__pte pte = {pfn, vmsim__prot_flags(at->vma) | VMSIM__PTE_DIRTY | VMSIM__PTE_SOFT_DIRTY};
    if (at->vma->flags & VMSIM__VM_WRITE)
        pte.flags |= VMSIM__PTE_WRITE;
    vmsim__pt_set(f, &at->slot, pte);
    if (head) {
        vmsim__unmap_page(at->vma, (vmsim__pfn)at->pte.pfn, at->cpu);
        head->refcount--;
        VMSIM__ASSERT(head->refcount > 0);
    }
}

/* The old page may be the zero page, a file's or somebody else's. While memory is found for the new one it may be
 * unmapped here, but not vanish: hence the reference, and the second look at the entry. Kernel: wp_page_copy. */
static enum vmsim__fault_outcome copy(struct vmsim__fault_at *at) {
    struct vmsim__vm *vm = at->mm->vm;
    const bool zero = at->pte.flags & VMSIM__PTE_SPECIAL;
    const vmsim__pfn old = zero ? VMSIM__PFN_NONE : (vmsim__pfn)at->pte.pfn;
    const vmsim__pfn held = zero ? old : vmsim__vm_head(vm, old);
    struct vmsim__frame *head = zero ? NULL : vmsim__vm_frame(vm, held);
    const uint32_t gfp = VMSIM__GFP_HIGHUSER_MOVABLE | (zero ? VMSIM__GFP_ZERO : 0);
    VMSIM__ASSERT(at->slot.entry && !at->slot.level && (zero || head->refcount > 0));
    if (vmsim__anon_vma_prepare(at->vma))
        return VMSIM__FAULT_OOM;
    const uint64_t raw = vmsim__pt_read(vm->format, &at->slot);
    if (head)
        head->refcount++;
    vmsim__pfn pfn = vmsim__vma_alloc_folio(at->vma, at->va, gfp, 0, at->cpu);
    if (VMSIM__LIKELY(pfn != VMSIM__PFN_NONE && vmsim__pt_read(vm->format, &at->slot) == raw)) {
        vmsim__vm_fill(vm, pfn, old, 0);
        vmsim__vm_cost(vm, vm->spec.costs.map);
        if (zero)
            vmsim__vm_clear_cost(vm, vm->spec.costs.zero_page, 1, pfn, at->cpu);
        else
            vmsim__vm_copy_cost(vm, pfn, old, at->cpu);
        replace(at, head, pfn);
    } else if (pfn != VMSIM__PFN_NONE) {
        vmsim__folio_put(vm->lru, pfn, at->cpu); /* the access comes again, if it has to */
    }
    if (head)
        vmsim__folio_put(vm->lru, held, at->cpu);
    return pfn == VMSIM__PFN_NONE ? VMSIM__FAULT_OOM : VMSIM__FAULT_MINOR;
}

/* Kernel: wp_page_shared; page_mkwrite comes before the entry becomes writable, so that the file system can refuse or
 * wait. */
static enum vmsim__fault_outcome shared(struct vmsim__fault_at *at) {
    struct vmsim__vm *vm = at->mm->vm;
    if (at->vma->file && vmsim__file_wants_mkwrite(at->vma->file)) {
        const uint64_t raw = vmsim__pt_read(vm->format, &at->slot);
        vmsim__file_mkwrite(vm->cache, at->vma->file, vmsim__vm_head(vm, (vmsim__pfn)at->pte.pfn));
        vmsim__vm_cost(vm, vm->spec.costs.mkwrite);
        if (vmsim__pt_read(vm->format, &at->slot) != raw)
            return VMSIM__FAULT_MINOR;
    }
    enum vmsim__fault_outcome o = reuse(at);
    if (!(at->pte.flags & VMSIM__PTE_SPECIAL))
        vmsim__page_dirty(vm->cache, vmsim__vm_head(vm, (vmsim__pfn)at->pte.pfn));
    return o;
}

/* Kernel: do_wp_page. The order decides what is counted: the zero page and file pages are always copied, an exclusive
 * page never, and only between the two are references looked at. */
enum vmsim__fault_outcome vmsim__fault_wp(struct vmsim__fault_at *at) {
    VMSIM__ASSERT(at->write && at->slot.entry && !(at->pte.flags & VMSIM__PTE_WRITE));
    struct vmsim__vm *vm = at->mm->vm;
    const uint32_t both = VMSIM__VM_SHARED | VMSIM__VM_WRITE;
    if ((at->vma->flags & both) == both)
        return shared(at);
    if (at->pte.flags & VMSIM__PTE_SPECIAL)
        return copy(at);
    vmsim__pfn pfn = (vmsim__pfn)at->pte.pfn;
    struct vmsim__frame *f = vmsim__vm_frame(vm, pfn);
    const struct vmsim__frame *head = vmsim__vm_frame(vm, vmsim__vm_head(vm, pfn));
    if (!vmsim__frame_is(head, VMSIM__FRAME_ANON))
        return copy(at);
    if (vmsim__frame_is(f, VMSIM__FRAME_EXCLUSIVE))
        return reuse(at);
    if (!sole_owner(at, pfn))
        return copy(at);
    f->flags |= VMSIM__FRAME_EXCLUSIVE;
    if (!vmsim__frame_is(f, VMSIM__FRAME_HEAD | VMSIM__FRAME_TAIL))
        f->mapping = at->vma->anon_vma; /* from now on this process's own */
    return reuse(at);
}
