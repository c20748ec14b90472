/* SPDX-License-Identifier: MIT */
/* Maps of physical memory over time (see block_map.h). What is free is found on the free lists, whose length is what
 * memory is in pieces; frames are looked at only where memory was touched: a terabyte that never was is one extent. */
#include "scenario/block_map.h"

#include <string.h>

#include "scenario/engine.h"
#include "zones/zones.h"

/* ---- the layout ---- */

/* Lays cells of 2^shift frames over memory; two ranges of a node that touch in a cell are one. Returns how many cells.
 */
static size_t lay_out(struct vmsim__block_map *b, const struct vmsim__mem *mem, unsigned shift) {
    size_t cells = 0;
    b->shift = shift;
    b->ranges = 0;
    for (size_t i = 0; i < mem->nr_ranges; i++) {
        const struct vmsim__mem_range *r = &mem->ranges[i];
        struct vmsim__map_range *last = b->ranges ? &b->range[b->ranges - 1] : NULL;
        if (r->start >= r->end)
            continue;
        const uint64_t begin = r->start >> shift, end = ((uint64_t)(r->end - 1) >> shift) + 1;
        if (last && last->node == r->node && begin <= last->end) {
            cells += end - last->end;
            last->end = end;
        } else {
            b->range[b->ranges++] = (struct vmsim__map_range){begin, end, cells, r->node};
            cells += end - begin;
        }
    }
    return cells;
}

/* Of all cells, the one of a frame. */
static size_t cell_of(const struct vmsim__block_map *b, vmsim__pfn pfn) {
    const uint64_t at = pfn >> b->shift;
    size_t i = 0;
    while (at >= b->range[i].end)
        i++;
    VMSIM__ASSERT(i < b->ranges && at >= b->range[i].begin);
    return b->range[i].first + (at - b->range[i].begin);
}

/* Cells grow by doubling until the whole map fits its bound, beginning with a pageblock, which is what has a type: a
 * machine of any size has a picture of one size. */
static int make(struct vmsim_scenario *s) {
    struct vmsim__block_map *b = &s->blocks;
    const struct vmsim__mem *mem = s->machine->mem;
    const size_t maps = VMSIM__MAPS + 1;
    b->every = 1;
    b->room = mem->nr_ranges;
    b->range = vmsim__calloc(s->alloc, b->room, sizeof *b->range);
    for (unsigned shift = mem->pageblock_order; b->range; shift++) {
        b->cells = lay_out(b, mem, shift);
        if (b->cells <= VMSIM__MAP_CELLS || shift == 31)
            break;
    }
    b->time = vmsim__calloc(s->alloc, maps, sizeof *b->time);
    b->cell = vmsim__calloc(s->alloc, maps, b->cells + 1);
    b->count = vmsim__calloc(s->alloc, 2 * (b->cells + 1), sizeof *b->count);
    if (b->range && b->time && b->cell && b->count)
        return 0;
    vmsim__block_map_release(s);
    return vmsim__err_set(&s->err, VMSIM_ENOMEM, "no memory for maps of memory");
}

void vmsim__block_map_release(struct vmsim_scenario *s) {
    struct vmsim__block_map *b = &s->blocks;
    const size_t maps = VMSIM__MAPS + 1;
    vmsim__free(s->alloc, b->range, b->room * sizeof *b->range);
    vmsim__free(s->alloc, b->time, maps * sizeof *b->time);
    vmsim__free(s->alloc, b->cell, maps * (b->cells + 1));
    vmsim__free(s->alloc, b->count, 2 * (b->cells + 1) * sizeof *b->count);
    *b = (struct vmsim__block_map){0};
}

/* ---- what there is now ---- */

/* Frames of [from, to) go to their cells, which a block or an extent may span many of. */
static void add(const struct vmsim__block_map *b, uint32_t *count, vmsim__pfn from, vmsim__pfn to) {
    const unsigned shift = b->shift;
    for (size_t cell = cell_of(b, from); from < to; cell++) {
        const uint64_t border = ((uint64_t)(from >> shift) + 1) << shift;
        const vmsim__pfn end = border < to ? (vmsim__pfn)border : to;
        VMSIM__ASSERT(cell < b->cells);
        count[cell] += end - from;
        from = end;
    }
}

/* From the lists of the buddy allocator, and not frame by frame: it costs what is free in pieces, and never-touched
 * memory is a few extents. Pages on lists of CPUs count as used, as they do for whoever wants a block. */
