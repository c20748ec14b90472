/* SPDX-License-Identifier: MIT */
/* Reclaim policies on Zipf's law of exponent 1 over a million pages, a twelfth of which fits, twenty million
 * references: miss ratio and references a second, without a machine, and ("in_machine") through a whole one: TLB, walk,
 * fault, swap out and in, to a RAM disk and to zram; and through the manager alone, without a TLB. There one page goes
 * for each that comes, but under the kernel's own policies, which take them by the batch at the limit of a cgroup.
 * Prints one JSON object.
 *
 *     bench_reclaim [-p PAGES] [-n REFERENCES] [-f FRAMES] [-s STREAM] [-w STREAM] [-a | -m N] [POLICY...]
 *
 * -p: so many pages, a twelfth of which fits unless -f says otherwise; -s: pages from a file of 32-bit numbers; -w:
 * writes them to one; -a: without a machine alone; -m: one of the four machines alone, for a profile.
 * tests/reclaim_reference counts after it. libCacheSim's miss ratios on such a stream, another sample of it: FIFO
 * 0.2600, LRU 0.2296, CLOCK 0.2226, S3-FIFO 0.1892, ARC 0.1927. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/rng.h"
#include "vmsim/config.h"
#include "vmsim/testing.h"
#include "vmsim/vmsim.h"

struct work {
    uint32_t pages, frames;
    size_t count; /* references */
    uint64_t *at; /* their pages */
};

/* Of this process alone: others may run beside it. */
static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* By the inverse of the distribution; pages in an order that has nothing to do with their rank. */
static void draw_zipf(struct work *w) {
    double *below = malloc(w->pages * sizeof *below), sum = 0;
    uint32_t *name = malloc(w->pages * sizeof *name);
    struct vmsim__rng rng;
    vmsim__rng_seed_named(&rng, 1, "bench");
    w->at = below && name ? malloc(w->count * sizeof *w->at) : NULL;
    for (uint32_t k = 0; w->at && k < w->pages; k++) {
        below[k] = sum += 1.0 / (k + 1);
        uint32_t j = (uint32_t)vmsim__rng_below(&rng, k + 1);
        name[k] = name[j];
        name[j] = k;
    }
    for (size_t i = 0; w->at && i < w->count; i++) {
        double draw = (double)vmsim__rng_below(&rng, UINT64_C(1) << 53) / 0x1p53 * sum;
        uint32_t low = 0, high = w->pages - 1;
        while (low < high) {
            uint32_t middle = (low + high) / 2;
            if (below[middle] <= draw)
                low = middle + 1;
            else
                high = middle;
        }
        w->at[i] = name[low];
    }
    free(below);
    free(name);
}

/* All of a file, or its first references. */
static void read_stream(struct work *w, const char *path) {
    FILE *in = fopen(path, "rb");
    uint32_t page;
    size_t n = 0;
    w->at = in ? malloc(w->count * sizeof *w->at) : NULL;
    w->pages = 0;
    while (w->at && n < w->count && fread(&page, sizeof page, 1, in) == 1) {
        w->pages = page >= w->pages ? page + 1 : w->pages;
        w->at[n++] = page;
    }
    w->count = n;
    if (in)
        fclose(in);
}

static bool write_stream(const struct work *w, const char *path) {
    FILE *out = fopen(path, "wb");
    bool ok = out != NULL;
    for (size_t i = 0; ok && i < w->count; i++)
        ok = fwrite(&(uint32_t){(uint32_t)w->at[i]}, sizeof(uint32_t), 1, out) == 1;
    return out && !fclose(out) && ok;
}

static const char *const swaps[][2] = {
    {"ramdisk", "devices: [{name: ram0, preset: ramdisk}], swap: [{device: ram0, size: 6GiB}]"},
    {"zram", "zram: [{size: 6GiB}], swap: [{device: zram0}]"},
};

static bool is_kernels(const char *policy) {
    return !strncmp(policy, "linux-", 6);
}

