/* SPDX-License-Identifier: MIT */
/* Physical memory of one machine: firmware map -> nodes -> zones -> buddy and per-CPU lists. The allocator's fast path.
 *
 * `struct vmsim__mem` owns every frame. It knows nothing of reclaim, tasks or page tables: when the fast path finds
 * nothing it calls `slowpath` (set by machine/), which may reclaim, compact, kill, and try again with other flags
 * through vmsim__mem_get_frames. Kernel counterpart: mm/page_alloc.c, mm/mm_init.c, include/linux/mmzone.h,
 * mm/vmstat.c. */
#ifndef VMSIM__ZONES_H
#define VMSIM__ZONES_H
#include "base/alloc.h"
#include "base/err.h"
#include "base/kernel.h"
#include "base/knob.h"
#include "base/now.h"
#include "base/vec.h"
#include "zones/frame.h"
#include "zones/mem_spec.h"
#include "zones/vmstat.h"

enum vmsim__zone_type {
    VMSIM__ZONE_DMA,
    VMSIM__ZONE_DMA32,
    VMSIM__ZONE_NORMAL,
    VMSIM__ZONE_HIGHMEM,
    VMSIM__ZONE_MOVABLE,
    VMSIM__ZONE_DEVICE, /* never populated; a column of protection arrays and of /proc/zoneinfo */
    VMSIM__ZONE_TYPES
};
enum vmsim__migratetype {
    VMSIM__UNMOVABLE,
    VMSIM__MOVABLE,
    VMSIM__RECLAIMABLE,
    VMSIM__HIGHATOMIC,
    VMSIM__CMA, /* kept for large contiguous requests; meanwhile movable ones may use it */
    VMSIM__ISOLATE,
    VMSIM__MIGRATE_TYPES
};
#define VMSIM__PCP_TYPES 3   /* migratetypes that per-CPU lists and fallbacks know: the first three */
#define VMSIM__MAX_NODES 64  /* so that a nodemask is one word */
#define VMSIM__ORDERS 14     /* highest top order (13, arm64 with 64 KiB pages) + 1 */
#define VMSIM__NO_ZONE 0xffu /* no index of a zone; zone byte of frames in holes */
#define VMSIM__HSTATES 4     /* most sizes of hugetlb pages that an architecture has */
#define VMSIM__COSTLY_ORDER 3
#define VMSIM__MEM_COLUMNS 3u
enum vmsim__wmark { VMSIM__WMARK_MIN, VMSIM__WMARK_LOW, VMSIM__WMARK_HIGH, VMSIM__WMARK_PROMO, VMSIM__WMARKS };

/* GFP flags: the kernel's bits (6.1). */
#define VMSIM__GFP_DMA 0x1u
#define VMSIM__GFP_HIGHMEM 0x2u
#define VMSIM__GFP_DMA32 0x4u
#define VMSIM__GFP_MOVABLE_BIT 0x8u
#define VMSIM__GFP_RECLAIMABLE 0x10u
#define VMSIM__GFP_HIGH 0x20u
#define VMSIM__GFP_IO 0x40u
#define VMSIM__GFP_FS 0x80u
#define VMSIM__GFP_ZERO 0x100u
#define VMSIM__GFP_ATOMIC_BIT 0x200u
#define VMSIM__GFP_DIRECT_RECLAIM 0x400u
#define VMSIM__GFP_KSWAPD_RECLAIM 0x800u
#define VMSIM__GFP_WRITE 0x1000u
#define VMSIM__GFP_NOWARN 0x2000u
#define VMSIM__GFP_RETRY_MAYFAIL 0x4000u
#define VMSIM__GFP_NOFAIL 0x8000u
#define VMSIM__GFP_NORETRY 0x10000u
#define VMSIM__GFP_MEMALLOC 0x20000u
#define VMSIM__GFP_COMP 0x40000u
#define VMSIM__GFP_NOMEMALLOC 0x80000u
#define VMSIM__GFP_HARDWALL 0x100000u
#define VMSIM__GFP_THISNODE 0x200000u
#define VMSIM__GFP_ACCOUNT 0x400000u
#define VMSIM__GFP_RECLAIM (VMSIM__GFP_DIRECT_RECLAIM | VMSIM__GFP_KSWAPD_RECLAIM)
#define VMSIM__GFP_KERNEL (VMSIM__GFP_RECLAIM | VMSIM__GFP_IO | VMSIM__GFP_FS)
#define VMSIM__GFP_ATOMIC (VMSIM__GFP_HIGH | VMSIM__GFP_ATOMIC_BIT | VMSIM__GFP_KSWAPD_RECLAIM)
#define VMSIM__GFP_NOWAIT VMSIM__GFP_KSWAPD_RECLAIM
#define VMSIM__GFP_USER (VMSIM__GFP_KERNEL | VMSIM__GFP_HARDWALL)
#define VMSIM__GFP_HIGHUSER (VMSIM__GFP_USER | VMSIM__GFP_HIGHMEM)
#define VMSIM__GFP_HIGHUSER_MOVABLE (VMSIM__GFP_HIGHUSER | VMSIM__GFP_MOVABLE_BIT)
#define VMSIM__GFP_TRANSHUGE_LIGHT                                                                                     \
    ((VMSIM__GFP_HIGHUSER_MOVABLE | VMSIM__GFP_COMP | VMSIM__GFP_NOMEMALLOC | VMSIM__GFP_NOWARN) & ~VMSIM__GFP_RECLAIM)
#define VMSIM__GFP_TRANSHUGE (VMSIM__GFP_TRANSHUGE_LIGHT | VMSIM__GFP_DIRECT_RECLAIM)
#define VMSIM__GFP_PGTABLE (VMSIM__GFP_KERNEL | VMSIM__GFP_ZERO | VMSIM__GFP_ACCOUNT)

