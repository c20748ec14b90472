/* SPDX-License-Identifier: MIT */
/* Booting a machine's memory: the layout becomes zones, reserved frames and free blocks; then watermarks, then huge
 * pages.
 *
 * Order, as in the kernel: free frames are handed over without those that boot itself still uses; gigantic pages are
 * set aside; watermarks; huge pages; khugepaged's raise of min_free_kbytes; boot's own frames come back (no watermark
 * is recomputed for them); sysctls of the spec; boosts that boot's own allocations left.
 *
 * Reserved frames of a zone (never handed out), R of them, in fixed places:
 *     x86 DMA zone:            the lowest R                         real mode, firmware tables
 *     zone of the kernel:      the lowest R/2, then boot's own      image; init sections right behind it
 *                              the highest R/2                      page metadata, hash tables
 *     other zones:             the highest R                        page metadata
 *
 * A hand-over costs one extent a hole-free stretch, whatever its size. Kernel counterparts: mm/memblock.c,
 * mm/mm_init.c, init/main.c. */
#include "zones/columns.h"
#include "zones/kmem_cache.h"
#include "zones/zones_internal.h"

#include <stdlib.h>
#include <string.h>

/* What only boot needs. */
struct boot {
    struct vmsim__mem *mem;
    struct vmsim__layout layout;
    struct {
        VMSIM__VEC(struct vmsim__extent);
    } reserved, late, cma; /* ascending only after sorting */
};

/* ---- Tables ---- */

/* Distances as the SLIT has them (10 is local), latencies as given or in the proportion of distances; a tier that
 * nobody names is DRAM's. */
static int make_nodes(struct boot *b) {
    struct vmsim__mem *mem = b->mem;
    mem->nodes = vmsim__calloc(mem->alloc, b->layout.nr_nodes, sizeof *mem->nodes);
    if (!mem->nodes)
        return VMSIM_ENOMEM;
    mem->nr_nodes = (uint16_t)b->layout.nr_nodes;
    for (unsigned n = 0; n < mem->nr_nodes; n++) {
        struct vmsim__node *node = &mem->nodes[n];
        const struct vmsim_param_list *row = &vmsim__layout_node(&b->layout, n)->distances;
        const struct vmsim_param_list *ns = &vmsim__layout_node(&b->layout, n)->latencies;
        node->id = (uint16_t)n;
        const uint64_t tier = vmsim__layout_node(&b->layout, n)->tier;
        node->tier = (uint8_t)(tier ? tier : VMSIM__TIER_DRAM);
        node->bandwidth = vmsim__layout_node(&b->layout, n)->bandwidth;
        mem->limited |= node->bandwidth != 0;
        for (unsigned m = 0; m < mem->nr_nodes; m++) {
            uint64_t d = m == n ? 10 : 20;
            node->distance[m] = (uint8_t)(m < row->count ? ((const uint64_t *)row->data)[m] : d);
            node->latency[m] = (uint32_t)(m < ns->count ? ((const uint64_t *)ns->data)[m]
                                                        : b->layout.spec->latency.local * node->distance[m] / 10);
        }
    }
    return 0;
}

/* Puts a CPU on a node; false: it was there already. */
static bool put_cpu(struct vmsim__mem *mem, struct vmsim__node *node, uint64_t cpu) {
    VMSIM__ASSERT(cpu < mem->nr_cpus);
    uint64_t bit = UINT64_C(1) << cpu % 64, *word = &node->cpumask[cpu / 64];
    bool fresh = !(*word & bit);
    *word |= bit;
    node->nr_cpus += fresh;
    node->has_cpu = true;
    if (mem->cpu_node[cpu] == UINT16_MAX)
        mem->cpu_node[cpu] = node->id;
    return fresh;
}

/* Which node each CPU is on: the first that names it (with numa=fake more nodes than one do, and it is local to all of
 * them). CPUs that no node names go round the nodes. */
