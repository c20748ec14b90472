/* SPDX-License-Identifier: MIT */
/* A batch within a budget of time stops before the first reference that would begin too late: always the same one,
 * however calls are cut, and nothing of it is seen. Held against references that are made one by one. */
#include "tlb_rig.h"

#define BASE UINT64_C(0x7f0000000000)
#define PAGES 400u

struct clocked {
    struct tlb_rig rig;
    uint64_t now, carry, reference;
};

static void open_clocked(struct clocked *c, const struct vmsim__tlb_spec *spec, uint64_t reference) {
    memset(c, 0, sizeof *c);
    rig_open(&c->rig, "x86_64", spec);
    c->reference = reference;
    for (unsigned i = 0; i < PAGES; i++)
        if (i % 7)
            rig_map(&c->rig, BASE + i * 4096, 0, 10 + i, RIGHTS_RW);
}

static void charge(struct clocked *c, size_t done) {
    uint64_t thousandths = done * c->reference + c->carry;
    c->now += thousandths / 1000 + vmsim__tlb_take_ns(c->rig.tlb);
    c->carry = thousandths % 1000;
}

/* Pages that are not mapped are where they fault, in no time. */
static void handle(struct clocked *c) {
    assert_int_equal(c->rig.stop.fault, VMSIM__FAULT_NOT_PRESENT);
    uint64_t page = (c->rig.stop.va - BASE) >> 12;
    assert_true(page < PAGES);
    rig_map(&c->rig, BASE + page * 4096, 0, 10 + page, RIGHTS_RW);
}

/* The specification: a reference begins when the clock says no more than `until`. */
static size_t one_by_one(struct clocked *c, const vmsim_access *a, size_t n, uint64_t until) {
    size_t i = 0;
    while (i < n && c->now <= until) {
        size_t done = vmsim__tlb_run(c->rig.tlb, &c->rig.pt, 1, true, a + i, 1, NULL, &c->rig.stop);
        charge(c, done);
        i += done;
        if (!done)
            handle(c);
    }
    return i;
}

/* The same by calls of up to `piece` references. */
static size_t within(struct clocked *c, const vmsim_access *a, size_t n, uint64_t until, size_t piece) {
    size_t i = 0;
    while (i < n && c->now <= until) {
        struct vmsim__tlb_budget budget = {until - c->now, c->reference, c->carry};
        size_t want = n - i < piece ? n - i : piece;
        size_t done = vmsim__tlb_run_within(c->rig.tlb, &c->rig.pt, 1, true, a + i, want, NULL, &budget, &c->rig.stop);
        charge(c, done);
        i += done;
        if (done < want && c->rig.stop.fault)
            handle(c);
        else
            assert_true(done == want || c->now > until);
    }
    return i;
}

static void assert_same(struct clocked *x, struct clocked *y) {
    struct vmsim__tlb_stats sx, sy;
    struct vmsim__err err = {0};
    vmsim__tlb_snapshot(x->rig.tlb, &sx);
    vmsim__tlb_snapshot(y->rig.tlb, &sy);
    for (unsigned i = 0; i < sx.arrays; i++)
        sx.array[i].name = sy.array[i].name;
    assert_memory_equal(&sx, &sy, sizeof sx);
    assert_int_equal(x->now, y->now);
    assert_int_equal(x->carry, y->carry);
    for (unsigned i = 0; i < PAGES; i++)
        assert_int_equal(rig_flags(&x->rig, BASE + i * 4096), rig_flags(&y->rig, BASE + i * 4096));
    if (rig_check(&y->rig, &err))
        fail_msg("%s", err.text);
}

static void random_batch(struct vmsim__rng *rng, vmsim_access *a, size_t n) {
    uint64_t hot = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t r = vmsim__rng_next(rng);
        hot = r % 31 ? hot : (r >> 8) % PAGES;
        uint64_t page = r % 11 ? hot + (r >> 20) % 3 : (r >> 30) % PAGES;
        a[i] = vmsim_access_make(BASE + page % (PAGES - 1) * 4096 + (r >> 44) % 4096, 1u << (r >> 3) % 4,
                                 (enum vmsim_access_type)(r >> 5 & 3));
    }
}

static void storm(const struct vmsim__tlb_spec *spec, struct vmsim__rng *rng) {
    static struct clocked one, cut;
    static vmsim_access a[3000];
    static const uint64_t costs[] = {0, 1, 400, 999, 1000, 70000};
    uint64_t reference = costs[vmsim__rng_below(rng, TEST_COUNT(costs))], until = 0;
    open_clocked(&one, spec, reference);
    open_clocked(&cut, spec, reference);
    for (unsigned round = 0; round < 60; round++) {
        size_t n = 1 + vmsim__rng_below(rng, TEST_COUNT(a)), i = 0;
        random_batch(rng, a, n);
        while (i < n) {
            uint64_t r = vmsim__rng_next(rng), pending = r % 5 ? 0 : (r >> 32) % 300;
            until = one.now + ((r >> 8) % 3 ? (r >> 16) % 2000 : (r >> 16) % 8);
            vmsim__tlb_add_ns(one.rig.tlb, pending);
            charge(&one, 0); /* an interrupt's time counts before it is taken */
            vmsim__tlb_add_ns(cut.rig.tlb, pending);
            size_t done = one_by_one(&one, a + i, n - i, until);
            assert_int_equal(within(&cut, a + i, n - i, until, r & 1 ? 1 + (r >> 40) % 700 : n), done);
            assert_same(&one, &cut);
            i += done;
            if (i < n)
                assert_true(one.now > until);
        }
    }
    rig_close(&one.rig);
    rig_close(&cut.rig);
}

