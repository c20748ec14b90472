/* SPDX-License-Identifier: MIT */
/* Faults on hugetlb pages: the first touch, and the copy of private memory.
 *
 *     no entry     page of the file, or a new one from the pool (SIGBUS: there is none, or it lies behind the end)
 *                  shared: into the file      private: this process's own; a write to the file's own copies at once
 *     write to a read-only entry
 *                  shared, or nobody else has it: made writable
 *                  else copied; without a page for the copy the owner takes it away from its children, others SIGBUS
 *
 * Kernel counterpart: mm/hugetlb.c (hugetlb_fault, hugetlb_no_page, hugetlb_wp, unmap_ref_private). */
#include "vm/vm_hugetlb.h"

struct huge_fault {
    struct vmsim__fault_at *at;
    struct vmsim__vma *vma;
    unsigned hstate;
    uint64_t va; /* of the huge page */
    struct vmsim__pt_slot slot;
};

static struct vmsim__vm *vm_of(const struct huge_fault *h) {
    return h->vma->mm->vm;
}

static enum vmsim__fault_outcome no_page(const struct vmsim__vm *vm) {
    return vmsim__now_waits(&vm->mem->now) || vm->host_nomem ? VMSIM__FAULT_OOM : VMSIM__FAULT_SIGBUS;
}

static void set_entry(const struct huge_fault *h, vmsim__pfn pfn, bool writable) {
    struct vmsim__pte pte = {pfn, vmsim__prot_flags(h->vma) & ~VMSIM__PTE_WRITE};
    if (writable)
        pte.flags |= VMSIM__PTE_WRITE | VMSIM__PTE_DIRTY | VMSIM__PTE_SOFT_DIRTY;
    vmsim__huge_set(h->vma->mm, h->hstate, &h->slot, pte);
    vmsim__vm_cost(vm_of(h), vm_of(h)->spec.costs.map);
}

/* A new page becomes the process's own. Kernel: hugepage_add_new_anon_rmap. */
static void own(const struct huge_fault *h, vmsim__pfn pfn) {
    struct vmsim__frame *f = vmsim__vm_frame(vm_of(h), pfn);
    VMSIM__ASSERT(f->refcount == 1 && !f->mapping && h->vma->anon_vma);
    f->flags |= VMSIM__FRAME_ANON | VMSIM__FRAME_EXCLUSIVE;
    f->mapping = h->vma->anon_vma;
    vmsim__frame_set_index(f, vmsim__vma_index(h->vma, h->va));
    vmsim__huge_map(h->vma, pfn, 1);
}

/* ---- copies ---- */

/* A mapping without promises of its own loses the page, and knows why when it faults again. */
static void take_from(struct vmsim__vma *v, uint64_t index, vmsim__pfn pfn, unsigned cpu) {
    struct vmsim__mm *mm = v->mm;
    const unsigned h = vmsim__vma_hstate(v), before = mm->cpu;
    const uint64_t va = v->start + ((index - v->pgoff) << mm->vm->page_shift);
    struct vmsim__pt_slot slot;
    if (!vmsim__huge_slot(mm, va, h, false, &slot) || !slot.entry || !vmsim__pt_read(mm->pt.format, &slot) ||
        vmsim__pt_get(mm->pt.format, &slot).pfn != pfn)
        return;
    struct vmsim__gather g;
    mm->cpu = cpu;
    vmsim__gather_start(&g, mm, false);
    vmsim__hugetlb_zap(&g, v, va, va + (UINT64_C(1) << vmsim__hstate_shift(mm->vm, h)));
    vmsim__gather_finish(&g);
    v->resv_unmapped = true;
    mm->cpu = before;
}

