/* SPDX-License-Identifier: MIT */
/* The files of a cgroup: one table of numbers, from which texts in the kernel's format and counters by name come; and
 * what a write does.
 *
 *     memory.max, memory.high below what is charged: reclaim down to it, in the writer's time
 *     memory.reclaim: pages from the subtree, 16 fruitless rounds at most
 *
 * Numbers are bytes where the kernel prints bytes. A cgroup that was removed reads as zeros. Kernel counterparts:
 * memory_files, memory_stats, memcg_vm_event_stat, memory_max_write, memory_reclaim of mm/memcontrol.c. */
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "lru/hugetlb_cgroup.h"
#include "lru/obj_cgroup.h"
#include "machine/machine.h"

/* ---- numbers ---- */

enum kind {
    PRESSURE,
    USAGE,
    PEAK,
    LIMIT,
    EVENT,
    LOCAL,
    GROUP,
    BYTES,
    PAGES,
    HUGE,
    VM_EVENT,
    VM_SUM,
    KERNEL,
    OBJECTS,
    ZSWAP,
    WRITEBACK,
    POOL_USAGE, /* of hugetlb pages, whose size the file's name has; arg: enum vmsim__hugetlb_use */
    POOL_LIMIT,
    POOL_EVENT,
    POOL_LOCAL,
    NOTHING
};
enum limit { MEM_MIN, MEM_LOW, MEM_HIGH, MEM_MAX, SWAP_HIGH, SWAP_MAX, ZSWAP_MAX };
enum counter { MEMORY, SWAP };

