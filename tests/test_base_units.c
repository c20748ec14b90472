/* SPDX-License-Identifier: MIT */
/* Sizes, times and numbers in text: exact both ways, bad input refused; suggestions. */
#include "helpers.h"

#include "base/units.h"

#define OK(parse, text, expected)                                                                                      \
    do {                                                                                                               \
        uint64_t v_ = 77;                                                                                              \
        const char *why_ = "";                                                                                         \
        if (!parse(text, &v_, &why_))                                                                                  \
            fail_msg("%s: %s", text, why_);                                                                            \
        assert_int_equal(v_, expected);                                                                                \
    } while (0)

static void refuse(bool (*parse)(const char *, uint64_t *, const char **), const char *text, const char *reason) {
    uint64_t v = 77;
    const char *why = "";
    if (parse(text, &v, &why))
        fail_msg("'%s' was taken", text);
    assert_int_equal(v, 77);
    if (!strstr(why, reason))
        fail_msg("'%s': expected '%s', got '%s'", text, reason, why);
    assert_false(parse(text, &v, NULL));
}

static void sizes_are_read_as_proc_and_the_kernel_command_line_write_them(void **state) {
    (void)state;
    OK(vmsim__parse_size, "0", 0);
    OK(vmsim__parse_size, "4097", 4097);
    OK(vmsim__parse_size, "4096B", 4096);
    OK(vmsim__parse_size, "16384 kB", 16777216);
    OK(vmsim__parse_size, "4KiB", 4096);
    OK(vmsim__parse_size, "512MiB", 536870912);
    OK(vmsim__parse_size, "1.5GiB", 1610612736);
    OK(vmsim__parse_size, "0.0009765625MiB", 1024);
    OK(vmsim__parse_size, "2.50000000000000000000000KiB", 2560);
    OK(vmsim__parse_size, "2G", UINT64_C(2) << 30);
    OK(vmsim__parse_size, "2m", 2 << 20);
    OK(vmsim__parse_size, "0x1000", 4096);
    OK(vmsim__parse_size, "0x10K", 16384);
    OK(vmsim__parse_size, "16383PiB", UINT64_C(16383) << 50);
    OK(vmsim__parse_size, "18446744073709551615", UINT64_MAX);
}

static void bad_sizes_are_refused_with_a_reason(void **state) {
    (void)state;
    static const struct {
        const char *text, *reason;
    } bad[] = {
        {"", "empty"},
        {" ", "not a number"},
        {"12xx", "unknown unit"},
        {"1.5.2GiB", "unknown unit"},
        {"-1", "negative"},
        {"-0", "negative"},
        {"+1", "not a number"},
        {"GiB", "not a number"},
        {"1.", "digits must follow"},
        {".5GiB", "not a number"},
        {"1.GiB", "digits must follow"},
        {"0.5B", "whole number of bytes"},
        {"1.3KiB", "whole number of bytes"},
        {"1.0000000000000000001KiB", "too many decimals"},
        {"16384PiB", "too large"},
        {"18446744073709551616", "too large"},
        {"99999999999999999999999999", "too large"},
        {"0x", "not a number"},
        {"0x1p3", "unknown unit"},
        {"1GB", "unknown unit"},
        {"1 ", "unknown unit"},
        {"1  GiB", "unknown unit"},
        {" 1", "not a number"},
        {"1e3", "unknown unit"},
        {"1Gib", "unknown unit"},
        {"nan", "not a number"},
    };
    for (unsigned i = 0; i < TEST_COUNT(bad); i++)
        refuse(vmsim__parse_size, bad[i].text, bad[i].reason);
}

static void times_need_a_unit(void **state) {
    (void)state;
    OK(vmsim__parse_time, "0", 0);
    OK(vmsim__parse_time, "250us", 250000);
    OK(vmsim__parse_time, "1.5ms", 1500000);
    OK(vmsim__parse_time, "10 s", UINT64_C(10000000000));
    OK(vmsim__parse_time, "2min", UINT64_C(120000000000));
    OK(vmsim__parse_time, "0.5h", UINT64_C(1800000000000));
    OK(vmsim__parse_time, "17ns", 17);
    refuse(vmsim__parse_time, "5", "unit is required");
    refuse(vmsim__parse_time, "0.5", "unit is required");
    refuse(vmsim__parse_time, "1.5ns", "whole number of nanoseconds");
    refuse(vmsim__parse_time, "5m", "unknown unit");
    refuse(vmsim__parse_time, "6000000h", "too large");
    refuse(vmsim__parse_time, "-1s", "negative");
}

