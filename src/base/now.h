/* SPDX-License-Identifier: MIT */
/* The present: what runs on a machine at this moment, where and at what time, what it has cost so far, and what it has
 * to wait for.
 *
 * A machine simulates one CPU at a time. Whatever happens happens to the task (or kernel thread, or event) that
 * `struct vmsim__now` describes; every layer reads and charges it, so that neither CPU nor clock nor bill is handed
 * from function to function.
 *
 * Waiting is an outcome. A path that cannot go on before something else has happened says what that is (`wait`), gives
 * back what it holds, and fails: with -ERESTARTSYS where it returns an errno, VMSIM__FAULT_WAIT in a fault, no frame in
 * an allocation. Whoever began the operation sees `wait`, lets the task leave its CPU, and enters the operation again
 * when the task was woken. What must survive between two entries stands in `call`; nothing else may: the world has
 * moved on. Kernel counterparts: current, smp_processor_id, VM_FAULT_RETRY, ERESTARTSYS. */
#ifndef VMSIM__NOW_H
#define VMSIM__NOW_H
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/watch.h"

/* "Wait, then enter me again", where functions return a negative Linux errno. Never seen by a program. */
#define VMSIM__ERESTARTSYS 512

/* What a task may wait for, and who ends the wait. */
enum vmsim__wait_kind {
    VMSIM__WAIT_NONE,
    VMSIM__WAIT_LOCKED,    /* a page that is being read: `what` is its pfn; the end of the transfer */
    VMSIM__WAIT_WRITEBACK, /* a page that is being written: `what` is its pfn; the end of the transfer */
    VMSIM__WAIT_THROTTLE,  /* held up: `until`; `what`: VMSIM__FOR_MEMORY, or 0: by dirty limits */
    VMSIM__WAIT_TIME,      /* nothing but `until` */
    VMSIM__WAIT_CHILD,     /* the exit of a child */
    VMSIM__WAIT_BARRIER,   /* other tasks of the workload; `what` is its number */
    VMSIM__WAIT_TURN,      /* its next item of a trace; `what`: the task whose item comes first, or none */
    VMSIM__WAIT_CPU,       /* the CPU it has moved to, which is behind */
    VMSIM__WAIT_WORK,      /* nothing to do: a kernel thread, or what the end of a recording finds */
    VMSIM__WAIT_KINDS
};
#define VMSIM__TIME_NEVER UINT64_MAX
#define VMSIM__FOR_MEMORY 1u

struct vmsim__wait {
    uint8_t kind; /* enum vmsim__wait_kind */
    uint64_t what;
    uint64_t until; /* ns: goes on then at the latest; VMSIM__TIME_NEVER */
};

/* What an operation that is entered again knows of its earlier entries. All zero: it is entered for the first time. */
struct vmsim__call {
    bool entered;  /* it has waited before: fixed costs and counts are those of its first entry */
    bool tried;    /* its fault has waited before (FAULT_FLAG_TRIED) */
    bool stalled;  /* its fault waits for memory in the middle: it is not entered again, it goes on */
    bool undone;   /* whenever it waits it gives back what it has, and begins anew */
    bool inside;   /* ... or for a page, which its fault brings in without being entered again */
    bool major;    /* its fault has started I/O (VM_FAULT_MAJOR) */
    bool alone;    /* its fault reads one page from swap, and waits for it in the middle */
    bool started;  /* write-out was started, what is left is to wait for it */
    bool plugged;  /* it asks for a window of a file, of which the device gets nothing before it is whole */
    bool cuttable; /* while it reads ahead from a file others may have the CPU: it comes back to the window below */
    bool pays;     /* it is over but for what its task owes for memory.high */
    int error;     /* negative Linux errno with which a transfer ended that it waited for */
    uint64_t done; /* bytes, pages or addresses that are behind it: each operation's own unit */
    /* of a read that gave the CPU away in the middle of reading ahead: pages that are still to be asked for (none: end
     * is 0), and the one that will be marked */
    uint64_t window_next, window_end, window_mark;
    uint8_t window_order; /* of folios that are brought for it, at most */
    /* of a fault that waits for memory in the middle of reading ahead from swap: where the window begins (page or
     * slot), how many it has (0: none has begun), and how many it has asked for, be they still there or not */
    uint64_t readahead;
    uint32_t readahead_pages,
        readahead_done;   /* done: pages of it that have been asked for, whether they are still there */
    bool readahead_over;  /* the window is behind it: what it waits for is its own page */
    uint64_t fault_since; /* ns: when its fault, which has waited, was entered first; 0: none has */
    uint64_t page;        /* of a fault that has waited for a page: its pfn plus one; 0: it has not */
    uint32_t circles;     /* of a stalled fault: rounds of reclaim that brought nothing */
    uint64_t populate;    /* address at which population stopped; 0: it did not */
    uint64_t populate_end;
    int64_t result; /* of the part before population */
};

struct vmsim__now {
    uint64_t time;      /* ns: clock of the running CPU, bill included */
    uint64_t system_ns; /* the bill: kernel time since it was last taken */
    uint64_t min_flt, maj_flt;
    bool in_lru_fault; /* a fault is resolved whose use of pages counts: what it brings in is young (generations) */
    uint16_t cpu;      /* that runs, or ran last */
    uint16_t memcg;    /* memory cgroup that pays for what is allocated; 0: the root, which pays for nothing */
    uint64_t mems;     /* nodes that the running task's cpuset allows; 0: all (cpuset_current_mems_allowed) */
    struct vmsim__wait wait;
    struct vmsim__call *call;  /* of the running operation; NULL: `own` */
    struct vmsim__watch watch; /* who is told what happens */
    struct vmsim__call own;    /* for who has no record of its own: boot, events, tests of one layer */
};

static inline struct vmsim__call *vmsim__now_call(struct vmsim__now *now) {
    return now->call ? now->call : &now->own;
}
/* The kernel is busy for `ns`. */
static inline void vmsim__now_charge(struct vmsim__now *now, uint64_t ns) {
    now->time += ns;
    now->system_ns += ns;
}
static inline bool vmsim__now_waits(const struct vmsim__now *now) {
    return now->wait.kind != VMSIM__WAIT_NONE;
}
/* The running operation cannot go on before `kind` has happened to `what`. The first reason stands: it is what the
 * operation was at. */
static inline void vmsim__now_wait(struct vmsim__now *now, enum vmsim__wait_kind kind, uint64_t what, uint64_t until) {
    if (!vmsim__now_waits(now))
        now->wait = (struct vmsim__wait){(uint8_t)kind, what, until};
}
/* The page is there that swap was read for: the next one has a window of its own. */
static inline void vmsim__readahead_end(struct vmsim__call *call) {
    call->readahead_pages = call->readahead_done = 0;
    call->readahead_over = false;
}
/* The operation is over: its record is that of the next one. */
static inline void vmsim__call_over(struct vmsim__call *call) {
    memset(call, 0, sizeof *call);
}

#endif
