/* SPDX-License-Identifier: MIT */
/* Mapped files from fault to write-out: cache/ and vm/ together, against what Linux 6.1 counted phase by phase for a
 * file of 256 pages on ext4, the same on tmpfs, and cold mappings of 512 pages. */
#include "vm_machine.h"

enum { N = 256 };

static struct vm_machine m;
static struct vmsim__mm *mm;
static struct vmsim__file *file;
static struct vm_snap before;

static void start_kernel(const char *kernel, enum vmsim__file_kind kind, uint64_t pages) {
    struct vm_machine_options o = {.kernel = kernel, .format = VMSIM__PT_X86_64, .thp = VMSIM__THP_NEVER};
    vmm_start(&m, &o);
    vmsim__cache_spec(m.cache)->device.optimal_io = 1280 << 10;
    mm = vmm_mm(&m);
    file = vmsim__file_create(m.cache, kind, "/f", pages * PG);
    vmm_snap(&m, mm, &before);
}

static void start(enum vmsim__file_kind kind, uint64_t pages) {
    start_kernel("6.1", kind, pages);
}

static void end(void) {
    vmsim__file_unlink(m.cache, file, 0);
    vmsim__file_put(m.cache, file, 0);
    vmsim__mm_put(mm, 0);
    vmm_end(&m);
}

static void map(uint64_t pages, unsigned prot, unsigned flags) {
    assert_int_equal(vmsim__mm_mmap(mm, BASE, pages * PG, prot, flags | VMSIM__MAP_FIXED_NOREPLACE, file, 0, 0), BASE);
}

struct phase {
    uint64_t min, maj, pgfault, pgmajfault, pgreuse, pgactivate, pgpgin, pgpgout;
    int64_t mapped, anon, file_pages, shmem, dirty, dirtied, written, inactive_file, active_file, inactive_anon,
        active_anon;
};

static void assert_phase(struct phase p) {
    static struct vm_snap now;
    vmm_snap(&m, mm, &now);
    vmm_check(&m);
#define EVENT(id, field) assert_int_equal(now.event[id] - before.event[id], p.field)
#define NODE(id, field) assert_int_equal(now.node[id] - before.node[id], p.field)
    assert_int_equal(now.min_flt - before.min_flt, p.min);
    assert_int_equal(now.maj_flt - before.maj_flt, p.maj);
    EVENT(VMSIM__PGFAULT, pgfault);
    EVENT(VMSIM__PGMAJFAULT, pgmajfault);
    EVENT(VMSIM__PGREUSE, pgreuse);
    EVENT(VMSIM__PGACTIVATE, pgactivate);
    EVENT(VMSIM__PGPGIN, pgpgin);
    EVENT(VMSIM__PGPGOUT, pgpgout);
    NODE(VMSIM__NR_MAPPED, mapped);
    NODE(VMSIM__NR_ANON_PAGES, anon);
    NODE(VMSIM__NR_FILE_PAGES, file_pages);
    NODE(VMSIM__NR_SHMEM, shmem);
    NODE(VMSIM__NR_DIRTY, dirty);
    NODE(VMSIM__NR_DIRTIED, dirtied);
    NODE(VMSIM__NR_WRITTEN, written);
    NODE(VMSIM__NR_INACTIVE_FILE, inactive_file);
    NODE(VMSIM__NR_ACTIVE_FILE, active_file);
    NODE(VMSIM__NR_INACTIVE_ANON, inactive_anon);
    NODE(VMSIM__NR_ACTIVE_ANON, active_anon);
#undef EVENT
#undef NODE
    before = now;
}
#define PHASE(...) assert_phase((struct phase){__VA_ARGS__})

static void touch(uint64_t pages, bool write) {
    vmm_touch(mm, BASE, pages, write);
}
static void unmap(uint64_t pages) {
    assert_int_equal(vmsim__mm_munmap(mm, BASE, pages * PG, 0), 0);
}
static void skip_phase(void) {
    vmm_snap(&m, mm, &before);
}

static void write_file(void) {
    for (uint64_t i = 0; i < N; i++)
        assert_int_equal(vmsim__file_write(m.cache, file, i * PG, PG, 0), PG);
}

