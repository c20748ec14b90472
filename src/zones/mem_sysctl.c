/* SPDX-License-Identifier: MIT */
/* The vm.* sysctls of zones/ as texts: names, bounds, parsing and printing as /proc/sys/vm does it.
 * Kernel counterparts: kernel/sysctl.c, the handlers in mm/page_alloc.c and mm/vmstat.c. */
#include "zones/zones_internal.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct sysctl {
    const char *name;
    uint64_t min, max;
} table[] = {
    [VMSIM__SYSCTL_MIN_FREE_KBYTES] = {"vm.min_free_kbytes", 0, INT_MAX},
    [VMSIM__SYSCTL_WATERMARK_SCALE_FACTOR] = {"vm.watermark_scale_factor", 1, 3000},
    [VMSIM__SYSCTL_WATERMARK_BOOST_FACTOR] = {"vm.watermark_boost_factor", 0, INT_MAX},
    [VMSIM__SYSCTL_LOWMEM_RESERVE_RATIO] = {"vm.lowmem_reserve_ratio", 0, INT_MAX},
    [VMSIM__SYSCTL_HIGH_FRACTION] = {"vm.percpu_pagelist_high_fraction", 0, INT_MAX},
    [VMSIM__SYSCTL_EXTFRAG_THRESHOLD] = {"vm.extfrag_threshold", 0, 1000},
    [VMSIM__SYSCTL_NUMA_STAT] = {"vm.numa_stat", 0, 1},
    [VMSIM__SYSCTL_NR_HUGEPAGES] = {"vm.nr_hugepages", 0, INT64_MAX},
    [VMSIM__SYSCTL_NR_OVERCOMMIT_HUGEPAGES] = {"vm.nr_overcommit_hugepages", 0, INT64_MAX},
};

const char *vmsim__mem_sysctl_name(unsigned i) {
    return i < VMSIM__COUNT(table) ? table[i].name : NULL;
}

static int find(const char *name) {
    for (unsigned i = 0; i < VMSIM__COUNT(table); i++) {
        if (!strcmp(table[i].name, name))
            return (int)i;
    }
    return -1;
}

/* Place of a plain value; NULL for the vector, the switch and the pool. */
static uint64_t *value_of(struct vmsim__mem *mem, enum vmsim__mem_sysctl_id id) {
    switch (id) {
    case VMSIM__SYSCTL_MIN_FREE_KBYTES:
        return &mem->sysctl.min_free_kbytes;
    case VMSIM__SYSCTL_WATERMARK_SCALE_FACTOR:
        return &mem->sysctl.watermark_scale_factor;
    case VMSIM__SYSCTL_WATERMARK_BOOST_FACTOR:
        return &mem->sysctl.watermark_boost_factor;
    case VMSIM__SYSCTL_HIGH_FRACTION:
        return &mem->sysctl.percpu_pagelist_high_fraction;
    case VMSIM__SYSCTL_EXTFRAG_THRESHOLD:
        return &mem->sysctl.extfrag_threshold;
    case VMSIM__SYSCTL_NR_OVERCOMMIT_HUGEPAGES:
        return &mem->hstate[mem->default_hstate].overcommit;
    default:
        return NULL;
    }
}

/* Reads one number of a list; false at the end or at what is none. */
static bool next_number(const char **text, int64_t *value) {
    char *end;
    while (**text == ' ' || **text == '\t' || **text == '\n')
        ++*text;
    if (!**text)
        return false;
    *value = strtoll(*text, &end, 10);
    bool ok = end != *text && (*end == '\0' || *end == ' ' || *end == '\t' || *end == '\n');
    *text = ok ? end : *text;
    return ok;
}

/* One value for each zone type of the architecture, lowest first; missing ones keep theirs, further ones are ignored,
 * and below 1 means none. */
static int set_ratios(struct vmsim__mem *mem, const char *text, struct vmsim__err *err) {
    uint64_t ratio[VMSIM__ZONE_TYPES];
    const char *at = text;
    bool all = true;
    int64_t v;
    memcpy(ratio, mem->sysctl.lowmem_reserve_ratio, sizeof ratio);
    for (unsigned t = 0; t < VMSIM__ZONE_TYPES; t++) {
        if (!(mem->zone_configured >> t & 1))
            continue;
        if (!next_number(&at, &v)) {
            all = false;
            break;
        }
        if (v > INT_MAX || v < INT_MIN)
            return vmsim__err_set(err, VMSIM_EINVAL, "vm.lowmem_reserve_ratio: %lld is out of range", (long long)v);
        ratio[t] = v < 1 ? 0 : (uint64_t)v;
    }
    if (!all && at[strspn(at, " \t\n")])
        return vmsim__err_set(err, VMSIM_EINVAL, "vm.lowmem_reserve_ratio: \"%s\" is not one number for each zone",
                              text);
    memcpy(mem->sysctl.lowmem_reserve_ratio, ratio, sizeof ratio);
    return 0;
}

