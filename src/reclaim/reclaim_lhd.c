/* SPDX-License-Identifier: MIT */
/* Reclaim "lhd": least hit density. What a folio is worth is the hits to be expected of it for each unit of memory and
 * time that it will go on taking; both are learnt from what happened to folios of its kind at its age.
 *
 *     class: uses so far, 0 to 7     age: references since its last use, in steps of 1/8 of the memory, 0 to 255
 *
 *     hits[class][age], ends[class][age]  --every 8 memories' worth of references-->  density[class][age]
 *
 *                      sum of hits at this age and later
 *     density  =  -------------------------------------------     (expected hits / expected lifetime left)
 *                 sum over later ages of all that still lived
 *
 * The victim is the least dense of a sample of the folios. Whole numbers alone: densities in 2^-32, old events fade by
 * a tenth at each reckoning. Before the first one, the older is the less dense, which is LRU. (Beckmann, Chen, Cidon:
 * "LHD: Improving Cache Hit Rate by Maximizing Hit Density", NSDI 2018; here without its tuning of the step of ages.)
 */
#include "reclaim/reclaim_policy.h"

#define LHD_CLASSES 8u
#define LHD_AGES 256u
#define LHD_EVENT 1024u /* of one hit or end: room for fading */

struct lhd_params {
    uint64_t sample;
};

struct lhd_folio {
    uint64_t last; /* reference of its last use */
    uint32_t uses;
};

struct lhd {
    const struct vmsim_reclaim_services *s;
    uint64_t *reckonings; /* counter */
    struct reclaim_bag bag;
    struct lhd_folio *of; /* by place in the bag */
    uint32_t of_capacity;
    uint64_t time, step, next, period, sample;
    uint64_t hits[LHD_CLASSES][LHD_AGES], ends[LHD_CLASSES][LHD_AGES], density[LHD_CLASSES][LHD_AGES];
};

static const struct vmsim_param lhd_table[] = {{.name = "sample",
                                                .type = VMSIM_PARAM_UINT,
                                                .offset = offsetof(struct lhd_params, sample),
                                                .fallback = "32",
                                                .min = 1,
                                                .max = 1024,
                                                .doc = "Folios that are looked at for a victim (32 in the paper)."},
                                               {0}};

static int lhd_create(const struct vmsim_reclaim_services *s, const struct vmsim_reclaim_scope *scope,
                      const void *params, void **context) {
    struct lhd *l = reclaim_allocate(s, sizeof *l);
    if (!l)
        return VMSIM_ENOMEM;
    *context = l;
    l->s = s;
    l->sample = ((const struct lhd_params *)params)->sample;
    l->step = vmsim__max64(scope->capacity / 8, 1);
    l->period = l->next = vmsim__max64(scope->capacity, 1) * 8;
    for (unsigned c = 0; c < LHD_CLASSES; c++)
        for (unsigned a = 0; a < LHD_AGES; a++)
            l->density[c][a] = LHD_AGES - a;
    l->reckonings = s->common->counter(s->common->host, "reckonings");
    return l->reckonings ? 0 : VMSIM_ENOMEM;
}

static void lhd_destroy(void *context) {
    struct lhd *l = context;
    reclaim_bag_fini(l->s, &l->bag);
    reclaim_release(l->s, l->of, l->of_capacity * sizeof *l->of);
    reclaim_release(l->s, l, sizeof *l);
}

static unsigned lhd_class(const struct lhd_folio *f) {
    return f->uses < LHD_CLASSES - 1 ? f->uses : LHD_CLASSES - 1;
}

static unsigned lhd_age(const struct lhd *l, const struct lhd_folio *f) {
    VMSIM__ASSERT(f->last <= l->time);
    return (unsigned)vmsim__min64((l->time - f->last) / l->step, LHD_AGES - 1);
}

