/* SPDX-License-Identifier: MIT */
/* The allocator, its slabs and vectors: exact counters, alignment, zeroes, failures, leaks; with each backend. The
 * program is built twice, with jemalloc linked and without. */
#include "helpers.h"

#include "base/vec.h"

/* A user's allocator that counts what it hands out, and checks the sizes that come back. */
struct ledger {
    size_t blocks, bytes;
};
static void *ledger_allocate(void *context, size_t size) {
    struct ledger *l = context;
    l->blocks++;
    l->bytes += size;
    return memset(malloc(size), 0xa5, size);
}
static void *ledger_reallocate(void *context, void *block, size_t old_size, size_t size) {
    struct ledger *l = context;
    l->bytes += size - old_size;
    return realloc(block, size);
}
static void ledger_release(void *context, void *block, size_t size) {
    struct ledger *l = context;
    l->blocks--;
    l->bytes -= size;
    free(block);
}

static struct vmsim_allocator user_of(struct ledger *l) {
    return (struct vmsim_allocator){ledger_allocate, ledger_reallocate, ledger_release, l};
}

static bool all_zero(const void *p, size_t size) {
    for (const char *c = p; size; c++, size--)
        if (*c)
            return false;
    return true;
}

static void the_backend_is_the_one_that_was_linked(void **state) {
    (void)state;
    struct vmsim__alloc *a = test_alloc();
    assert_string_equal(vmsim__alloc_backend(a), TEST_BACKEND);
    test_alloc_end(a);
}

static void counters_are_exact(void **state) {
    (void)state;
    struct vmsim__alloc *a = test_alloc();
    char *p = vmsim__malloc(a, 100), *q = vmsim__calloc(a, 7, 11);
    assert_int_equal(vmsim__alloc_bytes(a), 177);
    assert_int_equal(vmsim__alloc_blocks(a), 2);
    assert_true(all_zero(q, 77));
    p = vmsim__realloc(a, p, 100, 1000);
    assert_int_equal(vmsim__alloc_bytes(a), 1077);
    p = vmsim__realloc(a, p, 1000, 10);
    assert_int_equal(vmsim__alloc_bytes(a), 87);
    assert_int_equal(vmsim__alloc_peak_bytes(a), 1077);
    assert_null(vmsim__realloc(a, p, 10, 0));
    vmsim__free(a, q, 77);
    vmsim__free(a, NULL, 77);
    assert_int_equal(vmsim__alloc_peak_bytes(a), 1077);
    test_alloc_end(a);
}

static void impossible_sizes_are_refused(void **state) {
    (void)state;
    struct vmsim__alloc *a = test_alloc();
    assert_null(vmsim__malloc(a, 0));
    assert_null(vmsim__calloc(a, 0, 5));
    assert_null(vmsim__calloc(a, SIZE_MAX / 2, 3));
    assert_null(vmsim__malloc(a, SIZE_MAX));
    assert_null(vmsim__malloc(a, (size_t)PTRDIFF_MAX));
    assert_null(vmsim__calloc_aligned(a, 4096, SIZE_MAX - 100));
    assert_null(vmsim__calloc_aligned(a, 4096, 0));
    char *p = vmsim__malloc(a, 8);
    memcpy(p, "kept", 5);
    assert_null(vmsim__realloc(a, p, 8, SIZE_MAX));
    assert_string_equal(p, "kept");
    vmsim__free(a, p, 8);
    test_alloc_end(a);
}

static void check_aligned(struct vmsim__alloc *a) {
    for (size_t align = 1; align <= 65536; align *= 2) {
        for (size_t size = 1; size < 100000; size = size * 3 + 1) {
            char *p = vmsim__calloc_aligned(a, align, size);
            assert_non_null(p);
            assert_int_equal((uintptr_t)p & (align - 1), 0);
            assert_true(all_zero(p, size));
            memset(p, 0xff, size);
            char *q = vmsim__malloc_aligned(a, align, size);
            assert_int_equal((uintptr_t)q & (align - 1), 0);
            memset(q, 0xff, size);
            assert_int_equal(vmsim__alloc_bytes(a), 2 * size);
            vmsim__free_aligned(a, p, align, size);
            vmsim__free_aligned(a, q, align, size);
        }
    }
    vmsim__free_aligned(a, NULL, 64, 64);
}

static void aligned_blocks_are_aligned_and_zeroed(void **state) {
    (void)state;
    struct vmsim__alloc *a = test_alloc();
    check_aligned(a);
    test_alloc_end(a);
}

