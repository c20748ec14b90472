/* SPDX-License-Identifier: MIT */
/* Huge blocks in reserve: the first fault of a range takes a whole block, and each page of the range comes from its
 * place there, mapped by a base entry, until all are there: then one huge entry takes the place of 512, nothing copied.
 *
 *     block  [0][1][2][3]....[511]      a folio of which some frames are mapped: on the deferred split queue from the
 *             |     |                   start, so that short memory breaks the oldest reservation and gets back what
 *     table  [x][ ][x][ ]....[ ]        nobody has touched
 *
 * Where a range has its block is told by its entries; the last one found is kept. Kernel counterpart: none; FreeBSD's
 * vm_reserv.c. */
#include "lru/deferred_split.h"
#include "vm/thp_policies.h"

static unsigned huge_order(const struct vmsim__vm *vm) {
    return vm->format->shift[1] - vm->page_shift;
}

/* The entry's folio, if it is a block in reserve for the range: PFN_NONE otherwise. */
static vmsim__pfn block_of(const struct vmsim__vma *v, uint64_t start, struct vmsim__pte pte) {
    const struct vmsim__vm *vm = v->mm->vm;
    if (!(pte.flags & VMSIM__PTE_PRESENT) || (pte.flags & VMSIM__PTE_SPECIAL))
        return VMSIM__PFN_NONE;
    const vmsim__pfn head = vmsim__vm_head(vm, (vmsim__pfn)pte.pfn);
    const struct vmsim__frame *f = vmsim__vm_frame(vm, head);
    const bool right = vmsim__frame_is(f, VMSIM__FRAME_HEAD) && vmsim__folio_order(f) == huge_order(vm) &&
                       vmsim__frame_is(f, VMSIM__FRAME_ANON) && f->mapping == v->anon_vma && !f[1].mapping &&
                       vmsim__frame_index(f) == vmsim__vma_index(v, start) &&
                       !vmsim__frame_is(f, VMSIM__FRAME_SWAPCACHE | VMSIM__FRAME_LOCKED);
    return right ? head : VMSIM__PFN_NONE;
}

/* The block of the range whose table `first` begins, by any of its entries. */
static vmsim__pfn find_block(const struct vmsim__vma *v, uint64_t start, struct vmsim__pt_slot first) {
    const struct vmsim__pt_format *f = v->mm->pt.format;
    for (uint32_t i = 0; i < UINT32_C(1) << huge_order(v->mm->vm); i++) {
        if (vmsim__pt_read(f, &first)) {
            const vmsim__pfn head = block_of(v, start, vmsim__pt_get(f, &first));
            if (head != VMSIM__PFN_NONE)
                return head;
        }
        first.entry = (char *)first.entry + f->entry_bytes;
        first.index++;
    }
    return VMSIM__PFN_NONE;
}

/* A frame of the block that nobody maps yet becomes the page at va. */
static void map_frame(struct vmsim__fault_at *at, vmsim__pfn head, uint32_t i) {
    struct vmsim__vma *v = at->vma;
    struct vmsim__vm *vm = at->mm->vm;
    struct vmsim__frame *frame = vmsim__vm_frame(vm, head + i);
    uint32_t flags = vmsim__prot_flags(v);
    vmsim__vm_fill(vm, head + i, VMSIM__PFN_NONE, 0);
    vmsim__frame_map(frame, 1);
    frame->flags |= VMSIM__FRAME_EXCLUSIVE;
    vmsim__vm_node_stat(vm, vmsim__vm_frame(vm, head), VMSIM__NR_ANON_PAGES, 1);
    vmsim__rss_add_fast(at->mm, VMSIM__RSS_ANON, 1);
    if (v->flags & VMSIM__VM_WRITE)
        flags |= VMSIM__PTE_WRITE | VMSIM__PTE_DIRTY | VMSIM__PTE_SOFT_DIRTY;
    vmsim__pt_set(vm->format, &at->slot, (struct vmsim__pte){head + i, flags});
    vmsim__vm_cost(vm, vm->spec.costs.map);
    vmsim__vm_clear_cost(vm, vm->spec.costs.zero_page, 1, head + i, at->cpu);
}

/* Is every entry of the table its frame's, with the rights of the area? */
static bool whole(const struct vmsim__vma *v, vmsim__pfn head, struct vmsim__pt_slot first) {
    const struct vmsim__vm *vm = v->mm->vm;
    const uint32_t pages = UINT32_C(1) << huge_order(vm);
    const struct vmsim__frame *f = vmsim__vm_frame(vm, head);
    if (f->refcount != (int32_t)pages || vmsim__folio_run(v, first, pages) != pages)
        return false;
    for (uint32_t i = 0; i < pages; i++) {
        if (f[i].mapcount != 1 || !vmsim__frame_is(&f[i], VMSIM__FRAME_EXCLUSIVE))
            return false;
    }
    return true;
}

