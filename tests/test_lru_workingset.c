/* SPDX-License-Identifier: MIT */
/* Shadows, refault distances, activation of refaults, cost of reclaim; isolation from the tail and putting back. */
#include "cache_machine.h"
#include "lru/workingset.h"

static struct cache_machine m;

static struct vmsim__frame *frame(vmsim__pfn pfn) {
    return vmsim__frame_at(&m.mem.frames, pfn);
}

static vmsim__pfn new_page(uint32_t flags) {
    struct vmsim__alloc_request rq = {.node = 0};
    vmsim__pfn pfn = vmsim__mem_alloc(&m.mem, &rq);
    frame(pfn)->flags |= flags;
    return pfn;
}

static void fill(vmsim__pfn *page, unsigned count, uint32_t flags) {
    for (unsigned i = 0; i < count; i++) {
        page[i] = new_page(flags);
        vmsim__lru_add(m.lru, page[i], 0);
    }
    vmsim__lru_drain_all(m.lru);
}

static void drop(const vmsim__pfn *page, unsigned count) {
    for (unsigned i = 0; i < count; i++)
        vmsim__folio_put(m.lru, page[i], 0);
    vmsim__lru_drain_all(m.lru);
}

static void test_a_shadow_is_what_it_was_packed_of(void **state) {
    struct vmsim__rng r = test_rng("shadow");
    (void)state;
    for (unsigned n = 0; n < 1000; n++) {
        struct vmsim__shadow s = {.memcg = (uint16_t)vmsim__rng_next(&r),
                                  .node = (uint8_t)vmsim__rng_below(&r, VMSIM__MAX_NODES),
                                  .workingset = vmsim__rng_below(&r, 2),
                                  .eviction = vmsim__rng_next(&r)};
        uint64_t packed = vmsim__shadow_pack(s);
        struct vmsim__shadow u = vmsim__shadow_unpack(packed);
        assert_int_equal(u.memcg, s.memcg);
        assert_int_equal(u.node, s.node);
        assert_int_equal(u.workingset, s.workingset);
        assert_int_equal(u.eviction, s.eviction & VMSIM__EVICTION_MASK);
        assert_int_equal(vmsim__entry_content(vmsim__entry_make(VMSIM__ENTRY_SHADOW, packed)), packed);
    }
}

static void test_distances_wrap_around(void **state) {
    (void)state;
    assert_int_equal(vmsim__refault_distance(1000, 400, 0), 600);
    assert_int_equal(vmsim__refault_distance(5, VMSIM__EVICTION_MASK - 4, 0), 10);
    assert_int_equal(vmsim__refault_distance(4096, 1, 10), 3072);
    assert_int_equal(vmsim__workingset_bucket_order(UINT64_C(1) << 36), 0);
    assert_int_equal(vmsim__workingset_bucket_order((UINT64_C(1) << 36) + 1), 1);
    assert_int_equal(vmsim__workingset_bucket_order(1), 0);
}

/* With 20 active pages of files a page that 20 evictions ago went is made active, one more and it is not. */
static void test_a_refault_within_the_active_list_activates(void **state) {
    (void)state;
    for (unsigned later = 19; later < 22; later++) {
        vmsim__pfn active[20];
        cache_machine_start(&m, "6.1", 1, 256);
        m.mem.totalram = 256;
        fill(active, 20, VMSIM__FRAME_ACTIVE);
        vmsim__pfn pfn = new_page(VMSIM__FRAME_WORKINGSET);
        uint64_t shadow = vmsim__workingset_eviction(m.lru, pfn, VMSIM__MEMCG_ROOT);
        vmsim__workingset_age(vmsim__lruvec_of_node(m.lru, 0), later - 1); /* its own eviction is one */
        frame(pfn)->flags &= ~VMSIM__FRAME_WORKINGSET;
        cache_machine_settle(&m);
        vmsim__workingset_refault(m.lru, pfn, shadow);
        assert_int_equal(node_stat(&m, VMSIM__WORKINGSET_REFAULT_FILE), 1);
        assert_int_equal(node_stat(&m, VMSIM__WORKINGSET_ACTIVATE_FILE), later <= 20);
        assert_int_equal(node_stat(&m, VMSIM__WORKINGSET_RESTORE_FILE), later <= 20);
        assert_int_equal(vmsim__frame_is(frame(pfn), VMSIM__FRAME_ACTIVE), later <= 20);
        assert_int_equal(vmsim__frame_is(frame(pfn), VMSIM__FRAME_WORKINGSET), later <= 20);
        assert_int_equal(vmsim__lruvec_of_node(m.lru, 0)->file_cost, later <= 20);
        vmsim__folio_put(m.lru, pfn, 0);
        drop(active, 20);
        cache_machine_end(&m, true);
    }
}

