/* SPDX-License-Identifier: MIT */
/* Time and waiting: who has the CPU while another waits, in what order things come, where a task's time went, and that
 * its counters do not depend on what has nothing to do with it. */
#include "scenario_run.h"

static struct outcome run(const char *text) {
    return run_with(text, 0);
}

#define MS UINT64_C(1000000)
#define SLOW "page_cache: {device: {read_latency: 10ms, read_bandwidth: 1GiB}}"

/* ---- waiting ---- */

static void a_worker_has_the_cpu_while_a_reader_waits(void **state) {
    (void)state;
    struct outcome o =
        run("machine: {cpus: 1, nodes: [{memory: 1GiB}], " SLOW "}\n"
            "workload:\n"
            "  files: [{name: /cold, size: 1MiB}]\n"
            "  tasks:\n"
            "    - {name: reader, program: [{read: {file: /cold, block: 4KiB}}]}\n"
            "    - {name: worker, program: [{repeat: {times: 100, steps: [{compute: {time: 1ms}}]}}]}\n");
    assert_in_range(task(&o, "reader")->end_ns, 110 * MS, 112 * MS);
    assert_in_range(task(&o, "worker")->end_ns, 100 * MS, 112 * MS);
    assert_in_range(counter(&o, "cpu0.time_ns"), 110 * MS, 112 * MS);
    end(&o);
}

static void the_second_mapper_of_a_cold_file_waits_for_the_same_transfer(void **state) {
    (void)state;
    struct outcome o =
        run("machine: {cpus: 2, nodes: [{memory: 1GiB}], " SLOW "}\n"
            "workload:\n"
            "  files: [{name: /cold, size: 128KiB}]\n"
            "  tasks:\n"
            "    - {name: a, cpu: 0, program: [{mmap: {length: 128KiB, file: /cold, as: m}}, {touch: {region: m, "
            "stride: 4KiB}}]}\n"
            "    - {name: b, cpu: 1, start: 1us, program: [{mmap: {length: 128KiB, file: /cold, as: m}}, {touch: "
            "{region: m, stride: 4KiB}}]}\n");
    const struct vmsim__task *a = task(&o, "a"), *b = task(&o, "b");
    assert_in_range(a->end_ns, 10 * MS, 11 * MS);
    assert_in_range(b->end_ns, a->end_ns, a->end_ns + MS / 10);
    assert_true(b->stats.blocked_ns > 9 * MS);
    assert_int_equal(counter(&o, "vmstat.pgmajfault"), 1);
    assert_int_equal(counter(&o, "vmstat.pgpgin"), 128);
    end(&o);
}

static uint64_t marked_at(const struct outcome *o, const char *name) {
    for (size_t i = 0; i < o->s->markers.count; i++) {
        if (!strcmp(o->s->markers.at[i].name, name))
            return o->s->markers.at[i].time;
    }
    fail_msg("there is no marker '%s'", name);
    return 0;
}

static void wait_returns_after_the_exit_that_it_waits_for(void **state) {
    (void)state;
    struct outcome o = run(
        "machine: {cpus: 2, nodes: [{memory: 1GiB}], transparent_hugepage: never}\n"
        "workload:\n"
        "  tasks:\n"
        "    - name: parent\n"
        "      cpu: 1\n"
        "      program:\n"
        "        - {fork: {name: child, cpu: 0, program: [{mmap: {length: 64MiB, as: m}}, {touch: {region: m, stride: "
        "4KiB, write: 1}}, {marker: {name: last}}]}}\n"
        "        - wait\n"
        "        - {marker: {name: woke}}\n"
        "    - {name: busy, cpu: 1, program: [{repeat: {times: 20000, steps: [{compute: {time: 10us}}]}}]}\n");
    assert_true(marked_at(&o, "woke") >= marked_at(&o, "last"));
    assert_true(task(&o, "parent")->end_ns >= task(&o, "child")->end_ns);
    assert_true(marked_at(&o, "woke") < task(&o, "child")->end_ns + MS); /* it had slept: it takes the CPU */
    end(&o);
}

