/* SPDX-License-Identifier: MIT */
/* Rounds over nodes and cgroups, priorities, and when to wait or to give up.
 *
 *     vmsim__reclaim_step   one node at one priority         direct reclaim, and a cgroup that is at its limit
 *       vmsim__shrink_node    all cgroups below the target   (kswapd enters here, and keeps priorities of its own)
 *         ops->shrink_lruvec    lists of one cgroup's node   linux-lru, linux-mglru, or a policy (lruvec_policy.h)
 *
 * A whole reclaim is cut into steps, between which the caller may let the task wait, be preempted or find that enough
 * is free: all that has to be known across that is in the scan control, which belongs to the task and not to the
 * host's stack. `rest` says where a step was cut in the middle of a node, so that the next one goes on with the same
 * cgroup.
 *
 * Kernel counterparts: shrink_node, shrink_node_memcgs, should_continue_reclaim, shrink_zones, do_try_to_free_pages of
 * mm/vmscan.c. */
#include "reclaim/lruvec_policy.h"
#include "reclaim/vmscan_impl.h"

#include <string.h>

/* ---- beginnings ---- */

/* What all have in common: everything may be written, unmapped and swapped, unless somebody says otherwise. */
static struct vmsim__scan_control begin(uint32_t gfp, unsigned cpu) {
    return (struct vmsim__scan_control){.nr_to_reclaim = VMSIM__SWAP_CLUSTER_MAX,
                                        .nodemask = UINT64_MAX,
                                        .gfp = gfp,
                                        .cpu = (uint16_t)cpu,
                                        .zone_type = VMSIM__ZONE_TYPES - 1,
                                        .may_writepage = true,
                                        .may_unmap = true,
                                        .may_swap = true,
                                        .priority = VMSIM__DEF_PRIORITY};
}

struct vmsim__scan_control vmsim__scan_direct(unsigned order, uint32_t gfp, unsigned zone_type, uint64_t nodemask,
                                              unsigned cpu) {
    VMSIM__ASSERT(zone_type < VMSIM__ZONE_TYPES);
    struct vmsim__scan_control sc = begin(gfp, cpu);
    sc.order = (uint8_t)order;
    sc.zone_type = (uint8_t)zone_type;
    sc.nodemask = nodemask;
    return sc;
}

/* A limit is not about zones, so that of the request only its manner counts; the pages that come may be of any zone
 * that a user's page may be of. Kernel: try_to_free_mem_cgroup_pages. */
struct vmsim__scan_control vmsim__scan_memcg(uint16_t target, uint64_t pages, uint32_t gfp, bool may_swap,
                                             unsigned cpu) {
    const uint32_t how = VMSIM__GFP_KERNEL | VMSIM__GFP_HIGH | VMSIM__GFP_NORETRY | VMSIM__GFP_RETRY_MAYFAIL |
                         VMSIM__GFP_NOFAIL | VMSIM__GFP_MEMALLOC; /* GFP_RECLAIM_MASK */
    struct vmsim__scan_control sc = begin((gfp & how) | (VMSIM__GFP_HIGHUSER_MOVABLE & ~how), cpu);
    sc.target = target;
    sc.nr_to_reclaim = vmsim__max64(pages, VMSIM__SWAP_CLUSTER_MAX);
    sc.may_swap = may_swap;
    return sc;
}

struct vmsim__scan_control vmsim__scan_kswapd(unsigned order, unsigned zone_type, unsigned cpu) {
    VMSIM__ASSERT(zone_type < VMSIM__ZONE_TYPES);
    struct vmsim__scan_control sc = begin(VMSIM__GFP_KERNEL, cpu);
    sc.kswapd = true;
    sc.order = (uint8_t)order;
    sc.zone_type = (uint8_t)zone_type;
    return sc;
}

/* Folios that the caller has isolated go at once, as MADV_PAGEOUT asks for, without a look at any list; what could not
 * go returns to its list. Kernel: reclaim_pages. */
uint64_t vmsim__reclaim_folios(struct vmsim__vmscan *v, unsigned node, vmsim__pfn *folio, uint32_t count, bool ignore,
                               unsigned cpu) {
    struct vmsim__scan_control sc = begin(VMSIM__GFP_KERNEL, cpu);
    struct vmsim__reclaim_stat stat;
    VMSIM__ASSERT(count > 0 && count <= VMSIM__ISOLATE_MAX);
    for (uint32_t i = 0; i < count; i++)
        vmsim__frame_at(&v->mem->frames, folio[i])->flags &= ~VMSIM__FRAME_ACTIVE;
    const uint64_t reclaimed = vmsim__shrink_folio_list(v, &sc, node, folio, &count, &stat, ignore);
    for (uint32_t i = 0; i < count; i++)
        vmsim__lru_putback(v->lru, folio[i], cpu);
    return reclaimed;
}

