/* SPDX-License-Identifier: MIT */
/* Opening a run directory (see run_dir.h). stats.json must be there; everything else is taken as far as it is whole,
 * and what is not becomes a note that the documents show.
 *
 * A directory may come from another host, an older vmsim, a run that was killed or a disk that was full, and is read
 * all the same: whoever waited a day for it wants to see what there is. So a torn stats.json is closed where its last
 * whole value ends, and files that are missing or were changed since are named. Only regular files are opened, without
 * blocking: a FIFO of that name would wait for ever. */
#include "report/run_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/output.h"
#include "base/util.h"
#include "report/report_files.h"
#include "report/run_place.h"
#include "vmsim/report.h"
#include "vmsim/run.h"

#define FILE_MOST (UINT64_C(1) << 30) /* of what is read whole */

/* False: no host memory. A note that is too long loses its end. */
bool vmsim__run_note(struct vmsim_run *run, const char *format, ...) {
    VMSIM__ASSERT(format);
    char text[600];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    char *copy = vmsim__strdup(run->alloc, text);
    if (copy && vmsim__vec_push(run->alloc, &run->notes, copy))
        return true;
    vmsim__strfree(run->alloc, copy);
    return false;
}

/* "DIRECTORY/NAME"; false: it is too long to be a file's. */
static bool path_of(const struct vmsim_run *run, const char *name, char *path, size_t size) {
    VMSIM__ASSERT(name && size);
    int length = snprintf(path, size, "%s/%s", run->directory, name);
    return length > 0 && (size_t)length < size;
}

/* Read and not mapped: a file that shrinks meanwhile must not be a SIGBUS. */
static int read_all(struct vmsim_run *run, int fd) {
    VMSIM__ASSERT(fd >= 0);
    char piece[16384];
    ssize_t n = 0;
    while (run->file.count <= FILE_MOST && (n = read(fd, piece, sizeof piece)) != 0) {
        if (n > 0)
            vmsim__textbuf_add(&run->file, piece, (size_t)n);
        else if (errno != EINTR)
            return VMSIM_EIO;
    }
    return run->file.failed ? VMSIM_ENOMEM : n ? VMSIM_EIO : 0;
}

/* The whole file into run->file, which is used again for the next; not there is another answer than not readable. */
int vmsim__run_file(struct vmsim_run *run, const char *name) {
    char path[4096];
    struct stat st;
    vmsim__textbuf_clear(&run->file);
    if (!path_of(run, name, path, sizeof path))
        return VMSIM_ENOENT;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? VMSIM_ENOENT : VMSIM_EIO;
    int err = !fstat(fd, &st) && S_ISREG(st.st_mode) ? read_all(run, fd) : VMSIM_EIO;
    close(fd);
    return err;
}

/* Absent or of another type: 0 or "". What must be there is checked where it is read. */
uint64_t vmsim__json_uint(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_integer(value) ? (uint64_t)json_integer_value(value) : 0;
}

const char *vmsim__json_text(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

const char *vmsim__run_name(const struct vmsim_run *run) {
    VMSIM__ASSERT(run->directory);
    const char *slash = strrchr(run->directory, '/');
    return slash && slash[1] ? slash + 1 : run->directory;
}

/* ---- the parts ---- */

/* run->file as JSON. jansson says nothing when it got no memory. 0, VMSIM_ECORRUPT or VMSIM_ENOMEM. */
static int parse(struct vmsim_run *run, json_t **value, json_error_t *why) {
    *value = json_loadb(vmsim__textbuf_text(&run->file), run->file.count, JSON_REJECT_DUPLICATES, why);
    if (*value)
        return 0;
    return !*why->text || json_error_code(why) == json_error_out_of_memory ? VMSIM_ENOMEM : VMSIM_ECORRUPT;
}

/* Cuts run->file behind the last value that stands there in full, and closes what is open then: what a run had written
 * of its stats.json when its disk was full or its host went down. false: nothing is left. */
static bool close_torn(struct vmsim_run *run) {
    enum { DEPTH = 64 };
    char open[DEPTH];
    const char *text = vmsim__textbuf_text(&run->file);
    size_t depth = 0, whole = 0, whole_depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < run->file.count; i++) {
        const char c = text[i];
        if (quoted) {
            i += c == '\\';
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            if (depth == DEPTH)
                return false;
            open[depth++] = c == '{' ? '}' : ']';
        } else if (c == '}' || c == ']') {
            if (!depth || open[--depth] != c)
                return false;
        } else if (c == ',') {
            whole = i;
            whole_depth = depth;
        }
    }
    VMSIM__ASSERT(whole_depth <= DEPTH && whole <= run->file.count);
    if (!whole)
        return false;
    run->file.count = whole;
    while (whole_depth)
        vmsim__textbuf_add(&run->file, &open[--whole_depth], 1);
    return !run->file.failed;
}

