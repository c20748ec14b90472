/* SPDX-License-Identifier: MIT */
/* Counters by name: /proc/vmstat, a node's vmstat and numastat, the counter lists of zoneinfo.
 *
 * zones/vmstat.h has the names in the order of 6.1; a later kernel is that order with names put in and moved, which the
 * table below holds. Kernel counterparts: mm/vmstat.c (vmstat_text), drivers/base/node.c. */
#include <string.h>

#include "report/proc.h"

/* A name that a kernel prints after another one. */
static const struct addition {
    const char *kernel, *after, *name;
} additions[] = {
    {"6.12", "nr_free_cma", "nr_unaccepted"},
    {"6.12", "nr_sec_page_table_pages", "nr_iommu_pages"},
    {"6.12", "pgpromote_candidate", "pgdemote_kswapd"},
    {"6.12", "pgdemote_kswapd", "pgdemote_direct"},
    {"6.12", "pgdemote_direct", "pgdemote_khugepaged"},
    {"6.12", "nr_dirty_background_threshold", "nr_memmap_pages"},
    {"6.12", "nr_memmap_pages", "nr_memmap_boot_pages"},
    {"6.12", "pgsteal_direct", "pgsteal_khugepaged"},
    {"6.12", "pgscan_direct", "pgscan_khugepaged"},
    {"6.12", "pgsteal_file", "zone_reclaim_success"},
    {"6.12", "thp_deferred_split_page", "thp_underused_split_page"},
    {"6.12", "swap_ra_hit", "swpin_zero"},
    {"6.12", "swpin_zero", "swpout_zero"},
    {"6.12", "zswpout", "zswpwb"},
};

/* Events that a kernel counts elsewhere: not printed at their place in the list of 6.1. */
static const struct { const char *kernel, *name; } moved[] = {{"6.12", "pgdemote_kswapd"}, {"6.12", "pgdemote_direct"}};

/* They were events in 6.1 and are node counters in 6.12. */
static bool is_moved(const struct vmsim_machine *m, const char *name) {
    for (size_t i = 0; i < VMSIM__COUNT(moved); i++) {
        if (!strcmp(moved[i].kernel, m->kernel->name) && !strcmp(moved[i].name, name))
            return true;
    }
    return false;
}

/* Memory map of all sections (128 MiB) with present memory, 64 bytes a frame, as pages: nr_memmap_boot_pages. Kernel:
 * memmap_boot_pages_add at sparse_init: struct pages come by whole sections, holes in them included. */
static uint64_t memmap_pages(const struct vmsim_machine *m) {
    const struct vmsim__mem *mem = m->mem;
    unsigned shift = 27u - mem->page_shift;
    uint64_t sections = 0, next = 0;
    for (size_t i = 0; i < mem->nr_segments; i++) {
        uint64_t first = mem->segments[i].start >> shift, last = (mem->segments[i].end - UINT64_C(1)) >> shift;
        first = vmsim__max64(first, next);
        sections += last + 1 > first ? last + 1 - first : 0;
        next = vmsim__max64(next, last + 1);
    }
    return (sections << shift) * 64 >> mem->page_shift;
}

/* A node's file has no events: there the counter is printed as 0. */
static uint64_t addition_value(const struct vmsim_machine *m, const char *name, bool whole_machine) {
    if (!strcmp(name, "nr_memmap_boot_pages"))
        return memmap_pages(m);
    for (unsigned i = 0; i < VMSIM__EVENT_COUNT && whole_machine; i++) {
        if (!strcmp(vmsim__event_names[i], name))
            return m->mem->event[i];
    }
    return 0;
}

/* One counter, and whatever this kernel prints behind it. Additions may follow each other: each becomes the name that
 * the next one is looked up by. */
static void emit(const struct vmsim_machine *m, struct vmsim__emitter *e, const char *name, uint64_t value,
                 bool whole_machine) {
    vmsim__emit_uint(e, name, value, VMSIM__UNIT_NONE);
    for (size_t i = 0; i < VMSIM__COUNT(additions); i++) {
        if (!strcmp(additions[i].after, name) && !strcmp(additions[i].kernel, m->kernel->name)) {
            name = additions[i].name;
            vmsim__emit_uint(e, name, addition_value(m, name, whole_machine), VMSIM__UNIT_NONE);
        }
    }
}

