/* SPDX-License-Identifier: MIT */
/* Runs over a zone: whether one is of use, when it is put off, its steps and its end (compaction.h).
 *
 * A step isolates pages, moves them to frames that the other scanner finds as they are needed, and puts back what
 * could not be moved. A run ends where the scanners meet, or when the block that it is for is there at the border of a
 * pageblock. Kernel counterparts: compact_zone, __compact_finished, compaction_suitable, defer_compaction of
 * mm/compaction.c. */
#include "compact/compaction_impl.h"

#include "base/err.h"

#define DEFER_SHIFT_MAX 6u /* COMPACT_MAX_DEFER_SHIFT */

/* ---- life ---- */

int vmsim__compaction_init(struct vmsim__compaction *c, struct vmsim__alloc *alloc, struct vmsim__vm *vm,
                           struct vmsim__mem *mem, struct vmsim__lru *lru) {
    *c = (struct vmsim__compaction){
        .alloc = alloc, .vm = vm, .mem = mem, .lru = lru, .unevictable_allowed = true, .proactiveness = 20};
    c->skip_words = ((size_t)mem->frames.end >> mem->pageblock_order) / 64 + 1;
    c->zone = vmsim__calloc(alloc, mem->nr_zones, sizeof *c->zone);
    c->skip = vmsim__calloc(alloc, c->skip_words, sizeof *c->skip);
    if (c->zone && c->skip)
        return 0;
    vmsim__compaction_fini(c);
    return VMSIM_ENOMEM;
}

void vmsim__compaction_fini(struct vmsim__compaction *c) {
    if (!c->alloc)
        return;
    vmsim__free(c->alloc, c->zone, c->mem->nr_zones * sizeof *c->zone);
    vmsim__free(c->alloc, c->skip, c->skip_words * sizeof *c->skip);
    *c = (struct vmsim__compaction){0};
}

int vmsim__compaction_check(const struct vmsim__compaction *c, struct vmsim__err *err) {
    for (unsigned i = 0; i < c->mem->nr_zones; i++) {
        const struct vmsim__compact_zone *r = &c->zone[i];
        if (r->defer_shift > DEFER_SHIFT_MAX || r->considered > 1u << DEFER_SHIFT_MAX ||
            r->order_failed > c->mem->top_order + 1u)
            return vmsim__err_set(err, VMSIM_ECHECK, "compaction of zone %u: %u of 1 << %u attempts from order %u on",
                                  i, r->considered, r->defer_shift, r->order_failed);
        if (r->known && (r->cached_free >= c->mem->frames.end || r->cached_migrate[0] < r->cached_migrate[1]))
            return vmsim__err_set(err, VMSIM_ECHECK, "compaction of zone %u: scanners begin at %u, %u and %u", i,
                                  r->cached_migrate[0], r->cached_migrate[1], r->cached_free);
    }
    if (c->mem->capture.active)
        return vmsim__err_set(err, VMSIM_ECHECK, "a block is waited for, and nobody compacts");
    return 0;
}

/* ---- deferral ---- */

bool vmsim__compaction_deferred(struct vmsim__compaction *c, const struct vmsim__zone *z, unsigned order) {
    struct vmsim__compact_zone *r = vmsim__compact_of(c, z);
    const uint32_t limit = 1u << r->defer_shift;
    if (order < r->order_failed)
        return false;
    if (++r->considered >= limit) {
        r->considered = limit;
        return false;
    }
    return true;
}

void vmsim__compaction_defer(struct vmsim__compaction *c, const struct vmsim__zone *z, unsigned order) {
    struct vmsim__compact_zone *r = vmsim__compact_of(c, z);
    VMSIM__ASSERT(order <= c->mem->top_order);
    r->considered = 0;
    if (r->defer_shift < DEFER_SHIFT_MAX)
        r->defer_shift++;
    if (order < r->order_failed)
        r->order_failed = (uint8_t)order;
}

void vmsim__compaction_defer_reset(struct vmsim__compaction *c, const struct vmsim__zone *z, unsigned order,
                                   bool allocated) {
    VMSIM__ASSERT(order <= c->mem->top_order);
    struct vmsim__compact_zone *r = vmsim__compact_of(c, z);
    if (allocated) {
        r->considered = 0;
        r->defer_shift = 0;
    }
    if (order >= r->order_failed)
        r->order_failed = (uint8_t)(order + 1);
}

bool vmsim__compaction_restarting(const struct vmsim__compaction *c, const struct vmsim__zone *z, unsigned order) {
    const struct vmsim__compact_zone *r = vmsim__compact_of(c, z);
    return order >= r->order_failed && r->defer_shift == DEFER_SHIFT_MAX && r->considered >= 1u << r->defer_shift;
}

