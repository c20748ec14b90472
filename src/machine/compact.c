/* SPDX-License-Identifier: MIT */
/* Compaction tied to the machine: for an allocation that waits for it, on request, and what reclaim asks of it.
 *
 *     slow path           each zone of its list: deferred? suitable? policy? then a run, which captures the block
 *     vm.compact_memory   every zone of every node, whole
 *     kcompactd           in its own time (kcompactd.c)
 *     pools               a range for a gigantic page is emptied (compact/contig.c)
 *
 * A direct run waits for nothing and so is over when it returns, as the kernel's, which compacts with PF_MEMALLOC.
 * Kernel counterparts: try_to_compact_pages, compact_nodes of mm/compaction.c, __alloc_pages_direct_compact of
 * mm/page_alloc.c, compaction_ready and should_continue_reclaim of mm/vmscan.c. */
#include "machine/compact.h"
#include "compact/contig.h"
#include "machine/sched.h"

void vmsim__compact_as(struct vmsim__compact_control *cc, enum vmsim_compaction_verdict verdict) {
    const bool full = verdict == VMSIM_COMPACTION_FULL;
    VMSIM__ASSERT(verdict != VMSIM_COMPACTION_SKIP);
    cc->mode = verdict == VMSIM_COMPACTION_ASYNC ? VMSIM__MIGRATE_ASYNC : VMSIM__MIGRATE_SYNC_LIGHT;
    cc->whole_zone = cc->ignore_skip_hint = cc->ignore_block_suitable = full;
}

/* ---- for an allocation ---- */

struct direct {
    struct vmsim_machine *m;
    const struct vmsim__alloc_request *rq;
    uint32_t flags;
    enum vmsim__compact_priority priority;
    unsigned zone_type;
    vmsim__pfn pfn; /* captured */
};

/* A deferred zone is skipped but by the last priority, which nobody defers. Kernel: try_to_compact_pages. */
static enum vmsim_compaction_verdict verdict_of(const struct direct *d, struct vmsim__zone *z, bool *deferred) {
    struct vmsim__compaction *c = &d->m->compaction;
    static const enum vmsim_compaction_verdict by_priority[] = {[VMSIM__COMPACT_PRIO_SYNC_FULL] = VMSIM_COMPACTION_FULL,
                                                                [VMSIM__COMPACT_PRIO_SYNC_LIGHT] =
                                                                    VMSIM_COMPACTION_SYNC_LIGHT,
                                                                [VMSIM__COMPACT_PRIO_ASYNC] = VMSIM_COMPACTION_ASYNC};
    *deferred = d->priority > VMSIM__COMPACT_PRIO_SYNC_FULL && vmsim__compaction_deferred(c, z, d->rq->order);
    return vmsim__compaction_decide(
        &d->m->compaction_choice, c, z,
        (struct vmsim_compaction_request){.why = VMSIM_COMPACTION_DIRECT,
                                          .verdict =
                                              (uint8_t)(*deferred ? VMSIM_COMPACTION_SKIP : by_priority[d->priority]),
                                          .order = d->rq->order,
                                          .movable = vmsim__gfp_migratetype(d->m->mem, d->rq->gfp) == VMSIM__MOVABLE,
                                          .deferred = *deferred,
                                          .cpu = d->rq->cpu});
}

/* Kernel: compact_zone_order. */
static enum vmsim__compact_result compact_zone(struct direct *d, struct vmsim__zone *z,
                                               enum vmsim_compaction_verdict verdict) {
    struct vmsim_machine *m = d->m;
    struct vmsim__compact_control cc = {.order = d->rq->order,
                                        .gfp = d->rq->gfp,
                                        .alloc_flags = d->flags,
                                        .zone_type = (uint8_t)d->zone_type,
                                        .type = vmsim__gfp_migratetype(m->mem, d->rq->gfp),
                                        .direct = true,
                                        .cpu = d->rq->cpu};
    vmsim__compact_as(&cc, verdict);
    vmsim__block_capture_begin(m->mem, z, d->rq->order, cc.type);
    enum vmsim__compact_result how = vmsim__compact_zone(&m->compaction, &cc, z);
    d->pfn = vmsim__block_capture_end(m->mem, d->rq->gfp);
    return d->pfn == VMSIM__PFN_NONE ? how : VMSIM__COMPACTION_SUCCESS;
}

