/* SPDX-License-Identifier: MIT */
/* A page cache over a memory that is nothing but frames: nodes of one zone each, a stack of free frames, a limit after
 * which allocations fail. It stands in for src/zones/, so that these tests see the cache alone. */
#ifndef CACHE_MACHINE_H
#define CACHE_MACHINE_H
#include "cache/cache.h"
#include "helpers.h"
#include "lru/stat_flush.h"

#define PAGE UINT64_C(4096)
#define CACHE_MACHINE_CPUS 4

#define STAT_NAME(id, name) name,
const char *const vmsim__zone_stat_names[VMSIM__ZONE_STAT_COUNT] = {VMSIM__ZONE_STATS(STAT_NAME)};
const char *const vmsim__node_stat_names[VMSIM__NODE_STAT_COUNT] = {VMSIM__NODE_STATS(STAT_NAME)};

struct cache_machine {
    struct vmsim__alloc *alloc;
    struct vmsim__mem mem;
    struct vmsim__lru *lru;
    struct vmsim__cache *cache;
    struct vmsim__cache_spec spec;
    unsigned nodes;
    uint32_t frames;  /* of a node */
    vmsim__pfn *free; /* stacks, a node's one after the other */
    uint32_t *free_count;
    uint32_t held[64]; /* transfers that the device has not done yet */
    unsigned nr_held;
    uint64_t grants; /* allocations left before they fail */
    uint64_t freed;
};

TEST_UNUSED static struct cache_machine *cache_machine_of(struct vmsim__mem *mem) {
    return (struct cache_machine *)((char *)mem - offsetof(struct cache_machine, mem));
}

vmsim__pfn vmsim__mem_alloc(struct vmsim__mem *mem, const struct vmsim__alloc_request *rq) {
    struct cache_machine *m = cache_machine_of(mem);
    if (!m->grants)
        return VMSIM__PFN_NONE;
    for (unsigned i = 0; i < m->nodes; i++) {
        unsigned node = (rq->node + i) % m->nodes;
        if (!m->free_count[node] || (rq->nodemask && !(*rq->nodemask >> node & 1)))
            continue;
        vmsim__pfn pfn = m->free[node * m->frames + --m->free_count[node]];
        struct vmsim__frame *f = vmsim__frame_at(&mem->frames, pfn);
        *f = (struct vmsim__frame){.refcount = 1, .flags = node << VMSIM__FRAME_ZONE_SHIFT};
        mem->zones[node].stat[VMSIM__NR_FREE_PAGES]--;
        m->grants--;
        return pfn;
    }
    return VMSIM__PFN_NONE;
}

void vmsim__mem_free(struct vmsim__mem *mem, vmsim__pfn pfn, unsigned order, unsigned cpu) {
    struct cache_machine *m = cache_machine_of(mem);
    unsigned node = pfn / m->frames;
    (void)cpu;
    assert_int_equal(order, 0);
    assert_int_equal(vmsim__frame_at(&mem->frames, pfn)->refcount, 0);
    m->free[node * m->frames + m->free_count[node]++] = pfn;
    mem->zones[node].stat[VMSIM__NR_FREE_PAGES]++;
    m->freed++;
}

/* Objects are counted, and take no frames of the few that there are: without slabs no object has room, and none is
 * given back. */
void vmsim__kmem_grow(struct vmsim__mem *mem, enum vmsim__kmem_kind kind, unsigned cpu) {
    assert_true(kind < VMSIM__KMEM_KINDS && cpu < CACHE_MACHINE_CPUS);
    assert_true(mem->kmem[kind].objects > 0 && !mem->kmem[kind].room);
}
void vmsim__kmem_shrink(struct vmsim__mem *mem, enum vmsim__kmem_kind kind, unsigned cpu) {
    (void)cpu;
    fail_msg("cache %d has no slab to give back, objects %llu", kind, (unsigned long long)mem->kmem[kind].objects);
}

