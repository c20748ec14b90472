/* SPDX-License-Identifier: MIT */
/* Faults on files: read with fault-around, private copy, shared write.
 *
 *     window of a read fault (16 pages): aligned to its size, cut at the VMA's borders and at the leaf table's;
 *     what is cached of it is mapped, empty entries only. The page asked for comes from the cache or the device.
 *
 * The order of allocations is Linux's (leaf table before the page of a read, after the copy's page of a private write),
 * because page frame numbers depend on it. Kernel counterparts: mm/memory.c (do_read_fault, do_cow_fault,
 * do_shared_fault, finish_fault), mm/filemap.c (filemap_map_pages). */
#include "vm/vm_impl.h"

/* madvise(MADV_RANDOM) and MADV_SEQUENTIAL decide for the mapping; the file's own advice for read() is another
 * matter. */
static enum vmsim__read_advice advice_of(const struct vmsim__vma *v) {
    if (v->flags & VMSIM__VM_RAND_READ)
        return VMSIM__READ_RANDOM;
    return v->flags & VMSIM__VM_SEQ_READ ? VMSIM__READ_SEQUENTIAL : VMSIM__READ_NORMAL;
}

/* Entry of a file page that is mapped for reading; `around`: nobody asked for it yet. */
static void set_entry(struct vmsim__fault_at *at, const struct vmsim__pt_slot *slot, vmsim__pfn pfn, bool around) {
    VMSIM__ASSERT(slot->entry && !slot->level);
    const struct vmsim__pt_format *f = at->mm->pt.format;
    struct vmsim__pte pte = {pfn, vmsim__prot_flags(at->vma)};
    /* arm64 with a hardware access flag lets pages mapped around start old */
    if (around && f->arch == VMSIM__PT_ARCH_ARM64 && at->mm->pt.hardware_accessed)
        pte.flags &= ~VMSIM__PTE_ACCESSED;
    if (at->write && !around) {
        pte.flags |= VMSIM__PTE_DIRTY | VMSIM__PTE_SOFT_DIRTY;
        if (at->vma->flags & VMSIM__VM_WRITE)
            pte.flags |= VMSIM__PTE_WRITE;
    }
    vmsim__map_file(at->vma, pfn, at->cpu);
    vmsim__pt_set(f, slot, pte);
}

/* Maps what is cached of pages [first, end) whose entries are empty. True: the page asked for was among them. Kernel:
 * filemap_map_pages: it takes what is cached, uptodate and not marked for readahead, and never waits or allocates
 * pages. */
static bool map_around(struct vmsim__fault_at *at, uint64_t first, uint64_t end) {
    VMSIM__ASSERT(first <= end);
    struct vmsim__vm *vm = at->mm->vm;
    struct vmsim__vma *vma = at->vma;
    const struct vmsim__pt_format *f = at->mm->pt.format;
    uint64_t mapped = 0;
    bool hit = false;
    vmsim__pfn pfn;
    vmsim__rss_batch_start(at->mm);
    for (uint64_t i = first; (pfn = vmsim__file_next_mappable(vm->cache, vma->file, &i, end)) != VMSIM__PFN_NONE; i++) {
        uint64_t va = vma->start + ((i - vma->pgoff) << vm->page_shift);
        struct vmsim__pt_slot slot;
        mapped++;
        if (!vmsim__mm_slot(at->mm, va, true, &slot) || slot.level || vmsim__pt_read(f, &slot))
            continue;
        vmsim__folio_get(vm->lru, pfn);
        set_entry(at, &slot, pfn, va != at->va);
        vmsim__vm_cost(vm, vm->spec.costs.around_page);
        hit = hit || va == at->va;
    }
    vmsim__rss_batch_end(at->mm);
    vmsim__ra_mapped(&vma->ra, mapped);
    return hit;
}

/* Fault-around. True: done. Kernel: do_fault_around; the window is fault_around_bytes rounded down to a power of two,
 * aligned to itself. */
