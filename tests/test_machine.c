/* SPDX-License-Identifier: MIT */
/* The assembled machine through its public interface: accesses, faults, signals, forks, counters, frames that come
 * back. */
#include "helpers.h"

#include <stdio.h>
#include <string.h>

#include "machine/machine.h"
#include "vmsim/config.h"
#include "vmsim/vmsim.h"

#define PAGE 4096u
#define RW 3u
#define ANON 0x22u

static struct vmsim_machine *boot(const char *const *settings) {
    struct vmsim_config *config;
    struct vmsim_machine *m = NULL;
    assert_int_equal(vmsim_config_create(&config), 0);
    for (; *settings; settings++)
        assert_int_equal(vmsim_config_set(config, *settings), 0);
    if (vmsim_config_resolve(config) || vmsim_machine_create(config, &m)) {
        for (size_t i = 0; i < vmsim_config_error_count(config); i++)
            print_error("%s\n", vmsim_config_error_text(config, i));
        fail();
    }
    vmsim_config_destroy(config);
    return m;
}

static struct vmsim_machine *boot_small(void) {
    static const char *const settings[] = {"machine.nodes=[{memory: 256MiB}]", "machine.cpus=2", NULL};
    return boot(settings);
}

static void end(struct vmsim_machine *m) {
    if (vmsim_machine_check(m))
        fail_msg("%s", vmsim_machine_error(m));
    assert_int_equal(vmsim_machine_destroy(m), 0);
}

static uint64_t counter(struct vmsim_machine *m, const char *name) {
    size_t id;
    if (vmsim_counter_find(m, name, &id))
        fail_msg("%s", vmsim_machine_error(m));
    return vmsim_counter_read(m, id);
}

static uint32_t new_task(struct vmsim_machine *m, const char *name) {
    uint32_t task;
    assert_int_equal(vmsim_task_create(m, name, 0, &task), 0);
    return task;
}

static struct vmsim_access_result touch(struct vmsim_machine *m, uint32_t task, uint64_t va,
                                        enum vmsim_access_type type) {
    struct vmsim_access_result r;
    vmsim_access a = vmsim_access_make(va, 8, type);
    assert_int_equal(vmsim_task_access(m, task, &a, 1, NULL, &r), 0);
    return r;
}

static uint64_t map(struct vmsim_machine *m, uint32_t task, uint64_t pages) {
    int64_t at = vmsim_task_mmap(m, task, 0, pages * PAGE, RW, ANON, 0, 0);
    assert_true(at > 0);
    return (uint64_t)at;
}

static void first_writes_fault_once_a_page(void **state) {
    (void)state;
    struct vmsim_machine *m = boot_small();
    uint32_t task = new_task(m, "t");
    uint64_t base = map(m, task, 64);
    for (unsigned round = 0; round < 3; round++) {
        for (uint64_t page = 0; page < 64; page++)
            assert_int_equal(touch(m, task, base + page * PAGE, VMSIM_STORE).stop, VMSIM_STOP_NONE);
    }
    assert_int_equal(counter(m, "tasks.t.minflt"), 64);
    assert_int_equal(counter(m, "tasks.t.references"), 192);
    assert_int_equal(counter(m, "tasks.t.rss_anon"), 64);
    end(m);
}

static void a_reference_outside_all_mappings_kills_the_task_alone(void **state) {
    (void)state;
    struct vmsim_machine *m = boot_small();
    uint32_t task = new_task(m, "lost"), other = new_task(m, "other");
    struct vmsim_access_result r = touch(m, task, 0x1000, VMSIM_LOAD);
    assert_int_equal(r.stop, VMSIM_STOP_SIGSEGV);
    assert_int_equal(r.address, 0x1000);
    assert_int_equal(r.done, 0);
    assert_int_equal(r.fault_code, 4); /* user read of a page that is not there */
    assert_int_equal(touch(m, task, 0x1000, VMSIM_LOAD).stop, VMSIM_STOP_DEAD);
    assert_int_equal(counter(m, "tasks.lost.sigsegv"), 1);
    uint64_t base = map(m, other, 1);
    assert_int_equal(touch(m, other, base, VMSIM_STORE).stop, VMSIM_STOP_NONE);
    end(m);
}

