/* SPDX-License-Identifier: MIT */
/* What a machine's memory is made of: the part of a machine description that src/zones/ reads.
 *
 * Plain C; the parameter tables beside it (mem_spec.c) give YAML, --set, schema and manual. Two forms of a node:
 *
 *     simple:  nodes: [{cpus: [0, 1], memory: 2GiB}]          a PC-like firmware map is made up
 *     exact:   memory_map: [{start: 0x0, size: 639KiB}, ...]  and nodes: [{ranges: [{start: 0x0, size: 1GiB}]}]
 *
 * Kernel counterparts: e820/memblock, SRAT and SLIT, the kernel's command line, mm/mm_init.c. */
#ifndef VMSIM__MEM_SPEC_H
#define VMSIM__MEM_SPEC_H
#include "vmsim/param.h"
#include <stdbool.h>

struct vmsim__err;

#define VMSIM__LATENCY_MAX 1000000 /* ns: a millisecond */
#define VMSIM__CPUS_MAX 1024       /* most CPUs of a machine: as many as the masks of tlb/shootdown.h hold */

enum vmsim__arch {
    VMSIM__ARCH_X86_64,
    VMSIM__ARCH_X86_32,
    VMSIM__ARCH_X86_PAE,
    VMSIM__ARCH_ARM64,
    VMSIM__ARCH_RISCV,
    VMSIM__ARCH_ARM,
    VMSIM__ARCH_ARM_LPAE,
    VMSIM__ARCH_COUNT
};
static inline bool vmsim__arch_is_x86(int arch) {
    return arch == VMSIM__ARCH_X86_64 || arch == VMSIM__ARCH_X86_32 || arch == VMSIM__ARCH_X86_PAE;
}
/* 32-bit kernels that map a part of memory only; Debian's are built without NUMA. */
static inline bool vmsim__arch_is_narrow(int arch) {
    return arch == VMSIM__ARCH_X86_32 || arch == VMSIM__ARCH_X86_PAE || arch == VMSIM__ARCH_ARM ||
           arch == VMSIM__ARCH_ARM_LPAE;
}
enum vmsim__thp_mode { VMSIM__THP_ALWAYS, VMSIM__THP_MADVISE, VMSIM__THP_NEVER };

/* Bytes of physical address space. */
struct vmsim__range_spec {
    uint64_t start, size;
    bool hotplug;  /* node ranges: may be unplugged (SRAT's flag): what `movable_node` makes MOVABLE */
    bool reserved; /* memory map: taken away from the usable ranges that it overlaps */
};

/* Memory of one zone of a node that the kernel keeps for itself from boot on: present minus managed. */
struct vmsim__reserve_spec {
    int zone;      /* enum vmsim__zone_type */
    uint64_t size; /* bytes never managed */
    uint64_t
        boot_use; /* further bytes given to the allocator only after the watermarks were computed (init text, initrd) */
    uint64_t cma; /* bytes of what is managed that are kept for contiguous requests (CMA), in whole pageblocks */
    uint64_t boost; /* bytes by which boot's allocations left the zone's watermarks boosted */
};

/* hugetlb pages of one size taken at boot. */
struct vmsim__hugetlb_spec {
    uint64_t size;  /* bytes of a page; 0: the default size */
    uint64_t pages; /* wanted; the kernel takes what it gets */
    uint64_t node;  /* `on_node`: all on this one, else spread over the nodes with memory */
    bool on_node;
};

/* Which part of the latency of memory is paid beside what the paths that use it cost. */
enum vmsim__latency_charge {
    VMSIM__CHARGE_REMOTE, /* what is above that of the CPU's own node: other costs are those of local memory */
    VMSIM__CHARGE_ALL
};

struct vmsim__latency_spec {
    uint64_t local;                  /* ns: from a CPU to the memory of its own node */
    int charge;                      /* enum vmsim__latency_charge */
    uint64_t walk_share, data_share; /* percent of the reads of a walk, of references that miss the TLB, that pay it */
};

