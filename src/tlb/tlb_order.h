/* SPDX-License-Identifier: MIT */
/* Exact LRU order of up to 16 ways in one word: a way's number in each nibble, the least recently used one lowest.
 *
 *     63                                        0
 *    | .. | newest | .. | .. | second | oldest |        W nibbles, those above are 0
 *
 * A victim is read off, and comes back as the newest, in five instructions. A hit costs more than the one store that
 * a time of use takes, which is why level 1, where hits are what counts, keeps times. Empty ways are put at the oldest
 * end, so they go first. */
#ifndef VMSIM__TLB_ORDER_H
#define VMSIM__TLB_ORDER_H
#include "base/util.h"

#define TLB_ORDER_WAYS 16u
#define TLB_ORDER_FIRST UINT64_C(0xfedcba9876543210)

VMSIM__INLINE uint64_t tlb_order_init(unsigned ways) {
    VMSIM__ASSERT(ways >= 1 && ways <= TLB_ORDER_WAYS);
    return TLB_ORDER_FIRST & UINT64_MAX >> (64 - 4 * ways);
}
VMSIM__INLINE unsigned tlb_order_oldest(uint64_t order) {
    return (unsigned)order & 15;
}
/* The oldest was used now. */
VMSIM__INLINE uint64_t tlb_order_rotate(uint64_t order, unsigned ways) {
    return order >> 4 | (order & 15) << (4 * ways - 4);
}
/* The order without way w: `ways` - 1 nibbles. Of equal nibbles above the order, w's own is the lowest. */
VMSIM__INLINE uint64_t tlb_order_without(uint64_t order, unsigned w) {
    const uint64_t ones = UINT64_C(0x1111111111111111);
    uint64_t differ = order ^ w * ones, zero = (differ - ones) & ~differ & ones << 3;
    VMSIM__ASSERT(zero);
    unsigned at = (unsigned)__builtin_ctzll(zero) & ~3u;
    uint64_t below = (UINT64_C(1) << at) - 1;
    return (order & below) | (order >> 4 & ~below);
}
/* Way w was used now. */
VMSIM__INLINE uint64_t tlb_order_touch(uint64_t order, unsigned ways, unsigned w) {
    return tlb_order_without(order, w) | (uint64_t)w << (4 * ways - 4);
}
/* Way w becomes the oldest. */
VMSIM__INLINE uint64_t tlb_order_empty(uint64_t order, unsigned w) {
    return tlb_order_without(order, w) << 4 | w;
}

#endif
