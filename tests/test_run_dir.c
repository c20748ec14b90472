/* SPDX-License-Identifier: MIT */
/* Run directories as pages and tables: what stands in them comes through, whatever names it has; what is missing, cut
 * short or changed is named; nothing is asked of a network; of too many rows as many as fit are kept. */
#include "scenario_run.h"

#include <jansson.h>

#include "report/run_dir.h"
#include "vmsim/report.h"
#include "vmsim/run.h"

static char folder[256];

static char *in_folder(char path[512], const char *name) {
    assert_in_range(snprintf(path, 512, "%s/%s", folder, name), 1, 511);
    return path;
}

/* A run of two tasks, one of which has a name that HTML, JSON and Markdown have to be careful with. */
#define HOSTILE "</script><b>|`\\\"x"
static void make_run(char out[512], const char *interval) {
    char text[1000];
    snprintf(text, sizeof text,
             "machine: {nodes: [{memory: 64MiB}]}\n"
             "workload:\n  tasks:\n"
             "    - {name: plain, program: [{mmap: {as: h, length: 1MiB}}, {touch: {region: h, write: 100%%}}, "
             "{marker: {name: half}}, {touch: {region: h}}]}\n"
             "    - {name: '%s', program: [{mmap: {as: h, length: 64KiB}}, {touch: {region: h}}]}\n"
             "report: {interval: %s}\n"
             "expect: [{counter: tasks.plain.minflt, equals: 256}]\n",
             HOSTILE, interval);
    struct outcome o = run_with(text, 0);
    if (vmsim_report_write(o.s, in_folder(out, "run")))
        fail_msg("%s", vmsim_report_error(o.s));
    end(&o);
}

static struct vmsim_run *open_run(const char *path) {
    struct vmsim_run *run;
    if (vmsim_run_open(path, &run))
        fail_msg("%s", vmsim_run_error(run));
    return run;
}

static void fails_to_open(const char *path, int code, const char *says) {
    struct vmsim_run *run;
    const char *text;
    assert_int_equal(vmsim_run_open(path, &run), code);
    if (!strstr(vmsim_run_error(run), says))
        fail_msg("'%s' does not say '%s'", vmsim_run_error(run), says);
    assert_int_equal(vmsim_run_render(run, VMSIM_RUN_HTML, &text, NULL), VMSIM_EINVAL);
    assert_null(text);
    vmsim_run_close(run);
}

static bool noted(const struct vmsim_run *run, const char *words) {
    for (size_t i = 0; i < vmsim_run_notes(run); i++) {
        if (strstr(vmsim_run_note(run, i), words))
            return true;
    }
    return false;
}

/* The JSON that stands in the page. */
static json_t *data_of(const char *html) {
    static const char begin[] = "<script type=\"application/json\" id=\"data\">\n";
    const char *at = strstr(html, begin);
    assert_non_null(at);
    at += sizeof begin - 1;
    const char *stop = strstr(at, "</script>");
    assert_non_null(stop);
    json_error_t why;
    json_t *data = json_loadb(at, (size_t)(stop - at), 0, &why);
    if (!data)
        fail_msg("%d: %s", why.line, why.text);
    return data;
}

/* A program that does nothing but refer to memory takes what a parameter says; one that sleeps does not. */
static void what_is_not_simulated_and_decides_is_told(void **state) {
    static const struct {
        const char *program;
        bool told;
    } cases[] = {{"{mmap: {as: h, length: 64KiB}}, {touch: {region: h, count: 4000000}}", true},
                 {"{mmap: {as: h, length: 64KiB}}, {touch: {region: h}}, {sleep: {time: 1s}}", false}};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        char text[300];
        const char *out;
        snprintf(text, sizeof text, "workload: {tasks: [{name: a, program: [%s]}]}\n", cases[i].program);
        struct outcome o = run_with(text, 0);
        assert_int_equal(vmsim_report_text(o.s, &out, NULL), 0);
        const char *line =
            strstr(out, " % of the time is the programs' own work, at what machine.costs.references says");
        assert_int_equal(line != NULL, cases[i].told);
        assert_true(!line || strstr(line, "caches and pipelines are not simulated (docs/model.md)\n"));
        vmsim_report_free(o.s, out);
        end(&o);
    }
}

