/* SPDX-License-Identifier: MIT */
/* Runs against each other: equal ones have nothing to tell; what makes others unlike, what changed and by how much,
 * which bounds that breaks, in every format; and what is no bound, no name or no run is refused. */
#include "scenario_run.h"

#include <jansson.h>

#include "report/run_compare.h"
#include "vmsim/report.h"

static char folder[256];

/* A run in which task `task` touches so many pages. */
static struct vmsim_run *make_run(const char *name, const char *task, unsigned pages) {
    char text[600], path[512];
    struct vmsim_run *run;
    snprintf(text, sizeof text,
             "machine: {nodes: [{memory: 64MiB}], transparent_hugepage: never}\n"
             "workload: {tasks: [{name: %s, program: [{mmap: {as: h, length: %uKiB}}, {touch: {region: h, write: "
             "100%%}}]}]}\n",
             task, pages * 4);
    struct outcome o = run_with(text, 0);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (vmsim_report_write(o.s, path))
        fail_msg("%s", vmsim_report_error(o.s));
    end(&o);
    if (vmsim_run_open(path, &run))
        fail_msg("%s", vmsim_run_error(run));
    return run;
}

/* Three runs: two alike, the third with more pages touched. */
static struct vmsim_run *runs[3], *renamed;

static int make_runs(void **state) {
    (void)state;
    test_mkdir(folder);
    runs[0] = make_run("one", "a", 100);
    runs[1] = make_run("same", "a", 100);
    runs[2] = make_run("more", "a", 150);
    renamed = make_run("renamed", "b", 100);
    return 0;
}

static int remove_runs(void **state) {
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(runs); i++)
        vmsim_run_close(runs[i]);
    vmsim_run_close(renamed);
    test_rmdir(folder);
    return 0;
}

struct found {
    struct vmsim_compare_result result;
    const char *text;
};

static struct found compare(struct vmsim_run *a, struct vmsim_run *b, const char *gate,
                            enum vmsim_compare_format format) {
    struct vmsim_run *const both[] = {a, b};
    const struct vmsim_compare_options o = {.size = sizeof o, .gates = &gate, .gate_count = gate != NULL};
    struct found f;
    if (vmsim_run_compare(both, 2, &o, format, &f.text, NULL, &f.result))
        fail_msg("%s", vmsim_run_error(a));
    return f;
}

static size_t breaches(struct vmsim_run *a, struct vmsim_run *b, const char *gate) {
    struct found f = compare(a, b, gate, VMSIM_COMPARE_TEXT);
    assert_int_equal(strstr(f.text, "FAILED") != NULL, f.result.breaches != 0);
    vmsim_run_free_text(a, f.text);
    return f.result.breaches;
}

static void equal_runs_have_nothing_to_tell(void **state) {
    (void)state;
    struct found f = compare(runs[0], runs[1], NULL, VMSIM_COMPARE_TEXT);
    assert_int_equal(f.result.changed, 0);
    assert_non_null(strstr(f.text, "numbers are the same\n"));
    assert_null(strstr(f.text, "Unlike"));
    assert_null(strstr(f.text, "Changes"));
    vmsim_run_free_text(runs[0], f.text);
}

static const json_t *row(const json_t *array, const char *key, const char *name) {
    size_t i;
    const json_t *r;
    json_array_foreach(array, i, r) {
        if (!strcmp(vmsim__json_text(r, key), name))
            return r;
    }
    return NULL;
}

static void changes_and_their_cause_are_told(void **state) {
    (void)state;
    struct found f = compare(runs[0], runs[2], NULL, VMSIM_COMPARE_JSON);
    json_t *all = json_loads(f.text, 0, NULL);
    assert_non_null(all);
    assert_int_equal(json_array_size(json_object_get(all, "unlike")), 1);
    const json_t *r = row(json_object_get(all, "unlike"), "what", "workload.tasks[0].program[0].mmap.length");
    assert_string_equal(vmsim__json_text(r, "A"), "400KiB");
    assert_string_equal(vmsim__json_text(r, "B"), "600KiB");
    r = row(json_object_get(all, "changes"), "counter", "tasks.a.minflt");
    assert_int_equal(vmsim__json_uint(r, "A"), 100);
    assert_int_equal(vmsim__json_uint(r, "B"), 150);
    assert_string_equal(vmsim__json_text(r, "change"), "+50.00 %");
    assert_int_equal(json_array_size(json_object_get(all, "changes")), f.result.changed);
    json_decref(all);
    vmsim_run_free_text(runs[0], f.text);
    f = compare(runs[0], runs[2], NULL, VMSIM_COMPARE_MARKDOWN);
    assert_non_null(strstr(f.text, "| tasks.a.minflt | 100 | 150 | +50.00 % |"));
    assert_non_null(strstr(f.text, "| workload.tasks\\[0\\].program\\[0\\].mmap.length | 400KiB | 600KiB |"));
    vmsim_run_free_text(runs[0], f.text);
}

