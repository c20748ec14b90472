/* SPDX-License-Identifier: MIT */
/* The parameter tables of address spaces. Defaults of sysctls are Linux 6.1's as Debian builds it; those of costs are a
 * virtual machine's on an AMD EPYC (Zen 4) with Linux 6.18, a cloud's: medians of probes as `vmsim calibrate` makes
 * them, which a text names, and half as much again for what only a program sees, since its own work takes the caches
 * from the kernel (docs/programs.md holds the sums against programs). A machine of its own takes half of that and less;
 * ranges in a text are what others measured. */
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
         "1: who asks for memory dies when there is none, without a search for the largest; not at a limit of a "
         "cgroup."),
    KNOB("panic_on_oom", panic_on_oom, "0", 0, 2, NULL,
         "1: the machine stops when memory is out, but for limits of cgroups, cpusets and memory policies; 2: for "
         "those, "
         "too; 0: somebody is killed."),
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
    TIME(fault, "800ns",
         "Entry, lookup and exit of a page fault, and its entry (600 ns for the first read of an anonymous page)."),
    TIME(map, "750ns",
         "Allocate, charge and account one page; the first write to an anonymous page takes 1.5 us in all."),
    TIME(zero_page, "190ns", "Zero a 4 KiB page that no cache holds (150-400 ns from DRAM, 30-40 ns in L1)."),
    TIME(copy_page, "360ns", "Copy a 4 KiB page that no cache holds (300-750 ns from DRAM)."),
    TIME(zero_huge, "95us", "Zero a 2 MiB page that no cache holds (huge fault 60-150 us)."),
    TIME(around_page, "40ns", "Map one more cached page in a fault-around (a read fault that maps 16 takes 1.4 us)."),
    TIME(file_lookup, "700ns", "Find a page in the page cache (first write to a private file page: 2.1 us in all)."),
    TIME(mkwrite, "500ns", "The file system's part of a first write to a shared page."),
    TIME(mmap, "2500ns", "VMA work of mmap (1.7 us)."),
    TIME(munmap, "2200ns", "VMA work of munmap (1.5 us)."),
    TIME(mprotect, "2500ns", "VMA work of mprotect, which splits or joins one (2.1 us; 650 ns where it need not)."),
    TIME(mremap, "3000ns", "VMA work of mremap (2.2 us)."),
    TIME(madvise, "600ns", "VMA work of madvise (440 ns)."),
    TIME(brk, "2400ns", "VMA work of brk (1.65 us)."),
    TIME(mlock, "3500ns", "VMA work of the mlock family (2.5 us)."),
    TIME(unmap_page, "45ns", "Take one page out of a page table (32 ns)."),
    TIME(free_page, "270ns", "Free an anonymous page that nobody maps any more (250 to 280 ns)."),
    TIME(free_vma, "500ns", "Free one VMA when its address space goes (450 ns)."),
    TIME(protect_page, "15ns", "Change one entry."),
    TIME(move_page, "30ns", "Move one entry in mremap."),
    TIME(fork, "40us", "Fixed part of copying an address space."),
    TIME(fork_vma, "500ns", "Copy one VMA (480 ns)."),
    TIME(fork_page, "85ns", "Copy one entry (85 to 110 ns)."),
    TIME(table, "400ns", "Allocate or free one page table."),
    TIME(rmap_vma, "60ns", "Reverse map: find one VMA of a page and its entry (a walk of warm tables, 40-100 ns)."),
    TIME(collapse_scan, "1us", "Look at the 512 entries of a range that khugepaged may collapse; an estimate."),
    TIME(
        migrate_page, "300ns",
        "Move a page to another frame, beside its mappings, its copy and the flush (a base page takes 1-3 us in all)."),
    TIME(
        kmap, "90ns",
        "32-bit kernels: map a page of high memory in the kernel's window while it is cleared, copied or, being a page "
        "table, looked into: an entry written, its translation dropped afterwards (INVLPG takes 100 to 300 cycles)."),
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
