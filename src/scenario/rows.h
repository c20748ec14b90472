/* SPDX-License-Identifier: MIT */
/* Rows of intervals.csv while a run goes on: what has changed since the row before, out of memory as soon as there is
 * much of it.
 *
 *     row:  columns more than before | ns since the row before | zeroes | change | zeroes | change ...        varints
 *
 *     take --> buffer --full--> unnamed file beside the run directory --> read back once, row by row, by the report
 *
 * Columns are counters of the machine and of its tasks. Tasks come into being while a run goes on, and their columns
 * with them, behind those that there are: a row that was taken before has 0 there. So the header is known at the end
 * alone, and a run directory is put in its place whole anyway: that is why rows wait in a file without a name, which
 * nothing is left of if the run ends early. Memory is one row, and the buffer. */
#ifndef VMSIM__ROWS_H
#define VMSIM__ROWS_H
#include "base/vec.h"

struct vmsim_scenario;

struct vmsim__rows {
    uint64_t count; /* rows */
    uint64_t time;  /* of the last one */
    size_t packed;  /* columns of the last one */
    size_t seen;    /* counters of the machine that were looked at */
    struct {
        VMSIM__VEC(size_t);
    } column; /* counters */
    struct {
        VMSIM__VEC(uint64_t);
    } last; /* values of the last row, by column */
    unsigned char *buffer;
    size_t used, capacity;
    uint64_t spilled; /* bytes of the file */
    bool opened;      /* there is a file */
    int fd;
    const char *directory; /* where the file is made; NULL: $TMPDIR, /tmp. Owned */
};

/* Whether `rows` more rows can be: 0 or VMSIM_ELIMIT. */
int vmsim__rows_room(struct vmsim_scenario *s, uint64_t rows);
/* A row of the counters as they are. 0, VMSIM_ENOMEM or VMSIM_EIO (no place on the disk). */
int vmsim__rows_take(struct vmsim_scenario *s, uint64_t time);
/* Looks for new counters, so that the columns are all that there are now. */
int vmsim__rows_columns(struct vmsim_scenario *s);
/* Each row from the first on, a value for each column; what `row` returns that is not 0 ends it. */
typedef int vmsim__row_fn(void *context, uint64_t time, const uint64_t *values);
int vmsim__rows_each(struct vmsim_scenario *s, vmsim__row_fn *row, void *context);
/* The file is to be on the disk of this directory. */
int vmsim__rows_near(struct vmsim_scenario *s, const char *directory);
void vmsim__rows_release(struct vmsim_scenario *s);

#endif
