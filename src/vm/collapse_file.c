/* SPDX-License-Identifier: MIT */
/* Base pages of a file in shared memory become one huge page: what khugepaged and madvise(MADV_COLLAPSE) do to mappings
 * of it.
 *
 *     scan      each page of the range: missing or in swap (how many may be?), or cached (on a list, held by the file
 * and its entries alone) frame     found and charged; what is in swap comes back collapse  entries of all who map it
 * out; contents copied, missing ones cleared; the huge page takes the slots tables    that map nothing any more go, so
 * that the next fault maps the page by one entry
 *
 * Other address spaces keep tables in which they have private copies. Kernel counterparts: hpage_collapse_scan_file,
 * collapse_file, retract_page_tables of mm/khugepaged.c (6.1). */
#include "vm/collapse.h"

#include "vm/vm_impl.h"

struct file_range {
    struct vmsim__vma *v;
    const struct vmsim__collapse *how;
    struct vmsim__file *f;
    uint64_t start, first; /* address; page of the file */
    uint32_t pages, present, swapped;
};

static unsigned order_of(const struct vmsim__vm *vm) {
    VMSIM__ASSERT(vm->format->levels > 1);
    return (unsigned)vm->format->shift[1] - vm->page_shift;
}

static struct vmsim__shmem_wish wish_of(const struct vmsim__vma *v) {
    return (struct vmsim__shmem_wish){.advised = v->flags & VMSIM__VM_HUGEPAGE,
                                      .refused = (v->flags & VMSIM__VM_NOHUGEPAGE) || v->mm->thp_disabled};
}

/* Does a huge page lie in the mapping as a whole? Kernel: transhuge_vma_suitable. */
static bool has_room(const struct vmsim__vma *v) {
    const uint64_t size = UINT64_C(1) << v->mm->vm->format->shift[1], at = vmsim__align_up(v->start, size);
    return at + size <= v->end && !(vmsim__vma_index(v, at) & ((UINT64_C(1) << order_of(v->mm->vm)) - 1));
}

bool vmsim__collapse_file_allowed(const struct vmsim__vma *v, bool forced) {
    const struct vmsim__vm *vm = v->mm->vm;
    if (!v->file || v->file->kind != VMSIM__FILE_SHMEM || (v->flags & VMSIM__VM_SPECIAL) || vm->format->levels < 2 ||
        !(vm->format->leaf_levels & 2) || order_of(vm) > vm->mem->top_order || !has_room(v))
        return false;
    const struct vmsim__shmem_wish wish = wish_of(v);
    return vmsim__shmem_is_huge(vm->cache, v->file, v->pgoff, &wish, forced);
}

static bool over(const struct file_range *r, uint64_t n, uint64_t limit, enum vmsim__event_stat event) {
    if (r->how->forced || n <= limit)
        return false;
    vmsim__vm_event(r->v->mm->vm, event, 1);
    return true;
}

/* A cached page. Kernel: hpage_collapse_scan_file. */
static enum vmsim__collapse_result look(const struct file_range *r, vmsim__pfn pfn) {
    struct vmsim__vm *vm = r->v->mm->vm;
    const struct vmsim__frame *f = vmsim__vm_frame(vm, pfn);
    if (vmsim__frame_is(f, VMSIM__FRAME_HEAD))
        return vmsim__frame_pages(f) == r->pages ? VMSIM__COLLAPSE_IS_HUGE : VMSIM__COLLAPSE_REFUSED;
    if (!vmsim__frame_is(f, VMSIM__FRAME_LRU) ||
        vmsim__frame_is(f, VMSIM__FRAME_LOCKED | VMSIM__FRAME_WRITEBACK | VMSIM__FRAME_UNEVICTABLE) ||
        f->refcount != 1 + f->mapcount)
        return VMSIM__COLLAPSE_BUSY;
    return VMSIM__COLLAPSE_DONE;
}

static enum vmsim__collapse_result scan(struct file_range *r) {
    struct vmsim__vm *vm = r->v->mm->vm;
    vmsim__vm_cost(vm, vm->spec.costs.collapse_scan);
    r->present = r->swapped = 0;
    for (uint32_t i = 0; i < r->pages; i++) {
        const vmsim__pfn pfn = vmsim__file_page(r->f, r->first + i);
        if (pfn == VMSIM__PFN_NONE) {
            const uint64_t entry = vmsim__radix_get(&r->f->pages, r->first + i);
            if (vmsim__entry_tag(entry) == VMSIM__ENTRY_SWAP &&
                over(r, ++r->swapped, r->how->max_ptes_swap, VMSIM__THP_SCAN_EXCEED_SWAP_PTE))
                return VMSIM__COLLAPSE_REFUSED;
            continue;
        }
        const enum vmsim__collapse_result o = look(r, pfn);
        if (o != VMSIM__COLLAPSE_DONE)
            return o;
        r->present++;
    }
    if (over(r, r->pages - r->present, r->how->max_ptes_none, VMSIM__THP_SCAN_EXCEED_NONE_PTE))
        return VMSIM__COLLAPSE_REFUSED;
    return VMSIM__COLLAPSE_DONE;
}

