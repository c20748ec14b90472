/* SPDX-License-Identifier: MIT */
/* zram: a block device whose blocks are kept compressed in memory.
 *
 *     page --write--> one word all over? no memory : compressed, or as it is if that saves nothing --> zsmalloc
 *
 * It serves within the call: who writes or reads pays for the work and waits for nothing. A write fails when there is
 * no frame for it, or the limit is reached; the block then holds what it held before. Kernel counterpart:
 * drivers/block/zram/zram_drv.c. */
#ifndef VMSIM__ZRAM_H
#define VMSIM__ZRAM_H
#include "base/radix.h"
#include "swap/compress.h"
#include "swap/zsmalloc.h"

struct vmsim__zram_spec {
    uint64_t size, mem_limit; /* bytes; mem_limit 0: none */
    struct vmsim__compress_spec compress;
};
extern const struct vmsim_param vmsim__zram_spec_params[];

/* What mm_stat is made of, in pages or bytes, now unless it says otherwise. */
struct vmsim__zram_stat {
    uint64_t stored;        /* pages */
    uint64_t bytes;         /* compressed, pages of one word apart */
    uint64_t used_max;      /* frames, ever */
    uint64_t same, huge;    /* pages */
    uint64_t huge_since;    /* pages, ever */
    uint64_t reads, writes; /* pages, ever */
    uint64_t freed;         /* pages, ever */
    uint64_t failed;        /* writes, ever */
};
struct vmsim__zram {
    struct vmsim__zram_spec spec;
    char name[16]; /* zram0 */
    struct vmsim__zspool pool;
    struct vmsim__radix blocks; /* by number: bytes << 32 | object; of one word: 1 << 63 */
    struct vmsim__zram_stat stat;
};

/* What cannot be in a description: a text, with its key; NULL: nothing. */
const char *vmsim__zram_judge(const struct vmsim__zram_spec *spec, const char **key);
void vmsim__zram_init(struct vmsim__zram *z, unsigned number, const struct vmsim__zram_spec *spec,
                      struct vmsim__alloc *alloc, struct vmsim__slab *nodes, struct vmsim__mem *mem, uint64_t seed);
void vmsim__zram_fini(struct vmsim__zram *z);
/* The page at `index` of `space` goes to a block: 0, or a negative Linux errno. */
int vmsim__zram_write(struct vmsim__zram *z, uint64_t block, uint64_t space, uint64_t index, unsigned cpu);
/* Comes back from one that holds something. */
void vmsim__zram_read(struct vmsim__zram *z, uint64_t block);
/* Nobody needs what it holds, if anything. Kernel: zram_slot_free_notify. */
void vmsim__zram_free(struct vmsim__zram *z, uint64_t block, unsigned cpu);
int vmsim__zram_check(const struct vmsim__zram *z, struct vmsim__err *err); /* 0 or VMSIM_ECHECK */

#endif
