/* SPDX-License-Identifier: MIT */
/* All files of /proc and /sys in one round (see proc.h), written to a directory or rendered one by one. */
#include <string.h>

#include "report/report_files.h"
#include "report/proc.h"
#include "vmsim/report.h"

/* The one list of what a run directory has of /proc and /sys; who writes it and who looks a single file up come through
 * here, so that neither knows of a file that the other lacks. */
int vmsim__proc_each(struct vmsim_machine *m, vmsim__proc_visit *visit, void *context) {
    static const struct {
        const char *path;
        vmsim__proc_render *render;
    } files[] = {
        {"proc/buddyinfo", vmsim__proc_buddyinfo}, {"proc/cpuinfo", vmsim__proc_cpuinfo},
        {"proc/diskstats", vmsim__proc_diskstats}, {"proc/loadavg", vmsim__proc_loadavg},
        {"proc/meminfo", vmsim__proc_meminfo},     {"proc/pagetypeinfo", vmsim__proc_pagetypeinfo},
        {"proc/stat", vmsim__proc_stat},           {"proc/swaps", vmsim__proc_swaps},
        {"proc/pressure/io", vmsim__pressure_io},  {"proc/pressure/memory", vmsim__pressure_memory},
        {"proc/uptime", vmsim__proc_uptime},       {"proc/version", vmsim__proc_version},
        {"proc/vmstat", vmsim__proc_vmstat},       {"proc/zoneinfo", vmsim__proc_zoneinfo},
    };
    int err = 0;
    for (size_t i = 0; i < VMSIM__COUNT(files) && !err; i++)
        err = visit(context, files[i].path, files[i].render, 0);
    err = err ? err : vmsim__proc_each_sysctl(m, visit, context);
    err = err ? err : vmsim__proc_each_task(m, visit, context);
    err = err ? err : vmsim__proc_each_block(m, visit, context);
    err = err ? err : vmsim__proc_each_cgroup(m, visit, context);
    return err ? err : vmsim__proc_each_sysfs(m, visit, context);
}

struct writer {
    struct vmsim_machine *m;
    struct vmsim__files *files;
    struct vmsim__textbuf text;
};

static int write_file(void *context, const char *path, vmsim__proc_render *render, uint32_t arg) {
    struct writer *w = context;
    vmsim__textbuf_clear(&w->text);
    render(w->m, &w->text, arg);
    if (w->text.failed)
        return vmsim__err_set(w->files->err, VMSIM_ENOMEM, "no memory to render %s", path);
    return vmsim__files_write(w->files, path, vmsim__textbuf_text(&w->text), w->text.count);
}

int vmsim__proc_write(struct vmsim_machine *m, struct vmsim__files *files) {
    struct writer w = {.m = m, .files = files};
    vmsim__textbuf_init(&w.text, m->alloc);
    int err = vmsim__proc_each(m, write_file, &w);
    vmsim__textbuf_fini(&w.text);
    return err;
}

int vmsim_report_proc_tree(struct vmsim_machine *m, const char *directory) {
    if (!m || !directory)
        return VMSIM_EINVAL;
    struct vmsim__files files;
    int err = vmsim__files_open(&files, m->alloc, directory, &m->err);
    err = err ? err : vmsim__proc_write(m, &files);
    vmsim__files_close(&files);
    return err;
}

struct finder {
    struct vmsim_machine *m;
    const char *path;
    struct vmsim__textbuf text;
};

#define FOUND 1

static int render_if_named(void *context, const char *path, vmsim__proc_render *render, uint32_t arg) {
    struct finder *f = context;
    if (strcmp(path, f->path))
        return 0;
    render(f->m, &f->text, arg);
    return FOUND;
}

int vmsim_report_proc_file(struct vmsim_machine *m, const char *path, const char **text, size_t *size) {
    if (!m || !path || !text)
        return VMSIM_EINVAL;
    struct finder f = {.m = m, .path = path};
    *text = NULL;
    vmsim__textbuf_init(&f.text, m->alloc);
    int found = vmsim__proc_each(m, render_if_named, &f);
    if (found == FOUND)
        return vmsim__textbuf_give(&f.text, text, size, &m->err);
    return vmsim__err_set(&m->err, VMSIM_ENOENT, "there is no file %s", path);
}

void vmsim_report_proc_free(struct vmsim_machine *m, const char *text) {
    if (!m)
        return;
    vmsim__text_free(m->alloc, text);
}