/* ---- suitability ---- */

bool vmsim__compaction_suitable_with(const struct vmsim__compaction *c, const struct vmsim__zone *z, unsigned order,
                                     uint32_t alloc_flags, unsigned zone_type, int64_t free) {
    const enum vmsim__wmark own = (enum vmsim__wmark)(alloc_flags & VMSIM__ALLOC_WMARK_MASK);
    const enum vmsim__wmark least = order > VMSIM__COSTLY_ORDER ? VMSIM__WMARK_LOW : VMSIM__WMARK_MIN;
    if (vmsim__zone_watermark_ok(c->mem, z, order, vmsim__zone_wmark(z, own), zone_type, alloc_flags))
        return true;
    return vmsim__zone_watermark_ok_free(c->mem, z, 0, vmsim__zone_wmark(z, least) + (UINT64_C(2) << order), zone_type,
                                         VMSIM__ALLOC_CMA, free);
}

enum vmsim__compact_result vmsim__compaction_suitable(const struct vmsim__compaction *c, const struct vmsim__zone *z,
                                                      int order, uint32_t alloc_flags, unsigned zone_type) {
    if (order == VMSIM__COMPACT_ALL)
        return VMSIM__COMPACTION_CONTINUE;
    const unsigned o = (unsigned)order;
    const enum vmsim__wmark own = (enum vmsim__wmark)(alloc_flags & VMSIM__ALLOC_WMARK_MASK);
    if (vmsim__zone_watermark_ok(c->mem, z, o, vmsim__zone_wmark(z, own), zone_type, alloc_flags))
        return VMSIM__COMPACTION_SUCCESS;
    if (!vmsim__compaction_suitable_with(c, z, o, alloc_flags, zone_type, z->stat[VMSIM__NR_FREE_PAGES]))
        return VMSIM__COMPACTION_SKIPPED;
    const int index = vmsim__zone_extfrag_index(c->mem, z, o);
    if (o > VMSIM__COSTLY_ORDER && index >= 0 && index <= (int)c->mem->sysctl.extfrag_threshold)
        return VMSIM__COMPACTION_SKIPPED; /* it lacks memory rather than order */
    return VMSIM__COMPACTION_CONTINUE;
}

unsigned vmsim__fragmentation_score_zone(const struct vmsim__compaction *c, const struct vmsim__zone *z) {
    const unsigned order = c->mem->pageblock_order;
    uint64_t free = 0, large = 0;
    for (unsigned o = 0; o <= c->mem->top_order; o++) {
        const uint64_t frames = vmsim__zone_free_blocks(z, o, VMSIM__MIGRATE_TYPES) << o;
        free += frames;
        large += o >= order ? frames : 0;
    }
    VMSIM__ASSERT(large <= free);
    return free ? (unsigned)((free - large) * 100 / free) : 0;
}

unsigned vmsim__fragmentation_score(const struct vmsim__compaction *c, unsigned node) {
    const struct vmsim__node *n = &c->mem->nodes[node];
    uint64_t score = 0;
    for (unsigned i = 0; i < n->nr_zones; i++) {
        const struct vmsim__zone *z = &c->mem->zones[n->zone[i]];
        score += z->present * vmsim__fragmentation_score_zone(c, z) / (n->present + 1);
    }
    return (unsigned)score;
}

unsigned vmsim__fragmentation_mark(const struct vmsim__compaction *c, bool low) {
    const uint64_t mark = vmsim__max64(100 - vmsim__min64(c->proactiveness, 100), 5);
    return (unsigned)(low ? mark : vmsim__min64(mark + 10, 100));
}

/* ---- a run ---- */

static bool scanners_met(const struct vmsim__compaction *c, const struct vmsim__compact_control *cc) {
    return cc->free_pfn >> c->mem->pageblock_order <= cc->migrate_pfn >> c->mem->pageblock_order;
}

