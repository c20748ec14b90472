/* SPDX-License-Identifier: MIT */
/* One list at a time: 32 pages from the tail, and where they go.
 *
 *     active tail --- executable and used: active head; all others: inactive head (deactivated)
 *     inactive tail --- shrink_folio_list: freed, or back to a head
 *
 * Kernel counterparts: shrink_active_list, shrink_inactive_list, shrink_list, shrink_lruvec of mm/vmscan.c. */
#include "reclaim/vmscan_impl.h"

#include <string.h>

static enum vmsim__lru_list list_of(bool file, bool active) {
    return (enum vmsim__lru_list)((file ? VMSIM__LRU_INACTIVE_FILE : VMSIM__LRU_INACTIVE_ANON) + active);
}

/* From the tail. Nobody waits before they are put back or freed, so that nr_isolated_* is not seen to change. */
static void isolate(struct vmsim__vmscan *v, const struct vmsim__scan_control *sc, struct vmsim__lruvec *lruvec,
                    enum vmsim__lru_list list, uint32_t pages, struct vmsim__isolation *i) {
    VMSIM__ASSERT(pages > 0 && pages <= VMSIM__SWAP_CLUSTER_MAX);
    vmsim__lru_drain_cpu(v->lru, sc->cpu);
    i->zone_type = sc->zone_type;
    i->may_unmap = sc->may_unmap;
    vmsim__lru_isolate_tail(v->lru, lruvec, list, pages, i);
    VMSIM__ASSERT(i->count <= VMSIM__SWAP_CLUSTER_MAX && i->count <= i->taken); /* folios and their pages */
}

void vmsim__shrink_active_list(struct vmsim__vmscan *v, struct vmsim__scan_control *sc, struct vmsim__lruvec *lruvec,
                               bool file, uint32_t pages) {
    struct vmsim__isolation i;
    vmsim__pfn rotated[VMSIM__SWAP_CLUSTER_MAX];
    uint32_t nr_rotated = 0, nr_inactive = 0;
    uint64_t pages_rotated = 0;
    isolate(v, sc, lruvec, list_of(file, true), pages, &i);
    vmsim__vmscan_count_scan(v, sc, lruvec->memcg, VMSIM__PGREFILL, i.scanned);
    for (uint32_t n = 0; n < i.count; n++) {
        struct vmsim__frame *f = vmsim__frame_at(&v->mem->frames, i.folio[n]);
        if (vmsim__frame_is(f, VMSIM__FRAME_MLOCKED | VMSIM__FRAME_PINNED)) {
            vmsim__lru_putback(v->lru, i.folio[n], sc->cpu);
            continue;
        }
        /* the use is forgotten in any case: the page has the time on the inactive list to be used again */
        const struct vmsim__use use = vmsim__vmscan_referenced(v, sc, i.folio[n]);
        VMSIM__ASSERT(!vmsim__frame_is(f, VMSIM__FRAME_LRU) && f->memcg == lruvec->memcg->id);
        if (use.ptes && use.exec && vmsim__vmscan_is_file(f)) {
            rotated[nr_rotated++] = i.folio[n];
            pages_rotated += vmsim__frame_pages(f);
            continue;
        }
        f->flags = (f->flags & ~VMSIM__FRAME_ACTIVE) | VMSIM__FRAME_WORKINGSET;
        i.folio[nr_inactive++] = i.folio[n];
    }
    VMSIM__ASSERT(nr_rotated + nr_inactive <= i.count);
    vmsim__lru_move_back(v->lru, rotated, nr_rotated, sc->cpu);
    uint64_t deactivated = vmsim__lru_move_back(v->lru, i.folio, nr_inactive, sc->cpu);
    vmsim__vmscan_count(v, lruvec->memcg, VMSIM__PGDEACTIVATE, deactivated);
    if (pages_rotated)
        vmsim__lru_note_cost(lruvec, file, 0, pages_rotated);
}

uint64_t vmsim__shrink_inactive_list(struct vmsim__vmscan *v, struct vmsim__scan_control *sc,
                                     struct vmsim__lruvec *lruvec, bool file, uint32_t pages) {
    struct vmsim__isolation i;
    struct vmsim__reclaim_stat stat;
    struct vmsim__memcg *m = lruvec->memcg;
    const uint64_t begin = v->mem->now.time;
    isolate(v, sc, lruvec, list_of(file, false), pages, &i);
    vmsim__vmscan_count_scan(v, sc, m, sc->kswapd ? VMSIM__PGSCAN_KSWAPD : VMSIM__PGSCAN_DIRECT, i.scanned);
    v->mem->event[file ? VMSIM__PGSCAN_FILE : VMSIM__PGSCAN_ANON] += i.scanned;
    if (!i.taken)
        return 0;
    vmsim__memcg_get(m); /* its last page may be freed here */
    uint64_t reclaimed = vmsim__shrink_folio_list(v, sc, lruvec->node, i.folio, &i.count, &stat, false);
    VMSIM__ASSERT(reclaimed <= i.taken);
    vmsim__lru_move_back(v->lru, i.folio, i.count, sc->cpu);
    v->mem->event[file ? VMSIM__PGSTEAL_FILE : VMSIM__PGSTEAL_ANON] += reclaimed;
    vmsim__vmscan_add_up(v, sc, &stat, i.taken, file ? i.taken : 0);
    enum vmsim__event_stat steal = sc->kswapd ? VMSIM__PGSTEAL_KSWAPD : VMSIM__PGSTEAL_DIRECT;
    vmsim__vmscan_count_scan(v, sc, m, steal, reclaimed);
    vmsim__vmscan_tell(v, sc, begin, i.scanned, reclaimed, lruvec->node, file);
    vmsim__lru_note_cost(lruvec, file, stat.pageout, i.scanned - reclaimed);
    vmsim__memcg_put(m);
    return reclaimed;
}

