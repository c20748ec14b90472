/* SPDX-License-Identifier: MIT */
/* Used pages become young: by a walk over page tables when a generation begins, and around each entry that eviction
 * finds used through the reverse map.
 *
 *     filter of max_seq      which leaf tables held many used entries when looked at last: only those are walked
 *     filter of max_seq + 1  is made meanwhile, by the walk and by eviction
 *
 * Two Bloom filters by parity of max_seq; each table sets two of 2^15 bits. Kernel counterparts: walk_mm,
 * lru_gen_look_around, suitable_to_scan, test_bloom_filter, update_bloom_filter of mm/vmscan.c. */
#include "reclaim/mglru.h"

#include <string.h>

/* ---- filters ---- */

/* Two keys of one hash (Murmur3's last step). */
static void keys_of(uint64_t table, uint32_t key[2]) {
    const uint32_t mask = (1u << VMSIM__BLOOM_FILTER_SHIFT) - 1;
    uint64_t h = table + 1;
    h = (h ^ h >> 33) * UINT64_C(0xff51afd7ed558ccd);
    h = (h ^ h >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    h ^= h >> 33;
    key[0] = (uint32_t)h & mask;
    key[1] = (uint32_t)(h >> VMSIM__BLOOM_FILTER_SHIFT) & mask;
}

bool vmsim__bloom_test(const struct vmsim__lru_gen *g, uint64_t seq, uint64_t table) {
    const uint64_t *bits = g->filter[seq % 2];
    uint32_t key[2];
    if (!g->filtered[seq % 2])
        return true;
    keys_of(table, key);
    return (bits[key[0] / 64] >> key[0] % 64 & 1) && (bits[key[1] / 64] >> key[1] % 64 & 1);
}

void vmsim__bloom_add(struct vmsim__lru_gen *g, uint64_t seq, uint64_t table) {
    uint32_t key[2];
    keys_of(table, key);
    for (unsigned i = 0; i < 2 && g->filtered[seq % 2]; i++)
        g->filter[seq % 2][key[i] / 64] |= UINT64_C(1) << key[i] % 64;
}

static void bloom_reset(struct vmsim__lru_gen *g, uint64_t seq) {
    memset(g->filter[seq % 2], 0, sizeof g->filter[seq % 2]);
    g->filtered[seq % 2] = true;
}

/* One used entry for each line of the host's cache that the walk has to load. Kernel: suitable_to_scan. */
static bool dense(uint32_t total, uint32_t young) {
    VMSIM__ASSERT(young <= total);
    return (uint64_t)young * 8 >= total;
}

/* ---- what both do with a page ---- */

/* Those whom a walk tells: the generations of one lruvec. */
struct listener {
    struct vmsim__vmscan *v;
    struct vmsim__lruvec *lruvec;
    bool can_swap;
    unsigned cpu;
    bool in_place; /* around: numbers change at once, and not by a move through the CPU's batch */
    uint32_t count;
    vmsim__pfn folio[VMSIM__MIN_LRU_BATCH]; /* around: those to be made young */
};

/* Kernel: get_pfn_folio. NULL: it is another lruvec's, or of a type that stays anyway. */
static struct vmsim__frame *folio_of(const struct listener *l, vmsim__pfn pfn) {
    struct vmsim__frame *f = vmsim__frame_at(&l->v->mem->frames, pfn);
    VMSIM__ASSERT(!vmsim__frame_is(f, VMSIM__FRAME_TAIL) && f->refcount > 0);
    if (l->v->mem->zones[vmsim__frame_zone(f)].node != l->lruvec->node || f->memcg != l->lruvec->memcg->id)
        return NULL;
    return vmsim__vmscan_is_file(f) || l->can_swap ? f : NULL;
}

/* ---- a walk ---- */

static bool walk_look(void *context, uint64_t table) {
    const struct listener *l = context;
    return vmsim__bloom_test(l->lruvec->gen, l->lruvec->gen->max_seq, table);
}

static bool walk_young(void *context, vmsim__pfn pfn) {
    const struct listener *l = context;
    struct vmsim__frame *f = folio_of(l, pfn);
    if (f && !vmsim__frame_is(f, VMSIM__FRAME_UNEVICTABLE))
        vmsim__folio_update_gen(l->v->lru, f);
    return f;
}

static void walk_looked(void *context, uint64_t table, uint32_t total, uint32_t young) {
    const struct listener *l = context;
    if (dense(total, young))
        vmsim__bloom_add(l->lruvec->gen, l->lruvec->gen->max_seq + 1, table);
}

void vmsim__mglru_walk(struct vmsim__vmscan *v, struct vmsim__scan_control *sc, struct vmsim__lruvec *lruvec,
                       bool can_swap) {
    struct vmsim__lru_gen *g = lruvec->gen;
    struct listener l = {.v = v, .lruvec = lruvec, .can_swap = can_swap};
    VMSIM__ASSERT(g && lruvec->node < v->mem->nr_nodes);
    if (!(v->lru_gen & VMSIM__LRU_GEN_MM_WALK) || !v->hooks.walk_mms)
        return;
    sc->has_walk = true;
    struct vmsim__mm_walk w = {.memcg = lruvec->memcg->id,
                               .node = lruvec->node,
                               .walked = g->walked,
                               .sink = {.context = &l,
                                        .anon = can_swap,
                                        .tables = v->lru_gen & VMSIM__LRU_GEN_NONLEAF_YOUNG,
                                        .look = walk_look,
                                        .young = walk_young,
                                        .looked = walk_looked}};
    bloom_reset(g, g->max_seq + 1);
    v->hooks.walk_mms(v->hooks.context, &w);
    g->walked = w.walked;
}

/* ---- around a used entry ---- */

/* Folios that are isolated are told apart later by REFERENCED; the one that was asked about is among them. */
static bool around_young(void *context, vmsim__pfn pfn) {
    struct listener *l = context;
    struct vmsim__frame *f = folio_of(l, pfn);
    if (!f)
        return false;
    const int gen = vmsim__folio_gen(f);
    if (gen < 0)
        f->flags |= VMSIM__FRAME_REFERENCED;
    else if ((unsigned)gen != vmsim__gen_of_seq(l->lruvec->gen->max_seq) && l->count < VMSIM__MIN_LRU_BATCH)
        l->folio[l->count++] = pfn;
    return true;
}

/* Few go through the CPU's batch to the head of the youngest list; many change their number alone. */
static void around_looked(void *context, uint64_t table, uint32_t total, uint32_t young) {
    struct listener *l = context;
    if (dense(total, young))
        vmsim__bloom_add(l->lruvec->gen, l->lruvec->gen->max_seq, table);
    VMSIM__ASSERT(l->count <= VMSIM__MIN_LRU_BATCH);
    const bool in_place = l->in_place || (!l->v->kernel->lru_gen_memcgs && l->count >= l->v->kernel->lru_batch);
    for (uint32_t i = 0; i < l->count; i++) {
        if (in_place)
            vmsim__folio_update_gen(l->v->lru, vmsim__frame_at(&l->v->mem->frames, l->folio[i]));
        else
            vmsim__lru_activate(l->v->lru, l->folio[i], l->cpu);
    }
    l->count = 0;
}

struct vmsim__use vmsim__mglru_referenced(struct vmsim__vmscan *v, const struct vmsim__scan_control *sc,
                                          vmsim__pfn pfn) {
    const struct vmsim__frame *f = vmsim__frame_at(&v->mem->frames, pfn);
    const struct vmsim__memcg *m = vmsim__memcg_by_id(v->lru, f->memcg);
    struct listener l = {.v = v,
                         .lruvec = &m->lruvec[v->mem->zones[vmsim__frame_zone(f)].node],
                         .can_swap = true,
                         .cpu = sc->cpu,
                         .in_place = sc->has_walk};
    const struct vmsim__young_sink sink = {.context = &l, .anon = true, .young = around_young, .looked = around_looked};
    struct vmsim__use use = {0};
    v->hooks.referenced(v->hooks.context, pfn, sc->target, &sink, sc->cpu, &use);
    VMSIM__ASSERT(!l.count); /* they were all made young */
    return use;
}
