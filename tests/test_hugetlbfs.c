/* SPDX-License-Identifier: MIT */
/* Files of a hugetlbfs: shared between programs, promised to mappings, cut, filled and taken away. */
#include "scenario_run.h"

#define POOL(key) "hugetlb.hugepages-2048kB." key

static void pool_is(const struct outcome *o, const char *at, uint64_t free, uint64_t reserved) {
    const uint64_t got[] = {counter_at(o, at, POOL("free_hugepages")), counter_at(o, at, POOL("resv_hugepages"))};
    if (got[0] != free || got[1] != reserved)
        fail_msg("%s: %llu free and %llu promised, not %llu and %llu", at, (unsigned long long)got[0],
                 (unsigned long long)got[1], (unsigned long long)free, (unsigned long long)reserved);
}

/* Who maps a file shared has promises in the file, once; who maps it privately has its own. */
static void programs_share_a_file_and_its_promises(void **state) {
    (void)state;
    struct outcome o = run_content(
        "machine: {nodes: [{memory: 256MiB}], hugepages: 10}\n"
        "workload: {files: [{name: /huge/a, kind: hugetlb, size: 8MiB}], tasks: [{name: t, program: ["
        "{create: {name: /huge/b, kind: hugetlb}}, {mmap: {as: a, file: /huge/a, length: 8MiB, shared: true}}, "
        "{mmap: {as: b, file: /huge/b, length: 4MiB, shared: true}}, {marker: {name: mapped}}, "
        "{touch: {region: a, write: 100%}}, {marker: {name: written}}, "
        "{fork: {name: child, program: [{mmap: {as: mine, file: /huge/a, length: 8MiB, shared: true}}, {mmap: {as: "
        "own, "
        "file: /huge/a, length: 4MiB}}, {marker: {name: theirs}}, {touch: {region: mine}}, {touch: {region: own, "
        "write: "
        "100%}}, {marker: {name: copied}}]}}, wait, {marker: {name: ended}}, "
        "{read: {file: /huge/a}}, {fsync: {file: /huge/a}}, {write: {file: /huge/a, length: 4KiB, error: EINVAL}}, "
        "{truncate: {file: /huge/a, length: 5MiB, error: EINVAL}}, {truncate: {file: /huge/a, length: 4MiB}}, "
        "{marker: {name: cut}}, {touch: {region: a, catch_signals: true, stride: 2MiB}}, "
        "{fallocate: {file: /huge/b, length: 4MiB}}, {marker: {name: filled}}, "
        "{fallocate: {file: /huge/b, offset: 1MiB, length: 3MiB, punch_hole: true, keep_size: true}}, {marker: {name: "
        "hole}}, {touch: {region: b}}, {marker: {name: again}}, "
        "{fallocate: {file: /huge/b, length: 40MiB, error: ENOSPC}}, {marker: {name: full}}, "
        "{unlink: {file: /huge/b}}, {marker: {name: unnamed}}, {munmap: {region: b}}, {marker: {name: gone}}]}]}\n");
    pool_is(&o, "mapped", 10, 6);
    pool_is(&o, "written", 6, 2);
    pool_is(&o, "theirs", 6, 4);
    pool_is(&o, "copied", 4, 2);
    pool_is(&o, "ended", 6, 2);
    pool_is(&o, "cut", 8, 2);
    pool_is(&o, "filled", 6, 0);
    pool_is(&o, "hole", 7, 0); /* what lies wholly in it */
    pool_is(&o, "again", 6, 0);
    pool_is(&o, "full", 0, 0);
    pool_is(&o, "unnamed", 0, 0);
    pool_is(&o, "gone", 8, 0);
    assert_int_equal(task(&o, "t")->stats.signals, 2);
    end(&o); /* /huge/a is there still */
}

static void other_sizes_and_wrong_ones(void **state) {
    (void)state;
    struct vmsim_machine *m = idle_machine("machine: {nodes: [{memory: 256MiB}], hugepages: 4}\n");
    uint32_t file = 7, again, t;
    assert_int_equal(vmsim_file_create_hugetlb(m, "/h", 3 << 20, 0, &file), VMSIM_EINVAL);
    assert_int_equal(file, 0);
    assert_int_equal(vmsim_file_create_hugetlb(m, "/h", 0, 4096, &file), VMSIM_EINVAL);
    assert_int_equal(vmsim_file_create_hugetlb(m, "/h", 0, 2 << 20, &file), 0);
    assert_int_equal(vmsim_file_create(m, VMSIM_FILE_HUGETLB, "/h", 0, false, &again), VMSIM_EINVAL);
    assert_int_equal(vmsim_file_create(m, VMSIM_FILE_HUGETLB, NULL, 2 << 20, false, &again), 0);
    assert_int_equal(vmsim_file_create(m, VMSIM_FILE_HUGETLB, "/c", 2 << 20, true, &again), VMSIM_EINVAL);
    assert_int_equal(vmsim_task_create(m, "t", 0, &t), 0);
    assert_int_equal(vmsim_task_mmap(m, t, 0, 2 << 20, 3, 1, file, 4096), -22); /* inside a huge page */
    assert_true(vmsim_task_mmap(m, t, 0, 1 << 20, 3, 1, file, 2 << 20) > 0);    /* rounded up; the file grows */
    assert_int_equal(vmsim_task_read(m, t, file, 0, 8 << 20), 4 << 20);
    assert_int_equal(vmsim_task_mmap(m, t, 0, 10 << 20, 3, 1, file, 4 << 20), -12); /* more than the pool can promise */
    assert_int_equal(vmsim_task_read(m, t, file, 0, 8 << 20), 4 << 20);
    idle_machine_end(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_share_a_file_and_its_promises),
        cmocka_unit_test(other_sizes_and_wrong_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