/* One request for 2^order contiguous frames. */
struct vmsim__alloc_request {
    uint32_t gfp;
    uint8_t order;
    uint16_t cpu;             /* CPU on which the caller runs: its per-CPU lists, its node for numa_local */
    uint16_t node;            /* preferred node */
    const uint64_t *nodemask; /* allowed nodes (bitmap of 64-bit words), NULL: all */
};

struct vmsim__mem;
struct vmsim__zone;

/* Rights and marks of one walk over a zonelist: the kernel's ALLOC_* flags. The low two bits name the watermark. */
#define VMSIM__ALLOC_WMARK_MIN 0x0u
#define VMSIM__ALLOC_WMARK_LOW 0x1u
#define VMSIM__ALLOC_WMARK_HIGH 0x2u
#define VMSIM__ALLOC_WMARK_MASK 0x3u
#define VMSIM__ALLOC_NO_WATERMARKS 0x4u
#define VMSIM__ALLOC_OOM 0x8u
#define VMSIM__ALLOC_NON_BLOCK 0x10u
#define VMSIM__ALLOC_MIN_RESERVE 0x20u
#define VMSIM__ALLOC_CPUSET 0x40u
#define VMSIM__ALLOC_CMA 0x80u /* set by the walk for movable requests */
#define VMSIM__ALLOC_NOFRAGMENT 0x100u
#define VMSIM__ALLOC_HIGHATOMIC 0x200u
#define VMSIM__ALLOC_KSWAPD 0x800u
#define VMSIM__ALLOC_RESERVES                                                                                          \
    (VMSIM__ALLOC_NON_BLOCK | VMSIM__ALLOC_MIN_RESERVE | VMSIM__ALLOC_HIGHATOMIC | VMSIM__ALLOC_OOM)

/* Chunks of frame metadata: NULL for a block never touched. Hot: inline, two dependent loads. */
struct vmsim__frames {
    struct vmsim__frame **chunk; /* indexed by pfn >> shift */
    unsigned shift;              /* log2 of frames a chunk: the top order */
    uint32_t mask;
    vmsim__pfn end; /* first pfn past all memory */
};
VMSIM__INLINE struct vmsim__frame *vmsim__frame_at(const struct vmsim__frames *t, vmsim__pfn pfn) {
    return t->chunk[pfn >> t->shift] + (pfn & t->mask);
}

/* The host fetches the record of a frame that is about to be looked at; of none, nothing. */
VMSIM__INLINE void vmsim__frame_prefetch(const struct vmsim__frames *t, vmsim__pfn pfn) {
    if (VMSIM__LIKELY(pfn < t->end && t->chunk[pfn >> t->shift]))
        __builtin_prefetch(vmsim__frame_at(t, pfn), 1);
}

/* A doubly linked list of frames, by pfn. */
struct vmsim__frame_list {
    vmsim__pfn head, tail; /* VMSIM__PFN_NONE: empty */
};

/* Free blocks of one order. `nr` counts blocks on each list, extents of never-touched blocks included. */
struct vmsim__free_area {
    struct vmsim__frame_list list[VMSIM__MIGRATE_TYPES];
    uint64_t nr[VMSIM__MIGRATE_TYPES];
};

/* Never-touched top-order blocks, in the middle of the zone's top-order MOVABLE list:
 *   explicit front part (area.list up to `before`) | extents of ascending pfn | explicit back part. */
struct vmsim__extent {
    vmsim__pfn start, end; /* whole top-order blocks, all free, all pageblocks MOVABLE */
};

/* Per-CPU lists of one zone: 3 types x orders 0..3, then THP blocks (other, movable). */
#define VMSIM__PCP_LISTS (VMSIM__PCP_TYPES * (VMSIM__COSTLY_ORDER + 1) + 2)
struct vmsim__pcp {
    int32_t count;              /* frames on all lists */
    int32_t high, batch;        /* limit of count, frames moved at once */
    int32_t high_min, high_max; /* bounds of `high` where the kernel tunes it (6.12) */
    int32_t free_count;         /* 6.12: frames freed in a row */
    uint8_t free_factor;        /* 6.1: doublings of the batch when freeing */
    uint8_t alloc_factor;       /* 6.12: doublings of the batch when allocating */
    bool prev_free_high_order;  /* 6.12: the last free was of order 1..3 */
    bool used;                  /* something was taken or put here since this CPU looked last (vmsim__mem_refresh) */
    uint8_t expire;             /* looks until a list of another node's zone is shortened; 0: it stays */
    uint8_t unfolded;           /* frames that it gave back there and that no counter tells of yet */
    uint64_t seen;              /* the zone's counters, mixed, as they were when this CPU looked last */
    struct vmsim__frame_list list[VMSIM__PCP_LISTS];
};

/* Zone flags. */
#define VMSIM__ZONE_BOOSTED 0x1u        /* the watermark was boosted: the allocating task wakes kswapd */
#define VMSIM__ZONE_RECLAIM_ACTIVE 0x2u /* kswapd works here: per-CPU lists are kept short (set by machine/) */
#define VMSIM__ZONE_BELOW_HIGH 0x4u     /* free frames fell below the high watermark (6.12) */

/* One zone, with frames or to have some when memory comes online. Written by zones/ alone, except where noted; read by
 * everyone. */
