/* SPDX-License-Identifier: MIT */
/* Reclaim policies over a machine's memory: in pure mode their misses are those of the harness, reference by reference
 * through TLB, walk, fault and swap; no policy beats the one that knows the future; cgroups have policies of their own;
 * wrong answers are named and the run goes on. */
#include "scenario_run.h"

#include "vmsim/curve.h"
#include "vmsim/report.h"
#include "vmsim/testing.h"

enum { PAGES = 400, FRAMES = 60, REFERENCES = 5000 };

static uint64_t counter_of(struct vmsim_machine *m, const char *policy, const char *name) {
    char text[100];
    size_t id;
    snprintf(text, sizeof text, policy ? "policies.reclaim.%s.%s" : "%s%s", policy ? policy : "", name);
    if (vmsim_counter_find(m, text, &id))
        fail_msg("%s", vmsim_machine_error(m));
    return vmsim_counter_read(m, id);
}

/* ---- equal to the harness, whose policies equal models of them ---- */

static uint64_t zipf(struct vmsim__rng *rng) {
    static double below[PAGES];
    if (below[0] == 0)
        for (unsigned k = 0; k < PAGES; k++)
            below[k] = (k ? below[k - 1] : 0) + 1.0 / (k + 1);
    const double draw = (double)vmsim__rng_below(rng, UINT64_C(1) << 53) / 0x1p53 * below[PAGES - 1];
    unsigned page = 0;
    while (below[page] <= draw && page < PAGES - 1)
        page++;
    return page;
}

static uint64_t harness_misses(const char *policy, const uint64_t *pages) {
    struct vmsim_test_reclaim *t;
    struct vmsim_test_reclaim_options o = {.size = sizeof o, .frames = FRAMES, .policy = policy, .seed = 1};
    uint64_t misses = 0;
    assert_int_equal(vmsim_test_reclaim_create(&t, &o, NULL, 0), 0);
    assert_int_equal(vmsim_test_reclaim_run(t, pages, REFERENCES, &misses), 0);
    assert_int_equal(vmsim_test_reclaim_destroy(t), 0);
    return misses;
}

static const char *const swaps[] = {"swap: [{size: 16MiB}]", "zram: [{size: 16MiB}], swap: [{device: zram0}]"};
static unsigned swap; /* which of them */
static bool alone;    /* the manager without a TLB */

static struct vmsim_machine *machine_of(const char *policy, unsigned frames, uint32_t *task, uint64_t *base) {
    struct vmsim_config *config;
    struct vmsim_machine *m = NULL;
    char text[400];
    snprintf(text, sizeof text,
             "machine: {nodes: [{memory: 64MiB}], transparent_hugepage: never, %s, "
             "sysctl: {vm.page-cluster: 0}, resident_folios: %u%s}\npolicies: {reclaim: %s}\n",
             swaps[swap], frames, alone ? ", tlb: {bypass: true}" : "", policy);
    assert_int_equal(vmsim_config_create(&config), 0);
    assert_int_equal(vmsim_config_load_text(config, "box.yaml", text, strlen(text)), 0);
    if (vmsim_config_resolve(config) || vmsim_machine_create(config, &m))
        fail_msg("%s", vmsim_config_error_text(config, 0));
    vmsim_config_destroy(config);
    assert_int_equal(vmsim_task_create(m, "zipf", 0, task), 0);
    const int64_t at = vmsim_task_mmap(m, *task, 0, PAGES * 4096, 3, VMSIM__MAP_PRIVATE | VMSIM__MAP_ANONYMOUS, 0, 0);
    assert_true(at > 0);
    *base = (uint64_t)at;
    return m;
}

