/* SPDX-License-Identifier: MIT */
/* Folios on the lists of generations, and the way there from active and inactive lists and back (see lru_gen.h). */
#include "lru/lru_gen.h"
#include "lru/lruvec.h"

/* ---- numbers ---- */

static void set_gen(struct vmsim__frame *f, int gen) {
    VMSIM__ASSERT(gen >= -1 && gen < (int)VMSIM__MAX_NR_GENS);
    f->policy = (uint8_t)((f->policy & ~7u) | (unsigned)(gen + 1));
}

static void set_list(struct vmsim__frame *f, unsigned gen) {
    VMSIM__ASSERT(gen < VMSIM__MAX_NR_GENS);
    f->policy = (uint8_t)((f->policy & 0x1fu) | gen << 5);
}

void vmsim__folio_inc_refs(struct vmsim__frame *f) {
    if (vmsim__frame_is(f, VMSIM__FRAME_UNEVICTABLE))
        return;
    if (!vmsim__frame_is(f, VMSIM__FRAME_REFERENCED))
        f->flags |= VMSIM__FRAME_REFERENCED;
    else if (!vmsim__frame_is(f, VMSIM__FRAME_WORKINGSET))
        f->flags |= VMSIM__FRAME_WORKINGSET;
    else if ((f->policy >> 3 & 3u) < 3)
        f->policy += 1u << 3;
}

/* ---- counts ---- */

static enum vmsim__lru_list list_of(const struct vmsim__lru_gen *g, unsigned type, unsigned gen) {
    return (enum vmsim__lru_list)((type == VMSIM__LRU_GEN_FILE ? VMSIM__LRU_INACTIVE_FILE : VMSIM__LRU_INACTIVE_ANON) +
                                  vmsim__gen_is_active(g, gen));
}

enum vmsim__lru_list vmsim__lru_gen_list_of(const struct vmsim__lruvec *v, const struct vmsim__frame *f) {
    return list_of(v->gen, vmsim__folio_type(f), (unsigned)vmsim__folio_gen(f));
}

/* The folio leaves a generation for another; -1: none. Kernel: lru_gen_update_size. */
static void update_size(struct vmsim__lru *lru, struct vmsim__lruvec *v, const struct vmsim__frame *f, int from,
                        int to) {
    struct vmsim__lru_gen *g = v->gen;
    const unsigned type = vmsim__folio_type(f), zone = vmsim__lru_zone(lru, f)->type;
    const uint32_t pages = vmsim__frame_pages(f);
    if (from >= 0) {
        VMSIM__ASSERT(g->nr_pages[from][type][zone] >= pages);
        g->nr_pages[from][type][zone] -= pages;
    }
    if (to >= 0)
        g->nr_pages[to][type][zone] += pages;
    if (from >= 0 && to >= 0 && list_of(g, type, (unsigned)from) == list_of(g, type, (unsigned)to))
        return;
    if (from >= 0)
        vmsim__lruvec_count(lru, f, list_of(g, type, (unsigned)from), -1);
    if (to >= 0)
        vmsim__lruvec_count(lru, f, list_of(g, type, (unsigned)to), 1);
}

/* ---- lists ---- */

static struct vmsim__lru_gen_list *list_at(struct vmsim__lru *lru, struct vmsim__lruvec *v,
                                           const struct vmsim__frame *f, unsigned gen) {
    return &v->gen->list[gen][vmsim__folio_type(f)][vmsim__lru_zone(lru, f)->type];
}

static void link_in(struct vmsim__lru *lru, struct vmsim__lru_gen_list *l, vmsim__pfn pfn, struct vmsim__frame *f,
                    bool to_tail) {
    VMSIM__ASSERT((l->head == VMSIM__PFN_NONE) == (l->tail == VMSIM__PFN_NONE));
    f->next = to_tail ? VMSIM__PFN_NONE : l->head;
    f->prev = to_tail ? l->tail : VMSIM__PFN_NONE;
    *(f->next != VMSIM__PFN_NONE ? &vmsim__lru_frame(lru, f->next)->prev : &l->tail) = pfn;
    *(f->prev != VMSIM__PFN_NONE ? &vmsim__lru_frame(lru, f->prev)->next : &l->head) = pfn;
}

