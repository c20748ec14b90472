/* SPDX-License-Identifier: MIT */
/* The event queue: a binary heap of events by value, and an array that finds an event by its handle.
 *
 *     heap.at:     [ev slot 2][ev slot 0][ev slot 1] ...      ordered as a heap by (time, seq)
 *     position.at: [1]        [2]        [0]        [next free slot] ...
 *
 * Each move within the heap writes the position of what moved, so cancelling needs no search. Slots of gone events
 * form a list through `position`. Both arrays grow together and before anything is changed, so a push that finds no
 * memory leaves the queue as it was. Kernel counterpart: lib/timerqueue.c, a tree there. */
#include "base/evq.h"
#include "base/util.h"

#define NO_SLOT UINT32_MAX

void vmsim__evq_init(struct vmsim__evq *q, struct vmsim__alloc *a) {
    *q = (struct vmsim__evq){.alloc = a, .free_slot = NO_SLOT};
}

void vmsim__evq_fini(struct vmsim__evq *q) {
    vmsim__vec_fini(q->alloc, &q->heap);
    vmsim__vec_fini(q->alloc, &q->position);
    vmsim__evq_init(q, q->alloc);
}

static bool earlier(const struct vmsim__event *a, const struct vmsim__event *b) {
    return a->time != b->time ? a->time < b->time : a->seq < b->seq;
}

static void place(struct vmsim__evq *q, size_t i, const struct vmsim__event *e) {
    VMSIM__ASSERT(i < q->heap.count && e->slot < q->position.count);
    q->heap.at[i] = *e;
    q->position.at[e->slot] = (uint32_t)i;
}

/* Moves the hole at `i` up to where `e` belongs, and puts it there. */
static void sift_up(struct vmsim__evq *q, size_t i, const struct vmsim__event *e) {
    VMSIM__ASSERT(i < q->heap.count);
    while (i > 0 && earlier(e, &q->heap.at[(i - 1) / 2])) {
        place(q, i, &q->heap.at[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    place(q, i, e);
}

static void sift_down(struct vmsim__evq *q, size_t i, const struct vmsim__event *e) {
    VMSIM__ASSERT(i < q->heap.count);
    for (size_t child; (child = 2 * i + 1) < q->heap.count; i = child) {
        if (child + 1 < q->heap.count && earlier(&q->heap.at[child + 1], &q->heap.at[child]))
            child++;
        if (!earlier(&q->heap.at[child], e))
            break;
        place(q, i, &q->heap.at[child]);
    }
    place(q, i, e);
}

static uint32_t take_slot(struct vmsim__evq *q) {
    uint32_t slot = q->free_slot;
    if (slot == NO_SLOT)
        return (uint32_t)q->position.count++;
    VMSIM__ASSERT(slot < q->position.count);
    q->free_slot = q->position.at[slot];
    return slot;
}

bool vmsim__evq_push(struct vmsim__evq *q, uint64_t time, uint32_t kind, uint64_t arg, uint32_t *slot) {
    VMSIM__ASSERT(time != UINT64_MAX);
    if (q->heap.count >= NO_SLOT - 1 || !vmsim__vec_reserve(q->alloc, &q->heap, q->heap.count + 1) ||
        !vmsim__vec_reserve(q->alloc, &q->position, q->heap.count + 1))
        return false;
    struct vmsim__event e = {time, q->next_seq++, kind, take_slot(q), arg};
    if (slot)
        *slot = e.slot;
    sift_up(q, q->heap.count++, &e);
    return true;
}

const struct vmsim__event *vmsim__evq_peek(const struct vmsim__evq *q) {
    return q->heap.count ? &q->heap.at[0] : NULL;
}

/* In the heap below `i`: whoever is later than `time` has only later ones below. */
static bool any_below(const struct vmsim__evq *q, size_t i, uint64_t time,
                      bool (*is)(const void *context, const struct vmsim__event *e), const void *context) {
    if (i >= q->heap.count || q->heap.at[i].time > time)
        return false;
    return is(context, &q->heap.at[i]) || any_below(q, 2 * i + 1, time, is, context) ||
           any_below(q, 2 * i + 2, time, is, context);
}

bool vmsim__evq_any(const struct vmsim__evq *q, uint64_t time,
                    bool (*is)(const void *context, const struct vmsim__event *e), const void *context) {
    VMSIM__ASSERT(is);
    return any_below(q, 0, time, is, context);
}

/* Takes the event at heap index `i` out: the last one fills the hole. */
static void remove_at(struct vmsim__evq *q, size_t i) {
    VMSIM__ASSERT(i < q->heap.count && q->position.at[q->heap.at[i].slot] == i);
    uint32_t slot = q->heap.at[i].slot;
    struct vmsim__event last = q->heap.at[--q->heap.count];
    if (i < q->heap.count) {
        if (i > 0 && earlier(&last, &q->heap.at[(i - 1) / 2]))
            sift_up(q, i, &last);
        else
            sift_down(q, i, &last);
    }
    q->position.at[slot] = q->free_slot;
    q->free_slot = slot;
}

bool vmsim__evq_pop(struct vmsim__evq *q, struct vmsim__event *out) {
    if (!q->heap.count)
        return false;
    *out = q->heap.at[0];
    remove_at(q, 0);
    return true;
}

void vmsim__evq_cancel(struct vmsim__evq *q, uint32_t slot) {
    if (slot >= q->position.count)
        return;
    size_t i = q->position.at[slot];
    if (i < q->heap.count && q->heap.at[i].slot == slot)
        remove_at(q, i);
}

bool vmsim__evq_valid(const struct vmsim__evq *q) {
    for (size_t i = 0; i < q->heap.count; i++) {
        const struct vmsim__event *e = &q->heap.at[i];
        if (e->slot >= q->position.count || q->position.at[e->slot] != i || e->seq >= q->next_seq)
            return false;
        if (i && earlier(e, &q->heap.at[(i - 1) / 2]))
            return false;
    }
    size_t free = 0;
    for (uint32_t slot = q->free_slot; slot != NO_SLOT; slot = q->position.at[slot])
        if (slot >= q->position.count || ++free > q->position.count)
            return false;
    return free + q->heap.count == q->position.count;
}
