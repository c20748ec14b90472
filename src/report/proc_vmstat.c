/* SPDX-License-Identifier: MIT */
/* Counters by name: /proc/vmstat, a node's vmstat and numastat, the counter lists of zoneinfo.
 *
 * zones/vmstat.h has the names in the order of 6.1; a later kernel is that order with names put in and moved, which the
 * table below holds. Kernel counterparts: mm/vmstat.c (vmstat_text), drivers/base/node.c. */
#include <string.h>

#include "report/proc.h"

/* A name that kernels print behind another one. Of two behind the same name the first comes first; each may have names
 * behind it in turn. */
static const struct addition {
    const char *since, *after, *name;
} additions[] = {
    {"6.18", "nr_free_pages", "nr_free_pages_blocks"},
    {"6.12", "nr_free_cma", "nr_unaccepted"},
    {"6.12", "nr_sec_page_table_pages", "nr_iommu_pages"},
    {"6.18", "pgpromote_candidate", "pgpromote_candidate_nrl"},
    {"6.12", "pgpromote_candidate", "pgdemote_kswapd"},
    {"6.12", "pgdemote_kswapd", "pgdemote_direct"},
    {"6.12", "pgdemote_direct", "pgdemote_khugepaged"},
    {"6.18", "pgdemote_khugepaged", "pgdemote_proactive"},
    {"6.18", "pgdemote_proactive", "nr_hugetlb"},
    {"6.18", "nr_hugetlb", "nr_balloon_pages"},
    {"6.18", "nr_balloon_pages", "nr_kernel_file_pages"},
    {"6.12", "nr_dirty_background_threshold", "nr_memmap_pages"},
    {"6.12", "nr_memmap_pages", "nr_memmap_boot_pages"},
    {"6.12", "pgsteal_direct", "pgsteal_khugepaged"},
    {"6.18", "pgsteal_khugepaged", "pgsteal_proactive"},
    {"6.12", "pgscan_direct", "pgscan_khugepaged"},
    {"6.18", "pgscan_khugepaged", "pgscan_proactive"},
    {"6.12", "pgsteal_file", "zone_reclaim_success"},
    {"6.12", "thp_deferred_split_page", "thp_underused_split_page"},
    {"6.12", "swap_ra_hit", "swpin_zero"},
    {"6.12", "swpin_zero", "swpout_zero"},
    {"6.12", "zswpout", "zswpwb"},
    {"6.18", "direct_map_level3_splits", "direct_map_level2_collapses"},
    {"6.18", "direct_map_level2_collapses", "direct_map_level3_collapses"},
};

/* Names that kernels no longer print at their place in the list of 6.1: those of demotion are node counters since. */
static const struct {
    const char *since, *name;
} gone[] = {
    {"6.12", "pgdemote_kswapd"},
    {"6.12", "pgdemote_direct"},
    {"6.18", "nr_bounce"},
    {"6.18", "nr_writeback_temp"},
};

static bool is_gone(const struct vmsim_machine *m, const char *name) {
    for (size_t i = 0; i < VMSIM__COUNT(gone); i++) {
        if (vmsim__kernel_since(m->kernel, gone[i].since) && !strcmp(gone[i].name, name))
            return true;
    }
    return false;
}

/* ---- what an architecture's kernel is built without ---- */

static bool has_numa(const struct vmsim_machine *m) {
    return vmsim__mem_has_numa(m->mem);
}
static bool has_thp(const struct vmsim_machine *m) {
    return vmsim__mem_has_thp(m->mem);
}
static bool has_hugetlb(const struct vmsim_machine *m) {
    return m->mem->nr_hstates > 0;
}
static bool has_cma(const struct vmsim_machine *m) {
    return vmsim__mem_has_cma(m->mem);
}
static bool is_x86(const struct vmsim_machine *m) {
    return vmsim__arch_is_x86(m->mem->arch);
}
static bool is_x86_64(const struct vmsim_machine *m) {
    return m->mem->arch == VMSIM__ARCH_X86_64;
}

/* Names that begin so are printed where it holds; the first that fits decides. */
static const struct {
    const char *prefix;
    bool (*holds)(const struct vmsim_machine *m);
} options[] = {{"numa_", has_numa},          {"pgpromote_", has_numa}, {"zone_reclaim_", has_numa},
               {"thp_split_pud", is_x86_64}, {"thp_", has_thp},        {"htlb_", has_hugetlb},
               {"direct_map_level", is_x86}, {"cma_", has_cma},        {"nr_unaccepted", is_x86_64}};

