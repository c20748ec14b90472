/* SPDX-License-Identifier: MIT */
/* Hits of set-associative TLBs of all sizes at once: for each power of two of sets, a list of the keys used last in
 * each set, newest first. A use that finds its key at place w hits with w + 1 ways and more.
 *
 *     sets 1    [ k9 k2 k7 ... ]                              32 places a set
 *     sets 2    [ k2 ... ] [ k9 k7 ... ]
 *     sets 4    [ ... ] [ k9 ...] [ k2 ...] [ k7 ... ]        a set of 2 sets is split over two of 4
 *
 * What is first in its set stays first when sets are split; so a use looks at more and more sets only until it finds
 * its key in the first place (Hill and Smith, "Evaluating associativity in CPU caches", 1989). */
#ifndef VMSIM__TLB_SETS_H
#define VMSIM__TLB_SETS_H
#include "base/alloc.h"

#define VMSIM__TLB_SETS_WAYS 32u
#define VMSIM__TLB_SETS_LEVELS 13u /* 1 to 4096 sets */

struct vmsim__tlb_sets {
    uint32_t levels;                                             /* 0: off */
    uint64_t *keys[VMSIM__TLB_SETS_LEVELS];                      /* key + 1, 0: empty */
    uint64_t hits[VMSIM__TLB_SETS_LEVELS][VMSIM__TLB_SETS_WAYS]; /* at each place */
    uint64_t first_from[VMSIM__TLB_SETS_LEVELS];                 /* uses first in their set from this level on */
};
/* `sets`: the most, a power of two. False: no host memory. */
bool vmsim__tlb_sets_init(struct vmsim__alloc *alloc, struct vmsim__tlb_sets *t, uint32_t sets);
void vmsim__tlb_sets_fini(struct vmsim__alloc *alloc, struct vmsim__tlb_sets *t);
/* Uses `key`, whose set is chosen by its low bits. */
void vmsim__tlb_sets_use(struct vmsim__tlb_sets *t, uint64_t key);
uint64_t vmsim__tlb_sets_hits(const struct vmsim__tlb_sets *t, uint32_t sets, uint32_t ways);

#endif
