/* SPDX-License-Identifier: MIT */
/* Entries that are neither empty nor present, in every path that meets them (mmu/swp.h has what they say):
 *
 *                  fault              zap                    fork                     mprotect        counts in
 *     swap         the swap module    slot given back        slot counted once more   -               VmSwap
 *     migration    waits              cleared                both read-only           read-only       RSS of the page
 *     hwpoison     SIGBUS             cleared                copied                   -               nothing
 *     guard        SIGSEGV            by munmap and exit     copied                   -               nothing
 *     poisoned     SIGBUS             cleared                copied                   -               nothing
 *
 * Truncation of a file leaves private copies alone, and so their swap entries. Kernel counterparts: mm/memory.c
 * (do_swap_page, copy_nonpresent_pte, zap_nonpresent_ptes), mm/mprotect.c. */
#include "vm/vm_impl.h"

static const struct vmsim__frame *page_of(const struct vmsim__vm *vm, struct vmsim__swp e) {
    VMSIM__ASSERT(vmsim__swp_is_migration(e) && e.offset < vm->mem->frames.end);
    return vmsim__vm_frame(vm, vmsim__vm_head(vm, (vmsim__pfn)e.offset));
}

/* What an entry counts as, or VMSIM__RSS_KINDS: as nothing. */
enum vmsim__rss_kind vmsim__swp_rss_kind(const struct vmsim__vm *vm, struct vmsim__swp e) {
    if (vmsim__swp_is_swap(e))
        return VMSIM__RSS_SWAP;
    return vmsim__swp_is_migration(e) ? vmsim__rss_kind_of(page_of(vm, e)) : VMSIM__RSS_KINDS;
}

/* ---- faults ---- */

/* Kernel: do_swap_page, for what is not swap, and handle_pte_marker. */
enum vmsim__fault_outcome vmsim__nonpresent_fault(struct vmsim__fault_at *at) {
    VMSIM__ASSERT(at->slot.entry && !at->slot.level);
    struct vmsim__vm *vm = at->mm->vm;
    const struct vmsim__vm_hooks *h = &vm->hooks;
    const struct vmsim__swp e = vmsim__swp_of(at->pte);
    if (vmsim__swp_is_swap(e) && vm->swap)
        return vm->swap->swap_in(vm->swap->context, at->vma, at->va, &at->slot, at->write, at->cpu);
    if (vmsim__swp_is_migration(e) && h->migration_wait)
        return h->migration_wait(h->context, at->vma, at->va, (vmsim__pfn)e.offset, at->cpu);
    if (vmsim__swp_is_marker(e, VMSIM__MARKER_GUARD))
        return VMSIM__FAULT_SIGSEGV_MAPERR;
    return VMSIM__FAULT_SIGBUS;
}

/* Gives the entry's count of the slot back. A slot that is of no further use to a page in the cache goes, too: one that
 * is written now, or locked, or where slots are scarce. Kernel: swap_free, should_try_to_free_swap. */
static void give_back_slot(const struct vmsim__vma *v, struct vmsim__swp e, vmsim__pfn pfn, bool write, unsigned cpu) {
    VMSIM__ASSERT(v->mm->vm->swap && vmsim__swp_is_swap(e));
    const struct vmsim__vm *vm = v->mm->vm;
    const struct vmsim__swap_ops *swap = vm->swap;
    const struct vmsim__frame *f = vmsim__vm_frame(vm, pfn);
    swap->put(swap->context, e);
    if (vmsim__frame_is(f, VMSIM__FRAME_SWAPCACHE) && swap->free_slot &&
        ((write && f->refcount == 2) || (v->flags & VMSIM__VM_LOCKED) ||
         (swap->full && swap->full(swap->context, pfn))))
        swap->free_slot(swap->context, pfn, cpu);
}

static void put_on_lists(struct vmsim__vma *v, vmsim__pfn pfn, unsigned cpu) {
    const bool locked = (v->flags & (VMSIM__VM_LOCKED | VMSIM__VM_SPECIAL)) == VMSIM__VM_LOCKED;
    vmsim__lru_add_vma(v->mm->vm->lru, pfn, locked, cpu);
}

