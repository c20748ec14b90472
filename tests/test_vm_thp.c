/* SPDX-License-Identifier: MIT */
/* Huge pages of anonymous memory: the huge zero page, and what a write makes of it on each kernel. */
#include "vm/thp_policies.h"
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

/* Its entries are base entries by then: 512 to take out, in runs that end where rights differ. */
static void a_split_page_is_unmapped_in_runs_since_6_9(void **state) {
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        start(i ? "6.12" : "6.1");
        vmm_touch(mm, BASE, 1, true);
        assert_int_equal(vmsim__mm_mprotect(mm, BASE + PG, PG, 0, 0), 0);
        assert_int_equal(event(VMSIM__THP_SPLIT_PMD), 1);
        uint64_t taken = vmsim__mem_numa_stat(m.mem, VMSIM__NUMA_HIT);
        vmm_check(&m);
        assert_int_equal(vmsim__mm_madvise(mm, BASE, HUGE_PAGES * PG, VMSIM__MADV_DONTNEED, 0), 0);
        assert_int_equal(vmsim__mem_numa_stat(m.mem, VMSIM__NUMA_HIT) - taken, i ? 0 : 1); /* a frame for a batch */
        assert_int_equal(vmsim__mm_rss(mm, VMSIM__RSS_ANON), 0);
        vmm_check(&m);
        end();
    }
}

/* What asks for the address of a stack gets small pages, which stay where threads come and go. */
static void stacks_of_threads_are_not_huge_since_6_7(void **state) {
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        start(i ? "6.12" : "6.1");
        const uint64_t at = BASE + (UINT64_C(1) << 32);
        vmm_map(mm, at, HUGE_PAGES, RW, PRIV_ANON | VMSIM__MAP_STACK);
        vmm_touch(mm, at, 1, true);
        assert_int_equal(event(VMSIM__THP_FAULT_ALLOC), i ? 0 : 1);
        char text[80];
        vmsim__vma_flags_text(vmsim__mm_find_vma(mm, at), text, sizeof text);
        assert_int_equal(strstr(text, "nh") != NULL, i);
        end();
    }
}

/* What lies in the middle of huge pages goes: the frames come back when the shrinker splits them, the oldest first. */
static void parts_that_nobody_maps_wait_for_the_shrinker(void **state) {
    (void)state;
    for (unsigned i = 0; vmsim__kernel_at(i); i++) {
        start(vmsim__kernel_at(i)->name);
        vmm_touch(mm, BASE, 2 * HUGE_PAGES, true);
        vmsim__lru_drain_all(m.lru);
        vmsim__mm_madvise(mm, BASE + HUGE_PAGES * PG, 100 * PG, VMSIM__MADV_DONTNEED, 0);
        vmsim__mm_madvise(mm, BASE, 30 * PG, VMSIM__MADV_DONTNEED, 0);
        assert_int_equal(event(VMSIM__THP_DEFERRED_SPLIT_PAGE), 2);
        vmm_check(&m);
        const uint64_t before = vmm_unused(&m);
        assert_int_equal(vmsim__thp_shrink(m.vm, 0, 12, 0), 0); /* two of them are too few to look at */
        assert_int_equal(event(VMSIM__SLABS_SCANNED), 0);
        assert_int_equal(vmsim__thp_shrink(m.vm, 0, 0, 0), 2);
        assert_int_equal(event(VMSIM__THP_SPLIT_PAGE), 2);
        vmsim__lru_drain_all(m.lru);
        assert_int_equal(vmm_unused(&m), before + 130);
        assert_int_equal(vmsim__thp_shrink(m.vm, 0, 0, 0), 0);
        end();
    }
}

/* ---- blocks in reserve ---- */

static struct vmsim__policy_registry *policies;
static struct vmsim__thp_choice choice;

static void start_with(const char *policy) {
    static const struct vmsim__policy_domain *const domains[] = {&vmsim__thp_domain};
    struct vmsim__err err = {0};
    const struct vmsim__policy_choice c = {.name = policy};
    start("6.1");
    policies = vmsim__policy_registry_create(m.alloc);
    assert_non_null(policies);
    if (vmsim__policy_domain_add(policies, domains[0], &err) ||
        vmsim__thp_choice_create(&choice, policies, &c, 1, &err))
        fail_msg("%s", err.text);
    vmsim__vm_set_thp_policy(m.vm, &choice);
}

static void end_with(void) {
    vmm_check(&m);
    vmsim__mm_put(mm, 0);
    vmsim__thp_choice_destroy(&choice);
    vmsim__policy_registry_destroy(policies);
    vmm_end(&m);
}

static uint64_t frame_at(uint64_t va) {
    return vmsim__mm_pagemap(mm, va).pfn;
}

