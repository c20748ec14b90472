/* SPDX-License-Identifier: MIT */
/* The swap cache: pages that have a slot of swap, on their way out, on their way in, or kept because the slot still
 * holds the same.
 *
 *     anonymous page --add--> cached, DIRTY --write--> WRITEBACK --> clean --remove (shadow)--> in its slot alone
 *           ^                                                                                          |
 *           `-- free_folio: out of the cache, slot given back <---- cached, LOCKED, then clean <--read--'
 *
 * A page in it has SWAPCACHE, its slot in a column beside the frames (VMSIM__COLUMN_SWAP), and a reference of the
 * cache's a base page; it may be mapped or not. A tree an area has the page, or the shadow that the page left, by slot.
 * What is read or written waits like pages of files do (cache/transfer.c). Kernel counterparts: mm/swap_state.c,
 * mm/page_io.c, parts of mm/swapfile.c. */
#ifndef VMSIM__SWAP_CACHE_H
#define VMSIM__SWAP_CACHE_H
#include "cache/cache.h"
#include "lru/workingset.h"
#include "swap/swap.h"

/* Once, before pages go to swap; `swap` and the knob vm.page-cluster must outlive the cache. */
void vmsim__cache_set_swap(struct vmsim__cache *c, struct vmsim__swap *swap, const uint64_t *page_cluster);
struct vmsim__swap *vmsim__cache_swap(const struct vmsim__cache *c); /* NULL: there is none */
/* An area has come or gone. */
void vmsim__cache_swap_changed(struct vmsim__cache *c);

/* The page of a slot, if it is in the cache; VMSIM__PFN_NONE. */
vmsim__pfn vmsim__swap_cache_page(const struct vmsim__cache *c, struct vmsim__swp e);
/* The page of a slot will be wanted soon: the host fetches what says where it is. */
void vmsim__swap_cache_expect(const struct vmsim__cache *c, struct vmsim__swp e);
/* The slot of a page that is in the cache. */
struct vmsim__swp vmsim__swap_cache_slot(const struct vmsim__cache *c, vmsim__pfn pfn);

/* A page gets a slot, a large one as many side by side, and is dirty in the cache. `before`: the slot of the page
 * before it in its address space, NULL: not known. False: no slot, or no host memory (vmsim__cache_error). Kernel:
 * add_to_swap. */
bool vmsim__swap_cache_add(struct vmsim__cache *c, vmsim__pfn pfn, const struct vmsim__swp *before, unsigned cpu);
/* A dirty page that is not mapped goes to zswap or to its slot; if nothing names the slot any more it leaves the cache
 * instead. False: zswap does not take it, and its cgroup lets no page go further. Kernel: swap_writepage. */
bool vmsim__swap_cache_write(struct vmsim__cache *c, vmsim__pfn pfn, unsigned cpu);
/* A dirty page of a file in shared memory, which nobody maps, gets a slot, goes there, and leaves its file, where an
 * entry that names the slot takes its place. False: no slot, or no host memory. Kernel: shmem_writepage. */
bool vmsim__shmem_write(struct vmsim__cache *c, vmsim__pfn pfn, unsigned cpu);
/* Pages of an area that files in shared memory name come back. -ERESTARTSYS: to be entered again; -ENOMEM. Kernel:
 * shmem_unuse. */
int vmsim__shmem_unuse(struct vmsim__cache *c, uint8_t type, unsigned cpu);
/* Pages that the cache alone keeps for an area give their slots back. -ERESTARTSYS: one is on its way. Kernel: the end
 * of try_to_unuse. */
int vmsim__swap_cache_unuse(struct vmsim__cache *c, uint8_t type, unsigned cpu);
/* A new frame becomes the page of a slot that has none in the cache, and is asked for: LOCKED until it is there. The
 * caller's reference becomes the cache's. False: no host memory, the frame is the caller's still. Kernel: second half
 * of __read_swap_cache_async, swap_readpage. */
bool vmsim__swap_cache_read(struct vmsim__cache *c, struct vmsim__swp e, vmsim__pfn pfn, unsigned cpu);
/* A new frame gets what a slot of a synchronous device holds, for the only entry that names it, past the cache. */
void vmsim__swap_read_alone(struct vmsim__cache *c, struct vmsim__swp e, vmsim__pfn pfn, unsigned cpu);
/* A clean page that nobody maps leaves the cache, and `shadow` where it was (VMSIM__NO_SHADOW: nothing). Kernel:
 * __delete_from_swap_cache. */
