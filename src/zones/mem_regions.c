/* SPDX-License-Identifier: MIT */
/* From the firmware map and the nodes' ranges (or sizes) to the memory regions that the kernel's memblock would hold.
 *
 * Made-up maps follow QEMU's machines, because that is what people compare with. x86 "pc", memory of size M:
 *
 *     0          640 KiB        1 MiB                       low end - 128 KiB       4 GiB
 *     | usable   | BIOS, EBDA   | usable ...                | ACPI  | PCI hole      | usable: the rest of M |
 *
 * low end = M below 3.5 GiB, else 3 GiB. arm, arm64 and riscv "virt": one range from 1 GiB, 2 GiB on. */
#include "zones/mem_layout.h"

#include <stdlib.h>
#include <string.h>

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

struct span {
    uint64_t start, end; /* bytes */
};
struct spans {
    VMSIM__VEC(struct span);
};

static int compare_spans(const void *a, const void *b) {
    uint64_t x = ((const struct span *)a)->start, y = ((const struct span *)b)->start;
    return x < y ? -1 : x > y;
}

static bool add_span(struct vmsim__alloc *alloc, struct spans *v, uint64_t start, uint64_t end) {
    return start >= end || vmsim__vec_push(alloc, v, (struct span){start, end});
}

/* Removes [start, end) from all spans. What is cut in two leaves its upper part at the end of the list. */
static bool cut_spans(struct vmsim__alloc *alloc, struct spans *v, uint64_t start, uint64_t end) {
    size_t count = v->count;
    for (size_t i = 0; i < count; i++) {
        struct span s = v->at[i];
        if (s.start >= end || s.end <= start)
            continue;
        v->at[i].end = start > s.start ? start : s.start; /* maybe empty: dropped by whoever reads it */
        if (!add_span(alloc, v, end, s.end))
            return false;
    }
    return true;
}

/* RAM as the board decodes it, before firmware takes its parts: what nodes of the simple form are cut from. */
static bool board_ram(struct vmsim__layout *l, uint64_t total, struct spans *ram) {
    if (!vmsim__arch_is_x86(l->spec->arch)) {
        uint64_t base = l->spec->arch == VMSIM__ARCH_RISCV ? 2 * GIB : GIB;
        return add_span(l->alloc, ram, base, base + total);
    }
    uint64_t low = total < 7 * GIB / 2 ? total : 3 * GIB;
    return add_span(l->alloc, ram, 0, low) && add_span(l->alloc, ram, 4 * GIB, 4 * GIB + (total - low));
}

/* What a PC's firmware keeps of it. Boards too small to have the hole at 640 KiB and ACPI tables keep all. */
static bool firmware_parts(struct vmsim__layout *l, struct spans *usable) {
    if (!vmsim__arch_is_x86(l->spec->arch) || usable->count == 0)
        return true;
    uint64_t low_end = usable->at[0].end;
    return cut_spans(l->alloc, usable, 639 * 1024, MIB) &&
           (low_end < 4 * MIB || cut_spans(l->alloc, usable, low_end - 128 * 1024, low_end));
}

static int usable_from_map(struct vmsim__layout *l, struct spans *usable, struct vmsim__err *err) {
    const struct vmsim__range_spec *map = l->spec->memory_map.data;
    size_t count = l->spec->memory_map.count;
    for (size_t i = 0; i < count; i++) {
        if (map[i].start + map[i].size < map[i].start)
            return vmsim__err_set(err, VMSIM_ECONFIG, "memory_map[%zu] reaches past the last address", i);
        if (!map[i].reserved && !add_span(l->alloc, usable, map[i].start, map[i].start + map[i].size))
            return VMSIM_ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        if (map[i].reserved && !cut_spans(l->alloc, usable, map[i].start, map[i].start + map[i].size))
            return VMSIM_ENOMEM;
    }
    if (usable->count == 0)
        return vmsim__err_set(err, VMSIM_ECONFIG, "memory_map has no usable range");
    qsort(usable->at, usable->count, sizeof *usable->at, compare_spans);
    for (size_t i = 1; i < usable->count; i++) {
        if (usable->at[i].start < usable->at[i - 1].end)
            return vmsim__err_set(err, VMSIM_ECONFIG, "memory_map: usable ranges overlap at 0x%llx",
                                  (unsigned long long)usable->at[i].start);
    }
    return 0;
}

