/* SPDX-License-Identifier: MIT */
/* Where memory lies and what boot keeps of it, from the best source that the capture has:
 *
 *     map:      firmware (dmesg_mm.txt) > resource tree (proc_iomem.txt) > zones (proc_zoneinfo.txt) > MemTotal
 *     nodes:    SRAT (dmesg_mm.txt) > early node ranges (the same) > zones > everything on node 0
 *     reserved: zones' present - managed > vmsim's model */
#include "config/host_import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

#define MIB (UINT64_C(1) << 20)
#define GIB4 (UINT64_C(1) << 32)

/* The file and the line, for the comment behind the value. */
static const char *text_of(struct vmsim__import *im, const char *file, const char *text) {
    const char *s = vmsim__arena_printf(&im->capture->arena, "%s: %s", file, text);
    if (!s)
        im->capture->failed = true;
    return s ? s : "";
}

/* ---- the map ---- */

/* A map that the user gave replaces the firmware's; a filtered log may hold only its reserved ranges. */
static bool merge_user_map(struct vmsim__import *im) {
    bool usable = false;
    for (size_t i = 0; i < im->user_map.count; i++)
        usable = usable || !im->user_map.at[i].range.reserved;
    if (usable)
        im->map.count = 0;
    for (size_t i = 0; (im->map.count || usable) && i < im->user_map.count; i++) {
        if (!vmsim__vec_push(im->alloc, &im->map, im->user_map.at[i]))
            return false;
    }
    return true;
}

/* Lines without indentation that are System RAM; also finds the kernel. */
static bool map_from_iomem(struct vmsim__import *im, bool want_map) {
    static const char name[] = "proc_iomem.txt";
    char line[512], *end;
    const char *at = vmsim__capture_text(im->capture, name);
    while (at && vmsim__next_line(&at, line, sizeof line)) {
        uint64_t a = strtoull(line, &end, 16), b = *end == '-' ? strtoull(end + 1, &end, 16) : 0;
        if (strstr(line, ": Kernel code") && b)
            im->kernel_address = a;
        if (!want_map || *line == ' ' || !strstr(line, " : System RAM") || b <= a || b == UINT64_MAX)
            continue;
        struct vmsim__import_range r = {.range = {.start = a, .size = b - a + 1}, .origin = text_of(im, name, line)};
        if (!vmsim__vec_push(im->alloc, &im->map, r))
            return false;
    }
    return true;
}

/* Ranges that were put together say so, as they are guesses. */
static bool push_frames(struct vmsim__import *im, const struct vmsim__import_zone *z, uint64_t start, uint64_t count,
                        const char *why) {
    char text[160];
    snprintf(text, sizeof text, "node %u: start_pfn %llu, spanned %llu, present %llu%s", z->node,
             (unsigned long long)z->start, (unsigned long long)z->spanned, (unsigned long long)z->present, why);
    struct vmsim__import_range r = {.range = {.start = start * im->page, .size = count * im->page},
                                    .origin = text_of(im, "proc_zoneinfo.txt", text)};
    return !count || vmsim__vec_push(im->alloc, &im->map, r);
}

/* A higher zone of the same node follows: then a zone spans up to its limit, wherever its memory ends. */
static bool has_successor(const struct vmsim__import *im, const struct vmsim__import_zone *z) {
    for (size_t i = 0; i < im->zones.count; i++) {
        if (im->zones.at[i].node == z->node && im->zones.at[i].start > z->start)
            return true;
    }
    return false;
}

/* Frames of a zone whose holes are not known: a PC's hole below 1 MiB, then one at the zone's end, or before its last
 * frame when the zone must reach that far. */
