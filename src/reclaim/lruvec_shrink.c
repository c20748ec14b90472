/* SPDX-License-Identifier: MIT */
/* Eviction by a policy: what it proposes is taken off the kernel's lists and freed as the kernel frees it (see
 * lruvec_policy.h).
 *
 *     ask --> there, its own, not twice, not mlocked --> isolate --> vmsim__shrink_folio_list --> freed
 *      ^                                                                  |-- being written: LEAVING, its policy lost
 * it
 *      `-- more, behind those that stay <---------------------------------`-- stays where it is
 *
 * References do not matter any more: that is what the policy decided. Kernel counterpart: shrink_inactive_list. */
#include "reclaim/lruvec_policy.h"
#include "reclaim/vmscan_impl.h"

/* Folios isolated for reclaim, and what they come from. */
struct batch {
    struct vmsim__lruvec_policies *all;
    struct vmsim__scan_control *sc;
    vmsim__pfn folio[VMSIM__SWAP_CLUSTER_MAX];
    uint32_t count;
    uint64_t pages[2]; /* anonymous memory, files */
};

static struct vmsim__frame *frame_of(const struct vmsim__lruvec_policies *all, vmsim__pfn pfn) {
    return vmsim__frame_at(&all->v->mem->frames, pfn);
}

#define AHEAD 2u /* folios between a fetch and its use */

/* What is known of a folio by its number, which is to be looked at soon. */
VMSIM__INLINE void fetch(const struct vmsim__lruvec_policies *all, vmsim__pfn pfn) {
    __builtin_prefetch(&all->pool.node[pfn + 1], 1);
    vmsim__frame_prefetch(&all->v->mem->frames, pfn);
}

/* Its folios are looked at as far as there are some: they need not be cleared, for one folio at a time. */
VMSIM__INLINE void begin(struct batch *b, struct vmsim__lruvec_policies *all, struct vmsim__scan_control *sc) {
    b->all = all;
    b->sc = sc;
    b->count = 0;
    b->pages[0] = b->pages[1] = 0;
}

/* Off its list, if it is on one: it may be in the batch of another CPU, or with somebody who moves it. */
static bool isolate(struct batch *b, vmsim__pfn pfn) {
    struct vmsim__frame *f = frame_of(b->all, pfn);
    VMSIM__ASSERT(b->count < VMSIM__SWAP_CLUSTER_MAX);
    if (!vmsim__lru_isolate(b->all->v->lru, pfn))
        return false;
    f->flags &= ~VMSIM__FRAME_ACTIVE;
    b->pages[vmsim__vmscan_is_file(f)] += vmsim__frame_pages(f);
    b->folio[b->count++] = pfn;
    return true;
}

/* pgscan_* is counted twice in Linux, by who scans and by what is scanned; both are in /proc/vmstat. */
static void count_scan(const struct batch *b, struct vmsim__memcg *m) {
    struct vmsim__vmscan *v = b->all->v;
    const enum vmsim__event_stat scan = b->sc->kswapd ? VMSIM__PGSCAN_KSWAPD : VMSIM__PGSCAN_DIRECT;
    vmsim__vmscan_count_scan(v, b->sc, m, scan, b->pages[0] + b->pages[1]);
    v->mem->event[VMSIM__PGSCAN_ANON] += b->pages[0];
    v->mem->event[VMSIM__PGSCAN_FILE] += b->pages[1];
}

/* The same of what was taken. */
static void count_steal(const struct batch *b, struct vmsim__memcg *m, uint64_t reclaimed, uint64_t anon) {
    struct vmsim__vmscan *v = b->all->v;
    const enum vmsim__event_stat steal = b->sc->kswapd ? VMSIM__PGSTEAL_KSWAPD : VMSIM__PGSTEAL_DIRECT;
    VMSIM__ASSERT(anon <= reclaimed);
    vmsim__vmscan_count_scan(v, b->sc, m, steal, reclaimed);
    v->mem->event[VMSIM__PGSTEAL_ANON] += anon;
    v->mem->event[VMSIM__PGSTEAL_FILE] += reclaimed - anon;
}

