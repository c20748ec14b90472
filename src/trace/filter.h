/* SPDX-License-Identifier: MIT */
/* Which references of a recording are written. Events always are: without them nothing could be replayed.
 *
 * By page: a reference to one of the RECENT pages that its task used last says nothing new about which pages are in
 * use, unless it is the first store there. Such references are left out: caches of pages much larger than RECENT miss
 * as often without them but for a trifle (Smith, "Two methods for the efficient analysis of memory address trace data",
 * 1977). Fetches and data have lists of their own, as they have in TLBs. After an event all lists are empty: it may
 * have changed what is mapped. */
#ifndef VMSIM__FILTER_H
#define VMSIM__FILTER_H
#include "base/vec.h"
#include "vmsim/trace.h"

enum { VMSIM__FILTER_RECENT = 8 };

/* Pages of one task, the last one used first: page number << 1 | a store has been told. */
struct vmsim__filter_task {
    uint64_t epoch;
    uint64_t recent[2][VMSIM__FILTER_RECENT]; /* data, code */
};

struct vmsim__filter {
    struct vmsim__alloc *alloc;
    const struct vmsim_record_options *options;
    struct {
        VMSIM__VEC(struct vmsim__filter_task);
    } tasks;
    vmsim_access *kept; /* room for a chunk; NULL: nothing is left out */
    size_t room;
    uint64_t from, to; /* numbers of references; UINT64_MAX: at a mark, or never */
    bool on;           /* between --from and --to */
    uint64_t epoch;    /* grows with every event */
    uint64_t seen, written;
};

/* `room`: references at once at most. 0 or VMSIM_ENOMEM. */
int vmsim__filter_init(struct vmsim__filter *f, struct vmsim__alloc *alloc, const struct vmsim_record_options *options,
                       size_t room);
void vmsim__filter_fini(struct vmsim__filter *f);
/* What is written of `count` references of a task: *words and *count become that. 0 or VMSIM_ENOMEM. */
int vmsim__filter_words(struct vmsim__filter *f, uint32_t task, const vmsim_access **words, size_t *count);
void vmsim__filter_event(struct vmsim__filter *f, const struct vmsim_trace_event *e);
/* Notes of the trace: what was left out. */
int vmsim__filter_notes(const struct vmsim__filter *f, struct vmsim_trace_writer *writer);

#endif
