/* SPDX-License-Identifier: MIT */
/* Pools of huge pages at run time: promises, surplus pages, sizes that shrink while pages are in use. */
#include "zones_machine.h"

static struct vmsim__mem *machine(struct vmsim__alloc *alloc, unsigned nodes) {
    const uint64_t sizes[] = {GIB, GIB, GIB};
    return zm_pc(alloc, "6.1", nodes, sizes);
}

static vmsim__pfn take(struct vmsim__mem *mem, unsigned node, bool reserved) {
    struct vmsim__alloc_request rq = {.node = (uint16_t)node, .cpu = (uint16_t)node};
    return vmsim__hugetlb_take(mem, mem->default_hstate, &rq, reserved);
}

static void pool_is(const struct vmsim__mem *mem, uint64_t total, uint64_t free, uint64_t reserved, uint64_t surplus) {
    unsigned h = mem->default_hstate;
    assert_int_equal(vmsim__hugetlb_total(mem, h, VMSIM__MAX_NODES), total);
    assert_int_equal(vmsim__hugetlb_free(mem, h, VMSIM__MAX_NODES), free);
    assert_int_equal(mem->hstate[h].reserved, reserved);
    assert_int_equal(vmsim__hugetlb_surplus(mem, h, VMSIM__MAX_NODES), surplus);
    zm_check(mem);
}

