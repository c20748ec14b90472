/* SPDX-License-Identifier: MIT */
/* Swap: what goes out and comes back, by which windows, to which area, and what is left when a device fails. The
 * figures of 256 pages are those of Linux 6.1 on a machine of 256 MiB. */
#include "scenario_run.h"

/* One CPU, no huge pages, and what follows of the machine; then the steps of one task. */
static struct outcome run(const char *machine, const char *steps) {
    char text[2000];
    snprintf(text, sizeof text,
             "machine: {cpus: 1, nodes: [{memory: 256MiB}], kernel: '6.1', transparent_hugepage: never, %s}\n"
             "workload: {tasks: [{name: t, program: [%s]}]}\n",
             machine, steps);
    return run_with(text, 2000);
}

#define SSD "devices: [{name: vda, preset: nvme}, {name: vdb, preset: nvme, size: 512MiB}], swap: [{device: vdb}]"
#define HDD "devices: [{name: vda, preset: nvme}, {name: vdb, preset: hdd, size: 512MiB}], swap: [{device: vdb}]"
#define ROOT ", memory_manager: {privileged: true}"
/* 256 pages are written, go out, are looked at, and then, clean, leave the swap cache. */
#define OUT                                                                                                            \
    "{mmap: {as: p, length: 1MiB, address: 0x10000000000}}, {touch: {region: p, write: 100%}}, "                       \
    "{madvise: {region: p, advice: pageout}}, {sleep: {time: 1s}}, {touch: {region: p}}, "                             \
    "{madvise: {region: p, advice: pageout}}"

static void pages_come_back_by_windows_that_follow_addresses(void **state) {
    (void)state;
    struct outcome o = run(SSD, OUT ", {touch: {region: p}}");
    const struct vmsim__task *t = task(&o, "t");
    assert_int_equal(counter(&o, "vmstat.pswpout"), 256);
    assert_int_equal(counter(&o, "vmstat.pswpin"), 256);
    assert_int_equal(counter(&o, "vmstat.pgmajfault"), 33);
    assert_int_equal(counter(&o, "vmstat.swap_ra"), 223);
    assert_int_equal(counter(&o, "vmstat.swap_ra_hit"), 223);
    assert_int_equal(counter(&o, "vmstat.workingset_refault_anon"), 256);
    assert_int_equal(t->stats.maj_flt, 33);
    end(&o);
}

static void without_a_cluster_each_page_comes_alone(void **state) {
    (void)state;
    struct outcome o = run(SSD ", sysctl: {vm.page-cluster: 0}", OUT ", {touch: {region: p}}");
    assert_int_equal(counter(&o, "vmstat.pgmajfault"), 256);
    assert_int_equal(counter(&o, "vmstat.swap_ra"), 0);
    end(&o);
}

/* Slots lie as the pages went out; blocks of eight of them are read. The header takes the first slot of the first. */
static void on_a_disk_windows_follow_slots(void **state) {
    (void)state;
    struct outcome o = run(HDD, OUT ", {touch: {region: p}}");
    assert_int_equal(counter(&o, "vmstat.pswpin"), 256);
    assert_in_range(counter(&o, "vmstat.pgmajfault"), 33, 35);
    assert_int_equal(counter(&o, "vmstat.pgmajfault") + counter(&o, "vmstat.swap_ra"), 256);
    end(&o);
}

/* At a limit reclaim for the pages ahead is interrupted by the device again and again; the window is still read whole.
 * Figures of Linux 6.1: a cgroup of 64 MiB on a virtio disk, 96 MiB written, then read twice. */
static void at_a_limit_windows_stay_whole(void **state) {
    (void)state;
    struct outcome o = run_with(
        "machine: {cpus: 1, nodes: [{memory: 256MiB}], kernel: '6.1', transparent_hugepage: never, "
        "devices: [{name: vda, preset: virtio-qemu}, {name: vdb, preset: virtio-qemu, size: 512MiB}], "
        "swap: [{device: vdb}]}\n"
        "workload: {cgroups: [{path: /g, files: {memory.max: 64MiB}}], tasks: [{name: t, cgroup: /g, program: ["
        "{mmap: {as: p, length: 96MiB}}, {touch: {region: p, write: 100%}}, {touch: {region: p}}, {touch: {region: "
        "p}}]}]}\n",
        2000);
    assert_in_range(counter(&o, "vmstat.pgmajfault"), 6140, 6158);
    assert_in_range(counter(&o, "vmstat.swap_ra"), 42950, 43025);
    assert_in_range(counter(&o, "vmstat.pswpin"), 49140, 49170);
    assert_in_range(counter(&o, "vmstat.pswpout"), 23400, 24700);
    assert_in_range(counter(&o, "vmstat.pgscan_anon"), 145000, 148500);
    end(&o);
}

