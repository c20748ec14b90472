/* SPDX-License-Identifier: MIT */
/* The allocator of one handle: three backends behind one set of counters.
 *
 *     vmsim__malloc ---- fail_after? ---- counters ----+---- jemalloc: mallocx(size, ARENA(own) | TCACHE(own))
 *                                                      +---- libc:     malloc
 *                                                      +---- user:     allocate(context, size)
 *
 * jemalloc is reached through weak references: a program that links it has it, libvmsim.so never asks for it. Each
 * allocator owns an arena, so that machines share no lock and teardown is one call, and an explicit thread cache:
 * a pair of 64 bytes costs 190 ns without one and 15 ns with it. Decay is off (-1): jemalloc's is driven by the wall
 * clock, and freed pages are the next ones that the machine wants anyway. All goes back when the arena is destroyed.
 *
 * Callers pass the size back, so no block has a header, and the counters are exact: bytes as asked for.
 *
 * Aligned blocks of libc and of a user are cut from a larger one, whose address stands right before the block:
 *
 *     raw            block - 8     block (aligned)                 raw + size + align
 *      |....unused....|[raw]|======= size bytes =======|..unused..|
 *
 * so that zeroed memory of libc can come from calloc, which does not touch what the kernel gives zeroed. */
#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <jemalloc/jemalloc.h>

#include "base/util.h"

#pragma weak mallocx
#pragma weak rallocx
#pragma weak sdallocx
#pragma weak mallctl

enum backend { BACKEND_LIBC, BACKEND_JEMALLOC, BACKEND_USER };

struct vmsim__alloc {
    enum backend backend;
    int flags;       /* jemalloc: arena and thread cache of every call */
    unsigned arena;  /* jemalloc: own arena, or NO_ARENA */
    unsigned tcache; /* jemalloc: own thread cache, if any */
    bool has_tcache;
    uint64_t bytes, peak, blocks;
    uint64_t fail_after; /* allocations until one fails; UINT64_MAX: never */
    struct vmsim_allocator user;
};

#define NO_ARENA UINT32_MAX

/* Blocks larger than this cannot be: pointer differences within them would overflow. */
#define SIZE_LIMIT ((size_t)PTRDIFF_MAX)

static bool have_jemalloc(void) {
    return mallocx && rallocx && sdallocx && mallctl;
}

/* Writes one control of the allocator's own arena; value NULL: a command such as "destroy". */
static void arena_control(const struct vmsim__alloc *a, const char *what, void *value, size_t size) {
    char name[64];
    snprintf(name, sizeof name, "arena.%u.%s", a->arena, what);
    mallctl(name, NULL, NULL, value, size);
}

/* An arena and a thread cache of our own. Where jemalloc has none left, its automatic ones do as well. */
static void jemalloc_open(struct vmsim__alloc *a) {
    size_t size = sizeof a->arena;
    a->backend = BACKEND_JEMALLOC;
    a->arena = NO_ARENA;
    unsigned arena, tcache;
    if (mallctl("arenas.create", &arena, &size, NULL, 0))
        return;
    a->arena = arena;
    a->flags = MALLOCX_ARENA(arena);
    ssize_t never = -1;
    arena_control(a, "dirty_decay_ms", &never, sizeof never);
    arena_control(a, "muzzy_decay_ms", &never, sizeof never);
    a->has_tcache = !mallctl("tcache.create", &tcache, &size, NULL, 0);
    a->tcache = a->has_tcache ? tcache : 0;
    a->flags |= a->has_tcache ? MALLOCX_TCACHE(tcache) : MALLOCX_TCACHE_NONE;
}

static void jemalloc_close(struct vmsim__alloc *a) {
    if (a->has_tcache)
        mallctl("tcache.destroy", NULL, NULL, &a->tcache, sizeof a->tcache);
    if (a->arena != NO_ARENA)
        arena_control(a, "destroy", NULL, 0);
}

