/* SPDX-License-Identifier: MIT */
/* Reclaim "sieve": FIFO in which a hand moves from old to new; what was used it spares where it stands.
 *
 *     head (newest) ... x  x  [hand] x  x ... tail (oldest)        spared ones stay behind the hand, so new ones are
 *                          <--                                     sifted early and survivors keep their order
 *
 * (Zhang, Yang, Yue, Vigfusson, Rashmi: "SIEVE is Simpler than LRU: an Efficient Turn-Key Eviction Algorithm for Web
 * Caches", NSDI 2024.) */
#include "reclaim/reclaim_policy.h"

struct sieve {
    const struct vmsim_reclaim_services *s;
    vmsim_folio hand; /* looked at next; NONE: the tail */
    uint32_t list;
};

static int sieve_create(const struct vmsim_reclaim_services *s, const struct vmsim_reclaim_scope *scope,
                        const void *params, void **context) {
    (void)scope, (void)params;
    struct sieve *v = reclaim_allocate(s, sizeof *v);
    if (!v)
        return VMSIM_ENOMEM;
    *context = v;
    v->s = s;
    v->list = s->list_create(s->host);
    return v->list ? 0 : VMSIM_ENOMEM;
}

static void sieve_destroy(void *context) {
    struct sieve *v = context;
    reclaim_release(v->s, v, sizeof *v);
}

static void sieve_added(void *context, vmsim_folio folio, const struct vmsim_folio_access *access) {
    const struct sieve *v = context;
    (void)access;
    v->s->list_add(v->s->host, v->list, folio, false);
}

/* One lap takes all marks, a second finds a victim; a batch ends where the hand would begin anew. */
static uint32_t sieve_evict(void *context, struct vmsim_reclaim_request *r) {
    struct sieve *v = context;
    const struct vmsim_reclaim_services *s = v->s;
    uint32_t n = 0;
    while (n < r->wanted) {
        if (!v->hand && n)
            break;
        if (!v->hand)
            v->hand = s->list_end(s->host, v->list, true);
        if (!v->hand)
            break;
        if (!s->young(s->host, v->hand, true))
            r->folio[n++] = v->hand;
        v->hand = s->list_step(s->host, v->hand, false);
    }
    return n;
}

static void sieve_evicted(void *context, vmsim_folio folio, enum vmsim_folio_end end) {
    struct sieve *v = context;
    (void)end;
    if (v->hand == folio)
        v->hand = v->s->list_step(v->s->host, folio, false);
}

const struct vmsim_reclaim_policy vmsim__reclaim_sieve = {
    .policy = {sizeof vmsim__reclaim_sieve, VMSIM_POLICY_ABI, VMSIM_POLICY_RECLAIM, "sieve",
               "FIFO with a hand that spares in place what was used (SIEVE).", NULL, 0},
    .create = sieve_create,
    .destroy = sieve_destroy,
    .folio_added = sieve_added,
    .evict = sieve_evict,
    .folio_evicted = sieve_evicted};
