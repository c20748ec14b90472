/* SPDX-License-Identifier: MIT */
/* Scenarios with expectations as a test suite.
 *
 *     suite_find.c     files and folders -> cases, in the order of their names
 *     suite_run.c      a case in a process of its own -> lines -> checks
 *     suite_report.c   cases -> text for people, TAP, JUnit's XML, GitHub's annotations
 *
 * What a child tells its parent is one line a thing, fields between tabs (names hold no control characters):
 *
 *     status N                                    as `vmsim run` would exit
 *     time NS                                     virtual
 *     check MET WHAT AT VALUE WANTED ORIGIN WHY   an expectation
 *     error TEXT                                  of the file, or of the run; a failed step */
#ifndef VMSIM_CLI_SUITE_H
#define VMSIM_CLI_SUITE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "cli/pool.h"

/* All texts point into the case's own. */
struct suite_check {
    bool met;
    const char *what, *at, *value, *wanted, *origin, *why;
};

struct suite_case {
    char *path;
    bool named, done; /* named: on the command line, not found in a folder */
    int status, signal;
    char *text;
    struct suite_check *checks;
    const char **errors; /* "box.yaml:12:9: error: ..." */
    size_t check_count, error_count;
    uint64_t virtual_ns, cpu_us;
};

struct suite {
    struct suite_case *cases;
    size_t count, room, next;
    size_t shown; /* cases that the text has told already */
    char **sets, **dirs;
    size_t set_count, dir_count;
    const char *output; /* folder for run directories, or NULL */
    unsigned limit;     /* seconds of the CPU a case may need, 0: any */
    bool quiet, tap, github;
};

/* Adds a file, or all *.yaml of a folder and those below it that have an `expect:`. An exit status, all said. */
int suite_add(struct suite *s, const char *path);
/* Puts the cases in order, each file once. */
void suite_sort(struct suite *s);
void suite_free(struct suite *s);
/* Runs all, so many at a time. */
enum pool_end suite_run(struct suite *s, unsigned workers);

/* Whether a case is as wanted; what its exit status would be otherwise: 1, 2 or 3. */
bool suite_fine(const struct suite_case *c);
/* "box.yaml:12:9" taken apart; false: it is no place in a file. */
struct suite_place {
    char file[4096];
    unsigned line, column;
};
bool suite_place(const char *text, struct suite_place *place);

/* One case for people; of TAP each check is a line, numbered from *number on. */
void suite_tell(const struct suite *s, const struct suite_case *c, size_t *number);
size_t suite_checks(const struct suite *s); /* lines of TAP */
void suite_summary(const struct suite *s);
/* JUnit's XML. */
void suite_junit(const struct suite *s, FILE *out);

#endif
