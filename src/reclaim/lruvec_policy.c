/* SPDX-License-Identifier: MIT */
/* Instances of reclaim policies for lruvecs: their making, the folios that they hear of, and the services about what
 * folios are (see lruvec_policy.h).
 *
 * A policy knows a page by its folio number, which is its pfn + 1, so that no table is needed from one to the other;
 * what was known of a page that has gone is found by where it would come back to, a page of a file or a slot of swap.
 * What policies are told of is told from the places where the kernel's own lists change (lru_add, activation,
 * removal), which makes that the two can be compared; what only they want, every single reference, is told by the
 * batch, and only if one has said that it wants it. */
#include "reclaim/lruvec_policy.h"

#include <string.h>

#include "lru/lru_impl.h"
#include "reclaim/vmscan_impl.h"
#include "zones/columns.h"

#define NEVER UINT64_MAX

static struct vmsim__frame *frame_of(const struct vmsim__lruvec_policies *all, vmsim__pfn pfn) {
    return vmsim__frame_at(&all->v->mem->frames, pfn);
}

static struct vmsim__reclaim_node *node_of(const struct vmsim__lruvec_policies *all, vmsim__pfn pfn) {
    VMSIM__ASSERT(pfn < all->pool.folios);
    return &all->pool.node[pfn + 1];
}

/* ---- where a page is ---- */

static struct vmsim__shadow_key slot_key(uint64_t slot) {
    VMSIM__ASSERT(slot);
    return (struct vmsim__shadow_key){(uint64_t)VMSIM__FUTURE_SWAP << 32, slot};
}

/* The place that knows of it when it has gone: its slot, or its page of a file. */
static struct vmsim__shadow_key place_key(const struct vmsim__lruvec_policies *all, vmsim__pfn pfn) {
    const struct vmsim__frame *f = frame_of(all, pfn);
    VMSIM__ASSERT(!vmsim__frame_is(f, VMSIM__FRAME_TAIL));
    const uint64_t slot = vmsim__frame_is(f, VMSIM__FRAME_SWAPCACHE)
                              ? vmsim__column_read(all->v->mem, VMSIM__COLUMN_SWAP, pfn)
                              : all->v->lru->slot;
    return slot ? slot_key(slot) : vmsim__future_key(f);
}

/* ---- services ---- */

static struct vmsim__lruvec_policy *policy_of(void *host) {
    VMSIM__ASSERT(host);
    static_assert(offsetof(struct vmsim__lruvec_policy, r) == 0, "the cast");
    return host;
}

static uint8_t kind_of(const struct vmsim__frame *f) {
    if (!vmsim__frame_is(f, VMSIM__FRAME_FILE))
        return VMSIM_FOLIO_ANON;
    return vmsim__frame_is(f, VMSIM__FRAME_SWAPBACKED) ? VMSIM_FOLIO_SHMEM : VMSIM_FOLIO_FILE;
}

/* What a policy may know of a folio; a plugin that is older gets as much as its struct has room for. */
static bool facts(void *host, vmsim_folio folio, struct vmsim_folio_facts *out) {
    const struct vmsim__lruvec_policy *p = policy_of(host);
    if (!vmsim__reclaim_has(&p->r, folio))
        return false;
    const vmsim__pfn pfn = (vmsim__pfn)(folio - 1);
    const struct vmsim__frame *f = frame_of(p->all, pfn);
    const bool held = vmsim__frame_is(f, VMSIM__FRAME_MLOCKED | VMSIM__FRAME_PINNED);
    struct vmsim_folio_facts all = {.size = sizeof all,
                                    .kind = kind_of(f),
                                    .order = (uint8_t)vmsim__folio_order(f),
                                    .dirty = vmsim__frame_is(f, VMSIM__FRAME_DIRTY),
                                    .writeback = vmsim__frame_is(f, VMSIM__FRAME_WRITEBACK),
                                    .mapped = vmsim__folio_mapped(p->all->v->lru, pfn),
                                    .pinned = vmsim__frame_is(f, VMSIM__FRAME_PINNED),
                                    .unevictable = held,
                                    .node = p->lruvec->node,
                                    .cgroup = f->memcg,
                                    .space = f->mapping,
                                    .index = vmsim__frame_index(f),
                                    .came = p->all->came[folio]};
    const uint32_t size = out->size < sizeof all ? out->size : (uint32_t)sizeof all;
    memcpy(out, &all, size);
    out->size = size;
    return true;
}

