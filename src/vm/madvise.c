/* SPDX-License-Identifier: MIT */
/* madvise: hints that change a VMA's flags, and advice that acts on its pages at once.
 *
 * A range is taken VMA by VMA; holes are stepped over and reported as ENOMEM at the end. Advice that sets flags may
 * split and merge VMAs; a failure of that is EAGAIN. PAGEOUT and COLLAPSE check their arguments here and hand the work
 * to the hooks of reclaim and huge pages, where a machine has them. Kernel counterpart: mm/madvise.c. */
#include "vm/collapse.h"
#include "vm/vm_hugetlb.h"

static int64_t fail(int e) {
    return -(int64_t)e;
}

/* Kernel: vma_is_anonymous; special mappings have operations there, and a name here. */
static bool is_anonymous(const struct vmsim__vma *v) {
    return !v->file && !v->name;
}

/* ---- flags ---- */

/* New flags of a VMA, or an errno in *error. */
static uint32_t advised_flags(const struct vmsim__vma *v, int advice, int *error) {
    uint32_t f = v->flags;
    *error = 0;
    switch (advice) {
    case VMSIM__MADV_NORMAL:
        return f & ~(VMSIM__VM_RAND_READ | VMSIM__VM_SEQ_READ);
    case VMSIM__MADV_SEQUENTIAL:
        return (f & ~VMSIM__VM_RAND_READ) | VMSIM__VM_SEQ_READ;
    case VMSIM__MADV_RANDOM:
        return (f & ~VMSIM__VM_SEQ_READ) | VMSIM__VM_RAND_READ;
    case VMSIM__MADV_DONTFORK:
        return f | VMSIM__VM_DONTCOPY;
    case VMSIM__MADV_DOFORK:
        *error = f & VMSIM__VM_IO ? VMSIM__L_EINVAL : 0;
        return f & ~VMSIM__VM_DONTCOPY;
    case VMSIM__MADV_WIPEONFORK:
        *error = v->file || (f & VMSIM__VM_SHARED) ? VMSIM__L_EINVAL : 0;
        return f | VMSIM__VM_WIPEONFORK;
    case VMSIM__MADV_KEEPONFORK:
        return f & ~VMSIM__VM_WIPEONFORK;
    case VMSIM__MADV_DONTDUMP:
        return f | VMSIM__VM_DONTDUMP;
    case VMSIM__MADV_DODUMP:
        *error = f & VMSIM__VM_SPECIAL ? VMSIM__L_EINVAL : 0;
        return f & ~VMSIM__VM_DONTDUMP;
    case VMSIM__MADV_HUGEPAGE:
        return (f & ~VMSIM__VM_NOHUGEPAGE) | VMSIM__VM_HUGEPAGE;
    case VMSIM__MADV_NOHUGEPAGE:
        return (f & ~VMSIM__VM_HUGEPAGE) | VMSIM__VM_NOHUGEPAGE;
    case VMSIM__MADV_MERGEABLE:
        return f & (VMSIM__VM_SPECIAL | VMSIM__VM_SHARED | VMSIM__VM_MAYSHARE) ? f : f | VMSIM__VM_MERGEABLE;
    default: /* UNMERGEABLE */
        return f & ~VMSIM__VM_MERGEABLE;
    }
}

/* Kernel: madvise_update_vma; ENOMEM of a split is reported as EAGAIN, since the caller may free a mapping and come
 * back. */
static int set_flags(struct vmsim__vma *v, uint64_t start, uint64_t end, int advice) {
    VMSIM__ASSERT(start >= v->start && end <= v->end && start < end);
    int error;
    uint32_t flags = advised_flags(v, advice, &error);
    struct vmsim__vma *out = v;
    if (error || (flags != v->flags && vmsim__vma_modify(v->mm, v, start, end, flags, &out)))
        return error ? error : VMSIM__L_EAGAIN;
    if (advice == VMSIM__MADV_HUGEPAGE && out->anon_vma && out->mm->vm->format->levels > 1)
        vmsim__khugepaged_enter(out);
    return 0;
}

/* ---- pages ---- */

