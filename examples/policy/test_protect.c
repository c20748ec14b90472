/* SPDX-License-Identifier: MIT */
/* Unit tests of the policy in protect.c, as a user's CI runs them: cmocka and vmsim/testing.h. The path of the plugin
 * is the program's argument. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <vmsim/testing.h>

static const char *plugin = "./protect.so";

static struct vmsim_test_tlb *open_protect(const char *chances) {
    char why[256];
    struct vmsim_test_tlb *t;
    struct vmsim_param_pair pair = {"chances", chances, "test"};
    struct vmsim_test_tlb_options o = {
        .size = sizeof o, .ways = 4, .policy = "protect", .plugin = plugin, .params = &pair, .param_count = 1};
    if (vmsim_test_tlb_create(&t, &o, why, sizeof why))
        fail_msg("%s", why);
    return t;
}

static void expect(struct vmsim_test_tlb *t, const char *script) {
    char why[256];
    if (vmsim_test_tlb_expect(t, script, why, sizeof why))
        fail_msg("%s", why);
}

static void unused_entries_go_in_order(void **state) {
    (void)state;
    struct vmsim_test_tlb *t = open_protect("1");
    expect(t, "0 1 2 3 4-0 5-1 6-2");
    assert_int_equal(vmsim_test_tlb_destroy(t), 0);
}

static void a_used_entry_survives_as_often_as_it_has_chances(void **state) {
    (void)state;
    struct vmsim_test_tlb *t = open_protect("1");
    expect(t, "0 0+ 1 2 3 4-1 5-0"); /* LRU would take 0 at once */
    assert_int_equal(vmsim_test_tlb_destroy(t), 0);
    t = open_protect("2");
    expect(t, "0 0+ 1 2 3 4-1 5-2 6-0");
    assert_int_equal(vmsim_test_tlb_destroy(t), 0);
}

static void a_flush_makes_room(void **state) {
    (void)state;
    struct vmsim_test_tlb *t = open_protect("1");
    expect(t, "0 1 2 3 ?2 !2 ?2- 4 ?0 5-0");
    assert_int_equal(vmsim_test_tlb_check(t, NULL, 0), 0);
    assert_int_equal(vmsim_test_tlb_destroy(t), 0);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unused_entries_go_in_order),
        cmocka_unit_test(a_used_entry_survives_as_often_as_it_has_chances),
        cmocka_unit_test(a_flush_makes_room),
    };
    if (argc > 1)
        plugin = argv[1];
    return cmocka_run_group_tests_name("protect", tests, NULL, NULL);
}