static uint64_t now(void *host) {
    return policy_of(host)->all->v->mem->now.time;
}

/* Pages that the node has for anybody, or the least limit above. */
static uint64_t capacity_of(const struct vmsim__lruvec_policies *all, const struct vmsim__lruvec *lruvec) {
    const struct vmsim__mem *mem = all->v->mem;
    uint64_t pages = 0;
    if (all->resident)
        return all->resident;
    for (unsigned i = 0; i < mem->nodes[lruvec->node].nr_zones; i++)
        pages += mem->zones[mem->nodes[lruvec->node].zone[i]].managed;
    for (const struct vmsim__memcg *m = lruvec->memcg; m->parent; m = m->parent)
        pages = vmsim__min64(pages, m->memory.max);
    return vmsim__max64(pages, 1);
}

static uint64_t capacity(void *host) {
    const struct vmsim__lruvec_policy *p = policy_of(host);
    return capacity_of(p->all, p->lruvec);
}

/* Of a folio that is not there nobody asks; NEVER is also what one gets that the trace does not use again. */
static uint64_t next_use(void *host, vmsim_folio folio) {
    const struct vmsim__lruvec_policy *p = policy_of(host);
    if (!vmsim__reclaim_has(&p->r, folio))
        return NEVER;
    return vmsim__reclaim_future_next(p->all->future, vmsim__future_key(frame_of(p->all, (vmsim__pfn)(folio - 1))));
}

/* Whoever is told of every reference has the mark; for others the entries' accessed bits are harvested. */
static bool young(void *host, vmsim_folio folio, bool clear) {
    struct vmsim__lruvec_policy *p = policy_of(host);
    if (!vmsim__reclaim_has(&p->r, folio))
        return vmsim__reclaim_young(&p->r, folio, clear);
    if (!p->references) {
        const struct vmsim__scan_control sc = {.target = VMSIM__MEMCG_ROOT};
        const vmsim__pfn pfn = (vmsim__pfn)(folio - 1);
        if (vmsim__vmscan_referenced(p->all->v, &sc, pfn).ptes)
            p->r.node[folio].flags |= VMSIM__RECLAIM_YOUNG;
    }
    return vmsim__reclaim_young(&p->r, folio, clear);
}

/* Of a frame that no policy has. */
static const char *excuse(void *host, vmsim_folio folio) {
    const struct vmsim__lruvec_policies *all = policy_of(host)->all;
    const vmsim__pfn pfn = (vmsim__pfn)(folio - 1);
    VMSIM__ASSERT(folio && pfn < all->pool.folios);
    if (!all->came[folio]) /* it never was a folio, and may have no record */
        return NULL;
    return vmsim__frame_is(frame_of(all, pfn), VMSIM__FRAME_MLOCKED | VMSIM__FRAME_PINNED) ? "mlocked or pinned" : NULL;
}

/* ---- instances ---- */

/* The nearest cgroup's, from this one up. */
static const struct vmsim__reclaim_choice *choice_of(const struct vmsim__lruvec_policies *all,
                                                     const struct vmsim__memcg *m) {
    for (; m; m = m->parent) {
        for (size_t i = all->choices.count; i-- > 0;) {
            if (all->choices.at[i].memcg == m)
                return &all->choices.at[i];
        }
    }
    return NULL;
}

/* Counters of the mechanism about the policy, beside its own: what it was asked, what came of it, and where it was
 * overruled. */
