/* SPDX-License-Identifier: MIT */
/* LRU batches, lists, second-access activation, mlock; and all of them at random against a model of sets. */
#include "cache_machine.h"

static struct cache_machine m;

static void start(const char *kernel) {
    cache_machine_start(&m, kernel, 2, 2048);
}

/* An anonymous page as vm/ makes it: one reference, that of its page-table entry. */
static vmsim__pfn new_anon(unsigned cpu) {
    struct vmsim__alloc_request rq = {
        .gfp = VMSIM__GFP_HIGHUSER_MOVABLE, .cpu = (uint16_t)cpu, .node = (uint16_t)(cpu % 2)};
    vmsim__pfn pfn = vmsim__mem_alloc(&m.mem, &rq);
    vmsim__frame_at(&m.mem.frames, pfn)->flags |= VMSIM__FRAME_ANON | VMSIM__FRAME_SWAPBACKED;
    return pfn;
}
static struct vmsim__frame *frame(vmsim__pfn pfn) {
    return vmsim__frame_at(&m.mem.frames, pfn);
}
static uint64_t on_list(unsigned node, enum vmsim__lru_list lru) {
    return vmsim__lruvec_pages(vmsim__lruvec_of_node(m.lru, node), lru);
}

static void test_new_pages_appear_a_batch_at_a_time(void **state) {
    static const struct {
        const char *kernel;
        unsigned batch;
    } k[] = {{"6.1", 15}, {"6.12", 31}};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        vmsim__pfn page[62] = {0};
        start(k[i].kernel);
        for (unsigned n = 0; n < 2 * k[i].batch; n++) {
            page[n] = new_anon(0);
            vmsim__lru_add(m.lru, page[n], 0);
            assert_int_equal(on_list(0, VMSIM__LRU_INACTIVE_ANON), (n + 1) / k[i].batch * k[i].batch);
            assert_int_equal(frame(page[n])->refcount, (n + 1) % k[i].batch ? 2 : 1);
        }
        assert_int_equal(vmsim__lruvec_of_node(m.lru, 0)->list[VMSIM__LRU_INACTIVE_ANON].head,
                         page[2 * k[i].batch - 1]);
        assert_int_equal(vmsim__lruvec_of_node(m.lru, 0)->list[VMSIM__LRU_INACTIVE_ANON].tail, page[0]);
        for (unsigned n = 0; n < 2 * k[i].batch; n++)
            vmsim__folio_put(m.lru, page[n], 0);
        cache_machine_end(&m, true);
    }
}

static void test_a_batch_keeps_a_page_alive_until_drained(void **state) {
    (void)state;
    start("6.1");
    vmsim__pfn pfn = new_anon(0);
    vmsim__lru_add(m.lru, pfn, 0);
    vmsim__folio_put(m.lru, pfn, 0);
    assert_int_equal(m.freed, 0);
    cache_machine_check(&m);
    vmsim__lru_drain_cpu(m.lru, 1);
    assert_int_equal(m.freed, 0);
    vmsim__lru_drain_cpu(m.lru, 0);
    assert_int_equal(m.freed, 1);
    cache_machine_end(&m, true);
}

static void test_second_access_activates(void **state) {
    (void)state;
    start("6.1");
    vmsim__pfn pfn = new_anon(0);
    vmsim__lru_add(m.lru, pfn, 0);
    vmsim__lru_drain_all(m.lru);
    vmsim__lru_mark_accessed(m.lru, pfn, 0);
    assert_true(vmsim__frame_is(frame(pfn), VMSIM__FRAME_REFERENCED));
    vmsim__lru_mark_accessed(m.lru, pfn, 0);
    assert_false(vmsim__frame_is(frame(pfn), VMSIM__FRAME_REFERENCED | VMSIM__FRAME_ACTIVE)); /* still in the batch */
    assert_int_equal(event(&m, VMSIM__PGACTIVATE), 0);
    vmsim__lru_drain_cpu(m.lru, 0);
    assert_int_equal(event(&m, VMSIM__PGACTIVATE), 1);
    assert_int_equal(on_list(0, VMSIM__LRU_ACTIVE_ANON), 1);
    assert_int_equal(vmsim__lruvec_of_node(m.lru, 0)->nonresident_age, 1);
    vmsim__lru_mark_accessed(m.lru, pfn, 0);
    vmsim__lru_mark_accessed(m.lru, pfn, 0);
    assert_true(vmsim__frame_is(frame(pfn), VMSIM__FRAME_REFERENCED));
    vmsim__folio_put(m.lru, pfn, 0);
    cache_machine_end(&m, true);
}