/* One present base page of an advised range; returns whether the entry changed. */
typedef bool (*page_advice)(struct vmsim__vma *v, struct vmsim__pte *pte, vmsim__pfn pfn, struct vmsim__frame *f);

/* Its slot, which holds what it was once, must not come back in its place. */
static bool leaves_swap(struct vmsim__vm *vm, vmsim__pfn pfn, unsigned cpu) {
    return !vmsim__frame_is(vmsim__vm_frame(vm, pfn), VMSIM__FRAME_SWAPCACHE) ||
           (vm->swap && vm->swap->free_slot && vm->swap->free_slot(vm->swap->context, pfn, cpu));
}

/* Kernel: madvise_free_pte_range: a dirty page of several owners stays, for another may have written it. */
static bool lazyfree_page(struct vmsim__vma *v, struct vmsim__pte *pte, vmsim__pfn pfn, struct vmsim__frame *f) {
    struct vmsim__vm *vm = v->mm->vm;
    if (f->flags & (VMSIM__FRAME_SWAPCACHE | VMSIM__FRAME_DIRTY)) {
        if (vmsim__vm_mapcount(vm, pfn) != 1 || !leaves_swap(vm, pfn, v->mm->cpu))
            return false;
        f->flags &= ~VMSIM__FRAME_DIRTY;
    }
    uint32_t old = pte->flags;
    pte->flags &= ~(VMSIM__PTE_ACCESSED | VMSIM__PTE_DIRTY);
    vmsim__lru_lazyfree(vm->lru, pfn, v->mm->cpu);
    return pte->flags != old;
}

/* Kernel: madvise_cold_or_pageout_pte_range, MADV_COLD: pages of several owners are left alone, as they may be hot
 * for others. */
static bool cold_page(struct vmsim__vma *v, struct vmsim__pte *pte, vmsim__pfn pfn, struct vmsim__frame *f) {
    if (vmsim__vm_mapcount(v->mm->vm, pfn) != 1)
        return false;
    bool young = pte->flags & VMSIM__PTE_ACCESSED;
    pte->flags &= ~VMSIM__PTE_ACCESSED;
    f->flags &= ~VMSIM__FRAME_REFERENCED;
    vmsim__lru_deactivate(v->mm->vm->lru, pfn, v->mm->cpu);
    return young;
}

/* MADV_PAGEOUT: reclaim sees a page that nobody used of late. */
static bool age_page(struct vmsim__vma *v, struct vmsim__pte *pte, vmsim__pfn pfn, struct vmsim__frame *f) {
    if (vmsim__vm_mapcount(v->mm->vm, pfn) != 1)
        return false;
    bool clears = (pte->flags & VMSIM__PTE_ACCESSED) && !v->mm->vm->kernel->pageout_keeps_young;
    if (clears)
        pte->flags &= ~VMSIM__PTE_ACCESSED;
    f->flags &= ~VMSIM__FRAME_REFERENCED;
    return clears;
}

/* Folios that reclaim is to see, of one node. */
struct aged {
    struct vmsim__vm *vm;
    unsigned cpu, node;
    uint32_t count;
    vmsim__pfn folio[VMSIM__ISOLATE_MAX];
};

/* MADV_PAGEOUT hands over what it has isolated in one go: reclaim writes neighbours in one transfer. */
static void reclaim_aged(struct aged *a) {
    const struct vmsim__vm_hooks *h = &a->vm->hooks;
    if (a->count)
        h->reclaim(h->context, a->folio, a->count, a->cpu);
    a->count = 0;
}

