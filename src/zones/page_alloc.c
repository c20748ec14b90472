/* SPDX-License-Identifier: MIT */
/* The allocator's front: gfp flags, the walk over a zonelist, handing out and taking back.
 *
 *     vmsim__mem_alloc --> walk above the low watermark --> per-CPU list or buddy
 *            |                      ^
 *            +--> hooks.slowpath ---+  vmsim__mem_get_frames with other rights
 *
 * Kernel counterpart: mm/page_alloc.c (__alloc_pages, get_page_from_freelist, rmqueue, __free_pages). */
#include "zones/columns.h"
#include "zones/pcp.h"

unsigned vmsim__gfp_zone(const struct vmsim__mem *mem, uint32_t gfp) {
    return mem->gfp_zone[gfp & 15u];
}

/* The two bits stand where the kernel put them so that shifting gives the type (GFP_MOVABLE_SHIFT); both at once are a
 * fault of the caller. */
VMSIM__INLINE enum vmsim__migratetype migratetype(const struct vmsim__mem *mem, uint32_t gfp) {
    VMSIM__ASSERT((gfp & (VMSIM__GFP_MOVABLE_BIT | VMSIM__GFP_RECLAIMABLE)) !=
                  (VMSIM__GFP_MOVABLE_BIT | VMSIM__GFP_RECLAIMABLE));
    if (VMSIM__UNLIKELY(mem->mobility_disabled))
        return VMSIM__UNMOVABLE;
    return (enum vmsim__migratetype)((gfp & (VMSIM__GFP_MOVABLE_BIT | VMSIM__GFP_RECLAIMABLE)) >> 3);
}

enum vmsim__migratetype vmsim__gfp_migratetype(const struct vmsim__mem *mem, uint32_t gfp) {
    return migratetype(mem, gfp);
}

/* ---- Watermarks ---- */

/* Frames that count as free but are out of this request's reach. Kernel: __zone_watermark_unusable_free: the last
 * 2^order - 1 frames, since the block itself must not be the reserve, and the HIGHATOMIC reserve and CMA for all that
 * may not use them. */
VMSIM__INLINE uint64_t unusable(const struct vmsim__mem *mem, const struct vmsim__zone *z, unsigned order,
                                uint32_t alloc_flags) {
    uint64_t n = (UINT64_C(1) << order) - 1;
    if (!(alloc_flags & VMSIM__ALLOC_RESERVES))
        n += mem->kernel->highatomic_counts_free ? z->nr_free_highatomic : z->nr_reserved_highatomic;
    if (!(alloc_flags & VMSIM__ALLOC_CMA))
        n += (uint64_t)z->stat[VMSIM__NR_FREE_CMA];
    return n;
}

static bool has_block(const struct vmsim__mem *mem, const struct vmsim__zone *z, unsigned order, uint32_t alloc_flags) {
    for (unsigned o = order; o <= mem->top_order; o++) {
        const uint64_t *nr = z->area[o].nr;
        if (nr[VMSIM__UNMOVABLE] || nr[VMSIM__MOVABLE] || nr[VMSIM__RECLAIMABLE])
            return true;
        if (alloc_flags & (VMSIM__ALLOC_HIGHATOMIC | VMSIM__ALLOC_OOM) && nr[VMSIM__HIGHATOMIC])
            return true;
        if (alloc_flags & VMSIM__ALLOC_CMA && nr[VMSIM__CMA])
            return true;
    }
    return false;
}

/* Kernel: __zone_watermark_ok. GFP_HIGH may go down to half of min, one that cannot sleep besides to 3/8, a victim of
 * the OOM killer halves what is left. */
