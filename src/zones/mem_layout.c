/* SPDX-License-Identifier: MIT */
/* Zones of a machine: the limits of each architecture, ZONE_MOVABLE, spanned and present frames.
 *
 * Frames of a node, with a zone limit at L and ZONE_MOVABLE from M on:
 *
 *     node start          L                    M                  node end
 *     |------ DMA32 ------|------ NORMAL ------|----- MOVABLE ----|
 *
 * spanned counts holes, present does not. Kernel counterparts: zone_sizes_init of each architecture, mm/mm_init.c. */
#include "zones/mem_layout.h"
#include "base/units.h"

#include <stdlib.h>
#include <string.h>

#define GIB4 (UINT64_C(1) << 32)

/* Regions ascend and do not touch (mem_regions.c). */
static uint64_t first_frame(const struct vmsim__layout *l) {
    VMSIM__ASSERT(l->regions.count > 0);
    return l->regions.at[0].start;
}
static uint64_t end_frame(const struct vmsim__layout *l) {
    VMSIM__ASSERT(l->regions.count > 0);
    return l->regions.at[l->regions.count - 1].end;
}

/* Page sizes and orders of each architecture (SECTION, HUGETLB and MAX_ORDER settings of the kernel's Kconfig). */
static int choose_orders(struct vmsim__layout *l, struct vmsim__err *err) {
    uint64_t size = l->spec->page_size ? l->spec->page_size : 4096;
    bool arm = l->spec->arch == VMSIM__ARCH_ARM64;
    if (size != 4096 && !(arm && (size == 16384 || size == 65536)))
        return vmsim__err_set(err, VMSIM_ECONFIG, "page_size %llu is none of %s", (unsigned long long)size,
                              vmsim__arch_names[l->spec->arch]);
    l->page_shift = vmsim__log2(size);
    bool arm32 = l->spec->arch == VMSIM__ARCH_ARM || l->spec->arch == VMSIM__ARCH_ARM_LPAE;
    l->top_order = arm32 ? 11 : size == 4096 ? 10 : size == 16384 ? 11 : 13;
    unsigned huge = l->page_shift - 3; /* a table of 8-byte entries fills one page */
    if (l->spec->arch == VMSIM__ARCH_X86_32)
        huge = 10; /* 4 MiB pages */
    if (l->spec->arch == VMSIM__ARCH_ARM)
        huge = l->top_order; /* it has none */
    l->pageblock_order = huge < l->top_order ? huge : l->top_order;
    VMSIM__ASSERT(l->top_order < VMSIM__ORDERS && l->pageblock_order > VMSIM__COSTLY_ORDER);
    return 0;
}

/* SECTION_SIZE_BITS of each architecture. Holes are told in sections: pageblocks of a section without memory are
 * counted nowhere. */
unsigned vmsim__section_shift(int arch, unsigned page_shift) {
    if (arch == VMSIM__ARCH_X86_32)
        return 26;
    if (arch == VMSIM__ARCH_ARM || arch == VMSIM__ARCH_ARM_LPAE)
        return 28;
    return arch == VMSIM__ARCH_X86_PAE || page_shift == 16 ? 29 : 27;
}

#define BIT(type) (1u << VMSIM__ZONE_##type)
/* Zones that the kernel was built with, with memory or without: /proc/zoneinfo, GFP bits and lowmem reserves have a
 * place for each. */
static uint8_t configured_zones(int arch, const struct vmsim__kernel *kernel) {
    switch (arch) {
    case VMSIM__ARCH_X86_32:
    case VMSIM__ARCH_X86_PAE:
    case VMSIM__ARCH_ARM:
    case VMSIM__ARCH_ARM_LPAE:
        return BIT(DMA) | BIT(NORMAL) | BIT(HIGHMEM) | BIT(MOVABLE);
    case VMSIM__ARCH_RISCV:
        return BIT(DMA32) | BIT(NORMAL) | BIT(MOVABLE) | BIT(DEVICE);
    case VMSIM__ARCH_ARM64:
        return (uint8_t)(BIT(DMA) | BIT(DMA32) | BIT(NORMAL) | BIT(MOVABLE) | (kernel->arm64_device ? BIT(DEVICE) : 0));
    default:
        return BIT(DMA) | BIT(DMA32) | BIT(NORMAL) | BIT(MOVABLE) | BIT(DEVICE);
    }
}

