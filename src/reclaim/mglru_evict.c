/* SPDX-License-Identifier: MIT */
/* Eviction: up to 64 pages from the tail of the oldest generation at a time.
 *
 *     tail --> sort_folio: unevictable, young by number, protected by its tier, waiting for a write? to its list
 *         `--> isolate_folio --> shrink_folio_list --> freed, or back: youngest if used, second youngest if written
 *
 * Kernel counterparts: sort_folio, isolate_folio, scan_folios, isolate_folios, evict_folios, get_nr_to_scan,
 * should_abort_scan, lru_gen_shrink_lruvec of mm/vmscan.c. */
#include "reclaim/mglru.h"

/* ---- one folio ---- */

/* Pages of files that were met, and those of them that wait for a flusher: if all do, it is woken. Kernels before did
 * not look. */
static void note_files(const struct vmsim__vmscan *v, struct vmsim__scan_control *sc, uint64_t met, uint64_t dirty) {
    VMSIM__ASSERT(!met || dirty <= met);
    if (!v->kernel->lru_gen_wakes_flushers)
        return;
    sc->nr.file_taken += met;
    sc->nr.unqueued_dirty += dirty;
}

/* It is on another list now, and not to be evicted. */
static bool sort_folio(struct vmsim__vmscan *v, struct vmsim__scan_control *sc, struct vmsim__lruvec *lruvec,
                       vmsim__pfn pfn, unsigned tier_idx) {
    struct vmsim__frame *f = vmsim__frame_at(&v->mem->frames, pfn);
    struct vmsim__lru_gen *g = lruvec->gen;
    const unsigned type = vmsim__folio_type(f), refs = vmsim__folio_refs(f), tier = vmsim__tier_of_refs(refs);
    const uint32_t pages = vmsim__frame_pages(f);
    VMSIM__ASSERT(vmsim__frame_is(f, VMSIM__FRAME_LRU) && vmsim__folio_gen(f) >= 0);
    if (vmsim__frame_is(f, VMSIM__FRAME_MLOCKED | VMSIM__FRAME_PINNED)) {
        vmsim__lru_gen_cull(v->lru, pfn);
        return true;
    }
    if (type == VMSIM__LRU_GEN_FILE && vmsim__frame_is(f, VMSIM__FRAME_ANON) &&
        vmsim__frame_is(f, VMSIM__FRAME_DIRTY)) { /* given up by MADV_FREE, and written since */
        vmsim__lru_gen_del(v->lru, f, true);
        f->flags |= VMSIM__FRAME_SWAPBACKED;
        vmsim__lru_gen_add(v->lru, pfn, f, true);
        return true;
    }
    if (vmsim__folio_gen(f) != (int)vmsim__gen_of_seq(g->min_seq[type])) {
        vmsim__lru_gen_sort(v->lru, pfn, false);
        return true;
    }
    if (tier > tier_idx || refs == 1u << VMSIM__LRU_REFS_WIDTH) {
        vmsim__folio_inc_gen(v->lru, f, false);
        vmsim__lru_gen_sort(v->lru, pfn, true);
        g->protected[type][tier] += pages;
        vmsim__vmscan_node_stat(v, f, (enum vmsim__node_stat)(VMSIM__WORKINGSET_ACTIVATE_ANON + type), pages);
        return true;
    }
    if (v->mem->zones[vmsim__frame_zone(f)].type > sc->zone_type) { /* freeing it would not help */
        vmsim__folio_inc_gen(v->lru, f, false);
        vmsim__lru_gen_sort(v->lru, pfn, true);
        return true;
    }
    const bool dirty = type == VMSIM__LRU_GEN_FILE && vmsim__frame_is(f, VMSIM__FRAME_DIRTY);
    if (dirty)
        note_files(v, sc, pages, vmsim__frame_is(f, VMSIM__FRAME_WRITEBACK) ? 0 : pages);
    if (dirty || vmsim__frame_is(f, VMSIM__FRAME_LOCKED | VMSIM__FRAME_WRITEBACK)) {
        vmsim__folio_inc_gen(v->lru, f, true);
        vmsim__lru_gen_sort(v->lru, pfn, false);
        return true;
    }
    return false;
}

