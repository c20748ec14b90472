/* SPDX-License-Identifier: MIT */
/* Swap areas: their slots, who uses each, and where they lie on their devices.
 *
 *     struct vmsim__swap --- area 0 (type 0 of an entry) --- clusters of 512 slots, made when one is first used
 *                       \--- area 1 ...                            slot: C | users        C: in the swap cache
 *
 * A slot holds one page. It is taken for a page that enters the swap cache (C), gains a user with every entry of a page
 * table or of shared memory that names it, and is free when it has neither. Slot 0 is the area's header. What is in the
 * slots that are cached, and when a page is read or written, is cache/swap_cache.c's affair; which slot a page gets is
 * that of a policy (swap_policies.h). Kernel counterpart: mm/swapfile.c. */
#ifndef VMSIM__SWAP_H
#define VMSIM__SWAP_H
#include "base/err.h"
#include "block/block_layout.h"
#include "mmu/swp.h"
#include "swap/swap_policies.h"
#include "swap/swap_spec.h"

#define VMSIM__SWAP_CLUSTER 512u                /* slots: SWAPFILE_CLUSTER with huge pages */
#define VMSIM__SWAP_CACHED UINT32_C(0x80000000) /* SWAP_HAS_CACHE */

struct vmsim__swap_cluster {
    uint32_t used; /* slots that are not free */
    uint32_t slot[VMSIM__SWAP_CLUSTER];
    uint16_t memcg[VMSIM__SWAP_CLUSTER]; /* cgroup that pays for the slot; 0: none */
};
struct vmsim__swap_area {
    struct vmsim_swap_area seen; /* what policies see; slots: with the header, which is never free */
    char name[64];               /* as in /proc/swaps */
    bool partition;              /* a device as a whole, not a file on it */
    struct vmsim__layout layout;
    struct vmsim__swap_cluster **cluster; /* NULL: all of it is free */
    uint64_t clusters;
    uint64_t searched; /* no cluster before this one has a free slot */
};
struct vmsim__swap {
    struct vmsim__alloc *alloc;
    struct vmsim__block *block;
    unsigned page_shift;
    struct vmsim__swap_area *area[VMSIM__SWP_AREAS]; /* by type */
    const struct vmsim_swap_area *seen[VMSIM__SWP_AREAS];
    uint32_t areas;
    int32_t next_priority; /* of the next area without one of its own: -2, -3, ... */
    uint64_t slots, free;  /* of all areas, headers apart */
    struct vmsim__swap_placement placement;
    uint64_t rotational; /* areas on disks that turn */
    uint64_t writing;    /* pages on their way out */
    bool host_nomem;
};

/* `block` must outlive it. NULL: no host memory. */
struct vmsim__swap *vmsim__swap_create(struct vmsim__alloc *alloc, struct vmsim__block *block, unsigned page_shift);
void vmsim__swap_destroy(struct vmsim__swap *s);
/* swapon: one more area. `most`: slots that an entry of a page table can name. 0 or an error with its text. */
int vmsim__swap_on(struct vmsim__swap *s, const struct vmsim__swap_spec *spec, bool raw, uint64_t most,
                   struct vmsim__err *err);

/* Takes r->slots consecutive slots for a page that enters the swap cache, and says the first. The asker fills in cpu,
 * slots, cgroup, space, index, and neighbour with its area (a type). False: there are none, or no host memory. Kernel:
 * get_swap_pages. */
bool vmsim__swap_take(struct vmsim__swap *s, const struct vmsim_swap_request *r, struct vmsim__swp *first);
/* Which cgroup pays for the slot. Kernel: swap_cgroup_record, lookup_swap_cgroup_id. */
void vmsim__swap_set_memcg(struct vmsim__swap *s, struct vmsim__swp e, uint16_t memcg);
uint16_t vmsim__swap_memcg(const struct vmsim__swap *s, struct vmsim__swp e);
/* Adds the slots that each cgroup pays for to `slots`, by id: for checks. */
void vmsim__swap_count_memcgs(const struct vmsim__swap *s, uint64_t *slots);
uint32_t vmsim__swap_users(const struct vmsim__swap *s, struct vmsim__swp e);
bool vmsim__swap_is_cached(const struct vmsim__swap *s, struct vmsim__swp e);
/* One more entry names the slot; one less: true when the slot is free now. Kernel: swap_duplicate, swap_free. */
void vmsim__swap_get(struct vmsim__swap *s, struct vmsim__swp e);
bool vmsim__swap_put(struct vmsim__swap *s, struct vmsim__swp e);
/* Its page enters the swap cache again, or leaves it: true when the slot is free now. Kernel: swapcache_prepare,
 * put_swap_folio. */
void vmsim__swap_cached(struct vmsim__swap *s, struct vmsim__swp e);
bool vmsim__swap_uncached(struct vmsim__swap *s, struct vmsim__swp e);
/* Is more than half of it in use? Then slots are not kept for pages that are in memory. Kernel: vm_swap_full. */
static inline bool vmsim__swap_is_full(const struct vmsim__swap *s) {
    return s->free * 2 < s->slots;
}

/* Does whoever writes a page now have to wait for a place in the device's queue? Kernel: blk_mq_get_tag sleeps; there
 * are 256 places (nr_requests) where a scheduler is at work. */
#define VMSIM__SWAP_REQUESTS 256u
static inline bool vmsim__swap_congested(const struct vmsim__swap *s) {
    return s->writing > VMSIM__SWAP_REQUESTS;
}

/* Asks the device for `pages` slots from `first` on; `cookie` comes back when they are moved. 0 or VMSIM_ENOMEM. */
int vmsim__swap_submit(struct vmsim__swap *s, struct vmsim__swp first, uint32_t pages, bool write, uint64_t cookie,
                       uint64_t now);
/* Entries that name slots, of all areas: for checks. */
uint64_t vmsim__swap_entries(const struct vmsim__swap *s);
/* Slots against what areas say. 0 or VMSIM_ECHECK. */
int vmsim__swap_check(const struct vmsim__swap *s, struct vmsim__err *err);

#endif