/* Kernel: unmap_ref_private. */
static void take_from_children(const struct huge_fault *h, vmsim__pfn pfn) {
    const struct vmsim__imap *map = h->vma->file->mappings;
    const uint64_t first = vmsim__vma_index(h->vma, h->va),
                   last = first + vmsim__frame_pages(vmsim__vm_frame(vm_of(h), pfn)) - 1;
    for (struct vmsim__interval *n = vmsim__interval_first(&map->vmas, first, last); n;
         n = vmsim__interval_next(n, first, last)) {
        struct vmsim__vma *v = vmsim__vma_of_file_link(n);
        if (v != h->vma && !(v->flags & VMSIM__VM_MAYSHARE) && !v->resv)
            take_from(v, first, pfn, h->at->cpu);
    }
}

/* Nobody else has it: it becomes writable where it is. */
static bool reuse(const struct huge_fault *h, vmsim__pfn pfn) {
    struct vmsim__frame *f = vmsim__vm_frame(vm_of(h), pfn);
    if (!vmsim__frame_is(f, VMSIM__FRAME_ANON) || f[1].mapping != 1)
        return false;
    if (!vmsim__frame_is(f, VMSIM__FRAME_EXCLUSIVE)) {
        f->flags |= VMSIM__FRAME_EXCLUSIVE;
        f->mapping = h->vma->anon_vma;
    }
    set_entry(h, pfn, true);
    return true;
}

/* The copy takes the place of the page. */
static void replace(const struct huge_fault *h, vmsim__pfn old, vmsim__pfn copy) {
    struct vmsim__vm *vm = vm_of(h);
    struct vmsim__mm *mm = h->vma->mm;
    const unsigned order = vm->mem->hstate[h->hstate].order;
    vmsim__vm_fill(vm, copy, old, order);
    vmsim__vm_cost(vm, vmsim__mem_copy_time(vm->mem, vm->spec.costs.copy_page << order,
                                            UINT64_C(1) << (vm->mem->page_shift + order), h->at->cpu, copy, old));
    vmsim__huge_set(mm, h->hstate, &h->slot, (struct vmsim__pte){0, 0});
    vmsim__flush_range(mm, h->va, h->va + (UINT64_C(1) << vmsim__hstate_shift(vm, h->hstate)),
                       vmsim__hstate_shift(vm, h->hstate), false, h->at->cpu);
    vmsim__huge_map(h->vma, old, -1);
    own(h, copy);
    set_entry(h, copy, true);
    vmsim__hugetlb_put_refs(vm, old, 1, h->at->cpu);
}

/* Kernel: hugetlb_wp. `of_file`: the page of the file at this place, PFN_NONE: it has none. The owner copies what it
 * shares with a child without touching promises: its own was used up by the page that it has. */
static enum vmsim__fault_outcome write_protected(const struct huge_fault *h, vmsim__pfn pfn, vmsim__pfn of_file) {
    struct vmsim__vm *vm = vm_of(h);
    struct vmsim__vma *v = h->vma;
    if (v->flags & VMSIM__VM_MAYSHARE) {
        set_entry(h, pfn, true);
        return VMSIM__FAULT_MINOR;
    }
    if (reuse(h, pfn))
        return VMSIM__FAULT_MINOR;
    if (vmsim__anon_vma_prepare(v))
        return VMSIM__FAULT_OOM;
    const bool outside = v->resv && pfn != of_file;
    const struct vmsim__huge_page copy = vmsim__hugetlb_alloc(v, h->va, outside, h->at->cpu);
    if (copy.pfn != VMSIM__PFN_NONE) {
        VMSIM__ASSERT(vmsim__pt_get(vm->format, &h->slot).pfn == pfn);
        replace(h, pfn, copy.pfn);
        return VMSIM__FAULT_MINOR;
    }
    if (!outside || no_page(vm) != VMSIM__FAULT_SIGBUS)
        return no_page(vm);
    take_from_children(h, pfn);
    return reuse(h, pfn) ? VMSIM__FAULT_MINOR : VMSIM__FAULT_SIGBUS;
}

/* ---- first touch ---- */

static vmsim__pfn file_page(const struct huge_fault *h) {
    const uint64_t entry = vmsim__radix_get(&vmsim__hugefile_of(h->vma->file)->pages, vmsim__huge_index(h->vma, h->va));
    return entry ? (vmsim__pfn)(entry - 1) : VMSIM__PFN_NONE;
}