static void a_reservation_fills_in_place_and_becomes_huge(void **state) {
    (void)state;
    start_with("reserve");
    vmm_touch(mm, BASE + 7 * PG, 1, true);
    const uint64_t head = frame_at(BASE + 7 * PG) - 7;
    assert_int_equal(head % HUGE_PAGES, 0);
    assert_int_equal(vmsim__mm_rss(mm, VMSIM__RSS_ANON), 1);
    vmm_touch(mm, BASE, HUGE_PAGES - 1, false); /* a read gets its page, too */
    assert_int_equal(event(VMSIM__THP_FAULT_ALLOC), 0);
    assert_int_equal(frame_at(BASE + 100 * PG), head + 100);
    vmm_check(&m);
    vmm_touch(mm, BASE + (HUGE_PAGES - 1) * PG, 1, true);
    assert_int_equal(event(VMSIM__THP_FAULT_ALLOC), 1);
    assert_int_equal(vmsim__mem_node_stat(m.mem, VMSIM__NR_ANON_TRANSPARENT_HUGEPAGES), 1);
    assert_int_equal(frame_at(BASE + 100 * PG), head + 100); /* nothing was copied */
    assert_int_equal(vmsim__mm_rss(mm, VMSIM__RSS_ANON), HUGE_PAGES);
    assert_int_equal(mm->min_flt, HUGE_PAGES);
    end_with();
}

static void short_memory_breaks_the_oldest_reservation(void **state) {
    (void)state;
    start_with("reserve");
    vmm_touch(mm, BASE, 10, true);
    vmm_touch(mm, BASE + HUGE_PAGES * PG, 20, true);
    vmsim__lru_drain_all(m.lru);
    const uint64_t before = vmm_unused(&m);
    assert_int_equal(vmsim__thp_shrink(m.vm, 0, 0, 0), 2);
    vmsim__lru_drain_all(m.lru);
    assert_int_equal(vmm_unused(&m), before + 2 * HUGE_PAGES - 30);
    vmm_touch(mm, BASE, HUGE_PAGES, true); /* base pages from now on */
    assert_int_equal(event(VMSIM__THP_FAULT_ALLOC), 0);
    end_with();
}

static void a_child_copies_what_it_shares_of_a_reservation(void **state) {
    (void)state;
    int error;
    start_with("reserve");
    vmm_touch(mm, BASE, 10, true);
    struct vmsim__mm *child = vmsim__mm_fork(mm, 0, &error);
    assert_non_null(child);
    for (unsigned i = 0; i < 20; i++) {
        assert_true(vmsim__fault_resolved(vmm_access(child, BASE + i * PG, true)));
        assert_true(vmsim__fault_resolved(vmm_access(mm, BASE + i * PG, true)));
    }
    vmm_check(&m);
    vmsim__mm_put(child, 0);
    vmm_touch(mm, BASE, HUGE_PAGES, true);
    end_with();
}

static void never_and_always_overrule_the_advice(void **state) {
    (void)state;
    start_with("never");
    vmsim__mm_madvise(mm, BASE, HUGE_PAGES * PG, VMSIM__MADV_HUGEPAGE, 0);
    vmm_touch(mm, BASE, 1, true);
    assert_int_equal(event(VMSIM__THP_FAULT_ALLOC), 0);
    end_with();
    start_with("always");
    vmsim__mem_thp_set(m.mem, VMSIM__THP_MADVISE);
    vmm_touch(mm, BASE, 1, true);
    assert_int_equal(event(VMSIM__THP_FAULT_ALLOC), 1);
    end_with();
}

/* Freed whole, unmapped whole or collapsed elsewhere: it leaves the queue. */
static void what_is_freed_leaves_the_queue(void **state) {
    (void)state;
    start("6.1");
    vmm_touch(mm, BASE, 2 * HUGE_PAGES, true);
    vmsim__mm_madvise(mm, BASE, PG, VMSIM__MADV_DONTNEED, 0);
    vmsim__mm_madvise(mm, BASE + HUGE_PAGES * PG, PG, VMSIM__MADV_DONTNEED, 0);
    vmsim__mm_munmap(mm, BASE, HUGE_PAGES * PG, 0);
    vmm_check(&m);
    assert_int_equal(vmsim__thp_shrink(m.vm, 0, 0, 0), 1);
    end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_that_nobody_maps_wait_for_the_shrinker),
        cmocka_unit_test(a_reservation_fills_in_place_and_becomes_huge),
        cmocka_unit_test(short_memory_breaks_the_oldest_reservation),
        cmocka_unit_test(a_child_copies_what_it_shares_of_a_reservation),
        cmocka_unit_test(never_and_always_overrule_the_advice),
        cmocka_unit_test(what_is_freed_leaves_the_queue),
        cmocka_unit_test(a_read_maps_the_huge_zero_page),
        cmocka_unit_test(until_6_12_a_write_splits_it),
        cmocka_unit_test(since_6_13_a_write_gets_a_huge_page),
        cmocka_unit_test(without_a_free_huge_page_it_is_split),
        cmocka_unit_test(a_split_page_is_unmapped_in_runs_since_6_9),
        cmocka_unit_test(stacks_of_threads_are_not_huge_since_6_7),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
