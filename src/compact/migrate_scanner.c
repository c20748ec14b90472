/* SPDX-License-Identifier: MIT */
/* The scanner of pages in use, from the zone's beginning upward.
 *
 * It looks at one pageblock a call and takes 32 pages of it, or all when the pageblock is to be finished. What is free,
 * compound, on no list, or held by others than its mappings is passed over. An async direct run gives up an aligned
 * block of the wanted order at the first page of it that stays, since the rest would be moved in vain. Kernel
 * counterparts: isolate_migratepages, isolate_migratepages_block of mm/compaction.c. */
#include "compact/compaction_impl.h"

/* One scan of one pageblock. */
struct scan {
    struct vmsim__compaction *c;
    struct vmsim__compact_control *cc;
    vmsim__pfn pfn, end;
    vmsim__pfn next_skip; /* end of the aligned block of the wanted order */
    bool skip_on_failure;
    bool valid;        /* the pageblock was seen from its beginning: its hint may be set */
    bool skip_updated; /* it was */
    uint32_t scanned, isolated;
};

bool vmsim__block_of_zone(const struct vmsim__compaction *c, const struct vmsim__zone *z, vmsim__pfn start,
                          vmsim__pfn end) {
    return start < end && vmsim__mem_zone_of(c->mem, start) == z && vmsim__mem_zone_of(c->mem, end - 1) == z;
}

/* Is this a pageblock that the run takes pages from? Async direct runs look at those of the request's type alone.
 * Kernel: suitable_migration_source. */
static bool suitable_source(const struct vmsim__compaction *c, const struct vmsim__compact_control *cc,
                            vmsim__pfn block) {
    const struct vmsim__frames *t = &c->mem->frames;
    const struct vmsim__frame *f = t->chunk[block >> t->shift] ? vmsim__frame_at(t, block) : NULL;
    if (f && vmsim__frame_is(f, VMSIM__FRAME_HEAD) && vmsim__folio_order(f) >= c->mem->pageblock_order)
        return false;
    if (cc->mode != VMSIM__MIGRATE_ASYNC || !cc->direct)
        return true;
    const enum vmsim__migratetype type = vmsim__pageblock_type(c->mem, block);
    return type == cc->type || (cc->type == VMSIM__MOVABLE && type == VMSIM__CMA);
}

/* Frames behind the first that a free block or a folio takes; they are passed over with it. */
static vmsim__pfn rest_of(const struct vmsim__frame *f) {
    if (vmsim__frame_is(f, VMSIM__FRAME_BUDDY))
        return (1u << vmsim__block_order(f)) - 1;
    return vmsim__frame_is(f, VMSIM__FRAME_HEAD) ? (1u << vmsim__folio_order(f)) - 1 : 0;
}

/* May this page be taken? */
static bool may_take(const struct scan *s, const struct vmsim__frame *f) {
    const bool mapping = !vmsim__frame_is(f, VMSIM__FRAME_ANON) || vmsim__frame_is(f, VMSIM__FRAME_SWAPCACHE);
    if (!vmsim__frame_is(f, VMSIM__FRAME_LRU) || vmsim__frame_zone(f) != s->cc->z->index || f->refcount <= 0)
        return false;
    if (!mapping && f->refcount > f->mapcount)
        return false; /* pinned, or in somebody's batch */
    if (mapping && !(s->cc->gfp & VMSIM__GFP_FS))
        return false;
    if (vmsim__frame_is(f, VMSIM__FRAME_UNEVICTABLE) && !s->c->unevictable_allowed)
        return false;
    if (s->cc->mode == VMSIM__MIGRATE_SYNC)
        return true;
    const uint32_t dirty = VMSIM__FRAME_DIRTY | VMSIM__FRAME_LOCKED;
    return !vmsim__frame_is(f, VMSIM__FRAME_WRITEBACK) && (f->flags & dirty) != dirty;
}

/* True: the pageblock's hint was set meanwhile, by another run. */
static bool hinted(struct scan *s) {
    if (s->skip_updated)
        return false;
    s->skip_updated = true;
    if (s->cc->ignore_skip_hint || !vmsim__block_aligned(s->c, s->pfn))
        return false;
    const bool was = vmsim__skip_get(s->c, s->pfn);
    vmsim__skip_put(s->c, s->pfn, true);
    return was;
}

/* The aligned block cannot become free any more: what was taken of it goes back, and the rest is passed over. */
static void give_up_block(struct scan *s) {
    VMSIM__ASSERT(s->skip_on_failure && s->cc->order >= 0);
    if (s->isolated) {
        vmsim__folio_chain_putback(s->c->vm, &s->cc->migrate, s->cc->cpu);
        s->isolated = 0;
    }
    if (s->pfn < s->next_skip) {
        s->pfn = s->next_skip - 1;
        s->next_skip += 1u << s->cc->order;
    }
}

