/* SPDX-License-Identifier: MIT */
/* Do lists, batches and flags agree? Every list link by link, every batch, every frame's flags against the lists, and
 * the counters of this layer against recounts. Cost is linear in touched memory. Kernel counterparts: VM_BUG_ON_FOLIO
 * here and there. */
#include "lru/lru_impl.h"
#include "lru/recount.h"

struct check {
    struct vmsim__lru *lru;
    struct vmsim__err *err;
    struct vmsim__recount recount;
};

#define FAIL(k, ...) return vmsim__err_set((k)->err, VMSIM_ECHECK, __VA_ARGS__)

static int check_list(struct check *k, unsigned node, enum vmsim__lru_list list, uint64_t *listed) {
    const struct vmsim__lruvec *v = &k->lru->lruvecs[node];
    vmsim__pfn before = VMSIM__PFN_NONE, pfn = v->list[list].head;
    uint64_t pages = 0;
    for (; pfn != VMSIM__PFN_NONE; before = pfn, pfn = vmsim__lru_frame(k->lru, pfn)->next) {
        const struct vmsim__frame *f = vmsim__lru_frame(k->lru, pfn);
        if (!vmsim__frame_is(f, VMSIM__FRAME_LRU) || vmsim__lru_list_of(f) != list || f->prev != before)
            FAIL(k, "frame %u on list %d of node %u: flags %#x, link back to %u", pfn, (int)list, node, f->flags,
                 f->prev);
        if (vmsim__lru_zone(k->lru, f)->node != node)
            FAIL(k, "frame %u is on a list of node %u", pfn, node);
        pages += vmsim__frame_pages(f);
        if (pages > v->count[list])
            break;
        ++*listed;
    }
    if (pages != v->count[list] || (pfn == VMSIM__PFN_NONE && v->list[list].tail != before))
        FAIL(k, "list %d of node %u: %llu pages or more, %llu counted", (int)list, node, (unsigned long long)pages,
             (unsigned long long)v->count[list]);
    return 0;
}

static int check_lists(struct check *k, uint64_t *listed) {
    for (unsigned n = 0; n < k->lru->mem->nr_nodes; n++) {
        for (unsigned l = 0; l < VMSIM__LRU_UNEVICTABLE; l++) {
            int rc = check_list(k, n, (enum vmsim__lru_list)l, listed);
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

static void count_frame(struct check *k, const struct vmsim__frame *f, uint64_t *listed) {
    if (vmsim__frame_is(f, VMSIM__FRAME_BUDDY | VMSIM__FRAME_PCP | VMSIM__FRAME_TAIL) || f->refcount <= 0)
        return;
    if (vmsim__frame_is(f, VMSIM__FRAME_LRU)) {
        enum vmsim__lru_list list = vmsim__lru_list_of(f);
        int64_t pages = vmsim__frame_pages(f);
        vmsim__recount_node_add(&k->recount, f, (enum vmsim__node_stat)(VMSIM__NR_INACTIVE_ANON + list), pages);
        vmsim__recount_zone_add(&k->recount, f, (enum vmsim__zone_stat)(VMSIM__NR_ZONE_INACTIVE_ANON + list), pages);
        *listed += list != VMSIM__LRU_UNEVICTABLE;
    }
    if (vmsim__frame_is(f, VMSIM__FRAME_MLOCKED))
        vmsim__recount_zone_add(&k->recount, f, VMSIM__NR_MLOCK, vmsim__frame_pages(f));
}

static int check_frames(struct check *k, uint64_t listed) {
    const struct vmsim__frames *t = &k->lru->mem->frames;
    uint64_t found = 0;
    for (uint64_t pfn = 0; pfn < t->end; pfn++) {
        const struct vmsim__frame *chunk = t->chunk[pfn >> t->shift];
        if (chunk)
            count_frame(k, &chunk[pfn & t->mask], &found);
        else
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

static int run(struct check *k) {
    uint64_t listed = 0;
    int rc = check_lists(k, &listed);
    rc = rc ? rc : check_batches(k);
    rc = rc ? rc : check_frames(k, listed);
    return rc ? rc : check_counters(k);
}

int vmsim__lru_check(struct vmsim__lru *lru, struct vmsim__err *err) {
    struct check k = {.lru = lru, .err = err};
    int rc = vmsim__recount_init(&k.recount, lru->mem)
                 ? run(&k)
                 : vmsim__err_set(err, VMSIM_ENOMEM, "no memory for a check of the LRU lists");
    vmsim__recount_fini(&k.recount);
    return rc;
}
