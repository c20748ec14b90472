/* SPDX-License-Identifier: MIT */
/* Pools of hugetlb pages: one a size (hstate) and node.
 *
 *     hstate[]:  1 GiB | 2 MiB             larger sizes first
 *     pool:      head -> page -> page      free ones, chained by the `next` of their first frame; used last, taken
 * first
 *
 * Pages above the buddy's top order are gigantic: boot takes them from the top of a node before anything is handed
 * over, and they count as managed memory only once the pools have taken them over, which is after the first watermarks.
 * Kernel counterparts: mm/hugetlb.c, hugetlbpage.c of each architecture. */
#include "zones/zones_internal.h"

#define KIB UINT64_C(1024)
#define MIB (KIB << 10)
#define GIB (KIB << 20)

/* ---- Sizes ---- */

/* What each architecture's page tables map by one entry, or by a run of entries with the contiguous hint; 0 ends a row.
 * The second member is the default: one entry of the second level. On x86-64, processors without pages of 1 GiB have
 * no such pool: it is there where it is asked for. */
static const struct size_row {
    uint8_t arch, page_shift;
    uint64_t fallback;
    uint64_t sizes[VMSIM__HSTATES];
    bool all; /* all sizes have pools, used or not */
} size_rows[] = {
    {VMSIM__ARCH_X86_64, 12, 2 * MIB, {GIB, 2 * MIB}, false},
    {VMSIM__ARCH_X86_32, 12, 4 * MIB, {4 * MIB}, true},
    {VMSIM__ARCH_X86_PAE, 12, 2 * MIB, {2 * MIB}, true},
    {VMSIM__ARCH_ARM64, 12, 2 * MIB, {GIB, 32 * MIB, 2 * MIB, 64 * KIB}, true},
    {VMSIM__ARCH_ARM64, 14, 32 * MIB, {GIB, 32 * MIB, 2 * MIB}, true},
    {VMSIM__ARCH_ARM64, 16, 512 * MIB, {16 * GIB, 512 * MIB, 2 * MIB}, true},
    {VMSIM__ARCH_RISCV, 12, 2 * MIB, {GIB, 2 * MIB}, true},
    {VMSIM__ARCH_ARM_LPAE, 12, 2 * MIB, {2 * MIB}, true},
    {VMSIM__ARCH_ARM, 12, 0, {0}, true}, /* none */
};

static const struct size_row *find_row(unsigned arch, unsigned page_shift) {
    for (unsigned i = 0; i < VMSIM__COUNT(size_rows); i++) {
        if (size_rows[i].arch == arch && size_rows[i].page_shift == page_shift)
            return &size_rows[i];
    }
    return NULL;
}

bool vmsim__hugetlb_size_known(unsigned arch, unsigned page_shift, uint64_t bytes) {
    const struct size_row *row = find_row(arch, page_shift);
    for (unsigned i = 0; row && i < VMSIM__HSTATES; i++) {
        if (bytes && row->sizes[i] == bytes)
            return true;
    }
    return false;
}

static bool wanted(const struct vmsim__mem_spec *spec, uint64_t bytes) {
    const struct vmsim__hugetlb_spec *pools = spec->hugetlb.data;
    for (size_t i = 0; i < spec->hugetlb.count; i++) {
        if (pools[i].size == bytes)
            return true;
    }
    return spec->default_hugepagesz == bytes || (bytes == GIB && spec->gigantic_pages);
}

static int check_pools(const struct vmsim__mem *mem, const struct vmsim__mem_spec *spec, struct vmsim__err *err) {
    const struct vmsim__hugetlb_spec *pools = spec->hugetlb.data;
    for (size_t i = 0; i < spec->hugetlb.count; i++) {
        if (pools[i].size && !vmsim__hugetlb_size_known(mem->arch, mem->page_shift, pools[i].size))
            return vmsim__err_set(err, VMSIM_ECONFIG, "hugetlb[%zu]: %llu bytes is no size of huge pages of %s", i,
                                  (unsigned long long)pools[i].size, vmsim__arch_names[mem->arch]);
        if (pools[i].on_node && pools[i].node >= mem->nr_nodes)
            return vmsim__err_set(err, VMSIM_ECONFIG, "hugetlb[%zu]: there is no node %llu", i,
                                  (unsigned long long)pools[i].node);
    }
    if (spec->default_hugepagesz && !vmsim__hugetlb_size_known(mem->arch, mem->page_shift, spec->default_hugepagesz))
        return vmsim__err_set(err, VMSIM_ECONFIG, "default_hugepagesz: %llu bytes is no size of huge pages of %s",
                              (unsigned long long)spec->default_hugepagesz, vmsim__arch_names[mem->arch]);
    return 0;
}

