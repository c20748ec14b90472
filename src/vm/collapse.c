/* SPDX-License-Identifier: MIT */
/* Base pages become one huge page: what khugepaged does to ranges that it finds, and madvise(MADV_COLLAPSE).
 *
 *     scan      each entry of the range: none or zero page (how many may there be?), in swap (the same; read in
 *               first), present (of anonymous memory, on a list, held by its entries alone)
 *     frame     found and charged
 *     collapse  entries out, one flush; contents copied, missing ones cleared; old pages let go; the table becomes
 *               the deposit of the huge entry
 *
 * It happens within one piece of work, so that nobody meets the range half done; only finding the frame, or reading
 * what is in swap, may end it early. Files in shared memory: collapse_file.c. Kernel counterpart: mm/khugepaged.c
 * (6.1). */
#include "vm/collapse.h"

#include "vm/thp_policies.h"

/* Huge means one entry of the second level throughout. */
static unsigned huge_shift(const struct vmsim__vm *vm) {
    VMSIM__ASSERT(vm->format->levels > 1);
    return vm->format->shift[1];
}
static unsigned huge_order(const struct vmsim__vm *vm) {
    return huge_shift(vm) - vm->page_shift;
}
static uint32_t huge_pages(const struct vmsim__vm *vm) {
    return UINT32_C(1) << huge_order(vm);
}

/* An address space is entered once, and leaves with its end. Kernel: khugepaged_enter_vma. */
void vmsim__khugepaged_enter(struct vmsim__vma *v) {
    struct vmsim__mm *mm = v->mm;
    const struct vmsim__vm_hooks *hooks = &mm->vm->hooks;
    VMSIM__ASSERT(mm->vm->format->levels > 1);
    if (mm->collapsible || !hooks->collapsible)
        return;
    if (v->file ? mm->vm->mem->thp_enabled == VMSIM__THP_NEVER || !vmsim__collapse_file_allowed(v, false)
                : !vmsim__thp_suits(v) || !(vmsim__thp_asks(mm->vm) || vmsim__thp_order_enabled(v, huge_order(mm->vm))))
        return;
    mm->collapsible = true;
    hooks->collapsible(hooks->context);
}

/* Kernel: hugepage_vma_check, outside of faults. Who asks for it by name needs no switch. */
bool vmsim__collapse_allowed(const struct vmsim__vma *v, bool forced) {
    const struct vmsim__vm *vm = v->mm->vm;
    const uint64_t size = vm->format->levels > 1 ? UINT64_C(1) << huge_shift(vm) : 0;
    if (v->file)
        return vmsim__collapse_file_allowed(v, forced);
    if (!size || !(vm->format->leaf_levels & 2) || huge_order(vm) > vm->mem->top_order || !vmsim__thp_suits(v) ||
        !v->anon_vma || vmsim__align_up(v->start, size) + size > v->end)
        return false;
    return forced || vmsim__thp_order_enabled(v, huge_order(vm));
}

/* What a range holds. */
struct range {
    struct vmsim__vma *v;
    const struct vmsim__collapse *how;
    uint64_t start;
    struct vmsim__pt_slot pmd; /* its table */
    uint32_t none, swap, shared, referenced;
    bool writable;
    bool asks; /* a policy decides: all is counted, nothing refused */
};

/* The place of entry i; its table is there. */
static struct vmsim__pt_slot entry_at(const struct range *r, uint32_t i) {
    struct vmsim__pt_slot slot;
    vmsim__mm_slot(r->v->mm, r->start + ((uint64_t)i << r->v->mm->vm->page_shift), false, &slot);
    VMSIM__ASSERT(slot.entry && !slot.level);
    return slot;
}

/* Limits are khugepaged's alone: who asks for a collapse by name has no limits. */
static bool over(const struct range *r, uint64_t n, uint64_t limit, enum vmsim__event_stat event) {
    if (r->how->forced || r->asks || n <= limit)
        return false;
    vmsim__vm_event(r->v->mm->vm, event, 1);
    return true;
}

