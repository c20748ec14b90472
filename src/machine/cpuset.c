/* SPDX-License-Identifier: MIT */
/* cpusets of the cgroup tree: what is written, what is in force, and what a change does to tasks (see cpuset.h).
 *
 * A path's cgroup has a higher number than the one above it for ever, so that one pass by number settles the tree. */
#include "machine/cpuset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine/sched.h"

#define WORDS (VMSIM__CPUS_MAX / 64u)

/* ---- masks and lists ---- */

static bool has(const struct vmsim__cpumask *s, unsigned cpu) {
    VMSIM__ASSERT(cpu < VMSIM__CPUS_MAX);
    return s->word[cpu / 64] >> cpu % 64 & 1;
}

/* An empty mask that was written stands for "as above". */
static bool is_empty(const struct vmsim__cpumask *s) {
    uint64_t any = 0;
    for (unsigned i = 0; i < WORDS; i++)
        any |= s->word[i];
    return !any;
}

/* By words: a machine may have 1024 CPUs. */
static struct vmsim__cpumask both(const struct vmsim__cpumask *a, const struct vmsim__cpumask *b) {
    struct vmsim__cpumask out;
    for (unsigned i = 0; i < WORDS; i++)
        out.word[i] = a->word[i] & b->word[i];
    return out;
}

/* "0-3,8" below `limit`; blanks around are Linux's shells' newlines. NULL: it is read; else what is wrong. Kernel:
 * bitmap_parselist, and that a cpuset asks for what there is. */
static const char *read_list(const char *text, unsigned limit, struct vmsim__cpumask *out) {
    VMSIM__ASSERT(text && out && limit <= VMSIM__CPUS_MAX);
    *out = (struct vmsim__cpumask){{0}};
    for (const char *at = text; *at && *at != '\n';) {
        char *end;
        if (*at < '0' || *at > '9')
            return "a list like 0-3,8 is expected";
        const unsigned long first = strtoul(at, &end, 10);
        unsigned long last = first;
        if (*end == '-' && end[1] >= '0' && end[1] <= '9')
            last = strtoul(end + 1, &end, 10);
        if (first > last || (*end && *end != '\n' && (*end != ',' || end[1] < '0' || end[1] > '9')))
            return "a list like 0-3,8 is expected";
        if (last >= limit)
            return "the machine does not have all of these";
        for (unsigned long n = first; n <= last; n++)
            out->word[n / 64] |= UINT64_C(1) << n % 64;
        at = *end == ',' ? end + 1 : end;
    }
    return NULL;
}

/* Kernel: the format %*pbl. */
static void print_list(const struct vmsim__cpumask *s, char *text, size_t size) {
    size_t n = 0;
    *text = 0;
    for (unsigned i = 0; i < VMSIM__CPUS_MAX; i++) {
        if (!has(s, i))
            continue;
        const unsigned first = i;
        while (i + 1 < VMSIM__CPUS_MAX && has(s, i + 1))
            i++;
        const int more = i > first ? snprintf(text + n, size - n, "%s%u-%u", n ? "," : "", first, i)
                                   : snprintf(text + n, size - n, "%s%u", n ? "," : "", first);
        n += (size_t)more;
        VMSIM__ASSERT(n < size); /* VMSIM__CGROUP_LINE_MAX has room for every second of all CPUs */
    }
}

/* ---- what is in force ---- */

static const struct vmsim__cgroup *above(const struct vmsim_machine *m, const struct vmsim__cgroup *c) {
    return c == m->cgroups.at[VMSIM__CGROUP_ROOT] ? NULL : m->cgroups.at[c->parent];
}

/* A cgroup whose nodes have all gone offline, or are not among those above, has those above: a task always has some
 * node. Kernel: guarantee_online_mems, effective_mems. */
static uint64_t mems_in_force(const struct vmsim_machine *m, const struct vmsim__cgroup *c) {
    const struct vmsim__cgroup *up = above(m, c);
    if (!up)
        return vmsim__memory_nodes(m->mem);
    const uint64_t some = c->cpuset.mems & up->cpuset.mems_effective;
    return some ? some : up->cpuset.mems_effective;
}

/* An empty list, or one that nothing is left of, means those above: tasks must be able to run somewhere. Kernel:
 * compute_effective_cpumask. */
static struct vmsim__cpumask cpus_in_force(const struct vmsim_machine *m, const struct vmsim__cgroup *c) {
    const struct vmsim__cgroup *up = above(m, c);
    if (up) {
        const struct vmsim__cpumask some = both(&c->cpuset.cpus, &up->cpuset.cpus_effective);
        return is_empty(&some) ? up->cpuset.cpus_effective : some;
    }
    struct vmsim__cpumask all = {{0}};
    for (unsigned i = 0; i < m->nr_cpus; i++)
        all.word[i / 64] |= UINT64_C(1) << i % 64;
    return all;
}

