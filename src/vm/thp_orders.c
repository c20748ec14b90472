/* SPDX-License-Identifier: MIT */
/* Large pages of every order below a huge entry: which orders an area may have, the fault that maps one by base
 * entries, what is counted of each.
 *
 *     order        0      2 .. PMD - 1                        PMD
 *     mapped by    one    2^order base entries, one folio     a huge entry (thp.c)
 *     enabled      -      hugepages-<size>kB/enabled          the same, as delivered "inherit": as .../enabled
 *
 *     folio of order 2   head [refcount 4, mapcount 1]  tail [mapcount 1]  tail [mapcount 1]  tail [mapcount 1]
 *
 * Every base entry holds one reference of the folio and counts in its own frame's mapcount; each frame is exclusive by
 * itself. Order 1 does not exist: a folio's third frame is where the kernel keeps the list of partly mapped ones.
 * Kernel counterparts: mm/memory.c (alloc_anon_folio, do_anonymous_page), mm/huge_memory.c (thpsize attributes). */
#include "vm/vm_impl.h"

static unsigned pmd_order(const struct vmsim__vm *vm) {
    return vm->format->levels > 1 ? (unsigned)vm->format->shift[1] - vm->page_shift : 0;
}

/* hugepages-<size>kB: sizes from 16 kB on. */
static int mode_of(const struct vmsim__vm *vm, unsigned order) {
    const unsigned kb_shift = order + vm->page_shift - 10;
    if (kb_shift < VMSIM__THP_SIZE_FIRST || kb_shift - VMSIM__THP_SIZE_FIRST >= VMSIM__THP_SIZES)
        return VMSIM__THP_SIZE_NEVER;
    const int mode = vm->spec.thp_size[kb_shift - VMSIM__THP_SIZE_FIRST];
    if (mode == VMSIM__THP_SIZE_DEFAULT)
        return order == pmd_order(vm) ? VMSIM__THP_SIZE_INHERIT : VMSIM__THP_SIZE_NEVER;
    return mode;
}

unsigned vmsim__thp_next_order(const struct vmsim__vm *vm, unsigned order) {
    const unsigned next = order < 2 ? 2 : order + 1;
    return vm->kernel->thp_per_size && next <= pmd_order(vm) ? next : 0;
}

int vmsim__thp_size_mode(const struct vmsim__vm *vm, unsigned order) {
    return mode_of(vm, order);
}

/* Kernel: thp_vma_allowable_orders, its part of sysfs; before 6.8 there was one switch, for the one size. */
bool vmsim__thp_order_enabled(const struct vmsim__vma *v, unsigned order) {
    const struct vmsim__vm *vm = v->mm->vm;
    const bool advised = v->flags & VMSIM__VM_HUGEPAGE;
    const bool global =
        vm->mem->thp_enabled == VMSIM__THP_ALWAYS || (vm->mem->thp_enabled == VMSIM__THP_MADVISE && advised);
    if (!vm->kernel->thp_per_size)
        return order == pmd_order(vm) && global;
    switch (mode_of(vm, order)) {
    case VMSIM__THP_SIZE_ALWAYS:
        return true;
    case VMSIM__THP_SIZE_MADVISE:
        return advised;
    case VMSIM__THP_SIZE_INHERIT:
        return global;
    default:
        return false;
    }
}

/* The area as such. Kernel: __thp_vma_allowable_orders. */
bool vmsim__thp_suits(const struct vmsim__vma *v) {
    return !v->file && !v->name && !v->temporary_stack && !v->mm->thp_disabled &&
           !(v->flags & (VMSIM__VM_NOHUGEPAGE | VMSIM__VM_SPECIAL | VMSIM__VM_SHARED));
}

/* Does the aligned range of this order around va lie inside the area, all its entries empty? Kernel:
 * thp_vma_suitable_orders, pte_range_none. */
static bool fits(const struct vmsim__fault_at *at, unsigned order) {
    const struct vmsim__vm *vm = at->mm->vm;
    const struct vmsim__pt_format *f = vm->format;
    const uint64_t size = vm->page_size << order, start = vmsim__align_down(at->va, size);
    const uint32_t back = (uint32_t)((at->va - start) >> vm->page_shift);
    if (start < at->vma->start || start + size > at->vma->end)
        return false;
    VMSIM__ASSERT(at->slot.entry && at->slot.index >= back);
    struct vmsim__pt_slot slot = at->slot;
    slot.index -= back;
    slot.entry = (char *)slot.entry - (size_t)back * f->entry_bytes;
    for (uint32_t i = 0; i < UINT32_C(1) << order;
         i++, slot.index++, slot.entry = (char *)slot.entry + f->entry_bytes) {
        if (vmsim__pt_read(f, &slot))
            return false;
    }
    return true;
}

/* Nobody wrote to any of the switches: then a huge entry's order is the only one. Asked at each anonymous fault. */
static bool as_delivered(const struct vmsim__vm *vm) {
    int written = 0;
    for (unsigned i = 0; i < VMSIM__THP_SIZES; i++)
        written |= vm->spec.thp_size[i];
    return written == VMSIM__THP_SIZE_DEFAULT;
}

