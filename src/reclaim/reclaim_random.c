/* SPDX-License-Identifier: MIT */
/* Reclaim "random": any folio, from the instance's own stream of random numbers. */
#include "reclaim/reclaim_policy.h"

struct random {
    const struct vmsim_reclaim_services *s;
    struct reclaim_bag bag;
};

static int random_create(const struct vmsim_reclaim_services *s, const struct vmsim_reclaim_scope *scope,
                         const void *params, void **context) {
    (void)scope, (void)params;
    struct random *x = reclaim_allocate(s, sizeof *x);
    if (!x)
        return VMSIM_ENOMEM;
    x->s = s;
    *context = x;
    return 0;
}

static void random_destroy(void *context) {
    struct random *x = context;
    reclaim_bag_fini(x->s, &x->bag);
    reclaim_release(x->s, x, sizeof *x);
}

static void random_added(void *context, vmsim_folio folio, const struct vmsim_folio_access *access) {
    struct random *x = context;
    (void)access;
    reclaim_bag_add(x->s, &x->bag, folio);
}

/* What was drawn is put behind those to draw from, so that none is drawn twice. */
static uint32_t random_evict(void *context, struct vmsim_reclaim_request *r) {
    struct random *x = context;
    uint32_t n = 0;
    for (; n < r->wanted && n < x->bag.count; n++) {
        uint32_t left = x->bag.count - n;
        uint32_t at = (uint32_t)x->s->common->random(x->s->common->host, left);
        VMSIM__ASSERT(at < left);
        r->folio[n] = x->bag.at[at];
        reclaim_bag_swap(x->s, &x->bag, at, left - 1);
    }
    return n;
}

static void random_evicted(void *context, vmsim_folio folio, enum vmsim_folio_end end) {
    struct random *x = context;
    (void)end;
    reclaim_bag_remove(x->s, &x->bag, folio);
}

const struct vmsim_reclaim_policy vmsim__reclaim_random = {.policy = {sizeof vmsim__reclaim_random, VMSIM_POLICY_ABI,
                                                                      VMSIM_POLICY_RECLAIM, "random",
                                                                      "Evicts any folio.", NULL, 0},
                                                           .create = random_create,
                                                           .destroy = random_destroy,
                                                           .folio_added = random_added,
                                                           .evict = random_evict,
                                                           .folio_evicted = random_evicted};