/* A page that nobody has had. False: none; *o says what becomes of the fault. */
static bool new_page(const struct huge_fault *h, vmsim__pfn *pfn, enum vmsim__fault_outcome *o) {
    struct vmsim__vm *vm = vm_of(h);
    const uint64_t size = vmsim__align_down(h->vma->file->size, UINT64_C(1) << vmsim__hstate_shift(vm, h->hstate));
    const unsigned order = vm->mem->hstate[h->hstate].order;
    *o = VMSIM__FAULT_SIGBUS;
    if (vmsim__vma_index(h->vma, h->va) << vm->page_shift >= size)
        return false;
    const struct vmsim__huge_page page = vmsim__hugetlb_alloc(h->vma, h->va, false, h->at->cpu);
    *pfn = page.pfn;
    *o = no_page(vm);
    if (*pfn == VMSIM__PFN_NONE)
        return false;
    if ((h->vma->flags & VMSIM__VM_MAYSHARE) && !vmsim__hugetlb_into_file(h->vma, h->va, *pfn)) {
        vmsim__hugetlb_unalloc(h->vma, h->va, page, h->at->cpu);
        *o = VMSIM__FAULT_OOM;
        return false;
    }
    vmsim__hugetlb_clear(vm, *pfn, order, h->at->cpu);
    return true;
}

/* Kernel: hugetlb_no_page. */
static enum vmsim__fault_outcome first_touch(const struct huge_fault *h) {
    struct vmsim__vma *v = h->vma;
    const bool shared = v->flags & VMSIM__VM_MAYSHARE;
    vmsim__pfn pfn = file_page(h);
    const vmsim__pfn of_file = pfn;
    enum vmsim__fault_outcome o;
    if (v->resv_unmapped)
        return VMSIM__FAULT_SIGBUS;
    if (!shared && vmsim__anon_vma_prepare(v))
        return VMSIM__FAULT_OOM;
    if (pfn == VMSIM__PFN_NONE && !new_page(h, &pfn, &o))
        return o;
    if (shared || pfn == of_file) {
        vmsim__vm_frame(vm_of(h), pfn)->refcount++;
        vmsim__huge_map(v, pfn, 1);
    } else {
        own(h, pfn);
    }
    set_entry(h, pfn, (v->flags & (VMSIM__VM_WRITE | VMSIM__VM_SHARED)) == (VMSIM__VM_WRITE | VMSIM__VM_SHARED));
    return h->at->write && !shared ? write_protected(h, pfn, of_file) : VMSIM__FAULT_MINOR;
}

/* Kernel: hugetlb_fault. */
enum vmsim__fault_outcome vmsim__hugetlb_fault(struct vmsim__fault_at *at) {
    struct vmsim__mm *mm = at->mm;
    struct huge_fault h = {.at = at, .vma = at->vma, .hstate = vmsim__vma_hstate(at->vma)};
    h.va = vmsim__align_down(at->va, UINT64_C(1) << vmsim__hstate_shift(mm->vm, h.hstate));
    if (!vmsim__huge_slot(mm, h.va, h.hstate, true, &h.slot))
        return VMSIM__FAULT_OOM;
    if (!vmsim__pt_read(mm->pt.format, &h.slot))
        return first_touch(&h);
    struct vmsim__pte pte = vmsim__pt_get(mm->pt.format, &h.slot);
    const uint32_t want = VMSIM__PTE_ACCESSED | (at->write ? VMSIM__PTE_DIRTY | VMSIM__PTE_SOFT_DIRTY : 0);
    if (at->write && !(pte.flags & VMSIM__PTE_WRITE))
        return write_protected(&h, (vmsim__pfn)pte.pfn, file_page(&h));
    if ((pte.flags & want) == want)
        return VMSIM__FAULT_SPURIOUS;
    pte.flags |= want;
    vmsim__huge_set(mm, h.hstate, &h.slot, pte);
    return VMSIM__FAULT_MINOR;
}
