/* SPDX-License-Identifier: MIT */
/* What one CPU's translation hardware does, case by case: A/D rules, rights, straddling, flushes, walk caches, the
 * checker. */
#include "tlb_rig.h"

#define VA UINT64_C(0x7f0000001000)

static struct tlb_rig open_default(const char *format) {
    struct tlb_rig r;
    rig_open(&r, format, vmsim__tlb_spec_default());
    return r;
}

static void a_first_touch_walks_all_levels_and_a_second_none(void **state) {
    (void)state;
    static struct tlb_rig r;
    uint64_t pa;
    r = open_default("x86_64");
    rig_map(&r, VA, 0, 77, RIGHTS_RW);
    assert_true(rig_access(&r, 1, VA + 5, 4, VMSIM_LOAD, &pa));
    assert_int_equal(pa, (77 << 12) + 5);
    assert_int_equal(rig_counter(&r, VMSIM__TLB_walk_references), 4);
    assert_true(rig_access(&r, 1, VA + 9, 4, VMSIM_LOAD, &pa));
    assert_int_equal(pa, (77 << 12) + 9);
    assert_int_equal(rig_counter(&r, VMSIM__TLB_walks), 1);
    assert_int_equal(vmsim__tlb_probe(r.tlb, 1, VA, false, &pa), 1);
    assert_int_equal(vmsim__tlb_probe(r.tlb, 1, VA, true, &pa), 2);
    assert_int_equal(vmsim__tlb_probe(r.tlb, 2, VA, false, &pa), 0);
    rig_close(&r);
}

static void walk_caches_leave_one_reference_beside_a_known_page(void **state) {
    (void)state;
    static struct tlb_rig r;
    r = open_default("x86_64");
    rig_map(&r, VA, 0, 1, RIGHTS_RW);
    rig_map(&r, VA + 4096, 0, 2, RIGHTS_RW);
    rig_map(&r, VA + (UINT64_C(1) << 21), 0, 3, RIGHTS_RW);
    rig_map(&r, VA + (UINT64_C(1) << 30), 0, 4, RIGHTS_RW);
    rig_map(&r, VA + (UINT64_C(1) << 39), 0, 5, RIGHTS_RW);
    const uint64_t step[] = {0, 4096, UINT64_C(1) << 21, UINT64_C(1) << 30, UINT64_C(1) << 39};
    const uint64_t references[] = {4, 5, 7, 10, 14};
    for (unsigned i = 0; i < 5; i++) {
        assert_true(rig_access(&r, 1, VA + step[i], 1, VMSIM_LOAD, NULL));
        assert_int_equal(rig_counter(&r, VMSIM__TLB_walk_references), references[i]);
    }
    rig_close(&r);
}

static void a_store_to_a_clean_page_goes_to_the_entry_once(void **state) {
    (void)state;
    static struct tlb_rig r;
    r = open_default("x86_64");
    rig_map(&r, VA, 0, 77, RIGHTS_RW);
    assert_true(rig_access(&r, 1, VA, 4, VMSIM_LOAD, NULL));
    assert_int_equal(rig_flags(&r, VA) & (VMSIM__PTE_ACCESSED | VMSIM__PTE_DIRTY), VMSIM__PTE_ACCESSED);
    assert_true(rig_access(&r, 1, VA, 4, VMSIM_STORE, NULL));
    assert_true(rig_flags(&r, VA) & VMSIM__PTE_DIRTY);
    assert_int_equal(rig_counter(&r, VMSIM__TLB_dirty_walks), 1);
    assert_true(rig_access(&r, 1, VA, 4, VMSIM_RMW, NULL));
    assert_int_equal(rig_counter(&r, VMSIM__TLB_walks), 2);
    rig_close(&r);
}

