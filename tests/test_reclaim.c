/* SPDX-License-Identifier: MIT */
/* Reclaim policies in the harness of vmsim/testing.h: the textbooks' reference strings, exact victims of each policy,
 * what the lists of a policy do, what is told of wrong answers, a host without memory. */
#include "helpers.h"

#include "reclaim/reclaim.h"
#include "vmsim/testing.h"

static struct vmsim_test_reclaim *open_reclaim(struct vmsim_test_reclaim_options o) {
    struct vmsim_test_reclaim *t;
    char why[512];
    o.size = sizeof o;
    if (vmsim_test_reclaim_create(&t, &o, why, sizeof why))
        fail_msg("%s", why);
    return t;
}

static void close_reclaim(struct vmsim_test_reclaim *t) {
    char why[512];
    if (vmsim_test_reclaim_check(t, why, sizeof why))
        fail_msg("%s", why);
    assert_int_equal(vmsim_test_reclaim_destroy(t), 0);
}

static void expect(struct vmsim_test_reclaim *t, const char *script) {
    char why[512];
    if (vmsim_test_reclaim_expect(t, script, why, sizeof why))
        fail_msg("%s", why);
}

static uint64_t counter(const struct vmsim_test_reclaim *t, const char *name) {
    uint64_t value;
    assert_int_equal(vmsim_test_reclaim_counter(t, name, &value), 0);
    return value;
}

/* ---- the textbooks ---- */

static uint64_t faults(const char *policy, uint32_t frames, const uint64_t *pages, size_t n) {
    struct vmsim_test_reclaim *t =
        open_reclaim((struct vmsim_test_reclaim_options){.frames = frames, .policy = policy});
    uint64_t misses = 0, hits, all;
    assert_int_equal(vmsim_test_reclaim_run(t, pages, n, &misses), 0);
    vmsim_test_reclaim_counts(t, &hits, &all);
    assert_int_equal(hits + all, n);
    assert_int_equal(all, misses);
    close_reclaim(t);
    return misses;
}

static void the_reference_strings_of_the_textbooks(void **state) {
    static const uint64_t silberschatz[] = {7, 0, 1, 2, 0, 3, 0, 4, 2, 3, 0, 3, 2, 1, 2, 0, 1, 7, 0, 1};
    static const uint64_t belady[] = {1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5};
    (void)state;
    assert_int_equal(faults("fifo", 3, silberschatz, TEST_COUNT(silberschatz)), 15);
    assert_int_equal(faults("lru", 3, silberschatz, TEST_COUNT(silberschatz)), 12);
    assert_int_equal(faults("opt", 3, silberschatz, TEST_COUNT(silberschatz)), 9);
    assert_int_equal(faults("fifo", 3, belady, TEST_COUNT(belady)), 9);
    assert_int_equal(faults("fifo", 4, belady, TEST_COUNT(belady)), 10);
}

static void each_policy_chooses_its_victims(void **state) {
    static const struct {
        const char *policy, *script;
    } cases[] = {
        {"fifo", "0 1 2 3 0+ 4-0 5-1 1-2"},
        {"lru", "0 1 2 3 0+ 4-1 5-2 1-3"},
        {"mru", "0 1 2 3 0+ 4-0 5-4 1+ 6-1"},
        {"clock", "0 1 2 3 0+ 4-1 5-2 6-3 7-0"},       /* 0 was spared once */
        {"sieve", "0 1 2 3 0+ 4-1 5-2 4+ 0+ 6-3 7-5"}, /* the hand goes on from 2 to 3, over 4, which was used */
        {"lfu", "0 0+ 0+ 1 1+ 2 3 4-2 5-3 6-1 7-4"},   /* once used first; then 1's two uses are too old */
        {"arc", "0 1 2 3 0+ 4-1 1-2 5-3 ?0 ?1"},       /* 1 comes back as a ghost: used again */
        {"s3fifo", "0 1 2 3 1+ 1+ 4-0 5-2 0-3 6-4 ?0 ?1 7-5"}, /* 1 was promoted; 0 came back, a ghost, to main */
        {"random", "0 1 2 3 3+ 4-? 5-? 6-?"},
        {"lhd", "0 1 2 3 3+ 4-? 5-? 6-?"},
        {"opt", "0 1 2 3 4-3 0+ 1+ 2+ 4+ 3-? 2+"},
    };
    (void)state;
    for (unsigned i = 0; i < TEST_COUNT(cases); i++) {
        print_message("%s\n", cases[i].policy);
        struct vmsim_test_reclaim *t = open_reclaim((struct vmsim_test_reclaim_options){.policy = cases[i].policy});
        expect(t, cases[i].script);
        close_reclaim(t);
    }
}

