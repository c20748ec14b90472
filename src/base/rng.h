/* SPDX-License-Identifier: MIT */
/* xoshiro256** with splitmix64 seeding: the only source of chance in vmsim. Same seed, same numbers, everywhere.
 * (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2018; written from the paper.) */
#ifndef VMSIM__RNG_H
#define VMSIM__RNG_H
#include <stdint.h>

struct vmsim__rng {
    uint64_t s[4];
};
void vmsim__rng_seed(struct vmsim__rng *r, uint64_t seed);
/* An independent stream for a named user of chance: a function of (seed, name) alone. */
void vmsim__rng_seed_named(struct vmsim__rng *r, uint64_t seed, const char *name);

static inline uint64_t vmsim__rng_next(struct vmsim__rng *r) {
    uint64_t *s = r->s, m = s[1] * 5, out = (m << 7 | m >> 57) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = s[3] << 45 | s[3] >> 19;
    return out;
}
/* Uniform in [0, bound), bound > 0: the high half of a 128-bit product (bias below 2^-64 * bound). */
static inline uint64_t vmsim__rng_below(struct vmsim__rng *r, uint64_t bound) {
    return (uint64_t)(((unsigned __int128)vmsim__rng_next(r) * bound) >> 64);
}

#endif
