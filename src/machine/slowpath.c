/* SPDX-License-Identifier: MIT */
/* What an allocation does when nothing is free above the low watermark.
 *
 *     wake kswapd -> dip to the min watermark with the rights of the request
 *         -> blocks that are large, or not for movable memory: compaction, async
 *         -> direct reclaim -> drain what per-CPU lists hold back, release highatomic blocks
 *         -> compaction, the harder the more often it failed -> again: 16 times at most without progress, once at most
 *            for large blocks
 *         -> the OOM killer -> wait for the victim -> again
 *
 * Whoever may not wait stops after the first line. Reclaim that has to wait makes the allocation fail with the present
 * waiting; the operation is entered again, and its next allocation goes on with this reclaim (task->reclaim). Kernel
 * counterpart: __alloc_pages_slowpath (mm/page_alloc.c). */
#include "machine/compact.h"
#include "machine/khugepaged.h"
#include "machine/sched.h"

#define JIFFY UINT64_C(4000000)             /* ns: HZ is 250 in Debian's kernels */
#define WRITEBACK_PAUSE UINT64_C(100000000) /* ns: HZ / 10 */
#define FRUITLESS_MAX 16u                   /* MAX_RECLAIM_RETRIES */
#define COMPACTIONS_MAX 16u                 /* MAX_COMPACT_RETRIES */

static bool is_costly(const struct vmsim__alloc_request *rq) {
    return rq->order > VMSIM__COSTLY_ORDER;
}

/* The rights that the request's GFP flags give (gfp_to_alloc_flags). */
static uint32_t rights_of(uint32_t gfp, unsigned order) {
    VMSIM__ASSERT(order < VMSIM__ORDERS);
    uint32_t flags = VMSIM__ALLOC_WMARK_MIN | VMSIM__ALLOC_CPUSET;
    if (gfp & VMSIM__GFP_HIGH)
        flags |= VMSIM__ALLOC_MIN_RESERVE;
    if (gfp & VMSIM__GFP_KSWAPD_RECLAIM)
        flags |= VMSIM__ALLOC_KSWAPD;
    if (!(gfp & (VMSIM__GFP_DIRECT_RECLAIM | VMSIM__GFP_NOMEMALLOC))) {
        flags |= VMSIM__ALLOC_NON_BLOCK;
        if (order && (gfp & VMSIM__GFP_HIGH))
            flags |= VMSIM__ALLOC_HIGHATOMIC;
        if (gfp & VMSIM__GFP_HIGH)
            flags &= ~VMSIM__ALLOC_CPUSET;
    }
    return flags;
}

/* One wake a node of the zonelist. Kernel: wake_all_kswapds. */
static void wake_kswapds(struct vmsim_machine *m, const struct vmsim__alloc_request *rq, unsigned zone_type) {
    struct vmsim__zone_iter it;
    uint64_t woken = 0;
    for (struct vmsim__zone *z = vmsim__zonelist_first(m->mem, rq, &it); z; z = vmsim__zonelist_next(&it)) {
        if (woken >> z->node & 1 || vmsim__cpuset_closed(m->mem, z->node, rq->gfp, VMSIM__ALLOC_CPUSET))
            continue;
        woken |= UINT64_C(1) << z->node;
        vmsim__kswapd_wake(m, z->node, rq->gfp, rq->order, zone_type);
    }
}

/* Kernel: zone_reclaimable_pages. */
static int64_t reclaimable(const struct vmsim_machine *m, const struct vmsim__zone *z) {
    int64_t pages = z->stat[VMSIM__NR_ZONE_INACTIVE_FILE] + z->stat[VMSIM__NR_ZONE_ACTIVE_FILE];
    if (vmsim__lru_swap_slots(m->lru) || vmsim__demotion_target(&m->numa, z->node) >= 0)
        pages += z->stat[VMSIM__NR_ZONE_INACTIVE_ANON] + z->stat[VMSIM__NR_ZONE_ACTIVE_ANON];
    return pages;
}

