/* SPDX-License-Identifier: MIT */
/* The coder of references: what goes in comes out, at any chunk size, and damaged streams end in an error. */
#include "trace_sample.h"

#include "trace/codec.h"
#include "trace/tables.h"

enum { WORDS = 60000 };

struct fixture {
    struct vmsim__alloc *alloc;
    struct vmsim__encoder encoder;
    struct vmsim__decoder decoder;
    struct vmsim__rng rng;
    vmsim_access *words, *back;
    unsigned char *in;
};

static int setup(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    f->alloc = vmsim__alloc_create(NULL);
    vmsim__encoder_init(&f->encoder, f->alloc);
    assert_true(vmsim__decoder_init(&f->decoder, f->alloc));
    vmsim__rng_seed(&f->rng, sample_seed());
    f->words = malloc(WORDS * sizeof *f->words);
    f->back = malloc((WORDS + VMSIM__GROUP_WORDS) * sizeof *f->back);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    vmsim__encoder_fini(&f->encoder);
    vmsim__decoder_fini(&f->decoder);
    free(f->words);
    free(f->back);
    free(f->in);
    size_t leaks = vmsim__alloc_destroy(f->alloc);
    free(f);
    return leaks ? -1 : 0;
}

/* Encodes `n` words and lays the result down as a block reader would. */
static size_t encode(struct fixture *f, size_t n) {
    assert_int_equal(vmsim__encode(&f->encoder, f->words, n), 0);
    free(f->in);
    f->in = calloc(1, f->encoder.out_bytes + VMSIM__STREAM_PAD);
    memcpy(f->in, f->encoder.out, f->encoder.out_bytes);
    return f->encoder.out_bytes;
}

static int64_t decode(struct fixture *f, size_t bytes, size_t n, size_t step) {
    size_t done = 0;
    int err = vmsim__decode_start(&f->decoder, f->in, bytes, n);
    while (!err && done < n) {
        int64_t got = vmsim__decode_some(&f->decoder, f->back + done, step < n - done ? step : n - done);
        if (got <= 0)
            return got;
        done += (size_t)got;
    }
    return err ? err : (int64_t)done;
}

static void words_come_back_at_any_step(void **state) {
    struct fixture *f = *state;
    static const size_t counts[] = {0, 1, 2, 63, 64, 65, 1000, WORDS}, steps[] = {1, 7, 4096, WORDS};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        size_t n = sample_words(&f->rng, f->words, counts[i]), bytes = encode(f, n);
        for (size_t j = 0; j < sizeof steps / sizeof steps[0]; j++) {
            assert_int_equal(decode(f, bytes, n, steps[j]), n);
            assert_memory_equal(f->words, f->back, n * sizeof *f->words);
        }
    }
}

static void any_words_come_back(void **state) {
    struct fixture *f = *state;
    for (size_t i = 0; i < WORDS; i++)
        f->words[i] = vmsim__rng_next(&f->rng);
    size_t bytes = encode(f, WORDS);
    assert_int_equal(decode(f, bytes, WORDS, 5000), WORDS);
    assert_memory_equal(f->words, f->back, WORDS * sizeof *f->words);
}

static void repeated_blocks_take_under_two_bytes_a_reference(void **state) {
    struct fixture *f = *state;
    for (size_t i = 0; i + 3 <= WORDS; i += 3) {
        f->words[i] = vmsim_access_make(0x400000 + i / 3 % 7 * 64, 20, VMSIM_FETCH);
        f->words[i + 1] = vmsim_access_make(0x7ffe0000 + i / 3 % 7 * 8, 8, VMSIM_LOAD);
        f->words[i + 2] = vmsim_access_make(0x10000000 + i * 8, 8, VMSIM_STORE);
    }
    assert_true(encode(f, WORDS) < 2 * WORDS);
}

static void damaged_streams_end_in_an_error_or_in_words(void **state) {
    struct fixture *f = *state;
    size_t n = sample_words(&f->rng, f->words, 3000), bytes = encode(f, n);
    for (unsigned round = 0; round < 20000; round++) {
        size_t at = vmsim__rng_below(&f->rng, bytes);
        unsigned char old = f->in[at];
        f->in[at] = (unsigned char)vmsim__rng_next(&f->rng);
        decode(f, bytes, n, 500);
        if (round % 8)
            f->in[at] = old;
        else
            memcpy(f->in, f->encoder.out, bytes);
    }
}

