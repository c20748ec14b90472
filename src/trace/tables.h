/* SPDX-License-Identifier: MIT */
/* What is known of a whole trace: tasks, files, counts, blocks. The writer gathers it event by event and stores it as
 * the index; the reader loads the index, or gathers the same from the blocks when there is none. */
#ifndef VMSIM__TABLES_H
#define VMSIM__TABLES_H
#include "trace/format.h"

struct vmsim__block_entry {
    uint64_t offset, first_ref, first_event;
    uint32_t refs, events;
};

struct vmsim__tables {
    struct vmsim__alloc *alloc;
    struct {
        VMSIM__VEC(struct vmsim_trace_task);
    } tasks;
    struct {
        VMSIM__VEC(struct vmsim_trace_file);
    } files;
    struct {
        VMSIM__VEC(struct vmsim__block_entry);
    } blocks;
    uint64_t references, events, kinds[4], event_types[VMSIM_TRACE_EVENT_TYPES];
    struct vmsim__bytes notes; /* NUL-terminated text */
};

void vmsim__tables_init(struct vmsim__tables *t, struct vmsim__alloc *a);
void vmsim__tables_fini(struct vmsim__tables *t);
/* Makes task `id` exist. 0, VMSIM_ENOMEM, VMSIM_ELIMIT. */
int vmsim__tables_task(struct vmsim__tables *t, uint32_t id);
/* Takes note of an event of task `task` (which exists). 0, VMSIM_ENOMEM, or VMSIM_ECORRUPT / _ELIMIT: a file or
 * child number out of order. */
int vmsim__tables_event(struct vmsim__tables *t, uint32_t task, const struct vmsim_trace_event *e);
int vmsim__tables_block(struct vmsim__tables *t, const struct vmsim__block_header *h, uint64_t offset);
int vmsim__tables_note(struct vmsim__tables *t, const char *line);
void vmsim__tables_put(const struct vmsim__tables *t, struct vmsim__bytes *out);
/* Fills an initialised, empty table. 0, VMSIM_ENOMEM or VMSIM_ECORRUPT. */
int vmsim__tables_get(struct vmsim__tables *t, struct vmsim__cursor *c);

#endif
