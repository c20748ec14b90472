/* SPDX-License-Identifier: MIT */
/* Recorded calls in a replay: what they cost, and that what comes out otherwise is told. */
#include "helpers.h"

#include "scenario/engine.h"
#include "vmsim/trace.h"

/* A trace as it is written, and its replay on a machine; from begin_trace() to end_replay(). */
struct replay {
    char path[64];
    struct vmsim_trace_writer *w;
    struct vmsim_config *config;
    struct vmsim_scenario *s;
};

static void append_event(struct replay *r, unsigned task, struct vmsim_trace_event e) {
    assert_int_equal(vmsim_trace_append_event(r->w, task, &e), 0);
}

static struct vmsim_trace_event event_of(enum vmsim_trace_event_type type, const uint64_t args[6], int64_t result) {
    struct vmsim_trace_event e = {.type = type, .file = VMSIM_TRACE_NO_FILE, .result = result};
    memcpy(e.args, args, sizeof e.args);
    return e;
}

static void append_all(struct replay *r, enum vmsim_trace_event_type type, const uint64_t args[6], int64_t result) {
    append_event(r, 0, event_of(type, args, result));
}

static void append(struct replay *r, enum vmsim_trace_event_type type, uint64_t a0, uint64_t a1, int64_t result) {
    append_all(r, type, (uint64_t[6]){a0, a1, 3, 0x22}, result);
}

static struct replay begin_trace(void) {
    struct replay r = {.w = NULL};
    snprintf(r.path, sizeof r.path, "/tmp/vmsim-calls-%ld.vmt", (long)getpid());
    assert_int_equal(vmsim_trace_create(r.path, NULL, &r.w), 0);
    append_all(&r, VMSIM_TRACE_START, (uint64_t[6]){100, 100}, 0);
    return r;
}

/* Replays the trace as task `t` of a machine, which stays for who wants to look. */
static void replay_on(struct replay *r, const char *machine) {
    char text[600], error[300] = "";
    if (vmsim_trace_finish(r->w, error, sizeof error))
        fail_msg("%s", error);
    snprintf(text, sizeof text, "machine: {%s}\nworkload: {tasks: [{name: t, trace: '%s'}]}\n", machine, r->path);
    assert_int_equal(vmsim_config_create(&r->config), 0);
    assert_int_equal(vmsim_config_load_text(r->config, "calls", text, strlen(text)), 0);
    assert_int_equal(vmsim_config_resolve(r->config), 0);
    assert_int_equal(vmsim_scenario_create(r->config, &r->s), 0);
    assert_int_equal(vmsim_scenario_run(r->s, NULL, NULL), 0);
    assert_int_equal(vmsim_machine_check(r->s->machine), 0);
    unlink(r->path);
}

static void end_replay(struct replay *r) {
    assert_int_equal(vmsim_scenario_destroy(r->s), 0);
    vmsim_config_destroy(r->config);
}

/* The kernel's time of the trace's task. */
static uint64_t system_time(struct replay *r) {
    replay_on(r, "nodes: [{memory: 64MiB}], costs: {syscall: 100ns, path_call: 900ns, message_call: 600ns, "
                 "message_page: 150ns, wait_call: 200ns, short_call: 60ns, open_call: 700ns, name_call: 20us, "
                 "object_call: 3us, entries_page: 16us, socket_call: 1900ns}");
    return vmsim__task_at(r->s->machine, 0)->stats.system_ns;
}

static uint64_t counter(const struct replay *r, const char *name) {
    size_t id;
    assert_int_equal(vmsim_counter_find(r->s->machine, name, &id), 0);
    return vmsim_counter_read(r->s->machine, id);
}

/* A store to each of 256 pages. */
static void append_stores(struct replay *r, unsigned task, uint64_t va) {
    for (unsigned i = 0; i < 256; i++) {
        const vmsim_access word = (va + i * 4096) << 7 | 3 << 2 | VMSIM_STORE;
        assert_int_equal(vmsim_trace_append(r->w, task, &word, 1), 0);
    }
}

/* Two MiB, of which mbind sends the second elsewhere, and one more that set_mempolicy does. Of a policy for a node that
 * is not there it is told that it failed. */
