/* SPDX-License-Identifier: MIT */
/* A small run and what is written of it: the summary to the byte, the run directory whole or not at all, stats.json
 * against its schema, equal bytes of equal runs. VMSIM_UPDATE_GOLDEN=1 writes tests/golden/report/small.txt anew. */
#include "helpers.h"

#include <regex.h>
#include <signal.h>
#include <sys/resource.h>
#include <jansson.h>
#include <xxhash.h>

#include "scenario/engine.h"
#include "vmsim/report.h"

#define GOLDEN VMSIM_SOURCE_DIR "/tests/golden/report/"

struct run {
    struct vmsim_config *config;
    struct vmsim_scenario *s;
};

static struct run start(const char *const *settings) {
    struct run r = {0};
    assert_int_equal(chdir(GOLDEN), 0); /* so that places read "small.yaml:1:2" */
    assert_int_equal(vmsim_config_create(&r.config), 0);
    int err = vmsim_config_load_file(r.config, "small.yaml");
    for (; settings && *settings; settings++)
        assert_int_equal(vmsim_config_set(r.config, *settings), 0);
    if (err || vmsim_config_resolve(r.config) || vmsim_scenario_create(r.config, &r.s))
        fail_msg("%s", vmsim_config_error_text(r.config, 0));
    if (vmsim_scenario_run(r.s, NULL, NULL))
        fail_msg("%s", vmsim_scenario_error(r.s));
    return r;
}

static void end(struct run *r) {
    assert_int_equal(vmsim_scenario_destroy(r->s), 0);
    vmsim_config_destroy(r->config);
}

static char *path_in(char buffer[512], const char *folder, const char *name) {
    int length = snprintf(buffer, 512, "%s/%s", folder, name);
    assert_in_range(length, 1, 511);
    return buffer;
}

static bool exists(const char *path) {
    return access(path, F_OK) == 0;
}

/* ---- documents ---- */

static void the_summary_is_the_golden_one(void **state) {
    struct run r = start(NULL);
    const char *text;
    size_t size;
    (void)state;
    assert_int_equal(vmsim_report_text(r.s, &text, &size), 0);
    assert_int_equal(strlen(text), size);
    if (getenv("VMSIM_UPDATE_GOLDEN"))
        test_write_file(GOLDEN "small.txt", text, size);
    char *golden = test_read_file(GOLDEN "small.txt", NULL);
    assert_string_equal(text, golden);
    free(golden);
    vmsim_report_free(r.s, text);
    end(&r);
}

static void equal_runs_give_equal_documents(void **state) {
    struct run a = start(NULL), b = start(NULL);
    (void)state;
    for (int kind = VMSIM_REPORT_SUMMARY; kind <= VMSIM_REPORT_EXPECTATIONS; kind++) {
        const char *one, *two;
        assert_int_equal(vmsim_report_render(a.s, (enum vmsim_report_kind)kind, &one, NULL), 0);
        assert_int_equal(vmsim_report_render(b.s, (enum vmsim_report_kind)kind, &two, NULL), 0);
        assert_string_equal(one, two);
        vmsim_report_free(a.s, one);
        vmsim_report_free(b.s, two);
    }
    end(&a);
    end(&b);
}

static void a_report_of_no_kind_is_refused(void **state) {
    struct run r = start(NULL);
    const char *text = "";
    (void)state;
    assert_int_equal(vmsim_report_render(r.s, (enum vmsim_report_kind)99, &text, NULL), VMSIM_EINVAL);
    assert_null(text);
    assert_string_equal(vmsim_report_error(r.s), "there is no report of kind 99");
    vmsim_report_free(r.s, NULL);
    end(&r);
}

static void a_run_without_wishes_has_no_table_of_them(void **state) {
    static const char *const settings[] = {"expect=[]", "workload.tasks=[{name: a, program: [{sleep: {time: 1ms}}]}]",
                                           NULL};
    struct run r = start(settings);
    const char *text;
    (void)state;
    assert_int_equal(vmsim_report_render(r.s, VMSIM_REPORT_EXPECTATIONS, &text, NULL), 0);
    assert_string_equal(text, "");
    vmsim_report_free(r.s, text);
    end(&r);
}

/* ---- stats.json against docs/stats-schema.json ---- */

static json_t *schema_root;

static bool type_is(const json_t *value, const char *name) {
    return (!strcmp(name, "object") && json_is_object(value)) || (!strcmp(name, "array") && json_is_array(value)) ||
           (!strcmp(name, "string") && json_is_string(value)) || (!strcmp(name, "integer") && json_is_integer(value)) ||
           (!strcmp(name, "null") && json_is_null(value)) || (!strcmp(name, "boolean") && json_is_boolean(value));
}

static bool types_fit(const json_t *value, const json_t *types) {
    size_t i;
    json_t *type;
    if (json_is_string(types))
        return type_is(value, json_string_value(types));
    json_array_foreach(types, i, type) {
        if (type_is(value, json_string_value(type)))
            return true;
    }
    return false;
}

static void validate(json_t *value, json_t *schema, const char *path);

