/* SPDX-License-Identifier: MIT */
/* TLB prefetch "distance": the distances between misses predict the next ones.
 *
 *     distance d ---> last `slots` distances that followed a d        miss page p, distance d to the miss before:
 *        (direct-mapped table of `rows` rows)                         fetch p + each distance in d's row
 *
 * (Kandiraju and Sivasubramaniam: "Going the Distance for TLB Prefetching", ISCA 2002.) */
#include <stddef.h>

#include "tlb/tlb_internal.h"

#define SLOTS_MAX 8

struct distance_params {
    uint64_t rows, slots;
};

struct distance_row {
    bool used;
    uint8_t count, next;
    int64_t distance;
    int64_t follows[SLOTS_MAX];
};

struct distance {
    const struct vmsim_policy_services *services;
    uint64_t rows, slots, page; /* page: of the last miss */
    int64_t before;             /* the last distance */
    unsigned misses;            /* 0, 1, 2: how much of page and before is known */
    struct distance_row row[];
};

static const struct vmsim_param distance_table[] = {
    {.name = "rows",
     .type = VMSIM_PARAM_UINT,
     .offset = offsetof(struct distance_params, rows),
     .fallback = "256",
     .min = 1,
     .max = 1 << 16,
     .doc = "Rows of the table of distances."},
    {.name = "slots",
     .type = VMSIM_PARAM_UINT,
     .offset = offsetof(struct distance_params, slots),
     .fallback = "2",
     .min = 1,
     .max = SLOTS_MAX,
     .doc = "Distances remembered in a row, and so pages fetched at a time."},
    {0}};

static size_t distance_bytes(uint64_t rows) {
    return sizeof(struct distance) + (size_t)rows * sizeof(struct distance_row);
}

/* Rows behind the head in one block: a miss touches the head and one row. */
static int distance_create(const struct vmsim_policy_services *services, const void *params, void **context) {
    const struct distance_params *p = params;
    struct distance *d = services->allocate(services->host, distance_bytes(p->rows));
    if (!d)
        return VMSIM_ENOMEM;
    d->services = services;
    d->rows = p->rows;
    d->slots = p->slots;
    *context = d;
    return 0;
}

static void distance_destroy(void *context) {
    struct distance *d = context;
    d->services->release(d->services->host, d, distance_bytes(d->rows));
}

/* By the distance's bits: negative ones are as good as others. */
static struct distance_row *row_of(struct distance *d, int64_t distance) {
    VMSIM__ASSERT(d->rows > 0);
    return &d->row[(uint64_t)distance % d->rows];
}

/* A row that belongs to another distance is taken over whole. What is known already stays in its slot. */
static void learn(struct distance *d, int64_t distance) {
    VMSIM__ASSERT(d->misses == 2);
    struct distance_row *r = row_of(d, d->before);
    if (!r->used || r->distance != d->before)
        *r = (struct distance_row){.used = true, .distance = d->before};
    for (unsigned i = 0; i < r->count; i++)
        if (r->follows[i] == distance)
            return;
    r->follows[r->next] = distance;
    r->next = (uint8_t)((r->next + 1u) % d->slots);
    r->count = (uint8_t)(r->count < d->slots ? r->count + 1u : r->count);
}

/* Learning first, so that a pattern of two is known at its third miss. A prefetch that was useful counts as a miss:
 * without it there had been one. */
static uint32_t distance_miss(void *context, const struct vmsim_tlb_miss *miss, uint64_t *pages, uint32_t limit) {
    struct distance *d = context;
    int64_t now = (int64_t)(miss->page - d->page);
    uint32_t count = 0;
    if (d->misses == 2)
        learn(d, now);
    if (d->misses >= 1) {
        const struct distance_row *r = row_of(d, now);
        if (r->used && r->distance == now)
            for (; count < r->count && count < limit; count++)
                pages[count] = miss->page + (uint64_t)r->follows[count];
    }
    d->before = now;
    d->page = miss->page;
    d->misses += d->misses < 2;
    VMSIM__ASSERT(count <= limit);
    return count;
}

const struct vmsim_tlb_prefetch_policy vmsim__tlb_prefetch_distance = {
    .policy = {sizeof vmsim__tlb_prefetch_distance, VMSIM_POLICY_ABI, VMSIM_POLICY_TLB_PREFETCH, "distance",
               "Fetches what followed the last distance between misses before.", distance_table,
               sizeof(struct distance_params)},
    .create = distance_create,
    .destroy = distance_destroy,
    .miss = distance_miss,
    .useful = distance_miss};
