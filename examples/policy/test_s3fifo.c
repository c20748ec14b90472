/* SPDX-License-Identifier: MIT */
/* Unit tests of the policy in s3fifo.c, as a user's CI runs them: cmocka and vmsim/testing.h. The path of the plugin is
 * the program's argument. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <vmsim/testing.h>

static const char *plugin = "./s3fifo.so";

static struct vmsim_test_reclaim *open_reclaim(const char *policy, uint32_t frames) {
    char why[256];
    struct vmsim_test_reclaim *t;
    struct vmsim_test_reclaim_options o = {.size = sizeof o, .frames = frames, .policy = policy, .plugin = plugin};
    if (vmsim_test_reclaim_create(&t, &o, why, sizeof why))
        fail_msg("%s", why);
    return t;
}

static void end(struct vmsim_test_reclaim *t) {
    char why[256];
    uint64_t fallbacks;
    if (vmsim_test_reclaim_check(t, why, sizeof why))
        fail_msg("%s", why);
    assert_int_equal(vmsim_test_reclaim_counter(t, "fallbacks", &fallbacks), 0);
    assert_int_equal(fallbacks, 0);
    assert_int_equal(vmsim_test_reclaim_destroy(t), 0);
}

static void what_was_used_leaves_the_small_queue_for_the_main_one(void **state) {
    (void)state;
    char why[256];
    uint64_t ghosts;
    struct vmsim_test_reclaim *t = open_reclaim("my-s3fifo", 4);
    /* 1 is used, and passes to main; 0 comes again in time, and goes there, too; the others are passed through */
    if (vmsim_test_reclaim_expect(t, "0 1 2 3 4-0 1+ 5-2 0-3 6-4 7-5 8-6 ?0 ?1", why, sizeof why))
        fail_msg("%s", why);
    assert_int_equal(vmsim_test_reclaim_counter(t, "ghosts", &ghosts), 0);
    assert_int_equal(ghosts, 1);
    end(t);
}

static uint64_t misses_of(const char *policy) {
    struct vmsim_test_reclaim *t = open_reclaim(policy, 100);
    uint64_t misses = 0, page;
    for (unsigned i = 0; i < 20000; i++) { /* a hot set of 60 pages, and a scan beside it */
        page = i % 3 ? i * 7 % 60 : 1000 + i;
        assert_int_equal(vmsim_test_reclaim_run(t, &page, 1, &misses), 0);
    }
    end(t);
    return misses;
}

static void a_scan_passes_through_the_small_queue(void **state) {
    (void)state;
    assert_true(misses_of("my-s3fifo") * 10 < misses_of("fifo") * 9);
    assert_true(misses_of("my-s3fifo") <= misses_of("lru"));
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_used_leaves_the_small_queue_for_the_main_one),
        cmocka_unit_test(a_scan_passes_through_the_small_queue),
    };
    if (argc > 1)
        plugin = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
