/* SPDX-License-Identifier: MIT */
/* What a real kernel said about its memory at boot, for tests: the machine as vmsim imports it, and beside it the facts
 * that the machine is held against (sweep.txt, proc_zoneinfo.txt, fallback orders, THP). */
#ifndef CAPTURE_PARSE_H
#define CAPTURE_PARSE_H
#include "base/err.h"
#include "base/vec.h"
#include "config/host_import.h"
#include "vmsim/host.h"

#define CAPTURE_NODES 64

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
    struct vmsim__capture files;
    struct vmsim__import import;
    struct vmsim__mem_spec spec;    /* the import's, with the kernel asked for; no sysctls */
    struct vmsim__node_spec *nodes; /* those of spec */
    unsigned nr_nodes;
    char fallback[CAPTURE_NODES][128]; /* "0 1 3 2 ", as printed */
    struct {
        VMSIM__VEC(struct vmsim__range_spec);
    } early[CAPTURE_NODES]; /* what the kernel made of the map: "Early memory node ranges" */
    uint64_t initrd_kb;
    unsigned long long boot_min_free_kbytes;
    char thp_enabled[16], thp_defrag[16]; /* the words in brackets */
    struct {
        VMSIM__VEC(struct capture_row);
    } rows, zoneinfo; /* sweep.txt; populated zones of proc_zoneinfo.txt, read before any sysctl was */
};

/* Fills `c` from the folder; `kernel` is a row of the kernel table. 0 or an error; free it either way. */
int capture_load(struct capture *c, struct vmsim__alloc *alloc, const char *folder, const char *kernel,
                 struct vmsim__err *err);
void capture_free(struct capture *c);

#endif
