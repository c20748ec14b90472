/* SPDX-License-Identifier: MIT */
/* What is remembered so that pageblocks are not looked at in vain: a bit each, and where the scanners go on.
 *
 * A bit is set where nothing was isolated, or where a scanner has been; all of a zone are forgotten when kswapd goes to
 * sleep after a direct run has seen the whole zone, or when deferral starts over. The places where the next run begins
 * are then in the first and last pageblocks in which a sample shows something to isolate. Kernel counterparts:
 * isolation_suitable, update_cached_migrate, update_pageblock_skip, __reset_isolation_suitable of mm/compaction.c. */
#include "compact/compaction_impl.h"

static uint32_t block_of(const struct vmsim__compaction *c, vmsim__pfn pfn) {
    VMSIM__ASSERT(pfn < c->mem->frames.end && (pfn >> c->mem->pageblock_order) / 64 < c->skip_words);
    return pfn >> c->mem->pageblock_order;
}

bool vmsim__skip_get(const struct vmsim__compaction *c, vmsim__pfn pfn) {
    const uint32_t block = block_of(c, pfn);
    return c->skip[block / 64] >> (block % 64) & 1;
}

void vmsim__skip_put(struct vmsim__compaction *c, vmsim__pfn pfn, bool skip) {
    const uint32_t block = block_of(c, pfn);
    const uint64_t bit = UINT64_C(1) << (block % 64);
    c->skip[block / 64] = skip ? c->skip[block / 64] | bit : c->skip[block / 64] & ~bit;
}

void vmsim__skip_migrate_done(struct vmsim__compaction *c, const struct vmsim__compact_control *cc, vmsim__pfn pfn) {
    struct vmsim__compact_zone *r = vmsim__compact_of(c, cc->z);
    const vmsim__pfn end = vmsim__block_end(c, pfn);
    if (end > r->cached_migrate[0])
        r->cached_migrate[0] = end;
    if (cc->mode != VMSIM__MIGRATE_ASYNC && end > r->cached_migrate[1])
        r->cached_migrate[1] = end;
}

void vmsim__skip_free_done(struct vmsim__compaction *c, const struct vmsim__compact_control *cc, vmsim__pfn block) {
    VMSIM__ASSERT(vmsim__block_aligned(c, block));
    struct vmsim__compact_zone *r = vmsim__compact_of(c, cc->z);
    vmsim__skip_put(c, block, true);
    if (block < r->cached_free)
        r->cached_free = block;
}

void vmsim__skip_restart(struct vmsim__compaction *c, const struct vmsim__zone *z) {
    struct vmsim__compact_zone *r = vmsim__compact_of(c, z);
    VMSIM__ASSERT(z->start < z->end);
    r->cached_migrate[0] = r->cached_migrate[1] = z->start;
    r->cached_free = vmsim__zone_last_block(c, z);
    r->known = true;
}

/* A frame of a pageblock, looked at every eighth, or NULL: its block was never touched or is none. */
static const struct vmsim__frame *sample(const struct vmsim__compaction *c, vmsim__pfn pfn) {
    const struct vmsim__frames *t = &c->mem->frames;
    return t->chunk[pfn >> t->shift] ? vmsim__frame_at(t, pfn) : NULL;
}

/* Does a folio take the whole pageblock? */
static bool whole_folio(const struct vmsim__compaction *c, vmsim__pfn block) {
    const struct vmsim__frame *f = sample(c, block);
    return f && vmsim__frame_is(f, VMSIM__FRAME_HEAD) && vmsim__folio_order(f) >= c->mem->pageblock_order;
}

/* Is there something to isolate for a scanner in the pageblock of `pfn`? Its hint goes then. Kernel:
 * __reset_isolation_pfn. */
static bool reset_block(struct vmsim__compaction *c, const struct vmsim__zone *z, vmsim__pfn pfn, bool source,
                        bool target) {
    const vmsim__pfn block = vmsim__block_start(c, pfn), start = block > z->start ? block : z->start,
                     end = vmsim__block_end(c, block) < z->end ? vmsim__block_end(c, block) : z->end;
    VMSIM__ASSERT(pfn >= z->start && pfn < z->end && (source || target));
    if (whole_folio(c, block))
        return false; /* a huge page: it stays as it is until it is given up */
    if (source && target && !vmsim__skip_get(c, block))
        return true;
    if (!source && vmsim__pageblock_type(c->mem, start) != VMSIM__MOVABLE)
        return false;
    for (vmsim__pfn p = start; p < end; p += 1u << VMSIM__COSTLY_ORDER) {
        const struct vmsim__frame *f = sample(c, p);
        const bool untouched = !f && target && vmsim__mem_free_block_order(c->mem, p & ~c->mem->frames.mask) >= 0;
        if (untouched || (f && ((source && vmsim__frame_is(f, VMSIM__FRAME_LRU)) ||
                                (target && vmsim__frame_is(f, VMSIM__FRAME_BUDDY))))) {
            vmsim__skip_put(c, block, false);
            return true;
        }
    }
    return false;
}

/* The walk for frames goes by the zone's last frame, and so does where the free scanner begins: it sees of that
 * pageblock only what lies behind. */
void vmsim__skip_reset(struct vmsim__compaction *c, struct vmsim__zone *z) {
    struct vmsim__compact_zone *r = vmsim__compact_of(c, z);
    vmsim__pfn low = z->start, high = z->end - 1;
    bool source = false, target = false;
    VMSIM__ASSERT(z->start < z->end);
    if (!r->flush)
        return;
    r->flush = false;
    for (; low < high; low += vmsim__block_pages(c), high -= vmsim__block_pages(c)) {
        if (reset_block(c, z, low, true, source) && !source) {
            source = true;
            r->init_migrate = r->cached_migrate[0] = r->cached_migrate[1] = low;
        }
        if (reset_block(c, z, high, target, true) && !target) {
            target = true;
            r->init_free = r->cached_free = high;
        }
        if (high < vmsim__block_pages(c))
            break;
    }
    if (source && target)
        return;
    r->cached_migrate[0] = r->cached_migrate[1] = low;
    r->cached_free = high;
}

void vmsim__compaction_reset_hints(struct vmsim__compaction *c, unsigned node) {
    const struct vmsim__node *n = &c->mem->nodes[node];
    for (unsigned i = 0; i < n->nr_zones; i++) {
        struct vmsim__zone *z = &c->mem->zones[n->zone[i]];
        if (vmsim__zone_populated(z) && vmsim__compact_of(c, z)->flush)
            vmsim__skip_reset(c, z);
    }
}

void vmsim__compaction_keep_hints(struct vmsim__compaction *c, const struct vmsim__zone *z) {
    vmsim__compact_of(c, z)->flush = false;
}