static void validate_object(json_t *value, json_t *schema, const char *path) {
    const char *key;
    json_t *member, *properties = json_object_get(schema, "properties"), *required;
    json_t *others = json_object_get(schema, "additionalProperties");
    size_t i;
    json_array_foreach(json_object_get(schema, "required"), i, required) {
        if (!json_object_get(value, json_string_value(required)))
            fail_msg("%s: %s is missing", path, json_string_value(required));
    }
    json_object_foreach(value, key, member) {
        char inner[512];
        json_t *own = json_object_get(properties, key);
        snprintf(inner, sizeof inner, "%.200s.%.200s", path, key);
        if (!own && json_is_false(others))
            fail_msg("%s is not in the schema", inner);
        if (own || json_is_object(others))
            validate(member, own ? own : others, inner);
    }
}

static void validate(json_t *value, json_t *schema, const char *path) {
    const char *ref = json_string_value(json_object_get(schema, "$ref"));
    json_t *item, *choices = json_object_get(schema, "enum"), *only = json_object_get(schema, "const");
    size_t i;
    bool chosen = !choices;
    if (ref)
        validate(value, json_object_get(json_object_get(schema_root, "$defs"), strrchr(ref, '/') + 1), path);
    if (json_object_get(schema, "type") && !types_fit(value, json_object_get(schema, "type")))
        fail_msg("%s is of another type", path);
    if (only && !json_equal(value, only))
        fail_msg("%s is not what it must be", path);
    json_array_foreach(choices, i, item) chosen |= json_equal(item, value);
    if (!chosen)
        fail_msg("%s is none of what it may be", path);
    if (json_is_integer(value) && json_object_get(schema, "minimum") && json_integer_value(value) < 0)
        fail_msg("%s is negative", path);
    if (json_is_object(value))
        validate_object(value, schema, path);
    json_array_foreach(value, i, item) {
        char inner[512];
        snprintf(inner, sizeof inner, "%.200s[%zu]", path, i);
        if (json_object_get(schema, "items"))
            validate(item, json_object_get(schema, "items"), inner);
    }
}

static json_t *stats_of(struct run *r) {
    const char *text;
    json_error_t error;
    assert_int_equal(vmsim_report_render(r->s, VMSIM_REPORT_STATS, &text, NULL), 0);
    json_t *stats = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (!stats)
        fail_msg("line %d: %s", error.line, error.text);
    vmsim_report_free(r->s, text);
    return stats;
}

static void stats_obey_their_schema(void **state) {
    struct run r = start(NULL);
    json_t *stats = stats_of(&r);
    (void)state;
    schema_root = json_load_file(VMSIM_SOURCE_DIR "/docs/stats-schema.json", 0, NULL);
    assert_non_null(schema_root);
    validate(stats, schema_root, "stats");
    json_decref(schema_root);
    json_decref(stats);
    end(&r);
}

/* The description in the schema of what is called so, or NULL. */
static const char *described(json_t *patterns, const char *name) {
    const char *key;
    json_t *one;
    json_object_foreach(patterns, key, one) {
        regex_t r;
        assert_int_equal(regcomp(&r, key, REG_EXTENDED | REG_NOSUB), 0);
        bool matches = !regexec(&r, name, 0, NULL, 0);
        regfree(&r);
        if (matches)
            return json_string_value(json_object_get(one, "description"));
    }
    return NULL;
}

/* Of a machine that has each kind, on each kernel: a name, a unit, a meaning; the schema says the same. */
static void every_counter_has_a_meaning_which_the_schema_tells(void **state) {
    (void)state;
    static const char *const kernels[] = {"6.1", "6.12", "6.18"};
    json_t *schema = json_load_file(VMSIM_SOURCE_DIR "/docs/stats-schema.json", 0, NULL);
    json_t *of =
        json_object_get(json_object_get(json_object_get(schema, "properties"), "counters"), "patternProperties");
    assert_true(json_object_size(of) > 200);
    for (size_t k = 0; k < sizeof kernels / sizeof *kernels; k++) {
        char kernel[40];
        snprintf(kernel, sizeof kernel, "machine.kernel=%s", kernels[k]);
        struct run r = start((const char *[]){kernel, "workload.cgroups=[{path: /a/b}]", NULL});
        struct vmsim_machine *m = vmsim_scenario_machine(r.s);
        for (size_t i = 0; i < vmsim_counter_count(m); i++) {
            const char *unit, *name = vmsim_counter_name(m, i), *meaning = vmsim_counter_meaning(m, i, &unit);
            char full[200];
            if (!meaning || !*meaning)
                fail_msg("%s has no meaning", name);
            snprintf(full, sizeof full, *unit ? "%s (%s)" : "%s", meaning, unit);
            const char *told = described(of, name);
            if (!strncmp(name, "policies.", 9) && !strstr(name, ".fallbacks"))
                continue;
            if (!told || strcmp(told, full) != 0)
                fail_msg("%s: the schema says '%s', the library '%s'", name, told ? told : "nothing", full);
        }
        assert_null(vmsim_counter_meaning(m, vmsim_counter_count(m), NULL));
        end(&r);
    }
    json_decref(schema);
}

static void stats_have_every_counter(void **state) {
    struct run r = start(NULL);
    struct vmsim_machine *m = vmsim_scenario_machine(r.s);
    json_t *stats = stats_of(&r), *counters = json_object_get(stats, "counters");
    (void)state;
    assert_true(vmsim_counter_count(m) > 100);
    assert_int_equal(json_object_size(counters), vmsim_counter_count(m));
    for (size_t id = 0; id < vmsim_counter_count(m); id++)
        assert_int_equal(json_integer_value(json_object_get(counters, vmsim_counter_name(m, id))),
                         vmsim_counter_read(m, id));
    json_decref(stats);
    end(&r);
}

