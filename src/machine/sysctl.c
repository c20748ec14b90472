/* SPDX-License-Identifier: MIT */
/* Knobs of a running machine: finds the row of a name and lets it do what the kernel does on such a write.
 *
 * Names are Linux's: "vm.overcommit_memory" as sysctl(8) spells it, "transparent_hugepage/enabled" as below
 * /sys/kernel/mm. Each layer has a table of those whose values it keeps; here are the list of the tables, and the table
 * of those that concern several layers, or that vmsim shows and nothing listens to. */
#include "machine/knobs.h"
#include "machine/machine.h"

#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "machine/compact.h"
#include "machine/khugepaged.h"

/* ---- those of the machine ---- */

/* Round after round, as long as one frees more than the one before could hope for. Kernel: drop_slab. */
static void drop_slab(struct vmsim_machine *m) {
    for (unsigned shift = 0, cpu = m->running ? m->running->cpu : 0;; shift++) {
        uint64_t freed = 0;
        for (struct vmsim__memcg *g = vmsim__memcg_root(m->lru), *next; g; g = next) {
            vmsim__memcg_get(g);
            freed += vmsim__thp_shrink(m->vm, g->id, 0, cpu);
            next = vmsim__memcg_next(vmsim__memcg_root(m->lru), g);
            vmsim__memcg_put(g);
        }
        if (freed >> shift <= 1)
            return;
    }
}

/* Kernel: drop_caches_sysctl_handler. */
static int drop_caches(void *owner, const struct vmsim__knob *knob, const char *text, struct vmsim__err *err) {
    struct vmsim_machine *m = owner;
    if (strlen(text) != 1 || text[0] < '1' || text[0] > '3')
        return vmsim__err_set(err, VMSIM_EINVAL, "%s takes 1 (page cache), 2 (slab) or 3 (both), not '%s'",
                              knob->value.name, text);
    if (text[0] != '2')
        vmsim__cache_drop(m->cache, 0);
    if (text[0] == '1')
        return 0;
    drop_slab(m);
    m->mem->event[VMSIM__DROP_SLAB]++;
    return 0;
}

/* Kernel: vmstat_refresh. */
static int stat_refresh(void *owner, const struct vmsim__knob *knob, const char *text, struct vmsim__err *err) {
    struct vmsim_machine *m = owner;
    (void)knob, (void)text, (void)err;
    for (unsigned cpu = 0; cpu < m->nr_cpus; cpu++)
        vmsim__mem_refresh(m->mem, cpu);
    return 0;
}

/* Kernel: sysctl_compaction_handler: only 1 is taken. Outside of a task's call nobody can wait. */
static int compact_memory(void *owner, const struct vmsim__knob *knob, const char *text, struct vmsim__err *err) {
    struct vmsim_machine *m = owner;
    if (strcmp(text, "1") != 0)
        return vmsim__err_set(err, VMSIM_EINVAL, "%s takes 1, not '%s'", knob->value.name, text);
    vmsim__compact_memory(m, m->running && m->running->in_call);
    return 0;
}

/* Files of mode 0200, as vm.compact_memory: reading one fails in Linux, so nothing is shown here. */
static bool write_only(const void *owner, const struct vmsim__knob *knob, char *text, size_t size) {
    (void)owner, (void)knob, (void)size;
    *text = '\0';
    return false;
}

/* Kernel: enabled_store: khugepaged starts or stops, which raises min_free_kbytes. */
static int thp_enabled(void *owner, const struct vmsim__knob *knob, const char *text, struct vmsim__err *err) {
    struct vmsim_machine *m = owner;
    struct {
        int mode;
    } wanted;
    struct vmsim__knob there = *knob;
    there.value.offset = 0;
    int rc = vmsim__knob_set(&there, &wanted, text, err);
    if (!rc)
        vmsim__mem_thp_set(m->mem, (enum vmsim__thp_mode)wanted.mode);
    return rc;
}

static bool read_thp_enabled(const void *owner, const struct vmsim__knob *knob, char *text, size_t size) {
    const struct vmsim_machine *m = owner;
    (void)knob;
    snprintf(text, size, "%s", vmsim__thp_mode_names[m->mem->thp_enabled]);
    return true;
}

