/* SPDX-License-Identifier: MIT */
/* What the counters of nodes and zones should be: a check adds up what it finds and compares at the end. */
#ifndef VMSIM__RECOUNT_H
#define VMSIM__RECOUNT_H
#include "zones/zones.h"

struct vmsim__recount_node {
    int64_t stat[VMSIM__NODE_STAT_COUNT];
};
struct vmsim__recount_zone {
    int64_t stat[VMSIM__ZONE_STAT_COUNT];
};
struct vmsim__recount {
    struct vmsim__mem *mem;
    struct vmsim__recount_node *nodes;
    struct vmsim__recount_zone *zones;
};

/* False: no host memory. End it with vmsim__recount_fini in either case. */
bool vmsim__recount_init(struct vmsim__recount *r, struct vmsim__mem *mem);
void vmsim__recount_fini(struct vmsim__recount *r);
static inline void vmsim__recount_node_add(struct vmsim__recount *r, const struct vmsim__frame *f,
                                           enum vmsim__node_stat stat, int64_t pages) {
    r->nodes[r->mem->zones[vmsim__frame_zone(f)].node].stat[stat] += pages;
}
static inline void vmsim__recount_zone_add(struct vmsim__recount *r, const struct vmsim__frame *f,
                                           enum vmsim__zone_stat stat, int64_t pages) {
    r->zones[vmsim__frame_zone(f)].stat[stat] += pages;
}
/* Holds `n` statistics of every node (zone) against the recount. 0 or VMSIM_ECHECK. */
int vmsim__recount_compare_nodes(const struct vmsim__recount *r, const enum vmsim__node_stat *stats, unsigned n,
                                 struct vmsim__err *err);
int vmsim__recount_compare_zones(const struct vmsim__recount *r, const enum vmsim__zone_stat *stats, unsigned n,
                                 struct vmsim__err *err);

#endif
