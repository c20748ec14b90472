/* SPDX-License-Identifier: MIT */
/* Storage devices below whole machines: where files lie, how long they take, what goes wrong and who is told, what
 * /proc and /sys show, and descriptions that cannot be. */
#include "helpers.h"

#include "scenario/engine.h"
#include "vmsim/report.h"
#include "vmsim/scenario.h"

#define MACHINE(more) "machine: {nodes: [{memory: 512MiB}], cpus: 2" more "}\n"
#define MS UINT64_C(1000000)

static struct vmsim_config *config;
static struct vmsim_scenario *s;

static void open_text(const char *text) {
    assert_int_equal(vmsim_config_create(&config), 0);
    assert_int_equal(vmsim_config_load_text(config, "box.yaml", text, strlen(text)), 0);
    if (vmsim_config_resolve(config))
        fail_msg("%s", vmsim_config_error_text(config, 0));
    if (vmsim_scenario_create(config, &s))
        fail_msg("%s", vmsim_config_error_text(config, 0));
}

static void run(const char *text) {
    open_text(text);
    if (vmsim_scenario_run(s, NULL, NULL))
        fail_msg("%s", vmsim_scenario_error(s));
}

static void end(void) {
    if (vmsim_machine_check(vmsim_scenario_machine(s)))
        fail_msg("%s", vmsim_machine_error(vmsim_scenario_machine(s)));
    assert_int_equal(vmsim_scenario_destroy(s), 0);
    vmsim_config_destroy(config);
}

static uint64_t counter(const char *name) {
    size_t id;
    if (vmsim_counter_find(vmsim_scenario_machine(s), name, &id))
        fail_msg("there is no counter %s", name);
    return vmsim_counter_read(vmsim_scenario_machine(s), id);
}

/* ---- time ---- */

#define READER(at, task, file, more)                                                                                   \
    "    - {name: " task ", start: " at ", program: [{read: {file: " file ", block: 64KiB" more "}}]}\n"

static void test_a_file_takes_as_long_as_its_device_and_its_pieces(void **state) {
    (void)state;
    run(MACHINE(", devices: [{name: sda, preset: hdd}, {name: nvme0n1, preset: nvme}]") //
        "workload:\n"
        "  files:\n"
        "    - {name: /whole, size: 16MiB}\n"
        "    - {name: /pieces, size: 16MiB, fragmented: 128KiB}\n"
        "    - {name: /fast, size: 16MiB, device: nvme0n1}\n"
        "  tasks:\n" READER("0s", "whole", "/whole", "") READER("20s", "pieces", "/pieces", "")
            READER("40s", "fast", "/fast", ""));
    uint64_t whole = counter("tasks.whole.blocked_ns"), pieces = counter("tasks.pieces.blocked_ns");
    assert_in_range(whole, 100 * MS, 125 * MS);           /* 16 MiB at 150 MB/s are 112 ms */
    assert_in_range(pieces, 127 * 6 * MS, 128 * 19 * MS); /* each of 128 pieces: a seek and half a turn */
    assert_in_range(counter("tasks.fast.blocked_ns"), 4 * MS, 20 * MS);
    assert_int_equal(counter("block.sda.read_bytes"), 32 << 20);
    assert_int_equal(counter("block.nvme0n1.read_bytes"), 16 << 20);
    assert_int_equal(counter("block.sda.errors"), 0);
    end();
}

/* A read of more than the window is as long as the file's own device takes it, whatever the first one's does. */
static void test_readahead_goes_by_the_device_of_the_file(void **state) {
    (void)state;
    static const char *const orders[] = {"{name: sda, max_request: 64KiB}, {name: sdb, max_request: 1MiB}",
                                         "{name: sdb, max_request: 1MiB}, {name: sda, max_request: 64KiB}"};
    for (size_t i = 0; i < TEST_COUNT(orders); i++) {
        char text[900];
        snprintf(text, sizeof text,
                 MACHINE(", devices: [%s]") //
                 "workload:\n"
                 "  files: [{name: /f, size: 8MiB, device: sdb}]\n"
                 "  tasks: [{name: a, program: [{read: {file: /f, block: 1MiB}}]}]\n",
                 orders[i]);
        run(text);
        assert_int_equal(counter("block.sdb.reads"), 8);
        end();
    }
}

