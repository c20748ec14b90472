/* SPDX-License-Identifier: MIT */
/* Metadata on demand: chunks of frames, extents of never-touched blocks, whose frame belongs to which zone.
 *
 *     pfn   0        1024      2048      3072      4096
 *           |  chunk |    -    |    -    |  chunk  |      chunk table: NULL where nothing was ever touched
 *                    [==== extent =======)                 free, on the zone's top-order MOVABLE list
 *
 * A chunk holds exactly one top-order block: a block is either in an extent or (partly) split, in use or on an explicit
 * list, so buddies always share a chunk. Kernel counterpart: vmemmap sections, deferred struct page initialisation. */
#include "zones/zones_internal.h"

#include <string.h>

/* Segments are few (one a hole-free stretch of a zone), so that a search costs less than a table by section as the
 * kernel's mem_section. */
size_t vmsim__segment_from(const struct vmsim__mem *mem, vmsim__pfn pfn) {
    size_t low = 0, high = mem->nr_segments;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (mem->segments[mid].end <= pfn)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* By segments, not by the frame: it may be asked of frames whose chunk was never made. */
struct vmsim__zone *vmsim__mem_zone_of(const struct vmsim__mem *mem, vmsim__pfn pfn) {
    size_t i = vmsim__segment_from(mem, pfn);
    return i < mem->nr_segments && mem->segments[i].start <= pfn ? &mem->zones[mem->segments[i].zone] : NULL;
}

/* A chunk may begin or end in a hole: what no segment covers stays RESERVED and of no zone, as the kernel's
 * init_unavailable_range marks it, so that no buddy is ever found there. */
static void mark_zones(struct vmsim__mem *mem, struct vmsim__frame *chunk, vmsim__pfn start, vmsim__pfn end) {
    VMSIM__ASSERT(start < end && !(start & mem->frames.mask));
    for (vmsim__pfn p = start; p < end; p++)
        chunk[p - start].flags = VMSIM__NO_ZONE << VMSIM__FRAME_ZONE_SHIFT | VMSIM__FRAME_RESERVED;
    for (size_t i = vmsim__segment_from(mem, start); i < mem->nr_segments && mem->segments[i].start < end; i++) {
        const struct vmsim__segment *s = &mem->segments[i];
        vmsim__pfn a = s->start > start ? s->start : start, b = s->end < end ? s->end : end;
        for (vmsim__pfn p = a; p < b; p++)
            chunk[p - start].flags = (uint32_t)s->zone << VMSIM__FRAME_ZONE_SHIFT;
    }
}

/* What boot keeps for ever, found by bisection: a chunk overlaps few of them. */
static void mark_reserved(struct vmsim__mem *mem, struct vmsim__frame *chunk, vmsim__pfn start, vmsim__pfn end) {
    VMSIM__ASSERT(start < end);
    size_t low = 0, high = mem->nr_reserved;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (mem->reserved[mid].end <= start)
            low = mid + 1;
        else
            high = mid;
    }
    for (; low < mem->nr_reserved && mem->reserved[low].start < end; low++) {
        const struct vmsim__extent *r = &mem->reserved[low];
        vmsim__pfn a = r->start > start ? r->start : start, b = r->end < end ? r->end : end;
        for (vmsim__pfn p = a; p < b; p++)
            chunk[p - start].flags |= VMSIM__FRAME_RESERVED;
    }
}

/* A block that is still in an extent shows itself as the free block that it is. */
static void mark_free(struct vmsim__mem *mem, struct vmsim__frame *chunk, vmsim__pfn start) {
    const struct vmsim__zone *z = vmsim__mem_zone_of(mem, start);
    if (z && vmsim__extent_find(z, start)) {
        chunk->flags |= VMSIM__FRAME_BUDDY;
        vmsim__block_set_order(chunk, mem->top_order);
        vmsim__frame_set_list(chunk, VMSIM__MOVABLE);
    }
}

/* Aligned to a cache line: two frames share one, and no frame crosses one. */
bool vmsim__chunk_make(struct vmsim__mem *mem, vmsim__pfn pfn) {
    VMSIM__ASSERT(pfn < mem->frames.end);
    struct vmsim__frame **slot = &mem->frames.chunk[pfn >> mem->frames.shift];
    if (*slot)
        return true;
    vmsim__pfn size = mem->frames.mask + 1, start = pfn & ~mem->frames.mask;
    struct vmsim__frame *chunk = vmsim__calloc_aligned(mem->alloc, 64, size * sizeof *chunk);
    if (!chunk) {
        mem->host_nomem = true;
        return false;
    }
    mark_zones(mem, chunk, start, start + size);
    mark_reserved(mem, chunk, start, start + size);
    mark_free(mem, chunk, start);
    *slot = chunk;
    mem->chunks++;
    return true;
}