/* Kernel: try_to_compact_pages. */
static enum vmsim__compact_result compact_zones(struct direct *d) {
    struct vmsim__compaction *c = &d->m->compaction;
    struct vmsim__zone_iter it;
    enum vmsim__compact_result best = VMSIM__COMPACTION_SKIPPED;
    for (struct vmsim__zone *z = vmsim__zonelist_first(d->m->mem, d->rq, &it); z; z = vmsim__zonelist_next(&it)) {
        bool deferred;
        if (vmsim__cpuset_closed(d->m->mem, z->node, d->rq->gfp, d->flags))
            continue;
        const enum vmsim_compaction_verdict verdict = verdict_of(d, z, &deferred);
        enum vmsim__compact_result how = deferred ? VMSIM__COMPACTION_DEFERRED : VMSIM__COMPACTION_SKIPPED;
        if (verdict != VMSIM_COMPACTION_SKIP)
            how = compact_zone(d, z, verdict);
        best = how > best ? how : best;
        if (how == VMSIM__COMPACTION_SUCCESS) {
            vmsim__compaction_defer_reset(c, z, d->rq->order, false);
            break;
        }
        if (verdict > VMSIM_COMPACTION_ASYNC &&
            (how == VMSIM__COMPACTION_COMPLETE || how == VMSIM__COMPACTION_PARTIAL_SKIPPED))
            vmsim__compaction_defer(c, z, d->rq->order);
    }
    return best;
}

vmsim__pfn vmsim__direct_compact(struct vmsim_machine *m, const struct vmsim__alloc_request *rq, uint32_t flags,
                                 enum vmsim__compact_priority priority, enum vmsim__compact_result *result) {
    struct direct d = {m, rq, flags, priority, vmsim__gfp_zone(m->mem, rq->gfp), VMSIM__PFN_NONE};
    *result = VMSIM__COMPACTION_SKIPPED;
    if (!rq->order || vmsim__compaction_off(m))
        return VMSIM__PFN_NONE;
    *result = compact_zones(&d);
    if (*result == VMSIM__COMPACTION_SKIPPED)
        return VMSIM__PFN_NONE;
    m->mem->event[VMSIM__COMPACT_STALL]++;
    if (d.pfn == VMSIM__PFN_NONE)
        d.pfn = vmsim__mem_get_frames(m->mem, rq, flags);
    if (d.pfn == VMSIM__PFN_NONE) {
        m->mem->event[VMSIM__COMPACT_FAIL]++;
        return d.pfn;
    }
    const struct vmsim__zone *z = vmsim__mem_zone_of(m->mem, d.pfn);
    vmsim__compaction_keep_hints(&m->compaction, z);
    vmsim__compaction_defer_reset(&m->compaction, z, rq->order, true);
    m->mem->event[VMSIM__COMPACT_SUCCESS]++;
    return d.pfn;
}

/* ---- what reclaim asks ---- */

/* Would a run find room in a zone of the node now, so that reclaim may stop? Kernel: should_continue_reclaim. */
static bool suitable(void *context, unsigned node, unsigned order, unsigned zone_type) {
    struct vmsim_machine *m = context;
    VMSIM__ASSERT(node < m->mem->nr_nodes);
    const struct vmsim__node *n = &m->mem->nodes[node];
    for (unsigned i = 0; i < n->nr_zones; i++) {
        const struct vmsim__zone *z = &m->mem->zones[n->zone[i]];
        if (z->type <= zone_type && z->managed &&
            vmsim__compaction_suitable(&m->compaction, z, (int)order, 0, zone_type) != VMSIM__COMPACTION_SKIPPED)
            return true;
    }
    return false;
}

