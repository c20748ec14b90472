/* SPDX-License-Identifier: MIT */
/* AVL trees whose nodes lie in what they stand for, and know something of all that is below them: the largest gap, the
 * last end. Each user searches in its own way; linking, removal and balance are here.
 *
 *     struct thing { struct vmsim__avl node; uint64_t key, most; };     `node` first: a thing is its node, NULL too
 *     static void augment(struct vmsim__avl *n)                         most = max(key, the children's most)
 *
 * Neither linking nor removal allocates or fails; both are O(log n). The functions are inline so that each user's
 * `augment` becomes part of them. A height is below 1.44 log2(n) + 2 and fits into a byte. Kernel counterpart:
 * include/linux/rbtree_augmented.h. */
#ifndef VMSIM__AVL_H
#define VMSIM__AVL_H
#include "base/util.h"

struct vmsim__avl {
    struct vmsim__avl *left, *right, *parent;
    uint8_t height; /* 0: in no tree */
};
/* Computes what `n` knows of its subtree, from its own and from what its children know. */
typedef void vmsim__avl_augment(struct vmsim__avl *n);

static inline unsigned vmsim__avl_height(const struct vmsim__avl *n) {
    return n ? n->height : 0;
}

static inline void vmsim__avl_refresh(struct vmsim__avl *n, vmsim__avl_augment *augment) {
    unsigned l = vmsim__avl_height(n->left), r = vmsim__avl_height(n->right);
    n->height = (uint8_t)((l > r ? l : r) + 1);
    augment(n);
}

static inline void vmsim__avl_replace(struct vmsim__avl **root, struct vmsim__avl *parent, const struct vmsim__avl *old,
                                      struct vmsim__avl *new) {
    VMSIM__ASSERT(!parent || parent->left == old || parent->right == old);
    *(!parent ? root : parent->left == old ? &parent->left : &parent->right) = new;
    if (new)
        new->parent = parent;
}

/* A rotation: `up` takes the place of its parent, which becomes its child. The order stays. */
static inline void vmsim__avl_lift(struct vmsim__avl **root, struct vmsim__avl *up, vmsim__avl_augment *augment) {
    struct vmsim__avl *down = up->parent;
    VMSIM__ASSERT(down && (down->left == up || down->right == up));
    const bool left = down->left == up;
    struct vmsim__avl *between = left ? up->right : up->left;
    *(left ? &down->left : &down->right) = between;
    if (between)
        between->parent = down;
    vmsim__avl_replace(root, down->parent, down, up);
    *(left ? &up->right : &up->left) = down;
    down->parent = up;
    vmsim__avl_refresh(down, augment);
    vmsim__avl_refresh(up, augment);
}

/* Balances and refreshes from `n` up to the root: below `n` all is in order. */
static inline void vmsim__avl_retrace(struct vmsim__avl **root, struct vmsim__avl *n, vmsim__avl_augment *augment) {
    for (; n; n = n->parent) {
        int lean = (int)vmsim__avl_height(n->left) - (int)vmsim__avl_height(n->right);
        VMSIM__ASSERT(lean >= -2 && lean <= 2);
        if (lean >= -1 && lean <= 1) {
            vmsim__avl_refresh(n, augment);
            continue;
        }
        struct vmsim__avl *up = lean > 1 ? n->left : n->right;
        struct vmsim__avl *inner = lean > 1 ? up->right : up->left, *outer = lean > 1 ? up->left : up->right;
        if (vmsim__avl_height(inner) > vmsim__avl_height(outer)) {
            vmsim__avl_lift(root, inner, augment);
            up = inner;
        }
        vmsim__avl_lift(root, up, augment);
        n = up;
    }
}

/* `at`: the empty place of the node that a search ended at: a child of `parent`, or the root. */
static inline void vmsim__avl_link(struct vmsim__avl **root, struct vmsim__avl *n, struct vmsim__avl *parent,
                                   struct vmsim__avl **at, vmsim__avl_augment *augment) {
    VMSIM__ASSERT(!*at);
    *n = (struct vmsim__avl){.parent = parent};
    *at = n;
    vmsim__avl_retrace(root, n, augment);
    VMSIM__ASSERT(*root && !(*root)->parent);
}

/* A node with two children gives its place to its successor, which has no left child. */
static inline void vmsim__avl_remove(struct vmsim__avl **root, struct vmsim__avl *n, vmsim__avl_augment *augment) {
    VMSIM__ASSERT(n->height && *root);
    struct vmsim__avl *from, *s;
    if (n->left && n->right) {
        for (s = n->right; s->left;)
            s = s->left;
        from = s->parent == n ? s : s->parent;
        if (s->parent != n) {
            vmsim__avl_replace(root, s->parent, s, s->right);
            s->right = n->right;
            s->right->parent = s;
        }
        s->left = n->left;
        s->left->parent = s;
        vmsim__avl_replace(root, n->parent, n, s);
    } else {
        from = n->parent;
        vmsim__avl_replace(root, n->parent, n, n->left ? n->left : n->right);
    }
    *n = (struct vmsim__avl){0};
    vmsim__avl_retrace(root, from, augment);
}

#endif
