/* SPDX-License-Identifier: MIT */
/* What limits of cgroups do to tasks: memory.high holds up, memory.min and memory.low keep, memory.reclaim and lower
 * limits take, memory.oom.group kills together; slips of a description are told with their place; random histories of
 * whole machines with cgroups keep all accounts. */
#include "scenario_run.h"

#define MIB (1024 * 1024)

static struct outcome run(const char *text) {
    return run_with(text, 1500);
}

/* 12 MiB pass twice through 8 MiB: what comes back from swap are major faults, of the cgroup as of the machine; for the
 * task also those that waited for a page that another had asked for. A virtio disk says that it turns, so that slots
 * are read side by side. */
static void faults_on_swap_count_in_the_cgroup(void **state) {
    (void)state;
    struct outcome o = run("machine: {nodes: [{memory: 128MiB}], transparent_hugepage: never, "
                           "devices: [{name: vda, preset: virtio-qemu, size: 64MiB}], swap: [{device: vda}]}\n"
                           "workload:\n"
                           "  cgroups: [{path: /a, files: {memory.max: 8MiB}}]\n"
                           "  tasks: [{name: t, cgroup: /a, program: [{mmap: {as: h, length: 12MiB}}, "
                           "{repeat: {times: 2, steps: [{touch: {region: h, write: 100%}}]}}]}]\n");
    const uint64_t major = counter(&o, "tasks.t.majflt");
    assert_in_range(major, 100, 3072);
    assert_int_equal(cgroup_counter(&o, "/a", "memory.stat.pgmajfault"), counter(&o, "vmstat.pgmajfault"));
    assert_in_range(counter(&o, "vmstat.pgmajfault"), major - major / 32, major);
    assert_in_range(counter(&o, "vmstat.pswpin"), 4 * major, 9 * major);
    end(&o);
}

/* Pages in the swap cache are cached on their node, but memory.stat of a cgroup calls them swapcached alone. */
static void the_swap_cache_is_no_file_of_a_cgroup(void **state) {
    (void)state;
    struct outcome o = run("machine: {nodes: [{memory: 128MiB}], transparent_hugepage: never, "
                           "devices: [{name: vda, preset: virtio-icount, size: 64MiB}], swap: [{device: vda}]}\n"
                           "workload:\n  cgroups: [{path: /a}]\n"
                           "  tasks: [{name: t, cgroup: /a, program: [{mmap: {as: h, length: 4MiB}}, "
                           "{touch: {region: h, write: 100%}}, {madvise: {region: h, advice: pageout}}, {sleep: {time: "
                           "10ms}}, {touch: {region: h}}, {marker: {name: in}}]}]\n");
    assert_int_equal(counter_at(&o, "in", "cgroups./a.memory.stat.swapcached"), 4 * MIB);
    assert_int_equal(counter_at(&o, "in", "cgroups./a.memory.stat.file"), 0);
    assert_true(counter_at(&o, "in", "vmstat.nr_file_pages") >= 1024);
    end(&o);
}

/* 16 MiB are written to a file where 8 MiB may be held: the flusher begins long before memory as a whole is dirty, so
 * that reclaim meets hardly a dirty page. */
static void a_cgroup_has_dirty_limits_of_its_own(void **state) {
    (void)state;
    struct outcome o = run("machine: {nodes: [{memory: 256MiB}], devices: [{name: vda, preset: nvme}]}\n"
                           "workload:\n"
                           "  cgroups: [{path: /a, files: {memory.max: 8MiB}}]\n"
                           "  files: [{name: /f, size: 16MiB}]\n"
                           "  tasks: [{name: t, cgroup: /a, program: [{write: {file: /f, block: 64KiB}}]}]\n");
    assert_int_equal(counter(&o, "vmstat.nr_dirtied"), 4096);
    assert_in_range(counter(&o, "vmstat.nr_written"), 4096 - 2048 / 5, 4096);
    assert_in_range(counter(&o, "vmstat.nr_vmscan_immediate_reclaim"), 0, 64);
    assert_int_equal(task(&o, "t")->stop, VMSIM_STOP_NONE);
    end(&o);
}

/* ---- memory.high ---- */

