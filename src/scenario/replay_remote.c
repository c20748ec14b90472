/* SPDX-License-Identifier: MIT */
/* Recorded calls on the memory of another process (process_madvise, migrate_pages, move_pages), and on swap areas.
 *
 * The recording names a process by its number; here it is the newest task of the trace that had it. Its ranges have its
 * own placement, not the caller's. An area that the program swapped on is known by the file that it was. */
#include <string.h>

#include "scenario/placement.h"
#include "scenario/replay.h"
#include "swap/swap.h"

enum { SWAPON = 167, MIGRATE_PAGES = 256, MOVE_PAGES = 279 }; /* on x86-64 */
enum { PREFER = 0x8000, PRIORITY = 0x7fff };                  /* flags of swapon */

/* Told as what it came to, as the results of all other calls are. */
static int over(struct vmsim__replaying *i, int64_t result) {
    const struct vmsim_trace_file *f =
        i->e->file == VMSIM_TRACE_NO_FILE ? NULL : vmsim_trace_get_file(i->r->reader, i->e->file);
    if (result == VMSIM__CALL_WAITS)
        return VMSIM__REPLAY_AGAIN;
    vmsim__replay_compare(&i->s->results, i->e, result, i->t->id, i->now, f ? f->path : NULL);
    return 0;
}

/* The trace's task whose memory it is; NO_TASK: none that is known here. */
static uint32_t whose(const struct vmsim__replaying *i) {
    const uint64_t pid = i->e->args[1];
    VMSIM__ASSERT(i->r->tasks.count > i->trace_task);
    for (size_t n = i->r->tasks.count; pid && n-- > 0;) {
        const struct vmsim_trace_task *k = vmsim_trace_get_task(i->r->reader, (uint32_t)n);
        if (k && k->pid == pid && i->r->tasks.at[n] != VMSIM_TASK_NONE)
            return (uint32_t)n;
    }
    return pid ? VMSIM_TRACE_NO_TASK : i->trace_task;
}

struct remote {
    struct vmsim__replaying *i;
    const struct vmsim__placement *placement; /* NULL: addresses stay */
    uint64_t task;                            /* of the machine, as calls name it: from 1 */
};

static int64_t range_work(struct vmsim_machine *m, struct vmsim__task *t, const struct remote *x, uint64_t va,
                          uint64_t bytes) {
    const uint64_t *a = x->i->e->args;
    VMSIM__ASSERT(bytes > 0 && a[0] != MIGRATE_PAGES);
    if (a[0] == MOVE_PAGES)
        return vmsim__call_work(m, t, VMSIM__CALL_MOVE_PAGES,
                                VMSIM__ARGS(va, bytes, a[4] < 64 ? UINT64_C(1) << a[4] : 0, a[5], x->task));
    return vmsim__call_work(m, t, VMSIM__CALL_PROCESS_MADVISE, VMSIM__ARGS(va, bytes, a[4], x->task));
}

/* A recorded range may have come to several; what lies before the cursor has been done before it waited. */
static int64_t remote_work(struct vmsim_machine *m, struct vmsim__task *t, void *context) {
    const struct remote *x = context;
    struct vmsim__replay_item *item = x->i->x;
    const uint64_t *a = x->i->e->args, end = a[2] + a[3];
    int64_t result = 0;
    if (a[0] == MIGRATE_PAGES)
        return vmsim__call_work(m, t, VMSIM__CALL_MIGRATE_PAGES, VMSIM__ARGS(a[4], a[5], x->task));
    if (!a[3] || end < a[2])
        return -VMSIM__L_EINVAL;
    for (uint64_t va = vmsim__max64(a[2], item->cursor), to = end; va < end && !result; va = to) {
        const struct vmsim__placed *r = x->placement ? vmsim__placement_from(x->placement, va) : NULL;
        if (x->placement && (!r || r->start > va))
            return -VMSIM__L_ENOMEM;
        to = r ? vmsim__min64(end, r->end) : end;
        VMSIM__ASSERT(to > va);
        item->cursor = va;
        result = range_work(m, t, x, va + (r ? r->delta : 0), to - va);
    }
    return result;
}

/* process_madvise says how many bytes it advised; pages that did not move are told as a difference. */
int vmsim__replay_remote(struct vmsim__replaying *i) {
    VMSIM__ASSERT(i->e->type == VMSIM_TRACE_REMOTE && i->t->mm);
    const uint32_t task = whose(i);
    if (task == VMSIM_TRACE_NO_TASK)
        return over(i, -VMSIM__L_ESRCH);
    struct remote x = {i, i->r->placements.at[task], (uint64_t)i->r->tasks.at[task] + 1};
    const int64_t result = vmsim__call_with(i->s->machine, i->t, remote_work, &x);
    const bool counts = i->e->args[0] != MIGRATE_PAGES && i->e->args[0] != MOVE_PAGES;
    return over(i, counts && !result ? i->e->result : result);
}

/* A device of the recorded name, where the machine has one. */
static const char *device_of(const struct vmsim__replaying *i) {
    const struct vmsim_trace_file *f = vmsim_trace_get_file(i->r->reader, i->e->file);
    const char *slash = f && f->path ? strrchr(f->path, '/') : NULL;
    return slash ? slash + 1 : f ? f->path : "";
}

/* The type that the next area gets, as swapon takes the first that is free. */
static uint8_t next_type(const struct vmsim__swap *swap) {
    uint8_t type = 0;
    while (swap && type < VMSIM__SWP_AREAS && swap->area[type])
        type++;
    return type;
}

static int64_t swap_on(const struct vmsim__replaying *i, struct vmsim__replay_file *file) {
    const uint64_t flags = i->e->args[1], bytes = i->e->args[2];
    const struct vmsim__swap_spec spec = {.device = bytes ? NULL : device_of(i),
                                          .size = bytes,
                                          .priority = flags & PREFER ? (int64_t)(flags & PRIORITY) : -1};
    const uint8_t type = next_type(i->s->machine->swap);
    const int64_t result = vmsim__swapon(i->s->machine, i->t, &spec);
    if (!result)
        file->swap = (uint8_t)(type + 1);
    return result;
}

static int64_t swap_off(const struct vmsim__replaying *i, struct vmsim__replay_file *file) {
    const struct vmsim__swap *swap = i->s->machine->swap;
    const struct vmsim__swap_area *area = file->swap && swap ? swap->area[file->swap - 1] : NULL;
    const int64_t result = vmsim__swapoff(i->s->machine, i->t, area ? area->name : device_of(i));
    if (!result)
        file->swap = 0;
    return result;
}

/* That it may was the recorded kernel's decision. */
int vmsim__replay_swap(struct vmsim__replaying *i) {
    VMSIM__ASSERT(i->e->type == VMSIM_TRACE_SWAP && i->t->mm);
    struct vmsim__mm *mm = i->t->mm;
    const bool may = mm->privileged;
    struct vmsim__replay_file *file = vmsim__replay_file_known(i->s, &i->r->files, i->e->file);
    if (!file)
        return i->s->err.code ? i->s->err.code : over(i, -VMSIM__L_ENOENT);
    mm->privileged = true;
    const int64_t result = i->e->args[0] == SWAPON ? swap_on(i, file) : swap_off(i, file);
    mm->privileged = may;
    return over(i, result);
}
