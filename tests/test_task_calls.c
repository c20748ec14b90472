/* SPDX-License-Identifier: MIT */
/* Threads, exec, msync and fadvise for who drives the machine call by call: what Linux's calls would come to, and what
 * cannot be is refused with the task as it was. */
#include "scenario_run.h"

#include "vmsim/inspect.h"
#include "vmsim/vmsim.h"

#define MACHINE "machine: {cpus: 2, nodes: [{memory: 64MiB}], transparent_hugepage: never}\n"
enum { RW = 3, PRIVATE = 0x22, SHARED = 1 };

static uint64_t read_counter(struct vmsim_machine *m, const char *name) {
    size_t id;
    if (vmsim_counter_find(m, name, &id))
        fail_msg("%s", vmsim_machine_error(m));
    return vmsim_counter_read(m, id);
}

static void touch(struct vmsim_machine *m, uint32_t task, uint64_t address, enum vmsim_access_type type,
                  enum vmsim_stop stop) {
    const vmsim_access a = vmsim_access_make(address, 8, type);
    struct vmsim_access_result r;
    assert_int_equal(vmsim_task_access(m, task, &a, 1, NULL, &r), 0);
    assert_int_equal(r.stop, stop);
}

static void threads_share_memory_and_processes_do_not_end_with_them(void **state) {
    uint32_t leader, thread, other, none;
    (void)state;
    struct vmsim_machine *m = idle_machine(MACHINE);
    assert_int_equal(vmsim_task_create(m, "leader", 0, &leader), 0);
    const uint64_t base = (uint64_t)vmsim_task_mmap(m, leader, 0, 1 << 20, RW, PRIVATE, 0, 0);
    touch(m, leader, base, VMSIM_STORE, VMSIM_STOP_NONE);
    assert_int_equal(vmsim_task_clone(m, leader, "thread", true, &thread), 0);
    assert_int_equal(vmsim_task_clone(m, leader, NULL, false, &other), 0);
    assert_string_equal(vmsim_task_name(m, thread), "thread");
    assert_int_equal(vmsim_task_migrate(m, thread, 1), 0);
    touch(m, thread, base, VMSIM_LOAD, VMSIM_STOP_NONE);
    assert_int_equal(read_counter(m, "tasks.thread.minflt"), 0);
    touch(m, other, base + 4096, VMSIM_STORE, VMSIM_STOP_NONE);
    touch(m, leader, base + 4096, VMSIM_LOAD, VMSIM_STOP_NONE);
    assert_int_equal(read_counter(m, "tasks.leader.minflt"), 1);

    assert_int_equal(vmsim_task_clone(m, 99, "x", true, &none), VMSIM_EINVAL);
    assert_int_equal(none, VMSIM_TASK_NONE);
    assert_int_equal(vmsim_task_clone(NULL, leader, "x", true, &none), VMSIM_EINVAL);
    assert_int_equal(vmsim_task_clone(m, leader, "x", true, NULL), VMSIM_EINVAL);
    idle_machine_end(m);
}

static const struct vmsim_exec_segment text_and_data[] = {{0, 0, 40960, 40960, 5}, {0xa000, 0xa000, 8192, 65536, 3}};

static struct vmsim_exec image_of(uint32_t file) {
    return (struct vmsim_exec){.size = sizeof(struct vmsim_exec),
                               .program = {.file = file, .segments = text_and_data, .count = 2},
                               .argument_bytes = 3000,
                               .argument_count = 20};
}