static void the_delay_grows_with_the_square_of_the_overage(void **state) {
    (void)state;
    assert_int_equal(vmsim__limit_overage(110, 100), 104857);
    assert_int_equal(vmsim__limit_high_delay(64, 104857), 159); /* jiffies: 0.636 s */
    assert_int_equal(vmsim__limit_high_delay(32, 104857), 79);
    assert_int_equal(vmsim__limit_overage(100, 100), 0);
    assert_int_equal(vmsim__limit_high_delay(64, vmsim__limit_overage(5, 0)), 500); /* 2 s at most */
    assert_int_equal(vmsim__limit_high_delay(UINT32_MAX, UINT64_MAX), 500);
}

/* Nothing can be reclaimed: each batch of 64 pages beyond the limit costs more time, and nobody dies. */
static void who_cannot_give_back_is_held_up_above_memory_high(void **state) {
    (void)state;
    struct outcome o = run("machine: {nodes: [{memory: 128MiB}], transparent_hugepage: never}\n"
                           "workload:\n"
                           "  cgroups: [{path: /a, files: {memory.high: 8MiB}}]\n"
                           "  tasks:\n"
                           "    - {name: t, cgroup: /a, program: [{mmap: {as: h, length: 10MiB}}, {touch: {region: h, "
                           "write: 100%}}]}\n"
                           "    - {name: free, program: [{mmap: {as: h, length: 10MiB}}, {touch: {region: h, write: "
                           "100%}}]}\n");
    const struct vmsim__task *t = task(&o, "t");
    assert_int_equal(t->stop, VMSIM_STOP_NONE);
    assert_int_equal(t->stats.min_flt, 2560);
    assert_true(cgroup_counter(&o, "/a", "memory.events.high") > 100);
    assert_int_equal(cgroup_counter(&o, "/a", "memory.events.max"), 0);
    /* nine batches, above by 3 to 25 %: 15, 62, 140, 250, 390 jiffies, and then 500, which is the most */
    assert_in_range(t->stats.blocked_ns, UINT64_C(9000000000), UINT64_C(12000000000));
    assert_true(task(&o, "free")->stats.blocked_ns == 0);
    end(&o);
}

/* Cache can be given back: it stays near the limit, and nobody sleeps. */
static void cache_above_memory_high_is_given_back(void **state) {
    (void)state;
    struct outcome o = run("machine: {nodes: [{memory: 256MiB}], transparent_hugepage: never}\n"
                           "workload:\n"
                           "  cgroups: [{path: /a, files: {memory.high: 8MiB}}]\n"
                           "  files: [{name: /f, size: 64MiB}]\n"
                           "  tasks: [{name: t, cgroup: /a, program: [{read: {file: /f, block: 64KiB}}]}]\n");
    assert_in_range(cgroup_counter(&o, "/a", "memory.stat.file"), 7 * MIB, 9 * MIB);
    assert_true(cgroup_counter(&o, "/a", "memory.events.high") > 0);
    assert_in_range(cgroup_counter(&o, "/a", "memory.peak"), 8 * MIB, 9 * MIB);
    end(&o);
}

/* ---- memory.min, memory.low ---- */

/* One has 16 MiB of cache and does nothing; another reads far more than there is room for, within the same limit. */
static uint64_t left_of_16_mib(const char *protection, uint64_t *low_events) {
    char text[1200];
    snprintf(text, sizeof text,
             "machine: {nodes: [{memory: 256MiB}], transparent_hugepage: never}\n"
             "workload:\n"
             "  cgroups:\n"
             "    - {path: /p, files: {memory.max: 32MiB%s}}\n"
             "    - {path: /p/a, files: {%s}}\n"
             "    - {path: /p/b}\n"
             "  files: [{name: /mine, size: 16MiB}, {name: /theirs, size: 128MiB}]\n"
             "  tasks:\n"
             "    - {name: a, cgroup: /p/a, program: [{read: {file: /mine, block: 64KiB}}, {sleep: {time: 10s}}]}\n"
             "    - {name: b, cgroup: /p/b, start: 1s, program: [{read: {file: /theirs, block: 64KiB}}, {read: {file: "
             "/theirs, block: 64KiB}}]}\n",
             strcmp(protection, "memory.low: max") ? ", memory.low: 32MiB, memory.min: 32MiB" : "", protection);
    struct outcome o = run(text);
    uint64_t left = cgroup_counter(&o, "/p/a", "memory.stat.file");
    *low_events = cgroup_counter(&o, "/p/a", "memory.events.low");
    assert_in_range(cgroup_counter(&o, "/p", "memory.peak"), 31 * MIB, 32 * MIB);
    assert_int_equal(cgroup_counter(&o, "/p", "memory.events.oom"), 0);
    end(&o);
    return left;
}

