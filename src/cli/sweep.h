/* SPDX-License-Identifier: MIT */
/* What the parts of `vmsim sweep` share: a run of a grid, and the commands over its results. */
#ifndef VMSIM_CLI_SWEEP_H
#define VMSIM_CLI_SWEEP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/sweep_grid.h"

struct sweep_options {
    const char *grid, *output;
    uint64_t shard, shards; /* this one (from 1 on) of so many */
    unsigned jobs;
    bool dry_run, quiet, retry, separate;
    bool slurm, no_wait;   /* no_wait: submitted, and not followed */
    const char *partition; /* of Slurm, NULL: its default */
};

/* What a run of a grid did, of this shard; `excluded` is of the grid, `failed` and `unmet` of the file. */
struct sweep_counts {
    uint64_t excluded, mine, there, done, shared, unmet, failed, killed, lost, doubled;
};

/* Runs what is not yet in the file of results; an exit status. */
int sweep_run(const struct sweep_options *o);
/* Points of the shard, and those excluded. */
void sweep_count(const struct grid *g, const struct sweep_options *o, struct sweep_counts *counts);

/* Reads the base files and applies a point; 0 and a resolved configuration, or the error, in *config too (NULL: said).
 */
int sweep_resolve(const struct grid *g, uint64_t point, struct vmsim_config **config);
/* Runs one point into a directory of its own, beside the file of results, and makes a page of it; an exit status. */
int sweep_point(const struct sweep_options *o, uint64_t point);
/* Where runs of single points lie: "study.runs" of "study.db"; the caller's to free, NULL: no memory. */
char *sweep_runs(const char *results);

/* What a point took of the host that tried it, and of how many a worker may have the machines in memory at once. */
struct sweep_cost {
    uint64_t cpu_us, memory_kb, at_once;
};

/* Writes the script of a job array and, unless it is a dry run, follows it; without `point` it is written already. */
int sweep_submit(const struct grid *g, const struct sweep_options *o, const struct sweep_counts *counts,
                 const struct sweep_cost *point);

/* Commands over files of results; arguments as on the command line. An exit status. */
int sweep_export(const char *path);
int sweep_gather(const char *to, char *const *from, size_t count);
/* `measures`: names of counters, none: chosen here; `pareto`: two of them or of axes, or NULLs. */
int sweep_report(const char *path, const char *output, const char *const *measures, size_t count,
                 const char *const pareto[2]);
/* 0: the same, EXIT_EXPECTATION: not. */
int sweep_compare(const char *a, const char *b);

#endif
