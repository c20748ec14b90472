/* SPDX-License-Identifier: MIT */
/* Large anonymous folios of which some frames are mapped no more, oldest first: what a shrinker splits when memory is
 * short. A queue a cgroup.
 *
 *     head -> f1 <-> f2 <-> f3 <- tail      `prev` of a folio's first tail: the folio before, of its second: behind
 *
 * DEFERRED of a head says that it is queued. Kernel counterpart: struct deferred_split (mm/huge_memory.c). */
#ifndef VMSIM__DEFERRED_SPLIT_H
#define VMSIM__DEFERRED_SPLIT_H
#include "lru/lru.h"
#include "lru/memcg.h"

/* A folio of order 2 at least, charged to whom it will stay charged. */
void vmsim__deferred_add(struct vmsim__lru *lru, vmsim__pfn pfn);
/* It is split or freed, or was never queued. */
void vmsim__deferred_del(struct vmsim__lru *lru, vmsim__pfn pfn);
/* The oldest of a cgroup's, or PFN_NONE. */
vmsim__pfn vmsim__deferred_first(const struct vmsim__memcg *m);
/* How many objects a round of reclaim at this priority (12 .. 0) looks at, and where it leaves off: calls `scan` for
 * up to 128 at a time, until it says that it did nothing. Returns the sum of its answers. Kernel: do_shrink_slab. */
typedef uint64_t vmsim__shrink_fn(void *context, struct vmsim__memcg *m, uint64_t objects, bool *stop);
uint64_t vmsim__deferred_shrink(struct vmsim__memcg *m, int priority, vmsim__shrink_fn *scan, void *context);

#endif
