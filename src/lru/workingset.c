/* SPDX-License-Identifier: MIT */
/* Shadows, the clock of evictions, refaults and the cost of reclaim (see workingset.h; lru_note_cost is mm/swap.c's).
 */
#include "lru/workingset.h"
#include "lru/lru_gen.h"
#include "lru/lru_impl.h"

enum { MEMCG_BITS = 16, NODE_BITS = 6, WORKINGSET_BIT = MEMCG_BITS + NODE_BITS, EVICTION_SHIFT };
_Static_assert(VMSIM__MAX_NODES <= 1 << NODE_BITS, "a shadow names every node");

uint64_t vmsim__shadow_pack(struct vmsim__shadow s) {
    VMSIM__ASSERT(s.node < VMSIM__MAX_NODES);
    return (s.eviction & VMSIM__EVICTION_MASK) << EVICTION_SHIFT | (uint64_t)s.workingset << WORKINGSET_BIT |
           (uint64_t)s.node << MEMCG_BITS | s.memcg;
}

struct vmsim__shadow vmsim__shadow_unpack(uint64_t packed) {
    return (struct vmsim__shadow){.memcg = (uint16_t)packed,
                                  .node = packed >> MEMCG_BITS & ((1u << NODE_BITS) - 1),
                                  .workingset = packed >> WORKINGSET_BIT & 1,
                                  .eviction = packed >> EVICTION_SHIFT};
}

unsigned vmsim__workingset_bucket_order(uint64_t totalram_pages) {
    unsigned bits = vmsim__log2_up(totalram_pages);
    return bits > VMSIM__EVICTION_BITS ? bits - VMSIM__EVICTION_BITS : 0;
}

/* The clock may have gone around: what is left of the difference is its low bits. */
uint64_t vmsim__refault_distance(uint64_t now, uint64_t eviction, unsigned bucket_order) {
    return (now - (eviction << bucket_order)) & VMSIM__EVICTION_MASK;
}

void vmsim__workingset_age(struct vmsim__lruvec *v, uint64_t pages) {
    for (; v; v = vmsim__lruvec_parent(v))
        v->nonresident_age += pages;
}

static unsigned bucket_order(const struct vmsim__lru *lru) {
    return vmsim__workingset_bucket_order(lru->mem->totalram);
}

/* ---- generations: the clock is that of the oldest one ----
 *
 *     eviction: min_seq | refs less one, 2 bits        workingset: it had any
 */

/* Kernel: lru_gen_eviction. */
static uint64_t gen_eviction(struct vmsim__lru *lru, const struct vmsim__frame *f) {
    const struct vmsim__lruvec *v = vmsim__lruvec_of(lru, f);
    const unsigned type = vmsim__folio_type(f), refs = vmsim__folio_refs(f);
    struct vmsim__lru_gen *g = v->gen;
    const struct vmsim__shadow s = {.memcg = f->memcg,
                                    .node = v->node,
                                    .workingset = refs > 0,
                                    .eviction = g->min_seq[type] << VMSIM__LRU_REFS_WIDTH | (refs ? refs - 1 : 0)};
    g->evicted[type][vmsim__tier_of_refs(refs)] += vmsim__frame_pages(f);
    return vmsim__shadow_pack(s);
}

/* Within the generation that was oldest when it went, a refault says something about the page's tier. One by a fault,
 * or of a page that had been read often, is of the working set. Kernel: lru_gen_refault. */
static void gen_refault(struct vmsim__lru *lru, struct vmsim__frame *f, uint64_t shadow) {
    const struct vmsim__shadow s = vmsim__shadow_unpack(shadow);
    struct vmsim__lruvec *v = vmsim__lruvec_of(lru, f);
    const unsigned type = vmsim__folio_type(f), pages = vmsim__frame_pages(f);
    struct vmsim__lru_gen *g = v->gen;
    if (s.memcg != f->memcg || s.node != v->node)
        return;
    const bool recent =
        s.eviction >> VMSIM__LRU_REFS_WIDTH == (g->min_seq[type] & VMSIM__EVICTION_MASK >> VMSIM__LRU_REFS_WIDTH);
    if (recent || lru->kernel->lru_gen_counts_all)
        vmsim__lru_node_add(lru, f, (enum vmsim__node_stat)(VMSIM__WORKINGSET_REFAULT_ANON + type), pages);
    if (!recent)
        return;
    const unsigned refs = (s.eviction & ((1u << VMSIM__LRU_REFS_WIDTH) - 1)) + s.workingset;
    g->refaulted[type][vmsim__tier_of_refs(refs)] += pages;
    if (lru->kernel->lru_gen_counts_all)
        vmsim__lru_node_add(lru, f, (enum vmsim__node_stat)(VMSIM__WORKINGSET_ACTIVATE_ANON + type), pages);
    if (!lru->mem->now.in_lru_fault && refs < (1u << VMSIM__LRU_REFS_WIDTH) - 1)
        return;
    vmsim__folio_set_refs_max(f);
    vmsim__lru_node_add(lru, f, (enum vmsim__node_stat)(VMSIM__WORKINGSET_RESTORE_ANON + type), pages);
}

/* ---- active and inactive lists ---- */

