/* SPDX-License-Identifier: MIT */
/* How much of each zone the kernel keeps for itself: as the spec says, or by a model of what boot takes.
 *
 *     x86 DMA zone          the first MiB
 *     zone of the image     text, data, bss; init sections, which go back after the watermarks were computed
 *     below 4 GiB, highest  64 MiB of bounce buffers when there is memory above (x86-64)
 *     top of each node      struct page of its sections, per-CPU areas of its CPUs, node data; hash tables on a
 * one-node machine (with more nodes they come from vmalloc later); small tables of boot on the first and the last node
 *
 * Early allocations go down from the top of the node's memory whatever the zone is, so they lie in MOVABLE where there
 * is one. Machines too small for the image give half of a zone. The sizes of one build of the kernel are in the kernel
 * table; what depends on the machine is computed. Kernel counterparts: mm/memblock.c, mm/sparse.c,
 * alloc_large_system_hash, kernel/dma/swiotlb.c. */
#include "zones/mem_layout.h"

#define MIB (UINT64_C(1) << 20)
#define BOUNCE_BYTES (64 * MIB)       /* swiotlb's default */
#define BOUNCE_SLOT_BYTES 24          /* one for each 2 KiB of it */
#define BOUNCE_AREA_BYTES (12 * 1024) /* and the rest of its bookkeeping */
#define STRUCT_PAGE_BYTES UINT64_C(64)
#define NODE_DATA_BYTES (172 * 1024) /* pg_data_t with 1024 possible nodes */
#define FIRST_NODE_BYTES (12 * 1024) /* small tables of boot: real mode, ACPI, memory blocks */
#define LAST_NODE_BYTES (52 * 1024)
#define HASH_ADAPT_FRAMES (UINT64_C(1) << 24) /* from 64 GiB on hash tables grow with the root of memory */

static bool is_x86_dma(const struct vmsim__layout *l, const struct vmsim__zone_layout *z) {
    return z->type == VMSIM__ZONE_DMA && vmsim__arch_is_x86(l->spec->arch);
}

static uint64_t frames_below(const struct vmsim__layout *l, const struct vmsim__zone_layout *z, uint64_t limit) {
    uint64_t n = 0;
    for (size_t i = 0; i < l->regions.count; i++) {
        const struct vmsim__region *r = &l->regions.at[i];
        uint64_t a = vmsim__max64(r->start, z->start), b = vmsim__min64(r->end, limit);
        if (r->node == z->node && a < b)
            n += b - a;
    }
    return n;
}

/* ---- The model ---- */

/* Sizes of Debian's builds, as their logs tell them ("Memory: ...", "percpu: Embedded ..."); `other`: what else a boot
 * of 1 GiB was seen to keep (tables that map memory, firmware's copies). */
struct build {
    int arch;
    const char *kernel; /* the release that it holds from on; later rows of an architecture are newer */
    uint64_t image, init, percpu, other; /* KiB */
    uint64_t node_data, struct_page;     /* bytes */
};
static const struct build builds[] = {
    {VMSIM__ARCH_X86_32, "6.1", 14225, 912, 132, 1400, 0, 32},
    {VMSIM__ARCH_X86_PAE, "6.1", 14352, 928, 132, 1400, 0, 32},
    {VMSIM__ARCH_ARM64, "6.1", 26185, 6464, 124, 1124, 12 * 1024, 64},
    {VMSIM__ARCH_ARM64, "6.12", 34247, 9664, 136, 1124, 15 * 1024, 64},
    {VMSIM__ARCH_ARM, "6.1", 17073, 2048, 72, 1500, 0, 32},
    {VMSIM__ARCH_ARM_LPAE, "6.1", 18140, 2048, 76, 1500, 0, 32},
};

static struct build build_of(const struct vmsim__layout *l, const struct vmsim__kernel *kernel) {
    struct build b = {.arch = l->spec->arch,
                      .image = kernel->image_kb,
                      .init = kernel->image_init_kb,
                      .percpu = kernel->percpu_kb,
                      .node_data = NODE_DATA_BYTES,
                      .struct_page = STRUCT_PAGE_BYTES};
    for (size_t i = 0; i < VMSIM__COUNT(builds); i++) {
        if (builds[i].arch == b.arch && vmsim__kernel_since(kernel, builds[i].kernel))
            b = builds[i];
    }
    return b;
}

