/* SPDX-License-Identifier: MIT */
/* Reclaim "clock": FIFO with a second chance. The hand looks at the oldest folio; one that was used since it came, or
 * since the hand last passed, becomes the newest and loses its mark. Only accessed bits are needed: what every kernel
 * can have. (Corbato: "A Paging Experiment with the Multics System", 1968.) */
#include "reclaim/reclaim_policy.h"

struct clock {
    const struct vmsim_reclaim_services *s;
    uint64_t *spared; /* counter: second chances given */
    uint32_t list;    /* newest at the head; the hand is the tail */
};

static int clock_create(const struct vmsim_reclaim_services *s, const struct vmsim_reclaim_scope *scope,
                        const void *params, void **context) {
    (void)scope, (void)params;
    struct clock *c = reclaim_allocate(s, sizeof *c);
    if (!c)
        return VMSIM_ENOMEM;
    *context = c;
    c->s = s;
    c->list = s->list_create(s->host);
    c->spared = s->common->counter(s->common->host, "spared");
    return c->list && c->spared ? 0 : VMSIM_ENOMEM;
}

static void clock_destroy(void *context) {
    struct clock *c = context;
    reclaim_release(c->s, c, sizeof *c);
}

static void clock_added(void *context, vmsim_folio folio, const struct vmsim_folio_access *access) {
    const struct clock *c = context;
    (void)access;
    c->s->list_add(c->s->host, c->list, folio, false);
}

/* Ends: a folio that was spared has no mark any more when the hand comes to it again. */
static uint32_t clock_evict(void *context, struct vmsim_reclaim_request *r) {
    const struct clock *c = context;
    const struct vmsim_reclaim_services *s = c->s;
    uint32_t n = 0;
    vmsim_folio hand = s->list_end(s->host, c->list, true);
    while (hand && n < r->wanted) {
        vmsim_folio next = s->list_step(s->host, hand, false);
        if (s->young(s->host, hand, true)) {
            s->list_move(s->host, c->list, hand, false);
            next = next ? next : hand;
            ++*c->spared;
        } else {
            r->folio[n++] = hand;
        }
        hand = next;
    }
    return n;
}

const struct vmsim_reclaim_policy vmsim__reclaim_clock = {
    .policy = {sizeof vmsim__reclaim_clock, VMSIM_POLICY_ABI, VMSIM_POLICY_RECLAIM, "clock",
               "FIFO with a second chance for what was used (CLOCK).", NULL, 0},
    .create = clock_create,
    .destroy = clock_destroy,
    .folio_added = clock_added,
    .evict = clock_evict};
