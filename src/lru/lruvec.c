/* SPDX-License-Identifier: MIT */
/* The LRU lists of each node and cgroup: their making, and how much is on them. What is put on a list or taken off is
 * lruvec.h. Kernel counterparts: mm/mmzone.c, mm/vmscan.c (lruvec_lru_size). */
#include "lru/lru_gen.h"
#include "lru/lru_impl.h"
#include "lru/stat_flush.h"

struct vmsim__lru *vmsim__lru_create(struct vmsim__alloc *alloc, struct vmsim__mem *mem,
                                     const struct vmsim__kernel *kernel, unsigned cpus) {
    VMSIM__ASSERT(mem->nr_nodes > 0 && cpus > 0 && cpus <= mem->nr_cpus);
    VMSIM__ASSERT(kernel->lru_batch > 0 && kernel->lru_batch <= VMSIM__BATCH_MAX);
    struct vmsim__lru *lru = vmsim__calloc(alloc, 1, sizeof *lru);
    if (!lru)
        return NULL;
    *lru = (struct vmsim__lru){.alloc = alloc, .mem = mem, .kernel = kernel, .cpus = cpus};
    lru->batches = vmsim__calloc(alloc, cpus, sizeof *lru->batches);
    lru->stocks = vmsim__calloc(alloc, cpus, sizeof *lru->stocks);
    struct vmsim__memcg *root = lru->batches && lru->stocks ? vmsim__memcg_create(lru, NULL) : NULL;
    if (!root) {
        vmsim__lru_destroy(lru);
        return NULL;
    }
    VMSIM__ASSERT(root->id == VMSIM__MEMCG_ROOT);
    lru->lruvecs = root->lruvec;
    return lru;
}

void vmsim__lru_destroy(struct vmsim__lru *lru) {
    if (!lru)
        return;
    vmsim__memcg_fini(lru);
    vmsim__memcg_lru_fini(lru);
    vmsim__free(lru->alloc, lru->batches, lru->cpus * sizeof *lru->batches);
    vmsim__free(lru->alloc, lru->stocks, lru->cpus * sizeof *lru->stocks);
    vmsim__free(lru->alloc, lru, sizeof *lru);
}

/* ---- lists ---- */

struct vmsim__lruvec *vmsim__lruvec_of_node(struct vmsim__lru *lru, unsigned node) {
    VMSIM__ASSERT(node < lru->mem->nr_nodes);
    return &lru->lruvecs[node];
}

void vmsim__lruvec_init(struct vmsim__lruvec *v, struct vmsim__memcg *memcg, unsigned node) {
    *v = (struct vmsim__lruvec){.memcg = memcg, .node = (uint8_t)node, .page_shift = memcg->lru->mem->page_shift};
    for (unsigned l = 0; l < VMSIM__LRU_LISTS; l++)
        v->list[l].head = v->list[l].tail = VMSIM__PFN_NONE;
}

int64_t vmsim__lruvec_stat(const struct vmsim__lruvec *v, enum vmsim__node_stat stat) {
    const struct vmsim__memcg *root = v->memcg;
    int64_t pages = 0;
    if (!root->parent)
        return root->lru->mem->nodes[v->node].stat[stat];
    for (struct vmsim__memcg *m = v->memcg; m; m = vmsim__memcg_next(root, m))
        pages += m->lruvec[v->node].stat[stat];
    return pages;
}

uint64_t vmsim__lruvec_seen(const struct vmsim__lruvec *v, enum vmsim__seen_stat stat) {
    VMSIM__ASSERT(stat < VMSIM__SEEN_STATS);
    vmsim__stats_settle(v->memcg->lru);
    VMSIM__ASSERT(v->seen[stat] >= 0);
    return (uint64_t)v->seen[stat];
}

uint64_t vmsim__lruvec_size_up_to(const struct vmsim__lruvec *v, enum vmsim__lru_list list, unsigned zone_type) {
    uint64_t pages = 0;
    for (unsigned z = 0; z <= zone_type && z < VMSIM__ZONE_TYPES; z++)
        pages += v->zone_count[z][list];
    return pages;
}

uint64_t vmsim__lruvec_pages(const struct vmsim__lruvec *v, enum vmsim__lru_list list) {
    return vmsim__lruvec_size_up_to(v, list, VMSIM__ZONE_TYPES - 1);
}