static void software_dirty_faults_and_the_retry_succeeds(void **state) {
    (void)state;
    static struct tlb_rig r;
    r = open_default("riscv_sv39");
    r.pt.hardware_accessed = r.pt.hardware_dirty = false;
    uint64_t va = UINT64_C(0x3f00001000);
    rig_map(&r, va, 0, 77, RIGHTS_RW);
    assert_false(rig_access(&r, 1, va, 4, VMSIM_LOAD, NULL));
    assert_int_equal(r.stop.fault, VMSIM__FAULT_ACCESSED);
    rig_map(&r, va, 0, 77, RIGHTS_RW | VMSIM__PTE_ACCESSED);
    assert_true(rig_access(&r, 1, va, 4, VMSIM_LOAD, NULL));
    assert_false(rig_access(&r, 1, va, 4, VMSIM_STORE, NULL));
    assert_int_equal(r.stop.fault, VMSIM__FAULT_DIRTY);
    assert_true(r.stop.write);
    rig_map(&r, va, 0, 77, RIGHTS_RW | VMSIM__PTE_ACCESSED | VMSIM__PTE_DIRTY);
    assert_true(rig_access(&r, 1, va, 4, VMSIM_STORE, NULL));
    rig_close(&r);
}

static void faults_say_where_and_why(void **state) {
    (void)state;
    static struct tlb_rig r;
    r = open_default("x86_64");
    assert_false(rig_access(&r, 1, VA, 4, VMSIM_STORE, NULL));
    assert_int_equal(r.stop.fault, VMSIM__FAULT_NOT_PRESENT);
    assert_int_equal(r.stop.level, 3);
    assert_int_equal(r.stop.va, VA);
    rig_map(&r, VA, 0, 77, RIGHTS_RW & ~VMSIM__PTE_WRITE);
    assert_false(rig_access(&r, 1, VA, 4, VMSIM_STORE, NULL));
    assert_int_equal(r.stop.fault, VMSIM__FAULT_WRITE);
    rig_map(&r, VA, 0, 77, RIGHTS_RW & ~VMSIM__PTE_EXEC);
    assert_false(rig_access(&r, 1, VA, 4, VMSIM_FETCH, NULL));
    assert_int_equal(r.stop.fault, VMSIM__FAULT_EXEC);
    assert_true(r.stop.fetch);
    assert_false(rig_access(&r, 1, UINT64_C(0x800000000000), 4, VMSIM_LOAD, NULL));
    assert_int_equal(r.stop.fault, VMSIM__FAULT_NONCANONICAL);
    assert_int_equal(rig_counter(&r, VMSIM__TLB_faults), 4);
    rig_close(&r);
}

static void a_relaxed_right_needs_no_flush(void **state) {
    (void)state;
    static struct tlb_rig r;
    r = open_default("x86_64");
    rig_map(&r, VA, 0, 77, RIGHTS_RW & ~VMSIM__PTE_WRITE);
    assert_true(rig_access(&r, 1, VA, 4, VMSIM_LOAD, NULL));
    rig_map(&r, VA, 0, 77, RIGHTS_RW);
    assert_int_equal(rig_check(&r, NULL), 0);
    assert_true(rig_access(&r, 1, VA, 4, VMSIM_STORE, NULL));
    assert_int_equal(rig_counter(&r, VMSIM__TLB_permission_walks), 1);
    rig_close(&r);
}

static void the_checker_sees_a_skipped_flush(void **state) {
    (void)state;
    static struct tlb_rig r;
    struct vmsim__err err = {0};
    r = open_default("x86_64");
    rig_map(&r, VA, 0, 77, RIGHTS_RW);
    assert_true(rig_access(&r, 1, VA, 4, VMSIM_STORE, NULL));
    assert_int_equal(rig_check(&r, &err), 0);
    rig_unmap(&r, VA, 0);
    assert_int_equal(rig_check(&r, &err), VMSIM_ECHECK);
    assert_non_null(strstr(err.text, "maps nothing"));
    vmsim__tlb_flush_page(r.tlb, 1, VA, 12);
    assert_int_equal(rig_check(&r, &err), 0);
    rig_map(&r, VA, 0, 78, RIGHTS_RW);
    assert_true(rig_access(&r, 1, VA, 4, VMSIM_STORE, NULL));
    rig_map(&r, VA, 0, 79, RIGHTS_RW);
    assert_int_equal(rig_check(&r, &err), VMSIM_ECHECK);
    rig_map(&r, VA, 0, 78, RIGHTS_RW & ~VMSIM__PTE_WRITE);
    assert_int_equal(rig_check(&r, &err), VMSIM_ECHECK);
    assert_non_null(strstr(err.text, "rights"));
    vmsim__tlb_flush_asid(r.tlb, 1);
    assert_int_equal(rig_check(&r, &err), 0);
    rig_close(&r);
}