static void writing_read_only_memory_is_a_segmentation_fault(void **state) {
    (void)state;
    struct vmsim_machine *m = boot_small();
    uint32_t task = new_task(m, "t");
    uint64_t base = map(m, task, 4);
    touch(m, task, base, VMSIM_STORE);
    assert_int_equal(vmsim_task_mprotect(m, task, base, 4 * PAGE, 1), 0);
    assert_int_equal(touch(m, task, base, VMSIM_LOAD).stop, VMSIM_STOP_NONE);
    struct vmsim_access_result r = touch(m, task, base, VMSIM_STORE);
    assert_int_equal(r.stop, VMSIM_STOP_SIGSEGV);
    assert_int_equal(r.fault_code, 7); /* user write to a present page */
    end(m);
}

static void physical_addresses_differ_for_different_pages(void **state) {
    (void)state;
    struct vmsim_machine *m = boot_small();
    uint32_t task = new_task(m, "t");
    enum { PAGES = 512 };
    uint64_t base = map(m, task, PAGES), pa[PAGES];
    vmsim_access a[PAGES];
    struct vmsim_access_result r;
    for (unsigned i = 0; i < PAGES; i++)
        a[i] = vmsim_access_make(base + i * PAGE + 24, 8, VMSIM_STORE);
    assert_int_equal(vmsim_task_access(m, task, a, PAGES, pa, &r), 0);
    assert_int_equal(r.done, PAGES);
    for (unsigned i = 0; i < PAGES; i++) {
        assert_int_equal(pa[i] % PAGE, 24);
        for (unsigned j = 0; j < i; j++)
            assert_int_not_equal(pa[i] / PAGE, pa[j] / PAGE);
    }
    end(m);
}

static void memory_comes_back_when_tasks_end(void **state) {
    (void)state;
    struct vmsim_machine *m = boot_small();
    uint64_t free_before =
        counter(m, "vmstat.nr_free_pages") + counter(m, "zone.0.DMA32.pcp_count") + counter(m, "zone.0.DMA.pcp_count");
    for (unsigned round = 0; round < 4; round++) {
        uint32_t task = new_task(m, "t"), child;
        uint64_t base = map(m, task, 1000);
        for (uint64_t page = 0; page < 1000; page++)
            touch(m, task, base + page * PAGE, VMSIM_STORE);
        assert_int_equal(vmsim_task_fork(m, task, "child", &child), 0);
        for (uint64_t page = 0; page < 1000; page += 2)
            touch(m, child, base + page * PAGE, VMSIM_STORE);
        assert_int_equal(vmsim_task_exit(m, task), 0);
        assert_int_equal(vmsim_task_exit(m, child), 0);
        if (vmsim_machine_check(m))
            fail_msg("%s", vmsim_machine_error(m));
    }
    assert_int_equal(counter(m, "vmstat.nr_page_table_pages"), 0);
    assert_int_equal(counter(m, "vmstat.nr_anon_pages"), 0);
    uint64_t free_after =
        counter(m, "vmstat.nr_free_pages") + counter(m, "zone.0.DMA32.pcp_count") + counter(m, "zone.0.DMA.pcp_count");
    assert_in_range(free_before - free_after, 0, 15); /* pages in a CPU's LRU batch may outlive their task */
    end(m);
}

static void a_machine_out_of_memory_kills_and_goes_on(void **state) {
    (void)state;
    struct vmsim_machine *m = boot_small();
    uint32_t task = new_task(m, "hog"), other = new_task(m, "other");
    uint64_t pages = 2 * counter(m, "vmstat.nr_free_pages"), page = 0;
    assert_int_equal(vmsim_machine_sysctl(m, "vm.overcommit_memory", "1"), 0);
    uint64_t base = map(m, task, pages);
    struct vmsim_access_result r = {0};
    for (; page < pages && !r.stop; page++)
        r = touch(m, task, base + page * PAGE, VMSIM_STORE);
    assert_int_equal(r.stop, VMSIM_STOP_OOM);
    assert_int_equal(touch(m, other, map(m, other, 1), VMSIM_STORE).stop, VMSIM_STOP_NONE);
    end(m);
}

/* The area of restartable sequences: after a fork its page is shared, and the kernel's write after a switch divides it.
 */
