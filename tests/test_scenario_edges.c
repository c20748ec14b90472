/* SPDX-License-Identifier: MIT */
/* Scenarios at their edges: runs that are stopped, time that ends, too many rows, lost blocks, a host without memory.
 *
 * Each scenario is a text here; it is run in the process, so that the sanitizers see all of it. */
#include "helpers.h"

#include "scenario/engine.h"
#include "vmsim/report.h"
#include "vmsim/scenario.h"

#define SMALL "machine: {nodes: [{memory: 64MiB}], cpus: 2}\n"
#define TASK(steps) SMALL "workload: {tasks: [{name: a, program: [" steps "]}]}\n"

static struct vmsim_config *config_of(const char *text) {
    struct vmsim_config *config;
    assert_int_equal(vmsim_config_create(&config), 0);
    assert_int_equal(vmsim_config_load_text(config, "edge.yaml", text, strlen(text)), 0);
    if (vmsim_config_resolve(config))
        fail_msg("%s", vmsim_config_error_text(config, 0));
    return config;
}

static struct vmsim_scenario *scenario_of(struct vmsim_config *config) {
    struct vmsim_scenario *s;
    if (vmsim_scenario_create(config, &s))
        fail_msg("%s", vmsim_config_error_text(config, 0));
    return s;
}

static void end(struct vmsim_scenario *s, struct vmsim_config *config) {
    if (vmsim_machine_check(vmsim_scenario_machine(s)))
        fail_msg("%s", vmsim_machine_error(vmsim_scenario_machine(s)));
    assert_int_equal(vmsim_scenario_destroy(s), 0);
    vmsim_config_destroy(config);
}

/* Stops at the 10th look. */
static bool stop_soon(void *context, const struct vmsim_progress *p) {
    (void)p;
    return ++*(unsigned *)context < 10;
}

static void endless_programs_can_be_stopped(void **state) {
    static const char *const programs[] = {
        TASK("{mmap: {as: h, length: 1MiB}}, {touch: {region: h, count: 9223372036854775808}}"),
        TASK("{mmap: {as: h, length: 1MiB}}, {touch: {region: h, count: 18446744073709551615, think: 1us}}"),
        TASK("{repeat: {times: 18446744073709551615, steps: [lru_drain]}}"),
        TASK("{repeat: {times: 9223372036854775808, steps: [{compute: {time: 1ns}}]}}"),
        TASK("{repeat: {times: 9223372036854775808, steps: [{sleep: {time: 0ns}}]}}"),
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(programs); i++) {
        struct vmsim_config *config = config_of(programs[i]);
        struct vmsim_scenario *s = scenario_of(config);
        unsigned looks = 0;
        assert_int_equal(vmsim_scenario_run(s, stop_soon, &looks), VMSIM_ESTATE);
        assert_int_equal(looks, 10);
        assert_non_null(strstr(vmsim_scenario_error(s), "stopped"));
        end(s, config);
    }
}

static void virtual_time_has_an_end_and_never_goes_back(void **state) {
    (void)state;
    struct vmsim_config *config =
        config_of(TASK("{repeat: {times: 9, steps: [{sleep: {time: 4611686018427387904ns}}]}}"));
    struct vmsim_scenario *s = scenario_of(config);
    assert_int_equal(vmsim_scenario_run(s, NULL, NULL), VMSIM_ELIMIT);
    assert_non_null(strstr(vmsim_scenario_error(s), "virtual time ends"));
    end(s, config);
}

static void rows_of_intervals_that_would_fill_the_host_are_refused(void **state) {
    (void)state;
    struct vmsim_config *config =
        config_of(SMALL "report: {interval: 1ns}\nworkload: {tasks: [{name: a, program: [{sleep: {time: 10s}}]}]}\n");
    struct vmsim_scenario *s = scenario_of(config);
    assert_int_equal(vmsim_scenario_run(s, NULL, NULL), VMSIM_ELIMIT);
    assert_non_null(strstr(vmsim_scenario_error(s), "report.interval"));
    end(s, config);
}

static uint64_t unused(struct vmsim_scenario *s) {
    static const char *const names[] = {"vmstat.nr_free_pages", "zone.0.DMA.pcp_count", "zone.0.DMA32.pcp_count"};
    uint64_t sum = 0;
    for (size_t i = 0, id; i < TEST_COUNT(names); i++) {
        assert_int_equal(vmsim_counter_find(vmsim_scenario_machine(s), names[i], &id), 0);
        sum += vmsim_counter_read(vmsim_scenario_machine(s), id);
    }
    return sum;
}