/* Adds the frames of `usable` within [start, end) to a node; partial pages do not count, nor does x86's page 0. */
static int add_regions(struct vmsim__layout *l, const struct spans *usable, uint64_t start, uint64_t end, uint16_t node,
                       bool hotplug) {
    uint64_t page = UINT64_C(1) << l->page_shift;
    for (size_t i = 0; i < usable->count; i++) {
        uint64_t a = vmsim__max64(usable->at[i].start, start), b = vmsim__min64(usable->at[i].end, end);
        if (vmsim__arch_is_x86(l->spec->arch))
            a = vmsim__max64(a, page);
        if (a >= b)
            continue;
        a = vmsim__align_up(a, page) >> l->page_shift;
        b = b >> l->page_shift;
        if (a < b && !vmsim__vec_push(l->alloc, &l->regions, (struct vmsim__region){a, b, node, hotplug}))
            return VMSIM_ENOMEM;
    }
    return 0;
}

/* A node of the simple form: the next `size` bytes of RAM from *at on (`offset` bytes into it). */
static int add_sized_node(struct vmsim__layout *l, const struct spans *ram, const struct spans *usable, size_t *at,
                          uint64_t *offset, uint64_t size, uint16_t node) {
    while (size && *at < ram->count) {
        uint64_t start = ram->at[*at].start + *offset, take = vmsim__min64(size, ram->at[*at].end - start);
        int rc = add_regions(l, usable, start, start + take, node, false);
        if (rc)
            return rc;
        size -= take;
        *offset += take;
        if (start + take == ram->at[*at].end) {
            ++*at;
            *offset = 0;
        }
    }
    return 0;
}

/* A node's ranges; without any, all of the map when it is the only node, else its `memory` from the map's next bytes.
 */
static int place_nodes(struct vmsim__layout *l, const struct spans *ram, const struct spans *usable) {
    size_t at = 0;
    uint64_t offset = 0;
    for (unsigned n = 0; n < l->nr_nodes; n++) {
        const struct vmsim__node_spec *node = vmsim__layout_node(l, n);
        const struct vmsim__range_spec *r = node->ranges.data;
        int rc = 0;
        for (size_t i = 0; !rc && i < node->ranges.count; i++)
            rc = add_regions(l, usable, r[i].start, r[i].start + r[i].size, (uint16_t)n, r[i].hotplug);
        if (!rc && !node->ranges.count && !node->memory && l->nr_nodes == 1)
            rc = add_regions(l, usable, 0, UINT64_MAX, 0, false);
        else if (!rc && !node->ranges.count)
            rc = add_sized_node(l, ram, usable, &at, &offset, node->memory, (uint16_t)n);
        if (rc)
            return rc;
    }
    return 0;
}

/* Memory above it is left alone: entries of 32 bits reach 4 GiB, PAE kernels take 64, LPAE has 40 bits of address.
 * Kernel: MAX_NONPAE_PFN and highmem_pfn_init; early_init_dt_add_memory_arch. */
static uint64_t kernel_reach(int arch) {
    switch (arch) {
    case VMSIM__ARCH_X86_32:
    case VMSIM__ARCH_ARM:
        return 4 * GIB;
    case VMSIM__ARCH_X86_PAE:
        return 64 * GIB;
    case VMSIM__ARCH_ARM_LPAE:
        return UINT64_C(1) << 40;
    default:
        return UINT64_MAX;
    }
}

/* ---- Low memory of 32-bit machines ---- */

#define USER_SPACE (3 * GIB)
#define VMALLOC_GUARD (8 * MIB) /* between the kernel's mapping of memory and the vmalloc area */

/* What the kernel can map for good: the last gigabyte of address space less vmalloc's part and what lies above it
 * (fixed mappings and, on x86, kmap's window). Kernel: MAXMEM of x86, adjust_lowmem_bounds of arm. */
static uint64_t lowmem_room(const struct vmsim__mem_spec *spec) {
    bool arm = spec->arch == VMSIM__ARCH_ARM || spec->arch == VMSIM__ARCH_ARM_LPAE;
    uint64_t end = arm ? 0xff800000 : spec->arch == VMSIM__ARCH_X86_PAE ? 0xfeffe000 : 0xfebfe000;
    uint64_t area = arm ? 240 * MIB + VMALLOC_GUARD : 128 * MIB; /* x86's default has its guard within */
    if (spec->vmalloc)
        area = vmsim__min64(spec->vmalloc, end - USER_SPACE) + VMALLOC_GUARD;
    uint64_t room = end - USER_SPACE;
    return area + 32 * MIB < room ? room - area : 32 * MIB;
}

