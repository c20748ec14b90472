/* SPDX-License-Identifier: MIT */
/* Rate of the whole simulator on recorded programs: TLBs, walks, faults, counters.
 *
 *     bench_replay sort.vmt cc1.vmt ...      one JSON line a trace
 *
 * Decoding runs on a second thread, so the CPU time of this thread is the access path alone ("from decoded batches"),
 * that of the other the decoding, and the wall time the whole way from the compressed file: with two cores free, the
 * slower of the two. The TLB is that of the peers' measurements: 64 x 4 first
 * level, 2048 x 8 second level. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "vmsim/scenario.h"

static double now(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void print_errors(struct vmsim_config *config) {
    for (size_t i = 0; i < vmsim_config_error_count(config); i++)
        fprintf(stderr, "%s\n", vmsim_config_error_text(config, i));
}

static uint64_t counter(struct vmsim_machine *m, const char *name) {
    size_t id;
    return vmsim_counter_find(m, name, &id) ? 0 : vmsim_counter_read(m, id);
}

static struct vmsim_scenario *prepare(struct vmsim_config *config, const char *trace, bool placed) {
    static const char *const settings[] = {
        "machine.cpus=1",
        "machine.nodes=[{memory: 4GiB}]",
        "machine.tlb.arrays=[{name: L1I, level: 1, holds: instruction, sizes: [4KiB], entries: 256, ways: 4},"
        " {name: L1D, level: 1, holds: data, sizes: [4KiB], entries: 256, ways: 4},"
        " {name: L2, level: 2, holds: both, sizes: [4KiB], entries: 16384, ways: 8, latency: 7}]",
        "machine.tlb.walk_caches=[{level: 1, entries: 32}, {level: 2, entries: 4}]",
        "machine.transparent_hugepage=never",
    };
    char task[4400];
    struct vmsim_scenario *s = NULL;
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        vmsim_config_set(config, settings[i]);
    snprintf(task, sizeof task, "workload.tasks=[{name: bench, trace: \"%s\", recorded_addresses: %s}]", trace,
             placed ? "false" : "true");
    vmsim_config_set(config, task);
    if (vmsim_config_resolve(config) || vmsim_scenario_create(config, &s))
        print_errors(config);
    return s;
}

/* `placed`: mappings lie where the simulated kernel puts them, so every reference is moved; else where they were. */
static int bench(const char *trace, bool placed) {
    struct vmsim_config *config;
    if (vmsim_config_create(&config))
        return 1;
    struct vmsim_scenario *s = prepare(config, trace, placed);
    int err = s ? 0 : 1;
    if (!err) {
        double cpu = now(CLOCK_THREAD_CPUTIME_ID), all = now(CLOCK_PROCESS_CPUTIME_ID), wall = now(CLOCK_MONOTONIC);
        err = vmsim_scenario_run(s, NULL, NULL);
        cpu = now(CLOCK_THREAD_CPUTIME_ID) - cpu;
        all = now(CLOCK_PROCESS_CPUTIME_ID) - all;
        wall = now(CLOCK_MONOTONIC) - wall;
        struct vmsim_machine *m = vmsim_scenario_machine(s);
        double references = (double)counter(m, "tlb.cpu0.accesses");
        printf("{\"trace\": \"%s\", \"addresses\": \"%s\", \"references\": %.0f, \"walks\": %llu, \"minflt\": %llu, "
               "\"access_path_mrefs_per_cpu_s\": %.1f, \"decoding_mrefs_per_cpu_s\": %.1f, "
               "\"end_to_end_mrefs_per_s\": %.1f}\n",
               trace, placed ? "placed" : "recorded", references, (unsigned long long)counter(m, "tlb.cpu0.walks"),
               (unsigned long long)counter(m, "vmstat.pgfault"), references / cpu / 1e6, references / (all - cpu) / 1e6,
               references / wall / 1e6);
        if (err)
            fprintf(stderr, "%s\n", vmsim_scenario_error(s));
    }
    vmsim_scenario_destroy(s);
    vmsim_config_destroy(config);
    return err != 0;
}

int main(int argc, char **argv) {
    int failed = 0;
    for (int i = 1; i < argc; i++)
        failed |= bench(argv[i], false) | bench(argv[i], true);
    return failed;
}
