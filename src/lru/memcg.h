/* SPDX-License-Identifier: MIT */
/* Memory cgroups: a tree of who pays for which folios, with limits, lists and statistics of their own.
 *
 *     root (id 0: pays for nothing, limits nothing)
 *      |-- a (id 1)   memory, swap: page counters      frame.memcg says who pays for a folio
 *      |    `-- b (id 2)   a lruvec a node             a charge counts in b, a and the root
 *      `-- c (id 3)
 *
 * A cgroup that is removed stays as long as folios are charged to it (the kernel's dying cgroups), without a place
 * among its parent's children for new ones; its numbers then belong to its parent. Charges are taken from the counters
 * 64 pages at a time and kept per CPU for the cgroup that charged last. Nothing here waits: a charge that has to
 * reclaim says so and is entered again with what was reclaimed. Kernel counterpart: mm/memcontrol.c. */
#ifndef VMSIM__MEMCG_H
#define VMSIM__MEMCG_H
#include "lru/lru.h"
#include "lru/page_counter.h"
#include "lru/stat_flush.h"

#define VMSIM__MEMCG_ROOT 0u
#define VMSIM__MEMCG_IDS 65535u  /* MEM_CGROUP_ID_MAX */
#define VMSIM__MEMCG_BATCH 64u   /* MEMCG_CHARGE_BATCH */
#define VMSIM__MEMCG_RETRIES 16u /* MAX_RECLAIM_RETRIES */

enum vmsim__memcg_event { /* memory.events and memory.swap.events, in their order */
                          VMSIM__MEMCG_LOW,
                          VMSIM__MEMCG_HIGH,
                          VMSIM__MEMCG_MAX,
                          VMSIM__MEMCG_OOM,
                          VMSIM__MEMCG_OOM_KILL,
                          VMSIM__MEMCG_OOM_GROUP_KILL,
                          VMSIM__MEMCG_SWAP_HIGH,
                          VMSIM__MEMCG_SWAP_MAX,
                          VMSIM__MEMCG_SWAP_FAIL,
                          VMSIM__MEMCG_EVENTS
};

/* Of a hugetlb page: in use, or promised (lru/hugetlb_cgroup.h). */
enum vmsim__hugetlb_use { VMSIM__HUGETLB_FAULT, VMSIM__HUGETLB_RSVD, VMSIM__HUGETLB_USES };

struct vmsim__memcg {
    uint16_t id;
    bool online;   /* false: removed, and held by its charges and by `refs` */
    uint32_t refs; /* walks that stand here */
    struct vmsim__lru *lru;
    struct vmsim__memcg *parent, *first_child, *last_child, *prev, *next;
    struct vmsim__page_counter memory, swap;
    bool oom_group;                /* memory.oom.group: its tasks die together */
    int64_t zswap_bytes, zswapped; /* what zswap has of it: compressed, and in pages */
    uint64_t zswap_max;            /* memory.zswap.max, in pages */
    bool zswap_writeback;          /* memory.zswap.writeback: pages may go on to a device */
    int64_t kmem;                  /* pages of the kernel's own among those charged, as `event` */
    struct {                       /* objects of the kernel's own (lru/obj_cgroup.h) */
        int64_t pages;             /* charged for them, among kmem */
        uint64_t bytes[2];         /* of objects: enum vmsim__obj_kind */
        uint32_t spare;            /* bytes of those pages that neither an object nor a CPU has */
    } objects;
    struct { /* hugetlb pages, a size each */
        struct vmsim__page_counter use[VMSIM__HUGETLB_USES];
        uint64_t refused, local_refused; /* by limits: of it and all that are or were below; its own */
    } hugetlb[VMSIM__HSTATES];
    uint64_t event[VMSIM__EVENT_COUNT];         /* its own and those of removed cgroups below */
    uint64_t local_event[VMSIM__MEMCG_EVENTS];  /* of itself */
    uint64_t memory_event[VMSIM__MEMCG_EVENTS]; /* and of all that are or were below */
    struct vmsim__lruvec *lruvec;               /* one a node */
    struct {                                    /* large folios to be split (lru/deferred_split.h) */
        vmsim__pfn head, tail;
        uint64_t count, left; /* left: what rounds of reclaim should have looked at and did not */
    } deferred;
};

/* ---- the tree ---- */

