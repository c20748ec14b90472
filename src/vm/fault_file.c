/* SPDX-License-Identifier: MIT */
/* Faults on files: read with fault-around, private copy, shared write.
 *
 *     window of a read fault (16 pages): aligned to its size, cut at the VMA's borders and at the leaf table's;
 *     what is cached of it is mapped, empty entries only. The page asked for comes from the cache or the device.
 *
 * The order of allocations is Linux's (leaf table before the page of a read, after the copy's page of a private write),
 * because page frame numbers depend on it. Kernel counterparts: mm/memory.c (do_read_fault, do_cow_fault,
 * do_shared_fault, finish_fault), mm/filemap.c (filemap_map_pages). */
#include "vm/collapse.h"
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
    const bool keeps = vm->mem->kernel->mmap_miss_keeps;
    uint64_t useful = 0;
    bool hit = false;
    vmsim__pfn pfn;
    vmsim__rss_batch_start(at->mm);
    for (uint64_t i = first; (pfn = vmsim__file_next_mappable(vm->cache, vma->file, &i, end)) != VMSIM__PFN_NONE; i++) {
        uint64_t va = vma->start + ((i - vma->pgoff) << vm->page_shift);
        struct vmsim__pt_slot slot;
        useful += !keeps || !vmsim__frame_is(vmsim__vm_frame(vm, pfn), VMSIM__FRAME_WORKINGSET);
        if (!vmsim__mm_slot(at->mm, va, true, &slot) || slot.level || vmsim__pt_read(f, &slot))
            continue;
        vmsim__folio_get(vm->lru, pfn);
        set_entry(at, &slot, vmsim__folio_part(vm->mem, pfn, i), va != at->va);
        vmsim__vm_cost(vm, vm->spec.costs.around_page);
        hit = hit || va == at->va;
    }
    vmsim__rss_batch_end(at->mm);
    vmsim__ra_mapped(&vma->opened->ra, useful);
    return hit;
}

/* A huge page that is cached, by one entry, where the range has no table yet. Kernel: filemap_map_pmd. */
static bool map_huge(struct vmsim__fault_at *at) {
    struct vmsim__vm *vm = at->mm->vm;
    if (at->slot.entry && !at->slot.level)
        return false;
    const vmsim__pfn head = vmsim__file_page(at->vma->file, vmsim__vma_index(at->vma, at->va));
    if (head == VMSIM__PFN_NONE || !vmsim__frame_is(vmsim__vm_frame(vm, head), VMSIM__FRAME_HEAD) ||
        vmsim__frame_is(vmsim__vm_frame(vm, head), VMSIM__FRAME_LOCKED | VMSIM__FRAME_READAHEAD))
        return false;
    vmsim__folio_get(vm->lru, head);
    if (vmsim__thp_map_file(at, head))
        return true;
    vmsim__folio_put(vm->lru, head, at->cpu);
    return false;
}

/* Fault-around. True: done. Kernel: do_fault_around; the window is fault_around_bytes rounded down to a power of two,
 * aligned to itself. */
static bool fault_around(struct vmsim__fault_at *at) {
    VMSIM__ASSERT(!(at->va & (at->mm->vm->page_size - 1)));
    struct vmsim__vm *vm = at->mm->vm;
    const struct vmsim__vma *vma = at->vma;
    const unsigned shift = vm->page_shift;
    uint64_t window = vm->spec.fault_around_bytes & ~(vm->page_size - 1);
    if (window >> shift <= 1 || vma->file->segment)
        return false;
    window = UINT64_C(1) << vmsim__log2(window);
    const struct vmsim__pt_format *f = at->mm->pt.format;
    uint64_t table_end = vmsim__align_down(at->va, UINT64_C(1) << (f->shift[0] + f->index_bits[0])) +
                         (UINT64_C(1) << (f->shift[0] + f->index_bits[0]));
    uint64_t from = vmsim__max64(vmsim__align_down(at->va, window), vma->start);
    uint64_t to = vmsim__min64(vmsim__min64(from + window, vma->end), table_end);
    uint64_t first = vmsim__vma_index(vma, from);
    if (VMSIM__UNLIKELY(map_huge(at)))
        return true;
    return vmsim__fault_table(at) && map_around(at, first, first + ((to - from) >> shift));
}

/* Brings the page in, with a reference. MINOR: it is there; RETRY, WAIT: it is on its way, or reading ahead let go of
 * the address space; or why not. Kernel: __do_fault. */
