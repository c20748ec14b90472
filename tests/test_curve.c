/* SPDX-License-Identifier: MIT */
/* Curves of one pass against plain simulations: a cache of each size, a TLB of each shape, each window of a trace. */
#include "analysis/analysis.h"
#include "base/util.h"
#include "helpers.h"
#include "vmsim/testing.h"
#include "vmsim/trace.h"

#define PAGE UINT64_C(4096)
#define TOUCHES 3000

static uint64_t pages_of[TOUCHES]; /* the workload: page numbers */

/* Runs of one page, a hot set, loops, jumps: distances from 0 to all. */
static void random_pages(struct vmsim__rng *r, uint64_t pages) {
    uint64_t at = 0;
    for (size_t i = 0; i < TOUCHES; i++) {
        switch (vmsim__rng_below(r, 5)) {
        case 0:
            at = vmsim__rng_below(r, pages);
            break;
        case 1:
            at = vmsim__rng_below(r, 1 + pages / 10);
            break;
        case 2:
            at = (at + 1) % pages;
            break;
        default:
            break;
        }
        pages_of[i] = at;
    }
}

/* Zipf-like: page p with a weight of 1 / (p + 1), by a sum over halves. */
static uint64_t skewed(struct vmsim__rng *r, unsigned bits) {
    uint64_t octave = vmsim__rng_below(r, bits);
    return (UINT64_C(1) << octave) + vmsim__rng_below(r, UINT64_C(1) << octave);
}

static struct vmsim_curve *curve_of(const struct vmsim_curve_options *options, size_t count) {
    static vmsim_access accesses[TOUCHES];
    struct vmsim_curve *c;
    for (size_t i = 0; i < count; i++)
        accesses[i] = vmsim_access_make(pages_of[i] * PAGE + i % 4000, 8, VMSIM_LOAD);
    assert_int_equal(vmsim_curve_create(options, &c), 0);
    for (size_t i = 0; i < count; i += 97) /* in portions */
        assert_int_equal(vmsim_curve_add(c, 0, 0, "t", accesses + i, vmsim__min64(97, count - i)), 0);
    return c;
}

/* ---- plain simulations ---- */

/* Misses of `sets` lists of `ways` pages, least recently used ones evicted. */
static uint64_t plain_misses(size_t count, uint64_t sets, uint64_t ways) {
    uint64_t *lists = calloc(sets * ways, sizeof *lists), misses = 0;
    assert_non_null(lists);
    for (size_t i = 0; i < count; i++) {
        uint64_t *set = lists + pages_of[i] % sets * ways, w = 0;
        while (w < ways && set[w] != pages_of[i] + 1)
            w++;
        misses += w == ways;
        for (w = w < ways ? w : ways - 1; w; w--)
            set[w] = set[w - 1];
        set[0] = pages_of[i] + 1;
    }
    free(lists);
    return misses;
}

static uint64_t distinct(size_t from, size_t to) {
    uint64_t n = 0;
    for (size_t i = from; i < to; i++) {
        bool seen = false;
        for (size_t j = from; j < i && !seen; j++)
            seen = pages_of[j] == pages_of[i];
        n += !seen;
    }
    return n;
}

/* ---- misses ---- */

static void test_misses_of_every_memory_are_those_of_a_cache_of_its_size(void **state) {
    struct vmsim__rng r = test_rng("curve memory");
    (void)state;
    for (int round = 0; round < 8; round++) {
        uint64_t pages = 1 + vmsim__rng_below(&r, round % 2 ? 400 : 20);
        random_pages(&r, pages);
        struct vmsim_curve *c = curve_of(NULL, TOUCHES);
        for (uint64_t size = 1; size <= pages + 2; size += 1 + size / 16)
            assert_int_equal(vmsim_curve_misses(c, 0, size), plain_misses(TOUCHES, 1, size));
        assert_int_equal(vmsim_curve_misses(c, 0, 0), TOUCHES);
        struct vmsim_curve_series s;
        assert_int_equal(vmsim_curve_get_series(c, 0, &s), 0);
        assert_int_equal(s.touches, TOUCHES);
        assert_int_equal(s.pages, distinct(0, TOUCHES));
        assert_int_equal(vmsim_curve_misses(c, 0, s.peak), s.pages);
        assert_true(!s.peak || vmsim_curve_misses(c, 0, s.peak - 1) > s.pages);
        assert_int_equal(vmsim_curve_deviation(c, 0, 1), 0);
        vmsim_curve_destroy(c);
    }
}

