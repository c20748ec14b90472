/* SPDX-License-Identifier: MIT */
/* Jobs performed by forked processes, as many at a time as there are workers.
 *
 *     parent: next() -> fork ----> child: perform() -> text -> pipe -> _exit
 *             done()  <------------------- whole or not, and what the child used
 *
 * A job has a process of its own: it begins where the parent stands (what the parent has read need not be read again),
 * and nothing that a job does, a crash or a kill included, reaches another. A child dies with its parent. All calls
 * but perform() are made in the parent, one after the other, so only one process ever writes results. */
#ifndef VMSIM_CLI_POOL_H
#define VMSIM_CLI_POOL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* How a job ended. `text` is there when it is whole: all that perform() wrote, NUL-terminated. */
struct pool_result {
    const char *text; /* NULL: the process ended before it had handed over everything */
    size_t size;
    int signal;         /* that killed it, 0: none */
    uint64_t cpu_us;    /* time of the host's CPU */
    uint64_t memory_kb; /* most that was resident */
};

struct pool_work {
    void *context;
    bool (*next)(void *context, size_t *job); /* false: nothing to begin now; asked again when a job is over */
    void (*perform)(void *context, size_t job, FILE *out);
    bool (*done)(void *context, size_t job, const struct pool_result *result); /* false: begin nothing more */
};

enum pool_end { POOL_ALL, POOL_STOPPED, POOL_INTERRUPTED, POOL_FAILED /* the host: errno says why */ };

#define POOL_WORKERS 1024u

/* Performs jobs until next() has none and all are over. On SIGINT and SIGTERM those at work are ended, and done() does
 * not hear of them. */
enum pool_end pool_run(const struct pool_work *work, unsigned workers);
/* CPUs that this process may use, at least 1. */
unsigned pool_cpus(void);

#endif
