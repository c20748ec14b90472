/* SPDX-License-Identifier: MIT */
/* Cgroups and swap: who pays for slots, what memory.swap.max refuses, whose memory comes back; and pressure stall
 * information, by its arithmetic and in whole machines. */
#include "scenario_run.h"

#define MIB (1024 * 1024)
#define PERIOD UINT64_C(2004000000) /* ns between two averages */

static struct outcome run(const char *text) {
    return run_with(text, 3000);
}

#define SWAP_MACHINE                                                                                                   \
    "machine: {nodes: [{memory: 256MiB}], kernel: '6.1', transparent_hugepage: never, swap: [{size: 256MiB}]}\n"

/* ---- swap ---- */

/* As a capture of 6.1 has it: 12,288 pages in 32 MiB, nobody dies, the peak is the limit. */
static void what_does_not_fit_goes_to_swap_and_is_paid_for_there(void **state) {
    (void)state;
    struct outcome o =
        run(SWAP_MACHINE "workload:\n"
                         "  cgroups: [{path: /a, files: {memory.max: 32MiB}}]\n"
                         "  tasks: [{name: t, cgroup: /a, program: [{mmap: {as: h, length: 48MiB}}, {touch: {region: "
                         "h, write: 100%}}, {marker: {name: full}}, {touch: {region: h}}, {marker: {name: again}}, "
                         "{munmap: {region: h}}, {marker: {name: gone}}]}]\n");
    assert_int_equal(task(&o, "t")->stop, VMSIM_STOP_NONE);
    assert_int_equal(cgroup_counter(&o, "/a", "memory.events.oom"), 0);
    assert_int_equal(cgroup_counter(&o, "/a", "memory.peak"), 32 * MIB);
    const uint64_t swapped = counter_at(&o, "full", "cgroups./a.memory.swap.current");
    assert_in_range(swapped, 16 * MIB, 18 * MIB);
    assert_in_range(counter_at(&o, "full", "cgroups./a.memory.stat.anon"), 48 * MIB - swapped, 32 * MIB);
    assert_true(cgroup_counter(&o, "/a", "memory.stat.workingset_refault_anon") > 4000);
    assert_true(counter_at(&o, "again", "cgroups./a.memory.swap.current") >= 16 * MIB);
    assert_int_equal(counter_at(&o, "gone", "cgroups./a.memory.swap.current"), 0);
    assert_int_equal(counter_at(&o, "gone", "cgroups./a.memory.stat.swapcached"), 0);
    end(&o);
}

static void swap_max_leaves_no_room_but_what_it_says(void **state) {
    (void)state;
    struct outcome o =
        run(SWAP_MACHINE "workload:\n"
                         "  cgroups: [{path: /p, files: {memory.swap.max: 4MiB}}, {path: /p/a, files: {memory.max: "
                         "32MiB}}]\n"
                         "  tasks: [{name: t, cgroup: /p/a, program: [{mmap: {as: h, length: 48MiB}}, {touch: "
                         "{region: h, write: 100%}}]}]\n");
    assert_int_equal(task(&o, "t")->stop, VMSIM_STOP_OOM);
    assert_int_equal(cgroup_counter(&o, "/p/a", "memory.events.oom_kill"), 1);
    assert_in_range(cgroup_counter(&o, "/p", "memory.swap.current"), 0,
                    4 * MIB); /* what is being written stays for now */
    assert_int_equal(o.m->cgroups.at[1]->memcg->swap.watermark, 4 * MIB / 4096);
    end(&o);
}

/* 9,000 pages above memory.high of 32 MiB: they go to swap, and nobody sleeps long. */
static void memory_high_swaps_out_before_it_holds_up(void **state) {
    (void)state;
    struct outcome o =
        run(SWAP_MACHINE "workload:\n"
                         "  cgroups: [{path: /a, files: {memory.high: 32MiB}}]\n"
                         "  tasks: [{name: t, cgroup: /a, program: [{mmap: {as: h, length: 36000KiB}}, {touch: "
                         "{region: h, write: 100%}}]}]\n");
    assert_in_range(cgroup_counter(&o, "/a", "memory.peak"), 32 * MIB, 33 * MIB);
    assert_true(cgroup_counter(&o, "/a", "memory.events.high") > 0);
    assert_true(task(&o, "t")->stats.blocked_ns < UINT64_C(1000000000));
    end(&o);
}

