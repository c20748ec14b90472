/* SPDX-License-Identifier: MIT */
/* Whole-machine figures as JSON: gups over 1 GiB, anonymous faults, metadata a touched frame, boot of a 1 TiB machine.
 *
 * gups: alternating instruction fetches and uniform random loads over 1 GiB of base pages, first touch included, as the
 * peers were measured. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "vmsim/config.h"
#include "vmsim/vmsim.h"

#define GIB (UINT64_C(1) << 30)
#define BATCH 16384u

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t resident_bytes(void) {
    unsigned long long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%llu %llu", &size, &resident) != 2)
        resident = 0;
    if (f)
        fclose(f);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static struct vmsim_machine *boot(const char *memory) {
    struct vmsim_config *config;
    struct vmsim_machine *m = NULL;
    char nodes[64];
    if (vmsim_config_create(&config))
        exit(1);
    snprintf(nodes, sizeof nodes, "machine.nodes=[{memory: %s}]", memory);
    vmsim_config_set(config, "machine.cpus=1");
    vmsim_config_set(config, "machine.transparent_hugepage=never");
    vmsim_config_set(config, nodes);
    vmsim_config_set(config,
                     "machine.tlb.arrays=[{name: L1I, level: 1, holds: instruction, sizes: [4KiB], entries: 256, "
                     "ways: 4}, {name: L1D, level: 1, holds: data, sizes: [4KiB], entries: 256, ways: 4}, "
                     "{name: L2, level: 2, holds: both, sizes: [4KiB], entries: 16384, ways: 8, latency: 7}]");
    vmsim_config_set(config, "machine.tlb.walk_caches=[{level: 1, entries: 32}, {level: 2, entries: 4}]");
    if (vmsim_config_resolve(config) || vmsim_machine_create(config, &m)) {
        for (size_t i = 0; i < vmsim_config_error_count(config); i++)
            fprintf(stderr, "%s\n", vmsim_config_error_text(config, i));
        exit(1);
    }
    vmsim_config_destroy(config);
    return m;
}

static uint64_t map(struct vmsim_machine *m, uint32_t task, uint64_t length) {
    int64_t at = vmsim_task_mmap(m, task, 0, length, 7, 0x22, 0, 0);
    if (at < 0)
        exit(1);
    return (uint64_t)at;
}

static void run(struct vmsim_machine *m, uint32_t task, const vmsim_access *a, size_t n) {
    struct vmsim_access_result result;
    if (vmsim_task_access(m, task, a, n, NULL, &result) || result.stop) {
        fprintf(stderr, "%s\n", vmsim_machine_error(m));
        exit(1);
    }
}

static void gups(void) {
    struct vmsim_machine *m = boot("4GiB");
    static vmsim_access batch[BATCH];
    uint32_t task;
    vmsim_task_create(m, "gups", 0, &task);
    uint64_t code = map(m, task, 65536), table = map(m, task, GIB), x = 88172645463325252u;
    const size_t batches = 20000000 / BATCH;
    double begin = 0, spent = 0;
    for (size_t b = 0; b < batches; b++) {
        for (size_t i = 0; i < BATCH; i += 2) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            batch[i] = vmsim_access_make(code + (i % 64) * 4, 4, VMSIM_FETCH);
            batch[i + 1] = vmsim_access_make(table + (x % (GIB / 8)) * 8, 8, VMSIM_LOAD);
        }
        begin = now();
        run(m, task, batch, BATCH);
        spent += now() - begin;
    }
    printf("{\"bench\": \"gups\", \"mrefs_per_s\": %.1f}\n", (double)(batches * BATCH) / spent / 1e6);
    vmsim_machine_destroy(m);
}

/* The host kernel's own anonymous faults a second, base pages, in millions. */
static double native_faults(void) {
    const size_t bytes = 256u << 20;
    double best = 0;
    for (int round = 0; round < 3; round++) {
        unsigned char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED)
            return 0;
        madvise(p, bytes, MADV_NOHUGEPAGE);
        double begin = now();
        for (size_t at = 0; at < bytes; at += 4096)
            p[at] = 1;
        double rate = (double)(bytes / 4096) / (now() - begin) / 1e6;
        best = rate > best ? rate : best;
        munmap(p, bytes);
    }
    return best;
}

static void faults(void) {
    struct vmsim_machine *m = boot("4GiB");
    static vmsim_access batch[BATCH];
    uint32_t task;
    vmsim_task_create(m, "fault", 0, &task);
    const uint64_t pages = 2 * GIB / 4096;
    double best = 0;
    uint64_t before = 0, after = 0;
    for (int round = 0; round < 5; round++) {
        uint64_t base = map(m, task, pages * 4096);
        before = resident_bytes();
        double spent = 0;
        for (uint64_t page = 0; page < pages; page += BATCH) {
            for (size_t i = 0; i < BATCH; i++)
                batch[i] = vmsim_access_make(base + (page + i) * 4096, 8, VMSIM_STORE);
            double begin = now();
            run(m, task, batch, BATCH);
            spent += now() - begin;
        }
        if ((double)pages / spent > best)
            best = (double)pages / spent;
        if (round == 0) {
            after = resident_bytes();
            printf(
                "{\"bench\": \"metadata\", \"bytes_per_touched_frame\": %.1f, \"page_table_bytes_per_frame\": %.1f}\n",
                (double)(after - before) / (double)pages, 4096.0 / 512 * 513 / 512);
        }
        vmsim_task_munmap(m, task, base, pages * 4096);
    }
    double native = native_faults();
    printf(
        "{\"bench\": \"anonymous_fault\", \"mfaults_per_s\": %.2f, \"native_mfaults_per_s\": %.2f, \"ratio\": %.1f}\n",
        best / 1e6, native, best / 1e6 / native);
    vmsim_machine_destroy(m);
}

static void boots(void) {
    uint64_t before = resident_bytes();
    double begin = now();
    struct vmsim_machine *m = boot("1TiB");
    double spent = now() - begin;
    printf("{\"bench\": \"boot_1TiB\", \"ms\": %.2f, \"MiB\": %.2f}\n", spent * 1e3,
           (double)(resident_bytes() - before) / 1048576.0);
    vmsim_machine_destroy(m);
}

/* All of them, or those named. */
int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*run)(void);
    } benches[] = {{"boot", boots}, {"fault", faults}, {"gups", gups}};
    for (size_t i = 0; i < sizeof benches / sizeof benches[0]; i++) {
        bool wanted = argc == 1;
        for (int k = 1; k < argc; k++)
            wanted |= !strcmp(argv[k], benches[i].name);
        if (wanted)
            benches[i].run();
    }
    return 0;
}
