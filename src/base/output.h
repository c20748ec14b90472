/* SPDX-License-Identifier: MIT */
/* One output file of the host, opened so that nothing but what the user named is ever changed.
 *
 *     struct vmsim__output o;
 *     if (vmsim__output_open(&o, alloc, "sort.vmt", &err) == 0 && vmsim__output_write(&o, bytes, n, &err) == 0)
 *         code = vmsim__output_commit(&o, &err);
 *     vmsim__output_close(&o);                        due whatever open returned; without a commit nothing is left
 *
 * What bears the name decides:
 *
 *   - nothing, a regular file: a new file NAME.part (NAME.part1 ... when that is taken) is written beside it, and takes
 *     the name when it is whole; the mode of the file replaced stays. A recording or a database gives way to its own
 *     kind alone.
 *   - a character device, a FIFO: written to as it is, also through a link (/dev/stdout); never replaced by a file.
 *   - anything else is refused: directories, block devices, sockets, links (the user names what they lead to).
 *
 * The part is made anew (O_EXCL), so that no link or file which stands at its name is followed or changed, and is
 * locked while it is written: a second writer of the same NAME is refused. */
#ifndef VMSIM__OUTPUT_H
#define VMSIM__OUTPUT_H
#include <sys/types.h>

#include "alloc.h"
#include "err.h"

struct vmsim__output {
    struct vmsim__alloc *alloc;
    char *path, *part; /* as the user wrote it; the same with ".part" behind, used when `parted` */
    size_t part_room;
    int directory, fd; /* that both names are in; -1 when closed */
    bool parted;       /* `part` is there and ours */
    dev_t device;      /* of the part, to know it again */
    ino_t inode;
    const struct precious *replaces; /* of the kinds that only their own kind replaces, the one that bears the name */
    uint64_t offset;                 /* bytes written */
};

/* 0, VMSIM_ENOMEM, VMSIM_EINVAL (an empty name) or VMSIM_EIO; the text begins with the path. */
int vmsim__output_open(struct vmsim__output *o, struct vmsim__alloc *alloc, const char *path, struct vmsim__err *err);
int vmsim__output_write(struct vmsim__output *o, const void *bytes, size_t size, struct vmsim__err *err);
/* Gives the file its name. Until then, and after a failure, the name leads to what it led to. */
int vmsim__output_commit(struct vmsim__output *o, struct vmsim__err *err);
/* Removes a part that was not committed, and frees. May be called twice. */
void vmsim__output_close(struct vmsim__output *o);
/* What is being written, for messages: the part, or the path. */
const char *vmsim__output_name(const struct vmsim__output *o);

/* All of it: a file that holds `text`. */
int vmsim__output_whole(struct vmsim__alloc *alloc, const char *path, const char *text, size_t size,
                        struct vmsim__err *err);

/* Whether two paths lead to one file that is there. */
bool vmsim__same_file(const char *a, const char *b);

#endif
