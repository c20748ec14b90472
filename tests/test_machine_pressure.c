/* SPDX-License-Identifier: MIT */
/* Memory that runs short: files larger than it, anonymous memory beside clean cache, dirty pages, and who is killed
 * when nothing helps. */
#include "helpers.h"

#include "scenario/engine.h"
#include "vmsim/scenario.h"

struct outcome {
    struct vmsim_config *config;
    struct vmsim_scenario *s;
    struct vmsim_machine *m;
};

/* Runs it with the whole machine checked every so many steps. */
static struct outcome run(const char *text) {
    struct outcome o;
    assert_int_equal(vmsim_config_create(&o.config), 0);
    assert_int_equal(vmsim_config_load_text(o.config, "pressure.yaml", text, strlen(text)), 0);
    if (vmsim_config_resolve(o.config) || vmsim_scenario_create(o.config, &o.s))
        fail_msg("%s", vmsim_config_error_text(o.config, 0));
    o.m = vmsim_scenario_machine(o.s);
    vmsim_scenario_verify(o.s, 1500);
    if (vmsim_scenario_run(o.s, NULL, NULL))
        fail_msg("%s", vmsim_scenario_error(o.s));
    return o;
}

static void end(struct outcome *o) {
    if (vmsim_machine_check(o->m))
        fail_msg("%s", vmsim_machine_error(o->m));
    assert_int_equal(vmsim_scenario_destroy(o->s), 0);
    vmsim_config_destroy(o->config);
}

static const struct vmsim__task *task(const struct outcome *o, const char *name) {
    for (size_t i = 0; i < o->m->tasks.count; i++) {
        if (!strcmp(o->m->tasks.at[i]->name, name))
            return o->m->tasks.at[i];
    }
    fail_msg("there is no task '%s'", name);
    return NULL;
}

static uint64_t counter(const struct outcome *o, const char *name) {
    size_t id;
    if (vmsim_counter_find(o->m, name, &id))
        fail_msg("%s", vmsim_machine_error(o->m));
    return vmsim_counter_read(o->m, id);
}

/* Every page is read once a pass, since the end of the file drives out its beginning; kswapd does the work. */
static void a_file_larger_than_memory_can_be_read(void **state) {
    (void)state;
    struct outcome o = run("machine: {cpus: 1, nodes: [{memory: 64MiB}], kernel: '6.1'}\n"
                           "workload:\n"
                           "  files: [{name: /big, size: 256MiB}]\n"
                           "  tasks: [{name: dd, program: [{read: {file: /big, block: 128KiB}}, {read: {file: /big, "
                           "block: 128KiB}}]}]\n");
    assert_int_equal(task(&o, "dd")->stop, VMSIM_STOP_NONE);
    assert_int_equal(counter(&o, "vmstat.pgpgin"), 2 * 256 * 1024);
    assert_true(counter(&o, "vmstat.pgsteal_kswapd") > 100000);
    assert_true(counter(&o, "vmstat.workingset_refault_file") > 60000);
    assert_int_equal(counter(&o, "vmstat.oom_kill"), 0);
    end(&o);
}

static void anonymous_memory_takes_the_place_of_clean_cache(void **state) {
    (void)state;
    struct outcome o = run("machine: {cpus: 1, nodes: [{memory: 64MiB}], transparent_hugepage: never}\n"
                           "workload:\n"
                           "  files: [{name: /f, size: 60MiB}]\n"
                           "  tasks: [{name: t, program: [{mmap: {as: f, length: 60MiB, file: /f, shared: true, prot: "
                           "r}}, {touch: {region: f}}, {mmap: {as: h, length: 36MiB}}, {touch: {region: h, write: "
                           "100%}}, {touch: {region: h}}]}]\n");
    assert_int_equal(task(&o, "t")->stop, VMSIM_STOP_NONE);
    assert_true(counter(&o, "vmstat.pgsteal_file") > 8000);
    assert_int_equal(counter(&o, "vmstat.pgsteal_anon"), 0);
    end(&o);
}