/* What is in swap comes back first. False: not now. */
static bool bring_back(const struct file_range *r) {
    struct vmsim__vm *vm = r->v->mm->vm;
    for (uint32_t i = 0; i < r->pages; i++) {
        if (vmsim__file_page(r->f, r->first + i) == VMSIM__PFN_NONE &&
            !vmsim__shmem_bring_back(vm->cache, r->f, r->first + i, r->how->cpu)) {
            vm->mem->now.wait = (struct vmsim__wait){0};
            return false;
        }
    }
    vmsim__lru_drain_cpu(vm->lru, r->how->cpu);
    return true;
}

/* Nobody maps the pages any more, and nobody but the file holds them. False: somebody does. */
static bool unmap_all(const struct file_range *r) {
    struct vmsim__vm *vm = r->v->mm->vm;
    for (uint32_t i = 0; i < r->pages; i++) {
        const vmsim__pfn pfn = vmsim__file_page(r->f, r->first + i);
        if (pfn == VMSIM__PFN_NONE)
            continue;
        if (vmsim__folio_mapped(vm->lru, pfn) && !vmsim__try_to_unmap(vm, pfn, VMSIM__TTU_IGNORE_MLOCK, r->how->cpu))
            return false;
        if (vmsim__vm_frame(vm, pfn)->refcount != 1)
            return false;
    }
    return true;
}

/* Tables of mappings of the range that are empty now. A private mapping that has copies keeps its own. Kernel:
 * retract_page_tables. */
static void retract_tables(const struct file_range *r) {
    struct vmsim__vm *vm = r->v->mm->vm;
    const struct vmsim__imap *map = r->f->mappings;
    const uint64_t size = UINT64_C(1) << vm->format->shift[1], last = r->first + r->pages - 1;
    for (struct vmsim__interval *n = map ? vmsim__interval_first(&map->vmas, r->first, last) : NULL; n;
         n = vmsim__interval_next(n, r->first, last)) {
        struct vmsim__vma *v = vmsim__vma_of_file_link(n);
        if (v->anon_vma || v->pgoff > r->first || vmsim__vma_last_index(v) < last)
            continue;
        const uint64_t at = v->start + ((r->first - v->pgoff) << vm->page_shift);
        if (!(at & (size - 1)))
            vmsim__table_retract(v->mm, at, r->how->cpu);
    }
}

static void fill(const struct file_range *r, vmsim__pfn to) {
    struct vmsim__vm *vm = r->v->mm->vm;
    for (uint32_t i = 0; i < r->pages; i++) {
        const vmsim__pfn pfn = vmsim__file_page(r->f, r->first + i);
        vmsim__vm_fill(vm, to + i, pfn, 0);
        vmsim__vm_cost(vm, pfn == VMSIM__PFN_NONE ? vm->spec.costs.zero_page : vm->spec.costs.copy_page);
    }
}

/* As with anonymous memory all is looked at again once the frame is there. */
enum vmsim__collapse_result vmsim__collapse_file(struct vmsim__vma *v, uint64_t start,
                                                 const struct vmsim__collapse *how) {
    struct vmsim__vm *vm = v->mm->vm;
    struct file_range r = {.v = v,
                           .how = how,
                           .f = v->file,
                           .start = start,
                           .first = vmsim__vma_index(v, start),
                           .pages = UINT32_C(1) << order_of(vm)};
    VMSIM__ASSERT(!(r.first & (r.pages - 1)));
    enum vmsim__collapse_result o = scan(&r);
    if (o != VMSIM__COLLAPSE_DONE)
        return o;
    const vmsim__pfn to = vmsim__collapse_frame(r.v, r.start, r.how);
    if (to == VMSIM__PFN_NONE)
        return vmsim__now_waits(&vm->mem->now) ? VMSIM__COLLAPSE_WAITS : VMSIM__COLLAPSE_NO_MEMORY;
    o = r.swapped && !bring_back(&r) ? VMSIM__COLLAPSE_BUSY : scan(&r);
    if (o == VMSIM__COLLAPSE_DONE && (r.swapped || !unmap_all(&r)))
        o = VMSIM__COLLAPSE_BUSY;
    if (o == VMSIM__COLLAPSE_DONE) {
        fill(&r, to);
        if (vmsim__filemap_collapse(vm->cache, r.f, r.first, to, how->cpu)) {
            retract_tables(&r);
            return o;
        }
        o = VMSIM__COLLAPSE_NO_MEMORY;
    }
    vmsim__folio_put(vm->lru, to, how->cpu);
    return o;
}
