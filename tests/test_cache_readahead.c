/* SPDX-License-Identifier: MIT */
/* Readahead windows, held against what Linux 6.1 and 6.12 cached after each read and each fault. */
#include "cache_machine.h"

struct step {
    uint64_t page;
    const char *cached;
};

static struct cache_machine m;
static struct vmsim__file *file;
static struct vmsim__file_ra ra;

static void start(const char *kernel, uint64_t pages) {
    cache_machine_start(&m, kernel, 1, 16384);
    file = vmsim__file_create(m.cache, VMSIM__FILE_REGULAR, "/f", pages * PAGE);
    vmsim__ra_init(m.cache, &ra);
}

static void end(void) {
    vmsim__file_unlink(m.cache, file, 0);
    vmsim__file_put(m.cache, file, 0);
    cache_machine_end(&m, true);
}

static void assert_cached(const char *expected) {
    char text[512];
    assert_string_equal(cached_pages(file, text, sizeof text), expected);
}

static void run(const char *kernel, int advice, const struct step *steps, size_t count) {
    start(kernel, 4096);
    assert_int_equal(vmsim__file_fadvise(m.cache, file, &ra, 0, 0, advice, 0), 0);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(vmsim__file_read(m.cache, file, &ra, steps[i].page * PAGE, PAGE, 0), PAGE);
        assert_cached(steps[i].cached);
    }
    end();
}
#define RUN(kernel, advice, ...)                                                                                       \
    do {                                                                                                               \
        static const struct step steps[] = {__VA_ARGS__};                                                              \
        run(kernel, advice, steps, TEST_COUNT(steps));                                                                 \
    } while (0)

static const char *const kernels[] = {"6.1", "6.12"};

static void test_sequential_reads_of_one_page_double_the_window(void **state) {
    (void)state;
    for (size_t k = 0; k < 2; k++)
        RUN(kernels[k], 0, {0, "0-3"}, {1, "0-11"}, {2, "0-11"}, {3, "0-11"}, {4, "0-27"}, {11, "0-27"}, {12, "0-59"},
            {20, "0-59"}, {24, "0-59"}, {28, "0-91"}, {32, "0-91"}, {56, "0-91"}, {60, "0-123"}, {63, "0-123"},
            {98, "0-123"});
}

static void test_random_reads_bring_one_page_until_a_stream_shows(void **state) {
    (void)state;
    for (size_t k = 0; k < 2; k++)
        RUN(kernels[k], 0, {1000, "1000-1000"}, {77, "77-77 1000-1000"}, {3000, "77-77 1000-1000 3000-3000"},
            {500, "77-77 500-500 1000-1000 3000-3000"}, {78, "77-78 500-500 1000-1000 3000-3000"},
            {79, "77-82 500-500 1000-1000 3000-3000"}, {80, "77-90 500-500 1000-1000 3000-3000"},
            {81, "77-90 500-500 1000-1000 3000-3000"});
}

static void test_fadvise_random_reads_what_is_asked(void **state) {
    (void)state;
    for (size_t k = 0; k < 2; k++)
        RUN(kernels[k], 1, {0, "0-0"}, {1, "0-1"}, {2, "0-2"}, {100, "0-2 100-100"}, {101, "0-2 100-101"},
            {102, "0-2 100-102"});
}

static void test_fadvise_sequential_doubles_the_largest_window(void **state) {
    (void)state;
    for (size_t k = 0; k < 2; k++)
        RUN(kernels[k], 2, {0, "0-3"}, {1, "0-11"}, {8, "0-11"}, {16, "0-11 16-16"}, {31, "0-11 16-16 31-31"},
            {32, "0-11 16-16 31-35"}, {48, "0-11 16-16 31-35 48-48"}, {63, "0-11 16-16 31-35 48-48 63-63"},
            {64, "0-11 16-16 31-35 48-48 63-67"}, {65, "0-11 16-16 31-35 48-48 63-75"},
            {100, "0-11 16-16 31-35 48-48 63-75 100-100"}, {128, "0-11 16-16 31-35 48-48 63-75 100-100 128-128"});
}

