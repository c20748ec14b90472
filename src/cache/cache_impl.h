/* SPDX-License-Identifier: MIT */
/* What the files of src/cache/ share and nobody else sees: the cache itself, counters, frames. */
#ifndef VMSIM__CACHE_IMPL_H
#define VMSIM__CACHE_IMPL_H
#include "base/linux_errno.h"
#include "base/vec.h"
#include "cache/cache.h"
#include "lru/memcg.h"
#include "lru/obj_cgroup.h"
#include "swap/swap.h"

#define VMSIM__READ_BATCH 15      /* pages looked up, invalidated, dropped at once (PAGEVEC_SIZE) */
#define VMSIM__MMAP_LOTSAMISS 100 /* faults without luck until read-around gives up */

/* Pages [first, first + pages) of a file on their way (transfer.c). */
struct vmsim__transfer {
    struct vmsim__file *file; /* NULL: the id is free */
    uint64_t first, pages;
    bool write;
    uint16_t cpu; /* that asked for it, and is told */
    uint32_t next_free;
    uint32_t buffered;  /* pages of the pool of bounce buffers */
    vmsim__pfn buffers; /* frames that it was lent, linked by next; PFN_NONE: none */
};

struct vmsim__cache {
    struct vmsim__alloc *alloc;
    struct vmsim__mem *mem;
    struct vmsim__lru *lru;
    const struct vmsim__kernel *kernel;
    struct vmsim__cache_spec spec;
    struct vmsim__cache_hooks hooks;
    struct {
        const struct vmsim_readahead_policy *policy;
        struct vmsim__policy_instance
            instance; /* without a policy of its own: Linux's was never chosen, and has no state */
    } readahead;
    int error;
    struct vmsim__cache_io io;
    struct {
        VMSIM__VEC(struct vmsim__transfer);
    } transfers;            /* by id */
    uint32_t transfer_free; /* first free id, linked by next_free; UINT32_MAX: none */
    uint64_t in_flight;     /* transfers */
    struct {
        uint64_t used;            /* pages of the pool that are in use */
        uint64_t pages, in_turns; /* see vmsim__cache_bounced */
    } bounce;
    uint64_t dirtied;             /* pages that were written to */
    bool no_reclaim;              /* pages come from what is free */
    unsigned huge_order;          /* of what one entry of a page table maps; 0: there are none */
    struct vmsim__swap *swap;     /* NULL: there is none */
    const uint64_t *page_cluster; /* the knob vm.page-cluster */
    struct vmsim__swap_ra swap_ra;
    struct vmsim__radix swapped[VMSIM__SWP_AREAS]; /* the swap cache: slot -> page or shadow, an area */
    struct vmsim__slab nodes;                      /* of all radix trees */
    struct vmsim__radix_bill bill, swap_bill;      /* who pays for those of files, of the swap cache */
    struct vmsim__slab file_slab;
    struct {
        VMSIM__VEC(struct vmsim__file *);
    } files; /* by id; [0] and free ids: NULL */
    struct {
        VMSIM__VEC(uint32_t);
    } free_ids;        /* LIFO */
    uint32_t *by_path; /* open addressing, a power of two of slots: file id, 0 empty, UINT32_MAX deleted */
    size_t path_slots, path_used;
};

/* ---- frames and counters ---- */

