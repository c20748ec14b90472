/* SPDX-License-Identifier: MIT */
/* The multi-generational LRU over lists with fake mappings and files: where folios begin, how generations come and go,
 * what tiers protect, what filters remember; and the page cache of a cgroup, counter by counter as a real kernel has it
 * (the workload cg_cache of the captures: 6.1, 32 MiB, lru_gen/enabled y). */
#include "cache_machine.h"
#include "reclaim/mglru.h"

enum { FRAMES = 20000, FILE_PAGES = 16416 };

static struct cache_machine m;
static struct vmsim__vmscan v;
static bool young[FRAMES];             /* used through a mapping since last asked */
static uint64_t entry[FILE_PAGES + 1]; /* of the one file; the last: of others */
static const vmsim__pfn *walked;       /* pages that the only address space uses */
static unsigned nr_walked, looks;

static struct vmsim__frame *frame(vmsim__pfn pfn) {
    return vmsim__frame_at(&m.mem.frames, pfn);
}

static struct vmsim__lru_gen *gens(void) {
    return vmsim__lruvec_of_node(m.lru, 0)->gen;
}

/* A page and its neighbour are mapped by entries next to each other. */
static void on_referenced(void *context, vmsim__pfn pfn, uint16_t target, const struct vmsim__young_sink *around,
                          unsigned cpu, struct vmsim__use *use) {
    unsigned used = 0;
    (void)context, (void)target, (void)cpu;
    *use = (struct vmsim__use){.ptes = young[pfn]};
    if (!young[pfn] || !around)
        return;
    for (vmsim__pfn at = pfn & ~1u; at <= (pfn | 1); at++) {
        if (young[at] && around->young(around->context, at)) {
            young[at] = false;
            used++;
        }
    }
    around->looked(around->context, 7, 64, used);
}

static bool on_unmap(void *context, vmsim__pfn pfn, unsigned cpu) {
    (void)context, (void)cpu;
    frame(pfn)->refcount -= frame(pfn)->mapcount;
    frame(pfn)->mapcount = 0;
    return true;
}

static void on_remove(void *context, vmsim__pfn pfn, uint64_t shadow, unsigned cpu) {
    (void)context;
    if (vmsim__frame_is(frame(pfn), VMSIM__FRAME_FILE))
        entry[vmsim__frame_index(frame(pfn))] = vmsim__entry_make(VMSIM__ENTRY_SHADOW, shadow);
    frame(pfn)->flags &= ~(VMSIM__FRAME_FILE | VMSIM__FRAME_SWAPCACHE);
    vmsim__folio_put(m.lru, pfn, cpu);
}

/* One table of 64 entries. */
static void on_walk(void *context, struct vmsim__mm_walk *w) {
    unsigned used = 0;
    (void)context;
    if (!w->sink.look(w->sink.context, 7))
        return;
    looks++;
    for (unsigned i = 0; i < nr_walked; i++)
        used += w->sink.young(w->sink.context, walked[i]);
    w->sink.looked(w->sink.context, 7, 64, used);
    w->walked = 1;
}

static void check(void) {
    struct vmsim__err err = {0};
    if (vmsim__lru_check(m.lru, &err))
        fail_msg("%s", err.text);
}

static void start(const char *kernel) {
    cache_machine_start(&m, kernel, 1, FRAMES);
    memset(young, 0, sizeof young);
    memset(entry, 0, sizeof entry);
    nr_walked = looks = 0;
    m.mem.totalram = FRAMES;
    m.mem.nodes[0].order_count = 1;
    assert_true(vmsim__lru_gen_enable(m.lru, true));
    v = (struct vmsim__vmscan){
        .ops = &vmsim__linux_mglru,
        .lru = m.lru,
        .mem = &m.mem,
        .kernel = vmsim__kernel_find(kernel),
        .swappiness = 60,
        .lru_gen = VMSIM__LRU_GEN_CORE | VMSIM__LRU_GEN_MM_WALK,
        .hooks = {.referenced = on_referenced, .walk_mms = on_walk, .unmap = on_unmap, .remove_mapping = on_remove}};
}