static bool make_counters(struct vmsim__lruvec_policy *p) {
    VMSIM__ASSERT(p->all && p->lruvec);
    const struct vmsim_policy_services *s = &p->r.instance.services;
    p->added = s->counter(s->host, "added");
    p->calls = s->counter(s->host, "calls");
    p->victims = s->counter(s->host, "victims");
    p->kept = s->counter(s->host, "kept");
    p->overruled = s->counter(s->host, "overruled");
    return p->added && p->calls && p->victims && p->kept && p->overruled;
}

/* A number for an instance that is made; 0: no host memory. */
static uint32_t free_number(struct vmsim__lruvec_policies *all) {
    size_t i = 1;
    while (i < all->instances.count && all->instances.at[i])
        i++;
    while (all->instances.count <= i) {
        if (!vmsim__vec_push(all->alloc, &all->instances, NULL))
            return 0;
    }
    return (uint32_t)i;
}

/* One record a frame, made when the first policy starts: a machine that has none pays nothing. */
static bool make_pool(struct vmsim__lruvec_policies *all) {
    const uint32_t folios = all->v->mem->frames.end;
    if (all->pool.folios)
        return true;
    all->came = vmsim__calloc(all->alloc, (size_t)folios + 1, sizeof *all->came);
    return all->came && vmsim__reclaim_pool_init(&all->pool, all->alloc, folios);
}

static int start(struct vmsim__lruvec_policies *all, struct vmsim__lruvec_policy *p, struct vmsim__lruvec *lruvec,
                 const struct vmsim__policy_choice *choice, uint32_t number, struct vmsim__err *err) {
    const struct vmsim__reclaim_host host = {
        .pool = &all->pool,
        .id = number,
        .excuse = excuse,
        .services = {.facts = facts,
                     .now = now,
                     .capacity = capacity,
                     .young = young,
                     .next_use = all->future && !all->future->recording ? next_use : NULL}};
    const struct vmsim_reclaim_scope scope = {
        .size = sizeof scope, .node = lruvec->node, .cgroup = lruvec->memcg->id, .capacity = capacity_of(all, lruvec)};
    p->all = all;
    p->lruvec = lruvec;
    int e = vmsim__reclaim_create(&p->r, all->registry, choice, &host, &scope, all->seed, err);
    if (e || make_counters(p))
        return e;
    vmsim__reclaim_destroy(&p->r);
    return vmsim__err_set(err, VMSIM_ENOMEM, "no memory for the counters of a reclaim policy");
}

/* Decides who chooses in a lruvec, when its first folio comes. An instance that cannot be made leaves it to the kernel.
 */
static int decide(struct vmsim__lruvec_policies *all, struct vmsim__lruvec *lruvec, struct vmsim__err *err) {
    const struct vmsim__reclaim_choice *c = choice_of(all, lruvec->memcg);
    VMSIM__ASSERT(!lruvec->policy_known && !lruvec->policy);
    lruvec->policy_known = true;
    if (!c || c->kernel)
        return 0;
    const uint32_t number = make_pool(all) ? free_number(all) : 0;
    struct vmsim__lruvec_policy *p = number ? vmsim__calloc(all->alloc, 1, sizeof *p) : NULL;
    if (!p)
        return vmsim__err_set(err, VMSIM_ENOMEM, "no memory for a reclaim policy");
    const int e = start(all, p, lruvec, &c->choice, number, err);
    if (e) {
        vmsim__free(all->alloc, p, sizeof *p);
        return e;
    }
    p->references = all->resident || all->wants_future || (p->r.policy->wants & VMSIM_RECLAIM_WANTS_REFERENCES);
    all->watching += p->references;
    all->instances.at[number] = p;
    lruvec->policy = p;
    return 0;
}

/* Its number may be used again, so that no folio keeps it: a cgroup that ends has given its folios to its parent
 * before. */
