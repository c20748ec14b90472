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
             "transparent_hugepage/enabled, value: always}}, {repeat: {times: 100, steps: [{sleep: {time: 100ms}}, "
             "{touch: {region: a, count: 1}}%s]}}]}]}\n",
             knobs, then);
    return run_with(text, 3000);
}
#define KNOB(name, value) "{sysctl: {name: transparent_hugepage/khugepaged/" name ", value: '" value "'}}, "

static void all_ranges_become_huge_in_time(void **state) {
    (void)state;
    struct outcome o = three_areas(KNOB("scan_sleep_millisecs", "100") KNOB("pages_to_scan", "4096"), "");
    const uint64_t made = counter(&o, "vmstat.thp_collapse_alloc");
    assert_in_range(made, 45, 48); /* areas need not begin at a huge page */
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

/* Nothing is to be done any more: the machine comes to rest. */
static void it_rests_when_there_is_nothing_to_do(void **state) {
    (void)state;
    struct outcome o = three_areas(KNOB("scan_sleep_millisecs", "10"), "");
    const uint64_t scans = vmsim__khugepaged_done(o.m).full_scans;
    assert_in_range(scans, 1, 60); /* of a thousand wakes */
    end(&o);
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
        cmocka_unit_test(all_ranges_become_huge_in_time), cmocka_unit_test(it_goes_as_fast_as_it_is_told),
        cmocka_unit_test(missing_pages_forbid_it),        cmocka_unit_test(it_rests_when_there_is_nothing_to_do),
        cmocka_unit_test(madvise_collapse_is_a_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
