/* SPDX-License-Identifier: MIT */
/* vmsim/mmu.h, as a user who drives the MMU alone has it. */
#include "mmu_memory.h"
#include "vmsim/error.h"
#include "vmsim/mmu.h"

#define RWU (VMSIM_MMU_READ | VMSIM_MMU_WRITE | VMSIM_MMU_USER | VMSIM_MMU_ACCESSED | VMSIM_MMU_DIRTY)

struct user {
    struct mmu_memory *m;
    struct vmsim_mmu_memory memory;
    struct vmsim_mmu mmu;
};

static void user_begin(struct user *u, const char *format) {
    u->m = mmu_memory_new(vmsim__pt_format_find(format));
    u->memory = (struct vmsim_mmu_memory){
        .context = u->m, .table = mmu_memory_table, .alloc = mmu_memory_take, .release = mmu_memory_release};
    assert_int_equal(vmsim_mmu_init(&u->mmu, format, &u->memory), 0);
}
static void user_end(struct user *u) {
    vmsim_mmu_fini(&u->mmu);
    mmu_memory_end(u->m);
}

static void what_is_mapped_is_translated_and_unmapping_gives_the_tables_back(void **state) {
    (void)state;
    for (unsigned i = 0; vmsim_mmu_format(i); i++) {
        struct user u;
        struct vmsim_mmu_walk walk;
        user_begin(&u, vmsim_mmu_format(i));
        uint64_t page = UINT64_C(1) << u.mmu.page_shift, size = page * 3000, va = 0x10000000, pa = 0x20000000;
        assert_int_equal(vmsim_mmu_map(&u.mmu, va, pa, size, RWU, 0), 0);
        uint64_t pages = 0;
        for (uint64_t at = 0; at < size; at += walk.page_size - (walk.pa & (walk.page_size - 1)), pages++) {
            assert_true(vmsim_mmu_walk(&u.mmu, va + at, VMSIM_MMU_AS_USER | VMSIM_MMU_AS_WRITE, &walk));
            assert_int_equal(walk.pa, pa + at);
            assert_null(walk.fault);
            assert_int_equal(walk.flags & (RWU | VMSIM_MMU_GLOBAL), RWU);
        }
        assert_int_equal(pages < 3000,
                         strcmp(u.mmu.format, "arm") != 0); /* large ones were used, where there are any */
        assert_int_equal(vmsim_mmu_map(&u.mmu, va + size - page, pa, page, RWU, 0), VMSIM_EINVAL);
        assert_int_equal(vmsim_mmu_protect(&u.mmu, va, size, VMSIM_MMU_READ | VMSIM_MMU_ACCESSED), 0);
        assert_false(vmsim_mmu_walk(&u.mmu, va, VMSIM_MMU_AS_USER, &walk));
        assert_string_equal(walk.fault, "user");
        assert_true(vmsim_mmu_walk(&u.mmu, va + size - 1, 0, &walk));
        assert_int_equal(walk.pa, pa + size - 1);
        assert_int_equal(vmsim_mmu_unmap(&u.mmu, va - page, size + 2 * page), 0);
        assert_int_equal(u.m->used, 1);
        user_end(&u);
    }
}