static void end_instance(struct vmsim__lruvec_policies *all, struct vmsim__lruvec *lruvec) {
    VMSIM__ASSERT(lruvec->policy_known || !lruvec->policy);
    struct vmsim__lruvec_policy *p = lruvec->policy;
    lruvec->policy = NULL;
    lruvec->policy_known = false;
    if (!p)
        return;
    all->watching -= p->references;
    all->instances.at[p->r.tag >> VMSIM__RECLAIM_ID_SHIFT] = NULL;
    vmsim__reclaim_destroy(&p->r);
    vmsim__free(all->alloc, p, sizeof *p);
}

static struct vmsim__lruvec_policy *policy_for(struct vmsim__lruvec_policies *all, const struct vmsim__frame *f) {
    struct vmsim__lruvec *lruvec = vmsim__lruvec_of(all->v->lru, f);
    if (VMSIM__UNLIKELY(!lruvec->policy_known) && decide(all, lruvec, NULL) == VMSIM_ENOMEM)
        all->host_nomem = true;
    return lruvec->policy;
}

/* ---- folios come, are used, and go ---- */

/* Anonymous memory that has no swap to go to, now or ever. */
static bool stays(const struct vmsim__lruvec_policies *all, const struct vmsim__frame *f) {
    return vmsim__frame_is(f, VMSIM__FRAME_SWAPBACKED) && !vmsim__lru_swap_slots(all->v->lru);
}

/* Who touches it, as the present says, and which page it is, as the frame says. */
static struct vmsim_folio_access describe(struct vmsim__lruvec_policies *all, const struct vmsim__frame *f) {
    struct vmsim_folio_access a = {.size = sizeof a, .refault_distance = NEVER};
    if (all->present)
        all->present(all->context, &a);
    a.space = f->mapping;
    a.index = vmsim__frame_index(f);
    return a;
}

/* A folio that was on its way out and is wanted after all has its shadow in its place already. */
static void recall(struct vmsim__lruvec_policies *all, struct vmsim__lruvec_policy *p, vmsim__pfn pfn,
                   struct vmsim_folio_access *a) {
    struct vmsim__reclaim_node *n = node_of(all, pfn);
    if (n->flags & VMSIM__RECLAIM_LEAVING) {
        a->shadow = vmsim__reclaim_shadow_take(&all->shadows, place_key(all, pfn));
        a->refault_distance = p->goings - n->next;
        n->flags = n->next = 0;
    } else if (all->coming.pfn == pfn) {
        a->shadow = all->coming.shadow;
        a->refault_distance = all->coming.distance;
    }
    all->coming.pfn = VMSIM__PFN_NONE;
}

/* A folio comes to its policy when reclaim could take it, not when it is allocated. Room is made before, at a size that
 * is given (`resident`), never in the middle of reclaim. */
static void evictable(void *context, vmsim__pfn pfn, unsigned cpu) {
    struct vmsim__lruvec_policies *all = context;
    const struct vmsim__frame *f = frame_of(all, pfn);
    if (vmsim__policy_of_folio(all, pfn) || stays(all, f))
        return;
    struct vmsim__lruvec_policy *p = policy_for(all, f);
    if (!p || pfn >= all->pool.folios)
        return;
    struct vmsim_folio_access a = describe(all, f);
    recall(all, p, pfn, &a);
    if (all->resident && !all->busy && cpu != VMSIM__NO_CPU)
        vmsim__lruvec_policy_make_room(p, &a, cpu);
    all->came[pfn + 1] = all->v->mem->now.time;
    ++*p->added;
    vmsim__reclaim_add(&p->r, pfn + 1, &a);
}

/* The folio goes; its place keeps what the policy wants to find there. */
static void goes(struct vmsim__lruvec_policy *p, vmsim__pfn pfn, enum vmsim_folio_end end) {
    struct vmsim__lruvec_policies *all = p->all;
    VMSIM__ASSERT(vmsim__reclaim_has(&p->r, pfn + 1));
    const uint64_t shadow = vmsim__reclaim_remove(&p->r, pfn + 1, end);
    if (end != VMSIM_FOLIO_RECLAIMED)
        return;
    p->goings++;
    ++*p->victims;
    vmsim__reclaim_shadow_put(&all->shadows, place_key(all, pfn), shadow);
}

