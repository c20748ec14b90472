/* SPDX-License-Identifier: MIT */
/* Facts of a capture that firmware, hardware or administrator decided: kernel messages, nodes, processor, kernel.
 *
 * A capture is text that a kernel printed, perhaps of another release, cut off, filtered or edited. So lines are found
 * by what stands in them and not by their number, each fact has one function, and what cannot be read is a note of the
 * import and not its end: the user sees what was assumed in its place. Every fact keeps the line that it came from
 * (its origin), which becomes the comment behind the value in the machine that is written. */
#include "config/host_import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/kernel.h"
#include "base/util.h"
#include "vm/vm_spec.h"

static const char DMESG[] = "dmesg_mm.txt";

/* "[mem 0xA-0xB]" anywhere in the line; B is inclusive. A range that ends before it begins is none. */
static bool find_range(const char *line, struct vmsim__range_spec *r) {
    VMSIM__ASSERT(line && r);
    const char *at = strstr(line, "[mem 0x");
    char *end;
    if (!at)
        return false;
    uint64_t a = strtoull(at + 5, &end, 16);
    if (end[0] != '-' || end[1] != '0' || end[2] != 'x')
        return false;
    uint64_t b = strtoull(end + 1, &end, 16);
    if (*end != ']' || b < a)
        return false;
    b = vmsim__min64(b, UINT64_MAX - 1);
    *r = (struct vmsim__range_spec){.start = a, .size = b - a + 1};
    return true;
}

/* Texts live as long as the capture; without memory they are empty, and the capture says that it failed. */
static const char *copy(struct vmsim__import *im, const char *text) {
    VMSIM__ASSERT(text);
    const char *s = vmsim__arena_copy(&im->capture->arena, text, strlen(text));
    if (!s)
        im->capture->failed = true;
    return s ? s : "";
}

/* The end of a comment: where in which file. */
static const char *origin_of(struct vmsim__import *im, const char *file, const char *text) {
    VMSIM__ASSERT(file && text);
    const char *s = vmsim__arena_printf(&im->capture->arena, "%s: %s", file, text + strspn(text, " \t"));
    if (!s)
        im->capture->failed = true;
    return s ? s : "";
}

/* ---- kernel messages ---- */

/* The firmware's map and the one that the user made of it (mem=, memmap=) are kept apart: which of them holds is
 * decided when all lines are read. */
static bool push_map(struct vmsim__import *im, const char *line, bool user, bool reserved) {
    VMSIM__ASSERT(line);
    struct vmsim__import_range r = {.origin = origin_of(im, DMESG, line)};
    if (!find_range(line, &r.range)) {
        vmsim__capture_note(im->capture, DMESG, "damaged line is ignored: %s", line);
        return true;
    }
    r.range.reserved = reserved;
    return user ? vmsim__vec_push(im->alloc, &im->user_map, r) : vmsim__vec_push(im->alloc, &im->map, r);
}

/* True with *done: the line was one of these. Ranges of SRAT may be larger than the memory in them, and include what
 * can be plugged in later. */
static bool read_firmware(struct vmsim__import *im, const char *line, bool *done) {
    *done = true;
    if (strstr(line, "BIOS-e820: ") && strstr(line, "] usable"))
        return push_map(im, line, false, false);
    if (strstr(line, "user: [mem") && strstr(line, "] usable"))
        return push_map(im, line, true, false);
    if (strstr(line, "user: [mem") && strstr(line, "] reserved"))
        return push_map(im, line, true, true);
    /* mem=, memmap= and what the kernel itself takes out of the map */
    if (strstr(line, "e820: remove ") || (strstr(line, "e820: update ") && strstr(line, "==> reserved")))
        return push_map(im, line, true, true);
    const char *srat = strstr(line, "SRAT: Node ");
    unsigned node;
    if (srat && sscanf(srat, "SRAT: Node %u", &node) == 1) {
        struct vmsim__import_range r = {.origin = origin_of(im, DMESG, line)};
        if (node >= VMSIM__IMPORT_NODES || !find_range(line, &r.range)) {
            vmsim__capture_note(im->capture, DMESG, "damaged line is ignored: %s", line);
            return true;
        }
        r.range.hotplug = strstr(line, "hotplug") != NULL;
        return vmsim__vec_push(im->alloc, &im->nodes[node].ranges, r);
    }
    *done = false;
    return true;
}

