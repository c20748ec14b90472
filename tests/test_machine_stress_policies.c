/* SPDX-License-Identifier: MIT */
/* Random histories of whole machines (stress_machine.h) under every reclaim policy: as memory allows, and as textbooks
 * have it, with so many folios at most. Each is run twice and must count the same.
 *
 * VMSIM_CAMPAIGN=N is a campaign: N operations over all policies, or of VMSIM_CAMPAIGN_POLICY alone, of eight tasks
 * that ask for half as much again as there is, with swap on a disk that fails. */
#include "stress_machine.h"

static const char *const policies[] = {"linux-lru", "linux-mglru", "fifo", "lru",    "mru",   "clock",
                                       "random",    "lfu",         "arc",  "s3fifo", "sieve", "lhd"};

static void twice(uint64_t steps, const struct storm_machine *b) {
    const uint64_t first = storm_of(steps, b), again = storm_of(steps, b);
    if (first != again)
        fail_msg("%s: run again it counts otherwise", b->reclaim);
}

static void storms_as_memory_allows(void **state) {
    (void)state;
    for (unsigned i = 2; i < TEST_COUNT(policies); i++)
        storm_of(600, &(struct storm_machine){.arch = i % 3 ? "x86_64" : "arm64_4k",
                                              .kernel = i % 2 ? "6.12" : "6.1",
                                              .cpus = 1 + i % 3,
                                              .nodes = 1 + i % 2,
                                              .mib = 11,
                                              .swap = 1 + i % 2,
                                              .reclaim = policies[i]});
}

static void storms_of_pure_demand_paging(void **state) {
    (void)state;
    for (unsigned i = 2; i < TEST_COUNT(policies); i++)
        storm_of(600, &(struct storm_machine){.arch = i % 3 ? "x86_64" : "arm64_4k",
                                              .kernel = i % 2 ? "6.1" : "6.12",
                                              .cpus = 1 + i % 3,
                                              .nodes = 1,
                                              .mib = 13,
                                              .swap = 1 + (i + 1) % 2,
                                              .reclaim = policies[i],
                                              .resident = 40 + 60 * i});
}

/* Huge pages are made and split meanwhile, whose tables come and go. */
static void storms_of_the_manager_alone(void **state) {
    static const char *const archs[] = {"x86_64", "arm64_4k", "x86_64_la57", "riscv_sv48"};
    (void)state;
    for (unsigned i = 0; i < 8; i++)
        storm_of(600, &(struct storm_machine){.arch = archs[i % 4],
                                              .kernel = i % 2 ? "6.1" : "6.12",
                                              .cpus = 1 + i % 3,
                                              .nodes = 1 + i % 2,
                                              .mib = i == 4 ? 64 : 11,
                                              .swap = i == 4 ? HUGE_PAGES : 1 + i % 2,
                                              .reclaim = policies[i],
                                              .tlb = TLB_BYPASS});
}

static void storms_of_an_emulated_cpu(void **state) {
    (void)state;
    for (unsigned i = 0; i < 4; i++)
        storm_of(600, &(struct storm_machine){.arch = i % 2 ? "arm64_4k" : "x86_64",
                                              .kernel = i % 2 ? "6.1" : "6.12",
                                              .cpus = 1 + i % 3,
                                              .nodes = 1 + i % 2,
                                              .mib = i == 2 ? 64 : 11,
                                              .swap = i == 2 ? HUGE_PAGES : 1 + i % 2,
                                              .reclaim = policies[i],
                                              .tlb = TLB_EMULATED});
}

static struct storm_machine short_of_memory(const char *kernel, unsigned cpus, const char *reclaim) {
    return (struct storm_machine){.arch = "x86_64",
                                  .kernel = kernel,
                                  .cpus = cpus,
                                  .nodes = 1,
                                  .mib = 11,
                                  .swap = 2,
                                  .reclaim = reclaim,
                                  .tasks = 8,
                                  .spaces = 6,
                                  .leave = 700};
}

/* Pages of several address spaces went out again before the last had got its own; a window that waited for memory in
 * the middle lost to the policy what it had read. Neither swapoff ever ended. */
static void swapoff_ends_where_memory_is_short(void **state) {
    (void)state;
    struct storm_machine b = short_of_memory("6.1", 1, "linux-lru");
    storm_with_seed("3", 29200, &b);
    b.reclaim = "mru";
    storm_with_seed("4", 34400, &b);
}

/* What mlock had read from swap for the page that it was at, a policy that goes by use gave up again for the next page
 * of the window, before the call could map it: for ever. */
static void population_ends_where_memory_is_short(void **state) {
    (void)state;
    struct storm_machine b = short_of_memory("6.12", 4, "lfu");
    b.ask = 1200;
    storm_with_seed("1", 1100, &b);
}

/* What a fault had read of its window it read again whenever it had waited for memory, while the kernel's own lists
 * gave it up meanwhile: for ever. */
static void a_window_ends_where_memory_is_short(void **state) {
    (void)state;
    struct storm_machine b = short_of_memory("6.12", 2, "linux-mglru");
    b.ask = 1200;
    storm_with_seed("1", 3400, &b);
}

/* A fault on a page in swap gives its leaf table back when it waits for the page, and took the page's frame for the
 * table when it was entered again: for ever. So did one that copies, for the copy. */
static void a_fault_ends_where_a_frame_is_lacking(void **state) {
    (void)state;
    struct storm_machine b = short_of_memory("6.12", 2, "linux-mglru");
    b.ask = 1200;
    storm_with_seed("31", 2800, &b);
}

/* Some hundred operations each, or the campaign's. */
static void the_same_history_counts_the_same(void **state) {
    const char *campaign = getenv("VMSIM_CAMPAIGN"), *only = getenv("VMSIM_CAMPAIGN_POLICY");
    const uint64_t steps = campaign ? strtoull(campaign, NULL, 0) / (only ? 1 : TEST_COUNT(policies)) : 400;
    (void)state;
    for (unsigned i = 0; i < TEST_COUNT(policies); i++)
        if (!only || !strcmp(only, policies[i]))
            twice(steps, &(struct storm_machine){.arch = "x86_64",
                                                 .kernel = i % 2 ? "6.12" : "6.1",
                                                 .cpus = 1 + i % 4,
                                                 .nodes = 1,
                                                 .mib = 11,
                                                 .swap = 2,
                                                 .reclaim = policies[i],
                                                 .tasks = 8,
                                                 .spaces = 6,
                                                 .leave = 700,
                                                 .ask = 1200});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(storms_as_memory_allows),
        cmocka_unit_test(storms_of_pure_demand_paging),
        cmocka_unit_test(storms_of_the_manager_alone),
        cmocka_unit_test(swapoff_ends_where_memory_is_short),
        cmocka_unit_test(population_ends_where_memory_is_short),
        cmocka_unit_test(storms_of_an_emulated_cpu),
        cmocka_unit_test(a_window_ends_where_memory_is_short),
        cmocka_unit_test(a_fault_ends_where_a_frame_is_lacking),
        cmocka_unit_test(the_same_history_counts_the_same),
    };
    return cmocka_run_group_tests_name("machine_stress_policies", tests, NULL, NULL);
}
