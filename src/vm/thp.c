/* SPDX-License-Identifier: MIT */
/* Transparent huge pages: the fault, the huge zero page, splitting of the entry, fork, unmapping; huge entries of
 * files.
 *
 *   head frame   refcount: 1 an entry (huge or base)    mapcount: base entries of frame 0
 *   tail 1       mapping:  huge entries (compound_mapcount); its own base entries in mapcount, as in every tail
 *
 * A huge entry has a leaf table in deposit, so that splitting never has to allocate: nr_page_table_pages and VmPTE
 * count it. The deposit is accounted as a frame held in the list below mm->deposit. A compound page stays whole when
 * its huge entry is split; it is freed when the last reference goes (splitting the page itself belongs to reclaim).
 * Kernel counterpart: mm/huge_memory.c. */
#include "lru/deferred_split.h"
#include "vm/collapse.h"
#include "vm/vm_impl.h"

#define GFP_LIGHT VMSIM__GFP_TRANSHUGE_LIGHT

static unsigned huge_shift(const struct vmsim__vm *vm) {
    VMSIM__ASSERT(vm->format->levels > 1);
    return vm->format->shift[1];
}
static unsigned huge_order(const struct vmsim__vm *vm) {
    return huge_shift(vm) - vm->page_shift;
}
static uint64_t huge_size(const struct vmsim__vm *vm) {
    return UINT64_C(1) << huge_shift(vm);
}
/* The kernel keeps compound_mapcount in the first tail page, too. */
static uint32_t *huge_mapcount(struct vmsim__vm *vm, vmsim__pfn head) {
    VMSIM__ASSERT(vmsim__frame_is(vmsim__vm_frame(vm, head), VMSIM__FRAME_HEAD));
    return &vmsim__vm_frame(vm, head + 1)->mapping;
}

/* Entries that map one frame, huge ones included. */
int64_t vmsim__vm_mapcount(const struct vmsim__vm *vm, vmsim__pfn pfn) {
    const struct vmsim__frame *f = vmsim__vm_frame(vm, pfn);
    if (!vmsim__frame_is(f, VMSIM__FRAME_HEAD | VMSIM__FRAME_TAIL))
        return f->mapcount;
    return f->mapcount + (int64_t)vmsim__vm_frame(vm, vmsim__vm_head(vm, pfn) + 1)->mapping;
}

/* ---- may it? ---- */

/* Kernel: hugepage_vma_check, thp_vma_allowable_orders. */
static bool suitable(const struct vmsim__vma *v) {
    const struct vmsim__vm *vm = v->mm->vm;
    return vm->format->levels > 1 && (vm->format->leaf_levels & 2) && huge_order(vm) <= vm->mem->top_order &&
           vmsim__thp_suits(v) && vmsim__thp_order_enabled(v, huge_order(vm));
}

/* Kernel: transhuge_vma_suitable: page offsets of anonymous memory are aligned as its addresses are. */
static bool range_inside(const struct vmsim__vma *v, uint64_t va) {
    uint64_t size = huge_size(v->mm->vm), start = va & ~(size - 1);
    return start >= v->start && start + size <= v->end;
}

bool vmsim__thp_allowed(const struct vmsim__vma *v, uint64_t va) {
    if (VMSIM__LIKELY(v->mm->vm->mem->thp_enabled == VMSIM__THP_NEVER) && !v->mm->vm->kernel->thp_per_size)
        return false;
    return suitable(v) && range_inside(v, va);
}

bool vmsim__thp_possible(const struct vmsim__vma *v, uint64_t va) {
    const struct vmsim__vm *vm = v->mm->vm;
    return vm->mem->thp_enabled != VMSIM__THP_NEVER && vm->format->levels > 1 && (vm->format->leaf_levels & 2) &&
           huge_order(vm) <= vm->mem->top_order && vmsim__thp_suits(v) && range_inside(v, va);
}

bool vmsim__vma_thp_eligible(const struct vmsim__vma *v) {
    uint64_t size = v->mm->vm->format->levels > 1 ? huge_size(v->mm->vm) : 0;
    if (v->file)
        return vmsim__collapse_file_allowed(v, false);
    return (size && suitable(v) && vmsim__align_up(v->start, size) + size <= v->end) || vmsim__thp_any_order(v);
}

uint32_t vmsim__thp_gfp(const struct vmsim__vma *v) {
    return vmsim__thp_gfp_as(v->mm->vm, v->flags & VMSIM__VM_HUGEPAGE);
}

