/* SPDX-License-Identifier: MIT */
/* Do lists, batches, flags and charges agree? Every list of every node and cgroup link by link, every batch, every
 * frame's flags against the lists, charges of cgroups and the counters of this layer against recounts. Cost is linear
 * in touched memory. Kernel counterparts: VM_BUG_ON_FOLIO here and there. */
#include "lru/deferred_split.h"
#include "lru/lruvec.h"
#include "lru/obj_cgroup.h"
#include "lru/recount.h"

/* What the frames say of one cgroup without those below. */
struct own {
    uint64_t pages, deferred;
    int64_t kmem;
    int64_t listed[VMSIM__LRU_LISTS];
};

struct check {
    struct vmsim__lru *lru;
    struct vmsim__err *err;
    struct vmsim__recount recount;
    struct own *own; /* of every cgroup, by id */
};

#define FAIL(k, ...) return vmsim__err_set((k)->err, VMSIM_ECHECK, __VA_ARGS__)

static int check_list(struct check *k, const struct vmsim__lruvec *v, enum vmsim__lru_list list, uint64_t *listed) {
    vmsim__pfn before = VMSIM__PFN_NONE, pfn = v->list[list].head;
    uint64_t pages = 0, zone[VMSIM__ZONE_TYPES] = {0};
    const uint64_t counted = vmsim__lruvec_pages(v, list);
    const unsigned node = v->node;
    for (; pfn != VMSIM__PFN_NONE; before = pfn, pfn = vmsim__lru_frame(k->lru, pfn)->next) {
        const struct vmsim__frame *f = vmsim__lru_frame(k->lru, pfn);
        if (!vmsim__frame_is(f, VMSIM__FRAME_LRU) || vmsim__lru_list_of(f) != list || f->prev != before)
            FAIL(k, "frame %u on list %d of node %u: flags %#x, link back to %u", pfn, (int)list, node, f->flags,
                 f->prev);
        if (vmsim__lru_zone(k->lru, f)->node != node || f->memcg != v->memcg->id)
            FAIL(k, "frame %u is on a list of node %u and cgroup %u", pfn, node, v->memcg->id);
        pages += vmsim__frame_pages(f);
        zone[vmsim__lru_zone(k->lru, f)->type] += vmsim__frame_pages(f);
        if (pages > counted)
            break;
        ++*listed;
    }
    if (pages != counted || (pfn == VMSIM__PFN_NONE && v->list[list].tail != before))
        FAIL(k, "list %d of node %u: %llu pages or more, %llu counted", (int)list, node, (unsigned long long)pages,
             (unsigned long long)counted);
    for (unsigned z = 0; z < VMSIM__ZONE_TYPES; z++) {
        if (zone[z] != v->zone_count[z][list])
            FAIL(k, "list %d of node %u: %llu pages of zone type %u, %llu counted", (int)list, node,
                 (unsigned long long)zone[z], z, (unsigned long long)v->zone_count[z][list]);
    }
    return 0;
}

/* While generations are on, the other lists are empty, and the other way round. */
static int check_generations(struct check *k, const struct vmsim__lruvec *v, uint64_t *listed) {
    const uint64_t before = *listed;
    int rc = vmsim__lru_gen_check(k->lru, v, listed, k->err);
    for (unsigned l = 0; l < VMSIM__LRU_UNEVICTABLE && k->lru->gen_enabled && !rc; l++) {
        if (v->list[l].head != VMSIM__PFN_NONE || v->list[l].tail != VMSIM__PFN_NONE)
            FAIL(k, "list %u of node %u is in use beside generations", l, v->node);
    }
    if (!rc && !k->lru->gen_enabled && *listed != before)
        FAIL(k, "generations of node %u are off and hold folios", v->node);
    return rc;
}

