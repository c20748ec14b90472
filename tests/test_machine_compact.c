/* SPDX-License-Identifier: MIT */
/* Compaction in a whole machine: what huge pages come of each mode, kcompactd, requests, policies. */
#include "scenario_run.h"

/* Memory that is full but for a little, then free in every second page. */
#define FRAGMENT                                                                                                       \
    "{read: {file: /f}}, {mmap: {as: m, length: 160MiB}}, {madvise: {region: m, advice: nohugepage}}, {touch: "        \
    "{region: m, write: 100%}}, "                                                                                      \
    "{madvise: {region: m, advice: dontneed, every: 2, random: true}}, {marker: {name: fragmented}}, "
#define HUGE                                                                                                           \
    "{mmap: {as: h, length: 40MiB}}, {madvise: {region: h, advice: hugepage}}, {touch: {region: h, write: 100%}}"

static struct outcome fragmented(const char *machine, const char *policies, const char *then, uint64_t verify) {
    char text[1600];
    snprintf(text, sizeof text,
             "machine: {cpus: 1, nodes: [{memory: 256MiB}], kernel: '6.1', sysctl: "
             "{transparent_hugepage/enabled: always, vm.watermark_boost_factor: 0%s}}\n%sworkload: {files: [{name: /f, "
             "size: 24MiB}], tasks: [{name: t, "
             "program: [%s%s]}]}\n",
             machine, policies, FRAGMENT, then);
    return run_with(text, verify);
}

/* Without compaction few huge pages are there; a fault that may compact gets them all. */
static void a_fault_that_may_compact_gets_its_huge_pages(void **state) {
    static const struct {
        const char *defrag;
        uint64_t least, most;
        bool stalls;
    } cases[] = {
        {"never", 0, 12, false}, {"madvise", 19, 20, true}, {"always", 19, 20, true}, {"defer+madvise", 19, 20, true}};
    (void)state;
    for (size_t i = 0; i < VMSIM__COUNT(cases); i++) {
        char knob[80];
        snprintf(knob, sizeof knob, ", transparent_hugepage/defrag: %s, vm.compaction_proactiveness: 0",
                 cases[i].defrag);
        struct outcome o = fragmented(knob, "", HUGE, 2000);
        const uint64_t huge = counter(&o, "vmstat.thp_fault_alloc");
        if (huge < cases[i].least || huge > cases[i].most)
            fail_msg("defrag %s: %llu huge pages", cases[i].defrag, (unsigned long long)huge);
        assert_int_equal(counter(&o, "vmstat.compact_stall") > 0, cases[i].stalls);
        assert_int_equal(counter(&o, "vmstat.compact_stall"),
                         counter(&o, "vmstat.compact_success") + counter(&o, "vmstat.compact_fail"));
        assert_int_equal(counter(&o, "vmstat.pgmigrate_success") > 1000, cases[i].stalls);
        assert_int_equal(counter(&o, "vmstat.compact_daemon_wake"), 0);
        end(&o);
    }
}

static void a_write_to_compact_memory_puts_all_in_order(void **state) {
    (void)state;
    struct outcome o = fragmented(", transparent_hugepage/defrag: never, vm.compaction_proactiveness: 0", "",
                                  "{sysctl: {name: vm.compact_memory, value: '1'}}, " HUGE, 2000);
    assert_in_range(counter(&o, "vmstat.thp_fault_alloc"), 19, 20);
    assert_int_equal(counter(&o, "vmstat.compact_stall"), 0);
    assert_true(counter(&o, "vmstat.pgmigrate_success") > 8000);
    assert_true(counter(&o, "zone.0.DMA32.unusable") < 400); /* the task has ended: all is free again */
    end(&o);
}

