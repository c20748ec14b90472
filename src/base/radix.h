/* SPDX-License-Identifier: MIT */
/* Radix tree from a 64-bit index to a non-zero 64-bit value with marks: the page cache's and shmem's index of pages.
 *
 * 64-way nodes, height grows with the largest index, empty nodes are freed. An entry may carry any of four marks; nodes
 * know which of their children hold marked entries, so that a walk over the entries with a mark costs what it finds.
 * What values and marks mean is the user's affair. Kernel counterpart: xarray. */
#ifndef VMSIM__RADIX_H
#define VMSIM__RADIX_H
#include "alloc.h"

#define VMSIM__RADIX_MARKS 4u
#define VMSIM__RADIX_BITS 6u
#define VMSIM__RADIX_SLOTS (1u << VMSIM__RADIX_BITS)

/* Bitmaps of a node over its slots: those in use, then a row a mark. */
enum {
    VMSIM__RADIX_PRESENT,
    VMSIM__RADIX_FIRST_MARK,
    VMSIM__RADIX_MAPS = VMSIM__RADIX_FIRST_MARK + VMSIM__RADIX_MARKS
};

/* Seen by radix.c and the lookup below alone. */
struct vmsim__radix_node {
    uint64_t map[VMSIM__RADIX_MAPS];  /* bit i: slot i */
    uint32_t payer;                   /* as struct vmsim__radix_bill had it when the node was made */
    struct vmsim__radix_node *parent; /* NULL: the root */
    union {
        struct vmsim__radix_node *node; /* above the lowest level */
        uint64_t value;
    } slot[VMSIM__RADIX_SLOTS];
};
/* Who pays for nodes, where somebody does; shared by trees. */
struct vmsim__radix_bill {
    uint32_t payer; /* of nodes that are made from now on; 0: nobody */
    void (*made)(void *context, uint32_t payer);
    void (*freed)(void *context, uint32_t payer);
    void *context;
};
struct vmsim__radix {
    struct vmsim__slab *nodes;            /* shared slab of nodes (see vmsim__radix_slab_init) */
    const struct vmsim__radix_bill *bill; /* NULL: nobody pays. Set while the tree is empty */
    struct vmsim__radix_node *root;
    unsigned height; /* levels below the root pointer; 0 = empty tree */
    uint64_t count;  /* entries present */
    uint64_t
        recent_index; /* the lowest node that was used last has the indices from 64 times this on; UINT64_MAX: none */
    struct vmsim__radix_node *recent;
};
void vmsim__radix_slab_init(struct vmsim__slab *nodes, struct vmsim__alloc *a);
void vmsim__radix_init(struct vmsim__radix *r, struct vmsim__slab *nodes);
void vmsim__radix_fini(struct vmsim__radix *r); /* frees nodes, not what the values mean */
/* The lowest node on the way to `index`, or NULL where the way ends early. Neighbours are mostly looked up one after
 * the other, so that it is kept for the next time. */
struct vmsim__radix_node *vmsim__radix_descend(const struct vmsim__radix *r, uint64_t index);
static inline struct vmsim__radix_node *vmsim__radix_leaf(const struct vmsim__radix *r, uint64_t index) {
    return index >> VMSIM__RADIX_BITS == r->recent_index ? r->recent : vmsim__radix_descend(r, index);
}
/* 0: absent. */
static inline uint64_t vmsim__radix_get(const struct vmsim__radix *r, uint64_t index) {
    const struct vmsim__radix_node *n = vmsim__radix_leaf(r, index);
    return n ? n->slot[index & (VMSIM__RADIX_SLOTS - 1)].value : 0;
}
/* An entry will be looked up soon: the host fetches it, and the bitmaps of its node. */
void vmsim__radix_expect(const struct vmsim__radix *r, uint64_t index);
/* Stores a value (non-zero) that has the marks of the bit mask `marks` and no others; the old value is returned through
 * `old` if not NULL. False: no memory, nothing changed; it cannot happen where an entry is replaced. */
bool vmsim__radix_store(struct vmsim__radix *r, uint64_t index, uint64_t value, unsigned marks, uint64_t *old);
/* The same without marks. */
bool vmsim__radix_set(struct vmsim__radix *r, uint64_t index, uint64_t value, uint64_t *old);
uint64_t vmsim__radix_remove(struct vmsim__radix *r, uint64_t index); /* the old value, or 0 */
/* Nodes that a store at `index` makes. The kernel's tree keeps a lone entry of index 0 in its root pointer, and pays
 * for no node until another comes: so does the bill of this one. */
unsigned vmsim__radix_billed(const struct vmsim__radix *r, uint64_t index);
/* Tells who pays for each node that somebody pays for. */
void vmsim__radix_each_payer(const struct vmsim__radix *r, void (*tell)(void *context, uint32_t payer), void *context);
/* First entry at or after *index: returns its value and moves *index there; 0 when there is none. */
uint64_t vmsim__radix_next(const struct vmsim__radix *r, uint64_t *index);

/* ---- marks, numbered from 0 ---- */

/* The entry must be there; setting or clearing a mark twice is no fault. */
void vmsim__radix_mark(struct vmsim__radix *r, uint64_t index, unsigned mark);
void vmsim__radix_unmark(struct vmsim__radix *r, uint64_t index, unsigned mark);
/* Marks of the entry looked up last are about to change: the host fetches where they stand, while the caller looks at
 * what the entry names. */
static inline void vmsim__radix_will_mark(const struct vmsim__radix *r) {
    __builtin_prefetch(r->recent, 1);
}
/* An entry with the mark `from` has the mark `to` in its place. */
void vmsim__radix_move_mark(struct vmsim__radix *r, uint64_t index, unsigned from, unsigned to);
bool vmsim__radix_marked(const struct vmsim__radix *r, uint64_t index, unsigned mark); /* absent: false */
/* Has any entry the mark? */
static inline bool vmsim__radix_any(const struct vmsim__radix *r, unsigned mark) {
    return r->root && r->root->map[VMSIM__RADIX_FIRST_MARK + mark];
}
/* As vmsim__radix_next, entries without the mark being passed over. */
uint64_t vmsim__radix_next_marked(const struct vmsim__radix *r, uint64_t *index, unsigned mark);

/* Whether bitmaps, height and count agree with the slots, and no node is empty: for checks, O(nodes). */
bool vmsim__radix_valid(const struct vmsim__radix *r);

#endif
