/* SPDX-License-Identifier: MIT */
/* The OOM killer: who dies when nothing can be reclaimed any more.
 *
 * Candidates are the processes (thread groups), in the order of the list of tasks; the machine's OOM policy chooses one
 * (oom/oom.h; Linux's is "badness"), and with it all go that share its address space. It dies by an event, since the
 * one that asks is in the middle of an allocation; until then nobody else is chosen. Kernel counterpart:
 * mm/oom_kill.c. */
#include "machine/sched.h"

struct vmsim_oom_candidate vmsim__oom_candidate(const struct vmsim_machine *m, const struct vmsim__task *t) {
    const struct vmsim__mm *mm = t->mm;
    return (struct vmsim_oom_candidate){.size = sizeof(struct vmsim_oom_candidate),
                                        .task = t->id,
                                        .adj = t->oom_score_adj,
                                        .rss_anon = vmsim__mm_rss(mm, VMSIM__RSS_ANON),
                                        .rss_file = vmsim__mm_rss(mm, VMSIM__RSS_FILE),
                                        .rss_shmem = vmsim__mm_rss(mm, VMSIM__RSS_SHMEM),
                                        .swap = vmsim__mm_rss(mm, VMSIM__RSS_SWAP),
                                        .page_tables = mm->pgtables_bytes >> m->mem->page_shift,
                                        .started = t->start_ns,
                                        .allocating = m->running && m->running->mm == mm};
}

uint64_t vmsim__oom_total_pages(const struct vmsim_machine *m) {
    return m->mem->totalram + vmsim__lru_swap_slots(m->lru);
}

static bool one_is_dying(const struct vmsim_machine *m) {
    for (size_t i = 0; i < m->tasks.count; i++) {
        if (m->tasks.at[i]->oom_victim && m->tasks.at[i]->mm)
            return true;
    }
    return false;
}

static void kill_soon(struct vmsim_machine *m, struct vmsim__task *victim) {
    victim->oom_victim = true;
    vmsim__event_at(m, m->mem->now.time, VMSIM__EVENT_KILL, victim->id); /* no host memory: the machine's error */
}

/* Nothing runs any more after a panic. */
static void panic(struct vmsim_machine *m) {
    m->panicked = true;
    for (size_t i = 0; i < m->tasks.count; i++) {
        if (m->tasks.at[i]->mm)
            kill_soon(m, m->tasks.at[i]);
    }
}

/* The policy's choice; VMSIM__OOM_NOBODY also when the host has no memory for the question. */
static int32_t choose(struct vmsim_machine *m, const struct vmsim__alloc_request *rq, struct vmsim__task **victim) {
    const size_t room = m->tasks.count, each = sizeof(struct vmsim_oom_candidate);
    struct vmsim_oom_candidate *all = vmsim__calloc(m->alloc, room, each);
    const struct vmsim_oom_candidate **list = vmsim__calloc(m->alloc, room, sizeof *list);
    int32_t chosen = VMSIM__OOM_NOBODY;
    struct vmsim_oom_request ask = {.size = sizeof ask,
                                    .constraint = rq->nodemask ? VMSIM_OOM_MEMPOLICY : VMSIM_OOM_GLOBAL,
                                    .order = rq->order,
                                    .node = rq->node,
                                    .total_pages = vmsim__oom_total_pages(m),
                                    .now = m->mem->now.time,
                                    .candidate = list};
    for (size_t i = 0; all && list && i < room; i++) {
        const struct vmsim__task *t = m->tasks.at[i];
        if (t->id != t->group || !t->mm)
            continue;
        all[ask.count] = vmsim__oom_candidate(m, t);
        list[ask.count] = &all[ask.count];
        ask.count++;
    }
    if (vmsim__vm_knobs(m->vm)->oom_kill_allocating_task)
        chosen = vmsim__oom_allocating(&ask);
    if (chosen == VMSIM__OOM_NOBODY)
        chosen = vmsim__oom_choose(&m->oom, &ask);
    *victim = chosen >= 0 ? vmsim__task_at(m, all[chosen].task) : NULL;
    vmsim__free(m->alloc, list, room * sizeof *list);
    vmsim__free(m->alloc, all, room * each);
    return chosen;
}

bool vmsim__out_of_memory(struct vmsim_machine *m, const struct vmsim__alloc_request *rq) {
    struct vmsim__task *victim;
    if (one_is_dying(m))
        return true;
    int32_t chosen = choose(m, rq, &victim);
    if (chosen == VMSIM_OOM_PANIC) {
        panic(m);
        return true;
    }
    if (!victim)
        return false;
    m->mem->event[VMSIM__OOM_KILL]++;
    kill_soon(m, victim);
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