TEST_UNUSED static void cache_machine_start(struct cache_machine *m, const char *kernel, unsigned nodes,
                                            uint32_t frames) {
    struct vmsim__alloc *a = test_alloc();
    *m = (struct cache_machine){.alloc = a, .nodes = nodes, .frames = frames, .grants = UINT64_MAX};
    m->mem = (struct vmsim__mem){.alloc = a, .page_shift = 12, .nr_cpus = CACHE_MACHINE_CPUS};
    m->mem.nr_zones = m->mem.nr_nodes = (uint16_t)nodes;
    m->mem.zones = vmsim__calloc(a, nodes, sizeof *m->mem.zones);
    m->mem.nodes = vmsim__calloc(a, nodes, sizeof *m->mem.nodes);
    m->mem.cpu_node = vmsim__calloc(a, CACHE_MACHINE_CPUS, sizeof(uint16_t));
    m->free = vmsim__calloc(a, nodes * frames, sizeof *m->free);
    m->free_count = vmsim__calloc(a, nodes, sizeof *m->free_count);
    m->mem.frames.shift = 31;
    m->mem.frames.mask = INT32_MAX;
    m->mem.frames.end = nodes * frames;
    m->mem.frames.chunk = vmsim__calloc(a, 1, sizeof *m->mem.frames.chunk);
    m->mem.frames.chunk[0] = vmsim__calloc(a, nodes * frames, sizeof(struct vmsim__frame));
    for (unsigned n = 0; n < nodes; n++) {
        m->mem.zones[n].node = m->mem.zones[n].index = (uint8_t)n;
        m->mem.zones[n].type = VMSIM__ZONE_NORMAL;
        m->mem.zones[n].stat[VMSIM__NR_FREE_PAGES] = frames;
        m->mem.nodes[n].nr_zones = 1;
        m->mem.nodes[n].zone[0] = (uint8_t)n;
        m->free_count[n] = frames;
        for (uint32_t i = 0; i < frames; i++)
            m->free[n * frames + i] = n * frames + (frames - 1 - i);
    }
    for (unsigned cpu = 0; cpu < CACHE_MACHINE_CPUS; cpu++)
        m->mem.cpu_node[cpu] = (uint16_t)(cpu % nodes);
    m->spec = (struct vmsim__cache_spec){.read_ahead = 128 << 10,
                                         .dirty_ratio = 20,
                                         .dirty_background_ratio = 10,
                                         .hit_cost = 400,
                                         .zero_cost = 150,
                                         .lookup_cost = 50,
                                         .device = {.read_latency = 80000,
                                                    .write_latency = 20000,
                                                    .read_bandwidth = UINT64_C(1) << 31,
                                                    .write_bandwidth = UINT64_C(1) << 30,
                                                    .optimal_io = 1280 << 10}};
    m->lru = vmsim__lru_create(a, &m->mem, vmsim__kernel_find(kernel), CACHE_MACHINE_CPUS);
    assert_non_null(m->lru);
    m->cache = vmsim__cache_create(a, &m->mem, m->lru, vmsim__kernel_find(kernel), &m->spec);
    assert_non_null(m->cache);
}

static bool hold(void *context, uint32_t id, struct vmsim__file *file, uint64_t first, uint64_t pages, bool write) {
    struct cache_machine *m = context;
    (void)file, (void)first, (void)pages, (void)write;
    m->held[m->nr_held++] = id;
    return true;
}

/* From now on transfers are done when cache_machine_deliver says so. */
TEST_UNUSED static void cache_machine_hold(struct cache_machine *m) {
    vmsim__cache_set_io(m->cache, &(struct vmsim__cache_io){.context = m, .submit = hold});
}

/* Ends all transfers that were begun, in their order. */
TEST_UNUSED static void cache_machine_deliver(struct cache_machine *m, int status) {
    unsigned n = m->nr_held;
    m->nr_held = 0;
    for (unsigned i = 0; i < n; i++)
        vmsim__transfer_done(m->cache, m->held[i], status);
}

/* A fault until it need not be entered again, as vm/ does; `major` stays from whichever entry it was. */
TEST_UNUSED static enum vmsim__page_outcome cache_fault(struct cache_machine *m, struct vmsim__file *f,
                                                        struct vmsim__file_ra *ra, uint64_t index,
                                                        enum vmsim__read_advice advice,
                                                        const struct vmsim__alloc_request *policy, unsigned cpu,
                                                        struct vmsim__page_fault *out) {
    bool major = false;
    enum vmsim__page_outcome o;
    do {
        o = vmsim__file_fault(m->cache, f, ra, index, advice, policy, NULL, cpu, out);
        major = major || out->major;
        m->mem.now.own.tried = o == VMSIM__PAGE_RETRY;
    } while (o == VMSIM__PAGE_RETRY);
    out->major = major;
    return o;
}