static void a_writer_is_held_up_and_all_is_written(void **state) {
    (void)state;
    struct outcome o = run("machine: {cpus: 1, nodes: [{memory: 64MiB}], page_cache: {device: {write_bandwidth: "
                           "200MiB}}}\n"
                           "workload:\n"
                           "  files: [{name: /out, size: 0}]\n"
                           "  tasks: [{name: w, program: [{write: {file: /out, length: 200MiB, block: 1MiB}}, {fsync: "
                           "{file: /out}}, {marker: {name: synced}}]}]\n");
    const struct vmsim__task *w = task(&o, "w");
    assert_int_equal(w->stop, VMSIM_STOP_NONE);
    assert_int_equal(counter(&o, "vmstat.nr_written"), 51200);
    assert_int_equal(counter(&o, "vmstat.nr_dirty"), 0);
    assert_in_range(w->end_ns, UINT64_C(900000000), UINT64_C(3000000000)); /* the device's pace, less a third */
    assert_true(w->stats.blocked_ns > w->end_ns / 2);
    end(&o);
}

static void the_largest_dies_and_the_one_that_asked_goes_on(void **state) {
    (void)state;
    struct outcome o = run("machine: {nodes: [{memory: 64MiB}], transparent_hugepage: never, sysctl: "
                           "{vm.overcommit_memory: 1}}\n"
                           "workload:\n"
                           "  tasks:\n"
                           "    - {name: hog, program: [{mmap: {as: h, length: 36MiB}}, {touch: {region: h, write: "
                           "100%}}, {sleep: {time: 10s}}]}\n"
                           "    - {name: small, start: 1s, program: [{mmap: {as: h, length: 16MiB}}, {touch: {region: "
                           "h, write: 100%}}, {sleep: {time: 1s}}]}\n");
    assert_int_equal(task(&o, "hog")->stop, VMSIM_STOP_OOM);
    assert_int_equal(task(&o, "small")->stop, VMSIM_STOP_NONE);
    assert_int_equal(counter(&o, "vmstat.oom_kill"), 1);
    end(&o);
}

/* Alone and without swap there is nobody else. */
static void who_asks_for_more_than_there_is_dies_of_it(void **state) {
    (void)state;
    struct outcome o = run("machine: {nodes: [{memory: 64MiB}], transparent_hugepage: never, sysctl: "
                           "{vm.overcommit_memory: 1}}\n"
                           "workload: {tasks: [{name: t, program: [{mmap: {as: h, length: 80MiB}}, {touch: {region: h, "
                           "write: 100%}}]}]}\n");
    assert_int_equal(task(&o, "t")->stop, VMSIM_STOP_OOM);
    assert_int_equal(counter(&o, "vmstat.oom_kill"), 1);
    assert_true(counter(&o, "vmstat.nr_free_pages") > 10000);
    end(&o);
}

static void reruns_are_the_same(void **state) {
    static const char text[] =
        "machine: {cpus: 2, nodes: [{memory: 64MiB}], transparent_hugepage: never}\n"
        "workload:\n"
        "  files: [{name: /a, size: 80MiB}, {name: /b, size: 0}]\n"
        "  tasks:\n"
        "    - {name: r, program: [{mmap: {as: a, length: 80MiB, file: /a, prot: r}}, {touch: {region: a, pattern: "
        "zipf, count: "
        "30000, stride: 4KiB}}]}\n"
        "    - {name: w, cpu: 1, program: [{write: {file: /b, length: 60MiB, block: 256KiB}}]}\n"
        "    - {name: h, cpu: 1, program: [{mmap: {as: h, length: 30MiB}}, {touch: {region: h, write: 60%}}]}\n";
    (void)state;
    struct outcome one = run(text), two = run(text);
    assert_int_equal(vmsim_counter_count(one.m), vmsim_counter_count(two.m));
    for (size_t i = 0; i < vmsim_counter_count(one.m); i++) {
        if (vmsim_counter_read(one.m, i) != vmsim_counter_read(two.m, i))
            fail_msg("%s differs", vmsim_counter_name(one.m, i));
    }
    assert_true(counter(&one, "vmstat.pgscan_file") > 1000);
    end(&one);
    end(&two);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_larger_than_memory_can_be_read),
        cmocka_unit_test(anonymous_memory_takes_the_place_of_clean_cache),
        cmocka_unit_test(a_writer_is_held_up_and_all_is_written),
        cmocka_unit_test(the_largest_dies_and_the_one_that_asked_goes_on),
        cmocka_unit_test(who_asks_for_more_than_there_is_dies_of_it),
        cmocka_unit_test(reruns_are_the_same),
    };
    return cmocka_run_group_tests_name("machine_pressure", tests, NULL, NULL);
}
