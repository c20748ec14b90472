/* SPDX-License-Identifier: MIT */
/* Memory policies: which node a page is found on, what a mask means, when areas are one; and a real kernel's counts. */
#include "vm_machine.h"

static struct vm_machine m;
static struct vmsim__mm *mm;
static struct vmsim__task_policy task;

static void start(const char *kernel, unsigned nodes, int thp) {
    vmm_start(
        &m,
        &(struct vm_machine_options){
            .kernel = kernel, .format = VMSIM__PT_X86_64, .nodes = nodes, .memory = UINT64_C(512) << 20, .thp = thp});
    mm = vmm_mm(&m);
    memset(&task, 0, sizeof task);
    vmsim__vm_set_policy(m.vm, &task);
}
static void end(void) {
    vmm_check(&m);
    vmsim__mm_put(mm, 0);
    vmm_end(&m);
}
static unsigned node_at(uint64_t va) {
    struct vmsim__pte pte = vmsim__mm_pagemap(mm, va);
    assert_true(pte.flags & VMSIM__PTE_PRESENT);
    return m.mem->zones[vmsim__frame_zone(vmsim__vm_frame(m.vm, (vmsim__pfn)pte.pfn))].node;
}
/* "0101": the nodes of the pages from BASE on. */
static const char *where(unsigned pages) {
    static char text[64];
    for (unsigned i = 0; i < pages; i++)
        text[i] = (char)('0' + node_at(BASE + i * PG));
    text[pages] = 0;
    return text;
}
static int64_t bind(uint64_t pages, unsigned mode, uint64_t nodes) {
    return vmsim__mm_mbind(mm, BASE, pages * PG, mode, nodes, 0, 0);
}
static int64_t set(unsigned mode, uint64_t nodes) {
    return vmsim__vm_set_mempolicy(m.vm, &task, mode, nodes);
}

/* ---- against a capture ---- */

enum { HIT, LOCAL, OTHER, INTERLEAVE, COUNTS };
static const char *const count_names[COUNTS] = {"numa_hit", "numa_local", "numa_other", "numa_interleave"};
static const enum vmsim__numa_stat count_stats[COUNTS] = {VMSIM__NUMA_HIT, VMSIM__NUMA_LOCAL, VMSIM__NUMA_OTHER,
                                                          VMSIM__NUMA_INTERLEAVE};
static int64_t now(unsigned which) {
    return (int64_t)vmsim__mem_numa_stat(m.mem, count_stats[which]);
}
/* The same of one node's DMA32, where all memory of the captured machine lies. */
static int64_t now_of(unsigned node, unsigned which) {
    for (unsigned z = 0; z < m.mem->nr_zones; z++) {
        if (m.mem->zones[z].node == node && m.mem->zones[z].type == VMSIM__ZONE_DMA32)
            return (int64_t)m.mem->zones[z].numa[count_stats[which]];
    }
    fail();
    return 0;
}

struct captured {
    int64_t delta[COUNTS];
    int64_t per_node[2][COUNTS];
};
static struct captured captured[40];

static bool load(void) {
    const char *folder = getenv("VMSIM_GROUNDTRUTH");
    char path[512], line[512], name[64];
    unsigned phase = 0, node;
    long long delta;
    snprintf(path, sizeof path, "%s/workloads/6.1_n2_512M_512M/mempolicy.txt",
             folder && *folder ? folder : VMSIM_SOURCE_DIR "/../shared/groundtruth");
    FILE *f = fopen(path, "r");
    if (!f)
        return false;
    while (fgets(line, sizeof line, f)) {
        sscanf(line, "--- phase %u:", &phase);
        for (unsigned c = 0; c < COUNTS && phase < TEST_COUNT(captured); c++) {
            if (sscanf(line, "vmstat %63s %*d %*d %lld", name, &delta) == 2 && !strcmp(name, count_names[c]))
                captured[phase].delta[c] = delta;
            if (sscanf(line, "zone N%u.DMA32.%63s %*d %*d %lld", &node, name, &delta) == 3 &&
                !strcmp(name, count_names[c]))
                captured[phase].per_node[node][c] = delta;
        }
    }
    fclose(f);
    return true;
}

