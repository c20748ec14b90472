/* SPDX-License-Identifier: MIT */
/* The miss of everything as it nearly always is, in one piece: two levels that hold base pages alone, x86 long mode, a
 * leaf table that is known, an entry that allows the access as it is.
 *
 *     level 1 --no--> level 2 --no--> walk cache of PDEs --no--> of PDPTEs --no--> of PML4Es
 *        ^               ^                 |  ^                   |  ^               |
 *        |               |                 |  +--- PDE (known) <--+  +- PDPTE (known)+
 *        +---------------+------- PTE <----+
 *
 * First everything is looked at, then everything is written: whatever is otherwise leaves the whole to
 * vmsim__tlb_translate, which decides all of it anew. What both do must be the same to the last counter. */
#include "mmu/long_leaf.h"
#include "tlb/tlb_fill.h"
#include "tlb/tlb_walk.h"

void vmsim__tlb_find_pair(struct vmsim__tlb *t, struct tlb_side *s) {
    const struct tlb_place *first = s->look[0], *last = first ? s->look[1] : NULL;
    bool two = t->levels == 2 && last && !s->look[2] && first->array->level == 1 && last->array->level == 2;
    const struct tlb_walk_cache *pde = t->walk_list[0], *pdpte = pde ? t->walk_list[1] : NULL;
    s->pair = (struct tlb_pair){NULL, NULL};
    if (!two || first != s->home[0][0] || last != s->home[1][0] || t->prefetch)
        return;
    if (t->format->long_mode && pdpte && pde->level == 1 && pdpte->level == 2)
        s->pair = (struct tlb_pair){first, last};
}

VMSIM__INLINE void fill(struct vmsim__tlb *t, const struct tlb_place *p, bool first, uint64_t va, uint64_t page,
                        uint64_t tag, uint64_t data) {
    p->count->miss++;
    if (VMSIM__UNLIKELY(!tlb_fill_quick(t, p, first, page, tag, data)))
        vmsim__tlb_array_fill(t, p->array, va, 0, data, t->asid, true);
}

/* What the walk goes by: the walk caches from that of PDEs on, and which of them knows. */
struct way_down {
    struct tlb_walk_cache *const *cache;
    struct tlb_leaf_table *leaf, *middle;
    uint32_t entry; /* of the cache that knows */
    unsigned from;
    const uint64_t *ptes; /* NULL: it is not known */
};

VMSIM__INLINE bool leads(const uint64_t *table, uint64_t index, const struct tlb_leaf_table *to) {
    return table[index & 511] == to->raw && to->raw;
}

/* Not in the cache of PDEs: from that of PDPTEs, or from that of PML4Es. */
VMSIM__INLINE void find_from_above(struct vmsim__tlb *t, uint64_t page, struct way_down *d) {
    const struct tlb_walk_way *way;
    const uint64_t *pdes;
    d->from = 1;
    d->entry = tlb_walk_scan(d->cache[1], page >> 18 << 16 | t->asid);
    if (VMSIM__LIKELY(d->entry != TLB_NOBODY)) {
        way = &d->cache[1]->way[d->entry];
        pdes = way->host;
    } else {
        d->from = 2;
        d->middle = &t->middle[page >> 18 & (TLB_MIDDLE_TABLES - 1)];
        if (d->middle->key != (page >> 18 << 16 | t->leaf_tag) || !d->cache[2] || d->cache[2]->level != 3)
            return;
        d->entry = tlb_walk_scan(d->cache[2], page >> 27 << 16 | t->asid);
        if (d->entry == TLB_NOBODY)
            return;
        way = &d->cache[2]->way[d->entry];
        pdes = leads(way->host, page >> 18, d->middle) ? d->middle->host : NULL;
    }
    if (VMSIM__LIKELY(pdes && way->flags == VMSIM__PTE_RWXU && leads(pdes, page >> 9, d->leaf)))
        d->ptes = d->leaf->host;
}