/* A folio that is mapped here alone, or another. */
static void add_aged(struct aged *a, struct vmsim__pte pte) {
    struct vmsim__vm *vm = a->vm;
    const vmsim__pfn pfn = (vmsim__pfn)pte.pfn;
    if (!(pte.flags & (VMSIM__PTE_PRESENT | VMSIM__PTE_PROTNONE)) ||
        (pte.flags & (VMSIM__PTE_SPECIAL | VMSIM__PTE_SWAP)))
        return; /* its pfn is none */
    const struct vmsim__frame *f = vmsim__vm_frame(vm, pfn);
    if (vmsim__frame_is(f, VMSIM__FRAME_TAIL) || vmsim__vm_mapcount(vm, pfn) != 1 || !vmsim__lru_isolate(vm->lru, pfn))
        return;
    if (vmsim__frame_is(f, VMSIM__FRAME_UNEVICTABLE)) {
        vmsim__lru_putback(vm->lru, pfn, a->cpu);
        return;
    }
    const unsigned node = vm->mem->zones[vmsim__frame_zone(f)].node;
    if (a->count == VMSIM__ISOLATE_MAX || (a->count && node != a->node))
        reclaim_aged(a);
    a->node = node;
    VMSIM__ASSERT(a->count < VMSIM__ISOLATE_MAX);
    a->folio[a->count++] = pfn;
}

/* Kernel: the end of madvise_cold_or_pageout_pte_range. */
static void reclaim_range(struct vmsim__vma *v, uint64_t start, uint64_t end) {
    struct vmsim__mm *mm = v->mm;
    struct vmsim__pt_slot slot;
    struct aged aged = {.vm = mm->vm, .cpu = mm->cpu};
    if (!mm->vm->hooks.reclaim)
        return;
    for (uint64_t va = start; va < end && vmsim__pt_next(&mm->pt, &va, end, &slot);
         va += UINT64_C(1) << mm->pt.format->shift[slot.level])
        add_aged(&aged, vmsim__pt_get(mm->pt.format, &slot));
    reclaim_aged(&aged);
}

/* MADV_FREE gives swap space back: the data is not wanted. What is being moved stays, and so do guards. */
static void drop_swap(struct vmsim__mm *mm, const struct vmsim__pt_slot *slot, struct vmsim__pte pte) {
    if (!vmsim__swp_is_migration(vmsim__swp_of(pte)))
        vmsim__nonpresent_zap(mm, slot, pte, VMSIM__ZAP_COWS);
}

/* A compound page that is advised in part is split first; true: look at the entry again. Advice is for pages, and a
 * folio has one place on the lists: the part that is not advised must not go with it. Kernel:
 * madvise_cold_or_pageout_pte_range, madvise_free_pte_range. */
static bool parted(struct vmsim__vma *v, uint64_t va, uint64_t start, uint64_t end, const struct vmsim__pt_slot *slot,
                   struct vmsim__pte pte) {
    struct vmsim__vm *vm = v->mm->vm;
    if ((pte.flags & (VMSIM__PTE_SPECIAL | VMSIM__PTE_SWAP)) || !(pte.flags & VMSIM__PTE_PRESENT))
        return false;
    vmsim__pfn pfn = (vmsim__pfn)pte.pfn;
    if (!slot->level)
        return vmsim__frame_is(vmsim__vm_frame(vm, pfn), VMSIM__FRAME_HEAD | VMSIM__FRAME_TAIL) &&
               vmsim__vm_mapcount(vm, pfn) == 1 && vmsim__thp_split_page(vm, pfn, v->mm->cpu);
    if (va >= start && va + (UINT64_C(1) << v->mm->pt.format->shift[slot->level]) <= end)
        return false;
    if (vmsim__vm_mapcount(vm, pfn) != 1 || !vmsim__thp_split_page(vm, pfn, v->mm->cpu))
        vmsim__thp_split_pmd(v, va, slot, v->mm->cpu);
    return true;
}

/* A large folio all of whose base entries are advised is advised as one; pages of several owners are left alone.
 * Returns how many entries that are; 0: it is not so. Kernel: madvise_folio_pte_batch, since 6.10. */
