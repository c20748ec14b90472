/* SPDX-License-Identifier: MIT */
/* Reclaim: which pages of which lists are looked at, and what becomes of each.
 *
 *   direct, memcg limit:  vmsim__reclaim_step, until it is done     kswapd: vmsim__shrink_node, until it is done
 *                               |  one node a step
 *   shrink_node --- each cgroup of the subtree --- ops->shrink_lruvec
 *                                                        |
 *            linux-lru: get_scan_count: how much of each list
 *                          |-- shrink_active_list     -> inactive
 *                          `-- shrink_inactive_list -- shrink_folio_list -> freed, kept
 *
 * What differs between ways of choosing pages stands in a small table (struct vmsim__reclaim_ops); rounds, priorities,
 * protection, waits and what becomes of a page that was taken are the same for all.
 *
 * The lists, charges and shadows are lru/'s. What has to do with mappings, files, swap and devices is asked through
 * hooks, so that this mechanism is the same over all of them. It never waits: where the kernel would sleep, the step
 * returns and says why, and all that has to survive stands in the scan control, in which there is no pointer.
 * Kernel counterpart: mm/vmscan.c (6.1). */
#ifndef VMSIM__VMSCAN_H
#define VMSIM__VMSCAN_H
#include "lru/lru_gen.h"
#include "lru/memcg.h"
#include "lru/workingset.h"

#define VMSIM__DEF_PRIORITY 12
#define VMSIM__SWAP_CLUSTER_MAX VMSIM__ISOLATE_MAX

enum vmsim__pageout {
    VMSIM__PAGEOUT_KEEP,     /* could not be written now */
    VMSIM__PAGEOUT_ACTIVATE, /* will not be written: no sense in trying soon */
    VMSIM__PAGEOUT_SUCCESS,  /* on its way (WRITEBACK) or written (neither DIRTY nor WRITEBACK) */
    VMSIM__PAGEOUT_CLEAN     /* turned out to be clean */
};
/* Use of a page through its mappings since the last time; taking it clears the accessed bits. */
struct vmsim__use {
    unsigned ptes; /* VMAs through which it was used */
    bool exec;     /* by one that may execute it */
    bool locked;   /* one is VM_LOCKED */
};

struct vmsim__scan_control;
struct vmsim__vmscan;
struct vmsim__lruvec_policies; /* lruvec_policy.h */

/* A walk over the page tables of a cgroup's address spaces, for the generations of a node. */
struct vmsim__mm_walk {
    uint16_t memcg;
    uint8_t node;
    uint64_t walked; /* those that joined the cgroup later are walked whole; out: this walk's time */
    struct vmsim__young_sink sink;
};

