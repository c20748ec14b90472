/* SPDX-License-Identifier: MIT */
/* When do neighbouring VMAs become one? Linux 6.1's rules, stated as three questions instead of eight cases.
 *
 *        prev        [start, end)        next            1. may prev take the range?   2. may next take it?
 *     [.......][ what now wants it ][.............]      3. if both: may prev and next become one?
 *
 * Two VMAs agree when flags (but soft-dirty), file, page offset and memory policy agree and their anon_vmas can be one:
 * equal, or one of them missing while the other was never shared by fork. When both may and 3. says no, prev has it,
 * but for new mappings of older kernels. What has a close operation does not vanish in another. The range may be empty
 * so far (mmap) or covered by one VMA (mprotect, madvise, mlock), which then shrinks or vanishes. Kernel counterpart:
 * mm/mmap.c (vma_merge, __vma_adjust).
 */
#include "vm/vm_impl.h"

/* May pages of the parent lie in it still? Then its chain has more than its own anon_vma. */
static bool forked(const struct vmsim__vma *v) {
    return v && v->anon_vma && v->chain->same;
}

/* May v have the wanted anon_vma as well? Kernel: is_mergeable_anon_vma, which until 6.16 asked whether the chain of v
 * has one member, and so kept a VMA without pages from taking in one that has some. */
static bool anon_vmas_agree(const struct vmsim__vma *v, const struct vmsim__vma *pages_of, uint32_t wanted) {
    if (v->anon_vma && wanted)
        return v->anon_vma == wanted;
    if (!v->mm->vm->kernel->merges_unfaulted)
        return v->anon_vma == wanted || (v->chain && !v->chain->same);
    return !forked(v) && !(wanted && forked(pages_of));
}

/* Its file counts who maps it, and would not hear of a mapping that vanished. Kernel: vm_ops->close. */
static bool has_close(const struct vmsim__vma *v) {
    return v->file && v->file->segment;
}