static bool map_from_zone(struct vmsim__import *im, const struct vmsim__import_zone *z) {
    uint64_t start = z->start, left = z->present, hole = z->spanned - z->present;
    if (start == 1 && hole >= 97 && left > 158) {
        if (!push_frames(im, z, start, 158, "; the PC's hole is assumed"))
            return false;
        start = MIB / im->page;
        left -= 158;
        hole -= 97;
    }
    if (hole && !has_successor(im, z) && left > 1)
        return push_frames(im, z, start, left - 1, "; the hole is assumed before its last page") &&
               push_frames(im, z, start + left - 1 + hole, 1, "; its last page");
    return push_frames(im, z, start, left, hole ? "; the hole is assumed at its end" : "");
}

/* The kernel's own view of it: right in how much there is in each zone, wrong about where its holes are. */
static int map_from_zones(struct vmsim__import *im) {
    for (size_t i = 0; i < im->zones.count; i++) {
        if (!map_from_zone(im, &im->zones.at[i]))
            return vmsim__import_nomem(im);
    }
    if (im->map.count)
        vmsim__capture_note(im->capture, "proc_iomem.txt",
                            "neither it nor dmesg_mm.txt gives the memory map: it is put together from "
                            "proc_zoneinfo.txt, where holes lie is guessed");
    return 0;
}

static uint64_t total_kb(struct vmsim__import *im, const char *file, const char *key) {
    char value[64];
    const char *text = vmsim__capture_text(im->capture, file);
    return text && vmsim__line_value(text, key, value, sizeof value) ? strtoull(value, NULL, 10) : 0;
}

/* The last resort: one node with the memory that the kernel says it can use. */
static int sized_machine(struct vmsim__import *im) {
    uint64_t kb = total_kb(im, "proc_meminfo.txt", "MemTotal");
    if (!kb || kb > UINT64_C(1) << 40)
        return vmsim__err_set(im->err, VMSIM_EFORMAT,
                              "no memory is known: dmesg_mm.txt, proc_iomem.txt, proc_zoneinfo.txt and "
                              "proc_meminfo.txt are missing or hold none");
    vmsim__capture_note(im->capture, "proc_meminfo.txt",
                        "nothing but MemTotal is known: one node of that size, what the kernel kept left out");
    im->nr_nodes = 1;
    im->nodes[0].memory = vmsim__align_up(kb << 10, MIB);
    return 0;
}

static int settle_map(struct vmsim__import *im) {
    if (!merge_user_map(im))
        return vmsim__import_nomem(im);
    bool firmware = im->map.count != 0;
    if (!map_from_iomem(im, !firmware))
        return vmsim__import_nomem(im);
    if (!firmware && im->map.count)
        vmsim__capture_note(im->capture, "dmesg_mm.txt",
                            "no BIOS-e820 lines: the memory map is that of proc_iomem.txt");
    if (im->map.count)
        return 0;
    int rc = map_from_zones(im);
    return rc || im->map.count ? rc : sized_machine(im);
}

/* ---- nodes ---- */

/* A node's share is where its zones lie; zones of two nodes that overlap cannot be told apart. */
static int nodes_from_zones(struct vmsim__import *im) {
    for (size_t i = 0; i < im->zones.count; i++) {
        const struct vmsim__import_zone *z = &im->zones.at[i];
        for (size_t k = 0; k < i; k++) {
            const struct vmsim__import_zone *o = &im->zones.at[k];
            if (o->node != z->node && o->start < z->start + z->spanned && z->start < o->start + o->spanned)
                return vmsim__err_set(im->err, VMSIM_EFORMAT,
                                      "dmesg_mm.txt: no SRAT lines, and in proc_zoneinfo.txt nodes %u and %u overlap: "
                                      "which memory is on which node is not known",
                                      o->node, z->node);
        }
        char text[96];
        snprintf(text, sizeof text, "node %u: start_pfn %llu, spanned %llu", z->node, (unsigned long long)z->start,
                 (unsigned long long)z->spanned);
        struct vmsim__import_range r = {.range = {.start = z->start * im->page, .size = z->spanned * im->page},
                                        .origin = text_of(im, "proc_zoneinfo.txt", text)};
        if (!vmsim__vec_push(im->alloc, &im->nodes[z->node].ranges, r))
            return vmsim__import_nomem(im);
    }
    if (im->zones.count)
        vmsim__capture_note(im->capture, "dmesg_mm.txt",
                            "no SRAT lines: which memory is on which node is taken from proc_zoneinfo.txt");
    return 0;
}

