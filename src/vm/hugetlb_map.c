/* SPDX-License-Identifier: MIT */
/* Entries of hugetlb pages in page tables.
 *
 * A huge page is mapped by one entry of an upper level, or, where its size is a group of the contiguous hint, by a run
 * of entries that are written alike. Kernel counterparts: mm/hugetlb.c (huge_pte_alloc, copy_hugetlb_page_range,
 * __unmap_hugepage_range). */
#include "vm/vm_hugetlb.h"

/* ---- entries ---- */

/* The level whose entries map pages of `shift`, alone or in a run of *entries. -1: none does. */
static int level_of(const struct vmsim__pt_format *f, unsigned shift, uint32_t *entries) {
    for (int l = f->levels - 1; l >= 0; l--) {
        if (f->shift[l] > shift)
            continue;
        *entries = UINT32_C(1) << (shift - f->shift[l]);
        const bool run = f->contig_shift[l] && f->shift[l] + f->contig_shift[l] == shift;
        return (f->leaf_levels >> l & 1) && (f->shift[l] == shift || run) ? l : -1;
    }
    return -1;
}

bool vmsim__hugetlb_mappable(const struct vmsim__vm *vm, unsigned hstate) {
    uint32_t entries = 0;
    return level_of(vm->format, vmsim__hstate_shift(vm, hstate), &entries) >= 0;
}

/* A size that the format has no level for (64 KiB, 32 MiB on arm64) is a run of entries of the level below, with the
 * contiguous bit; the slot is its first. */
bool vmsim__huge_slot(struct vmsim__mm *mm, uint64_t va, unsigned hstate, bool create, struct vmsim__pt_slot *slot) {
    uint32_t entries = 0;
    const int level = level_of(mm->pt.format, vmsim__hstate_shift(mm->vm, hstate), &entries);
    VMSIM__ASSERT(level >= 0 && !(va & ((UINT64_C(1) << vmsim__hstate_shift(mm->vm, hstate)) - 1)));
    if (!vmsim__pt_slot(&mm->pt, va, (unsigned)level, create, slot))
        return false;
    VMSIM__ASSERT(!slot->entry || (slot->level == level && slot->index % entries == 0));
    VMSIM__ASSERT(!slot->entry || !vmsim__pt_is_table(mm->pt.format, slot->level, vmsim__pt_read(mm->pt.format, slot)));
    return true;
}

/* All entries of a run say the same and are read by the hardware as one. Kernel: set_huge_pte_at. */
void vmsim__huge_set(struct vmsim__mm *mm, unsigned hstate, const struct vmsim__pt_slot *slot, struct vmsim__pte pte) {
    const struct vmsim__pt_format *f = mm->pt.format;
    struct vmsim__pt_slot at = *slot;
    uint32_t entries = 0;
    const int level = level_of(f, vmsim__hstate_shift(mm->vm, hstate), &entries);
    VMSIM__ASSERT(level == slot->level && slot->entry);
    pte.flags |= entries > 1 && pte.flags ? VMSIM__PTE_CONTIG : 0;
    for (uint32_t i = 0; i < entries; i++) {
        vmsim__pt_set(f, &at, pte);
        pte.pfn += UINT64_C(1) << (f->shift[level] - mm->vm->page_shift);
        at.entry = (char *)at.entry + f->entry_bytes;
        at.index++;
    }
}

/* Mappings of a pool's page are counted in its first tail, as those of huge pages are; HugetlbPages counts base pages,
 * and VmRSS does not have them. */
void vmsim__huge_map(struct vmsim__vma *v, vmsim__pfn pfn, int n) {
    struct vmsim__vm *vm = v->mm->vm;
    VMSIM__ASSERT(vmsim__folio_hugetlb(vmsim__vm_frame(vm, pfn)));
    struct vmsim__frame *tail = vmsim__vm_frame(vm, pfn + 1);
    VMSIM__ASSERT(n == 1 || (n == -1 && tail->mapping > 0));
    tail->mapping += (uint32_t)n;
    v->mm->hugetlb_pages += (uint64_t)(n * (INT64_C(1) << vm->mem->hstate[vmsim__vma_hstate(v)].order));
}

/* The hstate of a page of a pool. */
static unsigned hstate_of(const struct vmsim__mem *mem, const struct vmsim__frame *f) {
    unsigned h = 0;
    while (mem->hstate[h].order != vmsim__folio_order(f))
        h++;
    VMSIM__ASSERT(h < mem->nr_hstates);
    return h;
}

/* The last reference: the page goes to its pool, and gives the promise back that its owner never used (REFERENCED of
 * the first tail). Kernel: free_huge_folio. */
void vmsim__hugetlb_put_refs(struct vmsim__vm *vm, vmsim__pfn pfn, uint32_t refs, unsigned cpu) {
    struct vmsim__frame *f = vmsim__vm_frame(vm, pfn);
    VMSIM__ASSERT(vmsim__folio_hugetlb(f) && f->refcount >= (int32_t)refs);
    f->refcount -= (int32_t)refs;
    if (f->refcount)
        return;
    const bool restore = vmsim__frame_is(f + 1, VMSIM__FRAME_REFERENCED);
    VMSIM__ASSERT(!f[1].mapping);
    f->flags &= ~(VMSIM__FRAME_ANON | VMSIM__FRAME_EXCLUSIVE);
    f[1].flags &= ~VMSIM__FRAME_REFERENCED;
    f->mapping = 0;
    vmsim__frame_set_index(f, 0);
    f->refcount = 1;
    const unsigned h = hstate_of(vm->mem, f);
    vmsim__hugetlb_page_uncharge(vm->lru, pfn, h);
    vmsim__hugetlb_put(vm->mem, h, pfn, restore, cpu);
}

