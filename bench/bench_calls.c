/* SPDX-License-Identifier: MIT */
/* Host time of single system calls, of small tasks and of checks, as JSON:
 *
 *     mprotect   one page of a written mapping loses and gets back the right to be written, with a store between
 *     munmap     one written page of a task that has been on all of 256 CPUs: mapping, touching and unmapping it
 *     small      first touches of tasks of 16 pages each, which end before the next one begins or all stay, against
 *                those of one large mapping
 *     check      vmsim_machine_check with 1,000 and with 60,000 of such tasks */
#include "bench.h"

static const char *const plain[] = {NULL};

static void store(struct vmsim_machine *m, uint32_t task, uint64_t va) {
    vmsim_access a = vmsim_access_make(va, 8, VMSIM_STORE);
    run(m, task, &a, 1);
}

static void mprotect_page(void) {
    struct vmsim_machine *m = boot_with("1GiB", plain);
    const uint64_t pages = 64;
    const unsigned rounds = 100000;
    uint32_t task;
    double calls = 0;
    vmsim_task_create(m, "mprotect", 0, &task);
    uint64_t base = map(m, task, pages * 4096);
    for (uint64_t i = 0; i < pages; i++)
        store(m, task, base + i * 4096);
    for (unsigned i = 0; i < rounds; i++) {
        uint64_t page = base + (1 + i % (pages - 2)) * 4096;
        double begin = now();
        vmsim_task_mprotect(m, task, page, 4096, 1);
        vmsim_task_mprotect(m, task, page, 4096, 3);
        calls += now() - begin;
        store(m, task, page);
    }
    printf("{\"bench\": \"mprotect_page\", \"us\": %.2f}\n", calls / rounds / 2 * 1e6);
    vmsim_machine_destroy(m);
}

static void munmap_wide(void) {
    static const char *const settings[] = {"machine.cpus=256", NULL};
    struct vmsim_machine *m = boot_with("4GiB", settings);
    const unsigned rounds = 20000;
    uint32_t task;
    double unmap = 0;
    vmsim_task_create(m, "munmap", 0, &task);
    uint64_t base = map(m, task, 1 << 20);
    for (unsigned cpu = 0; cpu < 256; cpu++) {
        vmsim_task_migrate(m, task, cpu);
        store(m, task, base + cpu * 4096);
    }
    vmsim_task_migrate(m, task, 0);
    for (unsigned i = 0; i < rounds; i++) {
        uint64_t page = map(m, task, 4096);
        store(m, task, page);
        double begin = now();
        vmsim_task_munmap(m, task, page, 4096);
        unmap += now() - begin;
    }
    printf("{\"bench\": \"munmap_256_cpus\", \"us\": %.2f}\n", unmap / rounds * 1e6);
    vmsim_machine_destroy(m);
}

#define SMALL_PAGES 16u

static double touch_ns(struct vmsim_machine *m, uint32_t task, uint64_t base, uint64_t pages) {
    static vmsim_access batch[BATCH];
    for (uint64_t i = 0; i < pages; i++)
        batch[i] = vmsim_access_make(base + i * 4096, 8, VMSIM_STORE);
    double begin = now();
    run(m, task, batch, pages);
    return (now() - begin) * 1e9;
}

/* What it takes to read the clock. */
static double clock_ns(void) {
    double begin = now(), end = begin;
    for (unsigned i = 0; i < 1000; i++)
        end = now();
    return (end - begin) * 1e6;
}

/* Nanoseconds a page of the first touches of so many tasks, without what it takes to read the clock. */
static double small_tasks_ns(struct vmsim_machine *m, unsigned tasks, int stay) {
    const double clock = clock_ns();
    double spent = 0;
    uint32_t task;
    for (unsigned i = 0; i < tasks; i++) {
        vmsim_task_create(m, "small", 0, &task);
        spent += touch_ns(m, task, map(m, task, SMALL_PAGES * 4096), SMALL_PAGES) - clock;
        if (!stay)
            vmsim_task_exit(m, task);
    }
    return spent / tasks / SMALL_PAGES;
}

static void small_tasks(void) {
    struct vmsim_machine *m = boot_with("4GiB", plain);
    const unsigned tasks = 5000;
    double each = small_tasks_ns(m, tasks, 0), stay = small_tasks_ns(m, tasks, 1), bulk = 0;
    uint32_t task;
    vmsim_task_create(m, "bulk", 0, &task);
    for (unsigned i = 0; i < 8; i++)
        bulk += touch_ns(m, task, map(m, task, UINT64_C(4096) * BATCH), BATCH) / (8.0 * BATCH);
    printf("{\"bench\": \"first_touch\", \"small_tasks_ns\": %.0f, \"that_stay_ns\": %.0f, \"bulk_ns\": %.0f, "
           "\"ratio\": %.2f, \"ratio_that_stay\": %.2f}\n",
           each, stay, bulk, each / bulk, stay / bulk);
    vmsim_machine_destroy(m);
}

static double check_us_a_task(unsigned tasks) {
    struct vmsim_machine *m = boot_with("16GiB", plain);
    small_tasks_ns(m, tasks, 1);
    double begin = now();
    if (vmsim_machine_check(m)) {
        fprintf(stderr, "%s\n", vmsim_machine_error(m));
        exit(1);
    }
    double spent = now() - begin;
    vmsim_machine_destroy(m);
    return spent / tasks * 1e6;
}

static void checks(void) {
    double few = check_us_a_task(1000), many = check_us_a_task(60000);
    printf("{\"bench\": \"machine_check\", \"us_a_task_of_1000\": %.2f, \"us_a_task_of_60000\": %.2f, \"ratio\": "
           "%.2f}\n",
           few, many, many / few);
}

int main(int argc, char **argv) {
    static const struct bench benches[] = {
        {"mprotect", mprotect_page}, {"munmap", munmap_wide}, {"small", small_tasks}, {"check", checks}};
    return bench_main(benches, sizeof benches / sizeof benches[0], argc, argv);
}
