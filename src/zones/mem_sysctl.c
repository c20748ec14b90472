/* SPDX-License-Identifier: MIT */
/* The knobs of zones/: watermarks, reserves, per-CPU lists, numa_stat, pools of huge pages.
 * Kernel counterparts: the handlers in mm/page_alloc.c, mm/vmstat.c, mm/hugetlb.c. */
#include "zones/zones_internal.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HIGH_FRACTION_LEAST 8 /* MIN_PERCPU_PAGELIST_HIGH_FRACTION */

/* ---- plain values, and what is computed anew when one was written ---- */

static void watermarks(void *owner, const struct vmsim__knob *knob) {
    (void)knob;
    vmsim__mem_set_watermarks(owner);
}

static void min_free_kbytes(void *owner, const struct vmsim__knob *knob) {
    struct vmsim__mem *mem = owner;
    mem->sysctl.user_min_free_kbytes = (int64_t)mem->sysctl.min_free_kbytes;
    watermarks(owner, knob);
}

static void pcp_limits(void *owner, const struct vmsim__knob *knob) {
    struct vmsim__mem *mem = owner;
    (void)knob;
    for (unsigned i = 0; i < mem->nr_zones; i++)
        vmsim__zone_set_pcp(mem, &mem->zones[i]);
}

static int write_high_fraction(void *owner, const struct vmsim__knob *knob, const char *text, struct vmsim__err *err) {
    struct vmsim__mem *mem = owner;
    const uint64_t before = mem->sysctl.percpu_pagelist_high_fraction;
    int rc = vmsim__knob_set(knob, mem, text, err);
    uint64_t now = mem->sysctl.percpu_pagelist_high_fraction;
    if (rc || !now || now >= HIGH_FRACTION_LEAST)
        return rc;
    mem->sysctl.percpu_pagelist_high_fraction = before;
    return vmsim__err_set(err, VMSIM_EINVAL, "%s takes 0, or %d and more, not %s", knob->value.name,
                          HIGH_FRACTION_LEAST, text);
}

/* Switched off, the counts of all zones are gone. Kernel: sysctl_vm_numa_stat_handler. */
static int write_numa_stat(void *owner, const struct vmsim__knob *knob, const char *text, struct vmsim__err *err) {
    struct vmsim__mem *mem = owner;
    const bool was = mem->sysctl.numa_stat;
    int rc = vmsim__knob_set(knob, mem, text, err);
    for (unsigned i = 0; !rc && was && !mem->sysctl.numa_stat && i < mem->nr_zones; i++)
        memset(mem->zones[i].numa, 0, sizeof mem->zones[i].numa);
    return rc;
}

/* ---- lowmem_reserve_ratio ---- */

/* Reads one number of a list; false at the end or at what is none. */
static bool next_number(const char **text, int64_t *value) {
    char *end;
    *text += strspn(*text, " \t\n");
    if (!**text)
        return false;
    *value = strtoll(*text, &end, 10);
    bool ok = end != *text && (*end == '\0' || *end == ' ' || *end == '\t' || *end == '\n');
    *text = ok ? end : *text;
    return ok;
}

/* One value for each zone type of the architecture, lowest first; missing ones keep theirs, further ones are ignored,
 * and below 1 means none. */
static int write_ratios(void *owner, const struct vmsim__knob *knob, const char *text, struct vmsim__err *err) {
    struct vmsim__mem *mem = owner;
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
            return vmsim__err_set(err, VMSIM_EINVAL, "%s: %lld is out of range", knob->value.name, (long long)v);
        ratio[t] = v < 1 ? 0 : (uint64_t)v;
    }
    if (!all && at[strspn(at, " \t\n")])
        return vmsim__err_set(err, VMSIM_EINVAL, "%s: \"%s\" is not one number for each zone", knob->value.name, text);
    memcpy(mem->sysctl.lowmem_reserve_ratio, ratio, sizeof ratio);
    return 0;
}

static void reserves(void *owner, const struct vmsim__knob *knob) {
    (void)knob;
    vmsim__mem_set_lowmem_reserve(owner);
}

