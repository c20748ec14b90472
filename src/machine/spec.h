/* SPDX-License-Identifier: MIT */
/* The whole description of a machine: the parts that the layers below declare, under one roof.
 *
 * `machine:` in YAML is flat: what src/zones/ calls nodes stands beside what src/tlb/ calls tlb.
 * vmsim__machine_params() joins the tables of the layers (their offsets moved to where the part lies in struct
 * vmsim__machine_spec) with this layer's own. */
#ifndef VMSIM__MACHINE_SPEC_H
#define VMSIM__MACHINE_SPEC_H
#include "block/block_spec.h"
#include "cache/cache_spec.h"
#include "mmu/mmu.h"
#include "swap/swap_spec.h"
#include "swap/zram.h"
#include "swap/zswap.h"
#include "tlb/tlb_spec.h"
#include "vm/vm_spec.h"
#include "vmsim/param.h"
#include "zones/mem_spec.h"

/* Virtual time of what no layer below charges. */
struct vmsim__machine_cost_spec {
    const char *source;      /* where they come from, for people; the configuration's; NULL: nobody said */
    uint64_t references;     /* ns of 1000 references that hit the first TLB level: the program's own work */
    uint64_t syscall;        /* ns to enter and leave the kernel */
    uint64_t context_switch; /* ns, beside what the TLB charges */
    uint64_t clone, exit;    /* ns of making and ending a task, beside its memory */
    uint64_t exec;           /* ns of executing a program, beside its mappings and the old ones */
    uint64_t short_call, path_call, message_call, message_page, wait_call; /* ns beside `syscall`, of recorded calls */
    uint64_t open_call, name_call, object_call, entries_page, socket_call, file_write;
    uint64_t reclaim_scan; /* ns of a page that reclaim isolates and judges, without its mappings */
    uint64_t compact_scan; /* ns of a frame that a scanner of compaction looks at */
};

struct vmsim__reclaim_future; /* reclaim/reclaim_future.h */

struct vmsim__machine_spec {
    struct vmsim__policy_choice thp; /* of `policies:` */
    int arch;                        /* enum vmsim__pt_format_id */
    struct vmsim__mem_spec mem;
    int hardware_flags; /* enum vmsim__hardware_flags */
    struct vmsim__vm_spec vm;
    struct vmsim__cache_spec cache;
    struct vmsim__tlb_spec tlb;
    struct vmsim_param_list devices; /* struct vmsim__block_spec; none: that of `cache` */
    struct vmsim_param_list swap;    /* struct vmsim__swap_spec, in the order of swapon */
    struct vmsim_param_list zram;    /* struct vmsim__zram_spec, by number */
    struct vmsim__zswap_spec zswap;
    struct vmsim__machine_cost_spec costs;
    uint64_t timeslice;             /* ns that a task runs while another waits for its CPU */
    struct vmsim_param_list sysctl; /* struct vmsim_param_pair: written after boot */
    struct vmsim__policy_choice readahead, oom, swap_placement, compaction, reclaim, numa_balancing,
        tiering;                              /* of `policies:` */
    struct vmsim__reclaim_future *future;     /* what the run will refer to, or where that is recorded; NULL: unknown */
    uint64_t resident_folios;                 /* pure mode of reclaim policies; 0: none */
    struct vmsim_param_list plugins;          /* const char *: .so files whose policies the machine knows */
    const struct vmsim_policy *const *linked; /* those of the calling program; NULL once the machine is made */
    size_t linked_count;
    uint64_t seed; /* of every random choice of the machine */
};

/* The rows of all domains of policies, by their number, ended by NULL. */
extern const struct vmsim__policy_domain *const vmsim__policy_domains[VMSIM_POLICY_DOMAINS + 1];

/* Fills `table` (room for `capacity` entries, the last one empty) with the joined table. 0, or VMSIM_ELIMIT. */
int vmsim__machine_params(struct vmsim_param *table, size_t capacity);
#define VMSIM__MACHINE_PARAMS_MAX 64

/* Makes the parts agree: gives every layer the kernel and the architecture, fills a TLB when none is described. */
void vmsim__machine_spec_settle(struct vmsim__machine_spec *spec);
/* The architecture (VMSIM__ARCH_*) whose page tables have this format. */
int vmsim__memory_arch(enum vmsim__pt_format_id format);

/* The storage devices that the machine has: those that it describes, or `one`, made of what its page cache says.
 * Returns how many. */
size_t vmsim__machine_devices(const struct vmsim__machine_spec *spec, struct vmsim__block_spec *one,
                              const struct vmsim__block_spec **devices);
#define VMSIM__DEVICE_NAME "vda" /* of that one */

#endif