/* What reclaim asks of the layers that know mappings, files and swap. `cpu` is the CPU on which reclaim runs. */
struct vmsim__vmscan_hooks {
    void *context;
    /* Use by address spaces of the subtree of cgroup `target`; `around` hears of neighbours that are used (NULL: nobody
     * does). NULL: nothing is mapped. */
    void (*referenced)(void *context, vmsim__pfn pfn, uint16_t target, const struct vmsim__young_sink *around,
                       unsigned cpu, struct vmsim__use *use);
    /* Tells w->sink which pages the address spaces of a cgroup use. NULL: nothing is mapped. */
    void (*walk_mms)(void *context, struct vmsim__mm_walk *w);
    /* Every generation is younger than lru_gen/min_ttl_ms: somebody has to die. NULL: nobody can. */
    void (*out_of_memory)(void *context, const struct vmsim__scan_control *sc);
    /* Takes the page out of page tables; true: no entry is left. The flush may wait for unmap_flush. */
    bool (*unmap)(void *context, vmsim__pfn pfn, unsigned cpu);
    void (*unmap_flush)(void *context, unsigned cpu);
    /* The page is likely to be unmapped next but one or so: the host fetches what that will read. NULL: it does not. */
    void (*expect)(void *context, vmsim__pfn pfn);
    /* Gives an anonymous page a slot and puts it into the swap cache, dirty. False: no slot (or no memory). */
    bool (*add_to_swap)(void *context, vmsim__pfn pfn, unsigned cpu);
    /* A page in the swap cache stays in memory: its slot may be given back. NULL: never. */
    void (*free_swap)(void *context, vmsim__pfn pfn, unsigned cpu);
    /* Starts the write-out of a dirty page that is not mapped any more. */
    enum vmsim__pageout (*pageout)(void *context, vmsim__pfn pfn, const struct vmsim__scan_control *sc, unsigned cpu);
    /* Takes the page out of its file or out of the swap cache and leaves `shadow` there, or nothing (VMSIM__NO_SHADOW).
     * The cache's references, one a base page, and reclaim's own are the only ones, so that it cannot fail; the cache's
     * are dropped. */
    void (*remove_mapping)(void *context, vmsim__pfn pfn, uint64_t shadow, unsigned cpu);
    /* Moves the folio, off its list as it is, to a node of a slower tier: true, it is gone. NULL: there are no tiers.
     */
    bool (*demote)(void *context, vmsim__pfn pfn, const struct vmsim__scan_control *sc, unsigned node);
    bool (*can_demote)(void *context, unsigned node);
    /* Splits a large folio; its frames stay where they are. False: it cannot be. NULL: never. */
    bool (*split)(void *context, vmsim__pfn pfn, unsigned cpu);
    /* Is there no place in a device's queue for what would be written next, and can this reclaim wait for one? The scan
     * stops there, and is to go on when there is. NULL: there always is. */
    bool (*congested)(void *context, const struct vmsim__scan_control *sc);
    /* The same, or is a transfer over that the CPU would be interrupted for? Pages that were written are free sooner
     * then. NULL: never. */
    bool (*interrupted)(void *context, const struct vmsim__scan_control *sc);
    /* Everything that reclaim took was dirty, and nobody writes it. */
    void (*wake_flushers)(void *context);
    /* Objects of caches of the kernel's own: pages freed. NULL: none. */
    uint64_t (*shrink_slab)(void *context, unsigned node, uint16_t memcg, int priority, unsigned cpu);
    /* Would compaction find room for 2^order on the node now? NULL: no. */
    bool (*compaction_suitable)(void *context, unsigned node, unsigned order, unsigned zone_type);
    /* The same beyond doubt, of any zone; *all: of all of the node's. NULL: no. */
    bool (*compaction_ready)(void *context, unsigned node, unsigned order, unsigned zone_type, bool *all);
};

/* Why a step ended before it was done. */
enum vmsim__throttle {
    VMSIM__THROTTLE_NONE,
    VMSIM__THROTTLE_WRITEBACK,  /* 100 ms, or until enough is written */
    VMSIM__THROTTLE_CONGESTED,  /* a jiffy */
    VMSIM__THROTTLE_NOPROGRESS, /* a jiffy, or until somebody makes progress */
    VMSIM__THROTTLE_LEAVING     /* a moment: all that a policy let go is being written */
};

/* What a round over a lruvec has left to do when it stops in its middle, for an interrupt. */
struct vmsim__scan_rest {
    bool cut;       /* it stopped: the next round goes on with it */
    uint16_t memcg; /* at that cgroup */
    uint64_t nr[VMSIM__LRU_UNEVICTABLE], targets[VMSIM__LRU_UNEVICTABLE]; /* pages to scan, now and at its beginning */
    uint64_t reclaimed;                                                   /* of the lruvec */
    uint64_t begun_before; /* nr_reclaimed when the round over the node began */
};

/* One reclaim, from beginning to end. Make it with one of the functions below. */
struct vmsim__scan_control {
    /* what is wanted and allowed */
    uint64_t nr_to_reclaim; /* pages */
    uint64_t nodemask;      /* nodes that help */
    uint32_t gfp;
    uint16_t target; /* cgroup whose subtree is reclaimed from; root: global reclaim */
    uint16_t cpu;
    uint8_t own_swappiness;   /* memory.reclaim's swappiness= plus one; 0: vm.swappiness */
    uint8_t order, zone_type; /* zone_type: highest zone that helps */
    bool kswapd, may_writepage, may_unmap, may_swap, proactive;
    bool memcg_low_reclaim, force_deactivate; /* second and third pass */
    /* how it stands */
    int priority; /* 12 down to 0; pages scanned: size >> priority */
    bool skipped_deactivate, memcg_low_skipped, compaction_ready;
    uint64_t nr_scanned, nr_reclaimed;
    uint64_t nr_sorted; /* looked at and moved to other lists, without an end: it takes time, too */
    enum vmsim__throttle throttle;
    unsigned node; /* next of the zonelist's nodes */
    bool in_node;  /* it is to be shrunk once more */
    /* with generations: what it finds used becomes young at once, by the counts of a walk over page tables that it has
     * at hand, and not through the CPU's batch */
    bool has_walk;
    /* kswapd's, with generations: did the last round leave ageing to the next, and what was reclaimed before it? */
    bool memcgs_need_aging;
    uint64_t last_reclaimed;
    /* of the node that is being shrunk */
    bool may_deactivate[2], cache_trim_mode, file_is_tiny; /* [0] anon, [1] file */
    uint64_t anon_cost, file_cost;
    struct vmsim__scan_rest rest;
    struct {
        uint64_t dirty, unqueued_dirty, congested, writeback, immediate, file_taken, taken;
        bool flushers_woken;
    } nr;
};