static void memory_policies_of_a_program_hold_in_its_replay(void **state) {
    enum { SET_MEMPOLICY = 238, MBIND = 237, BIND = 2, MIB = 1 << 20 };
    const uint64_t at = UINT64_C(0x7f0000000000), other = UINT64_C(0x7e0000000000);
    (void)state;
    for (unsigned nodes = 2; nodes > 0; nodes--) {
        struct replay r = begin_trace();
        append(&r, VMSIM_TRACE_MMAP, 0, 2 * MIB, (int64_t)at);
        append_all(&r, VMSIM_TRACE_MEMPOLICY, (uint64_t[6]){MBIND, BIND, 2, at + MIB, MIB, 0}, 0);
        append_stores(&r, 0, at);
        append_stores(&r, 0, at + MIB);
        append_all(&r, VMSIM_TRACE_MEMPOLICY, (uint64_t[6]){SET_MEMPOLICY, BIND, 2}, 0);
        append(&r, VMSIM_TRACE_MMAP, 0, MIB, (int64_t)other);
        append_stores(&r, 0, other);
        replay_on(&r, nodes == 2 ? "cpus: 2, nodes: [{memory: 64MiB, cpus: [0]}, {memory: 64MiB, cpus: [1]}], "
                                   "transparent_hugepage: never"
                                 : "nodes: [{memory: 64MiB}], transparent_hugepage: never");
        assert_int_equal(r.s->results.kinds[VMSIM_TRACE_MEMPOLICY].count, nodes == 2 ? 0 : 2);
        if (nodes == 2)
            assert_in_range(counter(&r, "node1.numa_hit"), 512, 512 + 16); /* and page tables */
        end_replay(&r);
    }
}

/* Where the machine has a pool the pages are of it, and elsewhere of ordinary memory. */
static void pages_of_a_pool_are_pages_of_a_pool(void **state) {
    enum { HUGETLB = 0x40000, MIB = 1 << 20 };
    const uint64_t at = UINT64_C(0x7f0000000000);
    (void)state;
    for (unsigned pool = 0; pool < 2; pool++) {
        struct replay r = begin_trace();
        append_all(&r, VMSIM_TRACE_MMAP, (uint64_t[6]){0, 4 * MIB, 3, 0x22 | HUGETLB | 21u << 26}, (int64_t)at);
        append_stores(&r, 0, at);
        append_stores(&r, 0, at + 2 * MIB);
        append(&r, VMSIM_TRACE_MUNMAP, at + 2 * MIB, 2 * MIB, 0);
        replay_on(&r, pool ? "nodes: [{memory: 64MiB}], hugepages: 4, transparent_hugepage: never"
                           : "nodes: [{memory: 64MiB}], transparent_hugepage: never");
        assert_int_equal(vmsim_scenario_differences(r.s), 0);
        assert_int_equal(counter(&r, "tasks.t.minflt"), pool ? 2 : 512);
        end_replay(&r);
    }
}

enum { PROCESS_MADVISE = 440, MIGRATE_PAGES = 256, MOVE_PAGES = 279, SWAPON = 167, SWAPOFF = 168, PAGEOUT = 21 };

/* Task 1 of the trace, process 101, maps and stores a MiB. */
static void append_child(struct replay *r, uint64_t at) {
    append_all(r, VMSIM_TRACE_FORK, (uint64_t[6]){1}, 0);
    append_event(r, 1, event_of(VMSIM_TRACE_START, (uint64_t[6]){101, 101}, 0));
    append_event(r, 1, event_of(VMSIM_TRACE_MMAP, (uint64_t[6]){0, 1 << 20, 3, 0x22}, (int64_t)at));
    append_stores(r, 1, at);
}

