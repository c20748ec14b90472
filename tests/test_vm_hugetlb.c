/* SPDX-License-Identifier: MIT */
/* Mappings of hugetlb pages: who is promised what, who gets SIGBUS, what becomes of private memory after fork. */
#include "vm/vm_hugetlb.h"
#include "vm_machine.h"

#define HUGE (UINT64_C(2) << 20)
#define GIB (UINT64_C(1) << 30)
#define HUGETLB (PRIV_ANON | VMSIM__MAP_HUGETLB)
#define SHARED_HUGETLB (SHARED_ANON | VMSIM__MAP_HUGETLB)
#define FIXED VMSIM__MAP_FIXED_NOREPLACE

static struct vm_machine m;
static struct vmsim__mm *mm;

static void sysctl(const char *name, const char *value) {
    struct vmsim__err err = {0};
    if (vmsim__mem_sysctl_set(m.mem, name, value, &err))
        fail_msg("%s", err.text);
}

static void start_on(const char *kernel, enum vmsim__pt_format_id format, const char *pages) {
    vmm_start(&m, &(struct vm_machine_options){.kernel = kernel, .format = format, .memory = GIB});
    mm = vmm_mm(&m);
    sysctl("vm.nr_hugepages", pages);
}

static void start(const char *kernel, const char *pages) {
    start_on(kernel, VMSIM__PT_X86_64, pages);
}

static void pool_is(uint64_t total, uint64_t free, uint64_t reserved, uint64_t surplus) {
    const unsigned h = m.mem->default_hstate;
    assert_int_equal(vmsim__hugetlb_total(m.mem, h, VMSIM__MAX_NODES), total);
    assert_int_equal(vmsim__hugetlb_free(m.mem, h, VMSIM__MAX_NODES), free);
    assert_int_equal(m.mem->hstate[h].reserved, reserved);
    assert_int_equal(vmsim__hugetlb_surplus(m.mem, h, VMSIM__MAX_NODES), surplus);
    vmm_check(&m);
}

static void end(void) {
    const unsigned h = m.mem->default_hstate;
    vmm_check(&m);
    vmsim__mm_put(mm, 0);
    assert_int_equal(vmsim__hugetlb_free(m.mem, h, VMSIM__MAX_NODES), vmsim__hugetlb_total(m.mem, h, VMSIM__MAX_NODES));
    vmm_end(&m);
}

static int64_t map(uint64_t pages, unsigned flags) {
    return vmsim__mm_mmap(mm, BASE, pages * HUGE, RW, flags | FIXED, NULL, 0, 0);
}

static struct vmsim__mm *fork_mm(void) {
    int error;
    struct vmsim__mm *child = vmsim__mm_fork(mm, 0, &error);
    assert_non_null(child);
    return child;
}

/* The steps and numbers of captured kernels (workload "hugetlb"). */
static void follows_a_real_kernel(const char *kernel, uint64_t after_dontneed) {
    start(kernel, "8");
    assert_int_equal(map(4, HUGETLB), BASE);
    pool_is(8, 8, 4, 0);
    vmm_access(mm, BASE, true);
    vmm_access(mm, BASE + HUGE, true);
    pool_is(8, 6, 2, 0);
    assert_int_equal(vmm_access(mm, BASE + 2 * HUGE, false), VMSIM__FAULT_MINOR);
    pool_is(8, 5, 1, 0);
    assert_int_equal(mm->min_flt, 3);
    assert_int_equal(vmsim__mm_mmap(mm, 2 * BASE, 5 * HUGE, RW, HUGETLB | FIXED, NULL, 0, 0), -VMSIM__L_ENOMEM);
    pool_is(8, 5, 1, 0);
    assert_int_equal(vmsim__mm_munmap(mm, BASE, HUGE, 0), 0);
    assert_int_equal(vmsim__mm_madvise(mm, BASE + HUGE, HUGE, VMSIM__MADV_DONTNEED, 0), 0);
    pool_is(8, 7, after_dontneed, 0);
    vmsim__mm_munmap(mm, BASE + HUGE, 3 * HUGE, 0);
    pool_is(8, 8, 0, 0);
    end();
}