static void protected_memory_stays_while_there_is_other(void **state) {
    uint64_t low;
    (void)state;
    assert_true(left_of_16_mib("memory.min: 0", &low) < 12 * MIB);
    assert_int_equal(left_of_16_mib("memory.min: 20MiB", &low), 16 * MIB);
    assert_int_equal(left_of_16_mib("memory.low: 20MiB", &low), 16 * MIB);
    assert_int_equal(low, 0);
    assert_in_range(left_of_16_mib("memory.min: 8MiB", &low), 7 * MIB, 13 * MIB);
}

/* Only memory.min holds when there is nothing else to take: memory.low gives way, and says so. */
static void low_gives_way_where_min_does_not(void **state) {
    static const char *const protect[] = {"memory.low", "memory.min"};
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        char text[900];
        snprintf(text, sizeof text,
                 "machine: {nodes: [{memory: 256MiB}], transparent_hugepage: never}\n"
                 "workload:\n"
                 "  cgroups:\n"
                 "    - {path: /p, files: {memory.max: 32MiB, %s: max}}\n"
                 "    - {path: /p/a, files: {%s: max}}\n"
                 "    - {path: /p/b}\n"
                 "  files: [{name: /f, size: 30MiB}]\n"
                 "  tasks:\n"
                 "    - {name: a, cgroup: /p/a, program: [{read: {file: /f, block: 64KiB}}, {sleep: {time: 10s}}]}\n"
                 "    - {name: b, cgroup: /p/b, start: 1s, program: [{mmap: {as: h, length: 8MiB}}, {touch: {region: "
                 "h, write: 100%%}}]}\n",
                 protect[i], protect[i]);
        struct outcome o = run(text);
        const bool killed = task(&o, "b")->stop == VMSIM_STOP_OOM;
        assert_int_equal(killed, i);
        assert_int_equal(cgroup_counter(&o, "/p/a", "memory.events.low") > 0, !i);
        assert_int_equal(cgroup_counter(&o, "/p/a", "memory.stat.file") == 30 * MIB, i);
        end(&o);
    }
}

/* ---- writes that take memory ---- */

static void memory_reclaim_takes_what_it_is_told(void **state) {
    static const struct {
        const char *kernel;
        uint64_t most; /* 6.1 asks for all that is left at once, and gets more than it asks for */
    } c[] = {{"6.1", 8 * MIB}, {"6.12", 5 * MIB}};
    (void)state;
    for (size_t i = 0; i < VMSIM__COUNT(c); i++) {
        char text[900];
        snprintf(text, sizeof text,
                 "machine: {kernel: '%s', nodes: [{memory: 256MiB}], transparent_hugepage: never}\n"
                 "workload:\n"
                 "  cgroups: [{path: /a}]\n"
                 "  files: [{name: /f, size: 32MiB}]\n"
                 "  tasks:\n"
                 "    - name: t\n"
                 "      cgroup: /a\n"
                 "      program:\n"
                 "        - read: {file: /f, block: 64KiB}\n"
                 "        - lru_drain\n"
                 "        - marker: {name: full}\n"
                 "        - cgroup_write: {cgroup: /a, file: memory.reclaim, value: 4MiB}\n"
                 "        - marker: {name: less}\n"
                 "        - cgroup_write: {cgroup: /a, file: memory.reclaim, value: 64MiB, error: EAGAIN}\n",
                 c[i].kernel);
        struct outcome o = run(text);
        const char *const file = "cgroups./a.memory.stat.file";
        assert_int_equal(o.s->failed_steps, 0);
        assert_in_range(counter_at(&o, "full", file) - counter_at(&o, "less", file), 4 * MIB - 256 * 1024, c[i].most);
        assert_int_equal(cgroup_counter(&o, "/a", "memory.stat.file"), 0);
        assert_int_equal(cgroup_counter(&o, "/a", "memory.events.max"), 0);
        end(&o);
    }
}