/* The caller's reference becomes the entry's. */
enum vmsim__fault_outcome vmsim__swap_map(struct vmsim__vma *v, uint64_t va, struct vmsim__pte entry, vmsim__pfn pfn,
                                          bool cached, bool write, unsigned cpu) {
    struct vmsim__mm *mm = v->mm;
    struct vmsim__vm *vm = mm->vm;
    struct vmsim__fault_at at = {.mm = mm, .vma = v, .va = va, .write = write, .cpu = cpu};
    const struct vmsim__swp e = vmsim__swp_of(entry);
    VMSIM__ASSERT(vmsim__swp_is_swap(e) && v->anon_vma &&
                  !vmsim__frame_is(vmsim__vm_frame(vm, pfn), VMSIM__FRAME_TAIL));
    if (!vmsim__mm_slot(mm, va, false, &at.slot) || !at.slot.entry || at.slot.level ||
        vmsim__pt_read(vm->format, &at.slot) != vm->format->encode(vm->format, 0, entry)) {
        vmsim__folio_put(vm->lru, pfn, cpu);
        return VMSIM__FAULT_MINOR; /* somebody else was faster, or it is gone */
    }
    const bool fresh = !vmsim__frame_is(vmsim__vm_frame(vm, pfn), VMSIM__FRAME_SWAPCACHE); /* nobody has seen it */
    give_back_slot(v, e, pfn, write, cpu);
    const bool exclusive = e.exclusive || fresh || vmsim__vm_frame(vm, pfn)->refcount == 1;
    at.pte = (struct vmsim__pte){pfn, vmsim__prot_flags(v) | (entry.flags & VMSIM__PTE_SOFT_DIRTY)};
    if (exclusive && write) {
        at.pte.flags |= VMSIM__PTE_DIRTY | VMSIM__PTE_SOFT_DIRTY | (v->flags & VMSIM__VM_WRITE ? VMSIM__PTE_WRITE : 0);
        at.write = false;
    }
    vmsim__rss_add(mm, VMSIM__RSS_SWAP, -1);
    vmsim__rss_add(mm, VMSIM__RSS_ANON, 1);
    struct vmsim__frame *f = vmsim__vm_frame(vm, pfn);
    f->flags |= VMSIM__FRAME_SWAPBACKED;
    if (!vmsim__frame_is(f, VMSIM__FRAME_ANON)) {
        f->flags |= VMSIM__FRAME_ANON;
        f->mapping = exclusive ? v->anon_vma : vmsim__anon_vma_at(vm, v->anon_vma)->root;
        vmsim__frame_set_index(f, vmsim__vma_index(v, va));
    }
    vmsim__map_anon(v, pfn, exclusive, cpu);
    if (!cached)
        put_on_lists(v, pfn, cpu);
    vmsim__pt_set(vm->format, &at.slot, at.pte);
    vmsim__vm_cost(vm, vm->spec.costs.map);
    return at.write ? vmsim__fault_wp(&at) : VMSIM__FAULT_MINOR;
}

/* ---- zap ---- */

/* Does an unmap of this kind leave the entry where it is? */
static bool stays(const struct vmsim__vm *vm, struct vmsim__swp e, unsigned zap) {
    if (vmsim__swp_is_migration(e))
        return !(zap & VMSIM__ZAP_COWS) && vmsim__frame_is(page_of(vm, e), VMSIM__FRAME_ANON);
    if (vmsim__swp_is_marker(e, VMSIM__MARKER_GUARD))
        return !(zap & VMSIM__ZAP_MARKERS);
    return !(zap & VMSIM__ZAP_COWS);
}

void vmsim__nonpresent_zap(struct vmsim__mm *mm, const struct vmsim__pt_slot *slot, struct vmsim__pte pte,
                           unsigned zap) {
    VMSIM__ASSERT(pte.flags & VMSIM__PTE_SWAP);
    struct vmsim__vm *vm = mm->vm;
    const struct vmsim__swp e = vmsim__swp_of(pte);
    if (stays(vm, e, zap))
        return;
    vmsim__pt_write(mm->pt.format, slot, 0);
    const enum vmsim__rss_kind kind = vmsim__swp_rss_kind(vm, e);
    if (kind < VMSIM__RSS_KINDS)
        vmsim__rss_add(mm, kind, -1);
    if (vmsim__swp_is_swap(e) && vm->swap)
        vm->swap->release(vm->swap->context, e, mm->cpu);
}

/* ---- fork, mprotect ---- */

/* Neither side may write a page under migration when it comes back, and nobody owns it alone. */
static struct vmsim__swp share(const struct vmsim__vma *from, struct vmsim__swp e) {
    if (vmsim__swp_is_swap(e))
        e.exclusive = false;
    else if (vmsim__swp_is_migration(e) && vmsim__vma_private_writable(from))
        e.type = VMSIM__SWP_MIGRATION_READ;
    return e;
}

bool vmsim__nonpresent_copy(struct vmsim__vma *to, const struct vmsim__vma *from, const struct vmsim__pt_slot *src,
                            const struct vmsim__pt_slot *dst, struct vmsim__pte pte) {
    VMSIM__ASSERT((pte.flags & VMSIM__PTE_SWAP) && !src->level && !dst->level);
    struct vmsim__vm *vm = from->mm->vm;
    const struct vmsim__pt_format *f = vm->format;
    const struct vmsim__swp e = vmsim__swp_of(pte);
    if (vmsim__swp_is_swap(e) && vm->swap && !vm->swap->duplicate(vm->swap->context, e))
        return false;
    const enum vmsim__rss_kind kind = vmsim__swp_rss_kind(vm, e);
    if (kind < VMSIM__RSS_KINDS)
        vmsim__rss_add(to->mm, kind, 1);
    pte = vmsim__swp_pte(f, share(from, e), pte.flags & VMSIM__PTE_SOFT_DIRTY);
    vmsim__pt_set(f, src, pte);
    vmsim__pt_set(f, dst, pte);
    return true;
}

/* The right to write is given back by the fault that follows, when the VMA has it. */
void vmsim__nonpresent_protect(const struct vmsim__vma *v, const struct vmsim__pt_slot *slot, struct vmsim__pte pte) {
    VMSIM__ASSERT(pte.flags & VMSIM__PTE_SWAP);
    const struct vmsim__pt_format *f = v->mm->pt.format;
    struct vmsim__swp e = vmsim__swp_of(pte);
    if (e.type != VMSIM__SWP_MIGRATION_WRITE)
        return;
    const bool anon = vmsim__frame_is(page_of(v->mm->vm, e), VMSIM__FRAME_ANON);
    e.type = anon ? VMSIM__SWP_MIGRATION_READ_EXCLUSIVE : VMSIM__SWP_MIGRATION_READ;
    vmsim__pt_set(f, slot, vmsim__swp_pte(f, e, pte.flags & VMSIM__PTE_SOFT_DIRTY));
}