/* "Freeing ... memory: 2600K": the number behind the last colon. */
static uint64_t kilobytes(const char *line) {
    const char *colon = strrchr(line, ':');
    return colon ? strtoull(colon + 1, NULL, 10) : 0;
}

/* Of lines that come twice (a kernel that was started by another, initrd in parts) the first command line holds, and
 * sizes add up. */
static bool read_message(struct vmsim__import *im, const char *line) {
    struct vmsim__range_spec r;
    unsigned node;
    unsigned long long start;
    bool done, ok = read_firmware(im, line, &done);
    if (done)
        return ok;
    if (sscanf(line, " node %u: [mem", &node) == 1 && node < VMSIM__IMPORT_NODES && find_range(line, &r)) {
        struct vmsim__import_range early = {.range = r, .origin = origin_of(im, DMESG, line)};
        return vmsim__vec_push(im->alloc, &im->nodes[node].early, early);
    }
    if (strstr(line, "Kernel command line: ") && !im->cmdline) {
        im->cmdline = copy(im, strstr(line, "line: ") + 6);
        im->cmdline_origin = DMESG;
    } else if (strstr(line, "RAMDISK: ") && find_range(line, &r)) {
        im->initrd_end = r.start + r.size;
    } else if (strstr(line, "Freeing initrd memory:")) {
        im->initrd_kb += kilobytes(line);
    } else if (strstr(line, "Freeing unused ")) {
        im->init_kb += kilobytes(line);
        im->have_init = true;
    } else if (sscanf(line, " Node %u: 0x%llx", &node, &start) == 2 && node < VMSIM__IMPORT_NODES) {
        im->nodes[node].movable_start = start;
    }
    return true;
}

/* The only source of what lies where; without it everything comes from /proc, where holes are guessed. */
static int read_dmesg(struct vmsim__import *im) {
    char line[2048];
    const char *at = vmsim__capture_text(im->capture, DMESG);
    if (!at)
        vmsim__capture_note(im->capture, DMESG, "missing: the firmware's memory map and node ranges are not known");
    while (at && vmsim__next_line(&at, line, sizeof line)) {
        if (!read_message(im, line))
            return vmsim__import_nomem(im);
    }
    return 0;
}

/* ---- nodes and CPUs ---- */

/* "0-3,8" into a list of numbers below `limit`; false: damaged. */
static bool parse_list(const char *text, uint64_t limit, uint64_t *out, size_t *count, size_t most) {
    for (const char *at = text; *at && *at != '\n';) {
        char *end;
        uint64_t first = strtoull(at, &end, 10), last = first;
        if (end == at)
            return false;
        if (*end == '-') {
            at = end + 1;
            last = strtoull(at, &end, 10);
            if (end == at)
                return false;
        }
        if (last < first || last >= limit || (*end && *end != ',' && *end != '\n'))
            return false;
        for (uint64_t n = first; n <= last && *count < most; n++)
            out[(*count)++] = n;
        at = end + (*end == ',');
    }
    return true;
}

/* Which nodes there are: the online ones, numbered without gaps up to the last. */
static void read_node_list(struct vmsim__import *im) {
    static const char *const names[] = {"node_online.txt", "node_possible.txt"};
    uint64_t list[VMSIM__IMPORT_NODES];
    for (size_t i = 0; i < VMSIM__COUNT(names) && !im->nr_nodes; i++) {
        const char *text = vmsim__capture_text(im->capture, names[i]);
        size_t count = 0;
        if (!text)
            continue;
        if (!parse_list(text, VMSIM__IMPORT_NODES, list, &count, VMSIM__IMPORT_NODES) || !count) {
            vmsim__capture_note(im->capture, names[i], "damaged: it is no list of nodes below %d", VMSIM__IMPORT_NODES);
            continue;
        }
        for (size_t n = 0; n < count; n++)
            im->nodes[list[n]].online = true;
        im->nr_nodes = (unsigned)list[count - 1] + 1;
    }
}

/* Numbers below 10 are none of ACPI's. A row that is damaged is dropped as a whole, as half a row would shift. */
static bool read_distances(struct vmsim__import *im, unsigned node) {
    char name[64], *end;
    snprintf(name, sizeof name, "node_node%u_distance.txt", node);
    const char *text = vmsim__capture_text(im->capture, name);
    if (!text) {
        if (im->nodes[node].online && im->nr_nodes > 1)
            vmsim__capture_note(im->capture, name, "missing: distances of node %u are 10 and 20", node);
        return true;
    }
    for (const char *at = text;; at = end) {
        uint64_t d = strtoull(at, &end, 10);
        if (end == at)
            break;
        if (d < 10 || d > 254) {
            vmsim__capture_note(im->capture, name, "damaged: %llu is no distance; 10 and 20 are taken",
                                (unsigned long long)d);
            im->nodes[node].distances.count = 0;
            return true;
        }
        if (im->nodes[node].distances.count < im->nr_nodes &&
            !vmsim__vec_push(im->alloc, &im->nodes[node].distances, d))
            return false;
    }
    return true;
}

