/* SPDX-License-Identifier: MIT */
/* The emitter: one description, every back end; escaping, nesting, numbers, out of memory. */
#include "helpers.h"

#include <jansson.h>

#include "report/emitter.h"

typedef void describe_fn(struct vmsim__emitter *e);
typedef void backend_fn(struct vmsim__emitter *e, struct vmsim__textbuf *out);

static void expect_text(backend_fn *backend, describe_fn *describe, const char *wanted) {
    struct vmsim__alloc *a = test_alloc();
    struct vmsim__textbuf out;
    struct vmsim__emitter e;
    vmsim__textbuf_init(&out, a);
    backend(&e, &out);
    describe(&e);
    vmsim__emitter_fini(&e);
    assert_false(out.failed);
    assert_string_equal(vmsim__textbuf_text(&out), wanted);
    vmsim__textbuf_fini(&out);
    test_alloc_end(a);
}

static void a_table(struct vmsim__emitter *e) {
    static const struct {
        const char *name;
        uint64_t hits, misses, ns;
    } rows[] = {{"L1", 1234567, 1, 0}, {"second, \"L2\"", 7, 3, 1500}};
    vmsim__emit_object(e, NULL);
    vmsim__emit_object(e, "run");
    vmsim__emit_uint(e, "virtual_time", 1936000, VMSIM__UNIT_NS);
    vmsim__emit_int(e, "exit_status", -11, VMSIM__UNIT_NONE);
    vmsim__emit_bool(e, "complete", true);
    vmsim__emit_string(e, "signal", NULL);
    vmsim__emit_object_end(e);
    vmsim__emit_array(e, "tlb_arrays");
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        vmsim__emit_object(e, NULL);
        vmsim__emit_string(e, "array", rows[i].name);
        vmsim__emit_uint(e, "hits", rows[i].hits, VMSIM__UNIT_COUNT);
        vmsim__emit_ratio(e, "miss_rate", rows[i].misses, rows[i].hits + rows[i].misses, 4, VMSIM__UNIT_PERCENT);
        vmsim__emit_uint(e, "time", rows[i].ns, VMSIM__UNIT_NS);
        vmsim__emit_object_end(e);
    }
    vmsim__emit_array_end(e);
    vmsim__emit_array(e, "nothing");
    vmsim__emit_array_end(e);
    vmsim__emit_object_end(e);
}

static void json_has_units_in_keys_and_ratios_as_digits(void **state) {
    (void)state;
    expect_text(vmsim__emitter_json, a_table,
                "{\n"
                "  \"run\": {\n"
                "    \"virtual_time_ns\": 1936000,\n"
                "    \"exit_status\": -11,\n"
                "    \"complete\": true,\n"
                "    \"signal\": null\n"
                "  },\n"
                "  \"tlb_arrays\": [\n"
                "    {\n"
                "      \"array\": \"L1\",\n"
                "      \"hits\": 1234567,\n"
                "      \"miss_rate\": \"0.0000\",\n"
                "      \"time_ns\": 0\n"
                "    },\n"
                "    {\n"
                "      \"array\": \"second, \\\"L2\\\"\",\n"
                "      \"hits\": 7,\n"
                "      \"miss_rate\": \"0.3000\",\n"
                "      \"time_ns\": 1500\n"
                "    }\n"
                "  ],\n"
                "  \"nothing\": []\n"
                "}\n");
}

static void text_aligns_tables_and_lines(void **state) {
    (void)state;
    expect_text(vmsim__emitter_text, a_table,
                "Run\n"
                "  virtual time  1.94 ms\n"
                "  exit status   -11\n"
                "  complete      yes\n"
                "  signal        -\n"
                "\n"
                "TLB arrays\n"
                "  array              hits  miss rate     time\n"
                "  L1            1,234,567     0.00 %     0 ns\n"
                "  second, \"L2\"          7    30.00 %  1.50 us\n"
                "\n"
                "Nothing\n"
                "  none\n");
}