/* A counter of a zone type that this architecture does not have ("pgalloc_high") is not printed. */
static bool exists(const struct vmsim_machine *m, const char *name) {
    static const char *const prefixes[] = {"pgalloc_", "allocstall_", "pgskip_"};
    for (size_t i = 0; i < VMSIM__COUNT(prefixes); i++) {
        size_t n = strlen(prefixes[i]);
        for (unsigned t = 0; t < VMSIM__ZONE_TYPES && !strncmp(name, prefixes[i], n); t++) {
            if (!strcmp(name + n, vmsim__zone_type_suffix((enum vmsim__zone_type)t)))
                return m->mem->zone_configured >> t & 1;
        }
    }
    for (size_t i = 0; i < VMSIM__COUNT(options); i++) {
        if (!strncmp(name, options[i].prefix, strlen(options[i].prefix)))
            return options[i].holds(m);
    }
    return true;
}

/* What a list of counters is about: one zone, one node, or with neither the machine. Only a machine's has events. */
struct scope {
    const struct vmsim_machine *m;
    const struct vmsim__zone *zone;
    const struct vmsim__node *node;
};

/* Free frames in blocks of a pageblock and more. */
static uint64_t free_in_pageblocks(const struct scope *s) {
    const struct vmsim__mem *mem = s->m->mem;
    uint64_t frames = 0;
    VMSIM__ASSERT(!s->zone || !s->node);
    for (unsigned i = 0; i < mem->nr_zones; i++) {
        const struct vmsim__zone *z = &mem->zones[i];
        if ((s->zone && z != s->zone) || (s->node && z->node != s->node->id))
            continue;
        for (unsigned order = mem->pageblock_order; order <= mem->top_order; order++)
            for (unsigned type = 0; type < VMSIM__MIGRATE_TYPES; type++)
                frames += z->area[order].nr[type] << order;
    }
    return frames;
}

/* Memory map of all sections (128 MiB) with present memory, 64 bytes a frame, as pages: nr_memmap_boot_pages. Kernel:
 * memmap_boot_pages_add at sparse_init: struct pages come by whole sections, holes in them included. */
static uint64_t memmap_pages(const struct vmsim_machine *m) {
    const struct vmsim__mem *mem = m->mem;
    unsigned shift = 27u - mem->page_shift;
    VMSIM__ASSERT(mem->page_shift < 27);
    uint64_t sections = 0, next = 0;
    for (size_t i = 0; i < mem->nr_segments; i++) {
        uint64_t first = mem->segments[i].start >> shift, last = (mem->segments[i].end - UINT64_C(1)) >> shift;
        first = vmsim__max64(first, next);
        sections += last + 1 > first ? last + 1 - first : 0;
        next = vmsim__max64(next, last + 1);
    }
    return (sections << shift) * 64 >> mem->page_shift;
}

static uint64_t addition_value(const struct scope *s, const char *name) {
    if (!strcmp(name, "nr_memmap_boot_pages"))
        return memmap_pages(s->m);
    if (!strcmp(name, "zone_reclaim_success"))
        return s->m->node_reclaims;
    if (!strcmp(name, "zswpwb"))
        return s->m->swap && s->m->swap->zswap ? s->m->swap->zswap->stat.written_back : 0;
    if (!strcmp(name, "nr_free_pages_blocks"))
        return free_in_pageblocks(s);
    for (unsigned i = 0; i < VMSIM__EVENT_COUNT && !s->zone && !s->node; i++) {
        if (!strcmp(vmsim__event_names[i], name))
            return s->m->mem->event[i];
    }
    return 0;
}

/* One counter, and whatever this kernel prints behind it. */
static void emit(const struct scope *s, struct vmsim__emitter *e, const char *name, uint64_t value) {
    if (exists(s->m, name))
        vmsim__emit_uint(e, name, value, VMSIM__UNIT_NONE);
    for (size_t i = 0; i < VMSIM__COUNT(additions); i++) {
        if (!strcmp(additions[i].after, name) && vmsim__kernel_since(s->m->kernel, additions[i].since))
            emit(s, e, additions[i].name, addition_value(s, additions[i].name));
    }
}

/* A counter at its place in the list of 6.1. */
static void emit_listed(const struct scope *s, struct vmsim__emitter *e, const char *name, uint64_t value) {
    if (!is_gone(s->m, name))
        emit(s, e, name, value);
}

void vmsim__emit_zone_stats(struct vmsim_machine *m, struct vmsim__emitter *e, const struct vmsim__zone *z) {
    const struct scope s = {.m = m, .zone = z};
    for (unsigned i = 0; i < VMSIM__ZONE_STAT_COUNT; i++)
        emit_listed(&s, e, vmsim__zone_stat_names[i],
                    vmsim__non_negative(vmsim__zone_told(z, (enum vmsim__zone_stat)i)));
    for (unsigned i = 0; i < VMSIM__NUMA_STAT_COUNT; i++)
        emit_listed(&s, e, vmsim__numa_stat_names[i], z->numa[i]);
}

