/* SPDX-License-Identifier: MIT */
/* Folios in use: their references, the LRU lists that every user page is put on, and the way there.
 *
 * Files and anonymous memory alike: this layer knows frames and their flags, nothing of files or address spaces. Kernel
 * counterparts: mm/swap.c, mm/mlock.c, include/linux/mm_inline.h.
 *
 *   struct vmsim__lru
 *        |-- per CPU: batches (lru_add, activate, ...), each holds one reference on its pages
 *        `-- per node: lruvec, four intrusive lists through frame.next/prev + unevictable (counted, not linked)
 *
 * Conventions. `cpu` is the CPU on which the caller runs. References: a frame is born with refcount 1, which belongs to
 * whoever allocated it; the page cache, each batch and each page-table entry hold one more each; vmsim__folio_put of
 * the last one takes the page off its list and frees the frame. Nothing here allocates host memory after creation. */
#ifndef VMSIM__LRU_H
#define VMSIM__LRU_H
#include "zones/zones.h"

struct vmsim__lru; /* lists and batches of a machine */

enum vmsim__lru_list {
    VMSIM__LRU_INACTIVE_ANON,
    VMSIM__LRU_ACTIVE_ANON,
    VMSIM__LRU_INACTIVE_FILE,
    VMSIM__LRU_ACTIVE_FILE,
    VMSIM__LRU_UNEVICTABLE,
    VMSIM__LRU_LISTS
};
/* The lists of one node. Head: most recently added; reclaim takes from the tail. Unevictable pages are only counted:
 * `prev` of their frame holds the mlock count. */
struct vmsim__lruvec {
    struct {
        vmsim__pfn head, tail;
    } list[VMSIM__LRU_LISTS];
    uint64_t count[VMSIM__LRU_LISTS]; /* pages, not folios */
    uint64_t nonresident_age;
    uint64_t anon_cost, file_cost;
};

/* `mem` and `kernel` must outlive it; `cpus` CPUs use it. NULL: no host memory. */
struct vmsim__lru *vmsim__lru_create(struct vmsim__alloc *alloc, struct vmsim__mem *mem,
                                     const struct vmsim__kernel *kernel, unsigned cpus);
/* Host memory only: frames are not given back to `mem`, which is about to vanish as well. */
void vmsim__lru_destroy(struct vmsim__lru *lru);
/* Lists link by link against the frames' flags and back, batches, all counters of this layer against recounts. 0 or
 * VMSIM_ECHECK. */
int vmsim__lru_check(struct vmsim__lru *lru, struct vmsim__err *err);

/* ---- references ---- */

void vmsim__folio_get(struct vmsim__lru *lru, vmsim__pfn pfn);
void vmsim__folio_put(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned cpu);

/* ---- lists ---- */

struct vmsim__lruvec *vmsim__lruvec_of_node(struct vmsim__lru *lru, unsigned node);
enum vmsim__lru_list vmsim__lru_list_of(const struct vmsim__frame *f);
/* Takes a page off its list, with a reference; false: it is on none. Later vmsim__lru_putback (by its flags; drops the
 * reference). */
bool vmsim__lru_isolate(struct vmsim__lru *lru, vmsim__pfn pfn);
void vmsim__lru_putback(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned cpu);

/* ---- requests: each goes through a batch of the CPU ---- */

/* A new page. */
void vmsim__lru_add(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned cpu);
/* A new page of an area; `locked`: the area is VM_LOCKED, the page mlocked from birth. */
void vmsim__lru_add_vma(struct vmsim__lru *lru, vmsim__pfn pfn, bool locked, unsigned cpu);
/* read(), GUP, unmap of a young entry. */
void vmsim__lru_mark_accessed(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned cpu);
void vmsim__lru_activate(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned cpu);
void vmsim__lru_deactivate(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned cpu);      /* MADV_COLD */
void vmsim__lru_deactivate_file(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned cpu); /* invalidation failed */
void vmsim__lru_lazyfree(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned cpu);        /* MADV_FREE */
void vmsim__lru_rotate(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned cpu); /* written, and reclaim waits for it */
void vmsim__lru_mlock(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned cpu);
void vmsim__lru_munlock(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned cpu);
void vmsim__lru_drain_cpu(struct vmsim__lru *lru, unsigned cpu); /* lru_add_drain */
void vmsim__lru_drain_all(struct vmsim__lru *lru);               /* lru_add_drain_all */

#endif
