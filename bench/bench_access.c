/* SPDX-License-Identifier: MIT */
/* References through whole machines, by TLB geometry and by footprint, as JSON.
 *
 *     gups        alternating instruction fetches and uniform random loads over 1 GiB of base pages, first touch
 *                 included, as the peers were measured: on the TLB of the bars, on 64 and 2,048 entries, and with a
 *                 second level of 1,536 entries in 12 ways
 *     presets     the same on the default and on every preset of a machine
 *     footprint   ns a reference of uniform random loads over 16 MiB to 16 GiB that have been touched
 *     cow         loads by Zipf's law over 1 GiB, and the same with 30 % stores, which copy the zero page */
#include "bench.h"

/* --- gups ------------------------------------------------------------------------------------------------------------
 */

static double gups_on(const char *const *settings) {
    struct vmsim_machine *m = boot_with("4GiB", settings);
    static vmsim_access batch[BATCH];
    uint32_t task;
    vmsim_task_create(m, "gups", 0, &task);
    uint64_t code = map(m, task, 65536), table = map(m, task, GIB), x = 88172645463325252u;
    const size_t batches = 20000000 / BATCH;
    double begin = 0, spent = 0;
    for (size_t b = 0; b < batches; b++) {
        for (size_t i = 0; i < BATCH; i += 2) {
            batch[i] = vmsim_access_make(code + (i % 64) * 4, 4, VMSIM_FETCH);
            batch[i + 1] = vmsim_access_make(table + (random64(&x) % (GIB / 8)) * 8, 8, VMSIM_LOAD);
        }
        begin = now();
        run(m, task, batch, BATCH);
        spent += now() - begin;
    }
    vmsim_machine_destroy(m);
    return (double)(batches * BATCH) / spent / 1e6;
}

static void print_gups(const char *hardware, const char *const *settings) {
    printf("{\"bench\": \"gups\", \"hardware\": \"%s\", \"mrefs_per_s\": %.1f}\n", hardware, gups_on(settings));
    fflush(stdout);
}

static void gups_bar(void) {
    static const char *const bar[] = {BAR_ARRAYS, BAR_WALK_CACHES, NULL};
    static const char *const small[] = {SMALL_ARRAYS, BAR_WALK_CACHES, NULL};
    static const char *const twelve[] = {SMALL_ARRAYS, BAR_WALK_CACHES, "machine.tlb.arrays[2].entries=1536",
                                         "machine.tlb.arrays[2].ways=12", NULL};
    print_gups("256,16384", bar);
    print_gups("64,2048", small);
    print_gups("64,1536x12", twelve);
}

static void gups_presets(void) {
    static const char *const plain[] = {NULL};
    struct vmsim_config *config;
    size_t count = 0;
    print_gups("default", plain);
    if (vmsim_config_create(&config) || vmsim_config_add_search_dir(config, BENCH_MACHINES) ||
        vmsim_config_presets(config, &count))
        exit(1);
    for (size_t i = 0; i < count; i++) {
        char preset[128];
        const char *const settings[] = {preset, NULL};
        snprintf(preset, sizeof preset, "machine.preset=%s", vmsim_config_preset_name(config, i));
        print_gups(vmsim_config_preset_name(config, i), settings);
    }
    vmsim_config_destroy(config);
}

/* --- Footprint -------------------------------------------------------------------------------------------------------
 */

static void touch_all(struct vmsim_machine *m, uint32_t task, uint64_t base, uint64_t bytes) {
    static vmsim_access batch[BATCH];
    for (uint64_t page = 0; page < bytes / 4096; page += BATCH) {
        uint64_t left = bytes / 4096 - page, n = left < BATCH ? left : BATCH;
        for (uint64_t i = 0; i < n; i++)
            batch[i] = vmsim_access_make(base + (page + i) * 4096, 8, VMSIM_STORE);
        run(m, task, batch, n);
    }
}

static double random_ns(struct vmsim_machine *m, uint32_t task, uint64_t base, uint64_t bytes, size_t batches) {
    static vmsim_access batch[BATCH];
    uint64_t x = 88172645463325252u;
    double spent = 0;
    for (size_t b = 0; b < batches; b++) {
        for (size_t i = 0; i < BATCH; i++)
            batch[i] = vmsim_access_make(base + (random64(&x) % (bytes / 8)) * 8, 8, VMSIM_LOAD);
        double begin = now();
        run(m, task, batch, BATCH);
        spent += now() - begin;
    }
    return spent * 1e9 / (double)(batches * BATCH);
}

static void footprint(void) {
    static const char *const plain[] = {NULL};
    for (unsigned shift = 24; shift <= 34; shift += 2) {
        struct vmsim_machine *m = boot_with("20GiB", plain);
        uint32_t task;
        vmsim_task_create(m, "footprint", 0, &task);
        uint64_t bytes = UINT64_C(1) << shift, base = map(m, task, bytes);
        touch_all(m, task, base, bytes);
        random_ns(m, task, base, bytes, 100);
        printf("{\"bench\": \"footprint\", \"MiB\": %llu, \"ns_per_reference\": %.1f}\n",
               (unsigned long long)(bytes >> 20), random_ns(m, task, base, bytes, 400));
        fflush(stdout);
        vmsim_machine_destroy(m);
    }
}

/* --- Copy on write ---------------------------------------------------------------------------------------------------
 */

/* Page k of 2^18 with weight about 1/k, spread over the region. */
static uint64_t zipf_page(uint64_t r) {
    uint64_t octave = r % 18, page = (UINT64_C(1) << octave) + (r >> 8) % (UINT64_C(1) << octave);
    return page * UINT64_C(0x9e3779b97f4a7c15) >> 46;
}

static double zipf_rate(unsigned stores) {
    static const char *const plain[] = {NULL};
    static vmsim_access batch[BATCH];
    struct vmsim_machine *m = boot_with("4GiB", plain);
    uint32_t task;
    vmsim_task_create(m, "zipf", 0, &task);
    uint64_t base = map(m, task, GIB), x = 88172645463325252u;
    double spent = 0;
    const size_t batches = 1000;
    for (size_t b = 0; b < batches; b++) {
        for (size_t i = 0; i < BATCH; i++) {
            uint64_t r = random64(&x);
            batch[i] = vmsim_access_make(base + zipf_page(r) * 4096 + (r >> 40) % 4088, 8,
                                         (r >> 54) % 100 < stores ? VMSIM_STORE : VMSIM_LOAD);
        }
        double begin = now();
        run(m, task, batch, BATCH);
        spent += now() - begin;
    }
    vmsim_machine_destroy(m);
    return (double)(batches * BATCH) / spent / 1e6;
}

static void cow(void) {
    double loads = zipf_rate(0), mixed = zipf_rate(30);
    printf(
        "{\"bench\": \"zipf_1GiB\", \"loads_mrefs_per_s\": %.1f, \"stores_30_mrefs_per_s\": %.1f, \"ratio\": %.2f}\n",
        loads, mixed, loads / mixed);
}

int main(int argc, char **argv) {
    static const struct bench benches[] = {
        {"gups", gups_bar}, {"presets", gups_presets}, {"footprint", footprint}, {"cow", cow}};
    return bench_main(benches, sizeof benches / sizeof benches[0], argc, argv);
}