/* A fault that may only wake kswapd leaves the work to it, and to kcompactd when kswapd finds nothing more to free. */
static void kcompactd_works_for_those_who_do_not_wait(void **state) {
    (void)state;
    struct outcome o = fragmented(
        ", transparent_hugepage/defrag: defer, vm.compaction_proactiveness: 0", "",
        "{repeat: {times: 50, steps: [{mmap: {as: h, length: 60MiB}}, {madvise: {region: h, advice: hugepage}}, "
        "{touch: {region: h, write: 100%, stride: 2MiB}}, {sleep: {time: 300ms}}]}}",
        2000);
    assert_true(counter(&o, "vmstat.compact_daemon_wake") > 0);
    assert_true(counter(&o, "vmstat.compact_daemon_migrate_scanned") > 100);
    assert_true(counter(&o, "vmstat.pgmigrate_success") > 100);
    assert_true(counter(&o, "vmstat.pgsteal_kswapd") > 1000);
    assert_int_equal(counter(&o, "vmstat.compact_stall"), 0);
    end(&o);
}

/* Ahead of need: nobody asks for a block. */
static void kcompactd_works_ahead_of_need(void **state) {
    static const struct {
        const char *knob;
        bool works;
    } cases[] = {{", vm.compaction_proactiveness: 60", true}, {", vm.compaction_proactiveness: 0", false}};
    (void)state;
    for (size_t i = 0; i < VMSIM__COUNT(cases); i++) {
        struct outcome o = fragmented(
            cases[i].knob, "", "{repeat: {times: 40, steps: [{compute: {time: 100ms}}, {sleep: {time: 1ms}}]}}", 2000);
        assert_int_equal(counter(&o, "vmstat.compact_migrate_scanned") > 0, cases[i].works);
        assert_int_equal(counter(&o, "vmstat.compact_daemon_migrate_scanned"), 0);
        assert_int_equal(counter(&o, "vmstat.pgmigrate_success") > 1000, cases[i].works);
        end(&o);
    }
}

static void policies_decide_when_and_how_hard(void **state) {
    (void)state;
    struct outcome none =
        fragmented(", transparent_hugepage/defrag: always", "policies: {compaction: {name: none}}\n", HUGE, 2000);
    assert_int_equal(counter(&none, "vmstat.compact_stall") + counter(&none, "vmstat.pgmigrate_success"), 0);
    assert_true(counter(&none, "vmstat.thp_fault_alloc") < 13);
    end(&none);
    struct outcome eager = fragmented(", transparent_hugepage/defrag: never", "policies: {compaction: {name: eager}}\n",
                                      "{repeat: {times: 30, steps: [{compute: {time: 100ms}}]}}, " HUGE, 2000);
    assert_in_range(counter(&eager, "vmstat.thp_fault_alloc"), 19, 20);
    assert_int_equal(counter(&eager, "vmstat.compact_stall"), 0);
    end(&eager);
}

/* Drivers' pages in between: neither compaction nor reclaim makes a block, and the allocation says so. */
static void memory_that_cannot_move_stays_in_pieces(void **state) {
    (void)state;
    struct outcome o = run_with(
        "machine: {cpus: 1, nodes: [{memory: 256MiB}], kernel: '6.1'}\n"
        "workload: {tasks: [{name: t, program: [{alloc_pages: {as: f, count: 51600}}, {free_pages: {region: f, every: "
        "2}}, {alloc_pages: {order: 4, count: 1000, error: ENOMEM}}, {alloc_pages: {order: 9, error: ENOMEM}}]}]}\n",
        2000);
    assert_int_equal(task(&o, "t")->stop, VMSIM_STOP_NONE);
    assert_int_equal(counter(&o, "vmstat.pgmigrate_success"), 0);
    assert_true(counter(&o, "vmstat.compact_stall") > 0);
    assert_true(counter(&o, "vmstat.nr_free_pages") > 20000);
    end(&o);
}

