/* SPDX-License-Identifier: MIT */
/* Taking pages out of page tables: the gather that frees them after the flush, and the walk that feeds it.
 *
 * No frame may be freed while a TLB can still reach it. Pages (and page tables) are therefore collected: the first 8 in
 * place, the rest in batches that each take one frame from the allocator without waiting; when no batch can be had, or
 * 19 are full, everything so far is flushed and freed early. These frames are visible in pgalloc and pgfree, as on
 * Linux. Kernel counterparts: mm/mmu_gather.c, mm/memory.c (zap_pte_range), mm/swap_state.c
 * (free_pages_and_swap_cache). */
#include "vm/vm_hugetlb.h"

/* Pointers that fit in a batch frame behind its header (struct mmu_gather_batch: a page less its next pointer and two
 * counters). One is kept spare where a folio's number of entries may have to follow it. */
static uint32_t batch_room(const struct vmsim__vm *vm) {
    return (uint32_t)((vm->page_size - 16) / 8) - vm->kernel->gather_pairs;
}

/* Of the 8 in place one is kept, too. */
static uint32_t local_room(const struct vmsim__vm *vm) {
    return VMSIM__GATHER_LOCAL - vm->kernel->gather_pairs;
}

/* Nothing held; batch frames are kept for what follows. */
static void reset(struct vmsim__gather *g) {
    g->count = g->used = g->active = 0;
    g->room = local_room(g->mm->vm);
}

/* Kernel: tlb_gather_mmu. LRU batches are drained first, so that pages in them have no reference but those that go.
 * Gathers nest, as an unmap may truncate what somebody else maps: only the outermost has the large room, an inner
 * one lives with its 8 pages and flushes more often. */
void vmsim__gather_start(struct vmsim__gather *g, struct vmsim__mm *mm, bool whole) {
    *g = (struct vmsim__gather){.mm = mm, .start = UINT64_MAX, .whole = whole, .outer = mm->vm->gather};
    g->pages = g->outer ? g->local : mm->vm->gathered;
    g->stride_shift = mm->vm->page_shift;
    reset(g);
    mm->vm->gather = g;
    vmsim__lru_drain_cpu(mm->vm->lru, mm->cpu);
}

/* The stride is the smallest leaf met: what a flush by address has to step by. */
void vmsim__gather_range(struct vmsim__gather *g, uint64_t start, uint64_t end, unsigned shift) {
    VMSIM__ASSERT(start < end && shift >= g->mm->vm->page_shift);
    if (g->start == UINT64_MAX || shift < g->stride_shift)
        g->stride_shift = shift;
    g->start = vmsim__min64(g->start, start);
    g->end = vmsim__max64(g->end, end);
}

/* Kernel: tlb_flush_mmu_tlbonly. With `whole` the address space goes: what its entries were matters to nobody, and
 * one flush of all is cheaper than ranges. */
static void flush(struct vmsim__gather *g) {
    VMSIM__ASSERT(g->start == UINT64_MAX || g->start < g->end);
    struct vmsim__vm *vm = g->mm->vm;
    if (g->whole) {
        if (vm->hooks.flush_mm)
            vm->hooks.flush_mm(vm->hooks.context, g->mm, g->mm->cpu);
    } else if (g->start != UINT64_MAX) {
        vmsim__flush_range(g->mm, g->start, g->end, g->stride_shift, g->freed_tables, g->mm->cpu);
    }
    g->start = UINT64_MAX;
    g->end = 0;
    g->freed_tables = false;
}

/* A page that nobody maps any more needs no slot of swap. Kernel: free_swap_cache. The page would else keep its slot
 * until reclaim met it, and swap would look fuller than it is. */
static void give_slot_back(struct vmsim__vm *vm, vmsim__pfn pfn, unsigned cpu) {
    if (vm->swap && vm->swap->free_slot && !vmsim__folio_mapped(vm->lru, pfn))
        vm->swap->free_slot(vm->swap->context, pfn, cpu);
}

