/* SPDX-License-Identifier: MIT */
/* Breaks up what is whole on the machine that was just booted until its free lists are those of the capture.
 *
 *     top order:  [free][free][broken][free][free][broken]...      as many whole ones as the capture has
 *     a broken pageblock:  [free 2^k | in use 2^k | free 2^j | in use 2^j | in use ...]      k > j
 *
 * A free part has its buddy in use, or it would merge; its pageblock stays movable, as most are whose larger parts a
 * kernel has free. */
#include "captured_blocks.h"

#include <stdlib.h>

#include "zones/zones_internal.h"

struct broken {
    vmsim__pfn start;
    uint32_t used; /* frames from `start` on that are decided */
};

struct breaking {
    struct vmsim__mem *mem;
    struct broken *at; /* pageblocks that are held */
    size_t count, next;
};

/* All free blocks of one order, by address. */
static size_t free_blocks(const struct vmsim__mem *mem, const struct vmsim__zone *z, unsigned order, vmsim__pfn *at) {
    size_t n = 0;
    for (vmsim__pfn p = (z->start >> order) << order; p < z->end; p += 1u << order) {
        if (vmsim__mem_free_block_order(mem, p) == (int)order)
            at[n++] = p;
    }
    return n;
}

/* A block that is free is held; from now on its pageblocks can be given back in parts. */
static void take(struct breaking *b, vmsim__pfn pfn, unsigned order) {
    const unsigned pageblock = b->mem->pageblock_order < order ? b->mem->pageblock_order : order;
    if (vmsim__mem_isolate_block(b->mem, pfn) != (int)order)
        abort();
    vmsim__mem_split(b->mem, pfn, order);
    for (uint32_t i = 0; i < 1u << (order - pageblock); i++) {
        if (order >= b->mem->pageblock_order)
            b->at[b->count++] = (struct broken){.start = pfn + (i << pageblock)};
    }
}

/* As many as `wanted` stay. Those that go are the lowest and the highest: a kernel's own memory comes from the low end,
 * where its free lists begin, and from the top, where memblock begins (workloads_trace tells where compaction met it).
 */
static void take_some(struct breaking *b, const struct vmsim__zone *z, unsigned order, int64_t wanted,
                      vmsim__pfn *room) {
    const size_t have = free_blocks(b->mem, z, order, room);
    const size_t more = (int64_t)have > wanted ? have - (size_t)wanted : 0;
    for (size_t i = 0; i < more; i++)
        take(b, room[i < more - more / 2 ? i : have - more + i], order);
}

/* One free part of this order, in the next broken pageblock that has room for it and its buddy. False: none has. */
static bool give_part(struct breaking *b, unsigned order) {
    const uint32_t pageblock = UINT32_C(1) << b->mem->pageblock_order, pair = UINT32_C(2) << order;
    for (size_t tries = 0; tries < b->count; tries++) {
        struct broken *k = &b->at[b->next++ % b->count];
        if (k->used > pageblock - pair || k->used % pair)
            continue;
        for (uint32_t i = 0; i < 1u << order; i++)
            vmsim__mem_free_buddy(b->mem, k->start + k->used + i, 0);
        k->used += pair;
        return true;
    }
    return false;
}

/* Whole pageblocks, every second of those that are held, so that none lies beside another. */
static void give_pageblocks(struct breaking *b, int64_t count) {
    for (size_t i = 1; i < b->count && count > 0; i += 2, count--) {
        for (uint32_t f = 0; f < UINT32_C(1) << b->mem->pageblock_order; f++)
            vmsim__mem_free_buddy(b->mem, b->at[i].start + f, 0);
        b->at[i].used = UINT32_MAX;
    }
}

void captured_blocks_leave(struct vmsim__mem *mem, const struct vmsim__zone *z, const int64_t *left) {
    const size_t most = (size_t)(z->end - z->start) + 1;
    struct breaking b = {.mem = mem, .at = calloc(most, sizeof *b.at)};
    vmsim__pfn *room = calloc(most, sizeof *room);
    if (!b.at || !room)
        abort();
    for (unsigned order = mem->top_order + 1u; order--;)
        take_some(&b, z, order, left[order], room);
    const unsigned pageblock = mem->pageblock_order;
    if (mem->top_order > pageblock)
        give_pageblocks(&b, left[pageblock] - (int64_t)free_blocks(mem, z, pageblock, room));
    for (unsigned order = pageblock; b.count && order--;) {
        int64_t have = (int64_t)free_blocks(mem, z, order, room);
        while (have < left[order] && give_part(&b, order))
            have++;
    }
    free(room);
    free(b.at);
}
