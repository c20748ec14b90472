/* SPDX-License-Identifier: MIT */
/* The miss of everything as it nearly always is, in one piece: two levels that hold base pages alone, x86 long mode, a
 * leaf table that is known, an entry that allows the access as it is.
 *
 *     level 1 --no--> level 2 --no--> walk cache of PDEs --no--> of PDPTEs --no--> of PML4Es --no--> root
 *        ^               ^                 |  ^                   |  ^               |  ^               |
 *        |               |                 |  +--- PDE (known) <--+  +- PDPTE (known)+  +- PML4E (known)+
 *        +---------------+------- PTE <----+
 *
 * From the root is how the access goes on whose page has just come: a fault leaves nothing of the way in the caches.
 * First everything is looked at, then everything is written: whatever is otherwise is left to tlb/tlb_translate.c,
 * which decides all of it anew. What both do must be the same to the last counter. */
#include "mmu/long_leaf.h"
#include "tlb/tlb_fill.h"
#include "tlb/tlb_walk.h"

void vmsim__tlb_find_pair(struct vmsim__tlb *t, struct tlb_side *s) {
    const struct tlb_place *first = s->look[0], *last = first ? s->look[1] : NULL;
    bool two = t->levels == 2 && last && !s->look[2] && first->array->level == 1 && last->array->level == 2;
    const struct tlb_walk_cache *pde = t->walk_list[0], *pdpte = pde ? t->walk_list[1] : NULL;
    s->pair = (struct tlb_pair){NULL, NULL};
    if (!two || first != s->home[0][0] || last != s->home[1][0] || t->prefetch || t->record)
        return;
    const struct tlb_walk_cache *pml4e = pdpte ? t->walk_list[2] : NULL;
    if (t->format->long_mode && pdpte && pde->level == 1 && pdpte->level == 2 && (!pml4e || pml4e->level == 3))
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
    struct tlb_leaf_table *leaf, *middle, *upper;
    uint32_t entry;       /* of the cache that knows, or TLB_NOBODY */
    unsigned from;        /* references less one */
    const uint64_t *ptes; /* NULL: it is not known */
};

/* The table that entry `index` of `table` leads to, or NULL: `to` does not tell. */
VMSIM__INLINE const uint64_t *follow(const uint64_t *table, uint64_t index, const struct tlb_leaf_table *to,
                                     uint64_t key) {
    return to->key == key && to->raw && table[index & 511] == to->raw ? to->host : NULL;
}

/* Not in the cache of PDPTEs: from that of PML4Es, or from the root. Returns the table of PDEs, or NULL. */
VMSIM__INLINE const uint64_t *find_from_top(struct vmsim__tlb *t, uint64_t page, struct way_down *d) {
    const struct tlb_walk_cache *cache = d->cache[2];
    const uint64_t *pdptes = NULL;
    d->entry = cache ? tlb_walk_scan(cache, page >> 27 << 16 | t->asid) : TLB_NOBODY;
    d->middle = &t->middle[page >> 18 & (TLB_MIDDLE_TABLES - 1)];
    if (d->entry != TLB_NOBODY) {
        d->from = 2;
        pdptes = cache->way[d->entry].flags == VMSIM__PTE_RWXU ? cache->way[d->entry].host : NULL;
    } else if (VMSIM__LIKELY(t->format->levels == 4)) {
        d->from = 3;
        d->upper = &t->upper[page >> 27 & (TLB_UPPER_TABLES - 1)];
        pdptes = follow(t->pt->root_table, page >> 27, d->upper, page >> 27 << 16 | t->leaf_tag);
    }
    return pdptes ? follow(pdptes, page >> 18, d->middle, page >> 18 << 16 | t->leaf_tag) : NULL;
}

/* Not in the cache of PDEs. */
VMSIM__INLINE void find_from_above(struct vmsim__tlb *t, uint64_t page, struct way_down *d) {
    const uint64_t *pdes;
    d->from = 1;
    d->entry = tlb_walk_scan(d->cache[1], page >> 18 << 16 | t->asid);
    if (VMSIM__LIKELY(d->entry != TLB_NOBODY)) {
        const struct tlb_walk_way *way = &d->cache[1]->way[d->entry];
        pdes = way->flags == VMSIM__PTE_RWXU ? way->host : NULL;
    } else {
        pdes = find_from_top(t, page, d);
    }
    if (VMSIM__LIKELY(pdes && d->leaf->raw && pdes[page >> 9 & 511] == d->leaf->raw))
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
    const struct tlb_leaf_table *below[3] = {d->leaf, d->middle, d->upper};
    for (unsigned i = 0; i < d->from; i++)
        tlb_wait_walk(t, (below[i]->raw & VMSIM__LONG_FRAME) >> 12);
    tlb_wait_walk(t, d->entry != TLB_NOBODY ? d->cache[d->from]->way[d->entry].table : t->pt->root);
    tlb_wait_data(t, data >> TLB_FRAME_SHIFT);
}

VMSIM__INLINE uint32_t learn(struct tlb_walk_cache *c, uint64_t tag, const struct tlb_leaf_table *to) {
    c->miss++;
    return tlb_walk_fill(c, tag, (struct tlb_walk_way){(to->raw & VMSIM__LONG_FRAME) >> 12, to->host, VMSIM__PTE_RWXU});
}

/* What the caches learn of the walk. */
VMSIM__INLINE void walked(struct vmsim__tlb *t, uint64_t page, const struct way_down *d) {
    struct tlb_walk_cache *const *cache = d->cache;
    VMSIM__ASSERT(d->from < t->format->levels);
    tlb_count_walk(t, d->from + 1);
    if (VMSIM__LIKELY(d->entry != TLB_NOBODY)) {
        cache[d->from]->hit++;
        tlb_walk_touch(cache[d->from], d->entry);
    } else if (cache[2]) {
        learn(cache[2], page >> 27 << 16 | t->asid, d->upper);
    }
    if (VMSIM__UNLIKELY(d->from > 1))
        learn(cache[1], page >> 18 << 16 | t->asid, d->middle);
    if (d->from > 0)
        d->leaf->entry = learn(cache[0], page >> 9 << 16 | t->asid, d->leaf);
}

bool vmsim__tlb_plain_miss(struct vmsim__tlb *t, const struct tlb_side *s, vmsim_access x, uint64_t *pa,
                           struct vmsim__tlb_stop *stop) {
    const struct tlb_place *first = s->pair.first, *last = s->pair.last;
    const uint64_t page = x >> 19, tag = tlb_tag(page, t->asid, 0);
    const unsigned type = x & 3, mode = VMSIM__WALK_USER | (type == VMSIM_RMW ? VMSIM__WALK_WRITE : type);
    VMSIM__ASSERT(first->class == 0 && last->class == 0 && t->page_shift == 12);
    if (tlb_find_page(first, page, tag) || tlb_find_page(last, page, tag))
        return vmsim__tlb_translate(t, vmsim_access_va(x), type, true, pa, stop);
    struct way_down d = find_way_down(t, page);
    uint64_t data;
    if (VMSIM__UNLIKELY(!d.ptes || !(data = vmsim__long_leaf(t->pt, d.ptes[page & 511], mode)) ||
                        data & VMSIM__PTE_GLOBAL))
        return vmsim__tlb_absent(t, vmsim_access_va(x), type, true, pa, stop);
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
