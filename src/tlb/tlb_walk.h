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

/* The cache learns of a walk that began above it. */
void vmsim__tlb_walk_fill(const struct vmsim__tlb *t, struct tlb_walk_cache *c, uint64_t va,
                          const struct vmsim__walk *w);

VMSIM__INLINE uint64_t tlb_leaf_key(const struct vmsim__tlb *t, uint64_t va) {
    return tlb_va57(va) >> t->format->shift[1] << 16 | t->leaf_tag;
}
VMSIM__INLINE struct tlb_leaf_table *tlb_leaf(struct vmsim__tlb *t, uint64_t va) {
    return &t->leaf[va >> t->format->shift[1] & (TLB_LEAF_TABLES - 1)];
}
/* The entry of level 1 for va in its table. */
VMSIM__INLINE uint64_t tlb_upper_entry(const struct vmsim__pt_format *f, const void *table, uint64_t va) {
    uint64_t index = va >> f->shift[1] & ((UINT64_C(1) << f->index_bits[1]) - 1);
    return f->entry_bytes == 8 ? ((const uint64_t *)table)[index] : ((const uint32_t *)table)[index];
}

/* After a walk that read the entry of level 1. */
VMSIM__INLINE void tlb_remember_leaf_table(struct vmsim__tlb *t, uint64_t va, const struct vmsim__walk *w) {
    if (VMSIM__LIKELY(w->table_flags[0] == VMSIM__PTE_RWXU))
        *tlb_leaf(t, va) = (struct tlb_leaf_table){
            tlb_leaf_key(t, va), tlb_upper_entry(t->format, w->table_host[1], va), w->table[0], w->table_host[0]};
}

/* A walk from what the cache of level 1 + `level` holds; from the leaf table at once where that is known. That is one
 * reference more, then: the entry of level 1 was read here. */
VMSIM__INLINE bool tlb_walk_below(struct vmsim__tlb *t, uint64_t va, unsigned mode, unsigned level,
                                  const struct tlb_walk_way *way, struct vmsim__walk *w) {
    if (VMSIM__LIKELY(level == 1)) {
        const struct tlb_leaf_table *leaf = tlb_leaf(t, va);
        if (VMSIM__LIKELY(leaf->key == tlb_leaf_key(t, va) && way->flags == VMSIM__PTE_RWXU &&
                          leaf->raw == tlb_upper_entry(t->format, way->host, va))) {
            bool ok = vmsim__mmu_walk_from(t->pt, va, mode, 0, leaf->pfn, leaf->host, VMSIM__PTE_RWXU, w);
            w->refs++;
            return ok;
        }
    }
    bool ok = vmsim__mmu_walk_from(t->pt, va, mode, level, way->table, way->host, way->flags, w);
    if (ok && level && !w->level)
        tlb_remember_leaf_table(t, va, w);
    return ok;
}

/* A hardware walk for t->pt and t->asid through the walk caches, which it fills: those that did not know, after the
 * walk and from its result alone, so that a walk that faulted leaves nothing behind. False: w->fault. */
VMSIM__INLINE bool tlb_walk(struct vmsim__tlb *t, uint64_t va, unsigned mode, struct vmsim__walk *w) {
    struct tlb_walk_cache *const *at = t->walk_list, *c;
    bool ok;
    for (;; at++) {
        c = *at;
        if (VMSIM__UNLIKELY(!c)) {
            ok = vmsim__mmu_walk(t->pt, va, mode, w);
            if (ok && t->format->levels > 1 && !w->level)
                tlb_remember_leaf_table(t, va, w);
            break;
        }
        uint32_t e = tlb_wide_find(&c->wide, tlb_walk_tag(c, va, t->asid));
        if (e != TLB_NOBODY) {
            const struct tlb_walk_way *way = &c->way[e];
            c->hit++;
            c->use[e] = t->now;
            if (c->evict) /* its order is asked for */
                tlb_wide_touch(&c->wide, e, t->now);
            ok = tlb_walk_below(t, va, mode, c->level - 1u, way, w);
            break;
        }
        c->miss++;
    }
    if (VMSIM__UNLIKELY(!ok))
        return false;
    for (struct tlb_walk_cache *const *missed = t->walk_list; missed < at; missed++)
        if (VMSIM__LIKELY((*missed)->level > w->level))
            vmsim__tlb_walk_fill(t, *missed, va, w);
    return true;
}

#endif