/* Kernel: compaction_ready: above the high watermark there is no doubt. */
static bool zone_ready(const struct vmsim_machine *m, const struct vmsim__zone *z, unsigned order, unsigned zone_type) {
    const enum vmsim__compact_result how = vmsim__compaction_suitable(&m->compaction, z, (int)order, 0, zone_type);
    if (how != VMSIM__COMPACTION_CONTINUE)
        return how == VMSIM__COMPACTION_SUCCESS;
    return vmsim__zone_watermark_ok(m->mem, z, 0, vmsim__zone_wmark(z, VMSIM__WMARK_HIGH) + (UINT64_C(2) << order),
                                    zone_type, 0);
}

/* Zones above the one asked for do not help whoever waits, so they are not asked. Kernel: compaction_ready. */
static bool ready(void *context, unsigned node, unsigned order, unsigned zone_type, bool *all) {
    struct vmsim_machine *m = context;
    VMSIM__ASSERT(node < m->mem->nr_nodes && all);
    const struct vmsim__node *n = &m->mem->nodes[node];
    bool any = false;
    *all = true;
    for (unsigned i = 0; i < n->nr_zones; i++) {
        const struct vmsim__zone *z = &m->mem->zones[n->zone[i]];
        if (z->type > zone_type || !z->managed)
            continue;
        const bool one = zone_ready(m, z, order, zone_type);
        any = any || one;
        *all = *all && one;
    }
    return any;
}

/* ---- on request ---- */

/* Where the run of an earlier entry stopped: its zone, and the frame in it. */
#define AT_ZONE(done) ((unsigned)((done) >> 32))
#define AT_FRAME(done) ((vmsim__pfn)(done))

/* Kernel: sysctl_compaction_handler, compact_node. Within a call, who writes waits for pages under writeback. */
bool vmsim__compact_memory(struct vmsim_machine *m, bool may_wait) {
    struct vmsim__call *call = vmsim__now_call(&m->mem->now);
    if (vmsim__compaction_off(m))
        return true;
    vmsim__lru_drain_all(m->lru);
    for (unsigned i = AT_ZONE(call->done); i < m->mem->nr_zones; i++, call->done = (uint64_t)i << 32) {
        struct vmsim__compact_control cc = {.order = VMSIM__COMPACT_ALL,
                                            .gfp = VMSIM__GFP_KERNEL,
                                            .type = VMSIM__MOVABLE,
                                            .mode = VMSIM__MIGRATE_SYNC,
                                            .whole_zone = true,
                                            .ignore_skip_hint = true,
                                            .may_wait = may_wait,
                                            .cpu = m->running ? m->running->cpu : 0};
        struct vmsim__zone *z = &m->mem->zones[i];
        if (!vmsim__zone_populated(z) || vmsim__compact_begin(&m->compaction, &cc, z) != VMSIM__COMPACTION_CONTINUE)
            continue;
        if (AT_FRAME(call->done) > z->start && AT_FRAME(call->done) < z->end)
            cc.migrate_pfn = AT_FRAME(call->done);
        while (vmsim__compact_step(&m->compaction, &cc) == VMSIM__COMPACTION_CONTINUE && !cc.waits)
            continue;
        vmsim__compact_end(&m->compaction, &cc);
        if (cc.waits) {
            call->done = (uint64_t)i << 32 | cc.migrate_pfn;
            return false;
        }
    }
    call->done = 0;
    return true;
}

/* ---- ranges ---- */

