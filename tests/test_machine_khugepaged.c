/* SPDX-License-Identifier: MIT */
/* khugepaged: how fast, what of, and what its limits keep. */
#include "scenario_run.h"

#include "machine/khugepaged.h"

/* Three areas of 16 huge pages, of each of which all pages are there, every second, and one. */
static struct outcome three_areas(const char *knobs, const char *then) {
    static char text[4000];
    snprintf(text, sizeof text,
             "machine: {cpus: 2, nodes: [{memory: 512MiB}], kernel: '6.1', transparent_hugepage: never}\n"
             "workload: {tasks: [{name: t, program: [{mmap: {as: a, length: 32MiB}}, {mmap: {as: b, length: 32MiB}}, "
             "{mmap: {as: c, length: 32MiB}}, {touch: {region: a, write: 100%%}}, {touch: {region: b, write: 100%%, "
             "stride: 8KiB}}, {touch: {region: c, write: 100%%, stride: 2MiB}}, %s{sysctl: {name: "
             "transparent_hugepage/enabled, value: always}}, {madvise: {region: c, advice: hugepage}}, {repeat: "
             "{times: 100, steps: [{sleep: {time: 100ms}}, "
             "{touch: {region: a, count: 1}}%s]}}]}]}\n",
             knobs, then);
    return run_with(text, 3000);
}
#define KNOB(name, value) "{sysctl: {name: transparent_hugepage/khugepaged/" name ", value: '" value "'}}, "

static void all_ranges_become_huge_in_time(void **state) {
    (void)state;
    struct outcome o = three_areas(KNOB("scan_sleep_millisecs", "100") KNOB("pages_to_scan", "4096"), "");
    const uint64_t made = counter(&o, "vmstat.thp_collapse_alloc");
    assert_true(vmsim__khugepaged_done(o.m).wakes > 90); /* ten seconds */
    assert_in_range(made, 45, 48);                       /* areas need not begin at a huge page */
    assert_int_equal(vmsim__khugepaged_done(o.m).pages_collapsed, made);
    assert_true(vmsim__khugepaged_done(o.m).full_scans > 0);
    assert_int_equal(counter(&o, "vmstat.thp_collapse_alloc_failed"), 0);
    end(&o);
}

/* One range a wake: 100 ms each. */
static void it_goes_as_fast_as_it_is_told(void **state) {
    (void)state;
    struct outcome o = three_areas(KNOB("scan_sleep_millisecs", "500") KNOB("pages_to_scan", "512"), "");
    assert_in_range(counter(&o, "vmstat.thp_collapse_alloc"), 15, 22); /* ten seconds */
    end(&o);
}

static void missing_pages_forbid_it(void **state) {
    static const struct {
        const char *none;
        uint64_t least, most;
    } cases[] = {{KNOB("max_ptes_none", "0"), 15, 16}, {KNOB("max_ptes_none", "256"), 30, 32}};
    (void)state;
    for (size_t i = 0; i < VMSIM__COUNT(cases); i++) {
        char knobs[400];
        snprintf(knobs, sizeof knobs, "%s%s", KNOB("scan_sleep_millisecs", "100"), cases[i].none);
        struct outcome o = three_areas(knobs, "");
        assert_in_range(counter(&o, "vmstat.thp_collapse_alloc"), cases[i].least, cases[i].most);
        assert_true(counter(&o, "vmstat.thp_scan_exceed_none_pte") > 10);
        end(&o);
    }
}

/* Rounds go on when there is nothing left to make: a sleep of 10 ms is three jiffies and the rest of one, 16 ms, and a
 * wake looks at 8 of the 46 to 48 ranges. */
static void it_looks_again_and_again(void **state) {
    (void)state;
    struct outcome o = three_areas(KNOB("scan_sleep_millisecs", "10") KNOB("pages_to_scan", "4096"), "");
    assert_in_range(vmsim__khugepaged_done(o.m).full_scans, 98, 109); /* ten seconds */
    end(&o);
}

