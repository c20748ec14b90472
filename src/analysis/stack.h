/* SPDX-License-Identifier: MIT */
/* Stack distances: how many other keys were used since a key was used last. Exact, O(log n) a use.
 *
 *     top      [k9 k2 k7 ...]         the 16 keys used last, newest first: most uses are found here, by comparing
 *     marks    . . x . x x . x | ..   older keys, each with a mark at the time when it left the top; newest right
 *     tree     Fenwick tree over the marks: how many lie to the right of one
 *
 * A key leaves the top when it is the 16th, so what is marked is in the order of last uses, too. When the marks reach
 * the end of their array they are pushed together; so the tree is as long as twice the number of keys at most.
 * (Bennett and Kruskal, "LRU stack processing", 1975; the top is ours.) */
#ifndef VMSIM__STACK_H
#define VMSIM__STACK_H
#include "base/vec.h"

#define VMSIM__STACK_TOP 16u
#define VMSIM__STACK_COLD UINT64_MAX

struct vmsim__stack_key {
    uint64_t key;
    uint32_t mark; /* meaningless while the key is in the top */
};
struct vmsim__stack {
    struct vmsim__alloc *alloc;
    uint64_t top[VMSIM__STACK_TOP];
    uint32_t top_index[VMSIM__STACK_TOP]; /* of the keys */
    uint32_t top_count;
    struct {
        VMSIM__VEC(struct vmsim__stack_key);
    } keys;          /* by index, in order of first use */
    uint32_t *slots; /* open addressing: index + 1 of a key, 0 empty */
    uint32_t nr_slots;
    uint32_t *tree;  /* 1-based */
    uint32_t *owner; /* index of the key of each mark; NONE: it was taken away */
    uint32_t nr_marks, next_mark, live;
};
void vmsim__stack_init(struct vmsim__stack *s, struct vmsim__alloc *alloc);
void vmsim__stack_fini(struct vmsim__stack *s);
/* Uses `key`. *distance: other keys used since, or COLD; *index: its number, by first use. False: no host memory, and
 * nothing happened. */
bool vmsim__stack_use(struct vmsim__stack *s, uint64_t key, uint64_t *distance, uint32_t *index);
static inline uint64_t vmsim__stack_keys(const struct vmsim__stack *s) {
    return s->keys.count;
}

#endif