/* Bytes of one early hash table with a bucket for each 2^scale bytes of memory. */
static uint64_t hash_bytes(const struct vmsim__layout *l, uint64_t frames, unsigned scale) {
    for (uint64_t adapt = HASH_ADAPT_FRAMES; adapt < frames; adapt <<= 2)
        scale++;
    uint64_t entries = vmsim__align_up(frames, MIB >> l->page_shift) << l->page_shift >> scale;
    uint64_t buckets = UINT64_C(1) << vmsim__log2(vmsim__max64(entries, 1));
    return (buckets < entries ? buckets * 2 : buckets) * 8;
}

/* Frames of struct page for the sections that begin on a node. */
static uint64_t memmap_frames(const struct vmsim__layout *l, unsigned node, const struct build *b) {
    unsigned shift = vmsim__section_shift(l->spec->arch, l->page_shift) - l->page_shift;
    uint64_t sections = 0, next = 0;
    for (size_t i = 0; i < l->regions.count; i++) {
        const struct vmsim__region *r = &l->regions.at[i];
        uint64_t first = vmsim__max64(r->start >> shift, next), end = ((r->end - 1) >> shift) + 1;
        if (r->node == node && end > first)
            sections += end - first;
        next = vmsim__max64(next, end);
    }
    return sections * (b->struct_page << shift >> l->page_shift);
}

/* CPUs whose home is this node: of those on several nodes, the first is. */
static uint64_t node_cpus(const struct vmsim__layout *l, unsigned node) {
    uint64_t named = 0, mine = 0, seen[VMSIM__CPUS_MAX / 64] = {0};
    for (unsigned n = 0; n < l->nr_nodes; n++) {
        const struct vmsim_param_list *cpus = &vmsim__layout_node(l, n)->cpus;
        for (size_t i = 0; i < cpus->count; i++) {
            uint64_t cpu = ((const uint64_t *)cpus->data)[i], bit = UINT64_C(1) << cpu % 64;
            bool fresh = !(seen[cpu / 64] & bit);
            seen[cpu / 64] |= bit;
            named += fresh;
            mine += fresh && n == node;
        }
    }
    uint64_t rest = vmsim__max64(l->spec->cpus, 1);
    rest = rest > named ? rest - named : 0; /* those that no node names go round */
    return mine + rest / l->nr_nodes + (node < rest % l->nr_nodes);
}

/* What a zone gives at most: half of it, or three quarters where the kernel's image just fits. */
static uint64_t most_of(const struct vmsim__zone_layout *z) {
    uint64_t taken = z->reserved + z->boot_use;
    return taken > z->present / 2 ? z->present / 4 * 3 : z->present / 2;
}

/* Does a zone give frames to boot? x86's DMA zone does not, nor does what the kernel does not map. */
static bool gives(const struct vmsim__layout *l, const struct vmsim__zone_layout *z) {
    bool high = z->type == VMSIM__ZONE_HIGHMEM || (z->type == VMSIM__ZONE_MOVABLE && l->movable_is_highmem);
    return !high && !is_x86_dma(l, z);
}

/* Takes frames from the top of a node, zone after zone downward. */
static void take_from_top(struct vmsim__layout *l, unsigned node, uint64_t frames) {
    for (size_t i = l->zones.count; i-- > 0 && frames;) {
        struct vmsim__zone_layout *z = &l->zones.at[i];
        uint64_t most = most_of(z), room = most - vmsim__min64(most, z->reserved + z->boot_use);
        if (z->node != node || !gives(l, z))
            continue;
        uint64_t take = vmsim__min64(frames, room);
        z->reserved += take;
        frames -= take;
    }
}