/* The enabled orders below a huge entry's, as bits. */
static uint32_t enabled_orders(const struct vmsim__vma *v) {
    const struct vmsim__vm *vm = v->mm->vm;
    uint32_t orders = 0;
    if (!vm->kernel->thp_per_size || as_delivered(vm) || !vmsim__thp_suits(v))
        return 0;
    for (unsigned order = 2; order < pmd_order(vm) && order <= vm->mem->top_order; order++)
        orders |= (uint32_t)vmsim__thp_order_enabled(v, order) << order;
    return orders;
}

bool vmsim__thp_any_order(const struct vmsim__vma *v) {
    const uint32_t orders = enabled_orders(v);
    if (!orders)
        return false;
    const uint64_t size = v->mm->vm->page_size << (unsigned)__builtin_ctz(orders);
    return vmsim__align_up(v->start, size) + size <= v->end;
}

static void count(struct vmsim__vm *vm, unsigned order, enum vmsim__thp_size_stat stat) {
    vmsim__thp_stat_add(vm->lru, order, stat, 1);
}

void vmsim__thp_count(struct vmsim__vm *vm, unsigned order, enum vmsim__thp_size_stat stat,
                      enum vmsim__event_stat event) {
    if (order == pmd_order(vm))
        vmsim__vm_task_event(vm, event, 1);
    count(vm, order, stat);
}

uint64_t vmsim__vm_thp_stat(const struct vmsim__vm *vm, unsigned order, enum vmsim__thp_size_stat stat) {
    VMSIM__ASSERT(stat < VMSIM__THP_SIZE_STATS);
    return order < VMSIM__ORDERS ? vm->lru->thp_stat[order][stat] : 0;
}

/* A folio mapped whole, by entries of its own for each frame. */
static void map_folio(struct vmsim__fault_at *at, vmsim__pfn head, unsigned order) {
    struct vmsim__vma *v = at->vma;
    struct vmsim__vm *vm = at->mm->vm;
    const struct vmsim__pt_format *f = vm->format;
    const uint64_t start = vmsim__align_down(at->va, vm->page_size << order);
    const uint32_t pages = UINT32_C(1) << order;
    struct vmsim__pt_slot slot;
    uint32_t flags = vmsim__prot_flags(v);
    if (v->flags & VMSIM__VM_WRITE)
        flags |= VMSIM__PTE_WRITE | VMSIM__PTE_DIRTY | VMSIM__PTE_SOFT_DIRTY;
    vmsim__vm_fill(vm, head, VMSIM__PFN_NONE, order);
    vmsim__map_new_folio(v, head, start, order, at->cpu);
    vmsim__mm_slot(at->mm, start, false, &slot);
    VMSIM__ASSERT(slot.entry && !slot.level && slot.index + pages <= UINT32_C(1) << f->index_bits[0]);
    for (uint32_t i = 0; i < pages; i++, slot.index++, slot.entry = (char *)slot.entry + f->entry_bytes)
        vmsim__pt_set(f, &slot, (struct vmsim__pte){head + i, flags});
    vmsim__vm_cost(vm, vm->spec.costs.map);
    vmsim__vm_clear_cost(vm, pages * vm->spec.costs.zero_page, pages, head, at->cpu);
    count(vm, order, VMSIM__THP_ANON_FAULT_ALLOC);
}

/* The highest order that is allowed, fits and can be had. *done false: none; a base page is next. The leaf table is
 * there. Kernel: alloc_anon_folio and what do_anonymous_page does with a large one. */
enum vmsim__fault_outcome vmsim__thp_order_fault(struct vmsim__fault_at *at, bool *done) {
    VMSIM__ASSERT(at->write && at->vma->anon_vma && at->slot.entry && !at->slot.level);
    struct vmsim__vm *vm = at->mm->vm;
    uint32_t orders = enabled_orders(at->vma);
    bool fitting = false;
    *done = false;
    for (unsigned order; orders; orders &= ~(UINT32_C(1) << order)) {
        order = vmsim__log2(orders);
        fitting = fitting || fits(at, order); /* what lies within an empty range is empty */
        if (!fitting)
            continue;
        const uint64_t start = vmsim__align_down(at->va, vm->page_size << order);
        const uint32_t gfp = vmsim__thp_gfp(at->vma);
        vmsim__pfn pfn = vmsim__vma_alloc_uncharged(at->vma, start, gfp, order, at->cpu);
        const bool found = pfn != VMSIM__PFN_NONE;
        pfn = vmsim__vm_charge(vm, pfn, gfp, at->cpu);
        *done = pfn != VMSIM__PFN_NONE || vmsim__now_waits(&vm->mem->now);
        if (pfn == VMSIM__PFN_NONE && *done)
            return VMSIM__FAULT_WAIT;
        if (!*done) {
            count(vm, order, VMSIM__THP_ANON_FAULT_FALLBACK);
            if (found)
                count(vm, order, VMSIM__THP_ANON_FAULT_FALLBACK_CHARGE);
            continue;
        }
        if (fits(at, order))
            map_folio(at, pfn, order);
        else
            vmsim__folio_put(vm->lru, pfn, at->cpu);
        return VMSIM__FAULT_MINOR;
    }
    return VMSIM__FAULT_OOM;
}
