/* SPDX-License-Identifier: MIT */
/* Huge pages of anonymous memory: the huge zero page, and what a write makes of it on each kernel. */
#include "vm_machine.h"

#define HUGE_PAGES UINT64_C(512)

static struct vm_machine m;
static struct vmsim__mm *mm;

static void start(const char *kernel) {
    vmm_start(&m,
              &(struct vm_machine_options){
                  .kernel = kernel, .format = VMSIM__PT_X86_64, .thp = VMSIM__THP_ALWAYS, .memory = UINT64_C(1) << 30});
    mm = vmm_mm(&m);
    vmm_map(mm, BASE, 2 * HUGE_PAGES, RW, PRIV_ANON);
}

static void end(void) {
    vmm_check(&m);
    vmsim__mm_put(mm, 0);
    vmm_end(&m);
}

static uint64_t event(unsigned e) {
    return m.mem->event[e];
}

static void a_read_maps_the_huge_zero_page(void **state) {
    (void)state;
    for (unsigned i = 0; vmsim__kernel_at(i); i++) {
        start(vmsim__kernel_at(i)->name);
        vmm_touch(mm, BASE, 2 * HUGE_PAGES, false);
        assert_int_equal(event(VMSIM__THP_ZERO_PAGE_ALLOC), 1);
        assert_int_equal(event(VMSIM__THP_FAULT_ALLOC), 0);
        assert_int_equal(vmsim__mm_rss(mm, VMSIM__RSS_ANON), 0);
        end();
    }
}

static void until_6_12_a_write_splits_it(void **state) {
    static const char *const kernels[] = {"6.1", "6.12"};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(kernels); i++) {
        start(kernels[i]);
        vmm_touch(mm, BASE, 1, false);
        vmm_touch(mm, BASE + PG, 1, true);
        assert_int_equal(event(VMSIM__THP_SPLIT_PMD), 1);
        assert_int_equal(event(VMSIM__THP_FAULT_ALLOC), 0);
        assert_int_equal(vmsim__mm_rss(mm, VMSIM__RSS_ANON), 1);
        end();
    }
}

static void since_6_13_a_write_gets_a_huge_page(void **state) {
    (void)state;
    start("6.18");
    vmm_touch(mm, BASE, 1, false);
    uint64_t tables = mm->pt.tables[0], flushes = m.flushes;
    vmm_touch(mm, BASE + PG, 1, true);
    assert_int_equal(event(VMSIM__THP_SPLIT_PMD), 0);
    assert_int_equal(event(VMSIM__THP_FAULT_ALLOC), 1);
    assert_int_equal(vmsim__mm_rss(mm, VMSIM__RSS_ANON), HUGE_PAGES);
    assert_int_equal(mm->pt.tables[0], tables);
    assert_int_equal(m.flushes, flushes + 1); /* no CPU may go on reading zeros */
    vmm_touch(mm, BASE, HUGE_PAGES, true);
    assert_int_equal(event(VMSIM__THP_FAULT_ALLOC), 1);
    end();
}

static void without_a_free_huge_page_it_is_split(void **state) {
    vmsim__pfn taken[600];
    unsigned n = 0;
    (void)state;
    start("6.18");
    vmm_touch(mm, BASE, 1, false);
    struct vmsim__alloc_request rq = {.gfp = VMSIM__GFP_KERNEL | VMSIM__GFP_NOWARN, .order = 10};
    for (; n < TEST_COUNT(taken); n++)
        if ((taken[n] = vmsim__mem_alloc(m.mem, &rq)) == VMSIM__PFN_NONE)
            break;
    unsigned of_10 = n;
    rq.order = 9;
    for (; n < TEST_COUNT(taken); n++)
        if ((taken[n] = vmsim__mem_alloc(m.mem, &rq)) == VMSIM__PFN_NONE)
            break;
    assert_in_range(n, 1, TEST_COUNT(taken) - 1);
    vmm_touch(mm, BASE + PG, 1, true);
    assert_int_equal(event(VMSIM__THP_FAULT_FALLBACK), 1);
    assert_int_equal(event(VMSIM__THP_SPLIT_PMD), 1);
    assert_int_equal(vmsim__mm_rss(mm, VMSIM__RSS_ANON), 1);
    while (n-- > 0)
        vmsim__mem_free(m.mem, taken[n], n < of_10 ? 10 : 9, 0);
    end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_read_maps_the_huge_zero_page),
        cmocka_unit_test(until_6_12_a_write_splits_it),
        cmocka_unit_test(since_6_13_a_write_gets_a_huge_page),
        cmocka_unit_test(without_a_free_huge_page_it_is_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
