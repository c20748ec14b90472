/* SPDX-License-Identifier: MIT */
/* Interval timers (setitimer, alarm): their signals come by the program's clock, as what its code asks it for does. A
 * profiler's samples, and what a handler does at each tick, are then as many as natively.
 *
 *     setitimer -> QEMU's call of its C library -> noted here, and a thread of this library sleeps
 *     as long as a timer has left; looks at the program's clock, or its CPU time; kill(SIGALRM, SIGPROF, SIGVTALRM)
 *
 * The clock is never faster than the host's, so what is left of a timer is never slept too long. A fork's child has no
 * timers, as natively. An exec keeps what is left, which the kernel's timer then counts by the host's clock.
 *                                                                        Kernel counterpart: kernel/time/itimer.c */
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "trace/plugin/plugin.h"

#define EXPORT __attribute__((visibility("default")))
#define SECOND INT64_C(1000000000)

enum { TIMERS = 3, LEAST_NS = 100000, MOST_NS = 50000000, STACK = 128 << 10 };

static const int signals[TIMERS] = {[ITIMER_REAL] = SIGALRM, [ITIMER_VIRTUAL] = SIGVTALRM, [ITIMER_PROF] = SIGPROF};

static struct {
    pthread_mutex_t lock;
    struct {
        int64_t next, interval; /* by its clock; next 0: not set */
    } at[TIMERS];
    pid_t process; /* that the thread is of; 0: there is none */
} timers = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int64_t time_of(unsigned which) {
    int64_t user, kernel;
    if (which == ITIMER_REAL)
        return plugin_clock_now();
    plugin_clock_process(&user, &kernel);
    return which == ITIMER_VIRTUAL ? user : user + kernel;
}

/* Sends what is due; how long until something may be. Under the lock. */
static int64_t look(void) {
    int64_t left = MOST_NS;
    for (unsigned i = 0; i < TIMERS; i++) {
        if (!timers.at[i].next)
            continue;
        const int64_t now = time_of(i);
        if (now >= timers.at[i].next) {
            kill(getpid(), signals[i]);
            const int64_t late = now - timers.at[i].next, every = timers.at[i].interval;
            timers.at[i].next = every ? now + every - late % every : 0;
        }
        if (timers.at[i].next && timers.at[i].next - now < left)
            left = timers.at[i].next - now;
    }
    return left < LEAST_NS ? LEAST_NS : left;
}

static void *watch(void *nothing) {
    for (;;) {
        pthread_mutex_lock(&timers.lock);
        const int64_t left = look();
        pthread_mutex_unlock(&timers.lock);
        const struct timespec moment = {0, left};
        syscall(SYS_nanosleep, &moment, NULL);
    }
    return nothing;
}

/* A thread of QEMU's process that no signal of the program's goes to. False: there is none. */
static bool have_watch(void) {
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, old;
    if (timers.process == getpid())
        return true;
    plugin_create_thread *create = __extension__(plugin_create_thread *) dlsym(RTLD_NEXT, "pthread_create");
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, STACK);
    const int err = plugin_thread_create(create, &thread, &attr, watch, NULL);
    pthread_attr_destroy(&attr);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    timers.process = err ? 0 : getpid();
    return !err;
}

void plugin_timers_forked(void) {
    pthread_mutex_init(&timers.lock, NULL);
    for (unsigned i = 0; i < TIMERS; i++)
        timers.at[i].next = timers.at[i].interval = 0;
    timers.process = 0;
}

static int64_t ns_of(struct timeval t) {
    return t.tv_sec * SECOND + t.tv_usec * 1000;
}

static struct timeval time_val(int64_t ns) {
    return (struct timeval){ns / SECOND, ns % SECOND / 1000};
}

static bool is_valid(struct timeval t) {
    return t.tv_sec >= 0 && t.tv_usec >= 0 && t.tv_usec < 1000000;
}

static void read_timer(unsigned which, struct itimerval *to) {
    const int64_t next = timers.at[which].next, left = next ? next - time_of(which) : 0;
    to->it_interval = time_val(timers.at[which].interval);
    to->it_value = time_val(next ? left < 1000 ? 1000 : left : 0);
}

void plugin_timers_exec(void) {
    for (unsigned i = 0; i < TIMERS; i++) {
        struct itimerval left;
        read_timer(i, &left);
        if (timers.at[i].next)
            syscall(SYS_setitimer, i, &left, NULL);
    }
}

static bool is_ours(int which) {
    return plugin.arena && plugin_calling() && which >= 0 && which < TIMERS;
}

EXPORT int getitimer(__itimer_which_t which, struct itimerval *value) {
    if (!is_ours((int)which))
        return (int)syscall(SYS_getitimer, which, value);
    pthread_mutex_lock(&timers.lock);
    read_timer((unsigned)which, value);
    pthread_mutex_unlock(&timers.lock);
    return 0;
}

EXPORT int setitimer(__itimer_which_t which, const struct itimerval *restrict value, struct itimerval *restrict old) {
    if (!is_ours((int)which) || !value || !have_watch())
        return (int)syscall(SYS_setitimer, which, value, old);
    if (!is_valid(value->it_value) || !is_valid(value->it_interval)) {
        errno = EINVAL;
        return -1;
    }
    pthread_mutex_lock(&timers.lock);
    const struct itimerval new = *value;
    if (old)
        read_timer((unsigned)which, old);
    const int64_t first = ns_of(new.it_value);
    timers.at[which].next = first ? time_of((unsigned)which) + first : 0;
    timers.at[which].interval = first ? ns_of(new.it_interval) : 0;
    pthread_mutex_unlock(&timers.lock);
    return 0;
}

/* What is left is rounded as the kernel's is: never to 0. */
EXPORT unsigned alarm(unsigned seconds) {
    const struct itimerval new = {.it_value.tv_sec = seconds};
    struct itimerval old = {0};
    if (setitimer(ITIMER_REAL, &new, &old))
        return 0;
    if (!old.it_value.tv_sec && !old.it_value.tv_usec)
        return 0;
    return (unsigned)old.it_value.tv_sec +
           ((!old.it_value.tv_sec && old.it_value.tv_usec) || old.it_value.tv_usec >= 500000);
}