/* A list from a capture may be anything: its bounds are held against what a machine can have before it becomes an
 * array. */
static bool read_node_cpus(struct vmsim__import *im, unsigned node, bool *any) {
    static uint64_t const most = VMSIM__CPUS_MAX;
    char name[64];
    size_t count = 0;
    snprintf(name, sizeof name, "node_node%u_cpulist.txt", node);
    const char *text = vmsim__capture_text(im->capture, name);
    if (!text)
        return true;
    uint64_t *list = vmsim__arena_alloc(&im->capture->arena, most, sizeof *list);
    if (!list)
        return false;
    if (!parse_list(text, most, list, &count, most)) {
        vmsim__capture_note(im->capture, name, "damaged: it is no list of CPUs below %u", (unsigned)most);
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        *any = true;
        if (!vmsim__vec_push(im->alloc, &im->nodes[node].cpus, list[i]))
            return false;
    }
    return true;
}

static int read_nodes(struct vmsim__import *im) {
    bool any = false;
    read_node_list(im);
    for (unsigned n = 0; n < im->nr_nodes; n++) {
        if (!read_distances(im, n) || !read_node_cpus(im, n, &any))
            return vmsim__import_nomem(im);
    }
    if (any)
        return 0;
    const char *text = vmsim__capture_text(im->capture, "sys_devices_system_cpu_online.txt");
    uint64_t *list = vmsim__arena_alloc(&im->capture->arena, VMSIM__CPUS_MAX, sizeof *list);
    size_t count = 0;
    if (!list)
        return vmsim__import_nomem(im);
    if (text && parse_list(text, VMSIM__CPUS_MAX, list, &count, VMSIM__CPUS_MAX) && count) {
        im->nr_cpus = count;
        im->cpus_origin = "sys_devices_system_cpu_online.txt";
    }
    return 0;
}

/* ---- processor ---- */

/* Processor models whose TLBs have a preset. */
static const struct {
    const char *vendor;
    unsigned family, first, last;
    const char *preset;
} models[] = {
    {"AuthenticAMD", 23, 0x30, 0x3f, "zen2"},       {"AuthenticAMD", 23, 0x60, 0x7f, "zen2"},
    {"AuthenticAMD", 23, 0x90, 0xaf, "zen2"},       {"AuthenticAMD", 25, 0x00, 0x0f, "zen3"},
    {"AuthenticAMD", 25, 0x10, 0x1f, "zen4"},       {"AuthenticAMD", 25, 0x20, 0x5f, "zen3"},
    {"AuthenticAMD", 25, 0x60, 0x7f, "zen4"},       {"AuthenticAMD", 25, 0xa0, 0xaf, "zen4"},
    {"GenuineIntel", 6, 0x4e, 0x4e, "skylake-sp"},  {"GenuineIntel", 6, 0x55, 0x55, "skylake-sp"},
    {"GenuineIntel", 6, 0x5e, 0x5e, "skylake-sp"},  {"GenuineIntel", 6, 0x6a, 0x6a, "ice-lake"},
    {"GenuineIntel", 6, 0x6c, 0x6c, "ice-lake"},    {"GenuineIntel", 6, 0x7d, 0x7e, "ice-lake"},
    {"GenuineIntel", 6, 0x8f, 0x8f, "golden-cove"}, {"GenuineIntel", 6, 0x97, 0x97, "golden-cove"},
    {"GenuineIntel", 6, 0x9a, 0x9a, "golden-cove"}, {"GenuineIntel", 6, 0xcf, 0xcf, "golden-cove"},
};

