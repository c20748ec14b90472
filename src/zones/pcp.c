/* SPDX-License-Identifier: MIT */
/* Per-CPU lists: refilling, trimming and draining, by the rules of Linux 6.1 and those of 6.7 and later, which tune the
 * limit.
 *
 * 6.1: `high` is fixed; a run of frees doubles what one trim gives back. Since 6.7 `high` moves between high_min and
 * high_max: up when allocation empties the lists or a run of frees overflows them, down when the zone is below its high
 * watermark or under reclaim, and with time. Kernel counterpart: mm/page_alloc.c (rmqueue_bulk, free_pcppages_bulk,
 * nr_pcp_*). */
#include "zones/pcp.h"

static int32_t min32(int32_t a, int32_t b) {
    return a < b ? a : b;
}
static int32_t max32(int32_t a, int32_t b) {
    return a > b ? a : b;
}
/* As the kernel's clamp: the lower bound first, so that an empty interval gives the upper one. */
static int32_t clamp32(int32_t x, int32_t low, int32_t high) {
    return min32(max32(x, low), high);
}

/* What the CPU gave back is told now. */
static void fold(struct vmsim__zone *z, struct vmsim__pcp *pcp) {
    VMSIM__ASSERT(z->unfolded >= pcp->unfolded);
    z->unfolded -= pcp->unfolded;
    pcp->unfolded = 0;
}

/* Frames that a refill of order 0 takes where `high` tunes itself; a run of allocations doubles it. Kernel:
 * nr_pcp_alloc. */
static int32_t refill_auto(const struct vmsim__zone *z, struct vmsim__pcp *pcp, unsigned order) {
    VMSIM__ASSERT(pcp->batch > 0 && pcp->alloc_factor <= VMSIM__PCP_BATCH_SCALE_MAX);
    int32_t base = pcp->batch, batch = order ? base : base << pcp->alloc_factor;
    int32_t high = pcp->high = clamp32(pcp->high, pcp->high_min, pcp->high_max);
    if (high < base)
        return 1;
    if (pcp->high_min != pcp->high_max && !(z->flags & VMSIM__ZONE_BELOW_HIGH))
        high = pcp->high = min32(high + batch, pcp->high_max);
    if (!order) {
        int32_t most = max32(high - pcp->count - base, base);
        if (batch <= most && pcp->alloc_factor < VMSIM__PCP_BATCH_SCALE_MAX)
            pcp->alloc_factor++;
        batch = min32(batch, most);
    }
    return batch;
}

/* Kernel: rmqueue_bulk: blocks are appended in the order in which the buddy gives them, so that a task that touches
 * page after page gets ascending frames. */
bool vmsim__pcp_refill(struct vmsim__mem *mem, struct vmsim__zone *z, struct vmsim__pcp *pcp, unsigned order,
                       enum vmsim__migratetype type, uint32_t alloc_flags) {
    struct vmsim__frame_list *list = &pcp->list[vmsim__pcp_index(order, type)];
    VMSIM__ASSERT(list->head == VMSIM__PFN_NONE && list->tail == VMSIM__PFN_NONE);
    int32_t batch = mem->kernel->pcp_high_auto ? refill_auto(z, pcp, order) : pcp->batch;
    if (batch > 1)
        batch = max32(batch >> order, 2);
    fold(z, pcp);
    for (; batch > 0; batch--) {
        vmsim__pfn pfn = vmsim__buddy_alloc(mem, z, order, type, alloc_flags);
        if (pfn == VMSIM__PFN_NONE)
            break;
        struct vmsim__frame *f = vmsim__frame_of(mem, pfn);
        f->flags = (f->flags & VMSIM__FRAME_KEEP) | VMSIM__FRAME_PCP;
        vmsim__block_set_order(f, order);
        vmsim__list_append(mem, list, pfn, f); /* its index still names the list it came from */
        pcp->count += 1 << order;
    }
    return list->head != VMSIM__PFN_NONE;
}

