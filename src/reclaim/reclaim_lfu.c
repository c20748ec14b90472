/* SPDX-License-Identifier: MIT */
/* Reclaim "lfu": the least often used goes first; old fame fades.
 *
 * A folio's value is the number of its uses plus the age of the cache at its last use, and the age is the value of the
 * last folio that went. So a newcomer starts level with what is about to go, and what was used a thousand times a day
 * ago is overtaken in the end. Of equal values the one used longest ago goes. (LFU with dynamic aging: Arlitt,
 * Cherkasova, Dilley, Friedrich, Jin, "Evaluating Content Management Techniques for Web Proxy Caches", 1999.) */
#include "reclaim/reclaim_policy.h"

struct lfu_params {
    bool aging;
};

struct lfu {
    const struct vmsim_reclaim_services *s;
    struct reclaim_heap heap; /* key: value; tie: time of last use; note: uses */
    uint64_t age, time;       /* time: uses of all folios so far */
    bool aging;
};

static const struct vmsim_param lfu_table[] = {
    {.name = "aging",
     .type = VMSIM_PARAM_BOOL,
     .offset = offsetof(struct lfu_params, aging),
     .fallback = "true",
     .doc = "Whether a folio's uses fade; false: plain LFU, counted since the folio came."},
    {0}};

static int lfu_create(const struct vmsim_reclaim_services *s, const struct vmsim_reclaim_scope *scope,
                      const void *params, void **context) {
    (void)scope;
    struct lfu *l = reclaim_allocate(s, sizeof *l);
    if (!l)
        return VMSIM_ENOMEM;
    l->s = s;
    l->aging = ((const struct lfu_params *)params)->aging;
    *context = l;
    return 0;
}

static void lfu_destroy(void *context) {
    struct lfu *l = context;
    reclaim_heap_fini(l->s, &l->heap);
    reclaim_release(l->s, l, sizeof *l);
}

static void lfu_use(struct lfu *l, vmsim_folio folio, uint64_t uses) {
    VMSIM__ASSERT(uses > 0);
    reclaim_heap_set(l->s, &l->heap,
                     (struct reclaim_heap_node){.key = l->age + uses, .tie = ++l->time, .folio = folio, .note = uses});
}

static void lfu_added(void *context, vmsim_folio folio, const struct vmsim_folio_access *access) {
    (void)access;
    lfu_use(context, folio, 1);
}

static void lfu_accessed(void *context, vmsim_folio folio, const struct vmsim_folio_access *access) {
    struct lfu *l = context;
    const struct reclaim_heap_node *node = reclaim_heap_of(l->s, &l->heap, folio);
    (void)access;
    lfu_use(l, folio, node ? node->note + 1 : 1);
}

static uint32_t lfu_evict(void *context, struct vmsim_reclaim_request *r) {
    const struct lfu *l = context;
    return reclaim_heap_propose(&l->heap, r);
}

static void lfu_evicted(void *context, vmsim_folio folio, enum vmsim_folio_end end) {
    struct lfu *l = context;
    const struct reclaim_heap_node *node = reclaim_heap_of(l->s, &l->heap, folio);
    if (l->aging && node && end == VMSIM_FOLIO_RECLAIMED)
        l->age = vmsim__max64(l->age, node->key);
    reclaim_heap_remove(l->s, &l->heap, folio);
}

const struct vmsim_reclaim_policy vmsim__reclaim_lfu = {
    .policy = {sizeof vmsim__reclaim_lfu, VMSIM_POLICY_ABI, VMSIM_POLICY_RECLAIM, "lfu",
               "Evicts the least often used folio; old uses fade (LFU with dynamic aging).", lfu_table,
               sizeof(struct lfu_params)},
    .create = lfu_create,
    .destroy = lfu_destroy,
    .folio_added = lfu_added,
    .folio_accessed = lfu_accessed,
    .evict = lfu_evict,
    .folio_evicted = lfu_evicted,
    .wants = VMSIM_RECLAIM_WANTS_REFERENCES};
