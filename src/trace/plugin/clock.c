/* SPDX-License-Identifier: MIT */
/* The program's clock. A recorded program runs ten to thirty times slower than natively, and what it does by the clock
 * (an allocator gives back what was free for 10 ms, an interpreter's lock changes hands every 5 ms, a scheduler
 * interrupts who has run for 10 ms) it would do as many times more often. So its monotonic clock goes by what it does:
 *
 *     a thread's time   what it has executed, told by its words in the arena, and its time in system calls
 *     the clock         the furthest thread's time; while no thread of any process runs, it goes with the host's
 *
 * It never goes backwards for anybody, and never faster than the host's. The date goes with it, from the host's when
 * the recording began. The kernel stamps files with the host's, which is ahead: who is told such a time is taken there,
 * so that no file is from the future.
 *
 * The CPU time that a thread has taken is what it has executed, and its calls, as far as they may have been work; so
 * are the sums of its process.
 *
 * Waits end by this clock. The kernel ends them by its own, too early: a wait that timed out is made again, while the
 * program's clock has not come to its end; one until a time is given the kernel's time for as long as it lasts.
 *
 * Threads of a process keep together: one that is far ahead of another that runs waits for it, so that the share of
 * work that each gets is as natively on as many CPUs, and not by who had to be translated. */
#include <errno.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "trace/plugin/answer.h"

enum {
    WORD_TENTHS = 4,     /* of a nanosecond a word: half an instruction and more; docs/recording.md */
    READ_NS = 30,        /* a look at the clock */
    AHEAD_NS = 20000,    /* that one thread may be */
    STUCK_NS = 20000000, /* without progress of who is behind: it waits for something that is not seen */
    CALL_NS = 1000,      /* of a call at most are taken for work: it may have waited */
    PATIENCE = 100,      /* of a wait's length that it may take of the host */
};

