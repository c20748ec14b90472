/* SPDX-License-Identifier: MIT */
/* The OOM killer: who dies when nothing can be reclaimed any more.
 *
 * Candidates are the processes (thread groups), in the order of the list of tasks; the machine's OOM policy chooses one
 * (oom/oom.h; Linux's is "badness"), and with it all go that share its address space. It dies by an event, since the
 * one that asks is in the middle of an allocation; until then nobody else is chosen. Kernel counterpart:
 * mm/oom_kill.c. */
#include <string.h>

#include "base/linux_errno.h"
#include "machine/sched.h"

struct vmsim_oom_candidate vmsim__oom_candidate(const struct vmsim_machine *m, const struct vmsim__task *t) {
    const struct vmsim__mm *mm = t->mm;
    return (struct vmsim_oom_candidate){.size = sizeof(struct vmsim_oom_candidate),
                                        .task = t->id,
                                        .adj = t->oom_score_adj,
                                        .rss_anon = vmsim__mm_counter(mm, VMSIM__RSS_ANON),
                                        .rss_file = vmsim__mm_counter(mm, VMSIM__RSS_FILE),
                                        .rss_shmem = vmsim__mm_counter(mm, VMSIM__RSS_SHMEM),
                                        .swap = vmsim__mm_counter(mm, VMSIM__RSS_SWAP),
                                        .page_tables = mm->pgtables_bytes >> m->mem->page_shift,
                                        .started = t->start_ns,
                                        .allocating = m->running && m->running->mm == mm};
}

uint64_t vmsim__oom_total_pages(const struct vmsim_machine *m) {
    return m->mem->totalram + vmsim__lru_swap_slots(m->lru);
}

/* Is it a task of this cgroup (NULL: any) or below? */
static bool within(const struct vmsim_machine *m, const struct vmsim__task *t, const struct vmsim__memcg *root) {
    return !root || vmsim__memcg_below(vmsim__memcg_by_id(m->lru, t->memcg), root);
}

/* Whose death would help: tasks of a cgroup (NULL: of all), with memory on some of the nodes. */
struct domain {
    const struct vmsim__memcg *root;
    uint64_t nodes; /* of a memory policy; 0: none */
    uint64_t mems;  /* of a cpuset; 0: none */
};

/* A process all of whose threads are bound to other nodes, or kept there by their cpusets, has nothing here. Kernel:
 * oom_cpuset_eligible, mempolicy_in_oom_domain. */
static bool eligible(const struct vmsim_machine *m, const struct vmsim__task *t, const struct domain *d) {
    if (!within(m, t, d->root))
        return false;
    for (uint32_t id = t->group; id != VMSIM_TASK_NONE; id = vmsim__task_at(m, id)->next_thread) {
        const struct vmsim__task *one = vmsim__task_at(m, id);
        const struct vmsim__mempolicy *p = &one->policy.policy;
        const bool elsewhere = d->nodes  ? p->mode == VMSIM__MPOL_BIND && !(p->nodes & d->nodes)
                               : d->mems ? one->mems && !(one->mems & d->mems)
                                         : false;
        if (!elsewhere)
            return true;
    }
    return false;
}

static bool one_is_dying(const struct vmsim_machine *m, const struct domain *d) {
    for (size_t i = 0; i < m->tasks.count; i++) {
        if (m->tasks.at[i]->oom_victim && m->tasks.at[i]->mm && eligible(m, m->tasks.at[i], d))
            return true;
    }
    return false;
}

static void kill_soon(struct vmsim_machine *m, struct vmsim__task *victim) {
    victim->oom_victim = true;
    vmsim__event_at(m, m->mem->now.time, VMSIM__EVENT_KILL, victim->id); /* no host memory: the machine's error */
}

/* An event of the victim, at the time of who found no memory. */
static void tell_kill(const struct vmsim_machine *m, const struct vmsim__task *victim) {
    const struct vmsim__watch *w = &m->mem->now.watch;
    const int64_t *rss = victim->mm ? victim->mm->rss : NULL;
    const uint64_t pages = rss ? (uint64_t)(rss[VMSIM__RSS_FILE] + rss[VMSIM__RSS_ANON] + rss[VMSIM__RSS_SHMEM]) : 0;
    const struct vmsim_event e = {VMSIM_EVENT_KILL,      victim->id, w->cpu, m->mem->now.time, 0, "out of memory",
                                  {pages, w->task, 0, 0}};
    w->tell(w->context, &e);
}

/* Kernel: __oom_kill_process. */
static void kill_process(struct vmsim_machine *m, struct vmsim__task *victim) {
    VMSIM__ASSERT(victim->state != VMSIM__TASK_DEAD);
    m->mem->event[VMSIM__OOM_KILL]++;
    if (vmsim__watched(&m->mem->now.watch, VMSIM_EVENT_KILL))
        tell_kill(m, victim);
    vmsim__memcg_memory_event(vmsim__memcg_by_id(m->lru, victim->memcg), VMSIM__MEMCG_OOM_KILL);
    if (!victim->oom_victim)
        kill_soon(m, victim);
}

