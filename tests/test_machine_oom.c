/* SPDX-License-Identifier: MIT */
/* Out of memory within bounds: of a cgroup, of a memory policy, of a cpuset. Whoever is outside is spared, whatever it
 * has; who of those inside dies is the policy's choice; and where the kernel panics, nothing runs any more. */
#include "scenario_run.h"

#include "vmsim/report.h"

#define MACHINE "machine: {cpus: 2, nodes: [{memory: 192MiB}, {memory: 64MiB}], transparent_hugepage: never, "

/* Inside there is room for some 60 MiB. */
static const struct bound {
    const char *name, *cgroups, *inside, *outside;
} bounds[] = {
    {"memcg", "[{path: /a, files: {memory.max: 60MiB}}]", "cgroup: /a", "oom_score_adj: 0"},
    {"mempolicy", "[]", "numa: {policy: bind, nodes: '1'}", "numa: {policy: bind, nodes: '0'}"},
    {"cpuset", "[{path: /a, files: {cpuset.mems: '1'}}, {path: /b, files: {cpuset.mems: '0'}}]", "cgroup: /a",
     "cgroup: /b"},
};

/* A large one outside; elder and younger inside, of the same size; then one that asks for what is not there. */
static struct outcome out_of_memory(const struct bound *b, const char *policy, const char *sysctl, int adj) {
    char text[2000];
    snprintf(text, sizeof text,
             MACHINE "sysctl: {%svm.overcommit_memory: 1}}\n"
                     "policies: {oom: {name: %s}}\n"
                     "workload:\n"
                     "  cgroups: %s\n"
                     "  tasks:\n"
                     "    - {name: outside, %s, program: [{mmap: {as: h, length: 50MiB}}, {touch: {region: h, write: "
                     "100%%}}, {sleep: {time: 10s}}]}\n"
                     "    - {name: elder, %s, oom_score_adj: %d, program: [{mmap: {as: h, length: 25MiB}}, {touch: "
                     "{region: h, write: 100%%}}, {sleep: {time: 10s}}]}\n"
                     "    - {name: younger, start: 1s, %s, program: [{mmap: {as: h, length: 25MiB}}, {touch: {region: "
                     "h, write: 100%%}}, {sleep: {time: 10s}}]}\n"
                     "    - {name: asks, start: 2s, %s, program: [{mmap: {as: h, length: 20MiB}}, {touch: {region: h, "
                     "write: 100%%}}]}\n",
             sysctl, policy, b->cgroups, b->outside, b->inside, adj, b->inside, b->inside);
    return run_with(text, 1500);
}

static void who_dies_is_one_of_those_inside(void **state) {
    static const struct {
        const char *policy, *sysctl;
        int adj; /* of the elder */
        const char *victim;
    } cases[] = {
        {"badness", "", 0, "younger"}, /* of equal ones the last */
        {"badness", "", 500, "elder"},
        {"largest-rss", "", 500, "younger"},
        {"newest", "", 500, "asks"},
        {"allocating-task", "", 500, "asks"},
        {"badness", "vm.panic_on_oom: 1, ", 500, "elder"}, /* for memory without bounds alone */
    };
    static const char *const names[] = {"outside", "elder", "younger", "asks"};
    (void)state;
    for (size_t b = 0; b < TEST_COUNT(bounds); b++) {
        for (size_t i = 0; i < TEST_COUNT(cases); i++) {
            struct outcome o = out_of_memory(&bounds[b], cases[i].policy, cases[i].sysctl, cases[i].adj);
            for (size_t n = 0; n < TEST_COUNT(names); n++) {
                if ((task(&o, names[n])->stop == VMSIM_STOP_OOM) != !strcmp(names[n], cases[i].victim))
                    fail_msg("%s, case %zu: %s", bounds[b].name, i, names[n]);
            }
            assert_int_equal(counter(&o, "vmstat.oom_kill"), 1);
            assert_false(o.m->panicked);
            end(&o);
        }
    }
}

/* Linux asks vm.oom_kill_allocating_task where memory itself is out, not at a limit. */
static void who_asks_at_a_limit_does_not_die_for_asking(void **state) {
    (void)state;
    for (size_t b = 0; b < TEST_COUNT(bounds); b++) {
        struct outcome o = out_of_memory(&bounds[b], "badness", "vm.oom_kill_allocating_task: 1, ", 500);
        const bool limit = !strcmp(bounds[b].name, "memcg");
        assert_int_equal(task(&o, "elder")->stop, limit ? VMSIM_STOP_OOM : VMSIM_STOP_NONE);
        assert_int_equal(task(&o, "asks")->stop, limit ? VMSIM_STOP_NONE : VMSIM_STOP_OOM);
        end(&o);
    }
}