/* Whoever still has a reference lets go of it. */
static void drop_all(void) {
    vmsim__lru_drain_all(m.lru);
    for (vmsim__pfn pfn = 0; pfn < m.frames; pfn++) {
        struct vmsim__frame *f = frame(pfn);
        if (f->refcount <= 0)
            continue;
        f->flags &= ~(VMSIM__FRAME_FILE | VMSIM__FRAME_SWAPCACHE);
        f->mapcount = 0;
        f->refcount = 1;
        vmsim__folio_put(m.lru, pfn, 0);
    }
    cache_machine_end(&m, true);
}

#define ANON (VMSIM__FRAME_ANON | VMSIM__FRAME_SWAPBACKED)
#define CACHED VMSIM__FRAME_FILE

static vmsim__pfn new_page(uint32_t flags) {
    struct vmsim__alloc_request rq = {.node = 0};
    vmsim__pfn pfn = vmsim__mem_alloc(&m.mem, &rq);
    assert_int_not_equal(pfn, VMSIM__PFN_NONE);
    frame(pfn)->flags |= flags;
    frame(pfn)->mapcount = vmsim__frame_is(frame(pfn), VMSIM__FRAME_ANON);
    vmsim__lru_add(m.lru, pfn, 0);
    return pfn;
}

static void fill(vmsim__pfn *page, unsigned count, uint32_t flags) {
    for (unsigned i = 0; i < count; i++)
        page[i] = new_page(flags);
    vmsim__lru_drain_all(m.lru);
}

static uint64_t seq_of(vmsim__pfn pfn) {
    const struct vmsim__lru_gen *g = gens();
    for (uint64_t seq = g->max_seq; seq + VMSIM__MAX_NR_GENS > g->max_seq; seq--) {
        if (vmsim__folio_gen(frame(pfn)) == (int)vmsim__gen_of_seq(seq))
            return seq;
    }
    return UINT64_MAX;
}

static void age(bool can_swap) {
    struct vmsim__scan_control sc = vmsim__scan_direct(0, VMSIM__GFP_KERNEL, VMSIM__ZONE_NORMAL, 1, 0);
    vmsim__inc_max_seq(&v, &sc, vmsim__lruvec_of_node(m.lru, 0), can_swap);
}

/* ---- where folios begin ---- */

static void test_a_folio_begins_as_its_flags_say(void **state) {
    static const struct {
        uint32_t flags;
        uint64_t seq;
    } c[] = {{CACHED, 1},
             {CACHED | VMSIM__FRAME_ACTIVE, 3},
             {ANON, 2},
             {ANON | VMSIM__FRAME_SWAPCACHE, 1},
             {CACHED | VMSIM__FRAME_RECLAIM | VMSIM__FRAME_DIRTY, 2},
             {CACHED | VMSIM__FRAME_RECLAIM, 1}};
    (void)state;
    start("6.1");
    for (size_t i = 0; i < TEST_COUNT(c); i++) {
        const vmsim__pfn pfn = new_page(c[i].flags);
        vmsim__lru_drain_all(m.lru);
        assert_int_equal(seq_of(pfn), c[i].seq);
        assert_false(vmsim__frame_is(frame(pfn), VMSIM__FRAME_ACTIVE));
    }
    check();
    drop_all();
}

static void test_what_a_fault_brings_in_is_young(void **state) {
    (void)state;
    start("6.1");
    m.mem.now.in_lru_fault = true;
    const vmsim__pfn pfn = new_page(CACHED);
    m.mem.now.in_lru_fault = false;
    vmsim__lru_drain_all(m.lru);
    assert_int_equal(seq_of(pfn), 3);
    assert_int_equal(m.mem.nodes[0].stat[VMSIM__NR_ACTIVE_FILE], 1);
    drop_all();
}

static void test_a_folio_keeps_its_age_off_the_lists(void **state) {
    (void)state;
    start("6.1");
    const vmsim__pfn old = new_page(CACHED), hot = new_page(CACHED | VMSIM__FRAME_ACTIVE);
    vmsim__lru_drain_all(m.lru);
    assert_true(vmsim__lru_isolate(m.lru, old) && vmsim__lru_isolate(m.lru, hot));
    assert_false(vmsim__frame_is(frame(old), VMSIM__FRAME_ACTIVE));
    assert_true(vmsim__frame_is(frame(hot), VMSIM__FRAME_ACTIVE));
    vmsim__lru_putback(m.lru, old, 0);
    vmsim__lru_putback(m.lru, hot, 0);
    vmsim__lru_drain_all(m.lru);
    assert_int_equal(seq_of(old), 1);
    assert_int_equal(seq_of(hot), 3);
    check();
    drop_all();
}

