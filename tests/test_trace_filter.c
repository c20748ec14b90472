/* SPDX-License-Identifier: MIT */
/* What of a program's references is recorded: kinds, pages, marks, samples, against what each says of itself. */
#include "helpers.h"

#include "trace/filter.h"

enum { COUNT = 40000, PAGES = 300, CACHE = 64 };

static vmsim_access word(uint64_t page, enum vmsim_access_type type) {
    return (page << 12 | 64) << 7 | 3 << 2 | (uint64_t)type;
}

/* A program's walk over pages: mostly where it was, at times elsewhere. */
static void walk(vmsim_access *words) {
    struct vmsim__rng r = test_rng("walk over pages");
    uint64_t page = 1;

    for (unsigned i = 0; i < COUNT; i++) {
        const uint64_t dice = vmsim__rng_below(&r, 100);
        page = dice < 70   ? page
               : dice < 95 ? 1 + (page + vmsim__rng_below(&r, 6)) % PAGES
                           : 1 + vmsim__rng_below(&r, PAGES);
        words[i] = word(page, (enum vmsim_access_type)vmsim__rng_below(&r, 4));
    }
}

static size_t filtered(const struct vmsim_record_options *o, const vmsim_access *words, size_t count, vmsim_access *to,
                       unsigned event_every) {
    struct vmsim__alloc *a = test_alloc();
    struct vmsim__filter f;
    size_t total = 0;
    assert_int_equal(vmsim__filter_init(&f, a, o, 100), 0);
    for (size_t at = 0; at < count;) {
        const vmsim_access *p = words + at;
        size_t n = count - at < 100 ? count - at : 100;
        at += n;
        assert_int_equal(vmsim__filter_words(&f, 3, &p, &n), 0);
        memcpy(to + total, p, n * sizeof *p);
        total += n;
        if (event_every && at / 100 % event_every == 0)
            vmsim__filter_event(&f, &(struct vmsim_trace_event){.type = VMSIM_TRACE_MUNMAP});
    }
    assert_int_equal(f.seen, count);
    assert_int_equal(f.written, total);
    vmsim__filter_fini(&f);
    test_alloc_end(a);
    return total;
}

/* Misses of an LRU cache of CACHE pages. */
static unsigned misses(const vmsim_access *words, size_t count) {
    uint64_t lru[CACHE] = {0};
    unsigned n = 0;
    for (size_t i = 0; i < count; i++) {
        const uint64_t page = vmsim_access_va(words[i]) >> 12;
        unsigned at = 0;
        while (at < CACHE - 1 && lru[at] != page)
            at++;
        n += lru[at] != page;
        memmove(lru + 1, lru, at * sizeof *lru);
        lru[0] = page;
    }
    return n;
}

/* First references and first stores of all pages, in their order. */
static size_t firsts(const vmsim_access *words, size_t count, uint64_t *list) {
    bool used[PAGES + 2][2] = {{0}};
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        const uint64_t page = vmsim_access_va(words[i]) >> 12;
        const bool store = words[i] & VMSIM_STORE;
        if (!used[page][0] || (store && !used[page][1]))
            list[n++] = page << 1 | store;
        used[page][0] = true;
        used[page][1] |= store;
    }
    return n;
}

static void by_page_the_pages_that_are_used_stay_the_same(void **state) {
    static vmsim_access words[COUNT], kept[COUNT];
    static uint64_t before[COUNT], after[COUNT];
    const struct vmsim_record_options o = {.size = sizeof o, .page_level = true};
    (void)state;
    walk(words);
    const size_t n = filtered(&o, words, COUNT, kept, 0);
    assert_true(n < COUNT / 2);
    const size_t count = firsts(words, COUNT, before);
    assert_int_equal(firsts(kept, n, after), count);
    assert_memory_equal(before, after, count * sizeof *before);
    const unsigned whole = misses(words, COUNT), part = misses(kept, n);
    assert_in_range(part, whole - whole / 50, whole + whole / 50);
}

