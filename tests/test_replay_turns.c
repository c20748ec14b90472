/* SPDX-License-Identifier: MIT */
/* Tasks of a recorded program side by side: each waits alone, for what it waited for when it was recorded, and for
 * nothing else. */
#include "helpers.h"

#include "scenario/replay.h"
#include "vmsim/trace.h"

#define MS UINT64_C(1000000)
#define PAGES UINT64_C(0x10000000) /* 256 pages that all threads share */
#define OTHER UINT64_C(0x20000000)

enum { MAIN, FIRST, SECOND, TASKS };
enum { FUTEX_WAIT = 0x80, FUTEX_WAKE = 0x81, SYS_WAIT4 = 61, SYS_FUTEX = 202, TIMED_OUT = -110 };

static struct {
    struct vmsim_trace_writer *w;
    char path[64];
    struct vmsim_config *config;
    struct vmsim_scenario *s;
} now;

static void event(uint32_t task, enum vmsim_trace_event_type type, int64_t result, uint64_t a0, uint64_t a1,
                  uint64_t a2, uint64_t a3) {
    struct vmsim_trace_event e = {
        .type = type, .file = VMSIM_TRACE_NO_FILE, .args = {a0, a1, a2, a3}, .result = result};
    assert_int_equal(vmsim_trace_append_event(now.w, task, &e), 0);
}

static void refer(uint32_t task, uint64_t va, size_t count) {
    static vmsim_access a[4096];
    while (count) {
        const size_t n = count < TEST_COUNT(a) ? count : TEST_COUNT(a);
        for (size_t i = 0; i < n; i++)
            a[i] = vmsim_access_make(va + i % 512 * 8, 8, VMSIM_STORE);
        assert_int_equal(vmsim_trace_append(now.w, task, a, n), 0);
        count -= n;
    }
}

static void map(uint32_t task, uint64_t va) {
    event(task, VMSIM_TRACE_MMAP, (int64_t)va, va, 1 << 20, 3, 0x22);
}

/* The device takes its time for it. */
static void read_slowly(uint32_t task) {
    struct vmsim_trace_event e = {.type = VMSIM_TRACE_READ, .file = 0, .args = {3, 0, 4096, 0}, .result = 4096};
    assert_int_equal(vmsim_trace_append_event(now.w, task, &e), 0);
}

static void futex(uint32_t task, uint64_t address, unsigned op, int64_t result) {
    event(task, VMSIM_TRACE_SYSCALL, result, SYS_FUTEX, address, op, 1);
}

static void fork_task(uint32_t parent, uint32_t child, unsigned flags) {
    event(parent, VMSIM_TRACE_FORK, 0, child, flags, 0, 0);
    event(child, VMSIM_TRACE_START, 0, flags & VMSIM_TRACE_FORK_VM ? 100 : 100 + child, 100 + child, 0, 0);
}

static void leave(uint32_t task) {
    event(task, VMSIM_TRACE_EXIT, 0, 0, 0, 0, 0);
}

/* A process that maps PAGES, knows a file, and has two children. */
static void begin(unsigned flags) {
    snprintf(now.path, sizeof now.path, "/tmp/vmsim-turns-%ld.vmt", (long)getpid());
    assert_int_equal(vmsim_trace_create(now.path, NULL, &now.w), 0);
    struct vmsim_trace_event file = {.type = VMSIM_TRACE_FILE, .args = {1 << 20}, .path = "/cold"};
    event(MAIN, VMSIM_TRACE_START, 0, 100, 100, 0, 0);
    assert_int_equal(vmsim_trace_append_event(now.w, MAIN, &file), 0);
    map(MAIN, PAGES);
    fork_task(MAIN, FIRST, flags);
    fork_task(MAIN, SECOND, flags);
}

static void finish(void) {
    char error[300] = "";
    if (vmsim_trace_finish(now.w, error, sizeof error))
        fail_msg("%s", error);
}

