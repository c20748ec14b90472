/* SPDX-License-Identifier: MIT */
/* Files and the page cache.
 *
 * A file is an id, a kind, a size and a radix tree from page index to frame. Regular files live on a device (reads cost
 * time and are major); shmem files (tmpfs, memfd, SysV and shared anonymous memory) are born zeroed. Kernel
 * counterparts: mm/filemap.c, mm/readahead.c, mm/shmem.c, mm/truncate.c,
 * mm/page-writeback.c (accounting and synchronous write-out; the flusher and throttling come with reclaim).
 *
 *   struct vmsim__cache --- file table (id -> file, path -> file)
 *                                `-- radix: page index -> entry      frame.mapping = file id, frame.index = page index
 *
 * Conventions. `cpu` is the CPU on which the caller runs. System-call-like functions return what the call returns (a
 * value or a negative Linux errno); those that may have to wait return -ERESTARTSYS then (base/now.h). When the *host*
 * has no memory they return -ENOMEM (-12) and vmsim__cache_error() is VMSIM_ENOMEM from then on: the caller looks at it
 * after a step. References and LRU lists of pages: lru/lru.h. */
#ifndef VMSIM__CACHE_H
#define VMSIM__CACHE_H
#include "base/policy_registry.h"
#include "block/block_layout.h"
#include "cache/cache_spec.h"
#include "cache/entry.h"
#include "lru/lru.h"
#include "mmu/swp.h"

enum vmsim__file_kind {
    VMSIM__FILE_REGULAR,  /* on a disk file system (ext4-like: page_mkwrite on the first write to a shared mapping) */
    VMSIM__FILE_SHMEM,    /* tmpfs, memfd, SysV, shared anonymous: swap-backed */
    VMSIM__FILE_RAMFS,    /* pages pinned in the cache, never written back (initramfs programs) */
    VMSIM__FILE_DEVICE,   /* /dev/zero and the like: no pages */
    VMSIM__FILE_HUGETLB,  /* huge pages of a pool, which vm/ keeps: none that the cache knows */
    VMSIM__FILE_DIRECTORY /* on the way to a file that is in use: a name and an inode, no pages (dcache.c) */
};

/* State of one open file (struct file_ra_state + f_pos). Make it with vmsim__ra_init. */
struct vmsim__file_ra {
    uint64_t start;            /* of the newest window, pages */
    uint64_t prev_pos;         /* byte after the last read; UINT64_MAX: none */
    uint32_t size, async_size; /* of the newest window; of its tail that is read ahead of need */
    uint32_t ra_pages;         /* largest window */
    uint16_t mmap_miss;        /* faults that found nothing, less those that found something; not far above its limit */
    uint8_t advice;            /* enum vmsim__read_advice, from fadvise */
};
enum vmsim__read_advice { VMSIM__READ_NORMAL, VMSIM__READ_RANDOM, VMSIM__READ_SEQUENTIAL };

struct vmsim__file {
    uint32_t id;                 /* index in the cache's table; never 0 */
    uint8_t kind;                /* enum vmsim__file_kind */
    bool linked;                 /* a path leads to it: it outlives its last user */
    bool segment;                /* of kind SHMEM: System V's, which is mapped page by page (shm_vm_ops) */
    bool blockdev;               /* of kind REGULAR: a block device itself; its pages are Buffers */
    bool in_core;                /* its inode and name are in memory (dcache.c) */
    bool asked;                  /* the blocks around its inode have been asked for */
    bool found;                  /* what leads to its inode has been read from the device (metadata.c) */
    uint16_t payer;              /* and who pays for them */
    uint64_t ino;                /* number of its inode on its device; 0: what leads to it is in memory */
    uint64_t size;               /* bytes */
    struct vmsim__radix pages;   /* index -> entry (cache/entry.h) */
    uint64_t nrpages;            /* entries that are pages */
    uint64_t swapped;            /* entries that are slots of swap: of kind SHMEM */
    uint32_t refcount;           /* open files and mappings */
    char *path;                  /* owned; may be NULL (anonymous shared memory) */
    void *mappings;              /* vm/'s list of VMAs that map it (i_mmap); NULL: none */
    void *huge;                  /* of kind HUGETLB: vm/'s own; it goes with the file */
    uint64_t mkwrite_pages;      /* calls of page_mkwrite that dirtied a page, since creation */
    uint64_t disk_size;          /* bytes that the device holds: pages beyond are holes and are zeroed, not read */
    struct vmsim__layout layout; /* where they lie on it */
    uint64_t dirtied_when;       /* ns: when it last became dirty */
    int write_error;             /* negative Linux errno of a failed write-out that no fsync has told yet */
    struct vmsim__file_ra ra;    /* for users without an open file of their own: calls that are given no `ra` */
};

