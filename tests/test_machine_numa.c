/* SPDX-License-Identifier: MIT */
/* Machines of several nodes as a whole: who is killed when the memory of a policy's nodes runs out, where pages go when
 * a node is full. */
#include "scenario_run.h"

#define TWO_NODES                                                                                                      \
    "machine: {cpus: 2, nodes: [{memory: 512MiB}, {memory: 512MiB}], kernel: '6.1', transparent_hugepage: never, "     \
    "sysctl: {vm.overcommit_memory: 1}}\n"

/* The captured workload oom_bind: A lies on the other node, and is spared although it is the largest. */
static void who_has_nothing_on_the_nodes_is_spared(void **state) {
    (void)state;
    struct outcome o =
        run_with(TWO_NODES "workload:\n"
                           "  tasks:\n"
                           "    - {name: A, numa: {policy: bind, nodes: \"1\"}, program: [{mmap: {as: h, length: "
                           "197664KiB}}, {touch: {region: h, write: 100%}}, {sleep: {time: 100s}}]}\n"
                           "    - {name: B, numa: {policy: bind, nodes: \"0\"}, program: [{mmap: {as: h, length: "
                           "44160KiB}}, {touch: {region: h, write: 100%}}, {sleep: {time: 100s}}]}\n"
                           "    - {name: C, program: [{mmap: {as: h, length: 88320KiB}}, {touch: {region: h, write: "
                           "100%}}, {sleep: {time: 100s}}]}\n"
                           "    - {name: hog, start: 1s, oom_score_adj: -1000, numa: {policy: bind, nodes: \"0\"}, "
                           "program: [{mmap: {as: h, length: 441604KiB}}, {touch: {region: h, write: 100%}}]}\n",
                 0);
    assert_int_equal(task(&o, "A")->stop, VMSIM_STOP_NONE);
    assert_int_equal(task(&o, "B")->stop, VMSIM_STOP_OOM);
    assert_int_equal(task(&o, "C")->stop, VMSIM_STOP_OOM);
    assert_true(task(&o, "C")->end_ns < task(&o, "B")->end_ns);
    assert_int_equal(counter(&o, "vmstat.oom_kill"), 2);
    end(&o);
}

/* ---- vm.zone_reclaim_mode ---- */

#define READ "read: {file: f, length: 160MiB}"

/* A file of 160 MiB fills most of node 0, whose task then wants 160 MiB more. */
static struct outcome crowd(const char *distance, const char *knobs, const char *how) {
    char text[1400];
    snprintf(
        text, sizeof text,
        "machine: {cpus: 2, nodes: [{memory: 256MiB, distances: [10, %s]}, {memory: 256MiB, distances: [%s, 10]}], "
        "kernel: '6.12', transparent_hugepage: never, sysctl: {lru_gen/enabled: n, %s}}\n"
        "workload:\n"
        "  files: [{name: f, size: 160MiB}]\n"
        "  tasks:\n"
        "    - name: t\n"
        "      program:\n"
        "        - mmap: {as: m, file: f, length: 160MiB}\n"
        "        - %s\n"
        "        - mmap: {as: h, length: 160MiB}\n"
        "        - touch: {region: h, write: 100%%}\n",
        distance, distance, knobs, how);
    return run_with(text, 50);
}

static void a_node_gives_up_files_before_the_next_is_taken(void **state) {
    (void)state;
    struct outcome o = crowd("20", "vm.zone_reclaim_mode: 0", READ);
    const uint64_t away = counter(&o, "vmstat.numa_miss");
    assert_true(away > 10000);
    assert_int_equal(counter(&o, "vmstat.pgscan_direct"), 0);
    end(&o);
    o = crowd("20", "vm.zone_reclaim_mode: 1", READ);
    assert_true(counter(&o, "vmstat.numa_miss") < away / 10);
    assert_true(counter(&o, "vmstat.pgsteal_direct") > 10000);
    assert_int_equal(counter(&o, "vmstat.allocstall_normal"), 0); /* it is no direct reclaim */
    end(&o);
}

