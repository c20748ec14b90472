/* SPDX-License-Identifier: MIT */
/* What becomes of each page that reclaim has taken off a list: freed, written, kept or made active.
 *
 *     mapped? referenced? -> swap slot -> unmap -> dirty: write -> out of its cache, a shadow in its place -> freed
 *           |                    |          |             |                  |
 *        active, keep         active     active     keep, active           keep
 *
 * Kernel counterparts: shrink_folio_list, folio_check_references, __remove_mapping of mm/vmscan.c. */
#include "reclaim/lruvec_policy.h"
#include "reclaim/vmscan_impl.h"

enum verdict { FREED, KEEP, ACTIVATE, DEMOTED };
enum references { REFERENCES_RECLAIM, REFERENCES_RECLAIM_CLEAN, REFERENCES_KEEP, REFERENCES_ACTIVATE };

/* The folio at hand, with what was found out about it. */
struct at {
    struct vmsim__vmscan *v;
    struct vmsim__scan_control *sc;
    struct vmsim__reclaim_stat *stat;
    unsigned node;
    vmsim__pfn pfn;
    struct vmsim__frame *f;
    uint32_t pages;
    enum references references;
};

static bool lazyfree(const struct vmsim__frame *f) {
    return vmsim__frame_is(f, VMSIM__FRAME_ANON) && !vmsim__frame_is(f, VMSIM__FRAME_SWAPBACKED);
}

/* Kernel: folio_check_references. One use gives a page another round on the inactive list; two, or execution of a
 * file's page, make it active. */
static enum references check_references(const struct at *a) {
    const struct vmsim__use use = vmsim__vmscan_referenced(a->v, a->sc, a->pfn);
    const bool before = vmsim__frame_is(a->f, VMSIM__FRAME_REFERENCED);
    const bool file = vmsim__vmscan_is_file(a->f);
    a->f->flags &= ~VMSIM__FRAME_REFERENCED;
    if (use.locked)
        return REFERENCES_ACTIVATE;
    if (use.ptes) {
        a->f->flags |= VMSIM__FRAME_REFERENCED;
        return before || use.ptes > 1 || (use.exec && file) ? REFERENCES_ACTIVATE : REFERENCES_KEEP;
    }
    return before && file ? REFERENCES_RECLAIM_CLEAN : REFERENCES_RECLAIM;
}

/* Kernel: folio_check_dirty_writeback: anonymous pages are written by reclaim alone and tell nothing about flushers. */
static void count_dirty(const struct at *a) {
    if (!vmsim__vmscan_is_file(a->f) || lazyfree(a->f))
        return;
    const bool dirty = vmsim__frame_is(a->f, VMSIM__FRAME_DIRTY);
    const bool writeback = vmsim__frame_is(a->f, VMSIM__FRAME_WRITEBACK);
    a->stat->dirty += dirty || writeback ? a->pages : 0;
    a->stat->unqueued_dirty += dirty && !writeback ? a->pages : 0;
    a->stat->congested += writeback && vmsim__frame_is(a->f, VMSIM__FRAME_RECLAIM) ? a->pages : 0;
}

/* Under writeback: marked, so that the end of it brings it to the tail. Seen again by kswapd, though all of the node's
 * pages are, reclaim is too fast. */
static enum verdict under_writeback(const struct at *a) {
    VMSIM__ASSERT(vmsim__frame_is(a->f, VMSIM__FRAME_WRITEBACK));
    if (a->sc->kswapd && vmsim__frame_is(a->f, VMSIM__FRAME_RECLAIM) && a->v->node[a->node].writeback) {
        a->stat->immediate += a->pages;
    } else {
        a->f->flags |= VMSIM__FRAME_RECLAIM;
        a->stat->writeback += a->pages;
    }
    return ACTIVATE;
}

