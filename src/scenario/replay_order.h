/* SPDX-License-Identifier: MIT */
/* The items of a trace, by task, and what each of them has to wait for.
 *
 *     reader --> oldest <-> ... <-> first <-> ... <-> newest        all that is not over, in recorded order
 *                             \       \
 *                 lane 0:      item -> item -> ...                  those of one task of the trace, in its own order
 *                 lane 1:      item -> ...
 *
 * The task at the head of its lane needs nobody's leave but that of the items that were recorded before its own and
 * touch what it touches: pages that one thread maps and another refers to, a futex, a pipe, a file that grows, a child
 * that ends (replay_edges.c says what each item touches). So each task waits alone, and what the recorded program
 * waited for is kept:
 *
 *                 earlier   USE     PUBLISH   CHANGE
 *     USE                    -       waits     waits
 *     PUBLISH                -         -       waits
 *     CHANGE               waits     waits     waits
 *
 * An item is over at a time. CPUs run ahead of each other a little, so that an item may be done whose end is still to
 * come for who asks: it is kept until everybody's time has passed it. Whoever asks does it at the earliest time of the
 * machine, so that all answers depend on virtual time alone.
 *
 * Nobody gets further ahead of the oldest item than the window allows: what is read and waits is kept in memory. */
#ifndef VMSIM__REPLAY_ORDER_H
#define VMSIM__REPLAY_ORDER_H
#include "base/alloc.h"
#include "base/err.h"
#include "base/vec.h"
#include "scenario/engine.h"
#include "vmsim/trace.h"

/* References between the oldest item and the newest, an item counting as some: 128 MiB in the worst case. */
#define VMSIM__ORDER_WINDOW (UINT64_C(16) << 20)
#define VMSIM__ORDER_ITEM_WEIGHT 16u
#define VMSIM__ORDER_BUCKETS 256u
#define VMSIM__TOUCHES_MAX 7u

enum vmsim__touch_what {
    VMSIM__TOUCH_SPACE,    /* an address space: addresses */
    VMSIM__TOUCH_FILE,     /* a file: bytes */
    VMSIM__TOUCH_TABLE,    /* a table of descriptors: their numbers */
    VMSIM__TOUCH_FUTEX,    /* of an address space (0: of all): addresses */
    VMSIM__TOUCH_MESSAGES, /* pipes by the number of their file; all: sockets and whatever else carries word */
    VMSIM__TOUCH_EXITS,    /* ends of processes: their recorded pids */
    VMSIM__TOUCH_VFORK,    /* the end of a borrowed address space: lane of the child */
    VMSIM__TOUCH_SIGNALS
};
enum vmsim__touch_how {
    VMSIM__TOUCH_USE,
    VMSIM__TOUCH_PUBLISH, /* it is there from now on, or word of it is given */
    VMSIM__TOUCH_CHANGE   /* what was there goes */
};

struct vmsim__replay_item;

struct vmsim__touch {
    struct vmsim__replay_item *item;
    struct vmsim__touch *next, *before; /* of its bucket, in recorded order */
    uint8_t what, how;
    uint32_t id;
    uint64_t from, last; /* both included */
};

struct vmsim__replay_item {
    struct vmsim_trace_item in; /* the reader's until the next one is read, then copies */
    struct vmsim_trace_event event;
    uint64_t number, place; /* items, and window units, before it */
    uint32_t generation;    /* of its lane: which of the tasks of this number it belongs to */
    bool owned, done;
    uint64_t done_at; /* ns */
    size_t at;        /* references of a batch that are done */
    uint64_t cursor;  /* of an event: how far it has come when it is entered again */
    bool hole;        /* of a range so far: part of it is not mapped */
    struct {
        VMSIM__VEC(uint64_t);
    } pages;          /* of a batch, ascending; empty: not asked for yet */
    uint32_t waiters; /* first job that waits for its end; VMSIM__NO_JOB */
    uint32_t touch_count;
    struct vmsim__touch touches[VMSIM__TOUCHES_MAX];
    struct vmsim__replay_item *older, *newer; /* of all that are not gone */
    struct vmsim__replay_item *lane_next, *done_next;
};

/* One task of the trace. */
struct vmsim__replay_lane {
    struct vmsim__replay_item *head, *tail; /* not done yet */
    uint32_t announced, settled;            /* beginnings that were read, and those that have happened or never will */
    uint32_t job;                           /* of the last settled one; VMSIM__NO_JOB: it ended, or never began */
    /* as recorded, behind the newest item */
    uint32_t space, table;
    bool shared, table_shared; /* by several lanes */
    bool vforked;              /* it borrows its parent's address space */
    uint32_t vfork_child;      /* lane + 1 of the child that borrows its own; 0: none */
};

struct vmsim__replay_order {
    struct vmsim__alloc *alloc;
    struct vmsim_trace_reader *reader;
    struct vmsim__slab items;
    struct {
        VMSIM__VEC(struct vmsim__replay_lane);
    } lanes; /* by trace task */
    struct {
        VMSIM__VEC(uint64_t);
    } breaks; /* recorded program break, by address space */
    uint32_t tables;
    struct vmsim__replay_item *oldest, *newest, *first; /* first: the oldest that is not done */
    struct vmsim__replay_item *done, *done_last;        /* done, and not gone yet */
    struct vmsim__replay_item *borrowed;                /* its contents are the reader's */
    uint64_t number, place;
    uint64_t settled_at; /* ns: end of all before `first` */
    bool ended;          /* the reader has no more */
    bool alone;          /* the trace has one task */
    bool no_memory;
    struct {
        struct vmsim__touch *first, *last;
    } uses[VMSIM__ORDER_BUCKETS], changes[VMSIM__ORDER_BUCKETS];
};

void vmsim__order_init(struct vmsim__replay_order *o, struct vmsim__alloc *a, struct vmsim_trace_reader *reader);
void vmsim__order_fini(struct vmsim__replay_order *o);
/* The lane of a trace task; NULL: no memory. Pointers are good until the next call with a new number. */
struct vmsim__replay_lane *vmsim__order_lane(struct vmsim__replay_order *o, uint32_t task);
/* Reads one more item into its lane: 1, 0 at the end, the reader's error, or VMSIM_ENOMEM. */
int vmsim__order_read(struct vmsim__replay_order *o, struct vmsim__replay_item **item);
/* No more may be read at `now`. */
bool vmsim__order_full(const struct vmsim__replay_order *o, uint64_t now);
/* At most half of the window is in use at `now`. */
bool vmsim__order_roomy(const struct vmsim__replay_order *o, uint64_t now);
/* An earlier item that is not over at `now` and has to be before this one; NULL: none. o->no_memory: it is not known.
 */
struct vmsim__replay_item *vmsim__order_blocker(struct vmsim__replay_order *o, struct vmsim__replay_item *x,
                                                uint64_t now);
/* The head of its lane is over at `time`. */
void vmsim__order_finish(struct vmsim__replay_order *o, struct vmsim__replay_item *x, uint64_t time);
/* Nobody asks about times before `now` any more. */
void vmsim__order_retire(struct vmsim__replay_order *o, uint64_t now);

/* replay_edges.c: what the item that was just read touches, and what it does to lanes. False: no memory. */
bool vmsim__order_touch(struct vmsim__replay_order *o, struct vmsim__replay_item *x);
/* The lane that a fork begins; VMSIM_TRACE_NO_TASK: it is no fork, or one that failed. */
uint32_t vmsim__order_child(const struct vmsim__replay_item *x);

#endif