/* The page cache alone: one transfer after another, wherever it lies. */
static void test_a_machine_without_devices_has_one_that_serves_in_order(void **state) {
    (void)state;
    run(MACHINE(", page_cache: {read_ahead: 0, device: {read_latency: 1ms, read_bandwidth: 1GiB}}") //
        "workload:\n"
        "  files: [{name: /a, size: 1MiB}, {name: /b, size: 1MiB, device: vda}]\n"
        "  tasks:\n"
        "    - {name: a, program: [{read: {file: /a, length: 4KiB}}]}\n"
        "    - {name: b, cpu: 1, program: [{read: {file: /b, length: 4KiB}}]}\n");
    uint64_t each = MS + 4096 * UINT64_C(1000000000) / (1 << 30);
    assert_in_range(counter("tasks.a.blocked_ns"), each, each + 1);
    assert_in_range(counter("tasks.b.blocked_ns"), 2 * each - 1000, 2 * each + 1000);
    assert_int_equal(counter("block.vda.reads"), 2);
    end();
}

static void test_two_devices_work_side_by_side(void **state) {
    static const char *const where[] = {"sda", "sdb"};
    uint64_t took[2];
    (void)state;
    for (int i = 0; i < 2; i++) {
        char text[1200];
        snprintf(text, sizeof text,
                 MACHINE(", devices: [{name: sda, preset: hdd}, {name: sdb, preset: hdd}]") //
                 "workload:\n"
                 "  files: [{name: /a, size: 8MiB}, {name: /b, size: 8MiB, device: %s}]\n"
                 "  tasks:\n" READER("0s", "a", "/a",
                                     "") "    - {name: b, cpu: 1, program: [{read: {file: /b, block: 64KiB}}]}\n",
                 where[i]);
        run(text);
        took[i] = counter("tasks.a.blocked_ns");
        end();
    }
    assert_true(took[0] > 5 * took[1]); /* the arm goes to and fro */
}

static void test_a_transfer_takes_of_the_cpu_what_its_device_says(void **state) {
    uint64_t system[2];
    (void)state;
    for (int i = 0; i < 2; i++) {
        char text[600];
        snprintf(text, sizeof text,
                 MACHINE(", devices: [{name: sda, preset: nvme, cpu_time: %s}]") //
                 "workload:\n  files: [{name: /a, size: 4MiB}]\n  tasks:\n" READER("0s", "a", "/a", ""),
                 i ? "100us" : "0s");
        run(text);
        system[i] = counter("tasks.a.system_ns");
        if (i)
            assert_int_equal(system[1] - system[0],
                             (counter("block.sda.reads") + counter("block.sda.merged")) * 100000);
        end();
    }
}

/* ---- what goes wrong ---- */

#define FAULTY(faults) ", devices: [{name: sda, preset: sata-ssd, faults: [" faults "]}]"

static void test_an_error_of_the_device_reaches_the_task(void **state) {
    (void)state;
    run(MACHINE(FAULTY("{kind: error, op: read, after: 2}")) //
        "workload:\n"
        "  files: [{name: /f, size: 64MiB}]\n"
        "  tasks:\n"
        "    - name: a\n"
        "      program:\n"
        "        - fadvise: {file: /f, advice: random}\n"
        "        - read: {file: /f, length: 4KiB}\n"
        "        - read: {file: /f, offset: 1MiB, length: 4KiB}\n"
        "        - read: {file: /f, offset: 2MiB, length: 4KiB, error: EIO}\n"
        "        - read: {file: /f, offset: 2MiB, length: 4KiB}\n");
    assert_int_equal(counter("block.sda.errors"), 1);
    end();
}

static void test_an_error_below_a_mapping_is_SIGBUS(void **state) {
    (void)state;
    run(MACHINE(FAULTY("{kind: error, count: 0}")) //
        "workload:\n"
        "  files: [{name: /f, size: 1MiB}]\n"
        "  tasks: [{name: a, program: [{mmap: {as: m, file: /f, length: 1MiB}}, {touch: {region: m}}]}]\n");
    assert_int_equal(counter("tasks.a.sigbus"), 1);
    end();
}

static void test_a_failed_write_is_told_by_fsync(void **state) {
    (void)state;
    run(MACHINE(FAULTY("{kind: error, op: write, error: ENOSPC}")) //
        "workload:\n"
        "  files: [{name: /f, size: 1MiB}]\n"
        "  tasks:\n"
        "    - name: a\n"
        "      program:\n"
        "        - write: {file: /f, length: 64KiB}\n"
        "        - fsync: {file: /f, error: ENOSPC}\n"
        "        - fsync: {file: /f}\n");
    end();
}

