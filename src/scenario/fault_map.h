/* SPDX-License-Identifier: MIT */
/* Where programs faulted, and when: counts by task, part of its address space and time, as a report draws them.
 *
 *     row:     task, place (address >> shift)     -> count of each column       at most VMSIM__FAULT_ROWS
 *     column:  from the time of the one before it to its own, a row of intervals or 2, 4, 8 ... of them
 *
 * Address spaces are large and nearly empty, so a row is made where the first fault comes; `slot` finds it again. When
 * there are too many, a row becomes twice as long and those that meet are added; when there are too many columns, each
 * two become one. So a quarter of a megabyte holds any run, and every fault is in it. Kept with intervals alone. Kernel
 * counterpart: none; `perf trace -F all` lists what is counted here. */
#ifndef VMSIM__FAULT_MAP_H
#define VMSIM__FAULT_MAP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vmsim_scenario;
struct vmsim__task;

enum { VMSIM__FAULT_ROWS = 512, VMSIM__FAULT_COLUMNS = 128, VMSIM__FAULT_SLOTS = 2048 };

struct vmsim__fault_row {
    uint64_t place; /* address >> shift */
    uint32_t task;
    uint32_t *count; /* of the columns; part of `counts` */
};

struct vmsim__fault_map {
    struct vmsim__fault_row *row; /* `rows` of them, in the order of their first faults */
    size_t rows, last;            /* last: of the latest fault; the next is most often near it */
    uint32_t *counts;             /* VMSIM__FAULT_ROWS x VMSIM__FAULT_COLUMNS */
    uint16_t *slot;               /* 1 + number of a row by hash of task and place; 0: free */
    unsigned shift;
    uint64_t seen, every;                /* rows of intervals that there were; a column is so many */
    size_t columns;                      /* that are over; one more is open */
    uint64_t time[VMSIM__FAULT_COLUMNS]; /* ns: when each was over */
    uint64_t left_out;                   /* faults of more tasks than rows */
};

/* Counts the faults of a run from now on. 0 or VMSIM_ENOMEM. */
int vmsim__fault_map_begin(struct vmsim_scenario *s);
/* A row of intervals is taken. */
void vmsim__fault_map_take(struct vmsim_scenario *s, uint64_t time);
void vmsim__fault_map_release(struct vmsim_scenario *s);

#endif
