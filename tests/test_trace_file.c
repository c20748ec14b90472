/* SPDX-License-Identifier: MIT */
/* Trace files: round trips, seeking, and what happens to files that are cut, damaged or no traces at all. */
#include "trace_sample.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { MAX_ITEMS = 4000, MAX_WORDS = 200000 };

/* A trace as a flat list, to compare with: one entry a reference or event. */
struct record {
    uint32_t task;
    bool event;
    vmsim_access word;
    struct vmsim_trace_event what;
};
struct model {
    struct record *at;
    size_t count;
    uint64_t references;
};

static void model_add(struct model *m, struct record r) {
    if ((m->count & (m->count - 1)) == 0)
        m->at = realloc(m->at, (m->count ? 2 * m->count : 1) * sizeof *m->at);
    m->references += !r.event;
    m->at[m->count++] = r;
}

/* Writes a random trace of `words` references and remembers it. */
static struct model write_sample(const char *path, uint64_t seed, size_t words, uint32_t block) {
    struct vmsim__rng rng;
    struct model m = {0};
    struct vmsim_trace_writer *w;
    char error[256];
    uint32_t files = 0;
    vmsim_access *all = malloc((words + 1) * sizeof *all);
    const struct vmsim_trace_options o = {
        .size = sizeof o, .block_refs = block, .source = "test", .program = "p", .arguments = "p 'a b'"};
    vmsim__rng_seed(&rng, seed);
    sample_words(&rng, all, words);
    assert_int_equal(vmsim_trace_create(path, &o, &w), 0);
    for (size_t at = 0; at < words;) {
        uint32_t task = (uint32_t)vmsim__rng_below(&rng, 3);
        size_t n = vmsim__rng_below(&rng, 3) ? vmsim__rng_below(&rng, 20) : vmsim__rng_below(&rng, 3000);
        n = n < words - at ? n : words - at;
        assert_int_equal(vmsim_trace_append(w, task, all + at, n), 0);
        for (size_t i = 0; i < n; i++)
            model_add(&m, (struct record){.task = task, .word = all[at + i]});
        at += n;
        if (vmsim__rng_below(&rng, 2)) {
            struct vmsim_trace_event e = sample_event(&rng, &files);
            assert_int_equal(vmsim_trace_append_event(w, task, &e), 0);
            model_add(&m, (struct record){.task = task, .event = true, .what = e});
        }
    }
    assert_int_equal(vmsim_trace_finish(w, error, sizeof error), 0);
    free(all);
    return m;
}

static void assert_same_event(const struct vmsim_trace_event *a, const struct vmsim_trace_event *b) {
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->file, b->file);
    assert_memory_equal(a->args, b->args, sizeof a->args);
    assert_true(a->result == b->result);
    assert_int_equal(!a->path, !b->path);
    if (a->path)
        assert_string_equal(a->path, b->path);
}

/* Reads on to the end and compares with the model from entry `at` on. */
static void assert_reads(struct vmsim_trace_reader *r, const struct model *m, size_t at) {
    struct vmsim_trace_item item;
    int got;
    uint64_t index = 0;
    for (size_t i = 0; i < at; i++)
        index += !m->at[i].event;
    while ((got = vmsim_trace_next(r, &item)) == 1) {
        assert_true(item.index == index);
        assert_true(at < m->count && m->at[at].task == item.task);
        if (item.event) {
            assert_true(m->at[at].event);
            assert_same_event(item.event, &m->at[at++].what);
            continue;
        }
        assert_true(item.count > 0);
        for (size_t i = 0; i < item.count; i++, at++)
            assert_true(at < m->count && !m->at[at].event && m->at[at].task == item.task &&
                        m->at[at].word == item.accesses[i]);
        index += item.count;
    }
    assert_int_equal(got, 0);
    assert_int_equal(at, m->count);
}

