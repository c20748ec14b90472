/* SPDX-License-Identifier: MIT */
/* Shared memory: tmpfs, memfd, System V segments, shared anonymous mappings.
 *
 * Its pages are born zeroed, need no device, are swap-backed (so they sit on the anonymous LRU lists) and count in
 * nr_shmem besides nr_file_pages; they are never "dirty" for the accounting of dirty pages. read() of a hole allocates
 * nothing; a fault, write() and fallocate() do. Kernel counterpart: mm/shmem.c. */
#include "cache/cache_impl.h"

/* shmem_get_folio: the page is cleared here, so that who brings it to life pays for it. */
vmsim__pfn vmsim__shmem_create(struct vmsim__cache *c, struct vmsim__file *f, uint64_t index,
                               const struct vmsim__alloc_request *policy, unsigned cpu) {
    VMSIM__ASSERT(f->kind == VMSIM__FILE_SHMEM);
    vmsim__pfn pfn = vmsim__filemap_create(c, f, index, VMSIM__GFP_ZERO, policy, cpu);
    if (pfn != VMSIM__PFN_NONE)
        vmsim__cache_clear(c, pfn, cpu);
    return pfn;
}

/* fallocate() without a mode: every page of the range exists afterwards. Pages are dirty from birth, or reclaim would
 * free them instead of swapping them out. */
static int shmem_allocate(struct vmsim__cache *c, struct vmsim__file *f, uint64_t first, uint64_t end, unsigned cpu) {
    VMSIM__ASSERT(f->kind == VMSIM__FILE_SHMEM);
    for (uint64_t i = first; i < end; i++) {
        vmsim__pfn pfn = vmsim__file_page(f, i);
        if (pfn == VMSIM__PFN_NONE)
            pfn = vmsim__shmem_create(c, f, i, NULL, cpu);
        if (pfn == VMSIM__PFN_NONE)
            return -VMSIM__L_ENOMEM;
        vmsim__page_dirty(c, pfn);
    }
    return 0;
}

#define FALLOC_KEEP_SIZE 1u
#define FALLOC_PUNCH_HOLE 2u
#define FALLOC_ZERO_RANGE 0x10u

int vmsim__file_fallocate(struct vmsim__cache *c, struct vmsim__file *f, unsigned mode, uint64_t pos, uint64_t length,
                          unsigned cpu) {
    unsigned shift = c->mem->page_shift;
    if (length == 0 || length > UINT64_MAX / 2 || pos > UINT64_MAX / 2 - length)
        return -VMSIM__L_EINVAL;
    if (pos + length > VMSIM__FILE_SIZE_MAX)
        return -VMSIM__L_EFBIG;
    if (mode & FALLOC_PUNCH_HOLE) {
        if (!(mode & FALLOC_KEEP_SIZE))
            return -VMSIM__L_EOPNOTSUPP;
        return vmsim__file_punch(c, f, pos, pos + length, cpu);
    }
    if (mode & ~(FALLOC_KEEP_SIZE | FALLOC_ZERO_RANGE) || ((mode & FALLOC_ZERO_RANGE) && f->kind == VMSIM__FILE_SHMEM))
        return -VMSIM__L_EOPNOTSUPP;
    int rc = 0;
    if (mode & FALLOC_ZERO_RANGE)
        rc = vmsim__file_punch(c, f, pos, pos + length, cpu);
    else if (f->kind == VMSIM__FILE_SHMEM)
        rc = shmem_allocate(c, f, pos >> shift, vmsim__cache_pages_of(c, pos + length), cpu);
    if (!rc && !(mode & FALLOC_KEEP_SIZE))
        f->size = vmsim__max64(f->size, pos + length);
    return rc;
}
