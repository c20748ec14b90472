/* SPDX-License-Identifier: MIT */
/* The metadata of one physical frame: 32 bytes, half of what the kernel's struct page takes.
 *
 *     0       4       8          12              16        20               24
 *     | next  | prev  | refcount | policy    8 b | mapping | flags 24 bits  | index 48 bits |
 *     |     table     |          | mapcount 24 b |         | zone   8 bits  | memcg 16 bits |
 *
 * Frames are numbered by 32-bit page frame number (pfn) in units of the machine's base page; links are pfns, not
 * pointers. Metadata is allocated in chunks of one top-order block (4 MiB of simulated memory with 4 KiB pages: 32
 * KiB), when a frame of the block is first touched. A block that was never touched has no chunk: it is part of a boot
 * extent of its zone's free list. What few frames need stands beside the chunks (zones/columns.h).
 *
 * A compound page (a folio of more than one frame) is described by its head; what does not fit there stands in its
 * first tail, whose own fields are free for it: `policy` is the order, `mapping` counts the entries that map the whole.
 * Kernel counterpart: struct page / struct folio (include/linux/mm_types.h). */
#ifndef VMSIM__FRAME_H
#define VMSIM__FRAME_H
#include <string.h>

#include "base/util.h"

typedef uint32_t vmsim__pfn;
#define VMSIM__PFN_NONE UINT32_MAX

struct vmsim__frame {
    vmsim__pfn next, prev; /* list links: free list, per-CPU list, LRU; tails: next is the head's pfn */
    int32_t refcount;      /* 0: free */
    union {
        struct {
            uint32_t policy : 8;   /* in use: the reclaim policy's. Free, a kernel's own run, first tail: the order */
            int32_t mapcount : 24; /* page-table entries that map this very frame: vmsim__frame_map */
        };
        uint32_t mapped; /* both, for a single add */
    };
    uint32_t mapping; /* object it belongs to: anon_vma id (ANON) or file id (FILE); 0: none */
    uint32_t flags;   /* VMSIM__FRAME_* | zone << 24 */
    union {
        struct {
            uint64_t index : 48; /* page offset in the object; free: the list's migratetype */
            uint64_t memcg : 16; /* memory cgroup that it is charged to; 0: none */
        };
        uint64_t owner; /* both, for a single store */
    };
};
_Static_assert(sizeof(struct vmsim__frame) == 32, "the metadata bar is 32 bytes a frame");
_Static_assert(offsetof(struct vmsim__frame, flags) == 20, "no hole before the flags");
_Static_assert(offsetof(struct vmsim__frame, refcount) == sizeof(void *), "a table takes the place of the links");

/* What the frame is. */
#define VMSIM__FRAME_BUDDY (1u << 0)    /* head of a free block on a buddy list */
#define VMSIM__FRAME_PCP (1u << 1)      /* on a per-CPU list (free for the user, not for the buddy) */
#define VMSIM__FRAME_HEAD (1u << 2)     /* first frame of a compound allocation of order > 0 */
#define VMSIM__FRAME_TAIL (1u << 3)     /* further frame of one */
#define VMSIM__FRAME_TABLE (1u << 4)    /* a page table lives here */
#define VMSIM__FRAME_RESERVED (1u << 5) /* never handed to the allocator */
/* Whose it is, and in what state its contents are. */
#define VMSIM__FRAME_ANON (1u << 6)                 /* mapping is an anon_vma */
#define VMSIM__FRAME_FILE (1u << 7)                 /* mapping is a file: in the page cache */
#define VMSIM__FRAME_SWAPBACKED (1u << 8)           /* reclaimed to swap: anonymous, shmem */
#define VMSIM__FRAME_SWAPCACHE (1u << 9)            /* has a slot of swap, too */
#define VMSIM__FRAME_EXCLUSIVE (1u << 10)           /* anonymous and owned by one mm alone (PageAnonExclusive) */
#define VMSIM__FRAME_BUFFERS VMSIM__FRAME_EXCLUSIVE /* of a file's page: buffer heads hang on it (PG_private) */
#define VMSIM__FRAME_PINNED (1u << 11)              /* what it belongs to never lets go of it (ramfs; AS_UNEVICTABLE) */
#define VMSIM__FRAME_LOCKED (1u << 12)              /* being read: nobody maps, copies or frees it */
#define VMSIM__FRAME_UPTODATE (1u << 13)            /* holds what it should */
#define VMSIM__FRAME_DIRTY (1u << 14)
#define VMSIM__FRAME_WRITEBACK (1u << 15)
/* Where reclaim stands with it. */
#define VMSIM__FRAME_LRU (1u << 16) /* on a list; isolated: not */
#define VMSIM__FRAME_ACTIVE (1u << 17)
#define VMSIM__FRAME_REFERENCED (1u << 18)
#define VMSIM__FRAME_UNEVICTABLE (1u << 19)
#define VMSIM__FRAME_MLOCKED (1u << 20) /* counted in nr_mlock */
#define VMSIM__FRAME_WORKINGSET (1u << 21)
/* To be reclaimed at the end of its write-out, and, of a page that was read, the mark of a readahead window: one bit,
 * as in the kernel, where a store to a page that was read ahead takes its mark away. */