uint64_t vmsim__workingset_eviction(struct vmsim__lru *lru, vmsim__pfn pfn, uint16_t target) {
    const struct vmsim__frame *f = vmsim__lru_frame(lru, pfn);
    unsigned node = vmsim__lru_zone(lru, f)->node;
    if (lru->gen_enabled)
        return gen_eviction(lru, f);
    struct vmsim__memcg *m = vmsim__memcg_by_id(lru, target);
    VMSIM__ASSERT(m && vmsim__memcg_below(vmsim__memcg_by_id(lru, f->memcg), m));
    const struct vmsim__shadow s = {.memcg = target,
                                    .node = (uint8_t)node,
                                    .workingset = vmsim__frame_is(f, VMSIM__FRAME_WORKINGSET),
                                    .eviction = m->lruvec[node].nonresident_age >> bucket_order(lru)};
    vmsim__workingset_age(&m->lruvec[node], vmsim__frame_pages(f));
    return vmsim__shadow_pack(s);
}

/* What could hold the page if reclaim took nothing else: for a page of a file the active pages of files, and anonymous
 * ones where there is swap for them. */
static uint64_t workingset_size(const struct vmsim__lruvec *v, bool file) {
    uint64_t pages = vmsim__lruvec_seen(v, VMSIM__SEEN_ACTIVE_FILE);
    if (!file)
        pages += vmsim__lruvec_seen(v, VMSIM__SEEN_INACTIVE_FILE);
    if (!vmsim__memcg_swap_room(v->memcg))
        return pages;
    pages += vmsim__lruvec_seen(v, VMSIM__SEEN_ACTIVE_ANON);
    return pages + (file ? vmsim__lruvec_seen(v, VMSIM__SEEN_INACTIVE_ANON) : 0);
}

bool vmsim__workingset_test_recent(struct vmsim__lru *lru, uint64_t shadow, bool file, bool *workingset) {
    const struct vmsim__shadow s = vmsim__shadow_unpack(shadow);
    const struct vmsim__memcg *m = vmsim__memcg_by_id(lru, s.memcg);
    *workingset = s.workingset;
    if (!m || !m->online || s.node >= lru->mem->nr_nodes)
        return false;
    const struct vmsim__lruvec *v = &m->lruvec[s.node];
    return vmsim__refault_distance(v->nonresident_age, s.eviction, bucket_order(lru)) <= workingset_size(v, file);
}

void vmsim__workingset_refault(struct vmsim__lru *lru, vmsim__pfn pfn, uint64_t shadow) {
    struct vmsim__frame *f = vmsim__lru_frame(lru, pfn);
    VMSIM__ASSERT(!vmsim__frame_is(f, VMSIM__FRAME_LRU) && f->refcount > 0);
    if (VMSIM__UNLIKELY(lru->watch != NULL))
        lru->watch->refault(lru->watch->context, pfn, shadow);
    if (lru->gen_enabled) {
        gen_refault(lru, f, shadow);
        return;
    }
    struct vmsim__lruvec *v = vmsim__lruvec_of(lru, f);
    bool file = !vmsim__frame_is(f, VMSIM__FRAME_SWAPBACKED), workingset;
    uint32_t pages = vmsim__frame_pages(f);
    const struct vmsim__memcg *evicted_for = vmsim__memcg_by_id(lru, vmsim__shadow_unpack(shadow).memcg);
    if (!evicted_for || !evicted_for->online)
        return;
    bool recent = vmsim__workingset_test_recent(lru, shadow, file, &workingset);
    vmsim__lru_node_add(lru, f, (enum vmsim__node_stat)(VMSIM__WORKINGSET_REFAULT_ANON + file), pages);
    if (!recent)
        return;
    f->flags |= VMSIM__FRAME_ACTIVE;
    vmsim__workingset_age(v, pages);
    vmsim__lru_node_add(lru, f, (enum vmsim__node_stat)(VMSIM__WORKINGSET_ACTIVATE_ANON + file), pages);
    if (!workingset)
        return;
    f->flags |= VMSIM__FRAME_WORKINGSET;
    vmsim__lru_note_cost(v, file, pages, 0);
    vmsim__lru_node_add(lru, f, (enum vmsim__node_stat)(VMSIM__WORKINGSET_RESTORE_ANON + file), pages);
}

/* Old costs fade: both halve once whenever they are more than a quarter of what the lists hold. I/O of a page outweighs
 * looking at one: rotations decide only where I/O is about even. */
void vmsim__lru_note_cost(struct vmsim__lruvec *v, bool file, uint64_t io, uint64_t rotated) {
    const uint64_t cost = v->memcg->lru->kernel->cost_counts_rotations ? io * VMSIM__ISOLATE_MAX + rotated : io;
    vmsim__stats_settle(v->memcg->lru); /* of all cgroups, and once: this comes with every page that goes */
    for (; v; v = vmsim__lruvec_parent(v)) {
        uint64_t size = 0;
        for (unsigned l = VMSIM__SEEN_INACTIVE_ANON; l <= VMSIM__SEEN_ACTIVE_FILE; l++)
            size += (uint64_t)v->seen[l];
        *(file ? &v->file_cost : &v->anon_cost) += cost;
        if (v->file_cost + v->anon_cost > size / 4) {
            v->file_cost /= 2;
            v->anon_cost /= 2;
        }
    }
}
