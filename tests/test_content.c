/* SPDX-License-Identifier: MIT */
/* The content oracle: what programs find is what they stored, wherever it was meanwhile; and when the machine loses
 * something, which the tests bring about by keeping one movement of contents from it, the load that finds it says so.
 */
#include "scenario_run.h"

#include "machine/calls.h"
#include "vm/vm.h"

enum { PAGE = 4096, PAGES = 8192 }; /* of 24 MiB of memory */

static const char box[] = "machine: {cpus: 2, nodes: [{memory: 24MiB}], devices: [{name: ram0, preset: ramdisk}], "
                          "swap: [{device: ram0, size: 64MiB}], transparent_hugepage: never}\n";

static struct {
    struct vmsim_machine *m;
    uint32_t task;
    uint64_t base; /* of PAGES pages of private memory */
} t;

static void open_box(void) {
    t.m = idle_machine(box);
    assert_int_equal(vmsim_machine_verify_content(t.m), 0);
    assert_int_equal(vmsim_task_create(t.m, "a", 0, &t.task), 0);
    const int64_t at = vmsim_task_mmap(t.m, t.task, 0, (uint64_t)PAGES * PAGE, 3, 0x22, 0, 0);
    assert_true(at > 0);
    t.base = (uint64_t)at;
}

static int refer(uint32_t task, uint64_t va, enum vmsim_access_type type) {
    struct vmsim_access_result r;
    const vmsim_access a = vmsim_access_make(va, 8, type);
    const int err = vmsim_task_access(t.m, task, &a, 1, NULL, &r);
    assert_true(err || !r.stop);
    return err;
}

static void all(uint32_t task, uint64_t from, uint64_t pages, enum vmsim_access_type type) {
    for (uint64_t i = 0; i < pages; i++) {
        if (refer(task, from + i * PAGE, type))
            fail_msg("page %llu: %s", (unsigned long long)i, vmsim_machine_error(t.m));
    }
}

static uint64_t loads(void) {
    uint64_t n;
    vmsim_machine_content(t.m, &n, NULL);
    return n;
}

/* Twice as much as there is of memory. */
static void private_memory_keeps_its_contents_through_swap_and_copies(void **state) {
    uint32_t child;
    (void)state;
    open_box();
    all(t.task, t.base, PAGES, VMSIM_STORE);
    all(t.task, t.base, PAGES, VMSIM_LOAD);
    assert_int_equal(vmsim_task_fork(t.m, t.task, NULL, &child), 0);
    all(child, t.base, PAGES / 2, VMSIM_STORE);
    all(t.task, t.base, PAGES, VMSIM_LOAD);
    all(child, t.base, PAGES, VMSIM_LOAD);
    const uint64_t size = PAGES / 4 * PAGE;
    assert_int_equal(vmsim_task_madvise(t.m, child, t.base, size, 4), 0);             /* MADV_DONTNEED: zeroes */
    assert_int_equal(vmsim_task_madvise(t.m, t.task, t.base + 2 * size, size, 8), 0); /* MADV_FREE: or zeroes */
    all(child, t.base, PAGES, VMSIM_LOAD);
    all(t.task, t.base, PAGES, VMSIM_LOAD);
    const int64_t moved = vmsim_task_mremap(t.m, t.task, t.base + size, size, 2 * size, 1, 0);
    assert_true(moved > 0);
    all(t.task, (uint64_t)moved, PAGES / 2, VMSIM_LOAD);
    all(t.task, (uint64_t)moved, PAGES / 2, VMSIM_RMW);
    assert_int_equal(loads(), 6 * PAGES);
    idle_machine_end(t.m);
}

static uint64_t map_file(uint32_t file, uint64_t pages, bool shared) {
    const int64_t at = vmsim_task_mmap(t.m, t.task, 0, pages * PAGE, 3, shared ? 1 : 2, file, 0);
    assert_true(at > 0);
    return (uint64_t)at;
}

static void files_keep_their_contents_through_write_back(void **state) {
    enum { N = 500 };
    uint32_t file, memory;
    (void)state;
    open_box();
    assert_int_equal(vmsim_file_create(t.m, VMSIM_FILE_REGULAR, "/f", N * PAGE, false, &file), 0);
    assert_int_equal(vmsim_file_create(t.m, VMSIM_FILE_SHMEM, "/m", N * PAGE, false, &memory), 0);
    const uint64_t shared = map_file(file, N, true), own = map_file(file, N, false), shmem = map_file(memory, N, true);
    all(t.task, own, N, VMSIM_LOAD);
    all(t.task, shared, N / 2, VMSIM_STORE);
    all(t.task, shmem, N, VMSIM_STORE);
    all(t.task, own, N, VMSIM_LOAD); /* follows the file */
    all(t.task, own, N / 4, VMSIM_STORE);
    assert_int_equal(vmsim_task_write(t.m, t.task, file, 100 * PAGE, 200 * PAGE), 200 * PAGE);
    all(t.task, t.base, PAGES, VMSIM_STORE); /* everything else goes */
    all(t.task, shared, N, VMSIM_LOAD);
    all(t.task, own, N, VMSIM_LOAD);
    all(t.task, shmem, N, VMSIM_LOAD);
    struct vmsim__file *f = vmsim__file_by_id(t.m->cache, file);
    assert_int_equal(vmsim__call_now(t.m, t.task, VMSIM__CALL_FTRUNCATE, VMSIM__FILE_ARGS(f, NULL, 50 * PAGE)), 0);
    assert_int_equal(vmsim__call_now(t.m, t.task, VMSIM__CALL_FTRUNCATE, VMSIM__FILE_ARGS(f, NULL, N * PAGE)), 0);
    all(t.task, own, N, VMSIM_LOAD); /* zeroes behind, private copies of those pages too */
    idle_machine_end(t.m);
}

