/* SPDX-License-Identifier: MIT */
/* The buddy allocator: free blocks of 2^order frames by order and migratetype, splitting and merging.
 *
 *     area[order].list[type]:  head (hot, taken first) <-> ... <-> tail (cold)
 *
 * A free block's head frame says BUDDY, its order, and in `index` the list it is on: up to Linux 6.9 that list may
 * differ from the type of its pageblock (a single stolen block, a stale per-CPU page). The middle of the top-order
 * MOVABLE list is not linked at all but kept as extents (frames.c), with an explicit part before and one after it.
 * Kernel counterpart: mm/page_alloc.c. */
#include "zones/zones_internal.h"

static bool has_extents(const struct vmsim__zone *z) {
    return z->extents.first < z->extents.count;
}

static bool is_extent_list(const struct vmsim__mem *mem, const struct vmsim__zone *z, unsigned order,
                           enum vmsim__migratetype type) {
    return order == mem->top_order && type == VMSIM__MOVABLE && has_extents(z);
}

/* Counts frames in or out of what is free; isolated ones are not free for anyone. The kernel's account_freepages:
 * nr_free_pages leaves MIGRATE_ISOLATE out, or memory on its way offline would look allocatable to the watermarks. */
VMSIM__INLINE void count_free(struct vmsim__zone *z, enum vmsim__migratetype type, int64_t frames) {
    VMSIM__ASSERT(type < VMSIM__MIGRATE_TYPES);
    if (VMSIM__LIKELY(type != VMSIM__ISOLATE))
        z->stat[VMSIM__NR_FREE_PAGES] += frames;
    if (VMSIM__UNLIKELY(type == VMSIM__HIGHATOMIC))
        z->nr_free_highatomic += (uint64_t)frames;
    if (VMSIM__UNLIKELY(type == VMSIM__CMA))
        z->stat[VMSIM__NR_FREE_CMA] += frames;
}

/* Puts a block on its list; the frames are counted by the caller. */
VMSIM__INLINE void list_block(struct vmsim__mem *mem, struct vmsim__zone *z, vmsim__pfn pfn, unsigned order,
                              enum vmsim__migratetype type, bool tail) {
    VMSIM__ASSERT(order <= mem->top_order && !(pfn & ((1u << order) - 1)));
    VMSIM__ASSERT(pfn >= z->start && pfn + (1u << order) <= z->end);
    struct vmsim__frame *f = vmsim__frame_of(mem, pfn);
    struct vmsim__free_area *area = &z->area[order];
    VMSIM__ASSERT(!vmsim__frame_is(f, VMSIM__FRAME_BUDDY | VMSIM__FRAME_PCP) && f->refcount == 0);
    f->flags = (f->flags & VMSIM__FRAME_KEEP) | VMSIM__FRAME_BUDDY;
    vmsim__block_set_order(f, order);
    vmsim__frame_set_list(f, type);
    area->nr[type]++;
    if (tail)
        vmsim__list_append(mem, &area->list[type], pfn, f);
    else
        vmsim__list_push(mem, &area->list[type], pfn, f);
}

/* Takes an explicit block off its list, likewise. */
VMSIM__INLINE void unlist_block(struct vmsim__mem *mem, struct vmsim__zone *z, struct vmsim__frame *f, unsigned order,
                                enum vmsim__migratetype type) {
    VMSIM__ASSERT(vmsim__frame_is(f, VMSIM__FRAME_BUDDY) && vmsim__block_order(f) == order && f->index == type);
    VMSIM__ASSERT(vmsim__frame_zone(f) == z->index && z->area[order].nr[type] > 0);
    z->area[order].nr[type]--;
    vmsim__list_remove(mem, &z->area[order].list[type], f);
    f->flags &= VMSIM__FRAME_KEEP;
    vmsim__frame_set_list(f, 0);
    vmsim__block_set_order(f, 0);
}

void vmsim__buddy_link(struct vmsim__mem *mem, struct vmsim__zone *z, vmsim__pfn pfn, unsigned order,
                       enum vmsim__migratetype type, bool tail) {
    list_block(mem, z, pfn, order, type, tail);
    if (is_extent_list(mem, z, order, type)) {
        if (!tail && z->extents.before == VMSIM__PFN_NONE)
            z->extents.before = pfn;
        if (tail && z->extents.after == VMSIM__PFN_NONE)
            z->extents.after = pfn;
    }
    count_free(z, type, (int64_t)1 << order);
}

static void unlink_explicit(struct vmsim__mem *mem, struct vmsim__zone *z, vmsim__pfn pfn) {
    struct vmsim__frame *f = vmsim__frame_of(mem, pfn);
    unsigned order = vmsim__block_order(f);
    enum vmsim__migratetype type = (enum vmsim__migratetype)f->index;
    VMSIM__ASSERT(!(pfn & ((1u << order) - 1)) && type < VMSIM__MIGRATE_TYPES);
    if (pfn == z->extents.before)
        z->extents.before = f->prev;
    if (pfn == z->extents.after)
        z->extents.after = f->next;
    unlist_block(mem, z, f, order, type);
    count_free(z, type, -((int64_t)1 << order));
}

