/* SPDX-License-Identifier: MIT */
/* The life of a transfer: submitted, queued, given a slot, on the link, done (see block.h for the rules).
 *
 * Three kinds of events, each of which asks the clock for at most one successor of its own plus those of the requests
 * that it gives slots to:
 *
 *     KICK device       service begins: waiting requests take the free slots
 *     READY request     its latency is over: it takes the link
 *     DONE request      its last byte has moved: slots are filled again, its submitters are told
 *
 * Whatever asks for an event is done before anything that cannot be undone, so a schedule() that finds no host memory
 * leaves an event to be given once more. */
#include "block/block_impl.h"
#include "block/block_layout.h"

#include <string.h>

enum event { EVENT_KICK, EVENT_READY, EVENT_DONE };

static bool schedule(struct vmsim__block *b, uint64_t time, enum event event, uint32_t index) {
    return b->hooks.schedule(b->hooks.context, time, (uint64_t)event << 32 | index);
}

/* ---- making ---- */

static bool make_device(struct vmsim__block *b, struct vmsim__device *d, const struct vmsim__block_spec *spec) {
    const struct vmsim__block_fault *faults = spec->faults.data;
    vmsim__block_settle(spec, &d->params);
    for (unsigned l = 0; l < VMSIM__BLOCK_LISTS; l++)
        d->list[l].head = d->list[l].tail = VMSIM__BLOCK_NONE;
    d->name = vmsim__strdup(b->alloc, spec->name);
    if (!d->name || !vmsim__vec_reserve(b->alloc, &d->faults, spec->faults.count) ||
        !vmsim__vec_reserve(b->alloc, &d->space, 1))
        return false;
    d->room = vmsim__align_down(d->params.size, VMSIM__LAYOUT_BLOCK);
    d->space.at[d->space.count++] = (struct vmsim__range){0, d->room};
    for (size_t i = 0; i < spec->faults.count; i++)
        d->faults.at[d->faults.count++] = faults[i];
    return true;
}

struct vmsim__block *vmsim__block_create(struct vmsim__alloc *alloc, const struct vmsim__block_spec *specs,
                                         size_t count, const struct vmsim__block_hooks *hooks) {
    VMSIM__ASSERT(count < VMSIM__BLOCK_NO_DEVICE && hooks->schedule && hooks->complete);
    struct vmsim__block *b = vmsim__calloc(alloc, 1, sizeof *b);
    if (!b)
        return NULL;
    b->alloc = alloc;
    b->hooks = *hooks;
    b->requests.free = b->bios.free = VMSIM__BLOCK_NONE;
    b->devices = vmsim__calloc(alloc, count, sizeof *b->devices);
    b->count = b->devices ? (uint32_t)count : 0;
    bool made = b->devices || !count;
    for (uint32_t i = 0; i < b->count && made; i++)
        made = make_device(b, &b->devices[i], &specs[i]);
    if (made)
        return b;
    vmsim__block_destroy(b);
    return NULL;
}

void vmsim__block_destroy(struct vmsim__block *b) {
    if (!b)
        return;
    for (uint32_t i = 0; i < b->count; i++) {
        if (b->devices[i].name)
            vmsim__strfree(b->alloc, b->devices[i].name);
        vmsim__vec_fini(b->alloc, &b->devices[i].faults);
        vmsim__vec_fini(b->alloc, &b->devices[i].space);
    }
    vmsim__vec_fini(b->alloc, &b->requests);
    vmsim__vec_fini(b->alloc, &b->bios);
    vmsim__free(b->alloc, b->devices, b->count * sizeof *b->devices);
    vmsim__free(b->alloc, b, sizeof *b);
}

uint32_t vmsim__block_devices(const struct vmsim__block *b) {
    return b->count;
}

uint32_t vmsim__block_find(const struct vmsim__block *b, const char *name) {
    for (uint32_t i = 0; i < b->count; i++) {
        if (!strcmp(b->devices[i].name, name))
            return i;
    }
    return VMSIM__BLOCK_NO_DEVICE;
}

const char *vmsim__block_name(const struct vmsim__block *b, uint32_t device) {
    VMSIM__ASSERT(device < b->count);
    return b->devices[device].name;
}

const struct vmsim__block_params *vmsim__block_params(const struct vmsim__block *b, uint32_t device) {
    VMSIM__ASSERT(device < b->count);
    return &b->devices[device].params;
}

int vmsim__block_inject(struct vmsim__block *b, uint32_t device, const struct vmsim__block_fault *fault) {
    VMSIM__ASSERT(device < b->count);
    struct vmsim__device *d = &b->devices[device];
    struct vmsim__block_fault f = *fault;
    f.after = f.after > VMSIM__BLOCK_USED - 1 - d->started ? VMSIM__BLOCK_USED - 1 : f.after + d->started;
    return vmsim__vec_push(b->alloc, &d->faults, f) ? 0 : VMSIM_ENOMEM;
}