/* A counter of a zone type that this architecture does not have ("pgalloc_high") is not printed. */
static bool event_exists(const struct vmsim_machine *m, const char *name) {
    static const char *const prefixes[] = {"pgalloc_", "allocstall_", "pgskip_"};
    for (size_t i = 0; i < VMSIM__COUNT(prefixes); i++) {
        size_t n = strlen(prefixes[i]);
        for (unsigned t = 0; t < VMSIM__ZONE_TYPES && !strncmp(name, prefixes[i], n); t++) {
            if (!strcmp(name + n, vmsim__zone_type_suffix((enum vmsim__zone_type)t)))
                return m->mem->zone_configured >> t & 1;
        }
    }
    return !is_moved(m, name);
}

void vmsim__emit_zone_stats(struct vmsim_machine *m, struct vmsim__emitter *e, const struct vmsim__zone *z) {
    for (unsigned i = 0; i < VMSIM__ZONE_STAT_COUNT; i++)
        emit(m, e, vmsim__zone_stat_names[i], vmsim__non_negative(z->stat[i]), false);
    for (unsigned i = 0; i < VMSIM__NUMA_STAT_COUNT; i++)
        emit(m, e, vmsim__numa_stat_names[i], z->numa[i], false);
}

void vmsim__emit_node_stats(struct vmsim_machine *m, struct vmsim__emitter *e, unsigned node) {
    for (unsigned i = 0; i < VMSIM__NODE_STAT_COUNT; i++)
        emit(m, e, vmsim__node_stat_names[i], vmsim__non_negative(m->mem->nodes[node].stat[i]), false);
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
        sum += mem->zones[mem->nodes[node].zone[i]].stat[stat];
    return vmsim__non_negative(sum);
}

static const struct vmsim__proc_style name_value = {.end = "", .gap = " "};

void vmsim__node_vmstat(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t node) {
    struct vmsim__emitter e;
    vmsim__emitter_proc(&e, out, name_value);
    for (unsigned i = 0; i < VMSIM__ZONE_STAT_COUNT; i++)
        emit(m, &e, vmsim__zone_stat_names[i], node_zone_stat(m->mem, node, i), false);
    for (unsigned i = 0; i < VMSIM__NUMA_STAT_COUNT; i++)
        emit(m, &e, vmsim__numa_stat_names[i], node_numa(m->mem, node, i), false);
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
    uint64_t dirty, background;
    struct vmsim__emitter e;
    (void)arg;
    vmsim__emitter_proc(&e, out, name_value);
    for (unsigned i = 0; i < VMSIM__ZONE_STAT_COUNT; i++) {
        int64_t sum = vmsim__mem_zone_stat(m->mem, (enum vmsim__zone_stat)i);
        emit(m, &e, vmsim__zone_stat_names[i], vmsim__non_negative(sum), true);
    }
    for (unsigned i = 0; i < VMSIM__NUMA_STAT_COUNT; i++)
        emit(m, &e, vmsim__numa_stat_names[i], vmsim__mem_numa_stat(m->mem, (enum vmsim__numa_stat)i), true);
    for (unsigned i = 0; i < VMSIM__NODE_STAT_COUNT; i++) {
        int64_t sum = vmsim__mem_node_stat(m->mem, (enum vmsim__node_stat)i);
        emit(m, &e, vmsim__node_stat_names[i], vmsim__non_negative(sum), true);
    }
    vmsim__dirty_limits(m->cache, &dirty, &background);
    emit(m, &e, "nr_dirty_threshold", dirty, true);
    emit(m, &e, "nr_dirty_background_threshold", background, true);
    for (unsigned i = 0; i < VMSIM__EVENT_COUNT; i++) {
        if (event_exists(m, vmsim__event_names[i]))
            emit(m, &e, vmsim__event_names[i], m->mem->event[i], true);
    }
    emit(m, &e, "nr_unstable", 0, true);
    vmsim__emitter_fini(&e);
}