static void far_nodes_mapped_pages_and_the_last_percents_are_left(void **state) {
    (void)state;
    static const char mapped[] = "touch: {region: m}";
    struct outcome o = crowd("40", "vm.zone_reclaim_mode: 1", READ); /* node 0 is near itself, whatever the other is */
    assert_true(counter(&o, "vmstat.pgsteal_direct") > 10000);
    end(&o);
    o = crowd("20", "vm.zone_reclaim_mode: 1", mapped);
    assert_int_equal(counter(&o, "vmstat.pgsteal_direct"), 0);
    end(&o);
    o = crowd("20", "vm.zone_reclaim_mode: 5", mapped);
    assert_true(counter(&o, "vmstat.pgsteal_direct") > 1000);
    end(&o);
    o = crowd("20", "vm.zone_reclaim_mode: 1, vm.min_unmapped_ratio: 90", READ);
    assert_int_equal(counter(&o, "vmstat.pgscan_direct"), 0);
    end(&o);
}

/* ---- balancing ---- */

#define IN_BATCH 14 /* pages that a CPU's batch holds beside their entry are left alone, as by Linux */

/* A task fills 16 MiB on node 0, moves to node 1 and goes on using them for some seconds; `knobs` and `policy` as in
 * YAML. */
static struct outcome wander(const char *knobs, const char *policy) {
    char text[1200];
    snprintf(text, sizeof text,
             "machine: {cpus: 2, nodes: [{memory: 256MiB}, {memory: 256MiB}], kernel: '6.1', transparent_hugepage: "
             "never, sysctl: {%s}}\n"
             "policies: {numa_balancing: {name: %s}}\n"
             "workload:\n"
             "  tasks:\n"
             "    - name: t\n"
             "      program:\n"
             "        - mmap: {as: h, length: 16MiB}\n"
             "        - touch: {region: h, write: 100%%}\n"
             "        - migrate: {cpu: 1}\n"
             "        - repeat: {times: 6, steps: [{compute: {time: 700ms}}, {touch: {region: h}}]}\n",
             knobs, policy);
    return run_with(text, 50);
}

static void pages_follow_their_task(void **state) {
    (void)state;
    struct outcome o = wander("", "linux");
    assert_in_range(counter(&o, "vmstat.numa_pages_migrated"), 4096 - IN_BATCH, 4096 + 64);
    assert_int_equal(counter(&o, "vmstat.numa_pte_updates"), counter(&o, "vmstat.numa_hint_faults"));
    assert_true(counter(&o, "vmstat.numa_hint_faults") >= 4096 - IN_BATCH);
    assert_int_equal(counter(&o, "vmstat.pgmigrate_success"), counter(&o, "vmstat.numa_pages_migrated"));
    end(&o);
}

/* All memory of `t` is on node 1, and may not leave it; its CPUs are 2 and 3. `t` begins on CPU 0. */
static unsigned cpu_at_last(const char *follows, const char *others) {
    char text[1200];
    snprintf(text, sizeof text,
             "machine: {cpus: 4, nodes: [{memory: 256MiB, cpus: [0, 1]}, {memory: 256MiB, cpus: [2, 3]}], kernel: "
             "'6.1', transparent_hugepage: never}\n"
             "workload:\n"
             "  tasks:\n"
             "    - name: t\n"
             "      numa: {policy: bind, nodes: '1', balancing: true}\n"
             "      follow_memory: %s\n"
             "      program:\n"
             "        - mmap: {as: h, length: 16MiB}\n"
             "        - touch: {region: h, write: 100%%}\n"
             "        - repeat: {times: 12, steps: [{compute: {time: 700ms}}, {touch: {region: h}}]}\n"
             "%s",
             follows, others);
    struct outcome o = run_with(text, 50);
    const unsigned cpu = task(&o, "t")->cpu;
    end(&o);
    return cpu;
}

/* To a CPU that no other program has; bound to its CPU it stays, as it does where there is none. */
static void a_task_follows_memory_that_cannot_follow_it(void **state) {
    static const char one[] = "    - {name: a, cpu: 2, program: [{sleep: {time: 20s}}]}\n",
                      two[] = "    - {name: a, cpu: 2, program: [{sleep: {time: 20s}}]}\n"
                              "    - {name: b, cpu: 3, program: [{sleep: {time: 20s}}]}\n";
    (void)state;
    assert_int_equal(cpu_at_last("true", ""), 2);
    assert_int_equal(cpu_at_last("true", one), 3);
    assert_int_equal(cpu_at_last("true", two), 0);
    assert_int_equal(cpu_at_last("false", ""), 0);
}

