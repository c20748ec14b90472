/* SPDX-License-Identifier: MIT */
/* What few frames need, beside their records: columns of values by pfn, in chunks as the records' own, made when the
 * first value of a chunk that is not 0 is written. Where nothing was written a frame's value is 0; whoever writes one
 * writes 0 again before the frame is given back. Kernel counterparts: page_ext, the fields of struct page that share a
 * word with others. */
#ifndef VMSIM__COLUMNS_H
#define VMSIM__COLUMNS_H
#include "zones/zones.h"

enum vmsim__column {
    VMSIM__COLUMN_SWAP,   /* slot of a page in the swap cache */
    VMSIM__COLUMN_CPUPID, /* 32 bits: who touched it last, for NUMA balancing */
    VMSIM__COLUMN_POLICY, /* a reclaim policy's word */
    VMSIM__COLUMNS
};

uint64_t vmsim__column_read(const struct vmsim__mem *mem, enum vmsim__column column, vmsim__pfn pfn);
/* False: no host memory, nothing changed. It cannot fail where a value of the chunk was written before, nor for 0. */
bool vmsim__column_write(struct vmsim__mem *mem, enum vmsim__column column, vmsim__pfn pfn, uint64_t value);
/* Frees them all; the machine ends. */
void vmsim__columns_fini(struct vmsim__mem *mem);

#endif