static uint32_t advise_folio(struct vmsim__vma *v, uint64_t va, uint64_t end, const struct vmsim__pt_slot *first,
                             page_advice advise, bool *changed) {
    struct vmsim__vm *vm = v->mm->vm;
    const struct vmsim__pt_format *f = vm->format;
    struct vmsim__pte pte = vmsim__pt_get(f, first);
    const vmsim__pfn pfn = (vmsim__pfn)pte.pfn;
    if (!vm->kernel->gather_pairs || !(pte.flags & VMSIM__PTE_PRESENT) || (pte.flags & VMSIM__PTE_SPECIAL) ||
        !vmsim__frame_is(vmsim__vm_frame(vm, pfn), VMSIM__FRAME_HEAD))
        return 0;
    struct vmsim__frame *head = vmsim__vm_frame(vm, pfn);
    const uint32_t pages = vmsim__frame_pages(head);
    const uint64_t left = vmsim__min64((end - va) >> vm->page_shift, (UINT64_C(1) << f->index_bits[0]) - first->index);
    if (left < pages || vmsim__folio_run(v, *first, pages) != pages)
        return 0;
    *changed = vmsim__vm_mapcount(vm, pfn) == 1 && advise(v, &pte, pfn, head);
    if (!*changed)
        return pages;
    vmsim__pt_set(f, first, pte);
    const uint32_t cleared = VMSIM__PTE_ACCESSED | (advise == lazyfree_page ? VMSIM__PTE_DIRTY : 0);
    struct vmsim__pt_slot slot = *first;
    for (uint32_t i = 1; i < pages; i++) {
        slot.entry = (char *)slot.entry + f->entry_bytes;
        slot.index++;
        struct vmsim__pte other = vmsim__pt_get(f, &slot);
        other.flags &= ~cleared;
        vmsim__pt_set(f, &slot, other);
    }
    return pages;
}

/* One flush for all entries that changed, from the first to the last. Batches are drained first: a page that waits
 * in one could not be taken off its list. */
static void advise_pages(struct vmsim__vma *v, uint64_t start, uint64_t end, page_advice advise) {
    VMSIM__ASSERT(start >= v->start && end <= v->end);
    struct vmsim__mm *mm = v->mm;
    struct vmsim__vm *vm = mm->vm;
    const struct vmsim__pt_format *f = mm->pt.format;
    struct vmsim__pt_slot slot;
    uint64_t from = UINT64_MAX, to = 0;
    vmsim__flush_pending(mm, mm->cpu);
    vmsim__lru_drain_cpu(vm->lru, mm->cpu);
    for (uint64_t va = start; va < end && vmsim__pt_next(&mm->pt, &va, end, &slot);) {
        const uint64_t size = UINT64_C(1) << f->shift[slot.level];
        struct vmsim__pte pte = vmsim__pt_get(f, &slot);
        bool changed = false;
        const uint32_t run = slot.level ? 0 : advise_folio(v, va, end, &slot, advise, &changed);
        if (run) {
            from = changed ? vmsim__min64(from, va) : from;
            va += run * size;
            to = changed ? va : to;
            continue;
        }
        if (parted(v, va, start, end, &slot, pte)) {
            va = vmsim__max64(va, start);
            continue;
        }
        if ((pte.flags & VMSIM__PTE_SWAP) && advise == lazyfree_page)
            drop_swap(mm, &slot, pte);
        if ((pte.flags & (VMSIM__PTE_PRESENT | VMSIM__PTE_PROTNONE)) && !(pte.flags & VMSIM__PTE_SPECIAL) &&
            advise(v, &pte, (vmsim__pfn)pte.pfn, vmsim__vm_frame(vm, (vmsim__pfn)pte.pfn))) {
            vmsim__pt_set(f, &slot, pte);
            from = vmsim__min64(from, va);
            to = va + size;
        }
        va += size;
    }
    VMSIM__ASSERT(!to || from < to);
    if (to)
        vmsim__flush_range(mm, from, to, vm->page_shift, false, mm->cpu);
}

/* Kernel: madvise_dontneed_free. Locked pages are kept from DONTNEED by an error, as the lock promises that they
 * stay; FREE is for anonymous memory alone, since of a file's page the file would keep the old contents. */
