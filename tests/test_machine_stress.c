/* SPDX-License-Identifier: MIT */
/* Random histories of whole machines on every architecture and both kernels, with and without swap, under the kernel's
 * own reclaim (stress_machine.h). */
#include "stress_machine.h"

#define STORMS(X)                                                                                                      \
    X(storm_on_x86_32, "x86_32", "6.1", 1, 1, 40, 0)                                                                   \
    X(storm_on_x86_pae, "x86_pae", "6.12", 2, 2, 32, 0)                                                                \
    X(storm_on_x86_64, "x86_64", "6.1", 4, 2, 40, 0)                                                                   \
    X(storm_on_x86_64_of_the_newer_kernel, "x86_64", "6.12", 2, 1, 40, 0)                                              \
    X(storm_on_x86_64_la57, "x86_64_la57", "6.1", 3, 3, 32, 0)                                                         \
    X(storm_on_arm64_4k, "arm64_4k", "6.1", 4, 3, 40, 0)                                                               \
    X(storm_on_arm64_16k, "arm64_16k", "6.12", 2, 1, 128, 0)                                                           \
    X(storm_on_arm64_64k, "arm64_64k", "6.1", 2, 1, 512, 0)                                                            \
    X(storm_on_riscv_sv32, "riscv_sv32", "6.1", 2, 1, 40, 0)                                                           \
    X(storm_on_riscv_sv39, "riscv_sv39", "6.12", 4, 2, 40, 0)                                                          \
    X(storm_on_riscv_sv48, "riscv_sv48", "6.1", 1, 1, 32, 0)                                                           \
    X(storm_on_riscv_sv57, "riscv_sv57", "6.12", 3, 1, 40, 0)                                                          \
    X(storm_with_swap, "x86_64", "6.1", 2, 1, 11, 1)                                                                   \
    X(storm_with_swap_on_a_failing_disk, "x86_64", "6.12", 3, 2, 10, 2)                                                \
    X(storm_with_swap_on_arm64, "arm64_4k", "6.12", 1, 1, 11, 1)                                                       \
    X(storm_with_swap_on_x86_32, "x86_32", "6.1", 1, 1, 11, 2)                                                         \
    X(storm_with_swap_on_arm, "arm", "6.1", 2, 1, 11, 1)                                                               \
    X(storm_with_swap_on_arm_with_long_descriptors, "arm_lpae", "6.1", 1, 1, 11, 1)                                    \
    X(storm_with_swap_on_riscv, "riscv_sv39", "6.1", 2, 1, 11, 1)                                                      \
    X(storm_of_generations, "x86_64", "6.1", 2, 2, 11, 3)                                                              \
    X(storm_of_generations_of_the_newer_kernel, "x86_64", "6.12", 2, 1, 11, 4)                                         \
    X(storm_of_generations_without_accessed_bits, "riscv_sv39", "6.1", 2, 1, 11, 3)                                    \
    X(storm_of_generations_on_arm64, "arm64_4k", "6.12", 1, 2, 11, 3)                                                  \
    X(storm_with_zram, "x86_64", "6.1", 2, 1, 11, 5)                                                                   \
    X(storm_with_zswap, "x86_64", "6.1", 2, 1, 11, 6)                                                                  \
    X(storm_with_zswap_on_arm64, "arm64_4k", "6.12", 3, 2, 10, 6)                                                      \
    X(storm_with_huge_pages_in_swap, "x86_64", "6.1", 2, 1, 96, HUGE_PAGES)                                            \
    X(storm_with_large_folios_in_swap, "x86_64", "6.12", 2, 1, 96, HUGE_PAGES)                                         \
    X(storm_of_memory_that_comes_and_goes, "x86_64", "6.1", 2, 4, 300, 0)                                              \
    X(storm_of_memory_that_comes_and_goes_on_arm64, "arm64_4k", "6.12", 2, 4, 300, 0)
#define STORM(name, arch, kernel, cpus, nodes, mib, swap)                                                              \
    static void name(void **state) {                                                                                   \
        (void)state;                                                                                                   \
        storm_of(swap == HUGE_PAGES ? 2500 : 8000, &(struct storm_machine){arch, kernel, cpus, nodes, mib, swap, NULL, \
                                                                           0, false, 0, 0, 0, 0, false, false});       \
    }
STORMS(STORM)

/* Files whose folios are large, shared memory in huge pages: mapped, written, cut, swapped out, split. */
#define FOLIO_STORMS(X)                                                                                                \
    X(storm_of_large_folios, "x86_64", "6.12", 2, 1, 400, 0, 4000)                                                     \
    X(storm_of_huge_shared_memory, "x86_64", "6.1", 4, 2, 400, 0, 4000)                                                \
    X(storm_of_large_folios_on_arm64, "arm64_4k", "6.12", 1, 1, 400, 0, 4000)                                          \
    X(storm_of_large_folios_with_swap, "x86_64", "6.12", 3, 1, 96, 1, 4000)                                            \
    X(storm_of_huge_shared_memory_with_swap, "x86_64", "6.1", 2, 1, 96, HUGE_PAGES, 2500)                              \
    X(storm_of_large_folios_in_generations, "x86_64", "6.12", 2, 2, 96, 3, 4000)
#define FOLIO_STORM(name, arch, kernel, cpus, nodes, mib, swap, steps)                                                 \
    static void name(void **state) {                                                                                   \
        (void)state;                                                                                                   \
        storm_of(steps, &(struct storm_machine){arch, kernel, cpus, nodes, mib, swap, NULL, 0, false, 0, 0, 0, 0,      \
                                                .folios = true});                                                      \
    }
FOLIO_STORMS(FOLIO_STORM)
int main(void) {
#define TEST(name, ...) cmocka_unit_test(name),
    const struct CMUnitTest tests[] = {STORMS(TEST) FOLIO_STORMS(TEST)};
    return cmocka_run_group_tests_name("machine_stress", tests, NULL, NULL);
}
