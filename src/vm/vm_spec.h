/* SPDX-License-Identifier: MIT */
/* What a user may set of the virtual memory of a machine, as parameter tables: sysctls of vm.*, transparent huge pages,
 * default limits, and the virtual time that each kernel path costs.
 *
 * The defaults of the costs are those of a current x86 server; each `doc` names its source. Values that Linux derives
 * at boot (reserves of overcommit, max_map_count) are 0 here and computed by vmsim__vm_create. */
#ifndef VMSIM__VM_SPEC_H
#define VMSIM__VM_SPEC_H
#include "base/knob.h"
#include "vmsim/param.h"

#include <stdbool.h>

enum vmsim__thp_defrag {
    VMSIM__DEFRAG_ALWAYS,
    VMSIM__DEFRAG_DEFER,
    VMSIM__DEFRAG_DEFER_MADVISE,
    VMSIM__DEFRAG_MADVISE,
    VMSIM__DEFRAG_NEVER
};

/* hugepages-<size>kB/enabled, for sizes from 16 kB (2^4) to 32 MiB. DEFAULT: what the kernel is delivered with, inherit
 * for the size of a huge entry and never for the others. */
enum vmsim__thp_size_mode {
    VMSIM__THP_SIZE_DEFAULT,
    VMSIM__THP_SIZE_ALWAYS,
    VMSIM__THP_SIZE_INHERIT,
    VMSIM__THP_SIZE_MADVISE,
    VMSIM__THP_SIZE_NEVER
};
#define VMSIM__THP_SIZE_FIRST 4u
#define VMSIM__THP_SIZES 12u

/* Limits of a process; UINT64_MAX: unlimited. Bytes. */
struct vmsim__rlimit_spec {
    uint64_t as, data, stack, memlock, fsize;
};

/* Virtual time, in ns, of one occurrence. */
struct vmsim__vm_cost_spec {
    uint64_t fault;       /* entry and exit of a page fault, lookup included; added to every fault */
    uint64_t map;         /* allocate, account and map one page (without zeroing or copying) */
    uint64_t zero_page;   /* zero one base page */
    uint64_t copy_page;   /* copy one base page */
    uint64_t zero_huge;   /* zero one PMD-sized page */
    uint64_t around_page; /* each further page mapped by fault-around */
    uint64_t file_lookup; /* page-cache lookup of a file fault */
    uint64_t mkwrite;     /* page_mkwrite of a file system */
    uint64_t mmap, munmap, mprotect, mremap, madvise, brk, mlock; /* entry and VMA work of the system call */
    uint64_t unmap_page;                                          /* each present entry taken out of a page table */
    uint64_t free_page;                                           /* each anonymous page or folio freed thereby */
    uint64_t free_vma;                                            /* each VMA that goes with its address space */
    uint64_t protect_page;                                        /* each present entry changed */
    uint64_t move_page;                                           /* each entry moved by mremap */
    uint64_t fork;                                                /* fixed part of dup_mmap */
    uint64_t fork_vma;                                            /* each VMA copied */
    uint64_t fork_page;                                           /* each entry copied */
    uint64_t table;                                               /* allocate or free one page table */
    uint64_t rmap_vma;                                            /* reverse map: each VMA that may map a page */
    uint64_t collapse_scan; /* looking at the entries of a range that may become a huge page */
    uint64_t migrate_page;  /* moving a page, beside its mappings and its copy */
    uint64_t kmap;          /* 32 bits: mapping a page of high memory for the kernel, and taking it out again */
};

#define VMSIM__VVAR_PAGES_MAX 64

/* Which flags of an entry the hardware sets: as the format's usual CPUs do, or so. */
enum vmsim__hardware_flags {
    VMSIM__HARDWARE_USUAL,
    VMSIM__HARDWARE_NONE,
    VMSIM__HARDWARE_ACCESSED,
    VMSIM__HARDWARE_BOTH
};

struct vmsim__vm_spec {
    uint64_t overcommit_memory;                         /* 0 guess, 1 always, 2 never */
    uint64_t overcommit_ratio, overcommit_kbytes;       /* of CommitLimit; kbytes wins when not 0 */
    uint64_t max_map_count;                             /* 0: the kernel's default */
    uint64_t mmap_min_addr;                             /* bytes */
    uint64_t swappiness;                                /* 0..200 */
    uint64_t page_cluster;                              /* log2 of the pages that a fault on swap reads at most */
    uint64_t oom_kill_allocating_task;                  /* not 0: no search */
    uint64_t panic_on_oom;                              /* 1: where nothing bounds the memory; 2: always */
    uint64_t compaction_proactiveness;                  /* 0..100 */
    uint64_t compact_unevictable_allowed;               /* 0 or 1 */
    uint64_t admin_reserve_kbytes, user_reserve_kbytes; /* 0: derived from free memory at boot */
    uint64_t stack_guard_gap;                           /* pages */
    uint64_t vvar_pages;                                /* of [vvar], at most VMSIM__VVAR_PAGES_MAX */
    bool legacy_va_layout;                              /* mappings grow upward from a third of the address space */
    bool privileged; /* tasks run as root: CAP_IPC_LOCK, CAP_SYS_ADMIN, CAP_SYS_RAWIO */
    int thp_defrag;  /* enum vmsim__thp_defrag; `enabled` is mem->thp_enabled */
    bool thp_use_zero_page;
    struct {
        bool defrag;                                            /* it may compact, and reclaim */
        uint64_t pages_to_scan;                                 /* entries a wake */
        uint64_t scan_sleep_ms, alloc_sleep_ms;                 /* between wakes; after a huge page was not to be had */
        uint64_t max_ptes_none, max_ptes_swap, max_ptes_shared; /* of a range; at first by the size of a huge page */
    } khugepaged;
    int thp_size[VMSIM__THP_SIZES]; /* enum vmsim__thp_size_mode, by log2 of the size in kB */
    uint64_t fault_around_bytes;
    enum vmsim__hardware_flags hardware_flags;
    struct vmsim__rlimit_spec rlimits;
    struct vmsim__vm_cost_spec costs;
};

extern const struct vmsim__knob vmsim__vm_knob_table[];  /* "vm.overcommit_memory"...: of a struct vmsim__vm_spec */
extern const struct vmsim__knob vmsim__thp_knob_table[]; /* "transparent_hugepage/defrag"...: likewise */
extern const struct vmsim_param vmsim__rlimit_params[];  /* in struct vmsim__rlimit_spec */
extern const struct vmsim_param vmsim__vm_cost_params[]; /* in struct vmsim__vm_cost_spec */
extern const struct vmsim_param vmsim__vm_params[];      /* all of the above, nested: in struct vmsim__vm_spec */

/* The defaults of the tables as a struct, for those who build a machine without a file. */
/* vm.mmap_min_addr as Debian's kernels of an architecture (enum vmsim__arch) are built with. */
uint64_t vmsim__vm_mmap_min_addr(int arch);
void vmsim__vm_spec_defaults(struct vmsim__vm_spec *spec);

#endif
