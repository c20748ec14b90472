/* SPDX-License-Identifier: MIT */
/* Allocation and freeing of frames, and booting: JSON on standard output.
 *
 *   pcp_pair       one frame allocated and freed at once: per-CPU list only
 *   pcp_batch_512  512 frames allocated, then all freed: refills and trims included
 *   huge_pair      a pageblock through the per-CPU list; order5_pair: past it, straight to the buddy
 *   random_orders  pairs of orders 0 to 10 at random, 1,024 blocks held: splits, merges, per-CPU lists; freeing all
 *                  must give back as many blocks of the top order as there were
 *   fill           every frame of 1 GiB allocated one by one, then freed: splits, merges, first touch of metadata
 *   boot_1tib      host time and host bytes of a machine with 1 TiB */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "zones/zones.h"

#define GIB (UINT64_C(1) << 30)

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static struct vmsim__mem *boot(struct vmsim__alloc *alloc, uint64_t size) {
    struct vmsim__node_spec node = {.memory = size};
    struct vmsim__mem_spec spec = {.nodes = {&node, 1}, .cpus = 4};
    struct vmsim__mem *mem;
    struct vmsim__err err;
    if (vmsim__mem_create(alloc, &spec, &mem, &err)) {
        fprintf(stderr, "%s\n", err.text);
        exit(3);
    }
    return mem;
}

static double pairs(struct vmsim__mem *mem, unsigned order, uint64_t count) {
    struct vmsim__alloc_request rq = {.gfp = VMSIM__GFP_HIGHUSER_MOVABLE, .order = (uint8_t)order};
    double start = now();
    for (uint64_t i = 0; i < count; i++)
        vmsim__mem_free(mem, vmsim__mem_alloc(mem, &rq), order, 0);
    return (double)count / (now() - start);
}

static double batches(struct vmsim__mem *mem, uint64_t rounds) {
    static vmsim__pfn pfn[512];
    struct vmsim__alloc_request rq = {.gfp = VMSIM__GFP_HIGHUSER_MOVABLE};
    double start = now();
    for (uint64_t r = 0; r < rounds; r++) {
        for (unsigned i = 0; i < 512; i++)
            pfn[i] = vmsim__mem_alloc(mem, &rq);
        for (unsigned i = 0; i < 512; i++)
            vmsim__mem_free(mem, pfn[i], 0, 0);
    }
    return (double)(rounds * 512) / (now() - start);
}

#define HELD 1024u
/* Each round frees one block at random and allocates another in its place; a pair is one of each. */
static double random_orders(struct vmsim__mem *mem, uint64_t count) {
    static vmsim__pfn pfn[HELD];
    static uint8_t order[HELD];
    struct vmsim__alloc_request rq = {.gfp = VMSIM__GFP_HIGHUSER_MOVABLE};
    uint64_t random = 1, whole = 0, after = 0;
    for (unsigned z = 0; z < mem->nr_zones; z++)
        whole += vmsim__zone_free_blocks(&mem->zones[z], mem->top_order, VMSIM__MIGRATE_TYPES);
    for (unsigned i = 0; i < HELD; i++)
        pfn[i] = VMSIM__PFN_NONE;
    double start = now();
    for (uint64_t i = 0; i < count; i++) {
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        unsigned at = (unsigned)(random >> 33) % HELD;
        if (pfn[at] != VMSIM__PFN_NONE)
            vmsim__mem_free(mem, pfn[at], order[at], 0);
        order[at] = rq.order = (uint8_t)((random >> 44) % (mem->top_order + 1u));
        pfn[at] = vmsim__mem_alloc(mem, &rq);
    }
    double rate = (double)count / (now() - start);
    for (unsigned i = 0; i < HELD; i++) {
        if (pfn[i] != VMSIM__PFN_NONE)
            vmsim__mem_free(mem, pfn[i], order[i], 0);
    }
    vmsim__mem_drain(mem);
    for (unsigned z = 0; z < mem->nr_zones; z++)
        after += vmsim__zone_free_blocks(&mem->zones[z], mem->top_order, VMSIM__MIGRATE_TYPES);
    if (after != whole) {
        fprintf(stderr, "%" PRIu64 " blocks of the top order became %" PRIu64 "\n", whole, after);
        exit(3);
    }
    return rate;
}

static void fill(struct vmsim__alloc *alloc) {
    struct vmsim__mem *mem = boot(alloc, GIB);
    struct vmsim__alloc_request rq = {.gfp = VMSIM__GFP_HIGHUSER_MOVABLE};
    vmsim__pfn *pfn = malloc((GIB >> 12) * sizeof *pfn);
    uint64_t n = 0;
    double start = now();
    while ((pfn[n] = vmsim__mem_alloc(mem, &rq)) != VMSIM__PFN_NONE)
        n++;
    double full = now();
    for (uint64_t i = 0; i < n; i++)
        vmsim__mem_free(mem, pfn[i], 0, 0);
    double end = now();
    printf("  \"fill_frames\": %" PRIu64 ",\n  \"fill_allocs_per_s\": %.0f,\n  \"fill_frees_per_s\": %.0f,\n", n,
           (double)n / (full - start), (double)n / (end - full));
    printf("  \"metadata_bytes_per_frame\": %.1f,\n", (double)vmsim__alloc_bytes(alloc) / (double)n);
    free(pfn);
    vmsim__mem_destroy(mem);
}

int main(int argc, char **argv) {
    uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : UINT64_C(20000000);
    struct vmsim__alloc *alloc = vmsim__alloc_create(NULL);
    double start = now();
    struct vmsim__mem *mem = boot(alloc, 1024 * GIB);
    double booted = now() - start;
    printf("{\n  \"boot_1tib_ms\": %.3f,\n  \"boot_1tib_host_bytes\": %" PRIu64 ",\n", booted * 1e3,
           vmsim__alloc_bytes(alloc));
    vmsim__mem_destroy(mem);
    mem = boot(alloc, 4 * GIB);
    printf("  \"pcp_pair_per_s\": %.0f,\n", pairs(mem, 0, n));
    printf("  \"pcp_batch_512_per_s\": %.0f,\n", batches(mem, n / 512));
    printf("  \"huge_pair_per_s\": %.0f,\n", pairs(mem, 9, n / 200));
    printf("  \"order5_pair_per_s\": %.0f,\n", pairs(mem, 5, n / 10));
    vmsim__mem_drain(mem);
    printf("  \"random_orders_per_s\": %.0f,\n", random_orders(mem, n / 4));
    vmsim__mem_destroy(mem);
    fill(alloc);
    printf("  \"backend\": \"%s\"\n}\n", vmsim__alloc_backend(alloc));
    return vmsim__alloc_destroy(alloc) != 0;
}