static void units_of_others_are_understood_and_refused(void **state) {
    (void)state;
    static const struct {
        bool (*parse)(const char *, uint64_t *, const char **);
        const char *text, *reason;
    } slips[] = {
        {vmsim__parse_size, "1gb", "did you mean 'GiB'"},
        {vmsim__parse_size, "1Gi", "did you mean 'GiB'"},
        {vmsim__parse_size, "256MIB", "did you mean 'MiB'"},
        {vmsim__parse_size, "4 kbytes", "did you mean 'KiB'"},
        {vmsim__parse_size, "64b", "did you mean 'B'"},
        {vmsim__parse_time, "10sec", "did you mean 's'"},
        {vmsim__parse_time, "5m", "mean 'min' or 'ms'"},
        {vmsim__parse_time, "5mS", "did you mean 'ms'"},
        {vmsim__parse_time, "3usec", "did you mean 'us'"},
        {vmsim__parse_time, "3\302\265s", "did you mean 'us'"},
        {vmsim__parse_time, "2hours", "did you mean 'h'"},
        {vmsim__parse_time, "3parsecs", "times take ns"},
        {vmsim__parse_size, "1 GiB GiB", "sizes take B"},
        {vmsim__parse_size, "1xx", "sizes take B"},
        {vmsim__parse_size, "1gigagigagigagigagigabytes", "sizes take B"},
    };
    for (unsigned i = 0; i < TEST_COUNT(slips); i++)
        refuse(slips[i].parse, slips[i].text, slips[i].reason);
}

static void whole_numbers_have_no_unit(void **state) {
    (void)state;
    OK(vmsim__parse_uint, "0", 0);
    OK(vmsim__parse_uint, "0xFf", 255);
    OK(vmsim__parse_uint, "18446744073709551615", UINT64_MAX);
    refuse(vmsim__parse_uint, "1.0", "not a whole number");
    refuse(vmsim__parse_uint, "12xx", "not a whole number");
    refuse(vmsim__parse_uint, "0x10000000000000000", "too large");
    refuse(vmsim__parse_uint, "-1", "negative");
    int64_t v;
    const char *why;
    assert_true(vmsim__parse_int("-9223372036854775808", &v, &why));
    assert_true(v == INT64_MIN);
    assert_true(vmsim__parse_int("9223372036854775807", &v, &why));
    assert_true(v == INT64_MAX);
    assert_true(vmsim__parse_int("-0x10", &v, &why));
    assert_int_equal(v, -16);
    assert_false(vmsim__parse_int("9223372036854775808", &v, &why));
    assert_false(vmsim__parse_int("-9223372036854775809", &v, &why));
    assert_false(vmsim__parse_int("--1", &v, &why));
    assert_false(vmsim__parse_int("-", &v, &why));
    assert_false(vmsim__parse_int("", &v, &why));
}

static void exact_texts_are_short_and_read_back(void **state) {
    (void)state;
    char text[64];
    assert_string_equal(vmsim__format_size(0, text, sizeof text), "0B");
    assert_string_equal(vmsim__format_size(UINT64_C(4) << 30, text, sizeof text), "4GiB");
    assert_string_equal(vmsim__format_size(4097, text, sizeof text), "4097B");
    assert_string_equal(vmsim__format_size(UINT64_C(1536) << 20, text, sizeof text), "1536MiB");
    assert_string_equal(vmsim__format_time(250000, text, sizeof text), "250us");
    assert_string_equal(vmsim__format_time(0, text, sizeof text), "0ns");
    assert_string_equal(vmsim__format_time(UINT64_C(7200000000000), text, sizeof text), "2h");
    struct vmsim__rng r = test_rng("units");
    for (unsigned i = 0; i < 50000; i++) {
        uint64_t n = vmsim__rng_next(&r) >> vmsim__rng_below(&r, 64);
        n = i % 3 ? n : n >> vmsim__rng_below(&r, 64) << vmsim__rng_below(&r, 64);
        n = i % 4 ? n : n / 1000000 * 1000000;
        OK(vmsim__parse_size, vmsim__format_size(n, text, sizeof text), n);
        OK(vmsim__parse_time, vmsim__format_time(n, text, sizeof text), n);
    }
}