/* numa=fake makes nodes that the SRAT does not know. */
static bool srat_is_whole(const struct vmsim__import *im) {
    bool any = false;
    for (unsigned n = 0; n < im->nr_nodes; n++) {
        any = any || im->nodes[n].ranges.count;
        if (im->nodes[n].early.count && !im->nodes[n].ranges.count)
            return false;
    }
    for (size_t i = 0; i < im->zones.count; i++) {
        if (!im->nodes[im->zones.at[i].node].ranges.count)
            return false;
    }
    return any;
}

/* What the kernel's log says of nodes after the firmware's word: false when it says nothing. */
static int nodes_from_early(struct vmsim__import *im, bool *found) {
    *found = false;
    for (unsigned n = 0; n < im->nr_nodes; n++)
        *found = *found || im->nodes[n].early.count;
    for (unsigned n = 0; *found && n < im->nr_nodes; n++) {
        struct vmsim__import_node *node = &im->nodes[n];
        node->ranges.count = 0;
        for (size_t i = 0; i < node->early.count; i++) {
            if (!vmsim__vec_push(im->alloc, &node->ranges, node->early.at[i]))
                return vmsim__import_nomem(im);
        }
    }
    if (*found)
        vmsim__capture_note(im->capture, "dmesg_mm.txt",
                            "no SRAT lines for all nodes: the early memory node ranges are taken");
    return 0;
}

static void single_node(struct vmsim__import *im) {
    if (im->nr_nodes > 1)
        vmsim__capture_note(im->capture, "dmesg_mm.txt",
                            "which memory is on which node is not known: all is on node 0");
    im->nr_nodes = 1;
    im->nodes[0].distances.count = 0;
}

static int settle_nodes(struct vmsim__import *im) {
    bool hotplug = false, found;
    if (!im->nr_nodes) {
        im->nr_nodes = 1;
        vmsim__capture_note(im->capture, "node_online.txt", "missing: one node is assumed");
    }
    for (unsigned n = 0; n < im->nr_nodes; n++) {
        for (size_t i = 0; i < im->nodes[n].ranges.count; i++)
            hotplug = hotplug || im->nodes[n].ranges.at[i].range.hotplug;
    }
    if (im->nr_nodes == 1) {
        if (!hotplug)
            im->nodes[0].ranges.count = 0; /* all of the map */
        return 0;
    }
    if (srat_is_whole(im))
        return 0;
    int rc = nodes_from_early(im, &found);
    if (rc || found)
        return rc;
    for (unsigned n = 0; n < im->nr_nodes; n++)
        im->nodes[n].ranges.count = 0;
    rc = nodes_from_zones(im);
    if (!rc && !im->zones.count)
        single_node(im);
    return rc;
}

/* A row names the online nodes only: offline ones in between are as far as strangers. */
static int settle_distances(struct vmsim__import *im) {
    uint64_t row[VMSIM__IMPORT_NODES];
    unsigned online = 0;
    for (unsigned n = 0; n < im->nr_nodes; n++)
        online += im->nodes[n].online;
    for (unsigned n = 0; n < im->nr_nodes; n++) {
        struct vmsim__import_node *node = &im->nodes[n];
        if (!node->distances.count || node->distances.count == im->nr_nodes)
            continue;
        char name[64];
        snprintf(name, sizeof name, "node_node%u_distance.txt", n);
        bool fits = node->distances.count == online;
        if (!fits)
            vmsim__capture_note(im->capture, name, "%zu distances for %u node%s: 10 and 20 are taken",
                                node->distances.count, im->nr_nodes, im->nr_nodes == 1 ? "" : "s");
        for (unsigned to = 0, at = 0; fits && to < im->nr_nodes; to++)
            row[to] = im->nodes[to].online ? node->distances.at[at++] : to == n ? 10 : 20;
        node->distances.count = 0;
        for (unsigned to = 0; fits && to < im->nr_nodes; to++) {
            if (!vmsim__vec_push(im->alloc, &node->distances, row[to]))
                return vmsim__import_nomem(im);
        }
    }
    return 0;
}