static void promises_of_captured_kernels(void **state) {
    (void)state;
    follows_a_real_kernel("6.1", 1);
    follows_a_real_kernel("6.12", 2);
}

static void overcommit_makes_surplus_pages(void **state) {
    (void)state;
    start("6.1", "8");
    sysctl("vm.nr_overcommit_hugepages", "4");
    assert_int_equal(map(11, HUGETLB), BASE);
    pool_is(11, 11, 11, 3);
    vmm_touch(mm, BASE, 11 * HUGE / PG, true);
    pool_is(11, 0, 0, 3);
    sysctl("vm.nr_hugepages", "2");
    pool_is(11, 0, 0, 9);
    vmsim__mm_munmap(mm, BASE, 11 * HUGE, 0);
    pool_is(2, 2, 0, 0);
    assert_int_equal(map(20, HUGETLB), -VMSIM__L_ENOMEM);
    pool_is(2, 2, 0, 0);
    end();
}

static void without_promises_the_pool_ends_in_a_sigbus(void **state) {
    (void)state;
    start("6.1", "8");
    assert_int_equal(map(10, HUGETLB | VMSIM__MAP_NORESERVE), BASE);
    pool_is(8, 8, 0, 0);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(vmm_access(mm, BASE + i * HUGE, true), i < 8 ? VMSIM__FAULT_MINOR : VMSIM__FAULT_SIGBUS);
    pool_is(8, 0, 0, 0);
    end();
}

static void a_child_copies_what_is_not_promised_or_gets_a_sigbus(void **state) {
    (void)state;
    start("6.1", "8");
    map(8, HUGETLB);
    vmm_touch(mm, BASE, 7 * HUGE / PG, true);
    struct vmsim__mm *child = fork_mm();
    vmm_check(&m);
    assert_int_equal(vmm_access(child, BASE, true), VMSIM__FAULT_SIGBUS); /* the last page is the parent's */
    assert_int_equal(vmm_access(child, BASE, false), VMSIM__FAULT_SPURIOUS);
    pool_is(8, 1, 1, 0);
    vmsim__mm_put(child, 0);
    sysctl("vm.nr_hugepages", "9");
    child = fork_mm();
    assert_int_equal(vmm_access(child, BASE, true), VMSIM__FAULT_MINOR);
    pool_is(9, 1, 1, 0);
    assert_int_equal(vmm_access(mm, BASE, true), VMSIM__FAULT_MINOR); /* alone again: no copy */
    pool_is(9, 1, 1, 0);
    vmsim__mm_put(child, 0);
    pool_is(9, 2, 1, 0);
    end();
}

static void the_owner_takes_pages_away_from_its_children(void **state) {
    (void)state;
    start("6.1", "8");
    map(8, HUGETLB);
    vmm_touch(mm, BASE, 8 * HUGE / PG, true);
    struct vmsim__mm *child = fork_mm();
    assert_int_equal(child->hugetlb_pages, 8 * 512);
    assert_int_equal(vmm_access(mm, BASE, true), VMSIM__FAULT_MINOR);
    assert_int_equal(child->hugetlb_pages, 7 * 512);
    pool_is(8, 0, 0, 0);
    assert_int_equal(vmm_access(child, BASE, false), VMSIM__FAULT_SIGBUS);
    assert_int_equal(vmm_access(child, BASE + HUGE, false), VMSIM__FAULT_SPURIOUS);
    vmsim__mm_put(child, 0);
    pool_is(8, 0, 0, 0);
    end();
}

static void the_owner_copies_without_touching_its_promises(void **state) {
    (void)state;
    start("6.1", "8");
    map(4, HUGETLB);
    vmm_touch(mm, BASE, HUGE / PG, true);
    pool_is(8, 7, 3, 0);
    struct vmsim__mm *child = fork_mm();
    assert_int_equal(vmm_access(mm, BASE, true), VMSIM__FAULT_MINOR);
    pool_is(8, 6, 3, 0);
    vmsim__mm_put(child, 0);
    pool_is(8, 7, 3, 0);
    end();
}

