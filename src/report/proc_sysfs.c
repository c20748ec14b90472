/* SPDX-License-Identifier: MIT */
/* /sys: nodes, CPUs, huge pages, debugfs' fragmentation indices. Each file is one function that prints it as the
 * kernel does, to the blank, because real programs read them (numactl, node_exporter) and captures are compared with
 * them; the table at the end has their paths, with an argument where one function serves several (a node, a size).
 *
 * Kernel counterparts: drivers/base/node.c, drivers/base/cpu.c, mm/huge_memory.c, mm/khugepaged.c, mm/hugetlb.c. */
#include <stdio.h>
#include <string.h>

#include "machine/khugepaged.h"
#include "machine/knobs.h"
#include "report/proc.h"

/* ---- sets of nodes and CPUs ---- */

enum node_set { NODES_ALL, NODES_WITH_CPU, NODES_WITH_MEMORY };

/* Masks of nodes: all that exist, those that run tasks, those that can give memory. */
static void node_set(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t which) {
    VMSIM__ASSERT(m->mem->nr_nodes <= VMSIM__MAX_NODES);
    bool set[VMSIM__MAX_NODES];
    for (unsigned n = 0; n < m->mem->nr_nodes; n++) {
        const struct vmsim__node *node = &m->mem->nodes[n];
        set[n] = which == NODES_WITH_CPU ? node->has_cpu : which == NODES_WITH_MEMORY ? node->has_memory : true;
    }
    vmsim__proc_list(out, set, m->mem->nr_nodes);
    vmsim__textbuf_puts(out, "\n");
}

/* Nodes with memory that the kernel itself can use: MOVABLE and HIGHMEM are not. */
static void normal_nodes(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t arg) {
    bool set[VMSIM__MAX_NODES] = {false};
    (void)arg;
    for (unsigned z = 0; z < m->mem->nr_zones; z++) {
        if (m->mem->zones[z].type <= VMSIM__ZONE_NORMAL && vmsim__zone_populated(&m->mem->zones[z]))
            set[m->mem->zones[z].node] = true;
    }
    vmsim__proc_list(out, set, m->mem->nr_nodes);
    vmsim__textbuf_puts(out, "\n");
}

/* A node without CPUs has an empty list, which is a line of its own. */
static void print_cpus(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t node, bool mask) {
    VMSIM__ASSERT(node == UINT32_MAX || node < m->mem->nr_nodes);
    bool *set = vmsim__calloc(out->alloc, m->nr_cpus, sizeof *set);
    if (!set) {
        out->failed = true;
        return;
    }
    for (unsigned cpu = 0; cpu < m->nr_cpus; cpu++)
        set[cpu] = node == UINT32_MAX || vmsim__node_has(&m->mem->nodes[node], cpu);
    if (mask)
        vmsim__proc_mask(out, set, m->nr_cpus, m->nr_cpus);
    else
        vmsim__proc_list(out, set, m->nr_cpus);
    vmsim__textbuf_puts(out, "\n");
    vmsim__free(out->alloc, set, m->nr_cpus * sizeof *set);
}

static void cpu_list(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t node) {
    print_cpus(m, out, node, false);
}

static void cpu_map(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t node) {
    print_cpus(m, out, node, true);
}

/* One row of the table, without an end of its own but the line's. */
static void node_distance(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t node) {
    VMSIM__ASSERT(node < m->mem->nr_nodes);
    for (unsigned n = 0; n < m->mem->nr_nodes; n++)
        vmsim__textbuf_printf(out, "%s%u", n ? " " : "", m->mem->nodes[node].distance[n]);
    vmsim__textbuf_puts(out, "\n");
}

static void demotion_enabled(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t arg) {
    (void)arg;
    vmsim__textbuf_puts(out, m->numa.knobs.demotion_enabled ? "true\n" : "false\n");
}

/* Nodes with memory of one tier. Kernel: nodelist_show of mm/memory-tiers.c. */
static void tier_nodes(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t tier) {
    bool set[VMSIM__MAX_NODES];
    for (unsigned n = 0; n < m->mem->nr_nodes; n++)
        set[n] = m->mem->nodes[n].has_memory && m->mem->nodes[n].tier == tier;
    vmsim__proc_list(out, set, m->mem->nr_nodes);
    vmsim__textbuf_puts(out, "\n");
}