static unsigned index_order(const struct vmsim__mem *mem, unsigned index) {
    VMSIM__ASSERT(index < VMSIM__PCP_LISTS);
    return index < VMSIM__PCP_TYPES * (VMSIM__COSTLY_ORDER + 1) ? index / VMSIM__PCP_TYPES : mem->pageblock_order;
}

/* Gives the coldest block of a list back to the buddy. */
static void release_tail(struct vmsim__mem *mem, struct vmsim__zone *z, struct vmsim__pcp *pcp, unsigned index) {
    struct vmsim__frame_list *list = &pcp->list[index];
    unsigned order = index_order(mem, index);
    vmsim__pfn pfn = list->tail;
    VMSIM__ASSERT(pfn != VMSIM__PFN_NONE);
    struct vmsim__frame *f = vmsim__frame_of(mem, pfn);
    enum vmsim__migratetype now = vmsim__block_type(mem, pfn), type = (enum vmsim__migratetype)f->index;
    VMSIM__ASSERT(vmsim__frame_is(f, VMSIM__FRAME_PCP) && vmsim__block_order(f) == order);
    VMSIM__ASSERT(pcp->count >= 1 << order);
    /* until 6.9 a block returns to the list it was meant for, even when its pageblock has changed since */
    if (mem->kernel->freelist_by_pageblock || now == VMSIM__ISOLATE)
        type = now;
    vmsim__list_remove(mem, list, f);
    f->flags &= VMSIM__FRAME_KEEP;
    vmsim__frame_set_list(f, 0);
    vmsim__block_set_order(f, 0);
    pcp->count -= 1 << order;
    vmsim__buddy_free(mem, z, pfn, order, type, false);
}

/* Gives back at least `count` frames, from the list `index` first, then from the following ones in turn.
 * Kernel: free_pcppages_bulk. The list that overflowed is emptied first, whatever the others hold: the kernel starts at
 * `pindex`, too. */
static void release_bulk(struct vmsim__mem *mem, struct vmsim__zone *z, struct vmsim__pcp *pcp, int32_t count,
                         unsigned index) {
    VMSIM__ASSERT(index < VMSIM__PCP_LISTS && pcp->count >= 0);
    count = min32(count, pcp->count);
    fold(z, pcp);
    while (count > 0) {
        while (pcp->list[index].head == VMSIM__PFN_NONE)
            index = (index + 1) % VMSIM__PCP_LISTS;
        int32_t frames = 1 << index_order(mem, index);
        while (count > 0 && pcp->list[index].head != VMSIM__PFN_NONE) {
            release_tail(mem, z, pcp, index);
            count -= frames;
        }
        index = (index + 1) % VMSIM__PCP_LISTS;
    }
}

/* Kernel: nr_pcp_free and nr_pcp_high of 6.1. A free of order 1..3 right after other frees empties all lists: such
 * runs come from the network stack, whose pages are used up on another CPU. */
void vmsim__pcp_trim_6_1(struct vmsim__mem *mem, struct vmsim__zone *z, struct vmsim__pcp *pcp, unsigned order,
                         unsigned index) {
    VMSIM__ASSERT(pcp->batch > 0 && pcp->free_factor <= VMSIM__PCP_BATCH_SCALE_MAX);
    bool flush = pcp->free_factor && order && order <= VMSIM__COSTLY_ORDER;
    int32_t high = flush ? 0 : pcp->high, batch = pcp->batch, count = 1;
    if (high && z->flags & VMSIM__ZONE_RECLAIM_ACTIVE)
        high = min32(batch << 2, high);
    if (pcp->count < high)
        return;
    if (flush) {
        count = pcp->count;
    } else if (high >= batch) {
        int32_t most = high - batch;
        count = batch << pcp->free_factor;
        if (count < most && pcp->free_factor < VMSIM__PCP_BATCH_SCALE_MAX)
            pcp->free_factor++;
        count = clamp32(count, batch, most);
    }
    release_bulk(mem, z, pcp, count, index);
}

