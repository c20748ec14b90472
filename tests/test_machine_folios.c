/* SPDX-License-Identifier: MIT */
/* Large folios of files: huge pages of shared memory, by faults, khugepaged and advice, and what takes them apart;
 * folios that reading ahead and writing bring. */
#include "scenario_run.h"

#include "cache/cache.h"

/* A shared mapping of four huge pages under a mode of shmem_enabled. */
static struct outcome shared(const char *kernel, const char *mode, const char *before, const char *then) {
    static char text[3000];
    snprintf(
        text, sizeof text,
        "machine: {cpus: 2, nodes: [{memory: 640MiB}], kernel: '%s', transparent_hugepage: always, sysctl: "
        "{transparent_hugepage/shmem_enabled: %s}}\n"
        "workload: {tasks: [{name: t, program: [{mmap: {as: s, length: 8MiB, shared: true}}, %s{touch: {region: s, "
        "write: 100%%}}, {marker: {name: written}}, %s{marker: {name: end}}, {munmap: {region: s}}]}]}\n",
        kernel, mode, before, then);
    return run_content(text);
}

static void shared_memory_comes_in_huge_pages(void **state) {
    (void)state;
    struct outcome o = shared("6.1", "always", "", "");
    assert_int_equal(counter_at(&o, "written", "vmstat.thp_file_alloc"), 4);
    assert_int_equal(counter_at(&o, "written", "vmstat.thp_file_mapped"), 4);
    assert_int_equal(counter_at(&o, "written", "vmstat.nr_shmem_hugepages"), 4);
    assert_int_equal(counter_at(&o, "written", "vmstat.nr_shmem_pmdmapped"), 4);
    assert_int_equal(counter_at(&o, "written", "vmstat.nr_shmem"), 2048);
    assert_int_equal(counter(&o, "vmstat.nr_shmem_hugepages"), 0);
    assert_int_equal(counter(&o, "vmstat.thp_split_page"), 0);
    end(&o);
}

static void modes_say_where(void **state) {
    static const struct {
        const char *mode, *before;
        uint64_t huge;
    } cases[] = {{"never", "", 0},
                 {"deny", "", 0},
                 {"force", "", 4},
                 {"within_size", "", 4},
                 {"advise", "", 0},
                 {"advise", "{madvise: {region: s, advice: hugepage}}, ", 4},
                 {"always", "{madvise: {region: s, advice: nohugepage}}, ", 0}};
    static const char *const kernels[] = {"6.1", "6.12"};
    (void)state;
    for (size_t i = 0; i < 2 * VMSIM__COUNT(cases); i++) {
        struct outcome o = shared(kernels[i % 2], cases[i / 2].mode, cases[i / 2].before, "");
        if (counter(&o, "vmstat.thp_file_alloc") != cases[i / 2].huge)
            fail_msg("%s under %s: %llu huge pages", cases[i / 2].mode, kernels[i % 2],
                     (unsigned long long)counter(&o, "vmstat.thp_file_alloc"));
        end(&o);
    }
}

/* A page that is given up takes its huge page apart; the others keep what they have. */
static void a_hole_splits_its_huge_page(void **state) {
    (void)state;
    struct outcome o = shared("6.1", "always", "",
                              "{madvise: {region: s, offset: 4KiB, length: 4KiB, advice: remove}}, "
                              "{touch: {region: s}}, ");
    assert_int_equal(counter_at(&o, "end", "vmstat.thp_split_page"), 1);
    assert_int_equal(counter_at(&o, "end", "vmstat.nr_shmem_hugepages"), 3);
    assert_int_equal(counter_at(&o, "end", "vmstat.nr_shmem"), 2048);
    end(&o);
}

/* Advice in the middle of a huge entry takes the entry apart, not the page. */
static void a_border_drops_the_entry(void **state) {
    (void)state;
    struct outcome o = shared("6.1", "always", "",
                              "{mprotect: {region: s, offset: 1MiB, length: 4KiB, prot: r}}, {touch: {region: s}}, ");
    assert_int_equal(counter_at(&o, "end", "vmstat.thp_split_pmd"), 1);
    assert_int_equal(counter_at(&o, "end", "vmstat.nr_shmem_hugepages"), 4);
    assert_int_equal(counter_at(&o, "end", "vmstat.nr_shmem_pmdmapped"), 3);
    end(&o);
}

