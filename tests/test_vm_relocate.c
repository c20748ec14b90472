/* SPDX-License-Identifier: MIT */
/* Pages that calls move between nodes: mbind, migrate_pages, move_pages, the home node; contents follow. And all modes
 * of policies against a reference model, on machines of 1 to 64 nodes. */
#include "vm_swap.h"

static struct vm_machine m;
static struct vmsim__mm *mm;
static struct toy_swap swap;
static struct vmsim__task_policy task;

static void start(const char *kernel, unsigned nodes, int thp, uint64_t memory) {
    const struct vm_machine_options o = {.kernel = kernel,
                                         .format = VMSIM__PT_X86_64,
                                         .thp = thp,
                                         .nodes = nodes,
                                         .memory = memory,
                                         .fill = nodes > 4 ? NULL : toy_fill,
                                         .fill_context = &swap};
    vmm_start(&m, &o);
    toy_start(&swap, &m);
    mm = vmm_mm(&m);
    memset(&task, 0, sizeof task);
    vmsim__vm_set_policy(m.vm, &task);
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
    assert_true(pte.flags & VMSIM__PTE_PRESENT);
    return (vmsim__pfn)pte.pfn;
}
static unsigned node_at(uint64_t va) {
    return m.mem->zones[vmsim__frame_zone(vmsim__vm_frame(m.vm, page_at(mm, va)))].node;
}
static const char *where(unsigned pages) {
    static char text[64];
    for (unsigned i = 0; i < pages; i++)
        text[i] = (char)('0' + node_at(BASE + i * PG));
    text[pages] = 0;
    return text;
}
/* `pages` pages at BASE on node 0, each with contents of its own. */
static void fill_pages(unsigned pages) {
    vmm_map(mm, BASE, pages, RW, PRIV_ANON);
    vmm_touch(mm, BASE, pages, true);
    for (unsigned i = 0; i < pages; i++)
        swap.tag[page_at(mm, BASE + i * PG)] = 100 + i;
}
static void contents_are_there(unsigned pages) {
    for (unsigned i = 0; i < pages; i++)
        assert_int_equal(swap.tag[page_at(mm, BASE + i * PG)], 100 + i);
}
static int64_t bind(uint64_t pages, unsigned mode, uint64_t nodes, unsigned flags) {
    return vmsim__mm_mbind(mm, BASE, pages * PG, mode, nodes, flags, 0);
}

static void mbind_takes_pages_along(void **state) {
    (void)state;
    start("6.1", 2, VMSIM__THP_NEVER, 0);
    fill_pages(8);
    assert_int_equal(bind(8, VMSIM__MPOL_BIND, 2, VMSIM__MPOL_MF_STRICT), -VMSIM__L_EIO);
    assert_int_equal(bind(8, VMSIM__MPOL_BIND, 2, 0), 0);
    assert_string_equal(where(8), "00000000");
    assert_int_equal(bind(8, VMSIM__MPOL_BIND, 2, VMSIM__MPOL_MF_MOVE), 0);
    assert_string_equal(where(8), "11111111");
    assert_int_equal(m.mem->event[VMSIM__PGMIGRATE_SUCCESS], 8);
    assert_int_equal(bind(4, VMSIM__MPOL_INTERLEAVE, 3, VMSIM__MPOL_MF_MOVE), 0);
    assert_string_equal(where(8), "11111111"); /* each lies on one of the nodes */
    assert_int_equal(bind(4, VMSIM__MPOL_PREFERRED, 1, VMSIM__MPOL_MF_MOVE), 0);
    assert_string_equal(where(8), "00001111");
    assert_int_equal(bind(8, VMSIM__MPOL_DEFAULT, 0, VMSIM__MPOL_MF_MOVE), 0);
    assert_string_equal(where(8), "00000000");
    contents_are_there(8);
    end();
}