static int make_cpus(struct boot *b, struct vmsim__err *err) {
    struct vmsim__mem *mem = b->mem;
    uint64_t count = b->layout.spec->cpus;
    for (unsigned n = 0; n < mem->nr_nodes; n++) {
        const struct vmsim_param_list *cpus = &vmsim__layout_node(&b->layout, n)->cpus;
        for (size_t i = 0; i < cpus->count; i++)
            count = vmsim__max64(count, ((const uint64_t *)cpus->data)[i] + 1);
    }
    count = vmsim__max64(count, 1);
    if (count > VMSIM__CPUS_MAX)
        return vmsim__err_set(err, VMSIM_ELIMIT, "more than %d CPUs", VMSIM__CPUS_MAX);
    mem->nr_cpus = (uint16_t)count;
    mem->cpu_node = vmsim__malloc(mem->alloc, count * sizeof *mem->cpu_node);
    if (!mem->cpu_node)
        return VMSIM_ENOMEM;
    memset(mem->cpu_node, 0xff, count * sizeof *mem->cpu_node);
    for (unsigned n = 0; n < mem->nr_nodes; n++) {
        const struct vmsim_param_list *cpus = &vmsim__layout_node(&b->layout, n)->cpus;
        for (size_t i = 0; i < cpus->count; i++) {
            uint64_t cpu = ((const uint64_t *)cpus->data)[i];
            if (!put_cpu(mem, &mem->nodes[n], cpu))
                return vmsim__err_set(err, VMSIM_ECONFIG, "node %u names CPU %llu twice", n, (unsigned long long)cpu);
        }
    }
    for (unsigned cpu = 0; cpu < count; cpu++) {
        if (mem->cpu_node[cpu] == UINT16_MAX)
            put_cpu(mem, &mem->nodes[cpu % mem->nr_nodes], cpu);
    }
    return 0;
}

/* Zones are numbered for all that may have frames: those of boot, and where hotplug may put more. */
static bool is_possible(const struct vmsim__layout *l, unsigned node, unsigned type) {
    const unsigned later = 1u << VMSIM__ZONE_NORMAL | 1u << VMSIM__ZONE_HIGHMEM | 1u << VMSIM__ZONE_MOVABLE;
    for (size_t i = 0; i < l->zones.count; i++) {
        if (l->zones.at[i].node == node && l->zones.at[i].type == type)
            return true;
    }
    return l->zone_configured >> type & later >> type & 1;
}

/* A number stays a zone's for good: frames carry it in eight bits, and hotplug must not renumber what they carry. */
static int number_zones(struct boot *b, struct vmsim__err *err) {
    struct vmsim__mem *mem = b->mem;
    unsigned count = 0;
    for (unsigned n = 0; n < mem->nr_nodes; n++) {
        for (unsigned t = 0; t < VMSIM__ZONE_TYPES; t++) {
            bool possible = is_possible(&b->layout, n, t);
            if (possible && count == VMSIM__NO_ZONE)
                return vmsim__err_set(err, VMSIM_ELIMIT, "more than %u zones", VMSIM__NO_ZONE);
            mem->nodes[n].possible[t] = (uint8_t)(possible ? count : VMSIM__NO_ZONE);
            count += possible;
        }
    }
    mem->zones = vmsim__calloc_aligned(mem->alloc, 64, count * sizeof *mem->zones);
    if (!mem->zones)
        return VMSIM_ENOMEM;
    mem->nr_zones = (uint16_t)count;
    return 0;
}

/* Empty, also where memory will come at boot: lists end in PFN_NONE, since frame 0 is a frame. */
static void init_zone(struct vmsim__zone *z, unsigned index, unsigned node, unsigned type) {
    VMSIM__ASSERT(index < VMSIM__NO_ZONE && type < VMSIM__ZONE_TYPES);
    z->index = (uint8_t)index;
    z->type = (uint8_t)type;
    z->node = (uint16_t)node;
    z->name = vmsim__zone_type_name((enum vmsim__zone_type)type);
    z->extents.before = z->extents.after = VMSIM__PFN_NONE;
    for (unsigned o = 0; o < VMSIM__ORDERS; o++) {
        for (unsigned t = 0; t < VMSIM__MIGRATE_TYPES; t++)
            z->area[o].list[t] = (struct vmsim__frame_list){VMSIM__PFN_NONE, VMSIM__PFN_NONE};
    }
}

