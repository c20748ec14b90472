/* SPDX-License-Identifier: MIT */
/* Jobs in forked processes (pool.h). A result crosses the pipe as a head and its bytes; whoever is killed half-way
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

/* Before each text. A worker's own result is the last thing that it sends; a leader's others are taken in as they come.
 */
struct head {
    uint64_t job, size;
    uint64_t cpu_us, memory_kb; /* of others than its own, which the parent is told by the kernel */
    int32_t signal;
    uint16_t whole, shared;
};

struct worker {
    pid_t pid; /* 0: free */
    int fd;
    size_t job;
    char *bytes; /* what came and is not taken in: heads, each before its text */
    size_t size, room;
};

struct pool {
    const struct pool_work *work;
    struct worker *workers;
    struct pollfd *polls;
    unsigned count, busy;
    bool more;                /* next() may have another */
    bool stopped;             /* done() wants no more */
    struct pool_child *child; /* of pool_branch(), to be filled in the child */
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

static bool send(int fd, const struct head *head, const char *text) {
    return write_all(fd, head, sizeof *head) && write_all(fd, text, (size_t)head->size);
}

bool pool_hand_on(int fd, size_t job, const struct pool_result *r) {
    const struct head head = {.job = job,
                              .size = r->text ? r->size : 0,
                              .cpu_us = r->cpu_us,
                              .memory_kb = r->memory_kb,
                              .signal = r->signal,
                              .whole = r->text != NULL,
                              .shared = r->shared};
    return send(fd, &head, r->text ? r->text : "");
}

/* The process may not reach its parent's ends: buffers of stdio are the parent's, so nothing but _exit() follows. */
_Noreturn void pool_leave(struct pool_child *c) {
    if (ferror(c->out) || fclose(c->out))
        _exit(1);
    const struct head head = {.job = c->job, .size = c->size, .whole = true, .shared = c->shared};
    _exit(!send(c->fd, &head, c->text));
}

static void begin_child(struct pool_child *c, size_t job, int fd, pid_t parent) {
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    *c = (struct pool_child){.job = job, .fd = fd};
    c->out = open_memstream(&c->text, &c->size);
    if (!c->out)
        _exit(1);
}

_Noreturn static void be_worker(const struct pool_work *work, struct pool_child *c) {
    if (work->lead && c->job >= work->leaders) {
        work->lead(work->context, c->job, c->fd);
        _exit(0);
    }
    work->perform(work->context, c->job, c->out);
    pool_leave(c);
}

/* ---- the parent ---- */

/* The child learns its parent's pid beforehand: one that died before prctl would never be told. POOL_ALL: it runs. */
static enum pool_end start(struct pool *p, struct worker *w, size_t job) {
    int ends[2];
    const pid_t parent = getpid();
    assert(!w->pid);
    if (pipe(ends))
        return POOL_FAILED;
    const pid_t pid = fork();
    if (!pid) {
        struct pool_child own = {0}, *c = p->child ? p->child : &own;
        close(ends[0]);
        begin_child(c, job, ends[1], parent);
        if (p->child)
            return POOL_CHILD;
        be_worker(p->work, c);
    }
    const int error = errno;
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        errno = error;
        return POOL_FAILED;
    }
    *w = (struct worker){.pid = pid, .fd = ends[0], .job = job, .bytes = w->bytes, .room = w->room};
    p->busy++;
    return POOL_ALL;
}

