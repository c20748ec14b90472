/* SPDX-License-Identifier: MIT */
/* Generators of references (see pattern.h). No floating point: weights are fixed point, draws are 128-bit products. */
#include "scenario/pattern.h"

#include "base/util.h"
#include "vmsim/error.h"

#define MILLION 1000000u
#define TABLE_MAX (UINT64_C(1) << 32)

/* log2 of x >= 1 with 32 fraction bits, by repeated squaring of the mantissa. */
static uint64_t log2_fixed(uint64_t x) {
    VMSIM__ASSERT(x > 0);
    unsigned whole = vmsim__log2(x);
    uint64_t mantissa = x << (63 - whole), result = (uint64_t)whole << 32; /* 1.63 */
    for (unsigned bit = 0; bit < 32; bit++) {
        unsigned __int128 square = (unsigned __int128)mantissa * mantissa; /* 2.126 */
        bool carry = (square >> 127) != 0;
        mantissa = (uint64_t)(square >> (carry ? 64 : 63));
        result |= (uint64_t)carry << (31 - bit);
    }
    return result;
}

/* 2^-y, y with 32 fraction bits, as 0.52 fixed point: the series of exp(-f ln 2) in 0.60. */
static uint64_t exp2_negative(uint64_t y) {
    const uint64_t one = UINT64_C(1) << 60, ln2 = UINT64_C(799144290325165979); /* floor(ln 2 * 2^60) */
    uint64_t f = (uint64_t)(((unsigned __int128)(y & UINT32_MAX) * ln2) >> 32), term = one, sum = one;
    for (unsigned k = 1; k < 24 && term; k++) {
        term = (uint64_t)(((unsigned __int128)term * f) >> 60) / k;
        sum = k & 1 ? sum - term : sum + term;
    }
    uint64_t whole = y >> 32;
    return whole > 52 ? 0 : sum >> 8 >> whole;
}

/* rank^-exponent, rank from 1, as 0.52 fixed point, at least 1 so that every rank can come. */
static uint64_t zipf_weight(uint64_t rank, uint64_t exponent) {
    VMSIM__ASSERT(rank > 0);
    if (exponent == MILLION)
        return vmsim__max64((UINT64_C(1) << 52) / rank, 1);
    unsigned __int128 y = (unsigned __int128)log2_fixed(rank) * exponent / MILLION;
    return vmsim__max64(exp2_negative(y >> 40 ? UINT64_C(1) << 40 : (uint64_t)y), 1);
}

/* Vose's construction: ranks below their fair share borrow from one above it. `todo` is scratch of n numbers. With it
 * a draw costs two numbers and one comparison, whatever the size of the table. */
static void alias_build(struct vmsim__alias *alias, unsigned __int128 *scaled, uint32_t *todo, uint64_t n,
                        unsigned __int128 total) {
    VMSIM__ASSERT(n > 0 && n < TABLE_MAX && total > 0);
    uint64_t small = 0, large = n; /* todo[0..small) are poor, todo[large..n) are rich */
    for (uint64_t i = 0; i < n; i++)
        todo[scaled[i] < total ? small++ : --large] = (uint32_t)i;
    while (small && large < n) {
        uint32_t poor = todo[--small], rich = todo[large];
        unsigned __int128 keep = (scaled[poor] << 32) / ((total >> 32) + 1);
        alias[poor].keep = (uint64_t)keep;
        alias[poor].other = rich;
        scaled[rich] -= total - scaled[poor];
        if (scaled[rich] < total) {
            large++;
            todo[small++] = rich;
        }
    }
    while (large < n)
        alias[todo[large++]].keep = UINT64_MAX;
    while (small)
        alias[todo[--small]].keep = UINT64_MAX;
}