static void test_a_full_device_is_told_by_fsync(void **state) {
    (void)state;
    run(MACHINE(", devices: [{name: sda, size: 2MiB}]") //
        "workload:\n"
        "  files: [{name: /f, size: 1MiB}]\n"
        "  tasks:\n"
        "    - name: a\n"
        "      program:\n"
        "        - create: {name: /g}\n"
        "        - write: {file: /g, length: 1MiB}\n"
        "        - fsync: {file: /g}\n"
        "        - write: {file: /g, offset: 1MiB, length: 4KiB}\n"
        "        - fsync: {file: /g, error: ENOSPC}\n"
        "        - unlink: {file: /f}\n"
        "        - write: {file: /g, offset: 1MiB, length: 4KiB}\n"
        "        - fsync: {file: /g}\n");
    end();
}

static void test_a_stall_holds_up_who_waits(void **state) {
    (void)state;
    run(MACHINE(FAULTY("{kind: stall, delay: 3s}")) //
        "workload:\n"
        "  files: [{name: /f, size: 1MiB}]\n"
        "  tasks: [{name: a, program: [{read: {file: /f, length: 4KiB}}]}]\n");
    assert_in_range(counter("tasks.a.blocked_ns"), 3000 * MS, 3001 * MS);
    end();
}

static void test_a_step_makes_a_device_fail(void **state) {
    (void)state;
    run(MACHINE(", devices: [{name: sda}, {name: sdb}]") //
        "workload:\n"
        "  files: [{name: /f, size: 64MiB}, {name: /g, size: 64MiB, device: sdb}]\n"
        "  tasks:\n"
        "    - name: a\n"
        "      program:\n"
        "        - fadvise: {file: /f, advice: random}\n"
        "        - fadvise: {file: /g, advice: random}\n"
        "        - read: {file: /f, length: 4KiB}\n"
        "        - device_fault: {device: sdb, fault: {kind: error, error: ETIMEDOUT, count: 0}}\n"
        "        - device_fault: {fault: {kind: error, op: read, after: 1}}\n"
        "        - read: {file: /f, offset: 1MiB, length: 4KiB}\n" /* one is served well from here on */
        "        - read: {file: /f, offset: 2MiB, length: 4KiB, error: EIO}\n"
        "        - read: {file: /f, offset: 2MiB, length: 4KiB}\n"
        "        - read: {file: /g, length: 4KiB, error: ETIMEDOUT}\n"
        "        - device_fault: {fault: {kind: stall, delay: 2s}}\n"
        "        - read: {file: /f, offset: 3MiB, length: 4KiB}\n");
    assert_int_equal(vmsim_scenario_failures(s), 0);
    assert_int_equal(counter("block.sda.errors"), 1);
    assert_int_equal(counter("block.sdb.errors"), 1);
    assert_in_range(counter("tasks.a.blocked_ns"), 2000 * MS, 2002 * MS);
    end();
}

static void fails_with(const char *text, const char *const *wanted) {
    open_text(text);
    assert_int_equal(vmsim_scenario_run(s, NULL, NULL), VMSIM_ESTATE);
    for (; *wanted; wanted++)
        if (!strstr(vmsim_scenario_error(s), *wanted))
            fail_msg("'%s' does not say '%s'", vmsim_scenario_error(s), *wanted);
    assert_int_equal(vmsim_machine_check(vmsim_scenario_machine(s)), 0);
    assert_int_equal(vmsim_scenario_destroy(s), 0);
    vmsim_config_destroy(config);
}

/* The flusher has something to do every five seconds, for good. */
static void test_a_run_ends_when_nobody_gets_on(void **state) {
    static const char *const all[] = {"task 'a' waits for ever for page 0 of '/f', which is being written",
                                      "of device sda first, will never complete", "; task 'p' waits for ever at wait",
                                      "; task 'b' waits for ever at barrier met", NULL};
    (void)state;
    fails_with(
        MACHINE(", devices: [{name: sda}, {name: sdb}]") //
        "workload:\n"
        "  files: [{name: /f, size: 1MiB}, {name: /g, size: 1MiB, device: sdb}]\n"
        "  tasks:\n"
        "    - {name: p, program: [{fork: {name: a, program: [{device_fault: {fault: {kind: never, op: write, "
        "count: 0}}}, {write: {file: /f, length: 1MiB}}, {fsync: {file: /f}}, {barrier: {name: met, tasks: "
        "2}}]}}, wait]}\n"
        "    - {name: b, cpu: 1, program: [{sleep: {time: 400s}}, {read: {file: /g}}, {write: {file: /f, length: "
        "64KiB}}, {barrier: {name: met, tasks: 2}}]}\n",
        all);
}

