/* SPDX-License-Identifier: MIT */
/* Where the parts of the capturing program lie, by architecture.
 *
 * It was built once for each: gcc 12 -O2 -static against glibc 2.36 (-march=i686 for 32-bit x86), of one text. What nm
 * and readelf say of such a build, and which pages a run of it touches first, is written down here as data; what the
 * program does is told once, in capturer.c, in terms of these names. Lists of addresses end with 0: one of each page,
 * or of each 64 KiB of what is mapped from its file, as that is mapped around a fault. */
#ifndef CAPTURER_LAYOUT_H
#define CAPTURER_LAYOUT_H
#include "machine/machine.h"

/* An address of the x86-64 build that a described program names, and where that lies here. */
struct capturer_alias {
    uint64_t usual, here;
};

struct capturer_layout {
    uint64_t file_bytes;
    struct vmsim__exec_segment segments[4];
    size_t segment_count;
    uint64_t relro, relro_pages; /* made read-only by the start-up code */
    /* until its workload begins */
    const uint64_t *boot_fetched, *boot_read, *boot_written;
    uint64_t log_bytes;            /* of the kernel's log, which it reads and prints */
    const uint64_t *late_written;  /* once huge pages are off; NULL: nothing */
    uint64_t small_from, small_to; /* memory for which it refuses huge pages before that */
    /* a child, in libc's part of fork: what it reads of what its parent wrote (NULL: nothing that is felt, as the CPU
     * marks by itself what is used), and the rest; one that then runs a workload; one that prints what changed */
    const uint64_t *child_read, *child_fetched, *workload_fetched, *workload_read, *print_fetched;
    const uint64_t *format_fetched, *format_read; /* snprintf and its tables */
    /* variables */
    uint64_t files;                            /* descriptors of the files that it reads */
    uint64_t dl_lock, fork_generation, thread; /* libc's */
    uint64_t big;                              /* boot part: a file's text */
    uint64_t output_length, output;
    uint64_t status_before, status_after, vmstat_before, vmstat_after, zones_before, zones_after; /* copies of texts */
    uint64_t phase, phase_number;
    uint64_t scratch;
    uint64_t before, after; /* struct snap */
    uint64_t no_nodes;      /* where it remembers that move_pages is not there; 0: it is */
    uint64_t drained;       /* a page that nobody uses, dropped to drain lists; 0: there is move_pages */
    bool gate;              /* system calls go by way of the vdso */
    bool yields_higher;     /* who waits for the other after a fork writes the page above fork's, too */
    const struct capturer_alias *aliases;
    size_t alias_count;
};

const struct capturer_layout *capturer_layout_of(const struct vmsim_machine *m);

#endif
