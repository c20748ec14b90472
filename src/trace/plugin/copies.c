/* SPDX-License-Identifier: MIT */
/* What the kernel itself reads and writes of a program's memory during a system call.
 *
 * Such copies raise no memory callback, yet on a real machine copy_to_user() and copy_from_user() touch and fault
 * pages like the program does. The table says for each system call which argument points to what, of which length;
 * the references made from it are one per page touched. Lengths in bytes are those of Linux's x86-64 structures. */
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "trace/plugin/plugin.h"

enum rule {
    FIXED,   /* `length` bytes */
    RESULT,  /* result * `length` bytes */
    ARG,     /* args[other] * `length` bytes */
    STRING,  /* up to and including the NUL */
    VECTOR,  /* struct iovec[args[other]], `result` bytes in all */
    MESSAGE, /* struct msghdr, `result` bytes in all */
    SOCKLEN, /* as many bytes as the u32 at args[other] says */
    BITS,    /* fd_set of args[other] descriptors */
    PAGES,   /* a byte per page of args[other] bytes */
};

struct copy {
    uint16_t number;
    uint8_t arg;
    uint8_t rule;
    uint8_t store; /* the kernel writes */
    uint8_t other;
    uint16_t length;
};

#define IN(name, arg, rule, other, length)                                                                             \
    { SYS_##name, arg, rule, 0, other, length }
#define OUT(name, arg, rule, other, length)                                                                            \
    { SYS_##name, arg, rule, 1, other, length }
#define PATH(name, arg)                                                                                                \
    { SYS_##name, arg, STRING, 0, 0, 0 }

static const struct copy copies[] = {
    OUT(read, 1, RESULT, 0, 1),
    OUT(pread64, 1, RESULT, 0, 1),
    OUT(readv, 1, VECTOR, 2, 1),
    OUT(preadv, 1, VECTOR, 2, 1),
    OUT(preadv2, 1, VECTOR, 2, 1),
    IN(write, 1, RESULT, 0, 1),
    IN(pwrite64, 1, RESULT, 0, 1),
    IN(writev, 1, VECTOR, 2, 1),
    IN(pwritev, 1, VECTOR, 2, 1),
    IN(pwritev2, 1, VECTOR, 2, 1),
    IN(vmsplice, 1, VECTOR, 2, 1),
    /* sockets */
    OUT(recvfrom, 1, RESULT, 0, 1),
    OUT(recvfrom, 4, SOCKLEN, 5, 1),
    IN(sendto, 1, RESULT, 0, 1),
    IN(sendto, 4, ARG, 5, 1),
    OUT(recvmsg, 1, MESSAGE, 0, 1),
    IN(sendmsg, 1, MESSAGE, 0, 1),
    IN(connect, 1, ARG, 2, 1),
    IN(bind, 1, ARG, 2, 1),
    OUT(accept, 1, SOCKLEN, 2, 1),
    OUT(accept4, 1, SOCKLEN, 2, 1),
    OUT(getsockname, 1, SOCKLEN, 2, 1),
    OUT(getpeername, 1, SOCKLEN, 2, 1),
    OUT(getsockopt, 3, SOCKLEN, 4, 1),
    IN(setsockopt, 3, ARG, 4, 1),
    OUT(socketpair, 3, FIXED, 0, 8),
    /* files */
    OUT(stat, 1, FIXED, 0, 144),
    OUT(fstat, 1, FIXED, 0, 144),
    OUT(lstat, 1, FIXED, 0, 144),
    OUT(newfstatat, 2, FIXED, 0, 144),
    OUT(statx, 4, FIXED, 0, 256),
    OUT(statfs, 1, FIXED, 0, 120),
    OUT(fstatfs, 1, FIXED, 0, 120),
    OUT(getdents, 1, RESULT, 0, 1),
    OUT(getdents64, 1, RESULT, 0, 1),
    OUT(readlink, 1, RESULT, 0, 1),
    OUT(readlinkat, 2, RESULT, 0, 1),
    OUT(getcwd, 0, RESULT, 0, 1),
    OUT(pipe, 0, FIXED, 0, 8),
    OUT(pipe2, 0, FIXED, 0, 8),
    IN(sendfile, 2, FIXED, 0, 8),
    OUT(sendfile, 2, FIXED, 0, 8),
    OUT(getxattr, 2, RESULT, 0, 1),
    OUT(lgetxattr, 2, RESULT, 0, 1),
    OUT(fgetxattr, 2, RESULT, 0, 1),
    OUT(listxattr, 1, RESULT, 0, 1),
    IN(utimensat, 2, FIXED, 0, 32),
    PATH(open, 0),
    PATH(creat, 0),
    PATH(stat, 0),
    PATH(lstat, 0),
    PATH(access, 0),
    PATH(chdir, 0),
    PATH(rename, 0),
    PATH(rename, 1),
    PATH(mkdir, 0),
    PATH(rmdir, 0),
    PATH(link, 0),
    PATH(link, 1),
    PATH(unlink, 0),
    PATH(symlink, 0),
    PATH(symlink, 1),
    PATH(readlink, 0),
    PATH(chmod, 0),
    PATH(chown, 0),
    PATH(lchown, 0),
    PATH(statfs, 0),
    PATH(truncate, 0),
    PATH(openat, 1),
    PATH(mkdirat, 1),
    PATH(fchownat, 1),
    PATH(newfstatat, 1),
    PATH(unlinkat, 1),
    PATH(renameat, 1),
    PATH(renameat, 3),
    PATH(renameat2, 1),
    PATH(renameat2, 3),
    PATH(readlinkat, 1),
    PATH(fchmodat, 1),
    PATH(faccessat, 1),
    PATH(faccessat2, 1),
    PATH(utimensat, 1),
    PATH(statx, 1),
    PATH(memfd_create, 0),
    PATH(getxattr, 0),
    PATH(getxattr, 1),
    PATH(lgetxattr, 0),
    PATH(lgetxattr, 1),
    PATH(fgetxattr, 1),
    PATH(execve, 0),
    /* waiting */
    IN(poll, 0, ARG, 1, 8),
    OUT(poll, 0, ARG, 1, 8),
    IN(ppoll, 0, ARG, 1, 8),
    OUT(ppoll, 0, ARG, 1, 8),
    OUT(select, 1, BITS, 0, 1),
    OUT(select, 2, BITS, 0, 1),
    OUT(select, 3, BITS, 0, 1),
    OUT(pselect6, 1, BITS, 0, 1),
    OUT(pselect6, 2, BITS, 0, 1),
    OUT(pselect6, 3, BITS, 0, 1),
    OUT(epoll_wait, 1, RESULT, 0, 12),
    OUT(epoll_pwait, 1, RESULT, 0, 12),
    IN(epoll_ctl, 3, FIXED, 0, 12),
    OUT(wait4, 1, FIXED, 0, 4),
    OUT(wait4, 3, FIXED, 0, 144),
    OUT(waitid, 2, FIXED, 0, 128),
    OUT(waitid, 4, FIXED, 0, 144),
    IN(futex, 0, FIXED, 0, 4),
    IN(nanosleep, 0, FIXED, 0, 16),
    IN(clock_nanosleep, 2, FIXED, 0, 16),
    /* signals and time */
    IN(rt_sigaction, 1, FIXED, 0, 32),
    OUT(rt_sigaction, 2, FIXED, 0, 32),
    IN(rt_sigprocmask, 1, FIXED, 0, 8),
    OUT(rt_sigprocmask, 2, FIXED, 0, 8),
    OUT(rt_sigpending, 0, FIXED, 0, 8),
    IN(rt_sigsuspend, 0, FIXED, 0, 8),
    OUT(rt_sigtimedwait, 1, FIXED, 0, 128),
    IN(sigaltstack, 0, FIXED, 0, 24),
    OUT(sigaltstack, 1, FIXED, 0, 24),
    OUT(gettimeofday, 0, FIXED, 0, 16),
    OUT(gettimeofday, 1, FIXED, 0, 8),
    OUT(time, 0, FIXED, 0, 8),
    OUT(clock_gettime, 1, FIXED, 0, 16),
    OUT(clock_getres, 1, FIXED, 0, 16),
    OUT(times, 0, FIXED, 0, 32),
    OUT(getitimer, 1, FIXED, 0, 32),
    IN(setitimer, 1, FIXED, 0, 32),
    OUT(setitimer, 2, FIXED, 0, 32),
    IN(timerfd_settime, 2, FIXED, 0, 32),
    OUT(timerfd_settime, 3, FIXED, 0, 32),
    IN(timer_settime, 2, FIXED, 0, 32),
    /* the system and the process */
    OUT(uname, 0, FIXED, 0, 390),
    OUT(sysinfo, 0, FIXED, 0, 112),
    OUT(getrusage, 1, FIXED, 0, 144),
    OUT(getrlimit, 1, FIXED, 0, 16),
    IN(setrlimit, 1, FIXED, 0, 16),
    IN(prlimit64, 2, FIXED, 0, 16),
    OUT(prlimit64, 3, FIXED, 0, 16),
    OUT(getrandom, 0, RESULT, 0, 1),
    IN(sched_setaffinity, 2, ARG, 1, 1),
    OUT(sched_getaffinity, 2, RESULT, 0, 1),
    OUT(getcpu, 0, FIXED, 0, 4),
    OUT(getcpu, 1, FIXED, 0, 4),
    OUT(getresuid, 0, FIXED, 0, 4),
    OUT(getresuid, 1, FIXED, 0, 4),
    OUT(getresuid, 2, FIXED, 0, 4),
    OUT(getresgid, 0, FIXED, 0, 4),
    OUT(getresgid, 1, FIXED, 0, 4),
    OUT(getresgid, 2, FIXED, 0, 4),
    OUT(getgroups, 1, RESULT, 0, 4),
    OUT(mincore, 2, PAGES, 1, 1),
    OUT(capget, 1, FIXED, 0, 24),
};

/* At most `left` bytes over the buffers of an iovec array in guest memory. */
static void copy_vector(struct vcpu *v, uint64_t at, uint64_t count, uint64_t left, enum vmsim_access_type type) {
    struct iovec vec;
    plugin_range(v, at, (count < 1024 ? count : 1024) * sizeof vec, VMSIM_LOAD);
    for (; count && left; count--, at += sizeof vec) {
        if (plugin_read_guest(at, &vec, sizeof vec) != sizeof vec)
            return;
        uint64_t n = vec.iov_len < left ? vec.iov_len : left;
        plugin_range(v, (uint64_t)(uintptr_t)vec.iov_base, n, type);
        left -= n;
    }
}

static void copy_message(struct vcpu *v, uint64_t at, uint64_t bytes, enum vmsim_access_type type) {
    uint64_t header[7]; /* struct msghdr: iov at 2, count at 3, control at 4, its length at 5 */
    if (plugin_read_guest(at, header, sizeof header) != sizeof header)
        return;
    plugin_range(v, at, sizeof header, VMSIM_LOAD);
    copy_vector(v, header[2], header[3], bytes, type);
    plugin_range(v, header[4], header[5] < 4096 ? header[5] : 4096, type);
}

static uint64_t length_of(const struct copy *c, const struct vcpu *v, uint64_t result) {
    uint32_t length = 0;
    char path[4096];
    switch ((enum rule)c->rule) {
    case FIXED:
        return c->length;
    case RESULT:
        return result * c->length;
    case ARG:
        return v->args[c->other] < 1u << 20 ? v->args[c->other] * c->length : 0;
    case STRING:
        return (uint64_t)(plugin_read_string(v->args[c->arg], path, sizeof path) + 1);
    case SOCKLEN:
        plugin_read_guest(v->args[c->other], &length, sizeof length);
        return length < 4096 ? length : 0;
    case BITS:
        return v->args[c->other] < 1u << 20 ? (v->args[c->other] + 63) / 64 * 8 : 0;
    case PAGES:
        return (v->args[c->other] + 4095) / 4096;
    case VECTOR:
    case MESSAGE:
        return 0;
    }
    return 0;
}

static void do_copy(struct vcpu *v, const struct copy *c, int64_t result) {
    enum vmsim_access_type type = c->store ? VMSIM_STORE : VMSIM_LOAD;
    uint64_t va = v->args[c->arg], done = result > 0 ? (uint64_t)result : 0;
    if (!va)
        return;
    if (c->rule == VECTOR)
        copy_vector(v, va, v->args[c->other], done, type);
    else if (c->rule == MESSAGE)
        copy_message(v, va, done, type);
    else
        plugin_range(v, va, length_of(c, v, done), type);
}

/* ioctl's numbers carry direction and size; the old terminal ones do not. */
static void copy_ioctl(struct vcpu *v, bool store) {
    uint64_t request = v->args[1], size = request >> 16 & 0x3fff, direction = request >> 30 & 3;
    if (request == 0x5401) /* TCGETS */
        size = 36, direction = 2;
    if (request == 0x5413 || request == 0x541b) /* TIOCGWINSZ, FIONREAD */
        size = request == 0x5413 ? 8 : 4, direction = 2;
    if (direction & (store ? 2u : 1u))
        plugin_range(v, v->args[2], size, store ? VMSIM_STORE : VMSIM_LOAD);
}

static void do_copies(struct vcpu *v, int64_t result, bool store) {
    if (v->number == SYS_ioctl)
        copy_ioctl(v, store);
    for (size_t i = 0; i < sizeof copies / sizeof copies[0]; i++)
        if (copies[i].number == v->number && copies[i].store == store)
            do_copy(v, &copies[i], result);
}

void plugin_copies_in(struct vcpu *v, int64_t result) {
    if (result != -14) /* EFAULT */
        do_copies(v, result, false);
}

void plugin_copies_out(struct vcpu *v, int64_t result) {
    if (result >= 0)
        do_copies(v, result, true);
}
