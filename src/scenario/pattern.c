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
    VMSIM__ASSERT(a || b);
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

/* From ranks to granules, once instead of at each draw. An entry's own rank is its place. */
static void alias_spread(struct vmsim__alias *alias, uint64_t n, uint64_t spread) {
    VMSIM__ASSERT(n > 0 && n < TABLE_MAX && spread > 0);
    for (uint64_t rank = 0; rank < n; rank++) {
        alias[rank].own = (uint32_t)((unsigned __int128)rank * spread % n);
        alias[rank].other = (uint32_t)((unsigned __int128)alias[rank].other * spread % n);
    }
}

/* Sums in 128 bits: weights are fixed-point numbers of 64, and there are up to 2^32 of them. What is needed only while
 * the table is built is given back, since a touch of 16 GiB has four million granules. */
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
    if (ok) {
        alias_build(r->alias, scaled, todo, n, total);
        alias_spread(r->alias, n, spread_of(n));
    }
    if (scaled)
        vmsim__free_aligned(r->alloc, scaled, 16, n * sizeof *scaled);
    if (todo)
        vmsim__free(r->alloc, todo, n * sizeof *todo);
    return ok ? 0 : VMSIM_ENOMEM;
}

#define WALKERS 256u

/* A part of the cycle: from granule `index << shift` to the first one that begins another part. */
struct walker {
    uint32_t at, follower;
    uint64_t length, place;
};

/* All walkers take a step in turn, so that many of the loads, each of which waits for memory, are under way at once.
 * Writes each granule to `order` at its walker's place, or NULL: finds lengths and followers. */
static void walk_parts(struct walker *w, uint32_t walkers, unsigned shift, const uint32_t *next, uint32_t *order) {
    VMSIM__ASSERT(walkers > 0 && walkers <= WALKERS && next);
    uint32_t active[WALKERS], count = walkers;
    for (uint32_t i = 0; i < walkers; i++) {
        active[i] = i;
        w[i].at = i << shift;
        w[i].length = 0;
    }
    while (count)
        for (uint32_t i = 0; i < count;) {
            struct walker *one = &w[active[i]];
            if (order)
                order[one->place + one->length] = one->at;
            one->length++;
            one->at = next[one->at];
            bool end = !(one->at & ((1u << shift) - 1)) && one->at >> shift < walkers;
            if (end) {
                one->follower = one->at >> shift;
                active[i] = active[--count];
            } else {
                i++;
            }
        }
}

/* From each granule's successor to the order of the cycle from granule 0 on. */
static void order_cycle(const uint32_t *next, uint32_t *order, uint64_t n) {
    struct walker w[WALKERS];
    unsigned shift = n > WALKERS ? vmsim__log2(n / WALKERS) : 0;
    uint32_t walkers = (uint32_t)vmsim__min64(n, WALKERS), k = 0;
    uint64_t place = 0;
    VMSIM__ASSERT(n > 0 && n < TABLE_MAX && (uint64_t)(walkers - 1) << shift < n);
    walk_parts(w, walkers, shift, next, NULL);
    do {
        w[k].place = place;
        place += w[k].length;
        k = w[k].follower;
    } while (k);
    VMSIM__ASSERT(place == n);
    walk_parts(w, walkers, shift, next, order);
}

/* One cycle through all granules (Sattolo's shuffle). A shuffle of any other kind makes several cycles, and a chase
 * would never leave the one that it starts in. It is kept in the order of the chase: to follow successors would cost a
 * miss of the host's caches for each reference. */
static int chase_init(struct vmsim__references *r) {
    VMSIM__ASSERT(r->granules > 0 && !r->chase);
    uint64_t n = r->granules;
    uint32_t *next = vmsim__calloc(r->alloc, n, sizeof *next);
    r->chase = vmsim__calloc(r->alloc, n, sizeof *r->chase);
    bool ok = next && r->chase;
    for (uint64_t i = 0; ok && i < n; i++)
        next[i] = (uint32_t)i;
    for (uint64_t i = n - 1; ok && i > 0; i--) {
        uint64_t j = vmsim__rng_below(&r->rng, i);
        uint32_t t = next[i];
        next[i] = next[j];
        next[j] = t;
    }
    if (ok)
        order_cycle(next, r->chase, n);
    if (next)
        vmsim__free(r->alloc, next, n * sizeof *next);
    return ok ? 0 : VMSIM_ENOMEM;
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
    if (r->chase)
        vmsim__free(r->alloc, r->chase, r->granules * sizeof *r->chase);
    r->alias = NULL;
    r->chase = NULL;
}