/* There is no stats.json: what is it that was named instead of a run? */
static int no_stats(struct vmsim_run *run) {
    struct stat st;
    const char *slash = strrchr(run->directory, '/');
    if (stat(run->directory, &st))
        return vmsim__err_set(&run->err, VMSIM_ENOENT, "%s: no such directory", run->directory);
    if (S_ISDIR(st.st_mode))
        return vmsim__err_set(&run->err, VMSIM_EFORMAT,
                              "%s is no run directory: it has no stats.json (`vmsim run box.yaml -o DIR` makes one)",
                              run->directory);
    if (!strcmp(slash ? slash + 1 : run->directory, "stats.json"))
        return vmsim__err_set(&run->err, VMSIM_EFORMAT, "%s is a file of a run: the directory is meant, %.*s",
                              run->directory, slash ? (int)(slash - run->directory) : 1, slash ? run->directory : ".");
    return vmsim__err_set(&run->err, VMSIM_EFORMAT,
                          "%s is a file, no run directory (`vmsim run box.yaml -o DIR` makes one)", run->directory);
}

/* What is of an older format is read as far as both are the same; a newer one may mean something else by a name. */
static int check_version(struct vmsim_run *run) {
    const char *version = vmsim__json_text(run->stats, "schema_version");
    const unsigned long known = strtoul(VMSIM_REPORT_SCHEMA, NULL, 10), major = strtoul(version, NULL, 10);
    if (major == known)
        return 0;
    if (major > known)
        return vmsim__err_set(&run->err, VMSIM_EVERSION,
                              "%s/stats.json is of format %s, and this vmsim knows %s: a newer vmsim reads it",
                              run->directory, version, VMSIM_REPORT_SCHEMA);
    return vmsim__run_note(run, "stats.json is of format %s, older than this vmsim's %s: what both have is shown",
                           *version ? version : "(none)", VMSIM_REPORT_SCHEMA)
               ? 0
               : VMSIM_ENOMEM;
}

/* A run that was killed while it wrote has a file without an end: brackets are closed where it stops, and what stood
 * before is shown with a note. Better a part of a night's run than a message. */
static int load_stats(struct vmsim_run *run) {
    json_error_t why;
    int err = vmsim__run_file(run, "stats.json");
    if (err == VMSIM_ENOENT)
        return no_stats(run);
    if (err)
        return vmsim__err_set(&run->err, err, "%s/stats.json cannot be read", run->directory);
    json_error_t whole;
    err = parse(run, &run->stats, &why);
    if (err == VMSIM_ECORRUPT && close_torn(run) && !parse(run, &run->stats, &whole))
        err =
            vmsim__run_note(run, "stats.json is cut short or damaged at line %d: what stands before is shown", why.line)
                ? 0
                : VMSIM_ENOMEM;
    if (err)
        return vmsim__err_set(&run->err, err, "%s/stats.json:%d:%d: %s", run->directory, why.line, why.column,
                              why.text);
    if (strcmp(vmsim__json_text(run->stats, "schema"), "vmsim-stats") != 0)
        return vmsim__err_set(&run->err, VMSIM_EFORMAT, "%s/stats.json is not of vmsim: \"schema\" is not vmsim-stats",
                              run->directory);
    return check_version(run);
}