/* Frees what can be freed of a batch of one lruvec; those that stay are left in it. Pages freed. */
static uint64_t shrink(struct batch *b, struct vmsim__lruvec *lruvec) {
    struct vmsim__vmscan *v = b->all->v;
    struct vmsim__memcg *m = lruvec->memcg;
    struct vmsim__reclaim_stat stat;
    uint64_t taken = b->pages[0], stay = 0;
    const uint64_t begun = v->mem->now.time;
    if (!b->count)
        return 0;
    vmsim__memcg_get(m); /* its last page may be freed here */
    count_scan(b, m);
    const uint64_t reclaimed = vmsim__shrink_folio_list(v, b->sc, lruvec->node, b->folio, &b->count, &stat, true);
    for (uint32_t i = 0; i < b->count; i++) {
        const struct vmsim__frame *f = frame_of(b->all, b->folio[i]);
        stay += vmsim__vmscan_is_file(f) ? 0 : vmsim__frame_pages(f);
    }
    count_steal(b, m, reclaimed, vmsim__min64(reclaimed, taken - vmsim__min64(taken, stay)));
    vmsim__vmscan_add_up(v, b->sc, &stat, b->pages[0] + b->pages[1], b->pages[1]);
    vmsim__vmscan_tell(v, b->sc, begun, b->pages[0] + b->pages[1], reclaimed, lruvec->node, b->pages[1] > b->pages[0]);
    vmsim__lru_note_cost(lruvec, false, stat.pageout, 0);
    vmsim__memcg_put(m);
    return reclaimed;
}

/* ---- proposals ---- */

/* One that is mlocked, and whose way to the unevictable list has not been gone yet, is no policy's any more. */
static bool lost(struct vmsim__lruvec_policy *p, vmsim__pfn pfn) {
    if (!vmsim__frame_is(frame_of(p->all, pfn), VMSIM__FRAME_MLOCKED | VMSIM__FRAME_PINNED))
        return false;
    p->all->watch.unevictable(p->all, pfn);
    return true;
}

/* Is what is left of a folio on its way out? */
static bool is_leaving(const struct vmsim__frame *f) {
    const uint32_t need = VMSIM__FRAME_SWAPBACKED | VMSIM__FRAME_WRITEBACK | VMSIM__FRAME_RECLAIM;
    return (f->flags & need) == need && !f->mapcount;
}

/* A folio that was on its way out, was wanted again, and is to go again before its write is over: it is unmapped, and
 * waits for that. What was stored to it meanwhile is written then. */
static bool leave_again(struct vmsim__lruvec_policy *p, const struct vmsim__scan_control *sc, vmsim__pfn pfn) {
    const struct vmsim__vmscan *v = p->all->v;
    struct vmsim__frame *f = frame_of(p->all, pfn);
    const uint32_t need = VMSIM__FRAME_SWAPCACHE | VMSIM__FRAME_WRITEBACK;
    if ((f->flags & need) != need || !sc->may_unmap || !v->hooks.unmap)
        return false;
    const bool unmapped = !vmsim__folio_mapped(v->lru, pfn) || v->hooks.unmap(v->hooks.context, pfn, sc->cpu);
    vmsim__vmscan_flush(v, sc);
    if (!unmapped)
        return false;
    f->flags |= VMSIM__FRAME_RECLAIM;
    vmsim__lruvec_policy_leaves(p, pfn);
    return vmsim__policy_of_folio(p->all, pfn) != p;
}

/* The next on a folio's list, away from the end that it is at; 0: none. What was taken off just now still says who was
 * beside it. */
static uint32_t behind(const struct vmsim__reclaim *r, uint32_t folio) {
    VMSIM__ASSERT(vmsim__reclaim_has(r, folio));
    return r->node[folio].prev ? r->node[folio].prev : r->node[folio].next;
}

/* Where a policy takes from a list, the next victims are known before it names them, and the host has the time of a
 * whole eviction to fetch what each needs: of the next but one its records, of the next, whose records are there, what
 * they lead to. Where it does not, some lines are fetched in vain. */
static void expect_next(struct vmsim__lruvec_policy *p, uint32_t victim) {
    const struct vmsim__lruvec_policies *all = p->all;
    const uint32_t next = behind(&p->r, victim);
    if (!next || !vmsim__reclaim_has(&p->r, next))
        return;
    vmsim__vmscan_expect(all->v, next - 1);
    const uint32_t after = behind(&p->r, next);
    if (!after || after > all->pool.folios)
        return;
    fetch(all, after - 1);
    __builtin_prefetch(&all->came[after]);
    __builtin_prefetch(&all->pool.shadow[after]);
}

struct proposal {
    uint32_t wanted;
    const struct vmsim_folio_access *incoming;
    uint32_t asked; /* out: that were proposed and could be */
    uint64_t freed; /* out: pages */
    uint32_t left;  /* out: folios that are written, and gone for the policy */
};

/* Asks once, and does it. A page that came for a reference which is not done yet stays: it may need another page, and
 * would bring them in turns for ever. */
