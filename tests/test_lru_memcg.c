/* SPDX-License-Identifier: MIT */
/* Memory cgroups: page counters, charges step by step, stocks, dying cgroups, protection; lists of their own; and
 * random trees with random charges against recounts. */
#include "cache_machine.h"
#include "lru/memcg.h"

static struct cache_machine m;

static struct vmsim__memcg *child(struct vmsim__memcg *parent) {
    struct vmsim__memcg *c = vmsim__memcg_create(m.lru, parent ? parent : vmsim__memcg_root(m.lru));
    assert_non_null(c);
    return c;
}

static struct vmsim__frame *frame(vmsim__pfn pfn) {
    return vmsim__frame_at(&m.mem.frames, pfn);
}

/* An anonymous page charged to `c`, on its way to the lists. */
static vmsim__pfn new_page(struct vmsim__memcg *c, unsigned cpu) {
    struct vmsim__memcg_charge t = {.gfp = VMSIM__GFP_KERNEL};
    struct vmsim__alloc_request rq = {.cpu = (uint16_t)cpu, .node = (uint16_t)(cpu % m.nodes)};
    assert_int_equal(vmsim__memcg_try_charge(m.lru, c->id, 1, cpu, &t), VMSIM__CHARGE_OK);
    vmsim__pfn pfn = vmsim__mem_alloc(&m.mem, &rq);
    assert_int_not_equal(pfn, VMSIM__PFN_NONE);
    frame(pfn)->flags |= VMSIM__FRAME_ANON | VMSIM__FRAME_SWAPBACKED;
    vmsim__memcg_commit(m.lru, c->id, pfn);
    vmsim__lru_add(m.lru, pfn, cpu);
    return pfn;
}

static void test_a_charge_counts_in_all_ancestors_and_in_batches(void **state) {
    (void)state;
    cache_machine_start(&m, "6.1", 2, 1024);
    struct vmsim__memcg *a = child(NULL), *b = child(a);
    vmsim__pfn page[65];
    for (unsigned i = 0; i < 65; i++) {
        page[i] = new_page(b, 0);
        assert_int_equal(a->memory.usage, i < 64 ? 64 : 128);
        cache_machine_check(&m);
    }
    assert_int_equal(b->memory.usage, 128);
    assert_int_equal(a->memory.watermark, 128);
    vmsim__memcg_drain_stocks(m.lru);
    assert_int_equal(a->memory.usage, 65);
    assert_int_equal(vmsim__memcg_root(m.lru)->memory.usage, 65);
    vmsim__lru_drain_all(m.lru);
    assert_int_equal(vmsim__memcg_stat(a, VMSIM__NR_INACTIVE_ANON), 65);
    assert_int_equal(vmsim__lruvec_pages(&b->lruvec[0], VMSIM__LRU_INACTIVE_ANON), 65);
    assert_int_equal(vmsim__lruvec_pages(vmsim__lruvec_of_node(m.lru, 0), VMSIM__LRU_INACTIVE_ANON), 0);
    assert_int_equal(vmsim__lruvec_stat(&a->lruvec[0], VMSIM__NR_INACTIVE_ANON), 65);
    for (unsigned i = 0; i < 65; i++)
        vmsim__folio_put(m.lru, page[i], 0);
    assert_int_equal(a->memory.usage, 0);
    assert_int_equal(a->memory.watermark, 128);
    vmsim__memcg_remove(b);
    vmsim__memcg_remove(a);
    cache_machine_end(&m, true);
}

static uint64_t seen(const struct vmsim__memcg *c) {
    return vmsim__lruvec_seen(&c->lruvec[0], VMSIM__SEEN_INACTIVE_ANON);
}

