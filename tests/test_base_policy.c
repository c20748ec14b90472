/* SPDX-License-Identifier: MIT */
/* The registry of policies: domains as rows, structs of other lengths, what instances count, note and answer wrongly.
 */
#include "base/policy_registry.h"
#include "helpers.h"

/* A domain of this test, in the place of a real one. */
struct old_policy {
    struct vmsim_policy policy;
    int (*decide)(void *context);
    void (*destroy)(void *context);
};
struct host_policy {
    struct vmsim_policy policy;
    int (*decide)(void *context);
    void (*destroy)(void *context);
    int (*added_later)(void *context);
};
struct new_policy {
    struct host_policy host;
    int (*of_tomorrow)(void *context);
};

static unsigned destroyed;

static int decide(void *context) {
    (void)context;
    return 7;
}
static void destroy(void *context) {
    (void)context;
    destroyed++;
}

#define HEAD(structure, policy_name)                                                                                   \
    { sizeof(structure), VMSIM_POLICY_ABI, VMSIM_POLICY_TLB_PREFETCH, policy_name, "A test's.", NULL, 0 }
static const struct host_policy plain = {HEAD(struct host_policy, "plain"), decide, destroy, decide};
static const struct vmsim_policy *const built_in[] = {&plain.policy, NULL};

static const struct vmsim__policy_domain row = {
    .info = {sizeof(struct vmsim_policy_domain_info), true, "test_domain", "A test's.", "plain"},
    .id = VMSIM_POLICY_TLB_PREFETCH,
    .size = sizeof(struct host_policy),
    .least = VMSIM__POLICY_UP_TO(host_policy, destroy),
    .decisive = {VMSIM__POLICY_HOOK(host_policy, decide)},
    .destroy = VMSIM__POLICY_HOOK(host_policy, destroy),
    .built_in = built_in};

struct fixture {
    struct vmsim__alloc *alloc;
    struct vmsim__policy_registry *r;
    struct vmsim__err err;
};

static struct fixture start(void) {
    struct fixture f = {.alloc = test_alloc()};
    f.r = vmsim__policy_registry_create(f.alloc);
    assert_non_null(f.r);
    assert_int_equal(vmsim__policy_domain_add(f.r, &row, &f.err), 0);
    destroyed = 0;
    return f;
}

static void end(struct fixture *f) {
    vmsim__policy_registry_destroy(f->r);
    test_alloc_end(f->alloc);
}

static void refused(struct fixture *f, const struct vmsim_policy *p, int code, const char *words) {
    assert_int_equal(vmsim__policy_add(f->r, p, "linked-in", &f->err), code);
    if (!strstr(f->err.text, words))
        fail_msg("expected '%s' in: %s", words, f->err.text);
}

/* ---- structs of other lengths ---- */

static void a_struct_of_an_older_header_is_filled_with_zeros(void **state) {
    (void)state;
    struct fixture f = start();
    struct {
        struct old_policy old;
        uintptr_t beyond;
    } old = {{HEAD(struct old_policy, "old"), decide, destroy}, UINTPTR_MAX};
    assert_int_equal(vmsim__policy_add(f.r, &old.old.policy, "linked-in", &f.err), 0);
    const struct host_policy *p = (const void *)vmsim__policy_find(f.r, VMSIM_POLICY_TLB_PREFETCH, "old");
    assert_non_null(p);
    assert_int_equal(p->policy.size, sizeof *p);
    assert_int_equal(p->decide(NULL), 7);
    assert_true(p->destroy == destroy);
    assert_null(p->added_later);
    end(&f);
}

static void a_struct_of_a_newer_header_loads_while_its_news_are_zero(void **state) {
    (void)state;
    struct fixture f = start();
    struct new_policy p = {{HEAD(struct new_policy, "new"), decide, destroy, decide}, NULL};
    assert_int_equal(vmsim__policy_add(f.r, &p.host.policy, "linked-in", &f.err), 0);
    const struct host_policy *got = (const void *)vmsim__policy_find(f.r, VMSIM_POLICY_TLB_PREFETCH, "new");
    assert_int_equal(got->policy.size, sizeof *got);
    assert_true(got->added_later == decide);
    /* whichever bytes of the hook's address are zero */
    struct new_policy q = {{HEAD(struct new_policy, "newer"), decide, destroy, decide}, NULL};
    for (size_t byte = 0; byte < sizeof q.of_tomorrow; byte++) {
        memset(&q.of_tomorrow, 0, sizeof q.of_tomorrow);
        ((unsigned char *)&q.of_tomorrow)[byte] = 1;
        refused(&f, &q.host.policy, VMSIM_EABI, "policy newer uses byte 72 of its struct, of a newer vmsim");
    }
    end(&f);
}

