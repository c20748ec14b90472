/* SPDX-License-Identifier: MIT */
/* Base pages that become a huge page: contents, counts, what forbids it, and what madvise says. */
#include "vm_swap.h"

#include "vm/collapse.h"

#define HUGE 512u

static struct vm_machine m;
static struct vmsim__mm *mm;
static struct toy_swap swap;
static struct vmsim__collapse limits;

static void start(void) {
    const struct vm_machine_options o = {
        .format = VMSIM__PT_X86_64, .thp = VMSIM__THP_NEVER, .fill = toy_fill, .fill_context = &swap};
    vmm_start(&m, &o);
    toy_start(&swap, &m);
    mm = vmm_mm(&m);
    limits = (struct vmsim__collapse){
        .gfp = VMSIM__GFP_TRANSHUGE, .max_ptes_none = 511, .max_ptes_swap = 64, .max_ptes_shared = 256};
}
static void end(void) {
    vmm_check(&m);
    vmsim__mm_put(mm, 0);
    vmsim__lru_drain_all(m.lru);
    toy_end(&swap);
    vmm_end(&m);
}
static vmsim__pfn page_at(struct vmsim__mm *of, uint64_t va) {
    struct vmsim__pte pte = vmsim__mm_pagemap(of, va);
    return pte.flags & VMSIM__PTE_PRESENT && !(pte.flags & VMSIM__PTE_SPECIAL) ? (vmsim__pfn)pte.pfn : VMSIM__PFN_NONE;
}
static uint64_t event(enum vmsim__event_stat e) {
    return m.mem->event[e];
}
/* `pages` of the range's pages are there, each with a tag. */
static struct vmsim__vma *range_with(uint64_t va, unsigned pages) {
    vmm_map(mm, va, HUGE, RW, PRIV_ANON);
    for (unsigned i = 0; i < pages; i++) {
        vmm_touch(mm, va + i * PG, 1, true);
        swap.tag[page_at(mm, va + i * PG)] = i + 1;
    }
    vmsim__lru_drain_all(m.lru);
    return vmsim__vma_find(mm, va);
}

static void pages_become_one_with_their_contents(void **state) {
    (void)state;
    start();
    struct vmsim__vma *v = range_with(BASE, 300);
    vmm_touch(mm, BASE + 400 * PG, 1, false); /* the zero page */
    const uint64_t tables = mm->pgtables_bytes;
    assert_int_equal(vmsim__collapse(v, BASE, &limits), VMSIM__COLLAPSE_DONE);
    vmm_check(&m);
    const vmsim__pfn head = page_at(mm, BASE);
    assert_true(vmsim__frame_is(vmsim__vm_frame(m.vm, head), VMSIM__FRAME_HEAD) && !(head & (HUGE - 1)));
    for (unsigned i = 0; i < HUGE; i++) {
        assert_int_equal(page_at(mm, BASE + i * PG), head + i);
        assert_int_equal(swap.tag[head + i], i < 300 ? i + 1 : 0);
    }
    assert_int_equal(vmsim__mm_rss(mm, VMSIM__RSS_ANON), HUGE);
    assert_int_equal(mm->pgtables_bytes, tables);
    assert_int_equal(vmsim__mem_node_stat(m.mem, VMSIM__NR_ANON_TRANSPARENT_HUGEPAGES), 1);
    assert_int_equal(event(VMSIM__THP_COLLAPSE_ALLOC), 1);
    assert_int_equal(vmsim__collapse(v, BASE, &limits), VMSIM__COLLAPSE_IS_HUGE);
    /* it is a huge page like others: a part of it goes, and it is split */
    assert_int_equal(vmsim__mm_munmap(mm, BASE + 10 * PG, PG, 0), 0);
    assert_int_equal(event(VMSIM__THP_SPLIT_PMD), 1);
    assert_int_equal(swap.tag[page_at(mm, BASE + 11 * PG)], 12);
    end();
}

