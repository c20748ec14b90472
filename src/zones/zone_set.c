/* SPDX-License-Identifier: MIT */
/* Which zones of a node have frames, and what hangs on that.
 *
 *     mem->zones:  node 0: DMA DMA32 NORMAL MOVABLE | node 1: NORMAL MOVABLE     every zone that may ever have frames
 *     node->possible[type] -> index there           node->zone[]: those that have frames now, lowest type first
 *
 * Numbers are given at boot for all of them, since frames, segments and zonelists hold them: memory that comes and goes
 * changes which zones are populated, and nothing else. Kernel counterparts: pglist_data's node_zones, populated_zone,
 * mm/memory_hotplug.c. */
#include "zones/zones_internal.h"

void vmsim__node_update(struct vmsim__mem *mem, struct vmsim__node *node) {
    node->nr_zones = 0;
    node->present = 0;
    node->start = node->end = 0;
    for (unsigned t = 0; t < VMSIM__ZONE_TYPES; t++) {
        struct vmsim__zone *z = vmsim__node_zone(mem, node->id, t);
        if (!z)
            continue;
        VMSIM__ASSERT(z->start < z->end && z->node == node->id);
        node->start = node->end ? (z->start < node->start ? z->start : node->start) : z->start;
        node->end = z->end > node->end ? z->end : node->end;
        node->present += z->present;
        node->zone[node->nr_zones++] = z->index;
    }
    node->has_memory = node->nr_zones > 0;
    VMSIM__ASSERT(node->present <= node->end - node->start);
}

int vmsim__zone_make_pcp(struct vmsim__mem *mem, struct vmsim__zone *z) {
    if (z->pcp)
        return 0;
    z->pcp = vmsim__calloc_aligned(mem->alloc, 64, mem->nr_cpus * sizeof *z->pcp);
    if (!z->pcp)
        return VMSIM_ENOMEM;
    for (unsigned cpu = 0; cpu < mem->nr_cpus; cpu++) {
        for (unsigned i = 0; i < VMSIM__PCP_LISTS; i++)
            z->pcp[cpu].list[i] = (struct vmsim__frame_list){VMSIM__PFN_NONE, VMSIM__PFN_NONE};
    }
    return 0;
}