static void test_a_stream_may_begin_in_the_middle(void **state) {
    (void)state;
    for (size_t k = 0; k < 2; k++)
        RUN(kernels[k], 0, {100, "100-100"}, {101, "100-104"}, {102, "100-112"}, {104, "100-112"}, {105, "100-128"},
            {120, "100-128"}, {130, "100-128 130-130"}, {140, "100-128 130-130 140-140"});
}

static void test_reading_backward_is_random(void **state) {
    (void)state;
    for (size_t k = 0; k < 2; k++)
        RUN(kernels[k], 0, {200, "200-200"}, {199, "199-200"}, {198, "198-200"}, {195, "195-195 198-200"});
}

static void test_stride_two_continues_the_window_in_6_1_only(void **state) {
    (void)state;
    RUN("6.1", 0, {0, "0-3"}, {2, "0-3"}, {4, "0-27"}, {6, "0-27"}, {10, "0-27"}, {12, "0-59"}, {18, "0-59"});
    RUN("6.12", 0, {0, "0-3"}, {2, "0-3"}, {4, "0-7"}, {6, "0-7"}, {8, "0-11"}, {10, "0-11"}, {12, "0-15"},
        {14, "0-15"}, {16, "0-19"}, {18, "0-19"});
}

static void test_first_read_of_each_size(void **state) {
    static const struct {
        uint64_t pages;
        const char *cached;
    } first[] = {{1, "0-3"},   {2, "0-3"},   {4, "0-7"},   {8, "0-15"},   {16, "0-31"},
                 {31, "0-31"}, {32, "0-63"}, {33, "0-65"}, {64, "0-127"}, {128, "0-255"}};
    (void)state;
    for (size_t i = 0; i < 2 * TEST_COUNT(first); i++) {
        size_t n = i % TEST_COUNT(first);
        start(kernels[i / TEST_COUNT(first)], 4096);
        assert_int_equal(vmsim__file_read(m.cache, file, &ra, 0, first[n].pages * PAGE, 0), first[n].pages * PAGE);
        assert_cached(first[n].cached);
        end();
    }
}

static void test_first_fault_reads_around(void **state) {
    static const struct step faults[] = {{0, "0-31"},   {1, "0-31"},     {5, "0-31"},       {31, "15-46"},
                                         {32, "16-47"}, {100, "84-115"}, {1000, "984-1015"}};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(faults); i++) {
        struct vmsim__page_fault out;
        start("6.1", 4096);
        assert_int_equal(cache_fault(&m, file, &ra, faults[i].page, VMSIM__READ_NORMAL, NULL, 0, &out), VMSIM__PAGE_OK);
        assert_true(out.major && !out.created);
        assert_cached(faults[i].cached);
        vmsim__folio_put(m.lru, out.pfn, 0);
        end();
    }
}

/* What vm/ does at a read fault of a shared mapping: fault-around, the page itself, again after a retry. */
struct mapping {
    bool mapped[1024];
    unsigned faults, major, retries, entered; /* faults taken, pgmajfault, entered twice, pgfault */
};

static bool fault_around(struct mapping *map, uint64_t page) {
    uint64_t index = page & ~UINT64_C(15), last = index + 16, mapped = 0;
    for (; vmsim__file_next_mappable(m.cache, file, &index, last) != VMSIM__PFN_NONE; index++) {
        mapped += !map->mapped[index];
        map->mapped[index] = true;
    }
    vmsim__ra_mapped(&ra, mapped);
    return map->mapped[page];
}

