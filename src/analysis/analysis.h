/* SPDX-License-Identifier: MIT */
/* A pass over references that gives curves (vmsim/curve.h), as analysis/ and report/ see it.
 *
 *     curve --- tasks     number, name, its first series
 *           `-- series    [all tasks x page sizes][task 0 x page sizes][task 1 ...      one more row with `per_task`
 *                           |-- stack      distance and number of a page         stack.h
 *                           |-- distances  how many touches had each distance
 *                           |-- reuse      times between touches                 reuse.h
 *                           `-- sets       TLBs of all sizes                     tlb_sets.h
 *
 * A page is a key of 64 bits: its address space above, its number below. */
#ifndef VMSIM__ANALYSIS_H
#define VMSIM__ANALYSIS_H
#include "analysis/reuse.h"
#include "analysis/stack.h"
#include "analysis/tlb_sets.h"
#include "base/err.h"
#include "vmsim/curve.h"

#define VMSIM__CURVE_GROUPS 16u /* of sampled pages, for the deviation */

struct vmsim__curve_series {
    uint32_t task;
    unsigned page_shift;
    uint64_t touches, sampled, cold;
    struct vmsim__stack stack;
    struct {
        VMSIM__VEC(uint64_t);
    } distances; /* [distance], or [distance * GROUPS + group] when pages are sampled */
    uint64_t group_cold[VMSIM__CURVE_GROUPS];
    struct vmsim__reuse reuse;
    struct vmsim__tlb_sets sets;
};
struct vmsim__curve_task {
    uint32_t task;
    char *name;      /* NULL: unknown */
    uint32_t series; /* first of its own; 0: it has none */
};

struct vmsim_curve {
    struct vmsim__err err;
    struct vmsim__alloc *alloc;
    struct vmsim_curve_options options; /* defaults filled in */
    struct {
        VMSIM__VEC(struct vmsim__curve_series *);
    } series;
    struct {
        VMSIM__VEC(struct vmsim__curve_task);
    } tasks; /* in the order of their first references */
    uint64_t references;
    bool broken; /* the host had no memory in the middle of a reference: nothing can be added any more */
};

static inline bool vmsim__curve_samples(const struct vmsim_curve *c) {
    return c->options.sample < VMSIM_CURVE_ALL;
}

#endif
