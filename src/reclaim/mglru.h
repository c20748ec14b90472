/* SPDX-License-Identifier: MIT */
/* The multi-generational LRU ("linux-mglru"), as reclaim by generations; what lists and folios know of them is
 * lru/lru_gen.h.
 *
 *     kswapd, before a round: age_node ----.                    walk (mglru_walk.c): page tables tell what was used,
 *     shrink_lruvec: too few generations? --+-> inc_max_seq --- its folios become youngest; filters remember tables
 *         |                                    (mglru_aging.c)
 *         `-> evict_folios (mglru_evict.c): sort_folio, isolate_folio ... shrink_folio_list
 *                  |                        a use that this finds by the reverse map makes neighbours young, too
 *                  `-- which type, and which tiers of it are left alone (mglru_tiers.c)
 *
 * A tier holds pages of the oldest generation that were read about equally often. Those of which too many came back
 * after eviction are protected: moved to the next generation. Kernel counterpart: the lru_gen part of mm/vmscan.c. */
#ifndef VMSIM__MGLRU_H
#define VMSIM__MGLRU_H
#include "reclaim/vmscan_impl.h"

#define VMSIM__MAX_LRU_BATCH 4096u /* folios that are looked at in one go: 64 * 64 */

/* ---- mglru_tiers.c ---- */

/* What is compared: how many of those evicted (or protected) came back. */
struct vmsim__ctrl_pos {
    uint64_t refaulted, total;
    unsigned gain;
};
struct vmsim__ctrl_pos vmsim__ctrl_pos_read(const struct vmsim__lru_gen *g, unsigned type, unsigned tier,
                                            unsigned gain);
/* Does `pv` do no worse than `sp`? Few refaults never do. Kernel: positive_ctrl_err. */
bool vmsim__ctrl_accept(const struct vmsim__ctrl_pos *sp, const struct vmsim__ctrl_pos *pv);
/* The highest tier of the type that may be evicted. Kernel: get_tier_idx. */
unsigned vmsim__tier_idx(const struct vmsim__lru_gen *g, unsigned type);
/* The type whose pages are missed less, weighed by swappiness, and its highest tier. Kernel: get_type_to_scan. */
unsigned vmsim__type_to_scan(const struct vmsim__lru_gen *g, unsigned swappiness, unsigned *tier);
/* The oldest generation of the type is gone: what was counted becomes part of the averages. Kernel: reset_ctrl_pos. */
void vmsim__ctrl_pos_carry(struct vmsim__lru_gen *g, unsigned type);

/* ---- mglru_aging.c ---- */

/* 0: anonymous memory is left alone. Kernel: get_swappiness. */
unsigned vmsim__mglru_swappiness(const struct vmsim__vmscan *v, const struct vmsim__scan_control *sc,
                                 const struct vmsim__lruvec *lruvec);
/* The types that may be evicted, from the first to the one before the end. Kernel: for_each_evictable_type. */
static inline unsigned vmsim__first_type(unsigned swappiness) {
    return swappiness ? VMSIM__LRU_GEN_ANON : VMSIM__LRU_GEN_FILE;
}
static inline unsigned vmsim__end_type(unsigned swappiness) {
    return swappiness == VMSIM__SWAPPINESS_ANON_ONLY ? VMSIM__LRU_GEN_FILE : VMSIM__LRU_GEN_TYPES;
}
/* Is a new generation due? *total: pages of the types that may be evicted. Kernel: should_run_aging. */
bool vmsim__should_run_aging(const struct vmsim__lru_gen *g, unsigned swappiness, uint64_t *total);
/* Generations of which nothing is left go. True: one did. Kernel: try_to_inc_min_seq. */
bool vmsim__try_to_inc_min_seq(struct vmsim__lruvec *lruvec, unsigned swappiness);
/* A walk over page tables, and a new generation. Kernel: try_to_inc_max_seq. */
void vmsim__inc_max_seq(struct vmsim__vmscan *v, struct vmsim__scan_control *sc, struct vmsim__lruvec *lruvec,
                        bool can_swap);
void vmsim__mglru_age_node(struct vmsim__vmscan *v, struct vmsim__scan_control *sc, unsigned node);

/* ---- mglru_walk.c ---- */

/* Pages that page tables say are used become young. The walk stays at hand until the reclaim is over. */
void vmsim__mglru_walk(struct vmsim__vmscan *v, struct vmsim__scan_control *sc, struct vmsim__lruvec *lruvec,
                       bool can_swap);
/* Has a reclaim that begins a walk at hand? kswapd has one with its node, memory.reclaim since 6.3 one of its own; all
 * others once they have aged. Kernel: set_mm_walk. */
static inline bool vmsim__mglru_begins_with_walk(const struct vmsim__vmscan *v, const struct vmsim__scan_control *sc) {
    return sc->kswapd || (v->kernel->lru_gen_memcgs && sc->proactive);
}
struct vmsim__use vmsim__mglru_referenced(struct vmsim__vmscan *v, const struct vmsim__scan_control *sc,
                                          vmsim__pfn pfn);
bool vmsim__bloom_test(const struct vmsim__lru_gen *g, uint64_t seq, uint64_t table);
void vmsim__bloom_add(struct vmsim__lru_gen *g, uint64_t seq, uint64_t table);

/* ---- mglru_evict.c ---- */

void vmsim__mglru_shrink_lruvec(struct vmsim__vmscan *v, struct vmsim__scan_control *sc, struct vmsim__lruvec *lruvec);
/* One batch of victims at most. Folios looked at, in pages; 0: there is nothing to evict. Kernel: evict_folios. */
uint64_t vmsim__evict_folios(struct vmsim__vmscan *v, struct vmsim__scan_control *sc, struct vmsim__lruvec *lruvec,
                             unsigned swappiness, bool *swapping);
/* Kernel: try_to_shrink_lruvec (since 6.3). True: it was aged, and is low on cold pages. */
bool vmsim__mglru_try_to_shrink(struct vmsim__vmscan *v, struct vmsim__scan_control *sc, struct vmsim__lruvec *lruvec);
/* Has this reclaim what it wants? Kernel: should_abort_scan (since 6.3). */
bool vmsim__mglru_should_abort(const struct vmsim__vmscan *v, const struct vmsim__scan_control *sc,
                               const struct vmsim__lruvec *lruvec);

/* ---- mglru_memcg.c ---- */

bool vmsim__mglru_shrink_global(struct vmsim__vmscan *v, struct vmsim__scan_control *sc, unsigned node);
void vmsim__mglru_initial_priority(const struct vmsim__vmscan *v, struct vmsim__scan_control *sc, unsigned node);

#endif