int vmsim__hugetlb_init(struct vmsim__mem *mem, const struct vmsim__mem_spec *spec, struct vmsim__err *err) {
    const struct size_row *row = find_row(mem->arch, mem->page_shift);
    VMSIM__ASSERT(row);
    uint64_t fallback = spec->default_hugepagesz ? spec->default_hugepagesz : row->fallback;
    for (unsigned i = 0; i < VMSIM__HSTATES && row->sizes[i]; i++) {
        if (!row->all && row->sizes[i] != row->fallback && !wanted(spec, row->sizes[i]))
            continue;
        mem->default_hstate = row->sizes[i] == fallback ? mem->nr_hstates : mem->default_hstate;
        mem->hstate[mem->nr_hstates++].order = (uint8_t)(vmsim__log2(row->sizes[i]) - mem->page_shift);
    }
    for (unsigned n = 0; n < mem->nr_nodes; n++) {
        for (unsigned h = 0; h < VMSIM__HSTATES; h++)
            mem->nodes[n].hugetlb[h].head = VMSIM__PFN_NONE;
    }
    return check_pools(mem, spec, err);
}

/* The hstate of a size in bytes, 0 meaning the default; nr_hstates: none. */
static unsigned hstate_of(const struct vmsim__mem *mem, uint64_t bytes) {
    unsigned h = 0;
    if (!bytes)
        return mem->default_hstate;
    while (h < mem->nr_hstates && UINT64_C(1) << (mem->hstate[h].order + mem->page_shift) != bytes)
        h++;
    return h;
}

/* ---- Counts ---- */

static bool on(unsigned n, unsigned node) {
    return node == VMSIM__MAX_NODES || n == node;
}

uint64_t vmsim__hugetlb_total(const struct vmsim__mem *mem, unsigned hstate, unsigned node) {
    VMSIM__ASSERT(hstate < mem->nr_hstates);
    uint64_t pages = 0;
    for (unsigned n = 0; n < mem->nr_nodes; n++)
        pages += on(n, node) ? mem->nodes[n].hugetlb[hstate].total : 0;
    return pages;
}

uint64_t vmsim__hugetlb_free(const struct vmsim__mem *mem, unsigned hstate, unsigned node) {
    VMSIM__ASSERT(hstate < mem->nr_hstates);
    uint64_t pages = 0;
    for (unsigned n = 0; n < mem->nr_nodes; n++)
        pages += on(n, node) ? mem->nodes[n].hugetlb[hstate].free : 0;
    return pages;
}

uint64_t vmsim__hugetlb_frames(const struct vmsim__mem *mem, unsigned node) {
    uint64_t frames = 0;
    for (unsigned h = 0; h < mem->nr_hstates; h++)
        frames += vmsim__hugetlb_total(mem, h, node) << mem->hstate[h].order;
    return frames;
}

/* ---- Boot ---- */

static void enqueue(struct vmsim__mem *mem, struct vmsim__node *node, unsigned hstate, vmsim__pfn pfn) {
    struct vmsim__hugetlb_pool *pool = &node->hugetlb[hstate];
    VMSIM__ASSERT(vmsim__frame_of(mem, pfn)->refcount == 1);
    VMSIM__ASSERT(!(pfn & ((UINT64_C(1) << mem->hstate[hstate].order) - 1)));
    vmsim__frame_of(mem, pfn)->next = pool->head;
    pool->head = pfn;
    pool->free++;
    pool->total++;
}

/* One gigantic page from the top of a node's never-touched memory; its frames are in no list from then on. Kernel:
 * alloc_bootmem_huge_page: memblock gives memory from the top of the node downward, and before the buddy exists. */
static bool take_gigantic(struct vmsim__mem *mem, struct vmsim__node *node, unsigned hstate) {
    uint64_t size = UINT64_C(1) << mem->hstate[hstate].order, block = (uint64_t)mem->frames.mask + 1;
    for (unsigned i = node->nr_zones; i-- > 0;) {
        struct vmsim__zone *z = &mem->zones[node->zone[i]];
        for (size_t e = z->extents.count; e-- > z->extents.first;) {
            uint64_t end = z->extents.at[e].end & ~(size - 1), start = end - size;
            if (end < size || start < z->extents.at[e].start)
                continue;
            for (uint64_t p = start; p < end; p += block) {
                if (!vmsim__buddy_unlink(mem, z, (vmsim__pfn)p))
                    return false;
            }
            vmsim__frame_of(mem, (vmsim__pfn)start)->refcount = 1;
            enqueue(mem, node, hstate, (vmsim__pfn)start);
            z->in_use += size;
            z->managed -= size; /* counts again once the pool has taken it over */
            mem->totalram -= size;
            return true;
        }
    }
    return false;
}

