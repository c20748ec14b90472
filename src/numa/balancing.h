/* SPDX-License-Identifier: MIT */
/* NUMA balancing, the part that decides: what is remembered of a task's and an address space's faults, how often a task
 * is scanned, and whether a page is to follow; and the domain of policies that may decide otherwise.
 *
 *     hint fault --> linux's verdict (two-stage filter, groups, or how hot) --> policy's answer --> move or stay
 *          |
 *          '--> counted by node, private or shared, local or not --> period of the next scan
 *
 * Who used a page last stands in a column beside the frames: 1 + (CPU << 8 | low byte of the task's number), or of
 * pages in a slower tier the time in ms at which they were marked. Kernel counterpart: kernel/sched/fair.c
 * (task_numa_fault, should_numa_migrate_memory, update_task_scan_period), 6.1. */
#ifndef VMSIM__BALANCING_H
#define VMSIM__BALANCING_H
#include "base/knob.h"
#include "base/policy_registry.h"
#include "numa/tiering_oracle.h"
#include "vm/numa_hint.h"

extern const struct vmsim__policy_domain vmsim__numa_domain, vmsim__tiering_domain;
extern const struct vmsim_numa_policy vmsim__numa_linux, vmsim__numa_none;
extern const struct vmsim_tiering_policy vmsim__tiering_linux;

/* /sys/kernel/debug/sched/numa_balancing and kernel.numa_balancing. */
struct vmsim__numa_knobs {
    uint64_t mode; /* bits */
    uint64_t scan_delay_ms, scan_period_min_ms, scan_period_max_ms, scan_size_mb, hot_threshold_ms;
    uint64_t promote_rate_limit; /* MB a second */
    bool demotion_enabled;
};
extern const struct vmsim__knob vmsim__numa_knob_table[]; /* of a struct vmsim__numa_knobs */
#define VMSIM__NUMA_NORMAL 1u
#define VMSIM__NUMA_TIERING 2u

/* Uses seen of memory on each node, and from the CPUs of each: decayed by half at each pass over the address space. */
struct vmsim__numa_faults {
    uint32_t memory[VMSIM__MAX_NODES], cpu[VMSIM__MAX_NODES];
};

struct vmsim__numa_task {
    uint64_t stamp;     /* ns of its CPU time: of its last scan */
    uint64_t period_ms; /* 0: none has begun */
    uint32_t seq;       /* pass over the address space that it has looked at */
    uint32_t private_faults, shared_faults, local, remote, failed; /* pages, since then */
    uint64_t retry;                                                /* ns: when it next tries to follow its memory */
    uint8_t preferred;                                             /* node + 1 that has most of what it uses; 0: none */
};

struct vmsim__numa_space {
    uint64_t at;                       /* where the next scan begins */
    uint64_t next_scan;                /* ns; 0: none is planned */
    uint32_t seq;                      /* passes */
    struct vmsim__numa_faults *faults; /* those of all its tasks; NULL: none yet */
    bool group;                        /* tasks of it share pages */
};

/* Limits of the rate of promotion to one node. Kernel: the nbp fields of pg_data_t. */
struct vmsim__numa_promotion {
    uint64_t candidates, since; /* at the beginning of the second that is limited, ns */
    uint64_t threshold_ms;      /* 0: as the knob says */
    uint64_t threshold_candidates, threshold_since;
};

struct vmsim__numa {
    struct vmsim__mem *mem;
    struct vmsim__alloc *alloc;
    struct vmsim__numa_knobs knobs;
    uint64_t top_tier; /* nodes */
    const struct vmsim_numa_policy *policy;
    const struct vmsim_tiering_policy *tiering;
    struct vmsim__policy_instance instance, tiering_instance;
    struct vmsim__numa_promotion promotion[VMSIM__MAX_NODES];
    struct vmsim__tiering_oracle oracle;
    bool mine; /* of the fault in progress: nobody else had used the page */
    bool host_nomem;
};

int vmsim__numa_create(struct vmsim__numa *n, struct vmsim__mem *mem, struct vmsim__policy_registry *policies,
                       const struct vmsim__policy_choice *choice, const struct vmsim__policy_choice *tiering,
                       uint64_t seed, struct vmsim__err *err);
void vmsim__numa_destroy(struct vmsim__numa *n);
void vmsim__numa_space_fini(struct vmsim__numa *n, struct vmsim__numa_space *s);

/* Shortest and longest time between two scans of a task with so many pages in memory, ms. */
uint64_t vmsim__numa_scan_min(const struct vmsim__numa *n, uint64_t rss);
uint64_t vmsim__numa_scan_max(const struct vmsim__numa *n, uint64_t rss);

/* Who faults. */
struct vmsim__numa_user {
    struct vmsim__numa_task *task;
    struct vmsim__numa_space *space;
    uint32_t id;
    uint64_t rss;                          /* pages of the address space */
    const struct vmsim__mempolicy *policy; /* of the task */
};
/* The node that the page of the hint shall go to, or -1. */
int vmsim__numa_misplaced(struct vmsim__numa *n, const struct vmsim__numa_user *who,
                          const struct vmsim__numa_hint *hint);
/* Counts the fault; its page lies on `node` now. */
void vmsim__numa_count(struct vmsim__numa *n, const struct vmsim__numa_user *who, const struct vmsim__numa_hint *hint,
                       unsigned node, enum vmsim__numa_move what);

/* The node that the task should run on, if it is time to look; -1: it stays where it is. Kernel:
 * numa_migrate_preferred.
 */
int vmsim__numa_follow(const struct vmsim__numa *n, const struct vmsim__numa_user *who, unsigned node);

/* ---- tiers (tiers.c) ---- */

/* Nodes that are as fast as the slowest tier with CPUs, or faster. Kernel: node_is_toptier. */
uint64_t vmsim__tiers_top(const struct vmsim__mem *mem);
/* Nodes with memory in slower tiers than the node's. */
uint64_t vmsim__tiers_below(const struct vmsim__mem *mem, unsigned node);
/* The nearest of the next slower tier, ties to the lowest number; -1: there is none, or demotion is off. Kernel:
 * next_demotion_node, which chooses among ties by chance. */
int vmsim__demotion_target(const struct vmsim__numa *n, unsigned node);
/* Moves a folio that reclaim has taken off its list to a slower tier: true, it is gone; false: it is as it was. Kernel:
 * demote_folio_list. */
bool vmsim__demote(struct vmsim__numa *n, struct vmsim__vm *vm, struct vmsim__lru *lru, vmsim__pfn pfn, unsigned node,
                   bool kswapd, unsigned cpu);

#endif