static uint64_t shrink_list(struct vmsim__vmscan *v, struct vmsim__scan_control *sc, struct vmsim__lruvec *lruvec,
                            enum vmsim__lru_list list, uint32_t pages) {
    const bool file = list >= VMSIM__LRU_INACTIVE_FILE, active = list == list_of(file, true);
    VMSIM__ASSERT(list < VMSIM__LRU_UNEVICTABLE && (active || list == list_of(file, false)));
    if (!active)
        return vmsim__shrink_inactive_list(v, sc, lruvec, file, pages);
    if (sc->may_deactivate[file])
        vmsim__shrink_active_list(v, sc, lruvec, file, pages);
    else
        sc->skipped_deactivate = true;
    return 0;
}

/* Enough was reclaimed: what is left of the smaller type is not scanned any more, and the other stops at the same share
 * of its target. False: one type has nothing left. */
static bool stop_in_proportion(uint64_t nr[VMSIM__LRU_UNEVICTABLE], const uint64_t targets[VMSIM__LRU_UNEVICTABLE]) {
    uint64_t left[2] = {nr[VMSIM__LRU_INACTIVE_ANON] + nr[VMSIM__LRU_ACTIVE_ANON],
                        nr[VMSIM__LRU_INACTIVE_FILE] + nr[VMSIM__LRU_ACTIVE_FILE]};
    if (!left[0] || !left[1])
        return false;
    const bool less = left[1] <= left[0]; /* the type that is dropped: files when they are no more */
    const unsigned drop = list_of(less, false), keep = list_of(!less, false);
    const uint64_t percent = left[less] * 100 / (targets[drop] + targets[drop + 1] + 1);
    nr[drop] = nr[drop + 1] = 0;
    for (unsigned l = keep; l <= keep + 1; l++) {
        VMSIM__ASSERT(targets[l] >= nr[l]);
        uint64_t scanned = targets[l] - nr[l];
        nr[l] = targets[l] * (100 - percent) / 100;
        nr[l] -= vmsim__min64(nr[l], scanned);
    }
    return true;
}

static bool any_left(const uint64_t nr[VMSIM__LRU_UNEVICTABLE]) {
    return nr[VMSIM__LRU_INACTIVE_ANON] || nr[VMSIM__LRU_ACTIVE_FILE] || nr[VMSIM__LRU_INACTIVE_FILE];
}

/* A batch of each list: pages reclaimed. */
static uint64_t shrink_lists(struct vmsim__vmscan *v, struct vmsim__scan_control *sc, struct vmsim__lruvec *lruvec,
                             uint64_t nr[VMSIM__LRU_UNEVICTABLE]) {
    uint64_t reclaimed = 0;
    for (unsigned l = 0; l < VMSIM__LRU_UNEVICTABLE; l++) {
        const uint32_t pages = (uint32_t)vmsim__min64(nr[l], VMSIM__SWAP_CLUSTER_MAX);
        nr[l] -= pages;
        if (pages)
            reclaimed += shrink_list(v, sc, lruvec, (enum vmsim__lru_list)l, pages);
    }
    return reclaimed;
}

static void begin_lruvec(struct vmsim__vmscan *v, struct vmsim__scan_control *sc, struct vmsim__lruvec *lruvec) {
    vmsim__get_scan_count(v, sc, lruvec, sc->rest.nr);
    memcpy(sc->rest.targets, sc->rest.nr, sizeof sc->rest.nr);
    sc->rest.memcg = lruvec->memcg->id;
    sc->rest.reclaimed = 0;
}

void vmsim__shrink_lruvec(struct vmsim__vmscan *v, struct vmsim__scan_control *sc, struct vmsim__lruvec *lruvec) {
    struct vmsim__scan_rest *r = &sc->rest;
    const bool whole = vmsim__vmscan_global(sc) && !sc->kswapd && sc->priority == VMSIM__DEF_PRIORITY;
    if (!r->cut)
        begin_lruvec(v, sc, lruvec);
    VMSIM__ASSERT(r->memcg == lruvec->memcg->id);
    r->cut = false;
    while (any_left(r->nr) && !r->cut) {
        const uint64_t reclaimed = shrink_lists(v, sc, lruvec, r->nr);
        r->reclaimed += reclaimed;
        sc->nr_reclaimed += reclaimed;
        if (r->reclaimed >= sc->nr_to_reclaim && !whole && !stop_in_proportion(r->nr, r->targets))
            break;
        r->cut = vmsim__vmscan_goes_on(v) && vmsim__vmscan_interrupted(v, sc);
        if (!vmsim__vmscan_goes_on(v) && vmsim__vmscan_congested(v, sc))
            break;
    }
    if (!r->cut && (vmsim__lru_swap_slots(v->lru) || vmsim__vmscan_can_demote(v, lruvec->node)) &&
        vmsim__inactive_is_low(lruvec, false))
        vmsim__shrink_active_list(v, sc, lruvec, false, VMSIM__SWAP_CLUSTER_MAX);
}

const struct vmsim__reclaim_ops vmsim__linux_lru = {
    .name = "linux-lru", .prepare_node = vmsim__prepare_scan_count, .shrink_lruvec = vmsim__shrink_lruvec};
