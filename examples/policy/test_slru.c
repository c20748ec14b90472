/* SPDX-License-Identifier: MIT */
/* Unit tests of the policy in slru.c, as a user's CI runs them: cmocka and vmsim/testing.h. The path of the plugin is
 * the program's argument. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <vmsim/testing.h>

static const char *plugin = "./slru.so";

static struct vmsim_test_reclaim *open_reclaim(const char *policy, uint32_t frames) {
    char why[256];
    struct vmsim_test_reclaim *t;
    struct vmsim_test_reclaim_options o = {.size = sizeof o, .frames = frames, .policy = policy, .plugin = plugin};
    if (vmsim_test_reclaim_create(&t, &o, why, sizeof why))
        fail_msg("%s", why);
    return t;
}

static void expect(struct vmsim_test_reclaim *t, const char *script) {
    char why[256];
    if (vmsim_test_reclaim_expect(t, script, why, sizeof why))
        fail_msg("%s", why);
}

static void what_was_used_again_outlives_a_scan(void **state) {
    (void)state;
    struct vmsim_test_reclaim *t = open_reclaim("slru", 4);
    expect(t, "0 1 0+ 1+ 2 3 4-2 5-3 6-4 ?0 ?1");
    assert_int_equal(vmsim_test_reclaim_destroy(t), 0);
}

static void the_protected_segment_has_its_limit(void **state) {
    (void)state;
    struct vmsim_test_reclaim *t = open_reclaim("slru", 4);
    expect(t, "0 1 2 0+ 1+ 2+ 3 4-0"); /* two may be protected: 0 is on probation again, before 3 came */
    assert_int_equal(vmsim_test_reclaim_destroy(t), 0);
}

static uint64_t misses_of(const char *policy) {
    struct vmsim_test_reclaim *t = open_reclaim(policy, 100);
    uint64_t misses = 0, page;
    for (unsigned i = 0; i < 20000; i++) { /* a hot set of 60 pages, and a scan beside it */
        page = i % 3 ? i * 7 % 60 : 1000 + i;
        assert_int_equal(vmsim_test_reclaim_run(t, &page, 1, &misses), 0);
    }
    assert_int_equal(vmsim_test_reclaim_check(t, NULL, 0), 0);
    assert_int_equal(vmsim_test_reclaim_destroy(t), 0);
    return misses;
}

static void it_misses_less_than_fifo_beside_a_scan(void **state) {
    (void)state;
    assert_true(misses_of("slru") * 10 < misses_of("fifo") * 9);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_used_again_outlives_a_scan),
        cmocka_unit_test(the_protected_segment_has_its_limit),
        cmocka_unit_test(it_misses_less_than_fifo_beside_a_scan),
    };
    if (argc > 1)
        plugin = argv[1];
    return cmocka_run_group_tests_name("slru", tests, NULL, NULL);
}
