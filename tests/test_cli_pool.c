/* SPDX-License-Identifier: MIT */
/* Jobs in forked processes: every result arrives once and whole, or its end is told; kills reach one job only. */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cli/pool.h"
#include "helpers.h"

enum { JOBS = 60, LONG = 300000 };

struct plan {
    size_t begun, count;
    unsigned whole[JOBS], killed[JOBS];
    size_t stop_after, over;
    bool wrong;
};

static bool next(void *context, size_t *job) {
    struct plan *p = context;
    *job = p->begun;
    return p->begun++ < p->count;
}

/* Job n writes its number, and more than a pipe holds when it is a multiple of 7; every fifth kills itself half-way. */
static void perform(void *context, size_t job, FILE *out) {
    (void)context;
    fprintf(out, "%zu", job);
    for (int i = 0; job % 7 == 0 && i < LONG; i++)
        fputc('.', out);
    if (job % 5 == 3)
        raise(SIGKILL);
}

static bool done(void *context, size_t job, const struct pool_result *r) {
    struct plan *p = context;
    char want[16];
    const size_t length = (size_t)snprintf(want, sizeof want, "%zu", job);
    if (r->text) {
        p->whole[job]++;
        p->wrong |= strncmp(r->text, want, length) != 0 || r->size != length + (job % 7 ? 0 : LONG);
    } else {
        p->killed[job]++;
        p->wrong |= r->signal != SIGKILL;
    }
    return ++p->over != p->stop_after;
}

static void every_job_ends_once_whole_or_killed(void **state) {
    (void)state;
    for (unsigned workers = 1; workers <= 8; workers *= 2) {
        struct plan p = {.count = JOBS};
        const struct pool_work work = {.context = &p, .next = next, .perform = perform, .done = done};
        assert_int_equal(pool_run(&work, workers), POOL_ALL);
        assert_false(p.wrong);
        for (size_t i = 0; i < JOBS; i++) {
            assert_int_equal(p.whole[i], i % 5 == 3 ? 0 : 1);
            assert_int_equal(p.killed[i], i % 5 == 3 ? 1 : 0);
        }
    }
}

static void nothing_begins_after_a_stop(void **state) {
    (void)state;
    struct plan p = {.count = JOBS, .stop_after = 10};
    const struct pool_work work = {.context = &p, .next = next, .perform = perform, .done = done};
    assert_int_equal(pool_run(&work, 2), POOL_STOPPED);
    assert_in_range(p.over, 10, 12);
    assert_in_range(p.begun, 10, 13);
}

static void interrupt(void *context, size_t job, FILE *out) {
    (void)context;
    (void)out;
    if (job == 3)
        kill(getppid(), SIGINT);
    sleep(job < 3 ? 0 : 20);
}

static void an_interrupt_ends_those_at_work(void **state) {
    (void)state;
    struct plan p = {.count = JOBS};
    const struct pool_work work = {.context = &p, .next = next, .perform = interrupt, .done = done};
    assert_int_equal(pool_run(&work, 4), POOL_INTERRUPTED);
    assert_true(p.over <= 3);
}

/* ---- leaders ---- */

struct team {
    struct plan plan; /* of the leader itself: jobs from `at` on */
    size_t at;
    int fd;
};

static bool hand_on(void *context, size_t job, const struct pool_result *r) {
    const struct team *t = context;
    return pool_hand_on(t->fd, job, r);
}

static bool next_of_team(void *context, size_t *job) {
    struct team *t = context;
    *job = t->at++;
    return t->at <= t->plan.count;
}

/* Leader 1000 + n does the ten jobs from 10 n on, from where it has come; the third leader dies in the middle. */
static void lead(void *context, size_t job, int fd) {
    (void)context;
    struct team t = {.at = (job - 1000) * 10, .plan.count = (job - 1000) * 10 + 10, .fd = fd};
    const struct pool_work work = {.context = &t, .next = next_of_team, .done = hand_on};
    struct pool_child child = {0};
    volatile unsigned come_so_far = 7;
    if (job == 1002)
        t.plan.count -= 5;
    if (pool_branch(&work, &child) == POOL_CHILD) {
        child.shared = come_so_far == 7;
        perform(NULL, child.job, child.out);
        pool_leave(&child);
    }
    if (job == 1002)
        raise(SIGKILL);
}

struct led {
    struct plan plan;
    unsigned shared, leaders, dead;
};

static bool next_leader(void *context, size_t *job) {
    struct led *l = context;
    *job = 1000 + l->plan.begun;
    return l->plan.begun++ < l->plan.count / 10;
}

static bool led_done(void *context, size_t job, const struct pool_result *r) {
    struct led *l = context;
    if (job < 1000) {
        l->shared += r->shared;
        return done(&l->plan, job, r);
    }
    l->leaders++;
    l->dead += r->signal == SIGKILL;
    l->plan.wrong |= r->text != NULL;
    return true;
}

static void leaders_hand_on_what_others_came_to(void **state) {
    (void)state;
    for (unsigned workers = 1; workers <= 4; workers *= 2) {
        struct led l = {.plan.count = JOBS};
        const struct pool_work work = {
            .context = &l, .next = next_leader, .perform = perform, .done = led_done, .lead = lead, .leaders = 1000};
        assert_int_equal(pool_run(&work, workers), POOL_ALL);
        assert_false(l.plan.wrong);
        assert_int_equal(l.leaders, 6);
        assert_int_equal(l.dead, 1);
        assert_int_equal(l.shared, 44); /* of 55 that were begun, a fifth kills itself */
        for (size_t i = 0; i < JOBS; i++) {
            const bool begun = i < 25 || i >= 30;
            assert_int_equal(l.plan.whole[i], begun && i % 5 != 3);
            assert_int_equal(l.plan.killed[i], begun && i % 5 == 3);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_job_ends_once_whole_or_killed),
        cmocka_unit_test(nothing_begins_after_a_stop),
        cmocka_unit_test(an_interrupt_ends_those_at_work),
        cmocka_unit_test(leaders_hand_on_what_others_came_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