/* A large folio is split, or swapped out whole, or stays. False: *verdict. */
static bool prepare_swap(struct at *a, enum verdict *verdict) {
    const struct vmsim__vmscan_hooks *h = &a->v->hooks;
    const bool large = vmsim__frame_is(a->f, VMSIM__FRAME_HEAD);
    const unsigned order = vmsim__folio_order(a->f); /* before it is split */
    VMSIM__ASSERT(vmsim__frame_is(a->f, VMSIM__FRAME_SWAPBACKED));
    *verdict = KEEP;
    if (!vmsim__frame_is(a->f, VMSIM__FRAME_ANON)) /* shared memory is written a page at a time (6.1) */
        return !large || (h->split && h->split(h->context, a->pfn, a->sc->cpu));
    if (vmsim__frame_is(a->f, VMSIM__FRAME_SWAPCACHE))
        return true;
    if (!(a->sc->gfp & VMSIM__GFP_IO))
        return false;
    *verdict = ACTIVATE;
    if (h->add_to_swap && h->add_to_swap(h->context, a->pfn, a->sc->cpu))
        return true;
    if (!large || !h->split || !h->split(h->context, a->pfn, a->sc->cpu))
        return false;
    vmsim__vmscan_event(a->v, a->f, VMSIM__THP_SWPOUT_FALLBACK, 1);
    vmsim__thp_stat_add(a->v->lru, order, VMSIM__THP_SIZE_SWPOUT_FALLBACK, 1);
    return h->add_to_swap && h->add_to_swap(h->context, a->pfn, a->sc->cpu);
}

static bool unmap(struct at *a) {
    const struct vmsim__vmscan_hooks *h = &a->v->hooks;
    const bool was_lazyfree = lazyfree(a->f);
    if (!vmsim__folio_mapped(a->v->lru, a->pfn) || (h->unmap && h->unmap(h->context, a->pfn, a->sc->cpu)))
        return true;
    a->stat->unmap_fail += a->pages;
    a->stat->lazyfree_fail += was_lazyfree && !lazyfree(a->f) ? a->pages : 0;
    return false;
}

/* Kernel: may_enter_fs: anonymous pages need no more than I/O. */
static bool may_enter_fs(const struct at *a) {
    uint32_t need = vmsim__frame_is(a->f, VMSIM__FRAME_SWAPCACHE) ? VMSIM__GFP_IO | VMSIM__GFP_FS : VMSIM__GFP_FS;
    return a->sc->gfp & need;
}

/* Dirty pages of files are the flushers' affair: reclaim writes them only where kswapd finds nothing else. True: the
 * page is clean now, or has been. */
static bool write_out(struct at *a, enum verdict *verdict) {
    const struct vmsim__vmscan_hooks *h = &a->v->hooks;
    VMSIM__ASSERT(vmsim__frame_is(a->f, VMSIM__FRAME_DIRTY) && !vmsim__frame_is(a->f, VMSIM__FRAME_WRITEBACK));
    *verdict = ACTIVATE;
    if (vmsim__vmscan_is_file(a->f) &&
        (!a->sc->kswapd || !vmsim__frame_is(a->f, VMSIM__FRAME_RECLAIM) || !a->v->node[a->node].dirty)) {
        vmsim__vmscan_node_stat(a->v, a->f, VMSIM__NR_VMSCAN_IMMEDIATE_RECLAIM, a->pages);
        a->f->flags |= VMSIM__FRAME_RECLAIM;
        return false;
    }
    *verdict = KEEP;
    if (a->references == REFERENCES_RECLAIM_CLEAN || !may_enter_fs(a) || !a->sc->may_writepage || !h->pageout)
        return false;
    vmsim__vmscan_flush(a->v, a->sc); /* no CPU may store through an old entry while the page is written */
    switch (h->pageout(h->context, a->pfn, a->sc, a->sc->cpu)) {
    case VMSIM__PAGEOUT_KEEP:
        return false;
    case VMSIM__PAGEOUT_ACTIVATE:
        *verdict = ACTIVATE;
        return false;
    case VMSIM__PAGEOUT_SUCCESS:
        vmsim__vmscan_node_stat(a->v, a->f, VMSIM__NR_VMSCAN_WRITE, a->pages);
        a->stat->pageout += a->pages;
        return !vmsim__frame_is(a->f, VMSIM__FRAME_WRITEBACK | VMSIM__FRAME_DIRTY | VMSIM__FRAME_LOCKED);
    case VMSIM__PAGEOUT_CLEAN:
        break;
    }
    return true;
}

