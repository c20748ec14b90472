/* SPDX-License-Identifier: MIT */
/* Where files lie on a device: in order of their declaration, in one piece if they can, never two in one place; and
 * transfers that follow their extents. */
#include "block/block_layout.h"
#include "block_rig.h"

#define BLOCK VMSIM__LAYOUT_BLOCK
#define MIB (UINT64_C(1) << 20)
#define MS UINT64_C(1000000)

static struct block_rig rig;

static const struct vmsim__block_params disk = {.size = 64 * MIB,
                                                .queue_depth = 4,
                                                .bandwidth = {1000000000, 1000000000},
                                                .rpm = 6000, /* half a turn: 5 ms */
                                                .seek_min = 1 * MS,
                                                .seek_max = 11 * MS,
                                                .max_request = 128 << 10};

static void start(uint64_t size) {
    struct vmsim__block_params p = disk;
    p.size = size;
    struct vmsim__block_spec spec = rig_spec(&p);
    rig_start(&rig, &spec, 1);
}

static void layout_is(const struct vmsim__layout *l, const struct vmsim__file_extent *extents, size_t count) {
    struct vmsim__err err = {0};
    if (vmsim__layout_check(rig.block, l, &err))
        fail_msg("%s", err.text);
    rig_check(&rig);
    assert_int_equal(l->extents.count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(l->extents.at[i].offset, extents[i].offset);
        assert_int_equal(l->extents.at[i].position, extents[i].position);
        assert_int_equal(l->extents.at[i].bytes, extents[i].bytes);
    }
}

static void place(struct vmsim__layout *l, uint64_t offset, uint64_t bytes) {
    assert_int_equal(vmsim__layout_place(rig.block, l, offset, bytes), 0);
}

static void test_files_lie_one_after_another_in_one_piece(void **state) {
    struct vmsim__layout a = {0}, b = {0};
    (void)state;
    start(64 * MIB);
    place(&a, 0, 10000); /* three blocks */
    place(&b, 0, 1 * MIB);
    layout_is(&a, &(struct vmsim__file_extent){0, 0, 3 * BLOCK}, 1);
    layout_is(&b, &(struct vmsim__file_extent){0, 3 * BLOCK, 1 * MIB}, 1);
    place(&a, 0, 10000); /* nothing is missing */
    assert_int_equal(vmsim__block_placed(rig.block, 0), 3 * BLOCK + 1 * MIB);
    vmsim__layout_release(rig.block, &a);
    vmsim__layout_release(rig.block, &b);
    assert_int_equal(vmsim__block_placed(rig.block, 0), 0);
    rig_end(&rig);
}

static void test_a_file_grows_behind_itself_while_that_is_free(void **state) {
    struct vmsim__layout a = {0}, b = {0};
    (void)state;
    start(64 * MIB);
    place(&a, 0, BLOCK);
    place(&a, BLOCK, 3 * BLOCK);
    layout_is(&a, &(struct vmsim__file_extent){0, 0, 4 * BLOCK}, 1);
    place(&b, 0, 4 * BLOCK);
    place(&a, 4 * BLOCK, 2 * BLOCK); /* b is in the way */
    layout_is(&a, (const struct vmsim__file_extent[]){{0, 0, 4 * BLOCK}, {4 * BLOCK, 8 * BLOCK, 2 * BLOCK}}, 2);
    vmsim__layout_release(rig.block, &b);
    place(&b, 0, 3 * BLOCK); /* the first range that holds it */
    layout_is(&b, &(struct vmsim__file_extent){0, 4 * BLOCK, 3 * BLOCK}, 1);
    place(&b, 3 * BLOCK, 2 * BLOCK); /* one block behind itself, the rest where it fits */
    layout_is(&b, (const struct vmsim__file_extent[]){{0, 4 * BLOCK, 4 * BLOCK}, {4 * BLOCK, 10 * BLOCK, BLOCK}}, 2);
    vmsim__layout_release(rig.block, &a);
    vmsim__layout_release(rig.block, &b);
    rig_end(&rig);
}

static void test_what_was_never_written_has_no_place(void **state) {
    struct vmsim__layout a = {0};
    uint64_t position, bytes;
    (void)state;
    start(64 * MIB);
    place(&a, 1 << 30, BLOCK); /* beyond the device's size: files are sparse */
    place(&a, 5 * BLOCK, BLOCK);
    layout_is(&a, (const struct vmsim__file_extent[]){{5 * BLOCK, BLOCK, BLOCK}, {1 << 30, 0, BLOCK}}, 2);
    assert_false(vmsim__layout_map(rig.block, &a, 0, &position, &bytes));
    assert_false(vmsim__layout_map(rig.block, &a, 6 * BLOCK, &position, &bytes));
    assert_true(vmsim__layout_map(rig.block, &a, 5 * BLOCK + 100, &position, &bytes));
    assert_int_equal(position, BLOCK + 100);
    assert_int_equal(bytes, BLOCK - 100);
    place(&a, 4 * BLOCK, 4 * BLOCK); /* closes gaps around what has a place */
    assert_int_equal(vmsim__layout_bytes(&a), 5 * BLOCK);
    vmsim__layout_cut(rig.block, &a, 5 * BLOCK + 1);
    assert_int_equal(vmsim__layout_bytes(&a), 2 * BLOCK);
    vmsim__layout_release(rig.block, &a);
    rig_end(&rig);
}