static void markers_tell_what_changed_between_them(void **state) {
    struct run r = start(NULL);
    json_t *stats = stats_of(&r), *markers = json_object_get(stats, "markers");
    (void)state;
    assert_int_equal(json_array_size(markers), 2);
    json_t *first = json_array_get(markers, 0), *last = json_array_get(markers, 1);
    assert_string_equal(json_string_value(json_object_get(first, "marker")), "filled");
    assert_true(json_is_null(json_object_get(first, "since")));
    assert_string_equal(json_string_value(json_object_get(last, "marker")), "end");
    json_t *faults = json_object_get(json_object_get(first, "changed"), "tasks.writer.minflt");
    int64_t at_marker = json_integer_value(json_array_get(faults, 1));
    assert_true(at_marker > 0);
    json_t *all = json_object_get(json_object_get(last, "changed"), "vmstat.pgfault");
    assert_true(json_integer_value(json_array_get(all, 0)) > 0);
    assert_true(json_integer_value(json_array_get(all, 1)) > json_integer_value(json_array_get(all, 0)));
    json_decref(stats);
    end(&r);
}

static void shares_of_time_add_up(void **state) {
    struct run r = start(NULL);
    json_t *stats = stats_of(&r), *row;
    size_t i;
    uint64_t parts = 0, whole = 0;
    (void)state;
    json_array_foreach(json_object_get(stats, "where_the_time_went"), i, row) parts +=
        (uint64_t)json_integer_value(json_object_get(row, "time_ns"));
    json_array_foreach(json_object_get(stats, "tasks"), i, row) whole +=
        (uint64_t)json_integer_value(json_object_get(row, "time_ns"));
    assert_int_equal(parts, whole);
    json_decref(stats);
    end(&r);
}

static uint64_t number(json_t *row, const char *key) {
    assert_true(json_is_integer(json_object_get(row, key)));
    return (uint64_t)json_integer_value(json_object_get(row, key));
}

/* Every fault of a reference is in one histogram, and every histogram adds up. */
/* Who read whose memory: what is told of pairs of nodes adds up to what the counters say of each node. */
static void traffic_between_nodes_adds_up(void **state) {
    static const char *const settings[] = {
        "machine.nodes=[{memory: 128MiB, distances: [10, 21]}, {memory: 128MiB, cpus: [], distances: [21, 10]}]",
        "machine.transparent_hugepage=never", "expect=[]",
        "workload.tasks=[{name: a, program: [{mmap: {as: h, length: 160MiB}}, {touch: {region: h, write: 100%}}]}]",
        NULL};
    struct run r = start(settings);
    json_t *stats = stats_of(&r), *row, *counters = json_object_get(stats, "counters");
    size_t i;
    uint64_t by_node[2] = {0};
    (void)state;
    json_array_foreach(json_object_get(stats, "node_traffic"), i, row) {
        assert_int_equal(number(row, "cpu_node"), 0);
        by_node[number(row, "memory_node")] += number(row, "references");
    }
    assert_true(by_node[0] > 0 && by_node[1] > 0);
    assert_int_equal(by_node[0], number(counters, "node0.memory_reads"));
    assert_int_equal(by_node[1], number(counters, "node1.memory_reads"));
    json_decref(stats);
    end(&r);
}

static void latencies_add_up(void **state) {
    struct run r = start(NULL);
    json_t *stats = stats_of(&r), *row, *bucket;
    size_t i, k;
    uint64_t faults = 0, of_tasks = 0;
    (void)state;
    json_array_foreach(json_object_get(stats, "tasks"), i, row) of_tasks +=
        number(row, "minor_faults") + number(row, "major_faults");
    json_array_foreach(json_object_get(stats, "latencies"), i, row) {
        const char *what = json_string_value(json_object_get(row, "what"));
        uint64_t count = 0, least = 0;
        json_array_foreach(json_object_get(row, "buckets"), k, bucket) {
            count += number(bucket, "count");
            least += number(bucket, "count") * (number(bucket, "below_ns") / 2);
        }
        assert_int_equal(count, number(row, "count"));
        assert_true(least <= number(row, "total_ns") && number(row, "total_ns") < 2 * least + count);
        assert_true(number(row, "half_below_ns") <= number(row, "p99_below_ns"));
        assert_true(number(row, "p99_below_ns") <= number(row, "most_ns") + 1);
        faults += strstr(what, " fault") ? count : 0;
    }
    assert_true(faults > 0);
    assert_int_equal(faults, of_tasks);
    json_decref(stats);
    end(&r);
}

static void every_row_of_intervals_has_every_column(void **state) {
    static const char *const settings[] = {"report.interval=50us", NULL};
    struct run r = start(settings);
    const char *text;
    size_t columns = 0, rows = 0, fields = 1;
    (void)state;
    assert_int_equal(vmsim_report_render(r.s, VMSIM_REPORT_INTERVALS, &text, NULL), 0);
    assert_int_equal(strncmp(text, "time_ns,vmstat.nr_free_pages,", 29), 0);
    for (const char *p = text; *p; p++) {
        fields += *p == ',';
        if (*p == '\n') {
            columns = columns ? columns : fields;
            assert_int_equal(fields, columns);
            fields = 1;
            rows++;
        }
    }
    assert_true(rows > 3);
    vmsim_report_free(r.s, text);
    end(&r);
}

