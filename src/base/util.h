/* SPDX-License-Identifier: MIT */
/* Small things that every layer needs: integer maths, hints, asserts, bit tests. Header only. */
#ifndef VMSIM__UTIL_H
#define VMSIM__UTIL_H
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VMSIM__LIKELY(x) __builtin_expect(!!(x), 1)
#define VMSIM__UNLIKELY(x) __builtin_expect(!!(x), 0)
#define VMSIM__INLINE static inline __attribute__((always_inline))
#define VMSIM__NOINLINE __attribute__((noinline))
#define VMSIM__COUNT(array) (sizeof(array) / sizeof((array)[0]))
/* Cheap invariants: always on in debug builds, gone in release builds. */
#define VMSIM__ASSERT(x) assert(x)

static inline uint64_t vmsim__min64(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}
static inline uint64_t vmsim__max64(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}
static inline uint64_t vmsim__align_down(uint64_t x, uint64_t align) {
    return x & ~(align - 1);
}
static inline uint64_t vmsim__align_up(uint64_t x, uint64_t align) {
    return (x + align - 1) & ~(align - 1);
}
static inline bool vmsim__is_pow2(uint64_t x) {
    return x && !(x & (x - 1));
}
/* Floor of log2; x > 0. */
static inline unsigned vmsim__log2(uint64_t x) {
    return 63u - (unsigned)__builtin_clzll(x);
}
/* log2 of the least power of two that is no less than x; of 0 and 1: 0. */
static inline unsigned vmsim__log2_up(uint64_t x) {
    return x > 1 ? vmsim__log2(x - 1) + 1 : 0;
}
/* Floor of the square root, as the kernel's int_sqrt. */
static inline uint64_t vmsim__isqrt(uint64_t x) {
    uint64_t r = 0;
    for (uint64_t b = UINT64_C(1) << 62; b; b >>= 2) {
        if (x >= r + b) {
            x -= r + b;
            r = (r >> 1) + b;
        } else {
            r >>= 1;
        }
    }
    return r;
}

#endif
