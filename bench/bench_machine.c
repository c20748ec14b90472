/* SPDX-License-Identifier: MIT */
/* Whole-machine figures as JSON: anonymous faults, metadata a touched frame, boot of machines with 1 TiB,
 * and with 64 nodes and 4 TiB. */
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"

static uint64_t resident_bytes(void) {
    unsigned long long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%llu %llu", &size, &resident) != 2)
        resident = 0;
    if (f)
        fclose(f);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
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

/* 64 nodes of 64 GiB and a CPU each. */
static void boots_nodes(void) {
    static char nodes[64 * 48], cpus[] = "machine.cpus=64";
    const char *const settings[] = {cpus, nodes, NULL};
    size_t n = (size_t)snprintf(nodes, sizeof nodes, "machine.nodes=[");
    for (unsigned i = 0; i < 64; i++)
        n += (size_t)snprintf(nodes + n, sizeof nodes - n, "%s{memory: 64GiB, cpus: [%u]}", i ? ", " : "", i);
    snprintf(nodes + n, sizeof nodes - n, "]");
    const uint64_t before = resident_bytes();
    const double begin = now();
    struct vmsim_machine *m = boot_with("64GiB", settings);
    const double spent = now() - begin;
    printf("{\"bench\": \"boot_64_nodes_4TiB\", \"ms\": %.2f, \"MiB\": %.2f}\n", spent * 1e3,
           (double)(resident_bytes() - before) / 1048576.0);
    vmsim_machine_destroy(m);
}

int main(int argc, char **argv) {
    static const struct bench benches[] = {{"boot", boots}, {"nodes", boots_nodes}, {"fault", faults}};
    return bench_main(benches, sizeof benches / sizeof benches[0], argc, argv);
}