static bool fault_around(struct vmsim__fault_at *at) {
    VMSIM__ASSERT(!(at->va & (at->mm->vm->page_size - 1)));
    struct vmsim__vm *vm = at->mm->vm;
    const struct vmsim__vma *vma = at->vma;
    const unsigned shift = vm->page_shift;
    uint64_t window = vm->spec.fault_around_bytes & ~(vm->page_size - 1);
    if (window >> shift <= 1)
        return false;
    window = UINT64_C(1) << vmsim__log2(window);
    const struct vmsim__pt_format *f = at->mm->pt.format;
    uint64_t table_end = vmsim__align_down(at->va, UINT64_C(1) << (f->shift[0] + f->index_bits[0])) +
                         (UINT64_C(1) << (f->shift[0] + f->index_bits[0]));
    uint64_t from = vmsim__max64(vmsim__align_down(at->va, window), vma->start);
    uint64_t to = vmsim__min64(vmsim__min64(from + window, vma->end), table_end);
    uint64_t first = vmsim__vma_index(vma, from);
    return vmsim__fault_table(at) && map_around(at, first, first + ((to - from) >> shift));
}

/* Population counts a fault that waited by the retry, not by the I/O (faultin_page reports VM_FAULT_RETRY). */
static bool is_major(const struct vmsim__fault_at *at, const struct vmsim__page_fault *page) {
    VMSIM__ASSERT(page->retry || !page->major);
    const struct vmsim__vm *vm = at->mm->vm;
    if (page->retry && vm->waits != VMSIM__WAIT_FAULT)
        return vm->waits == VMSIM__WAIT_MAJOR;
    return page->major || (page->retry && vm->kernel->retry_is_major);
}

/* Brings the page in, with a reference. MINOR or MAJOR, or why not. Kernel: __do_fault. The cache's bill is taken
 * here, because a fault ends in the middle of a task's own time. */
static enum vmsim__fault_outcome fetch_page(struct vmsim__fault_at *at, struct vmsim__page_fault *out) {
    struct vmsim__vm *vm = at->mm->vm;
    uint64_t cpu_ns, wait_ns;
    enum vmsim__page_outcome o =
        vmsim__file_fault(vm->cache, at->vma->file, &at->vma->ra, vmsim__vma_index(at->vma, at->va), advice_of(at->vma),
                          vm->policy, at->cpu, out);
    vmsim__cache_take_cost(vm->cache, &cpu_ns, &wait_ns);
    vm->charge.cost_ns += cpu_ns + vm->spec.costs.file_lookup;
    vm->charge.io_ns += wait_ns;
    if (o == VMSIM__PAGE_SIGBUS)
        return VMSIM__FAULT_SIGBUS;
    if (o == VMSIM__PAGE_OOM)
        return VMSIM__FAULT_OOM;
    if (out->retry && vm->kernel->retry_counts_twice)
        vmsim__vm_event(vm, VMSIM__PGFAULT, 1);
    return is_major(at, out) ? VMSIM__FAULT_MAJOR : VMSIM__FAULT_MINOR;
}

/* A fault that has to wait lets go of what it had allocated and is entered again. Nothing of it is kept between the
 * two entries; only the allocator sees it, which decides the frames that come next. */
static void let_go(struct vmsim__fault_at *at, const struct vmsim__page_fault *page, uint32_t gfp) {
    if (!page->retry)
        return;
    vmsim__pfn pfn = vmsim__vm_alloc_page(at->mm->vm, gfp, 0, at->cpu);
    if (pfn != VMSIM__PFN_NONE)
        vmsim__mem_free(at->mm->vm->mem, pfn, 0, at->cpu);
}

/* Kernel: do_read_fault. */
static enum vmsim__fault_outcome read_fault(struct vmsim__fault_at *at) {
    VMSIM__ASSERT(!at->write && at->vma->file);
    struct vmsim__vm *vm = at->mm->vm;
    struct vmsim__page_fault page;
    const bool first = !vmsim__mm_leaf_entry(at->mm, at->va);
    if (fault_around(at))
        return VMSIM__FAULT_MINOR;
    if (!vmsim__fault_table(at))
        return VMSIM__FAULT_OOM;
    enum vmsim__fault_outcome o = fetch_page(at, &page);
    if (!vmsim__fault_resolved(o))
        return o;
    if (first)
        let_go(at, &page, VMSIM__GFP_PGTABLE);
    if (page.retry && fault_around(at)) { /* the fault is entered again: the page is cached now */
        vmsim__folio_put(vm->lru, page.pfn, at->cpu);
        return o;
    }
    set_entry(at, &at->slot, page.pfn, false);
    vmsim__vm_cost(vm, vm->spec.costs.map);
    return o;
}