/* Held by its entries, and by the swap cache if it is there? Kernel: is_refcount_suitable. */
static bool held_by_entries_alone(const struct vmsim__vm *vm, vmsim__pfn head) {
    const struct vmsim__frame *f = vmsim__vm_frame(vm, head);
    const uint32_t pages = vmsim__frame_pages(f);
    int64_t expected = pages > 1 ? f[1].mapping : 0;
    for (uint32_t i = 0; i < pages; i++)
        expected += f[i].mapcount;
    return f->refcount == expected + (vmsim__frame_is(f, VMSIM__FRAME_SWAPCACHE) ? (int64_t)pages : 0);
}

/* BUSY may be otherwise at the next look, REFUSED is not: khugepaged and madvise tell them apart. */
static enum vmsim__collapse_result scan_present(struct range *r, struct vmsim__pte pte) {
    const struct vmsim__vm *vm = r->v->mm->vm;
    const vmsim__pfn pfn = (vmsim__pfn)pte.pfn, head = vmsim__vm_head(vm, pfn);
    const struct vmsim__frame *f = vmsim__vm_frame(vm, head);
    r->writable = r->writable || (pte.flags & VMSIM__PTE_WRITE);
    if (vmsim__vm_mapcount(vm, pfn) > 1 &&
        over(r, ++r->shared, r->how->max_ptes_shared, VMSIM__THP_SCAN_EXCEED_SHARE_PTE))
        return VMSIM__COLLAPSE_REFUSED;
    if (!vmsim__frame_is(f, VMSIM__FRAME_LRU) || vmsim__frame_is(f, VMSIM__FRAME_LOCKED) ||
        !vmsim__frame_is(f, VMSIM__FRAME_ANON) || !held_by_entries_alone(vm, head))
        return VMSIM__COLLAPSE_BUSY;
    r->referenced += (pte.flags & VMSIM__PTE_ACCESSED) || vmsim__frame_is(f, VMSIM__FRAME_REFERENCED);
    return VMSIM__COLLAPSE_DONE;
}

/* Is the range worth it, the limits aside? */
static bool suits_linux(const struct range *r) {
    const bool used = r->referenced && (!r->swap || r->referenced >= huge_pages(r->v->mm->vm) / 2);
    return r->writable && (used || r->how->forced);
}

/* Kernel: hpage_collapse_scan_pmd. DONE: it may be collapsed. */
static enum vmsim__collapse_result scan(struct range *r) {
    struct vmsim__vm *vm = r->v->mm->vm;
    r->none = r->swap = r->shared = r->referenced = 0;
    r->writable = false;
    vmsim__vm_cost(vm, vm->spec.costs.collapse_scan);
    for (uint32_t i = 0; i < huge_pages(vm); i++) {
        const struct vmsim__pt_slot slot = entry_at(r, i);
        const uint64_t raw = vmsim__pt_read(vm->format, &slot);
        const struct vmsim__pte pte = raw ? vmsim__pt_get(vm->format, &slot) : (struct vmsim__pte){0};
        if (raw && (pte.flags & VMSIM__PTE_SWAP)) {
            if (!vmsim__swp_is_swap(vmsim__swp_of(pte)))
                return VMSIM__COLLAPSE_REFUSED;
            if (over(r, ++r->swap, r->how->max_ptes_swap, VMSIM__THP_SCAN_EXCEED_SWAP_PTE))
                return VMSIM__COLLAPSE_REFUSED;
            continue;
        }
        if (!raw || (pte.flags & VMSIM__PTE_SPECIAL)) {
            if (over(r, ++r->none, r->how->max_ptes_none, VMSIM__THP_SCAN_EXCEED_NONE_PTE))
                return VMSIM__COLLAPSE_REFUSED;
            continue;
        }
        const enum vmsim__collapse_result one = scan_present(r, pte);
        if (one != VMSIM__COLLAPSE_DONE)
            return one;
    }
    if (r->asks)
        return VMSIM__COLLAPSE_DONE;
    return suits_linux(r) ? VMSIM__COLLAPSE_DONE : VMSIM__COLLAPSE_REFUSED;
}

