/* SPDX-License-Identifier: MIT */
/* What a not-present entry of a page table stands for: a page in swap, one that is being migrated, one that broke, or a
 * mark that the operating system left.
 *
 *     payload of a VMSIM__PTE_SWAP entry (format->swap_bits of them, 27 to 60; where they lie is the format's affair)
 *     | offset ........................ | E |  type |      E: swap: the page is its owner's alone (exclusive)
 *      bits-1                          6  5  4     0          migration: the entry was young
 *
 *     offset: swap       slot in the area            migration, hwpoison   pfn (bit 32, where there is room: dirty)
 *             marker     VMSIM__MARKER_* bits
 *
 * All types fit every format: the narrowest, with 21 bits of offset, names 8 GiB of swap or memory. Kernel
 * counterparts: include/linux/swapops.h, include/linux/swap.h (MAX_SWAPFILES and what follows it). */
#ifndef VMSIM__SWP_H
#define VMSIM__SWP_H
#include "mmu/mmu.h"

/* Types: swap areas from 0 on, then what is no swap. */
#define VMSIM__SWP_AREAS 26u
enum vmsim__swp_type {
    VMSIM__SWP_HWPOISON = VMSIM__SWP_AREAS,
    VMSIM__SWP_MIGRATION_READ,
    VMSIM__SWP_MIGRATION_READ_EXCLUSIVE, /* anonymous, its owner's alone, not writable */
    VMSIM__SWP_MIGRATION_WRITE,
    VMSIM__SWP_MARKER,
    VMSIM__SWP_TYPES = 32
};
#define VMSIM__MARKER_POISONED 1u /* reading it is SIGBUS: the page could not be brought back */
#define VMSIM__MARKER_GUARD 2u    /* touching it is SIGSEGV (MADV_GUARD_INSTALL) */

#define VMSIM__SWP_OFFSET_SHIFT 6
#define VMSIM__SWP_DIRTY_BIT 32

struct vmsim__swp {
    uint64_t offset; /* slot, pfn or marker bits */
    uint8_t type;    /* swap area, or enum vmsim__swp_type */
    bool exclusive;  /* swap */
    bool young;      /* migration: bits of the entry that was there; kept where the format has room for both */
    bool dirty;
};

static inline bool vmsim__swp_is_swap(struct vmsim__swp e) {
    return e.type < VMSIM__SWP_AREAS;
}
static inline bool vmsim__swp_is_migration(struct vmsim__swp e) {
    return e.type >= VMSIM__SWP_MIGRATION_READ && e.type <= VMSIM__SWP_MIGRATION_WRITE;
}
static inline bool vmsim__swp_is_marker(struct vmsim__swp e, uint64_t bits) {
    return e.type == VMSIM__SWP_MARKER && (e.offset & bits);
}
/* A slot with its area as one word: beside a frame, in a file's tree of pages, as a key. Never 0, as slot 0 is a
 * header.
 */
#define VMSIM__SWP_TYPE_BITS 5
static inline uint64_t vmsim__swp_slot_word(struct vmsim__swp e) {
    VMSIM__ASSERT(vmsim__swp_is_swap(e) && e.offset);
    return e.offset << VMSIM__SWP_TYPE_BITS | e.type;
}
static inline struct vmsim__swp vmsim__swp_of_slot_word(uint64_t word) {
    VMSIM__ASSERT(word >> VMSIM__SWP_TYPE_BITS);
    return (struct vmsim__swp){.offset = word >> VMSIM__SWP_TYPE_BITS,
                               .type = word & ((1u << VMSIM__SWP_TYPE_BITS) - 1)};
}
/* Largest slot that an entry can name. Kernel: swapfile_maximum_size. */
static inline uint64_t vmsim__swp_max_offset(const struct vmsim__pt_format *f) {
    VMSIM__ASSERT(f->swap_bits > VMSIM__SWP_OFFSET_SHIFT);
    return (UINT64_C(1) << (f->swap_bits - VMSIM__SWP_OFFSET_SHIFT)) - 1;
}
/* Is there room for the accessed and dirty bits of a page under migration? Kernel: migration_entry_supports_ad. */
static inline bool vmsim__swp_keeps_ad(const struct vmsim__pt_format *f) {
    return f->swap_bits > VMSIM__SWP_OFFSET_SHIFT + VMSIM__SWP_DIRTY_BIT;
}

/* The entry as a common pte (soft-dirty apart). */
static inline struct vmsim__pte vmsim__swp_pte(const struct vmsim__pt_format *f, struct vmsim__swp e, bool soft_dirty) {
    const bool ad = vmsim__swp_is_migration(e) && vmsim__swp_keeps_ad(f);
    uint64_t offset = e.offset | (ad && e.dirty ? UINT64_C(1) << VMSIM__SWP_DIRTY_BIT : 0);
    bool bit = vmsim__swp_is_swap(e) ? e.exclusive : ad && e.young;
    VMSIM__ASSERT(e.type < VMSIM__SWP_TYPES && offset <= vmsim__swp_max_offset(f));
    VMSIM__ASSERT(!vmsim__swp_is_migration(e) || e.offset <= UINT32_MAX);
    return (struct vmsim__pte){offset << VMSIM__SWP_OFFSET_SHIFT | (uint64_t)bit << 5 | e.type,
                               VMSIM__PTE_SWAP | (soft_dirty ? VMSIM__PTE_SOFT_DIRTY : 0)};
}
static inline struct vmsim__swp vmsim__swp_of(struct vmsim__pte pte) {
    VMSIM__ASSERT(pte.flags & VMSIM__PTE_SWAP);
    struct vmsim__swp e = {.offset = pte.pfn >> VMSIM__SWP_OFFSET_SHIFT, .type = pte.pfn & 31};
    const bool bit = pte.pfn >> 5 & 1;
    if (vmsim__swp_is_migration(e)) {
        e.young = bit;
        e.dirty = e.offset >> VMSIM__SWP_DIRTY_BIT & 1;
        e.offset &= (UINT64_C(1) << VMSIM__SWP_DIRTY_BIT) - 1;
    } else {
        e.exclusive = bit;
    }
    return e;
}

#endif
