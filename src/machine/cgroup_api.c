/* SPDX-License-Identifier: MIT */
/* Control groups as callers of the library see them: mkdir, rmdir, a task that joins, files that are read and written.
 */
#include <stdio.h>
#include <string.h>

#include "machine/calls.h"

/* These are the writes to /sys/fs/cgroup of somebody who is no task: they take no time and charge nobody. */
int64_t vmsim_cgroup_create(struct vmsim_machine *m, const char *path) {
    return m && path ? vmsim__cgroup_mkdir(m, path) : -VMSIM__L_EINVAL;
}

int64_t vmsim_cgroup_remove(struct vmsim_machine *m, const char *path) {
    return m && path ? vmsim__cgroup_rmdir(m, path) : -VMSIM__L_EINVAL;
}

/* Kernel threads stay where they are. */
int64_t vmsim_cgroup_attach(struct vmsim_machine *m, const char *path, uint32_t task) {
    if (!m || !path)
        return -VMSIM__L_EINVAL;
    struct vmsim__task *t = vmsim__task_get(m, task);
    return t && !vmsim__task_is_kthread(t) ? vmsim__cgroup_attach(m, path, t) : -VMSIM__L_ESRCH;
}

/* What reclaim the write has to do stands in the task's limit record while it waits. */
static int64_t write_work(struct vmsim_machine *m, struct vmsim__task *t, void *context) {
    const struct vmsim__cgroup_text *w = context;
    return vmsim__cgroup_write(m, w->path, w->file, w->value, &t->limit);
}

/* The record is copied: the step that it comes from may not outlive a wait. */
int64_t vmsim__cgroup_write_call(struct vmsim_machine *m, struct vmsim__task *t, const struct vmsim__cgroup_text *w) {
    struct vmsim__cgroup_text copy = *w;
    return vmsim__call_with(m, t, write_work, &copy);
}

/* Nobody's write takes no time: what would be waited for is passed over. */
static int64_t write_now(struct vmsim_machine *m, const struct vmsim__cgroup_text *w) {
    struct vmsim__limit l = {0};
    int64_t result = -VMSIM__ERESTARTSYS;
    m->running = NULL;
    vmsim__present_nobody(m);
    while (result == -VMSIM__ERESTARTSYS) {
        result = vmsim__cgroup_write(m, w->path, w->file, w->value, &l);
        m->mem->now.wait = (struct vmsim__wait){0};
    }
    return result;
}

/* With a task it is that task's write, which takes its time and may wait. */
int64_t vmsim_cgroup_write(struct vmsim_machine *m, uint32_t task, const char *path, const char *file,
                           const char *value) {
    if (!m || !path || !file || !value)
        return -VMSIM__L_EINVAL;
    struct vmsim__cgroup_text w = {path, file, value};
    return task == VMSIM_TASK_NONE ? write_now(m, &w) : vmsim__call_with_now(m, task, write_work, &w);
}

/* As snprintf: the length that the text has, whatever fits. A file that is not there has no lines. */
int64_t vmsim_cgroup_read(const struct vmsim_machine *m, const char *path, const char *file, char *text, size_t size) {
    if (!m || !path || !file || (size && !text))
        return -VMSIM__L_EINVAL;
    const uint32_t number = vmsim__cgroup_find(m, path);
    size_t length = 0;
    char line[VMSIM__CGROUP_LINE_MAX];
    if (number == VMSIM__NO_CGROUP)
        return -VMSIM__L_ENOENT;
    for (unsigned i = 0; vmsim__cgroup_line(m, number, file, i, line, sizeof line); i++) {
        const int n = snprintf(size > length ? text + length : NULL, size > length ? size - length : 0, "%s\n", line);
        length += (size_t)n;
    }
    return length ? (int64_t)length : -VMSIM__L_ENOENT;
}