/* The private part is the same on both file systems; every unmapping of read pages marks them accessed. */
static void private_phases(void) {
    map(N, RW, VMSIM__MAP_PRIVATE);
    touch(N, false);
    PHASE(.min = 16, .pgfault = 16, .mapped = N);
    touch(N, true);
    PHASE(.min = N, .pgfault = N, .mapped = -N, .anon = N, .inactive_anon = N);
    unmap(N);
    PHASE(.anon = -N, .inactive_anon = -N);
    map(N, RW, VMSIM__MAP_PRIVATE);
    touch(N, true);
    PHASE(.min = N, .pgfault = N, .anon = N, .inactive_anon = N);
    assert_int_equal(vmsim__mm_madvise(mm, BASE, N * PG, VMSIM__MADV_DONTNEED, 0), 0);
    touch(N, false);
    PHASE(.min = 16, .pgfault = 16, .anon = -N, .inactive_anon = -N, .mapped = N);
    unmap(N);
    skip_phase();
    map(N, RW, VMSIM__MAP_SHARED);
    touch(N, false);
    PHASE(.min = 16, .pgfault = 16, .mapped = N);
}

static void test_file_on_ext4_counts_as_in_linux(void **state) {
    (void)state;
    start(VMSIM__FILE_REGULAR, 0);
    write_file();
    PHASE(.file_pages = N, .inactive_file = N, .dirty = N, .dirtied = N);
    vmsim__file_sync(m.cache, file, 0, UINT64_MAX, 0);
    PHASE(.dirty = -N, .written = N, .pgpgout = 4 * N);
    private_phases();
    touch(N, true);
    PHASE(.min = N, .pgfault = N, .pgreuse = N, .dirty = N, .dirtied = N);
    vmsim__mm_msync(mm, BASE, N * PG, 4, 0);
    PHASE(.dirty = -N, .written = N, .pgpgout = 4 * N);
    touch(N, true);
    PHASE(.min = N, .pgfault = N, .pgreuse = N, .dirty = N, .dirtied = N);
    vmsim__mm_msync(mm, BASE, N * PG, 4, 0);
    unmap(N);
    PHASE(.dirty = -N, .written = N, .pgpgout = 4 * N, .mapped = -N, .pgactivate = N, .inactive_file = -N,
          .active_file = N);
    map(N, RW, VMSIM__MAP_SHARED);
    touch(N, true);
    PHASE(.min = N, .pgfault = N, .mapped = N, .dirty = N, .dirtied = N);
    vmsim__file_truncate(m.cache, file, N / 2 * PG, 0);
    assert_int_equal(vmm_access(mm, BASE + N / 2 * PG, false), VMSIM__FAULT_SIGBUS);
    PHASE(.pgfault = 1, .mapped = -N / 2, .file_pages = -N / 2, .active_file = -N / 2, .dirty = -N / 2);
    unmap(N);
    skip_phase();
    map(N / 2, VMSIM__PROT_READ, VMSIM__MAP_PRIVATE | VMSIM__MAP_POPULATE);
    PHASE(.min = 8, .pgfault = 8, .mapped = N / 2);
    unmap(N / 2);
    end();
}

static void test_file_on_tmpfs_counts_as_in_linux(void **state) {
    (void)state;
    start(VMSIM__FILE_SHMEM, 0);
    write_file();
    PHASE(.file_pages = N, .shmem = N, .inactive_anon = N);
    private_phases();
    touch(N, true);
    vmsim__mm_msync(mm, BASE, N * PG, 4, 0);
    touch(N, true);
    PHASE(0);
    unmap(N);
    PHASE(.mapped = -N);
    map(N, RW, VMSIM__MAP_SHARED);
    touch(N, true);
    PHASE(.min = N, .pgfault = N, .mapped = N);
    vmsim__file_truncate(m.cache, file, N / 2 * PG, 0);
    assert_int_equal(vmm_access(mm, BASE + N / 2 * PG, false), VMSIM__FAULT_SIGBUS);
    PHASE(.pgfault = 1, .mapped = -N / 2, .file_pages = -N / 2, .shmem = -N / 2, .active_anon = -N / 2);
    unmap(N);
    end();
}

struct cold {
    int advice;
    uint64_t pages, stride;
    unsigned flags;
    bool write;
    struct phase expected;
};

