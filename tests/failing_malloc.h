/* SPDX-License-Identifier: MIT */
/* A host without memory, for everything in the process: malloc, calloc and realloc of this program come before those of
 * libc (or of the sanitizer), so that the allocations of libyaml, zstd, libarchive, stdio and the dynamic linker fail
 * here as the library's own do. Include it in one file of a program that links no jemalloc (vmsim_test(... LIBC)).
 *
 *     calls:   1  2  3 ... n-1  n  n+1 ...      FAIL_ONCE: n fails alone     FAIL_ON: n and all after it fail
 *
 * What a step leaves allocated is counted between failing_begin() and failing_end(): blocks taken less blocks released.
 * A library that does not survive it is spared by failing_spare(): its own calls are served.
 *
 * Counters are atomic, for a trace may be read by a second thread. */
#ifndef FAILING_MALLOC_H
#define FAILING_MALLOC_H
#include <errno.h>
#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>

#include "helpers.h"
#include "vmsim/error.h"

enum failing_mode { FAIL_NEVER, FAIL_ONCE, FAIL_ON };

static struct {
    atomic_bool counting, paused;
    _Atomic enum failing_mode mode;
    atomic_uint_fast64_t calls, at; /* allocations asked for since the beginning; the one that fails */
    atomic_int_fast64_t live;
    pthread_t first; /* thread */
    const char *sparing;
    struct {
        uintptr_t from, to; /* code of a spared library */
    } spared[4];
    size_t spared_count;
} failing;

#ifndef __has_feature
#define __has_feature(what) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define REAL(name) __interceptor_##name
#define FAILING_THREADS false /* its own start of a thread does not survive: only the first thread's calls fail */
#else
#define REAL(name) __libc_##name
#define FAILING_THREADS true
#endif
/* Called while a sanitizer sets itself up, too, before its checks can work. */
#define UNCHECKED __attribute__((no_sanitize("address", "undefined")))
void *REAL(malloc)(size_t size);
void *REAL(calloc)(size_t count, size_t size);
void *REAL(realloc)(void *block, size_t size);
void REAL(free)(void *block);

UNCHECKED static bool failing_now(const void *caller) {
    if (!atomic_load(&failing.counting) || atomic_load(&failing.paused))
        return false;
    if (!FAILING_THREADS && !pthread_equal(failing.first, pthread_self()))
        return false;
    for (size_t i = 0; i < failing.spared_count; i++)
        if ((uintptr_t)caller - failing.spared[i].from < failing.spared[i].to - failing.spared[i].from)
            return false;
    uint64_t call = atomic_fetch_add(&failing.calls, 1) + 1, at = atomic_load(&failing.at);
    enum failing_mode mode = atomic_load(&failing.mode);
    bool fails = (mode == FAIL_ONCE && call == at) || (mode == FAIL_ON && call >= at);
    if (fails)
        errno = ENOMEM;
    return fails;
}

UNCHECKED static void *failing_count(void *block, int change) {
    if (block && atomic_load(&failing.counting))
        atomic_fetch_add(&failing.live, change);
    return block;
}

UNCHECKED void *malloc(size_t size) {
    return failing_now(__builtin_return_address(0)) ? NULL : failing_count(REAL(malloc)(size), 1);
}

UNCHECKED void *calloc(size_t count, size_t size) {
    return failing_now(__builtin_return_address(0)) ? NULL : failing_count(REAL(calloc)(count, size), 1);
}

UNCHECKED void *realloc(void *block, size_t size) {
    if (size && failing_now(__builtin_return_address(0)))
        return NULL;
    void *moved = REAL(realloc)(block, size);
    return block ? (size ? moved : failing_count(block, -1)) : failing_count(moved, 1);
}

UNCHECKED void free(void *block) {
    failing_count(block, -1);
    REAL(free)(block);
}

/* A sanitizer's would pass malloc by. */
char *strdup(const char *text) {
    size_t size = strlen(text) + 1;
    char *copy = failing_now(__builtin_return_address(0)) ? NULL : failing_count(REAL(malloc)(size), 1);
    return copy ? memcpy(copy, text, size) : NULL;
}