/* ---- a node ---- */

/* Parents come before their children. */
void vmsim__vmscan_protect(struct vmsim__memcg *m, const struct vmsim__memcg *target) {
    VMSIM__ASSERT(m == target || m->parent);
    uint64_t min = 0, low = 0;
    if (m == target)
        return;
    for (const struct vmsim__memcg *s = m->parent->first_child; s; s = s->next) {
        min += vmsim__page_counter_protected(&s->memory, s->memory.min);
        low += vmsim__page_counter_protected(&s->memory, s->memory.low);
    }
    vmsim__page_counter_protect(&m->memory, &target->memory, min, low, true);
}

/* Kernel: mem_cgroup_below_min, mem_cgroup_below_low. */
static bool skip_protected(struct vmsim__scan_control *sc, struct vmsim__memcg *m, const struct vmsim__memcg *target) {
    if (m == target)
        return false;
    if (m->memory.emin >= m->memory.usage)
        return true;
    if (m->memory.elow < m->memory.usage)
        return false;
    if (!sc->memcg_low_reclaim) {
        sc->memcg_low_skipped = true;
        return true;
    }
    vmsim__memcg_memory_event(m, VMSIM__MEMCG_LOW);
    return false;
}

/* Where the walk over the cgroups begins: where it stopped, if that cgroup is there still. */
static struct vmsim__memcg *first_memcg(const struct vmsim__vmscan *v, struct vmsim__scan_control *sc,
                                        struct vmsim__memcg *target, unsigned node) {
    struct vmsim__memcg *m = sc->rest.cut ? vmsim__memcg_by_id(v->lru, sc->rest.memcg) : NULL;
    sc->rest.cut = m && vmsim__memcg_below(m, target) && !m->lruvec[node].policy && vmsim__vmscan_goes_on(v);
    return sc->rest.cut ? m : target;
}

static void shrink_memcg(struct vmsim__vmscan *v, struct vmsim__scan_control *sc, struct vmsim__memcg *m,
                         unsigned node) {
    struct vmsim__lruvec *lruvec = &m->lruvec[node];
    (lruvec->policy ? vmsim__lruvec_policy_shrink : v->ops->shrink_lruvec)(v, sc, lruvec);
    if (v->hooks.shrink_slab && !sc->rest.cut)
        sc->nr_reclaimed += v->hooks.shrink_slab(v->hooks.context, node, m->id, sc->priority, sc->cpu);
}

/* Parents before their children. A removed cgroup may lose its last page here; it goes when the walk has left it. */
static void shrink_memcgs(struct vmsim__vmscan *v, struct vmsim__scan_control *sc, unsigned node) {
    struct vmsim__memcg *target = vmsim__memcg_by_id(v->lru, sc->target);
    VMSIM__ASSERT(target && v->ops->shrink_lruvec);
    for (struct vmsim__memcg *m = first_memcg(v, sc, target, node), *next; m; m = next) {
        vmsim__memcg_get(m);
        vmsim__vmscan_protect(m, target);
        if (sc->rest.cut || !skip_protected(sc, m, target))
            shrink_memcg(v, sc, m, node);
        if (sc->rest.cut) {
            vmsim__memcg_put(m);
            return;
        }
        next = vmsim__memcg_next(target, m);
        vmsim__memcg_put(m);
    }
}

void vmsim__vmscan_wake_flushers(struct vmsim__vmscan *v, struct vmsim__scan_control *sc) {
    VMSIM__ASSERT(sc->nr.unqueued_dirty > 0);
    if (!v->hooks.wake_flushers)
        return;
    v->hooks.wake_flushers(v->hooks.context);
    sc->nr.flushers_woken = true;
}

void vmsim__vmscan_add_up(struct vmsim__vmscan *v, struct vmsim__scan_control *sc,
                          const struct vmsim__reclaim_stat *stat, uint64_t taken, uint64_t files) {
    VMSIM__ASSERT(stat->dirty <= taken && stat->unqueued_dirty <= stat->dirty && stat->writeback <= taken);
    VMSIM__ASSERT(taken > 0 && files <= taken);
    sc->nr.dirty += stat->dirty;
    sc->nr.congested += stat->congested;
    sc->nr.unqueued_dirty += stat->unqueued_dirty;
    sc->nr.writeback += stat->writeback;
    sc->nr.immediate += stat->immediate;
    sc->nr.taken += taken;
    sc->nr.file_taken += files;
    if (stat->unqueued_dirty == taken)
        vmsim__vmscan_wake_flushers(v, sc);
}

