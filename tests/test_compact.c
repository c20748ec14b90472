/* SPDX-License-Identifier: MIT */
/* Compaction of a zone: what moves where, what stays, when a run ends, what is remembered of it. */
#include "vm_swap.h"

#include "compact/compaction_impl.h"
#include "compact/compaction_policies.h"
#include "compact/contig.h"

static struct vm_machine m;
static const char *kernel; /* NULL: the reference */
static struct vmsim__mm *mm;
static struct toy_swap swap;
static struct vmsim__compaction c;

#define PAGES 12000u

static void start(uint64_t memory) {
    const struct vm_machine_options o = {.memory = memory,
                                         .kernel = kernel,
                                         .format = VMSIM__PT_X86_64,
                                         .thp = VMSIM__THP_NEVER,
                                         .fill = toy_fill,
                                         .fill_context = &swap};
    vmm_start(&m, &o);
    toy_start(&swap, &m);
    mm = vmm_mm(&m);
    assert_int_equal(vmsim__compaction_init(&c, m.alloc, m.vm, m.mem, m.lru), 0);
    c.scan_cost = 10;
}
static void check(void) {
    struct vmsim__err err = {0};
    vmm_check(&m);
    if (vmsim__compaction_check(&c, &err))
        fail_msg("%s", err.text);
}
static void end(void) {
    check();
    vmsim__compaction_fini(&c);
    vmsim__mm_put(mm, 0);
    vmsim__lru_drain_all(m.lru);
    toy_end(&swap);
    vmm_end(&m);
}

static vmsim__pfn page_at(struct vmsim__mm *of, uint64_t va) {
    struct vmsim__pte pte = vmsim__mm_pagemap(of, va);
    return pte.flags & VMSIM__PTE_PRESENT && !(pte.flags & VMSIM__PTE_SPECIAL) ? (vmsim__pfn)pte.pfn : VMSIM__PFN_NONE;
}
static struct vmsim__zone *dma32(void) {
    return vmsim__node_zone(m.mem, 0, VMSIM__ZONE_DMA32);
}
static void settle(void) {
    vmsim__lru_drain_all(m.lru);
    vmsim__mem_drain(m.mem);
}

/* What there is of memory, but for `left` pages, is mapped and written, each page with a tag of its own. */
static uint64_t fill_memory(uint64_t left) {
    const uint64_t pages = vmm_unused(&m) - left;
    vmm_map(mm, BASE, pages, RW, PRIV_ANON);
    for (uint64_t i = 0; i < pages; i++) {
        vmm_touch(mm, BASE + i * PG, 1, true);
        swap.tag[page_at(mm, BASE + i * PG)] = (uint32_t)i + 1;
    }
    settle();
    return pages;
}
static void give_up(uint64_t i) {
    assert_int_equal(vmsim__mm_madvise(mm, BASE + i * PG, PG, VMSIM__MADV_DONTNEED, 0), 0);
}
static void check_tags(uint64_t pages) {
    for (uint64_t i = 0; i < pages; i++) {
        const vmsim__pfn pfn = page_at(mm, BASE + i * PG);
        if (pfn != VMSIM__PFN_NONE)
            assert_int_equal(swap.tag[pfn], i + 1);
    }
}

static struct vmsim__compact_control all_of_it(enum vmsim__migrate_mode mode) {
    return (struct vmsim__compact_control){.order = VMSIM__COMPACT_ALL,
                                           .gfp = VMSIM__GFP_KERNEL,
                                           .zone_type = VMSIM__ZONE_MOVABLE,
                                           .type = VMSIM__MOVABLE,
                                           .mode = mode,
                                           .whole_zone = true,
                                           .ignore_skip_hint = true};
}
static struct vmsim__compact_control for_block(unsigned order, enum vmsim__migrate_mode mode) {
    return (struct vmsim__compact_control){.order = (int)order,
                                           .gfp = VMSIM__GFP_HIGHUSER_MOVABLE,
                                           .zone_type = VMSIM__ZONE_NORMAL,
                                           .type = VMSIM__MOVABLE,
                                           .mode = mode,
                                           .direct = true};
}

/* Half of what fills memory, every second page, is given up: afterwards everything that is free lies below everything
 * that moved, in one piece. */