static void the_page_holds_the_run(void **state) {
    char out[512];
    const char *html, *again;
    size_t size;
    (void)state;
    make_run(out, "50us");
    struct vmsim_run *run = open_run(out);
    assert_int_equal(vmsim_run_notes(run), 0);
    assert_int_equal(vmsim_run_render(run, VMSIM_RUN_HTML, &html, &size), 0);
    assert_int_equal(strlen(html), size);
    json_t *data = data_of(html), *series = json_object_get(data, "series"), *column;
    assert_string_equal(vmsim__json_text(data, "name"), "run");
    assert_string_equal(
        vmsim__json_text(json_array_get(json_object_get(json_object_get(data, "stats"), "tasks"), 1), "name"), HOSTILE);
    assert_true(vmsim__json_uint(series, "rows") > 3);
    size_t i, rows = json_array_size(json_object_get(series, "time"));
    int64_t faults = 0;
    assert_int_equal(rows, vmsim__json_uint(series, "rows"));
    json_array_foreach(json_object_get(series, "columns"), i, column) {
        assert_int_equal(json_array_size(json_object_get(column, "values")), rows);
        for (size_t r = 0; !strcmp(vmsim__json_text(column, "name"), "tasks.plain.minflt") && r < rows; r++)
            faults += json_integer_value(json_array_get(json_object_get(column, "values"), r));
    }
    assert_int_equal(faults, 256);
    assert_int_equal(vmsim_run_render(run, VMSIM_RUN_HTML, &again, NULL), 0);
    assert_string_equal(html, again);
    json_decref(data);
    vmsim_run_free_text(run, html);
    vmsim_run_free_text(run, again);
    vmsim_run_close(run);
    test_rmdir(out);
}

static size_t count_of(const char *text, const char *word) {
    size_t n = 0;
    for (; (text = strstr(text, word)) != NULL; text++)
        n++;
    return n;
}

static void the_page_needs_no_network(void **state) {
    static const char *const references[] = {" src=", " href=", "url(", "@import", "import(", "fetch(", "XMLHttp"};
    char out[512];
    const char *html;
    (void)state;
    make_run(out, "1ms");
    struct vmsim_run *run = open_run(out);
    assert_int_equal(vmsim_run_render(run, VMSIM_RUN_HTML, &html, NULL), 0);
    for (size_t i = 0; i < TEST_COUNT(references); i++)
        assert_null(strstr(html, references[i]));
    assert_int_equal(count_of(html, "://"), 1); /* uPlot says whose it is */
    assert_int_equal(count_of(html, "<script"), 5);
    assert_int_equal(count_of(html, "</script>"), 5);
    vmsim_run_free_text(run, html);
    vmsim_run_close(run);
    test_rmdir(out);
}

static void markdown_is_of_tables(void **state) {
    char out[512];
    const char *text;
    (void)state;
    make_run(out, "1ms");
    struct vmsim_run *run = open_run(out);
    assert_int_equal(vmsim_run_render(run, VMSIM_RUN_MARKDOWN, &text, NULL), 0);
    assert_non_null(strstr(text, "**1 of 1 expectations hold**"));
    assert_non_null(strstr(text, "| ok | tasks.plain.minflt | end | 256 | = 256 |"));
    assert_non_null(strstr(text, "| \\</script\\>\\<b\\>\\|\\`\\\\\"x |"));
    assert_null(strstr(text, "<b>"));
    vmsim_run_free_text(run, text);
    assert_int_equal(vmsim_run_render(run, (enum vmsim_run_format)9, &text, NULL), VMSIM_EINVAL);
    vmsim_run_close(run);
    test_rmdir(out);
}