/* Kernel: vma_thp_gfp_mask. */
uint32_t vmsim__thp_gfp_as(const struct vmsim__vm *vm, bool advised) {
    const uint32_t light = GFP_LIGHT;
    switch (vm->spec.thp_defrag) {
    case VMSIM__DEFRAG_ALWAYS:
        return VMSIM__GFP_TRANSHUGE | (advised ? 0 : VMSIM__GFP_NORETRY);
    case VMSIM__DEFRAG_DEFER:
        return light | VMSIM__GFP_KSWAPD_RECLAIM;
    case VMSIM__DEFRAG_DEFER_MADVISE:
        return light | (advised ? VMSIM__GFP_DIRECT_RECLAIM : VMSIM__GFP_KSWAPD_RECLAIM);
    case VMSIM__DEFRAG_MADVISE:
        return light | (advised ? VMSIM__GFP_DIRECT_RECLAIM : 0);
    default:
        return light;
    }
}

/* ---- deposits ---- */

static void put_deposit(struct vmsim__mm *mm, vmsim__pfn table) {
    vmsim__vm_frame(mm->vm, table)->mapping = mm->deposit;
    mm->deposit = table;
    mm->deposits++;
}

/* A table in reserve for one huge entry. Kernel: pgtable_trans_huge_deposit: a split comes from paths that may not
 * fail, as munmap of a part. */
static bool deposit(struct vmsim__mm *mm) {
    uint64_t pfn = mm->ptmem.alloc(mm, 0);
    if (pfn == VMSIM__NO_FRAME)
        return false;
    put_deposit(mm, (vmsim__pfn)pfn);
    return true;
}

void vmsim__thp_deposit_table(struct vmsim__mm *mm, vmsim__pfn table) {
    VMSIM__ASSERT(vmsim__frame_is(vmsim__vm_frame(mm->vm, table), VMSIM__FRAME_TABLE) && mm->pt.tables[0] > 0);
    mm->pt.tables[0]--;
    put_deposit(mm, table);
}

static vmsim__pfn withdraw(struct vmsim__mm *mm) {
    VMSIM__ASSERT(mm->deposits > 0);
    vmsim__pfn pfn = mm->deposit;
    struct vmsim__frame *f = vmsim__vm_frame(mm->vm, pfn);
    mm->deposit = f->mapping;
    f->mapping = 0;
    mm->deposits--;
    return pfn;
}

/* A deposit was never reachable: it needs no flush, and no gather. */
static void release_deposit(struct vmsim__mm *mm) {
    struct vmsim__gather *outer = mm->vm->gather;
    mm->vm->gather = NULL;
    mm->ptmem.release(mm, withdraw(mm), 0);
    mm->vm->gather = outer;
}

/* ---- fault ---- */

/* Kernel: vma_alloc_anon_folio_pmd. */
static vmsim__pfn alloc_huge(struct vmsim__vma *v, uint64_t va, unsigned cpu) {
    struct vmsim__vm *vm = v->mm->vm;
    uint32_t gfp = vmsim__thp_gfp(v);
    vmsim__pfn pfn = vmsim__vma_alloc_uncharged(v, va, gfp, huge_order(vm), cpu);
    const bool found = pfn != VMSIM__PFN_NONE;
    pfn = vmsim__vm_charge(vm, pfn, gfp, cpu);
    if (pfn != VMSIM__PFN_NONE || vmsim__now_waits(&vm->mem->now))
        return pfn;
    vmsim__thp_count(vm, huge_order(vm), VMSIM__THP_ANON_FAULT_FALLBACK, VMSIM__THP_FAULT_FALLBACK);
    if (found)
        vmsim__thp_count(vm, huge_order(vm), VMSIM__THP_ANON_FAULT_FALLBACK_CHARGE, VMSIM__THP_FAULT_FALLBACK_CHARGE);
    return pfn;
}

/* Kernel: get_huge_zero_page. */
static bool huge_zero_get(struct vmsim__vm *vm, unsigned cpu) {
    if (vm->huge_zero == VMSIM__PFN_NONE) {
        uint32_t gfp = (VMSIM__GFP_TRANSHUGE | VMSIM__GFP_ZERO) & ~VMSIM__GFP_MOVABLE_BIT;
        vm->huge_zero = vmsim__vm_alloc_page(vm, gfp, huge_order(vm), cpu);
        if (vm->huge_zero == VMSIM__PFN_NONE) {
            vmsim__vm_event(vm, VMSIM__THP_ZERO_PAGE_ALLOC_FAILED, 1);
            return false;
        }
        vmsim__vm_fill(vm, vm->huge_zero, VMSIM__PFN_NONE, huge_order(vm));
        vmsim__vm_event(vm, VMSIM__THP_ZERO_PAGE_ALLOC, 1);
        vmsim__vm_clear_cost(vm, vm->spec.costs.zero_huge, UINT64_C(1) << huge_order(vm), vm->huge_zero, cpu);
    }
    return true;
}

