/* SPDX-License-Identifier: MIT */
/* Sections about the machine as a whole: what it is, where time went, faults, zones, page cache, page tables.
 *
 * A section is a function of the run and an emitter, and is called in the same way for the summary and for stats.json:
 * names of keys are stats.json's, and what people read is made from them by the emitter (units, headings). */
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "report/proc.h"
#include "report/sections.h"

static void count(struct vmsim__emitter *e, const char *key, uint64_t n) {
    vmsim__emit_uint(e, key, n, VMSIM__UNIT_COUNT);
}

static uint64_t node_bytes(const struct vmsim_machine *m, unsigned node) {
    return m->mem->nodes[node].present << m->mem->page_shift;
}

/* "node 0: 2 GiB, node 1: 2 GiB" */
static void nodes_text(const struct vmsim_machine *m, struct vmsim__textbuf *out) {
    char size[32];
    for (unsigned n = 0; n < m->mem->nr_nodes && n < 8; n++)
        vmsim__textbuf_printf(out, "%snode %u: %s", n ? ", " : "", n,
                              vmsim__human_size(node_bytes(m, n), size, sizeof size));
    if (m->mem->nr_nodes > 8)
        vmsim__textbuf_printf(out, ", ... (%u nodes)", m->mem->nr_nodes);
}

/* What one has to know to read the rest: a figure without its machine means nothing. */
void vmsim__section_machine(struct vmsim_scenario *s, struct vmsim__emitter *e) {
    const struct vmsim_machine *m = s->machine;
    struct vmsim__textbuf nodes;
    uint64_t present = 0;
    for (unsigned n = 0; n < m->mem->nr_nodes; n++)
        present += node_bytes(m, n);
    vmsim__textbuf_init(&nodes, s->alloc);
    nodes_text(m, &nodes);
    vmsim__emit_object(e, "machine");
    vmsim__emit_string(e, "architecture", m->format->name);
    vmsim__emit_string(e, "kernel", m->kernel->name);
    vmsim__emit_uint(e, "cpus", m->nr_cpus, VMSIM__UNIT_NONE);
    vmsim__emit_uint(e, "memory", present, VMSIM__UNIT_BYTES);
    vmsim__emit_string(e, "nodes", vmsim__textbuf_text(&nodes));
    vmsim__emit_uint(e, "page_size", UINT64_C(1) << m->mem->page_shift, VMSIM__UNIT_BYTES);
    vmsim__emit_string(e, "transparent_huge_pages", vmsim__thp_mode_names[m->mem->thp_enabled]);
    if (s->spec->machine.costs.source)
        vmsim__emit_string(e, "costs", s->spec->machine.costs.source);
    vmsim__emit_object_end(e);
    e->out->failed |= nodes.failed;
    vmsim__textbuf_fini(&nodes);
}

/* Sums over tasks, those that ended included. */
void vmsim__section_run(struct vmsim_scenario *s, struct vmsim__emitter *e) {
    const struct vmsim_machine *m = s->machine;
    uint64_t references = 0, syscalls = 0, minor = 0, major = 0;
    for (size_t i = 0; i < m->tasks.count; i++) {
        references += m->tasks.at[i]->stats.references;
        syscalls += m->tasks.at[i]->stats.syscalls;
        minor += m->tasks.at[i]->stats.min_flt;
        major += m->tasks.at[i]->stats.maj_flt;
    }
    vmsim__emit_object(e, "run");
    vmsim__emit_uint(e, "virtual_time", vmsim__machine_uptime(m), VMSIM__UNIT_NS);
    vmsim__emit_uint(e, "seed", s->spec->workload.seed, VMSIM__UNIT_NONE);
    count(e, "tasks", m->tasks.count);
    count(e, "references", references);
    count(e, "system_calls", syscalls);
    count(e, "minor_faults", minor);
    count(e, "major_faults", major);
    if (s->unfinished)
        vmsim__emit_bool(e, "unfinished", true);
    vmsim__emit_object_end(e);
}

/* ---- where the time went ---- */

#define NOT_COUNTED UINT64_MAX
enum { LIMITS = 2, LIMIT_BYTES = 200 };

