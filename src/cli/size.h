/* SPDX-License-Identifier: MIT */
/* A study of memory limits (`vmsim size`): its points, and the forms in which they are told.
 *
 *     unlimited run --> peak --> limits: 120 %, 115 % ... 25 % of it, for each policy of reclaim
 *                                   |
 *     struct size_point  <----------'   one run each, in a cgroup with that memory.max, in a process of its own
 *
 * The recommended limit: the smallest of those tested at which, as at all larger ones, the program ends, and takes no
 * longer than `tolerance` beyond its time without a limit. A limit that happens to do well below one that does badly is
 * none to rely on. */
#ifndef VMSIM_CLI_SIZE_H
#define VMSIM_CLI_SIZE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define SIZE_POLICIES 16u
#define SIZE_STEPS 400u
#define SIZE_NONE SIZE_MAX

enum size_column {
    SIZE_TIME,
    SIZE_MAJFLT,
    SIZE_REFAULT_ANON,
    SIZE_REFAULT_FILE,
    SIZE_SWPIN,
    SIZE_SWPOUT,
    SIZE_AT_LIMIT,
    SIZE_MEM_SOME,
    SIZE_MEM_FULL,
    SIZE_IO_SOME,
    SIZE_IO_FULL,
    SIZE_PEAK,
    SIZE_OOM_KILLS,
    SIZE_DIFFERENCES,
    SIZE_COLUMNS
};

struct size_point {
    uint64_t limit; /* bytes; UINT64_MAX: none */
    unsigned percent;
    bool failed; /* no result: message says why */
    char *message;
    uint64_t value[SIZE_COLUMNS];
};

struct size_study {
    const char *policies[SIZE_POLICIES]; /* names of reclaim policies */
    size_t policy_count, step_count;
    struct size_point unlimited;
    struct size_point *points; /* [policy][step], limits falling */
    unsigned tolerance;        /* percent */
};

/* Name of a column as CSV and JSON have it, and the counter that it is. */
const char *size_column_name(enum size_column column);
const char *size_column_counter(enum size_column column);

struct size_point *size_point_at(const struct size_study *study, size_t policy, size_t step);
/* Thousandths of the unlimited run's time. */
uint64_t size_slowdown(const struct size_study *study, const struct size_point *point);
/* Ran to its end: not killed, no failure. */
bool size_point_whole(const struct size_point *point);
/* Step of the recommended limit, SIZE_NONE when there is none. */
size_t size_recommended(const struct size_study *study, size_t policy);
/* The step with the greatest growth of time over its larger neighbour: behind it the curve is steep. SIZE_NONE: none.
 */
size_t size_knee(const struct size_study *study, size_t policy);

void size_print_text(FILE *out, const struct size_study *study);
void size_print_csv(FILE *out, const struct size_study *study);
void size_print_json(FILE *out, const struct size_study *study);
void size_print_svg(FILE *out, const struct size_study *study);

#endif
