/* SPDX-License-Identifier: MIT */
/* Writing knobs of a running machine: finds the layer that owns the name and lets it do what the kernel does on such a
 * write.
 *
 * Names are Linux's: "vm.overcommit_memory" as sysctl(8) spells it, "transparent_hugepage/enabled" as below
 * /sys/kernel/mm. */
#include <string.h>

#include "base/units.h"
#include "machine/machine.h"

/* Sets the one field `name` of `target`, a struct described by `table`; VMSIM_ENOENT when the table has none. */
static int set_field(struct vmsim_machine *m, const struct vmsim_param *table, const char *name, const char *value,
                     void *target, void *scratch) {
    const struct vmsim_param *p = table;
    while (p->name && strcmp(p->name, name))
        p++;
    if (!p->name)
        return VMSIM_ENOENT;
    struct vmsim_param_pair pair = {.key = name, .value = value, .origin = "sysctl"};
    struct vmsim_param_list pairs = {.data = &pair, .count = 1};
    const struct vmsim_param alone[] = {*p, {0}}; /* the others need no value */
    int err = vmsim__param_bind(alone, &pairs, scratch, &m->err);
    if (err)
        return VMSIM_EINVAL;
    size_t size = p->type == VMSIM_PARAM_BOOL   ? sizeof(bool)
                  : p->type == VMSIM_PARAM_ENUM ? sizeof(int)
                                                : sizeof(uint64_t);
    VMSIM__ASSERT(p->type != VMSIM_PARAM_STRUCT && p->type != VMSIM_PARAM_LIST && p->type != VMSIM_PARAM_MAP);
    memcpy((char *)target + p->offset, (char *)scratch + p->offset, size);
    return 0;
}

/* Kernel: drop_caches_sysctl_handler. There is no slab to shrink: the event alone counts. */
static int drop_caches(struct vmsim_machine *m, const char *value) {
    if (strlen(value) != 1 || value[0] < '1' || value[0] > '3')
        return vmsim__err_set(&m->err, VMSIM_EINVAL,
                              "vm.drop_caches takes 1 (page cache), 2 (slab) or 3 (both), not '%s'", value);
    if (value[0] != '2')
        vmsim__cache_drop(m->cache, 0);
    if (value[0] != '1')
        m->mem->event[VMSIM__DROP_SLAB]++;
    return 0;
}

/* Kernel: vmstat_refresh. */
static int stat_refresh(struct vmsim_machine *m) {
    for (unsigned cpu = 0; cpu < m->nr_cpus; cpu++)
        vmsim__mem_refresh(m->mem, cpu);
    return 0;
}

static int thp_write(struct vmsim_machine *m, const char *name, const char *value) {
    struct vmsim__vm_spec *knobs = vmsim__vm_knobs(m->vm), scratch = {0};
    if (strcmp(name, "enabled") != 0)
        return set_field(m, vmsim__thp_params, name, value, knobs, &scratch);
    for (unsigned i = 0; vmsim__thp_mode_names[i]; i++) {
        if (!strcmp(vmsim__thp_mode_names[i], value)) {
            vmsim__mem_thp_set(m->mem, (enum vmsim__thp_mode)i);
            return 0;
        }
    }
    return vmsim__err_set(&m->err, VMSIM_EINVAL,
                          "transparent_hugepage/enabled takes always, madvise or never, not '%s'", value);
}

/* A dirty limit given in bytes switches the one in percent off, and the other way round. Kernel: dirty_bytes_handler
 * and dirty_ratio_handler: the last write wins. */
static int dirty_write(struct vmsim_machine *m, const char *name, const char *value) {
    struct vmsim__cache_spec *knobs = vmsim__cache_spec(m->cache), scratch = {0};
    int err = set_field(m, vmsim__cache_params, name, value, knobs, &scratch);
    if (err)
        return err;
    if (!strcmp(name, "dirty_ratio"))
        knobs->dirty_bytes = 0;
    else if (!strcmp(name, "dirty_bytes"))
        knobs->dirty_ratio = 0;
    else if (!strcmp(name, "dirty_background_ratio"))
        knobs->dirty_background_bytes = 0;
    else if (!strcmp(name, "dirty_background_bytes"))
        knobs->dirty_background_ratio = 0;
    return 0;
}