static void shared_memory_keeps_its_promises_in_the_file(void **state) {
    (void)state;
    start("6.1", "8");
    assert_int_equal(map(4, SHARED_HUGETLB), BASE);
    pool_is(8, 8, 4, 0);
    vmm_access(mm, BASE, true);
    pool_is(8, 7, 3, 0);
    struct vmsim__mm *child = fork_mm();
    assert_int_equal(child->hugetlb_pages, 0); /* found again by faults */
    vmm_access(child, BASE, true);
    vmm_access(child, BASE + HUGE, true);
    pool_is(8, 6, 2, 0);
    vmsim__mm_put(child, 0);
    pool_is(8, 6, 2, 0);
    assert_int_equal(vmsim__mm_madvise(mm, BASE, HUGE, VMSIM__MADV_REMOVE, 0), 0);
    pool_is(8, 7, 2, 0); /* a hole was promised once */
    vmm_access(mm, BASE, true);
    pool_is(8, 6, 2, 0);
    vmsim__mm_munmap(mm, BASE, 4 * HUGE, 0);
    pool_is(8, 8, 0, 0);
    end();
}

static void borders_lie_between_huge_pages(void **state) {
    (void)state;
    start("6.1", "8");
    map(4, HUGETLB);
    vmm_access(mm, BASE, true);
    assert_int_equal(vmsim__mm_munmap(mm, BASE, PG, 0), -VMSIM__L_EINVAL);
    assert_int_equal(vmsim__mm_mprotect(mm, BASE + PG, HUGE, VMSIM__PROT_READ, 0), -VMSIM__L_EINVAL);
    assert_int_equal(vmsim__mm_madvise(mm, BASE + PG, HUGE, VMSIM__MADV_DONTNEED, 0), -VMSIM__L_EINVAL);
    assert_int_equal(vmsim__mm_madvise(mm, BASE, HUGE + PG, VMSIM__MADV_FREE, 0), -VMSIM__L_EINVAL);
    assert_int_equal(vmsim__mm_madvise(mm, BASE, HUGE + PG, VMSIM__MADV_DONTNEED, 0), 0);
    assert_int_equal(mm->hugetlb_pages, 0);
    assert_int_equal(vmsim__mm_mmap(mm, BASE + 8 * HUGE + PG, HUGE, RW, HUGETLB | FIXED, NULL, 0, 0), -VMSIM__L_EINVAL);
    const int64_t one = vmsim__mm_mmap(mm, 0, PG, RW, HUGETLB, NULL, 0, 0); /* a length is rounded up */
    assert_true(one > 0 && !((uint64_t)one & (HUGE - 1)));
    assert_int_equal(vmsim__mm_find_vma(mm, (uint64_t)one)->end - (uint64_t)one, HUGE);
    assert_int_equal(vmsim__mm_mmap(mm, 0, HUGE, RW, HUGETLB | 22u << VMSIM__MAP_HUGE_SHIFT, NULL, 0, 0),
                     -VMSIM__L_EINVAL); /* there are no pages of 4 MiB */
    end();
}

static void protection_is_kept_by_huge_entries(void **state) {
    (void)state;
    start("6.1", "8");
    map(2, HUGETLB);
    vmm_touch(mm, BASE, 2 * HUGE / PG, true);
    assert_int_equal(vmsim__mm_mprotect(mm, BASE, HUGE, VMSIM__PROT_READ, 0), 0);
    assert_int_equal(vmm_access(mm, BASE, true), VMSIM__FAULT_SIGSEGV_ACCERR);
    assert_int_equal(vmsim__mm_mprotect(mm, BASE, HUGE, RW, 0), 0);
    assert_int_equal(vmm_access(mm, BASE, true), VMSIM__FAULT_MINOR);
    pool_is(8, 6, 0, 0);
    end();
}