/* Pages under writeback and pages that are being read: whoever compacts all waits for them, or leaves them. */
static void files_on_their_way_are_waited_for(void **state) {
    (void)state;
    struct outcome o = run_with(
        "machine: {cpus: 2, nodes: [{memory: 256MiB}], kernel: '6.1', page_cache: {device: {write_bandwidth: 50MiB, "
        "read_bandwidth: 50MiB}}}\n"
        "workload:\n"
        "  files: [{name: /out, size: 0}, {name: /in, size: 100MiB}]\n"
        "  tasks:\n"
        "    - {name: w, cpu: 0, program: [{write: {file: /out, length: 60MiB, block: 1MiB}}, {fsync: {file: /out}}]}\n"
        "    - {name: r, cpu: 1, program: [{read: {file: /in}}]}\n"
        "    - {name: c, cpu: 1, program: [{mmap: {as: m, length: 80MiB}}, {touch: {region: m, write: 100%}}, "
        "{madvise: "
        "{region: m, advice: dontneed, every: 2}}, {repeat: {times: 20, steps: [{sysctl: {name: vm.compact_memory, "
        "value: '1'}}, {sleep: {time: 50ms}}]}}]}\n",
        500);
    for (size_t i = 0; i < o.m->tasks.count; i++)
        assert_int_equal(o.m->tasks.at[i]->stop, VMSIM_STOP_NONE);
    assert_true(counter(&o, "vmstat.pgmigrate_success") > 500);
    assert_int_equal(counter(&o, "vmstat.nr_writeback") + counter(&o, "vmstat.nr_dirty"), 0);
    assert_int_equal(counter(&o, "vmstat.nr_written"), 15360);
    end(&o);
}

/* A pool that grows tries hard: pages of files go, kswapd has its turn between two huge pages and forgets where nothing
 * was to be had, and compaction goes on. A third of the memory is in use. */
static void a_pool_grows_with_reclaim_and_compaction(void **state) {
    (void)state;
    struct outcome o = run_with(
        "machine: {cpus: 1, nodes: [{memory: 512MiB}], kernel: '6.1', sysctl: {vm.compaction_proactiveness: 0}, "
        "devices: [{name: vda, preset: ramdisk, size: 1GiB}]}\n"
        "workload:\n"
        "  files: [{name: /f, size: 100MiB}]\n"
        "  tasks: [{name: t, program: [{mmap: {as: m, length: 300MiB}}, {madvise: {region: m, advice: nohugepage}}, "
        "{touch: {region: m, write: 100%}}, {read: {file: /f, block: 64KiB}}, {madvise: {region: m, advice: dontneed, "
        "every: 2, random: true}}, {sysctl: {name: vm.nr_hugepages, value: '200'}}]}]\n",
        500);
    assert_in_range(vmsim__hugetlb_total(o.m->mem, o.m->mem->default_hstate, VMSIM__MAX_NODES), 110, 170);
    assert_true(counter(&o, "vmstat.pgsteal_kswapd") > 10000);
    assert_true(counter(&o, "vmstat.compact_success") > 10);
    end(&o);
}

/* A call that takes long gives its CPU away when its time is up, too, and not only to who wakes at that moment: kswapd
 * comes to work again and again while a pool grows, and has all that there was of the file in the end. */
static void a_long_call_has_no_more_than_its_time(void **state) {
    (void)state;
    struct outcome o = run_with(
        "machine: {cpus: 1, nodes: [{memory: 512MiB}], kernel: '6.1', sysctl: {vm.compaction_proactiveness: 0}, "
        "costs: {reclaim_scan: 3500ns}, memory_manager: {costs: {copy_page: 8us}}, "
        "devices: [{name: vda, preset: ramdisk, size: 1GiB}]}\n"
        "workload:\n"
        "  files: [{name: /f, size: 100MiB}]\n"
        "  tasks: [{name: t, program: [{mmap: {as: m, length: 300MiB}}, {madvise: {region: m, advice: nohugepage}}, "
        "{touch: {region: m, write: 100%}}, {read: {file: /f, block: 64KiB}}, {madvise: {region: m, advice: dontneed, "
        "every: 2, random: true}}, {sysctl: {name: vm.nr_hugepages, value: '200'}}]}]\n",
        500);
    assert_true(counter(&o, "vmstat.pageoutrun") >= 20);
    end(&o);
}

