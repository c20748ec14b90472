/* SPDX-License-Identifier: MIT */
#include "capture_parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef bool line_reader(struct capture *c, const char *line, unsigned node);

/* Calls `reader` for every line of folder/name. A missing file is no error: captures differ. */
static int read_lines(struct capture *c, const char *folder, const char *name, line_reader *reader, unsigned node) {
    char path[1024], line[2048];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "r");
    if (!f)
        return 0;
    bool ok = true;
    while (ok && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        ok = reader(c, line, node);
    }
    fclose(f);
    return ok ? 0 : VMSIM_ENOMEM;
}

/* "[mem 0xA-0xB]" anywhere in the line; B is inclusive. */
static bool find_range(const char *line, struct vmsim__range_spec *r) {
    unsigned long long a, b;
    const char *at = strstr(line, "[mem 0x");
    if (!at || sscanf(at, "[mem 0x%llx-0x%llx]", &a, &b) != 2)
        return false;
    *r = (struct vmsim__range_spec){.start = a, .size = b - a + 1};
    return true;
}

static void copy_text(char *to, size_t size, const char *from) {
    snprintf(to, size, "%s", from);
}

static unsigned long long kilobytes(const char *line) {
    const char *colon = strrchr(line, ':');
    return colon ? strtoull(colon + 1, NULL, 10) : 0;
}

static bool read_firmware(struct capture *c, const char *line, bool *done) {
    struct vmsim__range_spec r;
    unsigned node;
    *done = true;
    if (strstr(line, "BIOS-e820: ") && strstr(line, "] usable") && find_range(line, &r))
        return vmsim__vec_push(c->alloc, &c->map, r);
    if (strstr(line, "user: [mem") && strstr(line, "] reserved") && find_range(line, &r)) {
        r.reserved = true;
        return vmsim__vec_push(c->alloc, &c->map, r);
    }
    /* mem=, memmap= and what the kernel itself takes out of the map */
    bool taken = strstr(line, "e820: remove ") || (strstr(line, "e820: update ") && strstr(line, "==> reserved"));
    if (taken && find_range(line, &r)) {
        r.reserved = true;
        return vmsim__vec_push(c->alloc, &c->map, r);
    }
    const char *srat = strstr(line, "SRAT: Node ");
    if (srat && sscanf(srat, "SRAT: Node %u", &node) == 1 && node < CAPTURE_NODES && find_range(line, &r)) {
        r.hotplug = strstr(line, "hotplug") != NULL;
        return vmsim__vec_push(c->alloc, &c->ranges[node], r);
    }
    *done = false;
    return true;
}

static bool read_dmesg(struct capture *c, const char *line, unsigned unused) {
    struct vmsim__range_spec r;
    unsigned node;
    unsigned long long start;
    bool done;
    (void)unused;
    bool ok = read_firmware(c, line, &done);
    if (done)
        return ok;
    if (sscanf(line, "  node %u: [mem", &node) == 1 && node < CAPTURE_NODES && find_range(line, &r)) {
        r.hotplug = false;
        return vmsim__vec_push(c->alloc, &c->early[node], r);
    }
    const char *order = strstr(line, "Fallback order for Node ");
    if (order && sscanf(order, "Fallback order for Node %u:", &node) == 1 && node < CAPTURE_NODES)
        copy_text(c->fallback[node], sizeof c->fallback[node], strchr(order, ':') + 2);
    else if (strstr(line, "Kernel command line: "))
        copy_text(c->cmdline, sizeof c->cmdline, strstr(line, "line: ") + 6);
    else if (strstr(line, "RAMDISK: ") && find_range(line, &r))
        c->initrd_end = r.start + r.size;
    else if (strstr(line, "Freeing initrd memory:"))
        c->initrd_kb += kilobytes(line);
    else if (strstr(line, "Freeing unused "))
        c->init_kb += kilobytes(line);
    else if (sscanf(line, "  Node %u: 0x%llx", &node, &start) == 2 && node < CAPTURE_NODES)
        c->movable_start[node] = start;
    return true;
}

static bool read_iomem(struct capture *c, const char *line, unsigned unused) {
    (void)unused;
    if (strstr(line, ": Kernel code"))
        c->kernel_address = strtoull(line, NULL, 16);
    return true;
}

static bool read_possible(struct capture *c, const char *line, unsigned unused) {
    unsigned first, last;
    (void)unused;
    int n = sscanf(line, "%u-%u", &first, &last);
    c->nr_nodes = n == 2 ? last + 1 : n == 1 ? first + 1 : c->nr_nodes;
    return true;
}

