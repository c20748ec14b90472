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

/* The counter as a marker kept it. */
static uint64_t counter_at(const struct outcome *o, const char *marker, const char *name) {
    size_t id;
    assert_int_equal(vmsim_counter_find(o->m, name, &id), 0);
    for (size_t i = 0; i < o->s->markers.count; i++) {
        if (!strcmp(o->s->markers.at[i].name, marker))
            return o->s->markers.at[i].values[id];
    }
    fail_msg("there is no marker '%s'", marker);
    return 0;
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_come_back_by_windows_that_follow_addresses),
        cmocka_unit_test(without_a_cluster_each_page_comes_alone),
        cmocka_unit_test(on_a_disk_windows_follow_slots),
        cmocka_unit_test(at_a_limit_windows_stay_whole),
        cmocka_unit_test(a_clean_page_leaves_without_a_write),
        cmocka_unit_test(shared_memory_goes_to_swap_too),
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
    };
    return cmocka_run_group_tests_name("machine_swap", tests, NULL, NULL);
}
