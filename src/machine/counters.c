/* SPDX-License-Identifier: MIT */
/* Every number of a machine under one name, resolved once and then read by id (jemalloc's mallctl habit).
 *
 *     vmstat.NAME  block.DEVICE.NAME  nodeN.NAME  zone.N.ZONE.NAME  cpuN.NAME  tasks.TASK.NAME
 *     zram.zramN.NAME  zswap.NAME  highmem.NAME  bounce.NAME             of machines that have them
 *     tlb.cpuN.NAME  tlb.cpuN.walks.SIZE  tlb.cpuN.ARRAY.NAME  tlb.cpuN.ARRAY.SIZE.NAME              SIZE: 4KiB
 *     hugetlb.hugepages-SIZEkB.NAME                                      pools
 *     thp.hugepages-SIZEkB.NAME                                          of kernels that have those folders
 *     policies.DOMAIN.POLICY.NAME                                        of policies that something asks
 *
 * The table is made when first asked for and grows as tasks appear; an id stays what it was. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "machine/machine.h"

typedef uint64_t reader(const struct vmsim_machine *m, uint32_t a, uint32_t b);

/* A counter that per-CPU drift takes below zero is shown as 0, as in /proc/vmstat. */
static uint64_t non_negative(int64_t n) {
    return n < 0 ? 0 : (uint64_t)n;
}

/* Readers are called with two numbers that the table holds beside them, so that a row costs no memory of its own and
 * a read no look-up by name. */
static uint64_t read_zone_sum(const struct vmsim_machine *m, uint32_t stat, uint32_t b) {
    VMSIM__ASSERT(stat < VMSIM__ZONE_STAT_COUNT);
    (void)b;
    return non_negative(vmsim__mem_zone_told(m->mem, (enum vmsim__zone_stat)stat));
}

static uint64_t read_numa_sum(const struct vmsim_machine *m, uint32_t stat, uint32_t b) {
    VMSIM__ASSERT(stat < VMSIM__NUMA_STAT_COUNT);
    (void)b;
    uint64_t sum = 0;
    for (unsigned z = 0; z < m->mem->nr_zones; z++)
        sum += m->mem->zones[z].numa[stat];
    return sum;
}

/* Summed over nodes, as /proc/vmstat is; of zones the same counter may be there by zone (nodeN has what nodes
 * count). */
static uint64_t read_node_sum(const struct vmsim_machine *m, uint32_t stat, uint32_t b) {
    VMSIM__ASSERT(stat < VMSIM__NODE_STAT_COUNT);
    (void)b;
    int64_t sum = 0;
    for (unsigned n = 0; n < m->mem->nr_nodes; n++)
        sum += m->mem->nodes[n].stat[stat];
    return non_negative(sum);
}

static uint64_t read_event(const struct vmsim_machine *m, uint32_t stat, uint32_t b) {
    VMSIM__ASSERT(stat < VMSIM__EVENT_COUNT);
    (void)b;
    return m->mem->event[stat];
}

static uint64_t read_dirty_limit(const struct vmsim_machine *m, uint32_t background, uint32_t b) {
    VMSIM__ASSERT(background < 2);
    (void)b;
    uint64_t limit[2];
    vmsim__dirty_limits(m->cache, &limit[0], &limit[1]);
    return limit[background];
}

static uint64_t read_node_stat(const struct vmsim_machine *m, uint32_t stat, uint32_t node) {
    VMSIM__ASSERT(stat < VMSIM__NODE_STAT_COUNT && node < m->mem->nr_nodes);
    return non_negative(m->mem->nodes[node].stat[stat]);
}

/* By zones of the node: the kernel counts hits where the page lies, which is what numastat shows. */
static uint64_t read_node_numa(const struct vmsim_machine *m, uint32_t stat, uint32_t node) {
    VMSIM__ASSERT(stat < VMSIM__NUMA_STAT_COUNT && node < m->mem->nr_nodes);
    uint64_t sum = 0;
    for (unsigned i = 0; i < m->mem->nodes[node].nr_zones; i++)
        sum += m->mem->zones[m->mem->nodes[node].zone[i]].numa[stat];
    return sum;
}