/* The limit after a free, where it tunes itself. Kernel: nr_pcp_high of 6.7 and later. What it returns is the limit
 * of this one trim; pcp->high is the limit remembered. */
static int32_t high_auto(struct vmsim__zone *z, struct vmsim__pcp *pcp, bool flush) {
    int32_t low = pcp->high_min, top = pcp->high_max, batch = pcp->batch;
    int32_t high = pcp->high = clamp32(pcp->high, low, top);
    if (!high)
        return 0;
    if (flush) {
        pcp->high = max32(high - (batch << VMSIM__PCP_BATCH_SCALE_MAX), low);
        return 0;
    }
    int32_t run = max32(pcp->free_count, batch);
    if (z->flags & VMSIM__ZONE_RECLAIM_ACTIVE) {
        pcp->high = max32(high - run, low);
        return min32(batch << 2, pcp->high);
    }
    if (low == top)
        return high;
    if (z->flags & VMSIM__ZONE_BELOW_HIGH) {
        pcp->high = max32(high - run, low);
        return max32(pcp->count, low);
    }
    if (pcp->count >= high && pcp->high < pcp->free_count + batch)
        pcp->high = clamp32(pcp->free_count + batch, low, top);
    return high;
}

/* Kernel: free_unref_page_commit. */
void vmsim__pcp_trim_auto(struct vmsim__mem *mem, struct vmsim__zone *z, struct vmsim__pcp *pcp, unsigned order,
                          unsigned index) {
    VMSIM__ASSERT(pcp->batch > 0 && pcp->count >= 0);
    int32_t batch = pcp->batch;
    bool small = order && order <= VMSIM__COSTLY_ORDER;
    /* the kernel's PCPF_FREE_HIGH_BATCH, which needs a large last-level cache slice per CPU, is off */
    bool flush = small && pcp->free_count >= batch && pcp->prev_free_high_order;
    pcp->alloc_factor >>= 1;
    pcp->prev_free_high_order = small;
    if (pcp->free_count < batch << VMSIM__PCP_BATCH_SCALE_MAX)
        pcp->free_count += 1 << order;
    int32_t high = high_auto(z, pcp, flush), count = 1;
    if (pcp->count < high)
        return;
    if (flush)
        count = min32(pcp->count, batch << VMSIM__PCP_BATCH_SCALE_MAX);
    else if (high >= batch)
        count = clamp32(pcp->free_count, batch, high - batch);
    release_bulk(mem, z, pcp, count, index);
    if (z->flags & VMSIM__ZONE_BELOW_HIGH &&
        vmsim__zone_watermark_ok(mem, z, 0, vmsim__zone_wmark(z, VMSIM__WMARK_HIGH), VMSIM__ZONE_MOVABLE, 0))
        z->flags &= ~VMSIM__ZONE_BELOW_HIGH;
}

/* Kernel: decay_pcp_high. The limit falls by an eighth, by less where more than 32 batches would have to go back at
 * once, and not below its lowest. */
static void decay(struct vmsim__mem *mem, struct vmsim__zone *z, struct vmsim__pcp *pcp) {
    int32_t most = pcp->count - (pcp->batch << VMSIM__PCP_BATCH_SCALE_MAX);
    if (pcp->high > pcp->high_min)
        pcp->high = max32(max32(most, pcp->high - (pcp->high >> 3)), pcp->high_min);
    if (pcp->count > pcp->high)
        release_bulk(mem, z, pcp, pcp->count - pcp->high, 0);
}

/* A batch goes back block by block, after the CPU has folded its counters into the zone's: from then on it folds its
 * count of free frames whenever that exceeds the threshold, and what is left of it is told at the next look. Kernel:
 * drain_zone_pages, as refresh_cpu_vm_stats calls it. */
