/* SPDX-License-Identifier: MIT */
/* What a device did, who waits for it, and whether its books are right. Kernel counterparts: block/genhd.c
 * (part_stat_read_all, update_io_ticks), exact here where the kernel samples in ticks. */
#include "block/block_impl.h"

static void integrate(struct vmsim__block_stat *s, uint64_t ns) {
    s->busy += s->in_flight ? ns : 0;
    s->weighted += s->in_flight * ns;
}

uint64_t vmsim__block_account(struct vmsim__device *d, uint64_t now) {
    VMSIM__ASSERT(now <= VMSIM__BLOCK_LATEST);
    if (now > d->clock) {
        integrate(&d->stat, now - d->clock);
        d->clock = now;
    }
    return d->clock;
}

void vmsim__block_stat(const struct vmsim__block *b, uint32_t device, uint64_t now, struct vmsim__block_stat *out) {
    VMSIM__ASSERT(device < b->count);
    const struct vmsim__device *d = &b->devices[device];
    *out = d->stat;
    out->in_service = d->list[VMSIM__BLOCK_SERVICE].count;
    if (now > d->clock)
        integrate(out, now - d->clock);
}

size_t vmsim__block_waiting(const struct vmsim__block *b, struct vmsim__block_waiter *out, size_t room) {
    size_t n = 0;
    for (uint32_t i = 0; i < b->bios.count; i++) {
        const struct vmsim__bio *bio = &b->bios.at[i];
        if (bio->parent != i)
            continue;
        if (n < room)
            out[n] = (struct vmsim__block_waiter){.cookie = bio->cookie,
                                                  .since = bio->since,
                                                  .device = bio->device,
                                                  .op = (enum vmsim__block_op)bio->op,
                                                  .hung = bio->hung};
        n++;
    }
    return n;
}

size_t vmsim__block_hung(const struct vmsim__block *b, uint32_t *device) {
    size_t n = 0;
    for (uint32_t i = 0; i < b->bios.count; i++) {
        const struct vmsim__bio *bio = &b->bios.at[i];
        if (bio->parent != i || !bio->hung)
            continue;
        *device = n++ ? *device : bio->device;
    }
    return n;
}

/* ---- the check ---- */

struct recount {
    const struct vmsim__block *b;
    struct vmsim__err *err;
    uint64_t requests, bios; /* found on lists */
};

static int wrong(struct recount *r, const struct vmsim__device *d, const char *what, uint64_t is, uint64_t should) {
    return vmsim__err_set(r->err, VMSIM_ECHECK, "device %s: %s: %llu, should be %llu", d ? d->name : "(all)", what,
                          (unsigned long long)is, (unsigned long long)should);
}

static int check_request(struct recount *r, const struct vmsim__device *d, const struct vmsim__request *rq) {
    uint64_t bios = 0;
    uint32_t last = VMSIM__BLOCK_NONE;
    for (uint32_t i = rq->first; i != VMSIM__BLOCK_NONE && bios <= r->b->bios.count; bios++) {
        const struct vmsim__bio *bio = vmsim__block_bio(r->b, i);
        if (bio->parent == VMSIM__BLOCK_NONE || vmsim__block_bio(r->b, bio->parent)->remaining == 0)
            return wrong(r, d, "a part of a request that nobody waits for", i, bio->parent);
        last = i;
        i = bio->next;
    }
    r->bios += bios;
    if (!bios || last != rq->last)
        return wrong(r, d, "last part of a request", rq->last, last);
    if (!rq->bytes || rq->position > d->params.size || rq->bytes > d->params.size - rq->position)
        return wrong(r, d, "a request beyond the device's end", rq->position, d->params.size);
    return 0;
}

