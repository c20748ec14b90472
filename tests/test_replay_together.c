/* SPDX-License-Identifier: MIT */
/* Scenarios with one decoder come to what each comes to alone, whatever they differ in, and whoever ends early. */
#include "helpers.h"

#include "scenario/engine.h"
#include "vmsim/scenario.h"
#include "vmsim/trace.h"

#define PAGE UINT64_C(4096)
#define HEAP UINT64_C(0x10000000)
#define PAGES UINT64_C(2048)
#define MOST 9u

static char directory[256];

/* Several chunks: references, mappings that come and go between them, and sometimes a thread. */
static void write_trace(const char *name, struct vmsim__rng *r) {
    struct vmsim_trace_writer *w;
    char path[300], error[256];
    vmsim_access a[97];
    const uint32_t tasks = 1 + (uint32_t)vmsim__rng_below(r, 2);
    snprintf(path, sizeof path, "%s/%s", directory, name);
    assert_int_equal(vmsim_trace_create(path, NULL, &w), 0);
    struct vmsim_trace_event map = {.type = VMSIM_TRACE_MMAP,
                                    .file = VMSIM_TRACE_NO_FILE,
                                    .args = {HEAP, PAGES * PAGE, 3, 0x22},
                                    .result = (int64_t)HEAP};
    struct vmsim_trace_event fork = {
        .type = VMSIM_TRACE_FORK, .file = VMSIM_TRACE_NO_FILE, .args = {1, VMSIM_TRACE_FORK_VM}};
    struct vmsim_trace_event start = {.type = VMSIM_TRACE_START, .file = VMSIM_TRACE_NO_FILE, .args = {100, 101}};
    assert_int_equal(vmsim_trace_append_event(w, 0, &map), 0);
    if (tasks > 1) {
        assert_int_equal(vmsim_trace_append_event(w, 0, &fork), 0);
        assert_int_equal(vmsim_trace_append_event(w, 1, &start), 0);
    }
    const uint64_t batches = 100 + vmsim__rng_below(r, 2000);
    for (uint64_t i = 0; i < batches; i++) {
        for (size_t k = 0; k < TEST_COUNT(a); k++)
            a[k] = vmsim_access_make(HEAP + vmsim__rng_below(r, vmsim__rng_below(r, 9) ? 64 : PAGES) * PAGE, 8,
                                     k % 3 ? VMSIM_LOAD : VMSIM_STORE);
        assert_int_equal(vmsim_trace_append(w, (uint32_t)vmsim__rng_below(r, tasks), a, TEST_COUNT(a)), 0);
        if (!vmsim__rng_below(r, 50))
            assert_int_equal(vmsim_trace_append_event(w, 0, &map), 0); /* again, over what was there: zeroes */
    }
    assert_int_equal(vmsim_trace_finish(w, error, sizeof error), 0);
}

struct run {
    struct vmsim_config *config;
    struct vmsim_scenario *s;
};

static struct run make(const char *text) {
    struct run x = {0};
    assert_int_equal(vmsim_config_create(&x.config), 0);
    assert_int_equal(vmsim_config_load_text(x.config, "test.yaml", text, strlen(text)), 0);
    if (vmsim_config_resolve(x.config) || vmsim_scenario_create(x.config, &x.s))
        fail_msg("%s", vmsim_config_error_text(x.config, 0));
    return x;
}

static void end(struct run *x) {
    assert_int_equal(vmsim_scenario_destroy(x->s), 0);
    vmsim_config_destroy(x->config);
}

/* A machine of chance. Some programs are killed, which cannot have what they need; some scenarios replay another trace,
 * two, or none. */
static void random_text(char *text, size_t size, struct vmsim__rng *r) {
    static const char *const policies[] = {"linux-lru", "linux-mglru", "clock", "s3fifo"};
    char task[700];
    const uint64_t kind = vmsim__rng_below(r, 10), limit = 1 + vmsim__rng_below(r, 6);
    const bool swap = vmsim__rng_below(r, 4) > 0;
    if (!kind)
        snprintf(task, sizeof task,
                 "{name: a, cgroup: /g, program: [{mmap: {as: h, length: 1MiB}}, "
                 "{touch: {region: h, write: 100%%}}]}");
    else if (kind == 1)
        snprintf(task, sizeof task,
                 "{name: a, cgroup: /g, trace: %s/one.vmt}, {name: b, cgroup: /g, trace: %s/two.vmt}", directory,
                 directory);
    else
        snprintf(task, sizeof task, "{name: a, cgroup: /g, trace: %s/%s.vmt}", directory, kind < 4 ? "two" : "one");
    snprintf(text, size,
             "machine: {cpus: %llu, nodes: [{memory: 64MiB}], devices: [{name: vda}, {name: sw, size: 64MiB}]%s}\n"
             "policies: {reclaim: %s}\n"
             "workload: {cgroups: [{path: /g, files: {memory.max: %lluMiB}}], tasks: [%s]}\n",
             (unsigned long long)(1 + vmsim__rng_below(r, 2)), swap ? ", swap: [{device: sw}]" : "",
             policies[vmsim__rng_below(r, TEST_COUNT(policies))], (unsigned long long)limit, task);
}