/* What is read back and not written keeps its slot: the second time it goes without being written. */
static void a_clean_page_leaves_without_a_write(void **state) {
    (void)state;
    struct outcome o = run(
        SSD, OUT ", {touch: {region: p}}, {madvise: {region: p, advice: pageout}}, {touch: {region: p, write: 100%}}");
    assert_int_equal(counter(&o, "vmstat.pswpout"), 256);
    assert_int_equal(counter(&o, "vmstat.pswpin"), 512);
    end(&o);
}

static void shared_memory_goes_to_swap_too(void **state) {
    (void)state;
    struct outcome o = run(SSD, "{mmap: {as: s, length: 320MiB, shared: true}}, {touch: {region: s, write: 100%}}, "
                                "{touch: {region: s}}");
    assert_int_equal(task(&o, "t")->stop, VMSIM_STOP_NONE);
    assert_true(counter(&o, "vmstat.pswpout") > 30000);
    assert_true(counter(&o, "vmstat.pswpin") > 30000);
    assert_int_equal(o.m->swap->free, o.m->swap->slots); /* nothing is left of a segment that is gone */
    end(&o);
}

static enum vmsim__work keep_rollup(void *context, struct vmsim_scenario *s, const char *name, uint32_t id) {
    (void)name;
    vmsim__mm_rollup(vmsim__task_at(s->machine, id)->mm, context);
    return VMSIM__WORK_MORE;
}

/* Pages of shared memory that are out have no entry that says so; what a private mapping has copied is its own. */
static void smaps_tell_of_shared_memory_in_swap(void **state) {
    static const struct {
        const char *steps;
        uint64_t swap;
    } cases[] = {{"{mmap: {as: s, length: 1MiB, shared: true}}, {touch: {region: s, write: 100%}}, "
                  "{madvise: {region: s, advice: pageout}}, {sleep: {time: 1s}}, {marker: {name: out}}",
                  1 << 20},
                 {"{create: {name: /f, kind: shmem, size: 1MiB}}, {mmap: {as: s, length: 1MiB, file: /f}}, "
                  "{mmap: {as: w, length: 1MiB, file: /f, shared: true}}, {touch: {region: s, write: 100%, length: "
                  "64KiB}}, {touch: {region: w, write: 100%}}, {madvise: {region: w, advice: pageout}}, {sleep: {time: "
                  "1s}}, {munmap: {region: w}}, {marker: {name: out}}",
                  (1 << 20) - (64 << 10)}};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        char text[2000];
        struct outcome o = {0};
        struct vmsim__smaps sum;
        snprintf(text, sizeof text,
                 "machine: {cpus: 1, nodes: [{memory: 256MiB}], kernel: '6.1', " SSD "}\n"
                 "workload: {tasks: [{name: t, program: [%s]}]}\n",
                 cases[i].steps);
        assert_int_equal(vmsim_config_create(&o.config), 0);
        assert_int_equal(vmsim_config_load_text(o.config, "smaps.yaml", text, strlen(text)), 0);
        assert_int_equal(vmsim_config_resolve(o.config), 0);
        assert_int_equal(vmsim_scenario_create(o.config, &o.s), 0);
        o.m = vmsim_scenario_machine(o.s);
        o.s->on_marker = keep_rollup;
        o.s->on_context = &sum;
        assert_int_equal(vmsim_scenario_run(o.s, NULL, NULL), 0);
        assert_int_equal(sum.swap, cases[i].swap);
        assert_int_equal(sum.swap_pss, 0);
        end(&o);
    }
}

static void more_than_memory_and_swap_hold_is_too_much(void **state) {
    (void)state;
    struct outcome o = run("swap: [{size: 32MiB}], sysctl: {vm.overcommit_memory: 1}",
                           "{mmap: {as: h, length: 400MiB}}, {touch: {region: h, write: 100%}}");
    assert_int_equal(task(&o, "t")->stop, VMSIM_STOP_OOM);
    assert_int_equal(counter(&o, "vmstat.oom_kill"), 1);
    assert_int_equal(vmsim__swap_entries(o.m->swap), 0); /* pages that were on their way are in the swap cache still */
    end(&o);
}

/* The higher priority is used until it is full; then the other. */
static void areas_are_used_by_priority(void **state) {
    (void)state;
    struct outcome o = run("devices: [{name: vda, preset: nvme}], swap: [{size: 64MiB}, {size: 8MiB, priority: 5}]",
                           "{mmap: {as: h, length: 225MiB}}, {touch: {region: h, write: 100%}}");
    assert_int_equal(task(&o, "t")->stop, VMSIM_STOP_NONE);
    assert_int_equal(o.m->swap->area[0]->seen.priority, -2);
    assert_int_equal(o.m->swap->area[1]->seen.priority, 5);
    assert_true(counter(&o, "vmstat.pswpout") > 2047);
    assert_true(o.m->swap->area[0]->seen.next > 1);
    assert_int_equal(o.m->swap->area[1]->seen.next, 2048);
    end(&o);
}