static void a_trace_reads_back_as_written(void **state) {
    (void)state;
    for (unsigned round = 0; round < 12; round++) {
        struct model m = write_sample("round.vmt", sample_seed() + round, round * 4000, round % 2 ? 1000 : 0);
        for (unsigned flags = 0; flags < 2; flags++) {
            struct vmsim_trace_reader *r;
            assert_int_equal(vmsim_trace_open("round.vmt", flags, &r), 0);
            assert_true(vmsim_trace_get_info(r)->complete);
            assert_true(vmsim_trace_get_info(r)->references == m.references);
            assert_string_equal(vmsim_trace_get_info(r)->arguments, "p 'a b'");
            assert_reads(r, &m, 0);
            vmsim_trace_close(r);
        }
        assert_int_equal(access("round.vmt.part", F_OK), -1);
        free(m.at);
    }
}

static void seeking_goes_on_with_that_reference(void **state) {
    (void)state;
    struct vmsim__rng rng;
    struct model m = write_sample("seek.vmt", sample_seed(), 30000, 1000);
    struct vmsim_trace_reader *r;
    vmsim__rng_seed(&rng, sample_seed());
    for (unsigned flags = 0; flags < 2; flags++) {
        assert_int_equal(vmsim_trace_open("seek.vmt", flags, &r), 0);
        for (unsigned i = 0; i < 30; i++) {
            uint64_t index = i ? 1 + vmsim__rng_below(&rng, m.references - 1) : 0, seen = 0;
            size_t at = 0;
            struct vmsim_trace_item item;
            while (seen < index)
                seen += !m.at[at++].event;
            while (at < m.count && m.at[at].event && index)
                at++; /* events just before it may come or not: look at references only */
            assert_int_equal(vmsim_trace_seek(r, index), 0);
            do
                assert_int_equal(vmsim_trace_next(r, &item), 1);
            while (item.event);
            assert_true(item.index == index);
            if (index)
                assert_true(item.accesses[0] == m.at[at].word && item.task == m.at[at].task);
        }
        assert_int_equal(vmsim_trace_seek(r, m.references + 1), VMSIM_EINVAL);
        assert_int_equal(vmsim_trace_seek(r, 0), 0);
        assert_reads(r, &m, 0);
        vmsim_trace_close(r);
    }
    free(m.at);
}

/* Reads all of a file that may be damaged: how many references, and whether an error or incompleteness was told. */
static uint64_t read_anything(const char *path, bool *told) {
    struct vmsim_trace_reader *r;
    struct vmsim_trace_item item;
    uint64_t references = 0;
    int err = vmsim_trace_open(path, 0, &r), got = 0;
    while (!err && (got = vmsim_trace_next(r, &item)) == 1)
        references += item.count;
    *told = err || got < 0 || !vmsim_trace_get_info(r)->complete;
    if (*told)
        assert_non_null(strstr(vmsim_trace_reader_error(r), path));
    vmsim_trace_close(r);
    return references;
}

static void a_file_cut_anywhere_is_told_and_read_to_the_last_whole_block(void **state) {
    (void)state;
    size_t size;
    struct model m = write_sample("cut.vmt", sample_seed(), 600, 100);
    unsigned char *bytes = read_file("cut.vmt", &size);
    uint64_t last = 0;
    for (size_t n = 0; n < size; n++) {
        bool told;
        write_file("cut2.vmt", bytes, n);
        uint64_t references = read_anything("cut2.vmt", &told);
        assert_true(told);
        assert_true(references >= last && references <= m.references);
        last = references;
    }
    assert_true(last == m.references);
    free(bytes);
    free(m.at);
}

static void a_flipped_bit_is_told(void **state) {
    (void)state;
    size_t size;
    struct model m = write_sample("flip.vmt", sample_seed(), 600, 100);
    unsigned char *bytes = read_file("flip.vmt", &size);
    for (size_t at = 0; at < size; at++) {
        bool told;
        bytes[at] ^= (unsigned char)(1u << at % 8);
        write_file("flip2.vmt", bytes, size);
        uint64_t references = read_anything("flip2.vmt", &told);
        assert_true(told && references <= m.references);
        bytes[at] ^= (unsigned char)(1u << at % 8);
    }
    free(bytes);
    free(m.at);
}