/* How reading ahead from swap did of late. Kernel: swap_readahead_info of a VMA, and its like of the machine. */
struct vmsim__swap_ra {
    uint64_t last;   /* page (or slot) of the last look-up */
    uint32_t window; /* pages of the last window */
    uint32_t hits;   /* of its pages, used since */
};
#define VMSIM__SWAP_HITS_FIRST 4u /* what nothing is known of is taken for a success */

/* What happens to the contents of a file's pages. */
enum vmsim__file_content {
    VMSIM__CONTENT_READ,    /* came from the device */
    VMSIM__CONTENT_WRITING, /* goes to the device, as it is now */
    VMSIM__CONTENT_LOST,    /* ... which failed: nobody knows what the device has */
    VMSIM__CONTENT_STORED,  /* a call has changed it */
    VMSIM__CONTENT_ZEROED,  /* a new page, of a hole */
    VMSIM__CONTENT_DROPPED, /* a hole from now on, or behind the file's end */
    VMSIM__CONTENT_GONE     /* the file goes, and another may get its number */
};

struct vmsim__cache; /* all files of a machine, LRU lists and batches */

/* What the cache asks of vm/ (set once vm/ exists; without hooks no page is mapped). */
struct vmsim__cache_hooks {
    void *context;
    /* Write-protects and cleans every entry that maps page `index` of `file` (folio_mkclean); true when one was dirty.
     */
    bool (*mkclean)(void *context, struct vmsim__file *file, uint64_t index, vmsim__pfn pfn, unsigned cpu);
    /* Unmaps pages [first, last] of `file` everywhere; private copies too if `even_cows` (unmap_mapping_pages). */
    void (*unmap)(void *context, struct vmsim__file *file, uint64_t first, uint64_t last, bool even_cows, unsigned cpu);
    /* A page of a file is wanted, gfp and CPU as in rq: the running task's memory policy says where. NULL: from the
     * CPU's node on. */
    vmsim__pfn (*alloc)(void *context, const struct vmsim__alloc_request *rq);
    /* The content of a page goes to a slot of swap (`write`), or comes from there. May be NULL. */
    void (*swapped)(void *context, struct vmsim__swp e, vmsim__pfn pfn, bool write);
    /* Pages [first, end) of a file; `pfn` is that of the first, where it is in memory. For the content oracle; may be
     * NULL. */
    void (*content)(void *context, enum vmsim__file_content what, const struct vmsim__file *file, uint64_t first,
                    uint64_t end, vmsim__pfn pfn);
    /* Base pages take the place of a large folio of a file, which is on a list and at rest. False: somebody holds it.
     * NULL: it always is. */
    bool (*split)(void *context, vmsim__pfn pfn, unsigned cpu);
    /* How hard a huge page of shared memory is looked for that no mapping asks for (vma_thp_gfp_mask of none). NULL:
     * not at all. */
    uint32_t (*huge_gfp)(void *context);
    /* A file of kind HUGETLB goes, which nobody maps any more. */
    void (*huge_gone)(void *context, struct vmsim__file *file, unsigned cpu);
};

/* What the cache asks of the machine: its devices, and the tasks that wait (set by machine/; without it every transfer
 * is done when it is asked for). */