static int check_list(struct recount *r, uint32_t device, unsigned list) {
    const struct vmsim__device *d = &r->b->devices[device];
    uint64_t found = 0, number = 0;
    uint32_t prev = VMSIM__BLOCK_NONE;
    for (uint32_t i = d->list[list].head; i != VMSIM__BLOCK_NONE; found++) {
        const struct vmsim__request *rq = vmsim__block_request(r->b, i);
        if (rq->list != list || rq->device != device || rq->prev != prev || found > d->list[list].count)
            return wrong(r, d, "links of a request", rq->list, list);
        if (list != VMSIM__BLOCK_SERVICE && found && rq->number <= number)
            return wrong(r, d, "order of arrival in a queue", rq->number, number);
        int err = check_request(r, d, rq);
        if (err)
            return err;
        number = rq->number;
        prev = i;
        i = rq->next;
    }
    r->requests += found;
    if (d->list[list].tail != prev)
        return wrong(r, d, "tail of a list", d->list[list].tail, prev);
    return found == d->list[list].count ? 0 : wrong(r, d, "requests of a list", d->list[list].count, found);
}

/* Free ranges in order, none touching the next, and the rest is what layouts have. */
static int check_space(struct recount *r, const struct vmsim__device *d) {
    uint64_t end = 0, sum = 0;
    for (size_t i = 0; i < d->space.count; i++) {
        const struct vmsim__range *range = &d->space.at[i];
        if (!range->bytes || (i && range->position <= end) || range->position + range->bytes > d->room)
            return wrong(r, d, "a free range", range->position, end);
        end = range->position + range->bytes;
        sum += range->bytes;
    }
    if (d->space.count > d->extents + 1)
        return wrong(r, d, "free ranges", d->space.count, d->extents + 1);
    return sum + d->placed == d->room ? 0 : wrong(r, d, "free bytes", sum, d->room - d->placed);
}

static int check_device(struct recount *r, uint32_t device) {
    const struct vmsim__device *d = &r->b->devices[device];
    uint64_t before = r->requests;
    for (unsigned l = 0; l < VMSIM__BLOCK_LISTS; l++) {
        int err = check_list(r, device, l);
        if (err)
            return err;
    }
    uint64_t service = d->list[VMSIM__BLOCK_SERVICE].count, waiting = r->requests - before - service;
    if (d->stat.in_flight != service + waiting)
        return wrong(r, d, "requests in flight", d->stat.in_flight, service + waiting);
    if (service > d->params.queue_depth)
        return wrong(r, d, "requests in service", service, d->params.queue_depth);
    if (waiting && !d->kicked && service < d->params.queue_depth)
        return wrong(r, d, "a free slot while requests wait", service, d->params.queue_depth);
    uint64_t done = d->stat.time[VMSIM__BLOCK_READ] + d->stat.time[VMSIM__BLOCK_WRITE];
    if (d->stat.weighted < done || (!d->stat.in_flight && d->stat.weighted != done))
        return wrong(r, d, "time in queue", d->stat.weighted, done);
    if (d->stat.busy > d->stat.weighted)
        return wrong(r, d, "busy time", d->stat.busy, d->stat.weighted);
    return check_space(r, d);
}

/* Each live bio hangs on one request, but for a parent whose own piece is done before the others. */
static int check_bios(struct recount *r) {
    uint64_t live = 0, hanging = 0;
    for (uint32_t i = 0; i < r->b->bios.count; i++) {
        const struct vmsim__bio *bio = &r->b->bios.at[i];
        live += bio->parent != VMSIM__BLOCK_NONE;
        hanging += bio->parent == i ? bio->remaining : 0;
    }
    if (live + r->b->bios.nr_free != r->b->bios.count)
        return wrong(r, NULL, "parts in use", live, r->b->bios.count - r->b->bios.nr_free);
    return hanging == r->bios ? 0 : wrong(r, NULL, "parts of requests", r->bios, hanging);
}

int vmsim__block_check(const struct vmsim__block *b, struct vmsim__err *err) {
    struct recount r = {.b = b, .err = err};
    for (uint32_t i = 0; i < b->count; i++) {
        int result = check_device(&r, i);
        if (result)
            return result;
    }
    if (r.requests + b->requests.nr_free != b->requests.count)
        return wrong(&r, NULL, "requests in use", r.requests, b->requests.count - b->requests.nr_free);
    return check_bios(&r);
}
