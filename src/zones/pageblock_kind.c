/* SPDX-License-Identifier: MIT */
/* What a pageblock is used for, by what lies in its frames: whether it could be made free, for who looks at a machine's
 * fragmentation. Its migratetype says only whom it was given to. */
#include "zones/pageblock_kind.h"

#include "zones/zones_internal.h"

const char *const vmsim__pageblock_kind_names[VMSIM__PAGEBLOCK_KINDS] = {
    [VMSIM__PAGEBLOCK_KEPT] = "kept",
    [VMSIM__PAGEBLOCK_FREE] = "free",
    [VMSIM__PAGEBLOCK_MOVABLE] = "movable",
    [VMSIM__PAGEBLOCK_UNMOVABLE] = "unmovable",
    [VMSIM__PAGEBLOCK_RECLAIMABLE] = "reclaimable",
    [VMSIM__PAGEBLOCK_HUGE] = "huge",
    [VMSIM__PAGEBLOCK_MIXED] = "mixed",
};

struct use {
    bool movable, fixed, kept, free, huge;
};

/* Notes what the frame is; returns how many frames from it on are the same thing. */
static vmsim__pfn note(const struct vmsim__mem *mem, vmsim__pfn pfn, struct use *u) {
    const struct vmsim__frame *f = vmsim__frame_of(mem, pfn);
    if (vmsim__frame_is(f, VMSIM__FRAME_BUDDY | VMSIM__FRAME_PCP)) {
        u->free = true;
        return 1u << vmsim__block_order(f);
    }
    if (vmsim__frame_is(f, VMSIM__FRAME_TAIL)) /* of a folio that began in another pageblock */
        f = vmsim__frame_of(mem, f->next);
    if (vmsim__frame_is(f, VMSIM__FRAME_HEAD) && vmsim__folio_order(f) >= mem->pageblock_order) {
        u->huge = true;
        return 1u << mem->pageblock_order;
    }
    const bool user = vmsim__frame_is(f, VMSIM__FRAME_ANON | VMSIM__FRAME_FILE | VMSIM__FRAME_LRU);
    u->kept |= vmsim__frame_is(f, VMSIM__FRAME_RESERVED);
    u->movable |= user;
    u->fixed |= !user && !vmsim__frame_is(f, VMSIM__FRAME_RESERVED);
    return vmsim__frame_is(f, VMSIM__FRAME_HEAD) ? 1u << vmsim__folio_order(f) : 1;
}

enum vmsim__pageblock_kind vmsim__pageblock_kind(const struct vmsim__mem *mem, const struct vmsim__zone *z,
                                                 vmsim__pfn block) {
    const struct vmsim__frames *t = &mem->frames;
    const vmsim__pfn start = block > z->start ? block : z->start, size = (vmsim__pfn)1 << mem->pageblock_order,
                     end = block + size < z->end ? block + size : z->end;
    VMSIM__ASSERT(!(block & (size - 1)) && start < end);
    struct use u = {0};
    if (!t->chunk[start >> t->shift])
        return vmsim__mem_free_block_order(mem, start & ~t->mask) >= 0 ? VMSIM__PAGEBLOCK_FREE : VMSIM__PAGEBLOCK_KEPT;
    for (vmsim__pfn p = start; p < end && !u.huge; p += note(mem, p, &u))
        continue;
    if (u.huge)
        return VMSIM__PAGEBLOCK_HUGE;
    if (u.movable)
        return u.fixed || u.kept ? VMSIM__PAGEBLOCK_MIXED : VMSIM__PAGEBLOCK_MOVABLE;
    if (u.fixed)
        return vmsim__pageblock_type(mem, start) == VMSIM__RECLAIMABLE ? VMSIM__PAGEBLOCK_RECLAIMABLE
                                                                       : VMSIM__PAGEBLOCK_UNMOVABLE;
    return u.free ? u.kept ? VMSIM__PAGEBLOCK_UNMOVABLE : VMSIM__PAGEBLOCK_FREE : VMSIM__PAGEBLOCK_KEPT;
}