/* Where nothing is counted beside the time, the cell is empty and not 0. */
static void time_row(struct vmsim__emitter *e, const char *what, uint64_t ns, uint64_t of, uint64_t events) {
    VMSIM__ASSERT(what && ns <= UINT64_MAX / 2);
    vmsim__emit_object(e, NULL);
    vmsim__emit_string(e, "what", what);
    vmsim__emit_uint(e, "time", ns, VMSIM__UNIT_NS);
    vmsim__emit_ratio(e, "share", ns, of, 4, VMSIM__UNIT_PERCENT);
    if (events == NOT_COUNTED)
        vmsim__emit_string(e, "events", NULL);
    else
        count(e, "events", events);
    vmsim__emit_object_end(e);
}

/* All tasks' time, in parts that add up to their ages. User time is split by what the walkers say of their cycles. */
struct time_parts {
    struct vmsim__task_stats sum;
    uint64_t own, walks, memory, switches, total; /* own: user time that is neither of the next two */
};

static struct time_parts time_parts(const struct vmsim_machine *m) {
    struct time_parts p = {0};
    const uint64_t clock = m->spec.tlb.clock ? m->spec.tlb.clock : 1;
    for (size_t i = 0; i < m->tasks.count; i++) {
        const struct vmsim__task_stats *t = &m->tasks.at[i]->stats;
        p.sum.references += t->references;
        p.sum.syscalls += t->syscalls;
        p.sum.user_ns += t->user_ns;
        p.sum.system_ns += t->system_ns;
        p.sum.fault_ns += t->fault_ns;
        p.sum.switch_ns += t->switch_ns;
        p.sum.blocked_ns += t->blocked_ns;
        p.sum.waiting_ns += t->waiting_ns;
        p.sum.asleep_ns += t->asleep_ns;
        p.sum.min_flt += t->min_flt;
        p.sum.maj_flt += t->maj_flt;
    }
    for (unsigned cpu = 0; cpu < m->nr_cpus; cpu++)
        p.switches += m->cpus[cpu].switches;
    p.walks = vmsim__min64(vmsim__tlb_sum(m, VMSIM__TLB_walk_cycles) * 1000 / clock, p.sum.user_ns);
    p.memory = vmsim__min64(vmsim__tlb_sum(m, VMSIM__TLB_memory_cycles) * 1000 / clock, p.sum.user_ns - p.walks);
    p.own = p.sum.user_ns - p.walks - p.memory;
    p.total = p.sum.user_ns + p.sum.system_ns + p.sum.blocked_ns + p.sum.waiting_ns + p.sum.asleep_ns;
    return p;
}

void vmsim__section_time(struct vmsim_scenario *s, struct vmsim__emitter *e) {
    const struct vmsim_machine *m = s->machine;
    const struct time_parts p = time_parts(m);
    const struct vmsim__task_stats *sum = &p.sum;
    vmsim__emit_array(e, "where_the_time_went");
    time_row(e, "user: TLB hits, own work", p.own, p.total, sum->references);
    time_row(e, "user: page walks", p.walks, p.total, vmsim__tlb_sum(m, VMSIM__TLB_walks));
    time_row(e, "user: distance of memory", p.memory, p.total, NOT_COUNTED);
    time_row(e, "kernel: page faults", sum->fault_ns, p.total, sum->min_flt + sum->maj_flt);
    time_row(e, "kernel: system calls", sum->system_ns - sum->fault_ns - sum->switch_ns, p.total, sum->syscalls);
    time_row(e, "kernel: task switches", sum->switch_ns, p.total, p.switches);
    time_row(e, "blocked: devices", sum->blocked_ns, p.total, NOT_COUNTED);
    time_row(e, "waiting for a CPU", sum->waiting_ns, p.total, NOT_COUNTED);
    time_row(e, "asleep: sleep, wait, barriers", sum->asleep_ns, p.total, NOT_COUNTED);
    vmsim__emit_array_end(e);
}

/* What decided most of the run and is not simulated: at most a line each. */
static size_t limits_of(const struct vmsim_scenario *s, char text[LIMITS][LIMIT_BYTES]) {
    const struct time_parts p = time_parts(s->machine);
    size_t n = 0;
    if (p.total && p.own >= p.total - p.own)
        snprintf(
            text[n++], LIMIT_BYTES,
            "%u %% of the time is the programs' own work, at what machine.costs.references says a reference costs: "
            "caches and pipelines are not simulated",
            (unsigned)(p.own / ((p.total + 99) / 100)));
    if (p.total && s->replays.count && p.sum.asleep_ns >= p.total - p.sum.asleep_ns)
        snprintf(
            text[n++], LIMIT_BYTES,
            "%u %% of the time recorded programs slept, as long as when they were recorded: whom they waited for is "
            "not simulated",
            (unsigned)(p.sum.asleep_ns / ((p.total + 99) / 100)));
    return n;
}

