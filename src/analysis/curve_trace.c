/* SPDX-License-Identifier: MIT */
/* The references of a trace, with the address spaces that its tasks are in: fork makes a new one (what the child has
 * of its parent's is its own in the end), a thread shares, vfork shares until exec, exec makes a new one. */
#include "analysis/analysis.h"
#include "base/util.h"
#include "vmsim/trace.h"

#define NO_SPACE UINT32_MAX

struct spaces {
    struct {
        VMSIM__VEC(uint32_t);
    } of_task; /* by number of the task; NO_SPACE: it has not been seen */
    uint32_t next;
};

/* The task's place, or NULL: no host memory. */
static uint32_t *space_of(struct vmsim_curve *c, struct spaces *s, uint32_t task) {
    while (s->of_task.count <= task) {
        if (!vmsim__vec_push(c->alloc, &s->of_task, NO_SPACE))
            return NULL;
    }
    return &s->of_task.at[task];
}

/* Numbers are never used again: pages of a program that has ended are no other's. */
static uint32_t new_space(struct spaces *s) {
    return s->next++;
}

/* A child of vfork uses its parent's memory until it executes something, and so its pages. */
static int fork_task(struct vmsim_curve *c, struct spaces *s, uint32_t parent, const struct vmsim_trace_event *event) {
    uint32_t *own = space_of(c, s, parent);
    if (!own)
        return VMSIM_ENOMEM;
    if (*own == NO_SPACE)
        *own = new_space(s);
    uint32_t shared = *own; /* the array may move */
    uint32_t *child = space_of(c, s, (uint32_t)event->args[0]);
    if (!child)
        return VMSIM_ENOMEM;
    bool shares = event->args[1] & (VMSIM_TRACE_FORK_VM | VMSIM_TRACE_FORK_VFORK);
    *child = shares ? shared : new_space(s);
    return 0;
}

/* Cut where the limit is: references beyond it count nowhere. */
static int add_batch(struct vmsim_curve *c, struct spaces *s, struct vmsim_trace_reader *reader,
                     const struct vmsim_trace_item *item) {
    uint64_t left = c->options.limit ? c->options.limit - vmsim__min64(c->options.limit, c->references) : UINT64_MAX;
    const struct vmsim_trace_task *task = vmsim_trace_get_task(reader, item->task);
    uint32_t *space = space_of(c, s, item->task);
    if (!space)
        return VMSIM_ENOMEM;
    if (*space == NO_SPACE)
        *space = new_space(s);
    return vmsim_curve_add(c, item->task, *space, task ? task->name : NULL, item->accesses,
                           (size_t)vmsim__min64(item->count, left));
}

/* Of events only those matter that make address spaces. */
static int add_item(struct vmsim_curve *c, struct spaces *s, struct vmsim_trace_reader *reader,
                    const struct vmsim_trace_item *item) {
    if (!item->event)
        return add_batch(c, s, reader, item);
    if (item->event->type == VMSIM_TRACE_FORK && !(item->event->args[1] & VMSIM_TRACE_FORK_FAILED))
        return fork_task(c, s, item->task, item->event);
    if (item->event->type != VMSIM_TRACE_EXEC)
        return 0;
    uint32_t *space = space_of(c, s, item->task);
    if (space)
        *space = new_space(s);
    return space ? 0 : VMSIM_ENOMEM;
}

/* 0: no limit. */
static bool at_limit(const struct vmsim_curve *c) {
    return c->options.limit && c->references >= c->options.limit;
}

/* The reader decompresses on a thread of its own, if it can have one. */
int vmsim_curve_trace(struct vmsim_curve *c, const char *path) {
    if (!c || !path)
        return VMSIM_EINVAL;
    struct vmsim_trace_reader *reader;
    struct vmsim_trace_item item;
    struct spaces s = {0};
    int err = vmsim_trace_open(path, VMSIM_TRACE_THREAD, &reader);
    while (!err && !at_limit(c)) {
        int got = vmsim_trace_next(reader, &item);
        if (got <= 0) {
            err = got;
            break;
        }
        err = add_item(c, &s, reader, &item);
        if (err)
            break;
    }
    const char *text = reader ? vmsim_trace_reader_error(reader) : "";
    if (err && !*vmsim__err_text(&c->err))
        vmsim__err_set(&c->err, err, "%s", *text ? text : vmsim_error_text(err));
    vmsim__vec_fini(c->alloc, &s.of_task);
    vmsim_trace_close(reader);
    return err;
}