/* The number in a column of a line; the column's place by its name in the header. */
static uint64_t field(const char *line, size_t column) {
    for (; column; column--)
        line = strchr(line, ',') + 1;
    return strtoull(line, NULL, 10);
}

static size_t column_of(const char *text, const char *name) {
    const char *end = strchr(text, '\n'), *at = strstr(text, name);
    size_t column = 0;
    if (!at || at > end)
        fail_msg("there is no column %s", name);
    for (const char *p = text; p < at; p++)
        column += *p == ',';
    return column;
}

/* A task is killed while another waits for its memory, and its end takes longer than a row: nobody stalls for longer
 * than there was time. */
static void no_row_has_more_stalls_than_time(void **state) {
    static const char *const settings[] = {
        "report.interval=1ms",
        "expect=[]",
        "machine.transparent_hugepage=never",
        "machine.nodes=[{memory: 64MiB}]",
        "machine.cpus=2",
        "workload.tasks=[{name: a, cpu: 1, program: [{mmap: {as: h, length: 40MiB}}, {touch: {region: h, write: "
        "100%}}, {sleep: {time: 10s}}]}, {name: b, cpu: 1, start: 100ms, oom_score_adj: -500, program: [{mmap: {as: h, "
        "length: 40MiB}}, {touch: {region: h, write: 100%}}]}]",
        NULL};
    struct run r = start(settings);
    uint64_t time = 0, stalled = 0;
    const char *text;
    (void)state;
    assert_int_equal(vmsim_report_render(r.s, VMSIM_REPORT_INTERVALS, &text, NULL), 0);
    const size_t column = column_of(text, ",pressure.memory.some_us") + 1;
    for (const char *line = strchr(text, '\n') + 1; *line; line = strchr(line, '\n') + 1) {
        const uint64_t now = field(line, 0), then = field(line, column);
        if (then > stalled + (now - time) / 1000 + 1)
            fail_msg("at %llu ns %llu us of stalls, %llu before", (unsigned long long)now, (unsigned long long)then,
                     (unsigned long long)stalled);
        time = now;
        stalled = then;
    }
    assert_true(stalled > 0);
    vmsim_report_free(r.s, text);
    end(&r);
}

/* A task that faults for milliseconds, alone: each row shows what had happened by then, not what the task did after it.
 */
static void no_row_is_ahead_of_its_time(void **state) {
    static const char *const settings[] = {
        "report.interval=100us", "expect=[]", "machine.transparent_hugepage=never",
        "workload.tasks=[{name: a, program: [{mmap: {as: h, length: 16MiB}}, {touch: {region: h, write: 100%}}]}]",
        NULL};
    struct run r = start(settings);
    const char *text;
    (void)state;
    assert_int_equal(vmsim_report_render(r.s, VMSIM_REPORT_INTERVALS, &text, NULL), 0);
    const size_t user = column_of(text, ",tasks.a.user_ns") + 1, system = column_of(text, ",tasks.a.system_ns") + 1;
    size_t rows = 0;
    for (const char *line = strchr(text, '\n') + 1; *line; line = strchr(line, '\n') + 1, rows++)
        assert_true(field(line, user) + field(line, system) <= field(line, 0) + 50000);
    assert_true(rows > 20);
    vmsim_report_free(r.s, text);
    end(&r);
}

#define TWO_TASKS                                                                                                      \
    "workload.tasks=[{name: a, program: [{fork: {name: late, cpu: 1, program: [{compute: {time: 9ms}}]}}, {compute: "  \
    "{time: 30ms}}, wait]}]"

/* More than stays in memory; the columns of a task that came later are 0 until then. */
static void rows_wait_in_a_file_and_have_the_columns_of_tasks(void **state) {
    (void)state;
    static const char *const settings[] = {"report.interval=1us", TWO_TASKS, "expect=[]", NULL};
    struct run r = start(settings);
    const char *text;
    size_t size;
    assert_true(r.s->rows.spilled > 0 && r.s->rows.capacity < 1u << 20);
    assert_int_equal(vmsim_report_render(r.s, VMSIM_REPORT_INTERVALS, &text, &size), 0);
    size_t user = column_of(text, ",tasks.a.user_ns") + 1, late = column_of(text, ",tasks.late.user_ns") + 1;
    uint64_t rows = 0, before[3] = {0};
    for (const char *line = strchr(text, '\n') + 1; *line; line = strchr(line, '\n') + 1, rows++) {
        const uint64_t now[3] = {field(line, 0), field(line, user), field(line, late)};
        const bool last = !*(strchr(line, '\n') + 1);
        if (!last)
            assert_int_equal(now[0], (rows + 1) * 1000);
        assert_true(now[1] >= before[1] && now[1] <= now[0] && now[2] >= before[2] && now[2] <= now[0]);
        memcpy(before, now, sizeof before);
    }
    assert_int_equal(rows, r.s->rows.count + 1);
    assert_int_equal(before[1], 30000000);
    assert_int_equal(before[2], 9000000);
    assert_int_equal(strncmp(strchr(text, '\n') + 1, "1000,", 5), 0);
    assert_int_equal(field(strchr(text, '\n') + 1, late), 0);
    char folder[256], out[512], path[512];
    test_mkdir(folder);
    path_in(out, folder, "run");
    assert_int_equal(vmsim_report_write(r.s, out), 0);
    size_t written;
    char *file = test_read_file(path_in(path, out, "intervals.csv"), &written);
    assert_int_equal(written, size);
    assert_memory_equal(file, text, size);
    free(file);
    vmsim_report_free(r.s, text);
    end(&r);
}

