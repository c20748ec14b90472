/* SPDX-License-Identifier: MIT */
/* Grouping by mobility: pageblock types, stealing from other types, the HIGHATOMIC reserve.
 *
 * A request that its own lists cannot serve takes the largest block of another type, and as much of that block's
 * pageblock as looks alike, so that mixing stays within few pageblocks. A movable request that may not claim the
 * pageblock takes the smallest block. Each claim below pageblock size boosts the zone's watermarks. Kernel counterpart:
 * mm/page_alloc.c. */
#include "zones/zones_internal.h"

static const enum vmsim__migratetype fallbacks[VMSIM__PCP_TYPES][2] = {
    [VMSIM__UNMOVABLE] = {VMSIM__RECLAIMABLE, VMSIM__MOVABLE},
    [VMSIM__MOVABLE] = {VMSIM__RECLAIMABLE, VMSIM__UNMOVABLE},
    [VMSIM__RECLAIMABLE] = {VMSIM__UNMOVABLE, VMSIM__MOVABLE},
};

enum vmsim__migratetype vmsim__pageblock_type(const struct vmsim__mem *mem, vmsim__pfn pfn) {
    return vmsim__block_type(mem, pfn);
}

/* Kernel: set_pageblock_migratetype. */
void vmsim__block_set_type(struct vmsim__mem *mem, vmsim__pfn pfn, enum vmsim__migratetype type) {
    VMSIM__ASSERT(type < VMSIM__MIGRATE_TYPES && pfn < mem->frames.end);
    uint32_t block = pfn >> mem->pageblock_order;
    if (mem->mobility_disabled && type < VMSIM__PCP_TYPES)
        type = VMSIM__UNMOVABLE;
    unsigned shift = (block & 1) * 4, code = (unsigned)(type ^ VMSIM__MOVABLE);
    mem->pageblocks[block >> 1] = (uint8_t)((mem->pageblocks[block >> 1] & ~(15u << shift)) | code << shift);
}

/* Kernel: move_freepages_block. */
uint64_t vmsim__block_move_free(struct vmsim__mem *mem, struct vmsim__zone *z, vmsim__pfn pfn,
                                enum vmsim__migratetype type, uint64_t *movable) {
    VMSIM__ASSERT(type < VMSIM__MIGRATE_TYPES && pfn >= z->start && pfn < z->end);
    vmsim__pfn start = pfn & ~((1u << mem->pageblock_order) - 1), end = start + (1u << mem->pageblock_order);
    uint64_t moved = 0, others = 0;
    if (start < z->start)
        start = pfn;
    if (end > z->end || !vmsim__chunk_make(mem, pfn))
        return 0;
    for (vmsim__pfn p = start; p < end;) {
        const struct vmsim__frame *f = vmsim__frame_of(mem, p);
        if (!vmsim__frame_is(f, VMSIM__FRAME_BUDDY) || vmsim__frame_zone(f) != z->index) {
            others += vmsim__frame_is(f, VMSIM__FRAME_LRU);
            p++;
            continue;
        }
        unsigned order = vmsim__block_order(f);
        if (vmsim__buddy_unlink(mem, z, p)) {
            vmsim__buddy_link(mem, z, p, order, type, true);
            moved += UINT64_C(1) << order;
        }
        p += 1u << order;
    }
    if (movable)
        *movable = others;
    return moved;
}

uint64_t vmsim__pageblock_set(struct vmsim__mem *mem, vmsim__pfn pfn, enum vmsim__migratetype type) {
    struct vmsim__zone *z = vmsim__mem_zone_of(mem, pfn);
    if (!z)
        return 0;
    vmsim__block_set_type(mem, pfn, type);
    return vmsim__block_move_free(mem, z, pfn, type, NULL);
}

/* May a request take over the whole pageblock of a free block of this order? Kernel: can_steal_fallback: unmovable and
 * reclaimable allocations claim whatever the size, because a page of theirs in a movable pageblock spoils it for good;
 * a movable one that leaves can be moved. */
