/* SPDX-License-Identifier: MIT */
/* A cache simulator that leaves the memory system to vmsim: it asks for every physical address, caches page-table
 * entries as it caches data, and adds what faults cost. Two ways to ask:
 *
 *     detail   vmsim_task_access_detailed(): the walk's entries by address, the TLB level, the faults, of each
 * reference batch    vmsim_task_access(): physical addresses alone, at the speed of the simulator; the time of TLB,
 * walks and faults comes as one sum a batch
 *
 * Usage: cachesim [detail|batch] [REFERENCES [BATCH [SETTING...]]]      machine.preset=zen4 is a setting */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vmsim/config.h>
#include <vmsim/inspect.h>
#include <vmsim/vmsim.h>

enum { LINE_SHIFT = 6, WAYS = 16, BATCH_MAX = 4096 };
#define MEMORY_CYCLES 200u

/* A level: sets of lines by physical address, the one used longest ago goes. */
struct level {
    const char *name;
    unsigned sets, ways, cycles;
    uint64_t *line, *use; /* sets x ways; line 0: empty */
    uint64_t now, hits, misses;
};

static struct level levels[] = {
    {.name = "L1D", .sets = 64, .ways = 8, .cycles = 4},
    {.name = "L2", .sets = 1024, .ways = 16, .cycles = 14},
    {.name = "LLC", .sets = 2048, .ways = 16, .cycles = 50},
};
enum { LEVELS = sizeof levels / sizeof *levels };

/* Whether the level had it; has it afterwards. */
static int look_up(struct level *l, uint64_t physical) {
    const uint64_t line = (physical >> LINE_SHIFT) + 1;
    uint64_t *way = l->line + (line - 1) % l->sets * l->ways, *use = l->use + (way - l->line);
    unsigned oldest = 0;
    l->now++;
    for (unsigned i = 0; i < l->ways; i++) {
        if (way[i] == line) {
            use[i] = l->now;
            l->hits++;
            return 1;
        }
        oldest = use[i] < use[oldest] ? i : oldest;
    }
    way[oldest] = line;
    use[oldest] = l->now;
    l->misses++;
    return 0;
}

/* Cycles of one line from the level `first` on. Walkers begin at the second: page-table entries are not in L1D. */
static uint64_t access_line(uint64_t physical, unsigned first) {
    uint64_t cycles = 0;
    for (unsigned i = first; i < LEVELS; i++) {
        cycles += levels[i].cycles;
        if (look_up(&levels[i], physical))
            return cycles;
    }
    return cycles + MEMORY_CYCLES;
}

static struct vmsim_machine *machine_of(char **settings, int count) {
    struct vmsim_config *config;
    struct vmsim_machine *m;
    if (vmsim_config_create(&config))
        exit(3);
    vmsim_config_set(config, "machine.preset=skylake-sp");
    vmsim_config_set(config, "machine.tlb.walk_reference=0"); /* what an entry costs is said by the caches here */
    for (int i = 0; i < count; i++)
        vmsim_config_set(config, settings[i]);
    if (vmsim_config_resolve(config) || vmsim_machine_create(config, &m)) {
        fprintf(stderr, "%s\n", vmsim_config_error_text(config, 0));
        exit(2);
    }
    vmsim_config_destroy(config);
    return m;
}

/* Where the time went, in cycles; faults in ns of virtual time. */
static struct { uint64_t data, walk, tlb, fault_ns, faults, entries; } cost;

static void run_detail(struct vmsim_machine *m, uint32_t task, const vmsim_access *a, size_t n) {
    static struct vmsim_access_detail d[BATCH_MAX];
    struct vmsim_access_result r;
    if (vmsim_task_access_detailed(m, task, a, n, d, sizeof *d, &r) || r.stop)
        exit(3);
    for (size_t i = 0; i < n; i++) {
        const uint32_t kept = d[i].entries < VMSIM_DETAIL_ENTRIES ? d[i].entries : VMSIM_DETAIL_ENTRIES;
        for (uint32_t k = 0; k < kept; k++)
            cost.walk += access_line(d[i].entry[k], 1);
        cost.entries += d[i].entries;
        cost.tlb += d[i].cycles;
        cost.faults += d[i].minor_faults + d[i].major_faults;
        cost.fault_ns += d[i].fault_ns;
        cost.data += access_line(d[i].physical, 0);
    }
}

static void run_batch(struct vmsim_machine *m, uint32_t task, const vmsim_access *a, size_t n) {
    static uint64_t physical[BATCH_MAX];
    struct vmsim_access_result r;
    if (vmsim_task_access(m, task, a, n, physical, &r) || r.stop)
        exit(3);
    cost.fault_ns += r.ns;
    for (size_t i = 0; i < n; i++)
        cost.data += access_line(physical[i], 0);
}

/* References to 64 MiB, most of them to the first 4: a stand-in for the trace or the core that you have. */
static vmsim_access next_reference(uint64_t base) {
    static uint64_t state = 1;
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    const uint64_t span = state >> 60 < 12 ? UINT64_C(4) << 20 : UINT64_C(64) << 20;
    return vmsim_access_make(base + (state >> 20) % span / 8 * 8, 8, state >> 59 & 1 ? VMSIM_STORE : VMSIM_LOAD);
}

int main(int argc, char **argv) {
    static vmsim_access batch[BATCH_MAX];
    const int detail = argc < 2 || strcmp(argv[1], "batch") != 0;
    const uint64_t total = argc > 2 ? strtoull(argv[2], NULL, 10) : 200000;
    const size_t size = argc > 3 ? (size_t)strtoull(argv[3], NULL, 10) : 1024;
    struct vmsim_machine *m = machine_of(argv + 4, argc > 4 ? argc - 4 : 0);
    uint32_t task;
    if (!size || size > BATCH_MAX || vmsim_task_create(m, "core", 0, &task))
        return 2;
    for (unsigned i = 0; i < LEVELS; i++) {
        levels[i].line = calloc((size_t)levels[i].sets * levels[i].ways, sizeof(uint64_t));
        levels[i].use = calloc((size_t)levels[i].sets * levels[i].ways, sizeof(uint64_t));
    }
    const uint64_t base = (uint64_t)vmsim_task_mmap(m, task, 0, 64 << 20, 3, 0x22, 0, 0);
    for (uint64_t done = 0; done < total; done += size) {
        for (size_t i = 0; i < size; i++)
            batch[i] = next_reference(base);
        (detail ? run_detail : run_batch)(m, task, batch, size);
    }
    for (unsigned i = 0; i < LEVELS; i++)
        printf("%-4s %9llu hits %9llu misses\n", levels[i].name, (unsigned long long)levels[i].hits,
               (unsigned long long)levels[i].misses);
    printf("data %llu cycles, walks %llu cycles for %llu entries, TLB %llu cycles\n", (unsigned long long)cost.data,
           (unsigned long long)cost.walk, (unsigned long long)cost.entries, (unsigned long long)cost.tlb);
    printf("%llu faults, %llu ns beside the caches\n", (unsigned long long)cost.faults,
           (unsigned long long)cost.fault_ns);
    vmsim_machine_destroy(m);
    return 0;
}
