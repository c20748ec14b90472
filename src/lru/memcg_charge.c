/* SPDX-License-Identifier: MIT */
/* Who pays: charges in batches, a stock per CPU, and what happens at a limit, step by step.
 *
 *     stock -> counters (64 pages, else what is asked) -> reclaim -> drained stocks -> retries -> OOM killer -> refused
 *
 * Each wait is a return with an outcome: the caller reclaims (or lets somebody be killed) and enters again, and the
 * record of the charge says where it stood. Kernel counterpart: try_charge_memcg of mm/memcontrol.c (6.1). */
#include "lru/memcg.h"
#include "lru/lru_impl.h"
#include "lru/obj_cgroup.h"
#include "lru/stat_flush.h"

/* ---- the stock of a CPU ---- */

static bool consume_stock(struct vmsim__lru *lru, uint16_t memcg, uint32_t pages, unsigned cpu) {
    struct vmsim__memcg_stock *s = &lru->stocks[cpu];
    if (s->memcg != memcg || s->pages < pages)
        return false;
    s->pages -= pages;
    return true;
}

static void drain_stock(struct vmsim__lru *lru, struct vmsim__memcg_stock *s) {
    if (s->pages)
        vmsim__page_counter_uncharge(&vmsim__memcg_by_id(lru, s->memcg)->memory, s->pages);
    s->memcg = 0;
    s->pages = 0;
}

static void refill_stock(struct vmsim__lru *lru, uint16_t memcg, uint32_t pages, unsigned cpu) {
    struct vmsim__memcg_stock *s = &lru->stocks[cpu];
    if (s->memcg != memcg) {
        drain_stock(lru, s);
        s->memcg = memcg;
    }
    s->pages += pages;
    if (s->pages > VMSIM__MEMCG_BATCH)
        drain_stock(lru, s);
}

/* Kernel: drain_all_stock: only those that belong below the cgroup that is over its limit. */
static void drain_stocks_below(struct vmsim__lru *lru, const struct vmsim__memcg *root) {
    for (unsigned cpu = 0; cpu < lru->cpus; cpu++) {
        struct vmsim__memcg_stock *s = &lru->stocks[cpu];
        if (s->pages && vmsim__memcg_below(vmsim__memcg_by_id(lru, s->memcg), root))
            drain_stock(lru, s);
    }
    vmsim__obj_drain(lru, root);
}

void vmsim__memcg_drain_stocks(struct vmsim__lru *lru) {
    drain_stocks_below(lru, vmsim__memcg_root(lru));
}

/* ---- charging ---- */

enum { AT_START, AT_RECLAIMED, AT_OOM };

static struct vmsim__memcg *of_counter(struct vmsim__page_counter *c) {
    return (struct vmsim__memcg *)((char *)c - offsetof(struct vmsim__memcg, memory));
}

/* Does the charge leave an ancestor above memory.high? The task pays for that when it returns to user mode. */
static void note_high(const struct vmsim__memcg *m, uint32_t batch, struct vmsim__memcg_charge *t) {
    for (; m; m = m->parent) {
        if (m->memory.usage > m->memory.high || m->swap.usage > m->swap.high) {
            t->over_high = batch;
            return;
        }
    }
}

/* From the stock or the counters, a batch if it fits. False: t->over is over its limit. */
static bool take(struct vmsim__lru *lru, struct vmsim__memcg *m, uint32_t pages, unsigned cpu,
                 struct vmsim__memcg_charge *t) {
    struct vmsim__page_counter *over = NULL;
    uint32_t batch = t->single || pages > VMSIM__MEMCG_BATCH ? pages : VMSIM__MEMCG_BATCH;
    if (consume_stock(lru, m->id, pages, cpu))
        return true;
    bool ok = vmsim__page_counter_try_charge(&m->memory, batch, &over);
    if (!ok && batch > pages) {
        batch = pages;
        t->single = true;
        ok = consume_stock(lru, m->id, pages, cpu) || vmsim__page_counter_try_charge(&m->memory, batch, &over);
    }
    if (!ok) {
        t->over = of_counter(over)->id;
        return false;
    }
    if (batch > pages)
        refill_stock(lru, m->id, batch - pages, cpu);
    note_high(m, batch, t);
    return true;
}