static void blocks_of_several_orders_under_one_name_all_come_back(void **state) {
    (void)state;
    struct vmsim_config *config =
        config_of(TASK("{alloc_pages: {as: p, order: 3, count: 100}}, {alloc_pages: {as: p, order: 0, count: 7}},"
                       "{alloc_pages: {as: p, order: 9, count: 2}}, {free_pages: {region: p}}"));
    struct vmsim_scenario *s = scenario_of(config);
    uint64_t before = unused(s);
    assert_int_equal(vmsim_scenario_run(s, NULL, NULL), 0);
    assert_in_range(unused(s) - before, 0, 2); /* the task's own root table came back, too */
    end(s, config);
}

static void a_reference_to_unmapped_memory_ends_its_task_alone(void **state) {
    (void)state;
    struct vmsim_config *config = config_of(
        SMALL
        "workload:\n  tasks:\n"
        "    - {name: lost, program: [{mmap: {as: h, length: 1MiB}}, {munmap: {region: h}}, {touch: {region: h}}]}\n"
        "    - {name: fine, program: [{mmap: {as: h, length: 1MiB}}, {touch: {region: h, write: 100%}}]}\n"
        "expect:\n  - {counter: tasks.lost.sigsegv, equals: 1}\n  - {counter: tasks.fine.minflt, equals: 256}\n");
    struct vmsim_scenario *s = scenario_of(config);
    const char *text;
    assert_int_equal(vmsim_scenario_run(s, NULL, NULL), 0);
    assert_int_equal(vmsim_scenario_failures(s), 0);
    assert_int_equal(vmsim_report_text(s, &text, NULL), 0);
    assert_non_null(strstr(text, "SIGSEGV"));
    vmsim_report_free(s, text);
    end(s, config);
}

/* Of a process, one thread is asleep, one at a barrier, one waits for a child, one in a queue of the other CPU behind
 * its neighbour, when a thread refers to nothing. What the process had forked, and other processes, go on. */
static void a_signal_to_a_thread_ends_its_process_at_once(void **state) {
    (void)state;
    struct vmsim_config *config = config_of(
        SMALL
        "workload:\n  tasks:\n"
        "    - name: main\n      program:\n"
        "        - mmap: {as: h, length: 1MiB}\n"
        "        - fork: {name: sleeper, thread: true, program: [{sleep: {time: 100s}}, {barrier: {name: never, tasks: "
        "2}}]}\n"
        "        - fork: {name: meets, thread: true, program: [{barrier: {name: never, tasks: 2}}, {exit: {status: "
        "5}}]}\n"
        "        - fork: {name: busy, cpu: 1, thread: true, program: [{repeat: {times: 100000, steps: [{compute: "
        "{time: 1ms}}]}}]}\n"
        "        - fork: {name: child, cpu: 1, program: [{sleep: {time: 1s}}, {touch: {region: h, write: 100%}}]}\n"
        "        - fork: {name: lost, thread: true, program: [{sleep: {time: 1ms}}, {munmap: {region: h}}, {touch: "
        "{region: "
        "h}}]}\n"
        "        - wait\n"
        "    - {name: other, cpu: 1, program: [{repeat: {times: 50, steps: [{compute: {time: 1ms}}]}}, {exit: {status: "
        "0}}]}\n"
        "expect:\n  - {counter: tasks.lost.sigsegv, equals: 1}\n  - {counter: tasks.main.sigsegv, equals: 0}\n"
        "  - {counter: tasks.child.minflt, equals: 256}\n");
    struct vmsim_scenario *s = scenario_of(config);
    assert_int_equal(vmsim_scenario_run(s, NULL, NULL), 0);
    assert_int_equal(vmsim_scenario_failures(s), 0);
    static const struct {
        const char *name;
        int status;
    } wanted[] = {{"main", -11}, {"sleeper", -11}, {"meets", -11}, {"busy", -11},
                  {"lost", -11}, {"child", 0},     {"other", 0}};
    for (size_t i = 0; i < TEST_COUNT(wanted); i++) {
        for (uint32_t id = 0; id < vmsim_task_count(s->machine); id++) {
            const struct vmsim__task *t = vmsim__task_at(s->machine, id);
            if (strcmp(t->name, wanted[i].name) != 0)
                continue;
            assert_int_equal(t->exit_code, wanted[i].status);
            assert_null(t->mm);
            if (wanted[i].status)
                assert_true(t->end_ns < 1000000000);
        }
    }
    end(s, config);
}