static void none_follow_where_nobody_looks(void **state) {
    (void)state;
    struct outcome o = wander("kernel.numa_balancing: 0", "linux");
    assert_int_equal(counter(&o, "vmstat.numa_pte_updates"), 0);
    end(&o);
    o = wander("", "none");
    assert_int_equal(counter(&o, "vmstat.numa_pte_updates"), 0);
    assert_int_equal(counter(&o, "vmstat.numa_pages_migrated"), 0);
    end(&o);
    o = wander("", "follow");
    assert_true(counter(&o, "vmstat.numa_pages_migrated") >= 4096 - IN_BATCH);
    end(&o);
}

/* The program's own policy is obeyed, unless it allows its pages to follow. */
static void bound_pages_stay(void **state) {
    (void)state;
    for (unsigned follows = 0; follows < 2; follows++) {
        char text[1200];
        snprintf(text, sizeof text,
                 "machine: {cpus: 2, nodes: [{memory: 256MiB}, {memory: 256MiB}], kernel: '6.1', "
                 "transparent_hugepage: never}\n"
                 "workload:\n"
                 "  tasks:\n"
                 "    - name: t\n"
                 "      program:\n"
                 "        - mmap: {as: h, length: 4MiB}\n"
                 "        - mbind: {region: h, policy: bind, nodes: all, balancing: %s}\n"
                 "        - touch: {region: h, write: 100%%}\n"
                 "        - migrate: {cpu: 1}\n"
                 "        - repeat: {times: 6, steps: [{compute: {time: 700ms}}, {touch: {region: h}}]}\n",
                 follows ? "true" : "false");
        struct outcome o = run_with(text, 50);
        assert_int_equal(counter(&o, "vmstat.numa_pages_migrated") >= 1024 - IN_BATCH, follows);
        end(&o);
    }
}

/* Two threads of two nodes use the same pages: the filter lets few of them wander. */
static void shared_pages_do_not_swing(void **state) {
    (void)state;
    struct outcome o = run_with(
        "machine: {cpus: 2, nodes: [{memory: 256MiB}, {memory: 256MiB}], kernel: '6.1', transparent_hugepage: never}\n"
        "workload:\n"
        "  tasks:\n"
        "    - name: t\n"
        "      program:\n"
        "        - mmap: {as: h, length: 4MiB}\n"
        "        - touch: {region: h, write: 100%}\n"
        "        - fork:\n"
        "            name: u\n"
        "            thread: true\n"
        "            program:\n"
        "              - migrate: {cpu: 1}\n"
        "              - repeat: {times: 200, steps: [{compute: {time: 50ms}}, {touch: {region: h}}]}\n"
        "        - repeat: {times: 200, steps: [{compute: {time: 50ms}}, {touch: {region: h}}]}\n"
        "        - wait\n",
        500);
    assert_true(counter(&o, "vmstat.numa_hint_faults") > 2048);
    assert_true(counter(&o, "vmstat.numa_pages_migrated") < counter(&o, "vmstat.numa_hint_faults") / 2);
    end(&o);
}

/* ---- tiers ---- */

/* 96 MiB in use, hot the last 16: the fast node has 64 MiB, a slow one without CPUs 256 MiB. */
static struct outcome tiers(const char *knobs, const char *policy) {
    char text[1400];
    snprintf(text, sizeof text,
             "machine: {cpus: 1, nodes: [{memory: 64MiB, cpus: [0]}, {memory: 256MiB, cpus: [], tier: 22}], kernel: "
             "'6.1', transparent_hugepage: never, sysctl: {%s}}\n"
             "policies: {tiering: {%s}}\n"
             "workload:\n"
             "  tasks:\n"
             "    - name: t\n"
             "      numa: {policy: bind, nodes: \"0\"}\n"
             "      program:\n"
             "        - mmap: {as: h, length: 96MiB}\n"
             "        - touch: {region: h, write: 100%%}\n"
             "        - repeat: {times: 12, steps: [{compute: {time: 500ms}}, {touch: {region: h, offset: 80MiB}}]}\n",
             knobs, policy);
    return run_with(text, 400);
}