static void promises_move_with_their_mapping(void **state) {
    (void)state;
    start("6.1", "8");
    map(6, HUGETLB);
    vmm_touch(mm, BASE, 3 * HUGE / PG, true);
    pool_is(8, 5, 3, 0);
    const unsigned how = VMSIM__MREMAP_MAYMOVE | VMSIM__MREMAP_FIXED;
    assert_int_equal(vmsim__mm_mremap(mm, BASE + 2 * HUGE, 2 * HUGE, 2 * HUGE, how, 2 * BASE, 0), 2 * BASE);
    pool_is(8, 5, 3, 0);
    assert_int_equal(vmm_access(mm, 2 * BASE, true), VMSIM__FAULT_SPURIOUS);
    assert_int_equal(vmm_access(mm, 2 * BASE + HUGE, true), VMSIM__FAULT_MINOR);
    pool_is(8, 4, 2, 0);
    assert_int_equal(vmsim__mm_mremap(mm, 2 * BASE, 2 * HUGE, 4 * HUGE, how, 3 * BASE, 0), -VMSIM__L_EINVAL);
    assert_int_equal(vmsim__mm_mremap(mm, 2 * BASE, 2 * HUGE, HUGE, 0, 0, 0), 2 * BASE);
    pool_is(8, 5, 2, 0);
    vmsim__mm_munmap(mm, BASE, 2 * HUGE, 0);
    pool_is(8, 7, 2, 0);
    vmsim__mm_munmap(mm, BASE + 4 * HUGE, 2 * HUGE, 0);
    pool_is(8, 7, 0, 0);
    end();
}

static void smaps_and_status_show_them(void **state) {
    struct vmsim__smaps s;
    struct vmsim__mm_status status;
    (void)state;
    start("6.1", "8");
    map(4, HUGETLB);
    vmm_touch(mm, BASE, 2 * HUGE / PG, true);
    vmsim__mm_rollup(mm, &s);
    assert_int_equal(s.private_hugetlb, 2 * HUGE);
    assert_int_equal(s.rss, 0);
    vmsim__mm_status(mm, &status);
    assert_int_equal(status.hugetlb, 2 * HUGE >> 10);
    struct vmsim__mm *child = fork_mm();
    vmsim__mm_rollup(child, &s);
    assert_int_equal(s.shared_hugetlb, 2 * HUGE);
    assert_string_equal(vmsim__vma_name(mm->first), "/anon_hugepage (deleted)");
    uint64_t resident[64];
    assert_int_equal(vmsim__mm_mincore(mm, BASE, 4 * HUGE, resident, 0), 0);
    assert_true(resident[0] == UINT64_MAX && resident[15] == UINT64_MAX && !resident[16]);
    vmsim__mm_put(child, 0);
    end();
}

static void population_takes_all_pages(void **state) {
    (void)state;
    start("6.1", "8");
    map(5, HUGETLB | VMSIM__MAP_POPULATE);
    pool_is(8, 3, 0, 0);
    assert_int_equal(mm->min_flt, 5);
    end();
}

/* Sizes that are groups of the contiguous hint, and more than the buddy allocator's largest block. */
static void other_sizes_are_mapped_too(void **state) {
    (void)state;
    start_on("6.1", VMSIM__PT_ARM64_4K, "0");
    for (unsigned h = 0; h < m.mem->nr_hstates; h++) {
        const uint64_t bytes = PG << m.mem->hstate[h].order;
        const unsigned how = HUGETLB | vmsim__log2(bytes) << VMSIM__MAP_HUGE_SHIFT;
        vmsim__hugetlb_set(m.mem, h, VMSIM__MAX_NODES, 2, 0);
        const uint64_t total = vmsim__hugetlb_total(m.mem, h, VMSIM__MAX_NODES);
        assert_true(bytes == GIB || total == 2);
        if (!total)
            continue;
        const int64_t at = vmsim__mm_mmap(mm, 0, total * bytes, RW, how, NULL, 0, 0);
        assert_true(at > 0);
        vmm_touch(mm, (uint64_t)at, total * bytes / PG, true);
        assert_int_equal(mm->min_flt, total);
        struct vmsim__mm *child = fork_mm();
        vmm_check(&m);
        vmm_touch(child, (uint64_t)at, 1, false);
        vmsim__mm_put(child, 0);
        vmm_check(&m);
        vmsim__mm_munmap(mm, (uint64_t)at, total * bytes, 0);
        vmsim__hugetlb_set(m.mem, h, VMSIM__MAX_NODES, 0, 0);
        mm->min_flt = 0;
    }
    end();
}

