/* SPDX-License-Identifier: MIT */
/* Generations: the lists of the multi-generational LRU, which take the place of active and inactive ones while it is
 * on.
 *
 *     max_seq 9   gen 1   youngest            A folio is in the generation that its number says. A walk over page
 *             8   gen 0                       tables makes folios young by the number alone: they stay on the list of
 *     min_seq 7   gen 3   oldest: evicted     their old generation until eviction or ageing comes by.
 *                 gen 2   (free)              The two youngest count as active in all statistics, the others as
 * inactive.
 *
 *     frame.policy   7 | 6      5 | 4     3 | 2       0
 *                      |  list    |  refs   |  gen + 1     gen + 1: 0 on no generation; list: whose list it is on;
 *                                                          refs: uses by read() beyond those of REFERENCED, WORKINGSET
 *
 * min_seq is of anonymous memory and of files each, max_seq of both. The state of a lruvec is made when generations are
 * turned on for the first time. Kernel counterparts: struct lru_gen_struct (include/linux/mmzone.h), lru_gen_add_folio
 * and its like (include/linux/mm_inline.h), folio_inc_gen, folio_update_gen, lru_gen_change_state (mm/vmscan.c). */
#ifndef VMSIM__LRU_GEN_H
#define VMSIM__LRU_GEN_H
#include "lru/lru.h"

#define VMSIM__MIN_NR_GENS 2u
#define VMSIM__MAX_NR_GENS 4u
#define VMSIM__MAX_NR_TIERS 4u
#define VMSIM__LRU_REFS_WIDTH 2u
#define VMSIM__MIN_LRU_BATCH 64u /* BITS_PER_LONG */
#define VMSIM__BLOOM_FILTER_SHIFT 15u

enum { VMSIM__LRU_GEN_ANON, VMSIM__LRU_GEN_FILE, VMSIM__LRU_GEN_TYPES };

/* What is on: the bits of /sys/kernel/mm/lru_gen/enabled. */
#define VMSIM__LRU_GEN_CORE 1u
#define VMSIM__LRU_GEN_MM_WALK 2u       /* ageing walks page tables, if the hardware sets accessed bits */
#define VMSIM__LRU_GEN_NONLEAF_YOUNG 4u /* and passes over tables whose own accessed bit is clear */

struct vmsim__lru_gen_list {
    vmsim__pfn head, tail;
};

/* Of a lruvec. Arrays: by generation, type (anon, file), zone type or tier. */
struct vmsim__lru_gen {
    uint64_t max_seq, min_seq[VMSIM__LRU_GEN_TYPES];
    uint64_t birth[VMSIM__MAX_NR_GENS]; /* ns */
    struct vmsim__lru_gen_list list[VMSIM__MAX_NR_GENS][VMSIM__LRU_GEN_TYPES][VMSIM__ZONE_TYPES];
    uint64_t nr_pages[VMSIM__MAX_NR_GENS][VMSIM__LRU_GEN_TYPES][VMSIM__ZONE_TYPES];
    /* of the oldest generation, and averages of those before it: what the controller of tiers works with */
    uint64_t evicted[VMSIM__LRU_GEN_TYPES][VMSIM__MAX_NR_TIERS], refaulted[VMSIM__LRU_GEN_TYPES][VMSIM__MAX_NR_TIERS],
        protected[VMSIM__LRU_GEN_TYPES][VMSIM__MAX_NR_TIERS]; /* protected: [tier], none of tier 0 */
    uint64_t avg_total[VMSIM__LRU_GEN_TYPES][VMSIM__MAX_NR_TIERS],
        avg_refaulted[VMSIM__LRU_GEN_TYPES][VMSIM__MAX_NR_TIERS];
    /* which tables the last walk found worth it, by parity of max_seq; not `filtered`: any may be */
    uint64_t filter[2][(1u << VMSIM__BLOOM_FILTER_SHIFT) / 64];
    bool filtered[2];
    uint64_t walked; /* address spaces that joined since then have not been walked yet */
    /* place among the lruvecs of its node, where the kernel has an order of its own for cgroups */
    struct vmsim__lruvec *before, *after;
    uint8_t memcg_gen, memcg_bin;
    bool at_tail; /* it gave too little: once more, after the others */
};

/* Who wants to hear which pages page tables say were used; each answer takes effect at once. */
struct vmsim__young_sink {
    void *context;
    bool anon;   /* anonymous and shared memory, too */
    bool force;  /* tables that `look` would pass over, too */
    bool tables; /* tables have accessed bits of their own, and those tell where to look */
    bool (*look)(void *context, uint64_t table);                                   /* is this table worth it? */
    bool (*young)(void *context, vmsim__pfn pfn);                                  /* used; false: not of interest */
    void (*looked)(void *context, uint64_t table, uint32_t total, uint32_t young); /* entries of it */
};

/* ---- numbers ---- */