/* 256 pages under each policy, of the area and then of the task. */
static void counts_are_those_of_a_real_kernel(void **state) {
    static const struct {
        unsigned mode;
        uint64_t nodes;
    } step[] = {{VMSIM__MPOL_DEFAULT, 0},   {VMSIM__MPOL_BIND, 1},          {VMSIM__MPOL_BIND, 2},
                {VMSIM__MPOL_BIND, 3},      {VMSIM__MPOL_PREFERRED, 2},     {VMSIM__MPOL_PREFERRED, 2},
                {VMSIM__MPOL_PREFERRED, 0}, {VMSIM__MPOL_INTERLEAVE, 3},    {VMSIM__MPOL_INTERLEAVE, 2},
                {VMSIM__MPOL_LOCAL, 0},     {VMSIM__MPOL_PREFERRED_MANY, 2}};
    (void)state;
    if (!load())
        skip();
    start("6.1", 2, VMSIM__THP_NEVER);
    for (unsigned n = 0; n < 2 * TEST_COUNT(step); n++) {
        const unsigned i = n % TEST_COUNT(step);
        int64_t before[COUNTS], nodes[2][COUNTS];
        vmm_map(mm, BASE, 256, RW, PRIV_ANON);
        assert_int_equal(
            n < TEST_COUNT(step) ? bind(256, step[i].mode, step[i].nodes) : set(step[i].mode, step[i].nodes), 0);
        for (unsigned c = 0; c < COUNTS; c++) {
            before[c] = now(c);
            nodes[0][c] = now_of(0, c);
            nodes[1][c] = now_of(1, c);
        }
        vmm_touch(mm, BASE, 256, true);
        for (unsigned c = 0; c < COUNTS; c++) {
            if (now(c) - before[c] != captured[n + 1].delta[c])
                fail_msg("phase %u: %s %lld, Linux %lld", n + 1, count_names[c], (long long)(now(c) - before[c]),
                         (long long)captured[n + 1].delta[c]);
            for (unsigned node = 0; node < 2; node++)
                assert_int_equal(now_of(node, c) - nodes[node][c], captured[n + 1].per_node[node][c]);
        }
        assert_int_equal(set(VMSIM__MPOL_DEFAULT, 0), 0);
        assert_int_equal(vmsim__mm_munmap(mm, BASE, 256 * PG, 0), 0);
    }
    end();
}

/* ---- placement ---- */

static void interleaving_goes_by_place_whatever_the_order(void **state) {
    (void)state;
    start("6.1", 4, VMSIM__THP_NEVER);
    vmm_map(mm, BASE, 12, RW, PRIV_ANON);
    assert_int_equal(bind(12, VMSIM__MPOL_INTERLEAVE, 11), 0);
    for (unsigned i = 12; i-- > 0;)
        vmm_touch(mm, BASE + i * PG, 1, true);
    const char *order = where(12); /* of nodes 0, 1 and 3, by page of the address space */
    const uint64_t page = BASE / PG;
    for (unsigned i = 0; i < 12; i++)
        assert_int_equal(order[i], "013"[(page + i) % 3]);
    end();
}

static void tasks_take_turns_for_what_has_no_place(void **state) {
    (void)state;
    start("6.1", 4, VMSIM__THP_NEVER);
    struct vmsim__file *f = vmsim__file_create(m.cache, VMSIM__FILE_REGULAR, "f", 0);
    assert_int_equal(set(VMSIM__MPOL_INTERLEAVE, 14), 0);
    assert_int_equal(vmsim__file_write(m.cache, f, 0, 5 * PG, 0), 5 * PG);
    for (unsigned i = 0; i < 5; i++) {
        const vmsim__pfn pfn = vmsim__file_page(f, i);
        assert_int_equal(m.mem->zones[vmsim__frame_zone(vmsim__vm_frame(m.vm, pfn))].node, 1 + i % 3);
    }
    uint64_t nodes;
    assert_int_equal(vmsim__mm_get_mempolicy(mm, &task, 0, VMSIM__MPOL_F_NODE, &nodes, 0), 3);
    assert_int_equal(vmsim__mm_get_mempolicy(mm, &task, 0, 0, &nodes, 0), VMSIM__MPOL_INTERLEAVE);
    assert_int_equal(nodes, 14);
    vmsim__file_unlink(m.cache, f, 0);
    vmsim__file_put(m.cache, f, 0);
    end();
}