struct vmsim__zone {
    uint8_t index; /* in mem->zones */
    uint8_t type;  /* enum vmsim__zone_type */
    uint16_t node;
    uint32_t flags;
    const char *name;                           /* "DMA32", "Normal": as /proc prints it */
    vmsim__pfn start, end;                      /* spanned: [start, end); 0, 0 without frames */
    uint64_t present, managed, cma;             /* frames; cma: of managed, those of CMA pageblocks */
    uint64_t wmark[VMSIM__WMARKS];              /* frames, without the boost */
    uint64_t boost;                             /* frames; kswapd subtracts what it saw (machine/ writes it, too) */
    uint64_t lowmem_reserve[VMSIM__ZONE_TYPES]; /* by highest zone type of the request */
    int64_t stat[VMSIM__ZONE_STAT_COUNT];       /* vm/, cache/ and reclaim add to theirs directly */
    uint64_t numa[VMSIM__NUMA_STAT_COUNT];
    uint64_t in_use;                 /* frames handed out */
    uint64_t nr_reserved_highatomic; /* frames of HIGHATOMIC pageblocks */
    uint64_t nr_free_highatomic;     /* free frames of them */
    uint32_t stat_threshold;         /* per-CPU counter drift that the kernel allows itself */
    uint32_t unfolded;               /* of all CPUs' lists */
    uint64_t percpu_drift_mark;
    struct vmsim__pcp *pcp; /* one a CPU; NULL until the zone has frames for the first time */
    struct vmsim__free_area area[VMSIM__ORDERS];
    struct {
        struct vmsim__extent *at;
        size_t count, capacity;
        size_t first;             /* extents before it are used up */
        vmsim__pfn before, after; /* last frame of the front part, first of the back part; PFN_NONE: none */
    } extents;
};

#define VMSIM__TIER_DRAM 4u /* MEMTIER_ADISTANCE_DRAM 576, in chunks of 128 */

/* Memory of a node, online or not: that of boot, and where more may be plugged in. */
struct vmsim__mem_range {
    vmsim__pfn start, end;
    uint16_t node;
    bool plugged; /* it was not there at boot */
};

/* Frames of one zone without a hole. */
struct vmsim__segment {
    vmsim__pfn start, end;
    uint8_t zone; /* index */
};

/* hugetlb pages of one size on one node: `free` of `total` are chained by frame->next from `head`. */
struct vmsim__hugetlb_pool {
    uint64_t total, free;
    uint64_t surplus; /* of total: go back to the buddy when they are freed */
    vmsim__pfn head;
};

/* One size of hugetlb pages. Kernel: struct hstate. */
struct vmsim__hstate {
    uint8_t order; /* log2 of base pages; above the top order: gigantic, taken before the buddy allocator exists */
    uint8_t next_alloc, next_free; /* node that the next page of the pool comes from, goes back from */
    uint64_t reserved;             /* pages promised to mappings that have not touched them yet */
    uint64_t overcommit;           /* most surplus pages: nr_overcommit_hugepages */
};

/* A node: its zones, its place in the machine. */
struct vmsim__node {
    uint16_t id;
    bool has_cpu, has_memory;
    uint8_t nr_zones;
    uint8_t zone[VMSIM__ZONE_TYPES];     /* indices of its populated zones, lowest type first */
    uint8_t possible[VMSIM__ZONE_TYPES]; /* index by type, populated or not; VMSIM__NO_ZONE: it cannot have frames */
    uint64_t nr_cpus, cpumask[VMSIM__CPUS_MAX / 64]; /* CPUs that are local here; with numa=fake to other nodes, too */
    vmsim__pfn start, end;                           /* spanned: [start, end); 0, 0 without memory */
    uint64_t present, totalreserve;                  /* frames */
    int64_t stat[VMSIM__NODE_STAT_COUNT];
    uint8_t distance[VMSIM__MAX_NODES];
    uint8_t tier;                       /* 4: DRAM's; higher ones are slower */
    uint32_t latency[VMSIM__MAX_NODES]; /* ns: of its CPUs to the memory of each node */
    uint64_t bandwidth;                 /* bytes a second; 0: without limit */
    uint64_t busy_until, busy_rest;     /* ns: it serves those who came before; billionths of bytes beyond it */
    uint64_t queue_ns;                  /* that its users waited for others */
    uint8_t order_count;
    uint8_t order[VMSIM__MAX_NODES]; /* fallback order of nodes */
    uint16_t zonelist_count[2];
    uint8_t *zonelist[2];                     /* zone indices: [0] FALLBACK, [1] NOFALLBACK (GFP_THISNODE) */
    uint16_t first[2][VMSIM__ZONE_TYPES];     /* place in the zonelist of the first zone up to a type */
    uint8_t first_zone[2][VMSIM__ZONE_TYPES]; /* its index; VMSIM__NO_ZONE: there is none */
    struct vmsim__hugetlb_pool hugetlb[VMSIM__HSTATES];
};

/* What machine/ and policies plug in; every pointer may be NULL. */
struct vmsim__mem_hooks {
    void *context;
    /* Nothing was found above the low watermark: may reclaim, compact, kill, and try vmsim__mem_get_frames again. */
    vmsim__pfn (*slowpath)(void *context, const struct vmsim__alloc_request *rq);
    /* A watermark was boosted by an allocation that may wake kswapd. */
    void (*wake_kswapd)(void *context, struct vmsim__zone *zone, unsigned order, unsigned highest_type);
    /* Between two parts of a long operation of a task's call: true: others want the CPU; the present waits for it, and
     * the call is to end as it is and to be entered again. NULL: never. Kernel: cond_resched. */
    bool (*cond_resched)(void *context);
    /* Empties whole pageblocks of one zone and hands their frames out one by one (vmsim__isolate_take); false:
     * something stays, or the present waits, and nothing is held. Kernel: alloc_contig_range. */
    bool (*contig_range)(void *context, vmsim__pfn start, vmsim__pfn end);
    /* GFP_WRITE in the fast path: is the node below its share of dirty pages? */
    bool (*node_dirty_ok)(void *context, unsigned node);
    /* vm.zone_reclaim_mode: the zone is below its mark; true when it is worth checking again. */
    bool (*node_reclaim)(void *context, struct vmsim__zone *zone, const struct vmsim__alloc_request *rq);
};