bool vmsim__zone_watermark_ok_free(const struct vmsim__mem *mem, const struct vmsim__zone *z, unsigned order,
                                   uint64_t mark, unsigned highest_type, uint32_t alloc_flags, int64_t free) {
    VMSIM__ASSERT(order < VMSIM__ORDERS && highest_type < VMSIM__ZONE_TYPES);
    int64_t min = (int64_t)mark;
    free -= (int64_t)unusable(mem, z, order, alloc_flags);
    if (alloc_flags & VMSIM__ALLOC_MIN_RESERVE) {
        min -= min / 2;
        if (alloc_flags & VMSIM__ALLOC_NON_BLOCK)
            min -= min / 4;
    }
    if (alloc_flags & VMSIM__ALLOC_OOM)
        min -= min / 2;
    if (free <= min + (int64_t)z->lowmem_reserve[highest_type])
        return false;
    return !order || has_block(mem, z, order, alloc_flags);
}

bool vmsim__zone_watermark_ok(const struct vmsim__mem *mem, const struct vmsim__zone *z, unsigned order, uint64_t mark,
                              unsigned highest_type, uint32_t alloc_flags) {
    return vmsim__zone_watermark_ok_free(mem, z, order, mark, highest_type, alloc_flags, z->stat[VMSIM__NR_FREE_PAGES]);
}

/* The check of the walk: quick for single frames, and blind to the boost for atomic ones. */
VMSIM__INLINE bool watermark_fast(const struct vmsim__mem *mem, const struct vmsim__zone *z, unsigned order,
                                  uint64_t mark, unsigned highest, uint32_t alloc_flags, uint32_t gfp) {
    uint64_t free = (uint64_t)z->stat[VMSIM__NR_FREE_PAGES];
    if (VMSIM__LIKELY(!order)) {
        uint64_t usable = free - vmsim__min64(free, unusable(mem, z, 0, alloc_flags));
        if (VMSIM__LIKELY(usable > mark + z->lowmem_reserve[highest]))
            return true;
    }
    if (vmsim__zone_watermark_ok_free(mem, z, order, mark, highest, alloc_flags, (int64_t)free))
        return true;
    bool atomic =
        mem->kernel->gfp_atomic ? (gfp & VMSIM__GFP_ATOMIC_BIT) != 0 : (alloc_flags & VMSIM__ALLOC_MIN_RESERVE) != 0;
    if (!order && atomic && z->boost && (alloc_flags & VMSIM__ALLOC_WMARK_MASK) == VMSIM__ALLOC_WMARK_MIN)
        return vmsim__zone_watermark_ok_free(mem, z, 0, z->wmark[VMSIM__WMARK_MIN], highest, alloc_flags,
                                             (int64_t)free);
    return false;
}

/* ---- Zonelists ---- */

VMSIM__INLINE bool node_allowed(const uint64_t *mask, unsigned node) {
    return !mask || mask[node / 64] >> (node % 64) & 1;
}

struct vmsim__zone *vmsim__zonelist_next(struct vmsim__zone_iter *it) {
    while (it->at < it->count) {
        struct vmsim__zone *z = &it->mem->zones[it->list[it->at++]];
        if (z->type <= it->highest_type && node_allowed(it->nodemask, z->node))
            return z;
    }
    return NULL;
}

VMSIM__INLINE struct vmsim__zone *zonelist_first(struct vmsim__mem *mem, const struct vmsim__alloc_request *rq,
                                                 struct vmsim__zone_iter *it) {
    VMSIM__ASSERT(rq->node < mem->nr_nodes && rq->cpu < mem->nr_cpus);
    const struct vmsim__node *node = &mem->nodes[rq->node];
    unsigned which = (rq->gfp & VMSIM__GFP_THISNODE) != 0, highest = mem->gfp_zone[rq->gfp & 15u];
    it->mem = mem;
    it->list = node->zonelist[which];
    it->nodemask = rq->nodemask;
    it->at = node->first[which][highest];
    it->count = node->zonelist_count[which];
    it->highest_type = highest;
    return vmsim__zonelist_next(it);
}

struct vmsim__zone *vmsim__zonelist_first(struct vmsim__mem *mem, const struct vmsim__alloc_request *rq,
                                          struct vmsim__zone_iter *it) {
    return zonelist_first(mem, rq, it);
}

/* ---- Allocation ---- */

