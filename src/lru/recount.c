/* SPDX-License-Identifier: MIT */
/* Recounts of node and zone statistics, a row a node and a row a zone, for the checks of this layer and those above. */
#include "lru/recount.h"

bool vmsim__recount_init(struct vmsim__recount *r, struct vmsim__mem *mem) {
    VMSIM__ASSERT(mem->nr_nodes > 0 && mem->nr_zones > 0);
    *r = (struct vmsim__recount){.mem = mem};
    r->nodes = vmsim__calloc(mem->alloc, mem->nr_nodes, sizeof *r->nodes);
    r->zones = vmsim__calloc(mem->alloc, mem->nr_zones, sizeof *r->zones);
    return r->nodes && r->zones;
}

void vmsim__recount_fini(struct vmsim__recount *r) {
    vmsim__free(r->mem->alloc, r->nodes, r->mem->nr_nodes * sizeof *r->nodes);
    vmsim__free(r->mem->alloc, r->zones, r->mem->nr_zones * sizeof *r->zones);
}

int vmsim__recount_compare_nodes(const struct vmsim__recount *r, const enum vmsim__node_stat *stats, unsigned n,
                                 struct vmsim__err *err) {
    for (unsigned node = 0; node < r->mem->nr_nodes; node++) {
        for (unsigned i = 0; i < n; i++) {
            int64_t is = r->mem->nodes[node].stat[stats[i]], found = r->nodes[node].stat[stats[i]];
            if (is != found)
                return vmsim__err_set(err, VMSIM_ECHECK, "node %u: %s is %lld, a recount gives %lld", node,
                                      vmsim__node_stat_names[stats[i]], (long long)is, (long long)found);
        }
    }
    return 0;
}

int vmsim__recount_compare_zones(const struct vmsim__recount *r, const enum vmsim__zone_stat *stats, unsigned n,
                                 struct vmsim__err *err) {
    for (unsigned zone = 0; zone < r->mem->nr_zones; zone++) {
        for (unsigned i = 0; i < n; i++) {
            int64_t is = r->mem->zones[zone].stat[stats[i]], found = r->zones[zone].stat[stats[i]];
            if (is != found)
                return vmsim__err_set(err, VMSIM_ECHECK, "zone %u: %s is %lld, a recount gives %lld", zone,
                                      vmsim__zone_stat_names[stats[i]], (long long)is, (long long)found);
        }
    }
    return 0;
}
