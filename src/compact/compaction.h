/* SPDX-License-Identifier: MIT */
/* Compaction: pages in use move from one end of a zone to free frames at its other end, until a large free block is
 * there.
 *
 *     zone start                                                              zone end
 *     | migrate scanner -->   isolates pages in use      free scanner <--  isolates free frames |
 *     |     ^ cached_migrate[async, sync]                 cached_free ^                         |
 *     skip bit a pageblock: nothing was to be had there lately
 *
 * A run over a zone is begun, taken step by step (up to 32 pages each, or the rest of a pageblock) and ended; between
 * two steps whoever runs it may leave its CPU. What a run has isolated between steps are free frames alone, which
 * _pause gives back before a wait. Who runs it, when, and how hard, is machine/'s affair and the policy's
 * (compaction_policies.h). Kernel counterpart: mm/compaction.c (6.1). */
#ifndef VMSIM__COMPACTION_H
#define VMSIM__COMPACTION_H
#include "vm/migrate.h"

#define VMSIM__COMPACT_CLUSTER 32u /* COMPACT_CLUSTER_MAX: pages isolated at once */
#define VMSIM__COMPACT_ALL (-1)    /* order of a run that wants no block: compact_memory, proactive */

/* The later, the better: of several zones the best counts. Kernel: enum compact_result. */
enum vmsim__compact_result {
    VMSIM__COMPACTION_SKIPPED,         /* no use trying, or nobody wanted it */
    VMSIM__COMPACTION_DEFERRED,        /* it failed lately */
    VMSIM__COMPACTION_CONTINUE,        /* another step */
    VMSIM__COMPACTION_COMPLETE,        /* the whole zone was seen */
    VMSIM__COMPACTION_PARTIAL_SKIPPED, /* a part of it was */
    VMSIM__COMPACTION_CONTENDED,       /* it had to stop */
    VMSIM__COMPACTION_SUCCESS
};

/* What is remembered of a zone between runs. */
struct vmsim__compact_zone {
    vmsim__pfn cached_migrate[2]; /* where the next run begins: [0] async, [1] sync */
    vmsim__pfn cached_free;
    vmsim__pfn init_migrate, init_free; /* where runs began after hints were reset; 0: never */
    bool flush;                         /* hints are to be reset when kswapd sleeps */
    bool known;                         /* the positions were set once */
    /* deferral: `considered` of 1 << shift attempts of an order from `order_failed` on were passed over */
    uint32_t considered;
    uint8_t defer_shift, order_failed;
};

struct vmsim__compaction {
    struct vmsim__alloc *alloc;
    struct vmsim__vm *vm;
    struct vmsim__mem *mem;
    struct vmsim__lru *lru;
    struct vmsim__compact_zone *zone; /* by index */
    uint64_t *skip;                   /* bit a pageblock */
    size_t skip_words;
    bool unevictable_allowed; /* vm.compact_unevictable_allowed */
    uint64_t proactiveness;   /* vm.compaction_proactiveness, 0..100 */
    uint64_t scan_cost;       /* ns of a frame that a scanner looks at */
};

/* One run over one zone. Kernel: struct compact_control. */
struct vmsim__compact_control {
    /* what is wanted and how */
    int order; /* of the block; VMSIM__COMPACT_ALL */
    uint32_t gfp, alloc_flags;
    uint8_t zone_type;             /* highest of the request */
    enum vmsim__migratetype type;  /* of the request */
    enum vmsim__migrate_mode mode; /* of migration */
    bool direct;                   /* for an allocation that waits for it */
    bool whole_zone;               /* from its beginning, whatever is remembered */
    bool ignore_skip_hint, ignore_block_suitable;
    bool proactive; /* until the zone's score is low enough */
    bool exhaust;   /* proactive: until the scanners meet, whatever the score */
    bool may_wait;
    uint16_t cpu;
    /* how it stands */
    struct vmsim__zone *z;
    vmsim__pfn migrate_pfn, free_pfn;
    vmsim__pfn last_migrated; /* block of the last success since per-CPU lists were drained; 0: none */
    bool update_cached, finish_pageblock, waits;
    struct vmsim__folio_chain migrate; /* isolated by the step */
    uint32_t nr_migrate;               /* pages that were, while some of them are moved already */
    vmsim__pfn free;                   /* isolated frames, chained by next */
    uint32_t nr_free;
    uint64_t migrate_scanned, free_scanned;
    /* searches of free lists (fast_search.c) */
    uint32_t search_fail;  /* in vain, in a row */
    uint8_t search_order;  /* where the next one for targets begins */
    vmsim__pfn fast_start; /* lowest place found; PFN_NONE: none */
    bool fast_over;        /* the migrate scanner has gone back to it */
};

