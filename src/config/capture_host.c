/* SPDX-License-Identifier: MIT */
/* Reading the live host into a capture: one table of what is read, as files or as folders of one-line files.
 *
 * Nothing is written to the host, and nothing needs privileges; what they would show is noted. */
#include "base/util.h"
#include "config/capture.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/stat.h>
#include <sys/utsname.h>

/* One file of the host, one of the capture. */
static const char *const plain_files[][2] = {
    {"/proc/buddyinfo", "proc_buddyinfo.txt"},
    {"/proc/cmdline", "proc_cmdline.txt"},
    {"/proc/meminfo", "proc_meminfo.txt"},
    {"/proc/pagetypeinfo", "proc_pagetypeinfo.txt"},
    {"/proc/self/cgroup", "proc_self_cgroup.txt"},
    {"/proc/self/maps", "proc_self_maps.txt"},
    {"/proc/self/smaps_rollup", "proc_self_smaps_rollup.txt"},
    {"/proc/self/status", "proc_self_status.txt"},
    {"/proc/slabinfo", "proc_slabinfo.txt"},
    {"/proc/swaps", "proc_swaps.txt"},
    {"/proc/version", "proc_version.txt"},
    {"/proc/vmstat", "proc_vmstat.txt"},
    {"/proc/zoneinfo", "proc_zoneinfo.txt"},
    {"/sys/devices/system/cpu/online", "sys_devices_system_cpu_online.txt"},
    {"/sys/devices/system/memory/block_size_bytes", "sys_devices_system_memory_block_size_bytes.txt"},
    {"/sys/devices/system/node/has_cpu", "node_has_cpu.txt"},
    {"/sys/devices/system/node/has_memory", "node_has_memory.txt"},
    {"/sys/devices/system/node/has_normal_memory", "node_has_normal_memory.txt"},
    {"/sys/devices/system/node/online", "node_online.txt"},
    {"/sys/devices/system/node/possible", "node_possible.txt"},
    {"/sys/kernel/debug/extfrag/extfrag_index", "sys_kernel_debug_extfrag_extfrag_index.txt"},
    {"/sys/kernel/debug/extfrag/unusable_index", "sys_kernel_debug_extfrag_unusable_index.txt"},
    {"/sys/kernel/debug/lru_gen", "sys_kernel_debug_lru_gen.txt"},
    {"/sys/kernel/mm/lru_gen/enabled", "sys_kernel_mm_lru_gen_enabled.txt"},
    {"/sys/kernel/mm/lru_gen/min_ttl_ms", "sys_kernel_mm_lru_gen_min_ttl_ms.txt"},
};

/* A folder's readable files become lines "name = value". */
static const char *const folders[][2] = {
    {"/proc/sys/vm", "sysctl_vm.txt"},
    {"/sys/kernel/mm/hugepages/hugepages-2048kB", "sys_kernel_mm_hugepages_hugepages-2048kB.txt"},
    {"/sys/kernel/mm/hugepages/hugepages-1048576kB", "sys_kernel_mm_hugepages_hugepages-1048576kB.txt"},
    {"/sys/kernel/mm/ksm", "sys_kernel_mm_ksm.txt"},
    {"/sys/kernel/mm/numa", "sys_kernel_mm_numa.txt"},
    {"/sys/kernel/mm/swap", "sys_kernel_mm_swap.txt"},
    {"/sys/kernel/mm/transparent_hugepage", "sys_kernel_mm_transparent_hugepage.txt"},
    {"/sys/kernel/mm/transparent_hugepage/khugepaged", "sys_kernel_mm_transparent_hugepage_khugepaged.txt"},
};

/* Kernel messages about memory: those that hold one of these. */
static const char *const message_words[] = {"ommand line:",     "RAM map:",       "BIOS-e820:",    "user: [mem",
                                            "e820: ",           "SRAT:",          "NUMA",          "Faking a node",
                                            "NODE_DATA",        "Zone ranges:",   "DMA  ",         "DMA32  ",
                                            "Normal  ",         "Device  ",       "Movable",       "Early memory",
                                            "  node ",          "  Node ",        "Initmem",       "unavailable",
                                            "percpu: ",         "pcpu-alloc:",    "setup_percpu:", "Fallback order",
                                            "Built ",           "Policy zone:",   "Memory: ",      "Freeing ",
                                            "RAMDISK:",         "deferred pages", "HugeTLB:",      "hash table entr",
                                            "Booting paravirt", "EFI: mem",       "efi: mem",      "Hugepagesize"};

