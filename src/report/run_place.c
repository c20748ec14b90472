/* SPDX-License-Identifier: MIT */
/* The place of a run directory (see run_place.h). Its manifest is vmsim's own text, of which every line is known, so it
 * is read by lines:
 *
 *     "files": [ { "path": "proc/stat", "size_bytes": 12, "xxh64": "836d..." }, ... ]     one member a line
 *
 *     names:  proc  proc/stat ...     what may be there, in the manifest's spelling; facts: by number of the name
 *
 * and each file of the directory is spelled so, too, and looked up. */
#include "report/run_place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/names.h"
#include "base/util.h"
#include "base/vec.h"
#include "report/emitter.h"
#include "report/report_files.h"

struct fact {
    bool file; /* else a directory on the way to one */
    uint64_t size, hash;
};

struct listing {
    struct vmsim__alloc *alloc;
    struct vmsim__err *err;
    const char *directory;
    struct vmsim__names names;
    struct {
        VMSIM__VEC(struct fact);
    } facts;
    struct vmsim__textbuf path, spelled; /* of the entry looked at; of it in the manifest's spelling */
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
    VMSIM__ASSERT(fd >= 0);
    char block[16384];
    ssize_t n;
    while ((n = read(fd, block, sizeof block)) > 0 || (n < 0 && errno == EINTR))
        vmsim__textbuf_add(b, block, n > 0 ? (size_t)n : 0);
    return b->failed ? VMSIM_ENOMEM : n < 0 ? VMSIM_EIO : 0;
}

static bool add_name(struct listing *l, const char *name, struct fact fact) {
    uint32_t number = vmsim__names_add(l->alloc, &l->names, name);
    if (number == VMSIM__NO_NAME)
        return false;
    VMSIM__ASSERT(number <= l->facts.count);
    if (number == l->facts.count)
        return vmsim__vec_push(l->alloc, &l->facts, fact);
    return true;
}

/* The file and the directories on its way; `path` is quoted. */
static bool add_file(struct listing *l, char *path, struct fact fact) {
    char *end = path + strlen(path) - 1;
    VMSIM__ASSERT(*path == '"' && end > path && *end == '"');
    bool ok = true;
    *end = '\0';
    for (char *slash = strchr(path, '/'); slash && ok; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        ok = add_name(l, path + 1, (struct fact){0});
        *slash = '/';
    }
    ok = ok && add_name(l, path + 1, fact);
    *end = '"';
    return ok;
}

/* The value of the member `key` in a line; NULL: the line has another. */
static char *member(char *line, const char *key) {
    VMSIM__ASSERT(line && key);
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
static bool add_files(struct listing *l, char *text) {
    VMSIM__ASSERT(text);
    char *files = strstr(text, "\n  \"files\": ["), *line, *value, *path = NULL;
    struct fact fact = {.file = true};
    while (files && (line = strsep(&files, "\n")) != NULL) {
        if ((value = member(line, "\"path\": ")) != NULL) {
            path = *value == '"' && strlen(value) > 2 && value[strlen(value) - 1] == '"' ? value : NULL;
        } else if ((value = member(line, "\"size_bytes\": ")) != NULL) {
            fact.size = strtoull(value, NULL, 10);
        } else if ((value = member(line, "\"xxh64\": \"")) != NULL && path) {
            fact.hash = strtoull(value, NULL, 16);
            if (!add_file(l, path, fact))
                return false;
            path = NULL;
        }
    }
    return true;
}

/* 1: read; 0: this is no run; or VMSIM_ENOMEM. */
static int read_manifest(struct listing *l, int directory) {
    struct vmsim__textbuf text;
    struct stat st;
    int fd = openat(directory, VMSIM__MANIFEST, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), got = 0;
    vmsim__textbuf_init(&text, l->alloc);
    if (fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) && (got = read_all(fd, &text)) == 0)
        got = !strncmp(vmsim__textbuf_text(&text), VMSIM__MANIFEST_BEGIN, sizeof VMSIM__MANIFEST_BEGIN - 1);
    if (got == 1 && !add_files(l, text.at))
        got = VMSIM_ENOMEM;
    if (fd >= 0)
        close(fd);
    vmsim__textbuf_fini(&text);
    return got == VMSIM_ENOMEM ? no_memory(l->err) : got == 1;
}

/* ---- what is there ---- */

static int stranger(struct listing *l) {
    return vmsim__err_set(l->err, VMSIM_EINVAL,
                          "%s holds %s, which no run of vmsim has written: it is not replaced; move that away, or name "
                          "another directory",
                          l->directory, l->path.at);
}

static int unreadable(struct listing *l, int number) {
    return vmsim__err_set(l->err, VMSIM_EIO, "%s/%s: %s", l->directory, l->path.at, reason(number));
}