/* `keys`: of the task; `more`: tasks beside it. */
static void replay(const char *latency, const char *keys, const char *more, const char *report, uint64_t verify) {
    char text[900];
    snprintf(text, sizeof text,
             "machine: {nodes: [{memory: 256MiB}], cpus: 4, transparent_hugepage: never, page_cache: {device: "
             "{read_latency: %s}}}\n"
             "workload:\n  tasks:\n    - {name: t, trace: '%s', cached: false%s}\n%s%s",
             latency, now.path, keys, more, report);
    assert_int_equal(vmsim_config_create(&now.config), 0);
    assert_int_equal(vmsim_config_load_text(now.config, "turns.yaml", text, strlen(text)), 0);
    if (vmsim_config_resolve(now.config) || vmsim_scenario_create(now.config, &now.s))
        fail_msg("%s", vmsim_config_error_text(now.config, 0));
    vmsim_scenario_verify(now.s, verify);
    if (vmsim_scenario_run(now.s, NULL, NULL))
        fail_msg("%s", vmsim_scenario_error(now.s));
    assert_int_equal(vmsim_machine_check(now.s->machine), 0);
    assert_int_equal(vmsim_scenario_differences(now.s), 0);
}

static const struct vmsim__task *task(uint32_t number) {
    const struct vmsim__task *t = vmsim__task_at(now.s->machine, now.s->replays.at[0]->tasks.at[number]);
    assert_non_null(t);
    assert_int_equal(t->stop, VMSIM_STOP_NONE);
    return t;
}

static void end(void) {
    assert_int_equal(vmsim_scenario_destroy(now.s), 0);
    vmsim_config_destroy(now.config);
}

static void finish_and_replay(void) {
    finish();
    replay("10ms", "", "", "", 1);
}

static void end_all(void) {
    end();
    unlink(now.path);
}

/* ---- CPUs ---- */

static void write_work(void) {
    begin(VMSIM_TRACE_FORK_VM);
    for (unsigned i = 0; i < 50; i++) {
        refer(FIRST, PAGES, 1000);
        refer(SECOND, PAGES + 4096, 1000);
    }
    leave(FIRST);
    leave(SECOND);
    finish();
}

static uint64_t length_of(uint32_t number) {
    return task(number)->end_ns - task(number)->start_ns;
}

static void threads_run_on_cpus_of_their_own(void **state) {
    (void)state;
    write_work();
    replay("10ms", "", "", "", 0);
    assert_int_equal(task(MAIN)->cpu, 0);
    assert_int_equal(task(FIRST)->cpu, 1);
    assert_int_equal(task(SECOND)->cpu, 2);
    const uint64_t alone = length_of(FIRST);
    assert_true(task(FIRST)->start_ns < task(SECOND)->end_ns && task(SECOND)->start_ns < task(FIRST)->end_ns);
    assert_int_equal(task(FIRST)->stats.waiting_ns + task(SECOND)->stats.waiting_ns, 0);
    end();
    replay("10ms", ", cpus: [3, 1]", "", "", 0);
    assert_int_equal(task(MAIN)->cpu, 3);
    assert_int_equal(task(FIRST)->cpu, 1);
    assert_int_equal(task(SECOND)->cpu, 3);
    end();
    replay("10ms", ", cpu: 2", "", "", 0);
    assert_int_equal(task(FIRST)->cpu, 2);
    assert_int_equal(task(SECOND)->cpu, 2);
    assert_true(vmsim__max64(length_of(FIRST), length_of(SECOND)) > alone * 3 / 2);
    end_all();
}

static void expect_refused(const char *keys, const char *wanted) {
    char text[400];
    struct vmsim_scenario *s;
    snprintf(text, sizeof text,
             "machine: {cpus: 2, nodes: [{memory: 64MiB}]}\nworkload:\n  tasks:\n    - {name: t%s}\n", keys);
    assert_int_equal(vmsim_config_create(&now.config), 0);
    assert_int_equal(vmsim_config_load_text(now.config, "turns.yaml", text, strlen(text)), 0);
    assert_int_equal(vmsim_config_resolve(now.config), 0);
    assert_int_not_equal(vmsim_scenario_create(now.config, &s), 0);
    for (size_t i = 0; i < vmsim_config_error_count(now.config); i++)
        if (!strncmp(vmsim_config_error_text(now.config, i), wanted, strlen(wanted))) {
            vmsim_config_destroy(now.config);
            return;
        }
    fail_msg("'%s' is not among the errors, the first of which is '%s'", wanted,
             vmsim_config_error_text(now.config, 0));
}

