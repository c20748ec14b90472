/* SPDX-License-Identifier: MIT */
/* Policies from outside: the example plugin loaded, refused files with the loader's own words, linked-in policies,
 * parameters, the on-hit hook, and the scripts of vmsim/testing.h. */
#include "tlb_rig.h"

#include "vmsim/testing.h"

static struct vmsim_test_tlb *open_tlb(struct vmsim_test_tlb_options o) {
    char why[512];
    struct vmsim_test_tlb *t;
    o.size = sizeof o;
    if (vmsim_test_tlb_create(&t, &o, why, sizeof why))
        fail_msg("%s", why);
    return t;
}

static void expect(struct vmsim_test_tlb *t, const char *script) {
    char why[512];
    if (vmsim_test_tlb_expect(t, script, why, sizeof why))
        fail_msg("%s", why);
    assert_int_equal(vmsim_test_tlb_check(t, why, sizeof why), 0);
}

static int refused(struct vmsim_test_tlb_options o, const char *text) {
    char why[512];
    struct vmsim_test_tlb *t;
    o.size = sizeof o;
    int e = vmsim_test_tlb_create(&t, &o, why, sizeof why);
    assert_null(t);
    if (!strstr(why, text))
        fail_msg("expected '%s' in: %s", text, why);
    return e;
}

static void built_in_policies_choose_the_victims_of_the_textbook(void **state) {
    (void)state;
    const char *const script[][2] = {{"lru", "0 1 2 3 0+ 4-1 5-2 1-3 0+ 6-4"},
                                     {"fifo", "0 1 2 3 0+ 4-0 5-1 1-2"},
                                     {"tree-plru", "0 1 2 3 4-0 1+ 5-2 ?4 ?3 3+ 6-4"},
                                     {"srrip", "0 1 2 3 0+ 4-1 5-2 0+ 6-3"},
                                     {"random", "0 1 2 3 3+ 4-? 5-? 6-?"}};
    for (unsigned i = 0; i < TEST_COUNT(script); i++) {
        struct vmsim_test_tlb *t = open_tlb((struct vmsim_test_tlb_options){.policy = script[i][0]});
        print_message("%s\n", script[i][0]);
        expect(t, script[i][1]);
        assert_int_equal(vmsim_test_tlb_destroy(t), 0);
    }
}

static void a_script_tells_the_word_that_is_wrong(void **state) {
    (void)state;
    char why[512];
    struct vmsim_test_tlb *t = open_tlb((struct vmsim_test_tlb_options){.ways = 2});
    assert_int_equal(vmsim_test_tlb_expect(t, "0 1 2-1", why, sizeof why), VMSIM_ECHECK);
    assert_string_equal(why, "2-1: it missed, and page 0 went");
    assert_int_equal(vmsim_test_tlb_expect(t, "2+ 1", why, sizeof why), VMSIM_ECHECK);
    assert_string_equal(why, "1: it hit");
    assert_int_equal(vmsim_test_tlb_expect(t, "?7", why, sizeof why), VMSIM_ECHECK);
    assert_int_equal(vmsim_test_tlb_expect(t, "1+ x", why, sizeof why), VMSIM_EINVAL);
    assert_int_equal(vmsim_test_tlb_destroy(t), 0);
}

static void the_example_plugin_loads_and_decides(void **state) {
    (void)state;
    struct vmsim_param_pair two = {"chances", "2", "test.yaml:3:5"};
    struct vmsim_test_tlb *t = open_tlb((struct vmsim_test_tlb_options){.policy = "protect", .plugin = TEST_PLUGIN});
    expect(t, "0 0+ 1 2 3 4-1 5-0");
    assert_int_equal(vmsim_test_tlb_destroy(t), 0);
    t = open_tlb(
        (struct vmsim_test_tlb_options){.policy = "protect", .plugin = TEST_PLUGIN, .params = &two, .param_count = 1});
    expect(t, "0 0+ 1 2 3 4-1 5-2 6-0");
    assert_int_equal(vmsim_test_tlb_destroy(t), 0);
}

static void wrong_parameters_are_told_with_their_place(void **state) {
    (void)state;
    struct vmsim_param_pair pair = {"chanses", "2", "m.yaml:3:5"};
    struct vmsim_test_tlb_options o = {.policy = "protect", .plugin = TEST_PLUGIN, .params = &pair, .param_count = 1};
    assert_int_equal(refused(o, "m.yaml:3:5: unknown parameter 'chanses' (did you mean 'chances'?)"), VMSIM_ECONFIG);
    pair = (struct vmsim_param_pair){"chances", "12xx", "m.yaml:3:5"};
    assert_int_equal(refused(o, "m.yaml:3:5: chances: '12xx' (not a whole number)"), VMSIM_ECONFIG);
    pair = (struct vmsim_param_pair){"chances", "101", "m.yaml:3:5"};
    assert_int_equal(refused(o, "out of bounds"), VMSIM_ECONFIG);
}

static void what_is_no_plugin_is_refused_with_the_loaders_words(void **state) {
    (void)state;
    FILE *f = fopen("not-a-plugin.so", "w");
    assert_non_null(f);
    fputs("hello", f);
    fclose(f);
    assert_int_equal(
        refused((struct vmsim_test_tlb_options){.policy = "x", .plugin = "not-a-plugin.so"}, "file too short"),
        VMSIM_EPLUGIN);
    assert_int_equal(
        refused((struct vmsim_test_tlb_options){.policy = "x", .plugin = "./missing.so"}, "policy ABI 1 expected"),
        VMSIM_EPLUGIN);
    assert_int_equal(refused((struct vmsim_test_tlb_options){.policy = "x", .plugin = "libm.so.6"}, "./libm.so.6"),
                     VMSIM_EPLUGIN);
    assert_int_equal(
        refused((struct vmsim_test_tlb_options){.policy = "protekt", .plugin = TEST_PLUGIN}, "there are: lru"),
        VMSIM_ECONFIG);
    remove("not-a-plugin.so");
}

