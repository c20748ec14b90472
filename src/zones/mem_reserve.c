/* SPDX-License-Identifier: MIT */
/* How much of each zone the kernel keeps for itself: as the spec says, or by a model of what boot takes.
 *
 *     x86 DMA zone        the first MiB
 *     zone of the image   text, data, bss (45 MiB, of which 8 MiB are init sections and go back), per-CPU areas
 *     each node's top     struct page of all its frames (64 bytes each), large hash tables on the last node
 *
 * Small zones are never eaten up: a zone keeps at least three quarters of its frames for the allocator. */
#include "zones/mem_layout.h"

#define MIB (UINT64_C(1) << 20)
#define IMAGE_BYTES (45 * MIB)
#define IMAGE_INIT_BYTES (8 * MIB)
#define PERCPU_BYTES (256 * 1024)
#define STRUCT_PAGE_BYTES 64
/* Dentry and inode caches at 1/1024 and 1/2048 of memory are the largest of the hash tables allocated at boot. */
#define HASH_SHIFT 9

static bool is_x86_dma(const struct vmsim__layout *l, const struct vmsim__zone_layout *z) {
    return z->type == VMSIM__ZONE_DMA && l->spec->arch != VMSIM__ARCH_ARM64;
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

/* Place of a node's page metadata: its highest zone that the kernel itself may use. */
static bool holds_memmap(const struct vmsim__layout *l, size_t zone) {
    const struct vmsim__zone_layout *z = &l->zones.at[zone];
    if (z->type > VMSIM__ZONE_NORMAL)
        return false;
    return zone + 1 == l->zones.count || z[1].node != z->node || z[1].type > VMSIM__ZONE_NORMAL;
}

/* Place of the kernel's image: the lowest zone that is not x86's DMA. */
static size_t image_zone(const struct vmsim__layout *l) {
    size_t best = 0;
    for (size_t i = 1; i < l->zones.count; i++) {
        if (is_x86_dma(l, &l->zones.at[best]) || l->zones.at[i].start < l->zones.at[best].start)
            best = is_x86_dma(l, &l->zones.at[i]) ? best : i;
    }
    return best;
}

static void model(struct vmsim__layout *l, size_t zone, uint64_t node_present, uint64_t total) {
    struct vmsim__zone_layout *z = &l->zones.at[zone];
    uint64_t page = UINT64_C(1) << l->page_shift, bytes = 0;
    if (is_x86_dma(l, z)) {
        z->reserved = frames_below(l, z, MIB >> l->page_shift);
    } else {
        if (zone == image_zone(l)) {
            bytes += IMAGE_BYTES - IMAGE_INIT_BYTES + PERCPU_BYTES * l->spec->cpus +
                     ((total << l->page_shift) >> HASH_SHIFT);
            z->boot_use = vmsim__min64(IMAGE_INIT_BYTES >> l->page_shift, z->present / 16);
        }
        if (holds_memmap(l, zone))
            bytes += node_present * STRUCT_PAGE_BYTES;
        z->reserved = vmsim__align_up(bytes, page) >> l->page_shift;
    }
    z->reserved = vmsim__min64(z->reserved, z->present / 4);
}

/* The spec's own numbers for one node. */
static int given(struct vmsim__layout *l, unsigned node, struct vmsim__err *err) {
    const struct vmsim_param_list *list = &vmsim__layout_node(l, node)->reserved;
    const struct vmsim__reserve_spec *r = list->data;
    for (size_t i = 0; i < list->count; i++) {
        struct vmsim__zone_layout *z = l->zones.at, *end = z + l->zones.count;
        while (z < end && (z->node != node || z->type != r[i].zone))
            z++;
        if (z == end)
            return vmsim__err_set(err, VMSIM_ECONFIG, "nodes[%u].reserved[%zu]: the node has no zone %s", node, i,
                                  vmsim__zone_type_name((enum vmsim__zone_type)r[i].zone));
        z->reserved = r[i].size >> l->page_shift;
        z->boot_use = r[i].boot_use >> l->page_shift;
        if (z->reserved > z->present || z->boot_use > z->present - z->reserved)
            return vmsim__err_set(err, VMSIM_ECONFIG, "nodes[%u].reserved[%zu] exceeds the zone's %llu frames", node, i,
                                  (unsigned long long)z->present);
    }
    return 0;
}

int vmsim__layout_reserve(struct vmsim__layout *l, struct vmsim__err *err) {
    uint64_t present[VMSIM__MAX_NODES] = {0}, total = 0;
    for (size_t i = 0; i < l->zones.count; i++) {
        present[l->zones.at[i].node] += l->zones.at[i].present;
        total += l->zones.at[i].present;
    }
    for (size_t i = 0; i < l->zones.count; i++) {
        unsigned node = l->zones.at[i].node;
        if (!vmsim__layout_node(l, node)->reserved.count)
            model(l, i, present[node], total);
    }
    for (unsigned n = 0; n < l->nr_nodes; n++) {
        int rc = given(l, n, err);
        if (rc)
            return rc;
    }
    return 0;
}
