/* SPDX-License-Identifier: MIT */
/* Limits of cgroups on hugetlb pages: who pays for a page and for a promise, and what a limit refuses. */
#include "scenario_run.h"

#include "lru/hugetlb_cgroup.h"

#define MIB (1024 * 1024)
#define HUGE (2 * MIB)
#define POOL "machine: {cpus: 2, nodes: [{memory: 128MiB}], kernel: '6.1', hugepages: 16}\n"
enum { PRIVATE = 0x40022, SHARED = 0x40021, NORESERVE = 0x4000 };

static uint64_t value(const struct vmsim_machine *m, const char *path, const char *file) {
    char text[256];
    assert_true(vmsim_cgroup_read(m, path, file, text, sizeof text) > 0);
    return strtoull(!strncmp(text, "max ", 4) ? text + 4 : text, NULL, 10);
}
static int64_t put(struct vmsim_machine *m, const char *path, const char *file, const char *text) {
    return vmsim_cgroup_write(m, VMSIM_TASK_NONE, path, file, text);
}
/* What stopped a write to one byte of the page. */
static enum vmsim_stop touch(struct vmsim_machine *m, uint32_t task, int64_t base, unsigned page) {
    struct vmsim_access_result r = {0};
    vmsim_access a = vmsim_access_make((uint64_t)base + (uint64_t)page * HUGE, 8, VMSIM_STORE);
    assert_int_equal(vmsim_task_access(m, task, &a, 1, NULL, &r), 0);
    return r.stop;
}
static uint32_t task_in(struct vmsim_machine *m, const char *path) {
    uint32_t t;
    assert_int_equal(vmsim_task_create(m, "t", 0, &t), 0);
    assert_int_equal(vmsim_cgroup_attach(m, path, t), 0);
    return t;
}
static int64_t map(struct vmsim_machine *m, uint32_t task, unsigned pages, unsigned flags) {
    return vmsim_task_mmap(m, task, 0, (uint64_t)pages * HUGE, 3, flags, 0, 0);
}
static void uses(const struct vmsim_machine *m, const char *path, unsigned used, unsigned promised) {
    assert_int_equal(value(m, path, "hugetlb.2MB.current"), used * HUGE);
    assert_int_equal(value(m, path, "hugetlb.2MB.rsvd.current"), promised * HUGE);
}

static void files_are_those_of_the_pools(void **state) {
    static const struct {
        const char *file, *value;
        int64_t result;
        const char *read;
    } c[] = {
        {"hugetlb.2MB.max", "5M", 0, "4194304\n"},
        {"hugetlb.2MB.max", "max", 0, "max\n"},
        {"hugetlb.2MB.max", "1M", 0, "0\n"},
        {"hugetlb.2MB.max", "-1", -22, "0\n"},
        {"hugetlb.2MB.rsvd.max", "8M", 0, "8388608\n"},
        {"hugetlb.2MB.current", "0", -22, "0\n"},
        {"hugetlb.2MB.events", "0", -22, "max 0\n"},
        {"hugetlb.2MB.events.local", "0", -22, "max 0\n"},
        {"hugetlb.1GB.max", "1G", -2, NULL},
        {"hugetlb.3MB.max", "3M", -2, NULL},
    };
    struct vmsim_machine *m = idle_machine(POOL);
    char text[64];
    (void)state;
    assert_int_equal(vmsim_cgroup_create(m, "/a"), 0);
    for (size_t i = 0; i < TEST_COUNT(c); i++) {
        if (put(m, "/a", c[i].file, c[i].value) != c[i].result)
            fail_msg("%s: %s", c[i].file, c[i].value);
        const int64_t n = vmsim_cgroup_read(m, "/a", c[i].file, text, sizeof text);
        assert_int_equal(n < 0, !c[i].read);
        if (c[i].read)
            assert_string_equal(text, c[i].read);
    }
    assert_int_equal(put(m, "/", "hugetlb.2MB.max", "2M"), -2);
    idle_machine_end(m);
}