/* A way of choosing pages. */
struct vmsim__reclaim_ops {
    const char *name;
    /* A round over the node begins, for cgroup sc->target. NULL: there is nothing to prepare. */
    void (*prepare_node)(const struct vmsim__vmscan *v, struct vmsim__scan_control *sc, unsigned node);
    /* Takes from the pages of one node and cgroup what is due at sc->priority; adds to sc->nr_reclaimed, nr_scanned. */
    void (*shrink_lruvec)(struct vmsim__vmscan *v, struct vmsim__scan_control *sc, struct vmsim__lruvec *lruvec);
    /* Before each round of kswapd's over the node. NULL: nothing. */
    void (*age_node)(struct vmsim__vmscan *v, struct vmsim__scan_control *sc, unsigned node);
    /* Global reclaim takes the cgroups of the node in an order of its own; false: it does not. NULL: likewise. */
    bool (*shrink_global)(struct vmsim__vmscan *v, struct vmsim__scan_control *sc, unsigned node);
    /* Use of a mapped folio that was taken off its list, as hooks.referenced. NULL: that, and nobody looks around. */
    struct vmsim__use (*referenced)(struct vmsim__vmscan *v, const struct vmsim__scan_control *sc, vmsim__pfn pfn);
};
/* Active and inactive lists; generations (mglru.h). */
extern const struct vmsim__reclaim_ops vmsim__linux_lru, vmsim__linux_mglru;

struct vmsim__vmscan {
    const struct vmsim__reclaim_ops *ops;
    struct vmsim__lruvec_policies *policies; /* NULL: none chooses in place of `ops` */
    struct vmsim__lru *lru;
    struct vmsim__mem *mem;
    const struct vmsim__kernel *kernel;
    struct vmsim__vmscan_hooks hooks;
    unsigned swappiness; /* vm.swappiness, 0..200 */
    unsigned lru_gen;    /* VMSIM__LRU_GEN_*: what is on; CORE goes with ops */
    uint64_t min_ttl;    /* ns: generations younger than this are not evicted; 0: all may be */
    struct {
        bool writeback, dirty;    /* PGDAT_WRITEBACK, PGDAT_DIRTY */
        uint32_t kswapd_failures; /* runs in a row without a page; 16: hopeless */
    } node[VMSIM__MAX_NODES];
};

/* Direct reclaim for an allocation of 2^order, up to a zone type, from the nodes of a mask. */
struct vmsim__scan_control vmsim__scan_direct(unsigned order, uint32_t gfp, unsigned zone_type, uint64_t nodemask,
                                              unsigned cpu);
/* For a limit: `pages` (32 at least) from the subtree of a cgroup. */
struct vmsim__scan_control vmsim__scan_memcg(uint16_t target, uint64_t pages, uint32_t gfp, bool may_swap,
                                             unsigned cpu);
/* kswapd's, for one node; priority and nr_to_reclaim are balance_pgdat's. */
struct vmsim__scan_control vmsim__scan_kswapd(unsigned order, unsigned zone_type, unsigned cpu);

/* Folios of one node that their owner gave up: isolated, with a reference each, VMSIM__ISOLATE_MAX at most. Those that
 * stay go back to their lists. `ignore`: whether they are in use does not matter. Returns the pages that are free now.
 * Kernel: reclaim_pages. */
uint64_t vmsim__reclaim_folios(struct vmsim__vmscan *v, unsigned node, vmsim__pfn *folio, uint32_t count, bool ignore,
                               unsigned cpu);

