/* SPDX-License-Identifier: MIT */
/* How a fact is compared: exactly, within a range, or not at all; and the rows that say so.
 *
 * Lines of the rules file (words between blanks; a word of globs may hold * and ?, WORKLOAD several between commas):
 *
 *     unmodelled SHAPE FACT reason...              vmsim has no such mechanism
 *     later SHAPE WORKLOAD PHASES reason...        not compared, because
 *     cause SHAPE WORKLOAD PHASES FACTS SLACK reason...  PHASES "8-12" or *; within SLACK of Linux for a known reason
 *     spread SHAPE WORKLOAD PHASES FACTS PERCENT SLACK reason...  right within PERCENT of what Linux counted, and SLACK
 */
#ifndef PHASES_RULES_H
#define PHASES_RULES_H
#include "phases_facts.h"

struct rules;
struct rules *rules_read(const char *path); /* NULL: told on stderr */
void rules_free(struct rules *r);

struct where {
    const char *kernel, *shape, *workload;
    unsigned phase; /* 0: the workload as a whole */
};
bool rules_later(const struct rules *r, const struct where *w); /* is it in no phase compared? */

struct tally {
    unsigned facts, exact, inside, outside, caused, missing, workloads, broken;
};
/* One row of class not-modelled for a workload or phase. */
void print_missing(struct tally *t, const struct rules *r, const struct where *w, const char *fallback);
/* A row a fact that changed there or here. linux_again: what a second boot counted. */
void compare_facts(struct tally *t, const struct rules *r, const struct where *w, const struct facts *linux_delta,
                   const struct facts *linux_again, const struct facts *ours);
/* A row an outcome; got NULL: the described program has no such step. */
void compare_outcome(struct tally *t, const struct rules *r, const struct where *w, const struct outcome *real,
                     const char *got);
void tally_print(const struct tally *t, const char *shape);

#endif
