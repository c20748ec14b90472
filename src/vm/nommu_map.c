/* SPDX-License-Identifier: MIT */
/* Address spaces of machines without an MMU: addresses are physical, so a mapping is a run of neighbouring frames, had
 * whole when it is made and given back when it goes.
 *
 *     VMA [start, end)  ==  frames start >> page_shift ...   each with one reference a VMA: read-only parts of a file
 *     [end, top)            what mremap left of it           are shared among tasks
 *     regions           ==  what the VMAs allow
 *
 * Nothing is ever faulted in, so a fault is a reference that no region allows: SIGSEGV, as with a memory protection
 * unit. What an address of the caller's choice would need (MAP_FIXED, moving by mremap), what would need a second copy
 * at the same address (fork), and what needs entries to change (mprotect, mlock, madvise, msync, mincore) is refused,
 * as in a kernel built without CONFIG_MMU. A length that is no power of two takes a block of the next one, whose rest
 * goes back at once (vm.nr_trim_pages = 1, the default). Kernel counterpart: mm/nommu.c. */
#include "vm/vm_impl.h"

static int64_t fail(int error) {
    return -(int64_t)error;
}

/* ---- protection ---- */

static uint32_t region_flags(const struct vmsim__vma *v) {
    return (v->flags & VMSIM__VM_READ ? VMSIM__PTE_READ : 0) | (v->flags & VMSIM__VM_WRITE ? VMSIM__PTE_WRITE : 0) |
           (v->flags & VMSIM__VM_EXEC ? VMSIM__PTE_EXEC : 0) | VMSIM__PTE_USER;
}

/* Room for two more regions, which the next change may need. */
static bool regions_reserve(struct vmsim__mm *mm) {
    size_t capacity = mm->regions.capacity;
    void *at = mm->regions.at;
    bool ok = vmsim__vec_grow(mm->vm->alloc, &at, &capacity, mm->regions.count + 2u, sizeof *mm->regions.at);
    mm->regions.at = at;
    mm->regions.capacity = (uint32_t)capacity;
    mm->vm->host_nomem |= !ok;
    return ok;
}

void vmsim__nommu_init(struct vmsim__mm *mm) {
    mm->pt.regions = &mm->regions;
}

void vmsim__nommu_fini(struct vmsim__mm *mm) {
    VMSIM__ASSERT(!mm->regions.count);
    vmsim__free(mm->vm->alloc, mm->regions.at, mm->regions.capacity * sizeof *mm->regions.at);
}

/* ---- frames ---- */

/* Kernel: alloc_pages_exact: a block of the next power of two, as single frames, without those that are too many. */
static vmsim__pfn alloc_run(struct vmsim__mm *mm, uint64_t pages) {
    VMSIM__ASSERT(pages > 0);
    struct vmsim__vm *vm = mm->vm;
    unsigned order = vmsim__log2_up(pages);
    if (order > vm->mem->top_order)
        return VMSIM__PFN_NONE;
    vmsim__pfn pfn = vmsim__vm_alloc_page(vm, VMSIM__GFP_KERNEL, order, mm->cpu);
    if (pfn == VMSIM__PFN_NONE)
        return pfn;
    vmsim__mem_split(vm->mem, pfn, order);
    for (uint64_t i = pages; i < UINT64_C(1) << order; i++) {
        vmsim__vm_frame(vm, pfn + (vmsim__pfn)i)->refcount = 0;
        vmsim__mem_free(vm->mem, pfn + (vmsim__pfn)i, 0, mm->cpu);
    }
    vmsim__vm_cost(vm, pages * vm->spec.costs.map);
    vmsim__vm_clear_cost(vm, pages * vm->spec.costs.zero_page, pages, pfn, mm->cpu);
    for (uint64_t i = 0; i < pages; i++)
        vmsim__vm_fill(vm, pfn + (vmsim__pfn)i, VMSIM__PFN_NONE, 0);
    return pfn;
}