/* ---- submission ---- */

static void new_request(struct vmsim__block *b, uint32_t device, const struct vmsim__block_io *piece, uint32_t bio) {
    struct vmsim__device *d = &b->devices[device];
    uint32_t index = vmsim__request_new(b);
    struct vmsim__request *rq = vmsim__block_request(b, index);
    rq->position = piece->position;
    rq->bytes = piece->bytes;
    rq->arrived = d->clock;
    rq->number = b->arrivals++;
    rq->first = rq->last = bio;
    rq->device = device;
    rq->op = (uint8_t)piece->op;
    vmsim__block_append(b, piece->sync ? VMSIM__BLOCK_SYNC : VMSIM__BLOCK_ASYNC, index);
    d->stat.in_flight++;
    d->stat.max_in_flight = vmsim__max64(d->stat.max_in_flight, d->stat.in_flight);
}

uint64_t vmsim__block_pieces(const struct vmsim__block *b, uint32_t device, uint64_t bytes) {
    VMSIM__ASSERT(device < b->count && bytes > 0);
    uint64_t max = b->devices[device].params.max_request;
    return max ? (bytes - 1) / max + 1 : 1;
}

int vmsim__block_prepare(struct vmsim__block *b, uint32_t device, uint64_t now, uint64_t pieces) {
    struct vmsim__device *d = &b->devices[device];
    bool kick = !d->kicked && d->list[VMSIM__BLOCK_SERVICE].count < d->params.queue_depth;
    if (!vmsim__block_reserve(b, pieces) || (kick && !schedule(b, vmsim__max64(now, d->clock), EVENT_KICK, device)))
        return VMSIM_ENOMEM;
    d->kicked = d->kicked || kick;
    vmsim__block_account(d, now);
    return 0;
}

static uint32_t new_parent(struct vmsim__block *b, uint32_t device, uint64_t now, const struct vmsim__block_io *io) {
    uint32_t index = vmsim__bio_new(b);
    struct vmsim__bio *bio = vmsim__block_bio(b, index);
    bio->cookie = io->cookie;
    bio->since = now;
    bio->device = device;
    bio->op = (uint8_t)io->op;
    return index;
}

void vmsim__block_queue(struct vmsim__block *b, uint32_t device, uint64_t now, const struct vmsim__block_io *run,
                        uint32_t *parent) {
    const struct vmsim__device *d = &b->devices[device];
    VMSIM__ASSERT(run->op < VMSIM__BLOCK_OPS && run->bytes > 0);
    VMSIM__ASSERT(run->position <= d->params.size && run->bytes <= d->params.size - run->position);
    uint64_t max = d->params.max_request ? d->params.max_request : run->bytes;
    for (uint64_t done = 0; done < run->bytes; done += max) {
        struct vmsim__block_io piece = *run;
        piece.position += done;
        piece.bytes = vmsim__min64(max, run->bytes - done);
        bool first = *parent == VMSIM__BLOCK_NONE;
        uint32_t bio = first ? new_parent(b, device, now, run) : vmsim__bio_new(b);
        *parent = first ? bio : *parent;
        vmsim__block_bio(b, bio)->parent = *parent;
        vmsim__block_bio(b, *parent)->remaining++;
        if (!vmsim__block_merge(b, device, &piece, bio))
            new_request(b, device, &piece, bio);
    }
}

int vmsim__block_submit(struct vmsim__block *b, uint32_t device, uint64_t now, const struct vmsim__block_io *io) {
    uint32_t parent = VMSIM__BLOCK_NONE;
    int err = vmsim__block_prepare(b, device, now, vmsim__block_pieces(b, device, io->bytes));
    if (!err)
        vmsim__block_queue(b, device, now, io, &parent);
    return err;
}

/* ---- service ---- */

static void mark_hung(struct vmsim__block *b, const struct vmsim__request *rq) {
    for (uint32_t i = rq->first; i != VMSIM__BLOCK_NONE; i = vmsim__block_bio(b, i)->next)
        vmsim__block_bio(b, vmsim__block_bio(b, i)->parent)->hung = true;
}

static void use_fault(struct vmsim__block_fault *f) {
    if (f->count && --f->count == 0)
        f->after = VMSIM__BLOCK_USED;
}

/* The queues' turn: a sync request passes a waiting async one, or there is nothing left to pass. */
static void count_passing(struct vmsim__device *d, unsigned list) {
    if (list == VMSIM__BLOCK_SYNC && d->list[VMSIM__BLOCK_ASYNC].count)
        d->passed++;
    else
        d->passed = 0;
}

