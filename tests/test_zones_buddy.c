/* SPDX-License-Identifier: MIT */
/* The buddy allocator against simpler ones: a bitmap of owners, and lists kept as plain arrays. */
#include "zones/columns.h"
#include "zones_machine.h"

/* ---- A bitmap of owners ---- */

struct block {
    vmsim__pfn pfn;
    uint8_t order;
};
struct owners {
    struct block *live;
    size_t count;
    uint8_t *used;
    vmsim__pfn base;
    size_t frames;
};

static struct owners owners_make(size_t frames, vmsim__pfn base) {
    return (struct owners){
        .live = calloc(frames, sizeof(struct block)), .used = calloc(frames, 1), .base = base, .frames = frames};
}

static void owners_free(struct owners *o) {
    free(o->live);
    free(o->used);
}

static void own(struct owners *o, vmsim__pfn pfn, unsigned order) {
    assert_int_equal(pfn & ((1u << order) - 1), 0);
    for (vmsim__pfn p = pfn; p < pfn + (1u << order); p++) {
        assert_in_range(p, o->base, o->base + o->frames - 1);
        if (o->used[p - o->base]++)
            fail_msg("frame 0x%x was handed out twice", p);
    }
    o->live[o->count++] = (struct block){pfn, (uint8_t)order};
}

static struct block disown(struct owners *o, size_t i) {
    struct block b = o->live[i];
    o->live[i] = o->live[--o->count];
    memset(&o->used[b.pfn - o->base], 0, (size_t)1 << b.order);
    return b;
}

static uint32_t random_gfp(struct vmsim__rng *r) {
    static const uint32_t gfps[] = {VMSIM__GFP_KERNEL,           VMSIM__GFP_HIGHUSER_MOVABLE,
                                    VMSIM__GFP_HIGHUSER_MOVABLE, VMSIM__GFP_KERNEL | VMSIM__GFP_RECLAIMABLE,
                                    VMSIM__GFP_ATOMIC,           VMSIM__GFP_KERNEL | VMSIM__GFP_COMP};
    return gfps[vmsim__rng_below(r, TEST_COUNT(gfps))];
}

static unsigned random_order(struct vmsim__rng *r) {
    return (unsigned)__builtin_ctzll(vmsim__rng_next(r) | 1u << 10);
}

static void free_one(struct vmsim__mem *mem, struct owners *o, size_t i, unsigned cpu) {
    struct block b = disown(o, i);
    struct vmsim__frame *f = vmsim__frame_at(&mem->frames, b.pfn);
    /* an owner's traces, all over a compound block; of others only the first frame is the owner's */
    uint32_t last = vmsim__frame_is(f, VMSIM__FRAME_HEAD) ? (1u << b.order) - 1 : 0;
    f->mapping = 7;
    f[last].mapcount = 3;
    f[last].flags |= VMSIM__FRAME_DIRTY;
    vmsim__mem_free(mem, b.pfn, b.order, cpu);
}