static void take_out(struct vmsim__lru *lru, struct vmsim__lru_gen_list *l, struct vmsim__frame *f) {
    *(f->next != VMSIM__PFN_NONE ? &vmsim__lru_frame(lru, f->next)->prev : &l->tail) = f->prev;
    *(f->prev != VMSIM__PFN_NONE ? &vmsim__lru_frame(lru, f->prev)->next : &l->head) = f->next;
    f->next = f->prev = VMSIM__PFN_NONE;
}

/* Where a folio begins: what was just faulted in, or was hot where it comes from, is youngest; what cannot be evicted
 * before it was written, a generation older; what is to be evicted, oldest. Pages of files that were read begin as old
 * as anything that is not to be evicted at once. */
static uint64_t first_seq(const struct vmsim__lru_gen *g, const struct vmsim__frame *f, unsigned type,
                          bool reclaiming) {
    const bool written =
        vmsim__frame_is(f, VMSIM__FRAME_RECLAIM) && vmsim__frame_is(f, VMSIM__FRAME_DIRTY | VMSIM__FRAME_WRITEBACK);
    if (vmsim__frame_is(f, VMSIM__FRAME_ACTIVE))
        return g->max_seq;
    if ((type == VMSIM__LRU_GEN_ANON && !vmsim__frame_is(f, VMSIM__FRAME_SWAPCACHE)) || written)
        return g->max_seq - 1;
    return g->min_seq[type] + (!reclaiming && g->min_seq[type] + VMSIM__MIN_NR_GENS < g->max_seq);
}

void vmsim__lru_gen_add(struct vmsim__lru *lru, vmsim__pfn pfn, struct vmsim__frame *f, bool reclaiming) {
    struct vmsim__lruvec *v = vmsim__lruvec_of(lru, f);
    VMSIM__ASSERT(vmsim__folio_gen(f) < 0 && !vmsim__frame_is(f, VMSIM__FRAME_UNEVICTABLE));
    const unsigned gen = vmsim__gen_of_seq(first_seq(v->gen, f, vmsim__folio_type(f), reclaiming));
    f->flags &= ~VMSIM__FRAME_ACTIVE;
    set_gen(f, (int)gen);
    set_list(f, gen);
    update_size(lru, v, f, -1, (int)gen);
    link_in(lru, list_at(lru, v, f, gen), pfn, f, reclaiming);
}

void vmsim__lru_gen_del(struct vmsim__lru *lru, struct vmsim__frame *f, bool reclaiming) {
    struct vmsim__lruvec *v = vmsim__lruvec_of(lru, f);
    const int gen = vmsim__folio_gen(f);
    VMSIM__ASSERT(gen >= 0 && vmsim__frame_is(f, VMSIM__FRAME_LRU));
    take_out(lru, list_at(lru, v, f, vmsim__folio_gen_list(f)), f);
    update_size(lru, v, f, gen, -1);
    set_gen(f, -1);
    set_list(f, 0);
    if (!reclaiming && vmsim__gen_is_active(v->gen, (unsigned)gen))
        f->flags |= VMSIM__FRAME_ACTIVE;
}

void vmsim__lru_gen_sort(struct vmsim__lru *lru, vmsim__pfn pfn, bool to_tail) {
    struct vmsim__frame *f = vmsim__lru_frame(lru, pfn);
    struct vmsim__lruvec *v = vmsim__lruvec_of(lru, f);
    const int gen = vmsim__folio_gen(f);
    VMSIM__ASSERT(gen >= 0);
    take_out(lru, list_at(lru, v, f, vmsim__folio_gen_list(f)), f);
    set_list(f, (unsigned)gen);
    link_in(lru, list_at(lru, v, f, (unsigned)gen), pfn, f, to_tail);
}