/* What the round saw of dirty pages decides about the node and who is held up. */
static void judge_node(struct vmsim__vmscan *v, struct vmsim__scan_control *sc, unsigned node, bool progress) {
    VMSIM__ASSERT(node < v->mem->nr_nodes);
    struct vmsim__lruvec *target = &vmsim__memcg_by_id(v->lru, sc->target)->lruvec[node];
    if (sc->kswapd) {
        if (sc->nr.writeback && sc->nr.writeback == sc->nr.taken)
            v->node[node].writeback = true;
        if (sc->nr.unqueued_dirty == sc->nr.file_taken)
            v->node[node].dirty = true;
        if (sc->nr.immediate)
            sc->throttle = VMSIM__THROTTLE_WRITEBACK;
    }
    if ((sc->kswapd || !vmsim__vmscan_global(sc)) && sc->nr.dirty && sc->nr.dirty == sc->nr.congested)
        target->congested = true;
    if (!sc->kswapd && !vmsim__vmscan_global(sc) && sc->nr.flushers_woken && !progress && sc->priority <= 1)
        sc->throttle = VMSIM__THROTTLE_LEAVING; /* before it gives up, they have the CPU (cond_resched) */
    if (!sc->kswapd && target->congested)
        sc->throttle = VMSIM__THROTTLE_CONGESTED;
}

/* For large blocks: on as long as something comes, compaction would fail, and there is enough left to take. */
static bool continue_for_compaction(const struct vmsim__vmscan *v, const struct vmsim__scan_control *sc, unsigned node,
                                    uint64_t reclaimed) {
    const struct vmsim__node *n = &v->mem->nodes[node];
    if (!sc->order || (sc->order <= VMSIM__COSTLY_ORDER && sc->priority >= VMSIM__DEF_PRIORITY - 2) || !reclaimed)
        return false;
    if (v->hooks.compaction_suitable && v->hooks.compaction_suitable(v->hooks.context, node, sc->order, sc->zone_type))
        return false;
    int64_t inactive = n->stat[VMSIM__NR_INACTIVE_FILE];
    if (vmsim__memcg_swap_room(vmsim__memcg_root(v->lru)) || vmsim__vmscan_can_demote(v, node))
        inactive += n->stat[VMSIM__NR_INACTIVE_ANON];
    return inactive > INT64_C(2) << sc->order;
}

/* A round that goes on after a cut keeps the sums it had: judging a node by half a round would hold people up for
 * pages that were only looked at late. True: once more at the same priority. Kernel: shrink_node. */
bool vmsim__shrink_node(struct vmsim__vmscan *v, struct vmsim__scan_control *sc, unsigned node) {
    VMSIM__ASSERT(node < v->mem->nr_nodes && vmsim__memcg_by_id(v->lru, sc->target));
    const bool goes_on = sc->rest.cut;
    const uint64_t before = goes_on ? sc->rest.begun_before : sc->nr_reclaimed;
    sc->throttle = VMSIM__THROTTLE_NONE;
    sc->rest.begun_before = before;
    if (!goes_on)
        memset(&sc->nr, 0, sizeof sc->nr);
    if (!goes_on && vmsim__vmscan_global(sc) && v->ops->shrink_global && !v->lru->watch &&
        v->ops->shrink_global(v, sc, node)) {
        if (sc->nr_reclaimed > before)
            v->node[node].kswapd_failures = 0;
        return false;
    }
    if (!goes_on && v->ops->prepare_node)
        v->ops->prepare_node(v, sc, node);
    shrink_memcgs(v, sc, node);
    if (sc->rest.cut)
        return true;
    VMSIM__ASSERT(sc->nr_reclaimed >= before);
    judge_node(v, sc, node, sc->nr_reclaimed > before);
    if (sc->nr_reclaimed > before)
        v->node[node].kswapd_failures = 0;
    return continue_for_compaction(v, sc, node, sc->nr_reclaimed - before);
}

/* ---- direct reclaim and limits ---- */

/* What comes back from here on is compared with this: whether active pages are thrashing is asked by the next reclaim.
 * Kernel: snapshot_refaults. */
