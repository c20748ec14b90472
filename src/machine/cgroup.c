/* SPDX-License-Identifier: MIT */
/* The tree of control groups and who is in it (see cgroup.h): mkdir, rmdir, joining and leaving. */
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "machine/machine.h"

/* ---- the tree ---- */

/* Records stay for ever, and with them their numbers: a task or counter of a cgroup that was removed still knows
 * where it was. */
static struct vmsim__cgroup *at(const struct vmsim_machine *m, uint32_t number) {
    VMSIM__ASSERT(number < m->cgroups.count);
    return m->cgroups.at[number];
}

/* Of dead tasks, too: the one that they were in last. */
struct vmsim__cgroup *vmsim__cgroup_of(const struct vmsim_machine *m, const struct vmsim__task *t) {
    return at(m, t->cgroup);
}

/* Of those that are there now: a record without memcg is one that was removed. */
uint32_t vmsim__cgroup_find(const struct vmsim_machine *m, const char *path) {
    uint32_t number = vmsim__names_find(&m->cgroup_paths, path);
    return number != VMSIM__NO_NAME && at(m, number)->memcg ? number : VMSIM__NO_CGROUP;
}

/* A failure that the caller of the simulated call sees, with what it is about. */
static int refuse(struct vmsim_machine *m, int error, const char *path, const char *why) {
    char text[VMSIM__CGROUP_PATH_MAX];
    vmsim__err_set(&m->err, VMSIM_EINVAL, "cgroup '%s': %s", vmsim__printable(path, text, sizeof text), why);
    return -error;
}

/* The call fails as for lack of simulated memory, and the machine keeps the error. */
static int no_memory(struct vmsim_machine *m) {
    m->host_nomem = true;
    vmsim__host_error(m);
    return -VMSIM__L_ENOMEM;
}

/* NULL: "/a/b" as it should be; else what is wrong with it. */
static const char *path_fault(const char *path) {
    VMSIM__ASSERT(path);
    unsigned depth = 0;
    if (*path != '/' || !path[1])
        return *path == '/' ? "the root is always there" : "a path begins with '/'";
    if (strlen(path) >= VMSIM__CGROUP_PATH_MAX)
        return "the path is longer than 255 bytes";
    for (const char *name = path; *name; depth++) {
        const size_t length = strcspn(++name, "/");
        if (!length || (length == 1 && *name == '.') || (length == 2 && !strncmp(name, "..", 2)))
            return "each part of a path is a name";
        if (!strncmp(name, "memory.", 7) || !strncmp(name, "cgroup.", 7) || !strncmp(name, "cpuset.", 7))
            return "a name that begins with 'memory.', 'cpuset.' or 'cgroup.' is a file's";
        for (size_t i = 0; i < length; i++) {
            if ((unsigned char)name[i] <= ' ' || name[i] == 0x7f)
                return "a name has no blanks or control characters";
        }
        name += length;
    }
    return depth > VMSIM__CGROUP_DEPTH_MAX ? "more than 32 cgroups within each other" : NULL;
}

/* The number of the path's parent; VMSIM__NO_CGROUP. */
static uint32_t parent_of(const struct vmsim_machine *m, const char *path) {
    char text[VMSIM__CGROUP_PATH_MAX];
    const size_t length = (size_t)(strrchr(path, '/') - path);
    VMSIM__ASSERT(length < sizeof text);
    memcpy(text, path, length);
    text[length] = 0;
    return vmsim__cgroup_find(m, length ? text : "/");
}

/* The record of a path, which may have had a cgroup before. NULL: no host memory. One that is made again under the
 * same path goes on with its record: counters by name go on, too. */
static struct vmsim__cgroup *record_of(struct vmsim_machine *m, const char *path) {
    uint32_t number = vmsim__names_find(&m->cgroup_paths, path);
    if (number != VMSIM__NO_NAME)
        return at(m, number);
    struct vmsim__cgroup *c = vmsim__calloc(m->alloc, 1, sizeof *c);
    if (c && vmsim__psi_init(&c->psi, m->alloc, m->nr_cpus, m->mem->now.time) &&
        vmsim__vec_reserve(m->alloc, &m->cgroups, m->cgroups.count + 1)) {
        number = vmsim__names_add(m->alloc, &m->cgroup_paths, path);
        if (number != VMSIM__NO_NAME) {
            VMSIM__ASSERT(number == m->cgroups.count);
            c->path = m->cgroup_paths.at[number].text;
            m->cgroups.at[m->cgroups.count++] = c;
            return c;
        }
    }
    if (c)
        vmsim__psi_fini(&c->psi, m->alloc);
    vmsim__free(m->alloc, c, sizeof *c);
    return NULL;
}