#define VMSIM__FRAME_RECLAIM (1u << 22)
#define VMSIM__FRAME_READAHEAD VMSIM__FRAME_RECLAIM
#define VMSIM__FRAME_DEFERRED (1u << 23) /* a head: on the deferred split queue */
#define VMSIM__FRAME_ZONE_SHIFT 24

/* Of a first tail: the folio is one of a pool of hugetlb pages, in use or not. */
#define VMSIM__TAIL_HUGETLB VMSIM__FRAME_PINNED

#define VMSIM__FRAME_INDEX_MAX ((UINT64_C(1) << 48) - 1)
#define VMSIM__FRAME_MAPCOUNT_MAX ((INT32_C(1) << 23) - 1)
#define VMSIM__ORDER_MAX 18u /* of a compound page: 1 GiB of 4 KiB pages */

/* Index of the frame's zone in struct vmsim__mem's flat array of zones. */
static inline unsigned vmsim__frame_zone(const struct vmsim__frame *f) {
    return f->flags >> VMSIM__FRAME_ZONE_SHIFT;
}
/* Of a TABLE: host memory of the page table that lives in this frame, in place of the links. They are no union with a
 * pointer: after each store to a link the compiler would have to load every pointer anew. */
static inline void *vmsim__frame_table(const struct vmsim__frame *f) {
    void *host;
    memcpy(&host, f, sizeof host);
    return host;
}
static inline void vmsim__frame_set_table(struct vmsim__frame *f, void *host) {
    memcpy(f, &host, sizeof host);
}
static inline bool vmsim__frame_is(const struct vmsim__frame *f, uint32_t flag) {
    return (f->flags & flag) != 0;
}
static inline uint64_t vmsim__frame_index(const struct vmsim__frame *f) {
    return f->index;
}
static inline void vmsim__frame_set_index(struct vmsim__frame *f, uint64_t index) {
    VMSIM__ASSERT(index <= VMSIM__FRAME_INDEX_MAX);
    f->index = index & VMSIM__FRAME_INDEX_MAX;
}
/* `n` page-table entries more or fewer map this very frame; how many do now. */
static inline int32_t vmsim__frame_map(struct vmsim__frame *f, int32_t n) {
    VMSIM__ASSERT(f->mapcount + n >= 0 && f->mapcount + n <= VMSIM__FRAME_MAPCOUNT_MAX);
    f->mapped += (uint32_t)n << 8;
    return f->mapcount;
}
/* Order of a free block, or of a run of frames that is no compound page. */
static inline unsigned vmsim__block_order(const struct vmsim__frame *f) {
    VMSIM__ASSERT(!vmsim__frame_is(f, VMSIM__FRAME_HEAD | VMSIM__FRAME_TAIL));
    return f->policy;
}
/* Nothing maps it: one store for both fields, on the way of every allocation. */
static inline void vmsim__block_set_order(struct vmsim__frame *f, unsigned order) {
    VMSIM__ASSERT(!f->mapcount && order <= VMSIM__ORDER_MAX);
    f->mapcount = 0;
    f->policy = (uint8_t)order;
}
/* Migratetype of the list that a free block is on or meant for; nobody is charged for it. */
static inline void vmsim__frame_set_list(struct vmsim__frame *f, unsigned type) {
    VMSIM__ASSERT(!f->memcg);
    f->owner = type;
}
/* Order of the folio that `f` heads. The first tail lies in the same chunk: chunks begin at even frames. */
static inline unsigned vmsim__folio_order(const struct vmsim__frame *f) {
    VMSIM__ASSERT(!vmsim__frame_is(f, VMSIM__FRAME_TAIL | VMSIM__FRAME_BUDDY | VMSIM__FRAME_PCP));
    return VMSIM__UNLIKELY(vmsim__frame_is(f, VMSIM__FRAME_HEAD)) ? f[1].policy : 0;
}
/* Does `f` head a page of a pool of hugetlb pages? */
static inline bool vmsim__folio_hugetlb(const struct vmsim__frame *f) {
    return vmsim__frame_is(f, VMSIM__FRAME_HEAD) && vmsim__frame_is(f + 1, VMSIM__TAIL_HUGETLB);
}
/* Base pages of the folio that `f` heads. */
static inline uint32_t vmsim__frame_pages(const struct vmsim__frame *f) {
    return UINT32_C(1) << vmsim__folio_order(f);
}

#endif
