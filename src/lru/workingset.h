/* SPDX-License-Identifier: MIT */
/* Refaults: how long ago was the page evicted that comes again, in pages that came and went meanwhile?
 *
 *     shadow (59 bits): eviction 36 | workingset 1 | node 6 | memcg 16
 *
 * Every lruvec has a clock, nonresident_age, that counts evictions and activations. The shadow of an evicted page keeps
 * its reading; at the refault the difference is how many more pages would have had to fit for the page to be there
 * still. Where that many sit on the active lists the page is made active at once. Kernel counterpart: mm/workingset.c.
 */
#ifndef VMSIM__WORKINGSET_H
#define VMSIM__WORKINGSET_H
#include "lru/memcg.h"

#define VMSIM__EVICTION_BITS 36u /* 64 less tag, workingset, 10 of node, 16 of memcg, as in the kernel on 64 bits */
#define VMSIM__EVICTION_MASK ((UINT64_C(1) << VMSIM__EVICTION_BITS) - 1)

struct vmsim__shadow {
    uint16_t memcg; /* whose list the page was reclaimed for */
    uint8_t node;
    bool workingset;   /* it had been active */
    uint64_t eviction; /* clock, in buckets */
};
#define VMSIM__NO_SHADOW UINT64_MAX /* the page leaves none */
uint64_t vmsim__shadow_pack(struct vmsim__shadow s);
struct vmsim__shadow vmsim__shadow_unpack(uint64_t packed);

/* log2 of the clock's ticks a bucket: 0 unless there is more memory than 36 bits count. */
unsigned vmsim__workingset_bucket_order(uint64_t totalram_pages);
/* Ticks between a shadow's reading and `now`. */
uint64_t vmsim__refault_distance(uint64_t now, uint64_t eviction, unsigned bucket_order);

/* Advances the clock of a lruvec and of those above it. */
void vmsim__workingset_age(struct vmsim__lruvec *v, uint64_t pages);
/* The folio is evicted on behalf of cgroup `target` (the root for global reclaim): its shadow. */
uint64_t vmsim__workingset_eviction(struct vmsim__lru *lru, vmsim__pfn pfn, uint16_t target);
/* Would a page with this shadow be there with all active pages' room? False, too, for a cgroup that is gone. */
bool vmsim__workingset_test_recent(struct vmsim__lru *lru, uint64_t shadow, bool file, bool *workingset);
/* A folio that is not on a list yet takes the place of a shadow: counters, and perhaps ACTIVE and WORKINGSET. */
void vmsim__workingset_refault(struct vmsim__lru *lru, vmsim__pfn pfn, uint64_t shadow);
/* Reclaim of this type costs: it wrote pages or working set came back (`io` pages), and pages were scanned in vain. */
void vmsim__lru_note_cost(struct vmsim__lruvec *v, bool file, uint64_t io, uint64_t rotated);

#endif
