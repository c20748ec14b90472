/* SPDX-License-Identifier: MIT */
/* Which tasks of a recorded process end together: a process of three threads, with a child by fork and one by vfork, is
 * replayed up to one event, which ends some of them. */
#include "helpers.h"

#include "scenario/replay.h"
#include "vmsim/trace.h"

enum { MAIN, FIRST, SECOND, FORKED, VFORKED, TASKS };
enum { FUTEX_WAIT, FUTEX_WAKE, SYS_FUTEX = 202 };

static void append(struct vmsim_trace_writer *w, uint32_t task, enum vmsim_trace_event_type type, uint64_t a0,
                   uint64_t a1) {
    struct vmsim_trace_event e = {.type = type, .file = VMSIM_TRACE_NO_FILE, .args = {a0, a1}};
    assert_int_equal(vmsim_trace_append_event(w, task, &e), 0);
}

static void futex(struct vmsim_trace_writer *w, uint32_t task, unsigned op) {
    struct vmsim_trace_event e = {
        .type = VMSIM_TRACE_SYSCALL, .file = VMSIM_TRACE_NO_FILE, .args = {SYS_FUTEX, 0x1000, op, 1}};
    assert_int_equal(vmsim_trace_append_event(w, task, &e), 0);
}

static struct vmsim_trace_writer *begin(const char *path) {
    struct vmsim_trace_writer *w;
    assert_int_equal(vmsim_trace_create(path, NULL, &w), 0);
    append(w, MAIN, VMSIM_TRACE_START, 100, 100);
    append(w, MAIN, VMSIM_TRACE_FORK, FIRST, VMSIM_TRACE_FORK_VM);
    append(w, FIRST, VMSIM_TRACE_FORK, SECOND, VMSIM_TRACE_FORK_VM | VMSIM_TRACE_FORK_FILES);
    append(w, MAIN, VMSIM_TRACE_FORK, FORKED, 0);
    append(w, MAIN, VMSIM_TRACE_FORK, VFORKED, VMSIM_TRACE_FORK_VFORK);
    futex(w, MAIN, FUTEX_WAKE); /* whatever the threads do next, they do after the forks */
    futex(w, FIRST, FUTEX_WAIT);
    futex(w, SECOND, FUTEX_WAIT);
    return w;
}

/* Replays the trace; which of its tasks are alive then. The end of a trace ends its first task. */
static void expect_alive(struct vmsim_trace_writer *w, const char *path, const char *alive) {
    char text[300], error[300] = "", found[TASKS + 1] = "";
    struct vmsim_config *config;
    struct vmsim_scenario *s;
    if (vmsim_trace_finish(w, error, sizeof error))
        fail_msg("%s", error);
    snprintf(text, sizeof text,
             "machine: {nodes: [{memory: 64MiB}], cpus: 2}\nworkload: {tasks: [{name: t, trace: '%s'}]}\n", path);
    assert_int_equal(vmsim_config_create(&config), 0);
    assert_int_equal(vmsim_config_load_text(config, "threads", text, strlen(text)), 0);
    assert_int_equal(vmsim_config_resolve(config), 0);
    assert_int_equal(vmsim_scenario_create(config, &s), 0);
    if (vmsim_scenario_run(s, NULL, NULL))
        fail_msg("%s", vmsim_scenario_error(s));
    assert_int_equal(vmsim_task_count(s->machine), TASKS);
    for (uint32_t i = 0; i < TASKS; i++)
        found[i] = vmsim__task_at(s->machine, s->replays.at[0]->tasks.at[i])->mm ? 'a' : '-';
    assert_string_equal(found, alive);
    assert_int_equal(vmsim_machine_check(s->machine), 0);
    assert_int_equal(vmsim_scenario_destroy(s), 0);
    vmsim_config_destroy(config);
    unlink(path);
}

static const char *path_of(char *buffer, size_t size) {
    snprintf(buffer, size, "/tmp/vmsim-threads-%ld.vmt", (long)getpid());
    return buffer;
}

static void a_refused_reference_ends_all_threads_and_no_child(void **state) {
    (void)state;
    char path[64];
    struct vmsim_trace_writer *w = begin(path_of(path, sizeof path));
    vmsim_access a = vmsim_access_make(0x1000, 8, VMSIM_STORE);
    assert_int_equal(vmsim_trace_append(w, SECOND, &a, 1), 0);
    expect_alive(w, path, "---aa");
}

static void exit_group_ends_all_threads_and_exit_only_one(void **state) {
    (void)state;
    char path[64];
    struct vmsim_trace_writer *w = begin(path_of(path, sizeof path));
    append(w, FIRST, VMSIM_TRACE_EXIT, 3, 1);
    expect_alive(w, path, "---aa");
    w = begin(path);
    append(w, FIRST, VMSIM_TRACE_EXIT, 3, 0);
    expect_alive(w, path, "--aaa");
}

static void the_death_of_a_vfork_child_is_its_own(void **state) {
    (void)state;
    char path[64];
    struct vmsim_trace_writer *w = begin(path_of(path, sizeof path));
    vmsim_access a = vmsim_access_make(0x1000, 8, VMSIM_LOAD);
    assert_int_equal(vmsim_trace_append(w, VFORKED, &a, 1), 0);
    expect_alive(w, path, "-aaa-");
}

/* de_thread */
static void exec_ends_the_other_threads(void **state) {
    (void)state;
    char path[64];
    struct vmsim_trace_writer *w = begin(path_of(path, sizeof path));
    struct vmsim_trace_segment text = {.va = 0x400000, .length = 4096, .file_bytes = 4096, .prot = 5};
    struct vmsim_trace_exec x = {.stack_top = UINT64_C(0x7ffffffff000),
                                 .stack_limit = 8 << 20,
                                 .brk_start = 0x500000,
                                 .segments = &text,
                                 .segment_count = 1};
    struct vmsim_trace_event file = {.type = VMSIM_TRACE_FILE, .args = {8192}, .path = "/x"};
    struct vmsim_trace_event e = {.type = VMSIM_TRACE_EXEC, .path = "/x", .exec = &x};
    assert_int_equal(vmsim_trace_append_event(w, SECOND, &file), 0);
    assert_int_equal(vmsim_trace_append_event(w, SECOND, &e), 0);
    expect_alive(w, path, "--aaa");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_reference_ends_all_threads_and_no_child),
        cmocka_unit_test(exit_group_ends_all_threads_and_exit_only_one),
        cmocka_unit_test(the_death_of_a_vfork_child_is_its_own),
        cmocka_unit_test(exec_ends_the_other_threads),
    };
    return cmocka_run_group_tests_name("replay_threads", tests, NULL, NULL);
}
