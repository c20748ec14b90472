/* SPDX-License-Identifier: MIT */
/* The kernel's own view in proc_zoneinfo.txt: what boot kept of each zone, and ranges where nothing else gives them. */
#include "config/host_import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

static const char ZONEINFO[] = "proc_zoneinfo.txt";

static int zone_type(const char *name) {
    static const char *const names[] = {"DMA", "DMA32", "Normal", "HighMem", "Movable"};
    for (int t = 0; t < (int)VMSIM__COUNT(names); t++) {
        if (!strcmp(names[t], name))
            return t;
    }
    return -1;
}

/* Drops the zone read last when it turned out to be empty or impossible. */
static void close_zone(struct vmsim__import *im) {
    if (!im->zones.count)
        return;
    const struct vmsim__import_zone *z = &im->zones.at[im->zones.count - 1];
    bool sane =
        z->present <= z->spanned && z->managed <= z->present && z->start < UINT32_MAX && z->spanned < UINT32_MAX;
    if (z->present && !sane)
        vmsim__capture_note(im->capture, ZONEINFO, "damaged: node %u's zone of type %d contradicts itself; ignored",
                            z->node, z->type);
    if (!z->present || !sane)
        im->zones.count--;
}

static bool read_line(struct vmsim__import *im, const char *line, bool *known) {
    char name[16];
    struct vmsim__import_zone z = {0};
    unsigned long long n;
    if (sscanf(line, "Node %u, zone %15s", &z.node, name) == 2) {
        close_zone(im);
        z.type = zone_type(name);
        *known = z.type >= 0 && z.node < VMSIM__IMPORT_NODES;
        return !*known || vmsim__vec_push(im->alloc, &im->zones, z);
    }
    if (!*known || !im->zones.count)
        return true;
    struct vmsim__import_zone *last = &im->zones.at[im->zones.count - 1];
    if (sscanf(line, " spanned %llu", &n) == 1)
        last->spanned = n;
    else if (sscanf(line, " present %llu", &n) == 1)
        last->present = n;
    else if (sscanf(line, " managed %llu", &n) == 1)
        last->managed = n;
    else if (sscanf(line, " boost %llu", &n) == 1)
        last->boost = n;
    else if (sscanf(line, " cma %llu", &n) == 1)
        last->cma = n;
    else if (sscanf(line, " start_pfn: %llu", &n) == 1)
        last->start = n;
    else if (sscanf(line, " cpu: %llu", &n) == 1)
        last->cpus = vmsim__max64(last->cpus, n < VMSIM__CPUS_MAX ? n + 1 : 0);
    return true;
}

/* Containers show their own limit in meminfo, and a balloon takes managed memory away. */
static void compare_total(struct vmsim__import *im) {
    char value[64];
    const char *text = vmsim__capture_text(im->capture, "proc_meminfo.txt");
    uint64_t kb = 0, managed = 0;
    if (text && vmsim__line_value(text, "MemTotal", value, sizeof value))
        kb = strtoull(value, NULL, 10);
    for (size_t i = 0; i < im->zones.count; i++)
        managed += im->zones.at[i].managed * (im->page >> 10);
    uint64_t off = kb > managed ? kb - managed : managed - kb;
    if (kb && managed && off > managed / 100)
        vmsim__capture_note(im->capture, "proc_meminfo.txt",
                            "MemTotal is %llu kB, but the zones manage %llu kB (a container's limit, or a balloon): "
                            "the zones are taken",
                            (unsigned long long)kb, (unsigned long long)managed);
}

int vmsim__import_zones(struct vmsim__import *im) {
    char line[512];
    bool known = false;
    const char *at = vmsim__capture_text(im->capture, ZONEINFO);
    if (!at) {
        vmsim__capture_note(im->capture, ZONEINFO,
                            "missing: what the kernel keeps for itself is estimated by vmsim's model");
        return 0;
    }
    while (vmsim__next_line(&at, line, sizeof line)) {
        if (!read_line(im, line, &known))
            return vmsim__import_nomem(im);
    }
    close_zone(im);
    if (!im->zones.count)
        vmsim__capture_note(im->capture, ZONEINFO,
                            "damaged: it holds no populated zone; vmsim's model of what the "
                            "kernel keeps is taken");
    for (size_t i = 0; i < im->zones.count; i++) {
        const struct vmsim__import_zone *z = &im->zones.at[i];
        if (z->node >= im->nr_nodes)
            im->nr_nodes = z->node + 1;
        im->nodes[z->node].online = true;
    }
    compare_total(im);
    return 0;
}