/* Events count as changes do: those of the root, too. Charging and uncharging a page is one each. */
static void test_events_make_reclaim_look_again(void **state) {
    (void)state;
    cache_machine_start(&m, "6.1", 1, 1024);
    struct vmsim__memcg *a = child(NULL);
    vmsim__stats_settle(m.lru); /* the first flush is due at once */
    const uint64_t before = m.lru->flush.changes;
    vmsim__memcg_event_add(m.lru, a->id, VMSIM__PGSCAN_DIRECT, 40);
    vmsim__memcg_event_add(m.lru, VMSIM__MEMCG_ROOT, VMSIM__PGSTEAL_DIRECT, 60);
    assert_int_equal(m.lru->flush.changes - before, 100);
    vmsim__pfn page = new_page(a, 0);
    vmsim__lru_drain_all(m.lru);
    const uint64_t charged = m.lru->flush.changes - before;
    assert_int_equal(charged, 100 + 2); /* its charge, and its way to a list */
    vmsim__folio_put(m.lru, page, 0);
    assert_int_equal(m.lru->flush.changes - before, charged + 2);
    vmsim__memcg_remove(a);
    cache_machine_end(&m, true);
}

/* Reclaim sees a cgroup's lists as they were at the last full two seconds; 6.1 looks again where there were more
 * batches of changes than CPUs. Twenty pages and their way to a list are less than that. */
static void test_reclaim_sees_late(void **state) {
    static const char *const kernels[] = {"6.1", "6.12"};
    (void)state;
    for (size_t k = 0; k < TEST_COUNT(kernels); k++) {
        const bool on_demand = k == 0;
        cache_machine_start(&m, kernels[k], 1, 1024);
        struct vmsim__memcg *root = vmsim__memcg_root(m.lru), *a = child(NULL), *b = child(a);
        vmsim__pfn page[620];
        for (unsigned i = 0; i < 620; i++) {
            if (i == 20 || i == 600) {
                vmsim__lru_drain_all(m.lru);
                vmsim__stats_flush_for_reclaim(m.lru);
                assert_int_equal(seen(b), i == 600 && on_demand ? 600 : 0);
                assert_int_equal(seen(a), seen(b));
                assert_int_equal(seen(root), seen(b));
            }
            page[i] = new_page(b, 0);
        }
        vmsim__lru_drain_all(m.lru);
        m.mem.now.time = VMSIM__STAT_FLUSH_NS - 1;
        assert_int_equal(seen(a), on_demand ? 600 : 0);
        m.mem.now.time++;
        for (unsigned i = 0; i < 620; i++)
            vmsim__folio_put(m.lru, page[i], 0);
        assert_int_equal(seen(a), 620); /* as it was when the flush was due, before the first page went */
        cache_machine_check(&m);
        vmsim__memcg_remove(b);
        assert_int_equal(seen(a), 620); /* what b told last is a's, who has not been flushed */
        cache_machine_settle(&m);
        assert_int_equal(seen(a), 0);
        assert_int_equal(seen(root), 0);
        vmsim__memcg_remove(a);
        cache_machine_end(&m, true);
    }
}

static void test_a_stock_serves_one_cgroup(void **state) {
    (void)state;
    cache_machine_start(&m, "6.1", 1, 1024);
    struct vmsim__memcg *a = child(NULL), *b = child(NULL);
    vmsim__pfn one = new_page(a, 0);
    assert_int_equal(a->memory.usage, 64);
    vmsim__pfn two = new_page(b, 0); /* the other's stock goes back */
    assert_int_equal(a->memory.usage, 1);
    assert_int_equal(b->memory.usage, 64);
    vmsim__pfn three = new_page(a, 1);
    assert_int_equal(a->memory.usage, 65);
    assert_int_equal(b->memory.usage, 64);
    cache_machine_check(&m);
    vmsim__folio_put(m.lru, one, 0);
    vmsim__folio_put(m.lru, two, 0);
    vmsim__folio_put(m.lru, three, 1);
    vmsim__lru_drain_all(m.lru);
    vmsim__memcg_remove(a);
    vmsim__memcg_remove(b);
    cache_machine_end(&m, true);
}

