/* SPDX-License-Identifier: MIT */
/* Control groups of a machine: the tree and its files, who pays for what, limits that reclaim, throttle and kill. */
#include "scenario_run.h"

#define MIB (1024 * 1024)

static struct outcome run(const char *text) {
    return run_with(text, 1500);
}

/* ---- the library's calls ---- */

#define TWO_CPUS "machine: {cpus: 2, nodes: [{memory: 256MiB}], kernel: '6.1', transparent_hugepage: never}\n"

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
    struct vmsim_machine *m = idle_machine(TWO_CPUS);
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
    idle_machine_end(m);
}

/* memory.reclaim: a size, and since 6.11 what swappiness is to be for it; since 6.16 anonymous memory alone. */
static void memory_reclaim_reads_what_its_kernel_does(void **state) {
    static const struct {
        const char *value;
        int64_t result[3]; /* 6.1, 6.12, 6.18; EAGAIN: it was understood, and there is nothing to take */
    } c[] = {
        {"4K", {-11, -11, -11}},
        {" 4K\n", {-11, -11, -11}},
        {"0", {0, 0, 0}},
        {"", {-22, -22, -22}},
        {"max", {-22, -22, -22}},
        {"-4K", {-22, -22, -22}},
        {"4K swappiness=0", {-22, -11, -11}},
        {"4K  swappiness=200 ", {-22, -11, -11}},
        {"0 swappiness=60", {-22, 0, 0}},
        {"4K swappiness=10 swappiness=60", {-22, -11, -11}},
        {"4K swappiness=201", {-22, -22, -22}},
        {"4K swappiness=-1", {-22, -22, -22}},
        {"4K swappiness=", {-22, -22, -22}},
        {"4K swappiness=60x", {-22, -22, -22}},
        {"4K swappiness = 60", {-22, -22, -22}},
        {"4K swappiness=max", {-22, -22, -11}},
        {"4K max", {-22, -22, -22}},
        {"4K 4K", {-22, -22, -22}},
        {"swappiness=60", {-22, -22, -22}},
        {"swappiness=60 4K", {-22, -22, -22}},
        {"4K swappiness=00000000000000000000000000000000060", {-22, -22, -22}},
    };
    static const char *const kernels[] = {"6.1", "6.12", "6.18"};
    (void)state;
    for (unsigned k = 0; k < VMSIM__COUNT(kernels); k++) {
        char text[100];
        snprintf(text, sizeof text, "machine: {kernel: '%s', cpus: 1, nodes: [{memory: 64MiB}]}\n", kernels[k]);
        struct vmsim_machine *m = idle_machine(text);
        assert_int_equal(vmsim_cgroup_create(m, "/a"), 0);
        for (size_t i = 0; i < VMSIM__COUNT(c); i++) {
            const int64_t result = vmsim_cgroup_write(m, VMSIM_TASK_NONE, "/a", "memory.reclaim", c[i].value);
            if (result != c[i].result[k])
                fail_msg("%s: '%s' gives %lld", kernels[k], c[i].value, (long long)result);
        }
        idle_machine_end(m);
    }
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
        {"memory.current", "0", -22, "0\n"},         {"memory.zswap.max", "1M", 0, "1048576\n"},
        {"memory.nothing", "0", -2, NULL},           {"memory.reclaim", "4K", -11, NULL},
        {"memory.swap.peak", "0", -2, NULL},         {"memory.zswap.writeback", "0", -2, NULL},
        {"memory.zswap.current", "0", -22, "0\n"},
    };
    struct vmsim_machine *m = idle_machine(TWO_CPUS);
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
    idle_machine_end(m);
}

/* Batches of 64 pages show in memory.current; a move takes no charge along; a removed cgroup's pages are its parent's.
 */