/* Batches of any size: what a policy is told does not depend on how references are cut. */
static uint64_t machine_misses(const char *policy, unsigned frames, const uint64_t *pages, struct vmsim__rng *rng) {
    uint32_t task;
    uint64_t base;
    struct vmsim_machine *m = machine_of(policy, frames, &task, &base);
    for (size_t i = 0, n; i < REFERENCES; i += n) {
        vmsim_access a[64];
        struct vmsim_access_result r;
        n = 1 + (size_t)vmsim__rng_below(rng, TEST_COUNT(a));
        n = n < REFERENCES - i ? n : REFERENCES - i;
        for (size_t k = 0; k < n; k++)
            a[k] = vmsim_access_make(base + pages[i + k] * 4096 + 8 * k, 8, VMSIM_STORE);
        assert_int_equal(vmsim_task_access(m, task, a, n, NULL, &r), 0);
        assert_int_equal(r.done, n);
    }
    const uint64_t misses = counter_of(m, policy, "added");
    assert_int_equal(counter_of(m, policy, "fallbacks"), 0);
    assert_int_equal(counter_of(m, policy, "victims"), misses - frames);
    assert_int_equal(counter_of(m, policy, "overruled"), 0);
    if (vmsim_machine_check(m))
        fail_msg("%s", vmsim_machine_error(m));
    assert_int_equal(vmsim_machine_destroy(m), 0);
    return misses;
}

static void pure_modes_miss_as_often_as_the_harness(void **state) {
    static const char *const policies[] = {"fifo", "lru", "mru", "clock", "lfu", "arc", "s3fifo", "sieve"};
    static uint64_t pages[REFERENCES];
    (void)state;
    struct vmsim__rng rng = test_rng("reclaim_machine");
    for (unsigned i = 0; i < REFERENCES; i++)
        pages[i] = zipf(&rng);
    for (unsigned i = 0; i < TEST_COUNT(policies); i++) {
        const uint64_t wanted = harness_misses(policies[i], pages);
        for (unsigned way = 0; way < 2 * TEST_COUNT(swaps); way++) {
            swap = way / 2;
            alone = way & 1;
            const uint64_t got = machine_misses(policies[i], FRAMES, pages, &rng);
            if (wanted != got)
                fail_msg("%s misses %llu times in the machine (%s%s), %llu in the harness", policies[i],
                         (unsigned long long)got, swaps[swap], alone ? ", without a TLB" : "",
                         (unsigned long long)wanted);
        }
    }
    swap = 0;
    alone = false;
}

/* ---- the manager alone ---- */

static enum vmsim_stop refer(struct vmsim_machine *m, uint32_t task, uint64_t va, uint32_t bytes,
                             enum vmsim_access_type type, uint64_t *pa) {
    struct vmsim_access_result r;
    const vmsim_access a = vmsim_access_make(va, bytes, type);
    assert_int_equal(vmsim_task_access(m, task, &a, 1, pa, &r), 0);
    return r.stop;
}

static void the_manager_alone_walks_nothing_and_marks_every_use(void **state) {
    static const char *const archs[] = {"x86_64", "x86_64_la57", "x86_pae", "arm64_16k", "riscv_sv39"};
    (void)state;
    for (unsigned i = 0; i < TEST_COUNT(archs); i++) {
        char text[200];
        uint32_t task;
        uint64_t pa, again;
        snprintf(text, sizeof text, "machine: {preset: zen4, arch: %s, tlb: {bypass: true}}\n", archs[i]);
        struct vmsim_machine *m = idle_machine(text);
        const uint64_t page = UINT64_C(1) << m->mem->page_shift;
        assert_int_equal(vmsim_task_create(m, "a", 0, &task), 0);
        struct vmsim__mm *mm = vmsim__task_at(m, task)->mm;
        const int64_t at = vmsim_task_mmap(m, task, 0, 8 * page, 3, 0x22, 0, 0);
        assert_true(at > 0);
        const uint64_t va = (uint64_t)at;
        assert_int_equal(refer(m, task, va + 8, 8, VMSIM_LOAD, &pa), VMSIM_STOP_NONE);
        assert_false(vmsim__mm_pagemap(mm, va).flags & VMSIM__PTE_DIRTY);
        assert_int_equal(refer(m, task, va + 8, 8, VMSIM_STORE, &pa), VMSIM_STOP_NONE);
        assert_true(vmsim__mm_pagemap(mm, va).flags & VMSIM__PTE_DIRTY);
        assert_int_equal(refer(m, task, va + 2 * page - 4, 8, VMSIM_RMW, &again), VMSIM_STOP_NONE);
        assert_int_equal(refer(m, task, va + 8, 8, VMSIM_LOAD, &again), VMSIM_STOP_NONE);
        assert_int_equal(again, pa);
        assert_int_equal(vmsim_task_mprotect(m, task, va, page, 1), 0);
        assert_int_equal(counter_of(m, NULL, "tlb.cpu0.accesses"), 4);
        assert_int_equal(counter_of(m, NULL, "tlb.cpu0.straddles"), 1);
        assert_int_equal(counter_of(m, NULL, "tlb.cpu0.walks"), 0);
        assert_int_equal(counter_of(m, NULL, "tlb.cpu0.faults"), counter_of(m, NULL, "vmstat.pgfault"));
        assert_int_equal(refer(m, task, va, 8, VMSIM_STORE, NULL), VMSIM_STOP_SIGSEGV);
        idle_machine_end(m);
    }
}

