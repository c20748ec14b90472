/* SPDX-License-Identifier: MIT */
/* Zones and free lists: zoneinfo, buddyinfo, pagetypeinfo, and debugfs' extfrag. Kernel counterparts: mm/vmstat.c
 * (zoneinfo_show_print, frag_show_print, pagetypeinfo_show), mm/compaction.c (extfrag). */
#include "report/proc.h"

/* One number a zone type of the architecture: frames kept from requests that could have been served higher up. */
static void print_protection(const struct vmsim__mem *mem, const struct vmsim__zone *z, struct vmsim__textbuf *out) {
    const char *before = "(";
    vmsim__textbuf_puts(out, "\n        protection: ");
    for (unsigned t = 0; t < VMSIM__ZONE_TYPES; t++) {
        if (!(mem->zone_configured >> t & 1))
            continue;
        vmsim__textbuf_printf(out, "%s%llu", before, (unsigned long long)(z ? z->lowmem_reserve[t] : 0));
        before = ", ";
    }
    vmsim__textbuf_puts(out, ")");
}

/* The lines that every zone has, populated or not (z == NULL: it cannot be). Labels begin with the line break, since a
 * zone without memory ends after `protection`. */
static void print_facts(const struct vmsim_machine *m, const struct vmsim__zone *z, struct vmsim__textbuf *out) {
    VMSIM__ASSERT(!z || z->type < VMSIM__ZONE_TYPES);
    const struct vmsim__zone none = {0}, *s = z ? z : &none;
    const struct {
        const char *label;
        uint64_t value;
        bool hidden;
    } lines[] = {
        {"\n  pages free     ", vmsim__non_negative(vmsim__zone_told(s, VMSIM__NR_FREE_PAGES)), false},
        {"\n        boost    ", s->boost, false},
        {"\n        min      ", vmsim__zone_wmark(s, VMSIM__WMARK_MIN), false},
        {"\n        low      ", vmsim__zone_wmark(s, VMSIM__WMARK_LOW), false},
        {"\n        high     ", vmsim__zone_wmark(s, VMSIM__WMARK_HIGH), false},
        {"\n        promo    ", vmsim__zone_wmark(s, VMSIM__WMARK_PROMO), !m->kernel->zoneinfo_promo},
        {"\n        spanned  ", s->end - s->start, false},
        {"\n        present  ", s->present, false},
        {"\n        managed  ", s->managed, false},
        {"\n        cma      ", s->cma, false},
    };
    for (size_t i = 0; i < VMSIM__COUNT(lines); i++) {
        if (!lines[i].hidden)
            vmsim__textbuf_printf(out, "%s%llu", lines[i].label, (unsigned long long)lines[i].value);
    }
    print_protection(m->mem, z, out);
}

/* The threshold stands once a CPU although it belongs to the zone. */
static void print_pagesets(const struct vmsim_machine *m, const struct vmsim__zone *z, struct vmsim__textbuf *out) {
    const bool bounds = vmsim__proc_profile(m)->pageset_bounds;
    const char *gap = bounds ? "   " : "";
    vmsim__textbuf_puts(out, "  pagesets");
    for (unsigned cpu = 0; cpu < m->nr_cpus; cpu++) {
        const struct vmsim__pcp *p = &z->pcp[cpu];
        vmsim__textbuf_printf(out, "\n    cpu: %u\n              count: %s%d\n              high:  %s%d", cpu, gap,
                              p->count, gap, p->high);
        vmsim__textbuf_printf(out, "\n              batch: %s%d", gap, p->batch);
        if (bounds)
            vmsim__textbuf_printf(out, "\n              high_min: %d\n              high_max: %d", p->high_min,
                                  p->high_max);
        vmsim__textbuf_printf(out, "\n  vm stats threshold: %u", z->stat_threshold);
    }
    vmsim__textbuf_printf(out, "\n  node_unreclaimable:  0\n  start_pfn:           %llu", (unsigned long long)z->start);
}