static bool read_cpulist(struct capture *c, const char *line, unsigned node) {
    for (const char *at = line; *at;) {
        char *end;
        uint64_t first = strtoull(at, &end, 10), last = first;
        if (end == at)
            break;
        if (*end == '-')
            last = strtoull(end + 1, &end, 10);
        for (uint64_t cpu = first; cpu <= last && cpu < CAPTURE_CPUS; cpu++) {
            if (!vmsim__vec_push(c->alloc, &c->cpus[node], cpu))
                return false;
        }
        at = end + (*end == ',');
    }
    return true;
}

static bool read_distances(struct capture *c, const char *line, unsigned node) {
    char *end;
    for (const char *at = line;; at = end) {
        uint64_t d = strtoull(at, &end, 10);
        if (end == at)
            return true;
        if (!vmsim__vec_push(c->alloc, &c->distances[node], d))
            return false;
    }
}

static bool read_sweep(struct capture *c, const char *line, unsigned unused) {
    struct capture_row r = {0};
    (void)unused;
    sscanf(line, "# boot min_free_kbytes=%llu", &c->boot_min_free_kbytes);
    if (sscanf(line,
               "%63s N%u %15s min=%llu low=%llu high=%llu spanned=%llu present=%llu managed=%llu prot=(%127[0-9,]) "
               "pcp_high=%lld pcp_batch=%lld",
               r.setting, &r.node, r.zone, &r.min, &r.low, &r.high, &r.spanned, &r.present, &r.managed, r.protection,
               &r.pcp_high, &r.pcp_batch) != 12)
        return true;
    return vmsim__vec_push(c->alloc, &c->rows, r);
}

/* "protection: (0, 945, 945)" without blanks. */
static void copy_protection(char *to, size_t size, const char *from) {
    size_t n = 0;
    for (from = strchr(from, '('); from && *++from && *from != ')' && n + 1 < size;) {
        if (*from != ' ')
            to[n++] = *from;
    }
    to[n] = '\0';
}

static bool read_zoneinfo(struct capture *c, const char *line, unsigned unused) {
    struct capture_row r = {.setting = "zoneinfo"}, *last;
    (void)unused;
    if (sscanf(line, "Node %u, zone %15s", &r.node, r.zone) == 2) {
        if (c->zoneinfo.count && !c->zoneinfo.at[c->zoneinfo.count - 1].present)
            c->zoneinfo.count--;
        return vmsim__vec_push(c->alloc, &c->zoneinfo, r);
    }
    if (!c->zoneinfo.count)
        return true;
    last = &c->zoneinfo.at[c->zoneinfo.count - 1];
    if (strstr(line, "protection: ("))
        copy_protection(last->protection, sizeof last->protection, line);
    sscanf(line, " min %llu", &last->min);
    sscanf(line, " low %llu", &last->low);
    sscanf(line, " high %llu", &last->high);
    sscanf(line, " spanned %llu", &last->spanned);
    sscanf(line, " present %llu", &last->present);
    sscanf(line, " managed %llu", &last->managed);
    sscanf(line, " high: %lld", &last->pcp_high);
    sscanf(line, " batch: %lld", &last->pcp_batch);
    sscanf(line, " vm stats threshold: %llu", &last->threshold);
    sscanf(line, " start_pfn: %llu", &last->start_pfn);
    return true;
}

static bool read_thp(struct capture *c, const char *line, unsigned unused) {
    const char *open = strchr(line, '[');
    (void)unused;
    if (open && !strncmp(line, "enabled = ", 10))
        sscanf(open, "[%15[a-z+]]", c->thp_enabled);
    if (open && !strncmp(line, "defrag = ", 9))
        sscanf(open, "[%15[a-z+]]", c->thp_defrag);
    return true;
}

/* ---- What boot kept, by zone ---- */

static unsigned node_of(const struct capture *c, uint64_t address) {
    for (unsigned n = 0; n < c->nr_nodes; n++) {
        for (size_t i = 0; i < c->ranges[n].count; i++) {
            const struct vmsim__range_spec *r = &c->ranges[n].at[i];
            if (address >= r->start && address - r->start < r->size)
                return n;
        }
    }
    return 0;
}

/* x86-64's zone of an address. */
static const char *zone_of(const struct capture *c, uint64_t address) {
    uint64_t movable = c->movable_start[node_of(c, address)];
    if (movable && address >= movable)
        return "Movable";
    return address < UINT64_C(16) << 20 ? "DMA" : address < UINT64_C(4) << 30 ? "DMA32" : "Normal";
}

/* Boot loaders put the initrd at the top of usable memory below 4 GiB. */
static void guess_initrd(struct capture *c) {
    for (size_t i = 0; !c->initrd_end && i < c->map.count; i++) {
        uint64_t end = c->map.at[i].start + c->map.at[i].size;
        if (!c->map.at[i].reserved && end <= UINT64_C(4) << 30 &&
            (i + 1 == c->map.count || c->map.at[i + 1].reserved || c->map.at[i + 1].start >= UINT64_C(4) << 30))
            c->initrd_end = end;
    }
}