/* One file of the manifest against what is there. Nothing is read of a file whose size tells already. */
static bool check_entry(struct vmsim_run *run, const json_t *entry) {
    const char *name = vmsim__json_text(entry, "path");
    char path[4096], digits[24];
    struct stat st;
    uint64_t size, hash;
    if (!path_of(run, name, path, sizeof path) || strstr(name, ".."))
        return true;
    if (stat(path, &st) || !S_ISREG(st.st_mode))
        return vmsim__run_note(run, "%s is missing", name);
    if ((uint64_t)st.st_size != vmsim__json_uint(entry, "size_bytes"))
        return vmsim__run_note(run, "%s was changed after the run: its size is %llu, and was %llu", name,
                               (unsigned long long)st.st_size,
                               (unsigned long long)vmsim__json_uint(entry, "size_bytes"));
    if (vmsim__file_hash(path, &size, &hash))
        return vmsim__run_note(run, "%s cannot be read", name);
    snprintf(digits, sizeof digits, "%016llx", (unsigned long long)hash);
    return !strcmp(digits, vmsim__json_text(entry, "xxh64")) ||
           vmsim__run_note(run, "%s was changed after the run: it is not what %s says", name, VMSIM__MANIFEST);
}

/* proc/ and sys/ hold a file for each of thousands of things: only what the documents are made of is looked at. */
static bool is_part(const char *path) {
    return !strchr(path, '/');
}

static int load_manifest(struct vmsim_run *run) {
    json_error_t why;
    int err = vmsim__run_file(run, VMSIM__MANIFEST);
    err = err ? err : parse(run, &run->manifest, &why);
    if (err == VMSIM_ENOMEM)
        return err;
    if (!run->manifest)
        return vmsim__run_note(run, "%s %s: the writing of this run may have been cut short", VMSIM__MANIFEST,
                               err == VMSIM_ENOENT ? "is missing" : "cannot be read")
                   ? 0
                   : VMSIM_ENOMEM;
    size_t i;
    const json_t *entry;
    json_array_foreach(json_object_get(run->manifest, "files"), i, entry) {
        if (is_part(vmsim__json_text(entry, "path")) && !check_entry(run, entry))
            return VMSIM_ENOMEM;
    }
    return 0;
}

static int load_resolved(struct vmsim_run *run) {
    int err = vmsim__run_file(run, "resolved.yaml");
    if (!err)
        vmsim__textbuf_add(&run->resolved, vmsim__textbuf_text(&run->file), run->file.count);
    else if (err != VMSIM_ENOMEM && run->manifest)
        return 0; /* the manifest has told */
    if (err == VMSIM_ENOMEM || run->resolved.failed)
        return VMSIM_ENOMEM;
    return !err || vmsim__run_note(run, "resolved.yaml is missing") ? 0 : VMSIM_ENOMEM;
}

/* Runs without intervals have none, nor have those of older vmsim; the manifest has told of one that is missing. */
static int load_map(struct vmsim_run *run, const char *name, json_t **map) {
    json_error_t why;
    int err = vmsim__run_file(run, name);
    if (err)
        return err == VMSIM_ENOMEM ? err : 0;
    err = parse(run, map, &why);
    if (err == VMSIM_ENOMEM)
        return err;
    if (!err && !strncmp(vmsim__json_text(*map, "schema_version"), "1.", 2))
        return 0;
    json_decref(*map);
    *map = NULL;
    return vmsim__run_note(run, "%s is damaged, or newer than this vmsim", name) ? 0 : VMSIM_ENOMEM;
}

