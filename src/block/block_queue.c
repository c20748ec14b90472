/* SPDX-License-Identifier: MIT */
/* Requests that wait: where they are kept, how adjacent ones are joined, which goes next. */
#include "block/block_impl.h"

/* ---- pools ---- */

/* Free entries first, the rest from the array's end. */
#define RESERVE(b, pool, n)                                                                                            \
    ((n) <= (pool).nr_free || ((n) < UINT32_MAX - (pool).count &&                                                      \
                               vmsim__vec_reserve((b)->alloc, &(pool), (pool).count + (n) - (pool).nr_free)))

bool vmsim__block_reserve(struct vmsim__block *b, uint64_t n) {
    return RESERVE(b, b->requests, n) && RESERVE(b, b->bios, n);
}

uint32_t vmsim__request_new(struct vmsim__block *b) {
    uint32_t index = b->requests.free;
    if (index == VMSIM__BLOCK_NONE) {
        VMSIM__ASSERT(b->requests.count < b->requests.capacity);
        index = (uint32_t)b->requests.count++;
    } else {
        VMSIM__ASSERT(b->requests.nr_free > 0);
        b->requests.free = vmsim__block_request(b, index)->next;
        b->requests.nr_free--;
    }
    *vmsim__block_request(b, index) = (struct vmsim__request){.next = VMSIM__BLOCK_NONE,
                                                              .prev = VMSIM__BLOCK_NONE,
                                                              .first = VMSIM__BLOCK_NONE,
                                                              .last = VMSIM__BLOCK_NONE,
                                                              .list = VMSIM__BLOCK_FREE};
    return index;
}

void vmsim__request_free(struct vmsim__block *b, uint32_t index) {
    struct vmsim__request *rq = vmsim__block_request(b, index);
    VMSIM__ASSERT(rq->list == VMSIM__BLOCK_FREE);
    *rq = (struct vmsim__request){.next = b->requests.free, .device = VMSIM__BLOCK_NONE, .list = VMSIM__BLOCK_FREE};
    b->requests.free = index;
    b->requests.nr_free++;
}

uint32_t vmsim__bio_new(struct vmsim__block *b) {
    uint32_t index = b->bios.free;
    if (index == VMSIM__BLOCK_NONE) {
        VMSIM__ASSERT(b->bios.count < b->bios.capacity);
        index = (uint32_t)b->bios.count++;
    } else {
        VMSIM__ASSERT(b->bios.nr_free > 0);
        b->bios.free = vmsim__block_bio(b, index)->next;
        b->bios.nr_free--;
    }
    *vmsim__block_bio(b, index) = (struct vmsim__bio){.next = VMSIM__BLOCK_NONE, .parent = index};
    return index;
}

void vmsim__bio_free(struct vmsim__block *b, uint32_t index) {
    struct vmsim__bio *bio = vmsim__block_bio(b, index);
    VMSIM__ASSERT(bio->parent != VMSIM__BLOCK_NONE);
    *bio = (struct vmsim__bio){.next = b->bios.free, .parent = VMSIM__BLOCK_NONE};
    b->bios.free = index;
    b->bios.nr_free++;
}

/* ---- lists ---- */

void vmsim__block_append(struct vmsim__block *b, enum vmsim__block_list list, uint32_t index) {
    struct vmsim__request *rq = vmsim__block_request(b, index);
    struct vmsim__device *d = &b->devices[rq->device];
    VMSIM__ASSERT(rq->list == VMSIM__BLOCK_FREE && list < VMSIM__BLOCK_LISTS);
    rq->list = (uint8_t)list;
    rq->next = VMSIM__BLOCK_NONE;
    rq->prev = d->list[list].tail;
    if (rq->prev == VMSIM__BLOCK_NONE)
        d->list[list].head = index;
    else
        vmsim__block_request(b, rq->prev)->next = index;
    d->list[list].tail = index;
    d->list[list].count++;
}

void vmsim__block_remove(struct vmsim__block *b, uint32_t index) {
    struct vmsim__request *rq = vmsim__block_request(b, index);
    struct vmsim__device *d = &b->devices[rq->device];
    VMSIM__ASSERT(rq->list < VMSIM__BLOCK_LISTS && d->list[rq->list].count > 0);
    if (rq->prev == VMSIM__BLOCK_NONE)
        d->list[rq->list].head = rq->next;
    else
        vmsim__block_request(b, rq->prev)->next = rq->next;
    if (rq->next == VMSIM__BLOCK_NONE)
        d->list[rq->list].tail = rq->prev;
    else
        vmsim__block_request(b, rq->next)->prev = rq->prev;
    d->list[rq->list].count--;
    rq->list = VMSIM__BLOCK_FREE;
    rq->next = rq->prev = VMSIM__BLOCK_NONE;
}

/* ---- joining ---- */

static void add_behind(struct vmsim__block *b, struct vmsim__request *rq, uint32_t bio) {
    vmsim__block_bio(b, rq->last)->next = bio;
    rq->last = bio;
}

static void add_before(struct vmsim__block *b, struct vmsim__request *rq, const struct vmsim__block_io *piece,
                       uint32_t bio) {
    vmsim__block_bio(b, bio)->next = rq->first;
    rq->first = bio;
    rq->position = piece->position;
}

/* Kernel: blk_attempt_bio_merge, back before front; a request that closes a gap between two others is joined to one of
 * them only. The time of a request stays that of its first part. */
bool vmsim__block_merge(struct vmsim__block *b, uint32_t device, const struct vmsim__block_io *piece, uint32_t bio) {
    struct vmsim__device *d = &b->devices[device];
    unsigned looks = d->params.nomerges == 0 ? VMSIM__BLOCK_MERGE_SCAN : d->params.nomerges == 1 ? 1 : 0;
    uint64_t max = d->params.max_request ? d->params.max_request : UINT64_MAX;
    uint32_t index = d->list[piece->sync ? VMSIM__BLOCK_SYNC : VMSIM__BLOCK_ASYNC].tail;
    for (; looks && index != VMSIM__BLOCK_NONE; looks--) {
        struct vmsim__request *rq = vmsim__block_request(b, index);
        index = rq->prev;
        if (rq->op != piece->op || rq->bytes >= max || piece->bytes > max - rq->bytes)
            continue;
        if (rq->position + rq->bytes == piece->position)
            add_behind(b, rq, bio);
        else if (piece->position + piece->bytes == rq->position)
            add_before(b, rq, piece, bio);
        else
            continue;
        rq->bytes += piece->bytes;
        d->stat.merges[piece->op]++;
        return true;
    }
    return false;
}

/* ---- order ---- */

uint32_t vmsim__block_next(const struct vmsim__block *b, const struct vmsim__device *d) {
    uint32_t sync = d->list[VMSIM__BLOCK_SYNC].head, async = d->list[VMSIM__BLOCK_ASYNC].head;
    if (sync == VMSIM__BLOCK_NONE || async == VMSIM__BLOCK_NONE)
        return sync == VMSIM__BLOCK_NONE ? async : sync;
    if (d->params.async_starved)
        return d->passed < d->params.async_starved ? sync : async;
    return vmsim__block_request(b, sync)->number < vmsim__block_request(b, async)->number ? sync : async;
}
