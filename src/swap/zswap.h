/* SPDX-License-Identifier: MIT */
/* zswap: pages on their way to swap are kept compressed in memory, in front of all areas, and go on to the device when
 * they have been there longest and the pool is full.
 *
 *     page --store--> one word all over? no memory : compressed --> pool (zbud, zsmalloc)
 *                         | refused: the pool is full, it does not compress, no frame, memory.zswap.max
 *                         `--> the slot's device
 *     oldest entries --written back--> their slots' devices, by a worker, once the pool was full
 *
 * An entry belongs to a slot, which its page has all the same. Until 6.5 it stays when the page is read back, and goes
 * with its slot; later reading takes it out. Who owns a page is the cache's affair. Kernel counterpart: mm/zswap.c. */
#ifndef VMSIM__ZSWAP_H
#define VMSIM__ZSWAP_H
#include "base/radix.h"
#include "mmu/swp.h"
#include "swap/compress.h"
#include "swap/zbud.h"
#include "swap/zsmalloc.h"

enum vmsim__zpool { VMSIM__ZPOOL_ZBUD, VMSIM__ZPOOL_ZSMALLOC, VMSIM__ZPOOL_DEFAULT };

struct vmsim__zswap_spec {
    bool enabled, same_filled;
    uint64_t max_pool, accept_threshold; /* percent */
    int pool;                            /* enum vmsim__zpool */
    struct vmsim__compress_spec compress;
};
extern const struct vmsim_param vmsim__zswap_spec_params[];

struct vmsim__zswap_stat { /* as in debugfs */
    uint64_t stored, same;
    uint64_t bytes; /* compressed */
    uint64_t written_back, limit_hit, compress_poor, alloc_fail, reclaim_fail;
};

/* A page in zswap. */
struct vmsim__zswap_entry {
    uint64_t slot;       /* vmsim__swp_slot_word; 0: the record is free */
    uint32_t object;     /* in the pool; 0: it has one word all over */
    uint32_t next, prev; /* from the oldest to the newest, or of free records; UINT32_MAX: none */
    uint16_t bytes;
    bool referenced; /* it is passed over once */
};
struct vmsim__zswap {
    struct vmsim__zswap_spec spec;
    struct vmsim__alloc *alloc;
    struct vmsim__mem *mem;
    struct vmsim__zspool zs; /* one of these two is in use */
    struct vmsim__zbud zbud;
    struct vmsim__radix entries; /* by slot: number of the record, and one */
    struct {
        VMSIM__VEC(struct vmsim__zswap_entry);
    } at;
    uint32_t oldest, newest, free;
    bool was_full;     /* no page is taken until the pool has shrunk below the threshold */
    bool shrink;       /* the worker has something to do */
    uint32_t failures; /* of it, in a row */
    bool host_nomem;
    struct vmsim__zswap_stat stat;
};

const char *vmsim__zswap_judge(const struct vmsim__zswap_spec *spec, const char **key);
void vmsim__zswap_init(struct vmsim__zswap *z, const struct vmsim__zswap_spec *spec, struct vmsim__alloc *alloc,
                       struct vmsim__slab *nodes, struct vmsim__mem *mem, uint64_t seed);
void vmsim__zswap_fini(struct vmsim__zswap *z);
/* Frames of its pool. */
uint64_t vmsim__zswap_pages(const struct vmsim__zswap *z);
/* Is the pool below its threshold again? */
bool vmsim__zswap_can_accept(const struct vmsim__zswap *z);
/* Keeps the page at `index` of `space` for a slot. NULL: it does not. Kernel: zswap_frontswap_store, zswap_store. */
const struct vmsim__zswap_entry *vmsim__zswap_store(struct vmsim__zswap *z, struct vmsim__swp e, uint64_t space,
                                                    uint64_t index, unsigned cpu);
/* The entry of a slot, if there is one. */
const struct vmsim__zswap_entry *vmsim__zswap_find(const struct vmsim__zswap *z, struct vmsim__swp e);
/* Its page is decompressed: the time is charged. */
void vmsim__zswap_load(struct vmsim__zswap *z, const struct vmsim__zswap_entry *entry);
/* An entry goes. */
void vmsim__zswap_drop(struct vmsim__zswap *z, struct vmsim__swp e, unsigned cpu);
/* The slot whose page is to be written back next: the oldest; one that was not passed over before goes behind all
 * others first, on kernels that do so. False: there is none. */
bool vmsim__zswap_victim(struct vmsim__zswap *z, struct vmsim__swp *e);
/* The victim cannot be written back now, and goes behind all others. */
void vmsim__zswap_rotate(struct vmsim__zswap *z, struct vmsim__swp e);
int vmsim__zswap_check(const struct vmsim__zswap *z, struct vmsim__err *err); /* 0 or VMSIM_ECHECK */

#endif