static void reclaim_moves_cold_pages_to_slower_memory(void **state) {
    (void)state;
    struct outcome o = tiers("numa/demotion_enabled: true", "name: linux");
    const uint64_t demoted = counter(&o, "vmstat.pgdemote_kswapd") + counter(&o, "vmstat.pgdemote_direct");
    assert_true(demoted > 1000);
    assert_int_equal(counter(&o, "vmstat.oom_kill"), 0);
    end(&o);
    o = tiers("", "name: linux"); /* without swap there is nowhere to go */
    assert_int_equal(counter(&o, "vmstat.pgdemote_kswapd") + counter(&o, "vmstat.pgdemote_direct"), 0);
    assert_int_equal(counter(&o, "vmstat.oom_kill"), 1);
    end(&o);
    o = tiers("numa/demotion_enabled: true", "name: none");
    assert_int_equal(counter(&o, "vmstat.pgdemote_kswapd") + counter(&o, "vmstat.pgdemote_direct"), 0);
    end(&o);
}

/* What was cold when memory was short is used all the time now. */
static void hot_pages_come_back(void **state) {
    static const char *const policies[] = {"name: none", "name: linux", "name: threshold, params: {latency_ms: 10000}"};
    (void)state;
    for (unsigned i = 0; i < TEST_COUNT(policies); i++) {
        char text[1400];
        snprintf(text, sizeof text,
                 "machine: {cpus: 1, nodes: [{memory: 128MiB, cpus: [0]}, {memory: 256MiB, cpus: [], tier: 22}], "
                 "kernel: '6.1', transparent_hugepage: never, sysctl: {kernel.numa_balancing: 2}}\n"
                 "policies: {tiering: {%s}}\n"
                 "workload:\n"
                 "  tasks:\n"
                 "    - name: t\n"
                 "      program:\n"
                 "        - set_mempolicy: {policy: bind, nodes: \"1\"}\n"
                 "        - mmap: {as: h, length: 16MiB}\n"
                 "        - touch: {region: h, write: 100%%}\n"
                 "        - set_mempolicy: {policy: default}\n"
                 "        - repeat: {times: 40, steps: [{compute: {time: 100ms}}, {touch: {region: h}}]}\n",
                 policies[i]);
        struct outcome o = run_with(text, 400);
        if (i)
            assert_true(counter(&o, "vmstat.pgpromote_success") >= 4096 - IN_BATCH);
        else
            assert_int_equal(counter(&o, "vmstat.pgpromote_success"), 0);
        end(&o);
    }
}

/* 96 MiB in use, of which a third is hot, and then another: no policy has as many references in the fast node of 64
 * MiB as the one that knows them all, and none is done sooner. */
static struct outcome phases(const char *arch, const char *policy) {
    char text[1600];
    snprintf(
        text, sizeof text,
        "machine: {arch: %s, cpus: 1, nodes: [{memory: 64MiB, cpus: [0], latencies: [90ns, 250ns]}, {memory: 256MiB, "
        "cpus: [], tier: 22, latencies: [250ns, 90ns]}], kernel: '6.1', transparent_hugepage: never, sysctl: "
        "{kernel.numa_balancing: 2, numa/demotion_enabled: true}}\n"
        "policies: {tiering: {%s}}\n"
        "workload:\n"
        "  tasks:\n"
        "    - name: t\n"
        "      program:\n"
        "        - mmap: {as: h, length: 96MiB}\n"
        "        - touch: {region: h, write: 100%%}\n"
        "        - touch: {region: h, offset: 72MiB, length: 24MiB, pattern: uniform, count: 500000, think: 5us}\n"
        "        - touch: {region: h, offset: 24MiB, length: 24MiB, pattern: uniform, count: 500000, think: 5us}\n",
        arch, policy);
    return run_with(text, 400);
}

