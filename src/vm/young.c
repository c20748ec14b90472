/* SPDX-License-Identifier: MIT */
/* Which pages does an address space use? A walk over its page tables, which takes accessed bits in passing, and a look
 * at the neighbours of an entry that the reverse map has led to.
 *
 *     VMA   [--------------------------]      [------------]
 *     leaf tables   |  a  |  b  |  c  |  d  |  e  |           a table is looked at if its own accessed bit is set (x86)
 *                                                            and the sink wants it; all VMAs in it are one visit
 *
 * No translation is flushed: one that a TLB keeps hides further use for a while. Kernel counterparts: walk_mm,
 * walk_pmd_range, walk_pte_range, should_skip_vma, lru_gen_look_around of mm/vmscan.c. */
#include "vm/vm_impl.h"

/* Kernel: should_skip_vma. */
static bool skip(const struct vmsim__vma *v, const struct vmsim__young_sink *s) {
    if (!vmsim__vma_accessible(v) || (v->flags & (VMSIM__VM_HUGETLB | VMSIM__VM_LOCKED | VMSIM__VM_SPECIAL |
                                                  VMSIM__VM_SEQ_READ | VMSIM__VM_RAND_READ)))
        return true;
    if (!v->file)
        return !s->anon;
    return v->file->kind == VMSIM__FILE_RAMFS || (v->file->kind != VMSIM__FILE_REGULAR && !s->anon);
}

/* What the entry knew of stores is the page's from now on, unless swap has to write it anyway. */
static void hand_over_dirty(struct vmsim__vm *vm, vmsim__pfn head) {
    struct vmsim__frame *f = vmsim__vm_frame(vm, head);
    const uint32_t anon = VMSIM__FRAME_ANON | VMSIM__FRAME_SWAPBACKED;
    if (vmsim__frame_is(f, VMSIM__FRAME_DIRTY) ||
        ((f->flags & anon) == anon && !vmsim__frame_is(f, VMSIM__FRAME_SWAPCACHE)))
        return;
    if (vmsim__frame_is(f, VMSIM__FRAME_FILE))
        vmsim__page_dirty(vm->cache, head);
    else
        f->flags |= VMSIM__FRAME_DIRTY;
}

/* True: it was used, and that is of interest. */
static bool take_young(struct vmsim__vm *vm, const struct vmsim__pt_slot *slot, const struct vmsim__young_sink *s) {
    struct vmsim__pte pte = vmsim__pt_get(vm->format, slot);
    if (!(pte.flags & VMSIM__PTE_PRESENT) || (pte.flags & (VMSIM__PTE_SPECIAL | VMSIM__PTE_SWAP)) ||
        !(pte.flags & VMSIM__PTE_ACCESSED))
        return false;
    const vmsim__pfn head = vmsim__vm_head(vm, (vmsim__pfn)pte.pfn);
    if (!s->young(s->context, head))
        return false;
    pte.flags &= ~VMSIM__PTE_ACCESSED;
    vmsim__pt_set(vm->format, slot, pte);
    if (pte.flags & VMSIM__PTE_DIRTY)
        hand_over_dirty(vm, head);
    return true;
}

/* Entries of a leaf table from `start` to `end`. */
static uint32_t take_range(struct vmsim__mm *mm, uint64_t start, uint64_t end, struct vmsim__pt_slot slot,
                           const struct vmsim__young_sink *s) {
    const struct vmsim__pt_format *f = mm->vm->format;
    uint32_t young = 0;
    VMSIM__ASSERT(slot.entry && !slot.level && start < end);
    for (uint64_t va = start; va < end; va += UINT64_C(1) << f->shift[0]) {
        young += vmsim__pt_read(f, &slot) && take_young(mm->vm, &slot, s);
        slot.entry = (char *)slot.entry + f->entry_bytes;
        slot.index++;
    }
    return young;
}

/* ---- the walk ---- */

/* The table's own accessed bit, taken; where tables have none, every one may have been used. */
static bool table_used(struct vmsim__mm *mm, uint64_t va, const struct vmsim__young_sink *s) {
    const struct vmsim__pt_format *f = mm->vm->format;
    struct vmsim__pt_slot up;
    if (!s->tables || !f->table_accessed || !vmsim__pt_slot(&mm->pt, va, 1, false, &up) || !up.entry)
        return true;
    const uint64_t raw = vmsim__pt_read(f, &up);
    vmsim__pt_write(f, &up, raw & ~f->table_accessed);
    return raw & f->table_accessed;
}