/* Khugepaged compacts for its huge pages as a program does: it takes no reserves, and does without none. */
static void khugepaged_compacts_too(void **state) {
    (void)state;
    struct outcome o = run_with(
        "machine: {cpus: 2, nodes: [{memory: 512MiB}], kernel: '6.1', transparent_hugepage: never, sysctl: "
        "{vm.compaction_proactiveness: 0, transparent_hugepage/khugepaged/defrag: 1, "
        "transparent_hugepage/khugepaged/scan_sleep_millisecs: 10}}\n"
        "workload:\n"
        "  tasks: [{name: t, program: [{mmap: {as: p, length: 400MiB}}, {madvise: {region: p, advice: nohugepage}}, "
        "{touch: {region: p, write: 100%}}, {madvise: {region: p, advice: dontneed, every: 2, random: true}}, {mmap: "
        "{as: m, length: 16MiB, address: 0x10000000000}}, {touch: {region: m, write: 100%}}, {alloc_pages: {as: b, "
        "order: 9, count: 40}}, {marker: {name: aged}}, {sysctl: {name: transparent_hugepage/enabled, value: always}}, "
        "{madvise: {region: m, advice: hugepage}}, {sleep: {time: 2s}}]}]\n",
        500);
    assert_in_range(counter(&o, "vmstat.thp_collapse_alloc"), 7, 8);
    assert_true(counter(&o, "vmstat.compact_success") > counter_at(&o, "aged", "vmstat.compact_success"));
    end(&o);
}

/* More than two nodes can give: each is asked until it has no more, and the call ends, though it waits in between. */
static void a_pool_of_two_nodes_ends_where_memory_does(void **state) {
    (void)state;
    struct outcome o = run_with(
        "machine: {nodes: [{memory: 128MiB, cpus: [0]}, {memory: 128MiB, cpus: [1]}], kernel: '6.1', sysctl: "
        "{vm.compaction_proactiveness: 0}}\n"
        "workload:\n"
        "  tasks: [{name: t, program: [{mmap: {as: m, length: 140MiB}}, {madvise: {region: m, advice: nohugepage}}, "
        "{touch: {region: m, write: 100%}}, {madvise: {region: m, advice: dontneed, every: 2}}, {sysctl: {name: "
        "vm.nr_hugepages, value: '1000'}}, {sysctl: {name: vm.nr_hugepages, value: '0'}}, {sysctl: {name: "
        "vm.nr_hugepages, value: '1000'}}]}]\n",
        500);
    assert_in_range(vmsim__hugetlb_total(o.m->mem, o.m->mem->default_hstate, VMSIM__MAX_NODES), 30, 110);
    end(&o);
}

/* ---- ranges ---- */

/* No free block is larger than 4 MiB, and every second page is in use. */
static void a_gigantic_page_is_made_of_memory_in_use(void **state) {
    (void)state;
    struct outcome o = run_content(
        "machine: {preset: cortex-a72, nodes: [{memory: 256MiB}], kernel: '6.1', sysctl: "
        "{transparent_hugepage/enabled: never}}\n"
        "workload: {tasks: [{name: t, program: [{mmap: {as: m, length: 200MiB}}, {touch: {region: m, write: 100%}}, "
        "{madvise: {region: m, advice: dontneed, every: 2, random: true}}, {alloc_pages: {as: d, count: 300}}, "
        "{sysctl: {name: hugepages/hugepages-32768kB/nr_hugepages, value: '2'}}, {marker: {name: pool}}, "
        "{mmap: {as: h, length: 64MiB, hugetlb: true, huge_size: 32MiB}}, {touch: {region: h, write: 100%}}, "
        "{touch: {region: m}}, {munmap: {region: h}}, "
        "{sysctl: {name: hugepages/hugepages-32768kB/nr_hugepages, value: '0'}}]}]}\n");
    assert_int_equal(counter_at(&o, "pool", "hugetlb.hugepages-32768kB.free_hugepages"), 2);
    assert_int_equal(counter(&o, "hugetlb.hugepages-32768kB.nr_hugepages"), 0);
    assert_true(counter(&o, "vmstat.pgmigrate_success") > 4000);
    end(&o);
}