struct vmsim__node_spec {
    struct vmsim_param_list cpus;      /* uint64_t: CPU numbers; one may be on several nodes (numa=fake) */
    uint64_t memory;                   /* simple form: bytes; 0: none, or `ranges` */
    uint64_t hotplug_memory;           /* bytes of address space, above all memory, where more may be plugged in */
    struct vmsim_param_list ranges;    /* struct vmsim__range_spec */
    struct vmsim_param_list distances; /* uint64_t: to node 0, 1, ...; empty: 10 to itself, 20 to others */
    struct vmsim_param_list latencies; /* uint64_t ns: its CPUs to the memory of node 0, 1, ...; empty: by distance */
    uint64_t bandwidth;                /* bytes a second, of all users together; 0: without limit */
    uint64_t tier;                     /* of memory_tiering: 4 is that of DRAM, higher ones are slower */
    struct vmsim_param_list reserved;  /* struct vmsim__reserve_spec; empty: the built-in model */
};

struct vmsim__mem_spec {
    int arch;                           /* enum vmsim__arch */
    const char *kernel;                 /* row of the kernel table; NULL: 6.1 */
    uint64_t page_size;                 /* bytes; 0: 4 KiB */
    uint64_t cpus;                      /* CPUs that no node names go round the nodes; 0: as many as the nodes name */
    struct vmsim_param_list memory_map; /* struct vmsim__range_spec; empty: made from the nodes' sizes */
    struct vmsim_param_list nodes;      /* struct vmsim__node_spec */
    struct vmsim__latency_spec latency;
    const char *kernelcore; /* as on the kernel's command line: "1G", "50%"; NULL: not given */
    const char *movablecore;
    bool movable_node;
    uint64_t vmalloc; /* 32-bit machines: bytes of `vmalloc=`; 0: not given */
    uint64_t highmem; /* 32-bit x86: bytes of `highmem=`; with highmem_given */
    bool highmem_given;
    int transparent_hugepage; /* enum vmsim__thp_mode: the boot option */
    uint64_t hugepages;       /* huge pages of the default size, allocated at boot */
    uint64_t initrd;          /* bytes of the initial RAM disk; freed after the boot-time watermarks were computed */
    uint64_t gigantic_pages;  /* 1 GiB pages taken at boot */
    struct vmsim_param_list hugetlb; /* struct vmsim__hugetlb_spec: further ones */
    uint64_t default_hugepagesz;     /* bytes; 0: what one entry of the second level maps */
    struct vmsim_param_list sysctl;  /* struct vmsim_param_pair: written after boot; names of others are left alone */
};

extern const struct vmsim_param vmsim__range_params[];
extern const struct vmsim_param vmsim__reserve_params[];
extern const struct vmsim_param vmsim__hugetlb_params[];
extern const struct vmsim_param vmsim__node_params[];
extern const struct vmsim_param vmsim__latency_params[];
extern const struct vmsim_param vmsim__mem_spec_params[]; /* of a struct vmsim__mem_spec */
extern const char *const vmsim__arch_names[];
extern const char *const vmsim__thp_mode_names[];

#define VMSIM__HUGETLB_OPTIONS 64 /* pools that a command line may name: a node of a size each */

/* Takes over the options of a kernel command line that concern memory (kernelcore=, movablecore=, movable_node,
 * transparent_hugepage=, default_hugepagesz=, hugepagesz=, hugepages=); the strings point into `cmdline`, which is cut
 * up, and `pools` (room for VMSIM__HUGETLB_OPTIONS) holds what spec->hugetlb lists then. Others are ignored. */
int vmsim__mem_spec_cmdline(struct vmsim__mem_spec *spec, char *cmdline, struct vmsim__hugetlb_spec *pools,
                            struct vmsim__err *err);

#endif
