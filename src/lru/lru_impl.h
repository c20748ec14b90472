/* SPDX-License-Identifier: MIT */
/* What the files of src/lru/ share and nobody else sees: lists, batches, counters. */
#ifndef VMSIM__LRU_IMPL_H
#define VMSIM__LRU_IMPL_H
#include "base/vec.h"
#include "lru/lru.h"
#include "lru/memcg.h"

#define VMSIM__BATCH_MAX 31 /* the largest of all kernels */

enum vmsim__lru_batch_kind {
    VMSIM__BATCH_ADD,
    VMSIM__BATCH_ROTATE,
    VMSIM__BATCH_DEACTIVATE_FILE,
    VMSIM__BATCH_DEACTIVATE,
    VMSIM__BATCH_LAZYFREE,
    VMSIM__BATCH_ACTIVATE,
    VMSIM__BATCH_MLOCK,
    VMSIM__BATCH_KINDS
};
/* Pages on their way to a list, one reference each. `tag`: what the mlock batch is to do (enum mlock_tag in mlock.c).
 */
struct vmsim__lru_batch {
    uint32_t count;
    vmsim__pfn page[VMSIM__BATCH_MAX];
    uint8_t tag[VMSIM__BATCH_MAX];
};
struct vmsim__cpu_batches {
    struct vmsim__lru_batch kind[VMSIM__BATCH_KINDS];
};

/* Pages that a CPU has charged ahead to the cgroup that charged last; and bytes of a page or two, to the cgroup that
 * charged an object last. */
struct vmsim__memcg_stock {
    uint16_t memcg, obj_memcg;
    uint32_t pages, bytes;
};

/* ---- frames and counters ---- */

static inline struct vmsim__frame *vmsim__lru_frame(const struct vmsim__lru *lru, vmsim__pfn pfn) {
    return vmsim__frame_at(&lru->mem->frames, pfn);
}
static inline struct vmsim__zone *vmsim__lru_zone(const struct vmsim__lru *lru, const struct vmsim__frame *f) {
    VMSIM__ASSERT(vmsim__frame_zone(f) < lru->mem->nr_zones);
    return &lru->mem->zones[vmsim__frame_zone(f)];
}
static inline struct vmsim__lruvec *vmsim__lruvec_of(struct vmsim__lru *lru, const struct vmsim__frame *f) {
    struct vmsim__lruvec *v = lru->lruvecs;
    if (VMSIM__UNLIKELY(f->memcg)) {
        VMSIM__ASSERT(vmsim__memcg_by_id(lru, f->memcg));
        v = lru->memcgs.at[f->memcg]->lruvec;
    }
    return &v[vmsim__lru_zone(lru, f)->node];
}
static inline struct vmsim__lruvec *vmsim__lruvec_parent(const struct vmsim__lruvec *v) {
    return v->memcg->parent ? &v->memcg->parent->lruvec[v->node] : NULL;
}
/* A statistic of the folio's node and cgroup. */
static inline void vmsim__lru_node_add(struct vmsim__lru *lru, const struct vmsim__frame *f, enum vmsim__node_stat stat,
                                       int64_t pages) {
    vmsim__folio_stat_add(lru, f, stat, pages);
    lru->mem->nodes[vmsim__lru_zone(lru, f)->node].stat[stat] += pages;
}
static inline void vmsim__lru_zone_add(struct vmsim__lru *lru, const struct vmsim__frame *f, enum vmsim__zone_stat stat,
                                       int64_t pages) {
    vmsim__lru_zone(lru, f)->stat[stat] += pages;
}
static inline void vmsim__lru_event(struct vmsim__lru *lru, enum vmsim__event_stat event, uint64_t n) {
    lru->mem->event[event] += n;
}
/* Of a folio: its cgroup counts it, too. */
static inline void vmsim__lru_folio_event(struct vmsim__lru *lru, const struct vmsim__frame *f,
                                          enum vmsim__event_stat event, uint64_t n) {
    vmsim__lru_event(lru, event, n);
    vmsim__memcg_event_add(lru, f->memcg, event, n);
}
/* May the page be reclaimed, or is it mlocked or pinned by what it belongs to? Kernel: folio_evictable. */
static inline bool vmsim__folio_evictable(const struct vmsim__frame *f) {
    return !vmsim__frame_is(f, VMSIM__FRAME_MLOCKED | VMSIM__FRAME_PINNED);
}

/* ---- lruvec.c ---- */

void vmsim__lruvec_init(struct vmsim__lruvec *v, struct vmsim__memcg *memcg, unsigned node);

/* ---- lru_batch.c ---- */

/* Moved into the batch with a new reference; full batches and large folios are worked off at once. */
void vmsim__lru_batch_add(struct vmsim__lru *lru, enum vmsim__lru_batch_kind kind, vmsim__pfn pfn, uint8_t tag,
                          unsigned cpu);

/* ---- memcg.c ---- */

/* Frees a removed cgroup that nothing is charged to, and those above it that only it held. */
void vmsim__memcg_release_dead(struct vmsim__memcg *m);
void vmsim__memcg_fini(struct vmsim__lru *lru);

/* ---- mlock.c ---- */

/* Works off one entry of an mlock batch. */
void vmsim__mlock_apply(struct vmsim__lru *lru, vmsim__pfn pfn, uint8_t tag);
/* The page is freed: it stops being counted in nr_mlock. */
void vmsim__mlock_clear(struct vmsim__lru *lru, struct vmsim__frame *f);

#endif
