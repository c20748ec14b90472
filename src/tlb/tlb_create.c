/* SPDX-License-Identifier: MIT */
/* Hardware made from its description: size classes of the format, arrays, where a page of each size goes, policies.
 *
 * What is decided here once is not asked again at a reference: which arrays a fetch or an access to data passes (a
 * side's path), where a page of each size is filled at each level (its home), and how a set is found (a place, one for
 * each size that an array holds, and one for its global entries). Allocation may fail at each of them;
 * vmsim__tlb_destroy takes what is half made. */
#include <string.h>

#include "tlb/tlb_internal.h"

/* The page sizes that the format's leaves and contiguous groups have, smallest first: the size classes. */
static void find_classes(struct vmsim__tlb *t, const struct vmsim__pt_format *f) {
    uint64_t shifts = UINT64_C(1) << f->page_shift;
    for (unsigned level = 0; level < f->levels; level++) {
        if (!(f->leaf_levels >> level & 1))
            continue;
        shifts |= UINT64_C(1) << f->shift[level];
        if (f->contig_shift[level])
            shifts |= UINT64_C(1) << (f->shift[level] + f->contig_shift[level]);
    }
    memset(t->class_of, TLB_NONE, sizeof t->class_of);
    VMSIM__ASSERT(f->page_shift >= 12 && f->levels <= VMSIM__PT_LEVELS);
    for (unsigned shift = 0; shift < 64; shift++)
        if (shifts >> shift & 1 && t->classes < VMSIM__TLB_SIZES) {
            t->class_of[shift] = t->classes;
            t->class_shift[t->classes++] = (uint8_t)shift;
        }
    /* A size beyond the last class (no format has it) would be kept in pieces of the largest. */
}

/* Largest first in class_at, which is the order in which sizes are looked for. */
static int array_sizes(struct vmsim__tlb *t, struct tlb_array *r, const struct vmsim__tlb_array_spec *s,
                       struct vmsim__err *err) {
    const uint64_t *size = s->sizes.data;
    bool held[VMSIM__TLB_SIZES] = {0};
    for (size_t i = 0; i < s->sizes.count; i++) {
        if (!vmsim__is_pow2(size[i]))
            return vmsim__err_set(err, VMSIM_EINVAL, "TLB array %s: %llu bytes is no page size", s->name,
                                  (unsigned long long)size[i]);
        unsigned class = t->class_of[vmsim__log2(size[i])];
        if (class != TLB_NONE) /* a preset may name sizes that this format has not; an array without any stays empty */
            held[class] = true;
    }
    for (unsigned c = t->classes; c-- > 0;)
        if (held[c] || !s->sizes.count)
            r->class_at[r->classes++] = (uint8_t)c;
    return 0;
}

/* Limits are of ways by number, as processors partition an array between page sizes; without any each size may take
 * all. */
static int array_ways(struct vmsim__tlb *t, struct tlb_array *r, const struct vmsim__tlb_array_spec *s,
                      struct vmsim__err *err) {
    VMSIM__ASSERT(r->ways > 0);
    const struct vmsim__tlb_ways_spec *limit = s->ways_for.data;
    for (unsigned c = 0; c < VMSIM__TLB_SIZES; c++) {
        r->first[c] = 0;
        r->count[c] = r->ways;
    }
    for (size_t i = 0; i < s->ways_for.count; i++) {
        unsigned class = vmsim__is_pow2(limit[i].size) ? t->class_of[vmsim__log2(limit[i].size)] : TLB_NONE;
        if (!limit[i].ways || limit[i].first >= r->ways || limit[i].ways > r->ways - limit[i].first)
            return vmsim__err_set(err, VMSIM_EINVAL, "TLB array %s: ways_for reaches beyond its %u ways", s->name,
                                  r->ways);
        if (class == TLB_NONE)
            continue;
        r->first[class] = (uint32_t)limit[i].first;
        r->count[class] = (uint32_t)limit[i].ways;
    }
    return 0;
}

/* Any number of sets: one that is no power of two is indexed by a remainder (mask 0), which real arrays with 1536
 * entries have. */
