/* SPDX-License-Identifier: MIT */
/* Reuse times, and what follows from them: footprint and working set of windows of any length.
 *
 * Time is a number of touches, beginning at 1. Three histograms hold all that is needed: times between touches of one
 * key, times of first touches, and distances of last touches from the end. A bucket keeps how many and their sum; so a
 * sum over all times beyond a bucket's bound is exact, and windows are told at those bounds.
 *
 *     bucket   0 1 2 ... 7 |   8     9     10    11 |    12 ...      bound: the largest time in it
 *     bound    1 2 3 ... 8 |  10    12     14    16 |    20 ...      four buckets to a doubling
 *
 * Footprint: Xiang et al., "Linear-time modeling of program working set in shared cache", PACT 2011, formula 1.
 * Working set: Denning and Schwartz, "Properties of the working-set model", 1972. */
#ifndef VMSIM__REUSE_H
#define VMSIM__REUSE_H
#include "base/vec.h"

#define VMSIM__REUSE_BUCKETS 252u

struct vmsim__reuse_histogram {
    uint64_t count[VMSIM__REUSE_BUCKETS];
    unsigned __int128 sum[VMSIM__REUSE_BUCKETS];
};
struct vmsim__reuse {
    struct vmsim__reuse_histogram between, first;
    struct {
        VMSIM__VEC(uint64_t);
    } last; /* time of the last touch, by index of the key */
};
void vmsim__reuse_fini(struct vmsim__alloc *alloc, struct vmsim__reuse *r);
/* Key `index` is touched at `time`: the first time when index is the number of keys so far, and the host may then have
 * no memory: false, and nothing happened. */
bool vmsim__reuse_touch(struct vmsim__alloc *alloc, struct vmsim__reuse *r, uint32_t index, uint64_t time);

uint32_t vmsim__reuse_bucket(uint64_t time);
uint64_t vmsim__reuse_bound(uint32_t bucket);

/* Distances of last touches from the end of a run of `time` touches: the very last touch is at 1. */
void vmsim__reuse_ends(const struct vmsim__reuse *r, uint64_t time, struct vmsim__reuse_histogram *ends);
/* In thousandths of keys, for windows as long as `bucket`'s bound, which is not above `time`. */
uint64_t vmsim__reuse_footprint(const struct vmsim__reuse *r, const struct vmsim__reuse_histogram *ends, uint64_t time,
                                uint32_t bucket);
uint64_t vmsim__reuse_working_set(const struct vmsim__reuse *r, const struct vmsim__reuse_histogram *ends,
                                  uint64_t time, uint32_t bucket);

#endif
