/* SPDX-License-Identifier: MIT */
/* Host files (see report_files.h). Directories are walked by descriptor, so that nothing moves under a write or a
 * removal. */
#include "report/report_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/util.h"

/* strerror() keeps state; this does not. */
static const char *reason(int number) {
    const char *text = strerrordesc_np(number);
    return text ? text : "unknown error";
}

int vmsim__files_open(struct vmsim__files *f, struct vmsim__alloc *alloc, const char *directory,
                      struct vmsim__err *err) {
    VMSIM__ASSERT(directory && *directory);
    *f = (struct vmsim__files){.alloc = alloc, .err = err, .directory = directory, .fd = -1};
    if (mkdir(directory, 0777) && errno != EEXIST)
        return vmsim__err_set(err, VMSIM_EIO, "cannot make the directory %s: %s", directory, reason(errno));
    f->fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f->fd < 0)
        return vmsim__err_set(err, VMSIM_EIO, "cannot open the directory %s: %s", directory, reason(errno));
    return 0;
}

void vmsim__files_close(struct vmsim__files *f) {
    for (size_t i = 0; i < f->entries.count; i++)
        vmsim__strfree(f->alloc, f->entries.at[i].path);
    vmsim__vec_fini(f->alloc, &f->entries);
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
}

/* The directory that `path` lies in, made on the way, and the path's last name; -1 with errno. Links are not followed:
 * the tree may be written into a directory that others write into, too. */
static int open_parent(struct vmsim__files *f, const char *path, const char **name) {
    VMSIM__ASSERT(f->fd >= 0 && path);
    int fd = dup(f->fd);
    for (const char *slash; fd >= 0 && (slash = strchr(path, '/')) != NULL; path = slash + 1) {
        char part[256];
        size_t n = (size_t)(slash - path);
        int inner = -1, number = ENAMETOOLONG;
        if (n < sizeof part) {
            memcpy(part, path, n);
            part[n] = '\0';
            if (!mkdirat(fd, part, 0777) || errno == EEXIST)
                inner = openat(fd, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            number = errno;
        }
        close(fd);
        fd = inner;
        errno = number;
    }
    *name = path;
    return fd;
}

static bool write_all(int fd, const char *text, size_t size) {
    VMSIM__ASSERT(fd >= 0 && (text || !size));
    while (size) {
        ssize_t n = write(fd, text, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        text += n;
        size -= (size_t)n;
    }
    return true;
}

/* A new file always: one that bears the name is taken away before, so that none of its other names is written to. */
static int make_file(int directory, const char *name) {
    VMSIM__ASSERT(directory >= 0 && name);
    static const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
    struct stat st;
    int fd = openat(directory, name, flags, 0666);
    if (fd >= 0 || errno != EEXIST || fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW))
        return fd;
    errno = EEXIST;
    return S_ISREG(st.st_mode) && !unlinkat(directory, name, 0) ? openat(directory, name, flags, 0666) : -1;
}

static int unwritable(struct vmsim__files *f, const char *path) {
    return vmsim__err_set(f->err, VMSIM_EIO, "cannot write %s/%s: %s", f->directory, path, reason(errno));
}

int vmsim__pieces_begin(struct vmsim__file_pieces *p, struct vmsim__files *f, const char *path) {
    const char *name;
    VMSIM__ASSERT(f->fd >= 0 && *path && *path != '/');
    *p = (struct vmsim__file_pieces){.files = f, .path = path, .fd = -1, .hash = XXH64_createState()};
    if (!p->hash)
        return p->error = vmsim__err_set(f->err, VMSIM_ENOMEM, "no memory to write %s", path);
    XXH64_reset(p->hash, 0);
    int directory = open_parent(f, path, &name);
    p->fd = directory < 0 ? -1 : make_file(directory, name);
    p->error = p->fd < 0 ? unwritable(f, path) : 0;
    if (directory >= 0)
        close(directory);
    return p->error;
}

int vmsim__pieces_put(void *pieces, const char *text, size_t size) {
    struct vmsim__file_pieces *p = pieces;
    VMSIM__ASSERT(!p->error && p->fd >= 0);
    if (!write_all(p->fd, text, size))
        return p->error = unwritable(p->files, p->path);
    XXH64_update(p->hash, text, size);
    p->size += size;
    return 0;
}

int vmsim__pieces_end(struct vmsim__file_pieces *p) {
    struct vmsim__files *f = p->files;
    if (p->fd >= 0 && close(p->fd) && !p->error)
        p->error = unwritable(f, p->path);
    struct vmsim__file_entry entry = {.size = p->size, .hash = p->hash ? XXH64_digest(p->hash) : 0};
    XXH64_freeState(p->hash);
    if (p->error)
        return p->error;
    entry.path = vmsim__strdup(f->alloc, p->path);
    if (entry.path && vmsim__vec_push(f->alloc, &f->entries, entry))
        return 0;
    vmsim__strfree(f->alloc, entry.path);
    return vmsim__err_set(f->err, VMSIM_ENOMEM, "no memory for the list of files");
}

int vmsim__files_write(struct vmsim__files *f, const char *path, const char *text, size_t size) {
    struct vmsim__file_pieces p;
    if (!vmsim__pieces_begin(&p, f, path))
        vmsim__pieces_put(&p, text, size);
    return vmsim__pieces_end(&p);
}

/* Removes what `name` is in the directory behind `fd`. */
static void remove_entry(int fd, const char *name);

/* Empties the directory behind `fd`, which is closed. Not by readdir(), which needs memory: a report that fails for
 * want of it must leave nothing behind. */
static void empty_directory(int fd) {
    VMSIM__ASSERT(fd >= 0);
    _Alignas(struct dirent64) char block[2048];
    for (ssize_t n; (n = getdents64(fd, block, sizeof block)) > 0;) {
        for (ssize_t at = 0; at < n;) {
            const struct dirent64 *entry = (const void *)(block + at);
            at += entry->d_reclen;
            if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                remove_entry(fd, entry->d_name);
        }
    }
    close(fd);
}

static void remove_entry(int fd, const char *name) {
    VMSIM__ASSERT(fd >= 0 && name);
    if (!unlinkat(fd, name, 0) || (errno != EISDIR && errno != EPERM))
        return;
    int inner = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (inner >= 0)
        empty_directory(inner);
    unlinkat(fd, name, AT_REMOVEDIR);
}

void vmsim__files_remove_tree(const char *directory) {
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0)
        empty_directory(fd);
    rmdir(directory);
}