static void compare(const struct run *alone, const struct run *other, const char *text) {
    struct vmsim_machine *a = vmsim_scenario_machine(alone->s), *b = vmsim_scenario_machine(other->s);
    const size_t count = vmsim_counter_count(a);
    assert_int_equal(vmsim_counter_count(b), count);
    for (size_t i = 0; i < count; i++) {
        if (vmsim_counter_read(a, i) != vmsim_counter_read(b, i))
            fail_msg("%s: %llu alone, %llu together; %s", vmsim_counter_name(a, i),
                     (unsigned long long)vmsim_counter_read(a, i), (unsigned long long)vmsim_counter_read(b, i), text);
    }
    assert_int_equal(vmsim_machine_time(a, 0), vmsim_machine_time(b, 0));
    assert_string_equal(vmsim_scenario_error(alone->s), vmsim_scenario_error(other->s));
}

static void test_runs_with_one_decoder_are_what_each_is_alone(void **state) {
    struct vmsim__rng r = test_rng("replay together");
    (void)state;
    for (int round = 0; round < 6; round++) {
        char texts[MOST][1400];
        struct run alone[MOST], together[MOST];
        struct vmsim_scenario *scenarios[MOST];
        int results[MOST];
        const size_t count = 1 + (size_t)vmsim__rng_below(&r, MOST);
        write_trace("one.vmt", &r);
        write_trace("two.vmt", &r);
        for (size_t i = 0; i < count; i++) {
            random_text(texts[i], sizeof texts[i], &r);
            alone[i] = make(texts[i]);
            together[i] = make(texts[i]);
            scenarios[i] = together[i].s;
        }
        assert_int_equal(vmsim_scenario_run_together(scenarios, count, results), 0);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(vmsim_scenario_run(alone[i].s, NULL, NULL), results[i]);
            compare(&alone[i], &together[i], texts[i]);
            end(&alone[i]);
            end(&together[i]);
        }
    }
}

static void plain_text(char *text, size_t size, const char *trace) {
    snprintf(text, size, "machine: {nodes: [{memory: 64MiB}]}\nworkload: {tasks: [{name: a, trace: %s/%s}]}\n",
             directory, trace);
}

static void test_damage_is_told_to_all_that_meet_it(void **state) {
    struct vmsim__rng r = test_rng("replay together, damage");
    struct run runs[3];
    struct vmsim_scenario *scenarios[3];
    int results[3];
    char text[600], path[300];
    (void)state;
    write_trace("bad.vmt", &r);
    snprintf(path, sizeof path, "%s/bad.vmt", directory);
    plain_text(text, sizeof text, "bad.vmt");
    for (size_t i = 0; i < 3; i++) {
        runs[i] = make(text);
        scenarios[i] = runs[i].s;
    }
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, 400, SEEK_SET), 0);
    assert_int_equal(fwrite("damage", 1, 6, f), 6);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(vmsim_scenario_run_together(scenarios, 3, results), 0);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(results[i], VMSIM_ECORRUPT);
        assert_non_null(strstr(vmsim_scenario_error(runs[i].s), "bad.vmt"));
        end(&runs[i]);
    }
}

static void test_slips_of_the_caller(void **state) {
    struct vmsim__rng r = test_rng("replay together, slips");
    struct vmsim_scenario *scenarios[3] = {NULL, NULL, NULL};
    int results[3];
    char text[600];
    (void)state;
    write_trace("one.vmt", &r);
    plain_text(text, sizeof text, "one.vmt");
    struct run a = make(text), b = make(text);
    assert_int_equal(vmsim_scenario_run_together(NULL, 0, NULL), 0);
    assert_int_equal(vmsim_scenario_run_together(scenarios, 3, results), VMSIM_EINVAL);
    assert_int_equal(vmsim_scenario_run_together(scenarios, 3, NULL), VMSIM_EINVAL);
    scenarios[0] = scenarios[1] = a.s;
    scenarios[2] = b.s;
    assert_int_equal(vmsim_scenario_run_together(scenarios, 3, results), 0);
    assert_int_equal(results[0], 0);
    assert_int_equal(results[1], VMSIM_ESTATE); /* a scenario runs once */
    assert_int_equal(results[2], 0);
    end(&a);
    end(&b);
}

static int make_directory(void **state) {
    (void)state;
    test_mkdir(directory);
    return 0;
}
static int remove_directory(void **state) {
    (void)state;
    test_rmdir(directory);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs_with_one_decoder_are_what_each_is_alone),
        cmocka_unit_test(test_damage_is_told_to_all_that_meet_it),
        cmocka_unit_test(test_slips_of_the_caller),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