/* Highest address + 1 of each zone type, ends of memory not yet considered; 0: the type has none of its own. */
static void zone_limits(const struct vmsim__layout *l, uint64_t limit[VMSIM__ZONE_TYPES]) {
    uint64_t start = first_frame(l) << l->page_shift;
    memset(limit, 0, VMSIM__ZONE_TYPES * sizeof *limit);
    limit[VMSIM__ZONE_NORMAL] = UINT64_MAX;
    switch (l->spec->arch) {
    case VMSIM__ARCH_X86_64:
        limit[VMSIM__ZONE_DMA] = UINT64_C(16) << 20;
        limit[VMSIM__ZONE_DMA32] = GIB4;
        break;
    case VMSIM__ARCH_X86_32:
    case VMSIM__ARCH_X86_PAE:
        limit[VMSIM__ZONE_DMA] = UINT64_C(16) << 20;
        limit[VMSIM__ZONE_NORMAL] = l->lowmem;
        limit[VMSIM__ZONE_HIGHMEM] = UINT64_MAX;
        break;
    case VMSIM__ARCH_ARM: /* devices reach all that the kernel maps */
    case VMSIM__ARCH_ARM_LPAE:
        limit[VMSIM__ZONE_DMA] = limit[VMSIM__ZONE_NORMAL] = start + l->lowmem;
        limit[VMSIM__ZONE_HIGHMEM] = UINT64_MAX;
        break;
    case VMSIM__ARCH_ARM64: /* no firmware limit: DMA takes 32 bits, or everything when RAM starts above them */
        limit[VMSIM__ZONE_DMA] = start >= GIB4 ? UINT64_MAX : GIB4;
        limit[VMSIM__ZONE_DMA32] = limit[VMSIM__ZONE_DMA];
        break;
    default:
        limit[VMSIM__ZONE_DMA32] = GIB4;
        break;
    }
}

/* Each type begins where the one below it ends, also when it is empty. Kernel: free_area_init. */
static void zone_bounds(struct vmsim__layout *l) {
    uint64_t limit[VMSIM__ZONE_TYPES], at = first_frame(l), end = end_frame(l);
    zone_limits(l, limit);
    for (unsigned t = 0; t < VMSIM__ZONE_MOVABLE; t++) {
        uint64_t high = vmsim__min64(limit[t] >> l->page_shift, end);
        l->zone_low[t] = at;
        at = vmsim__max64(high, at);
        VMSIM__ASSERT(l->zone_low[t] <= at);
        l->zone_high[t] = at;
    }
}

/* Frames of a node in [start, end). */
static uint64_t present_in(const struct vmsim__layout *l, unsigned node, uint64_t start, uint64_t end) {
    VMSIM__ASSERT(start <= end && node < l->nr_nodes);
    uint64_t n = 0;
    for (size_t i = 0; i < l->regions.count; i++) {
        const struct vmsim__region *r = &l->regions.at[i];
        uint64_t a = vmsim__max64(r->start, start), b = vmsim__min64(r->end, end);
        if (r->node == node && a < b)
            n += b - a;
    }
    return n;
}

/* Spanned frames of a node; false: it has no memory. A node may be interleaved with others: its span holds their
 * frames, too, which are then none of its own. */
static bool node_span(const struct vmsim__layout *l, unsigned node, uint64_t *start, uint64_t *end) {
    VMSIM__ASSERT(node < l->nr_nodes);
    *start = UINT64_MAX;
    *end = 0;
    for (size_t i = 0; i < l->regions.count; i++) {
        if (l->regions.at[i].node == node) {
            *start = vmsim__min64(*start, l->regions.at[i].start);
            *end = vmsim__max64(*end, l->regions.at[i].end);
        }
    }
    return *end != 0;
}

/* ---- ZONE_MOVABLE ---- */

/* "1G" or "25%" of all memory, in frames. "mirror" asks for memory that no machine here has: the kernel ignores it
 * then. */