/* The page has the same JSON, and the series of each run; nothing of it is fetched. */
static void a_page_has_all_runs(void **state) {
    static const char begin[] = "<script type=\"application/json\" id=\"data\">\n";
    (void)state;
    struct found f = compare(runs[0], runs[2], NULL, VMSIM_COMPARE_HTML);
    const char *at = strstr(f.text, begin);
    assert_non_null(at);
    at += sizeof begin - 1;
    json_t *data = json_loadb(at, (size_t)(strstr(at, "</script>") - at), 0, NULL);
    assert_non_null(data);
    assert_int_equal(json_array_size(json_object_get(data, "runs")), 2);
    assert_string_equal(vmsim__json_text(json_array_get(json_object_get(data, "runs"), 1), "name"), "more");
    assert_int_equal(vmsim__json_uint(json_object_get(data, "compare"), "changed"), f.result.changed);
    assert_null(strstr(f.text, " src="));
    assert_null(strstr(f.text, "fetch("));
    json_decref(data);
    vmsim_run_free_text(runs[0], f.text);
}

/* Four repetitions each of a program that touches so many random pages: chance is told from what was changed. */
static void repetitions_are_compared_by_their_means(void **state) {
    enum { EACH = 4 };
    struct vmsim_run *some[2 * EACH];
    struct vmsim_compare_options o = {.size = sizeof o, .seeds = true, .pattern = "tasks.a.minflt"};
    struct vmsim_compare_result result;
    const char *text;
    (void)state;
    for (unsigned more = 0; more < 2; more++) { /* 1000 references of 2000 pages; more of them, or as many */
        for (unsigned i = 0; i < 2 * EACH; i++) {
            char path[512], yaml[600];
            snprintf(
                yaml, sizeof yaml,
                "machine: {nodes: [{memory: 64MiB}], transparent_hugepage: never, cpus: %u}\n"
                "workload: {seed: %u, tasks: [{name: a, program: [{mmap: {as: h, length: 8000KiB}}, {touch: {region: "
                "h, pattern: uniform, count: %u}}]}]}\n",
                1 + i / EACH, 1 + i, more && i / EACH ? 1100 : 1000);
            struct outcome r = run_with(yaml, 0);
            snprintf(path, sizeof path, "%s/seed-%u-%u", folder, more, i);
            assert_int_equal(vmsim_report_write(r.s, path), 0);
            end(&r);
            assert_int_equal(vmsim_run_open(path, &some[i]), 0);
        }
        assert_int_equal(vmsim_run_compare(some, 2 * EACH, &o, VMSIM_COMPARE_JSON, &text, NULL, &result), 0);
        assert_int_equal(result.changed, more);
        json_t *all = json_loads(text, 0, NULL);
        const json_t *r = row(json_object_get(all, "changes"), "counter", "tasks.a.minflt");
        assert_int_equal(r != NULL, more);
        if (r) { /* 2000 (1 - exp(-c / 2000)): 787 and 846 */
            assert_in_range(vmsim__json_uint(r, "A"), 770, 804);
            assert_in_range(vmsim__json_uint(r, "B"), 829, 863);
            assert_in_range(vmsim__json_uint(r, "A_ci95"), 1, 50);
        }
        json_decref(all);
        vmsim_run_free_text(some[0], text);
        assert_int_equal(vmsim_run_compare(some, EACH + 1, &o, VMSIM_COMPARE_TEXT, &text, NULL, NULL), VMSIM_EINVAL);
        assert_non_null(strstr(vmsim_run_error(some[0]), "is not repeated with another seed"));
        assert_int_equal(vmsim_run_compare(some, EACH, &o, VMSIM_COMPARE_TEXT, &text, NULL, NULL), VMSIM_EINVAL);
        assert_non_null(strstr(vmsim_run_error(some[0]), "differ in nothing but their seeds"));
        for (unsigned i = 0; i < 2 * EACH; i++)
            vmsim_run_close(some[i]);
    }
}

