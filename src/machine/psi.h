/* SPDX-License-Identifier: MIT */
/* Pressure stall information: how much time tasks lose because memory, or I/O, is short, by the machine and by cgroup.
 *
 *     some: at least one task of the group is stalled        full: and none of those that want to run is not
 *
 *     flags of tasks (IOWAIT, MEMSTALL, RUNNING) --count--> each CPU of each group on the way to the root
 *       --times--> totals, each CPU weighed by the time it was not idle --every 2 s--> avg10, avg60, avg300
 *
 * A task stalls for memory while it reclaims, is throttled by reclaim or memory.high, or waits for a page that was
 * evicted though it belonged to the working set; it stalls for I/O while it waits for any page. Averages are brought up
 * to date when something changes or somebody reads, as they would have been by a timer: reading changes nothing.
 * Kernel counterpart: kernel/sched/psi.c. */
#ifndef VMSIM__PSI_H
#define VMSIM__PSI_H
#include "base/alloc.h"
#include "base/util.h"

struct vmsim_machine;
struct vmsim__task;

#define VMSIM__PSI_IOWAIT 1u
#define VMSIM__PSI_MEMSTALL 2u
#define VMSIM__PSI_RUNNING 4u

enum vmsim__psi_state {
    VMSIM__PSI_IO_SOME,
    VMSIM__PSI_IO_FULL,
    VMSIM__PSI_MEM_SOME,
    VMSIM__PSI_MEM_FULL,
    VMSIM__PSI_NONIDLE, /* not shown: the weight of a CPU */
    VMSIM__PSI_STATES
};

struct vmsim__psi_cpu {
    uint32_t iowait, memstall, running, memstall_running; /* tasks */
    uint64_t since;                                       /* ns: the states are as they are since then */
    uint64_t times[VMSIM__PSI_STATES];                    /* ns in each, not yet in the totals */
};
struct vmsim__psi {
    struct vmsim__psi_cpu *cpu; /* one a CPU */
    unsigned cpus;
    uint64_t total[VMSIM__PSI_NONIDLE];     /* ns */
    uint64_t avg_total[VMSIM__PSI_NONIDLE]; /* of these in the averages */
    uint64_t avg_last, avg_next;            /* ns: of the averages */
    uint32_t avg[VMSIM__PSI_NONIDLE][3];    /* per cent in 1 / 2048, over 10, 60, 300 s */
};

/* False: no host memory. */
bool vmsim__psi_init(struct vmsim__psi *p, struct vmsim__alloc *alloc, unsigned cpus, uint64_t time);
void vmsim__psi_fini(struct vmsim__psi *p, struct vmsim__alloc *alloc);
/* Nothing has happened yet. */
void vmsim__psi_reset(struct vmsim__psi *p, uint64_t time);
/* Counts against the tasks' flags. 0 or VMSIM_ECHECK. */
int vmsim__psi_check(struct vmsim_machine *m);
/* The task counts as this from `time` on, in all its groups. */
void vmsim__psi_set(struct vmsim_machine *m, struct vmsim__task *t, unsigned flags, uint64_t time);
/* The running task has spent the time from `begin` to now in a stall for memory. */
void vmsim__psi_stalled(struct vmsim_machine *m, uint64_t begin);
/* As of `time`: ns in a state, and an average in hundredths of a per cent. */
uint64_t vmsim__psi_total(const struct vmsim__psi *p, enum vmsim__psi_state state, uint64_t time);
uint32_t vmsim__psi_average(struct vmsim__psi *p, enum vmsim__psi_state state, unsigned which, uint64_t time);
/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=0": the line of a state. */
void vmsim__psi_line(struct vmsim__psi *p, enum vmsim__psi_state state, uint64_t time, char *text, size_t size);

#endif
