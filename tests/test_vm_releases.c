/* SPDX-License-Identifier: MIT */
/* Calls that newer kernels answer otherwise than Linux 6.1, as a running 6.18 answers them. */
#include "vm_machine.h"

static struct vm_machine m;
static struct vmsim__mm *mm;

static void start(const char *kernel) {
    vmm_start(&m, &(struct vm_machine_options){.kernel = kernel, .format = VMSIM__PT_X86_64});
    mm = vmm_mm(&m);
}
static void end(void) {
    vmm_check(&m);
    vmsim__mm_put(mm, 0);
    vmm_end(&m);
}
static int64_t remap(uint64_t old, uint64_t old_pages, uint64_t new_pages, unsigned flags, uint64_t to) {
    return vmsim__mm_mremap(mm, old, old_pages * PG, new_pages * PG, flags, to, 0);
}
static int64_t advise(uint64_t va, uint64_t pages, int advice) {
    return vmsim__mm_madvise(mm, va, pages * PG, advice, 0);
}

static void remove_asks_for_the_right_to_write(void **state) {
    static const char *const kernels[] = {"6.1", "6.12"};
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        start(kernels[i]);
        vmm_map(mm, BASE, 8, VMSIM__PROT_READ, SHARED_ANON);
        vmm_touch(mm, BASE, 8, false);
        assert_int_equal(advise(BASE, 1, VMSIM__MADV_REMOVE), i ? 0 : -VMSIM__L_EACCES);
        assert_int_equal(vmsim__mm_rss(mm, VMSIM__RSS_SHMEM), i ? 7 : 8);
        end();
    }
}

static void population_ends_where_nothing_is_mapped(void **state) {
    static const char *const kernels[] = {"6.1", "6.12"};
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        start(kernels[i]);
        vmm_map(mm, BASE, 2, RW, PRIV_ANON);
        vmm_map(mm, BASE + 4 * PG, 2, RW, PRIV_ANON);
        assert_int_equal(advise(BASE, 6, VMSIM__MADV_POPULATE_WRITE), -VMSIM__L_ENOMEM);
        assert_int_equal(vmsim__mm_rss(mm, VMSIM__RSS_ANON), i ? 2 : 4); /* the older one went on */
        assert_int_equal(vmsim__mm_mprotect(mm, BASE + 4 * PG, 2 * PG, 0, 0), 0);
        assert_int_equal(advise(BASE + 2 * PG, 4, VMSIM__MADV_POPULATE_READ), i ? -VMSIM__L_ENOMEM : -VMSIM__L_EINVAL);
        end();
    }
}

static void guards_stop_accesses_until_they_are_taken_away(void **state) {
    (void)state;
    start("6.12");
    vmm_map(mm, BASE, 1, RW, PRIV_ANON);
    assert_int_equal(advise(BASE, 1, VMSIM__MADV_GUARD_INSTALL), -VMSIM__L_EINVAL);
    end();
    start("6.18");
    vmm_map(mm, BASE, 8, RW, PRIV_ANON);
    vmm_touch(mm, BASE, 8, true);
    assert_int_equal(advise(BASE + 2 * PG, 3, VMSIM__MADV_GUARD_INSTALL), 0);
    assert_int_equal(mm->map_count, 1); /* no VMA is split */
    assert_int_equal(vmsim__mm_rss(mm, VMSIM__RSS_ANON), 5);
    assert_int_equal(vmm_access(mm, BASE + 2 * PG, false), VMSIM__FAULT_SIGSEGV_MAPERR);
    assert_int_equal(advise(BASE, 8, VMSIM__MADV_POPULATE_READ), -VMSIM__L_EFAULT);
    assert_int_equal(advise(BASE + PG, 2, VMSIM__MADV_GUARD_INSTALL), 0); /* one is there already */
    assert_int_equal(advise(BASE, 8, VMSIM__MADV_DONTNEED), 0);
    assert_int_equal(vmm_access(mm, BASE + 4 * PG, true), VMSIM__FAULT_SIGSEGV_MAPERR);
    int e;
    struct vmsim__mm *child = vmsim__mm_fork(mm, 0, &e);
    assert_int_equal(vmm_access(child, BASE + PG, true), VMSIM__FAULT_SIGSEGV_MAPERR);
    vmsim__mm_put(child, 0);
    assert_int_equal(advise(BASE, 8, VMSIM__MADV_GUARD_REMOVE), 0);
    vmm_touch(mm, BASE, 8, true);
    assert_int_equal(advise(BASE, 9, VMSIM__MADV_GUARD_REMOVE), -VMSIM__L_ENOMEM); /* a hole, told at the end */
    assert_int_equal(vmsim__mm_mlock(mm, BASE, PG, 0, 0), 0);
    assert_int_equal(advise(BASE, 1, VMSIM__MADV_GUARD_INSTALL), -VMSIM__L_EINVAL);
    assert_int_equal(advise(BASE, 1, VMSIM__MADV_GUARD_REMOVE), 0);
    vmm_map(mm, BASE + 64 * PG, 2, VMSIM__PROT_READ, SHARED_ANON);
    assert_int_equal(advise(BASE + 64 * PG, 2, VMSIM__MADV_GUARD_INSTALL), 0); /* of a file, too */
    assert_int_equal(vmm_access(mm, BASE + 64 * PG, false), VMSIM__FAULT_SIGSEGV_MAPERR);
    assert_int_equal(vmsim__mm_munmap(mm, BASE + 64 * PG, 2 * PG, 0), 0);
    end();
}