static inline struct vmsim__frame *vmsim__cache_frame(const struct vmsim__cache *c, vmsim__pfn pfn) {
    return vmsim__frame_at(&c->mem->frames, pfn);
}
static inline struct vmsim__zone *vmsim__cache_zone(const struct vmsim__cache *c, const struct vmsim__frame *f) {
    VMSIM__ASSERT(vmsim__frame_zone(f) < c->mem->nr_zones);
    return &c->mem->zones[vmsim__frame_zone(f)];
}
static inline void vmsim__cache_node_add(struct vmsim__cache *c, const struct vmsim__frame *f,
                                         enum vmsim__node_stat stat, int64_t pages) {
    vmsim__folio_stat_add(c->lru, f, stat, pages);
    c->mem->nodes[vmsim__cache_zone(c, f)->node].stat[stat] += pages;
}
static inline void vmsim__cache_zone_add(struct vmsim__cache *c, const struct vmsim__frame *f,
                                         enum vmsim__zone_stat stat, int64_t pages) {
    vmsim__cache_zone(c, f)->stat[stat] += pages;
}
static inline void vmsim__cache_event(struct vmsim__cache *c, enum vmsim__event_stat event, uint64_t n) {
    c->mem->event[event] += n;
}
static inline uint64_t vmsim__cache_page_size(const struct vmsim__cache *c) {
    return UINT64_C(1) << c->mem->page_shift;
}
/* Pages that `bytes` bytes touch from offset 0 on. */
static inline uint64_t vmsim__cache_pages_of(const struct vmsim__cache *c, uint64_t bytes) {
    return (bytes >> c->mem->page_shift) + ((bytes & (vmsim__cache_page_size(c) - 1)) != 0);
}
/* One entry of a page table may map it. Kernel: folio_test_pmd_mappable. */
static inline bool vmsim__cache_is_huge(const struct vmsim__cache *c, const struct vmsim__frame *f) {
    return vmsim__frame_is(f, VMSIM__FRAME_HEAD) && c->huge_order && vmsim__folio_order(f) >= c->huge_order;
}
/* The CPU is busy for `ns`. */
static inline void vmsim__cache_charge(struct vmsim__cache *c, uint64_t ns) {
    vmsim__now_charge(&c->mem->now, ns);
}
/* It clears a page. */
static inline void vmsim__cache_clear(struct vmsim__cache *c, vmsim__pfn pfn, unsigned cpu) {
    vmsim__cache_charge(c,
                        vmsim__mem_fill_time(c->mem, c->spec.zero_cost, UINT64_C(1) << c->mem->page_shift, cpu, pfn));
}
/* Tells the content oracle of one page. */
static inline void vmsim__cache_content(const struct vmsim__cache *c, enum vmsim__file_content what,
                                        const struct vmsim__file *f, uint64_t index, vmsim__pfn pfn) {
    if (c->hooks.content)
        c->hooks.content(c->hooks.context, what, f, index, index + 1, pfn);
}
/* Of all pages of a new folio: they are zeroes. */
static inline void vmsim__cache_zeroed(const struct vmsim__cache *c, const struct vmsim__file *f, vmsim__pfn pfn) {
    const struct vmsim__frame *fr = vmsim__cache_frame(c, pfn);
    for (uint32_t i = 0; c->hooks.content && i < vmsim__frame_pages(fr); i++)
        vmsim__cache_content(c, VMSIM__CONTENT_ZEROED, f, vmsim__frame_index(fr) + i, pfn + i);
}
static inline bool vmsim__file_accounts_dirty(const struct vmsim__file *f) {
    return f->kind == VMSIM__FILE_REGULAR;
}

/* ---- transfer.c ---- */

/* Asks the device for pages [first, first + pages): LOCKED ones that are to be read, or ones under WRITEBACK. May be
 * done at once. */
void vmsim__transfer_start(struct vmsim__cache *c, struct vmsim__file *f, uint64_t first, uint64_t pages, bool write,
                           unsigned cpu);

/* Nodes of trees remember who pays by the number of the cgroup plus one: the root cgroup does not pay, and has them. */
static inline uint32_t vmsim__cache_payer(uint16_t memcg) {
    return memcg + UINT32_C(1);
}
static inline uint16_t vmsim__cache_payer_memcg(uint32_t payer) {
    VMSIM__ASSERT(payer > 0 && payer <= UINT16_MAX);
    return (uint16_t)(payer - 1);
}

/* Whoever else wants the CPU has it now, and the present waits for its turn. Kernel: cond_resched. */
static inline bool vmsim__cache_others_first(const struct vmsim__cache *c) {
    return c->mem->hooks.cond_resched && c->mem->hooks.cond_resched(c->mem->hooks.context);
}

/* ---- filemap.c ---- */

/* A new folio for the cache, refcount 1, or VMSIM__PFN_NONE. */
vmsim__pfn vmsim__filemap_alloc(struct vmsim__cache *c, uint32_t gfp, unsigned order,
                                const struct vmsim__alloc_request *policy, unsigned cpu);
/* The same with these GFP flags and no others. */
vmsim__pfn vmsim__filemap_alloc_as(struct vmsim__cache *c, uint32_t gfp, unsigned order,
                                   const struct vmsim__alloc_request *policy, unsigned cpu);
