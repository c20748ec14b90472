/* SPDX-License-Identifier: MIT */
/* A capture: small text files that describe a host's memory system, in a folder or in memory.
 *
 *     live host --vmsim__capture_host--> files in memory --vmsim__capture_save--> folder
 *                                              |                                    | vmsim__capture_open
 *                                              +------ vmsim__capture_text <--------+   (read when asked for)
 *
 * docs/capture-format.md lists the files. What could not be read is kept as notes, each about one file. */
#ifndef VMSIM__CAPTURE_H
#define VMSIM__CAPTURE_H
#include "base/err.h"
#include "base/vec.h"
#include "config/arena.h"
#include "config/textbuf.h"

#define VMSIM__CAPTURE_FILE_MAX ((size_t)4 << 20) /* longer files are cut there */

struct vmsim__capture_file {
    const char *name, *text; /* text NULL: known to be missing */
};

struct vmsim__capture_note {
    const char *file, *text;
};

struct vmsim__capture {
    struct vmsim__alloc *alloc;
    struct vmsim__arena arena; /* of all names and texts */
    const char *directory;     /* NULL: all in memory */
    struct {
        VMSIM__VEC(struct vmsim__capture_file);
    } files;
    struct {
        VMSIM__VEC(struct vmsim__capture_note);
    } notes;
    bool failed; /* there was no memory: sticky */
};

void vmsim__capture_init(struct vmsim__capture *c, struct vmsim__alloc *alloc);
void vmsim__capture_fini(struct vmsim__capture *c);

/* Looks at a folder. 0, VMSIM_ENOENT, VMSIM_EIO. */
int vmsim__capture_open(struct vmsim__capture *c, const char *directory, struct vmsim__err *err);
/* Reads the live host into memory; what cannot be read becomes notes. */
void vmsim__capture_host(struct vmsim__capture *c);
/* Writes all files in memory and missing.txt. 0, VMSIM_EIO, VMSIM_ENOMEM. */
int vmsim__capture_save(struct vmsim__capture *c, const char *directory, struct vmsim__err *err);

/* Text of a file, or NULL when it is missing. A file with NUL bytes is cut at the first, with a note. */
const char *vmsim__capture_text(struct vmsim__capture *c, const char *name);
void vmsim__capture_add(struct vmsim__capture *c, const char *name, const char *text, size_t length);
void vmsim__capture_note(struct vmsim__capture *c, const char *file, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Copies the next line of *at without its newline, cut to `size`; false at the end. */
bool vmsim__next_line(const char **at, char *line, size_t size);
/* The value of "key = value" or "key: value" in `text`, cut to `size`; false when there is none. */
bool vmsim__line_value(const char *text, const char *key, char *value, size_t size);
/* Puts a regular file's bytes, at most VMSIM__CAPTURE_FILE_MAX, into `b`. 0 or errno. */
int vmsim__read_whole(struct vmsim__textbuf *b, const char *path);
/* Whether `path` is one of the capture's own files, as far as they were asked for. */
bool vmsim__capture_has(const struct vmsim__capture *c, const char *path);

/* capture_cpu.c: cpuid.txt. */
void vmsim__capture_cpuid(struct vmsim__capture *c);

#endif