static int64_t host_time(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int64_t host_now(void) {
    return host_time(CLOCK_MONOTONIC);
}

static void raise_to(_Atomic int64_t *clock, int64_t time) {
    int64_t seen = atomic_load(clock);
    while (seen < time && !atomic_compare_exchange_weak(clock, &seen, time))
        ;
}

void plugin_clock_count(struct vcpu *v) {
    const struct arena_slot *s = v->slot;
    uint64_t pos = atomic_load_explicit(&s->pos, memory_order_relaxed);
    if (s->chunk != ARENA_NO_CHUNK && pos > v->counted)
        v->words += pos - v->counted;
    v->counted = pos;
}

/* The thread's time is what it has executed so far. */
static void settle(struct vcpu *v) {
    uint64_t tenths = WORD_TENTHS;
    if (plugin.arena->left_out)
        tenths *= 2; /* code and data are one word each */
    plugin_clock_count(v);
    const int64_t took = (int64_t)(v->words * tenths / 10);
    int64_t time = atomic_load(&v->slot->time) + took;
    atomic_fetch_add(&v->user_ns, took);
    v->words = 0;
    atomic_store(&v->slot->time, time);
    raise_to(&plugin.arena->clock, time);
}

static void runs(struct vcpu *v, int64_t now) {
    struct arena *a = plugin.arena;
    if (atomic_exchange(&v->slot->running, 1) || atomic_fetch_add(&a->running, 1) > 0)
        return;
    int64_t idle = now - atomic_load(&a->idle_since);
    if (idle > 0)
        atomic_fetch_add(&a->clock, idle);
}

void plugin_clock_begin(struct vcpu *v) {
    v->words = 0;
    atomic_store(&v->user_ns, 0);
    atomic_store(&v->kernel_ns, 0);
    v->counted = atomic_load(&v->slot->pos);
    runs(v, host_now());
    atomic_store(&v->slot->time, atomic_load(&plugin.arena->clock));
}

int64_t plugin_clock_now(void) {
    const struct arena *a = plugin.arena;
    const int64_t clock = atomic_load(&a->clock);
    const int64_t idle = atomic_load(&a->running) ? 0 : host_now() - atomic_load(&a->idle_since);
    return idle > 0 ? clock + idle : clock;
}

void plugin_clock_stop(struct arena_slot *s) {
    if (atomic_exchange(&s->running, 0))
        atomic_fetch_sub(&plugin.arena->running, 1);
}

/* ---- keeping together */

static bool is_behind(const struct vcpu *o, const struct vcpu *v) {
    return o->live && atomic_load(&o->slot->running) &&
           atomic_load(&o->slot->time) + AHEAD_NS < atomic_load(&v->slot->time);
}

static void wait_for(struct vcpu *o, const struct vcpu *v) {
    const struct timespec moment = {0, 20000};
    int64_t seen = atomic_load(&o->slot->time), since = host_now();
    while (is_behind(o, v)) {
        int64_t time = atomic_load(&o->slot->time);
        if (time == o->stuck_at)
            return;
        if (time != seen)
            since = host_now();
        else if (host_now() - since > STUCK_NS)
            o->stuck_at = time;
        seen = time;
        syscall(SYS_nanosleep, &moment, NULL);
    }
}

void plugin_clock_pace(struct vcpu *v) {
    int saved = errno;
    settle(v);
    for (unsigned i = 0; i < plugin.vcpus && plugin.vcpus > 1; i++)
        if (&plugin_vcpu[i] != v && is_behind(&plugin_vcpu[i], v))
            wait_for(&plugin_vcpu[i], v);
    errno = saved;
}

/* ---- waits */

/* How a call says until when it waits: the argument, in which form, and what it returns when the time is over. */
enum form { MILLISECONDS, RELATIVE, MICRO, ABSOLUTE, DATE };
struct limit {
    unsigned argument;
    enum form form;
    int64_t over;
};

static bool limit_of_futex(const uint64_t *args, struct limit *l) {
    const uint64_t command = args[1] & (uint64_t)(FUTEX_CMD_MASK);
    const bool date = args[1] & FUTEX_CLOCK_REALTIME || command == FUTEX_LOCK_PI;
    *l = (struct limit){3, command == FUTEX_WAIT ? RELATIVE : date ? DATE : ABSOLUTE, -ETIMEDOUT};
    return command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET || command == FUTEX_LOCK_PI ||
           command == FUTEX_LOCK_PI2;
}

static bool limit_of(const struct vcpu *v, struct limit *l) {
    const uint64_t *a = v->args;
    switch (v->number) {
    case SYS_poll:
        *l = (struct limit){2, MILLISECONDS, 0};
        return (int32_t)a[2] > 0;
    case SYS_epoll_wait:
    case SYS_epoll_pwait:
        *l = (struct limit){3, MILLISECONDS, 0};
        return (int32_t)a[3] > 0;
    case SYS_ppoll:
        *l = (struct limit){2, RELATIVE, 0};
        return true;
    case SYS_pselect6:
        *l = (struct limit){4, RELATIVE, 0};
        return true;
    case SYS_select:
        *l = (struct limit){4, MICRO, 0};
        return true;
    case SYS_nanosleep:
        *l = (struct limit){0, RELATIVE, 0};
        return true;
    case SYS_clock_nanosleep:
        *l = (struct limit){2, !(a[1] & TIMER_ABSTIME) ? RELATIVE : a[0] == CLOCK_REALTIME ? DATE : ABSOLUTE, 0};
        return a[0] == CLOCK_MONOTONIC || a[0] == CLOCK_REALTIME;
    case SYS_mq_timedsend:
    case SYS_mq_timedreceive:
        *l = (struct limit){4, DATE, -ETIMEDOUT};
        return true;
    case SYS_rt_sigtimedwait:
        *l = (struct limit){2, RELATIVE, -EAGAIN};
        return true;
    case SYS_futex:
        return limit_of_futex(a, l);
    default:
        return false;
    }
}

/* The time at `va`, as nanoseconds; negative: there is none. */
static int64_t read_time(uint64_t va, enum form form, int64_t words[2]) {
    if (!va || plugin_read_guest(va, words, 2 * sizeof *words) != 2 * sizeof *words || words[0] < 0 || words[1] < 0 ||
        words[0] > INT32_MAX || words[1] > 999999999)
        return -1;
    return words[0] * INT64_C(1000000000) + words[1] * (form == MICRO ? 1000 : 1);
}

static void write_time(uint64_t va, int64_t ns) {
    int64_t words[2] = {ns / 1000000000, ns % 1000000000};
    plugin_write_guest(va, words, sizeof words);
}

/* The kernel is given `for_ns` from now, in the program's own words, which get their value back after the call. */
static void lend(struct vcpu *v, uint64_t va, enum form form, int64_t for_ns) {
    v->lent = va;
    write_time(va, host_time(form == DATE ? CLOCK_REALTIME : CLOCK_MONOTONIC) + (for_ns > 0 ? for_ns : 1));
}

static int64_t date(void) {
    return atomic_load(&plugin.arena->clock) + atomic_load(&plugin.arena->date_ahead);
}

/* A timer is set to a time of a clock that the call does not name. Seconds since 1970 are of the date. */
static void set_timer(struct vcpu *v) {
    const uint64_t va = v->args[2] + 16; /* it_value */
    const int64_t years = INT64_C(30) * 365 * 86400 * 1000000000;
    const int64_t ns = v->args[1] & TIMER_ABSTIME && v->args[2] ? read_time(va, ABSOLUTE, v->limit_words) : 0;
    if (ns > 0 && ns < years)
        lend(v, va, ABSOLUTE, ns - atomic_load(&plugin.arena->clock));
    else if (ns > 0)
        lend(v, va, DATE, ns - date());
}

static void wait_begins(struct vcpu *v) {
    struct limit l;
    int64_t ns = -1, clock = atomic_load(&plugin.arena->clock);
    bool again = v->again && v->waits_in == v->number;
    v->again = false;
    v->lent = 0;
    if (v->number == SYS_timerfd_settime || v->number == SYS_timer_settime)
        set_timer(v);
    if (!limit_of(v, &l)) {
        v->until = 0;
        return;
    }
    if (l.form == MILLISECONDS)
        ns = (int32_t)v->args[l.argument] * INT64_C(1000000);
    else
        ns = read_time(v->args[l.argument], l.form, v->limit_words);
    if (ns < 0) {
        v->until = 0;
        return;
    }
    if (!again) {
        v->until = l.form == ABSOLUTE ? ns : l.form == DATE ? clock + ns - date() : clock + ns;
        v->waits = v->until > clock ? v->until - clock : 0;
        v->waited = 0;
        v->waits_in = v->number;
    }
    if (l.form == ABSOLUTE || l.form == DATE)
        lend(v, v->args[l.argument], l.form, v->until - clock);
}

static void give_back(struct vcpu *v) {
    if (v->lent)
        plugin_write_guest(v->lent, v->limit_words, sizeof v->limit_words);
    v->lent = 0;
}

bool plugin_clock_waits_on(struct vcpu *v, int64_t result) {
    struct limit l;
    give_back(v);
    if (!v->until || !limit_of(v, &l) || result != l.over)
        return false;
    const int64_t clock = atomic_load(&plugin.arena->clock), slack = v->waits / 16;
    v->waited += host_now() - v->left_at;
    if (clock + slack + AHEAD_NS >= v->until || v->waited > v->waits * PATIENCE || !plugin_can_answer(v)) {
        raise_to(&plugin.arena->clock, v->until);
        raise_to(&v->slot->time, v->until);
        return false;
    }
    if (l.form == RELATIVE || l.form == MICRO) /* select and its kin leave there what is left */
        if (v->number != SYS_futex && v->number != SYS_rt_sigtimedwait)
            plugin_write_guest(v->args[l.argument], v->limit_words, sizeof v->limit_words);
    v->again = true;
    plugin_answer_again(v, result, v->args[0]);
    return true;
}

/* ---- calls */

void plugin_clock_leaves(struct vcpu *v) {
    struct arena *a = plugin.arena;
    settle(v);
    wait_begins(v);
    v->left_at = host_now();
    atomic_store(&a->idle_since, v->left_at);
    plugin_clock_stop(v->slot);
}

void plugin_clock_returns(struct vcpu *v) {
    int64_t now = host_now();
    runs(v, now);
    atomic_fetch_add(&v->kernel_ns, now - v->left_at < CALL_NS ? now - v->left_at : CALL_NS);
    int64_t most = atomic_load(&v->slot->time) + (now - v->left_at), clock = atomic_load(&plugin.arena->clock);
    atomic_store(&v->slot->time, most < clock ? most : clock);
}

/* Writes a time to the program, as seconds and nanoseconds or microseconds. */
static void tell_time(struct vcpu *v, uint64_t va, int64_t ahead, bool micro) {
    atomic_fetch_add(&v->slot->time, READ_NS);
    settle(v);
    const int64_t ns = atomic_load(&plugin.arena->clock) + ahead;
    int64_t words[2] = {ns / 1000000000, ns % 1000000000 / (micro ? 1000 : 1)};
    plugin_write_guest(va, words, sizeof words);
}

/* ---- CPU time */

static struct { _Atomic int64_t user, kernel; } ended; /* of threads that are no more */

void plugin_clock_ended(struct vcpu *v) {
    settle(v);
    atomic_fetch_add(&ended.user, atomic_exchange(&v->user_ns, 0));
    atomic_fetch_add(&ended.kernel, atomic_exchange(&v->kernel_ns, 0));
}

void plugin_clock_forked(struct vcpu *v) {
    atomic_store(&ended.user, 0);
    atomic_store(&ended.kernel, 0);
    for (unsigned i = 0; i < plugin.vcpus; i++) {
        atomic_store(&plugin_vcpu[i].user_ns, 0);
        atomic_store(&plugin_vcpu[i].kernel_ns, 0);
    }
    plugin_clock_count(v);
    v->words = 0;
}

/* Of the thread, or of all of its process. */
static void cpu_time(struct vcpu *v, bool thread, int64_t *user, int64_t *kernel) {
    settle(v);
    *user = thread ? 0 : atomic_load(&ended.user);
    *kernel = thread ? 0 : atomic_load(&ended.kernel);
    for (unsigned i = 0; i < plugin.vcpus; i++) {
        const struct vcpu *o = &plugin_vcpu[i];
        if (o == v || (!thread && o->live && o->process == v->process)) {
            *user += atomic_load(&o->user_ns);
            *kernel += atomic_load(&o->kernel_ns);
        }
    }
}

void plugin_clock_process(int64_t *user, int64_t *kernel) {
    *user = atomic_load(&ended.user);
    *kernel = atomic_load(&ended.kernel);
    for (unsigned i = 0; i < plugin.vcpus; i++) {
        *user += atomic_load(&plugin_vcpu[i].user_ns);
        *kernel += atomic_load(&plugin_vcpu[i].kernel_ns);
    }
}

static void tell_cpu_clock(struct vcpu *v) {
    int64_t user, kernel;
    cpu_time(v, v->args[0] == CLOCK_THREAD_CPUTIME_ID, &user, &kernel);
    write_time(v->args[1], user + kernel);
}

static void tell_usage(struct vcpu *v) {
    const int who = (int)v->args[0];
    int64_t user, kernel;
    if (who != RUSAGE_SELF && who != RUSAGE_THREAD)
        return;
    cpu_time(v, who == RUSAGE_THREAD, &user, &kernel);
    const int64_t words[4] = {user / 1000000000, user % 1000000000 / 1000, kernel / 1000000000,
                              kernel % 1000000000 / 1000};
    plugin_write_guest(v->args[1], words, sizeof words);
}

/* In ticks; what it returns goes by the clock. */
static int64_t tell_times(struct vcpu *v, int64_t result) {
    enum { TICK_NS = 10000000 };
    int64_t user, kernel;
    if (result < 0 || !plugin_can_answer(v))
        return result;
    cpu_time(v, false, &user, &kernel);
    const int64_t words[2] = {user / TICK_NS, kernel / TICK_NS};
    if (v->args[0])
        plugin_write_guest(v->args[0], words, sizeof words);
    const int64_t right = result - (host_now() - atomic_load(&plugin.arena->clock)) / TICK_NS;
    plugin_answer(v, result, right);
    return right;
}

/* ---- what it tells */

/* The clocks that go on by themselves. */
static void gettime(struct vcpu *v) {
    struct arena *a = plugin.arena;
    int64_t ahead = 0;
    switch (v->args[0]) {
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_COARSE:
        break;
    case CLOCK_MONOTONIC_RAW:
        ahead = a->raw_ahead;
        break;
    case CLOCK_BOOTTIME:
        ahead = a->boot_ahead;
        break;
    case CLOCK_PROCESS_CPUTIME_ID:
    case CLOCK_THREAD_CPUTIME_ID:
        tell_cpu_clock(v);
        return;
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
        ahead = atomic_load(&a->date_ahead);
        break;
    default:
        return;
    }
    tell_time(v, v->args[1], ahead, false);
}

/* The program has been told the times of a file (`count` from `va` on): the date is at
 * least that. A file that is from the host's future stays it. */
static void see_file(uint64_t va, unsigned count) {
    enum { STRIDE = 16 };
    int64_t words[2];
    for (unsigned i = 0; i < count; i++) {
        const int64_t time = read_time(va + i * STRIDE, ABSOLUTE, words);
        if (time > date() && time <= host_time(CLOCK_REALTIME))
            raise_to(&plugin.arena->date_ahead, time - atomic_load(&plugin.arena->clock));
    }
}

int64_t plugin_clock_read(struct vcpu *v, int64_t result) {
    enum { STAT_TIMES = 72, STATX_TIMES = 64 }; /* atime, mtime, ctime; atime, btime, ctime, mtime */
    const uint64_t *a = v->args;
    switch (v->number) {
    case SYS_clock_gettime:
        if (!result)
            gettime(v);
        break;
    case SYS_gettimeofday:
        if (!result && a[0])
            tell_time(v, a[0], atomic_load(&plugin.arena->date_ahead), true);
        break;
    case SYS_time:
        if (result > 0 && plugin_can_answer(v)) {
            const int64_t right = date() / 1000000000;
            if (a[0])
                plugin_write_guest(a[0], &right, sizeof right);
            plugin_answer(v, result, right);
            return right;
        }
        break;
    case SYS_getrusage:
        if (!result)
            tell_usage(v);
        break;
    case SYS_times:
        return tell_times(v, result);
    case SYS_stat:
    case SYS_fstat:
    case SYS_lstat:
        if (!result)
            see_file(a[1] + STAT_TIMES, 3);
        break;
    case SYS_newfstatat:
        if (!result)
            see_file(a[2] + STAT_TIMES, 3);
        break;
    case SYS_statx:
        if (!result)
            see_file(a[4] + STATX_TIMES, 4);
        break;
    default:
        break;
    }
    return result;
}
