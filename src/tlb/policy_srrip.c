/* SPDX-License-Identifier: MIT */
/* TLB replacement "srrip": static re-reference interval prediction with hit priority.
 *
 * Each entry has a prediction of `bits` bits: 2^bits - 2 when it comes (long), 0 when it is used (near). The victim is
 * the first entry predicted most distant (2^bits - 1); while there is none, all of the set grow by one. (Jaleel,
 * Theobald, Steely, Emer: "High Performance Cache Replacement Using Re-Reference Interval Prediction", ISCA 2010.)
 *
 * Hits are not reported to policies for speed: an entry whose last use is later than the last time this policy looked
 * at it was used since, so its prediction counts as 0. */
#include <stddef.h>

#include "tlb/tlb_internal.h"

struct srrip_params {
    uint64_t bits;
};

/* An entry in a word: the last_use for which its prediction stands, and the prediction. */
#define DISTANCE_BITS 8
static uint64_t entry(uint64_t seen, uint64_t distance) {
    VMSIM__ASSERT(seen < UINT64_C(1) << (64 - DISTANCE_BITS) && distance < 1 << DISTANCE_BITS);
    return seen << DISTANCE_BITS | distance;
}

struct srrip {
    const struct vmsim_policy_services *services;
    uint32_t ways;
    uint64_t distant; /* 2^bits - 1 */
    size_t bytes;
    uint64_t at[];
};

static const struct vmsim_param srrip_table[] = {{.name = "bits",
                                                  .type = VMSIM_PARAM_UINT,
                                                  .offset = offsetof(struct srrip_params, bits),
                                                  .fallback = "2",
                                                  .min = 1,
                                                  .max = DISTANCE_BITS,
                                                  .doc = "Width of the prediction (2 in the paper)."},
                                                 {0}};

static int srrip_create(const struct vmsim_policy_services *services, const struct vmsim_tlb_geometry *g,
                        const void *params, void **context) {
    size_t bytes = sizeof(struct srrip) + (size_t)g->sets * g->ways * sizeof(uint64_t);
    struct srrip *s = services->allocate(services->host, bytes);
    if (!s)
        return VMSIM_ENOMEM;
    s->services = services;
    s->ways = g->ways;
    s->distant = (UINT64_C(1) << ((const struct srrip_params *)params)->bits) - 1;
    s->bytes = bytes;
    *context = s;
    return 0;
}

static void srrip_destroy(void *context) {
    struct srrip *s = context;
    s->services->release(s->services->host, s, s->bytes);
}

/* What was used since is near. Behind an entry of the most distant prediction that may wait for the next look: nothing
 * grows meanwhile. */
static uint32_t srrip_victim(void *context, const struct vmsim_tlb_set *set) {
    VMSIM__ASSERT(set->ways > 0 && set->first + set->ways <= ((const struct srrip *)context)->ways);
    struct srrip *s = context;
    uint64_t *e = s->at + (size_t)set->set * s->ways, most = 0;
    uint32_t at = set->first;
    for (uint32_t w = set->first; w < set->first + set->ways; w++) {
        if (e[w] >> DISTANCE_BITS != set->last_use[w])
            e[w] = entry(set->last_use[w], 0);
        uint64_t distance = e[w] & ((1 << DISTANCE_BITS) - 1);
        if (distance == s->distant)
            return w;
        if (distance > most) {
            most = distance;
            at = w;
        }
    }
    for (uint32_t w = set->first; w < set->first + set->ways; w++)
        e[w] += s->distant - most;
    return at;
}

static void srrip_fill(void *context, const struct vmsim_tlb_set *set, uint32_t way) {
    struct srrip *s = context;
    s->at[(size_t)set->set * s->ways + way] = entry(set->last_use[way], s->distant - 1);
}

const struct vmsim_tlb_replacement_policy vmsim__tlb_srrip = {
    .policy = {sizeof vmsim__tlb_srrip, VMSIM_POLICY_ABI, VMSIM_POLICY_TLB_REPLACEMENT, "srrip",
               "Evicts the entry predicted to be used again latest (SRRIP, hit priority).", srrip_table,
               sizeof(struct srrip_params)},
    .create = srrip_create,
    .destroy = srrip_destroy,
    .victim = srrip_victim,
    .fill = srrip_fill};
