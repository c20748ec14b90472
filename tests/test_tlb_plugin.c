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
                                     {"random", "0 1 2 3 3+ 4-? 5-? 6-?"},
                                     /* 7 brings what dies: its pages go first, and the others stay */
                                     {"ship", "0@1 1@1 2@1 3@7 0@1+ 1@1+ 2@1+ 4@7-3 5@7-4 6@7-5 8@1-6 9@7-8"}};
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

/* ---- what policies are told, and what is told of them ---- */

static struct vmsim_tlb_set told[64];
static unsigned tellings;

static uint32_t telling_victim(void *context, const struct vmsim_tlb_set *set) {
    (void)context;
    told[tellings++ % TEST_COUNT(told)] = *set;
    return set->first;
}
static void telling_fill(void *context, const struct vmsim_tlb_set *set, uint32_t way) {
    (void)context, (void)way;
    told[tellings++ % TEST_COUNT(told)] = *set;
}

static struct vmsim_tlb_replacement_policy telling = {.policy = {sizeof telling, VMSIM_POLICY_ABI,
                                                                 VMSIM_POLICY_TLB_REPLACEMENT, "telling",
                                                                 "Remembers what it is told.", NULL, 0},
                                                      .victim = telling_victim,
                                                      .fill = telling_fill,
                                                      .wants = VMSIM_TLB_WANTS_ACCESS};

static void expect_told(unsigned i, uint64_t page, uint64_t pc, unsigned access, unsigned asid) {
    const struct vmsim_tlb_set *s = &told[i];
    assert_true(i < tellings);
    assert_int_equal(s->page, page);
    assert_int_equal(s->pc, pc);
    assert_int_equal(s->access, access);
    assert_int_equal(s->asid, asid);
    assert_int_equal(s->page_shift, 12);
}

/* Pages from 0x10000 up, instructions in page 0x40. */
static void policies_are_told_page_space_type_and_instruction(void **state) {
    (void)state;
    struct tlb_rig r;
    struct vmsim__tlb_array_spec array = {
        .name = "d", .level = 1, .holds = VMSIM__TLB_DATA, .entries = 2, .ways = 2, .replacement = {.name = "lru"}};
    struct vmsim__tlb_spec spec = *vmsim__tlb_spec_default();
    spec.arrays = (struct vmsim_param_list){&array, 1};
    rig_open(&r, "x86_64", &spec);
    vmsim__tlb_destroy(r.tlb);
    assert_int_equal(vmsim__policy_add(r.policies, &telling.policy, "linked-in", NULL), 0);
    array.replacement.name = "telling";
    assert_int_equal(vmsim__tlb_create(&r.tlb, r.alloc, &spec, r.pt.format, r.policies, 1, 0, NULL), 0);
    for (uint64_t page = 0x10; page < 0x18; page++)
        rig_map(&r, page << 12, 0, page, RIGHTS_RW);
    rig_map(&r, 0x40000, 0, 0x40, RIGHTS_RW);
    rig_map(&r, 0xffff800000000000, 0, 0x41, RIGHTS_RW);
    const vmsim_access a[] = {
        vmsim_access_make(0x10008, 8, VMSIM_LOAD),  vmsim_access_make(0x40010, 4, VMSIM_FETCH),
        vmsim_access_make(0x10008, 8, VMSIM_LOAD),  vmsim_access_make(0x10010, 8, VMSIM_LOAD),
        vmsim_access_make(0x11008, 8, VMSIM_STORE), vmsim_access_make(0x40020, 4, VMSIM_FETCH),
        vmsim_access_make(0x40024, 4, VMSIM_FETCH), vmsim_access_make(0x12008, 8, VMSIM_RMW),
    };
    tellings = 0;
    assert_int_equal(vmsim__tlb_run(r.tlb, &r.pt, 1, true, a, TEST_COUNT(a), NULL, &r.stop), TEST_COUNT(a));
    assert_int_equal(tellings, 4);
    expect_told(0, 0x10, 0, VMSIM_LOAD, 1);
    expect_told(1, 0x11, 0x40010, VMSIM_STORE, 1);
    expect_told(2, 0x12, 0x40024, VMSIM_RMW, 1); /* victim, fill */
    expect_told(3, 0x12, 0x40024, VMSIM_RMW, 1);
    assert_true(rig_access(&r, 1, 0x13000, 1, VMSIM_LOAD, NULL)); /* the next batch remembers */
    expect_told(4, 0x13, 0x40024, VMSIM_LOAD, 1);
    assert_true(rig_access(&r, 2, 0x14000, 1, VMSIM_LOAD, NULL)); /* another address space has its own */
    expect_told(6, 0x14, 0, VMSIM_LOAD, 2);
    assert_true(rig_access(&r, 2, 0xffff800000000000, 1, VMSIM_LOAD, NULL));
    expect_told(8, UINT64_C(0xfffffff800000000), 0, VMSIM_LOAD, 2);
    rig_close(&r);
}

static uint32_t rubbish_victim(void *context, const struct vmsim_tlb_set *set) {
    (void)context;
    return set->ways + 999;
}
static const struct vmsim_tlb_replacement_policy rubbish = {
    .policy = {sizeof rubbish, VMSIM_POLICY_ABI, VMSIM_POLICY_TLB_REPLACEMENT, "rubbish", "Knows no way.", NULL, 0},
    .victim = rubbish_victim};

