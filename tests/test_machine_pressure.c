/* SPDX-License-Identifier: MIT */
/* Memory that runs short: files larger than it, anonymous memory beside clean cache, dirty pages, and who is killed
 * when nothing helps. */
#include "scenario_run.h"

#include "vmsim/report.h"

/* Runs it with the whole machine checked every so many slices. */
static struct outcome run(const char *text) {
    return run_with(text, 1500);
}

/* Every page is read once a pass, since the end of the file drives out its beginning; kswapd does the work. */
static void a_file_larger_than_memory_can_be_read(void **state) {
    (void)state;
    struct outcome o =
        run("machine: {cpus: 1, nodes: [{memory: 64MiB}], kernel: '6.1', sysctl: {vm.watermark_boost_factor: 0}}\n"
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

/* kswapd works on the CPU that is idle: one interrupt for all the mapped pages of a batch, of at most 32. */
static void pages_that_kswapd_unmaps_are_flushed_together(void **state) {
    (void)state;
    struct outcome o = run("machine: {cpus: 2, nodes: [{memory: 64MiB}], kernel: '6.1'}\n"
                           "workload:\n"
                           "  files: [{name: /f, size: 160MiB}]\n"
                           "  tasks: [{name: t, program: [{mmap: {as: f, length: 160MiB, file: /f, shared: true, prot: "
                           "r}}, {touch: {region: f}}, {touch: {region: f}}]}]\n");
    const uint64_t stolen = counter(&o, "vmstat.pgsteal_kswapd"), sent = counter(&o, "tlb.cpu1.nr_tlb_remote_flush");
    assert_int_equal(task(&o, "t")->stop, VMSIM_STOP_NONE);
    assert_true(stolen > 30000);
    assert_in_range(sent, stolen / 32, stolen / 8);
    assert_int_equal(counter(&o, "tlb.cpu0.nr_tlb_remote_flush_received"), sent);
    end(&o);
}

/* What kswapd frees is free at once, and not first kept on the CPU's own list, which holds hundreds: so a turn brings
 * not much more than the distance of the watermarks, as of Linux 6.1, which took 125 pages a turn of a machine like
 * this. */
static void kswapd_stops_when_the_zone_has_enough(void **state) {
    (void)state;
    struct outcome o =
        run_with("machine: {cpus: 1, nodes: [{memory: 256MiB}], kernel: '6.1', devices: [{name: vda, preset: "
                 "virtio-qemu, size: 2GiB}]}\n"
                 "workload: {files: [{name: /f, size: 600MiB}], tasks: [{name: t, program: [{read: {file: /f, block: "
                 "64KiB}}]}]}\n",
                 0);
    const uint64_t turns = counter(&o, "vmstat.pageoutrun"), pages = counter(&o, "vmstat.pgsteal_kswapd");
    assert_in_range(pages / turns, 100, 250);
    for (unsigned z = 0; z < o.m->mem->nr_zones; z++) /* asleep again, it has left no trace in the zones */
        assert_false(o.m->mem->zones[z].flags & VMSIM__ZONE_RECLAIM_ACTIVE);
    end(&o);
}

/* Whoever may sleep gives the CPU to kswapd before the next page, so that one CPU is enough for both: the reader hardly
 * ever reclaims for itself (of Linux 6.1 in 104 MiB: never, beside 9,413 pages of kswapd's). */
static void a_reader_leaves_reclaim_to_kswapd(void **state) {
    (void)state;
    struct outcome o =
        run_with("machine: {cpus: 1, nodes: [{memory: 96MiB}], kernel: '6.1', devices: [{name: vda, preset: "
                 "virtio-qemu, size: 2GiB}]}\n"
                 "workload: {files: [{name: /f, size: 400MiB}], tasks: [{name: t, program: [{read: {file: /f, block: "
                 "256KiB}}]}]}\n",
                 0);
    assert_int_equal(task(&o, "t")->stop, VMSIM_STOP_NONE);
    assert_true(counter(&o, "vmstat.pgsteal_kswapd") > 70000);
    assert_true(counter(&o, "vmstat.pgsteal_direct") < 2000);
    assert_int_equal(counter(&o, "vmstat.pgpgin"), 400 * 1024);
    assert_in_range(counter(&o, "vmstat.nr_slab_reclaimable"), 100, 2000); /* nodes of the file's tree, with shadows */
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

/* A page that was read in keeps its slot: what was not written since is not written again. A fault on a page that is
 * read alone waits for it in the middle, and is one fault. */
static void what_is_read_from_swap_keeps_its_slot(void **state) {
    (void)state;
    struct outcome o = run_with("machine: {nodes: [{memory: 64MiB}], transparent_hugepage: never, "
                                "sysctl: {vm.page-cluster: 0}, "
                                "devices: [{name: vda, preset: virtio-qemu, size: 64MiB}], swap: [{device: vda}]}\n"
                                "workload:\n"
                                "  tasks: [{name: t, program: [{mmap: {as: h, length: 1MiB}}, "
                                "{touch: {region: h, write: 100%}}, {madvise: {region: h, advice: pageout}}, "
                                "{sleep: {time: 100ms}}, {madvise: {region: h, advice: pageout}}, "
                                "{touch: {region: h}}, {madvise: {region: h, advice: pageout}}, "
                                "{touch: {region: h}}, {marker: {name: read}}, {touch: {region: h, write: 100%}}, "
                                "{madvise: {region: h, advice: pageout}}]}]\n",
                                1500);
    assert_int_equal(counter(&o, "vmstat.pswpin"), 256);
    assert_int_equal(counter(&o, "vmstat.pswpout"), 512);
    assert_int_equal(counter(&o, "tasks.t.majflt"), 256);
    assert_int_equal(counter(&o, "vmstat.pgfault"), counter(&o, "tasks.t.majflt") + counter(&o, "tasks.t.minflt"));
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

/* Two of 20 MiB run, the elder with an oom_score_adj of its own; a third asks for more than is left. Who dies? */
static enum vmsim__work read_score(void *context, struct vmsim_scenario *s, const char *name, uint32_t id) {
    const char *text;
    char path[32];
    (void)name;
    snprintf(path, sizeof path, "proc/%u/oom_score", id + 1);
    assert_int_equal(vmsim_report_proc_file(s->machine, path, &text, NULL), 0);
    *(long *)context = strtol(text, NULL, 10);
    vmsim_report_proc_free(s->machine, text);
    return VMSIM__WORK_MORE;
}

/* The killer reads counters that lag behind: of 65 faults since the thread has folded them in it knows nothing. */
static void the_killer_reads_counters_that_lag(void **state) {
    static const struct {
        unsigned pages;
        long score;
    } cases[] = {{65, 666}, {66, 670}};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        char text[600];
        long score = 0;
        struct outcome o = {0};
        snprintf(text, sizeof text,
                 "machine: {cpus: 1, nodes: [{memory: 64MiB}], kernel: '6.1', transparent_hugepage: never}\n"
                 "workload: {tasks: [{name: t, program: [{mmap: {as: p, length: %uKiB}}, "
                 "{touch: {region: p, write: 100%%}}, {marker: {name: now}}]}]}\n",
                 cases[i].pages * 4);
        assert_int_equal(vmsim_config_create(&o.config), 0);
        assert_int_equal(vmsim_config_load_text(o.config, "score.yaml", text, strlen(text)), 0);
        assert_int_equal(vmsim_config_resolve(o.config), 0);
        assert_int_equal(vmsim_scenario_create(o.config, &o.s), 0);
        o.m = vmsim_scenario_machine(o.s);
        o.s->on_marker = read_score;
        o.s->on_context = &score;
        assert_int_equal(vmsim_scenario_run(o.s, NULL, NULL), 0);
        assert_int_equal(score, cases[i].score);
        end(&o);
    }
}

static void who_dies_is_the_policys_choice(void **state) {
    static const struct {
        const char *policy, *sysctl, *adj;
        const char *victim;
    } cases[] = {
        {"badness", "", "0", "younger"}, /* of equal ones the last */
        {"badness", "", "500", "elder"},        {"badness", "", "-1000", "younger"},
        {"largest-rss", "", "500", "younger"},  {"newest", "", "500", "asks"},
        {"allocating-task", "", "500", "asks"}, {"badness", "vm.oom_kill_allocating_task: 1, ", "500", "asks"},
    };
    (void)state;
    for (size_t i = 0; i < VMSIM__COUNT(cases); i++) {
        char text[1600];
        snprintf(
            text, sizeof text,
            "machine: {nodes: [{memory: 64MiB}], transparent_hugepage: never, sysctl: {%svm.overcommit_memory: "
            "1}}\n"
            "policies: {oom: {name: %s}}\n"
            "workload:\n"
            "  tasks:\n"
            "    - {name: elder, oom_score_adj: %s, program: [{mmap: {as: h, length: 20MiB}}, {touch: {region: h, "
            "write: 100%%}}, {sleep: {time: 10s}}]}\n"
            "    - {name: younger, start: 1s, program: [{mmap: {as: h, length: 20MiB}}, {touch: {region: h, write: "
            "100%%}}, {sleep: {time: 10s}}]}\n"
            "    - {name: asks, start: 2s, program: [{mmap: {as: h, length: 8MiB}}, {touch: {region: h, write: "
            "100%%}}]}\n",
            cases[i].sysctl, cases[i].policy, cases[i].adj);
        struct outcome o = run(text);
        static const char *const names[] = {"elder", "younger", "asks"};
        for (size_t n = 0; n < VMSIM__COUNT(names); n++) {
            if ((task(&o, names[n])->stop == VMSIM_STOP_OOM) != !strcmp(names[n], cases[i].victim))
                fail_msg("case %zu: %s", i, names[n]);
        }
        assert_int_equal(counter(&o, "vmstat.oom_kill"), 1);
        end(&o);
    }
}

static void nothing_runs_after_a_panic(void **state) {
    (void)state;
    struct outcome o = run("machine: {nodes: [{memory: 64MiB}], transparent_hugepage: never, sysctl: "
                           "{vm.overcommit_memory: 1}}\n"
                           "policies: {oom: {name: panic}}\n"
                           "workload:\n"
                           "  tasks:\n"
                           "    - {name: a, program: [{sleep: {time: 10s}}]}\n"
                           "    - {name: b, program: [{mmap: {as: h, length: 80MiB}}, {touch: {region: h, write: "
                           "100%}}]}\n");
    assert_true(o.m->panicked);
    assert_int_equal(task(&o, "a")->stop, VMSIM_STOP_OOM);
    assert_true(task(&o, "a")->end_ns < UINT64_C(1000000000));
    assert_int_equal(task(&o, "b")->stop, VMSIM_STOP_OOM);
    assert_int_equal(counter(&o, "vmstat.oom_kill"), 0);
    end(&o);
}

/* What is dirty is written when it is old enough, or when someone asks. */
static void dirty_pages_are_written_when_they_are_old(void **state) {
    (void)state;
    struct outcome o =
        run("machine: {nodes: [{memory: 256MiB}], sysctl: {vm.dirty_expire_centisecs: 200, "
            "vm.dirty_writeback_centisecs: 100}}\n"
            "workload:\n"
            "  files: [{name: /out, size: 0}]\n"
            "  tasks: [{name: w, program: [{write: {file: /out, length: 1MiB}}, {sleep: {time: 1500ms}}, "
            "{marker: {name: young}}, {sleep: {time: 3s}}, {marker: {name: old}}]}]\n"
            "expect:\n"
            "  - {counter: vmstat.nr_written, at: young, equals: 0}\n"
            "  - {counter: vmstat.nr_dirty, at: young, equals: 256}\n"
            "  - {counter: vmstat.nr_written, at: old, equals: 256}\n"
            "  - {counter: vmstat.nr_dirty, at: old, equals: 0}\n");
    assert_int_equal(counter(&o, "vmstat.nr_written"), 256);
    assert_int_equal(vmsim_scenario_failures(o.s), 0);
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
        cmocka_unit_test(pages_that_kswapd_unmaps_are_flushed_together),
        cmocka_unit_test(what_is_read_from_swap_keeps_its_slot),
        cmocka_unit_test(kswapd_stops_when_the_zone_has_enough),
        cmocka_unit_test(a_reader_leaves_reclaim_to_kswapd),
        cmocka_unit_test(anonymous_memory_takes_the_place_of_clean_cache),
        cmocka_unit_test(a_writer_is_held_up_and_all_is_written),
        cmocka_unit_test(the_largest_dies_and_the_one_that_asked_goes_on),
        cmocka_unit_test(who_asks_for_more_than_there_is_dies_of_it),
        cmocka_unit_test(the_killer_reads_counters_that_lag),
        cmocka_unit_test(who_dies_is_the_policys_choice),
        cmocka_unit_test(nothing_runs_after_a_panic),
        cmocka_unit_test(dirty_pages_are_written_when_they_are_old),
        cmocka_unit_test(reruns_are_the_same),
    };
    return cmocka_run_group_tests_name("machine_pressure", tests, NULL, NULL);
}