static void the_checker_sees_a_freed_table_in_the_walk_caches(void **state) {
    (void)state;
    static struct tlb_rig r;
    struct vmsim__err err = {0};
    r = open_default("x86_64");
    rig_map(&r, VA, 0, 77, RIGHTS_RW);
    assert_true(rig_access(&r, 1, VA, 4, VMSIM_LOAD, NULL));
    rig_unmap(&r, VA, 0);
    vmsim__tlb_flush_page(r.tlb, 2, VA, 12); /* another ASID: leaves the walk caches of 1 */
    vmsim__pt_free_range(&r.pt, VA, VA + 4096, 0, 0);
    rig_map(&r, VA - (UINT64_C(1) << 40), 0, 5, RIGHTS_RW);
    assert_int_equal(rig_check(&r, &err), VMSIM_ECHECK);
    vmsim__tlb_flush_page(r.tlb, 1, VA, 12);
    assert_int_equal(rig_check(&r, &err), 0);
    rig_close(&r);
}

/* With a walk cache of level 2 alone every walk reads the entry of level 1 anew, whatever the host remembers of the
 * table behind it. */
static void a_leaf_table_is_the_one_that_the_entry_above_names_now(void **state) {
    (void)state;
    static struct tlb_rig r;
    const uint64_t other = VA + (UINT64_C(2) << 20);
    struct vmsim__walk_cache_spec cache = {.level = 2, .entries = 4};
    struct vmsim__tlb_spec spec = *vmsim__tlb_spec_default();
    struct vmsim__pt_slot slot, elsewhere;
    struct vmsim__err err = {0};
    uint64_t pa, raw;
    spec.arrays = (struct vmsim_param_list){0};
    spec.walk_caches = (struct vmsim_param_list){&cache, 1};
    rig_open(&r, "x86_64", &spec);
    rig_map(&r, VA, 0, 1, RIGHTS_RW);
    rig_map(&r, other, 0, 2, RIGHTS_RW);
    const uint64_t references[] = {4, 6, 8, 10, 12};
    for (unsigned i = 0; i < 5; i++) {
        assert_true(rig_access(&r, 1, i % 2 ? other : VA, 1, VMSIM_LOAD, &pa));
        assert_int_equal(pa, (i % 2 ? UINT64_C(2) : UINT64_C(1)) << 12);
        assert_int_equal(rig_counter(&r, VMSIM__TLB_walk_references), references[i]);
    }

    assert_true(vmsim__pt_slot(&r.pt, VA, 1, false, &slot));
    assert_true(vmsim__pt_slot(&r.pt, other, 1, false, &elsewhere));
    raw = vmsim__pt_read(r.pt.format, &slot);
    vmsim__pt_write(r.pt.format, &slot, vmsim__pt_read(r.pt.format, &elsewhere));
    assert_true(rig_access(&r, 1, VA, 1, VMSIM_LOAD, &pa));
    assert_int_equal(pa, UINT64_C(2) << 12);
    vmsim__pt_write(r.pt.format, &slot, raw);
    assert_true(rig_access(&r, 1, VA, 1, VMSIM_LOAD, &pa));
    assert_int_equal(pa, UINT64_C(1) << 12);

    /* Freed, flushed, and made anew in the same frame, at another place of the host's memory. */
    rig_unmap(&r, VA, 0);
    assert_int_equal(vmsim__pt_free_range(&r.pt, VA, VA + 4096, VA & ~UINT64_C(0x1fffff), other & ~UINT64_C(0x1fffff)),
                     1);
    vmsim__tlb_flush_page(r.tlb, 1, VA, 12);
    void *taken = calloc(1, 4096);
    rig_map(&r, VA, 0, 9, RIGHTS_RW);
    assert_int_equal(vmsim__pt_read(r.pt.format, &slot) | 0x60, raw | 0x60);
    assert_true(rig_access(&r, 1, other, 1, VMSIM_LOAD, NULL));
    assert_true(rig_access(&r, 1, VA, 1, VMSIM_LOAD, &pa));
    assert_int_equal(pa, UINT64_C(9) << 12);
    assert_int_equal(rig_check(&r, &err), 0);
    free(taken);
    rig_close(&r);
}