/* Gives a slot to the waiting request `index`. */
static int start(struct vmsim__block *b, struct vmsim__device *d, uint32_t index, uint64_t now) {
    struct vmsim__request *rq = vmsim__block_request(b, index);
    struct vmsim__block_plan plan;
    vmsim__block_plan(d, rq, now, &plan);
    if (!plan.never && !schedule(b, plan.ready, EVENT_READY, index))
        return VMSIM_ENOMEM;
    count_passing(d, rq->list);
    vmsim__block_remove(b, index);
    vmsim__block_append(b, VMSIM__BLOCK_SERVICE, index);
    d->controller_free = plan.controller_free;
    d->arm_free = plan.arm_free;
    d->head = rq->position + rq->bytes;
    rq->status = plan.status;
    if (plan.fault != SIZE_MAX)
        use_fault(&d->faults.at[plan.fault]);
    if (plan.never)
        mark_hung(b, rq);
    d->started++;
    d->stat.max_in_service = vmsim__max64(d->stat.max_in_service, d->list[VMSIM__BLOCK_SERVICE].count);
    VMSIM__ASSERT(d->stat.max_in_service <= d->params.queue_depth);
    return 0;
}

/* Gives the free slots to waiting requests. */
static int fill(struct vmsim__block *b, struct vmsim__device *d, uint64_t now) {
    while (d->list[VMSIM__BLOCK_SERVICE].count < d->params.queue_depth) {
        uint32_t next = vmsim__block_next(b, d);
        if (next == VMSIM__BLOCK_NONE)
            return 0;
        int err = start(b, d, next, now);
        if (err)
            return err;
    }
    return 0;
}

/* ---- completion ---- */

/* Tells those whose last piece this was. The chain hangs on no request any more, and a hook may submit: nothing but
 * indices is held across it. */
static void tell(struct vmsim__block *b, uint32_t chain, int status, uint64_t now) {
    while (chain != VMSIM__BLOCK_NONE) {
        uint32_t index = chain, parent = vmsim__block_bio(b, chain)->parent;
        struct vmsim__bio *p = vmsim__block_bio(b, parent);
        VMSIM__ASSERT(p->remaining > 0 && p->parent == parent);
        chain = vmsim__block_bio(b, index)->next;
        p->status = p->status ? p->status : status;
        p->remaining--;
        if (index != parent)
            vmsim__bio_free(b, index);
        if (p->remaining)
            continue;
        struct vmsim__bio done = *p;
        vmsim__bio_free(b, parent);
        b->hooks.complete(b->hooks.context, done.cookie, done.status, now);
    }
}

static void count_done(struct vmsim__device *d, const struct vmsim__request *rq) {
    VMSIM__ASSERT(d->stat.in_flight > 0 && d->clock >= rq->arrived);
    d->stat.in_flight--;
    d->stat.ios[rq->op]++;
    d->stat.bytes[rq->op] += rq->bytes;
    d->stat.time[rq->op] += d->clock - rq->arrived;
    d->stat.errors[rq->op] += rq->status != 0;
}

/* The slot is given on before anybody is told: requests that have waited go before those that a hook submits. */
static int finish(struct vmsim__block *b, uint32_t index, uint64_t now) {
    struct vmsim__device *d = &b->devices[vmsim__block_request(b, index)->device];
    vmsim__block_account(d, now);
    vmsim__block_remove(b, index);
    int err = fill(b, d, now);
    if (err) {
        vmsim__block_append(b, VMSIM__BLOCK_SERVICE, index);
        return err;
    }
    struct vmsim__request rq = *vmsim__block_request(b, index);
    count_done(d, &rq);
    if (b->hooks.served)
        b->hooks.served(b->hooks.context, rq.device, rq.op, rq.bytes, rq.arrived, d->clock);
    vmsim__request_free(b, index);
    tell(b, rq.first, rq.status, now);
    return 0;
}

/* A link without a bandwidth takes no time and is never in the way. */
static int take_link(struct vmsim__block *b, uint32_t index, uint64_t now) {
    const struct vmsim__request *rq = vmsim__block_request(b, index);
    struct vmsim__device *d = &b->devices[rq->device];
    uint64_t bandwidth = d->params.bandwidth[rq->op];
    if (!bandwidth)
        return finish(b, index, now);
    uint64_t done = vmsim__block_later(vmsim__max64(now, d->link_free), vmsim__block_transfer(rq->bytes, bandwidth));
    if (!schedule(b, done, EVENT_DONE, index))
        return VMSIM_ENOMEM;
    d->link_free = done;
    return 0;
}

static int kick(struct vmsim__block *b, uint32_t device, uint64_t now) {
    struct vmsim__device *d = &b->devices[device];
    vmsim__block_account(d, now);
    int err = fill(b, d, now);
    d->kicked = err != 0;
    return err;
}

int vmsim__block_event(struct vmsim__block *b, uint64_t arg, uint64_t now) {
    uint32_t index = (uint32_t)arg;
    VMSIM__ASSERT(arg >> 32 <= EVENT_DONE && now <= VMSIM__BLOCK_LATEST);
    switch ((enum event)(arg >> 32)) {
    case EVENT_KICK:
        return kick(b, index, now);
    case EVENT_READY:
        return take_link(b, index, now);
    default:
        return finish(b, index, now);
    }
}
