/* SPDX-License-Identifier: MIT */
/* The table of kernels, and the integer helpers of util.h. */
#include "helpers.h"

#include "base/kernel.h"
#include "base/util.h"

static void kernels_are_found_by_name_and_the_reference_is_6_1(void **state) {
    (void)state;
    assert_string_equal(vmsim__kernel_find(NULL)->name, "6.1");
    for (unsigned i = 0; vmsim__kernel_at(i); i++)
        assert_ptr_equal(vmsim__kernel_find(vmsim__kernel_at(i)->name), vmsim__kernel_at(i));
    assert_non_null(vmsim__kernel_find("6.12"));
    assert_null(vmsim__kernel_find("6.1.0"));
    assert_null(vmsim__kernel_find(""));
    assert_null(vmsim__kernel_at(1000));
}

static void a_kernel_is_since_itself_and_every_older_one(void **state) {
    (void)state;
    for (unsigned i = 0; vmsim__kernel_at(i); i++) {
        for (unsigned j = 0; vmsim__kernel_at(j); j++)
            assert_int_equal(vmsim__kernel_since(vmsim__kernel_at(i), vmsim__kernel_at(j)->name), i >= j);
    }
}

static void the_square_root_is_the_floor(void **state) {
    (void)state;
    struct vmsim__rng r = test_rng("isqrt");
    for (unsigned i = 0; i < 100000; i++) {
        uint64_t x = vmsim__rng_next(&r) >> vmsim__rng_below(&r, 64), root = vmsim__isqrt(x);
        assert_true((unsigned __int128)root * root <= x);
        assert_true((unsigned __int128)(root + 1) * (root + 1) > x);
    }
    assert_int_equal(vmsim__isqrt(0), 0);
    assert_int_equal(vmsim__isqrt(UINT64_MAX), UINT32_MAX);
}

static void alignment_and_logarithms(void **state) {
    (void)state;
    assert_int_equal(vmsim__align_up(4097, 4096), 8192);
    assert_int_equal(vmsim__align_up(4096, 4096), 4096);
    assert_int_equal(vmsim__align_down(4097, 4096), 4096);
    for (unsigned i = 0; i < 64; i++) {
        uint64_t power = UINT64_C(1) << i;
        assert_int_equal(vmsim__log2(power), i);
        assert_int_equal(vmsim__log2(power | (power - 1)), i);
        assert_true(vmsim__is_pow2(power));
        assert_int_equal(vmsim__is_pow2(power + 1), i == 0);
    }
    assert_false(vmsim__is_pow2(0));
    assert_int_equal(vmsim__min64(3, UINT64_MAX), 3);
    assert_int_equal(vmsim__max64(3, UINT64_MAX), UINT64_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_are_found_by_name_and_the_reference_is_6_1),
        cmocka_unit_test(a_kernel_is_since_itself_and_every_older_one),
        cmocka_unit_test(the_square_root_is_the_floor),
        cmocka_unit_test(alignment_and_logarithms),
    };
    return cmocka_run_group_tests_name("base_kernel", tests, NULL, NULL);
}
