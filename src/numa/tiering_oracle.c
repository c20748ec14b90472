/* SPDX-License-Identifier: MIT */
/* Which pages a period uses most, and their way to the fast tier (tiering_oracle.h).
 *
 *     all movable folios, most used first:   9 7 7 4 | 2 1 0 0        |: so many fit into the fast tier
 *                                              ^ slow    ^ fast         the one goes up, the other makes room
 *
 * Kernel counterpart: none; pages move by mm/migrate.c's way. */
#include "numa/tiering_oracle.h"

#include <stdlib.h>

#include "numa/balancing.h"
#include "vm/migrate.h"

#define SLACK 128u /* pages above the high watermarks that are left free: what CPUs keep at hand */

/* ---- the policy: what is asked of it meanwhile ---- */

struct oracle_params {
    uint64_t period;
};
struct oracle {
    const struct vmsim_policy_services *services;
    uint64_t period;
};

static const struct vmsim_param oracle_table[] = {
    {.name = "period",
     .type = VMSIM_PARAM_UINT,
     .offset = offsetof(struct oracle_params, period),
     .fallback = "1000000",
     .min = 1,
     .max = UINT32_MAX,
     .doc = "References of all CPUs from one choice of pages to the next."},
    {0}};

static int oracle_create(const struct vmsim_policy_services *services, const void *params, void **context) {
    struct oracle *o = services->allocate(services->host, sizeof *o);
    if (!o)
        return VMSIM_ENOMEM;
    *o = (struct oracle){services, ((const struct oracle_params *)params)->period};
    *context = o;
    return 0;
}
static void oracle_destroy(void *context) {
    const struct oracle *o = context;
    o->services->release(o->services->host, context, sizeof *o);
}
static bool oracle_promote(void *context, const struct vmsim_promotion_request *r) {
    (void)context, (void)r;
    return false;
}
static int32_t oracle_demote(void *context, const struct vmsim_demotion_request *r) {
    (void)context;
    return r->verdict;
}

const struct vmsim_tiering_policy vmsim__tiering_oracle_policy = {
    .policy =
        {sizeof vmsim__tiering_oracle_policy, VMSIM_POLICY_ABI, VMSIM_POLICY_TIERING, "oracle",
         "A bound: before each period the pages that it will use most are in fast memory, at no cost (the work is "
         "run twice).",
         oracle_table, sizeof(struct oracle_params)},
    .create = oracle_create,
    .destroy = oracle_destroy,
    .promote = oracle_promote,
    .demote = oracle_demote};

bool vmsim__oracle_wanted(const struct vmsim__numa *n) {
    return n->tiering == &vmsim__tiering_oracle_policy;
}

bool vmsim__oracle_begin(struct vmsim__numa *n, const struct vmsim__tiering_future *future) {
    VMSIM__ASSERT(vmsim__oracle_wanted(n) && future->known && !n->oracle.read);
    n->oracle.future = *future;
    n->oracle.length = ((const struct oracle *)n->tiering_instance.context)->period;
    n->oracle.read = vmsim__calloc(n->alloc, VMSIM__ORACLE_READS, sizeof *n->oracle.read);
    return n->oracle.read;
}

void vmsim__oracle_end(struct vmsim__numa *n) {
    if (n->oracle.read)
        vmsim__free(n->alloc, n->oracle.read, VMSIM__ORACLE_READS * sizeof *n->oracle.read);
    n->oracle = (struct vmsim__tiering_oracle){0};
}

/* ---- references ---- */

/* NULL: nobody ever allocated it (the page of zeroes, the vdso). */
static const struct vmsim__frame *head_of(const struct vmsim__mem *mem, vmsim__pfn pfn) {
    const struct vmsim__frame *chunk = mem->frames.chunk[pfn >> mem->frames.shift];
    if (!chunk)
        return NULL;
    const struct vmsim__frame *f = vmsim__frame_at(&mem->frames, pfn);
    return vmsim__frame_is(f, VMSIM__FRAME_TAIL) ? vmsim__frame_at(&mem->frames, f->next) : f;
}

