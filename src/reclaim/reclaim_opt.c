/* SPDX-License-Identifier: MIT */
/* Reclaim "opt": Belady's, which knows the future: the folio whose next use is farthest away goes. No policy misses
 * less often, so it is the bound that the others are compared with. Only a host that has the whole trace can run it.
 * Folios that are never used again go first, the one that came first before others. (Belady: "A Study of Replacement
 * Algorithms for a Virtual-Storage Computer", IBM Systems Journal 1966.) */
#include "reclaim/reclaim_policy.h"

struct opt {
    const struct vmsim_reclaim_services *s;
    struct reclaim_heap heap; /* key: next use, the farthest is the least; tie: time of its last use */
    uint64_t time;
};

static int opt_create(const struct vmsim_reclaim_services *s, const struct vmsim_reclaim_scope *scope,
                      const void *params, void **context) {
    (void)scope, (void)params;
    struct opt *o = reclaim_allocate(s, sizeof *o);
    if (!o)
        return VMSIM_ENOMEM;
    o->s = s;
    *context = o;
    return 0;
}

static void opt_destroy(void *context) {
    struct opt *o = context;
    reclaim_heap_fini(o->s, &o->heap);
    reclaim_release(o->s, o, sizeof *o);
}

static void opt_used(void *context, vmsim_folio folio, const struct vmsim_folio_access *access) {
    struct opt *o = context;
    (void)access;
    reclaim_heap_set(
        o->s, &o->heap,
        (struct reclaim_heap_node){.key = ~o->s->next_use(o->s->host, folio), .tie = ++o->time, .folio = folio});
}

static uint32_t opt_evict(void *context, struct vmsim_reclaim_request *r) {
    const struct opt *o = context;
    return reclaim_heap_propose(&o->heap, r);
}

static void opt_evicted(void *context, vmsim_folio folio, enum vmsim_folio_end end) {
    struct opt *o = context;
    (void)end;
    reclaim_heap_remove(o->s, &o->heap, folio);
}

const struct vmsim_reclaim_policy vmsim__reclaim_opt = {
    .policy = {sizeof vmsim__reclaim_opt, VMSIM_POLICY_ABI, VMSIM_POLICY_RECLAIM, "opt",
               "Evicts the folio whose next use is farthest away (Belady; needs the trace).", NULL, 0},
    .create = opt_create,
    .destroy = opt_destroy,
    .folio_added = opt_used,
    .folio_accessed = opt_used,
    .evict = opt_evict,
    .folio_evicted = opt_evicted,
    .wants = VMSIM_RECLAIM_WANTS_FUTURE | VMSIM_RECLAIM_WANTS_REFERENCES};
