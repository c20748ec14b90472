/* SPDX-License-Identifier: MIT */
/* Sets of intervals [start, last] of 64-bit numbers, any of which may overlap: which of them meet a given range?
 *
 *            [20..45] max 60          an AVL tree in the order of `start`; each node knows the largest `last` below it,
 *            /       \                so that a subtree that ends before a range is never entered:
 *     [5..25]         [30..60]        O(log n + what is found)
 *     max 25           max 60
 *
 * Nodes lie in what they stand for, so that insertion and removal allocate nothing and cannot fail. Equal starts stay
 * in the order of insertion: a walk depends on what was done, never on where things lie in memory. A node may not
 * change its interval while it is in a tree. Kernel counterpart: include/linux/interval_tree_generic.h. */
#ifndef VMSIM__INTERVAL_TREE_H
#define VMSIM__INTERVAL_TREE_H
#include "base/avl.h"

struct vmsim__interval {
    struct vmsim__avl node;
    uint64_t start, last; /* both inclusive; set before insertion */
    uint64_t max_last;    /* of the subtree */
};
struct vmsim__interval_tree {
    struct vmsim__avl *root; /* zeroed: empty */
};

void vmsim__interval_insert(struct vmsim__interval_tree *t, struct vmsim__interval *node);
/* The same, but directly behind `prev`, which has the same start. */
void vmsim__interval_insert_after(struct vmsim__interval_tree *t, struct vmsim__interval *node,
                                  struct vmsim__interval *prev);
void vmsim__interval_remove(struct vmsim__interval_tree *t, struct vmsim__interval *node);
/* The first interval that meets [start, last], in the order of starts; the next one behind `node`. NULL: none. */
struct vmsim__interval *vmsim__interval_first(const struct vmsim__interval_tree *t, uint64_t start, uint64_t last);
struct vmsim__interval *vmsim__interval_next(const struct vmsim__interval *node, uint64_t start, uint64_t last);
/* Whether order, heights, links and bounds hold: for checks, O(nodes). */
bool vmsim__interval_tree_valid(const struct vmsim__interval_tree *t);

static inline bool vmsim__interval_linked(const struct vmsim__interval *node) {
    return node->node.height != 0;
}

#endif
