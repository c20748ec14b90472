/* SPDX-License-Identifier: MIT */
/* Pools of hugetlb pages: one a size (hstate) and node.
 *
 *     hstate[]:  1 GiB | 2 MiB             larger sizes first
 *     pool:      head -> page -> page      free ones, chained by the `next` of their first frame; used last, taken
 * first
 *
 * Pages above the buddy's top order are gigantic: boot takes them from the top of a node before anything is handed
 * over, and they count as managed memory only once the pools have taken them over, which is after the first watermarks.
 * Later they are ranges that are free, or that the machine empties.
 * Kernel counterparts: mm/hugetlb.c, hugetlbpage.c of each architecture. */
#include <stdio.h>

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

/* NULL: pages of that size are unknown to the architecture; machines are not made with it. */
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

/* Kernels list only pools that the command line or the processor asks for; what is never asked for would show as a
 * file in /sys. */
static bool wanted(const struct vmsim__mem_spec *spec, uint64_t bytes) {
    const struct vmsim__hugetlb_spec *pools = spec->hugetlb.data;
    for (size_t i = 0; i < spec->hugetlb.count; i++) {
        if (pools[i].size == bytes)
            return true;
    }
    return spec->default_hugepagesz == bytes || (bytes == GIB && spec->gigantic_pages);
}

/* With the key of the description: a pool that cannot be is refused, where a kernel would print a line and go on
 * without it. */
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

/* Before zones exist: only sizes and empty pools. */
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

/* VMSIM__MAX_NODES stands for all nodes together throughout this file. */
static bool on(unsigned n, unsigned node) {
    return node == VMSIM__MAX_NODES || n == node;
}

/* A pool that asks for more than there is. What a kernel boots with then is an accident of its memory map. */
static int check_room(const struct vmsim__mem *mem, uint64_t pages, uint64_t size, unsigned node, const char *key,
                      struct vmsim__err *err) {
    uint64_t room = 0, order = vmsim__log2(size) - mem->page_shift;
    for (unsigned n = 0; n < mem->nr_nodes; n++)
        room += on(n, node) ? mem->nodes[n].present : 0;
    if (pages <= room >> order)
        return 0;
    return vmsim__err_set(err, VMSIM_ECONFIG, "%s: %llu pages of %llu KiB do not fit in the %llu KiB of memory that %s",
                          key, (unsigned long long)pages, (unsigned long long)(size >> 10),
                          (unsigned long long)(room << mem->page_shift >> 10),
                          node == VMSIM__MAX_NODES ? "there are" : "the node has");
}

