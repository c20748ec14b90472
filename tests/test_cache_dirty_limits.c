/* SPDX-License-Identifier: MIT */
/* nr_dirty_threshold and nr_dirty_background_threshold under all settings of the captured machines.
 *
 * A capture gives the watermarks in force ("restored" rows), free pages, and both thresholds for each setting. The
 * reserve is summed here from the watermarks: that zones/ keeps the same sum is its own tests' affair. */
#include <glob.h>

#include "cache_machine.h"

static struct cache_machine m;

static void assert_limits(uint64_t thresh, uint64_t background) {
    uint64_t t, b;
    vmsim__dirty_limits(m.cache, &t, &b);
    assert_int_equal(t, thresh);
    assert_int_equal(b, background);
}

static void set(uint64_t ratio, uint64_t background_ratio, uint64_t bytes, uint64_t background_bytes) {
    struct vmsim__cache_spec *s = vmsim__cache_spec(m.cache);
    s->dirty_ratio = ratio;
    s->dirty_background_ratio = background_ratio;
    s->dirty_bytes = bytes;
    s->dirty_background_bytes = background_bytes;
}

static void test_limits_of_a_256_mib_machine(void **state) {
    (void)state;
    cache_machine_start(&m, "6.1", 1, 16);
    int64_t *free = &m.mem.zones[0].stat[VMSIM__NR_FREE_PAGES],
            *file = &m.mem.zones[0].stat[VMSIM__NR_ZONE_ACTIVE_FILE];
    *free = 45976;
    m.mem.totalreserve = 862;
    set(20, 10, 0, 0);
    assert_limits(9020, 4504);
    set(10, 50, 0, 0); /* the background limit stays below the limit */
    assert_limits(4504, 2252);
    set(20, 10, 8 << 20, 4 << 20);
    assert_limits(2048, 1024);
    set(20, 10, 8193, 4097); /* bytes are rounded up to pages */
    assert_limits(3, 2);
    set(100, 10, 0, 0);
    *free = 500; /* nothing above the reserve: file pages alone */
    *file = 100;
    assert_limits(101, 10);
    *free = 16;
    *file = 0;
    cache_machine_end(&m, true);
}

static void test_highmem_is_not_dirtyable(void **state) {
    (void)state;
    cache_machine_start(&m, "6.1", 2, 1000);
    m.mem.zones[1].type = VMSIM__ZONE_HIGHMEM;
    assert_int_equal(vmsim__dirtyable_memory(m.cache), 1001);
    m.mem.nodes[1].totalreserve = 100;
    set(20, 10, 0, 0);
    m.mem.nodes[1].stat[VMSIM__NR_DIRTY] = 180; /* 20 % of 900 */
    assert_true(vmsim__node_dirty_ok(m.cache, 1));
    m.mem.nodes[1].stat[VMSIM__NR_DIRTY] = 181;
    assert_false(vmsim__node_dirty_ok(m.cache, 1));
    m.mem.nodes[1].stat[VMSIM__NR_DIRTY] = 0;
    cache_machine_end(&m, true);
}

/* Adds a zone's row to the reserve: its high watermark and its largest protection, no more than it has. */
static uint64_t reserve_of_row(const char *line) {
    unsigned long long high, managed, protection = 0;
    const char *at = strstr(line, "high="), *man = strstr(line, "managed="), *prot = strstr(line, "prot=(");
    assert_true(at && man && prot);
    assert_int_equal(sscanf(at, "high=%llu", &high), 1);
    assert_int_equal(sscanf(man, "managed=%llu", &managed), 1);
    for (prot += 6; *prot && *prot != ')'; prot += *prot == ',') {
        char *end;
        unsigned long long p = strtoull(prot, &end, 10);
        protection = p > protection ? p : protection;
        prot = end;
    }
    return vmsim__min64(high + protection, managed);
}

static void check_row(const char *line) {
    unsigned long long ratio = 20, background = 10, free, inactive, active, thresh, bg;
    bool bytes = !strncmp(line, "dirty_bytes", 11);
    const char *counts = strstr(line, "nr_free_pages=");
    if (!bytes)
        assert_int_equal(sscanf(line, "dirty_ratio=%llu,bg=%llu", &ratio, &background), 2);
    assert_int_equal(sscanf(counts,
                            "nr_free_pages=%llu nr_zone_inactive_file=%llu nr_zone_active_file=%llu "
                            "nr_dirty_threshold=%llu nr_dirty_background_threshold=%llu",
                            &free, &inactive, &active, &thresh, &bg),
                     5);
    m.mem.zones[0].stat[VMSIM__NR_FREE_PAGES] = (int64_t)free;
    m.mem.zones[0].stat[VMSIM__NR_ZONE_INACTIVE_FILE] = (int64_t)inactive;
    m.mem.zones[0].stat[VMSIM__NR_ZONE_ACTIVE_FILE] = (int64_t)active;
    set(ratio, background, bytes ? 8 << 20 : 0, bytes ? 4 << 20 : 0);
    assert_limits(thresh, bg);
}

/* Returns how many settings were compared. */
static unsigned check_capture(const char *path) {
    char *text = test_read_file(path, NULL), *rest = text;
    unsigned rows = 0;
    cache_machine_start(&m, "6.1", 1, 16);
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        if (!strncmp(line, "restored ", 9)) {
            m.mem.totalreserve += reserve_of_row(line);
        } else if (!strncmp(line, "dirty_", 6)) {
            check_row(line);
            rows++;
        }
    }
    m.mem.zones[0].stat[VMSIM__NR_FREE_PAGES] = 16;
    m.mem.zones[0].stat[VMSIM__NR_ZONE_INACTIVE_FILE] = m.mem.zones[0].stat[VMSIM__NR_ZONE_ACTIVE_FILE] = 0;
    cache_machine_end(&m, true);
    free(text);
    return rows;
}

static void test_limits_of_all_captured_machines(void **state) {
    glob_t found;
    unsigned rows = 0;
    (void)state;
    if (glob(VMSIM_SOURCE_DIR "/../shared/groundtruth/qemu/*/*/sweep.txt", 0, NULL, &found)) {
        print_message("no captures here\n");
        skip();
    }
    for (size_t i = 0; i < found.gl_pathc; i++)
        rows += check_capture(found.gl_pathv[i]);
    globfree(&found);
    print_message("%u settings compared\n", rows);
    assert_true(rows > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits_of_a_256_mib_machine),
        cmocka_unit_test(test_highmem_is_not_dirtyable),
        cmocka_unit_test(test_limits_of_all_captured_machines),
    };
    return cmocka_run_group_tests_name("cache_dirty_limits", tests, NULL, NULL);
}