void vmsim__lruvec_policies_evicted(struct vmsim__lruvec_policies *all, vmsim__pfn pfn) {
    struct vmsim__lruvec_policy *p = vmsim__policy_of_folio(all, pfn);
    if (p)
        goes(p, pfn, VMSIM_FOLIO_RECLAIMED);
}

/* For the policy it is gone when its write begins, as in a cache whose writes take no time; the folio waits on
 * `leaving` until its write is over. */
void vmsim__lruvec_policy_leaves(struct vmsim__lruvec_policy *p, vmsim__pfn pfn) {
    struct vmsim__lruvec_policies *all = p->all;
    VMSIM__ASSERT(pfn < all->pool.folios);
    if (!vmsim__vec_push(all->alloc, &all->leaving, pfn))
        return; /* it stays the policy's, and is proposed again */
    goes(p, pfn, VMSIM_FOLIO_RECLAIMED);
    *node_of(all, pfn) = (struct vmsim__reclaim_node){.flags = VMSIM__RECLAIM_LEAVING, .next = p->goings};
}

static void unevictable(void *context, vmsim__pfn pfn) {
    struct vmsim__lruvec_policies *all = context;
    struct vmsim__lruvec_policy *p = vmsim__policy_of_folio(all, pfn);
    if (p)
        goes(p, pfn, VMSIM_FOLIO_LOCKED);
}

/* Freed while it was on its way out: the record is cleared, which next_leaving finds. */
static void freed(void *context, vmsim__pfn pfn) {
    struct vmsim__lruvec_policies *all = context;
    struct vmsim__lruvec_policy *p = vmsim__policy_of_folio(all, pfn);
    if (p)
        goes(p, pfn, VMSIM_FOLIO_FREED);
    else if (pfn < all->pool.folios)
        node_of(all, pfn)->flags = node_of(all, pfn)->next = 0;
}

/* A use that the kernel itself sees (read and write, mark_page_accessed); those through page tables come by accessed
 * bits, or one by one where the policy wants them. */
static void accessed(void *context, vmsim__pfn pfn) {
    struct vmsim__lruvec_policies *all = context;
    struct vmsim__lruvec_policy *p = vmsim__policy_of_folio(all, pfn);
    if (!p)
        return;
    const struct vmsim_folio_access a = describe(all, frame_of(all, pfn));
    vmsim__reclaim_use(&p->r, pfn + 1, &a);
}

/* The kernel's shadow has the time of its going, on the clock of the cgroup that was reclaimed from. */
static void refault(void *context, vmsim__pfn pfn, uint64_t shadow) {
    struct vmsim__lruvec_policies *all = context;
    const struct vmsim__shadow s = vmsim__shadow_unpack(shadow);
    const struct vmsim__memcg *m = vmsim__memcg_by_id(all->v->lru, s.memcg);
    const unsigned order = vmsim__workingset_bucket_order(all->v->mem->totalram);
    all->coming.pfn = pfn;
    all->coming.shadow = vmsim__reclaim_shadow_take(&all->shadows, place_key(all, pfn));
    all->coming.distance = !all->v->lru->gen_enabled && m && m->online && s.node < all->v->mem->nr_nodes
                               ? vmsim__refault_distance(m->lruvec[s.node].nonresident_age, s.eviction, order)
                               : NEVER;
}

/* A choice for a cgroup outlives it only as a name: another of that name begins anew. */
static void memcg_gone(void *context, struct vmsim__memcg *m) {
    VMSIM__ASSERT(m->parent);
    struct vmsim__lruvec_policies *all = context;
    for (unsigned n = 0; n < all->v->mem->nr_nodes; n++)
        end_instance(all, &m->lruvec[n]);
    for (size_t i = 0; i < all->choices.count; i++) {
        if (all->choices.at[i].memcg == m)
            all->choices.at[i].memcg = NULL;
    }
}

/* ---- every reference ---- */