static void sizes_are_chosen_or_asked_for(void **state) {
    (void)state;
    struct user u;
    struct vmsim_mmu_walk walk;
    user_begin(&u, "arm64_4k");
    assert_int_equal(vmsim_mmu_map(&u.mmu, 0x40010000, 0x10000, 0x10000, RWU, 0x10000), 0);
    assert_true(vmsim_mmu_walk(&u.mmu, 0x40014321, 0, &walk));
    assert_int_equal(walk.page_size, 0x10000);
    assert_int_equal(walk.pa, 0x14321);
    assert_true(walk.flags & VMSIM_MMU_CONTIG);
    assert_int_equal(vmsim_mmu_unmap(&u.mmu, 0x40010000, 0x4000), VMSIM_EINVAL); /* cuts the group */
    assert_int_equal(vmsim_mmu_unmap(&u.mmu, 0x40010000, 0x10000), 0);
    assert_int_equal(vmsim_mmu_map(&u.mmu, 0x40000000, 0x80000000, 0x40000000, RWU, 0), 0);
    assert_true(vmsim_mmu_walk(&u.mmu, 0x7fffffff, 0, &walk));
    assert_int_equal(walk.page_size, 0x40000000);
    assert_int_equal(walk.refs, 2);
    assert_int_equal(vmsim_mmu_protect(&u.mmu, 0x40000000, 0x200000, RWU), VMSIM_EINVAL);
    assert_int_equal(vmsim_mmu_map(&u.mmu, 0x200000, 0, 0x200000, RWU, 0x3000), VMSIM_EINVAL);
    assert_int_equal(vmsim_mmu_map(&u.mmu, 0x201000, 0, 0x200000, RWU, 0x200000), VMSIM_EINVAL);
    assert_int_equal(vmsim_mmu_map(&u.mmu, UINT64_C(1) << 48, 0, 0x1000, RWU, 0), VMSIM_EINVAL);
    assert_int_equal(vmsim_mmu_map(&u.mmu, 0x1000, 0, 0, RWU, 0), VMSIM_EINVAL);
    user_end(&u);
}

static void a_map_that_finds_no_table_frame_is_undone(void **state) {
    (void)state;
    for (unsigned i = 0; vmsim_mmu_format(i); i++) {
        struct user u;
        user_begin(&u, vmsim_mmu_format(i));
        uint64_t page = UINT64_C(1) << u.mmu.page_shift, entries = page / (u.m->page_shift == 12 ? 4 : 8);
        int err = VMSIM_ENOMEM;
        assert_int_equal(vmsim_mmu_map(&u.mmu, page * 3, 0, page, RWU, 0), 0); /* a neighbour keeps its tables */
        uint64_t used = u.m->used;
        for (uint64_t frames = 0; err; frames++) {
            u.m->fail_after = frames;
            err = vmsim_mmu_map(&u.mmu, page * 4, page, page * entries * 2, RWU, page);
            assert_true(err == 0 || err == VMSIM_ENOMEM);
            if (err)
                assert_int_equal(u.m->used, used);
        }
        u.m->fail_after = UINT64_MAX;
        assert_int_equal(vmsim_mmu_unmap(&u.mmu, page * 4, page * entries * 2), 0);
        assert_int_equal(u.m->used, used);
        user_end(&u);
    }
}

static void the_top_of_the_address_space_can_be_mapped(void **state) {
    (void)state;
    struct user u;
    struct vmsim_mmu_walk walk;
    user_begin(&u, "riscv_sv39");
    assert_int_equal(vmsim_mmu_map(&u.mmu, 0 - UINT64_C(0x400000), 0, 0x400000, RWU, 0), 0);
    assert_true(vmsim_mmu_walk(&u.mmu, UINT64_MAX, 0, &walk));
    assert_int_equal(walk.pa, 0x3fffff);
    assert_int_equal(vmsim_mmu_unmap(&u.mmu, 0 - UINT64_C(0x400000), 0x400000), 0);
    assert_int_equal(u.m->used, 1);
    user_end(&u);
    user_begin(&u, "x86_32");
    assert_int_equal(vmsim_mmu_map(&u.mmu, 0xffc00000, UINT64_C(0x1200400000), 0x400000, RWU, 0), 0);
    assert_true(vmsim_mmu_walk(&u.mmu, 0xffffffff, 0, &walk));
    assert_int_equal(walk.pa, UINT64_C(0x12007fffff));                     /* beyond 4 GiB: PSE-36 */
    assert_false(vmsim_mmu_walk(&u.mmu, UINT64_C(0x100000000), 0, &walk)); /* no wrap to address 0 */
    assert_string_equal(walk.fault, "non-canonical");
    assert_int_equal(vmsim_mmu_map(&u.mmu, 0x1000, UINT64_C(0x100000000), 0x1000, RWU, 0), VMSIM_EINVAL);
    user_end(&u);
}