static int zap_advice(struct vmsim__vma *v, uint64_t start, uint64_t end, int advice) {
    uint32_t forbidden = VMSIM__VM_PFNMAP | (advice == VMSIM__MADV_DONTNEED_LOCKED ? 0 : VMSIM__VM_LOCKED);
    if (v->flags & VMSIM__VM_HUGETLB) { /* a part of a page at the end stays: who asks may not know of its size */
        if (advice == VMSIM__MADV_FREE || !vmsim__vma_huge_aligned(v, start))
            return VMSIM__L_EINVAL;
        end = vmsim__align_down(end, vmsim__vma_page_size(v));
        forbidden = 0;
    }
    if (start == end)
        return 0;
    if (v->flags & forbidden)
        return VMSIM__L_EINVAL;
    if (advice != VMSIM__MADV_FREE) {
        vmsim__zap(v, start, end, v->mm->cpu);
        return 0;
    }
    if (!is_anonymous(v))
        return VMSIM__L_EINVAL;
    advise_pages(v, start, end, lazyfree_page);
    vmsim__vm_dropped(v->mm, start, end, true);
    return 0;
}

/* Kernel: madvise_remove: 3 is FALLOC_FL_PUNCH_HOLE with KEEP_SIZE. The hole is in the file, so that everybody who
 * maps it loses the pages. Since 6.7 the right to write at all suffices (MAYWRITE). */
static int remove_pages(struct vmsim__vma *v, uint64_t start, uint64_t end) {
    struct vmsim__vm *vm = v->mm->vm;
    const uint32_t both = VMSIM__VM_SHARED | (vm->kernel->remove_by_right ? VMSIM__VM_MAYWRITE : VMSIM__VM_WRITE);
    if ((v->flags & VMSIM__VM_LOCKED) || !v->file)
        return VMSIM__L_EINVAL;
    if ((v->flags & both) != both)
        return VMSIM__L_EACCES;
    if (v->flags & VMSIM__VM_HUGETLB) {
        vmsim__hugetlb_punch(vm, v->file, vmsim__vma_index(v, start), vmsim__vma_index(v, end - 1) + 1, v->mm->cpu);
        return 0;
    }
    return -vmsim__file_fallocate(vm->cache, v->file, 3, vmsim__vma_index(v, start) << vm->page_shift, end - start,
                                  v->mm->cpu);
}

/* After a wait it goes on where it was: what it has read may be gone again, as often as memory is short. Kernel:
 * swapin_walk_pmd_entry. */
static int swapin_willneed(struct vmsim__vma *v, uint64_t start, uint64_t end) {
    struct vmsim__mm *mm = v->mm;
    const struct vmsim__swap_ops *swap = mm->vm->swap;
    struct vmsim__call *call = vmsim__now_call(&mm->vm->mem->now);
    struct vmsim__pt_slot slot;
    if (!swap || !swap->prefetch)
        return 0;
    for (uint64_t va = vmsim__max64(start, call->done); va < end && vmsim__pt_next(&mm->pt, &va, end, &slot);
         va += UINT64_C(1) << mm->pt.format->shift[slot.level]) {
        const struct vmsim__pte pte = vmsim__pt_get(mm->pt.format, &slot);
        if ((pte.flags & VMSIM__PTE_SWAP) && vmsim__swp_is_swap(vmsim__swp_of(pte)))
            swap->prefetch(swap->context, v, va, vmsim__swp_of(pte));
        if (vmsim__now_waits(&mm->vm->mem->now)) {
            call->done = va;
            return VMSIM__ERESTARTSYS;
        }
    }
    vmsim__lru_drain_cpu(mm->vm->lru, mm->cpu);
    return 0;
}

/* Entered again for a page of a later VMA, it does not read what is behind it once more: where memory is short, that
 * would take the page's frame each time. Kernel: madvise_willneed. */
static int willneed(struct vmsim__vma *v, uint64_t start, uint64_t end) {
    struct vmsim__vm *vm = v->mm->vm;
    struct vmsim__call *call = vmsim__now_call(&vm->mem->now);
    if (end <= call->done)
        return 0;
    if (!v->file)
        return swapin_willneed(v, start, end);
    if (v->file->kind == VMSIM__FILE_REGULAR)
        vmsim__file_willneed(vm->cache, v->file, &v->opened->ra, vmsim__vma_index(v, start),
                             (end - start) >> vm->page_shift, v->mm->cpu);
    call->done = end;
    return 0;
}

/* ---- guards ---- */

