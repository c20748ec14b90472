/* SPDX-License-Identifier: MIT */
/* TLB replacement "ship": who brought an entry tells whether it will be used again.
 *
 *     signature (of the instruction, or of the page) --> counter of 3 bits       0: what it brings dies unused
 *                                                          ^   ^
 *                          + 1 when an entry is used again |   | - 1 when one goes that never was
 *
 * Below it is SRRIP (tlb/policy_srrip.c): an entry comes with a long prediction, or with the most distant one if the
 * counter of its signature is 0, so that a scan passes through one way of each set. The counters begin at 1: nothing is
 * dead that has not died once. (Wu, Jaleel, Hasenplaugh, Martonosi, Steely, Emer: "SHiP: Signature-based Hit Predictor
 * for High Performance Caching", MICRO 2011: 16 K counters of 3 bits, predictions of 2 bits.)
 *
 * As with SRRIP, hits are not reported: an entry whose last use has moved since this policy last looked at it was used.
 * It looks when a victim is searched, so counters learn of a hit then, and once for each stay of an entry. */
#include <stddef.h>

#include "tlb/tlb_internal.h"

#define SHIP_BITS 14 /* of a signature */
#define SHIP_MOST 7  /* of a counter */
#define SHIP_DISTANT 3
#define SHIP_REGION 4 /* log2 of the base pages that share a signature by page */

enum { SHIP_BY_PC, SHIP_BY_PAGE };

struct ship_params {
    int by;
};

struct ship_entry {
    uint64_t seen; /* last_use when this was written */
    uint16_t signature;
    uint8_t distance; /* 0 near .. SHIP_DISTANT */
    bool reused;
};

struct ship {
    const struct vmsim_policy_services *services;
    uint64_t *predicted_dead, *died_unused; /* counters */
    uint32_t ways;
    int by;
    size_t bytes;
    uint8_t counter[1u << SHIP_BITS];
    struct ship_entry at[];
};

static const char *const ship_by[] = {"pc", "page", NULL};
static const struct vmsim_param ship_table[] = {{.name = "by",
                                                 .type = VMSIM_PARAM_ENUM,
                                                 .offset = offsetof(struct ship_params, by),
                                                 .fallback = "pc",
                                                 .choices = ship_by,
                                                 .doc = "What predicts: the instruction (pc), or the page's region of "
                                                        "16 base pages. References without fetches have no pc."},
                                                {0}};

/* Counters begin at 1: a signature that was never seen is neither trusted nor taken for dead. */
static int ship_create(const struct vmsim_policy_services *services, const struct vmsim_tlb_geometry *g,
                       const void *params, void **context) {
    size_t bytes = sizeof(struct ship) + (size_t)g->sets * g->ways * sizeof(struct ship_entry);
    struct ship *s = services->allocate(services->host, bytes);
    if (!s)
        return VMSIM_ENOMEM;
    *context = s;
    s->services = services;
    s->ways = g->ways;
    s->by = ((const struct ship_params *)params)->by;
    s->bytes = bytes;
    for (uint32_t i = 0; i < VMSIM__COUNT(s->counter); i++)
        s->counter[i] = 1;
    s->predicted_dead = services->counter(services->host, "predicted_dead");
    s->died_unused = services->counter(services->host, "died_unused");
    return s->predicted_dead && s->died_unused ? 0 : VMSIM_ENOMEM;
}

static void ship_destroy(void *context) {
    struct ship *s = context;
    s->services->release(s->services->host, s, s->bytes);
}

static uint16_t signature_of(const struct ship *s, const struct vmsim_tlb_set *set) {
    uint64_t key = s->by == SHIP_BY_PC ? set->pc : set->page >> SHIP_REGION;
    return (uint16_t)((key ^ key >> SHIP_BITS ^ key >> 2 * SHIP_BITS) & ((1u << SHIP_BITS) - 1));
}

/* What was used since the last look: near, and a point for its signature. */
static void learn(struct ship *s, struct ship_entry *e, uint64_t last_use) {
    VMSIM__ASSERT(e->signature < VMSIM__COUNT(s->counter));
    if (e->seen == last_use)
        return;
    uint8_t *counter = &s->counter[e->signature];
    *counter = (uint8_t)(*counter + (!e->reused && *counter < SHIP_MOST));
    e->seen = last_use;
    e->distance = 0;
    e->reused = true;
}

/* What goes unused teaches its signature; the others age by as much as the victim lacked, as in RRIP, in one step
 * instead of many rounds. */
static uint32_t ship_victim(void *context, const struct vmsim_tlb_set *set) {
    struct ship *s = context;
    struct ship_entry *e = s->at + (size_t)set->set * s->ways;
    VMSIM__ASSERT(set->ways > 0 && set->first + set->ways <= s->ways);
    uint32_t at = set->first;
    for (uint32_t w = set->first; w < set->first + set->ways; w++) {
        learn(s, &e[w], set->last_use[w]);
        at = e[w].distance > e[at].distance ? w : at;
    }
    uint8_t step = (uint8_t)(SHIP_DISTANT - e[at].distance), *counter = &s->counter[e[at].signature];
    for (uint32_t w = set->first; w < set->first + set->ways; w++)
        e[w].distance = (uint8_t)(e[w].distance + step);
    *counter = (uint8_t)(*counter - (!e[at].reused && *counter));
    *s->died_unused += !e[at].reused;
    return at;
}

static void ship_fill(void *context, const struct vmsim_tlb_set *set, uint32_t way) {
    struct ship *s = context;
    uint16_t signature = signature_of(s, set);
    bool dead = !s->counter[signature];
    VMSIM__ASSERT(way < s->ways);
    *s->predicted_dead += dead;
    s->at[(size_t)set->set * s->ways + way] =
        (struct ship_entry){set->last_use[way], signature, (uint8_t)(SHIP_DISTANT - !dead), false};
}

const struct vmsim_tlb_replacement_policy vmsim__tlb_ship = {
    .policy = {sizeof vmsim__tlb_ship, VMSIM_POLICY_ABI, VMSIM_POLICY_TLB_REPLACEMENT, "ship",
               "SRRIP that learns which instructions (or pages) bring what dies unused (SHiP).", ship_table,
               sizeof(struct ship_params)},
    .create = ship_create,
    .destroy = ship_destroy,
    .victim = ship_victim,
    .fill = ship_fill,
    .wants = VMSIM_TLB_WANTS_ACCESS};