static void a_checkerboard_is_put_in_order(void **state) {
    (void)state;
    start(UINT64_C(256) << 20);
    const uint64_t pages = fill_memory(4500);
    for (uint64_t i = 0; i < pages; i += 2)
        give_up(i);
    settle();
    assert_true(
        vmsim__zone_free_blocks(dma32(), 9, VMSIM__MOVABLE) + vmsim__zone_free_blocks(dma32(), 10, VMSIM__MOVABLE) < 4);
    struct vmsim__compact_control cc = all_of_it(VMSIM__MIGRATE_SYNC);
    assert_int_equal(vmsim__compact_zone(&c, &cc, dma32()), VMSIM__COMPACTION_COMPLETE);
    settle();
    check();
    check_tags(pages);
    const vmsim__pfn block = 1u << m.mem->pageblock_order, met = cc.migrate_pfn & ~(block - 1);
    for (vmsim__pfn p = dma32()->start; p < dma32()->end; p++) {
        const bool there = m.mem->frames.chunk[p >> m.mem->frames.shift];
        if (there && p < met - block && vmsim__frame_is(vmsim__vm_frame(m.vm, p), VMSIM__FRAME_LRU))
            fail_msg("page %u has stayed below %u", p, met);
        if (p >= met + block && vmsim__mem_free_block_order(m.mem, p) >= 0)
            fail_msg("frame %u is free above %u", p, met);
    }
    uint64_t large = 0;
    for (unsigned o = 9; o <= 10; o++)
        large += vmsim__zone_free_blocks(dma32(), o, VMSIM__MIGRATE_TYPES) << o;
    assert_true(large * 10 > (uint64_t)dma32()->stat[VMSIM__NR_FREE_PAGES] * 8);
    assert_true(m.mem->event[VMSIM__PGMIGRATE_SUCCESS] > 2000);
    assert_true(m.mem->event[VMSIM__PGMIGRATE_FAIL] <= 1); /* the last one found no frame */
    assert_int_equal(m.mem->event[VMSIM__COMPACT_MIGRATE_SCANNED], cc.migrate_scanned);
    assert_true(m.mem->event[VMSIM__COMPACT_ISOLATED] >= 2 * m.mem->event[VMSIM__PGMIGRATE_SUCCESS]);
    end();
}

/* Do pages from i on stand in the frames of a block, one after the other? */
static bool in_one_block(uint64_t i, unsigned order) {
    const vmsim__pfn pfn = page_at(mm, BASE + i * PG);
    bool all = !(pfn & ((1u << order) - 1));
    for (unsigned n = 1; all && n < 1u << order; n++)
        all = page_at(mm, BASE + (i + n) * PG) == pfn + n;
    return all;
}

/* Every second page is given up, and a whole block of 2^order frames that begins in the `eighth` of the zone: its
 * first. */
static vmsim__pfn give_up_block(uint64_t pages, unsigned eighth, unsigned order) {
    const vmsim__pfn size = (dma32()->end - dma32()->start) / 8, at = dma32()->start + eighth * size;
    uint64_t i = 0;
    while (page_at(mm, BASE + i * PG) - at >= size || !in_one_block(i, order))
        assert_true(++i + (1u << order) < pages);
    const vmsim__pfn block = page_at(mm, BASE + i * PG);
    for (unsigned n = 0; n < 1u << order; n++)
        give_up(i + n);
    for (uint64_t even = 0; even < pages; even += 2)
        give_up(even);
    settle();
    assert_int_equal(vmsim__mem_free_block_order(m.mem, block), order);
    return block;
}

/* A run for a huge page that has begun, whatever is free already. */
static struct vmsim__compact_control begun(enum vmsim__migrate_mode mode) {
    struct vmsim__compact_control cc = all_of_it(mode);
    assert_int_equal(vmsim__compact_begin(&c, &cc, dma32()), VMSIM__COMPACTION_CONTINUE);
    cc.ignore_skip_hint = false;
    cc.direct = true;
    cc.order = cc.search_order = 9;
    return cc;
}

/* The migrate scanner begins in a pageblock that has a free block of some size, and goes back to it where the lists
 * know no more. Until 6.3 the pageblock counts as seen by then, so that the scanner passes over it first. */
static void free_blocks_tell_where_to_begin(void **state) {
    static const char *const kernels[] = {"6.1", "6.12"};
    (void)state;
    for (unsigned k = 0; k < TEST_COUNT(kernels); k++) {
        kernel = kernels[k];
        start(UINT64_C(256) << 20);
        const uint64_t pages = fill_memory(4500);
        const vmsim__pfn found = give_up_block(pages, 2, 5);
        struct vmsim__compact_control cc = begun(VMSIM__MIGRATE_SYNC_LIGHT);
        for (vmsim__pfn p = dma32()->start; p < dma32()->end; p += vmsim__block_pages(&c)) /* others were seen lately */
            vmsim__skip_put(&c, p, vmsim__block_start(&c, p) != vmsim__block_start(&c, found));
        assert_int_equal(vmsim__fast_find_source(&c, &cc), vmsim__block_start(&c, found));
        assert_int_equal(vmsim__skip_get(&c, found), k == 0);
        assert_int_equal(dma32()->area[5].list[VMSIM__MOVABLE].tail, found);
        assert_int_equal(cc.search_fail, 0);
        vmsim__skip_put(&c, found, true);
        assert_int_equal(vmsim__fast_find_source(&c, &cc), found);
        assert_true(cc.search_fail == 1 && cc.migrate_pfn == found && cc.fast_over);
        cc.migrate_pfn = found + 1; /* in the middle of a pageblock: no search */
        assert_int_equal(vmsim__fast_find_source(&c, &cc), found + 1);
        assert_int_equal(cc.search_fail, 1);
        vmsim__compact_end(&c, &cc);
        end();
    }
    kernel = NULL;
}

