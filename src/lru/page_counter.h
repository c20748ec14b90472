/* SPDX-License-Identifier: MIT */
/* A counter of pages with a limit, in a tree: a charge counts in the counter and in all above it, or in none.
 * Kernel counterpart: mm/page_counter.c. */
#ifndef VMSIM__PAGE_COUNTER_H
#define VMSIM__PAGE_COUNTER_H
#include "base/util.h"

#define VMSIM__PAGE_COUNTER_MAX (INT64_MAX / 4096) /* "max": no limit */

struct vmsim__page_counter {
    struct vmsim__page_counter *parent;
    uint64_t usage;      /* pages */
    uint64_t watermark;  /* highest usage so far (memory.peak) */
    uint64_t failcnt;    /* charges that this limit refused */
    uint64_t min, low;   /* protected from reclaim */
    uint64_t high, max;  /* throttled above; never above */
    uint64_t emin, elow; /* what of min and low is in force, as the last walk computed it */
};

void vmsim__page_counter_init(struct vmsim__page_counter *c, struct vmsim__page_counter *parent);
/* False: the limit of *over refuses, and nothing was counted. */
bool vmsim__page_counter_try_charge(struct vmsim__page_counter *c, uint64_t pages, struct vmsim__page_counter **over);
/* Whatever the limits say. */
void vmsim__page_counter_charge(struct vmsim__page_counter *c, uint64_t pages);
void vmsim__page_counter_uncharge(struct vmsim__page_counter *c, uint64_t pages);
/* Pages that may still be charged here, limits above included. Kernel: mem_cgroup_margin looks at one counter only. */
uint64_t vmsim__page_counter_room(const struct vmsim__page_counter *c);
/* Effective protection of `c` below `root` of this reclaim, the parent's having been computed before; `siblings_*`:
 * what all children of the parent have protected of what they use. `recursive`: the memory_recursiveprot mount option.
 * Kernel: mem_cgroup_calculate_protection. */
void vmsim__page_counter_protect(struct vmsim__page_counter *c, const struct vmsim__page_counter *root,
                                 uint64_t siblings_min, uint64_t siblings_low, bool recursive);
/* min(usage, setting): what counts as protected among siblings. */
static inline uint64_t vmsim__page_counter_protected(const struct vmsim__page_counter *c, uint64_t setting) {
    return vmsim__min64(c->usage, setting);
}

#endif
