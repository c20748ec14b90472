/* SPDX-License-Identifier: MIT */
/* Ageing: when a new generation begins, what that does to the oldest, and lru_gen/min_ttl_ms.
 *
 *     4 generations at most: the oldest joins the next    3 is the aim    2 is the least that eviction needs
 *
 * Kernel counterparts: should_run_aging, inc_min_seq, try_to_inc_min_seq, inc_max_seq, try_to_inc_max_seq, age_lruvec,
 * lru_gen_age_node of mm/vmscan.c. */
#include "reclaim/mglru.h"

unsigned vmsim__mglru_swappiness(const struct vmsim__vmscan *v, const struct vmsim__scan_control *sc,
                                 const struct vmsim__lruvec *lruvec) {
    return vmsim__memcg_swap_room(lruvec->memcg) < VMSIM__MIN_LRU_BATCH ? 0 : vmsim__vmscan_swappiness(v, sc);
}

static uint64_t size_of(const struct vmsim__lru_gen *g, unsigned type, uint64_t seq) {
    VMSIM__ASSERT(type < VMSIM__LRU_GEN_TYPES && seq >= g->min_seq[type] && seq <= g->max_seq);
    uint64_t pages = 0;
    for (unsigned z = 0; z < VMSIM__ZONE_TYPES; z++)
        pages += g->nr_pages[vmsim__gen_of_seq(seq)][type][z];
    return pages;
}

/* With three generations: when the youngest holds more than half, or the oldest less than a quarter. */
bool vmsim__should_run_aging(const struct vmsim__lru_gen *g, unsigned swappiness, uint64_t *total) {
    uint64_t young = 0, old = 0;
    const uint64_t min_seq = g->min_seq[vmsim__first_type(swappiness)];
    *total = 0;
    for (unsigned type = vmsim__first_type(swappiness); type < vmsim__end_type(swappiness); type++) {
        for (uint64_t seq = g->min_seq[type]; seq <= g->max_seq; seq++) {
            const uint64_t size = size_of(g, type, seq);
            *total += size;
            young += seq == g->max_seq ? size : 0;
            old += seq + VMSIM__MIN_NR_GENS == g->max_seq ? size : 0;
        }
    }
    if (min_seq + VMSIM__MIN_NR_GENS != g->max_seq)
        return min_seq + VMSIM__MIN_NR_GENS > g->max_seq;
    return young * VMSIM__MIN_NR_GENS > *total || old * (VMSIM__MIN_NR_GENS + 2) < *total;
}

/* ---- the oldest ---- */

static bool generation_empty(const struct vmsim__lru_gen *g, unsigned type, uint64_t seq) {
    for (unsigned z = 0; z < VMSIM__ZONE_TYPES; z++) {
        if (g->list[vmsim__gen_of_seq(seq)][type][z].head != VMSIM__PFN_NONE)
            return false;
    }
    return true;
}

/* Anonymous memory is never younger than files, so that both can be told by one number, unless it alone is evicted. */
bool vmsim__try_to_inc_min_seq(struct vmsim__lruvec *lruvec, unsigned swappiness) {
    struct vmsim__lru_gen *g = lruvec->gen;
    uint64_t min[VMSIM__LRU_GEN_TYPES] = {g->min_seq[VMSIM__LRU_GEN_ANON], g->min_seq[VMSIM__LRU_GEN_FILE]};
    bool changed = false;
    for (unsigned type = vmsim__first_type(swappiness); type < vmsim__end_type(swappiness); type++) {
        while (min[type] + VMSIM__MIN_NR_GENS <= g->max_seq && generation_empty(g, type, min[type]))
            min[type]++;
    }
    if (swappiness && swappiness <= VMSIM__SWAPPINESS_MAX) {
        min[VMSIM__LRU_GEN_ANON] = vmsim__min64(min[VMSIM__LRU_GEN_ANON], min[VMSIM__LRU_GEN_FILE]);
        min[VMSIM__LRU_GEN_FILE] = vmsim__max64(min[VMSIM__LRU_GEN_ANON], g->min_seq[VMSIM__LRU_GEN_FILE]);
    }
    for (unsigned type = vmsim__first_type(swappiness); type < vmsim__end_type(swappiness); type++) {
        if (min[type] == g->min_seq[type])
            continue;
        VMSIM__ASSERT(min[type] > g->min_seq[type] && min[type] + VMSIM__MIN_NR_GENS <= g->max_seq + 1);
        vmsim__ctrl_pos_carry(g, type);
        g->min_seq[type] = min[type];
        changed = true;
    }
    return changed;
}

