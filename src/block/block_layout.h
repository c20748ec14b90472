/* SPDX-License-Identifier: MIT */
/* Where the bytes of a file or a swap area lie on a device: what a file system's extents are, and no more of one.
 *
 *     file     |0 ........ 64K|64K ... 96K|        |1M ... 2M|       sparse: what was never written has no place
 *     extents     {0, 64K}      {64K, 32K}          {1M, 1M}         offset in the file, position on the device, bytes
 *     device   [###########]....[#######]....[######]......          '.': free ranges, first fit, in 4 KiB blocks
 *
 * A layout is a value that its file embeds; zeroed it lies on device 0 and has no places yet. Places are given
 *   - by vmsim__layout_place at creation, for what the file holds from the start: files that are declared one after
 *     another lie one after another, each in one piece;
 *   - by vmsim__layout_submit for what it does not have yet: a file grows behind its last extent if that is free, else
 *     where the rest fits first (ext4 places at write-out, too: delayed allocation).
 * `fragment` bounds the length of extents and spreads them over the whole device, as on a file system that is old and
 * full.
 *
 * HOW TO USE IT. struct vmsim__file embeds one. When a regular file is made with contents, place [0, size) at once;
 * when it is deleted, release; truncation to less, cut. Pages [first, first + pages) of it are read or written by
 *     vmsim__layout_submit(block, &file->layout, now, &(struct vmsim__block_io){.op = ..., .sync = ...,
 *                          .position = first << page_shift, .bytes = pages << page_shift, .cookie = transfer})
 * whose cookie comes back by complete() once. A block device that is a file (Buffers) has .raw. Kernel counterparts:
 * fs/ext4/extents.c, fs/ext4/mballoc.c. */
#ifndef VMSIM__BLOCK_LAYOUT_H
#define VMSIM__BLOCK_LAYOUT_H
#include "block/block.h"

#define VMSIM__LAYOUT_BLOCK UINT64_C(4096) /* places are multiples of it */

struct vmsim__file_extent {
    uint64_t offset, position, bytes; /* multiples of VMSIM__LAYOUT_BLOCK */
};
struct vmsim__layout {
    uint32_t device;
    bool raw;          /* the device itself: offset is position; needs no extents */
    uint64_t fragment; /* longest extent, a multiple of VMSIM__LAYOUT_BLOCK; 0: any */
    struct {
        VMSIM__VEC(struct vmsim__file_extent);
    } extents; /* by offset, not overlapping */
};

/* Gives a place to whatever of [offset, offset + bytes) has none. 0; VMSIM_ELIMIT: the device is full (ENOSPC),
 * nothing was placed; VMSIM_ENOMEM: a part may have been placed, and the same call goes on with the rest. */
int vmsim__layout_place(struct vmsim__block *b, struct vmsim__layout *l, uint64_t offset, uint64_t bytes);
/* Gives back what lies at `bytes` and beyond (rounded up to blocks). */
void vmsim__layout_cut(struct vmsim__block *b, struct vmsim__layout *l, uint64_t bytes);
/* Gives back everything, host memory too; the layout is as if it were new. */
void vmsim__layout_release(struct vmsim__block *b, struct vmsim__layout *l);

/* One submission (vmsim__block_submit) of `io->bytes` bytes from offset `io->position` of the file, wherever they lie;
 * its cookie comes back once, when all of it is done. 0, VMSIM_ENOMEM or VMSIM_ELIMIT (ENOSPC): nothing was submitted.
 */
int vmsim__layout_submit(struct vmsim__block *b, struct vmsim__layout *l, uint64_t now,
                         const struct vmsim__block_io *io);

/* The position of `offset` on the device, and in *bytes how far from there on the file lies in one piece; false: it
 * has no place. */
bool vmsim__layout_map(const struct vmsim__block *b, const struct vmsim__layout *l, uint64_t offset, uint64_t *position,
                       uint64_t *bytes);
/* Bytes of the device that belong to the layout, and those that belong to any. */
uint64_t vmsim__layout_bytes(const struct vmsim__layout *l);
uint64_t vmsim__block_placed(const struct vmsim__block *b, uint32_t device);
/* Extents against each other and against the free ranges. 0 or VMSIM_ECHECK. */
int vmsim__layout_check(const struct vmsim__block *b, const struct vmsim__layout *l, struct vmsim__err *err);

#endif
