/* SPDX-License-Identifier: MIT */
/* The tables of an emulated CPU: what is marked as used, and what is not; victims, blocks of code, sizes, large pages;
 * then random maps, flushes and accesses against a table that is asked each time. */
#include "tlb_rig.h"

#define VA UINT64_C(0x7f0000000000)
enum { PAGE = 4096 };

static struct tlb_rig r;

static void start(uint64_t entries, uint64_t entries_max, uint64_t victims, uint64_t blocks) {
    const struct vmsim__tlb_spec spec = {
        .clock = 1000,
        .softmmu = {.entries = entries, .entries_max = entries_max, .victims = victims, .blocks = blocks}};
    rig_open(&r, "x86_64", &spec);
    for (unsigned i = 0; i < 512; i++)
        rig_map(&r, VA + i * PAGE, 0, 1000 + i, RIGHTS_RW);
}

static void finish(void) {
    struct vmsim__err err = {0};
    if (rig_check(&r, &err))
        fail_msg("%s", err.text);
    rig_close(&r);
}

static void use(unsigned page, enum vmsim_access_type type) {
    uint64_t pa;
    assert_true(rig_access(&r, 1, VA + page * PAGE + 64, 4, type, &pa));
    assert_int_equal(pa, ((uint64_t)(1000 + page) << 12) + 64);
}

static void forget_accessed(unsigned page) {
    rig_map(&r, VA + page * PAGE, 0, 1000 + page, RIGHTS_RW);
}

static bool accessed(unsigned page) {
    return rig_flags(&r, VA + page * PAGE) & VMSIM__PTE_ACCESSED;
}

static uint64_t walks(void) {
    return rig_counter(&r, VMSIM__TLB_walks);
}

static void a_page_that_is_known_is_not_marked_again(void **state) {
    (void)state;
    start(64, 64, 8, 4096);
    use(3, VMSIM_LOAD);
    assert_true(accessed(3));
    forget_accessed(3);
    use(3, VMSIM_LOAD);
    assert_false(accessed(3));
    vmsim__tlb_flush_page(r.tlb, 1, VA + 3 * PAGE, 12);
    use(3, VMSIM_LOAD);
    assert_true(accessed(3));
    finish();
}

static void a_store_to_a_clean_page_sets_dirty(void **state) {
    (void)state;
    start(64, 64, 8, 4096);
    use(3, VMSIM_LOAD);
    assert_false(rig_flags(&r, VA + 3 * PAGE) & VMSIM__PTE_DIRTY);
    use(3, VMSIM_STORE);
    assert_true(rig_flags(&r, VA + 3 * PAGE) & VMSIM__PTE_DIRTY);
    use(3, VMSIM_RMW);
    assert_int_equal(walks(), 2);
    finish();
}

/* Pages 0, 64, 128, ... have one slot. */
static void displaced_pages_are_found_among_the_victims(void **state) {
    (void)state;
    start(64, 64, 2, 4096);
    use(0, VMSIM_LOAD);
    use(64, VMSIM_LOAD);
    use(128, VMSIM_LOAD);
    assert_int_equal(walks(), 3);
    use(0, VMSIM_LOAD);
    use(64, VMSIM_LOAD);
    use(128, VMSIM_LOAD);
    assert_int_equal(walks(), 3);
    assert_int_equal(rig_counter(&r, VMSIM__TLB_victim_hits), 3);
    use(192, VMSIM_LOAD); /* the oldest victim goes */
    use(256, VMSIM_LOAD);
    assert_int_equal(walks(), 5);
    use(128, VMSIM_LOAD);
    use(192, VMSIM_LOAD);
    assert_int_equal(walks(), 5);
    use(0, VMSIM_LOAD);
    assert_int_equal(walks(), 6);
    finish();
}

/* Blocks at equal offsets of pages 64 apart, and a multiple of 4096 in the fold of it: of 64 x 64 slots, pages 0 and 64
 * differ in the fold, 0 and 65 (1 ^ 1) do not. */
static void a_block_that_is_known_asks_for_no_page(void **state) {
    (void)state;
    start(64, 64, 8, 4096);
    use(0, VMSIM_FETCH);
    use(1, VMSIM_FETCH);
    assert_int_equal(walks(), 2);
    forget_accessed(0);
    for (unsigned i = 2; i < 64; i++) /* page 0 leaves the table of pages, and its victims */
        use(i, VMSIM_FETCH);
    for (unsigned i = 64; i < 320; i += 64)
        use(i, VMSIM_LOAD);
    for (unsigned i = 257; i < 270; i++)
        use(i, VMSIM_LOAD);
    const uint64_t before = walks();
    use(0, VMSIM_FETCH);
    assert_int_equal(walks(), before);
    assert_false(accessed(0));
    use(2, VMSIM_FETCH);
    use(65, VMSIM_FETCH); /* has its slot */
    use(0, VMSIM_FETCH);
    assert_true(accessed(0));
    finish();
}

static void fetches_go_on_in_their_page(void **state) {
    (void)state;
    start(64, 64, 8, 4096);
    for (unsigned i = 0; i < 100; i++)
        assert_true(rig_access(&r, 1, VA + 7 * PAGE + i * 40, 8, VMSIM_FETCH, NULL));
    assert_int_equal(walks(), 1);
    assert_int_equal(rig_counter(&r, VMSIM__TLB_block_hits), 99);
    vmsim__tlb_flush_page(r.tlb, 1, VA + 7 * PAGE, 12);
    assert_true(rig_access(&r, 1, VA + 7 * PAGE, 8, VMSIM_FETCH, NULL));
    assert_int_equal(walks(), 2);
    finish();
}