static void nobody_is_better_than_who_knows_the_future(void **state) {
    static const char *const policies[] = {"name: none", "name: threshold", "name: linux"};
    uint64_t slow[5], fast[5], took[5];
    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        struct outcome o = phases("x86_64", i < 3    ? policies[i]
                                            : i == 3 ? "name: oracle, params: {period: 100000}"
                                                     : "name: oracle, params: {period: 20000}");
        fast[i] = counter(&o, "node0.memory_reads");
        slow[i] = counter(&o, "node1.memory_reads");
        took[i] = task(&o, "t")->stats.user_ns + task(&o, "t")->stats.system_ns;
        if (i >= 3)
            assert_true(counter(&o, "vmstat.pgpromote_success") >= 2000);
        end(&o);
    }
    for (unsigned i = 0; i < 3; i++) {
        assert_true(slow[3] < slow[i] && slow[4] < slow[i]);
        assert_true(took[3] < took[i] && took[4] < took[i]);
    }
    assert_true(slow[4] <= slow[3]);
    assert_true(slow[4] * 20 < fast[4]); /* what is hot fits */
    struct outcome o = phases("arm64_4k", "name: oracle, params: {period: 100000}");
    assert_true(counter(&o, "node1.memory_reads") < counter(&o, "node0.memory_reads"));
    end(&o);
}

/* ---- memory that comes and goes ---- */

/* A node without memory gets it, a program moves there, and its pages are moved back when the node goes. */
static void nodes_come_and_go_under_load(void **state) {
    (void)state;
    struct outcome o = run_with(
        "machine: {cpus: 2, nodes: [{memory: 256MiB, cpus: [0]}, {hotplug_memory: 512MiB, cpus: [1]}], kernel: '6.1', "
        "transparent_hugepage: never}\n"
        "workload:\n"
        "  tasks:\n"
        "    - name: t\n"
        "      program:\n"
        "        - mmap: {as: h, length: 16MiB}\n"
        "        - touch: {region: h, write: 100%}\n"
        "        - memory_node: {node: 2, state: online, error: ENODEV}\n"
        "        - memory_node: {node: 1, state: offline, error: EINVAL}\n"
        "        - memory_node: {node: 1, state: online}\n" /* watermarks are those of a running machine after it */
        "        - memory_node: {node: 1, state: offline}\n"
        "        - marker: {name: before}\n"
        "        - memory_node: {node: 1, state: online_movable}\n"
        "        - memory_node: {node: 1, state: online, error: EINVAL}\n"
        "        - mbind: {region: h, policy: bind, nodes: \"1\", move: true}\n"
        "        - marker: {name: moved}\n"
        "        - memory_node: {node: 1, state: offline}\n"
        "        - marker: {name: gone}\n"
        "        - touch: {region: h, write: 100%}\n"
        "        - memory_node: {node: 1, state: online_kernel}\n"
        "        - memory_node: {node: 0, state: offline, error: EINVAL}\n",
        1);
    assert_int_equal(o.s->failed_steps, 0);
    assert_int_equal(counter_at(&o, "before", "zone.1.Movable.managed"), 0);
    assert_int_equal(counter_at(&o, "moved", "zone.1.Movable.managed"), 131072);
    assert_true(counter_at(&o, "moved", "zone.1.Movable.free") <= 131072 - 4096);
    assert_int_equal(counter_at(&o, "gone", "zone.1.Movable.managed"), 0);
    assert_true(counter_at(&o, "gone", "vmstat.pgmigrate_success") >= 8192);
    assert_int_equal(counter_at(&o, "gone", "zone.0.DMA32.low"), counter_at(&o, "before", "zone.0.DMA32.low"));
    assert_int_equal(counter(&o, "zone.1.Normal.managed"), 131072);
    end(&o);
}

/* ---- slips ---- */

static void refuses(const char *step, const char *numa, const char *wanted) {
    struct vmsim_config *config;
    struct vmsim_scenario *s = NULL;
    char text[800];
    snprintf(text, sizeof text,
             TWO_NODES "workload:\n"
                       "  tasks:\n"
                       "    - name: t\n"
                       "      numa: {%s}\n"
                       "      program: [{mmap: {as: h, length: 4KiB}}, %s]\n",
             numa, step);
    assert_int_equal(vmsim_config_create(&config), 0);
    assert_int_equal(vmsim_config_load_text(config, "test.yaml", text, strlen(text)), 0);
    assert_true(vmsim_config_resolve(config) || vmsim_scenario_create(config, &s));
    if (!strstr(vmsim_config_error_text(config, 0), wanted))
        fail_msg("%s", vmsim_config_error_text(config, 0));
    vmsim_config_destroy(config);
}