/* Managed frames are what boot hands over now; what boot itself uses comes later (free_late). */
static int populate_zone(struct vmsim__mem *mem, struct vmsim__zone_layout *from) {
    from->index = mem->nodes[from->node].possible[from->type];
    struct vmsim__zone *z = &mem->zones[from->index];
    z->start = (vmsim__pfn)from->start;
    z->end = (vmsim__pfn)from->end;
    z->present = from->present;
    z->managed = from->present - from->reserved - from->boot_use;
    VMSIM__ASSERT(from->start < from->end && from->present <= from->end - from->start);
    VMSIM__ASSERT(from->reserved + from->boot_use <= from->present);
    mem->totalram += z->managed;
    return vmsim__zone_make_pcp(mem, z);
}

static int make_zones(struct boot *b, struct vmsim__err *err) {
    struct vmsim__mem *mem = b->mem;
    int rc = number_zones(b, err);
    for (unsigned n = 0; !rc && n < mem->nr_nodes; n++) {
        for (unsigned t = 0; t < VMSIM__ZONE_TYPES; t++) {
            unsigned index = mem->nodes[n].possible[t];
            if (index != VMSIM__NO_ZONE)
                init_zone(&mem->zones[index], index, n, t);
        }
    }
    for (size_t i = 0; !rc && i < b->layout.zones.count; i++)
        rc = populate_zone(mem, &b->layout.zones.at[i]);
    return rc;
}

/* The part of a region that lies in a zone; false: none. */
static bool cut(const struct vmsim__region *region, const struct vmsim__zone *z, struct vmsim__segment *out) {
    uint64_t start = vmsim__max64(region->start, z->start), end = vmsim__min64(region->end, z->end);
    *out = (struct vmsim__segment){(vmsim__pfn)start, (vmsim__pfn)end, z->index};
    return start < end;
}

/* Present memory by zone: regions cut at zone limits. Counted, then filled. */
static int make_segments(struct boot *b) {
    struct vmsim__mem *mem = b->mem;
    const struct vmsim__layout *l = &b->layout;
    struct vmsim__segment s;
    for (unsigned pass = 0; pass < 2; pass++) {
        size_t n = 0;
        for (size_t r = 0; r < l->regions.count; r++) {
            const struct vmsim__region *region = &l->regions.at[r];
            for (size_t i = 0; i < l->zones.count; i++) {
                const struct vmsim__zone_layout *z = &l->zones.at[i];
                if (z->node != region->node || !cut(region, &mem->zones[z->index], &s))
                    continue;
                if (pass)
                    mem->segments[n] = s;
                n++;
            }
        }
        if (!pass && !(mem->segments = vmsim__calloc(mem->alloc, n, sizeof s)))
            return VMSIM_ENOMEM;
        mem->nr_segments = mem->segments_capacity = n;
    }
    return 0;
}

/* Memory that comes and goes at once: on x86-64 with 64 GiB and more the largest power of two up to 2 GiB that divides
 * the end of memory, else a section. Kernel: memory_block_size_bytes. */
static unsigned memory_block_order(const struct vmsim__mem *mem, const struct vmsim__layout *l) {
    unsigned section = vmsim__section_shift(mem->arch, mem->page_shift), shift = 31;
    uint64_t end = l->regions.at[l->regions.count - 1].end << mem->page_shift;
    if (mem->arch != VMSIM__ARCH_X86_64 || end < UINT64_C(64) << 30)
        return section - mem->page_shift;
    while (shift > section && end & ((UINT64_C(1) << shift) - 1))
        shift--;
    return shift - mem->page_shift;
}

