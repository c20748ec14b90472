/* SPDX-License-Identifier: MIT */
/* The TLB against a naive model: every set is a list that is searched and reordered at each access, every policy is
 * written as its paper says it (explicit tree bits, explicit predictions), every walk cache is a list. Hits, misses,
 * fills, evictions, walks and the contents of all arrays must agree, for every policy, geometry and random stream of
 * accesses and flushes. */
#include "tlb_rig.h"

#include "tlb/tlb_internal.h"

#define WAYS 64
#define SETS 64
#define PAGES 512 /* small pages that the streams touch */
#define LARGE 6   /* large pages */
#define BASE UINT64_C(0x7f0000000000)

struct model_entry {
    bool valid, dirty, global;
    uint64_t page;
    unsigned class;
    uint16_t asid;
    uint64_t order; /* LRU */
    uint64_t came;  /* FIFO */
    unsigned distance;
};

struct model_array {
    const struct vmsim__tlb_array_spec *spec;
    unsigned sets, ways;
    uint64_t bits[SETS]; /* tree-PLRU, node i has children 2i + 1 and 2i + 2 */
    struct model_entry at[SETS][WAYS];
    struct vmsim__tlb_array_counters by_size[3];
    struct vmsim__rng rng;
};

struct model {
    const struct vmsim__tlb_spec *spec;
    struct model_array array[8];
    unsigned arrays, levels;
    uint64_t clock, walks, refs;
    struct {
        uint64_t tag[WAYS], order[WAYS], hit, miss, evict;
        unsigned entries;
    } cache[5];
};

static const unsigned class_shift[3] = {12, 21, 30};

/* --- Policies, the slow way ------------------------------------------------------------------------------------------
 */

static bool is(const struct model_array *a, const char *policy) {
    return !strcmp(a->spec->replacement.name, policy);
}

/* The largest power of two below. */
static unsigned left_of(unsigned ways) {
    unsigned left = 1;
    while (2 * left < ways)
        left *= 2;
    return left;
}

static void tree_touch(uint64_t *bits, unsigned ways, unsigned way) {
    unsigned node = 0, first = 0;
    while (ways > 1) {
        unsigned left = left_of(ways);
        bool right = way >= first + left;
        *bits = (*bits & ~(UINT64_C(1) << node)) | (uint64_t)!right << node;
        node = 2 * node + (right ? 2 : 1);
        first += right ? left : 0;
        ways = right ? ways - left : left;
    }
}

static unsigned tree_victim(uint64_t bits, unsigned ways) {
    unsigned node = 0, first = 0;
    while (ways > 1) {
        unsigned left = left_of(ways);
        bool right = bits >> node & 1;
        node = 2 * node + (right ? 2 : 1);
        first += right ? left : 0;
        ways = right ? ways - left : left;
    }
    return first;
}

static void model_touch(struct model *m, struct model_array *a, unsigned set, unsigned way) {
    a->at[set][way].order = ++m->clock;
    a->at[set][way].distance = 0;
    tree_touch(&a->bits[set], a->ways, way);
}

static unsigned oldest_of(const struct model_array *a, unsigned set, bool fifo) {
    unsigned best = 0;
    for (unsigned w = 1; w < a->ways; w++)
        if (fifo ? a->at[set][w].came < a->at[set][best].came : a->at[set][w].order < a->at[set][best].order)
            best = w;
    return best;
}

static unsigned model_victim(struct model_array *a, unsigned set) {
    if (is(a, "random"))
        return (unsigned)vmsim__rng_below(&a->rng, a->ways);
    if (is(a, "tree-plru"))
        return tree_victim(a->bits[set], a->ways);
    if (!is(a, "srrip"))
        return oldest_of(a, set, is(a, "fifo"));
    for (;;) {
        for (unsigned w = 0; w < a->ways; w++)
            if (a->at[set][w].distance == 3)
                return w;
        for (unsigned w = 0; w < a->ways; w++)
            a->at[set][w].distance++;
    }
}

