/* SPDX-License-Identifier: MIT */
/* Control groups of a machine: the tree and its files, who pays for what, limits that reclaim, throttle and kill. */
#include "scenario_run.h"

#define MIB (1024 * 1024)

static struct outcome run(const char *text) {
    return run_with(text, 1500);
}

/* A counter of a cgroup. */
static uint64_t of(const struct outcome *o, const char *cgroup, const char *name) {
    char full[200];
    snprintf(full, sizeof full, "cgroups.%s.%s", cgroup, name);
    return counter(o, full);
}

/* ---- the library's calls ---- */

static struct vmsim_machine *machine(struct vmsim_config **config) {
    static const char text[] =
        "machine: {cpus: 2, nodes: [{memory: 256MiB}], kernel: '6.1', transparent_hugepage: never}\n";
    struct vmsim_machine *m;
    assert_int_equal(vmsim_config_create(config), 0);
    assert_int_equal(vmsim_config_load_text(*config, "test.yaml", text, strlen(text)), 0);
    assert_int_equal(vmsim_config_resolve(*config), 0);
    assert_int_equal(vmsim_machine_create(*config, &m), 0);
    return m;
}

static void machine_end(struct vmsim_machine *m, struct vmsim_config *config) {
    if (vmsim_machine_check(m))
        fail_msg("%s", vmsim_machine_error(m));
    assert_int_equal(vmsim_machine_destroy(m), 0);
    vmsim_config_destroy(config);
}

static uint64_t value(const struct vmsim_machine *m, const char *path, const char *file) {
    char text[4096];
    assert_true(vmsim_cgroup_read(m, path, file, text, sizeof text) > 0);
    return strtoull(text, NULL, 10);
}

/* Writes `pages` pages of a new area. */
static enum vmsim_stop touch(struct vmsim_machine *m, uint32_t task, uint64_t pages, uint64_t *base) {
    struct vmsim_access_result r = {0};
    int64_t at = vmsim_task_mmap(m, task, 0, pages << 12, 3, 0x22, 0, 0);
    assert_true(at > 0);
    *base = (uint64_t)at;
    for (uint64_t i = 0; i < pages && !r.stop; i++) {
        vmsim_access a = vmsim_access_make((uint64_t)at + (i << 12), 8, VMSIM_STORE);
        assert_int_equal(vmsim_task_access(m, task, &a, 1, NULL, &r), 0);
    }
    return r.stop;
}

static void the_tree_is_made_and_removed_as_by_mkdir(void **state) {
    struct vmsim_config *config;
    struct vmsim_machine *m = machine(&config);
    uint32_t t;
    (void)state;
    assert_int_equal(vmsim_cgroup_create(m, "/a/b"), -2);
    assert_int_equal(vmsim_cgroup_create(m, "/a"), 0);
    assert_int_equal(vmsim_cgroup_create(m, "/a"), -17);
    assert_int_equal(vmsim_cgroup_create(m, "/"), -17);
    assert_int_equal(vmsim_cgroup_create(m, "/a/b"), 0);
    static const char *const wrong[] = {"",   "a",     "/a/",  "//",          "/a//b",
                                        "/.", "/a/..", "/a b", "/memory.max", "/a/cgroup.x"};
    for (size_t i = 0; i < VMSIM__COUNT(wrong); i++)
        assert_int_equal(vmsim_cgroup_create(m, wrong[i]), -22);
    assert_int_equal(vmsim_cgroup_remove(m, "/a"), -16);
    assert_int_equal(vmsim_cgroup_remove(m, "/"), -16);
    assert_int_equal(vmsim_cgroup_remove(m, "/c"), -2);
    assert_int_equal(vmsim_task_create(m, "t", 0, &t), 0);
    assert_int_equal(vmsim_cgroup_attach(m, "/a", t), -16); /* no tasks above others */
    assert_int_equal(vmsim_cgroup_attach(m, "/c", t), -2);
    assert_int_equal(vmsim_cgroup_attach(m, "/a/b", 7), -3);
    assert_int_equal(vmsim_cgroup_attach(m, "/a/b", t), 0);
    assert_int_equal(vmsim_cgroup_create(m, "/a/b/c"), -16);
    assert_int_equal(vmsim_cgroup_remove(m, "/a/b"), -16);
    assert_int_equal(vmsim_task_exit(m, t), 0);
    assert_int_equal(vmsim_cgroup_remove(m, "/a/b"), 0);
    assert_int_equal(vmsim_cgroup_create(m, "/a/b"), 0);
    machine_end(m, config);
}

