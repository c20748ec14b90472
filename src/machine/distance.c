/* SPDX-License-Identifier: MIT */
/* How far each CPU is from each node's memory, in cycles of its clock: the rows that its TLB's misses ask
 * (tlb/tlb_memory.h), out of the nodes' latencies and `machine.memory_latency`.
 *
 *     latency[own node][node] - (charge: remote ? latency[own node][own node] : 0), times the share that pays it
 *
 * Without an MMU nothing misses; where no row holds more than zeroes the TLBs are not told of any. */
#include "machine/machine.h"
#include "machine/sched.h"

#define LINE_BYTES 64

/* Rounded to the nearest cycle: kHz times ns times percent. */
static uint32_t cycles_of(const struct vmsim_machine *m, uint64_t ns, uint64_t share) {
    VMSIM__ASSERT(ns <= VMSIM__LATENCY_MAX * UINT64_C(254) / 10 && share <= 100);
    return (uint32_t)((ns * m->spec.tlb.clock * share + 50000) / 100000);
}

/* True: something is far from it. */
static bool fill_row(const struct vmsim_machine *m, const struct vmsim__node *from, struct vmsim__tlb_latency *row) {
    VMSIM__ASSERT(from && row);
    const struct vmsim__latency_spec *spec = &m->spec.mem.latency;
    const uint64_t near = spec->charge == VMSIM__CHARGE_ALL ? 0 : from->latency[from->id];
    bool any = false;
    for (unsigned n = 0; n < m->mem->nr_nodes; n++) {
        const uint64_t ns = from->latency[n] > near ? from->latency[n] - near : 0;
        row[n] = (struct vmsim__tlb_latency){cycles_of(m, ns, spec->walk_share), cycles_of(m, ns, spec->data_share)};
        any |= row[n].walk || row[n].data;
    }
    return any;
}

/* By ranges of nodes, also where memory may come later. */
static bool map_frames(struct vmsim_machine *m) {
    const struct vmsim__mem *mem = m->mem;
    struct vmsim__tlb_range *range = vmsim__calloc(m->alloc, mem->nr_ranges, sizeof *range);
    if (!range)
        return false;
    for (size_t i = 0; i < mem->nr_ranges; i++)
        range[i] = (struct vmsim__tlb_range){mem->ranges[i].end, mem->ranges[i].node};
    bool ok = vmsim__tlb_memory_create(&m->frame_nodes, m->alloc, range, (uint32_t)mem->nr_ranges);
    vmsim__free(m->alloc, range, mem->nr_ranges * sizeof *range);
    return ok;
}

/* One array for all CPUs: reads of each node since the start, and lines since the last wait. */
static bool count_reads(struct vmsim_machine *m) {
    const size_t nodes = m->mem->nr_nodes;
    m->reads = vmsim__calloc(m->alloc, m->nr_cpus, sizeof *m->reads);
    m->node_reads = m->reads ? vmsim__calloc(m->alloc, 2 * nodes * m->nr_cpus, sizeof *m->node_reads) : NULL;
    for (unsigned cpu = 0; m->node_reads && cpu < m->nr_cpus; cpu++) {
        m->reads[cpu].by_node = m->node_reads + 2 * cpu * nodes;
        m->reads[cpu].lines = m->reads[cpu].by_node + nodes;
    }
    return m->node_reads;
}

uint64_t vmsim__node_reads(const struct vmsim_machine *m, unsigned node) {
    VMSIM__ASSERT(node < m->mem->nr_nodes);
    uint64_t sum = 0;
    for (unsigned cpu = 0; m->reads && cpu < m->nr_cpus; cpu++)
        sum += m->reads[cpu].by_node[node];
    return sum;
}

/* All that it read was under way at once, to each node: the last to arrive counts. */
void vmsim__bandwidth_wait(struct vmsim_machine *m, struct vmsim__task *t, uint64_t begin) {
    VMSIM__ASSERT(m->mem->limited && m->cpus[t->cpu].now >= begin);
    const uint64_t own = m->cpus[t->cpu].now - begin;
    uint64_t wait = 0;
    for (unsigned node = 0; m->reads && node < m->mem->nr_nodes; node++) {
        const uint64_t lines = m->reads[t->cpu].lines[node];
        m->reads[t->cpu].lines[node] = 0;
        if (lines)
            wait = vmsim__max64(wait, vmsim__node_wait(m->mem, node, begin, own, lines * LINE_BYTES));
    }
    if (wait)
        vmsim__cpu_compute(m, t, wait);
}

/* Machines whose memory is all equally near pay nothing: their TLBs know of no distances. */
int vmsim__distance_init(struct vmsim_machine *m) {
    const unsigned nodes = m->mem->nr_nodes;
    bool any = m->mem->limited;
    if (!m->format->levels)
        return 0;
    m->distances = vmsim__calloc(m->alloc, (size_t)nodes * nodes, sizeof *m->distances);
    if (!m->distances)
        return vmsim__err_set(&m->err, VMSIM_ENOMEM, "no memory for the distances of %u nodes", nodes);
    for (unsigned n = 0; n < nodes; n++)
        any |= fill_row(m, &m->mem->nodes[n], m->distances + (size_t)n * nodes);
    if (!any)
        return 0;
    if (!map_frames(m) || !count_reads(m))
        return vmsim__err_set(&m->err, VMSIM_ENOMEM, "no memory for the map of nodes");
    for (unsigned cpu = 0; cpu < m->nr_cpus; cpu++)
        vmsim__tlb_set_memory(m->cpus[cpu].tlb, &m->frame_nodes, m->distances + (size_t)m->mem->cpu_node[cpu] * nodes,
                              &m->reads[cpu]);
    return 0;
}

/* Each part may be missing. */
void vmsim__distance_fini(struct vmsim_machine *m) {
    if (m->mem)
        vmsim__free(m->alloc, m->distances, (size_t)m->mem->nr_nodes * m->mem->nr_nodes * sizeof *m->distances);
    if (m->node_reads)
        vmsim__free(m->alloc, m->node_reads, 2 * (size_t)m->mem->nr_nodes * m->nr_cpus * sizeof *m->node_reads);
    if (m->reads)
        vmsim__free(m->alloc, m->reads, m->nr_cpus * sizeof *m->reads);
    if (m->frame_nodes.range)
        vmsim__tlb_memory_destroy(&m->frame_nodes, m->alloc);
}