/* Memory of boot, and where hotplug may put more. */
static int make_ranges(struct boot *b) {
    struct vmsim__mem *mem = b->mem;
    const struct vmsim__layout *l = &b->layout;
    size_t count = l->regions.count + l->plug.count;
    mem->ranges = vmsim__calloc(mem->alloc, count, sizeof *mem->ranges);
    if (!mem->ranges)
        return VMSIM_ENOMEM;
    mem->nr_ranges = count;
    for (size_t i = 0, r = 0, p = 0; i < count; i++) {
        bool plug = r == l->regions.count || (p < l->plug.count && l->plug.at[p].start < l->regions.at[r].start);
        const struct vmsim__region *from = plug ? &l->plug.at[p++] : &l->regions.at[r++];
        mem->ranges[i] = (struct vmsim__mem_range){(vmsim__pfn)from->start, (vmsim__pfn)from->end, from->node, plug};
    }
    mem->memory_block_order = (uint8_t)memory_block_order(mem, l);
    mem->movable_node = l->spec->movable_node;
    return 0;
}

/* Tables reach from frame 0 to the highest that may ever come, in pointers alone: chunks of frames are made when
 * somebody looks (frames.c). Two migratetypes fit in a byte of pageblocks. */
static int make_frames(struct boot *b) {
    VMSIM__ASSERT(b->mem->nr_segments > 0);
    struct vmsim__mem *mem = b->mem;
    vmsim__pfn end = mem->ranges[mem->nr_ranges - 1].end;
    mem->frames.shift = mem->top_order;
    mem->frames.mask = (1u << mem->top_order) - 1;
    mem->frames.end = (vmsim__pfn)vmsim__align_up(end, (uint64_t)mem->frames.mask + 1);
    mem->frames.chunk = vmsim__calloc_aligned(mem->alloc, 4096, (mem->frames.end >> mem->top_order) * sizeof(void *));
    mem->pageblocks = vmsim__calloc_aligned(mem->alloc, 4096, (mem->frames.end >> mem->pageblock_order) / 2 + 1);
    return mem->frames.chunk && mem->pageblocks ? 0 : VMSIM_ENOMEM;
}

/* The zone type of each combination of zone bits; a type that the architecture lacks degrades to NORMAL.
 * Kernel: GFP_ZONE_TABLE. */
static void make_gfp_zones(struct vmsim__mem *mem) {
    for (unsigned bits = 0; bits < 16; bits++) {
        unsigned type = VMSIM__ZONE_NORMAL;
        if (bits & VMSIM__GFP_DMA)
            type = VMSIM__ZONE_DMA;
        else if (bits & VMSIM__GFP_DMA32)
            type = VMSIM__ZONE_DMA32;
        else if (bits & VMSIM__GFP_HIGHMEM)
            type = bits & VMSIM__GFP_MOVABLE_BIT ? VMSIM__ZONE_MOVABLE : VMSIM__ZONE_HIGHMEM;
        mem->gfp_zone[bits] = (uint8_t)(mem->zone_configured >> type & 1 ? type : VMSIM__ZONE_NORMAL);
    }
}

/* ---- Reserved frames ---- */

/* Takes `count` frames from the low end of a zone, after skipping `skip`. */
static bool take_low(struct boot *b, unsigned zone, uint64_t skip, uint64_t count, bool late) {
    VMSIM__ASSERT(zone < b->mem->nr_zones);
    const struct vmsim__mem *mem = b->mem;
    for (size_t i = 0; i < mem->nr_segments && count; i++) {
        const struct vmsim__segment *s = &mem->segments[i];
        uint64_t size = s->end - s->start;
        if (s->zone != zone)
            continue;
        if (skip >= size) {
            skip -= size;
            continue;
        }
        vmsim__pfn start = s->start + (vmsim__pfn)skip;
        vmsim__pfn end = start + (vmsim__pfn)vmsim__min64(count, s->end - start);
        struct vmsim__extent e = {start, end};
        if (late ? !vmsim__vec_push(mem->alloc, &b->late, e) : !vmsim__vec_push(mem->alloc, &b->reserved, e))
            return false;
        count -= end - start;
        skip = 0;
    }
    return true;
}

