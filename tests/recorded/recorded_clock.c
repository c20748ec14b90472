/* SPDX-License-Identifier: MIT */
/* The monotonic clock, the date and CPU time go by what the program does, however slow it is made, and waits end by
 * them. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "recorded_say.h"

enum { MS = 1000000, ROUNDS = 20 };

static volatile unsigned char bytes[1 << 16];
static volatile int over;

static long now(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return t.tv_sec * 1000000000L + t.tv_nsec;
}

static struct timespec in(long ns) {
    long t = now(CLOCK_MONOTONIC) + ns;
    return (struct timespec){t / 1000000000, t % 1000000000};
}

static void work(void) {
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] += (unsigned char)i;
}

/* The best of some: a busy host takes its share. */
static long best_ns_a_store(clockid_t clock) {
    long best = 1000000;
    for (int r = 0; r < 5; r++) {
        long began = now(clock);
        for (int i = 0; i < ROUNDS; i++)
            work();
        long took = (now(clock) - began) / (long)(ROUNDS * sizeof bytes);
        best = took < best ? took : best;
    }
    return best;
}

static void *work_beside(void *p) {
    while (!over)
        work();
    return p;
}

static long timed_wait(void) {
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t never;
    pthread_condattr_t by;
    pthread_condattr_init(&by);
    pthread_condattr_setclock(&by, CLOCK_MONOTONIC);
    pthread_cond_init(&never, &by);
    const struct timespec until = in(5 * MS);
    pthread_mutex_lock(&lock);
    int result = pthread_cond_timedwait(&never, &lock, &until);
    pthread_mutex_unlock(&lock);
    say("a condition that nobody signals", result);
    return now(CLOCK_MONOTONIC) >= until.tv_sec * 1000000000L + until.tv_nsec;
}

static long timer(void) {
    const struct itimerspec at = {.it_value = in(20 * MS)};
    uint64_t times = 0;
    long began = now(CLOCK_MONOTONIC);
    int fd = timerfd_create(CLOCK_MONOTONIC, 0);
    timerfd_settime(fd, TFD_TIMER_ABSTIME, &at, NULL);
    say("a timer's times", read(fd, &times, sizeof times) == sizeof times ? (long)times : -1);
    close(fd);
    return now(CLOCK_MONOTONIC) - began > 15 * MS;
}

static long of(struct timespec t) {
    return t.tv_sec * 1000000000L + t.tv_nsec;
}

/* What a thread and its process take of the CPU is as much as the clock says, if nothing waits. */
static void cpu_time(void) {
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    const long began = now(CLOCK_PROCESS_CPUTIME_ID), thread = now(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < ROUNDS * 10; i++)
        work();
    const long took = now(CLOCK_PROCESS_CPUTIME_ID) - began, own = now(CLOCK_THREAD_CPUTIME_ID) - thread;
    getrusage(RUSAGE_SELF, &after);
    const long user =
        (after.ru_utime.tv_sec - before.ru_utime.tv_sec) * 1000000L + after.ru_utime.tv_usec - before.ru_utime.tv_usec;
    say("stores take CPU time", took > MS && took < 300 * MS);
    say("the thread's own", own <= took + MS && own > took / 2);
    say("which is the user's", user > took / 4000 && user < took / 500);
}

/* The kernel stamps it with the date of the host, which is ahead by now. */
static void date_of_a_file(void) {
    struct stat st = {0};
    struct timeval day;
    const long before = now(CLOCK_REALTIME);
    int fd = open(".", O_TMPFILE | O_WRONLY, 0600);
    say("written", write(fd, "x", 1));
    say("a file is stamped", fstat(fd, &st));
    close(fd);
    const long after = now(CLOCK_REALTIME), second = time(NULL);
    gettimeofday(&day, NULL);
    say("before it was written", of(st.st_mtim) + 20 * MS < before); /* the kernel's coarse clock */
    say("after it was seen", of(st.st_mtim) > after);
    say("the clocks of the date are apart", second < after / 1000000000 || day.tv_sec < after / 1000000000);
}

static long wait_until_a_date(void) {
    sem_t never;
    struct timespec until;
    sem_init(&never, 0, 0);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 5 * MS;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    const int result = sem_timedwait(&never, &until), why = errno;
    say("a semaphore that nobody posts", result == -1 && why == ETIMEDOUT);
    say("until a date", clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL));
    return now(CLOCK_REALTIME) >= of(until) && now(CLOCK_REALTIME) < of(until) + 1000L * MS;
}

int main(void) {
    pthread_t thread;
    say("a store takes less than 10 ns", best_ns_a_store(CLOCK_MONOTONIC) < 10);
    say("and by the date", best_ns_a_store(CLOCK_REALTIME) < 10);
    cpu_time();
    date_of_a_file();
    long began = now(CLOCK_MONOTONIC);
    usleep(20000);
    say("asleep for 20 ms", now(CLOCK_MONOTONIC) - began >= 20 * MS);
    say("a timer goes off when it is time", timer());
    pthread_create(&thread, NULL, work_beside, NULL);
    say("a wait ends when it is time", timed_wait());
    say("and when its date has come", wait_until_a_date());
    const struct timespec moment = {0, 3 * MS};
    began = now(CLOCK_MONOTONIC);
    say("sleep beside work", nanosleep(&moment, NULL));
    say("is not cut short", now(CLOCK_MONOTONIC) - began >= 3 * MS);
    over = 1;
    pthread_join(thread, NULL);
    long last = 0, back = 0;
    for (int i = 0; i < 1000; i++) {
        long t = now(i % 2 ? CLOCK_MONOTONIC : CLOCK_MONOTONIC_COARSE);
        back += i % 2 && t < last;
        last = i % 2 ? t : last;
    }
    say("went back", back);
    return 0;
}
