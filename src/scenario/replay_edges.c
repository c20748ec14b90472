/* SPDX-License-Identifier: MIT */
/* What the items of a trace touch, for their order (see replay_order.h).
 *
 * A recording tells no locks, but every call through which one task waited for another, and every call that changes
 * what a reference or a call of another task finds. Memory that threads hand each other without a call needs no order:
 * it is there for both, or a call of one of them made it so. */
#include "scenario/replay_order.h"

#include <string.h>

#include "base/util.h"

#define ALL UINT64_MAX

enum { MAP_FIXED_BITS = 0x100010, READ_WRITE = 3, TRUNCATES = 01000, PUNCHES = 0x02 | 0x08 | 0x20 };
enum { FUTEX_OPERATION = 127, FUTEX_PRIVATE = 128 };
enum { ETIMEDOUT_RESULT = -110 };

struct reading {
    struct vmsim__replay_order *o;
    struct vmsim__replay_lane *lane;
    struct vmsim__replay_item *x;
    const struct vmsim_trace_event *e;
};

static void touch(struct reading *r, enum vmsim__touch_what what, uint32_t id, enum vmsim__touch_how how, uint64_t from,
                  uint64_t length) {
    VMSIM__ASSERT(r->x->touch_count < VMSIM__TOUCHES_MAX);
    const uint64_t last = from + (length ? length - 1 : 0);
    r->x->touches[r->x->touch_count++] = (struct vmsim__touch){
        .what = (uint8_t)what, .how = (uint8_t)how, .id = id, .from = from, .last = last < from ? ALL : last};
}

static void space(struct reading *r, enum vmsim__touch_how how, uint64_t from, uint64_t length) {
    if (r->lane->shared)
        touch(r, VMSIM__TOUCH_SPACE, r->lane->space, how, from, length);
}

static void table(struct reading *r, enum vmsim__touch_how how, uint64_t from, uint64_t length) {
    if (r->lane->table_shared)
        touch(r, VMSIM__TOUCH_TABLE, r->lane->table, how, from, length);
}

/* ---- files, pipes ---- */

/* The two ends of a pipe are one file; those of sockets are two. */
static void message(struct reading *r, const struct vmsim_trace_file *f, enum vmsim__touch_how how) {
    const bool pipe = f && f->path && !strncmp(f->path, "pipe:", 5);
    touch(r, VMSIM__TOUCH_MESSAGES, 0, how, pipe ? f->id : 0, pipe ? 1 : ALL);
}

/* A read, or a write, of bytes of a file or of whatever the descriptor is. */
static void transfer(struct reading *r, uint32_t file, enum vmsim__touch_how how, uint64_t offset, uint64_t length) {
    const struct vmsim_trace_file *f = file == VMSIM_TRACE_NO_FILE ? NULL : vmsim_trace_get_file(r->o->reader, file);
    if (!f || f->kind == VMSIM_TRACE_FILE_PIPE)
        message(r, f, how);
    else if (f->kind == VMSIM_TRACE_FILE_REGULAR || f->kind == VMSIM_TRACE_FILE_SHM)
        touch(r, VMSIM__TOUCH_FILE, file, how, offset, length);
}

static void whole_file(struct reading *r, enum vmsim__touch_how how) {
    if (r->e->file != VMSIM_TRACE_NO_FILE)
        touch(r, VMSIM__TOUCH_FILE, r->e->file, how, 0, ALL);
}