static void slips_are_told_with_their_place(void **state) {
    (void)state;
    refuses("{mbind: {region: h, policy: bind, nodes: \"3-1\"}}", "", "'3-1' is no list of nodes");
    refuses("{mbind: {region: h, policy: bind, nodes: \"0,\"}}", "", "'0,' is no list of nodes");
    refuses("{mbind: {region: g, policy: bind, nodes: \"0\"}}", "", "'g'");
    refuses("{set_mempolicy: {policy: interleave, nodes: \"64\"}}", "", "'64' is no list of nodes");
    refuses("{migrate_pages: {from: all, to: x}}", "", "'x' is no list of nodes");
    refuses("{mbind: {region: h, policy: blind}}", "", "blind");
    refuses("wait", "policy: bind, nodes: \"7\"", "Linux refuses this policy with EINVAL");
    refuses("wait", "policy: bind", "it needs nodes");
    refuses("wait", "policy: bind, nodes: a", "'a' is no list of nodes");
}

/* Without a second run, or without memory that is farther than other, there is nothing to know. */
static void a_future_that_nobody_has_is_refused(void **state) {
    static const char *const nodes[] = {"[{memory: 256MiB}]", "[{memory: 256MiB}, {memory: 256MiB}]"},
                             *const wanted[] = {"no memory is farther", "must know the future"};
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct vmsim_config *config;
        struct vmsim_scenario *s = NULL;
        struct vmsim_machine *m = NULL;
        char text[300];
        snprintf(text, sizeof text, "machine: {cpus: 1, nodes: %s}\npolicies: {tiering: oracle}\n", nodes[i]);
        assert_int_equal(vmsim_config_create(&config), 0);
        assert_int_equal(vmsim_config_load_text(config, "test.yaml", text, strlen(text)), 0);
        assert_int_equal(vmsim_config_resolve(config), 0);
        assert_int_equal(i ? vmsim_machine_create(config, &m) : vmsim_scenario_create(config, &s), VMSIM_ECONFIG);
        if (!strstr(vmsim_config_error_text(config, 0), wanted[i]))
            fail_msg("%s", vmsim_config_error_text(config, 0));
        vmsim_config_destroy(config);
    }
}

/* Nodes and blocks that are not there are the program's own affair, with Linux's errno. */
static void calls_say_what_linux_says(void **state) {
    (void)state;
    struct outcome o = run_with(
        TWO_NODES "workload:\n"
                  "  tasks:\n"
                  "    - name: t\n"
                  "      program:\n"
                  "        - mmap: {as: h, length: 64KiB}\n"
                  "        - touch: {region: h, write: 100%}\n"
                  "        - mbind: {region: h, policy: bind, nodes: \"5\", error: EINVAL}\n"
                  "        - set_mempolicy: {policy: interleave, error: EINVAL}\n"
                  "        - move_pages: {region: h, nodes: \"9\", error: ENODEV}\n"
                  "        - migrate_pages: {from: \"0\", to: \"9\", error: EPERM}\n" /* a privileged one: EINVAL */
                  "        - set_mempolicy_home_node: {region: h, node: 1, error: ENOENT}\n"
                  "        - memory_block: {block: 999, state: offline, error: EINVAL}\n"
                  "        - memory_block: {block: 0, state: offline, error: EINVAL}\n"
                  "        - memory_block: {block: 1, state: online, error: EINVAL}\n",
        1);
    assert_int_equal(o.s->failed_steps, 0);
    end(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_gives_up_files_before_the_next_is_taken),
        cmocka_unit_test(far_nodes_mapped_pages_and_the_last_percents_are_left),
        cmocka_unit_test(who_has_nothing_on_the_nodes_is_spared),
        cmocka_unit_test(pages_follow_their_task),
        cmocka_unit_test(a_task_follows_memory_that_cannot_follow_it),
        cmocka_unit_test(none_follow_where_nobody_looks),
        cmocka_unit_test(bound_pages_stay),
        cmocka_unit_test(shared_pages_do_not_swing),
        cmocka_unit_test(reclaim_moves_cold_pages_to_slower_memory),
        cmocka_unit_test(hot_pages_come_back),
        cmocka_unit_test(nobody_is_better_than_who_knows_the_future),
        cmocka_unit_test(a_future_that_nobody_has_is_refused),
        cmocka_unit_test(nodes_come_and_go_under_load),
        cmocka_unit_test(slips_are_told_with_their_place),
        cmocka_unit_test(calls_say_what_linux_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