#define SHOWN(key, text, what)                                                                                         \
    { .value = {.name = key, .type = VMSIM_PARAM_STRING, .fallback = text}, .lacks = what }

static const struct vmsim__knob machine_knobs[] = {
    {.value = {.name = "vm.drop_caches",
               .type = VMSIM_PARAM_STRING,
               .doc = "1 drops clean pages of files, 2 slab, 3 both; cannot be read."},
     .write = drop_caches,
     .read = write_only},
    {.value = {.name = "vm.stat_refresh",
               .type = VMSIM_PARAM_STRING,
               .doc = "A write folds the counters of all CPUs; cannot be read."},
     .write = stat_refresh,
     .read = write_only},
    {.value = {.name = "vm.compact_memory",
               .type = VMSIM_PARAM_STRING,
               .doc = "1 compacts all of memory, and waits for pages under writeback; cannot be read."},
     .write = compact_memory,
     .read = write_only},
    {.value = {.name = "transparent_hugepage/enabled",
               .type = VMSIM_PARAM_ENUM,
               .choices = vmsim__thp_mode_names,
               .doc = "Which memory gets huge pages; at first as machine.transparent_hugepage says."},
     .write = thp_enabled,
     .read = read_thp_enabled},
    SHOWN("vm.dirtytime_expire_seconds", "43200", "write-out of inodes' times"),
    {.value = {.name = "vm.enable_soft_offline", .type = VMSIM_PARAM_STRING, .fallback = "1"},
     .lacks = "soft offlining",
     .since = "6.12"},
    SHOWN("vm.hugetlb_optimize_vmemmap", "0", "freeing of struct pages"),
    SHOWN("vm.hugetlb_shm_group", "0", "rights on huge pages"),
    SHOWN("vm.laptop_mode", "0", "laptop mode"),
    {.value = {.name = "vm.memfd_noexec", .type = VMSIM_PARAM_STRING, .fallback = "0"},
     .lacks = "execution of memfds",
     .since = "6.12"},
    SHOWN("vm.memory_failure_early_kill", "0", "failing memory"),
    SHOWN("vm.memory_failure_recovery", "1", "failing memory"),
    SHOWN("vm.min_slab_ratio", "5", "slab"),
    SHOWN("vm.mmap_rnd_bits", "28", "random placement of mappings"),
    SHOWN("vm.mmap_rnd_compat_bits", "8", "random placement of mappings"),
    SHOWN("vm.numa_zonelist_order", "Node", "another order of zonelists"),
    SHOWN("vm.oom_dump_tasks", "1", "the kernel's log"),
    SHOWN("vm.page_lock_unfairness", "5", "unfair page locks"),
    SHOWN("vm.stat_interval", "1", "another interval"),
    SHOWN("vm.unprivileged_userfaultfd", "0", "userfaultfd"),
    SHOWN("vm.vfs_cache_pressure", "100", "reclaim of inodes"),
    {.value = {0}}};

/* ---- all of them ---- */

/* The structure that the knobs of a table are fields of. */
static void *mem_of(const struct vmsim_machine *m) {
    return m->mem;
}
static void *vm_of(const struct vmsim_machine *m) {
    return vmsim__vm_knobs(m->vm);
}
static void *cache_of(const struct vmsim_machine *m) {
    return vmsim__cache_spec(m->cache);
}
static void *numa_of(const struct vmsim_machine *m) {
    return (void *)(uintptr_t)&m->numa.knobs;
}
static void *machine_of(const struct vmsim_machine *m) {
    return (void *)(uintptr_t)m; /* who reads does not write */
}

static const struct {
    const struct vmsim__knob *table;
    void *(*owner)(const struct vmsim_machine *m);
} tables[] = {{vmsim__mem_knobs, mem_of},     {vmsim__cache_knobs, cache_of},   {vmsim__vm_knob_table, vm_of},
              {vmsim__thp_knob_table, vm_of}, {vmsim__mglru_knobs, machine_of}, {vmsim__numa_knob_table, numa_of},
              {machine_knobs, machine_of}};