void vmsim__lru_gen_cull(struct vmsim__lru *lru, vmsim__pfn pfn) {
    struct vmsim__frame *f = vmsim__lru_frame(lru, pfn);
    VMSIM__ASSERT(!vmsim__folio_evictable(f));
    vmsim__lru_gen_del(lru, f, true);
    f->flags |= VMSIM__FRAME_UNEVICTABLE;
    vmsim__list_add(lru, pfn, f, false);
    f->prev = vmsim__frame_is(f, VMSIM__FRAME_MLOCKED);
    vmsim__lru_event(lru, VMSIM__UNEVICTABLE_PGS_CULLED, vmsim__frame_pages(f));
}

unsigned vmsim__folio_inc_gen(struct vmsim__lru *lru, struct vmsim__frame *f, bool reclaiming) {
    struct vmsim__lruvec *v = vmsim__lruvec_of(lru, f);
    const unsigned oldest = vmsim__gen_of_seq(v->gen->min_seq[vmsim__folio_type(f)]);
    const int gen = vmsim__folio_gen(f);
    if (gen >= 0 && (unsigned)gen != oldest)
        return (unsigned)gen;
    const unsigned next = (oldest + 1) % VMSIM__MAX_NR_GENS;
    vmsim__folio_clear_refs(f);
    set_gen(f, (int)next);
    f->flags |= reclaiming ? VMSIM__FRAME_RECLAIM : 0;
    update_size(lru, v, f, (int)oldest, (int)next);
    return next;
}

void vmsim__folio_update_gen(struct vmsim__lru *lru, struct vmsim__frame *f) {
    struct vmsim__lruvec *v = vmsim__lruvec_of(lru, f);
    const int gen = vmsim__folio_gen(f);
    if (gen < 0) {
        f->flags |= VMSIM__FRAME_REFERENCED;
        return;
    }
    const int youngest = (int)vmsim__gen_of_seq(v->gen->max_seq);
    vmsim__folio_clear_refs(f);
    set_gen(f, youngest);
    if (gen != youngest)
        update_size(lru, v, f, gen, youngest);
}

/* Those that were second youngest count as inactive from now on. The generation that begins may still hold anonymous
 * pages as the oldest, where nothing can be swapped out: they count as active then. */
void vmsim__lru_gen_advance(struct vmsim__lru *lru, struct vmsim__lruvec *v) {
    struct vmsim__lru_gen *g = v->gen;
    const unsigned before = vmsim__gen_of_seq(g->max_seq - 1), next = vmsim__gen_of_seq(g->max_seq + 1);
    const struct vmsim__node *n = &lru->mem->nodes[v->node];
    for (unsigned i = 0; i < n->nr_zones * VMSIM__LRU_GEN_TYPES; i++) {
        struct vmsim__zone *z = &lru->mem->zones[n->zone[i / VMSIM__LRU_GEN_TYPES]];
        const unsigned type = i % VMSIM__LRU_GEN_TYPES;
        const enum vmsim__lru_list inactive = type ? VMSIM__LRU_INACTIVE_FILE : VMSIM__LRU_INACTIVE_ANON;
        const int64_t delta = (int64_t)g->nr_pages[before][type][z->type] - (int64_t)g->nr_pages[next][type][z->type];
        vmsim__lruvec_count_pages(lru, v, z, inactive, delta);
        vmsim__lruvec_count_pages(lru, v, z, inactive + 1, -delta);
    }
    g->birth[next] = lru->mem->now.time;
    g->max_seq++;
}

/* ---- on and off ---- */