/* Off its list, with a reference. */
static bool isolate_folio(struct vmsim__vmscan *v, const struct vmsim__scan_control *sc, vmsim__pfn pfn) {
    struct vmsim__frame *f = vmsim__frame_at(&v->mem->frames, pfn);
    const bool swaps = vmsim__frame_is(f, VMSIM__FRAME_ANON) && !vmsim__frame_is(f, VMSIM__FRAME_SWAPCACHE);
    if (!sc->may_unmap && vmsim__folio_mapped(v->lru, pfn))
        return false;
    if (!(sc->may_writepage && (sc->gfp & VMSIM__GFP_IO)) && (vmsim__frame_is(f, VMSIM__FRAME_DIRTY) || swaps))
        return false;
    if (!vmsim__frame_is(f, VMSIM__FRAME_REFERENCED))
        vmsim__folio_clear_refs(f);
    f->flags &= ~(VMSIM__FRAME_RECLAIM | VMSIM__FRAME_REFERENCED);
    VMSIM__ASSERT(vmsim__frame_is(f, VMSIM__FRAME_LRU) && f->refcount > 0);
    vmsim__lru_gen_del(v->lru, f, true);
    f->flags &= ~VMSIM__FRAME_LRU;
    f->refcount++;
    return true;
}

/* ---- a batch ---- */

struct batch {
    vmsim__pfn folio[VMSIM__SHRINK_MAX];
    uint32_t count, scanned, sorted, isolated, remaining; /* pages but for count and remaining: folios */
    unsigned tier;
};

/* One list of the oldest generation. Those that this reclaim may not take go to its head, in their order. */
static void scan_list(struct vmsim__vmscan *v, struct vmsim__scan_control *sc, struct vmsim__lruvec *lruvec,
                      const struct vmsim__lru_gen_list *l, unsigned zone, struct batch *b) {
    VMSIM__ASSERT(b->remaining > 0 && b->count < VMSIM__SHRINK_MAX);
    uint32_t skipped = 0;
    uint64_t passed = 0; /* folios at the head that were passed over: the scan ends where it began */
    vmsim__pfn first = VMSIM__PFN_NONE;
    while (l->tail != VMSIM__PFN_NONE && l->tail != first) {
        const vmsim__pfn pfn = l->tail;
        const uint32_t pages = vmsim__frame_pages(vmsim__frame_at(&v->mem->frames, pfn));
        b->scanned += pages;
        if (sort_folio(v, sc, lruvec, pfn, b->tier)) {
            b->sorted += pages;
        } else if (isolate_folio(v, sc, pfn)) {
            b->folio[b->count++] = pfn;
            b->isolated += pages;
        } else {
            vmsim__lru_gen_sort(v->lru, pfn, false);
            first = passed++ ? first : pfn;
            skipped += pages;
        }
        if (!--b->remaining || vmsim__max64(b->isolated, skipped) >= VMSIM__MIN_LRU_BATCH)
            break;
    }
    v->mem->event[VMSIM__PGSKIP_DMA + zone] += skipped;
}

