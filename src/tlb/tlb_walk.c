/* SPDX-License-Identifier: MIT */
/* What paging-structure caches learn and forget: see tlb/tlb_walk.h. */
#include "tlb/tlb_walk.h"

#include <string.h>

/* An empty way is the first victim. */
static void walk_clear(struct tlb_walk_cache *c, uint32_t e) {
    VMSIM__ASSERT(e < c->entries && c->tag[e] != TLB_INVALID && *c->valid);
    c->tag[e] = TLB_INVALID;
    tlb_walk_touch(c, e);
    c->oldest[e / c->ways] = e;
    --*c->valid;
    c->flush++;
}

/* The entry for va, or TLB_NOBODY. Of level 1 the leaf table tells, if it is known, where it would be. */
static uint32_t locate(struct vmsim__tlb *t, const struct tlb_walk_cache *c, uint64_t va, uint16_t asid) {
    uint64_t tag = tlb_walk_tag(c, va, asid);
    const struct tlb_leaf_table *leaf = tlb_leaf(t, va);
    VMSIM__ASSERT(c->level < t->format->levels);
    if (c->level == 1 && asid == t->asid && leaf->key == tlb_leaf_key(t, va))
        return c->tag[leaf->entry] == tag ? leaf->entry : TLB_NOBODY;
    return tlb_walk_scan(c, tag);
}

/* For hardware that drops by address (SFENCE.VMA, TLBI VAE1); INVLPG drops more (tlb_flush.c). */
void vmsim__tlb_walk_drop_va(struct vmsim__tlb *t, uint16_t asid, uint64_t va) {
    for (struct tlb_walk_cache *const *list = t->walk_list; *list; list++) {
        uint32_t at = locate(t, *list, va, asid);
        if (at != TLB_NOBODY)
            walk_clear(*list, at);
    }
}

/* Where in its table the entry of `level` for va is. */
static uint64_t entry_at(const struct vmsim__pt_format *f, unsigned level, uint64_t va) {
    return (va >> f->shift[level] & ((UINT64_C(1) << f->index_bits[level]) - 1)) * f->entry_bytes;
}

/* The entry of `level` for va in its table. */
static uint64_t entry_in(const struct vmsim__pt_format *f, unsigned level, const void *table, uint64_t va) {
    uint64_t index = va >> f->shift[level] & ((UINT64_C(1) << f->index_bits[level]) - 1);
    return f->entry_bytes == 8 ? ((const uint64_t *)table)[index] : ((const uint32_t *)table)[index];
}

/* After a walk from `level` > 0 to a leaf of level 0. Where the walk cache has a leaf table is told by who looks or
 * fills. */
static void remember_tables(struct vmsim__tlb *t, uint64_t va, unsigned level, const struct vmsim__walk *w) {
    const struct vmsim__pt_format *f = t->format;
    VMSIM__ASSERT(level > 0 && !w->level);
    if (w->table_flags[0] != VMSIM__PTE_RWXU)
        return;
    *tlb_leaf(t, va) =
        (struct tlb_leaf_table){tlb_leaf_key(t, va), entry_in(f, 1, w->table_host[1], va), w->table_host[0], 0};
    if (level >= 2)
        *tlb_middle(t, va) =
            (struct tlb_leaf_table){tlb_middle_key(t, va), entry_in(f, 2, w->table_host[2], va), w->table_host[1], 0};
    if (level >= 3)
        *tlb_upper(t, va) =
            (struct tlb_leaf_table){tlb_upper_key(t, va), entry_in(f, 3, w->table_host[3], va), w->table_host[2], 0};
}

/* From what the cache of level 1 + `level` holds; from the leaf table at once where that is known. That is one
 * reference more, then: the entry of level 1 was read here. */
static bool walk_below(struct vmsim__tlb *t, uint64_t va, unsigned mode, unsigned level, const struct tlb_walk_way *way,
                       struct vmsim__walk *w) {
    const struct tlb_leaf_table *leaf = tlb_leaf(t, va);
    if (level == 1 && leaf->key == tlb_leaf_key(t, va) && way->flags == VMSIM__PTE_RWXU && leaf->raw &&
        leaf->raw == entry_in(t->format, 1, way->host, va)) {
        bool ok = vmsim__mmu_walk_from(t->pt, va, mode, 0, vmsim__pt_table_pfn(t->format, leaf->raw), leaf->host,
                                       VMSIM__PTE_RWXU, w);
        w->ref[1] = w->ref[0];
        w->ref[0] = (way->table << t->format->page_shift) + entry_at(t->format, 1, va);
        w->refs++;
        return ok;
    }
    bool ok = vmsim__mmu_walk_from(t->pt, va, mode, level, way->table, way->host, way->flags, w);
    if (ok && level && !w->level)
        remember_tables(t, va, level, w);
    return ok;
}

/* A leaf table that is found in the cache of level 1 is one of those to know where they are. */
static void remember_entry(struct vmsim__tlb *t, uint64_t va, uint32_t e, const struct tlb_walk_way *way) {
    struct tlb_leaf_table *leaf = tlb_leaf(t, va);
    if (leaf->key != tlb_leaf_key(t, va)) {
        if (way->flags != VMSIM__PTE_RWXU)
            return;
        *leaf = (struct tlb_leaf_table){tlb_leaf_key(t, va), 0, way->host, 0};
    }
    leaf->entry = e;
}

/* Those that missed learn where the walk went, as far as it came through their level: a huge page's walk never had a
 * leaf table. */
