/* SPDX-License-Identifier: MIT */
/* What a machine description says about translation hardware, as plain values bound by parameter tables.
 *
 *     tlb:
 *       clock: 3000                            # MHz: turns cycles into time
 *       arrays:                                # every physical array of entries, probed by level
 *         - {name: L1D-4K, level: 1, holds: data, sizes: [4KiB], entries: 64, ways: 4}
 *         - {name: STLB, level: 2, holds: both, sizes: [4KiB, 2MiB], entries: 1536, ways: 12, latency: 7}
 *       walk_caches: [{level: 1, entries: 32}, {level: 2, entries: 4}]
 *       asid: {mode: dynamic, bits: 12, dynamic: 6}
 *       prefetch: {name: next-page, params: {degree: 1}}
 *       shootdown: {mode: ipi, ceiling: 33}
 *
 * All arrays of one level whose `holds` suits the access are looked up together; a level's miss goes to the next. A
 * page whose size no array of a level holds is kept there in pieces of the largest size that the level does hold
 * (AMD's smashing, Arm's ignored contiguous hint), or not at all. A struct without arrays means: no TLB at all. */
#ifndef VMSIM__TLB_SPEC_H
#define VMSIM__TLB_SPEC_H
#include <stdbool.h>
#include <stdint.h>

#include "base/policy_registry.h"
#include "vmsim/param.h"

#define VMSIM__TLB_ARRAYS 16 /* most arrays of one CPU */
#define VMSIM__TLB_LEVELS 4  /* most levels */
#define VMSIM__TLB_SIZES 7   /* most page sizes of one format */

enum vmsim__tlb_holds { VMSIM__TLB_INSTRUCTION, VMSIM__TLB_DATA, VMSIM__TLB_BOTH };
enum vmsim__tlb_index { VMSIM__TLB_MODULO, VMSIM__TLB_HASH };
enum vmsim__asid_mode { VMSIM__ASID_NONE, VMSIM__ASID_DYNAMIC, VMSIM__ASID_ARCHITECTURAL };
enum vmsim__shootdown_mode { VMSIM__SHOOTDOWN_IPI, VMSIM__SHOOTDOWN_BROADCAST };

/* Pages of `size` may live only in ways [first, first + ways) of each set (Ice Lake's second level). */
struct vmsim__tlb_ways_spec {
    uint64_t size, first, ways;
};

struct vmsim__tlb_array_spec {
    const char *name;                        /* in reports; unique */
    uint64_t level;                          /* 1 is looked up first */
    int holds;                               /* enum vmsim__tlb_holds */
    struct vmsim_param_list sizes;           /* uint64_t bytes; empty: every size of the format */
    uint64_t entries, ways;                  /* ways 0: fully associative */
    int index;                               /* enum vmsim__tlb_index; sets need not be a power of two */
    uint64_t latency;                        /* cycles of a hit (added to those of the levels looked up before it) */
    bool inclusive;                          /* what leaves this array leaves the levels before it, too */
    struct vmsim__policy_choice replacement; /* default "lru" */
    struct vmsim_param_list ways_for;        /* struct vmsim__tlb_ways_spec */
};

/* Paging-structure cache: entries read at `level` (1 PDE, 2 PDPTE, 3 PML4E ...) of tables, never leaves. */
struct vmsim__walk_cache_spec {
    uint64_t level, entries, ways; /* ways 0: fully associative */
};

struct vmsim__asid_spec {
    int mode;         /* enum vmsim__asid_mode */
    uint64_t bits;    /* tag width, 0..16 */
    uint64_t dynamic; /* DYNAMIC: address spaces remembered by a CPU (TLB_NR_DYN_ASIDS) */
};

struct vmsim__shootdown_spec {
    int mode;             /* enum vmsim__shootdown_mode */
    uint64_t ceiling;     /* more strides than this: the whole address space (tlb_single_page_flush_ceiling) */
    uint64_t ipi;         /* ns that the initiator waits: first remote CPU */
    uint64_t ipi_each;    /* ns more for each further remote CPU */
    uint64_t ipi_receive; /* ns taken from each interrupted CPU */
    uint64_t flush_one;   /* ns of one invalidation (INVLPG, TLBI) */
    uint64_t flush_all;   /* ns of a full one (CR3 write) */
};

/* The tables of an emulated CPU, in place of arrays and walk caches. */
struct vmsim__softmmu_spec {
    uint64_t entries;     /* direct-mapped pages at first, 2^n; 0: the CPU is hardware */
    uint64_t entries_max; /* a table that is much used grows up to there, 2^n */
    uint64_t victims;     /* pages that were displaced last */
    uint64_t blocks;      /* of code, known by their address, 2^n; 0: each fetch asks for its page */
};

struct vmsim__tlb_spec {
    uint64_t clock; /* MHz */
    bool bypass;    /* no hardware: arrays and walk caches are empty */
    struct vmsim__softmmu_spec softmmu;
    struct vmsim_param_list arrays;      /* struct vmsim__tlb_array_spec */
    struct vmsim_param_list walk_caches; /* struct vmsim__walk_cache_spec */
    uint64_t walk_latency;               /* cycles to start a walk */
    uint64_t walk_reference;             /* cycles of one entry read */
    struct vmsim__asid_spec asid;
    struct vmsim__policy_choice prefetch; /* default "none"; fills the last level */
    struct vmsim__shootdown_spec shootdown;
};

/* The tables behind `tlb:` (fields of struct vmsim__tlb_spec), NULL-terminated. */
extern const struct vmsim_param vmsim__tlb_params[];

/* 64 x 4 L1I and L1D, 1536 x 12 second level, PDE/PDPTE/PML4E caches: what a machine without `tlb:` has. Static lists:
 * copy the struct, do not free its lists. */
const struct vmsim__tlb_spec *vmsim__tlb_spec_default(void);

#endif