static enum vmsim__fault_outcome fetch_page(struct vmsim__fault_at *at, struct vmsim__page_fault *out) {
    struct vmsim__vm *vm = at->mm->vm;
    struct vmsim__alloc_request place;
    const struct vmsim__vma *v = at->vma;
    struct vmsim__shmem_wish wish;
    if (v->file->kind == VMSIM__FILE_SHMEM)
        wish = (struct vmsim__shmem_wish){.advised = v->flags & VMSIM__VM_HUGEPAGE,
                                          .refused = (v->flags & VMSIM__VM_NOHUGEPAGE) || v->mm->thp_disabled,
                                          .gfp = vmsim__thp_gfp(v)};
    if (v->file->kind == VMSIM__FILE_SHMEM && !v->mm->collapsible && vm->format->levels > 1)
        vmsim__khugepaged_enter(at->vma);
    enum vmsim__page_outcome o =
        vmsim__file_fault(vm->cache, at->vma->file, &at->vma->opened->ra, vmsim__vma_index(at->vma, at->va),
                          advice_of(at->vma), vmsim__shared_place(at->vma, at->va, at->cpu, &place),
                          v->file->kind == VMSIM__FILE_SHMEM ? &wish : NULL, at->cpu, out);
    vmsim__vm_cost(vm, vm->spec.costs.file_lookup);
    if (out->major)
        vmsim__now_call(&vm->mem->now)->major = true;
    switch (o) {
    case VMSIM__PAGE_OK:
        return VMSIM__FAULT_MINOR;
    case VMSIM__PAGE_SIGBUS:
        return VMSIM__FAULT_SIGBUS;
    case VMSIM__PAGE_OOM:
        return VMSIM__FAULT_OOM;
    case VMSIM__PAGE_WAIT:
        return VMSIM__FAULT_WAIT;
    default:
        return VMSIM__FAULT_RETRY;
    }
}

/* A fault that has to be entered again gives its leaf table back if nothing is in it: the kernel had allocated it, but
 * puts it into the page table only with the first entry (prealloc_pte). What was allocated decides which frames come
 * next. */
static enum vmsim__fault_outcome let_go(struct vmsim__fault_at *at, enum vmsim__fault_outcome o, bool table) {
    VMSIM__ASSERT(!vmsim__fault_resolved(o));
    if (table && at->slot.entry && !at->slot.level)
        vmsim__fault_table_undo(at);
    return o;
}

/* The page asked for, of the folio that was brought; a huge page by one entry, where a fault has just made the table
 * for it (`fresh`). Kernel: finish_fault. */
static void map_found(struct vmsim__fault_at *at, vmsim__pfn head, bool fresh) {
    struct vmsim__vm *vm = at->mm->vm;
    if (VMSIM__UNLIKELY(vmsim__frame_is(vmsim__vm_frame(vm, head), VMSIM__FRAME_HEAD)) && fresh) {
        vmsim__fault_table_undo(at);
        if (vmsim__thp_map_file(at, head))
            return;
        if (!vmsim__fault_table(at)) { /* the access comes again */
            vmsim__folio_put(vm->lru, head, at->cpu);
            return;
        }
    }
    set_entry(at, &at->slot, vmsim__folio_part(vm->mem, head, vmsim__vma_index(at->vma, at->va)), false);
    vmsim__vm_cost(vm, vm->spec.costs.map);
}

/* Kernel: do_read_fault. */
static enum vmsim__fault_outcome read_fault(struct vmsim__fault_at *at) {
    VMSIM__ASSERT(!at->write && at->vma->file);
    struct vmsim__page_fault page;
    const bool first = !at->slot.entry || at->slot.level;
    if (fault_around(at))
        return VMSIM__FAULT_MINOR;
    if (!vmsim__fault_table(at))
        return VMSIM__FAULT_OOM;
    enum vmsim__fault_outcome o = fetch_page(at, &page);
    if (!vmsim__fault_resolved(o))
        return let_go(at, o, first);
    map_found(at, page.pfn, first);
    return o;
}

/* Kernel: do_cow_fault: the copy's frame is allocated before the file's page is looked up. */
static enum vmsim__fault_outcome cow_fault(struct vmsim__fault_at *at) {
    VMSIM__ASSERT(at->write && !(at->vma->flags & VMSIM__VM_SHARED));
    struct vmsim__vm *vm = at->mm->vm;
    struct vmsim__page_fault page;
    const bool first = !at->slot.entry || at->slot.level;
    if (vmsim__anon_vma_prepare(at->vma))
        return VMSIM__FAULT_OOM;
    vmsim__pfn pfn = vmsim__vma_alloc_folio(at->vma, at->va, VMSIM__GFP_HIGHUSER_MOVABLE, 0, at->cpu);
    if (pfn == VMSIM__PFN_NONE)
        return VMSIM__FAULT_OOM;
    enum vmsim__fault_outcome o = vmsim__fault_table(at) ? fetch_page(at, &page) : VMSIM__FAULT_OOM;
    if (!vmsim__fault_resolved(o)) {
        vmsim__folio_put(vm->lru, pfn, at->cpu);
        return let_go(at, o, first);
    }
    const vmsim__pfn from = vmsim__folio_part(vm->mem, page.pfn, vmsim__vma_index(at->vma, at->va));
    vmsim__vm_fill(vm, pfn, from, 0);
    vmsim__vm_cost(vm, vm->spec.costs.map);
    vmsim__vm_copy_cost(vm, pfn, from, at->cpu);
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
    const bool first = !at->slot.entry || at->slot.level;
    if (!vmsim__fault_table(at))
        return VMSIM__FAULT_OOM;
    enum vmsim__fault_outcome o = fetch_page(at, &page);
    if (!vmsim__fault_resolved(o))
        return let_go(at, o, first);
    if (vmsim__file_wants_mkwrite(at->vma->file)) {
        vmsim__file_mkwrite(vm->cache, at->vma->file, page.pfn);
        vmsim__vm_cost(vm, vm->spec.costs.mkwrite);
    }
    vmsim__page_dirty(vm->cache, page.pfn);
    map_found(at, page.pfn, first);
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