static void what_is_missing_or_changed_is_named(void **state) {
    char out[512], path[600];
    (void)state;
    make_run(out, "50us");
    snprintf(path, sizeof path, "%s/intervals.csv", out);
    size_t size;
    char *rows = test_read_file(path, &size);
    rows[size - 2] = 'x';
    test_write_file(path, rows, size);
    struct vmsim_run *run = open_run(out);
    assert_true(noted(run, "intervals.csv was changed after the run: it is not what manifest.json says"));
    assert_true(noted(run, "intervals.csv is cut short or damaged after row"));
    assert_true(run->series.kept > 2);
    vmsim_run_close(run);

    test_write_file(path, rows, size / 2);
    free(rows);
    snprintf(path, sizeof path, "%s/resolved.yaml", out);
    assert_int_equal(unlink(path), 0);
    run = open_run(out);
    assert_true(noted(run, "intervals.csv was changed after the run: its size is"));
    assert_true(noted(run, "resolved.yaml is missing"));
    vmsim_run_close(run);

    snprintf(path, sizeof path, "%s/manifest.json", out);
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof path, "%s/intervals.csv", out);
    assert_int_equal(unlink(path), 0);
    run = open_run(out);
    assert_true(noted(run, "manifest.json is missing: the writing of this run may have been cut short"));
    assert_true(noted(run, "intervals.csv is missing"));
    vmsim_run_close(run);
    test_rmdir(out);
}

/* A disk that was full: wherever stats.json ends, what stands before is shown, and that there was more is said. */
static void of_half_a_run_the_half_is_shown(void **state) {
    char out[512], path[600];
    const char *html;
    size_t size, shown = 0;
    (void)state;
    make_run(out, "50us");
    snprintf(path, sizeof path, "%s/stats.json", out);
    char *stats = test_read_file(path, &size);
    for (size_t length = size - 3; length > 200; length -= size / 97) {
        struct vmsim_run *run;
        test_write_file(path, stats, length);
        assert_int_equal(vmsim_run_open(out, &run), 0);
        assert_true(noted(run, "stats.json is cut short or damaged at line"));
        assert_int_equal(vmsim_run_render(run, VMSIM_RUN_HTML, &html, NULL), 0);
        json_t *data = data_of(html);
        shown += json_array_size(json_object_get(json_object_get(data, "stats"), "tasks"));
        json_decref(data);
        vmsim_run_free_text(run, html);
        vmsim_run_close(run);
    }
    assert_true(shown > 100);
    free(stats);
    test_rmdir(out);
}

static void other_directories_are_refused(void **state) {
    char out[512], path[600];
    static const char other[] = "{\"schema\": \"other\"}", newer[] =
                                                               "{\"schema\": \"vmsim-stats\", \"schema_version\": "
                                                               "\"2.0\"}";
    (void)state;
    fails_to_open(in_folder(out, "none"), VMSIM_ENOENT, "no such directory");
    assert_int_equal(mkdir(out, 0777), 0);
    fails_to_open(out, VMSIM_EFORMAT, "is no run directory: it has no stats.json");
    snprintf(path, sizeof path, "%s/stats.json", out);
    test_write_file(path, "{\"a\": ", 6);
    fails_to_open(out, VMSIM_ECORRUPT, "stats.json:1:");
    test_write_file(path, other, sizeof other - 1);
    fails_to_open(out, VMSIM_EFORMAT, "\"schema\" is not vmsim-stats");
    test_write_file(path, newer, sizeof newer - 1);
    fails_to_open(out, VMSIM_EVERSION, "is of format 2.0, and this vmsim knows 1.0: a newer vmsim reads it");
    fails_to_open(path, VMSIM_EFORMAT, "is a file of a run: the directory is meant");
    snprintf(path, sizeof path, "%s/other.yaml", out);
    test_write_file(path, newer, sizeof newer - 1);
    fails_to_open(path, VMSIM_EFORMAT, "other.yaml is a file, no run directory");
    snprintf(path, sizeof path, "%s/stats.json", out);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0666), 0);
    fails_to_open(out, VMSIM_EIO, "stats.json cannot be read");
    test_rmdir(out);
}