static void scripts_tell_the_word_that_is_wrong(void **state) {
    char why[512];
    (void)state;
    struct vmsim_test_reclaim *t = open_reclaim((struct vmsim_test_reclaim_options){.frames = 2});
    assert_int_equal(vmsim_test_reclaim_expect(t, "0 1 2-1", why, sizeof why), VMSIM_ECHECK);
    assert_string_equal(why, "2-1: it missed, and page 0 went");
    assert_int_equal(vmsim_test_reclaim_expect(t, "2+ 1", why, sizeof why), VMSIM_ECHECK);
    assert_string_equal(why, "1: it hit");
    assert_int_equal(vmsim_test_reclaim_expect(t, "?7", why, sizeof why), VMSIM_ECHECK);
    assert_string_equal(why, "?7: the page is not held");
    assert_int_equal(vmsim_test_reclaim_expect(t, "1+ x", why, sizeof why), VMSIM_EINVAL);
    assert_string_equal(why, "word 2 of the script cannot be read: x");
    assert_int_equal(vmsim_test_reclaim_expect(t, "134217728", why, sizeof why), VMSIM_EINVAL);
    assert_int_equal(vmsim_test_reclaim_step(t, UINT64_MAX, NULL), VMSIM_TEST_ERROR);
    expect(t, "!1 ?1- 3 !9");
    close_reclaim(t);
}

static void options_that_cannot_be_are_refused(void **state) {
    struct vmsim_test_reclaim *t;
    struct vmsim_test_reclaim_options o = {.size = 8};
    char why[512];
    (void)state;
    assert_int_equal(vmsim_test_reclaim_create(&t, &o, why, sizeof why), VMSIM_EINVAL);
    assert_null(t);
    o = (struct vmsim_test_reclaim_options){.size = sizeof o, .batch = 33};
    assert_int_equal(vmsim_test_reclaim_create(&t, &o, NULL, 0), VMSIM_EINVAL);
    o = (struct vmsim_test_reclaim_options){.size = sizeof o, .policy = "lruu"};
    assert_int_equal(vmsim_test_reclaim_create(&t, &o, why, sizeof why), VMSIM_ECONFIG);
    assert_non_null(strstr(why, "no policy lruu of domain reclaim; there are: linux-lru, linux-mglru, fifo, lru, mru"));
}

/* ---- a policy of this program ---- */

static const struct vmsim_reclaim_services *s; /* of the instance that is open */
static uint32_t lists[2];
static vmsim_folio came[16];
static unsigned comings, goings[3];
static uint32_t (*evicting)(struct vmsim_reclaim_request *r);
static struct vmsim_folio_access last;

static int test_create(const struct vmsim_reclaim_services *services, const struct vmsim_reclaim_scope *scope,
                       const void *params, void **context) {
    (void)params;
    s = services;
    assert_int_equal(scope->capacity, s->capacity(s->host));
    lists[0] = s->list_create(s->host);
    lists[1] = s->list_create(s->host);
    comings = goings[0] = goings[1] = goings[2] = 0;
    *context = NULL;
    return lists[0] && lists[1] ? 0 : VMSIM_ENOMEM;
}
static void test_added(void *context, vmsim_folio folio, const struct vmsim_folio_access *access) {
    (void)context;
    came[comings++ % TEST_COUNT(came)] = folio;
    last = *access;
    s->list_add(s->host, lists[0], folio, true);
}
static uint32_t test_evict(void *context, struct vmsim_reclaim_request *r) {
    (void)context;
    return evicting(r);
}
static void test_evicted(void *context, vmsim_folio folio, enum vmsim_folio_end end) {
    (void)context;
    goings[end]++;
    s->shadow_write(s->host, folio, 77);
}
static const struct vmsim_reclaim_policy mine = {
    .policy = {sizeof mine, VMSIM_POLICY_ABI, VMSIM_POLICY_RECLAIM, "mine", "A test's.", NULL, 0},
    .create = test_create,
    .folio_added = test_added,
    .evict = test_evict,
    .folio_evicted = test_evicted};