/* A fault above the limit gets SIGBUS, a mapping above the other one ENOMEM; both count up to the root's child. */
static void a_limit_refuses_faults_and_promises(void **state) {
    struct vmsim_machine *m = idle_machine(POOL);
    (void)state;
    assert_int_equal(vmsim_cgroup_create(m, "/a"), 0);
    assert_int_equal(vmsim_cgroup_create(m, "/a/b"), 0);
    assert_int_equal(put(m, "/a", "hugetlb.2MB.max", "4M"), 0);
    assert_int_equal(put(m, "/a/b", "hugetlb.2MB.rsvd.max", "6M"), 0);
    const uint32_t t = task_in(m, "/a/b");
    assert_int_equal(map(m, t, 4, PRIVATE), -12);
    uses(m, "/a/b", 0, 0);
    const int64_t base = map(m, t, 3, PRIVATE);
    assert_true(base > 0);
    uses(m, "/a", 0, 3);
    assert_int_equal(touch(m, t, base, 0), VMSIM_STOP_NONE);
    assert_int_equal(touch(m, t, base, 1), VMSIM_STOP_NONE);
    uses(m, "/a/b", 2, 3); /* a promise that is used stays paid for */
    assert_int_equal(put(m, "/a", "hugetlb.2MB.max", "2M"), -16);
    assert_int_equal(value(m, "/a/b", "hugetlb.2MB.events"), 1);
    assert_int_equal(touch(m, t, base, 2), VMSIM_STOP_SIGBUS);
    assert_int_equal(value(m, "/a/b", "hugetlb.2MB.events.local"), 2);
    assert_int_equal(value(m, "/a", "hugetlb.2MB.events"), 2);
    assert_int_equal(value(m, "/a", "hugetlb.2MB.events.local"), 0);
    uses(m, "/a", 0, 0); /* it is dead */
    assert_int_equal(vmsim_machine_check(m), 0);
    idle_machine_end(m);
}

/* Cgroups /a and /b, and a task in /a. */
static struct vmsim_machine *machine_of_two(uint32_t *task) {
    struct vmsim_machine *m = idle_machine(POOL);
    assert_int_equal(vmsim_cgroup_create(m, "/a"), 0);
    assert_int_equal(vmsim_cgroup_create(m, "/b"), 0);
    *task = task_in(m, "/a");
    return m;
}

/* Without a promise a page is paid for twice at its fault. A child copies at its own cost; the parent's pages stay the
 * parent's. */
static void who_takes_a_page_pays_for_it(void **state) {
    uint32_t t, child;
    (void)state;
    struct vmsim_machine *m = machine_of_two(&t);
    const int64_t base = map(m, t, 2, PRIVATE | NORESERVE);
    uses(m, "/a", 0, 0);
    assert_int_equal(touch(m, t, base, 0), VMSIM_STOP_NONE);
    uses(m, "/a", 1, 1);
    assert_int_equal(vmsim_task_fork(m, t, "child", &child), 0);
    assert_int_equal(vmsim_cgroup_attach(m, "/b", child), 0);
    assert_int_equal(touch(m, child, base, 0), VMSIM_STOP_NONE);
    uses(m, "/a", 1, 1);
    uses(m, "/b", 1, 1);
    assert_int_equal(vmsim_task_exit(m, child), 0);
    uses(m, "/b", 0, 0);
    assert_int_equal(vmsim_task_munmap(m, t, (uint64_t)base, 2 * HUGE), 0);
    uses(m, "/a", 0, 0);
    idle_machine_end(m);
}

/* Shared memory: whoever maps first pays for the promises, whoever touches first for the page; a cgroup that was
 * removed lives on until they go. */
static void shared_pages_are_paid_for_once(void **state) {
    uint32_t t, child;
    (void)state;
    struct vmsim_machine *m = machine_of_two(&t);
    const int64_t base = map(m, t, 4, SHARED);
    uses(m, "/a", 0, 4);
    assert_int_equal(vmsim_task_fork(m, t, "child", &child), 0);
    assert_int_equal(vmsim_cgroup_attach(m, "/b", child), 0);
    assert_int_equal(touch(m, child, base, 1), VMSIM_STOP_NONE);
    uses(m, "/b", 1, 0);
    assert_int_equal(touch(m, t, base, 1), VMSIM_STOP_NONE);
    uses(m, "/a", 0, 4);
    assert_int_equal(vmsim_task_munmap(m, t, (uint64_t)base, 4 * HUGE), 0);
    assert_int_equal(vmsim_task_exit(m, t), 0);
    assert_int_equal(vmsim_cgroup_remove(m, "/a"), 0);
    assert_int_equal(vmsim_machine_check(m), 0);
    assert_int_equal(vmsim_task_madvise(m, child, (uint64_t)base, 2 * HUGE, 9), 0); /* MADV_REMOVE */
    uses(m, "/b", 0, 0);
    assert_int_equal(touch(m, child, base, 1), VMSIM_STOP_NONE); /* in the hole: nobody promised it any more */
    uses(m, "/b", 1, 1);
    assert_int_equal(vmsim_task_exit(m, child), 0);
    uses(m, "/b", 0, 0);
    idle_machine_end(m);
}

/* ---- random histories ---- */

