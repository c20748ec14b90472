/* SPDX-License-Identifier: MIT */
/* The services of reclaim policies that are about lists and about what a policy keeps with a folio, and the check of
 * what it proposes. A policy may call with any number: each is looked at first, and what cannot be is reported and
 * changes nothing.
 *
 *         pool (one a machine)   node[]    word[]   shadow[]      by folio number; 0 is nobody
 *         instance               lists[]   head, tail, length     by list number; 0 is none
 *
 * A folio is on one list of one instance at most, so that links lie in its node and a list costs nothing for each
 * folio. Nodes say whose a folio is by the instance's tag in their flags: a number of another node or cgroup is as
 * wrong as one that never was. Lists and nodes are found by number and not by pointer, because a plugin hands back
 * what it likes. The shape of the services is that of the kernel's cache_ext lists (list add, move, del, iterate),
 * which is why they are no richer than that. */
#include <stdio.h>

#include "reclaim/reclaim.h"

#define THERE VMSIM__RECLAIM_THERE

/* NULL: no folio of this instance, be it out of range, gone, or of another. */
VMSIM__INLINE struct vmsim__reclaim_node *node_of(struct vmsim__reclaim *r, vmsim_folio folio) {
    return vmsim__reclaim_has(r, folio) ? &r->node[folio] : NULL;
}

/* Why a folio is none of this instance's. */
static const char *excuse(struct vmsim__reclaim *r, vmsim_folio folio) {
    const bool known = folio && folio <= r->folios;
    if (known && (r->node[folio].flags & THERE))
        return "of another node or cgroup";
    const char *why = known && r->excuse ? r->excuse(r, folio) : NULL;
    return why ? why : "not there";
}

VMSIM__INLINE struct vmsim__reclaim_list *list_of(struct vmsim__reclaim *r, uint32_t list) {
    return VMSIM__LIKELY(list && list < r->lists.count) ? &r->lists.at[list] : NULL;
}

/* Out of line, since it formats a text and no sound policy comes here. Which of the reasons it was is found out anew:
 * callers look at all at once. Always false, 0 or none, whatever the caller returns. */
static VMSIM__NOINLINE bool wrong(struct vmsim__reclaim *r, const char *call, uint32_t list, vmsim_folio folio) {
    unsigned long long number = (unsigned long long)folio;
    if (list && !list_of(r, list))
        vmsim__policy_fallback(&r->instance, "called %s() for list %u, which it never made", call, list);
    else if (!node_of(r, folio))
        vmsim__policy_fallback(&r->instance, "called %s() for folio %llu, which is %s", call, number, excuse(r, folio));
    else if (r->node[folio].list)
        vmsim__policy_fallback(&r->instance, "called %s() for folio %llu, which is on list %u", call, number,
                               r->node[folio].list);
    else
        vmsim__policy_fallback(&r->instance, "called %s() for folio %llu, which is on no list", call, number);
    return false;
}

/* Neighbour 0 is the list itself: its head or tail is what then changes. Both this and the next are inlined into every
 * service, for a policy such as lru does little else at a reference. */
VMSIM__INLINE void unlink_folio(struct vmsim__reclaim *r, struct vmsim__reclaim_node *n) {
    struct vmsim__reclaim_list *l = &r->lists.at[n->list];
    VMSIM__ASSERT(n->list && l->length);
    *(n->prev ? &r->node[n->prev].next : &l->head) = n->next;
    *(n->next ? &r->node[n->next].prev : &l->tail) = n->prev;
    l->length--;
    n->list = 0;
}

VMSIM__INLINE void link_folio(struct vmsim__reclaim *r, uint32_t list, struct vmsim__reclaim_node *n, bool tail) {
    struct vmsim__reclaim_list *l = &r->lists.at[list];
    uint32_t number = (uint32_t)(n - r->node);
    VMSIM__ASSERT(!n->list && number);
    n->list = list;
    n->next = tail ? 0 : l->head;
    n->prev = tail ? l->tail : 0;
    *(n->prev ? &r->node[n->prev].next : &l->head) = number;
    *(n->next ? &r->node[n->next].prev : &l->tail) = number;
    l->length++;
}