static void weights_say_how_often_a_node_is_taken(void **state) {
    (void)state;
    start("6.1", 2, VMSIM__THP_NEVER);
    assert_int_equal(set(VMSIM__MPOL_WEIGHTED_INTERLEAVE, 3), -VMSIM__L_EINVAL);
    end();
    start("6.12", 2, VMSIM__THP_NEVER);
    m.mem->interleave_weight[0] = 3;
    vmm_map(mm, BASE, 8, RW, PRIV_ANON);
    assert_int_equal(bind(8, VMSIM__MPOL_WEIGHTED_INTERLEAVE, 3), 0);
    vmm_touch(mm, BASE, 8, true);
    assert_string_equal(where(8), "00010001");
    struct vmsim__file *f = vmsim__file_create(m.cache, VMSIM__FILE_REGULAR, "f", 0);
    assert_int_equal(set(VMSIM__MPOL_WEIGHTED_INTERLEAVE, 3), 0);
    assert_int_equal(vmsim__file_write(m.cache, f, 0, 8 * PG, 0), 8 * PG);
    for (unsigned i = 0; i < 8; i++) {
        const vmsim__pfn pfn = vmsim__file_page(f, i);
        assert_int_equal(m.mem->zones[vmsim__frame_zone(vmsim__vm_frame(m.vm, pfn))].node, i % 4 == 3);
    }
    vmsim__file_unlink(m.cache, f, 0);
    vmsim__file_put(m.cache, f, 0);
    end();
}

static void bound_memory_runs_out_and_preferred_does_not(void **state) {
    (void)state;
    for (unsigned bound = 0; bound < 2; bound++) {
        start("6.1", 2, VMSIM__THP_NEVER);
        const uint64_t pages = (UINT64_C(600) << 20) / PG;
        vmm_map(mm, BASE, pages, RW, PRIV_ANON);
        assert_int_equal(bind(pages, bound ? VMSIM__MPOL_BIND : VMSIM__MPOL_PREFERRED, 2), 0);
        uint64_t i = 0;
        while (i < pages && vmsim__fault_resolved(vmm_access(mm, BASE + i * PG, true)))
            i++;
        assert_true(bound ? i < pages : i == pages);
        assert_int_equal(node_at(BASE), 1);
        assert_int_equal(node_at(BASE + (i - 1) * PG), bound);
        assert_int_equal(now(OTHER) > 0, true);
        assert_int_equal(vmsim__mem_numa_stat(m.mem, VMSIM__NUMA_MISS) > 0, !bound);
        end();
    }
}

/* ---- every mode, on machines of any size, with full nodes among them, against a model ---- */

#define MODEL_PAGES 70u /* more than nodes */

struct held {
    vmsim__pfn pfn[4096];
    uint8_t order[4096];
    unsigned count;
};

/* Takes all of a node that a request may have. */
static void fill_node(struct held *h, unsigned node) {
    const uint64_t mask = UINT64_C(1) << node;
    for (unsigned order = m.mem->top_order + 1u; order-- > 0;) {
        const struct vmsim__alloc_request rq = {.gfp = VMSIM__GFP_HIGHUSER_MOVABLE & ~VMSIM__GFP_DIRECT_RECLAIM,
                                                .order = (uint8_t)order,
                                                .node = (uint8_t)node,
                                                .nodemask = &mask};
        for (vmsim__pfn pfn; (pfn = vmsim__mem_alloc(m.mem, &rq)) != VMSIM__PFN_NONE; h->count++) {
            assert_true(h->count < TEST_COUNT(h->pfn));
            h->pfn[h->count] = pfn;
            h->order[h->count] = (uint8_t)order;
        }
    }
}

/* The nearest node of the mask, seen from `from`, that has room; -1: none. */
static int nearest(unsigned from, uint64_t mask, uint64_t full) {
    const struct vmsim__node *n = &m.mem->nodes[from];
    for (unsigned i = 0; i < n->order_count; i++) {
        if (mask >> n->order[i] & 1 && !(full >> n->order[i] & 1))
            return n->order[i];
    }
    return -1;
}

