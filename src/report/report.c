/* SPDX-License-Identifier: MIT */
/* The run directory, made beside its place and put there whole (see vmsim/report.h).
 *
 *     DIR.part/...  --all written-->  rename to DIR              (nothing was there, or an empty directory)
 *                                     exchange with DIR, then the old one goes   (an earlier run)
 *
 * manifest.json is written last and names every other file: it is what marks a directory as a run of vmsim. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"
#include "report/report_files.h"
#include "report/run_place.h"
#include "report/sections.h"
#include "vmsim/report.h"

typedef void render_fn(struct vmsim_scenario *s, struct vmsim__textbuf *out, bool places);

static render_fn *renderer(enum vmsim_report_kind kind) {
    switch (kind) {
    case VMSIM_REPORT_SUMMARY:
        return vmsim__report_summary;
    case VMSIM_REPORT_STATS:
        return vmsim__report_stats;
    case VMSIM_REPORT_INTERVALS:
        return vmsim__report_intervals;
    case VMSIM_REPORT_EXPECTATIONS:
        return vmsim__report_expectations;
    default:
        return NULL;
    }
}

int vmsim_report_render(struct vmsim_scenario *s, enum vmsim_report_kind kind, const char **text, size_t *size) {
    if (!s || !text)
        return VMSIM_EINVAL;
    render_fn *render = renderer(kind);
    struct vmsim__textbuf out;
    *text = NULL;
    if (!render)
        return vmsim__err_set(&s->err, VMSIM_EINVAL, "there is no report of kind %d", (int)kind);
    vmsim__textbuf_init(&out, s->alloc);
    render(s, &out, true);
    return vmsim__textbuf_give(&out, text, size, &s->err);
}

int vmsim_report_text(struct vmsim_scenario *s, const char **text, size_t *size) {
    if (!s || !text)
        return VMSIM_EINVAL;
    return vmsim_report_render(s, VMSIM_REPORT_SUMMARY, text, size);
}

void vmsim_report_free(struct vmsim_scenario *s, const char *text) {
    if (!s)
        return;
    vmsim__text_free(s->alloc, text);
}

const char *vmsim_report_directory(const struct vmsim_scenario *s) {
    if (!s)
        return NULL;
    return s->spec->report.directory;
}

const char *vmsim_report_error(const struct vmsim_scenario *s) {
    if (!s)
        return "";
    return vmsim__err_text(&s->err);
}

/* ---- the files of a run ---- */

static int write_rendered(struct vmsim_scenario *s, struct vmsim__files *files, const char *path, render_fn *render) {
    VMSIM__ASSERT(path && render);
    struct vmsim__textbuf out;
    vmsim__textbuf_init(&out, s->alloc);
    render(s, &out, false);
    int err = out.failed ? vmsim__err_set(&s->err, VMSIM_ENOMEM, "no memory to render %s", path)
                         : vmsim__files_write(files, path, vmsim__textbuf_text(&out), out.count);
    vmsim__textbuf_fini(&out);
    return err;
}

static int write_intervals(struct vmsim_scenario *s, struct vmsim__files *files) {
    struct vmsim__file_pieces pieces;
    struct vmsim__textbuf out;
    vmsim__textbuf_init(&out, s->alloc);
    int err = vmsim__pieces_begin(&pieces, files, "intervals.csv");
    err = err ? err : vmsim__report_rows(s, &out, vmsim__pieces_put, &pieces);
    pieces.error = err;
    vmsim__textbuf_fini(&out);
    return vmsim__pieces_end(&pieces);
}

/* Of a run without intervals there are none. */
static int write_maps(struct vmsim_scenario *s, struct vmsim__files *files) {
    const int err = s->blocks.cells ? write_rendered(s, files, "pageblocks.json", vmsim__report_blocks) : 0;
    return !err && s->faults.rows ? write_rendered(s, files, "faults.json", vmsim__report_faults) : err;
}

