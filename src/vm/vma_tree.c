/* SPDX-License-Identifier: MIT */
/* The VMAs of an address space: a list by address and an AVL tree over it, augmented with the largest free gap below a
 * VMA.
 *
 *          [v2]  max_gap = max(own gap, children's)
 *         /    \             own gap = start (less the guard gap of a stack) - end of the VMA before
 *      [v1]    [v3]          the space above the last VMA is no VMA's gap: searches look at it apart
 *
 * Lookup, insertion, removal and the search for free space are O(log n). Kernel counterpart: lib/maple_tree.c as used
 * by mm/mmap.c; before 6.1 an augmented red-black tree, which this resembles more. */
#include "vm/vm_impl.h"

static unsigned height(const struct vmsim__vma *v) {
    return v ? v->height : 0;
}

static uint64_t max_gap(const struct vmsim__vma *v) {
    return v ? v->max_gap : 0;
}

/* Kernel: vm_start_gap: stack_guard_gap pages below a stack are nobody's. */
uint64_t vmsim__vma_gap_start(const struct vmsim__vma *vma) {
    if (!(vma->flags & VMSIM__VM_GROWSDOWN))
        return vma->start;
    uint64_t guard = vma->mm->vm->spec.stack_guard_gap << vma->mm->vm->page_shift;
    return vma->start > guard ? vma->start - guard : 0;
}

static uint64_t gap_low(const struct vmsim__vma *v) {
    return v->prev ? v->prev->end : 0;
}

static uint64_t own_gap(const struct vmsim__vma *v) {
    uint64_t low = gap_low(v), high = vmsim__vma_gap_start(v);
    return high > low ? high - low : 0;
}

/* Height and largest gap of a node, from its children. AVL keeps the height within 1.44 log2(n), so that a byte holds
 * it. */
static void refresh(struct vmsim__vma *v) {
    unsigned l = height(v->left), r = height(v->right);
    v->height = (uint8_t)((l > r ? l : r) + 1);
    v->max_gap = vmsim__max64(v->gap, vmsim__max64(max_gap(v->left), max_gap(v->right)));
}

static void replace_child(struct vmsim__mm *mm, struct vmsim__vma *parent, struct vmsim__vma *old,
                          struct vmsim__vma *new) {
    VMSIM__ASSERT(!parent || parent->left == old || parent->right == old);
    if (!parent)
        mm->root = new;
    else if (parent->left == old)
        parent->left = new;
    else
        parent->right = new;
    if (new)
        new->parent = parent;
}

/* The order is untouched, and so are the gaps: only heights and largest gaps of the two have to be computed anew. */
static struct vmsim__vma *rotate_left(struct vmsim__mm *mm, struct vmsim__vma *v) {
    VMSIM__ASSERT(v->right);
    struct vmsim__vma *r = v->right;
    v->right = r->left;
    if (r->left)
        r->left->parent = v;
    replace_child(mm, v->parent, v, r);
    r->left = v;
    v->parent = r;
    refresh(v);
    refresh(r);
    return r;
}

static struct vmsim__vma *rotate_right(struct vmsim__mm *mm, struct vmsim__vma *v) {
    VMSIM__ASSERT(v->left);
    struct vmsim__vma *l = v->left;
    v->left = l->right;
    if (l->right)
        l->right->parent = v;
    replace_child(mm, v->parent, v, l);
    l->right = v;
    v->parent = l;
    refresh(v);
    refresh(l);
    return l;
}

/* Balances and refreshes from v up to the root. */
static void retrace(struct vmsim__mm *mm, struct vmsim__vma *v) {
    for (; v; v = v->parent) {
        int lean = (int)height(v->left) - (int)height(v->right);
        if (lean > 1) {
            if (height(v->left->left) < height(v->left->right))
                rotate_left(mm, v->left);
            v = rotate_right(mm, v);
        } else if (lean < -1) {
            if (height(v->right->right) < height(v->right->left))
                rotate_right(mm, v->right);
            v = rotate_left(mm, v);
        } else {
            refresh(v);
        }
    }
}

/* A gap belongs to the VMA above it, so that a change of one VMA concerns itself and the next. */
static void regap(struct vmsim__mm *mm, struct vmsim__vma *v) {
    if (!v)
        return;
    v->gap = own_gap(v);
    retrace(mm, v);
}

void vmsim__vma_resized(struct vmsim__mm *mm, struct vmsim__vma *vma) {
    VMSIM__ASSERT(vma->start < vma->end);
    regap(mm, vma);
    regap(mm, vma->next);
    vmsim__mm_forget_leaf(mm);
}

struct vmsim__vma *vmsim__vma_find(struct vmsim__mm *mm, uint64_t va) {
    struct vmsim__vma *best = mm->cached, *v = mm->root;
    if (best && va >= best->start && va < best->end)
        return best;
    best = NULL;
    while (v) {
        if (va < v->end) {
            best = v;
            if (va >= v->start)
                break;
            v = v->left;
        } else {
            v = v->right;
        }
    }
    if (best)
        mm->cached = best;
    return best;
}

struct vmsim__vma *vmsim__vma_find_prev(struct vmsim__mm *mm, uint64_t va, struct vmsim__vma **prev) {
    struct vmsim__vma *v = vmsim__vma_find(mm, va), *last = mm->root;
    if (v) {
        *prev = v->prev;
        return v;
    }
    while (last && last->right)
        last = last->right;
    *prev = last;
    return NULL;
}

