/* SPDX-License-Identifier: MIT */
/* What the files of the kernel's own reclaim share: counters with their cgroups' side, hooks with defaults. */
#ifndef VMSIM__VMSCAN_IMPL_H
#define VMSIM__VMSCAN_IMPL_H
#include "reclaim/vmscan.h"

/* All that was met is dirty, and nobody writes it yet. Kernel: wakeup_flusher_threads. */
void vmsim__vmscan_wake_flushers(struct vmsim__vmscan *v, struct vmsim__scan_control *sc);
/* What a batch of `taken` pages, `files` of them of files, met: the node's state and throttling are decided by it at
 * the end of the round. Flushers are woken where all of it is dirty. */
void vmsim__vmscan_add_up(struct vmsim__vmscan *v, struct vmsim__scan_control *sc,
                          const struct vmsim__reclaim_stat *stat, uint64_t taken, uint64_t files);

static inline bool vmsim__vmscan_global(const struct vmsim__scan_control *sc) {
    return sc->target == VMSIM__MEMCG_ROOT;
}
/* Which lists it is on: pages of MADV_FREE count as a file's. Kernel: folio_is_file_lru. */
static inline bool vmsim__vmscan_is_file(const struct vmsim__frame *f) {
    return !vmsim__frame_is(f, VMSIM__FRAME_SWAPBACKED);
}
/* An event of the machine and of a cgroup. */
static inline void vmsim__vmscan_count(struct vmsim__vmscan *v, struct vmsim__memcg *m, enum vmsim__event_stat event,
                                       uint64_t n) {
    v->mem->event[event] += n;
    vmsim__memcg_event_add(v->lru, m->id, event, n);
}
/* Of the folio's cgroup. */
static inline void vmsim__vmscan_event(struct vmsim__vmscan *v, const struct vmsim__frame *f,
                                       enum vmsim__event_stat event, uint64_t n) {
    vmsim__vmscan_count(v, vmsim__memcg_by_id(v->lru, f->memcg), event, n);
}
/* Tells who watches what came of one look at a list, whatever policy chose from it. */
static inline void vmsim__vmscan_tell(const struct vmsim__vmscan *v, const struct vmsim__scan_control *sc,
                                      uint64_t begin, uint64_t scanned, uint64_t reclaimed, unsigned node, bool file) {
    VMSIM__ASSERT(begin <= v->mem->now.time);
    if (vmsim__watched(&v->mem->now.watch, VMSIM_EVENT_RECLAIM))
        vmsim__tell(&v->mem->now.watch, VMSIM_EVENT_RECLAIM, begin, v->mem->now.time,
                    sc->kswapd   ? "kswapd"
                    : sc->target ? "memcg"
                                 : "direct",
                    scanned, reclaimed, node, file);
}
/* Scans and steals for a limit are the cgroup's alone. */
static inline void vmsim__vmscan_count_scan(struct vmsim__vmscan *v, const struct vmsim__scan_control *sc,
                                            struct vmsim__memcg *m, enum vmsim__event_stat event, uint64_t n) {
    if (vmsim__vmscan_global(sc))
        v->mem->event[event] += n;
    vmsim__memcg_event_add(v->lru, m->id, event, n);
}
static inline void vmsim__vmscan_node_stat(struct vmsim__vmscan *v, const struct vmsim__frame *f,
                                           enum vmsim__node_stat stat, int64_t pages) {
    vmsim__folio_stat_add(v->lru, f, stat, pages);
    v->mem->nodes[v->mem->zones[vmsim__frame_zone(f)].node].stat[stat] += pages;
}
/* Effective memory.min and memory.low of a cgroup below the target (vmscan.c). */
void vmsim__vmscan_protect(struct vmsim__memcg *m, const struct vmsim__memcg *target);
static inline bool vmsim__vmscan_congested(const struct vmsim__vmscan *v, const struct vmsim__scan_control *sc) {
    return v->hooks.congested && v->hooks.congested(v->hooks.context, sc);
}
static inline bool vmsim__vmscan_interrupted(const struct vmsim__vmscan *v, const struct vmsim__scan_control *sc) {
    return v->hooks.interrupted && v->hooks.interrupted(v->hooks.context, sc);
}
static inline void vmsim__vmscan_flush(const struct vmsim__vmscan *v, const struct vmsim__scan_control *sc) {
    if (v->hooks.unmap_flush)
        v->hooks.unmap_flush(v->hooks.context, sc->cpu);
}
/* The folio, whose frame the host has at hand, is taken soon: so are its neighbours' links, and its entry. Each would
 * be a miss of the host's caches in the middle of a chain of them. */
static inline void vmsim__vmscan_expect(const struct vmsim__vmscan *v, vmsim__pfn pfn) {
    const struct vmsim__frame *f = vmsim__frame_at(&v->mem->frames, pfn);
    if (vmsim__frame_is(f, VMSIM__FRAME_LRU)) {
        vmsim__frame_prefetch(&v->mem->frames, f->next);
        vmsim__frame_prefetch(&v->mem->frames, f->prev);
    }
    if (v->hooks.expect)
        v->hooks.expect(v->hooks.context, pfn);
}
/* Kernel: folio_referenced: no walk for a page that nothing maps. */
static inline struct vmsim__use vmsim__vmscan_referenced(struct vmsim__vmscan *v, const struct vmsim__scan_control *sc,
                                                         vmsim__pfn pfn) {
    struct vmsim__use use = {0};
    if (!v->hooks.referenced || !vmsim__folio_mapped(v->lru, pfn))
        return use;
    if (v->ops->referenced)
        return v->ops->referenced(v, sc, pfn);
    v->hooks.referenced(v->hooks.context, pfn, sc->target, NULL, sc->cpu, &use);
    return use;
}

#endif
