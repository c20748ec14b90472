/* SPDX-License-Identifier: MIT */
/* Memory blocks that come online and go offline.
 *
 *     mem->ranges:    |== boot ==|   |== boot ==|   |.. hotplug ..|     memory of a node, now or later
 *     mem->segments:  |==========|   |==|  |====|   |==|                online: frames of zones
 *     memory blocks:  |    |    |    |    |    |    |    |    |         what comes and goes at once: sections and more
 *
 * A block goes offline in three steps, since what is in use must be moved out by whoever knows how: it is isolated
 * (what is freed stays there, nothing is given out), emptied, then taken away from its zone; or all is taken back.
 * Frames of blocks that are offline have no zone, and no metadata on the host. Kernel counterpart: mm/memory_hotplug.c,
 * mm/page_isolation.c, drivers/base/memory.c. */
#include "zones/zones_internal.h"

#include <string.h>

static vmsim__pfn block_frames(const struct vmsim__mem *mem) {
    return (vmsim__pfn)1 << mem->memory_block_order;
}

static bool is_block(const struct vmsim__mem *mem, vmsim__pfn pfn) {
    return !(pfn & (block_frames(mem) - 1)) && pfn < mem->frames.end;
}

/* The range that holds all of a block, or NULL: there is none, or it has holes, which hotplug refuses. */
static const struct vmsim__mem_range *range_of(const struct vmsim__mem *mem, vmsim__pfn pfn) {
    for (size_t i = 0; i < mem->nr_ranges; i++) {
        const struct vmsim__mem_range *r = &mem->ranges[i];
        if (r->start <= pfn && pfn + block_frames(mem) <= r->end)
            return r;
    }
    return NULL;
}

/* The segment that holds all of a block, or NULL. */
static const struct vmsim__segment *segment_of(const struct vmsim__mem *mem, vmsim__pfn pfn) {
    size_t i = vmsim__segment_from(mem, pfn);
    const struct vmsim__segment *s = &mem->segments[i];
    return i < mem->nr_segments && s->start <= pfn && pfn + block_frames(mem) <= s->end ? s : NULL;
}

enum vmsim__block_state vmsim__memory_block_state(const struct vmsim__mem *mem, vmsim__pfn pfn) {
    if (!is_block(mem, pfn) || !range_of(mem, pfn))
        return VMSIM__BLOCK_ABSENT;
    size_t i = vmsim__segment_from(mem, pfn);
    bool any = i < mem->nr_segments && mem->segments[i].start < pfn + block_frames(mem);
    return any ? VMSIM__BLOCK_ONLINE : VMSIM__BLOCK_OFFLINE;
}

/* ---- Segments ---- */

/* Room for one segment more: then neither a block that comes nor one that goes can fail. */
static bool reserve_segment(struct vmsim__mem *mem) {
    struct vmsim__segment *s;
    if (mem->nr_segments < mem->segments_capacity)
        return true;
    s = vmsim__calloc(mem->alloc, mem->nr_segments + 8, sizeof *s);
    if (!s)
        return false;
    if (mem->nr_segments)
        memcpy(s, mem->segments, mem->nr_segments * sizeof *s);
    vmsim__free(mem->alloc, mem->segments, mem->segments_capacity * sizeof *s);
    mem->segments = s;
    mem->segments_capacity = mem->nr_segments + 8;
    return true;
}

/* Opens (count 1) or closes (-1) a place in the array of segments. */
static void shift_segments(struct vmsim__mem *mem, size_t at, int count) {
    struct vmsim__segment *s = &mem->segments[at];
    VMSIM__ASSERT(at <= mem->nr_segments && mem->nr_segments + (size_t)(count > 0) <= mem->segments_capacity);
    if (count > 0)
        memmove(s + 1, s, (mem->nr_segments - at) * sizeof *s);
    else
        memmove(s, s + 1, (mem->nr_segments - at - 1) * sizeof *s);
    mem->nr_segments += (size_t)count;
}

