/* SPDX-License-Identifier: MIT */
/* What others see of address spaces: smaps, status and its lag, pagemap, mincore, the reverse map; and what fork hands
 * on. */
#include "vm_machine.h"

static struct vm_machine m;
static struct vmsim__mm *mm;

static void start(const char *kernel) {
    vmm_start(&m, &(struct vm_machine_options){.kernel = kernel, .format = VMSIM__PT_X86_64, .thp = VMSIM__THP_NEVER});
    mm = vmm_mm(&m);
}
static void end(void) {
    vmm_check(&m);
    vmsim__mm_put(mm, 0);
    vmm_end(&m);
}
static struct vmsim__mm *fork_it(void) {
    int e;
    struct vmsim__mm *child = vmsim__mm_fork(mm, 0, &e);
    assert_non_null(child);
    return child;
}

static void shared_pages_are_divided_in_pss(void **state) {
    struct vmsim__smaps s;
    (void)state;
    start(NULL);
    vmm_map(mm, BASE, 6, RW, PRIV_ANON);
    vmm_touch(mm, BASE, 6, true);
    struct vmsim__mm *a = fork_it(), *b = fork_it();
    vmsim__mm_rollup(mm, &s);
    assert_int_equal(s.rss, 6 * PG);
    assert_int_equal(s.pss, 6 * ((PG << 12) / 3)); /* three processes; the fraction is cut a page at a time */
    assert_int_equal(s.shared_dirty, 6 * PG);
    vmm_touch(a, BASE, 3, true);
    vmsim__mm_rollup(a, &s);
    assert_int_equal(s.private_dirty, 3 * PG);
    assert_int_equal(s.shared_dirty, 3 * PG);
    assert_int_equal(s.referenced, 3 * PG); /* a child's entries start old */
    vmsim__mm_put(a, 0);
    vmsim__mm_put(b, 0);
    vmsim__mm_rollup(mm, &s);
    assert_int_equal(s.pss >> 12, 6 * PG);
    end();
}

static void status_lags_behind_by_64_faults(void **state) {
    struct vmsim__mm_status s;
    (void)state;
    start(NULL);
    vmm_map(mm, BASE, 200, RW, PRIV_ANON);
    vmm_touch(mm, BASE, 60, true);
    vmsim__mm_status(mm, &s);
    assert_int_equal(s.vm_rss, 0);
    assert_int_equal(vmsim__mm_rss(mm, VMSIM__RSS_ANON), 60);
    vmm_touch(mm, BASE + 60 * PG, 10, true);
    vmsim__mm_status(mm, &s);
    assert_in_range(s.rss_anon, 60 * 4, 70 * 4);
    assert_int_equal(vmsim__mm_munmap(mm, BASE, PG, 0), 0); /* taking pages away folds everything in */
    vmsim__mm_status(mm, &s);
    assert_int_equal(s.rss_anon, 69 * 4);
    assert_int_equal(s.vm_size, 199 * 4);
    assert_int_equal(s.vm_peak, 200 * 4);
    end();
    start("6.12"); /* per-CPU counters show each page */
    vmm_map(mm, BASE, 200, RW, PRIV_ANON);
    vmm_touch(mm, BASE, 60, true);
    vmsim__mm_status(mm, &s);
    assert_int_equal(s.rss_anon, 60 * 4);
    end();
}

/* A CPU keeps up to 31 pages to itself, which /proc adds up and the peak does not. */
static void the_peak_leaves_out_what_cpus_keep(void **state) {
    struct vmsim__mm_status s;
    (void)state;
    start("6.12");
    vmm_map(mm, BASE, 200, RW, PRIV_ANON);
    vmm_touch(mm, BASE, 60, true);
    vmsim__mm_status(mm, &s);
    assert_int_equal(s.vm_hwm, 60 * 4);
    assert_int_equal(vmsim__mm_munmap(mm, BASE, 200 * PG, 0), 0); /* -60 in one sum */
    vmsim__mm_status(mm, &s);
    assert_int_equal(s.vm_hwm, 32 * 4);
    assert_int_equal(s.vm_rss, 0);
    vmm_map(mm, BASE, 200, RW, PRIV_ANON);
    vmm_touch(mm, BASE, 63, true); /* 28 were kept, and went with the 60: 0 are kept now */
    assert_int_equal(vmsim__mm_munmap(mm, BASE, 200 * PG, 0), 0);
    vmsim__mm_status(mm, &s);
    assert_int_equal(s.vm_hwm, 32 * 4);
    struct vmsim__mm *child = fork_it();
    vmsim__mm_put(child, 0);
    end();
}