static void a_victim_that_cannot_be_is_reported_and_the_oldest_goes(void **state) {
    (void)state;
    char why[512];
    uint64_t victim, n;
    struct vmsim_test_tlb *t = open_tlb((struct vmsim_test_tlb_options){.linked = &rubbish.policy});
    expect(t, "0 1 2 3 0+ 1+");
    assert_int_equal(vmsim_test_tlb_counter(t, "fallbacks", &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(vmsim_test_tlb_step(t, 4, &victim), VMSIM_TEST_EVICT);
    assert_int_equal(victim, 2);
    assert_int_equal(vmsim_test_tlb_expect(t, "5-3", why, sizeof why), VMSIM_ECHECK);
    assert_string_equal(why,
                        "5-3: the policy chose way 1003 of set 0 of TLB array test, where ways 0 to 3 are to choose "
                        "from");
    assert_int_equal(vmsim_test_tlb_counter(t, "fallbacks", &n), 0);
    assert_int_equal(n, 2);
    assert_int_equal(vmsim_test_tlb_counter(t, "foolbacks", &n), VMSIM_ENOENT);
    assert_int_equal(vmsim_test_tlb_destroy(t), 0);
}

static uint32_t greedy_miss(void *context, const struct vmsim_tlb_miss *miss, uint64_t *pages, uint32_t limit) {
    (void)context, (void)miss, (void)pages;
    return limit + 1;
}
static const struct vmsim_tlb_prefetch_policy greedy = {
    .policy = {sizeof greedy, VMSIM_POLICY_ABI, VMSIM_POLICY_TLB_PREFETCH, "greedy", "Too many.", NULL, 0},
    .miss = greedy_miss};

static void more_pages_than_a_prefetcher_may_have_are_reported_and_none_fetched(void **state) {
    (void)state;
    struct tlb_rig r;
    struct vmsim__tlb_spec spec = *vmsim__tlb_spec_default();
    uint64_t n;
    rig_open(&r, "x86_64", &spec);
    vmsim__tlb_destroy(r.tlb);
    assert_int_equal(vmsim__policy_add(r.policies, &greedy.policy, "linked-in", NULL), 0);
    spec.prefetch.name = "greedy";
    assert_int_equal(vmsim__tlb_create(&r.tlb, r.alloc, &spec, r.pt.format, r.policies, 1, 0, NULL), 0);
    rig_map(&r, 0x10000, 0, 1, RIGHTS_RW);
    assert_true(rig_access(&r, 1, 0x10000, 1, VMSIM_LOAD, NULL));
    assert_true(vmsim__policy_counter_find(r.policies, &greedy.policy, "fallbacks", &n));
    assert_int_equal(n, 1);
    assert_int_equal(rig_counter(&r, VMSIM__TLB_prefetch_issued), 0);
    rig_close(&r);
}

/* ---- ship, the slow way ---- */

struct naive {
    uint64_t page[4], pc[4];
    bool held[4], used[4], credited[4];
    int distance[4], counter[16];
};

/* One access; the page that goes, or UINT64_MAX. What was used since the last search is learnt at the next. */
static uint64_t naive_step(struct naive *n, uint64_t page, uint64_t pc, bool *hit) {
    uint64_t gone = UINT64_MAX;
    unsigned at = 4;
    for (unsigned w = 0; w < 4; w++)
        if (n->held[w] && n->page[w] == page) {
            n->used[w] = *hit = true;
            return gone;
        }
    *hit = false;
    for (unsigned w = 4; w-- > 0;)
        at = n->held[w] ? at : w;
    if (at == 4) {
        int most = -1;
        for (unsigned w = 0; w < 4; w++) {
            if (n->used[w]) {
                n->counter[n->pc[w]] += !n->credited[w] && n->counter[n->pc[w]] < 7;
                n->credited[w] = true;
                n->distance[w] = 0;
                n->used[w] = false;
            }
            most = n->distance[w] > most ? n->distance[w] : most;
        }
        for (unsigned w = 4; w-- > 0;) {
            at = n->distance[w] == most ? w : at;
            n->distance[w] += 3 - most;
        }
        n->counter[n->pc[at]] -= !n->credited[at] && n->counter[n->pc[at]] > 0;
        gone = n->page[at];
    }
    n->held[at] = true;
    n->page[at] = page;
    n->pc[at] = pc;
    n->used[at] = n->credited[at] = false;
    n->distance[at] = n->counter[pc] ? 2 : 3;
    return gone;
}

static void ship_chooses_as_a_naive_model_does(void **state) {
    (void)state;
    struct vmsim__rng rng = test_rng("ship");
    for (unsigned run = 0; run < 20; run++) {
        struct vmsim_test_tlb *t = open_tlb((struct vmsim_test_tlb_options){.policy = "ship"});
        struct naive n = {.counter = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}};
        for (unsigned i = 0; i < 3000; i++) {
            uint64_t pc = vmsim__rng_below(&rng, 16), victim = UINT64_MAX;
            uint64_t page = vmsim__rng_below(&rng, pc < 4 ? 3 : 40);
            bool hit;
            uint64_t gone = naive_step(&n, page, pc, &hit);
            enum vmsim_test_outcome got = vmsim_test_tlb_step_at(t, page, pc, &victim);
            assert_int_equal(got == VMSIM_TEST_HIT, hit);
            if (got == VMSIM_TEST_EVICT)
                assert_int_equal(victim, gone);
        }
        assert_int_equal(vmsim_test_tlb_destroy(t), 0);
    }
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
    bad.policy.size = offsetof(struct vmsim_tlb_replacement_policy, invalidate);
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
        cmocka_unit_test(policies_are_told_page_space_type_and_instruction),
        cmocka_unit_test(a_victim_that_cannot_be_is_reported_and_the_oldest_goes),
        cmocka_unit_test(more_pages_than_a_prefetcher_may_have_are_reported_and_none_fetched),
        cmocka_unit_test(ship_chooses_as_a_naive_model_does),
        cmocka_unit_test(incomplete_and_foreign_policies_are_refused),
    };
    return cmocka_run_group_tests_name("tlb_plugin", tests, NULL, NULL);
}
