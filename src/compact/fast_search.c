/* SPDX-License-Identifier: MIT */
/* Looks at the free lists for a place to work at, before a scanner goes on frame by frame.
 *
 *     zone start      migrate_pfn     +1/8 (+1/2)                 -1/2     -1/4   free_pfn
 *         |               |-- source ----|                          |- less -|-target-|
 *
 * A free block of some size stands in a pageblock that is nearly free already: where it lies low its pageblock is a
 * good one to empty, where it lies high it is a good target by itself. Only MOVABLE lists are looked at, some blocks of
 * each; what was seen goes to the other end of its list, so that the next search sees others. A search that finds
 * nothing halves how many blocks the next ones see. Kernel counterparts: fast_find_migrateblock, reinit_migrate_pfn,
 * fast_isolate_freepages, fast_isolate_around, move_freelist_head, move_freelist_tail of mm/compaction.c. */
#include "compact/compaction_impl.h"

/* Blocks that a search may look at. Kernel: freelist_scan_limit. */
static unsigned search_limit(const struct vmsim__compact_control *cc) {
    return (cc->search_fail < 32 ? VMSIM__COMPACT_CLUSTER >> cc->search_fail : 0) + 1;
}

/* ---- pages to move ---- */

/* Searches serve whole pageblocks for huge pages: of requests that wait only movable ones. */
static bool may_search_sources(const struct vmsim__compaction *c, const struct vmsim__compact_control *cc) {
    if (cc->ignore_skip_hint || cc->order <= (int)VMSIM__COSTLY_ORDER || (cc->direct && cc->type != VMSIM__MOVABLE) ||
        (cc->finish_pageblock && !c->mem->kernel->fast_find_skips))
        return false;
    return cc->migrate_pfn == cc->z->start || vmsim__block_aligned(c, cc->migrate_pfn);
}

static vmsim__pfn source_limit(const struct vmsim__compaction *c, const struct vmsim__compact_control *cc) {
    const vmsim__pfn gap = cc->free_pfn > cc->migrate_pfn ? cc->free_pfn - cc->migrate_pfn : 0;
    return vmsim__block_start(c, cc->migrate_pfn + (cc->migrate_pfn == cc->z->start ? gap / 2 : gap / 8));
}

/* The first block of the order's list below the limit whose pageblock was not looked at lately. */
static vmsim__pfn search_source(struct vmsim__compaction *c, const struct vmsim__compact_control *cc, unsigned order,
                                vmsim__pfn below, unsigned *seen) {
    const unsigned limit = search_limit(cc);
    vmsim__pfn p = cc->z->area[order].list[VMSIM__MOVABLE].head;
    for (; p != VMSIM__PFN_NONE; p = vmsim__frame_at(&c->mem->frames, p)->next) {
        const bool last = (*seen)++ >= limit, found = !last && p < below && !vmsim__skip_get(c, p);
        if (last || found)
            vmsim__free_list_turn(c->mem, cc->z, order, VMSIM__MOVABLE, p, false);
        if (last || found)
            return found ? p : VMSIM__PFN_NONE;
    }
    return VMSIM__PFN_NONE;
}

/* Nothing was found: on from the lowest place that searches of this run have seen, once. */
static vmsim__pfn linear_source(struct vmsim__compact_control *cc) {
    if (cc->fast_start == VMSIM__PFN_NONE || cc->fast_over)
        return cc->migrate_pfn;
    cc->migrate_pfn = cc->fast_start;
    cc->fast_over = true;
    return cc->migrate_pfn;
}

vmsim__pfn vmsim__fast_find_source(struct vmsim__compaction *c, struct vmsim__compact_control *cc) {
    unsigned seen = 0;
    vmsim__pfn found = VMSIM__PFN_NONE;
    if (!may_search_sources(c, cc))
        return cc->migrate_pfn;
    const vmsim__pfn below = source_limit(c, cc);
    for (int o = cc->order - 1; o >= (int)VMSIM__COSTLY_ORDER && found == VMSIM__PFN_NONE && seen < search_limit(cc);
         o--)
        found = search_source(c, cc, (unsigned)o, below, &seen);
    cc->migrate_scanned += seen;
    if (found == VMSIM__PFN_NONE) {
        cc->search_fail++;
        return linear_source(cc);
    }
    VMSIM__ASSERT(found < below && found >= cc->z->start);
    cc->search_fail = 0;
    if (!cc->fast_over && found < cc->fast_start)
        cc->fast_start = found;
    if (c->mem->kernel->fast_find_skips)
        vmsim__skip_put(c, found, true);
    const vmsim__pfn block = vmsim__block_start(c, found);
    return block > cc->z->start ? block : cc->z->start;
}

/* ---- frames to move them to ---- */

struct target_search {
    vmsim__pfn preferred, least; /* the top quarter, the top half of what lies between the scanners */
    vmsim__pfn highest;          /* pageblock of the highest block seen */
    unsigned limit, seen;
};

