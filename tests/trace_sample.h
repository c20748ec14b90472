/* SPDX-License-Identifier: MIT */
/* Sample traces for the tests: random but program-like, a function of a seed. */
#ifndef TRACE_SAMPLE_H
#define TRACE_SAMPLE_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rng.h"
#include "vmsim/trace.h"

static inline uint64_t sample_seed(void) {
    const char *text = getenv("VMSIM_SEED");
    return text ? strtoull(text, NULL, 0) : 20260101;
}

/* Words as programs make them: blocks executed again and again, with strides, jumps and odd ones between. */
static inline size_t sample_words(struct vmsim__rng *r, vmsim_access *out, size_t count) {
    uint64_t block[64], stride[64], base[64];
    unsigned length[64];
    for (unsigned i = 0; i < 64; i++) {
        block[i] = 0x400000 + vmsim__rng_below(r, 1 << 20);
        length[i] = (unsigned)vmsim__rng_below(r, i % 16 ? 6 : 70);
        stride[i] = vmsim__rng_below(r, 3) * 8;
        base[i] = vmsim__rng_below(r, 4) ? UINT64_C(0x7fff00000000) + i * 4096 : vmsim__rng_next(r) >> 8;
    }
    size_t n = 0;
    while (n < count) {
        unsigned b = (unsigned)(vmsim__rng_below(r, 8) ? (n / 40) % 64 : vmsim__rng_below(r, 64));
        if (vmsim__rng_below(r, 20))
            out[n++] = vmsim_access_make(block[b], 1 + b, VMSIM_FETCH);
        for (unsigned i = 0; i < length[b] && n < count; i++) {
            uint64_t va = vmsim__rng_below(r, 100) ? base[b] + i * 16 : vmsim__rng_next(r);
            enum vmsim_access_type type = i % 5 == 4 ? VMSIM_RMW : i % 3 ? VMSIM_LOAD : VMSIM_STORE;
            out[n++] = vmsim_access_make((uint64_t)((int64_t)(va << 7) >> 7), 1u << i % 5, type);
        }
        base[b] += stride[b];
    }
    return count;
}

/* A random event that the tables accept. `files` counts those introduced so far. */
static inline struct vmsim_trace_event sample_event(struct vmsim__rng *r, uint32_t *files) {
    static const char *const paths[] = {"", "/usr/lib/libc.so.6", "a name with spaces\n"};
    struct vmsim_trace_event e = {.file = VMSIM_TRACE_NO_FILE};
    switch (vmsim__rng_below(r, 4)) {
    case 0:
        e.type = VMSIM_TRACE_FILE;
        e.file = (*files)++;
        e.args[0] = vmsim__rng_next(r);
        e.args[1] = vmsim__rng_below(r, 5);
        e.path = paths[vmsim__rng_below(r, 3)];
        break;
    case 1:
        e.type = VMSIM_TRACE_FORK;
        e.args[0] = vmsim__rng_below(r, 20);
        e.args[1] = vmsim__rng_below(r, 8);
        break;
    default:
        e.type = vmsim__rng_below(r, 2) ? VMSIM_TRACE_MMAP : VMSIM_TRACE_READ;
        for (unsigned i = 0; i < 6; i++)
            e.args[i] = vmsim__rng_below(r, 2) ? vmsim__rng_next(r) >> vmsim__rng_below(r, 64) : 0;
        e.result = (int64_t)(vmsim__rng_next(r) >> vmsim__rng_below(r, 64)) * (vmsim__rng_below(r, 2) ? 1 : -1);
        e.path = vmsim__rng_below(r, 3) ? NULL : paths[vmsim__rng_below(r, 3)];
    }
    return e;
}

static inline unsigned char *read_file(const char *path, size_t *size) {
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    unsigned char *p = malloc(*size + 1);
    assert_non_null(p);
    assert_int_equal(fread(p, 1, *size, f), *size);
    fclose(f);
    return p;
}

static inline void write_file(const char *path, const void *bytes, size_t size) {
    unlink(path); /* a file system may flush a file that is emptied and written anew */
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

#endif