/* While it is recorded, nobody moves pages when a period begins. */
void vmsim__oracle_reads(struct vmsim__numa *n, uint64_t references, uint32_t frames) {
    struct vmsim__tiering_oracle *o = &n->oracle;
    VMSIM__ASSERT(frames <= references && references <= VMSIM__ORACLE_READS);
    if (o->future.recording) {
        if (!o->left) {
            o->future.mark(o->future.known);
            o->left = o->length;
        }
        for (uint32_t i = 0; i < frames; i++) {
            const struct vmsim__frame *f = head_of(n->mem, o->read[i]);
            if (f && !vmsim__frame_is(f, VMSIM__FRAME_RESERVED)) /* what may move, now or later */
                o->future.use(o->future.known, f);
        }
    }
    if (o->left)
        o->left -= vmsim__min64(o->left, references);
    else
        o->late += references; /* pages are moved where the task may be interrupted */
}

/* ---- pages ---- */

struct candidate {
    struct vmsim__tiering_uses known;
    vmsim__pfn pfn;
    uint32_t pages;
    bool fast, wanted;
};
struct candidates {
    VMSIM__VEC(struct candidate);
};

/* Most used first, for as much memory; among equals the one that is used sooner after the period, and the one that is
 * there already. */
static int more_used(const void *x, const void *y) {
    const struct candidate *a = x, *b = y;
    const uint64_t ua = a->known.uses * b->pages, ub = b->known.uses * a->pages;
    if (ua != ub)
        return ua > ub ? -1 : 1;
    if (a->known.next != b->known.next)
        return a->known.next < b->known.next ? -1 : 1;
    if (a->fast != b->fast)
        return a->fast ? -1 : 1;
    return a->pfn < b->pfn ? -1 : a->pfn > b->pfn;
}

/* The folios on lists of one stretch of memory. False: no host memory. */
static bool collect(struct vmsim__numa *n, const struct vmsim__segment *s, bool fast, struct candidates *all) {
    const struct vmsim__frames *frames = &n->mem->frames;
    const struct vmsim__tiering_future *future = &n->oracle.future;
    VMSIM__ASSERT(s->start < s->end && !future->recording);
    for (vmsim__pfn p = s->start; p < s->end; p++) {
        if (!frames->chunk[p >> frames->shift]) { /* never touched */
            p |= frames->mask;
            continue;
        }
        const struct vmsim__frame *f = vmsim__frame_at(frames, p);
        if (!vmsim__frame_is(f, VMSIM__FRAME_LRU) || vmsim__frame_is(f, VMSIM__FRAME_TAIL))
            continue;
        const struct candidate c = {.known = future->uses(future->known, f, n->oracle.began),
                                    .pfn = p,
                                    .pages = vmsim__frame_pages(f),
                                    .fast = fast};
        if (!vmsim__vec_push(n->alloc, all, c))
            return false;
    }
    return true;
}

/* Pages that the node may still be given. */
static uint64_t room_of(const struct vmsim__mem *mem, unsigned node) {
    uint64_t free = 0, kept = SLACK;
    for (unsigned i = 0; i < mem->nodes[node].nr_zones; i++) {
        const struct vmsim__zone *z = &mem->zones[mem->nodes[node].zone[i]];
        free += z->stat[VMSIM__NR_FREE_PAGES] > 0 ? (uint64_t)z->stat[VMSIM__NR_FREE_PAGES] : 0;
        kept += vmsim__zone_wmark(z, VMSIM__WMARK_HIGH);
    }
    return free > kept ? free - kept : 0;
}

/* The node of those with the most room; -1: none has any. */
static int roomiest(const struct vmsim__mem *mem, uint64_t nodes, uint32_t pages) {
    int best = -1;
    uint64_t most = 0;
    for (unsigned i = 0; i < mem->nr_nodes; i++) {
        const uint64_t room = nodes >> i & 1 && mem->nodes[i].has_memory ? room_of(mem, i) : 0;
        if (room >= pages && room > most) {
            most = room;
            best = (int)i;
        }
    }
    return best;
}

struct destination {
    struct vmsim__mem *mem;
    struct vmsim__lru *lru;
    uint16_t node, cpu;
};

/* It neither reclaims nor goes elsewhere: a bound that disturbed the machine would be none. */
static vmsim__pfn destination_get(void *context, vmsim__pfn from) {
    const struct destination *t = context;
    const struct vmsim__alloc_request rq = {
        .gfp = (VMSIM__GFP_HIGHUSER_MOVABLE & ~VMSIM__GFP_RECLAIM) | VMSIM__GFP_THISNODE | VMSIM__GFP_NOWARN,
        .order = (uint8_t)vmsim__folio_order(vmsim__frame_at(&t->mem->frames, from)),
        .cpu = t->cpu,
        .node = t->node};
    return vmsim__mem_alloc(t->mem, &rq);
}
static void destination_put(void *context, vmsim__pfn to) {
    const struct destination *t = context;
    vmsim__folio_put(t->lru, to, t->cpu);
}