static void propose(struct vmsim__lruvec_policy *p, struct vmsim__scan_control *sc, struct proposal *q) {
    VMSIM__ASSERT(q->wanted && q->wanted <= VMSIM_RECLAIM_BATCH);
    struct vmsim__lruvec_policies *all = p->all;
    vmsim_folio folio[VMSIM_RECLAIM_BATCH];
    struct vmsim_reclaim_request r = {.size = sizeof r,
                                      .wanted = q->wanted,
                                      .folio = folio,
                                      .priority = (uint8_t)sc->priority,
                                      .may_swap = sc->may_swap && vmsim__memcg_swap_room(p->lruvec->memcg),
                                      .may_write = sc->may_writepage,
                                      .may_unmap = sc->may_unmap,
                                      .incoming = q->incoming};
    struct batch b;
    const uint64_t needed_since = all->needed_since(all->context);
    begin(&b, all, sc);
    ++*p->calls;
    for (uint32_t i = 0; i < q->wanted; i++) /* whoever says that it proposes more than it does, proposes none */
        folio[i] = VMSIM_FOLIO_NONE;
    q->asked = vmsim__reclaim_ask(&p->r, &r);
    q->left = 0;
    if (q->asked == 1)
        expect_next(p, (uint32_t)folio[0]);
    for (uint32_t i = 0; i < q->asked; i++) {
        const vmsim__pfn pfn = (vmsim__pfn)(folio[i] - 1);
        if (all->came[folio[i]] >= needed_since || lost(p, pfn))
            continue;
        if (leave_again(p, sc, pfn))
            q->left++;
        else
            isolate(&b, pfn);
    }
    const uint32_t again = q->left;
    q->freed = shrink(&b, p->lruvec);
    for (uint32_t i = 0; i < b.count; i++) {
        if (!is_leaving(frame_of(all, b.folio[i])) || vmsim__policy_of_folio(all, b.folio[i]) != p)
            continue;
        vmsim__lruvec_policy_leaves(p, b.folio[i]);
        q->left++;
    }
    *p->kept += b.count - (q->left - again);
    vmsim__lru_move_back(all->v->lru, b.folio, b.count, sc->cpu);
}

/* ---- the queue of those whose write is over ---- */

/* Folios that may go now, oldest write first. One that somebody wanted again meanwhile is not taken. */
static bool next_leaving(struct vmsim__lruvec_policies *all, vmsim__pfn *pfn) {
    while (all->leaving.first < all->leaving.count) {
        if (all->leaving.first + AHEAD < all->leaving.count)
            fetch(all, all->leaving.at[all->leaving.first + AHEAD]);
        *pfn = all->leaving.at[all->leaving.first];
        if (!(all->pool.node[*pfn + 1].flags & VMSIM__RECLAIM_LEAVING)) { /* freed, or wanted again */
            all->leaving.first++;
            continue;
        }
        if (vmsim__frame_is(frame_of(all, *pfn), VMSIM__FRAME_WRITEBACK))
            return false; /* writes end in their order, or nearly */
        all->leaving.first++;
        return true;
    }
    all->leaving.first = all->leaving.count = 0;
    return false;
}

/* Room of what is behind us is used again before the queue grows. */
static void compact_queue(struct vmsim__lruvec_policies *all) {
    if (all->leaving.first < 1024 || all->leaving.first * 2 < all->leaving.count)
        return;
    const size_t left = all->leaving.count - all->leaving.first;
    for (size_t i = 0; i < left; i++)
        all->leaving.at[i] = all->leaving.at[all->leaving.first + i];
    all->leaving.first = 0;
    all->leaving.count = left;
}

/* One whose write is over is freed, unless it was stored to meanwhile. */
static void finish(struct vmsim__lruvec_policies *all, struct vmsim__scan_control *sc, struct vmsim__memcg *m,
                   vmsim__pfn pfn) {
    VMSIM__ASSERT(!vmsim__frame_is(frame_of(all, pfn), VMSIM__FRAME_WRITEBACK));
    struct batch b;
    begin(&b, all, sc);
    if (isolate(&b, pfn))
        sc->nr_reclaimed += shrink(&b, &m->lruvec[vmsim__frame_node(all->v->mem, pfn)]);
    const bool waits = b.count && is_leaving(frame_of(all, pfn)) && vmsim__vec_push(all->alloc, &all->leaving, pfn);
    vmsim__lru_move_back(all->v->lru, b.folio, b.count, sc->cpu);
    if (!waits && all->pool.node[pfn + 1].flags & VMSIM__RECLAIM_LEAVING) /* it could not be written */
        all->watch.evictable(all, pfn, VMSIM__NO_CPU);
}