/* All or as many as there was memory for: those that were made stay, and are right. */
bool vmsim__chunks_make(struct vmsim__mem *mem, vmsim__pfn start, vmsim__pfn end) {
    VMSIM__ASSERT(start < end && end <= mem->frames.end);
    bool sticky = mem->host_nomem, ok = true;
    for (vmsim__pfn p = start & ~mem->frames.mask; ok && p < end; p += mem->frames.mask + 1)
        ok = vmsim__chunk_make(mem, p);
    mem->host_nomem = sticky; /* told by the result: no allocation has gone without a frame */
    return ok;
}

/* For memory that goes offline: nothing may point into the chunk any more. */
void vmsim__chunk_drop(struct vmsim__mem *mem, vmsim__pfn pfn) {
    VMSIM__ASSERT(pfn < mem->frames.end);
    struct vmsim__frame **slot = &mem->frames.chunk[pfn >> mem->frames.shift];
    if (!*slot)
        return;
    vmsim__free_aligned(mem->alloc, *slot, 64, ((size_t)mem->frames.mask + 1) * sizeof **slot);
    *slot = NULL;
    mem->chunks--;
}

/* For who comes with a number from outside; NULL in holes. Paths that were given a frame know that its chunk is
 * there. */
struct vmsim__frame *vmsim__mem_frame(struct vmsim__mem *mem, vmsim__pfn pfn) {
    if (pfn >= mem->frames.end)
        return NULL;
    if (!mem->frames.chunk[pfn >> mem->frames.shift] && (!vmsim__mem_zone_of(mem, pfn) || !vmsim__chunk_make(mem, pfn)))
        return NULL;
    return vmsim__frame_of(mem, pfn);
}

struct vmsim__extent *vmsim__extent_find(const struct vmsim__zone *z, vmsim__pfn pfn) {
    VMSIM__ASSERT(z->extents.first <= z->extents.count);
    size_t low = z->extents.first, high = z->extents.count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (z->extents.at[mid].end <= pfn)
            low = mid + 1;
        else
            high = mid;
    }
    return low < z->extents.count && z->extents.at[low].start <= pfn ? &z->extents.at[low] : NULL;
}

/* Puts a further extent behind number `i`. */
static bool insert_extent(struct vmsim__mem *mem, struct vmsim__zone *z, size_t i, struct vmsim__extent e) {
    VMSIM__ASSERT(i < z->extents.count && e.start < e.end);
    if (!vmsim__vec_reserve(mem->alloc, &z->extents, z->extents.count + 1)) {
        mem->host_nomem = true;
        return false;
    }
    memmove(&z->extents.at[i + 2], &z->extents.at[i + 1], (z->extents.count - i - 1) * sizeof e);
    z->extents.at[i + 1] = e;
    z->extents.count++;
    return true;
}

/* The first one is the usual case, as memory is used from the low end on: `first` moves instead of the whole array. */
static void remove_extent(struct vmsim__zone *z, size_t i) {
    VMSIM__ASSERT(i >= z->extents.first && i < z->extents.count);
    VMSIM__ASSERT(z->extents.at[i].start == z->extents.at[i].end);
    if (i == z->extents.first) {
        z->extents.first++;
    } else {
        memmove(&z->extents.at[i], &z->extents.at[i + 1], (z->extents.count - i - 1) * sizeof *z->extents.at);
        z->extents.count--;
    }
}

/* The block leaves the extent and is on no list yet: its frame says so. An extent that is cut in the middle becomes
 * two. */
bool vmsim__extent_take(struct vmsim__mem *mem, struct vmsim__zone *z, struct vmsim__extent *e, vmsim__pfn pfn) {
    VMSIM__ASSERT(!(pfn & mem->frames.mask) && pfn >= e->start && pfn < e->end);
    VMSIM__ASSERT(e >= z->extents.at + z->extents.first && e < z->extents.at + z->extents.count);
    vmsim__pfn size = mem->frames.mask + 1;
    size_t i = (size_t)(e - z->extents.at);
    if (!vmsim__chunk_make(mem, pfn))
        return false;
    if (pfn == e->start) {
        e->start += size;
    } else if (pfn + size == e->end) {
        e->end = pfn;
    } else {
        struct vmsim__extent rest = {pfn + size, e->end};
        if (!insert_extent(mem, z, i, rest))
            return false;
        z->extents.at[i].end = pfn;
    }
    if (z->extents.at[i].start == z->extents.at[i].end)
        remove_extent(z, i);
    struct vmsim__frame *f = vmsim__frame_of(mem, pfn);
    f->flags &= VMSIM__FRAME_KEEP;
    vmsim__frame_set_list(f, 0);
    vmsim__block_set_order(f, 0);
    return true;
}