/* What is in swap comes back; what has to be waited for makes this attempt fail. Kernel: __collapse_huge_page_swapin.
 */
static bool swap_in(struct range *r) {
    struct vmsim__vm *vm = r->v->mm->vm;
    for (uint32_t i = 0; r->swap && i < huge_pages(vm); i++) {
        const uint64_t va = r->start + ((uint64_t)i << vm->page_shift);
        const struct vmsim__pt_slot slot = entry_at(r, i);
        if (!vmsim__pt_read(vm->format, &slot) || !(vmsim__pt_get(vm->format, &slot).flags & VMSIM__PTE_SWAP))
            continue;
        if (!vm->swap ||
            !vmsim__fault_resolved(vm->swap->swap_in(vm->swap->context, r->v, va, &slot, false, r->how->cpu))) {
            vm->mem->now.wait = (struct vmsim__wait){0};
            return false;
        }
    }
    return true;
}

/* Kernel: alloc_charge_hpage. */
vmsim__pfn vmsim__collapse_frame(struct vmsim__vma *v, uint64_t start, const struct vmsim__collapse *how) {
    struct vmsim__vm *vm = v->mm->vm;
    VMSIM__ASSERT(start >= v->start && start < v->end);
    vmsim__pfn pfn = vmsim__vma_alloc_uncharged(v, start, how->gfp, huge_order(vm), how->cpu);
    if (pfn == VMSIM__PFN_NONE) {
        if (!vmsim__now_waits(&vm->mem->now))
            vmsim__vm_event(vm, VMSIM__THP_COLLAPSE_ALLOC_FAILED, 1);
        return pfn;
    }
    vmsim__vm_event(vm, VMSIM__THP_COLLAPSE_ALLOC, 1);
    if (vmsim__folio_charge_to(vm->lru, how->memcg, pfn, how->gfp, how->cpu))
        return pfn;
    vmsim__folio_put(vm->lru, pfn, how->cpu);
    return VMSIM__PFN_NONE;
}

/* One page's contents go to its place in the huge page, and its entry lets go of it. Kernel:
 * __collapse_huge_page_copy. */
static void take_over(const struct range *r, uint32_t i, vmsim__pfn to) {
    struct vmsim__mm *mm = r->v->mm;
    struct vmsim__vm *vm = mm->vm;
    const struct vmsim__pt_slot slot = entry_at(r, i);
    const bool none = !vmsim__pt_read(vm->format, &slot);
    struct vmsim__pte pte = {0};
    if (!none)
        pte = vmsim__pt_get(vm->format, &slot);
    vmsim__pt_write(vm->format, &slot, 0);
    if (none || (pte.flags & VMSIM__PTE_SPECIAL)) {
        vmsim__vm_fill(vm, to + i, VMSIM__PFN_NONE, 0);
        vmsim__vm_cost(vm, vm->spec.costs.zero_page);
        vmsim__rss_add(mm, VMSIM__RSS_ANON, 1);
        return;
    }
    const vmsim__pfn pfn = (vmsim__pfn)pte.pfn, head = vmsim__vm_head(vm, pfn);
    vmsim__vm_fill(vm, to + i, pfn, 0);
    vmsim__vm_cost(vm, vm->spec.costs.copy_page);
    vmsim__unmap_page(r->v, pfn, r->how->cpu);
    if (vmsim__frame_is(vmsim__vm_frame(vm, head), VMSIM__FRAME_SWAPCACHE) && vm->swap->free_slot)
        vm->swap->free_slot(vm->swap->context, head, r->how->cpu);
    vmsim__folio_put(vm->lru, head, r->how->cpu);
}