/* ---- huge pages ---- */

/* "always [madvise] never" The kernel marks the value in force by brackets; a write takes the bare word. */
static void print_choice(struct vmsim__textbuf *out, const char *const *names, unsigned chosen) {
    VMSIM__ASSERT(chosen < 8);
    for (unsigned i = 0; names[i]; i++)
        vmsim__textbuf_printf(out, i == chosen ? "%s[%s]" : "%s%s", i ? " " : "", names[i]);
    vmsim__textbuf_puts(out, "\n");
}

static void thp_enabled(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t arg) {
    (void)arg;
    print_choice(out, vmsim__thp_mode_names, m->mem->thp_enabled);
}

/* Below 512 MiB the kernel clears all flags at boot: what is left reads as never. */
static void thp_defrag(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t arg) {
    const struct vmsim__knob *knob = vmsim__knob_find(vmsim__thp_knob_table, "transparent_hugepage/defrag");
    (void)arg;
    print_choice(out, knob->value.choices, (unsigned)vmsim__vm_knobs(m->vm)->thp_defrag);
}

static void thp_shmem_enabled(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t arg) {
    static const char *const names[] = {"always", "within_size", "advise", "never", "deny", "force", NULL};
    static const uint8_t place[] = {
        [VMSIM__SHMEM_NEVER] = 3,  [VMSIM__SHMEM_ALWAYS] = 0, [VMSIM__SHMEM_WITHIN_SIZE] = 1,
        [VMSIM__SHMEM_ADVISE] = 2, [VMSIM__SHMEM_DENY] = 4,   [VMSIM__SHMEM_FORCE] = 5};
    (void)arg;
    print_choice(out, names, place[vmsim__cache_spec(m->cache)->shmem_huge]);
}

static void thp_size_enabled(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t order) {
    static const char *const names[] = {"always", "inherit", "madvise", "never", NULL};
    print_choice(out, names, (unsigned)vmsim__thp_size_mode(m->vm, order) - VMSIM__THP_SIZE_ALWAYS);
}

/* The order in the low byte, the count above. */
static void thp_size_stat(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t arg) {
    vmsim__textbuf_printf(
        out, "%llu\n",
        (unsigned long long)vmsim__vm_thp_stat(m->vm, arg & 0xff, (enum vmsim__thp_size_stat)(arg >> 8)));
}

static void thp_zero_page(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t arg) {
    (void)arg;
    vmsim__textbuf_printf(out, "%d\n", vmsim__vm_knobs(m->vm)->thp_use_zero_page);
}

static void khugepaged_defrag(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t arg) {
    (void)arg;
    vmsim__textbuf_printf(out, "%d\n", vmsim__vm_knobs(m->vm)->khugepaged.defrag);
}

/* A knob's file that is here because of its place among others. */
enum { LRU_GEN_ENABLED, LRU_GEN_MIN_TTL };
static void lru_gen(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t which) {
    static const char *const names[] = {"lru_gen/enabled", "lru_gen/min_ttl_ms"};
    char text[64];
    if (vmsim__machine_knob_read(m, vmsim__machine_knob_find(names[which]), text, sizeof text))
        vmsim__textbuf_printf(out, "%s\n", text);
}

/* hpage_pmd_size, khugepaged's knobs and what it has done. */
enum huge_number {
    HUGE_BYTES,
    HUGE_NONE,
    HUGE_SHARED,
    HUGE_SWAP,
    HUGE_SCAN,
    HUGE_SCAN_SLEEP,
    HUGE_ALLOC_SLEEP,
    HUGE_COLLAPSED,
    HUGE_FULL_SCANS
};
static void huge_number(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t which) {
    VMSIM__ASSERT(which <= HUGE_FULL_SCANS);
    const struct vmsim__vm_spec *knobs = vmsim__vm_knobs(m->vm);
    const struct vmsim__khugepaged_done done = vmsim__khugepaged_done(m);
    const uint64_t numbers[] = {[HUGE_BYTES] = vmsim__huge_bytes(m),
                                [HUGE_NONE] = knobs->khugepaged.max_ptes_none,
                                [HUGE_SHARED] = knobs->khugepaged.max_ptes_shared,
                                [HUGE_SWAP] = knobs->khugepaged.max_ptes_swap,
                                [HUGE_SCAN] = knobs->khugepaged.pages_to_scan,
                                [HUGE_SCAN_SLEEP] = knobs->khugepaged.scan_sleep_ms,
                                [HUGE_ALLOC_SLEEP] = knobs->khugepaged.alloc_sleep_ms,
                                [HUGE_COLLAPSED] = done.pages_collapsed,
                                [HUGE_FULL_SCANS] = done.full_scans};
    vmsim__textbuf_printf(out, "%llu\n", (unsigned long long)numbers[which]);
}

