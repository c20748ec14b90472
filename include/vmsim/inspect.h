/* SPDX-License-Identifier: MIT */
#ifndef VMSIM_INSPECT_H
#define VMSIM_INSPECT_H
/**
 * @file inspect.h
 * @brief What a machine did, reference by reference, and what its page tables say, as numbers: for simulators that
 * embed vmsim and go on with what it tells (caches, DRAM, pipelines).
 *
 *     struct vmsim_translation at;
 *     vmsim_task_translate(machine, task, address, VMSIM_LOAD, &at, sizeof at);      asks, and changes nothing
 *
 *     struct vmsim_access_detail d[64];
 *     vmsim_task_access_detailed(machine, task, accesses, 64, d, sizeof *d, &result);  does it, and tells of each
 *
 * Where physical addresses are all that is needed, vmsim_task_access() of vmsim/vmsim.h gives them at its full speed.
 *
 * Structs grow at their end: `size` is the caller's sizeof, and no more than that is written.
 */
#include <stddef.h>
#include <stdint.h>

#include "vmsim/access.h"
#include "vmsim/version.h"
#include "vmsim/vmsim.h"

VMSIM_BEGIN_DECLS

/** Entries of one walk that are kept: the levels of the deepest page table. */
#define VMSIM_WALK_ENTRIES 8

/** A page-table entry. */
struct vmsim_walk_entry {
    uint64_t address; /**< physical, in bytes */
    uint64_t value;   /**< as it stands there, in the architecture's encoding */
    uint32_t level;   /**< 0: a table of last-level entries */
    uint32_t bytes;   /**< that it takes: 4 or 8 */
};

/** What the page table of a task says of an address. */
struct vmsim_translation {
    uint64_t physical;   /**< of the byte asked for; 0 where there is none */
    uint64_t page_size;  /**< bytes that the translation covers, contiguous entries together; 0 where there is none */
    const char *fault;   /**< NULL, or what a CPU would report: "not present", "write" ..., as struct vmsim_mmu_walk has
                              it. Static storage */
    uint32_t fault_code; /**< x86 error code, Arm fault status code, RISC-V scause */
    uint32_t flags;      /**< VMSIM_MMU_READ ... of vmsim/mmu.h: what is allowed, and whether it was used and written */
    uint32_t node;       /**< NUMA node of the frame; UINT32_MAX where there is none */
    uint32_t tlb_level;  /**< level of the TLB that holds it, on the CPU where the task last ran; 0: none does */
    uint32_t entries;    /**< entries that a whole walk reads, from the top; 0 without an MMU */
    struct vmsim_walk_entry entry[VMSIM_WALK_ENTRIES]; /**< these */
};

/**
 * Looks an address up in a task's page table, as a walk for one access of a user would, from the top. Nothing changes:
 * no page is brought in, no accessed or dirty flag set, no time passes.
 * @param size sizeof(struct vmsim_translation).
 * @return 0, also where nothing is mapped (`fault` says so); VMSIM_EINVAL: no such task, or it is dead.
 */
int vmsim_task_translate(struct vmsim_machine *machine, uint32_t task, uint64_t address, enum vmsim_access_type type,
                         struct vmsim_translation *translation, size_t size);

/** Most page-table entries of one reference that are kept: it may walk, fault, and walk again, for two pages. */
#define VMSIM_DETAIL_ENTRIES 24

/** What one reference came to. */
struct vmsim_access_detail {
    uint64_t physical;  /**< address of its first byte */
    uint64_t page_size; /**< bytes of the page that it lies in */
    uint64_t ns;        /**< virtual time that it took, waits for devices and other tasks included. A fraction of a ns
                             is carried over to later ones, so that sums are right */
    uint64_t fault_ns;  /**< of these in the kernel, and waiting: page faults */
    uint32_t cycles;    /**< of the TLB and the walks */
    uint32_t tlb_level; /**< level of the TLB that had the translation (of two pages: the slower); 0: a walk found it */
    uint32_t walks;     /**< hardware page walks, those that ended in a fault included */
    uint32_t minor_faults, major_faults; /**< page faults: without a device, and having waited for one */
    uint32_t entries; /**< page-table entries that the walks read; walk caches spare the upper ones */
    uint64_t entry[VMSIM_DETAIL_ENTRIES]; /**< their physical addresses, in the order of the walks; as many as fit */
};

/**
 * As vmsim_task_access(), and tells of each reference. What is simulated is the same; the host takes longer, see
 * docs/embedding.md.
 * @param details `count` of them, of which the first result->done are filled.
 * @param size sizeof(struct vmsim_access_detail).
 * @return as vmsim_task_access().
 */
int vmsim_task_access_detailed(struct vmsim_machine *machine, uint32_t task, const vmsim_access *accesses, size_t count,
                               struct vmsim_access_detail *details, size_t size, struct vmsim_access_result *result);

VMSIM_END_DECLS

#endif