/* Kernel: zone_statistics: hits and misses are counted in the zone that served, foreign in the one that should have. */
VMSIM__INLINE void count_numa(struct vmsim__mem *mem, struct vmsim__zone *preferred, struct vmsim__zone *z,
                              unsigned cpu) {
    VMSIM__ASSERT(cpu < mem->nr_cpus);
    if (VMSIM__UNLIKELY(!mem->sysctl.numa_stat))
        return;
    z->numa[mem->cpu_node[cpu] == z->node ? VMSIM__NUMA_LOCAL : VMSIM__NUMA_OTHER]++;
    if (VMSIM__LIKELY(z->node == preferred->node)) {
        z->numa[VMSIM__NUMA_HIT]++;
    } else {
        z->numa[VMSIM__NUMA_MISS]++;
        preferred->numa[VMSIM__NUMA_FOREIGN]++;
    }
}

/* Straight from the buddy, with the reserves that the rights open. */
static vmsim__pfn take_from_buddy(struct vmsim__mem *mem, struct vmsim__zone *z, unsigned order,
                                  enum vmsim__migratetype type, uint32_t alloc_flags) {
    VMSIM__ASSERT(order <= mem->top_order && type < VMSIM__PCP_TYPES);
    vmsim__pfn pfn = VMSIM__PFN_NONE;
    uint32_t last = VMSIM__ALLOC_OOM | (mem->kernel->highatomic_serves_nonblock ? VMSIM__ALLOC_NON_BLOCK : 0);
    if (alloc_flags & VMSIM__ALLOC_HIGHATOMIC)
        pfn = vmsim__buddy_take(mem, z, order, VMSIM__HIGHATOMIC);
    if (pfn == VMSIM__PFN_NONE)
        pfn = vmsim__buddy_alloc(mem, z, order, type, alloc_flags);
    if (pfn == VMSIM__PFN_NONE && alloc_flags & last)
        pfn = vmsim__buddy_take(mem, z, order, VMSIM__HIGHATOMIC);
    return pfn;
}

/* Kernel: trace_mm_page_alloc. */
static VMSIM__NOINLINE void tell_alloc(const struct vmsim__mem *mem, vmsim__pfn pfn, unsigned order) {
    const struct vmsim__watch *w = &mem->now.watch;
    vmsim__tell(w, VMSIM_EVENT_ALLOC, mem->now.time, mem->now.time, "frame", pfn, order,
                (uint64_t)vmsim__block_type(mem, pfn), 0);
}

/* A block from a zone that passed its check; the task that raised the boost wakes kswapd. */
VMSIM__INLINE vmsim__pfn take(struct vmsim__mem *mem, struct vmsim__zone *preferred, struct vmsim__zone *z,
                              const struct vmsim__alloc_request *rq, enum vmsim__migratetype type,
                              uint32_t alloc_flags) {
    vmsim__pfn pfn = VMSIM__PFN_NONE;
    unsigned order = rq->order;
    if (VMSIM__LIKELY(vmsim__pcp_order(mem, order)))
        pfn = vmsim__pcp_alloc(mem, z, rq->cpu, order, type, alloc_flags);
    if (VMSIM__UNLIKELY(pfn == VMSIM__PFN_NONE))
        pfn = take_from_buddy(mem, z, order, type, alloc_flags);
    if (VMSIM__LIKELY(pfn != VMSIM__PFN_NONE)) {
        mem->event[VMSIM__PGALLOC_DMA + z->type] += UINT64_C(1) << order;
        z->in_use += UINT64_C(1) << order;
        count_numa(mem, preferred, z, rq->cpu);
        vmsim__frames_hand_out(pfn, vmsim__frame_of(mem, pfn), order, rq->gfp);
        if (vmsim__watched(&mem->now.watch, VMSIM_EVENT_ALLOC))
            tell_alloc(mem, pfn, order);
    }
    if (VMSIM__UNLIKELY(z->flags & VMSIM__ZONE_BOOSTED) && alloc_flags & VMSIM__ALLOC_KSWAPD) {
        z->flags &= ~VMSIM__ZONE_BOOSTED;
        if (mem->hooks.wake_kswapd)
            mem->hooks.wake_kswapd(mem->hooks.context, z, 0, z->type);
    }
    return pfn;
}