/* arg: a node, VMSIM__MAX_NODES meaning all, and an hstate above it. */
#define POOL_SHIFT 16
static void pool_total(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t arg) {
    uint64_t pages = vmsim__hugetlb_total(m->mem, arg >> POOL_SHIFT, arg & ((1u << POOL_SHIFT) - 1));
    vmsim__textbuf_printf(out, "%llu\n", (unsigned long long)pages);
}

static void pool_free(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t arg) {
    uint64_t pages = vmsim__hugetlb_free(m->mem, arg >> POOL_SHIFT, arg & ((1u << POOL_SHIFT) - 1));
    vmsim__textbuf_printf(out, "%llu\n", (unsigned long long)pages);
}

static void pool_surplus(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t arg) {
    uint64_t pages = vmsim__hugetlb_surplus(m->mem, arg >> POOL_SHIFT, arg & ((1u << POOL_SHIFT) - 1));
    vmsim__textbuf_printf(out, "%llu\n", (unsigned long long)pages);
}

static void pool_reserved(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t arg) {
    vmsim__textbuf_printf(out, "%llu\n", (unsigned long long)m->mem->hstate[arg >> POOL_SHIFT].reserved);
}

static void pool_overcommit(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t arg) {
    vmsim__textbuf_printf(out, "%llu\n", (unsigned long long)m->mem->hstate[arg >> POOL_SHIFT].overcommit);
}

static unsigned long long pool_kb(const struct vmsim_machine *m, uint32_t hstate) {
    VMSIM__ASSERT(hstate < m->mem->nr_hstates);
    return vmsim__pages_kb(m, UINT64_C(1) << m->mem->hstate[hstate].order);
}

/* A page is demoted to the next smaller size. */
static void demote_size(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t hstate) {
    vmsim__textbuf_printf(out, "%llukB\n", pool_kb(m, hstate + 1));
}

/* ---- fixed texts ---- */

static const char *const texts[] = {"0\n", "1\n", "false\n", "true\n"};
enum text { TEXT_0, TEXT_1, TEXT_FALSE, TEXT_TRUE };
/* Files whose value no part of the simulator changes. */
static void fixed(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t which) {
    VMSIM__ASSERT(which < VMSIM__COUNT(texts));
    (void)m;
    vmsim__textbuf_puts(out, texts[which]);
}

static void cpu_number(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t cpu) {
    (void)m;
    vmsim__textbuf_printf(out, "%u\n", cpu);
}

/* A node stands for a socket: descriptions do not tell sockets apart from nodes. */
static void cpu_package(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t cpu) {
    VMSIM__ASSERT(cpu < m->nr_cpus);
    vmsim__textbuf_printf(out, "%u\n", m->mem->cpu_node[cpu]);
}

/* ---- the files ---- */