void vmsim__emit_node_stats(struct vmsim_machine *m, struct vmsim__emitter *e, unsigned node) {
    const struct scope s = {.m = m, .node = &m->mem->nodes[node]};
    for (unsigned i = 0; i < VMSIM__NODE_STAT_COUNT; i++)
        emit_listed(&s, e, vmsim__node_stat_names[i], vmsim__non_negative(m->mem->nodes[node].stat[i]));
}

static uint64_t node_numa(const struct vmsim__mem *mem, unsigned node, unsigned stat) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < mem->nodes[node].nr_zones; i++)
        sum += mem->zones[mem->nodes[node].zone[i]].numa[stat];
    return sum;
}

/* Zones of a node are summed first and held against zero then, as sum_zone_node_page_state does. */
static uint64_t node_zone_stat(const struct vmsim__mem *mem, unsigned node, unsigned stat) {
    int64_t sum = 0;
    for (unsigned i = 0; i < mem->nodes[node].nr_zones; i++)
        sum += vmsim__zone_told(&mem->zones[mem->nodes[node].zone[i]], (enum vmsim__zone_stat)stat);
    return vmsim__non_negative(sum);
}

static const struct vmsim__proc_style name_value = {.end = "", .gap = " "};

void vmsim__node_vmstat(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t node) {
    const struct scope s = {.m = m, .node = &m->mem->nodes[node]};
    struct vmsim__emitter e;
    vmsim__emitter_proc(&e, out, name_value);
    for (unsigned i = 0; i < VMSIM__ZONE_STAT_COUNT; i++)
        emit_listed(&s, &e, vmsim__zone_stat_names[i], node_zone_stat(m->mem, node, i));
    for (unsigned i = 0; i < VMSIM__NUMA_STAT_COUNT; i++)
        emit_listed(&s, &e, vmsim__numa_stat_names[i], node_numa(m->mem, node, i));
    vmsim__emit_node_stats(m, &e, node);
    vmsim__emitter_fini(&e);
}

/* Kernel: node_read_numastat has names of its own for three of the six. */
void vmsim__node_numastat(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t node) {
    static const char *const names[VMSIM__NUMA_STAT_COUNT] = {
        [VMSIM__NUMA_HIT] = "numa_hit",         [VMSIM__NUMA_MISS] = "numa_miss",
        [VMSIM__NUMA_FOREIGN] = "numa_foreign", [VMSIM__NUMA_INTERLEAVE] = "interleave_hit",
        [VMSIM__NUMA_LOCAL] = "local_node",     [VMSIM__NUMA_OTHER] = "other_node",
    };
    struct vmsim__emitter e;
    vmsim__emitter_proc(&e, out, name_value);
    for (unsigned i = 0; i < VMSIM__NUMA_STAT_COUNT; i++)
        vmsim__emit_uint(&e, names[i], node_numa(m->mem, node, i), VMSIM__UNIT_NONE);
    vmsim__emitter_fini(&e);
}

/* nr_unstable is a leftover that the kernel prints last, always 0. */
void vmsim__proc_vmstat(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t arg) {
    const struct scope s = {.m = m};
    uint64_t dirty, background;
    struct vmsim__emitter e;
    (void)arg;
    vmsim__emitter_proc(&e, out, name_value);
    for (unsigned i = 0; i < VMSIM__ZONE_STAT_COUNT; i++) {
        int64_t sum = vmsim__mem_zone_told(m->mem, (enum vmsim__zone_stat)i);
        emit_listed(&s, &e, vmsim__zone_stat_names[i], vmsim__non_negative(sum));
    }
    for (unsigned i = 0; i < VMSIM__NUMA_STAT_COUNT; i++)
        emit_listed(&s, &e, vmsim__numa_stat_names[i], vmsim__mem_numa_stat(m->mem, (enum vmsim__numa_stat)i));
    for (unsigned i = 0; i < VMSIM__NODE_STAT_COUNT; i++) {
        int64_t sum = vmsim__mem_node_stat(m->mem, (enum vmsim__node_stat)i);
        emit_listed(&s, &e, vmsim__node_stat_names[i], vmsim__non_negative(sum));
    }
    vmsim__dirty_limits(m->cache, &dirty, &background);
    emit(&s, &e, "nr_dirty_threshold", dirty);
    emit(&s, &e, "nr_dirty_background_threshold", background);
    for (unsigned i = 0; i < VMSIM__EVENT_COUNT; i++)
        emit_listed(&s, &e, vmsim__event_names[i], m->mem->event[i]);
    emit(&s, &e, "nr_unstable", 0);
    vmsim__emitter_fini(&e);
}
