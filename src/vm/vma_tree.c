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

static struct vmsim__vma *left_of(const struct vmsim__vma *v) {
    return vmsim__vma_of_node(v->node.left);
}

static struct vmsim__vma *right_of(const struct vmsim__vma *v) {
    return vmsim__vma_of_node(v->node.right);
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

static void augment(struct vmsim__avl *n) {
    struct vmsim__vma *v = vmsim__vma_of_node(n);
    v->max_gap = vmsim__max64(v->gap, vmsim__max64(max_gap(left_of(v)), max_gap(right_of(v))));
}

/* A gap belongs to the VMA above it, so that a change of one VMA concerns itself and the next. */
static void regap(struct vmsim__mm *mm, struct vmsim__vma *v) {
    if (!v)
        return;
    v->gap = own_gap(v);
    vmsim__avl_retrace(&mm->root, &v->node, augment);
}

void vmsim__vma_resized(struct vmsim__mm *mm, struct vmsim__vma *vma) {
    VMSIM__ASSERT(vma->start < vma->end);
    regap(mm, vma);
    regap(mm, vma->next);
    vmsim__mm_forget_leaf(mm);
}

/* Faults come one after another in one mapping, so that the last one found is asked first (the kernel's vmacache, gone
 * with the maple tree). What is found may begin behind va: the caller asks. */
struct vmsim__vma *vmsim__vma_find(struct vmsim__mm *mm, uint64_t va) {
    struct vmsim__vma *best = mm->cached, *v = vmsim__vma_of_node(mm->root);
    if (best && va >= best->start && va < best->end)
        return best;
    best = NULL;
    while (v) {
        if (va < v->end) {
            best = v;
            if (va >= v->start)
                break;
            v = left_of(v);
        } else {
            v = right_of(v);
        }
    }
    if (best)
        mm->cached = best;
    return best;
}

static struct vmsim__vma *last_of(const struct vmsim__mm *mm) {
    struct vmsim__vma *v = vmsim__vma_of_node(mm->root);
    while (v && v->node.right)
        v = right_of(v);
    return v;
}

struct vmsim__vma *vmsim__vma_find_prev(struct vmsim__mm *mm, uint64_t va, struct vmsim__vma **prev) {
    struct vmsim__vma *v = vmsim__vma_find(mm, va);
    *prev = v ? v->prev : last_of(mm);
    return v;
}

struct vmsim__vma *vmsim__vma_intersection(struct vmsim__mm *mm, uint64_t start, uint64_t end) {
    struct vmsim__vma *v = vmsim__vma_find(mm, start);
    return v && v->start < end ? v : NULL;
}

/* List and tree know the same order: a new mapping is the right child of its predecessor, or the left one of its
 * successor, and one of these places is free in every search tree. */
void vmsim__vma_link(struct vmsim__mm *mm, struct vmsim__vma *vma) {
    VMSIM__ASSERT(vma->start < vma->end && !((vma->start | vma->end) & (mm->vm->page_size - 1)));
    struct vmsim__vma *prev, *next = vmsim__vma_find_prev(mm, vma->start, &prev);
    VMSIM__ASSERT(!next || next->start >= vma->end);
    VMSIM__ASSERT(!prev || prev->end <= vma->start);
    vma->prev = prev;
    vma->next = next;
    *(prev ? &prev->next : &mm->first) = vma;
    if (next)
        next->prev = vma;
    vma->gap = own_gap(vma);
    struct vmsim__vma *parent = prev && !prev->node.right ? prev : next;
    struct vmsim__avl **at = !parent ? &mm->root : parent == prev ? &prev->node.right : &next->node.left;
    vmsim__avl_link(&mm->root, &vma->node, parent ? &parent->node : NULL, at, augment);
    regap(mm, next);
}

/* The gap of what follows grows by what goes. The leaf table that was kept may be freed by whoever unmaps, so it is
 * forgotten here. */
void vmsim__vma_unlink(struct vmsim__mm *mm, struct vmsim__vma *vma) {
    VMSIM__ASSERT((vma->prev ? vma->prev->next : mm->first) == vma && vma->mm == mm);
    vmsim__avl_remove(&mm->root, &vma->node, augment);
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
        uint64_t found = search_down(right_of(v), length, low, high);
        if (found != UINT64_MAX)
            return found;
    }
    if (v->gap >= length) {
        uint64_t from = vmsim__max64(gap_low(v), low), to = vmsim__min64(vmsim__vma_gap_start(v), high);
        if (to > from && to - from >= length)
            return to - length;
    }
    return gap_low(v) > low ? search_down(left_of(v), length, low, high) : UINT64_MAX;
}

/* Leftmost gap that fits: the subtree's largest gap prunes what cannot have one, so that a search is O(log n). Kernel:
 * unmapped_area. */
static uint64_t search_up(const struct vmsim__vma *v, uint64_t length, uint64_t low, uint64_t high) {
    if (!v || v->max_gap < length)
        return UINT64_MAX;
    if (gap_low(v) > low) {
        uint64_t found = search_up(left_of(v), length, low, high);
        if (found != UINT64_MAX)
            return found;
    }
    if (v->gap >= length) {
        uint64_t from = vmsim__max64(gap_low(v), low), to = vmsim__min64(vmsim__vma_gap_start(v), high);
        if (to > from && to - from >= length)
            return from;
    }
    return v->end < high ? search_up(right_of(v), length, low, high) : UINT64_MAX;
}

/* The space above the last VMA is no VMA's gap (see above), and is looked at first from the top. */
static uint64_t last_end(const struct vmsim__mm *mm) {
    const struct vmsim__vma *v = last_of(mm);
    return v ? v->end : 0;
}

/* Kernel: vm_unmapped_area with VM_UNMAPPED_AREA_TOPDOWN. */
uint64_t vmsim__gap_topdown(struct vmsim__mm *mm, uint64_t length, uint64_t low, uint64_t high) {
    VMSIM__ASSERT(length && !(length & (mm->vm->page_size - 1)));
    uint64_t from = vmsim__max64(last_end(mm), low);
    if (high > from && high - from >= length)
        return high - length;
    return search_down(vmsim__vma_of_node(mm->root), length, low, high);
}

/* Behind the last mapping there is no node to hold the gap, so it is looked at apart. */
uint64_t vmsim__gap_bottomup(struct vmsim__mm *mm, uint64_t length, uint64_t low, uint64_t high) {
    VMSIM__ASSERT(length && !(length & (mm->vm->page_size - 1)));
    uint64_t found = search_up(vmsim__vma_of_node(mm->root), length, low, high);
    uint64_t from = vmsim__max64(last_end(mm), low);
    if (found == UINT64_MAX && high > from && high - from >= length)
        return from;
    return found;
}
