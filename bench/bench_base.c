/* SPDX-License-Identifier: MIT */
/* Costs of base/ in nanoseconds a call: allocator, slab, radix tree, event queue. Prints one JSON object. */
#include <stdio.h>
#include <time.h>

#include "base/evq.h"
#include "base/radix.h"
#include "base/rng.h"

enum { PAGES = 1 << 20, PAIRS = 10000000 };

static double now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

static void report(const char *name, double start, double calls) {
    printf(",\n  \"%s\": %.1f", name, (now_ns() - start) / calls);
}

static void keep(const void *p) {
    __asm__ volatile("" : : "r"(p) : "memory");
}

static void bench_allocator(struct vmsim__alloc *a) {
    double start = now_ns();
    for (int i = 0; i < PAIRS; i++) {
        void *p = vmsim__malloc(a, 64);
        keep(p);
        vmsim__free(a, p, 64);
    }
    report("malloc_free_64", start, PAIRS);
    struct vmsim__slab s;
    vmsim__slab_init(&s, a, 64);
    start = now_ns();
    for (int i = 0; i < PAIRS; i++) {
        void *p = vmsim__slab_alloc(&s);
        keep(p);
        vmsim__slab_free(&s, p);
    }
    report("slab_pair_64", start, PAIRS);
    vmsim__slab_fini(&s);
    start = now_ns();
    for (int i = 0; i < 1000; i++)
        vmsim__alloc_destroy(vmsim__alloc_create(NULL));
    report("create_destroy", start, 1000);
}

/* Runs of 16 pages at random places of a file of 16 Mi pages. */
static void bench_radix(struct vmsim__alloc *a, uint64_t *index) {
    struct vmsim__rng r;
    vmsim__rng_seed(&r, 1);
    for (uint64_t i = 0; i < PAGES; i++)
        index[i] = i % 16 ? index[i - 1] + 1 : vmsim__rng_below(&r, PAGES) * 16;
    struct vmsim__slab nodes;
    struct vmsim__radix t;
    vmsim__radix_slab_init(&nodes, a);
    vmsim__radix_init(&t, &nodes);
    double start = now_ns();
    for (uint64_t i = 0; i < PAGES; i++)
        vmsim__radix_set(&t, index[i], i + 1, NULL);
    report("radix_insert", start, PAGES);
    for (uint64_t i = PAGES - 1; i > 0; i--) {
        uint64_t j = vmsim__rng_below(&r, i + 1), swap = index[i];
        index[i] = index[j];
        index[j] = swap;
    }
    start = now_ns();
    uint64_t sum = 0;
    for (uint64_t i = 0; i < PAGES; i++)
        sum += vmsim__radix_get(&t, index[i]);
    keep(&sum);
    report("radix_lookup_random", start, PAGES);
    start = now_ns();
    for (uint64_t i = 0; vmsim__radix_next(&t, &i); i++)
        sum++;
    report("radix_next", start, (double)t.count);
    printf(",\n  \"radix_bytes_per_entry\": %.1f", (double)vmsim__alloc_bytes(a) / (double)t.count);
    vmsim__radix_fini(&t);
    vmsim__slab_fini(&nodes);
}

static void bench_events(struct vmsim__alloc *a) {
    struct vmsim__rng r;
    vmsim__rng_seed(&r, 2);
    struct vmsim__evq q;
    vmsim__evq_init(&q, a);
    for (int i = 0; i < 100; i++)
        vmsim__evq_push(&q, vmsim__rng_below(&r, 1000), 0, 0, NULL);
    double start = now_ns();
    struct vmsim__event e;
    for (int i = 0; i < PAIRS && vmsim__evq_pop(&q, &e); i++)
        vmsim__evq_push(&q, e.time + vmsim__rng_below(&r, 1000), 0, 0, NULL);
    report("event_pop_push_of_100", start, PAIRS);
    vmsim__evq_fini(&q);
}

int main(void) {
    struct vmsim__alloc *a = vmsim__alloc_create(NULL), *indices = vmsim__alloc_create(NULL);
    uint64_t *index = vmsim__malloc(indices, PAGES * sizeof *index);
    if (!a || !index)
        return 3;
    printf("{\n  \"unit\": \"ns\",\n  \"backend\": \"%s\"", vmsim__alloc_backend(a));
    bench_allocator(a);
    bench_radix(a, index);
    bench_events(a);
    printf("\n}\n");
    vmsim__free(indices, index, PAGES * sizeof *index);
    return vmsim__alloc_destroy(a) + vmsim__alloc_destroy(indices) != 0;
}