/* Each batch is released from its end: the order in which the per-CPU lists see the frames. */
static void release(struct vmsim__gather *g) {
    VMSIM__ASSERT(g->active <= g->batches && g->count <= VMSIM__GATHER_ROOM);
    struct vmsim__vm *vm = g->mm->vm;
    for (uint32_t b = 0; b <= g->active; b++) {
        const uint32_t from = b ? g->first[b] : 0, to = b < g->active ? g->first[b + 1] : g->count;
        if (from < to)
            vmsim__lru_drain_cpu(vm->lru, g->mm->cpu);
        for (uint32_t i = to; i-- > from;) {
            const struct vmsim__gathered *p = &g->pages[i];
            const struct vmsim__frame *f = vmsim__vm_frame(vm, p->pfn);
            if (!f->mapcount && vmsim__frame_is(f, VMSIM__FRAME_ANON)) /* the cache keeps a page that nobody maps */
                vmsim__vm_cost(vm, vm->spec.costs.free_page);
            if (VMSIM__UNLIKELY(vmsim__folio_hugetlb(f))) {
                vmsim__hugetlb_put_refs(vm, p->pfn, p->refs, g->mm->cpu);
                continue;
            }
            if (VMSIM__UNLIKELY(vmsim__frame_is(f, VMSIM__FRAME_SWAPCACHE)))
                give_slot_back(vm, p->pfn, g->mm->cpu);
            vmsim__folio_put_refs(vm->lru, p->pfn, p->refs, g->mm->cpu);
        }
    }
    reset(g);
}

/* Kernel: tlb_next_batch; MAX_GATHER_BATCH_COUNT is 10,000 pages, to bound the time without a reschedule. */
static bool more_room(struct vmsim__gather *g) {
    struct vmsim__vm *vm = g->mm->vm;
    const uint32_t room = batch_room(vm);
    VMSIM__ASSERT(g->batches <= VMSIM__GATHER_BATCHES && g->active <= g->batches);
    if (g->pages == g->local)
        return false;              /* within another unmap: nothing but what is in place */
    if (g->active == g->batches) { /* else one is left that was taken before an early flush */
        if (g->batches == 10000 / room)
            return false;
        vmsim__pfn pfn = vmsim__vm_alloc_page(vm, VMSIM__GFP_NOWAIT | VMSIM__GFP_NOWARN, 0, g->mm->cpu);
        if (pfn == VMSIM__PFN_NONE)
            return false;
        g->batch[g->batches++] = pfn;
    }
    g->first[++g->active] = g->count;
    g->used = 0;
    g->room = room;
    return true;
}

/* A batch is full. Where no other can be had, all goes now; that ends the loop over the table. */
static VMSIM__NOINLINE void full(struct vmsim__gather *g) {
    if (more_room(g))
        return;
    if (g->mm->rss_batching) {
        vmsim__rss_batch_end(g->mm);
        vmsim__rss_batch_start(g->mm);
    }
    flush(g);
    release(g);
}

/* Kernel: __tlb_remove_folio_pages. */
VMSIM__INLINE void gather(struct vmsim__gather *g, vmsim__pfn pfn, uint32_t refs) {
    VMSIM__ASSERT(g->mm->vm->gather == g && g->used < g->room && refs > 0);
    g->pages[g->count++] = (struct vmsim__gathered){pfn, refs};
    g->used += refs > 1 ? 2 : 1;
    if (VMSIM__UNLIKELY(g->used >= g->room))
        full(g);
}

void vmsim__gather_folio(struct vmsim__gather *g, vmsim__pfn pfn, uint32_t refs) {
    gather(g, pfn, refs);
}

void vmsim__gather_page(struct vmsim__gather *g, vmsim__pfn pfn) {
    gather(g, pfn, 1);
}