static void touch(struct mapping *map, uint64_t page, enum vmsim__read_advice advice, bool write) {
    struct vmsim__page_fault out;
    enum vmsim__page_outcome o = VMSIM__PAGE_RETRY;
    if (map->mapped[page])
        return;
    map->faults++;
    while (o == VMSIM__PAGE_RETRY) {
        map->entered++;
        if (!write && fault_around(map, page))
            return;
        o = vmsim__file_fault(m.cache, file, &ra, page, advice, NULL, NULL, 0, &out);
        map->major += out.major;
        map->retries += o == VMSIM__PAGE_RETRY;
    }
    assert_int_equal(o, VMSIM__PAGE_OK);
    vmsim__folio_put(m.lru, out.pfn, 0);
    map->mapped[page] = true;
}

struct cold {
    const char *kernel;
    enum vmsim__read_advice advice;
    bool write;
    uint64_t pages, stride;
    unsigned faults, retries, major, entered;
    uint64_t cached, mapped;
};

static void test_cold_mapping_takes_the_faults_that_the_kernel_took(void **state) {
    static const struct cold cases[] = {
        {"6.1", VMSIM__READ_NORMAL, false, 512, 1, 33, 17, 1, 50, 544, 512},
        {"6.1", VMSIM__READ_RANDOM, false, 512, 1, 512, 512, 512, 1024, 512, 512},
        {"6.1", VMSIM__READ_SEQUENTIAL, false, 512, 1, 32, 17, 1, 49, 544, 512},
        {"6.1", VMSIM__READ_NORMAL, false, 512, 64, 8, 8, 8, 16, 256, 121},
        {"6.1", VMSIM__READ_RANDOM, false, 512, 64, 8, 8, 8, 16, 8, 8},
        {"6.1", VMSIM__READ_NORMAL, true, 64, 1, 64, 3, 1, 67, 96, 64},
        {"6.12", VMSIM__READ_NORMAL, false, 512, 1, 33, 17, 1, 50, 544, 512},
        {"6.12", VMSIM__READ_SEQUENTIAL, false, 512, 1, 32, 17, 1, 49, 544, 512},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        const struct cold *t = &cases[i];
        struct mapping map = {0};
        uint64_t mapped = 0;
        start(t->kernel, 4096);
        for (uint64_t page = 0; page < t->pages; page += t->stride)
            touch(&map, page, t->advice, t->write);
        for (size_t p = 0; p < TEST_COUNT(map.mapped); p++)
            mapped += map.mapped[p];
        vmsim__lru_drain_all(m.lru);
        assert_int_equal(map.faults, t->faults);
        assert_int_equal(map.retries, t->retries);
        assert_int_equal(map.major, t->major);
        assert_int_equal(map.entered, t->entered);
        assert_int_equal(mapped, t->mapped);
        assert_int_equal(node_stat(&m, VMSIM__NR_FILE_PAGES), t->cached);
        assert_int_equal(node_stat(&m, VMSIM__NR_INACTIVE_FILE), t->cached);
        assert_int_equal(event(&m, VMSIM__PGPGIN), t->cached * 4);
        end();
    }
}

static void test_read_around_stops_after_a_hundred_misses(void **state) {
    (void)state;
    start("6.1", 16384);
    struct vmsim__page_fault out;
    for (uint64_t i = 0; i < 101; i++) { /* no fault-around, no second entry: nothing counts in favour */
        assert_int_equal(vmsim__file_fault(m.cache, file, &ra, i * 128 + 64, VMSIM__READ_NORMAL, NULL, NULL, 0, &out),
                         VMSIM__PAGE_RETRY);
    }
    assert_int_equal(ra.mmap_miss, 101);
    assert_int_equal(file->nrpages, 100 * 32 + 1);
    end();
}

static void test_willneed_reads_what_the_device_likes(void **state) {
    (void)state;
    start("6.1", 4096);
    vmsim__file_willneed(m.cache, file, &ra, 0, 512, 0);
    assert_cached("0-319");
    assert_int_equal(event(&m, VMSIM__PGPGIN), 1280);
    end();
}

