/* SPDX-License-Identifier: MIT */
/* TLB replacement "tree-plru": one bit a node of a binary tree over the ways points away from the half that was touched
 * last.
 *
 *              bit 0                a touch of way w turns the bits on its path away from w; the victim is found
 *            /       \              by following the bits from the root
 *        bit 1       bit 2
 *        /   \       /   \          a bit points to the half whose latest touch is the older one, whatever happened
 *       w0    w1    w2    w3        before: the tree is a function of the last-use times, and no bits are kept
 *
 * For a number of ways that is no power of two the left half is the largest power of two below it. */
#include "tlb/tlb_internal.h"

static uint64_t latest(const uint64_t *use, uint32_t n) {
    VMSIM__ASSERT(n > 0);
    uint64_t most = use[0];
    for (uint32_t w = 1; w < n; w++)
        most = use[w] > most ? use[w] : most;
    return most;
}

/* The tree's bits follow from the times of use: a bit points away from the half that was used last. So none has to
 * be kept, and ways need not be a power of two. */
uint32_t vmsim__tlb_plru_victim(const uint64_t *last_use, uint32_t ways) {
    uint32_t at = 0, n = ways;
    while (n > 1) {
        uint32_t left = UINT32_C(1) << vmsim__log2(n - 1);
        VMSIM__ASSERT(left < n);
        if (latest(last_use + at, left) <= latest(last_use + at + left, n - left)) {
            n = left;
        } else {
            at += left;
            n -= left;
        }
    }
    return at;
}

static uint32_t plru_victim(void *context, const struct vmsim_tlb_set *set) {
    (void)context;
    return set->first + vmsim__tlb_plru_victim(set->last_use + set->first, set->ways);
}

const struct vmsim_tlb_replacement_policy vmsim__tlb_plru = {
    .policy = {sizeof vmsim__tlb_plru, VMSIM_POLICY_ABI, VMSIM_POLICY_TLB_REPLACEMENT, "tree-plru",
               "Evicts where a binary tree of bits points, away from recent touches.", NULL, 0},
    .victim = plru_victim};
