/* SPDX-License-Identifier: MIT */
/* Names and sums of counters, fragmentation indices, counts of free blocks and pageblocks.
 * Kernel counterpart: mm/vmstat.c, mm/compaction.c (fragmentation_index). */
#include "zones/zones_internal.h"

#include <string.h>

#define VMSIM__STAT_NAME(id, name) name,
const char *const vmsim__zone_stat_names[VMSIM__ZONE_STAT_COUNT] = {VMSIM__ZONE_STATS(VMSIM__STAT_NAME)};
const char *const vmsim__numa_stat_names[VMSIM__NUMA_STAT_COUNT] = {VMSIM__NUMA_STATS(VMSIM__STAT_NAME)};
const char *const vmsim__node_stat_names[VMSIM__NODE_STAT_COUNT] = {VMSIM__NODE_STATS(VMSIM__STAT_NAME)};
const char *const vmsim__event_names[VMSIM__EVENT_COUNT] = {VMSIM__EVENTS(VMSIM__STAT_NAME)};

const char *vmsim__zone_type_name(enum vmsim__zone_type type) {
    static const char *const names[] = {"DMA", "DMA32", "Normal", "HighMem", "Movable", "Device"};
    return (unsigned)type < VMSIM__ZONE_TYPES ? names[type] : "?";
}

/* As in pgalloc_dma32 of /proc/vmstat. */
const char *vmsim__zone_type_suffix(enum vmsim__zone_type type) {
    static const char *const names[] = {"dma", "dma32", "normal", "high", "movable", "device"};
    return (unsigned)type < VMSIM__ZONE_TYPES ? names[type] : "?";
}

/* Zone counters are kept by zone alone, node counters by node alone: sums are made when somebody asks, which is
 * rarer than counting. */
int64_t vmsim__mem_zone_stat(const struct vmsim__mem *mem, enum vmsim__zone_stat stat) {
    int64_t sum = 0;
    for (unsigned i = 0; i < mem->nr_zones; i++)
        sum += mem->zones[i].stat[stat];
    return sum;
}

int64_t vmsim__mem_zone_told(const struct vmsim__mem *mem, enum vmsim__zone_stat stat) {
    int64_t sum = 0;
    for (unsigned i = 0; i < mem->nr_zones; i++)
        sum += vmsim__zone_told(&mem->zones[i], stat);
    return sum;
}

int64_t vmsim__mem_node_stat(const struct vmsim__mem *mem, enum vmsim__node_stat stat) {
    int64_t sum = 0;
    for (unsigned n = 0; n < mem->nr_nodes; n++)
        sum += mem->nodes[n].stat[stat];
    return sum;
}

uint64_t vmsim__mem_numa_stat(const struct vmsim__mem *mem, enum vmsim__numa_stat stat) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < mem->nr_zones; i++)
        sum += mem->zones[i].numa[stat];
    return sum;
}

/* At that time boot holds its own frames still, what the kernel has allocated by then is in use, and hugetlb has
 * taken gigantic pages only. Sizes that the kernel computes once from free memory go by it (user and admin
 * reserves). */
uint64_t vmsim__mem_early_free(const struct vmsim__mem *mem) {
    uint64_t free = (uint64_t)vmsim__mem_zone_stat(mem, VMSIM__NR_FREE_PAGES);
    uint64_t used = mem->boot_freed + (((uint64_t)mem->kernel->early_kb << 10) >> mem->page_shift);
    for (unsigned h = 0; h < mem->nr_hstates; h++) {
        if (!vmsim__hstate_gigantic(mem, h))
            free += vmsim__hugetlb_total(mem, h, VMSIM__MAX_NODES) << mem->hstate[h].order;
    }
    return free - vmsim__min64(free, used);
}

uint64_t vmsim__zone_free_blocks(const struct vmsim__zone *z, unsigned order, enum vmsim__migratetype type) {
    uint64_t sum = 0;
    if (type < VMSIM__MIGRATE_TYPES)
        return z->area[order].nr[type];
    for (unsigned t = 0; t < VMSIM__MIGRATE_TYPES; t++)
        sum += z->area[order].nr[t];
    return sum;
}

/* Free frames, free blocks, and blocks that serve a request of 2^order (larger ones count for what they hold). */
struct contig {
    uint64_t frames, blocks, suitable;
};
static struct contig contig_info(const struct vmsim__mem *mem, const struct vmsim__zone *z, unsigned order) {
    struct contig c = {0};
    for (unsigned o = 0; o <= mem->top_order; o++) {
        uint64_t n = vmsim__zone_free_blocks(z, o, VMSIM__MIGRATE_TYPES);
        c.blocks += n;
        c.frames += n << o;
        if (o >= order)
            c.suitable += n << (o - order);
    }
    return c;
}

/* -1000: a block of the order is there. Else thousandths: towards 0 memory is lacking, towards 1000 it is in pieces.
 * Kernel: __fragmentation_index. */
int vmsim__zone_extfrag_index(const struct vmsim__mem *mem, const struct vmsim__zone *z, unsigned order) {
    struct contig c = contig_info(mem, z, order);
    if (order > mem->top_order || !c.blocks)
        return 0;
    if (c.suitable)
        return -1000;
    return (int)(1000 - (int64_t)((1000 + c.frames * 1000 / (UINT64_C(1) << order)) / c.blocks));
}

/* Thousandths of free memory that a request of the order cannot use. Kernel: unusable_free_index. */
int vmsim__zone_unusable_index(const struct vmsim__mem *mem, const struct vmsim__zone *z, unsigned order) {
    struct contig c = contig_info(mem, z, order);
    return c.frames ? (int)((c.frames - (c.suitable << order)) * 1000 / c.frames) : 1000;
}

/* Sections that hold no memory have no pageblocks; holes within a section do, unless another zone begins there. */
static bool section_present(const struct vmsim__mem *mem, vmsim__pfn pfn) {
    unsigned shift = vmsim__section_shift(mem->arch, mem->page_shift) - mem->page_shift;
    vmsim__pfn start = pfn >> shift << shift;
    size_t i = vmsim__segment_from(mem, start);
    return i < mem->nr_segments && mem->segments[i].start < (uint64_t)start + (UINT64_C(1) << shift);
}

/* By the pageblock's first frame, as /proc/pagetypeinfo counts them. */
void vmsim__zone_pageblocks(const struct vmsim__mem *mem, const struct vmsim__zone *z,
                            uint64_t counts[VMSIM__MIGRATE_TYPES]) {
    uint64_t size = UINT64_C(1) << mem->pageblock_order;
    memset(counts, 0, VMSIM__MIGRATE_TYPES * sizeof *counts);
    for (uint64_t p = z->start & ~(size - 1); p < z->end; p += size) {
        const struct vmsim__zone *owner = vmsim__mem_zone_of(mem, (vmsim__pfn)vmsim__max64(p, z->start));
        if (section_present(mem, (vmsim__pfn)p) && (!owner || owner == z))
            counts[vmsim__block_type(mem, (vmsim__pfn)p)]++;
    }
}
