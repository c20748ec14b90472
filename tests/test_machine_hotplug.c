/* SPDX-License-Identifier: MIT */
/* Random histories of whole machines (stress_machine.h) whose memory comes and goes: before each step a block is taken
 * away or given back, while tasks, files, policies, cpusets, knobs and swap use what there is. Contents are compared
 * with two models, and counters, tables and lists with a recount.
 *
 * VMSIM_CAMPAIGN=N: N steps of each machine. A check of all that is there costs more than the steps between two of
 * them: it is made every 50 steps, of campaigns every 1,000, and at the end. */
#include "stress_machine.h"

static void storm_of_blocks(uint64_t steps, const struct storm_machine *b) {
    const char *campaign = getenv("VMSIM_CAMPAIGN");
    storm_of(campaign ? strtoull(campaign, NULL, 0) : steps, b);
    assert_true(t.plugged[0] > 100 && t.plugged[1] > 100);
}

#define STORMS(X)                                                                                                      \
    X(blocks_come_and_go_where_memory_suffices, "x86_64", "6.1", 2, 300, 0, 0)                                         \
    X(blocks_come_and_go_with_swap, "x86_64", "6.12", 2, 24, 1, 700)                                                   \
    X(blocks_come_and_go_among_generations, "x86_64", "6.1", 4, 24, 3, 700)                                            \
    X(blocks_come_and_go_on_arm64, "arm64_4k", "6.12", 2, 24, 1, 700)
#define STORM(name, on, version, processors, size, area, left)                                                         \
    static void name(void **state) {                                                                                   \
        (void)state;                                                                                                   \
        storm_of_blocks(2000, &(struct storm_machine){.arch = on,                                                      \
                                                      .kernel = version,                                               \
                                                      .cpus = processors,                                              \
                                                      .nodes = 4,                                                      \
                                                      .mib = size,                                                     \
                                                      .swap = area,                                                    \
                                                      .tasks = 8,                                                      \
                                                      .spaces = 6,                                                     \
                                                      .leave = left,                                                   \
                                                      .ask = left ? 1200 : 0,                                          \
                                                      .plug = true});                                                  \
    }
STORMS(STORM)

/* A write found the page that it was to copy taken out of its table by what looked for a frame on the node, time and
 * again, while another node had room. */
static void a_copy_ends_where_its_node_is_reclaimed(void **state) {
    (void)state;
    storm_with_seed("23", 640,
                    &(struct storm_machine){.arch = "x86_64",
                                            .kernel = "6.12",
                                            .cpus = 2,
                                            .nodes = 4,
                                            .mib = 24,
                                            .swap = 1,
                                            .tasks = 8,
                                            .spaces = 6,
                                            .leave = 700,
                                            .ask = 1200,
                                            .plug = true});
}

int main(void) {
#define TEST(name, ...) cmocka_unit_test(name),
    const struct CMUnitTest tests[] = {STORMS(TEST) cmocka_unit_test(a_copy_ends_where_its_node_is_reclaimed)};
    return cmocka_run_group_tests_name("machine_hotplug", tests, NULL, NULL);
}
