/* SPDX-License-Identifier: MIT */
/* A recorded program behaves as it does without the recorder, and its replay faults as it did: each program of
 * tests/recorded/ runs natively and recorded, what it prints and how it ends must be equal, and its trace is replayed
 * to its end. Faults are held against the kernel that runs this test, with 3 % and ten faults to spare for what differs
 * between its release and the simulated one. Skipped where qemu-x86_64 is not installed. */
#include "helpers.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "scenario/engine.h"
#include "vmsim/trace.h"

struct outcome {
    char printed[16384];
    int status;
    long faults;
};

static void read_all(int fd, char *to, size_t size) {
    size_t n = 0;
    ssize_t got;
    while (n + 1 < size && (got = pread(fd, to + n, size - 1 - n, (off_t)n)) > 0)
        n += (size_t)got;
    to[n] = 0;
}

static void program_path(char *to, size_t size, const char *name) {
    snprintf(to, size, "%s/recorded_%s", TEST_RECORDED, name);
}

static int output_file(void) {
    int fd = open("recorded.out", O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    unlink("recorded.out");
    return fd;
}

/* Without huge pages, which the replay does without, too; where the program lies decides how many pages its segments
 * are spread over. */
static void run_natively(const char *name, struct outcome *o) {
    char path[512];
    struct rusage usage;
    int out = output_file();
    program_path(path, sizeof path, name);
    volatile long before = 0;
    pid_t child = vfork();
    if (child == 0) {
        dup2(out, 1);
        personality(ADDR_NO_RANDOMIZE);
        prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
        getrusage(RUSAGE_SELF, &usage);
        before = usage.ru_minflt;
        execl(path, name, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(wait4(child, &o->status, 0, &usage), child);
    o->faults = usage.ru_minflt - before;
    read_all(out, o->printed, sizeof o->printed);
    close(out);
}

static struct vmsim_record_result result;

static void record_it(const char *name, struct outcome *o) {
    char path[512], trace[128];
    program_path(path, sizeof path, name);
    snprintf(trace, sizeof trace, "%s.vmt", name);
    char *const argv[] = {path, NULL};
    const struct vmsim_record_options options = {.size = sizeof options, .output = trace, .argv = argv};
    int out = output_file(), saved = dup(1);
    dup2(out, 1);
    int err = vmsim_record(&options, &result);
    dup2(saved, 1);
    close(saved);
    if (err)
        fail_msg("%s", result.error);
    o->status = result.exit_status < 0 ? -result.exit_status : result.exit_status << 8;
    read_all(out, o->printed, sizeof o->printed);
    close(out);
}

static uint64_t counter(struct vmsim_machine *m, const char *name) {
    size_t id;
    assert_int_equal(vmsim_counter_find(m, name, &id), 0);
    return vmsim_counter_read(m, id);
}

/* Of the last replay: pages of shared memory at its end, faults that got a huge page, and recorded calls that came out
 * otherwise. */
static uint64_t last_shmem, last_huge, last_differences;

/* Runs the trace on a machine of its own; the faults of all its tasks. */
static long replay(const char *name, const char *machine) {
    char text[512];
    struct vmsim_config *config;
    struct vmsim_scenario *s;
    long faults = 0;
    snprintf(text, sizeof text, "machine: {%s}\nworkload: {tasks: [{name: t, trace: %s.vmt}]}\n", machine, name);
    assert_int_equal(vmsim_config_create(&config), 0);
    if (vmsim_config_load_text(config, name, text, strlen(text)) || vmsim_config_resolve(config))
        fail_msg("%s", "the configuration is wrong");
    assert_int_equal(vmsim_scenario_create(config, &s), 0);
    if (vmsim_scenario_run(s, NULL, NULL))
        fail_msg("%s", vmsim_scenario_error(s));
    for (size_t i = 0; i < s->machine->tasks.count; i++)
        faults += (long)vmsim__task_at(s->machine, (uint32_t)i)->stats.min_flt;
    last_shmem = counter(s->machine, "vmstat.nr_shmem");
    last_huge = counter(s->machine, "vmstat.thp_fault_alloc");
    last_differences = vmsim_scenario_differences(s);
    assert_int_equal(vmsim_machine_check(s->machine), 0);
    assert_int_equal(vmsim_scenario_destroy(s), 0);
    vmsim_config_destroy(config);
    return faults;
}

static const char small_machine[] = "nodes: [{memory: 512MiB}], transparent_hugepage: never";

static struct outcome native, recorded;

static void need_qemu(void) {
    if (access("/usr/bin/qemu-x86_64", X_OK)) {
        print_message("qemu-x86_64 is not installed\n");
        skip();
    }
}

static void expect_the_same(const char *name) {
    need_qemu();
    run_natively(name, &native);
    for (unsigned i = 0; i < 4;
         i++) { /* a busy host makes faults of its own: threads come to need more stacks at once */
        struct outcome again;
        run_natively(name, &again);
        native.faults = again.faults < native.faults ? again.faults : native.faults;
    }
    record_it(name, &recorded);
    assert_string_equal(recorded.printed, native.printed);
    assert_int_equal(recorded.status, native.status);
    long faults = replay(name, small_machine), spare = native.faults * 3 / 100 + 10;
    print_message("%s: %ld faults natively, %ld replayed\n", name, native.faults, faults);
    assert_in_range(faults, native.faults - spare, native.faults + spare);
}

static void children_share_their_parents_memory_until_exec(void **state) {
    (void)state;
    expect_the_same("spawn");
}

static void the_vdso_has_all_parts_that_runtimes_read(void **state) {
    (void)state;
    expect_the_same("vdso");
}

static void the_clock_goes_by_what_a_program_does(void **state) {
    (void)state;
    expect_the_same("clock");
}

static void children_that_share_memory_are_processes(void **state) {
    struct vmsim_trace_reader *r;
    (void)state;
    expect_the_same("sharers");
    assert_int_equal(WEXITSTATUS(recorded.status), 3);
    assert_string_equal(result.notes, "");
    assert_int_equal(vmsim_trace_open("sharers.vmt", 0, &r), 0);
    assert_int_equal(vmsim_trace_get_info(r)->tasks, 5);
    assert_int_equal(vmsim_trace_get_task(r, 1)->exit_status, 7);
    assert_int_equal(vmsim_trace_get_task(r, 3)->exit_status, -SIGKILL);
    vmsim_trace_close(r);
}

static void mappings_lie_where_the_kernel_puts_them(void **state) {
    (void)state;
    expect_the_same("placement");
}

static void reservations_cost_nothing_and_hold_buffers(void **state) {
    (void)state;
    expect_the_same("reservations");
}

static void advice_and_policies_are_the_kernels(void **state) {
    (void)state;
    struct vmsim_trace_reader *r;
    expect_the_same("advice");
    assert_int_equal(vmsim_trace_open("advice.vmt", 0, &r), 0);
    assert_int_equal(vmsim_trace_get_info(r)->event_types[VMSIM_TRACE_MEMPOLICY], 2);
    vmsim_trace_close(r);
}

static void calls_that_fail_half_way_do_their_half(void **state) {
    (void)state;
    expect_the_same("partial");
}

static void segments_attached_twice_are_one_memory(void **state) {
    (void)state;
    expect_the_same("segments");
}

/* Files of one name are files of their own, and one without name and user gives its pages back. */
static void files_are_known_by_what_they_are(void **state) {
    (void)state;
    expect_the_same("files");
    assert_int_equal(last_shmem, 0);
}

/* Calls over holes and half-way ones among them: each comes out as it did. */
static void calls_of_chance_come_out_alike(void **state) {
    (void)state;
    expect_the_same("random");
    assert_int_equal(last_differences, 0);
}

/* Valgrind and others look there for what they may execute. */
static void a_program_sees_its_mappings_as_it_made_them(void **state) {
    (void)state;
    expect_the_same("maps");
}

static void calls_on_other_processes_come_out_alike(void **state) {
    (void)state;
    expect_the_same("remote");
    assert_int_equal(last_differences, 0);
    assert_int_equal(result.differences, 0);
}

/* Also on a stack of their own, one in the other, and left by a jump. */
static void signal_handlers_have_their_stack_as_linux_gives_it(void **state) {
    (void)state;
    expect_the_same("signals");
}

/* Nobody knows whether the emulator is to blame. */
static void a_program_that_dies_of_a_fault_is_told(void **state) {
    (void)state;
    need_qemu();
    record_it("struck", &recorded);
    assert_int_equal(recorded.status, SIGSEGV);
    assert_int_equal(result.differences, 2);
    assert_non_null(strstr(result.notes, "died of a fault"));
}

/* A program that is refused its filter goes another way. That it does not hold is told. */
static void a_filter_of_calls_is_taken_and_told(void **state) {
    (void)state;
    expect_the_same("seccomp");
    assert_int_equal(result.differences, 2);
    assert_non_null(strstr(result.notes, "seccomp: a filter"));
}

static void many_sleepers_starve_nobody(void **state) {
    (void)state;
    expect_the_same("sleepers");
}

static void limits_that_a_program_sets_hold_for_it(void **state) {
    (void)state;
    expect_the_same("limits");
}

static void a_program_that_wants_no_huge_pages_gets_none(void **state) {
    static const char always[] = "nodes: [{memory: 1GiB}], transparent_hugepage: always";
    (void)state;
    need_qemu();
    record_it("nohuge", &recorded);
    assert_in_range(replay("nohuge", always), 4096, 8192);
    record_it("huge", &recorded);
    assert_in_range(replay("huge", always), 1, 1000);
}

/* The program was given what this machine does not have: that is told, and what came of it. */
static void calls_that_come_out_otherwise_in_a_replay_are_told(void **state) {
    (void)state;
    need_qemu();
    record_it("files", &recorded);
    replay("files", small_machine);
    assert_true(last_differences == 0);
    record_it("huge", &recorded);
    replay("huge", "nodes: [{memory: 16MiB}], transparent_hugepage: never");
    assert_true(last_differences >= 2);
}

static void a_program_executes_itself(void **state) {
    (void)state;
    expect_the_same("itself");
}

/* An allocator that reserves more than it needs and unmaps what is not aligned, on a kernel that does not align. */
static void what_a_program_aligns_is_aligned_in_a_replay(void **state) {
    (void)state;
    need_qemu();
    record_it("aligned", &recorded);
    replay("aligned", "nodes: [{memory: 1GiB}], transparent_hugepage: madvise, kernel: 6.1");
    assert_int_equal(last_huge, 8);
    replay("aligned", "nodes: [{memory: 1GiB}], transparent_hugepage: madvise, kernel: 6.18");
    assert_int_equal(last_huge, 8);
}

/* Nothing is told of a program that got all that it asked for. */
static void what_differs_is_told_by_kind(void **state) {
    (void)state;
    need_qemu();
    record_it("vdso", &recorded);
    assert_int_equal(result.differences, 0);
    assert_string_equal(result.notes, "");
    record_it("refused", &recorded);
    assert_int_equal(recorded.status, 0);
    assert_int_equal(result.differences, 3);
    assert_non_null(strstr(result.notes, "clone: refused"));
    assert_non_null(strstr(result.notes, "io_uring_setup: refused"));
    assert_non_null(strstr(result.notes, "setrlimit: "));
    assert_non_null(strstr(recorded.printed, "as it was set: 1"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_clock_goes_by_what_a_program_does),
        cmocka_unit_test(what_a_program_aligns_is_aligned_in_a_replay),
        cmocka_unit_test(segments_attached_twice_are_one_memory),
        cmocka_unit_test(files_are_known_by_what_they_are),
        cmocka_unit_test(calls_of_chance_come_out_alike),
        cmocka_unit_test(a_program_sees_its_mappings_as_it_made_them),
        cmocka_unit_test(calls_on_other_processes_come_out_alike),
        cmocka_unit_test(signal_handlers_have_their_stack_as_linux_gives_it),
        cmocka_unit_test(a_program_that_dies_of_a_fault_is_told),
        cmocka_unit_test(a_filter_of_calls_is_taken_and_told),
        cmocka_unit_test(many_sleepers_starve_nobody),
        cmocka_unit_test(limits_that_a_program_sets_hold_for_it),
        cmocka_unit_test(a_program_that_wants_no_huge_pages_gets_none),
        cmocka_unit_test(calls_that_come_out_otherwise_in_a_replay_are_told),
        cmocka_unit_test(a_program_executes_itself),
        cmocka_unit_test(what_differs_is_told_by_kind),
        cmocka_unit_test(mappings_lie_where_the_kernel_puts_them),
        cmocka_unit_test(reservations_cost_nothing_and_hold_buffers),
        cmocka_unit_test(advice_and_policies_are_the_kernels),
        cmocka_unit_test(calls_that_fail_half_way_do_their_half),
        cmocka_unit_test(children_that_share_memory_are_processes),
        cmocka_unit_test(the_vdso_has_all_parts_that_runtimes_read),
        cmocka_unit_test(children_share_their_parents_memory_until_exec),
    };
    /* The emulated CPU has no AVX-512, whose string functions lie in pages of their own. */
    setenv("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX512DQ,-AVX512CD", 1);
    return cmocka_run_group_tests_name("recorded_programs", tests, NULL, NULL);
}