/* An address space keeps one reference on the huge zero page until it dies; the page itself stays for a shrinker. */
static enum vmsim__fault_outcome zero_fault(struct vmsim__vma *v, struct vmsim__pt_slot *slot, unsigned cpu,
                                            bool *done) {
    struct vmsim__mm *mm = v->mm;
    struct vmsim__vm *vm = mm->vm;
    if (!deposit(mm))
        return VMSIM__FAULT_OOM;
    if (!huge_zero_get(vm, cpu)) {
        release_deposit(mm);
        vmsim__vm_event(vm, VMSIM__THP_FAULT_FALLBACK, 1);
        return VMSIM__FAULT_OOM;
    }
    *done = true;
    if (vmsim__pt_read(mm->pt.format, slot)) {
        release_deposit(mm);
        return VMSIM__FAULT_MINOR;
    }
    const struct vmsim__pte pte = {vm->huge_zero, vmsim__prot_flags(v) | VMSIM__PTE_SPECIAL};
    vmsim__pt_set(mm->pt.format, slot, pte);
    return VMSIM__FAULT_MINOR;
}

/* Kernel: map_anon_folio_pmd. */
void vmsim__thp_install(struct vmsim__vma *v, uint64_t start, vmsim__pfn pfn, const struct vmsim__pt_slot *slot,
                        unsigned cpu) {
    VMSIM__ASSERT(v->anon_vma && !(start & (huge_size(v->mm->vm) - 1)) && slot->level == 1);
    VMSIM__ASSERT(start >= v->start && start + huge_size(v->mm->vm) <= v->end);
    struct vmsim__vm *vm = v->mm->vm;
    struct vmsim__frame *f = vmsim__vm_frame(vm, pfn);
    int64_t pages = INT64_C(1) << huge_order(vm);
    f->flags |= VMSIM__FRAME_ANON | VMSIM__FRAME_SWAPBACKED | VMSIM__FRAME_EXCLUSIVE;
    f->mapping = v->anon_vma;
    vmsim__frame_set_index(f, vmsim__vma_index(v, start));
    *huge_mapcount(vm, pfn) = 1;
    vmsim__thp_stat_add(vm->lru, huge_order(vm), VMSIM__THP_NR_ANON, 1);
    vmsim__vm_node_stat(vm, f, VMSIM__NR_ANON_PAGES, pages);
    vmsim__vm_node_stat(vm, f, VMSIM__NR_ANON_TRANSPARENT_HUGEPAGES, 1);
    vmsim__lru_add_vma(vm->lru, pfn, (v->flags & (VMSIM__VM_LOCKED | VMSIM__VM_SPECIAL)) == VMSIM__VM_LOCKED, cpu);
    struct vmsim__pte pte = {pfn, vmsim__prot_flags(v) | VMSIM__PTE_DIRTY | VMSIM__PTE_SOFT_DIRTY};
    if (v->flags & VMSIM__VM_WRITE)
        pte.flags |= VMSIM__PTE_WRITE;
    vmsim__pt_set(v->mm->pt.format, slot, pte);
    vmsim__vm_cost(vm, vm->spec.costs.map);
}

/* A page of alloc_huge, cleared and mapped. Kernel: do_huge_pmd_anonymous_page. */
static void map_huge(struct vmsim__vma *v, uint64_t start, vmsim__pfn pfn, const struct vmsim__pt_slot *slot,
                     unsigned cpu) {
    struct vmsim__vm *vm = v->mm->vm;
    vmsim__vm_fill(vm, pfn, VMSIM__PFN_NONE, huge_order(vm));
    vmsim__thp_install(v, start, pfn, slot, cpu);
    vmsim__rss_add(v->mm, VMSIM__RSS_ANON, INT64_C(1) << huge_order(vm));
    vmsim__vm_clear_cost(vm, vm->spec.costs.zero_huge, UINT64_C(1) << huge_order(vm), pfn, cpu);
    vmsim__thp_count(vm, huge_order(vm), VMSIM__THP_ANON_FAULT_ALLOC, VMSIM__THP_FAULT_ALLOC);
}