static int array_geometry(struct vmsim__tlb *t, struct tlb_array *r, const struct vmsim__tlb_array_spec *s,
                          struct vmsim__err *err) {
    uint64_t ways = s->ways ? s->ways : s->entries;
    if (!s->name || !s->entries || s->entries > 1 << 20 || s->level < 1 || s->level > VMSIM__TLB_LEVELS)
        return vmsim__err_set(err, VMSIM_EINVAL, "TLB array %s: entries or level out of range",
                              s->name ? s->name : "without name");
    if (s->entries % ways)
        return vmsim__err_set(err, VMSIM_EINVAL, "TLB array %s: %llu entries are not a multiple of %llu ways", s->name,
                              (unsigned long long)s->entries, (unsigned long long)ways);
    r->entries = (uint32_t)s->entries;
    r->ways = (uint32_t)ways;
    r->sets = r->entries / r->ways;
    VMSIM__ASSERT(r->sets > 0);
    r->mask = vmsim__is_pow2(r->sets) ? r->sets - 1 : 0;
    r->hashed = s->index == VMSIM__TLB_HASH;
    r->inclusive = s->inclusive;
    r->level = (uint8_t)s->level;
    r->holds = (uint8_t)s->holds;
    r->latency = s->latency;
    int e = array_sizes(t, r, s, err);
    return e ? e : array_ways(t, r, s, err);
}

/* lru and tree-plru are known by name, since both can be served without a call: their last-use times are all they go
 * by. */
static int array_policy(struct tlb_array *r, const struct vmsim__tlb_array_spec *s,
                        struct vmsim__policy_registry *policies, uint64_t seed, struct vmsim__err *err) {
    const struct vmsim_policy *policy;
    int e = vmsim__policy_resolve(policies, VMSIM_POLICY_TLB_REPLACEMENT, &s->replacement, &policy, err);
    if (!e)
        e = vmsim__policy_instance_init(&r->instance, policies, policy, &s->replacement.params, seed, s->name, err);
    if (e)
        return e;
    const struct vmsim_tlb_replacement_policy *p = (const void *)policy;
    struct vmsim_tlb_geometry geometry = {sizeof geometry, r->sets, r->ways};
    r->policy = p;
    r->lru = p == &vmsim__tlb_lru;
    r->tree = p == &vmsim__tlb_plru;
    e = p->create ? p->create(&r->instance.services, &geometry, r->instance.params, &r->instance.context) : 0;
    return e ? vmsim__err_set(err, e, "TLB array %s: policy %s cannot start: %s", s->name, policy->name,
                              vmsim_error_text(e))
             : 0;
}

/* Which of the three layouts; allocates it, empty. An order fits up to 16 ways in one word, which is why such an
 * array keeps no times. Wide ones find their oldest way by a list (tlb_wide.c), narrow ones by a scan. */
static bool array_memory(struct vmsim__tlb *t, struct tlb_array *r, bool limited) {
    const bool order = r->level > 1 && r->lru && r->ways <= TLB_ORDER_WAYS, wide = !order && r->ways > 8 && !limited;
    const size_t columns = order ? 2 : 3;
    r->stride = wide ? r->ways : columns * r->ways;
    r->use = wide ? r->entries : r->ways; /* of an order: its data */
    r->data = (columns - 1) * r->use;
    r->words = columns * r->entries;
    r->block = vmsim__calloc_aligned(t->alloc, 64, r->words * sizeof *r->block);
    r->order = order ? vmsim__calloc(t->alloc, r->sets, sizeof *r->order) : NULL;
    if (!r->block || (order && !r->order))
        return false;
    for (uint32_t set = 0; set < r->sets; set++) {
        memset(tlb_tags(r, set), 0xff, r->ways * sizeof(uint64_t));
        if (order)
            r->order[set] = tlb_order_init(r->ways);
    }
    return !wide || vmsim__tlb_wide_create(&r->wide, t->alloc, r->block, r->block + r->use, r->sets, r->ways);
}

/* Which of the hand-made fills serves an array; NONE goes the general way (tlb_fill.h). */
static enum tlb_quick quick_of(const struct tlb_array *r, unsigned class) {
    if (r->inclusive || r->count[class] != r->ways || !(r->lru || r->tree))
        return TLB_QUICK_NONE;
    if (r->order)
        return TLB_QUICK_ORDER;
    if (r->wide.head)
        return r->lru ? TLB_QUICK_WIDE : TLB_QUICK_NONE;
    return r->ways == 4 ? TLB_QUICK_4 : r->ways == 8 ? TLB_QUICK_8 : r->ways < 8 ? TLB_QUICK_FEW : TLB_QUICK_NONE;
}