/* The steps and numbers of a captured 6.1 (workload "hugetlb"). */
static void the_pool_follows_a_real_kernel(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__mem *mem = machine(alloc, 1);
    unsigned h = mem->default_hstate;
    vmsim__pfn page[11];
    zm_sysctl(mem, "vm.nr_hugepages", "8");
    pool_is(mem, 8, 8, 0, 0);
    assert_int_equal(mem->event[VMSIM__HTLB_BUDDY_ALLOC_SUCCESS], 8);
    assert_true(vmsim__hugetlb_reserve(mem, h, 4, 0)); /* mmap 4 */
    pool_is(mem, 8, 8, 4, 0);
    for (unsigned i = 0; i < 3; i++) /* touch 3 */
        page[i] = take(mem, 0, true);
    pool_is(mem, 8, 5, 1, 0);
    assert_false(vmsim__hugetlb_reserve(mem, h, 5, 0)); /* only 4 are not promised */
    pool_is(mem, 8, 5, 1, 0);
    vmsim__hugetlb_put(mem, h, page[0], false, 0);
    vmsim__hugetlb_put(mem, h, page[1], false, 0);
    pool_is(mem, 8, 7, 1, 0);
    vmsim__hugetlb_put(mem, h, page[2], false, 0); /* the rest is unmapped */
    vmsim__hugetlb_unreserve(mem, h, 1, 0);
    pool_is(mem, 8, 8, 0, 0);
    zm_sysctl(mem, "vm.nr_overcommit_hugepages", "4");
    assert_true(vmsim__hugetlb_reserve(mem, h, 11, 0));
    pool_is(mem, 11, 11, 11, 3);
    assert_int_equal(mem->event[VMSIM__HTLB_BUDDY_ALLOC_SUCCESS], 11);
    for (unsigned i = 0; i < 11; i++)
        page[i] = take(mem, 0, true);
    zm_sysctl(mem, "vm.nr_hugepages", "2"); /* while 11 are in use */
    pool_is(mem, 11, 0, 0, 9);
    for (unsigned i = 0; i < 11; i++)
        vmsim__hugetlb_put(mem, h, page[i], false, 0);
    pool_is(mem, 2, 2, 0, 0);
    assert_false(vmsim__hugetlb_reserve(mem, h, 20, 0)); /* 2 + 4 */
    pool_is(mem, 2, 2, 0, 0);
    zm_sysctl(mem, "vm.nr_hugepages", "0");
    pool_is(mem, 0, 0, 0, 0);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

static void pages_come_from_nodes_in_turn_and_go_back_so(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__mem *mem = machine(alloc, 3);
    unsigned h = mem->default_hstate;
    assert_int_equal(vmsim__hugetlb_set(mem, h, VMSIM__MAX_NODES, 7, 0), 7);
    const uint64_t first[] = {3, 2, 2};
    for (unsigned n = 0; n < 3; n++)
        assert_int_equal(vmsim__hugetlb_total(mem, h, n), first[n]);
    assert_int_equal(vmsim__hugetlb_set(mem, h, 2, 10, 0), 15); /* one node's own number */
    assert_int_equal(vmsim__hugetlb_total(mem, h, 2), 10);
    assert_int_equal(vmsim__hugetlb_total(mem, h, 0), 3);
    vmsim__pfn pfn = take(mem, 1, false);
    assert_int_equal(vmsim__mem_zone_of(mem, pfn)->node, 1); /* the nearest that has one */
    vmsim__pfn other = take(mem, 1, false), third = take(mem, 1, false);
    assert_int_equal(vmsim__mem_zone_of(mem, other)->node, 1);
    assert_int_equal(vmsim__mem_zone_of(mem, third)->node, 2);
    uint64_t mask = 1;
    struct vmsim__alloc_request rq = {.node = 1, .cpu = 1, .nodemask = &mask};
    vmsim__pfn bound = vmsim__hugetlb_take(mem, h, &rq, false);
    assert_int_equal(vmsim__mem_zone_of(mem, bound)->node, 0);
    const vmsim__pfn all[] = {pfn, other, third, bound};
    for (unsigned i = 0; i < 4; i++)
        vmsim__hugetlb_put(mem, h, all[i], false, 0);
    assert_int_equal(vmsim__hugetlb_set(mem, h, VMSIM__MAX_NODES, 0, 0), 0);
    pool_is(mem, 0, 0, 0, 0);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

static void what_memory_has_is_what_the_pool_gets(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__mem *mem = machine(alloc, 1);
    unsigned h = mem->default_hstate;
    uint64_t got = vmsim__hugetlb_set(mem, h, VMSIM__MAX_NODES, 100000, 0);
    assert_in_range(got, 350, 512);
    assert_int_equal(mem->event[VMSIM__HTLB_BUDDY_ALLOC_FAIL], 1);
    assert_int_equal(vmsim__hugetlb_frames(mem, VMSIM__MAX_NODES), got * 512);
    assert_int_equal(take(mem, 0, false) == VMSIM__PFN_NONE, false);
    assert_int_equal(vmsim__hugetlb_set(mem, h, VMSIM__MAX_NODES, 1, 0), 1); /* the one in use */
    zm_sysctl(mem, "vm.nr_hugepages", "0");
    pool_is(mem, 1, 0, 0, 1);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

/* 1 GiB pages at run time need memory that is free and contiguous; they go back frame by frame. */
static void gigantic_pages_come_and_go(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__node_spec node = {.memory = 8 * GIB};
    struct vmsim__mem *mem =
        zm_create(alloc, &(struct vmsim__mem_spec){.nodes = {&node, 1}, .gigantic_pages = 1, .cpus = 1});
    assert_true(vmsim__hstate_gigantic(mem, 0));
    uint64_t free = (uint64_t)vmsim__mem_zone_stat(mem, VMSIM__NR_FREE_PAGES), total = mem->totalram;
    uint64_t got = vmsim__hugetlb_set(mem, 0, VMSIM__MAX_NODES, 4, 0);
    assert_int_equal(got, 4);
    assert_int_equal(mem->totalram, total);
    assert_int_equal((uint64_t)vmsim__mem_zone_stat(mem, VMSIM__NR_FREE_PAGES), free - (got - 1) * 262144);
    zm_check(mem);
    assert_int_equal(vmsim__hugetlb_set(mem, 0, VMSIM__MAX_NODES, 0, 0), 0);
    vmsim__mem_drain(mem);
    assert_int_equal((uint64_t)vmsim__mem_zone_stat(mem, VMSIM__NR_FREE_PAGES), free + 262144);
    zm_check(mem);
    assert_int_equal(vmsim__hugetlb_set(mem, 0, VMSIM__MAX_NODES, 2, 0), 2); /* merged again */
    assert_false(vmsim__hugetlb_reserve(mem, 0, 3, 0));                      /* no surplus of these */
    zm_destroy(mem);
    test_alloc_end(alloc);
}

static void low_memory_is_freed_first(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__node_spec node = {.memory = GIB};
    struct vmsim__mem *mem =
        zm_create(alloc, &(struct vmsim__mem_spec){.arch = VMSIM__ARCH_X86_PAE, .nodes = {&node, 1}, .cpus = 1});
    vmsim__hugetlb_set(mem, 0, VMSIM__MAX_NODES, 100, 0);
    vmsim__hugetlb_set(mem, 0, VMSIM__MAX_NODES, 10, 0);
    for (vmsim__pfn p = mem->nodes[0].hugetlb[0].head; p != VMSIM__PFN_NONE; p = vmsim__mem_frame(mem, p)->next)
        assert_int_equal(vmsim__mem_zone_of(mem, p)->type, VMSIM__ZONE_HIGHMEM);
    pool_is(mem, 10, 10, 0, 0);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

static void architectures_without_huge_pages_refuse_them(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__node_spec node = {.memory = GIB};
    struct vmsim__mem *mem = zm_create(alloc, &(struct vmsim__mem_spec){.arch = VMSIM__ARCH_ARM, .nodes = {&node, 1}});
    struct vmsim__err err;
    char text[32];
    assert_int_equal(vmsim__mem_sysctl_set(mem, "vm.nr_hugepages", "1", &err), VMSIM_EINVAL);
    assert_false(vmsim__mem_sysctl_get(mem, "vm.nr_hugepages", text, sizeof text));
    assert_int_equal(vmsim__hugetlb_frames(mem, VMSIM__MAX_NODES), 0);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

/* ---- A storm against a model of numbers ---- */

#define USED 64
struct storm {
    struct vmsim__mem *mem;
    struct vmsim__rng rng;
    vmsim__pfn used[USED];
    unsigned count;
    uint64_t reserved;
};

static void step(struct storm *s) {
    struct vmsim__mem *mem = s->mem;
    unsigned h = mem->default_hstate, cpu = (unsigned)vmsim__rng_below(&s->rng, 2);
    uint64_t n = vmsim__rng_below(&s->rng, 12), before = vmsim__hugetlb_total(mem, h, VMSIM__MAX_NODES);
    switch (vmsim__rng_below(&s->rng, 7)) {
    case 0:
        vmsim__hugetlb_set(mem, h, (unsigned)(n % 3 == 2 ? VMSIM__MAX_NODES : n % 3), vmsim__rng_below(&s->rng, 40),
                           cpu);
        break;
    case 1:
        mem->hstate[h].overcommit = n;
        break;
    case 2:
        if (vmsim__hugetlb_reserve(mem, h, n, cpu))
            s->reserved += n;
        else
            assert_int_equal(vmsim__hugetlb_total(mem, h, VMSIM__MAX_NODES), before);
        break;
    case 3:
        n = vmsim__min64(n, s->reserved);
        vmsim__hugetlb_unreserve(mem, h, n, cpu);
        s->reserved -= n;
        break;
    case 4:
    case 5:
        if (s->count < USED) {
            bool promised = s->reserved && n % 2;
            vmsim__pfn pfn = take(mem, cpu, promised);
            assert_true(pfn != VMSIM__PFN_NONE || !promised); /* a promise is kept */
            if (pfn != VMSIM__PFN_NONE)
                s->used[s->count++] = pfn;
            s->reserved -= promised;
        }
        break;
    default:
        if (s->count) {
            unsigned i = (unsigned)vmsim__rng_below(&s->rng, s->count);
            vmsim__hugetlb_put(mem, h, s->used[i], false, cpu);
            s->used[i] = s->used[--s->count];
        }
    }
    uint64_t total = vmsim__hugetlb_total(mem, h, VMSIM__MAX_NODES),
             free = vmsim__hugetlb_free(mem, h, VMSIM__MAX_NODES);
    assert_int_equal(mem->hstate[h].reserved, s->reserved);
    assert_int_equal(total, free + s->count);
    assert_true(free >= s->reserved && total >= vmsim__hugetlb_surplus(mem, h, VMSIM__MAX_NODES));
}

static void a_storm_keeps_every_promise(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct storm s = {.mem = machine(alloc, 2), .rng = test_rng("hugetlb storm")};
    for (unsigned i = 0; i < 20000; i++) {
        step(&s);
        if (i % 500 == 0)
            zm_check(s.mem);
    }
    while (s.count)
        vmsim__hugetlb_put(s.mem, s.mem->default_hstate, s.used[--s.count], false, 0);
    vmsim__hugetlb_unreserve(s.mem, s.mem->default_hstate, s.reserved, 0);
    vmsim__hugetlb_set(s.mem, s.mem->default_hstate, VMSIM__MAX_NODES, 0, 0);
    pool_is(s.mem, 0, 0, 0, 0);
    vmsim__mem_drain(s.mem);
    uint64_t managed = 0;
    for (unsigned i = 0; i < s.mem->nr_zones; i++)
        managed += s.mem->zones[i].managed;
    assert_int_equal(vmsim__mem_zone_stat(s.mem, VMSIM__NR_FREE_PAGES), managed);
    zm_destroy(s.mem);
    test_alloc_end(alloc);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_pool_follows_a_real_kernel),
        cmocka_unit_test(pages_come_from_nodes_in_turn_and_go_back_so),
        cmocka_unit_test(what_memory_has_is_what_the_pool_gets),
        cmocka_unit_test(gigantic_pages_come_and_go),
        cmocka_unit_test(low_memory_is_freed_first),
        cmocka_unit_test(architectures_without_huge_pages_refuse_them),
        cmocka_unit_test(a_storm_keeps_every_promise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