/* False: the event is none of a file. */
static bool touch_file(struct reading *r) {
    const uint64_t *a = r->e->args;
    const uint64_t bytes = r->e->result > 0 ? (uint64_t)r->e->result : 0;
    switch (r->e->type) {
    case VMSIM_TRACE_OPEN:
        if (r->e->result >= 0)
            table(r, VMSIM__TOUCH_CHANGE, (uint64_t)r->e->result, 1);
        whole_file(r, a[1] & TRUNCATES ? VMSIM__TOUCH_CHANGE : VMSIM__TOUCH_USE);
        return true;
    case VMSIM_TRACE_CLOSE: /* the last writer's is an end to read */
        table(r, VMSIM__TOUCH_CHANGE, a[0], 1);
        transfer(r, r->e->file, VMSIM__TOUCH_PUBLISH, 0, 0);
        return true;
    case VMSIM_TRACE_READ:
        table(r, VMSIM__TOUCH_USE, a[0], 1);
        transfer(r, r->e->file, VMSIM__TOUCH_USE, a[3], bytes);
        return true;
    case VMSIM_TRACE_WRITE:
        table(r, VMSIM__TOUCH_USE, a[0], 1);
        transfer(r, r->e->file, VMSIM__TOUCH_PUBLISH, a[3], bytes);
        return true;
    case VMSIM_TRACE_COPY:
        table(r, VMSIM__TOUCH_USE, a[0], 1);
        table(r, VMSIM__TOUCH_USE, a[1], 1);
        transfer(r, r->e->file, VMSIM__TOUCH_USE, a[3], bytes);
        transfer(r, (uint32_t)a[4], VMSIM__TOUCH_PUBLISH, a[5], bytes);
        return true;
    case VMSIM_TRACE_FSYNC:
    case VMSIM_TRACE_FADVISE:
        whole_file(r, VMSIM__TOUCH_USE);
        return true;
    case VMSIM_TRACE_FALLOCATE:
        whole_file(r, a[1] & PUNCHES ? VMSIM__TOUCH_CHANGE : VMSIM__TOUCH_PUBLISH);
        return true;
    case VMSIM_TRACE_FTRUNCATE:
    case VMSIM_TRACE_UNLINK:
        whole_file(r, VMSIM__TOUCH_CHANGE);
        return true;
    default:
        return false;
    }
}

/* ---- address spaces ---- */

/* A break that grows makes pages, one that shrinks takes them. */
static void touch_break(struct reading *r) {
    VMSIM__ASSERT(r->lane->space < r->o->breaks.count);
    uint64_t *before = &r->o->breaks.at[r->lane->space];
    const uint64_t now = (uint64_t)r->e->result, low = vmsim__min64(*before, now);
    if (now != *before)
        space(r, now > *before ? VMSIM__TOUCH_PUBLISH : VMSIM__TOUCH_CHANGE, low, vmsim__max64(*before, now) - low);
    *before = now;
}

/* CHANGE takes something away or may (so it waits for all earlier uses of these pages, and later ones wait for it),
 * PUBLISH adds only, USE needs what is there. Failed calls touch nothing. */
static void touch_mapping(struct reading *r) {
    const uint64_t *a = r->e->args;
    const uint64_t result = (uint64_t)r->e->result;
    switch (r->e->type) {
    case VMSIM_TRACE_MMAP:
        if (r->e->result < 0)
            return;
        space(r, a[3] & MAP_FIXED_BITS ? VMSIM__TOUCH_CHANGE : VMSIM__TOUCH_PUBLISH, result, a[1]);
        whole_file(r, VMSIM__TOUCH_USE);
        return;
    case VMSIM_TRACE_MREMAP:
        if (r->e->result < 0)
            return;
        space(r, VMSIM__TOUCH_CHANGE, a[0], a[1]);
        space(r, VMSIM__TOUCH_PUBLISH, result, a[2]);
        return;
    case VMSIM_TRACE_MPROTECT: /* room that an allocator opens takes nothing away */
        space(r, (a[2] & READ_WRITE) == READ_WRITE ? VMSIM__TOUCH_PUBLISH : VMSIM__TOUCH_CHANGE, a[0], a[1]);
        return;
    case VMSIM_TRACE_MUNMAP:
    case VMSIM_TRACE_MADVISE:
        space(r, VMSIM__TOUCH_CHANGE, a[0], a[1]);
        return;
    case VMSIM_TRACE_BRK:
        touch_break(r);
        return;
    case VMSIM_TRACE_MSYNC:
    case VMSIM_TRACE_MLOCK:
    case VMSIM_TRACE_MUNLOCK:
        space(r, VMSIM__TOUCH_USE, a[0], a[1]);
        return;
    case VMSIM_TRACE_MEMPOLICY: /* set_mempolicy has no range: it is its task's own */
        if (a[4])
            space(r, VMSIM__TOUCH_CHANGE, a[3], a[4]);
        return;
    case VMSIM_TRACE_REMOTE: /* of another's memory: vmsim__order_blocker has him come first */
        if (!a[1])
            space(r, VMSIM__TOUCH_CHANGE, a[2], a[3] ? a[3] : ALL);
        return;
    case VMSIM_TRACE_MLOCKALL:
    case VMSIM_TRACE_MUNLOCKALL:
        space(r, VMSIM__TOUCH_CHANGE, 0, ALL);
        return;
    default:
        return;
    }
}