/* Kernel: do_huge_pmd_anonymous_page. */
enum vmsim__fault_outcome vmsim__thp_fault(struct vmsim__vma *v, uint64_t va, bool write, unsigned cpu, bool *done) {
    struct vmsim__mm *mm = v->mm;
    struct vmsim__vm *vm = mm->vm;
    uint64_t start = va & ~(huge_size(vm) - 1);
    struct vmsim__pt_slot slot;
    *done = false;
    if (!vmsim__pt_slot(&mm->pt, start, 1, true, &slot) || slot.level != 1 || vmsim__pt_read(mm->pt.format, &slot))
        return VMSIM__FAULT_OOM;
    if (vmsim__anon_vma_prepare(v))
        return VMSIM__FAULT_OOM;
    vmsim__khugepaged_enter(v);
    if (!write && vm->spec.thp_use_zero_page)
        return zero_fault(v, &slot, cpu, done);
    vmsim__pfn pfn = alloc_huge(v, start, cpu);
    if (pfn == VMSIM__PFN_NONE)
        return VMSIM__FAULT_OOM;
    if (!deposit(mm)) {
        vmsim__folio_put(vm->lru, pfn, cpu);
        return VMSIM__FAULT_OOM;
    }
    if (vmsim__pt_read(mm->pt.format, &slot)) { /* the place was taken meanwhile */
        release_deposit(mm);
        vmsim__folio_put(vm->lru, pfn, cpu);
        *done = true;
        return VMSIM__FAULT_MINOR;
    }
    map_huge(v, start, pfn, &slot, cpu);
    *done = true;
    return VMSIM__FAULT_MINOR;
}

/* ---- present huge entries ---- */

/* Kernel: do_huge_zero_wp_pmd. The table in reserve stays the entry's. Without a huge page the entry is split. True:
 * the fault is over. */
static bool replace_huge_zero(const struct vmsim__fault_at *at, const struct vmsim__pt_slot *slot) {
    struct vmsim__mm *mm = at->mm;
    struct vmsim__vm *vm = mm->vm;
    const uint64_t size = huge_size(vm), start = at->va & ~(size - 1);
    const uint64_t raw = vmsim__pt_read(mm->pt.format, slot);
    vmsim__pfn pfn = alloc_huge(at->vma, start, at->cpu);
    if (pfn == VMSIM__PFN_NONE)
        return false;
    if (vmsim__pt_read(mm->pt.format, slot) != raw) {
        vmsim__folio_put(vm->lru, pfn, at->cpu);
        return true;
    }
    vmsim__pt_write(mm->pt.format, slot, 0);
    vmsim__flush_range(mm, start, start + size, huge_shift(vm), false, at->cpu);
    map_huge(at->vma, start, pfn, slot, at->cpu);
    return true;
}

/* Kernel: do_huge_pmd_wp_page: a huge page that is shared is split rather than copied, which would take another huge
 * page. */
enum vmsim__fault_outcome vmsim__thp_wp(struct vmsim__fault_at *at, struct vmsim__pt_slot *slot, bool *done) {
    struct vmsim__vm *vm = at->mm->vm;
    const struct vmsim__pt_format *f = at->mm->pt.format;
    struct vmsim__pte pte = vmsim__pt_get(f, slot);
    uint32_t want = VMSIM__PTE_ACCESSED | (at->write ? VMSIM__PTE_DIRTY | VMSIM__PTE_SOFT_DIRTY : 0);
    *done = true;
    if (at->write && !(pte.flags & VMSIM__PTE_WRITE)) {
        const bool zero = pte.flags & VMSIM__PTE_SPECIAL;
        if (!zero && vmsim__frame_is(vmsim__vm_frame(vm, (vmsim__pfn)pte.pfn), VMSIM__FRAME_FILE)) {
            *done = false; /* the file system hears of it, or one page is copied: by base entries */
            vmsim__thp_split_pmd(at->vma, at->va, slot, at->cpu);
            return VMSIM__FAULT_MINOR;
        }
        if (zero && vm->kernel->huge_zero_replaced && replace_huge_zero(at, slot))
            return VMSIM__FAULT_MINOR;
        struct vmsim__frame *head = vmsim__vm_frame(vm, (vmsim__pfn)pte.pfn);
        bool mine = !zero && (vmsim__frame_is(head, VMSIM__FRAME_EXCLUSIVE) || head->refcount == 1);
        if (!mine) {
            *done = false;
            if (!vmsim__thp_still_huge(at->mm, slot))
                return VMSIM__FAULT_MINOR;
            return vmsim__thp_split_pmd(at->vma, at->va, slot, at->cpu) ? VMSIM__FAULT_OOM : VMSIM__FAULT_MINOR;
        }
        head->flags |= VMSIM__FRAME_EXCLUSIVE;
        head->mapping = at->vma->anon_vma;
        vmsim__vm_event(vm, VMSIM__PGREUSE, 1);
        pte.flags |= VMSIM__PTE_WRITE;
    } else if ((pte.flags & want) == want) {
        return VMSIM__FAULT_SPURIOUS;
    }
    pte.flags |= want;
    vmsim__pt_set(f, slot, pte);
    return VMSIM__FAULT_MINOR;
}