static void test_cold_mappings_fault_as_in_linux(void **state) {
    static const struct cold cases[] = {
        {-1,
         512,
         1,
         VMSIM__MAP_SHARED,
         false,
         {.min = 16,
          .maj = 17,
          .pgfault = 50,
          .pgmajfault = 1,
          .pgpgin = 2176,
          .mapped = 512,
          .file_pages = 544,
          .inactive_file = 544}},
        {1,
         512,
         1,
         VMSIM__MAP_SHARED,
         false,
         {.maj = 512,
          .pgfault = 1024,
          .pgmajfault = 512,
          .pgpgin = 2048,
          .mapped = 512,
          .file_pages = 512,
          .inactive_file = 512}},
        {2,
         512,
         1,
         VMSIM__MAP_SHARED,
         false,
         {.min = 15,
          .maj = 17,
          .pgfault = 49,
          .pgmajfault = 1,
          .pgpgin = 2176,
          .mapped = 512,
          .file_pages = 544,
          .inactive_file = 544}},
        {-1,
         512,
         64,
         VMSIM__MAP_SHARED,
         false,
         {.maj = 8,
          .pgfault = 16,
          .pgmajfault = 8,
          .pgpgin = 1024,
          .mapped = 121,
          .file_pages = 256,
          .inactive_file = 256}},
        {1,
         512,
         64,
         VMSIM__MAP_SHARED,
         false,
         {.maj = 8, .pgfault = 16, .pgmajfault = 8, .pgpgin = 32, .mapped = 8, .file_pages = 8, .inactive_file = 8}},
        {-1,
         64,
         1,
         VMSIM__MAP_PRIVATE,
         true,
         {.min = 61,
          .maj = 3,
          .pgfault = 67,
          .pgmajfault = 1,
          .pgpgin = 384,
          .anon = 64,
          .file_pages = 96,
          .inactive_file = 96,
          .inactive_anon = 64}},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        const struct cold *t = &cases[i];
        start(VMSIM__FILE_REGULAR, 4096);
        map(t->pages, t->write ? RW : VMSIM__PROT_READ, t->flags);
        if (t->advice >= 0)
            assert_int_equal(vmsim__mm_madvise(mm, BASE, t->pages * PG, t->advice, 0), 0);
        for (uint64_t p = 0; p < t->pages; p += t->stride)
            vmm_access(mm, BASE + p * PG, t->write);
        assert_phase(t->expected);
        unmap(t->pages);
        end();
    }
}

static void test_willneed_of_a_cold_mapping(void **state) {
    (void)state;
    start(VMSIM__FILE_REGULAR, 4096);
    map(512, VMSIM__PROT_READ, VMSIM__MAP_SHARED);
    assert_int_equal(vmsim__mm_madvise(mm, BASE, 512 * PG, VMSIM__MADV_WILLNEED, 0), 0);
    PHASE(.pgpgin = 1280, .file_pages = 320, .inactive_file = 320);
    unmap(512);
    end();
}

/* Fault-around finds 16 pages, six of them of the working set: evicted while active, and back. To 6.12 those are no
 * sign that reading ahead was good for anything. */
static void test_pages_of_the_working_set_do_not_speak_for_reading_ahead(void **state) {
    static const struct {
        const char *kernel;
        uint16_t left;
    } cases[] = {{"6.1", 50 - 16}, {"6.12", 50 - 10}};
    (void)state;
    for (size_t i = 0; i < VMSIM__COUNT(cases); i++) {
        start_kernel(cases[i].kernel, VMSIM__FILE_REGULAR, 64);
        map(64, VMSIM__PROT_READ, VMSIM__MAP_SHARED);
        struct vmsim__file_ra ra = {.ra_pages = 0};
        assert_int_equal(vmsim__file_read(m.cache, file, &ra, 0, 64 * PG, 0), 64 * PG);
        for (uint64_t page = 3; page < 9; page++)
            vmsim__frame_at(&m.mem->frames, vmsim__file_page(file, page))->flags |= VMSIM__FRAME_WORKINGSET;
        mm->first->opened->ra.mmap_miss = 50;
        assert_int_equal(vmm_touch(mm, BASE, 1, false), 1);
        assert_int_equal(mm->first->opened->ra.mmap_miss, cases[i].left);
        end();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_on_ext4_counts_as_in_linux),
        cmocka_unit_test(test_file_on_tmpfs_counts_as_in_linux),
        cmocka_unit_test(test_cold_mappings_fault_as_in_linux),
        cmocka_unit_test(test_pages_of_the_working_set_do_not_speak_for_reading_ahead),
        cmocka_unit_test(test_willneed_of_a_cold_mapping),
    };
    return cmocka_run_group_tests_name("cache_mapped", tests, NULL, NULL);
}