/* Frames that have no record yet: free as a whole, or kept from boot on, which the kernel looks at one by one. */
static void untouched(struct scan *s) {
    const struct vmsim__frames *t = &s->c->mem->frames;
    VMSIM__ASSERT(!t->chunk[s->pfn >> t->shift] && s->pfn < s->end);
    const bool free = vmsim__mem_free_block_order(s->c->mem, s->pfn & ~t->mask) >= 0;
    if (!free && s->skip_on_failure) {
        give_up_block(s);
        s->pfn++;
        return;
    }
    s->scanned += free ? 0 : s->end - s->pfn - 1;
    s->pfn = s->end;
}

/* One frame, or a run of frames that is passed over as one. False: the scan ends here. */
static bool scan_frame(struct scan *s) {
    const struct vmsim__frames *t = &s->c->mem->frames;
    if (s->skip_on_failure && s->pfn >= s->next_skip) {
        if (s->isolated)
            return false;
        s->next_skip = vmsim__order_start(s->pfn, s->cc->order) + (1u << s->cc->order);
    }
    s->scanned++;
    if (!t->chunk[s->pfn >> t->shift]) {
        untouched(s);
        return true;
    }
    const struct vmsim__frame *f = vmsim__frame_at(t, s->pfn);
    const bool free = vmsim__frame_is(f, VMSIM__FRAME_BUDDY);
    if (free || vmsim__frame_is(f, VMSIM__FRAME_HEAD)) {
        s->pfn += rest_of(f);
        if (!free && s->skip_on_failure)
            give_up_block(s);
    } else if (!may_take(s, f)) {
        if (s->skip_on_failure)
            give_up_block(s);
    } else {
        if (hinted(s) || !vmsim__lru_isolate(s->c->lru, s->pfn))
            return false;
        vmsim__folio_chain_push(s->c->vm, &s->cc->migrate, s->pfn);
        s->isolated++;
        if (s->cc->migrate.pages >= VMSIM__COMPACT_CLUSTER && !s->cc->finish_pageblock) {
            s->pfn++;
            return false;
        }
    }
    s->pfn++;
    return true;
}

/* Does a pageblock's scan begin there, which the hint of the pageblock is for? A zone may begin within one: where no
 * search marks what it found (6.12), that pageblock would be found and scanned for ever, if nothing else did. */
static bool begins_block(const struct vmsim__compaction *c, const struct vmsim__compact_control *cc, vmsim__pfn pfn) {
    return vmsim__block_aligned(c, pfn) || (pfn == cc->z->start && !c->mem->kernel->fast_find_skips);
}

/* Kernel: isolate_migratepages_block. */
static void scan_block(struct vmsim__compaction *c, struct vmsim__compact_control *cc, vmsim__pfn from,
                       vmsim__pfn end) {
    VMSIM__ASSERT(from < end && end - from <= vmsim__block_pages(c));
    struct scan s = {.c = c, .cc = cc, .pfn = from, .end = end, .valid = begins_block(c, cc, from)};
    s.skip_on_failure = cc->direct && cc->mode == VMSIM__MIGRATE_ASYNC;
    if (s.skip_on_failure)
        s.next_skip = vmsim__order_start(from, cc->order) + (1u << cc->order);
    while (s.pfn < end && scan_frame(&s))
        continue;
    if (s.pfn >= end) {
        s.pfn = end;
        if (!s.isolated || cc->finish_pageblock) {
            if (s.valid && !s.skip_updated)
                vmsim__skip_put(c, from, true);
            vmsim__skip_migrate_done(c, cc, end);
        }
    }
    cc->migrate_pfn = s.pfn;
    cc->migrate_scanned += s.scanned;
    c->mem->event[VMSIM__COMPACT_ISOLATED] += s.isolated;
}

bool vmsim__isolate_migratepages(struct vmsim__compaction *c, struct vmsim__compact_control *cc) {
    VMSIM__ASSERT(!cc->migrate.folios && cc->migrate_pfn >= cc->z->start);
    vmsim__pfn from = vmsim__fast_find_source(c, cc);
    bool found = from != cc->migrate_pfn && !cc->search_fail;
    for (; vmsim__block_end(c, from) <= cc->free_pfn; from = cc->migrate_pfn, found = false) {
        const vmsim__pfn end = vmsim__block_end(c, from);
        const vmsim__pfn start =
            vmsim__block_start(c, from) > cc->z->start ? vmsim__block_start(c, from) : cc->z->start;
        const bool known = begins_block(c, cc, from) && !cc->ignore_skip_hint && vmsim__skip_get(c, from);
        cc->migrate_pfn = end;
        if (!vmsim__block_of_zone(c, cc->z, start, end) || (known && !found))
            continue;
        if (!suitable_source(c, cc, start)) {
            vmsim__skip_migrate_done(c, cc, end);
            continue;
        }
        if (known) { /* by the search that found it */
            cc->migrate_scanned++;
            vmsim__skip_migrate_done(c, cc, end);
        } else {
            scan_block(c, cc, from, end);
        }
        return cc->migrate.folios > 0;
    }
    return false;
}