static void csv_rows(struct vmsim__emitter *e) {
    vmsim__emit_array(e, "rows");
    for (uint64_t i = 0; i < 2; i++) {
        vmsim__emit_object(e, NULL);
        vmsim__emit_uint(e, "time", i * 1000, VMSIM__UNIT_NS);
        vmsim__emit_string(e, "name, quoted", i ? "say \"a,b\"" : "plain");
        vmsim__emit_ratio(e, "rate", 1, 3, 3, VMSIM__UNIT_NONE);
        vmsim__emit_ratio(e, "none", 1, 0, 3, VMSIM__UNIT_NONE);
        vmsim__emit_object_end(e);
    }
    vmsim__emit_array_end(e);
}

#define TEN "\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4"

static void letters_of_two_bytes(struct vmsim__emitter *e) {
    static const char *const names[] = {"gr\u00f6\u00dfe", TEN TEN TEN TEN TEN, "sort"};
    vmsim__emit_object(e, NULL);
    vmsim__emit_array(e, "tasks");
    for (size_t i = 0; i < TEST_COUNT(names); i++) {
        vmsim__emit_object(e, NULL);
        vmsim__emit_string(e, "task", names[i]);
        vmsim__emit_uint(e, "faults", i, VMSIM__UNIT_COUNT);
        vmsim__emit_object_end(e);
    }
    vmsim__emit_array_end(e);
    vmsim__emit_object_end(e);
}

static void text_aligns_and_cuts_by_letters_not_bytes(void **state) {
    (void)state;
    expect_text(vmsim__emitter_text, letters_of_two_bytes,
                "Tasks\n"
                "  task                                          faults\n"
                "  gr\u00f6\u00dfe                                              0\n"
                "  " TEN TEN TEN TEN "\u00e4\u00e4\u00e4\u00e4       1\n"
                "  sort                                               2\n");
}

static void one_long_text(struct vmsim__emitter *e) {
    vmsim__emit_object(e, NULL);
    vmsim__emit_array(e, "places");
    vmsim__emit_object(e, NULL);
    vmsim__emit_string(e, "what", TEN TEN TEN TEN TEN);
    vmsim__emit_string(e, "where", TEN TEN TEN TEN TEN ":7:5");
    vmsim__emit_object_end(e);
    vmsim__emit_array_end(e);
    vmsim__emit_object_end(e);
}

/* Nothing is behind it that it would push away, and a place in a file is of use only whole. */
static void the_last_column_is_whole(void **state) {
    (void)state;
    expect_text(vmsim__emitter_text, one_long_text,
                "Places\n"
                "  what                                          where\n"
                "  " TEN TEN TEN TEN "\u00e4\u00e4\u00e4\u00e4  " TEN TEN TEN TEN TEN ":7:5\n");
}

static void csv_has_one_header_and_quotes_what_needs_it(void **state) {
    (void)state;
    expect_text(vmsim__emitter_csv, csv_rows,
                "time_ns,\"name, quoted\",rate,none\n"
                "0,plain,0.333,\n"
                "1000,\"say \"\"a,b\"\"\",0.333,\n");
}

static void meminfo_lines(struct vmsim__emitter *e) {
    vmsim__emit_uint(e, "MemTotal", 2017048, VMSIM__UNIT_KB);
    vmsim__emit_uint(e, "HugePages_Total", 0, VMSIM__UNIT_NONE);
    vmsim__emit_string(e, "Groups", " ");
}

static void meminfo(struct vmsim__emitter *e, struct vmsim__textbuf *out) {
    vmsim__emitter_proc(
        e, out,
        (struct vmsim__proc_style){.prefix = "Node 1 ", .end = ":", .gap = "", .label_width = 16, .value_width = 8});
}

static void proc_lines_have_the_style_s_columns(void **state) {
    (void)state;
    expect_text(meminfo, meminfo_lines,
                "Node 1 MemTotal:        2017048 kB\nNode 1 HugePages_Total:       0\nNode 1 Groups:          \n");
}

