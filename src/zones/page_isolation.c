/* SPDX-License-Identifier: MIT */
/* Ranges of whole pageblocks that are cut off from the allocator: for memory that goes offline, and for large
 * contiguous requests.
 *
 *     begin --> ISOLATE pageblocks: what is freed there stays there, nothing is given out
 *               busy --> the first frame in use; the caller moves it away, and asks again
 *     take: the range is the caller's, frame by frame       cancel: all is as before, and may merge again
 *
 * A free block that reaches beyond the range is split at its ends. Kernel counterparts: mm/page_isolation.c,
 * alloc_contig_range. */
#include "zones/zones_internal.h"

static vmsim__pfn block_size(const struct vmsim__mem *mem) {
    return (vmsim__pfn)1 << mem->pageblock_order;
}

/* A frame that no migration gets rid of. Kernel: has_unmovable_pages: in MOVABLE everything counts as movable that is
 * not reserved, elsewhere what is free or on an LRU list. */
static bool is_unmovable(const struct vmsim__mem *mem, const struct vmsim__zone *z, vmsim__pfn pfn) {
    if (!mem->frames.chunk[pfn >> mem->frames.shift])
        return true; /* neither free nor ever given out: boot keeps it */
    const struct vmsim__frame *f = vmsim__frame_of(mem, pfn);
    if (vmsim__frame_is(f, VMSIM__FRAME_RESERVED))
        return true;
    if (z->type == VMSIM__ZONE_MOVABLE)
        return false;
    if (vmsim__frame_is(f, VMSIM__FRAME_TAIL))
        f = vmsim__frame_of(mem, f->next);
    return !vmsim__frame_is(f, VMSIM__FRAME_LRU);
}

vmsim__pfn vmsim__free_run(const struct vmsim__mem *mem, vmsim__pfn pfn) {
    for (unsigned o = 0; o <= mem->top_order; o++) {
        vmsim__pfn start = pfn & ~((1u << o) - 1);
        int order = vmsim__mem_free_block_order(mem, start);
        if (order >= (int)o)
            return start + (1u << order) - pfn;
    }
    return 0;
}

vmsim__pfn vmsim__isolated_busy(const struct vmsim__mem *mem, vmsim__pfn from, vmsim__pfn end) {
    VMSIM__ASSERT(end <= mem->frames.end);
    for (vmsim__pfn p = from, run; p < end; p += run) {
        run = vmsim__free_run(mem, p);
        if (!run)
            return p;
    }
    return VMSIM__PFN_NONE;
}

/* Cuts the free block that `pfn` lies within, if there is one, into pageblocks. */
static void split_at(struct vmsim__mem *mem, struct vmsim__zone *z, vmsim__pfn pfn) {
    for (unsigned o = mem->pageblock_order + 1u; o <= mem->top_order; o++) {
        vmsim__pfn start = pfn & ~((1u << o) - 1);
        int order = vmsim__mem_free_block_order(mem, start);
        if (start == pfn || order < (int)o)
            continue;
        enum vmsim__migratetype type = (enum vmsim__migratetype)vmsim__frame_of(mem, start)->index;
        bool unlinked = vmsim__buddy_unlink(mem, z, start);
        VMSIM__ASSERT(unlinked); /* its metadata is there, and the extents have room */
        (void)unlinked;
        for (vmsim__pfn p = start; p < start + (1u << order); p += block_size(mem))
            vmsim__buddy_link(mem, z, p, mem->pageblock_order, type, true);
        return;
    }
}

enum vmsim__hotplug vmsim__isolate_begin(struct vmsim__mem *mem, vmsim__pfn start, vmsim__pfn end) {
    size_t i = vmsim__segment_from(mem, start);
    if (start >= end || (start | end) & (block_size(mem) - 1) || i >= mem->nr_segments ||
        mem->segments[i].start > start || mem->segments[i].end < end)
        return VMSIM__HOTPLUG_INVALID;
    struct vmsim__zone *z = &mem->zones[mem->segments[i].zone];
    for (vmsim__pfn p = start; p < end; p += block_size(mem)) {
        if (vmsim__block_type(mem, p) == VMSIM__ISOLATE)
            return VMSIM__HOTPLUG_BUSY; /* somebody else's */
    }
    vmsim__zone_drain(mem, z);
    for (vmsim__pfn p = start; (p = vmsim__isolated_busy(mem, p, end)) != VMSIM__PFN_NONE; p++) {
        if (is_unmovable(mem, z, p))
            return VMSIM__HOTPLUG_BUSY;
    }
    if (!vmsim__chunks_make(mem, start, end) ||
        !vmsim__vec_reserve(mem->alloc, &z->extents, z->extents.count + 1)) /* one may be cut in two */
        return VMSIM__HOTPLUG_NOMEM;
    split_at(mem, z, start);
    split_at(mem, z, end);
    for (vmsim__pfn p = start; p < end; p += block_size(mem))
        vmsim__pageblock_set(mem, p, VMSIM__ISOLATE);
    return VMSIM__HOTPLUG_OK;
}

