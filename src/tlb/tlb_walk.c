/* SPDX-License-Identifier: MIT */
/* What paging-structure caches learn and forget: see tlb/tlb_walk.h. */
#include "tlb/tlb_walk.h"

#include <string.h>

/* LRU, whatever the arrays use: no vendor documents another order for these caches. */
void vmsim__tlb_walk_fill(const struct vmsim__tlb *t, struct tlb_walk_cache *c, uint64_t va,
                          const struct vmsim__walk *w) {
    VMSIM__ASSERT(c->level > w->level && c->level < t->format->levels);
    uint64_t tag = tlb_walk_tag(c, va, t->asid), now = t->now;
    uint32_t set = c->sets == 1 ? 0 : (uint32_t)((tag >> 16) % c->sets), at = tlb_wide_replace(&c->wide, set, tag, now);
    unsigned below = c->level - 1u;
    c->evict += c->tag[at] != TLB_INVALID;
    c->tag[at] = tag;
    c->use[at] = now;
    c->way[at] = (struct tlb_walk_way){w->table[below], w->table_host[below], w->table_flags[below]};
}

static void walk_clear(struct tlb_walk_cache *c, uint32_t at) {
    VMSIM__ASSERT(at < c->entries && c->tag[at] != TLB_INVALID);
    tlb_wide_remove(&c->wide, at, c->tag[at]);
    c->tag[at] = TLB_INVALID;
    c->use[at] = 0;
    vmsim__tlb_wide_empty(&c->wide, at);
    c->flush++;
}

void vmsim__tlb_walk_drop_va(struct vmsim__tlb *t, uint16_t asid, uint64_t va) {
    for (unsigned level = 1; level < t->format->levels; level++) {
        struct tlb_walk_cache *c = &t->walk_cache[level];
        uint32_t at = c->entries ? tlb_wide_find(&c->wide, tlb_walk_tag(c, va, asid)) : TLB_NOBODY;
        if (at != TLB_NOBODY)
            walk_clear(c, at);
    }
}

/* All of them: a new epoch begins. Epoch 0 is never, so that an empty key is nobody's. */
static void forget_leaf_tables(struct vmsim__tlb *t) {
    t->leaf_epoch = (t->leaf_epoch + 1) % TLB_LEAF_EPOCHS;
    if (!t->leaf_epoch) {
        memset(t->leaf, 0, sizeof t->leaf);
        t->leaf_epoch = 1;
    }
}

unsigned vmsim__tlb_walk_drop_asid(struct vmsim__tlb *t, uint16_t asid) {
    unsigned dropped = 0;
    forget_leaf_tables(t);
    for (unsigned level = 1; level < VMSIM__PT_LEVELS; level++) {
        struct tlb_walk_cache *c = &t->walk_cache[level];
        for (uint32_t at = 0; at < c->entries; at++)
            if (c->tag[at] != TLB_INVALID && (uint16_t)c->tag[at] == asid) {
                walk_clear(c, at);
                dropped++;
            }
    }
    return dropped;
}

unsigned vmsim__tlb_walk_drop_all(struct vmsim__tlb *t) {
    unsigned dropped = 0;
    forget_leaf_tables(t);
    for (unsigned level = 1; level < VMSIM__PT_LEVELS; level++) {
        struct tlb_walk_cache *c = &t->walk_cache[level];
        for (uint32_t at = 0; at < c->entries; at++)
            if (c->tag[at] != TLB_INVALID) {
                walk_clear(c, at);
                dropped++;
            }
    }
    return dropped;
}