static void give_back(struct vmsim__mem *mem, struct vmsim__zone *z, struct vmsim__pcp *pcp) {
    const int64_t threshold = z->stat_threshold;
    int64_t own = 0, before = z->stat[VMSIM__NR_FREE_PAGES];
    VMSIM__ASSERT(!pcp->unfolded);
    for (int32_t frames = min32(pcp->batch, pcp->count); frames > 0;) {
        release_bulk(mem, z, pcp, 1, 0);
        const int64_t came = z->stat[VMSIM__NR_FREE_PAGES] - before;
        VMSIM__ASSERT(came >= 0); /* none, into a block that is isolated */
        before += came;
        frames -= max32((int32_t)came, 1);
        own = own + came > threshold ? 0 : own + came;
    }
    VMSIM__ASSERT(own <= UINT8_MAX);
    pcp->unfolded = (uint8_t)own;
    z->unfolded += pcp->unfolded;
}

/* One number of all counters of a zone, which another mix of them hardly has. */
static uint64_t mixed(const struct vmsim__zone *z) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < VMSIM__ZONE_STAT_COUNT; i++)
        sum = (sum ^ (uint64_t)z->stat[i]) * UINT64_C(0x9e3779b97f4a7c15);
    return sum;
}

/* Memory of another node that a CPU has at hand is better off there once it uses none of it any more. That it does is
 * seen by counters of the zone that it has changed since it looked last. Kernel: refresh_cpu_vm_stats. */
static void look_at(struct vmsim__mem *mem, struct vmsim__zone *z, unsigned cpu) {
    enum { LOOKS = 3 };
    struct vmsim__pcp *pcp = &z->pcp[cpu];
    if (mem->nr_nodes > 1 && (pcp->unfolded || (pcp->used && mixed(z) != pcp->seen)))
        pcp->expire = LOOKS;
    pcp->used = false;
    fold(z, pcp);
    if (mem->kernel->pcp_high_auto)
        decay(mem, z, pcp);
    if (pcp->expire && pcp->count && z->node == mem->cpu_node[cpu])
        pcp->expire = 0;
    else if (pcp->expire && pcp->count && !--pcp->expire)
        give_back(mem, z, pcp);
    if (mem->nr_nodes > 1)
        pcp->seen = mixed(z);
}

void vmsim__mem_refresh(struct vmsim__mem *mem, unsigned cpu) {
    VMSIM__ASSERT(cpu < mem->nr_cpus);
    for (unsigned i = 0; i < mem->nr_zones && (mem->kernel->pcp_high_auto || mem->nr_nodes > 1); i++) {
        if (vmsim__zone_populated(&mem->zones[i]))
            look_at(mem, &mem->zones[i], cpu);
    }
}

void vmsim__zone_drain_pcp(struct vmsim__mem *mem, struct vmsim__zone *zone, unsigned cpu) {
    VMSIM__ASSERT(cpu < mem->nr_cpus);
    release_bulk(mem, zone, &zone->pcp[cpu], zone->pcp[cpu].count, 0);
    VMSIM__ASSERT(zone->pcp[cpu].count == 0);
}

void vmsim__zone_drain(struct vmsim__mem *mem, struct vmsim__zone *zone) {
    for (unsigned cpu = 0; zone->pcp && cpu < mem->nr_cpus; cpu++)
        vmsim__zone_drain_pcp(mem, zone, cpu);
}

void vmsim__mem_drain(struct vmsim__mem *mem) {
    for (unsigned i = 0; i < mem->nr_zones; i++)
        vmsim__zone_drain(mem, &mem->zones[i]);
}

uint64_t vmsim__zone_pcp_count(const struct vmsim__mem *mem, const struct vmsim__zone *z) {
    uint64_t n = 0;
    for (unsigned cpu = 0; z->pcp && cpu < mem->nr_cpus; cpu++)
        n += (uint64_t)z->pcp[cpu].count;
    return n;
}