/* A free block in the top quarter is taken whole, whatever the free scanner would come to first. */
/* A zone that begins within a pageblock: what is free there is found once, though nothing in it can be moved. */
static void a_zone_that_begins_within_a_pageblock_is_searched_once(void **state) {
    (void)state;
    kernel = "6.12";
    start(UINT64_C(256) << 20);
    kernel = NULL;
    struct vmsim__zone *z = vmsim__node_zone(m.mem, 0, VMSIM__ZONE_DMA);
    const vmsim__pfn block = 1u << m.mem->pageblock_order;
    assert_true(z->start % block && z->start < block);
    for (vmsim__pfn p = 0; p < z->end; p++) {
        const int order = vmsim__mem_isolate_block(m.mem, p);
        if (order >= 0)
            vmsim__mem_split(m.mem, p, (unsigned)order);
    }
    for (vmsim__pfn p = z->end; p-- > z->start;) { /* runs of 16 are free, in the first pageblock and far behind it */
        if (p / 16 % 2 && (p < block || p >= z->end / 2) && vmsim__vm_frame(m.vm, p)->refcount == 1)
            vmsim__mem_free_buddy(m.mem, p, 0);
    }
    assert_true(vmsim__zone_free_blocks(z, 4, VMSIM__MOVABLE) > 64);
    struct vmsim__compact_control cc = for_block(m.mem->pageblock_order, VMSIM__MIGRATE_ASYNC);
    cc.zone_type = VMSIM__ZONE_DMA;
    enum vmsim__compact_result how = vmsim__compact_begin(&c, &cc, z);
    assert_int_equal(how, VMSIM__COMPACTION_CONTINUE);
    for (unsigned steps = 0; how == VMSIM__COMPACTION_CONTINUE; steps++) {
        assert_true(steps < 2 * z->end / block);
        how = vmsim__compact_step(&c, &cc);
    }
    vmsim__compact_end(&c, &cc);
    end();
}

static void free_blocks_high_up_are_targets(void **state) {
    (void)state;
    start(UINT64_C(256) << 20);
    const uint64_t pages = fill_memory(4500);
    const vmsim__pfn found = give_up_block(pages, 6, 6);
    struct vmsim__compact_control cc = begun(VMSIM__MIGRATE_ASYNC);
    const vmsim__pfn scanner = cc.free_pfn;
    vmsim__free_list_turn(m.mem, dma32(), 6, VMSIM__MOVABLE, found, false); /* searched from the tail on */
    cc.search_order = 6;
    cc.nr_migrate = 32;
    vmsim__fast_isolate_free(&c, &cc);
    assert_int_equal(cc.nr_free, 64);
    assert_int_equal(cc.free, found + 63);
    assert_int_equal(cc.free_pfn, scanner);
    assert_int_equal(cc.search_order, 6);
    vmsim__compact_end(&c, &cc);
    settle();
    assert_int_equal(vmsim__mem_free_block_order(m.mem, found), 6);
    end();
}

/* The type of a pageblock that is in use: what is given up of it goes to lists of that type. */
static void make_unmovable(vmsim__pfn pfn) {
    const vmsim__pfn block = pfn >> m.mem->pageblock_order;
    const unsigned shift = (block & 1) * 4, type = VMSIM__UNMOVABLE ^ VMSIM__MOVABLE;
    uint8_t *byte = &m.mem->pageblocks[block >> 1];
    *byte = (uint8_t)((*byte & ~(15u << shift)) | type << shift);
    assert_int_equal(vmsim__pageblock_type(m.mem, pfn), VMSIM__UNMOVABLE);
}

/* No free block lies high enough: a run that begins goes half way down, and takes what is free in that pageblock even
 * where the lists of movable memory do not have it. An async run leaves it at the place. */
static void half_way_down_is_looked_around(void **state) {
    static const enum vmsim__migrate_mode modes[] = {VMSIM__MIGRATE_SYNC_LIGHT, VMSIM__MIGRATE_ASYNC};
    (void)state;
    for (unsigned i = 0; i < TEST_COUNT(modes); i++) {
        start(UINT64_C(256) << 20);
        const uint64_t pages = fill_memory(4500);
        struct vmsim__compact_control cc = begun(modes[i]);
        const vmsim__pfn half = vmsim__block_start(&c, cc.free_pfn - (cc.free_pfn - cc.migrate_pfn) / 2);
        make_unmovable(half);
        for (uint64_t p = 0; p < pages; p += 2) {
            const vmsim__pfn pfn = page_at(mm, BASE + p * PG);
            if (pfn < half + vmsim__block_pages(&c))
                give_up(p);
        }
        settle();
        cc.search_order = 8;
        cc.nr_migrate = 32;
        vmsim__fast_isolate_free(&c, &cc);
        assert_int_equal(cc.free_pfn, half);
        assert_int_equal(cc.search_fail, 1);
        assert_int_equal(cc.nr_free, i ? 0 : 32);
        assert_true(i || vmsim__block_start(&c, cc.free) == half);
        vmsim__compact_end(&c, &cc);
        end();
    }
}