/* A page that cannot be read is SIGBUS; one that cannot be written stays in memory, dirty. */
static void errors_of_the_device_reach_who_needs_the_page(void **state) {
    (void)state;
    struct outcome o = run("devices: [{name: vda, preset: nvme}, {name: vdb, preset: nvme, size: 512MiB, faults: "
                           "[{kind: error, op: read}]}], swap: [{device: vdb}]",
                           OUT ", {touch: {region: p}}");
    assert_int_equal(task(&o, "t")->stop, VMSIM_STOP_SIGBUS);
    end(&o);
    o = run("devices: [{name: vda, preset: nvme}, {name: vdb, preset: nvme, size: 512MiB, faults: [{kind: error, op: "
            "write}]}], swap: [{device: vdb}]",
            OUT ", {touch: {region: p}}");
    assert_int_equal(task(&o, "t")->stop, VMSIM_STOP_NONE);
    assert_int_equal(counter(&o, "vmstat.pswpin"), 0);
    end(&o);
}

/* What MADV_PAGEOUT has written and is in memory still comes back without being read: as Linux 6.1 has it with 8192
 * pages (swap cache, a quarter of them mapped again). */
static void swapoff_maps_what_the_swap_cache_has(void **state) {
    (void)state;
    struct outcome o =
        run(SSD ROOT,
            "{mmap: {as: p, length: 32MiB}}, {touch: {region: p, write: 100%}}, "
            "{madvise: {region: p, advice: pageout}}, {touch: {region: p, length: 8MiB}}, {marker: {name: before}}, "
            "{swapoff: {area: /dev/vdb}}, {lru_drain: {}}, {marker: {name: after}}, {swapoff: {area: vdb, error: "
            "EINVAL}}, {swapoff: {area: /dev/vdc, error: ENOENT}}");
    assert_int_equal(counter(&o, "vmstat.pswpin"), 0);
    assert_int_equal(counter(&o, "vmstat.pgmajfault"), 0);
    assert_int_equal(counter_at(&o, "after", "vmstat.nr_anon_pages") - counter_at(&o, "before", "vmstat.nr_anon_pages"),
                     6144);
    assert_int_equal(counter_at(&o, "before", "vmstat.nr_swapcached"), 8192);
    assert_int_equal(counter_at(&o, "after", "vmstat.nr_swapcached"), 0);
    assert_int_equal(counter_at(&o, "before", "vmstat.pgfault"), counter_at(&o, "after", "vmstat.pgfault"));
    assert_int_equal(o.m->swap->slots, 0);
    end(&o);
}

/* Pages are read by the windows of faults, but no fault is counted; nobody has used them. */
static void swapoff_reads_what_is_in_its_slots(void **state) {
    (void)state;
    struct outcome o =
        run(SSD ROOT, OUT ", {swapoff: {area: /dev/vdb}}, {marker: {name: after}}, {touch: {region: p}}");
    assert_int_equal(counter(&o, "vmstat.pswpin"), 256);
    assert_int_equal(counter(&o, "vmstat.pgmajfault"), 0);
    assert_true(counter(&o, "vmstat.swap_ra_hit") > 200);
    assert_int_equal(counter(&o, "vmstat.pgfault"), counter_at(&o, "after", "vmstat.pgfault"));
    assert_int_equal(task(&o, "t")->stop, VMSIM_STOP_NONE);
    end(&o);
}

static void a_machine_without_swap_gets_some(void **state) {
    (void)state;
    struct outcome o =
        run("devices: [{name: vda, preset: nvme}, {name: vdb, preset: nvme, size: 512MiB}]" ROOT,
            "{swapon: {device: vdb}}, {swapon: {device: vdb, error: EBUSY}}, {swapon: {size: 64MiB, "
            "priority: 3}}, {swapon: {size: 8KiB, error: EINVAL}}, {swapon: {device: sdz, error: ENOENT}}, "
            "{swapoff: {area: /dev/vdb}}, {swapon: {size: 32MiB}}, " OUT);
    assert_int_equal(o.m->swap->areas, 2);
    assert_string_equal(o.m->swap->area[0]->name, "/swapfile");
    assert_string_equal(o.m->swap->area[1]->name, "/swapfile1");
    assert_int_equal(o.m->swap->area[1]->seen.priority, 3);
    assert_int_equal(o.m->swap->area[0]->seen.priority, -2);
    assert_int_equal(counter(&o, "vmstat.pswpout"), 256);
    end(&o);
}

