/* SPDX-License-Identifier: MIT */
/* What a pageblock is used for (pageblock_kind.c). */
#ifndef VMSIM__PAGEBLOCK_KIND_H
#define VMSIM__PAGEBLOCK_KIND_H
#include "zones/zones.h"

enum vmsim__pageblock_kind {
    VMSIM__PAGEBLOCK_KEPT, /* from boot on: the allocator never has it */
    VMSIM__PAGEBLOCK_FREE,
    VMSIM__PAGEBLOCK_MOVABLE,     /* pages of programs and of files: compaction could free it */
    VMSIM__PAGEBLOCK_UNMOVABLE,   /* the kernel's own */
    VMSIM__PAGEBLOCK_RECLAIMABLE, /* the kernel's own, in a pageblock for what shrinkers free */
    VMSIM__PAGEBLOCK_HUGE,        /* a folio takes all of it */
    VMSIM__PAGEBLOCK_MIXED,       /* movable pages beside some that cannot move: it will not be free again soon */
    VMSIM__PAGEBLOCK_KINDS
};
extern const char *const vmsim__pageblock_kind_names[VMSIM__PAGEBLOCK_KINDS];

/* Of the part of the pageblock at `block` that lies in the zone. Looks at each of its frames. */
enum vmsim__pageblock_kind vmsim__pageblock_kind(const struct vmsim__mem *mem, const struct vmsim__zone *z,
                                                 vmsim__pfn block);

#endif