/* Kernel: cgroup_mkdir. Processes are in the leaves alone ("no internal processes"). */
int vmsim__cgroup_mkdir(struct vmsim_machine *m, const char *path) {
    if (vmsim__cgroup_find(m, path) != VMSIM__NO_CGROUP)
        return refuse(m, VMSIM__L_EEXIST, path, "it is there already");
    const char *fault = path_fault(path);
    if (fault)
        return refuse(m, VMSIM__L_EINVAL, path, fault);
    const uint32_t number = parent_of(m, path);
    if (number == VMSIM__NO_CGROUP)
        return refuse(m, VMSIM__L_ENOENT, path, "its parent is not there");
    struct vmsim__cgroup *parent = at(m, number);
    if (parent->tasks && number != VMSIM__CGROUP_ROOT)
        return refuse(m, VMSIM__L_EBUSY, path, "its parent has tasks: only cgroups without children have");
    struct vmsim__cgroup *c = record_of(m, path);
    struct vmsim__memcg *memcg = c ? vmsim__memcg_create(m->lru, parent->memcg) : NULL;
    if (!memcg)
        return no_memory(m);
    c->memcg = memcg;
    vmsim__psi_reset(&c->psi, m->mem->now.time);
    c->parent = number;
    c->children = c->tasks = 0;
    parent->children++;
    vmsim__cpuset_init(m, c, parent);
    return 0;
}

/* Kernel: cgroup_rmdir. What is charged to it stays so; what can no longer be asked for is remembered. */
int vmsim__cgroup_rmdir(struct vmsim_machine *m, const char *path) {
    const uint32_t number = vmsim__cgroup_find(m, path);
    if (number == VMSIM__NO_CGROUP)
        return refuse(m, VMSIM__L_ENOENT, path, "it is not there");
    struct vmsim__cgroup *c = at(m, number);
    if (number == VMSIM__CGROUP_ROOT || c->children || c->tasks)
        return refuse(m, VMSIM__L_EBUSY, path,
                      c->tasks      ? "tasks are in it"
                      : c->children ? "it has children"
                                    : "the root stays");
    VMSIM__ASSERT(at(m, c->parent)->children > 0);
    at(m, c->parent)->children--;
    vmsim__memcg_remove(c->memcg);
    c->memcg = NULL;
    return 0;
}

/* ---- tasks ---- */

/* The address space belongs to the cgroup of whoever began with it. */
static void own_space(struct vmsim_machine *m, const struct vmsim__task *t) {
    struct vmsim__space *s = t->mm ? t->mm->user : NULL;
    if (!s || s->memcg == t->memcg)
        return;
    s->memcg = t->memcg;
    s->joined = ++m->spaces_joined;
}

/* A task's charges from here on; pages that it has stay where they are charged (cgroup v2 moves no charges). */
void vmsim__cgroup_enter(struct vmsim_machine *m, struct vmsim__task *t, uint32_t cgroup) {
    struct vmsim__cgroup *c = at(m, cgroup);
    VMSIM__ASSERT(c->memcg && t->state != VMSIM__TASK_DEAD);
    c->tasks++;
    t->cgroup = cgroup;
    t->memcg = c->memcg->id;
    own_space(m, t);
    vmsim__cpuset_begin(m, t);
}

/* Its last charges are the root's, as those of an exiting task's tables may be: the cgroup may be removed the moment
 * it is empty. */
void vmsim__cgroup_leave(struct vmsim_machine *m, struct vmsim__task *t) {
    struct vmsim__cgroup *c = vmsim__cgroup_of(m, t);
    VMSIM__ASSERT(c->memcg && c->tasks > 0);
    c->tasks--;
    t->memcg = VMSIM__MEMCG_ROOT;
}

/* Pressure is taken from the old one and given to the new one at this time, and what a limit had the task do is
 * void. */
static void move_task(struct vmsim_machine *m, struct vmsim__task *t, uint32_t cgroup) {
    const unsigned flags = t->psi;
    const uint64_t mems = vmsim__cpuset_mems(m, t);
    VMSIM__ASSERT(cgroup < m->cgroups.count);
    vmsim__psi_set(m, t, 0, m->mem->now.time);
    vmsim__cgroup_leave(m, t);
    vmsim__cgroup_enter(m, t, cgroup);
    vmsim__psi_set(m, t, flags, m->mem->now.time);
    t->limit = (struct vmsim__limit){0};
    t->over_high = 0;
    t->high_due = false;
    if (m->running == t)
        m->mem->now.memcg = t->memcg;
    vmsim__cpuset_join(m, t, mems);
}