static void rows_without_a_place_end_the_run(void **state) {
    (void)state;
    struct run r = {0};
    assert_int_equal(vmsim_config_create(&r.config), 0);
    assert_int_equal(vmsim_config_load_file(r.config, GOLDEN "small.yaml"), 0);
    assert_int_equal(vmsim_config_set(r.config, "report.interval=1us"), 0);
    assert_int_equal(vmsim_config_set(r.config, TWO_TASKS), 0);
    assert_int_equal(vmsim_config_set(r.config, "expect=[]"), 0);
    assert_int_equal(vmsim_config_resolve(r.config), 0);
    assert_int_equal(vmsim_scenario_create(r.config, &r.s), 0);
    setenv("TMPDIR", "/proc/nonexistent", 1);
    assert_int_equal(vmsim_scenario_run(r.s, NULL, NULL), VMSIM_EIO);
    unsetenv("TMPDIR");
    assert_non_null(strstr(vmsim_scenario_error(r.s), "cannot make a file for the rows of intervals"));
    end(&r);
}

/* ---- the run directory ---- */

static void check_listed_file(const char *folder, json_t *entry) {
    char path[512], hash[24];
    size_t size;
    char *text = test_read_file(path_in(path, folder, json_string_value(json_object_get(entry, "path"))), &size);
    assert_int_equal(size, json_integer_value(json_object_get(entry, "size_bytes")));
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)XXH64(text, size, 0));
    assert_string_equal(hash, json_string_value(json_object_get(entry, "xxh64")));
    free(text);
}

static void the_manifest_lists_every_file(void **state) {
    char folder[256], out[512], path[512], command[1200];
    struct run r = start(NULL);
    json_t *entry;
    size_t i;
    int status;
    (void)state;
    test_mkdir(folder);
    path_in(out, folder, "run");
    assert_int_equal(vmsim_report_write(r.s, out), 0);
    json_t *manifest = json_load_file(path_in(path, out, "manifest.json"), 0, NULL);
    assert_non_null(manifest);
    assert_int_equal(json_integer_value(json_object_get(manifest, "seed")), 7);
    const char *commit = json_string_value(json_object_get(manifest, "commit"));
    assert_string_equal(commit ? commit : "", vmsim_commit());
    json_array_foreach(json_object_get(manifest, "files"), i, entry) check_listed_file(out, entry);
    snprintf(command, sizeof command, "find '%s' -type f | wc -l", out);
    char *files = test_capture(command, &status);
    assert_int_equal(atoi(files), i + 1);
    free(files);
    assert_true(exists(path_in(path, out, "summary.txt")) && exists(path_in(path, out, "resolved.yaml")));
    assert_true(exists(path_in(path, out, "proc/1/status")) &&
                exists(path_in(path, out, "sys/devices/system/node/node1/meminfo")));
    json_decref(manifest);
    test_rmdir(folder);
    end(&r);
}

static void the_resolved_configuration_makes_the_same_run(void **state) {
    char folder[256], out[512], path[512];
    struct run r = start(NULL), again = {0};
    const char *one, *two;
    (void)state;
    test_mkdir(folder);
    assert_int_equal(vmsim_report_write(r.s, path_in(out, folder, "run")), 0);
    assert_int_equal(vmsim_config_create(&again.config), 0);
    if (vmsim_config_load_file(again.config, path_in(path, out, "resolved.yaml")) ||
        vmsim_config_resolve(again.config) || vmsim_scenario_create(again.config, &again.s))
        fail_msg("%s", vmsim_config_error_text(again.config, 0));
    assert_int_equal(vmsim_scenario_run(again.s, NULL, NULL), 0);
    assert_int_equal(vmsim_report_render(r.s, VMSIM_REPORT_INTERVALS, &one, NULL), 0);
    assert_int_equal(vmsim_report_render(again.s, VMSIM_REPORT_INTERVALS, &two, NULL), 0);
    assert_string_equal(one, two);
    vmsim_report_free(r.s, one);
    vmsim_report_free(again.s, two);
    test_rmdir(folder);
    end(&again);
    end(&r);
}

static void an_earlier_run_is_replaced_whole(void **state) {
    char folder[256], out[512], path[512];
    struct run r = start(NULL);
    (void)state;
    test_mkdir(folder);
    path_in(out, folder, "run");
    assert_int_equal(mkdir(out, 0777), 0); /* an empty directory is fine */
    assert_int_equal(vmsim_report_write(r.s, out), 0);
    snprintf(path, sizeof path, "%s/run///", folder);
    assert_int_equal(vmsim_report_check(r.s, path), 0);
    assert_int_equal(unlink(path_in(path, out, "summary.txt")), 0); /* what is gone is nobody's loss */
    snprintf(path, sizeof path, "%s/run///", folder);
    assert_int_equal(vmsim_report_write(r.s, path), 0);
    assert_true(exists(path_in(path, out, "manifest.json")));
    assert_true(exists(path_in(path, out, "summary.txt")));
    assert_false(exists(path_in(path, folder, "run.part")));
    test_rmdir(folder);
    end(&r);
}

