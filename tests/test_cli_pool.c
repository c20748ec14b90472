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
        const struct pool_work work = {&p, next, perform, done};
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
    const struct pool_work work = {&p, next, perform, done};
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
    const struct pool_work work = {&p, next, interrupt, done};
    assert_int_equal(pool_run(&work, 4), POOL_INTERRUPTED);
    assert_true(p.over <= 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_job_ends_once_whole_or_killed),
        cmocka_unit_test(nothing_begins_after_a_stop),
        cmocka_unit_test(an_interrupt_ends_those_at_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
