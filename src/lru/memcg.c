/* SPDX-License-Identifier: MIT */
/* The tree of memory cgroups, their life and their statistics (see memcg.h). */
#include "lru/memcg.h"
#include "lru/hugetlb_cgroup.h"
#include "lru/lru_gen.h"
#include "lru/lru_impl.h"

/* ---- the tree ---- */

struct vmsim__memcg *vmsim__memcg_root(struct vmsim__lru *lru) {
    return lru->memcgs.at[VMSIM__MEMCG_ROOT];
}

struct vmsim__memcg *vmsim__memcg_by_id(const struct vmsim__lru *lru, uint16_t id) {
    return id < lru->memcgs.count ? lru->memcgs.at[id] : NULL;
}

/* The lowest free id, as the kernel's idr gives. The table grows first, so that a failure changes nothing. */
static bool new_id(struct vmsim__lru *lru, uint16_t *id) {
    size_t i = lru->memcg_hint;
    while (i < lru->memcgs.count && lru->memcgs.at[i])
        i++;
    if (i > VMSIM__MEMCG_IDS || !vmsim__vec_reserve(lru->alloc, &lru->memcgs, i + 1))
        return false;
    *id = (uint16_t)i;
    return true;
}

static void link_child(struct vmsim__memcg *parent, struct vmsim__memcg *m) {
    m->parent = parent;
    m->prev = parent->last_child;
    *(m->prev ? &m->prev->next : &parent->first_child) = m;
    parent->last_child = m;
}

static void unlink_child(struct vmsim__memcg *m) {
    *(m->prev ? &m->prev->next : &m->parent->first_child) = m->next;
    *(m->next ? &m->next->prev : &m->parent->last_child) = m->prev;
}

static void free_memcg(struct vmsim__memcg *m) {
    struct vmsim__lru *lru = m->lru;
    for (unsigned n = 0; n < lru->mem->nr_nodes; n++)
        vmsim__lru_gen_fini(lru, &m->lruvec[n]);
    vmsim__free(lru->alloc, m->lruvec, lru->mem->nr_nodes * sizeof *m->lruvec);
    vmsim__free(lru->alloc, m, sizeof *m);
}

/* Generations, if there are any. */
static bool init_lruvecs(struct vmsim__memcg *m) {
    bool ok = true;
    for (unsigned n = 0; n < m->lru->mem->nr_nodes; n++) {
        vmsim__lruvec_init(&m->lruvec[n], m, n);
        ok = ok && (!m->lru->gen_made || vmsim__lru_gen_init(m->lru, &m->lruvec[n]));
    }
    return ok;
}

static struct vmsim__page_counter *hugetlb_counter(struct vmsim__memcg *m, unsigned i) {
    VMSIM__ASSERT(i < VMSIM__HSTATES * VMSIM__HUGETLB_USES);
    return &m->hugetlb[i / VMSIM__HUGETLB_USES].use[i % VMSIM__HUGETLB_USES];
}

struct vmsim__memcg *vmsim__memcg_create(struct vmsim__lru *lru, struct vmsim__memcg *parent) {
    VMSIM__ASSERT(!parent || (parent->online && parent->lru == lru));
    const unsigned nodes = lru->mem->nr_nodes;
    uint16_t id;
    if (!new_id(lru, &id))
        return NULL;
    struct vmsim__memcg *m = vmsim__calloc(lru->alloc, 1, sizeof *m);
    struct vmsim__lruvec *v = m ? vmsim__calloc(lru->alloc, nodes, sizeof *v) : NULL;
    if (!v) {
        vmsim__free(lru->alloc, m, sizeof *m);
        return NULL;
    }
    m->id = id;
    m->online = true;
    m->lru = lru;
    m->lruvec = v;
    vmsim__page_counter_init(&m->memory, parent ? &parent->memory : NULL);
    vmsim__page_counter_init(&m->swap, parent ? &parent->swap : NULL);
    for (unsigned i = 0; i < VMSIM__HSTATES * VMSIM__HUGETLB_USES; i++)
        vmsim__page_counter_init(hugetlb_counter(m, i), parent ? hugetlb_counter(parent, i) : NULL);
    m->zswap_max = VMSIM__PAGE_COUNTER_MAX;
    m->zswap_writeback = true;
    if (!init_lruvecs(m)) {
        free_memcg(m);
        return NULL;
    }
    if (parent)
        link_child(parent, m);
    if (id == lru->memcgs.count)
        lru->memcgs.count++;
    lru->memcgs.at[id] = m;
    lru->memcg_hint = id + 1u;
    return m;
}

