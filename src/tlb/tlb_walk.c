/* SPDX-License-Identifier: MIT */
/* The hardware walker: paging-structure caches and the walks that start from them.
 *
 * A cache of level n holds entries of level n that point to a table (n = 1: PDEs), tagged with the address bits that
 * select the entry. The walk starts below the lowest level that hits, so a full 4-level walk of a 4 KiB page reads 4
 * entries and one with a PDE-cache hit reads 1. Leaves are never cached here, nor is anything of a walk that faulted.
 * An entry keeps the host address of the table, so that a walk from it asks nobody where a frame lives. */
#include <string.h>

#include "tlb/tlb_internal.h"

VMSIM__INLINE uint64_t walk_tag(const struct vmsim__tlb *t, uint64_t va, uint16_t asid, unsigned level) {
    return tlb_va57(va) >> t->format->shift[level] << 16 | asid;
}

VMSIM__INLINE uint32_t walk_set(const struct tlb_walk_cache *c, uint64_t tag) {
    VMSIM__ASSERT(c->sets > 0);
    return c->sets == 1 ? 0 : (uint32_t)((tag >> 16) % c->sets);
}

/* LRU, whatever the arrays use: no vendor documents another order for these caches. */
static void walk_fill(struct vmsim__tlb *t, uint64_t va, unsigned level, const struct vmsim__walk *w) {
    VMSIM__ASSERT(level > 0 && level < t->format->levels);
    struct tlb_walk_cache *c = &t->walk_cache[level];
    if (!c->entries)
        return;
    uint64_t tag = walk_tag(t, va, t->asid, level);
    uint32_t at = vmsim__tlb_wide_oldest(&c->wide, walk_set(c, tag));
    if (c->tag[at] != TLB_INVALID) {
        c->evict++;
        vmsim__tlb_wide_remove(&c->wide, at, c->tag[at]);
    }
    c->tag[at] = tag;
    c->use[at] = t->now;
    vmsim__tlb_wide_insert(&c->wide, at, tag, t->now);
    c->way[at] = (struct tlb_walk_way){w->table[level - 1], w->table_host[level - 1], w->table_flags[level - 1]};
}

/* The lowest level at which a cache hits, or 0. */
static unsigned walk_start(struct vmsim__tlb *t, uint64_t va, uint32_t *at) {
    for (unsigned level = 1; level < t->format->levels; level++) {
        struct tlb_walk_cache *c = &t->walk_cache[level];
        if (!c->entries)
            continue;
        *at = vmsim__tlb_wide_find(&c->wide, walk_tag(t, va, t->asid, level));
        if (*at != TLB_NOBODY) {
            c->hit++;
            c->use[*at] = t->now;
            return level;
        }
        c->miss++;
    }
    return 0;
}

/* For the host's prefetches only: a stale hint costs a useless prefetch and never a wrong answer. */
static void remember_leaf_table(struct vmsim__tlb *t, uint64_t va, const struct vmsim__walk *w) {
    uint64_t key = tlb_va57(va) >> t->format->shift[1];
    if (w->level == 0) {
        t->hint[key % TLB_HINTS].key = key;
        t->hint[key % TLB_HINTS].host = w->table_host[0];
    }
}

/* Filled after the walk and from its result alone, so that a walk that faulted leaves nothing behind. */
bool vmsim__tlb_walk(struct vmsim__tlb *t, uint64_t va, unsigned mode, struct vmsim__walk *w) {
    const struct vmsim__pagetable *pt = t->pt;
    unsigned top = t->format->levels - 1u;
    uint32_t at = 0;
    unsigned cached = walk_start(t, va, &at);
    bool ok;
    if (cached) {
        VMSIM__ASSERT(cached < t->format->levels && at < t->walk_cache[cached].entries);
        const struct tlb_walk_way *way = &t->walk_cache[cached].way[at];
        ok = vmsim__mmu_walk_from(pt, va, mode, cached - 1, way->table, way->host, way->flags, w);
        top = cached - 1;
    } else {
        ok = vmsim__mmu_walk(pt, va, mode, w);
    }
    if (!ok)
        return false;
    for (unsigned level = top; level > w->level; level--)
        walk_fill(t, va, level, w);
    remember_leaf_table(t, va, w);
    return true;
}

static void walk_clear(struct tlb_walk_cache *c, uint32_t at) {
    VMSIM__ASSERT(at < c->entries && c->tag[at] != TLB_INVALID);
    vmsim__tlb_wide_remove(&c->wide, at, c->tag[at]);
    c->tag[at] = TLB_INVALID;
    c->use[at] = 0;
    vmsim__tlb_wide_empty(&c->wide, at);
    c->flush++;
}

void vmsim__tlb_walk_drop_va(struct vmsim__tlb *t, uint16_t asid, uint64_t va) {
    for (unsigned level = 1; level < t->format->levels; level++) {
        struct tlb_walk_cache *c = &t->walk_cache[level];
        uint32_t at = c->entries ? vmsim__tlb_wide_find(&c->wide, walk_tag(t, va, asid, level)) : TLB_NOBODY;
        if (at != TLB_NOBODY)
            walk_clear(c, at);
    }
}

unsigned vmsim__tlb_walk_drop_asid(struct vmsim__tlb *t, uint16_t asid) {
    unsigned dropped = 0;
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