/* What a look needs of an array and page size, gathered in one line of the host's cache: once for entries of an
 * address space, once for global ones. */
static void array_places(struct vmsim__tlb *t, struct tlb_array *r) {
    for (unsigned global = 0; global < 2; global++)
        for (unsigned c = 0; c < t->classes; c++)
            r->place[global][c] = (struct tlb_place){.block = r->block,
                                                     .array = r,
                                                     .count = &r->by_size[c],
                                                     .tag = tlb_tag(0, global ? VMSIM__ASID_GLOBAL : 0, c),
                                                     .mask = r->mask,
                                                     .stride = (uint32_t)r->stride,
                                                     .shift = t->class_shift[c],
                                                     .class = (uint8_t)c,
                                                     .order = r->order,
                                                     .ways = r->ways <= TLB_ORDER_WAYS ? (uint8_t)r->ways : 0,
                                                     .plain = (r->mask || r->sets == 1) && !r->hashed && !r->wide.head,
                                                     .tree = r->tree,
                                                     .quick = (uint8_t)quick_of(r, c)};
}

/* The array counts as there from its number on, so that vmsim__tlb_destroy takes down what a failure leaves. */
static int array_create(struct vmsim__tlb *t, const struct vmsim__tlb_array_spec *s,
                        struct vmsim__policy_registry *policies, uint64_t seed, struct vmsim__err *err) {
    VMSIM__ASSERT(t->arrays < VMSIM__TLB_ARRAYS);
    struct tlb_array *r = &t->array[t->arrays];
    int e = array_geometry(t, r, s, err);
    if (e)
        return e;
    r->number = t->arrays++;
    r->name = vmsim__strdup(t->alloc, s->name);
    e = array_policy(r, s, policies, seed, err);
    if (e)
        return e;
    t->wants_access |= (r->policy->wants & VMSIM_TLB_WANTS_ACCESS) != 0;
    if (!r->name || !array_memory(t, r, s->ways_for.count != 0))
        return vmsim__err_set(err, VMSIM_ENOMEM, "no memory for TLB array %s", s->name);
    array_places(t, r);
    return 0;
}

/* A ring of its ways a set, from the oldest: use moves an entry without a time. */
static int walk_cache_create(struct vmsim__tlb *t, const struct vmsim__walk_cache_spec *s, struct vmsim__err *err) {
    uint64_t ways = s->ways ? s->ways : s->entries;
    if (s->level < 1 || s->level >= VMSIM__PT_LEVELS || !s->entries || s->entries > 1 << 16 || s->entries % ways)
        return vmsim__err_set(err, VMSIM_EINVAL, "walk cache: level %llu with %llu entries of %llu ways cannot be",
                              (unsigned long long)s->level, (unsigned long long)s->entries, (unsigned long long)ways);
    struct tlb_walk_cache *c = &t->walk_cache[s->level];
    if (c->entries)
        return vmsim__err_set(err, VMSIM_EINVAL, "two walk caches of level %llu", (unsigned long long)s->level);
    c->entries = (uint32_t)s->entries;
    c->ways = (uint32_t)ways;
    c->sets = c->entries / c->ways;
    c->shift = t->format->shift[s->level];
    c->level = (uint8_t)s->level;
    c->valid = &t->walk_valid[s->level];
    c->tag = vmsim__calloc_aligned(t->alloc, 64, c->entries * sizeof *c->tag);
    c->way = vmsim__calloc_aligned(t->alloc, 64, c->entries * sizeof *c->way);
    c->link = vmsim__calloc(t->alloc, c->entries, sizeof *c->link);
    c->oldest = vmsim__calloc(t->alloc, c->sets, sizeof *c->oldest);
    if (!c->tag || !c->way || !c->link || !c->oldest)
        return vmsim__err_set(err, VMSIM_ENOMEM, "no memory for a walk cache");
    memset(c->tag, 0xff, c->entries * sizeof *c->tag);
    for (uint32_t e = 0; e < c->entries; e++) {
        uint32_t first = e - e % c->ways;
        c->oldest[e / c->ways] = first;
        c->link[e] =
            (struct tlb_walk_link){first + (e + 1 - first) % c->ways, first + (e + c->ways - 1 - first) % c->ways};
    }
    return 0;
}

/* Where a page of class c goes at a level: the array that holds the largest piece of it. A size that no array holds is
 * kept in pieces of the largest smaller one, as processors break a 1 GiB page into entries of 2 MiB. */