/* Adds a block to the segments, joined with neighbours of its zone. */
static void insert_block(struct vmsim__mem *mem, vmsim__pfn start, uint8_t zone) {
    size_t at = vmsim__segment_from(mem, start);
    shift_segments(mem, at, 1);
    struct vmsim__segment *s = &mem->segments[at];
    *s = (struct vmsim__segment){start, start + block_frames(mem), zone};
    if (at + 1 < mem->nr_segments && s[1].start == s->end && s[1].zone == zone) {
        s->end = s[1].end;
        shift_segments(mem, at + 1, -1);
    }
    if (at && s[-1].end == start && s[-1].zone == zone) {
        s[-1].end = s->end;
        shift_segments(mem, at, -1);
    }
}

/* Takes a block out of the segment that holds it. */
static void remove_block(struct vmsim__mem *mem, vmsim__pfn start) {
    vmsim__pfn end = start + block_frames(mem);
    size_t at = vmsim__segment_from(mem, start);
    struct vmsim__segment *s = &mem->segments[at];
    VMSIM__ASSERT(s->start <= start && end <= s->end);
    if (s->start == start && s->end == end) {
        shift_segments(mem, at, -1);
    } else if (s->start == start) {
        s->start = end;
    } else if (s->end == end) {
        s->end = start;
    } else {
        shift_segments(mem, at, 1);
        s[0].end = start;
        s[1].start = end;
    }
}

/* ---- Zones ---- */

/* Spans and populated zones after segments changed; zonelists only when a zone got its first or lost its last frame. */
static void settle(struct vmsim__mem *mem, struct vmsim__zone *z, bool was_populated) {
    z->start = z->end = 0;
    for (size_t i = 0; i < mem->nr_segments; i++) {
        const struct vmsim__segment *s = &mem->segments[i];
        if (s->zone != z->index)
            continue;
        z->start = z->end ? z->start : s->start;
        z->end = s->end;
    }
    vmsim__node_update(mem, &mem->nodes[z->node]);
    if (was_populated != vmsim__zone_populated(z))
        vmsim__zonelists_rebuild(mem);
    vmsim__mem_update_watermarks(mem);
}

/* Does any frame of the block lie within the zone's span? Kernel: zone_intersects. */
static bool intersects(const struct vmsim__mem *mem, const struct vmsim__zone *z, vmsim__pfn start) {
    return z && start < z->end && start + block_frames(mem) > z->start;
}

/* Kernel: zone_for_pfn_range with the policy "contig-zones". */
static struct vmsim__zone *choose_zone(struct vmsim__mem *mem, unsigned node, vmsim__pfn start,
                                       enum vmsim__online how) {
    const uint8_t *possible = mem->nodes[node].possible;
    struct vmsim__zone *kernel = &mem->zones[possible[VMSIM__ZONE_NORMAL]];
    struct vmsim__zone *movable = &mem->zones[possible[VMSIM__ZONE_MOVABLE]];
    for (unsigned t = 0; t < VMSIM__ZONE_NORMAL; t++) {
        struct vmsim__zone *z = vmsim__node_zone(mem, node, t);
        if (intersects(mem, z, start)) {
            kernel = z;
            break;
        }
    }
    if (how != VMSIM__ONLINE)
        return how == VMSIM__ONLINE_KERNEL ? kernel : movable;
    bool in_kernel = intersects(mem, kernel, start), in_movable = intersects(mem, movable, start);
    if (in_kernel != in_movable)
        return in_kernel ? kernel : movable;
    return mem->movable_node ? movable : kernel;
}

/* ---- Online ---- */

/* May the block be kept as an extent, without metadata? Only where the end of the list, which new memory goes to, is
 * that of the extents. */
static bool fits_extents(const struct vmsim__zone *z, vmsim__pfn start) {
    if (z->extents.first == z->extents.count)
        return true;
    return z->extents.after == VMSIM__PFN_NONE && z->extents.at[z->extents.count - 1].end <= start;
}

