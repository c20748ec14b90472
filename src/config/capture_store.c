/* SPDX-License-Identifier: MIT */
/* Captures as files: reading them when asked for, writing a folder, and the lines in them (see capture.h). */
#include "config/capture.h"
#include "base/output.h"
#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void vmsim__capture_init(struct vmsim__capture *c, struct vmsim__alloc *alloc) {
    *c = (struct vmsim__capture){.alloc = alloc};
    vmsim__arena_init(&c->arena, alloc);
}

void vmsim__capture_fini(struct vmsim__capture *c) {
    vmsim__vec_fini(c->alloc, &c->files);
    vmsim__vec_fini(c->alloc, &c->notes);
    vmsim__arena_fini(&c->arena);
}

int vmsim__capture_open(struct vmsim__capture *c, const char *directory, struct vmsim__err *err) {
    VMSIM__ASSERT(!c->directory);
    struct stat st;
    if (stat(directory, &st))
        return vmsim__err_set(err, errno == ENOENT ? VMSIM_ENOENT : VMSIM_EIO, "%s: %s", directory, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return vmsim__err_set(err, VMSIM_EFORMAT, "%s: not a folder; a capture is one", directory);
    c->directory = vmsim__arena_copy(&c->arena, directory, strlen(directory));
    return c->directory ? 0 : vmsim__err_set(err, VMSIM_ENOMEM, "no memory");
}

/* O_NONBLOCK, so that a capture with a pipe in place of a file does not hang; sizes are not asked for, as /proc tells
 * 0. */
int vmsim__read_whole(struct vmsim__textbuf *b, const char *path) {
    VMSIM__ASSERT(path && *path);
    char block[16384];
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return errno;
    int error = fstat(fd, &st) ? errno : S_ISREG(st.st_mode) ? 0 : EINVAL;
    while (!error && b->count < VMSIM__CAPTURE_FILE_MAX) {
        ssize_t n = read(fd, block, sizeof block);
        if (n < 0 && errno == EINTR)
            continue;
        error = n < 0 ? errno : 0;
        if (n <= 0)
            break;
        vmsim__textbuf_add(b, block, (size_t)n);
    }
    close(fd);
    return error;
}

void vmsim__capture_add(struct vmsim__capture *c, const char *name, const char *text, size_t length) {
    VMSIM__ASSERT(name && *name);
    struct vmsim__capture_file f = {vmsim__arena_copy(&c->arena, name, strlen(name)),
                                    text ? vmsim__arena_copy(&c->arena, text, length) : NULL};
    if (!f.name || (text && !f.text) || !vmsim__vec_push(c->alloc, &c->files, f))
        c->failed = true;
}

void vmsim__capture_note(struct vmsim__capture *c, const char *file, const char *format, ...) {
    va_list args;
    va_start(args, format);
    struct vmsim__capture_note n = {vmsim__arena_copy(&c->arena, file, strlen(file)),
                                    vmsim__arena_vprintf(&c->arena, format, args)};
    va_end(args);
    if (!n.file || !n.text || !vmsim__vec_push(c->alloc, &c->notes, n))
        c->failed = true;
}

/* A file that is not there is no fault of the capture: kernels and rights differ, and its absence is remembered like a
 * text. */
static void load_file(struct vmsim__capture *c, const char *name) {
    VMSIM__ASSERT(name);
    char path[4096];
    struct vmsim__textbuf b;
    vmsim__textbuf_init(&b, c->alloc);
    int length = snprintf(path, sizeof path, "%s/%s", c->directory, name);
    int error = length < 0 || (size_t)length >= sizeof path ? ENAMETOOLONG : vmsim__read_whole(&b, path);
    if (b.failed)
        c->failed = true;
    if (error && error != ENOENT)
        vmsim__capture_note(c, name, "cannot be read: %s", strerror(error));
    const char *text = vmsim__textbuf_text(&b);
    if (!error && strlen(text) != b.count)
        vmsim__capture_note(c, name, "damaged: a NUL byte at offset %zu; what follows is ignored", strlen(text));
    if (!error && b.count >= VMSIM__CAPTURE_FILE_MAX)
        vmsim__capture_note(c, name, "longer than %zu bytes; the rest is ignored", VMSIM__CAPTURE_FILE_MAX);
    vmsim__capture_add(c, name, error ? NULL : text, strlen(text));
    vmsim__textbuf_fini(&b);
}

const char *vmsim__capture_text(struct vmsim__capture *c, const char *name) {
    VMSIM__ASSERT(name);
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < c->files.count; i++) {
            if (!strcmp(c->files.at[i].name, name))
                return c->files.at[i].text;
        }
        if (!c->directory)
            return NULL;
        load_file(c, name);
    }
    return NULL;
}

