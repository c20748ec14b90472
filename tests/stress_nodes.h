/* SPDX-License-Identifier: MIT */
/* What random histories of whole machines do with nodes: policies, pages that move, scans, memory that comes and goes.
 * A part of test_machine_stress.c. */
#ifndef STRESS_NODES_H
#define STRESS_NODES_H

/* Policies, pages that move because of them, scans of NUMA balancing. */
static void do_numa(struct task *k) {
    const uint64_t nodes = 1 + pick(UINT64_C(1) << t.m->mem->nr_nodes);
    const unsigned mode = (unsigned)pick(7), flags = (unsigned)pick(8) & (t.m->mem->nr_nodes > 1 ? 7u : 0u);
    struct vmsim__numa_scan scan = {.pages = 300, .span = 2000, .task = &(struct vmsim__mempolicy){0}, .stamp = 1};
    unsigned from, n;
    range(&from, &n);
    switch (pick(4)) {
    case 0:
        vmsim_task_mbind(t.m, k->id, va_of(from), n * t.page, mode, nodes, flags);
        break;
    case 1:
        vmsim_task_migrate_pages(t.m, k->id, k->id, nodes, 1 + pick(UINT64_C(1) << t.m->mem->nr_nodes));
        break;
    case 2:
        vmsim_task_set_mempolicy(t.m, k->id, mode, nodes);
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
    const int64_t result =
        vmsim_memory_block_set(t.m, VMSIM_TASK_NONE, pick(blocks + 1),
                               off ? VMSIM_BLOCK_OFFLINE : (enum vmsim_memory_block_state)(1 + pick(3)));
    t.plugged[off] += !result;
}

/* True: something of it was done. */
static bool do_nodes(struct task *k) {
    if (t.m->mem->nr_nodes > 1 && !pick(25)) {
        do_numa(k);
        return true;
    }
    if (!t.hotplug || pick(15))
        return false;
    do_hotplug();
    return true;
}

#endif
