/* SPDX-License-Identifier: MIT */
/* Error names, texts and the last-error text of a handle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "vmsim/version.h"

static void every_error_has_a_distinct_name_and_a_text(void **state) {
    (void)state;
    for (int e = -17; e <= 0; e++) {
        assert_string_not_equal(vmsim_error_name(e), "VMSIM_E?");
        assert_string_not_equal(vmsim_error_text(e), "unknown error");
        for (int f = e + 1; f <= 0; f++)
            assert_string_not_equal(vmsim_error_name(e), vmsim_error_name(f));
    }
    assert_string_equal(vmsim_error_name(VMSIM_ENOMEM), "VMSIM_ENOMEM");
    assert_string_equal(vmsim_error_name(VMSIM_OK), "VMSIM_OK");
}

static void numbers_that_are_no_error_are_told_so(void **state) {
    (void)state;
    assert_string_equal(vmsim_error_name(1), "VMSIM_E?");
    assert_string_equal(vmsim_error_name(INT32_MIN), "VMSIM_E?");
    assert_string_equal(vmsim_error_text(-9999), "unknown error");
}

static void a_handle_keeps_the_last_text(void **state) {
    (void)state;
    struct vmsim__err e = {0};
    assert_string_equal(vmsim__err_text(&e), "");
    assert_int_equal(vmsim__err_set(&e, VMSIM_EINVAL, "node %u has no memory", 3u), VMSIM_EINVAL);
    assert_string_equal(vmsim__err_text(&e), "node 3 has no memory");
    assert_int_equal(vmsim__err_set(NULL, VMSIM_EIO, "nobody listens"), VMSIM_EIO);
}

static void a_long_text_is_cut_with_dots(void **state) {
    (void)state;
    struct vmsim__err e = {0};
    char fits[512], longer[513];
    memset(fits, 'a', sizeof fits);
    memset(longer, 'b', sizeof longer);
    fits[511] = longer[512] = '\0';
    vmsim__err_set(&e, VMSIM_EINVAL, "%s", fits);
    assert_string_equal(vmsim__err_text(&e), fits);
    vmsim__err_set(&e, VMSIM_EINVAL, "%s", longer);
    assert_int_equal(strlen(vmsim__err_text(&e)), 511);
    assert_string_equal(vmsim__err_text(&e) + 507, "b...");
}

static void the_version_is_that_of_the_headers(void **state) {
    (void)state;
    assert_string_equal(vmsim_version(), VMSIM_VERSION);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_a_distinct_name_and_a_text),
        cmocka_unit_test(numbers_that_are_no_error_are_told_so),
        cmocka_unit_test(a_handle_keeps_the_last_text),
        cmocka_unit_test(a_long_text_is_cut_with_dots),
        cmocka_unit_test(the_version_is_that_of_the_headers),
    };
    return cmocka_run_group_tests_name("base_err", tests, NULL, NULL);
}
