/* SPDX-License-Identifier: MIT */
/* What a run says of its policies: which were asked, their own counters and notes, and what they answered that could
 * not be. */
#include "scenario_run.h"

#include <jansson.h>

#include "report/report_files.h"
#include "vmsim/report.h"

#define MACHINE                                                                                                        \
    "machine: {cpus: 2, nodes: [{memory: 64MiB}], transparent_hugepage: never, "                                       \
    "tlb: {arrays: [{name: L1, level: 1, entries: 8, ways: 8}]}}\n"
#define WORKLOAD                                                                                                       \
    "workload: {tasks: [{name: a, program: [{mmap: {as: h, length: 256KiB}}, "                                         \
    "{touch: {region: h, write: 100%}}, {touch: {region: h}}, {touch: {region: h}}]}]}\n"

static json_t *policies_of(struct outcome *r, json_t **whole) {
    const char *text;
    assert_int_equal(vmsim_report_render(r->s, VMSIM_REPORT_STATS, &text, NULL), 0);
    *whole = json_loads(text, 0, NULL);
    vmsim_report_free(r->s, text);
    assert_non_null(*whole);
    return json_object_get(*whole, "policies");
}

static json_t *row_of(json_t *rows, const char *policy) {
    for (size_t i = 0; i < json_array_size(rows); i++)
        if (!strcmp(json_string_value(json_object_get(json_array_get(rows, i), "policy")), policy))
            return json_array_get(rows, i);
    fail_msg("no row of policy %s", policy);
    return NULL;
}

static void a_policy_that_misbehaves_is_told_by_name(void **state) {
    (void)state;
    struct outcome r =
        run_with(MACHINE "policies: {tlb_replacement: {plugin: " TEST_PLUGIN_WRONG ", name: wrong}}\n" WORKLOAD, 0);
    uint64_t asked = counter(&r, "policies.tlb_replacement.wrong.asked");
    assert_true(asked > 50);
    assert_int_equal(counter(&r, "policies.tlb_replacement.wrong.fallbacks"), (asked + 1) / 2);
    const char *text;
    char line[300];
    snprintf(
        line, sizeof line,
        "\nPolicy wrong of domain tlb_replacement was not followed %llu times; the first: it chose way 999 of set 0 "
        "of TLB array L1, where ways 0 to 7 are to choose from\n",
        (unsigned long long)(asked + 1) / 2);
    assert_int_equal(vmsim_report_text(r.s, &text, NULL), 0);
    if (!strstr(text, line) || !strstr(text, "\nwrong: this policy is wrong on purpose\n"))
        fail_msg("the summary does not tell '%s': %s", line, text);
    vmsim_report_free(r.s, text);
    json_t *whole, *row = row_of(policies_of(&r, &whole), "wrong");
    assert_string_equal(json_string_value(json_object_get(row, "origin")), "plugin");
    assert_int_equal(json_integer_value(json_object_get(row, "instances")), 2);
    assert_int_equal(json_integer_value(json_object_get(row, "fallbacks")), (asked + 1) / 2);
    json_decref(whole);
    end(&r);
}

/* What was read is hashed: a trace, and a plugin. */
static void a_plugin_is_an_input(void **state) {
    char folder[256], path[600];
    uint64_t size, hash;
    (void)state;
    struct outcome r =
        run_with(MACHINE "policies: {tlb_replacement: {plugin: " TEST_PLUGIN_WRONG ", name: wrong}}\n" WORKLOAD, 0);
    test_mkdir(folder);
    snprintf(path, sizeof path, "%s/run", folder);
    assert_int_equal(vmsim_report_write(r.s, path), 0);
    snprintf(path, sizeof path, "%s/run/manifest.json", folder);
    json_t *manifest = json_load_file(path, 0, NULL), *inputs = json_object_get(manifest, "inputs");
    assert_int_equal(json_array_size(inputs), 1);
    const json_t *plugin = json_array_get(inputs, 0);
    assert_string_equal(json_string_value(json_object_get(plugin, "path")), strrchr(TEST_PLUGIN_WRONG, '/') + 1);
    assert_int_equal(vmsim__file_hash(TEST_PLUGIN_WRONG, &size, &hash), 0);
    assert_int_equal(json_integer_value(json_object_get(plugin, "size_bytes")), size);
    snprintf(path, sizeof path, "%016llx", (unsigned long long)hash);
    assert_string_equal(json_string_value(json_object_get(plugin, "xxh64")), path);
    json_decref(manifest);
    test_rmdir(folder);
    end(&r);
}

static void a_run_names_the_policies_that_it_asked(void **state) {
    (void)state;
    struct outcome r = run_with(MACHINE "policies: {tlb_replacement: {name: ship, params: {by: page}}}\n" WORKLOAD, 0);
    json_t *whole, *rows = policies_of(&r, &whole);
    assert_int_equal(json_array_size(rows), 6); /* one a domain that is asked */
    assert_int_equal(json_integer_value(json_object_get(row_of(rows, "ship"), "instances")), 2);
    assert_int_equal(counter(&r, "policies.tlb_replacement.ship.fallbacks"), 0);
    assert_true(counter(&r, "policies.tlb_replacement.ship.died_unused") > 0);
    json_decref(whole);
    const char *text;
    assert_int_equal(vmsim_report_text(r.s, &text, NULL), 0);
    assert_null(strstr(text, "was not followed"));
    vmsim_report_free(r.s, text);
    end(&r);
}

/* ---- readahead ---- */

