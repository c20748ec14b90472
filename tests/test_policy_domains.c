/* SPDX-License-Identifier: MIT */
/* The domains whose policies answer a question at a time: who is killed, where in swap a page goes. Each
 * built-in policy's choice, and what is made of answers that cannot be. */
#include "helpers.h"

#include "oom/oom.h"
#include "swap/swap_policies.h"

struct fixture {
    struct vmsim__alloc *alloc;
    struct vmsim__policy_registry *r;
    struct vmsim__err err;
};

static struct fixture start(const struct vmsim__policy_domain *domain, const struct vmsim_policy *own) {
    struct fixture f = {.alloc = test_alloc()};
    f.r = vmsim__policy_registry_create(f.alloc);
    assert_int_equal(vmsim__policy_domain_add(f.r, domain, &f.err), 0);
    if (own)
        assert_int_equal(vmsim__policy_add(f.r, own, "linked-in", &f.err), 0);
    return f;
}

static void end(struct fixture *f) {
    vmsim__policy_registry_destroy(f->r);
    test_alloc_end(f->alloc);
}

static uint64_t fallbacks(const struct fixture *f, const struct vmsim_policy *p) {
    uint64_t n = UINT64_MAX;
    assert_true(vmsim__policy_counter_find(f->r, p, "fallbacks", &n));
    return n;
}

/* ---- OOM ---- */

#define CANDIDATE .size = sizeof(struct vmsim_oom_candidate)
static struct vmsim_oom_candidate candidates[] = {
    {CANDIDATE, .task = 1, .rss_anon = 900, .unkillable = true, .started = 1},
    {CANDIDATE, .task = 2, .rss_anon = 300, .rss_file = 100, .page_tables = 5, .started = 20},
    {CANDIDATE, .task = 3, .rss_anon = 100, .swap = 200, .adj = 200, .started = 10, .allocating = true},
    {CANDIDATE, .task = 4, .rss_anon = 800, .adj = -1000, .started = 50},
    {CANDIDATE, .task = 5, .rss_anon = 700, .dying = true, .started = 40},
    {CANDIDATE, .task = 6, .rss_anon = 400, .page_tables = 5, .started = 20},
    {CANDIDATE, .task = 7, .rss_anon = 10, .adj = -100, .started = 30},
};

static struct vmsim_oom_request oom_request(const struct vmsim_oom_candidate **list) {
    for (unsigned i = 0; i < TEST_COUNT(candidates); i++)
        list[i] = &candidates[i];
    return (struct vmsim_oom_request){.size = sizeof(struct vmsim_oom_request),
                                      .total_pages = 1000,
                                      .count = TEST_COUNT(candidates),
                                      .candidate = list};
}

static void each_oom_policy_chooses_its_victim(void **state) {
    /* badness: task 2: 405, task 3: 300 + 200, task 6: 405, task 7: 10 - 100 */
    static const struct {
        const char *policy;
        int32_t chosen;
    } cases[] = {{NULL, 2},     {"badness", 2},         {"largest-rss", 5},
                 {"newest", 6}, {"allocating-task", 2}, {"panic", VMSIM_OOM_PANIC}};
    const struct vmsim_oom_candidate *list[TEST_COUNT(candidates)];
    struct vmsim_oom_request q = oom_request(list);
    (void)state;
    for (unsigned i = 0; i < TEST_COUNT(cases); i++) {
        struct fixture f = start(&vmsim__oom_domain, NULL);
        struct vmsim__oom o;
        struct vmsim__policy_choice choice = {.name = cases[i].policy};
        assert_int_equal(vmsim__oom_create(&o, f.r, &choice, 1, &f.err), 0);
        assert_int_equal(vmsim__oom_choose(&o, &q), cases[i].chosen);
        vmsim__oom_destroy(&o);
        end(&f);
    }
}