/* One leaf table that begins at `base`, with all VMAs in it from `v` on. */
static void visit_table(struct vmsim__vma *v, uint64_t base, uint64_t bytes, const struct vmsim__young_sink *s) {
    struct vmsim__mm *mm = v->mm;
    struct vmsim__pt_slot slot;
    uint32_t total = 0, young = 0;
    if (!vmsim__pt_slot(&mm->pt, base, 0, false, &slot) || !slot.entry || slot.level)
        return;
    if (!table_used(mm, base, s) || (!s->force && !s->look(s->context, slot.table)))
        return;
    for (; v && v->start < base + bytes; v = v->next) {
        const uint64_t start = vmsim__max64(v->start, base), end = vmsim__min64(v->end, base + bytes);
        struct vmsim__pt_slot at;
        if (skip(v, s) || !vmsim__pt_slot(&mm->pt, start, 0, false, &at))
            continue;
        total += (uint32_t)((end - start) >> mm->vm->page_shift);
        young += take_range(mm, start, end, at, s);
    }
    VMSIM__ASSERT(young <= total);
    vmsim__vm_cost(mm->vm, mm->vm->spec.costs.rmap_vma);
    s->looked(s->context, slot.table, total, young);
}

/* A leaf table is visited once, even where several mappings share it: the walk goes on behind it. Kernel: walk_mm,
 * walk_pmd_range. */
void vmsim__mm_walk_young(struct vmsim__mm *mm, const struct vmsim__young_sink *s) {
    const struct vmsim__pt_format *f = mm->vm->format;
    VMSIM__ASSERT(!vmsim__nommu(mm->vm));
    const uint64_t bytes = UINT64_C(1) << (f->shift[0] + f->index_bits[0]);
    uint64_t done = 0; /* all below was visited */
    for (struct vmsim__vma *v = mm->first; v; v = v->next) {
        uint64_t va = vmsim__max64(v->start, done);
        struct vmsim__pt_slot slot;
        if (skip(v, s))
            continue;
        while (va < v->end && vmsim__pt_next(&mm->pt, &va, v->end, &slot)) {
            if (slot.level) {
                take_young(mm->vm, &slot, s);
                va = vmsim__align_down(va, UINT64_C(1) << f->shift[slot.level]) + (UINT64_C(1) << f->shift[slot.level]);
                continue;
            }
            const uint64_t base = vmsim__align_down(va, bytes);
            visit_table(v, base, bytes, s);
            va = done = base + bytes;
        }
    }
}

/* ---- looking around ---- */

#define AROUND 64u /* entries: MIN_LRU_BATCH */

/* Neighbours of a page that was found young are likely so: 64 entries around it, within its table and its mapping, cost
 * one look instead of one reverse walk each. Kernel: lru_gen_look_around. */
void vmsim__look_around(const struct vmsim__mapping *m, const struct vmsim__young_sink *s) {
    struct vmsim__vma *v = m->vma;
    const struct vmsim__pt_format *f = v->mm->vm->format;
    const uint64_t table = UINT64_C(1) << (f->shift[0] + f->index_bits[0]), most = (uint64_t)AROUND << f->shift[0];
    VMSIM__ASSERT(!m->slot.level && m->va >= v->start && m->va < v->end);
    uint64_t start = vmsim__max64(vmsim__align_down(m->va, table), v->start);
    uint64_t end = vmsim__min64(vmsim__align_down(m->va, table) + table, v->end);
    if (v->flags & VMSIM__VM_SPECIAL)
        return;
    if (end - start > most) {
        if (m->va - start < most / 2)
            end = start + most;
        else if (end - m->va < most / 2)
            start = end - most;
        else
            start = m->va - most / 2, end = start + most;
    }
    VMSIM__ASSERT(start <= m->va && m->va < end && end - start <= most);
    struct vmsim__pt_slot slot = m->slot;
    const uint32_t back = (uint32_t)((m->va - start) >> f->shift[0]);
    slot.entry = (char *)slot.entry - (size_t)back * f->entry_bytes;
    slot.index -= back;
    const uint32_t young = take_range(v->mm, start, end, slot, s);
    s->looked(s->context, slot.table, (uint32_t)((end - start) >> f->shift[0]), young);
}