/* Where the last run stopped, if that is within the zone. */
static void place_scanners(struct vmsim__compaction *c, struct vmsim__compact_control *cc) {
    struct vmsim__compact_zone *r = vmsim__compact_of(c, cc->z);
    const struct vmsim__zone *z = cc->z;
    const bool sync = cc->mode != VMSIM__MIGRATE_ASYNC;
    cc->migrate_pfn = z->start;
    cc->free_pfn = vmsim__zone_last_block(c, z);
    if (cc->whole_zone)
        return;
    if (!r->known || r->cached_free < z->start || r->cached_free >= z->end)
        r->cached_free = cc->free_pfn;
    if (!r->known || r->cached_migrate[sync] < z->start || r->cached_migrate[sync] >= z->end)
        r->cached_migrate[0] = r->cached_migrate[1] = z->start;
    r->known = true;
    cc->migrate_pfn = r->cached_migrate[sync];
    cc->free_pfn = r->cached_free;
    VMSIM__ASSERT(cc->free_pfn >= z->start && cc->free_pfn < z->end && cc->migrate_pfn >= z->start);
    cc->whole_zone = cc->migrate_pfn <= r->init_migrate;
}

enum vmsim__compact_result vmsim__compact_begin(struct vmsim__compaction *c, struct vmsim__compact_control *cc,
                                                struct vmsim__zone *z) {
    const struct vmsim__compact_zone *r = vmsim__compact_of(c, z);
    VMSIM__ASSERT(vmsim__zone_populated(z) && cc->order <= (int)c->mem->top_order);
    enum vmsim__compact_result suits = vmsim__compaction_suitable(c, z, cc->order, cc->alloc_flags, cc->zone_type);
    if (suits != VMSIM__COMPACTION_CONTINUE)
        return suits;
    if (cc->order >= 0 && vmsim__compaction_restarting(c, z, (unsigned)cc->order))
        vmsim__skip_reset(c, z);
    cc->z = z;
    cc->migrate = vmsim__folio_chain_empty();
    cc->free = VMSIM__PFN_NONE;
    cc->nr_free = 0;
    cc->last_migrated = 0;
    cc->migrate_scanned = cc->free_scanned = 0;
    cc->search_fail = 0;
    cc->search_order = (uint8_t)(cc->order > 0 ? cc->order : 0);
    cc->fast_start = VMSIM__PFN_NONE;
    cc->fast_over = false;
    place_scanners(c, cc);
    cc->update_cached = cc->mode == VMSIM__MIGRATE_ASYNC && r->cached_migrate[0] == r->cached_migrate[1];
    vmsim__lru_drain_cpu(c->lru, cc->cpu);
    return VMSIM__COMPACTION_CONTINUE;
}

/* Kernel: compact_finished. */
static enum vmsim__compact_result finished(struct vmsim__compaction *c, struct vmsim__compact_control *cc) {
    if (scanners_met(c, cc)) {
        vmsim__skip_restart(c, cc->z);
        if (cc->direct)
            vmsim__compact_of(c, cc->z)->flush = true;
        return cc->whole_zone ? VMSIM__COMPACTION_COMPLETE : VMSIM__COMPACTION_PARTIAL_SKIPPED;
    }
    if (cc->proactive && !cc->exhaust)
        return vmsim__fragmentation_score_zone(c, cc->z) > vmsim__fragmentation_mark(c, true)
                   ? VMSIM__COMPACTION_CONTINUE
                   : VMSIM__COMPACTION_SUCCESS;
    if (cc->order == VMSIM__COMPACT_ALL || !vmsim__block_aligned(c, cc->migrate_pfn))
        return VMSIM__COMPACTION_CONTINUE;
    return vmsim__zone_serves(c->mem, cc->z, (unsigned)cc->order, cc->type) ? VMSIM__COMPACTION_SUCCESS
                                                                            : VMSIM__COMPACTION_CONTINUE;
}

struct target {
    struct vmsim__compaction *c;
    struct vmsim__compact_control *cc;
};

/* Kernel: compaction_alloc. */
static vmsim__pfn target_get(void *context, vmsim__pfn from) {
    const struct target *t = context;
    struct vmsim__compact_control *cc = t->cc;
    (void)from;
    if (!cc->nr_free)
        vmsim__isolate_freepages(t->c, cc);
    if (!cc->nr_free)
        return VMSIM__PFN_NONE;
    VMSIM__ASSERT(cc->free != VMSIM__PFN_NONE);
    const vmsim__pfn pfn = cc->free;
    struct vmsim__frame *f = vmsim__frame_at(&t->c->mem->frames, pfn);
    cc->free = f->next;
    cc->nr_free--;
    f->next = f->prev = VMSIM__PFN_NONE;
    return pfn;
}

static void target_put(void *context, vmsim__pfn to) {
    const struct target *t = context;
    VMSIM__ASSERT(vmsim__frame_at(&t->c->mem->frames, to)->refcount == 1);
    vmsim__frame_at(&t->c->mem->frames, to)->next = t->cc->free;
    t->cc->free = to;
    t->cc->nr_free++;
}

