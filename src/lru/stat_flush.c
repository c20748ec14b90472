/* SPDX-License-Identifier: MIT */
/* Flushing the statistics of cgroups: see lru/stat_flush.h. A lruvec that changed is in one list; a flush adds what it
 * has more than it told before to what is seen of it and of those above, so that its cost is that of what changed. The
 * root's are those of its node. Kernel counterpart: kernel/cgroup/rstat.c, mem_cgroup_css_rstat_flush. */
#include "lru/stat_flush.h"
#include "lru/lru_impl.h"

#define BATCH 65u /* changes of a CPU before it tells: more than MEMCG_CHARGE_BATCH */

static const enum vmsim__node_stat stats[VMSIM__SEEN_STATS] = {
    [VMSIM__SEEN_INACTIVE_ANON] = VMSIM__NR_INACTIVE_ANON,
    [VMSIM__SEEN_ACTIVE_ANON] = VMSIM__NR_ACTIVE_ANON,
    [VMSIM__SEEN_INACTIVE_FILE] = VMSIM__NR_INACTIVE_FILE,
    [VMSIM__SEEN_ACTIVE_FILE] = VMSIM__NR_ACTIVE_FILE,
    [VMSIM__SEEN_ACTIVATE_ANON] = VMSIM__WORKINGSET_ACTIVATE_ANON,
    [VMSIM__SEEN_ACTIVATE_FILE] = VMSIM__WORKINGSET_ACTIVATE_FILE,
    [VMSIM__SEEN_DIRTY] = VMSIM__NR_DIRTY,
    [VMSIM__SEEN_WRITEBACK] = VMSIM__NR_WRITEBACK,
};

static void flush_lruvec(struct vmsim__lru *lru, struct vmsim__lruvec *v) {
    struct vmsim__lruvec *root = &lru->lruvecs[v->node];
    for (unsigned s = 0; s < VMSIM__SEEN_STATS; s++) {
        const int64_t more = v->stat[stats[s]] - v->told[s];
        v->told[s] += more;
        for (struct vmsim__lruvec *up = v; more && up != root; up = vmsim__lruvec_parent(up))
            up->seen[s] += more;
        root->seen[s] = lru->mem->nodes[v->node].stat[stats[s]];
    }
}

static void flush_now(struct vmsim__lru *lru) {
    for (struct vmsim__lruvec *v; (v = lru->flush.touched) != NULL;) {
        VMSIM__ASSERT(v->touched && v->node < lru->mem->nr_nodes);
        flush_lruvec(lru, v);
        lru->flush.touched = v->next_touched;
        v->touched = false;
    }
    lru->flush.changes %= BATCH;
}

void vmsim__stats_flush(struct vmsim__lru *lru) {
    VMSIM__ASSERT(lru->mem->now.time >= lru->flush.due);
    lru->flush.due = (lru->mem->now.time / VMSIM__STAT_FLUSH_NS + 1) * VMSIM__STAT_FLUSH_NS;
    flush_now(lru);
}

/* The kernel counts each CPU's changes by themselves; these are of all CPUs together. */
void vmsim__stats_flush_for_reclaim(struct vmsim__lru *lru) {
    vmsim__stats_settle(lru);
    if (!lru->kernel->reclaim_sees_late && lru->flush.changes >= (uint64_t)BATCH * (lru->cpus + 1))
        flush_now(lru);
}

void vmsim__stats_forget(struct vmsim__memcg *m) {
    vmsim__stats_settle(m->lru); /* no flush comes between, then */
    for (struct vmsim__lruvec **at = &m->lru->flush.touched, *v; (v = *at) != NULL;) {
        if (v->memcg == m) {
            v->touched = false;
            *at = v->next_touched;
            vmsim__stats_touch(m->lru, vmsim__lruvec_parent(v), 0);
        } else {
            at = &v->next_touched;
        }
    }
}
