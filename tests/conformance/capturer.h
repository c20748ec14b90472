/* SPDX-License-Identifier: MIT */
/* The program that took the captures (../shared/groundtruth/src), as a part of the simulated machine.
 *
 * It reads its counters itself, into its own memory: after a fork each buffer that it fills is a page to copy, and what
 * it is made of is what the fork copies. So it stands in the machine as it stood in the real one: its segments, what
 * it wrote before the workload, and the memory that it writes to look at a phase and to print it. */
#ifndef CAPTURER_H
#define CAPTURER_H
#include "machine/machine.h"
#include "phases_facts.h"

/* The task is /init: it has run its boot part. Huge pages as the machine was booted; then they are off. */
void capturer_boot(struct vmsim_machine *m, uint32_t task);
/* The task came out of a fork of it: as a child, as the child that runs the workload, as the parent; and as the parent
 * that gave the CPU to its child and has it again. */
void capturer_forked(struct vmsim_machine *m, uint32_t task);
void capturer_workload(struct vmsim_machine *m, uint32_t task);
void capturer_forks(struct vmsim_machine *m, uint32_t task);
void capturer_resumes(struct vmsim_machine *m, uint32_t task);
void capturer_sleeps(struct vmsim_machine *m, uint32_t task); /* and wakes */
/* It prints a line before the first phase: deeper in its stack than before. */
void capturer_prints(struct vmsim_machine *m, uint32_t task);
/* It prints a number into a text, as for a file of /proc or of a cgroup that it writes. */
void capturer_formats(struct vmsim_machine *m, uint32_t task);
/* It runs code, reads or writes memory of its own. Addresses are those of its x86-64 build under 6.1, wherever that
 * lies on the machine. */
void capturer_runs(struct vmsim_machine *m, uint32_t task, uint64_t at);
void capturer_reads(struct vmsim_machine *m, uint32_t task, uint64_t at);
void capturer_writes(struct vmsim_machine *m, uint32_t task, uint64_t at, uint64_t bytes);

/* It sets vm.overcommit_memory and looks for the largest mapping that it then gets, and at two of four times the
 * memory. */
void capturer_overcommits(struct vmsim_machine *m, uint32_t task, unsigned mode, struct outcomes *out);

/* It looks at its counters as a phase begins and as it ends; the caller frees. Every fact is the text of a /proc file.
 * After the second it prints what changed. */
struct facts *capturer_begin(struct vmsim_machine *m, uint32_t task);
struct facts *capturer_end(struct vmsim_machine *m, uint32_t task, const struct facts *begin);

#endif