/* vm.* values that zones/ keeps (mem_sysctl.c). Change them with vmsim__mem_sysctl_set. */
struct vmsim__mem_sysctl {
    uint64_t min_free_kbytes;
    int64_t user_min_free_kbytes; /* -1: never written */
    uint64_t watermark_scale_factor, watermark_boost_factor;
    uint64_t lowmem_reserve_ratio[VMSIM__ZONE_TYPES];
    uint64_t percpu_pagelist_high_fraction;
    uint64_t extfrag_threshold;
    uint64_t zone_reclaim_mode, min_unmapped_ratio; /* bits 1, 2, 4; percent */
    uint64_t auto_movable_ratio;                    /* percent: Movable memory to the kernel's of boot */
    int online_policy;                              /* enum vmsim__online_policy */
    bool numa_stat, auto_movable_numa_aware;
};

/* Direct compaction takes the block that it was for at the moment in which it is free. Kernel: struct capture_control.
 */
struct vmsim__block_capture {
    bool active;
    uint8_t zone, order, type; /* index; of the request */
    vmsim__pfn pfn;            /* PFN_NONE: none yet */
};

/* Objects of the kernel's own and the frames that they lie in (zones/kmem_cache.h). */
enum vmsim__kmem_kind {
    VMSIM__KMEM_INODE,
    VMSIM__KMEM_DENTRY,
    VMSIM__KMEM_RADIX_NODE,
    VMSIM__KMEM_BUFFER_HEAD,
    VMSIM__KMEM_KINDS
};
struct vmsim__kmem_slab {
    vmsim__pfn pfn; /* its first frame */
    uint8_t order;
};
struct vmsim__kmem_cache {
    uint32_t size;              /* bytes of an object */
    uint8_t order, least_order; /* of its slabs; of those that it is content with */
    uint16_t spare;             /* slabs' room that it keeps empty at most, in objects */
    uint16_t boot_room;         /* objects that boot's slabs, which are boot's memory, have room for */
    uint64_t objects, room;     /* there are; that boot's and its own slabs have room for */
    struct {
        VMSIM__VEC(struct vmsim__kmem_slab);
    } slabs;
};

struct vmsim__mem {
    struct vmsim__frames frames; /* first: hot */
    struct vmsim__now now;       /* the machine's present, here because every layer of the manager sees its memory */
    const struct vmsim__kernel *kernel;
    struct vmsim__alloc *alloc;
    struct vmsim__zone *zones; /* all that may have frames, by node, then type: numbers never change */
    struct vmsim__node *nodes; /* all nodes, memoryless ones included */
    uint16_t nr_zones, nr_nodes, nr_cpus;
    uint8_t arch, page_shift, top_order, pageblock_order;
    uint8_t zone_configured; /* bit per zone type that this architecture has: columns of protection, ratios */
    bool limited;            /* a node has a bandwidth */
    uint32_t kmap_time;      /* ns in which the kernel maps a page of high memory for a moment; 0: it need not */
    uint64_t kmaps;          /* how often it did */
    bool movable_is_highmem; /* MOVABLE is cut from HIGHMEM, which has the highest frames */
    bool mobility_disabled;  /* too little memory to group by mobility */
    uint8_t thp_enabled;     /* enum vmsim__thp_mode; change with vmsim__mem_thp_set */
    bool thp_available;      /* false: below 512 MiB, all THP flags were cleared at boot (defrag "never", too) */
    uint8_t nr_hstates, default_hstate;
    struct vmsim__hstate hstate[VMSIM__HSTATES]; /* larger sizes first */
    uint16_t *cpu_node;                          /* node of each CPU: the first that names it */
    struct vmsim__mem_sysctl sysctl;
    uint64_t totalram, totalreserve; /* frames */
    uint64_t boot_freed;             /* of totalram: held by boot itself until its end (init sections, initrd) */
    uint64_t event[VMSIM__EVENT_COUNT];
    struct vmsim__block_capture capture;
    struct vmsim__mem_hooks hooks;
    uint8_t *pageblocks;             /* migratetype of each pageblock, two in a byte */
    struct vmsim__segment *segments; /* present (online) memory, ascending, disjoint */
    struct vmsim__mem_range *ranges; /* ascending, disjoint */
    struct vmsim__extent *reserved;  /* present, but never given to the allocator: ascending, disjoint */
    size_t nr_segments, segments_capacity, nr_reserved, nr_ranges;
    uint8_t memory_block_order;        /* log2 of the frames that come online or go offline at once */
    bool movable_node;                 /* the boot option: new memory is MOVABLE unless told otherwise */
    size_t chunks;                     /* chunks of metadata allocated */
    void **column[VMSIM__MEM_COLUMNS]; /* values beside the chunks, by chunk (zones/columns.h); NULL: never used */
    bool host_nomem;                   /* sticky: an allocation failed because the host had no memory for metadata */
    uint8_t gfp_zone[16];              /* highest zone type by the four zone bits of a gfp */
    struct vmsim__kmem_cache kmem[VMSIM__KMEM_KINDS];
    uint8_t interleave_weight[VMSIM__MAX_NODES]; /* weighted_interleave/nodeN; 0: nobody wrote one, it is 1 */
};

/* ---- Life ---- */

/* Builds a machine's memory and boots it: zones, watermarks as at the end of boot, everything free but the reserved
 * frames (and the huge pages asked for). `alloc` must outlive it. On failure *out is NULL and `err` has the reason. */
int vmsim__mem_create(struct vmsim__alloc *alloc, const struct vmsim__mem_spec *spec, struct vmsim__mem **out,
                      struct vmsim__err *err);
