/* SPDX-License-Identifier: MIT */
/* The controller: which type to evict from, and which of its tiers. It compares shares of evicted pages that came back,
 *
 *     refaulted / total      of this generation, and half of the one before, a quarter of that before it, ...
 *
 * each weighed by a gain: a P controller with an exponential average in place of I, and no D. Kernel counterparts:
 * read_ctrl_pos, reset_ctrl_pos, positive_ctrl_err, get_tier_idx, get_type_to_scan of mm/vmscan.c. */
#include "reclaim/mglru.h"

struct vmsim__ctrl_pos vmsim__ctrl_pos_read(const struct vmsim__lru_gen *g, unsigned type, unsigned tier,
                                            unsigned gain) {
    VMSIM__ASSERT(type < VMSIM__LRU_GEN_TYPES && tier < VMSIM__MAX_NR_TIERS && !g->protected[type][0]);
    return (struct vmsim__ctrl_pos){.refaulted = g->avg_refaulted[type][tier] + g->refaulted[type][tier],
                                    .total =
                                        g->avg_total[type][tier] + g->evicted[type][tier] + g->protected[type][tier],
                                    .gain = gain};
}

void vmsim__ctrl_pos_carry(struct vmsim__lru_gen *g, unsigned type) {
    for (unsigned tier = 0; tier < VMSIM__MAX_NR_TIERS; tier++) {
        const struct vmsim__ctrl_pos p = vmsim__ctrl_pos_read(g, type, tier, 1);
        g->avg_refaulted[type][tier] = p.refaulted / 2;
        g->avg_total[type][tier] = p.total / 2;
        g->refaulted[type][tier] = g->evicted[type][tier] = g->protected[type][tier] = 0;
    }
}

bool vmsim__ctrl_accept(const struct vmsim__ctrl_pos *sp, const struct vmsim__ctrl_pos *pv) {
    return pv->refaulted < VMSIM__MIN_LRU_BATCH ||
           pv->refaulted * (sp->total + VMSIM__MIN_LRU_BATCH) * sp->gain <= (sp->refaulted + 1) * pv->total * pv->gain;
}

/* Tiers of the type, from 1 on, that do no worse than `sp`. */
static unsigned last_accepted(const struct vmsim__lru_gen *g, const struct vmsim__ctrl_pos *sp, unsigned type,
                              unsigned gain) {
    unsigned tier = 1;
    for (; tier < VMSIM__MAX_NR_TIERS; tier++) {
        const struct vmsim__ctrl_pos pv = vmsim__ctrl_pos_read(g, type, tier, gain);
        if (!vmsim__ctrl_accept(sp, &pv))
            break;
    }
    return tier - 1;
}

/* A margin of two to the first tier: less is chance. */
unsigned vmsim__tier_idx(const struct vmsim__lru_gen *g, unsigned type) {
    const struct vmsim__ctrl_pos sp = vmsim__ctrl_pos_read(g, type, 0, 1);
    return last_accepted(g, &sp, type, 2);
}

unsigned vmsim__type_to_scan(const struct vmsim__lru_gen *g, unsigned swappiness, unsigned *tier) {
    VMSIM__ASSERT(swappiness <= 200);
    const unsigned gain[VMSIM__LRU_GEN_TYPES] = {swappiness, 200 - swappiness};
    const struct vmsim__ctrl_pos anon = vmsim__ctrl_pos_read(g, VMSIM__LRU_GEN_ANON, 0, gain[VMSIM__LRU_GEN_ANON]);
    const struct vmsim__ctrl_pos file = vmsim__ctrl_pos_read(g, VMSIM__LRU_GEN_FILE, 0, gain[VMSIM__LRU_GEN_FILE]);
    const unsigned type = vmsim__ctrl_accept(&anon, &file) ? VMSIM__LRU_GEN_FILE : VMSIM__LRU_GEN_ANON;
    *tier = last_accepted(g, type == VMSIM__LRU_GEN_FILE ? &anon : &file, type, gain[type]);
    return type;
}
