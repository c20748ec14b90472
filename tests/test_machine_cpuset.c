/* SPDX-License-Identifier: MIT */
/* cpusets: what is in force in a tree of cgroups, where tasks run and their pages lie, and what a change moves. */
#include "scenario_run.h"

#include "vmsim/report.h"

#define FOUR_NODES                                                                                                     \
    "machine: {cpus: 4, nodes: [{memory: 128MiB, cpus: [0]}, {memory: 128MiB, cpus: [1]}, {memory: 128MiB, cpus: "     \
    "[2]}, {memory: 128MiB, cpus: [3]}], kernel: '6.1', transparent_hugepage: never, sysctl: {kernel.numa_balancing: " \
    "0}}\n"

static void reads(struct vmsim_machine *m, const char *path, const char *file, const char *expected) {
    char text[200];
    assert_true(vmsim_cgroup_read(m, path, file, text, sizeof text) > 0);
    text[strcspn(text, "\n")] = 0;
    if (strcmp(text, expected) != 0)
        fail_msg("%s of %s: '%s', not '%s'", file, path, text, expected);
}
static void writes(struct vmsim_machine *m, const char *path, const char *file, const char *value, int64_t result) {
    assert_int_equal(vmsim_cgroup_write(m, VMSIM_TASK_NONE, path, file, value), result);
}
/* Pages of the task's on a node. */
static uint64_t pages_on(const struct vmsim__task *t, int node, uint64_t at, unsigned pages) {
    uint64_t found = 0;
    for (unsigned i = 0; i < pages; i++) {
        const uint64_t address = at + i * 4096u;
        int32_t status;
        const struct vmsim__move_pages ask = {1, &address, NULL, &status, true, 0};
        vmsim__mm_move_pages(t->mm, &ask, 0, t->cpu);
        found += status == node;
    }
    return found;
}

static void store_at(struct vmsim_machine *m, uint32_t task, uint64_t va) {
    const vmsim_access a = vmsim_access_make(va, 8, VMSIM_STORE);
    struct vmsim_access_result r;
    assert_int_equal(vmsim_task_access(m, task, &a, 1, NULL, &r), 0);
    assert_int_equal(r.stop, VMSIM_STOP_NONE);
}

/* ---- the tree ---- */

static void what_is_in_force_is_what_those_above_allow(void **state) {
    (void)state;
    struct vmsim_machine *m = idle_machine(FOUR_NODES);
    assert_int_equal(vmsim_cgroup_create(m, "/a"), 0);
    assert_int_equal(vmsim_cgroup_create(m, "/a/b"), 0);
    reads(m, "/", "cpuset.mems.effective", "0-3");
    reads(m, "/a", "cpuset.mems", "");
    reads(m, "/a/b", "cpuset.mems.effective", "0-3");
    writes(m, "/a", "cpuset.mems", "1-2", 0);
    reads(m, "/a/b", "cpuset.mems.effective", "1-2");
    writes(m, "/a/b", "cpuset.mems", "0,2-3", 0); /* more than is above: it may be written, and is not in force */
    reads(m, "/a/b", "cpuset.mems", "0,2-3");
    reads(m, "/a/b", "cpuset.mems.effective", "2");
    writes(m, "/a", "cpuset.mems", "1", 0); /* nothing in common: all from above */
    reads(m, "/a/b", "cpuset.mems.effective", "1");
    writes(m, "/a", "cpuset.cpus", "0,3\n", 0);
    reads(m, "/a", "cpuset.cpus.effective", "0,3");
    reads(m, "/a/b", "cpuset.cpus.effective", "0,3");
    idle_machine_end(m);
}

static void a_wrong_list_is_refused_and_changes_nothing(void **state) {
    (void)state;
    struct vmsim_machine *m = idle_machine(FOUR_NODES);
    assert_int_equal(vmsim_cgroup_create(m, "/a"), 0);
    writes(m, "/a", "cpuset.mems", "1", 0);
    static const char *const wrong[] = {"4", "0-9", "2-1", "x", "0,", ",0", "0 1", "-1", "99999999999999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        writes(m, "/a", "cpuset.mems", wrong[i], -22);
        writes(m, "/a", "cpuset.cpus", wrong[i], -22);
    }
    writes(m, "/a", "cpuset.mems.effective", "0", -22);
    writes(m, "/", "cpuset.mems", "0", -2);
    assert_int_equal(vmsim_cgroup_create(m, "/cpuset.x"), -22);
    reads(m, "/a", "cpuset.mems", "1");
    uint32_t t;
    assert_int_equal(vmsim_task_create(m, "t", 0, &t), 0);
    assert_int_equal(vmsim_cgroup_attach(m, "/a", t), 0);
    writes(m, "/a", "cpuset.mems", "", -28);
    assert_non_null(strstr(vmsim_machine_error(m), "it cannot become empty again"));
    idle_machine_end(m);
}