static void limits_are_kept_and_counted(void **state) {
    (void)state;
    start();
    struct vmsim__vma *v = range_with(BASE, 300);
    limits.max_ptes_none = 211;
    assert_int_equal(vmsim__collapse(v, BASE, &limits), VMSIM__COLLAPSE_REFUSED);
    assert_int_equal(event(VMSIM__THP_SCAN_EXCEED_NONE_PTE), 1);
    limits.max_ptes_none = 212;
    int e;
    struct vmsim__mm *child = vmsim__mm_fork(mm, 0, &e);
    vmsim__lru_drain_all(m.lru);
    assert_int_equal(vmsim__collapse(v, BASE, &limits), VMSIM__COLLAPSE_REFUSED);
    assert_int_equal(event(VMSIM__THP_SCAN_EXCEED_SHARE_PTE), 1);
    limits.max_ptes_shared = 300;
    assert_int_equal(vmsim__collapse(v, BASE, &limits), VMSIM__COLLAPSE_REFUSED); /* nothing is writable after a fork */
    vmm_touch(mm, BASE, 1, true);
    vmsim__lru_drain_all(m.lru);
    assert_int_equal(vmsim__collapse(v, BASE, &limits), VMSIM__COLLAPSE_DONE);
    assert_int_equal(swap.tag[page_at(child, BASE + 5 * PG)], 6); /* its own still */
    assert_true(page_at(child, BASE + 5 * PG) != page_at(mm, BASE + 5 * PG));
    vmsim__mm_put(child, 0);
    end();
}

static void busy_pages_and_unused_ones_stay(void **state) {
    (void)state;
    start();
    struct vmsim__vma *v = range_with(BASE, 20);
    vmsim__folio_get(m.lru, page_at(mm, BASE + 7 * PG));
    assert_int_equal(vmsim__collapse(v, BASE, &limits), VMSIM__COLLAPSE_BUSY);
    vmsim__folio_put(m.lru, page_at(mm, BASE + 7 * PG), 0);
    struct vmsim__referenced r = {0};
    for (unsigned i = 0; i < 20; i++)
        vmsim__folio_referenced(m.vm, page_at(mm, BASE + i * PG), &r, 0);
    assert_int_equal(vmsim__collapse(v, BASE, &limits), VMSIM__COLLAPSE_REFUSED); /* nobody uses them */
    limits.forced = true;
    assert_int_equal(vmsim__collapse(v, BASE, &limits), VMSIM__COLLAPSE_DONE);
    end();
}

static void what_is_in_swap_comes_back_first(void **state) {
    (void)state;
    start();
    struct vmsim__vma *v = range_with(BASE, 400);
    for (unsigned i = 0; i < 30; i++)
        assert_true(toy_evict(&swap, page_at(mm, BASE + i * PG)));
    limits.max_ptes_swap = 29;
    assert_int_equal(vmsim__collapse(v, BASE, &limits), VMSIM__COLLAPSE_REFUSED);
    assert_int_equal(event(VMSIM__THP_SCAN_EXCEED_SWAP_PTE), 1);
    limits.max_ptes_swap = 30;
    enum vmsim__collapse_result o = vmsim__collapse(v, BASE, &limits);
    vmsim__lru_drain_all(m.lru); /* pages that have just come are in a batch */
    if (o == VMSIM__COLLAPSE_BUSY)
        o = vmsim__collapse(v, BASE, &limits);
    assert_int_equal(o, VMSIM__COLLAPSE_DONE);
    assert_true(swap.reads >= 30);
    for (unsigned i = 0; i < 400; i++)
        assert_int_equal(swap.tag[page_at(mm, BASE + i * PG)], i + 1);
    end();
}