/* Draws of one call, in registers: the stream, which goes back in the end, and packed references of granule 0. */
struct drawing {
    struct vmsim__rng rng;
    uint64_t write, stored; /* millionths; what a draw is below if it is a store */
    uint64_t load, store, stride;
};

/* vmsim__rng_below(rng, MILLION) < share, told by the draw itself: share < MILLION. */
static uint64_t draws_below(uint64_t share) {
    VMSIM__ASSERT(share < MILLION);
    return (uint64_t)((((unsigned __int128)share << 64) + MILLION - 1) / MILLION);
}

/* What each reference needs is made once a batch: both words with base, size and type in place, so that a draw is an
 * addition, and the share of stores as a bound on 64 random bits, so that it is a comparison. */
static struct drawing drawing_of(const struct vmsim__references *r) {
    VMSIM__ASSERT(r->granules > 0);
    return (struct drawing){.rng = r->rng,
                            .write = r->write,
                            .stored = r->write < MILLION ? draws_below(r->write) : 0,
                            .load = (r->base << 7) + vmsim_access_make(0, r->bytes, (enum vmsim_access_type)r->load),
                            .store = (r->base << 7) + vmsim_access_make(0, r->bytes, VMSIM_STORE),
                            .stride = r->stride << 7};
}

/* Without a branch: chance is what no processor predicts. */
VMSIM__INLINE uint64_t one_of(bool first, uint64_t a, uint64_t b) {
    return b ^ ((a ^ b) & -(uint64_t)first);
}

/* What comes next, were it of granule 0: is it a store? */
VMSIM__INLINE uint64_t draw_code(struct drawing *d) {
    if (!d->write)
        return d->load;
    if (d->write >= MILLION)
        return d->store;
    return one_of(vmsim__rng_next(&d->rng) < d->stored, d->store, d->load);
}

VMSIM__INLINE vmsim_access reference(const struct drawing *d, uint64_t granule, uint64_t code) {
    return code + granule * d->stride;
}

/* Draws whose entries are fetched while others are looked at: most of a large table is far away. */
#define ZIPF_AHEAD 64

/* The stream gives a rank and a store's chance for each reference in turn; what the table makes of the ranks comes
 * after, so the values do not depend on how many are drawn ahead. */
static void fill_zipf(struct vmsim__references *r, vmsim_access *restrict out, size_t n) {
    struct drawing d = drawing_of(r);
    const struct vmsim__alias *entry[ZIPF_AHEAD];
    uint64_t chance[ZIPF_AHEAD], code[ZIPF_AHEAD];
    VMSIM__ASSERT(r->alias);
    for (size_t done = 0; done < n;) {
        size_t some = n - done < ZIPF_AHEAD ? n - done : ZIPF_AHEAD;
        for (size_t i = 0; i < some; i++) {
            unsigned __int128 product = (unsigned __int128)vmsim__rng_next(&d.rng) * r->granules;
            entry[i] = &r->alias[(uint64_t)(product >> 64)];
            __builtin_prefetch(entry[i]);
            chance[i] = (uint64_t)product;
            code[i] = draw_code(&d);
        }
        for (size_t i = 0; i < some; i++) {
            bool other = (chance[i] >= entry[i]->keep) & (entry[i]->keep != UINT64_MAX);
            out[done++] = reference(&d, one_of(other, entry[i]->other, entry[i]->own), code[i]);
        }
    }
    r->rng = d.rng;
}

