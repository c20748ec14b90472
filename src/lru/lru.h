/* SPDX-License-Identifier: MIT */
/* Folios in use: their references, the LRU lists that every user page is put on, and the way there.
 *
 * Files and anonymous memory alike: this layer knows frames and their flags, nothing of files or address spaces. Kernel
 * counterparts: mm/swap.c, mm/mlock.c, include/linux/mm_inline.h.
 *
 *   struct vmsim__lru
 *        |-- per CPU: batches (lru_add, activate, ...), each holds one reference on its pages
 *        `-- per memory cgroup (lru/memcg.h; the root always) and node: lruvec, four intrusive lists through
 *            frame.next/prev + unevictable (counted, not linked)
 *
 * Conventions. `cpu` is the CPU on which the caller runs. References: a frame is born with refcount 1, which belongs to
 * whoever allocated it; the page cache, each batch and each page-table entry hold one more each; vmsim__folio_put of
 * the last one takes the page off its list and frees the frame. Nothing here allocates host memory after creation. */
#ifndef VMSIM__LRU_H
#define VMSIM__LRU_H
#include <limits.h>

#include "base/rng.h"
#include "base/vec.h"
#include "lru/thp_stat.h"
#include "zones/zones.h"

struct vmsim__memcg;
struct vmsim__lruvec_policy; /* reclaim/lruvec_policy.h */

/* Charges for whoever asks, through whatever it takes; false: it is refused, or the present waits. */
typedef bool vmsim__memcg_charge_fn(void *context, uint16_t memcg, uint32_t pages, uint32_t gfp, unsigned cpu);

/* Who is told what becomes of the folios that reclaim may take: policies that choose in place of the kernel's lists. A
 * folio is evictable from its birth on, until it is mlocked or freed. */
struct vmsim__lru_watch {
    void *context;
    /* It may be taken from now on, if it could not be before. `cpu`: who brings it, or wants it again; NO_CPU: nobody.
     */
    void (*evictable)(void *context, vmsim__pfn pfn, unsigned cpu);
    void (*unevictable)(void *context, vmsim__pfn pfn);
    void (*freed)(void *context, vmsim__pfn pfn);                    /* its last reference is gone */
    void (*accessed)(void *context, vmsim__pfn pfn);                 /* folio_mark_accessed */
    void (*refault)(void *context, vmsim__pfn pfn, uint64_t shadow); /* it comes again, and is evictable next */
    void (*memcg_gone)(void *context, struct vmsim__memcg *m);       /* no folio is charged to it */
};
#define VMSIM__NO_CPU UINT_MAX

/* Lists and batches of a machine. Its fields are for src/lru/ and the inline functions of its headers alone. */
struct vmsim__lru {
    struct vmsim__mem *mem;
    struct vmsim__alloc *alloc;
    const struct vmsim__kernel *kernel;
    unsigned cpus;
    struct vmsim__lruvec *lruvecs; /* of the root cgroup, one a node */
    struct vmsim__cpu_batches *batches;
    struct vmsim__memcg_stock *stocks; /* one a CPU */
    struct {
        VMSIM__VEC(struct vmsim__memcg *);
    } memcgs;          /* by id; [0] the root, NULL: free */
    size_t memcg_hint; /* no lower id is free */
    uint64_t swap_slots, swap_free;
    bool gen_enabled, gen_made; /* generations (lru/lru_gen.h): they are on; they were once, and have their state */
    struct {                    /* lru/stat_flush.h */
        struct vmsim__lruvec *touched; /* changed since the last flush */
        uint64_t due, changes;
    } flush;
    struct vmsim__memcg_lru *memcg_lru; /* one a node; NULL: global reclaim takes cgroups as they come */
    struct vmsim__rng rng;              /* of memcg_lru */
    vmsim__memcg_charge_fn *charge;     /* NULL: nobody finds room at a limit */
    void *charge_context;
    const struct vmsim__lru_watch *watch;                    /* NULL: nobody */
    uint64_t thp_stat[VMSIM__ORDERS][VMSIM__THP_SIZE_STATS]; /* by order */
    uint64_t slot; /* during a refault: of a page that does not enter the swap cache, which would know it; 0: none */
};

