/* SPDX-License-Identifier: MIT */
/* The machine of a capture comes from the importer; what the kernel made of it is read here, so that the judge does not
 * share the importer's mistakes. */
#include "capture_parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef bool line_reader(struct capture *c, const char *line);

/* Calls `reader` for every line of folder/name. A missing file is no error: captures differ. */
static int read_lines(struct capture *c, const char *folder, const char *name, line_reader *reader) {
    char path[1024], line[2048];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "r");
    if (!f)
        return 0;
    bool ok = true;
    while (ok && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        ok = reader(c, line);
    }
    fclose(f);
    return ok ? 0 : VMSIM_ENOMEM;
}

static bool read_dmesg(struct capture *c, const char *line) {
    unsigned node;
    const char *order = strstr(line, "Fallback order for Node ");
    if (order && sscanf(order, "Fallback order for Node %u:", &node) == 1 && node < CAPTURE_NODES)
        snprintf(c->fallback[node], sizeof c->fallback[node], "%s", strchr(order, ':') + 2);
    struct vmsim__range_spec r = {0};
    unsigned long long start, last;
    if (sscanf(line, "  node %u: [mem 0x%llx-0x%llx]", &node, &start, &last) != 3 || node >= CAPTURE_NODES)
        return true;
    r.start = start;
    r.size = last - start + 1;
    return vmsim__vec_push(c->alloc, &c->early[node], r);
}

static bool read_sweep(struct capture *c, const char *line) {
    struct capture_row r = {0};
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

static bool read_zoneinfo(struct capture *c, const char *line) {
    struct capture_row r = {.setting = "zoneinfo"}, *last;
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

static bool read_thp(struct capture *c, const char *line) {
    const char *open = strchr(line, '[');
    if (open && !strncmp(line, "enabled = ", 10))
        sscanf(open, "[%15[a-z+]]", c->thp_enabled);
    if (open && !strncmp(line, "defrag = ", 9))
        sscanf(open, "[%15[a-z+]]", c->thp_defrag);
    return true;
}

int capture_load(struct capture *c, struct vmsim__alloc *alloc, const char *folder, const char *kernel,
                 struct vmsim__err *err) {
    memset(c, 0, sizeof *c);
    c->alloc = alloc;
    vmsim__capture_init(&c->files, alloc);
    int rc = vmsim__capture_open(&c->files, folder, err);
    rc = rc ? rc : vmsim__import_run(&c->import, &c->files, VMSIM_HOST_NO_SYSCTL, err);
    if (rc)
        return rc;
    rc = read_lines(c, folder, "dmesg_mm.txt", read_dmesg);
    rc = rc ? rc : read_lines(c, folder, "sweep.txt", read_sweep);
    rc = rc ? rc : read_lines(c, folder, "proc_zoneinfo.txt", read_zoneinfo);
    rc = rc ? rc : read_lines(c, folder, "sys_kernel_mm_transparent_hugepage.txt", read_thp);
    if (rc)
        return vmsim__err_set(err, rc, "%s: no memory", folder);
    if (c->zoneinfo.count && !c->zoneinfo.at[c->zoneinfo.count - 1].present)
        c->zoneinfo.count--;
    c->spec = c->import.spec;
    c->spec.kernel = kernel;
    c->initrd_kb = c->import.initrd_kb;
    c->nodes = c->spec.nodes.data;
    c->nr_nodes = (unsigned)c->spec.nodes.count;
    if (c->spec.memory_map.count == 0 || c->rows.count + c->zoneinfo.count == 0)
        return vmsim__err_set(err, VMSIM_EFORMAT, "%s: no capture of a boot", folder);
    return 0;
}

void capture_free(struct capture *c) {
    if (c->import.alloc)
        vmsim__import_fini(&c->import);
    vmsim__capture_fini(&c->files);
    for (unsigned n = 0; n < CAPTURE_NODES; n++)
        vmsim__vec_fini(c->alloc, &c->early[n]);
    vmsim__vec_fini(c->alloc, &c->rows);
    vmsim__vec_fini(c->alloc, &c->zoneinfo);
}
