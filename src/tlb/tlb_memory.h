/* SPDX-License-Identifier: MIT */
/* How far memory is from a CPU, in cycles: what a reference that misses the TLB waits for beside the hardware's own
 * time.
 *
 *     frame --> block of 2^shift frames --> the first range that ends behind the block's start --> its node
 *     node  --> the CPU's row: cycles of one read by a walk, and of the data
 *
 * Ranges cover all frames, a hole belonging to the node behind it; they are as many as the nodes take turns in physical
 * memory, a few at most. A machine where nothing is far has none of this, and its misses ask for nothing. */
#ifndef VMSIM__TLB_MEMORY_H
#define VMSIM__TLB_MEMORY_H
#include <stdint.h>

#include "base/alloc.h"
#include "base/util.h"

struct vmsim__tlb_range {
    uint64_t end; /* first frame behind it */
    uint16_t node;
};

/* Which node each frame is on. Shared by all CPUs. */
struct vmsim__tlb_memory {
    struct vmsim__tlb_range *range; /* ascending; the last one's end is UINT64_MAX */
    uint16_t *block;                /* by frame >> shift: the first range that may hold it */
    uint32_t ranges, blocks;
    unsigned shift;
};

/* What one CPU waits for memory of a node. */
struct vmsim__tlb_latency {
    uint32_t walk, data; /* cycles of a page-table entry read, and of what was referred to */
};

/* What a CPU's references that missed every level were about. Whoever owns the arrays outlives the TLB. */
struct vmsim__tlb_reads {
    uint64_t *by_node;     /* how many, by the node of their data */
    uint64_t *lines;       /* that they and the walks before them read, by node, until somebody has looked */
    uint32_t *frame;       /* whose data, in their order, until somebody has looked; NULL: nobody looks */
    uint32_t frames, room; /* of `frame`; what finds no room is not written down */
};

/* From the ranges in ascending order, of which neighbours may be of one node. False: no host memory. */
bool vmsim__tlb_memory_create(struct vmsim__tlb_memory *m, struct vmsim__alloc *a, const struct vmsim__tlb_range *range,
                              uint32_t n);
void vmsim__tlb_memory_destroy(struct vmsim__tlb_memory *m, struct vmsim__alloc *a);

VMSIM__INLINE unsigned vmsim__tlb_memory_node(const struct vmsim__tlb_memory *m, uint64_t pfn) {
    const uint64_t block = pfn >> m->shift;
    const struct vmsim__tlb_range *r = &m->range[m->block[block < m->blocks ? block : m->blocks - 1]];
    while (pfn >= r->end)
        r++;
    return r->node;
}

#endif
