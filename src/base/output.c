/* SPDX-License-Identifier: MIT */
/* Output files (see output.h). Every name is looked up in the directory that was opened first, so that neither a change
 * of the working directory nor a link put in the way leads a rename or a removal elsewhere. */
#include "base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"

/* NAME.part to NAME.part9: so many writers may have been killed before somebody must tidy up. */
enum { PARTS = 10, NO_PART = PARTS };
/* How long a FIFO without a reader is waited for: the reader may be started beside the writer. */
enum { FIFO_TRIES = 100, FIFO_PAUSE_NS = 20000000 };

/* strerror() keeps state; this does not. */
static const char *reason(int number) {
    const char *text = strerrordesc_np(number);
    return text ? text : "unknown error";
}

static const char *base_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int refuse(const struct vmsim__output *o, struct vmsim__err *err, const char *why) {
    return vmsim__err_set(err, VMSIM_EIO, "%s: %s", o->path, why);
}

static int unwritable(const struct vmsim__output *o, struct vmsim__err *err, int number) {
    return vmsim__err_set(err, VMSIM_EIO, "%s: cannot be written: %s", o->path, reason(number));
}

static int open_directory(struct vmsim__output *o, struct vmsim__err *err) {
    char *base = o->path + (base_of(o->path) - o->path), first = *base;
    *base = '\0'; /* what is left is the directory, "" when there is none */
    o->directory = open(base == o->path ? "." : o->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    *base = first;
    return o->directory < 0 ? unwritable(o, err, errno) : 0;
}

/* ---- parts ---- */

static const char *name_part(struct vmsim__output *o, unsigned number) {
    if (number)
        snprintf(o->part, o->part_room, "%s.part%u", o->path, number);
    else
        snprintf(o->part, o->part_room, "%s.part", o->path);
    return base_of(o->part);
}

/* Whether somebody writes a file of this name: its writer holds a lock as long as it lives. Only a regular file is
 * opened, as to open may be to do something. */
static bool is_locked(int directory, const char *name) {
    struct stat st;
    if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
        return false;
    int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    bool locked = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK;
    if (fd >= 0)
        close(fd);
    return locked;
}

static bool another_writes(struct vmsim__output *o, unsigned own) {
    bool found = false;
    for (unsigned i = 0; i < PARTS && !found; i++)
        found = i != own && is_locked(o->directory, name_part(o, i));
    if (own != NO_PART)
        name_part(o, own);
    return found;
}

static bool is_ours(const struct vmsim__output *o) {
    struct stat st;
    return !fstatat(o->directory, base_of(o->part), &st, AT_SYMLINK_NOFOLLOW) && st.st_dev == o->device &&
           st.st_ino == o->inode;
}

static void remove_part(struct vmsim__output *o) {
    if (o->parted && is_ours(o))
        unlinkat(o->directory, base_of(o->part), 0);
    o->parted = false;
}

/* The new file, locked; a file system without locks goes without. */
static int take_part(struct vmsim__output *o, unsigned number, const struct stat *old, struct vmsim__err *err) {
    static const char busy[] = "is being written by another process";
    struct stat st;
    VMSIM__ASSERT(o->fd >= 0 && number < PARTS);
    if (fstat(o->fd, &st))
        return unwritable(o, err, errno);
    o->device = st.st_dev;
    o->inode = st.st_ino;
    o->parted = true;
    if (flock(o->fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK)
        return refuse(o, err, busy);
    if (another_writes(o, number)) /* it began between our look and our lock */
        return refuse(o, err, busy);
    if (old && fchmod(o->fd, old->st_mode & 0777))
        return unwritable(o, err, errno);
    return 0;
}

/* `old`: the file that is to be replaced, or NULL. What stands at a part's name is left alone: it may be half a trace
 * that its user wants to keep. */
static int make_part(struct vmsim__output *o, const struct stat *old, struct vmsim__err *err) {
    if (another_writes(o, NO_PART))
        return refuse(o, err, "is being written by another process");
    for (unsigned i = 0; i < PARTS; i++) {
        o->fd = openat(o->directory, name_part(o, i), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (o->fd >= 0)
            return take_part(o, i, old, err);
        if (errno != EEXIST)
            return unwritable(o, err, errno);
    }
    return refuse(o, err,
                  "cannot be written: NAME.part and NAME.part1 to NAME.part9 are taken; remove what is of no use");
}

/* ---- devices and FIFOs ---- */

/* Without O_CREAT and O_TRUNC, so that whatever else has come to bear the name meanwhile is not changed. */
static int open_stream(struct vmsim__output *o, struct vmsim__err *err) {
    const struct timespec pause = {0, FIFO_PAUSE_NS};
    const char *name = base_of(o->path);
    struct stat st;
    for (unsigned i = 0; i < FIFO_TRIES; i++) {
        o->fd = openat(o->directory, name, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (o->fd >= 0 || errno != ENXIO || fstatat(o->directory, name, &st, 0) || !S_ISFIFO(st.st_mode))
            break;
        nanosleep(&pause, NULL);
        errno = ENXIO;
    }
    if (o->fd < 0)
        return errno == ENXIO ? refuse(o, err, "cannot be written: nobody reads this pipe") : unwritable(o, err, errno);
    if (fstat(o->fd, &st) || !(S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode)))
        return refuse(o, err, "was replaced while it was opened");
    int flags = fcntl(o->fd, F_GETFL);
    return flags < 0 || fcntl(o->fd, F_SETFL, flags & ~O_NONBLOCK) ? unwritable(o, err, errno) : 0;
}

/* ---- what bears the name ---- */

static const char *why_refused(mode_t mode) {
    if (S_ISDIR(mode))
        return "is a directory, not a file";
    if (S_ISBLK(mode))
        return "is a block device: it is not overwritten";
    return S_ISLNK(mode) ? "is a symbolic link: name the file that it leads to" : "is no regular file";
}

/* What took hours to make and begins with a word of its own: nothing of another kind takes its place by a slip of the
 * command line. */
static const struct precious {
    const char *magic, *what;
} precious[] = {{"VMSIMTRC", "a recording"}, {"SQLite format 3", "a database"}};
enum { MAGIC_MAX = 15 };

static bool begins_with(const struct precious *p, const void *bytes, size_t size) {
    return size >= strlen(p->magic) && !memcmp(bytes, p->magic, strlen(p->magic));
}

/* Notes what the file is that would be replaced. One that cannot be read is taken to be of no such kind. */
static void look_at_old(struct vmsim__output *o) {
    char head[MAGIC_MAX];
    const int fd = openat(o->directory, base_of(o->path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    const ssize_t n = fd >= 0 ? read(fd, head, sizeof head) : 0;
    if (fd >= 0)
        close(fd);
    for (unsigned i = 0; i < sizeof precious / sizeof *precious && n > 0; i++)
        o->replaces = begins_with(&precious[i], head, (size_t)n) ? &precious[i] : o->replaces;
}

static int open_by_kind(struct vmsim__output *o, struct vmsim__err *err) {
    const char *name = base_of(o->path);
    struct stat st;
    if (!*name)
        return refuse(o, err, "is a directory, not a file");
    if (fstatat(o->directory, name, &st, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT ? make_part(o, NULL, err) : unwritable(o, err, errno);
    bool link = S_ISLNK(st.st_mode);
    if (link && fstatat(o->directory, name, &st, 0))
        return refuse(o, err, "is a symbolic link that leads nowhere: it is not followed");
    if (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode))
        return open_stream(o, err);
    if (link || !S_ISREG(st.st_mode))
        return refuse(o, err, why_refused(S_ISREG(st.st_mode) ? S_IFLNK : st.st_mode));
    if (faccessat(o->directory, name, W_OK, AT_EACCESS))
        return unwritable(o, err, errno);
    look_at_old(o);
    return make_part(o, &st, err);
}

int vmsim__output_open(struct vmsim__output *o, struct vmsim__alloc *alloc, const char *path, struct vmsim__err *err) {
    *o = (struct vmsim__output){.alloc = alloc, .directory = -1, .fd = -1};
    if (!*path)
        return vmsim__err_set(err, VMSIM_EINVAL, "the name of the output file is empty");
    o->part_room = strlen(path) + sizeof ".part9";
    o->path = vmsim__strdup(alloc, path);
    o->part = vmsim__malloc(alloc, o->part_room);
    if (!o->path || !o->part)
        return vmsim__err_set(err, VMSIM_ENOMEM, "%s", vmsim_error_text(VMSIM_ENOMEM));
    int code = open_directory(o, err);
    return code ? code : open_by_kind(o, err);
}

int vmsim__output_write(struct vmsim__output *o, const void *bytes, size_t size, struct vmsim__err *err) {
    VMSIM__ASSERT(o->fd >= 0);
    if (size && !o->offset && o->replaces && !begins_with(o->replaces, bytes, size))
        return vmsim__err_set(err, VMSIM_EIO,
                              "%s is %s, and is not replaced by a file of another kind: choose another "
                              "name, or remove it before",
                              o->path, o->replaces->what);
    for (const unsigned char *at = bytes; size;) {
        ssize_t n = write(o->fd, at, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return vmsim__err_set(err, VMSIM_EIO, "%s: byte %llu: %s", vmsim__output_name(o),
                                  (unsigned long long)o->offset, n ? reason(errno) : "nothing could be written");
        VMSIM__ASSERT((size_t)n <= size);
        at += n;
        size -= (size_t)n;
        o->offset += (uint64_t)n;
    }
    return 0;
}

/* On the way a directory, a device or a link may have come to bear the name: a rename would replace the latter two. */
static int put_in_place(struct vmsim__output *o, struct vmsim__err *err) {
    struct stat st;
    if (!is_ours(o))
        return vmsim__err_set(err, VMSIM_EIO, "%s: was replaced while it was written", o->part);
    if (!fstatat(o->directory, base_of(o->path), &st, AT_SYMLINK_NOFOLLOW) && !S_ISREG(st.st_mode))
        return vmsim__err_set(err, VMSIM_EIO, "%s: cannot be put in place: %s", o->path, why_refused(st.st_mode));
    if (renameat(o->directory, base_of(o->part), o->directory, base_of(o->path)))
        return vmsim__err_set(err, VMSIM_EIO, "%s: cannot be put in place: %s", o->path, reason(errno));
    o->parted = false;
    return 0;
}

/* A device cannot be synced; a file is, before it takes the place of an older one. */
int vmsim__output_commit(struct vmsim__output *o, struct vmsim__err *err) {
    VMSIM__ASSERT(o->fd >= 0);
    int failed = o->parted && fsync(o->fd) && errno != EINVAL && errno != ENOSYS ? errno : 0, fd = o->fd;
    o->fd = -1;
    if (close(fd) && !failed)
        failed = errno;
    if (failed)
        return vmsim__err_set(err, VMSIM_EIO, "%s: byte %llu: %s", vmsim__output_name(o), (unsigned long long)o->offset,
                              reason(failed));
    return o->parted ? put_in_place(o, err) : 0;
}

void vmsim__output_close(struct vmsim__output *o) {
    if (o->fd >= 0)
        close(o->fd);
    remove_part(o);
    if (o->directory >= 0)
        close(o->directory);
    o->directory = o->fd = -1;
    vmsim__strfree(o->alloc, o->path);
    vmsim__free(o->alloc, o->part, o->part_room);
    o->path = o->part = NULL;
    o->part_room = 0;
}

const char *vmsim__output_name(const struct vmsim__output *o) {
    return o->parted ? o->part : o->path ? o->path : "output";
}

int vmsim__output_whole(struct vmsim__alloc *alloc, const char *path, const char *text, size_t size,
                        struct vmsim__err *err) {
    struct vmsim__output o;
    int code = vmsim__output_open(&o, alloc, path, err);
    code = code ? code : vmsim__output_write(&o, text, size, err);
    code = code ? code : vmsim__output_commit(&o, err);
    vmsim__output_close(&o);
    return code;
}

bool vmsim__same_file(const char *a, const char *b) {
    struct stat x, y;
    return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}