void vmsim__section_limits(struct vmsim_scenario *s, struct vmsim__emitter *e) {
    char text[LIMITS][LIMIT_BYTES];
    const size_t n = limits_of(s, text);
    vmsim__emit_array(e, "not_simulated");
    for (size_t i = 0; i < n; i++)
        vmsim__emit_string(e, NULL, text[i]);
    vmsim__emit_array_end(e);
}

void vmsim__report_limits(struct vmsim_scenario *s, struct vmsim__textbuf *out) {
    char text[LIMITS][LIMIT_BYTES];
    const size_t n = limits_of(s, text);
    for (size_t i = 0; i < n; i++)
        vmsim__textbuf_printf(out, "%s%s (docs/model.md)\n", i ? "" : "\n", text[i]);
}

/* ---- faults ---- */

static void fault_row(struct vmsim__emitter *e, const char *kind, uint64_t n) {
    VMSIM__ASSERT(kind);
    if (!n)
        return;
    vmsim__emit_object(e, NULL);
    vmsim__emit_string(e, "kind", kind);
    count(e, "count", n);
    vmsim__emit_object_end(e);
}

/* The kernel's counters of faults, and how tasks ended that a fault ended; what did not happen is left out. */
void vmsim__section_faults(struct vmsim_scenario *s, struct vmsim__emitter *e) {
    static const struct {
        const char *kind;
        enum vmsim__event_stat event;
    } rows[] = {
        {"fault entries (pgfault)", VMSIM__PGFAULT},
        {"of these waiting for a device (pgmajfault)", VMSIM__PGMAJFAULT},
        {"write-protected page reused (pgreuse)", VMSIM__PGREUSE},
        {"huge page (thp_fault_alloc)", VMSIM__THP_FAULT_ALLOC},
        {"no huge page free (thp_fault_fallback)", VMSIM__THP_FAULT_FALLBACK},
        {"huge zero page (thp_zero_page_alloc)", VMSIM__THP_ZERO_PAGE_ALLOC},
        {"swapped in (pswpin)", VMSIM__PSWPIN},
    };
    uint64_t stops[VMSIM_STOP_DEAD + 1] = {0};
    for (size_t i = 0; i < s->machine->tasks.count; i++)
        stops[s->machine->tasks.at[i]->stop]++;
    vmsim__emit_array(e, "faults_by_kind");
    for (size_t i = 0; i < VMSIM__COUNT(rows); i++)
        fault_row(e, rows[i].kind, s->machine->mem->event[rows[i].event]);
    fault_row(e, "tasks ended by SIGSEGV", stops[VMSIM_STOP_SIGSEGV]);
    fault_row(e, "tasks ended by SIGBUS", stops[VMSIM_STOP_SIGBUS]);
    fault_row(e, "tasks killed without memory", stops[VMSIM_STOP_OOM]);
    if (s->machine->panicked)
        fault_row(e, "kernel panics without memory", 1);
    vmsim__emit_array_end(e);
}

/* ---- memory ---- */

static void cpus_text(const struct vmsim_machine *m, unsigned node, struct vmsim__textbuf *out) {
    VMSIM__ASSERT(node < m->mem->nr_nodes);
    bool *set = vmsim__calloc(out->alloc, m->nr_cpus, sizeof *set);
    if (!set) {
        out->failed = true;
        return;
    }
    for (unsigned cpu = 0; cpu < m->nr_cpus; cpu++)
        set[cpu] = vmsim__node_has(&m->mem->nodes[node], cpu);
    vmsim__proc_list(out, set, m->nr_cpus);
    vmsim__free(out->alloc, set, m->nr_cpus * sizeof *set);
}