/* Each layer keeps its own knobs, and the structure that a knob's offset means is its layer's; those of several layers
 * are the machine's own. */
static void *owner_of(const struct vmsim_machine *m, const struct vmsim__knob *knob) {
    VMSIM__ASSERT(knob->value.name);
    for (size_t t = 0; t < VMSIM__COUNT(tables); t++) {
        if (vmsim__knob_find(tables[t].table, knob->value.name) == knob)
            return tables[t].owner(m);
    }
    return machine_of(m);
}

/* All tables as one list, in a fixed order: reports and /proc/sys go through it. */
const struct vmsim__knob *vmsim__machine_knob(size_t i) {
    for (size_t t = 0; t < VMSIM__COUNT(tables); t++) {
        const struct vmsim__knob *k = tables[t].table;
        while (k->value.name && i)
            k++, i--;
        if (k->value.name)
            return k;
    }
    return NULL;
}

const struct vmsim__knob *vmsim__machine_knob_find(const char *name) {
    VMSIM__ASSERT(name);
    const struct vmsim__knob *found = NULL;
    for (size_t t = 0; t < VMSIM__COUNT(tables) && !found; t++)
        found = vmsim__knob_find(tables[t].table, name);
    return found;
}

bool vmsim__machine_has_knob(const struct vmsim_machine *m, const struct vmsim__knob *knob) {
    return !knob->since || vmsim__kernel_since(m->kernel, knob->since);
}

bool vmsim__machine_knob_read(const struct vmsim_machine *m, const struct vmsim__knob *knob, char *text, size_t size) {
    return vmsim__knob_read(knob, owner_of(m, knob), text, size);
}

/* ---- writing ---- */

/* mempolicy/weighted_interleave/nodeN, a file a node: 1 to 255; 0 or nothing gives back what it was at first. */
static int weight_write(struct vmsim_machine *m, const char *node, const char *value) {
    uint64_t n = 0, weight = 0;
    const char *why;
    if (!m->kernel->weighted_interleave || !vmsim__parse_uint(node, &n, &why) || n >= m->mem->nr_nodes)
        return VMSIM_ENOENT;
    if (*value && (!vmsim__parse_uint(value, &weight, &why) || weight > 255))
        return vmsim__err_set(&m->err, VMSIM_EINVAL, "mempolicy/weighted_interleave/node%s takes 1 to 255, not '%s'",
                              node, value);
    m->mem->interleave_weight[n] = (uint8_t)weight;
    return 0;
}

/* hugepages/hugepages-<size>kB/nr_hugepages and its like, of the machine or (node/nodeN/...) of one node: the pools of
 * sizes that are no knob of /proc. */
static int pool_write(struct vmsim_machine *m, const char *name, const char *value) {
    unsigned node = VMSIM__MAX_NODES, h = 0;
    uint64_t pages;
    unsigned long long kb;
    char file[32];
    const char *why;
    int at = 0;
    if (sscanf(name, "node/node%u/%n", &node, &at) == 1 && node >= m->mem->nr_nodes)
        return VMSIM_ENOENT;
    if (sscanf(name + at, "hugepages/hugepages-%llukB/%31s", &kb, file) != 2)
        return VMSIM_ENOENT;
    while (h < m->mem->nr_hstates && UINT64_C(1) << (m->mem->hstate[h].order + m->mem->page_shift) != kb << 10)
        h++;
    const bool overcommit = !strcmp(file, "nr_overcommit_hugepages") && node == VMSIM__MAX_NODES;
    if (h == m->mem->nr_hstates || (!overcommit && strcmp(file, "nr_hugepages") != 0))
        return VMSIM_ENOENT;
    if (!vmsim__parse_uint(value, &pages, &why))
        return vmsim__err_set(&m->err, VMSIM_EINVAL, "%s: '%s' is not a number of pages", name, value);
    if (overcommit && vmsim__hstate_gigantic(m->mem, h))
        return vmsim__err_set(&m->err, VMSIM_EINVAL, "%s: gigantic pages cannot be overcommitted", name);
    if (overcommit)
        m->mem->hstate[h].overcommit = pages;
    else
        vmsim__hugetlb_set(m->mem, h, node, pages, m->running ? m->running->cpu : 0);
    return 0;
}

