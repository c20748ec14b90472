/* SPDX-License-Identifier: MIT */
/* Reading, writing, syncing, truncating and dropping files, counter by counter as Linux 6.1 did it phase by phase. */
#include "cache_machine.h"
#include "lru/workingset.h"

static struct cache_machine m;
static struct vmsim__file *file;
static struct vmsim__file_ra ra;

/* Everything here was the same on 6.1 and 6.12: every test runs on both. */
static const char *kernel = "6.1";

static int use_6_1(void **state) {
    (void)state;
    kernel = "6.1";
    return 0;
}
static int use_6_12(void **state) {
    (void)state;
    kernel = "6.12";
    return 0;
}

static void start(enum vmsim__file_kind kind, uint64_t size) {
    cache_machine_start(&m, kernel, 1, 16384);
    file = vmsim__file_create(m.cache, kind, "/f", size);
    assert_non_null(file);
    vmsim__ra_init(m.cache, &ra);
}

static void end(void) {
    vmsim__file_unlink(m.cache, file, 0);
    vmsim__file_put(m.cache, file, 0);
    cache_machine_end(&m, true);
}

/* Counters of the cache after a drain, for differences. */
struct counters {
    int64_t file_pages, shmem, dirty, dirtied, written, pending, inactive_file, active_file, inactive_anon, active_anon;
    int64_t pgpgin, pgpgout, pgactivate, freed;
};

static struct counters count(void) {
    vmsim__lru_drain_all(m.lru);
    cache_machine_check(&m);
    return (struct counters){
        .file_pages = node_stat(&m, VMSIM__NR_FILE_PAGES),
        .shmem = node_stat(&m, VMSIM__NR_SHMEM),
        .dirty = node_stat(&m, VMSIM__NR_DIRTY),
        .dirtied = node_stat(&m, VMSIM__NR_DIRTIED),
        .written = node_stat(&m, VMSIM__NR_WRITTEN),
        .pending = zone_stat(&m, VMSIM__NR_ZONE_WRITE_PENDING),
        .inactive_file = node_stat(&m, VMSIM__NR_INACTIVE_FILE),
        .active_file = node_stat(&m, VMSIM__NR_ACTIVE_FILE),
        .inactive_anon = node_stat(&m, VMSIM__NR_INACTIVE_ANON),
        .active_anon = node_stat(&m, VMSIM__NR_ACTIVE_ANON),
        .pgpgin = (int64_t)event(&m, VMSIM__PGPGIN),
        .pgpgout = (int64_t)event(&m, VMSIM__PGPGOUT),
        .pgactivate = (int64_t)event(&m, VMSIM__PGACTIVATE),
        .freed = (int64_t)m.freed,
    };
}

static struct counters before;

/* The counters since the last call changed by exactly this; those not named did not change. */
static void assert_changed(struct counters expected) {
    struct counters now = count();
#define SAME(field) assert_int_equal(now.field - before.field, expected.field)
    SAME(file_pages), SAME(shmem), SAME(dirty), SAME(dirtied), SAME(written), SAME(pending);
    SAME(inactive_file), SAME(active_file), SAME(inactive_anon), SAME(active_anon);
    SAME(pgpgin), SAME(pgpgout), SAME(pgactivate), SAME(freed);
#undef SAME
    before = now;
}
#define CHANGED(...) assert_changed((struct counters){__VA_ARGS__})

static void read_all(uint64_t step) {
    for (uint64_t pos = 0; vmsim__file_read(m.cache, file, &ra, pos, step, 0) > 0; pos += step)
        ;
}

static void write_pages(uint64_t pages) {
    for (uint64_t i = 0; i < pages; i++)
        assert_int_equal(vmsim__file_write(m.cache, file, i * PAGE, PAGE, 0), PAGE);
}

static uint32_t xorshift(uint64_t *x) {
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return (uint32_t)(*x >> 16);
}

static void test_reading_cold_warm_and_advised_counts_as_in_linux(void **state) {
    (void)state;
    start(VMSIM__FILE_REGULAR, 4096 * PAGE);
    before = count();
    read_all(PAGE);
    CHANGED(.file_pages = 4096, .inactive_file = 4096, .pgpgin = 16384);
    read_all(PAGE);
    CHANGED(.inactive_file = -4096, .active_file = 4096, .pgactivate = 4096);
    read_all(PAGE);
    CHANGED(0);
    vmsim__file_fadvise(m.cache, file, &ra, 0, 0, 4, 0);
    CHANGED(.file_pages = -4096, .active_file = -4096, .freed = 4096);
    read_all(16 * PAGE);
    CHANGED(.file_pages = 4096, .inactive_file = 4096, .pgpgin = 16384);
    assert_int_equal(vmsim__cache_drop(m.cache, 0), 4096);
    CHANGED(.file_pages = -4096, .inactive_file = -4096, .freed = 4096);
    uint64_t x = UINT64_C(88172645463325252);
    for (unsigned i = 0; i < 200; i++)
        vmsim__file_read(m.cache, file, &ra, xorshift(&x) % 4096 * PAGE, PAGE, 0);
    CHANGED(.file_pages = 195, .inactive_file = 191, .active_file = 4, .pgpgin = 780, .pgactivate = 4);
    vmsim__cache_drop(m.cache, 0);
    CHANGED(.file_pages = -195, .inactive_file = -191, .active_file = -4, .freed = 195);
    assert_int_equal(event(&m, VMSIM__DROP_PAGECACHE), 2);
    end();
}