/* Something of the user's own in a run directory. Each must survive, and be named. */
static void assert_kept(struct run *r, const char *out, const char *name) {
    char path[600];
    struct stat st;
    assert_int_equal(vmsim_report_check(r->s, out), VMSIM_EINVAL);
    assert_int_equal(vmsim_report_write(r->s, out), VMSIM_EINVAL);
    if (!strstr(vmsim_report_error(r->s), name))
        fail_msg("'%s' does not name %s", vmsim_report_error(r->s), name);
    snprintf(path, sizeof path, "%s/%s", out, name);
    assert_int_equal(lstat(path, &st), 0);
    assert_true(S_ISDIR(st.st_mode) ? !rmdir(path) : !unlink(path));
    snprintf(path, sizeof path, "%s.part", out);
    assert_false(exists(path));
}

static void what_a_user_put_into_a_run_is_not_deleted(void **state) {
    char folder[256], out[512], path[512];
    struct run r = start(NULL);
    (void)state;
    test_mkdir(folder);
    path_in(out, folder, "run");
    assert_int_equal(vmsim_report_write(r.s, out), 0);
    test_write_file(path_in(path, out, "notes.txt"), "x", 1);
    assert_kept(&r, out, "notes.txt");
    test_write_file(path_in(path, out, "proc/1/mine"), "x", 1);
    assert_kept(&r, out, "proc/1/mine");
    assert_int_equal(mkdir(path_in(path, out, "mine"), 0777), 0);
    assert_kept(&r, out, "mine");
    assert_int_equal(symlink("/etc/passwd", path_in(path, out, "sys/link")), 0);
    assert_kept(&r, out, "sys/link");
    assert_int_equal(vmsim_report_write(r.s, out), 0);
    test_write_file(path_in(path, out, "resolved.yaml"), "machine: {}\n", 12); /* edited for the next run */
    assert_kept(&r, out, "resolved.yaml");
    assert_int_equal(symlink("proc", path_in(path, out, "resolved.yaml")), 0);
    assert_kept(&r, out, "resolved.yaml");
    assert_int_equal(mkdir(path_in(path, out, "resolved.yaml"), 0777), 0); /* a file then, a directory now */
    assert_kept(&r, out, "resolved.yaml");
    assert_int_equal(vmsim_report_write(r.s, out), 0);
    test_rmdir(folder);
    end(&r);
}

static void what_is_no_run_is_not_replaced(void **state) {
    char folder[256], out[512], path[512], wanted[700];
    struct run r = start(NULL);
    (void)state;
    test_mkdir(folder);
    path_in(out, folder, "precious");
    snprintf(wanted, sizeof wanted, "%s exists and is not a run directory of vmsim: not replaced", out);
    assert_int_equal(mkdir(out, 0777), 0);
    test_write_file(path_in(path, out, "thesis.tex"), "x", 1);
    assert_int_equal(vmsim_report_write(r.s, out), VMSIM_EINVAL);
    assert_string_equal(vmsim_report_error(r.s), wanted);
    assert_true(exists(path));
    path_in(out, folder, "precious/thesis.tex");
    assert_int_equal(vmsim_report_write(r.s, out), VMSIM_EINVAL);
    path_in(path, folder, "link");
    assert_int_equal(symlink("precious", path), 0);
    assert_int_equal(vmsim_report_write(r.s, path), VMSIM_EINVAL);
    assert_int_equal(vmsim_report_write(r.s, ""), VMSIM_EINVAL);
    test_rmdir(folder);
    end(&r);
}

static void an_unwritable_place_is_told(void **state) {
    char folder[256], file[512], out[600];
    struct run r = start(NULL);
    (void)state;
    test_mkdir(folder);
    test_write_file(path_in(file, folder, "file"), "x", 1);
    snprintf(out, sizeof out, "%s/run", file);
    assert_int_equal(vmsim_report_write(r.s, out), VMSIM_EIO);
    assert_non_null(strstr(vmsim_report_error(r.s), "Not a directory"));
    snprintf(out, sizeof out, "%s/none/run", folder);
    assert_int_equal(vmsim_report_write(r.s, out), VMSIM_EIO);
    assert_non_null(strstr(vmsim_report_error(r.s), "No such file or directory"));
    assert_int_equal(vmsim_report_proc_tree(vmsim_scenario_machine(r.s), out), VMSIM_EIO);
    test_rmdir(folder);
    end(&r);
}

/* A full disk, as far as a test can make one: no file may grow beyond 1000 bytes. */
static void a_failed_write_leaves_the_earlier_run(void **state) {
    char folder[256], out[512], path[512];
    struct run r = start(NULL);
    struct rlimit before, small;
    (void)state;
    test_mkdir(folder);
    path_in(out, folder, "run");
    assert_int_equal(vmsim_report_write(r.s, out), 0);
    assert_int_equal(unlink(path_in(path, out, "summary.txt")), 0); /* to know it again */
    getrlimit(RLIMIT_FSIZE, &before);
    small = before;
    small.rlim_cur = 1000;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    int err = vmsim_report_write(r.s, out);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, handler);
    assert_int_equal(err, VMSIM_EIO);
    assert_non_null(strstr(vmsim_report_error(r.s), "run.part/summary.txt: File too large"));
    assert_false(exists(path));
    assert_true(exists(path_in(path, out, "manifest.json")));
    assert_false(exists(path_in(path, folder, "run.part")));
    test_rmdir(folder);
    end(&r);
}

