/* SPDX-License-Identifier: MIT */
/* Files of hugetlb pages: the nameless ones behind MAP_HUGETLB, and those of a hugetlbfs, which stay until their name
 * and all their mappings are gone.
 *
 *     huge->pages   index, in huge pages -> pfn + 1; a page stays in its pool's count while the file has it
 *     huge->resv    what was promised to mappings, or is there (vm_hugetlb.h)
 *
 * read() finds holes as zeroes, there is no write(), sizes are whole huge pages, and a mapping that may be written
 * makes the file as long as itself. Kernel counterpart: fs/hugetlbfs/inode.c. */
#include "vm/vm_hugetlb.h"

/* ---- pages ---- */

/* A file of a pool keeps its pages in a tree of its own: they are on no LRU list, and reclaim is not to see them. */
struct vmsim__file *vmsim__hugetlb_file(struct vmsim__vm *vm, unsigned hstate, const char *path, uint64_t size) {
    VMSIM__ASSERT(hstate < vm->mem->nr_hstates);
    struct vmsim__hugefile *huge = vmsim__calloc(vm->alloc, 1, sizeof *huge);
    struct vmsim__file *f = huge ? vmsim__file_create(vm->cache, VMSIM__FILE_HUGETLB, path, size) : NULL;
    if (!f) {
        vm->host_nomem |= !huge || vmsim__cache_error(vm->cache);
        vmsim__free(vm->alloc, huge, sizeof *huge);
        return NULL;
    }
    huge->hstate = (uint8_t)hstate;
    vmsim__radix_init(&huge->pages, &vm->huge_nodes);
    f->huge = huge;
    return f;
}

/* Kernel: hugetlb_add_to_page_cache. */
bool vmsim__hugetlb_into_file(const struct vmsim__vma *v, uint64_t va, vmsim__pfn pfn) {
    struct vmsim__vm *vm = v->mm->vm;
    struct vmsim__hugefile *huge = vmsim__hugefile_of(v->file);
    VMSIM__ASSERT(!vmsim__radix_get(&huge->pages, vmsim__huge_index(v, va)));
    if (!vmsim__radix_set(&huge->pages, vmsim__huge_index(v, va), (uint64_t)pfn + 1, NULL)) {
        vm->host_nomem = true;
        return false;
    }
    struct vmsim__frame *f = vmsim__vm_frame(vm, pfn);
    huge->nrpages++;
    f->mapping = v->file->id;
    vmsim__frame_set_index(f, vmsim__vma_index(v, va));
    return true;
}

/* It takes as long as clearing all base pages, or a huge one where that is known. */
void vmsim__hugetlb_clear(struct vmsim__vm *vm, vmsim__pfn pfn, unsigned order, unsigned cpu) {
    const unsigned huge = vm->format->levels > 1 ? vm->format->shift[1] - vm->page_shift : 64;
    VMSIM__ASSERT(order > 0);
    vmsim__vm_fill(vm, pfn, VMSIM__PFN_NONE, order);
    vmsim__vm_clear_cost(vm,
                         order >= huge ? vm->spec.costs.zero_huge << (order - huge) : vm->spec.costs.zero_page << order,
                         UINT64_C(1) << order, pfn, cpu);
}

/* A page of the file goes, its mappings gone before; with it what was noted of it. */
static void drop_page(struct vmsim__vm *vm, struct vmsim__hugefile *huge, uint64_t index, vmsim__pfn pfn,
                      unsigned cpu) {
    vmsim__radix_remove(&huge->pages, index);
    huge->nrpages--;
    vmsim__hugetlb_put_refs(vm, pfn, 1, cpu);
}

/* What was promised there and not used stays promised: a hole may be filled again. */
void vmsim__hugetlb_punch(struct vmsim__vm *vm, struct vmsim__file *f, uint64_t first, uint64_t end, unsigned cpu) {
    struct vmsim__hugefile *huge = vmsim__hugefile_of(f);
    const unsigned order = vm->mem->hstate[huge->hstate].order;
    uint64_t index = vmsim__align_up(first, UINT64_C(1) << order) >> order, entry;
    const uint64_t last = end >> order;
    if (index >= last)
        return;
    if (vm->hooks.file_content)
        vm->hooks.file_content(vm->hooks.context, VMSIM__CONTENT_DROPPED, f, index << order, last << order,
                               VMSIM__PFN_NONE);
    vmsim__vm_unmap_file(vm, f, index << order, last << order, true, cpu);
    for (; (entry = vmsim__radix_next(&huge->pages, &index)) && index < last; index++) {
        if (!vmsim__resv_room(vm->alloc, &huge->resv)) {
            vm->host_nomem = true;
            return;
        }
        vmsim__resv_uncharge(vm, huge, index, index + 1);
        vmsim__resv_del(&huge->resv, index, index + 1);
        drop_page(vm, huge, index, (vmsim__pfn)(entry - 1), cpu);
    }
}

/* Kernel: remove_inode_hugepages, hugetlb_unreserve_pages. */
void vmsim__hugefile_drop(struct vmsim__vm *vm, struct vmsim__file *f, uint64_t first, unsigned cpu) {
    struct vmsim__hugefile *huge = vmsim__hugefile_of(f);
    const uint64_t noted = vmsim__resv_count(&huge->resv, first, UINT64_MAX);
    uint64_t index = first, entry, freed = 0;
    for (; (entry = vmsim__radix_next(&huge->pages, &index)); index++, freed++)
        drop_page(vm, huge, index, (vmsim__pfn)(entry - 1), cpu);
    if (noted) {
        vmsim__resv_uncharge(vm, huge, first, UINT64_MAX);
        vmsim__resv_cut(&huge->resv, first);
    }
    VMSIM__ASSERT(noted >= freed);
    if (noted > freed)
        vmsim__hugetlb_unreserve(vm->mem, huge->hstate, noted - freed, cpu);
}