/* A marker in place of an entry: no page, no rights, SIGSEGV on touch, and no VMA of its own. */
static bool is_guard(const struct vmsim__vma *v, const struct vmsim__pt_slot *slot) {
    const struct vmsim__pte pte = vmsim__pt_get(v->mm->pt.format, slot);
    return !slot->level && (pte.flags & VMSIM__PTE_SWAP) &&
           vmsim__swp_is_marker(vmsim__swp_of(pte), VMSIM__MARKER_GUARD);
}

/* Files since 6.15. */
static bool guardable(const struct vmsim__vma *v, bool allow_locked) {
    const uint32_t bar = VMSIM__VM_SPECIAL | VMSIM__VM_HUGETLB | (allow_locked ? 0 : VMSIM__VM_LOCKED);
    return !(v->flags & bar) && (is_anonymous(v) || (v->file && v->mm->vm->kernel->guard_files));
}

/* What is there goes; a guard that is there stays. The anon_vma makes fork copy the tables. Kernel:
 * madvise_guard_install. Tables are made for every page, also where nothing was mapped: that is what a guard costs
 * in place of a VMA. */
static int install_guards(struct vmsim__vma *v, uint64_t start, uint64_t end) {
    VMSIM__ASSERT(start >= v->start && end <= v->end && !((start | end) & (v->mm->vm->page_size - 1)));
    struct vmsim__mm *mm = v->mm;
    const struct vmsim__pt_format *f = mm->pt.format;
    const struct vmsim__swp guard = {.type = VMSIM__SWP_MARKER, .offset = VMSIM__MARKER_GUARD};
    struct vmsim__pt_slot slot;
    if (!guardable(v, false))
        return VMSIM__L_EINVAL;
    if (vmsim__anon_vma_prepare(v))
        return VMSIM__L_ENOMEM;
    uint64_t va = start;
    while (va < end && vmsim__pt_next(&mm->pt, &va, end, &slot) && is_guard(v, &slot))
        va += mm->vm->page_size;
    if (va < end && slot.entry)
        vmsim__zap(v, start, end, mm->cpu);
    for (va = start; va < end; va += mm->vm->page_size) {
        if (!vmsim__mm_slot(mm, va, true, &slot) || slot.level)
            return vmsim__now_waits(&mm->vm->mem->now) ? VMSIM__ERESTARTSYS : VMSIM__L_ENOMEM;
        vmsim__pt_set(f, &slot, vmsim__swp_pte(f, guard, false));
        vmsim__vm_cost(mm->vm, mm->vm->spec.costs.protect_page);
    }
    return 0;
}

/* Kernel: madvise_guard_remove. */
static int remove_guards(struct vmsim__vma *v, uint64_t start, uint64_t end) {
    struct vmsim__mm *mm = v->mm;
    struct vmsim__pt_slot slot;
    if (!guardable(v, true))
        return VMSIM__L_EINVAL;
    for (uint64_t va = start; va < end && vmsim__pt_next(&mm->pt, &va, end, &slot);
         va += UINT64_C(1) << mm->pt.format->shift[slot.level]) {
        if (!is_guard(v, &slot))
            continue;
        vmsim__pt_write(mm->pt.format, &slot, 0);
        vmsim__vm_cost(mm->vm, mm->vm->spec.costs.protect_page);
    }
    return 0;
}

/* ---- one VMA ---- */

/* Kernel: madvise_populate; rights are checked before the first page, unlike in a fault. Unlike MAP_POPULATE it
 * reports what it met, and stops there. */
static int populate_advice(struct vmsim__vma *v, uint64_t start, uint64_t end, bool write) {
    if ((v->flags & (VMSIM__VM_IO | VMSIM__VM_PFNMAP)) || (write && !(v->flags & VMSIM__VM_WRITE)) ||
        (!write && !(v->flags & VMSIM__VM_READ)))
        return VMSIM__L_EINVAL;
    return -vmsim__populate_vma(v, start, end, VMSIM__POPULATE_ADVICE | (write ? VMSIM__POPULATE_WRITE : 0),
                                v->mm->cpu);
}