static bool may_claim(const struct vmsim__mem *mem, unsigned order, enum vmsim__migratetype type) {
    return order >= mem->pageblock_order / 2u || type == VMSIM__RECLAIMABLE || type == VMSIM__UNMOVABLE ||
           mem->mobility_disabled;
}

/* The first fallback type with a free block of this order, or MIGRATE_TYPES. */
static enum vmsim__migratetype fallback_at(const struct vmsim__zone *z, unsigned order, enum vmsim__migratetype type) {
    VMSIM__ASSERT(type < VMSIM__PCP_TYPES && order < VMSIM__ORDERS);
    for (unsigned i = 0; i < 2; i++) {
        if (z->area[order].nr[fallbacks[type][i]])
            return fallbacks[type][i];
    }
    return VMSIM__MIGRATE_TYPES;
}

bool vmsim__zone_serves(const struct vmsim__mem *mem, const struct vmsim__zone *z, unsigned order,
                        enum vmsim__migratetype type) {
    VMSIM__ASSERT(type < VMSIM__PCP_TYPES);
    for (unsigned o = order; o <= mem->top_order; o++) {
        if (z->area[o].nr[type] || (type == VMSIM__MOVABLE && z->area[o].nr[VMSIM__CMA]) ||
            (may_claim(mem, o, type) && fallback_at(z, o, type) != VMSIM__MIGRATE_TYPES))
            return true;
    }
    return false;
}

/* Kernel: boost_watermark. The factor is in 1/10000 of the high watermark. A zone of fewer than four pageblocks is
 * left alone: a boost would be a large part of it. */
static bool boost(struct vmsim__mem *mem, struct vmsim__zone *z) {
    uint64_t block = UINT64_C(1) << mem->pageblock_order;
    if (!mem->sysctl.watermark_boost_factor || block * 4 > z->managed)
        return false;
    uint64_t most = z->wmark[VMSIM__WMARK_HIGH] * mem->sysctl.watermark_boost_factor / 10000;
    if (!most)
        return false;
    z->boost = vmsim__min64(z->boost + block, vmsim__max64(block, most));
    return true;
}

static void set_types(struct vmsim__mem *mem, vmsim__pfn pfn, unsigned order, enum vmsim__migratetype type) {
    VMSIM__ASSERT(order >= mem->pageblock_order && !(pfn & ((1u << mem->pageblock_order) - 1)));
    for (vmsim__pfn p = pfn; p < pfn + (1u << order); p += 1u << mem->pageblock_order)
        vmsim__block_set_type(mem, p, type);
}

/* Claims the pageblock of a small block: moves its free blocks and, when at least half of it is free or alike, its
 * type. False: nothing was moved. Kernel: steal_suitable_fallback. Pages alike are estimated as the kernel does:
 * pages on an LRU list are movable; what is neither free nor movable counts as alike only where the pageblock was
 * MOVABLE before, since other types cannot be told apart. */
static bool claim_pageblock(struct vmsim__mem *mem, struct vmsim__zone *z, vmsim__pfn pfn,
                            enum vmsim__migratetype type) {
    enum vmsim__migratetype old = vmsim__block_type(mem, pfn);
    vmsim__pfn start = pfn & ~((1u << mem->pageblock_order) - 1);
    uint64_t size = UINT64_C(1) << mem->pageblock_order, free = 0, movable = 0, alike = 0;
    bool early = mem->kernel->freelist_by_pageblock;
    if (early) { /* count first: blocks move only with the type of their pageblock */
        if (start < z->start || start + size > z->end)
            return false;
        for (vmsim__pfn p = start; p < start + size; p++) {
            const struct vmsim__frame *f = vmsim__frame_of(mem, p);
            if (vmsim__frame_is(f, VMSIM__FRAME_BUDDY)) {
                free += UINT64_C(1) << vmsim__block_order(f);
                p += (1u << vmsim__block_order(f)) - 1;
            } else {
                movable += vmsim__frame_is(f, VMSIM__FRAME_LRU);
            }
        }
    } else {
        free = vmsim__block_move_free(mem, z, pfn, type, &movable);
        if (!free)
            return false;
    }
    if (type == VMSIM__MOVABLE)
        alike = movable;
    else if (old == VMSIM__MOVABLE)
        alike = size - (free + movable);
    bool take = free + alike >= size / 2 || mem->mobility_disabled;
    if (take && early)
        vmsim__block_move_free(mem, z, pfn, type, NULL);
    if (take)
        vmsim__block_set_type(mem, pfn, type);
    return take || !early;
}