/* What it counted since its birth is the parent's from now on. Kernel: css_release, rstat's flush on the way. */
static void release(struct vmsim__memcg *m) {
    VMSIM__ASSERT(!m->online && !m->first_child);
    struct vmsim__memcg *p = m->parent;
    vmsim__stats_forget(m);
    if (VMSIM__UNLIKELY(m->lru->watch != NULL))
        m->lru->watch->memcg_gone(m->lru->watch->context, m);
    for (unsigned i = 0; i < m->lru->mem->nr_nodes * VMSIM__NODE_STAT_COUNT; i++) {
        unsigned n = i / VMSIM__NODE_STAT_COUNT, s = i % VMSIM__NODE_STAT_COUNT;
        p->lruvec[n].stat[s] += m->lruvec[n].stat[s];
    }
    for (unsigned i = 0; i < m->lru->mem->nr_nodes * VMSIM__SEEN_STATS; i++) {
        const unsigned n = i / VMSIM__SEEN_STATS, s = i % VMSIM__SEEN_STATS;
        p->lruvec[n].told[s] += m->lruvec[n].told[s];
    }
    for (unsigned i = 0; i < VMSIM__EVENT_COUNT; i++)
        p->event[i] += m->event[i];
    p->kmem += m->kmem;
    unlink_child(m);
    m->lru->memcgs.at[m->id] = NULL;
    if (m->id < m->lru->memcg_hint)
        m->lru->memcg_hint = m->id;
    free_memcg(m);
}

/* Charged pages and slots of swap hold a removed cgroup, and with it those above. */
void vmsim__memcg_release_dead(struct vmsim__memcg *m) {
    while (!m->online && !m->first_child && !m->memory.usage && !m->swap.usage && !m->refs &&
           !vmsim__hugetlb_holds(m)) {
        struct vmsim__memcg *parent = m->parent;
        release(m);
        m = parent;
    }
}

void vmsim__memcg_get(struct vmsim__memcg *m) {
    m->refs++;
}

void vmsim__memcg_put(struct vmsim__memcg *m) {
    VMSIM__ASSERT(m->refs > 0);
    m->refs--;
    vmsim__memcg_release_dead(m);
}

void vmsim__memcg_remove(struct vmsim__memcg *m) {
    VMSIM__ASSERT(m->online && m->parent);
    for (const struct vmsim__memcg *c = m->first_child; c; c = c->next)
        VMSIM__ASSERT(!c->online);
    vmsim__memcg_drain_stocks(m->lru);
    m->memory.min = m->memory.low = 0;
    m->online = false;
    for (unsigned n = 0; n < m->lru->mem->nr_nodes; n++) {
        if (m->lruvec[n].gen)
            vmsim__memcg_lru_rotate(m->lru, &m->lruvec[n], VMSIM__MEMCG_LRU_OLD);
    }
    vmsim__memcg_release_dead(m);
}

void vmsim__memcg_fini(struct vmsim__lru *lru) {
    for (size_t i = 0; i < lru->memcgs.count; i++) {
        if (lru->memcgs.at[i])
            free_memcg(lru->memcgs.at[i]);
    }
    vmsim__vec_fini(lru->alloc, &lru->memcgs);
}

struct vmsim__memcg *vmsim__memcg_next(const struct vmsim__memcg *root, struct vmsim__memcg *m) {
    if (m->first_child)
        return m->first_child;
    for (; m != root; m = m->parent) {
        if (m->next)
            return m->next;
    }
    return NULL;
}

bool vmsim__memcg_below(const struct vmsim__memcg *m, const struct vmsim__memcg *root) {
    while (m && m != root)
        m = m->parent;
    return m;
}

/* ---- statistics ---- */

int64_t vmsim__memcg_stat(const struct vmsim__memcg *m, enum vmsim__node_stat stat) {
    int64_t sum = 0;
    for (unsigned n = 0; n < m->lru->mem->nr_nodes; n++)
        sum += vmsim__lruvec_stat(&m->lruvec[n], stat);
    return sum;
}

uint64_t vmsim__memcg_event_sum(const struct vmsim__memcg *m, enum vmsim__event_stat event) {
    uint64_t sum = 0;
    if (!m->parent)
        return m->lru->mem->event[event];
    for (const struct vmsim__memcg *at = m; at; at = vmsim__memcg_next(m, (struct vmsim__memcg *)at))
        sum += at->event[event];
    return sum;
}

int64_t vmsim__memcg_kmem(const struct vmsim__memcg *m) {
    int64_t sum = 0;
    for (const struct vmsim__memcg *at = m; at; at = vmsim__memcg_next(m, (struct vmsim__memcg *)at))
        sum += at->kmem;
    return sum;
}

void vmsim__memcg_memory_event(struct vmsim__memcg *m, enum vmsim__memcg_event event) {
    m->local_event[event]++;
    for (; m->parent; m = m->parent)
        m->memory_event[event]++;
}

void vmsim__memcg_event_add(struct vmsim__lru *lru, uint16_t memcg, enum vmsim__event_stat event, uint64_t n) {
    VMSIM__ASSERT(vmsim__memcg_by_id(lru, memcg));
    vmsim__stats_changed(lru, n);
    if (memcg != VMSIM__MEMCG_ROOT)
        lru->memcgs.at[memcg]->event[event] += n;
}

uint64_t vmsim__memcg_swap_room(const struct vmsim__memcg *m) {
    return vmsim__min64(m->lru->swap_free, vmsim__page_counter_room(&m->swap));
}

void vmsim__lru_set_swap(struct vmsim__lru *lru, uint64_t slots, uint64_t free) {
    VMSIM__ASSERT(free <= slots);
    lru->swap_slots = slots;
    lru->swap_free = free;
}

uint64_t vmsim__lru_swap_slots(const struct vmsim__lru *lru) {
    return lru->swap_slots;
}
