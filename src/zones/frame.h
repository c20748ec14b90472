/* SPDX-License-Identifier: MIT */
/* The metadata of one physical frame: 32 bytes, half of what the kernel's struct page takes.
 *
 *   next prev | refcount | mapcount | mapping | flags(zone 8, order 4, flags 20) | index / table
 *     4    4       4          4         4        4                                   8
 *
 * Frames are numbered by 32-bit page frame number (pfn) in units of the machine's base page; links are pfns, not
 * pointers. Metadata is allocated in chunks of one top-order block (4 MiB of simulated memory with 4 KiB pages: 32
 * KiB), when a frame of the block is first touched. A block that was never touched has no chunk: it is part of a boot
 * extent of its zone's free list. Kernel counterpart: struct page / struct folio (include/linux/mm_types.h). */
#ifndef VMSIM__FRAME_H
#define VMSIM__FRAME_H
#include "base/util.h"

typedef uint32_t vmsim__pfn;
#define VMSIM__PFN_NONE UINT32_MAX

struct vmsim__frame {
    vmsim__pfn next, prev; /* list links: free list, per-CPU list, LRU */
    int32_t refcount;      /* 0: free */
    int32_t mapcount;      /* page-table entries that map it (whole-folio count kept in the head) */
    uint32_t mapping;      /* object it belongs to: anon_vma id (ANON) or file id (FILE); 0: none */
    uint32_t flags;        /* VMSIM__FRAME_* | order << 20 | zone << 24 */
    union {
        uint64_t index; /* page offset in the object (bits 0..47), memory cgroup (bits 48..63) */
        void *table;    /* TABLE: host memory of the page table that lives in this frame */
    };
};
_Static_assert(sizeof(struct vmsim__frame) == 32, "the metadata bar is 32 bytes a frame");

#define VMSIM__FRAME_BUDDY (1u << 0)              /* head of a free block on a buddy list */
#define VMSIM__FRAME_PCP (1u << 1)                /* on a per-CPU list (free for the user, not for the buddy) */
#define VMSIM__FRAME_HEAD (1u << 2)               /* first frame of a compound allocation of order > 0 */
#define VMSIM__FRAME_TAIL (1u << 3)               /* further frame of one; next holds the head's pfn */
#define VMSIM__FRAME_TABLE (1u << 4)              /* a page table lives here */
#define VMSIM__FRAME_RESERVED (1u << 5)           /* never handed to the allocator */
#define VMSIM__FRAME_PINNED VMSIM__FRAME_RESERVED /* of a page in use: its object never lets go of it (ramfs) */
#define VMSIM__FRAME_ANON (1u << 6)               /* mapping is an anon_vma */
#define VMSIM__FRAME_FILE (1u << 7)               /* mapping is a file: in the page cache */
#define VMSIM__FRAME_SWAPBACKED (1u << 8)         /* reclaimed to swap: anonymous, shmem */
#define VMSIM__FRAME_LRU (1u << 9)
#define VMSIM__FRAME_ACTIVE (1u << 10)
#define VMSIM__FRAME_REFERENCED (1u << 11)
#define VMSIM__FRAME_DIRTY (1u << 12)
#define VMSIM__FRAME_WRITEBACK (1u << 13)
#define VMSIM__FRAME_EXCLUSIVE (1u << 14) /* anonymous and owned by one mm alone (PageAnonExclusive) */
#define VMSIM__FRAME_UNEVICTABLE (1u << 15)
#define VMSIM__FRAME_WORKINGSET (1u << 16)
#define VMSIM__FRAME_MLOCKED (1u << 17) /* counted in nr_mlock */
#define VMSIM__FRAME_SWAPCACHE (1u << 18)
#define VMSIM__FRAME_RECLAIM (1u << 19)
#define VMSIM__FRAME_READAHEAD VMSIM__FRAME_RECLAIM /* one bit with two meanings, as in the kernel */
/* Being read: nobody maps, copies or frees it. Of pages of files alone, which are never EXCLUSIVE. */
#define VMSIM__FRAME_LOCKED VMSIM__FRAME_EXCLUSIVE
#define VMSIM__FRAME_ORDER_SHIFT 20
#define VMSIM__FRAME_ZONE_SHIFT 24

static inline unsigned vmsim__frame_order(const struct vmsim__frame *f) {
    return (f->flags >> VMSIM__FRAME_ORDER_SHIFT) & 15u;
}
static inline void vmsim__frame_set_order(struct vmsim__frame *f, unsigned order) {
    f->flags = (f->flags & ~(15u << VMSIM__FRAME_ORDER_SHIFT)) | order << VMSIM__FRAME_ORDER_SHIFT;
}
/* Index of the frame's zone in struct vmsim__mem's flat array of zones. */
static inline unsigned vmsim__frame_zone(const struct vmsim__frame *f) {
    return f->flags >> VMSIM__FRAME_ZONE_SHIFT;
}
static inline bool vmsim__frame_is(const struct vmsim__frame *f, uint32_t flag) {
    return (f->flags & flag) != 0;
}
/* Base pages of the folio that `f` heads. */
static inline uint32_t vmsim__frame_pages(const struct vmsim__frame *f) {
    VMSIM__ASSERT(!vmsim__frame_is(f, VMSIM__FRAME_TAIL));
    return vmsim__frame_is(f, VMSIM__FRAME_HEAD) ? 1u << vmsim__frame_order(f) : 1u;
}

#endif