/* The base entries that stand for a huge one. */
static void fill_table(struct vmsim__vma *v, uint64_t start, struct vmsim__pte huge, bool zero) {
    VMSIM__ASSERT(!(start & (huge_size(v->mm->vm) - 1)));
    struct vmsim__mm *mm = v->mm;
    struct vmsim__vm *vm = mm->vm;
    struct vmsim__pt_slot slot;
    uint32_t keep = huge.flags & ~VMSIM__PTE_LEAF, pages = UINT32_C(1) << huge_order(vm);
    bool exclusive = !zero && vmsim__frame_is(vmsim__vm_frame(vm, (vmsim__pfn)huge.pfn), VMSIM__FRAME_EXCLUSIVE);
    for (uint32_t i = 0; i < pages; i++) {
        struct vmsim__pte pte = {zero ? vm->zero_pfn : huge.pfn + i, keep};
        vmsim__mm_slot(mm, start + ((uint64_t)i << vm->page_shift), true, &slot);
        vmsim__pt_set(mm->pt.format, &slot, pte);
        if (zero)
            continue;
        struct vmsim__frame *f = vmsim__vm_frame(vm, (vmsim__pfn)huge.pfn + i);
        vmsim__frame_map(f, 1);
        if (exclusive)
            f->flags |= VMSIM__FRAME_EXCLUSIVE;
    }
}

/* ---- of files ---- */

static enum vmsim__node_stat pmd_mapped_stat(const struct vmsim__frame *head) {
    return vmsim__frame_is(head, VMSIM__FRAME_SWAPBACKED) ? VMSIM__NR_SHMEM_PMDMAPPED : VMSIM__NR_FILE_PMDMAPPED;
}

/* Pages of the folio that base entries map. */
static int64_t mapped_by_base(const struct vmsim__vm *vm, vmsim__pfn head) {
    const uint32_t pages = vmsim__frame_pages(vmsim__vm_frame(vm, head));
    int64_t n = 0;
    for (uint32_t i = 0; i < pages; i++)
        n += vmsim__vm_frame(vm, head + i)->mapcount > 0;
    return n;
}

void vmsim__thp_map_sub(struct vmsim__vma *vma, vmsim__pfn pfn) {
    struct vmsim__vm *vm = vma->mm->vm;
    vmsim__frame_map(vmsim__vm_frame(vm, pfn), 1);
    if (vmsim__vm_mapcount(vm, pfn) == 1)
        vmsim__vm_node_stat(vm, vmsim__vm_frame(vm, vmsim__vm_head(vm, pfn)), VMSIM__NR_MAPPED, 1);
}

/* May one entry map the folio at `va`? Kernel: transhuge_vma_suitable, do_set_pmd. */
static bool file_fits(const struct vmsim__vma *v, uint64_t va, const struct vmsim__frame *head) {
    const struct vmsim__vm *vm = v->mm->vm;
    const uint64_t pages = UINT64_C(1) << huge_order(vm), start = va & ~(huge_size(vm) - 1);
    return (vm->format->leaf_levels & 2) && vmsim__frame_is(head, VMSIM__FRAME_HEAD) &&
           vmsim__folio_order(head) == huge_order(vm) && range_inside(v, va) &&
           !(vmsim__vma_index(v, start) & (pages - 1)) && vmsim__vma_index(v, start) == vmsim__frame_index(head);
}