static void snapshot_refaults(struct vmsim__vmscan *v, const struct vmsim__scan_control *sc) {
    struct vmsim__memcg *target = vmsim__memcg_by_id(v->lru, sc->target);
    for (unsigned n = 0; n < v->mem->nr_nodes; n++) {
        struct vmsim__lruvec *lruvec = &target->lruvec[n];
        lruvec->refaults[0] = vmsim__lruvec_seen(lruvec, VMSIM__SEEN_ACTIVATE_ANON);
        lruvec->refaults[1] = vmsim__lruvec_seen(lruvec, VMSIM__SEEN_ACTIVATE_FILE);
        if (!vmsim__vmscan_global(sc))
            lruvec->congested = false;
    }
}

/* Nothing came: once more, this time active pages are taken from, or protection is passed over. */
static bool another_pass(struct vmsim__scan_control *sc) {
    VMSIM__ASSERT(!sc->nr_reclaimed && !sc->compaction_ready);
    if (sc->skipped_deactivate) {
        sc->force_deactivate = true;
        sc->skipped_deactivate = false;
    } else if (sc->memcg_low_skipped) {
        sc->force_deactivate = false;
        sc->memcg_low_reclaim = true;
        sc->memcg_low_skipped = false;
    } else {
        return false;
    }
    sc->priority = VMSIM__DEF_PRIORITY;
    sc->node = 0;
    return true;
}

/* Everything or nothing was reclaimed; a further pass begins at the first priority again. */
static enum vmsim__reclaim_outcome finish(struct vmsim__vmscan *v, struct vmsim__scan_control *sc) {
    VMSIM__ASSERT(!sc->in_node && !sc->node); /* all nodes were visited */
    snapshot_refaults(v, sc);
    if (sc->nr_reclaimed || sc->compaction_ready || !another_pass(sc))
        return VMSIM__RECLAIM_DONE;
    return VMSIM__RECLAIM_AGAIN;
}

/* All nodes were visited at this priority. */
static enum vmsim__reclaim_outcome end_of_priority(struct vmsim__vmscan *v, struct vmsim__scan_control *sc) {
    VMSIM__ASSERT(sc->priority >= 0 && !sc->in_node);
    sc->throttle = VMSIM__THROTTLE_NONE;
    if (vmsim__vmscan_global(sc) && sc->priority == 1 && !sc->nr_reclaimed)
        sc->throttle = VMSIM__THROTTLE_NOPROGRESS;
    sc->node = 0;
    if (sc->nr_reclaimed >= sc->nr_to_reclaim || sc->compaction_ready || !sc->priority)
        return finish(v, sc);
    sc->priority--;
    return sc->throttle ? VMSIM__RECLAIM_THROTTLED : VMSIM__RECLAIM_AGAIN;
}

/* Nodes in the order of the zonelist of the CPU that asks, local first. A node that is ready for compaction is passed
 * over: a large block comes sooner by moving pages than by losing them. Kernel: shrink_zones. */
enum vmsim__reclaim_outcome vmsim__reclaim_step(struct vmsim__vmscan *v, struct vmsim__scan_control *sc) {
    VMSIM__ASSERT(!sc->kswapd && sc->priority >= 0);
    const struct vmsim__node *local = &v->mem->nodes[v->mem->cpu_node[sc->cpu]];
    if (!sc->node && !sc->in_node) { /* a priority begins */
        sc->nr_scanned = 0;
        if (vmsim__vmscan_global(sc))
            v->mem->event[VMSIM__ALLOCSTALL_DMA + sc->zone_type] += sc->priority == VMSIM__DEF_PRIORITY;
    }
    while (sc->node < local->order_count && !(sc->nodemask >> local->order[sc->node] & 1))
        sc->node++;
    if (sc->node >= local->order_count)
        return end_of_priority(v, sc);
    const unsigned node = local->order[sc->node];
    VMSIM__ASSERT(node < v->mem->nr_nodes && sc->nodemask >> node & 1);
    bool all = false;
    if (!sc->rest.cut && sc->order > VMSIM__COSTLY_ORDER && v->hooks.compaction_ready &&
        v->hooks.compaction_ready(v->hooks.context, node, sc->order, sc->zone_type, &all))
        sc->compaction_ready = true;
    if (all) {
        sc->node++;
        return VMSIM__RECLAIM_AGAIN;
    }
    sc->in_node = vmsim__shrink_node(v, sc, node);
    if (!vmsim__vmscan_goes_on(v) && sc->nr_reclaimed < sc->nr_to_reclaim && vmsim__vmscan_congested(v, sc))
        sc->in_node = true;
    sc->node += !sc->in_node;
    return sc->throttle ? VMSIM__RECLAIM_THROTTLED : VMSIM__RECLAIM_AGAIN;
}
