/* SPDX-License-Identifier: MIT */
/* Global reclaim over the cgroups of a node in the order of lru/memcg_lru.c, where the kernel has it (since 6.3): a few
 * cgroups that give enough, and not a bit of each. Kernel counterparts: set_initial_priority, shrink_one, shrink_many,
 * lru_gen_shrink_node of mm/vmscan.c. */
#include "reclaim/mglru.h"

/* Much is wanted and little is there: no use in beginning at 1/4096. Scans are taken to give what is inactive. */
void vmsim__mglru_initial_priority(const struct vmsim__vmscan *v, struct vmsim__scan_control *sc, unsigned node) {
    const struct vmsim__node *n = &v->mem->nodes[node];
    if (sc->priority != VMSIM__DEF_PRIORITY || sc->nr_to_reclaim < VMSIM__MIN_LRU_BATCH)
        return;
    int64_t pages = n->stat[VMSIM__NR_INACTIVE_FILE];
    if (vmsim__memcg_swap_room(vmsim__memcg_root(v->lru)))
        pages += n->stat[VMSIM__NR_INACTIVE_ANON];
    const int have = pages > 0 ? (int)vmsim__log2((uint64_t)pages) : -1;
    const int want = (int)vmsim__log2_up(sc->nr_to_reclaim);
    const int priority = have - want;
    sc->priority = priority < VMSIM__DEF_PRIORITY / 2 ? VMSIM__DEF_PRIORITY / 2
                   : priority > VMSIM__DEF_PRIORITY   ? VMSIM__DEF_PRIORITY
                                                      : priority;
}

/* Is there enough to be of help at this priority? */
static bool sizable(const struct vmsim__vmscan *v, const struct vmsim__scan_control *sc,
                    const struct vmsim__lruvec *lruvec) {
    uint64_t total;
    vmsim__should_run_aging(lruvec->gen, vmsim__mglru_swappiness(v, sc, lruvec), &total);
    return lruvec->memcg->online ? total >> sc->priority : total;
}

/* One cgroup, and where it goes then. */
static enum vmsim__memcg_lru_op shrink_one(struct vmsim__vmscan *v, struct vmsim__scan_control *sc,
                                           struct vmsim__lruvec *lruvec) {
    struct vmsim__memcg *m = lruvec->memcg;
    if (m->parent) {
        vmsim__vmscan_protect(m, vmsim__memcg_root(v->lru));
        if (m->memory.emin >= m->memory.usage)
            return VMSIM__MEMCG_LRU_YOUNG;
        if (m->memory.elow >= m->memory.usage) {
            if (!lruvec->gen->at_tail)
                return VMSIM__MEMCG_LRU_TAIL;
            vmsim__memcg_memory_event(m, VMSIM__MEMCG_LOW);
        }
    }
    const bool aged = vmsim__mglru_try_to_shrink(v, sc, lruvec);
    if (v->hooks.shrink_slab)
        sc->nr_reclaimed += v->hooks.shrink_slab(v->hooks.context, lruvec->node, m->id, sc->priority, sc->cpu);
    if (aged && m->online)
        return VMSIM__MEMCG_LRU_YOUNG;
    if (!aged && sizable(v, sc, lruvec))
        return VMSIM__MEMCG_LRU_STAY;
    return lruvec->gen->at_tail ? VMSIM__MEMCG_LRU_YOUNG : VMSIM__MEMCG_LRU_TAIL;
}

/* All of a bin. Cgroups at hand are held: pages that go may be the last of one that was removed. False: enough. */
static bool shrink_bin(struct vmsim__vmscan *v, struct vmsim__scan_control *sc, unsigned node, unsigned gen,
                       unsigned bin) {
    struct vmsim__lruvec *at = v->lru->memcg_lru[node].first[gen][bin], *next;
    bool more = true;
    if (at)
        vmsim__memcg_get(at->memcg);
    for (; at; at = next) {
        next = at->gen->after;
        if (next)
            vmsim__memcg_get(next->memcg);
        if (more && at->gen->memcg_gen == gen) {
            vmsim__memcg_lru_rotate(v->lru, at, shrink_one(v, sc, at));
            more = !vmsim__mglru_should_abort(v, sc, at) && !vmsim__vmscan_congested(v, sc);
        }
        vmsim__memcg_put(at->memcg);
        next = more || !next ? next : (vmsim__memcg_put(next->memcg), NULL);
    }
    return more;
}

bool vmsim__mglru_shrink_global(struct vmsim__vmscan *v, struct vmsim__scan_control *sc, unsigned node) {
    const uint64_t before = sc->nr_reclaimed;
    VMSIM__ASSERT(vmsim__vmscan_global(sc) && node < v->mem->nr_nodes);
    if (!v->lru->memcg_lru)
        return false;
    if (!sc->may_writepage || !sc->may_unmap)
        return true;
    vmsim__lru_drain_cpu(v->lru, sc->cpu);
    sc->has_walk = vmsim__mglru_begins_with_walk(v, sc);
    vmsim__mglru_initial_priority(v, sc, node);
    sc->nr_reclaimed = sc->kswapd ? 0 : before;
    const unsigned gen = (unsigned)(v->lru->memcg_lru[node].seq % VMSIM__MEMCG_NR_GENS);
    const unsigned first = (unsigned)vmsim__rng_below(&v->lru->rng, VMSIM__MEMCG_NR_BINS);
    for (unsigned i = 0; i < VMSIM__MEMCG_NR_BINS; i++) {
        if (!shrink_bin(v, sc, node, gen, (first + i) % VMSIM__MEMCG_NR_BINS))
            break;
    }
    sc->nr_reclaimed += sc->kswapd ? before : 0;
    return true;
}