/* When the last extent is used up the two explicit parts are one list. */
static bool unlink_extent(struct vmsim__mem *mem, struct vmsim__zone *z, struct vmsim__extent *e, vmsim__pfn pfn) {
    VMSIM__ASSERT(!(pfn & mem->frames.mask));
    if (!vmsim__extent_take(mem, z, e, pfn))
        return false;
    if (!has_extents(z))
        z->extents.before = z->extents.after = VMSIM__PFN_NONE;
    z->area[mem->top_order].nr[VMSIM__MOVABLE]--;
    count_free(z, VMSIM__MOVABLE, -((int64_t)1 << mem->top_order));
    return true;
}

bool vmsim__buddy_unlink(struct vmsim__mem *mem, struct vmsim__zone *z, vmsim__pfn pfn) {
    struct vmsim__extent *e = vmsim__extent_find(z, pfn);
    if (e)
        return unlink_extent(mem, z, e, pfn);
    unlink_explicit(mem, z, pfn);
    return true;
}

/* The explicit front part comes before the extents, so a block that was freed is used again before memory that was
 * never touched: as on the kernel's list, whose untouched blocks were appended at boot. */
vmsim__pfn vmsim__buddy_first(struct vmsim__mem *mem, struct vmsim__zone *z, unsigned order,
                              enum vmsim__migratetype type) {
    VMSIM__ASSERT(order <= mem->top_order && type < VMSIM__MIGRATE_TYPES);
    if (is_extent_list(mem, z, order, type) && z->extents.before == VMSIM__PFN_NONE) {
        vmsim__pfn pfn = z->extents.at[z->extents.first].start;
        return vmsim__chunk_make(mem, pfn) ? pfn : VMSIM__PFN_NONE;
    }
    return z->area[order].list[type].head;
}

/* The caller keeps the lowest part; what is split off last, the part beside it, is taken next. That is why single
 * frames that are allocated in a row have ascending addresses. */
void vmsim__buddy_expand(struct vmsim__mem *mem, struct vmsim__zone *z, vmsim__pfn pfn, unsigned low, unsigned high,
                         enum vmsim__migratetype type) {
    VMSIM__ASSERT(low <= high && high <= mem->top_order);
    VMSIM__ASSERT(!(pfn & ((1u << high) - 1)));
    count_free(z, type, ((int64_t)1 << high) - ((int64_t)1 << low));
    while (high > low) {
        high--;
        list_block(mem, z, pfn + (1u << high), high, type, false); /* below the top order: no extents */
    }
}

/* Kernel: __rmqueue_smallest. The top-order MOVABLE list alone goes through vmsim__buddy_unlink: no other list can have
 * extents, and the search for one would cost every split. */
vmsim__pfn vmsim__buddy_take(struct vmsim__mem *mem, struct vmsim__zone *z, unsigned order,
                             enum vmsim__migratetype type) {
    VMSIM__ASSERT(type < VMSIM__MIGRATE_TYPES);
    for (unsigned o = order; o <= mem->top_order; o++) {
        if (!z->area[o].nr[type])
            continue;
        vmsim__pfn pfn = vmsim__buddy_first(mem, z, o, type);
        if (pfn == VMSIM__PFN_NONE)
            return pfn;
        if (VMSIM__UNLIKELY(o == mem->top_order && type == VMSIM__MOVABLE)) {
            if (!vmsim__buddy_unlink(mem, z, pfn))
                return VMSIM__PFN_NONE;
        } else {
            unlist_block(mem, z, vmsim__frame_of(mem, pfn), o, type);
            count_free(z, type, -((int64_t)1 << o));
        }
        vmsim__buddy_expand(mem, z, pfn, order, o, type);
        vmsim__frame_set_list(vmsim__frame_of(mem, pfn), type);
        return pfn;
    }
    return VMSIM__PFN_NONE;
}

/* CMA serves movable requests before stealing does, and first of all where it is more than half of what is free: its
 * frames would be the only ones left in the end. Kernel: __rmqueue. */
vmsim__pfn vmsim__buddy_alloc_cma(struct vmsim__mem *mem, struct vmsim__zone *z, unsigned order,
                                  enum vmsim__migratetype type, uint32_t alloc_flags) {
    VMSIM__ASSERT(type == VMSIM__MOVABLE);
    bool first = z->stat[VMSIM__NR_FREE_CMA] > z->stat[VMSIM__NR_FREE_PAGES] / 2;
    vmsim__pfn pfn = vmsim__buddy_take(mem, z, order, first ? VMSIM__CMA : type);
    if (pfn == VMSIM__PFN_NONE)
        pfn = vmsim__buddy_take(mem, z, order, first ? type : VMSIM__CMA);
    return pfn != VMSIM__PFN_NONE ? pfn : vmsim__buddy_steal(mem, z, order, type, alloc_flags);
}