/* Could some zone serve the request if all that is reclaimable were free? Kernel: should_reclaim_retry. */
static bool worth_trying(struct vmsim_machine *m, const struct vmsim__alloc_request *rq, unsigned zone_type,
                         uint32_t flags) {
    struct vmsim__zone_iter it;
    for (struct vmsim__zone *z = vmsim__zonelist_first(m->mem, rq, &it); z; z = vmsim__zonelist_next(&it)) {
        const int64_t pages = z->stat[VMSIM__NR_FREE_PAGES] + reclaimable(m, z);
        if (!vmsim__cpuset_closed(m->mem, z->node, rq->gfp, flags) &&
            vmsim__zone_watermark_ok_free(m->mem, z, rq->order, vmsim__zone_wmark(z, VMSIM__WMARK_MIN), zone_type,
                                          flags, pages))
            return true;
    }
    return false;
}

/* The allocation fails, and is tried again after `ns`. */
static void wait_for(struct vmsim_machine *m, uint64_t ns) {
    vmsim__now_wait(&m->mem->now, VMSIM__WAIT_THROTTLE, VMSIM__FOR_MEMORY, m->mem->now.time + ns);
}

/* How long a writer is held up depends on what it waits for. Kernel: reclaim_throttle. */
static uint64_t pause_of(enum vmsim__throttle why) {
    return why == VMSIM__THROTTLE_WRITEBACK ? WRITEBACK_PAUSE
           : why == VMSIM__THROTTLE_LEAVING ? VMSIM__SWAP_PAUSE
                                            : JIFFY;
}

/* Steps until it is done, or has to wait: false. A window of swap or of a file that is being asked for is one request:
 * the device gets nothing of it before it is whole (the kernel's plug), whatever the other CPUs are at. */
static bool run_steps(struct vmsim_machine *m, struct vmsim__scan_control *sc) {
    const struct vmsim__call *call = vmsim__now_call(&m->mem->now);
    const bool ahead = call->readahead_pages > 0 || call->plugged;
    for (;;) {
        const uint64_t before = sc->nr_scanned, sorted = sc->nr_sorted;
        enum vmsim__reclaim_outcome how = vmsim__reclaim_step(&m->vmscan, sc);
        if (sc->nr_scanned > before)
            vmsim__now_charge(&m->mem->now, (sc->nr_scanned - before) * m->spec.costs.reclaim_scan);
        vmsim__now_charge(&m->mem->now, (sc->nr_sorted - sorted) * m->spec.costs.reclaim_scan);
        if (how == VMSIM__RECLAIM_DONE)
            return true;
        if (how == VMSIM__RECLAIM_THROTTLED) {
            wait_for(m, pause_of((enum vmsim__throttle)sc->throttle));
            return false;
        }
        if (m->vmscan.hooks.congested(m, sc)) {
            wait_for(m, VMSIM__SWAP_PAUSE);
            return false;
        }
        if (m->running && !ahead && !vmsim__sched_interrupts(m)) {
            wait_for(m, 0);
            return false;
        }
    }
}

/* Pages that reclaim touches are not the fault's own: the mark in the present is put aside meanwhile. All of its time
 * is a stall of memory for PSI. */
bool vmsim__reclaim_run(struct vmsim_machine *m, struct vmsim__scan_control *sc) {
    VMSIM__ASSERT(sc->cpu < m->nr_cpus);
    const uint64_t begin = m->mem->now.time;
    const bool in_fault = m->mem->now.in_lru_fault;
    m->mem->now.in_lru_fault = false;
    const bool done = run_steps(m, sc);
    m->mem->now.in_lru_fault = in_fault;
    vmsim__psi_stalled(m, begin);
    return done;
}

/* Reclaim keeps to the cpuset of who asks, whatever he asks for. Kernel: shrink_zones. */
static uint64_t nodes_of(const struct vmsim_machine *m, const struct vmsim__alloc_request *rq) {
    const uint64_t mems = m->mem->now.mems;
    return (rq->nodemask ? *rq->nodemask : UINT64_MAX) & (mems ? mems : UINT64_MAX);
}

/* A last look before giving up: pages that were reclaimed may lie in per-CPU lists, or in a block that is kept for
 * atomic requests. Kernel: __alloc_pages_direct_reclaim's retry. */
static vmsim__pfn drain_and_try(struct vmsim_machine *m, const struct vmsim__alloc_request *rq, uint32_t flags) {
    VMSIM__ASSERT(rq->cpu < m->nr_cpus);
    vmsim__mem_unreserve_highatomic(m->mem, rq, false);
    vmsim__mem_drain(m->mem);
    return vmsim__mem_get_frames(m->mem, rq, flags);
}