static struct vmsim_test_reclaim *open_mine(uint32_t (*evict)(struct vmsim_reclaim_request *r)) {
    evicting = evict;
    return open_reclaim((struct vmsim_test_reclaim_options){.linked = &mine.policy, .batch = 2});
}

static uint32_t first_two(struct vmsim_reclaim_request *r) {
    assert_int_equal(r->wanted, 2);
    assert_non_null(r->incoming);
    r->folio[0] = s->list_end(s->host, lists[0], false);
    r->folio[1] = s->list_step(s->host, r->folio[0], true);
    return 2;
}

static enum vmsim_list_verdict rotate_odd(void *context, vmsim_folio folio) {
    unsigned *seen = context;
    ++*seen;
    return folio % 2 ? VMSIM_LIST_ROTATE : folio == 4 ? VMSIM_LIST_STOP : VMSIM_LIST_NEXT;
}

static void expect_list(uint32_t list, const char *wanted) {
    char text[64] = "";
    for (vmsim_folio f = s->list_end(s->host, list, false); f; f = s->list_step(s->host, f, true))
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%u", *text ? " " : "", (unsigned)f);
    assert_string_equal(text, wanted);
}

static void lists_do_what_they_say(void **state) {
    (void)state;
    unsigned seen = 0;
    struct vmsim_test_reclaim *t = open_mine(first_two);
    expect(t, "10 11 12 13");
    expect_list(lists[0], "1 2 3 4");
    assert_int_equal(s->list_length(s->host, lists[0]), 4);
    assert_true(s->list_move(s->host, lists[0], 3, false));
    expect_list(lists[0], "3 1 2 4");
    assert_true(s->list_move(s->host, lists[1], 1, true));
    assert_true(s->list_move(s->host, lists[1], 2, false));
    expect_list(lists[1], "2 1");
    assert_int_equal(s->list_of(s->host, 2), lists[1]);
    assert_true(s->list_remove(s->host, 2));
    assert_int_equal(s->list_of(s->host, 2), 0);
    assert_true(s->list_add(s->host, lists[0], 2, true));
    assert_int_equal(s->list_pop(s->host, lists[1], true), 1);
    assert_int_equal(s->list_pop(s->host, lists[1], true), VMSIM_FOLIO_NONE);
    assert_true(s->list_add(s->host, lists[0], 1, true));
    expect_list(lists[0], "3 4 2 1");
    assert_int_equal(s->list_iterate(s->host, lists[0], false, 10, rotate_odd, &seen), 2);
    assert_int_equal(seen, 2);
    expect_list(lists[0], "4 2 1 3");
    assert_int_equal(s->list_iterate(s->host, lists[0], true, 3, rotate_odd, &seen), 3); /* 3, 1, then 2 */
    expect_list(lists[0], "1 3 4 2");
    close_reclaim(t);
}