/* Pages looked at; 0: nothing came of it, and looking again would not help. */
static uint32_t scan_folios(struct vmsim__vmscan *v, struct vmsim__scan_control *sc, struct vmsim__lruvec *lruvec,
                            unsigned type, struct batch *b) {
    const struct vmsim__lru_gen *g = lruvec->gen;
    const unsigned gen = vmsim__gen_of_seq(g->min_seq[type]);
    b->remaining = VMSIM__MAX_LRU_BATCH;
    b->scanned = b->sorted = 0;
    VMSIM__ASSERT(!b->count && !b->isolated);
    if (vmsim__nr_gens(g, type) == VMSIM__MIN_NR_GENS)
        return 0;
    for (unsigned i = 0; i < VMSIM__ZONE_TYPES && b->remaining && b->isolated < VMSIM__MIN_LRU_BATCH; i++) {
        const unsigned z = (sc->zone_type + VMSIM__ZONE_TYPES - i) % VMSIM__ZONE_TYPES; /* those that help come first */
        scan_list(v, sc, lruvec, &g->list[gen][type][z], z, b);
    }
    vmsim__vmscan_count_scan(v, sc, lruvec->memcg, sc->kswapd ? VMSIM__PGSCAN_KSWAPD : VMSIM__PGSCAN_DIRECT,
                             b->isolated);
    vmsim__vmscan_count_scan(v, sc, lruvec->memcg, VMSIM__PGREFILL, b->sorted);
    v->mem->event[type == VMSIM__LRU_GEN_FILE ? VMSIM__PGSCAN_FILE : VMSIM__PGSCAN_ANON] += b->isolated;
    if (type == VMSIM__LRU_GEN_FILE)
        note_files(v, sc, b->isolated, 0);
    VMSIM__ASSERT(b->count <= b->isolated && b->isolated + b->sorted <= b->scanned);
    sc->nr_sorted += b->scanned - b->isolated;
    return b->isolated || !b->remaining ? b->scanned : 0;
}

/* The type that is older goes first; of equal ones swappiness and the controller decide. The other follows where there
 * is nothing of the first. */
static uint32_t isolate_folios(struct vmsim__vmscan *v, struct vmsim__scan_control *sc, struct vmsim__lruvec *lruvec,
                               unsigned swappiness, unsigned *type, struct batch *b) {
    const struct vmsim__lru_gen *g = lruvec->gen;
    uint32_t scanned = 0;
    bool known = false;
    *type = VMSIM__LRU_GEN_FILE;
    if (swappiness && g->min_seq[VMSIM__LRU_GEN_ANON] < g->min_seq[VMSIM__LRU_GEN_FILE]) {
        *type = VMSIM__LRU_GEN_ANON;
    } else if (swappiness > 1) {
        *type = VMSIM__LRU_GEN_ANON;
        if (swappiness < VMSIM__SWAPPINESS_MAX) {
            *type = vmsim__type_to_scan(g, swappiness, &b->tier);
            known = true;
        }
    }
    const unsigned end = vmsim__end_type(swappiness);
    for (unsigned i = vmsim__first_type(swappiness); i < end; i++) {
        if (!known)
            b->tier = vmsim__tier_idx(g, *type);
        scanned = scan_folios(v, sc, lruvec, *type, b);
        if (scanned || i + 1 == end)
            break;
        *type = !*type;
        known = false;
    }
    VMSIM__ASSERT(swappiness || *type == VMSIM__LRU_GEN_FILE || !b->count);
    return scanned;
}

/* ---- what was not freed ---- */

/* Back to the lists. Those that only wait for an end of their write-out that has come meanwhile stay in the batch, to
 * be tried once more. */
static void put_back(struct vmsim__vmscan *v, struct vmsim__scan_control *sc, struct batch *b, bool last) {
    VMSIM__ASSERT(b->count <= VMSIM__SHRINK_MAX);
    vmsim__pfn back[VMSIM__SHRINK_MAX];
    uint32_t nr_back = 0, again = 0;
    for (uint32_t i = 0; i < b->count; i++) {
        struct vmsim__frame *f = vmsim__frame_at(&v->mem->frames, b->folio[i]);
        const bool written = vmsim__frame_is(f, VMSIM__FRAME_DIRTY | VMSIM__FRAME_WRITEBACK);
        if (vmsim__frame_is(f, VMSIM__FRAME_MLOCKED | VMSIM__FRAME_PINNED)) {
            vmsim__lru_putback(v->lru, b->folio[i], sc->cpu);
            continue;
        }
        if (vmsim__frame_is(f, VMSIM__FRAME_RECLAIM) && written) {
            f->flags |= vmsim__frame_is(f, VMSIM__FRAME_WORKINGSET) ? VMSIM__FRAME_REFERENCED : 0;
        } else if (last || written || vmsim__folio_mapped(v->lru, b->folio[i]) ||
                   vmsim__frame_is(f, VMSIM__FRAME_ACTIVE | VMSIM__FRAME_REFERENCED | VMSIM__FRAME_LOCKED)) {
            vmsim__folio_clear_refs(f);
            f->flags |= VMSIM__FRAME_ACTIVE;
        } else {
            sc->nr_scanned -= vmsim__frame_pages(f);
            b->folio[again++] = b->folio[i];
            continue;
        }
        back[nr_back++] = b->folio[i];
    }
    b->count = again;
    vmsim__lru_move_back(v->lru, back, nr_back, sc->cpu);
}