/* Kernel: __alloc_pages_may_oom. True: somebody dies, and the request waits for that. */
static bool kill_somebody(struct vmsim_machine *m, const struct vmsim__alloc_request *rq, unsigned zone_type) {
    const uint32_t never = VMSIM__GFP_RETRY_MAYFAIL | VMSIM__GFP_THISNODE | VMSIM__GFP_NORETRY;
    if (is_costly(rq) || (rq->gfp & never) || zone_type < VMSIM__ZONE_NORMAL)
        return false;
    if (!vmsim__out_of_memory(m, rq))
        return false;
    wait_for(m, JIFFY);
    return true;
}

/* Reading ahead ends where it would have to wait: what it has read so far would be gone by then. */
static bool nobody_waits_for(const struct vmsim__alloc_request *rq) {
    return (rq->gfp & VMSIM__GFP_NORETRY) && !rq->order;
}

/* ---- compaction ---- */

static bool may_compact(const struct vmsim_machine *m, const struct vmsim__alloc_request *rq) {
    return rq->order && (rq->gfp & VMSIM__GFP_IO) && !vmsim__compaction_off(m);
}

/* What comes before reclaim: large blocks seldom lack memory, and movable memory can do without blocks. Who would not
 * try again (THP faults) gives up where this is known to be in vain. */
static vmsim__pfn compact_first(struct vmsim_machine *m, const struct vmsim__alloc_request *rq, uint32_t flags,
                                struct vmsim__direct_reclaim *d) {
    enum vmsim__compact_result how;
    if (d->compacted)
        return VMSIM__PFN_NONE;
    d->compacted = true;
    d->priority = VMSIM__COMPACT_PRIO_SYNC_LIGHT;
    if (!may_compact(m, rq) || (!is_costly(rq) && vmsim__gfp_migratetype(m->mem, rq->gfp) == VMSIM__MOVABLE))
        return VMSIM__PFN_NONE;
    const vmsim__pfn pfn = vmsim__direct_compact(m, rq, flags, VMSIM__COMPACT_PRIO_ASYNC, &how);
    if (pfn == VMSIM__PFN_NONE && is_costly(rq) && (rq->gfp & VMSIM__GFP_NORETRY)) {
        d->hopeless = how <= VMSIM__COMPACTION_DEFERRED || (rq->gfp & VMSIM__GFP_THISNODE);
        d->priority = VMSIM__COMPACT_PRIO_ASYNC;
    }
    return pfn;
}

/* Would compaction be of use if all that is reclaimable were free? Kernel: compaction_zonelist_suitable. */
static bool reclaim_helps_compaction(struct vmsim_machine *m, const struct vmsim__alloc_request *rq, uint32_t flags) {
    struct vmsim__zone_iter it;
    for (struct vmsim__zone *z = vmsim__zonelist_first(m->mem, rq, &it); z; z = vmsim__zonelist_next(&it)) {
        const int64_t pages = z->stat[VMSIM__NR_FREE_PAGES] + reclaimable(m, z) / rq->order;
        if (vmsim__compaction_suitable_with(&m->compaction, z, rq->order, flags, vmsim__gfp_zone(m->mem, rq->gfp),
                                            pages))
            return true;
    }
    return false;
}

/* Harder the next time? Kernel: check_priority of should_compact_retry. */
static bool raise_priority(const struct vmsim__alloc_request *rq, struct vmsim__direct_reclaim *d) {
    const uint8_t hardest = is_costly(rq) ? VMSIM__COMPACT_PRIO_SYNC_LIGHT : VMSIM__COMPACT_PRIO_SYNC_FULL;
    if (d->priority <= hardest)
        return false;
    d->priority--;
    d->compactions = 0;
    return true;
}

/* Kernel: should_compact_retry. */
static bool compact_again(struct vmsim_machine *m, const struct vmsim__alloc_request *rq, uint32_t flags,
                          struct vmsim__direct_reclaim *d, enum vmsim__compact_result how) {
    if (!may_compact(m, rq))
        return false;
    if (how == VMSIM__COMPACTION_SKIPPED)
        return reclaim_helps_compaction(m, rq, flags);
    if (how != VMSIM__COMPACTION_SUCCESS)
        return raise_priority(rq, d);
    d->compactions++;
    return d->compactions <= (is_costly(rq) ? COMPACTIONS_MAX / 4 : COMPACTIONS_MAX) || raise_priority(rq, d);
}

