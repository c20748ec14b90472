/* SPDX-License-Identifier: MIT */
/* Large pages of the orders below a huge entry: which one a fault takes, and what becomes of it afterwards. */
#include "vm_machine.h"

static struct vm_machine m;
static struct vmsim__mm *mm;

/* hugepages-<kb>kB/enabled */
static void enable(unsigned kb, int mode) {
    unsigned i = 0;
    while (16u << i < kb)
        i++;
    m.vm->spec.thp_size[i] = mode;
}
static void start(const char *kernel, unsigned kb) {
    vmm_start(&m, &(struct vm_machine_options){.kernel = kernel, .format = VMSIM__PT_X86_64, .thp = VMSIM__THP_NEVER});
    mm = vmm_mm(&m);
    enable(kb, VMSIM__THP_SIZE_ALWAYS);
}
static void end(void) {
    vmm_check(&m);
    vmsim__mm_put(mm, 0);
    vmm_end(&m);
}
static uint64_t counted(unsigned order, enum vmsim__thp_size_stat s) {
    return vmsim__vm_thp_stat(m.vm, order, s);
}
static vmsim__pfn page_at(uint64_t va) {
    struct vmsim__pte pte = vmsim__mm_pagemap(mm, va);
    assert_true(pte.flags & VMSIM__PTE_PRESENT);
    return (vmsim__pfn)pte.pfn;
}

static void one_fault_maps_a_whole_folio(void **state) {
    (void)state;
    start("6.12", 64);
    vmm_map(mm, BASE, 64, RW, PRIV_ANON);
    assert_int_equal(vmm_touch(mm, BASE, 64, true), 4);
    assert_int_equal(counted(4, VMSIM__THP_ANON_FAULT_ALLOC), 4);
    assert_int_equal(m.mem->event[VMSIM__THP_FAULT_ALLOC], 0); /* of huge entries alone */
    assert_int_equal(vmsim__mm_rss(mm, VMSIM__RSS_ANON), 64);
    assert_int_equal(vmsim__mem_node_stat(m.mem, VMSIM__NR_ANON_PAGES), 64);
    const vmsim__pfn head = page_at(BASE + 16 * PG);
    assert_true(vmsim__frame_is(vmsim__vm_frame(m.vm, head), VMSIM__FRAME_HEAD));
    assert_int_equal(vmsim__folio_order(vmsim__vm_frame(m.vm, head)), 4);
    assert_int_equal(page_at(BASE + 31 * PG), head + 15);
    assert_int_equal(vmsim__vm_frame(m.vm, head)->refcount, 16);
    end();
    start("6.1", 64); /* it has no such switches */
    vmm_map(mm, BASE, 64, RW, PRIV_ANON);
    assert_int_equal(vmm_touch(mm, BASE, 64, true), 64);
    end();
}

static void the_largest_order_that_fits_is_taken(void **state) {
    (void)state;
    start("6.12", 64);
    enable(16, VMSIM__THP_SIZE_ALWAYS);
    vmm_map(mm, BASE + 4 * PG, 28, RW, PRIV_ANON); /* no room for 64 kB below, nor for 16 kB at a page's distance */
    vmm_touch(mm, BASE + 5 * PG, 1, true);
    assert_int_equal(counted(2, VMSIM__THP_ANON_FAULT_ALLOC), 1);
    vmm_touch(mm, BASE + 20 * PG, 1, true);
    assert_int_equal(counted(4, VMSIM__THP_ANON_FAULT_ALLOC), 1);
    vmm_map(mm, BASE + 64 * PG, 16, RW, PRIV_ANON);
    vmm_touch(mm, BASE + 64 * PG, 1, false); /* the zero page is in the way of 64 kB, and of its own 16 */
    vmm_touch(mm, BASE + 70 * PG, 1, true);
    assert_int_equal(counted(2, VMSIM__THP_ANON_FAULT_ALLOC), 2);
    vmm_touch(mm, BASE + 65 * PG, 1, true);
    assert_int_equal(vmsim__mm_rss(mm, VMSIM__RSS_ANON), 4 + 16 + 4 + 1);
    assert_int_equal(counted(4, VMSIM__THP_ANON_FAULT_FALLBACK), 0); /* it was never asked for */
    end();
}

