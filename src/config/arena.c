/* SPDX-License-Identifier: MIT */
/* Chunks grow from 1 KiB to 64 KiB, so that small owners stay small, and are cut from the front; a request that would
 * waste most of one gets a chunk of its own, behind the newest, whose free part stays in use. */
#include "config/arena.h"
#include "base/util.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct vmsim__arena_chunk {
    struct vmsim__arena_chunk *next;
    size_t size; /* with this header */
};

enum { FIRST_CHUNK = 1 << 10, LAST_CHUNK = 64 << 10, ALIGN = 16 };

_Static_assert(sizeof(struct vmsim__arena_chunk) % ALIGN == 0, "chunk contents stay aligned");

void vmsim__arena_init(struct vmsim__arena *a, struct vmsim__alloc *alloc) {
    *a = (struct vmsim__arena){.alloc = alloc};
}

void vmsim__arena_fini(struct vmsim__arena *a) {
    for (struct vmsim__arena_chunk *c = a->chunks, *next; c; c = next) {
        next = c->next;
        vmsim__free(a->alloc, c, c->size);
    }
    vmsim__arena_init(a, a->alloc);
}

static struct vmsim__arena_chunk *new_chunk(struct vmsim__arena *a, size_t size) {
    VMSIM__ASSERT(size > sizeof(struct vmsim__arena_chunk));
    struct vmsim__arena_chunk *c = vmsim__calloc(a->alloc, 1, size);
    if (!c) {
        a->failed = true;
        return NULL;
    }
    c->size = size;
    return c;
}

static void *own_chunk(struct vmsim__arena *a, size_t bytes) {
    VMSIM__ASSERT(bytes > 0);
    struct vmsim__arena_chunk *c = new_chunk(a, bytes + sizeof *c);
    if (!c)
        return NULL;
    struct vmsim__arena_chunk **at = a->chunks ? &a->chunks->next : &a->chunks;
    c->next = *at;
    *at = c;
    return c + 1;
}

/* Chunks double, so that a configuration of a few lines takes little, and one of a thousand tasks few calls. */
static bool next_chunk(struct vmsim__arena *a) {
    VMSIM__ASSERT(a->chunk_size <= LAST_CHUNK);
    if (!a->chunk_size)
        a->chunk_size = FIRST_CHUNK;
    struct vmsim__arena_chunk *c = new_chunk(a, a->chunk_size);
    if (!c)
        return false;
    c->next = a->chunks;
    a->chunks = c;
    a->next = (char *)(c + 1);
    a->end = (char *)c + a->chunk_size;
    a->chunk_size *= a->chunk_size < LAST_CHUNK ? 2 : 1;
    return true;
}

/* Zeroed, because chunks are: a struct that is bound from a table begins as all defaults of C. */
void *vmsim__arena_alloc(struct vmsim__arena *a, size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 2) {
        a->failed = true;
        return NULL;
    }
    bytes = bytes ? (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1) : ALIGN;
    if ((size_t)(a->end - a->next) < bytes) {
        if (bytes > (a->chunk_size ? a->chunk_size : FIRST_CHUNK) / 4)
            return own_chunk(a, bytes);
        if (!next_chunk(a))
            return NULL;
    }
    void *p = a->next;
    VMSIM__ASSERT(a->next && a->next + bytes <= a->end);
    a->next += bytes;
    return p;
}

/* The end mark comes with the zeroed memory. */
char *vmsim__arena_copy(struct vmsim__arena *a, const char *text, size_t length) {
    VMSIM__ASSERT(text || !length);
    char *p = vmsim__arena_alloc(a, length + 1, 1);
    if (p && length)
        memcpy(p, text, length);
    return p;
}

char *vmsim__arena_vprintf(struct vmsim__arena *a, const char *format, va_list args) {
    VMSIM__ASSERT(format);
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    char *p = n < 0 ? NULL : vmsim__arena_alloc(a, (size_t)n + 1, 1);
    if (p)
        vsnprintf(p, (size_t)n + 1, format, again);
    va_end(again);
    return p;
}

char *vmsim__arena_printf(struct vmsim__arena *a, const char *format, ...) {
    va_list args;
    va_start(args, format);
    char *p = vmsim__arena_vprintf(a, format, args);
    va_end(args);
    return p;
}