static void a_flush_of_the_next_page_forgets_a_block_that_crosses_into_it(void **state) {
    (void)state;
    start(64, 64, 8, 4096);
    assert_true(rig_access(&r, 1, VA + 2 * PAGE - 2, 8, VMSIM_FETCH, NULL));
    assert_int_equal(rig_counter(&r, VMSIM__TLB_straddles), 1);
    vmsim__tlb_flush_page(r.tlb, 1, VA + 2 * PAGE, 12);
    forget_accessed(2);
    assert_true(rig_access(&r, 1, VA + 2 * PAGE - 2, 8, VMSIM_FETCH, NULL));
    assert_true(accessed(2));
    finish();
}

/* A table of n pages holds all of pages 0 .. n - 1 and of no more without victims. */
static bool holds(unsigned pages) {
    for (unsigned i = 0; i < pages; i++)
        use(i, VMSIM_LOAD);
    const uint64_t before = walks();
    for (unsigned i = 0; i < pages; i++)
        use(i, VMSIM_LOAD);
    return walks() == before;
}

static void a_table_grows_where_it_was_full_and_shrinks_where_it_was_idle(void **state) {
    (void)state;
    start(64, 256, 0, 4096);
    assert_true(holds(64));
    assert_false(holds(128));
    vmsim__tlb_flush_all(r.tlb);
    assert_true(holds(128));
    assert_false(holds(256));
    vmsim__tlb_flush_all(r.tlb);
    assert_true(holds(256));
    vmsim__tlb_flush_all(r.tlb);
    assert_false(holds(512)); /* 256 is the most */
    for (unsigned n = 0; n < 2; n++) {
        vmsim__tlb_flush_all(r.tlb);
        for (unsigned i = 0; i < 4100000; i++)
            use(i % 4, VMSIM_LOAD);
    }
    vmsim__tlb_flush_all(r.tlb);
    assert_false(holds(128));
    finish();
}

static void a_flush_within_the_region_of_large_pages_forgets_all(void **state) {
    (void)state;
    start(64, 64, 8, 4096);
    const uint64_t large = VA + (UINT64_C(1) << 30);
    rig_map(&r, large, 1, 512, RIGHTS_RW);
    use(1, VMSIM_LOAD);
    assert_true(rig_access(&r, 1, large + 5 * PAGE, 4, VMSIM_LOAD, NULL));
    vmsim__tlb_flush_page(r.tlb, 1, large + 9 * PAGE, 12);
    forget_accessed(1);
    use(1, VMSIM_LOAD);
    assert_true(accessed(1));
    finish();
}

static void another_address_space_begins_anew(void **state) {
    (void)state;
    start(64, 64, 8, 4096);
    use(1, VMSIM_LOAD);
    assert_int_equal(vmsim__tlb_probe(r.tlb, 1, VA + PAGE, false, NULL), 1);
    assert_int_equal(vmsim__tlb_probe(r.tlb, 2, VA + PAGE, false, NULL), 0);
    assert_true(rig_access(&r, 2, VA + PAGE, 4, VMSIM_LOAD, NULL));
    assert_int_equal(walks(), 2);
    finish();
}

/* Whatever the table holds, an access goes where the page table says, or faults where it says nothing. */
static void random_accesses_go_where_the_page_table_says(void **state) {
    (void)state;
    struct vmsim__rng rng = test_rng("softmmu");
    struct vmsim__err err = {0};
    start(64, 512, 8, 256);
    uint64_t frame[512];
    for (unsigned i = 0; i < 512; i++)
        frame[i] = 1000 + i;
    for (unsigned n = 0; n < 200000; n++) {
        const unsigned page = (unsigned)(vmsim__rng_next(&rng) % 512), what = (unsigned)(vmsim__rng_next(&rng) % 100);
        const uint64_t va = VA + page * PAGE, offset = vmsim__rng_next(&rng) % (PAGE - 8);
        if (what == 0) {
            rig_unmap(&r, va, 0);
            vmsim__tlb_flush_page(r.tlb, 1, va, 12);
            frame[page] = 0;
        } else if (what == 1) {
            frame[page] = 2000 + n;
            rig_map(&r, va, 0, frame[page], RIGHTS_RW);
            vmsim__tlb_flush_page(r.tlb, 1, va, 12);
        } else if (what == 2 && n % 16 == 0) {
            vmsim__tlb_flush_nonglobal(r.tlb);
        } else {
            uint64_t pa = 0;
            const bool done = rig_access(&r, 1, va + offset, 8, (enum vmsim_access_type)(what & 3), &pa);
            assert_int_equal(done, frame[page] != 0);
            if (done)
                assert_int_equal(pa, frame[page] * PAGE + offset);
            else
                assert_int_equal(r.stop.va, va + offset);
        }
        if (n % 1000 == 0 && rig_check(&r, &err))
            fail_msg("%s", err.text);
    }
    finish();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_that_is_known_is_not_marked_again),
        cmocka_unit_test(a_store_to_a_clean_page_sets_dirty),
        cmocka_unit_test(displaced_pages_are_found_among_the_victims),
        cmocka_unit_test(a_block_that_is_known_asks_for_no_page),
        cmocka_unit_test(fetches_go_on_in_their_page),
        cmocka_unit_test(a_flush_of_the_next_page_forgets_a_block_that_crosses_into_it),
        cmocka_unit_test(a_table_grows_where_it_was_full_and_shrinks_where_it_was_idle),
        cmocka_unit_test(a_flush_within_the_region_of_large_pages_forgets_all),
        cmocka_unit_test(another_address_space_begins_anew),
        cmocka_unit_test(random_accesses_go_where_the_page_table_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