/* Kernel: free_page_series. */
static void put_run(struct vmsim__mm *mm, uint64_t start, uint64_t end) {
    VMSIM__ASSERT(start <= end && !((start | end) & (mm->vm->page_size - 1)));
    struct vmsim__vm *vm = mm->vm;
    for (uint64_t va = start; va < end; va += vm->page_size) {
        vmsim__pfn pfn = (vmsim__pfn)(va >> vm->page_shift);
        struct vmsim__frame *f = vmsim__vm_frame(vm, pfn);
        VMSIM__ASSERT(f->refcount > 0);
        vmsim__vm_cost(vm, vm->spec.costs.unmap_page);
        if (!--f->refcount)
            vmsim__mem_free(vm->mem, pfn, 0, mm->cpu);
    }
}

/* ---- mmap ---- */

/* Bytes that the VMA gains or loses, of addresses and of memory. */
static void account(struct vmsim__mm *mm, const struct vmsim__vma *v, int64_t addresses, int64_t memory) {
    const int64_t page = (int64_t)mm->vm->page_size;
    mm->hiwater_vm = vmsim__max64(mm->hiwater_vm, mm->total_vm);
    vmsim__hiwater_rss(mm);
    vmsim__stat_account(mm, v->flags, addresses / page);
    vmsim__rss_add(mm, v->file ? VMSIM__RSS_FILE : VMSIM__RSS_ANON, memory / page);
}

/* Another task's read-only copy of this part of the file. Kernel: do_mmap looks through nommu_region_tree. Within one
 * address space there is a second copy instead, since its VMAs do not overlap. */
static struct vmsim__vma *find_copy(struct vmsim__mm *mm, const struct vmsim__file *file, uint64_t pgoff,
                                    uint64_t pages) {
    const struct vmsim__imap *map = file ? file->mappings : NULL;
    for (struct vmsim__interval *n = map ? vmsim__interval_first(&map->vmas, pgoff, pgoff + pages - 1) : NULL; n;
         n = vmsim__interval_next(n, pgoff, pgoff + pages - 1)) {
        struct vmsim__vma *v = vmsim__vma_of_file_link(n);
        uint64_t end = v->pgoff + vmsim__vma_pages(v, mm->vm->page_shift);
        if ((v->flags & VMSIM__VM_MAYSHARE) && v->pgoff <= pgoff && pgoff + pages <= end && v->mm != mm) {
            uint64_t at = v->start + ((pgoff - v->pgoff) << mm->vm->page_shift);
            if (!vmsim__vma_intersection(mm, at, at + (pages << mm->vm->page_shift)))
                return v;
        }
    }
    return NULL;
}

/* Memory for a VMA with its length and file: shared with another task, or new and read from the file. */
static bool back(struct vmsim__mm *mm, struct vmsim__vma *v, struct vmsim__file *file, uint64_t pages) {
    struct vmsim__vm *vm = mm->vm;
    const struct vmsim__vma *other = v->flags & VMSIM__VM_MAYSHARE ? find_copy(mm, file, v->pgoff, pages) : NULL;
    if (other) {
        v->start = other->start + ((v->pgoff - other->pgoff) << vm->page_shift);
        for (uint64_t i = 0; i < pages; i++)
            vmsim__vm_frame(vm, (vmsim__pfn)((v->start >> vm->page_shift) + i))->refcount++;
    } else {
        vmsim__pfn pfn = alloc_run(mm, pages);
        if (pfn == VMSIM__PFN_NONE)
            return false;
        v->start = (uint64_t)pfn << vm->page_shift;
        struct vmsim__file_ra ra;
        vmsim__ra_init(vm->cache, &ra);
        if (file)
            vmsim__file_read(vm->cache, file, &ra, v->pgoff << vm->page_shift, pages << vm->page_shift, mm->cpu);
    }
    v->end = v->top = v->start + (pages << vm->page_shift);
    return true;
}

/* Kernel: validate_mmap_request and determine_vm_flags. A file can be copied, not mapped directly, so it has no shared
 * mappings; nobody else can reach anonymous memory, whatever the flag says. */