void vmsim__swap_cache_remove(struct vmsim__cache *c, vmsim__pfn pfn, uint64_t shadow, unsigned cpu);
/* The page leaves the cache and is dirty, its slot is free: unless something names the slot, or the page is on its way.
 * Kernel: folio_free_swap. */
bool vmsim__swap_cache_free(struct vmsim__cache *c, vmsim__pfn pfn, unsigned cpu);
/* A large page in the cache is about to be split: each of its frames will be in the cache by itself, with a reference.
 * False: it is on its way out, or no host memory. */
bool vmsim__swap_cache_may_split(struct vmsim__cache *c, vmsim__pfn head);
/* `to` takes the place of `from`, with its reference, charge and flag. Kernel:
 * folio_migrate_mapping. */
void vmsim__swap_cache_migrate(struct vmsim__cache *c, vmsim__pfn from, vmsim__pfn to);
/* Are slots so scarce that one is not kept for this page in memory? Kernel: mem_cgroup_swap_full. */
bool vmsim__swap_cache_full(const struct vmsim__cache *c, vmsim__pfn pfn);

/* One entry more, or less, names the slot; a page in the cache stays there. Kernel: swap_duplicate, swap_free. */
void vmsim__swap_entry_get(struct vmsim__cache *c, struct vmsim__swp e);
void vmsim__swap_entry_put(struct vmsim__cache *c, struct vmsim__swp e);
/* As put; with the last entry a page that is in the cache alone goes, too. Kernel: free_swap_and_cache. */
void vmsim__swap_entry_zap(struct vmsim__cache *c, struct vmsim__swp e, unsigned cpu);

/* Pages of shared memory that are in swap. */
uint64_t vmsim__cache_swapped(const struct vmsim__cache *c);

/* What was asked for has arrived (status 0), or not. `cookie` is what was submitted; its top bit is set. */
#define VMSIM__SWAP_COOKIE (UINT64_C(1) << 63)
void vmsim__swap_io_done(struct vmsim__cache *c, uint64_t cookie, int status);

/* ---- swap_readahead.c ---- */

/* Whoever brings pages in: where frames for them come from. */
struct vmsim__swap_reader {
    vmsim__pfn (*alloc)(void *context); /* refcount 1, charged to nobody; PFN_NONE: none, or the present waits */
    void *context;
    unsigned cpu;
};
/* The page of a slot, if it is there; `ahead`: it was read ahead, and this is its first use (swap_ra_hit). Kernel:
 * lookup_swap_cache. */
vmsim__pfn vmsim__swap_look_up(struct vmsim__cache *c, struct vmsim__swp e, bool *ahead);
/* The page of a slot, which is asked for if it is not there; `fresh`: it was. VMSIM__PFN_NONE: nobody uses the slot, or
 * there is no memory. Kernel: __read_swap_cache_async. */
vmsim__pfn vmsim__swap_fetch(struct vmsim__cache *c, struct vmsim__swp e, const struct vmsim__swap_reader *r,
                             bool *fresh);
/* A frame for the page of a slot, charged to whom it belongs, or VMSIM__PFN_NONE. */
vmsim__pfn vmsim__swap_frame(struct vmsim__cache *c, struct vmsim__swp e, const struct vmsim__swap_reader *r);
/* The oldest page of zswap goes on to its device; `r` has frames for it. False: not this one, or there is none. */
bool vmsim__zswap_write_oldest(struct vmsim__cache *c, const struct vmsim__swap_reader *r);
/* The page came with another's miss. */
void vmsim__swap_mark_ahead(struct vmsim__cache *c, vmsim__pfn pfn);
/* Asks for the slots around a miss. False: it waits for memory, and goes on with the same window. Kernel:
 * swap_cluster_readahead. */
bool vmsim__swap_read_cluster(struct vmsim__cache *c, struct vmsim__swp e, const struct vmsim__swap_reader *r);
/* One of its pages was used. */
void vmsim__swap_ra_hit(struct vmsim__cache *c);
/* The running fault needs a page that is not in memory: once, however often it is entered. */
void vmsim__swap_count_major(struct vmsim__cache *c);
/* The window of readahead that has `pages` pages at most: from `hits`, the pages read ahead that were used since,
 * whether this miss is beside the one before, and the last window. Kernel: __swapin_nr_pages. */
uint32_t vmsim__swap_ra_window(bool adjacent, uint32_t hits, uint32_t pages, uint32_t last);

#endif
