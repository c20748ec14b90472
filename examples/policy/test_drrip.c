/* SPDX-License-Identifier: MIT */
/* Unit tests of the policy in drrip.c, as a user's CI runs them: cmocka and vmsim/testing.h. The path of the plugin is
 * the program's argument. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <vmsim/testing.h>

static const char *plugin = "./drrip.so";

static struct vmsim_test_tlb *open_tlb(const char *policy, uint32_t sets) {
    char why[256];
    struct vmsim_test_tlb *t;
    struct vmsim_test_tlb_options o = {
        .size = sizeof o, .sets = sets, .ways = 4, .policy = policy, .plugin = plugin, .seed = 1};
    if (vmsim_test_tlb_create(&t, &o, why, sizeof why))
        fail_msg("%s", why);
    return t;
}

static void end(struct vmsim_test_tlb *t) {
    char why[256];
    uint64_t fallbacks;
    if (vmsim_test_tlb_check(t, why, sizeof why))
        fail_msg("%s", why);
    assert_int_equal(vmsim_test_tlb_counter(t, "fallbacks", &fallbacks), 0);
    assert_int_equal(fallbacks, 0);
    assert_int_equal(vmsim_test_tlb_destroy(t), 0);
}

static void expect(struct vmsim_test_tlb *t, const char *script) {
    char why[256];
    if (vmsim_test_tlb_expect(t, script, why, sizeof why))
        fail_msg("%s", why);
}

static void what_was_used_outlives_what_was_not(void **state) {
    (void)state;
    struct vmsim_test_tlb *t = open_tlb("my-drrip", 1);
    expect(t, "0 1 2 3 4-0 1+ 5-2 6-3 ?1");
    end(t);
}

static uint64_t hits_of_a_loop(const char *policy) {
    struct vmsim_test_tlb *t = open_tlb(policy, 64);
    uint64_t hits;
    for (unsigned i = 0; i < 60000; i++) /* 320 pages over 256 entries, again and again */
        vmsim_test_tlb_step(t, i % 320, NULL);
    vmsim_test_tlb_counts(t, &hits, NULL);
    end(t);
    return hits;
}

static void it_keeps_a_part_of_a_loop_that_is_too_large(void **state) {
    (void)state;
    assert_int_equal(hits_of_a_loop("lru"), 0);
    assert_true(hits_of_a_loop("my-drrip") > 20000);
}

static void it_is_srrip_where_that_is_better(void **state) {
    (void)state;
    struct vmsim_test_tlb *t = open_tlb("my-drrip", 64);
    uint64_t bimodal, misses;
    for (unsigned i = 0; i < 60000; i++) /* what fits, and a little that is new now and then */
        vmsim_test_tlb_step(t, i % 50 ? i * 7 % 192 : 1000 + i, NULL);
    vmsim_test_tlb_counts(t, NULL, &misses);
    assert_int_equal(vmsim_test_tlb_counter(t, "bimodal", &bimodal), 0);
    assert_true(misses < 60000 / 50 * 2);
    end(t);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_used_outlives_what_was_not),
        cmocka_unit_test(it_keeps_a_part_of_a_loop_that_is_too_large),
        cmocka_unit_test(it_is_srrip_where_that_is_better),
    };
    if (argc > 1)
        plugin = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