/* The highest cgroup from the victim up to where memory is out whose tasks die together; NULL: none. Kernel:
 * mem_cgroup_get_oom_group. */
static struct vmsim__memcg *oom_group(struct vmsim_machine *m, const struct vmsim__task *victim,
                                      const struct vmsim__memcg *root) {
    struct vmsim__memcg *group = NULL;
    for (struct vmsim__memcg *c = vmsim__memcg_by_id(m->lru, victim->memcg); c && c->parent; c = c->parent) {
        group = c->oom_group ? c : group;
        if (c == root)
            break;
    }
    return group;
}

/* Kernel: oom_kill_process: of a group the victim is killed, and counted, twice. */
static void kill(struct vmsim_machine *m, struct vmsim__task *victim, const struct vmsim__memcg *root) {
    VMSIM__ASSERT(victim->state != VMSIM__TASK_DEAD);
    struct vmsim__memcg *group = oom_group(m, victim, root);
    kill_process(m, victim);
    if (!group)
        return;
    vmsim__memcg_memory_event(group, VMSIM__MEMCG_OOM_GROUP_KILL);
    for (size_t i = 0; i < m->tasks.count; i++) {
        struct vmsim__task *t = m->tasks.at[i];
        if (t->id == t->group && t->mm && t->oom_score_adj != -1000 && within(m, t, group))
            kill_process(m, t);
    }
}

/* Nothing runs any more after a panic. */
static void panic(struct vmsim_machine *m) {
    m->panicked = true;
    for (size_t i = 0; i < m->tasks.count; i++) {
        if (m->tasks.at[i]->mm)
            kill_soon(m, m->tasks.at[i]);
    }
}

/* Whoever asks for memory that others have to give back for, as swapoff does, is not worth a program. Kernel:
 * oom_task_origin, in oom_evaluate_task. */
static int32_t origin(const struct vmsim_machine *m, const struct vmsim_oom_request *ask) {
    for (uint32_t i = 0; i < ask->count; i++) {
        if (vmsim__task_at(m, ask->candidate[i]->task)->oom_origin)
            return (int32_t)i;
    }
    return VMSIM__OOM_NOBODY;
}

/* The policy's choice among the tasks of the domain for the question `ask`; VMSIM__OOM_NOBODY also when the
 * host has no memory for it. */
static int32_t choose(struct vmsim_machine *m, struct vmsim_oom_request ask, const struct domain *d,
                      struct vmsim__task **victim) {
    VMSIM__ASSERT(victim);
    const size_t room = m->tasks.count, each = sizeof(struct vmsim_oom_candidate);
    struct vmsim_oom_candidate *all = vmsim__calloc(m->alloc, room, each);
    const struct vmsim_oom_candidate **list = vmsim__calloc(m->alloc, room, sizeof *list);
    int32_t chosen = VMSIM__OOM_NOBODY;
    m->host_nomem |= !all || !list; /* a run that would otherwise go on with another victim */
    ask.size = sizeof ask;
    ask.now = m->mem->now.time;
    ask.candidate = list;
    for (size_t i = 0; all && list && i < room; i++) {
        const struct vmsim__task *t = m->tasks.at[i];
        if (t->id != t->group || !t->mm || !eligible(m, t, d))
            continue;
        all[ask.count] = vmsim__oom_candidate(m, t);
        list[ask.count] = &all[ask.count];
        ask.count++;
    }
    if (vmsim__vm_knobs(m->vm)->oom_kill_allocating_task && ask.constraint != VMSIM_OOM_MEMCG)
        chosen = vmsim__oom_allocating(&ask);
    if (chosen == VMSIM__OOM_NOBODY)
        chosen = origin(m, &ask);
    if (chosen == VMSIM__OOM_NOBODY)
        chosen = vmsim__oom_choose(&m->oom, &ask);
    *victim = chosen >= 0 ? vmsim__task_at(m, all[chosen].task) : NULL;
    vmsim__free(m->alloc, list, room * sizeof *list);
    vmsim__free(m->alloc, all, room * each);
    return chosen;
}

/* Kernel: check_panic_on_oom, before anybody is looked for. */
static bool panics_on_oom(const struct vmsim_machine *m, enum vmsim_oom_constraint constraint) {
    const uint64_t mode = vmsim__vm_knobs(m->vm)->panic_on_oom;
    VMSIM__ASSERT(mode <= 2);
    return mode == 2 || (mode && constraint == VMSIM_OOM_GLOBAL);
}

/* Tasks wait for memory that no death can bring ("System is deadlocked on memory"). At a limit of a cgroup the charge
 * fails instead. */
static bool deadlocked(const struct vmsim_machine *m, int32_t chosen, enum vmsim_oom_constraint constraint) {
    return chosen == VMSIM__OOM_NOBODY && constraint != VMSIM_OOM_MEMCG && m->running && m->running->mm &&
           !m->host_nomem;
}