static uint64_t read_node_reads(const struct vmsim_machine *m, uint32_t unused, uint32_t node) {
    (void)unused;
    return vmsim__node_reads(m, node);
}

static uint64_t read_kmaps(const struct vmsim_machine *m, uint32_t a, uint32_t b) {
    (void)a, (void)b;
    return m->mem->kmaps;
}

static uint64_t read_bounced(const struct vmsim_machine *m, uint32_t in_turns, uint32_t b) {
    (void)b;
    return vmsim__cache_bounced(m->cache, in_turns);
}

static uint64_t read_node_queue(const struct vmsim_machine *m, uint32_t unused, uint32_t node) {
    (void)unused;
    return m->mem->nodes[node].queue_ns;
}

static uint64_t read_zone_stat(const struct vmsim_machine *m, uint32_t stat, uint32_t zone) {
    VMSIM__ASSERT(stat < VMSIM__ZONE_STAT_COUNT && zone < m->mem->nr_zones);
    return non_negative(vmsim__zone_told(&m->mem->zones[zone], (enum vmsim__zone_stat)stat));
}

enum zone_fact {
    ZONE_FREE,
    ZONE_MIN,
    ZONE_LOW,
    ZONE_HIGH,
    ZONE_BOOST,
    ZONE_SPANNED,
    ZONE_PRESENT,
    ZONE_MANAGED,
    ZONE_PCP,
    ZONE_UNUSABLE, /* thousandths of the free frames that lie in blocks smaller than a pageblock */
    ZONE_EXTFRAG,  /* why a pageblock cannot be had: thousandths from lack of memory to pieces; 0 also where it can */
    ZONE_FACTS
};
static const char *const zone_fact_names[ZONE_FACTS] = {
    "free", "min", "low", "high", "boost", "spanned", "present", "managed", "pcp_count", "unusable", "extfrag"};

/* In the order of zone_fact_names. Free pages may be below zero for a moment, as in the kernel, where differences of
 * CPUs are folded in late. */
static uint64_t read_zone_fact(const struct vmsim_machine *m, uint32_t fact, uint32_t zone) {
    VMSIM__ASSERT(fact < ZONE_FACTS && zone < m->mem->nr_zones);
    const struct vmsim__zone *z = &m->mem->zones[zone];
    const uint64_t facts[ZONE_FACTS] = {non_negative(vmsim__zone_told(z, VMSIM__NR_FREE_PAGES)),
                                        vmsim__zone_wmark(z, VMSIM__WMARK_MIN),
                                        vmsim__zone_wmark(z, VMSIM__WMARK_LOW),
                                        vmsim__zone_wmark(z, VMSIM__WMARK_HIGH),
                                        z->boost,
                                        z->end - z->start,
                                        z->present,
                                        z->managed,
                                        vmsim__zone_pcp_count(m->mem, z),
                                        (uint64_t)vmsim__zone_unusable_index(m->mem, z, m->mem->pageblock_order),
                                        non_negative(vmsim__zone_extfrag_index(m->mem, z, m->mem->pageblock_order))};
    return facts[fact];
}

static uint64_t read_tlb(const struct vmsim_machine *m, uint32_t counter, uint32_t cpu) {
    VMSIM__ASSERT(counter < VMSIM__TLB_COUNTER_COUNT && cpu < m->nr_cpus);
    return vmsim__tlb_counted(m->cpus[cpu].tlb, (enum vmsim__tlb_counter)counter);
}

static uint64_t read_tlb_walks(const struct vmsim_machine *m, uint32_t size, uint32_t cpu) {
    VMSIM__ASSERT(size < VMSIM__TLB_SIZES && cpu < m->nr_cpus);
    return vmsim__tlb_walks_by_size(m->cpus[cpu].tlb, size);
}

/* Which number of an array is meant: field, size, array. Size VMSIM__TLB_SIZES: of all. */
#define ARRAY_FIELDS 5u
static const char *const array_fields[ARRAY_FIELDS] = {"hits", "misses", "fills", "evictions", "flushed"};
#define ARRAY_NUMBER(array, size, field) (((array) * (VMSIM__TLB_SIZES + 1u) + (size)) * ARRAY_FIELDS + (field))