/* A cgroup has 8 MiB of anonymous memory and 8 of a file; of either kind as much is asked for as goes. */
static void memory_reclaim_has_a_swappiness_of_its_own(void **state) {
    static const struct {
        const char *kernel, *reclaim, *options;
        bool anon, file; /* is that left alone? */
    } c[] = {
        {"6.12", "linux-lru", "swappiness=0", true, false},
        {"6.12", "linux-lru", "swappiness=200", false,
         false}, /* cache goes first where there is much, whatever it is */
        {"6.12", "linux-mglru", "swappiness=0", true, false},
        {"6.18", "linux-lru", "swappiness=max", false, true},
        {"6.18", "linux-mglru", "swappiness=max", false, true},
    };
    (void)state;
    for (size_t i = 0; i < VMSIM__COUNT(c); i++) {
        char text[1200];
        snprintf(text, sizeof text,
                 "machine: {kernel: '%s', nodes: [{memory: 256MiB}], transparent_hugepage: never, "
                 "devices: [{name: ram0, preset: ramdisk}], swap: [{device: ram0, size: 64MiB}]}\n"
                 "policies: {reclaim: %s}\n"
                 "workload:\n"
                 "  cgroups: [{path: /a}]\n"
                 "  files: [{name: /f, size: 8MiB}]\n"
                 "  tasks:\n"
                 "    - name: t\n"
                 "      cgroup: /a\n"
                 "      program:\n"
                 "        - read: {file: /f, block: 64KiB}\n"
                 "        - mmap: {as: h, length: 8MiB}\n"
                 "        - touch: {region: h, write: 100%%}\n"
                 "        - lru_drain\n"
                 "        - marker: {name: full}\n"
                 "        - cgroup_write: {cgroup: /a, file: memory.reclaim, value: 4MiB %s}\n"
                 "        - marker: {name: less}\n",
                 c[i].kernel, c[i].reclaim, c[i].options);
        struct outcome o = run(text);
        const char *const anon = "cgroups./a.memory.stat.anon", *const file = "cgroups./a.memory.stat.file";
        assert_int_equal(o.s->failed_steps, 0);
        const uint64_t gone[2] = {counter_at(&o, "full", anon) - counter_at(&o, "less", anon),
                                  counter_at(&o, "full", file) - counter_at(&o, "less", file)};
        if (!gone[0] != c[i].anon || !gone[1] != c[i].file)
            fail_msg("%s %s %s: %llu bytes anonymous, %llu of the file", c[i].kernel, c[i].reclaim, c[i].options,
                     (unsigned long long)gone[0], (unsigned long long)gone[1]);
        end(&o);
    }
}

/* The writer waits until it fits: cache goes, and then somebody dies. */
static void a_limit_below_what_is_charged_is_reached_before_the_write_returns(void **state) {
    (void)state;
    struct outcome o = run("machine: {cpus: 2, nodes: [{memory: 256MiB}], transparent_hugepage: never}\n"
                           "workload:\n"
                           "  cgroups: [{path: /a}]\n"
                           "  files: [{name: /f, size: 32MiB}]\n"
                           "  tasks:\n"
                           "    - {name: a, cgroup: /a, program: [{read: {file: /f}}, {mmap: {as: h, length: 8MiB}}, "
                           "{touch: {region: h, write: 100%}}, {sleep: {time: 10s}}]}\n"
                           "    - name: admin\n"
                           "      cpu: 1\n"
                           "      start: 1s\n"
                           "      program:\n"
                           "        - cgroup_write: {cgroup: /a, file: memory.high, value: 16MiB}\n"
                           "        - marker: {name: high}\n"
                           "        - cgroup_write: {cgroup: /a, file: memory.max, value: 12MiB}\n"
                           "        - marker: {name: fits}\n"
                           "        - cgroup_write: {cgroup: /a, file: memory.max, value: 4MiB}\n"
                           "        - marker: {name: dead}\n");
    const char *const current = "cgroups./a.memory.current";
    assert_int_equal(o.s->failed_steps, 0);
    assert_in_range(counter_at(&o, "high", current), 8 * MIB,
                    16 * MIB); /* all that is too much at once, and so too much */
    assert_in_range(counter_at(&o, "fits", current), 8 * MIB, 12 * MIB);
    assert_in_range(counter_at(&o, "dead", current), 0, 4 * MIB);
    assert_int_equal(task(&o, "a")->stop, VMSIM_STOP_OOM);
    assert_int_equal(cgroup_counter(&o, "/a", "memory.events.oom_kill"), 1);
    end(&o);
}