static void flags_are_spelled_as_in_smaps(void **state) {
    char text[80];
    (void)state;
    start(NULL);
    vmm_map(mm, BASE, 4, RW, PRIV_ANON);
    vmsim__vma_flags_text(mm->first, text, sizeof text);
    assert_string_equal(text, "rd wr mr mw me ac sd ");
    assert_int_equal(vmsim__mm_mlock(mm, BASE, 4 * PG, 0, 0), 0);
    assert_int_equal(vmsim__mm_madvise(mm, BASE, 4 * PG, VMSIM__MADV_DONTFORK, 0), 0);
    vmsim__vma_flags_text(mm->first, text, sizeof text);
    assert_string_equal(text, "rd wr mr mw me lo dc ac sd ");
    end();
}

static bool count(void *context, struct vmsim__mapping *map) {
    (void)map;
    return --*(unsigned *)context > 0;
}

static unsigned mappers(vmsim__pfn pfn) {
    unsigned left = 10000;
    assert_true(vmsim__rmap_walk(m.vm, pfn, count, &left));
    return 10000 - left;
}

static void the_reverse_map_finds_every_process(void **state) {
    (void)state;
    start(NULL);
    vmm_map(mm, BASE, 4, RW, PRIV_ANON);
    vmm_touch(mm, BASE, 4, true);
    vmsim__pfn pfn = (vmsim__pfn)vmsim__mm_pagemap(mm, BASE + PG).pfn;
    assert_int_equal(mappers(pfn), 1);
    struct vmsim__mm *kids[5];
    for (unsigned i = 0; i < 5; i++)
        kids[i] = fork_it();
    assert_int_equal(mappers(pfn), 6);
    /* a child that moved its mapping is found where it went */
    assert_int_equal(vmsim__mm_mremap(kids[0], BASE, 4 * PG, 4 * PG, 3, BASE + (1 << 30), 0), BASE + (1 << 30));
    assert_int_equal(mappers(pfn), 6);
    vmm_touch(kids[1], BASE + PG, 1, true);
    assert_int_equal(mappers(pfn), 5);
    unsigned three = 3; /* the walk stops when it is told to */
    assert_false(vmsim__rmap_walk(m.vm, pfn, count, &three));
    for (unsigned i = 0; i < 5; i++)
        vmsim__mm_put(kids[i], 0);
    assert_int_equal(mappers(pfn), 1);
    end();
}

/* A page of 512 frames, its entries in pieces: some base, moved away in parts, some in a child. */
static void a_walk_meets_every_part_of_a_compound_page(void **state) {
    const uint64_t huge = UINT64_C(1) << 21, away = BASE + (UINT64_C(1) << 32);
    (void)state;
    vmm_start(&m, &(struct vm_machine_options){
                      .format = VMSIM__PT_X86_64, .thp = VMSIM__THP_ALWAYS, .memory = UINT64_C(1) << 30});
    mm = vmm_mm(&m);
    vmm_map(mm, BASE, 1024, RW, PRIV_ANON);
    vmm_touch(mm, BASE + huge, 1, true);
    vmsim__pfn pfn = (vmsim__pfn)vmsim__mm_pagemap(mm, BASE + huge).pfn;
    assert_int_equal(mappers(pfn), 1); /* one huge entry */
    struct vmsim__mm *child = fork_it();
    assert_int_equal(mappers(pfn), 2);
    /* seven pages of the child go to a place that straddles two tables, and three go away */
    assert_int_equal(vmsim__mm_mremap(child, BASE + huge + 9 * PG, 7 * PG, 7 * PG, 3, away + huge - 3 * PG, 0),
                     away + huge - 3 * PG);
    assert_int_equal(vmsim__mm_munmap(child, BASE + huge + 100 * PG, 3 * PG, 0), 0);
    assert_int_equal(mappers(pfn), 1 + 509);
    assert_int_equal(mappers(pfn + 10), 2); /* of a tail: its own entries, huge ones included */
    assert_int_equal(mappers(pfn + 101), 1);
    assert_int_equal(mappers(pfn + 511), 2);
    vmsim__mm_put(child, 0);
    assert_int_equal(mappers(pfn), 1);
    end();
}