static void a_folio_is_known_by_its_facts_word_and_shadow(void **state) {
    (void)state;
    struct vmsim_folio_facts f = {.size = sizeof f};
    struct vmsim_test_reclaim *t = open_mine(first_two);
    expect(t, "10 11 12 13");
    assert_true(s->facts(s->host, 3, &f));
    assert_int_equal(f.index, 12);
    assert_int_equal(f.came, 3);
    assert_int_equal(f.kind, VMSIM_FOLIO_FILE);
    assert_false(s->facts(s->host, 5, &f));
    assert_int_equal(s->now(s->host), 4);
    assert_int_equal(*s->word(s->host, 1), 0);
    *s->word(s->host, 1) = 5;
    assert_false(s->young(s->host, 1, true));
    expect(t, "10+");
    assert_true(s->young(s->host, 1, false));
    assert_true(s->young(s->host, 1, true));
    assert_false(s->young(s->host, 1, true));
    assert_int_equal(last.shadow, 0);
    assert_int_equal(last.refault_distance, UINT64_MAX);
    expect(t, "20-10 ?11- 21 22-12 10"); /* two at a time */
    assert_int_equal(last.index, 10);
    assert_int_equal(last.shadow, 77);
    assert_int_equal(last.refault_distance, 3); /* 10 was the first of four to go */
    assert_int_equal(*s->word(s->host, came[(comings - 1) % TEST_COUNT(came)]), 0);
    assert_int_equal(goings[VMSIM_FOLIO_RECLAIMED], 4);
    expect(t, "!10");
    assert_int_equal(goings[VMSIM_FOLIO_FREED], 1);
    close_reclaim(t);
}

/* ---- wrong answers ---- */

static unsigned turn;
static uint32_t wrong_in_turn(struct vmsim_reclaim_request *r) {
    vmsim_folio head = s->list_end(s->host, lists[0], false);
    r->folio[0] = r->folio[1] = head;
    switch (turn++) {
    case 0:
        return 0; /* none */
    case 1:
        return 2; /* twice the same */
    case 2:
        r->folio[1] = 1000; /* not there */
        return 2;
    case 3:
        return 3; /* more than there is room for; and twice the same */
    default:
        r->folio[0] = VMSIM_FOLIO_NONE;
        return 1;
    }
}

static void wrong_proposals_are_reported_and_memory_goes_on(void **state) {
    static const char *const told[] = {"proposed none of 4 folios", "proposed folio 2, which is in the batch already",
                                       "proposed folio 1000, which is not there",
                                       "proposed 3 folios where 2 were wanted", "proposed folio 0, which is not there"};
    static const uint64_t fallbacks[] = {1, 1, 1, 2, 2};
    char why[512];
    (void)state;
    for (unsigned i = 0; i < TEST_COUNT(told); i++) {
        struct vmsim_test_reclaim *t = open_mine(wrong_in_turn);
        expect(t, i ? "9 10 !9 11 12 13" : "10 11 12 13");
        turn = i;
        assert_int_equal(vmsim_test_reclaim_expect(t, "14-?", why, sizeof why), VMSIM_ECHECK);
        if (!strstr(why, told[i]))
            fail_msg("expected '%s' in: %s", told[i], why);
        assert_int_equal(counter(t, "fallbacks"), fallbacks[i]);
        assert_true(vmsim_test_reclaim_probe(t, 14));
        close_reclaim(t);
    }
}

static void calls_that_cannot_be_change_nothing_and_are_reported(void **state) {
    (void)state;
    struct vmsim_test_reclaim *t = open_mine(first_two);
    expect(t, "10 11");
    uint64_t n = 0;
    assert_false(s->list_add(s->host, lists[0], 1, true));
    assert_int_equal(counter(t, "fallbacks"), ++n);
    assert_false(s->list_add(s->host, 99, 1, true));
    assert_false(s->list_add(s->host, 0, 1, true));
    assert_false(s->list_move(s->host, lists[0], 3, true));
    assert_false(s->list_move(s->host, lists[0], UINT64_MAX, true));
    assert_false(s->list_remove(s->host, VMSIM_FOLIO_NONE));
    assert_int_equal(counter(t, "fallbacks"), n += 5);
    assert_true(s->list_remove(s->host, 1));
    assert_false(s->list_remove(s->host, 1));
    assert_false(s->list_move(s->host, lists[0], 1, true));
    assert_int_equal(s->list_step(s->host, 1, true), VMSIM_FOLIO_NONE);
    assert_int_equal(s->list_end(s->host, 3, true), VMSIM_FOLIO_NONE);
    assert_int_equal(s->list_length(s->host, 3), 0);
    assert_int_equal(s->list_of(s->host, 4), 0);
    assert_null(s->word(s->host, 4));
    assert_false(s->young(s->host, 4, true));
    assert_false(s->shadow_write(s->host, 4, 1));
    assert_int_equal(counter(t, "fallbacks"), n += 9);
    expect_list(lists[0], "2");
    close_reclaim(t);
}

