/* SPDX-License-Identifier: MIT */
/* The page cache: JSON on standard output, pages a second unless said otherwise.
 *
 *   read_cold      one pass over a file, 16 pages a call: readahead, allocation, lru_add
 *   read_warm      the same file again (second pass: activation; later passes: lookups)
 *   read_hot       many further passes
 *   write_new      writing an empty file, sync_each: one page dirtied and synced in a large cached file
 *   fault_warm     faults on cached pages
 *   shmem_new      faults on untouched shared memory
 *   drop           taking a whole file out of the cache
 *   anon_lru       allocate, lru_add, free: what an anonymous page costs here */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cache/cache.h"

#define PAGE UINT64_C(4096)

static struct vmsim__mem *mem;
static struct vmsim__lru *lru;
static struct vmsim__cache *cache;
static struct vmsim__file_ra ra;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void print(const char *name, uint64_t pages, double start) {
    printf("  \"%s_per_s\": %.0f,\n", name, (double)pages / (now() - start));
}

static void read_all(struct vmsim__file *f, uint64_t pages) {
    for (uint64_t i = 0; i < pages; i += 16)
        vmsim__file_read(cache, f, &ra, i * PAGE, 16 * PAGE, 0);
}

static void reads(uint64_t pages) {
    struct vmsim__file *f = vmsim__file_create(cache, VMSIM__FILE_REGULAR, "/r", pages * PAGE);
    double t = now();
    read_all(f, pages);
    print("read_cold", pages, t);
    t = now();
    read_all(f, pages);
    print("read_warm", pages, t);
    t = now();
    for (unsigned i = 0; i < 8; i++)
        read_all(f, pages);
    print("read_hot", 8 * pages, t);
    t = now();
    for (uint64_t i = 0; i < pages; i++) {
        struct vmsim__page_fault out;
        vmsim__file_fault(cache, f, &ra, i, VMSIM__READ_NORMAL, NULL, NULL, 0, &out);
        vmsim__folio_put(lru, out.pfn, 0);
    }
    print("fault_warm", pages, t);
    t = now();
    for (uint64_t i = 0; i < pages; i++) {
        vmsim__file_write(cache, f, i * 7919 % pages * PAGE, PAGE, 0);
        vmsim__file_sync(cache, f, 0, UINT64_MAX, 0);
    }
    print("sync_each", pages, t);
    t = now();
    vmsim__cache_drop(cache, 0);
    print("drop", pages, t);
    vmsim__file_unlink(cache, f, 0);
    vmsim__file_put(cache, f, 0);
}

static void writes(uint64_t pages) {
    struct vmsim__file *f = vmsim__file_create(cache, VMSIM__FILE_REGULAR, NULL, 0);
    double t = now();
    for (uint64_t i = 0; i < pages; i++)
        vmsim__file_write(cache, f, i * PAGE, PAGE, 0);
    print("write_new", pages, t);
    vmsim__file_put(cache, f, 0);
    f = vmsim__file_create(cache, VMSIM__FILE_SHMEM, NULL, pages * PAGE);
    t = now();
    for (uint64_t i = 0; i < pages; i++) {
        struct vmsim__page_fault out;
        vmsim__file_fault(cache, f, &ra, i, VMSIM__READ_NORMAL, NULL, NULL, 0, &out);
        vmsim__folio_put(lru, out.pfn, 0);
    }
    print("shmem_new", pages, t);
    vmsim__file_put(cache, f, 0);
}

static void anon(uint64_t count) {
    struct vmsim__alloc_request rq = {.gfp = VMSIM__GFP_HIGHUSER_MOVABLE};
    static vmsim__pfn pfn[512];
    double t = now();
    for (uint64_t n = 0; n < count; n += 512) {
        for (unsigned i = 0; i < 512; i++) {
            pfn[i] = vmsim__mem_alloc(mem, &rq);
            vmsim__frame_at(&mem->frames, pfn[i])->flags |= VMSIM__FRAME_ANON | VMSIM__FRAME_SWAPBACKED;
            vmsim__lru_add(lru, pfn[i], 0);
        }
        for (unsigned i = 0; i < 512; i++)
            vmsim__folio_put(lru, pfn[i], 0);
    }
    print("anon_lru", count, t);
}

int main(int argc, char **argv) {
    uint64_t pages = argc > 1 ? strtoull(argv[1], NULL, 10) : UINT64_C(1) << 18;
    struct vmsim__alloc *alloc = vmsim__alloc_create(NULL);
    struct vmsim__node_spec node = {.memory = 2 * pages * PAGE + (UINT64_C(256) << 20)};
    struct vmsim__mem_spec spec = {.nodes = {&node, 1}, .cpus = 1};
    struct vmsim__cache_spec cs = {.read_ahead = 128 << 10, .dirty_ratio = 20, .dirty_background_ratio = 10};
    struct vmsim__err err;
    if (vmsim__mem_create(alloc, &spec, &mem, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 3;
    }
    lru = vmsim__lru_create(alloc, mem, vmsim__kernel_find("6.1"), 1);
    cache = vmsim__cache_create(alloc, mem, lru, vmsim__kernel_find("6.1"), &cs);
    vmsim__ra_init(cache, &ra);
    printf("{\n  \"pages\": %" PRIu64 ",\n", pages);
    reads(pages);
    writes(pages);
    anon(16 * pages);
    printf("  \"host_bytes\": %" PRIu64 "\n}\n", vmsim__alloc_bytes(alloc));
    vmsim__cache_destroy(cache);
    vmsim__lru_destroy(lru);
    vmsim__mem_destroy(mem);
    return vmsim__alloc_destroy(alloc) != 0;
}