static int check_lists(struct check *k, uint64_t *listed) {
    struct vmsim__memcg *root = vmsim__memcg_root(k->lru);
    for (struct vmsim__memcg *m = root; m; m = vmsim__memcg_next(root, m)) {
        for (unsigned n = 0; n < k->lru->mem->nr_nodes; n++) {
            int rc = check_generations(k, &m->lruvec[n], listed);
            if (rc)
                return rc;
        }
        if (k->lru->gen_enabled)
            continue;
        for (unsigned i = 0; i < k->lru->mem->nr_nodes * VMSIM__LRU_UNEVICTABLE; i++) {
            int rc = check_list(k, &m->lruvec[i / VMSIM__LRU_UNEVICTABLE],
                                (enum vmsim__lru_list)(i % VMSIM__LRU_UNEVICTABLE), listed);
            if (rc)
                return rc;
        }
    }
    return 0;
}

static int check_batches(struct check *k) {
    for (unsigned cpu = 0; cpu < k->lru->cpus; cpu++) {
        for (unsigned kind = 0; kind < VMSIM__BATCH_KINDS; kind++) {
            const struct vmsim__lru_batch *b = &k->lru->batches[cpu].kind[kind];
            if (b->count >= k->lru->kernel->lru_batch)
                FAIL(k, "batch %u of cpu %u holds %u pages", kind, cpu, b->count);
            for (uint32_t i = 0; i < b->count; i++) {
                if (vmsim__lru_frame(k->lru, b->page[i])->refcount < 1)
                    FAIL(k, "batch %u of cpu %u: frame %u has no reference", kind, cpu, b->page[i]);
            }
        }
    }
    return 0;
}

static int count_frame(struct check *k, const struct vmsim__frame *f, uint64_t *listed) {
    if (vmsim__frame_is(f, VMSIM__FRAME_BUDDY | VMSIM__FRAME_PCP | VMSIM__FRAME_TAIL) || f->refcount <= 0)
        return 0;
    if (!vmsim__memcg_by_id(k->lru, f->memcg))
        FAIL(k, "a frame is charged to cgroup %u, which is gone", f->memcg);
    const uint32_t pages =
        vmsim__frame_is(f, VMSIM__FRAME_TABLE) ? UINT32_C(1) << vmsim__block_order(f) : vmsim__frame_pages(f);
    k->own[f->memcg].pages += pages;
    k->own[f->memcg].kmem += vmsim__frame_is(f, VMSIM__FRAME_TABLE) ? pages : 0;
    if (vmsim__frame_is(f, VMSIM__FRAME_LRU)) {
        const enum vmsim__lru_list list = vmsim__lru_list_in_use(k->lru, f);
        vmsim__recount_node_add(&k->recount, f, (enum vmsim__node_stat)(VMSIM__NR_INACTIVE_ANON + list), pages);
        vmsim__recount_zone_add(&k->recount, f, (enum vmsim__zone_stat)(VMSIM__NR_ZONE_INACTIVE_ANON + list), pages);
        k->own[f->memcg].listed[list] += pages;
        *listed += list != VMSIM__LRU_UNEVICTABLE;
    }
    k->own[f->memcg].deferred += vmsim__frame_is(f, VMSIM__FRAME_DEFERRED);
    if (vmsim__frame_is(f, VMSIM__FRAME_MLOCKED))
        vmsim__recount_zone_add(&k->recount, f, VMSIM__NR_MLOCK, vmsim__frame_pages(f));
    return 0;
}

static int check_frames(struct check *k, uint64_t listed) {
    const struct vmsim__frames *t = &k->lru->mem->frames;
    uint64_t found = 0;
    for (uint64_t pfn = 0; pfn < t->end; pfn++) {
        const struct vmsim__frame *chunk = t->chunk[pfn >> t->shift];
        int rc = chunk ? count_frame(k, &chunk[pfn & t->mask], &found) : 0;
        if (rc)
            return rc;
        if (!chunk)
            pfn |= t->mask;
    }
    if (found != listed)
        FAIL(k, "%llu frames say that they are on LRU lists that hold %llu", (unsigned long long)found,
             (unsigned long long)listed);
    return 0;
}

