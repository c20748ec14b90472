/* SPDX-License-Identifier: MIT */
/* kswapd: one thread a node with memory, which keeps it above its high watermarks.
 *
 *     asleep --woken below low--> balance: rounds over the node, priority 12 down to 1, until some zone is above high
 *        ^                                        |
 *        `---- still balanced --- nap of 100 ms --'
 *
 * A round (shrink_node) is one piece of its work; between two others may have the CPU. Kernel counterparts: kswapd,
 * balance_pgdat, kswapd_try_to_sleep, wakeup_kswapd of mm/vmscan.c. */
#include <stdio.h>

#include "machine/compact.h"
#include "machine/sched.h"

#define NAP UINT64_C(100000000) /* ns: HZ / 10 */
#define HOPELESS 16u            /* runs in a row without a page: MAX_RECLAIM_RETRIES */

enum kswapd_state { ASLEEP, NAPPING, BALANCING };

struct vmsim__kswapd {
    struct vmsim_machine *m;
    struct vmsim__task *t; /* NULL: the node has no memory */
    char name[16];
    uint16_t node;
    uint8_t state;            /* enum kswapd_state */
    bool asked;               /* since it last looked */
    uint8_t order, zone_type; /* of those who asked */
    uint8_t run_order;        /* what the run was begun for: sc.order falls to 0 when enough is free */
    uint64_t nap_end;
    /* of the run */
    struct vmsim__scan_control sc;
    uint64_t boost[VMSIM__ZONE_TYPES]; /* of its zones, as they were when it began */
    uint64_t boost_left;               /* pages that are to be reclaimed for them */
    uint64_t reclaimed_before;         /* nr_reclaimed when the round began */
};

/* Kernel: pgdat_balanced: one zone is enough, above its promo watermark where hot pages are to come to it. A node
 * without a managed zone of these is balanced. */
static bool balanced(const struct vmsim_machine *m, unsigned node, unsigned order, unsigned zone_type) {
    VMSIM__ASSERT(node < m->mem->nr_nodes);
    const struct vmsim__node *n = &m->mem->nodes[node];
    const enum vmsim__wmark mark = m->numa.knobs.mode & VMSIM__NUMA_TIERING ? VMSIM__WMARK_PROMO : VMSIM__WMARK_HIGH;
    bool any = false;
    for (unsigned i = 0; i < n->nr_zones; i++) {
        const struct vmsim__zone *z = &m->mem->zones[n->zone[i]];
        if (z->type > zone_type || !z->managed)
            continue;
        any = true;
        if (vmsim__zone_watermark_ok(m->mem, z, order, vmsim__zone_wmark(z, mark), zone_type, 0))
            return true;
    }
    return !any;
}

static uint64_t boost_of(const struct vmsim_machine *m, unsigned node, unsigned zone_type) {
    VMSIM__ASSERT(node < m->mem->nr_nodes);
    const struct vmsim__node *n = &m->mem->nodes[node];
    uint64_t boost = 0;
    for (unsigned i = 0; i < n->nr_zones; i++)
        boost += m->mem->zones[n->zone[i]].type <= zone_type ? m->mem->zones[n->zone[i]].boost : 0;
    return boost;
}

bool vmsim__kswapd_works(const struct vmsim_machine *m, unsigned node) {
    return m->kswapd[node].t && m->kswapd[node].state == BALANCING;
}

/* Where there is memory enough, and no block of the order, kcompactd is asked, unless the request compacts by itself.
 */