static uint64_t gcd(uint64_t a, uint64_t b) {
    while (b) {
        uint64_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

/* A multiplier near n / golden ratio without a common factor: rank -> rank * spread mod n is a permutation. Popular
 * ranks would lie side by side otherwise, and share pages: what is hot in real programs does not. */
static uint64_t spread_of(uint64_t n) {
    VMSIM__ASSERT(n > 0);
    uint64_t k = (uint64_t)(((unsigned __int128)n * UINT64_C(11400714819323198485)) >> 64) | 1;
    while (gcd(k, n) != 1)
        k++;
    return k;
}

static int zipf_init(struct vmsim__references *r, uint64_t exponent) {
    VMSIM__ASSERT(r->granules > 0 && !r->alias);
    uint64_t n = r->granules;
    r->alias = vmsim__calloc(r->alloc, n, sizeof *r->alias);
    unsigned __int128 *scaled = vmsim__calloc_aligned(r->alloc, 16, n * sizeof *scaled), total = 0;
    uint32_t *todo = vmsim__calloc(r->alloc, n, sizeof *todo);
    bool ok = r->alias && scaled && todo;
    for (uint64_t i = 0; ok && i < n; i++) {
        uint64_t w = zipf_weight(i + 1, exponent);
        scaled[i] = (unsigned __int128)w * n;
        total += w;
    }
    if (ok)
        alias_build(r->alias, scaled, todo, n, total);
    r->spread = spread_of(n);
    if (scaled)
        vmsim__free_aligned(r->alloc, scaled, 16, n * sizeof *scaled);
    if (todo)
        vmsim__free(r->alloc, todo, n * sizeof *todo);
    return ok ? 0 : VMSIM_ENOMEM;
}

/* One cycle through all granules (Sattolo's shuffle). A shuffle of any other kind makes several cycles, and a chase
 * would never leave the one that it starts in. */
static int chase_init(struct vmsim__references *r) {
    VMSIM__ASSERT(r->granules > 0 && !r->next);
    uint64_t n = r->granules;
    r->next = vmsim__calloc(r->alloc, n, sizeof *r->next);
    if (!r->next)
        return VMSIM_ENOMEM;
    for (uint64_t i = 0; i < n; i++)
        r->next[i] = (uint32_t)i;
    for (uint64_t i = n - 1; i > 0; i--) {
        uint64_t j = vmsim__rng_below(&r->rng, i);
        uint32_t t = r->next[i];
        r->next[i] = r->next[j];
        r->next[j] = t;
    }
    return 0;
}

/* Each step draws from a stream named by its job and number, so that adding a step elsewhere changes nothing here. */
int vmsim__references_init(struct vmsim__references *r, struct vmsim__alloc *a, const struct vmsim__step_touch *step,
                           uint64_t base, uint64_t length, uint64_t seed, const char *stream) {
    VMSIM__ASSERT(step->stride > 0);
    *r = (struct vmsim__references){
        .alloc = a,
        .base = base,
        .stride = step->stride,
        .granules = vmsim__max64((length + step->stride - 1) / step->stride, 1),
        .write = step->write,
        .hot_share = step->hot_share,
        .bytes = (uint32_t)vmsim__min64(step->size, vmsim__max64(length, 1)),
        .pattern = (uint8_t)step->pattern,
        .load = step->fetch ? VMSIM_FETCH : VMSIM_LOAD,
    };
    r->left = step->count ? step->count : r->granules;
    r->hot = vmsim__max64((uint64_t)((unsigned __int128)r->granules * step->hot / MILLION), 1);
    VMSIM__ASSERT(r->granules > 0 && r->left > 0);
    vmsim__rng_seed_named(&r->rng, seed, stream);
    bool table = r->pattern == VMSIM__PATTERN_ZIPF || r->pattern == VMSIM__PATTERN_POINTER_CHASE;
    if (table && r->granules >= TABLE_MAX)
        return VMSIM_ELIMIT;
    if (r->pattern == VMSIM__PATTERN_ZIPF)
        return zipf_init(r, step->exponent);
    return r->pattern == VMSIM__PATTERN_POINTER_CHASE ? chase_init(r) : 0;
}

void vmsim__references_fini(struct vmsim__references *r) {
    if (r->alias)
        vmsim__free(r->alloc, r->alias, r->granules * sizeof *r->alias);
    if (r->next)
        vmsim__free(r->alloc, r->next, r->granules * sizeof *r->next);
    r->alias = NULL;
    r->next = NULL;
}

static uint64_t draw_zipf(struct vmsim__references *r) {
    VMSIM__ASSERT(r->alias);
    unsigned __int128 product = (unsigned __int128)vmsim__rng_next(&r->rng) * r->granules;
    uint64_t rank = (uint64_t)(product >> 64);
    if ((uint64_t)product >= r->alias[rank].keep && r->alias[rank].keep != UINT64_MAX)
        rank = r->alias[rank].other;
    return (uint64_t)((unsigned __int128)rank * r->spread % r->granules);
}

static uint64_t draw_hot_cold(struct vmsim__references *r) {
    VMSIM__ASSERT(r->hot > 0);
    bool hot = vmsim__rng_below(&r->rng, MILLION) < r->hot_share || r->hot >= r->granules;
    return hot ? vmsim__rng_below(&r->rng, r->hot) : r->hot + vmsim__rng_below(&r->rng, r->granules - r->hot);
}

static uint64_t next_granule(struct vmsim__references *r) {
    uint64_t at = r->position;
    switch ((enum vmsim__pattern)r->pattern) {
    case VMSIM__PATTERN_UNIFORM:
        return vmsim__rng_below(&r->rng, r->granules);
    case VMSIM__PATTERN_ZIPF:
        return draw_zipf(r);
    case VMSIM__PATTERN_HOT_COLD:
        return draw_hot_cold(r);
    case VMSIM__PATTERN_POINTER_CHASE:
        r->position = r->next[at];
        return at;
    default:
        r->position = at + 1 == r->granules ? 0 : at + 1;
        return at;
    }
}

static bool is_write(struct vmsim__references *r) {
    return r->write && (r->write >= MILLION || vmsim__rng_below(&r->rng, MILLION) < r->write);
}

size_t vmsim__references_fill(struct vmsim__references *r, vmsim_access *out, size_t n) {
    size_t made = 0;
    for (; made < n && r->left; made++, r->left--) {
        VMSIM__ASSERT(r->position < r->granules);
        uint64_t va = r->base + next_granule(r) * r->stride;
        out[made] = vmsim_access_make(va, r->bytes, is_write(r) ? VMSIM_STORE : (enum vmsim_access_type)r->load);
    }
    return made;
}
