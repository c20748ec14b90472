/* SPDX-License-Identifier: MIT */
/* An augmented AVL tree: a change refreshes heights and bounds from where it happened up to the root, rotating where a
 * side is two higher than the other. A search goes left as long as the left subtree reaches into the range, because
 * what lies there starts earlier. */
#include "base/interval_tree.h"

typedef struct vmsim__interval node_t;

static unsigned height(const node_t *n) {
    return n ? n->height : 0;
}

static uint64_t max_last(const node_t *n) {
    return n ? n->max_last : 0;
}

static void refresh(node_t *n) {
    unsigned l = height(n->left), r = height(n->right);
    n->height = (uint8_t)((l > r ? l : r) + 1);
    n->max_last = vmsim__max64(n->last, vmsim__max64(max_last(n->left), max_last(n->right)));
}

static void replace_child(struct vmsim__interval_tree *t, node_t *parent, const node_t *old, node_t *new) {
    VMSIM__ASSERT(!parent || parent->left == old || parent->right == old);
    if (!parent)
        t->root = new;
    else if (parent->left == old)
        parent->left = new;
    else
        parent->right = new;
    if (new)
        new->parent = parent;
}

static node_t *rotate_left(struct vmsim__interval_tree *t, node_t *n) {
    node_t *up = n->right;
    VMSIM__ASSERT(up);
    n->right = up->left;
    if (up->left)
        up->left->parent = n;
    replace_child(t, n->parent, n, up);
    up->left = n;
    n->parent = up;
    refresh(n);
    refresh(up);
    return up;
}

static node_t *rotate_right(struct vmsim__interval_tree *t, node_t *n) {
    node_t *up = n->left;
    VMSIM__ASSERT(up);
    n->left = up->right;
    if (up->right)
        up->right->parent = n;
    replace_child(t, n->parent, n, up);
    up->right = n;
    n->parent = up;
    refresh(n);
    refresh(up);
    return up;
}

static void retrace(struct vmsim__interval_tree *t, node_t *n) {
    for (; n; n = n->parent) {
        int lean = (int)height(n->left) - (int)height(n->right);
        VMSIM__ASSERT(lean >= -2 && lean <= 2);
        if (lean > 1) {
            if (height(n->left->left) < height(n->left->right))
                rotate_left(t, n->left);
            n = rotate_right(t, n);
        } else if (lean < -1) {
            if (height(n->right->right) < height(n->right->left))
                rotate_right(t, n->right);
            n = rotate_left(t, n);
        } else {
            refresh(n);
        }
    }
}

static void link_at(struct vmsim__interval_tree *t, node_t *node, node_t *parent, node_t **at) {
    VMSIM__ASSERT(!vmsim__interval_linked(node) && node->start <= node->last && !*at);
    node->left = node->right = NULL;
    node->parent = parent;
    *at = node;
    retrace(t, node);
    VMSIM__ASSERT(t->root && !t->root->parent);
}

void vmsim__interval_insert(struct vmsim__interval_tree *t, struct vmsim__interval *node) {
    node_t *parent = NULL, **at = &t->root;
    while (*at) {
        parent = *at;
        at = node->start < parent->start ? &parent->left : &parent->right;
    }
    link_at(t, node, parent, at);
}

void vmsim__interval_insert_after(struct vmsim__interval_tree *t, struct vmsim__interval *node,
                                  struct vmsim__interval *prev) {
    VMSIM__ASSERT(vmsim__interval_linked(prev) && prev->start == node->start);
    node_t *parent = prev, **at = &prev->right;
    while (*at) {
        parent = *at;
        at = &parent->left;
    }
    link_at(t, node, parent, at);
}

/* A node with two children gives its place to its successor, which has no left child. */
void vmsim__interval_remove(struct vmsim__interval_tree *t, struct vmsim__interval *n) {
    VMSIM__ASSERT(vmsim__interval_linked(n) && t->root);
    node_t *from, *s;
    if (n->left && n->right) {
        for (s = n->right; s->left;)
            s = s->left;
        from = s->parent == n ? s : s->parent;
        if (s->parent != n) {
            replace_child(t, s->parent, s, s->right);
            s->right = n->right;
            s->right->parent = s;
        }
        s->left = n->left;
        s->left->parent = s;
        replace_child(t, n->parent, n, s);
    } else {
        from = n->parent;
        replace_child(t, n->parent, n, n->left ? n->left : n->right);
    }
    n->left = n->right = n->parent = NULL;
    n->height = 0;
    retrace(t, from);
}

/* The first of the subtree at `n` that meets the range, when its bound says that one may. */
static node_t *first_in(node_t *n, uint64_t start, uint64_t last) {
    while (n && n->max_last >= start) {
        if (n->left && n->left->max_last >= start) {
            n = n->left; /* something there ends late enough; if it starts too late, so does all behind it */
            continue;
        }
        if (n->start > last)
            return NULL;
        if (n->last >= start)
            return n;
        n = n->right;
    }
    return NULL;
}

struct vmsim__interval *vmsim__interval_first(const struct vmsim__interval_tree *t, uint64_t start, uint64_t last) {
    VMSIM__ASSERT(start <= last);
    return first_in(t->root, start, last);
}

struct vmsim__interval *vmsim__interval_next(const struct vmsim__interval *node, uint64_t start, uint64_t last) {
    VMSIM__ASSERT(vmsim__interval_linked(node) && start <= last);
    for (const node_t *n = node;;) {
        if (n->right && n->right->max_last >= start)
            return first_in(n->right, start, last);
        const node_t *child;
        do { /* up, past every ancestor that came before */
            child = n;
            n = n->parent;
        } while (n && n->right == child);
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
    refresh(&again);
    int lean = (int)height(n->left) - (int)height(n->right);
    return n->parent == parent && n->start <= n->last && again.height == n->height && again.max_last == n->max_last &&
           lean >= -1 && lean <= 1 && (!n->left || n->left->start <= n->start) &&
           (!n->right || n->right->start >= n->start) && valid(n->left, n) && valid(n->right, n);
}

bool vmsim__interval_tree_valid(const struct vmsim__interval_tree *t) {
    return valid(t->root, NULL);
}
