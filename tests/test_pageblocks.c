/* SPDX-License-Identifier: MIT */
/* What a pageblock is used for, by the pages that lie in it. */
#include "scenario_run.h"

#include "zones/pageblock_kind.h"

#define MACHINE "machine: {nodes: [{memory: 64MiB}], kernel: '6.1', transparent_hugepage: never"

static unsigned count(const struct vmsim_machine *m, enum vmsim__pageblock_kind kind) {
    unsigned n = 0;
    for (unsigned i = 0; i < m->mem->nr_zones; i++) {
        const struct vmsim__zone *z = &m->mem->zones[i];
        for (vmsim__pfn p = z->start & ~511u; p < z->end; p += 512)
            n += vmsim__zone_populated(z) && vmsim__pageblock_kind(m->mem, z, p) == kind;
    }
    return n;
}

static void pages_say_what_a_pageblock_is(void **state) {
    struct vmsim_machine *m = idle_machine(MACHINE ", hugepages: 3}\n");
    uint32_t t;
    (void)state;
    assert_int_equal(count(m, VMSIM__PAGEBLOCK_HUGE), 3);
    assert_int_equal(count(m, VMSIM__PAGEBLOCK_MOVABLE) + count(m, VMSIM__PAGEBLOCK_MIXED), 0);
    const unsigned unused = count(m, VMSIM__PAGEBLOCK_FREE);
    assert_int_equal(vmsim_task_create(m, "t", 0, &t), 0);
    const int64_t base = vmsim_task_mmap(m, t, 0, 8 << 20, 3, 0x8022, 0, 0); /* MAP_POPULATE */
    assert_true(base > 0);
    const unsigned filled = count(m, VMSIM__PAGEBLOCK_MOVABLE);
    assert_in_range(filled, 3, 5);
    assert_true(count(m, VMSIM__PAGEBLOCK_FREE) <= unused - filled);
    assert_int_equal(vmsim_machine_sysctl(m, "vm.nr_hugepages", "0"), 0);
    assert_int_equal(count(m, VMSIM__PAGEBLOCK_HUGE), 0);
    const unsigned spoilt = count(m, VMSIM__PAGEBLOCK_MIXED) + count(m, VMSIM__PAGEBLOCK_UNMOVABLE);
    const struct vmsim__alloc_request rq = {.gfp = VMSIM__GFP_HIGHUSER_MOVABLE}; /* on no list: it cannot move */
    const vmsim__pfn pfn = vmsim__mem_alloc(m->mem, &rq);
    assert_true(pfn != VMSIM__PFN_NONE);
    assert_int_equal(count(m, VMSIM__PAGEBLOCK_MIXED) + count(m, VMSIM__PAGEBLOCK_UNMOVABLE), spoilt + 1);
    vmsim_machine_free_pages(m, 0, pfn, 0);
    idle_machine_end(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_say_what_a_pageblock_is),
    };
    return cmocka_run_group_tests_name("pageblocks", tests, NULL, NULL);
}