static void lengths_that_do_not_add_up_are_refused(void **state) {
    struct fixture *f = *state;
    size_t bytes = encode(f, sample_words(&f->rng, f->words, 1000));
    assert_int_equal(decode(f, bytes - 1, 1000, 1000), VMSIM_ECORRUPT);
    assert_int_equal(decode(f, 3, 1000, 1000), VMSIM_ECORRUPT);
    assert_int_equal(decode(f, bytes, 999, 1000), VMSIM_ECORRUPT);
    assert_int_equal(decode(f, bytes, 1001, 2000), VMSIM_ECORRUPT);
}

/* Valid bytes with a few of them changed; then `read` must come to an end without touching what is not its own. */
static void fuzz(struct fixture *f, const struct vmsim__bytes *b,
                 void (*read)(struct fixture *, struct vmsim__cursor)) {
    unsigned char *copy = malloc(b->count);
    for (unsigned round = 0; round < 20000; round++) {
        size_t length = round % 4 ? b->count : vmsim__rng_below(&f->rng, b->count);
        memcpy(copy, b->at, b->count);
        for (unsigned n = 0; n < 1 + round % 3; n++)
            copy[vmsim__rng_below(&f->rng, b->count)] = (unsigned char)vmsim__rng_next(&f->rng);
        read(f, (struct vmsim__cursor){copy, copy + length, false});
    }
    free(copy);
}

static void read_events(struct fixture *f, struct vmsim__cursor c) {
    struct vmsim_trace_event e;
    struct vmsim__event_room room = {(unsigned char *)f->back, 0, VMSIM__EVENT_ROOM};
    for (bool good = true; good; room.used = 0)
        good = vmsim__get_event(&c, (unsigned)vmsim__rng_below(&f->rng, VMSIM_TRACE_EVENT_TYPES), &e, &room);
}

static void damaged_events_end_in_an_error(void **state) {
    struct fixture *f = *state;
    struct vmsim__bytes b = {.alloc = f->alloc};
    struct vmsim_trace_segment segments[3] = {{.va = 1, .length = 2, .file = 3}};
    struct vmsim_trace_exec x = {.entry = 77, .segment_count = 3, .segments = segments};
    struct vmsim_trace_event exec = {.type = VMSIM_TRACE_EXEC, .path = "/bin/true", .exec = &x};
    uint32_t files = 0;
    assert_true(VMSIM__EVENT_ROOM <= WORDS * sizeof *f->back);
    for (unsigned i = 0; i < 20; i++) {
        struct vmsim_trace_event e = i % 4 ? sample_event(&f->rng, &files) : exec;
        vmsim__put_event(&b, &e);
    }
    fuzz(f, &b, read_events);
    vmsim__bytes_fini(&b);
}

static void read_tables(struct fixture *f, struct vmsim__cursor c) {
    struct vmsim__tables t;
    vmsim__tables_init(&t, f->alloc);
    vmsim__tables_get(&t, &c);
    vmsim__tables_fini(&t);
}

static void a_damaged_index_ends_in_an_error(void **state) {
    struct fixture *f = *state;
    struct vmsim__tables t;
    struct vmsim__bytes b = {.alloc = f->alloc};
    uint32_t files = 0;
    vmsim__tables_init(&t, f->alloc);
    for (uint32_t i = 0; i < 40; i++) {
        struct vmsim_trace_event e = sample_event(&f->rng, &files);
        struct vmsim__block_header h = {.refs = 7, .kinds = {7}};
        assert_int_equal(vmsim__tables_event(&t, i % 3, &e), 0);
        assert_int_equal(vmsim__tables_block(&t, &h, i * 100), 0);
    }
    assert_int_equal(vmsim__tables_note(&t, "one"), 0);
    assert_int_equal(vmsim__tables_note(&t, "two"), 0);
    assert_string_equal((const char *)t.notes.at, "one\ntwo");
    vmsim__tables_put(&t, &b);
    vmsim__tables_fini(&t);
    fuzz(f, &b, read_tables);
    vmsim__bytes_fini(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(words_come_back_at_any_step, setup, teardown),
        cmocka_unit_test_setup_teardown(any_words_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(repeated_blocks_take_under_two_bytes_a_reference, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_streams_end_in_an_error_or_in_words, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_events_end_in_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(a_damaged_index_ends_in_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(lengths_that_do_not_add_up_are_refused, setup, teardown),
    };
    printf("seed %llu\n", (unsigned long long)sample_seed());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
