/* SPDX-License-Identifier: MIT */
/* The LRU lists of each node and cgroup.
 *
 * A list runs through frame.next and frame.prev, so that a page costs no memory here and moves in O(1). Unevictable
 * pages are only counted; `prev` of their frame is the mlock count. Kernel counterpart: include/linux/mm_inline.h. */
#include "lru/lru_impl.h"

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
    vmsim__free(lru->alloc, lru->batches, lru->cpus * sizeof *lru->batches);
    vmsim__free(lru->alloc, lru->stocks, lru->cpus * sizeof *lru->stocks);
    vmsim__free(lru->alloc, lru, sizeof *lru);
}

/* ---- lists ---- */

enum vmsim__lru_list vmsim__lru_list_of(const struct vmsim__frame *f) {
    if (vmsim__frame_is(f, VMSIM__FRAME_UNEVICTABLE))
        return VMSIM__LRU_UNEVICTABLE;
    return (vmsim__frame_is(f, VMSIM__FRAME_SWAPBACKED) ? VMSIM__LRU_INACTIVE_ANON : VMSIM__LRU_INACTIVE_FILE) +
           vmsim__frame_is(f, VMSIM__FRAME_ACTIVE);
}

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

uint64_t vmsim__lruvec_size(const struct vmsim__lruvec *v, enum vmsim__lru_list list) {
    int64_t pages = vmsim__lruvec_stat(v, (enum vmsim__node_stat)(VMSIM__NR_INACTIVE_ANON + list));
    VMSIM__ASSERT(pages >= 0);
    return (uint64_t)pages;
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

/* The statistics follow the order of enum vmsim__lru_list, as in update_lru_size. */
VMSIM__INLINE void count_lru(struct vmsim__lru *lru, struct vmsim__lruvec *v, const struct vmsim__frame *f,
                             enum vmsim__lru_list list, int64_t pages) {
    struct vmsim__zone *z = vmsim__lru_zone(lru, f);
    VMSIM__ASSERT(v == vmsim__lruvec_of(lru, f) && (pages >= 0 || v->zone_count[z->type][list] >= (uint64_t)-pages));
    v->zone_count[z->type][list] += (uint64_t)pages;
    z->stat[VMSIM__NR_ZONE_INACTIVE_ANON + list] += pages;
    lru->mem->nodes[z->node].stat[VMSIM__NR_INACTIVE_ANON + list] += pages;
    if (VMSIM__UNLIKELY(f->memcg))
        v->stat[VMSIM__NR_INACTIVE_ANON + list] += pages;
}

void vmsim__lruvec_add(struct vmsim__lru *lru, vmsim__pfn pfn, bool to_tail) {
    struct vmsim__frame *f = vmsim__lru_frame(lru, pfn);
    enum vmsim__lru_list list = vmsim__lru_list_of(f);
    struct vmsim__lruvec *v = vmsim__lruvec_of(lru, f);
    vmsim__pfn *head = &v->list[list].head, *tail = &v->list[list].tail;
    count_lru(lru, v, f, list, vmsim__frame_pages(f));
    if (list == VMSIM__LRU_UNEVICTABLE)
        return;
    VMSIM__ASSERT((*head == VMSIM__PFN_NONE) == (*tail == VMSIM__PFN_NONE));
    f->next = to_tail ? VMSIM__PFN_NONE : *head;
    f->prev = to_tail ? *tail : VMSIM__PFN_NONE;
    if (f->next != VMSIM__PFN_NONE)
        vmsim__lru_frame(lru, f->next)->prev = pfn;
    else
        *tail = pfn;
    if (f->prev != VMSIM__PFN_NONE)
        vmsim__lru_frame(lru, f->prev)->next = pfn;
    else
        *head = pfn;
}

void vmsim__lruvec_del(struct vmsim__lru *lru, vmsim__pfn pfn) {
    VMSIM__ASSERT(vmsim__frame_is(vmsim__lru_frame(lru, pfn), VMSIM__FRAME_LRU));
    struct vmsim__frame *f = vmsim__lru_frame(lru, pfn);
    enum vmsim__lru_list list = vmsim__lru_list_of(f);
    struct vmsim__lruvec *v = vmsim__lruvec_of(lru, f);
    count_lru(lru, v, f, list, -(int64_t)vmsim__frame_pages(f));
    if (list != VMSIM__LRU_UNEVICTABLE) {
        if (f->next != VMSIM__PFN_NONE)
            vmsim__lru_frame(lru, f->next)->prev = f->prev;
        else
            v->list[list].tail = f->prev;
        if (f->prev != VMSIM__PFN_NONE)
            vmsim__lru_frame(lru, f->prev)->next = f->next;
        else
            v->list[list].head = f->next;
    }
    f->next = f->prev = VMSIM__PFN_NONE;
}