/* Kernel: is_mergeable_vma. Names stand for special mappings, whose operations forbid a merge. */
static bool agrees(const struct vmsim__vma *v, const struct vmsim__vma_want *w, uint32_t anon_vma) {
    VMSIM__ASSERT(!((v->start | v->end) & (v->mm->vm->page_size - 1)));
    if (v->mm->vm->kernel->close_bars_merge && has_close(v))
        return false;
    return !((v->flags ^ w->flags) & ~VMSIM__VM_SOFTDIRTY) && v->file == w->file && !v->name &&
           vmsim__mempolicy_equal(&v->policy, &w->policy) && anon_vmas_agree(v, w->pages_of, anon_vma);
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

static struct vmsim__vma *merge_both(struct vmsim__mm *mm, struct vmsim__vma *prev, const struct vmsim__vma_want *w,
                                     struct vmsim__vma *next) {
    struct vmsim__vma *mid = w->self;
    VMSIM__ASSERT(prev->end <= next->start && (!mid || (mid->start == prev->end && mid->end == next->start)));
    if (!inherit(prev, next->anon_vma ? next : w->pages_of))
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

/* Three of the eight cases: a fresh range behind prev, one that takes the beginning of mid along, and one that swallows
 * mid whole. Both trees (by address and by file page) forget a mapping before its borders change. */
static struct vmsim__vma *merge_into_prev(struct vmsim__mm *mm, struct vmsim__vma *prev,
                                          const struct vmsim__vma_want *w) {
    struct vmsim__vma *mid = w->self;
    const uint64_t end = w->end;
    VMSIM__ASSERT(prev->end < end && (!mid || mid->start == prev->end));
    if (!inherit(prev, w->pages_of))
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

/* The mirror image, in which next's pgoff moves down with its start: what is at an address must not change. */
static struct vmsim__vma *merge_into_next(struct vmsim__mm *mm, struct vmsim__vma *next,
                                          const struct vmsim__vma_want *w) {
    struct vmsim__vma *mid = w->self;
    const uint64_t start = w->start;
    VMSIM__ASSERT(start < next->start && (!mid || mid->end == next->start));
    if (!inherit(next, w->pages_of))
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

/* Both neighbours only if their anon_vmas can be one. A new mapping between two different ones goes to prev in older
 * releases, to next where new_merges_next says so. Kernel: vma_merge, can_vma_merge_before and _after. */
struct vmsim__vma *vmsim__vma_merge(struct vmsim__mm *mm, struct vmsim__vma *prev, const struct vmsim__vma_want *w) {
    VMSIM__ASSERT(w->start < w->end && !((w->start | w->end) & (mm->vm->page_size - 1)));
    if (w->flags & VMSIM__VM_SPECIAL)
        return NULL;
    struct vmsim__vma *mid = w->self;
    if (mid && mid->start == w->start && mid->end == w->end && has_close(mid))
        return NULL; /* it would vanish: can_merge_remove_vma */
    struct vmsim__vma *next = mid && mid->end == w->end ? mid->next : prev ? prev->next : mm->first;
    if (mid && mid->end > w->end)
        next = NULL; /* the range is at the beginning of mid */
    const unsigned shift = mm->vm->page_shift;
    const bool with_next = next && next->start == w->end && agrees(next, w, w->anon_vma) &&
                           w->pgoff + ((w->end - w->start) >> shift) == next->pgoff;
    /* a new mapping that next may take asks prev for the sake of both */
    const bool next_first = w->fresh && with_next && mm->vm->kernel->new_merges_next;
    const bool with_prev = prev && prev->end == w->start &&
                           agrees(prev, w, next_first ? next->anon_vma : w->anon_vma) &&
                           prev->pgoff + vmsim__vma_pages(prev, shift) == w->pgoff;
    if (with_prev && with_next && (!prev->anon_vma || !next->anon_vma || prev->anon_vma == next->anon_vma))
        return merge_both(mm, prev, w, next);
    if (with_prev)
        return merge_into_prev(mm, prev, w);
    if (with_next)
        return merge_into_next(mm, next, w);
    return NULL;
}

/* Kernel: split_vma. */
static int split(struct vmsim__mm *mm, struct vmsim__vma *vma, uint64_t at) {
    return mm->map_count >= mm->vm->spec.max_map_count ? -VMSIM__L_ENOMEM : vmsim__vma_split(mm, vma, at);
}

/* Makes [start, end) of vma a VMA of its own that may take the wanted properties, or finds a neighbour that has them:
 * *merged. 0, -ENOMEM or -EINVAL. Kernel: what mprotect, madvise, mlock and mbind have in common, vma_modify since 6.7.
 */
static int carve(struct vmsim__mm *mm, struct vmsim__vma *vma, const struct vmsim__vma_want *w, struct vmsim__vma **out,
                 bool *merged) {
    VMSIM__ASSERT(w->start >= vma->start && w->end <= vma->end && w->start < w->end);
    *out = vma->name ? NULL : vmsim__vma_merge(mm, w->start == vma->start ? vma->prev : NULL, w);
    *merged = *out;
    if (*merged)
        return 0;
    *out = vma;
    if (w->start > vma->start) {
        const int e = split(mm, vma, w->start);
        if (e)
            return e;
        *out = vma = vma->next;
    }
    return w->end < vma->end ? split(mm, vma, w->end) : 0;
}

/* What [start, end) of vma is now. */
static struct vmsim__vma_want as_it_is(struct vmsim__vma *vma, uint64_t start, uint64_t end) {
    return (struct vmsim__vma_want){.start = start,
                                    .end = end,
                                    .pgoff = vmsim__vma_index(vma, start),
                                    .flags = vma->flags,
                                    .anon_vma = vma->anon_vma,
                                    .file = vma->file,
                                    .policy = vma->policy,
                                    .self = vma,
                                    .pages_of = vma};
}

/* A stack that begins or ceases to grow changes the gap below it (the guard gap). */
int vmsim__vma_modify(struct vmsim__mm *mm, struct vmsim__vma *vma, uint64_t start, uint64_t end, uint32_t flags,
                      struct vmsim__vma **out) {
    struct vmsim__vma_want w = as_it_is(vma, start, end);
    bool merged;
    w.flags = flags;
    int e = carve(mm, vma, &w, out, &merged);
    if (e || merged)
        return e;
    uint32_t old = (*out)->flags;
    (*out)->flags = flags;
    if ((old ^ flags) & VMSIM__VM_GROWSDOWN)
        vmsim__vma_resized(mm, *out);
    return 0;
}

int vmsim__vma_set_policy(struct vmsim__mm *mm, struct vmsim__vma *vma, uint64_t start, uint64_t end,
                          const struct vmsim__mempolicy *policy, struct vmsim__vma **out) {
    struct vmsim__vma_want w = as_it_is(vma, start, end);
    bool merged;
    w.policy = *policy;
    int e = carve(mm, vma, &w, out, &merged);
    if (!e && !merged)
        (*out)->policy = *policy;
    return e;
}