/* The metadata blocks of ext4 (bitmaps, inodes) are no pages of the file; the rest is as captured. */
static void test_writing_and_syncing_counts_as_in_linux(void **state) {
    (void)state;
    start(VMSIM__FILE_REGULAR, 0);
    before = count();
    write_pages(1024);
    CHANGED(.file_pages = 1024, .inactive_file = 1024, .dirty = 1024, .dirtied = 1024, .pending = 1024);
    assert_int_equal(cache_sync_file(&m, file, 0, UINT64_MAX, 0), 1024);
    CHANGED(.dirty = -1024, .pending = -1024, .written = 1024, .pgpgout = 4096);
    write_pages(1024);
    CHANGED(.dirty = 1024, .dirtied = 1024, .pending = 1024);
    vmsim__file_sync(m.cache, file, 0, UINT64_MAX, 0);
    CHANGED(.dirty = -1024, .pending = -1024, .written = 1024, .pgpgout = 4096);
    write_pages(512);
    CHANGED(.dirty = 512, .dirtied = 512, .pending = 512);
    vmsim__file_truncate(m.cache, file, 0, 0);
    CHANGED(.file_pages = -1024, .inactive_file = -1024, .dirty = -512, .pending = -512, .freed = 1024);
    write_pages(256);
    vmsim__file_sync(m.cache, file, 0, UINT64_MAX, 0);
    CHANGED(.file_pages = 256, .inactive_file = 256, .dirtied = 256, .written = 256, .pgpgout = 1024);
    vmsim__file_unlink(m.cache, file, 0);
    CHANGED(0); /* still open */
    vmsim__file_put(m.cache, file, 0);
    CHANGED(.file_pages = -256, .inactive_file = -256, .freed = 256);
    cache_machine_end(&m, true);
}

static void test_partial_write_of_a_cold_page_reads_it_first(void **state) {
    (void)state;
    start(VMSIM__FILE_REGULAR, 256 * PAGE);
    before = count();
    assert_int_equal(vmsim__file_write(m.cache, file, 5000, 100, 0), 100);
    CHANGED(.file_pages = 1, .inactive_file = 1, .dirty = 1, .dirtied = 1, .pending = 1, .pgpgin = 4);
    assert_int_equal(vmsim__file_write(m.cache, file, 256 * PAGE + 10, 100, 0), 100); /* beyond the end: no read */
    CHANGED(.file_pages = 1, .inactive_file = 1, .dirty = 1, .dirtied = 1, .pending = 1);
    assert_int_equal(file->size, 256 * PAGE + 110);
    vmsim__cache_sync(m.cache, 0);
    CHANGED(.dirty = -2, .pending = -2, .written = 2, .pgpgout = 8);
    end();
}

/* The phases of a file of 256 pages on ext4 that are the cache's: the mapping itself is played by the test. */
static void test_shared_mapping_dirties_each_page_once_per_write_out(void **state) {
    (void)state;
    start(VMSIM__FILE_REGULAR, 0);
    assert_true(vmsim__file_wants_mkwrite(file));
    write_pages(256);
    vmsim__file_sync(m.cache, file, 0, UINT64_MAX, 0);
    before = count();
    for (unsigned round = 0; round < 2; round++) {
        for (uint64_t i = 0; i < 256; i++)
            vmsim__file_mkwrite(m.cache, file, vmsim__file_page(file, i));
        for (uint64_t i = 0; i < 256; i++)
            vmsim__file_mkwrite(m.cache, file, vmsim__file_page(file, i));
        CHANGED(.dirty = 256, .dirtied = 256, .pending = 256);
        assert_int_equal(cache_sync_file(&m, file, 0, 256, 0), 256);
        CHANGED(.dirty = -256, .pending = -256, .written = 256, .pgpgout = 1024);
    }
    assert_int_equal(file->mkwrite_pages, 512);
    /* unmapping young entries: once makes them referenced, twice active */
    for (unsigned round = 0; round < 2; round++) {
        for (uint64_t i = 0; i < 256; i++)
            vmsim__lru_mark_accessed(m.lru, vmsim__file_page(file, i), 0);
    }
    CHANGED(.inactive_file = -256, .active_file = 256, .pgactivate = 256);
    for (uint64_t i = 0; i < 256; i++)
        vmsim__page_dirty(m.cache, vmsim__file_page(file, i));
    CHANGED(.dirty = 256, .dirtied = 256, .pending = 256);
    vmsim__file_truncate(m.cache, file, 128 * PAGE, 0);
    CHANGED(.file_pages = -128, .active_file = -128, .dirty = -128, .pending = -128, .freed = 128);
    struct vmsim__page_fault out;
    assert_int_equal(cache_fault(&m, file, &ra, 128, 0, NULL, 0, &out), VMSIM__PAGE_SIGBUS);
    end();
}

