/* SPDX-License-Identifier: MIT */
/* Statistics of cgroups as reclaim and writeback see them: those of the last flush.
 *
 *     lruvec.stat (now)  --touched-->  flush  -->  lruvec.seen of it and of all above
 *
 * What the heuristics of reclaim and refaults go by is not what is, but what was when the cgroups' counts were last
 * summed up the tree: every two seconds, and in kernels before 6.12 also when reclaim begins and enough has changed
 * since. In a cgroup that is new and small, a whole program may pass by before its lists are seen to hold anything, and
 * before its dirty pages are seen to be too many. A flush is due at a time; nothing happens then, but the first change
 * or look after it flushes first, which is the same. Kernel counterparts: memcg_rstat_updated, mem_cgroup_flush_stats,
 * lruvec_page_state of mm/memcontrol.c. */
#ifndef VMSIM__STAT_FLUSH_H
#define VMSIM__STAT_FLUSH_H
#include "lru/lru.h"

#define VMSIM__STAT_FLUSH_NS UINT64_C(2000000000) /* FLUSH_TIME */

/* What is due by now. */
void vmsim__stats_flush(struct vmsim__lru *lru);
/* Reclaim begins, or limits of dirty pages are looked at. Kernel: mem_cgroup_flush_stats, by 6.12
 * mem_cgroup_flush_stats_ratelimited. */
void vmsim__stats_flush_for_reclaim(struct vmsim__lru *lru);
/* A cgroup is about to vanish: what it has not told yet is its parent's to tell. */
void vmsim__stats_forget(struct vmsim__memcg *m);

static inline void vmsim__stats_settle(struct vmsim__lru *lru) {
    if (VMSIM__UNLIKELY(lru->mem->now.time >= lru->flush.due))
        vmsim__stats_flush(lru);
}
/* So much changes in statistics of cgroups, by pages or events. */
static inline void vmsim__stats_changed(struct vmsim__lru *lru, uint64_t changes) {
    lru->flush.changes += changes;
}
/* The same of what is seen, before it changes in the lruvec. */
static inline void vmsim__stats_touch(struct vmsim__lru *lru, struct vmsim__lruvec *v, uint64_t changes) {
    vmsim__stats_settle(lru);
    vmsim__stats_changed(lru, changes);
    if (VMSIM__UNLIKELY(!v->touched)) {
        v->touched = true;
        v->next_touched = lru->flush.touched;
        lru->flush.touched = v;
    }
}
/* Is it one that is seen? */
static inline bool vmsim__stat_is_seen(enum vmsim__node_stat stat) {
    return (stat >= VMSIM__NR_INACTIVE_ANON && stat <= VMSIM__NR_ACTIVE_FILE) ||
           stat == VMSIM__WORKINGSET_ACTIVATE_ANON || stat == VMSIM__WORKINGSET_ACTIVATE_FILE ||
           stat == VMSIM__NR_DIRTY || stat == VMSIM__NR_WRITEBACK;
}

#endif
