/* SPDX-License-Identifier: MIT */
/* Generators of references: the access patterns of described programs.
 *
 * A pattern chooses granules (`stride` bytes each) of a range; every choice comes from one random stream and integer
 * arithmetic, so a seed gives the same references everywhere. zipf draws ranks by the alias method (one table of 16
 * bytes a granule, O(1) a draw) with weights rank^-exponent in 52-bit fixed point, and spreads ranks over the range so
 * that popularity is not locality. */
#ifndef VMSIM__PATTERN_H
#define VMSIM__PATTERN_H
#include "base/alloc.h"
#include "base/rng.h"
#include "scenario/scenario_spec.h"
#include "vmsim/access.h"

/* Of a rank: the granule that it is spread to, and the one of the rank that it shares its place with. */
struct vmsim__alias {
    uint64_t keep; /* probability of its own, of 2^64; UINT64_MAX: always */
    uint32_t own, other;
};

struct vmsim__references {
    struct vmsim__alloc *alloc;
    struct vmsim__rng rng;
    uint64_t base, granules, stride, left; /* left: references still to come */
    uint64_t position;
    uint64_t write, hot, hot_share; /* millionths; hot in granules */
    struct vmsim__alias *alias;     /* zipf */
    uint32_t *chase;                /* pointer-chase: the granules in their order from 0 on */
    uint32_t bytes;
    uint8_t pattern, load; /* load: enum vmsim_access_type of what is no store */
};

/* References of `step` over [base, base + length). 0, VMSIM_ENOMEM, or VMSIM_ELIMIT for a table of over 2^32 granules.
 */
int vmsim__references_init(struct vmsim__references *r, struct vmsim__alloc *a, const struct vmsim__step_touch *step,
                           uint64_t base, uint64_t length, uint64_t seed, const char *stream);
void vmsim__references_fini(struct vmsim__references *r);
/* The next up to `n` references; 0: no more. */
size_t vmsim__references_fill(struct vmsim__references *r, vmsim_access *out, size_t n);

#endif
