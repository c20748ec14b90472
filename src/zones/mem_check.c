/* SPDX-License-Identifier: MIT */
/* The whole state of memory against itself. Everything is counted again from the lists and the frames, nothing is
 * believed:
 *
 *     lists      links both ways, BUDDY/PCP marks, order, zone, alignment, block within the zone
 *     buddies    no two free buddies that should have merged
 *     counters   nr[], NR_FREE_PAGES, nr_free_highatomic, pcp.count, in_use against recounts
 *     frames     free ones canonical; reserved ones on no list; free + pcp + in use = managed
 *
 * Costs a walk over all frames that were ever touched. */
#include "zones/kmem_cache.h"
#include "zones/zones_internal.h"

#include <inttypes.h>

struct check {
    const struct vmsim__mem *mem;
    struct vmsim__err *err;
    uint64_t free, highatomic, cma, pcp; /* frames found in the zone's lists */
};

#define FAIL(c, ...) vmsim__err_set((c)->err, VMSIM_ECHECK, __VA_ARGS__)

/* Free frames keep nothing of their last owner. `head` is the first of a block on a list. */
static int check_canonical(struct check *c, const struct vmsim__zone *z, vmsim__pfn pfn, bool head, uint32_t mark) {
    const struct vmsim__frame *f = vmsim__frame_of(c->mem, pfn);
    uint32_t marks = f->flags & ~(VMSIM__FRAME_KEEP);
    if (vmsim__frame_zone(f) != z->index)
        return FAIL(c, "frame 0x%x on a list of zone %u belongs to zone %u", pfn, z->index, vmsim__frame_zone(f));
    if (marks != (head ? mark : 0))
        return FAIL(c, "free frame 0x%x has flags 0x%x", pfn, f->flags);
    if (f->refcount || f->mapcount || f->mapping || f->memcg)
        return FAIL(c, "free frame 0x%x keeps refcount %d, mapcount %d, mapping %u, memcg %u", pfn, f->refcount,
                    f->mapcount, f->mapping, f->memcg);
    if (!head && (f->index || f->next || f->prev || f->policy))
        return FAIL(c, "free frame 0x%x inside a block is linked", pfn);
    return 0;
}

static int check_block(struct check *c, const struct vmsim__zone *z, vmsim__pfn pfn, unsigned order, uint32_t mark) {
    const struct vmsim__frame *f = vmsim__frame_of(c->mem, pfn);
    if (pfn & ((1u << order) - 1) || pfn < z->start || pfn + (1u << order) > z->end)
        return FAIL(c, "block 0x%x of order %u is out of place", pfn, order);
    if (vmsim__block_order(f) != order)
        return FAIL(c, "block 0x%x is on a list of order %u but says %u", pfn, order, vmsim__block_order(f));
    for (uint32_t i = 0; i < 1u << order; i++) {
        int rc = check_canonical(c, z, pfn + i, i == 0, mark);
        if (rc)
            return rc;
    }
    return 0;
}

/* Within a pageblock two free buddies are always merged; whole pageblocks may have changed type since they were freed.
 */
static bool mergeable_with_buddy(const struct check *c, const struct vmsim__zone *z, vmsim__pfn pfn, unsigned order) {
    if (order >= c->mem->pageblock_order)
        return false;
    const struct vmsim__frame *f = vmsim__frame_of(c->mem, pfn ^ (1u << order));
    return vmsim__frame_is(f, VMSIM__FRAME_BUDDY) && vmsim__block_order(f) == order && vmsim__frame_zone(f) == z->index;
}

/* One free list: its explicit blocks; the caller adds extents. */
static int check_list(struct check *c, const struct vmsim__zone *z, unsigned order, enum vmsim__migratetype type,
                      uint64_t *blocks) {
    const struct vmsim__frame_list *list = &z->area[order].list[type];
    vmsim__pfn previous = VMSIM__PFN_NONE;
    bool pure = c->mem->kernel->freelist_by_pageblock;
    for (vmsim__pfn p = list->head; p != VMSIM__PFN_NONE; previous = p, p = vmsim__frame_of(c->mem, p)->next) {
        const struct vmsim__frame *f = vmsim__frame_of(c->mem, p);
        int rc = check_block(c, z, p, order, VMSIM__FRAME_BUDDY);
        if (rc)
            return rc;
        if (f->prev != previous || f->index != (uint64_t)type)
            return FAIL(c, "free block 0x%x: broken link, or list %llu and not %u", p, (unsigned long long)f->index,
                        type);
        if (mergeable_with_buddy(c, z, p, order))
            return FAIL(c, "free block 0x%x of order %u and its buddy were not merged", p, order);
        if (pure && vmsim__block_type(c->mem, p) != type)
            return FAIL(c, "free block 0x%x of type %u lies in a pageblock of type %u", p, type,
                        vmsim__block_type(c->mem, p));
        if (++*blocks > z->managed)
            return FAIL(c, "list of order %u, type %u goes in a circle", order, type);
    }
    return list->tail == previous ? 0 : FAIL(c, "tail of order %u, type %u is 0x%x", order, type, list->tail);
}