/* ---- rounds ---- */

/* A fault or a fork that needs several frames gives back what it has whenever it waits for one. Where there are too few
 * for all, each round finds what the one before gave back, for ever; the kernel's, which keeps it, finds that memory is
 * out. A fork may be long: rounds of it that brought something begin the count anew. */
static void break_circle(struct vmsim_machine *m, const struct vmsim__alloc_request *rq, bool progress) {
    struct vmsim__call *call = vmsim__now_call(&m->mem->now);
    if (progress && call->undone)
        call->circles = 0;
    if (progress || !(call->stalled || call->undone) || ++call->circles <= FRUITLESS_MAX)
        return;
    call->circles = 0;
    vmsim__out_of_memory(m, rq);
}

/* Kswapd was woken for the block, and has the CPU before whoever compacted for it in vain goes on: the kernel's
 * scanners give it away (cond_resched). Small blocks are left to rounds of reclaim. */
static bool kswapd_first(struct vmsim_machine *m, const struct vmsim__alloc_request *rq) {
    if (!is_costly(rq) || (rq->gfp & VMSIM__GFP_NORETRY) || !vmsim__sched_due(m) || !m->running->mm ||
        !vmsim__kswapd_works(m, rq->node))
        return false;
    vmsim__now_wait(&m->mem->now, VMSIM__WAIT_CPU, 0, m->mem->now.time);
    return true;
}

/* Rounds of reclaim and compaction until there is a block, a wait, or no hope. */
static vmsim__pfn reclaim_and_try(struct vmsim_machine *m, const struct vmsim__alloc_request *rq, uint32_t flags,
                                  struct vmsim__direct_reclaim *d) {
    const unsigned zone_type = vmsim__gfp_zone(m->mem, rq->gfp);
    enum vmsim__compact_result how = VMSIM__COMPACTION_SKIPPED;
    const bool begins = !d->compacted;
    vmsim__pfn pfn = compact_first(m, rq, flags, d);
    if (begins && pfn == VMSIM__PFN_NONE && !d->hopeless && kswapd_first(m, rq))
        return pfn;
    while (pfn == VMSIM__PFN_NONE && !d->hopeless) {
        if (!d->active)
            d->sc = vmsim__scan_direct(rq->order, rq->gfp, zone_type, nodes_of(m, rq), rq->cpu);
        d->active = true;
        if (!vmsim__reclaim_run(m, &d->sc)) {
            if (!nobody_waits_for(rq))
                return VMSIM__PFN_NONE;
            m->mem->now.wait = (struct vmsim__wait){0};
        }
        const bool progress = d->sc.nr_reclaimed > 0;
        d->active = false;
        pfn = vmsim__mem_get_frames(m->mem, rq, flags);
        if (pfn == VMSIM__PFN_NONE)
            pfn = drain_and_try(m, rq, flags);
        if (pfn == VMSIM__PFN_NONE && may_compact(m, rq) &&
            !vmsim__now_waits(&m->mem->now)) /* a write's wait comes first */
            pfn = vmsim__direct_compact(m, rq, flags, (enum vmsim__compact_priority)d->priority, &how);
        if (pfn != VMSIM__PFN_NONE)
            break_circle(m, rq, progress);
        if (pfn != VMSIM__PFN_NONE || (rq->gfp & VMSIM__GFP_NORETRY) ||
            (is_costly(rq) && !(rq->gfp & VMSIM__GFP_RETRY_MAYFAIL)))
            return pfn;
        d->fruitless = progress && !is_costly(rq) ? 0 : d->fruitless + 1;
        if (d->fruitless <= FRUITLESS_MAX && worth_trying(m, rq, zone_type, flags))
            continue;
        if (vmsim__mem_unreserve_highatomic(m->mem, rq, true))
            continue;
        if (progress && compact_again(m, rq, flags, d, how))
            continue;
        d->fruitless = 0;
        kill_somebody(m, rq, zone_type);
        return VMSIM__PFN_NONE;
    }
    return pfn;
}