static uint64_t top_of(const struct spans *v) {
    uint64_t top = 0;
    for (size_t i = 0; i < v->count; i++)
        top = vmsim__max64(top, v->at[i].end);
    return top;
}

/* x86 with `highmem=`: a machine whose memory could all be low gives that much of it away, if 64 MiB stay; a larger one
 * drops what is above. What cannot be is ignored. Kernel: lowmem_pfn_init, highmem_pfn_init. */
static bool settle_lowmem(struct vmsim__layout *l, struct spans *usable) {
    const struct vmsim__mem_spec *spec = l->spec;
    l->lowmem = lowmem_room(spec);
    if (!vmsim__arch_is_x86(spec->arch) || !spec->highmem_given)
        return true;
    uint64_t top = top_of(usable);
    if (top > l->lowmem)
        return l->lowmem + spec->highmem >= top || cut_spans(l->alloc, usable, l->lowmem + spec->highmem, UINT64_MAX);
    if (spec->highmem < top && top - spec->highmem >= 64 * MIB)
        l->lowmem = top - spec->highmem;
    return true;
}

/* Where frames can still be numbered. */
static uint64_t most_bytes(const struct vmsim__layout *l) {
    return UINT64_C(1) << (31 + l->page_shift);
}

static int ends_too_high(const struct vmsim__layout *l, struct vmsim__err *err) {
    return vmsim__err_set(err, VMSIM_ELIMIT, "memory ends above %llu TiB, the most that vmsim numbers",
                          (unsigned long long)(most_bytes(l) >> 40));
}

static int compare_regions(const void *a, const void *b) {
    uint64_t x = ((const struct vmsim__region *)a)->start, y = ((const struct vmsim__region *)b)->start;
    return x < y ? -1 : x > y;
}

/* Usable memory that is on no node: the kernel tolerates 1 MiB of it, and so do we. */
static int check_cover(const struct vmsim__layout *l, const struct spans *usable, struct vmsim__err *err) {
    uint64_t bytes = 0, covered = 0;
    for (size_t i = 0; i < usable->count; i++)
        bytes += usable->at[i].end - usable->at[i].start;
    for (size_t i = 0; i < l->regions.count; i++)
        covered += (l->regions.at[i].end - l->regions.at[i].start) << l->page_shift;
    if (bytes > covered + MIB)
        return vmsim__err_set(err, VMSIM_ECONFIG, "%llu KiB of the memory map belong to no node",
                              (unsigned long long)((bytes - covered) >> 10));
    return 0;
}

static int check_regions(struct vmsim__layout *l, struct vmsim__err *err) {
    if (l->regions.count == 0)
        return vmsim__err_set(err, VMSIM_ECONFIG, "the machine has no memory");
    qsort(l->regions.at, l->regions.count, sizeof *l->regions.at, compare_regions);
    for (size_t i = 1; i < l->regions.count; i++) {
        if (l->regions.at[i].start < l->regions.at[i - 1].end)
            return vmsim__err_set(err, VMSIM_ECONFIG, "nodes %u and %u overlap at page frame 0x%llx",
                                  l->regions.at[i - 1].node, l->regions.at[i].node,
                                  (unsigned long long)l->regions.at[i].start);
    }
    if (l->regions.at[l->regions.count - 1].end >= VMSIM__PFN_NONE >> 1)
        return ends_too_high(l, err);
    return 0;
}

/* The sum of the nodes' sizes, in *total. Sizes and ranges so large that addresses would come round are refused. */
static int add_up(const struct vmsim__layout *l, uint64_t *total, struct vmsim__err *err) {
    *total = 0;
    for (unsigned n = 0; n < l->nr_nodes; n++) {
        const struct vmsim__node_spec *node = vmsim__layout_node(l, n);
        const struct vmsim__range_spec *r = node->ranges.data;
        for (size_t i = 0; i < node->ranges.count; i++) {
            if (r[i].start + r[i].size < r[i].start)
                return vmsim__err_set(err, VMSIM_ECONFIG, "nodes[%u].ranges[%zu]: it reaches past the last address", n,
                                      i);
        }
        if (node->memory > most_bytes(l) - *total)
            return ends_too_high(l, err);
        *total += node->memory;
    }
    return 0;
}