/* ---- tasks ---- */

static bool new_space(struct reading *r, struct vmsim__replay_lane *lane, uint64_t brk) {
    VMSIM__ASSERT(r->o->breaks.count < UINT32_MAX);
    lane->space = (uint32_t)r->o->breaks.count;
    lane->shared = false;
    return vmsim__vec_push(r->o->alloc, &r->o->breaks, brk);
}

static void new_table(struct reading *r, struct vmsim__replay_lane *lane) {
    lane->table = r->o->tables++;
    lane->table_shared = false;
}

uint32_t vmsim__order_child(const struct vmsim__replay_item *x) {
    const bool begins =
        x->in.event && x->event.type == VMSIM_TRACE_FORK && !(x->event.args[1] & VMSIM_TRACE_FORK_FAILED);
    return begins ? (uint32_t)x->event.args[0] : VMSIM_TRACE_NO_TASK;
}

/* The child's lane follows from its parent's. */
static bool touch_fork(struct reading *r) {
    VMSIM__ASSERT(r->lane->announced);
    const uint32_t child = vmsim__order_child(r->x);
    const uint64_t flags = r->e->args[1];
    const bool borrows = flags & (VMSIM_TRACE_FORK_VM | VMSIM_TRACE_FORK_VFORK);
    if (child == VMSIM_TRACE_NO_TASK)
        return true;
    if (!borrows)
        space(r, VMSIM__TOUCH_USE, 0, ALL);
    table(r, VMSIM__TOUCH_USE, 0, ALL);
    struct vmsim__replay_lane *to = vmsim__order_lane(r->o, child);
    if (!to)
        return false;
    r->lane = &r->o->lanes.at[r->x->in.task];
    const struct vmsim__replay_lane from = *r->lane;
    to->announced++;
    to->vforked = flags & VMSIM_TRACE_FORK_VFORK;
    if (to == r->lane)
        return true;
    to->vfork_child = 0;
    to->space = from.space;
    to->table = from.table;
    to->shared = to->table_shared = false;
    if (borrows)
        to->shared = r->lane->shared = true;
    else if (!new_space(r, to, r->o->breaks.at[from.space]))
        return false;
    if (flags & VMSIM_TRACE_FORK_FILES)
        to->table_shared = r->lane->table_shared = true;
    else
        new_table(r, to);
    if (to->vforked)
        r->lane->vfork_child = child + 1;
    return true;
}

/* It leaves an address space that it borrowed: the parent goes on. */
static void return_space(struct reading *r) {
    VMSIM__ASSERT(r->lane->announced);
    if (r->lane->vforked)
        touch(r, VMSIM__TOUCH_VFORK, 0, VMSIM__TOUCH_PUBLISH, r->x->in.task, 1);
    r->lane->vforked = false;
}

/* The other threads end, so they come first; but those of the parent of a vfork do not. */
static bool touch_exec(struct reading *r) {
    VMSIM__ASSERT(r->lane->announced);
    if (!r->lane->vforked)
        space(r, VMSIM__TOUCH_CHANGE, 0, ALL);
    table(r, VMSIM__TOUCH_USE, 0, ALL);
    return_space(r);
    new_table(r, r->lane);
    return new_space(r, r->lane, r->e->exec ? r->e->exec->brk_start : 0);
}