/* Arm's part numbers (MIDR_EL1) with a preset; their TLBs are described for pages of 4 KiB. */
static void read_arm_processor(struct vmsim__import *im, const char *text) {
    static const char *const parts[][2] = {{"0xd08", "cortex-a72"}, {"0xd0c", "neoverse-n1"}, {"0xd40", "neoverse-v1"}};
    static const char *const first[] = {"0xd03", "0xd04", "0xd07", "0xd08", "0xd09"}; /* Armv8.0: A53 to A73 */
    char implementer[32], part[32], where[96];
    if (!vmsim__line_value(text, "CPU implementer", implementer, sizeof implementer) ||
        !vmsim__line_value(text, "CPU part", part, sizeof part)) {
        vmsim__capture_note(im->capture, "proc_cpuinfo.txt", "damaged: the TLBs are vmsim's default ones");
        return;
    }
    for (size_t i = 0; i < VMSIM__COUNT(first); i++)
        im->no_hardware_flags |=
            im->spec.arch == VMSIM__ARCH_ARM64 && !strcmp(implementer, "0x41") && !strcmp(part, first[i]);
    for (size_t i = 0; i < VMSIM__COUNT(parts); i++) {
        if (!strcmp(implementer, "0x41") && !strcmp(part, parts[i][0]) && im->page == 4096)
            im->preset = parts[i][1];
    }
    snprintf(where, sizeof where, "implementer %s, part %s", implementer, part);
    im->preset_origin = origin_of(im, "proc_cpuinfo.txt", where);
    if (!im->preset)
        vmsim__capture_note(im->capture, "proc_cpuinfo.txt", "no preset for %s: the TLBs are vmsim's default ones",
                            where);
}

/* A processor that is not known is no error: addresses and zones are the host's all the same, only its TLB is another,
 * and a note says so. */
static void read_processor(struct vmsim__import *im) {
    static const char name[] = "proc_cpuinfo.txt";
    char vendor[64], family[32], model[32], virt[128], flags[4096] = "";
    const char *text = vmsim__capture_text(im->capture, name);
    if (text && (im->spec.arch == VMSIM__ARCH_ARM64 || im->spec.arch == VMSIM__ARCH_ARM ||
                 im->spec.arch == VMSIM__ARCH_ARM_LPAE)) {
        read_arm_processor(im, text);
        return;
    }
    if (text && im->spec.arch == VMSIM__ARCH_RISCV && strstr(text, "sifive,u74")) {
        im->preset = "sifive-u74";
        im->preset_origin = origin_of(im, name, "uarch sifive,u74");
        return;
    }
    if (!text || !vmsim__line_value(text, "vendor_id", vendor, sizeof vendor) ||
        !vmsim__line_value(text, "cpu family", family, sizeof family) ||
        !vmsim__line_value(text, "model", model, sizeof model)) {
        vmsim__capture_note(im->capture, name, "%s: the TLBs are vmsim's default ones", text ? "damaged" : "missing");
        return;
    }
    unsigned long f = strtoul(family, NULL, 10), m = strtoul(model, NULL, 10);
    for (size_t i = 0; i < VMSIM__COUNT(models) && !im->preset; i++) {
        if (!strcmp(vendor, models[i].vendor) && f == models[i].family && m >= models[i].first && m <= models[i].last)
            im->preset = models[i].preset;
    }
    char where[256];
    snprintf(where, sizeof where, "%.60s, family %lu, model %lu", vendor, f, m);
    im->preset_origin = origin_of(im, name, where);
    if (!im->preset)
        vmsim__capture_note(im->capture, name, "no preset for %s: the TLBs are vmsim's default ones", where);
    vmsim__line_value(text, "flags", flags, sizeof flags);
    const char *bits = vmsim__line_value(text, "address sizes", virt, sizeof virt) ? strstr(virt, ", ") : NULL;
    im->la57 = strstr(flags, " la57") && bits && strtoul(bits + 2, NULL, 10) > 48;
}

/* ---- kernel and machine ---- */

static const char *find_release(struct vmsim__import *im, char *text, size_t size) {
    const char *version = vmsim__capture_text(im->capture, "proc_version.txt");
    if (version && sscanf(version, "Linux version %127s", text) == 1)
        return "proc_version.txt";
    const char *machine = vmsim__capture_text(im->capture, "machine.txt");
    return machine && vmsim__line_value(machine, "kernel", text, size) ? "machine.txt" : NULL;
}