static void a_switch_writes_to_the_rseq_area(void **state) {
    (void)state;
    struct vmsim_machine *m = boot_small();
    uint32_t task = new_task(m, "t"), child;
    uint64_t va = (uint64_t)vmsim_task_mmap(m, task, 0, 4 * PAGE, RW, ANON, 0, 0);
    touch(m, task, va, VMSIM_STORE);
    touch(m, task, va + PAGE, VMSIM_STORE);
    vmsim__task_get(m, task)->rseq = va + PAGE + 32;
    uint64_t alone = counter(m, "tasks.t.minflt");
    touch(m, task, va, VMSIM_STORE);
    assert_int_equal(counter(m, "tasks.t.minflt"), alone); /* nobody else ran */
    assert_int_equal(vmsim_task_fork(m, task, "child", &child), 0);
    touch(m, child, va, VMSIM_LOAD);
    assert_int_equal(counter(m, "tasks.child.minflt"), 1); /* the kernel's copy of the area's page */
    touch(m, task, va, VMSIM_LOAD);
    assert_int_equal(counter(m, "tasks.t.minflt"), alone + 1);
    touch(m, child, va, VMSIM_LOAD);
    assert_int_equal(counter(m, "tasks.child.minflt"), 1); /* it is its own by now */
    end(m);
}

static void the_same_run_gives_the_same_counters(void **state) {
    (void)state;
    struct vmsim_machine *m[2];
    for (unsigned i = 0; i < 2; i++) {
        m[i] = boot_small();
        uint32_t task = new_task(m[i], "t");
        uint64_t base = map(m[i], task, 300), x = 7;
        for (unsigned n = 0; n < 5000; n++) {
            x = x * 6364136223846793005u + 1442695040888963407u;
            touch(m[i], task, base + (x >> 33) % (300 * PAGE - 8), n % 3 ? VMSIM_LOAD : VMSIM_STORE);
        }
        counter(m[i], "vmstat.pgfault");
    }
    assert_int_equal(vmsim_counter_count(m[0]), vmsim_counter_count(m[1]));
    for (size_t id = 0; id < vmsim_counter_count(m[0]); id++) {
        if (vmsim_counter_read(m[0], id) != vmsim_counter_read(m[1], id))
            fail_msg("%s differs between two equal runs", vmsim_counter_name(m[0], id));
    }
    end(m[0]);
    end(m[1]);
}

/* A shell: children of its name, which exec gives another. Counters are looked at all the while. */
static void names_of_tasks_and_counters_are_given_once(void **state) {
    (void)state;
    struct vmsim_machine *m = boot_small();
    static const char *const programs[] = {"ls", "sh", "sh#3", "sort"};
    uint32_t shell = new_task(m, "sh"), child, odd = new_task(m, "ls#2");
    uint64_t base = (uint64_t)vmsim_task_mmap(m, shell, 0, PAGE, RW, ANON, 0, 0);
    for (unsigned i = 0; i < 40; i++) {
        char name[64];
        assert_int_equal(vmsim_task_fork(m, shell, NULL, &child), 0);
        if (i % 3 == 0)
            assert_int_equal(counter(m, "tasks.sh.minflt"), 0);
        assert_int_equal(vmsim__task_rename(m, vmsim__task_at(m, child), programs[i % TEST_COUNT(programs)]), 0);
        touch(m, child, base, VMSIM_LOAD);
        snprintf(name, sizeof name, "tasks.%s.minflt", vmsim_task_name(m, child));
        assert_int_equal(counter(m, name), 1); /* under the name it has now, and only what it did */
        if (i % 2)
            assert_int_equal(vmsim_task_exit(m, child), 0);
    }
    assert_string_equal(vmsim_task_name(m, odd), "ls#2");
    for (uint32_t i = 0; i < vmsim_task_count(m); i++)
        for (uint32_t k = 0; k < i; k++)
            assert_string_not_equal(vmsim_task_name(m, i), vmsim_task_name(m, k));
    for (size_t i = 0; i < vmsim_counter_count(m); i++) {
        size_t id;
        assert_int_equal(vmsim_counter_find(m, vmsim_counter_name(m, i), &id), 0);
        assert_int_equal(id, i);
    }
    end(m);
}