static int map_flags(unsigned prot, unsigned map, const struct vmsim__file *file, uint32_t *flags) {
    unsigned type = map & VMSIM__MAP_TYPE;
    if (map & (VMSIM__MAP_FIXED | VMSIM__MAP_FIXED_NOREPLACE))
        return VMSIM__L_EINVAL;
    if (type != VMSIM__MAP_PRIVATE && type != VMSIM__MAP_SHARED)
        return VMSIM__L_EINVAL;
    if (file && type == VMSIM__MAP_SHARED)
        return VMSIM__L_ENODEV;
    *flags = vmsim__prot_to_flags(prot) | VMSIM__VM_MAYREAD | VMSIM__VM_MAYWRITE | VMSIM__VM_MAYEXEC |
             (file && !(prot & VMSIM__PROT_WRITE) ? VMSIM__VM_MAYSHARE : 0);
    return 0;
}

/* Kernel: do_mmap. The address asked for is a hint that nothing heeds. */
int64_t vmsim__nommu_mmap(struct vmsim__mm *mm, uint64_t length, unsigned prot, unsigned map, struct vmsim__file *file,
                          uint64_t pgoff) {
    uint32_t flags;
    uint64_t pages = length >> mm->vm->page_shift;
    int e = map_flags(prot, map, file, &flags);
    if (e)
        return fail(e);
    if (length > mm->task_size || !regions_reserve(mm))
        return fail(VMSIM__L_ENOMEM);
    struct vmsim__vma *v = vmsim__vma_alloc(mm);
    if (!v)
        return fail(VMSIM__L_ENOMEM);
    v->flags = flags;
    v->pgoff = file ? pgoff : 0;
    if (!back(mm, v, file, pages)) {
        vmsim__vma_free(mm, v, mm->cpu);
        return fail(VMSIM__L_ENOMEM);
    }
    if (file && !vmsim__vma_set_file(v, file, NULL)) {
        put_run(mm, v->start, v->end);
        vmsim__vma_free(mm, v, mm->cpu);
        return fail(VMSIM__L_ENOMEM);
    }
    vmsim__vma_link(mm, v);
    mm->map_count++;
    account(mm, v, (int64_t)length, (int64_t)length);
    vmsim__regions_set(&mm->regions, v->start, v->end - 1, region_flags(v));
    return (int64_t)v->start;
}

/* ---- munmap ---- */

/* [start, end), at an end of the VMA or all of it. Room in the regions has been seen to. */
static void cut(struct vmsim__mm *mm, struct vmsim__vma *v, uint64_t start, uint64_t end) {
    VMSIM__ASSERT(start == v->start || end == v->end);
    const uint64_t top = end == v->end ? v->top : end;
    account(mm, v, -(int64_t)(end - start), -(int64_t)(top - start));
    vmsim__regions_set(&mm->regions, start, end - 1, 0);
    vmsim__flush_range(mm, start, end, mm->vm->page_shift, false, mm->cpu);
    put_run(mm, start, top);
    if (start == v->start && end == v->end) {
        vmsim__vma_unlink(mm, v);
        vmsim__vma_free(mm, v, mm->cpu);
        mm->map_count--;
        return;
    }
    vmsim__vma_prepare(v);
    if (start == v->start) {
        v->pgoff += (end - start) >> mm->vm->page_shift;
        v->start = end;
    } else {
        v->end = v->top = start;
    }
    vmsim__vma_complete(v);
    vmsim__vma_resized(mm, v);
}

/* Kernel: do_munmap. Of anonymous memory any part of one mapping may go; of a file only whole mappings. A range that
 * begins in one, or before it, takes the mapping that ends where the range does, and leaves those between. */
int64_t vmsim__nommu_munmap(struct vmsim__mm *mm, uint64_t start, uint64_t length) {
    const uint64_t page = mm->vm->page_size;
    if (!length || length > mm->task_size || start > mm->task_size - length)
        return fail(VMSIM__L_EINVAL);
    uint64_t end = start + vmsim__align_up(length, page);
    struct vmsim__vma *v = vmsim__vma_intersection(mm, start, end);
    if (v && v->file) {
        while (v && v->start >= start && v->end != end)
            v = v->next;
        if (!v || v->start < start)
            return fail(VMSIM__L_EINVAL);
        start = v->start;
    }
    if (!v || start < v->start || end > v->end || (start & (page - 1)))
        return fail(VMSIM__L_EINVAL);
    if (!regions_reserve(mm))
        return fail(VMSIM__L_ENOMEM);
    if (start != v->start && end != v->end) {
        if (mm->map_count >= mm->vm->spec.max_map_count || vmsim__vma_split(mm, v, start))
            return fail(VMSIM__L_ENOMEM);
        v->top = v->end;
        v = v->next;
    }
    cut(mm, v, start, end);
    return 0;
}