bool vmsim__lru_gen_init(struct vmsim__lru *lru, struct vmsim__lruvec *v) {
    if (v->gen)
        return true;
    struct vmsim__lru_gen *g = vmsim__calloc(lru->alloc, 1, sizeof *g);
    if (!g)
        return false;
    g->max_seq = VMSIM__MIN_NR_GENS + 1;
    for (unsigned gen = 0; gen < VMSIM__MAX_NR_GENS; gen++) {
        g->birth[gen] = lru->mem->now.time;
        for (unsigned i = 0; i < VMSIM__LRU_GEN_TYPES * VMSIM__ZONE_TYPES; i++)
            g->list[gen][i / VMSIM__ZONE_TYPES][i % VMSIM__ZONE_TYPES] =
                (struct vmsim__lru_gen_list){VMSIM__PFN_NONE, VMSIM__PFN_NONE};
    }
    v->gen = g;
    vmsim__memcg_lru_join(lru, v);
    return true;
}

void vmsim__lru_gen_fini(struct vmsim__lru *lru, struct vmsim__lruvec *v) {
    if (v->gen)
        vmsim__memcg_lru_leave(lru, v);
    vmsim__free(lru->alloc, v->gen, sizeof *v->gen);
    v->gen = NULL;
}

/* Kernel: fill_evictable: the tails first, so that the order stays. */
static void fill(struct vmsim__lru *lru, struct vmsim__lruvec *v) {
    for (unsigned l = 0; l < VMSIM__LRU_UNEVICTABLE; l++) {
        while (v->list[l].tail != VMSIM__PFN_NONE) {
            const vmsim__pfn pfn = v->list[l].tail;
            struct vmsim__frame *f = vmsim__lru_frame(lru, pfn);
            vmsim__list_del(lru, f);
            f->policy = 0;
            vmsim__lru_gen_add(lru, pfn, f, false);
        }
    }
}

/* Kernel: drain_evictable. */
static void drain(struct vmsim__lru *lru, struct vmsim__lruvec *v) {
    const unsigned per_gen = VMSIM__LRU_GEN_TYPES * VMSIM__ZONE_TYPES;
    for (unsigned i = 0; i < VMSIM__MAX_NR_GENS * per_gen; i++) {
        const struct vmsim__lru_gen_list *l =
            &v->gen->list[i / per_gen][i % per_gen / VMSIM__ZONE_TYPES][i % VMSIM__ZONE_TYPES];
        while (l->tail != VMSIM__PFN_NONE) {
            const vmsim__pfn pfn = l->tail;
            struct vmsim__frame *f = vmsim__lru_frame(lru, pfn);
            vmsim__lru_gen_del(lru, f, false);
            f->policy = 0;
            vmsim__list_add(lru, pfn, f, false);
        }
    }
}

bool vmsim__lru_gen_enable(struct vmsim__lru *lru, bool on) {
    struct vmsim__memcg *root = vmsim__memcg_root(lru);
    if (on == lru->gen_enabled)
        return true;
    if (on && !vmsim__memcg_lru_make(lru))
        return false;
    for (struct vmsim__memcg *m = root; on && m; m = vmsim__memcg_next(root, m)) {
        for (unsigned n = 0; n < lru->mem->nr_nodes; n++) {
            if (!vmsim__lru_gen_init(lru, &m->lruvec[n]))
                return false;
        }
    }
    lru->gen_made = lru->gen_made || on;
    lru->gen_enabled = on;
    for (struct vmsim__memcg *m = root; m; m = vmsim__memcg_next(root, m)) {
        for (unsigned n = 0; n < lru->mem->nr_nodes; n++)
            (on ? fill : drain)(lru, &m->lruvec[n]);
    }
    return true;
}

/* ---- check ---- */

