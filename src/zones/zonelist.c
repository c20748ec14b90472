/* SPDX-License-Identifier: MIT */
/* The order in which a node's requests visit the zones of the machine.
 *
 *     node order (by distance and load):   1, 2, 0, 3
 *     zonelist: MOVABLE(1) NORMAL(1) | DMA32(2) | NORMAL(0) DMA32(0) DMA(0) | ...      highest type first within a node
 *
 * Equally distant nodes take turns: whoever was chosen as the first of a new distance is a little heavier for the next
 * nodes. The lists of boot are made before any CPU counts as online, so nodes with CPUs are spared by later ones alone.
 * Kernel counterpart: mm/page_alloc.c (build_zonelists, find_next_best_node). */
#include "zones/zones_internal.h"

#include <string.h>

/* The weight of one unit of distance against load: the kernel's MAX_NUMNODES on servers (NODES_SHIFT = 10). */
#define DISTANCE_WEIGHT 1024

/* Nearest unused node with memory as seen from `local`; -1: none left. A node with CPUs counts as one step further,
 * since its own tasks want its memory; so does a lower-numbered node, or all nodes would fall back to node 0 first. */
static int next_best_node(const struct vmsim__mem *mem, unsigned local, uint64_t *used, const uint32_t *load,
                          bool boot) {
    VMSIM__ASSERT(local < mem->nr_nodes && mem->nr_nodes <= VMSIM__MAX_NODES);
    const struct vmsim__node *from = &mem->nodes[local];
    bool self = !mem->kernel->fallback_self_needs_memory || from->has_memory;
    uint64_t best_value = UINT64_MAX;
    int best = -1;
    if (self && !(*used >> local & 1))
        best = (int)local;
    for (unsigned n = 0; best != (int)local && n < mem->nr_nodes; n++) {
        if (*used >> n & 1 || !mem->nodes[n].has_memory)
            continue;
        uint64_t value = (uint64_t)from->distance[n] + (n < local) + (mem->nodes[n].has_cpu && !boot);
        value = value * DISTANCE_WEIGHT + load[n];
        if (value < best_value) {
            best_value = value;
            best = (int)n;
        }
    }
    if (best >= 0)
        *used |= UINT64_C(1) << best;
    return best;
}

static void order_nodes(struct vmsim__mem *mem, unsigned local, uint32_t *load, bool boot) {
    struct vmsim__node *node = &mem->nodes[local];
    uint64_t used = 0;
    unsigned previous = local;
    node->order_count = 0;
    for (int n; (n = next_best_node(mem, local, &used, load, boot)) >= 0; previous = (unsigned)n) {
        if (node->distance[n] != node->distance[previous])
            load[n]++;
        node->order[node->order_count++] = (uint8_t)n;
    }
}

static void fill_zonelist(struct vmsim__mem *mem, struct vmsim__node *node, unsigned which, const uint8_t *order,
                          unsigned count) {
    VMSIM__ASSERT(which < 2 && count <= mem->nr_nodes);
    uint8_t *list = node->zonelist[which];
    unsigned n = 0;
    for (unsigned i = 0; i < count; i++) {
        const struct vmsim__node *from = &mem->nodes[order[i]];
        for (unsigned z = from->nr_zones; z-- > 0;)
            list[n++] = from->zone[z];
    }
    VMSIM__ASSERT(n <= mem->nr_zones);
    node->zonelist_count[which] = (uint16_t)n;
    for (unsigned t = 0; t < VMSIM__ZONE_TYPES; t++) {
        unsigned at = 0;
        while (at < n && mem->zones[list[at]].type > t)
            at++;
        node->first[which][t] = (uint16_t)at;
        node->first_zone[which][t] = at < n ? list[at] : VMSIM__NO_ZONE;
    }
}

static void fill_all(struct vmsim__mem *mem, bool boot) {
    uint32_t load[VMSIM__MAX_NODES] = {0};
    for (unsigned n = 0; n < mem->nr_nodes; n++) {
        struct vmsim__node *node = &mem->nodes[n];
        uint8_t self = (uint8_t)n;
        order_nodes(mem, n, load, boot);
        fill_zonelist(mem, node, 0, node->order, node->order_count);
        fill_zonelist(mem, node, 1, &self, 1);
    }
}

/* Room for every zone that may come online, so that later lists need none. */
int vmsim__zonelists_build(struct vmsim__mem *mem) {
    for (unsigned i = 0; i < 2u * mem->nr_nodes; i++) {
        uint8_t **list = &mem->nodes[i / 2].zonelist[i % 2];
        *list = vmsim__malloc(mem->alloc, mem->nr_zones);
        if (!*list)
            return VMSIM_ENOMEM;
    }
    fill_all(mem, true);
    return 0;
}

void vmsim__zonelists_rebuild(struct vmsim__mem *mem) {
    fill_all(mem, false);
}