struct vmsim__cache_io {
    void *context;
    /* Moves pages [first, first + pages) of `file`; vmsim__transfer_done with this id when they are there. False: the
     * host has no memory, the transfer counts as done. */
    bool (*submit)(void *context, uint32_t id, struct vmsim__file *file, uint64_t first, uint64_t pages, bool write);
    /* A writer has made pages dirty: true when it is held up for a while (the present waits). Kernel:
     * balance_dirty_pages. May be NULL. */
    bool (*throttle)(void *context);
    /* What some may wait for has happened to the page; `status`: 0 or the transfer's error. */
    void (*wake)(void *context, enum vmsim__wait_kind kind, vmsim__pfn pfn, int status);
    /* The pool of zswap is full: its oldest pages are to go on to their devices. May be NULL. */
    void (*zswap_full)(void *context);
    /* Bytes of the largest request that the file's device takes. NULL: what the spec's device says. */
    uint64_t (*largest)(void *context, const struct vmsim__file *file);
    /* Bytes of physical memory, from 0, that the file's device reaches; 0: all. May be NULL. */
    uint64_t (*reach)(void *context, const struct vmsim__file *file);
    /* The device that the file lies on, as the file whose pages are its blocks; NULL: it has none, or the host has no
     * memory. May be NULL. */
    struct vmsim__file *(*blockdev)(void *context, const struct vmsim__file *file);
    /* No more than the first `bytes` bytes of the file are left; 0: it goes. May be NULL. */
    void (*shrink)(void *context, struct vmsim__file *file, uint64_t bytes);
};

/* ---- the cache as a whole ---- */

/* `mem`, `lru` and `kernel` must outlive it. NULL: no host memory. */
struct vmsim__cache *vmsim__cache_create(struct vmsim__alloc *alloc, struct vmsim__mem *mem, struct vmsim__lru *lru,
                                         const struct vmsim__kernel *kernel, const struct vmsim__cache_spec *spec);
/* Host memory only: frames are not given back to `mem`, which is about to vanish as well. */
void vmsim__cache_destroy(struct vmsim__cache *c);
void vmsim__cache_set_hooks(struct vmsim__cache *c, const struct vmsim__cache_hooks *hooks);
/* Once, before files are read; without it readahead is Linux's. `policies` must outlive the cache. */
int vmsim__cache_set_readahead(struct vmsim__cache *c, struct vmsim__policy_registry *policies,
                               const struct vmsim__policy_choice *choice, uint64_t seed, struct vmsim__err *err);
/* Pages of the order that one entry of a page table maps; 0, as at first: the machine has no such entries. */
void vmsim__cache_set_huge_order(struct vmsim__cache *c, unsigned order);
/* The knobs in force, writable (dirty_*, read_ahead for files opened later). */
struct vmsim__cache_spec *vmsim__cache_spec(struct vmsim__cache *c);
struct vmsim__mem *vmsim__cache_mem(struct vmsim__cache *c);
/* 0, or VMSIM_ENOMEM once the host refused memory. */
int vmsim__cache_error(const struct vmsim__cache *c);
void vmsim__cache_clear_error(struct vmsim__cache *c);
void vmsim__cache_set_io(struct vmsim__cache *c, const struct vmsim__cache_io *io);
/* Pages that went through bounce buffers so far; those of them that came when there was no room for more. */
uint64_t vmsim__cache_bounced(const struct vmsim__cache *c, bool in_turns);
/* A transfer has ended: 0, or the negative Linux errno that came of it. */
void vmsim__transfer_done(struct vmsim__cache *c, uint32_t id, int status);
/* Radix contents against frames and back, counters against recounts. 0 or VMSIM_ECHECK. */
int vmsim__cache_check(struct vmsim__cache *c, struct vmsim__err *err);
/* drop_caches=1: clean unmapped pages of every file, after draining all batches. Returns pages dropped. */
uint64_t vmsim__cache_drop(struct vmsim__cache *c, unsigned cpu);
/* sync(): every dirty page of every file goes to the device. 0 or -ERESTARTSYS. */
int vmsim__cache_sync(struct vmsim__cache *c, unsigned cpu);
/* nr_dirty_threshold and nr_dirty_background_threshold, in pages. */
void vmsim__dirty_limits(struct vmsim__cache *c, uint64_t *thresh, uint64_t *background);
/* The same of a cgroup and all below, with what is dirty or being written there; no limits for the root. */
struct vmsim__memcg_dirty {
    uint64_t dirty, thresh, background;
};
void vmsim__memcg_dirty_limits(struct vmsim__cache *c, uint16_t memcg, struct vmsim__memcg_dirty *out);
/* Pages that may become dirty: global_dirtyable_memory. */
uint64_t vmsim__dirtyable_memory(struct vmsim__cache *c);
/* Is the node below its share of dirty pages? What GFP_WRITE asks (struct vmsim__mem_hooks.node_dirty_ok). */
bool vmsim__node_dirty_ok(struct vmsim__cache *c, unsigned node);