/* ---- host memory runs out ---- */

static struct run failing;

static bool render_all(struct vmsim__alloc *a, void *context) {
    bool ok = true;
    (void)a, (void)context;
    for (int kind = VMSIM_REPORT_SUMMARY; kind <= VMSIM_REPORT_EXPECTATIONS && ok; kind++) {
        const char *text;
        int err = vmsim_report_render(failing.s, (enum vmsim_report_kind)kind, &text, NULL);
        assert_true(err == 0 || (err == VMSIM_ENOMEM && !text));
        vmsim_report_free(failing.s, text);
        ok = !err;
    }
    return ok;
}

static bool write_run(struct vmsim__alloc *a, void *folder) {
    char out[512], part[512];
    (void)a;
    int err = vmsim_report_write(failing.s, path_in(out, folder, "run"));
    assert_true(err == 0 || err == VMSIM_ENOMEM);
    assert_int_equal(exists(out), !err);
    assert_false(exists(path_in(part, folder, "run.part")));
    return !err;
}

static void every_allocation_may_fail(void **state) {
    char folder[256];
    (void)state;
    failing = start(NULL);
    assert_true(test_each_failure(failing.s->alloc, render_all, NULL, 5000) > 10);
    test_mkdir(folder);
    assert_true(test_each_failure(failing.s->alloc, write_run, folder, 5000) > 10);
    test_rmdir(folder);
    end(&failing);
}

/* ---- /proc of live tasks ---- */

static uint64_t sum_of(const char *text, const char *label) {
    uint64_t sum = 0;
    for (const char *p = text; (p = strstr(p, label)); p++)
        sum += p == text || p[-1] == '\n' ? strtoull(p + strlen(label), NULL, 10) : 0;
    return sum;
}

static const char *proc_file(struct vmsim_machine *m, const char *path) {
    const char *text;
    if (vmsim_report_proc_file(m, path, &text, NULL))
        fail_msg("%s", vmsim_machine_error(m));
    return text;
}

static void the_tree_of_a_machine_alone_is_written(void **state) {
    char folder[256], path[512];
    struct run r = start(NULL);
    struct vmsim_machine *m = vmsim_scenario_machine(r.s);
    const char *text;
    (void)state;
    test_mkdir(folder);
    assert_int_equal(vmsim_report_proc_tree(m, folder), 0);
    assert_int_equal(vmsim_report_proc_tree(m, folder), 0); /* into what is there */
    char *file = test_read_file(path_in(path, folder, "proc/zoneinfo"), NULL);
    text = proc_file(m, "proc/zoneinfo");
    assert_string_equal(file, text);
    vmsim_report_proc_free(m, text);
    free(file);
    test_rmdir(folder);
    end(&r);
}

/* Every file is rendered twice, in between all others: none may change what another shows. */
static void looking_changes_nothing(void **state) {
    char folder[256], before[512], after[512], command[1300];
    struct run r = start(NULL);
    int status;
    (void)state;
    test_mkdir(folder);
    assert_int_equal(vmsim_report_write(r.s, path_in(before, folder, "before")), 0);
    assert_int_equal(vmsim_report_write(r.s, path_in(after, folder, "after")), 0);
    snprintf(command, sizeof command, "diff -r '%s' '%s'", before, after);
    char *difference = test_capture(command, &status);
    assert_string_equal(difference, "");
    free(difference);
    if (vmsim_machine_check(vmsim_scenario_machine(r.s)))
        fail_msg("%s", vmsim_machine_error(vmsim_scenario_machine(r.s)));
    test_rmdir(folder);
    end(&r);
}

static void the_configuration_may_name_the_directory(void **state) {
    static const char *const settings[] = {"report.directory=out", NULL};
    struct run r = start(NULL);
    (void)state;
    assert_null(vmsim_report_directory(r.s));
    end(&r);
    r = start(settings);
    assert_string_equal(vmsim_report_directory(r.s), "out");
    end(&r);
}

