/* SPDX-License-Identifier: MIT */
/* Slabs: objects of one size, cut from 64 KiB pieces of the allocator.
 *
 *     slab, 64-byte aligned
 *     +--------+----------+----------+----------+-----------------------+
 *     | header | object 0 | object 1 |   ...    | fresh, never used yet |
 *     +--------+----------+----------+----------+-----------------------+
 *      next, size                     ^ fresh                           ^ fresh_end
 *
 * A freed object is the next to be handed out, since its lines are still in the host's caches; its first word links
 * it to the one freed before. An object costs neither header nor bitmap, and a pair of calls a few instructions, where
 * a general allocator has to find the size class. Slabs are only given back all at once. Under AddressSanitizer free
 * objects are poisoned, so that use after free is seen here, too. Kernel counterpart: mm/slub.c, its per-CPU list. */
#include <string.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "base/util.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLAB_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define SLAB_ASAN 1
#endif
#ifdef SLAB_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

#define SLAB_SIZE ((size_t)64 << 10)
#define SLAB_ALIGN ((size_t)64)
#define SLAB_MANY ((size_t)1 << 20) /* bytes in use: what a slab has over is little beside */
#define HOST_PAGE ((uintptr_t)4096)

struct header {
    struct header *next;
    size_t size; /* of the whole slab */
    char pad[SLAB_ALIGN - 2 * sizeof(void *)];
};

void vmsim__slab_init(struct vmsim__slab *s, struct vmsim__alloc *a, size_t object_size) {
    size_t size = object_size ? vmsim__align_up(object_size, 16) : 16;
    *s = (struct vmsim__slab){.alloc = a, .size = size};
}

void vmsim__slab_fini(struct vmsim__slab *s) {
    for (struct header *h = s->slabs, *next; h; h = next) {
        next = h->next;
        size_t size = h->size;
        ASAN_UNPOISON_MEMORY_REGION(h, size);
        vmsim__free_aligned(s->alloc, h, SLAB_ALIGN, size);
    }
    vmsim__slab_init(s, s->alloc, s->size);
}

/* Where much is in use, more will be: one call for all pages of the slab is cheaper than a fault of the host for each.
 * Hosts that cannot, Linux before 5.14, say no. */
static void populate(struct header *h, size_t size) {
    uintptr_t first = vmsim__align_up((uintptr_t)h, HOST_PAGE), end = ((uintptr_t)h + size) & ~(HOST_PAGE - 1);
    if (first < end)
        madvise((void *)first, end - first, MADV_POPULATE_WRITE);
}

/* A further slab; an object too large for 64 KiB gets one of its own. */
static bool slab_grow(struct vmsim__slab *s) {
    size_t size = SLAB_SIZE;
    if (s->size > SLAB_SIZE - sizeof(struct header) && __builtin_add_overflow(s->size, sizeof(struct header), &size))
        return false;
    VMSIM__ASSERT(!s->free && s->fresh == s->fresh_end);
    struct header *h = vmsim__calloc_aligned(s->alloc, SLAB_ALIGN, size);
    if (!h)
        return false;
    if (s->used * s->size >= SLAB_MANY)
        populate(h, size);
    h->next = s->slabs;
    h->size = size;
    s->slabs = h;
    s->fresh = (unsigned char *)(h + 1);
    s->fresh_end = s->fresh + (size - sizeof *h) / s->size * s->size;
    ASAN_POISON_MEMORY_REGION(s->fresh, size - sizeof *h);
    return true;
}

/* One that was never used is zero as the host gave it: a page table of 4 KiB is not cleared twice. */
static void *alloc_fresh(struct vmsim__slab *s) {
    if (s->fresh == s->fresh_end && !slab_grow(s))
        return NULL;
    void *object = s->fresh;
    VMSIM__ASSERT(((uintptr_t)object & 15) == 0 && s->fresh < s->fresh_end);
    ASAN_UNPOISON_MEMORY_REGION(object, s->size);
    s->fresh += s->size;
    s->used++;
    return object;
}

void *vmsim__slab_alloc(struct vmsim__slab *s) {
    void *object = s->free;
    if (VMSIM__UNLIKELY(!object))
        return alloc_fresh(s);
    VMSIM__ASSERT(((uintptr_t)object & 15) == 0);
    ASAN_UNPOISON_MEMORY_REGION(object, s->size);
    memcpy(&s->free, object, sizeof s->free);
    s->used++;
    return memset(object, 0, s->size);
}

void vmsim__slab_free(struct vmsim__slab *s, void *object) {
    if (!object)
        return;
    VMSIM__ASSERT(s->used > 0 && ((uintptr_t)object & 15) == 0 && object != s->free);
    memcpy(object, &s->free, sizeof s->free);
    s->free = object;
    s->used--;
    ASAN_POISON_MEMORY_REGION(object, s->size);
}

/* Whether `object` is one of slab `h`'s, and not in the part of it that was never used. */
static bool slab_holds(const struct vmsim__slab *s, const struct header *h, const unsigned char *object) {
    const unsigned char *first = (const unsigned char *)(h + 1);
    const unsigned char *end = h == s->slabs ? s->fresh : (const unsigned char *)h + h->size;
    return object >= first && object + s->size <= end && (size_t)(object - first) % s->size == 0;
}

bool vmsim__slab_valid(const struct vmsim__slab *s) {
    size_t objects = 0, free = 0;
    for (const struct header *h = s->slabs; h; h = h->next)
        objects += (h->size - sizeof *h) / s->size;
    objects -= (size_t)(s->fresh_end - s->fresh) / s->size;
    for (void *at = s->free, *next; at; at = next) {
        const struct header *h = s->slabs;
        while (h && !slab_holds(s, h, at))
            h = h->next;
        if (!h || ++free > objects)
            return false;
        ASAN_UNPOISON_MEMORY_REGION(at, sizeof next);
        memcpy(&next, at, sizeof next);
        ASAN_POISON_MEMORY_REGION(at, sizeof next);
    }
    return free + s->used == objects;
}