static void test_second_access_in_the_add_batch_counts_no_pgactivate(void **state) {
    (void)state;
    start("6.1");
    vmsim__pfn pfn = new_anon(0);
    vmsim__lru_add(m.lru, pfn, 0);
    vmsim__lru_mark_accessed(m.lru, pfn, 0);
    vmsim__lru_mark_accessed(m.lru, pfn, 0);
    vmsim__lru_drain_all(m.lru);
    assert_int_equal(on_list(0, VMSIM__LRU_ACTIVE_ANON), 1);
    assert_int_equal(event(&m, VMSIM__PGACTIVATE), 0);
    vmsim__folio_put(m.lru, pfn, 0);
    cache_machine_end(&m, true);
}

static void test_cold_and_lazyfree_move_down(void **state) {
    (void)state;
    start("6.1");
    vmsim__pfn a = new_anon(0), b = new_anon(0);
    vmsim__lru_add(m.lru, a, 0);
    vmsim__lru_add(m.lru, b, 0);
    vmsim__lru_drain_all(m.lru);
    vmsim__lru_activate(m.lru, a, 0);
    vmsim__lru_activate(m.lru, b, 0);
    vmsim__lru_drain_all(m.lru);
    vmsim__lru_deactivate(m.lru, a, 0);
    vmsim__lru_lazyfree(m.lru, b, 0);
    vmsim__lru_drain_all(m.lru);
    assert_int_equal(event(&m, VMSIM__PGDEACTIVATE), 1);
    assert_int_equal(event(&m, VMSIM__PGLAZYFREE), 1);
    assert_int_equal(on_list(0, VMSIM__LRU_INACTIVE_ANON), 1);
    assert_int_equal(on_list(0, VMSIM__LRU_INACTIVE_FILE), 1);
    cache_machine_check(&m);
    vmsim__folio_put(m.lru, a, 0);
    vmsim__folio_put(m.lru, b, 0);
    cache_machine_end(&m, true);
}

static void test_rotate_moves_to_the_tail(void **state) {
    (void)state;
    start("6.1");
    vmsim__pfn page[3];
    for (unsigned i = 0; i < 3; i++) {
        page[i] = new_anon(0);
        vmsim__lru_add(m.lru, page[i], 0);
    }
    vmsim__lru_drain_all(m.lru);
    vmsim__lru_rotate(m.lru, page[2], 0);
    vmsim__lru_drain_all(m.lru);
    assert_int_equal(vmsim__lruvec_of_node(m.lru, 0)->list[VMSIM__LRU_INACTIVE_ANON].tail, page[2]);
    assert_int_equal(event(&m, VMSIM__PGROTATED), 1);
    assert_true(vmsim__lru_isolate(m.lru, page[1]));
    assert_false(vmsim__lru_isolate(m.lru, page[1]));
    assert_int_equal(on_list(0, VMSIM__LRU_INACTIVE_ANON), 2);
    vmsim__lru_putback(m.lru, page[1], 0);
    for (unsigned i = 0; i < 3; i++)
        vmsim__folio_put(m.lru, page[i], 0);
    cache_machine_end(&m, true);
}

static void test_mlock_twice_needs_munlock_twice(void **state) {
    (void)state;
    start("6.1");
    vmsim__pfn pfn = new_anon(0);
    vmsim__lru_add(m.lru, pfn, 0);
    vmsim__lru_drain_all(m.lru);
    vmsim__lru_mlock(m.lru, pfn, 0);
    vmsim__lru_mlock(m.lru, pfn, 0);
    vmsim__lru_drain_all(m.lru);
    assert_int_equal(zone_stat(&m, VMSIM__NR_MLOCK), 1);
    assert_int_equal(event(&m, VMSIM__UNEVICTABLE_PGS_MLOCKED), 1);
    assert_int_equal(event(&m, VMSIM__UNEVICTABLE_PGS_CULLED), 1);
    assert_int_equal(on_list(0, VMSIM__LRU_UNEVICTABLE), 1);
    vmsim__lru_munlock(m.lru, pfn, 0);
    vmsim__lru_drain_all(m.lru);
    assert_int_equal(zone_stat(&m, VMSIM__NR_MLOCK), 1);
    vmsim__lru_munlock(m.lru, pfn, 0);
    vmsim__lru_drain_all(m.lru);
    assert_int_equal(zone_stat(&m, VMSIM__NR_MLOCK), 0);
    assert_int_equal(event(&m, VMSIM__UNEVICTABLE_PGS_MUNLOCKED), 1);
    assert_int_equal(event(&m, VMSIM__UNEVICTABLE_PGS_RESCUED), 1);
    assert_int_equal(on_list(0, VMSIM__LRU_INACTIVE_ANON), 1);
    vmsim__folio_put(m.lru, pfn, 0);
    cache_machine_end(&m, true);
}