static void people_get_three_significant_digits(void **state) {
    (void)state;
    char text[64];
    static const struct {
        char *(*format)(uint64_t, char *, size_t);
        uint64_t n;
        const char *text;
    } cases[] = {
        {vmsim__human_size, 0, "0 B"},
        {vmsim__human_size, 1023, "1023 B"},
        {vmsim__human_size, 1024, "1.00 KiB"},
        {vmsim__human_size, UINT64_C(1567673324), "1.46 GiB"},
        {vmsim__human_size, UINT64_C(1048575), "1.00 MiB"},
        {vmsim__human_size, UINT64_MAX, "16384 PiB"},
        {vmsim__human_time, 12345678, "12.3 ms"},
        {vmsim__human_time, 999, "999 ns"},
        {vmsim__human_time, 999949, "1.00 ms"},
        {vmsim__human_time, 999400, "999 us"},
        {vmsim__human_time, UINT64_C(59600000000), "59.6 s"},
        {vmsim__human_time, UINT64_C(59960000000), "1.00 min"},
        {vmsim__human_time, 9996, "10.0 us"},
        {vmsim__human_count, 4212345, "4.21 M"},
        {vmsim__human_count, 17, "17"},
        {vmsim__human_count, 999999, "1.00 M"},
    };
    for (unsigned i = 0; i < TEST_COUNT(cases); i++)
        assert_string_equal(cases[i].format(cases[i].n, text, sizeof text), cases[i].text);
    assert_string_equal(vmsim__human_size(1024, text, 5), "1.00");
}

static void near_misses_are_suggested(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int other;
    } names[] = {{"memory", 1}, {"swappiness", 2}, {"cpus", 3}, {"watermark_scale_factor", 4}, {NULL, 0}};
    assert_string_equal(vmsim__closest("memroy", names, sizeof *names), "memory");
    assert_string_equal(vmsim__closest("swapiness", names, sizeof *names), "swappiness");
    assert_string_equal(vmsim__closest("watermark_scale_fctor", names, sizeof *names), "watermark_scale_factor");
    assert_string_equal(vmsim__closest("cpu", names, sizeof *names), "cpus");
    assert_null(vmsim__closest("reclaim", names, sizeof *names));
    assert_null(vmsim__closest("", names, sizeof *names));
    char longest[200];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_null(vmsim__closest(longest, names, sizeof *names));
    assert_null(vmsim__closest("memory", names + 4, sizeof *names));
}

static void names_are_printable(void **state) {
    (void)state;
    static const char *const rows[][2] = {{"plain \xc3\xa9 \xe2\x82\xac", "plain \xc3\xa9 \xe2\x82\xac"},
                                          {"a\nb\x1b[31m\x7f", "a\\012b\\033[31m\\177"},
                                          {"\xc2\x9b\x9b\x80", "\\302\\233\\233\\200"},
                                          {"\xc3\xa0\xc2", "\xc3\xa0\xc2"},
                                          {"", ""}};
    char text[64];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_string_equal(vmsim__printable(rows[i][0], text, sizeof text), rows[i][1]);
    assert_string_equal(vmsim__printable("ab\n", text, 6), "ab"); /* no half of an escape */
    assert_string_equal(vmsim__printable("a\xe2\x82\xac", text, 4), "a");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_printable),
        cmocka_unit_test(sizes_are_read_as_proc_and_the_kernel_command_line_write_them),
        cmocka_unit_test(bad_sizes_are_refused_with_a_reason),
        cmocka_unit_test(times_need_a_unit),
        cmocka_unit_test(units_of_others_are_understood_and_refused),
        cmocka_unit_test(whole_numbers_have_no_unit),
        cmocka_unit_test(exact_texts_are_short_and_read_back),
        cmocka_unit_test(people_get_three_significant_digits),
        cmocka_unit_test(near_misses_are_suggested),
    };
    return cmocka_run_group_tests_name("base_units", tests, NULL, NULL);
}