/* --- Arrays ----------------------------------------------------------------------------------------------------------
 */

static bool holds(const struct model_array *a, unsigned class) {
    const uint64_t *size = a->spec->sizes.data;
    for (size_t i = 0; i < a->spec->sizes.count; i++)
        if (size[i] == UINT64_C(1) << class_shift[class])
            return true;
    return !a->spec->sizes.count;
}

static bool serves(const struct model_array *a, bool fetch) {
    return a->spec->holds == VMSIM__TLB_BOTH || (a->spec->holds == VMSIM__TLB_INSTRUCTION) == fetch;
}

static unsigned set_of_page(const struct model_array *a, uint64_t page) {
    if (a->spec->index == VMSIM__TLB_HASH)
        page ^= page >> 11 ^ page >> 22;
    return (unsigned)(page % a->sets);
}

static struct model_entry *model_find(struct model_array *a, uint16_t asid, uint64_t va, unsigned *set, unsigned *way) {
    for (unsigned c = 0; c < 3; c++) {
        uint64_t page = tlb_va57(va) >> class_shift[c];
        *set = set_of_page(a, page);
        for (*way = 0; *way < a->ways; ++*way) {
            struct model_entry *e = &a->at[*set][*way];
            if (e->valid && e->class == c && e->page == page && (e->global || e->asid == asid))
                return e;
        }
    }
    return NULL;
}

static void model_drop(struct model *m, unsigned below, uint16_t asid, bool global, uint64_t va, unsigned shift,
                       bool any) {
    for (unsigned i = 0; i < m->arrays; i++) {
        struct model_array *a = &m->array[i];
        if (a->spec->level >= below)
            continue;
        for (unsigned s = 0; s < a->sets; s++)
            for (unsigned w = 0; w < a->ways; w++) {
                struct model_entry *e = &a->at[s][w];
                unsigned big = shift > class_shift[e->class] ? shift : class_shift[e->class];
                bool here = e->valid && (any || e->page << class_shift[e->class] >> big == tlb_va57(va) >> big);
                if (here && (e->global ? global : e->asid == asid)) {
                    e->valid = false;
                    a->by_size[e->class].flush++;
                }
            }
    }
}

static void model_enter(struct model *m, struct model_array *a, uint64_t va, unsigned class, uint16_t asid, bool global,
                        bool dirty) {
    unsigned set, way;
    struct model_entry *e = model_find(a, asid, va, &set, &way);
    if (!e || e->class != class) {
        set = set_of_page(a, tlb_va57(va) >> class_shift[class]);
        for (way = 0; way < a->ways && a->at[set][way].valid; way++)
            ;
        if (way == a->ways) {
            way = model_victim(a, set);
            struct model_entry gone = a->at[set][way];
            a->by_size[gone.class].evict++;
            a->at[set][way].valid = false;
            if (a->spec->inclusive)
                model_drop(m, (unsigned)a->spec->level, gone.asid, gone.global, gone.page << class_shift[gone.class],
                           class_shift[gone.class], false);
        }
    }
    e = &a->at[set][way];
    *e = (struct model_entry){true, dirty, global, tlb_va57(va) >> class_shift[class], class, asid, 0, 0, 0};
    model_touch(m, a, set, way);
    e->came = m->clock;
    e->distance = 2;
    a->by_size[class].fill++;
}

/* --- The whole -------------------------------------------------------------------------------------------------------
 */

/* What the page tables of the test say: even ASIDs and odd ones share tables here. */
static unsigned true_class(uint64_t va) {
    return va >= BASE + (UINT64_C(1) << 32) ? 1 : 0;
}
static bool true_global(uint64_t va) {
    return true_class(va) == 0 && va >> 12 & 1 && (va >> 12 & 15) == 5;
}

