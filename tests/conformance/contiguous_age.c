/* SPDX-License-Identifier: MIT */
/* Ageing a machine as the capturing program did (contiguous_case.h): the same order of pages, by the same random
 * numbers.
 *
 * Slab is not modelled: how many pages of it a socket, an inode took in all, and how many came back, the capture says;
 * they are taken and given back here in blocks of the order that these caches use. */
#include "contiguous_case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/cache.h"
#include "zones/zones.h"

#define PAGE UINT64_C(4096)
#define AREA UINT64_C(0x10000000000)
#define PIPE_PAGES 16 /* 64 KiB in each */
#define SLAB_ORDER 3  /* of kmalloc-2k, ext4_inode_cache */

enum kernel_use { USE_PIPE, USE_SOCKET, USE_INODE, USE_BOOT, USES };

struct block {
    vmsim__pfn pfn;
    uint8_t order, use;
    int64_t owner; /* number of the pipe, socket or inode; freed with it */
};

struct aged {
    int64_t anon, file, pipes, sockets, inodes; /* pages, pages, numbers */
    uint64_t seed;
    struct vmsim__file *f, *metadata;
    struct vmsim__file_ra ra;
    struct block *block;
    size_t blocks, room;
};

static uint64_t next(struct aged *a) {
    a->seed ^= a->seed << 13;
    a->seed ^= a->seed >> 7;
    a->seed ^= a->seed << 17;
    return a->seed;
}
static bool half(struct aged *a) {
    return next(a) >> 40 & 1;
}

/* ---- the kernel's own ---- */

static void take(struct aged *a, struct vmsim_machine *m, enum kernel_use use, int64_t owner, unsigned order) {
    const struct vmsim__alloc_request rq = {.gfp = VMSIM__GFP_KERNEL | (use == USE_INODE ? VMSIM__GFP_RECLAIMABLE : 0),
                                            .order = (uint8_t)order};
    const vmsim__pfn pfn = vmsim__mem_alloc(m->mem, &rq);
    if (pfn == VMSIM__PFN_NONE) {
        fprintf(stderr, "no memory left for the kernel's part\n");
        exit(1);
    }
    if (a->blocks == a->room) {
        a->room = a->room ? 2 * a->room : 1024;
        a->block = realloc(a->block, a->room * sizeof *a->block);
        if (!a->block)
            abort();
    }
    a->block[a->blocks++] = (struct block){pfn, (uint8_t)order, (uint8_t)use, owner};
}

/* The part of `pages` that owner `i` of `n` has, so that all together have all. */
static int64_t share_of(int64_t pages, int64_t i, int64_t n) {
    return pages * (i + 1) / n - pages * i / n;
}

/* Pages of slab that come with one more object: a slab when the ones before are full. */
static void take_slab(struct aged *a, struct vmsim_machine *m, enum kernel_use use, int64_t pages, int64_t i,
                      int64_t n) {
    const int64_t slabs = pages >> SLAB_ORDER;
    for (int64_t k = share_of(slabs, i, n); k > 0; k--)
        take(a, m, use, i, SLAB_ORDER);
}

/* Those of the uses' owners that are given up; of slab only as much as the capture says came back. */
static void give(struct aged *a, struct vmsim_machine *m, enum kernel_use use, int64_t owner, int64_t *most) {
    for (size_t i = 0; i < a->blocks; i++) {
        struct block *b = &a->block[i];
        if (b->use != use || b->owner != owner || b->pfn == VMSIM__PFN_NONE || (most && *most < 1 << b->order))
            continue;
        if (most)
            *most -= 1 << b->order;
        vmsim_machine_free_pages(m, 0, b->pfn, b->order);
        b->pfn = VMSIM__PFN_NONE;
    }
}

void age_boot(struct contiguous *c, struct vmsim_machine *m) {
    struct aged *a = calloc(1, sizeof *a);
    if (!a)
        abort();
    c->aged = a;
    const int64_t held = c->managed[0] + c->managed[1] - c->start_free - c->start_lru;
    for (int64_t i = 0; i < held; i++)
        take(a, m, i % 3 ? USE_BOOT : USE_INODE, -1, 0);
}

/* ---- the program's ---- */

static void write_pages(struct vmsim_machine *m, uint32_t task, uint64_t from, int64_t pages) {
    for (int64_t i = 0; i < pages; i++) {
        vmsim_access a = vmsim_access_make(from + (uint64_t)i * PAGE, 8, VMSIM_STORE);
        struct vmsim_access_result r = {0};
        while (!r.done && !r.stop)
            vmsim__machine_try(m, vmsim__task_get(m, task), &a, 1, NULL, &r);
    }
}