static void who_is_not_root_may_not(void **state) {
    (void)state;
    struct outcome o = run(SSD, "{swapoff: {area: vdb, error: EPERM}}, {swapon: {size: 1MiB, error: EPERM}}");
    end(&o);
}

/* In mode 2 what could not be committed without the area keeps it; in mode 0 the swapoff dies for it, and the area is
 * in use again. */
static void swapoff_needs_memory(void **state) {
    (void)state;
    struct outcome o = run(SSD ROOT ", sysctl: {vm.overcommit_memory: 2}",
                           "{mmap: {as: h, length: 500MiB}}, {swapoff: {area: vdb, error: ENOMEM}}");
    assert_int_equal(o.m->swap->slots, 131071);
    end(&o);
    o = run(SSD ROOT,
            "{mmap: {as: h, length: 300MiB}}, {touch: {region: h, write: 100%}}, "
            "{fork: {name: off, program: [{munmap: {region: h}}, {swapoff: {area: vdb}}]}}, {wait: {}}, {touch: "
            "{region: h}}");
    assert_int_equal(task(&o, "t")->stop, VMSIM_STOP_NONE);
    assert_int_equal(task(&o, "off")->stop, VMSIM_STOP_OOM);
    assert_int_equal(o.m->swap->slots, 131071);
    assert_int_equal(o.m->swap->unusing, 0);
    end(&o);
}

static void shared_memory_comes_back_too(void **state) {
    (void)state;
    struct outcome o =
        run(SSD ROOT, "{mmap: {as: s, length: 8MiB, shared: true}}, {touch: {region: s, write: 100%}}, "
                      "{madvise: {region: s, advice: pageout}}, {sleep: {time: 1s}}, {swapoff: {area: vdb}}, "
                      "{marker: {name: after}}, {touch: {region: s}}");
    assert_int_equal(task(&o, "t")->stop, VMSIM_STOP_NONE);
    assert_int_equal(counter_at(&o, "after", "vmstat.nr_shmem"), 2048);
    end(&o);
}

/* What cannot be read is lost to its user alone; shared memory keeps the area. */
static void swapoff_goes_on_after_an_error_of_the_device(void **state) {
    (void)state;
    const char *bad = "devices: [{name: vda, preset: nvme}, {name: vdb, preset: nvme, size: 512MiB, faults: "
                      "[{kind: error, op: read}]}], swap: [{device: vdb}]" ROOT;
    struct outcome o = run(bad, OUT ", {swapoff: {area: vdb}}, {touch: {region: p}}");
    assert_int_equal(task(&o, "t")->stop, VMSIM_STOP_SIGBUS);
    assert_int_equal(o.m->swap->areas, 0);
    end(&o);
}

#define ZRAM(more) "devices: [{name: vda, preset: nvme}], zram: [{size: 512MiB, " more "}], swap: [{device: zram0}]"
#define PRIVATE                                                                                                        \
    "{mmap: {as: p, length: 1MiB, address: 0x10000000000}}, {touch: {region: p, write: 100%}}, "                       \
    "{madvise: {region: p, advice: pageout}}, {marker: {name: out}}, {touch: {region: p}}"

/* Within the call, one page a fault, and its slot is free afterwards: no swap cache, no readahead. Three of four
 * compressed pages share a frame. */
static void zram_serves_within_the_call(void **state) {
    (void)state;
    struct outcome o = run(ZRAM("compressed: 25%, spread: 0, same_filled: 0, incompressible: 0"), PRIVATE);
    assert_int_equal(counter_at(&o, "out", "vmstat.pswpout"), 256);
    assert_int_equal(counter_at(&o, "out", "vmstat.nr_swapcached"), 0);
    assert_int_equal(counter_at(&o, "out", "zram.zram0.orig_data_size"), 1 << 20);
    assert_int_equal(counter_at(&o, "out", "zram.zram0.compr_data_size"), 256 * 1024);
    assert_int_equal(counter_at(&o, "out", "vmstat.nr_zspages"),
                     counter_at(&o, "out", "zram.zram0.mem_used_total") / 4096);
    assert_in_range(counter_at(&o, "out", "vmstat.nr_zspages"), 65, 72);
    assert_int_equal(counter(&o, "vmstat.pswpin"), 256);
    assert_int_equal(counter(&o, "vmstat.pgmajfault"), 256);
    assert_int_equal(counter(&o, "vmstat.swap_ra"), 0);
    assert_int_equal(counter(&o, "vmstat.pgpgin") + counter(&o, "vmstat.pgpgout"), 0);
    assert_int_equal(counter(&o, "vmstat.nr_zspages"), 0);
    assert_int_equal(o.m->swap->free, o.m->swap->slots);
    assert_int_equal(task(&o, "t")->stats.blocked_ns, 0);
    end(&o);
}

