/* SPDX-License-Identifier: MIT */
/* Moving pages in use to other frames: what compaction, NUMA balancing, memory that goes offline and large contiguous
 * requests do with a page once they have taken it off its list.
 *
 *     isolated folio --lock, unmap--> migration entries --contents, place in file, charge, flags--> new folio
 *          ^                                |                                                         |
 *          `---------- put back ------------'  somebody else holds it                entries map it --'-- on a list
 *
 * A page that is being read (LOCKED), is under writeback, or is held by anybody whom its mappings and its file do not
 * account for stays where it is; the mode says for which of these the migration waits. Nothing is held across a wait:
 * who waits puts all back and isolates again. Kernel counterpart: mm/migrate.c. */
#ifndef VMSIM__MIGRATE_H
#define VMSIM__MIGRATE_H
#include "vm/vm.h"

enum vmsim__migrate_mode {
    VMSIM__MIGRATE_ASYNC,      /* waits for nothing */
    VMSIM__MIGRATE_SYNC_LIGHT, /* waits for pages that are being read */
    VMSIM__MIGRATE_SYNC        /* and for writeback */
};

/* Why one is moved. Kernel: enum migrate_reason. */
enum vmsim__migrate_reason {
    VMSIM__MR_COMPACTION,
    VMSIM__MR_MEMORY_FAILURE,
    VMSIM__MR_MEMORY_HOTPLUG,
    VMSIM__MR_SYSCALL,
    VMSIM__MR_MEMPOLICY_MBIND,
    VMSIM__MR_NUMA_MISPLACED,
    VMSIM__MR_CONTIG_RANGE,
    VMSIM__MR_LONGTERM_PIN,
    VMSIM__MR_DEMOTION,
    VMSIM__MR_TYPES
};

/* Isolated folios, each with the isolation's reference, chained by frame->next. The last one that came is first, and is
 * moved first. */
struct vmsim__folio_chain {
    vmsim__pfn first;
    uint32_t folios, pages;
};
static inline struct vmsim__folio_chain vmsim__folio_chain_empty(void) {
    return (struct vmsim__folio_chain){VMSIM__PFN_NONE, 0, 0};
}
void vmsim__folio_chain_push(struct vmsim__vm *vm, struct vmsim__folio_chain *chain, vmsim__pfn pfn);
/* All go back to the lists that their flags say, through the CPU's batch. Kernel: putback_movable_pages. */
void vmsim__folio_chain_putback(struct vmsim__vm *vm, struct vmsim__folio_chain *chain, unsigned cpu);

struct vmsim__migration {
    enum vmsim__migrate_mode mode;
    enum vmsim__migrate_reason reason;
    bool may_wait; /* false: whoever reclaims or compacts for an allocation waits for no page (PF_MEMALLOC) */
    void *context;
    /* A frame of the folio's order for it, refcount 1. PFN_NONE: there is none, which ends the migration. */
    vmsim__pfn (*get)(void *context, vmsim__pfn from);
    void (*put)(void *context, vmsim__pfn to); /* one of those was not needed */
};

/* What came of it, in base pages. */
struct vmsim__migrated {
    uint32_t succeeded, failed;
    bool no_memory; /* get() had none: the rest was not tried */
    bool waits;     /* the present waits; enter again with what is isolated then */
};

/* Moves the folios of the chain, in up to ten passes; those that stay are left in the chain, to be put back. Counts
 * pgmigrate_success and _fail. Kernel: migrate_pages. */
struct vmsim__migrated vmsim__migrate_pages(struct vmsim__vm *vm, const struct vmsim__migration *how,
                                            struct vmsim__folio_chain *chain, unsigned cpu);

/* References that mappings, file and swap cache account for, and the isolation's: is there no other? Kernel:
 * folio_expected_refs. */
bool vmsim__migrate_unpinned(const struct vmsim__vm *vm, vmsim__pfn pfn);

#endif