/* From the top down, over as many segments as it takes. */
static bool take_high(struct boot *b, unsigned zone, uint64_t count) {
    VMSIM__ASSERT(zone < b->mem->nr_zones);
    const struct vmsim__mem *mem = b->mem;
    for (size_t i = mem->nr_segments; i-- > 0 && count;) {
        const struct vmsim__segment *s = &mem->segments[i];
        if (s->zone != zone)
            continue;
        uint64_t take = vmsim__min64(count, s->end - s->start);
        struct vmsim__extent e = {s->end - (vmsim__pfn)take, s->end};
        if (!vmsim__vec_push(mem->alloc, &b->reserved, e))
            return false;
        count -= take;
    }
    return true;
}

/* Extents do not overlap: their starts order them. */
static int compare_extents(const void *a, const void *b) {
    vmsim__pfn x = ((const struct vmsim__extent *)a)->start, y = ((const struct vmsim__extent *)b)->start;
    return x < y ? -1 : x > y;
}

/* Linear: CMA areas are few, and boot is once. */
static bool overlaps(const struct boot *b, vmsim__pfn start, vmsim__pfn end) {
    for (size_t i = 0; i < b->reserved.count + b->late.count; i++) {
        const struct vmsim__extent *e = i < b->reserved.count ? &b->reserved.at[i] : &b->late.at[i - b->reserved.count];
        if (e->start < end && start < e->end)
            return true;
    }
    return false;
}

/* Whole pageblocks for CMA, from the top of a zone down, where nothing is reserved. Kernel: cma_declare_contiguous. */
static int place_cma(struct boot *b, const struct vmsim__zone_layout *z, struct vmsim__err *err) {
    struct vmsim__mem *mem = b->mem;
    const vmsim__pfn size = 1u << mem->pageblock_order;
    uint64_t left = z->cma;
    for (size_t i = mem->nr_segments; left && i-- > 0;) {
        const struct vmsim__segment *s = &mem->segments[i];
        vmsim__pfn p = s->end & ~(size - 1);
        for (; s->zone == z->index && left && p >= s->start + size; p -= size) {
            if (overlaps(b, p - size, p))
                continue;
            if (!vmsim__vec_push(mem->alloc, &b->cma, (struct vmsim__extent){p - size, p}))
                return VMSIM_ENOMEM;
            mem->zones[z->index].cma += size;
            left -= vmsim__min64(left, size);
        }
    }
    if (!left)
        return 0;
    return vmsim__err_set(err, VMSIM_ECONFIG,
                          "nodes[%u]: %llu KiB of CMA find no whole pageblocks in zone %s: the rest of it is holes or "
                          "reserved",
                          z->node, (unsigned long long)left << (mem->page_shift - 10),
                          vmsim__zone_type_name((enum vmsim__zone_type)z->type));
}

/* Their pageblocks keep their type from here on, so that no free block of another type merges with theirs. */
static int free_cma(struct boot *b) {
    struct vmsim__mem *mem = b->mem;
    for (size_t i = 0; i < b->cma.count; i++) {
        vmsim__pfn start = b->cma.at[i].start;
        vmsim__block_set_type(mem, start, VMSIM__CMA);
        if (!vmsim__chunk_make(mem, start))
            return VMSIM_ENOMEM;
        struct vmsim__zone *z = vmsim__mem_zone_of(mem, start);
        vmsim__buddy_free(mem, z, start, mem->pageblock_order, VMSIM__CMA, true);
    }
    return 0;
}