struct vmsim__alloc *vmsim__alloc_create(const struct vmsim_allocator *user) {
    struct vmsim__alloc *a = user ? user->allocate(user->context, sizeof *a) : malloc(sizeof *a);
    if (!a)
        return NULL;
    *a = (struct vmsim__alloc){.backend = BACKEND_LIBC, .fail_after = UINT64_MAX};
    if (user) {
        a->backend = BACKEND_USER;
        a->user = *user;
    } else if (have_jemalloc()) {
        jemalloc_open(a);
    }
    return a;
}

size_t vmsim__alloc_destroy(struct vmsim__alloc *a) {
    if (!a)
        return 0;
    size_t leaked = a->blocks;
    struct vmsim_allocator user = a->user;
    if (a->backend == BACKEND_JEMALLOC)
        jemalloc_close(a);
    if (a->backend == BACKEND_USER)
        user.release(user.context, a, sizeof *a);
    else
        free(a);
    return leaked;
}

/* Whether an allocation of `size` bytes may be tried at all. */
static bool may_allocate(struct vmsim__alloc *a, size_t size) {
    if (VMSIM__UNLIKELY(a->fail_after != UINT64_MAX)) {
        if (a->fail_after <= 1) {
            a->fail_after = 0;
            return false;
        }
        a->fail_after--;
    }
    return size <= SIZE_LIMIT;
}

static void *account(struct vmsim__alloc *a, void *p, size_t size) {
    if (VMSIM__UNLIKELY(!p))
        return NULL;
    a->blocks++;
    a->bytes += size;
    if (a->bytes > a->peak)
        a->peak = a->bytes;
    return p;
}

static void unaccount(struct vmsim__alloc *a, size_t size) {
    VMSIM__ASSERT(a->blocks > 0 && a->bytes >= size);
    a->blocks--;
    a->bytes -= size;
}

static void *raw_malloc(struct vmsim__alloc *a, size_t size) {
    switch (a->backend) {
    case BACKEND_JEMALLOC:
        return mallocx(size, a->flags);
    case BACKEND_USER:
        return a->user.allocate(a->user.context, size);
    default:
        return malloc(size);
    }
}

static void *raw_calloc(struct vmsim__alloc *a, size_t size) {
    if (a->backend == BACKEND_JEMALLOC)
        return mallocx(size, a->flags | MALLOCX_ZERO);
    if (a->backend == BACKEND_LIBC)
        return calloc(1, size);
    void *p = raw_malloc(a, size);
    return p ? memset(p, 0, size) : NULL;
}

static void *raw_realloc(struct vmsim__alloc *a, void *p, size_t old_size, size_t size) {
    switch (a->backend) {
    case BACKEND_JEMALLOC:
        return rallocx(p, size, a->flags);
    case BACKEND_USER:
        return a->user.reallocate(a->user.context, p, old_size, size);
    default:
        return realloc(p, size);
    }
}

static void raw_free(struct vmsim__alloc *a, void *p, size_t size) {
    switch (a->backend) {
    case BACKEND_JEMALLOC:
        sdallocx(p, size, a->flags);
        break;
    case BACKEND_USER:
        a->user.release(a->user.context, p, size);
        break;
    default:
        free(p);
    }
}

void *vmsim__malloc(struct vmsim__alloc *a, size_t size) {
    if (!size || !may_allocate(a, size))
        return NULL;
    return account(a, raw_malloc(a, size), size);
}

void *vmsim__calloc(struct vmsim__alloc *a, size_t count, size_t size) {
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        total = SIZE_MAX;
    if (!total || !may_allocate(a, total))
        return NULL;
    return account(a, raw_calloc(a, total), total);
}

