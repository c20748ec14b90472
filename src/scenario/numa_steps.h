/* SPDX-License-Identifier: MIT */
/* Steps and keys of tasks about nodes of memory: what numactl and migratepages say on a command line.
 *
 *     - mbind: {region: heap, policy: interleave, nodes: 0-3}          numa: {policy: bind, nodes: "0"}   (of a task)
 *     - move_pages: {region: heap, nodes: "0,1"}
 *
 * A list of nodes is text, "0-3,5" or "all"; it may name nodes that are not there, since a program may, too. Kernel
 * counterparts: the calls themselves; numactl(8). */
#ifndef VMSIM__NUMA_STEPS_H
#define VMSIM__NUMA_STEPS_H
#include "machine/calls.h"
#include "scenario/scenario_spec.h"

extern const struct vmsim_param vmsim__mbind_params[], vmsim__set_mempolicy_params[], vmsim__home_node_params[],
    vmsim__migrate_pages_params[], vmsim__move_pages_params[], vmsim__memory_block_params[],
    vmsim__memory_node_params[], vmsim__task_numa_params[];

/* "0-3,5", "all" (of the machine's `nr_nodes`), NULL or "" none, as a mask. False: it is no such list. */
bool vmsim__node_list(const char *text, unsigned nr_nodes, uint64_t *mask);
/* The call that a step makes, and its arguments, for a region at `base` (verbs without one: not looked at). */
enum vmsim__call_id vmsim__numa_call(enum vmsim__verb verb, const struct vmsim__step_numa *step, unsigned nr_nodes,
                                     uint64_t base, uint64_t length, struct vmsim__call_args *args);

#endif