struct vmsim__memcg *vmsim__memcg_root(struct vmsim__lru *lru);
/* NULL: no host memory, or no id left. */
struct vmsim__memcg *vmsim__memcg_create(struct vmsim__lru *lru, struct vmsim__memcg *parent);
/* rmdir: it must have no children online. It goes at once, or with its last charge. */
void vmsim__memcg_remove(struct vmsim__memcg *m);
struct vmsim__memcg *vmsim__memcg_by_id(const struct vmsim__lru *lru, uint16_t id); /* NULL: gone */
/* Pre-order walk of the subtree of `root`, dying cgroups included; NULL: the end. */
struct vmsim__memcg *vmsim__memcg_next(const struct vmsim__memcg *root, struct vmsim__memcg *m);
/* Keep a cgroup that a walk stands at while its last page may be freed; put frees it if it was removed and is empty. */
void vmsim__memcg_get(struct vmsim__memcg *m);
void vmsim__memcg_put(struct vmsim__memcg *m);
bool vmsim__memcg_below(const struct vmsim__memcg *m, const struct vmsim__memcg *root); /* or root itself */
/* Statistics of the whole subtree, as memory.stat shows them (pages). For the root those of the machine. */
int64_t vmsim__memcg_stat(const struct vmsim__memcg *m, enum vmsim__node_stat stat);
uint64_t vmsim__memcg_event_sum(const struct vmsim__memcg *m, enum vmsim__event_stat event);
int64_t vmsim__memcg_kmem(const struct vmsim__memcg *m);
/* Something happened to the cgroup: all above it hear of it. */
void vmsim__memcg_memory_event(struct vmsim__memcg *m, enum vmsim__memcg_event event);
/* An event of /proc/vmstat that a cgroup counts, too; the machine's side is the caller's, and all of the root's. */
void vmsim__memcg_event_add(struct vmsim__lru *lru, uint16_t memcg, enum vmsim__event_stat event, uint64_t n);
/* The cgroup's side of a statistic of a folio's node; whoever changes that of the node calls it before. */
static inline void vmsim__folio_stat_add(struct vmsim__lru *lru, const struct vmsim__frame *f,
                                         enum vmsim__node_stat stat, int64_t pages) {
    const uint64_t changes = (uint64_t)(pages < 0 ? -pages : pages);
    VMSIM__ASSERT(f->memcg < lru->memcgs.count && lru->memcgs.at[f->memcg]);
    struct vmsim__lruvec *v = NULL;
    if (VMSIM__UNLIKELY(f->memcg) || vmsim__stat_is_seen(stat))
        v = &lru->memcgs.at[f->memcg]->lruvec[lru->mem->zones[vmsim__frame_zone(f)].node];
    if (vmsim__stat_is_seen(stat))
        vmsim__stats_touch(lru, v, changes);
    else
        vmsim__stats_changed(lru, changes);
    if (VMSIM__UNLIKELY(f->memcg))
        v->stat[stat] += pages;
}
/* The same of pages that are counted elsewhere from now on: both are statistics that are seen, so that one look at
 * whether a flush is due is enough for the two. */
static inline void vmsim__folio_stat_move(struct vmsim__lru *lru, const struct vmsim__frame *f,
                                          enum vmsim__node_stat from, enum vmsim__node_stat to, uint32_t pages) {
    VMSIM__ASSERT(vmsim__stat_is_seen(from) && vmsim__stat_is_seen(to));
    struct vmsim__lruvec *v = &lru->memcgs.at[f->memcg]->lruvec[lru->mem->zones[vmsim__frame_zone(f)].node];
    vmsim__stats_touch(lru, v, 2 * (uint64_t)pages);
    if (VMSIM__UNLIKELY(f->memcg)) {
        v->stat[from] -= pages;
        v->stat[to] += pages;
    }
}
/* A slot for a folio of the cgroup: *payer gets who pays, the nearest that is not removed (0: nobody). False: a limit
 * refuses. Kernel: mem_cgroup_try_charge_swap. */
bool vmsim__memcg_charge_swap(struct vmsim__lru *lru, uint16_t memcg, uint32_t pages, uint16_t *payer);
void vmsim__memcg_uncharge_swap(struct vmsim__lru *lru, uint16_t payer, uint32_t pages);
/* Has the cgroup, or one above it, used half of the swap that it may? Kernel: mem_cgroup_swap_full. */
bool vmsim__memcg_swap_full(const struct vmsim__lru *lru, uint16_t memcg);
/* zswap takes `bytes` and `pages` more for the cgroup that pays for the slot (or less), which is charged for the
 * memory. Kernel: obj_cgroup_charge_zswap. */
void vmsim__memcg_zswap(struct vmsim__lru *lru, uint16_t payer, int64_t bytes, int64_t pages);
/* May zswap keep one more page of a folio of the cgroup? May one go to a device? Kernel: obj_cgroup_may_zswap,
 * mem_cgroup_zswap_writeback_enabled. */