/* What one pass says of every size, a machine of that size with exact LRU does. */
static void the_curve_of_a_trace_is_what_lru_misses_at_twenty_sizes(void **state) {
    static uint64_t pages[REFERENCES];
    static vmsim_access a[REFERENCES];
    const struct vmsim_curve_options options = {.size = sizeof options};
    struct vmsim_curve *curve;
    (void)state;
    struct vmsim__rng rng = test_rng("reclaim_curve");
    for (unsigned i = 0; i < REFERENCES; i++) {
        pages[i] = i % 3 ? zipf(&rng) : i / 3 % PAGES; /* a hot set, and a loop over all */
        a[i] = vmsim_access_make(pages[i] * 4096, 8, VMSIM_STORE);
    }
    assert_int_equal(vmsim_curve_create(&options, &curve), 0);
    assert_int_equal(vmsim_curve_add(curve, 0, 0, "a", a, REFERENCES), 0);
    for (unsigned frames = 15; frames <= 300; frames += 15) {
        const uint64_t wanted = vmsim_curve_misses(curve, 0, frames), got = machine_misses("lru", frames, pages, &rng);
        if (wanted != got)
            fail_msg("%u frames: %llu misses in the machine, %llu on the curve", frames, (unsigned long long)got,
                     (unsigned long long)wanted);
    }
    vmsim_curve_destroy(curve);
}

/* ---- the bound ---- */

static uint64_t misses_of_scenario(const char *policy, uint64_t seed) {
    char text[700];
    snprintf(text, sizeof text,
             "machine: {nodes: [{memory: 64MiB}], transparent_hugepage: never, swap: [{size: 16MiB}], "
             "sysctl: {vm.page-cluster: 0}, resident_folios: 40}\npolicies: {reclaim: %s}\n"
             "workload: {seed: %llu, tasks: [{name: a, program: [{mmap: {as: h, length: 800KiB}}, "
             "{touch: {region: h, write: 100%%}}, {touch: {region: h, pattern: zipf, count: 1500, write: 50%%}}, "
             "{touch: {region: h, pattern: uniform, count: 300}}, {touch: {region: h, write: 100%%}}]}]}\n",
             policy, (unsigned long long)seed);
    struct outcome r = run_with(text, 0);
    const uint64_t misses = counter_of(r.m, policy, "added");
    assert_int_equal(counter_of(r.m, policy, "fallbacks"), 0);
    end(&r);
    return misses;
}

static void no_policy_beats_the_one_that_knows_the_future(void **state) {
    static const char *const policies[] = {"fifo",  "lru", "mru", "clock",  "random",
                                           "sieve", "lfu", "arc", "s3fifo", "lhd"};
    (void)state;
    for (uint64_t seed = test_seed(); seed < test_seed() + 2; seed++) {
        const uint64_t best = misses_of_scenario("opt", seed);
        assert_true(best > 200);
        for (unsigned i = 0; i < TEST_COUNT(policies); i++) {
            const uint64_t misses = misses_of_scenario(policies[i], seed);
            if (misses < best)
                fail_msg("seed %llu: %s misses %llu times, opt %llu", (unsigned long long)seed, policies[i],
                         (unsigned long long)misses, (unsigned long long)best);
        }
    }
}

/* ---- memory is short, as in a real kernel ---- */