static int failing_find(struct dl_phdr_info *info, size_t size, void *context) {
    (void)size, (void)context;
    if (!strstr(info->dlpi_name, failing.sparing))
        return 0;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type == PT_LOAD && info->dlpi_phdr[i].p_flags & PF_X) {
            uintptr_t from = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
            assert_true(failing.spared_count < TEST_COUNT(failing.spared));
            failing.spared[failing.spared_count].from = from;
            failing.spared[failing.spared_count++].to = from + info->dlpi_phdr[i].p_memsz;
        }
    }
    return 1;
}
/* From now on calls from the loaded library whose path holds `name` do not fail. */
TEST_UNUSED static void failing_spare(const char *name) {
    failing.sparing = name;
    assert_int_equal(dl_iterate_phdr(failing_find, NULL), 1);
}

static void failing_begin(enum failing_mode mode, uint64_t at) {
    failing.mode = mode;
    failing.at = at;
    failing.calls = 0;
    failing.live = 0;
    failing.paused = false;
    failing.first = pthread_self();
    failing.counting = true;
}

/* What a test does between is not the step's: nothing fails, and only blocks are counted on. */
static void failing_pause(void) {
    failing.paused = true;
}
static void failing_again(void) {
    failing.paused = false;
}

/* Blocks that the step left allocated. */
static int64_t failing_end(void) {
    failing.counting = false;
    return failing.live;
}

/* ---- steps ---- */

/* What a step came to. `digest` covers all that it gives: texts, files, counters. */
struct failing_result {
    int code;
    uint64_t digest;
    const char *message; /* of an error; "" is a fault */
};
typedef struct failing_result failing_step(void *context);

/* FNV-1a: goes on from `digest`. */
TEST_UNUSED static uint64_t failing_digest(uint64_t digest, const void *data, size_t size) {
    const unsigned char *at = data;
    digest = digest ? digest : UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < size; i++)
        digest = (digest ^ at[i]) * UINT64_C(0x100000001b3);
    return digest;
}

/* Whether it is as it should be. */
static bool failing_try(const char *name, failing_step *step, void *context, const struct failing_result *good,
                        enum failing_mode mode, uint64_t n) {
    char why[400] = "";
    failing_begin(mode, n);
    struct failing_result r = step(context);
    int64_t live = failing_end();
    if (live)
        snprintf(why, sizeof why, "%lld blocks leak", (long long)live);
    else if (r.code != VMSIM_ENOMEM && (r.code != good->code || r.digest != good->digest))
        snprintf(why, sizeof why, r.code == good->code ? "other results without an error" : "the code is %d, not %d",
                 r.code, good->code);
    else if (r.code == VMSIM_ENOMEM && (!r.message || !*r.message))
        snprintf(why, sizeof why, "no message");
    if (*why)
        print_message("%s, allocation %llu %s: %s (%s)\n", name, (unsigned long long)n,
                      mode == FAIL_ONCE ? "alone" : "and all after", why, r.message ? r.message : "-");
    return !*why;
}

/* Makes allocation 1, 2, 3 ... of the step fail, alone and with all after it; of more than `limit` allocations the
 * first half of the limit, then a sample that moves with the seed. The step must say VMSIM_ENOMEM, or come to the very
 * same as with memory, and leave nothing allocated. */
TEST_UNUSED static void each_failing_allocation(const char *name, failing_step *step, void *context, int wanted,
                                                uint64_t limit) {
    struct failing_result good = {0};
    uint64_t calls = 0, tried = 0, bad = 0;
    const char *more = getenv("VMSIM_STEPS");
    limit = more ? strtoull(more, NULL, 0) : limit;
    for (unsigned warm = 0; warm < 3; warm++) { /* the first times, libraries keep what they set up */
        failing_begin(FAIL_NEVER, 0);
        good = step(context);
        int64_t live = failing_end();
        calls = failing.calls;
        if (good.code != wanted || (warm == 2 && live))
            fail_msg("%s with memory: code %d (%s), %lld blocks leak", name, good.code, good.message, (long long)live);
    }
    uint64_t seed = test_seed();
    struct vmsim__rng r;
    vmsim__rng_seed_named(&r, seed, name);
    for (uint64_t n = 1; n <= calls; tried++) {
        bad += !failing_try(name, step, context, &good, FAIL_ONCE, n);
        bad += !failing_try(name, step, context, &good, FAIL_ON, n);
        uint64_t stride = calls > limit && n > limit / 2 ? 2 * calls / limit : 1;
        n += stride > 1 ? 1 + vmsim__rng_below(&r, 2 * stride - 1) : 1;
    }
    print_message("%s: %llu allocations, %llu of them failed\n", name, (unsigned long long)calls,
                  (unsigned long long)tried);
    assert_int_equal(bad, 0);
}

#endif
