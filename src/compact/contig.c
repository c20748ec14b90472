/* SPDX-License-Identifier: MIT */
/* Ranges that are emptied: of an isolated range all pages in use go to frames elsewhere, for a large contiguous request
 * or for memory that goes offline.
 *
 *     isolate (zones/) --> evacuate: split, isolate from lists, migrate; five tries where nothing moves --> take |
 * offline
 *                                                                                               '--> cancel
 *
 * Kernel counterparts: __alloc_contig_migrate_range, alloc_contig_range of mm/page_alloc.c, do_migrate_range of
 * mm/memory_hotplug.c. */
#include "compact/contig.h"

#define TRIES 5u /* __alloc_contig_migrate_range */

struct evacuation {
    struct vmsim__compaction *c;
    unsigned cpu;
    uint16_t node;
};

/* Kernel: alloc_migration_target. Nothing of an isolated pageblock is given out. */
static vmsim__pfn target_get(void *context, vmsim__pfn from) {
    const struct evacuation *e = context;
    const struct vmsim__alloc_request rq = {
        .gfp = (VMSIM__GFP_HIGHUSER_MOVABLE | VMSIM__GFP_RETRY_MAYFAIL), .cpu = (uint16_t)e->cpu, .node = e->node};
    (void)from;
    return vmsim__mem_alloc(e->c->mem, &rq);
}
static void target_put(void *context, vmsim__pfn to) {
    const struct evacuation *e = context;
    vmsim__folio_put(e->c->lru, to, e->cpu);
}

/* Takes pages in use from `from` on off their lists, 32 at most. Returns where it stopped. */
static vmsim__pfn isolate(struct evacuation *e, vmsim__pfn from, vmsim__pfn end, struct vmsim__folio_chain *chain) {
    VMSIM__ASSERT(from < end && !chain->folios);
    struct vmsim__compaction *c = e->c;
    vmsim__pfn p = from;
    while (chain->pages < VMSIM__COMPACT_CLUSTER && (p = vmsim__isolated_busy(c->mem, p, end)) != VMSIM__PFN_NONE) {
        const struct vmsim__frame *f = vmsim__frame_at(&c->mem->frames, p);
        if (vmsim__frame_is(f, VMSIM__FRAME_HEAD) && vmsim__frame_is(f, VMSIM__FRAME_ANON | VMSIM__FRAME_FILE) &&
            vmsim__thp_split_page(c->vm, p, e->cpu)) {
            c->mem->event[VMSIM__THP_MIGRATION_SPLIT]++;
            vmsim__lru_drain_cpu(c->lru, e->cpu);
            continue;
        }
        if (!vmsim__frame_is(f, VMSIM__FRAME_HEAD | VMSIM__FRAME_TAIL) && vmsim__lru_isolate(c->lru, p))
            vmsim__folio_chain_push(c->vm, chain, p);
        p++;
    }
    return p < end ? p : end;
}

static bool is_empty(struct vmsim__compaction *c, vmsim__pfn start, vmsim__pfn end) {
    vmsim__lru_drain_all(c->lru);
    vmsim__mem_drain(c->mem);
    return vmsim__isolated_busy(c->mem, start, end) == VMSIM__PFN_NONE;
}

bool vmsim__evacuate(struct vmsim__compaction *c, vmsim__pfn start, vmsim__pfn end, enum vmsim__migrate_reason reason,
                     bool may_wait, unsigned cpu) {
    struct evacuation e = {c, cpu, vmsim__mem_zone_of(c->mem, start)->node};
    const struct vmsim__migration how = {.mode = VMSIM__MIGRATE_SYNC,
                                         .reason = reason,
                                         .may_wait = may_wait,
                                         .context = &e,
                                         .get = target_get,
                                         .put = target_put};
    VMSIM__ASSERT(vmsim__pageblock_type(c->mem, start) == VMSIM__ISOLATE && start < end);
    for (unsigned fruitless = 0; !is_empty(c, start, end) && fruitless < TRIES; fruitless++) {
        for (vmsim__pfn p = start; p < end;) {
            struct vmsim__folio_chain chain = vmsim__folio_chain_empty();
            p = isolate(&e, p, end, &chain);
            const struct vmsim__migrated m = vmsim__migrate_pages(c->vm, &how, &chain, cpu);
            vmsim__folio_chain_putback(c->vm, &chain, cpu);
            if (m.succeeded)
                fruitless = 0;
            if (m.waits || m.no_memory)
                return false;
        }
    }
    return is_empty(c, start, end);
}

/* What the range's pageblocks are of afterwards: CMA's stay CMA's, and others are movable, whatever they were. ISOLATE:
 * some are kept for others. */
static enum vmsim__migratetype type_of(const struct vmsim__mem *mem, vmsim__pfn start, vmsim__pfn end) {
    VMSIM__ASSERT(start < end && end <= mem->frames.end);
    const bool cma = vmsim__pageblock_type(mem, start) == VMSIM__CMA;
    for (vmsim__pfn p = start; p < end; p += (vmsim__pfn)1 << mem->pageblock_order) {
        const enum vmsim__migratetype type = vmsim__pageblock_type(mem, p);
        if (cma ? type != VMSIM__CMA : type >= VMSIM__PCP_TYPES)
            return VMSIM__ISOLATE;
    }
    return cma ? VMSIM__CMA : VMSIM__MOVABLE;
}

enum vmsim__hotplug vmsim__alloc_contig(struct vmsim__compaction *c, vmsim__pfn start, vmsim__pfn end, bool may_wait,
                                        unsigned cpu) {
    const enum vmsim__migratetype type = type_of(c->mem, start, end);
    if (type == VMSIM__ISOLATE)
        return VMSIM__HOTPLUG_BUSY;
    vmsim__lru_drain_all(c->lru); /* a page in a batch would count as unmovable */
    enum vmsim__hotplug o = vmsim__isolate_begin(c->mem, start, end);
    if (o != VMSIM__HOTPLUG_OK)
        return o;
    o = vmsim__evacuate(c, start, end, VMSIM__MR_CONTIG_RANGE, may_wait, cpu)
            ? vmsim__isolate_take(c->mem, start, end, type)
            : VMSIM__HOTPLUG_BUSY;
    if (o != VMSIM__HOTPLUG_OK)
        vmsim__isolate_cancel(c->mem, start, end, type);
    return o;
}
