/* SPDX-License-Identifier: MIT */
/* vm.zone_reclaim_mode: a node that is short gives up pages of files before an allocation goes to the next node.
 *
 *     zone below its mark, near enough, of the CPU's own node (or one without CPUs)
 *         -> unmapped pages of files more than vm.min_unmapped_ratio -> one short reclaim of this node, from priority 4
 *
 * Whether memory further away is worse than a page that has to be read again is the user's to say: the mode is 0 at
 * first. It never waits, and one at a time reclaims from a node. Kernel counterpart: node_reclaim (mm/vmscan.c) and
 * zone_allows_reclaim (mm/page_alloc.c). */
#include "machine/khugepaged.h"
#include "machine/machine.h"

#define MODE_WRITE 2u
#define MODE_UNMAP 4u
#define PRIORITY 4           /* NODE_RECLAIM_PRIORITY: a sixteenth of the lists */
#define DISTANCE_MAX 30      /* RECLAIM_DISTANCE: nodes beyond are not spared */
#define FRUITLESS_ROUNDS 64u /* of an interrupted round that gets no further */
#define FRUITLESS_FAULTS 16u /* of one reference, in a row */

/* Kernel: node_pagecache_reclaimable. */
static uint64_t pages_of_files(const struct vmsim_machine *m, const struct vmsim__node *n) {
    const uint64_t mode = m->mem->sysctl.zone_reclaim_mode;
    int64_t pages = n->stat[VMSIM__NR_FILE_PAGES];
    if (!(mode & MODE_UNMAP)) {
        pages = n->stat[VMSIM__NR_INACTIVE_FILE] + n->stat[VMSIM__NR_ACTIVE_FILE];
        pages -= n->stat[VMSIM__NR_MAPPED];
    }
    if (!(mode & MODE_WRITE))
        pages -= n->stat[VMSIM__NR_DIRTY];
    return pages > 0 ? (uint64_t)pages : 0;
}

/* Kernel: setup_min_unmapped_ratio. */
static uint64_t least(const struct vmsim_machine *m, const struct vmsim__node *n) {
    uint64_t managed = 0;
    VMSIM__ASSERT(m->mem->sysctl.min_unmapped_ratio <= 100);
    for (unsigned i = 0; i < n->nr_zones; i++)
        managed += m->mem->zones[n->zone[i]].managed;
    return managed * m->mem->sysctl.min_unmapped_ratio / 100;
}

/* A write that copies a page may find it taken out of the table by what looked for room for the copy, the next time as
 * well, and so for ever where nobody else changes anything: with this node's pages it does not get on. */
static bool circles(const struct vmsim_machine *m) {
    return m->running && m->running->faults > FRUITLESS_FAULTS;
}

/* Is whoever asks allowed to spend the time, and the node near enough and nobody else's? Kernel: zone_allows_reclaim,
 * and the first half of node_reclaim; kernel threads run with PF_MEMALLOC. */
static bool allowed(const struct vmsim_machine *m, const struct vmsim__zone *z, const struct vmsim__alloc_request *rq) {
    const struct vmsim__node *n = &m->mem->nodes[z->node];
    const struct vmsim__task *t = m->running;
    struct vmsim__zone_iter it;
    const struct vmsim__zone *preferred = vmsim__zonelist_first(m->mem, rq, &it);
    VMSIM__ASSERT(preferred && rq->cpu < m->nr_cpus);
    if (m->mem->nodes[preferred->node].distance[z->node] > DISTANCE_MAX || !(rq->gfp & VMSIM__GFP_DIRECT_RECLAIM) ||
        (rq->gfp & VMSIM__GFP_MEMALLOC) || (t && vmsim__task_is_kthread(t) && !vmsim__khugepaged_is(m, t)))
        return false;
    return !n->has_cpu || m->mem->cpu_node[rq->cpu] == z->node;
}

/* Rounds at falling priorities until there is room for the request. Kernel: __node_reclaim. */
static bool reclaim(struct vmsim_machine *m, const struct vmsim__alloc_request *rq, unsigned node) {
    const uint64_t wanted = UINT64_C(1) << rq->order, mode = m->mem->sysctl.zone_reclaim_mode;
    struct vmsim__scan_control sc =
        vmsim__scan_direct(rq->order, rq->gfp, vmsim__gfp_zone(m->mem, rq->gfp), UINT64_C(1) << node, rq->cpu);
    sc.nr_to_reclaim = vmsim__max64(wanted, VMSIM__SWAP_CLUSTER_MAX);
    sc.priority = PRIORITY;
    sc.may_writepage = mode & MODE_WRITE;
    sc.may_unmap = mode & MODE_UNMAP;
    for (unsigned rounds = 0; sc.priority >= 0 && sc.nr_reclaimed < wanted && rounds < FRUITLESS_ROUNDS; rounds++) {
        const uint64_t before = sc.nr_scanned + sc.nr_sorted;
        vmsim__shrink_node(&m->vmscan, &sc, node);
        vmsim__now_charge(&m->mem->now, (sc.nr_scanned + sc.nr_sorted - before) * m->spec.costs.reclaim_scan);
        sc.priority -= !sc.rest.cut;
        rounds = sc.nr_scanned + sc.nr_sorted > before ? 0 : rounds;
    }
    return sc.nr_reclaimed >= wanted;
}

bool vmsim__node_reclaim(void *context, struct vmsim__zone *zone, const struct vmsim__alloc_request *rq) {
    struct vmsim_machine *m = context;
    const unsigned node = zone->node;
    if (VMSIM__LIKELY(!m->mem->sysctl.zone_reclaim_mode) || m->node_reclaiming >> node & 1 || !allowed(m, zone, rq) ||
        circles(m) || pages_of_files(m, &m->mem->nodes[node]) <= least(m, &m->mem->nodes[node]))
        return false;
    const bool in_fault = m->mem->now.in_lru_fault;
    m->node_reclaiming |= UINT64_C(1) << node;
    m->mem->now.in_lru_fault = false; /* pages that reclaim touches are not the fault's own */
    const bool enough = reclaim(m, rq, node);
    m->mem->now.in_lru_fault = in_fault;
    m->node_reclaiming &= ~(UINT64_C(1) << node);
    m->mem->event[VMSIM__ZONE_RECLAIM_FAILED] += !enough;
    m->node_reclaims += enough;
    return true;
}