static void read_pages(struct aged *a, struct vmsim_machine *m, int64_t from, int64_t pages) {
    for (int64_t i = from; i < from + pages; i++)
        vmsim__file_read(m->cache, a->f, &a->ra, (uint64_t)i * PAGE, PAGE, 0);
}

/* Inodes lie many to a block: a page of them is written as the first comes, and again as others do. */
static void write_metadata(struct aged *a, struct vmsim_machine *m, int64_t pages, int64_t i) {
    if (!pages)
        return;
    const int64_t page = share_of(pages, i, a->inodes) ? pages * i / a->inodes : -1;
    for (unsigned k = 0; k < 2 && page >= 0; k++)
        vmsim__file_write(m->cache, a->metadata, (uint64_t)page * PAGE, PAGE, 0);
}

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

void age_fill(struct contiguous *c, struct vmsim_machine *m, uint32_t task) {
    struct aged *a = c->aged;
    int64_t done[5] = {0};
    a->anon = c->aged_pages[0];
    a->file = c->aged_pages[1];
    a->pipes = c->aged_pages[2];
    a->sockets = case_number(c, "sock", 150);
    a->inodes = case_number(c, "inodes", 1500);
    a->seed = (uint64_t)case_number(c, "seed", 1) * UINT64_C(0x9E3779B97F4A7C15) | 1;
    a->f = vmsim__file_create(m->cache, VMSIM__FILE_REGULAR, "/agefile", (uint64_t)a->file * PAGE);
    a->metadata = vmsim__file_create(m->cache, VMSIM__FILE_REGULAR, "/inodes", (uint64_t)c->metadata * PAGE);
    if (!a->f || !a->metadata)
        abort();
    vmsim__file_fadvise(m->cache, a->f, &a->ra, 0, 0, 1, 0);
    for (;;) {
        const int64_t left[5] = {a->anon - done[0], a->file - done[1], (a->pipes - done[2]) * 4,
                                 (a->sockets - done[3]) * 4, (a->inodes - done[4]) * 2};
        const int64_t all = left[0] + left[1] + left[2] + left[3] + left[4];
        unsigned kind = 0;
        if (!all)
            break;
        for (int64_t r = (int64_t)(next(a) % (uint64_t)all); (r -= left[kind]) >= 0; kind++)
            continue;
        const int64_t some = least(16, left[kind < 2 ? kind : 0]);
        if (kind == 0)
            write_pages(m, task, AREA + (uint64_t)done[0] * PAGE, some);
        else if (kind == 1)
            read_pages(a, m, done[1], some);
        for (unsigned i = 0; kind == 2 && i < PIPE_PAGES; i++)
            take(a, m, USE_PIPE, done[2], 0);
        if (kind == 3)
            take_slab(a, m, USE_SOCKET, c->slab[0][0], done[3], a->sockets);
        if (kind == 4) {
            take_slab(a, m, USE_INODE, c->slab[0][1], done[4], a->inodes);
            write_metadata(a, m, c->metadata, done[4]);
        }
        done[kind] += kind < 2 ? some : 1;
    }
}

void age_free_half(struct contiguous *c, struct vmsim_machine *m, uint32_t task) {
    struct aged *a = c->aged;
    struct vmsim__task *t = vmsim__task_get(m, task);
    for (int64_t i = 0; i < a->anon; i++)
        if (half(a))
            vmsim__mm_madvise(t->mm, AREA + (uint64_t)i * PAGE, PAGE, VMSIM__MADV_DONTNEED, 0);
    for (int64_t i = 0; i < a->file; i++)
        if (half(a))
            vmsim__file_fadvise(m->cache, a->f, &a->ra, (uint64_t)i * PAGE, PAGE, 4, 0);
    for (int64_t i = 0; i < a->pipes; i++)
        if (half(a))
            give(a, m, USE_PIPE, i, NULL);
    for (int64_t i = 0; i < a->sockets; i++)
        if (half(a))
            give(a, m, USE_SOCKET, i, &c->slab[1][0]);
    for (int64_t i = 0; i < a->inodes; i++)
        if (half(a))
            give(a, m, USE_INODE, i, &c->slab[1][1]);
}

void age_forget(struct contiguous *c) {
    if (c->aged)
        free(c->aged->block);
    free(c->aged);
    c->aged = NULL;
}