static void test_folios_change_lists_when_generations_come_and_go(void **state) {
    static vmsim__pfn page[4][20];
    static const uint32_t flags[] = {ANON, ANON | VMSIM__FRAME_ACTIVE, CACHED, CACHED | VMSIM__FRAME_ACTIVE};
    (void)state;
    start("6.1");
    assert_true(vmsim__lru_gen_enable(m.lru, false));
    for (unsigned i = 0; i < 4; i++)
        fill(page[i], 20, flags[i]);
    for (unsigned round = 0; round < 3; round++) {
        assert_true(vmsim__lru_gen_enable(m.lru, true));
        check();
        assert_int_equal(seq_of(page[3][0]), 3);
        assert_int_equal(seq_of(page[2][0]), 1);
        assert_true(vmsim__lru_gen_enable(m.lru, false));
        check();
        assert_int_equal(m.mem.nodes[0].stat[VMSIM__NR_ACTIVE_FILE], 20);
        assert_int_equal(m.mem.nodes[0].stat[VMSIM__NR_INACTIVE_FILE], 20);
    }
    drop_all();
}

/* ---- ageing ---- */

static void test_the_two_youngest_generations_count_as_active(void **state) {
    static vmsim__pfn page[30];
    (void)state;
    start("6.1");
    fill(page, 30, CACHED | VMSIM__FRAME_ACTIVE);
    const struct vmsim__node *n = &m.mem.nodes[0];
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(n->stat[VMSIM__NR_ACTIVE_FILE], i < 2 ? 30 : 0);
        assert_int_equal(n->stat[VMSIM__NR_INACTIVE_FILE], i < 2 ? 0 : 30);
        check();
        vmsim__try_to_inc_min_seq(vmsim__lruvec_of_node(m.lru, 0), false);
        age(false);
    }
    drop_all();
}

static void test_a_fifth_generation_joins_the_two_oldest(void **state) {
    static vmsim__pfn page[40];
    (void)state;
    start("6.1");
    fill(page, 20, CACHED);
    age(false); /* 1 to 4 */
    fill(page + 20, 20, CACHED);
    assert_int_equal(seq_of(page[0]), 1);
    assert_int_equal(seq_of(page[20]), 2);
    age(false);
    assert_int_equal(gens()->min_seq[VMSIM__LRU_GEN_FILE], 2);
    assert_int_equal(seq_of(page[0]), 2);
    assert_int_equal(gens()->list[2][VMSIM__LRU_GEN_FILE][VMSIM__ZONE_NORMAL].tail, page[19]);
    check();
    drop_all();
}

static void test_ageing_is_due_when_generations_are_few_or_uneven(void **state) {
    static const struct {
        uint64_t max, young, middle, old;
        bool due;
    } c[] = {{4, 0, 0, 10, true},   {2, 0, 0, 10, false},  {3, 51, 0, 49, true},
             {3, 50, 0, 50, false}, {3, 10, 66, 24, true}, {3, 10, 65, 25, false}};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(c); i++) {
        struct vmsim__lru_gen g = {.max_seq = 10, .min_seq = {0, 10 - c[i].max + 1}};
        uint64_t total;
        g.nr_pages[10 % 4][VMSIM__LRU_GEN_FILE][0] = c[i].young;
        g.nr_pages[9 % 4][VMSIM__LRU_GEN_FILE][0] = c[i].middle;
        g.nr_pages[8 % 4][VMSIM__LRU_GEN_FILE][0] = c[i].old;
        g.min_seq[VMSIM__LRU_GEN_FILE] = i == 0 ? 7 : i == 1 ? 9 : 8;
        const bool due = vmsim__should_run_aging(&g, false, &total);
        assert_int_equal(due, i == 0 ? false : i == 1 ? true : c[i].due);
    }
}