/* A second round tries folios that were clean or referenced only at the first look, which has become known meanwhile.
 * At two generations nothing older can be made young by another look, so that 0 makes the caller age. Kernel:
 * evict_folios. */
uint64_t vmsim__evict_folios(struct vmsim__vmscan *v, struct vmsim__scan_control *sc, struct vmsim__lruvec *lruvec,
                             unsigned swappiness, bool *swapping) {
    struct batch b = {.tier = 0};
    struct vmsim__reclaim_stat stat;
    struct vmsim__memcg *m = lruvec->memcg;
    const uint64_t begin = v->mem->now.time;
    uint64_t freed = 0;
    unsigned type;
    uint64_t scanned = isolate_folios(v, sc, lruvec, swappiness, &type, &b);
    scanned += vmsim__try_to_inc_min_seq(lruvec, swappiness);
    if (vmsim__nr_gens(lruvec->gen, vmsim__first_type(swappiness)) == VMSIM__MIN_NR_GENS)
        scanned = 0;
    const enum vmsim__event_stat steal = sc->kswapd ? VMSIM__PGSTEAL_KSWAPD : VMSIM__PGSTEAL_DIRECT;
    *swapping = *swapping || (b.count && type == VMSIM__LRU_GEN_ANON);
    vmsim__memcg_get(m); /* its last page may be freed here */
    for (unsigned round = 0; b.count; round++) {
        VMSIM__ASSERT(round < 2);
        const uint64_t reclaimed = vmsim__shrink_folio_list(v, sc, lruvec->node, b.folio, &b.count, &stat, false);
        sc->nr_reclaimed += reclaimed;
        note_files(v, sc, 0, stat.unqueued_dirty);
        freed += reclaimed;
        VMSIM__ASSERT(freed <= b.isolated);
        put_back(v, sc, &b, round > 0);
        vmsim__vmscan_count_scan(v, sc, m, steal, reclaimed);
        v->mem->event[type == VMSIM__LRU_GEN_FILE ? VMSIM__PGSTEAL_FILE : VMSIM__PGSTEAL_ANON] += reclaimed;
    }
    if (b.isolated)
        vmsim__vmscan_tell(v, sc, begin, b.isolated, freed, lruvec->node, type == VMSIM__LRU_GEN_FILE);
    vmsim__memcg_put(m);
    return scanned;
}

/* ---- a lruvec ---- */

/* Pages to look at; 0: leave it. Ageing at the first priority can wait, and is kswapd's own affair before its rounds.
 * Kernel: get_nr_to_scan (6.1). */
static uint64_t nr_to_scan(struct vmsim__vmscan *v, struct vmsim__scan_control *sc, struct vmsim__lruvec *lruvec,
                           bool can_swap, bool *need_aging) {
    const struct vmsim__lru_gen *g = lruvec->gen;
    uint64_t total;
    VMSIM__ASSERT(sc->priority >= 0 && sc->priority <= VMSIM__DEF_PRIORITY);
    *need_aging = vmsim__should_run_aging(g, can_swap, &total);
    const uint64_t scan = lruvec->memcg->online ? total >> sc->priority : total;
    if (!*need_aging)
        return scan;
    if (sc->priority != VMSIM__DEF_PRIORITY) {
        if (sc->kswapd)
            return 0;
        vmsim__inc_max_seq(v, sc, lruvec, can_swap);
        return scan;
    }
    return vmsim__nr_gens(g, can_swap ? VMSIM__LRU_GEN_ANON : VMSIM__LRU_GEN_FILE) > VMSIM__MIN_NR_GENS ? scan : 0;
}