static struct {
    struct vmsim__rng rng;
    struct vmsim_machine *m;
    uint32_t task[4];
    bool there[4];
    int64_t area[4][3]; /* as mapped by some task; children find those of their parents */
} storm;
static const char *const groups[] = {"/a", "/a/b", "/c"};

static uint64_t pick(uint64_t n) {
    return vmsim__rng_below(&storm.rng, n);
}

static void one_step(void) {
    struct vmsim_machine *m = storm.m;
    const unsigned i = (unsigned)pick(4), area = (unsigned)pick(3);
    int64_t *base = &storm.area[i][area];
    char text[16];
    if (!storm.there[i]) {
        const unsigned parent = (unsigned)pick(4);
        memset(storm.area[i], 0, sizeof storm.area[i]);
        if (storm.there[parent] && pick(2)) {
            assert_int_equal(vmsim_task_fork(m, storm.task[parent], "child", &storm.task[i]), 0);
            memcpy(storm.area[i], storm.area[parent], sizeof storm.area[i]);
        } else {
            assert_int_equal(vmsim_task_create(m, "task", (unsigned)pick(2), &storm.task[i]), 0);
        }
        vmsim_cgroup_attach(m, groups[1 + pick(2)], storm.task[i]); /* it may be gone */
        storm.there[i] = true;
        return;
    }
    const uint64_t at = (uint64_t)*base, length = (1 + pick(3)) * HUGE;
    switch (pick(12)) {
    case 0:
        if (*base <= 0)
            *base =
                map(m, storm.task[i], 1 + (unsigned)pick(4), (pick(2) ? PRIVATE : SHARED) | (pick(3) ? 0u : NORESERVE));
        break;
    case 1:
        if (*base > 0 && !vmsim_task_munmap(m, storm.task[i], at + pick(2) * HUGE, length) && pick(2))
            *base = 0;
        break;
    case 2:
        if (*base > 0)
            vmsim_task_madvise(m, storm.task[i], at, length, pick(2) ? 4 : 9);
        break;
    case 3:
        if (!pick(3)) {
            assert_int_equal(vmsim_task_exit(m, storm.task[i]), 0);
            storm.there[i] = false;
        }
        break;
    case 4:
        snprintf(text, sizeof text, "%u", (unsigned)pick(24));
        vmsim_machine_sysctl(m, pick(4) ? "vm.nr_hugepages" : "vm.nr_overcommit_hugepages", text);
        break;
    case 5:
        snprintf(text, sizeof text, pick(3) ? "%uM" : "max", 2 * (unsigned)pick(16));
        put(m, groups[pick(3)], pick(2) ? "hugetlb.2MB.max" : "hugetlb.2MB.rsvd.max", text);
        break;
    case 6:
        if (!pick(4) && !vmsim_cgroup_remove(m, "/c"))
            assert_int_equal(vmsim_cgroup_create(m, "/c"), 0);
        vmsim_cgroup_attach(m, groups[1 + pick(2)], storm.task[i]);
        break;
    default:
        if (*base > 0 && touch(m, storm.task[i], *base, (unsigned)pick(4)))
            storm.there[i] = false; /* SIGBUS, SIGSEGV: it died of it */
    }
}

static void every_history_leaves_charges_and_contents_whole(void **state) {
    struct vmsim_machine *m = storm.m = idle_machine(POOL);
    (void)state;
    vmsim__rng_seed(&storm.rng, test_seed());
    assert_int_equal(vmsim_machine_verify_content(m), 0);
    for (size_t i = 0; i < TEST_COUNT(groups); i++)
        assert_int_equal(vmsim_cgroup_create(m, groups[i]), 0);
    for (unsigned step = 0; step < 6000; step++) {
        one_step();
        if (step % 25 == 0 && vmsim_machine_check(m))
            fail_msg("step %u: %s", step, vmsim_machine_error(m));
    }
    for (unsigned i = 0; i < 4; i++) {
        if (storm.there[i])
            assert_int_equal(vmsim_task_exit(m, storm.task[i]), 0);
    }
    for (size_t i = 0; i < TEST_COUNT(groups); i++)
        uses(m, groups[i], 0, 0);
    assert_true(value(m, "/a", "hugetlb.2MB.events") > 0);
    idle_machine_end(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_those_of_the_pools),
        cmocka_unit_test(a_limit_refuses_faults_and_promises),
        cmocka_unit_test(who_takes_a_page_pays_for_it),
        cmocka_unit_test(shared_pages_are_paid_for_once),
        cmocka_unit_test(every_history_leaves_charges_and_contents_whole),
    };
    return cmocka_run_group_tests_name("cgroup_hugetlb", tests, NULL, NULL);
}