static void count_free(const struct vmsim__block_map *b, const struct vmsim__mem *mem, const struct vmsim__zone *z) {
    for (unsigned order = 0; order <= mem->top_order; order++) {
        for (unsigned type = 0; type < VMSIM__MIGRATE_TYPES; type++) {
            vmsim__pfn p = z->area[order].list[type].head;
            for (; p != VMSIM__PFN_NONE; p = vmsim__frame_at(&mem->frames, p)->next)
                add(b, b->count, p, p + (1u << order));
        }
    }
    for (size_t i = z->extents.first; i < z->extents.count; i++)
        add(b, b->count, z->extents.at[i].start, z->extents.at[i].end);
}

static unsigned purpose_of(const struct vmsim__mem *mem, vmsim__pfn block) {
    const struct vmsim__zone *z = vmsim__mem_zone_of(mem, block);
    const enum vmsim__pageblock_kind kind = z ? vmsim__pageblock_kind(mem, z, block) : VMSIM__PAGEBLOCK_KEPT;
    return kind == VMSIM__PAGEBLOCK_HUGE    ? VMSIM__PURPOSE_HUGE
           : kind == VMSIM__PAGEBLOCK_MIXED ? VMSIM__PURPOSE_MIXED
                                            : vmsim__pageblock_type(mem, block);
}

/* The purpose that most pageblocks of a cell have; the lower of two that are as frequent. */
static unsigned type_of(const struct vmsim__mem *mem, vmsim__pfn start, vmsim__pfn end) {
    size_t seen[VMSIM__PURPOSES] = {0};
    unsigned best = 0;
    for (uint64_t p = start; p < end; p += UINT64_C(1) << mem->pageblock_order)
        seen[purpose_of(mem, (vmsim__pfn)p)]++;
    for (unsigned t = 1; t < VMSIM__PURPOSES; t++)
        best = seen[t] > seen[best] ? t : best;
    return best;
}

/* Sixteenths, but all in use only if nothing is free, and nothing in use only if all is. */
static unsigned in_use(uint32_t present, uint32_t free) {
    const uint32_t used = present - free;
    VMSIM__ASSERT(free <= present && present);
    if (!used || !free)
        return used ? 15 : 0;
    return 1 + (unsigned)((uint64_t)used * 14 / present);
}

/* Cells of holes are told apart from those that are free: a range of physical memory is drawn as long as it is,
 * whatever of it is there. */
static void draw(const struct vmsim__block_map *b, const struct vmsim__mem *mem, uint8_t *map) {
    uint32_t *present = b->count + b->cells;
    memset(b->count, 0, 2 * b->cells * sizeof *b->count);
    for (size_t i = 0; i < mem->nr_segments; i++)
        add(b, present, mem->segments[i].start, mem->segments[i].end);
    for (unsigned z = 0; z < mem->nr_zones; z++)
        count_free(b, mem, &mem->zones[z]);
    for (size_t i = 0; i < b->ranges; i++) {
        size_t cell = b->range[i].first;
        for (uint64_t at = b->range[i].begin; at < b->range[i].end; at++, cell++) {
            const uint64_t from = at << b->shift, to = vmsim__min64((at + 1) << b->shift, mem->frames.end);
            map[cell] = VMSIM__CELL_ABSENT;
            if (present[cell])
                map[cell] = (uint8_t)(type_of(mem, (vmsim__pfn)from, (vmsim__pfn)to) << 4 |
                                      in_use(present[cell], b->count[cell]));
        }
    }
}

/* ---- over time ---- */

static void drop_half(struct vmsim__block_map *b) {
    for (size_t i = 1; i < b->kept / 2; i++) {
        b->time[i] = b->time[2 * i];
        memcpy(b->cell + i * b->cells, b->cell + 2 * i * b->cells, b->cells);
    }
    b->kept /= 2;
    b->every *= 2;
}

/* How long a run will be is not known. When all places are used, every other map goes, and from then on only every
 * second moment is kept: the maps that are left stay evenly spread over the run. */
int vmsim__block_map_take(struct vmsim_scenario *s, uint64_t time) {
    struct vmsim__block_map *b = &s->blocks;
    const int err = b->cell ? 0 : make(s);
    if (err || b->seen++ % b->every)
        return err;
    if (b->kept == VMSIM__MAPS)
        drop_half(b);
    if ((b->seen - 1) % b->every == 0) {
        b->time[b->kept] = time;
        draw(b, s->machine->mem, b->cell + b->kept++ * b->cells);
    }
    VMSIM__ASSERT(b->kept <= VMSIM__MAPS);
    return 0;
}

void vmsim__block_map_end(struct vmsim_scenario *s, uint64_t time) {
    struct vmsim__block_map *b = &s->blocks;
    if (!b->cell)
        return;
    b->time[b->kept] = time;
    draw(b, s->machine->mem, b->cell + b->kept * b->cells);
}
