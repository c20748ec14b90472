/* SPDX-License-Identifier: MIT */
/* A plugin whose policies answer what cannot be, for the tests of what is told of it. */
#define VMSIM_PLUGIN
#include <vmsim/policy.h>

static int wrong_create(const struct vmsim_policy_services *services, const struct vmsim_tlb_geometry *geometry,
                        const void *params, void **context) {
    (void)geometry, (void)params;
    uint64_t *counter = services->counter(services->host, "asked");
    services->log(services->host, "this policy is wrong on purpose");
    *context = counter;
    return counter ? 0 : -1;
}

static void wrong_destroy(void *context) {
    (void)context;
}

static uint32_t wrong_victim(void *context, const struct vmsim_tlb_set *set) {
    uint64_t *asked = context;
    return ++*asked % 2 ? 999 : set->first;
}

static const struct vmsim_tlb_replacement_policy wrong = {.policy = {.size = sizeof wrong,
                                                                     .abi = VMSIM_POLICY_ABI,
                                                                     .domain = VMSIM_POLICY_TLB_REPLACEMENT,
                                                                     .name = "wrong",
                                                                     .doc = "Every other victim is way 999."},
                                                          .create = wrong_create,
                                                          .destroy = wrong_destroy,
                                                          .victim = wrong_victim};

static bool wrong_window(void *context, const struct vmsim_readahead_request *request,
                         struct vmsim_readahead_window *window) {
    (void)context;
    *window = (struct vmsim_readahead_window){request->index, 1, 2};
    return true;
}

static const struct vmsim_readahead_policy readahead = {.policy = {.size = sizeof readahead,
                                                                   .abi = VMSIM_POLICY_ABI,
                                                                   .domain = VMSIM_POLICY_READAHEAD,
                                                                   .name = "wrong-window",
                                                                   .doc = "More ahead of need than there is."},
                                                        .window = wrong_window};

/* ---- reclaim: what goes is the oldest, and before it something that cannot ---- */

enum wrongs { TWICE, NONE, ABSENT, LOCKED, FOREIGN, REQUEST };

struct reclaim {
    const struct vmsim_reclaim_services *s;
    enum wrongs how;
    uint32_t list, cgroup;
    vmsim_folio locked;
};

static vmsim_folio latest[2]; /* of the root, of some other cgroup: what no policy should know of another instance */

static int reclaim_create(const struct vmsim_reclaim_services *s, const struct vmsim_reclaim_scope *scope,
                          enum wrongs how, void **context) {
    struct reclaim *r = s->common->allocate(s->common->host, sizeof *r);
    if (!r)
        return -1;
    r->s = s;
    r->how = how;
    r->cgroup = scope->cgroup != 0;
    r->list = s->list_create(s->host);
    *context = r;
    return r->list ? 0 : -1;
}

static void reclaim_destroy(void *context) {
    struct reclaim *r = context;
    r->s->common->release(r->s->common->host, r, sizeof *r);
}

static void reclaim_added(void *context, vmsim_folio folio, const struct vmsim_folio_access *access) {
    struct reclaim *r = context;
    (void)access;
    latest[r->cgroup] = folio;
    r->s->list_add(r->s->host, r->list, folio, false);
}

static void reclaim_evicted(void *context, vmsim_folio folio, enum vmsim_folio_end end) {
    struct reclaim *r = context;
    r->locked = end == VMSIM_FOLIO_LOCKED ? folio : r->locked;
}

static uint32_t reclaim_evict(void *context, struct vmsim_reclaim_request *q) {
    struct reclaim *r = context;
    const vmsim_folio oldest = r->s->list_end(r->s->host, r->list, true);
    const vmsim_folio first[] = {oldest, VMSIM_FOLIO_NONE, UINT64_MAX, r->locked, latest[!r->cgroup]};
    uint32_t n = 0;
    if (r->how == NONE)
        return 0;
    if (r->how == REQUEST) { /* an array of its own, which is longer */
        static vmsim_folio own[4096];
        own[0] = oldest;
        q->folio = own;
        return q->wanted = 4096;
    }
    q->folio[n++] = first[r->how];
    if (n < q->wanted)
        q->folio[n++] = oldest;
    return n;
}

#define WRONG_RECLAIM(id, title, kind)                                                                                 \
    static int id##_create(const struct vmsim_reclaim_services *s, const struct vmsim_reclaim_scope *scope,            \
                           const void *params, void **context) {                                                       \
        (void)params;                                                                                                  \
        return reclaim_create(s, scope, kind, context);                                                                \
    }                                                                                                                  \
    static const struct vmsim_reclaim_policy id = {.policy = {.size = sizeof id,                                       \
                                                              .abi = VMSIM_POLICY_ABI,                                 \
                                                              .domain = VMSIM_POLICY_RECLAIM,                          \
                                                              .name = title,                                           \
                                                              .doc = "A victim that cannot be, before the oldest."},   \
                                                   .create = id##_create,                                              \
                                                   .destroy = reclaim_destroy,                                         \
                                                   .folio_added = reclaim_added,                                       \
                                                   .evict = reclaim_evict,                                             \
                                                   .folio_evicted = reclaim_evicted};
WRONG_RECLAIM(twice, "twice", TWICE)
WRONG_RECLAIM(nobody, "nobody", NONE)
WRONG_RECLAIM(absent, "absent", ABSENT)
WRONG_RECLAIM(locked, "locked", LOCKED)
WRONG_RECLAIM(foreign, "foreign", FOREIGN)
WRONG_RECLAIM(request, "request", REQUEST)

/* ---- oom: one that is not asked about, one that may not be killed, a number that means nothing ---- */

static int32_t unkillable(const struct vmsim_oom_request *q) {
    for (uint32_t i = 0; i < q->count; i++)
        if (q->candidate[i]->adj == -1000)
            return (int32_t)i;
    return (int32_t)q->count;
}

static int32_t oom_beyond(void *context, const struct vmsim_oom_request *q) {
    (void)context;
    return (int32_t)q->count;
}
static int32_t oom_spared(void *context, const struct vmsim_oom_request *q) {
    (void)context;
    return unkillable(q);
}
static int32_t oom_below(void *context, const struct vmsim_oom_request *q) {
    (void)context, (void)q;
    return INT32_MIN;
}

#define WRONG_OOM(id, title)                                                                                           \
    static const struct vmsim_oom_policy id##_policy = {.policy = {.size = sizeof id##_policy,                         \
                                                                   .abi = VMSIM_POLICY_ABI,                            \
                                                                   .domain = VMSIM_POLICY_OOM,                         \
                                                                   .name = title,                                      \
                                                                   .doc = "A victim that cannot be."},                 \
                                                        .choose = id};
WRONG_OOM(oom_beyond, "oom-beyond")
WRONG_OOM(oom_spared, "oom-spared")
WRONG_OOM(oom_below, "oom-below")

static const struct vmsim_policy *const policies[] = {&wrong.policy,
                                                      &readahead.policy,
                                                      &twice.policy,
                                                      &nobody.policy,
                                                      &absent.policy,
                                                      &locked.policy,
                                                      &foreign.policy,
                                                      &request.policy,
                                                      &oom_beyond_policy.policy,
                                                      &oom_spared_policy.policy,
                                                      &oom_below_policy.policy,
                                                      NULL};

const struct vmsim_plugin *vmsim_plugin(uint32_t host_abi) {
    static const struct vmsim_plugin plugin = {sizeof plugin, VMSIM_POLICY_ABI, "wrong", policies};
    return host_abi == VMSIM_POLICY_ABI ? &plugin : NULL;
}