static void test_misses_of_every_TLB_are_those_of_its_sets(void **state) {
    struct vmsim__rng r = test_rng("curve TLB");
    (void)state;
    for (int round = 0; round < 4; round++) {
        random_pages(&r, 1 + vmsim__rng_below(&r, 600));
        struct vmsim_curve *c = curve_of(NULL, TOUCHES);
        for (uint32_t sets = 1; sets <= 1024; sets *= 4) {
            for (uint32_t ways = 1; ways <= VMSIM_CURVE_WAYS; ways += 1 + ways / 4)
                assert_int_equal(vmsim_curve_tlb_misses(c, 0, sets, ways), plain_misses(TOUCHES, sets, ways));
        }
        for (uint32_t ways = 1; ways <= VMSIM_CURVE_WAYS; ways++) /* one set is a memory */
            assert_int_equal(vmsim_curve_tlb_misses(c, 0, 1, ways), vmsim_curve_misses(c, 0, ways));
        assert_true(vmsim_curve_tlb_misses(c, 0, 3, 1) == UINT64_MAX);
        assert_true(vmsim_curve_tlb_misses(c, 0, 2048, 1) == UINT64_MAX);
        assert_true(vmsim_curve_tlb_misses(c, 0, 1, 33) == UINT64_MAX);
        vmsim_curve_destroy(c);
    }
}

/* The real policy over the lists that a machine has, at twenty sizes: one pass says the same, to the unit. */
static void test_one_pass_says_what_twenty_runs_of_the_lru_policy_say(void **state) {
    static uint64_t pages[60000];
    struct vmsim__rng r = test_rng("curve and policy");
    struct vmsim_curve *c;
    (void)state;
    assert_int_equal(vmsim_curve_create(NULL, &c), 0);
    for (size_t i = 0; i < TEST_COUNT(pages); i++) {
        pages[i] = skewed(&r, 13);
        vmsim_access a = vmsim_access_make(pages[i] * PAGE, 8, VMSIM_LOAD);
        assert_int_equal(vmsim_curve_add(c, 0, 0, NULL, &a, 1), 0);
    }
    for (uint32_t n = 1, frames = 2; n <= 20; n++, frames += 1 + frames / 2) {
        struct vmsim_test_reclaim_options o = {.size = sizeof o, .frames = frames, .policy = "lru"};
        struct vmsim_test_reclaim *t;
        uint64_t misses = 0;
        assert_int_equal(vmsim_test_reclaim_create(&t, &o, NULL, 0), 0);
        assert_int_equal(vmsim_test_reclaim_run(t, pages, TEST_COUNT(pages), &misses), 0);
        assert_int_equal(vmsim_curve_misses(c, 0, frames), misses);
        assert_int_equal(vmsim_test_reclaim_destroy(t), 0);
    }
    vmsim_curve_destroy(c);
}

/* ---- windows ---- */

static void check_window(const struct vmsim_curve_window *w, size_t count) {
    uint64_t sum = 0, windows = count - w->touches + 1;
    for (size_t at = 0; at < windows; at++)
        sum += distinct(at, at + w->touches);
    assert_int_equal(w->footprint, sum * 1000 / windows);
    sum = 0;
    for (size_t at = 1; at <= count; at++)
        sum += distinct(at > w->touches ? at - w->touches : 0, at);
    assert_int_equal(w->working_set, sum * 1000 / count);
}