static void files_take_and_give_what_linux_does(void **state) {
    static const struct {
        const char *file, *value;
        int64_t result;
        const char *read;
    } c[] = {
        {"memory.max", "67108864", 0, "67108864\n"}, {"memory.max", "64M", 0, "67108864\n"},
        {"memory.max", "4097", 0, "4096\n"},         {"memory.max", "max", 0, "max\n"},
        {"memory.max", "16EiB", -22, "max\n"},       {"memory.max", "-1", -22, "max\n"},
        {"memory.max", "12xx", -22, "max\n"},        {"memory.max", "", -22, "max\n"},
        {"memory.max", "8192PiB", 0, "max\n"},       {"memory.high", "1M", 0, "1048576\n"},
        {"memory.low", "1M", 0, "1048576\n"},        {"memory.min", "1M", 0, "1048576\n"},
        {"memory.swap.max", "0", 0, "0\n"},          {"memory.swap.high", "2M", 0, "2097152\n"},
        {"memory.oom.group", "1", 0, "1\n"},         {"memory.oom.group", "2", -22, "1\n"},
        {"memory.current", "0", -22, "0\n"},         {"memory.zswap.max", "0", -95, NULL},
        {"memory.nothing", "0", -2, NULL},           {"memory.reclaim", "4K", -11, NULL},
        {"memory.swap.peak", "0", -2, NULL},
    };
    struct vmsim_config *config;
    struct vmsim_machine *m = machine(&config);
    char text[64];
    (void)state;
    assert_int_equal(vmsim_cgroup_create(m, "/a"), 0);
    for (size_t i = 0; i < VMSIM__COUNT(c); i++) {
        int64_t result = vmsim_cgroup_write(m, VMSIM_TASK_NONE, "/a", c[i].file, c[i].value);
        if (result != c[i].result)
            fail_msg("%s: '%s' gives %lld", c[i].file, c[i].value, (long long)result);
        if (!c[i].read)
            continue;
        assert_int_equal(vmsim_cgroup_read(m, "/a", c[i].file, text, sizeof text), (int64_t)strlen(c[i].read));
        assert_string_equal(text, c[i].read);
    }
    assert_int_equal(vmsim_cgroup_write(m, VMSIM_TASK_NONE, "/", "memory.max", "1M"), -2);
    assert_int_equal(vmsim_cgroup_read(m, "/a", "memory.events", text, sizeof text), 53);
    assert_string_equal(text, "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n");
    assert_int_equal(vmsim_cgroup_read(m, "/a", "memory.nothing", text, sizeof text), -2);
    machine_end(m, config);
}

/* Batches of 64 pages show in memory.current; a move takes no charge along; a removed cgroup's pages are its parent's.
 */