/* While it still belongs somewhere. */
static void tell_policy(const struct at *a) {
    if (a->v->policies)
        vmsim__lruvec_policies_evicted(a->v->policies, a->pfn);
}

/* Out of the cache that it is in; our own reference, the last, frees it then. Shared memory leaves a shadow in the swap
 * cache's place only. Kernel: __remove_mapping. */
static enum verdict let_go(struct at *a) {
    const struct vmsim__vmscan_hooks *h = &a->v->hooks;
    const bool swapcache = vmsim__frame_is(a->f, VMSIM__FRAME_SWAPCACHE);
    VMSIM__ASSERT(!vmsim__folio_mapped(a->v->lru, a->pfn) && !vmsim__frame_is(a->f, VMSIM__FRAME_MLOCKED));
    if (lazyfree(a->f)) {
        if (a->f->refcount != 1)
            return KEEP;
        vmsim__vmscan_event(a->v, a->f, VMSIM__PGLAZYFREED, a->pages);
        tell_policy(a);
        return FREED;
    }
    if (!vmsim__frame_is(a->f, VMSIM__FRAME_FILE | VMSIM__FRAME_SWAPCACHE) || a->f->refcount != 1 + (int32_t)a->pages ||
        !h->remove_mapping)
        return KEEP;
    const bool leaves = swapcache || vmsim__vmscan_is_file(a->f);
    tell_policy(a);
    h->remove_mapping(h->context, a->pfn,
                      leaves ? vmsim__workingset_eviction(a->v->lru, a->pfn, a->sc->target) : VMSIM__NO_SHADOW,
                      a->sc->cpu);
    VMSIM__ASSERT(a->f->refcount == 1);
    return FREED;
}

/* The page that the fault of who reclaims has waited for. The kernel's fault may let it go, since it keeps the frame of
 * its copy while it reads the page again; one that gives back all it has whenever it waits would take the one for the
 * other for ever. */
static bool awaited(const struct at *a) {
    return a->pfn + UINT64_C(1) == vmsim__now_call(&a->v->mem->now)->page;
}

/* All that is asked of one page, in the kernel's order. */
static enum verdict shrink_folio(struct at *a, bool ignore_references) {
    enum verdict verdict;
    if (vmsim__frame_is(a->f, VMSIM__FRAME_LOCKED) || VMSIM__UNLIKELY(awaited(a)))
        return KEEP;
    a->sc->nr_scanned += a->pages;
    if (vmsim__frame_is(a->f, VMSIM__FRAME_MLOCKED | VMSIM__FRAME_PINNED))
        return ACTIVATE;
    if (!a->sc->may_unmap && vmsim__folio_mapped(a->v->lru, a->pfn))
        return KEEP;
    if (a->v->lru->gen_enabled && !ignore_references && vmsim__frame_is(a->f, VMSIM__FRAME_REFERENCED) &&
        vmsim__folio_mapped(a->v->lru, a->pfn)) /* a walk met it meanwhile */
        return KEEP;
    count_dirty(a);
    if (vmsim__frame_is(a->f, VMSIM__FRAME_WRITEBACK))
        return under_writeback(a);
    a->references = ignore_references ? REFERENCES_RECLAIM : check_references(a);
    if (a->references == REFERENCES_ACTIVATE)
        return ACTIVATE;
    if (a->references == REFERENCES_KEEP) {
        a->stat->ref_keep += a->pages;
        return KEEP;
    }
    if (VMSIM__UNLIKELY(vmsim__vmscan_can_demote(a->v, a->node)) &&
        a->v->hooks.demote(a->v->hooks.context, a->pfn, a->sc, a->node))
        return DEMOTED;
    if (vmsim__frame_is(a->f, VMSIM__FRAME_SWAPBACKED) && !prepare_swap(a, &verdict))
        return verdict;
    if (a->pages > 1 && !vmsim__frame_is(a->f, VMSIM__FRAME_HEAD)) { /* it was split: its tails wait on the list */
        a->sc->nr_scanned -= a->pages - 1;
        a->pages = 1;
    }
    if (!unmap(a))
        return ACTIVATE;
    if (vmsim__frame_is(a->f, VMSIM__FRAME_DIRTY) && !write_out(a, &verdict))
        return verdict;
    return let_go(a);
}