/* 1: something came, 0: that was all, -1: the host failed. */
static int receive(struct worker *w) {
    assert(w->pid && w->size <= w->room);
    if (w->room - w->size <= READ_SIZE) { /* one is kept for a NUL */
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

/* done() gets a text with a NUL behind it, where the next head may begin: receive() keeps room behind the last. */
static bool tell(struct pool *p, size_t job, struct pool_result *r, char *text, const struct head *head) {
    char *end = text + head->size;
    const char kept = *end;
    r->text = head->whole ? text : NULL;
    r->size = (size_t)head->size;
    r->shared = head->shared;
    *end = 0;
    const bool more = p->work->done(p->work->context, job, r);
    *end = kept;
    return more;
}

/* Results of others that a leader has handed on whole. */
static bool take_in(struct pool *p, struct worker *w) {
    struct head head;
    bool more = true;
    while (more && w->size >= sizeof head) {
        memcpy(&head, w->bytes, sizeof head);
        if (head.job == w->job || w->size - sizeof head < head.size)
            break;
        struct pool_result r = {.signal = head.signal, .cpu_us = head.cpu_us, .memory_kb = head.memory_kb};
        const size_t taken = sizeof head + (size_t)head.size;
        more = tell(p, (size_t)head.job, &r, w->bytes + sizeof head, &head);
        w->size -= taken;
        memmove(w->bytes, w->bytes + taken, w->size);
    }
    return more;
}

/* A child that was killed, or a text cut short, is a result without text: the caller says what that means. */
static bool finish(struct pool *p, struct worker *w) {
    assert(p->busy > 0 && w->room > w->size);
    struct rusage used = {0};
    const int status = reap(w, &used);
    struct pool_result r = {.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
                            .cpu_us = microseconds(&used.ru_utime) + microseconds(&used.ru_stime),
                            .memory_kb = (uint64_t)used.ru_maxrss};
    struct head head = {0};
    p->busy--;
    if (w->size >= sizeof head)
        memcpy(&head, w->bytes, sizeof head);
    if (head.whole && head.job == w->job && head.size == w->size - sizeof head)
        return tell(p, w->job, &r, w->bytes + sizeof head, &head);
    return p->work->done(p->work->context, w->job, &r);
}

/* Gives free workers something to do. */
static enum pool_end fill(struct pool *p) {
    assert(p->busy <= p->count);
    enum pool_end end = POOL_ALL;
    for (unsigned i = 0; p->more && i < p->count; i++) {
        size_t job;
        if (p->workers[i].pid)
            continue;
        p->more = p->work->next(p->work->context, &job);
        if (p->more && (end = start(p, &p->workers[i], job)) != POOL_ALL)
            break;
    }
    return end;
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
        const bool more = take_in(p, w) && (came || finish(p, w));
        p->stopped = !more || p->stopped;
        p->more = (!came || p->more) && !p->stopped; /* a job that ended may have to be done again */
    }
    return POOL_ALL;
}

static enum pool_end run(struct pool *p) {
    while (!interrupted) {
        const enum pool_end begun = fill(p);
        if (begun != POOL_ALL)
            return begun;
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

/* Handlers are put back as they were, whatever happens: the program goes on after it. A child's are the default's. */
static enum pool_end run_with(const struct pool_work *work, unsigned workers, struct pool_child *child) {
    assert(workers > 0 && workers <= POOL_WORKERS);
    struct sigaction act = {.sa_handler = on_interrupt}, before[2];
    struct pool p = {.work = work, .count = workers, .more = true, .child = child};
    enum pool_end end = POOL_FAILED;
    p.workers = calloc(workers, sizeof *p.workers);
    p.polls = calloc(workers, sizeof *p.polls);
    interrupted = 0;
    sigaction(SIGINT, &act, &before[0]);
    sigaction(SIGTERM, &act, &before[1]);
    fflush(NULL); /* or children would hold, and never write, what is buffered */
    if (p.workers && p.polls) {
        end = run(&p);
        if (end == POOL_CHILD)
            return end;
        end_all(&p);
    }
    sigaction(SIGINT, &before[0], NULL);
    sigaction(SIGTERM, &before[1], NULL);
    free(p.workers);
    free(p.polls);
    return end;
}

enum pool_end pool_run(const struct pool_work *work, unsigned workers) {
    assert(work->perform);
    return run_with(work, workers, NULL);
}

enum pool_end pool_branch(const struct pool_work *work, struct pool_child *child) {
    assert(child && !work->perform);
    return run_with(work, 1, child);
}
