/* SPDX-License-Identifier: MIT */
/* The parameter tables of address spaces. Defaults of sysctls are Linux 6.1's as Debian builds it; those of costs are a
 * current x86 server's without virtualisation, from the measurements named beside them. */
#include "vm/vm_spec.h"

#include "base/units.h"
#include "base/util.h"
#include "zones/mem_spec.h"

#include <string.h>

#define SPEC(field) offsetof(struct vmsim__vm_spec, field)
#define LIMIT(field) offsetof(struct vmsim__rlimit_spec, field)
#define COST(field) offsetof(struct vmsim__vm_cost_spec, field)
#define UINT(n, o, d, lo, hi, text)                                                                                    \
    { .name = (n), .type = VMSIM_PARAM_UINT, .offset = (o), .fallback = (d), .min = (lo), .max = (hi), .doc = (text) }
#define TIME(n, d, text)                                                                                               \
    {                                                                                                                  \
        .name = #n, .type = VMSIM_PARAM_TIME, .offset = COST(n), .fallback = (d), .max = UINT64_C(10000000000),        \
        .doc = (text)                                                                                                  \
    }
#define UNLIMITED "0xffffffffffffffff"

#define KNOB(key, field, default_text, least, most, unit_text, doc_text)                                               \
    {                                                                                                                  \
        .value = {.name = "vm." key,                                                                                   \
                  .type = VMSIM_PARAM_UINT,                                                                            \
                  .offset = SPEC(field),                                                                               \
                  .fallback = default_text,                                                                            \
                  .min = least,                                                                                        \
                  .max = most,                                                                                         \
                  .doc = doc_text},                                                                                    \
        .unit = unit_text                                                                                              \
    }

/* Sources: kernel/sysctl.c and mm/util.c of 6.1 for bounds and defaults; those of the reserves follow from memory. */
const struct vmsim__knob vmsim__vm_knob_table[] = {
    KNOB("overcommit_memory", overcommit_memory, "0", 0, 2, NULL,
         "0: refuse only a single request beyond RAM and swap; 1: never refuse; 2: keep Committed_AS below "
         "CommitLimit."),
    KNOB("overcommit_ratio", overcommit_ratio, "50", 0, 100000, "%", "Percent of RAM in CommitLimit."),
    KNOB("overcommit_kbytes", overcommit_kbytes, "0", 0, 0, "kB", "Replaces the ratio's part of CommitLimit."),
    KNOB("max_map_count", max_map_count, "0", 0, UINT32_MAX, "mappings",
         "Largest number of mappings of a process; 0: the kernel's default, 65530."),
    KNOB("mmap_min_addr", mmap_min_addr, "65536", 0, 0, "bytes",
         "Lowest address that an unprivileged process may map; on ARM the default is 4096."),
    KNOB("admin_reserve_kbytes", admin_reserve_kbytes, "0", 0, 0, "kB",
         "Kept for root in overcommit mode 2. 0: 1/32 of free memory at boot, at most 8 MiB."),
    KNOB("user_reserve_kbytes", user_reserve_kbytes, "0", 0, 0, "kB",
         "Kept for recovery in overcommit mode 2. 0: 1/32 of free memory at boot, at most 128 MiB."),
    KNOB("swappiness", swappiness, "60", 0, 200, NULL,
         "What reclaim of anonymous memory costs beside that of files: 0 all files, 100 the same, 200 all anonymous."),
    KNOB("page-cluster", page_cluster, "3", 0, 31, NULL,
         "Pages that a fault on swap reads at once: 2 to the power of it, 0: one alone."),
    KNOB("oom_kill_allocating_task", oom_kill_allocating_task, "0", 0, 1, NULL,
         "1: who asks for memory dies when there is none, without a search for the largest."),
    KNOB("compaction_proactiveness", compaction_proactiveness, "20", 0, 100, NULL,
         "How early kcompactd works ahead of need: from a score of 110 less this much on (percent of a node's free "
         "memory "
         "in pieces smaller than a huge page), down to 100 less this much; 0: never."),
    KNOB("compact_unevictable_allowed", compact_unevictable_allowed, "1", 0, 1, NULL,
         "1: compaction moves locked memory, too."),
    {.value = {.name = "vm.legacy_va_layout",
               .type = VMSIM_PARAM_BOOL,
               .offset = SPEC(legacy_va_layout),
               .fallback = "false",
               .doc = "Place mappings upward from a third of the address space."}},
    {.value = {0}}};

static const char *const defrag_names[] = {"always", "defer", "defer+madvise", "madvise", "never", NULL};

