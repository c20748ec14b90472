/* SPDX-License-Identifier: MIT */
/* Compaction: pages moved a second, when half of 1 GiB is given up page by page and a write to vm.compact_memory puts
 * the rest in order: isolation, unmapping through the reverse map, flush, copy of the record, mapping, both scanners.
 * Prints one JSON object. */
#include "bench.h"

#define PAGE UINT64_C(4096)
#define REGION (UINT64_C(900) << 20)

static uint64_t counter(const struct vmsim_machine *m, const char *name) {
    size_t id;
    return vmsim_counter_find((struct vmsim_machine *)m, name, &id) ? 0 : vmsim_counter_read(m, id);
}

/* Touches every page once, then gives every second up. */
static uint64_t chequer(struct vmsim_machine *m, uint32_t task, uint64_t base) {
    static vmsim_access batch[BATCH];
    for (uint64_t at = 0; at < REGION;) {
        uint64_t n = 0;
        for (; n < BATCH && at < REGION; at += PAGE)
            batch[n++] = vmsim_access_make(base + at, 8, VMSIM_STORE);
        struct vmsim_access_result r;
        if (vmsim_task_access(m, task, batch, n, NULL, &r))
            exit(1);
    }
    for (uint64_t at = 0; at < REGION; at += 2 * PAGE)
        vmsim_task_madvise(m, task, base + at, PAGE, 4);
    return REGION / PAGE / 2;
}

int main(void) {
    struct vmsim_machine *m = boot_with("1GiB", (const char *const[]){"machine.kernel=6.1", NULL});
    uint32_t task;
    vmsim_task_create(m, "bench", 0, &task);
    const int64_t base = vmsim_task_mmap(m, task, 0, REGION, 3, 0x22, 0, 0);
    chequer(m, task, (uint64_t)base);
    const double start = now();
    if (vmsim_machine_sysctl(m, "vm.compact_memory", "1"))
        return 1;
    const double took = now() - start;
    const uint64_t moved = counter(m, "vmstat.pgmigrate_success"),
                   scanned = counter(m, "vmstat.compact_migrate_scanned") + counter(m, "vmstat.compact_free_scanned");
    printf("{\"bench\": \"compact\", \"pages\": %llu, \"scanned\": %llu, \"seconds\": %.4f, \"mpages_per_s\": %.2f}\n",
           (unsigned long long)moved, (unsigned long long)scanned, took, (double)moved / took / 1e6);
    vmsim_machine_destroy(m);
    return moved ? 0 : 1;
}