/* Free includes per-CPU lists: nodes are about capacity. */
static void node_row(const struct vmsim_machine *m, unsigned n, const char *cpus, struct vmsim__emitter *e) {
    VMSIM__ASSERT(n < m->mem->nr_nodes && cpus);
    const struct vmsim__node *node = &m->mem->nodes[n];
    unsigned shift = m->mem->page_shift;
    uint64_t managed = 0, unused = 0, local = 0, other = 0;
    for (unsigned i = 0; i < node->nr_zones; i++) {
        const struct vmsim__zone *z = &m->mem->zones[node->zone[i]];
        managed += z->managed;
        unused += vmsim__non_negative(z->stat[VMSIM__NR_FREE_PAGES]) + vmsim__zone_pcp_count(m->mem, z);
        local += z->numa[VMSIM__NUMA_LOCAL];
        other += z->numa[VMSIM__NUMA_OTHER];
    }
    vmsim__emit_object(e, NULL);
    vmsim__emit_uint(e, "node", n, VMSIM__UNIT_NONE);
    vmsim__emit_string(e, "cpus", *cpus ? cpus : "-");
    vmsim__emit_uint(e, "memory", node_bytes(m, n), VMSIM__UNIT_BYTES);
    vmsim__emit_uint(e, "free", unused << shift, VMSIM__UNIT_BYTES);
    vmsim__emit_uint(e, "used", (managed > unused ? managed - unused : 0) << shift, VMSIM__UNIT_BYTES);
    vmsim__emit_uint(e, "anon", vmsim__non_negative(node->stat[VMSIM__NR_ANON_PAGES]) << shift, VMSIM__UNIT_BYTES);
    vmsim__emit_uint(e, "file", vmsim__non_negative(node->stat[VMSIM__NR_FILE_PAGES]) << shift, VMSIM__UNIT_BYTES);
    vmsim__emit_uint(e, "page_tables", vmsim__non_negative(node->stat[VMSIM__NR_PAGE_TABLE_PAGES]) << shift,
                     VMSIM__UNIT_BYTES);
    count(e, "local_allocs", local);
    count(e, "remote", other);
    vmsim__emit_object_end(e);
}

/* References of one node's CPUs that missed their TLBs, by where the data were. */
static uint64_t traffic(const struct vmsim_machine *m, unsigned from, unsigned to) {
    uint64_t sum = 0;
    for (unsigned cpu = 0; cpu < m->nr_cpus; cpu++)
        sum += vmsim__node_has(&m->mem->nodes[from], cpu) ? m->reads[cpu].by_node[to] : 0;
    return sum;
}

static void traffic_rows(const struct vmsim_machine *m, unsigned from, struct vmsim__emitter *e) {
    uint64_t all = 0, n;
    for (unsigned to = 0; to < m->mem->nr_nodes; to++)
        all += traffic(m, from, to);
    for (unsigned to = 0; all && to < m->mem->nr_nodes; to++) {
        if (!(n = traffic(m, from, to)))
            continue;
        vmsim__emit_object(e, NULL);
        vmsim__emit_uint(e, "cpu_node", from, VMSIM__UNIT_NONE);
        vmsim__emit_uint(e, "memory_node", to, VMSIM__UNIT_NONE);
        count(e, "references", n);
        vmsim__emit_ratio(e, "share", n, all, 4, VMSIM__UNIT_PERCENT);
        vmsim__emit_object_end(e);
    }
}

/* Who read whose memory: pairs of nodes between which there was something. Not where nothing is far, as nobody counts
 * there. */
static void section_traffic(const struct vmsim_machine *m, struct vmsim__emitter *e) {
    if (!m->reads)
        return;
    vmsim__emit_array(e, "node_traffic");
    for (unsigned from = 0; from < m->mem->nr_nodes; from++)
        traffic_rows(m, from, e);
    vmsim__emit_array_end(e);
}

void vmsim__section_nodes(struct vmsim_scenario *s, struct vmsim__emitter *e) {
    struct vmsim__textbuf cpus;
    vmsim__textbuf_init(&cpus, s->alloc);
    vmsim__emit_array(e, "memory_by_node");
    for (unsigned n = 0; n < s->machine->mem->nr_nodes; n++) {
        vmsim__textbuf_clear(&cpus);
        cpus_text(s->machine, n, &cpus);
        node_row(s->machine, n, vmsim__textbuf_text(&cpus), e);
        e->out->failed |= cpus.failed;
    }
    vmsim__emit_array_end(e);
    vmsim__textbuf_fini(&cpus);
    section_traffic(s->machine, e);
}