static void writing_back_takes_its_time(void **state) {
    (void)state;
    struct outcome o = run("machine: {cpus: 1, nodes: [{memory: 256MiB}], page_cache: {device: {write_latency: 5ms, "
                           "write_bandwidth: 1GiB}}}\n"
                           "workload:\n"
                           "  files: [{name: /f, size: 0}]\n"
                           "  tasks:\n"
                           "    - name: a\n"
                           "      program:\n"
                           "        - {write: {file: /f, length: 1MiB}}\n"
                           "        - {fork: {name: b, program: [{sleep: {time: 2ms}}, {marker: {name: middle}}]}}\n"
                           "        - {fsync: {file: /f}}\n"
                           "        - {marker: {name: synced}}\n");
    size_t writeback;
    assert_int_equal(vmsim_counter_find(o.m, "vmstat.nr_writeback", &writeback), 0);
    assert_int_equal(o.s->markers.at[0].values[writeback], 256);
    assert_int_equal(o.s->markers.at[1].values[writeback], 0);
    assert_in_range(task(&o, "a")->stats.blocked_ns, 5 * MS, 6 * MS + MS / 2);
    end(&o);
}

static void who_computes_pays_for_the_switch_back(void **state) {
    (void)state;
    struct outcome o =
        run("machine: {cpus: 1, nodes: [{memory: 256MiB}], costs: {context_switch: 2us}, timeslice: 1ms}\n"
            "workload:\n"
            "  tasks:\n"
            "    - {name: a, program: [{compute: {time: 10ms}}]}\n"
            "    - {name: b, program: [{compute: {time: 10ms}}]}\n");
    assert_in_range(counter(&o, "cpu0.context_switches"), 18, 22);
    assert_in_range(task(&o, "a")->stats.switch_ns, 9 * 2000, 11 * 2000);
    assert_in_range(task(&o, "b")->stats.switch_ns, 9 * 2000, 11 * 2000);
    end(&o);
}

/* ---- where the time went ---- */

static void check_accounts(const struct outcome *o) {
    for (size_t i = 0; i < o->m->tasks.count; i++) {
        const struct vmsim__task *t = o->m->tasks.at[i];
        const struct vmsim__task_stats *s = &t->stats;
        assert_int_equal(s->user_ns + s->system_ns + s->blocked_ns + s->waiting_ns + s->asleep_ns,
                         t->end_ns - t->start_ns);
    }
    for (unsigned i = 0; i < o->m->nr_cpus; i++) {
        const struct vmsim__cpu *c = &o->m->cpus[i];
        assert_int_equal(c->user_ns + c->system_ns + c->idle_ns + c->iowait_ns, c->now);
    }
}

static void the_time_of_every_task_and_cpu_adds_up(void **state) {
    (void)state;
    struct outcome o = run(
        "machine: {cpus: 3, nodes: [{memory: 512MiB}], timeslice: 1ms, " SLOW "}\n"
        "workload:\n"
        "  files: [{name: /cold, size: 4MiB}, {name: /out, size: 0}]\n"
        "  tasks:\n"
        "    - {name: late, start: 30ms, program: [{compute: {time: 5ms}}, {sleep: {time: 7ms}}, {read: {file: /cold, "
        "length: 1MiB}}]}\n"
        "    - {name: mover, program: [{compute: {time: 1ms}}, {migrate: {cpu: 2}}, {compute: {time: 1ms}}, {mmap: "
        "{as: "
        "m, length: 4MiB, file: /cold}}, {touch: {region: m, think: 1us}}]}\n"
        "    - {name: writer, cpu: 1, program: [{write: {file: /out, length: 3MiB, block: 64KiB}}, {fsync: {file: "
        "/out}}, {barrier: {name: b, tasks: 2}}]}\n"
        "    - name: parent\n"
        "      cpu: 1\n"
        "      program:\n"
        "        - {mmap: {as: h, length: 8MiB}}\n"
        "        - {touch: {region: h, write: 50%}}\n"
        "        - {fork: {name: child, cpu: 2, program: [{touch: {region: h, write: 100%}}, {exit: {status: 3}}]}}\n"
        "        - {fork: {name: thread, thread: true, program: [{touch: {region: h}}]}}\n"
        "        - wait\n"
        "        - {barrier: {name: b, tasks: 2}}\n");
    check_accounts(&o);
    assert_int_equal(task(&o, "late")->start_ns, 30 * MS);
    assert_in_range(task(&o, "late")->stats.asleep_ns, 7 * MS, 7 * MS + 1000);
    assert_true(task(&o, "mover")->stats.blocked_ns > 9 * MS);
    end(&o);
}

/* ---- what must not matter ---- */

#define WATCHED_NODES "machine: {preset: zen4, cpus: 3, nodes: [{memory: 1GiB}], transparent_hugepage: never}\n"
#define WATCHED                                                                                                        \
    "    - name: a\n"                                                                                                  \
    "      program:\n"                                                                                                 \
    "        - {mmap: {as: x, length: 16MiB}}\n"                                                                       \
    "        - {touch: {region: x, write: 100%}}\n"                                                                    \
    "        - {touch: {region: x, pattern: zipf, count: 20000, write: 10%}}\n"                                        \
    "        - {mmap: {as: f, length: 1MiB, file: /cold}}\n"                                                           \
    "        - {touch: {region: f}}\n"                                                                                 \
    "        - {read: {file: /cold, block: 64KiB}}\n"                                                                  \
    "        - {fork: {name: c, program: [{touch: {region: x, write: 30%, count: 5000, stride: 4KiB}}]}}\n"            \
    "        - {compute: {time: 3ms}}\n"                                                                               \
    "        - wait\n"