/* Inactive pages of files count for an anonymous page, anonymous ones only where there is swap. */
static void test_what_counts_as_room(void **state) {
    vmsim__pfn page[4][10];
    bool ws;
    (void)state;
    cache_machine_start(&m, "6.1", 1, 256);
    m.mem.totalram = 256;
    fill(page[0], 10, VMSIM__FRAME_ACTIVE);
    fill(page[1], 9, 0);
    fill(page[2], 8, VMSIM__FRAME_ACTIVE | VMSIM__FRAME_SWAPBACKED);
    fill(page[3], 7, VMSIM__FRAME_SWAPBACKED);
    cache_machine_settle(&m);
    struct vmsim__lruvec *v = vmsim__lruvec_of_node(m.lru, 0);
    static const struct {
        bool file, swap;
        uint64_t room;
    } c[] = {{true, false, 10}, {false, false, 19}, {true, true, 25}, {false, true, 27}};
    for (size_t i = 0; i < TEST_COUNT(c); i++) {
        vmsim__lru_set_swap(m.lru, 8, c[i].swap);
        uint64_t shadow = vmsim__shadow_pack((struct vmsim__shadow){.eviction = v->nonresident_age - c[i].room});
        assert_true(vmsim__workingset_test_recent(m.lru, shadow, c[i].file, &ws));
        shadow = vmsim__shadow_pack((struct vmsim__shadow){.eviction = v->nonresident_age - c[i].room - 1});
        assert_false(vmsim__workingset_test_recent(m.lru, shadow, c[i].file, &ws));
    }
    drop(page[0], 10);
    drop(page[1], 9);
    drop(page[2], 8);
    drop(page[3], 7);
    cache_machine_end(&m, true);
}

/* The shadow of a page that was reclaimed for a limit names the cgroup with the limit; once that is gone, nobody. */
static void test_a_shadow_of_a_gone_cgroup_says_nothing(void **state) {
    (void)state;
    cache_machine_start(&m, "6.1", 1, 64);
    m.mem.totalram = 64;
    struct vmsim__memcg *a = vmsim__memcg_create(m.lru, vmsim__memcg_root(m.lru)), *b = vmsim__memcg_create(m.lru, a);
    struct vmsim__memcg_charge t = {.gfp = VMSIM__GFP_KERNEL};
    vmsim__pfn pfn = new_page(0);
    assert_int_equal(vmsim__memcg_try_charge(m.lru, b->id, 1, 0, &t), VMSIM__CHARGE_OK);
    vmsim__memcg_commit(m.lru, b->id, pfn);
    uint64_t shadow = vmsim__workingset_eviction(m.lru, pfn, a->id);
    assert_int_equal(vmsim__shadow_unpack(shadow).memcg, a->id);
    assert_int_equal(a->lruvec[0].nonresident_age, 1);
    assert_int_equal(b->lruvec[0].nonresident_age, 0);
    assert_int_equal(vmsim__lruvec_of_node(m.lru, 0)->nonresident_age, 1);
    vmsim__folio_put(m.lru, pfn, 0);
    vmsim__memcg_remove(b);
    vmsim__memcg_remove(a);
    pfn = new_page(0);
    vmsim__workingset_refault(m.lru, pfn, shadow);
    assert_int_equal(node_stat(&m, VMSIM__WORKINGSET_REFAULT_FILE), 0);
    vmsim__folio_put(m.lru, pfn, 0);
    cache_machine_end(&m, true);
}

static void test_costs_fade(void **state) {
    vmsim__pfn page[40];
    (void)state;
    cache_machine_start(&m, "6.1", 1, 64);
    fill(page, 40, 0);
    cache_machine_settle(&m);
    struct vmsim__lruvec *v = vmsim__lruvec_of_node(m.lru, 0);
    vmsim__lru_note_cost(v, true, 10, 100); /* 6.1 counts I/O alone */
    assert_int_equal(v->file_cost, 10);
    vmsim__lru_note_cost(v, false, 2, 0);
    assert_int_equal(v->file_cost, 5); /* 12 of 40 are more than a quarter */
    assert_int_equal(v->anon_cost, 1);
    drop(page, 40);
    cache_machine_end(&m, true);
}