/* ---- memory ---- */

#define ROOM "0x10000000000"
static void memory_comes_from_the_nodes_of_the_cpuset(void **state) {
    (void)state;
    struct outcome o =
        run_with(FOUR_NODES "workload:\n"
                            "  cgroups: [{path: /a, files: {cpuset.mems: '2'}}]\n"
                            "  tasks:\n"
                            "    - {name: t, cgroup: /a, program: [{mmap: {as: h, length: 4MiB, address: " ROOM
                            ", fixed_noreplace: true}}, {touch: {region: h, write: 100%}}, {marker: {name: m}}, "
                            "{set_mempolicy: {policy: bind, nodes: '1', error: EINVAL}}, "
                            "{set_mempolicy: {policy: interleave, nodes: 'all'}}, {sleep: {time: 10s}}]}\n",
                 0);
    assert_true(counter(&o, "node2.numa_hit") > 1024);
    assert_int_equal(counter(&o, "node0.numa_foreign"), 0); /* of what it may use the node is the first */
    assert_true(counter(&o, "node0.numa_hit") < 64);
    end(&o);
}

/* A task of the cgroup dies for want of memory on its nodes; the larger one elsewhere is spared. */
static void who_is_kept_elsewhere_is_spared(void **state) {
    (void)state;
    struct outcome o = run_with(
        FOUR_NODES "workload:\n"
                   "  cgroups: [{path: /a, files: {cpuset.mems: '1'}}, {path: /b, files: {cpuset.mems: 2-3}}]\n"
                   "  tasks:\n"
                   "    - {name: large, cgroup: /b, program: [{mmap: {as: h, length: 160MiB}}, {touch: {region: "
                   "h, write: 100%}}, {sleep: {time: 100s}}]}\n"
                   "    - {name: small, cgroup: /a, program: [{mmap: {as: h, length: 20MiB}}, {touch: {region: "
                   "h, write: 100%}}, {sleep: {time: 100s}}]}\n"
                   "    - {name: hog, cgroup: /a, start: 1s, oom_score_adj: -1000, program: [{mmap: {as: h, "
                   "length: 112MiB}}, {touch: {region: h, write: 100%}}]}\n",
        0);
    assert_int_equal(task(&o, "large")->stop, VMSIM_STOP_NONE);
    assert_int_equal(task(&o, "small")->stop, VMSIM_STOP_OOM);
    assert_int_equal(task(&o, "hog")->stop, VMSIM_STOP_NONE);
    assert_int_equal(counter(&o, "vmstat.oom_kill"), 1);
    end(&o);
}

static void pages_and_policies_follow_a_change(void **state) {
    (void)state;
    struct vmsim_machine *m = idle_machine(FOUR_NODES);
    uint32_t id;
    uint64_t nodes, at;
    assert_int_equal(vmsim_cgroup_create(m, "/a"), 0);
    writes(m, "/a", "cpuset.mems", "0-1", 0);
    assert_int_equal(vmsim_task_create(m, "t", 0, &id), 0);
    assert_int_equal(vmsim_cgroup_attach(m, "/a", id), 0);
    struct vmsim__task *t = vmsim__task_at(m, id);
    at = (uint64_t)vmsim_task_mmap(m, id, 0, 64 * 4096, 3, 0x22, 0, 0);
    assert_int_equal(vmsim_task_mbind(m, id, at, 64 * 4096, VMSIM__MPOL_BIND, 2, 0), 0);
    assert_int_equal(vmsim_task_set_mempolicy(m, id, VMSIM__MPOL_INTERLEAVE | VMSIM__MPOL_F_RELATIVE_NODES, 3), 0);
    assert_int_equal(vmsim_task_set_mempolicy(m, id, VMSIM__MPOL_BIND, 4), -22);
    for (unsigned i = 0; i < 64; i++)
        store_at(m, id, at + i * 4096u);
    assert_int_equal(pages_on(t, 1, at, 64), 64);
    writes(m, "/a", "cpuset.mems", "2-3", 0);
    assert_int_equal(pages_on(t, 3, at, 64), 64); /* the second of the nodes, as before */
    vmsim_task_get_mempolicy(m, id, at, VMSIM__MPOL_F_ADDR, &nodes);
    assert_int_equal(nodes, 8);
    assert_int_equal(t->policy.policy.nodes, 0xc);
    vmsim_task_get_mempolicy(m, id, 0, VMSIM__MPOL_F_MEMS_ALLOWED, &nodes);
    assert_int_equal(nodes, 0xc);
    assert_int_equal(vmsim_cgroup_attach(m, "/", id), 0);
    assert_int_equal(t->policy.policy.nodes, 3); /* the first two of all, since the mask is relative */
    idle_machine_end(m);
}