/* A full disk cuts a plugin off while it is built. The loader would map what is not there, and end the program. */
static void a_plugin_that_was_cut_off_is_refused(void **state) {
    (void)state;
    size_t size;
    char *bytes = test_read_file(TEST_PLUGIN, &size);
    const struct vmsim_test_tlb_options o = {.policy = "protect", .plugin = "cut.so"};
    for (size_t keep = 0; keep < 4096 && keep < size; keep += 61) {
        test_write_file("cut.so", bytes, keep);
        assert_int_equal(refused(o, "cut.so"), VMSIM_EPLUGIN);
    }
    test_write_file("cut.so", bytes, 4096);
    assert_int_equal(refused(o, "./cut.so: is cut off"), VMSIM_EPLUGIN);
    free(bytes);
    remove("cut.so");
}

static void what_is_no_file_is_not_opened_as_a_plugin(void **state) {
    (void)state;
    struct vmsim_test_tlb_options o = {.policy = "x", .plugin = "pipe.so"};
    assert_int_equal(mkfifo("pipe.so", 0600), 0);
    assert_int_equal(refused(o, "./pipe.so: is not a regular file"), VMSIM_EPLUGIN);
    remove("pipe.so");
    o.plugin = "/";
    assert_int_equal(refused(o, "/: is a directory, not a plugin"), VMSIM_EPLUGIN);
}

/* --- A policy of this program ----------------------------------------------------------------------------------------
 */

static unsigned hits, fills, invalidations;

static uint32_t mru_victim(void *context, const struct vmsim_tlb_set *set) {
    (void)context;
    uint32_t at = set->first;
    for (uint32_t w = set->first; w < set->first + set->ways; w++)
        at = set->last_use[w] > set->last_use[at] ? w : at;
    return at;
}
static void mru_hit(void *context, const struct vmsim_tlb_set *set, uint32_t way) {
    (void)context;
    assert_int_equal(set->last_use[way], set->now);
    hits++;
}
static void mru_fill(void *context, const struct vmsim_tlb_set *set, uint32_t way) {
    (void)context, (void)way;
    assert_in_range(way, 0, set->ways - 1);
    fills++;
}
static void mru_invalidate(void *context, uint32_t set, uint32_t way) {
    (void)context, (void)set, (void)way;
    invalidations++;
}
static struct vmsim_tlb_replacement_policy mru = {.policy = {sizeof mru, VMSIM_POLICY_ABI, VMSIM_POLICY_TLB_REPLACEMENT,
                                                             "mru", "Evicts the most recently used.", NULL, 0},
                                                  .victim = mru_victim,
                                                  .fill = mru_fill,
                                                  .hit = mru_hit,
                                                  .invalidate = mru_invalidate};

static void a_linked_in_policy_sees_every_hit_when_it_asks_for_it(void **state) {
    (void)state;
    hits = fills = invalidations = 0;
    for (uint32_t ways = 4; ways <= 16; ways *= 2) {
        struct vmsim_test_tlb *t = open_tlb((struct vmsim_test_tlb_options){.linked = &mru.policy, .ways = ways});
        for (uint64_t page = 0; page < ways; page++)
            assert_int_equal(vmsim_test_tlb_step(t, page, NULL), VMSIM_TEST_FILL);
        expect(t, "0+ 0+ 0+ 1+ 100-1 !0");
        assert_int_equal(vmsim_test_tlb_destroy(t), 0);
    }
    assert_int_equal(hits, 3 * 4);
    assert_int_equal(fills, 4 + 8 + 16 + 3);
    assert_int_equal(invalidations, 3);
}

static void incomplete_and_foreign_policies_are_refused(void **state) {
    (void)state;
    struct vmsim_tlb_replacement_policy bad = mru;
    bad.policy.abi = 99;
    assert_int_equal(refused((struct vmsim_test_tlb_options){.linked = &bad.policy}, "ABI 99, this vmsim expects 1"),
                     VMSIM_EABI);
    bad = mru;
    bad.victim = NULL;
    assert_int_equal(refused((struct vmsim_test_tlb_options){.linked = &bad.policy}, "lacks its deciding hook"),
                     VMSIM_EINVAL);
    bad = mru;
    bad.policy.name = "lru";
    assert_int_equal(refused((struct vmsim_test_tlb_options){.linked = &bad.policy}, "already"), VMSIM_EINVAL);
    bad = mru;
    bad.policy.size = sizeof bad - 8;
    assert_int_equal(refused((struct vmsim_test_tlb_options){.linked = &bad.policy}, "its domain needs"), VMSIM_EABI);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(built_in_policies_choose_the_victims_of_the_textbook),
        cmocka_unit_test(a_script_tells_the_word_that_is_wrong),
        cmocka_unit_test(the_example_plugin_loads_and_decides),
        cmocka_unit_test(wrong_parameters_are_told_with_their_place),
        cmocka_unit_test(what_is_no_plugin_is_refused_with_the_loaders_words),
        cmocka_unit_test(a_plugin_that_was_cut_off_is_refused),
        cmocka_unit_test(what_is_no_file_is_not_opened_as_a_plugin),
        cmocka_unit_test(a_linked_in_policy_sees_every_hit_when_it_asks_for_it),
        cmocka_unit_test(incomplete_and_foreign_policies_are_refused),
    };
    return cmocka_run_group_tests_name("tlb_plugin", tests, NULL, NULL);
}