/* The first list that is made is number 1: 0 stays free for "on no list". */
static uint32_t list_create(void *host) {
    struct vmsim__reclaim *r = host;
    struct vmsim__reclaim_list none = {0};
    if (!r->lists.count && !vmsim__vec_push(r->alloc, &r->lists, none))
        return 0;
    return vmsim__vec_push(r->alloc, &r->lists, none) ? (uint32_t)(r->lists.count - 1) : 0;
}

static bool list_add(void *host, uint32_t list, vmsim_folio folio, bool tail) {
    struct vmsim__reclaim *r = host;
    struct vmsim__reclaim_node *n = node_of(r, folio);
    if (VMSIM__UNLIKELY(!n || n->list || !list_of(r, list)))
        return wrong(r, "list_add", list, folio);
    link_folio(r, list, n, tail);
    return true;
}

/* A move to where it is already is the usual case of a hot page, and touches no neighbours. Moving between lists is
 * one call and not two, so that a policy cannot lose a folio between them. */
static bool list_move(void *host, uint32_t list, vmsim_folio folio, bool tail) {
    struct vmsim__reclaim *r = host;
    struct vmsim__reclaim_node *n = node_of(r, folio);
    const struct vmsim__reclaim_list *l = list_of(r, list);
    if (VMSIM__UNLIKELY(!n || !n->list || !l))
        return wrong(r, "list_move", list, folio);
    if (n->list == list && (tail ? l->tail : l->head) == folio)
        return true;
    unlink_folio(r, n);
    link_folio(r, list, n, tail);
    return true;
}

static bool list_remove(void *host, vmsim_folio folio) {
    struct vmsim__reclaim *r = host;
    struct vmsim__reclaim_node *n = node_of(r, folio);
    if (VMSIM__UNLIKELY(!n || !n->list))
        return wrong(r, "list_remove", 0, folio);
    unlink_folio(r, n);
    return true;
}

/* For list 0, too, a number is reported that was never given, and not "no list". */
static vmsim_folio list_end(void *host, uint32_t list, bool tail) {
    struct vmsim__reclaim *r = host;
    const struct vmsim__reclaim_list *l = list_of(r, list);
    if (VMSIM__UNLIKELY(!l))
        return wrong(r, "list_end", list ? list : UINT32_MAX, VMSIM_FOLIO_NONE);
    return tail ? l->tail : l->head;
}

static vmsim_folio list_pop(void *host, uint32_t list, bool tail) {
    vmsim_folio folio = list_end(host, list, tail);
    if (folio)
        list_remove(host, folio);
    return folio;
}

/* From a folio that is on no list there is no next one: an iteration that removed its folio first is told so. */
static vmsim_folio list_step(void *host, vmsim_folio folio, bool tail) {
    struct vmsim__reclaim *r = host;
    const struct vmsim__reclaim_node *n = node_of(r, folio);
    if (VMSIM__UNLIKELY(!n || !n->list))
        return wrong(r, "list_step", 0, folio);
    return tail ? n->next : n->prev;
}

static uint64_t list_length(void *host, uint32_t list) {
    struct vmsim__reclaim *r = host;
    const struct vmsim__reclaim_list *l = list_of(r, list);
    return l ? l->length : wrong(r, "list_length", list ? list : UINT32_MAX, VMSIM_FOLIO_NONE);
}

static uint32_t list_of_folio(void *host, vmsim_folio folio) {
    struct vmsim__reclaim *r = host;
    const struct vmsim__reclaim_node *n = node_of(r, folio);
    return n ? n->list : wrong(r, "list_of", 0, folio);
}

