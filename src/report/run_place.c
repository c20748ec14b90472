/* SPDX-License-Identifier: MIT */
/* The place of a run directory (see run_place.h). Its manifest is vmsim's own text, of which every line is known, so it
 * is read by lines:
 *
 *     "files": [ { "path": "proc/stat", "size_bytes": 12, "xxh64": "836d..." }, ... ]     one member a line
 *
 *     entries: "proc/stat" 12 "836d..."   a file as it was written, quoted as in the manifest
 *     names:   proc/stat  proc            what may be there at all
 *
 * and each file of the directory is told in the same words and looked up. */
#include "report/run_place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/names.h"
#include "base/util.h"
#include "report/emitter.h"
#include "report/report_files.h"

struct listing {
    struct vmsim__alloc *alloc;
    struct vmsim__err *err;
    const char *directory;
    struct vmsim__names entries, names;
};

/* strerror() keeps state; this does not. */
static const char *reason(int number) {
    const char *text = strerrordesc_np(number);
    return text ? text : "unknown error";
}

static int no_memory(struct vmsim__err *err) {
    return vmsim__err_set(err, VMSIM_ENOMEM, "no memory for the list of files");
}

/* ---- the manifest ---- */

static int read_all(int fd, struct vmsim__textbuf *b) {
    char block[16384];
    ssize_t n;
    while ((n = read(fd, block, sizeof block)) > 0 || (n < 0 && errno == EINTR))
        vmsim__textbuf_add(b, block, n > 0 ? (size_t)n : 0);
    return b->failed ? VMSIM_ENOMEM : n < 0 ? VMSIM_EIO : 0;
}

/* The file and the directories on its way; `path` is quoted. */
static bool add_names(struct listing *l, char *path) {
    char *end = path + strlen(path) - 1;
    VMSIM__ASSERT(*path == '"' && end > path && *end == '"');
    bool ok = true;
    *end = '\0';
    for (char *slash = strchr(path, '/'); slash && ok; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        ok = vmsim__names_add(l->alloc, &l->names, path + 1) != VMSIM__NO_NAME;
        *slash = '/';
    }
    ok = ok && vmsim__names_add(l->alloc, &l->names, path + 1) != VMSIM__NO_NAME;
    *end = '"';
    return ok;
}

/* The value of the member `key` in a line; NULL: the line has another. */
static char *member(char *line, const char *key) {
    size_t n = strlen(key);
    line += strspn(line, " ");
    if (strncmp(line, key, n) != 0)
        return NULL;
    char *value = line + n, *end = value + strlen(value);
    if (end > value && end[-1] == ',')
        end[-1] = '\0';
    return value;
}

/* Lines that are no manifest's add nothing, so that their files are strangers. */
static bool add_entries(struct listing *l, char *text, struct vmsim__textbuf *entry) {
    char *files = strstr(text, "\n  \"files\": ["), *line, *value, *path = NULL, *size = NULL;
    while (files && (line = strsep(&files, "\n")) != NULL) {
        if ((value = member(line, "\"path\": ")) != NULL) {
            path = *value == '"' && strlen(value) > 2 && value[strlen(value) - 1] == '"' ? value : NULL;
        } else if ((value = member(line, "\"size_bytes\": ")) != NULL) {
            size = value;
        } else if ((value = member(line, "\"xxh64\": ")) != NULL && path && size) {
            vmsim__textbuf_clear(entry);
            vmsim__textbuf_printf(entry, "%s %s %s", path, size, value);
            if (entry->failed || !add_names(l, path) ||
                vmsim__names_add(l->alloc, &l->entries, vmsim__textbuf_text(entry)) == VMSIM__NO_NAME)
                return false;
            path = size = NULL;
        }
    }
    return true;
}

/* 1: read; 0: this is no run; or VMSIM_ENOMEM. */
static int read_manifest(struct listing *l, int directory) {
    struct vmsim__textbuf text, entry;
    struct stat st;
    int fd = openat(directory, VMSIM__MANIFEST, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), got = 0;
    vmsim__textbuf_init(&text, l->alloc);
    vmsim__textbuf_init(&entry, l->alloc);
    if (fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) && (got = read_all(fd, &text)) == 0)
        got = !strncmp(vmsim__textbuf_text(&text), VMSIM__MANIFEST_BEGIN, sizeof VMSIM__MANIFEST_BEGIN - 1);
    if (got == 1 && !add_entries(l, text.at, &entry))
        got = VMSIM_ENOMEM;
    if (fd >= 0)
        close(fd);
    vmsim__textbuf_fini(&entry);
    vmsim__textbuf_fini(&text);
    return got == VMSIM_ENOMEM ? no_memory(l->err) : got == 1;
}

