/* SPDX-License-Identifier: MIT */
/* Machines of several nodes as a whole: who is killed when the memory of a policy's nodes runs out, where pages go when
 * a node is full. */
#include "scenario_run.h"

#define TWO_NODES                                                                                                      \
    "machine: {cpus: 2, nodes: [{memory: 512MiB}, {memory: 512MiB}], kernel: '6.1', transparent_hugepage: never, "     \
    "sysctl: {vm.overcommit_memory: 1}}\n"

/* The captured workload oom_bind: A lies on the other node, and is spared although it is the largest. */
static void who_has_nothing_on_the_nodes_is_spared(void **state) {
    (void)state;
    struct outcome o =
        run_with(TWO_NODES "workload:\n"
                           "  tasks:\n"
                           "    - {name: A, numa: {policy: bind, nodes: \"1\"}, program: [{mmap: {as: h, length: "
                           "197664KiB}}, {touch: {region: h, write: 100%}}, {sleep: {time: 100s}}]}\n"
                           "    - {name: B, numa: {policy: bind, nodes: \"0\"}, program: [{mmap: {as: h, length: "
                           "44160KiB}}, {touch: {region: h, write: 100%}}, {sleep: {time: 100s}}]}\n"
                           "    - {name: C, program: [{mmap: {as: h, length: 88320KiB}}, {touch: {region: h, write: "
                           "100%}}, {sleep: {time: 100s}}]}\n"
                           "    - {name: hog, start: 1s, oom_score_adj: -1000, numa: {policy: bind, nodes: \"0\"}, "
                           "program: [{mmap: {as: h, length: 441604KiB}}, {touch: {region: h, write: 100%}}]}\n",
                 0);
    assert_int_equal(task(&o, "A")->stop, VMSIM_STOP_NONE);
    assert_int_equal(task(&o, "B")->stop, VMSIM_STOP_OOM);
    assert_int_equal(task(&o, "C")->stop, VMSIM_STOP_OOM);
    assert_true(task(&o, "C")->end_ns < task(&o, "B")->end_ns);
    assert_int_equal(counter(&o, "vmstat.oom_kill"), 2);
    end(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_has_nothing_on_the_nodes_is_spared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