/* What is mapped may be another page after a call. */
static void an_event_makes_every_page_new(void **state) {
    const vmsim_access words[] = {word(5, VMSIM_LOAD), word(5, VMSIM_LOAD)};
    const struct vmsim_record_options o = {.size = sizeof o, .page_level = true};
    vmsim_access kept[200], many[200];
    (void)state;
    assert_int_equal(filtered(&o, words, 2, kept, 0), 1);
    for (unsigned i = 0; i < 200; i++)
        many[i] = words[0];
    assert_int_equal(filtered(&o, many, 200, kept, 1), 2);
    many[50] = word(5, VMSIM_RMW); /* the first store is news */
    many[60] = word(5, VMSIM_STORE);
    many[70] = word(5, VMSIM_FETCH); /* and so is the first fetch */
    assert_int_equal(filtered(&o, many, 200, kept, 0), 3);
    many[80] = (UINT64_C(5) << 12 | 4092) << 7 | (uint64_t)vmsim_access_size_code(8)
                                                     << 2; /* reaches into the next page */
    assert_int_equal(filtered(&o, many, 200, kept, 0), 4);
}

static void kinds_and_numbers_are_kept_as_asked(void **state) {
    static vmsim_access words[COUNT], kept[COUNT];
    struct vmsim_record_options o = {.size = sizeof o, .only = VMSIM_RECORD_DATA};
    size_t fetches = 0;
    (void)state;
    walk(words);
    for (unsigned i = 0; i < COUNT; i++)
        fetches += vmsim_access_kind(words[i]) == VMSIM_FETCH;
    assert_int_equal(filtered(&o, words, COUNT, kept, 0), COUNT - fetches);
    o.only = VMSIM_RECORD_CODE;
    assert_int_equal(filtered(&o, words, COUNT, kept, 0), fetches);
    o = (struct vmsim_record_options){.size = sizeof o, .from = "1000", .to = "1500"};
    assert_int_equal(filtered(&o, words, COUNT, kept, 0), 500);
    assert_memory_equal(kept, words + 1000, 500 * sizeof *kept);
    o = (struct vmsim_record_options){.size = sizeof o};
    assert_int_equal(filtered(&o, words, COUNT, kept, 0), COUNT);
    assert_memory_equal(kept, words, sizeof words);
}

static size_t after_mark(struct vmsim__filter *f, const char *name) {
    const vmsim_access words[2] = {word(1, VMSIM_LOAD), word(2, VMSIM_LOAD)}, *p = words;
    size_t n = 2;
    vmsim__filter_event(f, &(struct vmsim_trace_event){.type = VMSIM_TRACE_MARKER, .path = name});
    assert_int_equal(vmsim__filter_words(f, 0, &p, &n), 0);
    return n;
}

static void marks_begin_and_end_what_is_recorded(void **state) {
    struct vmsim__alloc *a = test_alloc();
    const struct vmsim_record_options o = {.size = sizeof o, .from = "load", .to = "3rd"};
    struct vmsim__filter f;
    (void)state;
    assert_int_equal(vmsim__filter_init(&f, a, &o, 2), 0);
    assert_int_equal(after_mark(&f, "start"), 0);
    assert_int_equal(after_mark(&f, "load"), 2);
    assert_int_equal(after_mark(&f, "loads"), 2);
    assert_int_equal(after_mark(&f, "3rd"), 0);
    assert_int_equal(after_mark(&f, "load"), 2); /* a loop of the program */
    vmsim__filter_fini(&f);
    test_alloc_end(a);
}

static void a_sample_is_whole_in_its_windows(void **state) {
    enum { MILLION = 1000000 };
    static vmsim_access words[3 * MILLION], kept[3 * MILLION];
    const struct vmsim_record_options o = {.size = sizeof o, .sample = 2};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(words); i++)
        words[i] = word(1 + i / 1000, VMSIM_LOAD);
    assert_int_equal(filtered(&o, words, TEST_COUNT(words), kept, 0), 2 * MILLION + 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_page_the_pages_that_are_used_stay_the_same),
        cmocka_unit_test(an_event_makes_every_page_new),
        cmocka_unit_test(kinds_and_numbers_are_kept_as_asked),
        cmocka_unit_test(marks_begin_and_end_what_is_recorded),
        cmocka_unit_test(a_sample_is_whole_in_its_windows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