/* Kernel: tlb_finish_mmu: batch frames go last, as they hold what is freed before. */
void vmsim__gather_finish(struct vmsim__gather *g) {
    VMSIM__ASSERT(g->mm->vm->gather == g);
    struct vmsim__vm *vm = g->mm->vm;
    flush(g);
    vmsim__tables_queue(g);
    release(g);
    for (uint32_t i = 0; i < g->batches; i++)
        vmsim__mem_free(vm->mem, g->batch[i], 0, g->mm->cpu);
    vm->gather = g->outer;
}

/* One present entry. False: it stays (a private copy that truncation must leave). Kernel: zap_present_pte: what the
 * entry knew of a file page (dirty, young) is handed to the page, but for a sequential reader. */
static bool zap_present(struct vmsim__gather *g, struct vmsim__vma *vma, struct vmsim__pte pte, unsigned zap) {
    VMSIM__ASSERT(pte.flags & (VMSIM__PTE_PRESENT | VMSIM__PTE_PROTNONE));
    struct vmsim__mm *mm = vma->mm;
    struct vmsim__vm *vm = mm->vm;
    const bool even_cows = zap & VMSIM__ZAP_COWS;
    if (pte.flags & VMSIM__PTE_SPECIAL) {
        if (even_cows && vmsim__vma_is_vdso(vma))
            vmsim__vdso_mapped(vma, -1);
        return even_cows;
    }
    vmsim__pfn pfn = (vmsim__pfn)pte.pfn;
    const vmsim__pfn head = vmsim__vm_head(vm, pfn);
    const struct vmsim__frame *f = vmsim__vm_frame(vm, head);
    const bool anon = vmsim__frame_is(f, VMSIM__FRAME_ANON);
    if (anon && !even_cows)
        return false;
    if (!anon && (pte.flags & VMSIM__PTE_DIRTY))
        vmsim__page_dirty(vm->cache, head);
    if (!anon && (pte.flags & VMSIM__PTE_ACCESSED) && !(vma->flags & VMSIM__VM_SEQ_READ))
        vmsim__lru_mark_accessed(vm->lru, head, mm->cpu);
    vmsim__rss_add(mm, vmsim__rss_kind_of(f), -1);
    vmsim__unmap_page(vma, pfn, mm->cpu);
    gather(g, head, 1);
    return true;
}

/* The entry is cleared before anybody is told: freeing may look at mappings through the reverse map. */
static void zap_entry(struct vmsim__gather *g, struct vmsim__vma *vma, uint64_t va, const struct vmsim__pt_slot *slot,
                      unsigned zap) {
    VMSIM__ASSERT(slot->entry && !slot->level && va >= vma->start && va < vma->end);
    struct vmsim__mm *mm = vma->mm;
    const struct vmsim__pt_format *f = mm->pt.format;
    struct vmsim__pte pte = vmsim__pt_get(f, slot);
    vmsim__vm_cost(mm->vm, mm->vm->spec.costs.unmap_page);
    if (pte.flags & VMSIM__PTE_SWAP) {
        vmsim__nonpresent_zap(mm, slot, pte, zap);
        return;
    }
    uint64_t raw = vmsim__pt_read(f, slot);
    vmsim__pt_write(f, slot, 0); /* before the page goes: freeing may look at mappings */
    vmsim__gather_range(g, va, va + mm->vm->page_size, mm->vm->page_shift);
    if (!zap_present(g, vma, pte, zap))
        vmsim__pt_write(f, slot, raw);
}

/* How many entries from `slot` on map one frame of a large folio after the other, with the same rights? Kernel:
 * folio_pte_batch. Accessed and dirty may differ: they are gathered per page when the run is worked off. EXCLUSIVE
 * is a frame's, not an entry's. */