/* ---- files ---- */

/* A new file, with one reference for the caller; `path` (copied) may be NULL. A path in use: NULL. Regular and ramfs
 * files hold `size` bytes of data. */
struct vmsim__file *vmsim__file_create(struct vmsim__cache *c, enum vmsim__file_kind kind, const char *path,
                                       uint64_t size);
struct vmsim__file *vmsim__file_find(struct vmsim__cache *c, const char *path); /* NULL: none; takes no reference */
struct vmsim__file *vmsim__file_by_id(struct vmsim__cache *c, uint32_t id);     /* NULL: none */
struct vmsim__file *vmsim__file_next(struct vmsim__cache *c,
                                     uint32_t *id); /* first file with an id >= *id; NULL: none left */
void vmsim__file_get(struct vmsim__file *f);
void vmsim__file_put(struct vmsim__cache *c, struct vmsim__file *f,
                     unsigned cpu); /* the last put of an unlinked file deletes it */
void vmsim__file_unlink(struct vmsim__cache *c, struct vmsim__file *f, unsigned cpu);
/* Fills the cache with the whole file without I/O or cost ("cached: all"): as if written and synced long ago, so pages
 * are inactive, and referenced only in shmem. 0 or -ENOMEM. */
int vmsim__file_preload(struct vmsim__cache *c, struct vmsim__file *f, unsigned cpu);

/* Every function below takes NULL for `ra`: the state kept in the file itself, as one open file shared by all. */
void vmsim__ra_init(struct vmsim__cache *c, struct vmsim__file_ra *ra);
/* posix_fadvise(): advice by its Linux number (0 normal, 1 random, 2 sequential, 3 willneed, 4 dontneed, 5 noreuse);
 * length 0: to the end. */
int vmsim__file_fadvise(struct vmsim__cache *c, struct vmsim__file *f, struct vmsim__file_ra *ra, uint64_t pos,
                        uint64_t length, int advice, unsigned cpu);

/* read(): bytes read (0 at the end) or -ENOMEM when no frame could be had for the first page. */
int64_t vmsim__file_read(struct vmsim__cache *c, struct vmsim__file *f, struct vmsim__file_ra *ra, uint64_t pos,
                         uint64_t count, unsigned cpu);
/* write(): bytes written or -ENOMEM. The file grows as needed. */
int64_t vmsim__file_write(struct vmsim__cache *c, struct vmsim__file *f, uint64_t pos, uint64_t count, unsigned cpu);
/* ftruncate(): pages beyond are unmapped and dropped, the partial page is cleared. */
int vmsim__file_truncate(struct vmsim__cache *c, struct vmsim__file *f, uint64_t size, unsigned cpu);
/* fallocate(): mode bits of Linux (1 KEEP_SIZE, 2 PUNCH_HOLE, 0x10 ZERO_RANGE). Shmem allocates its pages. */
int vmsim__file_fallocate(struct vmsim__cache *c, struct vmsim__file *f, unsigned mode, uint64_t pos, uint64_t length,
                          unsigned cpu);
/* fsync, msync(MS_SYNC), sync_file_range: writes dirty pages [first, end) to the device and waits. 0, -EIO or
 * -ERESTARTSYS. */
int vmsim__file_sync(struct vmsim__cache *c, struct vmsim__file *f, uint64_t first, uint64_t end, unsigned cpu);
/* Sends dirty pages [first, end) to the device without waiting; they are under writeback until it has them. Pages
 * sent. */
uint64_t vmsim__file_write_start(struct vmsim__cache *c, struct vmsim__file *f, uint64_t first, uint64_t end,
                                 unsigned cpu);
/* invalidate_mapping_pages: drops clean, unmapped, unreferenced pages of [first, end); deactivates the others. Pages
 * dropped. */
