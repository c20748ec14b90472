/* SPDX-License-Identifier: MIT */
/* How many pages of which list: the balance between anonymous memory and files, and between active and inactive.
 *
 * Each type's share follows swappiness and what reclaim of it cost of late: a type whose pages come back soon, or have
 * to be written, is left alone more. Kernel counterparts: inactive_is_low, prepare_scan_count, get_scan_count of
 * mm/vmscan.c. */
#include "lru/stat_flush.h"
#include "reclaim/vmscan.h"

enum balance { SCAN_EQUAL, SCAN_FRACT, SCAN_ANON, SCAN_FILE };

static bool global(const struct vmsim__scan_control *sc) {
    return sc->target == VMSIM__MEMCG_ROOT;
}

/* 1 GiB of pages of a type may have three active ones for each inactive, 1 TiB a hundred. */
bool vmsim__inactive_is_low(const struct vmsim__lruvec *lruvec, bool file) {
    VMSIM__ASSERT(lruvec->page_shift <= 30);
    uint64_t inactive = vmsim__lruvec_seen(lruvec, file ? VMSIM__SEEN_INACTIVE_FILE : VMSIM__SEEN_INACTIVE_ANON);
    uint64_t active = vmsim__lruvec_seen(lruvec, file ? VMSIM__SEEN_ACTIVE_FILE : VMSIM__SEEN_ACTIVE_ANON);
    uint64_t gb = (inactive + active) >> (30 - lruvec->page_shift);
    return inactive * (gb ? vmsim__isqrt(10 * gb) : 1) < active;
}

/* ---- of a node ---- */

/* Have refaults been activated since the last reclaim? Then the workload changes, and the active list has to, too. */
static bool may_deactivate(const struct vmsim__scan_control *sc, const struct vmsim__lruvec *target, bool file) {
    VMSIM__ASSERT(target->memcg->id == sc->target);
    uint64_t activated = vmsim__lruvec_seen(target, file ? VMSIM__SEEN_ACTIVATE_FILE : VMSIM__SEEN_ACTIVATE_ANON);
    return sc->force_deactivate || activated != target->refaults[file] || vmsim__inactive_is_low(target, file);
}

/* So few pages of files that taking them would only thrash. */
static bool file_is_tiny(const struct vmsim__vmscan *v, const struct vmsim__scan_control *sc, unsigned node) {
    const struct vmsim__node *n = &v->mem->nodes[node];
    VMSIM__ASSERT(global(sc) && n->stat[VMSIM__NR_ACTIVE_FILE] >= 0 && n->stat[VMSIM__NR_INACTIVE_FILE] >= 0);
    int64_t free = 0, high = 0, file = n->stat[VMSIM__NR_ACTIVE_FILE] + n->stat[VMSIM__NR_INACTIVE_FILE];
    for (unsigned i = 0; i < n->nr_zones; i++) {
        const struct vmsim__zone *z = &v->mem->zones[n->zone[i]];
        free += z->stat[VMSIM__NR_FREE_PAGES];
        high += z->managed ? (int64_t)vmsim__zone_wmark(z, VMSIM__WMARK_HIGH) : 0;
    }
    return file + free <= high && !sc->may_deactivate[0] && n->stat[VMSIM__NR_INACTIVE_ANON] >> sc->priority;
}

void vmsim__prepare_scan_count(const struct vmsim__vmscan *v, struct vmsim__scan_control *sc, unsigned node) {
    VMSIM__ASSERT(sc->priority >= 0 && sc->priority <= VMSIM__DEF_PRIORITY);
    const struct vmsim__lruvec *target = &vmsim__memcg_by_id(v->lru, sc->target)->lruvec[node];
    vmsim__stats_flush_for_reclaim(v->lru);
    sc->anon_cost = target->anon_cost;
    sc->file_cost = target->file_cost;
    sc->may_deactivate[0] = may_deactivate(sc, target, false);
    sc->may_deactivate[1] = may_deactivate(sc, target, true);
    sc->cache_trim_mode =
        vmsim__lruvec_seen(target, VMSIM__SEEN_INACTIVE_FILE) >> sc->priority && !sc->may_deactivate[1];
    sc->file_is_tiny = global(sc) && file_is_tiny(v, sc, node);
}