/* `last` is where it ends, whatever is rotated behind that. */
static uint64_t list_iterate(void *host, uint32_t list, bool tail, uint64_t limit,
                             enum vmsim_list_verdict (*visit)(void *context, vmsim_folio folio), void *context) {
    struct vmsim__reclaim *r = host;
    uint64_t seen = 0, length = list_length(r, list);
    vmsim_folio at = length ? list_end(r, list, tail) : VMSIM_FOLIO_NONE;
    while (at && seen < limit && seen < length) {
        vmsim_folio next = list_step(r, at, !tail);
        enum vmsim_list_verdict verdict = visit(context, at);
        seen++;
        if (verdict == VMSIM_LIST_ROTATE)
            list_move(r, list, at, !tail);
        if (verdict == VMSIM_LIST_STOP)
            break;
        at = next;
    }
    return seen;
}

bool vmsim__reclaim_young(struct vmsim__reclaim *r, vmsim_folio folio, bool clear) {
    struct vmsim__reclaim_node *n = node_of(r, folio);
    if (VMSIM__UNLIKELY(!n))
        return wrong(r, "young", 0, folio);
    bool was = n->flags & VMSIM__RECLAIM_YOUNG;
    n->flags &= clear ? ~VMSIM__RECLAIM_YOUNG : ~0u;
    return was;
}

static bool young(void *host, vmsim_folio folio, bool clear) {
    return vmsim__reclaim_young(host, folio, clear);
}

/* What a policy keeps with a folio: it lasts as long as the folio, and begins as 0. */
static uint64_t *word(void *host, vmsim_folio folio) {
    struct vmsim__reclaim *r = host;
    if (VMSIM__LIKELY(node_of(r, folio) != NULL))
        return &r->word[folio];
    wrong(r, "word", 0, folio);
    return NULL;
}

/* Kept here until the folio goes; then the host stores it where the folio was, as the kernel stores a shadow entry.
 */
static bool shadow_write(void *host, vmsim_folio folio, uint64_t value) {
    struct vmsim__reclaim *r = host;
    if (VMSIM__UNLIKELY(!node_of(r, folio)))
        return wrong(r, "shadow_write", 0, folio);
    r->shadow[folio] = value;
    return true;
}

/* The policy hears of it first, while the folio is still what it was and on its list; what the policy has forgotten to
 * take off a list is taken off here, without a report: most need not care. */
uint64_t vmsim__reclaim_remove(struct vmsim__reclaim *r, uint32_t number, enum vmsim_folio_end end) {
    struct vmsim__reclaim_node *n = node_of(r, number);
    VMSIM__ASSERT(n);
    if (r->policy->folio_evicted)
        r->policy->folio_evicted(r->instance.context, number, end);
    if (n->list)
        unlink_folio(r, n);
    n->flags = 0;
    VMSIM__ASSERT(r->there);
    r->there--;
    return r->shadow[number];
}

/* Some folio that is there, without a policy: the next one by number. */
static uint32_t unasked(struct vmsim__reclaim *r) {
    VMSIM__ASSERT(r->there);
    do {
        r->unasked = r->unasked < r->folios ? r->unasked + 1 : 1;
    } while (!vmsim__reclaim_has(r, r->unasked));
    return r->unasked;
}

/* The request is the host's: how many there is room for, and where, is not what a policy left in it. */
uint32_t vmsim__reclaim_ask(struct vmsim__reclaim *r, struct vmsim_reclaim_request *q) {
    VMSIM__ASSERT(q->folio && q->wanted);
    struct vmsim_reclaim_request theirs = *q;
    uint32_t n = r->policy->evict(r->instance.context, &theirs), good = 0;
    if (VMSIM__UNLIKELY(theirs.folio != q->folio || theirs.wanted != q->wanted))
        vmsim__policy_fallback(&r->instance, "changed the request that it was to fill: %u folios were wanted, not %u%s",
                               q->wanted, theirs.wanted, theirs.folio == q->folio ? "" : ", and somewhere else");
    if (VMSIM__UNLIKELY(n > q->wanted)) {
        vmsim__policy_fallback(&r->instance, "proposed %u folios where %u were wanted", n, q->wanted);
        n = q->wanted;
    }
    for (uint32_t i = 0; i < n; i++) {
        struct vmsim__reclaim_node *node = node_of(r, q->folio[i]);
        if (VMSIM__LIKELY(node && !(node->flags & VMSIM__RECLAIM_PROPOSED))) {
            node->flags |= VMSIM__RECLAIM_PROPOSED;
            q->folio[good++] = q->folio[i];
        } else {
            vmsim__policy_fallback(&r->instance, "proposed folio %llu, which is %s", (unsigned long long)q->folio[i],
                                   node ? "in the batch already" : excuse(r, q->folio[i]));
        }
    }
    for (uint32_t i = 0; i < good; i++)
        r->node[q->folio[i]].flags &= ~VMSIM__RECLAIM_PROPOSED;
    if (VMSIM__UNLIKELY(!good && r->there))
        vmsim__policy_fallback(&r->instance, "proposed none of %u folios", r->there);
    return good;
}