static void switches_say_for_whom(void **state) {
    static const struct {
        int mode, global;
        bool advised, large;
    } t[] = {{VMSIM__THP_SIZE_MADVISE, VMSIM__THP_NEVER, true, true},
             {VMSIM__THP_SIZE_MADVISE, VMSIM__THP_NEVER, false, false},
             {VMSIM__THP_SIZE_INHERIT, VMSIM__THP_NEVER, true, false},
             {VMSIM__THP_SIZE_INHERIT, VMSIM__THP_MADVISE, true, true},
             {VMSIM__THP_SIZE_INHERIT, VMSIM__THP_MADVISE, false, false},
             {VMSIM__THP_SIZE_INHERIT, VMSIM__THP_ALWAYS, false, true},
             {VMSIM__THP_SIZE_NEVER, VMSIM__THP_ALWAYS, true, false}};
    (void)state;
    for (unsigned i = 0; i < TEST_COUNT(t); i++) {
        start("6.12", 64);
        enable(64, t[i].mode);
        enable(2048, VMSIM__THP_SIZE_NEVER);
        m.mem->thp_enabled = (uint8_t)t[i].global;
        vmm_map(mm, BASE, 16, RW, PRIV_ANON);
        if (t[i].advised)
            assert_int_equal(vmsim__mm_madvise(mm, BASE, 16 * PG, VMSIM__MADV_HUGEPAGE, 0), 0);
        vmm_touch(mm, BASE, 1, true);
        assert_int_equal(vmsim__mm_rss(mm, VMSIM__RSS_ANON), t[i].large ? 16 : 1);
        assert_int_equal(vmsim__vma_thp_eligible(mm->first), t[i].large);
        end();
    }
}

static void without_room_the_next_order_is_tried(void **state) {
    vmsim__pfn taken[4096], large[64];
    unsigned n = 0, kept = 0, of_6 = 0;
    (void)state;
    start("6.12", 256);
    enable(16, VMSIM__THP_SIZE_ALWAYS);
    vmm_map(mm, BASE, 64, RW, PRIV_ANON);
    /* all memory in blocks of 128 kB, and every other one given back: none has its buddy; then what else there is */
    struct vmsim__alloc_request rq = {.gfp = VMSIM__GFP_KERNEL | VMSIM__GFP_NOWARN, .order = 5};
    while (n < TEST_COUNT(taken) && (taken[n] = vmsim__mem_alloc(m.mem, &rq)) != VMSIM__PFN_NONE)
        n++;
    for (unsigned i = 0; i < n; i++) {
        if (taken[i] >> 5 & 1)
            vmsim__mem_free(m.mem, taken[i], 5, 0);
        else
            taken[kept++] = taken[i];
    }
    rq = (struct vmsim__alloc_request){.gfp = VMSIM__GFP_TRANSHUGE_LIGHT, .order = 6};
    while (of_6 < TEST_COUNT(large) && (large[of_6] = vmsim__mem_alloc(m.mem, &rq)) != VMSIM__PFN_NONE)
        of_6++;
    assert_true(n < TEST_COUNT(taken) && of_6 < TEST_COUNT(large));
    vmm_touch(mm, BASE, 1, true);
    assert_int_equal(counted(6, VMSIM__THP_ANON_FAULT_FALLBACK), 1);
    assert_int_equal(counted(2, VMSIM__THP_ANON_FAULT_ALLOC), 1);
    while (of_6-- > 0)
        vmsim__folio_put(m.vm->lru, large[of_6], 0);
    while (kept-- > 0)
        vmsim__mem_free(m.mem, taken[kept], 5, 0);
    end();
}

static void fork_shares_and_writes_copy_page_by_page(void **state) {
    (void)state;
    start("6.12", 64);
    vmm_map(mm, BASE, 32, RW, PRIV_ANON);
    vmm_touch(mm, BASE, 32, true);
    const vmsim__pfn head = page_at(BASE);
    int e;
    struct vmsim__mm *child = vmsim__mm_fork(mm, 0, &e);
    assert_int_equal(vmsim__vm_frame(m.vm, head)->refcount, 32);
    vmm_touch(child, BASE + 3 * PG, 1, true);
    assert_int_equal(page_at(BASE + 3 * PG), head + 3);
    assert_int_not_equal(vmsim__mm_pagemap(child, BASE + 3 * PG).pfn, head + 3);
    vmm_check(&m);
    vmsim__mm_put(child, 0);
    const uint64_t reused = m.mem->event[VMSIM__PGREUSE];
    vmm_touch(mm, BASE + 5 * PG, 1, true); /* this kernel copies, though nobody else is left */
    assert_int_equal(m.mem->event[VMSIM__PGREUSE], reused);
    assert_int_not_equal(page_at(BASE + 5 * PG), head + 5);
    end();
}

