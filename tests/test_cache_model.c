/* SPDX-License-Identifier: MIT */
/* The page cache against a model that is an array: which pages of which file are cached, dirty, and how large files
 * are, under random reads, writes, faults, truncations, holes, syncs, invalidations, with and without shortage. */
#include "cache_machine.h"

enum { FILES = 4, PAGES = 96, STEPS = 6000 };

struct model {
    struct vmsim__file *file;
    struct vmsim__file_ra ra;
    uint64_t size;
    bool dirty[PAGES * 2]; /* what must be written before it may be forgotten */
};

static struct cache_machine m;
static struct model files[FILES];

static bool regular(const struct model *f) {
    return f->file->kind == VMSIM__FILE_REGULAR;
}
static uint64_t pages_of(uint64_t bytes) {
    return (bytes + PAGE - 1) / PAGE;
}
static bool cached(const struct model *f, uint64_t index) {
    return vmsim__file_page(f->file, index) != VMSIM__PFN_NONE;
}

static void do_read(struct model *f, struct vmsim__rng *r, unsigned cpu) {
    uint64_t pos = vmsim__rng_below(r, PAGES * PAGE), count = 1 + vmsim__rng_below(r, 12 * PAGE);
    int64_t expected = pos >= f->size ? 0 : (int64_t)vmsim__min64(count, f->size - pos);
    assert_int_equal(vmsim__file_read(m.cache, f->file, &f->ra, pos, count, cpu), expected);
    for (uint64_t i = pos / PAGE; regular(f) && expected && i <= (pos + (uint64_t)expected - 1) / PAGE; i++)
        assert_true(cached(f, i));
}

static void do_write(struct model *f, struct vmsim__rng *r, unsigned cpu) {
    uint64_t pos = vmsim__rng_below(r, (PAGES - 16) * PAGE), count = 1 + vmsim__rng_below(r, 10 * PAGE);
    assert_int_equal(vmsim__file_write(m.cache, f->file, pos, count, cpu), count);
    f->size = vmsim__max64(f->size, pos + count);
    for (uint64_t i = pos / PAGE; i <= (pos + count - 1) / PAGE; i++) {
        assert_true(cached(f, i));
        f->dirty[i] = true;
    }
}

static void do_truncate(struct model *f, struct vmsim__rng *r, unsigned cpu) {
    uint64_t size = vmsim__rng_below(r, PAGES * PAGE);
    bool had = size % PAGE && size < f->size && cached(f, size / PAGE);
    bool on_disk = regular(f) && size / PAGE < pages_of(f->file->disk_size);
    assert_int_equal(vmsim__file_truncate(m.cache, f->file, size, cpu), 0);
    for (uint64_t i = pages_of(size); i < PAGES * 2; i++) {
        assert_false(cached(f, i));
        f->dirty[i] = false;
    }
    if (had || (size % PAGE && size < f->size && on_disk))
        f->dirty[size / PAGE] = true;
    f->size = size;
}

static void do_fault(struct model *f, struct vmsim__rng *r, unsigned cpu) {
    uint64_t index = vmsim__rng_below(r, PAGES);
    bool was_cached = cached(f, index);
    struct vmsim__page_fault out;
    enum vmsim__page_outcome outcome =
        cache_fault(&m, f->file, &f->ra, index, (enum vmsim__read_advice)vmsim__rng_below(r, 3), NULL, cpu, &out);
    assert_int_equal(outcome, index < pages_of(f->size) ? VMSIM__PAGE_OK : VMSIM__PAGE_SIGBUS);
    if (outcome != VMSIM__PAGE_OK)
        return;
    assert_int_equal(out.pfn, vmsim__file_page(f->file, index));
    assert_int_equal(out.major, regular(f) && !was_cached);
    assert_int_equal(out.created, !regular(f) && !was_cached);
    if (vmsim__rng_below(r, 2)) {
        vmsim__file_mkwrite(m.cache, f->file, out.pfn);
        f->dirty[index] = true;
    }
    vmsim__folio_put(m.lru, out.pfn, cpu);
}

static void do_sync(struct model *f, struct vmsim__rng *r, unsigned cpu) {
    uint64_t first = vmsim__rng_below(r, PAGES), end = first + vmsim__rng_below(r, PAGES), expected = 0;
    for (uint64_t i = first; regular(f) && i < end; i++) {
        expected += f->dirty[i];
        f->dirty[i] = false;
    }
    assert_int_equal(cache_sync_file(&m, f->file, first, end, cpu), expected);
}

static void do_drop(struct model *f, unsigned cpu) {
    vmsim__lru_drain_all(m.lru);
    vmsim__file_invalidate(m.cache, f->file, 0, UINT64_MAX, cpu);
    for (uint64_t i = 0; i < PAGES * 2; i++) {
        bool stays = cached(f, i);
        if (regular(f))
            assert_int_equal(stays, f->dirty[i]);
        else
            assert_true(stays || !f->dirty[i]);
    }
}

static void do_punch(struct model *f, struct vmsim__rng *r, unsigned cpu) {
    uint64_t first = vmsim__rng_below(r, PAGES), count = 1 + vmsim__rng_below(r, 20);
    assert_int_equal(vmsim__file_fallocate(m.cache, f->file, 3, first * PAGE, count * PAGE, cpu), 0);
    for (uint64_t i = first; i < first + count; i++) {
        assert_false(cached(f, i));
        f->dirty[i] = false;
    }
}