/* Pages that a sync writes. */
TEST_UNUSED static uint64_t cache_sync_file(struct cache_machine *m, struct vmsim__file *f, uint64_t first,
                                            uint64_t end, unsigned cpu) {
    int64_t before = 0, after = 0;
    for (unsigned n = 0; n < m->nodes; n++)
        before += m->mem.nodes[n].stat[VMSIM__NR_WRITTEN];
    assert_int_equal(vmsim__file_sync(m->cache, f, first, end, cpu), 0);
    for (unsigned n = 0; n < m->nodes; n++)
        after += m->mem.nodes[n].stat[VMSIM__NR_WRITTEN];
    return (uint64_t)(after - before);
}

/* So much time passes that reclaim knows what there is now. */
TEST_UNUSED static void cache_machine_settle(struct cache_machine *m) {
    m->mem.now.time += VMSIM__STAT_FLUSH_NS;
}
TEST_UNUSED static void cache_machine_check(struct cache_machine *m) {
    struct vmsim__err err = {0};
    if (vmsim__cache_check(m->cache, &err) || vmsim__lru_check(m->lru, &err))
        fail_msg("%s", err.text);
}

/* Ends it; every file must have been deleted before if `empty`: then all frames are free again. */
TEST_UNUSED static void cache_machine_end(struct cache_machine *m, bool empty) {
    struct vmsim__alloc *a = m->alloc;
    size_t all = (size_t)m->nodes * m->frames;
    cache_machine_check(m);
    vmsim__lru_drain_all(m->lru);
    cache_machine_check(m);
    for (unsigned n = 0; empty && n < m->nodes; n++)
        assert_int_equal(m->free_count[n], m->frames);
    vmsim__cache_destroy(m->cache);
    vmsim__lru_destroy(m->lru);
    vmsim__free(a, m->mem.frames.chunk[0], all * sizeof(struct vmsim__frame));
    vmsim__free(a, m->mem.frames.chunk, sizeof *m->mem.frames.chunk);
    vmsim__free(a, m->free, all * sizeof *m->free);
    vmsim__free(a, m->free_count, m->nodes * sizeof *m->free_count);
    vmsim__free(a, m->mem.zones, m->nodes * sizeof *m->mem.zones);
    vmsim__free(a, m->mem.nodes, m->nodes * sizeof *m->mem.nodes);
    vmsim__free(a, m->mem.cpu_node, CACHE_MACHINE_CPUS * sizeof(uint16_t));
    test_alloc_end(a);
}

/* Sums over nodes and zones, as /proc/vmstat prints them, after a drain. */
TEST_UNUSED static int64_t node_stat(struct cache_machine *m, enum vmsim__node_stat stat) {
    int64_t sum = 0;
    for (unsigned n = 0; n < m->nodes; n++)
        sum += m->mem.nodes[n].stat[stat];
    return sum;
}
TEST_UNUSED static int64_t zone_stat(struct cache_machine *m, enum vmsim__zone_stat stat) {
    int64_t sum = 0;
    for (unsigned n = 0; n < m->nodes; n++)
        sum += m->mem.zones[n].stat[stat];
    return sum;
}
TEST_UNUSED static uint64_t event(const struct cache_machine *m, enum vmsim__event_stat stat) {
    return m->mem.event[stat];
}

/* "0-3 8-11": the cached pages of a file; static buffer of the caller. */
TEST_UNUSED static const char *cached_pages(const struct vmsim__file *f, char *text, size_t size) {
    uint64_t index = 0, first = UINT64_MAX, last = 0;
    size_t used = 0;
    text[0] = '\0';
    for (;; index++) {
        uint64_t value = vmsim__radix_next(&f->pages, &index);
        if (first != UINT64_MAX && (!value || index != last + 1)) {
            used += (size_t)snprintf(text + used, size - used, "%s%llu-%llu", used ? " " : "",
                                     (unsigned long long)first, (unsigned long long)last);
            first = UINT64_MAX;
        }
        if (!value)
            return text;
        if (first == UINT64_MAX)
            first = index;
        last = index;
    }
}

#endif