static void a_panic_stops_those_outside_too(void **state) {
    static const char *const cases[][2] = {{"panic", ""}, {"badness", "vm.panic_on_oom: 2, "}};
    (void)state;
    for (size_t b = 0; b < TEST_COUNT(bounds); b++) {
        for (size_t i = 0; i < TEST_COUNT(cases); i++) {
            struct outcome o = out_of_memory(&bounds[b], cases[i][0], cases[i][1], 0);
            assert_true(o.m->panicked);
            assert_int_equal(task(&o, "outside")->stop, VMSIM_STOP_OOM);
            assert_true(task(&o, "outside")->end_ns < UINT64_C(5000000000));
            assert_int_equal(counter(&o, "vmstat.oom_kill"), 0);
            end(&o);
        }
    }
}

/* One node: who asks for more than there is. */
static struct outcome alone(const char *sysctl, int adj) {
    char text[600];
    snprintf(text, sizeof text,
             "machine: {nodes: [{memory: 64MiB}], transparent_hugepage: never, sysctl: {%svm.overcommit_memory: 1}}\n"
             "workload: {tasks: [{name: t, oom_score_adj: %d, program: [{mmap: {as: h, length: 80MiB}}, {touch: "
             "{region: h, write: 100%%}}]}]}\n",
             sysctl, adj);
    return run_with(text, 1500);
}

static void memory_without_bounds_panics_when_it_is_told_to(void **state) {
    (void)state;
    for (unsigned mode = 0; mode <= 2; mode++) {
        char sysctl[40];
        snprintf(sysctl, sizeof sysctl, "vm.panic_on_oom: %u, ", mode);
        struct outcome o = alone(sysctl, 0);
        assert_int_equal(o.m->panicked, mode > 0);
        assert_int_equal(counter(&o, "vmstat.oom_kill"), !mode);
        assert_int_equal(task(&o, "t")->stop, VMSIM_STOP_OOM);
        end(&o);
    }
}

/* Kernel: "System is deadlocked on memory". */
static void nobody_who_may_be_killed_is_a_panic(void **state) {
    (void)state;
    struct outcome o = alone("", -1000);
    assert_true(o.m->panicked);
    assert_int_equal(counter(&o, "vmstat.oom_kill"), 0);
    end(&o);
}

/* Of a plugin: it is told by name, and who Linux would kill dies. */
static void wrong_victims_are_named_and_linux_is_followed(void **state) {
    static const char *const cases[][2] = {{"oom-beyond", "chose candidate 3 of 3"},
                                           {"oom-spared", "chose task 1, which may not be killed"},
                                           {"oom-below", "chose candidate -2147483648 of 3"}};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        char policy[400], line[200];
        const char *report;
        snprintf(policy, sizeof policy, "%s, plugin: " TEST_PLUGIN_WRONG, cases[i][0]);
        struct outcome o = out_of_memory(&bounds[0], policy, "", -1000);
        assert_int_equal(task(&o, "younger")->stop, VMSIM_STOP_OOM);
        assert_int_equal(task(&o, "elder")->stop, VMSIM_STOP_NONE);
        assert_int_equal(vmsim_report_text(o.s, &report, NULL), 0);
        snprintf(line, sizeof line, "Policy %s of domain oom was not followed 1 time; the first: it %s", cases[i][0],
                 cases[i][1]);
        if (!strstr(report, line))
            fail_msg("%s: %s", cases[i][0], strstr(report, "Policy ") ? strstr(report, "Policy ") : report);
        vmsim_report_free(o.s, report);
        end(&o);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_dies_is_one_of_those_inside),
        cmocka_unit_test(who_asks_at_a_limit_does_not_die_for_asking),
        cmocka_unit_test(a_panic_stops_those_outside_too),
        cmocka_unit_test(memory_without_bounds_panics_when_it_is_told_to),
        cmocka_unit_test(nobody_who_may_be_killed_is_a_panic),
        cmocka_unit_test(wrong_victims_are_named_and_linux_is_followed),
    };
    return cmocka_run_group_tests_name("machine_oom", tests, NULL, NULL);
}
