/* SPDX-License-Identifier: MIT */
/* A capture's facts on their way to a machine description.
 *
 *     capture --host_arch.c, host_facts.c--> facts: firmware map, nodes, zones, kernel, options --host_memory.c-->
 * mem_spec
 *                                                                                       |
 *         YAML with origins <--host_emit.c-- sysctls that differ from what follows <--host_sysctl.c
 *
 * Each step leaves a note for what it misses, and takes the next best source. The kernel's own results (zoneinfo) are
 * looked at for `reserved`, and for ranges only where neither firmware map nor resource tree can be read. */
#ifndef VMSIM__HOST_IMPORT_H
#define VMSIM__HOST_IMPORT_H
#include "config/capture.h"
#include "zones/mem_spec.h"
#include "zones/zones.h"

#define VMSIM__IMPORT_NODES VMSIM__MAX_NODES

/* A populated zone of proc_zoneinfo.txt; frames. */
struct vmsim__import_zone {
    unsigned node;
    int type; /* enum vmsim__zone_type */
    uint64_t start, spanned, present, managed, boost, cma;
    uint64_t cpus; /* pagesets listed */
};

/* A range with the text it was read from. */
struct vmsim__import_range {
    struct vmsim__range_spec range;
    const char *origin;
};

struct vmsim__import_node {
    bool online;
    struct {
        VMSIM__VEC(struct vmsim__import_range);
    } ranges, early; /* of the firmware; "Early memory node ranges", what the kernel made of them */
    struct {
        VMSIM__VEC(uint64_t);
    } cpus, distances;
    struct {
        VMSIM__VEC(struct vmsim__reserve_spec);
    } reserved;
    struct {
        VMSIM__VEC(const char *);
    } reserved_origin;
    uint64_t memory; /* simple form */
    uint64_t movable_start;
};

struct vmsim__import_sysctl {
    const char *name, *value, *origin;
};

struct vmsim__import {
    struct vmsim__alloc *alloc;
    struct vmsim__capture *capture;
    struct vmsim__err *err;
    /* facts */
    const char *release;        /* "6.1.0-56-amd64", or NULL */
    const char *kernel_comment; /* how `kernel` was chosen */
    const char *cmdline;        /* or NULL */
    const char *cmdline_origin;
    const char *preset, *preset_origin; /* of TLBs, or NULL */
    bool no_hardware_flags;             /* Armv8.0: entries' flags are the kernel's to set */
    bool la57;
    const char *arch_origin;
    uint64_t page;       /* bytes of a page */
    uint64_t vvar_pages; /* the kernel's data pages in every address space; 0: not known */
    unsigned nr_nodes;
    uint64_t nr_cpus; /* when no node names them; else 0 */
    const char *cpus_origin;
    struct {
        VMSIM__VEC(struct vmsim__import_range);
    } map, user_map;
    struct vmsim__import_node nodes[VMSIM__IMPORT_NODES];
    struct {
        VMSIM__VEC(struct vmsim__import_zone);
    } zones;
    uint64_t kernel_address, initrd_end; /* 0: not known */
    uint64_t initrd_kb, init_kb;
    bool have_init; /* dmesg_mm.txt reaches to the end of boot */
    struct {
        VMSIM__VEC(struct vmsim__import_sysctl);
    } sysctls;
    struct vmsim__hugetlb_spec pools[VMSIM__HUGETLB_OPTIONS]; /* of spec.hugetlb */
    /* the result; its lists are in the capture's arena */
    struct vmsim__mem_spec spec;
};

/* Everything: from the capture to im->spec and im->sysctls. `flags` of vmsim_host_flags. 0 or an error. */
int vmsim__import_run(struct vmsim__import *im, struct vmsim__capture *c, unsigned flags, struct vmsim__err *err);
void vmsim__import_fini(struct vmsim__import *im);

/* The steps. 0 or an error. */
int vmsim__import_arch(struct vmsim__import *im);   /* host_arch.c: spec.arch, page */
int vmsim__import_facts(struct vmsim__import *im);  /* host_facts.c */
int vmsim__import_zones(struct vmsim__import *im);  /* host_zones.c */
int vmsim__import_memory(struct vmsim__import *im); /* host_memory.c */
int vmsim__import_sysctls(struct vmsim__import *im, struct vmsim__mem *mem);
/* The page-table format, which is what a description calls its architecture; NULL: it is not modelled. */
const char *vmsim__import_format(const struct vmsim__import *im);
/* The machine description. */
void vmsim__import_emit(const struct vmsim__import *im, struct vmsim__textbuf *b);

static inline int vmsim__import_nomem(struct vmsim__import *im) {
    return vmsim__err_set(im->err, VMSIM_ENOMEM, "no memory");
}

#endif
