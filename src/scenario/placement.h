/* SPDX-License-Identifier: MIT */
/* Where the mappings of a recorded program lie on the simulated machine.
 *
 * The recorder's emulator places mappings in its own way; the simulated kernel places them as Linux does. A placement
 * is a list of address ranges of the recording, each with what is added to get the simulated address:
 *
 *     recorded   [0x4000000000 program][0x400281e000 ld.so][...]         by start, without overlap, neighbours of one
 *                      + delta               + delta                     delta joined
 *     simulated  [0x555555554000     ][0x7ffff7fca000     ]
 *
 * An address in no range stays what it is. Tasks that share an address space share its placement. */
#ifndef VMSIM__PLACEMENT_H
#define VMSIM__PLACEMENT_H
#include "base/alloc.h"
#include "base/vec.h"
#include "vmsim/access.h"

#define VMSIM__PLACED_PAGES 512u
#define VMSIM__PLACED_SHIFT 12 /* ranges begin and end at multiples of 4 KiB */

struct vmsim__placed {
    uint64_t start, end; /* of the recording */
    uint64_t delta;      /* simulated - recorded, modulo 2^64 */
};

struct vmsim__placement {
    struct vmsim__alloc *alloc;
    uint32_t users;
    struct {
        VMSIM__VEC(struct vmsim__placed);
    } ranges;
    struct {
        uint64_t key;            /* recorded page number + 1; 0: empty */
        uint64_t delta;          /* of a packed reference */
    } page[VMSIM__PLACED_PAGES]; /* pages lately referred to: emptied when a range changes */
    uint64_t brk_start;          /* of the recording */
    uint64_t brk_top;            /* without an MMU: the highest break of the recording that there was memory for */
};

struct vmsim__placement *vmsim__placement_create(struct vmsim__alloc *a);         /* one user; NULL: no memory */
struct vmsim__placement *vmsim__placement_copy(const struct vmsim__placement *p); /* one user; NULL: no memory */
void vmsim__placement_put(struct vmsim__placement *p);                            /* NULL is fine */
/* Recorded [start, end) lies at start + delta from now on. False: no memory. */
bool vmsim__placement_set(struct vmsim__placement *p, uint64_t start, uint64_t end, uint64_t delta);
/* [start, end) is mapped no more. False: no memory. */
bool vmsim__placement_clear(struct vmsim__placement *p, uint64_t start, uint64_t end);
/* The first range that ends behind `va`, or NULL. */
const struct vmsim__placed *vmsim__placement_from(const struct vmsim__placement *p, uint64_t va);
uint64_t vmsim__placement_of(const struct vmsim__placement *p, uint64_t va);
/* The simulated address that is as far from what is mapped nearest as `va` was; `va` itself if nothing is within 1 GiB.
 */
uint64_t vmsim__placement_beside(const struct vmsim__placement *p, uint64_t va);
void vmsim__placement_translate(struct vmsim__placement *p, const vmsim_access *in, vmsim_access *out, size_t n);

#endif
