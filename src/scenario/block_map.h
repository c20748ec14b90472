/* SPDX-License-Identifier: MIT */
/* Maps of physical memory over time: what each part of it is for, and how much of it is in use, as a report draws it.
 *
 *     cell:  purpose of most pageblocks << 4 | sixteenths in use, 15 only if no frame is free; ABSENT: no memory
 *     maps:  [cell 0, cell 1 ... of the first row kept][... of the next] ...      VMSIM__MAPS + 1 of them, the last for
 * the end
 *
 * A cell is a pageblock, or as many as make VMSIM__MAP_CELLS of all memory at most: half a megabyte of maps, whatever
 * the machine and however long the run. When all are taken every other one is dropped, and half as many are taken from
 * then on. Frames on per-CPU lists count as in use, as for whoever looks for a large block they are. Kernel
 * counterpart: none; /proc/pagetypeinfo has the sums. */
#ifndef VMSIM__BLOCK_MAP_H
#define VMSIM__BLOCK_MAP_H
#include <stddef.h>
#include <stdint.h>

#include "zones/pageblock_kind.h"

struct vmsim_scenario;

enum { VMSIM__MAPS = 128, VMSIM__MAP_CELLS = 4096, VMSIM__CELL_ABSENT = 0xff };
/* Purposes: the migratetypes, and what says more than they do. */
enum {
    VMSIM__PURPOSE_HUGE = VMSIM__MIGRATE_TYPES, /* a folio takes all of it */
    VMSIM__PURPOSE_MIXED,                       /* movable pages beside some that cannot move */
    VMSIM__PURPOSES
};

/* Cells of one node's memory without a gap, by their place in physical memory (pfn >> shift). */
struct vmsim__map_range {
    uint64_t begin, end;
    size_t first; /* of all cells */
    uint32_t node;
};

struct vmsim__block_map {
    struct vmsim__map_range *range; /* `ranges` of them, ascending; room for as many as the machine has */
    size_t ranges, room;
    uint64_t seen, every; /* rows that there were; each `every`-th is kept */
    unsigned shift;       /* log2 of frames a cell */
    size_t cells, kept;
    uint64_t *time;  /* ns; of each kept map, and one more */
    uint8_t *cell;   /* (VMSIM__MAPS + 1) x cells */
    uint32_t *count; /* scratch: free frames of each cell, then present ones */
};

/* A map of now, if it is this row's turn. 0 or VMSIM_ENOMEM. */
int vmsim__block_map_take(struct vmsim_scenario *s, uint64_t time);
/* One more for the end of the run, in the place behind those that are kept; not if none was ever taken. */
void vmsim__block_map_end(struct vmsim_scenario *s, uint64_t time);
void vmsim__block_map_release(struct vmsim_scenario *s);

#endif