static void test_windows_hold_what_counting_finds(void **state) {
    struct vmsim__rng r = test_rng("curve windows");
    const size_t count = 400;
    (void)state;
    for (int round = 0; round < 4; round++) {
        struct vmsim_curve_window w;
        uint64_t reuses = 0, index = 0;
        random_pages(&r, 1 + vmsim__rng_below(&r, 60));
        struct vmsim_curve *c = curve_of(NULL, count);
        for (; vmsim_curve_get_window(c, 0, (uint32_t)index, &w); index++) {
            assert_true(w.touches <= count);
            check_window(&w, count);
            reuses += w.reuses;
        }
        assert_true(vmsim__reuse_bound((uint32_t)index) > count);
        assert_true(reuses <= count - distinct(0, count));
        vmsim_curve_destroy(c);
    }
}

static void test_reuse_times_are_counted_in_their_buckets(void **state) {
    (void)state;
    for (uint64_t t = 1; t < 5000; t++) {
        uint32_t b = vmsim__reuse_bucket(t);
        assert_true(t <= vmsim__reuse_bound(b) && (!b || t > vmsim__reuse_bound(b - 1)));
    }
    for (unsigned k = 12; k < 64; k++) {
        uint64_t t = UINT64_C(1) << k;
        assert_int_equal(vmsim__reuse_bound(vmsim__reuse_bucket(t)), t);
        assert_int_equal(vmsim__reuse_bucket(t + 1), vmsim__reuse_bucket(t) + 1);
    }
    assert_int_equal(vmsim__reuse_bucket(UINT64_MAX), VMSIM_CURVE_WINDOWS - 1);
    assert_true(vmsim__reuse_bound(VMSIM_CURVE_WINDOWS - 1) == UINT64_MAX);
    for (size_t i = 0; i < 100; i++)
        pages_of[i] = i % 10;
    struct vmsim_curve *c = curve_of(NULL, 100);
    struct vmsim_curve_window w;
    for (uint32_t i = 0; vmsim_curve_get_window(c, 0, i, &w); i++)
        assert_int_equal(w.reuses, w.touches == 10 ? 90 : 0);
    vmsim_curve_destroy(c);
}

/* ---- what is a page, and whose ---- */

static void test_a_reference_across_a_boundary_touches_both_pages(void **state) {
    vmsim_access a = vmsim_access_make(2 * PAGE - 4, 8, VMSIM_STORE);
    struct vmsim_curve_options o = {.size = sizeof o, .page_sizes = {4096, 8192, 16384}, .page_size_count = 3};
    struct vmsim_curve_series s;
    struct vmsim_curve *c;
    (void)state;
    assert_int_equal(vmsim_curve_create(&o, &c), 0);
    assert_int_equal(vmsim_curve_add(c, 7, 0, NULL, &a, 1), 0);
    assert_int_equal(vmsim_curve_series_count(c), 3);
    static const uint64_t pages[] = {2, 2, 1};
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(vmsim_curve_get_series(c, i, &s), 0);
        assert_int_equal(s.pages, pages[i]);
        assert_int_equal(s.touches, pages[i]);
        assert_int_equal(s.page_size, o.page_sizes[i]);
        assert_int_equal(s.task, VMSIM_CURVE_ALL_TASKS);
    }
    assert_int_equal(vmsim_curve_get_series(c, 3, &s), VMSIM_EINVAL);
    vmsim_curve_destroy(c);
}

