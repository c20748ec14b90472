/* SPDX-License-Identifier: MIT */
/* Sets of many ways: found by hashing, ordered by a list that is mended late. For walk caches and arrays of more than 8
 * ways.
 *
 *     hash of tag --> head --> entry --> entry        one chain a bucket, mostly empty or of one
 *
 *     set:  newest <-> ... <-> oldest                 sorted by `seen`, the last_use when the entry was last placed
 *
 * A touch of an array stores last_use and nothing else, so the list falls behind. It is mended where that shows: when a
 * victim is wanted and the oldest entry was touched since it was placed, it is placed anew by its true time. When it
 * was not, it is the least recently used of the set: every other entry has last_use >= its seen >= this one's seen. So
 * the victim is exact, and costs O(1) where entries are seldom used again, as in the sets that miss most. */
#include <string.h>

#include "tlb/tlb_internal.h"

#define NOBODY UINT32_MAX

bool vmsim__tlb_wide_create(struct tlb_wide *x, struct vmsim__alloc *a, const uint64_t *tag, const uint64_t *use,
                            uint32_t sets, uint32_t ways) {
    VMSIM__ASSERT(sets > 0 && ways > 0);
    uint32_t entries = sets * ways, buckets = (entries > 256 ? UINT32_C(2) : UINT32_C(8)) << vmsim__log2(entries);
    *x = (struct tlb_wide){.tag = tag, .use = use, .entries = entries, .sets = sets, .buckets = buckets};
    x->hash_shift = (uint8_t)(64 - vmsim__log2(buckets));
    x->head = vmsim__malloc(a, buckets * sizeof *x->head);
    x->node = vmsim__calloc(a, entries, sizeof *x->node);
    x->end = vmsim__calloc(a, sets, sizeof *x->end);
    if (!x->head || !x->node || !x->end)
        return false;
    memset(x->head, 0xff, buckets * sizeof *x->head);
    for (uint32_t s = 0; s < sets; s++) {
        x->end[s].oldest = s * ways;
        x->end[s].newest = s * ways + ways - 1;
        for (uint32_t e = s * ways; e < (s + 1) * ways; e++) {
            x->node[e].set = s;
            x->node[e].older = e > s * ways ? e - 1 : NOBODY;
            x->node[e].newer = e + 1 < (s + 1) * ways ? e + 1 : NOBODY;
        }
    }
    return true;
}

void vmsim__tlb_wide_destroy(struct tlb_wide *x, struct vmsim__alloc *a) {
    vmsim__free(a, x->head, x->buckets * sizeof *x->head);
    vmsim__free(a, x->node, x->entries * sizeof *x->node);
    vmsim__free(a, x->end, x->sets * sizeof *x->end);
    x->head = NULL;
    x->node = NULL;
    x->end = NULL;
}

/* Puts e where `seen` says: from the newest on, as recent uses are what it mostly is about. */
static void place_entry(struct tlb_wide *x, uint32_t e, uint64_t seen) {
    VMSIM__ASSERT(e < x->entries);
    struct tlb_wide_node *n = &x->node[e];
    uint32_t older = x->end[n->set].newest, newer = NOBODY;
    while (older != NOBODY && x->node[older].seen > seen) {
        newer = older;
        older = x->node[older].older;
    }
    n->seen = seen;
    n->older = older;
    n->newer = newer;
    if (older == NOBODY)
        x->end[n->set].oldest = e;
    else
        x->node[older].newer = e;
    if (newer == NOBODY)
        x->end[n->set].newest = e;
    else
        x->node[newer].older = e;
}

uint32_t vmsim__tlb_wide_oldest(struct tlb_wide *x, uint32_t set) {
    VMSIM__ASSERT(set < x->sets);
    uint32_t e;
    while (e = x->end[set].oldest, x->use[e] != x->node[e].seen) {
        tlb_wide_unlink(x, e);
        place_entry(x, e, x->use[e]);
    }
    return e;
}

/* An empty entry is older than all others: it goes to the end from which victims are taken. */
void vmsim__tlb_wide_empty(struct tlb_wide *x, uint32_t e) {
    VMSIM__ASSERT(e < x->entries && !x->use[e]);
    struct tlb_wide_node *n = &x->node[e];
    uint32_t oldest = x->end[n->set].oldest;
    n->seen = 0;
    if (oldest == e)
        return;
    tlb_wide_unlink(x, e);
    n->older = NOBODY;
    n->newer = oldest;
    x->node[oldest].older = e;
    x->end[n->set].oldest = e;
}