void vmsim__mem_destroy(struct vmsim__mem *mem);

/* ---- Settings ---- */

/* Writes a sysctl as text, as into /proc/sys: recomputes what the kernel recomputes. VMSIM_ENOENT: not a name of
 * zones/; VMSIM_EINVAL: the kernel would refuse it; nothing changes then. */
int vmsim__mem_sysctl_set(struct vmsim__mem *mem, const char *name, const char *text, struct vmsim__err *err);
/* Reads one back in /proc's format, without newline. False: not a name of zones/. As in the kernel, reading
 * vm.lowmem_reserve_ratio computes the reserves anew from what zones manage now. */
bool vmsim__mem_sysctl_get(struct vmsim__mem *mem, const char *name, char *buffer, size_t size);
extern const struct vmsim__knob vmsim__mem_knobs[]; /* of a struct vmsim__mem */
/* Writes transparent_hugepage/enabled: starts or stops khugepaged, which raises min_free_kbytes. */
void vmsim__mem_thp_set(struct vmsim__mem *mem, enum vmsim__thp_mode mode);

/* ---- Allocation ---- */

/* Allocates; VMSIM__PFN_NONE when even the slow path found nothing. Frames come with refcount 1 (head), metadata
 * otherwise clear (flags keep zone, order; HEAD/TAIL marks with GFP_COMP). Of a block without GFP_COMP only the first
 * frame's metadata is the caller's: to use the others', split it. */
vmsim__pfn vmsim__mem_alloc(struct vmsim__mem *mem, const struct vmsim__alloc_request *rq);
/* Frees a block of 2^order whose references are gone (through the per-CPU list of `cpu`, or the buddy). */
void vmsim__mem_free(struct vmsim__mem *mem, vmsim__pfn pfn, unsigned order, unsigned cpu);

/* Does the running task's cpuset keep the request from the node? The kernel's own memory may come from anywhere in
 * need. Kernel: cpuset_zone_allowed. */
bool vmsim__cpuset_closed(const struct vmsim__mem *mem, unsigned node, uint32_t gfp, uint32_t alloc_flags);
/* One walk over the zonelist with given rights; VMSIM__PFN_NONE when no zone passes. What the slow path tries with. */
vmsim__pfn vmsim__mem_get_frames(struct vmsim__mem *mem, const struct vmsim__alloc_request *rq, uint32_t alloc_flags);
/* Highest zone type that a request may take (the walk goes downward from it), and its migratetype. */
unsigned vmsim__gfp_zone(const struct vmsim__mem *mem, uint32_t gfp);
enum vmsim__migratetype vmsim__gfp_migratetype(const struct vmsim__mem *mem, uint32_t gfp);
/* Splits a non-compound block of 2^order into single frames with a reference each. */
void vmsim__mem_split(struct vmsim__mem *mem, vmsim__pfn pfn, unsigned order);

/* Metadata of a frame of present memory, made if its block was never touched. NULL: no host memory, or no such frame.
 */
struct vmsim__frame *vmsim__mem_frame(struct vmsim__mem *mem, vmsim__pfn pfn);
/* Zone of a frame, NULL for pfns outside all zones. Works for never-touched blocks. */
struct vmsim__zone *vmsim__mem_zone_of(const struct vmsim__mem *mem, vmsim__pfn pfn);

/* Empties per-CPU lists into the buddy lists: one CPU of one zone, all CPUs of a zone, everything. */
void vmsim__zone_drain_pcp(struct vmsim__mem *mem, struct vmsim__zone *zone, unsigned cpu);
void vmsim__zone_drain(struct vmsim__mem *mem, struct vmsim__zone *zone);
void vmsim__mem_drain(struct vmsim__mem *mem);
/* A counter as /proc tells it. Counters are exact at any time, and what CPUs add by themselves is not followed, but for
 * free frames that a list gave back after its CPU had folded its own: they show at its next look. */
VMSIM__INLINE int64_t vmsim__zone_told(const struct vmsim__zone *z, enum vmsim__zone_stat stat) {
    return z->stat[stat] - (stat == VMSIM__NR_FREE_PAGES ? (int64_t)z->unfolded : 0);
}
int64_t vmsim__mem_zone_told(const struct vmsim__mem *mem, enum vmsim__zone_stat stat);
/* What a CPU does once a second (vm.stat_interval) and on a write to vm.stat_refresh: since 6.7 the limit of its lists
 * decays, and lists of other nodes' zones that it has left alone for three looks give a batch back. Kernel:
 * refresh_cpu_vm_stats. */
void vmsim__mem_refresh(struct vmsim__mem *mem, unsigned cpu);
/* Gives one HIGHATOMIC pageblock of the request's zones back to its migratetype; with `force` even the last of a zone.
 * False: there was none. */
bool vmsim__mem_unreserve_highatomic(struct vmsim__mem *mem, const struct vmsim__alloc_request *rq, bool force);

/* ---- Distance ---- */

/* Node of a frame of a zone: of any frame that has metadata. */
static inline unsigned vmsim__frame_node(const struct vmsim__mem *mem, vmsim__pfn pfn) {
    return mem->zones[vmsim__frame_zone(vmsim__frame_at(&mem->frames, pfn))].node;
}
/* What `ns`, the time in which a CPU fills or reads memory of its own node, is for the memory that `pfn` lies in: as
 * often longer as the latency is, since a CPU has so many transfers under way and no more (Little's law). */