static void exec_replaces_the_address_space(void **state) {
    uint32_t task, thread, file;
    (void)state;
    struct vmsim_machine *m = idle_machine(MACHINE);
    assert_int_equal(vmsim_file_create(m, VMSIM_FILE_REGULAR, "/bin/x", 65536, false, &file), 0);
    assert_int_equal(vmsim_task_create(m, "shell", 0, &task), 0);
    const uint64_t base = (uint64_t)vmsim_task_mmap(m, task, 0, 1 << 20, RW, PRIVATE, 0, 0);
    touch(m, task, base, VMSIM_STORE, VMSIM_STOP_NONE);
    assert_int_equal(vmsim_task_clone(m, task, "thread", true, &thread), 0);
    const struct vmsim_exec image = image_of(file);
    assert_int_equal(vmsim_task_exec(m, task, "x", &image), 0);
    assert_string_equal(vmsim_task_name(m, task), "x");
    touch(m, thread, base, VMSIM_LOAD, VMSIM_STOP_DEAD);
    assert_true(read_counter(m, "tasks.x.rss_anon") > 0); /* the stack's arguments, and the page where data ends */
    const int64_t brk = vmsim_task_brk(m, task, 0);
    assert_int_equal(vmsim_task_brk(m, task, (uint64_t)brk + 8192), brk + 8192);
    touch(m, task, (uint64_t)brk, VMSIM_STORE, VMSIM_STOP_NONE);
    const uint64_t text = (uint64_t)brk - 0xa000 - 65536;
    const uint64_t major = read_counter(m, "tasks.x.majflt");
    touch(m, task, text, VMSIM_FETCH, VMSIM_STOP_NONE);
    assert_true(read_counter(m, "tasks.x.majflt") >= major);
    touch(m, task, base, VMSIM_LOAD, VMSIM_STOP_SIGSEGV);
    idle_machine_end(m);
}

static void impossible_images_leave_the_task_as_it_was(void **state) {
    static const struct vmsim_exec_segment wrong[][2] = {
        {{0, 0, 8192, 4096, 5}},                              /* less memory than file */
        {{0, 16, 4096, 4096, 5}},                             /* another place within a page */
        {{0, 0, 8192, 8192, 5}, {4096, 4096, 4096, 4096, 3}}, /* two at one place */
        {{0, 0, 4096, UINT64_C(1) << 60, 3}},                 /* larger than the address space */
        {{UINT64_MAX - 4095, 4096, 4096, 4096, 3}},           /* at its end */
        {{0, 0, 0, 0, 3}},                                    /* nothing */
        {{0, 0, 4096, 4096, 99}},                             /* no protection */
    };
    uint32_t task, file;
    (void)state;
    struct vmsim_machine *m = idle_machine(MACHINE);
    assert_int_equal(vmsim_file_create(m, VMSIM_FILE_REGULAR, "/bin/x", 65536, false, &file), 0);
    assert_int_equal(vmsim_task_create(m, "shell", 0, &task), 0);
    const uint64_t base = (uint64_t)vmsim_task_mmap(m, task, 0, 1 << 20, RW, PRIVATE, 0, 0);
    for (size_t i = 0; i < TEST_COUNT(wrong); i++) {
        struct vmsim_exec image = image_of(file);
        image.program.segments = wrong[i];
        image.program.count = wrong[i][1].memory_bytes ? 2 : 1;
        assert_int_equal(vmsim_task_exec(m, task, "x", &image), -22);
    }
    struct vmsim_exec image = image_of(99);
    assert_int_equal(vmsim_task_exec(m, task, "x", &image), -2);
    image = image_of(file);
    image.argument_bytes = 7 << 20;
    assert_int_equal(vmsim_task_exec(m, task, "x", &image), -7);
    image = image_of(file);
    image.program.count = 65;
    assert_int_equal(vmsim_task_exec(m, task, "x", &image), -22);
    image = image_of(file);
    image.size = 8;
    assert_int_equal(vmsim_task_exec(m, task, "x", &image), -22);
    assert_int_equal(vmsim_task_exec(m, 7, "x", &image), -22);
    assert_int_equal(vmsim_task_exec(m, task, "x", NULL), -22);
    image = image_of(file);
    assert_int_equal(vmsim_task_exec(m, 7, "x", &image), -3);
    touch(m, task, base, VMSIM_STORE, VMSIM_STOP_NONE);
    assert_string_equal(vmsim_task_name(m, task), "shell");
    idle_machine_end(m);
}