/* ---- the OOM killer ---- */

/* Linux counts the victim of a group twice. One with an oom_score_adj of -1000 is spared. */
static void a_group_dies_together(void **state) {
    (void)state;
    struct outcome o = run("machine: {nodes: [{memory: 256MiB}], transparent_hugepage: never}\n"
                           "workload:\n"
                           "  cgroups: [{path: /g, files: {memory.max: 24MiB, memory.oom.group: 1}}, {path: /g/a}, "
                           "{path: /g/b}]\n"
                           "  tasks:\n"
                           "    - {name: spared, cgroup: /g/a, oom_score_adj: -1000, program: [{sleep: {time: 9s}}]}\n"
                           "    - {name: first, cgroup: /g/a, program: [{mmap: {as: h, length: 4MiB}}, {touch: "
                           "{region: h, write: 100%}}, {sleep: {time: 9s}}]}\n"
                           "    - {name: second, cgroup: /g/b, start: 1s, program: [{mmap: {as: h, length: 40MiB}}, "
                           "{touch: {region: h, write: 100%}}]}\n"
                           "    - {name: other, program: [{sleep: {time: 9s}}]}\n");
    assert_int_equal(task(&o, "first")->stop, VMSIM_STOP_OOM);
    assert_int_equal(task(&o, "second")->stop, VMSIM_STOP_OOM);
    assert_int_equal(task(&o, "spared")->stop, VMSIM_STOP_NONE);
    assert_int_equal(task(&o, "other")->stop, VMSIM_STOP_NONE);
    assert_int_equal(cgroup_counter(&o, "/g", "memory.events.oom_group_kill"), 1);
    assert_int_equal(cgroup_counter(&o, "/g", "memory.events.local.oom_group_kill"), 1);
    assert_int_equal(cgroup_counter(&o, "/g", "memory.events.oom_kill"), 3);
    assert_int_equal(cgroup_counter(&o, "/g/b", "memory.events.local.oom_kill"), 2);
    assert_int_equal(cgroup_counter(&o, "/g", "memory.events.local.oom_kill"), 0);
    end(&o);
}

/* Children are where their parents are; a removed cgroup is gone with its last page. */
static void cgroups_come_and_go_while_tasks_run(void **state) {
    (void)state;
    struct outcome o = run("machine: {nodes: [{memory: 256MiB}], transparent_hugepage: never}\n"
                           "workload:\n"
                           "  files: [{name: /f, size: 4MiB}]\n"
                           "  tasks:\n"
                           "    - name: t\n"
                           "      program:\n"
                           "        - cgroup_create: {cgroup: /x}\n"
                           "        - cgroup_create: {cgroup: /x/y}\n"
                           "        - cgroup_create: {cgroup: /x, error: EEXIST}\n"
                           "        - cgroup_attach: {cgroup: /x, error: EBUSY}\n"
                           "        - cgroup_attach: {cgroup: /x/y}\n"
                           "        - fork: {name: child, program: [{read: {file: /f}}]}\n"
                           "        - wait\n"
                           "        - cgroup_remove: {cgroup: /x/y, error: EBUSY}\n"
                           "        - cgroup_attach: {cgroup: /}\n"
                           "        - cgroup_remove: {cgroup: /x/y}\n"
                           "        - marker: {name: removed}\n"
                           "        - fadvise: {file: /f, advice: dontneed}\n"
                           "        - cgroup_remove: {cgroup: /x}\n");
    assert_int_equal(o.s->failed_steps, 0);
    assert_int_equal(counter_at(&o, "removed", "cgroups./x.memory.stat.file"), 4 * MIB);
    assert_int_equal(o.m->cgroups.at[VMSIM__CGROUP_ROOT]->children, 0);
    end(&o);
}