int vmsim_run_open(const char *directory, struct vmsim_run **run) {
    if (!run)
        return VMSIM_EINVAL;
    *run = NULL;
    if (!directory)
        return VMSIM_EINVAL;
    struct vmsim__alloc *alloc = vmsim__alloc_create(NULL);
    struct vmsim_run *r = alloc ? vmsim__calloc(alloc, 1, sizeof *r) : NULL;
    if (!r) {
        if (alloc)
            vmsim__alloc_destroy(alloc);
        return VMSIM_ENOMEM;
    }
    *run = r;
    r->alloc = alloc;
    vmsim__textbuf_init(&r->resolved, alloc);
    vmsim__textbuf_init(&r->file, alloc);
    char *copy = vmsim__strdup(alloc, *directory ? directory : ".");
    r->directory = copy ? copy : "";
    for (size_t n = copy ? strlen(copy) : 0; n > 1 && copy[n - 1] == '/'; n--)
        copy[n - 1] = '\0';
    int err = copy ? load_stats(r) : VMSIM_ENOMEM;
    err = err ? err : load_manifest(r);
    if (!err && json_is_true(json_object_get(json_object_get(r->stats, "run"), "unfinished")) &&
        !vmsim__run_note(r, "the run was stopped before its end: all is as it was then"))
        err = VMSIM_ENOMEM;
    err = err ? err : load_resolved(r);
    err = err ? err : load_map(r, "pageblocks.json", &r->blocks);
    err = err ? err : load_map(r, "faults.json", &r->faults);
    err = err ? err : vmsim__run_read_series(r);
    vmsim__textbuf_fini(&r->file);
    if (err) { /* nothing is made of half a run */
        json_decref(r->stats);
        r->stats = NULL;
    }
    return err == VMSIM_ENOMEM ? vmsim__err_set(&r->err, err, "no memory to read the run %s", directory) : err;
}

void vmsim_run_close(struct vmsim_run *run) {
    if (!run)
        return;
    struct vmsim__alloc *alloc = run->alloc;
    json_decref(run->stats);
    json_decref(run->manifest);
    json_decref(run->blocks);
    json_decref(run->faults);
    for (size_t i = 0; i < run->notes.count; i++)
        vmsim__strfree(alloc, run->notes.at[i]);
    vmsim__vec_fini(alloc, &run->notes);
    vmsim__run_free_series(run);
    vmsim__textbuf_fini(&run->resolved);
    vmsim__textbuf_fini(&run->file);
    if (*run->directory)
        vmsim__strfree(alloc, run->directory);
    vmsim__free(alloc, run, sizeof *run);
    size_t leaked = vmsim__alloc_destroy(alloc);
    VMSIM__ASSERT(!leaked);
    (void)leaked;
}

const char *vmsim_run_error(const struct vmsim_run *run) {
    return run ? vmsim__err_text(&run->err) : "";
}

size_t vmsim_run_notes(const struct vmsim_run *run) {
    return run ? run->notes.count : 0;
}

const char *vmsim_run_note(const struct vmsim_run *run, size_t index) {
    return run && index < run->notes.count ? run->notes.at[index] : NULL;
}

int vmsim_run_render(struct vmsim_run *run, enum vmsim_run_format format, const char **text, size_t *size) {
    static void (*const formats[])(struct vmsim_run *, struct vmsim__textbuf *) = {vmsim__run_html,
                                                                                   vmsim__run_markdown};
    struct vmsim__textbuf out;
    if (!run || !text)
        return VMSIM_EINVAL;
    *text = NULL;
    if ((unsigned)format >= VMSIM__COUNT(formats))
        return vmsim__err_set(&run->err, VMSIM_EINVAL, "there is no document %d of a run", (int)format);
    if (!run->stats)
        return vmsim__err_set(&run->err, VMSIM_EINVAL, "nothing could be read of this run");
    vmsim__textbuf_init(&out, run->alloc);
    formats[format](run, &out);
    return vmsim__textbuf_give(&out, text, size, &run->err);
}

void vmsim_run_free_text(struct vmsim_run *run, const char *text) {
    if (!run)
        return;
    vmsim__text_free(run->alloc, text);
}

int vmsim_run_save(struct vmsim_run *run, enum vmsim_run_format format, const char *path) {
    const char *text;
    size_t size;
    if (!run || !path)
        return VMSIM_EINVAL;
    int err = vmsim_run_render(run, format, &text, &size);
    if (err)
        return err;
    err = vmsim__output_whole(run->alloc, path, text, size, &run->err);
    vmsim_run_free_text(run, text);
    return err;
}
