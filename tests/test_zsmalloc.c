/* SPDX-License-Identifier: MIT */
/* zsmalloc against arithmetic: classes, frames that come and go, objects of random sizes; and the model of how pages
 * compress. */
#include "zones_machine.h"

#include "swap/compress.h"
#include "swap/zsmalloc.h"

#define GFP (VMSIM__GFP_HIGHMEM | VMSIM__GFP_MOVABLE_BIT)

static void check(const struct vmsim__zspool *p) {
    struct vmsim__err err = {0};
    if (vmsim__zspool_check(p, &err))
        fail_msg("%s", err.text);
}

/* 3264 bytes is the largest class of four frames that holds five objects; of eight frames it is 3632. */
static void what_is_too_large_has_a_page_to_itself(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__zspool p;
    struct vmsim__mem *mem = zm_plain(alloc, "6.1", 4 * MIB, 1);
    vmsim__zspool_init(&p, alloc, mem);
    assert_int_equal(p.huge, 3264 - 7);
    vmsim__zspool_fini(&p);
    zm_destroy(mem);
    mem = zm_plain(alloc, "6.12", 4 * MIB, 1);
    vmsim__zspool_init(&p, alloc, mem);
    assert_int_equal(p.huge, 3632 - 7);
    vmsim__zspool_fini(&p);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

/* Objects of 1016 bytes (1024 with the handle) are four a frame, and a frame goes with its last. */
static void objects_share_frames(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__mem *mem = zm_plain(alloc, "6.1", 4 * MIB, 1);
    struct vmsim__zspool p;
    uint32_t object[9];
    vmsim__zspool_init(&p, alloc, mem);
    for (unsigned i = 0; i < 9; i++)
        assert_int_not_equal(object[i] = vmsim__zs_alloc(&p, 1016, GFP, 0), 0);
    assert_int_equal(p.pages, 3);
    for (unsigned i = 0; i < 4; i++)
        vmsim__zs_free(&p, object[i], 0);
    assert_int_equal(p.pages, 2);
    assert_int_equal(vmsim__mem_zone_stat(mem, VMSIM__NR_ZSPAGES), 2);
    for (unsigned i = 4; i < 9; i++)
        vmsim__zs_free(&p, object[i], 0);
    assert_int_equal(p.pages, 0);
    vmsim__zspool_fini(&p);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

/* Random sizes until memory is gone and back again: never less memory than objects need, and none left at the end. */
static void random_objects(void **state) {
    (void)state;
    enum { OBJECTS = 4000 };
    static struct { uint32_t object, bytes; } held[OBJECTS];
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__mem *mem = zm_plain(alloc, "6.12", 4 * MIB, 1);
    struct vmsim__zspool p;
    struct vmsim__rng rng;
    uint64_t bytes = 0, refused = 0;
    vmsim__rng_seed_named(&rng, test_seed(), "zsmalloc");
    memset(held, 0, sizeof held);
    vmsim__zspool_init(&p, alloc, mem);
    for (unsigned step = 0; step < 40000; step++) {
        const unsigned i = (unsigned)vmsim__rng_below(&rng, OBJECTS);
        if (held[i].object) {
            vmsim__zs_free(&p, held[i].object, 0);
            bytes -= held[i].bytes;
            held[i].object = 0;
        } else if (step / 10000 % 2 == 0 || vmsim__rng_below(&rng, 4) == 0) {
            held[i].bytes = 1 + (uint32_t)vmsim__rng_below(&rng, 4096);
            held[i].object = vmsim__zs_alloc(&p, held[i].bytes, GFP, 0);
            bytes += held[i].object ? held[i].bytes : 0;
            refused += !held[i].object;
        }
        assert_true(bytes <= p.pages * 4096);
        if (step % 1000 == 0)
            check(&p);
    }
    assert_true(refused > 100);
    for (unsigned i = 0; i < OBJECTS; i++) {
        if (held[i].object)
            vmsim__zs_free(&p, held[i].object, 0);
    }
    check(&p);
    assert_int_equal(p.pages, 0);
    vmsim__zspool_fini(&p);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

/* Shares and mean come out as asked, and the same page always compresses alike. */
static void pages_compress_as_described(void **state) {
    (void)state;
    struct vmsim__compress_spec c = {
        .compressor = 3, .spread = 500000, .same_filled = 200000, .incompressible = 100000};
    enum { PAGES = 100000 };
    uint64_t same = 0, whole = 0, sum = 0;
    vmsim__compress_settle(&c, 4096, test_seed());
    assert_int_equal(c.compress, 4096 * 1000 / 330);
    for (uint64_t i = 0; i < PAGES; i++) {
        const uint32_t size = vmsim__compressed_size(&c, 7, i, 4096);
        assert_int_equal(size, vmsim__compressed_size(&c, 7, i, 4096));
        assert_true(size <= 4096);
        same += !size;
        whole += size == 4096;
        sum += size && size < 4096 ? size : 0;
    }
    assert_in_range(same, PAGES / 5 - 1000, PAGES / 5 + 1000);
    assert_in_range(whole, PAGES / 10 - 1000, PAGES / 10 + 1000);
    assert_in_range(sum / (PAGES - same - whole), 1423 - 20, 1423 + 20); /* 4096 / 2.877 */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_too_large_has_a_page_to_itself),
        cmocka_unit_test(objects_share_frames),
        cmocka_unit_test(random_objects),
        cmocka_unit_test(pages_compress_as_described),
    };
    return cmocka_run_group_tests_name("zsmalloc", tests, NULL, NULL);
}
