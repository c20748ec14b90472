/* SPDX-License-Identifier: MIT */
/* What the benchmarks of whole machines share: machines by a few lines of YAML, batches, the clock of this process. */
#ifndef BENCH_H
#define BENCH_H
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vmsim/config.h"
#include "vmsim/vmsim.h"

#define GIB (UINT64_C(1) << 30)
#define BATCH 16384u

static inline double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline uint64_t random64(uint64_t *state) {
    uint64_t x = *state;
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    return *state = x;
}

/* One node of `memory`, huge pages off, and these settings ("machine.cpus=4"), the last one NULL. */
static inline struct vmsim_machine *boot_with(const char *memory, const char *const *settings) {
    struct vmsim_config *config;
    struct vmsim_machine *m = NULL;
    char nodes[64];
    if (vmsim_config_create(&config))
        exit(1);
    vmsim_config_add_search_dir(config, BENCH_MACHINES);
    snprintf(nodes, sizeof nodes, "machine.nodes=[{memory: %s}]", memory);
    vmsim_config_set(config, "machine.cpus=1");
    vmsim_config_set(config, "machine.transparent_hugepage=never");
    vmsim_config_set(config, nodes);
    for (; *settings; settings++)
        vmsim_config_set(config, *settings);
    if (vmsim_config_resolve(config) || vmsim_machine_create(config, &m)) {
        for (size_t i = 0; i < vmsim_config_error_count(config); i++)
            fprintf(stderr, "%s\n", vmsim_config_error_text(config, i));
        exit(1);
    }
    vmsim_config_destroy(config);
    return m;
}

/* The TLB that the bars name: 64 sets of 4 ways, 2048 of 8. */
#define BAR_ARRAYS                                                                                                     \
    "machine.tlb.arrays=[{name: L1I, level: 1, holds: instruction, sizes: [4KiB], entries: 256, ways: 4}, "            \
    "{name: L1D, level: 1, holds: data, sizes: [4KiB], entries: 256, ways: 4}, "                                       \
    "{name: L2, level: 2, holds: both, sizes: [4KiB], entries: 16384, ways: 8, latency: 7}]"
#define SMALL_ARRAYS                                                                                                   \
    "machine.tlb.arrays=[{name: L1I, level: 1, holds: instruction, sizes: [4KiB], entries: 64, ways: 4}, "             \
    "{name: L1D, level: 1, holds: data, sizes: [4KiB], entries: 64, ways: 4}, "                                        \
    "{name: L2, level: 2, holds: both, sizes: [4KiB], entries: 2048, ways: 8, latency: 7}]"
#define BAR_WALK_CACHES "machine.tlb.walk_caches=[{level: 1, entries: 32}, {level: 2, entries: 4}]"

static inline struct vmsim_machine *boot(const char *memory) {
    static const char *const bar[] = {BAR_ARRAYS, BAR_WALK_CACHES, NULL};
    return boot_with(memory, bar);
}

static inline uint64_t map(struct vmsim_machine *m, uint32_t task, uint64_t length) {
    int64_t at = vmsim_task_mmap(m, task, 0, length, 7, 0x22, 0, 0);
    if (at < 0)
        exit(1);
    return (uint64_t)at;
}

static inline void run(struct vmsim_machine *m, uint32_t task, const vmsim_access *a, size_t n) {
    struct vmsim_access_result result;
    if (vmsim_task_access(m, task, a, n, NULL, &result) || result.stop) {
        fprintf(stderr, "%s\n", vmsim_machine_error(m));
        exit(1);
    }
}

/* Runs those benchmarks that are named on the command line, or all. */
struct bench {
    const char *name;
    void (*run)(void);
};
static inline int bench_main(const struct bench *benches, size_t count, int argc, char **argv) {
    for (size_t i = 0; i < count; i++) {
        int wanted = argc == 1;
        for (int k = 1; k < argc; k++)
            wanted |= !strcmp(argv[k], benches[i].name);
        if (wanted)
            benches[i].run();
        fflush(stdout);
    }
    return 0;
}

#endif