/* Forgotten hints: frames are looked for from the zone's last frame on, a pageblock's worth at a time, and that is
 * where the free scanner begins, within its pageblock. */
static void forgotten_hints_begin_from_the_last_frame(void **state) {
    (void)state;
    start(UINT64_C(250) << 20); /* the zone ends within a pageblock */
    const uint64_t pages = fill_memory(4500);
    for (uint64_t i = 0; i < pages; i += 3) /* the samples see both kinds */
        give_up(i);
    settle();
    for (vmsim__pfn p = dma32()->start; p < dma32()->end; p += vmsim__block_pages(&c))
        vmsim__skip_put(&c, p, true);
    struct vmsim__compact_zone *r = vmsim__compact_of(&c, dma32());
    vmsim__skip_restart(&c, dma32());
    assert_true(vmsim__block_aligned(&c, r->cached_free));
    r->flush = true;
    vmsim__compaction_reset_hints(&c, 0);
    assert_false(r->flush);
    assert_int_equal((dma32()->end - 1 - r->cached_free) % vmsim__block_pages(&c), 0);
    assert_int_equal(r->init_free, r->cached_free);
    assert_int_equal((r->cached_migrate[1] - dma32()->start) % vmsim__block_pages(&c), 0);
    assert_false(vmsim__skip_get(&c, r->cached_free));
    struct vmsim__compact_control cc = for_block(9, VMSIM__MIGRATE_SYNC_LIGHT);
    assert_true(vmsim__compact_zone(&c, &cc, dma32()) >= VMSIM__COMPACTION_COMPLETE);
    check_tags(pages);
    end();
}

/* Every fourth page is a driver's, every fourth is pinned, every fourth is given up. */
static void what_cannot_move_stays(void **state) {
    enum { N = 6000 };
    static vmsim__pfn driver[N], pinned[N];
    uint64_t drivers = 0, pins = 0;
    (void)state;
    start(UINT64_C(64) << 20);
    vmm_map(mm, BASE, N, RW, PRIV_ANON);
    for (uint64_t i = 0; i < N; i++) {
        const struct vmsim__alloc_request rq = {.gfp = VMSIM__GFP_HIGHUSER_MOVABLE};
        if (i % 4 == 0)
            driver[drivers++] = vmsim__mem_alloc(m.mem, &rq); /* in movable pageblocks, but on no list */
        else
            vmm_touch(mm, BASE + i * PG, 1, true);
        if (i % 4 == 1)
            vmsim__folio_get(m.lru, pinned[pins++] = page_at(mm, BASE + i * PG));
    }
    vmsim__lru_drain_all(m.lru);
    for (uint64_t i = 2; i < N; i += 4)
        give_up(i);
    settle();
    struct vmsim__compact_control cc = all_of_it(VMSIM__MIGRATE_SYNC);
    vmsim__compact_zone(&c, &cc, dma32());
    check();
    assert_true(m.mem->event[VMSIM__PGMIGRATE_SUCCESS] > 0);
    for (uint64_t i = 0; i < pins; i++) {
        assert_int_equal(page_at(mm, BASE + (4 * i + 1) * PG), pinned[i]);
        vmsim__folio_put(m.lru, pinned[i], 0);
    }
    for (uint64_t i = 0; i < drivers; i++) {
        assert_int_equal(vmsim__vm_frame(m.vm, driver[i])->refcount, 1);
        vmsim__mem_free(m.mem, driver[i], 0, 0);
    }
    end();
}

static void a_direct_run_ends_with_its_block(void **state) {
    (void)state;
    start(UINT64_C(64) << 20);
    const uint64_t pages = fill_memory(1500);
    for (uint64_t i = 0; i < pages; i += 2)
        give_up(i);
    settle();
    struct vmsim__compact_control cc = for_block(9, VMSIM__MIGRATE_SYNC_LIGHT);
    vmsim__block_capture_begin(m.mem, dma32(), 9, VMSIM__MOVABLE);
    assert_int_equal(vmsim__compact_zone(&c, &cc, dma32()), VMSIM__COMPACTION_SUCCESS);
    const vmsim__pfn block = vmsim__block_capture_end(m.mem, VMSIM__GFP_COMP);
    assert_true(block != VMSIM__PFN_NONE && !(block & 511));
    assert_int_equal(vmsim__folio_order(vmsim__vm_frame(m.vm, block)), 9);
    check();
    check_tags(pages);
    assert_true(cc.migrate_scanned < 4096); /* a few pageblocks were enough */
    vmsim__folio_put(m.lru, block, 0);
    end();
}

