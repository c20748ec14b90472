/* SPDX-License-Identifier: MIT */
/* When do neighbouring VMAs become one? Linux 6.1's rules, stated as three questions instead of eight cases.
 *
 *        prev        [start, end)        next            1. may prev take the range?   2. may next take it?
 *     [.......][ what now wants it ][.............]      3. if both: may prev and next become one?
 *
 * Two VMAs agree when flags (but soft-dirty), file and page offset agree and their anon_vmas can be one: equal, or one
 * of them missing while the other was never shared by fork. The range may be empty so far (mmap) or covered by one VMA
 * (mprotect, madvise, mlock), which then shrinks or vanishes. Kernel counterpart: mm/mmap.c (vma_merge, __vma_adjust).
 */
#include "vm/vm_impl.h"

/* Kernel: is_mergeable_anon_vma. */
static bool anon_vmas_agree(uint32_t a, uint32_t b, const struct vmsim__vma *vma) {
    if ((!a || !b) && (!vma || !vma->chain || !vma->chain->same))
        return true;
    return a == b;
}

/* Kernel: is_mergeable_vma. Names stand for special mappings, whose operations forbid a merge. */
static bool agrees(const struct vmsim__vma *v, const struct vmsim__vma_want *w) {
    VMSIM__ASSERT(!((v->start | v->end) & (v->mm->vm->page_size - 1)));
    return !((v->flags ^ w->flags) & ~VMSIM__VM_SOFTDIRTY) && v->file == w->file && !v->name &&
           anon_vmas_agree(w->anon_vma, v->anon_vma, v);
}

/* Removes a VMA whose range another one has taken over. Its pages stay where they are: entries belong to the address
 * space, and the keeper has the anon_vma that they name. */
static void swallow(struct vmsim__mm *mm, struct vmsim__vma *gone) {
    vmsim__vma_unlink(mm, gone);
    vmsim__vma_free(mm, gone, mm->cpu);
    mm->map_count--;
}

/* `keeper` needs the anon_vmas of what it swallows. False: no memory, nothing changed. */
static bool inherit(struct vmsim__vma *keeper, struct vmsim__vma *from) {
    if (!from || !from->anon_vma || keeper->anon_vma)
        return true;
    VMSIM__ASSERT(!keeper->chain);
    keeper->anon_vma = from->anon_vma;
    if (!vmsim__anon_vma_clone(keeper, from))
        return true;
    keeper->anon_vma = 0;
    return false;
}

static struct vmsim__vma *merge_both(struct vmsim__mm *mm, struct vmsim__vma *prev, struct vmsim__vma *mid,
                                     struct vmsim__vma *next) {
    VMSIM__ASSERT(prev->end <= next->start && (!mid || (mid->start == prev->end && mid->end == next->start)));
    if (!inherit(prev, next->anon_vma ? next : mid))
        return NULL;
    uint64_t end = next->end;
    if (mid)
        swallow(mm, mid);
    swallow(mm, next);
    vmsim__vma_prepare(prev);
    prev->end = end;
    vmsim__vma_complete(prev);
    vmsim__vma_resized(mm, prev);
    return prev;
}

static struct vmsim__vma *merge_into_prev(struct vmsim__mm *mm, struct vmsim__vma *prev, struct vmsim__vma *mid,
                                          uint64_t end) {
    VMSIM__ASSERT(prev->end < end && (!mid || mid->start == prev->end));
    if (!inherit(prev, mid))
        return NULL;
    if (mid && mid->end > end) {
        vmsim__thp_split_at(mid, end, mm->cpu);
        vmsim__vma_prepare(mid);
        mid->pgoff += (end - mid->start) >> mm->vm->page_shift;
        mid->start = end;
        vmsim__vma_complete(mid);
    } else if (mid) {
        swallow(mm, mid);
        mid = NULL;
    }
    vmsim__vma_prepare(prev);
    prev->end = end;
    vmsim__vma_complete(prev);
    if (mid)
        vmsim__vma_resized(mm, mid);
    vmsim__vma_resized(mm, prev);
    return prev;
}

static struct vmsim__vma *merge_into_next(struct vmsim__mm *mm, struct vmsim__vma *next, struct vmsim__vma *mid,
                                          uint64_t start) {
    VMSIM__ASSERT(start < next->start && (!mid || mid->end == next->start));
    if (!inherit(next, mid))
        return NULL;
    if (mid && mid->start < start) {
        vmsim__thp_split_at(mid, start, mm->cpu);
        vmsim__vma_prepare(mid);
        mid->end = start;
        vmsim__vma_complete(mid);
        vmsim__vma_resized(mm, mid);
    } else if (mid) {
        swallow(mm, mid);
    }
    vmsim__vma_prepare(next);
    next->pgoff -= (next->start - start) >> mm->vm->page_shift;
    next->start = start;
    vmsim__vma_complete(next);
    vmsim__vma_resized(mm, next);
    return next;
}

struct vmsim__vma *vmsim__vma_merge(struct vmsim__mm *mm, struct vmsim__vma *prev, const struct vmsim__vma_want *w) {
    VMSIM__ASSERT(w->start < w->end && !((w->start | w->end) & (mm->vm->page_size - 1)));
    if (w->flags & VMSIM__VM_SPECIAL)
        return NULL;
    struct vmsim__vma *mid = (struct vmsim__vma *)w->self;
    struct vmsim__vma *next = mid && mid->end == w->end ? mid->next : prev ? prev->next : mm->first;
    if (mid && mid->end > w->end)
        next = NULL; /* the range is at the beginning of mid */
    const unsigned shift = mm->vm->page_shift;
    bool with_prev =
        prev && prev->end == w->start && agrees(prev, w) && prev->pgoff + vmsim__vma_pages(prev, shift) == w->pgoff;
    bool with_next =
        next && next->start == w->end && agrees(next, w) && w->pgoff + ((w->end - w->start) >> shift) == next->pgoff;
    if (with_prev && with_next && anon_vmas_agree(prev->anon_vma, next->anon_vma, NULL))
        return merge_both(mm, prev, mid, next);
    if (with_prev)
        return merge_into_prev(mm, prev, mid, w->end);
    if (with_next)
        return merge_into_next(mm, next, mid, w->start);
    return NULL;
}

/* Kernel: what mprotect, madvise and mlock have in common, vma_modify since 6.7. */
int vmsim__vma_modify(struct vmsim__mm *mm, struct vmsim__vma *vma, uint64_t start, uint64_t end, uint32_t flags,
                      struct vmsim__vma **out) {
    VMSIM__ASSERT(start >= vma->start && end <= vma->end && start < end);
    struct vmsim__vma_want w = {
        start, end, vma->pgoff + ((start - vma->start) >> mm->vm->page_shift), flags, vma->anon_vma, vma->file, vma};
    *out = vma->name ? NULL : vmsim__vma_merge(mm, start == vma->start ? vma->prev : NULL, &w);
    if (*out)
        return 0;
    *out = vma;
    if (start > vma->start) {
        if (mm->map_count >= mm->vm->spec.max_map_count || vmsim__vma_split(mm, vma, start))
            return -VMSIM__L_ENOMEM;
        *out = vma = vma->next;
    }
    if (end < vma->end && (mm->map_count >= mm->vm->spec.max_map_count || vmsim__vma_split(mm, vma, end)))
        return -VMSIM__L_ENOMEM;
    uint32_t old = vma->flags;
    vma->flags = flags;
    if ((old ^ flags) & VMSIM__VM_GROWSDOWN)
        vmsim__vma_resized(mm, vma);
    return 0;
}