/* 64 pages do not fit: exactly one is taken; then none, and the limit that refused is named. */
static void test_a_full_cgroup_asks_for_reclaim_and_then_for_a_victim(void **state) {
    (void)state;
    cache_machine_start(&m, "6.1", 1, 1024);
    struct vmsim__memcg *a = child(NULL), *b = child(a);
    a->memory.max = 65;
    vmsim__pfn first = new_page(b, 1); /* its stock holds 63 */
    vmsim__pfn second = new_page(b, 0);
    assert_int_equal(a->memory.usage, 65);
    struct vmsim__memcg_charge t = {.gfp = VMSIM__GFP_KERNEL};
    assert_int_equal(vmsim__memcg_try_charge(m.lru, b->id, 2, 0, &t), VMSIM__CHARGE_RECLAIM);
    assert_int_equal(t.over, a->id);
    assert_int_equal(t.pages, 2);
    assert_int_equal(a->memory_event[VMSIM__MEMCG_MAX], 1);
    assert_int_equal(b->memory_event[VMSIM__MEMCG_MAX], 0);
    /* nothing was reclaimed: the stock of the other CPU goes back, and that is room enough */
    assert_int_equal(vmsim__memcg_try_charge(m.lru, b->id, 2, 0, &t), VMSIM__CHARGE_OK);
    assert_int_equal(a->memory.usage, 4); /* a batch would not fit */
    vmsim__memcg_cancel(m.lru, b->id, 2);
    a->memory.max = 2;
    vmsim__memcg_drain_stocks(m.lru);
    t = (struct vmsim__memcg_charge){.gfp = VMSIM__GFP_KERNEL};
    unsigned rounds = 0;
    enum vmsim__charge_outcome o;
    while ((o = vmsim__memcg_try_charge(m.lru, b->id, 1, 0, &t)) == VMSIM__CHARGE_RECLAIM)
        rounds++;
    assert_int_equal(o, VMSIM__CHARGE_OOM);
    assert_int_equal(rounds, 1 + 1 + VMSIM__MEMCG_RETRIES);
    assert_int_equal(vmsim__memcg_try_charge(m.lru, b->id, 1, 0, &t), VMSIM__CHARGE_NOMEM);
    assert_int_equal(a->memory.usage, 2);
    vmsim__folio_put(m.lru, first, 0);
    vmsim__folio_put(m.lru, second, 0);
    vmsim__lru_drain_all(m.lru);
    vmsim__memcg_remove(b);
    vmsim__memcg_remove(a);
    cache_machine_end(&m, true);
}

static void test_who_is_never_refused(void **state) {
    static const struct {
        struct vmsim__memcg_charge t;
        enum vmsim__charge_outcome want;
    } c[] = {{{.gfp = VMSIM__GFP_KERNEL, .memalloc = true}, VMSIM__CHARGE_OK},
             {{.gfp = VMSIM__GFP_KSWAPD_RECLAIM}, VMSIM__CHARGE_NOMEM},
             {{.gfp = VMSIM__GFP_ATOMIC}, VMSIM__CHARGE_OK},
             {{.gfp = VMSIM__GFP_NOFAIL}, VMSIM__CHARGE_OK},
             {{.gfp = VMSIM__GFP_KERNEL}, VMSIM__CHARGE_RECLAIM}};
    (void)state;
    cache_machine_start(&m, "6.1", 1, 64);
    struct vmsim__memcg *a = child(NULL);
    a->memory.max = 0;
    for (size_t i = 0; i < TEST_COUNT(c); i++) {
        struct vmsim__memcg_charge t = c[i].t;
        enum vmsim__charge_outcome o = vmsim__memcg_try_charge(m.lru, a->id, 1, 0, &t);
        assert_int_equal(o, c[i].want);
        assert_int_equal(a->memory.usage, o == VMSIM__CHARGE_OK);
        if (o == VMSIM__CHARGE_OK)
            vmsim__memcg_cancel(m.lru, a->id, 1);
    }
    vmsim__memcg_remove(a);
    cache_machine_end(&m, true);
}

static void test_memory_high_never_refuses_but_is_noted(void **state) {
    (void)state;
    cache_machine_start(&m, "6.1", 1, 256);
    struct vmsim__memcg *a = child(NULL);
    a->memory.high = 63;
    struct vmsim__memcg_charge t = {.gfp = VMSIM__GFP_KERNEL};
    assert_int_equal(vmsim__memcg_try_charge(m.lru, a->id, 1, 0, &t), VMSIM__CHARGE_OK);
    assert_int_equal(t.over_high, 64);
    t = (struct vmsim__memcg_charge){.gfp = VMSIM__GFP_KERNEL};
    assert_int_equal(vmsim__memcg_try_charge(m.lru, a->id, 1, 0, &t), VMSIM__CHARGE_OK); /* from the stock */
    assert_int_equal(t.over_high, 0);
    vmsim__memcg_cancel(m.lru, a->id, 2);
    vmsim__memcg_remove(a);
    cache_machine_end(&m, true);
}