struct vmsim__vma *vmsim__vma_intersection(struct vmsim__mm *mm, uint64_t start, uint64_t end) {
    struct vmsim__vma *v = vmsim__vma_find(mm, start);
    return v && v->start < end ? v : NULL;
}

void vmsim__vma_link(struct vmsim__mm *mm, struct vmsim__vma *vma) {
    VMSIM__ASSERT(vma->start < vma->end && !((vma->start | vma->end) & (mm->vm->page_size - 1)));
    struct vmsim__vma *prev, *next = vmsim__vma_find_prev(mm, vma->start, &prev);
    VMSIM__ASSERT(!next || next->start >= vma->end);
    VMSIM__ASSERT(!prev || prev->end <= vma->start);
    vma->prev = prev;
    vma->next = next;
    vma->left = vma->right = NULL;
    vma->parent = NULL;
    *(prev ? &prev->next : &mm->first) = vma;
    if (next)
        next->prev = vma;
    if (prev && !prev->right) {
        prev->right = vma;
        vma->parent = prev;
    } else if (next) {
        next->left = vma;
        vma->parent = next;
    } else {
        mm->root = vma;
    }
    vma->gap = own_gap(vma);
    retrace(mm, vma);
    regap(mm, next);
}

/* The node that takes v's place has at most one child: v itself, or its successor, whose place v takes first. */
static void tree_remove(struct vmsim__mm *mm, struct vmsim__vma *v) {
    struct vmsim__vma *from, *child;
    if (v->left && v->right) {
        struct vmsim__vma *s = v->next; /* leftmost of the right subtree */
        from = s->parent == v ? s : s->parent;
        if (s->parent != v) {
            replace_child(mm, s->parent, s, s->right);
            s->right = v->right;
            s->right->parent = s;
        }
        s->left = v->left;
        s->left->parent = s;
        replace_child(mm, v->parent, v, s);
    } else {
        child = v->left ? v->left : v->right;
        from = v->parent;
        replace_child(mm, v->parent, v, child);
    }
    retrace(mm, from);
}

void vmsim__vma_unlink(struct vmsim__mm *mm, struct vmsim__vma *vma) {
    VMSIM__ASSERT((vma->prev ? vma->prev->next : mm->first) == vma && vma->mm == mm);
    tree_remove(mm, vma);
    *(vma->prev ? &vma->prev->next : &mm->first) = vma->next;
    if (vma->next)
        vma->next->prev = vma->prev;
    regap(mm, vma->next);
    if (mm->cached == vma)
        mm->cached = NULL;
    vmsim__mm_forget_leaf(mm);
}

/* Highest fit below `high` in the gaps of the subtree. Subtrees whose largest gap is too small are not entered: O(log
 * n) but for gaps that the bounds cut. */
static uint64_t search_down(const struct vmsim__vma *v, uint64_t length, uint64_t low, uint64_t high) {
    if (!v || v->max_gap < length)
        return UINT64_MAX;
    if (v->end < high) {
        uint64_t found = search_down(v->right, length, low, high);
        if (found != UINT64_MAX)
            return found;
    }
    if (v->gap >= length) {
        uint64_t from = vmsim__max64(gap_low(v), low), to = vmsim__min64(vmsim__vma_gap_start(v), high);
        if (to > from && to - from >= length)
            return to - length;
    }
    return gap_low(v) > low ? search_down(v->left, length, low, high) : UINT64_MAX;
}

static uint64_t search_up(const struct vmsim__vma *v, uint64_t length, uint64_t low, uint64_t high) {
    if (!v || v->max_gap < length)
        return UINT64_MAX;
    if (gap_low(v) > low) {
        uint64_t found = search_up(v->left, length, low, high);
        if (found != UINT64_MAX)
            return found;
    }
    if (v->gap >= length) {
        uint64_t from = vmsim__max64(gap_low(v), low), to = vmsim__min64(vmsim__vma_gap_start(v), high);
        if (to > from && to - from >= length)
            return from;
    }
    return v->end < high ? search_up(v->right, length, low, high) : UINT64_MAX;
}

/* The space above the last VMA is no VMA's gap (see above), and is looked at first from the top. */
static uint64_t last_end(const struct vmsim__mm *mm) {
    const struct vmsim__vma *v = mm->root;
    while (v && v->right)
        v = v->right;
    return v ? v->end : 0;
}

/* Kernel: vm_unmapped_area with VM_UNMAPPED_AREA_TOPDOWN. */
uint64_t vmsim__gap_topdown(struct vmsim__mm *mm, uint64_t length, uint64_t low, uint64_t high) {
    VMSIM__ASSERT(length && !(length & (mm->vm->page_size - 1)));
    uint64_t from = vmsim__max64(last_end(mm), low);
    if (high > from && high - from >= length)
        return high - length;
    return search_down(mm->root, length, low, high);
}

uint64_t vmsim__gap_bottomup(struct vmsim__mm *mm, uint64_t length, uint64_t low, uint64_t high) {
    VMSIM__ASSERT(length && !(length & (mm->vm->page_size - 1)));
    uint64_t found = search_up(mm->root, length, low, high);
    uint64_t from = vmsim__max64(last_end(mm), low);
    if (found == UINT64_MAX && high > from && high - from >= length)
        return from;
    return found;
}
