/* SPDX-License-Identifier: MIT */
/* What the allocator does on one request: per-CPU batches, stealing, boost, HIGHATOMIC, watermarks, NUMA counters,
 * indices. */
#include "zones_machine.h"

#define USER VMSIM__GFP_HIGHUSER_MOVABLE

/* ---- Per-CPU lists ---- */

static void a_refill_takes_a_batch_in_ascending_order(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__mem *mem = zm_plain(alloc, "6.1", GIB, 2);
    struct vmsim__zone *z = &mem->zones[0];
    int64_t free = z->stat[VMSIM__NR_FREE_PAGES];
    vmsim__pfn first = zm_alloc(mem, USER, 0, 0);
    assert_int_equal(z->pcp[0].batch, 63);
    assert_int_equal(free - z->stat[VMSIM__NR_FREE_PAGES], 63);
    assert_int_equal(z->pcp[0].count, 62);
    for (unsigned i = 1; i < 63; i++)
        assert_int_equal(zm_alloc(mem, USER, 0, 0), first + i);
    assert_int_equal(z->pcp[0].count, 0);
    vmsim__pfn big = zm_alloc(mem, USER, 3, 1); /* batch >> 3 = 7 blocks of 8 */
    assert_int_equal(z->pcp[1].count, 6 * 8);
    vmsim__mem_free(mem, big, 3, 1);
    vmsim__pfn again = zm_alloc(mem, USER, 3, 1); /* hot: last in, first out */
    assert_int_equal(again, big);
    assert_int_equal(mem->event[VMSIM__PGALLOC_DMA], 63 + 16);
    assert_int_equal(mem->event[VMSIM__PGFREE], 8);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

static void a_full_list_gives_back_growing_batches_6_1(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__mem *mem = zm_plain(alloc, "6.1", GIB, 1);
    struct vmsim__zone *z = &mem->zones[0];
    zm_sysctl(mem, "vm.percpu_pagelist_high_fraction", "256"); /* 1024 frames a CPU */
    struct vmsim__pcp *pcp = &z->pcp[0];
    assert_int_equal(pcp->high, 1024);
    vmsim__pfn pfn[4096];
    for (unsigned i = 0; i < 4096; i++)
        pfn[i] = zm_alloc(mem, USER, 0, 0);
    unsigned i = 0;
    int expected[] = {63, 126, 252, 504, 961, 961}; /* doubling, up to high - batch */
    vmsim__mem_free(mem, pfn[i++], 0, 0);
    for (unsigned step = 0; step < TEST_COUNT(expected); step++) {
        int64_t before;
        do {
            before = pcp->count;
            vmsim__mem_free(mem, pfn[i++], 0, 0);
        } while (pcp->count > before);
        assert_int_equal(before + 1 - pcp->count, expected[step]);
    }
    zm_alloc(mem, USER, 0, 0); /* an allocation halves the doublings */
    assert_int_equal(pcp->free_factor, 2);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

static void reclaim_keeps_lists_short(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__mem *mem = zm_plain(alloc, "6.1", GIB, 1);
    struct vmsim__zone *z = &mem->zones[0];
    vmsim__pfn pfn[1024];
    for (unsigned i = 0; i < 1024; i++)
        pfn[i] = zm_alloc(mem, USER, 0, 0);
    z->flags |= VMSIM__ZONE_RECLAIM_ACTIVE;
    for (unsigned i = 0; i < 1024; i++) {
        vmsim__mem_free(mem, pfn[i], 0, 0);
        assert_true(z->pcp[0].count < 4 * 63);
    }
    zm_destroy(mem);
    test_alloc_end(alloc);
}

static void the_limit_tunes_itself_6_12(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__mem *mem = zm_plain(alloc, "6.12", GIB, 1);
    struct vmsim__zone *z = &mem->zones[0];
    struct vmsim__pcp *pcp = &z->pcp[0];
    int low = pcp->high_min, top = pcp->high_max;
    assert_int_equal(low, z->wmark[VMSIM__WMARK_LOW]);
    assert_int_equal(top, z->managed / 8);
    assert_int_equal(pcp->high, 0); /* untouched until the first refill */
    vmsim__pfn *pfn = calloc(100000, sizeof *pfn);
    for (unsigned i = 0; i < 100000; i++)
        pfn[i] = zm_alloc(mem, USER, 0, 0);
    assert_true(pcp->high > low && pcp->high <= top);
    assert_int_equal(pcp->alloc_factor, 5);
    int high = pcp->high;
    z->flags |= VMSIM__ZONE_RECLAIM_ACTIVE;
    for (unsigned i = 0; i < 20000; i++)
        vmsim__mem_free(mem, pfn[i], 0, 0);
    assert_true(pcp->high < high);
    assert_true(pcp->count <= 4 * 63);
    free(pfn);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

/* Each second an eighth of the limit goes, never more than 32 batches of pages at once, until the lowest is reached. */
static void the_limit_decays_with_time_6_12(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__mem *mem = zm_plain(alloc, "6.12", GIB, 1);
    struct vmsim__zone *z = &mem->zones[0];
    struct vmsim__pcp *pcp = &z->pcp[0];
    vmsim__pfn *pfn = calloc(40000, sizeof *pfn);
    for (unsigned i = 0; i < 40000; i++)
        pfn[i] = zm_alloc(mem, USER, 0, 0);
    for (unsigned i = 0; i < 40000; i++)
        vmsim__mem_free(mem, pfn[i], 0, 0);
    assert_true(pcp->count > 3 * pcp->high_min);
    for (int high = pcp->high, count = pcp->count; high > pcp->high_min; high = pcp->high, count = pcp->count) {
        vmsim__mem_refresh(mem, 0);
        int next = high - high / 8 > count - 32 * pcp->batch ? high - high / 8 : count - 32 * pcp->batch;
        assert_int_equal(pcp->high, next > pcp->high_min ? next : pcp->high_min);
        assert_int_equal(pcp->count, count > pcp->high ? pcp->high : count);
    }
    assert_int_equal(pcp->count, pcp->high_min);
    vmsim__mem_refresh(mem, 0);
    assert_int_equal(pcp->count, pcp->high_min);
    zm_check(mem);
    free(pfn);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

/* A CPU that uses nothing of another node any more gives a batch back at its third look, and again, as what it has not
 * told of yet counts as use. The figures are those of a captured machine of two nodes of 512 MiB: 31 frames go back, of
 * which 26 show at once. */
static void lists_of_other_nodes_are_given_back(void **state) {
    const uint64_t sizes[2] = {512 * MIB, 512 * MIB};
    enum { PAGES = 200 };
    struct vmsim__alloc *alloc = test_alloc();
    (void)state;
    struct vmsim__mem *mem = zm_pc(alloc, "6.1", 2, sizes);
    vmsim__pfn pfn[PAGES];
    const struct vmsim__alloc_request rq = {.gfp = VMSIM__GFP_HIGHUSER_MOVABLE, .node = 1};
    for (unsigned i = 0; i < PAGES; i++)
        pfn[i] = vmsim__mem_alloc(mem, &rq);
    struct vmsim__zone *z = vmsim__mem_zone_of(mem, pfn[0]);
    assert_int_equal(z->node, 1);
    assert_int_equal(z->stat_threshold, 12);
    for (unsigned i = 0; i < PAGES; i++)
        vmsim__mem_free(mem, pfn[i], 0, 0);
    const int32_t count = z->pcp[0].count;
    const int64_t left = z->stat[VMSIM__NR_FREE_PAGES];
    assert_true(count >= 4 * z->pcp[0].batch && z->pcp[0].batch == 31);
    for (unsigned back = 1; back <= 2; back++) {
        for (unsigned look = 0; look < 2; look++)
            vmsim__mem_refresh(mem, 0);
        assert_int_equal(z->pcp[0].count, count - 31 * ((int32_t)back - 1));
        assert_int_equal(vmsim__zone_told(z, VMSIM__NR_FREE_PAGES), left + 31 * ((int64_t)back - 1));
        vmsim__mem_refresh(mem, 0);
        assert_int_equal(z->pcp[0].count, count - 31 * (int32_t)back);
        assert_int_equal(vmsim__zone_told(z, VMSIM__NR_FREE_PAGES), left + 31 * (int64_t)back - 5);
        assert_int_equal(z->stat[VMSIM__NR_FREE_PAGES], left + 31 * (int64_t)back);
    }
    const vmsim__pfn own = zm_alloc(mem, VMSIM__GFP_HIGHUSER_MOVABLE, 0, 1); /* who is at home keeps all */
    vmsim__mem_free(mem, own, 0, 1);
    const int32_t at_home = z->pcp[1].count;
    for (unsigned look = 0; look < 9; look++)
        vmsim__mem_refresh(mem, 1);
    assert_true(at_home > 0 && z->pcp[1].count == at_home);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

static void draining_empties_every_list(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__mem *mem = zm_plain(alloc, "6.1", GIB, 4);
    struct vmsim__zone *z = &mem->zones[0];
    for (unsigned cpu = 0; cpu < 4; cpu++) {
        zm_alloc(mem, USER, 0, cpu);
        zm_alloc(mem, VMSIM__GFP_KERNEL, 2, cpu);
    }
    zm_alloc(mem, VMSIM__GFP_TRANSHUGE, 9, 0);
    assert_true(vmsim__zone_pcp_count(mem, z) > 4 * 62);
    zm_check(mem);
    vmsim__mem_drain(mem);
    assert_int_equal(vmsim__zone_pcp_count(mem, z), 0);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

/* ---- Stealing ---- */

static void a_kernel_request_claims_whole_pageblocks_first(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__mem *mem = zm_plain(alloc, "6.1", 64 * MIB, 1);
    struct vmsim__zone *z = &mem->zones[0];
    vmsim__pfn pfn = zm_alloc(mem, VMSIM__GFP_KERNEL, 0, 0);
    uint64_t types[VMSIM__MIGRATE_TYPES];
    vmsim__zone_pageblocks(mem, z, types);
    assert_int_equal(types[VMSIM__UNMOVABLE], 2); /* one top-order block is two pageblocks */
    assert_int_equal(types[VMSIM__MOVABLE], 30);
    assert_int_equal(vmsim__pageblock_type(mem, pfn), VMSIM__UNMOVABLE);
    assert_int_equal(z->boost, 0);
    assert_int_equal(vmsim__zone_free_blocks(z, 9, VMSIM__UNMOVABLE), 1);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

/* Fills the zone with movable frames, then frees `free` frames of one pageblock; returns the pageblock. */
static vmsim__pfn almost_full(struct vmsim__mem *mem, unsigned free) {
    vmsim__pfn pfn, last = 0;
    while ((pfn = zm_get(mem, USER, 9, VMSIM__ALLOC_NO_WATERMARKS)) != VMSIM__PFN_NONE)
        last = pfn;
    vmsim__mem_drain(mem);
    while ((pfn = zm_get(mem, USER, 9, VMSIM__ALLOC_NO_WATERMARKS)) != VMSIM__PFN_NONE)
        last = pfn;
    vmsim__mem_split(mem, last, 9);
    for (unsigned i = 0; i < 512; i++)
        vmsim__frame_at(&mem->frames, last + i)->flags |= VMSIM__FRAME_LRU;
    for (unsigned i = 0; i < free; i++)
        vmsim__mem_free_buddy(mem, last + i, 0);
    return last;
}

static void a_kernel_request_takes_a_pageblock_that_is_half_free(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    for (unsigned free = 248; free <= 264; free += 16) {
        struct vmsim__mem *mem = zm_plain(alloc, "6.1", 64 * MIB, 1);
        vmsim__pfn block = almost_full(mem, free);
        vmsim__pfn pfn = zm_get(mem, VMSIM__GFP_KERNEL, 4, VMSIM__ALLOC_NO_WATERMARKS | VMSIM__ALLOC_KSWAPD);
        assert_in_range(pfn, block, block + 511);
        bool half = free >= 256;
        assert_int_equal(vmsim__pageblock_type(mem, block), half ? VMSIM__UNMOVABLE : VMSIM__MOVABLE);
        assert_int_equal(mem->zones[0].boost, 512); /* broken into: boosted by a pageblock */
        zm_destroy(mem);
    }
    test_alloc_end(alloc);
}

static void since_6_10_remainders_stay_with_their_pageblock(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    static const char *const kernels[] = {"6.1", "6.12"};
    for (unsigned k = 0; k < 2; k++) {
        struct vmsim__mem *mem = zm_plain(alloc, kernels[k], 64 * MIB, 1);
        almost_full(mem, 64);
        zm_get(mem, VMSIM__GFP_KERNEL, 4, VMSIM__ALLOC_NO_WATERMARKS);
        assert_int_equal(vmsim__zone_free_blocks(&mem->zones[0], 5, VMSIM__UNMOVABLE), k == 0);
        assert_int_equal(vmsim__zone_free_blocks(&mem->zones[0], 5, VMSIM__MOVABLE), k == 1);
        zm_destroy(mem);
    }
    test_alloc_end(alloc);
}

static void woken(void *context, struct vmsim__zone *z, unsigned order, unsigned type) {
    (void)order;
    (void)type;
    assert_false(z->flags & VMSIM__ZONE_BOOSTED);
    ++*(unsigned *)context;
}

static void a_boost_wakes_kswapd_once_and_is_capped(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__mem *mem = zm_plain(alloc, "6.1", 64 * MIB, 1);
    struct vmsim__zone *z = &mem->zones[0];
    unsigned wakes = 0;
    mem->hooks.context = &wakes;
    mem->hooks.wake_kswapd = woken;
    almost_full(mem, 256);
    for (unsigned i = 0; i < 256; i += 16)
        zm_get(mem, VMSIM__GFP_KERNEL, 4, VMSIM__ALLOC_NO_WATERMARKS | VMSIM__ALLOC_KSWAPD);
    uint64_t most = z->wmark[VMSIM__WMARK_HIGH] * 15000 / 10000;
    assert_int_equal(wakes, 1);
    assert_in_range(z->boost, 1, most > 512 ? most : 512);
    assert_int_equal(vmsim__zone_wmark(z, VMSIM__WMARK_LOW), z->wmark[VMSIM__WMARK_LOW] + z->boost);
    zm_sysctl(mem, "vm.watermark_scale_factor", "10"); /* recomputing takes the boost away */
    assert_int_equal(z->boost, 0);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

static void without_fragmentation_a_small_request_leaves_foreign_pageblocks_alone(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__mem *mem = zm_plain(alloc, "6.1", 64 * MIB, 1);
    almost_full(mem, 64);
    uint32_t flags = VMSIM__ALLOC_NO_WATERMARKS;
    struct vmsim__zone *z = &mem->zones[0];
    assert_int_not_equal(zm_get(mem, VMSIM__GFP_KERNEL, 4, flags | VMSIM__ALLOC_NOFRAGMENT), VMSIM__PFN_NONE);
    assert_int_equal(z->numa[VMSIM__NUMA_MISS], 0); /* no other zone: the scruple is dropped, the request served */
    zm_destroy(mem);
    test_alloc_end(alloc);
}

/* ---- HIGHATOMIC ---- */

#define ATOMIC_RIGHTS (VMSIM__ALLOC_WMARK_MIN | VMSIM__ALLOC_NON_BLOCK | VMSIM__ALLOC_MIN_RESERVE)

static void a_high_order_atomic_success_reserves_its_pageblock(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__mem *mem = zm_plain(alloc, "6.1", GIB, 1);
    struct vmsim__zone *z = &mem->zones[0];
    struct vmsim__alloc_request rq = {.gfp = VMSIM__GFP_ATOMIC, .order = 3};
    vmsim__pfn pfn = vmsim__mem_get_frames(mem, &rq, ATOMIC_RIGHTS | VMSIM__ALLOC_HIGHATOMIC);
    assert_int_equal(vmsim__pageblock_type(mem, pfn), VMSIM__HIGHATOMIC);
    assert_int_equal(z->nr_reserved_highatomic, 512);
    assert_true(z->nr_free_highatomic > 0);
    for (unsigned i = 0; i < 2000; i++)
        vmsim__mem_get_frames(mem, &rq, ATOMIC_RIGHTS | VMSIM__ALLOC_HIGHATOMIC);
    assert_true(z->nr_reserved_highatomic <= z->managed / 100 + 2 * 512);
    zm_check(mem);
    uint64_t reserved = z->nr_reserved_highatomic;
    assert_true(vmsim__mem_unreserve_highatomic(mem, &rq, false));
    assert_int_equal(z->nr_reserved_highatomic, reserved - 512);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

static void small_zones_of_6_12_reserve_nothing(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__mem *mem = zm_plain(alloc, "6.12", 128 * MIB, 1);
    zm_get(mem, VMSIM__GFP_ATOMIC, 3, ATOMIC_RIGHTS | VMSIM__ALLOC_HIGHATOMIC);
    assert_int_equal(mem->zones[0].nr_reserved_highatomic, 0);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

/* ---- Watermarks ---- */

static void rights_lower_the_mark_as_the_kernel_does(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__mem *mem = zm_plain(alloc, "6.1", 64 * MIB, 1);
    struct vmsim__zone z = mem->zones[0];
    z.lowmem_reserve[VMSIM__ZONE_NORMAL] = 0;
    static const struct {
        uint32_t flags;
        int64_t least; /* free frames that pass above a mark of 800 */
    } cases[] = {{0, 801},
                 {VMSIM__ALLOC_NON_BLOCK, 801},
                 {VMSIM__ALLOC_MIN_RESERVE, 401},
                 {VMSIM__ALLOC_MIN_RESERVE | VMSIM__ALLOC_NON_BLOCK, 301}, /* 3/8 */
                 {VMSIM__ALLOC_OOM, 401}};
    for (unsigned i = 0; i < TEST_COUNT(cases); i++) {
        assert_true(vmsim__zone_watermark_ok_free(mem, &z, 0, 800, 2, cases[i].flags, cases[i].least));
        assert_false(vmsim__zone_watermark_ok_free(mem, &z, 0, 800, 2, cases[i].flags, cases[i].least - 1));
    }
    z.lowmem_reserve[VMSIM__ZONE_NORMAL] = 100;
    assert_false(vmsim__zone_watermark_ok_free(mem, &z, 0, 800, 2, 0, 900));
    assert_true(vmsim__zone_watermark_ok_free(mem, &z, 0, 800, 2, 0, 901));
    z.lowmem_reserve[VMSIM__ZONE_NORMAL] = 0;
    assert_false(vmsim__zone_watermark_ok_free(mem, &z, 3, 800, 2, 0, 807)); /* 2^3 - 1 are unusable */
    assert_true(vmsim__zone_watermark_ok_free(mem, &z, 3, 800, 2, 0, 808));
    z.nr_reserved_highatomic = 50;
    assert_false(vmsim__zone_watermark_ok_free(mem, &z, 0, 800, 2, 0, 850));
    assert_true(vmsim__zone_watermark_ok_free(mem, &z, 0, 800, 2, VMSIM__ALLOC_NON_BLOCK, 801));
    zm_destroy(mem);
    test_alloc_end(alloc);
}

static vmsim__pfn slowpath(void *context, const struct vmsim__alloc_request *rq) {
    struct vmsim__mem *mem = context;
    return vmsim__mem_get_frames(mem, rq, VMSIM__ALLOC_WMARK_MIN);
}

static void the_slow_path_is_asked_below_the_low_mark(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__mem *mem = zm_plain(alloc, "6.1", 64 * MIB, 1);
    struct vmsim__zone *z = &mem->zones[0];
    mem->hooks.context = mem;
    mem->hooks.slowpath = slowpath;
    while (zm_alloc(mem, USER, 0, 0) != VMSIM__PFN_NONE)
        ;
    assert_true((uint64_t)z->stat[VMSIM__NR_FREE_PAGES] <= z->wmark[VMSIM__WMARK_MIN]);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

/* ---- NUMA ---- */

static void numa_counters_count_allocations(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    const uint64_t sizes[] = {512 * MIB, 512 * MIB};
    struct vmsim__mem *mem = zm_pc(alloc, "6.1", 2, sizes);
    struct vmsim__zone *z0 = zm_zone(mem, 0, VMSIM__ZONE_DMA32), *z1 = zm_zone(mem, 1, VMSIM__ZONE_DMA32);
    zm_alloc(mem, USER, 3, 0);
    assert_int_equal(z0->numa[VMSIM__NUMA_HIT], 1);
    assert_int_equal(z0->numa[VMSIM__NUMA_LOCAL], 1);
    struct vmsim__alloc_request rq = {.gfp = USER, .cpu = 0, .node = 1};
    vmsim__mem_alloc(mem, &rq);
    assert_int_equal(z1->numa[VMSIM__NUMA_HIT], 1);
    assert_int_equal(z1->numa[VMSIM__NUMA_OTHER], 1);
    rq.node = 0; /* node 0 is full: its requests go to node 1 */
    while (vmsim__mem_alloc(mem, &rq) != VMSIM__PFN_NONE && !z1->numa[VMSIM__NUMA_MISS])
        ;
    assert_int_equal(z1->numa[VMSIM__NUMA_MISS], 1);
    assert_int_equal(z0->numa[VMSIM__NUMA_FOREIGN], 1);
    uint64_t mask = 1;
    rq.nodemask = &mask;
    while (vmsim__mem_alloc(mem, &rq) != VMSIM__PFN_NONE)
        ;
    assert_int_equal(z1->numa[VMSIM__NUMA_MISS], 1);
    rq = (struct vmsim__alloc_request){.gfp = USER | VMSIM__GFP_THISNODE, .node = 0};
    assert_int_equal(vmsim__mem_alloc(mem, &rq), VMSIM__PFN_NONE);
    zm_sysctl(mem, "vm.numa_stat", "0");
    assert_int_equal(vmsim__mem_numa_stat(mem, VMSIM__NUMA_HIT), 0);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

static void dma_requests_stay_in_their_zones(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    const uint64_t sizes[] = {6 * GIB};
    struct vmsim__mem *mem = zm_pc(alloc, "6.1", 1, sizes);
    assert_in_range(zm_alloc(mem, VMSIM__GFP_KERNEL | VMSIM__GFP_DMA, 0, 0), 1, 4095);
    assert_in_range(zm_alloc(mem, VMSIM__GFP_KERNEL | VMSIM__GFP_DMA32, 0, 0), 4096, (1u << 20) - 1);
    assert_true(zm_alloc(mem, USER, 0, 0) >= 1u << 20);
    assert_true(zm_alloc(mem, VMSIM__GFP_KERNEL, 0, 0) >= 1u << 20);
    assert_int_equal(vmsim__gfp_zone(mem, USER), VMSIM__ZONE_MOVABLE);
    assert_int_equal(vmsim__gfp_zone(mem, VMSIM__GFP_HIGHUSER), VMSIM__ZONE_NORMAL);
    assert_int_equal(vmsim__gfp_zone(mem, VMSIM__GFP_MOVABLE_BIT), VMSIM__ZONE_NORMAL);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

/* ---- Indices ---- */

static void fragmentation_indices_follow_their_formulas(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__mem *mem = zm_plain(alloc, "6.1", 64 * MIB, 1);
    struct vmsim__zone *z = &mem->zones[0];
    assert_int_equal(vmsim__zone_extfrag_index(mem, z, 9), -1000);
    assert_int_equal(vmsim__zone_unusable_index(mem, z, 9), 0);
    vmsim__pfn blocks[64];
    unsigned n = 0;
    while ((blocks[n] = zm_get(mem, USER, 9, VMSIM__ALLOC_NO_WATERMARKS)) != VMSIM__PFN_NONE)
        n++;
    assert_int_equal(vmsim__zone_unusable_index(mem, z, 9), 1000);
    assert_int_equal(vmsim__zone_extfrag_index(mem, z, 9), 0);
    for (unsigned b = 0; b < 4; b++) { /* 1024 single frames: every other one of four pageblocks */
        vmsim__mem_split(mem, blocks[b], 9);
        for (unsigned i = 0; i < 512; i += 2)
            vmsim__mem_free_buddy(mem, blocks[b] + i, 0);
    }
    assert_int_equal(z->stat[VMSIM__NR_FREE_PAGES], 1024);
    assert_int_equal(vmsim__zone_extfrag_index(mem, z, 9), 998);
    assert_int_equal(vmsim__zone_unusable_index(mem, z, 1), 1000);
    assert_int_equal(vmsim__zone_unusable_index(mem, z, 0), 0);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refill_takes_a_batch_in_ascending_order),
        cmocka_unit_test(a_full_list_gives_back_growing_batches_6_1),
        cmocka_unit_test(reclaim_keeps_lists_short),
        cmocka_unit_test(the_limit_tunes_itself_6_12),
        cmocka_unit_test(the_limit_decays_with_time_6_12),
        cmocka_unit_test(lists_of_other_nodes_are_given_back),
        cmocka_unit_test(draining_empties_every_list),
        cmocka_unit_test(a_kernel_request_claims_whole_pageblocks_first),
        cmocka_unit_test(a_kernel_request_takes_a_pageblock_that_is_half_free),
        cmocka_unit_test(since_6_10_remainders_stay_with_their_pageblock),
        cmocka_unit_test(a_boost_wakes_kswapd_once_and_is_capped),
        cmocka_unit_test(without_fragmentation_a_small_request_leaves_foreign_pageblocks_alone),
        cmocka_unit_test(a_high_order_atomic_success_reserves_its_pageblock),
        cmocka_unit_test(small_zones_of_6_12_reserve_nothing),
        cmocka_unit_test(rights_lower_the_mark_as_the_kernel_does),
        cmocka_unit_test(the_slow_path_is_asked_below_the_low_mark),
        cmocka_unit_test(numa_counters_count_allocations),
        cmocka_unit_test(dma_requests_stay_in_their_zones),
        cmocka_unit_test(fragmentation_indices_follow_their_formulas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
