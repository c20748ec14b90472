/* SPDX-License-Identifier: MIT */
/* Reclaim policies on Zipf's law of exponent 1 over a million pages, a twelfth of which fits, twenty million
 * references: miss ratio and references a second, without a machine, and ("in_machine") through a whole one: TLB, walk,
 * fault, swap out and in, to a RAM disk and to zram. There one page goes for each that comes, but under the kernel's
 * own policies, which take them by the batch at the limit of a cgroup. Prints one JSON object.
 *
 *     bench_reclaim [-p PAGES] [POLICY...]     so many pages, a twelfth of which fits; without a machine alone
 * libCacheSim's miss ratios on such a stream, another sample of it: FIFO 0.2600, LRU 0.2296, CLOCK 0.2226, S3-FIFO
 * 0.1892, ARC 0.1927. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/rng.h"
#include "vmsim/config.h"
#include "vmsim/testing.h"
#include "vmsim/vmsim.h"

enum { PAGES = 1000000, REFERENCES = 20000000, FRAMES = 91527 };

/* Of this process alone: others may run beside it. */
static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* By the inverse of the distribution; pages in an order that has nothing to do with their rank. */
static uint64_t *zipf_stream(uint32_t count) {
    uint64_t *pages = malloc(REFERENCES * sizeof *pages);
    double *below = malloc(count * sizeof *below), sum = 0;
    uint32_t *name = malloc(count * sizeof *name);
    struct vmsim__rng rng;
    vmsim__rng_seed_named(&rng, 1, "bench");
    for (uint32_t k = 0; pages && below && name && k < count; k++) {
        below[k] = sum += 1.0 / (k + 1);
        uint32_t j = (uint32_t)vmsim__rng_below(&rng, k + 1);
        name[k] = name[j];
        name[j] = k;
    }
    for (uint32_t i = 0; pages && below && name && i < REFERENCES; i++) {
        double draw = (double)vmsim__rng_below(&rng, UINT64_C(1) << 53) / 0x1p53 * sum;
        uint32_t low = 0, high = count - 1;
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

static const char *const swaps[][2] = {
    {"ramdisk", "devices: [{name: ram0, preset: ramdisk}], swap: [{device: ram0, size: 6GiB}]"},
    {"zram", "zram: [{size: 6GiB}], swap: [{device: zram0}]"},
};

static bool is_kernels(const char *policy) {
    return !strncmp(policy, "linux-", 6);
}

/* The machine with its task; its number of frames is the policy's, or the cgroup's. */
static struct vmsim_machine *machine_of(const char *policy, const char *swap, uint32_t *task) {
    char text[600], pure[64] = "", limit[32];
    struct vmsim_config *config;
    struct vmsim_machine *m = NULL;
    if (!is_kernels(policy))
        snprintf(pure, sizeof pure, ", resident_folios: %d", FRAMES);
    snprintf(text, sizeof text,
             "machine: {nodes: [{memory: 8GiB}], transparent_hugepage: never, %s, sysctl: {vm.page-cluster: 0}%s}\n"
             "policies: {reclaim: %s}\n",
             swap, pure, policy);
    snprintf(limit, sizeof limit, "%llu", FRAMES * 4096ULL);
    bool ok = !vmsim_config_create(&config) && !vmsim_config_load_text(config, "bench", text, strlen(text)) &&
              !vmsim_config_resolve(config) && !vmsim_machine_create(config, &m) &&
              !vmsim_task_create(m, "zipf", 0, task);
    if (ok && is_kernels(policy))
        ok = !vmsim_cgroup_create(m, "/zipf") &&
             vmsim_cgroup_write(m, VMSIM_TASK_NONE, "/zipf", "memory.max", limit) == 0 &&
             vmsim_cgroup_attach(m, "/zipf", *task) == 0;
    if (!ok)
        fprintf(stderr, "%s: %s\n", policy, m ? vmsim_machine_error(m) : vmsim_config_error_text(config, 0));
    vmsim_config_destroy(config);
    return ok ? m : NULL;
}

/* Faults, and the time it took; 0: something went wrong. */
static uint64_t through_machine(const char *policy, const char *swap, const uint64_t *pages, double *took) {
    enum { BATCH = 2048 };
    static vmsim_access a[BATCH];
    struct vmsim_access_result r = {0};
    uint32_t task;
    size_t id = 0;
    struct vmsim_machine *m = machine_of(policy, swap, &task);
    const int64_t base = m ? vmsim_task_mmap(m, task, 0, (uint64_t)PAGES * 4096, 3, 0x22, 0, 0) : 0;
    const double start = now_s();
    for (size_t i = 0; base > 0 && i < REFERENCES && !r.stop; i += BATCH) {
        const size_t n = REFERENCES - i < BATCH ? REFERENCES - i : BATCH;
        for (size_t k = 0; k < n; k++)
            a[k] = vmsim_access_make((uint64_t)base + pages[i + k] * 4096, 8, VMSIM_STORE);
        if (vmsim_task_access(m, task, a, n, NULL, &r))
            return 0;
    }
    *took = now_s() - start;
    const uint64_t came = base <= 0 || vmsim_counter_find(m, "vmstat.pgfault", &id) ? 0 : vmsim_counter_read(m, id);
    vmsim_machine_destroy(m);
    return r.stop ? 0 : came;
}

static void in_machine(const char *const *policies, const uint64_t *pages) {
    const char *comma = "";
    for (const char *const *p = policies; *p; p++) {
        for (unsigned i = 0; i < sizeof swaps / sizeof *swaps && strcmp(*p, "opt") != 0; i++) {
            double took = 1; /* opt: a scenario has a future, this has none */
            const uint64_t faults = through_machine(*p, swaps[i][1], pages, &took);
            printf("%s\n  {\"policy\": \"%s\", \"swap\": \"%s\", \"faults\": %.4f, \"mrefs_per_s\": %.1f}", comma, *p,
                   swaps[i][0], (double)faults / REFERENCES, REFERENCES / took / 1e6);
            comma = ",";
            fflush(stdout);
        }
    }
}

int main(int argc, char **argv) {
    static const char *const all[] = {"fifo",  "lru",    "mru", "clock", "random",    "lfu", "arc",
                                      "sieve", "s3fifo", "lhd", "opt",   "linux-lru", NULL};
    const bool other = argc > 2 && !strcmp(argv[1], "-p");
    const uint32_t count = other ? (uint32_t)strtoul(argv[2], NULL, 10) : PAGES;
    const uint32_t frames = (uint32_t)((uint64_t)count * FRAMES / PAGES);
    const int first = other ? 3 : 1;
    const char *const *policies = argc > first ? (const char *const *)argv + first : all;
    uint64_t *pages = zipf_stream(count);
    printf("{\"bench\": \"reclaim\", \"pages\": %u, \"frames\": %u, \"references\": %d, \"results\": [", count, frames,
           REFERENCES);
    for (const char *const *p = policies; pages && *p; p++) {
        struct vmsim_test_reclaim *t;
        struct vmsim_test_reclaim_options o = {.size = sizeof o, .frames = frames, .policy = *p};
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
    printf("], \"in_machine\": [");
    if (pages && !other)
        in_machine(policies, pages);
    printf("]}\n");
    bool ok = pages != NULL;
    free(pages);
    return ok ? 0 : 1;
}