/* The caller's reference becomes the entry's. False: it is the caller's still. Kernel: do_set_pmd. */
bool vmsim__thp_map_file(struct vmsim__fault_at *at, vmsim__pfn head) {
    struct vmsim__mm *mm = at->mm;
    struct vmsim__vm *vm = mm->vm;
    struct vmsim__frame *f = vmsim__vm_frame(vm, head);
    const uint64_t start = vm->format->levels > 1 ? at->va & ~(huge_size(vm) - 1) : 0;
    struct vmsim__pt_slot slot;
    if (vm->format->levels < 2 || !file_fits(at->vma, at->va, f) || !vmsim__pt_slot(&mm->pt, start, 1, true, &slot) ||
        slot.level != 1 || vmsim__pt_read(vm->format, &slot))
        return false;
    const int64_t pages = INT64_C(1) << huge_order(vm);
    struct vmsim__pte pte = {head, vmsim__prot_flags(at->vma)};
    if (at->write) {
        pte.flags |= VMSIM__PTE_DIRTY | VMSIM__PTE_SOFT_DIRTY;
        if (at->vma->flags & VMSIM__VM_WRITE)
            pte.flags |= VMSIM__PTE_WRITE;
    }
    if (++*huge_mapcount(vm, head) == 1) {
        vmsim__vm_node_stat(vm, f, VMSIM__NR_MAPPED, pages - mapped_by_base(vm, head));
        vmsim__vm_node_stat(vm, f, pmd_mapped_stat(f), 1);
    }
    vmsim__rss_add(mm, vmsim__rss_kind_of(f), pages);
    if ((at->vma->flags & (VMSIM__VM_LOCKED | VMSIM__VM_SPECIAL)) == VMSIM__VM_LOCKED)
        vmsim__lru_mlock(vm->lru, head, at->cpu);
    vmsim__pt_set(vm->format, &slot, pte);
    vm->huge_files++;
    vmsim__vm_event(vm, VMSIM__THP_FILE_MAPPED, 1);
    vmsim__vm_cost(vm, vm->spec.costs.map);
    return true;
}

/* A huge entry of a file's, which is clear by now, lets go of the folio: what it knew of it is the folio's. The
 * reference is still held. */
static void unmap_file(struct vmsim__vma *v, struct vmsim__pte huge) {
    struct vmsim__mm *mm = v->mm;
    struct vmsim__vm *vm = mm->vm;
    const vmsim__pfn pfn = (vmsim__pfn)huge.pfn;
    struct vmsim__frame *head = vmsim__vm_frame(vm, pfn);
    const int64_t pages = INT64_C(1) << huge_order(vm);
    VMSIM__ASSERT(vmsim__frame_is(head, VMSIM__FRAME_FILE) && *huge_mapcount(vm, pfn) && vm->huge_files);
    vm->huge_files--;
    if (huge.flags & VMSIM__PTE_DIRTY)
        vmsim__page_dirty(vm->cache, pfn);
    if ((huge.flags & VMSIM__PTE_ACCESSED) && !(v->flags & VMSIM__VM_SEQ_READ))
        vmsim__lru_mark_accessed(vm->lru, pfn, mm->cpu);
    if (--*huge_mapcount(vm, pfn) == 0) {
        vmsim__vm_node_stat(vm, head, VMSIM__NR_MAPPED, mapped_by_base(vm, pfn) - pages);
        vmsim__vm_node_stat(vm, head, pmd_mapped_stat(head), -1);
    }
    vmsim__rss_add(mm, vmsim__rss_kind_of(head), -pages);
    if (v->flags & VMSIM__VM_LOCKED)
        vmsim__lru_munlock(vm->lru, pfn, mm->cpu);
}

/* A file's pages are found again by a fault: its entry goes as a whole. */
static bool drop_file_pmd(struct vmsim__vma *v, uint64_t start, const struct vmsim__pt_slot *slot, unsigned cpu) {
    struct vmsim__mm *mm = v->mm;
    struct vmsim__vm *vm = mm->vm;
    const struct vmsim__pte huge = vmsim__pt_get(vm->format, slot);
    if ((huge.flags & VMSIM__PTE_SPECIAL) ||
        !vmsim__frame_is(vmsim__vm_frame(vm, (vmsim__pfn)huge.pfn), VMSIM__FRAME_FILE))
        return false;
    vmsim__vm_event(vm, VMSIM__THP_SPLIT_PMD, 1);
    vmsim__pt_write(vm->format, slot, 0);
    vmsim__flush_range(mm, start, start + huge_size(vm), huge_shift(vm), false, cpu);
    unmap_file(v, huge);
    vmsim__folio_put(vm->lru, (vmsim__pfn)huge.pfn, cpu);
    return true;
}