/* A removed cgroup stays while pages are charged to it; then its numbers are its parent's, and its id is free. */
static void test_a_removed_cgroup_lives_as_long_as_its_pages(void **state) {
    (void)state;
    cache_machine_start(&m, "6.1", 1, 256);
    struct vmsim__memcg *a = child(NULL), *b = child(a);
    uint16_t id = b->id;
    vmsim__pfn pfn = new_page(b, 0);
    b->event[VMSIM__PGFAULT] = 7;
    vmsim__memcg_remove(b);
    vmsim__memcg_remove(a);
    assert_ptr_equal(vmsim__memcg_by_id(m.lru, id), b);
    assert_int_equal(a->memory.usage, 1);
    assert_int_equal(vmsim__memcg_event_sum(a, VMSIM__PGFAULT), 7);
    cache_machine_check(&m);
    vmsim__folio_put(m.lru, pfn, 0);
    vmsim__lru_drain_all(m.lru);
    assert_null(vmsim__memcg_by_id(m.lru, id));
    assert_int_equal(vmsim__memcg_root(m.lru)->event[VMSIM__PGFAULT], 7);
    assert_int_equal(child(NULL)->id, 1);
    cache_machine_end(&m, true);
}

static void test_protection_is_shared_by_what_each_uses_of_its_own(void **state) {
    struct vmsim__page_counter root, p, a, b;
    (void)state;
    vmsim__page_counter_init(&root, NULL);
    vmsim__page_counter_init(&p, &root);
    vmsim__page_counter_init(&a, &p);
    vmsim__page_counter_init(&b, &p);
    vmsim__page_counter_charge(&a, 600);
    vmsim__page_counter_charge(&b, 400);
    p.low = 300;
    a.low = b.low = 300;
    vmsim__page_counter_protect(&p, &root, 300, 300, false);
    assert_int_equal(p.elow, 300);
    uint64_t siblings = vmsim__page_counter_protected(&a, a.low) + vmsim__page_counter_protected(&b, b.low);
    vmsim__page_counter_protect(&a, &root, 0, siblings, false);
    vmsim__page_counter_protect(&b, &root, 0, siblings, false);
    assert_int_equal(a.elow, 150); /* overcommitted: in proportion */
    assert_int_equal(b.elow, 150);
    a.low = 100;
    b.low = 0;
    vmsim__page_counter_protect(&a, &root, 0, 100, true);
    vmsim__page_counter_protect(&b, &root, 0, 100, true);
    assert_int_equal(a.elow, 100 + 200 * 500 / 900); /* what is left goes by unprotected use */
    assert_int_equal(b.elow, 200 * 400 / 900);
}

static void test_creation_without_host_memory_changes_nothing(void **state) {
    (void)state;
    cache_machine_start(&m, "6.1", 2, 64);
    for (uint64_t n = 1; n < 4; n++) {
        vmsim__alloc_fail_after(m.alloc, n);
        struct vmsim__memcg *c = vmsim__memcg_create(m.lru, vmsim__memcg_root(m.lru));
        vmsim__alloc_fail_after(m.alloc, UINT64_MAX);
        cache_machine_check(&m);
        if (c)
            vmsim__memcg_remove(c);
        assert_int_equal(vmsim__memcg_root(m.lru)->first_child != NULL, false);
    }
    cache_machine_end(&m, true);
}

/* ---- random trees ---- */

enum { CGROUPS = 24, PAGES = 400 };

