/* SPDX-License-Identifier: MIT */
/* Caches of objects and their slabs (kmem_cache.h). Slabs come and go at the end of a cache's list. */
#include "zones/kmem_cache.h"

#include "base/util.h"

static const uint16_t sizes[VMSIM__KMEM_KINDS] = {[VMSIM__KMEM_DENTRY] = VMSIM__KMEM_DENTRY_SIZE,
                                                  [VMSIM__KMEM_RADIX_NODE] = VMSIM__KMEM_RADIX_NODE_SIZE,
                                                  [VMSIM__KMEM_BUFFER_HEAD] = VMSIM__KMEM_BUFFER_HEAD_SIZE};

enum { MAX_ORDER = 3 }; /* slub_max_order */

uint32_t vmsim__kmem_size(const struct vmsim__mem *mem, enum vmsim__kmem_kind kind) {
    VMSIM__ASSERT(kind < VMSIM__KMEM_KINDS);
    return kind == VMSIM__KMEM_INODE ? mem->kernel->ext4_inode : sizes[kind];
}

static uint32_t objects_of(const struct vmsim__mem *mem, const struct vmsim__kmem_cache *c, unsigned order) {
    return (UINT32_C(1) << order << mem->page_shift) / c->size;
}

/* The smallest order that holds `least` objects and leaves no more than one part in `parts` unused; MAX_ORDER + 1: none
 * does. */
static unsigned order_for(const struct vmsim__mem *mem, uint32_t size, unsigned least, unsigned parts) {
    unsigned order = 0;
    while (order <= MAX_ORDER) {
        const uint32_t slab = UINT32_C(1) << order << mem->page_shift;
        if (slab >= least * size && slab % size <= slab / parts)
            break;
        order++;
    }
    return order;
}

/* More CPUs, larger slabs. Kernel: calculate_order. */
static unsigned best_order(const struct vmsim__mem *mem, uint32_t size) {
    VMSIM__ASSERT(size > 0 && mem->nr_cpus > 0);
    const unsigned most = (UINT32_C(1) << MAX_ORDER << mem->page_shift) / size;
    unsigned least = 4 * (vmsim__log2(mem->nr_cpus) + 2);
    least = least < most ? least : most;
    for (; least > 1; least--) {
        for (unsigned parts = 16; parts >= 4; parts /= 2) {
            const unsigned order = order_for(mem, size, least, parts);
            if (order <= MAX_ORDER)
                return order;
        }
    }
    return 0;
}

/* Free objects that a CPU is to have at hand in slabs which it keeps: in as many slabs as have them when they are half
 * full. Kernel: slub_set_cpu_partial. */
static unsigned cpu_partial(const struct vmsim__mem *mem, uint32_t size) {
    VMSIM__ASSERT(size > 0);
    return size >> mem->page_shift ? 6 : size >= 1024 ? 24 : size >= 256 ? 52 : 120;
}

void vmsim__kmem_init(struct vmsim__mem *mem) {
    for (unsigned k = 0; k < VMSIM__KMEM_KINDS; k++) {
        struct vmsim__kmem_cache *c = &mem->kmem[k];
        c->size = vmsim__kmem_size(mem, k);
        const unsigned at_hand = cpu_partial(mem, c->size);
        c->room = c->boot_room = (uint16_t)(at_hand / 2); /* on average */
        c->order = (uint8_t)best_order(mem, c->size);
        while (UINT32_C(1) << c->least_order << mem->page_shift < c->size)
            c->least_order++;
        const uint32_t a_slab = objects_of(mem, c, c->order);
        c->spare = (uint16_t)((VMSIM__KMEM_SPARE + (2 * at_hand + a_slab - 1) / a_slab) * a_slab);
    }
}

void vmsim__kmem_fini(struct vmsim__mem *mem) {
    for (unsigned k = 0; k < VMSIM__KMEM_KINDS; k++)
        vmsim__vec_fini(mem->alloc, &mem->kmem[k].slabs);
}

uint64_t vmsim__kmem_pages(const struct vmsim__mem *mem) {
    int64_t pages = 0;
    for (unsigned n = 0; n < mem->nr_nodes; n++)
        pages += mem->nodes[n].stat[VMSIM__NR_SLAB_RECLAIMABLE];
    VMSIM__ASSERT(pages >= 0);
    return (uint64_t)pages;
}

static void count(struct vmsim__mem *mem, vmsim__pfn pfn, int64_t pages) {
    const struct vmsim__zone *z = &mem->zones[vmsim__frame_zone(vmsim__frame_at(&mem->frames, pfn))];
    mem->nodes[z->node].stat[VMSIM__NR_SLAB_RECLAIMABLE] += pages;
}

/* A large slab is tried for and not worth an effort; the smallest may use what is kept for those who cannot wait.
 * Kernel: allocate_slab. */