void vmsim__kswapd_wake(struct vmsim_machine *m, unsigned node, uint32_t gfp, unsigned order, unsigned zone_type) {
    VMSIM__ASSERT(node < m->mem->nr_nodes);
    struct vmsim__kswapd *k = &m->kswapd[node];
    if (!k->t)
        return;
    k->zone_type = (uint8_t)(k->asked && k->zone_type > zone_type ? k->zone_type : zone_type);
    k->order = (uint8_t)(k->asked && k->order > order ? k->order : order);
    k->asked = true;
    if (k->state == BALANCING || k->t->state != VMSIM__TASK_BLOCKED)
        return;
    if (m->vmscan.node[node].kswapd_failures >= HOPELESS ||
        (balanced(m, node, order, zone_type) && !boost_of(m, node, zone_type))) {
        if (!(gfp & VMSIM__GFP_DIRECT_RECLAIM))
            vmsim__kcompactd_wake(m, node, order, zone_type);
        return;
    }
    if (k->state == NAPPING)
        m->mem->event[VMSIM__KSWAPD_LOW_WMARK_HIT_QUICKLY]++;
    k->state = BALANCING;
    k->sc.priority = 0; /* to begin */
    vmsim__kthread_wake(m, k->t, node, m->mem->now.time);
}

/* While kswapd works in a zone, what is freed there goes to the zone and not to the CPUs' own lists: it is what kswapd
 * waits for. Kernel: set_reclaim_active, clear_reclaim_active. */
static void reclaim_active(struct vmsim__kswapd *k, bool active) {
    const struct vmsim__node *n = &k->m->mem->nodes[k->node];
    for (unsigned i = 0; i < n->nr_zones; i++) {
        struct vmsim__zone *z = &k->m->mem->zones[n->zone[i]];
        if (!active)
            z->flags &= (uint8_t)~VMSIM__ZONE_RECLAIM_ACTIVE;
        else if (z->type <= k->sc.zone_type && z->managed)
            z->flags |= VMSIM__ZONE_RECLAIM_ACTIVE;
    }
}

/* The boosts of watermarks are noted at the start: only what was there then is paid off at the end, as allocations
 * go on boosting meanwhile. Kernel: balance_pgdat. */
static void begin(struct vmsim__kswapd *k) {
    struct vmsim_machine *m = k->m;
    const struct vmsim__node *n = &m->mem->nodes[k->node];
    k->asked = false;
    k->sc = vmsim__scan_kswapd(k->order, k->zone_type, k->t->cpu);
    k->run_order = k->order;
    k->boost_left = 0;
    for (unsigned i = 0; i < n->nr_zones; i++) {
        const struct vmsim__zone *z = &m->mem->zones[n->zone[i]];
        k->boost[i] = z->type <= k->zone_type ? z->boost : 0;
        k->boost_left += k->boost[i];
    }
    k->order = 0;
    reclaim_active(k, true);
    m->mem->event[VMSIM__PAGEOUTRUN]++;
}

/* The boost that it saw is worked off; what is free now may be made into pageblocks. */
static void end_boost(struct vmsim__kswapd *k) {
    const struct vmsim__node *n = &k->m->mem->nodes[k->node];
    bool boosted = false;
    for (unsigned i = 0; i < n->nr_zones; i++) {
        struct vmsim__zone *z = &k->m->mem->zones[n->zone[i]];
        z->boost -= vmsim__min64(z->boost, k->boost[i]);
        boosted = boosted || k->boost[i];
        k->boost[i] = 0;
    }
    if (boosted)
        vmsim__kcompactd_wake(k->m, k->node, k->m->mem->pageblock_order, k->sc.zone_type);
}

/* A run that took less than its order asks for looks whether order 0 suffices, and kcompactd has the rest to do. One
 * that stayed at its order looks for what was asked meanwhile, nothing as a rule: then the node is at rest, and where
 * no block was to be had is forgotten. Kernel: the loop of kswapd around kswapd_try_to_sleep. `given_up`: not because
 * all is well. */