static void msync_writes_what_is_dirty_and_fadvise_lets_go_of_what_is_clean(void **state) {
    uint32_t task, file;
    (void)state;
    struct vmsim_machine *m = idle_machine(MACHINE);
    assert_int_equal(vmsim_file_create(m, VMSIM_FILE_REGULAR, "/data", 1 << 20, true, &file), 0);
    assert_int_equal(vmsim_task_create(m, "a", 0, &task), 0);
    const uint64_t base = (uint64_t)vmsim_task_mmap(m, task, 0, 1 << 20, RW, SHARED, file, 0);
    for (uint64_t i = 0; i < 16; i++)
        touch(m, task, base + i * 4096, VMSIM_STORE, VMSIM_STOP_NONE);
    assert_int_equal(read_counter(m, "vmstat.nr_dirty"), 16);
    const uint64_t before = vmsim_machine_time(m, 0);
    assert_int_equal(vmsim_task_msync(m, task, base, 8 * 4096, 4), 0);
    assert_int_equal(read_counter(m, "vmstat.nr_dirty"), 8);
    assert_true(vmsim_machine_time(m, 0) - before > 1000); /* the device took its time */
    assert_int_equal(vmsim_task_msync(m, task, base, 4096, 5), -22);
    assert_int_equal(vmsim_task_msync(m, task, base + (2 << 20), 4096, 4), -12);
    assert_int_equal(vmsim_task_munmap(m, task, base, 1 << 20), 0);
    assert_int_equal(vmsim_task_fsync(m, task, file), 0);
    const uint64_t cached = read_counter(m, "vmstat.nr_file_pages");
    assert_int_equal(vmsim_task_fadvise(m, task, file, 0, 0, 4), 0);
    assert_int_equal(read_counter(m, "vmstat.nr_file_pages"), cached - 256);
    assert_int_equal(vmsim_task_fadvise(m, task, file, 0, 0, 99), -22);
    assert_int_equal(vmsim_task_fadvise(m, task, 99, 0, 0, 4), -9);
    idle_machine_end(m);
}

/* ---- who is looked at ---- */

static bool look_at_all(void *context, uint64_t table) {
    (void)context, (void)table;
    return true;
}

static bool count_young(void *context, vmsim__pfn pfn) {
    (void)pfn;
    (*(unsigned *)context)++;
    return true;
}

static void looked(void *context, uint64_t table, uint32_t total, uint32_t young) {
    (void)context, (void)table, (void)total, (void)young;
}

/* Used pages that a walk over page tables finds while the task itself reclaims, `passed` ns from now. */
static unsigned walk(struct vmsim_machine *m, uint32_t task, uint64_t passed, uint64_t *walked) {
    unsigned young = 0;
    struct vmsim__mm_walk w = {
        .walked = *walked,
        .sink = {.context = &young, .anon = true, .look = look_at_all, .young = count_young, .looked = looked}};
    m->mem->now.time = m->cpus[0].now + passed;
    m->running = vmsim__task_at(m, task);
    m->vmscan.hooks.walk_mms(m->vmscan.hooks.context, &w);
    m->running = NULL;
    *walked = w.walked;
    return young;
}

/* A task that nothing interrupts has no reason to be given its CPU again; in Linux threads of the kernel interrupt it,
 * and a later walk finds it used. */
static void a_walk_finds_who_kept_the_cpu(void **state) {
    enum { PAGES = 200 };
    uint32_t task;
    uint64_t walked = 0;
    (void)state;
    struct vmsim_machine *m = idle_machine("machine: {cpus: 1, nodes: [{memory: 64MiB}], transparent_hugepage: never, "
                                           "tlb: {bypass: true}}\n");
    assert_int_equal(vmsim_task_create(m, "t", 0, &task), 0);
    const uint64_t base = (uint64_t)vmsim_task_mmap(m, task, 0, PAGES * 4096, RW, PRIVATE, 0, 0);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < PAGES; i++)
            touch(m, task, base + i * 4096, VMSIM_STORE, VMSIM_STOP_NONE);
        /* it is new; nobody had the CPU since the walk before; 100 ms later */
        assert_int_equal(walk(m, task, round < 2 ? 0 : 100000000, &walked), round == 1 ? 0 : PAGES);
    }
    idle_machine_end(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_walk_finds_who_kept_the_cpu),
        cmocka_unit_test(threads_share_memory_and_processes_do_not_end_with_them),
        cmocka_unit_test(exec_replaces_the_address_space),
        cmocka_unit_test(impossible_images_leave_the_task_as_it_was),
        cmocka_unit_test(msync_writes_what_is_dirty_and_fadvise_lets_go_of_what_is_clean),
    };
    return cmocka_run_group_tests_name("task_calls", tests, NULL, NULL);
}