static int parse_core(const struct vmsim__layout *l, const char *name, const char *text, uint64_t total,
                      uint64_t *frames, struct vmsim__err *err) {
    const char *why;
    uint64_t bytes;
    *frames = 0;
    if (!text || !strcmp(text, "mirror"))
        return 0;
    char *end;
    uint64_t percent = strtoull(text, &end, 10);
    if (end != text && !strcmp(end, "%") && percent <= 100) {
        *frames = total * percent / 100;
        return 0;
    }
    if (!vmsim__parse_size(text, &bytes, &why))
        return vmsim__err_set(err, VMSIM_ECONFIG, "%s=%s: %s", name, text, why);
    *frames = bytes >> l->page_shift;
    return 0;
}

/* The highest zone type that has any frames: what ZONE_MOVABLE is cut from. Kernel: find_usable_zone_for_movable. */
static unsigned movable_source(const struct vmsim__layout *l) {
    unsigned t = VMSIM__ZONE_MOVABLE;
    while (t-- > 0) {
        if (l->zone_high[t] > l->zone_low[t])
            return t;
    }
    return 0;
}

/* Gives `share` frames of one node to the kernel, from its lowest on, and starts ZONE_MOVABLE after them. Frames below
 * `usable_start` are the kernel's anyway and count first. */
static void spread_core_on_node(struct vmsim__layout *l, unsigned node, uint64_t share, uint64_t usable_start,
                                uint64_t *required) {
    VMSIM__ASSERT(node < l->nr_nodes);
    uint64_t *movable = &l->movable_start[node];
    for (size_t i = 0; i < l->regions.count; i++) {
        const struct vmsim__region *r = &l->regions.at[i];
        uint64_t start = vmsim__max64(r->start, *movable);
        if (r->node != node || start >= r->end)
            continue;
        if (start < usable_start) {
            uint64_t below = vmsim__min64(r->end, usable_start) - start;
            share -= vmsim__min64(below, share);
            *required -= vmsim__min64(below, *required);
            if (r->end <= usable_start) {
                *movable = r->end;
                continue;
            }
            start = usable_start;
        }
        uint64_t take = vmsim__min64(r->end - start, share);
        *movable = start + take;
        *required -= vmsim__min64(*required, take);
        share -= take;
        if (!share)
            break;
    }
}

/* Spreads the kernel's share evenly over the nodes with memory, again over fewer while some is left over. Kernel:
 * find_zone_movable_pfns_for_nodes: nodes smaller than their share leave a rest, which the others get in another
 * round. */
static void spread_core(struct vmsim__layout *l, uint64_t required) {
    uint64_t usable_start = l->zone_low[movable_source(l)], start, end;
    unsigned usable = 0;
    for (unsigned n = 0; n < l->nr_nodes; n++)
        usable += node_span(l, n, &start, &end);
    do {
        uint64_t share = required / usable;
        for (unsigned n = 0; n < l->nr_nodes; n++) {
            if (!node_span(l, n, &start, &end))
                continue;
            if (required < share)
                share = required / usable;
            spread_core_on_node(l, n, share, usable_start, &required);
        }
        usable--;
    } while (usable && required > usable);
}

/* movable_node on the command line: the walk goes downward, so the lowest hotpluggable region of a node wins. */
static void movable_from_hotplug(struct vmsim__layout *l) {
    for (size_t i = l->regions.count; i-- > 0;) {
        const struct vmsim__region *r = &l->regions.at[i];
        if (r->hotplug)
            l->movable_start[r->node] = r->start;
    }
}

/* kernelcore= asks for what stays unmovable, movablecore= for the rest; of both the larger kernel part wins. Starts
 * are rounded up to the largest block, so that no block has two zones. */