/* Threads wait for each other's end at a futex of theirs, processes by wait4, readers of pipes for the last writer. */
static void touch_end(struct reading *r) {
    VMSIM__ASSERT(r->lane->announced);
    const struct vmsim_trace_task *t = vmsim_trace_get_task(r->o->reader, r->x->in.task);
    if (r->e->type == VMSIM_TRACE_EXIT && r->e->args[1]) {
        if (!r->lane->vforked)
            space(r, VMSIM__TOUCH_CHANGE, 0, ALL);
        table(r, VMSIM__TOUCH_CHANGE, 0, ALL);
    }
    touch(r, VMSIM__TOUCH_FUTEX, 0, VMSIM__TOUCH_PUBLISH, 0, ALL);
    touch(r, VMSIM__TOUCH_MESSAGES, 0, VMSIM__TOUCH_PUBLISH, 0, ALL);
    touch(r, VMSIM__TOUCH_EXITS, 0, VMSIM__TOUCH_PUBLISH, t ? t->pid : 0, t ? 1 : ALL);
    if (r->e->type == VMSIM_TRACE_KILLED)
        touch(r, VMSIM__TOUCH_SIGNALS, 0, VMSIM__TOUCH_USE, 0, ALL);
    return_space(r);
}

/* ---- system calls by number ---- */

/* Private futexes are their address space's; others are taken for one, since their pages may lie at several addresses.
 */
static void futex(struct reading *r, enum vmsim__touch_how how, uint64_t address) {
    const bool is_private = r->e->args[2] & FUTEX_PRIVATE;
    touch(r, VMSIM__TOUCH_FUTEX, is_private ? r->lane->space + 1 : 0, how, is_private ? address : 0,
          is_private ? 4 : ALL);
}

/* A wake is seen by whoever waits later; who waited is held until it, unless its time was up, which nobody ended.
 * Requeueing moves waiters to a second word, so that both are published. */
static void touch_futex(struct reading *r) {
    VMSIM__ASSERT(r->e->type == VMSIM_TRACE_SYSCALL);
    enum { WAIT, WAKE, FD, REQUEUE, CMP_REQUEUE, WAKE_OP, LOCK_PI, UNLOCK_PI, TRYLOCK_PI, WAIT_BITSET, WAKE_BITSET };
    const uint64_t *a = r->e->args;
    switch (a[2] & FUTEX_OPERATION) {
    case WAKE:
    case WAKE_BITSET:
    case UNLOCK_PI:
        futex(r, VMSIM__TOUCH_PUBLISH, a[1]);
        break;
    case REQUEUE:
    case CMP_REQUEUE:
    case WAKE_OP:
        futex(r, VMSIM__TOUCH_PUBLISH, a[1]);
        futex(r, VMSIM__TOUCH_PUBLISH, a[5]);
        break;
    default:
        if (r->e->result != ETIMEDOUT_RESULT)
            futex(r, VMSIM__TOUCH_USE, a[1]);
        break;
    }
}

/* Calls that carry word between tasks beside files and pipes: whether they give it, take it, or both. */
static const struct {
    uint16_t number;
    bool takes, gives;
} messengers[] = {
    {43, true, false},  /* accept */
    {288, true, false}, /* accept4 */
    {42, false, true},  /* connect */
    {44, false, true},  /* sendto */
    {46, false, true},  /* sendmsg */
    {307, false, true}, /* sendmmsg */
    {48, false, true},  /* shutdown */
    {45, true, false},  /* recvfrom */
    {47, true, false},  /* recvmsg */
    {299, true, false}, /* recvmmsg */
    {65, true, true},   /* semop */
    {220, true, true},  /* semtimedop */
    {69, false, true},  /* msgsnd */
    {70, true, false},  /* msgrcv */
    {242, false, true}, /* mq_timedsend */
    {243, true, false}, /* mq_timedreceive */
};