/* What was freed on this CPU's lists merges once the block of the wanted order is passed. */
static void drain_passed(struct vmsim__compaction *c, struct vmsim__compact_control *cc) {
    if (cc->order <= 0 || !cc->last_migrated)
        return;
    if (cc->last_migrated < vmsim__order_start(cc->migrate_pfn, cc->order)) {
        vmsim__lru_drain_cpu(c->lru, cc->cpu);
        vmsim__zone_drain_pcp(c->mem, cc->z, cc->cpu);
        cc->last_migrated = 0;
    }
}

static bool has_capture(const struct vmsim__compaction *c) {
    return c->mem->capture.active && c->mem->capture.pfn != VMSIM__PFN_NONE;
}

/* Moves what was isolated. CONTINUE: go on. */
static enum vmsim__compact_result migrate(struct vmsim__compaction *c, struct vmsim__compact_control *cc,
                                          vmsim__pfn from) {
    VMSIM__ASSERT(cc->migrate.folios > 0);
    struct target t = {c, cc};
    const struct vmsim__migration how = {.mode = cc->mode,
                                         .reason = VMSIM__MR_COMPACTION,
                                         .may_wait = cc->may_wait,
                                         .context = &t,
                                         .get = target_get,
                                         .put = target_put};
    cc->nr_migrate = cc->migrate.pages;
    const struct vmsim__migrated m = vmsim__migrate_pages(c->vm, &how, &cc->migrate, cc->cpu);
    cc->update_cached = false;
    cc->last_migrated = from;
    vmsim__folio_chain_putback(c->vm, &cc->migrate, cc->cpu);
    if (m.waits) {
        cc->waits = true;
        cc->migrate_pfn = from;
        vmsim__skip_put(c, from, false); /* it is to be looked at again */
        vmsim__release_freepages(c, cc);
        return VMSIM__COMPACTION_CONTINUE;
    }
    if (m.no_memory && !scanners_met(c, cc))
        return VMSIM__COMPACTION_CONTENDED;
    if (m.failed && cc->direct && cc->mode == VMSIM__MIGRATE_ASYNC) {
        cc->migrate_pfn = vmsim__order_start(cc->migrate_pfn - 1, cc->order) + (1u << cc->order);
        cc->last_migrated = 0;
    }
    return has_capture(c) ? VMSIM__COMPACTION_SUCCESS : VMSIM__COMPACTION_CONTINUE;
}

enum vmsim__compact_result vmsim__compact_step(struct vmsim__compaction *c, struct vmsim__compact_control *cc) {
    struct vmsim__compact_zone *r = vmsim__compact_of(c, cc->z);
    const uint64_t seen = cc->migrate_scanned + cc->free_scanned;
    const vmsim__pfn from = cc->migrate_pfn;
    enum vmsim__compact_result how = finished(c, cc);
    cc->waits = false;
    if (how != VMSIM__COMPACTION_CONTINUE)
        return how;
    cc->finish_pageblock = cc->last_migrated && vmsim__block_start(c, cc->last_migrated) == vmsim__block_start(c, from);
    if (vmsim__isolate_migratepages(c, cc))
        how = migrate(c, cc, from);
    else if (cc->update_cached)
        r->cached_migrate[1] = r->cached_migrate[0];
    if (how == VMSIM__COMPACTION_CONTINUE && !cc->waits)
        drain_passed(c, cc);
    if (has_capture(c))
        how = VMSIM__COMPACTION_SUCCESS;
    vmsim__now_charge(&c->mem->now, (cc->migrate_scanned + cc->free_scanned - seen) * c->scan_cost);
    return how;
}

void vmsim__compact_end(struct vmsim__compaction *c, struct vmsim__compact_control *cc) {
    VMSIM__ASSERT(!cc->migrate.folios);
    vmsim__release_freepages(c, cc);
    c->mem->event[VMSIM__COMPACT_MIGRATE_SCANNED] += cc->migrate_scanned;
    c->mem->event[VMSIM__COMPACT_FREE_SCANNED] += cc->free_scanned;
}

enum vmsim__compact_result vmsim__compact_zone(struct vmsim__compaction *c, struct vmsim__compact_control *cc,
                                               struct vmsim__zone *z) {
    VMSIM__ASSERT(!cc->may_wait);
    enum vmsim__compact_result how = vmsim__compact_begin(c, cc, z);
    if (how != VMSIM__COMPACTION_CONTINUE)
        return how;
    while (how == VMSIM__COMPACTION_CONTINUE)
        how = vmsim__compact_step(c, cc);
    vmsim__compact_end(c, cc);
    return how;
}
