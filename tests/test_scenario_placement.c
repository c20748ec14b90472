/* SPDX-License-Identifier: MIT */
/* Placements of recorded mappings: random histories against an array of pages, and what references come to. */
#include "helpers.h"

#include "scenario/placement.h"

#define PAGES 512u
#define PAGE UINT64_C(4096)

static uint64_t model[PAGES]; /* delta of each page; 0: not placed */

static void compare(struct vmsim__placement *p) {
    size_t pages = 0;
    for (uint64_t i = 0; i < PAGES; i++) {
        uint64_t va = i * PAGE + 24;
        assert_int_equal(vmsim__placement_of(p, va), va + model[i]);
        vmsim_access in = vmsim_access_make(va, 8, i & 1 ? VMSIM_FETCH : VMSIM_STORE), out;
        vmsim__placement_translate(p, &in, &out, 1);
        assert_int_equal(vmsim_access_va(out), va + model[i]);
        assert_int_equal(vmsim_access_kind(out), vmsim_access_kind(in));
        assert_int_equal(vmsim_access_bytes(out), 8);
        pages += model[i] != 0;
    }
    for (size_t i = 0; i < p->ranges.count; i++) {
        const struct vmsim__placed *r = &p->ranges.at[i];
        assert_true(r->start < r->end);
        pages -= (r->end - r->start) / PAGE;
        if (i + 1 < p->ranges.count) {
            assert_true(r->end <= r[1].start);
            assert_false(r->end == r[1].start && r->delta == r[1].delta);
        }
    }
    assert_int_equal(pages, 0);
}

static void ranges_are_the_last_that_was_said_of_each_page(void **state) {
    (void)state;
    struct vmsim__alloc *a = test_alloc();
    struct vmsim__placement *p = vmsim__placement_create(a);
    struct vmsim__rng rng = test_rng("placement");
    memset(model, 0, sizeof model);
    for (unsigned n = 0; n < 3000; n++) {
        uint64_t first = vmsim__rng_below(&rng, PAGES), count = 1 + vmsim__rng_below(&rng, 40);
        uint64_t delta = vmsim__rng_below(&rng, 4) * UINT64_C(0x10000000);
        count = first + count > PAGES ? PAGES - first : count;
        for (uint64_t i = first; i < first + count; i++)
            model[i] = delta;
        assert_true(delta ? vmsim__placement_set(p, first * PAGE, (first + count) * PAGE, delta)
                          : vmsim__placement_clear(p, first * PAGE, (first + count) * PAGE));
        if (n % 50 == 0)
            compare(p);
    }
    compare(p);
    struct vmsim__placement *copy = vmsim__placement_copy(p);
    vmsim__placement_put(p);
    compare(copy);
    vmsim__placement_put(copy);
    test_alloc_end(a);
}

static void a_placement_may_lie_below_the_recording(void **state) {
    (void)state;
    struct vmsim__alloc *a = test_alloc();
    struct vmsim__placement *p = vmsim__placement_create(a);
    const uint64_t from = UINT64_C(0x7fff00000000), to = UINT64_C(0x400000);
    assert_true(vmsim__placement_set(p, from, from + PAGE, to - from));
    assert_int_equal(vmsim__placement_of(p, from + 5), to + 5);
    vmsim_access in = vmsim_access_make(from + 5, 4, VMSIM_LOAD), out;
    vmsim__placement_translate(p, &in, &out, 1);
    assert_int_equal(out, vmsim_access_make(to + 5, 4, VMSIM_LOAD));
    assert_null(vmsim__placement_from(p, from + PAGE));
    vmsim__placement_put(p);
    test_alloc_end(a);
}

/* What was asked for beside a mapping lies beside it again; far from all it stays where it was. */
static void a_place_beside_a_mapping_moves_with_it(void **state) {
    (void)state;
    struct vmsim__alloc *a = test_alloc();
    struct vmsim__placement *p = vmsim__placement_create(a);
    const uint64_t low = UINT64_C(0x10000000000), high = low + 1000 * PAGE, far = low + (UINT64_C(1) << 32);
    assert_int_equal(vmsim__placement_beside(p, low), low);
    assert_true(vmsim__placement_set(p, low, low + 10 * PAGE, 3 * PAGE));
    assert_true(vmsim__placement_set(p, high, high + 10 * PAGE, 7 * PAGE));
    assert_int_equal(vmsim__placement_beside(p, low - PAGE), low + 2 * PAGE);
    assert_int_equal(vmsim__placement_beside(p, low + PAGE), low + 4 * PAGE);
    assert_int_equal(vmsim__placement_beside(p, low + 20 * PAGE), low + 23 * PAGE);
    assert_int_equal(vmsim__placement_beside(p, high - 2 * PAGE), high + 5 * PAGE);
    assert_int_equal(vmsim__placement_beside(p, high + 30 * PAGE), high + 37 * PAGE);
    assert_int_equal(vmsim__placement_beside(p, far), far);
    vmsim__placement_put(p);
    test_alloc_end(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(ranges_are_the_last_that_was_said_of_each_page),
                                       cmocka_unit_test(a_placement_may_lie_below_the_recording),
                                       cmocka_unit_test(a_place_beside_a_mapping_moves_with_it)};
    return cmocka_run_group_tests_name("scenario_placement", tests, NULL, NULL);
}