/* Is the block at `pfn` free, whole, and of this zone? The kernel's page_is_buddy: flag and zone are fields of
 * the same word. A hole's frame has the zone byte NO_ZONE and never matches. */
static bool is_free_buddy(const struct vmsim__mem *mem, const struct vmsim__zone *z, vmsim__pfn pfn, unsigned order) {
    VMSIM__ASSERT(order <= mem->top_order);
    const struct vmsim__frame *f = vmsim__frame_of(mem, pfn);
    return (f->flags & (VMSIM__FRAME_BUDDY | VMSIM__FRAME_KEEP)) ==
               (VMSIM__FRAME_BUDDY | (uint32_t)z->index << VMSIM__FRAME_ZONE_SHIFT) &&
           f->policy == order;
}

/* Blocks of pageblock size merge across types only when both are ordinary ones. An isolated or
 * HIGHATOMIC pageblock would lose its frames to an ordinary list otherwise. */
static bool may_merge(struct vmsim__mem *mem, vmsim__pfn buddy, unsigned order, enum vmsim__migratetype type) {
    if (order < mem->pageblock_order)
        return true;
    enum vmsim__migratetype other = vmsim__block_type(mem, buddy);
    if (other == type)
        return true;
    if (!vmsim__type_mergeable(type) || !vmsim__type_mergeable(other))
        return false;
    if (mem->kernel->freelist_by_pageblock)
        vmsim__block_set_type(mem, buddy, type);
    return true;
}

/* Will the merged block soon merge again? Then it goes to the cold end, not to be split meanwhile. Kernel:
 * buddy_merge_likely. */
static bool merge_likely(const struct vmsim__mem *mem, const struct vmsim__zone *z, vmsim__pfn pfn, unsigned order) {
    if (order >= mem->top_order - 1u)
        return false;
    vmsim__pfn parent = pfn & ~(1u << order);
    return is_free_buddy(mem, z, parent ^ (1u << (order + 1)), order + 1);
}

/* ---- capture ---- */

void vmsim__block_capture_begin(struct vmsim__mem *mem, const struct vmsim__zone *z, unsigned order,
                                enum vmsim__migratetype type) {
    VMSIM__ASSERT(!mem->capture.active && order <= mem->top_order);
    mem->capture = (struct vmsim__block_capture){true, z->index, (uint8_t)order, (uint8_t)type, VMSIM__PFN_NONE};
}

vmsim__pfn vmsim__block_capture_end(struct vmsim__mem *mem, uint32_t gfp) {
    VMSIM__ASSERT(mem->capture.active);
    const struct vmsim__block_capture c = mem->capture;
    mem->capture.active = false;
    if (c.pfn == VMSIM__PFN_NONE)
        return c.pfn;
    mem->zones[c.zone].in_use += UINT64_C(1) << c.order;
    vmsim__frames_hand_out(c.pfn, vmsim__frame_of(mem, c.pfn), c.order, gfp);
    return c.pfn;
}

/* Is the block kept for whoever compacts? A small block of a movable pageblock is not: it would spoil the pageblock for
 * a request of another kind. Kernel: compaction_capture. */
static bool captured(struct vmsim__mem *mem, const struct vmsim__zone *z, vmsim__pfn pfn, unsigned order,
                     enum vmsim__migratetype type) {
    struct vmsim__block_capture *c = &mem->capture;
    if (VMSIM__LIKELY(!c->active))
        return false;
    if (c->pfn != VMSIM__PFN_NONE || c->zone != z->index || c->order != order || type == VMSIM__CMA ||
        type == VMSIM__ISOLATE || (order < mem->pageblock_order && type == VMSIM__MOVABLE))
        return false;
    c->pfn = pfn;
    return true;
}

/* Kernel: __free_one_page. */
void vmsim__buddy_free(struct vmsim__mem *mem, struct vmsim__zone *z, vmsim__pfn pfn, unsigned order,
                       enum vmsim__migratetype type, bool tail) {
    VMSIM__ASSERT(order <= mem->top_order && !(pfn & ((1u << order) - 1)));
    VMSIM__ASSERT(vmsim__frame_zone(vmsim__frame_of(mem, pfn)) == z->index);
    while (order < mem->top_order) {
        vmsim__pfn buddy = pfn ^ (1u << order);
        if (captured(mem, z, pfn, order, type))
            return;
        if (!is_free_buddy(mem, z, buddy, order) || !may_merge(mem, buddy, order, type))
            break;
        unlink_explicit(mem, z, buddy);
        pfn &= buddy;
        order++;
    }
    vmsim__buddy_link(mem, z, pfn, order, type, tail || merge_likely(mem, z, pfn, order));
}
