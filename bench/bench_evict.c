/* SPDX-License-Identifier: MIT */
/* Eviction: clean pages of a mapped file that go a second: isolation, reverse map, unmapping, flush, the cache's tree,
 * free lists. Prints one JSON object a way:
 *
 *     pageout   a task gives its mapping up (MADV_PAGEOUT), and nobody asks whether the pages are in use
 *     reclaim   a cgroup is told to give up half (memory.reclaim): the kernel's lists choose, by accessed bits
 *
 * The floor is 3 M pages a second, the goal 10. */
#include "bench.h"

#define PAGE UINT64_C(4096)
#define REGION (UINT64_C(1) << 30)
#define ADVICE_PAGEOUT 21

static uint64_t counter(struct vmsim_machine *m, const char *name) {
    size_t id;
    return vmsim_counter_find(m, name, &id) ? 0 : vmsim_counter_read(m, id);
}

/* A task of a cgroup that has the whole file mapped and has read every page of it. */
static uint64_t read_file(struct vmsim_machine *m, uint32_t task) {
    static vmsim_access batch[BATCH];
    uint32_t file;
    if (vmsim_file_create(m, VMSIM_FILE_REGULAR, "/data", REGION, false, &file))
        exit(1);
    const int64_t base = vmsim_task_mmap(m, task, 0, REGION, 1, 1, file, 0);
    if (base < 0)
        exit(1);
    for (uint64_t at = 0; at < REGION;) {
        size_t n = 0;
        for (; n < BATCH && at < REGION; at += PAGE)
            batch[n++] = vmsim_access_make((uint64_t)base + at, 8, VMSIM_LOAD);
        run(m, task, batch, n);
    }
    return (uint64_t)base;
}

static void evict(const char *way, int advice) {
    struct vmsim_machine *m = boot_with("2GiB", (const char *const[]){"machine.devices=[{name: ram0, preset: ramdisk}]",
                                                                      BAR_ARRAYS, BAR_WALK_CACHES, NULL});
    uint32_t task;
    if (vmsim_task_create(m, "bench", 0, &task) || vmsim_cgroup_create(m, "/bench") ||
        vmsim_cgroup_attach(m, "/bench", task))
        exit(1);
    const uint64_t base = read_file(m, task), before = counter(m, "vmstat.nr_file_pages");
    const double start = now();
    const int64_t r = advice ? vmsim_task_madvise(m, task, base, REGION, advice)
                             : vmsim_cgroup_write(m, task, "/bench", "memory.reclaim", "512M");
    const double took = now() - start;
    const uint64_t gone = before - counter(m, "vmstat.nr_file_pages");
    printf("{\"bench\": \"evict %s\", \"pages\": %llu, \"scanned\": %llu, \"result\": %lld, \"mpages_per_s\": %.2f}\n",
           way, (unsigned long long)gone, (unsigned long long)counter(m, "vmstat.pgscan_file"), (long long)r,
           (double)gone / took / 1e6);
    vmsim_machine_destroy(m);
}

static void pageout(void) {
    evict("pageout", ADVICE_PAGEOUT);
}

static void reclaim(void) {
    evict("reclaim", 0);
}

int main(int argc, char **argv) {
    static const struct bench benches[] = {{"pageout", pageout}, {"reclaim", reclaim}};
    return bench_main(benches, sizeof benches / sizeof *benches, argc, argv);
}