static void tlb_counters_by_page_size_add_up_to_those_of_all(void **state) {
    (void)state;
    static const char *const sizes[] = {"4KiB", "2MiB", "1GiB"}, *const arrays[] = {"L1I", "L1D", "L2"},
                             *const fields[] = {"hits", "fills", "evictions", "flushed"};
    struct vmsim_machine *m = boot_small();
    uint32_t task = new_task(m, "sizes");
    uint64_t base = (uint64_t)vmsim_task_mmap(m, task, 0, 2000 * PAGE, RW, ANON, 0, 0), walks = 0;
    for (unsigned i = 0; i < 6000; i++)
        touch(m, task, base + i * 7 % 2000 * PAGE, i & 1 ? VMSIM_LOAD : VMSIM_STORE);
    for (unsigned a = 0; a < TEST_COUNT(arrays); a++)
        for (unsigned f = 0; f < TEST_COUNT(fields); f++) {
            char name[64];
            uint64_t sum = 0;
            for (unsigned s = 0; s < TEST_COUNT(sizes); s++) {
                snprintf(name, sizeof name, "tlb.cpu0.%s.%s.%s", arrays[a], sizes[s], fields[f]);
                sum += counter(m, name);
            }
            snprintf(name, sizeof name, "tlb.cpu0.%s.%s", arrays[a], fields[f]);
            assert_int_equal(counter(m, name), sum);
        }
    assert_true(counter(m, "tlb.cpu0.L1D.4KiB.misses") > 2000);
    assert_true(counter(m, "tlb.cpu0.L1D.misses") > counter(m, "tlb.cpu0.L1D.4KiB.misses")); /* walks that faulted */
    for (unsigned s = 0; s < TEST_COUNT(sizes); s++) {
        char name[64];
        snprintf(name, sizeof name, "tlb.cpu0.walks.%s", sizes[s]);
        walks += counter(m, name);
    }
    assert_int_equal(walks + counter(m, "tlb.cpu0.faults"), counter(m, "tlb.cpu0.walks"));
    end(m);
}

/* Names that are cut, or end in a number that no counter has, differ all the same. */
static void odd_names_of_tasks_are_unique_too(void **state) {
    (void)state;
    struct vmsim_machine *m = boot_small();
    char longer[400];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    const char *const names[] = {longer, "a#18446744073709551615", "a", "", "a#99999999999999999999999", "a#2", "a#-1"};
    for (unsigned i = 0; i < 5 * TEST_COUNT(names); i++)
        new_task(m, names[i % TEST_COUNT(names)]);
    for (uint32_t i = 0; i < vmsim_task_count(m); i++)
        for (uint32_t k = 0; k < i; k++)
            assert_string_not_equal(vmsim_task_name(m, i), vmsim_task_name(m, k));
    end(m);
}

static void every_architecture_runs(void **state) {
    static const char *const archs[] = {"x86_32",     "x86_pae",   "x86_64",     "x86_64_la57", "arm64_4k",
                                        "arm64_16k",  "arm64_64k", "riscv_sv32", "riscv_sv39",  "riscv_sv48",
                                        "riscv_sv57", "arm",       "arm_lpae"};
    (void)state;
    for (size_t i = 0; i < sizeof archs / sizeof archs[0]; i++) {
        char arch[64];
        snprintf(arch, sizeof arch, "machine.arch=%s", archs[i]);
        const char *const settings[] = {"machine.nodes=[{memory: 256MiB}]", "machine.cpus=1", arch, NULL};
        struct vmsim_machine *m = boot(settings);
        uint32_t task = new_task(m, "t");
        uint64_t base = (uint64_t)vmsim_task_mmap(m, task, 0, 1 << 20, RW, ANON, 0, 0);
        for (uint64_t at = 0; at < 1 << 20; at += PAGE) {
            assert_int_equal(touch(m, task, base + at, VMSIM_LOAD).stop, VMSIM_STOP_NONE);
            assert_int_equal(touch(m, task, base + at, VMSIM_STORE).stop, VMSIM_STOP_NONE);
        }
        assert_true(counter(m, "tasks.t.minflt") >= 16);
        end(m);
    }
}

/* Who leaves the flags to the kernel pays for each with a fault, where nobody has touched the page through the entry.
 */