static void a_static_policy_comes_back_when_its_nodes_do(void **state) {
    (void)state;
    struct vmsim_machine *m = idle_machine(FOUR_NODES);
    uint32_t id;
    assert_int_equal(vmsim_cgroup_create(m, "/a"), 0);
    assert_int_equal(vmsim_task_create(m, "t", 0, &id), 0);
    assert_int_equal(vmsim_cgroup_attach(m, "/a", id), 0);
    const struct vmsim__mempolicy *p = &vmsim__task_at(m, id)->policy.policy;
    assert_int_equal(vmsim_task_set_mempolicy(m, id, VMSIM__MPOL_BIND | VMSIM__MPOL_F_STATIC_NODES, 6), 0);
    writes(m, "/a", "cpuset.mems", "2-3", 0);
    assert_int_equal(p->nodes, 4);
    writes(m, "/a", "cpuset.mems", "3", 0); /* none of its nodes: those that are allowed */
    assert_int_equal(p->nodes, 8);
    writes(m, "/a", "cpuset.mems", "0-3", 0);
    assert_int_equal(p->nodes, 6);
    idle_machine_end(m);
}

/* Whoever was the last to run waits for something: that is no reason for the pages of another to stay. */
static void pages_follow_while_others_wait(void **state) {
    (void)state;
    struct vmsim_machine *m = idle_machine(FOUR_NODES);
    uint32_t id;
    assert_int_equal(vmsim_cgroup_create(m, "/a"), 0);
    assert_int_equal(vmsim_task_create(m, "t", 0, &id), 0);
    const uint64_t at = (uint64_t)vmsim_task_mmap(m, id, 0, 64 * 4096, 3, 0x22, 0, 0);
    for (unsigned i = 0; i < 64; i++)
        store_at(m, id, at + i * 4096u);
    writes(m, "/a", "cpuset.mems", "2", 0);
    vmsim__now_wait(&m->mem->now, VMSIM__WAIT_THROTTLE, VMSIM__FOR_MEMORY, m->mem->now.time + 1);
    assert_int_equal(vmsim_cgroup_attach(m, "/a", id), 0);
    assert_true(vmsim__now_waits(&m->mem->now));
    m->mem->now.wait = (struct vmsim__wait){0};
    assert_int_equal(pages_on(vmsim__task_at(m, id), 2, at, 64), 64);
    idle_machine_end(m);
}

/* ---- CPUs ---- */

static void tasks_run_where_their_cpuset_allows(void **state) {
    (void)state;
    struct outcome o = run_with(
        FOUR_NODES
        "workload:\n"
        "  cgroups: [{path: /a, files: {cpuset.cpus: 2-3}}]\n"
        "  tasks:\n"
        "    - {name: begun, cgroup: /a, cpu: 0, program: [{mmap: {as: h, length: 1MiB}}, {touch: {region: h, write: "
        "100%}}, {repeat: {times: 200, steps: [{compute: {time: 10ms}}]}}]}\n"
        "    - {name: moved, cpu: 2, program: [{compute: {time: 100ms}}, {cgroup_attach: {cgroup: /a}}, {repeat: "
        "{times: "
        "100, steps: [{compute: {time: 10ms}}]}}]}\n"
        "    - {name: boss, cpu: 0, program: [{sleep: {time: 500ms}}, {cgroup_write: {cgroup: /a, file: cpuset.cpus, "
        "value: '1'}}]}\n",
        10);
    assert_int_equal(task(&o, "begun")->cpu, 1);
    assert_int_equal(task(&o, "moved")->cpu, 1);
    assert_int_equal(task(&o, "boss")->cpu, 0);
    end(&o);
}