static void advice_collapses_shared_memory(void **state) {
    (void)state;
    struct outcome o = shared("6.1", "advise", "", "{madvise: {region: s, advice: collapse}}, {touch: {region: s}}, ");
    assert_int_equal(counter_at(&o, "written", "vmstat.thp_file_alloc"), 0);
    assert_in_range(counter_at(&o, "end", "vmstat.thp_collapse_alloc"), 4, 4);
    assert_int_equal(counter_at(&o, "end", "vmstat.nr_shmem_hugepages"), 4);
    assert_int_equal(counter_at(&o, "end", "vmstat.nr_shmem_pmdmapped"), 4);
    end(&o);
}

#define KHUGEPAGED(name, value) "{sysctl: {name: transparent_hugepage/khugepaged/" name ", value: '" value "'}}, "

/* Half of the pages are there; they may be so few, or not. */
static void khugepaged_collapses_shared_memory(void **state) {
    static const struct {
        const char *none;
        uint64_t huge;
    } cases[] = {{KHUGEPAGED("max_ptes_none", "511"), 4}, {KHUGEPAGED("max_ptes_none", "255"), 0}};
    (void)state;
    for (size_t i = 0; i < VMSIM__COUNT(cases); i++) {
        char text[2000];
        snprintf(text, sizeof text,
                 "machine: {cpus: 2, nodes: [{memory: 640MiB}], kernel: '6.1', transparent_hugepage: always}\n"
                 "workload: {tasks: [{name: t, program: [{sysctl: {name: transparent_hugepage/shmem_enabled, value: "
                 "always}}, {mmap: {as: s, length: 8MiB, shared: true}}, {sysctl: {name: "
                 "transparent_hugepage/shmem_enabled, value: never}}, {touch: {region: s, write: 100%%, stride: "
                 "8KiB}}, " KHUGEPAGED(
                     "scan_sleep_millisecs",
                     "100") "%s{sysctl: {name: transparent_hugepage/shmem_enabled, value: "
                            "always}}, {repeat: {times: 20, steps: [{sleep: {time: 100ms}}, {touch: {region: s, count: "
                            "1}}]}}, "
                            "{touch: {region: s, stride: 8KiB}}, {touch: {region: s}}, {marker: {name: end}}]}]}\n",
                 cases[i].none);
        struct outcome o = run_content(text);
        assert_int_equal(counter_at(&o, "end", "vmstat.thp_collapse_alloc"), cases[i].huge);
        assert_int_equal(counter_at(&o, "end", "vmstat.nr_shmem_hugepages"), cases[i].huge);
        assert_int_equal(counter_at(&o, "end", "vmstat.nr_shmem_pmdmapped"), cases[i].huge);
        end(&o);
    }
}

/* Pages of the largest folio that the file has in the cache; all of `pages` are there. */
static uint32_t largest(const struct outcome *o, const char *path, uint64_t pages, uint32_t *first) {
    const struct vmsim__file *f = vmsim__file_find(o->m->cache, path);
    uint32_t most = 0;
    assert_non_null(f);
    for (uint64_t i = 0; i < pages; i++) {
        const vmsim__pfn pfn = vmsim__file_page(f, i);
        assert_int_not_equal(pfn, VMSIM__PFN_NONE);
        const uint32_t size = vmsim__frame_pages(vmsim__frame_at(&o->m->mem->frames, pfn));
        *first = i ? *first : size;
        most = size > most ? size : most;
    }
    return most;
}

static struct outcome with_file(const char *kernel, const char *large, const char *program) {
    static char text[2000];
    snprintf(text, sizeof text,
             "machine: {cpus: 1, nodes: [{memory: 256MiB}], kernel: '%s', page_cache: {large_folios: %s}}\n"
             "workload: {files: [{name: /f, size: 4MiB}, {name: /n, size: 0}], tasks: [{name: t, program: [%s]}]}\n",
             kernel, large, program);
    return run_content(text);
}