static void cpus_that_do_not_exist_are_told_with_their_place(void **state) {
    char keys[128];
    (void)state;
    write_work();
    snprintf(keys, sizeof keys, ", cpus: [0, 7], trace: '%s'", now.path);
    expect_refused(
        keys,
        "turns.yaml:4:27: error: workload.tasks[0].cpus[1]: there is no CPU 7: the machine has 2, numbered from 0");
    expect_refused(", cpus: [0], program: [{compute: {time: 1ms}}]",
                   "turns.yaml:4:17: error: workload.tasks[0].cpus: cpus is for traces: a described program has `cpu`, "
                   "and each fork step has");
    snprintf(keys, sizeof keys, ", cpu: 1, cpus: [0], trace: '%s'", now.path);
    expect_refused(keys, "turns.yaml:4:22: error: workload.tasks[0].cpu: the first task's CPU is none of cpus: add it "
                         "there, or leave it out here");
    unlink(now.path);
}

/* ---- waiting ---- */

static void a_task_that_waits_for_a_device_holds_nobody(void **state) {
    (void)state;
    begin(VMSIM_TRACE_FORK_VM);
    read_slowly(FIRST);
    refer(FIRST, PAGES, 1000);
    refer(SECOND, PAGES, 20000);
    map(SECOND, OTHER);
    refer(SECOND, OTHER, 1000);
    leave(SECOND);
    leave(FIRST);
    finish_and_replay();
    assert_true(task(SECOND)->end_ns < 5 * MS);
    assert_true(task(FIRST)->end_ns > 10 * MS);
    end_all();
}

/* FIRST wakes SECOND once it has read. */
static uint64_t end_of_second(uint64_t address, int64_t result) {
    begin(VMSIM_TRACE_FORK_VM);
    read_slowly(FIRST);
    futex(FIRST, PAGES, FUTEX_WAKE, 1);
    futex(SECOND, address, FUTEX_WAIT, result);
    leave(SECOND);
    leave(FIRST);
    finish_and_replay();
    const uint64_t ns = task(SECOND)->end_ns;
    end_all();
    return ns;
}

static void who_was_woken_goes_on_when_its_waker_has_come_as_far(void **state) {
    (void)state;
    assert_true(end_of_second(PAGES, 0) > 10 * MS);
    assert_true(end_of_second(PAGES + 64, 0) < 5 * MS);
    assert_true(end_of_second(PAGES, TIMED_OUT) < 5 * MS);
}

static void a_parent_waits_for_its_child_and_not_for_others(void **state) {
    (void)state;
    for (uint32_t child = FIRST; child <= SECOND; child++) {
        begin(0);
        read_slowly(FIRST);
        leave(FIRST);
        leave(SECOND);
        event(MAIN, VMSIM_TRACE_SYSCALL, 100 + child, SYS_WAIT4, 100 + child, 0, 0);
        event(MAIN, VMSIM_TRACE_MARKER, 0, 0, 0, 0, 0);
        leave(MAIN);
        finish_and_replay();
        if (child == FIRST)
            assert_true(task(MAIN)->end_ns >= task(FIRST)->end_ns);
        else
            assert_true(task(MAIN)->end_ns < 5 * MS);
        end_all();
    }
}

static void a_vforked_child_goes_its_own_way_first(void **state) {
    (void)state;
    begin(VMSIM_TRACE_FORK_VFORK);
    read_slowly(SECOND);
    leave(FIRST);
    leave(SECOND);
    refer(MAIN, PAGES, 10);
    leave(MAIN);
    finish_and_replay();
    assert_true(task(MAIN)->end_ns > 10 * MS);
    end_all();
}

/* ---- memory ---- */

static void what_is_unmapped_has_been_used_before(void **state) {
    (void)state;
    for (unsigned used = 0; used < 2; used++) {
        begin(VMSIM_TRACE_FORK_VM);
        map(MAIN, OTHER);
        futex(MAIN, PAGES, FUTEX_WAKE, 2);
        futex(FIRST, PAGES, FUTEX_WAIT, 0);
        futex(SECOND, PAGES, FUTEX_WAIT, 0);
        read_slowly(FIRST);
        refer(FIRST, used ? OTHER : PAGES, 100);
        event(SECOND, VMSIM_TRACE_MUNMAP, 0, OTHER, 1 << 20, 0, 0);
        leave(SECOND);
        leave(FIRST);
        finish_and_replay();
        assert_int_equal(task(SECOND)->end_ns > 10 * MS, used);
        end_all();
    }
}