static bool read_ratios(const void *owner, const struct vmsim__knob *knob, char *text, size_t size) {
    const struct vmsim__mem *mem = owner;
    size_t n = 0;
    (void)knob;
    for (unsigned t = 0; t < VMSIM__ZONE_TYPES && n < size; t++) {
        if (mem->zone_configured >> t & 1)
            n += (size_t)snprintf(text + n, size - n, "%s%llu", n ? "\t" : "",
                                  (unsigned long long)mem->sysctl.lowmem_reserve_ratio[t]);
    }
    return true;
}

/* ---- huge pages of the default size ---- */

static int parse_pages(const struct vmsim__mem *mem, const struct vmsim__knob *knob, const char *text, uint64_t *pages,
                       struct vmsim__err *err) {
    const char *at = text;
    int64_t v;
    if (!mem->nr_hstates)
        return vmsim__err_set(err, VMSIM_EINVAL, "%s: this architecture has no huge pages", knob->value.name);
    if (!next_number(&at, &v) || at[strspn(at, " \t\n")] || v < 0)
        return vmsim__err_set(err, VMSIM_EINVAL, "%s: '%s' is not a number of pages", knob->value.name, text);
    *pages = (uint64_t)v;
    return 0;
}

static int write_pool(void *owner, const struct vmsim__knob *knob, const char *text, struct vmsim__err *err) {
    struct vmsim__mem *mem = owner;
    uint64_t pages = 0;
    int rc = parse_pages(mem, knob, text, &pages, err);
    if (!rc)
        vmsim__hugetlb_set(mem, mem->default_hstate, VMSIM__MAX_NODES, pages, 0);
    return rc;
}

static bool read_pool(const void *owner, const struct vmsim__knob *knob, char *text, size_t size) {
    const struct vmsim__mem *mem = owner;
    (void)knob;
    if (mem->nr_hstates)
        snprintf(text, size, "%llu",
                 (unsigned long long)vmsim__hugetlb_total(mem, mem->default_hstate, VMSIM__MAX_NODES));
    return mem->nr_hstates > 0;
}

static int write_overcommit(void *owner, const struct vmsim__knob *knob, const char *text, struct vmsim__err *err) {
    struct vmsim__mem *mem = owner;
    uint64_t pages = 0;
    int rc = parse_pages(mem, knob, text, &pages, err);
    if (!rc && vmsim__hstate_gigantic(mem, mem->default_hstate))
        rc = vmsim__err_set(err, VMSIM_EINVAL,
                            "%s: huge pages of the default size are gigantic, which cannot be overcommitted",
                            knob->value.name);
    if (!rc)
        mem->hstate[mem->default_hstate].overcommit = pages;
    return rc;
}

static bool read_overcommit(const void *owner, const struct vmsim__knob *knob, char *text, size_t size) {
    const struct vmsim__mem *mem = owner;
    (void)knob;
    if (mem->nr_hstates)
        snprintf(text, size, "%llu", (unsigned long long)mem->hstate[mem->default_hstate].overcommit);
    return mem->nr_hstates > 0;
}

/* ---- the table ---- */

#define NUMBER(key, field, default_text, least, most, text)                                                            \
    .value = {.name = key,                                                                                             \
              .type = VMSIM_PARAM_UINT,                                                                                \
              .offset = offsetof(struct vmsim__mem, sysctl) + offsetof(struct vmsim__mem_sysctl, field),               \
              .fallback = default_text,                                                                                \
              .min = least,                                                                                            \
              .max = most,                                                                                             \
              .doc = text}
#define SPECIAL(key, default_text, text)                                                                               \
    .value = {.name = key, .type = VMSIM_PARAM_STRING, .fallback = default_text, .doc = text}

static const char *const online_policies[] = {"contig-zones", "auto-movable", NULL};