static int zone_type(const char *name) {
    static const char *const names[] = {"DMA", "DMA32", "Normal", "HighMem", "Movable"};
    for (int t = 0; t < 5; t++) {
        if (!strcmp(names[t], name))
            return t;
    }
    return -1;
}

static bool add_reserved(struct capture *c) {
    for (size_t i = 0; i < c->rows.count && !strcmp(c->rows.at[i].setting, "boot"); i++) {
        const struct capture_row *r = &c->rows.at[i];
        struct vmsim__reserve_spec s = {.zone = zone_type(r->zone), .size = (r->present - r->managed) * 4096};
        if (r->node == node_of(c, c->kernel_address) && !strcmp(r->zone, zone_of(c, c->kernel_address)))
            s.boot_use += c->init_kb * 1024;
        if (c->initrd_kb && r->node == node_of(c, c->initrd_end - 1) && !strcmp(r->zone, zone_of(c, c->initrd_end - 1)))
            s.boot_use += c->initrd_kb * 1024;
        if (r->node < CAPTURE_NODES && !vmsim__vec_push(c->alloc, &c->reserved[r->node], s))
            return false;
    }
    return true;
}

#define LIST(v) ((struct vmsim_param_list){(v).at, (v).count})

int capture_load(struct capture *c, struct vmsim__alloc *alloc, const char *folder, const char *kernel,
                 struct vmsim__err *err) {
    memset(c, 0, sizeof *c);
    c->alloc = alloc;
    int rc = read_lines(c, folder, "node_possible.txt", read_possible, 0);
    rc = rc ? rc : read_lines(c, folder, "dmesg_mm.txt", read_dmesg, 0);
    rc = rc ? rc : read_lines(c, folder, "proc_iomem.txt", read_iomem, 0);
    rc = rc ? rc : read_lines(c, folder, "sweep.txt", read_sweep, 0);
    rc = rc ? rc : read_lines(c, folder, "proc_zoneinfo.txt", read_zoneinfo, 0);
    rc = rc ? rc : read_lines(c, folder, "sys_kernel_mm_transparent_hugepage.txt", read_thp, 0);
    for (unsigned n = 0; !rc && n < c->nr_nodes && n < CAPTURE_NODES; n++) {
        char name[64];
        snprintf(name, sizeof name, "node_node%u_cpulist.txt", n);
        rc = read_lines(c, folder, name, read_cpulist, n);
        snprintf(name, sizeof name, "node_node%u_distance.txt", n);
        rc = rc ? rc : read_lines(c, folder, name, read_distances, n);
    }
    if (rc)
        return vmsim__err_set(err, rc, "%s: no memory", folder);
    if (c->zoneinfo.count && !c->zoneinfo.at[c->zoneinfo.count - 1].present)
        c->zoneinfo.count--;
    if (c->nr_nodes == 0 || c->nr_nodes > CAPTURE_NODES || c->map.count == 0 || c->rows.count == 0)
        return vmsim__err_set(err, VMSIM_EFORMAT, "%s: no capture of a boot", folder);
    guess_initrd(c);
    if (!add_reserved(c))
        return vmsim__err_set(err, VMSIM_ENOMEM, "%s: no memory", folder);
    for (unsigned n = 0; n < c->nr_nodes; n++)
        c->nodes[n] = (struct vmsim__node_spec){.cpus = LIST(c->cpus[n]),
                                                .ranges = LIST(c->ranges[n]),
                                                .distances = LIST(c->distances[n]),
                                                .reserved = LIST(c->reserved[n])};
    c->spec.kernel = kernel;
    c->spec.memory_map = LIST(c->map);
    c->spec.nodes = (struct vmsim_param_list){c->nodes, c->nr_nodes};
    return vmsim__mem_spec_cmdline(&c->spec, c->cmdline, err);
}

void capture_free(struct capture *c) {
    for (unsigned n = 0; n < CAPTURE_NODES; n++) {
        vmsim__vec_fini(c->alloc, &c->ranges[n]);
        vmsim__vec_fini(c->alloc, &c->early[n]);
        vmsim__vec_fini(c->alloc, &c->cpus[n]);
        vmsim__vec_fini(c->alloc, &c->distances[n]);
        vmsim__vec_fini(c->alloc, &c->reserved[n]);
    }
    vmsim__vec_fini(c->alloc, &c->map);
    vmsim__vec_fini(c->alloc, &c->rows);
    vmsim__vec_fini(c->alloc, &c->zoneinfo);
}