static void a_batch_stops_at_the_same_reference_however_it_is_cut(void **state) {
    (void)state;
    struct vmsim__rng rng = test_rng("tlb-budget");
    struct vmsim__tlb_array_spec slow[] = {
        {.name = "L1I", .level = 1, .holds = VMSIM__TLB_INSTRUCTION, .entries = 16, .ways = 4, .latency = 1},
        {.name = "L1D", .level = 1, .holds = VMSIM__TLB_DATA, .entries = 16, .latency = 5},
        {.name = "L2", .level = 2, .holds = VMSIM__TLB_BOTH, .entries = 96, .ways = 12, .latency = 7}};
    struct vmsim__tlb_spec late = *vmsim__tlb_spec_default(), free_walks = late;
    late.arrays = (struct vmsim_param_list){slow, TEST_COUNT(slow)};
    late.clock = 1700;
    free_walks.walk_latency = free_walks.walk_reference = 0;
    for (unsigned i = 0; i < 3; i++) {
        storm(vmsim__tlb_spec_default(), &rng);
        storm(&late, &rng);
        storm(&free_walks, &rng);
    }
}

static void nothing_of_a_reference_beyond_the_budget_is_seen(void **state) {
    (void)state;
    static struct clocked c;
    vmsim_access a[3];
    open_clocked(&c, vmsim__tlb_spec_default(), 500);
    for (unsigned i = 0; i < 3; i++)
        a[i] = vmsim_access_make(BASE + (1 + i) * 4096, 8, VMSIM_STORE);
    /* a walk of 4 references takes some 20 ns */
    struct vmsim__tlb_budget budget = {0, 500, 0};
    assert_int_equal(vmsim__tlb_run_within(c.rig.tlb, &c.rig.pt, 1, true, a, 3, NULL, &budget, &c.rig.stop), 1);
    assert_int_equal(c.rig.stop.fault, VMSIM__FAULT_NONE);
    assert_true(rig_flags(&c.rig, BASE + 4096) & VMSIM__PTE_DIRTY);
    assert_false(rig_flags(&c.rig, BASE + 2 * 4096) & (VMSIM__PTE_ACCESSED | VMSIM__PTE_DIRTY));
    assert_int_equal(rig_counter(&c.rig, VMSIM__TLB_walks), 1);
    assert_int_equal(rig_counter(&c.rig, VMSIM__TLB_stores), 1);
    assert_int_equal(vmsim__tlb_run_within(c.rig.tlb, &c.rig.pt, 1, true, a + 1, 2, NULL, &budget, &c.rig.stop), 0);
    assert_int_equal(rig_counter(&c.rig, VMSIM__TLB_walks), 1);
    charge(&c, 1);
    assert_int_equal(vmsim__tlb_run_within(c.rig.tlb, &c.rig.pt, 1, true, a + 1, 2, NULL, &budget, &c.rig.stop), 1);
    assert_int_equal(vmsim__tlb_run(c.rig.tlb, &c.rig.pt, 1, true, a + 2, 1, NULL, &c.rig.stop), 1);
    rig_close(&c.rig);
}

static void a_budget_without_end_and_none_are_the_same(void **state) {
    (void)state;
    static struct clocked one, cut;
    static vmsim_access a[2000];
    struct vmsim__rng rng = test_rng("tlb-budget-endless");
    open_clocked(&one, vmsim__tlb_spec_default(), 400);
    open_clocked(&cut, vmsim__tlb_spec_default(), 400);
    random_batch(&rng, a, TEST_COUNT(a));
    assert_int_equal(one_by_one(&one, a, TEST_COUNT(a), UINT64_MAX), TEST_COUNT(a));
    for (size_t i = 0; i < TEST_COUNT(a);) {
        struct vmsim__tlb_budget budget = {i & 1 ? UINT64_MAX : UINT64_MAX - 1, 400, cut.carry};
        size_t done = vmsim__tlb_run_within(cut.rig.tlb, &cut.rig.pt, 1, true, a + i, TEST_COUNT(a) - i, NULL, &budget,
                                            &cut.rig.stop);
        charge(&cut, done);
        i += done;
        if (i < TEST_COUNT(a))
            handle(&cut);
    }
    assert_same(&one, &cut);
    rig_close(&one.rig);
    rig_close(&cut.rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_stops_at_the_same_reference_however_it_is_cut),
        cmocka_unit_test(nothing_of_a_reference_beyond_the_budget_is_seen),
        cmocka_unit_test(a_budget_without_end_and_none_are_the_same),
    };
    return cmocka_run_group_tests_name("tlb-budget", tests, NULL, NULL);
}