/* Somebody has to go even if the policy names nobody, or memory would never be had again; reported it was already by
 * vmsim__reclaim_ask. */
uint32_t vmsim__reclaim_evict(struct vmsim__reclaim *r, struct vmsim_reclaim_request *q) {
    uint32_t good = vmsim__reclaim_ask(r, q);
    if (VMSIM__UNLIKELY(!good && r->there))
        q->folio[good++] = unasked(r);
    return good;
}

/* What asks about a folio (facts, now, capacity) is the host's, which knows frames; it is added at creation. */
static const struct vmsim_reclaim_services lists = {.size = sizeof lists,
                                                    .abi = VMSIM_POLICY_ABI,
                                                    .list_create = list_create,
                                                    .list_add = list_add,
                                                    .list_move = list_move,
                                                    .list_remove = list_remove,
                                                    .list_pop = list_pop,
                                                    .list_end = list_end,
                                                    .list_step = list_step,
                                                    .list_length = list_length,
                                                    .list_of = list_of_folio,
                                                    .list_iterate = list_iterate,
                                                    .young = young,
                                                    .word = word,
                                                    .shadow_write = shadow_write};

/* Columns and not an array of structs: words and shadows are not touched by most policies, nodes at every reference.
 */
bool vmsim__reclaim_pool_init(struct vmsim__reclaim_pool *p, struct vmsim__alloc *alloc, uint32_t folios) {
    VMSIM__ASSERT(folios && folios < UINT32_MAX);
    const size_t n = (size_t)folios + 1;
    *p = (struct vmsim__reclaim_pool){.folios = folios, .alloc = alloc};
    p->node = vmsim__calloc(alloc, n, sizeof *p->node);
    p->word = vmsim__calloc(alloc, n, sizeof *p->word);
    p->shadow = vmsim__calloc(alloc, n, sizeof *p->shadow);
    if (p->node && p->word && p->shadow)
        return true;
    vmsim__reclaim_pool_fini(p);
    return false;
}

void vmsim__reclaim_pool_fini(struct vmsim__reclaim_pool *p) {
    const size_t n = (size_t)p->folios + 1;
    if (p->alloc) {
        vmsim__free(p->alloc, p->node, n * sizeof *p->node);
        vmsim__free(p->alloc, p->word, n * sizeof *p->word);
        vmsim__free(p->alloc, p->shadow, n * sizeof *p->shadow);
    }
    *p = (struct vmsim__reclaim_pool){0};
}

/* The stream of random numbers bears the place's name, so that a further cgroup does not change what others draw. A
 * policy that needs the future can only run where a trace tells it. */
static int create_parts(struct vmsim__reclaim *r, struct vmsim__policy_registry *policies,
                        const struct vmsim__policy_choice *choice, const struct vmsim_reclaim_scope *scope,
                        uint64_t seed, struct vmsim__err *err) {
    const struct vmsim_policy *policy;
    int e = vmsim__policy_resolve(policies, VMSIM_POLICY_RECLAIM, choice, &policy, err);
    if (e)
        return e;
    r->policy = (const void *)policy;
    if ((r->policy->wants & VMSIM_RECLAIM_WANTS_FUTURE) && !r->services.next_use)
        return vmsim__err_set(err, VMSIM_ECONFIG, "policy %s must know the future, which is there in a replay alone",
                              policy->name);
    char stream[48];
    snprintf(stream, sizeof stream, scope->node || scope->cgroup ? "reclaim %u %u" : "reclaim", scope->node,
             scope->cgroup);
    e = vmsim__policy_instance_init(&r->instance, policies, policy, &choice->params, seed, stream, err);
    if (e)
        return e;
    r->services.common = &r->instance.services;
    e = r->policy->create(&r->services, scope, r->instance.params, &r->instance.context);
    return e ? vmsim__err_set(err, e, "policy %s cannot start: %s", policy->name, vmsim_error_text(e)) : 0;
}