static void one_word_takes_no_memory_and_noise_takes_all(void **state) {
    (void)state;
    struct outcome o = run(ZRAM("same_filled: 100%, incompressible: 0"), PRIVATE);
    assert_int_equal(counter_at(&o, "out", "zram.zram0.same_pages"), 256);
    assert_int_equal(counter_at(&o, "out", "vmstat.nr_zspages"), 0);
    end(&o);
    o = run(ZRAM("same_filled: 0, incompressible: 100%"), PRIVATE);
    assert_int_equal(counter_at(&o, "out", "zram.zram0.huge_pages"), 256);
    assert_int_equal(counter_at(&o, "out", "vmstat.nr_zspages"), 256);
    end(&o);
}

/* The page stays in memory; when nothing goes out any more somebody dies. */
static void a_write_that_finds_no_memory_fails(void **state) {
    (void)state;
    struct outcome o =
        run(ZRAM("mem_limit: 64KiB, same_filled: 0, incompressible: 100%"), "{mmap: {as: p, length: 1MiB}}, {touch: "
                                                                            "{region: p, write: 100%}}, {madvise: "
                                                                            "{region: p, advice: pageout}}");
    assert_int_equal(counter(&o, "zram.zram0.writes"), 16);
    assert_int_equal(counter(&o, "zram.zram0.failed_writes"), 240);
    assert_int_equal(counter(&o, "vmstat.pswpout"), 256);
    end(&o);
    o = run(ZRAM("same_filled: 0, incompressible: 100%"),
            "{mmap: {as: h, length: 300MiB}}, {touch: {region: h, write: 100%}}");
    assert_int_equal(task(&o, "t")->stop, VMSIM_STOP_OOM);
    assert_int_equal(counter(&o, "vmstat.nr_zspages"), 0);
    end(&o);
}

/* A child's entry names the slot, too: then the page comes through the swap cache. */
static void a_shared_slot_of_zram_comes_through_the_cache(void **state) {
    (void)state;
    struct outcome o = run(ZRAM("same_filled: 0"),
                           "{mmap: {as: p, length: 1MiB}}, {touch: {region: p, write: 100%}}, {madvise: {region: p, "
                           "advice: pageout}}, {fork: {name: c, program: [{touch: {region: p}}]}}, {wait: {}}, {touch: "
                           "{region: p}}");
    assert_int_equal(counter(&o, "vmstat.pswpin"), 256);
    assert_true(counter(&o, "vmstat.swap_ra_hit") > 200);
    end(&o);
}

static void swapoff_empties_zram(void **state) {
    (void)state;
    struct outcome o = run(ZRAM("same_filled: 10%") ROOT,
                           "{mmap: {as: p, length: 1MiB}}, {touch: {region: p, write: 100%}}, {madvise: {region: p, "
                           "advice: pageout}}, {swapoff: {area: zram0}}, {swapon: {device: zram0}}, {swapon: {device: "
                           "zram0, error: EBUSY}}, {swapon: {device: zram0, size: 1MiB, error: EINVAL}}, {touch: "
                           "{region: p}}");
    assert_int_equal(counter(&o, "vmstat.pgmajfault"), 0);
    assert_int_equal(counter(&o, "zram.zram0.orig_data_size"), 0);
    assert_int_equal(o.m->swap->free, o.m->swap->slots);
    end(&o);
}

/* 16 MiB go out, and half of them comes back: with zswap in front of a disk, as pages that compress so. */
static struct outcome through_zswap(const char *kernel, const char *zswap) {
    char text[2000];
    snprintf(
        text, sizeof text,
        "machine: {cpus: 1, nodes: [{memory: 512MiB}], kernel: '%s', transparent_hugepage: never, zswap: {enabled: "
        "true, %s}, memory_manager: {privileged: true}, " SSD "}\n"
        "workload: {tasks: [{name: t, program: [{mmap: {as: p, length: 16MiB, address: 0x10000000000}}, {touch: "
        "{region: p, write: 100%%}}, {lru_drain: {}}, {marker: {name: full}}, {madvise: {region: p, advice: "
        "pageout}}, {lru_drain: {}}, {marker: {name: out}}, {touch: {region: p, length: 8MiB}}, {lru_drain: {}}, "
        "{marker: {name: half}}, {swapoff: {area: vdb}}, {lru_drain: {}}, {marker: {name: off}}]}]}\n",
        kernel, zswap);
    return run_with(text, 2000);
}

static uint64_t change(const struct outcome *o, const char *from, const char *to, const char *name) {
    return counter_at(o, to, name) - counter_at(o, from, name);
}

/* Linux 6.1, zbud: what comes back is read ahead like any other, stays in zswap, and swapoff takes the rest. Windows of
 * eight end 7 pages behind the last that is read. */