/* ---- slips ---- */

static void what_is_wrong_with_a_cgroup_is_told_with_its_place(void **state) {
    static const struct {
        const char *workload, *message;
    } c[] = {
        {"{cgroups: [{path: /web}], tasks: [{name: t, cgroup: /wep, program: [wait]}]}",
         "workload.tasks[0].cgroup: there is no cgroup '/wep': list it in workload.cgroups or "
         "create it (did you mean '/web'?)"},
        {"{cgroups: [{path: web}], tasks: [{name: t, program: [wait]}]}",
         "workload.cgroups[0].path: cgroup 'web': a path begins with '/'"},
        {"{cgroups: [{path: /a}, {path: /a}], tasks: [{name: t, program: [wait]}]}",
         "workload.cgroups[1].path: cgroup '/a' is listed twice"},
        {"{cgroups: [{path: /a, files: {memory.max: 12xx}}], tasks: [{name: t, program: [wait]}]}",
         "workload.cgroups[0].files.memory.max: memory.max: '12xx': "},
        {"{cgroups: [{path: /a, files: {memory.max: -1}}], tasks: [{name: t, program: [wait]}]}", "memory.max: '-1': "},
        {"{cgroups: [{path: /a, files: {memory.mux: 1}}], tasks: [{name: t, program: [wait]}]}",
         "memory.mux: '1': there is no such file"},
        {"{cgroups: [{path: /a, files: {memory.zswap.mox: 1}}], tasks: [{name: t, program: [wait]}]}",
         "memory.zswap.mox: '1': there is no such file"},
        {"{cgroups: [{path: /a/b}], tasks: [{name: t, cgroup: /a, program: [wait]}]}",
         "workload.tasks[0].cgroup: cgroup '/a': it has children: only cgroups without have tasks"},
        {"{tasks: [{name: t, program: [{cgroup_attach: {cgroup: /a}}]}]}",
         "there is no cgroup '/a': list it in workload.cgroups or create it"},
    };
    (void)state;
    for (size_t i = 0; i < VMSIM__COUNT(c); i++) {
        char text[600];
        struct vmsim_config *config;
        struct vmsim_scenario *s = NULL;
        snprintf(text, sizeof text, "{machine: {nodes: [{memory: 64MiB}]}, workload: %s}\n", c[i].workload);
        assert_int_equal(vmsim_config_create(&config), 0);
        assert_int_equal(vmsim_config_load_text(config, "test.yaml", text, strlen(text)), 0);
        assert_int_equal(vmsim_config_resolve(config), 0);
        assert_int_not_equal(vmsim_scenario_create(config, &s), 0);
        assert_null(s);
        if (vmsim_config_error_count(config) != 1 || !strstr(vmsim_config_error_text(config, 0), c[i].message) ||
            strncmp(vmsim_config_error_text(config, 0), "test.yaml:1:", 12) != 0)
            fail_msg("%zu errors, the first: %s", vmsim_config_error_count(config), vmsim_config_error_text(config, 0));
        vmsim_config_destroy(config);
    }
}

/* ---- random histories ---- */

enum { GROUPS = 5, TASKS = 6, STEPS = 1500 };

static struct {
    struct vmsim_machine *m;
    struct vmsim__rng rng;
    uint32_t task[TASKS], file[3];
} st;

static uint64_t pick(uint64_t n) {
    return vmsim__rng_below(&st.rng, n);
}

static const char *random_path(void) {
    static const char *const paths[GROUPS] = {"/a", "/a/x", "/a/y", "/b", "/"};
    return paths[pick(GROUPS)];
}

static bool alive(uint32_t id) {
    const struct vmsim__task *t = vmsim__task_at(st.m, id);
    return t && t->state != VMSIM__TASK_DEAD;
}