static void a_straddling_access_makes_two_translations(void **state) {
    (void)state;
    static struct tlb_rig r;
    uint64_t pa;
    r = open_default("x86_64");
    rig_map(&r, VA, 0, 77, RIGHTS_RW);
    assert_false(rig_access(&r, 1, VA + 4093, 8, VMSIM_STORE, NULL));
    assert_int_equal(r.stop.va, VA + 4096);
    rig_map(&r, VA + 4096, 0, 99, RIGHTS_RW);
    assert_true(rig_access(&r, 1, VA + 4093, 8, VMSIM_STORE, &pa));
    assert_int_equal(pa, (77 << 12) + 4093);
    assert_int_equal(rig_counter(&r, VMSIM__TLB_straddles), 1);
    assert_true(rig_flags(&r, VA + 4096) & VMSIM__PTE_DIRTY);
    for (unsigned bytes = 1; bytes <= 16; bytes++) { /* the last byte of the page is no border */
        assert_true(rig_access(&r, 1, VA + 4096 - bytes, bytes, VMSIM_LOAD, NULL));
        assert_int_equal(rig_counter(&r, VMSIM__TLB_straddles), 1);
    }
    assert_true(rig_access(&r, 1, VA, 4096, VMSIM_LOAD, NULL));
    assert_int_equal(rig_counter(&r, VMSIM__TLB_straddles), 1);
    assert_true(rig_access(&r, 1, VA + 1, 4096, VMSIM_LOAD, NULL));
    assert_int_equal(rig_counter(&r, VMSIM__TLB_straddles), 2);
    rig_close(&r);
}

static void flushes_take_what_they_name_and_no_more(void **state) {
    (void)state;
    static struct tlb_rig r;
    r = open_default("x86_64");
    for (unsigned i = 0; i < 8; i++)
        rig_map(&r, VA + i * 4096, 0, 10 + i, RIGHTS_RW | (i == 7 ? VMSIM__PTE_GLOBAL : 0));
    for (uint16_t asid = 1; asid < 3; asid++)
        for (unsigned i = 0; i < 8; i++)
            assert_true(rig_access(&r, asid, VA + i * 4096, 4, VMSIM_LOAD, NULL));
    vmsim__tlb_flush_page(r.tlb, 1, VA, 12);
    assert_int_equal(vmsim__tlb_probe(r.tlb, 1, VA, false, NULL), 0);
    assert_int_equal(vmsim__tlb_probe(r.tlb, 2, VA, false, NULL), 1);
    assert_int_equal(vmsim__tlb_probe(r.tlb, 1, VA + 4096, false, NULL), 1);
    vmsim__tlb_flush_range(r.tlb, 1, VA + 4096, VA + 3 * 4096, 12);
    assert_int_equal(vmsim__tlb_probe(r.tlb, 1, VA + 2 * 4096, false, NULL), 0);
    assert_int_equal(vmsim__tlb_probe(r.tlb, 1, VA + 3 * 4096, false, NULL), 1);
    vmsim__tlb_flush_asid(r.tlb, 1);
    assert_int_equal(vmsim__tlb_probe(r.tlb, 1, VA + 3 * 4096, false, NULL), 0);
    assert_int_equal(vmsim__tlb_probe(r.tlb, 1, VA + 7 * 4096, false, NULL), 1); /* global */
    vmsim__tlb_flush_nonglobal(r.tlb);
    assert_int_equal(vmsim__tlb_probe(r.tlb, 2, VA, false, NULL), 0);
    assert_int_equal(vmsim__tlb_probe(r.tlb, 9, VA + 7 * 4096, false, NULL), 1);
    vmsim__tlb_flush_page(r.tlb, 1, VA + 7 * 4096, 12); /* INVLPG takes global entries, too */
    assert_int_equal(vmsim__tlb_probe(r.tlb, 9, VA + 7 * 4096, false, NULL), 0);
    rig_close(&r);
}