/* What the manifest says of the entry looked at; NULL: nothing, or (l->spelled has failed) no memory. */
static const struct fact *find_fact(struct listing *l) {
    struct vmsim__emitter e;
    vmsim__textbuf_clear(&l->spelled);
    vmsim__emitter_json(&e, &l->spelled);
    vmsim__emit_string(&e, NULL, l->path.at);
    vmsim__emitter_fini(&e);
    if (l->spelled.failed)
        return NULL;
    VMSIM__ASSERT(l->spelled.count >= 2 && l->spelled.at[l->spelled.count - 1] == '"');
    l->spelled.at[l->spelled.count - 1] = '\0';
    uint32_t number = vmsim__names_find(&l->names, l->spelled.at + 1);
    return number == VMSIM__NO_NAME ? NULL : &l->facts.at[number];
}

static int check_file(struct listing *l, int directory, const char *name, const struct fact *fact) {
    VMSIM__ASSERT(directory >= 0 && name);
    uint64_t size = 0, hash = 0;
    int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), number = errno;
    int err = fd < 0 ? VMSIM_EIO : vmsim__fd_hash(fd, &size, &hash);
    if (fd >= 0)
        close(fd);
    if (err)
        return err == VMSIM_ENOMEM ? no_memory(l->err) : unreadable(l, fd < 0 ? number : EIO);
    return size == fact->size && hash == fact->hash
               ? 0
               : vmsim__err_set(l->err, VMSIM_EINVAL,
                                "%s: %s was changed since the run: it is not replaced; move it away, or name another "
                                "directory",
                                l->directory, l->path.at);
}

static int check_directory(struct listing *l, int fd);

/* `name`, which l->path leads to. */
static int check_entry(struct listing *l, int fd, const char *name) {
    VMSIM__ASSERT(fd >= 0 && name);
    struct stat st;
    if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT ? 0 : unreadable(l, errno);
    if (!strcmp(l->path.at, VMSIM__MANIFEST))
        return 0;
    const struct fact *fact = find_fact(l);
    if (!fact)
        return l->spelled.failed ? no_memory(l->err) : stranger(l);
    if (fact->file && S_ISREG(st.st_mode))
        return check_file(l, fd, name, fact);
    if (fact->file || !S_ISDIR(st.st_mode))
        return stranger(l);
    int inner = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int err = inner < 0 ? unreadable(l, errno) : check_directory(l, inner);
    if (inner >= 0)
        close(inner);
    return err;
}

/* No deeper than what the manifest lists. */
static int check_directory(struct listing *l, int fd) {
    VMSIM__ASSERT(fd >= 0);
    _Alignas(struct dirent64) char block[2048];
    size_t length = l->path.count;
    int err = 0;
    for (ssize_t n; !err && (n = getdents64(fd, block, sizeof block)) > 0;) {
        for (ssize_t at = 0; !err && at < n;) {
            const struct dirent64 *entry = (const void *)(block + at);
            at += entry->d_reclen;
            if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
                continue;
            vmsim__textbuf_printf(&l->path, "%s%s", length ? "/" : "", entry->d_name);
            err = l->path.failed ? no_memory(l->err) : check_entry(l, fd, entry->d_name);
            l->path.count = l->path.failed ? l->path.count : length;
        }
    }
    return err;
}

static bool is_empty(int fd) {
    VMSIM__ASSERT(fd >= 0);
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
    return got < 0 ? got : check_directory(l, fd);
}

int vmsim__place_look(struct vmsim__alloc *alloc, const char *directory, enum vmsim__place *place,
                      struct vmsim__err *err) {
    VMSIM__ASSERT(directory && place);
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
    vmsim__textbuf_init(&l.path, alloc);
    vmsim__textbuf_init(&l.spelled, alloc);
    int code = look_into(&l, fd, place);
    close(fd);
    vmsim__textbuf_fini(&l.path);
    vmsim__textbuf_fini(&l.spelled);
    vmsim__vec_fini(alloc, &l.facts);
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
    VMSIM__ASSERT(directory && size > 0);
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
    VMSIM__ASSERT(part && directory);
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
    VMSIM__ASSERT(part && directory);
    bool taken = place == VMSIM__PLACE_RUN ? !renameat2(AT_FDCWD, part, AT_FDCWD, directory, RENAME_EXCHANGE)
                                           : !rename(part, directory);
    if (!taken && place == VMSIM__PLACE_RUN && (errno == EINVAL || errno == ENOSYS))
        taken = exchange_by_hand(part, directory);
    return taken ? 0 : vmsim__err_set(err, VMSIM_EIO, "cannot put %s in place: %s", directory, reason(errno));
}