/* Where the head of this file has drawn it. The zone of the kernel is the first that is not x86's DMA. */
static int place_reserved(struct boot *b, struct vmsim__err *err) {
    struct vmsim__mem *mem = b->mem;
    bool first = true;
    for (size_t i = 0; i < b->layout.zones.count; i++) {
        const struct vmsim__zone_layout *z = &b->layout.zones.at[i];
        uint64_t low = 0;
        if (z->type == VMSIM__ZONE_DMA && vmsim__arch_is_x86(mem->arch)) {
            low = z->reserved;
        } else if (first) {
            low = z->reserved / 2;
            VMSIM__ASSERT(z->type < VMSIM__ZONE_TYPES);
            first = false;
        }
        if (!take_low(b, z->index, 0, low, false) || !take_low(b, z->index, low, z->boot_use, true) ||
            !take_high(b, z->index, z->reserved - low))
            return VMSIM_ENOMEM;
        const int rc = place_cma(b, z, err);
        if (rc)
            return rc;
    }
    if (b->reserved.count) {
        qsort(b->reserved.at, b->reserved.count, sizeof *b->reserved.at, compare_extents);
        mem->reserved = vmsim__calloc(mem->alloc, b->reserved.count, sizeof *mem->reserved);
        if (!mem->reserved)
            return VMSIM_ENOMEM;
        memcpy(mem->reserved, b->reserved.at, b->reserved.count * sizeof *mem->reserved);
        mem->nr_reserved = b->reserved.count;
    }
    return 0;
}

/* ---- Hand-over of free memory ---- */

/* Frees a range in the largest aligned blocks, at the cold end; whole top-order blocks become one extent. At the
 * cold end of the lists, so that what boot frees first is given out last, as memblock's order makes it. */
static int hand_over(struct vmsim__mem *mem, struct vmsim__zone *z, vmsim__pfn start, vmsim__pfn end, bool extents) {
    VMSIM__ASSERT(start > end || (start >= z->start && end <= z->end));
    vmsim__pfn block = mem->frames.mask + 1;
    while (start < end) {
        vmsim__pfn whole = end & ~mem->frames.mask;
        if (extents && !(start & mem->frames.mask) && whole > start) {
            if (!vmsim__vec_push(mem->alloc, &z->extents, (struct vmsim__extent){start, whole}))
                return VMSIM_ENOMEM;
            z->area[mem->top_order].nr[VMSIM__MOVABLE] += (whole - start) / block;
            z->stat[VMSIM__NR_FREE_PAGES] += whole - start;
            start = whole;
            continue;
        }
        unsigned order = start ? (unsigned)__builtin_ctz(start) : mem->top_order;
        order = order < mem->top_order ? order : mem->top_order;
        while (start + (UINT64_C(1) << order) > end)
            order--;
        if (!vmsim__chunk_make(mem, start))
            return VMSIM_ENOMEM;
        vmsim__buddy_free(mem, z, start, order, vmsim__block_type(mem, start), true);
        start += 1u << order;
    }
    return 0;
}

/* Everything present but reserved, late and CMA frames. Both lists are walked beside the segments. */
static int free_segments(struct boot *b) {
    struct vmsim__mem *mem = b->mem;
    for (size_t i = 0; i < b->late.count + b->cma.count; i++) {
        struct vmsim__extent e = i < b->late.count ? b->late.at[i] : b->cma.at[i - b->late.count];
        if (!vmsim__vec_push(mem->alloc, &b->reserved, e))
            return VMSIM_ENOMEM;
    }
    if (b->reserved.count)
        qsort(b->reserved.at, b->reserved.count, sizeof *b->reserved.at, compare_extents);
    size_t r = 0;
    for (size_t i = 0; i < mem->nr_segments; i++) {
        const struct vmsim__segment *s = &mem->segments[i];
        struct vmsim__zone *z = &mem->zones[s->zone];
        vmsim__pfn at = s->start;
        int rc = 0;
        for (; !rc && r < b->reserved.count && b->reserved.at[r].start < s->end; r++) {
            rc = hand_over(mem, z, at, b->reserved.at[r].start, true);
            at = b->reserved.at[r].end;
        }
        if (!rc)
            rc = hand_over(mem, z, at, s->end, true);
        if (rc)
            return rc;
    }
    return 0;
}

/* Managed grows and no watermark is computed anew: those of boot are a few frames short for ever, as on Linux until
 * somebody writes min_free_kbytes. Kernel: free_initmem, free_initrd_mem. */
