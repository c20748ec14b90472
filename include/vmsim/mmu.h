/* SPDX-License-Identifier: MIT */
#ifndef VMSIM_MMU_H
#define VMSIM_MMU_H
/**
 * @file mmu.h
 * @brief The memory management unit alone: page tables in a hardware format, in your memory, and the walker.
 *
 * No machine is needed. You give memory for tables by three callbacks and choose a format by name; entries are in the
 * architecture's own encoding, so tables taken from elsewhere can be walked, too:
 *
 * @code
 *     struct vmsim_mmu mmu;
 *     struct vmsim_mmu_walk walk;
 *     vmsim_mmu_init(&mmu, "x86_64", &memory);
 *     vmsim_mmu_map(&mmu, 0x400000, 0x10000000, 0x200000, VMSIM_MMU_READ | VMSIM_MMU_USER, 0);
 *     vmsim_mmu_walk(&mmu, 0x412345, VMSIM_MMU_AS_USER, &walk); // walk.pa == 0x10012345, walk.page_size == 2 MiB
 *     vmsim_mmu_fini(&mmu);
 * @endcode
 *
 * Formats: x86_32, x86_pae, x86_64, x86_64_la57, arm64_4k, arm64_16k, arm64_64k, riscv_sv32, riscv_sv39, riscv_sv48,
 * riscv_sv57, arm, arm_lpae. Addresses and sizes are in bytes; a *frame* is a physical address divided by the format's
 * base page size. Levels count from the leaf: 0 is the table of last-level entries.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "vmsim/version.h"

VMSIM_BEGIN_DECLS

#define VMSIM_MMU_READ 0x02u     /**< readable; implied on x86 */
#define VMSIM_MMU_WRITE 0x04u    /**< writable */
#define VMSIM_MMU_EXEC 0x08u     /**< executable; implied by x86_32, which has no NX */
#define VMSIM_MMU_USER 0x10u     /**< for user mode, too */
#define VMSIM_MMU_GLOBAL 0x20u   /**< the same in every address space */
#define VMSIM_MMU_ACCESSED 0x40u /**< the accessed flag */
#define VMSIM_MMU_DIRTY 0x80u    /**< the dirty flag */
#define VMSIM_MMU_CONTIG 0x100u  /**< in a contiguous group (arm64) or NAPOT range (RISC-V) */

#define VMSIM_MMU_AS_WRITE 1u /**< walk for a store; otherwise a load */
#define VMSIM_MMU_AS_FETCH 2u /**< walk for an instruction fetch */
#define VMSIM_MMU_AS_USER 4u  /**< walk in user mode; otherwise as the supervisor */
#define VMSIM_MMU_PROBE 8u    /**< change no accessed or dirty flag, and raise no fault for the lack of one */

/** Memory of the tables. A table is one base page of the format, but for the top one of arm (level 1), which takes four
 *  in a row: `alloc` gives the first. `frame` numbers are yours to choose. */
struct vmsim_mmu_memory {
    void *context; /**< handed to the callbacks */
    /** Host memory of a frame, aligned to 8 bytes, or NULL where there is no memory. Valid while the frame is a table.
     */
    void *(*table)(void *context, uint64_t frame);
    /** A zeroed frame for a table of `level`, or UINT64_MAX when there is none. */
    uint64_t (*alloc)(void *context, unsigned level);
    /** Takes a frame back. */
    void (*release)(void *context, uint64_t frame, unsigned level);
};

/** A page table. Made by vmsim_mmu_init() or vmsim_mmu_attach(); read its members, do not write them. */
struct vmsim_mmu {
    const char *format;    /**< name of the format */
    uint64_t root;         /**< frame of the top table */
    uint32_t levels;       /**< tables passed by a full walk */
    uint32_t page_shift;   /**< log2 of the base page's size */
    uint32_t va_bits;      /**< width of a translated address */
    uint32_t attached;     /**< the tables belong to someone else */
    uint64_t internal[32]; /**< the library's own */
};

/** The answer of a walk. */
struct vmsim_mmu_walk {
    uint64_t pa;         /**< physical address of the byte; 0 after a fault */
    uint64_t page_size;  /**< bytes of the translation, contiguous group included; 0 after a fault */
    uint32_t flags;      /**< VMSIM_MMU_READ ...: what the whole walk allows, and the leaf's state after it */
    uint32_t level;      /**< of the leaf, or where the fault arose */
    const char *fault;   /**< NULL: translated; else "not present", "write", "read", "execute", "user", "accessed",
                              "dirty", "non-canonical", "reserved" or "bus". Static storage */
    uint32_t fault_code; /**< x86 error code, Arm fault status code, RISC-V scause */
    uint32_t host_fault; /**< 1: of a nested walk, the host's side faulted; `pa` is then the guest-physical address */
    uint32_t refs;       /**< page-table entries read */
    uint64_t ref[35];    /**< their physical addresses, in order */
};