static void keep(struct vmsim__capture *c, const char *name, struct vmsim__textbuf *b, int error) {
    VMSIM__ASSERT(name && b);
    if (b->failed || error == ENOMEM)
        c->failed = true;
    if (error)
        vmsim__capture_note(c, name, "%s", error == ENOENT ? "this host has none" : strerror(error));
    else
        vmsim__capture_add(c, name, vmsim__textbuf_text(b), strlen(vmsim__textbuf_text(b)));
    vmsim__textbuf_fini(b);
}

static void read_file(struct vmsim__capture *c, const char *path, const char *name) {
    struct vmsim__textbuf b;
    vmsim__textbuf_init(&b, c->alloc);
    keep(c, name, &b, vmsim__read_whole(&b, path));
}

/* One readable file of a folder as "name = value"; further lines of the value are joined by blanks. */
static bool add_value(struct vmsim__capture *c, struct vmsim__textbuf *out, const char *folder, const char *name) {
    VMSIM__ASSERT(folder && name);
    char path[4096];
    struct stat st;
    struct vmsim__textbuf b;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (stat(path, &st) || !S_ISREG(st.st_mode) || !(st.st_mode & 0444))
        return true;
    vmsim__textbuf_init(&b, c->alloc);
    int error = vmsim__read_whole(&b, path);
    char *text = b.at;
    size_t length = text ? strlen(text) : 0;
    while (length && text[length - 1] == '\n')
        text[--length] = '\0';
    for (size_t i = 0; i < length; i++)
        text[i] = text[i] == '\n' ? ' ' : text[i];
    if (!error)
        vmsim__textbuf_printf(out, "%s = %s\n", name, text ? text : "");
    vmsim__textbuf_fini(&b);
    return !error || error == EIO || error == EINVAL; /* knobs that have no value just now */
}

static int no_dots(const struct dirent *e) {
    return e->d_name[0] != '.';
}

/* Sorted by name, since a directory has no order. What only root may read is counted and told: an import without it
 * assumes something. */
static void read_folder(struct vmsim__capture *c, const char *path, const char *name) {
    VMSIM__ASSERT(path && name);
    struct vmsim__textbuf b;
    struct dirent **entries;
    unsigned refused = 0;
    vmsim__textbuf_init(&b, c->alloc);
    int n = scandir(path, &entries, no_dots, alphasort);
    int error = n < 0 ? errno : 0;
    for (int i = 0; i < n; i++) {
        refused += !add_value(c, &b, path, entries[i]->d_name);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
    if (refused)
        vmsim__capture_note(c, name, "%u of %s cannot be read without privileges", refused, path);
    keep(c, name, &b, error);
}

/* Numbers may have gaps, of nodes that are not there now. */
static void read_nodes(struct vmsim__capture *c) {
    static const char *const parts[] = {"cpulist", "distance", "meminfo", "numastat", "vmstat"};
    char path[256], name[256];
    struct stat st;
    for (unsigned node = 0; node < 1024; node++) {
        snprintf(path, sizeof path, "/sys/devices/system/node/node%u", node);
        if (stat(path, &st))
            continue;
        for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
            snprintf(path, sizeof path, "/sys/devices/system/node/node%u/%s", node, parts[i]);
            snprintf(name, sizeof name, "node_node%u_%s.txt", node, parts[i]);
            read_file(c, path, name);
        }
        snprintf(path, sizeof path, "/sys/devices/system/node/node%u/hugepages/hugepages-2048kB", node);
        snprintf(name, sizeof name, "node_node%u_hugepages_hugepages-2048kB.txt", node);
        if (!stat(path, &st))
            read_folder(c, path, name);
    }
}

/* "index0/level = 1" for each cache of the first CPU. */
static void read_caches(struct vmsim__capture *c) {
    static const char name[] = "sys_devices_system_cpu_cpu0_cache.txt";
    static const char *const parts[] = {
        "coherency_line_size", "level", "number_of_sets", "shared_cpu_list", "size", "type", "ways_of_associativity"};
    char path[256];
    struct vmsim__textbuf b, value;
    vmsim__textbuf_init(&b, c->alloc);
    for (unsigned i = 0; i < 64 * sizeof parts / sizeof parts[0]; i++) {
        unsigned index = i / (sizeof parts / sizeof parts[0]);
        const char *part = parts[i % (sizeof parts / sizeof parts[0])];
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%u/%s", index, part);
        vmsim__textbuf_init(&value, c->alloc);
        if (!vmsim__read_whole(&value, path))
            vmsim__textbuf_printf(&b, "index%u/%s = %s", index, part, vmsim__textbuf_text(&value));
        vmsim__textbuf_fini(&value);
    }
    keep(c, name, &b, b.count ? 0 : ENOENT);
}