static bool append_extent(struct vmsim__mem *mem, struct vmsim__zone *z, vmsim__pfn start) {
    vmsim__pfn end = start + block_frames(mem);
    if (z->extents.first == z->extents.count) {
        if (!vmsim__vec_reserve(mem->alloc, &z->extents, 1))
            return false;
        z->extents.first = z->extents.count = 0;
        z->extents.before = z->area[mem->top_order].list[VMSIM__MOVABLE].tail;
        z->extents.after = VMSIM__PFN_NONE;
    } else if (z->extents.at[z->extents.count - 1].end == start) {
        z->extents.at[z->extents.count - 1].end = end;
        return true;
    }
    return vmsim__vec_push(mem->alloc, &z->extents, (struct vmsim__extent){start, end});
}

static void drop_chunks(struct vmsim__mem *mem, vmsim__pfn start) {
    for (vmsim__pfn p = start; p < start + block_frames(mem); p += mem->frames.mask + 1)
        vmsim__chunk_drop(mem, p);
}

/* Metadata of all frames of a block. On failure some of it may be there, which is no harm. */
static bool make_chunks(struct vmsim__mem *mem, vmsim__pfn start) {
    bool sticky = mem->host_nomem, ok = true;
    for (vmsim__pfn p = start; ok && p < start + block_frames(mem); p += mem->frames.mask + 1)
        ok = vmsim__chunk_make(mem, p);
    mem->host_nomem = sticky; /* told by the result: no allocation has gone without a frame */
    return ok;
}

/* New memory is free at the cold end of the list, in blocks of the top order. */
static bool add_free(struct vmsim__mem *mem, struct vmsim__zone *z, vmsim__pfn start) {
    vmsim__pfn size = mem->frames.mask + 1;
    if (fits_extents(z, start)) {
        if (!append_extent(mem, z, start))
            return false;
        z->area[mem->top_order].nr[VMSIM__MOVABLE] += block_frames(mem) / size;
        z->stat[VMSIM__NR_FREE_PAGES] += block_frames(mem);
        return true;
    }
    if (!make_chunks(mem, start)) {
        drop_chunks(mem, start);
        return false;
    }
    for (vmsim__pfn p = start; p < start + block_frames(mem); p += size)
        vmsim__buddy_link(mem, z, p, mem->top_order, VMSIM__MOVABLE, true);
    return true;
}

enum vmsim__hotplug vmsim__memory_online(struct vmsim__mem *mem, vmsim__pfn pfn, enum vmsim__online how) {
    if (vmsim__memory_block_state(mem, pfn) != VMSIM__BLOCK_OFFLINE)
        return VMSIM__HOTPLUG_INVALID;
    struct vmsim__zone *z = choose_zone(mem, range_of(mem, pfn)->node, pfn, how);
    bool was_populated = vmsim__zone_populated(z);
    vmsim__pfn old_start = z->start, old_end = z->end;
    if (vmsim__zone_make_pcp(mem, z) || !reserve_segment(mem))
        return VMSIM__HOTPLUG_NOMEM;
    insert_block(mem, pfn, z->index);
    z->start = was_populated && z->start < pfn ? z->start : pfn;
    z->end = was_populated && z->end > pfn + block_frames(mem) ? z->end : pfn + block_frames(mem);
    if (!add_free(mem, z, pfn)) {
        remove_block(mem, pfn);
        z->start = old_start;
        z->end = old_end;
        return VMSIM__HOTPLUG_NOMEM;
    }
    z->present += block_frames(mem);
    z->managed += block_frames(mem);
    mem->totalram += block_frames(mem);
    settle(mem, z, was_populated);
    return VMSIM__HOTPLUG_OK;
}

/* ---- Offline ---- */

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