static void what_is_no_policy_of_the_domain_is_refused_by_name(void **state) {
    (void)state;
    struct fixture f = start();
    struct host_policy p = {HEAD(struct host_policy, "mine"), decide, destroy, NULL};
    p.policy.size = offsetof(struct host_policy, destroy);
    refused(&f, &p.policy, VMSIM_EABI, "policy mine has a struct of 56 bytes, its domain needs 64");
    p = (struct host_policy){HEAD(struct host_policy, "mine"), NULL, destroy, NULL};
    refused(&f, &p.policy, VMSIM_EINVAL, "policy mine lacks its deciding hook decide()");
    p = (struct host_policy){HEAD(struct host_policy, "plain"), decide, NULL, NULL};
    refused(&f, &p.policy, VMSIM_EINVAL, "there is a policy plain of domain test_domain already");
    p.policy.name = "mine";
    p.policy.domain = VMSIM_POLICY_TLB_REPLACEMENT;
    refused(&f, &p.policy, VMSIM_EABI, "of domain number 0, which this vmsim does not know");
    p.policy.domain = (enum vmsim_policy_domain)1000;
    refused(&f, &p.policy, VMSIM_EABI, "of domain number 1000, which this vmsim does not know");
    p = (struct host_policy){HEAD(struct host_policy, NULL), decide, NULL, NULL};
    refused(&f, &p.policy, VMSIM_EINVAL, "without size, name or description");
    end(&f);
}

static void no_choice_is_the_default_of_the_row(void **state) {
    (void)state;
    struct fixture f = start();
    struct vmsim__policy_choice choice = {0};
    const struct vmsim_policy *p;
    assert_int_equal(vmsim__policy_resolve(f.r, VMSIM_POLICY_TLB_PREFETCH, &choice, &p, &f.err), 0);
    assert_ptr_equal(p, &plain.policy);
    choice.name = "plane";
    assert_int_equal(vmsim__policy_resolve(f.r, VMSIM_POLICY_TLB_PREFETCH, &choice, &p, &f.err), VMSIM_ECONFIG);
    assert_string_equal(f.err.text, "no policy plane of domain test_domain; there are: plain");
    end(&f);
}

/* ---- instances ---- */

static void open_instance(struct fixture *f, struct vmsim__policy_instance *p) {
    assert_int_equal(vmsim__policy_instance_init(p, f->r, &plain.policy, NULL, 1, "stream", &f->err), 0);
    p->context = p;
}

static void counters_of_all_instances_are_one_sum(void **state) {
    (void)state;
    struct fixture f = start();
    struct vmsim__policy_instance a, b;
    open_instance(&f, &a), open_instance(&f, &b);
    uint64_t *x = a.services.counter(a.services.host, "scans"), *y = b.services.counter(b.services.host, "scans"), v;
    uint64_t *z = b.services.counter(b.services.host, "ghost_hits_2");
    assert_true(x && x == y && z && z != x);
    *x += 3, *y += 4, *z = 1;
    assert_true(vmsim__policy_counter_find(f.r, &plain.policy, "scans", &v));
    assert_int_equal(v, 7);
    assert_false(vmsim__policy_counter_find(f.r, &plain.policy, "scan", &v));
    static const char *const bad[] = {"",          "Scans", "a.b",
                                      "fallbacks", "a b",   "a_name_of_more_letters_than_fit_in_a_counter_of_ours"};
    for (unsigned i = 0; i < TEST_COUNT(bad); i++)
        assert_null(a.services.counter(a.services.host, bad[i]));
    vmsim__policy_instance_fini(&a), vmsim__policy_instance_fini(&b);
    assert_int_equal(destroyed, 2);
    struct vmsim__policy_use use;
    assert_true(vmsim__policy_use_at(f.r, 0, &use));
    assert_int_equal(use.instances, 2);
    assert_int_equal(use.counters, 2);
    assert_string_equal(vmsim__policy_counter_name(f.r, 0, 1), "ghost_hits_2");
    assert_int_equal(vmsim__policy_counter_read(f.r, 0, 0), 7);
    assert_false(vmsim__policy_use_at(f.r, 1, &use));
    end(&f);
}

