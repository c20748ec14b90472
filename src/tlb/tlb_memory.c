/* SPDX-License-Identifier: MIT */
/* The map from frames to nodes that misses ask (see tlb_memory.h). */
#include "tlb/tlb_memory.h"

/* Few enough to stay in the host's cache, and enough for a look at one range nearly always. */
#define BLOCKS 4096u

/* Neighbours of one node become one; the last one has no end. */
static void join(struct vmsim__tlb_range *to, const struct vmsim__tlb_range *from, uint32_t n) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < n; i++) {
        VMSIM__ASSERT(!i || from[i - 1].end < from[i].end);
        if (count && to[count - 1].node == from[i].node)
            count--;
        to[count++] = from[i];
    }
    to[count - 1].end = UINT64_MAX;
}

/* A table of blocks leads to the first range that may hold a frame; blocks are as large as it takes for all memory
 * to fit. */
bool vmsim__tlb_memory_create(struct vmsim__tlb_memory *m, struct vmsim__alloc *a, const struct vmsim__tlb_range *range,
                              uint32_t n) {
    VMSIM__ASSERT(n > 0 && n <= UINT16_MAX);
    *m = (struct vmsim__tlb_memory){.ranges = n, .blocks = BLOCKS};
    m->range = vmsim__calloc(a, n, sizeof *m->range);
    m->block = vmsim__calloc(a, BLOCKS, sizeof *m->block);
    if (!m->range || !m->block) {
        vmsim__tlb_memory_destroy(m, a);
        return false;
    }
    join(m->range, range, n);
    while (range[n - 1].end > (uint64_t)BLOCKS << m->shift)
        m->shift++;
    for (uint32_t block = 0, at = 0; block < BLOCKS; block++) {
        while (m->range[at].end <= (uint64_t)block << m->shift)
            at++;
        m->block[block] = (uint16_t)at;
    }
    return true;
}

void vmsim__tlb_memory_destroy(struct vmsim__tlb_memory *m, struct vmsim__alloc *a) {
    vmsim__free(a, m->range, m->ranges * sizeof *m->range);
    vmsim__free(a, m->block, m->blocks * sizeof *m->block);
    *m = (struct vmsim__tlb_memory){0};
}
