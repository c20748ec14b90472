/* SPDX-License-Identifier: MIT */
/* What the files of compaction share: skip hints, scanners, the zone's record. */
#ifndef VMSIM__COMPACTION_IMPL_H
#define VMSIM__COMPACTION_IMPL_H
#include "compact/compaction.h"

static inline struct vmsim__compact_zone *vmsim__compact_of(const struct vmsim__compaction *c,
                                                            const struct vmsim__zone *z) {
    VMSIM__ASSERT(z->index < c->mem->nr_zones);
    return &c->zone[z->index];
}
static inline vmsim__pfn vmsim__block_pages(const struct vmsim__compaction *c) {
    return (vmsim__pfn)1 << c->mem->pageblock_order;
}
static inline vmsim__pfn vmsim__block_start(const struct vmsim__compaction *c, vmsim__pfn pfn) {
    return pfn & ~(vmsim__block_pages(c) - 1);
}
static inline vmsim__pfn vmsim__block_end(const struct vmsim__compaction *c, vmsim__pfn pfn) {
    return vmsim__block_start(c, pfn) + vmsim__block_pages(c);
}
static inline bool vmsim__block_aligned(const struct vmsim__compaction *c, vmsim__pfn pfn) {
    return !(pfn & (vmsim__block_pages(c) - 1));
}
/* First frame of the aligned block of the wanted order that holds pfn. */
static inline vmsim__pfn vmsim__order_start(vmsim__pfn pfn, int order) {
    VMSIM__ASSERT(order >= 0);
    return pfn & ~((1u << order) - 1);
}
/* First frame of the zone's last pageblock. */
static inline vmsim__pfn vmsim__zone_last_block(const struct vmsim__compaction *c, const struct vmsim__zone *z) {
    return vmsim__block_start(c, z->end - 1);
}

/* ---- skip_hints.c ---- */

bool vmsim__skip_get(const struct vmsim__compaction *c, vmsim__pfn pfn);
void vmsim__skip_put(struct vmsim__compaction *c, vmsim__pfn pfn, bool skip);
/* The migrate scanner has done with all below the end of the pageblock. */
void vmsim__skip_migrate_done(struct vmsim__compaction *c, const struct vmsim__compact_control *cc, vmsim__pfn pfn);
/* The free scanner has seen all of a pageblock. */
void vmsim__skip_free_done(struct vmsim__compaction *c, const struct vmsim__compact_control *cc, vmsim__pfn block);
/* Both scanners begin at the ends of the zone. */
void vmsim__skip_restart(struct vmsim__compaction *c, const struct vmsim__zone *z);
/* Kernel: __reset_isolation_suitable. */
void vmsim__skip_reset(struct vmsim__compaction *c, struct vmsim__zone *z);

/* ---- scanners ---- */

/* Isolates pages into cc->migrate, from cc->migrate_pfn on. False: there are none left before the free scanner, or none
 * in the pageblock that was looked at. */
bool vmsim__isolate_migratepages(struct vmsim__compaction *c, struct vmsim__compact_control *cc);
/* At least as many free frames as pages are to be moved, if there are as many. */
void vmsim__isolate_freepages(struct vmsim__compaction *c, struct vmsim__compact_control *cc);
/* Gives frames back; cached_free follows. */
void vmsim__release_freepages(struct vmsim__compaction *c, struct vmsim__compact_control *cc);
/* Adds isolated frames of a block to cc->free, split. */
void vmsim__keep_free(struct vmsim__compaction *c, struct vmsim__compact_control *cc, vmsim__pfn pfn, unsigned order);
/* Isolates what is free in [from, end) of a pageblock, until there is enough. */
void vmsim__scan_free_block(struct vmsim__compaction *c, struct vmsim__compact_control *cc, vmsim__pfn from,
                            vmsim__pfn end);
/* Does the whole pageblock lie in the zone and in memory? */
bool vmsim__block_of_zone(const struct vmsim__compaction *c, const struct vmsim__zone *z, vmsim__pfn start,
                          vmsim__pfn end);

/* ---- fast_search.c ---- */

/* Where the migrate scanner is to go on: migrate_pfn, or the beginning of another pageblock. */
vmsim__pfn vmsim__fast_find_source(struct vmsim__compaction *c, struct vmsim__compact_control *cc);
/* Isolates free frames from the lists, if some lie high enough; else nothing. */
void vmsim__fast_isolate_free(struct vmsim__compaction *c, struct vmsim__compact_control *cc);

#endif