static enum vmsim__work finish(struct vmsim__kswapd *k, bool given_up) {
    struct vmsim_machine *m = k->m;
    if (given_up && !k->sc.nr_reclaimed)
        m->vmscan.node[k->node].kswapd_failures++;
    end_boost(k);
    reclaim_active(k, false);
    m->vmscan.node[k->node].writeback = m->vmscan.node[k->node].dirty = false;
    if (k->sc.order >= k->run_order)
        k->sc.order = k->run_order = k->asked ? k->order : 0;
    VMSIM__ASSERT(k->sc.order <= k->run_order);
    if (!given_up || balanced(m, k->node, k->sc.order, k->sc.zone_type)) {
        vmsim__compaction_reset_hints(&m->compaction, k->node);
        vmsim__kcompactd_wake(m, k->node, k->run_order, k->sc.zone_type);
    }
    k->state = NAPPING;
    k->nap_end = m->cpus[k->t->cpu].now + NAP;
    k->t->wait = (struct vmsim__wait){VMSIM__WAIT_WORK, 0, k->nap_end};
    return VMSIM__WORK_WAIT;
}

/* The nap is over: sleep until somebody asks, or go on at once. */
static enum vmsim__work end_nap(struct vmsim__kswapd *k) {
    struct vmsim_machine *m = k->m;
    const bool hopeless = m->vmscan.node[k->node].kswapd_failures >= HOPELESS;
    if (!hopeless && !balanced(m, k->node, k->sc.order, k->sc.zone_type)) {
        m->mem->event[VMSIM__KSWAPD_HIGH_WMARK_HIT_QUICKLY]++;
        k->state = BALANCING;
        k->order = k->sc.order;
        k->zone_type = k->sc.zone_type;
        k->sc.priority = 0;
        return VMSIM__WORK_MORE;
    }
    k->state = ASLEEP;
    k->t->wait = (struct vmsim__wait){VMSIM__WAIT_WORK, 0, VMSIM__TIME_NEVER};
    return VMSIM__WORK_WAIT;
}

/* Kernel: kswapd_shrink_node. True: enough was scanned to stay at this priority. */
static bool shrink(struct vmsim__kswapd *k) {
    VMSIM__ASSERT(k->node < k->m->mem->nr_nodes);
    struct vmsim_machine *m = k->m;
    const struct vmsim__node *n = &m->mem->nodes[k->node];
    k->sc.nr_to_reclaim = 0;
    for (unsigned i = 0; i < n->nr_zones; i++) {
        const struct vmsim__zone *z = &m->mem->zones[n->zone[i]];
        if (z->type <= k->sc.zone_type && z->managed)
            k->sc.nr_to_reclaim += vmsim__max64(vmsim__zone_wmark(z, VMSIM__WMARK_HIGH), VMSIM__SWAP_CLUSTER_MAX);
    }
    if (!k->sc.rest.cut)
        k->sc.nr_scanned = k->sc.nr_sorted = 0;
    const uint64_t before = k->sc.nr_scanned + k->sc.nr_sorted;
    vmsim__shrink_node(&m->vmscan, &k->sc, k->node);
    vmsim__now_charge(&m->mem->now, (k->sc.nr_scanned + k->sc.nr_sorted - before) * m->spec.costs.reclaim_scan);
    if (k->sc.rest.cut)
        return false;
    if (k->sc.order && k->sc.nr_reclaimed >= UINT64_C(2) << k->sc.order)
        k->sc.order = 0;
    return k->sc.nr_scanned >= k->sc.nr_to_reclaim;
}

/* What the round may do, and the ageing before it. False: there is nothing to do, or another priority to begin with. */
static bool begin_round(struct vmsim__kswapd *k, enum vmsim__work *how) {
    struct vmsim_machine *m = k->m;
    const bool fine = balanced(m, k->node, k->sc.order, k->sc.zone_type);
    if (!fine && k->boost_left) { /* boosts are worked off only while nothing else is to do */
        k->boost_left = 0;
        k->sc.priority = VMSIM__DEF_PRIORITY;
        *how = VMSIM__WORK_MORE;
        return false;
    }
    if (fine && !k->boost_left) {
        *how = finish(k, false);
        return false;
    }
    k->sc.may_writepage = !k->boost_left || k->sc.priority < VMSIM__DEF_PRIORITY - 2;
    k->sc.may_swap = !k->boost_left;
    vmsim__age_node(&m->vmscan, &k->sc, k->node);
    k->reclaimed_before = k->sc.nr_reclaimed;
    return true;
}