/* The counters of the node come with its first populated zone, between the zone's name and its facts. Only the first
 * populated zone of a node carries the node's counters (is_zone_first_populated). */
static void print_zone(struct vmsim_machine *m, unsigned node, unsigned type, struct vmsim__textbuf *out) {
    VMSIM__ASSERT(node < m->mem->nr_nodes);
    unsigned index = m->mem->nodes[node].possible[type];
    const struct vmsim__zone *z = index == VMSIM__NO_ZONE ? NULL : &m->mem->zones[index];
    const struct vmsim__zone *first = m->mem->nodes[node].nr_zones ? &m->mem->zones[m->mem->nodes[node].zone[0]] : NULL;
    struct vmsim__emitter e;
    vmsim__emitter_proc(&e, out,
                        (struct vmsim__proc_style){.prefix = "      ", .end = "", .gap = " ", .label_width = 12});
    vmsim__textbuf_printf(out, "Node %u, zone %8s", node, vmsim__zone_type_name((enum vmsim__zone_type)type));
    if (z && z == first) {
        vmsim__textbuf_puts(out, "\n  per-node stats\n");
        vmsim__emit_node_stats(m, &e, node);
        out->count -= !out->failed; /* the next line brings its own newline */
    }
    print_facts(m, z, out);
    vmsim__textbuf_puts(out, "\n");
    if (z && vmsim__zone_populated(z)) {
        vmsim__emit_zone_stats(m, &e, z);
        print_pagesets(m, z, out);
        vmsim__textbuf_puts(out, "\n");
    }
    vmsim__emitter_fini(&e);
}

void vmsim__proc_zoneinfo(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t arg) {
    (void)arg;
    for (unsigned node = 0; node < m->mem->nr_nodes; node++) {
        for (unsigned type = 0; type < VMSIM__ZONE_TYPES; type++) {
            if (m->mem->zone_configured >> type & 1)
                print_zone(m, node, type, out);
        }
    }
}

/* "Node 0, zone    DMA32 " and a number for each order, made by `print`, for every populated zone. Zones without
 * memory have no line in these files, unlike in zoneinfo. */
static void each_zone(struct vmsim_machine *m, struct vmsim__textbuf *out,
                      void (*print)(const struct vmsim__mem *mem, const struct vmsim__zone *z, unsigned order,
                                    struct vmsim__textbuf *out)) {
    for (unsigned i = 0; i < m->mem->nr_zones; i++) {
        const struct vmsim__zone *z = &m->mem->zones[i];
        if (!vmsim__zone_populated(z))
            continue;
        vmsim__textbuf_printf(out, "Node %u, zone %8s ", z->node, z->name);
        for (unsigned order = 0; order <= m->mem->top_order; order++)
            print(m->mem, z, order, out);
        vmsim__textbuf_puts(out, "\n");
    }
}

static void print_blocks(const struct vmsim__mem *mem, const struct vmsim__zone *z, unsigned order,
                         struct vmsim__textbuf *out) {
    (void)mem;
    uint64_t blocks = vmsim__zone_free_blocks(z, order, VMSIM__MIGRATE_TYPES);
    vmsim__textbuf_printf(out, "%6llu ", (unsigned long long)blocks);
}

/* Three places, as the kernel prints its integers in thousandths. */
static void print_thousandths(struct vmsim__textbuf *out, int index) {
    unsigned size = (unsigned)(index < 0 ? -index : index);
    vmsim__textbuf_printf(out, "%s%u.%03u ", index < 0 ? "-" : "", size / 1000, size % 1000);
}

/* Kernel: extfrag_show_print. -1.000 where a request of the order would succeed: the index has no meaning then. */
static void print_extfrag(const struct vmsim__mem *mem, const struct vmsim__zone *z, unsigned order,
                          struct vmsim__textbuf *out) {
    print_thousandths(out, vmsim__zone_extfrag_index(mem, z, order));
}

/* Kernel: unusable_show_print: the share of free memory that is in blocks too small for the order. */
static void print_unusable(const struct vmsim__mem *mem, const struct vmsim__zone *z, unsigned order,
                           struct vmsim__textbuf *out) {
    print_thousandths(out, vmsim__zone_unusable_index(mem, z, order));
}