/* The lowest zone that is not x86's DMA holds the kernel's image. */
static void model_image(struct vmsim__layout *l, const struct build *b) {
    struct vmsim__zone_layout *best = NULL;
    for (size_t i = 0; i < l->zones.count; i++) {
        struct vmsim__zone_layout *z = &l->zones.at[i];
        if (!is_x86_dma(l, z) && (!best || z->start < best->start))
            best = z;
    }
    if (!best)
        return;
    uint64_t init = (b->init << 10) >> l->page_shift, image = (b->image << 10) >> l->page_shift;
    bool fits = init + image <= best->present / 3 * 2;
    best->boot_use = fits ? init : vmsim__min64(init, best->present / 8);
    best->reserved += fits ? image : vmsim__min64(image, best->present / 2 - best->boot_use);
}

/* May there be memory above `limit`, now or plugged in later? Ranges of nodes say what is possible. */
static bool memory_above(const struct vmsim__layout *l, uint64_t limit) {
    bool above = l->regions.at[l->regions.count - 1].end << l->page_shift > limit;
    for (unsigned n = 0; n < l->nr_nodes && !above; n++) {
        const struct vmsim_param_list *ranges = &vmsim__layout_node(l, n)->ranges;
        const struct vmsim__range_spec *r = ranges->data;
        for (size_t i = 0; i < ranges->count; i++)
            above |= r[i].start + r[i].size > limit;
    }
    return above;
}

/* The zone of the highest frames below 4 GiB, where devices can reach and boot loaders put things. */
static struct vmsim__zone_layout *zone_below_4g(const struct vmsim__layout *l) {
    struct vmsim__zone_layout *best = NULL;
    for (size_t i = 0; i < l->zones.count; i++) {
        struct vmsim__zone_layout *z = &l->zones.at[i];
        if (gives(l, z) && z->start < (UINT64_C(1) << 32) >> l->page_shift && (!best || z->start > best->start))
            best = z;
    }
    return best;
}

/* As many of `frames` as a zone still has: the parts of a made-up boot may come to more than a small zone. */
static uint64_t still(const struct vmsim__zone_layout *z, uint64_t frames) {
    VMSIM__ASSERT(z->reserved + z->boot_use <= z->present);
    return vmsim__min64(frames, z->present - z->reserved - z->boot_use);
}

/* Bounce buffers; their bookkeeping is an ordinary early allocation. */
static uint64_t model_bounce(struct vmsim__layout *l) {
    bool has_bounce = l->spec->arch == VMSIM__ARCH_X86_64 || l->spec->arch == VMSIM__ARCH_ARM64 ||
                      l->spec->arch == VMSIM__ARCH_X86_PAE;
    if (!has_bounce || !memory_above(l, UINT64_C(1) << 32))
        return 0;
    struct vmsim__zone_layout *z = zone_below_4g(l);
    if (z)
        z->reserved += still(z, vmsim__min64(BOUNCE_BYTES >> l->page_shift, z->present / 2));
    return BOUNCE_BYTES / 2048 * BOUNCE_SLOT_BYTES + BOUNCE_AREA_BYTES;
}

static void model_initrd(struct vmsim__layout *l) {
    struct vmsim__zone_layout *z = zone_below_4g(l);
    uint64_t page = UINT64_C(1) << l->page_shift;
    if (z)
        z->boot_use += still(z, vmsim__min64(vmsim__align_up(l->spec->initrd, page) >> l->page_shift, z->present / 4));
}

static void model_node(struct vmsim__layout *l, const struct vmsim__kernel *kernel, const struct build *b,
                       unsigned node, uint64_t bytes) {
    uint64_t page = UINT64_C(1) << l->page_shift;
    bytes += b->node_data + (uint64_t)kernel->section_kb * 1024;
    bytes += node_cpus(l, node) * b->percpu * 1024;
    take_from_top(l, node, memmap_frames(l, node, b) + (vmsim__align_up(bytes, page) >> l->page_shift));
}