enum vmsim__lru_list {
    VMSIM__LRU_INACTIVE_ANON,
    VMSIM__LRU_ACTIVE_ANON,
    VMSIM__LRU_INACTIVE_FILE,
    VMSIM__LRU_ACTIVE_FILE,
    VMSIM__LRU_UNEVICTABLE,
    VMSIM__LRU_LISTS
};
/* Of a cgroup's statistics those that reclaim and the limits of dirty pages go by, as of their last flush. */
enum vmsim__seen_stat {
    VMSIM__SEEN_INACTIVE_ANON, /* as enum vmsim__lru_list */
    VMSIM__SEEN_ACTIVE_ANON,
    VMSIM__SEEN_INACTIVE_FILE,
    VMSIM__SEEN_ACTIVE_FILE,
    VMSIM__SEEN_ACTIVATE_ANON, /* WORKINGSET_ACTIVATE_ */
    VMSIM__SEEN_ACTIVATE_FILE,
    VMSIM__SEEN_DIRTY,
    VMSIM__SEEN_WRITEBACK,
    VMSIM__SEEN_STATS
};
/* The lists of one node and cgroup. Head: most recently added; reclaim takes from the tail. Unevictable pages are only
 * counted: `prev` of their frame holds the mlock count. */
struct vmsim__lruvec {
    struct vmsim__memcg *memcg;
    uint8_t node, page_shift;
    struct {
        vmsim__pfn head, tail;
    } list[VMSIM__LRU_LISTS];
    uint64_t zone_count[VMSIM__ZONE_TYPES][VMSIM__LRU_LISTS]; /* pages, not folios */
    uint64_t nonresident_age;             /* evictions and activations: the clock of lru/workingset.h */
    uint64_t anon_cost, file_cost;        /* what reclaim of either type cost of late */
    uint64_t refaults[2];                 /* workingset_activate_anon and _file when reclaim last ended */
    int64_t stat[VMSIM__NODE_STAT_COUNT]; /* of its own folios, and of removed cgroups below; unused in the root */
    int64_t told[VMSIM__SEEN_STATS];      /* of `stat`: what a flush took up last */
    int64_t seen[VMSIM__SEEN_STATS];      /* of it and all below, at the last flush */
    bool touched;                         /* in the list of those that changed since */
    struct vmsim__lruvec *next_touched;
    struct vmsim__lruvec_policy *policy; /* who chooses in place of linux-lru; NULL: nobody */
    bool policy_known;                   /* that has been decided */
    bool congested;                      /* all dirty pages that reclaim saw were under writeback already */
    struct vmsim__lru_gen *gen;          /* NULL: generations were never on */
};

/* `mem` and `kernel` must outlive it; `cpus` CPUs use it. NULL: no host memory. */
struct vmsim__lru *vmsim__lru_create(struct vmsim__alloc *alloc, struct vmsim__mem *mem,
                                     const struct vmsim__kernel *kernel, unsigned cpus);
/* Host memory only: frames are not given back to `mem`, which is about to vanish as well. */
void vmsim__lru_destroy(struct vmsim__lru *lru);
/* Lists link by link against the frames' flags and back, batches, all counters of this layer against recounts. 0 or
 * VMSIM_ECHECK. */
int vmsim__lru_check(struct vmsim__lru *lru, struct vmsim__err *err);

/* Large folios of an order: one more, or one less of those that are counted as they are. Kernel: count_mthp_stat,
 * mod_mthp_stat. */
static inline void vmsim__thp_stat_add(struct vmsim__lru *lru, unsigned order, enum vmsim__thp_size_stat stat, int n) {
    VMSIM__ASSERT(order < VMSIM__ORDERS && (n > 0 || lru->thp_stat[order][stat]));
    lru->thp_stat[order][stat] += (uint64_t)(int64_t)n;
}

/* ---- references ---- */

static inline void vmsim__folio_get(struct vmsim__lru *lru, vmsim__pfn pfn) {
    struct vmsim__frame *f = vmsim__frame_at(&lru->mem->frames, pfn);
    VMSIM__ASSERT(f->refcount > 0 && !vmsim__frame_is(f, VMSIM__FRAME_TAIL));
    f->refcount++;
}
/* The last reference is gone: what vmsim__folio_put does then. */
void vmsim__folio_free(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned cpu);
static inline void vmsim__folio_put_refs(struct vmsim__lru *lru, vmsim__pfn pfn, uint32_t refs, unsigned cpu) {
    struct vmsim__frame *f = vmsim__frame_at(&lru->mem->frames, pfn);
    VMSIM__ASSERT(cpu < lru->cpus && f->refcount >= (int32_t)refs);
    VMSIM__ASSERT(!vmsim__frame_is(f, VMSIM__FRAME_BUDDY | VMSIM__FRAME_PCP | VMSIM__FRAME_TAIL));
    f->refcount -= (int32_t)refs;
    if (!f->refcount)
        vmsim__folio_free(lru, pfn, cpu);
}
static inline void vmsim__folio_put(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned cpu) {
    vmsim__folio_put_refs(lru, pfn, 1, cpu);
}
/* Does any page-table entry map any of its frames? */
bool vmsim__folio_mapped(const struct vmsim__lru *lru, vmsim__pfn pfn);

