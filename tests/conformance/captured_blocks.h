/* SPDX-License-Identifier: MIT */
/* Free lists as a capture found them: what a boot and the programs before had left in pieces. */
#ifndef CAPTURED_BLOCKS_H
#define CAPTURED_BLOCKS_H
#include "zones/zones.h"

/* Holds as much of the zone as leaves left[order] free blocks of each order, those on lists of CPUs apart. Where they
 * lie is not in the capture: what is broken up is the lowest and the highest, and of it the beginning is free. */
void captured_blocks_leave(struct vmsim__mem *mem, const struct vmsim__zone *z, const int64_t *left);

#endif