static void some_memory(uint32_t id) {
    const uint64_t pages = 1 + pick(600);
    int64_t at = vmsim_task_mmap(st.m, id, 0, pages << 12, 3, pick(4) ? 0x22 : 0x21, 0, 0);
    struct vmsim_access_result r;
    for (uint64_t i = 0; at > 0 && i < pages && alive(id); i++) {
        vmsim_access a = vmsim_access_make((uint64_t)at + (i << 12), 8, pick(8) ? VMSIM_STORE : VMSIM_LOAD);
        assert_int_equal(vmsim_task_access(st.m, id, &a, 1, NULL, &r), 0);
    }
    if (at > 0 && alive(id) && pick(2))
        vmsim_task_munmap(st.m, id, (uint64_t)at, pages << 12);
}

static void random_write(uint32_t id) {
    static const char *const files[] = {"memory.max",  "memory.high",      "memory.low",     "memory.min",
                                        "memory.high", "memory.oom.group", "memory.reclaim", "memory.swap.max"};
    char value[24];
    const char *file = files[pick(VMSIM__COUNT(files))];
    snprintf(value, sizeof value, "%llu",
             (unsigned long long)(pick(3) || !strcmp(file, "memory.high") ? pick(4 * MIB) + 512 * 1024 : 1));
    vmsim_cgroup_write(st.m, alive(id) && pick(2) ? id : VMSIM_TASK_NONE, random_path(), file, pick(5) ? value : "max");
}

static void random_step(void) {
    uint32_t *id = &st.task[pick(TASKS)], child;
    if (!alive(*id)) {
        assert_int_equal(vmsim_task_create(st.m, "t", (unsigned)pick(2), id), 0);
        vmsim_cgroup_attach(st.m, random_path(), *id);
        return;
    }
    switch (pick(10)) {
    case 0:
        vmsim_cgroup_create(st.m, random_path());
        break;
    case 1:
        vmsim_cgroup_remove(st.m, random_path());
        break;
    case 2:
        vmsim_cgroup_attach(st.m, random_path(), *id);
        break;
    case 3:
    case 4:
        random_write(*id);
        break;
    case 5:
        vmsim_task_read(st.m, *id, st.file[pick(3)], pick(8 * MIB), pick(2 * MIB));
        break;
    case 6:
        vmsim_task_write(st.m, *id, st.file[pick(3)], pick(8 * MIB), pick(256 * 1024));
        break;
    case 7:
        if (!vmsim_task_fork(st.m, *id, NULL, &child) && child != VMSIM_TASK_NONE) {
            uint32_t *other = &st.task[pick(TASKS)];
            if (alive(*other))
                vmsim_task_exit(st.m, *other);
            *other = child;
        }
        break;
    case 8:
        if (!pick(3))
            vmsim_task_exit(st.m, *id);
        break;
    default:
        some_memory(*id);
        break;
    }
}

static void random_cgroups_keep_their_accounts(void **state) {
    uint64_t seed = test_seed();
    (void)state;
    for (unsigned round = 0; round < 4; round++) {
        static const char *const kernels[] = {"6.1", "6.12"};
        char text[200];
        struct vmsim_config *config;
        vmsim__rng_seed(&st.rng, seed + round);
        snprintf(text, sizeof text,
                 "machine: {cpus: 2, nodes: [{memory: 64MiB}, {memory: 32MiB}], kernel: '%s', transparent_hugepage: "
                 "%s%s}\n",
                 kernels[round % 2], round < 2 ? "never" : "always", round & 1 ? ", swap: [{size: 24MiB}]" : "");
        assert_int_equal(vmsim_config_create(&config), 0);
        assert_int_equal(vmsim_config_load_text(config, "test.yaml", text, strlen(text)), 0);
        assert_int_equal(vmsim_config_resolve(config), 0);
        assert_int_equal(vmsim_machine_create(config, &st.m), 0);
        for (unsigned i = 0; i < 3; i++) {
            char name[8];
            snprintf(name, sizeof name, "/f%u", i);
            assert_int_equal(vmsim_file_create(st.m, i < 2 ? VMSIM_FILE_REGULAR : VMSIM_FILE_SHMEM, name, 8 * MIB,
                                               i == 1, &st.file[i]),
                             0);
        }
        for (unsigned i = 0; i < TASKS; i++)
            assert_int_equal(vmsim_task_create(st.m, "t", i % 2, &st.task[i]), 0);
        for (unsigned i = 0; i < STEPS; i++) {
            random_step();
            if (i % 20 == 0 && vmsim_machine_check(st.m))
                fail_msg("round %u, step %u: %s", round, i, vmsim_machine_error(st.m));
        }
        assert_int_equal(vmsim_machine_check(st.m), 0);
        assert_int_equal(vmsim_machine_destroy(st.m), 0);
        vmsim_config_destroy(config);
    }
}