/* The range is empty then, and its table the deposit of the huge entry. Kernel: collapse_huge_page. */
static void collapse(struct range *r, vmsim__pfn to) {
    struct vmsim__mm *mm = r->v->mm;
    struct vmsim__vm *vm = mm->vm;
    const unsigned cpu = r->how->cpu, own = mm->cpu;
    const vmsim__pfn table = (vmsim__pfn)vmsim__pt_table_pfn(vm->format, vmsim__pt_read(vm->format, &r->pmd));
    mm->cpu = cpu;
    vmsim__flush_range(mm, r->start, r->start + (UINT64_C(1) << huge_shift(vm)), vm->page_shift, true, cpu);
    for (uint32_t i = 0; i < huge_pages(vm); i++)
        take_over(r, i, to);
    vmsim__pt_write(vm->format, &r->pmd, 0);
    vmsim__mm_forget_leaf(mm);
    vmsim__thp_deposit_table(mm, table);
    vmsim__thp_install(r->v, r->start, to, &r->pmd, cpu);
    mm->cpu = own;
}

/* The pages of the range count as unused until they are used again. */
static void age(const struct range *r) {
    struct vmsim__mm *mm = r->v->mm;
    struct vmsim__vm *vm = mm->vm;
    const uint64_t end = r->start + (UINT64_C(1) << huge_shift(vm));
    struct vmsim__pt_slot slot;
    for (uint64_t va = r->start; va < end && vmsim__pt_next(&mm->pt, &va, end, &slot);
         va += UINT64_C(1) << vm->format->shift[slot.level]) {
        struct vmsim__pte pte = vmsim__pt_get(vm->format, &slot);
        if (!(pte.flags & VMSIM__PTE_PRESENT) || (pte.flags & VMSIM__PTE_SPECIAL))
            continue;
        pte.flags &= ~VMSIM__PTE_ACCESSED;
        vmsim__vm_frame(vm, vmsim__vm_head(vm, (vmsim__pfn)pte.pfn))->flags &= ~VMSIM__FRAME_REFERENCED;
        vmsim__pt_set(vm->format, &slot, pte);
    }
    vmsim__flush_range(mm, r->start, end, vm->page_shift, false, r->how->cpu);
}

/* Counts of the range for the policy, and what it wants. */
static enum vmsim_thp_action ask(const struct range *r) {
    const struct vmsim__collapse *how = r->how;
    const bool fits = r->none <= how->max_ptes_none && r->swap <= how->max_ptes_swap &&
                      r->shared <= how->max_ptes_shared && suits_linux(r);
    return vmsim__thp_ask_range(r->v, r->start,
                                (struct vmsim_thp_range){.verdict = fits ? VMSIM_THP_COLLAPSE : VMSIM_THP_LEAVE,
                                                         .pages = huge_pages(r->v->mm->vm),
                                                         .none = r->none,
                                                         .swap = r->swap,
                                                         .shared = r->shared,
                                                         .referenced = r->referenced});
}

/* The same of a huge page, which may be aged, or split. */
static enum vmsim__collapse_result ask_huge(const struct range *r, struct vmsim__pte pte) {
    struct vmsim__vm *vm = r->v->mm->vm;
    const vmsim__pfn pfn = (vmsim__pfn)pte.pfn;
    if (!(pte.flags & VMSIM__PTE_PRESENT) || (pte.flags & VMSIM__PTE_SPECIAL))
        return VMSIM__COLLAPSE_IS_HUGE;
    const bool young =
        (pte.flags & VMSIM__PTE_ACCESSED) || vmsim__frame_is(vmsim__vm_frame(vm, pfn), VMSIM__FRAME_REFERENCED);
    const struct vmsim_thp_range range = {.verdict = VMSIM_THP_LEAVE,
                                          .huge = true,
                                          .pages = huge_pages(vm),
                                          .shared = vmsim__vm_mapcount(vm, pfn) > 1 ? huge_pages(vm) : 0,
                                          .referenced = young ? huge_pages(vm) : 0};
    const enum vmsim_thp_action action = vmsim__thp_ask_range(r->v, r->start, range);
    if (action == VMSIM_THP_AGE)
        age(r);
    if (action == VMSIM_THP_SPLIT)
        vmsim__thp_split_page(vm, pfn, r->how->cpu);
    return VMSIM__COLLAPSE_IS_HUGE;
}