static void zswap_keeps_pages_as_linux_does(void **state) {
    static const struct {
        const char *zswap;
        uint64_t pool;
    } c[] = {{"same_filled: 100%, incompressible: 0", 0},
             {"compressed: 35%, spread: 0, same_filled: 0, incompressible: 0", 2048},
             {"compressed: 1%, spread: 0, same_filled: 0, incompressible: 0", 2048}};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(c); i++) {
        struct outcome o = through_zswap("6.1", c[i].zswap);
        assert_int_equal(change(&o, "full", "out", "vmstat.zswpout"), 4096);
        assert_int_equal(change(&o, "full", "out", "vmstat.pswpout"), 0);
        assert_int_equal(change(&o, "full", "out", "vmstat.nr_vmscan_write"), 4096);
        assert_int_equal(change(&o, "full", "out", "vmstat.nr_written"), 4096);
        assert_int_equal(counter_at(&o, "out", "vmstat.nr_swapcached"), 0);
        assert_int_equal(counter_at(&o, "out", "zswap.stored_pages"), 4096);
        assert_int_equal(counter_at(&o, "out", "zswap.pool_pages"), c[i].pool);
        assert_int_equal(change(&o, "out", "half", "vmstat.pgmajfault"), 258);
        assert_int_equal(change(&o, "out", "half", "vmstat.pgfault"), 2048);
        assert_in_range(change(&o, "out", "half", "vmstat.zswpin"), 2048, 2056);
        assert_int_equal(change(&o, "out", "half", "vmstat.swap_ra_hit"), 1790);
        assert_int_equal(counter_at(&o, "half", "zswap.stored_pages"), 4096);
        assert_int_equal(counter_at(&o, "off", "vmstat.zswpin"), 4096);
        assert_int_equal(counter_at(&o, "off", "vmstat.pgmajfault"), counter_at(&o, "half", "vmstat.pgmajfault"));
        assert_int_equal(counter_at(&o, "off", "zswap.stored_pages") + counter_at(&o, "off", "zswap.pool_pages"), 0);
        assert_int_equal(counter(&o, "vmstat.pswpin"), 0);
        end(&o);
    }
}

static void zswap_leaves_noise_to_the_device(void **state) {
    (void)state;
    struct outcome o = through_zswap("6.1", "same_filled: 0, incompressible: 100%");
    assert_int_equal(change(&o, "full", "out", "vmstat.pswpout"), 4096);
    assert_int_equal(counter_at(&o, "out", "zswap.stored_pages"), 0);
    assert_int_equal(counter_at(&o, "out", "zswap.reject_compress_poor"), 0);
    end(&o);
}

/* zsmalloc packs by size; a page that was read back is in memory alone. */
static void later_zswap_gives_a_page_away(void **state) {
    (void)state;
    struct outcome o = through_zswap("6.12", "compressed: 25%, spread: 0, same_filled: 0, incompressible: 0");
    assert_in_range(counter_at(&o, "out", "zswap.pool_pages"), 1024, 1070);
    assert_int_equal(counter_at(&o, "half", "zswap.stored_pages"), 4096 - change(&o, "out", "half", "vmstat.zswpin"));
    end(&o);
}

/* A pool of five percent is soon full: its oldest pages go on to the disk, and what finds it full goes there at once.
 */
static void a_full_pool_writes_its_oldest_pages(void **state) {
    static const char *const kernels[] = {"6.1", "6.12"};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(kernels); i++) {
        char text[900];
        snprintf(text, sizeof text,
                 "machine: {cpus: 1, nodes: [{memory: 96MiB}], kernel: '%s', transparent_hugepage: never, zswap: "
                 "{enabled: true, max_pool_percent: 5}, " SSD "}\n"
                 "workload: {tasks: [{name: t, program: [{mmap: {as: p, length: 110MiB}}, {touch: {region: p, write: "
                 "100%%}}, {touch: {region: p}}, {sleep: {time: 100ms}}, {marker: {name: still}}]}]}\n",
                 kernels[i]);
        struct outcome o = run_with(text, 2000);
        assert_int_equal(task(&o, "t")->stop, VMSIM_STOP_NONE);
        assert_true(counter_at(&o, "still", "zswap.pool_limit_hit") > 0);
        assert_true(counter_at(&o, "still", "zswap.written_back_pages") > 100);
        assert_true(counter_at(&o, "still", "zswap.pool_pages") <= o.m->mem->totalram / 20 + 1);
        assert_true(counter_at(&o, "still", "vmstat.pswpout") > 1000);
        assert_int_equal(counter(&o, "zswap.stored_pages"), 0);
        end(&o);
    }
}