/* Who writes to a pool waits for pages under writeback; where nobody runs nobody can. */
static bool contig_range(void *context, vmsim__pfn start, vmsim__pfn end) {
    struct vmsim_machine *m = context;
    const struct vmsim__task *t = m->running;
    VMSIM__ASSERT(start < end && !m->mem->capture.active);
    return vmsim__alloc_contig(&m->compaction, start, end, t && t->mm, t ? t->cpu : 0) == VMSIM__HOTPLUG_OK;
}

/* Kernel: cma_alloc, alloc_contig_pages: one place after the other, of CMA areas pageblock by pageblock. */
static vmsim__pfn range_in(struct vmsim_machine *m, const struct vmsim__zone *z, vmsim__pfn frames, bool cma) {
    const uint64_t block = UINT64_C(1) << m->mem->pageblock_order;
    const uint64_t step = cma ? block : vmsim__max64(block, UINT64_C(1) << vmsim__log2_up(frames));
    VMSIM__ASSERT(frames && !(frames & (block - 1)));
    for (uint64_t p = vmsim__align_up(z->start, step); p + frames <= z->end; p += step) {
        const bool of_cma = vmsim__pageblock_type(m->mem, (vmsim__pfn)p) == VMSIM__CMA;
        if (of_cma == cma && contig_range(m, (vmsim__pfn)p, (vmsim__pfn)(p + frames)))
            return (vmsim__pfn)p;
        if (vmsim__now_waits(&m->mem->now))
            break;
    }
    return VMSIM__PFN_NONE;
}

vmsim__pfn vmsim__machine_contig(struct vmsim_machine *m, unsigned cpu, vmsim__pfn frames, bool cma) {
    VMSIM__ASSERT(cpu < m->nr_cpus);
    const struct vmsim__alloc_request rq = {.gfp = cma ? VMSIM__GFP_HIGHUSER_MOVABLE : VMSIM__GFP_KERNEL,
                                            .cpu = (uint16_t)cpu,
                                            .node = m->mem->cpu_node[cpu]};
    struct vmsim__zone_iter it;
    vmsim__pfn pfn = VMSIM__PFN_NONE;
    for (struct vmsim__zone *z = vmsim__zonelist_first(m->mem, &rq, &it); z && pfn == VMSIM__PFN_NONE;
         z = vmsim__zonelist_next(&it)) {
        if (!cma || z->cma)
            pfn = range_in(m, z, frames, cma);
        if (vmsim__now_waits(&m->mem->now))
            return VMSIM__PFN_NONE;
    }
    if (cma)
        m->mem->event[pfn == VMSIM__PFN_NONE ? VMSIM__CMA_ALLOC_FAIL : VMSIM__CMA_ALLOC_SUCCESS]++;
    return pfn;
}

/* ---- life ---- */

/* Reclaim asks whether compaction could go on instead, which it cannot know by itself: the layers meet here. */
int vmsim__compact_init(struct vmsim_machine *m) {
    int err = vmsim__compaction_init(&m->compaction, m->alloc, m->vm, m->mem, m->lru);
    if (err)
        return vmsim__err_set(&m->err, err, "no memory for the records of compaction");
    m->compaction.scan_cost = m->spec.costs.compact_scan;
    m->vmscan.hooks.compaction_suitable = suitable;
    m->vmscan.hooks.compaction_ready = ready;
    m->mem->hooks.contig_range = contig_range;
    err =
        vmsim__compaction_choice_create(&m->compaction_choice, m->policies, &m->spec.compaction, m->spec.seed, &m->err);
    if (err)
        return err;
    err = vmsim__kcompactd_init(m);
    vmsim__kcompactd_tick(m, 0);
    return err ? vmsim__err_set(&m->err, err, "no memory for kcompactd") : 0;
}

/* Each part may never have been made. */
void vmsim__compact_fini(struct vmsim_machine *m) {
    vmsim__kcompactd_fini(m);
    vmsim__compaction_choice_destroy(&m->compaction_choice);
    vmsim__compaction_fini(&m->compaction);
}
