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
#include "swap/zram.h"
#include "swap/zswap.h"

#define VMSIM__SWAP_CLUSTER 512u                /* slots: SWAPFILE_CLUSTER with huge pages */
#define VMSIM__SWAP_CACHED UINT32_C(0x80000000) /* SWAP_HAS_CACHE */

struct vmsim__swap_cluster {
    uint32_t used; /* slots that are not free */
    uint32_t slot[VMSIM__SWAP_CLUSTER];
    uint16_t memcg[VMSIM__SWAP_CLUSTER]; /* cgroup that pays for the slot; 0: none */
};
struct vmsim__swap_area {
    struct vmsim_swap_area seen;          /* what policies see; slots: with the header, which is never free */
    char name[64];                        /* as in /proc/swaps */
    bool partition;                       /* a device as a whole, not a file on it */
    struct vmsim__layout layout;          /* not on zram */
    struct vmsim__zram *zram;             /* NULL: on a storage device */
    struct vmsim__swap_cluster **cluster; /* NULL: all of it is free */
    uint64_t clusters;
    uint64_t searched; /* no cluster before this one has a free slot */
    bool off;          /* swapoff is at work: no slot of it is given any more (not SWP_WRITEOK) */
    struct {
        uint32_t task, mm; /* who empties it, and where it is: an address space, */
        uint64_t va;       /* and an address there */
        uint64_t left;     /* slots in use when it was last entered, */
        uint64_t since;    /* and since when (ns): for what has come since it waits */
    } unuse;               /* off */
};
struct vmsim__swap {
    struct vmsim__alloc *alloc;
    struct vmsim__block *block;
    unsigned page_shift;
    struct vmsim__swap_area *area[VMSIM__SWP_AREAS]; /* by type; NULL: none */
    uint32_t areas;                                  /* no type at or above has one */
    const struct vmsim_swap_area *seen[VMSIM__SWP_AREAS];
    uint8_t type[VMSIM__SWP_AREAS]; /* of those seen: areas that give slots, by type */
    uint32_t nr_seen;
    int32_t next_priority; /* of the next area without one of its own: -2, -3, ... */
    uint64_t slots, free;  /* of areas that give slots, headers apart */
    uint64_t unusing;      /* slots in use of areas that are being swapped off */
    struct vmsim__swap_placement placement;
    struct vmsim__zram *zram; /* zram devices, by number */
    uint32_t zrams;
    struct vmsim__zswap *zswap; /* NULL: the machine has none */
    struct vmsim__slab nodes;   /* of their trees */
    uint64_t rotational;        /* areas on disks that turn */
    uint64_t writing;           /* pages on their way out */
    bool host_nomem;
};

/* `block` must outlive it. NULL: no host memory. */
struct vmsim__swap *vmsim__swap_create(struct vmsim__alloc *alloc, struct vmsim__block *block, unsigned page_shift);
void vmsim__swap_destroy(struct vmsim__swap *s);
/* Once, before areas: the zram devices. False: no host memory. */
bool vmsim__swap_add_zram(struct vmsim__swap *s, const struct vmsim__zram_spec *specs, size_t count,
                          struct vmsim__mem *mem, uint64_t seed);
/* The same of zswap. */
bool vmsim__swap_add_zswap(struct vmsim__swap *s, const struct vmsim__zswap_spec *spec, struct vmsim__mem *mem,
                           uint64_t seed);
/* swapon: one more area. `most`: slots that an entry of a page table can name. 0 or an error with its text. */
int vmsim__swap_on(struct vmsim__swap *s, const struct vmsim__swap_spec *spec, bool raw, uint64_t most,
                   struct vmsim__err *err);
/* The type of the area that is called so in /proc/swaps, or lies on this device as a whole; VMSIM__SWP_AREAS: none. */
uint8_t vmsim__swap_find(const struct vmsim__swap *s, const char *name);
/* swapoff begins: no more slots of the area are given. It comes back, behind all others of its kind; or it goes, when
 * no slot of it is in use. Kernel: del_from_avail_list, reinsert_swap_info, the end of swapoff. */