/* Folios of other cgroups than those that are reclaimed from are nobody's success. */
void vmsim__lruvec_policies_finish(struct vmsim__lruvec_policies *all, struct vmsim__scan_control *sc) {
    const struct vmsim__memcg *target = vmsim__memcg_by_id(all->v->lru, sc->target);
    vmsim__pfn pfn;
    while (next_leaving(all, &pfn)) {
        struct vmsim__memcg *m = vmsim__memcg_by_id(all->v->lru, frame_of(all, pfn)->memcg);
        if (VMSIM__LIKELY(vmsim__memcg_below(m, target))) {
            finish(all, sc, m, pfn);
            continue;
        }
        struct vmsim__scan_control other = vmsim__scan_direct(0, VMSIM__GFP_KERNEL, sc->zone_type, UINT64_MAX, sc->cpu);
        finish(all, &other, m, pfn);
    }
    compact_queue(all);
}

/* ---- a round ---- */

/* A policy that has nothing left to propose because all is being written is no reason to take something else, or to say
 * that memory is out: whoever can wait does so for the writes. Not for ever: they may be another cgroup's. */
static bool await_writes(const struct vmsim__lruvec_policies *all, const struct vmsim__scan_control *sc) {
    return all->leaving.first < all->leaving.count && !sc->kswapd && sc->priority > 0 && !sc->nr_reclaimed;
}

/* As much as the kernel would scan (get_scan_count) is asked for in batches, until enough is free. A policy that names
 * nothing which can go is stuck: what it let go is waited for, and if that is nothing, the kernel's own way takes over
 * for this round, which the run's report tells (`overruled`). Kernel: shrink_lruvec. */
void vmsim__lruvec_policy_shrink(struct vmsim__vmscan *v, struct vmsim__scan_control *sc,
                                 struct vmsim__lruvec *lruvec) {
    struct vmsim__lruvec_policy *p = lruvec->policy;
    const bool whole = vmsim__vmscan_global(sc) && !sc->kswapd && sc->priority == VMSIM__DEF_PRIORITY;
    uint64_t nr[VMSIM__LRU_UNEVICTABLE], due = 0, freed = 0;
    bool stuck = !p->r.there;
    VMSIM__ASSERT(!p->all->busy);
    p->all->busy = true;
    vmsim__lru_drain_cpu(v->lru, sc->cpu);
    vmsim__lruvec_policies_finish(p->all, sc);
    vmsim__get_scan_count(v, sc, lruvec, nr);
    for (unsigned l = 0; l < VMSIM__LRU_UNEVICTABLE; l++)
        due += nr[l];
    while (due && !stuck && p->r.there && (freed < sc->nr_to_reclaim || whole)) {
        struct proposal q = {.wanted = (uint32_t)vmsim__min64(due, VMSIM_RECLAIM_BATCH)};
        propose(p, sc, &q);
        freed += q.freed;
        stuck = !q.freed && !q.left;
        due -= vmsim__min64(due, vmsim__max64(q.freed, q.asked));
        if (vmsim__vmscan_congested(v, sc))
            break;
    }
    sc->nr_reclaimed += freed;
    if (due && stuck && await_writes(p->all, sc)) {
        sc->throttle = VMSIM__THROTTLE_LEAVING;
    } else if (due && stuck) {
        *p->overruled += p->r.there != 0;
        v->ops->shrink_lruvec(v, sc, lruvec);
    }
    p->all->busy = false;
}

/* What cannot go is passed over: the next question is for more. */
void vmsim__lruvec_policy_make_room(struct vmsim__lruvec_policy *p, const struct vmsim_folio_access *incoming,
                                    unsigned cpu) {
    struct vmsim__lruvec_policies *all = p->all;
    struct vmsim__scan_control sc = vmsim__scan_direct(0, VMSIM__GFP_KERNEL, VMSIM__ZONE_TYPES - 1, UINT64_MAX, cpu);
    uint32_t wanted = 1;
    VMSIM__ASSERT(all->resident && !all->busy);
    all->busy = true;
    vmsim__lru_drain_cpu(all->v->lru, cpu);
    vmsim__lruvec_policies_finish(all, &sc);
    while (p->r.there >= all->resident) {
        struct proposal q = {.wanted = wanted, .incoming = incoming};
        propose(p, &sc, &q);
        wanted = q.freed || q.left ? 1 : wanted * 2;
        if (!q.asked || wanted > VMSIM_RECLAIM_BATCH)
            break;
    }
    all->busy = false;
}