void vmsim__cpuset_init(struct vmsim_machine *m, struct vmsim__cgroup *c, const struct vmsim__cgroup *parent) {
    (void)parent; /* of no use but to be looked at */
    VMSIM__ASSERT(c && above(m, c) == parent);
    c->cpuset = (struct vmsim__cpuset){0};
    c->cpuset.mems_effective = mems_in_force(m, c);
    c->cpuset.cpus_effective = cpus_in_force(m, c);
    VMSIM__ASSERT(!is_empty(&c->cpuset.cpus_effective));
}

uint64_t vmsim__cpuset_mems(const struct vmsim_machine *m, const struct vmsim__task *t) {
    return vmsim__cgroup_of(m, t)->cpuset.mems_effective;
}

bool vmsim__cpuset_has_cpu(const struct vmsim_machine *m, const struct vmsim__task *t, unsigned cpu) {
    VMSIM__ASSERT(cpu < m->nr_cpus);
    return has(&vmsim__cgroup_of(m, t)->cpuset.cpus_effective, cpu);
}

/* ---- tasks ---- */

/* What allocations ask: nothing where no node with memory is kept out. */
static uint64_t mask_of(const struct vmsim_machine *m, const struct vmsim__cgroup *c) {
    const uint64_t all = vmsim__memory_nodes(m->mem), some = c->cpuset.mems_effective;
    VMSIM__ASSERT(!(some & ~all) || !all);
    return some == all ? 0 : some;
}

/* The running task's are in the present as well; a victim of the OOM killer may take memory anywhere, so that it can
 * end. */
static void set_mems(struct vmsim_machine *m, struct vmsim__task *t) {
    t->mems = mask_of(m, vmsim__cgroup_of(m, t));
    if (m->running == t)
        m->mem->now.mems = t->oom_victim ? 0 : t->mems;
}

/* Off a CPU that is closed: to the next that is open, in a circle, so that tasks of one CPU do not all meet on the
 * first. Who is driven call by call is there at once. Kernel: __set_cpus_allowed_ptr, any of the mask. */
static void leave_cpu(struct vmsim_machine *m, struct vmsim__task *t) {
    unsigned cpu = t->cpu;
    t->to_cpu = 0;
    for (unsigned tries = 0; !vmsim__cpuset_has_cpu(m, t, cpu); tries++) {
        VMSIM__ASSERT(tries < m->nr_cpus);
        cpu = (cpu + 1) % m->nr_cpus;
    }
    if (cpu == t->cpu)
        return;
    if (t->source.run)
        t->to_cpu = (uint16_t)(cpu + 1);
    else
        vmsim_task_migrate(m, t->id, cpu);
}

/* Kernel: mpol_rebind_mm. Areas that become alike stay two. */
static void rebind_space(struct vmsim_machine *m, struct vmsim__mm *mm, uint64_t nodes) {
    VMSIM__ASSERT(mm && nodes);
    for (struct vmsim__vma *v = mm->first; v; v = v->next)
        vmsim__mempolicy_rebind(m->mem, &v->policy, nodes);
}

/* Kernel: cpuset_migrate_mm, whose worker is bound to no node. What is being written stays where it is. */
static void move_pages(struct vmsim_machine *m, const struct vmsim__task *t, uint64_t from, uint64_t to) {
    struct vmsim__now *now = &m->mem->now;
    const uint64_t mems = now->mems;
    const struct vmsim__wait wait = now->wait;
    if (from == to || vmsim__nommu(m->vm))
        return;
    now->mems = 0;
    now->wait = (struct vmsim__wait){0}; /* whoever ran last may wait: the worker does not, for that */
    vmsim__mm_migrate_pages(t->mm, from, to, true, m->running ? m->running->cpu : t->cpu);
    now->mems = mems;
    now->wait = wait;
}

/* A task whose nodes were `from`: its policy and, if it is the first of its process, the memory of that follow. */
static void follow(struct vmsim_machine *m, struct vmsim__task *t, uint64_t from, bool move) {
    const uint64_t nodes = vmsim__cpuset_mems(m, t);
    VMSIM__ASSERT(t->state != VMSIM__TASK_DEAD);
    set_mems(m, t);
    if (from == nodes || !nodes)
        return;
    vmsim__mempolicy_rebind(m->mem, &t->policy.policy, nodes);
    if (t->id != t->group || !t->mm)
        return;
    rebind_space(m, t->mm, nodes);
    if (move)
        move_pages(m, t, from, nodes);
}

/* A task that has not run has no memory to move. */
void vmsim__cpuset_begin(struct vmsim_machine *m, struct vmsim__task *t) {
    set_mems(m, t);
    leave_cpu(m, t);
}