static void test_a_page_born_locked_and_freed_locked(void **state) {
    (void)state;
    start("6.1");
    vmsim__pfn pfn = new_anon(0);
    vmsim__lru_add_vma(m.lru, pfn, true, 0);
    assert_int_equal(zone_stat(&m, VMSIM__NR_MLOCK), 1);
    assert_int_equal(on_list(0, VMSIM__LRU_UNEVICTABLE), 0);
    vmsim__lru_drain_all(m.lru);
    assert_int_equal(on_list(0, VMSIM__LRU_UNEVICTABLE), 1);
    cache_machine_check(&m);
    vmsim__folio_put(m.lru, pfn, 0);
    assert_int_equal(event(&m, VMSIM__UNEVICTABLE_PGS_CLEARED), 1);
    assert_int_equal(zone_stat(&m, VMSIM__NR_MLOCK), 0);
    cache_machine_end(&m, true);
}

/* A few hundred pages, every request at random from random CPUs: lists, counters, references stay whole, and once
 * drained each page is where its flags say. */
static void test_random_requests_keep_lists_and_counters_whole(void **state) {
    enum { PAGES = 300, STEPS = 30000 };
    static vmsim__pfn page[PAGES];
    struct vmsim__rng r = test_rng("lru");
    (void)state;
    start("6.1");
    for (unsigned i = 0; i < PAGES; i++)
        page[i] = VMSIM__PFN_NONE;
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned i = (unsigned)vmsim__rng_below(&r, PAGES), cpu = (unsigned)vmsim__rng_below(&r, CACHE_MACHINE_CPUS);
        if (page[i] == VMSIM__PFN_NONE) {
            page[i] = new_anon(cpu);
            vmsim__lru_add_vma(m.lru, page[i], vmsim__rng_below(&r, 8) == 0, cpu);
            continue;
        }
        switch (vmsim__rng_below(&r, 12)) {
        case 0:
            vmsim__folio_put(m.lru, page[i], cpu);
            page[i] = VMSIM__PFN_NONE;
            break;
        case 1:
            vmsim__lru_activate(m.lru, page[i], cpu);
            break;
        case 2:
            vmsim__lru_deactivate(m.lru, page[i], cpu);
            break;
        case 3:
            vmsim__lru_deactivate_file(m.lru, page[i], cpu);
            break;
        case 4:
            vmsim__lru_lazyfree(m.lru, page[i], cpu);
            break;
        case 5:
            vmsim__lru_rotate(m.lru, page[i], cpu);
            break;
        case 6:
            vmsim__lru_mlock(m.lru, page[i], cpu);
            break;
        case 7:
            vmsim__lru_munlock(m.lru, page[i], cpu);
            break;
        case 8:
            if (vmsim__lru_isolate(m.lru, page[i]))
                vmsim__lru_putback(m.lru, page[i], cpu);
            break;
        default:
            vmsim__lru_mark_accessed(m.lru, page[i], cpu);
            break;
        }
        if (step % 64 == 0)
            cache_machine_check(&m);
        if (vmsim__rng_below(&r, 500) == 0) {
            vmsim__lru_drain_all(m.lru);
            uint64_t listed = 0, alive = 0;
            for (unsigned p = 0; p < PAGES; p++) {
                if (page[p] == VMSIM__PFN_NONE)
                    continue;
                assert_int_equal(frame(page[p])->refcount, 1);
                assert_true(vmsim__frame_is(frame(page[p]), VMSIM__FRAME_LRU));
                alive++;
            }
            for (unsigned node = 0; node < 2; node++) {
                for (unsigned l = 0; l < VMSIM__LRU_LISTS; l++)
                    listed += on_list(node, (enum vmsim__lru_list)l);
            }
            assert_int_equal(listed, alive);
        }
    }
    for (unsigned i = 0; i < PAGES; i++) {
        if (page[i] != VMSIM__PFN_NONE)
            vmsim__folio_put(m.lru, page[i], 0);
    }
    cache_machine_end(&m, true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_pages_appear_a_batch_at_a_time),
        cmocka_unit_test(test_a_batch_keeps_a_page_alive_until_drained),
        cmocka_unit_test(test_second_access_activates),
        cmocka_unit_test(test_second_access_in_the_add_batch_counts_no_pgactivate),
        cmocka_unit_test(test_cold_and_lazyfree_move_down),
        cmocka_unit_test(test_rotate_moves_to_the_tail),
        cmocka_unit_test(test_mlock_twice_needs_munlock_twice),
        cmocka_unit_test(test_a_page_born_locked_and_freed_locked),
        cmocka_unit_test(test_random_requests_keep_lists_and_counters_whole),
    };
    return cmocka_run_group_tests_name("cache_lru", tests, NULL, NULL);
}