/* Never-touched memory is on the list of the top order by number alone. */
static uint64_t extent_blocks(const struct vmsim__mem *mem, const struct vmsim__zone *z) {
    uint64_t n = 0;
    for (size_t i = z->extents.first; i < z->extents.count; i++)
        n += (z->extents.at[i].end - z->extents.at[i].start) >> mem->top_order;
    return n;
}

static int check_lists(struct check *c, const struct vmsim__zone *z) {
    for (unsigned o = 0; o <= c->mem->top_order; o++) {
        for (unsigned t = 0; t < VMSIM__MIGRATE_TYPES; t++) {
            uint64_t blocks = 0;
            int rc = check_list(c, z, o, (enum vmsim__migratetype)t, &blocks);
            if (rc)
                return rc;
            if (o == c->mem->top_order && t == VMSIM__MOVABLE)
                blocks += extent_blocks(c->mem, z);
            if (blocks != z->area[o].nr[t])
                return FAIL(c, "zone %u, order %u, type %u: %" PRIu64 " blocks, counted as %" PRIu64, z->index, o, t,
                            blocks, z->area[o].nr[t]);
            c->free += blocks << o;
            if (t == VMSIM__HIGHATOMIC)
                c->highatomic += blocks << o;
            if (t == VMSIM__CMA)
                c->cma += blocks << o;
        }
    }
    return 0;
}

/* Which order a list has follows from its place alone (pcp.h). */
static int check_pcp(struct check *c, const struct vmsim__zone *z, unsigned cpu) {
    const struct vmsim__pcp *pcp = &z->pcp[cpu];
    int64_t count = 0;
    for (unsigned i = 0; i < VMSIM__PCP_LISTS; i++) {
        unsigned order =
            i < VMSIM__PCP_TYPES * (VMSIM__COSTLY_ORDER + 1) ? i / VMSIM__PCP_TYPES : c->mem->pageblock_order;
        vmsim__pfn previous = VMSIM__PFN_NONE;
        for (vmsim__pfn p = pcp->list[i].head; p != VMSIM__PFN_NONE;
             previous = p, p = vmsim__frame_of(c->mem, p)->next) {
            int rc = check_block(c, z, p, order, VMSIM__FRAME_PCP);
            if (rc)
                return rc;
            if (vmsim__frame_of(c->mem, p)->prev != previous)
                return FAIL(c, "per-CPU list %u of CPU %u: broken link at 0x%x", i, cpu, p);
            count += 1 << order;
            if (count > pcp->count)
                return FAIL(c, "CPU %u, zone %u: more frames on its lists than %d", cpu, z->index, pcp->count);
        }
        if (pcp->list[i].tail != previous)
            return FAIL(c, "per-CPU list %u of CPU %u: tail 0x%x", i, cpu, pcp->list[i].tail);
    }
    c->pcp += (uint64_t)count;
    return count == pcp->count ? 0 : FAIL(c, "CPU %u, zone %u: %d frames on its lists", cpu, z->index, pcp->count);
}

/* Frames that say they are free must be as many as the lists hold: nothing is lost, nothing free twice. */
static uint64_t count_marked(const struct check *c, const struct vmsim__zone *z, uint32_t mark) {
    uint64_t n = 0;
    for (size_t i = 0; i < c->mem->nr_segments; i++) {
        const struct vmsim__segment *s = &c->mem->segments[i];
        if (s->zone != z->index)
            continue;
        for (vmsim__pfn p = s->start; p < s->end;) {
            if (!c->mem->frames.chunk[p >> c->mem->frames.shift]) {
                p = (p | c->mem->frames.mask) + 1;
                continue;
            }
            const struct vmsim__frame *f = vmsim__frame_of(c->mem, p);
            bool marked = vmsim__frame_is(f, mark);
            n += marked ? UINT64_C(1) << vmsim__block_order(f) : 0;
            p += marked ? 1u << vmsim__block_order(f) : 1;
        }
    }
    return n;
}