static enum vmsim__charge_outcome force(struct vmsim__memcg *m, uint32_t pages) {
    vmsim__page_counter_charge(&m->memory, pages);
    return VMSIM__CHARGE_OK;
}

static enum vmsim__charge_outcome refuse(struct vmsim__memcg *m, uint32_t pages, const struct vmsim__memcg_charge *t) {
    return t->gfp & (VMSIM__GFP_NOFAIL | VMSIM__GFP_HIGH) ? force(m, pages) : VMSIM__CHARGE_NOMEM;
}

/* Over a limit: what comes before reclaim. */
static enum vmsim__charge_outcome over_limit(struct vmsim__lru *lru, struct vmsim__memcg *m, uint32_t pages,
                                             struct vmsim__memcg_charge *t) {
    if (t->memalloc)
        return force(m, pages);
    if (!(t->gfp & VMSIM__GFP_DIRECT_RECLAIM))
        return refuse(m, pages, t);
    vmsim__memcg_memory_event(vmsim__memcg_by_id(lru, t->over), VMSIM__MEMCG_MAX);
    t->pages = pages;
    t->state = AT_RECLAIMED;
    return VMSIM__CHARGE_RECLAIM;
}

/* After reclaim: is it worth another try? */
static bool again_after_reclaim(struct vmsim__lru *lru, uint32_t pages, struct vmsim__memcg_charge *t, bool *oom) {
    struct vmsim__memcg *over = vmsim__memcg_by_id(lru, t->over);
    const struct vmsim__page_counter *c = over ? &over->memory : NULL;
    *oom = false;
    if (!c || (c->usage < c->max && c->max - c->usage >= pages))
        return true;
    if (!t->drained) {
        drain_stocks_below(lru, over);
        t->drained = true;
        return true;
    }
    if (t->gfp & VMSIM__GFP_NORETRY)
        return false;
    if (t->reclaimed && pages <= 1u << VMSIM__COSTLY_ORDER)
        return true;
    if (t->retries) {
        t->retries--;
        return true;
    }
    *oom = !(t->gfp & VMSIM__GFP_RETRY_MAYFAIL);
    return false;
}

enum vmsim__charge_outcome vmsim__memcg_try_charge(struct vmsim__lru *lru, uint16_t memcg, uint32_t pages, unsigned cpu,
                                                   struct vmsim__memcg_charge *t) {
    VMSIM__ASSERT(pages > 0 && cpu < lru->cpus);
    struct vmsim__memcg *m = vmsim__memcg_by_id(lru, memcg);
    VMSIM__ASSERT(m);
    if (!m->parent)
        return VMSIM__CHARGE_OK;
    bool oom;
    if (t->state == AT_START) {
        t->retries = VMSIM__MEMCG_RETRIES;
    } else if (t->state == AT_RECLAIMED && !again_after_reclaim(lru, pages, t, &oom)) {
        t->state = AT_OOM;
        if (oom && !(t->passed_oom && t->dying)) /* else the OOM killer would be asked for ever */
            return VMSIM__CHARGE_OOM;
        return refuse(m, pages, t);
    } else if (t->state == AT_OOM) {
        if (!t->killed)
            return refuse(m, pages, t);
        t->passed_oom = true;
        t->retries = VMSIM__MEMCG_RETRIES;
    }
    t->reclaimed = 0;
    t->killed = false;
    return take(lru, m, pages, cpu, t) ? VMSIM__CHARGE_OK : over_limit(lru, m, pages, t);
}

void vmsim__lru_set_charge(struct vmsim__lru *lru, vmsim__memcg_charge_fn *charge, void *context) {
    lru->charge = charge;
    lru->charge_context = context;
}

bool vmsim__memcg_charge(struct vmsim__lru *lru, uint16_t memcg, uint32_t pages, uint32_t gfp, unsigned cpu) {
    struct vmsim__memcg_charge t = {.gfp = gfp};
    if (memcg == VMSIM__MEMCG_ROOT)
        return true;
    if (lru->charge)
        return lru->charge(lru->charge_context, memcg, pages, gfp, cpu);
    return vmsim__memcg_try_charge(lru, memcg, pages, cpu, &t) == VMSIM__CHARGE_OK;
}