/* What a node is to itself decides whether a row can be believed. */
static void check_distances(struct vmsim__import *im) {
    for (unsigned n = 0; n < im->nr_nodes; n++) {
        struct vmsim__import_node *node = &im->nodes[n];
        char name[64];
        if (!node->distances.count || node->distances.at[n] == 10)
            continue;
        snprintf(name, sizeof name, "node_node%u_distance.txt", n);
        vmsim__capture_note(im->capture, name, "damaged: the node is %llu from itself; 10 and 20 are taken",
                            (unsigned long long)node->distances.at[n]);
        node->distances.count = 0;
    }
}

static void settle_cpus(struct vmsim__import *im) {
    uint64_t named = 0;
    for (unsigned n = 0; n < im->nr_nodes; n++)
        named += im->nodes[n].cpus.count;
    if (named || im->nr_cpus)
        return;
    for (size_t i = 0; i < im->zones.count; i++)
        im->nr_cpus = vmsim__max64(im->nr_cpus, im->zones.at[i].cpus);
    im->cpus_origin = im->nr_cpus ? "proc_zoneinfo.txt: pagesets" : "not known";
    if (!im->nr_cpus)
        im->nr_cpus = 1;
    vmsim__capture_note(im->capture, "node_node0_cpulist.txt", "missing: %llu CPU%s, spread over the nodes (%s)",
                        (unsigned long long)im->nr_cpus, im->nr_cpus == 1 ? "" : "s", im->cpus_origin);
}

/* ---- what boot kept ---- */

static unsigned node_of(const struct vmsim__import *im, uint64_t address) {
    for (unsigned n = 0; n < im->nr_nodes; n++) {
        for (size_t i = 0; i < im->nodes[n].ranges.count; i++) {
            const struct vmsim__range_spec *r = &im->nodes[n].ranges.at[i].range;
            if (address >= r->start && address - r->start < r->size)
                return n;
        }
    }
    return 0;
}

/* Zones of one node do not overlap, but those of several nodes may. */
static bool lies_in(const struct vmsim__import *im, uint64_t address, const struct vmsim__import_zone *z) {
    uint64_t pfn = address / im->page;
    return z->node == node_of(im, address) && pfn >= z->start && pfn < z->start + z->spanned;
}

/* Boot loaders of PCs put the initrd at the top of usable memory below 4 GiB; elsewhere, and where the kernel must move
 * it down into low memory, it is near the kernel. */
static void guess_initrd(struct vmsim__import *im) {
    if (im->spec.arch != VMSIM__ARCH_X86_64) {
        im->initrd_end = im->kernel_address + 1;
        return;
    }
    for (size_t i = 0; !im->initrd_end && i < im->map.count; i++) {
        const struct vmsim__range_spec *r = &im->map.at[i].range, *next;
        uint64_t end = r->start + r->size;
        next = i + 1 < im->map.count ? &im->map.at[i + 1].range : NULL;
        if (!r->reserved && end <= GIB4 && (!next || next->reserved || next->start >= GIB4))
            im->initrd_end = end;
    }
}

static uint64_t first_address(const struct vmsim__import *im) {
    uint64_t first = UINT64_MAX;
    for (size_t i = 0; i < im->map.count; i++)
        first = vmsim__min64(first, im->map.at[i].range.start);
    return im->map.count ? first : 0;
}