/* Writing these takes memory or moves pages, so the writer may wait: such a write goes through a call that can be
 * entered again. All others are done at once. */
bool vmsim__machine_knob_waits(const char *name) {
    VMSIM__ASSERT(name);
    const char *file = strrchr(name, '/');
    return !strcmp(name, "vm.compact_memory") || !strncmp(name, "vm.nr_hugepages", 15) ||
           (file && !strcmp(file, "/nr_hugepages"));
}

/* The knob that was meant, or NULL. */
static const char *closest_knob(const struct vmsim_machine *m, const char *name) {
    const char *names[128];
    size_t count = 0;
    const struct vmsim__knob *k;
    for (size_t i = 0; (k = vmsim__machine_knob(i)) && count + 1 < VMSIM__COUNT(names); i++) {
        if (!k->lacks && vmsim__machine_has_knob(m, k))
            names[count++] = k->value.name;
    }
    names[count] = NULL;
    return vmsim__closest(name, names, sizeof *names);
}

/* What a written knob is to those who keep a copy. */
static void take_over(struct vmsim_machine *m, const char *name) {
    const struct vmsim__vm_spec *knobs = vmsim__vm_knobs(m->vm);
    m->vmscan.swappiness = (unsigned)knobs->swappiness;
    m->compaction.proactiveness = knobs->compaction_proactiveness;
    m->compaction.unevictable_allowed = knobs->compact_unevictable_allowed;
    if (!strcmp(name, "vm.compaction_proactiveness"))
        vmsim__kcompactd_trigger(m);
    if (!strncmp(name, "transparent_hugepage/", 21))
        vmsim__khugepaged_ask(m, strstr(name, "_sleep_millisecs"));
}

/* Limits that a machine's page tables set. Kernel: max_ptes_none_store and its like take HPAGE_PMD_NR - 1 at most. */
static int check_limit(struct vmsim_machine *m, const char *name, const char *value) {
    static const char ptes[] = "transparent_hugepage/khugepaged/max_ptes_";
    const unsigned levels = m->format->levels;
    const uint64_t most = levels > 1 ? (UINT64_C(1) << (m->format->shift[1] - m->format->page_shift)) - 1 : 0;
    uint64_t pages;
    const char *why;
    if (strncmp(name, ptes, sizeof ptes - 1) != 0 || !vmsim__parse_uint(value, &pages, &why) || pages <= most)
        return 0;
    return vmsim__err_set(&m->err, VMSIM_EINVAL, "%s: %s is not within 0..%llu pages, all but one of a huge page", name,
                          value, (unsigned long long)most);
}

/* Names that are in no table are made by the machine that is there: pools of its page sizes, weights of its nodes. */
int vmsim_machine_sysctl(struct vmsim_machine *m, const char *name, const char *value) {
    static const char weight[] = "mempolicy/weighted_interleave/node";
    if (!m || !name || !value)
        return VMSIM_EINVAL;
    const struct vmsim__knob *knob = vmsim__machine_knob_find(name);
    int err = VMSIM_ENOENT;
    if (knob && vmsim__machine_has_knob(m, knob)) {
        err = check_limit(m, name, value);
        err = err ? err : vmsim__knob_write(knob, owner_of(m, knob), value, &m->err);
        if (!err)
            take_over(m, name);
        return err;
    }
    if (!strncmp(name, weight, sizeof weight - 1))
        err = weight_write(m, name + sizeof weight - 1, value);
    else
        err = pool_write(m, name, value);
    if (err != VMSIM_ENOENT)
        return err;
    const char *close = closest_knob(m, name);
    return vmsim__err_set(&m->err, VMSIM_ENOENT,
                          close ? "'%s' is not a knob of this machine (did you mean '%s'?)"
                                : "'%s' is not a knob of this machine",
                          name, close);
}