static void damage_stays_in_its_block(void **state) {
    (void)state;
    size_t size;
    struct model m = write_sample("block.vmt", sample_seed(), 10000, 1000);
    unsigned char *bytes = read_file("block.vmt", &size);
    struct vmsim_trace_reader *r;
    struct vmsim_trace_item item;
    const char *text;
    uint64_t references = 0;
    bytes[size / 2] ^= 255;
    write_file("block.vmt", bytes, size);
    assert_int_equal(vmsim_trace_open("block.vmt", VMSIM_TRACE_SKIP_DAMAGED | VMSIM_TRACE_THREAD, &r), 0);
    while (vmsim_trace_next(r, &item) == 1)
        references += item.count;
    assert_int_equal(vmsim_trace_damaged(r, &text), 1);
    assert_non_null(strstr(text, "byte "));
    assert_true(references == m.references - 1000);
    vmsim_trace_close(r);
    free(bytes);
    free(m.at);
}

static void assert_refused(const char *path, int err, const char *reason) {
    struct vmsim_trace_reader *r;
    assert_int_equal(vmsim_trace_open(path, 0, &r), err);
    assert_non_null(strstr(vmsim_trace_reader_error(r), reason));
    vmsim_trace_close(r);
}

static void what_is_no_trace_is_refused_with_the_reason(void **state) {
    (void)state;
    size_t size;
    struct model m = write_sample("bad.vmt", 1, 10, 0);
    unsigned char *bytes = read_file("bad.vmt", &size);
    free(m.at);
    assert_refused("no-such.vmt", VMSIM_ENOENT, "no-such.vmt");
    assert_refused("/", VMSIM_EFORMAT, "not a regular file");
    write_file("bad.vmt", "", 0);
    assert_refused("bad.vmt", VMSIM_ETRUNCATED, "empty");
    write_file("bad.vmt", "#!/bin/sh this is some text which is long enough to hold a whole header of a trace", 80);
    assert_refused("bad.vmt", VMSIM_EFORMAT, "not a vmsim trace");
    bytes[8] = 77;
    write_file("bad.vmt", bytes, size);
    assert_refused("bad.vmt", VMSIM_EVERSION, "version 77");
    free(bytes);
}

static void a_writer_that_is_stopped_leaves_a_readable_part_or_nothing(void **state) {
    (void)state;
    struct vmsim_trace_writer *w;
    struct vmsim_trace_reader *r;
    const struct vmsim_trace_options o = {.size = sizeof o, .block_refs = 100};
    vmsim_access word = vmsim_access_make(0x1000, 8, VMSIM_LOAD);
    unlink("stop.vmt");
    assert_int_equal(vmsim_trace_create("stop.vmt", &o, &w), 0);
    for (unsigned i = 0; i < 250; i++)
        assert_int_equal(vmsim_trace_append(w, 0, &word, 1), 0);
    assert_int_equal(access("stop.vmt", F_OK), -1);
    assert_int_equal(vmsim_trace_open("stop.vmt.part", 0, &r), 0);
    assert_false(vmsim_trace_get_info(r)->complete);
    assert_true(vmsim_trace_get_info(r)->references == 200);
    vmsim_trace_close(r);
    vmsim_trace_abandon(w);
    assert_int_equal(access("stop.vmt.part", F_OK), -1);
}

static void a_full_disk_and_an_unwritable_place_are_told(void **state) {
    (void)state;
    struct vmsim_trace_writer *w;
    assert_int_equal(vmsim_trace_create("/no/such/place.vmt", NULL, &w), VMSIM_EIO);
    assert_non_null(strstr(vmsim_trace_writer_error(w), "/no/such/place.vmt"));
    vmsim_trace_abandon(w);
    char error[256] = "";
    int err = vmsim_trace_create("/dev/full", NULL, &w);
    assert_int_equal(err, VMSIM_EIO);
    assert_non_null(strstr(vmsim_trace_writer_error(w), "No space left"));
    assert_int_equal(vmsim_trace_finish(w, error, sizeof error), VMSIM_EIO);
}

static void verify_accepts_the_whole_and_refuses_the_rest(void **state) {
    (void)state;
    char error[256];
    size_t size;
    struct model m = write_sample("verify.vmt", sample_seed(), 5000, 1000);
    assert_int_equal(vmsim_trace_verify("verify.vmt", error, sizeof error), 0);
    unsigned char *bytes = read_file("verify.vmt", &size);
    write_file("verify.vmt", bytes, size - 1);
    assert_int_equal(vmsim_trace_verify("verify.vmt", error, sizeof error), VMSIM_ETRUNCATED);
    bytes[200] ^= 1;
    write_file("verify.vmt", bytes, size);
    assert_true(vmsim_trace_verify("verify.vmt", error, sizeof error) < 0);
    assert_non_null(strstr(error, "verify.vmt: byte"));
    free(bytes);
    free(m.at);
}

