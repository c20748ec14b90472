/* SPDX-License-Identifier: MIT */
/* Inputs that want too much, and hosts that have too little: every limit is an error with its number, soon; every
 * failed allocation leaves nothing behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "config_fixture.h"

static char *repeat(const char *head, const char *part, size_t count) {
    size_t h = strlen(head), n = strlen(part);
    char *text = malloc(h + n * count + 1);
    memcpy(text, head, h);
    for (size_t i = 0; i < count; i++)
        memcpy(text + h + i * n, part, n);
    text[h + n * count] = '\0';
    return text;
}

/* `text` fails with `code`, and the first message has `part`. */
static void refused(char *text, int code, const char *part) {
    struct vmsim_config *c = fx_create(NULL);
    int err = fx_load(c, text);
    assert_int_equal(err, code);
    if (!strstr(vmsim_config_error_text(c, 0), part))
        fail_msg("wanted %s, got %.200s", part, vmsim_config_error_text(c, 0));
    vmsim_config_destroy(c);
    free(text);
}

static void a_file_of_hundreds_of_megabytes_is_not_read(void **state) {
    (void)state;
    char path[64];
    snprintf(path, sizeof path, "huge-%d.yaml", (int)getpid());
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(ftruncate(fileno(f), 500 << 20), 0);
    fclose(f);
    struct vmsim__alloc *alloc = vmsim__alloc_create(NULL);
    struct vmsim_config *c = fx_create(alloc);
    assert_int_equal(vmsim_config_load_file(c, path), VMSIM_ELIMIT);
    assert_non_null(strstr(vmsim_config_error_text(c, 0), "larger than 16 MiB (the limit of a configuration file)"));
    assert_true(vmsim__alloc_peak_bytes(alloc) < 64 << 10);
    vmsim_config_destroy(c);
    assert_int_equal(vmsim__alloc_destroy(alloc), 0);
    unlink(path);
}

static void an_endless_file_is_read_up_to_the_limit(void **state) {
    (void)state;
    struct vmsim_config *c = fx_create(NULL);
    assert_int_equal(vmsim_config_load_file(c, "/dev/zero"), VMSIM_ELIMIT);
    vmsim_config_destroy(c);
}

static void missing_files_and_directories_are_told_apart(void **state) {
    (void)state;
    struct vmsim_config *c = fx_create(NULL);
    assert_int_equal(vmsim_config_load_file(c, "/nonexistent.yaml"), VMSIM_ENOENT);
    assert_int_equal(vmsim_config_load_file(c, "/"), VMSIM_EIO);
    assert_string_equal(vmsim_config_error_text(c, 0),
                        "/nonexistent.yaml: error: cannot be opened (No such file or directory)");
    assert_string_equal(vmsim_config_error_text(c, 1), "/: error: is a directory, not a file");
    assert_int_equal(vmsim_config_error_code(c, 1), VMSIM_EIO);
    assert_int_equal(vmsim_config_error_code(c, 2), 0);
    assert_null(vmsim_config_error_text(c, 2));
    assert_int_equal(vmsim_config_resolve(c), VMSIM_ECONFIG);
    vmsim_config_destroy(c);
}

static void bombs_end_at_their_limit(void **state) {
    (void)state;
    refused(repeat("a: ", "[", 4 << 20), VMSIM_ELIMIT, "nested deeper than 64 levels (the limit)");
    refused(repeat("a: ", "{a: ", 2 << 20), VMSIM_ELIMIT, "nested deeper than 64 levels (the limit)");
    refused(repeat("", "- ", 4 << 20), VMSIM_ELIMIT, "nested deeper than 64 levels (the limit)");
    refused(repeat("a: [", "x,", 2 << 20), VMSIM_ELIMIT, "more than 1048576 values in all (the limit)");
    refused(repeat("a: [", "&a x,", 2000), VMSIM_ELIMIT, "more than 1000 anchors (the limit)");
    refused(repeat("a: ", "\n", 20 << 20), VMSIM_ELIMIT, "larger than 16 MiB");
    refused(repeat("", "x", 300), VMSIM_ESYNTAX, "expected a mapping of keys to values");
    refused(repeat("? ", "k", 161), VMSIM_ELIMIT, "a key of more than 160 bytes (the limit)");
}

/* A file of `levels` shorthands within each other, each of which is three levels when written out. */
static int nested(struct vmsim_config *c, size_t levels) {
    char *steps = repeat(FX_MINIMAL "program: ", "[repeat: ", levels);
    char *inner = repeat(steps, "[exit]", 1), *text = repeat(inner, "]", levels);
    int err = fx_load(c, text);
    free(steps);
    free(inner);
    free(text);
    return err;
}

static void what_nests_deeper_in_all_than_one_file_may_is_refused(void **state) {
    (void)state;
    size_t levels = 1;
    for (int err = 0; !err; levels++) {
        struct vmsim_config *c = fx_create(NULL), *again = fx_create(NULL);
        const char *text;
        err = nested(c, levels);
        assert_true(err || !vmsim_config_dump(c, 0, &text, NULL));
        if (err)
            assert_non_null(strstr(vmsim_config_error_text(c, 0), "nested deeper than 64 levels in all (the limit)"));
        else
            assert_int_equal(fx_load(again, text), 0);
        vmsim_config_destroy(c);
        vmsim_config_destroy(again);
    }
    assert_in_range(levels, 20, 23);
}