/* A workload that goes through most of the layers. */
static const char journey[] =
    SMALL "report: {interval: 1ms}\n"
          "workload:\n"
          "  files: [{name: /f, size: 1MiB}, {name: /shm, kind: shmem, size: 256KiB}]\n"
          "  tasks:\n"
          "    - name: a\n"
          "      program:\n"
          "        - mmap: {as: heap, length: 2MiB}\n"
          "        - mmap: {as: file, length: 512KiB, file: /f}\n"
          "        - mmap: {as: shm, length: 256KiB, file: /shm, shared: true}\n"
          "        - touch: {region: heap, write: 50%, pattern: zipf, count: 2000}\n"
          "        - touch: {region: file, write: 30%, pattern: pointer-chase}\n"
          "        - touch: {region: shm, write: 100%}\n"
          "        - fork: {name: child, cpu: 1, program: [{touch: {region: heap, write: 100%}}, {read: {file: /f}}]}\n"
          "        - write: {file: /f, length: 64KiB}\n"
          "        - munmap: {region: heap, offset: 1MiB, length: 64KiB}\n"
          "        - mremap: {region: shm, length: 512KiB, may_move: true}\n"
          "        - alloc_pages: {as: p, order: 2, count: 30}\n"
          "        - marker: {name: m}\n"
          "        - fork: {thread: true, program: [{mlockall: {}}, {exit: {status: 3}}]}\n"
          "        - wait\n"
          "        - fsync: {file: /f}\n"
          "        - free_pages: {region: p}\n"
          "expect: [{counter: vmstat.pgfault, at: m, min: 1}]\n";

/* One run of it whose n-th allocation of the scenario (or of its machine) fails, as all after it do. */
static bool run_with_failure(uint64_t n, bool in_machine) {
    struct vmsim_config *config = config_of(journey);
    struct vmsim_scenario *s = scenario_of(config);
    const char *text = NULL;
    vmsim__alloc_fail_after(in_machine ? s->machine->alloc : s->alloc, n);
    int err = vmsim_scenario_run(s, NULL, NULL);
    int report = err ? 0 : vmsim_report_text(s, &text, NULL);
    vmsim__alloc_fail_after(in_machine ? s->machine->alloc : s->alloc, UINT64_MAX);
    if ((err && err != VMSIM_ENOMEM) || (report && report != VMSIM_ENOMEM))
        fail_msg("allocation %llu of the %s: %d, %d: %s", (unsigned long long)n, in_machine ? "machine" : "scenario",
                 err, report, vmsim_scenario_error(s));
    if (err)
        assert_true(*vmsim_scenario_error(s));
    else if (report)
        assert_true(*vmsim_report_error(s));
    vmsim_report_free(s, text);
    end(s, config);
    return !err && !report;
}

/* Every failure among the first, then ever larger steps: runs are short, but there are many. */
static void every_refusal_of_the_host_is_told_and_nothing_leaks(void **state) {
    (void)state;
    for (unsigned in_machine = 0; in_machine < 2; in_machine++) {
        uint64_t n = 1, runs = 0;
        for (; !run_with_failure(n, in_machine); n += 1 + n / 24)
            assert_true(++runs < 2000);
        print_message("%s: about %llu allocations, %llu failures tried\n", in_machine ? "machine" : "scenario",
                      (unsigned long long)n, (unsigned long long)runs);
    }
}

