/* SPDX-License-Identifier: MIT */
#include "boot_facts.h"

#include <ctype.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- texts into facts ---- */

static void add(struct facts *f, const char *prefix, const char *key, size_t key_length, const char *value) {
    if (!(f->count & (f->count - 1))) { /* full at each power of two */
        struct fact *grown = realloc(f->at, (f->count ? 2 * f->count : 1) * sizeof *grown);
        if (!grown) {
            fputs("no memory\n", stderr);
            exit(1);
        }
        f->at = grown;
    }
    struct fact *at = &f->at[f->count++];
    snprintf(at->key, sizeof at->key, "%.60s%.*s", prefix, (int)key_length, key);
    size_t n = 0;
    for (const char *p = value + strspn(value, " \t"); *p && n + 1 < sizeof at->value; p++) {
        bool blank = *p == ' ' || *p == '\t';
        if (!blank || (p[1] != ' ' && p[1] != '\t' && p[1]))
            at->value[n++] = blank ? ' ' : *p;
    }
    at->value[n] = '\0';
}

static unsigned words(const char *line) {
    unsigned n = 0;
    for (const char *p = line; *p; p++)
        n += !isspace((unsigned char)*p) && (p == line || isspace((unsigned char)p[-1]));
    return n;
}

/* "a = b", "a: b", "a b"; anything else is a line with a number. */
static void parse_line(struct facts *f, const char *line, size_t number) {
    char key[32];
    const char *equal = strstr(line, " = "), *colon = strchr(line, ':'), *blank = strpbrk(line, " \t");
    if (equal)
        add(f, "", line, (size_t)(equal - line), equal + 3);
    else if (colon)
        add(f, "", line, (size_t)(colon - line), colon + 1);
    else if (words(line) == 2 && blank > line)
        add(f, "", line, (size_t)(blank - line), blank);
    else if (words(line)) {
        snprintf(key, sizeof key, "line %zu", number);
        add(f, "", key, strlen(key), line);
    }
}

/* Where in zoneinfo a line stands. */
struct place {
    char zone[48], cpu[64]; /* "N0/DMA32/", "N0/DMA32/cpu0/" */
    bool in_node, in_cpu;
};

static void parse_zone_line(struct facts *f, const char *line, struct place *p) {
    unsigned node, cpu;
    char name[16], prefix[64];
    const char *text = line + strspn(line, " ");
    if (sscanf(line, "Node %u, zone %15s", &node, name) == 2) {
        snprintf(p->zone, sizeof p->zone, "N%u/%s/", node, name);
        p->in_node = p->in_cpu = false;
    } else if (sscanf(text, "cpu: %u", &cpu) == 1) {
        snprintf(p->cpu, sizeof p->cpu, "%.40scpu%u/", p->zone, cpu);
        p->in_cpu = true;
    } else if (!strcmp(text, "per-node stats")) {
        p->in_node = true;
    } else if (strcmp(text, "pagesets") != 0 && *text) {
        if (!strncmp(text, "pages free", 10))
            p->in_node = false;
        if (!strncmp(text, "node_unreclaimable", 18) || !strncmp(text, "start_pfn", 9))
            p->in_cpu = false;
        snprintf(prefix, sizeof prefix, "%.40s%s", p->in_cpu ? p->cpu : p->zone, p->in_node ? "node/" : "");
        const char *colon = strchr(text, ':'), *end = colon;
        const char *value = colon ? colon + 1 : strrchr(text, ' ');
        if (!colon)
            for (end = value; end && end > text && end[-1] == ' ';)
                end--;
        if (value && end)
            add(f, prefix, text, (size_t)(end - text), value);
    }
}

void facts_parse(struct facts *f, const char *text, bool zoneinfo) {
    struct place p = {0};
    char line[1024];
    *f = (struct facts){0};
    for (size_t number = 1; *text; number++) {
        size_t length = strcspn(text, "\n");
        snprintf(line, sizeof line, "%.*s", (int)length, text);
        if (zoneinfo)
            parse_zone_line(f, line, &p);
        else
            parse_line(f, line, number);
        text += length + (text[length] == '\n');
    }
}

void facts_free(struct facts *f) {
    free(f->at);
    *f = (struct facts){0};
}

const char *facts_find(const struct facts *f, const char *key) {
    for (size_t i = 0; i < f->count; i++) {
        if (!strcmp(f->at[i].key, key))
            return f->at[i].value;
    }
    return NULL;
}