static void test_costs_of_looking_are_counted_since_6_12(void **state) {
    vmsim__pfn page[200];
    (void)state;
    cache_machine_start(&m, "6.12", 1, 256);
    fill(page, 200, 0);
    cache_machine_settle(&m);
    struct vmsim__lruvec *v = vmsim__lruvec_of_node(m.lru, 0);
    vmsim__lru_note_cost(v, true, 1, 3);
    assert_int_equal(v->file_cost, 35);
    vmsim__lru_note_cost(v, false, 0, 15);
    assert_int_equal(v->anon_cost, 15); /* 50 of 200 are a quarter, not more */
    vmsim__lru_note_cost(v, false, 0, 1);
    assert_int_equal(v->file_cost, 17);
    assert_int_equal(v->anon_cost, 8);
    drop(page, 200);
    cache_machine_end(&m, true);
}

static void test_isolation_takes_the_tail_and_putting_back_keeps_the_order(void **state) {
    vmsim__pfn page[40];
    (void)state;
    cache_machine_start(&m, "6.1", 1, 64);
    fill(page, 40, 0);
    struct vmsim__lruvec *v = vmsim__lruvec_of_node(m.lru, 0);
    struct vmsim__isolation i = {.zone_type = VMSIM__ZONE_MOVABLE, .may_unmap = true};
    vmsim__lru_isolate_tail(m.lru, v, VMSIM__LRU_INACTIVE_FILE, 32, &i);
    assert_int_equal(i.count, 32);
    assert_int_equal(i.taken, 32);
    for (unsigned n = 0; n < 32; n++)
        assert_int_equal(i.folio[n], page[n]);
    assert_int_equal(vmsim__lruvec_pages(v, VMSIM__LRU_INACTIVE_FILE), 8);
    assert_int_equal(v->zone_count[VMSIM__ZONE_NORMAL][VMSIM__LRU_INACTIVE_FILE], 8);
    assert_int_equal(vmsim__lru_move_back(m.lru, i.folio, i.count, 0), 32);
    assert_int_equal(v->list[VMSIM__LRU_INACTIVE_FILE].head, page[31]);
    assert_int_equal(v->list[VMSIM__LRU_INACTIVE_FILE].tail, page[32]);
    cache_machine_check(&m);
    drop(page, 40);
    cache_machine_end(&m, true);
}

static void test_isolation_passes_over_zones_that_do_not_help_and_mapped_pages(void **state) {
    vmsim__pfn page[10];
    (void)state;
    cache_machine_start(&m, "6.1", 1, 64);
    fill(page, 10, 0);
    struct vmsim__lruvec *v = vmsim__lruvec_of_node(m.lru, 0);
    struct vmsim__isolation i = {.zone_type = VMSIM__ZONE_DMA32, .may_unmap = true};
    vmsim__lru_isolate_tail(m.lru, v, VMSIM__LRU_INACTIVE_FILE, 4, &i);
    assert_int_equal(i.count, 0);
    assert_int_equal(i.skipped, 10); /* they use up no quota */
    assert_int_equal(event(&m, VMSIM__PGSKIP_NORMAL), 10);
    i.zone_type = VMSIM__ZONE_NORMAL;
    i.may_unmap = false;
    frame(page[0])->mapcount = 1;
    vmsim__lru_isolate_tail(m.lru, v, VMSIM__LRU_INACTIVE_FILE, 3, &i);
    assert_int_equal(i.scanned, 3);
    assert_int_equal(i.count, 2);
    assert_int_equal(v->list[VMSIM__LRU_INACTIVE_FILE].head, page[0]);
    frame(page[0])->mapcount = 0;
    vmsim__folio_put(m.lru, page[1], 0); /* its owner lets go of it meanwhile: freed when it is put back */
    uint64_t freed = m.freed;
    assert_int_equal(vmsim__lru_move_back(m.lru, i.folio, i.count, 0), 1);
    assert_int_equal(m.freed, freed + 1);
    page[1] = page[9];
    drop(page, 9);
    cache_machine_end(&m, true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_shadow_is_what_it_was_packed_of),
        cmocka_unit_test(test_distances_wrap_around),
        cmocka_unit_test(test_a_refault_within_the_active_list_activates),
        cmocka_unit_test(test_what_counts_as_room),
        cmocka_unit_test(test_a_shadow_of_a_gone_cgroup_says_nothing),
        cmocka_unit_test(test_costs_fade),
        cmocka_unit_test(test_costs_of_looking_are_counted_since_6_12),
        cmocka_unit_test(test_isolation_takes_the_tail_and_putting_back_keeps_the_order),
        cmocka_unit_test(test_isolation_passes_over_zones_that_do_not_help_and_mapped_pages),
    };
    return cmocka_run_group_tests_name("lru_workingset", tests, NULL, NULL);
}