static void random_step(struct vmsim__rng *r, struct vmsim__memcg **cg, vmsim__pfn *page) {
    unsigned cpu = (unsigned)vmsim__rng_below(r, CACHE_MACHINE_CPUS);
    size_t i = vmsim__rng_below(r, CGROUPS), p = vmsim__rng_below(r, PAGES), q = vmsim__rng_below(r, CGROUPS);
    uint64_t what = vmsim__rng_below(r, 20);
    if (what == 0 && !cg[i]) {
        cg[i] = child(cg[q]);
    } else if (what == 1 && cg[i]) {
        for (size_t k = 0; k < CGROUPS; k++) {
            if (cg[k] && cg[k] != cg[i] && vmsim__memcg_below(cg[k], cg[i]))
                return;
        }
        vmsim__memcg_remove(cg[i]);
        cg[i] = NULL;
    } else if (what == 2) {
        vmsim__lru_drain_all(m.lru);
    } else if (what == 3 && cg[i]) {
        cg[i]->memory.max =
            vmsim__rng_below(r, 2) ? cg[i]->memory.usage + vmsim__rng_below(r, 100) : VMSIM__PAGE_COUNTER_MAX;
    } else if (page[p] != VMSIM__PFN_NONE && what < 12) {
        vmsim__folio_put(m.lru, page[p], cpu);
        page[p] = VMSIM__PFN_NONE;
    } else if (page[p] == VMSIM__PFN_NONE && cg[i]) {
        struct vmsim__memcg_charge t = {.gfp = VMSIM__GFP_NOWAIT};
        struct vmsim__alloc_request rq = {.cpu = (uint16_t)cpu, .node = (uint16_t)(cpu % m.nodes)};
        if (vmsim__memcg_try_charge(m.lru, cg[i]->id, 1, cpu, &t) != VMSIM__CHARGE_OK)
            return;
        if ((page[p] = vmsim__mem_alloc(&m.mem, &rq)) == VMSIM__PFN_NONE) {
            vmsim__memcg_cancel(m.lru, cg[i]->id, 1);
            return;
        }
        frame(page[p])->flags |= VMSIM__FRAME_ANON | VMSIM__FRAME_SWAPBACKED;
        vmsim__memcg_commit(m.lru, cg[i]->id, page[p]);
        vmsim__lru_add(m.lru, page[p], cpu);
    }
}

static void test_random_trees_agree_with_recounts(void **state) {
    struct vmsim__rng r = test_rng("memcg");
    static struct vmsim__memcg *cg[CGROUPS];
    static vmsim__pfn page[PAGES];
    (void)state;
    cache_machine_start(&m, "6.1", 2, 1024);
    memset(cg, 0, sizeof cg);
    for (size_t i = 0; i < PAGES; i++)
        page[i] = VMSIM__PFN_NONE;
    for (unsigned n = 0; n < 20000; n++) {
        random_step(&r, cg, page);
        if (n % 50 == 0)
            cache_machine_check(&m);
    }
    for (size_t i = 0; i < PAGES; i++) {
        if (page[i] != VMSIM__PFN_NONE)
            vmsim__folio_put(m.lru, page[i], 0);
    }
    vmsim__lru_drain_all(m.lru);
    vmsim__memcg_drain_stocks(m.lru);
    assert_int_equal(vmsim__memcg_root(m.lru)->memory.usage, 0);
    cache_machine_end(&m, true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_charge_counts_in_all_ancestors_and_in_batches),
        cmocka_unit_test(test_reclaim_sees_late),
        cmocka_unit_test(test_events_make_reclaim_look_again),
        cmocka_unit_test(test_a_stock_serves_one_cgroup),
        cmocka_unit_test(test_a_full_cgroup_asks_for_reclaim_and_then_for_a_victim),
        cmocka_unit_test(test_who_is_never_refused),
        cmocka_unit_test(test_memory_high_never_refuses_but_is_noted),
        cmocka_unit_test(test_a_removed_cgroup_lives_as_long_as_its_pages),
        cmocka_unit_test(test_protection_is_shared_by_what_each_uses_of_its_own),
        cmocka_unit_test(test_creation_without_host_memory_changes_nothing),
        cmocka_unit_test(test_random_trees_agree_with_recounts),
    };
    return cmocka_run_group_tests_name("lru_memcg", tests, NULL, NULL);
}
