/* SPDX-License-Identifier: MIT */
/* Radix tree from a 64-bit index to a non-zero 64-bit value: the page cache's and shmem's index of pages.
 * 64-way nodes (512 bytes), height grows with the largest index, empty nodes are freed. Kernel counterpart: xarray. */
#ifndef VMSIM__RADIX_H
#define VMSIM__RADIX_H
#include "alloc.h"

struct vmsim__radix_node;
struct vmsim__radix {
    struct vmsim__slab *nodes; /* shared slab of nodes (see vmsim__radix_slab_init) */
    struct vmsim__radix_node *root;
    unsigned height; /* levels below the root pointer; 0 = empty tree */
    uint64_t count;  /* entries present */
};
void vmsim__radix_slab_init(struct vmsim__slab *nodes, struct vmsim__alloc *a);
void vmsim__radix_init(struct vmsim__radix *r, struct vmsim__slab *nodes);
void vmsim__radix_fini(struct vmsim__radix *r);                          /* frees nodes, not what the values mean */
uint64_t vmsim__radix_get(const struct vmsim__radix *r, uint64_t index); /* 0: absent */
/* Stores a value (non-zero); the old one is returned through `old` if not NULL. False: no memory, nothing changed. */
bool vmsim__radix_set(struct vmsim__radix *r, uint64_t index, uint64_t value, uint64_t *old);
uint64_t vmsim__radix_remove(struct vmsim__radix *r, uint64_t index); /* the old value, or 0 */
/* First entry at or after *index: returns its value and moves *index there; 0 when there is none. */
uint64_t vmsim__radix_next(const struct vmsim__radix *r, uint64_t *index);
/* Whether bitmaps, height and count agree with the slots, and no node is empty: for checks, O(nodes). */
bool vmsim__radix_valid(const struct vmsim__radix *r);

#endif
