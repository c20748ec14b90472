/* SPDX-License-Identifier: MIT */
/* Reclaim "fifo": the folio that came first goes first, used or not. One list, newest at the head. */
#include "reclaim/reclaim_policy.h"

struct fifo {
    const struct vmsim_reclaim_services *s;
    uint32_t list;
};

static int fifo_create(const struct vmsim_reclaim_services *s, const struct vmsim_reclaim_scope *scope,
                       const void *params, void **context) {
    (void)scope, (void)params;
    struct fifo *f = reclaim_allocate(s, sizeof *f);
    if (!f)
        return VMSIM_ENOMEM;
    *context = f;
    f->s = s;
    f->list = s->list_create(s->host);
    return f->list ? 0 : VMSIM_ENOMEM;
}

static void fifo_destroy(void *context) {
    struct fifo *f = context;
    reclaim_release(f->s, f, sizeof *f);
}

static void fifo_added(void *context, vmsim_folio folio, const struct vmsim_folio_access *access) {
    const struct fifo *f = context;
    (void)access;
    f->s->list_add(f->s->host, f->list, folio, false);
}

static uint32_t fifo_evict(void *context, struct vmsim_reclaim_request *r) {
    const struct fifo *f = context;
    return reclaim_from_end(f->s, f->list, true, r);
}

const struct vmsim_reclaim_policy vmsim__reclaim_fifo = {.policy = {sizeof vmsim__reclaim_fifo, VMSIM_POLICY_ABI,
                                                                    VMSIM_POLICY_RECLAIM, "fifo",
                                                                    "Evicts the folio that came first.", NULL, 0},
                                                         .create = fifo_create,
                                                         .destroy = fifo_destroy,
                                                         .folio_added = fifo_added,
                                                         .evict = fifo_evict};
