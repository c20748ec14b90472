/* SPDX-License-Identifier: MIT */
/* Seeding of the generator in rng.h. splitmix64 spreads any seed, 0 included, over the 256 bits of state, which must
 * not be all zero; a stream's name enters through FNV-1a, so that streams do not depend on the order of their making.
 */
#include "base/rng.h"

static uint64_t splitmix64(uint64_t *x) {
    uint64_t z = *x += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

void vmsim__rng_seed(struct vmsim__rng *r, uint64_t seed) {
    for (unsigned i = 0; i < 4; i++)
        r->s[i] = splitmix64(&seed);
}

void vmsim__rng_seed_named(struct vmsim__rng *r, uint64_t seed, const char *name) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (const char *c = name; *c; c++)
        hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
    vmsim__rng_seed(r, splitmix64(&seed) ^ hash);
}