static void who_brings_a_page_pays_for_it_until_it_is_freed(void **state) {
    struct vmsim_config *config;
    struct vmsim_machine *m = machine(&config);
    uint32_t t, file;
    uint64_t base, other;
    (void)state;
    assert_int_equal(vmsim_cgroup_create(m, "/a"), 0);
    assert_int_equal(vmsim_cgroup_create(m, "/a/b"), 0);
    assert_int_equal(vmsim_cgroup_create(m, "/c"), 0);
    assert_int_equal(vmsim_task_create(m, "t", 0, &t), 0);
    assert_int_equal(value(m, "/a", "memory.current"), 0);
    assert_int_equal(vmsim_cgroup_attach(m, "/a/b", t), 0);
    assert_int_equal(touch(m, t, 100, &base), VMSIM_STOP_NONE);
    /* 100 pages and 3 page tables, in two batches */
    assert_int_equal(value(m, "/a/b", "memory.current"), 128 * 4096);
    assert_int_equal(value(m, "/a", "memory.current"), 128 * 4096);
    assert_int_equal(vmsim_cgroup_attach(m, "/c", t), 0);
    assert_int_equal(vmsim_file_create(m, VMSIM_FILE_REGULAR, "/f", 1 * MIB, false, &file), 0);
    assert_int_equal(vmsim_task_read(m, t, file, 0, 1 * MIB), 1 * MIB);
    assert_int_equal(value(m, "/a/b", "memory.current"), 103 * 4096); /* the stock is another's now */
    assert_int_equal(value(m, "/c", "memory.current"), 256 * 4096);
    assert_int_equal(vmsim_cgroup_remove(m, "/a/b"), 0);
    assert_int_equal(value(m, "/a", "memory.current"), 103 * 4096);
    assert_int_equal(touch(m, t, 10, &other), VMSIM_STOP_NONE);
    assert_int_equal(vmsim_task_munmap(m, t, base, 100 << 12), 0);
    assert_int_equal(value(m, "/a", "memory.current"), 3 * 4096); /* the page tables */
    assert_int_equal(value(m, "/a", "memory.peak"), 128 * 4096);
    machine_end(m, config);
}

/* ---- limits ---- */

/* 32 MiB of memory.max: anonymous memory that does not fit and has no swap. */
static void who_grows_beyond_memory_max_dies_of_it_alone(void **state) {
    (void)state;
    struct outcome o = run("machine: {nodes: [{memory: 256MiB}], kernel: '6.1', transparent_hugepage: never}\n"
                           "workload:\n"
                           "  cgroups: [{path: /a, files: {memory.max: 32MiB}}]\n"
                           "  tasks:\n"
                           "    - {name: big, program: [{mmap: {as: h, length: 100MiB}}, {touch: {region: h, write: "
                           "100%}}, {sleep: {time: 10s}}]}\n"
                           "    - {name: hog, cgroup: /a, start: 1s, program: [{mmap: {as: h, length: 64MiB}}, {touch: "
                           "{region: h, write: 100%}}]}\n");
    assert_int_equal(task(&o, "hog")->stop, VMSIM_STOP_OOM);
    assert_int_equal(task(&o, "big")->stop, VMSIM_STOP_NONE);
    assert_int_equal(of(&o, "/a", "memory.events.max"), 35); /* 2 + 16 rounds, a victim, 1 + 16 rounds */
    assert_int_equal(of(&o, "/a", "memory.events.oom"), 1);
    assert_int_equal(of(&o, "/a", "memory.events.oom_kill"), 1);
    assert_int_equal(of(&o, "/a", "memory.peak"), 32 * MIB);
    assert_in_range(of(&o, "/a", "memory.current"), 0, 64 * 4096); /* page tables that went are a CPU's stock */
    assert_int_equal(of(&o, "/a", "memory.stat.kernel"), 0);
    assert_int_equal(of(&o, "/a", "memory.stat.anon"), 0);
    assert_int_equal(counter(&o, "vmstat.oom_kill"), 1);
    assert_int_equal(counter(&o, "vmstat.allocstall_dma32"), 0);
    end(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tree_is_made_and_removed_as_by_mkdir),
        cmocka_unit_test(files_take_and_give_what_linux_does),
        cmocka_unit_test(who_brings_a_page_pays_for_it_until_it_is_freed),
        cmocka_unit_test(who_grows_beyond_memory_max_dies_of_it_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
