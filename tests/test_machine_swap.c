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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_come_back_by_windows_that_follow_addresses),
        cmocka_unit_test(without_a_cluster_each_page_comes_alone),
        cmocka_unit_test(on_a_disk_windows_follow_slots),
        cmocka_unit_test(a_clean_page_leaves_without_a_write),
        cmocka_unit_test(shared_memory_goes_to_swap_too),
        cmocka_unit_test(more_than_memory_and_swap_hold_is_too_much),
        cmocka_unit_test(areas_are_used_by_priority),
        cmocka_unit_test(errors_of_the_device_reach_who_needs_the_page),
    };
    return cmocka_run_group_tests_name("machine_swap", tests, NULL, NULL);
}