/* The page of a slot is charged to who pays for the slot, whoever wants it back. */
static void a_page_comes_back_to_the_cgroup_that_it_left(void **state) {
    (void)state;
    struct outcome o = run(SWAP_MACHINE "workload:\n"
                                        "  cgroups: [{path: /a}, {path: /b}]\n"
                                        "  tasks:\n"
                                        "    - name: t\n"
                                        "      cgroup: /a\n"
                                        "      program:\n"
                                        "        - mmap: {as: h, length: 8MiB}\n"
                                        "        - touch: {region: h, write: 100%}\n"
                                        "        - madvise: {region: h, advice: pageout}\n"
                                        "        - sleep: {time: 1s}\n"
                                        "        - cgroup_write: {cgroup: /a, file: memory.reclaim, value: 6MiB}\n"
                                        "        - marker: {name: out}\n"
                                        "        - cgroup_attach: {cgroup: /b}\n"
                                        "        - touch: {region: h}\n"
                                        "        - marker: {name: back}\n"
                                        "        - cgroup_remove: {cgroup: /a}\n"
                                        "        - munmap: {region: h}\n");
    assert_int_equal(o.s->failed_steps, 0);
    assert_int_equal(counter_at(&o, "out", "cgroups./a.memory.swap.current"), 8 * MIB);
    assert_in_range(counter_at(&o, "out", "cgroups./a.memory.stat.anon"), 0, MIB);
    assert_int_equal(counter_at(&o, "back", "cgroups./a.memory.stat.anon"), 8 * MIB);
    assert_int_equal(counter_at(&o, "back", "cgroups./b.memory.stat.anon"), 0);
    assert_true(counter_at(&o, "back", "cgroups./b.memory.stat.pgmajfault") > 0);
    end(&o);
}

/* ---- pressure ---- */

/* A task that stalls without end: 18.11 % after the first period, then 32.94, as the kernel's fixed point has it; half
 * as much when it stalls half of the time. Reading it in between changes nothing. */
static void averages_are_those_of_the_kernel(void **state) {
    struct vmsim_machine *m = idle_machine("machine: {cpus: 2, nodes: [{memory: 64MiB}]}\n");
    uint32_t id;
    char text[128];
    (void)state;
    assert_int_equal(vmsim_cgroup_create(m, "/a"), 0);
    assert_int_equal(vmsim_task_create(m, "t", 0, &id), 0);
    assert_int_equal(vmsim_cgroup_attach(m, "/a", id), 0);
    struct vmsim__task *t = vmsim__task_at(m, id);
    struct vmsim__psi *p = &m->cgroups.at[1]->psi, *all = &m->cgroups.at[0]->psi;
    const uint64_t begin = p->avg_last;
    vmsim__psi_set(m, t, VMSIM__PSI_MEMSTALL | VMSIM__PSI_RUNNING, begin);
    for (unsigned i = 1; i < 8; i++)
        assert_int_equal(vmsim__psi_total(p, VMSIM__PSI_MEM_SOME, begin + i * 100000000), i * 100000000);
    vmsim__psi_line(p, VMSIM__PSI_MEM_FULL, begin + PERIOD, text, sizeof text);
    assert_string_equal(text, "full avg10=18.11 avg60=3.27 avg300=0.68 total=2004000");
    vmsim__psi_line(p, VMSIM__PSI_MEM_SOME, begin + 2 * PERIOD, text, sizeof text);
    assert_string_equal(text, "some avg10=32.94 avg60=6.43 avg300=1.36 total=4008000");
    vmsim__psi_set(m, t, VMSIM__PSI_RUNNING, begin + 2 * PERIOD + PERIOD / 2);
    assert_int_equal(vmsim__psi_average(p, VMSIM__PSI_MEM_SOME, 0, begin + 3 * PERIOD), 3603);
    assert_int_equal(vmsim__psi_total(p, VMSIM__PSI_MEM_SOME, begin + 3 * PERIOD), 2 * PERIOD + PERIOD / 2);
    vmsim__psi_line(all, VMSIM__PSI_IO_SOME, begin + 3 * PERIOD, text, sizeof text);
    assert_string_equal(text, "some avg10=0.00 avg60=0.00 avg300=0.00 total=0");
    vmsim__psi_set(m, t, VMSIM__PSI_MEMSTALL, begin + 3 * PERIOD);
    const uint64_t years = UINT64_C(1) << 58;
    vmsim__psi_line(p, VMSIM__PSI_MEM_SOME, begin + years, text, sizeof text);
    assert_true(strstr(text, "some avg10=100.00 avg60=100.00 avg300=100.00 total=2882303"));
    vmsim__psi_set(m, t, 0, begin + years);
    assert_int_equal(vmsim__psi_average(p, VMSIM__PSI_MEM_SOME, 2, begin + years + 10000 * PERIOD), 0);
    idle_machine_end(m);
}