static void test_a_full_device_gives_nothing(void **state) {
    struct vmsim__layout a = {0}, b = {0};
    (void)state;
    start(1 * MIB);
    place(&a, 0, 1 * MIB - 2 * BLOCK);
    assert_int_equal(vmsim__layout_place(rig.block, &b, 0, 3 * BLOCK), VMSIM_ELIMIT);
    layout_is(&b, NULL, 0);
    place(&b, 0, 2 * BLOCK);
    assert_int_equal(vmsim__layout_place(rig.block, &a, 0, 1 * MIB), VMSIM_ELIMIT);
    assert_int_equal(
        vmsim__layout_submit(rig.block, &a, 0, &(struct vmsim__block_io){.op = VMSIM__BLOCK_WRITE, .bytes = 1 * MIB}),
        VMSIM_ELIMIT);
    assert_int_equal(vmsim__block_waiting(rig.block, NULL, 0), 0);
    vmsim__layout_release(rig.block, &a);
    vmsim__layout_release(rig.block, &b);
    rig_end(&rig);
}

static void test_fragments_are_short_and_everywhere(void **state) {
    struct vmsim__layout a = {.fragment = 16 * BLOCK};
    unsigned in_quarter[4] = {0};
    (void)state;
    start(64 * MIB);
    place(&a, 0, 16 * MIB);
    assert_in_range(a.extents.count, 256, 300);
    for (size_t i = 0; i < a.extents.count; i++) {
        assert_true(a.extents.at[i].bytes <= 16 * BLOCK);
        in_quarter[a.extents.at[i].position / (16 * MIB)]++;
    }
    for (int i = 0; i < 4; i++)
        assert_in_range(in_quarter[i], 50, 90);
    vmsim__layout_release(rig.block, &a);
    rig_end(&rig);
}

/* ---- transfers ---- */

static uint64_t read_all(uint64_t fragment) {
    struct vmsim__layout a = {.fragment = fragment};
    start(64 * MIB);
    place(&a, 0, 4 * MIB);
    for (uint64_t at = 0; at < 4 * MIB; at += 128 << 10) {
        struct vmsim__block_io io = {.sync = true, .position = at, .bytes = 128 << 10, .cookie = at};
        assert_int_equal(vmsim__layout_submit(rig.block, &a, rig.now, &io), 0);
        rig_run(&rig, UINT64_MAX);
        rig_done_at(&rig, at);
    }
    uint64_t took = rig.now;
    vmsim__layout_release(rig.block, &a);
    rig_end(&rig);
    return took;
}

static void test_reading_on_costs_seeks_only_between_extents(void **state) {
    (void)state;
    assert_int_equal(read_all(0), 4 * MIB);                          /* 1 ns a byte and nothing else */
    assert_in_range(read_all(128 << 10), 31 * 6 * MS, 32 * 17 * MS); /* a seek and half a turn for each */
}

static void test_a_transfer_over_extents_is_done_once(void **state) {
    struct vmsim__layout a = {.fragment = 4 * BLOCK};
    struct vmsim__block_stat s;
    (void)state;
    start(64 * MIB);
    struct vmsim__block_io io = {.op = VMSIM__BLOCK_WRITE, .position = 1000, .bytes = 40 * BLOCK, .cookie = 7};
    assert_int_equal(vmsim__layout_submit(rig.block, &a, 0, &io), 0); /* a place is given with the write */
    assert_int_equal(vmsim__layout_bytes(&a), 41 * BLOCK);
    assert_int_equal(vmsim__block_waiting(rig.block, NULL, 0), 1);
    rig_check(&rig);
    rig_run(&rig, UINT64_MAX);
    assert_int_equal(rig.done.count, 1);
    rig_done_at(&rig, 7);
    vmsim__block_stat(rig.block, 0, rig.now, &s);
    assert_int_equal(s.bytes[VMSIM__BLOCK_WRITE], 40 * BLOCK);
    assert_int_equal(s.ios[VMSIM__BLOCK_WRITE], a.extents.count);
    vmsim__layout_release(rig.block, &a);
    rig_end(&rig);
}