/* Kernel: the zones of should_abort_scan (6.1): is as much free as this reclaim is for? */
static bool node_has_enough(const struct vmsim__vmscan *v, const struct vmsim__scan_control *sc, unsigned node) {
    const struct vmsim__node *n = &v->mem->nodes[node];
    for (unsigned i = 0; i < n->nr_zones; i++) {
        const struct vmsim__zone *z = &v->mem->zones[n->zone[i]];
        const enum vmsim__wmark mark = sc->kswapd ? VMSIM__WMARK_HIGH : VMSIM__WMARK_LOW;
        if (z->type <= sc->zone_type && z->managed &&
            (int64_t)vmsim__zone_wmark(z, mark) > z->stat[VMSIM__NR_FREE_PAGES])
            return false;
    }
    return true;
}

/* Enough for the sake of the others? Kernel: should_abort_scan (6.1). */
static bool should_abort(const struct vmsim__vmscan *v, struct vmsim__scan_control *sc,
                         const struct vmsim__lruvec *lruvec, uint64_t max_seq, bool swapping) {
    VMSIM__ASSERT(sc->nr_reclaimed >= sc->last_reclaimed);
    if (!sc->kswapd) {
        if (lruvec->gen->max_seq > max_seq + 1 || (sc->nr_reclaimed >= sc->nr_to_reclaim && swapping))
            return true;
        if (!vmsim__vmscan_global(sc))
            return false;
    } else if (sc->nr_reclaimed - sc->last_reclaimed < sc->nr_to_reclaim) {
        return false;
    }
    if (sc->priority > VMSIM__DEF_PRIORITY - 2 || !node_has_enough(v, sc, lruvec->node))
        return false;
    sc->nr_reclaimed += VMSIM__MIN_LRU_BATCH;
    return true;
}

static unsigned swappiness_of(const struct vmsim__vmscan *v, const struct vmsim__scan_control *sc,
                              const struct vmsim__lruvec *lruvec) {
    const unsigned swappiness = vmsim__mglru_swappiness(v, sc, lruvec);
    return sc->may_swap ? swappiness : vmsim__vmscan_global(sc) && swappiness;
}

/* ---- since 6.3 ---- */

/* Pages to look at; 0: leave it; -1: and it was aged. Of a cgroup that was removed all goes. Kernel: get_nr_to_scan. */
static int64_t nr_to_scan_or_aged(struct vmsim__vmscan *v, struct vmsim__scan_control *sc, struct vmsim__lruvec *lruvec,
                                  unsigned swappiness) {
    uint64_t total;
    const bool due = vmsim__should_run_aging(lruvec->gen, swappiness, &total);
    if (vmsim__nr_gens(lruvec->gen, vmsim__first_type(swappiness)) == VMSIM__MIN_NR_GENS)
        total = 0;
    if (total && !lruvec->memcg->online)
        return (int64_t)total;
    if (!due || sc->priority == VMSIM__DEF_PRIORITY)
        return (int64_t)(total >> sc->priority);
    vmsim__inc_max_seq(v, sc, lruvec, swappiness);
    return -1;
}

/* kswapd stops when every zone that may serve the request is above its high watermark by one batch; direct reclaim when
 * it has what it came for. Kernel: should_abort_scan. */