static void test_tmpfs_counts_as_in_linux(void **state) {
    struct vmsim__page_fault out;
    (void)state;
    start(VMSIM__FILE_SHMEM, 0);
    assert_false(vmsim__file_wants_mkwrite(file));
    before = count();
    write_pages(256);
    CHANGED(.file_pages = 256, .shmem = 256, .inactive_anon = 256);
    const struct vmsim__frame *f = vmsim__frame_at(&m.mem.frames, vmsim__file_page(file, 7));
    uint32_t expected = VMSIM__FRAME_REFERENCED | VMSIM__FRAME_DIRTY | VMSIM__FRAME_SWAPBACKED | VMSIM__FRAME_LRU;
    assert_int_equal(f->flags & ~VMSIM__FRAME_FILE, expected);
    assert_int_equal(cache_sync_file(&m, file, 0, UINT64_MAX, 0), 0);
    CHANGED(0);
    for (uint64_t i = 0; i < 256; i++) /* unmapping of young entries: referenced since write() */
        vmsim__lru_mark_accessed(m.lru, vmsim__file_page(file, i), 0);
    CHANGED(.inactive_anon = -256, .active_anon = 256, .pgactivate = 256);
    vmsim__file_truncate(m.cache, file, 128 * PAGE, 0);
    CHANGED(.file_pages = -128, .shmem = -128, .active_anon = -128, .freed = 128);
    assert_int_equal(vmsim__file_fallocate(m.cache, file, 3, 0, 64 * PAGE, 0), 0);
    CHANGED(.file_pages = -64, .shmem = -64, .active_anon = -64, .freed = 64);
    assert_int_equal(vmsim__file_read(m.cache, file, &ra, 0, 64 * PAGE, 0), 64 * PAGE); /* holes stay */
    CHANGED(0);
    assert_int_equal(cache_fault(&m, file, &ra, 3, 0, NULL, 0, &out), VMSIM__PAGE_OK);
    assert_true(out.created && !out.major);
    vmsim__folio_put(m.lru, out.pfn, 0);
    CHANGED(.file_pages = 1, .shmem = 1, .inactive_anon = 1);
    assert_int_equal(vmsim__file_fallocate(m.cache, file, 0, 0, 200 * PAGE, 0), 0);
    CHANGED(.file_pages = 63 + 72, .shmem = 63 + 72, .inactive_anon = 63 + 72);
    assert_int_equal(file->size, 200 * PAGE);
    end();
}

static void test_a_reader_of_small_pieces_marks_a_page_once(void **state) {
    (void)state;
    start(VMSIM__FILE_REGULAR, 8 * PAGE);
    before = count();
    read_all(512);
    CHANGED(.file_pages = 8, .inactive_file = 8, .pgpgin = 32);
    read_all(512);
    CHANGED(.inactive_file = -8, .active_file = 8, .pgactivate = 8);
    end();
}

static void test_holes_are_cleared_without_reading(void **state) {
    (void)state;
    start(VMSIM__FILE_REGULAR, 0);
    vmsim__file_truncate(m.cache, file, 64 * PAGE, 0);
    before = count();
    read_all(PAGE);
    CHANGED(.file_pages = 64, .inactive_file = 64);
    vmsim__file_truncate(m.cache, file, 10 * PAGE + 5, 0); /* page 10 is cached: its end is cleared */
    CHANGED(.file_pages = -53, .inactive_file = -53, .freed = 53, .dirty = 1, .dirtied = 1, .pending = 1);
    end();
}

static void test_nobody_pays_for_what_is_there_from_the_start(void **state) {
    (void)state;
    start(VMSIM__FILE_REGULAR, 64 * PAGE);
    struct vmsim__memcg *cg = vmsim__memcg_create(m.lru, vmsim__memcg_root(m.lru));
    m.mem.now.memcg = cg->id;
    assert_int_equal(vmsim__file_preload(m.cache, file, 0), 0);
    assert_int_equal(m.mem.now.memcg, cg->id);
    assert_int_equal(cg->memory.usage, 0);
    m.mem.now.memcg = VMSIM__MEMCG_ROOT;
    vmsim__memcg_remove(cg);
    end();
}