/* An address space that never had a huge page and was never advised to is not looked at. Kernel: MMF_VM_HUGEPAGE. */
static void it_looks_at_who_asked(void **state) {
    static const char *const asks[] = {"compute: {time: 1ns}", "madvise: {region: b, advice: hugepage}",
                                       "touch: {region: b, write: 100%, count: 1}"};
    (void)state;
    for (size_t i = 0; i < VMSIM__COUNT(asks); i++) {
        char text[1000];
        snprintf(text, sizeof text,
                 "machine: {cpus: 1, nodes: [{memory: 256MiB}], kernel: '6.1', transparent_hugepage: never, sysctl: "
                 "{transparent_hugepage/khugepaged/scan_sleep_millisecs: 100}}\n"
                 "workload: {tasks: [{name: t, program: [{mmap: {as: a, length: 16MiB}}, {mmap: {as: b, length: "
                 "16MiB, address: 0x10000000000}}, {touch: {region: a, write: 100%%}}, {sysctl: {name: "
                 "transparent_hugepage/enabled, value: "
                 "always}}, {%s}, {sleep: {time: 2s}}]}]}\n",
                 asks[i]);
        struct outcome o = run_with(text, 3000);
        const uint64_t made = counter(&o, "vmstat.thp_collapse_alloc");
        if (i == 2)
            assert_in_range(made, 7, 8);
        else
            assert_int_equal(made, 0); /* advice on memory that was never touched: there is no anon_vma */
        end(&o);
    }
}

/* Nobody can do anything any more: the machine comes to its end, and says so. */
static void it_rests_when_nobody_goes_on(void **state) {
    static const char text[] =
        "machine: {cpus: 1, nodes: [{memory: 256MiB}], kernel: '6.1', transparent_hugepage: always}\n"
        "workload: {tasks: [{name: t, program: [{mmap: {as: a, length: 16MiB}}, {touch: {region: a, write: 100%}}, "
        "{barrier: {name: one, tasks: 2}}, {barrier: {name: two, tasks: 2}}]}, {name: u, program: [{barrier: {name: "
        "two, tasks: 2}}, {barrier: {name: one, tasks: 2}}]}]}\n";
    (void)state;
    struct vmsim_config *c;
    struct vmsim_scenario *s = NULL;
    assert_int_equal(vmsim_config_create(&c), 0);
    assert_int_equal(vmsim_config_load_text(c, "test.yaml", text, strlen(text)), 0);
    if (vmsim_config_resolve(c) || vmsim_scenario_create(c, &s))
        fail_msg("%s", vmsim_config_error_text(c, 0));
    assert_int_not_equal(vmsim_scenario_run(s, NULL, NULL), 0);
    assert_non_null(strstr(vmsim_scenario_error(s), "waits for ever at barrier"));
    vmsim_scenario_destroy(s);
    vmsim_config_destroy(c);
}

/* Collapses of a program that has base pages where huge ones may be, and then sleeps. */
static uint64_t collapsed_while_asleep(const char *at_boot, const char *first, const char *sleep) {
    static char text[1000];
    snprintf(text, sizeof text,
             "machine: {cpus: 2, nodes: [{memory: 1GiB}], transparent_hugepage: %s}\n"
             "workload: {tasks: [{name: t, program: [%s{mmap: {as: a, length: 16MiB}}, {madvise: {region: a, advice: "
             "nohugepage}}, {touch: {region: a, write: 100%%}}, {madvise: {region: a, advice: hugepage}}, {sleep: "
             "{time: %s}}, {touch: {region: a, count: 1}}]}]}\n",
             at_boot, first, sleep);
    struct outcome o = run_with(text, 2000);
    const uint64_t made = counter(&o, "vmstat.thp_collapse_alloc");
    end(&o);
    return made;
}

/* The other programs of a machine are on its list, unless it has just been switched on. */
static void the_first_program_wakes_it_only_where_it_was_just_switched_on(void **state) {
    static const char on[] = "{sysctl: {name: transparent_hugepage/enabled, value: always}}, ";
    (void)state;
    assert_int_equal(collapsed_while_asleep("always", "", "2s"), 0);
    assert_in_range(collapsed_while_asleep("always", "", "12s"), 7, 8);
    assert_in_range(collapsed_while_asleep("never", on, "2s"), 7, 8);
}

static void madvise_collapse_is_a_call(void **state) {
    (void)state;
    struct outcome o = run_with(
        "machine: {cpus: 1, nodes: [{memory: 512MiB}], kernel: '6.1', transparent_hugepage: never}\n"
        "workload: {tasks: [{name: t, program: [{mmap: {as: a, length: 32MiB}}, {touch: {region: a, write: 100%}}, "
        "{madvise: {region: a, advice: collapse}}]}]}\n",
        2000);
    assert_in_range(counter(&o, "vmstat.thp_collapse_alloc"), 15, 16);
    end(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_ranges_become_huge_in_time),
        cmocka_unit_test(it_goes_as_fast_as_it_is_told),
        cmocka_unit_test(missing_pages_forbid_it),
        cmocka_unit_test(it_looks_again_and_again),
        cmocka_unit_test(it_looks_at_who_asked),
        cmocka_unit_test(it_rests_when_nobody_goes_on),
        cmocka_unit_test(madvise_collapse_is_a_call),
        cmocka_unit_test(the_first_program_wakes_it_only_where_it_was_just_switched_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
