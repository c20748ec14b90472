/* SPDX-License-Identifier: MIT */
/* Results of a sweep in one SQLite file, readable by anything that reads SQLite:
 *
 *     sweep       one row: format (1), grid_hash, grid (text), base (resolved configuration of the first point),
 *                 points (of the grid), version
 *     axis        id, name, in the grid's order
 *     input       path, bytes, hash of each base file
 *     point       point, status (exit status as of `vmsim run`: 0, 1 an expectation does not hold, 2 and 3 failed),
 *                 message, config_hash (of its resolved configuration), version, cpu_us, memory_kb (of the host)
 *     setting     point, axis (its name), value
 *     counter     id, name
 *     value       point, counter, value
 *     results     a view: point, name, value
 *
 * A point is there when it is whole: all its rows come in one transaction. Values above 2^63 - 1 are that. The journal
 * is a write-ahead log, so others may read while a sweep writes, and of two sweeps on one file (on one host) either
 * writes in its turn. Every function says on standard error what went wrong, with the file's name. */
#ifndef VMSIM_CLI_SWEEP_STORE_H
#define VMSIM_CLI_SWEEP_STORE_H
#include <stdbool.h>
#include <stdint.h>

#include "cli/outcome.h"
#include "cli/sweep_grid.h"

struct sqlite3;
struct sqlite3_stmt;

struct store {
    struct sqlite3 *db;
    const char *path;
    struct sqlite3_stmt *has, *point, *setting, *counter, *value;
};

enum store_end { STORE_DONE, STORE_THERE /* it was there already */, STORE_FAILED };

/* What the host spent on a point. */
struct store_cost {
    uint64_t cpu_us, memory_kb;
};

/* Opens or makes the file. An exit status; with a grid: EXIT_USAGE when it holds another grid's results. */
int store_open(struct store *s, const char *path, const struct grid *grid, const char *resolved);
/* Opens or makes the file, for store_gather(). */
int store_make(struct store *s, const char *path);
/* Opens what is there, to read. */
int store_read(struct store *s, const char *path);
void store_close(struct store *s);
bool store_has(struct store *s, uint64_t point);
enum store_end store_add(struct store *s, const struct grid *grid, uint64_t point, const struct outcome *o,
                         const struct store_cost *cost);
/* How many points in the file failed (status 2 and 3), and how many expectations do not hold. False: said. */
bool store_count_failed(struct store *s, uint64_t *failed, uint64_t *unmet);
/* Removes points that failed (status 2 and 3), so that they are done anew. False: said. */
bool store_forget_failed(struct store *s);
/* Adds the points of another file with the same grid. An exit status; *added gets their number. */
int store_gather(struct store *s, const char *from, uint64_t *added);
/* A statement, NULL: said. */
struct sqlite3_stmt *store_query(struct store *s, const char *sql);
/* "FILE: what SQLite says"; EXIT_INTERNAL. */
int store_failed(const struct store *s);

#endif