static int free_late(struct boot *b) {
    struct vmsim__mem *mem = b->mem;
    for (size_t i = 0; i < b->late.count; i++) {
        struct vmsim__extent e = b->late.at[i];
        struct vmsim__zone *z = vmsim__mem_zone_of(mem, e.start);
        z->managed += e.end - e.start;
        mem->totalram += e.end - e.start;
        mem->boot_freed += e.end - e.start;
        int rc = hand_over(mem, z, e.start, e.end, false);
        if (rc)
            return rc;
    }
    return 0;
}

/* ---- Life ---- */

/* Knobs of other layers are theirs to apply (VMSIM_ENOENT here). */
static int apply_sysctls(struct vmsim__mem *mem, const struct vmsim_param_list *list, struct vmsim__err *err) {
    const struct vmsim_param_pair *pair = list->data;
    for (size_t i = 0; i < list->count; i++) {
        struct vmsim__err why = {0};
        int rc = vmsim__mem_sysctl_set(mem, pair[i].key, pair[i].value, &why);
        if (rc && rc != VMSIM_ENOENT)
            return vmsim__err_set(err, rc, "%s: %.400s", pair[i].origin, why.text);
    }
    return 0;
}

/* The order of boot: gigantic pages are taken while no watermark holds anything back, the others once there are
 * some. Mobility is not grouped on machines with too few pageblocks to give each type one
 * (page_group_by_mobility_disabled). */
static void start_up(struct vmsim__mem *mem, const struct vmsim__mem_spec *spec) {
    uint64_t types = VMSIM__MIGRATE_TYPES - !vmsim__mem_has_cma(mem), least = types << mem->pageblock_order;
    mem->mobility_disabled = mem->totalram < least;
    vmsim__sysctl_defaults(mem);
    vmsim__hugetlb_take_gigantic(mem, spec);
    vmsim__mem_boot_watermarks(mem);
    vmsim__hugetlb_fill(mem, spec);
    vmsim__mem_boot_thp(mem, (enum vmsim__thp_mode)spec->transparent_hugepage);
}

/* What boot's own allocations left behind, as captures show it: a boost goes when kswapd has run. */
static void set_boosts(struct boot *b) {
    for (size_t i = 0; i < b->layout.zones.count; i++)
        b->mem->zones[b->layout.zones.at[i].index].boost = b->layout.zones.at[i].boost;
}

/* Each step needs those before it; the first that fails ends it, and vmsim__mem_destroy takes down what there is. */
static int boot(struct boot *b, struct vmsim__err *err) {
    struct vmsim__mem *mem = b->mem;
    const struct vmsim__layout *l = &b->layout;
    mem->arch = (uint8_t)l->spec->arch;
    mem->page_shift = (uint8_t)l->page_shift;
    mem->top_order = (uint8_t)l->top_order;
    mem->pageblock_order = (uint8_t)l->pageblock_order;
    mem->zone_configured = l->zone_configured;
    mem->movable_is_highmem = l->movable_is_highmem;
    make_gfp_zones(mem);
    int rc = make_nodes(b);
    if (!rc)
        rc = vmsim__hugetlb_init(mem, l->spec, err);
    if (!rc)
        rc = make_cpus(b, err);
    if (!rc)
        rc = make_zones(b, err);
    if (!rc)
        vmsim__kmem_init(mem);
    if (!rc)
        rc = make_segments(b);
    if (!rc)
        rc = make_ranges(b);
    for (unsigned n = 0; !rc && n < mem->nr_nodes; n++)
        vmsim__node_update(mem, &mem->nodes[n]);
    if (!rc)
        rc = vmsim__hugetlb_check(mem, l->spec, err);
    if (!rc)
        rc = make_frames(b);
    if (!rc)
        rc = vmsim__zonelists_build(mem);
    if (!rc)
        rc = place_reserved(b, err);
    if (!rc)
        rc = free_segments(b);
    if (!rc)
        rc = free_cma(b);
    if (rc)
        return rc;
    start_up(mem, l->spec);
    rc = free_late(b);
    if (!rc && mem->host_nomem)
        rc = VMSIM_ENOMEM;
    if (!rc)
        rc = apply_sysctls(mem, &l->spec->sysctl, err);
    set_boosts(b);
    return rc;
}