static void model_fill_levels(struct model *m, uint64_t va, bool fetch, unsigned end, unsigned missed, unsigned class,
                              uint16_t asid, bool dirty) {
    for (unsigned level = end; level >= 1; level--) {
        int best = -1;
        unsigned as = 0;
        for (unsigned i = 0; i < m->arrays; i++)
            for (unsigned c = 0; c <= class; c++)
                if (m->array[i].spec->level == level && serves(&m->array[i], fetch) && holds(&m->array[i], c) &&
                    (best < 0 || c > as)) {
                    best = (int)i;
                    as = c;
                }
        if (best < 0)
            continue;
        m->array[best].by_size[as].miss += level <= missed;
        model_enter(m, &m->array[best], va, as, asid, true_global(va), dirty);
    }
}

static void model_walk(struct model *m, uint64_t va, uint16_t asid, unsigned leaf) {
    unsigned start = 4;
    for (unsigned level = 1; level < 4 && start == 4; level++) {
        uint64_t tag = tlb_va57(va) >> (12 + 9 * level) << 16 | asid;
        bool hit = false;
        if (!m->cache[level].entries)
            continue;
        for (unsigned w = 0; w < m->cache[level].entries; w++)
            if (m->cache[level].order[w] && m->cache[level].tag[w] == tag) {
                hit = true;
                m->cache[level].order[w] = ++m->clock;
            }
        *(hit ? &m->cache[level].hit : &m->cache[level].miss) += 1;
        if (hit)
            start = level;
    }
    m->walks++;
    m->refs += start - leaf;
    for (unsigned level = start - 1; level > leaf; level--) {
        if (!m->cache[level].entries)
            continue;
        unsigned best = 0;
        for (unsigned w = 1; w < m->cache[level].entries; w++)
            if (m->cache[level].order[w] < m->cache[level].order[best])
                best = w;
        m->cache[level].evict += m->cache[level].order[best] != 0;
        m->cache[level].tag[best] = tlb_va57(va) >> (12 + 9 * level) << 16 | asid;
        m->cache[level].order[best] = ++m->clock;
    }
}

static void model_translate(struct model *m, uint64_t va, unsigned type, uint16_t asid, bool *page_dirty) {
    bool fetch = type == VMSIM_FETCH, write = type & 1;
    for (unsigned level = 1; level <= m->levels; level++)
        for (unsigned i = 0; i < m->arrays; i++) {
            struct model_array *a = &m->array[i];
            unsigned set, way;
            if (a->spec->level != level || !serves(a, fetch))
                continue;
            struct model_entry *e = model_find(a, asid, va, &set, &way);
            if (!e)
                continue;
            a->by_size[e->class].hit++;
            model_touch(m, a, set, way);
            if (!write || e->dirty) {
                model_fill_levels(m, va, fetch, level - 1, level - 1, e->class, asid, e->dirty);
                return;
            }
            *page_dirty = true;
            model_walk(m, va, asid, true_class(va));
            model_fill_levels(m, va, fetch, m->levels, level - 1, true_class(va), asid, true);
            return;
        }
    *page_dirty |= write;
    model_walk(m, va, asid, true_class(va));
    model_fill_levels(m, va, fetch, m->levels, m->levels, true_class(va), asid, *page_dirty);
}

static void model_drop_walks(struct model *m, uint16_t asid, bool all) {
    for (unsigned level = 1; level < 5; level++)
        for (unsigned w = 0; w < m->cache[level].entries; w++)
            if (all || (uint16_t)m->cache[level].tag[w] == asid)
                m->cache[level].order[w] = 0;
}