static void parts_that_go_leave_a_folio_to_be_split(void **state) {
    (void)state;
    start("6.12", 64);
    vmm_map(mm, BASE, 48, RW, PRIV_ANON);
    vmm_touch(mm, BASE, 48, true);
    assert_int_equal(vmsim__mm_munmap(mm, BASE, 16 * PG, 0), 0); /* whole: nothing to split */
    assert_int_equal(counted(4, VMSIM__THP_SPLIT_DEFERRED), 0);
    assert_int_equal(vmsim__mm_madvise(mm, BASE + 20 * PG, 2 * PG, VMSIM__MADV_DONTNEED, 0), 0);
    assert_int_equal(counted(4, VMSIM__THP_SPLIT_DEFERRED), 1);
    assert_int_equal(m.mem->event[VMSIM__THP_DEFERRED_SPLIT_PAGE], 0);
    vmm_check(&m);
    const vmsim__pfn head = page_at(BASE + 16 * PG);
    assert_true(vmsim__thp_split_page(m.vm, head, 0));
    assert_int_equal(counted(4, VMSIM__THP_SPLIT), 1);
    assert_false(vmsim__frame_is(vmsim__vm_frame(m.vm, head), VMSIM__FRAME_HEAD));
    assert_int_equal(page_at(BASE + 17 * PG), head + 1);
    vmm_check(&m);
    vmm_touch(mm, BASE + 16 * PG, 16, true);
    end();
}

static void advice_on_all_of_it_splits_nothing(void **state) {
    (void)state;
    start("6.12", 64);
    vmm_map(mm, BASE, 32, RW, PRIV_ANON);
    vmm_touch(mm, BASE, 32, true);
    assert_int_equal(vmsim__mm_madvise(mm, BASE, 16 * PG, VMSIM__MADV_FREE, 0), 0);
    assert_int_equal(counted(4, VMSIM__THP_SPLIT), 0);
    assert_int_equal(m.mem->event[VMSIM__PGLAZYFREE], 16);
    struct vmsim__smaps s = {0};
    vmsim__mm_rollup(mm, &s);
    assert_int_equal(s.lazyfree, 16 * PG);
    assert_int_equal(vmsim__mm_madvise(mm, BASE + 16 * PG, 3 * PG, VMSIM__MADV_COLD, 0), 0);
    assert_int_equal(counted(4, VMSIM__THP_SPLIT), 1); /* only a part of the second */
    end();
}

static void protections_moves_and_locks(void **state) {
    const uint64_t away = BASE + (UINT64_C(1) << 30) + PG;
    (void)state;
    start("6.12", 64);
    vmm_map(mm, BASE, 64, RW, PRIV_ANON);
    vmm_touch(mm, BASE, 64, true);
    assert_int_equal(vmsim__mm_mprotect(mm, BASE + 8 * PG, 16 * PG, VMSIM__PROT_READ, 0), 0);
    vmm_check(&m);
    assert_int_equal(vmsim__mm_mprotect(mm, BASE + 8 * PG, 16 * PG, RW, 0), 0);
    assert_int_equal(vmm_touch(mm, BASE, 64, true), 0); /* each frame is its owner's alone still */
    assert_int_equal(vmsim__mm_mremap(mm, BASE + 8 * PG, 16 * PG, 16 * PG, 3, away, 0), away);
    vmm_check(&m);
    assert_int_equal(vmsim__mm_mlock(mm, away, 16 * PG, 0, 0), 0);
    assert_int_equal(vmsim__mm_munlock(mm, away, 16 * PG, 0), 0);
    assert_int_equal(vmsim__mm_munmap(mm, away + 4 * PG, 2 * PG, 0), 0);
    end();
}

static void other_page_sizes_have_other_orders(void **state) {
    (void)state;
    vmm_start(&m, &(struct vm_machine_options){
                      .kernel = "6.12", .format = VMSIM__PT_ARM64_16K, .memory = UINT64_C(512) << 20});
    mm = vmm_mm(&m);
    enable(64, VMSIM__THP_SIZE_ALWAYS);
    const uint64_t page = 16384;
    assert_int_equal(vmsim__mm_mmap(mm, BASE, 8 * page, RW, PRIV_ANON | VMSIM__MAP_FIXED_NOREPLACE, NULL, 0, 0), BASE);
    assert_true(vmsim__fault_resolved(vmm_access(mm, BASE, true)));
    assert_int_equal(vmsim__mm_rss(mm, VMSIM__RSS_ANON), 4);
    assert_int_equal(counted(2, VMSIM__THP_ANON_FAULT_ALLOC), 1);
    end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_fault_maps_a_whole_folio),
        cmocka_unit_test(the_largest_order_that_fits_is_taken),
        cmocka_unit_test(switches_say_for_whom),
        cmocka_unit_test(without_room_the_next_order_is_tried),
        cmocka_unit_test(fork_shares_and_writes_copy_page_by_page),
        cmocka_unit_test(parts_that_go_leave_a_folio_to_be_split),
        cmocka_unit_test(advice_on_all_of_it_splits_nothing),
        cmocka_unit_test(protections_moves_and_locks),
        cmocka_unit_test(other_page_sizes_have_other_orders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
