/* SPDX-License-Identifier: MIT */
/* Memory of a node as a queue that all its users share: first come, first served, at so many bytes a second.
 *
 *     users      A --64 B-->             now       A's is over by its latency, as if it were alone
 *                B -------4 KiB------->   |        B waits for A's, then takes 4 KiB / bandwidth
 *     busy_until ----------------------->|=====A=|===========B===========|
 *
 * A transfer is over when the queue says so, or when its own latency or cost does, whichever is later: what `own` holds
 * already includes being served alone. Fractions of ns are carried, so that a stream of lines gets exactly the
 * bandwidth. CPUs are simulated in the order of their clocks up to a horizon (machine/sched.c), and so come nearly in
 * order; who comes with an earlier time is served behind those that are there. Kernel counterpart: none. */
#include "zones/zones_internal.h"

#define SECOND UINT64_C(1000000000)

uint64_t vmsim__node_wait(struct vmsim__mem *mem, unsigned node, uint64_t at, uint64_t own, uint64_t bytes) {
    VMSIM__ASSERT(node < mem->nr_nodes && bytes);
    struct vmsim__node *n = &mem->nodes[node];
    if (!n->bandwidth)
        return 0;
    if (n->busy_until < at) {
        n->busy_until = at;
        n->busy_rest = 0;
    }
    const unsigned __int128 work = (unsigned __int128)bytes * SECOND + n->busy_rest;
    n->busy_until += (uint64_t)(work / n->bandwidth);
    n->busy_rest = (uint64_t)(work % n->bandwidth);
    VMSIM__ASSERT(n->busy_until >= at);
    const uint64_t wait = n->busy_until > at + own ? n->busy_until - at - own : 0;
    n->queue_ns += wait;
    return wait;
}

uint64_t vmsim__mem_transfer(struct vmsim__mem *mem, uint64_t ns, uint64_t at, uint64_t bytes, unsigned cpu,
                             vmsim__pfn pfn) {
    const uint64_t own = vmsim__mem_time_at(mem, ns, cpu, pfn);
    if (!mem->limited || pfn == VMSIM__PFN_NONE)
        return own;
    return own + vmsim__node_wait(mem, vmsim__frame_node(mem, pfn), at, own, bytes);
}