static inline uint64_t vmsim__mem_time_at(const struct vmsim__mem *mem, uint64_t ns, unsigned cpu, vmsim__pfn pfn) {
    VMSIM__ASSERT(cpu < mem->nr_cpus);
    const struct vmsim__node *own = &mem->nodes[mem->cpu_node[cpu]];
    const unsigned node = pfn == VMSIM__PFN_NONE ? own->id : vmsim__frame_node(mem, pfn);
    return own->latency[own->id] ? ns * own->latency[node] / own->latency[own->id] : ns;
}
/* `bytes` go to or from the node's memory from `at` on, which takes `own` ns by itself: how much longer it takes
 * because others are served first, and no more gets through (bandwidth.c). */
uint64_t vmsim__node_wait(struct vmsim__mem *mem, unsigned node, uint64_t at, uint64_t own, uint64_t bytes);
/* The same of the frame's node, together with what it takes by itself, of which `ns` is what it would locally. */
uint64_t vmsim__mem_transfer(struct vmsim__mem *mem, uint64_t ns, uint64_t at, uint64_t bytes, unsigned cpu,
                             vmsim__pfn pfn);

/* The kernel is about to reach `bytes` from `pfn` on: pages that have no address of the kernel's are mapped in its
 * window one after another, each until the next, and what that takes is the result. Kernel: kmap_local_page,
 * kunmap_local. */
uint64_t vmsim__mem_window(struct vmsim__mem *mem, uint64_t bytes, vmsim__pfn pfn);

/* What a CPU takes now to fill `bytes`, which is `ns` on its own node. */
static inline uint64_t vmsim__mem_fill_time(struct vmsim__mem *mem, uint64_t ns, uint64_t bytes, unsigned cpu,
                                            vmsim__pfn pfn) {
    if (VMSIM__UNLIKELY(mem->kmap_time))
        ns += vmsim__mem_window(mem, bytes, pfn);
    if (VMSIM__LIKELY(mem->nr_nodes == 1 && !mem->limited))
        return ns;
    return vmsim__mem_transfer(mem, ns, mem->now.time, bytes, cpu, pfn);
}
/* The same of a copy: half of it is reading, half writing. PFN_NONE: what is local, or not simulated (a program's
 * buffer, a pipe's). */
static inline uint64_t vmsim__mem_copy_time(struct vmsim__mem *mem, uint64_t ns, uint64_t bytes, unsigned cpu,
                                            vmsim__pfn to, vmsim__pfn from) {
    if (VMSIM__UNLIKELY(mem->kmap_time))
        ns += vmsim__mem_window(mem, bytes, to) + vmsim__mem_window(mem, bytes, from);
    if (VMSIM__LIKELY(mem->nr_nodes == 1 && !mem->limited))
        return ns;
    const uint64_t writes = vmsim__mem_transfer(mem, ns / 2, mem->now.time, bytes, cpu, to);
    return writes + vmsim__mem_transfer(mem, ns - ns / 2, mem->now.time + writes, bytes, cpu, from);
}
/* Is every frame as far from every CPU, and no transfer limited? Then both take `ns`. */
static inline bool vmsim__mem_is_even(const struct vmsim__mem *mem) {
    return VMSIM__LIKELY(mem->nr_nodes == 1 && !mem->limited && !mem->kmap_time);
}

/* ---- Watermarks ---- */

static inline uint64_t vmsim__zone_wmark(const struct vmsim__zone *z, enum vmsim__wmark w) {
    return z->wmark[w] + z->boost;
}
/* May a request of 2^order be served from a zone with `free` free frames and leave `mark`? `highest_type` is the
 * ceiling of the request. */
bool vmsim__zone_watermark_ok_free(const struct vmsim__mem *mem, const struct vmsim__zone *z, unsigned order,
                                   uint64_t mark, unsigned highest_type, uint32_t alloc_flags, int64_t free);
/* The same with the zone's free frames. */
bool vmsim__zone_watermark_ok(const struct vmsim__mem *mem, const struct vmsim__zone *z, unsigned order, uint64_t mark,
                              unsigned highest_type, uint32_t alloc_flags);

/* ---- Iteration: zones of a request's zonelist ----
 *
 *     struct vmsim__zone_iter it;
 *     for (struct vmsim__zone *z = vmsim__zonelist_first(mem, rq, &it); z; z = vmsim__zonelist_next(&it)) ... */
struct vmsim__zone_iter {
    struct vmsim__mem *mem;
    const uint8_t *list;
    const uint64_t *nodemask;
    unsigned at, count, highest_type;
};
struct vmsim__zone *vmsim__zonelist_first(struct vmsim__mem *mem, const struct vmsim__alloc_request *rq,
                                          struct vmsim__zone_iter *it);
struct vmsim__zone *vmsim__zonelist_next(struct vmsim__zone_iter *it);

/* ---- Blocks: for compaction, hotplug, huge pages ---- */

enum vmsim__migratetype vmsim__pageblock_type(const struct vmsim__mem *mem, vmsim__pfn pfn);
/* Changes the type of the pageblock of `pfn` and moves its free blocks to that type's lists. Returns the frames moved.
 */
uint64_t vmsim__pageblock_set(struct vmsim__mem *mem, vmsim__pfn pfn, enum vmsim__migratetype type);
/* Order of the free buddy block that *starts* at pfn, or -1. Does not touch metadata. */
int vmsim__mem_free_block_order(const struct vmsim__mem *mem, vmsim__pfn pfn);
/* Takes the free buddy block that starts at pfn off its list; the frames become the caller's (head: refcount 1, not
 * compound). Returns its order, or -1 when no free block starts there. */
int vmsim__mem_isolate_block(struct vmsim__mem *mem, vmsim__pfn pfn);
/* The same for who compacts: not below the min watermark; what is half a pageblock or more makes its pageblock MOVABLE.
 * Kernel: __isolate_free_page. */
int vmsim__mem_isolate_free(struct vmsim__mem *mem, vmsim__pfn pfn);
/* The list of free blocks is a circle from now on cut so that `pfn` is its first block, or its last. Not of the top
 * order. Kernel: move_freelist_head, move_freelist_tail of mm/compaction.c. */