/* May the request take from this zone? Notes the fall below the high watermark that 6.7 and later act on. */
VMSIM__INLINE bool zone_open(struct vmsim__mem *mem, struct vmsim__zone *z, const struct vmsim__alloc_request *rq,
                             unsigned highest, uint32_t alloc_flags) {
    if (mem->kernel->pcp_high_auto && !(z->flags & VMSIM__ZONE_BELOW_HIGH)) {
        uint64_t high = vmsim__zone_wmark(z, VMSIM__WMARK_HIGH);
        if (VMSIM__LIKELY(watermark_fast(mem, z, rq->order, high, highest, alloc_flags, rq->gfp)))
            return true;
        z->flags |= VMSIM__ZONE_BELOW_HIGH;
    }
    uint64_t mark = vmsim__zone_wmark(z, (enum vmsim__wmark)(alloc_flags & VMSIM__ALLOC_WMARK_MASK));
    if (VMSIM__LIKELY(watermark_fast(mem, z, rq->order, mark, highest, alloc_flags, rq->gfp)) ||
        alloc_flags & VMSIM__ALLOC_NO_WATERMARKS)
        return true;
    return mem->hooks.node_reclaim && mem->hooks.node_reclaim(mem->hooks.context, z, rq) &&
           vmsim__zone_watermark_ok(mem, z, rq->order, mark, highest, alloc_flags);
}

/* Is the zone's node below its share of dirty pages? */
static bool may_dirty(const struct vmsim__mem *mem, const struct vmsim__zone *z) {
    return !mem->hooks.node_dirty_ok || mem->hooks.node_dirty_ok(mem->hooks.context, z->node);
}

bool vmsim__cpuset_closed(const struct vmsim__mem *mem, unsigned node, uint32_t gfp, uint32_t alloc_flags) {
    VMSIM__ASSERT(node < mem->nr_nodes);
    return mem->now.mems && (alloc_flags & VMSIM__ALLOC_CPUSET) && (gfp & VMSIM__GFP_HARDWALL) &&
           !(mem->now.mems >> node & 1);
}

/* One walk. `spread`: pages to be dirtied avoid nodes that have their share of dirty ones (the first try alone).
 * Kernel: get_page_from_freelist. */
VMSIM__INLINE vmsim__pfn walk(struct vmsim__mem *mem, const struct vmsim__alloc_request *rq, uint32_t alloc_flags,
                              bool spread) {
    struct vmsim__zone_iter it;
    struct vmsim__zone *preferred = zonelist_first(mem, rq, &it), *z = preferred;
    enum vmsim__migratetype type = migratetype(mem, rq->gfp);
    unsigned restart = it.at;
    alloc_flags |= type == VMSIM__MOVABLE ? VMSIM__ALLOC_CMA : 0;
    while (z) {
        if (VMSIM__UNLIKELY(alloc_flags & VMSIM__ALLOC_NOFRAGMENT) && z->node != preferred->node) {
            alloc_flags &= ~VMSIM__ALLOC_NOFRAGMENT; /* better mixed here than tidy on a remote node */
            it.at = restart;
            z = preferred;
            continue;
        }
        bool dirty = spread && rq->gfp & VMSIM__GFP_WRITE && !may_dirty(mem, z);
        if (VMSIM__LIKELY(!dirty) && !vmsim__cpuset_closed(mem, z->node, rq->gfp, alloc_flags) &&
            VMSIM__LIKELY(zone_open(mem, z, rq, it.highest_type, alloc_flags))) {
            vmsim__pfn pfn = take(mem, preferred, z, rq, type, alloc_flags);
            VMSIM__ASSERT(pfn == VMSIM__PFN_NONE || !(pfn & ((1u << rq->order) - 1)));
            if (VMSIM__LIKELY(pfn != VMSIM__PFN_NONE)) {
                if (VMSIM__UNLIKELY(rq->order && alloc_flags & VMSIM__ALLOC_HIGHATOMIC))
                    vmsim__highatomic_reserve(mem, z, pfn);
                return pfn;
            }
        }
        z = vmsim__zonelist_next(&it);
        if (!z && alloc_flags & VMSIM__ALLOC_NOFRAGMENT) {
            alloc_flags &= ~VMSIM__ALLOC_NOFRAGMENT;
            it.at = restart;
            z = preferred;
        }
    }
    return VMSIM__PFN_NONE;
}