static void test_invalidation_passes_over_pages_in_use(void **state) {
    (void)state;
    start(VMSIM__FILE_REGULAR, 64 * PAGE);
    vmsim__file_preload(m.cache, file, 0);
    before = count();
    vmsim__pfn held = vmsim__file_page(file, 3), dirty = vmsim__file_page(file, 5);
    vmsim__folio_get(m.lru, held);
    vmsim__page_dirty(m.cache, dirty);
    assert_int_equal(vmsim__cache_drop(m.cache, 0), 62);
    CHANGED(.file_pages = -62, .inactive_file = -62, .freed = 62, .dirty = 1, .dirtied = 1, .pending = 1);
    assert_int_equal(event(&m, VMSIM__PGROTATED), 1); /* the clean one went to the tail */
    assert_int_equal(vmsim__lruvec_of_node(m.lru, 0)->list[VMSIM__LRU_INACTIVE_FILE].tail, held);
    assert_int_equal(vmsim__lruvec_of_node(m.lru, 0)->list[VMSIM__LRU_INACTIVE_FILE].head, dirty);
    assert_true(vmsim__frame_is(vmsim__frame_at(&m.mem.frames, dirty), VMSIM__FRAME_RECLAIM));
    vmsim__folio_put(m.lru, held, 0);
    end();
}

static void test_fadvise_dontneed_sends_dirty_pages_out_and_keeps_them(void **state) {
    (void)state;
    start(VMSIM__FILE_REGULAR, 64 * PAGE);
    vmsim__file_preload(m.cache, file, 0);
    vmsim__lru_drain_all(m.lru);
    for (uint64_t i = 10; i < 20; i++)
        vmsim__page_dirty(m.cache, vmsim__file_page(file, i));
    before = count();
    cache_machine_hold(&m);
    vmsim__file_fadvise(m.cache, file, &ra, 0, 0, 4, 0);
    assert_int_equal(node_stat(&m, VMSIM__NR_WRITEBACK), 10);
    cache_machine_deliver(&m, 0);
    CHANGED(.file_pages = -54, .inactive_file = -54, .freed = 54, .dirty = -10, .pending = -10, .written = 10,
            .pgpgout = 40);
    assert_int_equal(node_stat(&m, VMSIM__NR_WRITEBACK), 0);
    vmsim__file_fadvise(m.cache, file, &ra, 0, 0, 4, 0);
    CHANGED(.file_pages = -10, .inactive_file = -10, .freed = 10);
    vmsim__file_preload(m.cache, file, 0);
    before = count();
    vmsim__file_fadvise(m.cache, file, &ra, PAGE + 1, 3 * PAGE, 4, 0); /* pages 2 and 3 are whole */
    CHANGED(.file_pages = -2, .inactive_file = -2, .freed = 2);
    end();
}

/* The page is under writeback with new data in it when fsync comes, and again passed over by write-out that waits for
 * nobody, before fsync goes on. What becomes dirty while it waits is left alone. */
static void test_a_sync_that_waits_writes_what_was_dirty_and_nothing_else(void **state) {
    (void)state;
    start(VMSIM__FILE_REGULAR, 0);
    write_pages(10);
    cache_machine_hold(&m);
    assert_int_equal(vmsim__file_write_start(m.cache, file, 3, 4, 0), 1);
    vmsim__page_dirty(m.cache, vmsim__file_page(file, 3));
    assert_int_equal(vmsim__file_sync(m.cache, file, 2, 6, 0), -VMSIM__ERESTARTSYS);
    assert_int_equal(m.mem.now.wait.what, vmsim__file_page(file, 3));
    vmsim__page_dirty(m.cache, vmsim__file_page(file, 2)); /* it was sent */
    assert_int_equal(vmsim__file_write_start(m.cache, file, 3, 4, 0), 0);
    cache_machine_deliver(&m, 0);
    m.mem.now.wait.kind = VMSIM__WAIT_NONE;
    assert_int_equal(vmsim__file_sync(m.cache, file, 2, 6, 0), -VMSIM__ERESTARTSYS);
    cache_machine_deliver(&m, 0);
    m.mem.now.wait.kind = VMSIM__WAIT_NONE;
    assert_int_equal(vmsim__file_sync(m.cache, file, 2, 6, 0), 0);
    for (uint64_t i = 2; i < 6; i++)
        assert_int_equal(vmsim__radix_marked(&file->pages, i, VMSIM__MARK_DIRTY), i == 2);
    end();
}

/* Who waits for a page may be killed: no page may stand behind the file's end then, nor come back when it grows. */
static void test_a_truncation_that_waits_has_not_cut_the_file_yet(void **state) {
    (void)state;
    start(VMSIM__FILE_REGULAR, 0);
    write_pages(10);
    cache_machine_hold(&m);
    assert_int_equal(vmsim__file_write_start(m.cache, file, 6, 7, 0), 1);
    assert_int_equal(vmsim__file_truncate(m.cache, file, 4 * PAGE, 0), -VMSIM__ERESTARTSYS);
    assert_int_equal(m.mem.now.wait.what, vmsim__file_page(file, 6));
    assert_int_equal(file->size, 10 * PAGE);
    assert_int_equal(file->nrpages, 10);
    cache_machine_check(&m);
    cache_machine_deliver(&m, 0);
    m.mem.now.wait.kind = VMSIM__WAIT_NONE;
    assert_int_equal(vmsim__file_truncate(m.cache, file, 4 * PAGE, 0), 0);
    assert_int_equal(file->size, 4 * PAGE);
    assert_int_equal(file->nrpages, 4);
    cache_machine_check(&m);
    end();
}