static unsigned nth(uint64_t mask, uint64_t n) {
    for (n %= (uint64_t)__builtin_popcountll(mask); n; n--)
        mask &= mask - 1;
    return (unsigned)__builtin_ctzll(mask);
}

/* Where a page of the area goes; the task is on node 0. -1: nowhere. */
static int model_node(unsigned mode, uint64_t mask, uint64_t full, uint64_t page) {
    switch (mode) {
    case VMSIM__MPOL_BIND:
        return nearest(0, mask, full);
    case VMSIM__MPOL_PREFERRED:
        return nearest((unsigned)__builtin_ctzll(mask), UINT64_MAX, full);
    case VMSIM__MPOL_PREFERRED_MANY:
        return nearest(0, mask, full) >= 0 ? nearest(0, mask, full) : nearest(0, UINT64_MAX, full);
    case VMSIM__MPOL_INTERLEAVE:
    case VMSIM__MPOL_WEIGHTED_INTERLEAVE: /* all weights are 1 */
        return nearest(nth(mask, page), UINT64_MAX, full);
    default:
        return nearest(0, UINT64_MAX, full);
    }
}

static void place_and_compare(unsigned nodes, struct vmsim__rng *r, uint64_t full) {
    const uint64_t all = nodes == 64 ? UINT64_MAX : (UINT64_C(1) << nodes) - 1;
    for (unsigned mode = 0; mode < VMSIM__MPOL_MODES; mode++) {
        uint64_t mask = vmsim__rng_next(r) & all;
        mask = mask ? mask : all;
        vmm_map(mm, BASE, MODEL_PAGES, RW, PRIV_ANON);
        const bool none = mode == VMSIM__MPOL_DEFAULT || mode == VMSIM__MPOL_LOCAL;
        assert_int_equal(bind(MODEL_PAGES, mode, none ? 0 : mask), 0);
        for (unsigned i = 0; i < MODEL_PAGES; i++) {
            const int node = model_node(mode, mask, full, BASE / PG + i);
            const bool got = vmsim__fault_resolved(vmm_access(mm, BASE + i * PG, true));
            assert_int_equal(got, node >= 0);
            if (got)
                assert_int_equal(node_at(BASE + i * PG), node);
        }
        assert_int_equal(vmsim__mm_munmap(mm, BASE, MODEL_PAGES * PG, 0), 0);
    }
}

static void every_mode_places_as_a_model_says_on_any_number_of_nodes(void **state) {
    static const unsigned sizes[] = {1, 2, 4, 8, 64};
    static struct held h;
    struct vmsim__rng r = test_rng("modes");
    (void)state;
    for (unsigned s = 0; s < TEST_COUNT(sizes); s++) {
        start("6.12", sizes[s], VMSIM__THP_NEVER);
        place_and_compare(sizes[s], &r, 0);
        uint64_t full = 0;
        h.count = 0;
        for (unsigned n = 0; n + 1 < sizes[s]; n += 1 + (unsigned)vmsim__rng_below(&r, sizes[s] / 8 + 1)) {
            fill_node(&h, n); /* the last one has room */
            full |= UINT64_C(1) << n;
        }
        place_and_compare(sizes[s], &r, full);
        while (h.count--)
            vmsim__mem_free(m.mem, h.pfn[h.count], h.order[h.count], 0);
        end();
    }
}

static void huge_pages_follow_policies_too(void **state) {
    (void)state;
    start("6.1", 2, VMSIM__THP_ALWAYS);
    vmm_map(mm, BASE, 2048, RW, PRIV_ANON);
    assert_int_equal(bind(2048, VMSIM__MPOL_INTERLEAVE, 3), 0);
    for (unsigned i = 0; i < 4; i++)
        vmm_touch(mm, BASE + i * 512 * PG, 1, true);
    assert_int_equal(m.mem->event[VMSIM__THP_FAULT_ALLOC], 4);
    const unsigned one = node_at(BASE);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(node_at(BASE + i * 512 * PG), (one + i) % 2);
    assert_int_equal(now(INTERLEAVE), 4); /* allocations, not pages */
    end();
}

