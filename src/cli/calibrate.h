/* SPDX-License-Identifier: MIT */
/* Native probes of this host: what its kernel's paths and its memory cost (`vmsim calibrate`). Each probe does the same
 * thing thousands of times and says how long one takes; it is repeated, and the median stands, with the middle half of
 * all repetitions as its error. Probes run on one CPU. The host's clock decides nothing that is simulated: what is
 * measured here becomes a file, and the file is what a machine reads. */
#ifndef VMSIM_CLI_CALIBRATE_H
#define VMSIM_CLI_CALIBRATE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CALIBRATE_REPEATS_MAX 101u

/* Picoseconds of one operation. */
struct calibrate_result {
    bool known;             /* the host could do it */
    uint64_t median;        /* of all repetitions */
    uint64_t lower, higher; /* quartiles */
};

enum calibrate_probe {
    CALIBRATE_SYSCALL,
    CALIBRATE_PATH,       /* access() of a file that is there */
    CALIBRATE_OPEN,       /* openat() and close() of it */
    CALIBRATE_MESSAGE,    /* write() and read() of a byte through a pipe: two calls */
    CALIBRATE_SOCKET,     /* write() and read() of a byte between two Unix sockets: two calls */
    CALIBRATE_OBJECT,     /* pipe() and closing its ends */
    CALIBRATE_WAIT,       /* poll() of what is ready */
    CALIBRATE_CLONE,      /* vfork() and waitpid() of a child that ends at once: the parent's part */
    CALIBRATE_EXIT,       /* what that child takes */
    CALIBRATE_EXEC,       /* what it takes more if it executes a program of three instructions */
    CALIBRATE_SWITCH,     /* half of a pipe's ping-pong */
    CALIBRATE_READ_FAULT, /* first read of an anonymous page: the zero page is mapped */
    CALIBRATE_ANON_FAULT, /* first write */
    CALIBRATE_ZERO,       /* clearing 4 KiB that no cache holds */
    CALIBRATE_ZERO_HUGE,  /* 2 MiB */
    CALIBRATE_COPY,       /* copying 4 KiB that no cache holds */
    CALIBRATE_MMAP,
    CALIBRATE_MUNMAP,
    CALIBRATE_MPROTECT,
    CALIBRATE_UNMAP,       /* a page that munmap() takes away and frees */
    CALIBRATE_UNMAP_ZERO,  /* one that it only takes away, the zero page */
    CALIBRATE_CACHED_READ, /* pread() of 4 KiB in the page cache, its entering of the kernel left out */
    CALIBRATE_CYCLE,       /* of the CPU: an addition that waits for the one before */
    CALIBRATE_NEAR,        /* a load that depends on the one before, of lines side by side */
    CALIBRATE_FAR,         /* the same of as many lines, each in a page of its own: a walk more */
    CALIBRATE_FAR_HUGE,    /* the same pages in huge pages */
    CALIBRATE_PROBES
};

/* Name and unit of work, for people. */
const char *calibrate_name(enum calibrate_probe probe);
struct calibrate_result calibrate_measure(enum calibrate_probe probe, unsigned repeats);
/* Median and quartiles of `n` measurements, which are sorted; not known if there are none. */
struct calibrate_result calibrate_middle(uint64_t *took, unsigned n);

enum calibrate_transfer {
    CALIBRATE_SMALL, /* 4 KiB, one at a time */
    CALIBRATE_LARGE, /* 1 MiB, one at a time */
    CALIBRATE_MANY,  /* 4 KiB, sixteen at a time: one of them */
    CALIBRATE_TRANSFERS
};
/* Of reads, and of writes. */
struct calibrate_device {
    struct calibrate_result of[2][CALIBRATE_TRANSFERS];
};
/* What lies below a directory. 0, or the errno with which the host refuses it (EINVAL: a file system in memory). */
int calibrate_device(const char *directory, unsigned repeats, struct calibrate_device *device);

#endif