static int check_list(struct vmsim__lru *lru, const struct vmsim__lruvec *v, unsigned gen, unsigned type, unsigned zone,
                      uint64_t sum[VMSIM__MAX_NR_GENS], uint64_t *listed, struct vmsim__err *err) {
    vmsim__pfn before = VMSIM__PFN_NONE, pfn = v->gen->list[gen][type][zone].head;
    uint64_t pages = 0;
    for (; pfn != VMSIM__PFN_NONE; before = pfn, pfn = vmsim__lru_frame(lru, pfn)->next) {
        const struct vmsim__frame *f = vmsim__lru_frame(lru, pfn);
        const struct vmsim__zone *z = vmsim__lru_zone(lru, f);
        const int own = vmsim__folio_gen(f);
        if (!vmsim__frame_is(f, VMSIM__FRAME_LRU) || vmsim__frame_is(f, VMSIM__FRAME_ACTIVE) || own < 0 ||
            vmsim__folio_gen_list(f) != gen || f->prev != before || vmsim__folio_type(f) != type || z->type != zone ||
            z->node != v->node || f->memcg != v->memcg->id)
            return vmsim__err_set(err, VMSIM_ECHECK,
                                  "frame %u on list %u, %u, %u of node %u's generations, cgroup %u: flags %#x, state "
                                  "%#x, link back to %u",
                                  pfn, gen, type, zone, v->node, v->memcg->id, f->flags, (unsigned)f->policy, f->prev);
        sum[own] += vmsim__frame_pages(f);
        pages += vmsim__frame_pages(f);
        if (pages > lru->mem->frames.end)
            return vmsim__err_set(err, VMSIM_ECHECK, "a list of node %u's generations is a ring", v->node);
        ++*listed;
    }
    if (v->gen->list[gen][type][zone].tail != before)
        return vmsim__err_set(err, VMSIM_ECHECK, "the tail of a list of node %u's generations is not its last folio",
                              v->node);
    return 0;
}

int vmsim__lru_gen_check(struct vmsim__lru *lru, const struct vmsim__lruvec *v, uint64_t *listed,
                         struct vmsim__err *err) {
    const struct vmsim__lru_gen *g = v->gen;
    if (!g)
        return 0;
    for (unsigned i = 0; i < VMSIM__LRU_GEN_TYPES * VMSIM__ZONE_TYPES; i++) {
        const unsigned type = i / VMSIM__ZONE_TYPES, zone = i % VMSIM__ZONE_TYPES;
        uint64_t sum[VMSIM__MAX_NR_GENS] = {0}, lists[VMSIM__LRU_UNEVICTABLE] = {0};
        if (vmsim__nr_gens(g, type) < VMSIM__MIN_NR_GENS || vmsim__nr_gens(g, type) > VMSIM__MAX_NR_GENS)
            return vmsim__err_set(err, VMSIM_ECHECK, "node %u has %u generations", v->node, vmsim__nr_gens(g, type));
        for (unsigned gen = 0; gen < VMSIM__MAX_NR_GENS; gen++) {
            int rc = check_list(lru, v, gen, type, zone, sum, listed, err);
            if (rc)
                return rc;
        }
        for (unsigned gen = 0; gen < VMSIM__MAX_NR_GENS; gen++) {
            if (sum[gen] != g->nr_pages[gen][type][zone])
                return vmsim__err_set(err, VMSIM_ECHECK,
                                      "generation %u of node %u, type %u, zone type %u: %llu pages counted, %llu found",
                                      gen, v->node, type, zone, (unsigned long long)g->nr_pages[gen][type][zone],
                                      (unsigned long long)sum[gen]);
            lists[list_of(g, type, gen)] += sum[gen];
        }
        for (unsigned l = list_of(g, type, vmsim__gen_of_seq(g->max_seq + 2)), n = 0; lru->gen_enabled && n < 2; n++) {
            const unsigned list = (l & ~1u) + n;
            if (lists[list] != v->zone_count[zone][list])
                return vmsim__err_set(err, VMSIM_ECHECK,
                                      "list %u of node %u: %llu pages counted, generations have %llu", list, v->node,
                                      (unsigned long long)v->zone_count[zone][list], (unsigned long long)lists[list]);
        }
    }
    return 0;
}