static void shared_memory_goes_where_its_area_says(void **state) {
    (void)state;
    start("6.1", 2, VMSIM__THP_NEVER);
    vmm_map(mm, BASE, 8, RW, SHARED_ANON);
    assert_int_equal(bind(8, VMSIM__MPOL_BIND, 2), 0);
    vmm_touch(mm, BASE, 8, true);
    assert_string_equal(where(8), "11111111");
    vmm_map(mm, BASE + 64 * PG, 4, RW, SHARED_ANON);
    vmm_touch(mm, BASE + 64 * PG, 1, true);
    assert_int_equal(node_at(BASE + 64 * PG), 0);
    end();
}

/* ---- the calls ---- */

static void areas_of_different_policies_are_two(void **state) {
    (void)state;
    start("6.1", 2, VMSIM__THP_NEVER);
    vmm_map(mm, BASE, 8, RW, PRIV_ANON);
    assert_int_equal(vmsim__mm_mbind(mm, BASE + 2 * PG, 2 * PG, VMSIM__MPOL_BIND, 2, 0, 0), 0);
    assert_int_equal(mm->map_count, 3);
    vmm_map(mm, BASE + 8 * PG, 2, RW, PRIV_ANON); /* has none: joins the last */
    assert_int_equal(mm->map_count, 3);
    vmm_touch(mm, BASE, 8, true);
    assert_string_equal(where(8), "00110000");
    int e;
    struct vmsim__mm *child = vmsim__mm_fork(mm, 0, &e);
    assert_int_equal(child->map_count, 3);
    uint64_t nodes;
    assert_int_equal(vmsim__mm_get_mempolicy(child, NULL, BASE + 2 * PG, VMSIM__MPOL_F_ADDR, &nodes, 0),
                     VMSIM__MPOL_BIND);
    assert_int_equal(nodes, 2);
    vmsim__mm_put(child, 0);
    const unsigned node_of = VMSIM__MPOL_F_ADDR | VMSIM__MPOL_F_NODE;
    assert_int_equal(vmsim__mm_get_mempolicy(mm, NULL, BASE + 3 * PG, node_of, &nodes, 0), 1);
    assert_int_equal(vmsim__mm_mbind(mm, BASE + 2 * PG, 2 * PG, VMSIM__MPOL_DEFAULT, 0, 0, 0), 0);
    assert_int_equal(mm->map_count, 1);
    end();
}

static void calls_refuse_what_makes_no_sense(void **state) {
    const unsigned fixed = VMSIM__MPOL_F_STATIC_NODES, rel = VMSIM__MPOL_F_RELATIVE_NODES;
    static const struct {
        unsigned mode;
        uint64_t nodes;
        int error;
    } t[] = {{VMSIM__MPOL_BIND, 0, 22},
             {VMSIM__MPOL_BIND, 4, 22}, /* no such node */
             {VMSIM__MPOL_BIND, 6, 0},
             {VMSIM__MPOL_DEFAULT, 1, 22},
             {VMSIM__MPOL_LOCAL, 1, 22},
             {VMSIM__MPOL_INTERLEAVE, 0, 22},
             {VMSIM__MPOL_MODES, 1, 22},
             {VMSIM__MPOL_PREFERRED | VMSIM__MPOL_F_STATIC_NODES, 0, 22},
             {VMSIM__MPOL_BIND | VMSIM__MPOL_F_STATIC_NODES | VMSIM__MPOL_F_RELATIVE_NODES, 1, 22},
             {VMSIM__MPOL_INTERLEAVE | VMSIM__MPOL_F_NUMA_BALANCING, 1, 22},
             {VMSIM__MPOL_BIND | VMSIM__MPOL_F_NUMA_BALANCING, 1, 0}};
    (void)state;
    start("6.1", 2, VMSIM__THP_NEVER);
    vmm_map(mm, BASE, 4, RW, PRIV_ANON);
    for (unsigned i = 0; i < TEST_COUNT(t); i++) {
        assert_int_equal(set(t[i].mode, t[i].nodes), -t[i].error);
        assert_int_equal(bind(4, t[i].mode, t[i].nodes), -t[i].error);
    }
    assert_int_equal(vmsim__mm_mbind(mm, BASE + 1, PG, VMSIM__MPOL_BIND, 1, 0, 0), -VMSIM__L_EINVAL);
    assert_int_equal(vmsim__mm_mbind(mm, BASE, PG, VMSIM__MPOL_BIND, 1, 8, 0), -VMSIM__L_EINVAL);
    assert_int_equal(vmsim__mm_mbind(mm, BASE, 8 * PG, VMSIM__MPOL_BIND, 1, 0, 0), -VMSIM__L_EFAULT);
    assert_int_equal(vmsim__mm_mbind(mm, BASE, 0, VMSIM__MPOL_BIND, 1, 0, 0), 0);
    set(VMSIM__MPOL_DEFAULT, 0);
    vmm_map(mm, BASE + 16 * PG, 2, RW, PRIV_ANON);
    vmm_touch(mm, BASE + 16 * PG, 2, true);
    assert_int_equal(vmsim__mm_mbind(mm, BASE + 16 * PG, 2 * PG, VMSIM__MPOL_BIND, 2, VMSIM__MPOL_MF_STRICT, 0),
                     -VMSIM__L_EIO);
    uint64_t nodes;
    assert_int_equal(set(VMSIM__MPOL_BIND | rel, 2), 0);
    assert_int_equal(vmsim__mm_get_mempolicy(mm, &task, 0, 0, &nodes, 0), (int)(VMSIM__MPOL_BIND | rel));
    assert_int_equal(nodes, 2);
    assert_int_equal(set(VMSIM__MPOL_BIND | fixed, 3), 0);
    assert_int_equal(vmsim__mm_get_mempolicy(mm, &task, BASE, 0, &nodes, 0), -VMSIM__L_EINVAL);
    assert_int_equal(vmsim__mm_get_mempolicy(mm, &task, BASE + 8 * PG, VMSIM__MPOL_F_ADDR, &nodes, 0),
                     -VMSIM__L_EFAULT);
    assert_int_equal(vmsim__mm_get_mempolicy(mm, &task, 0, VMSIM__MPOL_F_NODE, &nodes, 0), -VMSIM__L_EINVAL);
    assert_int_equal(vmsim__mm_get_mempolicy(mm, &task, 0, VMSIM__MPOL_F_MEMS_ALLOWED, &nodes, 0), 0);
    assert_int_equal(nodes, 3);
    end();
}