/* ---- what they are good for ---- */

#define HISTORY "follows from what ran at boot (init, drivers, slab), which is no workload of vmsim"
#define INPUT "taken over by the import"

#define EXACT(file, key, area)                                                                                         \
    { file, key, area, USE_EXACT, NULL }
#define NONE(file, key, area, reason)                                                                                  \
    { file, key, area, USE_NONE, reason }
static const struct fact_rule rules[] = {
    EXACT("proc_zoneinfo.txt", "N*/*/min", "watermarks"),
    EXACT("proc_zoneinfo.txt", "N*/*/low", "watermarks"),
    EXACT("proc_zoneinfo.txt", "N*/*/high", "watermarks"),
    EXACT("proc_zoneinfo.txt", "N*/*/promo", "watermarks"),
    EXACT("proc_zoneinfo.txt", "N*/*/boost", "watermarks"),
    EXACT("proc_zoneinfo.txt", "N*/*/spanned", "zones"),
    EXACT("proc_zoneinfo.txt", "N*/*/present", "zones"),
    EXACT("proc_zoneinfo.txt", "N*/*/start_pfn", "zones"),
    EXACT("proc_zoneinfo.txt", "N*/*/cma", "zones"),
    EXACT("proc_zoneinfo.txt", "N*/*/managed", "inputs"),
    EXACT("proc_zoneinfo.txt", "N*/*/protection", "protection"),
    EXACT("proc_zoneinfo.txt", "N*/*/cpu*/batch", "pcp"),
    {"proc_zoneinfo.txt", "N*/*/cpu*/high", "pcp", USE_EXACT_UNLESS_TUNED, "this kernel tunes it itself as it runs"},
    EXACT("proc_zoneinfo.txt", "N*/*/cpu*/vm stats threshold", "counters"),
    NONE("proc_zoneinfo.txt", "*/*", "history", HISTORY),
    NONE("proc_zoneinfo.txt", "*/*/*", "history", HISTORY),
    NONE("proc_zoneinfo.txt", "*/*/*/*", "history", HISTORY),

    EXACT("sysctl_vm.txt", "min_free_kbytes", "defaults"),
    EXACT("sysctl_vm.txt", "watermark_*", "defaults"),
    EXACT("sysctl_vm.txt", "lowmem_reserve_ratio", "defaults"),
    EXACT("sysctl_vm.txt", "percpu_pagelist_high_fraction", "defaults"),
    EXACT("sysctl_vm.txt", "extfrag_threshold", "defaults"),
    EXACT("sysctl_vm.txt", "numa_stat", "defaults"),
    EXACT("sysctl_vm.txt", "overcommit_*", "defaults"),
    EXACT("sysctl_vm.txt", "dirty_ratio", "defaults"),
    EXACT("sysctl_vm.txt", "dirty_bytes", "defaults"),
    EXACT("sysctl_vm.txt", "dirty_background_*", "defaults"),
    EXACT("sysctl_vm.txt", "max_map_count", "defaults"),
    EXACT("sysctl_vm.txt", "mmap_min_addr", "defaults"),
    EXACT("sysctl_vm.txt", "legacy_va_layout", "defaults"),
    EXACT("sysctl_vm.txt", "nr_hugepages*", "hugetlb"),
    {"sysctl_vm.txt", "admin_reserve_kbytes", "defaults", USE_EIGHTH, NULL},
    {"sysctl_vm.txt", "user_reserve_kbytes", "defaults", USE_EIGHTH, NULL},
    NONE("sysctl_vm.txt", "mmap_rnd_*bits", "defaults", "addresses are not random here"),
    NONE("sysctl_vm.txt", "highmem_is_dirtyable", "defaults", "the knob is not modelled"),
    NONE("sysctl_vm.txt", "vdso_enabled", "defaults", "the knob is not modelled"),
    EXACT("sysctl_vm.txt", "*", "defaults"),

    EXACT("sys_kernel_mm_transparent_hugepage.txt", "enabled", "defaults"),
    EXACT("sys_kernel_mm_transparent_hugepage.txt", "defrag", "defaults"),
    EXACT("sys_kernel_mm_transparent_hugepage.txt", "use_zero_page", "defaults"),
    EXACT("sys_kernel_mm_transparent_hugepage.txt", "hpage_pmd_size", "defaults"),
    EXACT("sys_kernel_mm_transparent_hugepage.txt", "shmem_enabled", "defaults"),
    NONE("sys_kernel_mm_transparent_hugepage.txt", "*", "defaults", "the knob is not modelled"),
    NONE("sys_kernel_mm_transparent_hugepage_khugepaged.txt", "full_scans", "history", HISTORY),
    NONE("sys_kernel_mm_transparent_hugepage_khugepaged.txt", "pages_collapsed", "history", HISTORY),
    EXACT("sys_kernel_mm_transparent_hugepage_khugepaged.txt", "*", "defaults"),
    EXACT("sys_kernel_mm_hugepages_*", "*", "hugetlb"),
    EXACT("node_node*_hugepages_*", "*", "hugetlb"),
    EXACT("node_node*_meminfo.txt", "Node * HugePages_*", "hugetlb"),
    EXACT("node_node*_meminfo.txt", "Node * MemTotal", "inputs"),
    NONE("node_node*_meminfo.txt", "*", "history", HISTORY),
    EXACT("proc_meminfo.txt", "HugePages_*", "hugetlb"),
    EXACT("proc_meminfo.txt", "Huge*", "hugetlb"),
    EXACT("proc_meminfo.txt", "CommitLimit", "commit"),
    EXACT("proc_meminfo.txt", "SwapTotal", "inputs"),
    EXACT("proc_meminfo.txt", "MemTotal", "inputs"),
    NONE("proc_meminfo.txt", "Vmalloc*", "history", "the kernel's own address space is not modelled"),
    NONE("proc_meminfo.txt", "DirectMap*", "history", "the kernel's own address space is not modelled"),
    NONE("proc_meminfo.txt", "*", "history", HISTORY),
    NONE("proc_vmstat.txt", "*", "history", HISTORY),

    EXACT("node_has_cpu.txt", "*", "zones"),
    EXACT("node_has_memory.txt", "*", "zones"),
    EXACT("node_has_normal_memory.txt", "*", "zones"),
    EXACT("node_online.txt", "*", "inputs"),
    EXACT("node_possible.txt", "*", "inputs"),
    EXACT("node_node*_cpulist.txt", "*", "inputs"),
    EXACT("node_node*_distance.txt", "*", "inputs"),
    EXACT("proc_swaps.txt", "*", "inputs"),
    NONE("node_node*", "*", "history", HISTORY),
    NONE("proc_buddyinfo.txt", "*", "history", HISTORY),
    NONE("proc_pagetypeinfo.txt", "*", "history", HISTORY),
    NONE("sys_kernel_debug_extfrag_*", "*", "history", HISTORY),
    NONE("sys_kernel_debug_lru_gen.txt", "*", "history", HISTORY),
    NONE("proc_slabinfo.txt", "*", "history", "the slab allocator is not modelled"),
    NONE("proc_self_*", "*", "history", "of the guest's own capture program, which is not replayed"),
    NONE("sys_kernel_mm_ksm.txt", "*", "defaults", "ksm is not modelled"),
    NONE("sys_kernel_mm_lru_gen_enabled.txt", "*", "defaults", "what the CPU marks by itself is not in a capture"),
    EXACT("sys_kernel_mm_lru_gen_min_ttl_ms.txt", "*", "defaults"),
    EXACT("sys_kernel_mm_numa.txt", "*", "defaults"),
    EXACT("sys_kernel_mm_swap.txt", "*", "defaults"),
    NONE("sys_devices_virtual_memory_tiering_*", "uevent", "defaults", "events of devices are not modelled"),
    EXACT("sys_devices_virtual_memory_tiering_*", "*", "defaults"),
    NONE("*", "*", "inputs", INPUT),
};

bool fact_file(const char *file) {
    for (size_t i = 0; i + 1 < sizeof rules / sizeof rules[0]; i++) {
        if (!fnmatch(rules[i].file, file, 0))
            return true;
    }
    return false;
}

const struct fact_rule *fact_rule(const char *file, const char *key) {
    const struct fact_rule *last = &rules[sizeof rules / sizeof rules[0] - 1];
    for (const struct fact_rule *r = rules; r < last; r++) {
        if (!fnmatch(r->file, file, 0) && !fnmatch(r->key, key, FNM_PATHNAME))
            return r;
    }
    return last;
}
