/* SPDX-License-Identifier: MIT */
/* Collapsing a range of base pages into a huge page, for khugepaged and madvise (collapse.c). */
#ifndef VMSIM__COLLAPSE_H
#define VMSIM__COLLAPSE_H
#include "vm/vm.h"

/* How, and up to what. */
struct vmsim__collapse {
    bool forced; /* by madvise: no limits, and no use of the pages is asked for */
    uint16_t memcg, cpu;
    uint32_t gfp;
    uint64_t max_ptes_none, max_ptes_swap, max_ptes_shared;
};
enum vmsim__collapse_result {
    VMSIM__COLLAPSE_DONE,
    VMSIM__COLLAPSE_IS_HUGE,   /* already */
    VMSIM__COLLAPSE_REFUSED,   /* too much of it is missing, in swap or shared, or nobody uses it */
    VMSIM__COLLAPSE_BUSY,      /* a page is on no list, locked, or held by somebody else */
    VMSIM__COLLAPSE_NO_MEMORY, /* no huge page, or a cgroup at its limit */
    VMSIM__COLLAPSE_WAITS      /* the present waits, enter again */
};
/* The area may have huge pages, and was asked for one or is advised to have them: khugepaged looks at its address space
 * from now on, and at its children's. Kernel: khugepaged_enter_vma. */
void vmsim__khugepaged_enter(struct vmsim__vma *v);
/* May huge pages come to the area at all? `forced`: the switches do not matter. */
bool vmsim__collapse_allowed(const struct vmsim__vma *v, bool forced);
/* The aligned range from `start`, which lies in the area. Batches should be drained before. */
enum vmsim__collapse_result vmsim__collapse(struct vmsim__vma *v, uint64_t start, const struct vmsim__collapse *how);
/* The same of mappings of files in shared memory (collapse_file.c). */
bool vmsim__collapse_file_allowed(const struct vmsim__vma *v, bool forced);
enum vmsim__collapse_result vmsim__collapse_file(struct vmsim__vma *v, uint64_t start,
                                                 const struct vmsim__collapse *how);
/* A huge page for the range of a mapping, charged to how's cgroup, or VMSIM__PFN_NONE. */
vmsim__pfn vmsim__collapse_frame(struct vmsim__vma *v, uint64_t start, const struct vmsim__collapse *how);
/* All aligned ranges of [start, end). 0 or a Linux errno; ERESTARTSYS: the present waits. */
int vmsim__collapse_range(struct vmsim__vma *v, uint64_t start, uint64_t end, uint16_t memcg, unsigned cpu);

#endif