/* While one is dying nobody else is chosen, as its memory is about to come back. Kernel: out_of_memory. */
static bool out_of_memory(struct vmsim_machine *m, struct vmsim_oom_request ask, const struct domain *d) {
    const enum vmsim_oom_constraint constraint = (enum vmsim_oom_constraint)ask.constraint;
    struct vmsim__task *victim;
    if (panics_on_oom(m, constraint)) {
        panic(m);
        return true;
    }
    if (one_is_dying(m, d))
        return true;
    int32_t chosen = choose(m, ask, d, &victim);
    if (chosen == VMSIM_OOM_PANIC || deadlocked(m, chosen, constraint)) {
        panic(m);
        return true;
    }
    if (victim)
        kill(m, victim, d->root);
    return victim != NULL;
}

/* What bounds the memory that is out, and the pages that a task's are weighed against: those of the nodes, unless they
 * are all. Kernel: constrained_alloc. */
static enum vmsim_oom_constraint constrained(const struct vmsim_machine *m, const struct vmsim__alloc_request *rq,
                                             uint64_t *total) {
    const uint64_t all = vmsim__memory_nodes(m->mem), mems = m->mem->now.mems;
    const bool policy = rq->nodemask && (all & ~*rq->nodemask);
    const bool cpuset = mems && (rq->gfp & VMSIM__GFP_HARDWALL) && (all & ~mems);
    *total = vmsim__oom_total_pages(m);
    if ((rq->gfp & VMSIM__GFP_THISNODE) || !(policy || cpuset))
        return VMSIM_OOM_GLOBAL;
    const uint64_t nodes = policy ? *rq->nodemask : mems;
    *total = vmsim__lru_swap_slots(m->lru);
    for (unsigned z = 0; z < m->mem->nr_zones; z++)
        *total += nodes >> m->mem->zones[z].node & 1 ? m->mem->zones[z].present : 0;
    return policy ? VMSIM_OOM_MEMPOLICY : VMSIM_OOM_CPUSET;
}

bool vmsim__out_of_memory(struct vmsim_machine *m, const struct vmsim__alloc_request *rq) {
    struct vmsim_oom_request ask = {.order = rq->order, .node = rq->node};
    ask.constraint = (uint8_t)constrained(m, rq, &ask.total_pages);
    return out_of_memory(m, ask, &(struct domain){NULL, rq->nodemask ? *rq->nodemask : 0, m->mem->now.mems});
}

/* What a task of the cgroup is weighed against. Kernel: mem_cgroup_get_max. */
static uint64_t most_pages(const struct vmsim_machine *m, const struct vmsim__memcg *c) {
    const uint64_t swap = m->vmscan.swappiness ? vmsim__min64(c->swap.max, vmsim__lru_swap_slots(m->lru)) : 0;
    return vmsim__max64(c->memory.max + swap, 1);
}

/* Room that has come since is enough. */
bool vmsim__memcg_out_of_memory(struct vmsim_machine *m, struct vmsim__memcg *over, unsigned order) {
    VMSIM__ASSERT(over);
    const struct vmsim__page_counter *c = &over->memory;
    if (c->usage + (UINT64_C(1) << order) <= c->max)
        return true;
    return out_of_memory(m,
                         (struct vmsim_oom_request){.constraint = VMSIM_OOM_MEMCG,
                                                    .order = (uint8_t)order,
                                                    .cgroup = over->id,
                                                    .total_pages = most_pages(m, over)},
                         &(struct domain){over, 0, 0});
}

/* The signal arrives at its own time: the CPU of the victim may have been idle until then, or be behind. */
void vmsim__oom_event(struct vmsim_machine *m, uint32_t task, uint64_t time) {
    struct vmsim__task *t = vmsim__task_at(m, task);
    VMSIM__ASSERT(t);
    if (t->state == VMSIM__TASK_DEAD)
        return;
    if (m->cpus[t->cpu].place == VMSIM__NO_PLACE)
        vmsim__cpu_idle_until(m, t->cpu, time);
    if (t->oom_victim)
        vmsim__task_signal(m, t, VMSIM_STOP_OOM);
    else /* SIGKILL from another process */
        vmsim__task_kill_group(m, t, VMSIM_STOP_NONE, -9);
}

int64_t vmsim__task_kill_called(struct vmsim_machine *m, const char *name, uint64_t time) {
    const size_t length = strlen(name);
    int64_t result = -VMSIM__L_ESRCH;
    VMSIM__ASSERT(length);
    for (size_t i = 0; i < m->tasks.count; i++) {
        const struct vmsim__task *t = m->tasks.at[i];
        if (!t->mm || t->id != t->group || strncmp(t->name, name, length) != 0 ||
            (t->name[length] && t->name[length] != '#'))
            continue;
        if (vmsim__event_at(m, time, VMSIM__EVENT_KILL, t->id))
            return 1;
        result = 0;
    }
    return result;
}

/* Kernel: __set_oom_adj. */
void vmsim__task_set_oom_score_adj(struct vmsim_machine *m, struct vmsim__task *t, int64_t value) {
    VMSIM__ASSERT(value >= -1000 && value <= 1000);
    for (uint32_t id = t->group; id != VMSIM_TASK_NONE; id = vmsim__task_at(m, id)->next_thread)
        vmsim__task_at(m, id)->oom_score_adj = (int16_t)value;
}