static struct model *model_new(const struct vmsim__tlb_spec *spec) {
    struct model *m = calloc(1, sizeof *m);
    const struct vmsim__tlb_array_spec *a = spec->arrays.data;
    const struct vmsim__walk_cache_spec *c = spec->walk_caches.data;
    assert_non_null(m);
    m->spec = spec;
    m->arrays = (unsigned)spec->arrays.count;
    for (unsigned i = 0; i < m->arrays; i++) {
        m->array[i].spec = &a[i];
        m->array[i].ways = (unsigned)(a[i].ways ? a[i].ways : a[i].entries);
        m->array[i].sets = (unsigned)a[i].entries / m->array[i].ways;
        assert_true(m->array[i].ways <= WAYS && m->array[i].sets <= SETS);
        vmsim__rng_seed_named(&m->array[i].rng, 7, a[i].name);
        m->levels = a[i].level > m->levels ? (unsigned)a[i].level : m->levels;
    }
    for (size_t i = 0; i < spec->walk_caches.count; i++)
        m->cache[c[i].level].entries = (unsigned)c[i].entries;
    return m;
}

/* --- Comparison ------------------------------------------------------------------------------------------------------
 */

static void compare_counters(const struct model *m, const struct vmsim__tlb *t) {
    struct vmsim__tlb_stats s;
    vmsim__tlb_snapshot(t, &s);
    for (unsigned i = 0; i < m->arrays; i++)
        for (unsigned c = 0; c < 3; c++)
            if (memcmp(&s.array[i].by_size[c], &m->array[i].by_size[c], sizeof s.array[i].by_size[c]))
                fail_msg(
                    "%s class %u: %llu %llu %llu %llu %llu, model %llu %llu %llu %llu %llu", s.array[i].name, c,
                    (unsigned long long)s.array[i].by_size[c].hit, (unsigned long long)s.array[i].by_size[c].miss,
                    (unsigned long long)s.array[i].by_size[c].fill, (unsigned long long)s.array[i].by_size[c].evict,
                    (unsigned long long)s.array[i].by_size[c].flush, (unsigned long long)m->array[i].by_size[c].hit,
                    (unsigned long long)m->array[i].by_size[c].miss, (unsigned long long)m->array[i].by_size[c].fill,
                    (unsigned long long)m->array[i].by_size[c].evict, (unsigned long long)m->array[i].by_size[c].flush);
    assert_int_equal(s.counter[VMSIM__TLB_walks], m->walks);
    assert_int_equal(s.counter[VMSIM__TLB_walk_references], m->refs);
    for (unsigned level = 1; level < 5; level++) {
        assert_int_equal(s.walk_cache[level].hit, m->cache[level].hit);
        assert_int_equal(s.walk_cache[level].miss, m->cache[level].miss);
        assert_int_equal(s.walk_cache[level].evict, m->cache[level].evict);
    }
}

/* The same pages in the same sets, whatever the way. */
static void compare_contents(const struct model *m, const struct vmsim__tlb *t) {
    for (unsigned i = 0; i < m->arrays; i++)
        for (unsigned s = 0; s < m->array[i].sets; s++)
            for (unsigned w = 0; w < m->array[i].ways; w++) {
                const struct model_entry *e = &m->array[i].at[s][w];
                if (!e->valid)
                    continue;
                uint64_t *tag = vmsim__tlb_array_find(t, &t->array[i], e->asid, e->page << class_shift[e->class]);
                assert_non_null(tag);
                assert_int_equal(tlb_tag_class(*tag), e->class);
                assert_int_equal((*tlb_data(&t->array[i], tag) & VMSIM__PTE_DIRTY) != 0, e->dirty);
            }
}

/* --- Streams ---------------------------------------------------------------------------------------------------------
 */

struct stream {
    struct tlb_rig rig;
    struct model *model;
    struct vmsim__rng rng;
    uint64_t hot;
    bool plain; /* small pages alone, none of them global, over 8 leaf tables of 2 GiB */
    bool dirty[PAGES + LARGE];
};

static uint64_t small_va(const struct stream *s, unsigned i) {
    uint64_t page = s->plain ? (i & 3) | (i >> 2 & 15) << 4 | (uint64_t)(i >> 6) << 16 : i;
    return BASE + (page << 12);
}