static void a_users_allocator_gets_back_every_size_it_gave(void **state) {
    (void)state;
    struct ledger l = {0, 0};
    struct vmsim_allocator user = user_of(&l);
    struct vmsim__alloc *a = vmsim__alloc_create(&user);
    assert_string_equal(vmsim__alloc_backend(a), "user");
    check_aligned(a);
    char *p = vmsim__calloc(a, 3, 9);
    assert_true(all_zero(p, 27));
    p = vmsim__realloc(a, p, 27, 5000);
    vmsim__free(a, p, 5000);
    char *s = vmsim__strdup(a, "a text");
    assert_string_equal(s, "a text");
    assert_int_equal(vmsim__alloc_bytes(a), 7);
    vmsim__strfree(a, s);
    vmsim__strfree(a, NULL);
    assert_int_equal(vmsim__alloc_destroy(a), 0);
    assert_int_equal(l.blocks, 0);
    assert_int_equal(l.bytes, 0);
}

static void leaks_are_counted_at_destroy(void **state) {
    (void)state;
    struct ledger l = {0, 0};
    struct vmsim_allocator user = user_of(&l);
    struct vmsim__alloc *a = vmsim__alloc_create(&user);
    void *kept[3];
    for (unsigned i = 0; i < 3; i++)
        kept[i] = vmsim__malloc(a, 10);
    vmsim__free(a, kept[0], 10);
    assert_int_equal(vmsim__alloc_destroy(a), 2);
    assert_int_equal(l.blocks, 2);
    free(kept[1]);
    free(kept[2]);
    assert_int_equal(vmsim__alloc_destroy(NULL), 0);
}

static void failure_comes_at_the_nth_allocation_and_stays(void **state) {
    (void)state;
    struct vmsim__alloc *a = test_alloc();
    vmsim__alloc_fail_after(a, 3);
    void *p = vmsim__malloc(a, 1), *q = vmsim__malloc(a, 2);
    assert_non_null(p);
    assert_non_null(q);
    for (unsigned i = 0; i < 3; i++) {
        assert_null(vmsim__malloc(a, 3));
        assert_null(vmsim__calloc(a, 1, 3));
        assert_null(vmsim__realloc(a, p, 1, 3));
        assert_null(vmsim__calloc_aligned(a, 64, 3));
        assert_null(vmsim__strdup(a, "x"));
    }
    assert_int_equal(vmsim__alloc_bytes(a), 3);
    vmsim__alloc_fail_after(a, UINT64_MAX);
    p = vmsim__realloc(a, p, 1, 3);
    assert_non_null(p);
    vmsim__free(a, p, 3);
    vmsim__free(a, q, 2);
    test_alloc_end(a);
}

static void many_allocators_live_side_by_side(void **state) {
    (void)state;
    struct vmsim__alloc *all[200];
    void *p[200];
    for (unsigned i = 0; i < TEST_COUNT(all); i++) {
        all[i] = test_alloc();
        p[i] = vmsim__malloc(all[i], 64 + i);
        memset(p[i], (int)i, 64 + i);
    }
    for (unsigned i = 0; i < TEST_COUNT(all); i++) {
        assert_int_equal(((unsigned char *)p[i])[63 + i], i);
        vmsim__free(all[i], p[i], 64 + i);
        test_alloc_end(all[i]);
    }
}

/* Random sizes, reallocations and frees against a table of what each block must hold. */
static void blocks_keep_their_contents(void **state) {
    (void)state;
    enum { BLOCKS = 100 };
    struct vmsim__rng r = test_rng("blocks");
    struct vmsim__alloc *a = test_alloc();
    struct {
        unsigned char *p;
        size_t size;
    } t[BLOCKS] = {0};
    uint64_t bytes = 0;
    for (unsigned i = 0; i < 20000; i++) {
        size_t k = vmsim__rng_below(&r, BLOCKS), size = vmsim__rng_below(&r, i % 50 ? 300 : 40000) + 1;
        for (size_t j = 0; j < t[k].size; j += 37)
            assert_int_equal(t[k].p[j], k);
        bytes -= t[k].size;
        if (vmsim__rng_below(&r, 3) == 0) {
            vmsim__free(a, t[k].p, t[k].size);
            t[k].p = NULL;
            size = 0;
        } else {
            t[k].p = vmsim__realloc(a, t[k].p, t[k].size, size);
            memset(t[k].p, (int)k, size);
        }
        t[k].size = size;
        bytes += size;
        assert_int_equal(vmsim__alloc_bytes(a), bytes);
    }
    for (unsigned k = 0; k < BLOCKS; k++)
        vmsim__free(a, t[k].p, t[k].size);
    test_alloc_end(a);
}

