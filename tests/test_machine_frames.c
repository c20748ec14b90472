/* SPDX-License-Identifier: MIT */
/* Frames of a whole machine: 3,840 frames behind 15,360 live pages, none aliased; page tables that stay where they are;
 * memory that comes back in maximal blocks. And two machines side by side that share nothing. */
#include "helpers.h"

#include <pthread.h>

#include "machine/compact.h"
#include "machine/sched.h"
#include "vm/vm_impl.h"
#include "vmsim/config.h"
#include "vmsim/report.h"

enum { FRAMES = 3840, TASKS = 4, LIVE = FRAMES * TASKS };
#define PAGE UINT64_C(4096)

static struct vmsim_machine *boot(const char *text) {
    struct vmsim_config *config;
    struct vmsim_machine *m = NULL;
    assert_int_equal(vmsim_config_create(&config), 0);
    assert_int_equal(vmsim_config_load_text(config, "frames", text, strlen(text)), 0);
    if (vmsim_config_resolve(config) || vmsim_machine_create(config, &m))
        fail_msg("%s", vmsim_config_error_text(config, 0));
    vmsim_config_destroy(config);
    return m;
}

static void check(struct vmsim_machine *m) {
    if (vmsim_machine_check(m))
        fail_msg("%s", vmsim_machine_error(m));
}

/* Refers to every page of every task; the frame of each in frame[task][page]. */
static void refer(struct vmsim_machine *m, const uint32_t *task, uint64_t base, enum vmsim_access_type type,
                  uint32_t (*frame)[FRAMES]) {
    static vmsim_access a[FRAMES];
    static uint64_t pa[FRAMES];
    for (unsigned k = 0; k < TASKS; k++) {
        struct vmsim_access_result r;
        for (unsigned i = 0; i < FRAMES; i++)
            a[i] = vmsim_access_make(base + i * PAGE + 8 * k, 8, type);
        assert_int_equal(vmsim_task_access(m, task[k], a, FRAMES, pa, &r), 0);
        assert_int_equal(r.done, FRAMES);
        for (unsigned i = 0; i < FRAMES; i++) {
            assert_int_equal(pa[i] % PAGE, 8 * k);
            frame[k][i] = (uint32_t)(pa[i] / PAGE);
        }
    }
}

/* Physical addresses of the entries that translate each page, of all tasks; their frames are marked in `table`. */
static uint64_t table_sum(struct vmsim_machine *m, const uint32_t *task, uint64_t base, uint8_t *table) {
    uint64_t sum = 0;
    for (unsigned k = 0; k < TASKS; k++) {
        for (unsigned i = 0; i < FRAMES; i++) {
            struct vmsim__walk w;
            assert_true(vmsim__mmu_walk(&vmsim__task_at(m, task[k])->mm->pt, base + i * PAGE,
                                        VMSIM__WALK_USER | VMSIM__WALK_PROBE, &w));
            for (unsigned n = 0; n < w.refs; n++) {
                sum = sum * 31 + w.ref[n];
                table[w.ref[n] / PAGE] = 1;
            }
        }
    }
    return sum;
}

/* How many different frames there are; none may be a page table. */
static unsigned distinct(uint32_t (*frame)[FRAMES], const uint8_t *table, size_t frames) {
    uint8_t *seen = calloc(frames, 1);
    unsigned n = 0;
    assert_non_null(seen);
    for (unsigned k = 0; k < TASKS; k++) {
        for (unsigned i = 0; i < FRAMES; i++) {
            assert_true(frame[k][i] < frames);
            assert_false(table[frame[k][i]]);
            n += !seen[frame[k][i]];
            seen[frame[k][i]] = 1;
        }
    }
    free(seen);
    return n;
}

static char *buddyinfo(struct vmsim_machine *m) {
    const char *text;
    vmsim__lru_drain_all(m->lru);
    vmsim__mem_drain(m->mem);
    assert_int_equal(vmsim_report_proc_file(m, "proc/buddyinfo", &text, NULL), 0);
    char *copy = strdup(text);
    vmsim_report_proc_free(m, text);
    assert_non_null(copy);
    return copy;
}

static void frames_are_shared_by_fork_alone_and_all_come_back(void **state) {
    (void)state;
    static uint32_t frame[TASKS][FRAMES], again[TASKS][FRAMES];
    struct vmsim_machine *m = boot("machine: {nodes: [{memory: 128MiB}], cpus: 2}\n");
    size_t frames = m->mem->frames.end;
    uint8_t *table = calloc(frames, 1);
    uint32_t task[TASKS];
    assert_non_null(table);
    char *before = buddyinfo(m);

    assert_int_equal(vmsim_task_create(m, "t", 0, &task[0]), 0);
    uint64_t base = (uint64_t)vmsim_task_mmap(m, task[0], 0, FRAMES * PAGE, 3, 0x22, 0, 0);
    uint32_t only[TASKS] = {task[0], task[0], task[0], task[0]};
    refer(m, only, base, VMSIM_STORE, frame);
    for (unsigned k = 1; k < TASKS; k++) {
        assert_int_equal(vmsim_task_fork(m, task[0], NULL, &task[k]), 0);
        assert_int_equal(vmsim_task_migrate(m, task[k], k % 2), 0);
    }

    /* 15,360 live pages on 3,840 frames */
    refer(m, task, base, VMSIM_LOAD, again);
    assert_memory_equal(frame, again, sizeof frame);
    uint64_t tables = table_sum(m, task, base, table);
    assert_int_equal(distinct(again, table, frames), FRAMES);
    check(m);

    /* each task writes: 15,360 frames */
    refer(m, task, base, VMSIM_STORE, frame);
    assert_int_equal(table_sum(m, task, base, table), tables);
    assert_int_equal(distinct(frame, table, frames), LIVE);
    refer(m, task, base, VMSIM_LOAD, again);
    assert_memory_equal(frame, again, sizeof frame);
    assert_int_equal(table_sum(m, task, base, table), tables);
    check(m);

    /* tables and pages go: the buddy allocator has what it had at boot */
    for (unsigned k = 0; k < TASKS; k++)
        assert_int_equal(vmsim_task_exit(m, task[k]), 0);
    char *after = buddyinfo(m);
    assert_string_equal(after, before);
    free(after);
    free(before);
    free(table);
    check(m);
    assert_int_equal(vmsim_machine_destroy(m), 0);
}

