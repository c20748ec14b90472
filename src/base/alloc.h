/* SPDX-License-Identifier: MIT */
/* Host memory of one machine: every byte the library takes goes through here.
 *
 * A `struct vmsim__alloc` is created with the machine (or a reader, or a configuration) and is the only way to
 * host memory: a jemalloc arena where the program links jemalloc (weak references, so the shared library has no
 * hard dependency), libc otherwise, or the callbacks that a user gave. Bytes and blocks outstanding are counted
 * exactly; vmsim__alloc_destroy returns the number of blocks never freed.
 *
 * An allocator belongs to one thread at a time, as its machine does; two threads take two allocators.
 *
 * Failure injection: `fail_after` counts down allocations; the one that reaches zero and all after it return NULL.
 */
#ifndef VMSIM__ALLOC_H
#define VMSIM__ALLOC_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmsim/allocator.h"

struct vmsim__alloc;

/* `user` may be NULL. Returns NULL when the host has no memory. */
struct vmsim__alloc *vmsim__alloc_create(const struct vmsim_allocator *user);
/* Frees the allocator itself; returns how many blocks were still allocated (0 = no leak). */
size_t vmsim__alloc_destroy(struct vmsim__alloc *a);

/* Each may return NULL. Size 0 returns NULL. The caller passes back the size at release: no hidden headers. */
void *vmsim__malloc(struct vmsim__alloc *a, size_t size);
void *vmsim__calloc(struct vmsim__alloc *a, size_t count, size_t size);
void *vmsim__realloc(struct vmsim__alloc *a, void *p, size_t old_size, size_t size);
void vmsim__free(struct vmsim__alloc *a, void *p, size_t size);
/* 64-byte (cache line) or page aligned memory, zeroed. `align` a power of two. Freed with vmsim__free_aligned. */
void *vmsim__calloc_aligned(struct vmsim__alloc *a, size_t align, size_t size);
/* The same, not zeroed. */
void *vmsim__malloc_aligned(struct vmsim__alloc *a, size_t align, size_t size);
void vmsim__free_aligned(struct vmsim__alloc *a, void *p, size_t align, size_t size);
/* A copy of a C string; free with vmsim__strfree. */
char *vmsim__strdup(struct vmsim__alloc *a, const char *s);
void vmsim__strfree(struct vmsim__alloc *a, const char *s);

uint64_t vmsim__alloc_bytes(const struct vmsim__alloc *a);      /* outstanding now */
uint64_t vmsim__alloc_peak_bytes(const struct vmsim__alloc *a); /* highest ever */
uint64_t vmsim__alloc_blocks(const struct vmsim__alloc *a);     /* outstanding now */
/* 1 (or 0): the next allocation fails, and all after it; UINT64_MAX: never. Reallocations count. */
void vmsim__alloc_fail_after(struct vmsim__alloc *a, uint64_t allocations);
/* "jemalloc", "libc" or "user". */
const char *vmsim__alloc_backend(const struct vmsim__alloc *a);

/* Slab: objects of one size, never moved, freed in any order, LIFO reuse (hot). Memory comes from `a` in 64 KiB
 * slabs and goes back at vmsim__slab_fini. Objects are zeroed when handed out. */
struct vmsim__slab {
    struct vmsim__alloc *alloc;
    void *free;                       /* singly linked through the first word */
    void *slabs;                      /* all slabs, linked through their header */
    size_t size;                      /* of an object, rounded up to 16 */
    size_t used;                      /* objects handed out */
    unsigned char *fresh, *fresh_end; /* never used part of the newest slab */
};
void vmsim__slab_init(struct vmsim__slab *s, struct vmsim__alloc *a, size_t object_size);
void vmsim__slab_fini(struct vmsim__slab *s); /* all objects vanish, freed or not */
void *vmsim__slab_alloc(struct vmsim__slab *s);
void vmsim__slab_free(struct vmsim__slab *s, void *object);
/* Whether every object is either handed out, free or fresh, and free ones lie in a slab: for checks, O(slabs * free).
 */
bool vmsim__slab_valid(const struct vmsim__slab *s);

#endif