/* A block of the order's list, from its tail on: the first that lies high enough, else the highest that will do. */
static vmsim__pfn search_target(struct vmsim__compaction *c, struct vmsim__compact_control *cc, unsigned order,
                                struct target_search *s) {
    unsigned seen = 0;
    vmsim__pfn best = VMSIM__PFN_NONE, p = cc->z->area[order].list[VMSIM__MOVABLE].tail, turn = VMSIM__PFN_NONE;
    for (; p != VMSIM__PFN_NONE; p = vmsim__frame_at(&c->mem->frames, p)->prev) {
        seen++;
        if (p >= s->highest)
            s->highest = vmsim__block_start(c, p) > cc->z->start ? vmsim__block_start(c, p) : cc->z->start;
        if (p >= s->preferred) {
            cc->search_fail = 0;
            cc->search_order = (uint8_t)order;
            best = turn = p;
            break;
        }
        if (p >= s->least && (best == VMSIM__PFN_NONE || p > best)) {
            best = p;
            s->limit /= 2;
        }
        turn = p;
        if (seen >= s->limit)
            break;
    }
    s->seen += seen;
    if (seen >= s->limit)
        s->limit = s->limit > 1 ? s->limit / 2 : 1;
    turn = best == VMSIM__PFN_NONE ? turn : best;
    if (turn != VMSIM__PFN_NONE)
        vmsim__free_list_turn(c->mem, cc->z, order, VMSIM__MOVABLE, turn, true);
    return best;
}

/* The next order down, then from the largest; -1: all were searched, and the next search begins one lower. */
static int next_order(struct vmsim__compact_control *cc, int order) {
    VMSIM__ASSERT(order >= 0 && order <= cc->order && cc->search_order < cc->order);
    order = order ? order - 1 : cc->order - 1;
    if (order != cc->search_order)
        return order;
    cc->search_order = (uint8_t)(cc->search_order ? cc->search_order - 1 : cc->order - 1);
    return -1;
}

/* Takes what was found. False: too little memory is free for that. */
static bool take(struct vmsim__compaction *c, struct vmsim__compact_control *cc, vmsim__pfn pfn,
                 struct target_search *s) {
    VMSIM__ASSERT(!cc->nr_free && pfn >= cc->z->start && pfn < cc->z->end);
    const int order = vmsim__mem_isolate_free(c->mem, pfn);
    if (order < 0)
        return false;
    vmsim__keep_free(c, cc, pfn, (unsigned)order);
    s->seen += (1u << order) - 1;
    c->mem->event[VMSIM__COMPACT_ISOLATED] += UINT64_C(1) << order;
    return true;
}

/* What else is free in the pageblock. */
static void take_around(struct vmsim__compaction *c, struct vmsim__compact_control *cc, vmsim__pfn pfn) {
    const vmsim__pfn block = vmsim__block_start(c, pfn), end = vmsim__block_end(c, pfn);
    const vmsim__pfn from = block > cc->z->start ? block : cc->z->start, to = end < cc->z->end ? end : cc->z->end;
    if (cc->nr_free >= cc->nr_migrate || (cc->direct && cc->mode == VMSIM__MIGRATE_ASYNC) ||
        !vmsim__block_of_zone(c, cc->z, from, to) || !c->mem->frames.chunk[from >> c->mem->frames.shift])
        return;
    vmsim__scan_free_block(c, cc, from, to);
    if (cc->nr_free < cc->nr_migrate)
        vmsim__skip_put(c, block, true);
}

/* A run that begins goes by what it has seen: to the highest pageblock that will do, or else half way. Returns where it
 * looks around; PFN_NONE: nowhere. */
static vmsim__pfn place_free_scanner(struct vmsim__compact_control *cc, const struct target_search *s) {
    VMSIM__ASSERT(s->least <= s->preferred);
    if (s->highest >= s->least)
        cc->free_pfn = s->highest;
    else if (cc->direct)
        cc->free_pfn = s->least;
    else
        return VMSIM__PFN_NONE;
    return cc->free_pfn;
}

void vmsim__fast_isolate_free(struct vmsim__compaction *c, struct vmsim__compact_control *cc) {
    struct vmsim__compact_zone *r = vmsim__compact_of(c, cc->z);
    if (cc->order <= 0 || cc->free_pfn <= cc->migrate_pfn)
        return;
    const vmsim__pfn gap = cc->free_pfn - cc->migrate_pfn;
    const bool begins = cc->free_pfn >= r->init_free;
    struct target_search s = {vmsim__block_start(c, cc->free_pfn - gap / 4),
                              vmsim__block_start(c, cc->free_pfn - gap / 2), 0, search_limit(cc) / 2, 0};
    if (begins)
        s.limit = vmsim__block_pages(c) / 2;
    s.limit = s.limit ? s.limit : 1;
    if (cc->search_order > cc->order - 1)
        cc->search_order = (uint8_t)(cc->order - 1);
    vmsim__pfn found = VMSIM__PFN_NONE;
    for (int o = cc->search_order; o >= 0 && found == VMSIM__PFN_NONE; o = next_order(cc, o)) {
        found = search_target(c, cc, (unsigned)o, &s);
        if (found != VMSIM__PFN_NONE && !take(c, cc, found, &s)) {
            found = VMSIM__PFN_NONE; /* and it ends, as if every order had been looked at */
            next_order(cc, cc->search_order + 1);
            break;
        }
    }
    if (found == VMSIM__PFN_NONE) {
        cc->search_fail++;
        if (begins)
            found = place_free_scanner(cc, &s);
    }
    if (s.highest && s.highest >= r->cached_free) /* below the zone's first pageblock: the next run begins at its end */
        r->cached_free =
            vmsim__block_start(c, s.highest) - (s.highest >= vmsim__block_pages(c) ? vmsim__block_pages(c) : 0);
    cc->free_scanned += s.seen;
    if (found != VMSIM__PFN_NONE)
        take_around(c, cc, found);
}