bool vmsim__capture_has(const struct vmsim__capture *c, const char *path) {
    VMSIM__ASSERT(path);
    char name[4096];
    bool found = false;
    for (size_t i = 0; c->directory && i < c->files.count && !found; i++) {
        int length = snprintf(name, sizeof name, "%s/%s", c->directory, c->files.at[i].name);
        found = length > 0 && (size_t)length < sizeof name && vmsim__same_file(name, path);
    }
    return found;
}

/* "file: text" for each note, and for each file that was not there. */
static void list_missing(const struct vmsim__capture *c, struct vmsim__textbuf *b) {
    for (size_t i = 0; i < c->notes.count; i++)
        vmsim__textbuf_printf(b, "%s: %s\n", c->notes.at[i].file, c->notes.at[i].text);
}

/* missing.txt is first: a capture that is cut off by a full disk still says what it was without. */
int vmsim__capture_save(struct vmsim__capture *c, const char *directory, struct vmsim__err *err) {
    char path[4096];
    struct vmsim__textbuf b;
    if (mkdir(directory, 0777) && errno != EEXIST)
        return vmsim__err_set(err, VMSIM_EIO, "%s: %s", directory, strerror(errno));
    vmsim__textbuf_init(&b, c->alloc);
    list_missing(c, &b);
    if (b.failed || c->failed) {
        vmsim__textbuf_fini(&b);
        return vmsim__err_set(err, VMSIM_ENOMEM, "no memory");
    }
    snprintf(path, sizeof path, "%s/missing.txt", directory);
    int code = vmsim__output_whole(c->alloc, path, vmsim__textbuf_text(&b), b.count, err);
    for (size_t i = 0; !code && i < c->files.count; i++) {
        const struct vmsim__capture_file *f = &c->files.at[i];
        snprintf(path, sizeof path, "%s/%s", directory, f->name);
        if (f->text)
            code = vmsim__output_whole(c->alloc, path, f->text, strlen(f->text), err);
    }
    vmsim__textbuf_fini(&b);
    return code;
}

/* What is longer than the buffer is cut and skipped: no file of a capture has such lines. */
bool vmsim__next_line(const char **at, char *line, size_t size) {
    VMSIM__ASSERT(size > 0);
    if (!*at || !**at)
        return false;
    size_t length = strcspn(*at, "\n"), keep = length < size - 1 ? length : size - 1;
    memcpy(line, *at, keep);
    line[keep] = '\0';
    *at += length;
    *at += **at == '\n';
    return true;
}

/* Both forms that files of /proc and of settings have: "key: value" and "key = value". */
bool vmsim__line_value(const char *text, const char *key, char *value, size_t size) {
    VMSIM__ASSERT(key && *key && size > 0);
    char line[4096];
    size_t length = strlen(key);
    while (text && vmsim__next_line(&text, line, sizeof line)) {
        if (strncmp(line, key, length))
            continue;
        const char *at = line + length + strspn(line + length, " \t");
        if (*at != '=' && *at != ':')
            continue;
        at++;
        at += strspn(at, " \t");
        snprintf(value, size, "%s", at);
        return true;
    }
    return false;
}
