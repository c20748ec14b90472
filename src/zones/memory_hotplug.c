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

bool vmsim__node_may_have_memory(const struct vmsim__mem *mem, unsigned node) {
    for (size_t i = 0; i < mem->nr_ranges; i++) {
        if (mem->ranges[i].node == node)
            return true;
    }
    return false;
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

/* The kernel's frames of boot, on a node or (VMSIM__MAX_NODES) all: those of zones that are not Movable. */
static uint64_t kernel_early(const struct vmsim__mem *mem, unsigned node) {
    uint64_t frames = 0;
    for (size_t i = 0; i < mem->nr_segments; i++) {
        const struct vmsim__segment *s = &mem->segments[i];
        const struct vmsim__zone *z = &mem->zones[s->zone];
        if (z->type == VMSIM__ZONE_MOVABLE || (node != VMSIM__MAX_NODES && z->node != node))
            continue;
        for (size_t k = 0; k < mem->nr_ranges; k++) {
            const struct vmsim__mem_range *r = &mem->ranges[k];
            if (!r->plugged && r->start < s->end && s->start < r->end)
                frames += vmsim__min64(r->end, s->end) - vmsim__max64(r->start, s->start);
        }
    }
    return frames;
}

/* May the block be Movable, and the ratio still hold? Kernel: auto_movable_can_online_movable. */
static bool ratio_holds(const struct vmsim__mem *mem, unsigned node) {
    uint64_t movable = block_frames(mem);
    for (unsigned i = 0; i < mem->nr_zones; i++) {
        const struct vmsim__zone *z = &mem->zones[i];
        if (z->type == VMSIM__ZONE_MOVABLE && (node == VMSIM__MAX_NODES || z->node == node))
            movable += z->present;
    }
    return movable <= kernel_early(mem, node) * mem->sysctl.auto_movable_ratio / 100;
}

/* Kernel: auto_movable_zone_for_pfn. */
static bool auto_movable(const struct vmsim__mem *mem, unsigned node) {
    VMSIM__ASSERT(node < mem->nr_nodes);
    return mem->sysctl.auto_movable_ratio && ratio_holds(mem, VMSIM__MAX_NODES) &&
           (!mem->sysctl.auto_movable_numa_aware || ratio_holds(mem, node));
}

/* Kernel: zone_for_pfn_range. */
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
    if (mem->sysctl.online_policy == VMSIM__AUTO_MOVABLE)
        return auto_movable(mem, node) ? movable : kernel;
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
    if (!vmsim__chunks_make(mem, start, start + block_frames(mem))) {
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

vmsim__pfn vmsim__memory_offline_busy(const struct vmsim__mem *mem, vmsim__pfn block, vmsim__pfn from) {
    VMSIM__ASSERT(is_block(mem, block));
    return vmsim__isolated_busy(mem, from, block + block_frames(mem));
}

enum vmsim__hotplug vmsim__memory_offline_begin(struct vmsim__mem *mem, vmsim__pfn pfn) {
    if (!is_block(mem, pfn) || !segment_of(mem, pfn))
        return VMSIM__HOTPLUG_INVALID;
    if (!reserve_segment(mem))
        return VMSIM__HOTPLUG_NOMEM;
    return vmsim__isolate_begin(mem, pfn, pfn + block_frames(mem));
}

void vmsim__memory_offline_cancel(struct vmsim__mem *mem, vmsim__pfn pfn) {
    VMSIM__ASSERT(is_block(mem, pfn));
    vmsim__isolate_cancel(mem, pfn, pfn + block_frames(mem), VMSIM__MOVABLE);
}

enum vmsim__hotplug vmsim__memory_offline_end(struct vmsim__mem *mem, vmsim__pfn pfn) {
    VMSIM__ASSERT(is_block(mem, pfn) && vmsim__block_type(mem, pfn) == VMSIM__ISOLATE);
    struct vmsim__zone *z = &mem->zones[segment_of(mem, pfn)->zone];
    if (vmsim__memory_offline_busy(mem, pfn, pfn) != VMSIM__PFN_NONE)
        return VMSIM__HOTPLUG_BUSY;
    vmsim__isolated_unlink(mem, pfn, pfn + block_frames(mem));
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
