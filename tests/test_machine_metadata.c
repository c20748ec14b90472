/* SPDX-License-Identifier: MIT */
/* What a file system reads of itself: which blocks, when, who pays for them, and what happens when they cannot be read
 * or have been reclaimed. */
#include "helpers.h"

#include "scenario/engine.h"
#include "vmsim/scenario.h"

#define MACHINE "machine: {nodes: [{memory: 64MiB}], cpus: 2, devices: [{name: sda, preset: nvme}]}\n"
#define READ(file) "{read: {file: " file ", length: 4KiB}}"
enum { WINDOW = 32 }; /* pages of a window of inodes */

static struct vmsim_config *config;
static struct vmsim_scenario *s;

static void run(const char *machine, const char *workload) {
    char text[3000];
    snprintf(text, sizeof text, "%sworkload:\n%s", machine, workload);
    assert_int_equal(vmsim_config_create(&config), 0);
    assert_int_equal(vmsim_config_load_text(config, "fs.yaml", text, strlen(text)), 0);
    if (vmsim_config_resolve(config) || vmsim_scenario_create(config, &s))
        fail_msg("%s", vmsim_config_error_text(config, 0));
    if (vmsim_scenario_run(s, NULL, NULL))
        fail_msg("%s", vmsim_scenario_error(s));
}

static uint64_t counter(const char *name) {
    size_t id;
    if (vmsim_counter_find(s->machine, name, &id))
        fail_msg("there is no counter %s", name);
    return vmsim_counter_read(s->machine, id);
}

static uint64_t end(void) {
    const uint64_t blocks = vmsim__blockdev_pages(s->machine->cache);
    if (vmsim_machine_check(s->machine))
        fail_msg("%s", vmsim_machine_error(s->machine));
    assert_int_equal(vmsim_scenario_destroy(s), 0);
    vmsim_config_destroy(config);
    return blocks;
}

/* Blocks that are in memory after one task has read a page of each file, in order. */
static uint64_t blocks_after(const char *files, const char *steps) {
    char workload[2000];
    snprintf(workload, sizeof workload, "  files: [%s]\n  tasks: [{name: a, program: [%s]}]\n", files, steps);
    run(MACHINE, workload);
    return end();
}

static void test_a_file_without_a_number_costs_nothing(void **state) {
    (void)state;
    assert_int_equal(blocks_after("{name: /usr/bin/a, size: 1MiB}", READ("/usr/bin/a")), 0);
    assert_int_equal(blocks_after("{name: /usr/bin/a, size: 1MiB, inode: 600}", "{sleep: {time: 1ms}}"), 0);
}

static void test_inodes_come_in_windows_and_directories_once(void **state) {
    (void)state;
#define A "{name: /usr/bin/a, size: 1MiB, inode: 600}"
    assert_int_equal(blocks_after(A, READ("/usr/bin/a")), WINDOW + 2);
    assert_int_equal(blocks_after(A, READ("/usr/bin/a") ", " READ("/usr/bin/a")), WINDOW + 2);
    assert_int_equal(blocks_after(A ", {name: /usr/bin/b, size: 1MiB, inode: 1024}", /* 513 to 1024 */
                                  READ("/usr/bin/a") ", " READ("/usr/bin/b")),
                     WINDOW + 2);
    assert_int_equal(
        blocks_after(A ", {name: /usr/lib/b, size: 1MiB, inode: 1025}", READ("/usr/bin/a") ", " READ("/usr/lib/b")),
        2 * WINDOW + 3);
    assert_int_equal(blocks_after(A ", {name: /top, size: 1MiB, inode: 1}", READ("/usr/bin/a") ", " READ("/top")),
                     2 * WINDOW + 2);
}

static void test_a_directory_may_lie_elsewhere(void **state) {
    (void)state;
    assert_int_equal(blocks_after(A ", {name: /usr, kind: directory, inode: 5000}", READ("/usr/bin/a")),
                     2 * WINDOW + 2);
    assert_int_equal(blocks_after(A ", {name: /usr, kind: directory, inode: 513}", READ("/usr/bin/a")), WINDOW + 2);
}

/* The bitmaps of inodes and of blocks, of a group; the other group's are others. */
static void test_a_new_file_takes_its_place_from_the_bitmaps(void **state) {
    (void)state;
    assert_int_equal(blocks_after("{name: /a, inode: 9}", "{write: {file: /a, length: 4KiB}}"), WINDOW + 2);
    assert_int_equal(blocks_after("{name: /a, inode: 9}, {name: /b, inode: 10}",
                                  "{write: {file: /a, length: 4KiB}}, {write: {file: /b, length: 4KiB}}"),
                     WINDOW + 2);
    assert_int_equal(blocks_after("{name: /a, inode: 9}, {name: /b, inode: 8193}",
                                  "{write: {file: /a, length: 4KiB}}, {write: {file: /b, length: 4KiB}}"),
                     2 * WINDOW + 4);
}