static void mremap_says_first_what_is_wrong_with_the_place(void **state) {
    static const char *const kernels[] = {"6.12", "6.18"};
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        const int64_t nothing = -VMSIM__L_EFAULT, place = i ? -VMSIM__L_EINVAL : -VMSIM__L_EFAULT;
        start(kernels[i]);
        assert_int_equal(remap(BASE, 4, 4, 3, BASE + 16 * PG), nothing);
        assert_int_equal(remap(BASE, 4, 4, 3, BASE + PG), place);
        assert_int_equal(remap(BASE, 4, 4, 3, BASE + 16 * PG + 2048), place);
        /* what is in the way stays when the call cannot be done */
        vmm_map(mm, BASE, 2, RW, PRIV_ANON);
        vmm_map(mm, BASE + 32 * PG, 4, RW, PRIV_ANON);
        assert_int_equal(remap(BASE, 4, 6, 3, BASE + 32 * PG), -VMSIM__L_EFAULT);
        assert_int_equal(mm->map_count, i ? 2 : 1);
        end();
    }
}

static void mremap_moves_several_mappings_and_the_gaps_between(void **state) {
    static const char *const kernels[] = {"6.12", "6.18"};
    const uint64_t to = BASE + (UINT64_C(1) << 30);
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        start(kernels[i]);
        vmm_map(mm, BASE, 2, RW, PRIV_ANON);
        vmm_map(mm, BASE + 2 * PG, 2, VMSIM__PROT_READ, PRIV_ANON);
        vmm_map(mm, BASE + 6 * PG, 4, RW, PRIV_ANON);
        vmm_touch(mm, BASE, 2, true);
        vmm_touch(mm, BASE + 6 * PG, 4, true);
        assert_int_equal(remap(BASE + PG, 8, 8, 3, to), i ? (int64_t)to : -VMSIM__L_EFAULT);
        if (i) {
            assert_int_equal(mm->map_count, 5); /* one page is left at either end */
            assert_true(vmsim__mm_pagemap(mm, to).flags & VMSIM__PTE_PRESENT);
            assert_int_equal(vmsim__mm_find_vma(mm, to + 3 * PG)->start, to + 5 * PG);
            assert_true(vmsim__mm_pagemap(mm, to + 7 * PG).flags & VMSIM__PTE_PRESENT);
            assert_int_equal(remap(BASE + 2 * PG, 4, 4, 3, BASE), -VMSIM__L_EINVAL);
            assert_int_equal(remap(BASE - PG, 4, 4, 3, to + 64 * PG), -VMSIM__L_EFAULT); /* begins in a hole */
        }
        end();
    }
}

/* Five levels of tables: addresses above 2^47 are for those who ask for them. */
static void only_a_hint_leads_above_the_window(void **state) {
    const uint64_t window = UINT64_C(1) << 47, tib = UINT64_C(1) << 40;
    const unsigned flags = PRIV_ANON | VMSIM__MAP_NORESERVE;
    (void)state;
    vmm_start(&m, &(struct vm_machine_options){.kernel = "6.12", .format = VMSIM__PT_X86_64_LA57});
    mm = vmm_mm(&m);
    assert_in_range(vmsim__mm_mmap(mm, 0, PG, RW, flags, NULL, 0, 0), 1, window);
    assert_int_equal(vmsim__mm_mmap(mm, UINT64_C(0xffffffffff000), PG, RW, flags, NULL, 0, 0),
                     UINT64_C(0xffffffffff000));
    int64_t top = vmsim__mm_mmap(mm, UINT64_C(1) << 56, PG, RW, flags, NULL, 0, 0);
    assert_in_range(top, UINT64_C(1) << 55, UINT64_C(1) << 56);
    assert_in_range(vmsim__mm_mmap(mm, 0, 100 * tib, 0, flags, NULL, 0, 0), 1, window);
    assert_int_equal(vmsim__mm_mmap(mm, 0, 100 * tib, 0, flags, NULL, 0, 0), -VMSIM__L_ENOMEM);
    assert_int_equal(vmsim__mm_mmap(mm, 2 * window, 100 * tib, 0, flags, NULL, 0, 0), 2 * window);
    /* a hint below the border for what would cross it is as good as none */
    assert_in_range(vmsim__mm_mmap(mm, window - 2 * PG, 4 * PG, RW, flags, NULL, 0, 0), 1, window);
    vmm_touch(mm, UINT64_C(0xffffffffff000), 1, true);
    vmm_touch(mm, (uint64_t)top, 1, true);
    int e;
    struct vmsim__mm *child = vmsim__mm_fork(mm, 0, &e);
    assert_true(vmsim__mm_pagemap(child, (uint64_t)top).flags & VMSIM__PTE_PRESENT);
    vmsim__mm_put(child, 0);
    end();
}