static void too_little_memory_is_no_matter_of_order(void **state) {
    (void)state;
    start(UINT64_C(64) << 20);
    const struct vmsim__zone *z = dma32();
    assert_int_equal(vmsim__compaction_suitable(&c, z, 9, 0, VMSIM__ZONE_NORMAL), VMSIM__COMPACTION_SUCCESS);
    const uint64_t pages = fill_memory(1500);
    vmsim__pfn held[8];
    unsigned blocks = 0, order[8];
    for (vmsim__pfn p = z->start; p < z->end; p += 512) {
        if (vmsim__mem_free_block_order(m.mem, p) >= 9) {
            order[blocks] = (unsigned)vmsim__mem_isolate_block(m.mem, p);
            held[blocks++] = p;
        }
    }
    assert_int_equal(vmsim__compaction_suitable(&c, z, 9, 0, VMSIM__ZONE_NORMAL), VMSIM__COMPACTION_SKIPPED);
    for (uint64_t i = 0; i < pages; i += 2)
        give_up(i);
    settle();
    assert_int_equal(vmsim__compaction_suitable(&c, z, 9, 0, VMSIM__ZONE_NORMAL), VMSIM__COMPACTION_CONTINUE);
    m.mem->sysctl.extfrag_threshold = 1000;
    assert_int_equal(vmsim__compaction_suitable(&c, z, 9, 0, VMSIM__ZONE_NORMAL), VMSIM__COMPACTION_SKIPPED);
    assert_int_not_equal(vmsim__compaction_suitable(&c, z, 2, 0, VMSIM__ZONE_NORMAL), VMSIM__COMPACTION_SKIPPED);
    assert_int_equal(vmsim__compaction_suitable(&c, z, VMSIM__COMPACT_ALL, 0, 0), VMSIM__COMPACTION_CONTINUE);
    while (blocks--)
        vmsim__mem_free(m.mem, held[blocks], order[blocks], 0);
    end();
}

static void failures_put_the_next_attempts_off(void **state) {
    (void)state;
    start(0);
    const struct vmsim__zone *z = dma32();
    vmsim__compaction_defer_reset(&c, z, 9, true); /* a block was had */
    for (unsigned shift = 1; shift <= 8; shift++) {
        unsigned passed_over = 0;
        vmsim__compaction_defer(&c, z, 4);
        assert_false(vmsim__compaction_deferred(&c, z, 3));
        while (vmsim__compaction_deferred(&c, z, 4))
            passed_over++;
        assert_int_equal(passed_over, (1u << (shift < 6 ? shift : 6)) - 1);
    }
    assert_true(vmsim__compaction_restarting(&c, z, 4));
    vmsim__compaction_defer_reset(&c, z, 4, false);
    assert_false(vmsim__compaction_deferred(&c, z, 4)); /* only larger ones failed */
    vmsim__compaction_defer_reset(&c, z, 9, true);
    assert_false(vmsim__compaction_restarting(&c, z, 9));
    end();
}

static void scores_and_marks(void **state) {
    (void)state;
    start(UINT64_C(64) << 20);
    assert_int_equal(vmsim__fragmentation_mark(&c, true), 80);
    assert_int_equal(vmsim__fragmentation_mark(&c, false), 90);
    c.proactiveness = 100;
    assert_int_equal(vmsim__fragmentation_mark(&c, true), 5);
    c.proactiveness = 0;
    assert_int_equal(vmsim__fragmentation_mark(&c, false), 100);
    const uint64_t pages = fill_memory(1500);
    for (uint64_t i = 0; i < pages; i += 2)
        give_up(i);
    settle();
    assert_true(vmsim__fragmentation_score_zone(&c, dma32()) > 95);
    assert_true(vmsim__fragmentation_score(&c, 0) > 60);
    c.proactiveness = 50;
    struct vmsim__compact_control cc = all_of_it(VMSIM__MIGRATE_SYNC_LIGHT);
    cc.proactive = true;
    assert_int_equal(vmsim__compact_zone(&c, &cc, dma32()), VMSIM__COMPACTION_SUCCESS);
    settle();
    assert_in_range(vmsim__fragmentation_score_zone(&c, dma32()), 20, 50);
    end();
}

static void locked_memory_moves_unless_it_is_forbidden(void **state) {
    (void)state;
    start(UINT64_C(64) << 20);
    const uint64_t pages = fill_memory(1500);
    mm->rlimit[VMSIM__RLIMIT_MEMLOCK] = UINT64_MAX;
    assert_int_equal(vmsim__mm_mlock(mm, BASE, pages * PG, 0, 0), 0);
    for (uint64_t i = 0; i < pages; i += 2)
        assert_int_equal(vmsim__mm_munmap(mm, BASE + i * PG, PG, 0), 0);
    settle();
    struct vmsim__compact_control cc = all_of_it(VMSIM__MIGRATE_SYNC);
    c.unevictable_allowed = false;
    vmsim__compact_zone(&c, &cc, dma32());
    assert_int_equal(m.mem->event[VMSIM__PGMIGRATE_SUCCESS], 0);
    c.unevictable_allowed = true;
    cc = all_of_it(VMSIM__MIGRATE_SYNC);
    vmsim__compact_zone(&c, &cc, dma32());
    assert_true(m.mem->event[VMSIM__PGMIGRATE_SUCCESS] > 1000);
    settle();
    check_tags(pages);
    assert_int_equal(vmsim__mem_zone_stat(m.mem, VMSIM__NR_MLOCK), (int64_t)(pages / 2));
    end();
}