void vmsim__proc_buddyinfo(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t arg) {
    (void)arg;
    each_zone(m, out, print_blocks);
}

void vmsim__debug_extfrag_index(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t arg) {
    (void)arg;
    each_zone(m, out, print_extfrag);
}

void vmsim__debug_unusable_index(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t arg) {
    (void)arg;
    each_zone(m, out, print_unusable);
}

static const char *const type_names[VMSIM__MIGRATE_TYPES] = {"Unmovable",  "Movable", "Reclaimable",
                                                             "HighAtomic", "CMA",     "Isolate"};

static bool has_type(const struct vmsim__mem *mem, unsigned type) {
    return type != VMSIM__CMA || vmsim__mem_has_cma(mem);
}

#define COUNTED_MOST UINT64_C(100000) /* the kernel stops counting a list here */

/* Kernel: pagetypeinfo_showfree_print; it stops counting because it holds the zone's lock meanwhile. */
static void print_free_types(const struct vmsim__mem *mem, const struct vmsim__zone *z, struct vmsim__textbuf *out) {
    VMSIM__ASSERT(z && mem);
    for (unsigned type = 0; type < VMSIM__MIGRATE_TYPES; type++) {
        if (!has_type(mem, type))
            continue;
        vmsim__textbuf_printf(out, "Node %4u, zone %8s, type %12s ", z->node, z->name, type_names[type]);
        for (unsigned order = 0; order <= mem->top_order; order++) {
            uint64_t blocks = vmsim__zone_free_blocks(z, order, (enum vmsim__migratetype)type);
            vmsim__textbuf_printf(out, "%s%6llu ", blocks >= COUNTED_MOST ? ">" : "",
                                  (unsigned long long)vmsim__min64(blocks, COUNTED_MOST));
        }
        vmsim__textbuf_puts(out, "\n");
    }
}

/* Free lists by type, then pageblocks by type: a page of its own for each node with memory. */
static void print_node_types(const struct vmsim__mem *mem, const struct vmsim__node *node, struct vmsim__textbuf *out) {
    vmsim__textbuf_printf(out, "Page block order: %u\nPages per block:  %lu\n\n%-43s ", mem->pageblock_order,
                          1ul << mem->pageblock_order, "Free pages count per migrate type at order");
    for (unsigned order = 0; order <= mem->top_order; order++)
        vmsim__textbuf_printf(out, "%6u ", order);
    vmsim__textbuf_puts(out, "\n");
    for (unsigned i = 0; i < node->nr_zones; i++)
        print_free_types(mem, &mem->zones[node->zone[i]], out);
    vmsim__textbuf_printf(out, "\n%-23s", "Number of blocks type");
    for (unsigned type = 0; type < VMSIM__MIGRATE_TYPES; type++) {
        if (has_type(mem, type))
            vmsim__textbuf_printf(out, "%12s ", type_names[type]);
    }
    vmsim__textbuf_puts(out, "\n");
    for (unsigned i = 0; i < node->nr_zones; i++) {
        uint64_t counts[VMSIM__MIGRATE_TYPES];
        const struct vmsim__zone *z = &mem->zones[node->zone[i]];
        vmsim__zone_pageblocks(mem, z, counts);
        vmsim__textbuf_printf(out, "Node %u, zone %8s ", z->node, z->name);
        for (unsigned type = 0; type < VMSIM__MIGRATE_TYPES; type++) {
            if (has_type(mem, type))
                vmsim__textbuf_printf(out, "%12llu ", (unsigned long long)counts[type]);
        }
        vmsim__textbuf_puts(out, "\n");
    }
}

void vmsim__proc_pagetypeinfo(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t arg) {
    (void)arg;
    for (unsigned node = 0; node < m->mem->nr_nodes; node++) {
        if (m->mem->nodes[node].has_memory)
            print_node_types(m->mem, &m->mem->nodes[node], out);
    }
}
