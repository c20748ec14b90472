/* SPDX-License-Identifier: MIT */
/* Jobs in forked processes (pool.h). A result crosses the pipe as its length and its bytes; whoever is killed half-way
 * leaves fewer, and nothing of it is believed. The parent reads all pipes as they fill, so no child waits for another.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/pool.h"

#define READ_SIZE ((size_t)65536)

struct worker {
    pid_t pid; /* 0: free */
    int fd;
    size_t job;
    char *bytes; /* what came: a uint64_t, the length of the rest, and the rest */
    size_t size, room;
};

struct pool {
    const struct pool_work *work;
    struct worker *workers;
    struct pollfd *polls;
    unsigned count, busy;
    bool more;    /* next() may have another */
    bool stopped; /* done() wants no more */
};

static volatile sig_atomic_t interrupted;

/* Nothing but a mark: the loop ends by itself, kills its children and reaps them. */
static void on_interrupt(int number) {
    interrupted = number;
}

/* Those that this process may use, which in a container or a batch job are fewer than there are. */
unsigned pool_cpus(void) {
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);
    return n < 1 ? 1 : n > (int)POOL_WORKERS ? POOL_WORKERS : (unsigned)n;
}

/* ---- the child ---- */

/* A pipe takes what fits; the parent may be busy with others. */
static bool write_all(int fd, const void *bytes, size_t size) {
    for (const char *at = bytes; size;) {
        ssize_t n = write(fd, at, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

/* The process may not reach its parent's ends: buffers of stdio are the parent's, so nothing but _exit() follows. */
_Noreturn static void be_worker(const struct pool_work *work, size_t job, int fd, pid_t parent) {
    char *text = NULL;
    size_t size = 0;
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    FILE *out = open_memstream(&text, &size);
    if (!out)
        _exit(1);
    work->perform(work->context, job, out);
    if (ferror(out) || fclose(out))
        _exit(1);
    const uint64_t length = size;
    _exit(!write_all(fd, &length, sizeof length) || !write_all(fd, text, size));
}

/* ---- the parent ---- */

/* The child learns its parent's pid beforehand: one that died before prctl would never be told. */
static bool start(struct pool *p, struct worker *w, size_t job) {
    int ends[2];
    const pid_t parent = getpid();
    assert(!w->pid);
    if (pipe(ends))
        return false;
    const pid_t pid = fork();
    if (!pid) {
        close(ends[0]);
        be_worker(p->work, job, ends[1], parent);
    }
    const int error = errno;
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        errno = error;
        return false;
    }
    *w = (struct worker){.pid = pid, .fd = ends[0], .job = job, .bytes = w->bytes, .room = w->room};
    p->busy++;
    return true;
}

/* 1: something came, 0: that was all, -1: the host failed. */
static int receive(struct worker *w) {
    assert(w->pid && w->size <= w->room);
    if (w->room - w->size < READ_SIZE) {
        char *grown = realloc(w->bytes, w->size + 2 * READ_SIZE);
        if (!grown)
            return -1;
        w->bytes = grown;
        w->room = w->size + 2 * READ_SIZE;
    }
    ssize_t n = read(w->fd, w->bytes + w->size, READ_SIZE);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN ? 1 : -1;
    w->size += (size_t)n;
    return n > 0;
}

/* Closing first: a child that writes still gets EPIPE and ends, rather than waits for ever. */
static int reap(struct worker *w, struct rusage *used) {
    assert(w->pid > 0);
    int status = 0;
    close(w->fd);
    while (wait4(w->pid, &status, 0, used) < 0 && errno == EINTR)
        ;
    w->pid = 0;
    return status;
}

static uint64_t microseconds(const struct timeval *t) {
    return (uint64_t)t->tv_sec * 1000000 + (uint64_t)t->tv_usec;
}

/* A child that was killed, or a text cut short, is a result without text: the caller says what that means. */
static bool finish(struct pool *p, struct worker *w) {
    assert(p->busy > 0 && w->room > w->size);
    struct rusage used = {0};
    const int status = reap(w, &used);
    struct pool_result r = {.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
                            .cpu_us = microseconds(&used.ru_utime) + microseconds(&used.ru_stime),
                            .memory_kb = (uint64_t)used.ru_maxrss};
    uint64_t length = 0;
    p->busy--;
    if (w->size >= sizeof length)
        memcpy(&length, w->bytes, sizeof length);
    if (w->size >= sizeof length && length == w->size - sizeof length) {
        w->bytes[w->size] = 0; /* receive() keeps room */
        r.text = w->bytes + sizeof length;
        r.size = (size_t)length;
    }
    return p->work->done(p->work->context, w->job, &r);
}

/* Gives free workers something to do. */
static bool fill(struct pool *p) {
    assert(p->busy <= p->count);
    for (unsigned i = 0; p->more && i < p->count; i++) {
        size_t job;
        if (p->workers[i].pid)
            continue;
        p->more = p->work->next(p->work->context, &job);
        if (p->more && !start(p, &p->workers[i], job))
            return false;
    }
    return true;
}

/* Waits for news and takes it in. */
static enum pool_end attend(struct pool *p) {
    assert(p->busy > 0);
    for (unsigned i = 0; i < p->count; i++)
        p->polls[i] = (struct pollfd){.fd = p->workers[i].pid ? p->workers[i].fd : -1, .events = POLLIN};
    if (poll(p->polls, p->count, -1) < 0)
        return errno == EINTR ? POOL_ALL : POOL_FAILED;
    for (unsigned i = 0; i < p->count; i++) {
        struct worker *w = &p->workers[i];
        if (!w->pid || !p->polls[i].revents)
            continue;
        const int came = receive(w);
        if (came < 0)
            return POOL_FAILED;
        p->stopped = (!came && !finish(p, w)) || p->stopped;
        p->more = (!came || p->more) && !p->stopped; /* a job that ended may have to be done again */
    }
    return POOL_ALL;
}

static enum pool_end run(struct pool *p) {
    while (!interrupted) {
        if (!fill(p))
            return POOL_FAILED;
        if (!p->busy)
            return p->stopped ? POOL_STOPPED : POOL_ALL;
        if (attend(p) == POOL_FAILED)
            return POOL_FAILED;
    }
    return POOL_INTERRUPTED;
}

/* SIGKILL: their work is of no use any more, and they hold nothing that must be put back. */
static void end_all(struct pool *p) {
    struct rusage used;
    for (unsigned i = 0; i < p->count; i++) {
        if (p->workers[i].pid) {
            kill(p->workers[i].pid, SIGKILL);
            reap(&p->workers[i], &used);
        }
        free(p->workers[i].bytes);
    }
}

/* Handlers are put back as they were, whatever happens: the program goes on after it. */
enum pool_end pool_run(const struct pool_work *work, unsigned workers) {
    assert(workers > 0 && workers <= POOL_WORKERS);
    struct sigaction act = {.sa_handler = on_interrupt}, before[2];
    struct pool p = {.work = work, .count = workers, .more = true};
    enum pool_end end = POOL_FAILED;
    p.workers = calloc(workers, sizeof *p.workers);
    p.polls = calloc(workers, sizeof *p.polls);
    interrupted = 0;
    sigaction(SIGINT, &act, &before[0]);
    sigaction(SIGTERM, &act, &before[1]);
    fflush(NULL); /* or children would hold, and never write, what is buffered */
    if (p.workers && p.polls) {
        end = run(&p);
        end_all(&p);
    }
    sigaction(SIGINT, &before[0], NULL);
    sigaction(SIGTERM, &before[1], NULL);
    free(p.workers);
    free(p.polls);
    return end;
}
