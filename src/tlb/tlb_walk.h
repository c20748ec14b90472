/* SPDX-License-Identifier: MIT */
/* The hardware walker: paging-structure caches and the walks that start from them.
 *
 * A cache of level n holds entries of level n that point to a table (n = 1: PDEs), tagged with the address bits that
 * select the entry. The walk starts below the lowest level that hits, so a full 4-level walk of a 4 KiB page reads 4
 * entries and one with a PDE-cache hit reads 1. Leaves are never cached here, nor is anything of a walk that faulted.
 * An entry keeps the host address of the table, so that a walk from it asks nobody where a frame lives. */
#ifndef VMSIM__TLB_WALK_H
#define VMSIM__TLB_WALK_H
#include "tlb/tlb_internal.h"

VMSIM__INLINE uint64_t tlb_walk_tag(const struct tlb_walk_cache *c, uint64_t va, uint16_t asid) {
    return tlb_va57(va) >> c->shift << 16 | asid;
}

VMSIM__INLINE uint32_t tlb_walk_set(const struct tlb_walk_cache *c, uint64_t tag) {
    return VMSIM__LIKELY(c->sets == 1) ? 0 : (uint32_t)((tag >> 16) % c->sets);
}
/* The entry with this tag, or TLB_NOBODY. */
VMSIM__INLINE uint32_t tlb_walk_scan(const struct tlb_walk_cache *c, uint64_t tag) {
    uint32_t set = tlb_walk_set(c, tag), newest = c->link[c->oldest[set]].older;
    if (VMSIM__LIKELY(c->tag[newest] == tag))
        return newest;
    for (uint32_t e = set * c->ways; e < (set + 1) * c->ways; e++)
        if (c->tag[e] == tag)
            return e;
    return TLB_NOBODY;
}
/* Entry e was used now, after all others of its set. */
VMSIM__INLINE void tlb_walk_touch(struct tlb_walk_cache *c, uint32_t e) {
    uint32_t *oldest = &c->oldest[VMSIM__LIKELY(c->sets == 1) ? 0 : e / c->ways];
    struct tlb_walk_link *l = c->link;
    uint32_t newest = l[*oldest].older;
    if (VMSIM__LIKELY(newest == e))
        return;
    if (*oldest == e) {
        *oldest = l[e].newer;
        return;
    }
    l[l[e].older].newer = l[e].newer;
    l[l[e].newer].older = l[e].older;
    l[e] = (struct tlb_walk_link){*oldest, newest};
    l[newest].newer = e;
    l[*oldest].older = e;
}

/* The cache learns of a walk that began above it: where the table is that its entry for va points to. Returns its
 * place. LRU, whatever the arrays use: no vendor documents another order for these caches. */
VMSIM__INLINE uint32_t tlb_walk_fill(struct tlb_walk_cache *c, uint64_t tag, struct tlb_walk_way way) {
    uint32_t *oldest = &c->oldest[tlb_walk_set(c, tag)], e = *oldest;
    bool empty = c->tag[e] == TLB_INVALID;
    *c->valid += empty;
    c->evict += !empty;
    c->tag[e] = tag;
    c->way[e] = way;
    *oldest = c->link[e].newer;
    return e;
}

VMSIM__INLINE uint64_t tlb_leaf_key(const struct vmsim__tlb *t, uint64_t va) {
    return tlb_va57(va) >> t->format->shift[1] << 16 | t->leaf_tag;
}
VMSIM__INLINE struct tlb_leaf_table *tlb_leaf(struct vmsim__tlb *t, uint64_t va) {
    return &t->leaf[va >> t->format->shift[1] & (TLB_LEAF_TABLES - 1)];
}
VMSIM__INLINE uint64_t tlb_middle_key(const struct vmsim__tlb *t, uint64_t va) {
    return tlb_va57(va) >> t->format->shift[2] << 16 | t->leaf_tag;
}
VMSIM__INLINE struct tlb_leaf_table *tlb_middle(struct vmsim__tlb *t, uint64_t va) {
    return &t->middle[va >> t->format->shift[2] & (TLB_MIDDLE_TABLES - 1)];
}
VMSIM__INLINE uint64_t tlb_upper_key(const struct vmsim__tlb *t, uint64_t va) {
    return tlb_va57(va) >> t->format->shift[3] << 16 | t->leaf_tag;
}
VMSIM__INLINE struct tlb_leaf_table *tlb_upper(struct vmsim__tlb *t, uint64_t va) {
    return &t->upper[va >> t->format->shift[3] & (TLB_UPPER_TABLES - 1)];
}

/* How a walk is made for an access of `type`: the bits are the same, but for a read-modify-write, a write to the
 * walker.
 */
VMSIM__INLINE unsigned tlb_walk_mode(unsigned type, bool user) {
    static_assert(VMSIM_STORE == VMSIM__WALK_WRITE && VMSIM_FETCH == VMSIM__WALK_FETCH && VMSIM_RMW == 3, "bits");
    return (type == VMSIM_RMW ? VMSIM__WALK_WRITE : type) | (user ? VMSIM__WALK_USER : 0);
}

/* A walk for an access of `type` to va faulted: counted, and told. */
VMSIM__INLINE void tlb_fault(struct vmsim__tlb *t, const struct vmsim__walk *w, unsigned type, uint64_t va,
                             struct vmsim__tlb_stop *stop) {
    t->counter[VMSIM__TLB_faults]++;
    *stop = (struct vmsim__tlb_stop){w->fault, w->level, type & VMSIM_STORE, type == VMSIM_FETCH, va};
}

/* So many accesses of each type were completed. */
VMSIM__INLINE void tlb_count_types(struct vmsim__tlb *t, const uint64_t count[4]) {
    t->counter[VMSIM__TLB_loads] += count[VMSIM_LOAD];
    t->counter[VMSIM__TLB_stores] += count[VMSIM_STORE] + count[VMSIM_RMW];
    t->counter[VMSIM__TLB_fetches] += count[VMSIM_FETCH];
    t->counter[VMSIM__TLB_accesses] += count[VMSIM_LOAD] + count[VMSIM_STORE] + count[VMSIM_RMW] + count[VMSIM_FETCH];
}

/* A hardware walk for t->pt and t->asid through the walk caches, which it fills: those that did not know, after the
 * walk and from its result alone, so that a walk that faulted leaves nothing behind. False: w->fault. */
bool vmsim__tlb_walk(struct vmsim__tlb *t, uint64_t va, unsigned mode, struct vmsim__walk *w);

#endif