/* Kernel: __unmap_hugepage_range. */
void vmsim__hugetlb_zap(struct vmsim__gather *g, struct vmsim__vma *v, uint64_t start, uint64_t end) {
    struct vmsim__mm *mm = v->mm;
    struct vmsim__vm *vm = mm->vm;
    const unsigned h = vmsim__vma_hstate(v);
    const uint64_t size = UINT64_C(1) << vmsim__hstate_shift(vm, h);
    VMSIM__ASSERT(vmsim__vma_huge_aligned(v, start) && vmsim__vma_huge_aligned(v, end));
    struct vmsim__pt_slot slot;
    for (uint64_t va = start; va < end; va += size) {
        if (!vmsim__huge_slot(mm, va, h, false, &slot) || !slot.entry || !vmsim__pt_read(mm->pt.format, &slot))
            continue;
        const vmsim__pfn pfn = (vmsim__pfn)vmsim__pt_get(mm->pt.format, &slot).pfn;
        struct vmsim__frame *f = vmsim__vm_frame(vm, pfn);
        vmsim__huge_set(mm, h, &slot, (struct vmsim__pte){0, 0});
        vmsim__gather_range(g, va, va + size, mm->pt.format->shift[slot.level]);
        vmsim__vm_cost(vm, vm->spec.costs.unmap_page);
        if (vmsim__frame_is(f, VMSIM__FRAME_ANON) && f->refcount == 1 && vmsim__hugetlb_restore(v, va))
            f[1].flags |= VMSIM__FRAME_REFERENCED;
        vmsim__huge_map(v, pfn, -1);
        vmsim__gather_page(g, pfn);
    }
}

/* One page of the parent for the child: private memory is shared until one of them writes. */
static void copy_page(struct vmsim__vma *to, struct vmsim__vma *from, const struct vmsim__pt_slot *src,
                      const struct vmsim__pt_slot *dst) {
    struct vmsim__vm *vm = from->mm->vm;
    const unsigned h = vmsim__vma_hstate(from);
    struct vmsim__pte pte = vmsim__pt_get(vm->format, src);
    struct vmsim__frame *f = vmsim__vm_frame(vm, (vmsim__pfn)pte.pfn);
    VMSIM__ASSERT(f->refcount > 0 && !vmsim__pt_read(vm->format, dst));
    f->flags &= ~VMSIM__FRAME_EXCLUSIVE;
    f->refcount++;
    vmsim__huge_map(to, (vmsim__pfn)pte.pfn, 1);
    if (vmsim__vma_private_writable(from)) {
        pte.flags &= ~VMSIM__PTE_WRITE;
        vmsim__huge_set(from->mm, h, src, pte);
    }
    vmsim__huge_set(to->mm, h, dst, pte);
    vmsim__vm_cost(vm, vm->spec.costs.fork_page);
}

/* Tables cost little for huge pages, so that fork copies shared mappings as well. Kernel: copy_hugetlb_page_range. */
int vmsim__hugetlb_copy(struct vmsim__vma *to, struct vmsim__vma *from) {
    struct vmsim__vm *vm = from->mm->vm;
    const unsigned h = vmsim__vma_hstate(from);
    struct vmsim__pt_slot src, dst;
    for (uint64_t va = from->start; va < from->end; va += UINT64_C(1) << vmsim__hstate_shift(vm, h)) {
        if (!vmsim__huge_slot(from->mm, va, h, false, &src) || !src.entry || !vmsim__pt_read(vm->format, &src))
            continue;
        if (!vmsim__huge_slot(to->mm, va, h, true, &dst))
            return -VMSIM__L_ENOMEM;
        copy_page(to, from, &src, &dst);
    }
    return 0;
}

/* Ends where no table can be had; the caller moves back what has moved. One flush at the end covers all. Kernel:
 * move_hugetlb_page_tables. */
uint64_t vmsim__hugetlb_move(struct vmsim__vma *from, uint64_t old, uint64_t to, uint64_t length) {
    struct vmsim__mm *mm = from->mm;
    const unsigned h = vmsim__vma_hstate(from);
    const uint64_t size = UINT64_C(1) << vmsim__hstate_shift(mm->vm, h);
    struct vmsim__pt_slot src, dst;
    uint64_t done = 0;
    for (; done < length; done += size) {
        if (!vmsim__huge_slot(mm, old + done, h, false, &src) || !src.entry || !vmsim__pt_read(mm->pt.format, &src))
            continue;
        if (!vmsim__huge_slot(mm, to + done, h, true, &dst))
            break;
        VMSIM__ASSERT(!vmsim__pt_read(mm->pt.format, &dst));
        const struct vmsim__pte pte = vmsim__pt_get(mm->pt.format, &src);
        vmsim__huge_set(mm, h, &src, (struct vmsim__pte){0, 0});
        vmsim__huge_set(mm, h, &dst, pte);
        vmsim__vm_cost(mm->vm, mm->vm->spec.costs.move_page);
    }
    if (done)
        vmsim__flush_range(mm, old, old + done, vmsim__hstate_shift(mm->vm, h), true, mm->cpu);
    return done;
}

/* MAP_HUGE_SHIFT's six bits hold the binary logarithm of the size; none of them: the default size. */
unsigned vmsim__hugetlb_of_flags(const struct vmsim__mem *mem, unsigned map_flags) {
    const unsigned shift = map_flags >> VMSIM__MAP_HUGE_SHIFT & 63u;
    unsigned h = 0;
    if (!shift)
        return mem->nr_hstates ? mem->default_hstate : 0;
    while (h < mem->nr_hstates && mem->hstate[h].order + mem->page_shift != shift)
        h++;
    return h;
}