/* Four pageblocks in the middle of what is used become the caller's. */
static void a_contiguous_range_is_emptied(void **state) {
    (void)state;
    start(UINT64_C(64) << 20);
    const uint64_t pages = fill_memory(3500);
    const vmsim__pfn middle = page_at(mm, BASE + pages / 2 * PG) & ~(vmsim__pfn)2047, end_pfn = middle + 2048;
    const uint64_t unused = vmm_unused(&m);
    assert_int_equal(vmsim__alloc_contig(&c, middle, end_pfn, false, 0), VMSIM__HOTPLUG_OK);
    check();
    check_tags(pages);
    assert_true(vmm_unused(&m) <= unused - 1500);
    for (uint64_t i = 0; i < pages; i++) {
        const vmsim__pfn pfn = page_at(mm, BASE + i * PG);
        assert_true(pfn < middle || pfn >= end_pfn);
    }
    for (vmsim__pfn p = middle; p < end_pfn; p++) {
        assert_int_equal(vmsim__vm_frame(m.vm, p)->refcount, 1);
        vmsim__mem_free(m.mem, p, 0, 0);
    }
    end();
}

/* A pin keeps the range: all is as before, and the next try succeeds. */
static void a_range_that_cannot_be_emptied_is_given_back(void **state) {
    (void)state;
    start(UINT64_C(64) << 20);
    const uint64_t pages = fill_memory(3500);
    const vmsim__pfn pinned = page_at(mm, BASE + pages / 2 * PG), block = pinned & ~(vmsim__pfn)511;
    vmsim__folio_get(m.lru, pinned);
    assert_int_equal(vmsim__alloc_contig(&c, block, block + 512, false, 0), VMSIM__HOTPLUG_BUSY);
    check();
    check_tags(pages);
    assert_int_equal(vmsim__pageblock_type(m.mem, block), VMSIM__MOVABLE);
    assert_int_equal(page_at(mm, BASE + pages / 2 * PG), pinned);
    vmsim__folio_put(m.lru, pinned, 0);
    vmsim__vm_frame(m.vm, pinned)->flags |= VMSIM__FRAME_WRITEBACK; /* on its way: waited for where that is possible */
    assert_int_equal(vmsim__alloc_contig(&c, block, block + 512, true, 0), VMSIM__HOTPLUG_BUSY);
    assert_int_equal(m.mem->now.wait.kind, VMSIM__WAIT_WRITEBACK);
    m.mem->now.wait = (struct vmsim__wait){0};
    check();
    vmsim__vm_frame(m.vm, pinned)->flags &= ~VMSIM__FRAME_WRITEBACK;
    assert_int_equal(vmsim__alloc_contig(&c, block, block + 512, true, 0), VMSIM__HOTPLUG_OK);
    for (vmsim__pfn p = block; p < block + 512; p++)
        vmsim__mem_free(m.mem, p, 0, 0);
    check_tags(pages);
    end();
}

/* Memory in use goes offline, and comes back. */
static void memory_in_use_goes_offline(void **state) {
    (void)state;
    start(UINT64_C(512) << 20);
    const uint64_t pages = 60000;
    vmm_map(mm, BASE, pages, RW, PRIV_ANON);
    for (uint64_t i = 0; i < pages; i++) {
        vmm_touch(mm, BASE + i * PG, 1, true);
        swap.tag[page_at(mm, BASE + i * PG)] = (uint32_t)i + 1;
    }
    settle();
    const vmsim__pfn size = (vmsim__pfn)1 << m.mem->memory_block_order;
    const vmsim__pfn block = page_at(mm, BASE + pages / 2 * PG) & ~(size - 1);
    if (vmsim__memory_offline_begin(m.mem, block) == VMSIM__HOTPLUG_OK) {
        assert_true(vmsim__memory_offline_busy(m.mem, block, block) != VMSIM__PFN_NONE);
        assert_true(vmsim__evacuate(&c, block, block + size, VMSIM__MR_MEMORY_HOTPLUG, false, 0));
        assert_int_equal(vmsim__memory_offline_end(m.mem, block), VMSIM__HOTPLUG_OK);
        check();
        check_tags(pages);
        assert_int_equal(vmsim__memory_block_state(m.mem, block), VMSIM__BLOCK_OFFLINE);
        assert_int_equal(vmsim__memory_online(m.mem, block, VMSIM__ONLINE), VMSIM__HOTPLUG_OK);
    }
    m.unused = vmm_unused(&m) + pages;
    end();
}