bool vmsim__memcg_may_zswap(const struct vmsim__lru *lru, uint16_t memcg);
bool vmsim__memcg_may_write_back(const struct vmsim__lru *lru, uint16_t memcg);
/* Of the whole subtree. */
uint64_t vmsim__memcg_zswap_bytes(const struct vmsim__memcg *m);
uint64_t vmsim__memcg_zswapped(const struct vmsim__memcg *m);
/* Pages that a cgroup itself is charged for what zswap has. */
int64_t vmsim__memcg_zswap_pages(const struct vmsim__memcg *m);
/* Counts of slots by cgroup, `ids` of them, against the counters. 0 or VMSIM_ECHECK. */
size_t vmsim__memcg_ids(const struct vmsim__lru *lru);
int vmsim__memcg_check_swap(const struct vmsim__lru *lru, const uint64_t *slots, struct vmsim__err *err);
/* Slots of swap that folios of the cgroup may still get. */
uint64_t vmsim__memcg_swap_room(const struct vmsim__memcg *m);
/* Slots of the machine, all and free, as whoever owns swap areas sees them. */
void vmsim__lru_set_swap(struct vmsim__lru *lru, uint64_t slots, uint64_t free);
uint64_t vmsim__lru_swap_slots(const struct vmsim__lru *lru);

/* ---- charging ---- */

enum vmsim__charge_outcome {
    VMSIM__CHARGE_OK,
    VMSIM__CHARGE_RECLAIM, /* reclaim `pages` from cgroup `over`, say how many in `reclaimed`, and enter again */
    VMSIM__CHARGE_OOM,     /* the OOM killer of cgroup `over` is asked; enter again with `killed` set or not */
    VMSIM__CHARGE_NOMEM
};
/* One charge through all its waits. Zero but for the first group when it begins. */
struct vmsim__memcg_charge {
    uint32_t gfp;
    bool memalloc, dying;   /* the task is allocating for reclaim; is being killed: never refused */
    uint64_t reclaimed;     /* in, after RECLAIM */
    bool killed;            /* in, after OOM: somebody was, or will be soon */
    uint16_t over;          /* out */
    uint32_t pages;         /* out */
    uint32_t over_high;     /* out, with OK: pages charged while an ancestor is above its high limit */
    uint8_t state, retries; /* own */
    bool drained, passed_oom;
    bool single; /* a batch did not fit: exactly what is asked for from then on */
};
/* Takes `pages` for the cgroup of this id from the CPU's stock or its counters. */
enum vmsim__charge_outcome vmsim__memcg_try_charge(struct vmsim__lru *lru, uint16_t memcg, uint32_t pages, unsigned cpu,
                                                   struct vmsim__memcg_charge *t);
/* Who finds room at a limit. Without one a charge that does not fit is refused. */
void vmsim__lru_set_charge(struct vmsim__lru *lru, vmsim__memcg_charge_fn *charge, void *context);
bool vmsim__memcg_charge(struct vmsim__lru *lru, uint16_t memcg, uint32_t pages, uint32_t gfp, unsigned cpu);
/* A new folio is paid for by the cgroup of the present. False: it is not, and is still the caller's. Kernel:
 * mem_cgroup_charge. */
bool vmsim__folio_charge_to(struct vmsim__lru *lru, uint16_t memcg, vmsim__pfn pfn, uint32_t gfp, unsigned cpu);
static inline bool vmsim__folio_charge(struct vmsim__lru *lru, const struct vmsim__now *now, vmsim__pfn pfn,
                                       uint32_t gfp, unsigned cpu) {
    return VMSIM__LIKELY(!now->memcg) || vmsim__folio_charge_to(lru, now->memcg, pfn, gfp, cpu);
}
/* The same of 2^order frames of the kernel's own (GFP_ACCOUNT), which the first stands for; and back, into the CPU's
 * stock, before they are freed. Kernel: __memcg_kmem_charge_page. */
bool vmsim__kmem_charge_to(struct vmsim__lru *lru, uint16_t memcg, vmsim__pfn pfn, unsigned order, uint32_t gfp,
                           unsigned cpu);
void vmsim__kmem_uncharge(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned order, unsigned cpu);
/* The folio is what was charged for; it has no cgroup yet. */
void vmsim__memcg_commit(struct vmsim__lru *lru, uint16_t memcg, vmsim__pfn pfn);
void vmsim__memcg_cancel(struct vmsim__lru *lru, uint16_t memcg, uint32_t pages); /* a charge that is not committed */
/* The folio is freed (vmsim__folio_put does it), or moves to other frames. */
void vmsim__memcg_uncharge(struct vmsim__lru *lru, vmsim__pfn pfn);
/* Charge of `from` goes over to `to`, a folio of the same size that has none (migration). */
void vmsim__memcg_migrate(struct vmsim__lru *lru, vmsim__pfn from, vmsim__pfn to);
void vmsim__memcg_drain_stocks(struct vmsim__lru *lru);

#endif