static uint64_t array_field(const struct vmsim__tlb *t, unsigned array, unsigned size, unsigned field) {
    const struct vmsim__tlb_array_counters *c = vmsim__tlb_array_by_size(t, array, size);
    const uint64_t fields[ARRAY_FIELDS] = {c->hit, c->miss, c->fill, c->evict, c->flush};
    VMSIM__ASSERT(field < ARRAY_FIELDS);
    return fields[field];
}

/* A miss whose walk faulted has no size, and counts among all. */
static uint64_t read_tlb_array(const struct vmsim_machine *m, uint32_t number, uint32_t cpu) {
    VMSIM__ASSERT(cpu < m->nr_cpus);
    const struct vmsim__tlb *t = m->cpus[cpu].tlb;
    unsigned field = number % ARRAY_FIELDS, size = number / ARRAY_FIELDS % (VMSIM__TLB_SIZES + 1u),
             array = number / ARRAY_FIELDS / (VMSIM__TLB_SIZES + 1u);
    if (size < VMSIM__TLB_SIZES)
        return array_field(t, array, size, field);
    uint64_t sum = field == 1 ? vmsim__tlb_array_fault_miss(t, array) : 0;
    for (unsigned s = 0; s < vmsim__tlb_sizes(t); s++)
        sum += array_field(t, array, s, field);
    return sum;
}

static const char *const device_fields[] = {"reads",         "writes",  "merged", "read_bytes",
                                            "written_bytes", "busy_ns", "errors"};
/* Busy time goes on while a request is in flight: it is asked as of the CPU that has come furthest. */
static uint64_t read_device(const struct vmsim_machine *m, uint32_t field, uint32_t device) {
    VMSIM__ASSERT(device < vmsim__block_devices(m->block));
    struct vmsim__block_stat s;
    uint64_t now = 0;
    for (unsigned cpu = 0; cpu < m->nr_cpus; cpu++)
        now = vmsim__max64(now, m->cpus[cpu].now);
    vmsim__block_stat(m->block, device, now, &s);
    const uint64_t values[] = {s.ios[VMSIM__BLOCK_READ],
                               s.ios[VMSIM__BLOCK_WRITE],
                               s.merges[VMSIM__BLOCK_READ] + s.merges[VMSIM__BLOCK_WRITE],
                               s.bytes[VMSIM__BLOCK_READ],
                               s.bytes[VMSIM__BLOCK_WRITE],
                               s.busy,
                               s.errors[VMSIM__BLOCK_READ] + s.errors[VMSIM__BLOCK_WRITE]};
    _Static_assert(VMSIM__COUNT(values) == VMSIM__COUNT(device_fields), "a value for each name");
    return values[field];
}

static const char *const zswap_fields[] = {"pool_pages",        "stored_pages",         "same_filled_pages",
                                           "stored_bytes",      "written_back_pages",   "pool_limit_hit",
                                           "reject_alloc_fail", "reject_compress_poor", "reject_reclaim_fail"};
static uint64_t read_zswap(const struct vmsim_machine *m, uint32_t field, uint32_t b) {
    VMSIM__ASSERT(m->swap && m->swap->zswap);
    const struct vmsim__zswap_stat *s = &m->swap->zswap->stat;
    const uint64_t values[] = {vmsim__zswap_pages(m->swap->zswap),
                               s->stored,
                               s->same,
                               s->bytes,
                               s->written_back,
                               s->limit_hit,
                               s->alloc_fail,
                               s->compress_poor,
                               s->reclaim_fail};
    (void)b;
    _Static_assert(VMSIM__COUNT(values) == VMSIM__COUNT(zswap_fields), "a value for each name");
    return values[field];
}

static const char *const zram_fields[] = {"orig_data_size", "compr_data_size", "mem_used_total",
                                          "mem_used_max",   "same_pages",      "huge_pages",
                                          "writes",         "reads",           "failed_writes"};