struct hook_log {
    uint64_t first, last;
    unsigned unmaps, cleans;
    bool even_cows;
    uint64_t pages_then;
};
static void log_unmap(void *context, struct vmsim__file *f, uint64_t first, uint64_t last, bool even_cows,
                      unsigned cpu) {
    struct hook_log *log = context;
    (void)cpu;
    log->even_cows = even_cows;
    log->first = first;
    log->last = last;
    log->unmaps++;
    log->pages_then = f->nrpages;
}
static bool log_clean(void *context, struct vmsim__file *f, uint64_t index, vmsim__pfn pfn, unsigned cpu) {
    struct hook_log *log = context;
    (void)cpu;
    assert_int_equal(vmsim__file_page(f, index), pfn);
    log->cleans++;
    return true;
}

static void test_mapped_files_are_cleaned_before_writing_and_unmapped_before_truncation(void **state) {
    struct hook_log log = {0};
    const struct vmsim__cache_hooks hooks = {.context = &log, .mkclean = log_clean, .unmap = log_unmap};
    (void)state;
    start(VMSIM__FILE_REGULAR, 0);
    vmsim__cache_set_hooks(m.cache, &hooks);
    write_pages(10);
    file->mappings = &log;
    assert_int_equal(cache_sync_file(&m, file, 2, 6, 0), 4);
    assert_int_equal(log.cleans, 4);
    vmsim__file_fallocate(m.cache, file, 3, 3 * PAGE, 4 * PAGE, 0);
    assert_int_equal(log.first, 3);
    assert_int_equal(log.last, 6);
    assert_false(log.even_cows); /* private copies survive a hole, not the end of the file */
    assert_int_equal(log.pages_then, 10);
    vmsim__file_truncate(m.cache, file, 2 * PAGE, 0);
    assert_int_equal(log.first, 2);
    assert_int_equal(log.unmaps, 2);
    assert_true(log.even_cows);
    assert_int_equal(log.pages_then, 6);
    file->mappings = NULL;
    end();
}

static void test_pages_in_a_batch_survive_invalidation_until_drained(void **state) {
    (void)state;
    start(VMSIM__FILE_REGULAR, 10 * PAGE);
    vmsim__file_preload(m.cache, file, 1); /* ten pages wait in the batch of CPU 1 */
    assert_int_equal(vmsim__file_invalidate(m.cache, file, 0, UINT64_MAX, 0), 0);
    assert_int_equal(vmsim__cache_drop(m.cache, 0), 10);
    end();
}

static void evict(uint64_t index) {
    vmsim__pfn pfn = vmsim__file_page(file, index);
    assert_true(vmsim__lru_isolate(m.lru, pfn));
    vmsim__filemap_evict(m.cache, pfn, vmsim__workingset_eviction(m.lru, pfn, VMSIM__MEMCG_ROOT), 0);
    vmsim__folio_put(m.lru, pfn, 0);
    assert_int_equal(vmsim__file_page(file, index), VMSIM__PFN_NONE);
    cache_machine_check(&m);
}

/* An evicted page leaves a shadow, which readahead finds, a write of the whole page passes over, truncation drops. */
static void test_an_evicted_page_is_known_when_it_comes_again(void **state) {
    (void)state;
    start(VMSIM__FILE_REGULAR, 64 * PAGE);
    assert_int_equal(vmsim__file_preload(m.cache, file, 0), 0);
    vmsim__lru_drain_all(m.lru);
    for (uint64_t i = 10; i < 13; i++)
        evict(i);
    assert_int_equal(file->nrpages, 61);
    assert_int_equal(file->pages.count, 64);
    assert_int_equal(vmsim__file_write(m.cache, file, 11 * PAGE, PAGE, 0), PAGE);
    assert_int_equal(node_stat(&m, VMSIM__WORKINGSET_REFAULT_FILE), 0);
    assert_int_equal(vmsim__file_read(m.cache, file, &ra, 10 * PAGE, PAGE, 0), PAGE);
    assert_int_equal(node_stat(&m, VMSIM__WORKINGSET_REFAULT_FILE), 2); /* 12 came with it */
    assert_int_equal(file->nrpages, 64);
    evict(20);
    evict(3);
    assert_int_equal(vmsim__file_truncate(m.cache, file, 12 * PAGE, 0), 0);
    assert_int_equal(file->pages.count, 12);
    assert_int_equal(vmsim__file_invalidate(m.cache, file, 3, 4, 0), 1);
    assert_int_equal(file->pages.count, 11);
    cache_machine_check(&m);
    end();
}

