/* SPDX-License-Identifier: MIT */
/* Reference generators: each pattern visits what it says, zipf draws as the law does, a seed gives the same references.
 */
#include "helpers.h"

#include <math.h>

#include "scenario/pattern.h"

#define BASE UINT64_C(0x7f0000000000)

static struct vmsim__step_touch step_of(enum vmsim__pattern pattern, uint64_t count) {
    return (struct vmsim__step_touch){.pattern = (int)pattern,
                                      .count = count,
                                      .stride = 4096,
                                      .size = 8,
                                      .exponent = 1000000,
                                      .hot = 100000,
                                      .hot_share = 900000};
}

/* Counts how often each granule is referenced. */
static void count(struct vmsim__alloc *a, const struct vmsim__step_touch *step, uint64_t granules, uint64_t *seen) {
    struct vmsim__references r;
    vmsim_access chunk[257];
    memset(seen, 0, granules * sizeof *seen);
    assert_int_equal(vmsim__references_init(&r, a, step, BASE, granules * 4096, test_seed(), "test"), 0);
    for (size_t n; (n = vmsim__references_fill(&r, chunk, TEST_COUNT(chunk))) != 0;) {
        for (size_t i = 0; i < n; i++) {
            uint64_t granule = (vmsim_access_va(chunk[i]) - BASE) / 4096;
            assert_true(granule < granules);
            seen[granule]++;
        }
    }
    vmsim__references_fini(&r);
}

static void sequential_and_chase_visit_each_granule_once_a_round(void **state) {
    struct vmsim__alloc *a = *state;
    uint64_t seen[100];
    const enum vmsim__pattern patterns[] = {VMSIM__PATTERN_SEQUENTIAL, VMSIM__PATTERN_STRIDE,
                                            VMSIM__PATTERN_POINTER_CHASE};
    for (size_t p = 0; p < TEST_COUNT(patterns); p++) {
        struct vmsim__step_touch step = step_of(patterns[p], 300);
        count(a, &step, 100, seen);
        for (size_t i = 0; i < 100; i++)
            assert_int_equal(seen[i], 3);
    }
}

static void hot_cold_keeps_its_shares(void **state) {
    uint64_t seen[100], hot = 0;
    struct vmsim__step_touch step = step_of(VMSIM__PATTERN_HOT_COLD, 100000);
    count(*state, &step, 100, seen);
    for (size_t i = 0; i < 10; i++)
        hot += seen[i];
    assert_in_range(hot, 89000, 91000);
}

/* The sorted frequencies of `n` granules against the law, within five standard deviations. */
static void check_zipf(struct vmsim__alloc *a, uint64_t exponent) {
    enum { N = 1000, DRAWS = 1000000 };
    static uint64_t seen[N];
    struct vmsim__step_touch step = step_of(VMSIM__PATTERN_ZIPF, DRAWS);
    step.exponent = exponent;
    count(a, &step, N, seen);
    double total = 0, theta = (double)exponent / 1e6;
    for (unsigned i = 1; i <= N; i++)
        total += pow(i, -theta);
    for (unsigned rank = 0; rank < 5; rank++) {
        uint64_t best = 0;
        size_t at = 0;
        for (size_t i = 0; i < N; i++) {
            if (seen[i] > best) {
                best = seen[i];
                at = i;
            }
        }
        double expected = DRAWS * pow(rank + 1, -theta) / total, sigma = sqrt(expected);
        if (fabs((double)best - expected) > 5 * sigma)
            fail_msg("exponent %.2f rank %u: %llu draws, the law says %.0f", theta, rank, (unsigned long long)best,
                     expected);
        seen[at] = 0;
    }
}

static void zipf_follows_the_law(void **state) {
    check_zipf(*state, 1000000);
    check_zipf(*state, 800000);
    check_zipf(*state, 1200000);
}

static void writes_come_in_their_share(void **state) {
    struct vmsim__references r;
    struct vmsim__step_touch step = step_of(VMSIM__PATTERN_UNIFORM, 100000);
    vmsim_access chunk[1000];
    uint64_t writes = 0;
    step.write = 300000;
    assert_int_equal(vmsim__references_init(&r, *state, &step, BASE, 1 << 20, test_seed(), "writes"), 0);
    for (size_t n; (n = vmsim__references_fill(&r, chunk, TEST_COUNT(chunk))) != 0;) {
        for (size_t i = 0; i < n; i++)
            writes += vmsim_access_kind(chunk[i]) == VMSIM_STORE;
    }
    vmsim__references_fini(&r);
    assert_in_range(writes, 29000, 31000);
}

static int setup(void **state) {
    *state = test_alloc();
    return 0;
}
static int teardown(void **state) {
    test_alloc_end(*state);
    return 0;
}

/* Runs of other days must be run again: what a seed gives is fixed, to the last reference, however many are asked for
 * at once. */
static void a_seed_gives_these_references_for_ever(void **state) {
    static const uint64_t sums[] = {UINT64_C(0xc9fc2a3fb05c0821), UINT64_C(0xc9fc2a3fb05c0821),
                                    UINT64_C(0x3fda4e0c16d45e4),  UINT64_C(0xfc78c7bfabd545e4),
                                    UINT64_C(0x77ab089ef8c24054), UINT64_C(0x5ece475cea7a6c73)};
    for (int pattern = 0; pattern < (int)TEST_COUNT(sums); pattern++)
        for (size_t chunk = 1; chunk <= 1000; chunk = chunk * 3 + 1) {
            struct vmsim__step_touch step = step_of((enum vmsim__pattern)pattern, 20000);
            struct vmsim__references r;
            vmsim_access a[1000];
            uint64_t sum = 0;
            step.write = 300000;
            step.exponent = 900000;
            assert_int_equal(vmsim__references_init(&r, *state, &step, BASE, 777 * 4096, 5, "fixed"), 0);
            for (size_t n; (n = vmsim__references_fill(&r, a, chunk)) != 0;)
                for (size_t i = 0; i < n; i++)
                    sum = (sum ^ a[i]) * UINT64_C(0x9e3779b97f4a7c15) + 1;
            vmsim__references_fini(&r);
            if (sum != sums[pattern])
                fail_msg("pattern %d by %zu: 0x%llx", pattern, chunk, (unsigned long long)sum);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sequential_and_chase_visit_each_granule_once_a_round, setup, teardown),
        cmocka_unit_test_setup_teardown(hot_cold_keeps_its_shares, setup, teardown),
        cmocka_unit_test_setup_teardown(zipf_follows_the_law, setup, teardown),
        cmocka_unit_test_setup_teardown(writes_come_in_their_share, setup, teardown),
        cmocka_unit_test_setup_teardown(a_seed_gives_these_references_for_ever, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