static void fill_missed(struct vmsim__tlb *t, struct tlb_walk_cache *const *end, uint64_t va,
                        const struct vmsim__walk *w) {
    for (struct tlb_walk_cache *const *missed = t->walk_list; missed < end; missed++) {
        unsigned below = (*missed)->level - 1u;
        if (below < w->level)
            continue;
        struct tlb_walk_way way = {w->table[below], w->table_host[below], w->table_flags[below]};
        uint32_t e = tlb_walk_fill(*missed, tlb_walk_tag(*missed, va, t->asid), way);
        if (!below)
            remember_entry(t, va, e, &(*missed)->way[e]);
    }
}

/* From the lowest level that is cached; a miss in one cache asks the next higher. What a fault walked is not
 * learned. */
bool vmsim__tlb_walk(struct vmsim__tlb *t, uint64_t va, unsigned mode, struct vmsim__walk *w) {
    struct tlb_walk_cache *const *at = t->walk_list, *c;
    bool ok;
    for (;; at++) {
        c = *at;
        if (!c) {
            ok = vmsim__mmu_walk(t->pt, va, mode, w);
            if (ok && t->format->levels > 1 && !w->level)
                remember_tables(t, va, t->format->levels - 1u, w);
            break;
        }
        uint32_t e = locate(t, c, va, t->asid);
        if (e != TLB_NOBODY) {
            c->hit++;
            tlb_walk_touch(c, e);
            if (c->level == 1)
                remember_entry(t, va, e, &c->way[e]);
            ok = walk_below(t, va, mode, c->level - 1u, &c->way[e], w);
            break;
        }
        c->miss++;
    }
    if (ok)
        fill_missed(t, at, va, w);
    return ok;
}

/* All of them: a new epoch begins. Epoch 0 is never, so that an empty key is nobody's. Epochs make it cheap: keys
 * carry theirs, and only when they begin anew is anything cleared. */
void vmsim__tlb_leaf_forget(struct vmsim__tlb *t) {
    t->leaf_epoch = (t->leaf_epoch + 1) % TLB_LEAF_EPOCHS;
    if (!t->leaf_epoch) {
        memset(t->leaf, 0, sizeof t->leaf);
        memset(t->middle, 0, sizeof t->middle);
        memset(t->upper, 0, sizeof t->upper);
        t->leaf_epoch = 1;
    }
}

/* Tables that were freed since may be anything now: `released` counts them. */
bool vmsim__tlb_leaf_current(const struct vmsim__tlb *t, const struct vmsim__pagetable *pt, uint16_t asid) {
    unsigned at = asid % TLB_LEAF_SEEN;
    return t->leaf_seen[at].pt == pt && t->leaf_seen[at].released == pt->released && t->leaf_seen[at].asid == asid;
}

void vmsim__tlb_leaf_begin(struct vmsim__tlb *t) {
    unsigned at = t->asid % TLB_LEAF_SEEN;
    if (VMSIM__UNLIKELY(!vmsim__tlb_leaf_current(t, t->pt, t->asid))) {
        vmsim__tlb_leaf_forget(t);
        t->leaf_seen[at].pt = t->pt;
        t->leaf_seen[at].released = t->pt->released;
        t->leaf_seen[at].asid = t->asid;
    }
    t->leaf_tag = (uint64_t)t->leaf_epoch << 52 | t->asid;
}

bool vmsim__tlb_peek(const struct vmsim__tlb *t, uint64_t va, uint64_t *raw) {
    const struct vmsim__pt_format *f = t->format;
    const struct tlb_leaf_table *leaf = &t->leaf[va >> f->shift[1] & (TLB_LEAF_TABLES - 1)];
    const size_t index = va >> f->shift[0] & ((UINT64_C(1) << f->index_bits[0]) - 1);
    if (leaf->key != tlb_leaf_key(t, va) || !leaf->host)
        return false;
    *raw = f->entry_bytes == 8 ? ((const uint64_t *)leaf->host)[index] : ((const uint32_t *)leaf->host)[index];
    return true;
}

/* Those of an ASID, or all, of one set: from the newest on, as empty ways are the oldest. A flush of one page comes
 * here, too, and finds few that were filled since the last. */
static unsigned set_drop(struct tlb_walk_cache *c, uint32_t set, uint16_t asid, bool all) {
    VMSIM__ASSERT(set < c->sets);
    unsigned dropped = 0;
    uint32_t at = c->link[c->oldest[set]].older;
    for (uint32_t left = c->ways; left && c->tag[at] != TLB_INVALID; left--) {
        const uint32_t next = c->link[at].older;
        if (all || (uint16_t)c->tag[at] == asid) {
            walk_clear(c, at);
            dropped++;
        }
        at = next;
    }
    return dropped;
}

static unsigned walk_drop(struct vmsim__tlb *t, uint16_t asid, bool all) {
    unsigned dropped = 0;
    for (struct tlb_walk_cache *const *list = t->walk_list; *list; list++) {
        for (uint32_t set = 0; set < (*list)->sets && *(*list)->valid; set++)
            dropped += set_drop(*list, set, asid, all);
    }
    return dropped;
}

unsigned vmsim__tlb_walk_drop_asid(struct vmsim__tlb *t, uint16_t asid) {
    return walk_drop(t, asid, false);
}

unsigned vmsim__tlb_walk_drop_all(struct vmsim__tlb *t) {
    return walk_drop(t, 0, true);
}