/* Who moves, and by what. */
struct mover {
    struct vmsim__mem *mem;
    struct vmsim__vm *vm;
    struct vmsim__lru *lru;
    unsigned cpu;
};

/* Only single pages: of a larger folio the references would have to be weighed against each other. */
static bool move(const struct mover *m, const struct candidate *c, int node) {
    struct destination t = {m->mem, m->lru, (uint16_t)node, (uint16_t)m->cpu};
    const struct vmsim__migration how = {.mode = VMSIM__MIGRATE_ASYNC,
                                         .reason = VMSIM__MR_NUMA_MISPLACED,
                                         .context = &t,
                                         .get = destination_get,
                                         .put = destination_put};
    if (node < 0 || c->pages > 1 || !vmsim__lru_isolate(m->lru, c->pfn))
        return false;
    struct vmsim__folio_chain chain = vmsim__folio_chain_empty();
    vmsim__folio_chain_push(m->vm, &chain, c->pfn);
    const bool moved = vmsim__migrate_pages(m->vm, &how, &chain, m->cpu).succeeded;
    vmsim__folio_chain_putback(m->vm, &chain, m->cpu);
    return moved;
}

/* As many of the first as the fast tier can hold are wanted there. */
static void choose(const struct vmsim__numa *n, struct candidates *all) {
    uint64_t room = 0;
    for (unsigned i = 0; i < n->mem->nr_nodes; i++)
        room += n->top_tier >> i & 1 ? room_of(n->mem, i) : 0;
    for (size_t i = 0; i < all->count; i++)
        room += all->at[i].fast ? all->at[i].pages : 0;
    for (size_t i = 0; i < all->count && all->at[i].known.uses && room >= all->at[i].pages; i++) {
        all->at[i].wanted = true;
        room -= all->at[i].pages;
    }
}

/* The most used come first, and the least used make room for them. */
static void exchange(const struct vmsim__numa *n, const struct mover *m, const struct candidates *all) {
    const uint64_t slow = ~n->top_tier;
    size_t last = all->count;
    for (size_t i = 0; i < all->count && all->at[i].wanted; i++) {
        const struct candidate *up = &all->at[i];
        if (up->fast)
            continue;
        while (roomiest(n->mem, n->top_tier, up->pages) < 0 && last > i + 1) {
            const struct candidate *down = &all->at[--last];
            if (down->fast && !down->wanted && move(m, down, roomiest(n->mem, slow, down->pages)))
                n->mem->event[VMSIM__PGDEMOTE_DIRECT] += down->pages;
        }
        const int to = roomiest(n->mem, n->top_tier, up->pages);
        if (to >= 0 && move(m, up, to))
            n->mem->nodes[to].stat[VMSIM__PGPROMOTE_SUCCESS] += up->pages;
    }
}

/* Both tiers are looked at as a whole and pages exchanged in pairs, the most used against the least. What the last
 * period was late by is taken off this one, so that moves do not drift behind the recording. */
void vmsim__oracle_move(struct vmsim__numa *n, struct vmsim__vm *vm, struct vmsim__lru *lru, unsigned cpu) {
    VMSIM__ASSERT(vmsim__oracle_due(&n->oracle) && cpu < n->mem->nr_cpus);
    struct candidates all = {0};
    bool ok = true;
    vmsim__lru_drain_all(lru); /* a page in a batch could not be isolated */
    for (size_t i = 0; ok && i < n->mem->nr_segments; i++) {
        const struct vmsim__segment *s = &n->mem->segments[i];
        ok = collect(n, s, n->top_tier >> n->mem->zones[s->zone].node & 1, &all);
    }
    n->oracle.left = vmsim__max64(1, n->oracle.length - vmsim__min64(n->oracle.late, n->oracle.length));
    n->oracle.late = 0;
    n->oracle.began++;
    n->host_nomem |= !ok;
    if (ok && all.count) {
        qsort(all.at, all.count, sizeof *all.at, more_used);
        choose(n, &all);
        exchange(n, &(struct mover){n->mem, vm, lru, cpu}, &all);
    }
    vmsim__vec_fini(n->alloc, &all);
}