#define PLUG_ALIGN GIB /* where plugged memory begins: boards place it by gigabytes */

/* What of a hot-pluggable range holds no memory yet. Both lists ascend. */
static int plug_rest(struct vmsim__layout *l, uint64_t start, uint64_t end, uint16_t node) {
    for (size_t i = 0; i <= l->regions.count && start < end; i++) {
        const struct vmsim__region *r = i < l->regions.count ? &l->regions.at[i] : NULL;
        uint64_t until = r && r->start < end ? r->start : end;
        if (r && r->end <= start)
            continue;
        if (start < until && !vmsim__vec_push(l->alloc, &l->plug, (struct vmsim__region){start, until, node, true}))
            return VMSIM_ENOMEM;
        start = r ? vmsim__max64(start, r->end) : end;
    }
    return 0;
}

/* Where memory may be plugged in: what firmware marks as hot-pluggable, as far as frames can be numbered, and room
 * above everything for nodes that ask for it. */
static int place_plug(struct vmsim__layout *l, struct vmsim__err *err) {
    uint64_t most = most_bytes(l), top = l->regions.at[l->regions.count - 1].end << l->page_shift;
    int rc = 0;
    for (unsigned n = 0; n < l->nr_nodes; n++) {
        const struct vmsim__node_spec *node = vmsim__layout_node(l, n);
        const struct vmsim__range_spec *r = node->ranges.data;
        for (size_t i = 0; !rc && i < node->ranges.count; i++) {
            uint64_t end = vmsim__min64(r[i].start + r[i].size, most - GIB);
            if (!r[i].hotplug || r[i].start >= end)
                continue;
            rc = plug_rest(l, r[i].start >> l->page_shift, end >> l->page_shift, (uint16_t)n);
            top = vmsim__max64(top, end);
        }
    }
    for (unsigned n = 0; !rc && n < l->nr_nodes; n++) {
        uint64_t size = vmsim__layout_node(l, n)->hotplug_memory;
        top = vmsim__align_up(top, PLUG_ALIGN);
        if (size > most - GIB || top > most - GIB - size)
            return size ? ends_too_high(l, err) : 0;
        if (size)
            rc = plug_rest(l, top >> l->page_shift, (top + size) >> l->page_shift, (uint16_t)n);
        top += size;
    }
    if (!rc && l->plug.count)
        qsort(l->plug.at, l->plug.count, sizeof *l->plug.at, compare_regions);
    for (size_t i = 1; !rc && i < l->plug.count; i++) {
        if (l->plug.at[i].start < l->plug.at[i - 1].end)
            rc = vmsim__err_set(err, VMSIM_ECONFIG, "hot-pluggable ranges of nodes %u and %u overlap",
                                l->plug.at[i - 1].node, l->plug.at[i].node);
    }
    return rc;
}

int vmsim__layout_regions(struct vmsim__layout *l, struct vmsim__err *err) {
    struct spans ram = {0}, usable = {0};
    uint64_t total;
    int rc = add_up(l, &total, err);
    if (rc)
        return rc;
    if (l->spec->memory_map.count) {
        rc = usable_from_map(l, &usable, err);
        for (size_t i = 0; !rc && i < usable.count; i++)
            rc = add_span(l->alloc, &ram, usable.at[i].start, usable.at[i].end) ? 0 : VMSIM_ENOMEM;
    } else if (!board_ram(l, total, &ram) || !board_ram(l, total, &usable) || !firmware_parts(l, &usable)) {
        rc = VMSIM_ENOMEM;
    }
    /* a PC never uses 640 KiB to 1 MiB, whatever its firmware says */
    if (!rc && vmsim__arch_is_x86(l->spec->arch) && !cut_spans(l->alloc, &usable, 640 * 1024, MIB))
        rc = VMSIM_ENOMEM;
    if (!rc && !cut_spans(l->alloc, &usable, kernel_reach(l->spec->arch), UINT64_MAX))
        rc = VMSIM_ENOMEM;
    if (!rc && !settle_lowmem(l, &usable))
        rc = VMSIM_ENOMEM;
    if (!rc)
        rc = place_nodes(l, &ram, &usable);
    if (!rc && l->regions.count)
        rc = check_cover(l, &usable, err);
    vmsim__vec_fini(l->alloc, &ram);
    vmsim__vec_fini(l->alloc, &usable);
    rc = rc ? rc : check_regions(l, err);
    return rc ? rc : place_plug(l, err);
}