static uint64_t pick_va(struct stream *s, unsigned *index) {
    uint64_t r = vmsim__rng_next(&s->rng);
    if (r % 97 == 0)
        s->hot = (r >> 20) % PAGES;
    if (r % 5 == 0 && !s->plain) {
        *index = PAGES + (unsigned)((r >> 8) % LARGE);
        return BASE + (UINT64_C(1) << 32) + ((uint64_t)(*index - PAGES) << 21) + ((r >> 20) % 512 << 12) +
               (r >> 30) % 4080;
    }
    *index = (unsigned)(r % 3 ? (s->hot + (r >> 8) % 9) % PAGES : (r >> 8) % PAGES);
    return small_va(s, *index) + (r >> 30) % 4080;
}

static void random_flush(struct stream *s) {
    uint64_t r = vmsim__rng_next(&s->rng);
    uint16_t asid = (uint16_t)(1 + r % 3);
    unsigned index, kind = (unsigned)(r >> 8) % 16;
    uint64_t va = pick_va(s, &index);
    if (kind == 0)
        vmsim__tlb_flush_all(s->rig.tlb);
    else if (kind < 3)
        vmsim__tlb_flush_asid(s->rig.tlb, asid);
    else
        vmsim__tlb_flush_page(s->rig.tlb, asid, va, index < PAGES ? 12 : 21);
    model_drop_walks(s->model, asid, kind == 0);
    if (kind == 0)
        for (uint16_t a = 1; a < 4; a++)
            model_drop(s->model, 99, a, true, 0, 12, true);
    else if (kind < 3)
        model_drop(s->model, 99, asid, false, 0, 12, true);
    else
        model_drop(s->model, 99, asid, true, va, index < PAGES ? 12 : 21, false);
}

static void run_stream(const struct vmsim__tlb_spec *spec, unsigned batches, bool plain) {
    struct stream *s = calloc(1, sizeof *s);
    vmsim_access a[700];
    assert_non_null(s);
    rig_open(&s->rig, "x86_64", spec);
    s->model = model_new(spec);
    s->rng = test_rng("tlb-model");
    s->plain = plain;
    for (unsigned i = 0; i < PAGES; i++)
        rig_map(&s->rig, small_va(s, i), 0, 1000 + i,
                RIGHTS_RW | (true_global(small_va(s, i)) ? VMSIM__PTE_GLOBAL : 0));
    for (unsigned i = 0; i < LARGE; i++)
        rig_map(&s->rig, BASE + (UINT64_C(1) << 32) + ((uint64_t)i << 21), 1, (uint64_t)(i + 1) << 9, RIGHTS_RW);
    for (unsigned b = 0; b < batches; b++) {
        size_t n = 1 + vmsim__rng_below(&s->rng, TEST_COUNT(a));
        uint16_t asid = (uint16_t)(1 + vmsim__rng_below(&s->rng, 3));
        for (size_t i = 0; i < n; i++) {
            unsigned index, type = (unsigned)vmsim__rng_below(&s->rng, 4);
            uint64_t va = pick_va(s, &index);
            a[i] = vmsim_access_make(va, 8, (enum vmsim_access_type)type);
            model_translate(s->model, va, type, asid, &s->dirty[index]);
        }
        assert_int_equal(vmsim__tlb_run(s->rig.tlb, &s->rig.pt, asid, true, a, n, NULL, &s->rig.stop), n);
        compare_counters(s->model, s->rig.tlb);
        if (b % 8 == 0) {
            compare_contents(s->model, s->rig.tlb);
            assert_int_equal(rig_check(&s->rig, NULL), 0);
        }
        if (b % 3 == 0)
            random_flush(s);
    }
    free(s->model);
    rig_close(&s->rig);
    free(s);
}

static uint64_t small_only[] = {4096}, large_only[] = {2 << 20}, both_sizes[] = {4096, 2 << 20};
static struct vmsim__walk_cache_spec walk_caches[] = {{1, 3, 0}, {2, 2, 0}, {3, 1, 0}};