/* ---- what is there ---- */

static int stranger(struct listing *l, const char *path) {
    return vmsim__err_set(l->err, VMSIM_EINVAL,
                          "%s holds %s, which no run of vmsim has written: it is not replaced; move that away, or name "
                          "another directory",
                          l->directory, path);
}

/* `path` as the manifest writes it. */
static void put_quoted(struct vmsim__textbuf *out, const char *path) {
    struct vmsim__emitter e;
    vmsim__emitter_json(&e, out);
    vmsim__emit_string(&e, NULL, path);
    vmsim__emitter_fini(&e);
}

static int check_file(struct listing *l, int directory, const char *name, const char *path) {
    struct vmsim__textbuf entry;
    uint64_t size = 0, hash = 0;
    int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    int err = fd < 0 ? VMSIM_EIO : vmsim__fd_hash(fd, &size, &hash);
    if (fd >= 0)
        close(fd);
    if (err)
        return err == VMSIM_ENOMEM ? no_memory(l->err)
                                   : vmsim__err_set(l->err, err, "%s/%s cannot be read", l->directory, path);
    vmsim__textbuf_init(&entry, l->alloc);
    put_quoted(&entry, path);
    vmsim__textbuf_printf(&entry, " %llu \"%016llx\"", (unsigned long long)size, (unsigned long long)hash);
    if (entry.failed)
        err = no_memory(l->err);
    else if (vmsim__names_find(&l->entries, entry.at) == VMSIM__NO_NAME)
        err = vmsim__err_set(l->err, VMSIM_EINVAL,
                             "%s: %s was changed since the run: it is not replaced; move it away, or name another "
                             "directory",
                             l->directory, path);
    vmsim__textbuf_fini(&entry);
    return err;
}

static bool is_listed(struct listing *l, const char *path, bool *failed) {
    struct vmsim__textbuf quoted;
    vmsim__textbuf_init(&quoted, l->alloc);
    put_quoted(&quoted, path);
    *failed = quoted.failed;
    if (!quoted.failed)
        quoted.at[quoted.count - 1] = '\0';
    bool listed = !quoted.failed && vmsim__names_find(&l->names, quoted.at + 1) != VMSIM__NO_NAME;
    vmsim__textbuf_fini(&quoted);
    return listed;
}

static int check_directory(struct listing *l, int fd, const char *prefix);

static int check_entry(struct listing *l, int fd, const char *name, const char *path) {
    struct stat st;
    bool failed;
    if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT ? 0 : vmsim__err_set(l->err, VMSIM_EIO, "%s/%s: %s", l->directory, path, reason(errno));
    if (!strcmp(path, VMSIM__MANIFEST))
        return 0;
    if (!is_listed(l, path, &failed))
        return failed ? no_memory(l->err) : stranger(l, path);
    if (S_ISREG(st.st_mode))
        return check_file(l, fd, name, path);
    if (!S_ISDIR(st.st_mode))
        return stranger(l, path);
    int inner = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (inner < 0)
        return vmsim__err_set(l->err, VMSIM_EIO, "%s/%s: %s", l->directory, path, reason(errno));
    int err = check_directory(l, inner, path);
    close(inner);
    return err;
}

/* No deeper than what the manifest lists. */
static int check_directory(struct listing *l, int fd, const char *prefix) {
    _Alignas(struct dirent64) char block[2048];
    int err = 0;
    for (ssize_t n; !err && (n = getdents64(fd, block, sizeof block)) > 0;) {
        for (ssize_t at = 0; !err && at < n;) {
            const struct dirent64 *entry = (const void *)(block + at);
            struct vmsim__textbuf path;
            at += entry->d_reclen;
            if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
                continue;
            vmsim__textbuf_init(&path, l->alloc);
            vmsim__textbuf_printf(&path, "%s%s%s", prefix, *prefix ? "/" : "", entry->d_name);
            err = path.failed ? no_memory(l->err) : check_entry(l, fd, entry->d_name, path.at);
            vmsim__textbuf_fini(&path);
        }
    }
    return err;
}

