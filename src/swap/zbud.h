/* SPDX-License-Identifier: MIT */
/* Memory for compressed pages, two a frame: what zswap keeps pages in on kernels whose default it is.
 *
 *     frame  | header: a chunk | first object -->   free chunks   <-- last object |      64 chunks
 *
 * An object goes into the frame that it fits into most closely of those with one object, by chunks; else into a new
 * one. Kernel counterpart: mm/zbud.c. */
#ifndef VMSIM__ZBUD_H
#define VMSIM__ZBUD_H
#include "base/err.h"
#include "base/vec.h"
#include "zones/zones.h"

#define VMSIM__ZBUD_CHUNKS 64u

struct vmsim__zbud_frame {
    vmsim__pfn pfn;
    uint32_t next, prev; /* of those with as many free chunks, or of free records; UINT32_MAX: none */
    uint8_t chunks[2];   /* of its objects; 0: none there */
};
struct vmsim__zbud {
    struct vmsim__alloc *alloc;
    struct vmsim__mem *mem;
    uint32_t page; /* bytes */
    struct {
        VMSIM__VEC(struct vmsim__zbud_frame);
    } frames;
    uint32_t unbuddied[VMSIM__ZBUD_CHUNKS]; /* frames with one object, by free chunks */
    uint32_t free;
    uint64_t pages, objects; /* now */
    bool host_nomem;
};

/* `alloc` and `mem` must outlive it. */
void vmsim__zbud_init(struct vmsim__zbud *z, struct vmsim__alloc *alloc, struct vmsim__mem *mem);
void vmsim__zbud_fini(struct vmsim__zbud *z); /* its objects must be gone */
/* Does an object of so many bytes leave room for any other? Those that do not are not taken. */
bool vmsim__zbud_takes(const struct vmsim__zbud *z, uint32_t bytes);
/* As vmsim__zs_alloc, of what it takes. */
uint32_t vmsim__zbud_alloc(struct vmsim__zbud *z, uint32_t bytes, uint32_t gfp, unsigned cpu);
void vmsim__zbud_free(struct vmsim__zbud *z, uint32_t object, unsigned cpu);
int vmsim__zbud_check(const struct vmsim__zbud *z, struct vmsim__err *err); /* 0 or VMSIM_ECHECK */

#endif