/* What zswap has of a cgroup is charged to it, up to memory.zswap.max; memory.zswap.writeback keeps it off the disk. */
static void cgroups_pay_for_zswap(void **state) {
    static const struct {
        const char *file;
        uint64_t zswapped, pswpout, anon;
    } c[] = {{"memory.zswap.max: max", 1 << 20, 0, 0},
             {"memory.zswap.max: 0", 0, 256, 0},
             {"memory.zswap.writeback: 0, memory.zswap.max: 0", 0, 0, 1 << 20}};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(c); i++) {
        char text[1500];
        snprintf(
            text, sizeof text,
            "machine: {cpus: 1, nodes: [{memory: 256MiB}], kernel: '6.12', transparent_hugepage: never, zswap: "
            "{enabled: true, compressed: 50%%, spread: 0, same_filled: 0, incompressible: 0}, " SSD "}\n"
            "workload: {cgroups: [{path: /a, files: {%s}}], tasks: [{name: t, cgroup: /a, program: [{mmap: {as: p, "
            "length: 1MiB}}, {touch: {region: p, write: 100%%}}, {madvise: {region: p, advice: pageout}}, {sleep: "
            "{time: 1s}}, {madvise: {region: p, advice: pageout}}, {marker: {name: out}}]}]}\n",
            c[i].file);
        struct outcome o = run_with(text, 100);
        assert_int_equal(counter_at(&o, "out", "cgroups./a.memory.stat.zswapped"), c[i].zswapped);
        assert_int_equal(counter_at(&o, "out", "cgroups./a.memory.zswap.current"), c[i].zswapped / 2);
        assert_int_equal(counter_at(&o, "out", "cgroups./a.memory.stat.zswpout"), c[i].zswapped / 4096);
        assert_int_equal(counter_at(&o, "out", "vmstat.pswpout"), c[i].pswpout);
        assert_int_equal(counter(&o, "cgroups./a.memory.zswap.current"), 0);
        if (c[i].anon)
            assert_true(counter_at(&o, "out", "cgroups./a.memory.current") >= c[i].anon);
        end(&o);
    }
}

/* Eight huge pages, swapped out, looked at and swapped out again: 512 slots side by side each, where nothing turns;
 * they come back as base pages. `area`: what is swapped to. */
static struct outcome huge(const char *kernel, const char *area, const char *more) {
    char text[1500];
    snprintf(text, sizeof text,
             "machine: {cpus: 1, nodes: [{memory: 1GiB}], kernel: '%s', transparent_hugepage: always, "
             "memory_manager: {privileged: true}, %s}\n"
             "workload: {tasks: [{name: t, program: [{mmap: {as: p, length: 16MiB, address: 0x10000000000}}, {touch: "
             "{region: p, write: 100%%}}, {lru_drain: {}}, {marker: {name: full}}, {madvise: {region: p, advice: "
             "pageout}}, {sleep: {time: 1s}}, {marker: {name: out}}%s]}]}\n",
             kernel, area, more);
    return run_with(text, 2000);
}

static void huge_pages_go_whole(void **state) {
    static const char *const kernels[] = {"6.1", "6.12"};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(kernels); i++) {
        struct outcome o = huge(kernels[i], SSD, ", {touch: {region: p}}, {swapoff: {area: vdb}}");
        assert_int_equal(counter_at(&o, "full", "vmstat.thp_fault_alloc"), 8);
        assert_int_equal(counter_at(&o, "out", "vmstat.thp_swpout"), 8);
        assert_int_equal(counter_at(&o, "out", "vmstat.thp_swpout_fallback"), 0);
        assert_int_equal(counter_at(&o, "out", "vmstat.thp_split_page"), 0);
        assert_int_equal(counter_at(&o, "out", "vmstat.pswpout"), 4096);
        assert_int_equal(counter_at(&o, "out", "vmstat.nr_anon_transparent_hugepages"), 0);
        assert_int_equal(counter_at(&o, "out", "vmstat.thp_split_pmd"), 8);
        assert_int_equal(task(&o, "t")->stop, VMSIM_STOP_NONE);
        assert_int_equal(o.m->swap->areas, 0);
        end(&o);
    }
}

/* A disk has no clusters: there they are split first. So they are when no cluster of 512 slots is free. */
static void huge_pages_are_split_where_there_is_no_run_of_slots(void **state) {
    (void)state;
    struct outcome o = huge("6.1", HDD, ", {touch: {region: p}}");
    assert_int_equal(counter_at(&o, "out", "vmstat.thp_swpout"), 0);
    assert_int_equal(counter_at(&o, "out", "vmstat.thp_swpout_fallback"), 8);
    assert_int_equal(counter_at(&o, "out", "vmstat.thp_split_page"), 8);
    assert_true(counter_at(&o, "out", "vmstat.pswpout") >=
                8); /* the first page of each; the others wait on their list */
    end(&o);
    o = huge("6.1", "devices: [{name: vda, preset: nvme}], swap: [{size: 9MiB}]", "");
    assert_int_equal(counter_at(&o, "out", "vmstat.thp_swpout"), 3);
    assert_true(counter_at(&o, "out", "vmstat.thp_swpout_fallback") >= 1);
    end(&o);
}