static void test_kinds_and_tasks_are_told_apart(void **state) {
    struct vmsim_curve_options o = {.size = sizeof o, .per_task = true, .kinds = 1u << VMSIM_LOAD};
    struct vmsim_curve_series s;
    struct vmsim_curve *c;
    (void)state;
    assert_int_equal(vmsim_curve_create(&o, &c), 0);
    for (uint32_t i = 0; i < 60; i++) {
        vmsim_access a = vmsim_access_make(i % 7 * PAGE, 8, i % 2 ? VMSIM_FETCH : VMSIM_LOAD);
        assert_int_equal(vmsim_curve_add(c, i % 3, i % 3 == 2, i % 3 ? "b" : "a", &a, 1), 0);
    }
    assert_int_equal(vmsim_curve_series_count(c), 4);
    uint64_t touches = 0;
    for (uint32_t i = 1; i < 4; i++) {
        assert_int_equal(vmsim_curve_get_series(c, i, &s), 0);
        assert_int_equal(s.task, i - 1);
        assert_string_equal(s.name, i == 1 ? "a" : "b");
        assert_int_equal(s.pages, 7);
        touches += s.touches;
    }
    assert_int_equal(vmsim_curve_get_series(c, 0, &s), 0);
    assert_int_equal(s.touches, 30);
    assert_int_equal(touches, 30);
    assert_int_equal(s.pages, 14); /* tasks 0 and 1 share their space */
    vmsim_curve_destroy(c);
}

static void test_options_out_of_range_are_refused(void **state) {
    static const struct vmsim_curve_options bad[] = {
        {.size = 1},
        {.size = sizeof *bad, .page_sizes = {2048}, .page_size_count = 1},
        {.size = sizeof *bad, .page_sizes = {12288}, .page_size_count = 1},
        {.size = sizeof *bad, .page_size_count = VMSIM_CURVE_PAGE_SIZES + 1},
        {.size = sizeof *bad, .sample = 1000001},
        {.size = sizeof *bad, .kinds = 16},
        {.size = sizeof *bad, .sets = 3},
        {.size = sizeof *bad, .sets = 8192},
    };
    struct vmsim_curve *c;
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(bad); i++) {
        assert_int_equal(vmsim_curve_create(&bad[i], &c), VMSIM_EINVAL);
        assert_null(c);
    }
    vmsim_access a = vmsim_access_make(0, 1, VMSIM_LOAD);
    assert_int_equal(vmsim_curve_create(NULL, &c), 0);
    assert_int_equal(vmsim_curve_add(c, 0, 1u << 19, NULL, &a, 1), VMSIM_ELIMIT);
    assert_int_equal(vmsim_curve_add(c, VMSIM_CURVE_ALL_TASKS, 0, NULL, &a, 1), VMSIM_EINVAL);
    assert_int_equal(vmsim_curve_add(c, 0, 0, NULL, NULL, 0), 0);
    vmsim_curve_destroy(c);
}

/* ---- sampling ---- */

/* One workload in many address spaces: other pages are kept in each. */
static void sample_once(uint32_t space, unsigned *points, unsigned *within) {
    struct vmsim_curve_options o = {.size = sizeof o, .sample = 50000};
    struct vmsim__rng r;
    struct vmsim_curve *all, *some;
    struct vmsim_curve_series s;
    vmsim__rng_seed_named(&r, 1, "curve sample");
    assert_int_equal(vmsim_curve_create(NULL, &all), 0);
    assert_int_equal(vmsim_curve_create(&o, &some), 0);
    for (size_t i = 0; i < 200000; i++) {
        vmsim_access a = vmsim_access_make(skewed(&r, 15) * PAGE, 8, VMSIM_LOAD);
        assert_int_equal(vmsim_curve_add(all, 0, space, NULL, &a, 1), 0);
        assert_int_equal(vmsim_curve_add(some, 0, space, NULL, &a, 1), 0);
    }
    assert_int_equal(vmsim_curve_get_series(some, 0, &s), 0);
    assert_int_equal(s.touches, 200000);
    uint64_t expected = vmsim__stack_keys(&all->series.at[0]->stack) / 20, four = 4 * vmsim__isqrt(expected);
    assert_in_range(s.pages, expected - four, expected + four);
    for (uint64_t pages = 256; pages < 32768; pages *= 2, ++*points) {
        uint64_t exact = vmsim_curve_misses(all, 0, pages), found = vmsim_curve_misses(some, 0, pages);
        uint64_t off = exact > found ? exact - found : found - exact;
        uint64_t deviation = (uint64_t)vmsim_curve_deviation(some, 0, pages) * 200000 / 1000000;
        assert_true(deviation > 0);
        assert_true(off <= 4 * deviation);
        *within += off <= 2 * deviation;
    }
    assert_true(vmsim_curve_tlb_misses(some, 0, 1, 1) == UINT64_MAX);
    vmsim_curve_destroy(all);
    vmsim_curve_destroy(some);
}