void vmsim__free_list_turn(struct vmsim__mem *mem, struct vmsim__zone *z, unsigned order, enum vmsim__migratetype type,
                           vmsim__pfn pfn, bool first);
/* Could a request of 2^order of this type be served now, from its own lists or by taking over a pageblock? Kernel: the
 * end of __compact_finished. */
bool vmsim__zone_serves(const struct vmsim__mem *mem, const struct vmsim__zone *z, unsigned order,
                        enum vmsim__migratetype type);
/* From now on the next free block of exactly this order in the zone is kept for the request; _end hands it out, or
 * PFN_NONE. */
void vmsim__block_capture_begin(struct vmsim__mem *mem, const struct vmsim__zone *z, unsigned order,
                                enum vmsim__migratetype type);
vmsim__pfn vmsim__block_capture_end(struct vmsim__mem *mem, uint32_t gfp);
/* Puts frames back straight into the buddy lists, past the per-CPU lists. */
void vmsim__mem_free_buddy(struct vmsim__mem *mem, vmsim__pfn pfn, unsigned order);

/* ---- Memory blocks (mm/memory_hotplug.c) ---- */

/* Has it memory, or may it get some? */
bool vmsim__node_may_have_memory(const struct vmsim__mem *mem, unsigned node);
enum vmsim__block_state { VMSIM__BLOCK_ABSENT, VMSIM__BLOCK_OFFLINE, VMSIM__BLOCK_ONLINE };
enum vmsim__online { VMSIM__ONLINE, VMSIM__ONLINE_KERNEL, VMSIM__ONLINE_MOVABLE };
/* To which zone a block goes online of which nobody says so (memory_hotplug.online_policy). */
enum vmsim__online_policy { VMSIM__CONTIG_ZONES, VMSIM__AUTO_MOVABLE };
enum vmsim__hotplug {
    VMSIM__HOTPLUG_OK,
    VMSIM__HOTPLUG_INVALID, /* no such block, or it has holes, or it is in that state already: EINVAL */
    VMSIM__HOTPLUG_BUSY,    /* it holds what cannot be moved, or has not been moved: EBUSY */
    VMSIM__HOTPLUG_NOMEM    /* no host memory: nothing has changed */
};
/* `pfn` is the first frame of a block: a multiple of 1 << mem->memory_block_order. */
enum vmsim__block_state vmsim__memory_block_state(const struct vmsim__mem *mem, vmsim__pfn pfn);
/* Gives an offline block's frames to a zone: the one asked for, or the kernel's choice (its online_policy). Watermarks,
 * reserves and limits of per-CPU lists are computed anew, zonelists when the zone had no frames before. */
enum vmsim__hotplug vmsim__memory_online(struct vmsim__mem *mem, vmsim__pfn pfn, enum vmsim__online how);
/* Going offline. begin isolates the block; the caller then moves away whatever `busy` finds (the first frame from
 * `from` on that is in use, or PFN_NONE); `end` takes the block away, or says BUSY; `cancel` gives it back instead. */
enum vmsim__hotplug vmsim__memory_offline_begin(struct vmsim__mem *mem, vmsim__pfn pfn);
vmsim__pfn vmsim__memory_offline_busy(const struct vmsim__mem *mem, vmsim__pfn block, vmsim__pfn from);
enum vmsim__hotplug vmsim__memory_offline_end(struct vmsim__mem *mem, vmsim__pfn pfn);
void vmsim__memory_offline_cancel(struct vmsim__mem *mem, vmsim__pfn pfn);

/* ---- Contiguous ranges (mm/page_isolation.c, alloc_contig_range) ---- */

/* Cuts whole pageblocks of one zone off. BUSY: they hold what cannot be moved, or are isolated already. */
enum vmsim__hotplug vmsim__isolate_begin(struct vmsim__mem *mem, vmsim__pfn start, vmsim__pfn end);
/* The first frame of [from, end) that is in use, or PFN_NONE. */
vmsim__pfn vmsim__isolated_busy(const struct vmsim__mem *mem, vmsim__pfn from, vmsim__pfn end);
/* Hands the range out frame by frame, each with one reference, its pageblocks being of `type` then. BUSY: not empty. */
enum vmsim__hotplug vmsim__isolate_take(struct vmsim__mem *mem, vmsim__pfn start, vmsim__pfn end,
                                        enum vmsim__migratetype type);
/* Gives it back to the allocator, as pageblocks of `type`. */
void vmsim__isolate_cancel(struct vmsim__mem *mem, vmsim__pfn start, vmsim__pfn end, enum vmsim__migratetype type);

/* ---- hugetlb (mm/hugetlb.c) ---- */

/* Is this a size of huge pages of the architecture? */
bool vmsim__hugetlb_size_known(unsigned arch, unsigned page_shift, uint64_t bytes);
/* Pages of one size on a node, or on all (VMSIM__MAX_NODES). */
uint64_t vmsim__hugetlb_total(const struct vmsim__mem *mem, unsigned hstate, unsigned node);
uint64_t vmsim__hugetlb_free(const struct vmsim__mem *mem, unsigned hstate, unsigned node);
/* Frames in the pools of all sizes, on one node or on all: what no ordinary request can get. */
uint64_t vmsim__hugetlb_frames(const struct vmsim__mem *mem, unsigned node);
uint64_t vmsim__hugetlb_surplus(const struct vmsim__mem *mem, unsigned hstate, unsigned node);
/* Writes nr_hugepages, of all nodes or (`node` < nr_nodes) of one: allocates until the host of free memory ends, or
 * frees what is neither used nor reserved; the rest becomes surplus. `cpu` writes. Returns the persistent pages there
 * are then (in all). */