static void storm(const char *kernel, const char *name) {
    struct vmsim__rng r = test_rng(name);
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__mem *mem = zm_plain(alloc, kernel, 48 * MIB, 3);
    struct vmsim__zone *z = &mem->zones[0];
    struct owners o = owners_make(z->present, z->start);
    for (unsigned step = 0; step < 60000; step++) {
        unsigned cpu = (unsigned)vmsim__rng_below(&r, 3), order = random_order(&r);
        bool grow = vmsim__rng_below(&r, 100) < (step / 10000 % 2 ? 40u : 60u);
        if (grow || !o.count) {
            uint32_t gfp = random_gfp(&r);
            bool reserve = vmsim__rng_below(&r, 4) == 0;
            vmsim__pfn pfn = reserve ? zm_get(mem, gfp, order,
                                              VMSIM__ALLOC_WMARK_MIN | VMSIM__ALLOC_NON_BLOCK |
                                                  VMSIM__ALLOC_MIN_RESERVE | (order ? VMSIM__ALLOC_HIGHATOMIC : 0))
                                     : zm_alloc(mem, gfp, order, cpu);
            if (pfn != VMSIM__PFN_NONE)
                own(&o, pfn, order);
        } else {
            free_one(mem, &o, vmsim__rng_below(&r, o.count), cpu);
        }
        if (vmsim__rng_below(&r, 2000) == 0)
            vmsim__mem_drain(mem);
        if (step % 1000 == 0)
            zm_check(mem);
    }
    while (o.count)
        free_one(mem, &o, o.count - 1, 0);
    vmsim__mem_drain(mem);
    struct vmsim__alloc_request rq = {.gfp = VMSIM__GFP_HIGHUSER_MOVABLE};
    while (vmsim__mem_unreserve_highatomic(mem, &rq, true))
        ;
    assert_int_equal(z->stat[VMSIM__NR_FREE_PAGES], z->managed);
    assert_int_equal(z->in_use, 0);
    for (unsigned t = 0; t < 9; t++)
        assert_int_equal(vmsim__zone_free_blocks(z, t, VMSIM__MIGRATE_TYPES), 0);
    owners_free(&o);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

static void storm_hands_no_frame_out_twice_6_1(void **state) {
    (void)state;
    storm("6.1", "storm 6.1");
}
static void storm_hands_no_frame_out_twice_6_12(void **state) {
    (void)state;
    storm("6.12", "storm 6.12");
}

/* ---- Exact lists ----
 * Free lists as arrays, head first, by the rules alone: take the head of the smallest order that is large enough, upper
 * halves to the head, merge with the buddy, to the tail when the merged block's buddy is free. */
#define TOP 10u
struct lists {
    vmsim__pfn at[TOP + 1][64 * 1024];
    unsigned count[TOP + 1];
};

static void model_insert(struct lists *l, unsigned order, vmsim__pfn pfn, bool tail) {
    unsigned n = l->count[order]++;
    if (!tail)
        memmove(&l->at[order][1], &l->at[order][0], n * sizeof pfn);
    l->at[order][tail ? n : 0] = pfn;
}

static int model_find(const struct lists *l, unsigned order, vmsim__pfn pfn) {
    for (unsigned i = 0; i < l->count[order]; i++) {
        if (l->at[order][i] == pfn)
            return (int)i;
    }
    return -1;
}

static void model_remove(struct lists *l, unsigned order, unsigned i) {
    l->count[order]--;
    memmove(&l->at[order][i], &l->at[order][i + 1], (l->count[order] - i) * sizeof(vmsim__pfn));
}

static vmsim__pfn model_alloc(struct lists *l, unsigned order) {
    unsigned o = order;
    while (o <= TOP && !l->count[o])
        o++;
    if (o > TOP)
        return VMSIM__PFN_NONE;
    vmsim__pfn pfn = l->at[o][0];
    model_remove(l, o, 0);
    while (o-- > order)
        model_insert(l, o, pfn + (1u << o), false);
    return pfn;
}

static void model_free(struct lists *l, vmsim__pfn pfn, unsigned order) {
    int i;
    while (order < TOP && (i = model_find(l, order, pfn ^ (1u << order))) >= 0) {
        model_remove(l, order, (unsigned)i);
        pfn &= ~(1u << order);
        order++;
    }
    bool tail = order < TOP - 1 && model_find(l, order + 1, (pfn & ~(1u << order)) ^ (1u << (order + 1))) >= 0;
    model_insert(l, order, pfn, tail);
}

/* Orders past the per-CPU lists, one migratetype: every block must be the very one. */
static void blocks_are_the_very_ones_of_plain_lists(void **state) {
    (void)state;
    struct vmsim__rng r = test_rng("plain lists");
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__mem *mem = zm_plain(alloc, "6.1", 256 * MIB, 1);
    struct vmsim__zone *z = &mem->zones[0];
    struct lists *l = calloc(1, sizeof *l);
    struct block live[8192];
    size_t count = 0;
    for (vmsim__pfn p = z->start; p < z->end; p += 1u << TOP)
        model_insert(l, TOP, p, true);
    for (unsigned step = 0; step < 20000; step++) {
        static const unsigned orders[] = {4, 4, 5, 6, 7, 8, 10};
        unsigned order = orders[vmsim__rng_below(&r, 7)];
        if (count < 8192 && vmsim__rng_below(&r, 100) < (step / 4000 % 2 ? 30u : 60u)) {
            vmsim__pfn pfn = zm_get(mem, VMSIM__GFP_HIGHUSER_MOVABLE, order, VMSIM__ALLOC_NO_WATERMARKS);
            vmsim__pfn right = model_alloc(l, order);
            assert_int_equal(pfn, right);
            if (pfn != VMSIM__PFN_NONE)
                live[count++] = (struct block){pfn, (uint8_t)order};
        } else if (count) {
            size_t i = vmsim__rng_below(&r, count);
            model_free(l, live[i].pfn, live[i].order);
            vmsim__mem_free(mem, live[i].pfn, live[i].order, 0);
            live[i] = live[--count];
        }
    }
    for (unsigned o = 0; o <= TOP; o++)
        assert_int_equal(vmsim__zone_free_blocks(z, o, VMSIM__MOVABLE), l->count[o]);
    while (count) {
        count--;
        vmsim__mem_free(mem, live[count].pfn, live[count].order, 0);
    }
    assert_int_equal(vmsim__zone_free_blocks(z, TOP, VMSIM__MOVABLE), z->managed >> TOP);
    free(l);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

/* ---- Exhaustion ---- */

/* 3,840 frames (the usable part of x86's DMA zone) and 15,360 live pages wanted. */
static void exhaustion_is_clean_and_freeing_restores_maximal_blocks(void **state) {
    (void)state;
    struct vmsim__rng r = test_rng("exhaustion");
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__mem *mem = zm_plain(alloc, "6.1", 15 * MIB, 1);
    struct vmsim__zone *z = &mem->zones[0];
    assert_int_equal(z->managed, 3840);
    struct owners o = owners_make(z->present, z->start);
    uint64_t failed = 0, before[TOP + 1];
    for (unsigned i = 0; i <= TOP; i++)
        before[i] = vmsim__zone_free_blocks(z, i, VMSIM__MIGRATE_TYPES);
    for (unsigned i = 0; i < 15360; i++) {
        vmsim__pfn pfn = zm_get(mem, VMSIM__GFP_HIGHUSER_MOVABLE, 0, VMSIM__ALLOC_NO_WATERMARKS);
        failed += pfn == VMSIM__PFN_NONE;
        if (pfn != VMSIM__PFN_NONE)
            own(&o, pfn, 0);
    }
    assert_int_equal(o.count, 3840);
    assert_int_equal(failed, 15360 - 3840);
    assert_int_equal(z->stat[VMSIM__NR_FREE_PAGES], 0);
    zm_check(mem);
    while (o.count)
        free_one(mem, &o, vmsim__rng_below(&r, o.count), 0);
    vmsim__mem_drain(mem);
    for (unsigned i = 0; i <= TOP; i++)
        assert_int_equal(vmsim__zone_free_blocks(z, i, VMSIM__MIGRATE_TYPES), before[i]);
    owners_free(&o);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

static void an_ordinary_request_stops_at_the_low_watermark(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__mem *mem = zm_plain(alloc, "6.1", 64 * MIB, 1);
    struct vmsim__zone *z = &mem->zones[0];
    while (zm_alloc(mem, VMSIM__GFP_HIGHUSER_MOVABLE, 5, 0) != VMSIM__PFN_NONE)
        ;
    uint64_t low = z->wmark[VMSIM__WMARK_LOW], free = (uint64_t)z->stat[VMSIM__NR_FREE_PAGES];
    assert_in_range(free - 31, low - 31, low); /* order 5 needs 31 more than a frame */
    while (zm_alloc(mem, VMSIM__GFP_HIGHUSER_MOVABLE, 0, 0) != VMSIM__PFN_NONE)
        ;
    assert_true((uint64_t)z->stat[VMSIM__NR_FREE_PAGES] <= low);
    assert_int_not_equal(zm_get(mem, VMSIM__GFP_ATOMIC, 0, VMSIM__ALLOC_WMARK_MIN), VMSIM__PFN_NONE);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

static void an_order_above_the_top_is_refused(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__mem *mem = zm_plain(alloc, "6.1", 64 * MIB, 1);
    assert_int_equal(zm_alloc(mem, VMSIM__GFP_KERNEL, TOP + 1, 0), VMSIM__PFN_NONE);
    assert_int_not_equal(zm_alloc(mem, VMSIM__GFP_KERNEL, TOP, 0), VMSIM__PFN_NONE);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

/* Fields that share a word do not touch each other. */
static void fields_of_a_frame_keep_apart(void **state) {
    (void)state;
    struct vmsim__frame f[2] = {{.flags = 7u << VMSIM__FRAME_ZONE_SHIFT | VMSIM__FRAME_HEAD, .memcg = 65535}};
    vmsim__frame_set_index(f, VMSIM__FRAME_INDEX_MAX);
    f->policy = 255;
    f->mapcount = VMSIM__FRAME_MAPCOUNT_MAX - 1;
    f->mapcount++;
    f[1].policy = VMSIM__ORDER_MAX;
    assert_int_equal(f->mapcount, VMSIM__FRAME_MAPCOUNT_MAX);
    assert_int_equal(f->policy, 255);
    assert_int_equal(f->memcg, 65535);
    assert_int_equal(vmsim__frame_index(f), VMSIM__FRAME_INDEX_MAX);
    assert_int_equal(vmsim__frame_zone(f), 7);
    assert_int_equal(vmsim__folio_order(f), 18);
    vmsim__frame_set_index(f, 5);
    f->mapcount = -1;
    assert_int_equal(f->memcg, 65535);
    assert_int_equal(f->policy, 255);
    assert_int_equal(f->mapcount, -1);
    f->mapcount = 0;
    vmsim__block_set_order(f, 13);
    assert_int_equal(f->policy, 13);
}

static void columns_hold_what_few_frames_need(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__mem *mem = zm_plain(alloc, "6.1", 64 * MIB, 1);
    const uint64_t blocks = vmsim__alloc_blocks(alloc);
    assert_int_equal(vmsim__column_read(mem, VMSIM__COLUMN_SWAP, 5000), 0);
    assert_true(vmsim__column_write(mem, VMSIM__COLUMN_SWAP, 5000, 0));
    assert_int_equal(vmsim__alloc_blocks(alloc), blocks); /* nothing is kept for nothing */
    for (uint64_t n = 1; n < 3; n++) {
        vmsim__alloc_fail_after(alloc, n);
        assert_false(vmsim__column_write(mem, VMSIM__COLUMN_SWAP, 5000, 7));
        vmsim__alloc_fail_after(alloc, UINT64_MAX);
        assert_int_equal(vmsim__column_read(mem, VMSIM__COLUMN_SWAP, 5000), 0);
    }
    assert_true(vmsim__column_write(mem, VMSIM__COLUMN_SWAP, 5000, UINT64_MAX));
    assert_true(vmsim__column_write(mem, VMSIM__COLUMN_CPUPID, 5000, UINT32_MAX));
    assert_true(vmsim__column_write(mem, VMSIM__COLUMN_CPUPID, 5001, 3));
    assert_int_equal(vmsim__column_read(mem, VMSIM__COLUMN_SWAP, 5000), UINT64_MAX);
    assert_int_equal(vmsim__column_read(mem, VMSIM__COLUMN_SWAP, 5001), 0);
    assert_int_equal(vmsim__column_read(mem, VMSIM__COLUMN_CPUPID, 5000), UINT32_MAX);
    assert_int_equal(vmsim__column_read(mem, VMSIM__COLUMN_CPUPID, 5001), 3);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

static void compound_blocks_know_their_head(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__mem *mem = zm_plain(alloc, "6.1", 64 * MIB, 1);
    vmsim__pfn pfn = zm_alloc(mem, VMSIM__GFP_KERNEL | VMSIM__GFP_COMP, 9, 0);
    const struct vmsim__frame *f = vmsim__mem_frame(mem, pfn);
    assert_true(vmsim__frame_is(f, VMSIM__FRAME_HEAD));
    assert_int_equal(vmsim__folio_order(f), 9);
    assert_int_equal(f->refcount, 1);
    assert_int_equal(vmsim__frame_pages(f), 512);
    for (unsigned i = 1; i < 512; i++) {
        assert_true(vmsim__frame_is(&f[i], VMSIM__FRAME_TAIL));
        assert_int_equal(f[i].next, pfn);
    }
    vmsim__mem_free(mem, pfn, 9, 0);
    pfn = zm_alloc(mem, VMSIM__GFP_KERNEL, 3, 0);
    vmsim__mem_split(mem, pfn, 3);
    for (unsigned i = 0; i < 8; i++)
        vmsim__mem_free(mem, pfn + i, 0, 0);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

static void blocks_can_be_taken_by_address(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__mem *mem = zm_plain(alloc, "6.12", 64 * MIB, 1);
    struct vmsim__zone *z = &mem->zones[0];
    vmsim__pfn middle = z->start + (5u << TOP);
    assert_int_equal(vmsim__mem_free_block_order(mem, middle), TOP);
    assert_int_equal(vmsim__mem_free_block_order(mem, middle + 1), -1);
    assert_int_equal(vmsim__mem_free_block_order(mem, z->end), -1);
    assert_non_null(vmsim__mem_frame(mem, middle)); /* looking does not take */
    zm_check(mem);
    assert_int_equal(vmsim__mem_isolate_block(mem, middle), TOP);
    assert_int_equal(vmsim__mem_isolate_block(mem, middle), -1);
    assert_int_equal(z->in_use, 1u << TOP);
    zm_check(mem);
    vmsim__mem_split(mem, middle, TOP);
    for (unsigned i = 0; i < 1u << TOP; i++)
        vmsim__mem_free_buddy(mem, middle + i, 0);
    assert_int_equal(vmsim__mem_free_block_order(mem, middle), TOP);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(storm_hands_no_frame_out_twice_6_1),
        cmocka_unit_test(storm_hands_no_frame_out_twice_6_12),
        cmocka_unit_test(blocks_are_the_very_ones_of_plain_lists),
        cmocka_unit_test(exhaustion_is_clean_and_freeing_restores_maximal_blocks),
        cmocka_unit_test(an_ordinary_request_stops_at_the_low_watermark),
        cmocka_unit_test(an_order_above_the_top_is_refused),
        cmocka_unit_test(fields_of_a_frame_keep_apart),
        cmocka_unit_test(columns_hold_what_few_frames_need),
        cmocka_unit_test(compound_blocks_know_their_head),
        cmocka_unit_test(blocks_can_be_taken_by_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