/* Everything is looked at twice, before the frame is found and after: finding it may have waited, reclaimed or let
 * others run. What has changed in between makes it BUSY, and the frame goes back. */
enum vmsim__collapse_result vmsim__collapse(struct vmsim__vma *v, uint64_t start, const struct vmsim__collapse *how) {
    struct vmsim__vm *vm = v->mm->vm;
    struct range r = {.v = v, .how = how, .start = start, .asks = vmsim__thp_asks(vm) && !how->forced};
    VMSIM__ASSERT(start >= v->start && start + (UINT64_C(1) << huge_shift(vm)) <= v->end);
    if (v->file)
        return vmsim__collapse_file(v, start, how);
    if (!vmsim__pt_slot(&v->mm->pt, start, 1, false, &r.pmd) || !r.pmd.entry || r.pmd.level != 1)
        return VMSIM__COLLAPSE_REFUSED;
    const uint64_t raw = vmsim__pt_read(vm->format, &r.pmd);
    if (!raw)
        return VMSIM__COLLAPSE_REFUSED;
    if (!vmsim__pt_is_table(vm->format, 1, raw))
        return r.asks ? ask_huge(&r, vmsim__pt_get(vm->format, &r.pmd)) : VMSIM__COLLAPSE_IS_HUGE;
    enum vmsim__collapse_result o = scan(&r);
    if (o != VMSIM__COLLAPSE_DONE)
        return o;
    const enum vmsim_thp_action action = r.asks ? ask(&r) : VMSIM_THP_COLLAPSE;
    if (action == VMSIM_THP_AGE)
        age(&r);
    if (action != VMSIM_THP_COLLAPSE)
        return VMSIM__COLLAPSE_REFUSED;
    const vmsim__pfn to = vmsim__collapse_frame(r.v, r.start, r.how);
    if (to == VMSIM__PFN_NONE)
        return vmsim__now_waits(&vm->mem->now) ? VMSIM__COLLAPSE_WAITS : VMSIM__COLLAPSE_NO_MEMORY;
    /* finding it may have changed the range, as may what comes back from swap */
    o = swap_in(&r) && vmsim__pt_read(vm->format, &r.pmd) == raw ? scan(&r) : VMSIM__COLLAPSE_BUSY;
    if (o == VMSIM__COLLAPSE_DONE && r.swap)
        o = VMSIM__COLLAPSE_BUSY;
    if (o != VMSIM__COLLAPSE_DONE) {
        vmsim__folio_put(vm->lru, to, how->cpu);
        return o;
    }
    collapse(&r, to);
    return VMSIM__COLLAPSE_DONE;
}

/* Kernel: madvise_collapse. What was had before an error is kept. */
int vmsim__collapse_range(struct vmsim__vma *v, uint64_t start, uint64_t end, uint16_t memcg, unsigned cpu) {
    struct vmsim__vm *vm = v->mm->vm;
    const struct vmsim__collapse how = {
        .forced = true, .gfp = VMSIM__GFP_TRANSHUGE, .memcg = memcg, .cpu = (uint16_t)cpu};
    if (!vmsim__collapse_allowed(v, true))
        return VMSIM__L_EINVAL;
    const uint64_t size = UINT64_C(1) << huge_shift(vm);
    int error = 0;
    vmsim__lru_drain_all(vm->lru);
    for (uint64_t at = vmsim__align_up(start, size); at + size <= end; at += size) {
        switch (vmsim__collapse(v, at, &how)) {
        case VMSIM__COLLAPSE_DONE:
        case VMSIM__COLLAPSE_IS_HUGE:
            break;
        case VMSIM__COLLAPSE_WAITS:
            return VMSIM__ERESTARTSYS;
        case VMSIM__COLLAPSE_NO_MEMORY:
            return VMSIM__L_ENOMEM;
        case VMSIM__COLLAPSE_BUSY:
            error = VMSIM__L_EAGAIN;
            break;
        default:
            error = VMSIM__L_EINVAL;
        }
    }
    return error;
}
