/* SPDX-License-Identifier: MIT */
/* Every public function with NULL for each of its pointers: an error, nothing, or 0, and never the end of the program.
 * tests/null_calls.py lists the calls; each is made in a process of its own. */
#include "helpers.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "vmsim/config.h"
#include "vmsim/curve.h"
#include "vmsim/error.h"
#include "vmsim/event.h"
#include "vmsim/host.h"
#include "vmsim/inspect.h"
#include "vmsim/mmu.h"
#include "vmsim/policy.h"
#include "vmsim/report.h"
#include "vmsim/run.h"
#include "vmsim/scenario.h"
#include "vmsim/testing.h"
#include "vmsim/trace.h"
#include "vmsim/vmsim.h"

#include "null_calls.h"

/* ---- arguments that are fine */

static void *good_room(void) {
    return calloc(1, 1 << 16);
}

static struct vmsim_config *good_config(void) {
    static const char text[] = "machine: {nodes: [{memory: 64MiB}]}\n"
                               "workload: {tasks: [{name: a, program: [{mmap: {length: 4KiB}}]}]}\n";
    struct vmsim_config *c;
    assert_int_equal(vmsim_config_create(&c), 0);
    assert_int_equal(vmsim_config_load_text(c, "text", text, sizeof text - 1), 0);
    assert_int_equal(vmsim_config_resolve(c), 0);
    return c;
}

static struct vmsim_scenario *good_scenario(void) {
    struct vmsim_scenario *s;
    assert_int_equal(vmsim_scenario_create(good_config(), &s), 0);
    return s;
}

static struct vmsim_machine *good_machine(void) {
    return vmsim_scenario_machine(good_scenario());
}

static struct vmsim_trace_writer *good_trace_writer(void) {
    struct vmsim_trace_writer *w;
    assert_int_equal(vmsim_trace_create("good.vmt", NULL, &w), 0);
    return w;
}

static struct vmsim_trace_reader *good_trace_reader(void) {
    struct vmsim_trace_reader *r;
    vmsim_access word = vmsim_access_make(0x1000, 8, VMSIM_LOAD);
    struct vmsim_trace_writer *w = good_trace_writer();
    assert_int_equal(vmsim_trace_append(w, 0, &word, 1), 0);
    assert_int_equal(vmsim_trace_finish(w, NULL, 0), 0);
    assert_int_equal(vmsim_trace_open("good.vmt", 0, &r), 0);
    return r;
}

static struct vmsim_test_tlb *good_test_tlb(void) {
    struct vmsim_test_tlb *t;
    const struct vmsim_test_tlb_options o = {.size = sizeof o, .sets = 1, .ways = 4};
    assert_int_equal(vmsim_test_tlb_create(&t, &o, NULL, 0), 0);
    return t;
}

static struct vmsim_test_reclaim *good_test_reclaim(void) {
    struct vmsim_test_reclaim *t;
    const struct vmsim_test_reclaim_options o = {.size = sizeof o};
    assert_int_equal(vmsim_test_reclaim_create(&t, &o, NULL, 0), 0);
    return t;
}

static struct vmsim_curve *good_curve(void) {
    struct vmsim_curve *c;
    vmsim_access word = vmsim_access_make(0x1000, 8, VMSIM_LOAD);
    assert_int_equal(vmsim_curve_create(NULL, &c), 0);
    assert_int_equal(vmsim_curve_add(c, 0, 0, NULL, &word, 1), 0);
    return c;
}

static struct vmsim_run *good_run(void) {
    static const char text[] = "{\"schema\": \"vmsim-stats\", \"schema_version\": \"1.0\"}";
    struct vmsim_run *r;
    assert_true(!mkdir("good_run", 0777) || errno == EEXIST);
    test_write_file("good_run/stats.json", text, sizeof text - 1);
    assert_int_equal(vmsim_run_open("good_run", &r), 0);
    return r;
}

static struct vmsim_events *good_events(void) {
    struct vmsim_events *e;
    assert_int_equal(vmsim_events_open(good_scenario(), "good_events.json", NULL, &e), 0);
    return e;
}

static struct vmsim_mmu *good_mmu(void) {
    struct vmsim_mmu *m = good_room();
    return m; /* all zero: without a table */
}

/* ---- calls */

static int failed;

/* In the child: alarm() for what waits for ever. */
static void begin(void) {
    static const int signals[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
    for (size_t i = 0; i < TEST_COUNT(signals); i++) /* not cmocka's */
        signal(signals[i], SIG_DFL);
    alarm(20);
}

static void judge(const char *what, pid_t child) {
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return;
    failed++;
    if (WIFSIGNALED(status))
        print_error("%s: signal %d\n", what, WTERMSIG(status));
    else
        print_error("%s: neither an error nor 0\n", what);
}

#define IN_CHILD(what, statement)                                                                                      \
    {                                                                                                                  \
        fflush(NULL);                                                                                                  \
        pid_t child = fork();                                                                                          \
        if (!child) {                                                                                                  \
            begin();                                                                                                   \
            statement;                                                                                                 \
            _exit(0);                                                                                                  \
        }                                                                                                              \
        judge(what, child);                                                                                            \
    }
#define CODE(what, call) IN_CHILD(what, _exit((call) > 0))
#define VALUE(what, call) IN_CHILD(what, if ((uintptr_t)(call) == 1) _exit(0))
#define NOTHING(what, call) IN_CHILD(what, call)

static void every_function_stands_null(void **state) {
    char folder[256];
    (void)state;
    test_mkdir(folder);
    assert_int_equal(chdir(folder), 0);
    NULL_CALLS
    assert_int_equal(chdir("/"), 0);
    test_rmdir(folder);
    assert_int_equal(failed, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_function_stands_null)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