static void flags_that_the_hardware_does_not_set_cost_faults(void **state) {
    static const char *const flags[] = {"machine.hardware_flags=usual", "machine.hardware_flags=none"};
    uint64_t faults[2];
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        const char *const settings[] = {"machine.nodes=[{memory: 256MiB}]", "machine.arch=arm64_4k", flags[i], NULL};
        struct vmsim_machine *m = boot(settings);
        const uint32_t task = new_task(m, "t");
        uint32_t child;
        const uint64_t base = (uint64_t)vmsim_task_mmap(m, task, 0, 16 * PAGE, RW, ANON, 0, 0);
        for (uint64_t at = 0; at < 16 * PAGE; at += PAGE)
            assert_int_equal(touch(m, task, base + at, VMSIM_STORE).stop, VMSIM_STOP_NONE);
        assert_int_equal(vmsim_task_fork(m, task, "child", &child), 0);
        for (uint64_t at = 0; at < 16 * PAGE; at += PAGE) /* its entries are old */
            assert_int_equal(touch(m, child, base + at, VMSIM_LOAD).stop, VMSIM_STOP_NONE);
        faults[i] = counter(m, "tasks.child.minflt");
        end(m);
    }
    assert_int_equal(faults[0], 0);
    assert_int_equal(faults[1], 16);
}

static void kernels_without_numa_know_no_calls_about_nodes(void **state) {
    (void)state;
    static const struct {
        const char *arch, *nodes;
        int64_t result;
    } cases[] = {{"machine.arch=x86_pae", "machine.nodes=[{memory: 256MiB}]", -38},
                 {"machine.arch=arm", "machine.nodes=[{memory: 256MiB}]", -38},
                 {"machine.arch=x86_pae", "machine.nodes=[{memory: 128MiB}, {memory: 128MiB}]", 0},
                 {"machine.arch=arm64_4k", "machine.nodes=[{memory: 256MiB}]", 0}};
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        const char *const settings[] = {cases[i].arch, cases[i].nodes, NULL};
        struct vmsim_machine *m = boot(settings);
        const uint32_t task = new_task(m, "t");
        assert_int_equal(vmsim_task_set_mempolicy(m, task, 2, 1), cases[i].result);
        end(m);
    }
}

static void memory_that_entries_cannot_name_is_left_alone_or_refused(void **state) {
    (void)state;
    static const char *const settings[] = {"machine.nodes=[{memory: 6GiB}]", "machine.arch=x86_32", NULL};
    struct vmsim_machine *m = boot(settings);
    uint64_t free_pages = counter(m, "vmstat.nr_free_pages");
    assert_true(free_pages > 700 * 1024 && free_pages < 768 * 1024); /* 3 GiB below the hole of a PC */
    uint32_t task = new_task(m, "t");
    uint64_t base = (uint64_t)vmsim_task_mmap(m, task, 0, 1 << 20, RW, ANON, 0, 0);
    for (uint64_t at = 0; at < 1 << 20; at += PAGE)
        assert_int_equal(touch(m, task, base + at, VMSIM_STORE).stop, VMSIM_STOP_NONE);
    end(m);
    struct vmsim_config *config;
    assert_int_equal(vmsim_config_create(&config), 0);
    assert_int_equal(vmsim_config_set(config, "machine.nodes=[{memory: 15GiB}]"), 0);
    assert_int_equal(vmsim_config_set(config, "machine.arch=riscv_sv32"), 0); /* RAM begins at 2 GiB */
    assert_int_equal(vmsim_config_resolve(config), 0);
    assert_int_equal(vmsim_machine_create(config, &m), VMSIM_ECONFIG);
    assert_non_null(strstr(vmsim_config_error_text(config, 0), "memory ends above 16 GiB, the highest address of"));
    vmsim_config_destroy(config);
}

static void unknown_counters_and_knobs_are_told_with_a_suggestion(void **state) {
    (void)state;
    struct vmsim_machine *m = boot_small();
    size_t id;
    assert_int_equal(vmsim_counter_find(m, "vmstat.pgfautl", &id), VMSIM_ENOENT);
    assert_non_null(strstr(vmsim_machine_error(m), "vmstat.pgfault"));
    assert_int_equal(vmsim_machine_sysctl(m, "vm.no_such_knob", "1"), VMSIM_ENOENT);
    assert_int_equal(vmsim_machine_sysctl(m, "vm.watermark_scale_factor", "9999"), VMSIM_EINVAL);
    end(m);
}

