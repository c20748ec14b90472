/* SPDX-License-Identifier: MIT */
/* Reclaim "lru" and "mru": exact order of use, in one list with the latest at the head. "lru" evicts from its tail;
 * "mru" from its head, which is right for a scan over more than fits, again and again: all but one page of it stays.
 *
 * Every use moves a folio to the head, so this needs a host that sees every use; real kernels, which see accessed bits
 * alone, have "clock" and what is built of it instead. */
#include "reclaim/reclaim_policy.h"

struct lru {
    const struct vmsim_reclaim_services *s;
    uint32_t list;
};

static int lru_create(const struct vmsim_reclaim_services *s, const struct vmsim_reclaim_scope *scope,
                      const void *params, void **context) {
    (void)scope, (void)params;
    struct lru *l = reclaim_allocate(s, sizeof *l);
    if (!l)
        return VMSIM_ENOMEM;
    *context = l;
    l->s = s;
    l->list = s->list_create(s->host);
    return l->list ? 0 : VMSIM_ENOMEM;
}

static void lru_destroy(void *context) {
    struct lru *l = context;
    reclaim_release(l->s, l, sizeof *l);
}

static void lru_added(void *context, vmsim_folio folio, const struct vmsim_folio_access *access) {
    const struct lru *l = context;
    (void)access;
    l->s->list_add(l->s->host, l->list, folio, false);
}

static void lru_accessed(void *context, vmsim_folio folio, const struct vmsim_folio_access *access) {
    const struct lru *l = context;
    (void)access;
    l->s->list_move(l->s->host, l->list, folio, false);
}

static uint32_t lru_evict(void *context, struct vmsim_reclaim_request *r) {
    const struct lru *l = context;
    return reclaim_from_end(l->s, l->list, true, r);
}

static uint32_t mru_evict(void *context, struct vmsim_reclaim_request *r) {
    const struct lru *l = context;
    return reclaim_from_end(l->s, l->list, false, r);
}

const struct vmsim_reclaim_policy vmsim__reclaim_lru = {
    .policy = {sizeof vmsim__reclaim_lru, VMSIM_POLICY_ABI, VMSIM_POLICY_RECLAIM, "lru",
               "Evicts the folio whose last use is longest ago.", NULL, 0},
    .create = lru_create,
    .destroy = lru_destroy,
    .folio_added = lru_added,
    .folio_accessed = lru_accessed,
    .evict = lru_evict,
    .wants = VMSIM_RECLAIM_WANTS_REFERENCES};

const struct vmsim_reclaim_policy vmsim__reclaim_mru = {.policy = {sizeof vmsim__reclaim_mru, VMSIM_POLICY_ABI,
                                                                   VMSIM_POLICY_RECLAIM, "mru",
                                                                   "Evicts the folio that was used last.", NULL, 0},
                                                        .create = lru_create,
                                                        .destroy = lru_destroy,
                                                        .folio_added = lru_added,
                                                        .folio_accessed = lru_accessed,
                                                        .evict = mru_evict,
                                                        .wants = VMSIM_RECLAIM_WANTS_REFERENCES};
