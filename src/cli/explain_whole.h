/* SPDX-License-Identifier: MIT */
/* `vmsim explain` without a moment: what cost most in a whole run, and why.
 *
 *     run again --watch--.
 *                         >-- sums a task, a device, a list of kills --> costs, largest first, each with its reasons
 *     file of events -----'
 *
 * Sums alone are kept, so a run of any length is explained in bounded memory. */
#ifndef VMSIM_CLI_EXPLAIN_WHOLE_H
#define VMSIM_CLI_EXPLAIN_WHOLE_H
#include "cli/explain.h"

/* What tasks wait for, in the scheduler's words (explain_sum.c has them). */
enum explain_wait {
    EXPLAIN_PAGE_READ,
    EXPLAIN_PAGE_WRITTEN,
    EXPLAIN_MEMORY,
    EXPLAIN_THROTTLE,
    EXPLAIN_OTHER, /* a word that is new here */
    EXPLAIN_MOVED, /* the last that costs a task its own time */
    EXPLAIN_SLEEP,
    EXPLAIN_CHILD,
    EXPLAIN_BARRIER,
    EXPLAIN_ORDER,
    EXPLAIN_WAITS
};

enum explain_reclaim { EXPLAIN_KSWAPD, EXPLAIN_DIRECT, EXPLAIN_MEMCG, EXPLAIN_RECLAIMS };

/* Times of one kind. */
struct explain_sum {
    uint64_t count, ns, longest, when; /* ns: the longest began at `when` */
};

struct explain_reclaimed {
    struct explain_sum times;
    uint64_t scanned, reclaimed; /* pages */
};

/* A wait or reclaim that may turn out to be a part of the fault that ends next. */
struct explain_part {
    uint64_t when, ns;
    bool reclaim; /* else a wait */
};

/* A task or a thread of the kernel. */
struct explain_doer {
    uint32_t task;
    bool seen;
    uint64_t begin, end; /* ns: of its first and last event */
    uint64_t lost;       /* ns: from an event to its being killed, in a wait that was not told of any more */
    struct explain_sum run, fault[2], wait[EXPLAIN_WAITS]; /* faults: minor, major; waits within are in both */
    uint64_t fault_waited[2], fault_reclaimed[2];          /* ns of faults that were spent so */
    struct explain_reclaimed reclaim[EXPLAIN_RECLAIMS];
    struct explain_part *part;
    size_t part_count, part_room;
};

struct explain_doers {
    struct explain_doer *at;
    size_t count, room;
};

#define EXPLAIN_DEVICES 64u
#define EXPLAIN_KILLS 8u

struct explain_device {
    char name[24];
    struct explain_sum requests[2]; /* reads, writes */
    uint64_t bytes[2];
};

struct explain_kill {
    uint32_t task, finder; /* who was chosen, and who wanted memory */
    uint64_t when, pages;
};

struct explain_sums {
    struct explain_doers tasks;   /* by number */
    struct explain_doers threads; /* of the kernel, whose numbers are large: in the order in which they came */
    struct explain_device device[EXPLAIN_DEVICES];
    size_t device_count;
    struct explain_kill kill[EXPLAIN_KILLS]; /* the first */
    uint64_t kills, events, fragmented;      /* how many */
    uint64_t end;                            /* ns: the last that is known of */
    bool failed;                             /* no memory: sums are too small */
};

/* For vmsim_machine_watch(): the context is the sums. */
void explain_sum(void *context, const struct vmsim_event *event);
void explain_sums_free(struct explain_sums *sums);

/* The whole run as lines, or what `task` did in it (EXPLAIN_NOBODY: all of them). Counters of names->machine, where it
 * is there, tell a program's own time from system calls. An exit status, all said. */
int explain_whole(FILE *out, const struct explain_names *names, const struct explain_sums *sums, uint32_t task);

#endif