static void test_a_device_that_never_completes_is_named(void **state) {
    (void)state;
    open_text(MACHINE(FAULTY("{kind: never}")) //
              "workload:\n"
              "  files: [{name: /f, size: 1MiB}]\n"
              "  tasks: [{name: a, program: [{read: {file: /f, length: 4KiB}}]}]\n");
    assert_true(vmsim_scenario_run(s, NULL, NULL) < 0);
    const char *text = vmsim_scenario_error(s);
    if (!strstr(text, "'/f'") || !strstr(text, "of device sda first, will never complete"))
        fail_msg("%s", text);
    assert_int_equal(vmsim_scenario_destroy(s), 0);
    vmsim_config_destroy(config);
}

/* ---- /proc and /sys ---- */

static void file_is(const char *path, const char *expected) {
    const char *text;
    if (vmsim_report_proc_file(vmsim_scenario_machine(s), path, &text, NULL))
        fail_msg("%s", vmsim_machine_error(vmsim_scenario_machine(s)));
    assert_string_equal(text, expected);
    vmsim_report_proc_free(vmsim_scenario_machine(s), text);
}

static void test_diskstats_and_sys_block_are_Linuxs(void **state) {
    (void)state;
    run(MACHINE(", devices: [{name: sda, preset: hdd}, {name: nvme0n1, read_latency: 3ms, max_request: 64KiB},"
                " {name: sdb, preset: hdd, size: 1GiB, nomerges: 2}]") //
        "workload:\n"
        "  files: [{name: /f, size: 1MiB, device: nvme0n1}]\n"
        "  tasks: [{name: a, program: [{fadvise: {file: /f, advice: random}}, {read: {file: /f, length: 4KiB}}]}]\n");
    file_is("proc/diskstats", "   8       0 sda 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
                              " 259       0 nvme0n1 1 0 8 3 0 0 0 0 0 3 3 0 0 0 0 0 0\n"
                              "   8      16 sdb 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n");
    file_is("sys/block/nvme0n1/stat",
            "       1        0        8        3        0        0        0        0"
            "        0        3        3        0        0        0        0        0        0\n");
    file_is("sys/block/nvme0n1/queue/max_sectors_kb", "64\n");
    file_is("sys/block/nvme0n1/queue/scheduler", "[none] mq-deadline\n");
    file_is("sys/block/nvme0n1/queue/rotational", "0\n");
    file_is("sys/block/sda/queue/rotational", "1\n");
    file_is("sys/block/sda/queue/scheduler", "[mq-deadline] none\n");
    file_is("sys/block/sdb/queue/nomerges", "2\n");
    file_is("sys/block/sdb/size", "2097152\n");
    end();
}

static void test_the_summary_tells_devices_that_were_used(void **state) {
    const char *text;
    (void)state;
    run(MACHINE(", devices: [{name: sda, preset: hdd}, {name: sdb}]") //
        "workload:\n"
        "  files: [{name: /f, size: 1MiB}]\n"
        "  tasks: [{name: a, program: [{read: {file: /f}}]}]\n");
    assert_int_equal(vmsim_report_text(s, &text, NULL), 0);
    assert_non_null(strstr(text, "\nStorage devices\n"));
    assert_non_null(strstr(text, "\n  sda "));
    assert_null(strstr(text, "\n  sdb "));
    vmsim_report_free(s, text);
    end();
}

/* ---- descriptions ---- */