/* `from`: the nodes that were in force where it comes from. */
void vmsim__cpuset_join(struct vmsim_machine *m, struct vmsim__task *t, uint64_t from) {
    follow(m, t, from, true);
    leave_cpu(m, t);
}

/* ---- changes ---- */

/* Settles the tree; tasks of cgroups where something has changed follow. Kernel: update_cpumasks_hier,
 * update_nodemasks_hier. */
static void settle(struct vmsim_machine *m, bool move) {
    for (size_t i = 0; i < m->cgroups.count; i++) {
        struct vmsim__cgroup *c = m->cgroups.at[i];
        VMSIM__ASSERT(!i || c->parent < i);
        if (!c->memcg)
            continue;
        const uint64_t before = c->cpuset.mems_effective;
        c->cpuset.mems_effective = mems_in_force(m, c);
        c->cpuset.cpus_effective = cpus_in_force(m, c);
        for (size_t k = 0; c->tasks && k < m->tasks.count; k++) {
            struct vmsim__task *t = m->tasks.at[k];
            if (t->cgroup != i || t->state == VMSIM__TASK_DEAD)
                continue;
            follow(m, t, before, move);
            leave_cpu(m, t);
        }
    }
}

/* Pages of a node that went are moved by offlining itself. */
void vmsim__cpuset_hotplug(struct vmsim_machine *m) {
    settle(m, false);
}

/* Kernel: cpuset_write_resmask, validate_change. */
int vmsim__cpuset_write(struct vmsim_machine *m, uint32_t cgroup, const char *file, const char *value,
                        const char **why) {
    VMSIM__ASSERT(cgroup && cgroup < m->cgroups.count && file && value && why);
    struct vmsim__cgroup *c = m->cgroups.at[cgroup];
    const bool mems = !strcmp(file, "cpuset.mems");
    struct vmsim__cpumask list;
    *why = read_list(value, mems ? m->mem->nr_nodes : m->nr_cpus, &list);
    if (*why)
        return -VMSIM__L_EINVAL;
    const bool had = mems ? c->cpuset.mems != 0 : !is_empty(&c->cpuset.cpus);
    if (had && is_empty(&list) && (c->tasks || c->children)) {
        *why = "it has tasks or cgroups below: it cannot become empty again";
        return -VMSIM__L_ENOSPC;
    }
    if (mems)
        c->cpuset.mems = list.word[0];
    else
        c->cpuset.cpus = list;
    settle(m, true);
    return 0;
}

bool vmsim__cpuset_line(const struct vmsim_machine *m, uint32_t cgroup, const char *file, char *text, size_t size) {
    VMSIM__ASSERT(cgroup < m->cgroups.count && file && text);
    const struct vmsim__cpuset *s = &m->cgroups.at[cgroup]->cpuset;
    const struct vmsim__cpumask mems = {{s->mems}}, in_force = {{s->mems_effective}};
    const struct {
        const char *name;
        const struct vmsim__cpumask *list;
    } files[] = {{"cpuset.cpus", &s->cpus},
                 {"cpuset.cpus.effective", &s->cpus_effective},
                 {"cpuset.mems", &mems},
                 {"cpuset.mems.effective", &in_force}};
    for (size_t i = 0; i < VMSIM__COUNT(files); i++) {
        if (strcmp(files[i].name, file) != 0)
            continue;
        print_list(files[i].list, text, size);
        return true;
    }
    return false;
}

/* ---- check ---- */

/* A task that is on its way to another CPU counts as there: it leaves as soon as it stands between two pieces of
 * work. */
int vmsim__cpuset_check(struct vmsim_machine *m) {
    for (size_t i = 0; i < m->cgroups.count; i++) {
        const struct vmsim__cgroup *c = m->cgroups.at[i];
        const struct vmsim__cpumask cpus = cpus_in_force(m, c);
        if (c->memcg && (c->cpuset.mems_effective != mems_in_force(m, c) ||
                         memcmp(&cpus, &c->cpuset.cpus_effective, sizeof cpus) != 0))
            return vmsim__err_set(&m->err, VMSIM_ECHECK, "cgroup '%s': its cpuset is not what those above allow",
                                  c->path);
    }
    for (size_t i = 0; i < m->tasks.count; i++) {
        const struct vmsim__task *t = m->tasks.at[i];
        if (t->state == VMSIM__TASK_DEAD)
            continue;
        const unsigned cpu = t->to_cpu ? t->to_cpu - 1u : t->cpu;
        if (t->mems != mask_of(m, vmsim__cgroup_of(m, t)) || !vmsim__cpuset_has_cpu(m, t, cpu))
            return vmsim__err_set(&m->err, VMSIM_ECHECK, "task %u: its CPU or its nodes are not those of its cpuset",
                                  t->id);
    }
    return 0;
}
