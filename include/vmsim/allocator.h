/* SPDX-License-Identifier: MIT */
#ifndef VMSIM_ALLOCATOR_H
#define VMSIM_ALLOCATOR_H
/**
 * @file allocator.h
 * @brief A user's own source of host memory.
 *
 * Without one, vmsim takes a jemalloc arena where the program links jemalloc, and libc's malloc otherwise.
 */
#include <stddef.h>

/**
 * Three functions and what they are called with. All three must be given. A handle calls them from the thread that
 * works on the handle; handles of different threads call at the same time. Every block is released with the size it
 * was asked for, before the handle's destroy function returns.
 */
struct vmsim_allocator {
    /** A block of `size` > 0 bytes, aligned to 16, or NULL when there is no memory. Its contents do not matter. */
    void *(*allocate)(void *context, size_t size);
    /** Changes a block of `old_size` to `size` > 0 bytes as realloc does; NULL: no memory, the old block stays. */
    void *(*reallocate)(void *context, void *block, size_t old_size, size_t size);
    /** Takes back a block of `size` bytes; `block` is never NULL. */
    void (*release)(void *context, void *block, size_t size);
    /** First argument of the three. */
    void *context;
};

#endif