static void test_ramfs_pages_are_unevictable(void **state) {
    (void)state;
    start(VMSIM__FILE_RAMFS, 32 * PAGE);
    assert_int_equal(vmsim__file_preload(m.cache, file, 0), 0);
    vmsim__lru_drain_all(m.lru);
    assert_int_equal(node_stat(&m, VMSIM__NR_UNEVICTABLE), 32);
    assert_int_equal(event(&m, VMSIM__UNEVICTABLE_PGS_CULLED), 32);
    read_all(PAGE);
    assert_int_equal(event(&m, VMSIM__PGPGIN), 0);
    end();
}

static void test_blocks_of_a_device_are_active_from_the_start(void **state) {
    (void)state;
    start(VMSIM__FILE_REGULAR, 64 * PAGE);
    file->blockdev = true;
    before = count();
    assert_int_equal(vmsim__file_read(m.cache, file, &ra, 3 * PAGE + 100, 40, 0), 40); /* no readahead */
    CHANGED(.file_pages = 1, .active_file = 1, .pgpgin = 4);
    assert_int_equal(vmsim__file_read(m.cache, file, &ra, 0, 8 * PAGE, 0), 8 * PAGE);
    CHANGED(.file_pages = 7, .active_file = 7, .pgpgin = 28);
    assert_int_equal(vmsim__blockdev_pages(m.cache), 8);
    end();
}

static void test_without_an_open_file_the_file_keeps_the_readahead_state(void **state) {
    struct vmsim__page_fault out;
    (void)state;
    start(VMSIM__FILE_REGULAR, 4096 * PAGE);
    for (uint64_t i = 0; i < 5; i++)
        assert_int_equal(vmsim__file_read(m.cache, file, NULL, i * PAGE, PAGE, 0), PAGE);
    assert_int_equal(file->nrpages, 28);
    assert_int_equal(vmsim__file_fadvise(m.cache, file, NULL, 0, 0, 1, 0), 0);
    assert_int_equal(vmsim__file_read(m.cache, file, NULL, 100 * PAGE, PAGE, 0), PAGE);
    assert_int_equal(file->nrpages, 29);
    assert_int_equal(cache_fault(&m, file, NULL, 200, VMSIM__READ_RANDOM, NULL, 0, &out), 0);
    vmsim__folio_put(m.lru, out.pfn, 0);
    vmsim__file_willneed(m.cache, file, NULL, 300, 10, 0);
    assert_int_equal(file->nrpages, 40);
    end();
}

static void test_device_files_have_no_pages(void **state) {
    struct vmsim__page_fault out;
    (void)state;
    start(VMSIM__FILE_DEVICE, 0);
    assert_int_equal(vmsim__file_read(m.cache, file, &ra, 5, 100, 0), 100);
    assert_int_equal(vmsim__file_write(m.cache, file, 5, 100, 0), 100);
    assert_int_equal(cache_fault(&m, file, &ra, 0, 0, NULL, 0, &out), VMSIM__PAGE_SIGBUS);
    assert_int_equal(file->nrpages, 0);
    end();
}

static void test_refused_calls_change_nothing(void **state) {
    (void)state;
    start(VMSIM__FILE_REGULAR, 10 * PAGE);
    vmsim__file_preload(m.cache, file, 0);
    before = count();
    assert_int_equal(vmsim__file_fallocate(m.cache, file, 0, 0, 0, 0), -22);
    assert_int_equal(vmsim__file_fallocate(m.cache, file, 0, UINT64_MAX, 2, 0), -22);
    assert_int_equal(vmsim__file_fallocate(m.cache, file, 2, 0, PAGE, 0), -95); /* a hole must keep the size */
    assert_int_equal(vmsim__file_fallocate(m.cache, file, 8, 0, PAGE, 0), -95);
    assert_int_equal(vmsim__file_write(m.cache, file, UINT64_MAX - 1, 10, 0), -22);
    assert_int_equal(vmsim__file_fadvise(m.cache, file, &ra, 0, 0, 6, 0), -22);
    assert_int_equal(vmsim__file_read(m.cache, file, &ra, 10 * PAGE, 1, 0), 0);
    assert_int_equal(vmsim__file_read(m.cache, file, &ra, 3, UINT64_MAX, 0), 10 * PAGE - 3);
    assert_int_equal(vmsim__file_write(m.cache, file, 3, 0, 0), 0);
    CHANGED(0);
    end();
}

static void test_holes_and_zeroed_ranges_clear_parts_of_pages(void **state) {
    (void)state;
    start(VMSIM__FILE_REGULAR, 10 * PAGE);
    vmsim__file_preload(m.cache, file, 0);
    before = count();
    assert_int_equal(vmsim__file_fallocate(m.cache, file, 3, PAGE + 100, 3 * PAGE, 0), 0);
    CHANGED(.file_pages = -2, .inactive_file = -2, .freed = 2, .dirty = 2, .dirtied = 2, .pending = 2);
    assert_int_equal(vmsim__file_fallocate(m.cache, file, 3, 6 * PAGE + 100, 200, 0), 0); /* inside one page */
    CHANGED(.dirty = 1, .dirtied = 1, .pending = 1);
    assert_int_equal(vmsim__file_fallocate(m.cache, file, 0x10, 8 * PAGE, 4 * PAGE, 0), 0);
    CHANGED(.file_pages = -2, .inactive_file = -2, .freed = 2);
    assert_int_equal(file->size, 12 * PAGE);
    assert_int_equal(vmsim__file_fallocate(m.cache, file, 1, 0, 40 * PAGE, 0), 0);
    assert_int_equal(file->size, 12 * PAGE);
    end();
}