/* Kernel: trace_mm_page_alloc_extfrag. */
static void tell_extfrag(const struct vmsim__mem *mem, vmsim__pfn pfn, unsigned order, unsigned found,
                         enum vmsim__migratetype type, enum vmsim__migratetype from) {
    const struct vmsim__watch *w = &mem->now.watch;
    if (vmsim__watched(w, VMSIM_EVENT_EXTFRAG))
        vmsim__tell(w, VMSIM_EVENT_EXTFRAG, mem->now.time, mem->now.time,
                    vmsim__block_type(mem, pfn) == type ? "claimed" : "mixed", pfn, order, found,
                    (uint64_t)type | (uint64_t)from << 4);
}

/* Makes the found block (or its pageblock) serve `type`. */
static vmsim__pfn steal(struct vmsim__mem *mem, struct vmsim__zone *z, vmsim__pfn pfn, unsigned order, unsigned found,
                        enum vmsim__migratetype type, enum vmsim__migratetype from, uint32_t alloc_flags, bool claim) {
    VMSIM__ASSERT(found >= order && found <= mem->top_order);
    VMSIM__ASSERT(type < VMSIM__PCP_TYPES && from < VMSIM__PCP_TYPES && from != type);
    enum vmsim__migratetype list = type;
    if (vmsim__block_type(mem, pfn) == VMSIM__HIGHATOMIC) {
        list = from;
    } else if (found >= mem->pageblock_order) {
        set_types(mem, pfn, found, type);
    } else {
        if (boost(mem, z) && alloc_flags & VMSIM__ALLOC_KSWAPD)
            z->flags |= VMSIM__ZONE_BOOSTED;
        if (claim && claim_pageblock(mem, z, pfn, type))
            return vmsim__buddy_take(mem, z, order, type);
        list = from;
    }
    if (!mem->kernel->freelist_by_pageblock) {
        if (!vmsim__buddy_unlink(mem, z, pfn))
            return VMSIM__PFN_NONE;
        vmsim__buddy_link(mem, z, pfn, found, type, true);
        return vmsim__buddy_take(mem, z, order, type);
    }
    if (!vmsim__buddy_unlink(mem, z, pfn))
        return VMSIM__PFN_NONE;
    vmsim__buddy_expand(mem, z, pfn, order, found, list);
    vmsim__frame_set_list(vmsim__frame_of(mem, pfn), list);
    return pfn;
}

/* The smallest block of any fallback type from `order` on. */
static unsigned smallest(const struct vmsim__zone *z, unsigned order, unsigned top, enum vmsim__migratetype type,
                         enum vmsim__migratetype *from) {
    for (; order <= top; order++) {
        *from = fallback_at(z, order, type);
        if (*from != VMSIM__MIGRATE_TYPES)
            break;
    }
    return order;
}