vmsim__pfn vmsim__mem_get_frames(struct vmsim__mem *mem, const struct vmsim__alloc_request *rq, uint32_t alloc_flags) {
    VMSIM__ASSERT(rq->order <= mem->top_order);
    return walk(mem, rq, alloc_flags, false);
}

/* A kernel zone with a DMA32 zone below keeps small requests from breaking up foreign pageblocks while others are
 * free. Kernel: alloc_flags_nofragment. */
static uint32_t first_try_flags(struct vmsim__mem *mem, const struct vmsim__alloc_request *rq) {
    uint32_t flags = VMSIM__ALLOC_WMARK_LOW;
    if (rq->gfp & VMSIM__GFP_KSWAPD_RECLAIM)
        flags |= VMSIM__ALLOC_KSWAPD;
    struct vmsim__zone_iter it;
    const struct vmsim__zone *z = zonelist_first(mem, rq, &it);
    if (!z || z->type != VMSIM__ZONE_NORMAL)
        return flags;
    bool dma32 = vmsim__node_zone(mem, z->node, VMSIM__ZONE_DMA32);
    return mem->nr_nodes == 1 || dma32 ? flags | VMSIM__ALLOC_NOFRAGMENT : flags;
}

static VMSIM__NOINLINE vmsim__pfn alloc_walk(struct vmsim__mem *mem, const struct vmsim__alloc_request *rq) {
    if (rq->order > mem->top_order)
        return VMSIM__PFN_NONE;
    /* the first try of a task with a cpuset is as strict for the kernel's own memory. Kernel: prepare_alloc_pages */
    struct vmsim__alloc_request strict = *rq;
    uint32_t flags = 0;
    if (VMSIM__UNLIKELY(mem->now.mems)) {
        strict.gfp |= VMSIM__GFP_HARDWALL;
        if (rq->nodemask)
            flags |= VMSIM__ALLOC_CPUSET;
        else
            strict.nodemask = &mem->now.mems;
    }
    vmsim__pfn pfn = walk(mem, &strict, first_try_flags(mem, &strict) | flags, true);
    if (VMSIM__UNLIKELY(pfn == VMSIM__PFN_NONE) && mem->hooks.slowpath && !mem->host_nomem)
        pfn = mem->hooks.slowpath(mem->hooks.context, rq);
    return pfn;
}

/* The zone that a single frame comes from when nothing stands in the way: the first of the list, well above its mark,
 * with frames on the CPU's list and no kswapd to wake. NULL: the walk has to look. No counterpart: the kernel always
 * walks. The conditions are strict enough that the walk would have chosen the same zone and changed nothing else. */
VMSIM__INLINE struct vmsim__zone *quick_zone(struct vmsim__mem *mem, const struct vmsim__alloc_request *rq) {
    const struct vmsim__node *node = &mem->nodes[rq->node];
    unsigned which = (rq->gfp & VMSIM__GFP_THISNODE) != 0, highest = mem->gfp_zone[rq->gfp & 15u];
    unsigned first = node->first_zone[which][highest];
    if (VMSIM__UNLIKELY(rq->order || rq->nodemask || mem->now.mems || first == VMSIM__NO_ZONE))
        return NULL;
    struct vmsim__zone *z = &mem->zones[first];
    uint64_t mark = z->boost + z->wmark[mem->kernel->pcp_high_auto ? VMSIM__WMARK_HIGH : VMSIM__WMARK_LOW];
    uint64_t reserve = z->lowmem_reserve[highest] + z->nr_reserved_highatomic + (uint64_t)z->stat[VMSIM__NR_FREE_CMA];
    bool above = (uint64_t)z->stat[VMSIM__NR_FREE_PAGES] > mark + reserve;
    return VMSIM__LIKELY(above && !(z->flags & (VMSIM__ZONE_BOOSTED | VMSIM__ZONE_BELOW_HIGH))) ? z : NULL;
}