/* The parent acts on its child's pages after the child made them: it pages half of them out, and moves the rest. */
static void calls_on_another_process_act_on_its_memory(void **state) {
    enum { MIB = 1 << 20, HALF = MIB / 2 };
    const uint64_t at = UINT64_C(0x7f0000000000);
    (void)state;
    struct replay r = begin_trace();
    append_child(&r, at);
    append_all(&r, VMSIM_TRACE_REMOTE, (uint64_t[6]){PROCESS_MADVISE, 101, at, HALF, PAGEOUT}, HALF);
    append_all(&r, VMSIM_TRACE_REMOTE, (uint64_t[6]){MOVE_PAGES, 101, at + HALF, HALF / 2, 0, 2}, 0);
    append_all(&r, VMSIM_TRACE_REMOTE, (uint64_t[6]){MIGRATE_PAGES, 101, 0, 0, 1, 2}, 0);
    replay_on(&r,
              "cpus: 2, nodes: [{memory: 64MiB, cpus: [0]}, {memory: 64MiB, cpus: [1]}], transparent_hugepage: never, "
              "memory_manager: {privileged: true}, devices: [{name: sda, preset: ramdisk, size: 64MiB}], "
              "swap: [{device: sda}]");
    assert_int_equal(vmsim_scenario_differences(r.s), 0);
    assert_int_equal(counter(&r, "vmstat.pswpout"), 128);
    assert_true(counter(&r, "vmstat.pgmigrate_success") >= 64);
    end_replay(&r);
}

/* A process that the trace does not know cannot be acted on, and that is told. */
static void calls_on_a_process_that_is_not_recorded_are_told(void **state) {
    (void)state;
    struct replay r = begin_trace();
    append_all(&r, VMSIM_TRACE_REMOTE, (uint64_t[6]){PROCESS_MADVISE, 7777, 4096, 4096, PAGEOUT}, 4096);
    replay_on(&r, "nodes: [{memory: 64MiB}]");
    assert_int_equal(r.s->results.kinds[VMSIM_TRACE_REMOTE].count, 1);
    end_replay(&r);
}

/* A swap file is swapped on, takes what is paged out, and gives it back when it goes. */
static void areas_are_swapped_on_and_off_as_recorded(void **state) {
    enum { MIB = 1 << 20 };
    const uint64_t at = UINT64_C(0x7f0000000000);
    (void)state;
    struct replay r = begin_trace();
    append_event(&r, 0,
                 (struct vmsim_trace_event){
                     .type = VMSIM_TRACE_FILE, .args = {4 * MIB, VMSIM_TRACE_FILE_REGULAR, 1, 2}, .path = "/swap.img"});
    append_event(&r, 0, (struct vmsim_trace_event){.type = VMSIM_TRACE_SWAP, .args = {SWAPON, 0, 4 * MIB}});
    append(&r, VMSIM_TRACE_MMAP, 0, MIB, (int64_t)at);
    append_stores(&r, 0, at);
    append_all(&r, VMSIM_TRACE_MADVISE, (uint64_t[6]){at, MIB, PAGEOUT}, 0);
    for (unsigned times = 0; times < 2; times++)
        append_event(&r, 0, (struct vmsim_trace_event){.type = VMSIM_TRACE_SWAP, .args = {SWAPOFF}});
    replay_on(&r, "nodes: [{memory: 64MiB}], transparent_hugepage: never");
    assert_int_equal(r.s->results.kinds[VMSIM_TRACE_SWAP].count, 1); /* the second time it was off already */
    assert_int_equal(vmsim_scenario_differences(r.s), 1);
    assert_int_equal(counter(&r, "vmstat.pswpout"), 256);
    assert_null(r.s->machine->swap->area[0]);
    assert_int_equal(vmsim__task_at(r.s->machine, 0)->last.vm_swap, 0);
    end_replay(&r);
}

static uint64_t cost(enum vmsim_trace_event_type type, uint64_t a0, unsigned times, int64_t result) {
    struct replay r = begin_trace();
    for (unsigned i = 0; i < times; i++)
        append(&r, type, a0, 0, result);
    uint64_t ns = system_time(&r);
    end_replay(&r);
    return ns;
}