/* Huge pages can be migrated, except on 32-bit x86. Kernel: htlb_alloc_mask. */
static uint32_t gfp_of(const struct vmsim__mem *mem) {
    bool fixed = mem->arch == VMSIM__ARCH_X86_32 || mem->arch == VMSIM__ARCH_X86_PAE;
    return fixed ? VMSIM__GFP_HIGHUSER : VMSIM__GFP_HIGHUSER_MOVABLE;
}

/* What the kernel gets without reclaim: above the low watermark, else above the minimum. */
static bool take_page(struct vmsim__mem *mem, struct vmsim__node *node, unsigned hstate) {
    uint16_t cpu = 0;
    while (cpu + 1u < mem->nr_cpus && mem->cpu_node[cpu] != node->id)
        cpu++;
    struct vmsim__alloc_request rq = {.gfp = gfp_of(mem) | VMSIM__GFP_COMP | VMSIM__GFP_THISNODE,
                                      .order = mem->hstate[hstate].order,
                                      .cpu = cpu,
                                      .node = node->id};
    vmsim__pfn pfn = vmsim__mem_alloc(mem, &rq);
    if (pfn == VMSIM__PFN_NONE && !mem->host_nomem)
        pfn = vmsim__mem_get_frames(mem, &rq, VMSIM__ALLOC_WMARK_MIN);
    if (pfn == VMSIM__PFN_NONE)
        return false;
    enqueue(mem, node, hstate, pfn);
    mem->event[VMSIM__HTLB_BUDDY_ALLOC_SUCCESS]++;
    return true;
}

/* `count` pages of one node, or node after node; a full round without one ends it. */
static void take(struct vmsim__mem *mem, unsigned hstate, const struct vmsim__hugetlb_spec *pool) {
    unsigned failed = 0, nodes = pool->on_node ? 1 : mem->nr_nodes;
    bool gigantic = vmsim__hstate_gigantic(mem, hstate);
    uint64_t left = pool->pages;
    for (unsigned n = pool->on_node ? (unsigned)pool->node : 0; left && failed < nodes;
         n = pool->on_node ? n : (n + 1) % nodes) {
        struct vmsim__node *node = &mem->nodes[n];
        bool ok = node->has_memory && (gigantic ? take_gigantic(mem, node, hstate) : take_page(mem, node, hstate));
        left -= ok;
        failed = ok ? 0 : failed + 1;
    }
}

/* All pools of the spec that are (or are not) gigantic, in its order. */
static void take_all(struct vmsim__mem *mem, const struct vmsim__mem_spec *spec, bool gigantic) {
    const struct vmsim__hugetlb_spec *pools = spec->hugetlb.data;
    const struct vmsim__hugetlb_spec plain[] = {{.size = GIB, .pages = spec->gigantic_pages},
                                                {.pages = spec->hugepages}};
    for (size_t i = 0; i < VMSIM__COUNT(plain) + spec->hugetlb.count; i++) {
        const struct vmsim__hugetlb_spec *pool = i < 2 ? &plain[i] : &pools[i - 2];
        unsigned h = hstate_of(mem, pool->size);
        if (h < mem->nr_hstates && vmsim__hstate_gigantic(mem, h) == gigantic)
            take(mem, h, pool);
    }
}

void vmsim__hugetlb_take_gigantic(struct vmsim__mem *mem, const struct vmsim__mem_spec *spec) {
    take_all(mem, spec, true);
}

void vmsim__hugetlb_fill(struct vmsim__mem *mem, const struct vmsim__mem_spec *spec) {
    for (unsigned h = 0; h < mem->nr_hstates && vmsim__hstate_gigantic(mem, h); h++) {
        for (unsigned n = 0; n < mem->nr_nodes; n++) {
            uint64_t size = UINT64_C(1) << mem->hstate[h].order;
            vmsim__pfn p = mem->nodes[n].hugetlb[h].head;
            for (; p != VMSIM__PFN_NONE; p = vmsim__frame_of(mem, p)->next) {
                vmsim__mem_zone_of(mem, p)->managed += size;
                mem->totalram += size;
            }
        }
    }
    take_all(mem, spec, false);
}