/* Without origins and with portable names: else it would tell of files of this host. */
static int write_configuration(struct vmsim_scenario *s, struct vmsim__files *files) {
    const char *text;
    size_t size;
    int err = vmsim_config_dump(s->config, VMSIM_CONFIG_DUMP_PORTABLE, &text, &size);
    if (err)
        return vmsim__err_set(&s->err, err, "the resolved configuration cannot be printed");
    return vmsim__files_write(files, "resolved.yaml", text, size);
}

static void emit_file(struct vmsim__emitter *e, const char *path, uint64_t size, uint64_t hash) {
    VMSIM__ASSERT(path);
    char digits[24];
    snprintf(digits, sizeof digits, "%016llx", (unsigned long long)hash);
    vmsim__emit_object(e, NULL);
    vmsim__emit_string(e, "path", path);
    vmsim__emit_uint(e, "size", size, VMSIM__UNIT_BYTES);
    vmsim__emit_string(e, "xxh64", digits);
    vmsim__emit_object_end(e);
}

/* The plugins that were loaded, by the last part of their names, each once: policies of one follow each other. */
static int emit_plugins(struct vmsim_scenario *s, struct vmsim__emitter *e) {
    struct vmsim__policy_use use;
    const char *last = "";
    int err = 0;
    for (size_t i = 0; !err && vmsim__policy_use_at(s->machine->policies, i, &use); i++) {
        uint64_t size, hash;
        const char *name = strrchr(use.origin, '/');
        if (!name || !strcmp(use.origin, last))
            continue;
        last = use.origin;
        if ((err = vmsim__file_hash(last, &size, &hash)) != 0)
            return vmsim__err_set(&s->err, err, "cannot read the plugin %s again: %s", last, vmsim_error_text(err));
        emit_file(e, name + 1, size, hash);
    }
    return err;
}

/* Traces, named as resolved.yaml names them, and plugins. The YAML files are not listed: resolved.yaml is what they
 * came to. */
static int emit_inputs(struct vmsim_scenario *s, struct vmsim__emitter *e) {
    const struct vmsim__task_decl *tasks = s->spec->workload.tasks.data;
    int err = 0;
    vmsim__emit_array(e, "inputs");
    for (size_t i = 0; i < s->spec->workload.tasks.count && !err; i++) {
        uint64_t size, hash;
        char key[64];
        if (!tasks[i].trace)
            continue;
        snprintf(key, sizeof key, "workload.tasks[%zu].trace", i);
        const char *path = vmsim__config_find(s->config, key, tasks[i].trace);
        if (!path)
            err = vmsim__err_set(&s->err, VMSIM_ENOMEM, "no memory for the list of inputs");
        else if ((err = vmsim__file_hash(path, &size, &hash)) != 0)
            err = vmsim__err_set(&s->err, err, "cannot read the trace %s again: %s", path, vmsim_error_text(err));
        else
            emit_file(e, vmsim__config_portable(s->config, key, tasks[i].trace), size, hash);
    }
    err = err ? err : emit_plugins(s, e);
    vmsim__emit_array_end(e);
    return err;
}

/* Last of all files, for it names the others and its presence says that they are complete. */
static int write_manifest(struct vmsim_scenario *s, struct vmsim__files *files) {
    struct vmsim__emitter e;
    struct vmsim__textbuf out;
    vmsim__textbuf_init(&out, s->alloc);
    vmsim__emitter_json(&e, &out);
    vmsim__emit_object(&e, NULL);
    vmsim__emit_string(&e, "vmsim_run", "1.0");
    vmsim__emit_string(&e, "vmsim", vmsim_version());
    if (*vmsim_commit())
        vmsim__emit_string(&e, "commit", vmsim_commit());
    vmsim__emit_string(&e, "stats_schema", VMSIM_REPORT_SCHEMA);
    vmsim__emit_string(&e, "kernel", s->machine->kernel->name);
    vmsim__emit_uint(&e, "seed", s->spec->workload.seed, VMSIM__UNIT_NONE);
    if (s->unfinished)
        vmsim__emit_bool(&e, "unfinished", true);
    int err = emit_inputs(s, &e);
    vmsim__emit_array(&e, "files");
    for (size_t i = 0; i < files->entries.count; i++)
        emit_file(&e, files->entries.at[i].path, files->entries.at[i].size, files->entries.at[i].hash);
    vmsim__emit_array_end(&e);
    vmsim__emit_object_end(&e);
    vmsim__emitter_fini(&e);
    if (!err && out.failed)
        err = vmsim__err_set(&s->err, VMSIM_ENOMEM, "no memory to render %s", VMSIM__MANIFEST);
    err = err ? err : vmsim__files_write(files, VMSIM__MANIFEST, vmsim__textbuf_text(&out), out.count);
    vmsim__textbuf_fini(&out);
    return err;
}

