/* SPDX-License-Identifier: MIT */
/* What a run will refer to, from an earlier run of the same work: what "opt" decides by.
 *
 *     first run   reference 0 1 2 3 4 ...        each by the page that it uses: (object, index) -> number of the page
 *                 page      a b a c b ...
 *                           `---^ next[0] = 2, next[1] = 4, ...; first[a] = 0, first[b] = 1, ...
 *     second run  at[page]: the next of its references; a use moves it on along next[]
 *
 * A page's references are counted page by page, so that the second run may interleave its tasks in another way than the
 * first: what is asked is when this page would have been used next then. */
#ifndef VMSIM__RECLAIM_FUTURE_H
#define VMSIM__RECLAIM_FUTURE_H
#include "reclaim/reclaim_shadows.h"
#include "base/vec.h"
#include "zones/frame.h"

#define VMSIM__FUTURE_NEVER UINT32_MAX

struct vmsim__reclaim_future {
    struct vmsim__alloc *alloc;
    struct vmsim__reclaim_shadows pages; /* number of a page, plus one, by where it is */
    struct {
        VMSIM__VEC(uint32_t);
    } log, at, next; /* pages in the order of their uses; by page; by use, made when the log is over */
    struct {
        VMSIM__VEC(uint32_t);
    } marks; /* how long the log was */
    bool recording, failed;
};

/* The page as programs see it: the same in two runs of the same work, in memory and out of it. */
enum { VMSIM__FUTURE_ANON = 1, VMSIM__FUTURE_FILE, VMSIM__FUTURE_SWAP };
static inline struct vmsim__shadow_key vmsim__future_key(const struct vmsim__frame *f) {
    const uint64_t kind = vmsim__frame_is(f, VMSIM__FRAME_FILE) ? VMSIM__FUTURE_FILE : VMSIM__FUTURE_ANON;
    return (struct vmsim__shadow_key){kind << 32 | f->mapping, vmsim__frame_index(f)};
}

/* Begins empty, and records. NULL: no host memory. */
struct vmsim__reclaim_future *vmsim__reclaim_future_create(struct vmsim__alloc *alloc);
void vmsim__reclaim_future_destroy(struct vmsim__reclaim_future *f);
/* A page is used: recorded, or, once it is replayed, behind us. */
void vmsim__reclaim_future_use(struct vmsim__reclaim_future *f, struct vmsim__shadow_key page);
/* From now on it is replayed. False: there was no host memory for all of it, or it has too many references. */
bool vmsim__reclaim_future_replay(struct vmsim__reclaim_future *f);
/* The number of the next reference to the page; UINT64_MAX: never. */
uint64_t vmsim__reclaim_future_next(const struct vmsim__reclaim_future *f, struct vmsim__shadow_key page);
/* Where the work is may be marked as it is recorded, to be found again however many references there are meanwhile: the
 * next mark stands here. */
void vmsim__reclaim_future_mark(struct vmsim__reclaim_future *f);
/* What the references between mark `mark` and the one behind it are to the page; those before are behind us. */
struct vmsim__future_uses {
    uint64_t uses, next; /* next: number of the first one after that; UINT64_MAX: none */
};
struct vmsim__future_uses vmsim__reclaim_future_uses(struct vmsim__reclaim_future *f, struct vmsim__shadow_key page,
                                                     uint64_t mark);

#endif
