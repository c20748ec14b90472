/* SPDX-License-Identifier: MIT */
/* /proc/sys/vm: the knobs as they are in force. What vmsim keeps comes from its owner (zones/, vm/, cache/); what it
 * does not model stands at the kernel's default. Kernel counterpart: kernel/sysctl.c. */
#include <stdio.h>
#include <string.h>

#include "report/proc.h"

enum source { FIXED, MEM, RESERVE_RATIO, VM_UINT, VM_BOOL, CACHE_UINT, HUGEPAGES, SOFT_OFFLINE };

#define VM(field) offsetof(struct vmsim__vm_spec, field)
#define CACHE(field) offsetof(struct vmsim__cache_spec, field)

/* In the order of names. */
static const struct knob {
    const char *name;
    enum source source;
    size_t offset;
    const char *text; /* FIXED, SOFT_OFFLINE */
} knobs[] = {
    {"admin_reserve_kbytes", VM_UINT, VM(admin_reserve_kbytes), NULL},
    {"compact_unevictable_allowed", FIXED, 0, "1"},
    {"compaction_proactiveness", FIXED, 0, "20"},
    {"dirty_background_bytes", CACHE_UINT, CACHE(dirty_background_bytes), NULL},
    {"dirty_background_ratio", CACHE_UINT, CACHE(dirty_background_ratio), NULL},
    {"dirty_bytes", CACHE_UINT, CACHE(dirty_bytes), NULL},
    {"dirty_expire_centisecs", CACHE_UINT, CACHE(dirty_expire_centisecs), NULL},
    {"dirty_ratio", CACHE_UINT, CACHE(dirty_ratio), NULL},
    {"dirty_writeback_centisecs", CACHE_UINT, CACHE(dirty_writeback_centisecs), NULL},
    {"dirtytime_expire_seconds", FIXED, 0, "43200"},
    {"enable_soft_offline", SOFT_OFFLINE, 0, "1"},
    {"extfrag_threshold", MEM, 0, NULL},
    {"hugetlb_optimize_vmemmap", FIXED, 0, "0"},
    {"hugetlb_shm_group", FIXED, 0, "0"},
    {"laptop_mode", FIXED, 0, "0"},
    {"legacy_va_layout", VM_BOOL, VM(legacy_va_layout), NULL},
    {"lowmem_reserve_ratio", RESERVE_RATIO, 0, NULL},
    {"max_map_count", VM_UINT, VM(max_map_count), NULL},
    {"memfd_noexec", SOFT_OFFLINE, 0, "0"},
    {"memory_failure_early_kill", FIXED, 0, "0"},
    {"memory_failure_recovery", FIXED, 0, "1"},
    {"min_free_kbytes", MEM, 0, NULL},
    {"min_slab_ratio", FIXED, 0, "5"},
    {"min_unmapped_ratio", FIXED, 0, "1"},
    {"mmap_min_addr", VM_UINT, VM(mmap_min_addr), NULL},
    {"mmap_rnd_bits", FIXED, 0, "28"},
    {"mmap_rnd_compat_bits", FIXED, 0, "8"},
    {"nr_hugepages", MEM, 0, NULL},
    {"nr_hugepages_mempolicy", HUGEPAGES, 0, NULL},
    {"nr_overcommit_hugepages", MEM, 0, NULL},
    {"numa_stat", MEM, 0, NULL},
    {"numa_zonelist_order", FIXED, 0, "Node"},
    {"oom_dump_tasks", FIXED, 0, "1"},
    {"oom_kill_allocating_task", VM_UINT, VM(oom_kill_allocating_task), NULL},
    {"overcommit_kbytes", VM_UINT, VM(overcommit_kbytes), NULL},
    {"overcommit_memory", VM_UINT, VM(overcommit_memory), NULL},
    {"overcommit_ratio", VM_UINT, VM(overcommit_ratio), NULL},
    {"page-cluster", VM_UINT, VM(page_cluster), NULL},
    {"page_lock_unfairness", FIXED, 0, "5"},
    {"panic_on_oom", FIXED, 0, "0"},
    {"percpu_pagelist_high_fraction", MEM, 0, NULL},
    {"stat_interval", FIXED, 0, "1"},
    {"stat_refresh", FIXED, 0, NULL},
    {"swappiness", VM_UINT, VM(swappiness), NULL},
    {"unprivileged_userfaultfd", FIXED, 0, "0"},
    {"user_reserve_kbytes", VM_UINT, VM(user_reserve_kbytes), NULL},
    {"vfs_cache_pressure", FIXED, 0, "100"},
    {"watermark_boost_factor", MEM, 0, NULL},
    {"watermark_scale_factor", MEM, 0, NULL},
    {"zone_reclaim_mode", FIXED, 0, "0"},
};

static void print_mem(struct vmsim_machine *m, struct vmsim__textbuf *out, const char *knob) {
    char name[64], text[128];
    snprintf(name, sizeof name, "vm.%s", knob);
    if (vmsim__mem_sysctl_get(m->mem, name, text, sizeof text))
        vmsim__textbuf_printf(out, "%s\n", text);
}

/* Not through vmsim__mem_sysctl_get: reading this one makes a kernel compute its reserves anew, and a report must leave
 * the machine as it is. */
static void print_reserve_ratio(const struct vmsim__mem *mem, struct vmsim__textbuf *out) {
    const char *before = "";
    for (unsigned t = 0; t < VMSIM__ZONE_TYPES; t++) {
        if (!(mem->zone_configured >> t & 1))
            continue;
        vmsim__textbuf_printf(out, "%s%llu", before, (unsigned long long)mem->sysctl.lowmem_reserve_ratio[t]);
        before = "\t";
    }
    vmsim__textbuf_puts(out, "\n");
}

static uint64_t number_of(struct vmsim_machine *m, const struct knob *k) {
    const char *vm = (const char *)vmsim__vm_knobs(m->vm), *cache = (const char *)vmsim__cache_spec(m->cache);
    uint64_t number = 0;
    bool yes = false;
    switch (k->source) {
    case VM_UINT:
        memcpy(&number, vm + k->offset, sizeof number);
        break;
    case VM_BOOL:
        memcpy(&yes, vm + k->offset, sizeof yes);
        number = yes;
        break;
    case CACHE_UINT:
        memcpy(&number, cache + k->offset, sizeof number);
        break;
    default:
        if (m->mem->nr_hstates)
            number = vmsim__hugetlb_total(m->mem, m->mem->default_hstate, VMSIM__MAX_NODES);
    }
    return number;
}

static void render(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t index) {
    const struct knob *k = &knobs[index];
    if (k->source == MEM)
        print_mem(m, out, k->name);
    else if (k->source == RESERVE_RATIO)
        print_reserve_ratio(m->mem, out);
    else if (k->text)
        vmsim__textbuf_printf(out, "%s\n", k->text);
    else if (k->source != FIXED) /* stat_refresh is written, never read */
        vmsim__textbuf_printf(out, "%llu\n", (unsigned long long)number_of(m, k));
}

int vmsim__proc_each_sysctl(struct vmsim_machine *m, vmsim__proc_visit *visit, void *context) {
    char path[96];
    int err = 0;
    for (uint32_t i = 0; i < VMSIM__COUNT(knobs) && !err; i++) {
        if (knobs[i].source == SOFT_OFFLINE && !vmsim__proc_profile(m)->soft_offline)
            continue;
        snprintf(path, sizeof path, "proc/sys/vm/%s", knobs[i].name);
        err = visit(context, path, render, i);
    }
    return err;
}