static inline unsigned vmsim__gen_of_seq(uint64_t seq) {
    return seq % VMSIM__MAX_NR_GENS;
}
static inline int vmsim__folio_gen(const struct vmsim__frame *f) { /* -1: on none */
    return (int)(f->policy & 7u) - 1;
}
static inline unsigned vmsim__folio_gen_list(const struct vmsim__frame *f) {
    return f->policy >> 5 & 3u;
}
/* Uses by read() but the first. Kernel: folio_lru_refs. */
static inline unsigned vmsim__folio_refs(const struct vmsim__frame *f) {
    return (f->policy >> 3 & 3u) + vmsim__frame_is(f, VMSIM__FRAME_WORKINGSET);
}
/* Tier n: up to 2^n of them. Kernel: lru_tier_from_refs. */
static inline unsigned vmsim__tier_of_refs(unsigned refs) {
    VMSIM__ASSERT(refs <= 1u << VMSIM__LRU_REFS_WIDTH);
    return refs ? vmsim__log2(refs) + 1 : 0;
}
static inline unsigned vmsim__folio_type(const struct vmsim__frame *f) {
    return vmsim__frame_is(f, VMSIM__FRAME_SWAPBACKED) ? VMSIM__LRU_GEN_ANON : VMSIM__LRU_GEN_FILE;
}
static inline unsigned vmsim__nr_gens(const struct vmsim__lru_gen *g, unsigned type) {
    VMSIM__ASSERT(g->max_seq >= g->min_seq[type]);
    return (unsigned)(g->max_seq - g->min_seq[type] + 1);
}
/* Kernel: lru_gen_is_active. */
static inline bool vmsim__gen_is_active(const struct vmsim__lru_gen *g, unsigned gen) {
    return gen == vmsim__gen_of_seq(g->max_seq) || gen == vmsim__gen_of_seq(g->max_seq - 1);
}
/* How it was used is forgotten. */
static inline void vmsim__folio_clear_refs(struct vmsim__frame *f) {
    f->policy &= (uint8_t) ~(3u << 3);
    f->flags &= ~(VMSIM__FRAME_REFERENCED | VMSIM__FRAME_WORKINGSET);
}
static inline void vmsim__folio_set_refs_max(struct vmsim__frame *f) {
    f->policy |= 3u << 3;
    f->flags |= VMSIM__FRAME_WORKINGSET;
}
/* One more read(). Kernel: folio_inc_refs. */
void vmsim__folio_inc_refs(struct vmsim__frame *f);

/* ---- lists ---- */

/* An evictable folio comes to the generation that its flags say; `reclaiming`: to be evicted next. */
void vmsim__lru_gen_add(struct vmsim__lru *lru, vmsim__pfn pfn, struct vmsim__frame *f, bool reclaiming);
/* It goes; if it was young, its flag ACTIVE says so, unless it is being reclaimed. */
void vmsim__lru_gen_del(struct vmsim__lru *lru, struct vmsim__frame *f, bool reclaiming);
/* Moves it to an end of the list of its own generation. */
void vmsim__lru_gen_sort(struct vmsim__lru *lru, vmsim__pfn pfn, bool to_tail);
/* It turns out to be unevictable: off to where those are counted. */
void vmsim__lru_gen_cull(struct vmsim__lru *lru, vmsim__pfn pfn);
/* One of the oldest generation becomes one of the next, unless it was made younger meanwhile; its new generation.
 * `reclaiming`: it waits for its write-out. The list is the caller's affair. Kernel: folio_inc_gen. */
unsigned vmsim__folio_inc_gen(struct vmsim__lru *lru, struct vmsim__frame *f, bool reclaiming);
/* It was used: the youngest generation, by number; if isolated, REFERENCED. Kernel: folio_update_gen. */
void vmsim__folio_update_gen(struct vmsim__lru *lru, struct vmsim__frame *f);
/* Active and inactive counts change hands as max_seq grows by one. */
void vmsim__lru_gen_advance(struct vmsim__lru *lru, struct vmsim__lruvec *v);

/* ---- the order of cgroups (memcg_lru.c) ---- */

#define VMSIM__MEMCG_NR_GENS 3u
#define VMSIM__MEMCG_NR_BINS 8u
/* Of a node. */
struct vmsim__memcg_lru {
    uint64_t seq; /* of the old generation */
    struct vmsim__lruvec *first[VMSIM__MEMCG_NR_GENS][VMSIM__MEMCG_NR_BINS],
        *last[VMSIM__MEMCG_NR_GENS][VMSIM__MEMCG_NR_BINS];
    uint32_t count[VMSIM__MEMCG_NR_GENS];
};
enum vmsim__memcg_lru_op {
    VMSIM__MEMCG_LRU_STAY,
    VMSIM__MEMCG_LRU_TAIL, /* of its generation, once */
    VMSIM__MEMCG_LRU_OLD,  /* to the head of the old generation: it was removed */
    VMSIM__MEMCG_LRU_YOUNG
};
bool vmsim__memcg_lru_make(struct vmsim__lru *lru); /* false: no host memory; nothing to do for a kernel without it */
void vmsim__memcg_lru_fini(struct vmsim__lru *lru);
void vmsim__memcg_lru_join(struct vmsim__lru *lru, struct vmsim__lruvec *v);
void vmsim__memcg_lru_leave(struct vmsim__lru *lru, struct vmsim__lruvec *v);
void vmsim__memcg_lru_rotate(struct vmsim__lru *lru, struct vmsim__lruvec *v, enum vmsim__memcg_lru_op op);

/* ---- on and off ---- */

/* Kernel: lru_gen_change_state: all folios change lists. False: no host memory, and nothing has changed. */
bool vmsim__lru_gen_enable(struct vmsim__lru *lru, bool on);
/* State of a new cgroup's lruvecs; false: no host memory. Nothing to do while generations were never on. */
bool vmsim__lru_gen_init(struct vmsim__lru *lru, struct vmsim__lruvec *v);
void vmsim__lru_gen_fini(struct vmsim__lru *lru, struct vmsim__lruvec *v);
/* Lists of generations against folios. 0 or VMSIM_ECHECK; adds the folios found to *listed. */
int vmsim__lru_gen_check(struct vmsim__lru *lru, const struct vmsim__lruvec *v, uint64_t *listed,
                         struct vmsim__err *err);

#endif