static uint64_t read_zram(const struct vmsim_machine *m, uint32_t field, uint32_t number) {
    VMSIM__ASSERT(m->swap && number < m->swap->zrams);
    const struct vmsim__zram *z = &m->swap->zram[number];
    const struct vmsim__zram_stat *s = &z->stat;
    const uint64_t page = z->pool.page, values[] = {s->stored * page,   s->bytes, z->pool.pages * page,
                                                    s->used_max * page, s->same,  s->huge,
                                                    s->writes,          s->reads, s->failed};
    _Static_assert(VMSIM__COUNT(values) == VMSIM__COUNT(zram_fields), "a value for each name");
    return values[field];
}

#define CPU_FIELDS 6u
static const char *const cpu_names[CPU_FIELDS] = {"time_ns",   "context_switches", "user_ns",
                                                  "system_ns", "idle_ns",          "iowait_ns"};
/* In the order of cpu_names. */
static uint64_t read_cpu(const struct vmsim_machine *m, uint32_t what, uint32_t cpu) {
    const struct vmsim__cpu *c = &m->cpus[cpu];
    const uint64_t values[CPU_FIELDS] = {c->now, c->switches, c->user_ns, c->system_ns, c->idle_ns, c->iowait_ns};
    VMSIM__ASSERT(what < CPU_FIELDS);
    return values[what];
}

#define TASK_FIELDS(X)                                                                                                 \
    X("references", t->stats.references)                                                                               \
    X("minflt", t->stats.min_flt)                                                                                      \
    X("majflt", t->stats.maj_flt)                                                                                      \
    X("syscalls", t->stats.syscalls)                                                                                   \
    X("signals_caught", t->stats.signals)                                                                              \
    X("user_ns", t->stats.user_ns)                                                                                     \
    X("system_ns", t->stats.system_ns)                                                                                 \
    X("blocked_ns", t->stats.blocked_ns)                                                                               \
    X("waiting_ns", t->stats.waiting_ns)                                                                               \
    X("asleep_ns", t->stats.asleep_ns)                                                                                 \
    X("sigsegv", t->stop == VMSIM_STOP_SIGSEGV)                                                                        \
    X("sigbus", t->stop == VMSIM_STOP_SIGBUS)                                                                          \
    X("oom_kills", t->stop == VMSIM_STOP_OOM)                                                                          \
    X("rss_anon", t->mm ? vmsim__mm_rss(t->mm, VMSIM__RSS_ANON) : 0)                                                   \
    X("rss_file", t->mm ? vmsim__mm_rss(t->mm, VMSIM__RSS_FILE) : 0)                                                   \
    X("rss_shmem", t->mm ? vmsim__mm_rss(t->mm, VMSIM__RSS_SHMEM) : 0)                                                 \
    X("hugetlb_pages", t->mm ? t->mm->hugetlb_pages : 0)                                                               \
    X("pgtables_bytes", t->mm ? t->mm->pgtables_bytes : t->last_pgtables)                                              \
    X("map_count", t->mm ? t->mm->map_count : t->last_map_count)

static const char *const task_names[] = {
#define TASK_NAME(name, value) name,
    TASK_FIELDS(TASK_NAME)
#undef TASK_NAME
};

/* Of one that has ended: what it had last, and no memory. */
static uint64_t read_task(const struct vmsim_machine *m, uint32_t field, uint32_t task) {
    VMSIM__ASSERT(task < m->tasks.count);
    const struct vmsim__task *t = m->tasks.at[task];
    const uint64_t values[] = {
#define TASK_VALUE(name, value) (uint64_t)(value),
        TASK_FIELDS(TASK_VALUE)
#undef TASK_VALUE
    };
    return values[field];
}