static void a_cpu_outside_is_refused(void **state) {
    (void)state;
    struct vmsim_machine *m = idle_machine(FOUR_NODES);
    uint32_t id;
    assert_int_equal(vmsim_cgroup_create(m, "/a"), 0);
    assert_int_equal(vmsim_task_create(m, "t", 3, &id), 0);
    writes(m, "/a", "cpuset.cpus", "1", 0);
    assert_int_equal(vmsim_cgroup_attach(m, "/a", id), 0);
    assert_int_equal(vmsim__task_at(m, id)->cpu, 1);
    assert_int_equal(vmsim_task_migrate(m, id, 2), VMSIM_EINVAL);
    assert_non_null(strstr(vmsim_machine_error(m), "CPU 2 is not among those of the task's cpuset"));
    const char *text;
    assert_int_equal(vmsim_report_proc_file(m, "proc/1/status", &text, NULL), 0);
    assert_non_null(strstr(text, "Cpus_allowed_list:\t1\n"));
    assert_non_null(strstr(text, "Mems_allowed_list:\t0-3\n"));
    vmsim_report_proc_free(m, text);
    idle_machine_end(m);
}

/* ---- chance ---- */

/* Cgroups, tasks, writes and pages at random: the check holds each task against its cpuset, and no page of a task that
 * was moved lies where it may not. */
static void storms_of_cpusets_keep_to_them(void **state) {
    (void)state;
    struct vmsim_machine *m = idle_machine(FOUR_NODES);
    struct vmsim__rng r = test_rng("cpusets");
    static const char *const paths[] = {"/a", "/a/b", "/a/c", "/d"};
    uint32_t tasks[4];
    uint64_t at[4];
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(vmsim_cgroup_create(m, paths[i]), 0);
        assert_int_equal(vmsim_task_create(m, "t", i, &tasks[i]), 0);
        at[i] = (uint64_t)vmsim_task_mmap(m, tasks[i], 0, 64 * 4096, 3, 0x22, 0, 0);
    }
    for (unsigned step = 0; step < 400; step++) {
        const unsigned i = (unsigned)vmsim__rng_below(&r, 4);
        char list[16];
        const unsigned low = (unsigned)vmsim__rng_below(&r, 4), high = low + (unsigned)vmsim__rng_below(&r, 4 - low);
        snprintf(list, sizeof list, "%u-%u", low, high);
        switch (vmsim__rng_below(&r, 4)) {
        case 0:
            writes(m, paths[i], "cpuset.mems", list, 0);
            break;
        case 1:
            writes(m, paths[i], "cpuset.cpus", list, 0);
            break;
        case 2:
            vmsim_cgroup_attach(m, paths[i == 0 ? 1 : i], tasks[vmsim__rng_below(&r, 4)]);
            break;
        default: {
            const uint64_t va = at[i] + vmsim__rng_below(&r, 64) * 4096u;
            const struct vmsim__task *t = vmsim__task_at(m, tasks[i]);
            store_at(m, tasks[i], va);
            for (int n = 0; n < 4; n++)
                assert_true(!pages_on(t, n, va, 1) || (vmsim__cpuset_mems(m, t) >> n & 1));
            break;
        }
        }
        if (vmsim_machine_check(m))
            fail_msg("step %u: %s", step, vmsim_machine_error(m));
    }
    idle_machine_end(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_in_force_is_what_those_above_allow),
                                       cmocka_unit_test(a_wrong_list_is_refused_and_changes_nothing),
                                       cmocka_unit_test(memory_comes_from_the_nodes_of_the_cpuset),
                                       cmocka_unit_test(who_is_kept_elsewhere_is_spared),
                                       cmocka_unit_test(pages_and_policies_follow_a_change),
                                       cmocka_unit_test(a_static_policy_comes_back_when_its_nodes_do),
                                       cmocka_unit_test(pages_follow_while_others_wait),
                                       cmocka_unit_test(tasks_run_where_their_cpuset_allows),
                                       cmocka_unit_test(a_cpu_outside_is_refused),
                                       cmocka_unit_test(storms_of_cpusets_keep_to_them)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