/* One VMA's part: 0 or an errno. */
static int advise_vma(struct vmsim__vma *v, uint64_t start, uint64_t end, int advice) {
    VMSIM__ASSERT(start >= v->start && end <= v->end && start < end);
    const uint32_t no_lru = VMSIM__VM_LOCKED | VMSIM__VM_PFNMAP | VMSIM__VM_HUGETLB;
    switch (advice) {
    case VMSIM__MADV_DONTNEED:
    case VMSIM__MADV_DONTNEED_LOCKED:
    case VMSIM__MADV_FREE:
        return zap_advice(v, start, end, advice);
    case VMSIM__MADV_REMOVE:
        return remove_pages(v, start, end);
    case VMSIM__MADV_WILLNEED:
        return willneed(v, start, end);
    case VMSIM__MADV_COLD:
    case VMSIM__MADV_PAGEOUT:
        if (v->flags & no_lru)
            return VMSIM__L_EINVAL;
        advise_pages(v, start, end, advice == VMSIM__MADV_COLD ? cold_page : age_page);
        if (advice == VMSIM__MADV_PAGEOUT)
            reclaim_range(v, start, end);
        return 0;
    case VMSIM__MADV_POPULATE_READ:
    case VMSIM__MADV_POPULATE_WRITE:
        return populate_advice(v, start, end, advice == VMSIM__MADV_POPULATE_WRITE);
    case VMSIM__MADV_GUARD_INSTALL:
        return install_guards(v, start, end);
    case VMSIM__MADV_GUARD_REMOVE:
        return remove_guards(v, start, end);
    case VMSIM__MADV_COLLAPSE:
        return vmsim__collapse_range(v, start, end, v->mm->vm->mem->now.memcg, v->mm->cpu);
    default:
        return set_flags(v, start, end, advice);
    }
}

/* 5 to 7 were never given a meaning by Linux. */
static bool known(const struct vmsim__vm *vm, int advice) {
    if (advice == VMSIM__MADV_GUARD_INSTALL || advice == VMSIM__MADV_GUARD_REMOVE)
        return vm->kernel->guard_regions;
    return (advice >= 0 && advice <= 4) || (advice >= VMSIM__MADV_FREE && advice <= VMSIM__MADV_COLLAPSE);
}

/* May the walk step over a hole, to tell of it at the end? Kernel: madvise_walk_vmas, which MADV_POPULATE_* has left.
 */
static bool steps_over_holes(const struct vmsim__vm *vm, int advice) {
    const bool populates = advice == VMSIM__MADV_POPULATE_READ || advice == VMSIM__MADV_POPULATE_WRITE;
    return !populates || !vm->kernel->populate_in_order;
}

/* Holes are ENOMEM, told at the end by advice that goes on behind them and at once by the rest. Only advice that waits
 * leaves how far it had come. Kernel: do_madvise, madvise_walk_vmas. */
int64_t vmsim__mm_madvise(struct vmsim__mm *mm, uint64_t addr, uint64_t length, int advice, unsigned cpu) {
    const uint64_t page = mm->vm->page_size;
    mm->cpu = cpu;
    if (vmsim__nommu(mm->vm))
        return -VMSIM__L_ENOSYS;
    vmsim__vm_call_cost(mm->vm, mm->vm->spec.costs.madvise);
    if (!known(mm->vm, advice) || (addr & (page - 1)))
        return fail(VMSIM__L_EINVAL);
    uint64_t aligned = vmsim__align_up(length, page), end = addr + aligned;
    if ((length && !aligned) || end < addr)
        return fail(VMSIM__L_EINVAL);
    bool hole = false;
    for (uint64_t at = addr; at < end;) {
        struct vmsim__vma *v = vmsim__vma_find(mm, at);
        if (!v || v->start >= end)
            return fail(VMSIM__L_ENOMEM);
        hole = hole || v->start > at;
        if (hole && !steps_over_holes(mm->vm, advice))
            break;
        at = vmsim__max64(at, v->start);
        uint64_t to = vmsim__min64(v->end, end);
        int e = advise_vma(v, at, to, advice);
        if (e)
            return fail(e);
        at = to;
    }
    if (!vmsim__now_waits(&mm->vm->mem->now))
        vmsim__now_call(&mm->vm->mem->now)->done = 0;
    return hole ? fail(VMSIM__L_ENOMEM) : 0;
}