/* One that cannot start leaves nothing: destroying it is no different from never having made it. */
int vmsim__reclaim_create(struct vmsim__reclaim *r, struct vmsim__policy_registry *policies,
                          const struct vmsim__policy_choice *choice, const struct vmsim__reclaim_host *host,
                          const struct vmsim_reclaim_scope *scope, uint64_t seed, struct vmsim__err *err) {
    VMSIM__ASSERT(host->services.facts && host->services.now && host->services.capacity);
    VMSIM__ASSERT(host->pool->folios && host->id < UINT32_C(1) << (32 - VMSIM__RECLAIM_ID_SHIFT));
    *r = (struct vmsim__reclaim){.node = host->pool->node,
                                 .word = host->pool->word,
                                 .shadow = host->pool->shadow,
                                 .folios = host->pool->folios,
                                 .tag = THERE | host->id << VMSIM__RECLAIM_ID_SHIFT,
                                 .alloc = vmsim__policy_registry_alloc(policies),
                                 .services = lists,
                                 .excuse = host->excuse};
    r->services.host = r;
    r->services.facts = host->services.facts;
    r->services.now = host->services.now;
    r->services.capacity = host->services.capacity;
    r->services.next_use = host->services.next_use;
    if (host->services.young)
        r->services.young = host->services.young;
    int e = create_parts(r, policies, choice, scope, seed, err);
    if (e)
        vmsim__reclaim_destroy(r);
    return e;
}

void vmsim__reclaim_destroy(struct vmsim__reclaim *r) {
    vmsim__policy_instance_fini(&r->instance);
    if (r->alloc)
        vmsim__vec_fini(r->alloc, &r->lists);
    *r = (struct vmsim__reclaim){0};
}

/* From both sides: a folio that says it is on a list must be found there by walking, which counts prove without a mark
 * on each. A circle ends at the number of folios that there are. */
int vmsim__reclaim_check(const struct vmsim__reclaim *r, struct vmsim__err *err) {
    uint64_t there = 0, listed = 0, on_lists = 0;
    for (uint32_t i = 1; i <= r->folios; i++) {
        if (r->node[i].list && !(r->node[i].flags & THERE))
            return vmsim__err_set(err, VMSIM_ECHECK, "folio %u is on list %u and not there", i, r->node[i].list);
        there += vmsim__reclaim_has(r, i);
        listed += vmsim__reclaim_has(r, i) && r->node[i].list;
    }
    for (uint32_t l = 1; l < r->lists.count; l++) {
        uint32_t before = 0, at = r->lists.at[l].head;
        uint64_t length = 0;
        for (; at && length <= r->folios; before = at, at = r->node[at].next, length++)
            if (r->node[at].list != l || r->node[at].prev != before)
                return vmsim__err_set(err, VMSIM_ECHECK, "list %u: folio %u does not belong behind %u", l, at, before);
        if (length != r->lists.at[l].length || r->lists.at[l].tail != before)
            return vmsim__err_set(err, VMSIM_ECHECK, "list %u has not the length or the tail that it says", l);
        on_lists += length;
    }
    if (there != r->there || listed != on_lists)
        return vmsim__err_set(err, VMSIM_ECHECK, "%llu folios are there, not %u; %llu are on lists, not %llu",
                              (unsigned long long)there, r->there, (unsigned long long)listed,
                              (unsigned long long)on_lists);
    return 0;
}
