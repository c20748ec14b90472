/* SPDX-License-Identifier: MIT */
/* Leaves of x86 long mode, for who reads them inline: what an entry of level 0 must say to allow an access as it is,
 * with nothing to set in it and nothing special about it. The walker's first try, and the TLB's where it knows the
 * table. */
#ifndef VMSIM__LONG_LEAF_H
#define VMSIM__LONG_LEAF_H
#include "mmu/mmu.h"

#define VMSIM__LONG_PRESENT UINT64_C(0x1)
#define VMSIM__LONG_WRITE UINT64_C(0x2)
#define VMSIM__LONG_USER UINT64_C(0x4)
#define VMSIM__LONG_ACCESSED UINT64_C(0x20)
#define VMSIM__LONG_DIRTY UINT64_C(0x40)
#define VMSIM__LONG_GLOBAL UINT64_C(0x100)
#define VMSIM__LONG_NX (UINT64_C(1) << 63)
#define VMSIM__LONG_FRAME UINT64_C(0x000ffffffffff000)

/* By mode (VMSIM__WALK_*): the bits that decide, and their values. */
struct vmsim__long_demand {
    uint64_t mask, value;
};
#define VMSIM__LONG_VALUE(m)                                                                                           \
    (VMSIM__LONG_PRESENT | VMSIM__LONG_ACCESSED |                                                                      \
     ((m)&VMSIM__WALK_WRITE ? VMSIM__LONG_WRITE | VMSIM__LONG_DIRTY : 0) |                                             \
     ((m)&VMSIM__WALK_USER ? VMSIM__LONG_USER : 0))
#define VMSIM__LONG_DEMAND(m)                                                                                          \
    { VMSIM__LONG_VALUE(m) | ((m)&VMSIM__WALK_FETCH ? VMSIM__LONG_NX : 0), VMSIM__LONG_VALUE(m) }
#define VMSIM__LONG_DEMAND_4(m)                                                                                        \
    VMSIM__LONG_DEMAND(m), VMSIM__LONG_DEMAND(m + 1), VMSIM__LONG_DEMAND(m + 2), VMSIM__LONG_DEMAND(m + 3)
static const struct vmsim__long_demand vmsim__long_demand[16] = {VMSIM__LONG_DEMAND_4(0), VMSIM__LONG_DEMAND_4(4),
                                                                 VMSIM__LONG_DEMAND_4(8), VMSIM__LONG_DEMAND_4(12)};

/* pfn << 16 | flags & 0xff, as a walk to it gives them; 0: ask the walker. `mode` is not a supervisor's fetch. */
VMSIM__INLINE uint64_t vmsim__long_leaf(const struct vmsim__pagetable *pt, uint64_t raw, unsigned mode) {
    const struct vmsim__long_demand *d = &vmsim__long_demand[mode];
    if (VMSIM__UNLIKELY((raw & d->mask) != d->value || (raw & VMSIM__LONG_FRAME) >> pt->pa_bits))
        return 0;
    const uint64_t moved = (raw & (VMSIM__LONG_WRITE | VMSIM__LONG_ACCESSED | VMSIM__LONG_DIRTY)) << 1 |
                           (raw & VMSIM__LONG_USER) << 2 | (raw & VMSIM__LONG_GLOBAL) >> 3 | (~raw >> 63) << 3;
    static_assert(VMSIM__PTE_WRITE == 2 << 1 && VMSIM__PTE_DIRTY == 0x40 << 1 && VMSIM__PTE_USER == 4 << 2 &&
                      VMSIM__PTE_GLOBAL == 0x100 >> 3 && VMSIM__PTE_EXEC == 1 << 3,
                  "shifts");
    return (raw & VMSIM__LONG_FRAME) << 4 | VMSIM__PTE_PRESENT | VMSIM__PTE_READ | moved;
}

#endif