static void notes_are_kept_cut_and_counted(void **state) {
    (void)state;
    struct fixture f = start();
    struct vmsim__policy_instance p;
    struct vmsim__policy_use use;
    char text[400];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    open_instance(&f, &p);
    for (unsigned i = 0; i < VMSIM_POLICY_NOTES + 5; i++)
        p.services.log(p.services.host, i ? "again" : text);
    vmsim__policy_use_at(f.r, 0, &use);
    assert_int_equal(use.notes, VMSIM_POLICY_NOTES);
    assert_int_equal(use.notes_dropped, 5);
    assert_int_equal(strlen(use.note[0]), 160);
    assert_string_equal(use.note[1], "again");
    vmsim__policy_instance_fini(&p);
    end(&f);
}

static void the_first_wrong_answer_is_remembered_and_all_are_counted(void **state) {
    (void)state;
    struct fixture f = start();
    struct vmsim__policy_instance p;
    struct vmsim__policy_use use;
    open_instance(&f, &p);
    assert_string_equal(vmsim__policy_first_fallback(&p), "");
    for (unsigned i = 0; i < 4; i++)
        vmsim__policy_fallback(&p, "chose way %u", 9 + i);
    vmsim__policy_use_at(f.r, 0, &use);
    assert_int_equal(use.fallbacks, 4);
    assert_string_equal(use.first, "chose way 9");
    vmsim__policy_instance_fini(&p);
    end(&f);
}

/* ---- a host without memory ---- */

static bool all_of_it(struct vmsim__alloc *a, void *context) {
    const struct old_policy *old = context;
    struct vmsim__policy_registry *r = vmsim__policy_registry_create(a);
    struct vmsim__policy_instance p;
    struct vmsim__err err;
    if (!r)
        return false;
    bool ok = !vmsim__policy_domain_add(r, &row, &err) && !vmsim__policy_add(r, &old->policy, "linked-in", &err);
    if (ok) {
        assert_int_equal(vmsim__policy_instance_init(&p, r, &plain.policy, NULL, 1, "s", &err), 0);
        ok = p.services.counter(p.services.host, "one") != NULL;
        p.services.log(p.services.host, "a note");
        vmsim__policy_fallback(&p, "did nothing");
        struct vmsim__policy_use use;
        assert_true(vmsim__policy_use_at(r, 0, &use));
        ok = ok && use.first && use.notes == 1;
        assert_int_equal(use.fallbacks, 1);
        assert_int_equal(use.notes + use.notes_dropped, 1);
        vmsim__policy_instance_fini(&p);
    }
    vmsim__policy_registry_destroy(r);
    return ok;
}

static void every_failed_allocation_leaves_nothing(void **state) {
    (void)state;
    struct vmsim__alloc *a = test_alloc();
    struct old_policy old = {HEAD(struct old_policy, "old"), decide, destroy};
    assert_in_range(test_each_failure(a, all_of_it, &old, 100), 8, 99);
    test_alloc_end(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_struct_of_an_older_header_is_filled_with_zeros),
        cmocka_unit_test(a_struct_of_a_newer_header_loads_while_its_news_are_zero),
        cmocka_unit_test(what_is_no_policy_of_the_domain_is_refused_by_name),
        cmocka_unit_test(no_choice_is_the_default_of_the_row),
        cmocka_unit_test(counters_of_all_instances_are_one_sum),
        cmocka_unit_test(notes_are_kept_cut_and_counted),
        cmocka_unit_test(the_first_wrong_answer_is_remembered_and_all_are_counted),
        cmocka_unit_test(every_failed_allocation_leaves_nothing),
    };
    return cmocka_run_group_tests_name("base_policy", tests, NULL, NULL);
}