/* Kernel: do_cow_fault: the copy's frame is allocated before the file's page is looked up. */
static enum vmsim__fault_outcome cow_fault(struct vmsim__fault_at *at) {
    VMSIM__ASSERT(at->write && !(at->vma->flags & VMSIM__VM_SHARED));
    struct vmsim__vm *vm = at->mm->vm;
    struct vmsim__page_fault page;
    const bool first = !vmsim__mm_leaf_entry(at->mm, at->va);
    if (vmsim__anon_vma_prepare(at->vma))
        return VMSIM__FAULT_OOM;
    vmsim__pfn pfn = vmsim__vm_alloc_page(vm, VMSIM__GFP_HIGHUSER_MOVABLE, 0, at->cpu);
    if (pfn == VMSIM__PFN_NONE)
        return VMSIM__FAULT_OOM;
    enum vmsim__fault_outcome o = vmsim__fault_table(at) ? fetch_page(at, &page) : VMSIM__FAULT_OOM;
    if (!vmsim__fault_resolved(o)) {
        vmsim__folio_put(vm->lru, pfn, at->cpu);
        return o;
    }
    let_go(at, &page, VMSIM__GFP_HIGHUSER_MOVABLE);
    if (first)
        let_go(at, &page, VMSIM__GFP_PGTABLE);
    vmsim__vm_fill(vm, pfn, page.pfn, 0);
    vmsim__vm_cost(vm, vm->spec.costs.map + vm->spec.costs.copy_page);
    vmsim__map_new_anon(at->vma, pfn, at->va, at->cpu);
    struct vmsim__pte pte = {pfn, vmsim__prot_flags(at->vma) | VMSIM__PTE_DIRTY | VMSIM__PTE_SOFT_DIRTY};
    if (at->vma->flags & VMSIM__VM_WRITE)
        pte.flags |= VMSIM__PTE_WRITE;
    vmsim__pt_set(at->mm->pt.format, &at->slot, pte);
    vmsim__folio_put(vm->lru, page.pfn, at->cpu);
    return o;
}

/* Kernel: do_shared_fault. The page is dirty at once, since the store follows. */
static enum vmsim__fault_outcome shared_fault(struct vmsim__fault_at *at) {
    VMSIM__ASSERT(at->write && at->vma->flags & VMSIM__VM_SHARED);
    struct vmsim__vm *vm = at->mm->vm;
    struct vmsim__page_fault page;
    const bool first = !vmsim__mm_leaf_entry(at->mm, at->va);
    if (!vmsim__fault_table(at))
        return VMSIM__FAULT_OOM;
    enum vmsim__fault_outcome o = fetch_page(at, &page);
    if (!vmsim__fault_resolved(o))
        return o;
    if (first)
        let_go(at, &page, VMSIM__GFP_PGTABLE);
    if (vmsim__file_wants_mkwrite(at->vma->file)) {
        vmsim__file_mkwrite(vm->cache, at->vma->file, page.pfn);
        vmsim__vm_cost(vm, vm->spec.costs.mkwrite);
    }
    set_entry(at, &at->slot, page.pfn, false);
    vmsim__page_dirty(vm->cache, page.pfn);
    vmsim__vm_cost(vm, vm->spec.costs.map);
    return o;
}

enum vmsim__fault_outcome vmsim__fault_file(struct vmsim__fault_at *at) {
    VMSIM__ASSERT(at->vma->file);
    if (at->vma->file->kind == VMSIM__FILE_DEVICE)
        return VMSIM__FAULT_SIGBUS;
    if (!at->write)
        return read_fault(at);
    return at->vma->flags & VMSIM__VM_SHARED ? shared_fault(at) : cow_fault(at);
}