static void tables_of_others_can_be_walked(void **state) {
    (void)state;
    struct user u;
    struct vmsim_mmu view;
    struct vmsim_mmu_walk walk;
    user_begin(&u, "riscv_sv48");
    assert_int_equal(vmsim_mmu_map(&u.mmu, 0x5000, 0x9000, 0x1000, RWU & ~VMSIM_MMU_DIRTY, 0), 0);
    struct vmsim_mmu_memory look = {.context = u.m, .table = mmu_memory_table};
    assert_int_equal(vmsim_mmu_attach(&view, "riscv_sv48", &look, u.mmu.root), 0);
    assert_false(vmsim_mmu_walk(&view, 0x5008, VMSIM_MMU_AS_WRITE, &walk)); /* Svade */
    assert_string_equal(walk.fault, "dirty");
    assert_int_equal(walk.fault_code, 15);
    vmsim_mmu_hardware_update(&view, true, true);
    assert_true(vmsim_mmu_walk(&view, 0x5008, VMSIM_MMU_AS_WRITE, &walk));
    assert_int_equal(walk.pa, 0x9008);
    assert_true(walk.flags & VMSIM_MMU_DIRTY);
    assert_int_equal(vmsim_mmu_map(&view, 0x6000, 0, 0x1000, RWU, 0), VMSIM_EINVAL); /* nothing to allocate with */
    vmsim_mmu_fini(&view);
    assert_int_equal(vmsim_mmu_attach(&view, "riscv_sv48", &look, 4000), VMSIM_EINVAL);
    assert_int_equal(vmsim_mmu_attach(&view, "vax", &look, u.mmu.root), VMSIM_EINVAL);
    user_end(&u);
}

/* The user's table and the kernel's have other pages at the same offsets. */
static void arm64_has_a_table_for_each_half(void **state) {
    (void)state;
    static const char *const formats[] = {"arm64_4k", "arm64_16k", "arm64_64k"};
    for (unsigned i = 0; i < TEST_COUNT(formats); i++) {
        struct user u, k;
        struct vmsim_mmu_walk walk;
        const uint64_t ones = UINT64_C(0xffff) << 48, va = UINT64_C(0x7f0000000000);
        const unsigned kernel = VMSIM_MMU_READ | VMSIM_MMU_WRITE | VMSIM_MMU_ACCESSED;
        user_begin(&u, formats[i]);
        user_begin(&k, formats[i]);
        assert_int_equal(vmsim_mmu_map(&u.mmu, va, 0x40000000, 0x4000000, RWU, 0), 0);
        assert_int_equal(vmsim_mmu_map(&k.mmu, va, 0x80000000, 0x8000000, kernel, 0), 0);
        assert_false(vmsim_mmu_walk(&u.mmu, ones | va, 0, &walk));
        assert_string_equal(walk.fault, "non-canonical");
        assert_int_equal(vmsim_mmu_set_upper(&u.mmu, &k.mmu), 0);
        for (uint64_t at = 0; at < 0x4000000; at += 0x1234) {
            assert_true(vmsim_mmu_walk(&u.mmu, va + at, VMSIM_MMU_AS_USER, &walk));
            assert_int_equal(walk.pa, 0x40000000 + at);
            assert_true(vmsim_mmu_walk(&u.mmu, ones | (va + at), VMSIM_MMU_AS_WRITE, &walk));
            assert_int_equal(walk.pa, 0x80000000 + at);
        }
        assert_true(vmsim_mmu_walk(&k.mmu, va, VMSIM_MMU_PROBE, &walk)); /* its entry was written */
        assert_true(walk.flags & VMSIM_MMU_DIRTY);
        assert_false(vmsim_mmu_walk(&u.mmu, ones | va, VMSIM_MMU_AS_USER, &walk));
        assert_string_equal(walk.fault, "user");
        assert_true(vmsim_mmu_walk(&u.mmu, ones | (va + 0x7ffffff), 0, &walk)); /* beyond what the lower half has */
        assert_false(vmsim_mmu_walk(&u.mmu, va + 0x7ffffff, 0, &walk));
        assert_false(vmsim_mmu_walk(&u.mmu, (ones << 1) | va, 0, &walk)); /* neither zeros nor ones */
        assert_string_equal(walk.fault, "non-canonical");
        assert_int_equal(walk.fault_code, 4); /* translation fault, level 0 */
        assert_int_equal(vmsim_mmu_set_upper(&u.mmu, NULL), 0);
        assert_false(vmsim_mmu_walk(&u.mmu, ones | va, 0, &walk));
        assert_int_equal(vmsim_mmu_set_upper(&u.mmu, &u.mmu), VMSIM_EINVAL);
        user_end(&k);
        user_begin(&k, i ? formats[i - 1] : "x86_64");
        assert_int_equal(vmsim_mmu_set_upper(&u.mmu, &k.mmu), VMSIM_EINVAL);
        assert_int_equal(vmsim_mmu_set_upper(&k.mmu, &u.mmu), VMSIM_EINVAL);
        user_end(&k);
        user_end(&u);
    }
}