static void huge_pages_go_whole_to_zram_too(void **state) {
    (void)state;
    struct outcome o = huge("6.1", ZRAM("same_filled: 0"), ", {touch: {region: p}}");
    assert_int_equal(counter_at(&o, "out", "vmstat.thp_swpout"), 8);
    assert_int_equal(counter_at(&o, "out", "zram.zram0.orig_data_size"), 16 << 20);
    assert_int_equal(counter(&o, "vmstat.pswpin"), 4096);
    end(&o);
}

/* Needed again while it is still being written: it is split when that is over. */
static void a_huge_page_on_its_way_out_can_be_used(void **state) {
    char text[900];
    (void)state;
    snprintf(
        text, sizeof text,
        "machine: {cpus: 1, nodes: [{memory: 1GiB}], kernel: '6.1', transparent_hugepage: always, " SSD "}\n"
        "workload: {tasks: [{name: t, program: [{mmap: {as: p, length: 4MiB, address: 0x10000000000}}, {touch: "
        "{region: p, write: 100%%}}, {lru_drain: {}}, {madvise: {region: p, advice: pageout}}, {touch: {region: p, "
        "write: 100%%}}, {munmap: {region: p}}]}]}\n");
    struct outcome o = run_with(text, 50);
    assert_int_equal(counter(&o, "vmstat.thp_swpout"), 2);
    assert_int_equal(counter(&o, "vmstat.pswpin"), 0);
    assert_int_equal(counter(&o, "vmstat.thp_split_page"), 2);
    assert_int_equal(o.m->swap->free, o.m->swap->slots);
    end(&o);
}

/* It goes on where it stopped for memory: what it read first has gone out again by then. */
static void willneed_of_more_than_memory_ends(void **state) {
    (void)state;
    struct outcome o = run(SSD ", sysctl: {vm.overcommit_memory: 1}",
                           "{mmap: {as: h, length: 320MiB}}, {touch: {region: h, write: 100%}}, {madvise: {region: h, "
                           "advice: willneed}}");
    assert_int_equal(task(&o, "t")->stop, VMSIM_STOP_NONE);
    assert_true(counter(&o, "vmstat.pswpin") > 20000);
    end(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_come_back_by_windows_that_follow_addresses),
        cmocka_unit_test(without_a_cluster_each_page_comes_alone),
        cmocka_unit_test(on_a_disk_windows_follow_slots),
        cmocka_unit_test(at_a_limit_windows_stay_whole),
        cmocka_unit_test(a_clean_page_leaves_without_a_write),
        cmocka_unit_test(shared_memory_goes_to_swap_too),
        cmocka_unit_test(smaps_tell_of_shared_memory_in_swap),
        cmocka_unit_test(more_than_memory_and_swap_hold_is_too_much),
        cmocka_unit_test(areas_are_used_by_priority),
        cmocka_unit_test(errors_of_the_device_reach_who_needs_the_page),
        cmocka_unit_test(swapoff_maps_what_the_swap_cache_has),
        cmocka_unit_test(swapoff_reads_what_is_in_its_slots),
        cmocka_unit_test(a_machine_without_swap_gets_some),
        cmocka_unit_test(who_is_not_root_may_not),
        cmocka_unit_test(swapoff_needs_memory),
        cmocka_unit_test(shared_memory_comes_back_too),
        cmocka_unit_test(swapoff_goes_on_after_an_error_of_the_device),
        cmocka_unit_test(zram_serves_within_the_call),
        cmocka_unit_test(one_word_takes_no_memory_and_noise_takes_all),
        cmocka_unit_test(a_write_that_finds_no_memory_fails),
        cmocka_unit_test(a_shared_slot_of_zram_comes_through_the_cache),
        cmocka_unit_test(swapoff_empties_zram),
        cmocka_unit_test(zswap_keeps_pages_as_linux_does),
        cmocka_unit_test(zswap_leaves_noise_to_the_device),
        cmocka_unit_test(later_zswap_gives_a_page_away),
        cmocka_unit_test(a_full_pool_writes_its_oldest_pages),
        cmocka_unit_test(cgroups_pay_for_zswap),
        cmocka_unit_test(willneed_of_more_than_memory_ends),
        cmocka_unit_test(huge_pages_go_whole),
        cmocka_unit_test(huge_pages_are_split_where_there_is_no_run_of_slots),
        cmocka_unit_test(huge_pages_go_whole_to_zram_too),
        cmocka_unit_test(a_huge_page_on_its_way_out_can_be_used),
    };
    return cmocka_run_group_tests_name("machine_swap", tests, NULL, NULL);
}