static void each_cgroup_may_have_its_own_policy(void **state) {
    (void)state;
    struct outcome r = run_with(
        "machine: {cpus: 2, nodes: [{memory: 64MiB}], transparent_hugepage: never, swap: [{size: 64MiB}]}\n"
        "policies: {reclaim: clock}\n"
        "workload: {cgroups: [{path: /a, reclaim: s3fifo, files: {memory.max: 4MiB}}, "
        "{path: /a/b, files: {memory.max: 2MiB}}, {path: /c, reclaim: linux-lru, files: {memory.max: 2MiB}}], "
        "tasks: [{name: a, cgroup: /a/b, program: [{mmap: {as: h, length: 8MiB}}, {touch: {region: h, write: 100%}}, "
        "{touch: {region: h}}]}, {name: c, cpu: 1, cgroup: /c, program: [{mmap: {as: h, length: 8MiB}}, "
        "{touch: {region: h, write: 100%}}, {touch: {region: h}}]}]}\n",
        0);
    assert_true(counter_of(r.m, "s3fifo", "victims") > 2000);
    assert_int_equal(counter_of(r.m, "s3fifo", "fallbacks"), 0);
    assert_int_equal(counter_of(r.m, "clock", "victims"), 0);
    assert_int_equal(counter_of(r.m, "clock", "added"), 0);

    assert_true(counter_of(r.m, NULL, "vmstat.pswpout") > 3000);
    end(&r);
}

/* Each of the kernel's two by its name: for the machine; in a cgroup only what the machine has. */
static void the_kernels_own_are_policies_by_name(void **state) {
    static const char *const names[] = {"linux-lru", "linux-mglru"};
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        char text[400];
        snprintf(text, sizeof text,
                 "machine: {nodes: [{memory: 64MiB}], transparent_hugepage: never, swap: [{size: 64MiB}]}\n"
                 "policies: {reclaim: %s}\nworkload: {cgroups: [{path: /a, reclaim: %s, files: {memory.max: 4MiB}}], "
                 "tasks: [{name: a, cgroup: /a, program: [{mmap: {as: h, length: 8MiB}}, {touch: {region: h, write: "
                 "100%%}}]}]}\n",
                 names[i], names[i]);
        struct outcome r = run_with(text, 0);
        assert_int_equal(r.m->lru->gen_enabled, i);
        assert_true(counter_of(r.m, NULL, "vmstat.pswpout") > 900);
        end(&r);
    }
    static const char wrong[] =
        "policies: {reclaim: linux-lru}\nworkload: {cgroups: [{path: /a, reclaim: linux-mglru}], "
        "tasks: [{name: a, program: [{mmap: {as: h, length: 4KiB}}]}]}\n";
    struct vmsim_config *config;
    struct vmsim_scenario *s = NULL;
    assert_int_equal(vmsim_config_create(&config), 0);
    assert_int_equal(vmsim_config_load_text(config, "box.yaml", wrong, sizeof wrong - 1), 0);
    assert_int_equal(vmsim_config_resolve(config), 0);
    assert_int_not_equal(vmsim_scenario_create(config, &s), 0);
    assert_non_null(strstr(vmsim_config_error_text(config, 0), "generations are the whole machine's"));
    vmsim_config_destroy(config);
}

/* Kernels with generations go over the cgroups of a node in an order of their own when memory itself is short: policies
 * are asked all the same. What is written once and in order goes in order, but for what came last. Costs are
 * those of a fast CPU, and the device keeps up with it: whether somebody asks while all that could go is being written,
 * and the kernel overrules, depends on them. */
static void memory_that_is_short_asks_on_every_kernel(void **state) {
    static const char *const kernels[] = {"6.1", "6.12"};
    (void)state;
    for (unsigned i = 0; i < TEST_COUNT(kernels); i++) {
        char text[900];
        snprintf(text, sizeof text,
                 "machine: {kernel: '%s', nodes: [{memory: 32MiB}], transparent_hugepage: never, costs: {references: "
                 "400ns, syscall: 100ns, context_switch: 1500ns}, memory_manager: {costs: {fault: 250ns, map: 150ns, "
                 "zero_page: 150ns, file_lookup: 100ns, unmap_page: 80ns, free_page: 0ns, table: 200ns, mmap: 600ns}}, "
                 "devices: [{name: v, preset: nvme, size: 256MiB}], swap: [{device: v}]}\npolicies: {reclaim: "
                 "fifo}\nworkload: {tasks: [{name: a, program: [{mmap: "
                 "{as: h, length: 48MiB}}, {touch: {region: h, write: 100%%}}, {touch: {region: h}}]}]}\n",
                 kernels[i]);
        struct outcome r = run_with(text, 0);
        const uint64_t stolen = counter_of(r.m, NULL, "vmstat.pgsteal_anon");
        assert_true(stolen > 12288);
        assert_true(counter_of(r.m, "fifo", "victims") >= stolen);
        assert_true(counter_of(r.m, "fifo", "calls") >= stolen / 32); /* all of them were its choice */
        assert_int_equal(counter_of(r.m, "fifo", "fallbacks"), 0);
        assert_int_equal(counter_of(r.m, "fifo", "overruled"), 0);
        assert_int_equal(counter_of(r.m, NULL, "vmstat.pswpin"), 12288); /* the oldest went, each time */
        end(&r);
    }
}