/* One of three children ends at once; the others are killed by name after it. */
static void a_parent_waits_for_some_children_and_kills_the_rest(void **state) {
    (void)state;
    struct vmsim_config *config = config_of(
        TASK("{fork: {name: short, program: []}},"
             "{fork: {name: long, cpu: 1, program: [{sleep: {time: 1h}}]}},"
             "{fork: {name: long, program: [{mmap: {as: h, length: 1MiB}}, {touch: {region: h, count: 1000000000}}]}},"
             "{wait: {children: 1}}, {marker: {name: one}}, {kill: {task: long}}, wait,"
             "{kill: {task: long, error: ESRCH}}"));
    struct vmsim_scenario *s = scenario_of(config);
    assert_int_equal(vmsim_scenario_run(s, NULL, NULL), 0);
    const struct vmsim_machine *m = vmsim_scenario_machine(s);
    assert_int_equal(m->tasks.count, 4);
    for (unsigned i = 2; i < 4; i++) {
        assert_int_equal(m->tasks.at[i]->exit_code, -9);
        assert_int_equal(m->tasks.at[i]->stop, VMSIM_STOP_NONE);
        assert_true(m->tasks.at[i]->end_ns < UINT64_C(1000000000));
    }
    end(s, config);
}

static void a_process_says_how_soon_it_is_to_be_killed(void **state) {
    (void)state;
    struct vmsim_config *config =
        config_of(TASK("{oom_score_adj: {value: -500}}, {fork: {name: b, thread: true, program: []}},"
                       "{oom_score_adj: {value: 300}}, {fork: {name: c, program: []}}, wait"));
    struct vmsim_scenario *s = scenario_of(config);
    assert_int_equal(vmsim_scenario_run(s, NULL, NULL), 0);
    const struct vmsim_machine *m = vmsim_scenario_machine(s);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(m->tasks.at[i]->oom_score_adj, 300);
    end(s, config);
}

/* Elements of lists by their names, those of cgroups by their paths. */
static void overrides_find_elements_by_name(void **state) {
    static const char text[] = "machine:\n  nodes: [{memory: 64MiB}]\n  tlb:\n    arrays:\n"
                               "      - {name: L1I, level: 1, holds: instruction, entries: 64}\n"
                               "      - {name: L1D, level: 1, holds: data, entries: 72}\n"
                               "workload:\n  cgroups: [{path: /a.b, files: {memory.max: max}}]\n"
                               "  tasks: [{name: t, program: [{sleep: {time: 1ms}}]}]\n";
    static const char *const sets[] = {"machine.tlb.arrays[L1D].entries=96",
                                       "workload.cgroups[/a.b].files.memory.max=3MiB", "workload.tasks[t].start=7ms"};
    struct vmsim_config *config;
    const char *all;
    (void)state;
    assert_int_equal(vmsim_config_create(&config), 0);
    assert_int_equal(vmsim_config_load_text(config, "named.yaml", text, strlen(text)), 0);
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        assert_int_equal(vmsim_config_set(config, sets[i]), 0);
    if (vmsim_config_resolve(config))
        fail_msg("%s", vmsim_config_error_text(config, 0));
    assert_int_equal(vmsim_config_dump(config, 0, &all, NULL), 0);
    assert_true(strstr(all, "entries: 64") && strstr(all, "entries: 96") && !strstr(all, "entries: 72"));
    assert_true(strstr(all, "3MiB") && strstr(all, "start: 7ms"));
    vmsim_config_destroy(config);
    assert_int_equal(vmsim_config_create(&config), 0);
    assert_int_equal(vmsim_config_load_text(config, "named.yaml", text, strlen(text)), 0);
    assert_int_equal(vmsim_config_set(config, "machine.tlb.arrays[L2].entries=96"), 0);
    assert_int_equal(vmsim_config_resolve(config), VMSIM_ECONFIG);
    assert_non_null(strstr(vmsim_config_error_text(config, 0), "no element is called 'L2'; there are L1I, L1D\n"));
    vmsim_config_destroy(config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(overrides_find_elements_by_name),
        cmocka_unit_test(endless_programs_can_be_stopped),
        cmocka_unit_test(virtual_time_has_an_end_and_never_goes_back),
        cmocka_unit_test(rows_of_intervals_that_would_fill_the_host_are_refused),
        cmocka_unit_test(blocks_of_several_orders_under_one_name_all_come_back),
        cmocka_unit_test(a_reference_to_unmapped_memory_ends_its_task_alone),
        cmocka_unit_test(a_signal_to_a_thread_ends_its_process_at_once),
        cmocka_unit_test(every_refusal_of_the_host_is_told_and_nothing_leaks),
        cmocka_unit_test(a_parent_waits_for_some_children_and_kills_the_rest),
        cmocka_unit_test(a_process_says_how_soon_it_is_to_be_killed),
    };
    return cmocka_run_group_tests_name("scenario_edges", tests, NULL, NULL);
}