static void test_who_opens_it_pays_and_waits(void **state) {
    (void)state;
    run(MACHINE,
        "  files: [" A "]\n"
        "  cgroups: [{path: /one}, {path: /two}]\n"
        "  tasks:\n"
        "    - {name: first, cgroup: /one, program: [" READ(
            "/usr/bin/a") "]}\n"
                          "    - {name: second, cgroup: /two, start: 1s, program: [" READ("/usr/bin/a") "]}\n");
    assert_in_range(counter("cgroups./one.memory.stat.active_file"), (WINDOW + 2) * 4096, (WINDOW + 3) * 4096);
    assert_int_equal(counter("cgroups./two.memory.stat.file"), 0);
    assert_true(counter("tasks.first.blocked_ns") > 0);
    assert_int_equal(counter("tasks.second.blocked_ns"), 0);
    assert_int_equal(counter("vmstat.pgmajfault"), 0);
    end();
}

/* An inode in use stays; the blocks may go, and the next file that needs them reads them again. */
static void test_reclaimed_blocks_are_read_again_for_another_file(void **state) {
    (void)state;
#define B ", {name: /usr/bin/b, size: 1MiB, inode: 601}"
#define DROP "{sysctl: {name: vm.drop_caches, value: '1'}}"
    assert_int_equal(blocks_after(A B, READ("/usr/bin/a") ", " DROP), 0);
    assert_int_equal(blocks_after(A B, READ("/usr/bin/a") ", " DROP ", " READ("/usr/bin/a")), 0);
    assert_int_equal(blocks_after(A B, READ("/usr/bin/a") ", " DROP ", " READ("/usr/bin/b")), WINDOW);
}

static void test_a_block_that_cannot_be_read_is_an_error_of_the_call(void **state) {
    (void)state;
    run("machine: {nodes: [{memory: 64MiB}], devices: [{name: sda, preset: nvme, faults: [{}]}]}\n",
        "  files: [" A "]\n"
        "  tasks: [{name: a, program: [{read: {file: /usr/bin/a, length: 4KiB, error: EIO}}, {sleep: {time: "
        "2ms}}, " READ("/usr/bin/a") "]}]\n");
    assert_int_equal(end(), 1 + 2); /* what lies around it is not asked for again */
}

static void test_two_that_open_it_at_once_read_it_once(void **state) {
    (void)state;
    run(MACHINE, "  files: [" A "]\n  tasks:\n    - {name: a, program: [" READ(
                     "/usr/bin/a") "]}\n"
                                   "    - {name: b, cpu: 1, program: [" READ("/usr/bin/a") "]}\n");
    assert_in_range(counter("block.sda.read_bytes"), (WINDOW + 2 + 1) * 4096, (WINDOW + 2 + 4) * 4096);
    assert_int_equal(end(), WINDOW + 2);
}

/* A device so small that its halves hold one window each has all inodes in it. */
static void test_a_small_device_uses_its_blocks_over_again(void **state) {
    (void)state;
    run("machine: {nodes: [{memory: 64MiB}], devices: [{name: sda, preset: nvme, size: 1MiB}]}\n",
        "  files: [{name: /x/a, size: 4KiB, inode: 281474976710656}, {name: /y/b, size: 4KiB, inode: 1}]\n"
        "  tasks: [{name: a, program: [" READ("/x/a") ", " READ("/y/b") "]}]\n");
    assert_in_range(end(), WINDOW + 2, 2 * WINDOW + 2);
}

static void test_numbers_of_files_are_refused_where_there_are_none(void **state) {
    (void)state;
    uint32_t shmem, disk, device;
    run(MACHINE, "  tasks: [{name: a, program: [{sleep: {time: 1ms}}]}]\n");
    struct vmsim_machine *m = s->machine;
    assert_int_equal(vmsim_file_create(m, VMSIM_FILE_SHMEM, "/s", 4096, false, &shmem), 0);
    assert_int_equal(vmsim_file_create(m, VMSIM_FILE_REGULAR, "/d", 4096, false, &disk), 0);
    assert_int_equal(vmsim_file_create(m, VMSIM_FILE_BLOCKDEV, "/dev/sda", 1 << 20, false, &device), 0);
    assert_int_equal(vmsim_file_set_inode(m, shmem, 5), VMSIM_EINVAL);
    assert_int_equal(vmsim_file_set_inode(m, device, 5), VMSIM_EINVAL);
    assert_int_equal(vmsim_file_set_inode(m, 999, 5), VMSIM_EINVAL);
    assert_int_equal(vmsim_file_set_inode(m, disk, (UINT64_C(1) << 48) + 1), VMSIM_EINVAL);
    assert_int_equal(vmsim_file_set_inode(m, disk, UINT64_C(1) << 48), 0);
    end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_file_without_a_number_costs_nothing),
        cmocka_unit_test(test_inodes_come_in_windows_and_directories_once),
        cmocka_unit_test(test_a_directory_may_lie_elsewhere),
        cmocka_unit_test(test_a_new_file_takes_its_place_from_the_bitmaps),
        cmocka_unit_test(test_who_opens_it_pays_and_waits),
        cmocka_unit_test(test_reclaimed_blocks_are_read_again_for_another_file),
        cmocka_unit_test(test_a_block_that_cannot_be_read_is_an_error_of_the_call),
        cmocka_unit_test(test_two_that_open_it_at_once_read_it_once),
        cmocka_unit_test(test_a_small_device_uses_its_blocks_over_again),
        cmocka_unit_test(test_numbers_of_files_are_refused_where_there_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