static void of_equal_candidates_the_last_goes_and_adj_counts_in_thousandths(void **state) {
    const struct vmsim_oom_candidate *list[TEST_COUNT(candidates)];
    struct vmsim_oom_request q = oom_request(list);
    (void)state;
    candidates[2].adj = 0;
    assert_int_equal(vmsim__oom_worst(&q), 5); /* as bad as 1 */
    candidates[6].adj = 396;                   /* 10 + 396 */
    assert_int_equal(vmsim__oom_worst(&q), 6);
    q.total_pages = 999; /* thousandths of less than a page are none */
    assert_int_equal(vmsim__oom_worst(&q), 5);
    candidates[2].adj = 200;
    candidates[6].adj = -100;
    q.count = 1;
    assert_int_equal(vmsim__oom_worst(&q), VMSIM__OOM_NOBODY);
}

static int32_t answer;
static int32_t answering_choose(void *context, const struct vmsim_oom_request *r) {
    (void)context, (void)r;
    return answer;
}
static const struct vmsim_oom_policy answering = {
    .policy = {sizeof answering, VMSIM_POLICY_ABI, VMSIM_POLICY_OOM, "answering", "A test's.", NULL, 0},
    .choose = answering_choose};

static void victims_that_cannot_be_are_reported_and_the_worst_goes(void **state) {
    static const struct {
        int32_t answer;
        const char *told;
    } cases[] = {{7, "chose candidate 7 of 7"},
                 {-3, "chose candidate -3 of 7"},
                 {0, "chose task 1, which may not be killed"},
                 {3, "chose task 4, which may not be killed"},
                 {4, "chose task 5, which is dying already"}};
    const struct vmsim_oom_candidate *list[TEST_COUNT(candidates)];
    struct vmsim_oom_request q = oom_request(list);
    (void)state;
    for (unsigned i = 0; i < TEST_COUNT(cases); i++) {
        struct fixture f = start(&vmsim__oom_domain, &answering.policy);
        struct vmsim__oom o;
        struct vmsim__policy_choice choice = {.name = "answering"};
        assert_int_equal(vmsim__oom_create(&o, f.r, &choice, 1, &f.err), 0);
        answer = 1;
        assert_int_equal(vmsim__oom_choose(&o, &q), 1);
        assert_int_equal(fallbacks(&f, &answering.policy), 0);
        answer = cases[i].answer;
        assert_int_equal(vmsim__oom_choose(&o, &q), 2);
        assert_int_equal(fallbacks(&f, &answering.policy), 1);
        assert_string_equal(vmsim__policy_first_fallback(&o.instance), cases[i].told);
        vmsim__oom_destroy(&o);
        end(&f);
    }
}

/* ---- swap ---- */

#define AREA .size = sizeof(struct vmsim_swap_area)
static struct vmsim_swap_area areas[] = {
    {AREA, .priority = -2, .slots = 100, .free = 100, .next = 0},
    {AREA, .priority = 5, .slots = 100, .free = 50, .next = 60},
    {AREA, .priority = 5, .slots = 100, .free = 3, .next = 100},
};
static const struct vmsim_swap_area *const area_list[] = {&areas[0], &areas[1], &areas[2]};
static struct vmsim_swap_request swap_request = {.size = sizeof(struct vmsim_swap_request),
                                                 .slots = 1,
                                                 .neighbour = UINT64_MAX,
                                                 .count = TEST_COUNT(areas),
                                                 .area = area_list};

static void open_swap(struct fixture *f, struct vmsim__swap_placement *s, const char *policy) {
    struct vmsim__policy_choice choice = {.name = policy};
    assert_int_equal(vmsim__swap_placement_create(s, f->r, &choice, 1, &f->err), 0);
}

static void expect_place(struct vmsim__swap_placement *s, uint32_t area, uint64_t slot) {
    struct vmsim_swap_place place;
    assert_true(vmsim__swap_place(s, &swap_request, &place));
    assert_int_equal(place.area, area);
    assert_int_equal(place.slot, slot);
}