static void a_large_page_lives_in_pieces_where_its_size_is_not_held(void **state) {
    (void)state;
    static struct tlb_rig r;
    static uint64_t small[] = {4096}, both[] = {4096, 2 << 20};
    static struct vmsim__tlb_array_spec arrays[] = {
        {.name = "L1", .level = 1, .holds = VMSIM__TLB_BOTH, .sizes = {small, 1}, .entries = 64, .ways = 4},
        {.name = "L2", .level = 2, .holds = VMSIM__TLB_BOTH, .sizes = {both, 2}, .entries = 64, .ways = 4}};
    struct vmsim__tlb_spec spec = *vmsim__tlb_spec_default();
    uint64_t va = UINT64_C(0x7f0040000000), pa;
    struct vmsim__tlb_stats stats;
    spec.arrays = (struct vmsim_param_list){arrays, 2};
    rig_open(&r, "x86_64", &spec);
    rig_map(&r, va, 2, 1 << 18, RIGHTS_RW); /* 1 GiB */
    assert_true(rig_access(&r, 1, va + 0x12345678, 4, VMSIM_LOAD, &pa));
    assert_int_equal(pa, (UINT64_C(1) << 30) + 0x12345678);
    assert_true(rig_access(&r, 1, va + 0x12301000, 4, VMSIM_LOAD, &pa)); /* same 2 MiB piece */
    assert_int_equal(pa, (UINT64_C(1) << 30) + 0x12301000);
    vmsim__tlb_snapshot(r.tlb, &stats);
    assert_int_equal(stats.counter[VMSIM__TLB_walks], 1);
    assert_int_equal(stats.walks_by_size[2], 1);
    assert_int_equal(stats.array[1].by_size[1].hit, 1);
    assert_int_equal(stats.array[0].valid, 2);
    assert_int_equal(rig_check(&r, NULL), 0);
    assert_int_equal(vmsim__tlb_flush_page(r.tlb, 1, va, 30), 3);
    rig_close(&r);
}

static void contiguous_groups_of_arm64_are_one_entry(void **state) {
    (void)state;
    static struct tlb_rig r;
    uint64_t va = UINT64_C(0x7f0000000000), pa;
    r = open_default("arm64_4k");
    for (unsigned i = 0; i < 16; i++)
        rig_map(&r, va + i * 4096, 0, 32 + i, RIGHTS_RW | VMSIM__PTE_CONTIG | VMSIM__PTE_ACCESSED | VMSIM__PTE_DIRTY);
    for (unsigned i = 0; i < 16; i++) {
        assert_true(rig_access(&r, 1, va + i * 4096 + 7, 1, VMSIM_STORE, &pa));
        assert_int_equal(pa, ((32 + i) << 12) + 7);
    }
    assert_int_equal(rig_counter(&r, VMSIM__TLB_walks), 1);
    assert_int_equal(rig_check(&r, NULL), 0);
    rig_close(&r);
}

static void batches_of_any_size_count_the_same(void **state) {
    (void)state;
    struct vmsim__tlb_stats stats[2];
    struct vmsim__rng rng = test_rng("tlb-batches");
    vmsim_access a[5000];
    uint64_t cycles[2];
    for (size_t i = 0; i < TEST_COUNT(a); i++) {
        uint64_t x = vmsim__rng_next(&rng);
        a[i] = vmsim_access_make(VA + x % (300 * 4096), 1 + (uint32_t)(x >> 40) % 64,
                                 (enum vmsim_access_type)(x >> 60 & 3));
    }
    for (unsigned run = 0; run < 2; run++) {
        struct tlb_rig r = open_default("x86_64");
        for (unsigned i = 0; i < 301; i++)
            rig_map(&r, VA + i * 4096, 0, 10 + i, RIGHTS_RW);
        for (size_t at = 0; at < TEST_COUNT(a);) {
            size_t n = run ? 1 + vmsim__rng_below(&rng, 900) : 1, left = TEST_COUNT(a) - at;
            at += vmsim__tlb_run(r.tlb, &r.pt, 1, true, a + at, n < left ? n : left, NULL, &r.stop);
        }
        vmsim__tlb_snapshot(r.tlb, &stats[run]);
        for (unsigned i = 0; i < stats[run].arrays; i++)
            stats[run].array[i].name = NULL;
        cycles[run] = vmsim__tlb_cycles(r.tlb);
        rig_close(&r);
    }
    assert_memory_equal(&stats[0], &stats[1], sizeof stats[0]);
    assert_int_equal(cycles[0], cycles[1]);
}