/* Everything that is the task's own, and its CPU's TLB. */
static void same_for_a(const struct outcome *plain, const struct outcome *other, const char *what) {
    for (size_t i = 0; i < vmsim_counter_count(plain->m); i++) {
        const char *name = vmsim_counter_name(plain->m, i);
        size_t id;
        if (strncmp(name, "tasks.a.", 8) && strncmp(name, "tasks.c.", 8) && strncmp(name, "tlb.cpu0.", 9) &&
            strncmp(name, "cpu0.", 5))
            continue;
        if (strstr(name, "idle_ns")) /* of a CPU whose clock goes on when there is more to wait for */
            continue;
        assert_int_equal(vmsim_counter_find(other->m, name, &id), 0);
        if (vmsim_counter_read(plain->m, i) != vmsim_counter_read(other->m, id))
            fail_msg("%s: %s is %llu, alone it is %llu", what, name,
                     (unsigned long long)vmsim_counter_read(other->m, id),
                     (unsigned long long)vmsim_counter_read(plain->m, i));
    }
}

static void counters_do_not_depend_on_what_is_unrelated(void **state) {
    static const struct {
        const char *what, *before, *after;
        uint64_t verify;
    } others[] = {
        {"a task that computes on another CPU", "",
         "    - {name: z, cpu: 1, program: [{repeat: {times: 3000, steps: [{compute: {time: 7us}}]}}]}\n", 0},
        {"a task that sleeps on another CPU", "",
         "    - {name: z, cpu: 2, program: [{repeat: {times: 500, steps: [{sleep: {time: 33us}}]}}]}\n", 0},
        {"a task that touches memory on another CPU", "",
         "    - {name: z, cpu: 1, program: [{mmap: {as: q, length: 8MiB}}, {repeat: {times: 5, steps: [{touch: "
         "{region: "
         "q, write: 50%}}]}}]}\n",
         0},
        {"rows of intervals", "report: {interval: 10us}\n", "", 0},
        {"the check after every 20 steps", "", "", 20},
        {"all of these", "report: {interval: 17us}\n",
         "    - {name: z, cpu: 1, program: [{repeat: {times: 3000, steps: [{compute: {time: 7us}}]}}]}\n"
         "    - {name: y, cpu: 2, program: [{mmap: {as: q, length: 2MiB}}, {touch: {region: q, write: 50%}}, {sleep: "
         "{time: 1ms}}, {touch: {region: q}}]}\n",
         500},
    };
    char text[4000];
    (void)state;
    snprintf(text, sizeof text, "%sworkload:\n  files: [{name: /cold, size: 1MiB}]\n  tasks:\n%s", WATCHED_NODES,
             WATCHED);
    struct outcome plain = run(text);
    for (size_t i = 0; i < TEST_COUNT(others); i++) {
        snprintf(text, sizeof text, "%s%sworkload:\n  files: [{name: /cold, size: 1MiB}]\n  tasks:\n%s%s",
                 others[i].before, WATCHED_NODES, WATCHED, others[i].after);
        struct outcome other = run_with(text, others[i].verify);
        same_for_a(&plain, &other, others[i].what);
        end(&other);
    }
    end(&plain);
}

/* ---- call by call ---- */