/* Pages of a large folio are told as its head's. */
static vmsim__pfn folio_at(const struct vmsim__lruvec_policies *all, vmsim__pfn pfn) {
    VMSIM__ASSERT(pfn < all->pool.folios);
    if (VMSIM__LIKELY(all->pool.node[pfn + 1].flags & VMSIM__RECLAIM_THERE))
        return pfn;
    const struct vmsim__frame *f = frame_of(all, pfn);
    return vmsim__frame_is(f, VMSIM__FRAME_TAIL) ? f->next : pfn;
}

#define EARLY 16u /* references between a prefetch and the use */

void vmsim__lruvec_policies_expect(const struct vmsim__lruvec_policies *all, uint64_t pfn) {
    if (pfn >= all->pool.folios)
        return;
    __builtin_prefetch(&all->pool.node[pfn + 1], 1);
    __builtin_prefetch(&all->pool.word[pfn + 1], 1);
    vmsim__frame_prefetch(&all->v->mem->frames, (vmsim__pfn)pfn);
}

void vmsim__lruvec_policies_expect_slot(const struct vmsim__lruvec_policies *all, uint64_t slot) {
    vmsim__reclaim_shadow_expect(&all->shadows, slot_key(slot));
}

VMSIM__INLINE void prefetch(const struct vmsim__lruvec_policies *all, uint64_t physical) {
    const vmsim__pfn pfn = (vmsim__pfn)(physical >> all->v->mem->page_shift);
    __builtin_prefetch(&all->pool.node[pfn + 1], 1);
    __builtin_prefetch(&all->pool.word[pfn + 1], 1);
}

/* Every reference of a batch, in its order. The one that brought the page was told as its coming, and is not told
 * twice. Frames and records are fetched a few references ahead: with millions of pages each is a miss of the host's
 * caches. */
void vmsim__lruvec_policies_used(struct vmsim__lruvec_policies *all, const struct vmsim__used *u) {
    VMSIM__ASSERT(all->present && u);
    const unsigned shift = all->v->mem->page_shift;
    struct vmsim_folio_access a = {.size = sizeof a, .refault_distance = NEVER};
    all->present(all->context, &a);
    a.fault = false;
    for (size_t i = 0; i < u->n; i++) {
        if (i + EARLY < u->n)
            prefetch(all, u->physical[i + EARLY]);
        const vmsim__pfn pfn = folio_at(all, (vmsim__pfn)(u->physical[i] >> shift));
        struct vmsim__lruvec_policy *p = vmsim__policy_of_folio(all, pfn);
        if (!p || !p->references)
            continue;
        const struct vmsim__frame *f = frame_of(all, pfn);
        if (VMSIM__UNLIKELY(all->future != NULL))
            vmsim__reclaim_future_use(all->future, vmsim__future_key(f));
        const bool brought = !i && u->brought && all->came[pfn + 1] >= u->since;
        if (brought && !(p->r.policy->wants & VMSIM_RECLAIM_WANTS_FUTURE))
            continue;
        a.type = u->access[i] & 3;
        a.space = f->mapping;
        a.index = vmsim__frame_index(f);
        vmsim__reclaim_use(&p->r, pfn + 1, &a);
    }
}

/* ---- choices ---- */

bool vmsim__reclaim_is_kernel(const struct vmsim__policy_choice *choice) {
    return !choice->plugin && (!choice->name || !strcmp(choice->name, vmsim__reclaim_linux_lru.policy.name) ||
                               vmsim__reclaim_is_generations(choice));
}

bool vmsim__reclaim_is_generations(const struct vmsim__policy_choice *choice) {
    return !choice->plugin && choice->name && !strcmp(choice->name, vmsim__reclaim_linux_mglru.policy.name);
}

/* A choice that was made at run time owns its strings; those of the configuration stay where they are. */
static void free_choice(struct vmsim__alloc *a, struct vmsim__policy_choice *c) {
    struct vmsim_param_pair *pairs = c->params.data;
    for (size_t i = 0; pairs && i < c->params.count; i++) {
        vmsim__strfree(a, pairs[i].key);
        vmsim__strfree(a, pairs[i].value);
        vmsim__strfree(a, pairs[i].origin);
    }
    vmsim__free(a, pairs, c->params.count * sizeof *pairs);
    *c = (struct vmsim__policy_choice){0};
}