static void a_call_costs_what_its_kind_does(void **state) {
    enum { STAT = 4, POLL = 7, LSEEK = 8, PIPE = 22, SENDTO = 44, MKDIR = 83, GETDENTS64 = 217, TIMES = 100 };
    (void)state;
    uint64_t none = cost(VMSIM_TRACE_SYSCALL, STAT, 0, 0);
    assert_int_equal(cost(VMSIM_TRACE_SYSCALL, STAT, TIMES, 0) - none, TIMES * 1000);
    assert_int_equal(cost(VMSIM_TRACE_SYSCALL, POLL, TIMES, 0) - none, TIMES * 300);
    assert_int_equal(cost(VMSIM_TRACE_SYSCALL, LSEEK, TIMES, 0) - none, TIMES * 160);
    assert_int_equal(cost(VMSIM_TRACE_SYSCALL, SENDTO, TIMES, 0) - none, TIMES * 2000);
    assert_int_equal(cost(VMSIM_TRACE_SYSCALL, PIPE, TIMES, 0) - none, TIMES * 3100);
    assert_int_equal(cost(VMSIM_TRACE_SYSCALL, MKDIR, TIMES, 0) - none, TIMES * 20100);
    assert_int_equal(cost(VMSIM_TRACE_SYSCALL, MKDIR, TIMES, -17) - none, TIMES * 1000);
    assert_int_equal(cost(VMSIM_TRACE_SYSCALL, GETDENTS64, TIMES, 1024) - none, TIMES * (160 + 4000));
    assert_int_equal(cost(VMSIM_TRACE_SYSCALL, 5000, TIMES, 0) - none, TIMES * 160);
    assert_int_equal(cost(VMSIM_TRACE_READ, 3, TIMES, 10) - none, TIMES * 700);
    assert_int_equal(cost(VMSIM_TRACE_WRITE, 3, TIMES, 65536) - none, TIMES * (700 + 16 * 150));
    assert_int_equal(cost(VMSIM_TRACE_OPEN, 3, TIMES, -2) - none, TIMES * 1000);
    assert_int_equal(cost(VMSIM_TRACE_OPEN, 3, TIMES, 3) - none, TIMES * 1700);
}

/* Twice what the machine has: an address when recorded, ENOMEM here. Both are told with the first task. */
static void results_that_differ_are_told_by_kind(void **state) {
    (void)state;
    struct replay r = begin_trace();
    append(&r, VMSIM_TRACE_MMAP, 0, UINT64_C(1) << 20, INT64_C(0x7f0000000000));
    append(&r, VMSIM_TRACE_MMAP, 0, UINT64_C(1) << 40, INT64_C(0x7e0000000000));
    append(&r, VMSIM_TRACE_MMAP, 0, UINT64_C(1) << 40, INT64_C(0x7d0000000000));
    append(&r, VMSIM_TRACE_MUNMAP, UINT64_C(0x7f0000000000), UINT64_C(1) << 20, 0);
    append(&r, VMSIM_TRACE_MUNMAP, 1, 4096, 0);
    system_time(&r);
    const struct vmsim__replay_difference *d = &r.s->results.kinds[VMSIM_TRACE_MMAP];
    assert_int_equal(d->count, 2);
    assert_int_equal(d->recorded, INT64_C(0x7e0000000000));
    assert_int_equal(d->here, -12);
    assert_int_equal(d->task, 0);
    assert_int_equal(r.s->results.compared, 5);
    assert_int_equal(vmsim_scenario_differences(r.s), 2 + r.s->results.kinds[VMSIM_TRACE_MUNMAP].count);
    end_replay(&r);
}

static void marks_of_a_program_are_markers_of_its_replay(void **state) {
    char name[] = "loaded";
    (void)state;
    struct replay r = begin_trace();
    const struct vmsim_trace_event mark = {.type = VMSIM_TRACE_MARKER, .file = VMSIM_TRACE_NO_FILE, .path = name};
    append_event(&r, 0, mark);
    append(&r, VMSIM_TRACE_MARKER, 1, 0, 0);
    system_time(&r);
    assert_int_equal(r.s->markers.count, 2);
    assert_string_equal(r.s->markers.at[0].name, "loaded");
    assert_string_equal(r.s->markers.at[1].name, "trace");
    end_replay(&r);
}

/* An import's trace of a program at 1 MiB: no exec, and a mapping whose first pages nobody may map. */
static void a_mapping_below_the_lowest_address_is_placed_elsewhere(void **state) {
    static const vmsim_access words[] = {UINT64_C(0x108040) << 7 | 2 << 2 | VMSIM_FETCH,
                                         UINT64_C(0x10c010) << 7 | 3 << 2 | VMSIM_STORE,
                                         UINT64_C(0x40000010) << 7 | 3 << 2 | VMSIM_LOAD};
    (void)state;
    struct replay r = begin_trace();
    struct vmsim_trace_event low = {
        .type = VMSIM_TRACE_MMAP, .file = VMSIM_TRACE_NO_FILE, .args = {0, 2 << 20, 7, 0x22}, .result = 0};
    struct vmsim_trace_event fixed = {.type = VMSIM_TRACE_MMAP,
                                      .file = VMSIM_TRACE_NO_FILE,
                                      .args = {0x40000000, 2 << 20, 7, 0x32},
                                      .result = 0x40000000};
    append_event(&r, 0, low);
    append_event(&r, 0, fixed);
    assert_int_equal(vmsim_trace_append(r.w, 0, words, 3), 0);
    system_time(&r);
    assert_int_equal(vmsim_scenario_differences(r.s), 0);
    const struct vmsim__task *t = vmsim__task_at(r.s->machine, 0);
    assert_int_equal(t->stats.references, 3);
    end_replay(&r);
}

