/* SPDX-License-Identifier: MIT */
/* What every test program needs: cmocka in its required order, seeds, temporary folders, captured output, files.
 *
 * A property test begins with `uint64_t seed = test_seed();`: VMSIM_SEED from the environment, else 1. The seed is
 * printed, and the runner shows it when the test fails. */
#ifndef TEST_HELPERS_H
#define TEST_HELPERS_H
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/rng.h"

#define TEST_UNUSED __attribute__((unused))
#define TEST_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Seed of this run. */
TEST_UNUSED static uint64_t test_seed(void) {
    const char *text = getenv("VMSIM_SEED");
    uint64_t seed = text && *text ? strtoull(text, NULL, 0) : 1;
    print_message("[   SEED   ] VMSIM_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

/* A generator for the property test `name`, from the seed of this run. */
TEST_UNUSED static struct vmsim__rng test_rng(const char *name) {
    struct vmsim__rng r;
    vmsim__rng_seed_named(&r, test_seed(), name);
    return r;
}

/* An allocator, and its end, which fails the test when anything was left allocated. */
TEST_UNUSED static struct vmsim__alloc *test_alloc(void) {
    struct vmsim__alloc *a = vmsim__alloc_create(NULL);
    assert_non_null(a);
    return a;
}
TEST_UNUSED static void test_alloc_end(struct vmsim__alloc *a) {
    assert_int_equal(vmsim__alloc_bytes(a), 0);
    assert_int_equal(vmsim__alloc_destroy(a), 0);
}

/* Runs `step` with its 1st, 2nd, ... allocation failing until it succeeds (returns true), `limit` times at most. After
 * each failure as many blocks must be outstanding as before. Returns how many allocations the step needs. */
TEST_UNUSED static uint64_t test_each_failure(struct vmsim__alloc *a, bool (*step)(struct vmsim__alloc *, void *),
                                              void *context, uint64_t limit) {
    for (uint64_t n = 1; n <= limit; n++) {
        uint64_t blocks = vmsim__alloc_blocks(a), bytes = vmsim__alloc_bytes(a);
        vmsim__alloc_fail_after(a, n);
        bool done = step(a, context);
        vmsim__alloc_fail_after(a, UINT64_MAX);
        if (done)
            return n - 1;
        assert_int_equal(vmsim__alloc_blocks(a), blocks);
        assert_int_equal(vmsim__alloc_bytes(a), bytes);
    }
    fail_msg("the step still fails when %llu allocations are granted", (unsigned long long)limit);
    return limit;
}

/* A new empty folder under TMPDIR, written to `path`; test_rmdir removes it with all that is in it. */
TEST_UNUSED static const char *test_mkdir(char path[256]) {
    const char *base = getenv("TMPDIR");
    snprintf(path, 256, "%s/vmsim-test-XXXXXX", base && *base ? base : "/tmp");
    assert_non_null(mkdtemp(path));
    return path;
}
TEST_UNUSED static int test_rmdir_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}
TEST_UNUSED static void test_rmdir(const char *path) {
    assert_int_equal(nftw(path, test_rmdir_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
}

TEST_UNUSED static void test_write_file(const char *path, const void *data, size_t size) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

/* A whole file with a 0 behind it, to be freed with free(); its size in *size if not NULL. */
TEST_UNUSED static char *test_read_stream(FILE *f, size_t *size) {
    size_t used = 0, room = 4096;
    char *text = malloc(room);
    assert_non_null(text);
    for (size_t n; (n = fread(text + used, 1, room - used - 1, f)) > 0;) {
        used += n;
        if (room - used < 2) {
            text = realloc(text, room *= 2);
            assert_non_null(text);
        }
    }
    text[used] = '\0';
    if (size)
        *size = used;
    return text;
}
TEST_UNUSED static char *test_read_file(const char *path, size_t *size) {
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    char *text = test_read_stream(f, size);
    fclose(f);
    return text;
}

/* Standard output and error of a shell command, to be freed with free(); its exit status in *status. */
TEST_UNUSED static char *test_capture(const char *command, int *status) {
    char line[4096];
    assert_true((size_t)snprintf(line, sizeof line, "{ %s\n} 2>&1", command) < sizeof line);
    fflush(NULL);
    FILE *f = popen(line, "r");
    assert_non_null(f);
    char *text = test_read_stream(f, NULL);
    int raw = pclose(f);
    *status = WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
    return text;
}

#endif
