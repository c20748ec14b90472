/* SPDX-License-Identifier: MIT */
/* Checks that a trace's references lie in the mappings that its events make: a map of intervals per address space,
 * sorted by address, which knows nothing of the simulator and so stands beside it as a witness. */
#include <stdio.h>
#include <sys/mman.h>

#include "base/util.h"
#include "base/vec.h"
#include "trace/format.h"

enum { PAGE = 4096 };

struct interval {
    uint64_t from, to;
};
struct space {
    struct {
        VMSIM__VEC(struct interval);
    } map;
    uint64_t brk_start, brk;
    uint32_t users;
    struct interval last; /* found last: most references are near the one before */
};
struct checker {
    struct vmsim__alloc *alloc;
    struct {
        VMSIM__VEC(struct space *);
    } tasks; /* the address space of each */
    struct vmsim_trace_mappings *report;
    char why[160]; /* what no kernel does, and where; "": nothing */
};

/* First interval that ends behind `va`. Mappings are few and references many: a search halves, and `last` spares most
 * of them. */
static size_t find(const struct space *s, uint64_t va) {
    VMSIM__ASSERT(s);
    size_t low = 0, high = s->map.count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (s->map.at[middle].to <= va)
            low = middle + 1;
        else
            high = middle;
    }
    VMSIM__ASSERT(low == s->map.count || s->map.at[low].to > va);
    return low;
}

static bool unmap(struct checker *c, struct space *s, uint64_t from, uint64_t to) {
    VMSIM__ASSERT(!((from | to) & (PAGE - 1)) && from <= to);
    size_t i = find(s, from);
    s->last = (struct interval){0};
    if (i < s->map.count && s->map.at[i].from < from && s->map.at[i].to > to) { /* a hole within one */
        uint64_t end = s->map.at[i].to;
        if (!vmsim__vec_push(c->alloc, &s->map, (struct interval){0}))
            return false;
        memmove(s->map.at + i + 1, s->map.at + i, (s->map.count - 1 - i) * sizeof *s->map.at);
        s->map.at[i].to = from;
        s->map.at[i + 1] = (struct interval){to, end};
        return true;
    }
    if (i < s->map.count && s->map.at[i].from < from)
        s->map.at[i++].to = from;
    size_t last = i;
    while (last < s->map.count && s->map.at[last].to <= to)
        last++;
    if (last > i)
        memmove(s->map.at + i, s->map.at + last, (s->map.count - last) * sizeof *s->map.at);
    s->map.count -= last - i;
    if (i < s->map.count && s->map.at[i].from < to)
        s->map.at[i].from = to;
    return true;
}

/* A mapping replaces what was there, as MAP_FIXED does; neighbours become one, so that a reference over their border
 * needs one look. */
static bool map(struct checker *c, struct space *s, uint64_t from, uint64_t to) {
    from = vmsim__align_down(from, PAGE);
    to = vmsim__align_up(to, PAGE);
    if (from >= to)
        return true;
    if (!unmap(c, s, from, to))
        return false;
    size_t i = find(s, from);
    if (i > 0 && s->map.at[i - 1].to == from) {
        s->map.at[i - 1].to = to;
        return true;
    }
    if (!vmsim__vec_push(c->alloc, &s->map, (struct interval){0}))
        return false;
    memmove(s->map.at + i + 1, s->map.at + i, (s->map.count - 1 - i) * sizeof *s->map.at);
    s->map.at[i] = (struct interval){from, to};
    return true;
}

static void drop(struct checker *c, struct space *s) {
    VMSIM__ASSERT(!s || s->users > 0);
    if (!s || --s->users)
        return;
    vmsim__vec_fini(c->alloc, &s->map);
    vmsim__free(c->alloc, s, sizeof *s);
}

/* A new address space of one user: empty, or a copy. */
static struct space *make(struct checker *c, const struct space *of) {
    struct space *s = vmsim__calloc(c->alloc, 1, sizeof *s);
    if (!s)
        return NULL;
    s->users = 1;
    if (!of)
        return s;
    s->brk = of->brk;
    s->brk_start = of->brk_start;
    for (size_t i = 0; i < of->map.count; i++)
        if (!vmsim__vec_push(c->alloc, &s->map, of->map.at[i])) {
            drop(c, s);
            return NULL;
        }
    return s;
}