/* Two MiB above what was mapped before, which here lies elsewhere: both are mappings of their own, as they were. */
static void a_hint_that_was_taken_is_taken_again(void **state) {
    enum { MIB2 = 2 << 20 };
    (void)state;
    struct replay r = begin_trace();
    append(&r, VMSIM_TRACE_MMAP, 0, MIB2, 0); /* nobody may map there: it is placed */
    append(&r, VMSIM_TRACE_MMAP, 2 * MIB2, MIB2, 2 * MIB2);
    append(&r, VMSIM_TRACE_MMAP, 0, MIB2, 9 * MIB2); /* no hint: below, and one with the first */
    system_time(&r);
    assert_int_equal(vmsim_scenario_differences(r.s), 0);
    assert_int_equal(vmsim__task_at(r.s->machine, 0)->last_map_count, 2);
    end_replay(&r);
}

/* ---- without an MMU ---- */

enum { TEXT_AT = 0x400000, DATA_AT = 0x402000, HEAP_AT = 0x405000, STACK_TOP = 0x800000, LIBRARY_AT = 0x600000 };

/* A program of one page of text and two of data, whose second is bss, as it is recorded on a machine with an MMU. */
static void append_image(struct replay *r, uint32_t file) {
    const struct vmsim_trace_segment segments[] = {
        {.va = TEXT_AT, .length = 4096, .file_bytes = 4096, .file = file, .prot = 5},
        {.va = DATA_AT, .length = 8192, .offset = 4096, .file_bytes = 4096, .file = file, .prot = 3}};
    const struct vmsim_trace_exec x = {.stack_top = STACK_TOP,
                                       .stack_bytes = 1000,
                                       .stack_limit = 8 << 20,
                                       .brk_start = HEAP_AT,
                                       .segment_count = 2,
                                       .segments = segments};
    append_event(r, 0,
                 (struct vmsim_trace_event){
                     .type = VMSIM_TRACE_EXEC, .path = "/bin/tool", .exec = &x, .file = VMSIM_TRACE_NO_FILE});
}

static uint32_t append_file(struct replay *r) {
    const struct vmsim_trace_file tool = {.kind = VMSIM_TRACE_FILE_REGULAR, .size = 16384, .path = "/bin/tool"};
    uint32_t file;
    assert_int_equal(vmsim_trace_append_file(r->w, 0, &tool, &file), 0);
    return file;
}

static void refer_to(struct replay *r, uint64_t va, enum vmsim_access_type type) {
    const vmsim_access word = vmsim_access_make(va, 8, type);
    assert_int_equal(vmsim_trace_append(r->w, 0, &word, 1), 0);
}

/* Segments, stack, heap, a library over its reservation, memory that grows: each somewhere, and used where it lies. A
 * reference across the border of two runs stays in the first. */