static int check_counters(const struct check *k) {
    static const enum vmsim__node_stat node[] = {VMSIM__NR_INACTIVE_ANON, VMSIM__NR_ACTIVE_ANON,
                                                 VMSIM__NR_INACTIVE_FILE, VMSIM__NR_ACTIVE_FILE, VMSIM__NR_UNEVICTABLE};
    static const enum vmsim__zone_stat zone[] = {VMSIM__NR_ZONE_INACTIVE_ANON, VMSIM__NR_ZONE_ACTIVE_ANON,
                                                 VMSIM__NR_ZONE_INACTIVE_FILE, VMSIM__NR_ZONE_ACTIVE_FILE,
                                                 VMSIM__NR_ZONE_UNEVICTABLE,   VMSIM__NR_MLOCK};
    int rc = vmsim__recount_compare_nodes(&k->recount, node, VMSIM__COUNT(node), k->err);
    return rc ? rc : vmsim__recount_compare_zones(&k->recount, zone, VMSIM__COUNT(zone), k->err);
}

/* Every page of the subtree, and what CPUs hold charged ahead for it. */
static uint64_t recount_usage(const struct check *k, struct vmsim__memcg *root) {
    uint64_t pages = 0;
    for (struct vmsim__memcg *m = root; m; m = vmsim__memcg_next(root, m)) {
        pages += k->own[m->id].pages + (uint64_t)(vmsim__memcg_zswap_pages(m) + m->objects.pages);
        for (unsigned cpu = 0; cpu < k->lru->cpus; cpu++)
            pages += k->lru->stocks[cpu].memcg == m->id ? k->lru->stocks[cpu].pages : 0;
    }
    return pages;
}

/* Folios that wait to be split: each that says so is on the queue of its cgroup. */
static int check_deferred(const struct check *k) {
    struct vmsim__memcg *root = vmsim__memcg_root(k->lru);
    for (struct vmsim__memcg *m = root; m; m = vmsim__memcg_next(root, m)) {
        uint64_t n = 0;
        vmsim__pfn pfn = vmsim__deferred_first(m);
        for (; pfn != VMSIM__PFN_NONE && n <= m->deferred.count; n++) {
            const struct vmsim__frame *f = vmsim__lru_frame(k->lru, pfn);
            if (!vmsim__frame_is(f, VMSIM__FRAME_DEFERRED) || f->memcg != m->id || f->refcount <= 0)
                FAIL(k, "frame %u does not belong on the split queue of cgroup %u", pfn, m->id);
            pfn = vmsim__lru_frame(k->lru, pfn + 2)->prev;
        }
        if (n != m->deferred.count || n != k->own[m->id].deferred)
            FAIL(k, "cgroup %u: %llu folios wait to be split, %llu are queued, %llu say so", m->id,
                 (unsigned long long)m->deferred.count, (unsigned long long)n,
                 (unsigned long long)k->own[m->id].deferred);
    }
    return 0;
}

/* What is seen of a cgroup is what it and those below told. Of the root that is its node's, and as late. */
static int check_seen(const struct check *k, struct vmsim__memcg *root) {
    for (unsigned i = 0; i < k->lru->mem->nr_nodes * VMSIM__SEEN_STATS; i++) {
        const unsigned n = i / VMSIM__SEEN_STATS, s = i % VMSIM__SEEN_STATS;
        int64_t told = 0;
        for (struct vmsim__memcg *m = root; m; m = vmsim__memcg_next(root, m))
            told += m->lruvec[n].told[s];
        if (told != root->lruvec[n].seen[s])
            FAIL(k, "cgroup %u: statistic %u is seen as %lld, %lld were told", root->id, s,
                 (long long)root->lruvec[n].seen[s], (long long)told);
    }
    return 0;
}