/* The machine with its task; its number of frames is the policy's, or the cgroup's. */
static struct vmsim_machine *machine_of(const struct work *w, const char *policy, const char *swap, bool tlb,
                                        uint32_t *task) {
    char text[600], pure[64] = "", limit[32];
    struct vmsim_config *config;
    struct vmsim_machine *m = NULL;
    if (!is_kernels(policy))
        snprintf(pure, sizeof pure, ", resident_folios: %u", w->frames);
    snprintf(text, sizeof text,
             "machine: {nodes: [{memory: 8GiB}], transparent_hugepage: never, %s, sysctl: {vm.page-cluster: 0}%s%s}\n"
             "policies: {reclaim: %s}\n",
             swap, pure, tlb ? "" : ", tlb: {bypass: true}", policy);
    snprintf(limit, sizeof limit, "%llu", w->frames * 4096ULL);
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
static uint64_t through_machine(const struct work *w, const char *policy, const char *swap, bool tlb, double *took) {
    enum { BATCH = 2048 };
    static vmsim_access a[BATCH];
    struct vmsim_access_result r = {0};
    uint32_t task;
    size_t id = 0;
    struct vmsim_machine *m = machine_of(w, policy, swap, tlb, &task);
    const int64_t base = m ? vmsim_task_mmap(m, task, 0, (uint64_t)w->pages * 4096, 3, 0x22, 0, 0) : 0;
    const double start = now_s();
    for (size_t i = 0; base > 0 && i < w->count && !r.stop; i += BATCH) {
        const size_t n = w->count - i < BATCH ? w->count - i : BATCH;
        for (size_t k = 0; k < n; k++)
            a[k] = vmsim_access_make((uint64_t)base + w->at[i + k] * 4096, 8, VMSIM_STORE);
        if (vmsim_task_access(m, task, a, n, NULL, &r))
            return 0;
    }
    *took = now_s() - start;
    const uint64_t came = base <= 0 || vmsim_counter_find(m, "vmstat.pgfault", &id) ? 0 : vmsim_counter_read(m, id);
    vmsim_machine_destroy(m);
    return r.stop ? 0 : came;
}

/* In machines FIRST..LAST of the four. */
static void in_machine(const struct work *w, const char *const *policies, unsigned first, unsigned last) {
    const char *comma = "";
    for (const char *const *p = policies; *p; p++) {
        for (unsigned i = first; i <= last && strcmp(*p, "opt") != 0; i++) {
            double took = 1; /* opt: a scenario has a future, this has none */
            const bool tlb = !(i & 1);
            const uint64_t faults = through_machine(w, *p, swaps[i / 2][1], tlb, &took);
            printf("%s\n  {\"policy\": \"%s\", \"swap\": \"%s\", \"tlb\": %s, \"faults\": %llu, \"mrefs_per_s\": %.2f}",
                   comma, *p, swaps[i / 2][0], tlb ? "true" : "false", (unsigned long long)faults,
                   (double)w->count / took / 1e6);
            comma = ",";
            fflush(stdout);
        }
    }
}

static void alone(const struct work *w, const char *policy, const char *comma) {
    struct vmsim_test_reclaim *t;
    struct vmsim_test_reclaim_options o = {.size = sizeof o, .frames = w->frames, .policy = policy};
    char why[256];
    uint64_t misses = 0;
    if (vmsim_test_reclaim_create(&t, &o, why, sizeof why)) {
        fprintf(stderr, "%s\n", why);
        exit(1);
    }
    const double start = now_s();
    vmsim_test_reclaim_run(t, w->at, w->count, &misses);
    const double took = now_s() - start;
    printf("%s\n  {\"policy\": \"%s\", \"misses\": %llu, \"miss_ratio\": %.4f, \"mrefs_per_s\": %.1f}", comma, policy,
           (unsigned long long)misses, (double)misses / (double)w->count, (double)w->count / took / 1e6);
    fflush(stdout);
    vmsim_test_reclaim_destroy(t);
}

int main(int argc, char **argv) {
    static const char *const all[] = {"fifo",  "lru",    "mru", "clock", "random",      "lfu",       "arc",
                                      "sieve", "s3fifo", "lhd", "opt",   "linux-mglru", "linux-lru", NULL};
    struct work w = {.pages = 1000000, .count = 20000000};
    const char *from = NULL, *to = NULL;
    bool bare = true, machine = true;
    unsigned first = 0, last = 2 * (sizeof swaps / sizeof *swaps) - 1;
    for (int c; (c = getopt(argc, argv, "p:n:f:s:w:am:")) != -1;) {
        if (c == 'p')
            w.pages = (uint32_t)strtoul(optarg, NULL, 10);
        else if (c == 'n')
            w.count = strtoul(optarg, NULL, 10);
        else if (c == 'f')
            w.frames = (uint32_t)strtoul(optarg, NULL, 10);
        else if (c == 's')
            from = optarg;
        else if (c == 'w')
            to = optarg;
        else if (c == 'm') {
            first = last = (unsigned)strtoul(optarg, NULL, 10) % (last + 1);
            bare = false;
        } else
            machine = false;
    }
    if (from)
        read_stream(&w, from);
    else
        draw_zipf(&w);
    w.frames = w.frames ? w.frames : (uint32_t)((uint64_t)w.pages * 91527 / 1000000);
    if (!w.at || !w.count || !w.frames || (to && !write_stream(&w, to)))
        return 1;
    const char *const *policies = optind < argc ? (const char *const *)argv + optind : all;
    printf("{\"bench\": \"reclaim\", \"pages\": %u, \"frames\": %u, \"references\": %zu, \"results\": [", w.pages,
           w.frames, w.count);
    for (const char *const *p = policies; bare && *p; p++)
        alone(&w, *p, p == policies ? "" : ",");
    printf("], \"in_machine\": [");
    if (machine)
        in_machine(&w, policies, first, last);
    printf("]}\n");
    free(w.at);
    return 0;
}