/* What is seen of a cgroup's dirty pages is two seconds old with 6.12: nobody writes them before. */
static void dirty_pages_are_seen_as_late_as_statistics(void **state) {
    static const char *const kernels[] = {"6.1", "6.12"};
    (void)state;
    for (unsigned k = 0; k < VMSIM__COUNT(kernels); k++) {
        for (unsigned late = 0; late < 2; late++) {
            char text[600];
            snprintf(
                text, sizeof text,
                "machine: {kernel: '%s', cpus: 1, nodes: [{memory: 256MiB}], devices: [{name: vda, preset: nvme}]}\n"
                "workload:\n"
                "  cgroups: [{path: /a, files: {memory.max: 16MiB}}]\n"
                "  files: [{name: /f}]\n"
                "  tasks: [{name: w, cgroup: /a, start: %s, program: [{write: {file: /f, length: 8MiB, block: "
                "64KiB}}, {sleep: {time: 300ms}}]}]\n",
                kernels[k], late ? "1900ms" : "0");
            struct outcome o = run(text);
            assert_int_equal(counter(&o, "vmstat.nr_dirtied"), 2048);
            if (k && !late)
                assert_int_equal(counter(&o, "vmstat.nr_written"), 0);
            else if (!k)
                assert_true(counter(&o, "vmstat.nr_written") > 0);
            end(&o);
        }
    }
}

/* Generations meet dirty pages alone: flushers are woken, and what they have written is evicted first. */
static void generations_of_dirty_pages_wake_the_flushers(void **state) {
    (void)state;
    struct outcome o =
        run("machine: {kernel: '6.12', cpus: 1, nodes: [{memory: 256MiB}], sysctl: {lru_gen/enabled: y}, "
            "devices: [{name: vda, preset: nvme}]}\n"
            "workload:\n"
            "  cgroups: [{path: /a, files: {memory.max: 4MiB}}]\n"
            "  files: [{name: /f}]\n"
            "  tasks: [{name: w, cgroup: /a, program: [{write: {file: /f, length: 12MiB, block: "
            "64KiB}}]}]\n");
    assert_int_equal(counter(&o, "vmstat.oom_kill"), 0);
    assert_int_equal(counter(&o, "vmstat.nr_dirtied"), 3072);
    assert_true(counter(&o, "vmstat.nr_written") > 2048);
    assert_true(counter(&o, "vmstat.pgrotated") > 1024);
    end(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dirty_pages_are_seen_as_late_as_statistics),
        cmocka_unit_test(generations_of_dirty_pages_wake_the_flushers),
        cmocka_unit_test(faults_on_swap_count_in_the_cgroup),
        cmocka_unit_test(the_swap_cache_is_no_file_of_a_cgroup),
        cmocka_unit_test(a_cgroup_has_dirty_limits_of_its_own),
        cmocka_unit_test(the_delay_grows_with_the_square_of_the_overage),
        cmocka_unit_test(who_cannot_give_back_is_held_up_above_memory_high),
        cmocka_unit_test(cache_above_memory_high_is_given_back),
        cmocka_unit_test(protected_memory_stays_while_there_is_other),
        cmocka_unit_test(low_gives_way_where_min_does_not),
        cmocka_unit_test(memory_reclaim_takes_what_it_is_told),
        cmocka_unit_test(memory_reclaim_has_a_swappiness_of_its_own),
        cmocka_unit_test(a_limit_below_what_is_charged_is_reached_before_the_write_returns),
        cmocka_unit_test(a_group_dies_together),
        cmocka_unit_test(cgroups_come_and_go_while_tasks_run),
        cmocka_unit_test(what_is_wrong_with_a_cgroup_is_told_with_its_place),
        cmocka_unit_test(random_cgroups_keep_their_accounts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
