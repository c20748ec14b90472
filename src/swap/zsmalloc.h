/* SPDX-License-Identifier: MIT */
/* Memory for objects of any size up to a page, in frames of the buddy allocator: what zram, and zswap, keep pages in.
 *
 *     bytes (+ 8 of a handle) --> class of that size --> zspage: 1 to 8 frames side by side in address, not in memory
 *                                                        |obj|obj|obj|obj|obj|  an object may lie across two frames
 *
 * A class takes as many frames a zspage as leave the least behind its last object; classes that come to the same number
 * of objects are one. An object goes into a zspage that is nearly full, so that others become empty and go back. Which
 * of a zspage's places an object has does not matter here. Kernel counterpart: mm/zsmalloc.c, without its compaction.
 */
#ifndef VMSIM__ZSMALLOC_H
#define VMSIM__ZSMALLOC_H
#include "base/err.h"
#include "base/vec.h"
#include "zones/zones.h"

#define VMSIM__ZS_CLASSES 255u
#define VMSIM__ZS_CHAIN 8u   /* frames of a zspage, at most */
#define VMSIM__ZS_GROUPS 10u /* of a class's zspages, by how full they are */

struct vmsim__zspage {
    vmsim__pfn frame[VMSIM__ZS_CHAIN];
    uint32_t next, prev; /* in its group, or of the free ones; UINT32_MAX: none */
    uint16_t used;       /* objects; 0: the record is free */
    uint8_t class;
};
struct vmsim__zs_class {
    uint32_t size;
    uint16_t pages, objects;          /* of a zspage */
    uint32_t group[VMSIM__ZS_GROUPS]; /* first zspage of each, full ones in none */
};
struct vmsim__zspool {
    struct vmsim__alloc *alloc;
    struct vmsim__mem *mem;
    uint32_t page;                       /* bytes */
    uint32_t huge;                       /* objects of so many bytes or more have a page each */
    uint8_t groups;                      /* 2 or 10 */
    uint8_t class_of[VMSIM__ZS_CLASSES]; /* by size */
    struct vmsim__zs_class class[VMSIM__ZS_CLASSES];
    struct {
        VMSIM__VEC(struct vmsim__zspage);
    } zspages;
    uint32_t free;           /* first free record */
    uint64_t pages, objects; /* frames, objects, now */
    bool host_nomem;
};

/* `alloc` and `mem` must outlive it. */
void vmsim__zspool_init(struct vmsim__zspool *p, struct vmsim__alloc *alloc, struct vmsim__mem *mem);
/* Its objects must be gone. */
void vmsim__zspool_fini(struct vmsim__zspool *p);
/* Room for `bytes` (at most a page): a number, never 0. 0: no frame for it. It never waits. */
uint32_t vmsim__zs_alloc(struct vmsim__zspool *p, uint32_t bytes, uint32_t gfp, unsigned cpu);
void vmsim__zs_free(struct vmsim__zspool *p, uint32_t object, unsigned cpu);
/* Groups and counts against the records. 0 or VMSIM_ECHECK. */
int vmsim__zspool_check(const struct vmsim__zspool *p, struct vmsim__err *err);

#endif