static void find_home(struct tlb_side *s, unsigned level, unsigned c) {
    VMSIM__ASSERT(level < VMSIM__TLB_LEVELS && c < VMSIM__TLB_SIZES);
    const struct tlb_place **home = &s->home[level][c];
    for (struct tlb_array *const *at = s->path; *at; at++)
        for (unsigned k = 0; k < (*at)->classes && (*at)->level == level + 1; k++) {
            unsigned mine = (*at)->class_at[k];
            if (mine <= c && (!*home || mine > (*home)->class))
                *home = &(*at)->place[0][mine];
        }
}

/* A level takes as long as the slowest of its arrays. */
static void find_path(struct vmsim__tlb *t, unsigned fetch) {
    struct tlb_side *s = &t->side[fetch];
    struct tlb_array **end = s->path;
    for (unsigned level = 0; level < t->levels; level++) {
        uint64_t latency = 0;
        for (unsigned i = 0; i < t->arrays; i++) {
            struct tlb_array *r = &t->array[i];
            bool other = r->holds != VMSIM__TLB_BOTH && (r->holds == VMSIM__TLB_INSTRUCTION) != (fetch == 1);
            if (r->level != level + 1 || other)
                continue;
            VMSIM__ASSERT(r->number == i);
            *end++ = r;
            latency = vmsim__max64(latency, r->latency);
        }
        s->before[level + 1] = s->before[level] + latency;
    }
}

/* Levels without gaps for both kinds of access: arrays of a level that nobody needs to look in simply are none. */
static void connect(struct vmsim__tlb *t) {
    for (unsigned i = 0; i < t->arrays; i++)
        t->levels = t->array[i].level > t->levels ? t->array[i].level : t->levels;
    VMSIM__ASSERT(t->levels <= VMSIM__TLB_LEVELS);
    for (unsigned fetch = 0; fetch < 2; fetch++) {
        find_path(t, fetch);
        for (unsigned level = 0; level < t->levels; level++)
            for (unsigned c = 0; c < t->classes; c++)
                find_home(&t->side[fetch], level, c);
        const struct tlb_place *last = t->levels > 1 ? t->side[fetch].home[t->levels - 1][0] : NULL;
        t->side[fetch].last = last && last->plain ? last : NULL;
    }
}

/* "none" is stored as no prefetcher, so that a miss does not pay for a call that answers nothing. */
static int prefetcher_create(struct vmsim__tlb *t, const struct vmsim__policy_choice *choice,
                             struct vmsim__policy_registry *policies, uint64_t seed, struct vmsim__err *err) {
    const struct vmsim_policy *policy;
    int e = vmsim__policy_resolve(policies, VMSIM_POLICY_TLB_PREFETCH, choice, &policy, err);
    if (!e)
        e = vmsim__policy_instance_init(&t->prefetch_instance, policies, policy, &choice->params, seed, "tlb-prefetch",
                                        err);
    if (e)
        return e;
    const struct vmsim_tlb_prefetch_policy *p = (const void *)policy;
    e = p->create
            ? p->create(&t->prefetch_instance.services, t->prefetch_instance.params, &t->prefetch_instance.context)
            : 0;
    if (e)
        return vmsim__err_set(err, e, "TLB prefetch policy %s cannot start: %s", policy->name, vmsim_error_text(e));
    t->wants_access |= (p->wants & VMSIM_TLB_WANTS_ACCESS) != 0;
    t->prefetch = p == &vmsim__tlb_prefetch_none ? NULL : p;
    return 0;
}

static int create_parts(struct vmsim__tlb *t, const struct vmsim__tlb_spec *spec,
                        struct vmsim__policy_registry *policies, uint64_t seed, struct vmsim__err *err) {
    const struct vmsim__tlb_array_spec *array = spec->arrays.data;
    const struct vmsim__walk_cache_spec *cache = spec->walk_caches.data;
    if (spec->arrays.count > VMSIM__TLB_ARRAYS || !spec->clock)
        return vmsim__err_set(err, VMSIM_EINVAL, "TLB: more than %d arrays, or no clock", VMSIM__TLB_ARRAYS);
    for (size_t i = 0; i < spec->arrays.count; i++) {
        int e = array_create(t, &array[i], policies, seed, err);
        if (e)
            return e;
        for (size_t j = 0; j < i; j++) /* counters go by the name */
            if (!strcmp(array[i].name, array[j].name))
                return vmsim__err_set(err, VMSIM_EINVAL, "TLB array %s: two arrays have this name", array[i].name);
    }
    for (size_t i = 0; i < spec->walk_caches.count; i++) {
        int e = walk_cache_create(t, &cache[i], err);
        if (e)
            return e;
    }
    for (unsigned level = 1, n = 0; level < t->format->levels; level++)
        if (t->walk_cache[level].entries)
            t->walk_list[n++] = &t->walk_cache[level];
    connect(t);
    return prefetcher_create(t, &spec->prefetch, policies, seed, err);
}