static int write_contents(struct vmsim_scenario *s, const char *part) {
    struct vmsim__files files;
    int err = vmsim__files_open(&files, s->alloc, part, &s->err);
    err = err ? err : write_rendered(s, &files, "summary.txt", vmsim__report_summary);
    err = err ? err : write_rendered(s, &files, "stats.json", vmsim__report_stats);
    err = err ? err : write_intervals(s, &files);
    err = err ? err : write_maps(s, &files);
    err = err ? err : write_configuration(s, &files);
    err = err ? err : vmsim__proc_write(s->machine, &files);
    err = err ? err : write_manifest(s, &files);
    vmsim__files_close(&files);
    return err;
}

/* ---- its place ---- */

/* The directory's name without slashes behind it, for what is made beside. */
static int take_name(struct vmsim_scenario *s, const char *directory, char *name, size_t size) {
    VMSIM__ASSERT(name && size > 1);
    size_t length = directory ? strlen(directory) : 0;
    while (length > 1 && directory[length - 1] == '/')
        length--;
    if (!length || length >= size)
        return vmsim__err_set(&s->err, VMSIM_EINVAL, "the name of the run directory is %s",
                              length ? "too long" : "empty");
    memcpy(name, directory, length);
    name[length] = '\0';
    return 0;
}

int vmsim_report_check(struct vmsim_scenario *s, const char *directory) {
    if (!s)
        return VMSIM_EINVAL;
    char name[4000];
    enum vmsim__place place;
    int err = take_name(s, directory, name, sizeof name);
    err = err ? err : vmsim__place_look(s->alloc, name, &place, &s->err);
    err = err ? err : vmsim__place_parent(name, &s->err);
    if (err)
        return err;
    char *slash = strrchr(name, '/');
    if (slash)
        slash[slash == name] = '\0';
    return vmsim__rows_near(s, slash ? name : ".");
}

/* The old run bears the part's name now. Something may have come into it while the new one was written: then both go
 * back to where they were. */
static int retire(struct vmsim_scenario *s, const char *part, const char *directory) {
    VMSIM__ASSERT(part && directory);
    enum vmsim__place place;
    struct vmsim__err why = {0}, ignored = {0};
    if (!vmsim__place_look(s->alloc, part, &place, &why))
        return 0;
    vmsim__place_take(part, directory, VMSIM__PLACE_RUN, &ignored);
    int err = vmsim__place_look(s->alloc, directory, &place, &s->err); /* the same, of the place's own name */
    return err ? err : vmsim__err_set(&s->err, why.code, "%s", why.text);
}

int vmsim_report_write(struct vmsim_scenario *s, const char *directory) {
    return vmsim_report_write_watched(s, directory, NULL, NULL);
}

int vmsim_report_write_watched(struct vmsim_scenario *s, const char *directory, vmsim_progress_fn *progress,
                               void *context) {
    if (!s)
        return VMSIM_EINVAL;
    char name[4000], part[4096];
    enum vmsim__place place;
    int err = take_name(s, directory, name, sizeof name);
    err = err ? err : vmsim__place_look(s->alloc, name, &place, &s->err);
    err = err ? err : vmsim__place_part(name, part, sizeof part, &s->err);
    if (err)
        return err;
    s->progress = progress;
    s->progress_context = context;
    err = write_contents(s, part);
    s->progress = NULL;
    err = err ? err : vmsim__place_take(part, name, place, &s->err);
    err = err || place != VMSIM__PLACE_RUN ? err : retire(s, part, name);
    if (err || place == VMSIM__PLACE_RUN)
        vmsim__files_remove_tree(part);
    return err;
}