static int carve_movable(struct vmsim__layout *l, struct vmsim__err *err) {
    l->movable_is_highmem = movable_source(l) == VMSIM__ZONE_HIGHMEM;
    uint64_t total = 0, core, movable, block = UINT64_C(1) << l->top_order;
    for (size_t i = 0; i < l->regions.count; i++)
        total += l->regions.at[i].end - l->regions.at[i].start;
    if (l->spec->movable_node) {
        movable_from_hotplug(l);
    } else {
        int rc = parse_core(l, "kernelcore", l->spec->kernelcore, total, &core, err);
        if (!rc)
            rc = parse_core(l, "movablecore", l->spec->movablecore, total, &movable, err);
        if (rc)
            return rc;
        if (movable)
            core = vmsim__max64(core, total - vmsim__min64(total, vmsim__align_up(movable, block)));
        if (core && core < total)
            spread_core(l, core);
    }
    for (unsigned n = 0; n < l->nr_nodes; n++) {
        uint64_t start, end;
        l->movable_start[n] = vmsim__align_up(l->movable_start[n], block);
        if (!node_span(l, n, &start, &end) || l->movable_start[n] >= end)
            l->movable_start[n] = 0;
    }
    return 0;
}

/* ---- Zones ---- */

/* Spanned frames of one type on a node. */
static void zone_span(const struct vmsim__layout *l, unsigned node, unsigned type, uint64_t *start, uint64_t *end) {
    VMSIM__ASSERT(type <= VMSIM__ZONE_MOVABLE && node < l->nr_nodes);
    uint64_t node_start, node_end, movable = l->movable_start[node];
    *start = *end = 0;
    if (!node_span(l, node, &node_start, &node_end))
        return;
    if (type == VMSIM__ZONE_MOVABLE) {
        if (movable) {
            *start = vmsim__max64(movable, node_start);
            *end = vmsim__min64(node_end, l->zone_high[movable_source(l)]);
        }
        return;
    }
    *start = vmsim__max64(node_start, l->zone_low[type]);
    *end = vmsim__min64(node_end, l->zone_high[type]);
    if (movable)
        *end = vmsim__min64(*end, movable);
}

static int add_zones(struct vmsim__layout *l, struct vmsim__err *err) {
    for (unsigned n = 0; n < l->nr_nodes; n++) {
        for (unsigned t = 0; t <= VMSIM__ZONE_MOVABLE; t++) {
            struct vmsim__zone_layout z = {.node = (uint16_t)n, .type = (uint8_t)t};
            zone_span(l, n, t, &z.start, &z.end);
            if (z.start >= z.end || !(z.present = present_in(l, n, z.start, z.end)))
                continue;
            if (!vmsim__vec_push(l->alloc, &l->zones, z))
                return VMSIM_ENOMEM;
        }
    }
    if (l->zones.count > 255)
        return vmsim__err_set(err, VMSIM_ELIMIT, "more than 255 zones");
    return 0;
}

int vmsim__layout_build(struct vmsim__alloc *alloc, const struct vmsim__mem_spec *spec,
                        const struct vmsim__kernel *kernel, struct vmsim__layout *l, struct vmsim__err *err) {
    *l = (struct vmsim__layout){.alloc = alloc, .spec = spec, .nr_nodes = (unsigned)spec->nodes.count};
    if (spec->arch < 0 || spec->arch >= VMSIM__ARCH_COUNT)
        return vmsim__err_set(err, VMSIM_ECONFIG, "unknown architecture %d", spec->arch);
    if (spec->nodes.count == 0 || spec->nodes.count > VMSIM__MAX_NODES)
        return vmsim__err_set(err, VMSIM_ECONFIG, "a machine has 1 to %d nodes, not %zu", VMSIM__MAX_NODES,
                              spec->nodes.count);
    l->zone_configured = configured_zones(spec->arch, kernel);
    int rc = choose_orders(l, err);
    if (!rc)
        rc = vmsim__layout_regions(l, err);
    if (rc)
        return rc;
    zone_bounds(l);
    rc = carve_movable(l, err);
    if (!rc)
        rc = add_zones(l, err);
    return rc ? rc : vmsim__layout_reserve(l, kernel, err);
}

void vmsim__layout_fini(struct vmsim__layout *l) {
    vmsim__vec_fini(l->alloc, &l->regions);
    vmsim__vec_fini(l->alloc, &l->plug);
    vmsim__vec_fini(l->alloc, &l->zones);
}