/* ---- a host without memory ---- */

static uint32_t frames_of_failure;

/* All of a harness's life over one allocator that fails. */
static bool whole_life(struct vmsim__alloc *a, void *context) {
    const struct vmsim__policy_choice choice = {.name = context};
    struct vmsim__reclaim_pool pool = {0};
    struct vmsim__reclaim_host host = {.pool = &pool, .services = *s};
    struct vmsim_reclaim_scope scope = {.size = sizeof scope, .capacity = frames_of_failure};
    struct vmsim__policy_registry *r = vmsim__policy_registry_create(a);
    struct vmsim__reclaim x;
    struct vmsim_folio_access access = {.size = sizeof access, .refault_distance = UINT64_MAX};
    bool ok = r && !vmsim__policy_domain_add(r, &vmsim__reclaim_domain, NULL);
    ok = ok && vmsim__reclaim_pool_init(&pool, a, frames_of_failure);
    host.services.young = NULL;
    if (ok) {
        ok = !vmsim__reclaim_create(&x, r, &choice, &host, &scope, 1, NULL);
        for (uint32_t f = 1; ok && f <= frames_of_failure; f++)
            vmsim__reclaim_add(&x, f, &access);
        for (uint32_t f = 1; ok && f <= frames_of_failure; f += 2)
            vmsim__reclaim_use(&x, f, &access);
        while (ok && x.there) {
            vmsim_folio victim[4];
            struct vmsim_reclaim_request q = {.size = sizeof q, .wanted = 4, .folio = victim};
            uint32_t n = vmsim__reclaim_evict(&x, &q); /* what a policy had no memory for goes without it */
            assert_true(n > 0);
            for (uint32_t i = 0; i < n; i++)
                vmsim__reclaim_remove(&x, (uint32_t)victim[i], VMSIM_FOLIO_RECLAIMED);
        }
        if (ok) {
            uint64_t fallbacks = 0;
            assert_int_equal(vmsim__reclaim_check(&x, NULL), 0);
            assert_true(vmsim__policy_counter_find(r, x.instance.policy, "fallbacks", &fallbacks));
            ok = !fallbacks;
            vmsim__reclaim_destroy(&x);
        }
    }
    vmsim__reclaim_pool_fini(&pool);
    vmsim__policy_registry_destroy(r);
    return ok;
}

static void every_failed_allocation_leaves_nothing(void **state) {
    static char names[][8] = {"fifo", "lru", "mru", "clock", "random", "lfu", "arc", "s3fifo", "sieve", "lhd"};
    (void)state;
    struct vmsim_test_reclaim *t = open_mine(first_two); /* its services stand for a host's */
    frames_of_failure = 200;
    for (unsigned i = 0; i < TEST_COUNT(names); i++) {
        struct vmsim__alloc *a = test_alloc();
        print_message("%s: %llu allocations\n", names[i],
                      (unsigned long long)test_each_failure(a, whole_life, names[i], 100));
        test_alloc_end(a);
    }
    close_reclaim(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reference_strings_of_the_textbooks),
        cmocka_unit_test(each_policy_chooses_its_victims),
        cmocka_unit_test(scripts_tell_the_word_that_is_wrong),
        cmocka_unit_test(options_that_cannot_be_are_refused),
        cmocka_unit_test(lists_do_what_they_say),
        cmocka_unit_test(a_folio_is_known_by_its_facts_word_and_shadow),
        cmocka_unit_test(wrong_proposals_are_reported_and_memory_goes_on),
        cmocka_unit_test(calls_that_cannot_be_change_nothing_and_are_reported),
        cmocka_unit_test(every_failed_allocation_leaves_nothing),
    };
    return cmocka_run_group_tests_name("reclaim", tests, NULL, NULL);
}