static void pages_of_others_stay_unless_all_are_meant(void **state) {
    static const char *const kernels[] = {"6.1", "6.12"};
    (void)state;
    for (unsigned k = 0; k < 2; k++) {
        int e;
        start(kernels[k], 2, VMSIM__THP_NEVER, 0);
        fill_pages(4);
        struct vmsim__mm *child = vmsim__mm_fork(mm, 0, &e);
        assert_int_equal(bind(4, VMSIM__MPOL_BIND, 2, VMSIM__MPOL_MF_MOVE), 0);
        assert_string_equal(where(4), "0000");
        assert_int_equal(bind(4, VMSIM__MPOL_BIND, 2, VMSIM__MPOL_MF_MOVE | VMSIM__MPOL_MF_STRICT),
                         k ? -VMSIM__L_EIO : 0);
        mm->privileged = false;
        assert_int_equal(bind(4, VMSIM__MPOL_BIND, 2, VMSIM__MPOL_MF_MOVE_ALL), -VMSIM__L_EPERM);
        mm->privileged = true;
        assert_int_equal(bind(4, VMSIM__MPOL_BIND, 2, VMSIM__MPOL_MF_MOVE_ALL), 0);
        assert_string_equal(where(4), "1111");
        for (unsigned i = 0; i < 4; i++)
            assert_int_equal(page_at(child, BASE + i * PG), page_at(mm, BASE + i * PG));
        contents_are_there(4);
        vmsim__mm_put(child, 0);
        end();
    }
}

static void nodes_are_taken_over_pairwise(void **state) {
    (void)state;
    start("6.1", 4, VMSIM__THP_NEVER, 0);
    fill_pages(8);
    assert_int_equal(bind(8, VMSIM__MPOL_INTERLEAVE, 15, 0), 0);
    for (unsigned n = 1; n < 4; n++)
        assert_int_equal(
            vmsim__mm_mbind(mm, BASE + 2 * n * PG, 2 * PG, VMSIM__MPOL_BIND, UINT64_C(1) << n, VMSIM__MPOL_MF_MOVE, 0),
            0);
    assert_string_equal(where(8), "00112233");
    assert_int_equal(vmsim__mm_migrate_pages(mm, 3, 12, true, 0), 0); /* onto what is there: nothing wanders on */
    assert_string_equal(where(8), "22332233");
    assert_int_equal(vmsim__mm_migrate_pages(mm, 12, 6, true, 0), 0); /* 3 to 2 would meet 2 to 1 */
    assert_string_equal(where(8), "11221122");
    assert_int_equal(vmsim__mm_migrate_pages(mm, 6, 7, true, 0), 0); /* masks of two sizes: what lies in both stays */
    assert_string_equal(where(8), "11221122");
    assert_int_equal(vmsim__mm_migrate_pages(mm, 15, 1, true, 0), 0);
    assert_string_equal(where(8), "00000000");
    assert_int_equal(vmsim__mm_migrate_pages(mm, 1, 32, true, 0), -VMSIM__L_EINVAL);
    assert_int_equal(vmsim__mm_migrate_pages(mm, 0, 2, true, 0), 0);
    contents_are_there(8);
    end();
}

static void each_page_has_a_status(void **state) {
    (void)state;
    static const char *const kernels[] = {"6.1", "6.12"};
    for (unsigned k = 0; k < 2; k++) {
        start(kernels[k], 2, VMSIM__THP_NEVER, 0);
        fill_pages(4);
        vmm_map(mm, BASE + 64 * PG, 2, RW, PRIV_ANON);
        vmm_touch(mm, BASE + 65 * PG, 1, false); /* the zero page */
        const uint64_t at[6] = {BASE, BASE + PG, BASE + 64 * PG, BASE + 65 * PG, BASE + 500 * PG, BASE + 2 * PG};
        int32_t status[6], node[6] = {0, 1, 0, 0, 0, 1};
        const struct vmsim__move_pages ask = {6, at, NULL, status, true, 0}, mp = {6, at, node, status, true, 0};
        const int hole = k ? -VMSIM__L_ENOENT : -VMSIM__L_EFAULT;
        assert_int_equal(vmsim__mm_move_pages(mm, &ask, 0, 0), 0);
        const int32_t asked[6] = {0, 0, hole, -VMSIM__L_EFAULT, -VMSIM__L_EFAULT, 0};
        assert_memory_equal(status, asked, sizeof asked);
        assert_int_equal(vmsim__mm_move_pages(mm, &mp, VMSIM__MPOL_MF_MOVE, 0), 0);
        const int32_t moved[6] = {0, 1, hole, -VMSIM__L_EFAULT, -VMSIM__L_EFAULT, 1};
        assert_memory_equal(status, moved, sizeof moved);
        assert_string_equal(where(4), "0110");
        node[1] = 2;
        assert_int_equal(vmsim__mm_move_pages(mm, &mp, VMSIM__MPOL_MF_MOVE, 0), -VMSIM__L_ENODEV);
        assert_int_equal(vmsim__mm_move_pages(mm, &mp, 1u << 10, 0), -VMSIM__L_EINVAL);
        contents_are_there(4);
        end();
    }
}