void vmsim__kmem_grow(struct vmsim__mem *mem, enum vmsim__kmem_kind kind, unsigned cpu) {
    struct vmsim__kmem_cache *c = &mem->kmem[kind];
    struct vmsim__alloc_request rq = {.gfp = VMSIM__GFP_COMP | VMSIM__GFP_RECLAIMABLE | VMSIM__GFP_NOMEMALLOC |
                                             VMSIM__GFP_NOWARN | VMSIM__GFP_NORETRY,
                                      .cpu = (uint16_t)cpu,
                                      .node = mem->cpu_node[cpu],
                                      .order = c->order};
    VMSIM__ASSERT(cpu < mem->nr_cpus && c->objects > c->room);
    if (!vmsim__vec_reserve(mem->alloc, &c->slabs, c->slabs.count + 1)) {
        mem->host_nomem = true;
        return;
    }
    rq.gfp |= c->order == c->least_order ? VMSIM__GFP_KSWAPD_RECLAIM : 0;
    vmsim__pfn pfn = vmsim__mem_alloc(mem, &rq);
    if (pfn == VMSIM__PFN_NONE) {
        rq.gfp = VMSIM__GFP_COMP | VMSIM__GFP_RECLAIMABLE | VMSIM__GFP_NOWARN | VMSIM__GFP_ATOMIC;
        rq.order = c->least_order;
        pfn = vmsim__mem_alloc(mem, &rq);
    }
    if (pfn == VMSIM__PFN_NONE)
        return;
    c->slabs.at[c->slabs.count++] = (struct vmsim__kmem_slab){pfn, rq.order};
    c->room += objects_of(mem, c, rq.order);
    count(mem, pfn, INT64_C(1) << rq.order);
}

static void free_slab(struct vmsim__mem *mem, struct vmsim__kmem_cache *c, unsigned cpu) {
    VMSIM__ASSERT(c->slabs.count > 0);
    const struct vmsim__kmem_slab s = c->slabs.at[--c->slabs.count];
    c->room -= objects_of(mem, c, s.order);
    count(mem, s.pfn, -(INT64_C(1) << s.order));
    vmsim__frame_at(&mem->frames, s.pfn)->refcount = 0;
    vmsim__mem_free(mem, s.pfn, s.order, cpu);
}

void vmsim__kmem_shrink(struct vmsim__mem *mem, enum vmsim__kmem_kind kind, unsigned cpu) {
    struct vmsim__kmem_cache *c = &mem->kmem[kind];
    while (c->slabs.count && c->room > c->objects + c->spare)
        free_slab(mem, c, cpu);
}

/* ---- the check ---- */

static int check_cache(const struct vmsim__mem *mem, const struct vmsim__kmem_cache *c, int64_t *pages,
                       struct vmsim__err *err) {
    uint64_t room = c->boot_room;
    for (size_t i = 0; i < c->slabs.count; i++) {
        const struct vmsim__kmem_slab *s = &c->slabs.at[i];
        const struct vmsim__frame *f = vmsim__frame_at(&mem->frames, s->pfn);
        if (f->refcount != 1 || f->mapping || f->memcg || vmsim__frame_is(f, VMSIM__FRAME_BUDDY | VMSIM__FRAME_PCP) ||
            vmsim__frame_is(f, VMSIM__FRAME_HEAD) != (s->order > 0))
            return vmsim__err_set(err, VMSIM_ECHECK, "frame %u is no slab of order %u of objects of %u bytes", s->pfn,
                                  s->order, c->size);
        room += objects_of(mem, c, s->order);
        pages[mem->zones[vmsim__frame_zone(f)].node] += INT64_C(1) << s->order;
    }
    if (room != c->room)
        return vmsim__err_set(err, VMSIM_ECHECK, "slabs have room for %llu objects of %u bytes, %llu counted",
                              (unsigned long long)room, c->size, (unsigned long long)c->room);
    return 0;
}

int vmsim__kmem_check(const struct vmsim__mem *mem, struct vmsim__err *err) {
    int64_t pages[VMSIM__MAX_NODES] = {0};
    int rc = 0;
    for (unsigned k = 0; !rc && k < VMSIM__KMEM_KINDS; k++)
        rc = check_cache(mem, &mem->kmem[k], pages, err);
    for (unsigned n = 0; !rc && n < mem->nr_nodes; n++)
        if (pages[n] != mem->nodes[n].stat[VMSIM__NR_SLAB_RECLAIMABLE])
            rc = vmsim__err_set(err, VMSIM_ECHECK, "node %u: %lld pages of slab found, %lld counted", n,
                                (long long)pages[n], (long long)mem->nodes[n].stat[VMSIM__NR_SLAB_RECLAIMABLE]);
    return rc;
}