#define NODE "sys/devices/system/node/"
#define CPU "sys/devices/system/cpu/"
#define MM "sys/kernel/mm/"
static const struct file {
    const char *path;
    vmsim__proc_render *render;
    uint32_t arg;
} machine_files[] = {
    {CPU "online", cpu_list, UINT32_MAX},
    {CPU "possible", cpu_list, UINT32_MAX},
    {CPU "present", cpu_list, UINT32_MAX},
    {NODE "has_cpu", node_set, NODES_WITH_CPU},
    {NODE "has_memory", node_set, NODES_WITH_MEMORY},
    {NODE "has_normal_memory", normal_nodes, 0},
    {NODE "online", node_set, NODES_ALL},
    {NODE "possible", node_set, NODES_ALL},
    {"sys/kernel/debug/extfrag/extfrag_index", vmsim__debug_extfrag_index, 0},
    {"sys/kernel/debug/extfrag/unusable_index", vmsim__debug_unusable_index, 0},
    {MM "lru_gen/enabled", lru_gen, LRU_GEN_ENABLED},
    {MM "lru_gen/min_ttl_ms", lru_gen, LRU_GEN_MIN_TTL},
    {MM "numa/demotion_enabled", demotion_enabled, 0},
    {MM "swap/vma_ra_enabled", fixed, TEXT_TRUE},
    {MM "transparent_hugepage/defrag", thp_defrag, 0},
    {MM "transparent_hugepage/enabled", thp_enabled, 0},
    {MM "transparent_hugepage/hpage_pmd_size", huge_number, HUGE_BYTES},
    {MM "transparent_hugepage/shmem_enabled", thp_shmem_enabled, 0},
    {MM "transparent_hugepage/use_zero_page", thp_zero_page, 0},
    {MM "transparent_hugepage/khugepaged/alloc_sleep_millisecs", huge_number, HUGE_ALLOC_SLEEP},
    {MM "transparent_hugepage/khugepaged/defrag", khugepaged_defrag, 0},
    {MM "transparent_hugepage/khugepaged/full_scans", huge_number, HUGE_FULL_SCANS},
    {MM "transparent_hugepage/khugepaged/max_ptes_none", huge_number, HUGE_NONE},
    {MM "transparent_hugepage/khugepaged/max_ptes_shared", huge_number, HUGE_SHARED},
    {MM "transparent_hugepage/khugepaged/max_ptes_swap", huge_number, HUGE_SWAP},
    {MM "transparent_hugepage/khugepaged/pages_collapsed", huge_number, HUGE_COLLAPSED},
    {MM "transparent_hugepage/khugepaged/pages_to_scan", huge_number, HUGE_SCAN},
    {MM "transparent_hugepage/khugepaged/scan_sleep_millisecs", huge_number, HUGE_SCAN_SLEEP},
};

static const struct file node_files[] = {
    {"cpulist", cpu_list, 0},
    {"cpumap", cpu_map, 0},
    {"distance", node_distance, 0},
    {"meminfo", vmsim__node_meminfo, 0},
    {"numastat", vmsim__node_numastat, 0},
    {"vmstat", vmsim__node_vmstat, 0},
};

static const struct file cpu_files[] = {
    {"online", fixed, TEXT_1},
    {"topology/core_id", cpu_number, 0},
    {"topology/physical_package_id", cpu_package, 0},
};

/* One pool of huge pages in `directory`: of the machine (node == VMSIM__MAX_NODES) or of a node, which has fewer
 * files. */
static int each_pool_file(struct vmsim_machine *m, const char *directory, uint32_t node, uint32_t hstate,
                          vmsim__proc_visit *visit, void *context) {
    VMSIM__ASSERT(directory && visit);
    static const struct {
        const char *name;
        vmsim__proc_render *render;
        bool machine_only;
    } files[] = {
        {"free_hugepages", pool_free, false},         {"nr_hugepages", pool_total, false},
        {"nr_hugepages_mempolicy", pool_total, true}, {"nr_overcommit_hugepages", pool_overcommit, true},
        {"resv_hugepages", pool_reserved, true},      {"surplus_hugepages", pool_surplus, false},
    };
    char path[160];
    int err = 0;
    for (size_t i = 0; i < VMSIM__COUNT(files) && !err; i++) {
        if (files[i].machine_only && node != VMSIM__MAX_NODES)
            continue;
        snprintf(path, sizeof path, "%shugepages/hugepages-%llukB/%s", directory, pool_kb(m, hstate), files[i].name);
        err = visit(context, path, files[i].render, node | hstate << POOL_SHIFT);
    }
    if (err || hstate + 1 >= m->mem->nr_hstates)
        return err;
    snprintf(path, sizeof path, "%shugepages/hugepages-%llukB/demote_size", directory, pool_kb(m, hstate));
    return visit(context, path, demote_size, hstate);
}