/* Kernel: __split_huge_pmd_locked. References: the one of the huge entry becomes one of each base entry. */
int vmsim__thp_split_pmd(struct vmsim__vma *v, uint64_t va, const struct vmsim__pt_slot *slot, unsigned cpu) {
    VMSIM__ASSERT(slot->level == 1 && slot->entry);
    struct vmsim__mm *mm = v->mm;
    struct vmsim__vm *vm = mm->vm;
    const struct vmsim__pt_format *f = mm->pt.format;
    uint64_t start = va & ~(huge_size(vm) - 1);
    if (VMSIM__UNLIKELY(v->file != NULL) && drop_file_pmd(v, start, slot, cpu))
        return 0;
    VMSIM__ASSERT(mm->deposits > 0);
    struct vmsim__pte huge = vmsim__pt_get(f, slot);
    bool zero = huge.flags & VMSIM__PTE_SPECIAL;
    vmsim__pfn table = withdraw(mm);
    vmsim__vm_event(vm, VMSIM__THP_SPLIT_PMD, 1);
    mm->pt.tables[0]++;
    vmsim__pt_write(f, slot, f->encode_table(f, 1, table));
    vmsim__mm_forget_leaf(mm);
    vmsim__flush_range(mm, start, start + huge_size(vm), huge_shift(vm), false, cpu);
    if (!zero) {
        struct vmsim__frame *head = vmsim__vm_frame(vm, (vmsim__pfn)huge.pfn);
        uint32_t *count = huge_mapcount(vm, (vmsim__pfn)huge.pfn);
        VMSIM__ASSERT(*count > 0 && head->refcount > 0);
        head->refcount += (int32_t)(1u << huge_order(vm)) - 1;
        if (--*count == 0)
            vmsim__vm_node_stat(vm, head, VMSIM__NR_ANON_TRANSPARENT_HUGEPAGES, -1);
    }
    fill_table(v, start, huge, zero);
    return 0;
}

/* Kernel: vma_adjust_trans_huge: a border of a VMA may not run through a huge entry. */
void vmsim__thp_split_at(struct vmsim__vma *v, uint64_t va, unsigned cpu) {
    struct vmsim__pt_slot slot;
    if (v->mm->vm->format->levels < 2 || !(v->file ? v->mm->vm->huge_files : v->mm->deposits) ||
        !(va & (huge_size(v->mm->vm) - 1)))
        return;
    if (vmsim__pt_slot(&v->mm->pt, va, 0, false, &slot) && slot.entry && slot.level)
        vmsim__thp_split_pmd(v, va, &slot, cpu);
}

/* A compound page with unmapped frames waits on the deferred split queue until memory is short. */
void vmsim__thp_defer_split(struct vmsim__vm *vm, vmsim__pfn head) {
    const struct vmsim__frame *f = vmsim__vm_frame(vm, head);
    if (vmsim__frame_is(f, VMSIM__FRAME_DEFERRED))
        return;
    vmsim__deferred_add(vm->lru, head);
    vmsim__thp_count(vm, vmsim__folio_order(f), VMSIM__THP_SPLIT_DEFERRED, VMSIM__THP_DEFERRED_SPLIT_PAGE);
}

/* The references of the entries are still held. Kernel: folio_remove_rmap_ptes: a page that loses all of its entries at
 * once has nothing to split. */
void vmsim__thp_unmap_sub(struct vmsim__vma *v, vmsim__pfn pfn, uint32_t n) {
    struct vmsim__vm *vm = v->mm->vm;
    const vmsim__pfn head = vmsim__vm_head(vm, pfn);
    int64_t gone = 0;
    for (uint32_t i = 0; i < n; i++) {
        gone += !vmsim__frame_map(vmsim__vm_frame(vm, pfn + i), -1) && !vmsim__vm_mapcount(vm, pfn + i);
    }
    if (!gone)
        return;
    const bool anon = vmsim__frame_is(vmsim__vm_frame(vm, head), VMSIM__FRAME_ANON);
    vmsim__vm_node_stat(vm, vmsim__vm_frame(vm, head), anon ? VMSIM__NR_ANON_PAGES : VMSIM__NR_MAPPED, -gone);
    if (anon && vmsim__vm_frame(vm, head)->refcount > (int32_t)n)
        vmsim__thp_defer_split(vm, head);
}

/* Kernel: zap_huge_pmd. */
void vmsim__thp_zap(struct vmsim__gather *g, struct vmsim__vma *v, uint64_t va, const struct vmsim__pt_slot *slot) {
    VMSIM__ASSERT(slot->level == 1 && va >= v->start && va + huge_size(v->mm->vm) <= v->end);
    struct vmsim__mm *mm = v->mm;
    struct vmsim__vm *vm = mm->vm;
    struct vmsim__pte huge = vmsim__pt_get(mm->pt.format, slot);
    vmsim__pt_write(mm->pt.format, slot, 0);
    vmsim__gather_range(g, va, va + huge_size(vm), huge_shift(vm));
    vmsim__vm_cost(vm, vm->spec.costs.unmap_page);
    vmsim__pfn pfn = (vmsim__pfn)huge.pfn;
    struct vmsim__frame *head = vmsim__vm_frame(vm, pfn);
    if (!(huge.flags & VMSIM__PTE_SPECIAL) && vmsim__frame_is(head, VMSIM__FRAME_FILE)) {
        unmap_file(v, huge);
        vmsim__gather_page(g, pfn);
        return;
    }
    release_deposit(mm);
    if (huge.flags & VMSIM__PTE_SPECIAL)
        return;
    int64_t pages = INT64_C(1) << huge_order(vm), left = 0;
    if (--*huge_mapcount(vm, pfn) == 0) {
        vmsim__vm_node_stat(vm, head, VMSIM__NR_ANON_TRANSPARENT_HUGEPAGES, -1);
        for (int64_t i = 0; i < pages; i++)
            left += vmsim__vm_frame(vm, pfn + (vmsim__pfn)i)->mapcount > 0;
        vmsim__vm_node_stat(vm, head, VMSIM__NR_ANON_PAGES, left - pages);
        if (left && left < pages)
            vmsim__thp_defer_split(vm, pfn);
    }
    vmsim__rss_add(mm, VMSIM__RSS_ANON, -pages);
    if (v->flags & VMSIM__VM_LOCKED)
        vmsim__lru_munlock(vm->lru, pfn, mm->cpu);
    vmsim__gather_page(g, pfn);
}