static void test_paths_and_lifetimes(void **state) {
    (void)state;
    char path[32];
    struct vmsim__file *f[100];
    start(VMSIM__FILE_REGULAR, PAGE);
    assert_ptr_equal(vmsim__file_find(m.cache, "/f"), file);
    assert_null(vmsim__file_create(m.cache, VMSIM__FILE_SHMEM, "/f", 0));
    assert_int_equal(vmsim__cache_error(m.cache), 0);
    for (unsigned i = 0; i < 100; i++) {
        snprintf(path, sizeof path, "/d/%u", i);
        f[i] = vmsim__file_create(m.cache, VMSIM__FILE_REGULAR, i % 3 ? path : NULL, PAGE);
        assert_non_null(f[i]);
        assert_ptr_equal(vmsim__file_by_id(m.cache, f[i]->id), f[i]);
    }
    for (unsigned i = 0; i < 100; i += 2) {
        if (i % 3)
            vmsim__file_unlink(m.cache, f[i], 0);
        vmsim__file_put(m.cache, f[i], 0);
    }
    for (unsigned i = 0; i < 100; i++) {
        snprintf(path, sizeof path, "/d/%u", i);
        assert_ptr_equal(vmsim__file_find(m.cache, path), i % 2 && i % 3 ? f[i] : NULL);
    }
    struct vmsim__file *again = vmsim__file_create(m.cache, VMSIM__FILE_REGULAR, "/d/2", PAGE);
    assert_true(again->id <= 101); /* a freed id serves again */
    vmsim__file_unlink(m.cache, again, 0);
    vmsim__file_put(m.cache, again, 0);
    for (unsigned i = 1; i < 100; i += 2) {
        vmsim__file_put(m.cache, f[i], 0);
        if (i % 3)
            vmsim__file_unlink(m.cache, f[i], 0); /* outlived its last user */
    }
    end();
}

/* As the layer above places what the running task brings in. */
static vmsim__pfn alloc_by_policy(void *context, const struct vmsim__alloc_request *rq) {
    const struct vmsim__alloc_request *policy = context;
    struct vmsim__alloc_request mine = *rq;
    mine.node = policy->node;
    mine.nodemask = policy->nodemask;
    return vmsim__mem_alloc(&m.mem, &mine);
}

static void test_placement_follows_the_policy(void **state) {
    (void)state;
    uint64_t mask = 2;
    struct vmsim__alloc_request policy = {.node = 1, .nodemask = &mask};
    struct vmsim__page_fault out;
    cache_machine_start(&m, "6.1", 2, 1024);
    file = vmsim__file_create(m.cache, VMSIM__FILE_SHMEM, NULL, 64 * PAGE);
    vmsim__ra_init(m.cache, &ra);
    cache_fault(&m, file, &ra, 0, 0, &policy, 0, &out);
    assert_int_equal(out.pfn / 1024, 1);
    vmsim__folio_put(m.lru, out.pfn, 0);
    cache_fault(&m, file, &ra, 1, 0, NULL, 0, &out);
    assert_int_equal(out.pfn / 1024, 0);
    vmsim__folio_put(m.lru, out.pfn, 0);
    const struct vmsim__cache_hooks hooks = {.context = &policy, .alloc = alloc_by_policy};
    vmsim__cache_set_hooks(m.cache, &hooks);
    assert_int_equal(vmsim__file_write(m.cache, file, 2 * PAGE, PAGE, 0), PAGE);
    assert_int_equal(vmsim__file_page(file, 2) / 1024, 1);
    vmsim__file_put(m.cache, file, 0);
    cache_machine_end(&m, true);
}

/* One of everything; true when nothing failed. */
static bool everything(unsigned *steps) {
    struct vmsim__page_fault out;
    bool ok = vmsim__file_read(m.cache, file, &ra, 0, 40 * PAGE, 0) == 40 * PAGE;
    *steps += ok;
    ok = vmsim__file_write(m.cache, file, 70 * PAGE + 1, 3 * PAGE, 0) == 3 * PAGE && ok;
    ok = cache_fault(&m, file, &ra, 3000, 0, NULL, 0, &out) == VMSIM__PAGE_OK && ok;
    if (out.pfn != VMSIM__PFN_NONE)
        vmsim__folio_put(m.lru, out.pfn, 0);
    ok = vmsim__file_truncate(m.cache, file, 60 * PAGE + 7, 0) == 0 && ok;
    struct vmsim__file *s = vmsim__file_create(m.cache, VMSIM__FILE_SHMEM, "/shm", 10 * PAGE);
    if (!s)
        return false;
    ok = vmsim__file_fallocate(m.cache, s, 0, 0, 20 * PAGE, 0) == 0 && ok;
    ok = vmsim__file_preload(m.cache, s, 0) == 0 && ok;
    vmsim__file_unlink(m.cache, s, 0);
    vmsim__file_put(m.cache, s, 0);
    return ok;
}