static void every_policy(struct vmsim__tlb_array_spec *arrays, size_t count, unsigned batches) {
    static const char *const names[] = {"lru", "tree-plru", "fifo", "random", "srrip"};
    for (unsigned p = 0; p < TEST_COUNT(names); p++) {
        struct vmsim__tlb_spec spec = *vmsim__tlb_spec_default();
        for (size_t i = 0; i < count; i++)
            arrays[i].replacement.name = names[p];
        spec.arrays = (struct vmsim_param_list){arrays, count};
        spec.walk_caches = (struct vmsim_param_list){walk_caches, TEST_COUNT(walk_caches)};
        run_stream(&spec, batches, false);
        run_stream(&spec, batches, true);
    }
}

static void split_arrays_by_size_behave_as_lists(void **state) {
    (void)state;
    struct vmsim__tlb_array_spec arrays[] = {
        {.name = "L1I",
         .level = 1,
         .holds = VMSIM__TLB_INSTRUCTION,
         .sizes = {small_only, 1},
         .entries = 16,
         .ways = 4},
        {.name = "L1I-2M", .level = 1, .holds = VMSIM__TLB_INSTRUCTION, .sizes = {large_only, 1}, .entries = 2},
        {.name = "L1D", .level = 1, .holds = VMSIM__TLB_DATA, .sizes = {small_only, 1}, .entries = 32, .ways = 4},
        {.name = "L1D-2M", .level = 1, .holds = VMSIM__TLB_DATA, .sizes = {large_only, 1}, .entries = 4, .ways = 4},
        {.name = "L2", .level = 2, .holds = VMSIM__TLB_BOTH, .sizes = {both_sizes, 2}, .entries = 128, .ways = 8}};
    every_policy(arrays, TEST_COUNT(arrays), 60);
}

static void fully_associative_arrays_behave_as_lists(void **state) {
    (void)state;
    struct vmsim__tlb_array_spec arrays[] = {
        {.name = "L1I", .level = 1, .holds = VMSIM__TLB_INSTRUCTION, .entries = 16},
        {.name = "L1D", .level = 1, .holds = VMSIM__TLB_DATA, .entries = 64},
        {.name = "L2", .level = 2, .holds = VMSIM__TLB_BOTH, .entries = 6 * 32, .ways = 32, .index = VMSIM__TLB_HASH}};
    every_policy(arrays, TEST_COUNT(arrays), 60);
}

static void three_inclusive_levels_with_odd_sets_behave_as_lists(void **state) {
    (void)state;
    struct vmsim__tlb_array_spec arrays[] = {
        {.name = "L1", .level = 1, .holds = VMSIM__TLB_BOTH, .sizes = {small_only, 1}, .entries = 12, .ways = 2},
        {.name = "L2", .level = 2, .holds = VMSIM__TLB_BOTH, .sizes = {both_sizes, 2}, .entries = 40, .ways = 8},
        {.name = "L3",
         .level = 3,
         .holds = VMSIM__TLB_BOTH,
         .sizes = {both_sizes, 2},
         .entries = 112,
         .ways = 16,
         .inclusive = true}};
    every_policy(arrays, TEST_COUNT(arrays), 60);
}

static void a_single_direct_mapped_level_behaves_as_a_list(void **state) {
    (void)state;
    struct vmsim__tlb_array_spec arrays[] = {
        {.name = "L1", .level = 1, .holds = VMSIM__TLB_BOTH, .entries = 64, .ways = 1}};
    every_policy(arrays, TEST_COUNT(arrays), 30);
}

/* The shapes of real processors that have quick ways: few ways, hashed sets of many, an order of 12 and of 16 ways. */
static void pairs_of_levels_behave_as_lists(void **state) {
    (void)state;
    static const unsigned shape[][4] = {
        {16, 4, 96, 12}, {24, 6, 64, 16}, {20, 0, 72, 24}, {16, 8, 60, 12}, {8, 4, 64, 8}};
    for (unsigned i = 0; i < TEST_COUNT(shape); i++) {
        struct vmsim__tlb_array_spec arrays[] = {
            {.name = "L1I", .level = 1, .holds = VMSIM__TLB_INSTRUCTION, .entries = 8, .ways = 4},
            {.name = "L1D", .level = 1, .holds = VMSIM__TLB_DATA, .entries = shape[i][0], .ways = shape[i][1]},
            {.name = "L2", .level = 2, .holds = VMSIM__TLB_BOTH, .entries = shape[i][2], .ways = shape[i][3]}};
        every_policy(arrays, TEST_COUNT(arrays), 40);
    }
}