static void test_descriptions_that_cannot_be_are_told_in_their_place(void **state) {
    static const struct {
        const char *text, *message;
    } bad[] = {
        {"machine: {devices: [{name: sda, queue_depth: 0}]}", "box.yaml:1:46: "},
        {"machine: {devices: [{name: sda, read_bandwidth: 0}]}", "box.yaml:1:49: "},
        {"machine: {devices: [{name: sda, write_latency: 2h}]}", "box.yaml:1:48: "},
        {"machine: {devices: [{name: sda, preset: sata_ssd}]}", "did you mean 'sata-ssd'?"},
        {"machine: {devices: [{name: sda, latency: 2ms}]}", "unknown key 'latency'"},
        {"machine: {devices: [{preset: hdd}]}", "name"},
        {"machine: {devices: [{name: sda}, {name: sdb}, {name: sda}]}", "another device is named 'sda', too"},
        {"machine: {devices: [{name: sda, preset: hdd, seek_min: 20ms}]}", "seek_max must not be below seek_min"},
        {"machine: {devices: [{name: sda, seek_max: 20ms}]}", "nothing turns"},
        {"machine: {devices: [{name: sda, faults: [{kind: stall}]}]}", "a stall without a delay"},
        {"machine: {devices: [{name: sda, faults: [{from: 2MiB, to: 1MiB}]}]}", "`to` must be above `from`"},
        {"machine: {devices: [{name: sda}], page_cache: {device: {read_latency: 1ms}}}", "give the figures there"},
        {"machine: {devices: [{name: sda}]}\nworkload: {files: [{name: /f, device: sdb}]}", "there is no device 'sdb'"},
        {"workload: {files: [{name: /f, device: vdb}]}", "(did you mean 'vda'?)"},
        {"workload: {files: [{name: /f, fragmented: 5000}]}", "pieces are multiples of 4KiB"},
        {"workload: {files: [{name: /f, kind: shmem, device: vda}]}", "a file of kind shmem lies on no device"},
        {"machine: {devices: [{name: sda, size: 1MiB}]}\nworkload: {files: [{name: /f, size: 2MiB}]}",
         "the device 'sda' is full"},
        {"workload: {tasks: [{name: a, program: [{create: {name: /f, device: vdx}}]}]}", "there is no device 'vdx'"},
        {"workload: {tasks: [{name: a, program: [{device_fault: {device: vdx, fault: {}}}]}]}",
         "there is no device 'vdx'"},
        {"workload: {tasks: [{name: a, program: [{device_fault: {fault: {kind: stall}}}]}]}",
         "fault.delay: a stall without a delay"},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(bad); i++) {
        assert_int_equal(vmsim_config_create(&config), 0);
        int err = vmsim_config_load_text(config, "box.yaml", bad[i].text, strlen(bad[i].text));
        err = err ? err : vmsim_config_resolve(config);
        s = NULL;
        err = err ? err : vmsim_scenario_create(config, &s);
        assert_true(err < 0);
        const char *text = vmsim_config_error_text(config, 0);
        if (!strstr(text, bad[i].message) || !strstr(text, "box.yaml:"))
            fail_msg("%s\n%s\nshould say: %s", bad[i].text, text, bad[i].message);
        vmsim_scenario_destroy(s);
        vmsim_config_destroy(config);
    }
}

static void test_files_are_placed_by_the_library(void **state) {
    struct vmsim_machine *m;
    uint32_t file = 1;
    (void)state;
    open_text(MACHINE(", devices: [{name: sda, size: 16MiB}]") "workload: {}\n");
    m = vmsim_scenario_machine(s);
    assert_int_equal(vmsim_file_create_on(m, VMSIM_FILE_REGULAR, "/f", 1 << 20, false, "sdb", 0, &file), VMSIM_EINVAL);
    assert_int_equal(file, 0);
    assert_int_equal(vmsim_file_create_on(m, VMSIM_FILE_REGULAR, "/f", 1 << 20, false, "sda", 100, &file),
                     VMSIM_EINVAL);
    assert_int_equal(vmsim_file_create_on(m, VMSIM_FILE_SHMEM, "/f", 1 << 20, false, "sda", 0, &file), VMSIM_EINVAL);
    assert_int_equal(vmsim_file_create_on(m, VMSIM_FILE_REGULAR, "/f", 1 << 30, false, "sda", 0, &file), VMSIM_ELIMIT);
    assert_int_equal(vmsim_file_create_on(m, VMSIM_FILE_REGULAR, "/f", 1 << 20, false, "sda", 4096, &file), 0);
    assert_int_equal(vmsim_machine_check(m), 0);
    end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_file_takes_as_long_as_its_device_and_its_pieces),
        cmocka_unit_test(test_readahead_goes_by_the_device_of_the_file),
        cmocka_unit_test(test_a_machine_without_devices_has_one_that_serves_in_order),
        cmocka_unit_test(test_two_devices_work_side_by_side),
        cmocka_unit_test(test_a_transfer_takes_of_the_cpu_what_its_device_says),
        cmocka_unit_test(test_an_error_of_the_device_reaches_the_task),
        cmocka_unit_test(test_an_error_below_a_mapping_is_SIGBUS),
        cmocka_unit_test(test_a_failed_write_is_told_by_fsync),
        cmocka_unit_test(test_a_full_device_is_told_by_fsync),
        cmocka_unit_test(test_a_stall_holds_up_who_waits),
        cmocka_unit_test(test_a_step_makes_a_device_fail),
        cmocka_unit_test(test_a_run_ends_when_nobody_gets_on),
        cmocka_unit_test(test_a_device_that_never_completes_is_named),
        cmocka_unit_test(test_diskstats_and_sys_block_are_Linuxs),
        cmocka_unit_test(test_the_summary_tells_devices_that_were_used),
        cmocka_unit_test(test_descriptions_that_cannot_be_are_told_in_their_place),
        cmocka_unit_test(test_files_are_placed_by_the_library),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