static void fill_uniform(struct vmsim__references *r, vmsim_access *restrict out, size_t n) {
    VMSIM__ASSERT(r->granules > 0);
    struct drawing d = drawing_of(r);
    for (size_t i = 0; i < n; i++) {
        uint64_t granule = vmsim__rng_below(&d.rng, r->granules);
        out[i] = reference(&d, granule, draw_code(&d));
    }
    r->rng = d.rng;
}

/* Without a branch a draw: whether one is hot is a matter of chance, so that the host would often guess wrong. A mask
 * chooses among the two numbers of granules and the two first ones. */
static void fill_hot_cold(struct vmsim__references *r, vmsim_access *restrict out, size_t n) {
    struct drawing d = drawing_of(r);
    const uint64_t cold = r->granules - r->hot, share = cold ? vmsim__min64(r->hot_share, MILLION) : MILLION;
    const uint64_t last = share < MILLION ? draws_below(share) - 1 : UINT64_MAX; /* draw of a hot one */
    /* From cold to hot: the number of granules, and the first. Without a share both are cold. */
    const uint64_t number = share ? r->hot ^ cold : 0, first = share ? r->hot : 0;
    VMSIM__ASSERT(r->hot > 0 && r->hot <= r->granules);
    for (size_t i = 0; i < n; i++) {
        uint64_t hot = -(uint64_t)(vmsim__rng_next(&d.rng) <= last);
        uint64_t granule = vmsim__rng_below(&d.rng, cold ^ (number & hot)) + (r->hot ^ (first & hot));
        out[i] = reference(&d, granule, draw_code(&d));
    }
    r->rng = d.rng;
}

/* The permutation was made before. The program waits for each of these loads; the simulator need not, and reads it like
 * any table. */
static void fill_chase(struct vmsim__references *r, vmsim_access *restrict out, size_t n) {
    struct drawing d = drawing_of(r);
    uint64_t at = r->position;
    VMSIM__ASSERT(r->chase && at < r->granules);
    for (size_t i = 0; i < n; i++) {
        out[i] = reference(&d, r->chase[at], draw_code(&d));
        at = at + 1 == r->granules ? 0 : at + 1;
    }
    r->position = at;
    r->rng = d.rng;
}

static void fill_in_turn(struct vmsim__references *r, vmsim_access *restrict out, size_t n) {
    struct drawing d = drawing_of(r);
    uint64_t at = r->position;
    VMSIM__ASSERT(at < r->granules);
    for (size_t i = 0; i < n; i++) {
        out[i] = reference(&d, at, draw_code(&d));
        at = at + 1 == r->granules ? 0 : at + 1;
    }
    r->position = at;
    r->rng = d.rng;
}

static void fill_backward(struct vmsim__references *r, vmsim_access *restrict out, size_t n) {
    struct drawing d = drawing_of(r);
    VMSIM__ASSERT(r->position < r->granules);
    for (size_t i = 0; i < n; i++) {
        out[i] = reference(&d, r->granules - 1 - r->position, draw_code(&d));
        r->position = r->position + 1 == r->granules ? 0 : r->position + 1;
    }
    r->rng = d.rng;
}

/* One call a chunk: within a pattern's own loop nothing is asked that does not change. The draws of a step are the
 * same however it is cut into chunks. */
size_t vmsim__references_fill(struct vmsim__references *r, vmsim_access *out, size_t n) {
    static void (*const fill[])(struct vmsim__references *, vmsim_access *, size_t) = {
        [VMSIM__PATTERN_UNIFORM] = fill_uniform,    [VMSIM__PATTERN_ZIPF] = fill_zipf,
        [VMSIM__PATTERN_HOT_COLD] = fill_hot_cold,  [VMSIM__PATTERN_POINTER_CHASE] = fill_chase,
        [VMSIM__PATTERN_SEQUENTIAL] = fill_in_turn, [VMSIM__PATTERN_STRIDE] = fill_in_turn,
        [VMSIM__PATTERN_BACKWARD] = fill_backward,
    };
    n = vmsim__min64(n, r->left);
    VMSIM__ASSERT(r->pattern < VMSIM__COUNT(fill) && fill[r->pattern]);
    fill[r->pattern](r, out, n);
    r->left -= n;
    return n;
}