/* ---- folios ---- */

bool vmsim__folio_charge_to(struct vmsim__lru *lru, uint16_t memcg, vmsim__pfn pfn, uint32_t gfp, unsigned cpu) {
    if (!vmsim__memcg_charge(lru, memcg, vmsim__frame_pages(vmsim__lru_frame(lru, pfn)), gfp, cpu))
        return false;
    vmsim__memcg_commit(lru, memcg, pfn);
    return true;
}

bool vmsim__kmem_charge_to(struct vmsim__lru *lru, uint16_t memcg, vmsim__pfn pfn, unsigned order, uint32_t gfp,
                           unsigned cpu) {
    const uint32_t pages = UINT32_C(1) << order;
    if (!vmsim__memcg_charge(lru, memcg, pages, gfp, cpu))
        return false;
    VMSIM__ASSERT(memcg && !vmsim__lru_frame(lru, pfn)->memcg);
    vmsim__lru_frame(lru, pfn)->memcg = memcg;
    lru->memcgs.at[memcg]->kmem += pages;
    return true;
}

/* Kernel: obj_cgroup_uncharge_pages. */
void vmsim__kmem_uncharge(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned order, unsigned cpu) {
    const uint16_t memcg = vmsim__lru_frame(lru, pfn)->memcg;
    const uint32_t pages = UINT32_C(1) << order;
    struct vmsim__memcg *m = vmsim__memcg_by_id(lru, memcg);
    if (!memcg)
        return;
    VMSIM__ASSERT(m && m->memory.usage >= pages && m->kmem >= pages);
    vmsim__lru_frame(lru, pfn)->memcg = 0;
    m->kmem -= pages;
    if (m->online)
        refill_stock(lru, memcg, pages, cpu);
    else
        vmsim__page_counter_uncharge(&m->memory, pages);
    vmsim__memcg_release_dead(m);
}

void vmsim__memcg_commit(struct vmsim__lru *lru, uint16_t memcg, vmsim__pfn pfn) {
    struct vmsim__frame *f = vmsim__lru_frame(lru, pfn);
    VMSIM__ASSERT(!f->memcg && f->refcount > 0 && vmsim__memcg_by_id(lru, memcg));
    vmsim__stats_changed(lru, 1); /* PGPGIN */
    if (memcg == VMSIM__MEMCG_ROOT)
        return;
    f->memcg = memcg;
}

void vmsim__memcg_cancel(struct vmsim__lru *lru, uint16_t memcg, uint32_t pages) {
    struct vmsim__memcg *m = vmsim__memcg_by_id(lru, memcg);
    VMSIM__ASSERT(m);
    if (!m->parent)
        return;
    vmsim__page_counter_uncharge(&m->memory, pages);
    vmsim__memcg_release_dead(m);
}

void vmsim__memcg_uncharge(struct vmsim__lru *lru, vmsim__pfn pfn) {
    struct vmsim__frame *f = vmsim__lru_frame(lru, pfn);
    struct vmsim__memcg *m = vmsim__memcg_by_id(lru, f->memcg);
    vmsim__stats_changed(lru, 1); /* PGPGOUT */
    if (!f->memcg)
        return;
    VMSIM__ASSERT(m && m->memory.usage >= vmsim__frame_pages(f));
    vmsim__page_counter_uncharge(&m->memory, vmsim__frame_pages(f));
    f->memcg = 0;
    vmsim__memcg_release_dead(m);
}

void vmsim__memcg_migrate(struct vmsim__lru *lru, vmsim__pfn from, vmsim__pfn to) {
    struct vmsim__frame *old = vmsim__lru_frame(lru, from), *new = vmsim__lru_frame(lru, to);
    VMSIM__ASSERT(!new->memcg &&vmsim__frame_pages(old) == vmsim__frame_pages(new));
    VMSIM__ASSERT(!vmsim__frame_is(old, VMSIM__FRAME_LRU) && !vmsim__frame_is(new, VMSIM__FRAME_LRU));
    new->memcg = old->memcg;
    old->memcg = 0;
}

/* ---- slots of swap ---- */

