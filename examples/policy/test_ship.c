/* SPDX-License-Identifier: MIT */
/* Unit tests of the policy in ship.c, as a user's CI runs them: cmocka and vmsim/testing.h. The path of the plugin is
 * the program's argument. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <vmsim/testing.h>

static const char *plugin = "./ship.so";

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

static void who_brings_what_is_never_used_is_found_out(void **state) {
    (void)state;
    struct vmsim_test_tlb *t = open_tlb("my-ship", 1);
    uint64_t hopeless;
    expect(t, "10@7 11@7 12@7 13@7 14@7-10 15@7-14 16@7-15"); /* those of 7 go unused: the next ones pass through */
    expect(t, "1@5-16 1@5+ 20@7-11 21@7-20 22@7-21 ?1");      /* and leave alone what 5 has brought */
    assert_int_equal(vmsim_test_tlb_counter(t, "hopeless", &hopeless), 0);
    assert_true(hopeless > 2);
    end(t);
}

static uint64_t misses_beside_a_stream(const char *policy) {
    struct vmsim_test_tlb *t = open_tlb(policy, 16);
    uint64_t misses;
    for (unsigned i = 0; i < 60000; i++) { /* a set of 56 pages that fits, and a stream of another instruction */
        if (i % 2)
            vmsim_test_tlb_step_at(t, 100000 + i, 99, NULL);
        else
            vmsim_test_tlb_step_at(t, i / 2 * 5 % 56, 7, NULL);
    }
    vmsim_test_tlb_counts(t, NULL, &misses);
    end(t);
    return misses - 30000; /* those of the stream cannot be helped */
}

static void a_stream_passes_by(void **state) {
    (void)state;
    assert_true(misses_beside_a_stream("my-ship") * 5 < misses_beside_a_stream("lru"));
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_brings_what_is_never_used_is_found_out),
        cmocka_unit_test(a_stream_passes_by),
    };
    if (argc > 1)
        plugin = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