static void test_a_walk_makes_used_pages_young(void **state) {
    static vmsim__pfn page[20];
    (void)state;
    start("6.1");
    fill(page, 20, CACHED);
    walked = page;
    nr_walked = 8;
    age(false);
    assert_int_equal(seq_of(page[7]), 3); /* the youngest when the walk began */
    assert_int_equal(seq_of(page[8]), 1);
    check();
    assert_int_equal(looks, 1);
    nr_walked = 7; /* of 64: fewer than one in eight */
    age(false);
    age(false);
    assert_int_equal(looks, 2); /* the filter says that it is not worth it */
    drop_all();
}

static void test_filters_forget_what_was_not_used_again(void **state) {
    static struct vmsim__lru_gen g;
    (void)state;
    memset(&g, 0, sizeof g);
    assert_true(vmsim__bloom_test(&g, 4, 1)); /* none yet */
    g.filtered[0] = true;
    assert_false(vmsim__bloom_test(&g, 4, 1));
    vmsim__bloom_add(&g, 4, 1);
    assert_true(vmsim__bloom_test(&g, 4, 1));
    unsigned others = 0;
    for (uint64_t table = 2; table < 1000; table++)
        others += vmsim__bloom_test(&g, 4, table);
    assert_int_equal(others, 0);
}

static void test_neighbours_of_a_used_page_become_young(void **state) {
    static vmsim__pfn page[64];
    bool swapping = false;
    (void)state;
    start("6.1");
    fill(page, 64, CACHED);
    struct vmsim__scan_control sc = vmsim__scan_kswapd(0, VMSIM__ZONE_NORMAL, 0);
    sc.may_unmap = true;
    vmsim__pfn first = page[0], neighbour = page[0] ^ 1;
    for (vmsim__pfn at = first & ~1u; at <= (first | 1); at++) {
        frame(at)->mapcount = 1;
        frame(at)->refcount++;
        young[at] = true;
    }
    vmsim__try_to_inc_min_seq(vmsim__lruvec_of_node(m.lru, 0), false);
    vmsim__evict_folios(&v, &sc, vmsim__lruvec_of_node(m.lru, 0), 0, &swapping);
    vmsim__lru_drain_all(m.lru);
    assert_int_equal(seq_of(first), 3);
    assert_int_equal(seq_of(neighbour), 3);
    assert_int_equal(event(&m, VMSIM__PGSTEAL_FILE), 62);
    check();
    drop_all();
}

/* ---- tiers ---- */

static void test_tiers_are_powers_of_two_of_uses(void **state) {
    static const unsigned tier[] = {0, 0, 1, 2, 2, 3, 3, 3};
    struct vmsim__frame f = {0};
    (void)state;
    for (unsigned uses = 0; uses < TEST_COUNT(tier); uses++) {
        assert_int_equal(vmsim__tier_of_refs(vmsim__folio_refs(&f)), tier[uses]);
        vmsim__folio_inc_refs(&f);
    }
}

/* Tier 2 came back three times as often as tier 0, tier 1 twice as often. */
static void test_a_tier_that_comes_back_too_often_is_protected(void **state) {
    static struct vmsim__lru_gen g;
    (void)state;
    memset(&g, 0, sizeof g);
    assert_int_equal(vmsim__tier_idx(&g, VMSIM__LRU_GEN_FILE), 3); /* nothing is known: all may go */
    for (unsigned tier = 0; tier < 4; tier++)
        g.evicted[VMSIM__LRU_GEN_FILE][tier] = 10000;
    g.refaulted[VMSIM__LRU_GEN_FILE][0] = 1000;
    g.refaulted[VMSIM__LRU_GEN_FILE][1] = 2000 - 20; /* the margin of 64 evicted pages */
    g.refaulted[VMSIM__LRU_GEN_FILE][2] = 3000;
    assert_int_equal(vmsim__tier_idx(&g, VMSIM__LRU_GEN_FILE), 1);
    g.refaulted[VMSIM__LRU_GEN_FILE][1] = 2000;
    assert_int_equal(vmsim__tier_idx(&g, VMSIM__LRU_GEN_FILE), 0);
    g.refaulted[VMSIM__LRU_GEN_FILE][1] = 63; /* too few to mean anything */
    g.refaulted[VMSIM__LRU_GEN_FILE][2] = 63;
    assert_int_equal(vmsim__tier_idx(&g, VMSIM__LRU_GEN_FILE), 3);
}