/* A scan of a file over memory that is too small: fifo keeps nothing of it, mru most. */
static void the_choice_matters_for_the_page_cache(void **state) {
    static const char text[] =
        "machine: {nodes: [{memory: 32MiB}]}\npolicies: {readahead: none, reclaim: %s}\n"
        "workload: {cgroups: [{path: /a, files: {memory.max: 4MiB}}], files: [{name: /f, size: 6MiB}], tasks: [{name: "
        "a, "
        "cgroup: /a, program: [{repeat: {times: 4, steps: [{read: {file: /f, block: 4KiB}}]}}]}]}\n";
    static const char *const policies[] = {"fifo", "mru"};
    uint64_t read[2];
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        char full[600];
        snprintf(full, sizeof full, text, policies[i]);
        struct outcome r = run_with(full, 0);
        read[i] = counter_of(r.m, NULL, "vmstat.pgpgin") / 4;
        assert_true(counter_of(r.m, policies[i], "victims") > 500);
        end(&r);
    }
    assert_int_equal(read[0], 4 * 1536);

    assert_true(read[1] < 3500);
}

/* ---- wrong answers ---- */

static void wrong_victims_are_named_and_the_run_goes_on(void **state) {
    static const struct {
        const char *policy, *what;
    } cases[] = {{"twice", "is in the batch already"},
                 {"nobody", "proposed none of "},
                 {"absent", "proposed folio 18446744073709551615, which is not there"},
                 {"locked", "which is mlocked or pinned"},
                 {"foreign", "which is of another node or cgroup"},
                 {"request", "changed the request that it was to fill"}};
    (void)state;
    for (unsigned i = 0; i < TEST_COUNT(cases); i++) {
        char text[1000], line[100];
        const char *report;
        snprintf(
            text, sizeof text,
            "machine: {nodes: [{memory: 64MiB}], transparent_hugepage: never, swap: [{size: 64MiB}]}\n"
            "policies: {reclaim: {plugin: " TEST_PLUGIN_WRONG ", name: %s}}\n"
            "workload: {cgroups: [{path: /a, files: {memory.max: 4MiB}}], tasks: [{name: b, program: [{mmap: {as: "
            "k, length: 64KiB}}, {touch: {region: k, write: 100%%}}, {sleep: {time: 10s}}]}, {name: a, start: 1ms, "
            "cgroup: /a, program: [{mmap: {as: l, length: 64KiB}}, {touch: {region: l, write: 100%%}}, "
            "{mlock: {region: l}}, {mmap: {as: h, length: 8MiB}}, {touch: {region: h, write: 100%%}}, "
            "{touch: {region: h}}]}]}\n",
            cases[i].policy);
        struct outcome r = run_with(text, 0);
        assert_true(counter_of(r.m, cases[i].policy, "fallbacks") > 0);
        assert_true(counter_of(r.m, NULL, "vmstat.pswpout") > 1500);
        assert_int_equal(counter_of(r.m, NULL, "vmstat.oom_kill"), 0);
        assert_int_equal(vmsim_report_text(r.s, &report, NULL), 0);
        snprintf(line, sizeof line, "Policy %s of domain reclaim was not followed ", cases[i].policy);
        if (!strstr(report, line) || !strstr(report, cases[i].what))
            fail_msg("%s: %s", cases[i].policy, strstr(report, "Policy ") ? strstr(report, "Policy ") : report);
        vmsim_report_free(r.s, report);
        end(&r);
    }
}

/* madvise waits for what is in swap; what it has read of a file before is not read again each time, which would take
 * the memory that it waits for. */