VMSIM__INLINE struct way_down find_way_down(struct vmsim__tlb *t, uint64_t page) {
    struct way_down d = {.cache = t->walk_list, .leaf = &t->leaf[page >> 9 & (TLB_LEAF_TABLES - 1)]};
    if (VMSIM__UNLIKELY(d.leaf->key != (page >> 9 << 16 | t->leaf_tag)))
        return d;
    d.entry = d.leaf->entry;
    if (d.cache[0]->tag[d.entry] == (page >> 9 << 16 | t->asid)) {
        const struct tlb_walk_way *way = &d.cache[0]->way[d.entry];
        d.ptes = way->flags == VMSIM__PTE_RWXU ? way->host : NULL;
    } else {
        find_from_above(t, page, &d);
    }
    return d;
}

/* Reads of the tables that the walk came by, from the lowest up, and of the page. The cache that knew still does. */
static VMSIM__NOINLINE void wait_for_memory(struct vmsim__tlb *t, const struct way_down *d, uint64_t data) {
    const struct tlb_leaf_table *below[2] = {d->leaf, d->middle};
    for (unsigned i = 0; i < d->from; i++)
        tlb_wait_walk(t, (below[i]->raw & VMSIM__LONG_FRAME) >> 12);
    tlb_wait_walk(t, d->cache[d->from]->way[d->entry].table);
    tlb_wait_data(t, data >> TLB_FRAME_SHIFT);
}

/* What the caches learn of the walk. */
VMSIM__INLINE void walked(struct vmsim__tlb *t, uint64_t page, const struct way_down *d) {
    struct tlb_walk_cache *const *cache = d->cache;
    cache[d->from]->hit++;
    tlb_walk_touch(cache[d->from], d->entry);
    tlb_count_walk(t, d->from + 1);
    if (d->from > 0) {
        struct tlb_walk_way way = {(d->leaf->raw & VMSIM__LONG_FRAME) >> 12, d->leaf->host, VMSIM__PTE_RWXU};
        cache[0]->miss++;
        d->leaf->entry = tlb_walk_fill(cache[0], page >> 9 << 16 | t->asid, way);
    }
    if (VMSIM__UNLIKELY(d->from > 1)) {
        struct tlb_walk_way way = {(d->middle->raw & VMSIM__LONG_FRAME) >> 12, d->middle->host, VMSIM__PTE_RWXU};
        cache[1]->miss++;
        tlb_walk_fill(cache[1], page >> 18 << 16 | t->asid, way);
    }
}

bool vmsim__tlb_plain_miss(struct vmsim__tlb *t, const struct tlb_side *s, vmsim_access x, uint64_t *pa) {
    const struct tlb_place *first = s->pair.first, *last = s->pair.last;
    const uint64_t page = x >> 19, tag = tlb_tag(page, t->asid, 0);
    const unsigned type = x & 3, mode = VMSIM__WALK_USER | (type == VMSIM_RMW ? VMSIM__WALK_WRITE : type);
    VMSIM__ASSERT(first->class == 0 && last->class == 0 && t->page_shift == 12);
    if (tlb_find_page(first, page, tag) || tlb_find_page(last, page, tag))
        return false;
    struct way_down d = find_way_down(t, page);
    uint64_t data;
    if (VMSIM__UNLIKELY(!d.ptes || !(data = vmsim__long_leaf(t->pt, d.ptes[page & 511], mode)) ||
                        data & VMSIM__PTE_GLOBAL))
        return false;
    t->now++;
    t->missed = true;
    t->cycles += s->before[2];
    if (VMSIM__UNLIKELY(t->memory != NULL))
        wait_for_memory(t, &d, data);
    walked(t, page, &d);
    t->walks_by_size[0]++;
    fill(t, last, false, page << 12, page, tag, data);
    fill(t, first, true, page << 12, page, tag, data);
    *pa = (data >> TLB_FRAME_SHIFT << 12) + (x >> 7 & 4095);
    return true;
}