void *vmsim__realloc(struct vmsim__alloc *a, void *p, size_t old_size, size_t size) {
    if (!p)
        return vmsim__malloc(a, size);
    if (!size) {
        vmsim__free(a, p, old_size);
        return NULL;
    }
    if (!may_allocate(a, size))
        return NULL;
    void *moved = raw_realloc(a, p, old_size, size);
    if (!moved)
        return NULL;
    unaccount(a, old_size);
    return account(a, moved, size);
}

void vmsim__free(struct vmsim__alloc *a, void *p, size_t size) {
    if (!p)
        return;
    VMSIM__ASSERT(size > 0 && size <= SIZE_LIMIT);
    unaccount(a, size);
    raw_free(a, p, size);
}

/* Cuts an aligned block from a raw one of size + align bytes (see the head of the file). */
static void *cut_aligned(void *raw, size_t align) {
    if (!raw)
        return NULL;
    VMSIM__ASSERT(vmsim__is_pow2(align) && align >= sizeof(void *) && !((uintptr_t)raw & (sizeof(void *) - 1)));
    uintptr_t block = ((uintptr_t)raw + align) & ~(uintptr_t)(align - 1);
    ((void **)block)[-1] = raw;
    return (void *)block;
}

void *vmsim__malloc_aligned(struct vmsim__alloc *a, size_t align, size_t size) {
    VMSIM__ASSERT(vmsim__is_pow2(align));
    align = align < 16 ? 16 : align;
    if (!size || !may_allocate(a, size) || align > SIZE_LIMIT - size)
        return NULL;
    if (a->backend == BACKEND_JEMALLOC)
        return account(a, mallocx(size, a->flags | MALLOCX_ALIGN(align)), size);
    return account(a, cut_aligned(raw_malloc(a, size + align), align), size);
}

void *vmsim__calloc_aligned(struct vmsim__alloc *a, size_t align, size_t size) {
    VMSIM__ASSERT(vmsim__is_pow2(align));
    align = align < 16 ? 16 : align;
    if (!size || !may_allocate(a, size) || align > SIZE_LIMIT - size)
        return NULL;
    if (a->backend == BACKEND_JEMALLOC)
        return account(a, mallocx(size, a->flags | MALLOCX_ALIGN(align) | MALLOCX_ZERO), size);
    void *block = cut_aligned(raw_calloc(a, size + align), align);
    return account(a, block, size);
}

void vmsim__free_aligned(struct vmsim__alloc *a, void *p, size_t align, size_t size) {
    VMSIM__ASSERT(vmsim__is_pow2(align) && !((uintptr_t)p & (align - 1)));
    if (!p)
        return;
    align = align < 16 ? 16 : align;
    unaccount(a, size);
    if (a->backend == BACKEND_JEMALLOC)
        sdallocx(p, size, a->flags | MALLOCX_ALIGN(align));
    else
        raw_free(a, ((void **)p)[-1], size + align);
}

char *vmsim__strdup(struct vmsim__alloc *a, const char *s) {
    size_t size = strlen(s) + 1;
    char *copy = vmsim__malloc(a, size);
    return copy ? memcpy(copy, s, size) : NULL;
}

void vmsim__strfree(struct vmsim__alloc *a, const char *s) {
    if (s)
        vmsim__free(a, (void *)(uintptr_t)s, strlen(s) + 1);
}

uint64_t vmsim__alloc_bytes(const struct vmsim__alloc *a) {
    return a->bytes;
}

uint64_t vmsim__alloc_peak_bytes(const struct vmsim__alloc *a) {
    return a->peak;
}

uint64_t vmsim__alloc_blocks(const struct vmsim__alloc *a) {
    return a->blocks;
}

void vmsim__alloc_fail_after(struct vmsim__alloc *a, uint64_t allocations) {
    a->fail_after = allocations;
}

const char *vmsim__alloc_backend(const struct vmsim__alloc *a) {
    static const char *const names[] = {
        [BACKEND_LIBC] = "libc",
        [BACKEND_JEMALLOC] = "jemalloc",
        [BACKEND_USER] = "user",
    };
    return names[a->backend];
}
