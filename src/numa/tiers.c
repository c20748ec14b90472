/* SPDX-License-Identifier: MIT */
/* Tiers of memory, and pages that reclaim moves to a slower one instead of giving them up (balancing.h).
 *
 *     tier 4   | node 0 | node 1 |      DRAM, with CPUs
 *                   |        |          demotion: to the nearest of the next tier, else to any slower
 *     tier 22  | node 2 |  <-'          promotion: to the node of the CPU that uses the page
 *
 * Kernel counterparts: mm/memory-tiers.c, demote_folio_list and alloc_demote_page of mm/vmscan.c. */
#include "numa/balancing.h"
#include "vm/migrate.h"

/* As fast as the slowest node with CPUs: pages there are at home wherever a task runs, and are promoted no further.
 * Kernel: establish_demotion_targets, top_tier_adistance. */
uint64_t vmsim__tiers_top(const struct vmsim__mem *mem) {
    unsigned slowest = 0;
    uint64_t nodes = 0;
    for (unsigned n = 0; n < mem->nr_nodes; n++) {
        if (mem->nodes[n].has_cpu && mem->nodes[n].tier > slowest)
            slowest = mem->nodes[n].tier;
    }
    for (unsigned n = 0; n < mem->nr_nodes; n++)
        nodes |= (uint64_t)(mem->nodes[n].tier <= slowest) << n;
    VMSIM__ASSERT(nodes);
    return nodes;
}

/* Any slower node with memory, however far. */
uint64_t vmsim__tiers_below(const struct vmsim__mem *mem, unsigned node) {
    uint64_t nodes = 0;
    VMSIM__ASSERT(node < mem->nr_nodes);
    for (unsigned n = 0; n < mem->nr_nodes; n++)
        nodes |= (uint64_t)(mem->nodes[n].has_memory && mem->nodes[n].tier > mem->nodes[node].tier) << n;
    return nodes;
}

/* -1: it stays, as without the switch, or on the slowest tier. */
int vmsim__demotion_target(const struct vmsim__numa *n, unsigned node) {
    const struct vmsim__mem *mem = n->mem;
    int best = -1;
    if (VMSIM__LIKELY(!n->knobs.demotion_enabled))
        return -1;
    for (uint64_t rest = vmsim__tiers_below(mem, node); rest; rest &= rest - 1) {
        const int to = __builtin_ctzll(rest);
        const struct vmsim__node *a = &mem->nodes[to], *b = best < 0 ? NULL : &mem->nodes[best];
        if (!b || a->tier < b->tier ||
            (a->tier == b->tier && mem->nodes[node].distance[to] < mem->nodes[node].distance[best]))
            best = to;
    }
    VMSIM__ASSERT(best < 0 || (best != (int)node && mem->nodes[best].has_memory));
    return best;
}

/* What moving needs to know of where to, and whose time it is. */
struct target {
    struct vmsim__vm *vm;
    struct vmsim__mem *mem;
    struct vmsim__lru *lru;
    uint64_t allowed;
    uint16_t node, cpu;
};

/* The node itself, else any that is slower; its kswapd is told, nobody reclaims for it. Kernel: alloc_demote_page. */
static vmsim__pfn target_get(void *context, vmsim__pfn from) {
    const struct target *t = context;
    struct vmsim__alloc_request rq = {.gfp = ((VMSIM__GFP_HIGHUSER_MOVABLE & ~VMSIM__GFP_RECLAIM) | VMSIM__GFP_NOWARN |
                                              VMSIM__GFP_NOMEMALLOC | VMSIM__GFP_KSWAPD_RECLAIM | VMSIM__GFP_THISNODE),
                                      .cpu = t->cpu,
                                      .node = t->node};
    VMSIM__ASSERT(vmsim__mem_zone_of(t->mem, from)->node != t->node && (t->allowed >> t->node & 1));
    (void)from;
    const vmsim__pfn pfn = vmsim__mem_alloc(t->mem, &rq);
    if (pfn != VMSIM__PFN_NONE)
        return pfn;
    rq.gfp &= ~VMSIM__GFP_THISNODE;
    rq.nodemask = &t->allowed;
    return vmsim__mem_alloc(t->mem, &rq);
}
static void target_put(void *context, vmsim__pfn to) {
    const struct target *t = context;
    vmsim__folio_put(t->lru, to, t->cpu);
}

/* What the policy says of a page that Linux would move to `verdict`. */
static int decide(struct vmsim__numa *n, vmsim__pfn pfn, unsigned node, bool kswapd, int verdict, uint64_t slower) {
    if (n->tiering == &vmsim__tiering_linux)
        return verdict;
    VMSIM__ASSERT(verdict < 0 || (slower >> verdict & 1));
    const struct vmsim__frame *f = vmsim__frame_at(&n->mem->frames, pfn);
    const struct vmsim_demotion_request r = {.size = sizeof r,
                                             .verdict = verdict,
                                             .node = node,
                                             .slower = slower,
                                             .anon = vmsim__frame_is(f, VMSIM__FRAME_ANON | VMSIM__FRAME_SWAPBACKED),
                                             .dirty = vmsim__frame_is(f, VMSIM__FRAME_DIRTY),
                                             .kswapd = kswapd,
                                             .page = pfn,
                                             .now = n->mem->now.time};
    const int32_t to = n->tiering->demote(n->tiering_instance.context, &r);
    if (to == -1 || (to >= 0 && to < VMSIM__MAX_NODES && (slower >> to & 1)))
        return to;
    vmsim__policy_fallback(&n->tiering_instance, "demoted to node %d", to);
    return verdict;
}

/* What is in the swap cache has a copy on its way already, and large folios would need room in one piece: both are
 * left to reclaim. It never waits, since whoever reclaims has other pages to try. Kernel: demote_folio_list. */
bool vmsim__demote(struct vmsim__numa *n, struct vmsim__vm *vm, struct vmsim__lru *lru, vmsim__pfn pfn, unsigned node,
                   bool kswapd, unsigned cpu) {
    VMSIM__ASSERT(node < n->mem->nr_nodes && cpu < n->mem->nr_cpus);
    struct vmsim__frame *f = vmsim__frame_at(&n->mem->frames, pfn);
    const uint64_t slower = vmsim__tiers_below(n->mem, node);
    if (vmsim__frame_is(f, VMSIM__FRAME_HEAD | VMSIM__FRAME_SWAPCACHE) || vmsim__now_waits(&n->mem->now))
        return false;
    const int to = decide(n, pfn, node, kswapd, vmsim__demotion_target(n, node), slower);
    if (to < 0)
        return false;
    struct target t = {vm, n->mem, lru, slower, (uint16_t)to, (uint16_t)cpu};
    const struct vmsim__migration how = {.mode = VMSIM__MIGRATE_ASYNC,
                                         .reason = VMSIM__MR_DEMOTION,
                                         .context = &t,
                                         .get = target_get,
                                         .put = target_put};
    struct vmsim__folio_chain chain = vmsim__folio_chain_empty();
    vmsim__folio_chain_push(vm, &chain, pfn);
    if (!vmsim__migrate_pages(vm, &how, &chain, cpu).succeeded) {
        f->next = VMSIM__PFN_NONE; /* it is reclaim's again, off its list */
        return false;
    }
    n->mem->event[kswapd ? VMSIM__PGDEMOTE_KSWAPD : VMSIM__PGDEMOTE_DIRECT]++;
    return true;
}