static void step(struct model *f, struct vmsim__rng *r) {
    unsigned cpu = (unsigned)vmsim__rng_below(r, CACHE_MACHINE_CPUS);
    switch (vmsim__rng_below(r, 16)) {
    case 0:
        do_truncate(f, r, cpu);
        break;
    case 1:
        do_punch(f, r, cpu);
        break;
    case 2:
        do_drop(f, cpu);
        break;
    case 3:
        do_sync(f, r, cpu);
        break;
    case 4:
        vmsim__file_fadvise(m.cache, f->file, &f->ra, 0, 0, (int)vmsim__rng_below(r, 4), cpu);
        break;
    case 5:
    case 6:
    case 7:
    case 8:
        do_write(f, r, cpu);
        break;
    case 9:
    case 10:
    case 11:
        do_fault(f, r, cpu);
        break;
    default:
        do_read(f, r, cpu);
        break;
    }
}

static void compare(void) {
    int64_t dirty = 0, pages = 0;
    for (unsigned i = 0; i < FILES; i++) {
        struct model *f = &files[i];
        assert_int_equal(f->file->size, f->size);
        pages += (int64_t)f->file->nrpages;
        for (uint64_t p = 0; p < PAGES * 2; p++) {
            if (f->dirty[p])
                assert_true(cached(f, p));
            dirty += regular(f) && f->dirty[p];
        }
    }
    assert_int_equal(node_stat(&m, VMSIM__NR_DIRTY), dirty);
    assert_int_equal(zone_stat(&m, VMSIM__NR_ZONE_WRITE_PENDING), dirty);
    assert_int_equal(node_stat(&m, VMSIM__NR_FILE_PAGES), pages);
    cache_machine_check(&m);
}

static void run(const char *kernel, const char *name) {
    struct vmsim__rng r = test_rng(name);
    cache_machine_start(&m, kernel, 2, 1024);
    for (unsigned i = 0; i < FILES; i++) {
        files[i] = (struct model){.size = i * 20 * PAGE + i};
        files[i].file =
            vmsim__file_create(m.cache, i % 2 ? VMSIM__FILE_SHMEM : VMSIM__FILE_REGULAR, NULL, files[i].size);
        vmsim__ra_init(m.cache, &files[i].ra);
    }
    for (unsigned n = 0; n < STEPS; n++) {
        step(&files[vmsim__rng_below(&r, FILES)], &r);
        if (n % 8 == 0)
            compare();
    }
    vmsim__cache_sync(m.cache, 0);
    assert_int_equal(node_stat(&m, VMSIM__NR_DIRTY), 0);
    for (unsigned i = 0; i < FILES; i++)
        vmsim__file_put(m.cache, files[i].file, 0);
    cache_machine_end(&m, true);
}

static void test_the_cache_agrees_with_an_array_6_1(void **state) {
    (void)state;
    run("6.1", "cache 6.1");
}
static void test_the_cache_agrees_with_an_array_6_12(void **state) {
    (void)state;
    run("6.12", "cache 6.12");
}

/* Frames come and go: calls may fail, the cache must not break, nothing may be lost at the end. */
static void test_shortage_at_random_leaves_a_sound_cache(void **state) {
    struct vmsim__rng r = test_rng("shortage");
    (void)state;
    cache_machine_start(&m, "6.1", 1, 100);
    struct vmsim__file *f = vmsim__file_create(m.cache, VMSIM__FILE_REGULAR, "/r", PAGES * PAGE);
    struct vmsim__file *s = vmsim__file_create(m.cache, VMSIM__FILE_SHMEM, "/s", PAGES * PAGE);
    struct vmsim__file_ra ra;
    struct vmsim__page_fault out;
    vmsim__ra_init(m.cache, &ra);
    unsigned refused = 0;
    for (unsigned n = 0; n < 20000; n++) {
        struct vmsim__file *g = vmsim__rng_below(&r, 2) ? f : s;
        uint64_t pos = vmsim__rng_below(&r, PAGES) * PAGE;
        switch (vmsim__rng_below(&r, 6)) {
        case 0:
            refused += vmsim__file_read(m.cache, g, &ra, pos, 8 * PAGE, 0) < 0;
            break;
        case 1:
            refused += vmsim__file_write(m.cache, g, pos, 3 * PAGE, 0) < 0;
            break;
        case 2:
            if (cache_fault(&m, g, &ra, pos / PAGE, 0, NULL, 0, &out) == VMSIM__PAGE_OK)
                vmsim__folio_put(m.lru, out.pfn, 0);
            else
                refused++;
            break;
        case 3:
            vmsim__file_fallocate(m.cache, g, 3, pos, PAGE * 5, 0);
            break;
        case 4:
            refused += vmsim__file_fallocate(m.cache, g, 0, pos, PAGE * 5, 0) < 0;
            break;
        default:
            vmsim__cache_sync(m.cache, 0);
            if (vmsim__rng_below(&r, 8) == 0)
                vmsim__cache_drop(m.cache, 0);
        }
        if (n % 64 == 0)
            cache_machine_check(&m);
    }
    assert_true(refused > 100);
    vmsim__file_unlink(m.cache, f, 0), vmsim__file_unlink(m.cache, s, 0);
    vmsim__file_put(m.cache, f, 0), vmsim__file_put(m.cache, s, 0);
    cache_machine_end(&m, true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_cache_agrees_with_an_array_6_1),
        cmocka_unit_test(test_the_cache_agrees_with_an_array_6_12),
        cmocka_unit_test(test_shortage_at_random_leaves_a_sound_cache),
    };
    return cmocka_run_group_tests_name("cache_model", tests, NULL, NULL);
}