static int check_memcgs(const struct check *k) {
    struct vmsim__memcg *root = vmsim__memcg_root(k->lru);
    for (struct vmsim__memcg *m = vmsim__memcg_next(root, root); m; m = vmsim__memcg_next(root, m)) {
        const uint64_t pages = recount_usage(k, m);
        if (vmsim__memcg_by_id(k->lru, m->id) != m)
            FAIL(k, "cgroup %u is not found by its id", m->id);
        if (pages != m->memory.usage)
            FAIL(k, "cgroup %u: %llu pages are charged, %llu found", m->id, (unsigned long long)m->memory.usage,
                 (unsigned long long)pages);
        if (!vmsim__obj_valid(k->lru, m))
            FAIL(k, "cgroup %u: %lld pages of objects do not hold what they should", m->id,
                 (long long)m->objects.pages);
        if (k->own[m->id].kmem + vmsim__memcg_zswap_pages(m) + m->objects.pages != m->kmem)
            FAIL(k, "cgroup %u: %lld pages of the kernel's, %lld found", m->id, (long long)m->kmem,
                 (long long)k->own[m->id].kmem);
        if (m->memory.watermark < m->memory.usage)
            FAIL(k, "cgroup %u: its peak is below its usage", m->id);
        if (check_seen(k, m))
            return VMSIM_ECHECK;
        for (unsigned l = 0; l < VMSIM__LRU_LISTS; l++) {
            int64_t pages_listed = 0;
            for (unsigned n = 0; n < k->lru->mem->nr_nodes; n++)
                pages_listed += m->lruvec[n].stat[VMSIM__NR_INACTIVE_ANON + (int)l];
            if (pages_listed != k->own[m->id].listed[l])
                FAIL(k, "cgroup %u: list %u has %lld pages, %lld found", m->id, l, (long long)pages_listed,
                     (long long)k->own[m->id].listed[l]);
        }
    }
    return 0;
}

static int run(struct check *k) {
    uint64_t listed = 0;
    int rc = check_lists(k, &listed);
    rc = rc ? rc : check_batches(k);
    rc = rc ? rc : check_frames(k, listed);
    rc = rc ? rc : check_memcgs(k);
    rc = rc ? rc : check_deferred(k);
    return rc ? rc : check_counters(k);
}

int vmsim__lru_check(struct vmsim__lru *lru, struct vmsim__err *err) {
    struct check k = {.lru = lru, .err = err};
    k.own = vmsim__calloc(lru->alloc, lru->memcgs.count, sizeof *k.own);
    int rc = vmsim__recount_init(&k.recount, lru->mem) && k.own
                 ? run(&k)
                 : vmsim__err_set(err, VMSIM_ENOMEM, "no memory for a check of the LRU lists");
    vmsim__recount_fini(&k.recount);
    vmsim__free(lru->alloc, k.own, lru->memcgs.count * sizeof *k.own);
    return rc;
}

size_t vmsim__memcg_ids(const struct vmsim__lru *lru) {
    return lru->memcgs.count;
}

int vmsim__memcg_check_swap(const struct vmsim__lru *lru, const uint64_t *slots, struct vmsim__err *err) {
    struct vmsim__memcg *root = lru->memcgs.at[VMSIM__MEMCG_ROOT];
    for (struct vmsim__memcg *m = vmsim__memcg_next(root, root); m; m = vmsim__memcg_next(root, m)) {
        uint64_t found = 0;
        for (struct vmsim__memcg *at = m; at; at = vmsim__memcg_next(m, at))
            found += slots[at->id];
        if (found != m->swap.usage)
            return vmsim__err_set(err, VMSIM_ECHECK, "cgroup %u: %llu slots of swap are charged, %llu found", m->id,
                                  (unsigned long long)m->swap.usage, (unsigned long long)found);
    }
    return 0;
}
