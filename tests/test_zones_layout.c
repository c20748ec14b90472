/* SPDX-License-Identifier: MIT */
/* From descriptions to zones: architectures, made-up maps, boot options, settings, refusals, host memory. */
#include "zones_machine.h"

static void zone_is(struct vmsim__mem *mem, unsigned node, enum vmsim__zone_type type, uint64_t start, uint64_t end,
                    uint64_t present) {
    const struct vmsim__zone *z = zm_zone(mem, node, type);
    assert_non_null(z);
    assert_int_equal(z->start, start);
    assert_int_equal(z->end, end);
    assert_int_equal(z->present, present);
}

/* ---- Maps ---- */

static void sizes_alone_give_the_map_of_a_pc(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    const uint64_t four[] = {4 * GIB}, split[] = {512 * MIB, 3 * GIB};
    struct vmsim__mem *mem = zm_pc(alloc, "6.1", 1, four);
    zone_is(mem, 0, VMSIM__ZONE_DMA, 1, 4096, 3998);
    zone_is(mem, 0, VMSIM__ZONE_DMA32, 4096, 1u << 20, 782304);
    zone_is(mem, 0, VMSIM__ZONE_NORMAL, 1u << 20, 5u << 18, 262144);
    assert_int_equal(zm_zone(mem, 0, VMSIM__ZONE_DMA)->managed, 3840);
    zm_destroy(mem);
    mem = zm_pc(alloc, "6.1", 2, split);
    zone_is(mem, 0, VMSIM__ZONE_DMA32, 4096, 131072, 126976);
    zone_is(mem, 1, VMSIM__ZONE_DMA32, 131072, 1u << 20, 655328);
    zone_is(mem, 1, VMSIM__ZONE_NORMAL, 1u << 20, (1u << 20) + 131072, 131072);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

static struct vmsim__mem *one_node(struct vmsim__alloc *alloc, enum vmsim__arch arch, uint64_t page, uint64_t size) {
    struct vmsim__node_spec node = {.memory = size};
    struct vmsim__mem_spec spec = {.arch = (int)arch, .page_size = page, .nodes = {&node, 1}};
    return zm_create(alloc, &spec);
}

static void each_architecture_has_its_zones(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__mem *mem = one_node(alloc, VMSIM__ARCH_X86_32, 0, 2 * GIB);
    assert_null(zm_zone(mem, 0, VMSIM__ZONE_DMA32));
    assert_int_equal(zm_zone(mem, 0, VMSIM__ZONE_NORMAL)->end, zm_zone(mem, 0, VMSIM__ZONE_HIGHMEM)->start);
    assert_int_equal(vmsim__gfp_zone(mem, VMSIM__GFP_HIGHUSER), VMSIM__ZONE_HIGHMEM);
    assert_int_equal(vmsim__gfp_zone(mem, VMSIM__GFP_DMA32), VMSIM__ZONE_NORMAL);
    const struct vmsim__zone *high = zm_zone(mem, 0, VMSIM__ZONE_HIGHMEM);
    uint64_t token = high->managed / 1024;
    assert_int_equal(high->wmark[VMSIM__WMARK_MIN], token < 32 ? 32 : token > 128 ? 128 : token);
    zm_destroy(mem);
    mem = one_node(alloc, VMSIM__ARCH_ARM, 0, GIB);
    assert_int_equal(mem->pageblock_order, 11);
    zone_is(mem, 0, VMSIM__ZONE_DMA, 1u << 18, 7u << 16, 3u << 16); /* what the kernel maps: 768 MiB */
    zone_is(mem, 0, VMSIM__ZONE_HIGHMEM, 7u << 16, 1u << 19, 1u << 16);
    assert_false(mem->thp_available);
    zm_destroy(mem);
    mem = one_node(alloc, VMSIM__ARCH_ARM64, 0, 8 * GIB);
    zone_is(mem, 0, VMSIM__ZONE_DMA, 1u << 18, 1u << 20, 3u << 18);
    zone_is(mem, 0, VMSIM__ZONE_NORMAL, 1u << 20, 9u << 18, 5u << 18);
    zm_destroy(mem);
    mem = one_node(alloc, VMSIM__ARCH_ARM64, 65536, 8 * GIB);
    assert_int_equal(mem->top_order, 13);
    assert_int_equal(mem->pageblock_order, 13);
    zone_is(mem, 0, VMSIM__ZONE_NORMAL, 1u << 16, 9u << 14, 5u << 14);
    zm_destroy(mem);
    mem = one_node(alloc, VMSIM__ARCH_RISCV, 0, 4 * GIB);
    zone_is(mem, 0, VMSIM__ZONE_DMA32, 1u << 19, 1u << 20, 1u << 19);
    zone_is(mem, 0, VMSIM__ZONE_NORMAL, 1u << 20, 3u << 19, 1u << 19);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

/* What boot options of 32-bit x86 do to low memory, as captured kernels did. */
static void low_memory_follows_vmalloc_and_highmem(void **state) {
    (void)state;
    static const struct {
        uint64_t size;
        int arch;
        const char *cmdline;
        uint64_t lowmem, highmem; /* end of Normal; pages of HighMem */
    } rows[] = {
        {GIB, VMSIM__ARCH_X86_32, "", 0x36bfe, 37858},
        {GIB, VMSIM__ARCH_X86_PAE, "", 0x36ffe, 36834},
        {GIB, VMSIM__ARCH_X86_32, "vmalloc=256M", 0x2e3fe, 72674},
        {2 * GIB, VMSIM__ARCH_X86_PAE, "vmalloc=512M", 0x1e7fe, 0x7ffe0 - 0x1e7fe},
        {GIB, VMSIM__ARCH_X86_32, "highmem=512M", 0x36bfe, 37858}, /* more than there is: ignored */
        {256 * MIB, VMSIM__ARCH_X86_PAE, "highmem=64M", 0xbfe0, 0x4000},
        {64 * MIB, VMSIM__ARCH_X86_PAE, "highmem=32M", 0x3fe0, 0}, /* 64 MiB must stay low */
        {2 * GIB, VMSIM__ARCH_X86_PAE, "highmem=0", 0x36ffe, 0},   /* the rest is dropped */
        {2 * GIB, VMSIM__ARCH_X86_PAE, "highmem=128M", 0x36ffe, 0x8000},
    };
    struct vmsim__alloc *alloc = test_alloc();
    for (unsigned i = 0; i < TEST_COUNT(rows); i++) {
        struct vmsim__node_spec node = {.memory = rows[i].size};
        struct vmsim__mem_spec spec = {.arch = rows[i].arch, .nodes = {&node, 1}};
        struct vmsim__hugetlb_spec pools[VMSIM__HUGETLB_OPTIONS];
        struct vmsim__err err;
        char cmdline[64];
        snprintf(cmdline, sizeof cmdline, "%s", rows[i].cmdline);
        assert_int_equal(vmsim__mem_spec_cmdline(&spec, cmdline, pools, &err), 0);
        struct vmsim__mem *mem = zm_create(alloc, &spec);
        const struct vmsim__zone *high = zm_zone(mem, 0, VMSIM__ZONE_HIGHMEM);
        assert_int_equal(zm_zone(mem, 0, VMSIM__ZONE_NORMAL)->end, rows[i].lowmem);
        assert_int_equal(high ? high->present : 0, rows[i].highmem);
        zm_destroy(mem);
    }
    test_alloc_end(alloc);
}

static void cma_serves_movable_requests_alone(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    for (unsigned k = 0; k < 2; k++) {
        struct vmsim__reserve_spec cma = {.zone = VMSIM__ZONE_DMA, .cma = 24 * MIB};
        struct vmsim__node_spec node = {.memory = 64 * MIB, .reserved = {&cma, 1}};
        struct vmsim__mem *mem = zm_create(
            alloc,
            &(struct vmsim__mem_spec){.arch = VMSIM__ARCH_ARM64, .kernel = k ? "6.12" : "6.1", .nodes = {&node, 1}});
        const struct vmsim__zone *z = zm_zone(mem, 0, VMSIM__ZONE_DMA);
        uint64_t counts[VMSIM__MIGRATE_TYPES];
        vmsim__zone_pageblocks(mem, z, counts);
        assert_int_equal(counts[VMSIM__CMA], 12);
        assert_int_equal(z->managed, 16384);
        assert_int_equal(z->stat[VMSIM__NR_FREE_CMA], 6144);
        vmsim__pfn pfn = zm_alloc(mem, VMSIM__GFP_HIGHUSER_MOVABLE, 0, 0);
        assert_int_equal(vmsim__pageblock_type(mem, pfn), VMSIM__MOVABLE); /* less than half is CMA */
        vmsim__pfn kept[16384];
        unsigned n = 0;
        while ((kept[n] = zm_alloc(mem, VMSIM__GFP_KERNEL, 5, 0)) != VMSIM__PFN_NONE)
            assert_int_not_equal(vmsim__pageblock_type(mem, kept[n++]), VMSIM__CMA);
        assert_true(z->stat[VMSIM__NR_FREE_PAGES] >= 6144);
        assert_int_equal(z->stat[VMSIM__NR_FREE_CMA], 6144);
        vmsim__pfn movable = zm_alloc(mem, VMSIM__GFP_HIGHUSER_MOVABLE, 9, 0);
        assert_int_equal(vmsim__pageblock_type(mem, movable), VMSIM__CMA);
        vmsim__mem_free(mem, movable, 9, 0);
        vmsim__mem_free(mem, pfn, 0, 0);
        while (n)
            vmsim__mem_free(mem, kept[--n], 5, 0);
        vmsim__mem_drain(mem);
        assert_int_equal(z->stat[VMSIM__NR_FREE_CMA], 6144);
        zm_destroy(mem);
    }
    test_alloc_end(alloc);
}

static void holes_of_the_map_are_spanned_and_not_present(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__range_spec map[] = {{.start = 0, .size = 2 * GIB},
                                      {.start = 512 * MIB, .size = 128 * MIB, .reserved = true},
                                      {.start = GIB + 1, .size = 4096, .reserved = true}}; /* costs two pages */
    struct vmsim__node_spec node = {0};
    struct vmsim__mem_spec spec = {.memory_map = {map, 3}, .nodes = {&node, 1}};
    struct vmsim__mem *mem = zm_create(alloc, &spec);
    zone_is(mem, 0, VMSIM__ZONE_DMA32, 4096, 1u << 19, (1u << 19) - 4096 - 32768 - 2);
    assert_null(vmsim__mem_zone_of(mem, (512 * MIB) >> 12));
    assert_null(vmsim__mem_frame(mem, (600 * MIB) >> 12));
    assert_true(vmsim__frame_is(vmsim__mem_frame(mem, 1), VMSIM__FRAME_RESERVED));
    zm_destroy(mem);
    test_alloc_end(alloc);
}

static void movablecore_takes_the_end_of_the_highest_zone(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__node_spec node = {.memory = 6 * GIB};
    struct vmsim__mem_spec spec = {.nodes = {&node, 1}};
    struct vmsim__err err;
    char cmdline[] = "quiet movablecore=1000M transparent_hugepage=madvise hugepagesz=1G hugepages=2 hugepagesz=2M "
                     "hugepages=8";
    struct vmsim__hugetlb_spec pools[VMSIM__HUGETLB_OPTIONS];
    assert_int_equal(vmsim__mem_spec_cmdline(&spec, cmdline, pools, &err), 0);
    assert_int_equal(spec.hugetlb.count, 2);
    assert_true(pools[0].size == GIB && pools[0].pages == 2 && !pools[0].on_node);
    assert_true(pools[1].size == 2 * MIB && pools[1].pages == 8 && !pools[1].on_node);
    struct vmsim__mem *mem = zm_create(alloc, &spec);
    const struct vmsim__zone *z = zm_zone(mem, 0, VMSIM__ZONE_MOVABLE);
    assert_non_null(z);
    assert_int_equal(z->start % 1024, 0);
    assert_in_range(z->present, 256000 - 1024, 256000 + 1024);
    assert_int_equal(mem->thp_enabled, VMSIM__THP_MADVISE);
    assert_int_equal(mem->nr_hstates, 2);
    assert_int_equal(mem->default_hstate, 1);
    assert_int_equal(vmsim__hugetlb_total(mem, 1, 0), 8);
    assert_int_equal(vmsim__hugetlb_total(mem, 0, 0), 2);
    assert_int_equal(mem->nodes[0].hugetlb[0].head % (1u << 18), 0);
    zm_destroy(mem);
    spec = (struct vmsim__mem_spec){.nodes = {&node, 1}, .kernelcore = "40%"};
    mem = zm_create(alloc, &spec);
    assert_int_equal(zm_zone(mem, 0, VMSIM__ZONE_MOVABLE)->start, 1u << 20); /* the kernel has more than 40 % below */
    assert_null(zm_zone(mem, 0, VMSIM__ZONE_NORMAL));
    zm_destroy(mem);
    test_alloc_end(alloc);
}

static void movable_node_makes_hotplug_ranges_movable(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__range_spec low = {.size = GIB}, high = {.start = GIB, .size = GIB, .hotplug = true};
    struct vmsim__range_spec map = {.size = 2 * GIB};
    struct vmsim__node_spec nodes[] = {{.ranges = {&low, 1}}, {.ranges = {&high, 1}}};
    struct vmsim__mem_spec spec = {.memory_map = {&map, 1}, .nodes = {nodes, 2}, .cpus = 2, .movable_node = true};
    struct vmsim__mem *mem = zm_create(alloc, &spec);
    zone_is(mem, 1, VMSIM__ZONE_MOVABLE, 1u << 18, 1u << 19, 1u << 18);
    assert_null(zm_zone(mem, 1, VMSIM__ZONE_DMA32));
    assert_int_not_equal(zm_alloc(mem, VMSIM__GFP_KERNEL, 0, 1), VMSIM__PFN_NONE); /* falls to node 0 */
    zm_destroy(mem);
    test_alloc_end(alloc);
}

/* ---- Nodes ---- */

/* A ring of four, CPUs on two of them: boot does not know yet which nodes have CPUs, or node 0 would prefer 3 to 1. */
static void fallback_orders_of_boot_know_no_cpus(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    uint64_t cpu[2] = {0, 1}, far[4][4] = {{10, 20, 30, 20}, {20, 10, 20, 30}, {30, 20, 10, 20}, {20, 30, 20, 10}};
    static const uint8_t order[4][4] = {{0, 1, 3, 2}, {1, 2, 0, 3}, {2, 3, 1, 0}, {3, 0, 2, 1}};
    struct vmsim__node_spec nodes[4];
    for (unsigned n = 0; n < 4; n++)
        nodes[n] =
            (struct vmsim__node_spec){.memory = GIB, .distances = {far[n], 4}, .cpus = {n < 2 ? &cpu[n] : NULL, n < 2}};
    struct vmsim__mem *mem = zm_create(alloc, &(struct vmsim__mem_spec){.nodes = {nodes, 4}});
    for (unsigned n = 0; n < 4; n++)
        assert_memory_equal(mem->nodes[n].order, order[n], 4);
    assert_true(mem->nodes[1].has_cpu && !mem->nodes[2].has_cpu);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

/* As numa=fake does it: the first node is the CPU's own, all have it in their cpulist and share their watermarks by
 * it. */
static void a_cpu_may_be_local_to_several_nodes(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    uint64_t cpu = 0;
    struct vmsim__node_spec nodes[3] = {
        {.memory = GIB}, {.memory = GIB, .cpus = {&cpu, 1}}, {.memory = GIB, .cpus = {&cpu, 1}}};
    struct vmsim__mem *mem = zm_create(alloc, &(struct vmsim__mem_spec){.nodes = {nodes, 3}});
    assert_int_equal(mem->nr_cpus, 1);
    assert_int_equal(mem->cpu_node[0], 1);
    assert_true(!mem->nodes[0].has_cpu && mem->nodes[1].has_cpu && mem->nodes[2].has_cpu);
    assert_true(vmsim__node_has(&mem->nodes[1], 0) && vmsim__node_has(&mem->nodes[2], 0));
    assert_int_equal(mem->nodes[2].nr_cpus, 1);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

static void hugepages_may_be_told_by_node(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__node_spec nodes[2] = {{.memory = GIB}, {.memory = GIB}};
    struct vmsim__mem_spec spec = {.nodes = {nodes, 2}, .cpus = 2};
    struct vmsim__hugetlb_spec pools[VMSIM__HUGETLB_OPTIONS];
    struct vmsim__err err;
    char cmdline[] = "hugepagesz=2M hugepages=0:10,1:20", wrong[] = "hugepages=0:x";
    assert_int_equal(vmsim__mem_spec_cmdline(&spec, cmdline, pools, &err), 0);
    struct vmsim__mem *mem = zm_create(alloc, &spec);
    assert_int_equal(vmsim__hugetlb_total(mem, 0, 0), 10);
    assert_int_equal(vmsim__hugetlb_total(mem, 0, 1), 20);
    assert_int_equal(vmsim__hugetlb_free(mem, 0, VMSIM__MAX_NODES), 30);
    assert_int_equal(vmsim__hugetlb_frames(mem, 1), 20 * 512);
    zm_destroy(mem);
    assert_int_equal(vmsim__mem_spec_cmdline(&spec, wrong, pools, &err), VMSIM_EINVAL);
    test_alloc_end(alloc);
}

/* arm64 has pools for runs of entries, too: 64 KiB and 32 MiB with pages of 4 KiB. */
static void each_architecture_has_its_sizes_of_huge_pages(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__node_spec node = {.memory = 4 * GIB};
    struct vmsim__hugetlb_spec pools[] = {
        {.size = 64 * KIB, .pages = 16}, {.size = 32 * MIB, .pages = 3}, {.pages = 5}};
    struct vmsim__mem_spec spec = {.arch = VMSIM__ARCH_ARM64, .nodes = {&node, 1}, .hugetlb = {pools, 3}};
    struct vmsim__mem *mem = zm_create(alloc, &spec);
    assert_int_equal(mem->nr_hstates, 4);
    assert_int_equal(mem->hstate[1].order, 13);
    assert_int_equal(vmsim__hugetlb_total(mem, 0, 0), 0);
    assert_int_equal(vmsim__hugetlb_total(mem, 1, 0), 3);
    assert_int_equal(vmsim__hugetlb_total(mem, 2, 0), 5);
    assert_int_equal(vmsim__hugetlb_total(mem, 3, 0), 16);
    zm_destroy(mem);
    spec.default_hugepagesz = 32 * MIB;
    mem = zm_create(alloc, &spec);
    assert_int_equal(vmsim__hugetlb_total(mem, 1, 0), 8); /* the unnamed size is the default */
    zm_destroy(mem);
    test_alloc_end(alloc);
}

/* ---- Watermarks ---- */

static void a_boost_of_boot_stands_until_a_write(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__reserve_spec boosted = {.zone = VMSIM__ZONE_DMA32, .boost = 2 * MIB};
    struct vmsim__node_spec node = {.memory = 96 * MIB, .reserved = {&boosted, 1}};
    struct vmsim__mem *mem = zm_create(alloc, &(struct vmsim__mem_spec){.nodes = {&node, 1}});
    const struct vmsim__zone *z = zm_zone(mem, 0, VMSIM__ZONE_DMA32);
    struct vmsim__err err;
    assert_int_equal(vmsim__zone_wmark(z, VMSIM__WMARK_LOW), z->wmark[VMSIM__WMARK_LOW] + 512);
    assert_int_equal(vmsim__mem_sysctl_set(mem, "vm.watermark_scale_factor", "10", &err), 0);
    assert_int_equal(vmsim__zone_wmark(z, VMSIM__WMARK_LOW), z->wmark[VMSIM__WMARK_LOW]);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

static void default_min_free_is_the_root_of_lowmem(void **state) {
    (void)state;
    static const struct {
        uint64_t size, kb;
    } cases[] = {{16 * MIB, 512}, {64 * MIB, 1024}, {256 * MIB, 2048}, {510 * MIB, 2890}};
    struct vmsim__alloc *alloc = test_alloc();
    for (unsigned i = 0; i < TEST_COUNT(cases); i++) {
        struct vmsim__mem *mem = zm_plain(alloc, "6.1", cases[i].size, 1);
        assert_int_equal(mem->sysctl.min_free_kbytes, cases[i].kb);
        zm_destroy(mem);
    }
    struct vmsim__mem *mem = zm_plain(alloc, "6.1", GIB, 1); /* one zone: 11 pageblocks */
    assert_int_equal(mem->sysctl.min_free_kbytes, 11 * 512 * 4);
    vmsim__mem_thp_set(mem, VMSIM__THP_NEVER);
    assert_in_range(mem->sysctl.min_free_kbytes, 4000, 4096);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

static void bad_settings_change_nothing(void **state) {
    (void)state;
    static const char *const bad[][2] = {{"vm.min_free_kbytes", "-1"},
                                         {"vm.min_free_kbytes", "12xx"},
                                         {"vm.min_free_kbytes", ""},
                                         {"vm.watermark_scale_factor", "0"},
                                         {"vm.watermark_scale_factor", "3001"},
                                         {"vm.percpu_pagelist_high_fraction", "7"},
                                         {"vm.lowmem_reserve_ratio", "256 x"},
                                         {"vm.numa_stat", "2"}};
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__mem *mem = zm_plain(alloc, "6.1", 64 * MIB, 1);
    struct vmsim__mem_sysctl before = mem->sysctl;
    struct vmsim__err err = {0};
    char text[64];
    for (unsigned i = 0; i < TEST_COUNT(bad); i++) {
        assert_int_equal(vmsim__mem_sysctl_set(mem, bad[i][0], bad[i][1], &err), VMSIM_EINVAL);
        assert_memory_equal(&mem->sysctl, &before, sizeof before);
    }
    assert_int_equal(vmsim__mem_sysctl_set(mem, "vm.swappiness", "60", &err), VMSIM_ENOENT);
    zm_sysctl(mem, "vm.lowmem_reserve_ratio", "1 2 32 0 0 6 x"); /* what goes beyond the zones is ignored */
    zm_sysctl(mem, "vm.lowmem_reserve_ratio", "8 -3\n");
    assert_true(vmsim__mem_sysctl_get(mem, "vm.lowmem_reserve_ratio", text, sizeof text));
    assert_string_equal(text, "8\t0\t32\t0"); /* no zone Device in 6.1 on arm64 */
    assert_true(vmsim__mem_sysctl_get(mem, "vm.min_free_kbytes", text, sizeof text));
    assert_string_equal(text, "1024");
    assert_false(vmsim__mem_sysctl_get(mem, "vm.swappiness", text, sizeof text));
    zm_destroy(mem);
    test_alloc_end(alloc);
}

static void sysctls_of_the_description_are_written_after_boot(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim_param_pair pairs[] = {{"vm.swappiness", "10", "test"}, {"vm.min_free_kbytes", "8192", "test"}};
    struct vmsim__node_spec node = {.memory = GIB};
    struct vmsim__mem_spec spec = {.nodes = {&node, 1}, .sysctl = {pairs, 2}};
    struct vmsim__mem *mem = zm_create(alloc, &spec);
    assert_int_equal(mem->sysctl.user_min_free_kbytes, 8192);
    assert_int_equal(mem->sysctl.min_free_kbytes, 8192);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

/* ---- Node order ---- */

static void orders_are(const char *kernel, unsigned nodes, const uint64_t (*distances)[4], uint64_t memoryless,
                       const char *const *expected) {
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__node_spec node[4] = {0};
    for (unsigned n = 0; n < nodes; n++) {
        node[n].memory = memoryless >> n & 1 ? 0 : 512 * MIB;
        node[n].distances = (struct vmsim_param_list){(void *)(uintptr_t)distances[n], nodes};
    }
    struct vmsim__mem_spec spec = {.kernel = kernel, .cpus = nodes, .nodes = {node, nodes}};
    struct vmsim__mem *mem = zm_create(alloc, &spec);
    for (unsigned n = 0; n < nodes; n++) {
        char text[16] = "";
        for (unsigned i = 0; i < mem->nodes[n].order_count; i++)
            text[i] = (char)('0' + mem->nodes[n].order[i]);
        assert_string_equal(text, expected[n]);
    }
    zm_destroy(mem);
    test_alloc_end(alloc);
}

static void nodes_are_ordered_by_distance_then_load(void **state) {
    (void)state;
    static const uint64_t ring[][4] = {{10, 20, 30, 20}, {20, 10, 20, 30}, {30, 20, 10, 20}, {20, 30, 20, 10}};
    static const uint64_t line[][4] = {{10, 20, 30, 40}, {20, 10, 20, 30}, {30, 20, 10, 20}, {40, 30, 20, 10}};
    static const uint64_t two[][4] = {{10, 20}, {20, 10}};
    orders_are("6.1", 4, ring, 0, (const char *const[]){"0132", "1203", "2310", "3021"});
    orders_are("6.1", 4, line, 0, (const char *const[]){"0123", "1203", "2310", "3210"});
    orders_are("6.1", 2, two, 2, (const char *const[]){"0", "10"});
    orders_are("6.12", 2, two, 2, (const char *const[]){"0", "0"});
}

/* ---- Refusals ---- */

static void refused(struct vmsim__alloc *alloc, const struct vmsim__mem_spec *spec, int code) {
    struct vmsim__mem *mem;
    struct vmsim__err err = {0};
    assert_int_equal(vmsim__mem_create(alloc, spec, &mem, &err), code);
    assert_null(mem);
    assert_int_not_equal(err.text[0], '\0');
}

static void impossible_machines_are_refused_with_a_reason(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__reserve_spec much = {.zone = VMSIM__ZONE_DMA32, .size = 2 * GIB};
    struct vmsim__reserve_spec where = {.zone = VMSIM__ZONE_HIGHMEM, .size = 4096};
    struct vmsim__range_spec far = {.start = UINT64_C(1) << 50, .size = GIB};
    struct vmsim__range_spec twice[] = {{.size = GIB}, {.start = GIB / 2, .size = GIB}};
    uint64_t twice_cpu[] = {0, 1, 0};
    struct vmsim__hugetlb_spec odd = {.size = 3 * MIB, .pages = 1}, absent = {.pages = 1, .node = 1, .on_node = true};
    struct vmsim__node_spec plain = {.memory = GIB}, none = {0};
    struct vmsim__node_spec greedy = {.memory = GIB, .reserved = {&much, 1}};
    struct vmsim__node_spec lost = {.memory = GIB, .reserved = {&where, 1}};
    struct vmsim__node_spec same_cpu = {.memory = GIB, .cpus = {twice_cpu, 3}};
    const struct vmsim__mem_spec specs[] = {
        {.nodes = {NULL, 0}},
        {.nodes = {&none, 1}},
        {.nodes = {&plain, 1}, .kernel = "2.4"},
        {.nodes = {&plain, 1}, .page_size = 16384},
        {.nodes = {&plain, 1}, .arch = 77},
        {.nodes = {&plain, 1}, .kernelcore = "lots"},
        {.nodes = {&greedy, 1}},
        {.nodes = {&lost, 1}},
        {.nodes = {&same_cpu, 1}},
        {.nodes = {&plain, 1}, .hugetlb = {&odd, 1}},
        {.nodes = {&plain, 1}, .hugetlb = {&absent, 1}},
        {.nodes = {&plain, 1}, .default_hugepagesz = 64 * MIB},
        {.nodes = {&none, 1}, .memory_map = {twice, 2}},
    };
    for (unsigned i = 0; i < TEST_COUNT(specs); i++)
        refused(alloc, &specs[i], VMSIM_ECONFIG);
    refused(alloc, &(struct vmsim__mem_spec){.nodes = {&none, 1}, .memory_map = {&far, 1}}, VMSIM_ELIMIT);
    test_alloc_end(alloc);
}

static void sizes_whose_addresses_would_come_round_are_refused(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__node_spec all = {.memory = UINT64_MAX},
                            halves[2] = {{.memory = GIB}, {.memory = UINT64_MAX - GIB + 1}};
    struct vmsim__range_spec round = {.start = 4 * GIB, .size = UINT64_MAX - GIB};
    struct vmsim__node_spec ranged = {.ranges = {&round, 1}};
    refused(alloc, &(struct vmsim__mem_spec){.nodes = {&all, 1}}, VMSIM_ELIMIT);
    refused(alloc, &(struct vmsim__mem_spec){.nodes = {&all, 1}, .arch = VMSIM__ARCH_ARM64}, VMSIM_ELIMIT);
    refused(alloc, &(struct vmsim__mem_spec){.nodes = {halves, 2}}, VMSIM_ELIMIT);
    refused(alloc, &(struct vmsim__mem_spec){.nodes = {&ranged, 1}}, VMSIM_ECONFIG);
    test_alloc_end(alloc);
}

/* The kernel's image, bounce buffers and an initrd come to more than a zone of some MiB has. */
static void the_made_up_boot_never_takes_more_than_a_zone_has(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    for (uint64_t low = 17; low < 40; low++) {
        struct vmsim__range_spec map[2] = {{.start = 0, .size = low * MIB}, {.start = 4 * GIB, .size = GIB}};
        struct vmsim__node_spec node = {0};
        struct vmsim__mem_spec spec = {.nodes = {&node, 1}, .memory_map = {map, 2}, .initrd = 64 * MIB, .cpus = 1};
        struct vmsim__mem *mem = zm_create(alloc, &spec);
        for (unsigned i = 0; i < mem->nr_zones; i++)
            assert_in_range(mem->zones[i].managed, 0, mem->zones[i].present);
        zm_destroy(mem);
    }
    test_alloc_end(alloc);
}

/* ---- Host memory ---- */

static bool boot_once(struct vmsim__alloc *alloc, void *context) {
    struct vmsim__mem *mem;
    struct vmsim__err err;
    (void)context;
    struct vmsim__node_spec nodes[2] = {{.memory = GIB}, {.memory = GIB}};
    struct vmsim__mem_spec spec = {.nodes = {nodes, 2}, .cpus = 2, .hugepages = 8, .gigantic_pages = 0};
    int rc = vmsim__mem_create(alloc, &spec, &mem, &err);
    assert_true(rc == 0 || rc == VMSIM_ENOMEM);
    vmsim__mem_destroy(mem);
    return rc == 0;
}

static void boot_survives_any_failure_of_host_memory(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    assert_true(test_each_failure(alloc, boot_once, NULL, 500) < 500);
    test_alloc_end(alloc);
}

static void a_machine_without_host_memory_fails_requests_and_says_so(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__mem *mem = zm_plain(alloc, "6.1", GIB, 1);
    vmsim__alloc_fail_after(alloc, 3);
    while (zm_alloc(mem, VMSIM__GFP_HIGHUSER_MOVABLE, 4, 0) != VMSIM__PFN_NONE)
        ;
    assert_true(mem->host_nomem);
    vmsim__alloc_fail_after(alloc, UINT64_MAX);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

static void a_tebibyte_costs_next_to_nothing(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    const uint64_t sizes[] = {1024 * GIB};
    struct vmsim__mem *mem = zm_pc(alloc, "6.1", 1, sizes);
    assert_true(vmsim__alloc_bytes(alloc) < 16 * MIB);
    assert_true(zm_alloc(mem, VMSIM__GFP_HIGHUSER_MOVABLE, 9, 0) >= 1u << 20);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_alone_give_the_map_of_a_pc),
        cmocka_unit_test(each_architecture_has_its_zones),
        cmocka_unit_test(holes_of_the_map_are_spanned_and_not_present),
        cmocka_unit_test(movablecore_takes_the_end_of_the_highest_zone),
        cmocka_unit_test(movable_node_makes_hotplug_ranges_movable),
        cmocka_unit_test(default_min_free_is_the_root_of_lowmem),
        cmocka_unit_test(bad_settings_change_nothing),
        cmocka_unit_test(sysctls_of_the_description_are_written_after_boot),
        cmocka_unit_test(nodes_are_ordered_by_distance_then_load),
        cmocka_unit_test(low_memory_follows_vmalloc_and_highmem),
        cmocka_unit_test(cma_serves_movable_requests_alone),
        cmocka_unit_test(fallback_orders_of_boot_know_no_cpus),
        cmocka_unit_test(a_cpu_may_be_local_to_several_nodes),
        cmocka_unit_test(hugepages_may_be_told_by_node),
        cmocka_unit_test(each_architecture_has_its_sizes_of_huge_pages),
        cmocka_unit_test(a_boost_of_boot_stands_until_a_write),
        cmocka_unit_test(impossible_machines_are_refused_with_a_reason),
        cmocka_unit_test(sizes_whose_addresses_would_come_round_are_refused),
        cmocka_unit_test(the_made_up_boot_never_takes_more_than_a_zone_has),
        cmocka_unit_test(boot_survives_any_failure_of_host_memory),
        cmocka_unit_test(a_machine_without_host_memory_fails_requests_and_says_so),
        cmocka_unit_test(a_tebibyte_costs_next_to_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
