/* SPDX-License-Identifier: MIT */
/* What the plugin knows of descriptors and guest memory. Guest and host descriptors are the same numbers, guest and
 * host addresses too (qemu-x86_64 on x86-64 has guest_base 0, and -B 0 keeps it so). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include "trace/plugin/plugin.h"

enum { TOLD = 1 << 12 };

/* File systems whose files the kernel writes as they are read: a length of 0, and no page in memory. */
static bool is_made_up(const struct statfs *fs) {
    static const uint64_t magics[] = {PROC_SUPER_MAGIC, SYSFS_MAGIC,    CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC,
                                      DEBUGFS_MAGIC,    TRACEFS_MAGIC,  SECURITYFS_MAGIC,   BINFMTFS_MAGIC,
                                      BPF_FS_MAGIC,     PSTOREFS_MAGIC, EFIVARFS_MAGIC,     NSFS_MAGIC};
    for (size_t i = 0; i < sizeof magics / sizeof magics[0]; i++)
        if ((uint64_t)fs->f_type == magics[i])
            return true;
    return false;
}

/* What a mapping or a read of the file costs in the kernel decides: page cache, shared memory, or no pages at all. */
static uint32_t kind_of(int fd, const char *path, mode_t mode) {
    struct statfs fs;
    if (S_ISDIR(mode))
        return VMSIM_TRACE_FILE_DIRECTORY;
    if (S_ISCHR(mode) || S_ISBLK(mode))
        return VMSIM_TRACE_FILE_DEVICE;
    if (!S_ISREG(mode))
        return VMSIM_TRACE_FILE_PIPE;
    if (path ? statfs(path, &fs) : fstatfs(fd, &fs))
        return VMSIM_TRACE_FILE_REGULAR;
    if (fs.f_type == TMPFS_MAGIC || fs.f_type == HUGETLBFS_MAGIC)
        return VMSIM_TRACE_FILE_SHM;
    if (is_made_up(&fs))
        return VMSIM_TRACE_FILE_DEVICE;
    return VMSIM_TRACE_FILE_REGULAR;
}

/* Device and inode are not enough, as an inode number is used again at once on some file systems; the time of birth
 * tells the two apart where there is one. */
static struct arena_file file_of(const struct statx *st, uint32_t kind) {
    struct arena_file f = {.dev = makedev(st->stx_dev_major, st->stx_dev_minor),
                           .ino = st->stx_ino,
                           .size = st->stx_size,
                           .kind = kind,
                           .known = 1};
    if (st->stx_mask & STATX_BTIME)
        f.birth = (uint64_t)st->stx_btime.tv_sec * 1000000000u + st->stx_btime.tv_nsec;
    return f;
}

struct arena_file plugin_file(int fd) {
    struct statx st;
    if (fd < 0 || statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &st))
        return (struct arena_file){0};
    return file_of(&st, kind_of(fd, NULL, st.stx_mode));
}

/* The file system's kind is that of the directory where the name is: a path relative to a descriptor counts as a
 * regular file's unless its descriptor says otherwise. */
struct arena_file plugin_file_at(int dirfd, const char *path, uint32_t *links) {
    struct statx st;
    int saved = errno, err = statx(dirfd, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &st);
    errno = saved;
    *links = err ? 0 : st.stx_nlink;
    if (err || !S_ISREG(st.stx_mode))
        return (struct arena_file){0};
    return file_of(&st, path[0] == '/' || dirfd == AT_FDCWD ? kind_of(-1, path, st.stx_mode)
                                                            : kind_of(dirfd, NULL, st.stx_mode));
}

/* Of a descriptor of the guest, which is one of the host; "" where it has no path. */
const char *plugin_file_path(int fd, char *path, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, size - 1);
    path[n > 0 ? n : 0] = 0;
    return path;
}

/* A small cache without a chain: a collision only tells a path once more. */
bool plugin_file_told(const struct arena_file *f) {
    static struct arena_file told[TOLD];
    uint64_t h = (f->dev * 31 + f->ino + f->birth) * UINT64_C(0x9e3779b97f4a7c15);
    pthread_mutex_lock(&plugin.lock);
    struct arena_file *t = &told[h >> 52];
    bool same = t->known && t->dev == f->dev && t->ino == f->ino && t->birth == f->birth;
    *t = *f;
    pthread_mutex_unlock(&plugin.lock);
    return same;
}

/* By a system call, so that a bad address is an error and not a SIGSEGV in the emulator. errno is the guest's: the
 * emulator hands it on after the plugin. */
size_t plugin_read_guest(uint64_t va, void *to, size_t bytes) {
    struct iovec local = {to, bytes}, remote = {(void *)(uintptr_t)va, bytes};
    int saved = errno;
    ssize_t n = va ? process_vm_readv(getpid(), &local, 1, &remote, 1, 0) : 0;
    errno = saved;
    return n > 0 ? (size_t)n : 0;
}

size_t plugin_write_guest(uint64_t va, const void *from, size_t bytes) {
    struct iovec local = {(void *)(uintptr_t)from, bytes}, remote = {(void *)(uintptr_t)va, bytes};
    int saved = errno;
    ssize_t n = va ? process_vm_writev(getpid(), &local, 1, &remote, 1, 0) : 0;
    errno = saved;
    return n > 0 ? (size_t)n : 0;
}

/* Page by page, as a string may end right before memory that is not mapped. */
int64_t plugin_read_string(uint64_t va, char *to, size_t size) {
    size_t length = 0;
    while (length + 1 < size) {
        size_t page = 4096 - ((va + length) & 4095), want = size - 1 - length;
        size_t n = plugin_read_guest(va + length, to + length, want < page ? want : page);
        const char *end = n ? memchr(to + length, 0, n) : NULL;
        if (end)
            return end - to;
        if (!n)
            return -1;
        length += n;
    }
    to[length] = 0;
    return (int64_t)length;
}