/* A copy that lives as long as the machine; its policy's name is the registry's. False: no host memory. */
static bool copy_choice(struct vmsim__alloc *a, const struct vmsim_policy *policy,
                        const struct vmsim__policy_choice *from, struct vmsim__policy_choice *to) {
    const struct vmsim_param_pair *pairs = from->params.data;
    struct vmsim_param_pair *copy = vmsim__calloc(a, from->params.count, sizeof *copy);
    *to = (struct vmsim__policy_choice){.name = policy->name, .params = {copy, copy ? from->params.count : 0}};
    bool ok = copy || !from->params.count;
    for (size_t i = 0; ok && i < from->params.count; i++) {
        copy[i].key = vmsim__strdup(a, pairs[i].key);
        copy[i].value = vmsim__strdup(a, pairs[i].value);
        copy[i].origin = vmsim__strdup(a, pairs[i].origin ? pairs[i].origin : "");
        ok = copy[i].key && copy[i].value && copy[i].origin;
    }
    if (!ok)
        free_choice(a, to);
    return ok;
}

/* The root's instances at once: a plugin that cannot start is told with its choice. */
static int start_now(struct vmsim__lruvec_policies *all, struct vmsim__memcg *m, struct vmsim__err *err) {
    VMSIM__ASSERT(m && err);
    int e = 0;
    for (unsigned n = 0; !e && !m->parent && n < all->v->mem->nr_nodes; n++) {
        if (!m->lruvec[n].policy_known)
            e = decide(all, &m->lruvec[n], err);
    }
    return e;
}

/* Parameters are bound when an instance is made; what is wrong with them is told now. */
static int try_parameters(const struct vmsim__lruvec_policies *all, const struct vmsim_policy *policy,
                          const struct vmsim__policy_choice *choice, struct vmsim__err *err) {
    void *values = policy->params_size ? vmsim__calloc(all->alloc, 1, policy->params_size) : NULL;
    if (policy->params_size && !values)
        return vmsim__err_set(err, VMSIM_ENOMEM, "no memory for the parameters of policy %s", policy->name);
    const int e = vmsim__param_bind(policy->params, &choice->params, values, err);
    vmsim__free(all->alloc, values, policy->params_size);
    return e;
}

static bool wants_future(const struct vmsim_policy *policy) {
    return ((const struct vmsim_reclaim_policy *)(const void *)policy)->wants & VMSIM_RECLAIM_WANTS_FUTURE;
}

/* While the future is recorded, whoever will want it is not asked yet: any other does, for the references of programs
 * are the same. */
int vmsim__lruvec_policies_choose(struct vmsim__lruvec_policies *all, struct vmsim__memcg *m,
                                  const struct vmsim__policy_choice *choice, struct vmsim__err *err) {
    const struct vmsim_policy *policy;
    int e = vmsim__policy_resolve(all->registry, VMSIM_POLICY_RECLAIM, choice, &policy, err);
    e = e ? e : try_parameters(all, policy, choice, err);
    if (e)
        return e;
    struct vmsim__policy_choice stand_in = {.name = vmsim__reclaim_fifo.policy.name};
    if (all->future && all->future->recording && wants_future(policy)) {
        all->wants_future = true;
        choice = &stand_in;
        policy = vmsim__policy_find(all->registry, VMSIM_POLICY_RECLAIM, stand_in.name);
    } else if (wants_future(policy) && !all->future) {
        return vmsim__err_set(err, VMSIM_ECONFIG,
                              "policy %s must know the future, which a run of a scenario has, and nobody else",
                              policy->name);
    }
    struct vmsim__reclaim_choice c = {.kernel = vmsim__reclaim_is_kernel(choice), .memcg = m};
    if (c.kernel && !all->choices.count)
        return 0;
    if (!copy_choice(all->alloc, policy, choice, &c.choice))
        return vmsim__err_set(err, VMSIM_ENOMEM, "no memory for a choice of policy %s", policy->name);
    if (!vmsim__vec_push(all->alloc, &all->choices, c)) {
        free_choice(all->alloc, &c.choice);
        return vmsim__err_set(err, VMSIM_ENOMEM, "no memory for a choice of policy %s", policy->name);
    }
    all->v->lru->watch = &all->watch;
    return start_now(all, m, err);
}