static void generations_of_children_do_not_grow_chains(void **state) {
    (void)state;
    start(NULL);
    vmm_map(mm, BASE, 4, RW, PRIV_ANON);
    vmm_touch(mm, BASE, 4, true);
    for (unsigned i = 0; i < 50; i++) { /* the child lives on, the parent goes */
        struct vmsim__mm *child = fork_it();
        vmsim__mm_put(mm, 0);
        mm = child;
        vmm_touch(mm, BASE, 1, true);
    }
    unsigned links = 0;
    for (const struct vmsim__avc *c = mm->first->chain; c; c = c->same)
        links++;
    assert_in_range(links, 1, 3);
    end();
}

static void cleaning_a_file_page_makes_the_next_write_fault(void **state) {
    (void)state;
    start(NULL);
    struct vmsim__file *f = vmsim__file_create(m.cache, VMSIM__FILE_REGULAR, "/f", 4 * PG);
    assert_true(vmsim__mm_mmap(mm, BASE, 4 * PG, RW, VMSIM__MAP_SHARED | VMSIM__MAP_FIXED, f, 0, 0) > 0);
    vmm_touch(mm, BASE, 4, true);
    vmsim__pfn pfn = (vmsim__pfn)vmsim__mm_pagemap(mm, BASE).pfn;
    m.flushes = 0;
    assert_int_equal(vmsim__page_mkclean(m.vm, pfn, 0), 1);
    assert_int_equal(m.flushes, 1);
    assert_int_equal(vmsim__page_mkclean(m.vm, pfn, 0), 0);
    assert_int_equal(vmm_touch(mm, BASE, 4, true), 1);
    vmsim__file_put(m.cache, f, 0);
    end();
}

static void fork_leaves_out_what_it_is_told_to(void **state) {
    (void)state;
    start(NULL);
    for (uint64_t i = 0; i < 3; i++) {
        vmm_map(mm, BASE + (i << 30), 8, RW, PRIV_ANON);
        vmm_touch(mm, BASE + (i << 30), 8, true);
    }
    assert_int_equal(vmsim__mm_madvise(mm, BASE, 8 * PG, VMSIM__MADV_DONTFORK, 0), 0);
    assert_int_equal(vmsim__mm_madvise(mm, BASE + (1 << 30), 8 * PG, VMSIM__MADV_WIPEONFORK, 0), 0);
    vmm_map(mm, BASE + (UINT64_C(3) << 30), 8, RW, SHARED_ANON);
    vmm_touch(mm, BASE + (UINT64_C(3) << 30), 8, true);
    struct vmsim__mm *child = fork_it();
    assert_int_equal(child->total_vm, 24);
    assert_int_equal(vmm_access(child, BASE, false), VMSIM__FAULT_SIGSEGV_MAPERR);
    assert_int_equal(vmsim__mm_rss(child, VMSIM__RSS_ANON), 8); /* neither the wiped nor the shared ones */
    assert_int_equal(vmsim__mm_rss(child, VMSIM__RSS_SHMEM), 0);
    assert_int_equal(vmm_touch(child, BASE + (UINT64_C(3) << 30), 8, false), 1); /* around the fault */
    assert_int_equal(vmsim__mm_rss(child, VMSIM__RSS_SHMEM), 8);
    vmsim__mm_put(child, 0);
    end();
}

static void mincore_tells_pages_apart(void **state) {
    uint64_t bits[2] = {0, 0};
    (void)state;
    start(NULL);
    vmm_map(mm, BASE, 80, RW, PRIV_ANON);
    vmm_touch(mm, BASE, 1, true);
    vmm_touch(mm, BASE + 70 * PG, 1, false);
    assert_int_equal(vmsim__mm_mincore(mm, BASE, 80 * PG, bits, 0), 0);
    assert_int_equal(bits[0], 1);
    assert_int_equal(bits[1], 64);
    end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shared_pages_are_divided_in_pss),
        cmocka_unit_test(status_lags_behind_by_64_faults),
        cmocka_unit_test(the_peak_leaves_out_what_cpus_keep),
        cmocka_unit_test(flags_are_spelled_as_in_smaps),
        cmocka_unit_test(the_reverse_map_finds_every_process),
        cmocka_unit_test(a_walk_meets_every_part_of_a_compound_page),
        cmocka_unit_test(generations_of_children_do_not_grow_chains),
        cmocka_unit_test(cleaning_a_file_page_makes_the_next_write_fault),
        cmocka_unit_test(fork_leaves_out_what_it_is_told_to),
        cmocka_unit_test(mincore_tells_pages_apart),
    };
    return cmocka_run_group_tests_name("vm_views", tests, NULL, NULL);
}