static void advice_that_waits_goes_on_where_it_was(void **state) {
    enum { FILE_PAGES = 480, ANON_PAGES = 900 };
    static const char text[] = "machine: {nodes: [{memory: 10MiB}], transparent_hugepage: never, devices: [{name: sda, "
                               "preset: hdd}], swap: [{size: 16MiB}]}\npolicies: {reclaim: lru}\n";
    struct vmsim_config *config;
    struct vmsim_machine *m;
    uint32_t task, file;
    uint64_t pfn;
    (void)state;
    assert_int_equal(vmsim_config_create(&config), 0);
    assert_int_equal(vmsim_config_load_text(config, "box.yaml", text, strlen(text)), 0);
    assert_int_equal(vmsim_config_resolve(config), 0);
    assert_int_equal(vmsim_machine_create(config, &m), 0);
    vmsim_config_destroy(config);
    while (vmsim__mem_zone_stat(m->mem, VMSIM__NR_FREE_PAGES) > 700)
        assert_int_equal(vmsim_machine_alloc_pages(m, 0, 4, "any", false, &pfn), 0);
    assert_int_equal(vmsim_task_create(m, "a", 0, &task), 0);
    assert_int_equal(vmsim_file_create(m, VMSIM_FILE_REGULAR, "/f", FILE_PAGES * 4096, false, &file), 0);
    const uint64_t base = UINT64_C(1) << 30, anon = base + FILE_PAGES * 4096;
    assert_int_equal(vmsim_task_mmap(m, task, base, FILE_PAGES * 4096, 1, 0x12, file, 0), base);
    assert_int_equal(vmsim_task_mmap(m, task, anon, ANON_PAGES * 4096, 3, 0x32, 0, 0), anon);
    for (unsigned i = 0; i < ANON_PAGES; i++) {
        struct vmsim_access_result r;
        const vmsim_access a = vmsim_access_make(anon + i * 4096, 8, VMSIM_STORE);
        assert_int_equal(vmsim_task_access(m, task, &a, 1, NULL, &r), 0);
        assert_int_equal(r.done, 1);
    }
    const uint64_t in = counter_of(m, NULL, "vmstat.pgpgin"), swapped = counter_of(m, NULL, "vmstat.pswpin");
    assert_int_equal(vmsim_task_madvise(m, task, base, (FILE_PAGES + ANON_PAGES) * 4096, VMSIM__MADV_WILLNEED), 0);
    const uint64_t back = counter_of(m, NULL, "vmstat.pswpin") - swapped;
    print_message("%llu pages came back\n", (unsigned long long)back);
    assert_true(back > 100);
    assert_in_range(counter_of(m, NULL, "vmstat.pgpgin") - in, 4 * back, 4 * (back + FILE_PAGES));
    assert_int_equal(vmsim_machine_check(m), 0);
    assert_int_equal(vmsim_machine_destroy(m), 0);
}

static void a_machine_alone_has_no_future(void **state) {
    static const char text[] = "policies: {reclaim: opt}\n";
    struct vmsim_config *config;
    struct vmsim_machine *m;
    (void)state;
    assert_int_equal(vmsim_config_create(&config), 0);
    assert_int_equal(vmsim_config_load_text(config, "box.yaml", text, strlen(text)), 0);
    assert_int_equal(vmsim_config_resolve(config), 0);
    assert_int_not_equal(vmsim_machine_create(config, &m), 0);
    assert_non_null(strstr(vmsim_config_error_text(config, 0), "policy opt must know the future"));
    vmsim_config_destroy(config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pure_modes_miss_as_often_as_the_harness),
        cmocka_unit_test(the_manager_alone_walks_nothing_and_marks_every_use),
        cmocka_unit_test(the_curve_of_a_trace_is_what_lru_misses_at_twenty_sizes),
        cmocka_unit_test(no_policy_beats_the_one_that_knows_the_future),
        cmocka_unit_test(advice_that_waits_goes_on_where_it_was),
        cmocka_unit_test(a_machine_alone_has_no_future),
        cmocka_unit_test(each_cgroup_may_have_its_own_policy),
        cmocka_unit_test(the_kernels_own_are_policies_by_name),
        cmocka_unit_test(memory_that_is_short_asks_on_every_kernel),
        cmocka_unit_test(the_choice_matters_for_the_page_cache),
        cmocka_unit_test(wrong_victims_are_named_and_the_run_goes_on),
    };
    return cmocka_run_group_tests_name("reclaim_machine", tests, NULL, NULL);
}