/* The slot of a task's address space, made when there is none. NULL without memory. */
static struct space **slot_of(struct checker *c, uint32_t task) {
    VMSIM__ASSERT(task < VMSIM__TASKS_MAX);
    while (c->tasks.count <= task)
        if (!vmsim__vec_push(c->alloc, &c->tasks, NULL))
            return NULL;
    if (!c->tasks.at[task] && !(c->tasks.at[task] = make(c, NULL)))
        return NULL;
    return &c->tasks.at[task];
}

/* The stack counts in its full length, since it grows without a call. */
static bool do_exec(struct checker *c, uint32_t task, const struct vmsim_trace_exec *x) {
    VMSIM__ASSERT(task < c->tasks.count);
    struct space *s = make(c, NULL);
    if (!s)
        return false;
    drop(c, c->tasks.at[task]);
    c->tasks.at[task] = s;
    s->brk_start = s->brk = x->brk_start;
    for (size_t i = 0; i < x->segment_count; i++)
        if (!map(c, s, x->segments[i].va, x->segments[i].va + x->segments[i].length))
            return false;
    return map(c, s, x->stack_top - x->stack_limit, x->stack_top) && map(c, s, x->vdso, x->vdso + x->vdso_bytes) &&
           map(c, s, x->vvar, x->vvar + x->vvar_bytes);
}

/* A child number beyond all bounds is the reader's affair and no error here. */
static bool do_fork(struct checker *c, uint32_t task, const struct vmsim_trace_event *e) {
    VMSIM__ASSERT(task < c->tasks.count && c->tasks.at[task]);
    uint32_t child = (uint32_t)e->args[0];
    if (e->args[1] & VMSIM_TRACE_FORK_FAILED)
        return true;
    if (child >= VMSIM__TASKS_MAX || !slot_of(c, child))
        return child >= VMSIM__TASKS_MAX;
    struct space *of = c->tasks.at[task], *s = of;
    VMSIM__ASSERT(of->users > 0);
    if (e->args[1] & VMSIM_TRACE_FORK_VM)
        of->users++;
    else
        s = make(c, of);
    if (s && s != c->tasks.at[child])
        drop(c, c->tasks.at[child]);
    if (s)
        c->tasks.at[child] = s;
    return s != NULL;
}

/* The first break that a task tells is where its heap starts when the exec event did not say so. */
static bool do_brk(struct checker *c, struct space *s, uint64_t to) {
    VMSIM__ASSERT(s);
    bool done = true;
    if (!s->brk_start)
        s->brk_start = s->brk = to;
    if (to > s->brk)
        done = map(c, s, vmsim__align_up(s->brk, PAGE), to);
    else if (to >= s->brk_start)
        done = unmap(c, s, vmsim__align_up(to, PAGE), vmsim__align_up(s->brk, PAGE));
    s->brk = to;
    return done;
}

/* What a trace says of a call that succeeded is taken only if a kernel could have let it: whole pages below the end of
 * the address space. *end is page-aligned. False: it is told. */
static bool possible(struct checker *c, uint32_t task, const char *call, uint64_t from, uint64_t length,
                     uint64_t *end) {
    VMSIM__ASSERT(!*c->why);
    *end = vmsim__align_up(from + length, PAGE);
    if (!(from & (PAGE - 1)) && length <= UINT64_MAX - from && *end >= from)
        return true;
    snprintf(c->why, sizeof c->why,
             "task %u, after %llu references: %s at 0x%llx of 0x%llx bytes cannot have succeeded: %s", task,
             (unsigned long long)c->report->references, call, (unsigned long long)from, (unsigned long long)length,
             from & (PAGE - 1) ? "no page begins there" : "that is beyond all addresses");
    return false;
}

static bool take_mremap(struct checker *c, uint32_t task, struct space *s, const struct vmsim_trace_event *e) {
    uint64_t old_end, end, result = (uint64_t)e->result;
    if (!possible(c, task, "mremap", e->args[0], e->args[1], &old_end) ||
        !possible(c, task, "mremap to", result, e->args[2], &end))
        return false;
    if (!(e->args[3] & MREMAP_DONTUNMAP) && !unmap(c, s, e->args[0], old_end))
        return false;
    return map(c, s, result, end);
}