/* From the oldest age down: `alive` are the events at this age and later, `lived` the sum of these. */
static void lhd_reckon(struct lhd *l) {
    for (unsigned c = 0; c < LHD_CLASSES; c++) {
        uint64_t hits = 0, alive = 0, lived = 0;
        for (unsigned a = LHD_AGES; a-- > 0;) {
            hits += l->hits[c][a];
            alive += l->hits[c][a] + l->ends[c][a];
            lived += alive;
            if (lived)
                l->density[c][a] = (uint64_t)(((unsigned __int128)hits << 32) / lived);
            l->hits[c][a] -= l->hits[c][a] / 10;
            l->ends[c][a] -= l->ends[c][a] / 10;
        }
    }
    ++*l->reckonings;
}

static void lhd_tick(struct lhd *l) {
    if (++l->time >= l->next) {
        lhd_reckon(l);
        l->next = l->time + l->period;
    }
}

static struct lhd_folio *lhd_of(struct lhd *l, vmsim_folio folio) {
    uint64_t place = *l->s->word(l->s->host, folio);
    return place ? &l->of[place - 1] : NULL;
}

static void lhd_added(void *context, vmsim_folio folio, const struct vmsim_folio_access *access) {
    struct lhd *l = context;
    void *of = l->of;
    (void)access;
    lhd_tick(l);
    if (l->bag.count == l->of_capacity && !reclaim_grow(l->s, &of, &l->of_capacity, sizeof *l->of))
        return;
    l->of = of;
    reclaim_bag_add(l->s, &l->bag, folio);
    struct lhd_folio *f = lhd_of(l, folio);
    if (f)
        *f = (struct lhd_folio){l->time, 0};
}

static void lhd_accessed(void *context, vmsim_folio folio, const struct vmsim_folio_access *access) {
    struct lhd *l = context;
    struct lhd_folio *f = lhd_of(l, folio);
    (void)access;
    lhd_tick(l);
    if (!f)
        return;
    l->hits[lhd_class(f)][lhd_age(l, f)] += LHD_EVENT;
    *f = (struct lhd_folio){l->time, f->uses + (f->uses < LHD_CLASSES)};
}

/* Each proposal of a sample of its own; one that is drawn twice ends the batch. Of equal ones the first drawn. */
static uint32_t lhd_evict(void *context, struct vmsim_reclaim_request *r) {
    struct lhd *l = context;
    uint32_t n = 0;
    while (n < r->wanted && l->bag.count) {
        vmsim_folio victim = VMSIM_FOLIO_NONE;
        uint64_t least = 0;
        for (uint64_t i = 0; i < l->sample; i++) {
            uint32_t at = (uint32_t)l->s->common->random(l->s->common->host, l->bag.count);
            uint64_t density = l->density[lhd_class(&l->of[at])][lhd_age(l, &l->of[at])];
            if (!victim || density < least) {
                victim = l->bag.at[at];
                least = density;
            }
        }
        for (uint32_t i = 0; i < n; i++)
            if (r->folio[i] == victim)
                return n;
        r->folio[n++] = victim;
    }
    return n;
}

static void lhd_evicted(void *context, vmsim_folio folio, enum vmsim_folio_end end) {
    struct lhd *l = context;
    struct lhd_folio *f = lhd_of(l, folio);
    if (!f)
        return;
    if (end == VMSIM_FOLIO_RECLAIMED)
        l->ends[lhd_class(f)][lhd_age(l, f)] += LHD_EVENT;
    *f = l->of[l->bag.count - 1]; /* as the bag fills the gap */
    reclaim_bag_remove(l->s, &l->bag, folio);
}

const struct vmsim_reclaim_policy vmsim__reclaim_lhd = {
    .policy = {sizeof vmsim__reclaim_lhd, VMSIM_POLICY_ABI, VMSIM_POLICY_RECLAIM, "lhd",
               "Evicts what promises the fewest hits for the room it takes (LHD).", lhd_table,
               sizeof(struct lhd_params)},
    .create = lhd_create,
    .destroy = lhd_destroy,
    .folio_added = lhd_added,
    .folio_accessed = lhd_accessed,
    .evict = lhd_evict,
    .folio_evicted = lhd_evicted,
    .wants = VMSIM_RECLAIM_WANTS_REFERENCES};
