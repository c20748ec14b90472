/* SPDX-License-Identifier: MIT */
/* Slabs of the kernel's objects: their sizes as captured kernels print them, and as many of them as objects need. */
#include "zones/kmem_cache.h"
#include "zones_machine.h"

static uint64_t room(const struct vmsim__mem *mem, enum vmsim__kmem_kind k) {
    return mem->kmem[k].room;
}

/* objperslab and pagesperslab of /proc/slabinfo, Linux 6.1 in virtual machines of one, two and four CPUs. */
static void slabs_are_as_large_as_captured(void **state) {
    (void)state;
    static const struct {
        unsigned cpus;
        enum vmsim__kmem_kind kind;
        uint32_t objects, pages;
    } captured[] = {{1, VMSIM__KMEM_DENTRY, 21, 1},     {1, VMSIM__KMEM_BUFFER_HEAD, 39, 1},
                    {1, VMSIM__KMEM_RADIX_NODE, 14, 2}, {2, VMSIM__KMEM_RADIX_NODE, 14, 2},
                    {4, VMSIM__KMEM_RADIX_NODE, 28, 4}, {4, VMSIM__KMEM_DENTRY, 21, 1}};
    for (size_t i = 0; i < VMSIM__COUNT(captured); i++) {
        struct vmsim__alloc *a = test_alloc();
        struct vmsim__mem *mem = zm_plain(a, "6.1", 64 * MIB, captured[i].cpus);
        const uint64_t before = room(mem, captured[i].kind);
        while (!vmsim__kmem_pages(mem))
            vmsim__kmem_alloc(mem, captured[i].kind, 0);
        assert_int_equal(vmsim__kmem_pages(mem), captured[i].pages);
        assert_int_equal(room(mem, captured[i].kind) - before, captured[i].objects);
        zm_destroy(mem);
        test_alloc_end(a);
    }
}

/* Objects of all kinds come and go, on a machine that is nearly full at times: what is there has room, but for what is
 * owed, and no more is kept than a node and a CPU keep. */
static void slabs_follow_their_objects(void **state) {
    (void)state;
    struct vmsim__rng r = test_rng("kmem");
    struct vmsim__alloc *a = test_alloc();
    struct vmsim__mem *mem = zm_plain(a, "6.1", 16 * MIB, 2);
    const uint64_t zone_free = (uint64_t)mem->zones[0].stat[VMSIM__NR_FREE_PAGES];
    uint64_t objects[VMSIM__KMEM_KINDS] = {0}, owed = 0;
    for (unsigned i = 0; i < 200000; i++) {
        const enum vmsim__kmem_kind k = (enum vmsim__kmem_kind)vmsim__rng_below(&r, VMSIM__KMEM_KINDS);
        const unsigned cpu = (unsigned)vmsim__rng_below(&r, 2);
        if (vmsim__rng_below(&r, 100) < (i / 40000 % 2 ? 10u : 90u)) {
            vmsim__kmem_alloc(mem, k, cpu);
            objects[k]++;
            owed += mem->kmem[k].objects > room(mem, k);
        } else if (objects[k]) {
            vmsim__kmem_free(mem, k, cpu);
            objects[k]--;
            assert_true(!mem->kmem[k].slabs.count || room(mem, k) <= objects[k] + mem->kmem[k].spare);
        }
        assert_int_equal(mem->kmem[k].objects, objects[k]);
        if (i % 1000 == 0)
            zm_check(mem);
    }
    assert_true(owed > 100); /* memory was out, and nobody fell */
    for (unsigned k = 0; k < VMSIM__KMEM_KINDS; k++) {
        while (objects[k]--)
            vmsim__kmem_free(mem, k, 0);
    }
    for (unsigned cpu = 0; cpu < 2; cpu++)
        vmsim__mem_drain(mem);
    const uint64_t kept = vmsim__kmem_pages(mem);
    assert_in_range(kept, 1, 200);
    assert_int_equal((uint64_t)mem->zones[0].stat[VMSIM__NR_FREE_PAGES] + kept, zone_free);
    zm_destroy(mem);
    test_alloc_end(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slabs_are_as_large_as_captured),
        cmocka_unit_test(slabs_follow_their_objects),
    };
    return cmocka_run_group_tests_name("kmem_cache", tests, NULL, NULL);
}