/* Used: managed frames that are neither in the buddy lists nor on per-CPU lists, which only look used. */
void vmsim__section_zones(struct vmsim_scenario *s, struct vmsim__emitter *e) {
    const struct vmsim__mem *mem = s->machine->mem;
    vmsim__emit_array(e, "memory_by_zone");
    for (unsigned i = 0; i < mem->nr_zones; i++) {
        const struct vmsim__zone *z = &mem->zones[i];
        if (!vmsim__zone_populated(z))
            continue;
        uint64_t unused = vmsim__non_negative(z->stat[VMSIM__NR_FREE_PAGES]), pcp = vmsim__zone_pcp_count(mem, z);
        uint64_t used = z->managed > unused + pcp ? z->managed - unused - pcp : 0;
        vmsim__emit_object(e, NULL);
        vmsim__emit_uint(e, "node", z->node, VMSIM__UNIT_NONE);
        vmsim__emit_string(e, "zone", z->name);
        vmsim__emit_uint(e, "managed", z->managed, VMSIM__UNIT_PAGES);
        vmsim__emit_uint(e, "free", unused, VMSIM__UNIT_PAGES);
        vmsim__emit_uint(e, "pcp", pcp, VMSIM__UNIT_PAGES);
        vmsim__emit_uint(e, "used", used, VMSIM__UNIT_PAGES);
        vmsim__emit_ratio(e, "in_use", used, z->managed, 4, VMSIM__UNIT_PERCENT);
        vmsim__emit_uint(e, "min", vmsim__zone_wmark(z, VMSIM__WMARK_MIN), VMSIM__UNIT_PAGES);
        vmsim__emit_uint(e, "low", vmsim__zone_wmark(z, VMSIM__WMARK_LOW), VMSIM__UNIT_PAGES);
        vmsim__emit_uint(e, "high", vmsim__zone_wmark(z, VMSIM__WMARK_HIGH), VMSIM__UNIT_PAGES);
        vmsim__emit_object_end(e);
    }
    vmsim__emit_array_end(e);
}

static uint64_t bytes_of(const struct vmsim_machine *m, enum vmsim__node_stat stat) {
    return vmsim__non_negative(vmsim__mem_node_stat(m->mem, stat)) << m->mem->page_shift;
}

void vmsim__section_page_cache(struct vmsim_scenario *s, struct vmsim__emitter *e) {
    static const struct {
        const char *key;
        enum vmsim__node_stat stat;
    } sizes[] = {
        {"cached", VMSIM__NR_FILE_PAGES},   {"mapped", VMSIM__NR_MAPPED},          {"shmem", VMSIM__NR_SHMEM},
        {"active", VMSIM__NR_ACTIVE_FILE},  {"inactive", VMSIM__NR_INACTIVE_FILE}, {"dirty", VMSIM__NR_DIRTY},
        {"writeback", VMSIM__NR_WRITEBACK},
    };
    const struct vmsim_machine *m = s->machine;
    vmsim__emit_object(e, "page_cache");
    for (size_t i = 0; i < VMSIM__COUNT(sizes); i++)
        vmsim__emit_uint(e, sizes[i].key, bytes_of(m, sizes[i].stat), VMSIM__UNIT_BYTES);
    vmsim__emit_uint(e, "read", m->mem->event[VMSIM__PGPGIN], VMSIM__UNIT_KB);
    vmsim__emit_uint(e, "written", m->mem->event[VMSIM__PGPGOUT], VMSIM__UNIT_KB);
    vmsim__emit_object_end(e);
}

/* Of what lives when the report is made; a task that ended left its own figures in the tables of tasks. */
void vmsim__section_page_tables(struct vmsim_scenario *s, struct vmsim__emitter *e) {
    struct vmsim_machine *m = s->machine;
    uint64_t spaces = 0, live = 0, tables = bytes_of(m, VMSIM__NR_PAGE_TABLE_PAGES);
    uint64_t mapped = bytes_of(m, VMSIM__NR_ANON_PAGES) + bytes_of(m, VMSIM__NR_MAPPED);
    for (const struct vmsim__mm *mm = vmsim__vm_first_mm(m->vm); mm; mm = mm->next)
        spaces++;
    for (size_t i = 0; i < m->tasks.count; i++)
        live += m->tasks.at[i]->mm != NULL;
    vmsim__emit_object(e, "page_tables");
    vmsim__emit_uint(e, "in_use", tables, VMSIM__UNIT_BYTES);
    count(e, "address_spaces", spaces);
    count(e, "live_tasks", live);
    vmsim__emit_uint(e, "mapped", mapped, VMSIM__UNIT_BYTES);
    vmsim__emit_object_end(e);
}