void vmsim__swap_withdraw(struct vmsim__swap *s, uint8_t type);
void vmsim__swap_reinsert(struct vmsim__swap *s, uint8_t type);
void vmsim__swap_off(struct vmsim__swap *s, uint8_t type);
static inline uint64_t vmsim__swap_inuse(const struct vmsim__swap_area *a) {
    return a->seen.slots - 1 - a->seen.free;
}
/* The first slot at or behind `from` that is in use; 0: none. Kernel: find_next_to_unuse. */
uint64_t vmsim__swap_next_used(const struct vmsim__swap_area *a, uint64_t from);

/* Takes r->slots consecutive slots for a page that enters the swap cache, and says the first. The asker fills in cpu,
 * slots, cgroup, space, index, and neighbour with its area (a type). False: there are none, or no host memory. Kernel:
 * get_swap_pages. */
bool vmsim__swap_take(struct vmsim__swap *s, const struct vmsim_swap_request *r, struct vmsim__swp *first);
/* Which cgroup pays for the slot. Kernel: swap_cgroup_record, lookup_swap_cgroup_id. */
void vmsim__swap_set_memcg(struct vmsim__swap *s, struct vmsim__swp e, uint16_t memcg);
uint16_t vmsim__swap_memcg(const struct vmsim__swap *s, struct vmsim__swp e);
/* Adds the slots that each cgroup pays for to `slots`, by id: for checks. */
void vmsim__swap_count_memcgs(const struct vmsim__swap *s, uint64_t *slots);
/* Host only: the slot will be looked at soon. False: there is none. */
bool vmsim__swap_expect(const struct vmsim__swap *s, struct vmsim__swp e);
uint32_t vmsim__swap_users(const struct vmsim__swap *s, struct vmsim__swp e);
bool vmsim__swap_is_cached(const struct vmsim__swap *s, struct vmsim__swp e);
bool vmsim__swap_going(const struct vmsim__swap *s, struct vmsim__swp e); /* its area is being emptied */
/* One more entry names the slot; one less: true when the slot is free now. Kernel: swap_duplicate, swap_free. */
void vmsim__swap_get(struct vmsim__swap *s, struct vmsim__swp e);
bool vmsim__swap_put(struct vmsim__swap *s, struct vmsim__swp e);
/* Its page enters the swap cache again, or leaves it: true when the slot is free now. Kernel: swapcache_prepare,
 * put_swap_folio. */
void vmsim__swap_cached(struct vmsim__swap *s, struct vmsim__swp e);
bool vmsim__swap_uncached(struct vmsim__swap *s, struct vmsim__swp e);
/* Is more than half of it in use? Then slots are not kept for pages that are in memory. What is being swapped off
 * counts as a lack, as it will need room elsewhere. Kernel: vm_swap_full. */
static inline bool vmsim__swap_is_full(const struct vmsim__swap *s) {
    return s->free * 2 < s->slots + s->unusing * 2;
}

/* Does whoever writes a page now have to wait for a place in the device's queue? Kernel: blk_mq_get_tag sleeps; there
 * are 256 places (nr_requests) where a scheduler is at work. */
#define VMSIM__SWAP_REQUESTS 256u
static inline bool vmsim__swap_congested(const struct vmsim__swap *s) {
    return s->writing > VMSIM__SWAP_REQUESTS;
}

/* Does it move pages within the call? Kernel: SWP_SYNCHRONOUS_IO. */
static inline bool vmsim__swap_synchronous(const struct vmsim__swap *s, struct vmsim__swp e) {
    return s->area[e.type]->zram;
}
/* Asks the device for `pages` slots from `first` on; `cookie` comes back when they are moved. 0 or VMSIM_ENOMEM. */
int vmsim__swap_submit(struct vmsim__swap *s, struct vmsim__swp first, uint32_t pages, bool write, uint64_t cookie,
                       struct vmsim__now *now);
/* Entries that name slots, of all areas: for checks. */
uint64_t vmsim__swap_entries(const struct vmsim__swap *s);
/* Slots against what areas say. 0 or VMSIM_ECHECK. */
int vmsim__swap_check(const struct vmsim__swap *s, struct vmsim__err *err);

#endif