/* Files, forks, private memory and drivers' frames come and go; any zone may be compacted meanwhile in any mode. */
static void contents_survive_random_compaction(void **state) {
    enum { N = 4096, KIDS = 3, FRAMES = 600 };
    static uint32_t model[KIDS][N];
    static vmsim__pfn frames[FRAMES];
    (void)state;
    struct vmsim__rng r = test_rng("compaction");
    start(UINT64_C(64) << 20);
    memset(model, 0, sizeof model);
    memset(frames, 0xff, sizeof frames);
    struct vmsim__mm *of[KIDS] = {mm, NULL, NULL};
    struct vmsim__file *f = vmsim__file_create(m.cache, VMSIM__FILE_REGULAR, NULL, N * PG);
    uint32_t next = 1;
    uint64_t blocks = 0;
    vmm_map(mm, BASE, N, RW, PRIV_ANON);
    for (unsigned step = 0; step < 30000; step++) {
        unsigned k = (unsigned)vmsim__rng_below(&r, KIDS), i = (unsigned)vmsim__rng_below(&r, N);
        const uint64_t va = BASE + i * PG;
        const struct vmsim__alloc_request rq = {.gfp = vmsim__rng_below(&r, 2) ? VMSIM__GFP_KERNEL
                                                                               : VMSIM__GFP_HIGHUSER_MOVABLE};
        int e;
        if (!of[k]) {
            of[k] = vmsim__rng_below(&r, 100) ? NULL : vmsim__mm_fork(mm, 0, &e);
            if (of[k])
                memcpy(model[k], model[0], sizeof model[k]);
            continue;
        }
        switch (vmsim__rng_below(&r, 8)) {
        case 0:
        case 1:
        case 2:
            vmm_touch(of[k], va, 1, true);
            swap.tag[page_at(of[k], va)] = model[k][i] = next++;
            break;
        case 3:
            vmm_touch(of[k], va, 1, false);
            if (model[k][i])
                assert_int_equal(swap.tag[page_at(of[k], va)], model[k][i]);
            break;
        case 4:
            i = i < N - 8 ? i : N - 8;
            assert_int_equal(vmsim__mm_madvise(of[k], BASE + i * PG, 8 * PG, VMSIM__MADV_DONTNEED, 0), 0);
            memset(&model[k][i], 0, 8 * sizeof model[k][i]);
            break;
        case 5:
            i %= FRAMES;
            if (frames[i] == VMSIM__PFN_NONE)
                frames[i] = vmsim__mem_alloc(m.mem, &rq);
            else
                vmsim__mem_free(m.mem, frames[i], 0, 0);
            frames[i] = vmsim__vm_frame(m.vm, frames[i])->refcount ? frames[i] : VMSIM__PFN_NONE;
            break;
        case 6:
            if (vmsim__rng_below(&r, 4))
                vmsim__file_read(m.cache, f, NULL, i * PG, 64 * PG, 0);
            else
                vmsim__file_invalidate(m.cache, f, i, i + 32, 0);
            break;
        default:
            if (vmsim__rng_below(&r, 40))
                break;
            struct vmsim__zone *z = vmsim__rng_below(&r, 4) ? dma32() : vmsim__node_zone(m.mem, 0, VMSIM__ZONE_DMA);
            const unsigned order = (unsigned)vmsim__rng_below(&r, 10);
            struct vmsim__compact_control cc =
                vmsim__rng_below(&r, 2) ? all_of_it((enum vmsim__migrate_mode)vmsim__rng_below(&r, 3))
                                        : for_block(order, (enum vmsim__migrate_mode)vmsim__rng_below(&r, 2));
            if (cc.order >= 0)
                vmsim__block_capture_begin(m.mem, z, order, VMSIM__MOVABLE);
            vmsim__compact_zone(&c, &cc, z);
            const vmsim__pfn got = cc.order < 0 ? VMSIM__PFN_NONE : vmsim__block_capture_end(m.mem, 0);
            if (got != VMSIM__PFN_NONE) {
                blocks++;
                vmsim__mem_free(m.mem, got, order, 0);
            }
            check();
            if (vmsim__rng_below(&r, 8) == 0)
                vmsim__compaction_reset_hints(&c, 0);
        }
        if (k && of[k] && !vmsim__rng_below(&r, 2000)) {
            vmsim__mm_put(of[k], 0);
            of[k] = NULL;
        }
    }
    assert_true(m.mem->event[VMSIM__PGMIGRATE_SUCCESS] > 2000);
    for (unsigned k = 0; k < KIDS; k++) {
        for (unsigned i = 0; of[k] && i < N; i++) {
            if (model[k][i])
                assert_int_equal(swap.tag[page_at(of[k], BASE + i * PG)], model[k][i]);
        }
        if (k && of[k])
            vmsim__mm_put(of[k], 0);
    }
    for (unsigned i = 0; i < FRAMES; i++) {
        if (frames[i] != VMSIM__PFN_NONE)
            vmsim__mem_free(m.mem, frames[i], 0, 0);
    }
    vmsim__file_unlink(m.cache, f, 0);
    vmsim__file_put(m.cache, f, 0);
    end();
}

/* ---- policies ---- */