static void what_is_used_has_been_mapped_before(void **state) {
    (void)state;
    for (unsigned used = 0; used < 2; used++) {
        begin(VMSIM_TRACE_FORK_VM);
        read_slowly(FIRST);
        map(FIRST, OTHER);
        refer(SECOND, used ? OTHER : PAGES, 100);
        leave(SECOND);
        leave(FIRST);
        finish_and_replay();
        assert_int_equal(task(SECOND)->end_ns > 10 * MS, used);
        end_all();
    }
}

static void nobody_gets_further_ahead_than_the_window(void **state) {
    (void)state;
    begin(VMSIM_TRACE_FORK_VM);
    read_slowly(FIRST);
    refer(SECOND, PAGES, VMSIM__ORDER_WINDOW + (1 << 16));
    leave(SECOND);
    leave(FIRST);
    finish();
    replay("10s", "", "", "", 0);
    assert_true(task(SECOND)->end_ns > 10000 * MS);
    end_all();
}

/* ---- what must not matter ---- */

static void how_work_is_cut_does_not_matter(void **state) {
    static const struct {
        const char *more, *report;
        uint64_t verify;
    } others[] = {
        {"    - {name: z, cpu: 3, program: [{repeat: {times: 3000, steps: [{compute: {time: 777ns}}]}}]}\n", "", 0},
        {"", "report: {interval: 1us}\n", 0},
        {"    - {name: z, cpu: 3, program: [{repeat: {times: 300, steps: [{sleep: {time: 3us}}]}}]}\n",
         "report: {interval: 1700ns}\n", 10},
    };
    struct vmsim__task_stats plain[TASKS];
    uint64_t ends[TASKS];
    (void)state;
    begin(VMSIM_TRACE_FORK_VM);
    for (unsigned i = 0; i < 40; i++) {
        const uint64_t place = OTHER + (uint64_t)i * (1 << 20);
        refer(FIRST, PAGES + i * 4096, 700 + i * 13);
        map(FIRST, place);
        refer(SECOND, PAGES + i * 8192 % (1 << 20), 500);
        refer(SECOND, place, 300);
        futex(SECOND, PAGES, FUTEX_WAKE, 1);
        futex(FIRST, PAGES, FUTEX_WAIT, 0);
        if (i % 8 == 0)
            read_slowly(i % 16 ? FIRST : SECOND);
        refer(FIRST, place + 4096, 900);
        event(SECOND, VMSIM_TRACE_MUNMAP, 0, place, 1 << 20, 0, 0);
    }
    leave(FIRST);
    leave(SECOND);
    finish();
    replay("100us", ", cpus: [0, 1, 2]", "", "", 0);
    for (uint32_t k = 0; k < TASKS; k++) {
        plain[k] = task(k)->stats;
        ends[k] = task(k)->end_ns;
    }
    end();
    for (size_t i = 0; i < TEST_COUNT(others); i++) {
        replay("100us", ", cpus: [0, 1, 2]", others[i].more, others[i].report, others[i].verify);
        for (uint32_t k = 0; k < TASKS; k++) {
            assert_memory_equal(&task(k)->stats, &plain[k], sizeof plain[k]);
            assert_int_equal(task(k)->end_ns, ends[k]);
        }
        end();
    }
    unlink(now.path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_run_on_cpus_of_their_own),
        cmocka_unit_test(cpus_that_do_not_exist_are_told_with_their_place),
        cmocka_unit_test(a_task_that_waits_for_a_device_holds_nobody),
        cmocka_unit_test(who_was_woken_goes_on_when_its_waker_has_come_as_far),
        cmocka_unit_test(a_parent_waits_for_its_child_and_not_for_others),
        cmocka_unit_test(a_vforked_child_goes_its_own_way_first),
        cmocka_unit_test(what_is_unmapped_has_been_used_before),
        cmocka_unit_test(what_is_used_has_been_mapped_before),
        cmocka_unit_test(nobody_gets_further_ahead_than_the_window),
        cmocka_unit_test(how_work_is_cut_does_not_matter),
    };
    return cmocka_run_group_tests_name("replay_turns", tests, NULL, NULL);
}
