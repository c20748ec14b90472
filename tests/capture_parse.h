/* SPDX-License-Identifier: MIT */
/* Reads what a real kernel said about its memory at boot into a machine description.
 *
 * A capture is a folder with dmesg_mm.txt (firmware map, SRAT, options, fallback orders, what boot freed late),
 * node_*.txt (CPUs, distances), proc_iomem.txt and sweep.txt (zones under several settings; its first rows give the
 * managed frames). */
#ifndef CAPTURE_PARSE_H
#define CAPTURE_PARSE_H
#include "base/err.h"
#include "base/vec.h"
#include "zones/mem_spec.h"

#define CAPTURE_NODES 64
#define CAPTURE_CPUS 256

/* One zone under one setting. */
struct capture_row {
    char setting[64], zone[16], protection[128];
    unsigned node;
    unsigned long long min, low, high, spanned, present, managed;
    long long pcp_high, pcp_batch;
    unsigned long long threshold, start_pfn; /* of zoneinfo alone */
};

struct capture {
    struct vmsim__alloc *alloc;
    struct vmsim__mem_spec spec; /* points into the members below: do not copy the struct */
    struct vmsim__node_spec nodes[CAPTURE_NODES];
    char cmdline[1024];
    unsigned nr_nodes;
    char fallback[CAPTURE_NODES][128]; /* "0 1 3 2 ", as printed */
    unsigned long long boot_min_free_kbytes;
    char thp_enabled[16], thp_defrag[16]; /* the words in brackets */
    /* owned lists behind spec */
    struct {
        VMSIM__VEC(struct vmsim__range_spec);
    } map, ranges[CAPTURE_NODES], early[CAPTURE_NODES]; /* early: what the kernel made of them, to compare with */
    struct {
        VMSIM__VEC(uint64_t);
    } cpus[CAPTURE_NODES], distances[CAPTURE_NODES];
    struct {
        VMSIM__VEC(struct vmsim__reserve_spec);
    } reserved[CAPTURE_NODES];
    struct {
        VMSIM__VEC(struct capture_row);
    } rows, zoneinfo; /* sweep.txt; populated zones of proc_zoneinfo.txt, read before any sysctl was */
    /* while reading */
    uint64_t kernel_address, initrd_end, initrd_kb, init_kb;
    uint64_t movable_start[CAPTURE_NODES];
};

/* Fills `c` from the folder; `kernel` is a row of the kernel table. 0 or an error; free it either way. */
int capture_load(struct capture *c, struct vmsim__alloc *alloc, const char *folder, const char *kernel,
                 struct vmsim__err *err);
void capture_free(struct capture *c);

#endif