static enum vmsim__work pause_for(struct vmsim__kswapd *k, uint64_t ns) {
    k->t->wait = (struct vmsim__wait){VMSIM__WAIT_TIME, 0, k->m->mem->now.time + ns};
    return VMSIM__WORK_WAIT;
}

/* One turn of balance_pgdat's loop, or what is left of it. */
static enum vmsim__work balance_round(struct vmsim__kswapd *k) {
    struct vmsim_machine *m = k->m;
    enum vmsim__work how;
    if (!k->sc.rest.cut && !begin_round(k, &how))
        return how;
    const bool light = k->boost_left && k->sc.priority == VMSIM__DEF_PRIORITY - 2, scanned_enough = shrink(k);
    const bool congested = m->swap && vmsim__swap_congested(m->swap);
    if (k->sc.rest.cut)
        return congested ? pause_for(k, VMSIM__SWAP_PAUSE) : VMSIM__WORK_MORE;
    const uint64_t reclaimed = k->sc.nr_reclaimed - k->reclaimed_before;
    k->boost_left -= vmsim__min64(k->boost_left, reclaimed);
    if (k->boost_left && !reclaimed)
        return finish(k, true);
    if (congested && !vmsim__vmscan_goes_on(&m->vmscan))
        return pause_for(k, VMSIM__SWAP_PAUSE);
    if ((!light && !scanned_enough) || !reclaimed)
        k->sc.priority--;
    if (k->sc.priority < 1)
        return finish(k, true);
    return k->sc.throttle == VMSIM__THROTTLE_WRITEBACK ? pause_for(k, NAP) : VMSIM__WORK_MORE;
}

static enum vmsim__work run(void *context, struct vmsim__task *t) {
    struct vmsim__kswapd *k = context;
    struct vmsim_machine *m = k->m;
    enum vmsim__work how = VMSIM__WORK_MORE;
    vmsim__cpu_load(m, t);
    while (how == VMSIM__WORK_MORE) {
        if (k->state == NAPPING) {
            how = end_nap(k);
        } else if (k->sc.priority < 1) {
            begin(k);
        } else {
            const uint64_t before = m->mem->now.time;
            how = balance_round(k);
            vmsim__psi_stalled(m, before);
            vmsim__cpu_charge(m, t);
        }
        if (m->cpus[t->cpu].now >= m->until || k->sc.rest.cut)
            break;
    }
    vmsim__cpu_charge(m, t);
    return how;
}

int vmsim__kswapd_init(struct vmsim_machine *m) {
    m->kswapd = vmsim__calloc(m->alloc, m->mem->nr_nodes, sizeof *m->kswapd);
    if (!m->kswapd)
        return VMSIM_ENOMEM;
    for (unsigned n = 0; n < m->mem->nr_nodes; n++) {
        struct vmsim__kswapd *k = &m->kswapd[n];
        if (!vmsim__node_may_have_memory(m->mem, n))
            continue;
        k->m = m;
        k->node = (uint16_t)n;
        snprintf(k->name, sizeof k->name, "kswapd%u", n);
        k->t = vmsim__kthread_create_on(m, k->name, n, &(struct vmsim__source){.run = run, .context = k});
        if (!k->t)
            return VMSIM_ENOMEM;
    }
    return 0;
}

void vmsim__kswapd_fini(struct vmsim_machine *m) {
    vmsim__free(m->alloc, m->kswapd, m->mem ? m->mem->nr_nodes * sizeof *m->kswapd : 0);
    m->kswapd = NULL;
}