static void who_brings_a_page_pays_for_it_until_it_is_freed(void **state) {
    struct vmsim_machine *m = idle_machine(TWO_CPUS);
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
    assert_int_equal(value(m, "/a/b", "memory.current"), 103 * 4096);      /* the stock is another's now */
    assert_int_equal(value(m, "/c", "memory.current"), (256 + 64) * 4096); /* and a page for nodes, of one more batch */
    assert_int_equal(vmsim_cgroup_remove(m, "/a/b"), 0);
    assert_int_equal(value(m, "/a", "memory.current"), 103 * 4096);
    assert_int_equal(touch(m, t, 10, &other), VMSIM_STOP_NONE);
    assert_int_equal(vmsim_task_munmap(m, t, base, 100 << 12), 0);
    assert_int_equal(value(m, "/a", "memory.current"), 3 * 4096); /* the page tables */
    assert_int_equal(value(m, "/a", "memory.peak"), 128 * 4096);
    idle_machine_end(m);
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
    assert_int_equal(cgroup_counter(&o, "/a", "memory.events.max"), 35); /* 2 + 16 rounds, a victim, 1 + 16 rounds */
    assert_int_equal(cgroup_counter(&o, "/a", "memory.events.oom"), 1);
    assert_int_equal(cgroup_counter(&o, "/a", "memory.events.oom_kill"), 1);
    assert_int_equal(cgroup_counter(&o, "/a", "memory.peak"), 32 * MIB);
    assert_in_range(cgroup_counter(&o, "/a", "memory.current"), 0,
                    64 * 4096); /* page tables that went are a CPU's stock */
    assert_int_equal(cgroup_counter(&o, "/a", "memory.stat.kernel"), 0);
    assert_int_equal(cgroup_counter(&o, "/a", "memory.stat.anon"), 0);
    assert_int_equal(counter(&o, "vmstat.oom_kill"), 1);
    assert_int_equal(counter(&o, "vmstat.allocstall_dma32"), 0);
    end(&o);
}

/* ---- against captures of Linux 6.1: workloads cg_cache, cg_oom, memcg ---- */

/* What changed between two markers, or from the start. */
static uint64_t between(const struct outcome *o, const char *from, const char *to, const char *name) {
    uint64_t value[2] = {0, 0};
    size_t id;
    assert_int_equal(vmsim_counter_find(o->m, name, &id), 0);
    for (size_t i = 0; i < o->s->markers.count; i++) {
        const struct vmsim__marker *k = &o->s->markers.at[i];
        value[0] = from && !strcmp(k->name, from) ? k->values[id] : value[0];
        value[1] = !strcmp(k->name, to) ? k->values[id] : value[1];
    }
    return value[1] - value[0];
}

/* What a line of memory.stat says. */
static uint64_t stat_of(const struct vmsim_machine *m, const char *path, const char *key) {
    char text[4096];
    assert_true(vmsim_cgroup_read(m, path, "memory.stat", text, sizeof text) > 0);
    const char *at = strstr(text, key);
    assert_non_null(at);
    return strtoull(at + strlen(key), NULL, 10);
}

/* Sizes of 6.1 with the pointer that says who pays: an inode of ext4 1200, a name 200, a node 592, a buffer head 112.
 */
static void objects_of_the_kernel_are_paid_for_by_the_byte(void **state) {
    struct vmsim_machine *m = idle_machine(TWO_CPUS);
    enum { NAMED = 1200 + 200, NODE = 592, HEAD = 112 };
    uint32_t t, other, large, small, same;
    (void)state;
    assert_int_equal(vmsim_cgroup_create(m, "/a"), 0);
    assert_int_equal(vmsim_cgroup_create(m, "/b"), 0);
    assert_int_equal(vmsim_task_create(m, "t", 0, &t), 0);
    assert_int_equal(vmsim_task_create(m, "other", 1, &other), 0);
    assert_int_equal(vmsim_cgroup_attach(m, "/a", t), 0);
    assert_int_equal(vmsim_cgroup_attach(m, "/b", other), 0);
    assert_int_equal(vmsim_file_create(m, VMSIM_FILE_REGULAR, "/usr/lib/large", MIB, false, &large), 0);
    assert_int_equal(vmsim_file_create(m, VMSIM_FILE_REGULAR, "/usr/lib/small", 100, false, &small), 0);
    assert_int_equal(vmsim_file_create(m, VMSIM_FILE_REGULAR, "/usr/bin/same", 2 * 4096, false, &same), 0);
    assert_int_equal(stat_of(m, "/a", "slab_reclaimable "), 0);
    assert_int_equal(vmsim_task_read(m, t, large, 0, MIB), MIB);
    uint64_t expected = 3 * NAMED + 5 * NODE; /* /usr and /usr/lib, four nodes below a root */
    assert_int_equal(stat_of(m, "/a", "slab_reclaimable "), expected);
    assert_int_equal(vmsim_task_read(m, t, small, 0, 100), 100);
    expected += NAMED; /* a page alone needs no node */
    assert_int_equal(stat_of(m, "/a", "slab_reclaimable "), expected);
    assert_int_equal(vmsim_task_write(m, t, small, 0, 100), 100);
    assert_int_equal(vmsim_task_write(m, t, small, 0, 50), 50);
    expected += HEAD;
    assert_int_equal(stat_of(m, "/a", "slab_reclaimable "), expected);
    assert_int_equal(stat_of(m, "/a", "slab "), expected);
    assert_int_equal(stat_of(m, "/a", "slab_unreclaimable "), 0);
    assert_int_equal(stat_of(m, "/a", "kernel "), vmsim__align_up(expected, 4096));
    assert_int_equal(stat_of(m, "/b", "slab_reclaimable "), 0); /* who comes later finds them */
    assert_int_equal(vmsim_task_read(m, other, large, 0, MIB), MIB);
    assert_int_equal(stat_of(m, "/b", "slab_reclaimable "), 0);
    assert_int_equal(vmsim_task_read(m, other, same, 0, 2 * 4096), 2 * 4096);
    assert_int_equal(stat_of(m, "/b", "slab_reclaimable "), 2 * NAMED + NODE); /* and the directory /usr/bin */
    assert_int_equal(vmsim_machine_sysctl(m, "vm.drop_caches", "1"), 0);
    assert_int_equal(stat_of(m, "/a", "slab_reclaimable "), expected - 5 * NODE);
    idle_machine_end(m);
}