/* Do pages [first, first + pages) have neither a page in memory nor one in swap? */
static inline bool vmsim__filemap_none_in(const struct vmsim__file *f, uint64_t first, uint64_t pages) {
    uint64_t entry;
    for (uint64_t i = first; (entry = vmsim__radix_next(&f->pages, &i)) && i < first + pages; i++) {
        if (vmsim__entry_tag(entry) != VMSIM__ENTRY_SHADOW)
            return false;
    }
    return true;
}
/* Does its file system take folios larger than a page? Kernel: mapping_large_folio_support. */
static inline bool vmsim__file_has_large(const struct vmsim__cache *c, const struct vmsim__file *f) {
    return c->spec.large_folios && c->huge_order && f->kind == VMSIM__FILE_REGULAR && !f->blockdev;
}
/* Puts a new folio, whose place is free, into the file and into the lru_add batch; the caller's reference is dropped in
 * any case. False: the host has no memory, the frame was freed. */
bool vmsim__filemap_add(struct vmsim__cache *c, struct vmsim__file *f, uint64_t index, vmsim__pfn pfn, uint32_t gfp,
                        unsigned cpu);
/* The page is written through buffers, or is a block of a file system itself: heads of buffers hang on it until it
 * goes, and its cgroup pays for them (vmsim__obj_charge). File systems with large folios have none for those. */
bool vmsim__filemap_make_buffers(struct vmsim__cache *c, vmsim__pfn pfn, uint32_t gfp);
static inline bool vmsim__filemap_add_buffers(struct vmsim__cache *c, vmsim__pfn pfn, uint32_t gfp) {
    return vmsim__frame_is(vmsim__cache_frame(c, pfn),
                           VMSIM__FRAME_BUFFERS | VMSIM__FRAME_HEAD) || /* has, needs none */
           vmsim__filemap_make_buffers(c, pfn, gfp);
}
/* Takes the folio that begins at `index` out of the file: counters, dirtiness, the cache's references. It is no longer
 * mapped. */
void vmsim__filemap_remove(struct vmsim__cache *c, struct vmsim__file *f, uint64_t index, vmsim__pfn pfn, unsigned cpu);
/* Allocates and adds a page, to be filled by the caller. VMSIM__PFN_NONE: no frame or no host memory. */
vmsim__pfn vmsim__filemap_create(struct vmsim__cache *c, struct vmsim__file *f, uint64_t index, uint32_t gfp,
                                 const struct vmsim__alloc_request *policy, unsigned cpu);
/* The same and asks the device for it: the page may come LOCKED. */
vmsim__pfn vmsim__filemap_read_page(struct vmsim__cache *c, struct vmsim__file *f, uint64_t index, unsigned cpu);
/* A page that is needed now: true when it is there, else the operation waits for it. */
bool vmsim__filemap_arrived(struct vmsim__cache *c, vmsim__pfn pfn);
/* May the page leave its file or lose its data now? Else the operation waits for its transfer. */
bool vmsim__filemap_settled(struct vmsim__cache *c, vmsim__pfn pfn);
/* The error with which a transfer ended that the operation waited for, once; 0: none. */
int vmsim__filemap_error(struct vmsim__cache *c);
/* Why an operation ends at a page that it did not get: -ERESTARTSYS, it has to wait; -ENOMEM, there is no frame. */
int vmsim__filemap_no_page(const struct vmsim__cache *c);
/* A block as a file system gets it for itself: one page of a block device, without readahead. True when it is there. */
bool vmsim__filemap_read_block(struct vmsim__cache *c, struct vmsim__file *f, uint64_t index, unsigned cpu);
/* Is page `index` stored on the device, or is it a hole? */
static inline bool vmsim__file_on_disk(const struct vmsim__cache *c, const struct vmsim__file *f, uint64_t index) {
    VMSIM__ASSERT(index <= UINT64_MAX >> c->mem->page_shift);
    return f->kind == VMSIM__FILE_REGULAR && index << c->mem->page_shift < f->disk_size;
}

/* ---- readahead.c ---- */

/* A miss at `index` of a request for `pages` pages / a touch of a marked page. */
void vmsim__ra_sync(struct vmsim__cache *c, struct vmsim__file *f, struct vmsim__file_ra *ra, uint64_t index,
                    uint64_t pages, unsigned cpu);