static void smaps_add_up_to_their_rollup(void **state) {
    static const char *const labels[] = {"Rss:", "Pss:", "Private_Dirty:", "Referenced:", "Anonymous:"};
    struct run r = start(NULL);
    struct vmsim_machine *m = vmsim_scenario_machine(r.s);
    struct vmsim_access_result result;
    uint32_t task;
    (void)state;
    assert_int_equal(vmsim_task_create(m, "live", 0, &task), 0);
    for (uint64_t i = 0; i < 4; i++) {
        int64_t at = vmsim_task_mmap(m, task, 0, 64 << 10, i % 2 ? 1 : 3, 0x22, 0, 0);
        vmsim_access a = vmsim_access_make((uint64_t)at, 8, i % 2 ? VMSIM_LOAD : VMSIM_STORE);
        assert_int_equal(vmsim_task_access(m, task, &a, 1, NULL, &result), 0);
    }
    char path[64];
    snprintf(path, sizeof path, "proc/%u/smaps", task + 1);
    const char *smaps = proc_file(m, path);
    snprintf(path, sizeof path, "proc/%u/smaps_rollup", task + 1);
    const char *rollup = proc_file(m, path);
    for (size_t i = 0; i < TEST_COUNT(labels); i++)
        assert_int_equal(sum_of(smaps, labels[i]), sum_of(rollup, labels[i]));
    assert_true(sum_of(rollup, "Rss:") > 0);
    snprintf(path, sizeof path, "proc/%u/maps", task + 1);
    const char *maps = proc_file(m, path);
    assert_non_null(strstr(maps, " rw-p 00000000 00:00 0 \n"));
    assert_non_null(strstr(smaps, "VmFlags: rd "));
    vmsim_report_proc_free(m, smaps);
    vmsim_report_proc_free(m, rollup);
    vmsim_report_proc_free(m, maps);
    end(&r);
}

/* Faults, times and threads of /proc/PID/stat and status are those of the whole process, by whichever thread one looks;
 * a caught signal is counted. */
static void a_process_is_the_sum_of_its_threads(void **state) {
    static const char *const settings[] = {
        "expect=[]",
        "workload.tasks=[{name: p, program: [{mmap: {as: a, length: 400KiB}}, {touch: {region: a, write: 100%, length: "
        "40KiB}}, {fork: {thread: true, name: q, cpu: 1, program: [{touch: {region: a, write: 100%, offset: 40KiB, "
        "length: 80KiB}}, {sleep: {time: 1s}}]}}, {sleep: {time: 1ms}}, {mprotect: {region: a, prot: r}}, {touch: "
        "{region: a, write: 100%, length: 12KiB, catch_signals: true}}]}]",
        NULL};
    (void)state;
    struct run r = start(settings);
    struct vmsim_machine *m = vmsim_scenario_machine(r.s);
    for (unsigned pid = 1; pid <= 2; pid++) {
        char path[32];
        unsigned long long faults;
        snprintf(path, sizeof path, "proc/%u/stat", pid);
        const char *text = proc_file(m, path);
        assert_int_equal(sscanf(text, "%*u (%*[a-z]) %*c %*u %*d %*d %*d %*d %*u %llu", &faults), 1);
        assert_int_equal(faults, 30);
        vmsim_report_proc_free(m, text);
    }
    size_t id;
    assert_int_equal(vmsim_counter_find(m, "tasks.p.signals_caught", &id), 0);
    assert_int_equal(vmsim_counter_read(m, id), 3);
    end(&r);
}

static void a_file_that_is_not_there_is_told(void **state) {
    struct run r = start(NULL);
    const char *text = "";
    (void)state;
    assert_int_equal(vmsim_report_proc_file(vmsim_scenario_machine(r.s), "proc/none", &text, NULL), VMSIM_ENOENT);
    assert_null(text);
    assert_string_equal(vmsim_machine_error(vmsim_scenario_machine(r.s)), "there is no file proc/none");
    vmsim_report_proc_free(vmsim_scenario_machine(r.s), NULL);
    end(&r);
}

/* Thousands of files are written: in memory where that can be. */
int main(void) {
    if (!access("/dev/shm", W_OK | X_OK))
        setenv("TMPDIR", "/dev/shm", 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_summary_is_the_golden_one),
        cmocka_unit_test(equal_runs_give_equal_documents),
        cmocka_unit_test(a_report_of_no_kind_is_refused),
        cmocka_unit_test(a_run_without_wishes_has_no_table_of_them),
        cmocka_unit_test(stats_obey_their_schema),
        cmocka_unit_test(every_counter_has_a_meaning_which_the_schema_tells),
        cmocka_unit_test(stats_have_every_counter),
        cmocka_unit_test(markers_tell_what_changed_between_them),
        cmocka_unit_test(shares_of_time_add_up),
        cmocka_unit_test(traffic_between_nodes_adds_up),
        cmocka_unit_test(latencies_add_up),
        cmocka_unit_test(every_row_of_intervals_has_every_column),
        cmocka_unit_test(no_row_is_ahead_of_its_time),
        cmocka_unit_test(no_row_has_more_stalls_than_time),
        cmocka_unit_test(rows_wait_in_a_file_and_have_the_columns_of_tasks),
        cmocka_unit_test(rows_without_a_place_end_the_run),
        cmocka_unit_test(the_manifest_lists_every_file),
        cmocka_unit_test(the_resolved_configuration_makes_the_same_run),
        cmocka_unit_test(an_earlier_run_is_replaced_whole),
        cmocka_unit_test(what_a_user_put_into_a_run_is_not_deleted),
        cmocka_unit_test(what_is_no_run_is_not_replaced),
        cmocka_unit_test(an_unwritable_place_is_told),
        cmocka_unit_test(a_failed_write_leaves_the_earlier_run),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(the_tree_of_a_machine_alone_is_written),
        cmocka_unit_test(looking_changes_nothing),
        cmocka_unit_test(the_configuration_may_name_the_directory),
        cmocka_unit_test(smaps_add_up_to_their_rollup),
        cmocka_unit_test(a_process_is_the_sum_of_its_threads),
        cmocka_unit_test(a_file_that_is_not_there_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