const struct vmsim__knob vmsim__mem_knobs[] = {
    {NUMBER("vm.min_free_kbytes", min_free_kbytes, NULL, 0, INT_MAX,
            "What the min watermarks of all zones keep free; at boot 4 * sqrt(low memory in kB), 128 kB to 256 MiB."),
     .unit = "kB", .written = min_free_kbytes},
    {NUMBER("vm.watermark_scale_factor", watermark_scale_factor, "10", 1, 3000,
            "Distance of the low and high watermarks, in 10000ths of a zone."),
     .unit = "1/10000", .written = watermarks},
    {NUMBER("vm.watermark_boost_factor", watermark_boost_factor, "15000", 0, INT_MAX,
            "Most that mixing of migratetypes boosts a zone's watermarks, in 10000ths of the high one; 0: never."),
     .unit = "1/10000"},
    {SPECIAL("vm.lowmem_reserve_ratio", NULL,
             "What part of each zone is kept from requests that could use higher zones: one number a zone type, lowest "
             "first; 0: none."),
     .write = write_ratios, .written = reserves, .read = read_ratios},
    {NUMBER("vm.percpu_pagelist_high_fraction", percpu_pagelist_high_fraction, "0", 0, INT_MAX,
            "Per-CPU lists of a zone hold at most this fraction of it, 8 and more; 0: by the low watermark."),
     .write = write_high_fraction, .written = pcp_limits},
    {NUMBER("vm.extfrag_threshold", extfrag_threshold, "500", 0, 1000,
            "Fragmentation index above which compaction is preferred to reclaim."),
     .unit = "1/1000"},
    {NUMBER(
        "vm.zone_reclaim_mode", zone_reclaim_mode, "0", 0, 7,
        "A node that is short gives up pages of files before memory of the next node is taken: 1, besides dirty ones "
        "2, mapped ones 4; 0: never.")},
    {NUMBER("vm.min_unmapped_ratio", min_unmapped_ratio, "1", 0, 100,
            "Pages of files, as a part of a node, that vm.zone_reclaim_mode leaves."),
     .unit = "%"},
    {.value = {.name = "vm.numa_stat",
               .type = VMSIM_PARAM_BOOL,
               .offset = offsetof(struct vmsim__mem, sysctl) + offsetof(struct vmsim__mem_sysctl, numa_stat),
               .fallback = "true",
               .doc = "Whether numa_hit and its kind are counted; switched off, they become 0."},
     .write = write_numa_stat},
    {.value = {.name = "memory_hotplug/online_policy",
               .type = VMSIM_PARAM_ENUM,
               .offset = offsetof(struct vmsim__mem, sysctl) + offsetof(struct vmsim__mem_sysctl, online_policy),
               .fallback = "contig-zones",
               .choices = online_policies,
               .doc =
                   "To which zone a memory block goes online by itself: that of its neighbours, or Movable while that "
                   "keeps to auto_movable_ratio."}},
    {NUMBER("memory_hotplug/auto_movable_ratio", auto_movable_ratio, "301", 0, INT_MAX,
            "Most Movable memory to the kernel's memory of boot, under auto-movable."),
     .unit = "%"},
    {.value = {.name = "memory_hotplug/auto_movable_numa_aware",
               .type = VMSIM_PARAM_BOOL,
               .offset =
                   offsetof(struct vmsim__mem, sysctl) + offsetof(struct vmsim__mem_sysctl, auto_movable_numa_aware),
               .fallback = "true",
               .doc = "The ratio holds within each node, too."}},
    {SPECIAL("vm.nr_hugepages", "0", "Huge pages of the default size in the pool: what it can be brought to."),
     .unit = "pages", .write = write_pool, .read = read_pool},
    {SPECIAL("vm.nr_hugepages_mempolicy", "0", "The same pool; written, by the writer's memory policy."),
     .unit = "pages", .write = write_pool, .read = read_pool},
    {SPECIAL("vm.nr_overcommit_hugepages", "0", "Huge pages beyond the pool that mappings may ask for."),
     .unit = "pages", .write = write_overcommit, .read = read_overcommit},
    {.value = {0}}};

int vmsim__mem_sysctl_set(struct vmsim__mem *mem, const char *name, const char *text, struct vmsim__err *err) {
    const struct vmsim__knob *knob = vmsim__knob_find(vmsim__mem_knobs, name);
    if (!knob)
        return vmsim__err_set(err, VMSIM_ENOENT, "%s is no setting of the allocator", name);
    return vmsim__knob_write(knob, mem, text, err);
}

bool vmsim__mem_sysctl_get(struct vmsim__mem *mem, const char *name, char *buffer, size_t size) {
    const struct vmsim__knob *knob = vmsim__knob_find(vmsim__mem_knobs, name);
    if (knob && knob->write == write_ratios) /* the kernel's handler does not ask which it was */
        vmsim__mem_set_lowmem_reserve(mem);
    return knob && vmsim__knob_read(knob, mem, buffer, size);
}