int vmsim__hugetlb_check(const struct vmsim__mem *mem, const struct vmsim__mem_spec *spec, struct vmsim__err *err) {
    const struct vmsim__hugetlb_spec *pools = spec->hugetlb.data;
    uint64_t fallback =
        mem->nr_hstates ? UINT64_C(1) << (mem->hstate[mem->default_hstate].order + mem->page_shift) : GIB;
    int rc = check_room(mem, spec->hugepages, fallback, VMSIM__MAX_NODES, "hugepages", err);
    rc = rc ? rc : check_room(mem, spec->gigantic_pages, GIB, VMSIM__MAX_NODES, "gigantic_pages", err);
    for (size_t i = 0; !rc && i < spec->hugetlb.count; i++) {
        char key[40];
        snprintf(key, sizeof key, "hugetlb[%zu]", i);
        rc = check_room(mem, pools[i].pages, pools[i].size ? pools[i].size : fallback,
                        pools[i].on_node ? (unsigned)pools[i].node : VMSIM__MAX_NODES, key, err);
    }
    return rc;
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

/* Counts are kept by node alone, so that none can disagree with their sum. */
static struct vmsim__hugetlb_pool sums(const struct vmsim__mem *mem, unsigned hstate, unsigned node) {
    VMSIM__ASSERT(hstate < mem->nr_hstates);
    struct vmsim__hugetlb_pool all = {.head = VMSIM__PFN_NONE};
    for (unsigned n = 0; n < mem->nr_nodes; n++) {
        const struct vmsim__hugetlb_pool *pool = &mem->nodes[n].hugetlb[hstate];
        if (!on(n, node))
            continue;
        all.total += pool->total;
        all.free += pool->free;
        all.surplus += pool->surplus;
    }
    return all;
}

uint64_t vmsim__hugetlb_total(const struct vmsim__mem *mem, unsigned hstate, unsigned node) {
    return sums(mem, hstate, node).total;
}

uint64_t vmsim__hugetlb_free(const struct vmsim__mem *mem, unsigned hstate, unsigned node) {
    return sums(mem, hstate, node).free;
}

uint64_t vmsim__hugetlb_surplus(const struct vmsim__mem *mem, unsigned hstate, unsigned node) {
    return sums(mem, hstate, node).surplus;
}

uint64_t vmsim__hugetlb_frames(const struct vmsim__mem *mem, unsigned node) {
    uint64_t frames = 0;
    for (unsigned h = 0; h < mem->nr_hstates; h++)
        frames += vmsim__hugetlb_total(mem, h, node) << mem->hstate[h].order;
    return frames;
}

/* ---- Pages ---- */

/* Free pages keep a reference of their own: to the buddy allocator they are in use. Kernel: enqueue_huge_page. */
static void enqueue(struct vmsim__mem *mem, struct vmsim__node *node, unsigned hstate, vmsim__pfn pfn) {
    struct vmsim__hugetlb_pool *pool = &node->hugetlb[hstate];
    VMSIM__ASSERT(vmsim__frame_of(mem, pfn)->refcount == 1);
    VMSIM__ASSERT(!(pfn & ((UINT64_C(1) << mem->hstate[hstate].order) - 1)));
    vmsim__frame_of(mem, pfn)->next = pool->head;
    pool->head = pfn;
    pool->free++;
}

static vmsim__pfn dequeue(struct vmsim__mem *mem, struct vmsim__node *node, unsigned hstate) {
    struct vmsim__hugetlb_pool *pool = &node->hugetlb[hstate];
    vmsim__pfn pfn = pool->head;
    VMSIM__ASSERT(pool->free > 0 && pfn != VMSIM__PFN_NONE);
    struct vmsim__frame *f = vmsim__frame_of(mem, pfn);
    pool->head = f->next;
    f->next = 0;
    pool->free--;
    return pfn;
}

/* Frames that came as one block become a page of a pool, or go on as ordinary ones. Gigantic ones are made of blocks
 * that know nothing of each other. */
static void make_page(struct vmsim__mem *mem, unsigned hstate, vmsim__pfn pfn) {
    const unsigned order = mem->hstate[hstate].order;
    struct vmsim__frame *f = vmsim__frame_of(mem, pfn);
    VMSIM__ASSERT(f->refcount == 1 && !f->mapping && order > 0);
    if (vmsim__hstate_gigantic(mem, hstate)) {
        f->flags |= VMSIM__FRAME_HEAD;
        for (vmsim__pfn i = 1; i < (vmsim__pfn)1 << order; i++) {
            struct vmsim__frame *tail = vmsim__frame_of(mem, pfn + i);
            tail->flags |= VMSIM__FRAME_TAIL;
            tail->next = pfn;
        }
        vmsim__frame_of(mem, pfn + 1)->policy = (uint8_t)order;
    }
    f[1].flags |= VMSIM__TAIL_HUGETLB;
}

/* Back to what the buddy allocator wants of frames that are freed. */
static void unmake_page(struct vmsim__mem *mem, unsigned hstate, vmsim__pfn pfn) {
    struct vmsim__frame *f = vmsim__frame_of(mem, pfn);
    f[1].flags &= ~VMSIM__TAIL_HUGETLB;
    if (!vmsim__hstate_gigantic(mem, hstate))
        return;
    for (vmsim__pfn i = 0; i < (vmsim__pfn)1 << mem->hstate[hstate].order; i++) {
        struct vmsim__frame *each = vmsim__frame_of(mem, pfn + i);
        each->flags &= ~(VMSIM__FRAME_HEAD | VMSIM__FRAME_TAIL);
        each->next = 0;
        each->policy = 0;
    }
}

/* Are all frames of [start, start + size) free, in blocks of the top order? */
static bool all_free(const struct vmsim__mem *mem, const struct vmsim__zone *z, uint64_t start, uint64_t size) {
    if (start < z->start || start + size > z->end)
        return false;
    for (uint64_t p = start; p < start + size; p += (uint64_t)mem->frames.mask + 1) {
        if (vmsim__mem_free_block_order(mem, (vmsim__pfn)p) != mem->top_order)
            return false;
    }
    return true;
}

/* Takes free blocks of the top order out of the buddy as one page. False: no host memory; what was taken is put
 * back. Nothing is counted before all are there. */
static bool take_blocks(struct vmsim__mem *mem, struct vmsim__zone *z, unsigned hstate, vmsim__pfn start) {
    vmsim__pfn size = (vmsim__pfn)1 << mem->hstate[hstate].order, block = mem->frames.mask + 1;
    for (vmsim__pfn p = start; p < start + size; p += block) {
        if (vmsim__buddy_unlink(mem, z, p))
            continue;
        while (p > start) {
            p -= block;
            vmsim__buddy_link(mem, z, p, mem->top_order, vmsim__block_type(mem, p), true);
        }
        return false;
    }
    z->in_use += size;
    vmsim__frame_of(mem, start)->refcount = 1;
    make_page(mem, hstate, start);
    enqueue(mem, &mem->nodes[z->node], hstate, start);
    mem->nodes[z->node].hugetlb[hstate].total++;
    return true;
}

/* Frames that the hook emptied and handed out one by one are one page. */
static void adopt_range(struct vmsim__mem *mem, struct vmsim__zone *z, unsigned hstate, vmsim__pfn start) {
    for (vmsim__pfn i = 1; i < (vmsim__pfn)1 << mem->hstate[hstate].order; i++) {
        struct vmsim__frame *f = vmsim__frame_of(mem, start + i);
        VMSIM__ASSERT(f->refcount == 1 && !f->mapping);
        f->refcount = 0;
    }
    make_page(mem, hstate, start);
    enqueue(mem, &mem->nodes[z->node], hstate, start);
    mem->nodes[z->node].hugetlb[hstate].total++;
}

/* Pages in use are moved out of the way where the range is not free as it is. What is kept for others is no use. */
static bool take_range(struct vmsim__mem *mem, struct vmsim__zone *z, unsigned hstate, vmsim__pfn start,
                       vmsim__pfn size) {
    for (vmsim__pfn p = start; p < start + size; p += (vmsim__pfn)1 << mem->pageblock_order) {
        if (vmsim__block_type(mem, p) >= VMSIM__PCP_TYPES)
            return false;
    }
    if (all_free(mem, z, start, size))
        return take_blocks(mem, z, hstate, start);
    if (!mem->hooks.contig_range || !mem->hooks.contig_range(mem->hooks.context, start, start + size))
        return false;
    adopt_range(mem, z, hstate, start);
    return true;
}

/* One gigantic page: at boot from the top of a node's memory downward, as memblock gives it; later from the bottom up,
 * the first range that is free or can be emptied. Kernel: alloc_bootmem_huge_page, alloc_contig_pages. */
static bool take_gigantic(struct vmsim__mem *mem, struct vmsim__node *node, unsigned hstate) {
    const uint64_t size = UINT64_C(1) << mem->hstate[hstate].order;
    const bool booting = !mem->totalreserve; /* no watermarks yet */
    for (unsigned i = node->nr_zones; i-- > 0;) {
        struct vmsim__zone *z = &mem->zones[node->zone[i]];
        const uint64_t first = vmsim__align_up(z->start, size), end = z->end & ~(size - 1);
        for (uint64_t n = 0; first < end && n < (end - first) / size; n++) {
            const uint64_t start = booting ? end - (n + 1) * size : first + n * size;
            if (take_range(mem, z, hstate, (vmsim__pfn)start, (vmsim__pfn)size))
                return true;
            if (vmsim__now_waits(&mem->now))
                return false;
        }
    }
    return false;
}

/* Huge pages can be migrated, except on 32-bit x86. Kernel: htlb_alloc_mask. */
static uint32_t gfp_of(const struct vmsim__mem *mem) {
    bool fixed = mem->arch == VMSIM__ARCH_X86_32 || mem->arch == VMSIM__ARCH_X86_PAE;
    return fixed ? VMSIM__GFP_HIGHUSER : VMSIM__GFP_HIGHUSER_MOVABLE;
}

/* Who waits for memory has not failed. */
static void count_buddy(struct vmsim__mem *mem, vmsim__pfn pfn) {
    if (pfn != VMSIM__PFN_NONE)
        mem->event[VMSIM__HTLB_BUDDY_ALLOC_SUCCESS]++;
    else if (!vmsim__now_waits(&mem->now))
        mem->event[VMSIM__HTLB_BUDDY_ALLOC_FAIL]++;
}

/* A page from the buddy allocator of a node, on no list yet. At boot, what the kernel gets without reclaim: above the
 * low watermark, else above the minimum; later the machine's slow path decides. Kernel: alloc_fresh_huge_page. */
static vmsim__pfn fresh_page(struct vmsim__mem *mem, const struct vmsim__node *node, unsigned hstate, unsigned cpu) {
    struct vmsim__alloc_request rq = {.gfp = gfp_of(mem) | VMSIM__GFP_COMP | VMSIM__GFP_THISNODE | VMSIM__GFP_NOWARN |
                                             VMSIM__GFP_RETRY_MAYFAIL,
                                      .order = mem->hstate[hstate].order,
                                      .cpu = (uint16_t)cpu,
                                      .node = node->id};
    vmsim__pfn pfn = vmsim__mem_alloc(mem, &rq);
    if (pfn == VMSIM__PFN_NONE && !mem->hooks.slowpath && !mem->host_nomem)
        pfn = vmsim__mem_get_frames(mem, &rq, VMSIM__ALLOC_WMARK_MIN);
    count_buddy(mem, pfn);
    return pfn;
}

/* Kernel: alloc_pool_huge_page. */
static bool take_page(struct vmsim__mem *mem, struct vmsim__node *node, unsigned hstate, unsigned cpu) {
    vmsim__pfn pfn = fresh_page(mem, node, hstate, cpu);
    if (pfn == VMSIM__PFN_NONE)
        return false;
    make_page(mem, hstate, pfn);
    enqueue(mem, node, hstate, pfn);
    node->hugetlb[hstate].total++;
    return true;
}

/* ---- Nodes in turn ---- */

/* The node whose turn it is, and the turn goes on: over nodes with memory, or `only` one. Kernel:
 * hstate_next_node_to_alloc, hstate_next_node_to_free. */
static struct vmsim__node *next_node(struct vmsim__mem *mem, uint8_t *turn, unsigned only) {
    unsigned n = only < mem->nr_nodes ? only : *turn;
    for (unsigned i = 0; only >= mem->nr_nodes && i < mem->nr_nodes && !mem->nodes[n].has_memory; i++)
        n = (n + 1) % mem->nr_nodes;
    *turn = (uint8_t)((n + 1) % mem->nr_nodes);
    return &mem->nodes[n];
}

/* One more page in a pool; false: no node has one, or the present waits. Nodes that had none, one bit each, stand in
 * the call's record, so that a call that is entered again does not ask them for ever. */
static bool grow(struct vmsim__mem *mem, unsigned hstate, unsigned only, unsigned cpu) {
    const bool gigantic = vmsim__hstate_gigantic(mem, hstate);
    uint64_t *failed = &vmsim__now_call(&mem->now)->done;
    for (unsigned i = 0; i < (only < mem->nr_nodes ? 1 : mem->nr_nodes); i++) {
        struct vmsim__node *node = next_node(mem, &mem->hstate[hstate].next_alloc, only);
        if (!node->has_memory || *failed >> node->id & 1)
            continue;
        if (gigantic ? take_gigantic(mem, node, hstate) : take_page(mem, node, hstate, cpu)) {
            *failed = 0;
            return true;
        }
        if (vmsim__now_waits(&mem->now)) { /* the same node is asked again */
            mem->hstate[hstate].next_alloc = (uint8_t)node->id;
            return false;
        }
        *failed |= UINT64_C(1) << node->id;
    }
    return false;
}

/* A CPU of a node, or the first: boot allocates from where it runs. */
static unsigned cpu_of(const struct vmsim__mem *mem, unsigned node) {
    unsigned cpu = 0;
    while (cpu + 1u < mem->nr_cpus && mem->cpu_node[cpu] != node)
        cpu++;
    return mem->cpu_node[cpu] == node ? cpu : 0;
}

static void take(struct vmsim__mem *mem, unsigned hstate, const struct vmsim__hugetlb_spec *pool) {
    unsigned only = pool->on_node ? (unsigned)pool->node : VMSIM__MAX_NODES;
    for (uint64_t left = pool->pages; left; left--) {
        unsigned node = pool->on_node ? only : mem->hstate[hstate].next_alloc;
        if (!grow(mem, hstate, only, cpu_of(mem, node)))
            break;
    }
    if (pool->on_node)
        mem->hstate[hstate].next_alloc = 0;
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

/* Gigantic pages of boot leave managed memory (-1), or come back to it (1). */
static void account_gigantic(struct vmsim__mem *mem, int64_t sign) {
    for (unsigned h = 0; h < mem->nr_hstates && vmsim__hstate_gigantic(mem, h); h++) {
        for (unsigned n = 0; n < mem->nr_nodes; n++) {
            uint64_t frames = (uint64_t)sign << mem->hstate[h].order;
            vmsim__pfn p = mem->nodes[n].hugetlb[h].head;
            for (; p != VMSIM__PFN_NONE; p = vmsim__frame_of(mem, p)->next) {
                vmsim__mem_zone_of(mem, p)->managed += frames;
                mem->totalram += frames;
            }
        }
    }
}

void vmsim__hugetlb_take_gigantic(struct vmsim__mem *mem, const struct vmsim__mem_spec *spec) {
    take_all(mem, spec, true);
    account_gigantic(mem, -1);
}

void vmsim__hugetlb_fill(struct vmsim__mem *mem, const struct vmsim__mem_spec *spec) {
    account_gigantic(mem, 1);
    take_all(mem, spec, false);
}

/* ---- Run time ---- */

/* What nr_hugepages says: pages beyond it are surplus, and go when they are freed. */
static uint64_t persistent(const struct vmsim__mem *mem, unsigned hstate) {
    return vmsim__hugetlb_total(mem, hstate, VMSIM__MAX_NODES) - vmsim__hugetlb_surplus(mem, hstate, VMSIM__MAX_NODES);
}

static uint64_t available(const struct vmsim__mem *mem, unsigned hstate) {
    return vmsim__hugetlb_free(mem, hstate, VMSIM__MAX_NODES);
}

/* Gives a page that is on no list back to the buddy allocator; a gigantic one frame by frame. */
static void dissolve(struct vmsim__mem *mem, unsigned hstate, vmsim__pfn pfn, unsigned cpu) {
    unsigned order = mem->hstate[hstate].order;
    unmake_page(mem, hstate, pfn);
    vmsim__frame_of(mem, pfn)->refcount = 0;
    if (!vmsim__hstate_gigantic(mem, hstate)) {
        vmsim__mem_free(mem, pfn, order, cpu);
        return;
    }
    for (uint64_t i = 0; i < UINT64_C(1) << order; i++)
        vmsim__mem_free(mem, pfn + (vmsim__pfn)i, 0, cpu);
}

/* Frees one free page of the next node that has one; `surplus`: of those with surplus pages. */
static bool shrink(struct vmsim__mem *mem, unsigned hstate, unsigned only, bool surplus, unsigned cpu) {
    for (unsigned i = 0; i < (only < mem->nr_nodes ? 1 : mem->nr_nodes); i++) {
        struct vmsim__node *node = next_node(mem, &mem->hstate[hstate].next_free, only);
        struct vmsim__hugetlb_pool *pool = &node->hugetlb[hstate];
        if (!pool->free || (surplus && !pool->surplus))
            continue;
        vmsim__pfn pfn = dequeue(mem, node, hstate);
        pool->total--;
        pool->surplus -= surplus;
        dissolve(mem, hstate, pfn, cpu);
        return true;
    }
    return false;
}

/* Kernels with high memory free what lies low first. Kernel: try_to_free_low. */
static void shrink_low(struct vmsim__mem *mem, unsigned hstate, unsigned only, uint64_t least, unsigned cpu) {
    if (!(mem->zone_configured >> VMSIM__ZONE_HIGHMEM & 1))
        return;
    for (unsigned n = 0; n < mem->nr_nodes; n++) {
        struct vmsim__hugetlb_pool *pool = &mem->nodes[n].hugetlb[hstate];
        vmsim__pfn *link = &pool->head;
        while (on(n, only < mem->nr_nodes ? only : VMSIM__MAX_NODES) && *link != VMSIM__PFN_NONE) {
            vmsim__pfn pfn = *link;
            struct vmsim__frame *f = vmsim__frame_of(mem, pfn);
            if (least >= vmsim__hugetlb_total(mem, hstate, VMSIM__MAX_NODES))
                return;
            if (vmsim__zone_is_highmem(mem, vmsim__mem_zone_of(mem, pfn))) {
                link = &f->next;
                continue;
            }
            *link = f->next;
            f->next = 0;
            pool->free--;
            pool->total--;
            dissolve(mem, hstate, pfn, cpu);
        }
    }
}

/* Turns a page into a surplus one (or back) on paper. Kernel: adjust_pool_surplus. That is how nr_hugepages falls
 * below what is in use: those in use become surplus. */
static bool turn_surplus(struct vmsim__mem *mem, unsigned hstate, unsigned only, bool into) {
    struct vmsim__hstate *h = &mem->hstate[hstate];
    for (unsigned i = 0; i < (only < mem->nr_nodes ? 1 : mem->nr_nodes); i++) {
        struct vmsim__node *node = next_node(mem, into ? &h->next_free : &h->next_alloc, only);
        struct vmsim__hugetlb_pool *pool = &node->hugetlb[hstate];
        if (into ? pool->surplus < pool->total : pool->surplus > 0) {
            pool->surplus += into ? 1 : UINT64_MAX;
            return true;
        }
    }
    return false;
}

/* Kernel: set_max_huge_pages. Growing first makes surplus pages persistent, then takes new ones, and stops where a
 * node has none; shrinking never takes what is in use or promised. How far it had come stands in the call's record,
 * since taking may wait. */
uint64_t vmsim__hugetlb_set(struct vmsim__mem *mem, unsigned hstate, unsigned node, uint64_t pages, unsigned cpu) {
    VMSIM__ASSERT(hstate < mem->nr_hstates && cpu < mem->nr_cpus);
    struct vmsim__hstate *h = &mem->hstate[hstate];
    if (node < mem->nr_nodes) { /* the node's own number: what others have stays */
        const struct vmsim__hugetlb_pool *pool = &mem->nodes[node].hugetlb[hstate];
        uint64_t others = persistent(mem, hstate) - (pool->total - pool->surplus);
        pages = pages > UINT64_MAX - others ? UINT64_MAX : pages + others;
    }
    while (pages > persistent(mem, hstate) && turn_surplus(mem, hstate, node, false))
        ;
    while (pages > persistent(mem, hstate) && grow(mem, hstate, node, cpu)) {
        if (pages > persistent(mem, hstate) && mem->hooks.cond_resched && mem->hooks.cond_resched(mem->hooks.context))
            break;
    }
    if (vmsim__now_waits(&mem->now))
        return persistent(mem, hstate);
    vmsim__now_call(&mem->now)->done = 0;
    uint64_t used = vmsim__hugetlb_total(mem, hstate, VMSIM__MAX_NODES) - available(mem, hstate);
    uint64_t least = vmsim__max64(pages, h->reserved + used);
    if (least < persistent(mem, hstate) && !vmsim__hstate_gigantic(mem, hstate))
        shrink_low(mem, hstate, node, least, cpu);
    while (least < persistent(mem, hstate) && shrink(mem, hstate, node, false, cpu))
        ;
    while (pages < persistent(mem, hstate) && turn_surplus(mem, hstate, node, true))
        ;
    return persistent(mem, hstate);
}

/* A surplus page, counted but on no list, from the nearest node that has one. Kernel: alloc_surplus_huge_page. */
static vmsim__pfn surplus_page(struct vmsim__mem *mem, unsigned hstate, const struct vmsim__alloc_request *rq) {
    const struct vmsim__hstate *h = &mem->hstate[hstate];
    if (vmsim__hstate_gigantic(mem, hstate) || vmsim__hugetlb_surplus(mem, hstate, VMSIM__MAX_NODES) >= h->overcommit)
        return VMSIM__PFN_NONE;
    struct vmsim__alloc_request any = *rq;
    any.gfp = gfp_of(mem) | VMSIM__GFP_COMP | VMSIM__GFP_NOWARN | VMSIM__GFP_RETRY_MAYFAIL;
    any.order = h->order;
    vmsim__pfn pfn = vmsim__mem_alloc(mem, &any);
    count_buddy(mem, pfn);
    if (pfn == VMSIM__PFN_NONE)
        return pfn;
    make_page(mem, hstate, pfn);
    struct vmsim__hugetlb_pool *pool = &mem->nodes[vmsim__mem_zone_of(mem, pfn)->node].hugetlb[hstate];
    pool->total++;
    pool->surplus++;
    return pfn;
}

/* Kernel: hugetlb_acct_memory, gather_surplus_pages. What was made for a promise that cannot be kept is freed again.
 * A promise is kept by pages that are free now or are made now: a fault that comes later must find one. */
bool vmsim__hugetlb_reserve(struct vmsim__mem *mem, unsigned hstate, uint64_t pages, unsigned cpu) {
    VMSIM__ASSERT(hstate < mem->nr_hstates && cpu < mem->nr_cpus);
    struct vmsim__hstate *h = &mem->hstate[hstate];
    struct vmsim__alloc_request rq = {.cpu = (uint16_t)cpu, .node = mem->cpu_node[cpu]};
    VMSIM__ASSERT(pages < UINT64_MAX - h->reserved);
    uint64_t made = 0;
    while (h->reserved + pages > available(mem, hstate)) {
        vmsim__pfn pfn = surplus_page(mem, hstate, &rq);
        if (pfn == VMSIM__PFN_NONE) {
            while (made-- && shrink(mem, hstate, VMSIM__MAX_NODES, true, cpu))
                ;
            return false;
        }
        enqueue(mem, &mem->nodes[vmsim__mem_zone_of(mem, pfn)->node], hstate, pfn);
        made++;
    }
    h->reserved += pages;
    return true;
}

/* Kernel: return_unused_surplus_pages. */
void vmsim__hugetlb_unreserve(struct vmsim__mem *mem, unsigned hstate, uint64_t pages, unsigned cpu) {
    VMSIM__ASSERT(hstate < mem->nr_hstates && mem->hstate[hstate].reserved >= pages);
    mem->hstate[hstate].reserved -= pages;
    if (vmsim__hstate_gigantic(mem, hstate))
        return;
    uint64_t most = vmsim__min64(pages, vmsim__hugetlb_surplus(mem, hstate, VMSIM__MAX_NODES));
    while (most-- && shrink(mem, hstate, VMSIM__MAX_NODES, true, cpu))
        ;
}

/* The first free page in the order of the request's zonelist. Kernel: dequeue_huge_page_nodemask. */
static vmsim__pfn nearest(struct vmsim__mem *mem, unsigned hstate, const struct vmsim__alloc_request *rq) {
    struct vmsim__alloc_request walk = *rq;
    struct vmsim__zone_iter it;
    walk.gfp = gfp_of(mem);
    for (struct vmsim__zone *z = vmsim__zonelist_first(mem, &walk, &it); z; z = vmsim__zonelist_next(&it)) {
        if (mem->nodes[z->node].hugetlb[hstate].free)
            return dequeue(mem, &mem->nodes[z->node], hstate);
    }
    return VMSIM__PFN_NONE;
}

/* Kernel: alloc_huge_page. Who has a promise takes any free page, who has none only those that are promised to
 * nobody. */
vmsim__pfn vmsim__hugetlb_take(struct vmsim__mem *mem, unsigned hstate, const struct vmsim__alloc_request *rq,
                               bool reserved) {
    VMSIM__ASSERT(hstate < mem->nr_hstates && rq->cpu < mem->nr_cpus);
    struct vmsim__hstate *h = &mem->hstate[hstate];
    VMSIM__ASSERT(!reserved || h->reserved > 0);
    bool may = reserved || available(mem, hstate) > h->reserved;
    vmsim__pfn pfn = may ? nearest(mem, hstate, rq) : VMSIM__PFN_NONE;
    if (pfn == VMSIM__PFN_NONE)
        pfn = surplus_page(mem, hstate, rq);
    if (pfn != VMSIM__PFN_NONE)
        h->reserved -= reserved;
    return pfn;
}

/* Kernel: free_huge_page. On a node with surplus pages one that comes back goes, whichever it is; the promise that
 * came with it (`restore`) stays. */
void vmsim__hugetlb_put(struct vmsim__mem *mem, unsigned hstate, vmsim__pfn pfn, bool restore, unsigned cpu) {
    VMSIM__ASSERT(hstate < mem->nr_hstates && cpu < mem->nr_cpus);
    struct vmsim__node *node = &mem->nodes[vmsim__mem_zone_of(mem, pfn)->node];
    struct vmsim__hugetlb_pool *pool = &node->hugetlb[hstate];
    mem->hstate[hstate].reserved += restore;
    if (!pool->surplus) {
        enqueue(mem, node, hstate, pfn);
        return;
    }
    pool->surplus--;
    pool->total--;
    dissolve(mem, hstate, pfn, cpu);
}