enum vmsim__reclaim_outcome {
    VMSIM__RECLAIM_DONE,     /* sc->nr_reclaimed says with what success (compaction_ready: 1) */
    VMSIM__RECLAIM_AGAIN,    /* enter again; the time of the step may be charged before */
    VMSIM__RECLAIM_THROTTLED /* the same after a wait of the kind sc->throttle */
};
/* One node at one priority. Kernel: do_try_to_free_pages, taken apart. */
enum vmsim__reclaim_outcome vmsim__reclaim_step(struct vmsim__vmscan *v, struct vmsim__scan_control *sc);
/* Does a round that stopped go on where it was? Others begin anew. */
static inline bool vmsim__vmscan_goes_on(const struct vmsim__vmscan *v) {
    return v->ops == &vmsim__linux_lru && !v->lru->watch;
}
/* One round over a node; true: another is wanted (sc->throttle may ask for a wait before). Kernel: shrink_node. */
bool vmsim__shrink_node(struct vmsim__vmscan *v, struct vmsim__scan_control *sc, unsigned node);
/* kswapd, before it. Kernel: kswapd_age_node. */
static inline void vmsim__age_node(struct vmsim__vmscan *v, struct vmsim__scan_control *sc, unsigned node) {
    VMSIM__ASSERT(sc->kswapd && node < v->mem->nr_nodes);
    if (v->ops->age_node)
        v->ops->age_node(v, sc, node);
}

/* ---- parts, for their tests and for those who reclaim by other rules ---- */

/* Pages to scan of each evictable list, by enum vmsim__lru_list. Kernel: get_scan_count. */
void vmsim__get_scan_count(const struct vmsim__vmscan *v, struct vmsim__scan_control *sc, struct vmsim__lruvec *lruvec,
                           uint64_t nr[VMSIM__LRU_UNEVICTABLE]);
/* Costs, deactivation, cache_trim_mode and file_is_tiny of the node. Kernel: prepare_scan_count. */
void vmsim__prepare_scan_count(const struct vmsim__vmscan *v, struct vmsim__scan_control *sc, unsigned node);
/* Is the inactive list of the type too short beside the active one? */
bool vmsim__inactive_is_low(const struct vmsim__lruvec *lruvec, bool file);
void vmsim__shrink_lruvec(struct vmsim__vmscan *v, struct vmsim__scan_control *sc, struct vmsim__lruvec *lruvec);
void vmsim__shrink_active_list(struct vmsim__vmscan *v, struct vmsim__scan_control *sc, struct vmsim__lruvec *lruvec,
                               bool file, uint32_t pages);
uint64_t vmsim__shrink_inactive_list(struct vmsim__vmscan *v, struct vmsim__scan_control *sc,
                                     struct vmsim__lruvec *lruvec, bool file, uint32_t pages);

/* What one call of shrink_folio_list takes at most. */
#define VMSIM__SHRINK_MAX VMSIM__MIN_LRU_BATCH
/* What shrink_folio_list met, in pages. */
struct vmsim__reclaim_stat {
    uint64_t dirty, unqueued_dirty, congested, writeback, immediate, pageout, activate[2], ref_keep, unmap_fail,
        lazyfree_fail;
};
/* Frees what can be freed of isolated folios; those that stay are left in folio[0..*count) in their order. Pages freed.
 */
uint64_t vmsim__shrink_folio_list(struct vmsim__vmscan *v, struct vmsim__scan_control *sc, unsigned node,
                                  vmsim__pfn *folio, uint32_t *count, struct vmsim__reclaim_stat *stat,
                                  bool ignore_references);

#define VMSIM__SWAPPINESS_MAX 200u
#define VMSIM__SWAPPINESS_ANON_ONLY (VMSIM__SWAPPINESS_MAX + 1) /* proactive reclaim's alone: swappiness=max */
/* What reclaim of anonymous memory costs beside that of files. Kernel: sc_swappiness. */
static inline unsigned vmsim__vmscan_swappiness(const struct vmsim__vmscan *v, const struct vmsim__scan_control *sc) {
    VMSIM__ASSERT(v->swappiness <= VMSIM__SWAPPINESS_MAX && (sc->proactive || !sc->own_swappiness));
    return sc->own_swappiness ? sc->own_swappiness - 1u : v->swappiness;
}

/* Kernel: can_demote. */
static inline bool vmsim__vmscan_can_demote(const struct vmsim__vmscan *v, unsigned node) {
    return v->hooks.can_demote && v->hooks.can_demote(v->hooks.context, node);
}

#endif