static void a_call_of_the_library_that_waits_runs_the_machine_until_it_is_done(void **state) {
    (void)state;
    const char *text = "machine: {cpus: 2, nodes: [{memory: 256MiB}], " SLOW "}\n";
    struct vmsim_config *config;
    struct vmsim_machine *m;
    uint32_t task, other, file;
    assert_int_equal(vmsim_config_create(&config), 0);
    assert_int_equal(vmsim_config_load_text(config, "lib.yaml", text, strlen(text)), 0);
    assert_int_equal(vmsim_config_resolve(config), 0);
    assert_int_equal(vmsim_machine_create(config, &m), 0);
    assert_int_equal(vmsim_task_create(m, "a", 0, &task), 0);
    assert_int_equal(vmsim_task_create(m, "b", 1, &other), 0);
    assert_int_equal(vmsim_file_create(m, VMSIM_FILE_REGULAR, "/f", 1 << 20, false, &file), 0);
    assert_int_equal(vmsim_task_read(m, task, file, 0, 4096), 4096);
    assert_in_range(vmsim_machine_time(m, 0), 10 * MS, 11 * MS);
    assert_int_equal(vmsim_machine_time(m, 1), 0);
    int64_t at = vmsim_task_mmap(m, other, 0, 1 << 20, 1, 1, file, 0);
    assert_true(at > 0);
    vmsim_access a[2] = {vmsim_access_make((uint64_t)at + (512 << 10), 8, VMSIM_LOAD),
                         vmsim_access_make((uint64_t)at + (513 << 10), 8, VMSIM_LOAD)};
    struct vmsim_access_result r;
    assert_int_equal(vmsim_task_access(m, other, a, 2, NULL, &r), 0);
    assert_int_equal(r.done, 2);
    assert_true(r.ns > 10 * MS);
    const struct vmsim__task_stats *s = &vmsim__task_at(m, other)->stats;
    assert_int_equal(s->maj_flt, 1);
    assert_true(s->blocked_ns > 9 * MS);
    assert_int_equal(vmsim_machine_check(m), 0);
    assert_int_equal(vmsim_machine_destroy(m), 0);
    vmsim_config_destroy(config);
}

/* Neither the call that waited nor the fault is left behind for the next one. */
static void a_call_that_would_wait_for_ever_comes_back_and_says_why(void **state) {
    (void)state;
    const char *text =
        "machine: {nodes: [{memory: 256MiB}], devices: [{name: sda, faults: [{kind: never, count: 2}]}]}\n";
    struct vmsim_config *config;
    struct vmsim_machine *m;
    uint32_t task, files[3];
    assert_int_equal(vmsim_config_create(&config), 0);
    assert_int_equal(vmsim_config_load_text(config, "lib.yaml", text, strlen(text)), 0);
    assert_int_equal(vmsim_config_resolve(config), 0);
    assert_int_equal(vmsim_machine_create(config, &m), 0);
    assert_int_equal(vmsim_task_create(m, "a", 0, &task), 0);
    for (unsigned i = 0; i < TEST_COUNT(files); i++) {
        const char name[] = {'/', (char)('a' + i), 0};
        assert_int_equal(vmsim_file_create(m, VMSIM_FILE_REGULAR, name, 1 << 20, false, &files[i]), 0);
    }
    assert_int_equal(vmsim_task_read(m, task, files[0], 0, 4096), -5);
    assert_non_null(strstr(vmsim_machine_error(m), "task 'a' waits for ever for page 0 of '/a', which is being read"));
    assert_non_null(strstr(vmsim_machine_error(m), "of device sda first, will never complete"));
    int64_t at = vmsim_task_mmap(m, task, 0, 1 << 20, 1, 1, files[1], 0);
    assert_true(at > 0);
    vmsim_access a = vmsim_access_make((uint64_t)at, 8, VMSIM_LOAD);
    struct vmsim_access_result r;
    assert_int_equal(vmsim_task_access(m, task, &a, 1, NULL, &r), VMSIM_ESTATE);
    assert_int_equal(r.done, 0);
    assert_non_null(strstr(vmsim_machine_error(m), "'/b'"));
    assert_int_equal(vmsim_task_read(m, task, files[2], 0, 4096), 4096);
    at = vmsim_task_mmap(m, task, 0, 4096, 3, 0x22, 0, 0);
    a = vmsim_access_make((uint64_t)at, 8, VMSIM_STORE);
    assert_int_equal(vmsim_task_access(m, task, &a, 1, NULL, &r), 0);
    assert_int_equal(r.done, 1);
    assert_int_equal(vmsim_machine_check(m), 0);
    assert_int_equal(vmsim_machine_destroy(m), 0);
    vmsim_config_destroy(config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_has_the_cpu_while_a_reader_waits),
        cmocka_unit_test(the_second_mapper_of_a_cold_file_waits_for_the_same_transfer),
        cmocka_unit_test(wait_returns_after_the_exit_that_it_waits_for),
        cmocka_unit_test(writing_back_takes_its_time),
        cmocka_unit_test(who_computes_pays_for_the_switch_back),
        cmocka_unit_test(the_time_of_every_task_and_cpu_adds_up),
        cmocka_unit_test(counters_do_not_depend_on_what_is_unrelated),
        cmocka_unit_test(a_call_of_the_library_that_waits_runs_the_machine_until_it_is_done),
        cmocka_unit_test(a_call_that_would_wait_for_ever_comes_back_and_says_why),
    };
    return cmocka_run_group_tests_name("machine_time", tests, NULL, NULL);
}