/* Nineteen of twenty points within two deviations is what a normal distribution would have. */
static void test_a_sample_is_as_far_off_as_it_says(void **state) {
    unsigned points = 0, within = 0;
    (void)state;
    for (uint32_t space = 0; space < 12; space++)
        sample_once(space, &points, &within);
    assert_int_equal(points, 84);
    assert_in_range(within, points * 90 / 100, points);
}

/* ---- traces ---- */

static void append(struct vmsim_trace_writer *w, uint32_t task, uint64_t page) {
    vmsim_access a = vmsim_access_make(page * PAGE, 8, VMSIM_LOAD);
    assert_int_equal(vmsim_trace_append(w, task, &a, 1), 0);
}
static void append_fork(struct vmsim_trace_writer *w, uint32_t parent, uint32_t child, uint64_t flags) {
    struct vmsim_trace_event e = {.type = VMSIM_TRACE_FORK, .args = {child, flags}, .file = VMSIM_TRACE_NO_FILE};
    assert_int_equal(vmsim_trace_append_event(w, parent, &e), 0);
}

static void test_address_spaces_are_followed(void **state) {
    char directory[256], path[300], error[256];
    struct vmsim_curve_options o = {.size = sizeof o, .per_task = true};
    struct vmsim_trace_exec image = {.segment_count = 0};
    struct vmsim_trace_writer *w;
    struct vmsim_curve_series s;
    struct vmsim_curve *c;
    (void)state;
    test_mkdir(directory);
    snprintf(path, sizeof path, "%s/t.vmt", directory);
    assert_int_equal(vmsim_trace_create(path, NULL, &w), 0);
    append(w, 0, 1);
    append_fork(w, 0, 1, VMSIM_TRACE_FORK_VM); /* a thread */
    append(w, 1, 1);
    append_fork(w, 0, 2, 0); /* a child of its own */
    append(w, 2, 1);
    append_fork(w, 2, 3, VMSIM_TRACE_FORK_VM | VMSIM_TRACE_FORK_VFORK);
    append(w, 3, 1);
    struct vmsim_trace_event exec = {
        .type = VMSIM_TRACE_EXEC, .path = "/bin/x", .exec = &image, .file = VMSIM_TRACE_NO_FILE};
    assert_int_equal(vmsim_trace_append_event(w, 3, &exec), 0);
    append(w, 3, 1);
    assert_int_equal(vmsim_trace_finish(w, error, sizeof error), 0);
    assert_int_equal(vmsim_curve_create(&o, &c), 0);
    if (vmsim_curve_trace(c, path))
        fail_msg("%s", vmsim_curve_error(c));
    assert_int_equal(vmsim_curve_get_series(c, 0, &s), 0);
    assert_int_equal(s.touches, 5);
    assert_int_equal(s.pages, 3); /* of tasks 0 and 1; of 2 and 3; of 3 after exec */
    assert_int_equal(vmsim_curve_series_count(c), 5);
    vmsim_curve_destroy(c);
    o.limit = 2;
    assert_int_equal(vmsim_curve_create(&o, &c), 0);
    assert_int_equal(vmsim_curve_trace(c, path), 0);
    assert_int_equal(vmsim_curve_get_series(c, 0, &s), 0);
    assert_int_equal(s.touches, 2);
    snprintf(path, sizeof path, "%s/none.vmt", directory);
    assert_int_equal(vmsim_curve_trace(c, path), VMSIM_ENOENT);
    assert_non_null(strstr(vmsim_curve_error(c), "none.vmt"));
    vmsim_curve_destroy(c);
    test_rmdir(directory);
}