static const char *const size_modes[] = {"default", "always", "inherit", "madvise", "never", NULL};
#define SIZE(kb, n)                                                                                                    \
    {                                                                                                                  \
        .value = {.name = "transparent_hugepage/hugepages-" #kb "kB/enabled",                                          \
                  .type = VMSIM_PARAM_ENUM,                                                                            \
                  .offset = SPEC(thp_size) + (n) * sizeof(int),                                                        \
                  .fallback = "default",                                                                               \
                  .choices = size_modes,                                                                               \
                  .doc = "Large pages of " #kb " kB for anonymous memory."},                                           \
        .since = "6.12"                                                                                                \
    }

#define KHUGEPAGED(file, field, default_text, least, unit_text, doc_text)                                              \
    {                                                                                                                  \
        .value = {.name = "transparent_hugepage/khugepaged/" file,                                                     \
                  .type = VMSIM_PARAM_UINT,                                                                            \
                  .offset = SPEC(khugepaged.field),                                                                    \
                  .fallback = default_text,                                                                            \
                  .min = least,                                                                                        \
                  .max = UINT32_MAX,                                                                                   \
                  .doc = doc_text},                                                                                    \
        .unit = unit_text                                                                                              \
    }

const struct vmsim__knob vmsim__thp_knob_table[] = {
    {.value = {.name = "transparent_hugepage/defrag",
               .type = VMSIM_PARAM_ENUM,
               .offset = SPEC(thp_defrag),
               .fallback = "madvise",
               .choices = defrag_names,
               .doc = "How hard a fault tries to get a huge page."}},
    {.value = {.name = "transparent_hugepage/use_zero_page",
               .type = VMSIM_PARAM_BOOL,
               .offset = SPEC(thp_use_zero_page),
               .fallback = "true",
               .doc = "A read fault maps the huge zero page."}},
    {.value = {.name = "transparent_hugepage/khugepaged/defrag",
               .type = VMSIM_PARAM_BOOL,
               .offset = SPEC(khugepaged.defrag),
               .fallback = "true",
               .doc = "khugepaged compacts and reclaims for its huge pages."}},
    KHUGEPAGED("pages_to_scan", pages_to_scan, NULL, 1, "entries",
               "What khugepaged looks at in one wake; at first those of 8 huge pages."),
    KHUGEPAGED("scan_sleep_millisecs", scan_sleep_ms, "10000", 0, "ms", "Time between its wakes."),
    KHUGEPAGED("alloc_sleep_millisecs", alloc_sleep_ms, "60000", 0, "ms",
               "How long it sleeps after a huge page was not to be had."),
    KHUGEPAGED("max_ptes_none", max_ptes_none, NULL, 0, "pages",
               "Pages of a range that may be missing; at first all but one."),
    KHUGEPAGED("max_ptes_swap", max_ptes_swap, NULL, 0, "pages", "Pages that may be in swap; at first an eighth."),
    KHUGEPAGED("max_ptes_shared", max_ptes_shared, NULL, 0, "pages", "Pages that may be shared; at first half."),
    SIZE(16, 0),
    SIZE(32, 1),
    SIZE(64, 2),
    SIZE(128, 3),
    SIZE(256, 4),
    SIZE(512, 5),
    SIZE(1024, 6),
    SIZE(2048, 7),
    SIZE(4096, 8),
    SIZE(8192, 9),
    SIZE(16384, 10),
    SIZE(32768, 11),
    {.value = {0}}};

const struct vmsim_param vmsim__rlimit_params[] = {
    {.name = "as",
     .type = VMSIM_PARAM_ADDRESS,
     .offset = LIMIT(as),
     .fallback = UNLIMITED,
     .doc = "RLIMIT_AS: address space of a process."},
    {.name = "data",
     .type = VMSIM_PARAM_ADDRESS,
     .offset = LIMIT(data),
     .fallback = UNLIMITED,
     .doc = "RLIMIT_DATA: private writable memory."},
    {.name = "stack",
     .type = VMSIM_PARAM_ADDRESS,
     .offset = LIMIT(stack),
     .fallback = "8MiB",
     .doc = "RLIMIT_STACK: how far a stack grows; also decides where mappings begin."},
    {.name = "memlock",
     .type = VMSIM_PARAM_ADDRESS,
     .offset = LIMIT(memlock),
     .fallback = "8MiB",
     .doc = "RLIMIT_MEMLOCK (8 MiB since 5.16)."},
    {.name = "fsize",
     .type = VMSIM_PARAM_ADDRESS,
     .offset = LIMIT(fsize),
     .fallback = UNLIMITED,
     .doc = "RLIMIT_FSIZE: largest file that is written."},
    {0}};

const struct vmsim_param vmsim__vm_cost_params[] = {
    TIME(fault, "250ns", "Entry, lookup and exit of a page fault (zero-page read fault 0.25-0.5 us on bare metal)."),
    TIME(map, "150ns", "Allocate, account and map one page (anonymous fault 0.5-1.0 us in all)."),
    TIME(zero_page, "150ns", "Zero a cold 4 KiB page (150-400 ns from DRAM, 30-40 ns in L1)."),
    TIME(copy_page, "400ns", "Copy a 4 KiB page (300-750 ns from DRAM)."),
    TIME(zero_huge, "80us", "Zero a 2 MiB page (huge fault 60-150 us)."),
    TIME(around_page, "20ns", "Map one more cached page in a fault-around."),
    TIME(file_lookup, "100ns", "Find a page in the page cache (read of a cached page 0.3-0.6 us)."),
    TIME(mkwrite, "500ns", "The file system's part of a first write to a shared page."),
    TIME(mmap, "600ns", "System call and VMA work of mmap."),
    TIME(munmap, "600ns", "System call and VMA work of munmap."),
    TIME(mprotect, "600ns", "System call and VMA work of mprotect."),
    TIME(mremap, "700ns", "System call and VMA work of mremap."),
    TIME(madvise, "300ns", "System call and VMA work of madvise."),
    TIME(brk, "400ns", "System call and VMA work of brk."),
    TIME(mlock, "500ns", "System call and VMA work of the mlock family."),
    TIME(unmap_page, "80ns", "Take one page out of a page table and free it (50-150 ns)."),
    TIME(protect_page, "15ns", "Change one entry."),
    TIME(move_page, "30ns", "Move one entry in mremap."),
    TIME(fork, "40us", "Fixed part of fork."),
    TIME(fork_vma, "400ns", "Copy one VMA."),
    TIME(fork_page, "60ns", "Copy one entry (30-150 ns a page)."),
    TIME(table, "200ns", "Allocate or free one page table."),
    TIME(rmap_vma, "60ns", "Reverse map: find one VMA of a page and its entry (a walk of warm tables, 40-100 ns)."),
    TIME(collapse_scan, "1us", "Look at the 512 entries of a range that khugepaged may collapse; an estimate."),
    TIME(
        migrate_page, "300ns",
        "Move a page to another frame, beside its mappings, its copy and the flush (a base page takes 1-3 us in all)."),
    {0}};

const struct vmsim_param vmsim__vm_params[] = {
    UINT("stack_guard_gap", SPEC(stack_guard_gap), "256", 0, 1u << 20, "Pages kept free below a stack."),
    UINT("vvar_pages", SPEC(vvar_pages), "4", 1, VMSIM__VVAR_PAGES_MAX,
         "Data pages of the kernel beside the code of the vdso: part of every process's layout."),
    {.name = "privileged",
     .type = VMSIM_PARAM_BOOL,
     .offset = SPEC(privileged),
     .fallback = "false",
     .doc = "Tasks run as root: limits of locked memory and reserves do not bind them."},
    {.name = "fault_around",
     .type = VMSIM_PARAM_SIZE,
     .offset = SPEC(fault_around_bytes),
     .fallback = "64KiB",
     .min = 4096,
     .max = UINT64_C(1) << 30,
     .doc = "Window of cached pages that a read fault of a file maps."},
    {.name = "rlimits",
     .type = VMSIM_PARAM_STRUCT,
     .offset = SPEC(rlimits),
     .fields = vmsim__rlimit_params,
     .element_size = sizeof(struct vmsim__rlimit_spec),
     .doc = "Default limits of a process."},
    {.name = "costs",
     .type = VMSIM_PARAM_STRUCT,
     .offset = SPEC(costs),
     .fields = vmsim__vm_cost_params,
     .element_size = sizeof(struct vmsim__vm_cost_spec),
     .doc = "Virtual time of the kernel's paths."},
    {0}};

/* ---- defaults as a struct ---- */

static uint64_t number(const char *text) {
    uint64_t v = 0;
    const char *why;
    bool ok = vmsim__parse_uint(text, &v, &why) || vmsim__parse_size(text, &v, &why);
    VMSIM__ASSERT(ok);
    (void)ok;
    return v;
}

static int choice(const struct vmsim_param *p) {
    int i = 0;
    while (p->choices[i] && strcmp(p->choices[i], p->fallback) != 0)
        i++;
    return i;
}

static void fill(const struct vmsim_param *table, void *base) {
    const char *why;
    for (const struct vmsim_param *p = table; p->name; p++) {
        void *at = (char *)base + p->offset;
        switch (p->type) {
        case VMSIM_PARAM_STRUCT:
            fill(p->fields, at);
            break;
        case VMSIM_PARAM_BOOL:
            *(bool *)at = !strcmp(p->fallback, "true");
            break;
        case VMSIM_PARAM_ENUM:
            *(int *)at = choice(p);
            break;
        case VMSIM_PARAM_TIME:
            vmsim__parse_time(p->fallback, at, &why);
            break;
        default:
            *(uint64_t *)at = number(p->fallback);
        }
    }
}

uint64_t vmsim__vm_mmap_min_addr(int arch) {
    bool arm = arch == VMSIM__ARCH_ARM64 || arch == VMSIM__ARCH_ARM || arch == VMSIM__ARCH_ARM_LPAE;
    return arm ? 4096 : 65536;
}

void vmsim__vm_spec_defaults(struct vmsim__vm_spec *spec) {
    memset(spec, 0, sizeof *spec);
    vmsim__knob_defaults(vmsim__vm_knob_table, spec);
    vmsim__knob_defaults(vmsim__thp_knob_table, spec);
    fill(vmsim__vm_params, spec);
}
