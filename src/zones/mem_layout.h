/* SPDX-License-Identifier: MIT */
/* Where memory lies: the spec's map, nodes and options become page-frame ranges, zones and reserved ranges.
 *
 *     firmware map  \
 *     node ranges   -+->  regions (node, [start, end))  -->  zones (node, type, spanned, present)  -->  segments,
 * reserved kernelcore=.. /
 *
 * Kernel counterparts: arch/x86/kernel/e820.c, arch/<arch>/mm/init.c, mm/memblock.c, mm/mm_init.c. */
#ifndef VMSIM__MEM_LAYOUT_H
#define VMSIM__MEM_LAYOUT_H
#include "base/vec.h"
#include "zones/zones.h"

/* Present memory of one node, in frames. */
struct vmsim__region {
    uint64_t start, end;
    uint16_t node;
    bool hotplug;
};

struct vmsim__zone_layout {
    uint16_t node;
    uint8_t type, index; /* index: in the machine's zones, set by boot */
    uint64_t start, end, present;
    uint64_t reserved, boot_use; /* frames: never managed; managed only after the watermarks were computed */
    uint64_t cma;                /* frames: managed, in pageblocks for contiguous requests */
    uint64_t boost;              /* frames: of the watermarks when boot is over */
};

struct vmsim__layout {
    struct vmsim__alloc *alloc;
    const struct vmsim__mem_spec *spec;
    unsigned page_shift, top_order, pageblock_order, nr_nodes;
    uint8_t zone_configured;
    bool movable_is_highmem;
    struct {
        VMSIM__VEC(struct vmsim__region);
    } regions, plug; /* ascending, disjoint; plug: where memory may be plugged in, all above or between the regions */
    struct {
        VMSIM__VEC(struct vmsim__zone_layout);
    } zones;         /* populated, by node, then type */
    uint64_t lowmem; /* 32-bit machines: end of what the kernel maps for good, in bytes */
    uint64_t zone_low[VMSIM__ZONE_TYPES], zone_high[VMSIM__ZONE_TYPES]; /* possible frames of each type but MOVABLE */
    uint64_t movable_start[VMSIM__MAX_NODES];                           /* first MOVABLE frame of a node; 0: none */
};

/* 0 or an error; the layout must be finished with vmsim__layout_fini either way. */
int vmsim__layout_build(struct vmsim__alloc *alloc, const struct vmsim__mem_spec *spec,
                        const struct vmsim__kernel *kernel, struct vmsim__layout *l, struct vmsim__err *err);
void vmsim__layout_fini(struct vmsim__layout *l);

/* The parts, one file each: regions (mem_regions.c), zones and movable carving (mem_layout.c), reserves
 * (mem_reserve.c). */
int vmsim__layout_regions(struct vmsim__layout *l, struct vmsim__err *err);
int vmsim__layout_reserve(struct vmsim__layout *l, const struct vmsim__kernel *kernel, struct vmsim__err *err);

/* log2 of the bytes of a memory section: what struct pages come and go by. */
unsigned vmsim__section_shift(int arch, unsigned page_shift);

static inline const struct vmsim__node_spec *vmsim__layout_node(const struct vmsim__layout *l, unsigned node) {
    return (const struct vmsim__node_spec *)l->spec->nodes.data + node;
}

#endif
