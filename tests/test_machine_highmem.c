/* SPDX-License-Identifier: MIT */
/* What high memory costs a 32-bit kernel: its window, and bounce buffers for devices that do not reach all of memory.
 */
#include "scenario_run.h"

#define PAGES UINT64_C(1024)
#define READ                                                                                                           \
    "workload:\n  files: [{name: /f, size: 4MiB}]\n  tasks: [{name: t, program: [{read: {file: /f, block: "            \
    "64KiB}}]}]\n"
#define WRITE                                                                                                          \
    "workload:\n  files: [{name: /f, size: 0}]\n  tasks: [{name: t, program: [{write: {file: /f, length: 4MiB}}, "     \
    "{fsync: {file: "                                                                                                  \
    "/f}}]}]\n"

static bool has(const struct outcome *o, const char *name) {
    size_t id;
    return !vmsim_counter_find(o->m, name, &id);
}

/* ---- the window ---- */

static struct outcome touch(const char *arch, const char *memory, const char *kmap) {
    char text[512];
    snprintf(text, sizeof text,
             "machine: {arch: %s, cpus: 1, nodes: [{memory: %s}], transparent_hugepage: never%s}\n"
             "workload:\n  tasks:\n    - {name: t, program: [{mmap: {as: m, length: 4MiB}}, {touch: {region: m, write: "
             "100%%}}]}\n",
             arch, memory, kmap);
    return run_with(text, 0);
}

/* Each page is cleared, and its page table, which lies in high memory as well, is looked into. */
static void every_high_page_that_the_kernel_clears_is_mapped_for_it(void **state) {
    (void)state;
    struct outcome low = touch("x86_pae", "512MiB", ""), high = touch("x86_pae", "2GiB", "");
    struct outcome dear = touch("x86_pae", "2GiB", ", memory_manager: {costs: {kmap: 1us}}");
    assert_int_equal(counter(&low, "highmem.kmaps"), 0);
    const uint64_t maps = counter(&high, "highmem.kmaps");
    assert_in_range(maps, 2 * PAGES - 8, 2 * PAGES + 8); /* but for a fault that finds no table yet */
    assert_int_equal(counter(&dear, "highmem.kmaps"), maps);
    const uint64_t more = counter(&dear, "tasks.t.system_ns") - counter(&high, "tasks.t.system_ns");
    assert_int_equal(more, maps * (1000 - 90));
    end(&low);
    end(&high);
    end(&dear);
}

static void a_kernel_of_64_bits_has_no_window(void **state) {
    (void)state;
    struct outcome o = touch("x86_64", "2GiB", "");
    assert_false(has(&o, "highmem.kmaps"));
    end(&o);
}

/* ---- bounce buffers ---- */

static struct outcome transfer(const char *arch, const char *memory, const char *reach, const char *workload) {
    char text[1024];
    snprintf(text, sizeof text,
             "machine: {arch: %s, cpus: 1, nodes: [{memory: %s}], devices: [{name: sda, preset: sata-ssd%s}]}\n%s",
             arch, memory, reach, workload);
    return run_with(text, 0);
}

/* Pages of /f that lie at an address or above. */
static uint64_t pages_from(const struct outcome *o, uint64_t address) {
    const struct vmsim__file *f = vmsim__file_find(o->m->cache, "/f");
    uint64_t n = 0;
    for (uint64_t i = 0; i < PAGES; i++)
        n += (uint64_t)vmsim__file_page(f, i) << 12 >= address;
    return n;
}

/* Data of files lie in high memory while there is any: each page that is beyond is copied once, whichever way it goes.
 */
