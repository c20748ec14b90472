/* SPDX-License-Identifier: MIT */
/* What random histories of whole machines do with nodes: policies, cpusets, pages that move, scans, memory that comes
 * and goes. A part of stress_machine.h. */
#ifndef STRESS_NODES_H
#define STRESS_NODES_H

/* Policies, pages that move because of them, scans of NUMA balancing. */
static void do_numa(struct task *k) {
    const uint64_t nodes = 1 + pick(UINT64_C(1) << t.m->mem->nr_nodes);
    const unsigned mode = (unsigned)pick(7), flags = (unsigned)pick(8) & (t.m->mem->nr_nodes > 1 ? 7u : 0u);
    struct vmsim__numa_scan scan = {.pages = 300, .span = 2000, .task = &(struct vmsim__mempolicy){0}, .stamp = 1};
    unsigned from, n;
    range(&from, &n);
    char text[4];
    switch (pick(5)) {
    case 0:
        vmsim_task_mbind(t.m, k->id, va_of(from), n * t.page, mode, nodes, flags);
        break;
    case 1:
        vmsim_task_migrate_pages(t.m, k->id, k->id, nodes, 1 + pick(UINT64_C(1) << t.m->mem->nr_nodes));
        break;
    case 2:
        vmsim_task_set_mempolicy(t.m, k->id, mode, nodes);
        break;
    case 3: /* nodes give up pages of files, or not */
        snprintf(text, sizeof text, "%u", (unsigned)pick(8));
        assert_int_equal(vmsim_machine_sysctl(t.m, "vm.zone_reclaim_mode", text), 0);
        break;
    default:
        if (!died(k))
            vmsim__numa_mark(mm_of(k), &scan, vmsim__task_at(t.m, k->id)->cpu);
        break;
    }
}

/* Any block, to any state; most of what is asked cannot be. */
static void do_hotplug(void) {
    const uint64_t blocks = (t.m->mem->frames.end - 1) >> t.m->mem->memory_block_order;
    const bool off = !pick(2);
    if (!pick(12)) { /* all of a node: whatever of it can */
        vmsim_memory_node_set(t.m, VMSIM_TASK_NONE, (unsigned)pick(t.m->mem->nr_nodes + 1),
                              (enum vmsim_memory_block_state)pick(4));
        return;
    }
    const int64_t result =
        vmsim_memory_block_set(t.m, VMSIM_TASK_NONE, pick(blocks + 1),
                               off ? VMSIM_BLOCK_OFFLINE : (enum vmsim_memory_block_state)(1 + pick(3)));
    t.plugged[off] += !result;
}

/* A block goes, or comes if it is not there: in the kernel's zone or the movable one, where they can be. One in eight
 * is asked for without looking. */
static void do_toggle(void) {
    const uint64_t blocks =
        (t.m->mem->frames.end + (UINT64_C(1) << t.m->mem->memory_block_order) - 1) >> t.m->mem->memory_block_order;
    const uint64_t block = pick(blocks);
    if (!pick(8)) {
        do_hotplug();
        return;
    }
    int64_t result = vmsim_memory_block_set(t.m, VMSIM_TASK_NONE, block, VMSIM_BLOCK_OFFLINE);
    t.plugged[1] += !result;
    if (result != -VMSIM__L_EINVAL)
        return;
    result = vmsim_memory_block_set(t.m, VMSIM_TASK_NONE, block, (enum vmsim_memory_block_state)(1 + pick(3)));
    t.plugged[0] += !result;
}

/* A cgroup with a cpuset of its own that tasks come to and leave; its nodes and CPUs change. */
static void do_cpuset(const struct task *k) {
    char list[16];
    const unsigned nodes = t.m->mem->nr_nodes, cpus = t.m->nr_cpus;
    vmsim_cgroup_create(t.m, "/set");
    switch (pick(4)) {
    case 0:
        snprintf(list, sizeof list, "%u-%u", 0u, (unsigned)pick(nodes));
        vmsim_cgroup_write(t.m, VMSIM_TASK_NONE, "/set", "cpuset.mems", list);
        break;
    case 1:
        snprintf(list, sizeof list, "%u", (unsigned)pick(nodes));
        vmsim_cgroup_write(t.m, VMSIM_TASK_NONE, "/set", "cpuset.mems", list);
        break;
    case 2:
        snprintf(list, sizeof list, "%u-%u", (unsigned)pick(cpus), cpus - 1);
        vmsim_cgroup_write(t.m, VMSIM_TASK_NONE, "/set", "cpuset.cpus", list);
        break;
    default:
        vmsim_cgroup_attach(t.m, pick(2) ? "/set" : "/", k->id);
        break;
    }
}

/* To any CPU: one that its cpuset closes is refused. */
static void do_migrate(const struct task *k) {
    const unsigned cpu = (unsigned)pick(t.m->nr_cpus);
    const bool may = vmsim__cpuset_has_cpu(t.m, vmsim__task_at(t.m, k->id), cpu);
    assert_int_equal(vmsim_task_migrate(t.m, k->id, cpu), may ? 0 : VMSIM_EINVAL);
}

/* True: something of it was done. */
static bool do_nodes(struct task *k) {
    if (t.m->mem->nr_nodes > 1 && !pick(25)) {
        do_numa(k);
        return true;
    }
    if (t.m->mem->nr_nodes > 1 && !pick(60)) {
        do_cpuset(k);
        return true;
    }
    if (!t.hotplug || pick(15))
        return false;
    do_hotplug();
    return true;
}

#endif
