/* SPDX-License-Identifier: MIT */
/* Faults by address and time: each fault of a task is counted where and when it was, however rows and columns were
 * joined, and faults.json has them all. */
#include "scenario_run.h"

#include <jansson.h>

#include "report/sections.h"

/* Two tasks: one writes 8 MiB, sleeps, and writes 4 MiB of it again after it gave them up; one reads a file. */
static struct outcome two_tasks(const char *interval, unsigned rounds) {
    char text[1500];
    snprintf(text, sizeof text,
             "machine: {cpus: 2, nodes: [{memory: 128MiB}], transparent_hugepage: never}\n"
             "workload:\n"
             "  files: [{name: /f, size: 1MiB, cached: true}]\n"
             "  tasks:\n"
             "    - name: a\n"
             "      program:\n"
             "        - mmap: {as: h, length: 8MiB}\n"
             "        - touch: {region: h, write: 100%%}\n"
             "        - marker: {name: written}\n"
             "        - repeat:\n"
             "            times: %u\n"
             "            steps:\n"
             "              - sleep: {time: 1ms}\n"
             "              - madvise: {region: h, advice: dontneed, offset: 2MiB, length: 4MiB}\n"
             "              - touch: {region: h, offset: 2MiB, length: 4MiB, write: 100%%}\n"
             "    - name: b\n"
             "      cpu: 1\n"
             "      program:\n"
             "        - mmap: {as: f, file: /f, length: 1MiB}\n"
             "        - touch: {region: f}\n"
             "report: {interval: %s}\n",
             rounds, interval);
    return run_with(text, 0);
}

static uint64_t faults_of(const struct outcome *o, const char *name) {
    return task(o, name)->stats.min_flt + task(o, name)->stats.maj_flt;
}

static uint64_t sum_of(const struct vmsim__fault_map *f, uint32_t id) {
    uint64_t n = 0;
    for (size_t i = 0; i < f->rows; i++)
        for (size_t c = 0; c <= f->columns; c++)
            n += f->row[i].task == id ? f->row[i].count[c] : 0;
    return n;
}

static void every_fault_is_counted(void **state) {
    (void)state;
    static const struct {
        const char *interval;
        unsigned rounds;
    } cases[] = {{"1ms", 3}, {"5us", 3}, {"20us", 40}, {"1us", 10}, {"1s", 1}};
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct outcome o = two_tasks(cases[i].interval, cases[i].rounds);
        const struct vmsim__fault_map *f = &o.s->faults;
        assert_int_equal(sum_of(f, task(&o, "a")->id), faults_of(&o, "a"));
        assert_int_equal(sum_of(f, task(&o, "b")->id), faults_of(&o, "b"));
        assert_true(faults_of(&o, "a") == 2048 + 1024 * cases[i].rounds && faults_of(&o, "b") >= 16);
        assert_int_equal(f->left_out, 0);
        assert_int_equal(f->shift, 16);
        assert_true(f->columns < VMSIM__FAULT_COLUMNS);
        for (size_t c = 1; c < f->columns; c++)
            assert_true(f->time[c] > f->time[c - 1]);
        end(&o);
    }
}

/* What was written again later is in the later columns, and nothing else is. */
static void they_are_where_and_when_they_were(void **state) {
    (void)state;
    struct outcome o = two_tasks("10us", 1);
    const struct vmsim__fault_map *f = &o.s->faults;
    uint64_t base = UINT64_MAX, late = 0;
    for (size_t i = 0; i < f->rows; i++)
        base = f->row[i].task == task(&o, "a")->id ? vmsim__min64(base, f->row[i].place) : base;
    assert_string_equal(o.s->markers.at[0].name, "written");
    const uint64_t written = o.s->markers.at[0].time;
    for (size_t i = 0; i < f->rows; i++) {
        const struct vmsim__fault_row *r = &f->row[i];
        for (size_t c = 0; r->task == task(&o, "a")->id && c <= f->columns; c++)
            if (c && f->time[c - 1] >= written) {
                const uint64_t at = (r->place - base) << f->shift;
                assert_true(!r->count[c] || (at >= 2 << 20 && at <= 6 << 20));
                late += r->count[c];
            }
    }
    assert_int_equal(late, 1024);
    end(&o);
}

/* More places than rows: they become longer until all fit. */
static void rows_are_joined_when_there_are_too_many(void **state) {
    (void)state;
    struct outcome o =
        run_with("machine: {nodes: [{memory: 256MiB}], transparent_hugepage: never}\n"
                 "workload: {tasks: [{name: a, program: [{mmap: {as: h, length: 2GiB, noreserve: true}},\n"
                 "  {touch: {region: h, write: 100%, stride: 128KiB, pattern: stride}}]}]}\n"
                 "report: {interval: 100us}\n",
                 0);
    const struct vmsim__fault_map *f = &o.s->faults;
    assert_true(faults_of(&o, "a") >= 16384);
    assert_int_equal(sum_of(f, task(&o, "a")->id), faults_of(&o, "a"));
    assert_true(f->shift >= 22 && f->rows <= VMSIM__FAULT_ROWS && f->rows > VMSIM__FAULT_ROWS / 2);
    for (size_t i = 0; i < f->rows; i++)
        for (size_t k = 0; k < i; k++)
            assert_true(f->row[i].place != f->row[k].place && f->row[i].count != f->row[k].count);
    end(&o);
}

static void faults_json_has_them(void **state) {
    (void)state;
    struct outcome o = two_tasks("5us", 5);
    struct vmsim__textbuf out;
    vmsim__textbuf_init(&out, o.s->alloc);
    vmsim__report_faults(o.s, &out, false);
    json_error_t why;
    json_t *data = json_loads(vmsim__textbuf_text(&out), 0, &why), *row, *count;
    if (!data)
        fail_msg("%d: %s", why.line, why.text);
    uint64_t sum = 0;
    size_t i, k;
    const size_t columns = json_array_size(json_object_get(data, "times"));
    json_array_foreach(json_object_get(data, "rows"), i, row) {
        const uint64_t first = (uint64_t)json_integer_value(json_object_get(row, "first"));
        assert_true(first + json_array_size(json_object_get(row, "counts")) <= columns);
        json_array_foreach(json_object_get(row, "counts"), k, count) {
            sum += (uint64_t)json_integer_value(count);
        }
    }
    assert_int_equal(sum, faults_of(&o, "a") + faults_of(&o, "b"));
    json_decref(data);
    vmsim__textbuf_fini(&out);
    end(&o);
}

static void without_intervals_nobody_counts(void **state) {
    (void)state;
    struct outcome o =
        run_with("machine: {nodes: [{memory: 64MiB}]}\n"
                 "workload: {tasks: [{name: a, program: [{mmap: {as: h, length: 1MiB}}, {touch: {region: h}}]}]}\n",
                 0);
    assert_null(o.m->on_fault);
    assert_int_equal(o.s->faults.rows, 0);
    end(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_fault_is_counted),
        cmocka_unit_test(they_are_where_and_when_they_were),
        cmocka_unit_test(rows_are_joined_when_there_are_too_many),
        cmocka_unit_test(faults_json_has_them),
        cmocka_unit_test(without_intervals_nobody_counts),
    };
    return cmocka_run_group_tests_name("fault_map", tests, NULL, NULL);
}