static void huge_pages_are_moved_too(void **state) {
    (void)state;
    start("6.1", 2, VMSIM__THP_ALWAYS, UINT64_C(512) << 20);
    vmm_map(mm, BASE, 512, RW, PRIV_ANON);
    vmm_touch(mm, BASE, 1, true);
    assert_int_equal(m.mem->event[VMSIM__THP_FAULT_ALLOC], 1);
    assert_int_equal(bind(512, VMSIM__MPOL_BIND, 2, VMSIM__MPOL_MF_MOVE), 0);
    for (unsigned i = 0; i < 512; i++)
        assert_int_equal(node_at(BASE + i * PG), 1);
    assert_int_equal(m.mem->event[VMSIM__PGMIGRATE_SUCCESS], 512);
    end();
}

static void shared_memory_and_files_move(void **state) {
    (void)state;
    start("6.1", 2, VMSIM__THP_NEVER, 0);
    struct vmsim__file *f = vmsim__file_create(m.cache, VMSIM__FILE_REGULAR, "f", 4 * PG);
    assert_true(vmsim__mm_mmap(mm, BASE, 4 * PG, RW, VMSIM__MAP_SHARED | VMSIM__MAP_FIXED, f, 0, 0) > 0);
    vmm_touch(mm, BASE, 4, true);
    vmm_map(mm, BASE + 4 * PG, 4, RW, SHARED_ANON);
    vmm_touch(mm, BASE + 4 * PG, 4, true);
    assert_int_equal(bind(8, VMSIM__MPOL_BIND, 2, VMSIM__MPOL_MF_MOVE), 0);
    assert_string_equal(where(8), "11111111");
    assert_int_equal(vmsim__file_page(f, 0), page_at(mm, BASE));
    assert_int_equal(vmsim__mm_munmap(mm, BASE, 8 * PG, 0), 0);
    vmsim__file_unlink(m.cache, f, 0);
    vmsim__file_put(m.cache, f, 0);
    end();
}

static void a_search_begins_at_home(void **state) {
    (void)state;
    start("6.1", 4, VMSIM__THP_NEVER, 0);
    vmm_map(mm, BASE, 8, RW, PRIV_ANON);
    assert_int_equal(vmsim__mm_set_home_node(mm, BASE, 8 * PG, 2, 0, 0), -VMSIM__L_ENOENT);
    assert_int_equal(bind(4, VMSIM__MPOL_BIND, 14, 0), 0);
    assert_int_equal(vmsim__mm_set_home_node(mm, BASE, 4 * PG, 2, 0, 0), 0);
    vmm_touch(mm, BASE, 4, true);
    assert_string_equal(where(4), "2222");
    assert_int_equal(bind(4, VMSIM__MPOL_INTERLEAVE, 14, 0), 0);
    assert_int_equal(vmsim__mm_set_home_node(mm, BASE, 4 * PG, 2, 0, 0), -VMSIM__L_EOPNOTSUPP);
    assert_int_equal(vmsim__mm_set_home_node(mm, BASE, 4 * PG, 4, 0, 0), -VMSIM__L_EINVAL);
    assert_int_equal(vmsim__mm_set_home_node(mm, BASE, 4 * PG, 1, 1, 0), -VMSIM__L_EINVAL);
    assert_int_equal(vmsim__mm_set_home_node(mm, BASE + 1, 4 * PG, 1, 0, 0), -VMSIM__L_EINVAL);
    assert_int_equal(vmsim__mm_set_home_node(mm, BASE, 0, 1, 0, 0), 0);
    end();
}