/* The oldest generation joins the next, at the end that is evicted first. Anonymous pages that cannot be swapped out
 * stay where they are: the number of their generation comes around to them. */
static void inc_min_seq(struct vmsim__vmscan *v, struct vmsim__lruvec *lruvec, unsigned type, bool can_swap) {
    struct vmsim__lru_gen *g = lruvec->gen;
    const unsigned oldest = vmsim__gen_of_seq(g->min_seq[type]);
    VMSIM__ASSERT(vmsim__nr_gens(g, type) == VMSIM__MAX_NR_GENS);
    for (unsigned z = 0; z < VMSIM__ZONE_TYPES && (type == VMSIM__LRU_GEN_FILE || can_swap); z++) {
        const struct vmsim__lru_gen_list *l = &g->list[oldest][type][z];
        while (l->tail != VMSIM__PFN_NONE) {
            const vmsim__pfn pfn = l->tail;
            vmsim__folio_inc_gen(v->lru, vmsim__frame_at(&v->mem->frames, pfn), false);
            vmsim__lru_gen_sort(v->lru, pfn, true);
        }
    }
    vmsim__ctrl_pos_carry(g, type);
    g->min_seq[type]++;
}

/* ---- the youngest ---- */

void vmsim__inc_max_seq(struct vmsim__vmscan *v, struct vmsim__scan_control *sc, struct vmsim__lruvec *lruvec,
                        bool can_swap) {
    vmsim__mglru_walk(v, sc, lruvec, can_swap);
    for (unsigned type = VMSIM__LRU_GEN_TYPES; type-- > 0;) {
        if (vmsim__nr_gens(lruvec->gen, type) == VMSIM__MAX_NR_GENS)
            inc_min_seq(v, lruvec, type, can_swap);
    }
    vmsim__lru_gen_advance(v->lru, lruvec);
    VMSIM__ASSERT(vmsim__nr_gens(lruvec->gen, VMSIM__LRU_GEN_FILE) <= VMSIM__MAX_NR_GENS);
}

/* ---- a node ---- */

/* Kernel: mem_cgroup_below_min of the whole tree. */
static bool below_min(struct vmsim__vmscan *v, struct vmsim__memcg *m) {
    if (!m->parent)
        return false;
    vmsim__vmscan_protect(m, vmsim__memcg_root(v->lru));
    return m->memory.emin >= m->memory.usage;
}

/* Until 6.2 kswapd ages what needs it. False: all of it is younger than min_ttl, or there is next to nothing. */
static bool age_lruvec(struct vmsim__vmscan *v, struct vmsim__scan_control *sc, struct vmsim__lruvec *lruvec) {
    const struct vmsim__lru_gen *g = lruvec->gen;
    const bool can_swap = vmsim__mglru_swappiness(v, sc, lruvec);
    uint64_t total;
    if (below_min(v, lruvec->memcg))
        return false;
    const bool due = vmsim__should_run_aging(g, can_swap, &total);
    const uint64_t birth = g->birth[vmsim__gen_of_seq(g->min_seq[VMSIM__LRU_GEN_FILE])];
    if (v->min_ttl && birth + v->min_ttl > v->mem->now.time)
        return false;
    const uint64_t scan = lruvec->memcg->online ? total >> sc->priority : total;
    if (v->min_ttl && !scan && sc->priority != VMSIM__DEF_PRIORITY)
        return false;
    if (due && !v->kernel->lru_gen_memcgs)
        vmsim__inc_max_seq(v, sc, lruvec, can_swap);
    return v->kernel->lru_gen_memcgs ? scan > 0 : true;
}

/* Ageing is passed over where the last round evicted enough without it. */
void vmsim__mglru_age_node(struct vmsim__vmscan *v, struct vmsim__scan_control *sc, unsigned node) {
    struct vmsim__memcg *root = vmsim__memcg_root(v->lru);
    bool old_enough = false;
    sc->last_reclaimed = sc->nr_reclaimed;
    if (!v->kernel->lru_gen_memcgs && !sc->memcgs_need_aging) {
        sc->memcgs_need_aging = true;
        return;
    }
    if (v->kernel->lru_gen_memcgs)
        vmsim__mglru_initial_priority(v, sc, node);
    for (struct vmsim__memcg *m = root; m; m = vmsim__memcg_next(root, m))
        old_enough = age_lruvec(v, sc, &m->lruvec[node]) || old_enough;
    if (!old_enough && v->min_ttl && !sc->order && v->hooks.out_of_memory)
        v->hooks.out_of_memory(v->hooks.context, sc);
}