#define FILE_WORKLOAD                                                                                                  \
    "workload: {files: [{name: /f, size: 1MiB}], tasks: [{name: a, program: [{read: {file: /f, length: 256KiB}}]}]}\n"

static uint64_t pages_read(const char *policies) {
    char text[600];
    snprintf(text, sizeof text, "machine: {cpus: 1, nodes: [{memory: 64MiB}]}\n%s" FILE_WORKLOAD, policies);
    struct outcome r = run_with(text, 0);
    uint64_t kilobytes = counter(&r, "vmstat.pgpgin");
    end(&r);
    return kilobytes / 4;
}

/* A read of 64 pages. Linux's windows double up to 32 pages: what it has read at the end goes beyond. */
static void readahead_is_a_choice(void **state) {
    (void)state;
    assert_int_equal(pages_read("policies: {readahead: none}\n"), 64);
    assert_int_equal(pages_read("policies: {readahead: {name: fixed, params: {pages: 48}}}\n"), 96);
    assert_int_equal(pages_read(""), pages_read("policies: {readahead: linux}\n"));
    assert_true(pages_read("") > 64);
}

static void a_wrong_window_is_told_by_name_and_not_read(void **state) {
    (void)state;
    struct outcome r =
        run_with("machine: {cpus: 1, nodes: [{memory: 64MiB}]}\n"
                 "policies: {readahead: {plugin: " TEST_PLUGIN_WRONG ", name: wrong-window}}\n" FILE_WORKLOAD,
                 0);
    assert_int_equal(counter(&r, "vmstat.pgpgin"), 64 * 4);
    assert_int_equal(counter(&r, "policies.readahead.wrong-window.fallbacks"), 1);
    const char *text;
    assert_int_equal(vmsim_report_text(r.s, &text, NULL), 0);
    assert_non_null(strstr(text,
                           "Policy wrong-window of domain readahead was not followed 1 time; the first: it wanted 2 "
                           "pages ahead of need of 1 of file "));
    vmsim_report_free(r.s, text);
    end(&r);
}

/* Whatever is wrong with the choice of a policy is told at its place. */
static void expect_refused(const char *text, const char *place, const char *why) {
    struct outcome r = {0};
    assert_int_equal(vmsim_config_create(&r.config), 0);
    assert_int_equal(vmsim_config_load_text(r.config, "box.yaml", text, strlen(text)), 0);
    assert_int_equal(vmsim_config_resolve(r.config), 0);
    assert_int_not_equal(vmsim_scenario_create(r.config, &r.s), 0);
    assert_null(r.s);
    const char *error = vmsim_config_error_text(r.config, 0);
    if (!strstr(error, place) || !strstr(error, why))
        fail_msg("%s", error);
    vmsim_config_destroy(r.config);
}

static void a_reclaim_policy_that_cannot_be_is_refused_with_its_place(void **state) {
    (void)state;
    expect_refused(MACHINE "policies: {reclaim: {name: arcc}}\n" WORKLOAD,
                   "box.yaml:2:", "no policy arcc of domain reclaim; there are: linux-lru, linux-mglru, fifo");
    expect_refused("machine: {resident_folios: 3}\n" WORKLOAD, "box.yaml:1:", "say `policies: {reclaim: lru}`");
    expect_refused("workload: {cgroups: [{path: /a, reclaim: {name: s3fifo, params: {threshold: 9}}}], "
                   "tasks: [{name: a, program: [{mmap: {as: h, length: 4KiB}}]}]}\n",
                   "box.yaml:1:", "threshold");
}

static uint64_t counted(const struct outcome *r, const char *name) {
    size_t id;
    assert_int_equal(vmsim_counter_find(vmsim_scenario_machine(r->s), name, &id), 0);
    return vmsim_counter_read(vmsim_scenario_machine(r->s), id);
}

/* The arrays are the default ones then; what was said of the rest is not lost with them. */
static void hardware_without_arrays_keeps_what_else_was_said_of_it(void **state) {
    (void)state;
    struct outcome plain = run_with("machine: {nodes: [{memory: 64MiB}]}\n" WORKLOAD, 0);
    struct outcome said =
        run_with("machine: {nodes: [{memory: 64MiB}], tlb: {prefetch: next-page, walk_reference: 100, "
                 "walk_caches: [{level: 1, entries: 8}]}}\n" WORKLOAD,
                 0);
    assert_int_equal(counted(&plain, "tlb.cpu0.prefetch_issued"), 0);
    assert_true(counted(&said, "tlb.cpu0.prefetch_issued") > 0);
    uint64_t walks = counted(&said, "tlb.cpu0.walks"), reads = counted(&said, "tlb.cpu0.walk_references");
    assert_int_equal(counted(&said, "tlb.cpu0.walk_cycles"), walks * 5 + reads * 100);
    assert_int_equal(counted(&plain, "tlb.cpu0.L2.4KiB.fills") > 0, 1);
    assert_true(counted(&said, "tlb.cpu0.L2.4KiB.fills") > 0);
    end(&plain);
    end(&said);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hardware_without_arrays_keeps_what_else_was_said_of_it),
        cmocka_unit_test(a_policy_that_misbehaves_is_told_by_name),
        cmocka_unit_test(a_plugin_is_an_input),
        cmocka_unit_test(a_run_names_the_policies_that_it_asked),
        cmocka_unit_test(readahead_is_a_choice),
        cmocka_unit_test(a_wrong_window_is_told_by_name_and_not_read),
        cmocka_unit_test(a_reclaim_policy_that_cannot_be_is_refused_with_its_place),
    };
    return cmocka_run_group_tests_name("policy_run", tests, NULL, NULL);
}