/* ---- lists ---- */

struct vmsim__lruvec *vmsim__lruvec_of_node(struct vmsim__lru *lru, unsigned node); /* the root cgroup's */
/* A statistic of the node, of the cgroup and all below. */
int64_t vmsim__lruvec_stat(const struct vmsim__lruvec *v, enum vmsim__node_stat stat);
/* The same as reclaim knows it, which is late. Kernel: lruvec_page_state. */
uint64_t vmsim__lruvec_seen(const struct vmsim__lruvec *v, enum vmsim__seen_stat stat);
/* Pages of this very lruvec. */
uint64_t vmsim__lruvec_pages(const struct vmsim__lruvec *v, enum vmsim__lru_list list);
/* Pages of this very lruvec in zones up to a type. Kernel: lruvec_lru_size. */
uint64_t vmsim__lruvec_size_up_to(const struct vmsim__lruvec *v, enum vmsim__lru_list list, unsigned zone_type);
/* Takes a page off its list, with a reference; false: it is on none. Later vmsim__lru_putback (by its flags; drops the
 * reference). */
bool vmsim__lru_isolate(struct vmsim__lru *lru, vmsim__pfn pfn);
void vmsim__lru_putback(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned cpu);

/* What reclaim takes from the tail of a list at once. */
#define VMSIM__ISOLATE_MAX 32u /* SWAP_CLUSTER_MAX */
struct vmsim__isolation {
    unsigned zone_type;               /* in: highest zone that helps */
    bool may_unmap;                   /* in: false leaves mapped folios where they are */
    uint32_t taken, scanned, skipped; /* out, pages; skipped: of zones that do not help, at the head of the list now */
    uint32_t count;                   /* out, folios */
    vmsim__pfn folio[VMSIM__ISOLATE_MAX]; /* the tail first, each with a reference */
};
/* Scans up to `pages` pages (VMSIM__ISOLATE_MAX at most) of the list. Counts pgskip_*. Kernel: isolate_lru_folios. */
void vmsim__lru_isolate_tail(struct vmsim__lru *lru, struct vmsim__lruvec *v, enum vmsim__lru_list list, uint32_t pages,
                             struct vmsim__isolation *i);
/* Puts isolated folios on the lists that their flags say, in this order, each at the head, and drops the references.
 * Folios that nobody else holds are freed; UNEVICTABLE ones, and those that must be, go through the CPU's batch.
 * Returns the pages that were put on a list. Kernel: move_folios_to_lru. */
uint64_t vmsim__lru_move_back(struct vmsim__lru *lru, const vmsim__pfn *folio, uint32_t count, unsigned cpu);

/* Tells who watches that the folio may be taken: a page of the swap cache that was perhaps on its way out of memory,
 * and is wanted again; one that is unlocked. */
static inline void vmsim__lru_tell_evictable(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned cpu) {
    if (VMSIM__UNLIKELY(lru->watch != NULL))
        lru->watch->evictable(lru->watch->context, pfn, cpu);
}
static inline void vmsim__lru_tell_unevictable(struct vmsim__lru *lru, vmsim__pfn pfn) {
    if (VMSIM__UNLIKELY(lru->watch != NULL))
        lru->watch->unevictable(lru->watch->context, pfn);
}

/* ---- requests: each goes through a batch of the CPU ---- */

/* A new page. */
void vmsim__lru_add(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned cpu);
/* A new page of an area; `locked`: the area is VM_LOCKED, the page mlocked from birth. */
void vmsim__lru_add_mlocked(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned cpu);
static inline void vmsim__lru_add_vma(struct vmsim__lru *lru, vmsim__pfn pfn, bool locked, unsigned cpu) {
    if (VMSIM__UNLIKELY(locked))
        vmsim__lru_add_mlocked(lru, pfn, cpu);
    else
        vmsim__lru_add(lru, pfn, cpu);
}
/* read(), GUP, unmap of a young entry. */
void vmsim__lru_mark_accessed(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned cpu);
void vmsim__lru_activate(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned cpu);
void vmsim__lru_deactivate(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned cpu);      /* MADV_COLD */
void vmsim__lru_deactivate_file(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned cpu); /* invalidation failed */
void vmsim__lru_lazyfree(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned cpu);        /* MADV_FREE */
void vmsim__lru_rotate(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned cpu); /* written, and reclaim waits for it */
void vmsim__lru_mlock(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned cpu);
void vmsim__lru_munlock(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned cpu);
void vmsim__lru_drain_cpu(struct vmsim__lru *lru, unsigned cpu); /* lru_add_drain */
void vmsim__lru_drain_all(struct vmsim__lru *lru);               /* lru_add_drain_all */

#endif