/* Extents whose chunk exists (someone looked) are marked as well as counted. */
static uint64_t marked_extents(const struct check *c, const struct vmsim__zone *z) {
    uint64_t n = 0;
    for (size_t i = z->extents.first; i < z->extents.count; i++) {
        for (vmsim__pfn p = z->extents.at[i].start; p < z->extents.at[i].end; p += c->mem->frames.mask + 1)
            n += c->mem->frames.chunk[p >> c->mem->frames.shift] ? c->mem->frames.mask + 1 : 0;
    }
    return n;
}

/* Ascending, apart, whole top-order blocks. */
static int check_extents(struct check *c, const struct vmsim__zone *z) {
    vmsim__pfn last = 0;
    for (size_t i = z->extents.first; i < z->extents.count; i++) {
        const struct vmsim__extent *e = &z->extents.at[i];
        if (e->start < last || e->start >= e->end || (e->start | e->end) & c->mem->frames.mask)
            return FAIL(c, "extent 0x%x-0x%x of zone %u is out of place", e->start, e->end, z->index);
        last = e->end;
    }
    return 0;
}

/* Free frames are those on lists and in extents; each frame that is managed is free, on a CPU's list or in use, and
 * no fourth thing. */
static int check_counts(struct check *c, const struct vmsim__zone *z) {
    uint64_t isolated = 0, lists = c->free - (extent_blocks(c->mem, z) << c->mem->top_order);
    for (unsigned o = 0; o <= c->mem->top_order; o++)
        isolated += z->area[o].nr[VMSIM__ISOLATE] << o;
    if (c->free - isolated != (uint64_t)z->stat[VMSIM__NR_FREE_PAGES])
        return FAIL(c, "zone %u: %" PRIu64 " free frames, counted as %" PRId64, z->index, c->free - isolated,
                    z->stat[VMSIM__NR_FREE_PAGES]);
    if (c->highatomic != z->nr_free_highatomic)
        return FAIL(c, "zone %u: nr_free_highatomic is %" PRIu64, z->index, z->nr_free_highatomic);
    if (c->cma != (uint64_t)z->stat[VMSIM__NR_FREE_CMA])
        return FAIL(c, "zone %u: nr_free_cma is %" PRId64, z->index, z->stat[VMSIM__NR_FREE_CMA]);
    if (c->free + c->pcp + z->in_use != z->managed)
        return FAIL(c, "zone %u: %" PRIu64 " free + %" PRIu64 " per-CPU + %" PRIu64 " in use are not %" PRIu64,
                    z->index, c->free, c->pcp, z->in_use, z->managed);
    if (count_marked(c, z, VMSIM__FRAME_BUDDY) != lists + marked_extents(c, z))
        return FAIL(c, "zone %u: frames marked free are not those on its lists", z->index);
    if (count_marked(c, z, VMSIM__FRAME_PCP) != c->pcp)
        return FAIL(c, "zone %u: frames marked per-CPU are not those on its lists", z->index);
    return 0;
}

static int check_zone(const struct vmsim__mem *mem, const struct vmsim__zone *z, struct vmsim__err *err) {
    struct check c = {.mem = mem, .err = err};
    int rc = check_extents(&c, z);
    if (!rc)
        rc = check_lists(&c, z);
    for (unsigned cpu = 0; !rc && z->pcp && cpu < mem->nr_cpus; cpu++)
        rc = check_pcp(&c, z, cpu);
    return rc ? rc : check_counts(&c, z);
}

/* Segments ascend, lie in their zone's span, and are what the zone has; free frames are none of any other. */
static int check_present(const struct vmsim__mem *mem, struct vmsim__err *err) {
    uint64_t present[VMSIM__NO_ZONE] = {0}, managed = 0;
    vmsim__pfn last = 0;
    for (size_t i = 0; i < mem->nr_segments; i++) {
        const struct vmsim__segment *s = &mem->segments[i];
        const struct vmsim__zone *z = &mem->zones[s->zone];
        if (s->start < last || s->start >= s->end || s->start < z->start || s->end > z->end)
            return vmsim__err_set(err, VMSIM_ECHECK, "segment 0x%x-0x%x of zone %u is out of place", s->start, s->end,
                                  s->zone);
        present[s->zone] += s->end - s->start;
        last = s->end;
    }
    for (unsigned i = 0; i < mem->nr_zones; i++) {
        const struct vmsim__zone *z = &mem->zones[i];
        if (present[i] != z->present || z->managed > z->present || (!z->present && z->end))
            return vmsim__err_set(err, VMSIM_ECHECK, "zone %u: %" PRIu64 " frames are present, counted as %" PRIu64, i,
                                  present[i], z->present);
        managed += z->managed;
    }
    if (managed != mem->totalram)
        return vmsim__err_set(err, VMSIM_ECHECK, "zones manage %" PRIu64 " frames, counted as %" PRIu64, managed,
                              mem->totalram);
    return 0;
}