static void gigantic_pages_are_made_of_free_blocks(void **state) {
    (void)state;
    static const char pages[] = "0";
    vmm_start(&m, &(struct vm_machine_options){.kernel = "6.1", .format = VMSIM__PT_RISCV_SV39, .memory = 8 * GIB});
    mm = vmm_mm(&m);
    sysctl("vm.nr_hugepages", pages);
    assert_int_equal(PG << m.mem->hstate[0].order, GIB);
    vmsim__hugetlb_set(m.mem, 0, VMSIM__MAX_NODES, 2, 0);
    assert_int_equal(vmsim__hugetlb_total(m.mem, 0, VMSIM__MAX_NODES), 2);
    const int64_t at = vmsim__mm_mmap(mm, 0, 2 * GIB, RW, HUGETLB | 30u << VMSIM__MAP_HUGE_SHIFT, NULL, 0, 0);
    assert_true(at > 0);
    vmm_touch(mm, (uint64_t)at, 1, true);
    vmm_touch(mm, (uint64_t)at + GIB + 7 * PG, 1, true);
    assert_int_equal(mm->min_flt, 2);
    assert_int_equal(mm->pt.tables[0] + mm->pt.tables[1], 0);
    vmm_check(&m);
    vmsim__mm_munmap(mm, (uint64_t)at, 2 * GIB, 0);
    vmsim__hugetlb_set(m.mem, 0, VMSIM__MAX_NODES, 0, 0);
    vmm_check(&m);
    end();
}

/* ---- random operations ---- */

/* Of a file that all know by name. */
static void random_file_call(struct vmsim__rng *rng, struct vmsim__mm *of, struct vmsim__file *f) {
    const uint64_t at = BASE + vmsim__rng_below(rng, 24) * HUGE, n = 1 + vmsim__rng_below(rng, 6);
    const unsigned shared = vmsim__rng_below(rng, 3) ? VMSIM__MAP_SHARED : VMSIM__MAP_PRIVATE;
    const uint64_t pos = vmsim__rng_below(rng, 8 * 512) * PG;
    switch (vmsim__rng_below(rng, 6)) {
    case 0:
        vmsim__hugetlb_truncate(m.vm, f, vmsim__rng_below(rng, 8) * HUGE, 0);
        break;
    case 1:
        vmsim__hugetlb_fallocate(of, f, 3, pos, n * HUGE);
        break;
    case 2:
        vmsim__hugetlb_fallocate(of, f, (unsigned)vmsim__rng_below(rng, 2), pos, n * HUGE);
        break;
    case 3:
        assert_true(vmsim__hugetlb_read(m.vm, f, pos, n * HUGE) <= (int64_t)f->size);
        break;
    default:
        vmsim__mm_mmap(of, at, n * HUGE, vmsim__rng_below(rng, 4) ? RW : VMSIM__PROT_READ,
                       shared | FIXED | (vmsim__rng_below(rng, 4) ? 0 : VMSIM__MAP_NORESERVE), f,
                       vmsim__rng_below(rng, 8) * HUGE, 0);
    }
}