static void pages_beyond_the_reach_of_a_device_are_copied(void **state) {
    (void)state;
    static const char *const workloads[] = {READ, WRITE};
    for (unsigned i = 0; i < TEST_COUNT(workloads); i++) {
        struct outcome all = transfer("x86_pae", "2GiB", "", workloads[i]);
        struct outcome far = transfer("x86_pae", "2GiB", ", reach: 888MiB", workloads[i]);
        struct outcome wide = transfer("x86_pae", "2GiB", ", reach: 4GiB", workloads[i]);
        assert_false(has(&all, "bounce.copied"));
        assert_in_range(pages_from(&far, UINT64_C(888) << 20), PAGES / 2, PAGES);
        assert_int_equal(counter(&far, "bounce.copied"), pages_from(&far, UINT64_C(888) << 20));
        assert_int_equal(counter(&far, "bounce.in_turns"), 0);
        assert_int_equal(counter(&far, "vmstat.nr_bounce"), 0);
        assert_int_equal(counter(&wide, "bounce.copied"), 0);
        end(&all);
        end(&far);
        end(&wide);
    }
}

/* While the device works, the buffers are pages of low memory. */
static void buffers_are_low_memory_while_the_device_works(void **state) {
    (void)state;
    struct outcome o =
        outcome_of("machine: {arch: x86_pae, cpus: 1, nodes: [{memory: 2GiB}], devices: [{name: sda, preset: "
                   "sata-ssd, reach: 888MiB, faults: [{kind: never}]}]}\n" READ);
    assert_int_not_equal(vmsim_scenario_run(o.s, NULL, NULL), 0); /* it waits for good */
    assert_in_range(counter(&o, "vmstat.nr_bounce"), 1, PAGES);
    assert_int_equal(counter(&o, "zone.0.Normal.nr_bounce"), counter(&o, "vmstat.nr_bounce"));
    end(&o);
}

/* swiotlb: slots of a pool, no pages. */
static void kernels_of_64_bits_copy_through_their_pool(void **state) {
    (void)state;
    struct outcome o = transfer("x86_64", "8GiB", ", reach: 4GiB", READ);
    assert_int_equal(counter(&o, "bounce.copied"), PAGES); /* new pages come from the highest zone */
    assert_int_equal(counter(&o, "vmstat.nr_bounce"), 0);
    end(&o);
    o = transfer("x86_64", "2GiB", ", reach: 4GiB", READ);
    assert_int_equal(counter(&o, "bounce.copied"), 0);
    end(&o);
}

static void a_device_that_cannot_reach_the_buffers_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *arch, *reach, *error;
    } cases[] = {{"x86_64", "16MiB", "box.yaml:1:87: machine.devices[0].reach: the pool of bounce buffers"},
                 {"x86_pae", "16MiB", "box.yaml:1:88: machine.devices[0].reach: is below the end of low memory"}};
    for (unsigned i = 0; i < TEST_COUNT(cases); i++) {
        char text[256];
        struct vmsim_config *config;
        struct vmsim_scenario *s = NULL;
        snprintf(text, sizeof text, "machine: {arch: %s, nodes: [{memory: 1GiB}], devices: [{name: sda, reach: %s}]}\n",
                 cases[i].arch, cases[i].reach);
        assert_int_equal(vmsim_config_create(&config), 0);
        assert_int_equal(vmsim_config_load_text(config, "box.yaml", text, strlen(text)), 0);
        assert_int_not_equal(vmsim_config_resolve(config) ? 1 : vmsim_scenario_create(config, &s), 0);
        if (!strstr(vmsim_config_error_text(config, 0), strchr(cases[i].error + 9, ' ') + 1))
            fail_msg("%s", vmsim_config_error_text(config, 0));
        vmsim_config_destroy(config);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_high_page_that_the_kernel_clears_is_mapped_for_it),
        cmocka_unit_test(a_kernel_of_64_bits_has_no_window),
        cmocka_unit_test(pages_beyond_the_reach_of_a_device_are_copied),
        cmocka_unit_test(buffers_are_low_memory_while_the_device_works),
        cmocka_unit_test(kernels_of_64_bits_copy_through_their_pool),
        cmocka_unit_test(a_device_that_cannot_reach_the_buffers_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