static void masks_follow_the_nodes_that_may_be_used(void **state) {
    struct vmsim__mempolicy p;
    (void)state;
    start("6.1", 4, VMSIM__THP_NEVER);
    assert_int_equal(vmsim__mempolicy_make(m.mem, VMSIM__MPOL_BIND, 3, 7, &p), 0);
    vmsim__mempolicy_rebind(m.mem, &p, 14);
    assert_int_equal(p.nodes, 6); /* the first two of what there was are the first two of what there is */
    assert_int_equal(vmsim__mempolicy_make(m.mem, VMSIM__MPOL_BIND | VMSIM__MPOL_F_STATIC_NODES, 3, 7, &p), 0);
    vmsim__mempolicy_rebind(m.mem, &p, 14);
    assert_int_equal(p.nodes, 2);
    vmsim__mempolicy_rebind(m.mem, &p, 8);
    assert_int_equal(p.nodes, 8); /* nothing of it is left: all that may be used */
    assert_int_equal(vmsim__mempolicy_make(m.mem, VMSIM__MPOL_BIND | VMSIM__MPOL_F_RELATIVE_NODES, 0x21, 14, &p), 0);
    assert_int_equal(p.nodes, 2 | 8); /* the first and, in a circle of three, the sixth */
    vmsim__mempolicy_rebind(m.mem, &p, 3);
    assert_int_equal(p.nodes, 3);
    end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_those_of_a_real_kernel),
        cmocka_unit_test(interleaving_goes_by_place_whatever_the_order),
        cmocka_unit_test(tasks_take_turns_for_what_has_no_place),
        cmocka_unit_test(weights_say_how_often_a_node_is_taken),
        cmocka_unit_test(bound_memory_runs_out_and_preferred_does_not),
        cmocka_unit_test(every_mode_places_as_a_model_says_on_any_number_of_nodes),
        cmocka_unit_test(huge_pages_follow_policies_too),
        cmocka_unit_test(shared_memory_goes_where_its_area_says),
        cmocka_unit_test(areas_of_different_policies_are_two),
        cmocka_unit_test(calls_refuse_what_makes_no_sense),
        cmocka_unit_test(masks_follow_the_nodes_that_may_be_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