/* What nodes without memory need is taken from the first node with some. */
static void model(struct vmsim__layout *l, const struct vmsim__kernel *kernel) {
    const struct build b = build_of(l, kernel);
    unsigned nodes = 0, first = 0, last = 0;
    uint64_t total = 0, extra[VMSIM__MAX_NODES] = {0};
    for (size_t i = 0; i < l->zones.count; i++) {
        struct vmsim__zone_layout *z = &l->zones.at[i];
        if (is_x86_dma(l, z))
            z->reserved = vmsim__min64(frames_below(l, z, MIB >> l->page_shift), z->present / 2);
        nodes += i == 0 || z[-1].node != z->node;
        first = i == 0 ? z->node : first;
        last = z->node;
        total += z->present;
    }
    model_image(l, &b);
    model_initrd(l);
    extra[first] += FIRST_NODE_BYTES + b.other * 1024;
    extra[last] += LAST_NODE_BYTES + model_bounce(l);
    if (l->spec->arch == VMSIM__ARCH_ARM64) /* all memory is mapped page by page, so that text can be read-only */
        extra[last] += total * sizeof(uint64_t);
    if (nodes == 1)
        extra[first] += hash_bytes(l, total - total / 64, 13) + hash_bytes(l, total - total / 64, 14);
    for (unsigned n = 0; n < l->nr_nodes; n++) {
        bool has_memory = false;
        for (size_t i = 0; i < l->zones.count; i++)
            has_memory |= l->zones.at[i].node == n;
        if (!has_memory)
            extra[first] += b.node_data + node_cpus(l, n) * b.percpu * 1024;
    }
    for (size_t i = 0; i < l->zones.count; i++) {
        if (i == 0 || l->zones.at[i - 1].node != l->zones.at[i].node)
            model_node(l, kernel, &b, l->zones.at[i].node, extra[l->zones.at[i].node]);
    }
}

/* ---- The spec's own numbers ---- */

/* They replace the model's on their node; zones not named give nothing. */
static int given(struct vmsim__layout *l, unsigned node, struct vmsim__err *err) {
    const struct vmsim_param_list *list = &vmsim__layout_node(l, node)->reserved;
    const struct vmsim__reserve_spec *r = list->data;
    for (size_t i = 0; list->count && i < l->zones.count; i++) {
        if (l->zones.at[i].node == node)
            l->zones.at[i].reserved = l->zones.at[i].boot_use = 0;
    }
    for (size_t i = 0; i < list->count; i++) {
        struct vmsim__zone_layout *z = l->zones.at, *end = z + l->zones.count;
        while (z < end && (z->node != node || z->type != r[i].zone))
            z++;
        if (z == end)
            return vmsim__err_set(err, VMSIM_ECONFIG, "nodes[%u].reserved[%zu]: the node has no zone %s", node, i,
                                  vmsim__zone_type_name((enum vmsim__zone_type)r[i].zone));
        z->reserved = r[i].size >> l->page_shift;
        z->boot_use = r[i].boot_use >> l->page_shift;
        z->boost = r[i].boost >> l->page_shift;
        z->cma = vmsim__align_up(r[i].cma >> l->page_shift, UINT64_C(1) << l->pageblock_order);
        if (z->reserved > z->present || z->boot_use > z->present - z->reserved ||
            z->cma > z->present - z->reserved - z->boot_use)
            return vmsim__err_set(
                err, VMSIM_ECONFIG,
                "nodes[%u].reserved[%zu]: %llu KiB reserved, %llu KiB of boot and %llu KiB of CMA are "
                "more than the %llu KiB that zone %s has",
                node, i, (unsigned long long)(r[i].size >> 10), (unsigned long long)(r[i].boot_use >> 10),
                (unsigned long long)(r[i].cma >> 10), (unsigned long long)(z->present << l->page_shift >> 10),
                vmsim__zone_type_name((enum vmsim__zone_type)r[i].zone));
    }
    return 0;
}

int vmsim__layout_reserve(struct vmsim__layout *l, const struct vmsim__kernel *kernel, struct vmsim__err *err) {
    model(l, kernel);
    for (unsigned n = 0; n < l->nr_nodes; n++) {
        int rc = given(l, n, err);
        if (rc)
            return rc;
    }
    return 0;
}
