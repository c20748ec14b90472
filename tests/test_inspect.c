/* SPDX-License-Identifier: MIT */
/* What a machine tells of translations and of single references: numbers that agree with its counters, with the walk
 * that it draws, and with what the same references come to when nobody asks. And policies of the calling program. */
#include "helpers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "vmsim/config.h"
#include "vmsim/inspect.h"
#include "vmsim/mmu.h"
#include "vmsim/policy.h"
#include "vmsim/report.h"

#define PAGE 4096u
#define RW 3u
#define ANON 0x22u

static struct vmsim_machine *boot(const char *text, const struct vmsim_policy *policy) {
    struct vmsim_config *config;
    struct vmsim_machine *m = NULL;
    assert_int_equal(vmsim_config_create(&config), 0);
    assert_int_equal(vmsim_config_load_text(config, "box.yaml", text, strlen(text)), 0);
    if (policy)
        assert_int_equal(vmsim_config_add_policy(config, policy), 0);
    if (vmsim_config_resolve(config) || vmsim_machine_create(config, &m))
        fail_msg("%s", vmsim_config_error_text(config, 0));
    vmsim_config_destroy(config);
    return m;
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

static const char SMALL[] = "machine: {cpus: 1, nodes: [{memory: 256MiB}]}\n";
static const char SKYLAKE[] = "machine: {cpus: 1, nodes: [{memory: 256MiB}], preset: skylake-sp}\n";

static uint64_t map(struct vmsim_machine *m, uint32_t task, uint64_t bytes) {
    int64_t at = vmsim_task_mmap(m, task, 0, bytes, RW, ANON, 0, 0);
    assert_true(at > 0);
    return (uint64_t)at;
}

static struct vmsim_access_detail one(struct vmsim_machine *m, uint32_t task, uint64_t va, uint32_t bytes,
                                      enum vmsim_access_type type) {
    struct vmsim_access_detail d;
    struct vmsim_access_result r;
    vmsim_access a = vmsim_access_make(va, bytes, type);
    assert_int_equal(vmsim_task_access_detailed(m, task, &a, 1, &d, sizeof d, &r), 0);
    assert_int_equal(r.done, 1);
    assert_int_equal(r.ns, d.ns);
    return d;
}

static struct vmsim_translation ask(struct vmsim_machine *m, uint32_t task, uint64_t va, enum vmsim_access_type type) {
    struct vmsim_translation t;
    assert_int_equal(vmsim_task_translate(m, task, va, type, &t, sizeof t), 0);
    return t;
}

/* An x86 entry: the frame it leads to. */
static uint64_t frame_of(uint64_t entry) {
    return entry & UINT64_C(0x000ffffffffff000);
}

static void a_translation_is_the_chain_of_entries(void **state) {
    (void)state;
    struct vmsim_machine *m = boot(SMALL, NULL);
    uint32_t task;
    assert_int_equal(vmsim_task_create(m, "t", 0, &task), 0);
    const uint64_t base = map(m, task, 16 * PAGE);
    struct vmsim_translation t = ask(m, task, base, VMSIM_LOAD);
    assert_string_equal(t.fault, "not present");
    assert_int_equal(t.fault_code, 4); /* user, read, not present */
    assert_int_equal(t.physical, 0);
    assert_int_equal(t.node, UINT32_MAX);
    assert_int_equal(counter(m, "vmstat.pgfault"), 0); /* to ask changes nothing */

    const struct vmsim_access_detail d = one(m, task, base + 100, 8, VMSIM_STORE);
    t = ask(m, task, base + 100, VMSIM_LOAD);
    assert_null(t.fault);
    assert_int_equal(t.physical, d.physical);
    assert_int_equal(t.page_size, PAGE);
    assert_int_equal(t.node, 0);
    assert_int_equal(t.tlb_level, 1);
    assert_int_equal(t.flags & (VMSIM_MMU_READ | VMSIM_MMU_WRITE | VMSIM_MMU_DIRTY | VMSIM_MMU_EXEC),
                     VMSIM_MMU_READ | VMSIM_MMU_WRITE | VMSIM_MMU_DIRTY);
    assert_int_equal(t.entries, 4);
    for (unsigned i = 0; i < 4; i++) { /* each leads to the table that the next stands in, the last one to the page */
        const uint64_t to = i < 3 ? t.entry[i + 1].address : t.physical;
        assert_int_equal(t.entry[i].level, 3 - i);
        assert_int_equal(t.entry[i].bytes, 8);
        assert_int_equal(frame_of(t.entry[i].value), to & ~UINT64_C(4095));
        assert_int_equal(t.entry[i].address % PAGE, 8 * (base >> (39 - 9 * i) & 511));
    }
    assert_int_equal(ask(m, task, base + 100, VMSIM_FETCH).fault_code, 0x15); /* user, fetch, present */
    assert_int_equal(vmsim_task_translate(m, 9, base, VMSIM_LOAD, &t, sizeof t), VMSIM_EINVAL);
    end(m);
}

static void a_caller_of_an_older_struct_gets_no_more(void **state) {
    (void)state;
    struct vmsim_machine *m = boot(SMALL, NULL);
    uint32_t task;
    assert_int_equal(vmsim_task_create(m, "t", 0, &task), 0);
    const uint64_t base = map(m, task, PAGE);
    struct vmsim_translation t;
    struct vmsim_access_detail d[2];
    struct vmsim_access_result r;
    const vmsim_access a[2] = {vmsim_access_make(base, 8, VMSIM_LOAD), vmsim_access_make(base + 8, 8, VMSIM_LOAD)};
    memset(d, 0x5a, sizeof d);
    memset(&t, 0x5a, sizeof t);
    assert_int_equal(vmsim_task_access_detailed(m, task, a, 2, d, sizeof d[0].physical, &r), 0);
    assert_int_equal(((uint64_t *)d)[1], ((uint64_t *)d)[0] + 8);
    assert_int_equal(((uint64_t *)d)[2], UINT64_C(0x5a5a5a5a5a5a5a5a));
    assert_int_equal(vmsim_task_translate(m, task, base, VMSIM_LOAD, &t, sizeof t.physical), 0);
    assert_int_equal(t.physical, ((uint64_t *)d)[0]);
    assert_int_equal(t.page_size, UINT64_C(0x5a5a5a5a5a5a5a5a));
    assert_int_equal(vmsim_task_translate(m, task, base, VMSIM_LOAD, &t, 0), VMSIM_EINVAL);
    end(m);
}

static void a_reference_tells_where_its_time_went(void **state) {
    (void)state;
    struct vmsim_machine *m = boot(SKYLAKE, NULL);
    uint32_t task;
    assert_int_equal(vmsim_task_create(m, "t", 0, &task), 0);
    const uint64_t base = map(m, task, 4096 * PAGE);

    struct vmsim_access_detail d = one(m, task, base, 8, VMSIM_STORE); /* faults: two walks */
    assert_int_equal(d.minor_faults, 1);
    assert_int_equal(d.major_faults, 0);
    assert_int_equal(d.walks, 2);
    assert_int_equal(d.tlb_level, 0);
    assert_true(d.fault_ns > 0 && d.ns >= d.fault_ns);
    assert_true(d.entries >= 2 && d.entries <= 8);
    const struct vmsim_translation t = ask(m, task, base, VMSIM_LOAD);
    assert_int_equal(d.entry[d.entries - 1], t.entry[3].address);

    d = one(m, task, base + 8, 8, VMSIM_LOAD); /* level 1 has it */
    assert_int_equal(d.tlb_level, 1);
    assert_int_equal(d.walks + d.entries + d.minor_faults, 0);
    assert_int_equal(d.fault_ns, 0);

    for (uint64_t page = 1; page < 128; page++) /* pushes it out of level 1's 64 entries */
        one(m, task, base + page * PAGE, 8, VMSIM_STORE);
    d = one(m, task, base + 8, 8, VMSIM_LOAD);
    assert_int_equal(d.tlb_level, 2);
    assert_int_equal(d.walks, 0);
    assert_true(d.cycles > 0);

    for (uint64_t page = 128; page < 4096; page++) /* and out of level 2 */
        one(m, task, base + page * PAGE, 8, VMSIM_STORE);
    d = one(m, task, base + 8, 8, VMSIM_LOAD);
    assert_int_equal(d.tlb_level, 0);
    assert_int_equal(d.walks, 1);
    assert_int_equal(d.minor_faults, 0);
    assert_int_equal(d.entry[d.entries - 1], t.entry[3].address);

    const struct vmsim_access_detail both = one(m, task, base + 2 * PAGE - 4, 8, VMSIM_LOAD); /* two pages */
    assert_int_equal(both.walks, 2);
    assert_int_equal(both.entry[both.entries - 1], ask(m, task, base + 2 * PAGE, VMSIM_LOAD).entry[3].address);
    end(m);
}

static void a_fault_that_waits_tells_of_its_device_alone(void **state) {
    (void)state;
    struct vmsim_machine *m = boot("machine: {cpus: 1, nodes: [{memory: 256MiB}],"
                                   " devices: [{name: sda, preset: hdd, read_latency: 10ms}]}\n",
                                   NULL);
    uint32_t task, other, file;
    assert_int_equal(vmsim_task_create(m, "t", 0, &task), 0);
    assert_int_equal(vmsim_task_create(m, "other", 0, &other), 0);
    assert_int_equal(vmsim_file_create(m, VMSIM_FILE_REGULAR, "/f", 1 << 20, false, &file), 0);
    const int64_t at = vmsim_task_mmap(m, task, 0, 1 << 20, 1, 1, file, 0);
    assert_true(at > 0);
    const struct vmsim_access_detail d = one(m, task, (uint64_t)at, 8, VMSIM_LOAD);
    assert_int_equal(d.major_faults, 1);
    assert_true(d.fault_ns > 10000000 && d.ns - d.fault_ns < 1000);
    end(m);
}

static void a_machine_without_an_mmu_reads_no_entry(void **state) {
    (void)state;
    struct vmsim_machine *m = boot("machine: {arch: nommu, nodes: [{memory: 256MiB}]}\n", NULL);
    uint32_t task;
    assert_int_equal(vmsim_task_create(m, "t", 0, &task), 0);
    const uint64_t base = map(m, task, 16 * PAGE);
    const struct vmsim_access_detail d = one(m, task, base + 5, 1, VMSIM_STORE);
    assert_int_equal(d.physical, base + 5);
    assert_int_equal(d.entries, 0);
    assert_int_equal(ask(m, task, base + 5, VMSIM_LOAD).physical, base + 5);
    end(m);
}

/* Two machines do the same, one of them asked about every reference: every counter is the same, and the details add up
 * to them. */
static void to_be_asked_changes_nothing(void **state) {
    (void)state;
    static const char *const machines[] = {
        "machine: {cpus: 1, nodes: [{memory: 128MiB}], preset: skylake-sp, transparent_hugepage: always}\n",
        "machine: {cpus: 1, nodes: [{memory: 128MiB}], arch: arm64_16k}\n",
        "machine: {cpus: 1, nodes: [{memory: 128MiB}], arch: riscv_sv39}\n",
    };
    for (size_t i = 0; i < sizeof machines / sizeof *machines; i++) {
        struct vmsim_machine *plain = boot(machines[i], NULL), *asked = boot(machines[i], NULL);
        uint32_t task;
        struct vmsim_access_result r = {0}, s = {0};
        static struct vmsim_access_detail d[512];
        static vmsim_access a[512];
        static uint64_t physical[512];
        uint64_t seed = test_seed(), entries = 0, walks = 0, faults = 0, ns = 0, plain_ns = 0;
        for (unsigned k = 0; k < 2; k++)
            assert_int_equal(vmsim_task_create(k ? plain : asked, "t", 0, &task), 0);
        const uint64_t base = map(plain, task, 40 << 20);
        assert_int_equal(map(asked, task, 40 << 20), base);
        for (unsigned round = 0; round < 40; round++) {
            for (size_t k = 0; k < 512; k++) {
                seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
                const uint64_t at = (seed >> 33) % ((round % 4 ? 4u : 40u) << 20);
                a[k] = vmsim_access_make(base + at, 1 + (seed >> 20) % 16, seed >> 60 & 1 ? VMSIM_STORE : VMSIM_LOAD);
            }
            a[511] = vmsim_access_make(base, 8, VMSIM_LOAD);
            assert_int_equal(vmsim_task_access(plain, task, a, 512, physical, &r), 0);
            assert_int_equal(vmsim_task_access_detailed(asked, task, a, 512, d, sizeof *d, &s), 0);
            assert_int_equal(r.done, s.done);
            plain_ns += r.ns;
            for (size_t k = 0; k < s.done; k++) {
                assert_int_equal(d[k].physical, physical[k]);
                entries += d[k].entries;
                walks += d[k].walks;
                faults += d[k].minor_faults + d[k].major_faults;
                ns += d[k].ns;
            }
        }
        assert_int_equal(ns, plain_ns);
        assert_int_equal(entries, counter(asked, "tlb.cpu0.walk_references"));
        assert_int_equal(walks, counter(asked, "tlb.cpu0.walks"));
        assert_int_equal(faults, counter(asked, "vmstat.pgfault"));
        assert_int_equal(vmsim_counter_count(plain), vmsim_counter_count(asked));
        for (size_t id = 0; id < vmsim_counter_count(plain); id++)
            if (vmsim_counter_read(plain, id) != vmsim_counter_read(asked, id))
                fail_msg("%s is %" PRIu64 " and %" PRIu64, vmsim_counter_name(plain, id), vmsim_counter_read(plain, id),
                         vmsim_counter_read(asked, id));
        end(plain);
        end(asked);
    }
}

static void a_dead_task_has_none(void **state) {
    (void)state;
    struct vmsim_machine *m = boot(SMALL, NULL);
    uint32_t task;
    struct vmsim_access_detail d;
    struct vmsim_access_result r;
    struct vmsim_translation t;
    assert_int_equal(vmsim_task_create(m, "t", 0, &task), 0);
    vmsim_access a = vmsim_access_make(4096, 8, VMSIM_LOAD);
    assert_int_equal(vmsim_task_access_detailed(m, task, &a, 1, &d, sizeof d, &r), 0);
    assert_int_equal(r.stop, VMSIM_STOP_SIGSEGV);
    assert_int_equal(r.done, 0);
    assert_int_equal(r.address, 4096);
    assert_int_equal(vmsim_task_access_detailed(m, task, &a, 1, &d, sizeof d, &r), 0);
    assert_int_equal(r.stop, VMSIM_STOP_DEAD);
    assert_int_equal(vmsim_task_translate(m, task, 4096, VMSIM_LOAD, &t, sizeof t), VMSIM_EINVAL);
    end(m);
}

/* --- Policies of the calling program --- */

static unsigned victims;

static int create_first(const struct vmsim_policy_services *services, const struct vmsim_tlb_geometry *geometry,
                        const void *params, void **context) {
    (void)services, (void)geometry, (void)params;
    *context = NULL;
    return 0;
}

static uint32_t first_way(void *context, const struct vmsim_tlb_set *set) {
    (void)context;
    victims++;
    return set->first;
}

static const struct vmsim_tlb_replacement_policy first = {
    .policy = {.size = sizeof first,
               .abi = VMSIM_POLICY_ABI,
               .domain = VMSIM_POLICY_TLB_REPLACEMENT,
               .name = "first",
               .doc = "The first way goes."},
    .create = create_first,
    .victim = first_way,
};

static void a_policy_of_the_program_is_known_by_its_name(void **state) {
    (void)state;
    struct vmsim_machine *m = boot("machine: {cpus: 1, nodes: [{memory: 256MiB}]}\n"
                                   "policies: {tlb_replacement: {name: first}}\n",
                                   &first.policy);
    uint32_t task;
    const char *origin = NULL;
    bool found = false;
    for (size_t i = 0; vmsim_machine_policy(m, i, &origin); i++)
        if (!strcmp(vmsim_machine_policy(m, i, NULL)->name, "first") && !strcmp(origin, "linked-in"))
            found = true;
    assert_true(found);
    assert_int_equal(vmsim_task_create(m, "t", 0, &task), 0);
    const uint64_t base = map(m, task, 4096 * PAGE);
    victims = 0;
    for (uint64_t page = 0; page < 4096; page++)
        one(m, task, base + page * PAGE, 8, VMSIM_STORE);
    assert_true(victims > 1000);
    end(m);
}

static void a_policy_that_cannot_be_is_told_when_a_machine_is_made(void **state) {
    (void)state;
    struct vmsim_tlb_replacement_policy wrong = first;
    struct vmsim_config *config;
    struct vmsim_machine *m;
    wrong.policy.name = "lru"; /* there is one */
    assert_int_equal(vmsim_config_create(&config), 0);
    assert_int_equal(vmsim_config_add_policy(config, &wrong.policy), 0);
    assert_int_equal(vmsim_config_resolve(config), 0);
    assert_true(vmsim_machine_create(config, &m) < 0);
    assert_non_null(strstr(vmsim_config_error_text(config, 0), "lru"));
    vmsim_config_destroy(config);
}

/* Every section is JSON with its own key, and counts what the machine's counters count. */
static void test_statistics_come_by_section(void **state) {
    static const char *const names[] = {
        "where_the_time_went", "tasks",          "tlb",       "tlb_by_cpu",     "walk_caches",    "page_walks",
        "tlb_flushes",         "faults_by_kind", "latencies", "memory_by_node", "memory_by_zone", "page_cache",
        "storage_devices",     "page_tables",    "policies",  "counters"};
    const char *text;
    size_t size;
    uint32_t task;
    (void)state;
    struct vmsim_machine *m = boot(SKYLAKE, NULL);
    assert_int_equal(vmsim_task_create(m, "counted", 0, &task), 0);
    const uint64_t at = map(m, task, 4 * PAGE);
    for (unsigned i = 0; i < 4; i++)
        one(m, task, at + i * PAGE, 8, VMSIM_STORE);
    for (size_t i = 0; i < TEST_COUNT(names); i++) {
        assert_int_equal(vmsim_report_section(m, names[i], &text, &size), 0);
        assert_int_equal(size, strlen(text));
        json_t *all = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
        if (!all || !json_object_get(all, names[i]))
            fail_msg("%s: %s", names[i], text);
        const json_t *of = json_object_get(all, names[i]);
        if (!strcmp(names[i], "tasks"))
            assert_int_equal(json_integer_value(json_object_get(json_array_get(of, 0), "minor_faults")), 4);
        if (!strcmp(names[i], "counters"))
            assert_int_equal(json_integer_value(json_object_get(of, "vmstat.pgfault")), counter(m, "vmstat.pgfault"));
        json_decref(all);
        vmsim_report_proc_free(m, text);
    }
    assert_int_equal(vmsim_report_section(m, "machine", &text, NULL), VMSIM_ENOENT);
    assert_null(text);
    assert_non_null(strstr(vmsim_machine_error(m), "no section 'machine' of a machine; there are where_the_time_went"));
    assert_int_equal(vmsim_report_section(m, NULL, &text, NULL), VMSIM_EINVAL);
    end(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statistics_come_by_section),
        cmocka_unit_test(a_translation_is_the_chain_of_entries),
        cmocka_unit_test(a_caller_of_an_older_struct_gets_no_more),
        cmocka_unit_test(a_reference_tells_where_its_time_went),
        cmocka_unit_test(a_fault_that_waits_tells_of_its_device_alone),
        cmocka_unit_test(a_machine_without_an_mmu_reads_no_entry),
        cmocka_unit_test(to_be_asked_changes_nothing),
        cmocka_unit_test(a_dead_task_has_none),
        cmocka_unit_test(a_policy_of_the_program_is_known_by_its_name),
        cmocka_unit_test(a_policy_that_cannot_be_is_told_when_a_machine_is_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