/* ---- the model ---- */

/* The node that the next page must lie on; -1: any of `mask` (memory is there on all of them: the nearest is known only
 * for the CPU's own). `n`: how many pages in turn came before, `index`: page of the address space. */
static int expected(unsigned mode, uint64_t mask, uint64_t index) {
    uint64_t rest = mask;
    switch (mode) {
    case VMSIM__MPOL_INTERLEAVE:
    case VMSIM__MPOL_WEIGHTED_INTERLEAVE: /* all weigh 1 */
        for (uint64_t k = index % (uint64_t)__builtin_popcountll(mask); k; k--)
            rest &= rest - 1;
        return __builtin_ctzll(rest);
    case VMSIM__MPOL_PREFERRED:
        return __builtin_ctzll(mask);
    case VMSIM__MPOL_DEFAULT:
    case VMSIM__MPOL_LOCAL:
        return 0;
    default:
        return mask & 1 ? 0 : -1;
    }
}

static void one_area(struct vmsim__rng *rng, unsigned nodes) {
    const uint64_t all = nodes == 64 ? UINT64_MAX : (UINT64_C(1) << nodes) - 1;
    const unsigned mode = (unsigned)vmsim__rng_below(rng, VMSIM__MPOL_MODES),
                   pages = 1 + (unsigned)vmsim__rng_below(rng, 40);
    uint64_t mask = vmsim__rng_next(rng) & vmsim__rng_next(rng) & all;
    const bool none = mode == VMSIM__MPOL_DEFAULT || mode == VMSIM__MPOL_LOCAL;
    mask = none ? 0 : mask ? mask : 1;
    const bool later = vmsim__rng_below(rng, 2);
    vmm_map(mm, BASE, pages, RW, PRIV_ANON);
    if (later) /* pages that are there, and move */
        vmm_touch(mm, BASE, pages, true);
    assert_int_equal(bind(pages, mode, mask, later ? VMSIM__MPOL_MF_MOVE | VMSIM__MPOL_MF_STRICT : 0), 0);
    for (unsigned i = 0; i < pages; i++) {
        if (!later)
            vmm_touch(mm, BASE + i * PG, 1, true);
        const int node = expected(mode, mask, BASE / PG + i);
        if (later && mask & 1) /* it lay on node 0, which is one of the nodes: it stays */
            assert_int_equal(node_at(BASE + i * PG), 0);
        else if (node >= 0)
            assert_int_equal(node_at(BASE + i * PG), node);
        else
            assert_true(mask >> node_at(BASE + i * PG) & 1);
    }
    assert_int_equal(vmsim__mm_munmap(mm, BASE, pages * PG, 0), 0);
}

static void pages_lie_where_the_model_says(void **state) {
    static const unsigned nodes[] = {1, 2, 4, 8, 64};
    (void)state;
    struct vmsim__rng rng = test_rng("policies");
    for (unsigned n = 0; n < TEST_COUNT(nodes); n++) {
        start("6.12", nodes[n], VMSIM__THP_NEVER, UINT64_C(64) << 20);
        for (unsigned round = 0; round < 60; round++)
            one_area(&rng, nodes[n]);
        end();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mbind_takes_pages_along),       cmocka_unit_test(pages_of_others_stay_unless_all_are_meant),
        cmocka_unit_test(nodes_are_taken_over_pairwise), cmocka_unit_test(each_page_has_a_status),
        cmocka_unit_test(huge_pages_are_moved_too),      cmocka_unit_test(shared_memory_and_files_move),
        cmocka_unit_test(a_search_begins_at_home),       cmocka_unit_test(pages_lie_where_the_model_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