/* What a node says of its zones, and its zonelists: exactly the populated ones. */
static int check_node(const struct vmsim__mem *mem, const struct vmsim__node *node, struct vmsim__err *err) {
    uint64_t present = 0;
    unsigned zones = 0;
    for (unsigned i = 0; i < mem->nr_zones; i++) {
        const struct vmsim__zone *z = &mem->zones[i];
        if (z->node != node->id || !vmsim__zone_populated(z))
            continue;
        if (zones == node->nr_zones || node->zone[zones++] != i)
            return vmsim__err_set(err, VMSIM_ECHECK, "node %u does not name its zone %u", node->id, i);
        present += z->present;
    }
    if (zones != node->nr_zones || present != node->present || node->has_memory != (zones > 0) ||
        node->zonelist_count[1] != zones)
        return vmsim__err_set(err, VMSIM_ECHECK, "node %u: %u zones with %" PRIu64 " frames, counted as %u, %" PRIu64,
                              node->id, zones, present, node->nr_zones, node->present);
    for (unsigned i = 0; i < node->zonelist_count[0]; i++) {
        if (!vmsim__zone_populated(&mem->zones[node->zonelist[0][i]]))
            return vmsim__err_set(err, VMSIM_ECHECK, "node %u: zone %u is in its zonelist without frames", node->id,
                                  node->zonelist[0][i]);
    }
    return 0;
}

/* Pools: the chain of free pages, each on its node and the pool's alone; promises that can be kept. */
static int check_pool(const struct vmsim__mem *mem, unsigned h, unsigned n, struct vmsim__err *err) {
    const struct vmsim__hugetlb_pool *pool = &mem->nodes[n].hugetlb[h];
    uint64_t free = 0;
    for (vmsim__pfn p = pool->head; p != VMSIM__PFN_NONE && free <= pool->free; p = vmsim__frame_of(mem, p)->next) {
        const struct vmsim__zone *z = vmsim__mem_zone_of(mem, p);
        if (!z || z->node != n || vmsim__frame_of(mem, p)->refcount != 1)
            return vmsim__err_set(err, VMSIM_ECHECK, "huge page 0x%x in the pool of node %u is not its own", p, n);
        free++;
    }
    if (free != pool->free || pool->free > pool->total || pool->surplus > pool->total)
        return vmsim__err_set(err, VMSIM_ECHECK,
                              "pool %u of node %u: %" PRIu64 " free pages, counted as %" PRIu64 " of %" PRIu64, h, n,
                              free, pool->free, pool->total);
    return 0;
}

/* A promise is a free page that nobody else may take: more promises than free pages are promises broken. */
static int check_pools(const struct vmsim__mem *mem, struct vmsim__err *err) {
    int rc = 0;
    for (unsigned h = 0; !rc && h < mem->nr_hstates; h++) {
        for (unsigned n = 0; !rc && n < mem->nr_nodes; n++)
            rc = check_pool(mem, h, n, err);
        if (!rc && mem->hstate[h].reserved > vmsim__hugetlb_free(mem, h, VMSIM__MAX_NODES))
            rc = vmsim__err_set(err, VMSIM_ECHECK, "pool %u: %" PRIu64 " pages are promised, fewer are free", h,
                                mem->hstate[h].reserved);
    }
    return rc;
}

/* What is present first: the other checks walk segments and zones and trust them. */
int vmsim__mem_check(const struct vmsim__mem *mem, struct vmsim__err *err) {
    int bad = check_present(mem, err);
    for (unsigned n = 0; !bad && n < mem->nr_nodes; n++)
        bad = check_node(mem, &mem->nodes[n], err);
    if (!bad)
        bad = check_pools(mem, err);
    if (bad)
        return bad;
    for (unsigned i = 0; i < mem->nr_zones; i++) {
        int rc = check_zone(mem, &mem->zones[i], err);
        if (rc)
            return rc;
    }
    return vmsim__kmem_check(mem, err);
}