/* Each CPU's policies draw from a stream of their own: the seed is moved by the golden ratio's bits times the CPU's
 * number. */
int vmsim__tlb_create(struct vmsim__tlb **out, struct vmsim__alloc *a, const struct vmsim__tlb_spec *spec,
                      const struct vmsim__pt_format *f, struct vmsim__policy_registry *policies, uint64_t seed,
                      unsigned cpu, struct vmsim__err *err) {
    struct vmsim__tlb *t = vmsim__calloc_aligned(a, 64, sizeof *t);
    *out = NULL;
    if (!t)
        return vmsim__err_set(err, VMSIM_ENOMEM, "no memory for a TLB");
    t->alloc = a;
    t->format = f;
    t->page_shift = f->page_shift;
    t->clock = spec->clock;
    t->bypass = spec->bypass;
    t->leaf_epoch = 1;
    t->walk_latency = spec->walk_latency;
    t->walk_reference = spec->walk_reference;
    find_classes(t, f);
    int e = vmsim__tlb_softmmu_create(&t->softmmu, a, &spec->softmmu)
                ? vmsim__err_set(err, VMSIM_ENOMEM, "no memory for an emulated TLB")
                : create_parts(t, spec, policies, seed + cpu * UINT64_C(0x9e3779b97f4a7c15), err);
    t->soft = t->softmmu.max;
    vmsim__tlb_filter_clear(t);
    if (e) {
        vmsim__tlb_destroy(t);
        return e;
    }
    *out = t;
    return 0;
}

void vmsim__tlb_set_memory(struct vmsim__tlb *t, const struct vmsim__tlb_memory *memory,
                           const struct vmsim__tlb_latency *distant, struct vmsim__tlb_reads *reads) {
    VMSIM__ASSERT(!memory == !distant && !memory == !reads);
    if (t->bypass || t->softmmu.max) /* nothing is known of misses, or memory is as near as the host's */
        return;
    t->memory = memory;
    t->distant = distant;
    t->reads = reads;
}

/* The short way of misses tells nobody what it read: it is not taken meanwhile. */
void vmsim__tlb_set_record(struct vmsim__tlb *t, struct vmsim__tlb_record *record) {
    VMSIM__ASSERT(!record || record->entry);
    t->record = record;
    for (unsigned fetch = 0; fetch < 2; fetch++)
        vmsim__tlb_find_pair(t, &t->side[fetch]);
}

void vmsim__tlb_destroy(struct vmsim__tlb *t) {
    if (!t)
        return;
    for (unsigned i = 0; i < t->arrays; i++) {
        struct tlb_array *r = &t->array[i];
        vmsim__policy_instance_fini(&r->instance);
        vmsim__tlb_wide_destroy(&r->wide, t->alloc);
        vmsim__free_aligned(t->alloc, r->block, 64, r->words * sizeof *r->block);
        vmsim__free(t->alloc, r->order, r->sets * sizeof *r->order);
        vmsim__strfree(t->alloc, r->name);
    }
    for (unsigned level = 0; level < VMSIM__PT_LEVELS; level++) {
        struct tlb_walk_cache *c = &t->walk_cache[level];
        vmsim__free_aligned(t->alloc, c->tag, 64, c->entries * sizeof *c->tag);
        vmsim__free_aligned(t->alloc, c->way, 64, c->entries * sizeof *c->way);
        vmsim__free(t->alloc, c->link, c->entries * sizeof *c->link);
        vmsim__free(t->alloc, c->oldest, c->sets * sizeof *c->oldest);
    }
    if (t->softmmu.max)
        vmsim__tlb_softmmu_destroy(&t->softmmu, t->alloc);
    vmsim__policy_instance_fini(&t->prefetch_instance);
    vmsim__free_aligned(t->alloc, t, 64, sizeof *t);
}