static void geometries_that_cannot_be_are_refused(void **state) {
    (void)state;
    struct vmsim__alloc *a = test_alloc();
    struct vmsim__policy_registry *p = vmsim__policy_registry_create(a);
    const struct vmsim__pt_format *f = vmsim__pt_format_find("x86_64");
    static uint64_t odd[] = {6000};
    struct vmsim__tlb_array_spec bad[] = {
        {.name = "a", .level = 1, .entries = 10, .ways = 4},
        {.name = "a", .level = 9, .entries = 8, .ways = 4},
        {.name = "a", .level = 1},
        {.name = "a", .level = 1, .entries = 8, .ways = 4, .sizes = {odd, 1}},
        {.name = "a", .level = 1, .entries = 8, .ways = 4, .replacement = {.name = "mru"}}};
    assert_int_equal(vmsim__tlb_policies_add(p, NULL), 0);
    for (unsigned i = 0; i < TEST_COUNT(bad); i++) {
        struct vmsim__tlb_spec spec = *vmsim__tlb_spec_default();
        struct vmsim__err err = {0};
        struct vmsim__tlb *t;
        spec.arrays = (struct vmsim_param_list){&bad[i], 1};
        assert_int_equal(vmsim__tlb_create(&t, a, &spec, f, p, 1, 0, &err), i == 4 ? VMSIM_ECONFIG : VMSIM_EINVAL);
        assert_null(t);
        assert_true(err.text[0]);
    }
    vmsim__policy_registry_destroy(p);
    test_alloc_end(a);
}

static void creation_survives_every_failed_allocation(void **state) {
    (void)state;
    struct vmsim__alloc *a = test_alloc();
    const struct vmsim__pt_format *f = vmsim__pt_format_find("x86_64");
    int e = VMSIM_ENOMEM;
    for (uint64_t n = 0; e == VMSIM_ENOMEM && n < 200; n++) {
        struct vmsim__tlb_system *s = NULL;
        vmsim__alloc_fail_after(a, n);
        struct vmsim__policy_registry *p = vmsim__policy_registry_create(a);
        e = p ? vmsim__tlb_policies_add(p, NULL) : VMSIM_ENOMEM;
        if (!e)
            e = vmsim__tlb_system_create(&s, a, vmsim__tlb_spec_default(), f, 2, p, 1, NULL);
        vmsim__tlb_system_destroy(s);
        vmsim__policy_registry_destroy(p);
        assert_int_equal(vmsim__alloc_bytes(a), 0);
    }
    assert_int_equal(e, 0);
    vmsim__alloc_fail_after(a, UINT64_MAX);
    test_alloc_end(a);
}

static void prefetchers_fetch_what_they_promise(void **state) {
    (void)state;
    for (unsigned which = 0; which < 2; which++) {
        static struct tlb_rig r;
        struct vmsim__tlb_spec spec = *vmsim__tlb_spec_default();
        spec.prefetch.name = which ? "distance" : "next-page";
        rig_open(&r, "x86_64", &spec);
        for (unsigned i = 0; i < 64; i++)
            rig_map(&r, VA + i * 4096, 0, 10 + i, RIGHTS_RW | VMSIM__PTE_ACCESSED);
        for (unsigned i = 0; i < 60; i++) {
            assert_true(rig_access(&r, 1, VA + i * 4096, 4, VMSIM_LOAD, NULL));
            if (!which)
                assert_true(vmsim__tlb_probe(r.tlb, 1, VA + (i + 1) * 4096, false, NULL) > 0);
        }
        assert_true(rig_counter(&r, VMSIM__TLB_prefetch_useful) >= 55);
        assert_true(rig_counter(&r, VMSIM__TLB_walks) <= 5);
        assert_int_equal(rig_check(&r, NULL), 0);
        rig_close(&r);
    }
}

static void a_prefetch_never_enters_a_page_without_its_accessed_bit(void **state) {
    (void)state;
    static struct tlb_rig r;
    struct vmsim__tlb_spec spec = *vmsim__tlb_spec_default();
    spec.prefetch.name = "next-page";
    rig_open(&r, "x86_64", &spec);
    rig_map(&r, VA, 0, 1, RIGHTS_RW);
    rig_map(&r, VA + 4096, 0, 2, RIGHTS_RW);
    assert_true(rig_access(&r, 1, VA, 4, VMSIM_LOAD, NULL));
    assert_int_equal(rig_counter(&r, VMSIM__TLB_prefetch_issued), 1);
    assert_int_equal(vmsim__tlb_probe(r.tlb, 1, VA + 4096, false, NULL), 0);
    assert_false(rig_flags(&r, VA + 4096) & VMSIM__PTE_ACCESSED);
    rig_close(&r);
}