/* Goes on with a window in whose middle the running read gave the CPU away; false: it did so again. */
bool vmsim__ra_resume(struct vmsim__cache *c, struct vmsim__file *f, unsigned cpu);
void vmsim__ra_async(struct vmsim__cache *c, struct vmsim__file *f, struct vmsim__file_ra *ra, vmsim__pfn pfn,
                     uint64_t index, uint64_t pages, unsigned cpu);
/* Read-around of a fault. */
void vmsim__ra_around(struct vmsim__cache *c, struct vmsim__file *f, struct vmsim__file_ra *ra, uint64_t index,
                      unsigned cpu);

/* ---- shmem.c ---- */

/* A new zeroed page of a shmem file, or the huge page that has it. VMSIM__PFN_NONE: no frame or no host memory. */
vmsim__pfn vmsim__shmem_create(struct vmsim__cache *c, struct vmsim__file *f, uint64_t index,
                               const struct vmsim__alloc_request *policy, const struct vmsim__shmem_wish *wish,
                               unsigned cpu);

/* The page of a shmem file that is in swap comes back. VMSIM__PFN_NONE: the present waits for it or for memory, or
 * there is none, or it cannot be read (vmsim__filemap_error). `fault`: for a fault, whose major one it is. Kernel:
 * shmem_swapin_folio. */
vmsim__pfn vmsim__shmem_swap_in(struct vmsim__cache *c, struct vmsim__file *f, uint64_t index,
                                const struct vmsim__alloc_request *policy, bool fault, unsigned cpu);
/* Is the page in swap? */
bool vmsim__shmem_swapped(const struct vmsim__file *f, uint64_t index);
/* Slots of [first, end) are given back. */
void vmsim__shmem_drop_slots(struct vmsim__cache *c, struct vmsim__file *f, uint64_t first, uint64_t end, unsigned cpu);

/* ---- dcache.c ---- */

/* The file is used: its inode and its name, and those of the directories that lead to it, are in memory from now on,
 * and whoever is at it pays for those that were not. */
void vmsim__dcache_bring(struct vmsim__cache *c, struct vmsim__file *f, unsigned cpu);
static inline void vmsim__dcache_enter(struct vmsim__cache *c, struct vmsim__file *f, unsigned cpu) {
    if (VMSIM__UNLIKELY(!f->in_core && f->path && f->kind == VMSIM__FILE_REGULAR && !f->blockdev))
        vmsim__dcache_bring(c, f, cpu);
}
/* It goes: nobody pays any more. */
void vmsim__dcache_leave(struct vmsim__cache *c, struct vmsim__file *f, unsigned cpu);
/* Bytes that the payer of a file pays for it. */
uint32_t vmsim__dcache_bytes(const struct vmsim__cache *c);

/* ---- truncate.c ---- */

/* A hole in bytes [start, end): whole pages go, parts are cleared. 0, -ENOMEM, -EIO or -ERESTARTSYS. */
int vmsim__file_punch(struct vmsim__cache *c, struct vmsim__file *f, uint64_t start, uint64_t end, unsigned cpu);
/* Drops every page of [first, end), mapped ones after unmapping them (private copies, too, with `even_cows`). False:
 * one of them is on its way, the operation waits for it. */
bool vmsim__file_drop_pages(struct vmsim__cache *c, struct vmsim__file *f, uint64_t first, uint64_t end, bool even_cows,
                            unsigned cpu);

/* ---- dirty.c ---- */

/* Under writeback, or no longer: what counts such pages, of files and of the swap cache. */
static inline void vmsim__writeback_count(struct vmsim__cache *c, const struct vmsim__frame *fr, int64_t pages) {
    vmsim__cache_node_add(c, fr, VMSIM__NR_WRITEBACK, pages);
    vmsim__cache_zone_add(c, fr, VMSIM__NR_ZONE_WRITE_PENDING, pages);
}
/* A page is under writeback no longer, whatever it belongs to. */
void vmsim__writeback_over(struct vmsim__cache *c, vmsim__pfn pfn, unsigned cpu);
/* The device has a folio of a file that was under writeback. Returns its pages. */
uint32_t vmsim__writeback_end(struct vmsim__cache *c, struct vmsim__file *f, vmsim__pfn pfn, unsigned cpu);
/* A dirty page leaves the file, and its marks go with its slot: nobody will write it. */
void vmsim__dirty_cancel(struct vmsim__cache *c, const struct vmsim__file *f, struct vmsim__frame *fr);

#endif