static void test_failure_of_every_host_allocation_leaves_a_sound_cache(void **state) {
    (void)state;
    unsigned failures = 0;
    for (uint64_t n = 1;; n++, failures++) {
        unsigned steps = 0;
        start(VMSIM__FILE_REGULAR, 4096 * PAGE);
        vmsim__alloc_fail_after(m.alloc, n);
        bool ok = everything(&steps);
        vmsim__alloc_fail_after(m.alloc, UINT64_MAX);
        cache_machine_check(&m);
        assert_int_equal(vmsim__cache_error(m.cache), ok ? 0 : VMSIM_ENOMEM);
        end();
        if (ok)
            break;
    }
    assert_true(failures > 1);
}

static void test_failure_of_every_frame_allocation_leaves_a_sound_cache(void **state) {
    (void)state;
    unsigned failures = 0;
    for (uint64_t n = 0;; n++, failures++) {
        unsigned steps = 0;
        start(VMSIM__FILE_REGULAR, 4096 * PAGE);
        m.grants = n;
        bool ok = everything(&steps);
        cache_machine_check(&m);
        assert_int_equal(vmsim__cache_error(m.cache), 0);
        end();
        if (ok && n > 200)
            break;
    }
    assert_true(failures > 40);
}

static void test_creation_survives_failing_allocations(void **state) {
    (void)state;
    for (uint64_t n = 1; n < 9; n++) {
        cache_machine_start(&m, "6.1", 1, 64);
        const struct vmsim__kernel *k61 = vmsim__kernel_find("6.1");
        vmsim__alloc_fail_after(m.alloc, n);
        struct vmsim__cache *c = vmsim__cache_create(m.alloc, &m.mem, m.lru, k61, &m.spec);
        vmsim__alloc_fail_after(m.alloc, n);
        struct vmsim__lru *lru = vmsim__lru_create(m.alloc, &m.mem, k61, CACHE_MACHINE_CPUS);
        vmsim__alloc_fail_after(m.alloc, UINT64_MAX);
        assert_int_equal(c != NULL, n > 3);
        assert_int_equal(lru != NULL, n > 6);
        vmsim__cache_destroy(c);
        vmsim__lru_destroy(lru);
        cache_machine_end(&m, true);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reading_cold_warm_and_advised_counts_as_in_linux),
        cmocka_unit_test(test_writing_and_syncing_counts_as_in_linux),
        cmocka_unit_test(test_partial_write_of_a_cold_page_reads_it_first),
        cmocka_unit_test(test_shared_mapping_dirties_each_page_once_per_write_out),
        cmocka_unit_test(test_tmpfs_counts_as_in_linux),
        cmocka_unit_test(test_a_reader_of_small_pieces_marks_a_page_once),
        cmocka_unit_test(test_holes_are_cleared_without_reading),
        cmocka_unit_test(test_nobody_pays_for_what_is_there_from_the_start),
        cmocka_unit_test(test_invalidation_passes_over_pages_in_use),
        cmocka_unit_test(test_fadvise_dontneed_sends_dirty_pages_out_and_keeps_them),
        cmocka_unit_test(test_mapped_files_are_cleaned_before_writing_and_unmapped_before_truncation),
        cmocka_unit_test(test_pages_in_a_batch_survive_invalidation_until_drained),
        cmocka_unit_test(test_a_sync_that_waits_writes_what_was_dirty_and_nothing_else),
        cmocka_unit_test(test_a_truncation_that_waits_has_not_cut_the_file_yet),
        cmocka_unit_test(test_an_evicted_page_is_known_when_it_comes_again),
        cmocka_unit_test(test_ramfs_pages_are_unevictable),
        cmocka_unit_test(test_blocks_of_a_device_are_active_from_the_start),
        cmocka_unit_test(test_without_an_open_file_the_file_keeps_the_readahead_state),
        cmocka_unit_test(test_device_files_have_no_pages),
        cmocka_unit_test(test_refused_calls_change_nothing),
        cmocka_unit_test(test_holes_and_zeroed_ranges_clear_parts_of_pages),
        cmocka_unit_test(test_paths_and_lifetimes),
        cmocka_unit_test(test_placement_follows_the_policy),
        cmocka_unit_test(test_failure_of_every_host_allocation_leaves_a_sound_cache),
        cmocka_unit_test(test_failure_of_every_frame_allocation_leaves_a_sound_cache),
        cmocka_unit_test(test_creation_survives_failing_allocations),
    };
    return cmocka_run_group_tests_name("cache_files_6.1", tests, use_6_1, NULL) +
           cmocka_run_group_tests_name("cache_files_6.12", tests, use_6_12, NULL);
}