uint64_t vmsim__file_invalidate(struct vmsim__cache *c, struct vmsim__file *f, uint64_t first, uint64_t end,
                                unsigned cpu);

/* ---- pages of files, for faults ---- */

/* Cached pages of block devices. Kernel: nr_blockdev_pages. */
uint64_t vmsim__blockdev_pages(const struct vmsim__cache *c);

#define VMSIM__INO_MAX (UINT64_C(1) << 48)
/* The directory whose path is the first `length` bytes of `path`, as a file of that path and "/."; NULL: the host has
 * no memory. */
struct vmsim__file *vmsim__directory(struct vmsim__cache *c, const char *path, size_t length);
/* Before a call that uses the file: is anything that leads to its inode still on the device alone? */
static inline bool vmsim__file_is_lost(const struct vmsim__file *f) {
    return f->ino && !f->found;
}
/* Reads that: of each directory of its path the inode and the entries, then its own inode. 0, -ERESTARTSYS, -ENOMEM or
 * -EIO. Kernel: path_openat, __ext4_get_inode_loc. */
int vmsim__file_lookup(struct vmsim__cache *c, struct vmsim__file *f, unsigned cpu);

/* The head of the folio that has the page, or VMSIM__PFN_NONE. No reference, no side effect (mincore, tests). */
static inline vmsim__pfn vmsim__file_page(const struct vmsim__file *f, uint64_t index) {
    return vmsim__entry_pfn(vmsim__radix_get(&f->pages, index));
}
/* The frame of page `index`, which the folio has that begins at `head`. */
static inline vmsim__pfn vmsim__folio_part(const struct vmsim__mem *mem, vmsim__pfn head, uint64_t index) {
    const struct vmsim__frame *f = vmsim__frame_at(&mem->frames, head);
    VMSIM__ASSERT(index - vmsim__frame_index(f) < vmsim__frame_pages(f));
    return head + (vmsim__pfn)(index - vmsim__frame_index(f));
}
/* First cached page at or after *index and below `end` that has the mark (VMSIM__MARK_PAGE: any page); moves *index
 * there. The head of its folio, or VMSIM__PFN_NONE: none. Costs what it finds, however many shadows or other pages lie
 * between. */
static inline vmsim__pfn vmsim__file_next_page(const struct vmsim__file *f, uint64_t *index, uint64_t end,
                                               enum vmsim__mark mark) {
    if (*index >= end || !vmsim__radix_any(&f->pages, mark))
        return VMSIM__PFN_NONE;
    uint64_t entry = vmsim__radix_next_marked(&f->pages, index, mark);
    VMSIM__ASSERT(!entry || vmsim__entry_tag(entry) == VMSIM__ENTRY_PAGE);
    return entry && *index < end ? vmsim__entry_pfn(entry) : VMSIM__PFN_NONE;
}
/* First cached page at or after *index and below `end` that fault-around may map (not marked for readahead, inside the
 * file); moves *index there. VMSIM__PFN_NONE: none. No reference: the caller takes one per entry (vmsim__folio_get). */
vmsim__pfn vmsim__file_next_mappable(const struct vmsim__cache *c, const struct vmsim__file *f, uint64_t *index,
                                     uint64_t end);
/* Fault-around found `pages` pages that reading ahead through `ra` was good for: they count against mmap_miss. */
void vmsim__ra_mapped(struct vmsim__file_ra *ra, uint64_t pages);

enum vmsim__page_outcome {
    VMSIM__PAGE_OK,
    VMSIM__PAGE_SIGBUS, /* beyond the end of the file, or the device failed */
    VMSIM__PAGE_OOM,    /* no frame */
    VMSIM__PAGE_RETRY,  /* reading ahead let go of the address space: the fault is to be entered again, at once */
    VMSIM__PAGE_WAIT    /* the page is on its way: the fault is to be entered again when it is there */
};
/* What a mapping says about huge pages of shared memory. */
struct vmsim__shmem_wish {
    bool advised, refused; /* MADV_HUGEPAGE; MADV_NOHUGEPAGE, or its process wants none */
    uint32_t gfp;          /* how hard one is looked for */
};
/* May the page of a file in shared memory be part of a huge page? `w`: NULL: no mapping asks. `forced`: by name
 * (MADV_COLLAPSE). Kernel: shmem_is_huge. */