/* A task's policy is its own, its children's at first, and in force when it runs. */
static void memory_policies_belong_to_tasks_and_areas(void **state) {
    (void)state;
    static const char *const settings[] = {"machine.nodes=[{memory: 256MiB}, {memory: 256MiB}]", "machine.cpus=2",
                                           "machine.kernel=6.12", NULL};
    const uint64_t base = UINT64_C(0x10000000000), bytes = 64 * PAGE;
    struct vmsim_machine *m = boot(settings);
    uint32_t a, b, child;
    uint64_t nodes;
    assert_int_equal(vmsim_task_create(m, "a", 0, &a), 0);
    assert_int_equal(vmsim_task_create(m, "b", 0, &b), 0);
    assert_int_equal(vmsim_task_set_mempolicy(m, a, 2, 2), 0);
    assert_int_equal(vmsim_task_set_mempolicy(m, a, 2, 4), -22); /* no such node */
    assert_int_equal(vmsim_task_fork(m, a, "child", &child), 0);
    assert_int_equal(vmsim_task_get_mempolicy(m, child, 0, 0, &nodes), 2);
    assert_int_equal(nodes, 2);
    assert_int_equal(vmsim_task_get_mempolicy(m, b, 0, 0, &nodes), 0);
    assert_int_equal(vmsim_machine_sysctl(m, "mempolicy/weighted_interleave/node0", "3"), 0);
    assert_int_equal(vmsim_machine_sysctl(m, "mempolicy/weighted_interleave/node0", "256"), VMSIM_EINVAL);
    assert_int_equal(vmsim_machine_sysctl(m, "mempolicy/weighted_interleave/node2", "3"), VMSIM_ENOENT);
    const uint32_t who[] = {a, b, child};
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(vmsim_task_mmap(m, who[i], base, bytes, RW, ANON | 0x10, 0, 0), base);
        if (i == 2) /* an area's comes before the task's */
            assert_int_equal(vmsim_task_mbind(m, child, base, bytes, 2, 1, 0), 0);
        uint64_t other = counter(m, "node1.numa_other");
        for (uint64_t at = base; at < base + bytes; at += PAGE)
            assert_int_equal(touch(m, who[i], at, VMSIM_STORE).stop, VMSIM_STOP_NONE);
        other = counter(m, "node1.numa_other") - other;
        assert_in_range(other, i == 0 ? 64 : 0, i == 0 ? 70 : i == 2 ? 6 : 0); /* tables follow the task */
        assert_int_equal(vmsim_task_get_mempolicy(m, who[i], base, 3, NULL), i == 0);
    }
    end(m);
}

static void a_machine_without_a_free_frame_makes_no_task(void **state) {
    (void)state;
    static const char *const settings[] = {"machine.nodes=[{memory: 64MiB}]",
                                           "machine.sysctl={vm.min_free_kbytes: 99999999}", NULL};
    struct vmsim_machine *m = boot(settings);
    uint32_t task;
    assert_int_equal(vmsim_task_create(m, "t", 0, &task), VMSIM_ELIMIT); /* the host has memory: not ENOMEM */
    assert_int_equal(task, VMSIM_TASK_NONE);
    assert_string_equal(vmsim_machine_error(m), "the machine has no free frame for the page table of a task");
    end(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_writes_fault_once_a_page),
        cmocka_unit_test(a_reference_outside_all_mappings_kills_the_task_alone),
        cmocka_unit_test(writing_read_only_memory_is_a_segmentation_fault),
        cmocka_unit_test(physical_addresses_differ_for_different_pages),
        cmocka_unit_test(memory_comes_back_when_tasks_end),
        cmocka_unit_test(a_machine_out_of_memory_kills_and_goes_on),
        cmocka_unit_test(a_machine_without_a_free_frame_makes_no_task),
        cmocka_unit_test(memory_policies_belong_to_tasks_and_areas),
        cmocka_unit_test(a_switch_writes_to_the_rseq_area),
        cmocka_unit_test(the_same_run_gives_the_same_counters),
        cmocka_unit_test(names_of_tasks_and_counters_are_given_once),
        cmocka_unit_test(odd_names_of_tasks_are_unique_too),
        cmocka_unit_test(tlb_counters_by_page_size_add_up_to_those_of_all),
        cmocka_unit_test(every_architecture_runs),
        cmocka_unit_test(flags_that_the_hardware_does_not_set_cost_faults),
        cmocka_unit_test(kernels_without_numa_know_no_calls_about_nodes),
        cmocka_unit_test(memory_that_entries_cannot_name_is_left_alone_or_refused),
        cmocka_unit_test(unknown_counters_and_knobs_are_told_with_a_suggestion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