/* Kernel: cgroup_procs_write: a process moves whole. */
int vmsim__cgroup_attach(struct vmsim_machine *m, const char *path, struct vmsim__task *t) {
    const uint32_t number = vmsim__cgroup_find(m, path);
    if (number == VMSIM__NO_CGROUP)
        return refuse(m, VMSIM__L_ENOENT, path, "it is not there");
    if (number != VMSIM__CGROUP_ROOT && at(m, number)->children)
        return refuse(m, VMSIM__L_EBUSY, path, "it has children: only cgroups without have tasks");
    for (uint32_t id = t->group; id != VMSIM_TASK_NONE;) {
        struct vmsim__task *o = vmsim__task_at(m, id);
        id = o->next_thread;
        if (o->state != VMSIM__TASK_DEAD)
            move_task(m, o, number);
    }
    return 0;
}

/* ---- life ---- */

/* The root has the memcg that the LRU has from the start; machines without other cgroups never come here again. */
int vmsim__cgroup_init(struct vmsim_machine *m) {
    struct vmsim__cgroup *root = record_of(m, "/");
    if (!root)
        return VMSIM_ENOMEM;
    root->memcg = vmsim__memcg_root(m->lru);
    vmsim__cpuset_init(m, root, NULL);
    vmsim__lru_set_charge(m->lru, vmsim__limit_charge, m);
    return 0;
}

/* Their memcgs are the LRU's. */
void vmsim__cgroup_fini(struct vmsim_machine *m) {
    for (size_t i = 0; i < m->cgroups.count; i++) {
        vmsim__psi_fini(&m->cgroups.at[i]->psi, m->alloc);
        vmsim__free(m->alloc, m->cgroups.at[i], sizeof *m->cgroups.at[i]);
    }
    vmsim__vec_fini(m->alloc, &m->cgroups);
    vmsim__names_fini(m->alloc, &m->cgroup_paths);
}

/* Tasks are counted anew, and pay where they are; a cgroup that was removed has neither tasks nor children. */
static int check_one(struct vmsim_machine *m, uint32_t number) {
    VMSIM__ASSERT(number < m->cgroups.count);
    const struct vmsim__cgroup *c = at(m, number);
    uint32_t tasks = 0, children = 0;
    for (size_t i = 0; i < m->tasks.count; i++) {
        const struct vmsim__task *t = m->tasks.at[i];
        if (t->cgroup != number || t->state == VMSIM__TASK_DEAD)
            continue;
        tasks++;
        if (!c->memcg || t->memcg != c->memcg->id)
            return vmsim__err_set(&m->err, VMSIM_ECHECK, "task %u pays in memory cgroup %u, not in that of '%s'", t->id,
                                  t->memcg, c->path);
    }
    for (size_t i = 0; i < m->cgroups.count; i++)
        children += i != VMSIM__CGROUP_ROOT && m->cgroups.at[i]->memcg && m->cgroups.at[i]->parent == number;
    if (!c->memcg)
        return 0;
    if (!c->memcg->online || tasks != c->tasks || children != c->children)
        return vmsim__err_set(&m->err, VMSIM_ECHECK, "cgroup '%s': %u tasks and %u children, %u and %u counted",
                              c->path, tasks, children, c->tasks, c->children);
    return 0;
}

/* Slots know who pays: their sum by cgroup is memory.swap.current. */
static int check_swap(struct vmsim_machine *m) {
    const size_t ids = vmsim__memcg_ids(m->lru);
    uint64_t *slots = m->swap ? vmsim__calloc(m->alloc, ids, sizeof *slots) : NULL;
    if (!slots)
        return m->swap ? vmsim__err_set(&m->err, VMSIM_ENOMEM, "no memory for a check of cgroups") : 0;
    vmsim__swap_count_memcgs(m->swap, slots);
    int err = vmsim__memcg_check_swap(m->lru, slots, &m->err);
    vmsim__free(m->alloc, slots, ids * sizeof *slots);
    return err;
}

/* Sums are taken anew from slots and tasks: a charge that was moved twice or not at all shows here. */
int vmsim__cgroup_check(struct vmsim_machine *m) {
    int err = vmsim__psi_check(m);
    err = err ? err : check_swap(m);
    err = err ? err : vmsim__cpuset_check(m);
    for (uint32_t i = 0; !err && i < m->cgroups.count; i++)
        err = check_one(m, i);
    return err;
}