/** Name of format number `index`, NULL past the last: for listing them. Static storage. */
const char *vmsim_mmu_format(unsigned index);

/** An empty page table in `format`. `memory` is kept by reference until vmsim_mmu_fini(). VMSIM_EINVAL: unknown format;
 *  VMSIM_ENOMEM: no frame for the top table. */
int vmsim_mmu_init(struct vmsim_mmu *mmu, const char *format, const struct vmsim_mmu_memory *memory);
/** Tables that exist already, with the top one in frame `root`. They are not released at the end, but map and protect
 *  may change them, and alloc and release may be NULL if only walks follow. VMSIM_EINVAL: unknown format, or `root` is
 *  not memory. */
int vmsim_mmu_attach(struct vmsim_mmu *mmu, const char *format, const struct vmsim_mmu_memory *memory, uint64_t root);
/** Releases every table of vmsim_mmu_init(). */
void vmsim_mmu_fini(struct vmsim_mmu *mmu);

/** Whether the hardware sets A and D itself; otherwise it faults (Armv8.0, RISC-V Svade). Default: x86 and arm64 yes,
 *  RISC-V and 32-bit ARM no. */
void vmsim_mmu_hardware_update(struct vmsim_mmu *mmu, bool accessed, bool dirty);

/** arm64 has a page table for each half of the addresses: TTBR0 for those that begin with zeros, TTBR1 for those that
 *  begin with ones (the kernel's). From now on walks of `mmu` take `upper` for the latter, which fault without. `upper`
 * is kept by reference (NULL: none again); its own calls take addresses without the leading ones, 0x1000 for
 *  0xffff000000001000. VMSIM_EINVAL: not arm64, not the same format, or the same table. */
int vmsim_mmu_set_upper(struct vmsim_mmu *mmu, const struct vmsim_mmu *upper);

/** Maps [va, va + size) to [pa, pa + size) with VMSIM_MMU_* `flags`. `page_size` 0: each time the largest leaf that
 * fits; else leaves of that size (contiguous groups count as sizes: 64 KiB on arm64_4k). VMSIM_EINVAL: not aligned to
 * the base page or to `page_size`, no such size, not canonical, wraps, or something is mapped there already (nothing is
 * changed then); VMSIM_ENOMEM: no frame for a table (what was mapped of it is unmapped again). */
int vmsim_mmu_map(struct vmsim_mmu *mmu, uint64_t va, uint64_t pa, uint64_t size, unsigned flags, uint64_t page_size);
/** Unmaps all within [va, va + size), in bytes, and releases tables that hold nothing more. VMSIM_EINVAL: the range
 * cuts a leaf or a contiguous group, or is not aligned (nothing is changed then). Holes are no error. */
int vmsim_mmu_unmap(struct vmsim_mmu *mmu, uint64_t va, uint64_t size);
/** Gives all that is mapped within [va, va + size) new permissions: VMSIM_MMU_READ, WRITE, EXEC, USER, GLOBAL,
 * ACCESSED, DIRTY as in `flags`. Errors as vmsim_mmu_unmap(). */
int vmsim_mmu_protect(struct vmsim_mmu *mmu, uint64_t va, uint64_t size, unsigned flags);

/** Walks as the hardware does for one access (VMSIM_MMU_AS_* `mode`), setting A and D. True: translated. */
bool vmsim_mmu_walk(const struct vmsim_mmu *mmu, uint64_t va, unsigned mode, struct vmsim_mmu_walk *walk);
/** A two-dimensional walk: `guest`'s frames are guest-physical and translated through `host`. True: translated. */
bool vmsim_mmu_walk_nested(const struct vmsim_mmu *guest, const struct vmsim_mmu *host, uint64_t va, unsigned mode,
                           struct vmsim_mmu_walk *walk);
/** One walk as text, level by level: `line` is called for each line (no newline; valid during the call). Changes
 * nothing. */
void vmsim_mmu_describe(const struct vmsim_mmu *mmu, uint64_t va, unsigned mode,
                        void (*line)(void *context, const char *text), void *context);

VMSIM_END_DECLS

#endif