static void a_program_runs_without_an_MMU(void **state) {
    (void)state;
    struct replay r = begin_trace();
    const uint32_t file = append_file(&r);
    append_image(&r, file);
    refer_to(&r, TEXT_AT + 64, VMSIM_FETCH);
    refer_to(&r, DATA_AT + 4096 + 8, VMSIM_STORE);
    refer_to(&r, STACK_TOP - 5000, VMSIM_STORE);
    append_all(&r, VMSIM_TRACE_BRK, (uint64_t[6]){HEAP_AT + 4096}, HEAP_AT + 4096);
    append_all(&r, VMSIM_TRACE_BRK, (uint64_t[6]){HEAP_AT + 12288}, HEAP_AT + 12288);
    refer_to(&r, HEAP_AT, VMSIM_STORE);
    refer_to(&r, HEAP_AT + 4096 - 4, VMSIM_STORE);
    refer_to(&r, HEAP_AT + 12288 - 8, VMSIM_STORE);
    append_event(&r, 0,
                 (struct vmsim_trace_event){
                     .type = VMSIM_TRACE_MMAP, .file = file, .args = {0, 16384, 1, 0x2}, .result = LIBRARY_AT});
    append_event(&r, 0,
                 (struct vmsim_trace_event){.type = VMSIM_TRACE_MMAP,
                                            .file = file,
                                            .args = {LIBRARY_AT + 8192, 8192, 3, 0x12, 8192},
                                            .result = LIBRARY_AT + 8192});
    refer_to(&r, LIBRARY_AT, VMSIM_LOAD);
    refer_to(&r, LIBRARY_AT + 8192, VMSIM_STORE);
    append_all(&r, VMSIM_TRACE_MMAP, (uint64_t[6]){0, 8192, 0, 0x22}, 0x700000); /* rights come later */
    append_all(&r, VMSIM_TRACE_MREMAP, (uint64_t[6]){0x700000, 8192, 65536, 1}, 0x710000);
    refer_to(&r, 0x710000 + 65536 - 8, VMSIM_STORE);
    append_all(&r, VMSIM_TRACE_FORK, (uint64_t[6]){1, 0}, 101);
    append_all(&r, VMSIM_TRACE_MPROTECT, (uint64_t[6]){DATA_AT, 4096, 1}, 0);
    append_all(&r, VMSIM_TRACE_EXIT, (uint64_t[6]){0, 1}, 0);
    replay_on(&r, "arch: nommu, nodes: [{memory: 16MiB}]");
    const struct vmsim__task *t = vmsim__task_at(r.s->machine, 0);
    assert_int_equal(t->stats.references, 9);
    assert_int_equal(t->stats.min_flt + t->stats.maj_flt, 0);
    assert_int_equal(t->exit_code, 0);
    assert_int_equal(r.s->results.kinds[VMSIM_TRACE_FORK].count, 1); /* what cannot be is told */
    assert_int_equal(r.s->results.kinds[VMSIM_TRACE_MPROTECT].count, 1);
    assert_int_equal(vmsim_scenario_differences(r.s), 2);
    end_replay(&r);
}

/* It goes on as it was recorded, and dies of its first use. */
static void a_program_without_an_MMU_dies_of_memory_that_was_not_to_be_had(void **state) {
    (void)state;
    struct replay r = begin_trace();
    append_image(&r, append_file(&r));
    append_all(&r, VMSIM_TRACE_MMAP, (uint64_t[6]){0, 64 << 20, 3, 0x22}, 0x10000000); /* larger than all there is */
    refer_to(&r, 0x10000000, VMSIM_STORE);
    replay_on(&r, "arch: nommu, nodes: [{memory: 16MiB}]");
    const struct vmsim__task *t = vmsim__task_at(r.s->machine, 0);
    assert_int_equal(t->stop, VMSIM_STOP_SIGSEGV);
    assert_int_equal(r.s->results.kinds[VMSIM_TRACE_MMAP].count, 1);
    end_replay(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_on_another_process_act_on_its_memory),
        cmocka_unit_test(calls_on_a_process_that_is_not_recorded_are_told),
        cmocka_unit_test(areas_are_swapped_on_and_off_as_recorded),
        cmocka_unit_test(a_call_costs_what_its_kind_does),
        cmocka_unit_test(marks_of_a_program_are_markers_of_its_replay),
        cmocka_unit_test(a_mapping_below_the_lowest_address_is_placed_elsewhere),
        cmocka_unit_test(a_hint_that_was_taken_is_taken_again),
        cmocka_unit_test(a_program_runs_without_an_MMU),
        cmocka_unit_test(a_program_without_an_MMU_dies_of_memory_that_was_not_to_be_had),
        cmocka_unit_test(memory_policies_of_a_program_hold_in_its_replay),
        cmocka_unit_test(pages_of_a_pool_are_pages_of_a_pool),
        cmocka_unit_test(results_that_differ_are_told_by_kind),
    };
    return cmocka_run_group_tests_name("replay_calls", tests, NULL, NULL);
}