uint32_t vmsim__folio_run(const struct vmsim__vma *vma, struct vmsim__pt_slot slot, uint32_t most) {
    const struct vmsim__vm *vm = vma->mm->vm;
    const struct vmsim__pt_format *f = vm->format;
    const uint32_t ignored = VMSIM__PTE_DIRTY | VMSIM__PTE_SOFT_DIRTY | VMSIM__PTE_ACCESSED | VMSIM__PTE_WRITE;
    const struct vmsim__pte first = vmsim__pt_get(f, &slot);
    if (!(first.flags & VMSIM__PTE_PRESENT) || (first.flags & VMSIM__PTE_SPECIAL))
        return 0;
    const vmsim__pfn pfn = (vmsim__pfn)first.pfn, head = vmsim__vm_head(vm, pfn);
    if (!vmsim__frame_is(vmsim__vm_frame(vm, head), VMSIM__FRAME_HEAD))
        return 0;
    most = (uint32_t)vmsim__min64(most, vmsim__frame_pages(vmsim__vm_frame(vm, head)) - (pfn - head));
    uint32_t n = 1;
    for (; n < most; n++) {
        slot.entry = (char *)slot.entry + f->entry_bytes;
        slot.index++;
        const struct vmsim__pte pte = vmsim__pt_get(f, &slot);
        if (pte.pfn != pfn + n || ((pte.flags ^ first.flags) & ~ignored))
            break;
    }
    return n;
}

/* Such a run of an anonymous folio goes in one step. Returns its length; 0: there is none. Kernel:
 * zap_present_folio_ptes. */
static uint32_t zap_run(struct vmsim__gather *g, struct vmsim__vma *vma, uint64_t va, uint64_t end,
                        const struct vmsim__pt_slot *slot, unsigned zap) {
    struct vmsim__vm *vm = vma->mm->vm;
    const struct vmsim__pt_format *f = vm->format;
    const uint64_t left = vmsim__min64((end - va) >> vm->page_shift, (UINT64_C(1) << f->index_bits[0]) - slot->index);
    const uint32_t n = vmsim__folio_run(vma, *slot, (uint32_t)left);
    if (n < 2)
        return 0;
    const vmsim__pfn pfn = (vmsim__pfn)vmsim__pt_get(f, slot).pfn, head = vmsim__vm_head(vm, pfn);
    if (!vmsim__frame_is(vmsim__vm_frame(vm, head), VMSIM__FRAME_ANON) || !(zap & VMSIM__ZAP_COWS))
        return 0;
    struct vmsim__pt_slot at = *slot;
    for (uint32_t i = 0; i < n; i++, at.index++, at.entry = (char *)at.entry + f->entry_bytes)
        vmsim__pt_write(f, &at, 0);
    vmsim__vm_cost(vm, n * vm->spec.costs.unmap_page);
    vmsim__gather_range(g, va, va + n * vm->page_size, vm->page_shift);
    vmsim__rss_add(vma->mm, VMSIM__RSS_ANON, -(int64_t)n);
    vmsim__thp_unmap_sub(vma, pfn, n);
    vmsim__gather_folio(g, head, n);
    return n;
}

/* The entries of one leaf table from `slot` on. Returns the address behind them. Kernel: zap_pte_range. */
static uint64_t zap_table(struct vmsim__gather *g, struct vmsim__vma *vma, uint64_t va, uint64_t end,
                          struct vmsim__pt_slot slot, unsigned zap) {
    VMSIM__ASSERT(!slot.level && va < end);
    const struct vmsim__pt_format *f = vma->mm->pt.format;
    const uint32_t entries = UINT32_C(1) << f->index_bits[0];
    const bool runs = vma->mm->vm->kernel->gather_pairs;
    vmsim__rss_batch_start(vma->mm);
    while (va < end && slot.index < entries) {
        uint32_t n = 1;
        if (vmsim__pt_read(f, &slot)) {
            n = runs ? zap_run(g, vma, va, end, &slot, zap) : 0;
            if (!n)
                zap_entry(g, vma, va, &slot, zap);
            n += !n;
        }
        va += n * vma->mm->vm->page_size;
        slot.index += n;
        slot.entry = (char *)slot.entry + n * f->entry_bytes;
    }
    vmsim__rss_batch_end(vma->mm);
    return va;
}