/* Each window that is read in sequence has folios two orders larger than the last: 4, 16, 64 pages. */
static void reading_ahead_brings_larger_folios(void **state) {
    (void)state;
    const char *read = "{read: {file: /f, offset: 0, length: 4MiB}}";
    uint32_t first;
    struct outcome o = with_file("6.12", "false", read);
    assert_int_equal(largest(&o, "/f", 1024, &first), 1);
    const uint64_t in = counter(&o, "vmstat.pgpgin");
    end(&o);
    o = with_file("6.12", "true", read);
    assert_int_equal(largest(&o, "/f", 1024, &first), 64);
    assert_int_equal(first, 4);
    assert_int_equal(counter(&o, "vmstat.pgpgin"), in);
    end(&o);
}

static void writing_brings_folios_of_its_size(void **state) {
    (void)state;
    uint32_t first;
    struct outcome o = with_file("6.12", "true", "{write: {file: /n, offset: 0, length: 1MiB}}, {fsync: {file: /n}}");
    assert_int_equal(largest(&o, "/n", 256, &first), 256);
    assert_int_equal(counter(&o, "vmstat.nr_dirtied"), 256);
    assert_int_equal(counter(&o, "vmstat.nr_written"), 256);
    end(&o);
}

#define SIZE(kb, name) "thp.hugepages-" kb "kB." name

/* What hugepages-<size>kB/stats tells of folios that are there, are mapped in part, go to swap and come apart. */
static void sizes_have_their_statistics(void **state) {
    (void)state;
    struct outcome o = run_content(
        "machine: {cpus: 1, nodes: [{memory: 640MiB}], kernel: '6.12', swap: [{size: 64MiB}], transparent_hugepage: "
        "never, sysctl: {transparent_hugepage/hugepages-64kB/enabled: always, "
        "transparent_hugepage/hugepages-2048kB/enabled: never}}\n"
        "workload: {tasks: [{name: t, program: [{mmap: {as: a, length: 1MiB, address: 0x10000000000}}, {touch: "
        "{region: "
        "a, write: 100%}}, {marker: {name: written}}, {madvise: {region: a, offset: 4KiB, length: 4KiB, advice: "
        "dontneed}}, {marker: {name: parted}}, {madvise: {region: a, offset: 512KiB, length: 512KiB, advice: "
        "pageout}}, "
        "{marker: {name: out}}, {sleep: {time: 1s}}, {munmap: {region: a}}]}]}\n");
    assert_int_equal(counter_at(&o, "written", SIZE("64", "anon_fault_alloc")), 16);
    assert_int_equal(counter_at(&o, "written", SIZE("64", "nr_anon")), 16);
    assert_int_equal(counter_at(&o, "written", SIZE("64", "nr_anon_partially_mapped")), 0);
    assert_int_equal(counter_at(&o, "parted", SIZE("64", "nr_anon_partially_mapped")), 1);
    assert_int_equal(counter_at(&o, "out", SIZE("64", "swpout")), 8);
    assert_int_equal(counter_at(&o, "out", SIZE("64", "swpout_fallback")), 0);
    assert_int_equal(counter(&o, SIZE("64", "nr_anon")), 0);
    assert_int_equal(counter(&o, SIZE("64", "nr_anon_partially_mapped")), 0);
    end(&o);
    o = shared("6.12", "always", "", "");
    assert_int_equal(counter(&o, SIZE("2048", "shmem_alloc")), 4);
    assert_int_equal(counter(&o, SIZE("2048", "shmem_fallback")), 0);
    end(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shared_memory_comes_in_huge_pages),  cmocka_unit_test(modes_say_where),
        cmocka_unit_test(a_hole_splits_its_huge_page),        cmocka_unit_test(a_border_drops_the_entry),
        cmocka_unit_test(advice_collapses_shared_memory),     cmocka_unit_test(khugepaged_collapses_shared_memory),
        cmocka_unit_test(reading_ahead_brings_larger_folios), cmocka_unit_test(writing_brings_folios_of_its_size),
        cmocka_unit_test(sizes_have_their_statistics),
    };
    return cmocka_run_group_tests_name("machine_folios", tests, NULL, NULL);
}