int vmsim__fd_hash(int fd, uint64_t *size, uint64_t *hash) {
    char block[65536];
    ssize_t n;
    XXH64_state_t *state = XXH64_createState();
    VMSIM__ASSERT(fd >= 0);
    *size = 0;
    if (!state)
        return VMSIM_ENOMEM;
    XXH64_reset(state, 0);
    while ((n = read(fd, block, sizeof block)) > 0 || (n < 0 && errno == EINTR)) {
        if (n < 0)
            continue;
        XXH64_update(state, block, (size_t)n);
        *size += (uint64_t)n;
    }
    *hash = XXH64_digest(state);
    XXH64_freeState(state);
    return n < 0 ? VMSIM_EIO : 0;
}

int vmsim__file_hash(const char *path, uint64_t *size, uint64_t *hash) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int err = fd < 0 ? VMSIM_EIO : vmsim__fd_hash(fd, size, hash);
    if (fd >= 0)
        close(fd);
    return err;
}

/* A text that was handed out stands behind its block's size. */
#define HEAD 16u

int vmsim__textbuf_give(struct vmsim__textbuf *b, const char **text, size_t *size, struct vmsim__err *err) {
    size_t block = HEAD + b->count + 1;
    char *copy = b->failed ? NULL : vmsim__malloc(b->alloc, block);
    *text = NULL;
    if (size)
        *size = copy ? b->count : 0;
    if (copy) {
        memcpy(copy, &block, sizeof block);
        memcpy(copy + HEAD, vmsim__textbuf_text(b), b->count);
        copy[HEAD + b->count] = '\0';
        *text = copy + HEAD;
    }
    vmsim__textbuf_fini(b);
    return copy ? 0 : vmsim__err_set(err, VMSIM_ENOMEM, "no memory for a report");
}

void vmsim__text_free(struct vmsim__alloc *alloc, const char *text) {
    size_t block;
    if (!text)
        return;
    memcpy(&block, text - HEAD, sizeof block);
    VMSIM__ASSERT(block > HEAD && !text[block - HEAD - 1]);
    vmsim__free(alloc, (void *)(uintptr_t)(text - HEAD), block);
}