VMSIM__INLINE vmsim__pfn alloc_quick(struct vmsim__mem *mem, const struct vmsim__alloc_request *rq) {
    struct vmsim__zone *z = quick_zone(mem, rq);
    if (VMSIM__UNLIKELY(!z))
        return alloc_walk(mem, rq);
    struct vmsim__pcp *pcp = &z->pcp[rq->cpu];
    struct vmsim__frame_list *list = &pcp->list[migratetype(mem, rq->gfp)];
    if (VMSIM__UNLIKELY(list->head == VMSIM__PFN_NONE))
        return alloc_walk(mem, rq);
    vmsim__pfn pfn = vmsim__pcp_pop(mem, pcp, list, 0);
    mem->event[VMSIM__PGALLOC_DMA + z->type]++;
    z->in_use++;
    count_numa(mem, z, z, rq->cpu);
    vmsim__frames_hand_out(pfn, vmsim__frame_of(mem, pfn), 0, 0);
    if (vmsim__watched(&mem->now.watch, VMSIM_EVENT_ALLOC))
        tell_alloc(mem, pfn, 0);
    return pfn;
}

/* A page to be written: the quick way is open while its node may have more of them. */
static VMSIM__NOINLINE vmsim__pfn alloc_write(struct vmsim__mem *mem, const struct vmsim__alloc_request *rq) {
    const struct vmsim__zone *z = quick_zone(mem, rq);
    return z && may_dirty(mem, z) ? alloc_quick(mem, rq) : alloc_walk(mem, rq);
}

vmsim__pfn vmsim__mem_alloc(struct vmsim__mem *mem, const struct vmsim__alloc_request *rq) {
    return VMSIM__UNLIKELY(rq->gfp & VMSIM__GFP_WRITE) ? alloc_write(mem, rq) : alloc_quick(mem, rq);
}

/* ---- Freeing ---- */

/* Back to the canonical state of free frames: no references, no owner, no marks but the zone. Further frames of a block
 * that is not compound are nobody's: who wants to use them splits the block. So they are still as they were given out,
 * and a large block is freed without a look at its metadata. */
VMSIM__INLINE void clear_frames(struct vmsim__frame *f, unsigned order) {
    VMSIM__ASSERT(order < VMSIM__ORDERS);
    uint32_t zone = f->flags & VMSIM__FRAME_KEEP; /* a block lies in one zone */
    uint32_t marked = vmsim__frame_is(f, VMSIM__FRAME_HEAD) ? 1u << order : 1;
    for (uint32_t i = 0; i < marked; i++)
        f[i] = (struct vmsim__frame){.flags = zone};
    for (uint32_t i = marked; i < 1u << order; i++)
        VMSIM__ASSERT(f[i].flags == zone && !f[i].refcount && !f[i].mapcount && !f[i].mapping && !f[i].owner);
}

VMSIM__INLINE struct vmsim__zone *take_back(struct vmsim__mem *mem, const struct vmsim__frame *f, unsigned order) {
    VMSIM__ASSERT(!vmsim__frame_is(f, VMSIM__FRAME_TAIL));
    VMSIM__ASSERT(vmsim__frame_zone(f) < mem->nr_zones);
    VMSIM__ASSERT(!vmsim__frame_is(f, VMSIM__FRAME_BUDDY | VMSIM__FRAME_PCP | VMSIM__FRAME_RESERVED));
    struct vmsim__zone *z = &mem->zones[vmsim__frame_zone(f)];
    VMSIM__ASSERT(z->in_use >= UINT64_C(1) << order);
    mem->event[VMSIM__PGFREE] += UINT64_C(1) << order;
    z->in_use -= UINT64_C(1) << order;
    return z;
}

