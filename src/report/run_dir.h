/* SPDX-License-Identifier: MIT */
/* A run directory that was written, as its readers want it (see vmsim/run.h).
 *
 *     stats.json ----> json_t, as it stands
 *     manifest.json -> json_t, and what does not fit it: notes
 *     resolved.yaml -> text
 *     pageblocks.json, faults.json -> json_t, NULL of a run without intervals
 *     intervals.csv -> columns that change, at most VMSIM__SERIES_VALUES values of all together
 *
 * jansson takes its memory from libc: it has one allocator for a whole process, which a library may not set. */
#ifndef VMSIM__RUN_DIR_H
#define VMSIM__RUN_DIR_H
#include <jansson.h>

#include "base/err.h"
#include "base/vec.h"
#include "config/textbuf.h"

/* What a browser draws at once without a pause, and a page of some megabytes holds. */
#define VMSIM__SERIES_VALUES (UINT64_C(1) << 21)

/* One column of intervals.csv. */
struct vmsim__series {
    const char *name; /* of the counter; owned */
    uint64_t *values; /* `kept` of them, owned */
};

/* The rows of intervals.csv: all, or each `every`-th and the last. */
struct vmsim__run_series {
    uint64_t rows, every;
    size_t kept, columns_all; /* columns_all: with those that never change */
    uint64_t *time;           /* ns; owned */
    struct {
        VMSIM__VEC(struct vmsim__series);
    } columns; /* those that change */
};

struct vmsim_run {
    struct vmsim__alloc *alloc;
    struct vmsim__err err;
    const char *directory; /* owned */
    json_t *stats, *manifest, *blocks, *faults;
    struct vmsim__textbuf resolved, file; /* file: what is being read */
    struct vmsim__run_series series;
    struct {
        VMSIM__VEC(const char *);
    } notes; /* owned */
};

/* Adds a note; false: no memory. */
bool vmsim__run_note(struct vmsim_run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Reads a whole file of the directory into run->file. 0, VMSIM_ENOENT, VMSIM_EIO, VMSIM_ENOMEM; texts are not set. */
int vmsim__run_file(struct vmsim_run *run, const char *name);
/* run_series.c: reads intervals.csv; what is wrong with it becomes a note. 0 or VMSIM_ENOMEM. */
int vmsim__run_read_series(struct vmsim_run *run);
void vmsim__run_free_series(struct vmsim_run *run);

/* The directory's own name, without what leads to it. */
const char *vmsim__run_name(const struct vmsim_run *run);
/* Values of stats.json by keys; 0, "" and NULL when they are not there or of another kind. */
uint64_t vmsim__json_uint(const json_t *object, const char *key);
const char *vmsim__json_text(const json_t *object, const char *key);

/* run_html.c: a page up to its data and from there on, with the script that draws it last; a text of JSON, a string and
 * the series of a run as parts of that data. */
struct vmsim__asset;
void vmsim__html_begin(struct vmsim__textbuf *out, const char *title);
void vmsim__html_end(struct vmsim__textbuf *out, const struct vmsim__asset *page);
void vmsim__html_json(struct vmsim__textbuf *out, const char *text, size_t size);
void vmsim__html_string(struct vmsim_run *run, struct vmsim__textbuf *out, const char *text);
void vmsim__html_notes(struct vmsim_run *run, struct vmsim__textbuf *out); /* what is missing, as an array */
void vmsim__html_series(struct vmsim_run *run, struct vmsim__textbuf *out);

/* run_html.c, run_markdown.c */
void vmsim__run_html(struct vmsim_run *run, struct vmsim__textbuf *out);
void vmsim__run_markdown(struct vmsim_run *run, struct vmsim__textbuf *out);

#endif