static void a_trace_that_cannot_be_put_in_place_leaves_nothing(void **state) {
    (void)state;
    struct vmsim_trace_writer *w;
    char error[300];
    assert_int_equal(vmsim_trace_create("taken.vmt", NULL, &w), 0);
    assert_int_equal(mkdir("taken.vmt", 0777), 0); /* a directory takes the name meanwhile */
    assert_int_equal(vmsim_trace_finish(w, error, sizeof error), VMSIM_EIO);
    assert_non_null(strstr(error, "taken.vmt: cannot be put in place"));
    assert_int_equal(access("taken.vmt.part", F_OK), -1);
    assert_int_equal(rmdir("taken.vmt"), 0);
}

static void what_is_of_no_task_is_refused(void **state) {
    (void)state;
    const uint32_t none[] = {VMSIM_TRACE_NO_TASK, VMSIM_TRACE_NO_TASK - 1, UINT32_C(1) << 31};
    const struct vmsim_trace_event start = {.type = VMSIM_TRACE_START, .file = VMSIM_TRACE_NO_FILE, .args = {1, 1}};
    const struct vmsim_trace_file file = {.path = "f"};
    vmsim_access word = vmsim_access_make(0x1000, 8, VMSIM_LOAD);
    for (unsigned i = 0; i < sizeof none / sizeof none[0]; i++) {
        for (unsigned what = 0; what < 6; what++) {
            struct vmsim_trace_writer *w;
            char error[256];
            uint32_t id;
            assert_int_equal(vmsim_trace_create("none.vmt", NULL, &w), 0);
            if (what > 2) /* not the first of its block */
                assert_int_equal(vmsim_trace_append(w, 0, &word, 1), 0);
            int code = what % 3 == 0   ? vmsim_trace_append(w, none[i], &word, 1)
                       : what % 3 == 1 ? vmsim_trace_append_event(w, none[i], &start)
                                       : vmsim_trace_append_file(w, none[i], &file, &id);
            assert_true(code == VMSIM_EINVAL || code == VMSIM_ELIMIT);
            assert_int_equal(vmsim_trace_finish(w, error, sizeof error), code); /* it sticks */
            assert_non_null(strstr(error, "task"));
            assert_int_equal(access("none.vmt", F_OK), -1);
        }
    }
}