/* One huge entry takes the place of the table, which becomes its deposit. */
static void promote(struct vmsim__fault_at *at, uint64_t start, vmsim__pfn head, const struct vmsim__pt_slot *pmd) {
    struct vmsim__mm *mm = at->mm;
    struct vmsim__vm *vm = mm->vm;
    const uint32_t pages = UINT32_C(1) << huge_order(vm);
    struct vmsim__frame *f = vmsim__vm_frame(vm, head);
    const vmsim__pfn table = (vmsim__pfn)vmsim__pt_table_pfn(vm->format, vmsim__pt_read(vm->format, pmd));
    struct vmsim__pt_slot slot;
    vmsim__mm_slot(mm, start, false, &slot);
    struct vmsim__pte pte = {head, vmsim__prot_flags(at->vma) | VMSIM__PTE_DIRTY | VMSIM__PTE_SOFT_DIRTY};
    for (uint32_t i = 0; i < pages; i++, slot.index++, slot.entry = (char *)slot.entry + vm->format->entry_bytes) {
        vmsim__pt_write(vm->format, &slot, 0);
        vmsim__frame_map(&f[i], -1);
        f[i].flags &= i ? ~VMSIM__FRAME_EXCLUSIVE : UINT32_MAX;
    }
    vmsim__pt_write(vm->format, pmd, 0);
    vmsim__mm_forget_leaf(mm);
    vmsim__flush_range(mm, start, start + pages * vm->page_size, vm->page_shift, true, at->cpu);
    vmsim__deferred_del(vm->lru, head);
    vmsim__thp_deposit_table(mm, table);
    f->refcount -= (int32_t)pages - 1;
    f[1].mapping = 1;
    vmsim__vm_node_stat(vm, f, VMSIM__NR_ANON_TRANSPARENT_HUGEPAGES, 1);
    pte.flags |= at->vma->flags & VMSIM__VM_WRITE ? VMSIM__PTE_WRITE : 0;
    vmsim__pt_set(vm->format, pmd, pte);
    vmsim__vm_cost(vm, vm->spec.costs.map);
    vmsim__thp_count(vm, huge_order(vm), VMSIM__THP_ANON_FAULT_ALLOC, VMSIM__THP_FAULT_ALLOC);
}

/* A new block for an empty range. */
static vmsim__pfn new_block(struct vmsim__fault_at *at, uint64_t start) {
    struct vmsim__vm *vm = at->mm->vm;
    struct vmsim__vma *v = at->vma;
    const vmsim__pfn head = vmsim__vma_alloc_folio(v, start, vmsim__thp_gfp(v), huge_order(vm), at->cpu);
    if (head == VMSIM__PFN_NONE) {
        if (!vmsim__now_waits(&vm->mem->now))
            vmsim__thp_count(vm, huge_order(vm), VMSIM__THP_ANON_FAULT_FALLBACK, VMSIM__THP_FAULT_FALLBACK);
        return head;
    }
    struct vmsim__frame *f = vmsim__vm_frame(vm, head);
    if (vmsim__pt_read(vm->format, &at->slot)) { /* somebody was faster */
        vmsim__folio_put(vm->lru, head, at->cpu);
        return VMSIM__PFN_NONE;
    }
    f->flags |= VMSIM__FRAME_ANON | VMSIM__FRAME_SWAPBACKED;
    vmsim__thp_stat_add(vm->lru, huge_order(vm), VMSIM__THP_NR_ANON, 1);
    f->mapping = v->anon_vma;
    vmsim__frame_set_index(f, vmsim__vma_index(v, start));
    vmsim__lru_add_vma(vm->lru, head, (v->flags & (VMSIM__VM_LOCKED | VMSIM__VM_SPECIAL)) == VMSIM__VM_LOCKED, at->cpu);
    vmsim__thp_defer_split(vm, head);
    return head;
}

enum vmsim__fault_outcome vmsim__thp_reserve_fault(struct vmsim__fault_at *at, bool begin, bool *done) {
    struct vmsim__vm *vm = at->mm->vm;
    const uint64_t size = UINT64_C(1) << vm->format->shift[1], start = vmsim__align_down(at->va, size);
    const uint32_t i = (uint32_t)((at->va - start) >> vm->page_shift);
    struct vmsim__pt_slot first, pmd;
    *done = false;
    if (start < at->vma->start || start + size > at->vma->end || vmsim__anon_vma_prepare(at->vma) ||
        !vmsim__mm_slot(at->mm, start, false, &first) || !first.entry || first.level)
        return VMSIM__FAULT_OOM;
    vmsim__pfn head = begin ? new_block(at, start) : find_block(at->vma, start, first);
    *done = vmsim__now_waits(&vm->mem->now);
    if (head == VMSIM__PFN_NONE)
        return VMSIM__FAULT_WAIT;
    if (vmsim__vm_mapcount(vm, head + i)) /* shared with a child */
        return VMSIM__FAULT_OOM;
    if (!begin)
        vmsim__vm_frame(vm, head)->refcount++;
    map_frame(at, head, i);
    *done = true;
    if (whole(at->vma, head, first) && vmsim__pt_slot(&at->mm->pt, start, 1, false, &pmd) && pmd.level == 1)
        promote(at, start, head, &pmd);
    return VMSIM__FAULT_MINOR;
}