/* Victims among the ways of a size: an empty one by number first, then by the order. */
static void limited_ways_keep_their_order(void **state) {
    (void)state;
    static struct tlb_rig r;
    static struct vmsim__tlb_ways_spec limits[] = {{.size = 2 << 20, .first = 0, .ways = 2}};
    struct vmsim__tlb_array_spec arrays[] = {
        {.name = "L1", .level = 1, .holds = VMSIM__TLB_BOTH, .entries = 1, .ways = 1},
        {.name = "L2", .level = 2, .holds = VMSIM__TLB_BOTH, .entries = 4, .ways_for = {limits, 1}}};
    struct vmsim__tlb_spec spec = *vmsim__tlb_spec_default();
    spec.arrays = (struct vmsim_param_list){arrays, TEST_COUNT(arrays)};
    rig_open(&r, "x86_64", &spec);
    for (unsigned i = 0; i < 8; i++)
        rig_map(&r, BASE + i * 4096, 0, 1000 + i, RIGHTS_RW);
    for (uint64_t i = 0; i < 3; i++)
        rig_map(&r, BASE + (UINT64_C(1) << 32) + (i << 21), 1, (i + 1) << 9, RIGHTS_RW);
    const uint64_t large = BASE + (UINT64_C(1) << 32);
    for (unsigned i = 0; i < 4; i++) /* ways 0 to 3 */
        assert_true(rig_access(&r, 1, BASE + i * 4096, 1, VMSIM_LOAD, NULL));
    assert_true(rig_access(&r, 1, large, 1, VMSIM_LOAD, NULL)); /* way 0, the older of 0 and 1 */
    assert_int_equal(vmsim__tlb_probe(r.tlb, 1, BASE, false, NULL), 0);
    assert_int_equal(vmsim__tlb_probe(r.tlb, 1, BASE + 4096, false, NULL), 2);
    vmsim__tlb_flush_page(r.tlb, 1, BASE + 4096, 12);
    vmsim__tlb_flush_page(r.tlb, 1, BASE + 3 * 4096, 12);
    assert_true(rig_access(&r, 1, BASE + 4 * 4096, 1, VMSIM_LOAD, NULL));   /* way 1 by number, not 3 */
    assert_true(rig_access(&r, 1, large + (1 << 21), 1, VMSIM_LOAD, NULL)); /* way 0, older than 1 */
    assert_int_equal(vmsim__tlb_probe(r.tlb, 1, large, false, NULL), 0);
    assert_int_equal(vmsim__tlb_probe(r.tlb, 1, BASE + 4 * 4096, false, NULL), 2);
    assert_true(rig_access(&r, 1, BASE + 5 * 4096, 1, VMSIM_LOAD, NULL)); /* way 3, empty */
    assert_int_equal(vmsim__tlb_probe(r.tlb, 1, BASE + 2 * 4096, false, NULL), 2);
    assert_int_equal(rig_check(&r, NULL), 0);
    rig_close(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(split_arrays_by_size_behave_as_lists),
        cmocka_unit_test(fully_associative_arrays_behave_as_lists),
        cmocka_unit_test(three_inclusive_levels_with_odd_sets_behave_as_lists),
        cmocka_unit_test(a_single_direct_mapped_level_behaves_as_a_list),
        cmocka_unit_test(pairs_of_levels_behave_as_lists),
        cmocka_unit_test(limited_ways_keep_their_order),
    };
    return cmocka_run_group_tests_name("tlb_model", tests, NULL, NULL);
}