/* Frames from pfn to the end of the free block that it lies in, in the buddy or whole in an extent; 0: it is in use. */
static vmsim__pfn free_run(const struct vmsim__mem *mem, vmsim__pfn pfn) {
    for (unsigned o = 0; o <= mem->top_order; o++) {
        vmsim__pfn start = pfn & ~((1u << o) - 1);
        int order = vmsim__mem_free_block_order(mem, start);
        if (order >= (int)o)
            return start + (1u << order) - pfn;
    }
    return 0;
}

vmsim__pfn vmsim__memory_offline_busy(const struct vmsim__mem *mem, vmsim__pfn block, vmsim__pfn from) {
    VMSIM__ASSERT(is_block(mem, block) && from >= block);
    for (vmsim__pfn p = from, run; p < block + block_frames(mem); p += run) {
        run = free_run(mem, p);
        if (!run)
            return p;
    }
    return VMSIM__PFN_NONE;
}

static void set_types(struct vmsim__mem *mem, vmsim__pfn start, enum vmsim__migratetype type) {
    vmsim__pfn step = (vmsim__pfn)1 << mem->pageblock_order;
    for (vmsim__pfn p = start; p < start + block_frames(mem); p += step)
        vmsim__pageblock_set(mem, p, type);
}

enum vmsim__hotplug vmsim__memory_offline_begin(struct vmsim__mem *mem, vmsim__pfn pfn) {
    const struct vmsim__segment *s = is_block(mem, pfn) ? segment_of(mem, pfn) : NULL;
    if (!s)
        return VMSIM__HOTPLUG_INVALID;
    struct vmsim__zone *z = &mem->zones[s->zone];
    vmsim__zone_drain(mem, z);
    for (vmsim__pfn p = pfn; (p = vmsim__memory_offline_busy(mem, pfn, p)) != VMSIM__PFN_NONE; p++) {
        if (is_unmovable(mem, z, p))
            return VMSIM__HOTPLUG_BUSY;
    }
    if (!make_chunks(mem, pfn) || !reserve_segment(mem) ||
        !vmsim__vec_reserve(mem->alloc, &z->extents, z->extents.count + 1)) /* one may be cut in two */
        return VMSIM__HOTPLUG_NOMEM;
    set_types(mem, pfn, VMSIM__ISOLATE);
    return VMSIM__HOTPLUG_OK;
}

void vmsim__memory_offline_cancel(struct vmsim__mem *mem, vmsim__pfn pfn) {
    VMSIM__ASSERT(is_block(mem, pfn) && vmsim__block_type(mem, pfn) == VMSIM__ISOLATE);
    set_types(mem, pfn, VMSIM__MOVABLE);
}

enum vmsim__hotplug vmsim__memory_offline_end(struct vmsim__mem *mem, vmsim__pfn pfn) {
    VMSIM__ASSERT(is_block(mem, pfn) && vmsim__block_type(mem, pfn) == VMSIM__ISOLATE);
    struct vmsim__zone *z = &mem->zones[segment_of(mem, pfn)->zone];
    if (vmsim__memory_offline_busy(mem, pfn, pfn) != VMSIM__PFN_NONE)
        return VMSIM__HOTPLUG_BUSY;
    for (vmsim__pfn p = pfn, run; p < pfn + block_frames(mem); p += run) {
        run = free_run(mem, p);
        bool unlinked = vmsim__buddy_unlink(mem, z, p);
        VMSIM__ASSERT(unlinked); /* an explicit block: isolation took it out of its extent */
        (void)unlinked;
    }
    remove_block(mem, pfn);
    drop_chunks(mem, pfn);
    vmsim__pfn step = (vmsim__pfn)1 << mem->pageblock_order;
    for (vmsim__pfn p = pfn; p < pfn + block_frames(mem); p += step)
        vmsim__block_set_type(mem, p, VMSIM__MOVABLE);
    z->present -= block_frames(mem);
    z->managed -= block_frames(mem);
    mem->totalram -= block_frames(mem);
    settle(mem, z, true);
    return VMSIM__HOTPLUG_OK;
}