bool vmsim__shmem_is_huge(const struct vmsim__cache *c, const struct vmsim__file *f, uint64_t index,
                          const struct vmsim__shmem_wish *w, bool forced);
/* Do mappings of the file prepare for them? NULL: shared anonymous memory. */
bool vmsim__shmem_may_be_huge(const struct vmsim__cache *c, const struct vmsim__file *f);
struct vmsim__page_fault {
    vmsim__pfn pfn; /* the folio's head, with a reference for the caller (it becomes that of the page-table entry) */
    bool major;     /* the page was not in the cache; pgmajfault has been counted */
    bool created;   /* shmem: the page is new and zeroed */
};
/* filemap_fault / shmem_fault: finds or brings in page `index`. `advice` is the VMA's (VM_RAND_READ, VM_SEQ_READ).
 * `policy`: placement of a shmem page (mempolicy of the mapping), NULL: the task's. `wish`: as in vmsim__shmem_is_huge.
 */
enum vmsim__page_outcome vmsim__file_fault(struct vmsim__cache *c, struct vmsim__file *f, struct vmsim__file_ra *ra,
                                           uint64_t index, enum vmsim__read_advice advice,
                                           const struct vmsim__alloc_request *policy,
                                           const struct vmsim__shmem_wish *wish, unsigned cpu,
                                           struct vmsim__page_fault *out);
/* Does the first write to a shared mapping of `f` have to be seen (clean pages are mapped read-only)? */
bool vmsim__file_wants_mkwrite(const struct vmsim__file *f);
/* page_mkwrite + dirty accounting of a page that is about to be written through a shared mapping. */
void vmsim__file_mkwrite(struct vmsim__cache *c, struct vmsim__file *f, vmsim__pfn pfn);
/* madvise(MADV_WILLNEED) and readahead(): forced reading of `pages` pages from `index`. */
void vmsim__file_willneed(struct vmsim__cache *c, struct vmsim__file *f, struct vmsim__file_ra *ra, uint64_t index,
                          uint64_t pages, unsigned cpu);

/* Reclaim takes a clean page that nobody maps, writes or pins out of its file: `shadow` (lru/workingset.h, which knows
 * one that is none) stands in its place, and the file's reference is dropped. Cannot fail. */
void vmsim__filemap_evict(struct vmsim__cache *c, vmsim__pfn pfn, uint64_t shadow, unsigned cpu);
/* A page of shared memory that is in swap comes back, or is a hole. False: the present waits, or it cannot be had. */
bool vmsim__shmem_bring_back(struct vmsim__cache *c, struct vmsim__file *f, uint64_t index, unsigned cpu);
/* The huge page `to`, charged and filled, takes the place of all that a file in shared memory has of its range; nobody
 * maps any of that, and nobody but the file holds it. The caller's reference becomes the file's. False: no host memory,
 * nothing has changed. */
bool vmsim__filemap_collapse(struct vmsim__cache *c, struct vmsim__file *f, uint64_t first, vmsim__pfn to,
                             unsigned cpu);
/* A large folio of a file is about to come apart, which nobody maps: from now on the file's slots name its frames one
 * by one. Afterwards one that lies behind the file's end leaves it; the caller has a reference. */
void vmsim__filemap_split(struct vmsim__cache *c, vmsim__pfn head);
void vmsim__filemap_trim(struct vmsim__cache *c, vmsim__pfn pfn, unsigned cpu);
/* `to` takes the place of `from` in its file, with the cache's reference, marks, counts and charge; nobody maps either,
 * and no transfer concerns them. Contents and the other flags are the caller's. Cannot fail. */
void vmsim__filemap_migrate(struct vmsim__cache *c, vmsim__pfn from, vmsim__pfn to);

/* ---- pages in general ---- */

/* No file is longer (bytes): an index of a page fits its frame's field on every page size. */
#define VMSIM__FILE_SIZE_MAX (UINT64_C(1) << 59)
/* folio_mark_dirty: a dirty entry was unmapped, or the kernel wrote. Accounts pages of regular files; true when it was
 * clean. */
bool vmsim__page_dirty(struct vmsim__cache *c, vmsim__pfn pfn);

#endif