static VMSIM__NOINLINE void free_block(struct vmsim__mem *mem, vmsim__pfn pfn, unsigned order, unsigned cpu) {
    struct vmsim__frame *f = vmsim__frame_of(mem, pfn);
    struct vmsim__zone *z = take_back(mem, f, order);
    enum vmsim__migratetype type = vmsim__block_type(mem, pfn);
    clear_frames(f, order);
    if (vmsim__pcp_order(mem, order) && type != VMSIM__ISOLATE)
        vmsim__pcp_free(mem, z, pfn, f, order, type, cpu);
    else
        vmsim__buddy_free(mem, z, pfn, order, type, false);
}

void vmsim__mem_free(struct vmsim__mem *mem, vmsim__pfn pfn, unsigned order, unsigned cpu) {
    VMSIM__ASSERT(pfn < mem->frames.end && !(pfn & ((1u << order) - 1)) && cpu < mem->nr_cpus);
    enum vmsim__migratetype type = vmsim__block_type(mem, pfn);
    if (VMSIM__UNLIKELY(order || type >= VMSIM__PCP_TYPES)) {
        free_block(mem, pfn, order, cpu);
        return;
    }
    struct vmsim__frame *f = vmsim__frame_of(mem, pfn);
    struct vmsim__zone *z = take_back(mem, f, 0);
    VMSIM__ASSERT(!f->memcg);
    if (VMSIM__UNLIKELY(mem->column[VMSIM__COLUMN_CPUPID])) /* page_cpupid_reset_last */
        vmsim__column_write(mem, VMSIM__COLUMN_CPUPID, pfn, 0);
    f->refcount = f->mapcount = 0;
    f->mapping = 0; /* everything else is written by the list */
    vmsim__pcp_free(mem, z, pfn, f, 0, type, cpu);
}

void vmsim__mem_free_buddy(struct vmsim__mem *mem, vmsim__pfn pfn, unsigned order) {
    VMSIM__ASSERT(pfn < mem->frames.end && !(pfn & ((1u << order) - 1)));
    struct vmsim__frame *f = vmsim__frame_of(mem, pfn);
    struct vmsim__zone *z = take_back(mem, f, order);
    clear_frames(f, order);
    vmsim__buddy_free(mem, z, pfn, order, vmsim__block_type(mem, pfn), false);
}

/* Kernel: split_page. */
void vmsim__mem_split(struct vmsim__mem *mem, vmsim__pfn pfn, unsigned order) {
    struct vmsim__frame *f = vmsim__frame_of(mem, pfn);
    VMSIM__ASSERT(!vmsim__frame_is(f, VMSIM__FRAME_HEAD));
    VMSIM__ASSERT(f->refcount == 1 && order <= mem->top_order);
    for (uint32_t i = 0; i < 1u << order; i++) {
        f[i].refcount = 1;
        vmsim__block_set_order(&f[i], 0);
    }
}

/* ---- Blocks by address ---- */

int vmsim__mem_free_block_order(const struct vmsim__mem *mem, vmsim__pfn pfn) {
    if (pfn >= mem->frames.end)
        return -1;
    if (mem->frames.chunk[pfn >> mem->frames.shift]) {
        const struct vmsim__frame *f = vmsim__frame_of(mem, pfn);
        return vmsim__frame_is(f, VMSIM__FRAME_BUDDY) ? (int)vmsim__block_order(f) : -1;
    }
    const struct vmsim__zone *z = vmsim__mem_zone_of(mem, pfn);
    return z && !(pfn & mem->frames.mask) && vmsim__extent_find(z, pfn) ? mem->top_order : -1;
}

int vmsim__mem_isolate_block(struct vmsim__mem *mem, vmsim__pfn pfn) {
    int order = vmsim__mem_free_block_order(mem, pfn);
    struct vmsim__zone *z = order < 0 ? NULL : vmsim__mem_zone_of(mem, pfn);
    if (!z || !vmsim__chunk_make(mem, pfn) || !vmsim__buddy_unlink(mem, z, pfn))
        return -1;
    z->in_use += UINT64_C(1) << order;
    vmsim__frames_hand_out(pfn, vmsim__frame_of(mem, pfn), (unsigned)order, 0);
    return order;
}