/* One call may do both: it takes what others gave before, and what it gives is there for those who come after. */
static void touch_messenger(struct reading *r) {
    for (size_t i = 0; i < VMSIM__COUNT(messengers); i++) {
        if (messengers[i].number != r->e->args[0])
            continue;
        if (messengers[i].takes)
            message(r, NULL, VMSIM__TOUCH_USE);
        if (messengers[i].gives)
            message(r, NULL, VMSIM__TOUCH_PUBLISH);
    }
}

/* Calls without an event of their own, by x86-64 number: those through which a task learns what another one did (an
 * exit, a signal, a descriptor), and those that pass messages. */
static void touch_call(struct reading *r) {
    VMSIM__ASSERT(r->e->type == VMSIM_TRACE_SYSCALL);
    enum { DUP = 32, DUP2 = 33, PAUSE = 34, WAIT4 = 61, FCNTL = 72, SIGTIMEDWAIT = 128, SIGSUSPEND = 130 };
    enum { FUTEX = 202, WAITID = 247, DUP3 = 292, CLOSE_RANGE = 436 };
    const int64_t result = r->e->result;
    switch (r->e->args[0]) {
    case FUTEX:
        touch_futex(r);
        break;
    case WAIT4:
        if (result > 0)
            touch(r, VMSIM__TOUCH_EXITS, 0, VMSIM__TOUCH_USE, (uint64_t)result, 1);
        break;
    case WAITID:
        if (!result)
            touch(r, VMSIM__TOUCH_EXITS, 0, VMSIM__TOUCH_USE, 0, ALL);
        break;
    case PAUSE:
    case SIGTIMEDWAIT:
    case SIGSUSPEND:
        touch(r, VMSIM__TOUCH_SIGNALS, 0, VMSIM__TOUCH_USE, 0, ALL);
        break;
    case DUP:
    case DUP2:
    case DUP3:
    case CLOSE_RANGE:
    case FCNTL:
        table(r, VMSIM__TOUCH_CHANGE, 0, ALL);
        break;
    default:
        touch_messenger(r);
        break;
    }
}

/* ---- all ---- */

/* False: no host memory. What is not named here concerns its own task alone, and waits for nobody. */
static bool touch_event(struct reading *r) {
    switch (r->e->type) {
    case VMSIM_TRACE_START: /* without a fork before it: of the first task, and of programs without a recorded parent */
        if (r->lane->announced)
            return true;
        r->lane->announced = 1;
        new_table(r, r->lane);
        return new_space(r, r->lane, 0);
    case VMSIM_TRACE_FORK:
        return touch_fork(r);
    case VMSIM_TRACE_EXEC:
        return touch_exec(r);
    case VMSIM_TRACE_EXIT:
    case VMSIM_TRACE_KILLED:
        touch_end(r);
        return true;
    case VMSIM_TRACE_SIGNAL:
        touch(r, VMSIM__TOUCH_SIGNALS, 0, VMSIM__TOUCH_PUBLISH, 0, ALL);
        return true;
    case VMSIM_TRACE_SYSCALL:
        touch_call(r);
        return true;
    default:
        if (!touch_file(r))
            touch_mapping(r);
        return true;
    }
}

/* Items of a lane that nothing has begun touch nothing: nobody performs them. */
bool vmsim__order_touch(struct vmsim__replay_order *o, struct vmsim__replay_item *x) {
    struct reading r = {.o = o, .lane = &o->lanes.at[x->in.task], .x = x, .e = x->in.event};
    x->generation = r.lane->announced;
    if (!r.lane->announced && !(r.e && r.e->type == VMSIM_TRACE_START))
        return true;
    x->generation = r.lane->announced ? r.lane->announced : 1;
    if (r.lane->vfork_child) /* it slept until the child had gone its own way */
        touch(&r, VMSIM__TOUCH_VFORK, 0, VMSIM__TOUCH_USE, r.lane->vfork_child - 1, 1);
    r.lane->vfork_child = 0;
    bool ok = true;
    if (r.e)
        ok = touch_event(&r);
    else
        space(&r, VMSIM__TOUCH_USE, 0, ALL);
    if (o->alone)
        x->touch_count = 0;
    return ok;
}
