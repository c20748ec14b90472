/* SPDX-License-Identifier: MIT */
/* A reclaim policy of your own, complete: "slru", segmented LRU. What was used once is on probation, what was used
 * again is protected, up to a share of memory; what falls out of the protected segment gets a second trial.
 *
 *     new --> [ probation ] --used again--> [ protected, at most protected_percent ]
 *      gone <------ tail  ^------------ tail ------------'
 *
 * A scan passes through probation and leaves the protected segment alone. It is tried with vmsim/testing.h
 * (test_slru.c), as a shared object or linked into the test. It needs the header vmsim/policy.h and nothing else of
 * vmsim. */
#define VMSIM_PLUGIN
#include <vmsim/policy.h>

struct slru_params {
    uint64_t protected_percent;
};

static const struct vmsim_param slru_table[] = {{.name = "protected_percent",
                                                 .type = VMSIM_PARAM_UINT,
                                                 .offset = offsetof(struct slru_params, protected_percent),
                                                 .fallback = "50",
                                                 .min = 1,
                                                 .max = 99,
                                                 .doc = "Most of memory that the protected segment may have."},
                                                {0}};

struct slru {
    const struct vmsim_reclaim_services *s;
    uint64_t *rescued; /* counter: folios that were used on probation */
    uint64_t percent;
    uint32_t probation, protected; /* lists, latest at the head */
};

static int slru_create(const struct vmsim_reclaim_services *s, const struct vmsim_reclaim_scope *scope,
                       const void *params, void **context) {
    (void)scope;
    struct slru *l = s->common->allocate(s->common->host, sizeof *l);
    if (!l)
        return -1; /* VMSIM_ENOMEM */
    *context = l;
    l->s = s;
    l->percent = ((const struct slru_params *)params)->protected_percent;
    l->probation = s->list_create(s->host);
    l->protected = s->list_create(s->host);
    l->rescued = s->common->counter(s->common->host, "rescued");
    return l->probation && l->protected && l->rescued ? 0 : -1;
}

static void slru_destroy(void *context) {
    struct slru *l = context;
    l->s->common->release(l->s->common->host, l, sizeof *l);
}

static void slru_added(void *context, vmsim_folio folio, const struct vmsim_folio_access *access) {
    const struct slru *l = context;
    (void)access;
    l->s->list_add(l->s->host, l->probation, folio, false);
}

static void slru_accessed(void *context, vmsim_folio folio, const struct vmsim_folio_access *access) {
    const struct slru *l = context;
    const struct vmsim_reclaim_services *s = l->s;
    (void)access;
    *l->rescued += s->list_of(s->host, folio) == l->probation;
    s->list_move(s->host, l->protected, folio, false);
    if (s->list_length(s->host, l->protected) * 100 > s->capacity(s->host) * l->percent)
        s->list_move(s->host, l->probation, s->list_end(s->host, l->protected, true), false);
}

/* The tail of probation, then that of the protected segment. Proposed folios stay on their lists until they go. */
static uint32_t slru_evict(void *context, struct vmsim_reclaim_request *request) {
    const struct slru *l = context;
    const uint32_t lists[] = {l->probation, l->protected};
    uint32_t n = 0;
    for (unsigned i = 0; i < 2; i++) {
        vmsim_folio at = l->s->list_end(l->s->host, lists[i], true);
        for (; at && n < request->wanted; at = l->s->list_step(l->s->host, at, false))
            request->folio[n++] = at;
    }
    return n;
}

static const struct vmsim_reclaim_policy slru = {.policy = {.size = sizeof slru,
                                                            .abi = VMSIM_POLICY_ABI,
                                                            .domain = VMSIM_POLICY_RECLAIM,
                                                            .name = "slru",
                                                            .doc = "LRU in two segments: used once, used again.",
                                                            .params = slru_table,
                                                            .params_size = sizeof(struct slru_params)},
                                                 .create = slru_create,
                                                 .destroy = slru_destroy,
                                                 .folio_added = slru_added,
                                                 .folio_accessed = slru_accessed,
                                                 .evict = slru_evict};

static const struct vmsim_policy *const policies[] = {&slru.policy, NULL};

const struct vmsim_plugin *vmsim_plugin(uint32_t host_abi) {
    static const struct vmsim_plugin plugin = {sizeof plugin, VMSIM_POLICY_ABI, "slru", policies};
    return host_abi == VMSIM_POLICY_ABI ? &plugin : NULL;
}
