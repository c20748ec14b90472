/* SPDX-License-Identifier: MIT */
/* Frames of the kernel's own objects: inodes, names, nodes of the page cache's trees, heads of buffers.
 *
 *     cache "dentry":  objects 1,203 of 192 bytes   slabs [ 21 | 21 | ... | 21 ]   room for 1,218
 *
 * Objects have neither place nor contents here: a cache counts them, and has as many slabs as hold them when they lie
 * densely, and beside those the empty ones that a node and a CPU keep. Real caches have holes where neighbours were
 * freed: they give back later. A slab that no frames are found for is owed: the objects are there, and the next one
 * asks again; the kernel would wait here, and whoever wants a page beside its objects waits for that. Kernel
 * counterpart: mm/slub.c (allocate_slab, calculate_order, min_partial). */
#ifndef VMSIM__KMEM_CACHE_H
#define VMSIM__KMEM_CACHE_H
#include "zones/zones.h"

/* Bytes of objects as /proc/slabinfo of 64-bit kernels has them; inodes are the kernel's (struct vmsim__kernel). */
#define VMSIM__KMEM_DENTRY_SIZE 192u
#define VMSIM__KMEM_RADIX_NODE_SIZE 584u
#define VMSIM__KMEM_BUFFER_HEAD_SIZE 104u
/* Empty slabs that a node keeps. Kernel: MIN_PARTIAL. */
#define VMSIM__KMEM_SPARE 5u

/* The caches of a machine, empty: sizes of objects are the kernel's, slabs grow with the number of CPUs. */
void vmsim__kmem_init(struct vmsim__mem *mem);
void vmsim__kmem_fini(struct vmsim__mem *mem);
/* Its slabs have no room for the last object / have more room than is kept: they become one more, or fewer. */
void vmsim__kmem_grow(struct vmsim__mem *mem, enum vmsim__kmem_kind kind, unsigned cpu);
void vmsim__kmem_shrink(struct vmsim__mem *mem, enum vmsim__kmem_kind kind, unsigned cpu);
/* One object more, made by a CPU, and one less: every page of a file has some, and few are the first or last of a
 * slab. */
static inline void vmsim__kmem_alloc(struct vmsim__mem *mem, enum vmsim__kmem_kind kind, unsigned cpu) {
    struct vmsim__kmem_cache *c = &mem->kmem[kind];
    VMSIM__ASSERT(kind < VMSIM__KMEM_KINDS);
    if (VMSIM__UNLIKELY(++c->objects > c->room))
        vmsim__kmem_grow(mem, kind, cpu);
}
static inline void vmsim__kmem_free(struct vmsim__mem *mem, enum vmsim__kmem_kind kind, unsigned cpu) {
    struct vmsim__kmem_cache *c = &mem->kmem[kind];
    VMSIM__ASSERT(kind < VMSIM__KMEM_KINDS && c->objects > 0);
    if (VMSIM__UNLIKELY(c->room > --c->objects + c->spare))
        vmsim__kmem_shrink(mem, kind, cpu);
}
/* Frames of all slabs. */
uint64_t vmsim__kmem_pages(const struct vmsim__mem *mem);
/* Bytes of an object, without who pays for it. */
uint32_t vmsim__kmem_size(const struct vmsim__mem *mem, enum vmsim__kmem_kind kind);
/* Do slabs hold what they should, are their frames theirs, and do nodes count them? 0 or VMSIM_ECHECK. */
int vmsim__kmem_check(const struct vmsim__mem *mem, struct vmsim__err *err);

#endif