/* False: no memory, or c->why. */
static bool take_event(struct checker *c, uint32_t task, const struct vmsim_trace_event *e) {
    VMSIM__ASSERT((unsigned)e->type < VMSIM_TRACE_EVENT_TYPES);
    struct space **slot = slot_of(c, task), *s = slot ? *slot : NULL;
    bool failed = e->result < 0 && e->result > -4096;
    uint64_t end, result = (uint64_t)e->result;
    if (!s)
        return false;
    if (failed)
        return true;
    switch (e->type) {
    case VMSIM_TRACE_EXEC:
        return do_exec(c, task, e->exec);
    case VMSIM_TRACE_FORK:
        return do_fork(c, task, e);
    case VMSIM_TRACE_MMAP:
        return possible(c, task, "mmap", result, e->args[1], &end) && map(c, s, result, end);
    case VMSIM_TRACE_MUNMAP:
        return possible(c, task, "munmap", e->args[0], e->args[1], &end) && unmap(c, s, e->args[0], end);
    case VMSIM_TRACE_MREMAP:
        return take_mremap(c, task, s, e);
    case VMSIM_TRACE_BRK:
        return do_brk(c, s, result);
    default:
        return true;
    }
}

/* Whether `va` is mapped; remembers the interval. */
static bool inside(struct space *s, uint64_t va) {
    VMSIM__ASSERT(s->map.count == 0 || s->map.at[0].from < s->map.at[0].to);
    size_t i = find(s, va);
    if (i == s->map.count || s->map.at[i].from > va)
        return false;
    s->last = s->map.at[i];
    return true;
}

/* A reference over a page border may lie in two mappings: both its ends are looked up. */
static bool take_batch(struct checker *c, const struct vmsim_trace_item *item) {
    VMSIM__ASSERT(item->accesses && item->count);
    struct space **slot = slot_of(c, item->task), *s = slot ? *slot : NULL;
    if (!s)
        return false;
    for (size_t i = 0; i < item->count; i++) {
        uint64_t va = vmsim_access_va(item->accesses[i]), end = va + vmsim_access_bytes(item->accesses[i]) - 1;
        if (va >= s->last.from && end < s->last.to)
            continue;
        if (inside(s, va) && inside(s, end))
            continue;
        if (!c->report->outside++) {
            c->report->index = item->index + i;
            c->report->va = va;
            c->report->task = item->task;
        }
    }
    c->report->references += item->count;
    return true;
}

int vmsim_trace_check_mappings(const char *path, struct vmsim_trace_mappings *report, char *error, size_t error_size) {
    if (!path || !report)
        return VMSIM_EINVAL;
    struct vmsim_trace_reader *r;
    struct vmsim_trace_item item;
    *report = (struct vmsim_trace_mappings){.size = sizeof *report};
    struct checker c = {.alloc = vmsim__alloc_create(NULL), .report = report};
    int err = vmsim_trace_open(path, VMSIM_TRACE_THREAD, &r), status = 0;
    bool good = c.alloc != NULL;
    while (!err && good && (status = vmsim_trace_next(r, &item)) == 1)
        good = item.event ? take_event(&c, item.task, item.event) : take_batch(&c, &item);
    if (!err)
        err = *c.why ? VMSIM_ECORRUPT : !good ? VMSIM_ENOMEM : status < 0 ? status : 0;
    if (*c.why)
        snprintf(error, error_size, "%s: %s", path, c.why);
    else if (error_size)
        snprintf(error, error_size, "%s", !err ? "" : good ? vmsim_trace_reader_error(r) : vmsim_error_text(err));
    vmsim_trace_close(r);
    for (size_t i = 0; i < c.tasks.count; i++)
        drop(&c, c.tasks.at[i]);
    vmsim__vec_fini(c.alloc, &c.tasks);
    if (c.alloc)
        vmsim__alloc_destroy(c.alloc);
    return err;
}