/* ---- calls ---- */

static uint64_t bytes_of(const struct vmsim__vm *vm, const struct vmsim__file *f) {
    return UINT64_C(1) << vmsim__hstate_shift(vm, vmsim__hugefile_of(f)->hstate);
}

/* Kernel: hugetlbfs_file_mmap, its end. */
void vmsim__hugetlb_extend(const struct vmsim__vma *v) {
    const uint64_t end = (v->pgoff << v->mm->vm->page_shift) + (v->end - v->start);
    VMSIM__ASSERT(v->file->kind == VMSIM__FILE_HUGETLB);
    if (v->flags & VMSIM__VM_WRITE)
        v->file->size = vmsim__max64(v->file->size, end);
}

/* Kernel: hugetlbfs_read_iter: copied or, of holes, cleared, base page by base page. */
int64_t vmsim__hugetlb_read(struct vmsim__vm *vm, const struct vmsim__file *f, uint64_t pos, uint64_t count) {
    const uint64_t most = INT32_MAX & ~(vm->page_size - 1);
    const uint64_t bytes = pos < f->size ? vmsim__min64(vmsim__min64(count, most), f->size - pos) : 0;
    VMSIM__ASSERT(bytes <= f->size);
    vmsim__vm_cost(vm, vm->spec.costs.copy_page * ((bytes + vm->page_size - 1) >> vm->page_shift));
    return (int64_t)bytes;
}

/* Kernel: hugetlbfs_setattr, hugetlb_vmtruncate. */
int vmsim__hugetlb_truncate(struct vmsim__vm *vm, struct vmsim__file *f, uint64_t size, unsigned cpu) {
    const uint64_t old = f->size;
    if (size > INT64_MAX || (size & (bytes_of(vm, f) - 1)))
        return -VMSIM__L_EINVAL;
    if (size > VMSIM__FILE_SIZE_MAX)
        return -VMSIM__L_EFBIG;
    f->size = size;
    if (size >= old)
        return 0;
    if (vm->hooks.file_content)
        vm->hooks.file_content(vm->hooks.context, VMSIM__CONTENT_DROPPED, f, size >> vm->page_shift,
                               UINT64_MAX >> vm->page_shift, VMSIM__PFN_NONE);
    vmsim__vm_unmap_file(vm, f, size >> vm->page_shift, UINT64_MAX >> vm->page_shift, true, cpu);
    vmsim__hugefile_drop(vm, f, size / bytes_of(vm, f), cpu);
    return 0;
}

/* The page at `index` exists afterwards. Its cgroup and node are the caller's, as if he had touched a mapping of the
 * whole file. */
static int make_present(struct vmsim__mm *mm, struct vmsim__file *f, uint64_t index) {
    struct vmsim__vm *vm = mm->vm;
    struct vmsim__hugefile *huge = vmsim__hugefile_of(f);
    struct vmsim__vma whole = {.mm = mm,
                               .file = f,
                               .flags = VMSIM__VM_HUGETLB | VMSIM__VM_SHARED | VMSIM__VM_MAYSHARE,
                               .end = VMSIM__FILE_SIZE_MAX};
    const uint64_t va = index << vmsim__hstate_shift(vm, huge->hstate);
    if (vmsim__radix_get(&huge->pages, index))
        return 0;
    const struct vmsim__huge_page page = vmsim__hugetlb_alloc(&whole, va, false, mm->cpu);
    if (page.pfn == VMSIM__PFN_NONE)
        return vmsim__now_waits(&vm->mem->now) ? -VMSIM__ERESTARTSYS
               : vm->host_nomem                ? -VMSIM__L_ENOMEM
                                               : -VMSIM__L_ENOSPC;
    if (!vmsim__hugetlb_into_file(&whole, va, page.pfn)) {
        vmsim__hugetlb_unalloc(&whole, va, page, mm->cpu);
        return -VMSIM__L_ENOMEM;
    }
    vmsim__hugetlb_clear(vm, page.pfn, vm->mem->hstate[huge->hstate].order, mm->cpu);
    return 0;
}

#define FALLOC_KEEP_SIZE 1u
#define FALLOC_PUNCH_HOLE 2u

/* Kernel: vfs_fallocate, hugetlbfs_fallocate. */
int vmsim__hugetlb_fallocate(struct vmsim__mm *mm, struct vmsim__file *f, unsigned mode, uint64_t pos,
                             uint64_t length) {
    struct vmsim__vm *vm = mm->vm;
    const uint64_t bytes = bytes_of(vm, f);
    if (!length || length > INT64_MAX || pos > INT64_MAX - length)
        return -VMSIM__L_EINVAL;
    if ((mode & ~(FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE)) || mode == FALLOC_PUNCH_HOLE)
        return -VMSIM__L_EOPNOTSUPP;
    if (pos + length > VMSIM__FILE_SIZE_MAX)
        return -VMSIM__L_EFBIG;
    if (mode & FALLOC_PUNCH_HOLE) {
        vmsim__hugetlb_punch(vm, f, vmsim__align_up(pos, bytes) >> vm->page_shift, (pos + length) >> vm->page_shift,
                             mm->cpu);
        return vm->host_nomem ? -VMSIM__L_ENOMEM : 0;
    }
    for (uint64_t i = pos / bytes; i * bytes < pos + length; i++) {
        const int rc = make_present(mm, f, i);
        if (rc)
            return rc;
    }
    if (!(mode & FALLOC_KEEP_SIZE))
        f->size = vmsim__max64(f->size, pos + length);
    return 0;
}
