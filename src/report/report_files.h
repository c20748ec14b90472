/* SPDX-License-Identifier: MIT */
/* Files below one directory, written with every error told; and texts that leave the library. */
#ifndef VMSIM__FILES_H
#define VMSIM__FILES_H
#include "base/err.h"
#include "base/vec.h"
#include "config/textbuf.h"

/* A file that was written. */
struct vmsim__file_entry {
    const char *path;    /* relative to the directory; owned */
    uint64_t size, hash; /* hash: XXH64 */
};

struct vmsim__files {
    struct vmsim__alloc *alloc;
    struct vmsim__err *err; /* receives texts */
    const char *directory;  /* as the user said it: for messages */
    int fd;
    struct {
        VMSIM__VEC(struct vmsim__file_entry);
    } entries; /* in the order written */
};

/* Opens `directory`, making it when it is not there (parents must exist). _close is due whatever it returns. */
int vmsim__files_open(struct vmsim__files *f, struct vmsim__alloc *alloc, const char *directory,
                      struct vmsim__err *err);
void vmsim__files_close(struct vmsim__files *f);
/* Writes a file, made or replaced, with the directories on its path (none longer than 255 bytes); links are not
 * followed. 0, VMSIM_EIO, VMSIM_ENOMEM. */
int vmsim__files_write(struct vmsim__files *f, const char *path, const char *text, size_t size);
/* The same piece by piece: begin, put as often as need be, end (which puts it into the list). An error of one is the
 * last call for the file but _end, which is due whatever they return. */
struct vmsim__file_pieces {
    struct vmsim__files *files;
    const char *path;
    int fd, error;
    uint64_t size;
    void *hash; /* XXH64_state_t */
};
int vmsim__pieces_begin(struct vmsim__file_pieces *p, struct vmsim__files *f, const char *path);
int vmsim__pieces_put(void *pieces, const char *text, size_t size);
int vmsim__pieces_end(struct vmsim__file_pieces *p);
/* Removes a directory with all that is in it; symbolic links are removed, not followed. Errors are ignored. */
void vmsim__files_remove_tree(const char *directory);
/* XXH64 and size of a file of the host. 0, VMSIM_EIO, VMSIM_ENOMEM. */
int vmsim__file_hash(const char *path, uint64_t *size, uint64_t *hash);
int vmsim__fd_hash(int fd, uint64_t *size, uint64_t *hash);

/* Hands the buffer's text out as a block that vmsim__text_free() takes back, and finishes the buffer. */
int vmsim__textbuf_give(struct vmsim__textbuf *b, const char **text, size_t *size, struct vmsim__err *err);
void vmsim__text_free(struct vmsim__alloc *alloc, const char *text);

struct vmsim_machine;
/* proc_tree.c: all of /proc and /sys below the directory of `files`. */
int vmsim__proc_write(struct vmsim_machine *m, struct vmsim__files *files);

#endif