int vmsim__mem_create(struct vmsim__alloc *alloc, const struct vmsim__mem_spec *spec, struct vmsim__mem **out,
                      struct vmsim__err *err) {
    struct boot b = {0};
    *out = NULL;
    const struct vmsim__kernel *kernel = vmsim__kernel_find(spec->kernel);
    if (!kernel)
        return vmsim__err_set(err, VMSIM_ECONFIG, "unknown kernel \"%s\"", spec->kernel);
    b.mem = vmsim__calloc_aligned(alloc, 64, sizeof *b.mem);
    if (!b.mem)
        return vmsim__err_set(err, VMSIM_ENOMEM, "no memory for the machine");
    b.mem->alloc = alloc;
    b.mem->kernel = kernel;
    int rc = vmsim__layout_build(alloc, spec, kernel, &b.layout, err);
    if (!rc)
        rc = boot(&b, err);
    vmsim__vec_fini(alloc, &b.reserved);
    vmsim__vec_fini(alloc, &b.late);
    vmsim__vec_fini(alloc, &b.cma);
    vmsim__layout_fini(&b.layout);
    if (rc) {
        vmsim__mem_destroy(b.mem);
        return rc == VMSIM_ENOMEM ? vmsim__err_set(err, rc, "no memory for the machine's frames") : rc;
    }
    *out = b.mem;
    return 0;
}

static void destroy_zone(struct vmsim__mem *mem, struct vmsim__zone *z) {
    vmsim__vec_fini(mem->alloc, &z->extents);
    if (z->pcp)
        vmsim__free_aligned(mem->alloc, z->pcp, 64, mem->nr_cpus * sizeof *z->pcp);
}

/* Chunks are counted, so that the walk over the table ends with the last of them and not with the table. */
static void destroy_frames(struct vmsim__mem *mem) {
    size_t count = mem->frames.end >> mem->top_order,
           chunk = ((size_t)mem->frames.mask + 1) * sizeof(struct vmsim__frame);
    for (size_t i = 0; mem->frames.chunk && mem->chunks && i < count; i++) {
        if (mem->frames.chunk[i]) {
            vmsim__free_aligned(mem->alloc, mem->frames.chunk[i], 64, chunk);
            mem->chunks--;
        }
    }
    if (mem->frames.chunk)
        vmsim__free_aligned(mem->alloc, mem->frames.chunk, 4096, count * sizeof(void *));
    if (mem->pageblocks)
        vmsim__free_aligned(mem->alloc, mem->pageblocks, 4096, (mem->frames.end >> mem->pageblock_order) / 2 + 1);
}

void vmsim__mem_destroy(struct vmsim__mem *mem) {
    if (!mem)
        return;
    struct vmsim__alloc *alloc = mem->alloc;
    vmsim__kmem_fini(mem);
    for (unsigned i = 0; i < mem->nr_zones; i++)
        destroy_zone(mem, &mem->zones[i]);
    for (unsigned n = 0; n < mem->nr_nodes; n++) {
        for (unsigned w = 0; w < 2; w++)
            vmsim__free(alloc, mem->nodes[n].zonelist[w], mem->nr_zones);
    }
    vmsim__columns_fini(mem);
    destroy_frames(mem);
    if (mem->zones)
        vmsim__free_aligned(alloc, mem->zones, 64, mem->nr_zones * sizeof *mem->zones);
    vmsim__free(alloc, mem->nodes, mem->nr_nodes * sizeof *mem->nodes);
    vmsim__free(alloc, mem->cpu_node, mem->nr_cpus * sizeof *mem->cpu_node);
    vmsim__free(alloc, mem->segments, mem->segments_capacity * sizeof *mem->segments);
    vmsim__free(alloc, mem->ranges, mem->nr_ranges * sizeof *mem->ranges);
    vmsim__free(alloc, mem->reserved, mem->nr_reserved * sizeof *mem->reserved);
    vmsim__free_aligned(alloc, mem, 64, sizeof *mem);
}