static void slab_objects_are_zeroed_distinct_and_reused_last_first(void **state) {
    (void)state;
    enum { OBJECTS = 5000 };
    struct vmsim__alloc *a = test_alloc();
    struct vmsim__slab s;
    vmsim__slab_init(&s, a, 40);
    assert_int_equal(s.size, 48);
    static unsigned char *p[OBJECTS];
    for (unsigned i = 0; i < OBJECTS; i++) {
        p[i] = vmsim__slab_alloc(&s);
        assert_true(all_zero(p[i], 48));
        assert_int_equal((uintptr_t)p[i] & 15, 0);
        memset(p[i], (int)(i & 255), 48);
    }
    for (unsigned i = 0; i < OBJECTS; i++)
        assert_int_equal(p[i][47], i & 255);
    assert_int_equal(s.used, OBJECTS);
    uint64_t bytes = vmsim__alloc_bytes(a);
    assert_int_equal(bytes, 4 * 65536);
    vmsim__slab_free(&s, p[7]);
    vmsim__slab_free(&s, p[4000]);
    vmsim__slab_free(&s, NULL);
    assert_ptr_equal(vmsim__slab_alloc(&s), p[4000]);
    assert_ptr_equal(vmsim__slab_alloc(&s), p[7]);
    assert_true(all_zero(p[7], 48));
    assert_int_equal(vmsim__alloc_bytes(a), bytes);
    vmsim__slab_fini(&s);
    test_alloc_end(a);
}

static void slabs_take_objects_of_any_size(void **state) {
    (void)state;
    struct vmsim__alloc *a = test_alloc();
    static const size_t sizes[] = {0, 1, 16, 4096, 65472, 65473, 200000};
    for (unsigned i = 0; i < TEST_COUNT(sizes); i++) {
        struct vmsim__slab s;
        vmsim__slab_init(&s, a, sizes[i]);
        for (unsigned n = 0; n < 3; n++)
            memset(vmsim__slab_alloc(&s), 1, s.size);
        vmsim__slab_fini(&s);
        vmsim__alloc_fail_after(a, 1);
        assert_null(vmsim__slab_alloc(&s));
        vmsim__alloc_fail_after(a, UINT64_MAX);
        vmsim__slab_fini(&s);
    }
    test_alloc_end(a);
}

static bool push_hundred(struct vmsim__alloc *a, void *context) {
    struct {
        VMSIM__VEC(uint64_t);
    } v = {0};
    bool ok = true;
    for (uint64_t i = 0; ok && i < 100; i++)
        ok = vmsim__vec_push(a, &v, i * i);
    *(uint64_t *)context = v.count;
    for (uint64_t i = 0; i < v.count; i++)
        assert_int_equal(v.at[i], i * i);
    vmsim__vec_fini(a, &v);
    return ok;
}

static void vectors_grow_by_doubling_and_survive_failures(void **state) {
    (void)state;
    struct vmsim__alloc *a = test_alloc();
    uint64_t count;
    assert_int_equal(test_each_failure(a, push_hundred, &count, 20), 5); /* 8 16 32 64 128 */
    assert_int_equal(count, 100);
    struct {
        VMSIM__VEC(uint64_t);
    } v = {0};
    assert_false(vmsim__vec_reserve(a, &v, SIZE_MAX / 4));
    assert_false(vmsim__vec_reserve(a, &v, SIZE_MAX));
    assert_true(vmsim__vec_reserve(a, &v, 0));
    assert_null(v.at);
    test_alloc_end(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_backend_is_the_one_that_was_linked),
        cmocka_unit_test(counters_are_exact),
        cmocka_unit_test(impossible_sizes_are_refused),
        cmocka_unit_test(aligned_blocks_are_aligned_and_zeroed),
        cmocka_unit_test(a_users_allocator_gets_back_every_size_it_gave),
        cmocka_unit_test(leaks_are_counted_at_destroy),
        cmocka_unit_test(failure_comes_at_the_nth_allocation_and_stays),
        cmocka_unit_test(many_allocators_live_side_by_side),
        cmocka_unit_test(blocks_keep_their_contents),
        cmocka_unit_test(slab_objects_are_zeroed_distinct_and_reused_last_first),
        cmocka_unit_test(slabs_take_objects_of_any_size),
        cmocka_unit_test(vectors_grow_by_doubling_and_survive_failures),
    };
    return cmocka_run_group_tests_name("base_alloc", tests, NULL, NULL);
}