static void test_averages_halve_with_each_generation(void **state) {
    static struct vmsim__lru_gen g;
    (void)state;
    memset(&g, 0, sizeof g);
    g.evicted[0][1] = 800;
    g.protected[0][1] = 200;
    g.refaulted[0][1] = 400;
    for (uint64_t total = 500, back = 200; total > 30; total /= 2, back /= 2) {
        vmsim__ctrl_pos_carry(&g, 0);
        const struct vmsim__ctrl_pos p = vmsim__ctrl_pos_read(&g, 0, 1, 1);
        assert_int_equal(p.total, total);
        assert_int_equal(p.refaulted, back);
    }
}

/* Files came back twice as often as anonymous pages: at swappiness 100 those go, at 60 still, at 20 files do. */
static void test_the_type_that_is_missed_less_is_evicted(void **state) {
    static struct vmsim__lru_gen g;
    unsigned tier;
    (void)state;
    memset(&g, 0, sizeof g);
    g.evicted[VMSIM__LRU_GEN_ANON][0] = g.evicted[VMSIM__LRU_GEN_FILE][0] = 10000;
    g.refaulted[VMSIM__LRU_GEN_ANON][0] = 1000;
    g.refaulted[VMSIM__LRU_GEN_FILE][0] = 2000;
    assert_int_equal(vmsim__type_to_scan(&g, 100, &tier), VMSIM__LRU_GEN_ANON);
    assert_int_equal(vmsim__type_to_scan(&g, 70, &tier), VMSIM__LRU_GEN_ANON);
    assert_int_equal(vmsim__type_to_scan(&g, 20, &tier), VMSIM__LRU_GEN_FILE);
}

/* ---- the page cache of a cgroup ---- */

static struct vmsim__memcg *cgroup;

static vmsim__pfn charged_page(uint32_t flags) {
    struct vmsim__memcg_charge t = {.gfp = VMSIM__GFP_KERNEL | VMSIM__GFP_NORETRY};
    struct vmsim__alloc_request rq = {.node = 0};
    vmsim__pfn pfn = vmsim__mem_alloc(&m.mem, &rq);
    while (vmsim__memcg_try_charge(m.lru, cgroup->id, 1, 0, &t) == VMSIM__CHARGE_RECLAIM) {
        struct vmsim__scan_control sc = vmsim__scan_memcg(t.over, t.pages, t.gfp, true, 0);
        while (vmsim__reclaim_step(&v, &sc) != VMSIM__RECLAIM_DONE) {
        }
        t.reclaimed = sc.nr_reclaimed;
    }
    vmsim__memcg_commit(m.lru, cgroup->id, pfn);
    frame(pfn)->flags |= flags;
    return pfn;
}

/* One page as readahead brings it: charged, looked up by its shadow, on the list. */
static vmsim__pfn bring(uint64_t index) {
    vmsim__pfn pfn = vmsim__entry_pfn(entry[index]);
    if (pfn == VMSIM__PFN_NONE) {
        pfn = charged_page(VMSIM__FRAME_FILE);
        vmsim__frame_set_index(frame(pfn), index);
        if (entry[index])
            vmsim__workingset_refault(m.lru, pfn, vmsim__entry_content(entry[index]));
        entry[index] = vmsim__entry_make(VMSIM__ENTRY_PAGE, pfn);
        vmsim__lru_add(m.lru, pfn, 0);
    }
    return pfn;
}

/* What a part of the workload counted. */
struct counted {
    uint64_t scan, steal, max;
    int64_t refault, activate;
};
static struct counted counts(void) {
    return (struct counted){event(&m, VMSIM__PGSCAN_FILE), event(&m, VMSIM__PGSTEAL_FILE),
                            cgroup->memory_event[VMSIM__MEMCG_MAX],
                            vmsim__memcg_stat(cgroup, VMSIM__WORKINGSET_REFAULT_FILE),
                            vmsim__memcg_stat(cgroup, VMSIM__WORKINGSET_ACTIVATE_FILE)};
}