/* ---- of a lruvec ---- */

static enum balance balance_of(const struct vmsim__vmscan *v, const struct vmsim__scan_control *sc,
                               const struct vmsim__memcg *m, unsigned node) {
    if (!sc->may_swap || (!vmsim__memcg_swap_room(m) && !vmsim__vmscan_can_demote(v, node)))
        return SCAN_FILE;
    const unsigned swappiness = vmsim__vmscan_swappiness(v, sc);
    if (!global(sc) && !swappiness)
        return SCAN_FILE;
    if (swappiness == VMSIM__SWAPPINESS_ANON_ONLY)
        return SCAN_ANON;
    if (!sc->priority && swappiness)
        return SCAN_EQUAL;
    if (sc->file_is_tiny)
        return SCAN_ANON;
    return sc->cache_trim_mode ? SCAN_FILE : SCAN_FRACT;
}

/* What is protected by memory.min and memory.low is left out in proportion. */
static uint64_t unprotected(struct vmsim__scan_control *sc, const struct vmsim__memcg *m, uint64_t size) {
    uint64_t min = m->id == sc->target ? 0 : m->memory.emin, low = m->id == sc->target ? 0 : m->memory.elow;
    if (!min && !low)
        return size;
    uint64_t protection = min;
    if (!sc->memcg_low_reclaim && low > min) {
        protection = low;
        sc->memcg_low_skipped = true;
    }
    uint64_t usage = vmsim__max64(m->memory.usage, protection);
    uint64_t scan = size - (uint64_t)((unsigned __int128)size * protection / (usage + 1));
    return vmsim__max64(scan, VMSIM__SWAP_CLUSTER_MAX);
}

void vmsim__get_scan_count(const struct vmsim__vmscan *v, struct vmsim__scan_control *sc, struct vmsim__lruvec *lruvec,
                           uint64_t nr[VMSIM__LRU_UNEVICTABLE]) {
    const struct vmsim__memcg *m = lruvec->memcg;
    const enum balance balance = balance_of(v, sc, m, lruvec->node);
    const uint64_t total = sc->anon_cost + sc->file_cost;
    const uint64_t anon = total + sc->anon_cost, file = total + sc->file_cost, sum = anon + file;
    const unsigned swappiness = (unsigned)vmsim__min64(vmsim__vmscan_swappiness(v, sc), VMSIM__SWAPPINESS_MAX);
    const uint64_t share[2] = {swappiness * (sum + 1) / (anon + 1),
                               (VMSIM__SWAPPINESS_MAX - swappiness) * (sum + 1) / (file + 1)};
    const uint64_t whole = share[0] + share[1];
    VMSIM__ASSERT(whole || balance != SCAN_FRACT);
    for (unsigned l = 0; l < VMSIM__LRU_UNEVICTABLE; l++) {
        const bool is_file = l >= VMSIM__LRU_INACTIVE_FILE;
        uint64_t size = vmsim__lruvec_size_up_to(lruvec, (enum vmsim__lru_list)l, sc->zone_type);
        uint64_t scan = unprotected(sc, m, size) >> sc->priority;
        if (!scan && !m->online)
            scan = vmsim__min64(size, VMSIM__SWAP_CLUSTER_MAX);
        if (balance == SCAN_FRACT)
            scan = (scan * share[is_file] + (m->online ? 0 : whole - 1)) / whole;
        else if (balance == (is_file ? SCAN_ANON : SCAN_FILE))
            scan = 0;
        nr[l] = scan;
    }
}
