/* SPDX-License-Identifier: MIT */
/* Jobs performed by forked processes, as many at a time as there are workers.
 *
 *     parent: next() -> fork ----> child: perform() -> text -> pipe -> _exit
 *             done()  <------------------- whole or not, and what the child used
 *
 * A leader is a job that does others: its process comes to where these have their beginning in common and forks one for
 * each there (pool_branch), whose results it hands on as they come (pool_hand_on).
 *
 *     parent: next() -> fork ----> leader: lead() -> fork ----> child: goes on from there -> pool_leave
 *             done()  <----------------------------- hands on <------- whole or not
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
    bool shared;        /* it went on from where its leader had come */
    uint64_t cpu_us;    /* time of the host's CPU */
    uint64_t memory_kb; /* most that was resident */
};

struct pool_work {
    void *context;
    bool (*next)(void *context, size_t *job); /* false: nothing to begin now; asked again when a job is over */
    void (*perform)(void *context, size_t job, FILE *out);
    bool (*done)(void *context, size_t job, const struct pool_result *result); /* false: begin nothing more */
    /* Jobs from `leaders` on are performed by lead(), which hands on to `fd`; NULL: there are none. When its process is
     * over, done() hears of that job, too, without a text. */
    void (*lead)(void *context, size_t job, int fd);
    size_t leaders;
};

/* The child that came back from pool_branch(). */
struct pool_child {
    size_t job;
    FILE *out;
    bool shared; /* handed on */
    char *text;  /* of `out`, and where it goes */
    size_t size;
    int fd;
};

enum pool_end {
    POOL_ALL,
    POOL_STOPPED,
    POOL_INTERRUPTED,
    POOL_FAILED, /* the host: errno says why */
    POOL_CHILD   /* of pool_branch(): this is the child */
};

#define POOL_WORKERS 1024u

/* Performs jobs until next() has none and all are over. On SIGINT and SIGTERM those at work are ended, and done() does
 * not hear of them. */
enum pool_end pool_run(const struct pool_work *work, unsigned workers);
/* The same for a leader, a job at a time and without perform(): in the process of each job it comes back with
 * POOL_CHILD, to go on with whatever the leader was in the middle of, print to child->out, and end with pool_leave().
 */
enum pool_end pool_branch(const struct pool_work *work, struct pool_child *child);
/* All of child->out has been printed: ends the process. */
_Noreturn void pool_leave(struct pool_child *child);
/* By a leader: the result of another job, to its parent. False: that is gone. */
bool pool_hand_on(int fd, size_t job, const struct pool_result *result);
/* CPUs that this process may use, at least 1. */
unsigned pool_cpus(void);

#endif