static void random_call(struct vmsim__rng *rng, struct vmsim__mm *of) {
    const uint64_t at = BASE + vmsim__rng_below(rng, 24) * HUGE, length = (1 + vmsim__rng_below(rng, 6)) * HUGE;
    const unsigned kind = vmsim__rng_below(rng, 2) ? HUGETLB : SHARED_HUGETLB;
    switch (vmsim__rng_below(rng, 9)) {
    case 0:
        vmsim__mm_mmap(of, at, length, RW, kind | FIXED, NULL, 0, 0);
        break;
    case 1:
        vmsim__mm_mmap(of, at, length, RW, kind | FIXED | VMSIM__MAP_NORESERVE, NULL, 0, 0);
        break;
    case 2:
        vmsim__mm_munmap(of, at, length, 0);
        break;
    case 3:
        vmsim__mm_madvise(of, at, length, vmsim__rng_below(rng, 3) ? VMSIM__MADV_DONTNEED : VMSIM__MADV_REMOVE, 0);
        break;
    case 4:
        vmsim__mm_mremap(of, at, HUGE, HUGE, VMSIM__MREMAP_MAYMOVE | VMSIM__MREMAP_FIXED,
                         BASE + vmsim__rng_below(rng, 24) * HUGE, 0);
        break;
    case 5:
        vmsim__mm_mprotect(of, at, length, vmsim__rng_below(rng, 2) ? RW : VMSIM__PROT_READ, 0);
        break;
    default:
        vmm_access(of, at + vmsim__rng_below(rng, 512) * PG, vmsim__rng_below(rng, 2));
    }
}

static void random_operations_keep_the_accounts(void **state) {
    static const char *const kernels[] = {"6.1", "6.12"}, *const sizes[] = {"0", "3", "8", "20"};
    const uint64_t seed = test_seed();
    struct vmsim__rng rng;
    (void)state;
    vmsim__rng_seed(&rng, seed);
    for (unsigned k = 0; k < TEST_COUNT(kernels); k++) {
        struct vmsim__mm *of[4] = {0};
        start(kernels[k], "8");
        struct vmsim__file *f = vmsim__hugetlb_file(m.vm, m.mem->default_hstate, "/huge", 0);
        assert_non_null(f);
        of[0] = mm;
        for (unsigned i = 0; i < 3000; i++) {
            const unsigned who = (unsigned)vmsim__rng_below(&rng, TEST_COUNT(of));
            int error;
            if (!of[who])
                of[who] = vmsim__mm_fork(mm, 0, &error);
            else if (who && !vmsim__rng_below(&rng, 20))
                vmsim__mm_put(of[who], 0), of[who] = NULL;
            else if (!vmsim__rng_below(&rng, 40))
                sysctl(vmsim__rng_below(&rng, 2) ? "vm.nr_hugepages" : "vm.nr_overcommit_hugepages",
                       sizes[vmsim__rng_below(&rng, TEST_COUNT(sizes))]);
            else if (!vmsim__rng_below(&rng, 4))
                random_file_call(&rng, of[who], f);
            else
                random_call(&rng, of[who]);
            if (!(i % 8))
                vmm_check(&m);
        }
        for (unsigned i = 1; i < TEST_COUNT(of); i++) {
            if (of[i])
                vmsim__mm_put(of[i], 0);
        }
        vmm_check(&m);
        vmsim__hugetlb_truncate(m.vm, f, 0, 0);
        end();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(promises_of_captured_kernels),
        cmocka_unit_test(overcommit_makes_surplus_pages),
        cmocka_unit_test(without_promises_the_pool_ends_in_a_sigbus),
        cmocka_unit_test(a_child_copies_what_is_not_promised_or_gets_a_sigbus),
        cmocka_unit_test(the_owner_takes_pages_away_from_its_children),
        cmocka_unit_test(the_owner_copies_without_touching_its_promises),
        cmocka_unit_test(shared_memory_keeps_its_promises_in_the_file),
        cmocka_unit_test(borders_lie_between_huge_pages),
        cmocka_unit_test(protection_is_kept_by_huge_entries),
        cmocka_unit_test(promises_move_with_their_mapping),
        cmocka_unit_test(smaps_and_status_show_them),
        cmocka_unit_test(population_takes_all_pages),
        cmocka_unit_test(other_sizes_are_mapped_too),
        cmocka_unit_test(gigantic_pages_are_made_of_free_blocks),
        cmocka_unit_test(random_operations_keep_the_accounts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