static void each_swap_policy_chooses_its_place(void **state) {
    struct fixture f = start(&vmsim__swap_domain, NULL);
    struct vmsim__swap_placement s;
    struct vmsim_swap_place place;
    (void)state;
    open_swap(&f, &s, NULL);
    expect_place(&s, 1, 60); /* the areas of priority 5 in turn */
    expect_place(&s, 2, 0);
    expect_place(&s, 1, 60);
    swap_request.slots = 4; /* one of them has not so many */
    expect_place(&s, 1, 60);
    expect_place(&s, 1, 60);
    swap_request.slots = 64;
    expect_place(&s, 0, 0);
    swap_request.slots = 128;
    assert_false(vmsim__swap_place(&s, &swap_request, &place));
    swap_request.slots = 1;
    vmsim__swap_placement_destroy(&s);
    open_swap(&f, &s, "first-fit");
    expect_place(&s, 1, 0);
    vmsim__swap_placement_destroy(&s);
    open_swap(&f, &s, "beside");
    expect_place(&s, 1, 60);
    swap_request.neighbour = 41;
    swap_request.neighbour_area = 0;
    expect_place(&s, 0, 42);
    swap_request.neighbour = 99; /* the last slot */
    expect_place(&s, 1, 60);
    swap_request.neighbour = UINT64_MAX;
    vmsim__swap_placement_destroy(&s);
    end(&f);
}

static struct vmsim_swap_place wanted;
static void wanting_place(void *context, const struct vmsim_swap_request *r, struct vmsim_swap_place *place) {
    (void)context, (void)r;
    *place = wanted;
}
static const struct vmsim_swap_policy wanting = {
    .policy = {sizeof wanting, VMSIM_POLICY_ABI, VMSIM_POLICY_SWAP, "wanting", "A test's.", NULL, 0},
    .place = wanting_place};

static void places_that_cannot_be_are_reported_and_another_is_taken(void **state) {
    static const struct {
        struct vmsim_swap_place place;
        const char *told;
    } cases[] = {{{3, 0}, "chose area 3 of 3"},
                 {{2, 0}, "chose area 2, which has not 4 free slots"},
                 {{1, 100}, "chose slot 100 of area 1, which has 100"}};
    (void)state;
    swap_request.slots = 4;
    for (unsigned i = 0; i < TEST_COUNT(cases); i++) {
        struct fixture f = start(&vmsim__swap_domain, &wanting.policy);
        struct vmsim__swap_placement s;
        open_swap(&f, &s, "wanting");
        wanted = (struct vmsim_swap_place){0, 99};
        expect_place(&s, 0, 99);
        wanted = cases[i].place;
        expect_place(&s, 1, 60);
        assert_int_equal(fallbacks(&f, &wanting.policy), 1);
        assert_string_equal(vmsim__policy_first_fallback(&s.instance), cases[i].told);
        vmsim__swap_placement_destroy(&s);
        end(&f);
    }
    swap_request.slots = 1;
}

/* ---- a host without memory ---- */

static bool create_all(struct vmsim__alloc *a, void *context) {
    struct vmsim__policy_registry *r = vmsim__policy_registry_create(a);
    struct vmsim__policy_choice none = {0};
    struct vmsim__oom o = {0};
    struct vmsim__swap_placement s = {0};
    (void)context;
    bool ok = r && !vmsim__policy_domain_add(r, &vmsim__oom_domain, NULL) &&
              !vmsim__policy_domain_add(r, &vmsim__swap_domain, NULL) && !vmsim__oom_create(&o, r, &none, 1, NULL) &&
              !vmsim__swap_placement_create(&s, r, &none, 1, NULL);
    vmsim__oom_destroy(&o);
    vmsim__swap_placement_destroy(&s);
    vmsim__policy_registry_destroy(r);
    return ok;
}

static void every_failed_allocation_leaves_nothing(void **state) {
    (void)state;
    struct vmsim__alloc *a = test_alloc();
    assert_in_range(test_each_failure(a, create_all, NULL, 100), 10, 99);
    test_alloc_end(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_oom_policy_chooses_its_victim),
        cmocka_unit_test(of_equal_candidates_the_last_goes_and_adj_counts_in_thousandths),
        cmocka_unit_test(victims_that_cannot_be_are_reported_and_the_worst_goes),
        cmocka_unit_test(each_swap_policy_chooses_its_place),
        cmocka_unit_test(places_that_cannot_be_are_reported_and_another_is_taken),
        cmocka_unit_test(every_failed_allocation_leaves_nothing),
    };
    return cmocka_run_group_tests_name("policy_domains", tests, NULL, NULL);
}