uint64_t vmsim__hugetlb_set(struct vmsim__mem *mem, unsigned hstate, unsigned node, uint64_t pages, unsigned cpu);
/* Promises pages to a mapping, with surplus ones where the pool does not have them. False: it cannot (ENOMEM). */
bool vmsim__hugetlb_reserve(struct vmsim__mem *mem, unsigned hstate, uint64_t pages, unsigned cpu);
/* Takes a promise back; surplus pages that are no longer needed for it are freed. */
void vmsim__hugetlb_unreserve(struct vmsim__mem *mem, unsigned hstate, uint64_t pages, unsigned cpu);
/* A page for a fault on `node`, its nearest node first, within the mask of nodes. `reserved`: on a promise, which is
 * used up; else from what is not promised, or a surplus page. PFN_NONE: there is none (SIGBUS). */
vmsim__pfn vmsim__hugetlb_take(struct vmsim__mem *mem, unsigned hstate, const struct vmsim__alloc_request *rq,
                               bool reserved);
/* Gives one back. `restore`: its promise was not used up after all. */
void vmsim__hugetlb_put(struct vmsim__mem *mem, unsigned hstate, vmsim__pfn pfn, bool restore, unsigned cpu);
static inline bool vmsim__hstate_gigantic(const struct vmsim__mem *mem, unsigned hstate) {
    return mem->hstate[hstate].order > mem->top_order;
}

/* ---- Fragmentation and counts ---- */

/* Thousandths: 0 lack of memory .. 1000 fragmentation; -1000 when a block is free. */
int vmsim__zone_extfrag_index(const struct vmsim__mem *mem, const struct vmsim__zone *z, unsigned order);
/* Thousandths of the free frames that a request of 2^order cannot use. */
int vmsim__zone_unusable_index(const struct vmsim__mem *mem, const struct vmsim__zone *z, unsigned order);
/* Free blocks of one order, of one migratetype or (VMSIM__MIGRATE_TYPES) of all: buddyinfo, pagetypeinfo. */
uint64_t vmsim__zone_free_blocks(const struct vmsim__zone *z, unsigned order, enum vmsim__migratetype type);
/* Pageblocks of each type in a zone. */
void vmsim__zone_pageblocks(const struct vmsim__mem *mem, const struct vmsim__zone *z,
                            uint64_t counts[VMSIM__MIGRATE_TYPES]);
/* Frames that were free when boot derived the reserves of overcommit from them. Asked of a machine fresh from boot. */
uint64_t vmsim__mem_early_free(const struct vmsim__mem *mem);
/* Frames on the per-CPU lists of a zone. */
uint64_t vmsim__zone_pcp_count(const struct vmsim__mem *mem, const struct vmsim__zone *z);
/* Sums over zones or nodes: what /proc/vmstat and /proc/meminfo print. */
int64_t vmsim__mem_zone_stat(const struct vmsim__mem *mem, enum vmsim__zone_stat stat);
int64_t vmsim__mem_node_stat(const struct vmsim__mem *mem, enum vmsim__node_stat stat);
uint64_t vmsim__mem_numa_stat(const struct vmsim__mem *mem, enum vmsim__numa_stat stat);
/* Is the kernel built with CMA? Debian's are for ARM. */
static inline bool vmsim__mem_has_cma(const struct vmsim__mem *mem) {
    return mem->arch == VMSIM__ARCH_ARM64 || mem->arch == VMSIM__ARCH_ARM || mem->arch == VMSIM__ARCH_ARM_LPAE;
}
/* And with NUMA? One for several nodes must be. */
static inline bool vmsim__mem_has_numa(const struct vmsim__mem *mem) {
    return !vmsim__arch_is_narrow(mem->arch) || mem->nr_nodes > 1;
}
/* Tables of 32-bit ARM without LPAE know sections of 1 MiB, of which the kernel makes no huge pages. */
static inline bool vmsim__mem_has_thp(const struct vmsim__mem *mem) {
    return mem->arch != VMSIM__ARCH_ARM;
}
/* Is this a zone that the kernel cannot address directly? MOVABLE is one where it was cut from HIGHMEM. */
static inline bool vmsim__zone_is_highmem(const struct vmsim__mem *mem, const struct vmsim__zone *z) {
    return z->type == VMSIM__ZONE_HIGHMEM || (z->type == VMSIM__ZONE_MOVABLE && mem->movable_is_highmem);
}
static inline bool vmsim__zone_populated(const struct vmsim__zone *z) {
    return z->present != 0;
}
/* The node's zone of a type; NULL: it has no frames. */
static inline struct vmsim__zone *vmsim__node_zone(const struct vmsim__mem *mem, unsigned node, unsigned type) {
    uint8_t index = mem->nodes[node].possible[type];
    return index != VMSIM__NO_ZONE && vmsim__zone_populated(&mem->zones[index]) ? &mem->zones[index] : NULL;
}
/* Is the CPU local to the node? */
static inline bool vmsim__node_has(const struct vmsim__node *node, unsigned cpu) {
    return node->cpumask[cpu / 64] >> cpu % 64 & 1;
}
/* Name of a zone type as /proc/zoneinfo ("DMA32", "Normal") and as /proc/vmstat ("dma32", "normal") spell it. */
const char *vmsim__zone_type_name(enum vmsim__zone_type type);
const char *vmsim__zone_type_suffix(enum vmsim__zone_type type);

/* ---- Check ---- */

/* Walks everything: frame conservation, list integrity, buddy invariants, counters against recounts, metadata of free
 * frames. 0, or VMSIM_ECHECK with the first fault found in `err`. */
int vmsim__mem_check(const struct vmsim__mem *mem, struct vmsim__err *err);

#endif