static void guess_boot_use(struct vmsim__import *im) {
    if (!im->have_init && im->zones.count)
        vmsim__capture_note(im->capture, "dmesg_mm.txt",
                            "does not say what boot freed late: the first watermarks are computed without it");
    if (!im->kernel_address && im->have_init) {
        im->kernel_address = (vmsim__arch_is_x86(im->spec.arch) ? 0 : first_address(im)) + 16 * MIB;
        vmsim__capture_note(im->capture, "proc_iomem.txt",
                            "does not show the kernel: it is taken to lie 16 MiB into memory, where it is linked");
    }
    guess_initrd(im);
}

static bool push_reserved(struct vmsim__import *im, const struct vmsim__import_zone *z) {
    struct vmsim__reserve_spec s = {.zone = z->type,
                                    .size = (z->present - z->managed) * im->page,
                                    .boost = z->boost * im->page,
                                    .cma = z->cma * im->page};
    char text[192];
    if (im->have_init && lies_in(im, im->kernel_address, z))
        s.boot_use += im->init_kb * 1024;
    if (im->initrd_kb && im->initrd_end && lies_in(im, im->initrd_end - 1, z))
        s.boot_use += im->initrd_kb * 1024;
    snprintf(text, sizeof text, "present %llu - managed %llu%s%s", (unsigned long long)z->present,
             (unsigned long long)z->managed, s.boost ? "; boost" : "", s.boot_use ? "; dmesg_mm.txt: Freeing ..." : "");
    return vmsim__vec_push(im->alloc, &im->nodes[z->node].reserved, s) &&
           vmsim__vec_push(im->alloc, &im->nodes[z->node].reserved_origin, text_of(im, "proc_zoneinfo.txt", text));
}

static int settle_reserved(struct vmsim__import *im) {
    guess_boot_use(im);
    for (size_t i = 0; i < im->zones.count; i++) {
        if (im->zones.at[i].node < im->nr_nodes && !push_reserved(im, &im->zones.at[i]))
            return vmsim__import_nomem(im);
    }
    return 0;
}

/* ---- the specification ---- */

static bool list_ranges(struct vmsim__import *im, const struct vmsim__import_range *from, size_t count,
                        struct vmsim_param_list *to) {
    struct vmsim__range_spec *at = vmsim__arena_alloc(&im->capture->arena, count, sizeof *at);
    for (size_t i = 0; at && i < count; i++)
        at[i] = from[i].range;
    *to = (struct vmsim_param_list){.data = at, .count = count};
    return at;
}

int vmsim__import_memory(struct vmsim__import *im) {
    int rc = settle_map(im);
    rc = rc ? rc : settle_nodes(im);
    rc = rc ? rc : settle_distances(im);
    if (!rc)
        check_distances(im);
    if (rc)
        return rc;
    settle_cpus(im);
    if (!im->nodes[0].memory)
        rc = settle_reserved(im);
    if (rc)
        return rc;
    struct vmsim__node_spec *nodes = vmsim__arena_alloc(&im->capture->arena, im->nr_nodes, sizeof *nodes);
    if (!nodes || !list_ranges(im, im->map.at, im->map.count, &im->spec.memory_map))
        return vmsim__import_nomem(im);
    for (unsigned n = 0; n < im->nr_nodes; n++) {
        struct vmsim__import_node *from = &im->nodes[n];
        nodes[n] = (struct vmsim__node_spec){.cpus = {from->cpus.at, from->cpus.count},
                                             .memory = from->memory,
                                             .distances = {from->distances.at, from->distances.count},
                                             .reserved = {from->reserved.at, from->reserved.count}};
        if (!list_ranges(im, from->ranges.at, from->ranges.count, &nodes[n].ranges))
            return vmsim__import_nomem(im);
    }
    im->spec.cpus = im->nr_cpus;
    im->spec.initrd = im->zones.count ? 0 : im->initrd_kb * 1024; /* else part of boot_use */
    im->spec.nodes = (struct vmsim_param_list){nodes, im->nr_nodes};
    return im->capture->failed ? vmsim__import_nomem(im) : 0;
}