#define STAT(key, kind, id)                                                                                            \
    { "memory.stat", key, kind, VMSIM__##id, NULL }
#define NONE(key)                                                                                                      \
    { "memory.stat", key, NOTHING, 0, NULL }
#define STAT_SINCE(key, kind, id, since)                                                                               \
    { "memory.stat", key, kind, VMSIM__##id, since }
#define EVENTS(file, kind)                                                                                             \
    {file, "low", kind, VMSIM__MEMCG_LOW, NULL}, {file, "high", kind, VMSIM__MEMCG_HIGH, NULL},                        \
        {file, "max", kind, VMSIM__MEMCG_MAX, NULL}, {file, "oom", kind, VMSIM__MEMCG_OOM, NULL},                      \
        {file, "oom_kill", kind, VMSIM__MEMCG_OOM_KILL, NULL}, {                                                       \
        file, "oom_group_kill", kind, VMSIM__MEMCG_OOM_GROUP_KILL, NULL                                                \
    }

/* Kernel: hugetlb_cgroup_file_dfl_init. */
#define HUGETLB(size)                                                                                                  \
    {"hugetlb." size ".current", NULL, POOL_USAGE, VMSIM__HUGETLB_FAULT, NULL},                                        \
        {"hugetlb." size ".max", NULL, POOL_LIMIT, VMSIM__HUGETLB_FAULT, NULL},                                        \
        {"hugetlb." size ".rsvd.current", NULL, POOL_USAGE, VMSIM__HUGETLB_RSVD, NULL},                                \
        {"hugetlb." size ".rsvd.max", NULL, POOL_LIMIT, VMSIM__HUGETLB_RSVD, NULL},                                    \
        {"hugetlb." size ".events", "max", POOL_EVENT, 0, NULL}, {                                                     \
        "hugetlb." size ".events.local", "max", POOL_LOCAL, 0, NULL                                                    \
    }

static const struct vmsim__cgroup_number numbers[] = {
    {"memory.pressure", "some_us", PRESSURE, VMSIM__PSI_MEM_SOME, NULL},
    {"memory.pressure", "full_us", PRESSURE, VMSIM__PSI_MEM_FULL, NULL},
    {"io.pressure", "some_us", PRESSURE, VMSIM__PSI_IO_SOME, NULL},
    {"io.pressure", "full_us", PRESSURE, VMSIM__PSI_IO_FULL, NULL},
    {"memory.current", NULL, USAGE, MEMORY, NULL},
    {"memory.peak", NULL, PEAK, MEMORY, NULL},
    {"memory.min", NULL, LIMIT, MEM_MIN, NULL},
    {"memory.low", NULL, LIMIT, MEM_LOW, NULL},
    {"memory.high", NULL, LIMIT, MEM_HIGH, NULL},
    {"memory.max", NULL, LIMIT, MEM_MAX, NULL},
    {"memory.oom.group", NULL, GROUP, 0, NULL},
    EVENTS("memory.events", EVENT),
    EVENTS("memory.events.local", LOCAL),
    {"memory.swap.current", NULL, USAGE, SWAP, NULL},
    {"memory.swap.peak", NULL, PEAK, SWAP, "6.12"},
    {"memory.swap.high", NULL, LIMIT, SWAP_HIGH, NULL},
    {"memory.swap.max", NULL, LIMIT, SWAP_MAX, NULL},
    {"memory.swap.events", "high", EVENT, VMSIM__MEMCG_SWAP_HIGH, NULL},
    {"memory.swap.events", "max", EVENT, VMSIM__MEMCG_SWAP_MAX, NULL},
    {"memory.swap.events", "fail", EVENT, VMSIM__MEMCG_SWAP_FAIL, NULL},
    {"memory.zswap.current", NULL, ZSWAP, 0, NULL},
    {"memory.zswap.max", NULL, LIMIT, ZSWAP_MAX, NULL},
    {"memory.zswap.writeback", NULL, WRITEBACK, 0, "6.12"},
    STAT("anon", BYTES, NR_ANON_PAGES),
    STAT("file", BYTES, NR_FILE_PAGES),
    {"memory.stat", "kernel", KERNEL, 0, NULL},
    NONE("kernel_stack"),
    STAT("pagetables", BYTES, NR_PAGE_TABLE_PAGES),
    NONE("sec_pagetables"),
    NONE("percpu"),
    NONE("sock"),
    NONE("vmalloc"),
    STAT("shmem", BYTES, NR_SHMEM),
    {"memory.stat", "zswap", ZSWAP, 0, NULL},
    {"memory.stat", "zswapped", ZSWAP, 1, NULL},
    STAT("file_mapped", BYTES, NR_MAPPED),
    STAT("file_dirty", BYTES, NR_DIRTY),
    STAT("file_writeback", BYTES, NR_WRITEBACK),
    STAT("swapcached", BYTES, NR_SWAPCACHED),
    STAT("anon_thp", HUGE, NR_ANON_TRANSPARENT_HUGEPAGES),
    STAT("file_thp", HUGE, NR_FILE_HUGEPAGES),
    STAT("shmem_thp", HUGE, NR_SHMEM_HUGEPAGES),
    STAT("inactive_anon", BYTES, NR_INACTIVE_ANON),
    STAT("active_anon", BYTES, NR_ACTIVE_ANON),
    STAT("inactive_file", BYTES, NR_INACTIVE_FILE),
    STAT("active_file", BYTES, NR_ACTIVE_FILE),
    STAT("unevictable", BYTES, NR_UNEVICTABLE),
    {"memory.stat", "slab_reclaimable", OBJECTS, 1u << VMSIM__OBJ_RECLAIMABLE, NULL},
    {"memory.stat", "slab_unreclaimable", OBJECTS, 1u << VMSIM__OBJ_UNRECLAIMABLE, NULL},
    {"memory.stat", "slab", OBJECTS, 1u << VMSIM__OBJ_RECLAIMABLE | 1u << VMSIM__OBJ_UNRECLAIMABLE, NULL},
    STAT("workingset_refault_anon", PAGES, WORKINGSET_REFAULT_ANON),
    STAT("workingset_refault_file", PAGES, WORKINGSET_REFAULT_FILE),
    STAT("workingset_activate_anon", PAGES, WORKINGSET_ACTIVATE_ANON),
    STAT("workingset_activate_file", PAGES, WORKINGSET_ACTIVATE_FILE),
    STAT("workingset_restore_anon", PAGES, WORKINGSET_RESTORE_ANON),
    STAT("workingset_restore_file", PAGES, WORKINGSET_RESTORE_FILE),
    NONE("workingset_nodereclaim"),
    STAT("pgscan", VM_SUM, PGSCAN_KSWAPD),
    STAT("pgsteal", VM_SUM, PGSTEAL_KSWAPD),
    STAT("pgscan_kswapd", VM_EVENT, PGSCAN_KSWAPD),
    STAT("pgscan_direct", VM_EVENT, PGSCAN_DIRECT),
    STAT("pgsteal_kswapd", VM_EVENT, PGSTEAL_KSWAPD),
    STAT("pgsteal_direct", VM_EVENT, PGSTEAL_DIRECT),
    STAT("pgfault", VM_EVENT, PGFAULT),
    STAT("pgmajfault", VM_EVENT, PGMAJFAULT),
    STAT("pgrefill", VM_EVENT, PGREFILL),
    STAT("pgactivate", VM_EVENT, PGACTIVATE),
    STAT("pgdeactivate", VM_EVENT, PGDEACTIVATE),
    STAT("pglazyfree", VM_EVENT, PGLAZYFREE),
    STAT("pglazyfreed", VM_EVENT, PGLAZYFREED),
    STAT("zswpin", VM_EVENT, ZSWPIN),
    STAT("zswpout", VM_EVENT, ZSWPOUT),
    STAT("thp_fault_alloc", VM_EVENT, THP_FAULT_ALLOC),
    STAT("thp_collapse_alloc", VM_EVENT, THP_COLLAPSE_ALLOC),
    STAT_SINCE("thp_swpout", VM_EVENT, THP_SWPOUT, "6.12"),
    STAT_SINCE("thp_swpout_fallback", VM_EVENT, THP_SWPOUT_FALLBACK, "6.12"),
    HUGETLB("64KB"),
    HUGETLB("2MB"),
    HUGETLB("4MB"),
    HUGETLB("32MB"),
    HUGETLB("512MB"),
    HUGETLB("1GB"),
    HUGETLB("16GB"),
};
/* memory.stat's last lines, of which each sums two neighbours. */
_Static_assert(VMSIM__PGSCAN_DIRECT == VMSIM__PGSCAN_KSWAPD + 1 && VMSIM__PGSTEAL_DIRECT == VMSIM__PGSTEAL_KSWAPD + 1,
               "direct reclaim's event follows kswapd's");

const struct vmsim__cgroup_number *vmsim__cgroup_number_at(unsigned i) {
    return i < VMSIM__COUNT(numbers) ? &numbers[i] : NULL;
}

/* Pages, as the charging code keeps them; PAGE_COUNTER_MAX is "max". */
static uint64_t *limit_of(struct vmsim__memcg *c, unsigned which) {
    switch ((enum limit)which) {
    case MEM_MIN:
        return &c->memory.min;
    case MEM_LOW:
        return &c->memory.low;
    case MEM_HIGH:
        return &c->memory.high;
    case MEM_MAX:
        return &c->memory.max;
    case SWAP_HIGH:
        return &c->swap.high;
    case SWAP_MAX:
        return &c->swap.max;
    case ZSWAP_MAX:
        return &c->zswap_max;
    }
    VMSIM__ASSERT(false);
    return NULL;
}

/* The pool whose size the name of a file has: "hugetlb.2MB.max"; nr_hstates: the machine has none. Kernel: mem_fmt. */
static unsigned pool_of(const struct vmsim_machine *m, const char *file) {
    static const char *const units[] = {"KB", "MB", "GB"};
    unsigned h = 0;
    for (; h < m->mem->nr_hstates; h++) {
        char name[32];
        uint64_t size = UINT64_C(1) << (m->mem->hstate[h].order + m->mem->page_shift - 10);
        unsigned unit = 0;
        for (; size >= 1024 && unit < 2; unit++)
            size >>= 10;
        const int n = snprintf(name, sizeof name, "hugetlb.%u%s.", (unsigned)size, units[unit]);
        if (!strncmp(file, name, (size_t)n))
            break;
    }
    return h;
}

/* Files of pools that the machine lacks are not there, as in the kernel, which makes them for each hstate. */
static bool of_pool(const char *file) {
    return !strncmp(file, "hugetlb.", strlen("hugetlb."));
}

/* Kernel: hugetlb_cgroup_read_u64_max, hugetlb_events_show. */
static uint64_t read_pool(const struct vmsim_machine *m, const struct vmsim__memcg *c,
                          const struct vmsim__cgroup_number *n) {
    const unsigned h = pool_of(m, n->file), shift = m->mem->page_shift;
    VMSIM__ASSERT(h < m->mem->nr_hstates);
    switch ((enum kind)n->kind) {
    case POOL_USAGE:
        return c->hugetlb[h].use[n->arg].usage << shift;
    case POOL_LIMIT:
        return c->hugetlb[h].use[n->arg].max << shift;
    case POOL_EVENT:
        return c->hugetlb[h].refused;
    default:
        return c->hugetlb[h].local_refused;
    }
}

/* The root's own use is the machine's. Kernel: mem_cgroup_usage. */
static uint64_t usage(const struct vmsim__memcg *c, unsigned which) {
    if (which == SWAP)
        return c->swap.usage;
    if (c->parent)
        return c->memory.usage;
    return (uint64_t)(vmsim__memcg_stat(c, VMSIM__NR_FILE_PAGES) + vmsim__memcg_stat(c, VMSIM__NR_ANON_PAGES));
}

/* One way for texts, counters and reports: a number that is wrong in one place is wrong in all. */
uint64_t vmsim__cgroup_read(const struct vmsim_machine *m, uint32_t cgroup, const struct vmsim__cgroup_number *n) {
    VMSIM__ASSERT(cgroup < m->cgroups.count && n);
    struct vmsim__memcg *c = m->cgroups.at[cgroup]->memcg;
    const unsigned shift = m->mem->page_shift;
    if (!c)
        return 0;
    switch ((enum kind)n->kind) {
    case PRESSURE:
        return vmsim__psi_total(&m->cgroups.at[cgroup]->psi, (enum vmsim__psi_state)n->arg, m->mem->now.time) / 1000;
    case USAGE:
        return usage(c, n->arg) << shift;
    case PEAK:
        return (n->arg == SWAP ? c->swap.watermark : c->memory.watermark) << shift;
    case LIMIT:
        return *limit_of(c, n->arg) << shift;
    case EVENT:
        return c->memory_event[n->arg];
    case LOCAL:
        return c->local_event[n->arg];
    case GROUP:
        return c->oom_group;
    case BYTES:
        return (uint64_t)vmsim__memcg_stat(c, (enum vmsim__node_stat)n->arg) << shift;
    case HUGE:
        return (uint64_t)vmsim__memcg_stat(c, (enum vmsim__node_stat)n->arg) << m->format->shift[1];
    case PAGES:
        return (uint64_t)vmsim__memcg_stat(c, (enum vmsim__node_stat)n->arg);
    case VM_EVENT:
        return vmsim__memcg_event_sum(c, (enum vmsim__event_stat)n->arg);
    case VM_SUM:
        return vmsim__memcg_event_sum(c, (enum vmsim__event_stat)n->arg) +
               vmsim__memcg_event_sum(c, (enum vmsim__event_stat)(n->arg + 1));
    case KERNEL:
        return (uint64_t)vmsim__memcg_kmem(c) << shift;
    case OBJECTS:
        return (n->arg & 1u << VMSIM__OBJ_RECLAIMABLE ? vmsim__memcg_object_bytes(c, VMSIM__OBJ_RECLAIMABLE) : 0) +
               (n->arg & 1u << VMSIM__OBJ_UNRECLAIMABLE ? vmsim__memcg_object_bytes(c, VMSIM__OBJ_UNRECLAIMABLE) : 0);
    case ZSWAP:
        return n->arg ? vmsim__memcg_zswapped(c) << shift : vmsim__memcg_zswap_bytes(c);
    case WRITEBACK:
        return c->zswap_writeback;
    case POOL_USAGE:
    case POOL_LIMIT:
    case POOL_EVENT:
    case POOL_LOCAL:
        return read_pool(m, c, n);
    case NOTHING:
        break;
    }
    return 0;
}

/* ---- files ---- */

#define HUGETLB_FILES(size)                                                                                            \
    {"hugetlb." size ".current", false, false, NULL}, {"hugetlb." size ".max", false, true, NULL},                     \
        {"hugetlb." size ".rsvd.current", false, false, NULL}, {"hugetlb." size ".rsvd.max", false, true, NULL},       \
        {"hugetlb." size ".events", false, false, NULL}, {                                                             \
        "hugetlb." size ".events.local", false, false, NULL                                                            \
    }

static const struct vmsim__cgroup_file files[] = {
    {"memory.current", false, false, NULL},
    {"memory.peak", false, false, NULL},
    {"memory.min", false, true, NULL},
    {"memory.low", false, true, NULL},
    {"memory.high", false, true, NULL},
    {"memory.max", false, true, NULL},
    {"memory.events", false, false, NULL},
    {"memory.events.local", false, false, NULL},
    {"memory.stat", true, false, NULL},
    {"memory.oom.group", false, true, NULL},
    {"memory.swap.current", false, false, NULL},
    {"memory.swap.peak", false, false, "6.12"},
    {"memory.swap.high", false, true, NULL},
    {"memory.swap.max", false, true, NULL},
    {"memory.swap.events", false, false, NULL},
    {"memory.reclaim", true, true, NULL},
    {"memory.pressure", true, false, NULL},
    {"io.pressure", true, false, NULL},
    {"memory.zswap.current", false, false, NULL},
    {"memory.zswap.max", false, true, NULL},
    {"memory.zswap.writeback", false, true, "6.12"},
    {"cpuset.cpus", false, true, NULL},
    {"cpuset.cpus.effective", true, false, NULL},
    {"cpuset.mems", false, true, NULL},
    {"cpuset.mems.effective", true, false, NULL},
    HUGETLB_FILES("64KB"),
    HUGETLB_FILES("2MB"),
    HUGETLB_FILES("4MB"),
    HUGETLB_FILES("32MB"),
    HUGETLB_FILES("512MB"),
    HUGETLB_FILES("1GB"),
    HUGETLB_FILES("16GB"),
};

const struct vmsim__cgroup_file *vmsim__cgroup_file_at(unsigned i) {
    return i < VMSIM__COUNT(files) ? &files[i] : NULL;
}

/* By kernel and by what the machine has. */
bool vmsim__cgroup_file_there(const struct vmsim_machine *m, const char *file, const char *since) {
    VMSIM__ASSERT(file);
    return (!since || vmsim__kernel_since(m->kernel, since)) &&
           (!of_pool(file) || pool_of(m, file) < m->mem->nr_hstates);
}

/* Line `i` of a file, or false behind its last: texts have no size that must be known before. */
bool vmsim__cgroup_line(const struct vmsim_machine *m, uint32_t cgroup, const char *file, unsigned i, char *text,
                        size_t size) {
    VMSIM__ASSERT(cgroup < m->cgroups.count && file && size > 0);
    if (vmsim__cpuset_line(m, cgroup, file, text, size))
        return !i;
    for (unsigned at = 0; at < VMSIM__COUNT(numbers); at++) {
        const struct vmsim__cgroup_number *n = &numbers[at];
        if (strcmp(n->file, file) != 0 || !vmsim__cgroup_file_there(m, file, n->since) || i--)
            continue;
        if (n->kind == PRESSURE) {
            vmsim__psi_line(&m->cgroups.at[cgroup]->psi, (enum vmsim__psi_state)n->arg, m->mem->now.time, text, size);
            return true;
        }
        const uint64_t value = vmsim__cgroup_read(m, cgroup, n);
        if ((n->kind == LIMIT || n->kind == POOL_LIMIT) && value >> m->mem->page_shift == VMSIM__PAGE_COUNTER_MAX)
            snprintf(text, size, "max");
        else
            snprintf(text, size, "%s%s%llu", n->key ? n->key : "", n->key ? " " : "", (unsigned long long)value);
        return true;
    }
    return false;
}

/* ---- writing ---- */

#define JIFFY UINT64_C(4000000) /* ns: HZ is 250 in Debian's kernels */

static int refuse(struct vmsim_machine *m, int error, const char *file, const char *value, const char *why) {
    char text[80];
    vmsim__err_set(&m->err, VMSIM_EINVAL, "%s: '%s': %s", file, vmsim__printable(value, text, sizeof text), why);
    return -error;
}

/* Bytes, rounded down to pages. Kernel: page_counter_memparse. */
static bool parse_pages(const struct vmsim_machine *m, const char *value, uint64_t *pages, const char **why) {
    VMSIM__ASSERT(value && pages && why);
    uint64_t bytes;
    *pages = VMSIM__PAGE_COUNTER_MAX;
    if (!strcmp(value, "max"))
        return true;
    if (!vmsim__parse_size(value, &bytes, why))
        return false;
    *pages = vmsim__min64(bytes >> m->mem->page_shift, VMSIM__PAGE_COUNTER_MAX);
    return true;
}

/* Takes `pages` from the subtree. False: it waits. */
static bool reclaim(struct vmsim_machine *m, const struct vmsim__memcg *c, struct vmsim__limit *l, uint64_t pages,
                    bool proactive) {
    const unsigned cpu = m->running ? m->running->cpu : 0;
    if (!l->reclaiming) {
        l->sc = vmsim__scan_memcg(c->id, pages, VMSIM__GFP_KERNEL, true, cpu);
        l->sc.proactive = proactive;
        l->sc.own_swappiness = proactive ? l->own_swappiness : 0;
    }
    l->reclaiming = !vmsim__reclaim_run(m, &l->sc);
    return !l->reclaiming;
}

/* Kernel: the loops of memory_max_write (`kill`) and memory_high_write. Stocks that CPUs hold count as charged, so
 * they are given back before anybody is reclaimed from or killed. */
static int shrink_to(struct vmsim_machine *m, struct vmsim__memcg *c, struct vmsim__limit *l, uint64_t pages,
                     bool kill) {
    VMSIM__ASSERT(c && l);
    while (l->reclaiming || c->memory.usage > pages) {
        if (!l->reclaiming && !l->charge.drained) {
            vmsim__memcg_drain_stocks(m->lru);
            l->charge.drained = true;
            continue;
        }
        if (l->reclaiming || l->retries) {
            if (!reclaim(m, c, l, c->memory.usage - pages, false))
                return -VMSIM__ERESTARTSYS;
            if (!l->sc.nr_reclaimed && l->retries)
                l->retries--;
            continue;
        }
        if (!kill)
            break;
        vmsim__memcg_memory_event(c, VMSIM__MEMCG_OOM);
        if (!vmsim__memcg_out_of_memory(m, c, 0) || !m->running)
            break;
        vmsim__now_wait(&m->mem->now, VMSIM__WAIT_THROTTLE, VMSIM__FOR_MEMORY, m->mem->now.time + JIFFY);
        return -VMSIM__ERESTARTSYS;
    }
    return 0;
}

/* Kernel: memory_reclaim. Newer kernels ask for a quarter of what is left at a time, so that less is taken beyond what
 * is asked for. */
static int reclaim_pages(struct vmsim_machine *m, struct vmsim__memcg *c, struct vmsim__limit *l, uint64_t pages,
                         const char *value) {
    VMSIM__ASSERT(c && l && value);
    const unsigned parts = m->kernel->reclaim_by_quarters ? 4 : 1;
    while (l->reclaiming || l->reclaimed < pages) {
        if (!l->reclaiming && !l->retries)
            vmsim__lru_drain_all(m->lru);
        if (!reclaim(m, c, l, (pages - vmsim__min64(pages, l->reclaimed)) / parts, true))
            return -VMSIM__ERESTARTSYS;
        if (!l->sc.nr_reclaimed && !l->retries--)
            return refuse(m, VMSIM__L_EAGAIN, "memory.reclaim", value, "less than that could be reclaimed");
        l->reclaimed += l->sc.nr_reclaimed;
    }
    return 0;
}

/* Of `swappiness=N`, what is kept of it in a scan control; 0: that is none. "max" is anonymous memory alone. */
static uint8_t parse_swappiness(const struct vmsim_machine *m, const char *option) {
    static const char key[] = "swappiness=";
    const char *why, *value = option + sizeof key - 1;
    uint64_t n = 0;
    if (!m->kernel->reclaim_swappiness || strncmp(option, key, sizeof key - 1) != 0)
        return 0;
    if (m->kernel->reclaim_anon_only && !strcmp(value, "max"))
        n = VMSIM__SWAPPINESS_ANON_ONLY;
    else if (!vmsim__parse_uint(value, &n, &why) || n > VMSIM__SWAPPINESS_MAX)
        return 0;
    return (uint8_t)(n + 1);
}

/* "SIZE [swappiness=N]", between blanks as they come; of several the last counts. NULL, or what is wrong. */
static const char *parse_reclaim(const struct vmsim_machine *m, const char *value, uint64_t *pages,
                                 uint8_t *own_swappiness) {
    static const char blanks[] = " \t\n";
    VMSIM__ASSERT(value && pages && own_swappiness);
    char word[32];
    const char *why = NULL;
    uint64_t bytes = 0;
    *pages = 0;
    *own_swappiness = 0;
    for (unsigned i = 0; *(value += strspn(value, blanks)) || !i; i++) {
        const size_t length = strcspn(value, blanks);
        if (length >= sizeof word)
            return "a size, and swappiness= behind it";
        memcpy(word, value, length);
        word[length] = '\0';
        value += length;
        if (!i && !vmsim__parse_size(word, &bytes, &why))
            return why;
        if (i && !(*own_swappiness = parse_swappiness(m, word)))
            return m->kernel->reclaim_swappiness ? "what may follow the size is swappiness=0 to 200"
                                                 : "nothing may follow the size (swappiness= is of 6.12)";
    }
    *pages = bytes >> m->mem->page_shift;
    return NULL;
}

/* Kernel: memory_reclaim. */
static int write_reclaim(struct vmsim_machine *m, struct vmsim__memcg *c, const char *file, const char *value,
                         struct vmsim__limit *l) {
    uint64_t pages = 0;
    const char *why = parse_reclaim(m, value, &pages, &l->own_swappiness);
    return why ? refuse(m, VMSIM__L_EINVAL, file, value, why) : reclaim_pages(m, c, l, pages, value);
}

static int write_bool(struct vmsim_machine *m, const char *file, const char *value, bool *to) {
    VMSIM__ASSERT(to && value);
    if ((*value != '0' && *value != '1') || value[1])
        return refuse(m, VMSIM__L_EINVAL, file, value, "0 or 1");
    *to = *value == '1';
    return 0;
}

static const struct vmsim__cgroup_number *number_of(const char *file) {
    const struct vmsim__cgroup_number *n = numbers;
    while (strcmp(n->file, file) != 0)
        n++;
    return n;
}

/* A lower limit is in force at once, and pages go afterwards: so that nothing is charged meanwhile that would have
 * to go again. Kernel: memory_max_write, memory_high_write. */
static int write_size(struct vmsim_machine *m, struct vmsim__memcg *c, const char *file, const char *value,
                      struct vmsim__limit *l) {
    VMSIM__ASSERT(c && file && value);
    const char *why = "";
    uint64_t pages;
    if (!parse_pages(m, value, &pages, &why))
        return refuse(m, VMSIM__L_EINVAL, file, value, why);
    const unsigned which = number_of(file)->arg;
    *limit_of(c, which) = pages;
    return which == MEM_MAX || which == MEM_HIGH ? shrink_to(m, c, l, pages, which == MEM_MAX) : 0;
}

/* Kernel: hugetlb_cgroup_write. */
static int write_pool(struct vmsim_machine *m, struct vmsim__memcg *c, const char *file, const char *value) {
    const char *why = "";
    uint64_t pages;
    if (!parse_pages(m, value, &pages, &why))
        return refuse(m, VMSIM__L_EINVAL, file, value, why);
    const int result = vmsim__hugetlb_limit(c, pool_of(m, file), (enum vmsim__hugetlb_use)number_of(file)->arg, pages);
    return result ? refuse(m, -result, file, value, "more is in use") : 0;
}

/* Why a file cannot be written; NULL: it can. */
static const char *fault_of(const struct vmsim_machine *m, const char *file, bool root, int *error) {
    VMSIM__ASSERT(file && error);
    const struct vmsim__cgroup_file *f = NULL;
    for (unsigned i = 0; i < VMSIM__COUNT(files); i++)
        f = !strcmp(files[i].name, file) && vmsim__cgroup_file_there(m, file, files[i].since) ? &files[i] : f;
    *error = VMSIM__L_ENOENT;
    if (!f || (root && !f->root))
        return f ? "the root has no such file" : "there is no such file";
    *error = VMSIM__L_EINVAL;
    return f->writable ? NULL : "it can only be read";
}

/* A write that reclaims may wait and is entered again: `l` keeps how far it has come, and another file's progress is
 * none of this one's. */
int vmsim__cgroup_write(struct vmsim_machine *m, const char *path, const char *file, const char *value,
                        struct vmsim__limit *l) {
    VMSIM__ASSERT(path && file && value);
    const uint32_t number = vmsim__cgroup_find(m, path);
    int error;
    if (number == VMSIM__NO_CGROUP)
        return refuse(m, VMSIM__L_ENOENT, file, path, "there is no such cgroup");
    const char *fault = fault_of(m, file, number == VMSIM__CGROUP_ROOT, &error);
    if (fault)
        return refuse(m, error, file, value, fault);
    if (!strncmp(file, "cpuset.", 7)) {
        const int result = vmsim__cpuset_write(m, number, file, value, &fault);
        return result ? refuse(m, -result, file, value, fault) : 0;
    }
    if (!l->active || l->what != VMSIM__LIMIT_WRITE)
        *l = (struct vmsim__limit){.active = true, .what = VMSIM__LIMIT_WRITE, .retries = VMSIM__MEMCG_RETRIES};
    struct vmsim__memcg *c = m->cgroups.at[number]->memcg;
    int result = !strcmp(file, "memory.oom.group")         ? write_bool(m, file, value, &c->oom_group)
                 : !strcmp(file, "memory.zswap.writeback") ? write_bool(m, file, value, &c->zswap_writeback)
                 : of_pool(file)                           ? write_pool(m, c, file, value)
                 : !strcmp(file, "memory.reclaim")         ? write_reclaim(m, c, file, value, l)
                                                           : write_size(m, c, file, value, l);
    if (result != -VMSIM__ERESTARTSYS)
        l->active = false;
    return result;
}
