/* SPDX-License-Identifier: MIT */
/* Reclaim policies without a machine: miss ratio and references a second on Zipf's law of exponent 1 over a million
 * pages, a twelfth of which fits, twenty million references. Prints one JSON object. libCacheSim's miss ratios on such
 * a stream, another sample of it: FIFO 0.2600, LRU 0.2296, CLOCK 0.2226, S3-FIFO 0.1892, ARC 0.1927. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/rng.h"
#include "vmsim/testing.h"

enum { PAGES = 1000000, REFERENCES = 20000000, FRAMES = 91527 };

/* Of this process alone: others may run beside it. */
static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* By the inverse of the distribution; pages in an order that has nothing to do with their rank. */
static uint64_t *zipf_stream(void) {
    uint64_t *pages = malloc(REFERENCES * sizeof *pages);
    double *below = malloc(PAGES * sizeof *below), sum = 0;
    uint32_t *name = malloc(PAGES * sizeof *name);
    struct vmsim__rng rng;
    vmsim__rng_seed_named(&rng, 1, "bench");
    for (uint32_t k = 0; pages && below && name && k < PAGES; k++) {
        below[k] = sum += 1.0 / (k + 1);
        uint32_t j = (uint32_t)vmsim__rng_below(&rng, k + 1);
        name[k] = name[j];
        name[j] = k;
    }
    for (uint32_t i = 0; pages && below && name && i < REFERENCES; i++) {
        double draw = (double)vmsim__rng_below(&rng, UINT64_C(1) << 53) / 0x1p53 * sum;
        uint32_t low = 0, high = PAGES - 1;
        while (low < high) {
            uint32_t middle = (low + high) / 2;
            if (below[middle] <= draw)
                low = middle + 1;
            else
                high = middle;
        }
        pages[i] = name[low];
    }
    free(below);
    free(name);
    return pages;
}

int main(int argc, char **argv) {
    static const char *const all[] = {"fifo", "lru",   "mru",    "clock", "random", "lfu",
                                      "arc",  "sieve", "s3fifo", "lhd",   "opt",    NULL};
    const char *const *policies = argc > 1 ? (const char *const *)argv + 1 : all;
    uint64_t *pages = zipf_stream();
    printf("{\"bench\": \"reclaim\", \"pages\": %d, \"frames\": %d, \"references\": %d, \"results\": [", PAGES, FRAMES,
           REFERENCES);
    for (const char *const *p = policies; pages && *p; p++) {
        struct vmsim_test_reclaim *t;
        struct vmsim_test_reclaim_options o = {.size = sizeof o, .frames = FRAMES, .policy = *p};
        char why[256];
        uint64_t misses = 0;
        if (vmsim_test_reclaim_create(&t, &o, why, sizeof why)) {
            fprintf(stderr, "%s\n", why);
            return 1;
        }
        double start = now_s();
        vmsim_test_reclaim_run(t, pages, REFERENCES, &misses);
        double took = now_s() - start;
        printf("%s\n  {\"policy\": \"%s\", \"miss_ratio\": %.4f, \"mrefs_per_s\": %.1f}", p == policies ? "" : ",", *p,
               (double)misses / REFERENCES, REFERENCES / took / 1e6);
        fflush(stdout);
        vmsim_test_reclaim_destroy(t);
    }
    printf("]}\n");
    bool ok = pages != NULL;
    free(pages);
    return ok ? 0 : 1;
}
