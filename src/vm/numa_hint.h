/* SPDX-License-Identifier: MIT */
/* NUMA balancing, the part of address spaces: entries that are made to fault, so that it is seen who uses a page from
 * where, and pages that follow.
 *
 *     present --vmsim__numa_mark--> PROTNONE --the next use faults--> present, asked: does the page lie well?
 *                                                                       '--> moved to the node that was answered
 *
 * The rest of an entry (frame, write, dirty, soft-dirty) is kept while it is PROTNONE. Entries of huge pages are left
 * alone. Kernel counterparts: change_prot_numa of mm/mempolicy.c, do_numa_page of mm/memory.c, migrate_misplaced_page
 * of mm/migrate.c. */
#ifndef VMSIM__NUMA_HINT_H
#define VMSIM__NUMA_HINT_H
#include "vm/vm.h"

/* A scan of an address space; both numbers and `at` go on as it does. */
struct vmsim__numa_scan {
    uint64_t at;                         /* address; 0: from the beginning, and after it: the end was reached */
    int64_t pages;                       /* of ranges in which something was marked */
    int64_t span;                        /* pages of all ranges */
    const struct vmsim__mempolicy *task; /* of areas without a policy */
    uint64_t passed;                     /* nodes whose pages are not marked */
    uint64_t timed;                      /* nodes whose pages keep the time of the mark */
    uint32_t stamp;                      /* that time, never 0 */
    uint64_t updates;                    /* out: entries */
};
/* Marks, counts numa_pte_updates and flushes. Kernel: task_numa_work. */
void vmsim__numa_mark(struct vmsim__mm *mm, struct vmsim__numa_scan *s, unsigned cpu);
/* The policy that decides about pages of the area lets them follow their users. Kernel: vma_policy_mof. */
bool vmsim__numa_follows(const struct vmsim__mempolicy *area, const struct vmsim__mempolicy *task);

/* A use of a page whose entry was marked. */
struct vmsim__numa_hint {
    struct vmsim__vma *vma;
    uint64_t va;
    vmsim__pfn pfn;
    uint16_t node, cpu;
    bool shared;   /* several entries map it, through a shared mapping */
    bool writable; /* a page that is only read forms no groups of tasks */
};
/* What became of it. */
enum vmsim__numa_move { VMSIM__NUMA_STAYS, VMSIM__NUMA_MOVED, VMSIM__NUMA_FAILED };
struct vmsim__numa_hooks {
    /* The node that the page shall go to, or -1. */
    int (*misplaced)(void *context, const struct vmsim__numa_hint *hint);
    /* It lies on `node` now. */
    void (*done)(void *context, const struct vmsim__numa_hint *hint, unsigned node, enum vmsim__numa_move what);
};

#endif