/* Free pageblocks merge with their neighbours as if they had just been freed. */
void vmsim__isolate_cancel(struct vmsim__mem *mem, vmsim__pfn start, vmsim__pfn end, enum vmsim__migratetype type) {
    VMSIM__ASSERT(vmsim__block_type(mem, start) == VMSIM__ISOLATE && type != VMSIM__ISOLATE);
    struct vmsim__zone *z = vmsim__mem_zone_of(mem, start);
    for (vmsim__pfn p = start; p < end; p += block_size(mem))
        vmsim__pageblock_set(mem, p, type);
    for (vmsim__pfn p = start; p < end; p += block_size(mem)) {
        if (vmsim__mem_free_block_order(mem, p) != mem->pageblock_order || !vmsim__buddy_unlink(mem, z, p))
            continue;
        vmsim__buddy_free(mem, z, p, mem->pageblock_order, type, true);
    }
}

/* Half a pageblock that is taken makes the whole movable. Kernel: __isolate_free_page; since 6.10 what is still free in
 * it moves to the other list at once. */
static void make_movable(struct vmsim__mem *mem, vmsim__pfn pfn) {
    if (vmsim__block_type(mem, pfn) >= VMSIM__PCP_TYPES)
        return;
    if (mem->kernel->freelist_by_pageblock)
        vmsim__pageblock_set(mem, pfn, VMSIM__MOVABLE);
    else
        vmsim__block_set_type(mem, pfn, VMSIM__MOVABLE);
}

/* Kernel: __isolate_free_page. */
int vmsim__mem_isolate_free(struct vmsim__mem *mem, vmsim__pfn pfn) {
    const int order = vmsim__mem_free_block_order(mem, pfn);
    if (order < 0)
        return -1;
    const struct vmsim__zone *z = vmsim__mem_zone_of(mem, pfn);
    const uint64_t mark = z->wmark[VMSIM__WMARK_MIN] + (UINT64_C(1) << order);
    if (vmsim__block_type(mem, pfn) != VMSIM__ISOLATE &&
        !vmsim__zone_watermark_ok(mem, z, 0, mark, 0, VMSIM__ALLOC_CMA))
        return -1;
    if (vmsim__mem_isolate_block(mem, pfn) < 0)
        return -1;
    for (vmsim__pfn p = pfn; order >= mem->pageblock_order - 1 && p < pfn + (1u << order); p += block_size(mem))
        make_movable(mem, p);
    return order;
}

void vmsim__free_list_turn(struct vmsim__mem *mem, struct vmsim__zone *z, unsigned order, enum vmsim__migratetype type,
                           vmsim__pfn pfn, bool first) {
    VMSIM__ASSERT(order < mem->top_order && vmsim__mem_free_block_order(mem, pfn) == (int)order);
    struct vmsim__frame_list *list = &z->area[order].list[type];
    const vmsim__pfn head = first ? pfn : vmsim__frame_of(mem, pfn)->next;
    if (head == VMSIM__PFN_NONE || head == list->head)
        return; /* it is the last, or the first, already */
    const vmsim__pfn tail = vmsim__frame_of(mem, head)->prev;
    vmsim__frame_of(mem, list->tail)->next = list->head;
    vmsim__frame_of(mem, list->head)->prev = list->tail;
    vmsim__frame_of(mem, tail)->next = vmsim__frame_of(mem, head)->prev = VMSIM__PFN_NONE;
    *list = (struct vmsim__frame_list){head, tail};
}

void vmsim__isolated_unlink(struct vmsim__mem *mem, vmsim__pfn start, vmsim__pfn end) {
    struct vmsim__zone *z = vmsim__mem_zone_of(mem, start);
    for (vmsim__pfn p = start, run; p < end; p += run) {
        run = vmsim__free_run(mem, p);
        VMSIM__ASSERT(run && p + run <= end);
        bool unlinked = vmsim__buddy_unlink(mem, z, p);
        VMSIM__ASSERT(unlinked); /* an explicit block: isolation took it out of its extent */
        (void)unlinked;
    }
}

enum vmsim__hotplug vmsim__isolate_take(struct vmsim__mem *mem, vmsim__pfn start, vmsim__pfn end,
                                        enum vmsim__migratetype type) {
    VMSIM__ASSERT(vmsim__block_type(mem, start) == VMSIM__ISOLATE && type != VMSIM__ISOLATE);
    if (vmsim__isolated_busy(mem, start, end) != VMSIM__PFN_NONE)
        return VMSIM__HOTPLUG_BUSY;
    vmsim__isolated_unlink(mem, start, end);
    vmsim__mem_zone_of(mem, start)->in_use += end - start;
    for (vmsim__pfn p = start; p < end; p++)
        vmsim__frames_hand_out(p, vmsim__frame_of(mem, p), 0, 0);
    for (vmsim__pfn p = start; p < end; p += block_size(mem))
        vmsim__block_set_type(mem, p, type);
    return VMSIM__HOTPLUG_OK;
}
