/* SPDX-License-Identifier: MIT */
/* Event queue of the simulated clock: a binary heap ordered by (time, sequence), so that ties keep the order in
 * which they were scheduled and a run is a pure function of its input. O(log n) for all operations. */
#ifndef VMSIM__EVQ_H
#define VMSIM__EVQ_H
#include "vec.h"

struct vmsim__event {
    uint64_t time; /* ns of virtual time */
    uint64_t seq;  /* set by the queue */
    uint32_t kind; /* the owner's own numbering */
    uint32_t slot; /* set by the queue: handle for cancelling */
    uint64_t arg;
};
struct vmsim__evq {
    struct vmsim__alloc *alloc;
    struct {
        VMSIM__VEC(struct vmsim__event);
    } heap;
    struct {
        VMSIM__VEC(uint32_t);
    } position; /* slot -> heap index, or a link of free slots */
    uint32_t free_slot;
    uint64_t next_seq;
};
void vmsim__evq_init(struct vmsim__evq *q, struct vmsim__alloc *a);
void vmsim__evq_fini(struct vmsim__evq *q);
/* Schedules; the handle (valid until the event fires or is cancelled) goes to *slot if not NULL. False: no memory. */
bool vmsim__evq_push(struct vmsim__evq *q, uint64_t time, uint32_t kind, uint64_t arg, uint32_t *slot);
/* Earliest event without removing it, or NULL. */
const struct vmsim__event *vmsim__evq_peek(const struct vmsim__evq *q);
/* Whether `is` holds for any event up to `time`; looks at no others. */
bool vmsim__evq_any(const struct vmsim__evq *q, uint64_t time,
                    bool (*is)(const void *context, const struct vmsim__event *e), const void *context);
bool vmsim__evq_pop(struct vmsim__evq *q, struct vmsim__event *out);
void vmsim__evq_cancel(struct vmsim__evq *q, uint32_t slot);
/* Whether heap order, handles and free slots are as they must be: for checks, O(n). */
bool vmsim__evq_valid(const struct vmsim__evq *q);

#endif