/* At the limit each page of buffer heads is charged by reclaim, and the page next to go is the one that is written. */
static void a_page_that_gets_buffers_is_not_what_reclaim_takes_for_them(void **state) {
    (void)state;
    for (unsigned kib = 0; kib < 256; kib += 4) {
        char text[800];
        snprintf(text, sizeof text,
                 TWO_CPUS "workload:\n  cgroups: [{path: /c, files: {memory.max: %uKiB}}]\n"
                          "  files: [{name: /f, size: 1MiB}]\n  tasks:\n    - name: t\n      cgroup: /c\n"
                          "      program:\n        - read: {file: /f}\n        - lru_drain\n"
                          "        - write: {file: /f, length: 1MiB, block: 4KiB}\n"
                          "        - lru_drain\n        - read: {file: /f}\n",
                 1024 + kib);
        struct outcome o = run(text); /* the whole machine is checked */
        end(&o);
    }
}

/* 64 MiB of a file in 32 MiB of memory: three passes, a hot set of 16 MiB four times, a scan, the hot set again. Each
 * reclaim takes 57 pages: 1, 3, 7, 15, 31 of some 8,030 at priorities 12 to 8. The captured process had 45 anonymous
 * pages and 35 of another file besides, as here, and 41 pages of nodes of its files' trees. */
static void the_page_cache_of_a_cgroup_is_reclaimed_as_by_linux(void **state) {
    static const struct {
        const char *phase;
        uint64_t scan, refault, activate, refill, deactivate, max;
    } linux_has[] = {
        {"pass1", 8379, 0, 0, 0, 0, 147},         {"pass2", 16416, 16416, 0, 0, 0, 288},
        {"pass3", 16416, 16416, 0, 0, 0, 288},    {"hot", 4104, 4128, 4096, 0, 0, 72},
        {"scan", 12312, 12288, 0, 120, 120, 216}, {"again", 57, 85, 0, 0, 0, 1},
    };
    (void)state;
    struct outcome o =
        run_with("machine: {cpus: 1, nodes: [{memory: 256MiB}], kernel: '6.1', transparent_hugepage: never}\n"
                 "workload:\n"
                 "  cgroups: [{path: /c, files: {memory.max: 32MiB}}]\n"
                 "  files: [{name: /big, size: 96MiB}, {name: /own, size: 140KiB}]\n"
                 "  tasks:\n"
                 "    - name: reader\n"
                 "      cgroup: /c\n"
                 "      program:\n"
                 "        - mmap: {as: a, length: 180KiB}\n"
                 "        - touch: {region: a, write: 100%}\n"
                 "        - read: {file: /own}\n"
                 "        - read: {file: /own}\n"
                 "        - lru_drain\n"
                 "        - marker: {name: start}\n"
                 "        - read: {file: /big, length: 64MiB, block: 64KiB}\n"
                 "        - lru_drain\n"
                 "        - marker: {name: pass1}\n"
                 "        - read: {file: /big, length: 64MiB, block: 64KiB}\n"
                 "        - lru_drain\n"
                 "        - marker: {name: pass2}\n"
                 "        - read: {file: /big, length: 64MiB, block: 64KiB}\n"
                 "        - lru_drain\n"
                 "        - marker: {name: pass3}\n"
                 "        - repeat: {times: 4, steps: [{read: {file: /big, length: 16MiB, block: 64KiB}}]}\n"
                 "        - lru_drain\n"
                 "        - marker: {name: hot}\n"
                 "        - read: {file: /big, length: 64MiB, block: 64KiB}\n"
                 "        - lru_drain\n"
                 "        - marker: {name: scan}\n"
                 "        - read: {file: /big, length: 16MiB, block: 64KiB}\n"
                 "        - lru_drain\n"
                 "        - marker: {name: again}\n",
                 2000);
    for (size_t i = 0; i < VMSIM__COUNT(linux_has); i++) {
        const char *from = i ? linux_has[i - 1].phase : "start", *to = linux_has[i].phase;
        print_message("%s: ", to);
        assert_int_equal(between(&o, from, to, "vmstat.pgscan_file"), linux_has[i].scan);
        assert_int_equal(between(&o, from, to, "vmstat.pgsteal_file"), linux_has[i].scan);
        assert_int_equal(between(&o, from, to, "vmstat.workingset_refault_file"), linux_has[i].refault);
        assert_int_equal(between(&o, from, to, "vmstat.pgactivate"), linux_has[i].activate);
        assert_int_equal(between(&o, from, to, "vmstat.pgdeactivate"), linux_has[i].deactivate);
        assert_int_equal(between(&o, from, to, "cgroups./c.memory.stat.pgrefill"), linux_has[i].refill);
        assert_int_equal(between(&o, from, to, "cgroups./c.memory.events.max"), linux_has[i].max);
        assert_int_equal(between(&o, from, to, "cgroups./c.memory.stat.pgscan_direct"), linux_has[i].scan);
    }
    assert_int_equal(cgroup_counter(&o, "/c", "memory.peak"), 32 * MIB);
    assert_int_equal(counter(&o, "vmstat.pgscan_direct"), 0);
    end(&o);
}