bool vmsim__mglru_should_abort(const struct vmsim__vmscan *v, const struct vmsim__scan_control *sc,
                               const struct vmsim__lruvec *lruvec) {
    const struct vmsim__node *n = &v->mem->nodes[lruvec->node];
    if (!vmsim__vmscan_global(sc))
        return false;
    if (sc->nr_reclaimed >= vmsim__max64(sc->nr_to_reclaim, UINT64_C(2) << sc->order))
        return true;
    if (!sc->kswapd || sc->order)
        return false;
    for (unsigned i = 0; i < n->nr_zones; i++) { /* single pages, for anybody: no block has to be there */
        const struct vmsim__zone *z = &v->mem->zones[n->zone[i]];
        const uint64_t mark = vmsim__zone_wmark(z, VMSIM__WMARK_HIGH) + VMSIM__MIN_LRU_BATCH;
        if (z->type <= sc->zone_type && z->managed &&
            z->stat[VMSIM__NR_FREE_PAGES] <= (int64_t)(mark + z->lowmem_reserve[sc->zone_type]))
            return false;
    }
    return true;
}

bool vmsim__mglru_try_to_shrink(struct vmsim__vmscan *v, struct vmsim__scan_control *sc, struct vmsim__lruvec *lruvec) {
    unsigned swappiness = sc->may_swap ? vmsim__mglru_swappiness(v, sc, lruvec) : 0;
    uint64_t scanned = 0;
    int64_t scan;
    bool swapping = false;
    if (swappiness && !(sc->gfp & VMSIM__GFP_IO)) /* clean pages of files are more likely to be there */
        swappiness = 1;
    while ((scan = nr_to_scan_or_aged(v, sc, lruvec, swappiness)) > 0) {
        const uint64_t delta = vmsim__evict_folios(v, sc, lruvec, swappiness, &swapping);
        scanned += delta;
        if (!delta || scanned >= (uint64_t)scan || vmsim__mglru_should_abort(v, sc, lruvec) ||
            vmsim__vmscan_congested(v, sc))
            break;
    }
    if (sc->nr.unqueued_dirty && sc->nr.unqueued_dirty == sc->nr.file_taken)
        vmsim__vmscan_wake_flushers(v, sc);
    return scan < 0;
}

/* ---- whichever ---- */

void vmsim__mglru_shrink_lruvec(struct vmsim__vmscan *v, struct vmsim__scan_control *sc, struct vmsim__lruvec *lruvec) {
    const uint64_t max_seq = lruvec->gen->max_seq, before = sc->nr_reclaimed;
    uint64_t scanned = 0;
    bool need_aging = false, swapping = false;
    vmsim__lru_drain_cpu(v->lru, sc->cpu);
    sc->has_walk = vmsim__mglru_begins_with_walk(v, sc);
    if (v->kernel->lru_gen_memcgs) {
        if (vmsim__mglru_try_to_shrink(v, sc, lruvec))
            vmsim__memcg_lru_rotate(v->lru, lruvec, VMSIM__MEMCG_LRU_YOUNG);
        return;
    }
    for (;;) {
        const unsigned swappiness = swappiness_of(v, sc, lruvec);
        const uint64_t scan = nr_to_scan(v, sc, lruvec, swappiness, &need_aging);
        const uint64_t delta = scan ? vmsim__evict_folios(v, sc, lruvec, swappiness, &swapping) : 0;
        if (!delta)
            return;
        scanned += delta;
        if (scanned >= scan || should_abort(v, sc, lruvec, max_seq, swapping) || vmsim__vmscan_congested(v, sc))
            break;
    }
    if (sc->nr_reclaimed - before >= VMSIM__MIN_LRU_BATCH && !need_aging)
        sc->memcgs_need_aging = false;
}

const struct vmsim__reclaim_ops vmsim__linux_mglru = {.name = "linux-mglru",
                                                      .shrink_lruvec = vmsim__mglru_shrink_lruvec,
                                                      .shrink_global = vmsim__mglru_shrink_global,
                                                      .age_node = vmsim__mglru_age_node,
                                                      .referenced = vmsim__mglru_referenced};