/* Mappings of whole huge pages begin with one since 6.7, when they are private, nobody asked for a place, and however
 * their pages are numbered. */
static void only_private_memory_begins_with_a_huge_page(void **state) {
    static const char *const kernels[] = {"6.1", "6.18"};
    const uint64_t huge = 512 * PG;
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        start(kernels[i]);
        const uint64_t top = mm->mmap_base;
        const int64_t page = vmsim__mm_mmap(mm, 0, PG, RW, PRIV_ANON, NULL, 0, 0);
        assert_int_equal(page, top - PG);
        const int64_t shared = vmsim__mm_mmap(mm, 0, 2 * huge, RW, SHARED_ANON, NULL, 0, 0);
        assert_int_equal(shared, page - (int64_t)(2 * huge));
        const int64_t hinted = vmsim__mm_mmap(mm, (uint64_t)page, huge, RW, PRIV_ANON, NULL, 0, 0); /* taken */
        assert_int_equal(hinted, shared - (int64_t)huge);
        const int64_t like = (int64_t)vmsim__mm_place_like(mm, BASE, 2 * huge, SHARED_ANON);
        assert_int_equal((uint64_t)like & (huge - 1), BASE & (huge - 1));
        const int64_t grown = remap((uint64_t)hinted, 512, 1024, VMSIM__MREMAP_MAYMOVE, 0);
        const uint64_t below = (uint64_t)hinted - 2 * huge;
        assert_int_equal(grown, i ? vmsim__align_down(below, huge) : below);
        end();
    }
}

/* A segment's mapping does not vanish in another; until 6.3 its border did not move, either. */
static void mappings_of_segments_do_not_vanish(void **state) {
    static const char *const kernels[] = {"6.1", "6.12", "6.18"};
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        start(kernels[i]);
        struct vmsim__file *f = vmsim__file_create(m.cache, VMSIM__FILE_SHMEM, "/SYSV00000001", 8 * PG);
        f->segment = true;
        assert_int_equal(vmsim__mm_mmap(mm, BASE, 8 * PG, RW, VMSIM__MAP_SHARED | VMSIM__MAP_FIXED, f, 0, 0), BASE);
        const uint64_t one = mm->map_count;
        assert_int_equal(vmsim__mm_mprotect(mm, BASE + 2 * PG, 2 * PG, VMSIM__PROT_READ, 0), 0);
        assert_int_equal(mm->map_count, one + 2);
        assert_int_equal(vmsim__mm_mprotect(mm, BASE + 2 * PG, 2 * PG, RW, 0), 0);
        assert_int_equal(mm->map_count, one + 2);
        assert_int_equal(vmsim__mm_mprotect(mm, BASE + 2 * PG, 2 * PG, VMSIM__PROT_READ, 0), 0);
        assert_int_equal(vmsim__mm_mprotect(mm, BASE + 3 * PG, PG, RW, 0), 0);
        assert_int_equal(mm->map_count, i ? one + 2 : one + 3);
        assert_int_equal(vmsim__mm_munmap(mm, BASE, 8 * PG, 0), 0);
        vmsim__file_put(m.cache, f, 0);
        end();
    }
}

/* What getrusage tells lags behind /proc/PID/status by what a CPU keeps to itself. */
static void the_peak_of_getrusage_lags(void **state) {
    struct vmsim__mm_status s;
    (void)state;
    start("6.18");
    vmm_map(mm, BASE, 100, RW, PRIV_ANON);
    vmm_touch(mm, BASE, 70, true);
    vmsim__mm_status(mm, &s);
    assert_int_equal(s.vm_hwm, 70 * 4);
    assert_int_equal(s.max_rss, 64 * 4); /* two batches of 32 */
    end();
    start("6.1");
    vmm_map(mm, BASE, 100, RW, PRIV_ANON);
    vmm_touch(mm, BASE, 70, true);
    vmsim__mm_status(mm, &s);
    assert_int_equal(s.max_rss, s.vm_hwm);
    end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(remove_asks_for_the_right_to_write),
        cmocka_unit_test(population_ends_where_nothing_is_mapped),
        cmocka_unit_test(guards_stop_accesses_until_they_are_taken_away),
        cmocka_unit_test(mremap_says_first_what_is_wrong_with_the_place),
        cmocka_unit_test(mremap_moves_several_mappings_and_the_gaps_between),
        cmocka_unit_test(only_a_hint_leads_above_the_window),
        cmocka_unit_test(only_private_memory_begins_with_a_huge_page),
        cmocka_unit_test(mappings_of_segments_do_not_vanish),
        cmocka_unit_test(the_peak_of_getrusage_lags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
