/* SPDX-License-Identifier: MIT */
/* One description of a result, many documents: what a report says is said once, as a stream of keys and typed values,
 * and a back end makes JSON, a page of text, CSV or the label-and-value files of /proc of it.
 *
 *     report_*.c ---> begin / value / end ---+--> emitter_json.c   keys with units: "time_ns": 1200
 *     proc_*.c   ---> value -----------------+--> emitter_text.c   objects: "label  value"; arrays of objects: tables
 *                                            +--> emitter_csv.c    arrays of objects: a header and rows
 *                                            +--> emitter_proc.c   "MemFree:         1966664 kB"
 *
 * The order of calls is the order of the document, so equal runs give equal bytes. Numbers are integers; a ratio is
 * divided in integers and written with a fixed number of decimals. Output is a textbuf: a failed allocation is
 * remembered there and looked at once, at the end. (jemalloc's emitter is the model.) */
#ifndef VMSIM__EMITTER_H
#define VMSIM__EMITTER_H
#include <stdint.h>

#include "base/vec.h"
#include "config/textbuf.h"

enum vmsim__unit {
    VMSIM__UNIT_NONE,    /* a number, a name */
    VMSIM__UNIT_COUNT,   /* of events: people read thousands separated */
    VMSIM__UNIT_BYTES,   /* key gets "_bytes" */
    VMSIM__UNIT_KB,      /* 1024 bytes, "_kb" */
    VMSIM__UNIT_PAGES,   /* base pages, "_pages" */
    VMSIM__UNIT_NS,      /* nanoseconds, "_ns" */
    VMSIM__UNIT_PERCENT, /* of a ratio: people read per cent, programs the fraction */
    VMSIM__UNITS
};

struct vmsim__value {
    enum {
        VMSIM__VALUE_UINT,
        VMSIM__VALUE_INT,
        VMSIM__VALUE_RATIO,
        VMSIM__VALUE_BOOL,
        VMSIM__VALUE_STRING,
        VMSIM__VALUE_NULL
    } type;
    enum vmsim__unit unit;
    uint64_t number, of; /* UINT, INT (two's complement), BOOL; RATIO: number / of */
    unsigned decimals;   /* RATIO: digits after the point */
    const char *text;    /* STRING */
};

struct vmsim__emitter;
struct vmsim__emitter_ops {
    void (*begin)(struct vmsim__emitter *e, const char *key, bool array);
    void (*end)(struct vmsim__emitter *e, bool array);
    void (*value)(struct vmsim__emitter *e, const char *key, const struct vmsim__value *v);
};

#define VMSIM__EMITTER_DEPTH 16

/* Of the text back end: the table being collected. */
struct vmsim__emitter_column {
    const char *key;
    size_t width;
    bool right;
};
struct vmsim__emitter_cell {
    size_t row, column, at, length; /* text in `cells` */
};
struct vmsim__emitter_table {
    struct {
        VMSIM__VEC(struct vmsim__emitter_column);
    } columns;
    struct {
        VMSIM__VEC(struct vmsim__emitter_cell);
    } cells;
    struct vmsim__textbuf text;
    size_t rows, next; /* next: column expected now */
};

/* How a file of /proc writes its lines: PREFIX LABEL END blanks GAP VALUE. */
struct vmsim__proc_style {
    const char *prefix;   /* "Node 0 ", or NULL */
    const char *end;      /* what ends a label: ":" or "" */
    const char *gap;      /* what always stands before the value: " ", a tab, or "" */
    unsigned label_width; /* of label and end, filled with blanks */
    unsigned value_width; /* right-aligned; 0: as it comes */
};

struct vmsim__emitter {
    const struct vmsim__emitter_ops *ops;
    struct vmsim__textbuf *out;
    unsigned depth;
    struct {
        bool array;
        size_t items;
    } level[VMSIM__EMITTER_DEPTH];
    struct vmsim__emitter_table table;
    struct vmsim__proc_style style;
    bool places; /* files of the host may be named (sections.h) */
};

/* Back ends. `out` must be initialised; call _fini before looking at it. */
void vmsim__emitter_json(struct vmsim__emitter *e, struct vmsim__textbuf *out);
void vmsim__emitter_text(struct vmsim__emitter *e, struct vmsim__textbuf *out);
void vmsim__emitter_csv(struct vmsim__emitter *e, struct vmsim__textbuf *out);
void vmsim__emitter_proc(struct vmsim__emitter *e, struct vmsim__textbuf *out, struct vmsim__proc_style style);
void vmsim__emitter_fini(struct vmsim__emitter *e);

/* `key`: lower case with underscores, NULL for elements of an array and for the root. */
void vmsim__emit_object(struct vmsim__emitter *e, const char *key);
void vmsim__emit_object_end(struct vmsim__emitter *e);
void vmsim__emit_array(struct vmsim__emitter *e, const char *key);
void vmsim__emit_array_end(struct vmsim__emitter *e);
void vmsim__emit_uint(struct vmsim__emitter *e, const char *key, uint64_t value, enum vmsim__unit unit);
void vmsim__emit_int(struct vmsim__emitter *e, const char *key, int64_t value, enum vmsim__unit unit);
/* number / of with `decimals` digits, rounded half up; null when `of` is 0. */
void vmsim__emit_ratio(struct vmsim__emitter *e, const char *key, uint64_t number, uint64_t of, unsigned decimals,
                       enum vmsim__unit unit);
void vmsim__emit_bool(struct vmsim__emitter *e, const char *key, bool value);
/* NULL is null. */
void vmsim__emit_string(struct vmsim__emitter *e, const char *key, const char *text);

/* What the back ends share. */
const char *vmsim__unit_suffix(enum vmsim__unit unit); /* "_ns", or "" */
/* "0.0132": number / of, of > 0, at most 9 decimals. Returns `buffer`. */
char *vmsim__ratio_text(uint64_t number, uint64_t of, unsigned decimals, char *buffer, size_t size);
/* "1,234,567". */
char *vmsim__grouped_text(uint64_t number, char *buffer, size_t size);

#endif