static void test_a_device_itself_lies_where_it_is(void **state) {
    struct vmsim__layout raw = {.raw = true};
    uint64_t position, bytes;
    (void)state;
    start(1 * MIB);
    assert_true(vmsim__layout_map(rig.block, &raw, 12345, &position, &bytes));
    assert_int_equal(position, 12345);
    assert_int_equal(bytes, 1 * MIB - 12345);
    assert_int_equal(vmsim__layout_place(rig.block, &raw, 1 * MIB - 1, 2), VMSIM_ELIMIT);
    rig_submit(&rig, 0, VMSIM__BLOCK_READ, 0, 4096, 1);
    assert_int_equal(
        vmsim__layout_submit(rig.block, &raw, 0, &(struct vmsim__block_io){.sync = true, .bytes = 4096, .cookie = 2}),
        0);
    rig_run(&rig, UINT64_MAX);
    assert_int_equal(rig.done.count, 2);
    assert_int_equal(vmsim__block_placed(rig.block, 0), 0);
    rig_end(&rig);
}

/* ---- against a model: who has each block ---- */

#define FILES 8
#define MODEL_BLOCKS 512
#define FILE_BLOCKS 200

static struct vmsim__layout files[FILES];
static bool placed[FILES][FILE_BLOCKS];

static void model_check(void) {
    static int owner[MODEL_BLOCKS];
    uint64_t total = 0;
    for (int i = 0; i < MODEL_BLOCKS; i++)
        owner[i] = -1;
    for (int f = 0; f < FILES; f++) {
        struct vmsim__err err = {0};
        if (vmsim__layout_check(rig.block, &files[f], &err))
            fail_msg("%s", err.text);
        for (uint64_t n = 0; n < FILE_BLOCKS; n++) {
            uint64_t position, bytes;
            bool there = vmsim__layout_map(rig.block, &files[f], n * BLOCK, &position, &bytes);
            assert_int_equal(there, placed[f][n]);
            if (!there)
                continue;
            assert_int_equal(owner[position / BLOCK], -1);
            owner[position / BLOCK] = f;
            total++;
        }
    }
    assert_int_equal(total * BLOCK, vmsim__block_placed(rig.block, 0));
    rig_check(&rig);
}

static void model_step(struct vmsim__rng *r) {
    uint64_t f = vmsim__rng_below(r, FILES), from = vmsim__rng_below(r, FILE_BLOCKS), need = 0;
    uint64_t to = from + 1 + vmsim__rng_below(r, vmsim__rng_below(r, 2) ? FILE_BLOCKS - from : 1);
    switch (vmsim__rng_below(r, 8)) {
    case 0:
        vmsim__layout_release(rig.block, &files[f]);
        memset(placed[f], 0, sizeof placed[f]);
        return;
    case 1:
        vmsim__layout_cut(rig.block, &files[f], from * BLOCK);
        memset(&placed[f][from], 0, FILE_BLOCKS - from);
        return;
    default:
        for (uint64_t n = from; n < to; n++)
            need += !placed[f][n];
        bool fits = vmsim__block_placed(rig.block, 0) + need * BLOCK <= MODEL_BLOCKS * BLOCK;
        vmsim__alloc_fail_after(rig.alloc, 1 + vmsim__rng_below(r, 20));
        int err = vmsim__layout_place(rig.block, &files[f], from * BLOCK, (to - from) * BLOCK);
        vmsim__alloc_fail_after(rig.alloc, UINT64_MAX);
        if (err == VMSIM_ENOMEM)
            err = vmsim__layout_place(rig.block, &files[f], from * BLOCK, (to - from) * BLOCK);
        assert_int_equal(err, fits ? 0 : VMSIM_ELIMIT);
        if (fits)
            memset(&placed[f][from], 1, to - from);
    }
}

static void test_no_block_has_two_owners(void **state) {
    struct vmsim__rng r = test_rng("block layout");
    (void)state;
    for (int round = 0; round < 10; round++) {
        start(MODEL_BLOCKS * BLOCK);
        memset(files, 0, sizeof files);
        memset(placed, 0, sizeof placed);
        for (int f = 0; f < FILES; f++)
            files[f].fragment = f % 3 == 2 ? (1 + vmsim__rng_below(&r, 8)) * BLOCK : 0;
        for (int step = 0; step < 300; step++) {
            model_step(&r);
            model_check();
        }
        for (int f = 0; f < FILES; f++)
            vmsim__layout_release(rig.block, &files[f]);
        assert_int_equal(vmsim__block_placed(rig.block, 0), 0);
        rig_end(&rig);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_lie_one_after_another_in_one_piece),
        cmocka_unit_test(test_a_file_grows_behind_itself_while_that_is_free),
        cmocka_unit_test(test_what_was_never_written_has_no_place),
        cmocka_unit_test(test_a_full_device_gives_nothing),
        cmocka_unit_test(test_fragments_are_short_and_everywhere),
        cmocka_unit_test(test_reading_on_costs_seeks_only_between_extents),
        cmocka_unit_test(test_a_transfer_over_extents_is_done_once),
        cmocka_unit_test(test_a_device_itself_lies_where_it_is),
        cmocka_unit_test(test_no_block_has_two_owners),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