/* Entries first, tables after (vmsim__pt_free_range): a table is freed only when no VMA is left that could use it. */
void vmsim__zap_range(struct vmsim__gather *g, struct vmsim__vma *vma, uint64_t start, uint64_t end, unsigned zap) {
    VMSIM__ASSERT(start >= vma->start && end <= vma->end && g->mm == vma->mm);
    struct vmsim__mm *mm = vma->mm;
    struct vmsim__pt_slot slot;
    if (vma->flags & VMSIM__VM_HUGETLB) {
        vmsim__hugetlb_zap(g, vma, start, end);
        return;
    }
    vmsim__flush_pending(mm, mm->cpu);
    for (uint64_t va = start; va < end && vmsim__pt_next(&mm->pt, &va, end, &slot);) {
        uint64_t size = UINT64_C(1) << mm->pt.format->shift[slot.level];
        if (slot.level && (va < start || va + size > end)) {
            va = vmsim__max64(va, start);
            vmsim__thp_split_pmd(vma, va, &slot, mm->cpu);
            continue;
        }
        if (slot.level) {
            vmsim__thp_zap(g, vma, va, &slot);
            va += size;
        } else {
            va = zap_table(g, vma, va, end, slot, zap);
        }
    }
    vmsim__rss_sync(mm);
}

/* Kernel: zap_page_range_single. */
void vmsim__zap(struct vmsim__vma *vma, uint64_t start, uint64_t end, unsigned cpu) {
    struct vmsim__gather g;
    vma->mm->cpu = cpu;
    vmsim__gather_start(&g, vma->mm, false);
    vmsim__hiwater_rss(vma->mm);
    vmsim__zap_range(&g, vma, start, end, VMSIM__ZAP_COWS);
    vmsim__vm_dropped(vma->mm, start, end, false);
    vmsim__gather_finish(&g);
}

/* Truncation, hole punching and invalidation of a range of a file. `even_cows` is truncation's: private copies go as
 * well, since a page behind the file's end is SIGBUS for everybody. */
struct unmap {
    struct vmsim__file *file;
    uint64_t first, end;
    bool even_cows;
    unsigned cpu;
};

/* It may run inside a call on another address space, whose CPU mm->cpu is not: hence it is set and put back. */
static void unmap_from(struct vmsim__vma *v, const struct unmap *u) {
    VMSIM__ASSERT(v->file == u->file && u->first < u->end);
    struct vmsim__mm *mm = v->mm;
    unsigned shift = mm->vm->page_shift;
    uint64_t last = v->pgoff + vmsim__vma_pages(v, shift);
    if (v->pgoff >= u->end || last <= u->first)
        return;
    uint64_t from = vmsim__max64(v->pgoff, u->first), to = vmsim__min64(last, u->end);
    struct vmsim__gather g;
    unsigned cpu = mm->cpu;
    mm->cpu = u->cpu;
    vmsim__gather_start(&g, mm, false);
    vmsim__hiwater_rss(mm);
    const uint64_t start = v->start + ((from - v->pgoff) << shift), end = v->start + ((to - v->pgoff) << shift);
    vmsim__zap_range(&g, v, start, end, u->even_cows ? VMSIM__ZAP_COWS : 0);
    if (u->even_cows)
        vmsim__vm_dropped(mm, start, end, false);
    vmsim__gather_finish(&g);
    mm->cpu = cpu;
}

/* Kernel: unmap_mapping_pages: in the order of the tree. */
void vmsim__vm_unmap_file(struct vmsim__vm *vm, struct vmsim__file *file, uint64_t first, uint64_t end, bool even_cows,
                          unsigned cpu) {
    if (vmsim__nommu(vm)) /* mappings are copies */
        return;
    const struct unmap u = {file, first, end, even_cows, cpu};
    const struct vmsim__imap *map = file->mappings;
    if (!map || first >= end)
        return;
    for (struct vmsim__interval *n = vmsim__interval_first(&map->vmas, first, end - 1); n;
         n = vmsim__interval_next(n, first, end - 1))
        unmap_from(vmsim__vma_of_file_link(n), &u);
}