/* Rows of the kernel table are named "major.minor": takes the newest that is not newer, else the oldest. */
static void choose_kernel(struct vmsim__import *im) {
    char text[128] = "";
    unsigned major, minor, a, b, best = 0;
    const char *file = find_release(im, text, sizeof text);
    im->spec.kernel = vmsim__kernel_at(0)->name;
    if (!file || sscanf(text, "%u.%u", &major, &minor) != 2) {
        vmsim__capture_note(im->capture, "proc_version.txt", "%s: the kernel is taken to be %s",
                            file ? "damaged" : "missing", im->spec.kernel);
        im->kernel_comment = "not known; the default";
        return;
    }
    for (unsigned i = 0; vmsim__kernel_at(i); i++) {
        const char *name = vmsim__kernel_at(i)->name;
        if (sscanf(name, "%u.%u", &a, &b) != 2 || a > 1000 || b > 1000)
            continue;
        if ((a < major || (a == major && b <= minor)) && a * 1001 + b >= best) {
            best = a * 1001 + b;
            im->spec.kernel = name;
        }
    }
    im->release = copy(im, text);
    bool exact = sscanf(im->spec.kernel, "%u.%u", &a, &b) == 2 && a == major && b == minor;
    char comment[256];
    snprintf(comment, sizeof comment, "%s%s", text, exact ? "" : ", of which this is the nearest that vmsim knows");
    im->kernel_comment = origin_of(im, file, comment);
    if (!exact)
        vmsim__capture_note(im->capture, file, "kernel %s is simulated as %s, the nearest that vmsim knows", text,
                            im->spec.kernel);
}

/* The kernel's options, from whoever has them. */
static int read_cmdline(struct vmsim__import *im) {
    char line[4096];
    const char *text = vmsim__capture_text(im->capture, "proc_cmdline.txt");
    if (text) {
        vmsim__next_line(&text, line, sizeof line);
        im->cmdline = copy(im, line);
        im->cmdline_origin = "proc_cmdline.txt";
    } else if (!im->cmdline) {
        text = vmsim__capture_text(im->capture, "machine.txt");
        if (text && vmsim__line_value(text, "cmdline", line, sizeof line)) {
            im->cmdline = copy(im, line);
            im->cmdline_origin = "machine.txt";
        }
    }
    if (!im->cmdline)
        vmsim__capture_note(im->capture, "proc_cmdline.txt", "missing: the kernel is taken to have no options");
    char *cut =
        vmsim__arena_copy(&im->capture->arena, im->cmdline ? im->cmdline : "", im->cmdline ? strlen(im->cmdline) : 0);
    return cut ? vmsim__mem_spec_cmdline(&im->spec, cut, im->pools, im->err) : vmsim__import_nomem(im);
}

/* [vvar], and since 6.13 [vvar_vclock] behind it: any process's will do. */
static void read_vvar(struct vmsim__import *im) {
    const char *maps = vmsim__capture_text(im->capture, "proc_self_maps.txt");
    char line[512];
    unsigned long long start, end;
    while (maps && vmsim__next_line(&maps, line, sizeof line)) {
        if (strstr(line, "[vvar") && sscanf(line, "%llx-%llx", &start, &end) == 2 && end > start)
            im->vvar_pages += (end - start) >> 12;
    }
    if (im->vvar_pages > VMSIM__VVAR_PAGES_MAX) {
        vmsim__capture_note(im->capture, "proc_self_maps.txt", "damaged: [vvar] of %llu pages is ignored",
                            (unsigned long long)im->vvar_pages);
        im->vvar_pages = 0;
    }
}

/* What the capture shows of containers and limits, which a description does not take over. */
static void read_surroundings(struct vmsim__import *im) {
    const char *cgroup = vmsim__capture_text(im->capture, "proc_self_cgroup.txt");
    if (cgroup && strstr(cgroup, ":memory:"))
        vmsim__capture_note(im->capture, "proc_self_cgroup.txt",
                            "a cgroup v1 host: limits of memory cgroups are not taken over");
    const char *swaps = vmsim__capture_text(im->capture, "proc_swaps.txt");
    const char *second = swaps ? strchr(swaps, '\n') : NULL;
    if (second && second[1])
        vmsim__capture_note(im->capture, "proc_swaps.txt", "the swap areas are not taken over");
}

int vmsim__import_facts(struct vmsim__import *im) {
    int rc = vmsim__import_arch(im);
    if (rc)
        return rc;
    choose_kernel(im);
    rc = read_dmesg(im);
    rc = rc ? rc : read_cmdline(im);
    rc = rc ? rc : read_nodes(im);
    if (rc)
        return rc;
    read_processor(im);
    read_vvar(im);
    read_surroundings(im);
    return im->capture->failed ? vmsim__import_nomem(im) : 0;
}