static void a_threshold_and_a_pattern_choose(void **state) {
    struct vmsim_compare_options o = {.size = sizeof o, .pattern = "tasks.a.*flt", .threshold = 500001};
    struct vmsim_compare_result result;
    const char *text;
    (void)state;
    assert_int_equal(vmsim_run_compare(runs, 3, &o, VMSIM_COMPARE_TEXT, &text, NULL, &result), 0);
    assert_int_equal(result.changed, 1); /* minflt; majflt is 0 in all */
    assert_null(strstr(text, "minflt"));
    assert_non_null(strstr(text, "1 of 2 numbers changed, 0 of them by the threshold or more"));
    vmsim_run_free_text(runs[0], text);
    o.threshold = 500000;
    assert_int_equal(vmsim_run_compare(runs, 3, &o, VMSIM_COMPARE_TEXT, &text, NULL, &result), 0);
    assert_non_null(strstr(text, "tasks.a.minflt  100  100  150  =         +50.00 %"));
    vmsim_run_free_text(runs[0], text);
}

static void bounds_hold_up_to_their_share(void **state) {
    (void)state;
    assert_int_equal(breaches(runs[0], runs[2], "tasks.a.minflt=50%"), 0);
    assert_int_equal(breaches(runs[0], runs[2], "tasks.a.minflt=49.99%"), 1);
    assert_int_equal(breaches(runs[0], runs[2], "tasks.a.minflt=-0%"), 0);
    assert_int_equal(breaches(runs[2], runs[0], "tasks.a.minflt=0%"), 0);
    assert_int_equal(breaches(runs[2], runs[0], "tasks.a.minflt=-33%"), 1);
    assert_int_equal(breaches(runs[2], runs[0], "tasks.a.minflt=-33.34%"), 0);
    assert_int_equal(breaches(runs[0], runs[2], "tasks.a.m?nflt=0%"), 1);
    assert_int_equal(breaches(runs[0], runs[2], "tasks.a.majflt=0%"), 0);
    assert_int_equal(breaches(runs[0], renamed, "tasks.*.minflt=100%"), 2); /* each run has one that the other lacks */
}

static void slips_are_refused(void **state) {
    static const char *const gates[] = {"tasks.a.minflt", "tasks.a.minflt=",    "tasks.a.minflt=1", "=1%",
                                        "x=1%",           "tasks.a.minflt=1%%", "tasks.a.minflt=.%"};
    const char *text = "";
    struct vmsim_compare_options o = {.size = sizeof o, .gate_count = 1};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(gates); i++) {
        o.gates = &gates[i];
        assert_int_equal(vmsim_run_compare(runs, 2, &o, VMSIM_COMPARE_TEXT, &text, NULL, NULL), VMSIM_EINVAL);
        assert_null(text);
        assert_true(strlen(vmsim_run_error(runs[0])) > 0);
    }
    o = (struct vmsim_compare_options){.size = sizeof o, .pattern = "nothing.*"};
    assert_int_equal(vmsim_run_compare(runs, 2, &o, VMSIM_COMPARE_TEXT, &text, NULL, NULL), VMSIM_EINVAL);
    o = (struct vmsim_compare_options){.size = 3};
    assert_int_equal(vmsim_run_compare(runs, 2, &o, VMSIM_COMPARE_TEXT, &text, NULL, NULL), VMSIM_EINVAL);
    assert_int_equal(vmsim_run_compare(runs, 1, NULL, VMSIM_COMPARE_TEXT, &text, NULL, NULL), VMSIM_EINVAL);
    assert_int_equal(vmsim_run_compare(runs, 2, NULL, (enum vmsim_compare_format)7, &text, NULL, NULL), VMSIM_EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_runs_have_nothing_to_tell),
        cmocka_unit_test(changes_and_their_cause_are_told),
        cmocka_unit_test(repetitions_are_compared_by_their_means),
        cmocka_unit_test(a_page_has_all_runs),
        cmocka_unit_test(a_threshold_and_a_pattern_choose),
        cmocka_unit_test(bounds_hold_up_to_their_share),
        cmocka_unit_test(slips_are_refused),
    };
    return cmocka_run_group_tests_name("run_compare", tests, make_runs, remove_runs);
}