static void a_path_of_too_many_parts_is_refused(void **state) {
    (void)state;
    char *path = repeat("policies.oom.params", ".a", 100), *text = repeat(path, "=1", 1);
    struct vmsim_config *c = fx_create(NULL);
    assert_int_equal(vmsim_config_set(c, text), 0);
    assert_int_equal(fx_load(c, FX_MINIMAL), VMSIM_ECONFIG);
    assert_non_null(strstr(vmsim_config_error_text(c, 0), "a path of more than 64 parts (the limit)"));
    vmsim_config_destroy(c);
    free(path);
    free(text);
}

static void a_mapping_of_too_many_keys_is_refused(void **state) {
    (void)state;
    char *text = malloc(1 << 20);
    size_t n = (size_t)sprintf(text, "machine: {env: {");
    for (int i = 0; i < 5000; i++)
        n += (size_t)sprintf(text + n, "k%d: 1, ", i);
    refused(text, VMSIM_ELIMIT, "more than 4096 keys in one mapping (the limit)");
}

static void only_the_first_hundred_errors_are_kept(void **state) {
    (void)state;
    char *text = repeat(FX_MINIMAL "  distances: [[", "0,", 5000);
    strcpy(text + strlen(text) - 2, "]]");
    struct vmsim_config *c = fx_create(NULL);
    assert_int_equal(fx_load(c, text), VMSIM_ECONFIG);
    assert_int_equal(vmsim_config_error_count(c), 101);
    assert_string_equal(vmsim_config_error_text(c, 100), "error: too many errors; the rest is not shown");
    vmsim_config_destroy(c);
    free(text);
}

/* A load that passes through every part, good or bad; returns its last code. */
static int whole_journey(struct vmsim_config *c, const char *extra) {
    static char text[4096];
    const char *out;
    size_t count;
    snprintf(
        text, sizeof text,
        "vmsim: 1\nmachine:\n  preset: small\n  env: {a: b, c: \"d e\"}\n  cgroups: {/a: {memory.max: 1MiB}}\n"
        "  l2: &l {ways: 8}\n  distances: [[10, 20], [20, 10]]\npolicies: {reclaim: {name: x, params: {a: [1, 2]}}}\n"
        "program: [mmap: {length: 1MiB}, repeat: {steps: [exit, sleep: 1s]}]\n%s",
        extra);
    int err = vmsim_config_add_search_dir(c, VMSIM_SOURCE_DIR "/tests/golden/config/presets");
    err = err ? err : vmsim_config_set(c, "machine.nodes[0].memory=4GiB");
    err = err ? err : vmsim_config_set(c, "program[+]=sleep: 2s");
    err = err ? err : vmsim_config_set(c, "policies.oom.params.x=[1, 2]");
    err = err ? err : vmsim_config_load_text(c, "box.yaml", text, strlen(text));
    err = err ? err : vmsim_config_resolve(c);
    err = err ? err : vmsim_config_dump(c, VMSIM_CONFIG_DUMP_ORIGINS, &out, NULL);
    err = err ? err : vmsim_config_schema(c, &out, NULL);
    err = err ? err : vmsim_config_reference(c, &out, NULL);
    err = err ? err : vmsim_config_presets(c, &count);
    err = err ? err : vmsim_config_preset_text(c, "fast", &out, NULL);
    return err;
}

/* Fails the 1st, 2nd, ... allocation and all after it, until the journey ends as it does with memory. */
static void fail_every_allocation(const char *extra, int wanted) {
    uint64_t n = 0;
    for (int err = VMSIM_ENOMEM; err == VMSIM_ENOMEM; n++) {
        struct vmsim__alloc *alloc = vmsim__alloc_create(NULL);
        vmsim__alloc_fail_after(alloc, n + 1);
        struct vmsim_config *c = fx_create(alloc);
        if (c) {
            err = whole_journey(c, extra);
            vmsim__alloc_fail_after(alloc, UINT64_MAX);
            for (size_t i = 0; i < vmsim_config_error_count(c); i++)
                assert_non_null(vmsim_config_error_text(c, i));
            vmsim_config_destroy(c);
        }
        if (err != VMSIM_ENOMEM)
            assert_int_equal(err, wanted);
        assert_int_equal(vmsim__alloc_destroy(alloc), 0);
    }
    assert_true(n > 10);
}

static void every_failed_allocation_is_told_and_leaks_nothing(void **state) {
    (void)state;
    fail_every_allocation("", 0);
    fail_every_allocation("tags: [x]\nexpect: [{counter: a, mix: 2, equals: b}, 3]\nwrong: *l\n", VMSIM_ECONFIG);
    fail_every_allocation("program: []\n*nowhere : 1\n", VMSIM_ESYNTAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_of_hundreds_of_megabytes_is_not_read),
        cmocka_unit_test(an_endless_file_is_read_up_to_the_limit),
        cmocka_unit_test(missing_files_and_directories_are_told_apart),
        cmocka_unit_test(bombs_end_at_their_limit),
        cmocka_unit_test(what_nests_deeper_in_all_than_one_file_may_is_refused),
        cmocka_unit_test(a_path_of_too_many_parts_is_refused),
        cmocka_unit_test(a_mapping_of_too_many_keys_is_refused),
        cmocka_unit_test(only_the_first_hundred_errors_are_kept),
        cmocka_unit_test(every_failed_allocation_is_told_and_leaks_nothing),
    };
    return cmocka_run_group_tests_name("config_limits", tests, NULL, NULL);
}