/* Those who free memory, or are about to, may take the last of it; khugepaged only uses it. */
static uint32_t reserve_rights(const struct vmsim_machine *m, uint32_t gfp) {
    const struct vmsim__task *t = m->running;
    if (gfp & VMSIM__GFP_NOMEMALLOC)
        return 0;
    if ((gfp & VMSIM__GFP_MEMALLOC) || (t && vmsim__task_is_kthread(t) && !vmsim__khugepaged_is(m, t)))
        return VMSIM__ALLOC_NO_WATERMARKS;
    return t && t->oom_victim ? VMSIM__ALLOC_MIN_RESERVE : 0;
}

/* Nobody runs where a machine is set up, or driven frame by frame: there is nobody who could wait. */
static vmsim__pfn without_task(struct vmsim_machine *m, const struct vmsim__alloc_request *rq, uint32_t flags) {
    struct vmsim__direct_reclaim d = {0};
    vmsim__lru_drain_all(m->lru);
    vmsim__pfn pfn = reclaim_and_try(m, rq, flags, &d);
    m->mem->now.wait = (struct vmsim__wait){0};
    return pfn;
}

/* Kswapd, which slept and was woken a moment ago, has the CPU before the next page: whoever may sleep gives it away at
 * each (might_alloc). So a task that has a CPU with kswapd hardly ever has to reclaim for itself. */
static bool kswapd_runs(struct vmsim_machine *m, const struct vmsim__alloc_request *rq) {
    return m->running && m->running->mm && (rq->gfp & VMSIM__GFP_DIRECT_RECLAIM) && !nobody_waits_for(rq) &&
           vmsim__kswapd_works(m, rq->node) && vmsim__sched_cond_resched(m);
}

/* The kernel's order: wake kswapd, try with fewer scruples, then reserves for who may take them, and only then reclaim
 * in the caller's time. A task keeps how many rounds it has gone in its own record, since it may leave its CPU between
 * them; a request that must not wait has a record that ends with it. NOFAIL goes below the lowest watermark rather than
 * fail. Kernel: __alloc_pages_slowpath. */
static vmsim__pfn slowpath(struct vmsim_machine *m, const struct vmsim__alloc_request *rq) {
    struct vmsim__task *t = m->running;
    VMSIM__ASSERT(rq->cpu < m->nr_cpus && rq->order <= m->mem->top_order);
    uint32_t flags = rights_of(rq->gfp, rq->order);
    if (kswapd_runs(m, rq))
        return VMSIM__PFN_NONE;
    if (flags & VMSIM__ALLOC_KSWAPD)
        wake_kswapds(m, rq, vmsim__gfp_zone(m->mem, rq->gfp));
    vmsim__pfn pfn = vmsim__mem_get_frames(m->mem, rq, flags);
    if (pfn != VMSIM__PFN_NONE)
        return pfn;
    const uint32_t reserves = reserve_rights(m, rq->gfp);
    if (reserves)
        pfn = vmsim__mem_get_frames(m->mem, rq, flags | reserves);
    if (pfn != VMSIM__PFN_NONE || !(rq->gfp & VMSIM__GFP_DIRECT_RECLAIM) || reserves)
        return pfn;
    struct vmsim__direct_reclaim own = {0}; /* of a request that does not wait: it leaves its task's alone */
    const bool waits = !nobody_waits_for(rq);
    if (t && t->mm)
        pfn = reclaim_and_try(m, rq, flags, waits ? &t->reclaim : &own);
    else
        pfn = without_task(m, rq, flags);
    if (t && waits && !vmsim__now_waits(&m->mem->now))
        t->reclaim = (struct vmsim__direct_reclaim){0};
    if (pfn == VMSIM__PFN_NONE && (rq->gfp & VMSIM__GFP_NOFAIL))
        pfn = vmsim__mem_get_frames(m->mem, rq, (flags | VMSIM__ALLOC_MIN_RESERVE) & ~VMSIM__ALLOC_CPUSET);
    return pfn;
}

vmsim__pfn vmsim__machine_slowpath(void *machine, const struct vmsim__alloc_request *rq) {
    struct vmsim_machine *m = machine;
    VMSIM__ASSERT(m->mem && rq->order <= m->mem->top_order);
    const bool in_fault = m->mem->now.in_lru_fault;
    m->mem->now.in_lru_fault = false; /* folios that compaction and reclaim put back are not what the fault brings in */
    const vmsim__pfn pfn = slowpath(m, rq);
    m->mem->now.in_lru_fault = in_fault;
    return pfn;
}
