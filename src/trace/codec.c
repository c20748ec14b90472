/* SPDX-License-Identifier: MIT */
/* The table of shapes that encoder and decoder build in the same order (see codec.h). */
#include "trace/codec.h"
#include "base/util.h"

bool vmsim__shapes_init(struct vmsim__alloc *a, struct vmsim__shapes *s) {
    *s = (struct vmsim__shapes){.capacity = 1u << 14, .room = 1u << 10};
    s->words = vmsim__calloc_aligned(a, 64, s->capacity * sizeof *s->words);
    s->offsets = vmsim__calloc(a, s->room, sizeof *s->offsets);
    if (!s->words || !s->offsets) {
        vmsim__shapes_fini(a, s);
        return false;
    }
    vmsim__shapes_reset(s);
    return true;
}

void vmsim__shapes_fini(struct vmsim__alloc *a, struct vmsim__shapes *s) {
    VMSIM__ASSERT(!s->words || s->capacity);
    if (s->words)
        vmsim__free_aligned(a, s->words, 64, s->capacity * sizeof *s->words);
    vmsim__free(a, s->offsets, s->room * sizeof *s->offsets);
    *s = (struct vmsim__shapes){0};
}

/* Shape 0 is what comes before the first group: it is empty and follows itself, so that prediction needs no test for
 * "none". */
void vmsim__shapes_reset(struct vmsim__shapes *s) {
    VMSIM__ASSERT(s->capacity >= 8 && s->room > 0);
    memset(s->words, 0, 8 * sizeof *s->words);
    s->offsets[0] = 0;
    s->used = 8;
    s->count = 1;
}

static bool grow_words(struct vmsim__alloc *a, struct vmsim__shapes *s) {
    VMSIM__ASSERT(s->used <= s->capacity);
    size_t capacity = s->capacity * 2;
    uint64_t *words = vmsim__calloc_aligned(a, 64, capacity * sizeof *words);
    if (!words)
        return false;
    memcpy(words, s->words, s->used * sizeof *words);
    vmsim__free_aligned(a, s->words, 64, s->capacity * sizeof *words);
    s->words = words;
    s->capacity = capacity;
    return true;
}

/* Offset 0 means that there is no memory, for encoder and decoder alike. Offsets are multiples of 8, and stay valid
 * when words move. */
uint32_t vmsim__shapes_add(struct vmsim__alloc *a, struct vmsim__shapes *s, unsigned k, unsigned fetch) {
    VMSIM__ASSERT(k <= VMSIM__GROUP_DATA && fetch <= 1);
    size_t size = ((k + 3u) / 4u * 4u + VMSIM__SHAPE_SLOT + 7u) & ~(size_t)7;
    if (s->used + size > UINT32_MAX)
        return 0;
    if (s->used + size > s->capacity && !grow_words(a, s))
        return 0;
    if (s->count == s->room) {
        uint32_t *offsets = vmsim__realloc(a, s->offsets, s->room * sizeof *offsets, s->room * 2 * sizeof *offsets);
        if (!offsets)
            return 0;
        s->offsets = offsets;
        s->room *= 2;
    }
    uint32_t offset = (uint32_t)s->used;
    VMSIM__ASSERT(!(offset & 7) && s->used + size <= s->capacity && s->count < s->room);
    memset(s->words + offset, 0, size * sizeof *s->words);
    s->words[offset + VMSIM__SHAPE_META] = VMSIM__META(k, fetch);
    s->offsets[s->count++] = offset;
    s->used += size;
    return offset;
}