/* Three hold memory with an oom_score_adj each, a fourth grows: who dies in which order? */
static void tasks_of_a_cgroup_die_in_the_order_of_linux(void **state) {
    static const struct {
        int adj[3];
        const char *order;
    } linux_has[] = {{{500, 600, 550}, "BCH"}, {{500, 500, 500}, "BCH"}, {{0, 0, 0}, "BH"}};
    static const char *const names[] = {"A", "B", "C", "H"};
    (void)state;
    for (size_t i = 0; i < VMSIM__COUNT(linux_has); i++) {
        char text[1600], order[5] = "";
        const int *adj = linux_has[i].adj;
        snprintf(text, sizeof text,
                 "machine: {cpus: 1, nodes: [{memory: 256MiB}], kernel: '6.1', transparent_hugepage: never}\n"
                 "workload:\n"
                 "  cgroups: [{path: /o, files: {memory.max: 64MiB}}]\n"
                 "  tasks:\n"
                 "    - {name: A, cgroup: /o, oom_score_adj: %d, program: [{mmap: {as: h, length: 12MiB}}, {touch: "
                 "{region: h, write: 100%%}}, {sleep: {time: 60s}}]}\n"
                 "    - {name: B, cgroup: /o, oom_score_adj: %d, program: [{mmap: {as: h, length: 24MiB}}, {touch: "
                 "{region: h, write: 100%%}}, {sleep: {time: 60s}}]}\n"
                 "    - {name: C, cgroup: /o, oom_score_adj: %d, program: [{mmap: {as: h, length: 16MiB}}, {touch: "
                 "{region: h, write: 100%%}}, {sleep: {time: 60s}}]}\n"
                 "    - {name: H, cgroup: /o, start: 1s, program: [{mmap: {as: h, length: 80000KiB}}, {touch: {region: "
                 "h, write: 100%%}}]}\n",
                 adj[0], adj[1], adj[2]);
        struct outcome o = run(text);
        for (uint64_t last = 0, next = 0; next != UINT64_MAX; last = next) {
            const char *who = "";
            next = UINT64_MAX;
            for (size_t n = 0; n < VMSIM__COUNT(names); n++) {
                const struct vmsim__task *t = task(&o, names[n]);
                if (t->stop == VMSIM_STOP_OOM && t->end_ns > last && t->end_ns < next) {
                    next = t->end_ns;
                    who = names[n];
                }
            }
            strcat(order, who);
        }
        assert_string_equal(order, linux_has[i].order);
        assert_int_equal(cgroup_counter(&o, "/o", "memory.events.oom_kill"), strlen(order));
        end(&o);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tree_is_made_and_removed_as_by_mkdir),
        cmocka_unit_test(memory_reclaim_reads_what_its_kernel_does),
        cmocka_unit_test(files_take_and_give_what_linux_does),
        cmocka_unit_test(who_brings_a_page_pays_for_it_until_it_is_freed),
        cmocka_unit_test(who_grows_beyond_memory_max_dies_of_it_alone),
        cmocka_unit_test(objects_of_the_kernel_are_paid_for_by_the_byte),
        cmocka_unit_test(a_page_that_gets_buffers_is_not_what_reclaim_takes_for_them),
        cmocka_unit_test(the_page_cache_of_a_cgroup_is_reclaimed_as_by_linux),
        cmocka_unit_test(tasks_of_a_cgroup_die_in_the_order_of_linux),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