/* Two tables have other frames at the same offsets; arrays and walk caches keep the halves apart. */
static void both_halves_of_arm64_are_cached_apart(void **state) {
    (void)state;
    struct vmsim__rng rng = test_rng("halves");
    struct tlb_rig r;
    struct vmsim__pagetable upper;
    rig_open(&r, "arm64_4k", vmsim__tlb_spec_default());
    assert_true(vmsim__pagetable_init(&upper, r.pt.format, &r.memory->mem));
    for (uint64_t page = 0; page < 1200; page++) {
        uint64_t va = UINT64_C(0x7f80000000) + page * 0x1000; /* over two leaf tables and more */
        struct vmsim__pt_slot slot;
        rig_map(&r, va, 0, 0x10000 + page, RIGHTS_RW);
        assert_true(vmsim__pt_slot(&upper, va, 0, true, &slot));
        vmsim__pt_set(upper.format, &slot, (struct vmsim__pte){0x20000 + page, RIGHTS_RW});
    }
    r.pt.upper = &upper;
    for (unsigned i = 0; i < 20000; i++) {
        bool high = vmsim__rng_below(&rng, 2);
        uint64_t page = vmsim__rng_below(&rng, i % 3 ? 1200 : 20), offset = vmsim__rng_below(&rng, 0x1000 - 8), pa;
        uint64_t va = (high ? UINT64_C(0xffff) << 48 : 0) + UINT64_C(0x7f80000000) + page * 0x1000 + offset;
        assert_true(rig_access(&r, 1, va, 8, i % 5 ? VMSIM_LOAD : VMSIM_STORE, &pa));
        assert_int_equal(pa, (high ? UINT64_C(0x20000000) : UINT64_C(0x10000000)) + page * 0x1000 + offset);
    }
    r.pt.upper = NULL;
    vmsim__pagetable_fini(&upper);
    rig_close(&r);
}

static void without_arrays_every_access_walks(void **state) {
    (void)state;
    static struct tlb_rig r;
    struct vmsim__tlb_spec spec = *vmsim__tlb_spec_default();
    spec.arrays = spec.walk_caches = (struct vmsim_param_list){0};
    rig_open(&r, "x86_64", &spec);
    rig_map(&r, VA, 0, 1, RIGHTS_RW);
    for (unsigned i = 0; i < 10; i++)
        assert_true(rig_access(&r, 1, VA, 4, VMSIM_LOAD, NULL));
    assert_int_equal(rig_counter(&r, VMSIM__TLB_walk_references), 40);
    rig_close(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_first_touch_walks_all_levels_and_a_second_none),
        cmocka_unit_test(walk_caches_leave_one_reference_beside_a_known_page),
        cmocka_unit_test(a_store_to_a_clean_page_goes_to_the_entry_once),
        cmocka_unit_test(software_dirty_faults_and_the_retry_succeeds),
        cmocka_unit_test(faults_say_where_and_why),
        cmocka_unit_test(a_relaxed_right_needs_no_flush),
        cmocka_unit_test(the_checker_sees_a_skipped_flush),
        cmocka_unit_test(the_checker_sees_a_freed_table_in_the_walk_caches),
        cmocka_unit_test(a_leaf_table_is_the_one_that_the_entry_above_names_now),
        cmocka_unit_test(a_straddling_access_makes_two_translations),
        cmocka_unit_test(flushes_take_what_they_name_and_no_more),
        cmocka_unit_test(a_large_page_lives_in_pieces_where_its_size_is_not_held),
        cmocka_unit_test(contiguous_groups_of_arm64_are_one_entry),
        cmocka_unit_test(batches_of_any_size_count_the_same),
        cmocka_unit_test(geometries_that_cannot_be_are_refused),
        cmocka_unit_test(creation_survives_every_failed_allocation),
        cmocka_unit_test(prefetchers_fetch_what_they_promise),
        cmocka_unit_test(a_prefetch_never_enters_a_page_without_its_accessed_bit),
        cmocka_unit_test(both_halves_of_arm64_are_cached_apart),
        cmocka_unit_test(without_arrays_every_access_walks),
    };
    return cmocka_run_group_tests_name("tlb", tests, NULL, NULL);
}