/* Kernel: __rmqueue_fallback: from the largest block down, so that one pageblock is spoilt rather than many. */
vmsim__pfn vmsim__buddy_steal(struct vmsim__mem *mem, struct vmsim__zone *z, unsigned order,
                              enum vmsim__migratetype type, uint32_t alloc_flags) {
    VMSIM__ASSERT(order <= mem->top_order);
    unsigned least = order;
    if (type >= VMSIM__PCP_TYPES)
        return VMSIM__PFN_NONE;
    if (alloc_flags & VMSIM__ALLOC_NOFRAGMENT && order < mem->pageblock_order)
        least = mem->pageblock_order;
    for (unsigned found = mem->top_order + 1u; found-- > least;) {
        enum vmsim__migratetype from = fallback_at(z, found, type);
        if (from == VMSIM__MIGRATE_TYPES)
            continue;
        bool claim = may_claim(mem, found, type);
        if (!claim && type == VMSIM__MOVABLE && found > order)
            found = smallest(z, order, mem->top_order, type, &from);
        vmsim__pfn pfn = vmsim__buddy_first(mem, z, found, from);
        if (pfn == VMSIM__PFN_NONE)
            return pfn;
        const vmsim__pfn taken = steal(mem, z, pfn, order, found, type, from, alloc_flags, claim);
        if (taken != VMSIM__PFN_NONE)
            tell_extfrag(mem, pfn, order, found, type, from);
        return taken;
    }
    return VMSIM__PFN_NONE;
}

/* ---- HIGHATOMIC ---- */

/* Kernel: reserve_highatomic_pageblock: at most about 1 % of the zone. */
void vmsim__highatomic_reserve(struct vmsim__mem *mem, struct vmsim__zone *z, vmsim__pfn pfn) {
    VMSIM__ASSERT(pfn >= z->start && pfn < z->end);
    uint64_t block = UINT64_C(1) << mem->pageblock_order, most = z->managed / 100;
    if (mem->kernel->highatomic_needs_pageblock) {
        if (most < block)
            return;
        most = vmsim__align_up(most, block);
    } else {
        most += block;
    }
    if (z->nr_reserved_highatomic >= most || !vmsim__type_mergeable(vmsim__block_type(mem, pfn)))
        return;
    z->nr_reserved_highatomic += block;
    vmsim__block_set_type(mem, pfn, VMSIM__HIGHATOMIC);
    vmsim__block_move_free(mem, z, pfn, VMSIM__HIGHATOMIC, NULL);
}

static bool unreserve_in(struct vmsim__mem *mem, struct vmsim__zone *z, enum vmsim__migratetype type) {
    VMSIM__ASSERT(type < VMSIM__PCP_TYPES);
    uint64_t block = UINT64_C(1) << mem->pageblock_order;
    for (unsigned order = 0; order <= mem->top_order; order++) {
        vmsim__pfn pfn = z->area[order].list[VMSIM__HIGHATOMIC].head;
        if (pfn == VMSIM__PFN_NONE)
            continue;
        if (vmsim__block_type(mem, pfn) == VMSIM__HIGHATOMIC)
            z->nr_reserved_highatomic -= vmsim__min64(block, z->nr_reserved_highatomic);
        vmsim__block_set_type(mem, pfn, type);
        if (vmsim__block_move_free(mem, z, pfn, type, NULL))
            return true;
    }
    return false;
}

/* Kernel: unreserve_highatomic_pageblock. Without `force` the last pageblock stays, so that the next atomic burst
 * does not start from nothing. */
bool vmsim__mem_unreserve_highatomic(struct vmsim__mem *mem, const struct vmsim__alloc_request *rq, bool force) {
    struct vmsim__zone_iter it;
    enum vmsim__migratetype type = vmsim__gfp_migratetype(mem, rq->gfp);
    for (struct vmsim__zone *z = vmsim__zonelist_first(mem, rq, &it); z; z = vmsim__zonelist_next(&it)) {
        if (!force && z->nr_reserved_highatomic <= UINT64_C(1) << mem->pageblock_order)
            continue;
        if (unreserve_in(mem, z, type))
            return true;
    }
    return false;
}