static void test_readahead_stops_at_the_end_of_the_file(void **state) {
    (void)state;
    start("6.1", 10);
    file->size -= 100;
    assert_int_equal(vmsim__file_read(m.cache, file, &ra, 0, 64 * PAGE, 0), 10 * PAGE - 100);
    assert_cached("0-9");
    assert_int_equal(vmsim__file_read(m.cache, file, &ra, 10 * PAGE, PAGE, 0), 0);
    end();
}

static void test_the_mark_counts_from_the_end_of_the_file(void **state) {
    struct vmsim__page_fault out;
    (void)state;
    start("6.1", 24); /* read-around of page 20 would be 4-35, marked at 28: 4-23, marked at 16 */
    assert_int_equal(cache_fault(&m, file, &ra, 20, VMSIM__READ_NORMAL, NULL, 0, &out), VMSIM__PAGE_OK);
    vmsim__folio_put(m.lru, out.pfn, 0);
    assert_cached("4-23");
    for (uint64_t i = 4; i < 24; i++)
        assert_int_equal(
            vmsim__frame_is(vmsim__frame_at(&m.mem.frames, vmsim__file_page(file, i)), VMSIM__FRAME_READAHEAD),
            i == 16);
    end();
    start("6.1",
          3); /* a window of 4 with a tail of 3: cut to 3, so that page 0 is marked and its reader takes the mark */
    assert_int_equal(vmsim__file_read(m.cache, file, &ra, 0, PAGE, 0), PAGE);
    assert_cached("0-2");
    for (uint64_t i = 0; i < 3; i++)
        assert_false(
            vmsim__frame_is(vmsim__frame_at(&m.mem.frames, vmsim__file_page(file, i)), VMSIM__FRAME_READAHEAD));
    end();
}

static void test_readahead_without_frames_stops_silently(void **state) {
    (void)state;
    start("6.1", 4096);
    m.grants = 2;
    assert_int_equal(vmsim__file_read(m.cache, file, &ra, 0, PAGE, 0), PAGE);
    assert_cached("0-1");
    m.grants = 0;
    assert_int_equal(vmsim__file_read(m.cache, file, &ra, 5 * PAGE, PAGE, 0), -12);
    cache_machine_check(&m);
    end();
}

static void test_no_read_ahead_reads_single_pages(void **state) {
    (void)state;
    start("6.1", 100);
    vmsim__cache_spec(m.cache)->read_ahead = 0;
    vmsim__ra_init(m.cache, &ra);
    assert_int_equal(vmsim__file_read(m.cache, file, &ra, 0, 3 * PAGE, 0), 3 * PAGE);
    assert_cached("0-2");
    end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sequential_reads_of_one_page_double_the_window),
        cmocka_unit_test(test_random_reads_bring_one_page_until_a_stream_shows),
        cmocka_unit_test(test_fadvise_random_reads_what_is_asked),
        cmocka_unit_test(test_fadvise_sequential_doubles_the_largest_window),
        cmocka_unit_test(test_a_stream_may_begin_in_the_middle),
        cmocka_unit_test(test_reading_backward_is_random),
        cmocka_unit_test(test_stride_two_continues_the_window_in_6_1_only),
        cmocka_unit_test(test_first_read_of_each_size),
        cmocka_unit_test(test_first_fault_reads_around),
        cmocka_unit_test(test_cold_mapping_takes_the_faults_that_the_kernel_took),
        cmocka_unit_test(test_read_around_stops_after_a_hundred_misses),
        cmocka_unit_test(test_willneed_reads_what_the_device_likes),
        cmocka_unit_test(test_readahead_stops_at_the_end_of_the_file),
        cmocka_unit_test(test_the_mark_counts_from_the_end_of_the_file),
        cmocka_unit_test(test_readahead_without_frames_stops_silently),
        cmocka_unit_test(test_no_read_ahead_reads_single_pages),
    };
    return cmocka_run_group_tests_name("cache_readahead", tests, NULL, NULL);
}