/* ---- fork and mremap ---- */

bool vmsim__thp_still_huge(const struct vmsim__mm *mm, const struct vmsim__pt_slot *slot) {
    const uint64_t raw = vmsim__pt_read(mm->pt.format, slot);
    return raw && slot->level && !vmsim__pt_is_table(mm->pt.format, slot->level, raw);
}

/* 0: done; 1: look at the source again. What is read of the entry is read after all memory is there, for finding it may
 * have split the page. Kernel: copy_huge_pmd. */
int vmsim__thp_copy(struct vmsim__vma *to, struct vmsim__vma *from, uint64_t va, const struct vmsim__pt_slot *src,
                    unsigned cpu) {
    VMSIM__ASSERT(src->level == 1);
    struct vmsim__vm *vm = from->mm->vm;
    const struct vmsim__pt_format *f = vm->format;
    struct vmsim__pt_slot dst;
    const struct vmsim__pte now = vmsim__pt_get(f, src);
    if (!(now.flags & VMSIM__PTE_SPECIAL) &&
        vmsim__frame_is(vmsim__vm_frame(vm, (vmsim__pfn)now.pfn), VMSIM__FRAME_FILE))
        return 0; /* a fault finds it again */
    to->mm->cpu = cpu;
    if (!vmsim__pt_slot(&to->mm->pt, va, 1, true, &dst) || !deposit(to->mm)) {
        if (vmsim__thp_still_huge(from->mm, src))
            vmsim__thp_split_pmd(from, va, src, cpu); /* the copy of base entries will report the lack of memory */
        return 1;
    }
    if (!vmsim__thp_still_huge(from->mm, src)) {
        release_deposit(to->mm);
        return 1;
    }
    struct vmsim__pte pte = vmsim__pt_get(f, src);
    if (!(pte.flags & VMSIM__PTE_SPECIAL)) {
        struct vmsim__frame *head = vmsim__vm_frame(vm, (vmsim__pfn)pte.pfn);
        head->flags &= ~VMSIM__FRAME_EXCLUSIVE;
        head->refcount++;
        ++*huge_mapcount(vm, (vmsim__pfn)pte.pfn);
        vmsim__rss_add(to->mm, VMSIM__RSS_ANON, INT64_C(1) << huge_order(vm));
    }
    pte.flags &= ~VMSIM__PTE_WRITE;
    vmsim__pt_set(f, src, pte);
    pte.flags &= ~VMSIM__PTE_ACCESSED;
    vmsim__pt_set(f, &dst, pte);
    return 0;
}

/* Kernel: move_huge_pmd: the deposit stays, since it belongs to the address space and not to an entry. */
bool vmsim__thp_move(struct vmsim__vma *from, uint64_t old, uint64_t new_va, const struct vmsim__pt_slot *src) {
    VMSIM__ASSERT(src->level == 1);
    struct vmsim__mm *mm = from->mm;
    const struct vmsim__pt_format *f = mm->pt.format;
    struct vmsim__pt_slot dst;
    if (((old | new_va) & (huge_size(mm->vm) - 1)) || !vmsim__pt_slot(&mm->pt, new_va, 1, true, &dst) ||
        dst.level != 1 || vmsim__pt_read(f, &dst) || !vmsim__thp_still_huge(mm, src))
        return false;
    struct vmsim__pte pte = vmsim__pt_get(f, src);
    pte.flags |= VMSIM__PTE_SOFT_DIRTY;
    vmsim__pt_write(f, src, 0);
    vmsim__pt_set(f, &dst, pte);
    return true;
}