void vmsim__lruvec_policies_init(struct vmsim__lruvec_policies *all, const struct vmsim__lruvec_policies_init *init) {
    VMSIM__ASSERT(init->vmscan && init->registry && init->alloc && init->present && init->needed_since);
    *all = (struct vmsim__lruvec_policies){.v = init->vmscan,
                                           .registry = init->registry,
                                           .alloc = init->alloc,
                                           .seed = init->seed,
                                           .resident = init->resident,
                                           .shadows = {.alloc = init->alloc},
                                           .coming = {.pfn = VMSIM__PFN_NONE},
                                           .present = init->present,
                                           .needed_since = init->needed_since,
                                           .context = init->context,
                                           .watch = {.context = all,
                                                     .evictable = evictable,
                                                     .unevictable = unevictable,
                                                     .freed = freed,
                                                     .accessed = accessed,
                                                     .refault = refault,
                                                     .memcg_gone = memcg_gone}};
    init->vmscan->policies = all;
}

/* Watching ends first: instances that end give folios up, and nobody is to be told. */
void vmsim__lruvec_policies_fini(struct vmsim__lruvec_policies *all) {
    if (!all->v)
        return;
    all->v->lru->watch = NULL;
    for (size_t i = 0; i < all->instances.count; i++) {
        if (all->instances.at[i])
            end_instance(all, all->instances.at[i]->lruvec);
    }
    for (size_t i = 0; i < all->choices.count; i++)
        free_choice(all->alloc, &all->choices.at[i].choice);
    vmsim__vec_fini(all->alloc, &all->choices);
    vmsim__vec_fini(all->alloc, &all->instances);
    vmsim__vec_fini(all->alloc, &all->leaving);
    vmsim__reclaim_shadows_fini(&all->shadows);
    if (all->came)
        vmsim__free(all->alloc, all->came, ((size_t)all->v->mem->frames.end + 1) * sizeof *all->came);
    vmsim__reclaim_pool_fini(&all->pool);
    all->v->policies = NULL;
    *all = (struct vmsim__lruvec_policies){0};
}

/* ---- check ---- */

/* A folio of a policy is a folio in use, of the lruvec that the policy decides for; then each policy's lists. */
int vmsim__lruvec_policies_check(struct vmsim__lruvec_policies *all, struct vmsim__err *err) {
    for (vmsim__pfn pfn = 0; all->v && pfn < all->pool.folios; pfn++) {
        const struct vmsim__lruvec_policy *p = vmsim__policy_of_folio(all, pfn);
        if (!p && !(node_of(all, pfn)->flags & VMSIM__RECLAIM_THERE))
            continue;
        struct vmsim__frame *f = frame_of(all, pfn);
        if (!p || f->refcount <= 0 || vmsim__frame_is(f, VMSIM__FRAME_TAIL | VMSIM__FRAME_BUDDY | VMSIM__FRAME_PCP))
            return vmsim__err_set(err, VMSIM_ECHECK, "frame %u is a folio of a reclaim policy, and not in use", pfn);
        if (vmsim__lruvec_of(all->v->lru, f)->policy != p)
            return vmsim__err_set(err, VMSIM_ECHECK, "frame %u is a folio of another cgroup's or node's policy", pfn);
    }
    for (size_t i = 0; all->v && i < all->instances.count; i++) {
        const int e = all->instances.at[i] ? vmsim__reclaim_check(&all->instances.at[i]->r, err) : 0;
        if (e)
            return e;
    }
    return 0;
}
