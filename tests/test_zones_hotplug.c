/* SPDX-License-Identifier: MIT */
/* Memory blocks that come online and go offline: what every counter, watermark and zonelist must say after it. */
#include "zones_machine.h"

#define BLOCK (128 * MIB)
#define BLOCK_FRAMES ((vmsim__pfn)(BLOCK >> 12))

/* Takes an empty block away. */
static enum vmsim__hotplug offline(struct vmsim__mem *mem, vmsim__pfn pfn) {
    enum vmsim__hotplug rc = vmsim__memory_offline_begin(mem, pfn);
    if (rc != VMSIM__HOTPLUG_OK)
        return rc;
    rc = vmsim__memory_offline_end(mem, pfn);
    if (rc != VMSIM__HOTPLUG_OK)
        vmsim__memory_offline_cancel(mem, pfn);
    return rc;
}

static uint64_t free_frames(const struct vmsim__mem *mem) {
    return (uint64_t)vmsim__mem_zone_stat(mem, VMSIM__NR_FREE_PAGES);
}

static void a_block_goes_and_comes_back(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    const uint64_t sizes[] = {2 * GIB};
    struct vmsim__mem *mem = zm_pc(alloc, "6.1", 1, sizes);
    struct vmsim__zone *z = zm_zone(mem, 0, VMSIM__ZONE_DMA32);
    const struct vmsim__zone *dma = zm_zone(mem, 0, VMSIM__ZONE_DMA);
    struct vmsim__err err;
    assert_int_equal(vmsim__mem_sysctl_set(mem, "vm.min_free_kbytes", "8192", &err), 0); /* as computed anew below */
    vmsim__mem_thp_set(mem, VMSIM__THP_NEVER);
    const struct vmsim__zone before = *z;
    uint64_t chunks = mem->chunks, total = mem->totalram, free = free_frames(mem), dma_min = dma->wmark[0];
    assert_int_equal(mem->memory_block_order, 15);
    assert_int_equal(vmsim__memory_block_state(mem, GIB >> 12), VMSIM__BLOCK_ONLINE);
    assert_int_equal(offline(mem, GIB >> 12), VMSIM__HOTPLUG_OK);
    zm_check(mem);
    assert_int_equal(vmsim__memory_block_state(mem, GIB >> 12), VMSIM__BLOCK_OFFLINE);
    assert_int_equal(z->present, before.present - BLOCK_FRAMES);
    assert_int_equal(z->managed, before.managed - BLOCK_FRAMES);
    assert_int_equal(z->end - z->start, before.end - before.start); /* a hole in the middle is spanned */
    assert_int_equal(mem->totalram, total - BLOCK_FRAMES);
    assert_int_equal(free_frames(mem), free - BLOCK_FRAMES);
    assert_true(z->wmark[0] < before.wmark[0] && dma->wmark[0] > dma_min); /* of the same sum, the smaller share */
    assert_null(vmsim__mem_zone_of(mem, GIB >> 12));
    assert_null(vmsim__mem_frame(mem, GIB >> 12));
    assert_int_equal(mem->chunks, chunks);
    assert_int_equal(offline(mem, GIB >> 12), VMSIM__HOTPLUG_INVALID);
    assert_int_equal(vmsim__memory_online(mem, GIB >> 12, VMSIM__ONLINE), VMSIM__HOTPLUG_OK);
    assert_int_equal(vmsim__memory_online(mem, GIB >> 12, VMSIM__ONLINE), VMSIM__HOTPLUG_INVALID);
    zm_check(mem);
    assert_int_equal(z->present, before.present);
    assert_int_equal(z->managed, before.managed);
    assert_memory_equal(z->wmark, before.wmark, sizeof before.wmark);
    assert_int_equal(mem->totalram, total);
    assert_int_equal(free_frames(mem), free);
    assert_ptr_equal(vmsim__mem_zone_of(mem, GIB >> 12), z);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

static void what_cannot_leave_keeps_its_block_online(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    const uint64_t sizes[] = {GIB};
    struct vmsim__mem *mem = zm_pc(alloc, "6.12", 1, sizes);
    assert_int_equal(offline(mem, 0), VMSIM__HOTPLUG_INVALID); /* a hole below 1 MiB */
    assert_int_equal(offline(mem, 1), VMSIM__HOTPLUG_INVALID);
    assert_int_equal(offline(mem, 4 * GIB >> 12), VMSIM__HOTPLUG_INVALID);
    assert_int_equal(offline(mem, 7 * BLOCK_FRAMES), VMSIM__HOTPLUG_INVALID); /* ends at the firmware's tables */
    assert_int_equal(offline(mem, 6 * BLOCK_FRAMES), VMSIM__HOTPLUG_OK);
    vmsim__pfn pfn = zm_alloc(mem, VMSIM__GFP_KERNEL, 0, 0), block = pfn & ~(BLOCK_FRAMES - 1);
    uint64_t free = free_frames(mem);
    vmsim__mem_drain(mem);
    free = free_frames(mem);
    assert_int_equal(offline(mem, block), block ? VMSIM__HOTPLUG_BUSY : VMSIM__HOTPLUG_INVALID);
    assert_int_equal(free_frames(mem), free);
    vmsim__mem_free(mem, pfn, 0, 0);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

static void an_isolated_block_gives_nothing_and_keeps_what_is_freed(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__mem *mem = zm_plain(alloc, "6.1", 256 * MIB, 1);
    struct vmsim__zone *z = &mem->zones[0];
    vmsim__pfn taken[16];
    for (unsigned i = 0; i < 16; i++) {
        taken[i] = zm_alloc(mem, VMSIM__GFP_HIGHUSER_MOVABLE | VMSIM__GFP_COMP, i % 4, 0);
        vmsim__mem_frame(mem, taken[i])->flags |= VMSIM__FRAME_LRU;
    }
    vmsim__pfn block = taken[0] & ~(BLOCK_FRAMES - 1), at = block;
    uint64_t in_use = z->in_use;
    assert_int_equal(vmsim__memory_offline_begin(mem, block), VMSIM__HOTPLUG_OK);
    assert_int_equal(vmsim__memory_offline_end(mem, block), VMSIM__HOTPLUG_BUSY);
    vmsim__memory_offline_cancel(mem, block);
    zm_check(mem);
    assert_int_equal(z->in_use, in_use);
    assert_int_equal(vmsim__memory_offline_begin(mem, block), VMSIM__HOTPLUG_OK);
    for (unsigned i = 0; i < 64; i++) {
        vmsim__pfn other = zm_alloc(mem, VMSIM__GFP_HIGHUSER_MOVABLE, 3, 0);
        assert_true(other != VMSIM__PFN_NONE && (other & ~(BLOCK_FRAMES - 1)) != block);
        vmsim__mem_free(mem, other, 3, 0);
    }
    for (unsigned found = 0; (at = vmsim__memory_offline_busy(mem, block, at)) != VMSIM__PFN_NONE; found++) {
        unsigned i = 0;
        while (i < 16 && taken[i] != at)
            i++;
        assert_true(i < 16 && found < 16);
        int32_t pcp = z->pcp[0].count;
        vmsim__mem_frame(mem, at)->flags &= ~VMSIM__FRAME_LRU;
        vmsim__mem_free(mem, at, i % 4, 0);
        assert_int_equal(z->pcp[0].count, pcp); /* straight to the buddy */
        at += 1u << i % 4;
    }
    assert_int_equal(vmsim__memory_offline_end(mem, block), VMSIM__HOTPLUG_OK);
    assert_int_equal(z->present, BLOCK_FRAMES);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

static void online_movable_makes_a_zone_and_its_lists(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__node_spec nodes[2] = {{.memory = GIB, .hotplug_memory = 256 * MIB}, {.hotplug_memory = 256 * MIB}};
    struct vmsim__mem *mem = zm_create(alloc, &(struct vmsim__mem_spec){.cpus = 2, .nodes = {nodes, 2}});
    vmsim__pfn first = GIB >> 12, second = 2 * GIB >> 12;
    unsigned zones = mem->nr_zones;
    assert_null(zm_zone(mem, 0, VMSIM__ZONE_MOVABLE));
    assert_int_equal(vmsim__memory_block_state(mem, first), VMSIM__BLOCK_OFFLINE);
    assert_int_equal(vmsim__memory_online(mem, first, VMSIM__ONLINE_MOVABLE), VMSIM__HOTPLUG_OK);
    const struct vmsim__zone *movable = zm_zone(mem, 0, VMSIM__ZONE_MOVABLE);
    assert_int_equal(movable->managed, BLOCK_FRAMES);
    assert_int_equal(mem->nodes[0].zonelist[0][0], movable->index);
    vmsim__pfn user = zm_alloc(mem, VMSIM__GFP_HIGHUSER_MOVABLE, 0, 0), own = zm_alloc(mem, VMSIM__GFP_KERNEL, 0, 0);
    assert_ptr_equal(vmsim__mem_zone_of(mem, user), movable);
    assert_ptr_equal(vmsim__mem_zone_of(mem, own), zm_zone(mem, 0, VMSIM__ZONE_DMA32));
    vmsim__mem_free(mem, user, 0, 0);
    vmsim__mem_free(mem, own, 0, 0);
    /* the next one of the node joins it; above 4 GiB or not, the kernel's own zone of new memory is Normal */
    assert_int_equal(vmsim__memory_online(mem, first + BLOCK_FRAMES, VMSIM__ONLINE), VMSIM__HOTPLUG_OK);
    assert_non_null(zm_zone(mem, 0, VMSIM__ZONE_NORMAL));
    zm_check(mem);
    /* a node without memory becomes one with memory, and the nearest to itself */
    assert_false(mem->nodes[1].has_memory);
    assert_int_equal(vmsim__memory_online(mem, second, VMSIM__ONLINE_KERNEL), VMSIM__HOTPLUG_OK);
    assert_true(mem->nodes[1].has_memory);
    assert_int_equal(mem->nodes[0].order_count, 2);
    user = zm_alloc(mem, VMSIM__GFP_HIGHUSER_MOVABLE, 0, 1);
    assert_int_equal(vmsim__mem_zone_of(mem, user)->node, 1);
    vmsim__mem_free(mem, user, 0, 1);
    assert_int_equal(offline(mem, second), VMSIM__HOTPLUG_OK);
    assert_false(mem->nodes[1].has_memory);
    assert_int_equal(mem->nodes[0].order_count, 1);
    assert_int_equal(offline(mem, first), VMSIM__HOTPLUG_OK);
    assert_null(zm_zone(mem, 0, VMSIM__ZONE_MOVABLE));
    assert_int_equal(mem->nr_zones, zones); /* nothing was renumbered */
    zm_destroy(mem);
    test_alloc_end(alloc);
}

/* By itself a block is of the kernel's zone; under auto-movable it is Movable while there is no more of that than three
 * times the kernel's memory of boot, within its node, too, unless told otherwise. */
static void online_policy_decides_who_is_not_told(void **state) {
    (void)state;
    static const struct {
        const char *policy, *ratio, *aware;
        bool own, other; /* of the node with memory of boot, of that without: Movable */
    } cases[] = {{"contig-zones", "301", "1", false, false},
                 {"auto-movable", "301", "1", true, false},
                 {"auto-movable", "301", "0", true, true},
                 {"auto-movable", "24", "0", false, false}, /* a quarter more would be 25 % */
                 {"auto-movable", "0", "0", false, false}};
    struct vmsim__alloc *alloc = test_alloc();
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct vmsim__node_spec nodes[2] = {{.memory = 512 * MIB, .hotplug_memory = 128 * MIB},
                                            {.hotplug_memory = 128 * MIB}};
        struct vmsim__mem *mem = zm_create(
            alloc, &(struct vmsim__mem_spec){.arch = VMSIM__ARCH_ARM64, .kernel = "6.1", .nodes = {nodes, 2}});
        struct vmsim__err err = {0};
        const vmsim__pfn frames = (vmsim__pfn)1 << mem->memory_block_order;
        assert_int_equal(vmsim__mem_sysctl_set(mem, "memory_hotplug/online_policy", cases[i].policy, &err), 0);
        assert_int_equal(vmsim__mem_sysctl_set(mem, "memory_hotplug/auto_movable_ratio", cases[i].ratio, &err), 0);
        assert_int_equal(vmsim__mem_sysctl_set(mem, "memory_hotplug/auto_movable_numa_aware", cases[i].aware, &err), 0);
        for (vmsim__pfn block = 0; block < mem->frames.end; block += frames) {
            if (vmsim__memory_block_state(mem, block) != VMSIM__BLOCK_OFFLINE)
                continue;
            assert_int_equal(vmsim__memory_online(mem, block, VMSIM__ONLINE), VMSIM__HOTPLUG_OK);
            const struct vmsim__zone *z = vmsim__mem_zone_of(mem, block);
            assert_int_equal(z->type == VMSIM__ZONE_MOVABLE, z->node ? cases[i].other : cases[i].own);
        }
        zm_check(mem);
        zm_destroy(mem);
    }
    test_alloc_end(alloc);
}

/* As lists before: what is plugged in is used after all that was there. */
static void new_memory_is_used_last(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    for (unsigned touched = 0; touched < 2; touched++) {
        struct vmsim__reserve_spec none = {.zone = VMSIM__ZONE_DMA};
        struct vmsim__node_spec node = {.memory = GIB, .hotplug_memory = GIB, .reserved = {&none, 1}};
        struct vmsim__mem *mem =
            zm_create(alloc, &(struct vmsim__mem_spec){.arch = VMSIM__ARCH_ARM64, .nodes = {&node, 1}});
        vmsim__pfn start = GIB >> 12, plugged = 2 * GIB >> 12;
        assert_int_equal(offline(mem, start), VMSIM__HOTPLUG_OK);
        if (touched) {
            vmsim__pfn pfn = zm_alloc(mem, VMSIM__GFP_HIGHUSER_MOVABLE, 10, 0);
            vmsim__mem_free(mem, pfn, 10, 0);
        }
        uint64_t bytes = vmsim__alloc_bytes(alloc);
        assert_int_equal(vmsim__memory_online(mem, plugged, VMSIM__ONLINE), VMSIM__HOTPLUG_OK);
        assert_true(vmsim__alloc_bytes(alloc) < bytes + (128 << 10)); /* untouched: no metadata, but lists of a zone */
        for (unsigned i = 0; i < 100; i++)
            assert_true(zm_alloc(mem, VMSIM__GFP_KERNEL, 10, 0) < plugged + BLOCK_FRAMES);
        assert_int_equal(vmsim__memory_online(mem, start, VMSIM__ONLINE), VMSIM__HOTPLUG_OK);
        zm_destroy(mem);
    }
    test_alloc_end(alloc);
}

static void pageblock_sized_machines_hotplug_by_their_sections(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    const uint64_t sizes[] = {66 * GIB}, odd[] = {64 * GIB + 128 * MIB};
    struct vmsim__mem *mem = zm_pc(alloc, "6.1", 1, sizes);
    assert_int_equal(mem->memory_block_order + 12, 30); /* memory ends at 67 GiB */
    zm_destroy(mem);
    mem = zm_pc(alloc, "6.1", 1, odd);
    assert_int_equal(mem->memory_block_order + 12, 27);
    zm_destroy(mem);
    struct vmsim__node_spec node = {.memory = 2 * GIB};
    mem =
        zm_create(alloc, &(struct vmsim__mem_spec){.arch = VMSIM__ARCH_ARM64, .page_size = 65536, .nodes = {&node, 1}});
    assert_int_equal(mem->memory_block_order + 16, 29);
    assert_int_equal(vmsim__memory_block_state(mem, GIB >> 16), VMSIM__BLOCK_ONLINE);
    assert_int_equal(offline(mem, (GIB + 512 * MIB) >> 16), VMSIM__HOTPLUG_OK);
    assert_int_equal(vmsim__memory_online(mem, (GIB + 512 * MIB) >> 16, VMSIM__ONLINE), VMSIM__HOTPLUG_OK);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

/* Two pageblocks in the middle of two free blocks of the top order: what lies beside them stays, and merges again. */
static void a_contiguous_range_is_taken_and_freed(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__mem *mem = zm_plain(alloc, "6.1", 64 * MIB, 1);
    struct vmsim__zone *z = &mem->zones[0];
    vmsim__pfn start = z->start + 512 + 4096, end = start + 1024;
    uint64_t top = vmsim__zone_free_blocks(z, 10, VMSIM__MIGRATE_TYPES), free = free_frames(mem);
    assert_int_equal(vmsim__isolate_begin(mem, start + 1, end), VMSIM__HOTPLUG_INVALID);
    assert_int_equal(vmsim__isolate_begin(mem, start, z->end + 512), VMSIM__HOTPLUG_INVALID);
    assert_int_equal(vmsim__isolate_begin(mem, start, end), VMSIM__HOTPLUG_OK);
    assert_int_equal(vmsim__isolate_begin(mem, start, end), VMSIM__HOTPLUG_BUSY);
    assert_int_equal(free_frames(mem), free - 1024);
    zm_check(mem);
    vmsim__isolate_cancel(mem, start, end, VMSIM__MOVABLE);
    assert_int_equal(free_frames(mem), free);
    assert_int_equal(vmsim__zone_free_blocks(z, 10, VMSIM__MIGRATE_TYPES), top);
    zm_check(mem);
    assert_int_equal(vmsim__isolate_begin(mem, start, end), VMSIM__HOTPLUG_OK);
    assert_int_equal(vmsim__isolate_take(mem, start, end, VMSIM__MOVABLE), VMSIM__HOTPLUG_OK);
    assert_int_equal(z->in_use, 1024);
    zm_check(mem);
    for (vmsim__pfn p = start; p < end; p++)
        vmsim__mem_free(mem, p, 0, 0);
    vmsim__mem_drain(mem);
    assert_int_equal(vmsim__zone_free_blocks(z, 10, VMSIM__MIGRATE_TYPES), top);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

static struct vmsim__mem *failing;
static bool hotplug_once(struct vmsim__alloc *alloc, void *context) {
    (void)alloc;
    const vmsim__pfn *block = context;
    bool online = vmsim__memory_block_state(failing, *block) == VMSIM__BLOCK_ONLINE;
    uint64_t present = failing->zones[0].present, total = failing->totalram;
    enum vmsim__hotplug rc = online ? offline(failing, *block) : vmsim__memory_online(failing, *block, VMSIM__ONLINE);
    zm_check(failing);
    if (rc == VMSIM__HOTPLUG_OK)
        return true;
    assert_int_equal(rc, VMSIM__HOTPLUG_NOMEM);
    assert_int_equal(failing->zones[0].present, present);
    assert_int_equal(failing->totalram, total);
    assert_false(failing->host_nomem);
    return false;
}

/* Some metadata may be there after a failure, so that blocks of the host are not compared. */
static void hotplug_survives_any_failure_of_host_memory(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__node_spec node = {.memory = GIB, .hotplug_memory = 256 * MIB};
    failing = zm_create(alloc, &(struct vmsim__mem_spec){.arch = VMSIM__ARCH_ARM64, .nodes = {&node, 1}});
    vmsim__pfn blocks[] = {2 * GIB >> 12, (2 * GIB >> 12) + BLOCK_FRAMES, (GIB >> 12) + 2 * BLOCK_FRAMES, 2 * GIB >> 12,
                           (GIB >> 12) + 2 * BLOCK_FRAMES};
    for (unsigned i = 0; i < TEST_COUNT(blocks); i++) {
        bool done = false;
        for (uint64_t n = 1; !done && n < 200; n++) {
            vmsim__alloc_fail_after(alloc, n);
            done = hotplug_once(alloc, &blocks[i]);
            vmsim__alloc_fail_after(alloc, UINT64_MAX);
        }
        assert_true(done);
    }
    zm_destroy(failing);
    test_alloc_end(alloc);
}

/* ---- A storm ---- */

#define HELD 400
struct storm {
    struct vmsim__mem *mem;
    struct vmsim__rng rng;
    struct {
        vmsim__pfn pfn;
        unsigned order;
    } held[HELD];
    unsigned count, gone, back; /* held; blocks that went offline, that came online */
};

static void let_go(struct storm *s, unsigned i) {
    vmsim__mem_frame(s->mem, s->held[i].pfn)->flags &= ~VMSIM__FRAME_LRU;
    vmsim__mem_free(s->mem, s->held[i].pfn, s->held[i].order, (unsigned)vmsim__rng_below(&s->rng, s->mem->nr_cpus));
    s->held[i] = s->held[--s->count];
}

static void allocate(struct storm *s) {
    unsigned order = (unsigned)vmsim__rng_below(&s->rng, 10),
             cpu = (unsigned)vmsim__rng_below(&s->rng, s->mem->nr_cpus);
    bool user = vmsim__rng_below(&s->rng, 8) != 0;
    vmsim__pfn pfn =
        zm_alloc(s->mem, user ? VMSIM__GFP_HIGHUSER_MOVABLE | VMSIM__GFP_COMP : VMSIM__GFP_KERNEL, order, cpu);
    if (pfn == VMSIM__PFN_NONE)
        return;
    assert_non_null(vmsim__mem_zone_of(s->mem, pfn));
    if (user) /* what can be migrated */
        vmsim__mem_frame(s->mem, pfn)->flags |= VMSIM__FRAME_LRU;
    s->held[s->count].pfn = pfn;
    s->held[s->count++].order = order;
}

/* Half of the blocks that go offline are emptied by freeing what is in use there. */
static void unplug(struct storm *s, vmsim__pfn block, vmsim__pfn frames) {
    if (vmsim__memory_offline_begin(s->mem, block) != VMSIM__HOTPLUG_OK)
        return;
    for (unsigned k = vmsim__rng_below(&s->rng, 2) ? s->count : 0; k-- > 0;) {
        if (s->held[k].pfn >= block && s->held[k].pfn < block + frames)
            let_go(s, k);
    }
    if (vmsim__memory_offline_end(s->mem, block) == VMSIM__HOTPLUG_OK)
        s->gone++;
    else
        vmsim__memory_offline_cancel(s->mem, block);
}

static void step(struct storm *s) {
    vmsim__pfn frames = 1u << s->mem->memory_block_order;
    vmsim__pfn block = (vmsim__pfn)vmsim__rng_below(&s->rng, s->mem->frames.end / frames) * frames;
    unsigned what = (unsigned)vmsim__rng_below(&s->rng, 40);
    if (what == 0)
        s->back +=
            vmsim__memory_online(s->mem, block, (enum vmsim__online)vmsim__rng_below(&s->rng, 3)) == VMSIM__HOTPLUG_OK;
    else if (what == 1)
        unplug(s, block, frames);
    else if (s->count && (s->count == HELD || what % 2))
        let_go(s, (unsigned)vmsim__rng_below(&s->rng, s->count));
    else
        allocate(s);
}

static void a_storm_of_blocks_and_load_conserves_everything(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    for (unsigned k = 0; k < 2; k++) {
        struct vmsim__node_spec nodes[3] = {
            {.memory = 512 * MIB, .hotplug_memory = 256 * MIB}, {.memory = 256 * MIB}, {.hotplug_memory = 256 * MIB}};
        struct storm s = {.rng = test_rng("hotplug storm")};
        s.mem = zm_create(alloc,
                          &(struct vmsim__mem_spec){
                              .arch = VMSIM__ARCH_ARM64, .kernel = k ? "6.12" : "6.1", .cpus = 3, .nodes = {nodes, 3}});
        for (unsigned i = 0; i < 50000; i++) {
            step(&s);
            if (i % 1000 == 0)
                zm_check(s.mem);
        }
        while (s.count)
            let_go(&s, s.count - 1);
        vmsim__mem_drain(s.mem);
        uint64_t managed = 0;
        for (unsigned i = 0; i < s.mem->nr_zones; i++)
            managed += s.mem->zones[i].managed;
        assert_int_equal(free_frames(s.mem), managed);
        assert_true(s.gone > 20 && s.back > 20);
        zm_destroy(s.mem);
    }
    test_alloc_end(alloc);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_goes_and_comes_back),
        cmocka_unit_test(what_cannot_leave_keeps_its_block_online),
        cmocka_unit_test(an_isolated_block_gives_nothing_and_keeps_what_is_freed),
        cmocka_unit_test(online_movable_makes_a_zone_and_its_lists),
        cmocka_unit_test(online_policy_decides_who_is_not_told),
        cmocka_unit_test(new_memory_is_used_last),
        cmocka_unit_test(pageblock_sized_machines_hotplug_by_their_sections),
        cmocka_unit_test(a_contiguous_range_is_taken_and_freed),
        cmocka_unit_test(hotplug_survives_any_failure_of_host_memory),
        cmocka_unit_test(a_storm_of_blocks_and_load_conserves_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
