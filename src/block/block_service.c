/* SPDX-License-Identifier: MIT */
/* How long a device takes: controller, latency, arm, link; and what is injected to go wrong.
 *
 *     now           start        start + overhead                        ready             ready + transfer
 *      |-- controller --|---- overhead ----|-- latency (+ positioning) ----|--- link busy ---|--- transfer ---|
 *          still busy
 *
 * Of a disk, positioning waits for the arm, which is free when the transfer before is over; so its transfers never meet
 * on the link, and the arm's time is known as soon as a request begins. */
#include "block/block_impl.h"

#define NS_PER_SECOND UINT64_C(1000000000)

/* 128 bits: an exabyte times 10^9 would wrap in 64. */
uint64_t vmsim__block_transfer(uint64_t bytes, uint64_t bandwidth) {
    if (!bandwidth)
        return 0;
    unsigned __int128 ns = (unsigned __int128)bytes * NS_PER_SECOND / bandwidth;
    return ns > VMSIM__BLOCK_LATEST ? VMSIM__BLOCK_LATEST : (uint64_t)ns;
}

/* The root law for the arm: it accelerates over half of the way and brakes over the other half (Ruemmler and Wilkes,
 * "An introduction to disk drive modeling", 1994). The share of the disk has 40 bits, so its root has 20. */
static uint64_t seek(const struct vmsim__block_params *p, uint64_t distance) {
    VMSIM__ASSERT(p->seek_min <= p->seek_max);
    uint64_t share = (uint64_t)(((unsigned __int128)vmsim__min64(distance, p->size) << 40) / p->size);
    return p->seek_min + (uint64_t)((unsigned __int128)(p->seek_max - p->seek_min) * vmsim__isqrt(share) >> 20);
}

/* The platter's angle is not followed: half a turn is what chance gives on average. */
static uint64_t positioning(const struct vmsim__device *d, const struct vmsim__request *rq) {
    const struct vmsim__block_params *p = &d->params;
    if (!p->rpm || rq->position == d->head)
        return 0;
    uint64_t half_turn = NS_PER_SECOND * 30 / p->rpm;
    if (rq->position < d->head)
        return seek(p, d->head - rq->position) + half_turn;
    uint64_t gap = rq->position - d->head;
    uint64_t passing =
        p->bandwidth[VMSIM__BLOCK_READ] ? vmsim__block_transfer(gap, p->bandwidth[VMSIM__BLOCK_READ]) : UINT64_MAX;
    return vmsim__min64(seek(p, gap) + half_turn, passing);
}

static bool fits(const struct vmsim__block_fault *f, const struct vmsim__device *d, const struct vmsim__request *rq,
                 uint64_t now) {
    if (f->after == VMSIM__BLOCK_USED || now < f->at || d->started < f->after)
        return false;
    if ((f->op == VMSIM__BLOCK_FAULT_READ && rq->op != VMSIM__BLOCK_READ) ||
        (f->op == VMSIM__BLOCK_FAULT_WRITE && rq->op != VMSIM__BLOCK_WRITE))
        return false;
    return rq->position + rq->bytes > f->from && (!f->to || rq->position < f->to);
}

static size_t find_fault(const struct vmsim__device *d, const struct vmsim__request *rq, uint64_t now) {
    for (size_t i = 0; i < d->faults.count; i++) {
        if (fits(&d->faults.at[i], d, rq, now))
            return i;
    }
    return SIZE_MAX;
}

void vmsim__block_plan(const struct vmsim__device *d, const struct vmsim__request *rq, uint64_t now,
                       struct vmsim__block_plan *plan) {
    const struct vmsim__block_params *p = &d->params;
    uint64_t start = vmsim__max64(vmsim__max64(now, rq->arrived), d->controller_free), delay = 0;
    *plan = (struct vmsim__block_plan){.fault = find_fault(d, rq, start), .arm_free = d->arm_free};
    if (plan->fault != SIZE_MAX) {
        const struct vmsim__block_fault *f = &d->faults.at[plan->fault];
        delay = f->kind == VMSIM__BLOCK_STALL ? f->delay : 0;
        plan->never = f->kind == VMSIM__BLOCK_NEVER;
        plan->status = f->kind == VMSIM__BLOCK_ERROR ? -vmsim__block_errors[f->error] : 0;
    }
    plan->controller_free = vmsim__block_later(start, p->overhead[rq->op]);
    plan->ready = vmsim__block_later(plan->controller_free, p->latency[rq->op]);
    if (p->rpm)
        plan->ready = vmsim__block_later(vmsim__max64(plan->ready, d->arm_free), positioning(d, rq));
    plan->ready = vmsim__block_later(plan->ready, delay);
    if (p->rpm && !plan->never)
        plan->arm_free = vmsim__block_later(plan->ready, vmsim__block_transfer(rq->bytes, p->bandwidth[rq->op]));
    VMSIM__ASSERT(plan->ready >= now && plan->controller_free >= d->controller_free);
}