/* The pools under one directory. */
static int each_pool(struct vmsim_machine *m, const char *directory, uint32_t node, vmsim__proc_visit *visit,
                     void *context) {
    VMSIM__ASSERT(directory && visit);
    int err = 0;
    for (uint32_t h = 0; h < m->mem->nr_hstates && !err; h++)
        err = each_pool_file(m, directory, node, h, visit, context);
    return err;
}

/* hugepages-<size>kB below transparent_hugepage, where the kernel has them. */
static int each_thp_size(struct vmsim_machine *m, vmsim__proc_visit *visit, void *context) {
    char path[160];
    int err = 0;
    for (unsigned order = vmsim__thp_next_order(m->vm, 0); order && !err; order = vmsim__thp_next_order(m->vm, order)) {
        const unsigned kb = 1u << (order + m->mem->page_shift - 10);
        snprintf(path, sizeof path, MM "transparent_hugepage/hugepages-%ukB/enabled", kb);
        err = visit(context, path, thp_size_enabled, order);
        for (uint32_t i = 0; i < VMSIM__THP_SIZE_STATS && !err; i++) {
            snprintf(path, sizeof path, MM "transparent_hugepage/hugepages-%ukB/stats/%s", kb,
                     vmsim__thp_size_stat_names[i]);
            err = visit(context, path, thp_size_stat, order | i << 8);
        }
    }
    return err;
}

static int each_node(struct vmsim_machine *m, vmsim__proc_visit *visit, void *context) {
    char directory[64], path[128];
    int err = 0;
    for (uint32_t n = 0; n < m->mem->nr_nodes && !err; n++) {
        snprintf(directory, sizeof directory, NODE "node%u/", n);
        for (size_t i = 0; i < VMSIM__COUNT(node_files) && !err; i++) {
            snprintf(path, sizeof path, "%s%s", directory, node_files[i].path);
            err = visit(context, path, node_files[i].render, n);
        }
        if (!err)
            err = each_pool(m, directory, n, visit, context);
    }
    return err;
}

/* A folder for each tier that some node with memory is of. */
static int each_tier(struct vmsim_machine *m, vmsim__proc_visit *visit, void *context) {
    char path[80];
    int err = 0;
    for (uint32_t tier = 1; tier < 256 && !err; tier++) {
        bool any = false;
        for (unsigned n = 0; n < m->mem->nr_nodes; n++)
            any |= m->mem->nodes[n].has_memory && m->mem->nodes[n].tier == tier;
        if (!any)
            continue;
        snprintf(path, sizeof path, "sys/devices/virtual/memory_tiering/memory_tier%u/nodelist", tier);
        err = visit(context, path, tier_nodes, tier);
    }
    return err;
}

static int each_cpu(struct vmsim_machine *m, vmsim__proc_visit *visit, void *context) {
    char path[128];
    int err = 0;
    for (uint32_t cpu = 0; cpu < m->nr_cpus && !err; cpu++) {
        for (size_t i = 0; i < VMSIM__COUNT(cpu_files) && !err; i++) {
            snprintf(path, sizeof path, CPU "cpu%u/%s", cpu, cpu_files[i].path);
            err = visit(context, path, cpu_files[i].render, cpu_files[i].render == fixed ? cpu_files[i].arg : cpu);
        }
    }
    return err;
}

int vmsim__proc_each_sysfs(struct vmsim_machine *m, vmsim__proc_visit *visit, void *context) {
    VMSIM__ASSERT(visit);
    int err = 0;
    for (size_t i = 0; i < VMSIM__COUNT(machine_files) && !err; i++)
        err = visit(context, machine_files[i].path, machine_files[i].render, machine_files[i].arg);
    if (!err && vmsim__proc_profile(m)->shrink_underused)
        err = visit(context, MM "transparent_hugepage/shrink_underused", fixed, TEXT_1);
    err = err ? err : each_thp_size(m, visit, context);
    err = err ? err : each_pool(m, MM, VMSIM__MAX_NODES, visit, context);
    err = err ? err : each_node(m, visit, context);
    err = err ? err : each_tier(m, visit, context);
    return err ? err : each_cpu(m, visit, context);
}