void vmsim__nommu_unmap_all(struct vmsim__mm *mm) {
    while (mm->first)
        cut(mm, mm->first, mm->first->start, mm->first->end);
}

/* Kernel: do_mremap. A mapping becomes shorter and keeps its memory, so that it can become longer again, up to that. */
int64_t vmsim__nommu_mremap(struct vmsim__mm *mm, uint64_t old, uint64_t old_length, uint64_t new_length,
                            unsigned flags, uint64_t new_address) {
    const uint64_t page = mm->vm->page_size;
    if (!old_length || !new_length || (old & (page - 1)))
        return fail(VMSIM__L_EINVAL);
    if ((flags & VMSIM__MREMAP_FIXED) && new_address != old)
        return fail(VMSIM__L_EINVAL);
    struct vmsim__vma *v = vmsim__vma_find(mm, old);
    if (!v || v->start != old)
        return fail(VMSIM__L_EINVAL);
    if (old_length > mm->task_size || v->end != old + vmsim__align_up(old_length, page))
        return fail(VMSIM__L_EFAULT);
    if (v->flags & VMSIM__VM_MAYSHARE)
        return fail(VMSIM__L_EPERM);
    if (new_length > v->top - old || !regions_reserve(mm))
        return fail(VMSIM__L_ENOMEM);
    uint64_t end = old + vmsim__align_up(new_length, page);
    account(mm, v, (int64_t)(end - v->end), 0);
    vmsim__regions_set(&mm->regions, old, v->top - 1, 0);
    vmsim__regions_set(&mm->regions, old, end - 1, region_flags(v));
    vmsim__flush_range(mm, old, v->top, mm->vm->page_shift, false, mm->cpu);
    vmsim__vma_prepare(v);
    v->end = end;
    vmsim__vma_complete(v);
    vmsim__vma_resized(mm, v);
    return (int64_t)old;
}

/* ---- checks ---- */

/* Every page of every VMA is an allocated frame, and the regions are exactly the VMAs. */
int vmsim__nommu_check(const struct vmsim__mm *mm, struct vmsim__err *err) {
    const struct vmsim__vm *vm = mm->vm;
    uint64_t pages = 0, allowed = 0;
    for (uint32_t i = 0; i < mm->regions.count; i++)
        allowed += (mm->regions.at[i].last + 1 - mm->regions.at[i].start) >> vm->page_shift;
    for (const struct vmsim__vma *v = mm->first; v; v = v->next) {
        pages += vmsim__vma_pages(v, vm->page_shift);
        for (uint64_t va = v->start; va < v->top; va += vm->page_size) {
            const struct vmsim__frame *f = vmsim__vm_frame(vm, (vmsim__pfn)(va >> vm->page_shift));
            const struct vmsim__region *r = vmsim__regions_find(&mm->regions, va);
            if (f->refcount < 1 || vmsim__frame_is(f, VMSIM__FRAME_BUDDY | VMSIM__FRAME_PCP))
                return vmsim__err_set(err, VMSIM_ECHECK, "mm %u: the frame of %llx is free", mm->id,
                                      (unsigned long long)va);
            if (va < v->end && (!r || r->flags != region_flags(v)))
                return vmsim__err_set(err, VMSIM_ECHECK, "mm %u: no region, or another, allows %llx", mm->id,
                                      (unsigned long long)va);
        }
    }
    if (pages != allowed || pages != mm->total_vm)
        return vmsim__err_set(err, VMSIM_ECHECK, "mm %u: %llu pages mapped, %llu allowed, %llu counted", mm->id,
                              (unsigned long long)pages, (unsigned long long)allowed, (unsigned long long)mm->total_vm);
    return 0;
}
