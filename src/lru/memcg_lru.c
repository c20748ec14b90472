/* SPDX-License-Identifier: MIT */
/* The order in which global reclaim takes the cgroups of a node, where the kernel has one for generations (since 6.3).
 *
 *     seq % 3   old    bin 0: lruvec, lruvec ...     taken from here, all bins in turn from a random one
 *               young  bin 1: lruvec ...             gave enough, or are protected: not before all others
 *               (next) ...
 *
 * A cgroup that gave too little goes to the tail of its generation once; one that was removed comes back to the old
 * one. Kernel counterpart: struct lru_gen_memcg, lru_gen_rotate_memcg of mm/vmscan.c. */
#include "lru/lru_gen.h"
#include "lru/lruvec.h"

bool vmsim__memcg_lru_make(struct vmsim__lru *lru) {
    if (lru->memcg_lru || !lru->kernel->lru_gen_memcgs)
        return true;
    lru->memcg_lru = vmsim__calloc(lru->alloc, lru->mem->nr_nodes, sizeof *lru->memcg_lru);
    vmsim__rng_seed_named(&lru->rng, 0, "memcg_lru");
    return lru->memcg_lru;
}

void vmsim__memcg_lru_fini(struct vmsim__lru *lru) {
    vmsim__free(lru->alloc, lru->memcg_lru, lru->mem->nr_nodes * sizeof *lru->memcg_lru);
    lru->memcg_lru = NULL;
}

static void put(struct vmsim__lru *lru, struct vmsim__lruvec *v, unsigned gen, bool head) {
    struct vmsim__memcg_lru *l = &lru->memcg_lru[v->node];
    const unsigned bin = (unsigned)vmsim__rng_below(&lru->rng, VMSIM__MEMCG_NR_BINS);
    struct vmsim__lruvec **first = &l->first[gen][bin], **last = &l->last[gen][bin];
    VMSIM__ASSERT(gen < VMSIM__MEMCG_NR_GENS && !v->gen->before && !v->gen->after);
    v->gen->memcg_gen = (uint8_t)gen;
    v->gen->memcg_bin = (uint8_t)bin;
    v->gen->after = head ? *first : NULL;
    v->gen->before = head ? NULL : *last;
    *(v->gen->after ? &v->gen->after->gen->before : last) = v;
    *(v->gen->before ? &v->gen->before->gen->after : first) = v;
    l->count[gen]++;
}

static void take(struct vmsim__lru *lru, struct vmsim__lruvec *v) {
    struct vmsim__memcg_lru *l = &lru->memcg_lru[v->node];
    struct vmsim__lru_gen *g = v->gen;
    VMSIM__ASSERT(l->count[g->memcg_gen] > 0);
    *(g->after ? &g->after->gen->before : &l->last[g->memcg_gen][g->memcg_bin]) = g->before;
    *(g->before ? &g->before->gen->after : &l->first[g->memcg_gen][g->memcg_bin]) = g->after;
    g->before = g->after = NULL;
    l->count[g->memcg_gen]--;
}

/* The old generation is empty: the young one is old from now on. */
static void advance(struct vmsim__memcg_lru *l, unsigned left) {
    if (!l->count[left] && left == l->seq % VMSIM__MEMCG_NR_GENS)
        l->seq++;
}

void vmsim__memcg_lru_join(struct vmsim__lru *lru, struct vmsim__lruvec *v) {
    if (lru->memcg_lru)
        put(lru, v, (unsigned)(lru->memcg_lru[v->node].seq % VMSIM__MEMCG_NR_GENS), false);
}

void vmsim__memcg_lru_leave(struct vmsim__lru *lru, struct vmsim__lruvec *v) {
    if (!lru->memcg_lru)
        return;
    const unsigned gen = v->gen->memcg_gen;
    take(lru, v);
    advance(&lru->memcg_lru[v->node], gen);
}

void vmsim__memcg_lru_rotate(struct vmsim__lru *lru, struct vmsim__lruvec *v, enum vmsim__memcg_lru_op op) {
    if (!lru->memcg_lru || op == VMSIM__MEMCG_LRU_STAY)
        return;
    struct vmsim__memcg_lru *l = &lru->memcg_lru[v->node];
    const unsigned old = v->gen->memcg_gen;
    unsigned gen = old;
    if (op == VMSIM__MEMCG_LRU_OLD)
        gen = (unsigned)(l->seq % VMSIM__MEMCG_NR_GENS);
    else if (op == VMSIM__MEMCG_LRU_YOUNG)
        gen = (unsigned)((l->seq + 1) % VMSIM__MEMCG_NR_GENS);
    take(lru, v);
    v->gen->at_tail = op == VMSIM__MEMCG_LRU_TAIL;
    put(lru, v, gen, op == VMSIM__MEMCG_LRU_OLD);
    advance(l, old);
}
