/* SPDX-License-Identifier: MIT */
/* /sys/fs/cgroup: a directory for each cgroup that is there, with the files of its memory; and each task's place in it.
 * A machine that nobody made a cgroup on shows none. Kernel counterparts: kernel/cgroup/cgroup.c, mm/memcontrol.c. */
#include <stdio.h>

#include "report/proc.h"

#define FILES 128u /* more than a cgroup has: places in the argument of a renderer */

static void memory_file(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t arg) {
    VMSIM__ASSERT(arg / FILES < m->cgroups.count);
    char line[VMSIM__CGROUP_LINE_MAX];
    const char *name = vmsim__cgroup_file_at(arg % FILES)->name;
    for (unsigned i = 0; vmsim__cgroup_line(m, arg / FILES, name, i, line, sizeof line); i++)
        vmsim__textbuf_printf(out, "%s\n", line);
}

/* The machine's is the root's. */
static void pressure(struct vmsim_machine *m, struct vmsim__textbuf *out, const char *file) {
    char line[VMSIM__CGROUP_LINE_MAX];
    for (unsigned i = 0; vmsim__cgroup_line(m, VMSIM__CGROUP_ROOT, file, i, line, sizeof line); i++)
        vmsim__textbuf_printf(out, "%s\n", line);
}

static void procs(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t cgroup) {
    VMSIM__ASSERT(cgroup < m->cgroups.count);
    for (size_t i = 0; i < m->tasks.count; i++) {
        const struct vmsim__task *t = m->tasks.at[i];
        if (t->cgroup == cgroup && t->id == t->group && t->state != VMSIM__TASK_DEAD)
            vmsim__textbuf_printf(out, "%u\n", t->id + 1);
    }
}

void vmsim__pressure_io(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t arg) {
    (void)arg;
    pressure(m, out, "io.pressure");
}

void vmsim__pressure_memory(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t arg) {
    (void)arg;
    pressure(m, out, "memory.pressure");
}

void vmsim__task_cgroup(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t task) {
    const struct vmsim__cgroup *c = vmsim__cgroup_of(m, m->tasks.at[task]);
    vmsim__textbuf_printf(out, "0::%s%s\n", c->path, c->memcg ? "" : " (deleted)");
}

static bool has_file(const struct vmsim_machine *m, uint32_t cgroup, const struct vmsim__cgroup_file *f) {
    char line[VMSIM__CGROUP_LINE_MAX];
    return (f->root || cgroup != VMSIM__CGROUP_ROOT) && vmsim__cgroup_file_there(m, f->name, f->since) &&
           vmsim__cgroup_line(m, cgroup, f->name, 0, line, sizeof line);
}

static int each_file(struct vmsim_machine *m, uint32_t cgroup, vmsim__proc_visit *visit, void *context) {
    char path[VMSIM__CGROUP_PATH_MAX + 64];
    const struct vmsim__cgroup *c = m->cgroups.at[cgroup];
    const char *directory = cgroup == VMSIM__CGROUP_ROOT ? "" : c->path;
    snprintf(path, sizeof path, "sys/fs/cgroup%s/cgroup.procs", directory);
    int err = visit(context, path, procs, cgroup);
    const struct vmsim__cgroup_file *f;
    for (unsigned i = 0; !err && (f = vmsim__cgroup_file_at(i)) != NULL; i++) {
        VMSIM__ASSERT(i < FILES);
        if (!has_file(m, cgroup, f))
            continue;
        snprintf(path, sizeof path, "sys/fs/cgroup%s/%s", directory, f->name);
        err = visit(context, path, memory_file, cgroup * FILES + i);
    }
    return err;
}

int vmsim__proc_each_cgroup(struct vmsim_machine *m, vmsim__proc_visit *visit, void *context) {
    VMSIM__ASSERT(visit);
    int err = 0;
    for (uint32_t i = 0; !err && m->cgroups.count > 1 && i < m->cgroups.count; i++)
        err = m->cgroups.at[i]->memcg ? each_file(m, i, visit, context) : 0;
    return err;
}
