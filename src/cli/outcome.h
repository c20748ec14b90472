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
#include "vmsim/scenario.h"

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
/* The same in parts, for a run that others begin with: applies `sets` and resolves (0, or an error that is in the
 * configuration's list); tells of a configuration that has come to an error; and of a run that has ended with `err`. */
int outcome_resolve(struct vmsim_config *config, const char *const *sets, size_t count);
void outcome_refuse(FILE *out, struct vmsim_config *config, int err);
void outcome_tell(FILE *out, struct vmsim_config *config, struct vmsim_scenario *s, int err,
                  const char *const *patterns, size_t count);
/* Of a resolved configuration: makes the scenario, runs it, and tells. */
void outcome_run(struct vmsim_config *config, const char *const *patterns, size_t count, FILE *out);
/* False: no memory, or not such lines. */
bool outcome_parse(struct outcome *o, const char *text, size_t size);
void outcome_free(struct outcome *o);
/* Value of a counter, 0 when there is none. */
uint64_t outcome_value(const struct outcome *o, const char *name);
/* 64 bits of a text, by which texts are told apart (FNV-1a). */
uint64_t outcome_hash(const char *text, size_t size);

#endif
