/* SPDX-License-Identifier: MIT */
/* Bump allocation: many small things that live exactly as long as their configuration, freed at once.
 *
 *     arena -> chunk 4 KiB -> chunk 2 KiB -> big chunk -> chunk 1 KiB       only the first has room:
 * [used|free........]
 */
#ifndef VMSIM__ARENA_H
#define VMSIM__ARENA_H
#include <stdarg.h>
#include <stddef.h>

#include "base/alloc.h"

struct vmsim__arena_chunk;
struct vmsim__arena {
    struct vmsim__alloc *alloc;
    struct vmsim__arena_chunk *chunks; /* newest first */
    char *next, *end;                  /* free part of the newest chunk of normal size */
    size_t chunk_size;                 /* of the next chunk; 0 before the first */
    bool failed;                       /* an allocation failed once: sticky */
};
void vmsim__arena_init(struct vmsim__arena *a, struct vmsim__alloc *alloc);
void vmsim__arena_fini(struct vmsim__arena *a);
/* Zeroed, aligned to 16. NULL when there is no memory (and `failed` is set); never NULL for size 0. */
void *vmsim__arena_alloc(struct vmsim__arena *a, size_t count, size_t size);
char *vmsim__arena_copy(struct vmsim__arena *a, const char *text, size_t length); /* adds the NUL */
char *vmsim__arena_printf(struct vmsim__arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *vmsim__arena_vprintf(struct vmsim__arena *a, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

#endif