/* read() of so many pages; readahead brings 32 more. */
static void read_and_compare(uint64_t pages, unsigned times, struct counted want) {
    const struct counted before = counts();
    for (unsigned i = 0; i < times; i++) {
        for (uint64_t at = 0; at < pages; at++)
            vmsim__lru_mark_accessed(m.lru, bring(at), 0);
        for (uint64_t at = pages; at < pages + 32; at++)
            bring(at);
    }
    const struct counted after = counts();
    assert_int_equal(after.scan - before.scan, want.scan);
    assert_int_equal(after.steal - before.steal, want.steal);
    assert_int_equal(after.max - before.max, want.max);
    assert_int_equal(after.refault - before.refault, want.refault);
    assert_int_equal(after.activate - before.activate, want.activate);
    check();
}

/* 8,192 pages, of which 91 are anonymous or the kernel's and 35 of other files; of these one that a buffer holds is the
 * first that is looked at. Each time the limit is met a batch of 64 goes. Readahead reads 32 pages beyond what is asked
 * for. Who reads the cgroup's own files after the second pass needs three pages for that. Pages that were read five
 * times are protected, whatever became of others. */
static void test_the_page_cache_of_a_cgroup_as_a_real_kernel_has_it(void **state) {
    (void)state;
    start("6.1");
    cgroup = vmsim__memcg_create(m.lru, vmsim__memcg_root(m.lru));
    cgroup->memory.max = 8192;
    for (unsigned i = 0; i < 91; i++)
        vmsim__lru_add(m.lru, charged_page(ANON | VMSIM__FRAME_ACTIVE), 0);
    const vmsim__pfn held = charged_page(VMSIM__FRAME_FILE);
    vmsim__lru_add(m.lru, held, 0);
    for (unsigned i = 0; i < 34; i++) {
        const vmsim__pfn pfn = charged_page(VMSIM__FRAME_FILE);
        vmsim__frame_set_index(frame(pfn), FILE_PAGES);
        vmsim__lru_add(m.lru, pfn, 0);
    }
    vmsim__lru_drain_all(m.lru);
    vmsim__folio_get(m.lru, held);
    read_and_compare(16384, 1, (struct counted){8384, 8383, 131, 0, 0});
    read_and_compare(16384, 1, (struct counted){16384, 16384, 256, 16416, 0});
    vmsim__pfn reading[3];
    for (unsigned i = 0; i < 3; i++)
        reading[i] = charged_page(0);
    for (unsigned i = 0; i < 3; i++)
        vmsim__folio_put(m.lru, reading[i], 0);
    read_and_compare(16384, 1, (struct counted){16384, 16384, 256, 16416, 0});
    read_and_compare(4096, 4, (struct counted){4096, 4096, 64, 4128, 0});
    read_and_compare(16384, 1, (struct counted){12291, 12291, 192, 12288, 4096});
    assert_int_equal(cgroup->event[VMSIM__PGREFILL], 4096);
    drop_all();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_folio_begins_as_its_flags_say),
        cmocka_unit_test(test_what_a_fault_brings_in_is_young),
        cmocka_unit_test(test_a_folio_keeps_its_age_off_the_lists),
        cmocka_unit_test(test_folios_change_lists_when_generations_come_and_go),
        cmocka_unit_test(test_the_two_youngest_generations_count_as_active),
        cmocka_unit_test(test_a_fifth_generation_joins_the_two_oldest),
        cmocka_unit_test(test_ageing_is_due_when_generations_are_few_or_uneven),
        cmocka_unit_test(test_a_walk_makes_used_pages_young),
        cmocka_unit_test(test_filters_forget_what_was_not_used_again),
        cmocka_unit_test(test_neighbours_of_a_used_page_become_young),
        cmocka_unit_test(test_tiers_are_powers_of_two_of_uses),
        cmocka_unit_test(test_a_tier_that_comes_back_too_often_is_protected),
        cmocka_unit_test(test_averages_halve_with_each_generation),
        cmocka_unit_test(test_the_type_that_is_missed_less_is_evicted),
        cmocka_unit_test(test_the_page_cache_of_a_cgroup_as_a_real_kernel_has_it),
    };
    return cmocka_run_group_tests_name("reclaim_mglru", tests, NULL, NULL);
}