/* `vm` and what it stands on must outlive it. 0 or VMSIM_ENOMEM. */
int vmsim__compaction_init(struct vmsim__compaction *c, struct vmsim__alloc *alloc, struct vmsim__vm *vm,
                           struct vmsim__mem *mem, struct vmsim__lru *lru);
void vmsim__compaction_fini(struct vmsim__compaction *c);
/* Positions within their zones, deferral within its bounds. 0 or VMSIM_ECHECK. */
int vmsim__compaction_check(const struct vmsim__compaction *c, struct vmsim__err *err);

/* ---- is there a use? ---- */

/* SUCCESS: there is a block already; SKIPPED: too little is free, or it is no matter of fragmentation; CONTINUE.
 * Kernel: compaction_suitable. */
enum vmsim__compact_result vmsim__compaction_suitable(const struct vmsim__compaction *c, const struct vmsim__zone *z,
                                                      int order, uint32_t alloc_flags, unsigned zone_type);
/* Would it be suitable if `free` frames were free, but for the fragmentation index? Kernel:
 * compaction_zonelist_suitable. */
bool vmsim__compaction_suitable_with(const struct vmsim__compaction *c, const struct vmsim__zone *z, unsigned order,
                                     uint32_t alloc_flags, unsigned zone_type, int64_t free);
/* Counts the attempt. Kernel: compaction_deferred. */
bool vmsim__compaction_deferred(struct vmsim__compaction *c, const struct vmsim__zone *z, unsigned order);
/* It failed: the next ones wait longer. */
void vmsim__compaction_defer(struct vmsim__compaction *c, const struct vmsim__zone *z, unsigned order);
/* `allocated`: a block was had, and not only made. */
void vmsim__compaction_defer_reset(struct vmsim__compaction *c, const struct vmsim__zone *z, unsigned order,
                                   bool allocated);
/* Deferral has come to its end, and starts over. Kernel: compaction_restarting. */
bool vmsim__compaction_restarting(const struct vmsim__compaction *c, const struct vmsim__zone *z, unsigned order);

/* Percent of a zone's, a node's free frames that a huge page cannot be made of; the node's is weighed by zones'
 * sizes. Kernel: fragmentation_score_zone, fragmentation_score_node. */
unsigned vmsim__fragmentation_score_zone(const struct vmsim__compaction *c, const struct vmsim__zone *z);
unsigned vmsim__fragmentation_score(const struct vmsim__compaction *c, unsigned node);
/* Scores between which proactive compaction works: it begins above the high one. */
unsigned vmsim__fragmentation_mark(const struct vmsim__compaction *c, bool low);

/* ---- runs ---- */

/* CONTINUE: to be taken step by step, and ended; anything else: it is over. */
enum vmsim__compact_result vmsim__compact_begin(struct vmsim__compaction *c, struct vmsim__compact_control *cc,
                                                struct vmsim__zone *z);
/* The next pages. CONTINUE with cc->waits: the present waits, frames were given back; enter again then. */
enum vmsim__compact_result vmsim__compact_step(struct vmsim__compaction *c, struct vmsim__compact_control *cc);
/* Gives back what is isolated and counts. After a step that did not say CONTINUE, or to stop early. */
void vmsim__compact_end(struct vmsim__compaction *c, struct vmsim__compact_control *cc);
/* All of it at once. */
enum vmsim__compact_result vmsim__compact_zone(struct vmsim__compaction *c, struct vmsim__compact_control *cc,
                                               struct vmsim__zone *z);
/* Kernel: reset_isolation_suitable, of the zones whose hints are to go. */
void vmsim__compaction_reset_hints(struct vmsim__compaction *c, unsigned node);
/* An allocation had its block: hints stay. */
void vmsim__compaction_keep_hints(struct vmsim__compaction *c, const struct vmsim__zone *z);

#endif