static void set_numa_stat(struct vmsim__mem *mem, bool on) {
    for (unsigned i = 0; !on && mem->sysctl.numa_stat && i < mem->nr_zones; i++)
        memset(mem->zones[i].numa, 0, sizeof mem->zones[i].numa);
    mem->sysctl.numa_stat = on;
}

int vmsim__mem_sysctl_set(struct vmsim__mem *mem, const char *name, const char *text, struct vmsim__err *err) {
    int id = find(name);
    const char *at = text;
    int64_t v;
    if (id < 0)
        return vmsim__err_set(err, VMSIM_ENOENT, "%s is no setting of the allocator", name);
    if (id >= VMSIM__SYSCTL_NR_HUGEPAGES && !mem->nr_hstates)
        return vmsim__err_set(err, VMSIM_EINVAL, "%s: this architecture has no huge pages", name);
    if (id == VMSIM__SYSCTL_NR_OVERCOMMIT_HUGEPAGES && vmsim__hstate_gigantic(mem, mem->default_hstate))
        return vmsim__err_set(err, VMSIM_EINVAL,
                              "%s: huge pages of the default size are gigantic, which cannot be "
                              "overcommitted",
                              name);
    if (id == VMSIM__SYSCTL_LOWMEM_RESERVE_RATIO) {
        int rc = set_ratios(mem, text, err);
        if (rc)
            return rc;
    } else {
        bool ok = next_number(&at, &v) && !at[strspn(at, " \t\n")];
        if (ok && id == VMSIM__SYSCTL_HIGH_FRACTION && v > 0 && v < 8)
            ok = false; /* the kernel's MIN_PERCPU_PAGELIST_HIGH_FRACTION */
        if (!ok || v < (int64_t)table[id].min || v > (int64_t)table[id].max)
            return vmsim__err_set(err, VMSIM_EINVAL, "%s: \"%s\" is not within %llu..%llu%s", name, text,
                                  (unsigned long long)table[id].min, (unsigned long long)table[id].max,
                                  id == VMSIM__SYSCTL_HIGH_FRACTION ? ", or below 8" : "");
        uint64_t *place = value_of(mem, (enum vmsim__mem_sysctl_id)id);
        if (id == VMSIM__SYSCTL_NR_HUGEPAGES)
            vmsim__hugetlb_set(mem, mem->default_hstate, VMSIM__MAX_NODES, (uint64_t)v, 0);
        else if (place)
            *place = (uint64_t)v;
        else
            set_numa_stat(mem, v != 0);
    }
    vmsim__sysctl_changed(mem, (enum vmsim__mem_sysctl_id)id);
    return 0;
}

bool vmsim__mem_sysctl_get(struct vmsim__mem *mem, const char *name, char *buffer, size_t size) {
    int id = find(name);
    if (id < 0 || (id >= VMSIM__SYSCTL_NR_HUGEPAGES && !mem->nr_hstates))
        return false;
    const uint64_t *place = value_of(mem, (enum vmsim__mem_sysctl_id)id);
    if (id == VMSIM__SYSCTL_LOWMEM_RESERVE_RATIO) {
        size_t n = 0;
        vmsim__sysctl_changed(mem,
                              VMSIM__SYSCTL_LOWMEM_RESERVE_RATIO); /* the kernel's handler does not ask which it was */
        for (unsigned t = 0; t < VMSIM__ZONE_TYPES && n < size; t++) {
            if (mem->zone_configured >> t & 1)
                n += (size_t)snprintf(buffer + n, size - n, "%s%llu", n ? "\t" : "",
                                      (unsigned long long)mem->sysctl.lowmem_reserve_ratio[t]);
        }
    } else if (id == VMSIM__SYSCTL_NR_HUGEPAGES) {
        snprintf(buffer, size, "%llu",
                 (unsigned long long)vmsim__hugetlb_total(mem, mem->default_hstate, VMSIM__MAX_NODES));
    } else {
        snprintf(buffer, size, "%llu", (unsigned long long)(place ? *place : mem->sysctl.numa_stat));
    }
    return true;
}