bool vmsim__memcg_charge_swap(struct vmsim__lru *lru, uint16_t memcg, uint32_t pages, uint16_t *payer) {
    struct vmsim__memcg *m = vmsim__memcg_by_id(lru, memcg);
    struct vmsim__page_counter *over;
    VMSIM__ASSERT(m);
    while (m->parent && !m->online)
        m = m->parent;
    *payer = m->id;
    if (!m->parent || vmsim__page_counter_try_charge(&m->swap, pages, &over))
        return true;
    vmsim__memcg_memory_event(m, VMSIM__MEMCG_SWAP_MAX);
    vmsim__memcg_memory_event(m, VMSIM__MEMCG_SWAP_FAIL);
    return false;
}

void vmsim__memcg_uncharge_swap(struct vmsim__lru *lru, uint16_t payer, uint32_t pages) {
    struct vmsim__memcg *m = vmsim__memcg_by_id(lru, payer);
    if (payer == VMSIM__MEMCG_ROOT)
        return;
    VMSIM__ASSERT(m && m->swap.usage >= pages);
    vmsim__page_counter_uncharge(&m->swap, pages);
    vmsim__memcg_release_dead(m);
}

bool vmsim__memcg_swap_full(const struct vmsim__lru *lru, uint16_t memcg) {
    for (const struct vmsim__memcg *m = vmsim__memcg_by_id(lru, memcg); m && m->parent; m = m->parent) {
        if (m->swap.usage * 2 >= m->swap.high || m->swap.usage * 2 >= m->swap.max)
            return true;
    }
    return false;
}

/* ---- zswap ---- */

int64_t vmsim__memcg_zswap_pages(const struct vmsim__memcg *m) {
    const unsigned shift = m->lru->mem->page_shift;
    return m->parent ? (m->zswap_bytes + (INT64_C(1) << shift) - 1) >> shift : 0;
}

void vmsim__memcg_zswap(struct vmsim__lru *lru, uint16_t payer, int64_t bytes, int64_t pages) {
    struct vmsim__memcg *m = vmsim__memcg_by_id(lru, payer);
    VMSIM__ASSERT(m);
    const int64_t before = vmsim__memcg_zswap_pages(m);
    m->zswap_bytes += bytes;
    m->zswapped += pages;
    VMSIM__ASSERT(m->zswap_bytes >= 0 && m->zswapped >= 0);
    const int64_t more = vmsim__memcg_zswap_pages(m) - before;
    if (more > 0)
        vmsim__page_counter_charge(&m->memory, (uint64_t)more);
    else if (more < 0)
        vmsim__page_counter_uncharge(&m->memory, (uint64_t)-more);
    m->kmem += more;
    vmsim__memcg_release_dead(m);
}

uint64_t vmsim__memcg_zswap_bytes(const struct vmsim__memcg *root) {
    int64_t sum = 0;
    for (const struct vmsim__memcg *m = root; m; m = vmsim__memcg_next(root, vmsim__memcg_by_id(root->lru, m->id)))
        sum += m->zswap_bytes;
    return (uint64_t)sum;
}

uint64_t vmsim__memcg_zswapped(const struct vmsim__memcg *root) {
    int64_t sum = 0;
    for (const struct vmsim__memcg *m = root; m; m = vmsim__memcg_next(root, vmsim__memcg_by_id(root->lru, m->id)))
        sum += m->zswapped;
    return (uint64_t)sum;
}

bool vmsim__memcg_may_zswap(const struct vmsim__lru *lru, uint16_t memcg) {
    for (const struct vmsim__memcg *m = vmsim__memcg_by_id(lru, memcg); m && m->parent; m = m->parent) {
        if (m->zswap_max != VMSIM__PAGE_COUNTER_MAX &&
            vmsim__memcg_zswap_bytes(m) >> lru->mem->page_shift >= m->zswap_max)
            return false;
    }
    return true;
}

bool vmsim__memcg_may_write_back(const struct vmsim__lru *lru, uint16_t memcg) {
    for (const struct vmsim__memcg *m = vmsim__memcg_by_id(lru, memcg); m; m = m->parent) {
        if (!m->zswap_writeback)
            return false;
    }
    return true;
}