/* Blocks of hotpluggable memory as runs: "first-last node N". */
static void read_blocks(struct vmsim__capture *c) {
    char path[256];
    struct stat st;
    struct vmsim__textbuf b;
    unsigned long first = 0, last = 0;
    bool open = false;
    vmsim__textbuf_init(&b, c->alloc);
    for (unsigned long i = 0; i < 65536; i++) {
        snprintf(path, sizeof path, "/sys/devices/system/memory/memory%lu", i);
        bool there = !stat(path, &st);
        if (there && !open)
            first = i;
        if (!there && open)
            vmsim__textbuf_printf(&b, "%lu-%lu\n", first, last);
        open = there;
        last = i;
    }
    keep(c, "sys_devices_system_memory_blocks.txt", &b, b.count ? 0 : ENOENT);
}

/* The first processor, without what changes from second to second. */
static void read_cpuinfo(struct vmsim__capture *c) {
    char line[8192];
    struct vmsim__textbuf all, b;
    vmsim__textbuf_init(&all, c->alloc);
    vmsim__textbuf_init(&b, c->alloc);
    int error = vmsim__read_whole(&all, "/proc/cpuinfo");
    const char *at = vmsim__textbuf_text(&all);
    while (vmsim__next_line(&at, line, sizeof line) && *line) {
        if (strncmp(line, "cpu MHz", 7) && strncmp(line, "bogomips", 8))
            vmsim__textbuf_printf(&b, "%s\n", line);
    }
    vmsim__textbuf_fini(&all);
    keep(c, "proc_cpuinfo.txt", &b, error);
}

static void read_iomem(struct vmsim__capture *c) {
    char line[512];
    struct vmsim__textbuf b;
    bool shown = false;
    vmsim__textbuf_init(&b, c->alloc);
    int error = vmsim__read_whole(&b, "/proc/iomem");
    for (const char *at = vmsim__textbuf_text(&b); !shown && vmsim__next_line(&at, line, sizeof line);)
        shown = strtoull(line, NULL, 16) != 0;
    if (!error && !shown)
        error = EACCES; /* without privileges all addresses are 0 */
    keep(c, "proc_iomem.txt", &b, error);
}

static bool about_memory(const char *message) {
    VMSIM__ASSERT(message);
    for (size_t i = 0; i < sizeof message_words / sizeof message_words[0]; i++) {
        if (strstr(message, message_words[i]))
            return true;
    }
    return false;
}

/* Behind "<6>" and "[    0.123456] ". */
static const char *message_text(const char *line) {
    VMSIM__ASSERT(line);
    if (*line == '<' && strchr(line, '>'))
        line = strchr(line, '>') + 1;
    if (*line == '[' && strspn(line + 1, " 0123456789.") && line[1 + strspn(line + 1, " 0123456789.")] == ']') {
        line += strspn(line + 1, " 0123456789.") + 2;
        line += *line == ' ';
    }
    return line;
}

/* Only lines about memory: a log has names and addresses that nobody wants to send along. */
static void read_dmesg(struct vmsim__capture *c) {
    char line[2048];
    int size = klogctl(10, NULL, 0); /* size of the buffer */
    char *all = size > 0 ? vmsim__malloc(c->alloc, (size_t)size + 1) : NULL;
    int n = all ? klogctl(3, all, size) : -1; /* read all */
    struct vmsim__textbuf b;
    vmsim__textbuf_init(&b, c->alloc);
    if (n < 0) {
        keep(c, "dmesg_mm.txt", &b, size > 0 && !all ? ENOMEM : errno ? errno : EPERM);
    } else {
        all[n] = '\0';
        for (const char *at = all; vmsim__next_line(&at, line, sizeof line);) {
            if (about_memory(message_text(line)))
                vmsim__textbuf_printf(&b, "%s\n", message_text(line));
        }
        keep(c, "dmesg_mm.txt", &b, 0);
    }
    if (all)
        vmsim__free(c->alloc, all, (size_t)size + 1);
}

static void read_uname(struct vmsim__capture *c) {
    struct utsname u;
    struct vmsim__textbuf b;
    vmsim__textbuf_init(&b, c->alloc);
    if (!uname(&u))
        vmsim__textbuf_printf(&b, "kernel: %s\narch: %s\n", u.release, u.machine);
    keep(c, "machine.txt", &b, 0);
}

/* Nothing here ends the capture: what cannot be read is missing, and said to be. */
void vmsim__capture_host(struct vmsim__capture *c) {
    read_uname(c);
    read_dmesg(c);
    read_iomem(c);
    read_cpuinfo(c);
    vmsim__capture_cpuid(c);
    read_caches(c);
    for (size_t i = 0; i < sizeof plain_files / sizeof plain_files[0]; i++)
        read_file(c, plain_files[i][0], plain_files[i][1]);
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        read_folder(c, folders[i][0], folders[i][1]);
    read_nodes(c);
    read_blocks(c);
}