static bool is_empty(int fd) {
    _Alignas(struct dirent64) char block[2048];
    size_t entries = 0;
    for (ssize_t n; (n = getdents64(fd, block, sizeof block)) > 0;)
        for (ssize_t at = 0; at < n; at += ((const struct dirent64 *)(const void *)(block + at))->d_reclen)
            entries++;
    lseek(fd, 0, SEEK_SET);
    return entries <= 2; /* "." and ".." */
}

static int look_into(struct listing *l, int fd, enum vmsim__place *place) {
    *place = VMSIM__PLACE_EMPTY;
    if (is_empty(fd))
        return 0;
    *place = VMSIM__PLACE_RUN;
    int got = read_manifest(l, fd);
    if (got == 0)
        return vmsim__err_set(l->err, VMSIM_EINVAL, "%s exists and is not a run directory of vmsim: not replaced",
                              l->directory);
    return got < 0 ? got : check_directory(l, fd, "");
}

int vmsim__place_look(struct vmsim__alloc *alloc, const char *directory, enum vmsim__place *place,
                      struct vmsim__err *err) {
    struct listing l = {.alloc = alloc, .err = err, .directory = directory};
    struct stat st;
    *place = VMSIM__PLACE_FREE;
    if (lstat(directory, &st))
        return errno == ENOENT ? 0 : vmsim__err_set(err, VMSIM_EIO, "cannot look at %s: %s", directory, reason(errno));
    if (!S_ISDIR(st.st_mode))
        return vmsim__err_set(err, VMSIM_EINVAL, "%s exists and is not a run directory of vmsim: not replaced",
                              directory);
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return vmsim__err_set(err, VMSIM_EIO, "cannot look at %s: %s", directory, reason(errno));
    int code = look_into(&l, fd, place);
    close(fd);
    vmsim__names_fini(alloc, &l.entries);
    vmsim__names_fini(alloc, &l.names);
    return code;
}

/* ---- taking it ---- */

int vmsim__place_parent(const char *directory, struct vmsim__err *err) {
    char copy[4096];
    snprintf(copy, sizeof copy, "%s", directory);
    const char *parent = dirname(copy);
    return access(parent, W_OK | X_OK)
               ? vmsim__err_set(err, VMSIM_EIO, "%s cannot be written: %s: %s", directory, parent, reason(errno))
               : 0;
}

int vmsim__place_part(const char *directory, char *part, size_t size, struct vmsim__err *err) {
    for (unsigned i = 0; i < 100; i++) {
        int n = i ? snprintf(part, size, "%s.part%u", directory, i) : snprintf(part, size, "%s.part", directory);
        if (n < 0 || (size_t)n >= size)
            return vmsim__err_set(err, VMSIM_EINVAL, "the name of the run directory is too long");
        if (!mkdir(part, 0777))
            return 0;
        if (errno != EEXIST)
            break;
    }
    return vmsim__err_set(err, VMSIM_EIO, "cannot make the directory %s: %s", part, reason(errno));
}

/* For file systems that cannot exchange two names: the old run goes by way of a third. */
static bool exchange_by_hand(const char *part, const char *directory) {
    char aside[4096];
    struct vmsim__err ignored;
    if (vmsim__place_part(directory, aside, sizeof aside, &ignored))
        return false;
    if (rename(directory, aside)) {
        rmdir(aside);
        return false;
    }
    if (!rename(part, directory))
        return !rename(aside, part);
    int number = errno;
    if (!rename(aside, directory))
        errno = number;
    return false;
}

int vmsim__place_take(const char *part, const char *directory, enum vmsim__place place, struct vmsim__err *err) {
    bool taken = place == VMSIM__PLACE_RUN ? !renameat2(AT_FDCWD, part, AT_FDCWD, directory, RENAME_EXCHANGE)
                                           : !rename(part, directory);
    if (!taken && place == VMSIM__PLACE_RUN && (errno == EINVAL || errno == ENOSYS))
        taken = exchange_by_hand(part, directory);
    return taken ? 0 : vmsim__err_set(err, VMSIM_EIO, "cannot put %s in place: %s", directory, reason(errno));
}