static void strings_of_any_bytes(struct vmsim__emitter *e) {
    vmsim__emit_array(e, NULL);
    vmsim__emit_string(e, NULL, "\x01\t\"\\\x7f");
    vmsim__emit_string(e, NULL, "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80");
    vmsim__emit_string(e, NULL, "\xff\xc0\xaf\xed\xa0\x80 \xe2\x82");
    vmsim__emit_array_end(e);
}

static void strings_of_any_bytes_make_json(void **state) {
    struct vmsim__alloc *a = test_alloc();
    struct vmsim__textbuf out;
    struct vmsim__emitter e;
    (void)state;
    vmsim__textbuf_init(&out, a);
    vmsim__emitter_json(&e, &out);
    strings_of_any_bytes(&e);
    vmsim__emitter_fini(&e);
    json_error_t error;
    json_t *root = json_loads(vmsim__textbuf_text(&out), 0, &error);
    if (!root)
        fail_msg("%s in %s", error.text, vmsim__textbuf_text(&out));
    assert_string_equal(json_string_value(json_array_get(root, 0)), "\x01\t\"\\\x7f");
    assert_string_equal(json_string_value(json_array_get(root, 1)), "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80");
    json_decref(root);
    vmsim__textbuf_fini(&out);
    test_alloc_end(a);
}

static void ratios_round_half_up_at_any_size(void **state) {
    char text[64];
    (void)state;
    assert_string_equal(vmsim__ratio_text(1, 3, 4, text, sizeof text), "0.3333");
    assert_string_equal(vmsim__ratio_text(2, 3, 4, text, sizeof text), "0.6667");
    assert_string_equal(vmsim__ratio_text(1, 8, 2, text, sizeof text), "0.13");
    assert_string_equal(vmsim__ratio_text(UINT64_MAX, 1, 0, text, sizeof text), "18446744073709551615");
    assert_string_equal(vmsim__ratio_text(UINT64_MAX, UINT64_MAX, 9, text, sizeof text), "1.000000000");
    assert_string_equal(vmsim__grouped_text(0, text, sizeof text), "0");
    assert_string_equal(vmsim__grouped_text(999, text, sizeof text), "999");
    assert_string_equal(vmsim__grouped_text(1000, text, sizeof text), "1,000");
    assert_string_equal(vmsim__grouped_text(UINT64_MAX, text, sizeof text), "18,446,744,073,709,551,615");
}

static bool make_document(struct vmsim__alloc *a, void *backend) {
    struct vmsim__textbuf out;
    struct vmsim__emitter e;
    vmsim__textbuf_init(&out, a);
    (*(backend_fn **)backend)(&e, &out);
    a_table(&e);
    vmsim__emitter_fini(&e);
    bool ok = !out.failed;
    vmsim__textbuf_fini(&out);
    return ok;
}

static bool make_csv(struct vmsim__alloc *a, void *context) {
    struct vmsim__textbuf out;
    struct vmsim__emitter e;
    (void)context;
    vmsim__textbuf_init(&out, a);
    vmsim__emitter_csv(&e, &out);
    csv_rows(&e);
    vmsim__emitter_fini(&e);
    bool ok = !out.failed;
    vmsim__textbuf_fini(&out);
    return ok;
}

static void every_allocation_may_fail(void **state) {
    struct vmsim__alloc *a = test_alloc();
    backend_fn *backends[] = {vmsim__emitter_json, vmsim__emitter_text};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(backends); i++)
        assert_true(test_each_failure(a, make_document, &backends[i], 1000) > 0);
    assert_true(test_each_failure(a, make_csv, NULL, 1000) > 0);
    test_alloc_end(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_has_units_in_keys_and_ratios_as_digits),
        cmocka_unit_test(text_aligns_tables_and_lines),
        cmocka_unit_test(text_aligns_and_cuts_by_letters_not_bytes),
        cmocka_unit_test(the_last_column_is_whole),
        cmocka_unit_test(csv_has_one_header_and_quotes_what_needs_it),
        cmocka_unit_test(proc_lines_have_the_style_s_columns),
        cmocka_unit_test(strings_of_any_bytes_make_json),
        cmocka_unit_test(ratios_round_half_up_at_any_size),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
