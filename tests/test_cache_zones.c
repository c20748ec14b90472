/* SPDX-License-Identifier: MIT */
/* The page cache over the real zones: per-CPU lists, two nodes, exhaustion. Memory is conserved and both checks hold.
 */
#include "cache/cache.h"
#include "helpers.h"
#include "zones/kmem_cache.h"
#include "zones/zones.h"

#define PAGE UINT64_C(4096)
enum { FILES = 6 };

static struct vmsim__alloc *alloc;
static struct vmsim__mem *mem;
static struct vmsim__lru *lru;
static struct vmsim__cache *cache;

static void start(uint64_t bytes, const char *kernel) {
    static struct vmsim__node_spec nodes[2];
    struct vmsim__mem_spec spec = {.arch = VMSIM__ARCH_X86_64, .kernel = kernel, .cpus = 2};
    struct vmsim__cache_spec cs = {.read_ahead = 128 << 10, .dirty_ratio = 20, .dirty_background_ratio = 10};
    struct vmsim__err err = {0};
    nodes[0] = nodes[1] = (struct vmsim__node_spec){.memory = bytes};
    spec.nodes = (struct vmsim_param_list){.data = nodes, .count = 2};
    spec.transparent_hugepage = VMSIM__THP_NEVER;
    alloc = test_alloc();
    if (vmsim__mem_create(alloc, &spec, &mem, &err))
        fail_msg("%s", err.text);
    lru = vmsim__lru_create(alloc, mem, vmsim__kernel_find(kernel), 2);
    assert_non_null(lru);
    cache = vmsim__cache_create(alloc, mem, lru, vmsim__kernel_find(kernel), &cs);
    assert_non_null(cache);
}

static void check(void) {
    struct vmsim__err err = {0};
    if (vmsim__cache_check(cache, &err) || vmsim__lru_check(lru, &err) || vmsim__mem_check(mem, &err))
        fail_msg("%s", err.text);
}

static uint64_t unused(void) {
    uint64_t pages = 0;
    for (unsigned z = 0; z < mem->nr_zones; z++)
        pages += (uint64_t)mem->zones[z].stat[VMSIM__NR_FREE_PAGES] + vmsim__zone_pcp_count(mem, &mem->zones[z]);
    return pages + vmsim__kmem_pages(mem); /* slabs outlive their objects */
}

static void end(void) {
    vmsim__cache_destroy(cache);
    vmsim__lru_destroy(lru);
    vmsim__mem_destroy(mem);
    test_alloc_end(alloc);
}

/* Files of both kinds on random CPUs until memory is used up, again and again. */
static void churn(const char *kernel) {
    struct vmsim__file *f[FILES];
    struct vmsim__file_ra ra;
    struct vmsim__rng r = test_rng(kernel);
    unsigned refused = 0;
    start(32 << 20, kernel);
    uint64_t before = unused(), pages = before / FILES * 2;
    vmsim__ra_init(cache, &ra);
    for (unsigned i = 0; i < FILES; i++)
        f[i] = vmsim__file_create(cache, i % 2 ? VMSIM__FILE_SHMEM : VMSIM__FILE_REGULAR, NULL, pages * PAGE);
    for (unsigned n = 0; n < 3000; n++) {
        struct vmsim__file *g = f[vmsim__rng_below(&r, FILES)];
        unsigned cpu = (unsigned)vmsim__rng_below(&r, 2);
        uint64_t pos = vmsim__rng_below(&r, pages - 64) * PAGE;
        switch (vmsim__rng_below(&r, 5)) {
        case 0:
            refused += vmsim__file_write(cache, g, pos, 40 * PAGE, cpu) < (int64_t)(40 * PAGE);
            break;
        case 1:
            vmsim__file_sync(cache, g, 0, UINT64_MAX, cpu);
            break;
        default:
            refused += vmsim__file_read(cache, g, &ra, pos, 40 * PAGE, cpu) < 0;
        }
        if (refused % 50 == 49) {
            refused++;
            vmsim__cache_sync(cache, cpu);
            vmsim__cache_drop(cache, cpu);
            vmsim__file_fallocate(cache, g, 3, 0, pages * PAGE, cpu);
        }
        if (n % 100 == 0)
            check();
    }
    assert_true(refused > 50);
    for (unsigned i = 0; i < FILES; i++)
        vmsim__file_put(cache, f[i], 0);
    vmsim__lru_drain_all(lru);
    check();
    assert_int_equal(unused(), before);
    end();
}

static void test_exhaustion_and_churn_conserve_memory_6_1(void **state) {
    (void)state;
    churn("6.1");
}
static void test_exhaustion_and_churn_conserve_memory_6_12(void **state) {
    (void)state;
    churn("6.12");
}

static void test_pages_are_local_to_the_reader(void **state) {
    struct vmsim__file_ra ra;
    (void)state;
    start(64 << 20, "6.1");
    struct vmsim__file *f = vmsim__file_create(cache, VMSIM__FILE_REGULAR, "/f", 64 * PAGE);
    vmsim__ra_init(cache, &ra);
    vmsim__file_read(cache, f, &ra, 0, 64 * PAGE, 1);
    vmsim__lru_drain_all(lru);
    assert_int_equal(mem->nodes[mem->cpu_node[1]].stat[VMSIM__NR_INACTIVE_FILE], 64);
    assert_int_equal(mem->nodes[mem->cpu_node[1]].stat[VMSIM__NR_FILE_PAGES], 64);
    check();
    vmsim__file_unlink(cache, f, 0);
    vmsim__file_put(cache, f, 0);
    end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exhaustion_and_churn_conserve_memory_6_1),
        cmocka_unit_test(test_exhaustion_and_churn_conserve_memory_6_12),
        cmocka_unit_test(test_pages_are_local_to_the_reader),
    };
    return cmocka_run_group_tests_name("cache_zones", tests, NULL, NULL);
}