/* A call that no kernel lets succeed is damage, or another program's mistake: told with its place, not believed. */
static void calls_that_cannot_have_succeeded_are_told_with_their_place(void **state) {
    static const struct {
        struct vmsim_trace_event event;
        const char *says;
    } rows[] = {
        {{.type = VMSIM_TRACE_MUNMAP, .args = {0x10001, 0x1000}}, "task 2, after 3 references: munmap at 0x10001"},
        {{.type = VMSIM_TRACE_MUNMAP, .args = {0x10000, UINT64_MAX}}, "beyond all addresses"},
        {{.type = VMSIM_TRACE_MUNMAP, .args = {0xfffffffffffff000, 0xfff}}, "beyond all addresses"},
        {{.type = VMSIM_TRACE_MMAP, .args = {0, 0x1000}, .result = 0x10800}, "mmap at 0x10800"},
        {{.type = VMSIM_TRACE_MREMAP, .args = {0x10800, 0x1000, 0x2000}, .result = 0x20000}, "mremap at 0x10800"},
        {{.type = VMSIM_TRACE_MREMAP, .args = {0x10000, 0x1000, 0x2000}, .result = 0x20010}, "mremap to at 0x20010"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct vmsim_trace_event start = {.type = VMSIM_TRACE_START};
        const struct vmsim_trace_event map = {.type = VMSIM_TRACE_MMAP, .args = {0, 0x4000}, .result = 0x10000};
        vmsim_access words[3];
        struct vmsim_trace_mappings m = {.size = sizeof m};
        struct vmsim_trace_writer *w;
        char error[256];
        for (unsigned k = 0; k < 3; k++)
            words[k] = vmsim_access_make(0x10000 + k, 1, VMSIM_LOAD);
        assert_int_equal(vmsim_trace_create("odd.vmt", NULL, &w), 0);
        assert_int_equal(vmsim_trace_append_event(w, 2, &start), 0);
        assert_int_equal(vmsim_trace_append_event(w, 2, &map), 0);
        assert_int_equal(vmsim_trace_append(w, 2, words, 3), 0);
        assert_int_equal(vmsim_trace_append_event(w, 2, &rows[i].event), 0);
        assert_int_equal(vmsim_trace_finish(w, error, sizeof error), 0);
        assert_int_equal(vmsim_trace_check_mappings("odd.vmt", &m, error, sizeof error), VMSIM_ECORRUPT);
        if (strncmp(error, "odd.vmt: ", 9) != 0 || !strstr(error, rows[i].says))
            fail_msg("row %zu: %s", i, error);
    }
    unlink("odd.vmt");
}

static void a_directory_is_refused_before_anything_is_written(void **state) {
    (void)state;
    struct vmsim_trace_writer *w;
    assert_int_equal(mkdir("directory", 0777), 0);
    assert_int_equal(vmsim_trace_create("directory", NULL, &w), VMSIM_EIO);
    assert_non_null(strstr(vmsim_trace_writer_error(w), "directory: is a directory, not a file"));
    vmsim_trace_abandon(w);
    assert_int_equal(access("directory.part", F_OK), -1);
    assert_int_equal(rmdir("directory"), 0);
}

static unsigned long long address_space(void) {
    unsigned long long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%llu", &pages), 1);
    fclose(f);
    return pages * (unsigned long long)sysconf(_SC_PAGESIZE);
}

/* Stacks of new threads are larger than what the host has left. */
static void without_a_second_thread_the_callers_reads_the_same(void **state) {
    (void)state;
    struct model m = write_sample("alone.vmt", sample_seed(), 50000, 4096);
    struct vmsim_trace_reader *r;
    struct rlimit before, tight;
    pthread_attr_t attr;
    size_t old_stack;
    assert_int_equal(vmsim_trace_open("alone.vmt", VMSIM_TRACE_THREAD, &r), 0);
    assert_int_equal(pthread_getattr_default_np(&attr), 0);
    assert_int_equal(pthread_attr_getstacksize(&attr, &old_stack), 0);
    assert_int_equal(pthread_attr_setstacksize(&attr, (size_t)1 << 30), 0);
    assert_int_equal(pthread_setattr_default_np(&attr), 0);
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    tight = before;
    tight.rlim_cur = address_space() + (256u << 20);
    assert_int_equal(setrlimit(RLIMIT_AS, &tight), 0);
    assert_reads(r, &m, 0);
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    assert_int_equal(pthread_attr_setstacksize(&attr, old_stack), 0);
    assert_int_equal(pthread_setattr_default_np(&attr), 0);
    pthread_attr_destroy(&attr);
    vmsim_trace_close(r);
    free(m.at);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trace_reads_back_as_written),
        cmocka_unit_test(seeking_goes_on_with_that_reference),
        cmocka_unit_test(a_file_cut_anywhere_is_told_and_read_to_the_last_whole_block),
        cmocka_unit_test(a_flipped_bit_is_told),
        cmocka_unit_test(damage_stays_in_its_block),
        cmocka_unit_test(what_is_no_trace_is_refused_with_the_reason),
        cmocka_unit_test(a_writer_that_is_stopped_leaves_a_readable_part_or_nothing),
        cmocka_unit_test(a_full_disk_and_an_unwritable_place_are_told),
        cmocka_unit_test(a_trace_that_cannot_be_put_in_place_leaves_nothing),
        cmocka_unit_test(a_directory_is_refused_before_anything_is_written),
        cmocka_unit_test(without_a_second_thread_the_callers_reads_the_same),
        cmocka_unit_test(what_is_of_no_task_is_refused),
        cmocka_unit_test(calls_that_cannot_have_succeeded_are_told_with_their_place),
        cmocka_unit_test(verify_accepts_the_whole_and_refuses_the_rest),
    };
    printf("seed %llu\n", (unsigned long long)sample_seed());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
