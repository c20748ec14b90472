/* SPDX-License-Identifier: MIT */
/* cpusets: on which CPUs the tasks of a cgroup run, and on which nodes their memory lies.
 *
 *     cpuset.mems            what was written; nothing: as above
 *     cpuset.mems.effective  of it what the cgroup above has in force; if that is nothing, all that is in force above
 *     task->mems             the same, as allocations ask it: 0 where nothing is kept out
 *
 * A cgroup that nothing was written to costs nothing: its tasks' mask is 0. When what is in force changes, policies of
 * its tasks are bound anew, their pages follow, and whoever is on a CPU that is closed now leaves it at his next
 * preemption point. Kernel counterpart: kernel/cgroup/cpuset.c, of cgroup v2. */
#ifndef VMSIM__CPUSET_H
#define VMSIM__CPUSET_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tlb/shootdown.h"

struct vmsim_machine;
struct vmsim__cgroup;
struct vmsim__task;

struct vmsim__cpuset {
    uint64_t mems, mems_effective;
    struct vmsim__cpumask cpus, cpus_effective;
};

/* A cgroup is there anew: nothing was written, and in force is what is so above it (NULL: it is the root). */
void vmsim__cpuset_init(struct vmsim_machine *m, struct vmsim__cgroup *c, const struct vmsim__cgroup *parent);
/* cpuset.cpus, cpuset.mems: 0 or a negative Linux errno, with *why it is so. */
int vmsim__cpuset_write(struct vmsim_machine *m, uint32_t cgroup, const char *file, const char *value,
                        const char **why);
/* The only line of a file; false: it is none of these. */
bool vmsim__cpuset_line(const struct vmsim_machine *m, uint32_t cgroup, const char *file, char *text, size_t size);

/* The task has come to its cgroup: it begins there, or `from` another. Its pages follow if it is the first of its
 * process. */
void vmsim__cpuset_begin(struct vmsim_machine *m, struct vmsim__task *t);
void vmsim__cpuset_join(struct vmsim_machine *m, struct vmsim__task *t, uint64_t from);
/* Nodes that a task may use of those with memory. Kernel: cpuset_mems_allowed. */
uint64_t vmsim__cpuset_mems(const struct vmsim_machine *m, const struct vmsim__task *t);
bool vmsim__cpuset_has_cpu(const struct vmsim_machine *m, const struct vmsim__task *t, unsigned cpu);
/* Memory came to a node that had none, or left it whole. Kernel: cpuset_hotplug_workfn. */
void vmsim__cpuset_hotplug(struct vmsim_machine *m);
/* 0 or VMSIM_ECHECK. */
int vmsim__cpuset_check(struct vmsim_machine *m);

#endif