static void madvise_collapses_and_says_what_it_could_not(void **state) {
    (void)state;
    start();
    range_with(BASE, 512);
    range_with(BASE + HUGE * PG, 1);
    assert_int_equal(vmsim__mm_madvise(mm, BASE, 2 * HUGE * PG, VMSIM__MADV_COLLAPSE, 0), 0);
    assert_int_equal(event(VMSIM__THP_COLLAPSE_ALLOC), 2);
    assert_int_equal(vmsim__mm_madvise(mm, BASE, 2 * HUGE * PG, VMSIM__MADV_COLLAPSE, 0), 0); /* they are there */
    range_with(BASE + 8 * HUGE * PG, 3);
    const vmsim__pfn pinned = page_at(mm, BASE + 8 * HUGE * PG);
    vmsim__folio_get(m.lru, pinned);
    assert_int_equal(vmsim__mm_madvise(mm, BASE + 8 * HUGE * PG, HUGE * PG, VMSIM__MADV_COLLAPSE, 0), -VMSIM__L_EAGAIN);
    vmsim__folio_put(m.lru, pinned, 0);
    vmsim__mm_madvise(mm, BASE + 8 * HUGE * PG, HUGE * PG, VMSIM__MADV_NOHUGEPAGE, 0);
    assert_int_equal(vmsim__mm_madvise(mm, BASE + 8 * HUGE * PG, HUGE * PG, VMSIM__MADV_COLLAPSE, 0), -VMSIM__L_EINVAL);
    end();
}

static void contents_survive_random_collapses(void **state) {
    enum { PAGES = 4 * HUGE, KIDS = 2 };
    static uint32_t model[KIDS][PAGES];
    (void)state;
    struct vmsim__rng r = test_rng("collapses");
    start();
    memset(model, 0, sizeof model);
    struct vmsim__mm *of[KIDS] = {mm, NULL};
    uint32_t next = 1;
    vmm_map(mm, BASE, PAGES, RW, PRIV_ANON);
    limits.forced = true;
    for (unsigned step = 0; step < 20000; step++) {
        const unsigned k = (unsigned)vmsim__rng_below(&r, KIDS), i = (unsigned)vmsim__rng_below(&r, PAGES);
        const uint64_t va = BASE + i * PG;
        int e;
        if (!of[k]) {
            of[k] = vmsim__rng_below(&r, 100) ? NULL : vmsim__mm_fork(mm, 0, &e);
            if (of[k])
                memcpy(model[k], model[0], sizeof model[k]);
            continue;
        }
        switch (vmsim__rng_below(&r, 10)) {
        case 0:
        case 1:
        case 2:
        case 3:
            vmm_touch(of[k], va, 1, true);
            swap.tag[page_at(of[k], va)] = model[k][i] = next++;
            break;
        case 4:
        case 5:
            vmm_touch(of[k], va, 1, false);
            if (model[k][i])
                assert_int_equal(swap.tag[page_at(of[k], va)], model[k][i]);
            break;
        case 6:
            vmsim__mm_madvise(of[k], va, PG, VMSIM__MADV_DONTNEED, 0);
            model[k][i] = 0;
            break;
        case 7:
            vmsim__lru_drain_all(m.lru);
            if (page_at(of[k], va) != VMSIM__PFN_NONE)
                toy_evict(&swap, page_at(of[k], va));
            break;
        case 8:
            if (k && !vmsim__rng_below(&r, 200)) {
                vmsim__mm_put(of[k], 0);
                of[k] = NULL;
            }
            break;
        default:
            if (vmsim__rng_below(&r, 20))
                break;
            vmsim__lru_drain_all(m.lru);
            const uint64_t at = BASE + (i & ~(HUGE - 1)) * PG;
            if (vmsim__vma_find(of[k], at)->anon_vma)
                vmsim__collapse(vmsim__vma_find(of[k], at), at, &limits);
            vmm_check(&m);
        }
    }
    assert_true(event(VMSIM__THP_COLLAPSE_ALLOC) > 10);
    for (unsigned k = 1; k < KIDS; k++) {
        if (of[k])
            vmsim__mm_put(of[k], 0);
    }
    end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_become_one_with_their_contents),
        cmocka_unit_test(limits_are_kept_and_counted),
        cmocka_unit_test(busy_pages_and_unused_ones_stay),
        cmocka_unit_test(what_is_in_swap_comes_back_first),
        cmocka_unit_test(madvise_collapses_and_says_what_it_could_not),
        cmocka_unit_test(contents_survive_random_collapses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
