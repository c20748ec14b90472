/* SPDX-License-Identifier: MIT */
/* Faults of address spaces, without CPUs and TLBs, as one line of JSON each:
 *
 *   anon_write     allocate, map, LRU, reverse map, counters: millions of faults a second
 *   zero_read      the zero page
 *   cow            write to a page shared by fork
 *   unmap          munmap of written pages, a page
 *   fork           fork of written pages, a page
 *   file_around    read faults of a cached file (16 pages each)
 *   vma_lookup     find one of 10,000 mappings
 *
 * Each the best of several rounds: the machine is shared. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "vm/vm.h"

#define PG UINT64_C(4096)
#define BASE UINT64_C(0x10000000000)
#define PAGES (UINT64_C(1) << 17)
enum { ROUNDS = 5 };

static struct vmsim__alloc *alloc;
static struct vmsim__mem *mem;
static struct vmsim__lru *lru;
static struct vmsim__cache *cache;
static struct vmsim__vm *vm;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void print(const char *name, double items, double seconds) {
    printf("{\"bench\": \"%s\", \"mops_per_s\": %.2f, \"ns\": %.1f}\n", name, items / seconds / 1e6,
           seconds / items * 1e9);
}

static int start(void) {
    static const struct vmsim__cache_spec cs = {.read_ahead = 128 << 10};
    struct vmsim__node_spec node = {.memory = UINT64_C(4) << 30};
    struct vmsim__mem_spec ms = {.cpus = 1, .nodes = {&node, 1}, .transparent_hugepage = VMSIM__THP_NEVER};
    struct vmsim__vm_spec spec;
    alloc = vmsim__alloc_create(NULL);
    if (vmsim__mem_create(alloc, &ms, &mem, NULL))
        return -1;
    lru = vmsim__lru_create(alloc, mem, vmsim__kernel_find(NULL), 1);
    cache = vmsim__cache_create(alloc, mem, lru, vmsim__kernel_find(NULL), &cs);
    vmsim__vm_spec_defaults(&spec);
    const struct vmsim__vm_init init = {.spec = &spec,
                                        .kernel = vmsim__kernel_find(NULL),
                                        .alloc = alloc,
                                        .mem = mem,
                                        .lru = lru,
                                        .cache = cache,
                                        .format = vmsim__pt_format_get(VMSIM__PT_X86_64)};
    return vmsim__vm_create(&vm, &init, NULL);
}

static void touch(struct vmsim__mm *mm, bool write) {
    for (uint64_t i = 0; i < PAGES; i++)
        vmsim__mm_fault(mm, BASE + i * PG, write, false, 0);
}

static struct vmsim__mm *mapped(void) {
    struct vmsim__mm *mm = vmsim__mm_create(vm, 0);
    vmsim__mm_mmap(mm, BASE, PAGES * PG, 3, VMSIM__MAP_PRIVATE | VMSIM__MAP_ANONYMOUS | VMSIM__MAP_FIXED, NULL, 0, 0);
    return mm;
}

static void least(double *best, double from) {
    double t = now() - from;
    if (t < *best)
        *best = t;
}

static void memory(void) {
    double write = 1e9, read = 1e9, fork = 1e9, cow = 1e9, unmap = 1e9;
    for (int r = 0; r < ROUNDS; r++) {
        int e;
        struct vmsim__mm *mm = mapped();
        double t = now();
        touch(mm, true);
        least(&write, t);
        t = now();
        struct vmsim__mm *child = vmsim__mm_fork(mm, 0, &e);
        least(&fork, t);
        t = now();
        touch(child, true);
        least(&cow, t);
        vmsim__mm_put(child, 0);
        t = now();
        vmsim__mm_munmap(mm, BASE, PAGES * PG, 0);
        least(&unmap, t);
        vmsim__mm_put(mm, 0);
        mm = mapped();
        t = now();
        touch(mm, false);
        least(&read, t);
        vmsim__mm_put(mm, 0);
    }
    print("anon_write", PAGES, write);
    print("zero_read", PAGES, read);
    print("cow", PAGES, cow);
    print("unmap", PAGES, unmap);
    print("fork", PAGES, fork);
}

static void files(void) {
    struct vmsim__file *f = vmsim__file_create(cache, VMSIM__FILE_REGULAR, NULL, PAGES * PG);
    double best = 1e9;
    vmsim__file_preload(cache, f, 0);
    for (int r = 0; r < ROUNDS; r++) {
        struct vmsim__mm *mm = vmsim__mm_create(vm, 0);
        vmsim__mm_mmap(mm, BASE, PAGES * PG, 1, VMSIM__MAP_PRIVATE | VMSIM__MAP_FIXED, f, 0, 0);
        double t = now();
        for (uint64_t i = 0; i < PAGES; i += 16)
            vmsim__mm_fault(mm, BASE + i * PG, false, false, 0);
        least(&best, t);
        vmsim__mm_put(mm, 0);
    }
    print("file_around", PAGES / 16, best);
    vmsim__file_put(cache, f, 0);
}

static void lookups(void) {
    enum { MAPS = 10000 };
    struct vmsim__mm *mm = vmsim__mm_create(vm, 0);
    uint64_t found = 0, at = 1;
    for (uint64_t i = 0; i < MAPS; i++)
        vmsim__mm_mmap(mm, BASE + i * 2 * PG, PG, 3, VMSIM__MAP_PRIVATE | VMSIM__MAP_ANONYMOUS | VMSIM__MAP_FIXED, NULL,
                       0, 0);
    double t = now();
    for (unsigned i = 0; i < 1000000; i++) {
        at = at * UINT64_C(6364136223846793005) + 1442695040888963407u;
        found += vmsim__mm_find_vma(mm, BASE + (at >> 33) % (MAPS * 2) * PG) != NULL;
    }
    print("vma_lookup", 1e6, now() - t);
    vmsim__mm_put(mm, 0);
    if (!found)
        puts("no mapping found");
}

int main(void) {
    if (start())
        return 1;
    memory();
    files();
    lookups();
    vmsim__vm_destroy(vm);
    vmsim__cache_destroy(cache);
    vmsim__lru_destroy(lru);
    vmsim__mem_destroy(mem);
    return vmsim__alloc_destroy(alloc) ? 1 : 0;
}
