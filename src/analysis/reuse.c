/* SPDX-License-Identifier: MIT */
/* Histograms of times, and windows from them (see reuse.h). */
#include "analysis/reuse.h"

#include <string.h>

#include "base/util.h"

#define EXACT 8u /* buckets of one time each */

void vmsim__reuse_fini(struct vmsim__alloc *alloc, struct vmsim__reuse *r) {
    vmsim__vec_fini(alloc, &r->last);
}

/* Above 8: the octave (2^k, 2^(k+1)] is cut into four. */
uint32_t vmsim__reuse_bucket(uint64_t time) {
    VMSIM__ASSERT(time > 0);
    if (time <= EXACT)
        return (uint32_t)time - 1;
    unsigned k = vmsim__log2(time - 1);
    uint64_t quarter = (time - 1 - (UINT64_C(1) << k)) >> (k - 2);
    return EXACT + (k - 3) * 4 + (uint32_t)quarter;
}

/* Small times are told apart one by one, longer ones in quarters of a power of two: a bucket is a quarter as wide as
 * the times in it, at most. */
uint64_t vmsim__reuse_bound(uint32_t bucket) {
    VMSIM__ASSERT(bucket < VMSIM__REUSE_BUCKETS);
    if (bucket < EXACT)
        return bucket + 1;
    unsigned k = 3 + (bucket - EXACT) / 4;
    uint64_t quarters = (bucket - EXACT) % 4 + 1;
    return k == 63 && quarters == 4 ? UINT64_MAX : (UINT64_C(1) << k) + (quarters << (k - 2));
}

static void add(struct vmsim__reuse_histogram *h, uint64_t time) {
    uint32_t bucket = vmsim__reuse_bucket(time);
    h->count[bucket]++;
    h->sum[bucket] += time;
}

bool vmsim__reuse_touch(struct vmsim__alloc *alloc, struct vmsim__reuse *r, uint32_t index, uint64_t time) {
    VMSIM__ASSERT(index <= r->last.count && time > 0);
    if (index == r->last.count) {
        if (!vmsim__vec_push(alloc, &r->last, time))
            return false;
        add(&r->first, time);
        return true;
    }
    VMSIM__ASSERT(r->last.at[index] < time);
    add(&r->between, time - r->last.at[index]);
    r->last.at[index] = time;
    return true;
}

void vmsim__reuse_ends(const struct vmsim__reuse *r, uint64_t time, struct vmsim__reuse_histogram *ends) {
    memset(ends, 0, sizeof *ends);
    for (size_t i = 0; i < r->last.count; i++)
        add(ends, time - r->last.at[i] + 1);
}

/* Sum of (t - w) over all times t beyond w, the bound of `bucket`. */
static unsigned __int128 beyond(const struct vmsim__reuse_histogram *h, uint32_t bucket) {
    unsigned __int128 sum = 0;
    uint64_t w = vmsim__reuse_bound(bucket);
    for (uint32_t i = bucket + 1; i < VMSIM__REUSE_BUCKETS; i++)
        sum += h->sum[i] - (unsigned __int128)w * h->count[i];
    return sum;
}

/* Sum of min(t, w). */
static unsigned __int128 within(const struct vmsim__reuse_histogram *h, uint32_t bucket) {
    unsigned __int128 sum = 0;
    uint64_t w = vmsim__reuse_bound(bucket);
    for (uint32_t i = 0; i < VMSIM__REUSE_BUCKETS; i++)
        sum += i <= bucket ? h->sum[i] : (unsigned __int128)w * h->count[i];
    return sum;
}

/* All windows hold all keys, less the keys that windows miss: those that lie between two touches of it, before its
 * first or behind its last. */
uint64_t vmsim__reuse_footprint(const struct vmsim__reuse *r, const struct vmsim__reuse_histogram *ends, uint64_t time,
                                uint32_t bucket) {
    uint64_t w = vmsim__reuse_bound(bucket);
    VMSIM__ASSERT(w <= time);
    unsigned __int128 windows = time - w + 1, all = windows * r->last.count;
    unsigned __int128 missed = beyond(&r->between, bucket) + beyond(&r->first, bucket) + beyond(ends, bucket);
    VMSIM__ASSERT(missed <= all);
    return (uint64_t)((all - missed) * 1000 / windows);
}

/* A touch keeps its key in the working set until the window has passed or the key is touched again. */
uint64_t vmsim__reuse_working_set(const struct vmsim__reuse *r, const struct vmsim__reuse_histogram *ends,
                                  uint64_t time, uint32_t bucket) {
    VMSIM__ASSERT(time > 0);
    return (uint64_t)((within(&r->between, bucket) + within(ends, bucket)) * 1000 / time);
}