/* The area serves programs while no driver wants it; then it is emptied, range after range. */
static void a_range_of_cma_is_emptied_for_a_driver(void **state) {
    (void)state;
    struct outcome o = run_content(
        "machine: {preset: cortex-a72, nodes: [{memory: 128MiB, reserved: [{zone: DMA, size: 4MiB, cma: 32MiB}]}], "
        "kernel: '6.1'}\n"
        "workload: {tasks: [{name: t, program: [{mmap: {as: m, length: 108MiB}}, {touch: {region: m, write: 100%}}, "
        "{madvise: {region: m, advice: dontneed, every: 2}}, {marker: {name: pieces}}, {alloc_pages: {as: a, "
        "contiguous: 12MiB, cma: true}}, {alloc_pages: {as: b, contiguous: 20MiB, cma: true}}, {alloc_pages: {as: c, "
        "contiguous: 1MiB, cma: true, error: ENOMEM}}, {alloc_pages: {as: d, contiguous: 9MiB}}, {touch: {region: m}}, "
        "{free_pages: {region: a}}, {alloc_pages: {as: c, contiguous: 1MiB, cma: true}}, {free_pages: {region: "
        "d}}]}]}\n");
    assert_int_equal(counter(&o, "vmstat.cma_alloc_success"), 3);
    assert_int_equal(counter(&o, "vmstat.cma_alloc_fail"), 1);
    assert_true(counter(&o, "vmstat.pgmigrate_success") > 3000);
    end(&o);
}

static void ranges_are_taken_and_given_back_by_who_knows_them(void **state) {
    (void)state;
    struct vmsim_machine *m = idle_machine("machine: {nodes: [{memory: 128MiB}]}\n");
    uint64_t pfn = 0, block = 0;
    assert_int_equal(vmsim_machine_alloc_contig(m, 0, 5 << 20, false, &pfn), 0);
    assert_int_equal(pfn % 2048, 0); /* aligned to its size, rounded up */
    assert_int_equal(vmsim_machine_alloc_contig(m, 1, 1 << 20, false, &block), VMSIM_EINVAL);
    assert_int_equal(vmsim_machine_alloc_contig(m, 0, 0, false, &block), VMSIM_EINVAL);
    assert_int_equal(vmsim_machine_alloc_contig(m, 0, 1 << 20, true, &block), 0);
    assert_int_equal(block, UINT64_MAX); /* there is no area */
    assert_int_equal(vmsim_machine_alloc_contig(m, 0, UINT64_MAX, false, &block), 0);
    assert_int_equal(block, UINT64_MAX);
    assert_int_equal(vmsim_machine_free_contig(m, 0, pfn, 8 << 20), VMSIM_EINVAL); /* longer than it is */
    assert_int_equal(vmsim_machine_free_contig(m, 0, pfn + 1, 2 << 20), VMSIM_EINVAL);
    assert_int_equal(vmsim_machine_free_contig(m, 0, UINT64_MAX - 511, 2 << 20), VMSIM_EINVAL);
    assert_int_equal(vmsim_machine_free_contig(m, 0, pfn, 5 << 20), 0);
    assert_int_equal(vmsim_machine_free_contig(m, 0, pfn, 5 << 20), VMSIM_EINVAL); /* twice */
    idle_machine_end(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fault_that_may_compact_gets_its_huge_pages),
        cmocka_unit_test(a_write_to_compact_memory_puts_all_in_order),
        cmocka_unit_test(kcompactd_works_for_those_who_do_not_wait),
        cmocka_unit_test(kcompactd_works_ahead_of_need),
        cmocka_unit_test(policies_decide_when_and_how_hard),
        cmocka_unit_test(memory_that_cannot_move_stays_in_pieces),
        cmocka_unit_test(files_on_their_way_are_waited_for),
        cmocka_unit_test(a_pool_of_two_nodes_ends_where_memory_does),
        cmocka_unit_test(khugepaged_compacts_too),
        cmocka_unit_test(a_pool_grows_with_reclaim_and_compaction),
        cmocka_unit_test(a_long_call_has_no_more_than_its_time),
        cmocka_unit_test(a_gigantic_page_is_made_of_memory_in_use),
        cmocka_unit_test(a_range_of_cma_is_emptied_for_a_driver),
        cmocka_unit_test(ranges_are_taken_and_given_back_by_who_knows_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