/* ---- side by side ---- */

/* One run; what came out of it as one text. */
static char *run_alone(void) {
    struct vmsim_machine *m = boot("machine: {nodes: [{memory: 96MiB}, {memory: 64MiB}], cpus: 3}\n"
                                   "policies: {tlb_replacement: {name: random}}\n");
    uint32_t task[3];
    uint64_t x = 88172645463325252u;
    struct vmsim_access_result r;
    for (unsigned k = 0; k < 3; k++)
        assert_int_equal(vmsim_task_create(m, "t", k, &task[k]), 0);
    uint64_t base = 0;
    for (unsigned k = 0; k < 3; k++)
        base = (uint64_t)vmsim_task_mmap(m, task[k], 0x10000000, 4000 * PAGE, 3, 0x32, 0, 0);
    for (unsigned n = 0; n < 40000; n++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        vmsim_access a = vmsim_access_make(base + x % (4000 * PAGE - 8), 8, x >> 60 & 1 ? VMSIM_STORE : VMSIM_LOAD);
        assert_int_equal(vmsim_task_access(m, task[n % 3], &a, 1, NULL, &r), 0);
        if (n % 5000 == 0)
            assert_int_equal(vmsim_task_madvise(m, task[n % 3], base, 500 * PAGE, 4), 0);
    }
    size_t count = vmsim_counter_count(m), size = count * 80 + 1;
    char *text = malloc(size), *at = text;
    assert_non_null(text);
    for (size_t id = 0; id < count; id++)
        at += snprintf(at, size - (size_t)(at - text), "%.50s %llu\n", vmsim_counter_name(m, id),
                       (unsigned long long)vmsim_counter_read(m, id));
    check(m);
    assert_int_equal(vmsim_machine_destroy(m), 0);
    return text;
}

static void *run_in_thread(void *text) {
    *(char **)text = run_alone();
    return NULL;
}

static void machines_in_threads_come_out_as_alone(void **state) {
    (void)state;
    char *alone = run_alone(), *text[3];
    pthread_t thread[3];
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, run_in_thread, &text[i]), 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
        assert_string_equal(text[i], alone);
        free(text[i]);
    }
    free(alone);
}

/* Frames that go and come when a page and the tables above it are unmapped: at once, and until 100 ms have passed. */
struct table_way {
    uint64_t freed, freed_later, allocated;
};

static struct table_way unmap_one_page(const char *machine, unsigned tables) {
    const uint64_t at = UINT64_C(0x2000000000);
    struct vmsim_machine *m = boot(machine);
    uint32_t task;
    struct vmsim_access_result r;
    const vmsim_access store = vmsim_access_make(at, 8, VMSIM_STORE);
    assert_int_equal(vmsim_task_create(m, "t", 0, &task), 0);
    assert_int_equal(vmsim_task_mmap(m, task, at, PAGE, 3, 0x32, 0, 0), at);
    assert_int_equal(vmsim_task_access(m, task, &store, 1, NULL, &r), 0);
    const struct vmsim__mm *mm = vmsim__task_at(m, task)->mm;
    assert_int_equal(mm->pt.tables[0] + mm->pt.tables[1] + mm->pt.tables[2], tables);
    const uint64_t freed = m->mem->event[VMSIM__PGFREE], traffic = vmsim__frame_traffic(m->mem);
    assert_int_equal(vmsim_task_munmap(m, task, at, PAGE), 0);
    check(m);
    struct table_way way = {.freed = m->mem->event[VMSIM__PGFREE] - freed};
    way.allocated = vmsim__frame_traffic(m->mem) - traffic - way.freed;
    assert_true(vmsim__sched_next(m) > 1000000); /* a millisecond is not enough */
    while (vmsim__sched_next(m) < 100000000)
        assert_int_equal(vmsim__sched_step(m, VMSIM__TIME_NEVER), VMSIM__STEP_DONE);
    check(m);
    way.freed_later = m->mem->event[VMSIM__PGFREE] - freed - way.freed;
    vmsim_machine_destroy(m);
    return way;
}

/* On arm64 the page is free at once, and its three tables after a grace period, with the frame that lists them. */
static void tables_are_freed_after_a_grace_period_where_walks_take_no_lock(void **state) {
    (void)state;
    struct table_way x86 = unmap_one_page("machine: {nodes: [{memory: 64MiB}]}", 3);
    assert_int_equal(x86.freed, 1 + 3);
    assert_int_equal(x86.freed_later, 0);
    assert_int_equal(x86.allocated, 0);
    struct table_way arm64 = unmap_one_page("machine: {arch: arm64_4k, nodes: [{memory: 64MiB}]}", 3);
    assert_int_equal(arm64.freed, 1);
    assert_int_equal(arm64.freed_later, 3 + 1);
    assert_int_equal(arm64.allocated, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_are_shared_by_fork_alone_and_all_come_back),
        cmocka_unit_test(machines_in_threads_come_out_as_alone),
        cmocka_unit_test(tables_are_freed_after_a_grace_period_where_walks_take_no_lock),
    };
    return cmocka_run_group_tests_name("machine_frames", tests, NULL, NULL);
}
