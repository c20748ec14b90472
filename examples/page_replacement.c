/* SPDX-License-Identifier: MIT */
/* Page replacement as textbooks have it: faults of each reclaim policy on the two reference strings that everybody
 * knows.
 *
 *     cc page_replacement.c $(pkg-config --cflags --libs vmsim) -ljemalloc && ./a.out */
#include <stdio.h>

#include <vmsim/testing.h>

static const uint64_t classic[] = {7, 0, 1, 2, 0, 3, 0, 4, 2, 3, 0, 3, 2, 1, 2, 0, 1, 7, 0, 1};
static const uint64_t belady[] = {1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5};

static uint64_t faults(const char *policy, uint32_t frames, const uint64_t *pages, size_t count) {
    struct vmsim_test_reclaim *t;
    struct vmsim_test_reclaim_options o = {.size = sizeof o, .frames = frames, .policy = policy};
    char why[256];
    uint64_t misses = 0;
    if (vmsim_test_reclaim_create(&t, &o, why, sizeof why) || vmsim_test_reclaim_run(t, pages, count, &misses))
        fprintf(stderr, "%s\n", why);
    vmsim_test_reclaim_destroy(t);
    return misses;
}

int main(void) {
    static const char *const policies[] = {"fifo", "lru", "clock", "sieve", "s3fifo",
                                           "arc",  "lfu", "mru",   "lhd",   "opt"};
    printf("%-8s %18s %18s %18s\n", "policy", "classic, 3 frames", "Belady, 3 frames", "Belady, 4 frames");
    for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++)
        printf("%-8s %18llu %18llu %18llu\n", policies[i],
               (unsigned long long)faults(policies[i], 3, classic, sizeof classic / sizeof *classic),
               (unsigned long long)faults(policies[i], 3, belady, sizeof belady / sizeof *belady),
               (unsigned long long)faults(policies[i], 4, belady, sizeof belady / sizeof *belady));
    /* FIFO is worse with more memory: Belady's anomaly. */
    return faults("fifo", 4, belady, sizeof belady / sizeof *belady) != 10;
}