static bool add(struct vmsim_machine *m, reader *read, uint32_t a, uint32_t b, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* A name stands once: two counters of one name would make an expectation ambiguous. */
static bool add(struct vmsim_machine *m, reader *read, uint32_t a, uint32_t b, const char *format, ...) {
    char text[320];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    VMSIM__ASSERT(vmsim__names_find(&m->counter_names, text) == VMSIM__NO_NAME);
    if (!vmsim__vec_reserve(m->alloc, &m->counters, m->counters.count + 1))
        return false;
    uint32_t id = vmsim__names_add(m->alloc, &m->counter_names, text);
    if (id == VMSIM__NO_NAME)
        return false;
    m->counters.at[m->counters.count++] =
        (struct vmsim__counter){.name = m->counter_names.at[id].text, .read = read, .a = a, .b = b};
    VMSIM__ASSERT(m->counters.count == id + 1);
    return true;
}

/* In the kernel's order, which is that of /proc/vmstat: zones, NUMA, nodes, limits, events. */
static bool add_vmstat(struct vmsim_machine *m) {
    bool ok = true;
    for (uint32_t i = 0; i < VMSIM__ZONE_STAT_COUNT; i++)
        ok = ok && add(m, read_zone_sum, i, 0, "vmstat.%s", vmsim__zone_stat_names[i]);
    for (uint32_t i = 0; i < VMSIM__NUMA_STAT_COUNT; i++)
        ok = ok && add(m, read_numa_sum, i, 0, "vmstat.%s", vmsim__numa_stat_names[i]);
    for (uint32_t i = 0; i < VMSIM__NODE_STAT_COUNT; i++)
        ok = ok && add(m, read_node_sum, i, 0, "vmstat.%s", vmsim__node_stat_names[i]);
    ok = ok && add(m, read_dirty_limit, 0, 0, "vmstat.nr_dirty_threshold");
    ok = ok && add(m, read_dirty_limit, 1, 0, "vmstat.nr_dirty_background_threshold");
    for (uint32_t i = 0; i < VMSIM__EVENT_COUNT; i++)
        ok = ok && add(m, read_event, i, 0, "vmstat.%s", vmsim__event_names[i]);
    return ok;
}

static uint64_t read_thp_size(const struct vmsim_machine *m, uint32_t stat, uint32_t order) {
    return vmsim__vm_thp_stat(m->vm, order, (enum vmsim__thp_size_stat)stat);
}

/* Pools of hugetlb pages, by Linux's names below hugepages-<size>kB. `node`: or all. */
enum pool_fact { POOL_TOTAL, POOL_FREE, POOL_SURPLUS, POOL_RESERVED, POOL_FACTS };
static const char *const pool_names[POOL_FACTS] = {"nr_hugepages", "free_hugepages", "surplus_hugepages",
                                                   "resv_hugepages"};
static uint64_t read_pool(const struct vmsim_machine *m, uint32_t fact, uint32_t hstate) {
    VMSIM__ASSERT(fact < POOL_FACTS && hstate < m->mem->nr_hstates);
    const uint64_t facts[POOL_FACTS] = {
        vmsim__hugetlb_total(m->mem, hstate, VMSIM__MAX_NODES), vmsim__hugetlb_free(m->mem, hstate, VMSIM__MAX_NODES),
        vmsim__hugetlb_surplus(m->mem, hstate, VMSIM__MAX_NODES), m->mem->hstate[hstate].reserved};
    return facts[fact];
}

static bool add_pools(struct vmsim_machine *m) {
    bool ok = true;
    for (uint32_t h = 0; h < m->mem->nr_hstates; h++) {
        const unsigned long long kb = UINT64_C(1) << (m->mem->hstate[h].order + m->mem->page_shift - 10);
        for (uint32_t i = 0; i < POOL_FACTS; i++)
            ok = ok && add(m, read_pool, i, h, "hugetlb.hugepages-%llukB.%s", kb, pool_names[i]);
    }
    return ok;
}

/* Zones that new memory of the node goes to: counted from the start, so that columns stay. */
static bool may_come(const struct vmsim__mem *mem, const struct vmsim__zone *z) {
    bool may = false;
    for (size_t i = 0; i < mem->nr_ranges; i++)
        may |= mem->ranges[i].plugged && mem->ranges[i].node == z->node;
    return may && (z->type == VMSIM__ZONE_NORMAL || z->type == VMSIM__ZONE_MOVABLE);
}

/* Zones that are empty and stay so have no counters: a machine of 64 nodes would have thousands that are always 0. */
static bool add_memory(struct vmsim_machine *m) {
    bool ok = true;
    for (unsigned order = vmsim__thp_next_order(m->vm, 0); order; order = vmsim__thp_next_order(m->vm, order)) {
        for (uint32_t i = 0; i < VMSIM__THP_SIZE_STATS; i++)
            ok = ok && add(m, read_thp_size, i, order, "thp.hugepages-%ukB.%s", 1u << (order + m->mem->page_shift - 10),
                           vmsim__thp_size_stat_names[i]);
    }
    if (m->mem->kmap_time)
        ok = ok && add(m, read_kmaps, 0, 0, "highmem.kmaps");
    if (vmsim__io_limited(m))
        ok = ok && add(m, read_bounced, 0, 0, "bounce.copied") && add(m, read_bounced, 1, 0, "bounce.in_turns");
    for (uint32_t n = 0; n < m->mem->nr_nodes; n++) {
        for (uint32_t i = 0; i < VMSIM__NUMA_STAT_COUNT; i++)
            ok = ok && add(m, read_node_numa, i, n, "node%u.%s", n, vmsim__numa_stat_names[i]);
        for (uint32_t i = 0; i < VMSIM__NODE_STAT_COUNT; i++)
            ok = ok && add(m, read_node_stat, i, n, "node%u.%s", n, vmsim__node_stat_names[i]);
        ok = ok && add(m, read_node_reads, 0, n, "node%u.memory_reads", n);
        if (m->mem->nodes[n].bandwidth)
            ok = ok && add(m, read_node_queue, 0, n, "node%u.queue_ns", n);
    }
    for (uint32_t z = 0; z < m->mem->nr_zones; z++) {
        const struct vmsim__zone *zone = &m->mem->zones[z];
        const bool counts = vmsim__zone_populated(zone) || may_come(m->mem, zone);
        for (uint32_t i = 0; i < ZONE_FACTS && counts; i++)
            ok = ok && add(m, read_zone_fact, i, z, "zone.%u.%s.%s", zone->node, zone->name, zone_fact_names[i]);
        for (uint32_t i = 0; i < VMSIM__ZONE_STAT_COUNT && counts; i++)
            ok = ok && add(m, read_zone_stat, i, z, "zone.%u.%s.%s", zone->node, zone->name, vmsim__zone_stat_names[i]);
    }
    return ok;
}

/* Of an array: all sizes together, then each that it takes. */
static bool add_array(struct vmsim_machine *m, uint32_t cpu, const struct vmsim__tlb_stats *stats, unsigned array) {
    VMSIM__ASSERT(cpu < m->nr_cpus && array < stats->arrays);
    const char *name = stats->array[array].name;
    bool ok = true;
    for (unsigned f = 0; f < ARRAY_FIELDS; f++)
        ok = ok && add(m, read_tlb_array, ARRAY_NUMBER(array, VMSIM__TLB_SIZES, f), cpu, "tlb.cpu%u.%s.%s", cpu, name,
                       array_fields[f]);
    for (unsigned s = 0; s < stats->sizes; s++)
        for (unsigned f = 0; f < ARRAY_FIELDS && stats->array[array].takes >> s & 1; f++) {
            char size[32];
            vmsim__format_size(UINT64_C(1) << stats->size_shift[s], size, sizeof size);
            ok = ok && add(m, read_tlb_array, ARRAY_NUMBER(array, s, f), cpu, "tlb.cpu%u.%s.%s.%s", cpu, name, size,
                           array_fields[f]);
        }
    return ok;
}

static bool add_zram(struct vmsim_machine *m) {
    bool ok = true;
    for (uint32_t i = 0; m->swap && m->swap->zswap && i < VMSIM__COUNT(zswap_fields); i++)
        ok = ok && add(m, read_zswap, i, 0, "zswap.%s", zswap_fields[i]);
    for (uint32_t z = 0; m->swap && z < m->swap->zrams; z++) {
        for (uint32_t i = 0; i < VMSIM__COUNT(zram_fields); i++)
            ok = ok && add(m, read_zram, i, z, "zram.%s.%s", m->swap->zram[z].name, zram_fields[i]);
    }
    return ok;
}

static bool add_devices(struct vmsim_machine *m) {
    bool ok = true;
    for (uint32_t d = 0; d < vmsim__block_devices(m->block); d++) {
        for (uint32_t i = 0; i < VMSIM__COUNT(device_fields); i++)
            ok = ok && add(m, read_device, i, d, "block.%s.%s", vmsim__block_name(m->block, d), device_fields[i]);
    }
    return ok;
}

/* TLBs are asked what arrays and sizes they have: only those that exist get names. */
static bool add_cpus(struct vmsim_machine *m) {
    bool ok = true;
    struct vmsim__tlb_stats stats;
    for (uint32_t cpu = 0; cpu < m->nr_cpus; cpu++) {
        for (uint32_t i = 0; i < CPU_FIELDS; i++)
            ok = ok && add(m, read_cpu, i, cpu, "cpu%u.%s", cpu, cpu_names[i]);
        for (uint32_t i = 0; i < VMSIM__TLB_COUNTER_COUNT; i++)
            ok = ok && add(m, read_tlb, i, cpu, "tlb.cpu%u.%s", cpu, vmsim__tlb_counter_names[i]);
        vmsim__tlb_snapshot(m->cpus[cpu].tlb, &stats);
        for (uint32_t s = 0; s < stats.sizes; s++) {
            char size[32];
            vmsim__format_size(UINT64_C(1) << stats.size_shift[s], size, sizeof size);
            ok = ok && add(m, read_tlb_walks, s, cpu, "tlb.cpu%u.walks.%s", cpu, size);
        }
        for (uint32_t i = 0; i < stats.arrays; i++)
            ok = ok && add_array(m, cpu, &stats, i);
    }
    return ok;
}

/* How often the mechanism did not take what the policy said (vmsim__policy_fallback). */
static uint64_t read_fallbacks(const struct vmsim_machine *m, uint32_t policy, uint32_t b) {
    (void)b;
    struct vmsim__policy_use use = {0};
    vmsim__policy_use_at(m->policies, policy, &use);
    return use.fallbacks;
}

static uint64_t read_policy(const struct vmsim_machine *m, uint32_t policy, uint32_t counter) {
    return vmsim__policy_counter_read(m->policies, policy, counter);
}

/* A policy that decides nothing has no counters: 0 fallbacks would look like a policy that never failed. */
static bool add_policies(struct vmsim_machine *m) {
    bool ok = true;
    struct vmsim__policy_use use;
    for (uint32_t i = 0; vmsim__policy_use_at(m->policies, i, &use); i++) {
        if (!use.instances)
            continue;
        ok = ok && add(m, read_fallbacks, i, 0, "policies.%s.%s.fallbacks", use.domain, use.policy->name);
        for (uint32_t k = 0; k < use.counters; k++)
            ok = ok && add(m, read_policy, i, k, "policies.%s.%s.%s", use.domain, use.policy->name,
                           vmsim__policy_counter_name(m->policies, i, k));
    }
    return ok;
}

static uint64_t read_pressure(const struct vmsim_machine *m, uint32_t state, uint32_t b) {
    (void)b;
    return vmsim__psi_total(&m->cgroups.at[VMSIM__CGROUP_ROOT]->psi, (enum vmsim__psi_state)state, m->mem->now.time) /
           1000;
}

static bool add_pressure(struct vmsim_machine *m) {
    static const char *const names[] = {
        [VMSIM__PSI_IO_SOME] = "pressure.io.some_us",
        [VMSIM__PSI_IO_FULL] = "pressure.io.full_us",
        [VMSIM__PSI_MEM_SOME] = "pressure.memory.some_us",
        [VMSIM__PSI_MEM_FULL] = "pressure.memory.full_us",
    };
    bool ok = true;
    for (uint32_t i = 0; i < VMSIM__COUNT(names); i++)
        ok = ok && add(m, read_pressure, i, 0, "%s", names[i]);
    return ok;
}

static uint64_t read_cgroup(const struct vmsim_machine *m, uint32_t number, uint32_t cgroup) {
    return vmsim__cgroup_read(m, cgroup, vmsim__cgroup_number_at(number));
}

/* The root has what the machine has: its counters are vmstat's. */
static bool add_cgroup(struct vmsim_machine *m, uint32_t cgroup) {
    VMSIM__ASSERT(cgroup < m->cgroups.count);
    const char *path = m->cgroups.at[cgroup]->path;
    const struct vmsim__cgroup_number *n;
    bool ok = true;
    for (uint32_t i = 0; ok && cgroup != VMSIM__CGROUP_ROOT && (n = vmsim__cgroup_number_at(i)) != NULL; i++) {
        if (vmsim__cgroup_file_there(m, n->file, n->since))
            ok = add(m, read_cgroup, i, cgroup, n->key ? "cgroups.%s.%s.%s" : "cgroups.%s.%s", path, n->file, n->key);
    }
    return ok;
}

/* Takes back what was added behind `count`: part of a group would never be completed. Always false. */
static bool take_back(struct vmsim_machine *m, size_t count) {
    m->counters.count = count;
    vmsim__names_cut(m->alloc, &m->counter_names, count);
    return false;
}

/* Brings the table up to date: a task that has got another name since is counted under both, which read the same.
 * False: no host memory; what is there stays valid. */
static bool build(struct vmsim_machine *m) {
    if (!m->counters.count && !(add_vmstat(m) && add_memory(m) && add_pools(m) && add_devices(m) && add_zram(m) &&
                                add_cpus(m) && add_policies(m) && add_pressure(m)))
        return take_back(m, 0);
    for (; m->counted_cgroups < m->cgroups.count; m->counted_cgroups++) {
        size_t before = m->counters.count;
        if (!add_cgroup(m, (uint32_t)m->counted_cgroups))
            return take_back(m, before);
    }
    for (; m->counted_names < m->names.count; m->counted_names++) {
        const struct vmsim__task *t = vmsim__task_at(m, m->named.at[m->counted_names].task);
        size_t before = m->counters.count;
        if (!t || t->name != m->names.at[m->counted_names].text)
            continue; /* it has another name now, or never began */
        for (uint32_t i = 0; i < VMSIM__COUNT(task_names); i++) {
            if (!add(m, read_task, i, t->id, "tasks.%s.%s", t->name, task_names[i]))
                return take_back(m, before);
        }
    }
    return true;
}

/* Not const: asking is what makes the table. */
size_t vmsim_counter_count(struct vmsim_machine *m) {
    if (!m)
        return 0;
    build(m); /* without memory: those that are known already */
    return m->counters.count;
}

const char *vmsim_counter_name(const struct vmsim_machine *m, size_t id) {
    if (!m)
        return NULL;
    return id < m->counters.count ? m->counters.at[id].name : NULL;
}

/* An id that was never given reads as 0, since a task that counts in a row may not have begun. */
uint64_t vmsim_counter_read(const struct vmsim_machine *m, size_t id) {
    if (!m)
        return 0;
    const struct vmsim__counter *c = id < m->counters.count ? &m->counters.at[id] : NULL;
    return c ? c->read(m, c->a, c->b) : 0;
}

/* The counter that was meant, or NULL. /proc/vmstat knows no "vmstat." before its names: it is what people forget. */
static const char *closest_counter(struct vmsim_machine *m, const char *name) {
    char full[64];
    bool fits = (size_t)snprintf(full, sizeof full, "vmstat.%s", name) < sizeof full;
    struct vmsim__counter end = {0};
    if (!vmsim__vec_push(m->alloc, &m->counters, end)) /* ends the list for the search, then goes again */
        return NULL;
    const char *close = vmsim__closest(name, m->counters.at, sizeof *m->counters.at);
    if (!close && fits)
        close = vmsim__closest(full, m->counters.at, sizeof *m->counters.at);
    m->counters.count--;
    return close;
}

/* A slip in a name is common in expectations: what was probably meant is looked for among all. */
int vmsim_counter_find(struct vmsim_machine *m, const char *name, size_t *id) {
    if (!m || !name || !id)
        return VMSIM_EINVAL;
    if (!build(m))
        return vmsim__err_set(&m->err, VMSIM_ENOMEM, "no memory for the counters");
    uint32_t found = vmsim__names_find(&m->counter_names, name);
    if (found != VMSIM__NO_NAME) {
        *id = found;
        return 0;
    }
    const char *close = closest_counter(m, name);
    return vmsim__err_set(&m->err, VMSIM_ENOENT,
                          close ? "there is no counter '%s' (did you mean '%s'?)" : "there is no counter '%s'", name,
                          close);
}
