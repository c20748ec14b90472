/* SPDX-License-Identifier: MIT */
/* What one run of a scenario came to, in few words: how it ended, and the counters that were asked for. It is made in
 * one process (outcome_perform) and read in another (outcome_parse), as lines:
 *
 *     status 0                     as `vmsim run` would exit
 *     message TEXT                 when it failed; one line
 *     hash 16 hex digits           of the resolved configuration
 *     NAME VALUE                   a counter a line
 *
 * Beside the machine's counters: time_ns (virtual time of the CPU that is furthest), failures (expectations and steps
 * that do not hold), differences (recorded calls that came out otherwise). */
#ifndef VMSIM_CLI_OUTCOME_H
#define VMSIM_CLI_OUTCOME_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "vmsim/config.h"

struct outcome_value {
    const char *name;
    uint64_t value;
};

struct outcome {
    int status;
    const char *message, *hash; /* "" : none */
    struct outcome_value *values;
    size_t count;
    char *text; /* all names and the message stand in it */
};

/* Applies `sets` to the loaded configuration, resolves and runs it. `patterns` are of counters' names (`*`, `?`). */
void outcome_perform(struct vmsim_config *config, const char *const *sets, size_t set_count,
                     const char *const *patterns, size_t pattern_count, FILE *out);
/* False: no memory, or not such lines. */
bool outcome_parse(struct outcome *o, const char *text, size_t size);
void outcome_free(struct outcome *o);
/* Value of a counter, 0 when there is none. */
uint64_t outcome_value(const struct outcome *o, const char *name);
/* 64 bits of a text, by which texts are told apart (FNV-1a). */
uint64_t outcome_hash(const char *text, size_t size);

#endif