static void activate(const struct at *a) {
    const struct vmsim__vmscan_hooks *h = &a->v->hooks;
    if (vmsim__frame_is(a->f, VMSIM__FRAME_SWAPCACHE) && h->free_swap)
        h->free_swap(h->context, a->pfn, a->sc->cpu);
    if (vmsim__frame_is(a->f, VMSIM__FRAME_MLOCKED))
        return;
    VMSIM__ASSERT(!vmsim__frame_is(a->f, VMSIM__FRAME_LRU | VMSIM__FRAME_ACTIVE));
    a->f->flags |= VMSIM__FRAME_ACTIVE;
    a->stat->activate[vmsim__vmscan_is_file(a->f)] += a->pages;
    vmsim__vmscan_event(a->v, a->f, VMSIM__PGACTIVATE, a->pages);
}

/* Entries of the pages that are freed are flushed in one go before the frames go back to the allocator. They go in
 * reverse, as the kernel's list of them is built: the page that was longest on the list is handed out first. */
static void free_folios(struct vmsim__vmscan *v, const struct vmsim__scan_control *sc, const vmsim__pfn *folio,
                        uint32_t count) {
    vmsim__vmscan_flush(v, sc);
    while (count--) {
        VMSIM__ASSERT(vmsim__frame_at(&v->mem->frames, folio[count])->refcount == 1);
        vmsim__folio_put(v->lru, folio[count], sc->cpu);
    }
}

uint64_t vmsim__shrink_folio_list(struct vmsim__vmscan *v, struct vmsim__scan_control *sc, unsigned node,
                                  vmsim__pfn *folio, uint32_t *count, struct vmsim__reclaim_stat *stat,
                                  bool ignore_references) {
    VMSIM__ASSERT(*count <= VMSIM__SHRINK_MAX && node < v->mem->nr_nodes);
    vmsim__pfn freed[VMSIM__SHRINK_MAX];
    uint32_t nr_freed = 0, kept = 0;
    uint64_t reclaimed = 0;
    *stat = (struct vmsim__reclaim_stat){0};
    for (uint32_t i = 0; i < *count; i++) {
        struct at a = {.v = v, .sc = sc, .stat = stat, .node = node, .pfn = folio[i]};
        if (i + 1 < *count)
            vmsim__vmscan_expect(v, folio[i + 1]);
        a.f = vmsim__frame_at(&v->mem->frames, a.pfn);
        a.pages = vmsim__frame_pages(a.f);
        VMSIM__ASSERT(!vmsim__frame_is(a.f, VMSIM__FRAME_LRU | VMSIM__FRAME_ACTIVE) && a.f->refcount > 0);
        enum verdict verdict = shrink_folio(&a, ignore_references);
        reclaimed += verdict == FREED || verdict == DEMOTED ? a.pages : 0;
        if (verdict == DEMOTED)
            continue;
        if (verdict == FREED) {
            freed[nr_freed++] = a.pfn;
            continue;
        }
        if (verdict == ACTIVATE)
            activate(&a);
        folio[kept++] = a.pfn;
    }
    VMSIM__ASSERT(kept + nr_freed <= *count); /* the rest was demoted */
    free_folios(v, sc, freed, nr_freed);
    *count = kept;
    return reclaimed;
}