static void keep_line(void *context, const char *text) {
    char *all = context;
    strcat(strcat(all, text), "\n");
}

static void a_walk_is_told_level_by_level(void **state) {
    (void)state;
    struct user u;
    char text[2000] = "";
    user_begin(&u, "x86_64");
    assert_int_equal(vmsim_mmu_map(&u.mmu, 0x7f0012345000, 0xabcde000, 0x1000, RWU & ~VMSIM_MMU_ACCESSED, 0), 0);
    vmsim_mmu_describe(&u.mmu, 0x7f0012345678, VMSIM_MMU_AS_USER, keep_line, text);
    assert_string_equal(
        text,
        "va 0x00007f0012345678  x86_64, index bits 9+9+9+9, offset 12\n"
        "  level 3  index  254  entry at 0x00000017f0 = 0x0000000000002067  table 0x2000  present read write exec "
        "user accessed dirty\n"
        "  level 2  index    0  entry at 0x0000002000 = 0x0000000000003067  table 0x3000  present read write exec "
        "user accessed dirty\n"
        "  level 1  index  145  entry at 0x0000003488 = 0x0000000000004067  table 0x4000  present read write exec "
        "user accessed dirty\n"
        "  level 0  index  325  entry at 0x0000004a28 = 0x80000000abcde047  page 0xabcde000  present read write user "
        "dirty\n"
        "  -> pa 0x00abcde678 in a page of 4 KiB: read write user dirty; 4 references\n");
    text[0] = 0;
    vmsim_mmu_describe(&u.mmu, 0x7f0012346678, VMSIM_MMU_AS_USER | VMSIM_MMU_AS_WRITE, keep_line, text);
    assert_non_null(strstr(text, "= 0x0000000000000000  empty\n  -> fault: not present at level 0, code 0x6; 4 ref"));
    user_end(&u);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_mapped_is_translated_and_unmapping_gives_the_tables_back),
        cmocka_unit_test(sizes_are_chosen_or_asked_for),
        cmocka_unit_test(a_map_that_finds_no_table_frame_is_undone),
        cmocka_unit_test(the_top_of_the_address_space_can_be_mapped),
        cmocka_unit_test(tables_of_others_can_be_walked),
        cmocka_unit_test(arm64_has_a_table_for_each_half),
        cmocka_unit_test(a_walk_is_told_level_by_level),
    };
    return cmocka_run_group_tests_name("mmu_api", tests, NULL, NULL);
}
