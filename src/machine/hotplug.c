/* SPDX-License-Identifier: MIT */
/* Memory blocks of a running machine that come online and go offline, one by one or all of a node.
 *
 *     offline: isolate (zones/) --> all that is in use is moved (compact/contig.c) --> away
 *                                        '--> something stays, or must be waited for: all is taken back
 *
 * When a node gets its first memory, or loses its last, policies that name nodes are bound anew, as their cpusets do
 * it. Kernel counterparts: online_pages, offline_pages of mm/memory_hotplug.c, cpuset_hotplug_workfn. */
#include "compact/contig.h"
#include "machine/sched.h"

static int64_t errno_of(enum vmsim__hotplug o) {
    static const int64_t numbers[] = {[VMSIM__HOTPLUG_OK] = 0,
                                      [VMSIM__HOTPLUG_INVALID] = -VMSIM__L_EINVAL,
                                      [VMSIM__HOTPLUG_BUSY] = -VMSIM__L_EBUSY,
                                      [VMSIM__HOTPLUG_NOMEM] = -VMSIM__L_ENOMEM};
    VMSIM__ASSERT((size_t)o < VMSIM__COUNT(numbers));
    return numbers[o];
}

/* Half-way is no state to stay in: what could not be emptied is given back to the allocator as it was. Kernel:
 * offline_pages. */
static enum vmsim__hotplug offline(struct vmsim_machine *m, vmsim__pfn pfn, bool may_wait, unsigned cpu) {
    const vmsim__pfn end = pfn + ((vmsim__pfn)1 << m->mem->memory_block_order);
    vmsim__lru_drain_all(m->lru); /* a page in a batch would count as unmovable */
    enum vmsim__hotplug o = vmsim__memory_offline_begin(m->mem, pfn);
    if (o != VMSIM__HOTPLUG_OK)
        return o;
    o = vmsim__evacuate(&m->compaction, pfn, end, VMSIM__MR_MEMORY_HOTPLUG, may_wait, cpu)
            ? vmsim__memory_offline_end(m->mem, pfn)
            : VMSIM__HOTPLUG_BUSY;
    if (o != VMSIM__HOTPLUG_OK)
        vmsim__memory_offline_cancel(m->mem, pfn);
    return o;
}

int64_t vmsim__memory_block(struct vmsim_machine *m, uint64_t block, enum vmsim_memory_block_state state, bool may_wait,
                            unsigned cpu) {
    static const enum vmsim__online how[] = {[VMSIM_BLOCK_ONLINE] = VMSIM__ONLINE,
                                             [VMSIM_BLOCK_ONLINE_KERNEL] = VMSIM__ONLINE_KERNEL,
                                             [VMSIM_BLOCK_ONLINE_MOVABLE] = VMSIM__ONLINE_MOVABLE};
    const uint64_t before = vmsim__memory_nodes(m->mem);
    if (block > (m->mem->frames.end - 1) >> m->mem->memory_block_order || (unsigned)state > VMSIM_BLOCK_ONLINE_MOVABLE)
        return -VMSIM__L_EINVAL;
    const vmsim__pfn pfn = (vmsim__pfn)(block << m->mem->memory_block_order);
    const enum vmsim__hotplug o =
        state == VMSIM_BLOCK_OFFLINE ? offline(m, pfn, may_wait, cpu) : vmsim__memory_online(m->mem, pfn, how[state]);
    if (vmsim__now_waits(&m->mem->now))
        return -VMSIM__ERESTARTSYS;
    if (before != vmsim__memory_nodes(m->mem))
        vmsim__cpuset_hotplug(m);
    return errno_of(o);
}

/* Is the block one of the node's whose state changes? */
static bool concerns(const struct vmsim_machine *m, uint64_t block, uint64_t node, bool offline) {
    const struct vmsim__mem *mem = m->mem;
    const vmsim__pfn pfn = (vmsim__pfn)(block << mem->memory_block_order);
    for (size_t i = 0; i < mem->nr_ranges; i++) {
        if (mem->ranges[i].node == node && mem->ranges[i].start <= pfn && pfn < mem->ranges[i].end)
            return vmsim__memory_block_state(mem, pfn) == (offline ? VMSIM__BLOCK_ONLINE : VMSIM__BLOCK_OFFLINE);
    }
    return false;
}

int64_t vmsim__memory_node(struct vmsim_machine *m, uint64_t node, enum vmsim_memory_block_state state, bool may_wait,
                           unsigned cpu) {
    struct vmsim__call *call = vmsim__now_call(&m->mem->now);
    const uint64_t blocks = ((m->mem->frames.end - 1) >> m->mem->memory_block_order) + 1;
    const bool offline = state == VMSIM_BLOCK_OFFLINE;
    int64_t result = -VMSIM__L_EINVAL;
    if (node >= m->mem->nr_nodes)
        return -VMSIM__L_ENODEV;
    VMSIM__ASSERT(call->done <= blocks);
    for (uint64_t i = call->done; i < blocks; i++) {
        const uint64_t block = offline ? blocks - 1 - i : i;
        if (!concerns(m, block, node, offline))
            continue;
        call->done = i;
        result = vmsim__memory_block(m, block, state, may_wait, cpu);
        if (result == -VMSIM__ERESTARTSYS)
            return result;
        if (result)
            break;
    }
    call->done = 0;
    return !result && offline && m->mem->nodes[node].has_memory ? -VMSIM__L_EINVAL : result;
}