/* mempolicy/weighted_interleave/nodeN: 1 to 255; 0 or nothing gives back what it was at first. */
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

/* The layers in turn; VMSIM_ENOENT: none knows the name. */
static int route(struct vmsim_machine *m, const char *name, const char *value) {
    static const char thp[] = "transparent_hugepage/", weight[] = "mempolicy/weighted_interleave/node";
    if (!strncmp(name, weight, sizeof weight - 1))
        return weight_write(m, name + sizeof weight - 1, value);
    if (!strcmp(name, "vm.drop_caches"))
        return drop_caches(m, value);
    if (!strcmp(name, "vm.stat_refresh"))
        return stat_refresh(m);
    if (!strncmp(name, thp, sizeof thp - 1))
        return thp_write(m, name + sizeof thp - 1, value);
    if (!strncmp(name, "vm.dirty_", 9))
        return dirty_write(m, name + 3, value);
    int err = vmsim__mem_sysctl_set(m->mem, name, value, &m->err);
    if (err != VMSIM_ENOENT)
        return err;
    struct vmsim__vm_spec scratch = {0};
    err = set_field(m, vmsim__vm_sysctl_params, name, value, vmsim__vm_knobs(m->vm), &scratch);
    m->vmscan.swappiness = (unsigned)vmsim__vm_knobs(m->vm)->swappiness;
    return err;
}

/* The knob that was meant, or NULL. */
static const char *closest_knob(const char *name) {
    static const char *const others[] = {"vm.drop_caches",
                                         "vm.stat_refresh",
                                         "vm.dirty_ratio",
                                         "vm.dirty_bytes",
                                         "vm.dirty_background_ratio",
                                         "vm.dirty_background_bytes",
                                         "transparent_hugepage/enabled"};
    const char *names[128];
    size_t count = 0;
    for (size_t i = 0; i < VMSIM__COUNT(others); i++)
        names[count++] = others[i];
    for (unsigned i = 0; vmsim__mem_sysctl_name(i) && count < 64; i++)
        names[count++] = vmsim__mem_sysctl_name(i);
    for (const struct vmsim_param *p = vmsim__vm_sysctl_params; p->name && count + 1 < VMSIM__COUNT(names); p++)
        names[count++] = p->name;
    names[count] = NULL;
    return vmsim__closest(name, names, sizeof *names);
}

/* What a knob of Linux steers that is not simulated yet, or NULL. */
static const char *not_yet(const char *name) {
    static const char *const knobs[][2] = {
        {"vm.vfs_cache_pressure", "reclaim of inodes"},
        {"vm.zone_reclaim_mode", "reclaim of one node"},
        {"vm.compaction_proactiveness", "compaction"},
        {"vm.compact_memory", "compaction"},
        {"vm.extfrag_threshold", "compaction"},
        {"vm.compact_unevictable_allowed", "compaction"},
        {"vm.panic_on_oom", "a panic by itself (policy `panic` of domain oom is)"},
        {"kernel.numa_balancing", "NUMA balancing"},
    };
    for (size_t i = 0; i < VMSIM__COUNT(knobs); i++) {
        if (!strcmp(knobs[i][0], name))
            return knobs[i][1];
    }
    return NULL;
}

int vmsim_machine_sysctl(struct vmsim_machine *m, const char *name, const char *value) {
    if (!m || !name || !value)
        return VMSIM_EINVAL;
    int err = route(m, name, value);
    if (err != VMSIM_ENOENT)
        return err;
    const char *missing = not_yet(name), *close = closest_knob(name);
    if (missing)
        return vmsim__err_set(&m->err, VMSIM_ENOENT, "'%s' has nothing to steer: %s is not simulated yet", name,
                              missing);
    return vmsim__err_set(&m->err, VMSIM_ENOENT,
                          close ? "'%s' is not a knob of this machine (did you mean '%s'?)"
                                : "'%s' is not a knob of this machine",
                          name, close);
}
