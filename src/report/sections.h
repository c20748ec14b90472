/* SPDX-License-Identifier: MIT */
/* What a run came to, piece by piece, told to an emitter: summary.txt and stats.json are made of these.
 *
 * A section that both documents have is flat (an object of values, or an array of such objects), which is what the text
 * back end can lay out. Sums over CPUs are made here; nothing is kept. */
#ifndef VMSIM__SECTIONS_H
#define VMSIM__SECTIONS_H
#include "report/emitter.h"
#include "scenario/engine.h"

typedef void vmsim__section(struct vmsim_scenario *s, struct vmsim__emitter *e);

/* sections.c */
vmsim__section vmsim__section_machine, vmsim__section_run, vmsim__section_time, vmsim__section_faults,
    vmsim__section_nodes, vmsim__section_zones, vmsim__section_page_cache, vmsim__section_page_tables;
/* sections_latency.c */
vmsim__section vmsim__section_latencies;
/* sections_block.c: all devices, and those that were asked for anything */
vmsim__section vmsim__section_devices, vmsim__section_devices_used;
/* sections_tlb.c */
vmsim__section vmsim__section_tlb, vmsim__section_tlb_by_cpu, vmsim__section_walks, vmsim__section_walk_caches,
    vmsim__section_flushes;
/* sections_task.c: the two tables of the summary, and everything for programs */
vmsim__section vmsim__section_task_times, vmsim__section_task_memory, vmsim__section_tasks;
/* What decided most of the run and is not simulated; the second for people. */
vmsim__section vmsim__section_limits;
void vmsim__report_limits(struct vmsim_scenario *s, struct vmsim__textbuf *out);
/* sections_policy.c; the second for people: what did not go as its policy wanted, and what policies noted */
vmsim__section vmsim__section_policies;
void vmsim__report_policies(struct vmsim_scenario *s, struct vmsim__textbuf *out);
/* sections_expect.c */
vmsim__section vmsim__section_expectations, vmsim__section_failed_steps, vmsim__section_differences;
/* What failed at which step, one line without its end. */
void vmsim__put_failure(struct vmsim_scenario *s, size_t index, bool places, struct vmsim__textbuf *out);

/* Documents. `places`: lines of files may be named (for who looks at a terminal); else the keys of the scenario are, so
 * that a run directory is the same wherever the scenario lay. stats.json and intervals.csv never name files. */
void vmsim__report_summary(struct vmsim_scenario *s, struct vmsim__textbuf *out, bool places);
void vmsim__report_expectations(struct vmsim_scenario *s, struct vmsim__textbuf *out, bool places);
void vmsim__report_stats(struct vmsim_scenario *s, struct vmsim__textbuf *out, bool places);
void vmsim__report_intervals(struct vmsim_scenario *s, struct vmsim__textbuf *out, bool places);
void vmsim__report_blocks(struct vmsim_scenario *s, struct vmsim__textbuf *out, bool places); /* pageblocks.json */
void vmsim__report_faults(struct vmsim_scenario *s, struct vmsim__textbuf *out, bool places); /* faults.json */
/* The same in pieces, however long it is: `out` is where each is made. 0, or an error of `piece` or of its own. */
typedef int vmsim__piece_fn(void *context, const char *text, size_t size);
int vmsim__report_rows(struct vmsim_scenario *s, struct vmsim__textbuf *out, vmsim__piece_fn *piece, void *context);

/* Tasks whose rows the summary prints; stats.json has all. */
#define VMSIM__SUMMARY_TASKS 40u

/* Sum of a counter of all CPUs' translation hardware. */
uint64_t vmsim__tlb_sum(const struct vmsim_machine *m, enum vmsim__tlb_counter counter);

#endif