/* Each CPU weighs as much as it was not idle: one stalls, the other works as long. */
static void cpus_weigh_by_what_they_do(void **state) {
    struct vmsim_machine *m = idle_machine("machine: {cpus: 2, nodes: [{memory: 64MiB}]}\n");
    uint32_t a, b;
    (void)state;
    assert_int_equal(vmsim_task_create(m, "a", 0, &a), 0);
    assert_int_equal(vmsim_task_create(m, "b", 1, &b), 0);
    struct vmsim__psi *p = &m->cgroups.at[0]->psi;
    const uint64_t begin = p->avg_last;
    vmsim__psi_set(m, vmsim__task_at(m, a), VMSIM__PSI_IOWAIT, begin);
    vmsim__psi_set(m, vmsim__task_at(m, b), VMSIM__PSI_RUNNING, begin);
    assert_int_equal(vmsim__psi_total(p, VMSIM__PSI_IO_SOME, begin + 1000000000), 500000000);
    assert_int_equal(vmsim__psi_total(p, VMSIM__PSI_IO_FULL, begin + 1000000000), 500000000);
    vmsim__psi_set(m, vmsim__task_at(m, b), 0, begin + 500000000);
    assert_int_equal(vmsim__psi_total(p, VMSIM__PSI_IO_SOME, begin + 1000000000), 666666666);
    vmsim__psi_set(m, vmsim__task_at(m, a), 0, begin + 1000000000);
    idle_machine_end(m);
}

/* The one that is held up stalls alone: full in its cgroup, some in the machine, where another works. */
static void who_is_held_up_shows_in_its_cgroup_and_above(void **state) {
    (void)state;
    struct outcome o =
        run("machine: {cpus: 1, nodes: [{memory: 128MiB}], transparent_hugepage: never}\n"
            "workload:\n"
            "  cgroups: [{path: /p/a, files: {memory.high: 8MiB}}, {path: /p/b}]\n"
            "  tasks:\n"
            "    - {name: t, cgroup: /p/a, program: [{mmap: {as: h, length: 10MiB}}, {touch: {region: h, "
            "write: 100%}}]}\n"
            "    - {name: works, cgroup: /p/b, program: [{compute: {time: 20s}}]}\n");
    const uint64_t held_up = task(&o, "t")->stats.blocked_ns / 1000;
    const uint64_t some = cgroup_counter(&o, "/p/a", "memory.pressure.some_us");
    assert_true(held_up > 5000000);
    assert_in_range(some, held_up, held_up + held_up / 50);
    assert_true(cgroup_counter(&o, "/p/a", "memory.pressure.full_us") > some - some / 50);
    assert_int_equal(cgroup_counter(&o, "/p/b", "memory.pressure.some_us"), 0);
    assert_in_range(cgroup_counter(&o, "/p", "memory.pressure.some_us"), some - some / 50, some + some / 50);
    assert_in_range(cgroup_counter(&o, "/p", "memory.pressure.full_us"), 0, some / 50);
    assert_in_range(counter(&o, "pressure.memory.some_us"), some - some / 50, some + some / 50);
    end(&o);
}

/* Reads of a file that is not there are waits for I/O; only when its pages had been in use are they stalls for memory.
 */
static void cold_reads_are_no_stall_for_memory_but_thrashing_is(void **state) {
    (void)state;
    struct outcome o =
        run("machine: {cpus: 1, nodes: [{memory: 256MiB}], transparent_hugepage: never}\n"
            "workload:\n"
            "  cgroups: [{path: /cold}, {path: /tight, files: {memory.max: 8MiB}}]\n"
            "  files: [{name: /f, size: 64MiB}, {name: /g, size: 6MiB}]\n"
            "  tasks:\n"
            "    - {name: cold, cgroup: /cold, program: [{read: {file: /f, block: 64KiB}}]}\n"
            "    - name: tight\n"
            "      cgroup: /tight\n"
            "      start: 5s\n"
            "      program:\n"
            "        - mmap: {as: f, file: /g, length: 6MiB, prot: r, shared: true}\n"
            "        - repeat: {times: 3, steps: [{touch: {region: f}}]}\n"
            "        - mmap: {as: h, length: 6MiB}\n"
            "        - repeat: {times: 6, steps: [{touch: {region: h, write: 100%}}, {touch: {region: f}}]}\n");
    assert_int_equal(task(&o, "tight")->stop, VMSIM_STOP_NONE);
    assert_int_equal(cgroup_counter(&o, "/cold", "memory.pressure.some_us"), 0);
    assert_true(cgroup_counter(&o, "/cold", "io.pressure.some_us") > 10000);
    assert_true(cgroup_counter(&o, "/tight", "memory.pressure.some_us") > 1000);
    end(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_fit_goes_to_swap_and_is_paid_for_there),
        cmocka_unit_test(swap_max_leaves_no_room_but_what_it_says),
        cmocka_unit_test(memory_high_swaps_out_before_it_holds_up),
        cmocka_unit_test(a_page_comes_back_to_the_cgroup_that_it_left),
        cmocka_unit_test(averages_are_those_of_the_kernel),
        cmocka_unit_test(cpus_weigh_by_what_they_do),
        cmocka_unit_test(who_is_held_up_shows_in_its_cgroup_and_above),
        cmocka_unit_test(cold_reads_are_no_stall_for_memory_but_thrashing_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
