/* SPDX-License-Identifier: MIT */
/* Grids: which points a sweep has (`vmsim sweep`), read from YAML.
 *
 *     base: [box.yaml, sort.vmt]         files as `vmsim run` takes them, beside the grid
 *     set: {machine.preset: zen4}        of every point
 *     axes:
 *       - {key: machine.nodes[0].memory, geometric: {from: 64MiB, to: 1GiB, factor: 2}}
 *       - {key: workload.x, range: {from: 1, to: 9, step: 2}}
 *       - {name: what, zip: [{key: a, values: [1, 2]}, {key: b, values: [x, y]}]}
 *     seeds: 3                           repetitions: workload.seed 1, 2, 3; or a list
 *     exclude: [{what: 1, workload.x: [7, 9]}]
 *     counters: ["vmstat.pgmajfault", "tasks.*.majflt"]
 *
 * A point is one entry of each axis. Points have numbers: those of the entries, the last axis running fastest, seeds
 * behind all others; excluded points keep their numbers and are left out. Errors are said on standard error, with their
 * place; what is read lives as long as the grid. */
#ifndef VMSIM_CLI_SWEEP_GRID_H
#define VMSIM_CLI_SWEEP_GRID_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/cli.h"

#define GRID_POINTS_MAX UINT64_C(10000000)
#define GRID_AXES_MAX 32u
#define GRID_SETS_MAX 256u

struct grid_setting {
    const char *key, *value;
};

/* One choice of an axis: a setting, or several that go together. */
struct grid_entry {
    const char *label; /* "64MiB"; of several settings "1/x" */
    struct grid_setting *settings;
};

struct grid_axis {
    const char *name; /* its own, or the key */
    int line, column;
    struct grid_entry *entries;
    size_t count, settings; /* settings of each entry */
};

/* All of these hold: the point is left out. `values` of a name or key: any of them. */
struct grid_exclusion {
    struct grid_setting *pairs;
    size_t count;
};

struct grid {
    const char *path;
    char *text; /* the file */
    size_t size;
    struct cli_input in; /* base files, and `set` as overrides */
    struct grid_axis axes[GRID_AXES_MAX];
    size_t axis_count;
    struct grid_exclusion *exclusions;
    size_t exclusion_count;
    const char **counters;
    size_t counter_count;
    uint64_t points; /* excluded ones, too */
    void **blocks;   /* memory of all that was read */
    size_t block_count;
};

/* Reads a grid; 0 or an exit status, everything said. */
int grid_read(struct grid *g, const char *path);
void grid_free(struct grid *g);
/* Number of the entry that `point` has on `axis`. */
size_t grid_entry_of(const struct grid *g, uint64_t point, size_t axis);
bool grid_excluded(const struct grid *g, uint64_t point);
/* The overrides of a point, "KEY=VALUE", up to `max`; free with grid_free_sets(). SIZE_MAX: no memory. */
size_t grid_sets(const struct grid *g, uint64_t point, char **sets, size_t max);
void grid_free_sets(char **sets, size_t count);
/* What makes two grids the same: axes with their entries, overrides and counters, and files with their contents. False:
 * a file cannot be read, said. */
bool grid_hash(const struct grid *g, uint64_t *hash);
/* Hash of a file's contents and its length. */
bool grid_hash_file(const char *path, uint64_t *hash, uint64_t *bytes);

/* ---- within the reader ---- */

/* Memory of the grid. Without host memory the program ends. */
void *grid_alloc(struct grid *g, size_t size);
char *grid_text(struct grid *g, const char *text, size_t length);
/* Values from..to: of numbers with one unit, or of sizes (KiB ...), which may have different ones. NULL and *count: how
 * many they would be, or 0 and why they cannot be, in *why. `factor` is in thousandths; one of it and step is 0. */
const char **grid_series(struct grid *g, const char *from, const char *to, const char *step, uint64_t factor,
                         uint64_t *count, const char **why);

#endif
