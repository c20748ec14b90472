/* SPDX-License-Identifier: MIT */
/* What the files of src/block/ share and nobody else sees.
 *
 *     device --- list[SYNC]     head <-> request <-> ... tail     waiting: which goes first is vmsim__block_next's
 *           |--- list[ASYNC]    head <-> request <-> ... tail
 *           `--- list[SERVICE]  head <-> request <-> ... tail     in the order in which they took their slots
 *                                           |
 *                                           `-- bio -> bio -> ...  what was joined to it: one for each submission
 *                                                |                 (or piece of one) that waits for it
 *                                                `-- parent: the first piece's bio, which holds the cookie
 *
 * Requests and bios live in two arrays and are named by index, for arrays move when they grow and an index is what fits
 * into the argument of an event. Free ones are linked through `next`. Kernel counterparts: struct request, struct bio
 * (bio_chain's parent and __bi_remaining). */
#ifndef VMSIM__BLOCK_IMPL_H
#define VMSIM__BLOCK_IMPL_H
#include "base/util.h"
#include "block/block.h"

#define VMSIM__BLOCK_NONE UINT32_MAX
#define VMSIM__BLOCK_MERGE_SCAN 8 /* waiting requests looked at for joining (blk_bio_list_merge) */

enum vmsim__block_list { VMSIM__BLOCK_SYNC, VMSIM__BLOCK_ASYNC, VMSIM__BLOCK_SERVICE, VMSIM__BLOCK_LISTS };
#define VMSIM__BLOCK_FREE VMSIM__BLOCK_LISTS /* on no list of a device */

/* One submission, or a further piece of one that was cut. */
struct vmsim__bio {
    uint64_t cookie, since; /* of a parent */
    uint32_t parent;        /* itself if it is the first piece; NONE: free */
    uint32_t remaining;     /* of a parent: pieces that are not done, itself included */
    uint32_t device;
    uint32_t next;  /* in its request, or free */
    int32_t status; /* of a parent: the first error among its pieces */
    uint8_t op;
    bool hung; /* of a parent: a piece will never be done */
};

struct vmsim__request {
    uint64_t position, bytes;
    uint64_t arrived; /* of its first bio */
    uint64_t number;  /* orders requests by arrival */
    uint32_t next, prev;
    uint32_t first, last; /* bios */
    uint32_t device;
    int32_t status;
    uint8_t op;
    uint8_t list; /* enum vmsim__block_list, or FREE */
};

struct vmsim__range {
    uint64_t position, bytes;
};

struct vmsim__device {
    char *name;
    struct vmsim__block_params params;
    struct {
        uint32_t head, tail;
        uint64_t count;
    } list[VMSIM__BLOCK_LISTS];
    uint64_t clock;           /* latest time seen: statistics are true up to here */
    uint64_t controller_free; /* when the controller has done all that it was given */
    uint64_t link_free;       /* likewise */
    uint64_t arm_free;        /* likewise, of a disk */
    uint64_t head;            /* where the last transfer of a disk ended */
    uint64_t passed;          /* sync requests that went before the oldest async one */
    uint64_t started;         /* requests that ever took a slot */
    bool kicked;              /* an event is on its way that will begin service */
    struct {
        VMSIM__VEC(struct vmsim__block_fault);
    } faults; /* one with nothing left to do stays, as USED */
    struct vmsim__block_stat stat;
    /* of block_layout.c */
    struct {
        VMSIM__VEC(struct vmsim__range);
    } space;               /* free, by position, neighbours joined */
    uint64_t room, placed; /* bytes that layouts may have, and do */
    uint64_t extents;      /* of all layouts */
    uint64_t scattered;    /* pieces ever spread over the device */
};
#define VMSIM__BLOCK_USED UINT64_MAX /* of fault.after: it has happened as often as it should */

struct vmsim__block {
    struct vmsim__alloc *alloc;
    struct vmsim__block_hooks hooks;
    struct vmsim__device *devices;
    uint32_t count;
    uint64_t arrivals; /* numbers given to requests */
    struct {
        VMSIM__VEC(struct vmsim__request);
        uint32_t free, nr_free;
    } requests;
    struct {
        VMSIM__VEC(struct vmsim__bio);
        uint32_t free, nr_free;
    } bios;
};

/* What becomes of a request that takes a slot now. */
struct vmsim__block_plan {
    uint64_t controller_free, arm_free;
    uint64_t ready; /* when it comes to the link */
    bool never;
    int status;
    size_t fault; /* which happens; SIZE_MAX: none */
};

static inline uint64_t vmsim__block_later(uint64_t time, uint64_t ns) {
    VMSIM__ASSERT(time <= VMSIM__BLOCK_LATEST);
    return ns > VMSIM__BLOCK_LATEST - time ? VMSIM__BLOCK_LATEST : time + ns;
}
static inline struct vmsim__request *vmsim__block_request(const struct vmsim__block *b, uint32_t index) {
    VMSIM__ASSERT(index < b->requests.count);
    return &b->requests.at[index];
}
static inline struct vmsim__bio *vmsim__block_bio(const struct vmsim__block *b, uint32_t index) {
    VMSIM__ASSERT(index < b->bios.count);
    return &b->bios.at[index];
}

/* ---- block.c ---- */

/* A submission in steps: how many pieces a run of bytes makes; memory for all pieces, and the event that begins service
 * (0 or VMSIM_ENOMEM, nothing happened); then each run. *parent is NONE before the first. */
uint64_t vmsim__block_pieces(const struct vmsim__block *b, uint32_t device, uint64_t bytes);
int vmsim__block_prepare(struct vmsim__block *b, uint32_t device, uint64_t now, uint64_t pieces);
void vmsim__block_queue(struct vmsim__block *b, uint32_t device, uint64_t now, const struct vmsim__block_io *run,
                        uint32_t *parent);

/* ---- block_queue.c ---- */

/* Room for `n` more of both. False: no host memory. */
bool vmsim__block_reserve(struct vmsim__block *b, uint64_t n);
uint32_t vmsim__request_new(struct vmsim__block *b); /* room has been reserved; zeroed but for its links */
void vmsim__request_free(struct vmsim__block *b, uint32_t index);
uint32_t vmsim__bio_new(struct vmsim__block *b);
void vmsim__bio_free(struct vmsim__block *b, uint32_t index);
void vmsim__block_append(struct vmsim__block *b, enum vmsim__block_list list, uint32_t index);
void vmsim__block_remove(struct vmsim__block *b, uint32_t index);
/* Joins a piece to a waiting request. False: none is adjacent, or none has room. */
bool vmsim__block_merge(struct vmsim__block *b, uint32_t device, const struct vmsim__block_io *piece, uint32_t bio);
/* The waiting request that goes next; NONE: nothing waits. */
uint32_t vmsim__block_next(const struct vmsim__block *b, const struct vmsim__device *d);

/* ---- block_service.c ---- */

/* ns that `bytes` take on a link; 0 for an unlimited one. */
uint64_t vmsim__block_transfer(uint64_t bytes, uint64_t bandwidth);
/* Service of `rq` from `now` on; nothing changes. */
void vmsim__block_plan(const struct vmsim__device *d, const struct vmsim__request *rq, uint64_t now,
                       struct vmsim__block_plan *plan);

/* ---- block_stat.c ---- */

/* Brings the integrals up to `now`, or to the device's latest time, which is returned. */
uint64_t vmsim__block_account(struct vmsim__device *d, uint64_t now);

#endif