/* What an older format had in common is shown, and the page says that it is old. */
static void an_older_run_is_shown(void **state) {
    char out[512], path[600];
    static const char older[] = "{\"schema\": \"vmsim-stats\", \"schema_version\": \"0.9\", \"tasks\": [{\"name\": "
                                "\"sort\", \"minor_faults\": 7}]}";
    struct vmsim_run *run;
    const char *html;
    (void)state;
    in_folder(out, "older");
    assert_int_equal(mkdir(out, 0777), 0);
    snprintf(path, sizeof path, "%s/stats.json", out);
    test_write_file(path, older, sizeof older - 1);
    assert_int_equal(vmsim_run_open(out, &run), 0);
    assert_true(noted(run, "stats.json is of format 0.9, older than this vmsim's 1.0"));
    assert_int_equal(vmsim_run_render(run, VMSIM_RUN_HTML, &html, NULL), 0);
    assert_non_null(strstr(html, "older than this vmsim"));
    vmsim_run_free_text(run, html);
    vmsim_run_close(run);
    test_rmdir(out);
}

/* Ten columns that change and one that does not, of so many rows. */
static void write_rows(const char *out, uint64_t rows) {
    char path[600];
    snprintf(path, sizeof path, "%s/intervals.csv", out);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("time_ns", f);
    for (int c = 0; c < 11; c++)
        fprintf(f, ",vmstat.c%d", c);
    fputs("\n", f);
    for (uint64_t r = 0; r < rows; r++) {
        fprintf(f, "%llu", (unsigned long long)(r + 1) * 1000);
        for (int c = 0; c < 11; c++)
            fprintf(f, ",%llu", (unsigned long long)(r * (uint64_t)c));
        fputs("\n", f);
    }
    fclose(f);
}

static void of_too_many_rows_some_are_kept(void **state) {
    char out[512];
    const uint64_t rows = 500000;
    (void)state;
    make_run(out, "1ms");
    write_rows(out, rows);
    struct vmsim_run *run = open_run(out);
    const struct vmsim__run_series *s = &run->series;
    assert_int_equal(s->rows, rows);
    assert_int_equal(s->columns.count, 10);
    assert_int_equal(s->columns_all, 11);
    assert_true(s->every > 1 && s->kept * 11 <= VMSIM__SERIES_VALUES + 22 && s->kept * 22 > VMSIM__SERIES_VALUES);
    assert_int_equal(s->time[1], (s->every + 1) * 1000);
    assert_int_equal(s->time[s->kept - 1], rows * 1000);
    assert_int_equal(s->columns.at[9].values[s->kept - 1], (rows - 1) * 10);
    vmsim_run_close(run);
    test_rmdir(out);
}

static int make_folder(void **state) {
    (void)state;
    test_mkdir(folder);
    return 0;
}
static int remove_folder(void **state) {
    (void)state;
    test_rmdir(folder);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_simulated_and_decides_is_told),
        cmocka_unit_test(the_page_holds_the_run),
        cmocka_unit_test(the_page_needs_no_network),
        cmocka_unit_test(markdown_is_of_tables),
        cmocka_unit_test(what_is_missing_or_changed_is_named),
        cmocka_unit_test(other_directories_are_refused),
        cmocka_unit_test(an_older_run_is_shown),
        cmocka_unit_test(of_too_many_rows_some_are_kept),
        cmocka_unit_test(of_half_a_run_the_half_is_shown),
    };
    return cmocka_run_group_tests_name("run_dir", tests, make_folder, remove_folder);
}
