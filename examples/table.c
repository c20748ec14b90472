/* SPDX-License-Identifier: MIT */
/* A program that links libvmsim: how page-fault and TLB-walk counts grow with the working set, as a table.
 *
 *     cc table.c $(pkg-config --cflags --libs vmsim) -o table && ./table
 */
#include <stdio.h>
#include <stdlib.h>

#include "vmsim/config.h"
#include "vmsim/vmsim.h"

/* Says what went wrong and ends the program. */
static void die(struct vmsim_config *config, const char *what) {
    fprintf(stderr, "table: %s\n", what);
    for (size_t i = 0; config && i < vmsim_config_error_count(config); i++)
        fprintf(stderr, "%s\n", vmsim_config_error_text(config, i));
    exit(1);
}

static uint64_t counter(struct vmsim_machine *m, const char *name) {
    size_t id;
    if (vmsim_counter_find(m, name, &id))
        die(NULL, vmsim_machine_error(m));
    return vmsim_counter_read(m, id);
}

/* Touches `pages` pages of fresh memory `rounds` times over. */
static void drive(struct vmsim_machine *m, uint32_t task, uint64_t pages, unsigned rounds) {
    const unsigned read_write = 3, private_anonymous = 0x22;
    int64_t base = vmsim_task_mmap(m, task, 0, pages * 4096, read_write, private_anonymous, 0, 0);
    if (base < 0)
        die(NULL, "mmap failed");
    for (unsigned round = 0; round < rounds; round++) {
        for (uint64_t page = 0; page < pages; page++) {
            struct vmsim_access_result result;
            vmsim_access a = vmsim_access_make((uint64_t)base + page * 4096, 8, VMSIM_STORE);
            if (vmsim_task_access(m, task, &a, 1, NULL, &result) || result.stop)
                die(NULL, "the task was killed");
        }
    }
    vmsim_task_munmap(m, task, (uint64_t)base, pages * 4096);
}

int main(void) {
    struct vmsim_config *config;
    struct vmsim_machine *m = NULL;
    uint32_t task;
    if (vmsim_config_create(&config))
        die(NULL, "out of memory");
    vmsim_config_set(config, "machine.nodes=[{memory: 1GiB}]");
    vmsim_config_set(config, "machine.cpus=1");
    if (vmsim_config_resolve(config) || vmsim_machine_create(config, &m))
        die(config, "the machine cannot be made");
    if (vmsim_task_create(m, "table", 0, &task))
        die(NULL, vmsim_machine_error(m));
    printf("%10s %10s %12s %10s\n", "pages", "faults", "walks", "walks/ref");
    for (uint64_t pages = 16; pages <= 16384; pages *= 4) {
        uint64_t faults = counter(m, "tasks.table.minflt"), walks = counter(m, "tlb.cpu0.walks");
        drive(m, task, pages, 10);
        faults = counter(m, "tasks.table.minflt") - faults;
        walks = counter(m, "tlb.cpu0.walks") - walks;
        printf("%10llu %10llu %12llu %10.3f\n", (unsigned long long)pages, (unsigned long long)faults,
               (unsigned long long)walks, (double)walks / (double)(pages * 10));
    }
    vmsim_machine_destroy(m);
    vmsim_config_destroy(config);
    return 0;
}
