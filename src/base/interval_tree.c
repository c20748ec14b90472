/* SPDX-License-Identifier: MIT */
/* A search goes left as long as the left subtree reaches into the range, because what lies there starts earlier. */
#include "base/interval_tree.h"

typedef struct vmsim__interval node_t;
_Static_assert(offsetof(node_t, node) == 0, "an interval is its node");

static node_t *interval_of(const struct vmsim__avl *n) {
    return (node_t *)n;
}

static node_t *left_of(const node_t *n) {
    return interval_of(n->node.left);
}

static node_t *right_of(const node_t *n) {
    return interval_of(n->node.right);
}

static uint64_t max_last(const node_t *n) {
    return n ? n->max_last : 0;
}

static void augment(struct vmsim__avl *at) {
    node_t *n = interval_of(at);
    n->max_last = vmsim__max64(n->last, vmsim__max64(max_last(left_of(n)), max_last(right_of(n))));
}

static void link_at(struct vmsim__interval_tree *t, node_t *n, struct vmsim__avl *parent, struct vmsim__avl **at) {
    VMSIM__ASSERT(!vmsim__interval_linked(n) && n->start <= n->last);
    vmsim__avl_link(&t->root, &n->node, parent, at, augment);
}

void vmsim__interval_insert(struct vmsim__interval_tree *t, struct vmsim__interval *node) {
    struct vmsim__avl *parent = NULL, **at = &t->root;
    while (*at) {
        parent = *at;
        at = node->start < interval_of(parent)->start ? &parent->left : &parent->right;
    }
    link_at(t, node, parent, at);
}

void vmsim__interval_insert_after(struct vmsim__interval_tree *t, struct vmsim__interval *node,
                                  struct vmsim__interval *prev) {
    VMSIM__ASSERT(vmsim__interval_linked(prev) && prev->start == node->start);
    struct vmsim__avl *parent = &prev->node, **at = &parent->right;
    while (*at) {
        parent = *at;
        at = &parent->left;
    }
    link_at(t, node, parent, at);
}

void vmsim__interval_remove(struct vmsim__interval_tree *t, struct vmsim__interval *node) {
    vmsim__avl_remove(&t->root, &node->node, augment);
}

/* The first of the subtree at `n` that meets the range, when its bound says that one may. */
static node_t *first_in(node_t *n, uint64_t start, uint64_t last) {
    while (n && n->max_last >= start) {
        if (n->node.left && left_of(n)->max_last >= start) {
            n = left_of(n); /* something there ends late enough; if it starts too late, so does all behind it */
            continue;
        }
        if (n->start > last)
            return NULL;
        if (n->last >= start)
            return n;
        n = right_of(n);
    }
    return NULL;
}

struct vmsim__interval *vmsim__interval_first(const struct vmsim__interval_tree *t, uint64_t start, uint64_t last) {
    VMSIM__ASSERT(start <= last);
    return first_in(interval_of(t->root), start, last);
}

struct vmsim__interval *vmsim__interval_next(const struct vmsim__interval *node, uint64_t start, uint64_t last) {
    VMSIM__ASSERT(vmsim__interval_linked(node) && start <= last);
    for (const node_t *n = node;;) {
        if (n->node.right && right_of(n)->max_last >= start)
            return first_in(right_of(n), start, last);
        const node_t *child;
        do { /* up, past every ancestor that came before */
            child = n;
            n = interval_of(n->node.parent);
        } while (n && right_of(n) == child);
        if (!n || n->start > last)
            return NULL;
        if (n->last >= start)
            return (node_t *)n;
    }
}

static bool valid(const node_t *n, const node_t *parent) {
    if (!n)
        return true;
    node_t again = *n;
    vmsim__avl_refresh(&again.node, augment);
    const node_t *left = left_of(n), *right = right_of(n);
    int lean = (int)vmsim__avl_height(n->node.left) - (int)vmsim__avl_height(n->node.right);
    return interval_of(n->node.parent) == parent && n->start <= n->last && again.node.height == n->node.height &&
           again.max_last == n->max_last && lean >= -1 && lean <= 1 && (!left || left->start <= n->start) &&
           (!right || right->start >= n->start) && valid(left, n) && valid(right, n);
}

bool vmsim__interval_tree_valid(const struct vmsim__interval_tree *t) {
    return valid(interval_of(t->root), NULL);
}
