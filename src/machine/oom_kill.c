/* SPDX-License-Identifier: MIT */
/* The OOM killer: who dies when nothing can be reclaimed any more.
 *
 *     points = rss + swap entries + page tables, in pages, + oom_score_adj * (all pages / 1000)
 *
 * The process with the most points goes, of equal ones the last in the list of tasks; with it all that share its
 * address space. It dies by an event, since the one that asks is in the middle of an allocation; until then nobody else
 * is chosen. Kernel counterpart: mm/oom_kill.c. */
#include "machine/sched.h"

static bool unkillable(const struct vmsim__task *t) {
    return !t->mm || t->oom_score_adj == -1000;
}

int64_t vmsim__oom_badness_of(const struct vmsim_machine *m, const struct vmsim__task *t) {
    const struct vmsim__mm *mm = t->mm;
    VMSIM__ASSERT(mm);
    uint64_t pages = mm->pgtables_bytes >> m->mem->page_shift;
    for (unsigned kind = 0; kind < VMSIM__RSS_KINDS; kind++)
        pages += vmsim__mm_rss(mm, (enum vmsim__rss_kind)kind);
    const uint64_t total = m->mem->totalram + vmsim__lru_swap_slots(m->lru);
    return (int64_t)pages + t->oom_score_adj * (int64_t)(total / 1000);
}

/* Thread groups are judged once. */
static struct vmsim__task *choose(struct vmsim_machine *m) {
    struct vmsim__task *worst = NULL;
    int64_t most = INT64_MIN;
    for (size_t i = 0; i < m->tasks.count; i++) {
        struct vmsim__task *t = m->tasks.at[i];
        if (t->id != t->group || unkillable(t))
            continue;
        int64_t points = vmsim__oom_badness_of(m, t);
        if (points < most)
            continue;
        most = points;
        worst = t;
    }
    return worst;
}

static bool one_is_dying(const struct vmsim_machine *m) {
    for (size_t i = 0; i < m->tasks.count; i++) {
        if (m->tasks.at[i]->oom_victim && m->tasks.at[i]->mm)
            return true;
    }
    return false;
}

bool vmsim__out_of_memory(struct vmsim_machine *m, const struct vmsim__alloc_request *rq) {
    (void)rq;
    if (one_is_dying(m))
        return true;
    struct vmsim__task *victim = choose(m);
    if (!victim)
        return false;
    victim->oom_victim = true;
    m->mem->event[VMSIM__OOM_KILL]++;
    m->oom_kills++;
    vmsim__event_at(m, m->mem->now.time, VMSIM__EVENT_KILL, victim->id); /* no host memory: the machine's error */
    return true;
}

void vmsim__oom_event(struct vmsim_machine *m, uint32_t task, uint64_t time) {
    struct vmsim__task *t = vmsim__task_at(m, task);
    if (t->state == VMSIM__TASK_DEAD)
        return;
    if (m->cpus[t->cpu].place == VMSIM__NO_PLACE)
        vmsim__cpu_idle_until(m, t->cpu, time);
    vmsim__task_signal(m, t, VMSIM_STOP_OOM);
}
