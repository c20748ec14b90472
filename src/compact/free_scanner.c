/* SPDX-License-Identifier: MIT */
/* The scanner of free frames, from the zone's end downward.
 *
 * It takes blocks of movable pageblocks that are not free as a whole, as many frames as pages wait to be moved, and
 * hands them out the last one first. Async runs look at every second, fourth, ... frame as long as they find nothing.
 * Kernel counterparts: isolate_freepages, isolate_freepages_block, suitable_migration_target of mm/compaction.c. */
#include "compact/compaction_impl.h"

/* Kernel: suitable_migration_target. */
static bool suitable_target(const struct vmsim__compaction *c, const struct vmsim__compact_control *cc,
                            vmsim__pfn block) {
    if (!c->mem->frames.chunk[block >> c->mem->frames.shift] ||
        vmsim__mem_free_block_order(c->mem, block) >= c->mem->pageblock_order)
        return false;
    if (cc->ignore_block_suitable)
        return true;
    const enum vmsim__migratetype type = vmsim__pageblock_type(c->mem, block);
    return type == VMSIM__MOVABLE || type == VMSIM__CMA;
}

void vmsim__keep_free(struct vmsim__compaction *c, struct vmsim__compact_control *cc, vmsim__pfn pfn, unsigned order) {
    VMSIM__ASSERT(order <= c->mem->top_order && !(pfn & ((1u << order) - 1)));
    vmsim__mem_split(c->mem, pfn, order);
    for (vmsim__pfn p = pfn; p < pfn + (1u << order); p++) {
        vmsim__frame_at(&c->mem->frames, p)->next = cc->free;
        cc->free = p;
    }
    cc->nr_free += 1u << order;
}

/* Kernel: isolate_freepages_block. Returns where it stopped. */
static vmsim__pfn scan_block(struct vmsim__compaction *c, struct vmsim__compact_control *cc, vmsim__pfn from,
                             vmsim__pfn end, unsigned stride, uint32_t *isolated) {
    VMSIM__ASSERT(from <= end && stride > 0);
    uint32_t scanned = 0;
    vmsim__pfn p = from;
    *isolated = 0;
    while (p < end) {
        const struct vmsim__frame *f = vmsim__frame_at(&c->mem->frames, p);
        scanned++;
        if (vmsim__frame_is(f, VMSIM__FRAME_HEAD)) {
            p += (1u << vmsim__folio_order(f)) - 1 + stride;
            continue;
        }
        if (!vmsim__frame_is(f, VMSIM__FRAME_BUDDY) || vmsim__frame_zone(f) != cc->z->index) {
            p += stride;
            continue;
        }
        const int order = vmsim__mem_isolate_free(c->mem, p);
        if (order < 0)
            break; /* too little is free */
        vmsim__keep_free(c, cc, p, (unsigned)order);
        *isolated += 1u << order;
        scanned += (1u << order) - 1;
        p += 1u << order;
        if (cc->nr_migrate <= cc->nr_free)
            break;
        p += stride - 1;
    }
    cc->free_scanned += scanned;
    c->mem->event[VMSIM__COMPACT_ISOLATED] += *isolated;
    return p < end ? p : end;
}

void vmsim__scan_free_block(struct vmsim__compaction *c, struct vmsim__compact_control *cc, vmsim__pfn from,
                            vmsim__pfn end) {
    uint32_t isolated;
    scan_block(c, cc, from, end, 1, &isolated);
}

void vmsim__isolate_freepages(struct vmsim__compaction *c, struct vmsim__compact_control *cc) {
    VMSIM__ASSERT(!cc->nr_free && cc->free == VMSIM__PFN_NONE);
    vmsim__fast_isolate_free(c, cc);
    if (cc->nr_free)
        return;
    const vmsim__pfn low = vmsim__block_end(c, cc->migrate_pfn);
    vmsim__pfn start = vmsim__block_start(c, cc->free_pfn), from = cc->free_pfn;
    vmsim__pfn end = vmsim__block_end(c, start) < cc->z->end ? vmsim__block_end(c, start) : cc->z->end;
    unsigned stride = cc->mode == VMSIM__MIGRATE_ASYNC ? VMSIM__COMPACT_CLUSTER : 1;
    for (; start >= low; end = start, start -= vmsim__block_pages(c), from = start) {
        uint32_t isolated;
        if (!vmsim__block_of_zone(c, cc->z, start, end) || !suitable_target(c, cc, start) ||
            (!cc->ignore_skip_hint && vmsim__skip_get(c, start)))
            continue;
        from = scan_block(c, cc, from, end, stride, &isolated);
        if (from == end)
            vmsim__skip_free_done(c, cc, start);
        if (cc->nr_free >= cc->nr_migrate) {
            if (from >= end) /* the next one goes on with the pageblock before */
                from = start - vmsim__block_pages(c);
            break;
        }
        if (from < end)
            break;
        stride = isolated ? 1 : stride * 2 < VMSIM__COMPACT_CLUSTER ? stride * 2 : VMSIM__COMPACT_CLUSTER;
    }
    cc->free_pfn = from;
}

void vmsim__release_freepages(struct vmsim__compaction *c, struct vmsim__compact_control *cc) {
    VMSIM__ASSERT(!cc->nr_free == (cc->free == VMSIM__PFN_NONE));
    struct vmsim__compact_zone *r = vmsim__compact_of(c, cc->z);
    vmsim__pfn high = 0;
    if (!cc->nr_free)
        return;
    while (cc->free != VMSIM__PFN_NONE) {
        const vmsim__pfn pfn = cc->free;
        cc->free = vmsim__frame_at(&c->mem->frames, pfn)->next;
        high = pfn > high ? pfn : high;
        vmsim__folio_put(c->lru, pfn, cc->cpu);
    }
    cc->nr_free = 0;
    high = vmsim__block_start(c, high);
    if (high > r->cached_free)
        r->cached_free = high;
}