/* ---- texts ---- */

static void test_texts_hold_every_point(void **state) {
    struct vmsim__rng r;
    const uint64_t sizes[] = {16 * PAGE, 64 * PAGE};
    const char *text;
    size_t size;
    char line[200];
    (void)state;
    vmsim__rng_seed_named(&r, 1, "curve texts");
    random_pages(&r, 100);
    struct vmsim_curve *c = curve_of(NULL, TOUCHES);
    assert_int_equal(vmsim_curve_render(c, VMSIM_CURVE_CSV, sizes, 2, &text, &size), 0);
    assert_int_equal(size, strlen(text));
    snprintf(line, sizeof line, "\nall,,4096,memory,65536,16,,,%llu,",
             (unsigned long long)plain_misses(TOUCHES, 1, 16));
    assert_non_null(strstr(text, line));
    snprintf(line, sizeof line, "\nall,,4096,tlb,,64,16,4,%llu,", (unsigned long long)plain_misses(TOUCHES, 16, 4));
    assert_non_null(strstr(text, line));
    vmsim_curve_free_text(c, text);
    assert_int_equal(vmsim_curve_render(c, VMSIM_CURVE_JSON, NULL, 0, &text, &size), 0);

    assert_non_null(strstr(text, "\"windows\""));
    vmsim_curve_free_text(c, text);
    assert_int_equal(vmsim_curve_render(c, VMSIM_CURVE_TEXT, NULL, 0, &text, &size), 0);
    assert_non_null(strstr(text, "all tasks, pages of 4KiB: 3,000 touches"));
    vmsim_curve_free_text(c, text);
    assert_int_equal(vmsim_curve_render(c, (enum vmsim_curve_format)3, NULL, 0, &text, &size), VMSIM_EINVAL);
    vmsim_curve_destroy(c);
}

/* ---- host memory ---- */

static void test_a_use_without_memory_changes_nothing(void **state) {
    struct vmsim__rng r = test_rng("curve memory failures");
    struct vmsim__alloc *a = test_alloc();
    struct vmsim__stack s, t;
    (void)state;
    vmsim__stack_init(&s, a);
    vmsim__stack_init(&t, a);
    for (int i = 0; i < 20000; i++) {
        uint64_t key = vmsim__rng_below(&r, 3000), d[2];
        uint32_t index[2];
        assert_true(vmsim__stack_use(&t, key, &d[1], &index[1]));
        vmsim__alloc_fail_after(a, 1 + vmsim__rng_below(&r, 3));
        bool done = vmsim__stack_use(&s, key, &d[0], &index[0]);
        vmsim__alloc_fail_after(a, UINT64_MAX);
        if (!done)
            assert_true(vmsim__stack_use(&s, key, &d[0], &index[0]));
        assert_true(d[0] == d[1]);
        assert_int_equal(index[0], index[1]);
    }
    vmsim__stack_fini(&s);
    vmsim__stack_fini(&t);
    test_alloc_end(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_misses_of_every_memory_are_those_of_a_cache_of_its_size),
        cmocka_unit_test(test_misses_of_every_TLB_are_those_of_its_sets),
        cmocka_unit_test(test_one_pass_says_what_twenty_runs_of_the_lru_policy_say),
        cmocka_unit_test(test_windows_hold_what_counting_finds),
        cmocka_unit_test(test_reuse_times_are_counted_in_their_buckets),
        cmocka_unit_test(test_a_reference_across_a_boundary_touches_both_pages),
        cmocka_unit_test(test_kinds_and_tasks_are_told_apart),
        cmocka_unit_test(test_options_out_of_range_are_refused),
        cmocka_unit_test(test_a_sample_is_as_far_off_as_it_says),
        cmocka_unit_test(test_address_spaces_are_followed),
        cmocka_unit_test(test_texts_hold_every_point),
        cmocka_unit_test(test_a_use_without_memory_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