/* The first load of so many pages that finds something wrong has this text. */
static void finds(uint64_t from, uint64_t pages, const char *text) {
    int err = 0;
    for (uint64_t i = 0; !err && i < pages; i++)
        err = refer(t.task, from + i * PAGE, VMSIM_LOAD);
    assert_int_equal(err, VMSIM_ECHECK);
    if (!strstr(vmsim_machine_error(t.m), text))
        fail_msg("'%s' is not '%s'", vmsim_machine_error(t.m), text);
    idle_machine_end(t.m); /* whose structures are whole */
}

static void a_frame_given_away_is_found(void **state) {
    (void)state;
    open_box();
    all(t.task, t.base, 10, VMSIM_STORE);
    const struct vmsim__pte e = vmsim__mm_pagemap(vmsim__task_at(t.m, t.task)->mm, t.base + 7 * PAGE);
    vmsim__vm_hooks(t.m->vm)->fill(t.m, (vmsim__pfn)e.pfn, VMSIM__PFN_NONE, 0);
    all(t.task, t.base, 7, VMSIM_LOAD);
    finds(t.base, 10, "does not find what it stored");
}

static void a_page_that_is_not_swapped_out_is_found(void **state) {
    (void)state;
    open_box();
    vmsim__vm_hooks(t.m->vm)->swapped = NULL;
    all(t.task, t.base, PAGES, VMSIM_STORE);
    finds(t.base, PAGES, "contents: task 'a' does not find what it stored");
}

static void a_page_that_is_not_cleared_is_found(void **state) {
    (void)state;
    open_box();
    all(t.task, t.base, 1000, VMSIM_STORE);
    assert_int_equal(vmsim_task_munmap(t.m, t.task, t.base, 1000 * PAGE), 0);
    vmsim__vm_hooks(t.m->vm)->fill = NULL;
    const int64_t again = vmsim_task_mmap(t.m, t.task, 0, 1000 * PAGE, 3, 0x22 | 0x8000, 0, 0); /* MAP_POPULATE */
    assert_true(again > 0);
    finds((uint64_t)again, 1000, "finds what nobody stored");
}

static void a_page_that_is_not_written_back_is_found(void **state) {
    uint32_t file;
    (void)state;
    open_box();
    assert_int_equal(vmsim_file_create(t.m, VMSIM_FILE_REGULAR, "/f", 10 * PAGE, false, &file), 0);
    const uint64_t shared = map_file(file, 10, true);
    all(t.task, shared, 10, VMSIM_STORE);
    void (*const told)(void *, enum vmsim__file_content, const struct vmsim__file *, uint64_t, uint64_t, vmsim__pfn) =
        vmsim__vm_hooks(t.m->vm)->file_content;
    vmsim__vm_hooks(t.m->vm)->file_content = NULL;
    assert_int_equal(vmsim_task_fsync(t.m, t.task, file), 0);
    vmsim__vm_hooks(t.m->vm)->file_content = told;
    assert_int_equal(vmsim_task_munmap(t.m, t.task, shared, 10 * PAGE), 0);
    assert_int_equal(vmsim_machine_sysctl(t.m, "vm.drop_caches", "1"), 0);
    finds(map_file(file, 10, true), 10, "finds something else than its file has");
}

static void it_may_begin_late_and_twice_but_needs_an_mmu(void **state) {
    uint64_t loads, stores;
    (void)state;
    struct vmsim_machine *m = idle_machine("machine: {arch: nommu}\n");
    assert_int_equal(vmsim_machine_verify_content(m), VMSIM_ENOSYS);
    vmsim_machine_content(m, &loads, &stores);
    assert_true(!loads && !stores);
    idle_machine_end(m);
    open_box();
    all(t.task, t.base, 10, VMSIM_STORE);
    assert_int_equal(vmsim_machine_verify_content(t.m), 0);
    all(t.task, t.base, 10, VMSIM_LOAD);
    vmsim_machine_content(t.m, &loads, &stores);
    assert_int_equal(loads, 10);
    assert_int_equal(stores, 10);
    idle_machine_end(t.m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(private_memory_keeps_its_contents_through_swap_and_copies),
        cmocka_unit_test(files_keep_their_contents_through_write_back),
        cmocka_unit_test(a_frame_given_away_is_found),
        cmocka_unit_test(a_page_that_is_not_swapped_out_is_found),
        cmocka_unit_test(a_page_that_is_not_cleared_is_found),
        cmocka_unit_test(a_page_that_is_not_written_back_is_found),
        cmocka_unit_test(it_may_begin_late_and_twice_but_needs_an_mmu),
    };
    return cmocka_run_group_tests_name("content", tests, NULL, NULL);
}