static int32_t answer;
static int32_t answering_decide(void *context, const struct vmsim_compaction_request *r) {
    (void)context;
    assert_int_equal(r->zone, VMSIM__ZONE_DMA32);
    assert_in_range(r->score, 0, 100);
    assert_true(r->free > r->low);
    return answer;
}
static const struct vmsim_compaction_policy answering = {
    .policy = {sizeof answering, VMSIM_POLICY_ABI, VMSIM_POLICY_COMPACTION, "answering", "A test's.", NULL, 0},
    .decide = answering_decide};

static int32_t decide(struct vmsim__policy_registry *r, const char *policy, uint8_t why, uint8_t linux_verdict,
                      char *told) {
    const struct vmsim__policy_choice choice = {.name = policy};
    struct vmsim__compaction_choice p;
    struct vmsim__err err;
    assert_int_equal(vmsim__compaction_choice_create(&p, r, &choice, 1, &err), 0);
    const int32_t verdict = (int32_t)vmsim__compaction_decide(
        &p, &c, dma32(), (struct vmsim_compaction_request){.why = why, .verdict = linux_verdict, .order = 9});
    const char *first = vmsim__policy_first_fallback(&p.instance);
    (void)snprintf(told, 64, "%s", first ? first : "");
    vmsim__compaction_choice_destroy(&p);
    return verdict;
}

static void policies_say_how_hard(void **state) {
    static const struct {
        const char *policy;
        uint8_t why, linux_verdict;
        int32_t answer, expected;
        const char *told;
    } cases[] = {
        {NULL, VMSIM_COMPACTION_DIRECT, VMSIM_COMPACTION_ASYNC, 0, VMSIM_COMPACTION_ASYNC, ""},
        {"linux", VMSIM_COMPACTION_KCOMPACTD, VMSIM_COMPACTION_SKIP, 0, VMSIM_COMPACTION_SKIP, ""},
        {"none", VMSIM_COMPACTION_DIRECT, VMSIM_COMPACTION_FULL, 0, VMSIM_COMPACTION_SKIP, ""},
        {"eager", VMSIM_COMPACTION_DIRECT, VMSIM_COMPACTION_SKIP, 0, VMSIM_COMPACTION_FULL, ""},
        /* nothing is in pieces yet */
        {"eager", VMSIM_COMPACTION_PROACTIVE, VMSIM_COMPACTION_FULL, 0, VMSIM_COMPACTION_SKIP, ""},
        {"answering", VMSIM_COMPACTION_DIRECT, VMSIM_COMPACTION_SKIP, VMSIM_COMPACTION_FULL, VMSIM_COMPACTION_FULL, ""},
        {"answering", VMSIM_COMPACTION_DIRECT, VMSIM_COMPACTION_ASYNC, 4, VMSIM_COMPACTION_ASYNC, "answered 4"},
        {"answering", VMSIM_COMPACTION_DIRECT, VMSIM_COMPACTION_SYNC_LIGHT, -1, VMSIM_COMPACTION_SYNC_LIGHT,
         "answered 4"}, /* the first is told */
    };
    char told[64];
    (void)state;
    start(UINT64_C(64) << 20);
    struct vmsim__policy_registry *r = vmsim__policy_registry_create(m.alloc);
    struct vmsim__err err;
    assert_int_equal(vmsim__policy_domain_add(r, &vmsim__compaction_domain, &err), 0);
    assert_int_equal(vmsim__policy_add(r, &answering.policy, "linked-in", &err), 0);
    for (unsigned i = 0; i < TEST_COUNT(cases); i++) {
        answer = cases[i].answer;
        assert_int_equal(decide(r, cases[i].policy, cases[i].why, cases[i].linux_verdict, told), cases[i].expected);
        assert_string_equal(told, cases[i].told);
    }
    vmsim__policy_registry_destroy(r);
    end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_checkerboard_is_put_in_order),
        cmocka_unit_test(free_blocks_tell_where_to_begin),
        cmocka_unit_test(a_zone_that_begins_within_a_pageblock_is_searched_once),
        cmocka_unit_test(free_blocks_high_up_are_targets),
        cmocka_unit_test(half_way_down_is_looked_around),
        cmocka_unit_test(forgotten_hints_begin_from_the_last_frame),
        cmocka_unit_test(what_cannot_move_stays),
        cmocka_unit_test(a_direct_run_ends_with_its_block),
        cmocka_unit_test(too_little_memory_is_no_matter_of_order),
        cmocka_unit_test(failures_put_the_next_attempts_off),
        cmocka_unit_test(scores_and_marks),
        cmocka_unit_test(locked_memory_moves_unless_it_is_forbidden),
        cmocka_unit_test(a_contiguous_range_is_emptied),
        cmocka_unit_test(a_range_that_cannot_be_emptied_is_given_back),
        cmocka_unit_test(memory_in_use_goes_offline),
        cmocka_unit_test(policies_say_how_hard),
        cmocka_unit_test(contents_survive_random_compaction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
