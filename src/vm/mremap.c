/* SPDX-License-Identifier: MIT */
/* mremap and brk: mappings that grow, shrink and move.
 *
 * Moving keeps the page offset, so that pages are still found by their index; where source and destination agree modulo
 * the span of a table, the table itself moves to its new place in the level above, else entries move one by one. Kernel
 * counterparts: mm/mremap.c, mm/mmap.c (brk, do_brk_flags, copy_vma). */
#include "vm/vm_hugetlb.h"

/* Results of calls are signed 64-bit numbers, of which negative ones are errors: addresses never look like one. */
static int64_t fail(int e) {
    return -(int64_t)e;
}

/* ---- page tables ---- */

/* The page keeps its frame: reverse map and counts do not change, since rmap finds it through the mapping's own pgoff,
 * which moved along. Soft-dirty is set, as the kernel cannot tell whether a write came between. Kernel: move_ptes. */
static void move_entry(struct vmsim__mm *mm, const struct vmsim__pt_slot *from, const struct vmsim__pt_slot *to) {
    VMSIM__ASSERT(!from->level && !to->level && !vmsim__pt_read(mm->pt.format, to));
    const struct vmsim__pt_format *f = mm->pt.format;
    struct vmsim__pte pte = vmsim__pt_get(f, from);
    pte.flags |= VMSIM__PTE_SOFT_DIRTY;
    vmsim__pt_write(f, from, 0);
    vmsim__pt_set(f, to, pte);
    vmsim__vm_cost(mm->vm, mm->vm->spec.costs.move_page);
}

/* Moves a whole table below `level` when both addresses begin one, the source has one and the destination none. Linux
 * moves tables of two levels (move_normal_pmd, move_normal_pud), here 1 and 2. */
static bool move_table(struct vmsim__mm *mm, uint64_t old, uint64_t new, uint64_t left, unsigned level) {
    const struct vmsim__pt_format *f = mm->pt.format;
    uint64_t span = UINT64_C(1) << f->shift[level];
    struct vmsim__pt_slot from, to;
    if (((old | new) & (span - 1)) || left < span || level >= f->levels)
        return false;
    if (!vmsim__pt_slot(&mm->pt, old, level, false, &from) || !from.entry || from.level != level ||
        !vmsim__pt_is_table(f, level, vmsim__pt_read(f, &from)))
        return false;
    if (!vmsim__pt_slot(&mm->pt, new, level, true, &to) || to.level != level || vmsim__pt_read(f, &to))
        return false;
    vmsim__pt_write(f, &to, vmsim__pt_read(f, &from));
    vmsim__pt_write(f, &from, 0);
    vmsim__mm_forget_leaf(mm);
    vmsim__vm_cost(mm->vm, mm->vm->spec.costs.move_page);
    return true;
}

/* A table at the old place means one at the new, whether it holds anything or not (kernel: move_page_tables). */
static bool have_table_too(struct vmsim__mm *mm, uint64_t old, uint64_t new) {
    struct vmsim__pt_slot slot;
    if (!vmsim__mm_slot(mm, old, false, &slot) || !slot.entry || slot.level)
        return true;
    return vmsim__mm_slot(mm, new, true, &slot);
}

/* Entries of one leaf table's span. False: no frame for the new table. A huge page moves whole if it may be huge at
 * the new place as well; if not it is split first, and its entries move one by one. A page that is split stands at
 * `va` again, hence the loop looks at the same address once more. */
static bool move_entries(struct vmsim__vma *from, uint64_t old, uint64_t new, uint64_t extent) {
    struct vmsim__mm *mm = from->mm;
    uint64_t end = old + extent;
    struct vmsim__pt_slot src, dst;
    if (!have_table_too(mm, old, new))
        return false;
    for (uint64_t va = old; va < end && vmsim__pt_next(&mm->pt, &va, end, &src);) {
        uint64_t size = UINT64_C(1) << mm->pt.format->shift[src.level];
        if (src.level) {
            if (va >= old && va + size <= end && vmsim__thp_move(from, va, new + (va - old), &src)) {
                va += size;
            } else {
                va = vmsim__max64(va, old);
                if (vmsim__thp_still_huge(mm, &src))
                    vmsim__thp_split_pmd(from, va, &src, mm->cpu);
            }
            continue;
        }
        if (!vmsim__mm_slot(mm, new + (va - old), true, &dst))
            return false;
        move_entry(mm, &src, &dst);
        va += size;
    }
    return true;
}

/* Bytes moved: less than `length` when tables ran out. No TLB may go on with what has left: one flush at the end,
 * for what moved, before anybody can learn of the new address. A translation that a pending flush still allows must
 * not survive the move, so that is done before. */
static uint64_t move_tables(struct vmsim__vma *from, uint64_t old, uint64_t new, uint64_t length) {
    VMSIM__ASSERT(!((old | new | length) & (from->mm->vm->page_size - 1)));
    struct vmsim__mm *mm = from->mm;
    const struct vmsim__pt_format *f = mm->pt.format;
    const uint64_t leaf_span = UINT64_C(1) << (f->shift[0] + f->index_bits[0]);
    uint64_t done = 0;
    if (from->flags & VMSIM__VM_HUGETLB)
        return vmsim__hugetlb_move(from, old, new, length);
    vmsim__flush_pending(mm, mm->cpu);
    while (done < length) {
        uint64_t o = old + done, n = new + done, left = length - done;
        if (f->levels > 3 && move_table(mm, o, n, left, 2)) {
            done += UINT64_C(1) << f->shift[2];
            continue;
        }
        if (f->levels > 1 && move_table(mm, o, n, left, 1)) {
            done += UINT64_C(1) << f->shift[1];
            continue;
        }
        uint64_t extent = vmsim__min64(left, leaf_span - (o & (leaf_span - 1)));
        extent = vmsim__min64(extent, leaf_span - (n & (leaf_span - 1)));
        if (!move_entries(from, o, n, extent))
            break;
        done += extent;
    }
    VMSIM__ASSERT(done <= length);
    if (done)
        vmsim__flush_range(mm, old, old + done, mm->vm->page_shift, true, mm->cpu);
    return done;
}

/* ---- VMAs ---- */

/* A VMA at the new place with the properties of the old one; may be a neighbour that took it in. A mapping without
 * pages of its own gets the pgoff of its new address, so that it can merge there as a fresh one would; one with
 * pages keeps its pgoff, by which rmap finds them. Kernel: copy_vma. */
static struct vmsim__vma *copy_vma(struct vmsim__mm *mm, struct vmsim__vma *vma, uint64_t addr, uint64_t length,
                                   uint64_t pgoff) {
    VMSIM__ASSERT(length && !((addr | length) & (mm->vm->page_size - 1)));
    struct vmsim__vma *prev;
    if (!vma->file && !vma->anon_vma)
        pgoff = addr >> mm->vm->page_shift;
    vmsim__vma_find_prev(mm, addr, &prev);
    const struct vmsim__vma_want w = {.start = addr,
                                      .end = addr + length,
                                      .pgoff = pgoff,
                                      .flags = vma->flags,
                                      .anon_vma = vma->anon_vma,
                                      .file = vma->file,
                                      .policy = vma->policy,
                                      .pages_of = vma};
    struct vmsim__vma *v = vma->name ? NULL : vmsim__vma_merge(mm, prev, &w);
    if (v)
        return v;
    v = vmsim__vma_dup(mm, vma);
    if (!v)
        return NULL;
    v->start = addr;
    v->end = addr + length;
    v->pgoff = pgoff;
    if ((vma->chain && vmsim__anon_vma_clone(v, vma)) || (vma->file && !vmsim__vma_set_file(v, vma->file, NULL))) {
        v->file = NULL;
        vmsim__anon_vma_unlink(v);
        vmsim__slab_free(&mm->vm->vmas, v);
        return NULL;
    }
    vmsim__hugetlb_vma_share(v, vma);
    vmsim__vma_link(mm, v);
    mm->map_count++;
    return v;
}

/* May the mapping at addr change its size, or move? 0 or an errno. In the kernel's order of checks: programs see
 * which one speaks first. Kernel: vma_to_resize. */
static int resizable(struct vmsim__mm *mm, const struct vmsim__vma *v, uint64_t addr, uint64_t old, uint64_t new,
                     unsigned flags) {
    if (!old && !(v->flags & (VMSIM__VM_SHARED | VMSIM__VM_MAYSHARE)))
        return VMSIM__L_EINVAL;
    if ((flags & VMSIM__MREMAP_DONTUNMAP) && (v->flags & (VMSIM__VM_DONTEXPAND | VMSIM__VM_PFNMAP)))
        return VMSIM__L_EINVAL;
    if (old > v->end - addr)
        return VMSIM__L_EFAULT;
    if (new == old)
        return 0;
    if (v->flags & (VMSIM__VM_DONTEXPAND | VMSIM__VM_PFNMAP))
        return VMSIM__L_EFAULT;
    const uint64_t change = new > old ? new - old : old - new;
    if (!vmsim__mlock_room(mm, v->flags, change))
        return VMSIM__L_EAGAIN;
    return vmsim__may_expand(mm, v->flags, change >> mm->vm->page_shift) ? 0 : VMSIM__L_ENOMEM;
}

/* Everything of the old place but the mapping that moved: DONTUNMAP leaves it mapped, empty, unlocked. */
static void leave_mapped(struct vmsim__mm *mm, struct vmsim__vma *moved, uint64_t old, uint64_t length) {
    struct vmsim__vma *v = vmsim__vma_find(mm, old);
    VMSIM__ASSERT(v && v->start <= old);
    v->flags &= ~(VMSIM__VM_LOCKED | VMSIM__VM_LOCKONFAULT);
    if (v != moved && v->start == old && v->end == old + length)
        vmsim__anon_vma_unlink(v);
}

/* The charge of the old place went along with the pages: hide it while the old place is unmapped. */
static void unmap_old(struct vmsim__mm *mm, uint64_t old, uint64_t length, bool accounted) {
    struct vmsim__vma *v = vmsim__vma_find(mm, old);
    VMSIM__ASSERT(v && v->start <= old && old + length <= v->end);
    vmsim__hugetlb_vma_forget(v);
    uint64_t hiwater = mm->hiwater_vm;
    bool before = v->start<old, after = v->end> old + length;
    if (accounted)
        v->flags &= ~VMSIM__VM_ACCOUNT;
    if (vmsim__do_munmap(mm, old, length) && accounted) {
        vmsim__uncommit(mm->vm, length >> mm->vm->page_shift); /* still there: keeps what it had */
        vmsim__vma_find(mm, old)->flags |= VMSIM__VM_ACCOUNT;
        mm->vm->committed += (int64_t)(length >> mm->vm->page_shift);
    }
    mm->hiwater_vm = hiwater;
    struct vmsim__vma *p;
    v = vmsim__vma_find_prev(mm, old, &p);
    if (accounted && before && p)
        p->flags |= VMSIM__VM_ACCOUNT;
    if (accounted && after && v)
        v->flags |= VMSIM__VM_ACCOUNT;
}

/* The part of a mapping of hugetlb pages that moves, on its own: its promises go with it. NULL: no host memory. What
 * is charged for a hugetlb mapping is promised page by page, and a promise cannot belong to two mappings. */
static struct vmsim__vma *cut_out(struct vmsim__mm *mm, struct vmsim__vma *v, uint64_t start, uint64_t length) {
    if (v->start < start && vmsim__vma_split(mm, v, start))
        return NULL;
    v = vmsim__vma_find(mm, start);
    return v->end > start + length && vmsim__vma_split(mm, v, start + length) ? NULL : v;
}

/* A new mapping first, then the tables' entries, and the old mapping last, so that running out of memory half-way can
 * be undone by moving back what has moved. The new place is charged before anything changes; three mappings may be
 * needed at once (two of a split, one new), hence map_count is asked for three. Kernel: move_vma. */
static int64_t move_vma(struct vmsim__mm *mm, struct vmsim__vma *vma, uint64_t old, uint64_t old_length,
                        uint64_t new_length, uint64_t new, unsigned flags) {
    VMSIM__ASSERT(new_length >= old_length && old >= vma->start && old < vma->end);
    const unsigned shift = mm->vm->page_shift;
    const bool keep = flags & VMSIM__MREMAP_DONTUNMAP, accounted = vma->flags & VMSIM__VM_ACCOUNT;
    const uint32_t vm_flags = vma->flags;
    uint64_t charge = (keep ? new_length : new_length - old_length) >> shift;
    if (mm->map_count >= mm->vm->spec.max_map_count - 3)
        return fail(VMSIM__L_ENOMEM);
    if ((vma->flags & VMSIM__VM_HUGETLB) && !(vma = cut_out(mm, vma, old, old_length)))
        return fail(VMSIM__L_ENOMEM);
    if (accounted && !vmsim__commit(mm, charge))
        return fail(VMSIM__L_ENOMEM);
    struct vmsim__vma *v = copy_vma(mm, vma, new, new_length, vma->pgoff + ((old - vma->start) >> shift));
    if (!v) {
        if (accounted)
            vmsim__uncommit(mm->vm, charge);
        return fail(VMSIM__L_ENOMEM);
    }
    vma = vmsim__vma_find(mm, old); /* a merge may have replaced it */
    uint64_t moved = move_tables(vma, old, new, old_length);
    bool failed = moved < old_length;
    if (failed) { /* put back what has moved, and unmap the new place instead */
        move_tables(v, new, old, moved);
        uint64_t t = old;
        old = new;
        new = t;
        old_length = new_length;
    }
    vmsim__stat_account(mm, vm_flags, (int64_t)(new_length >> shift));
    if (failed) {
        if (vm_flags & VMSIM__VM_LOCKED)
            mm->locked_vm += new_length >> shift;
        unmap_old(mm, old, old_length, accounted);
        if (accounted)
            vmsim__uncommit(mm->vm, charge);
        return fail(VMSIM__L_ENOMEM);
    }
    if (VMSIM__UNLIKELY(mm->vm->hooks.moved != NULL))
        mm->vm->hooks.moved(mm->vm->hooks.context, mm, old, new, old_length);
    if (vm_flags & VMSIM__VM_LOCKED)
        mm->locked_vm += new_length >> shift;
    if (keep) {
        if (vm_flags & VMSIM__VM_LOCKED)
            mm->locked_vm -= vmsim__vma_pages(vma, shift);
        leave_mapped(mm, v, old, old_length);
    } else if (old_length) {
        unmap_old(mm, old, old_length, accounted);
    }
    return (int64_t) new;
}

/* May a mapping go to this place? 0 or an errno. Old and new may not overlap: entries that move one by one would
 * overwrite those that have not moved yet. */
static int place_allowed(const struct vmsim__mm *mm, uint64_t old, uint64_t old_length, uint64_t new_length,
                         uint64_t new) {
    if ((new &(mm->vm->page_size - 1)) || new_length > mm->task_size || new > mm->task_size - new_length)
        return VMSIM__L_EINVAL;
    if (old + old_length > new &&new + new_length > old)
        return VMSIM__L_EINVAL;
    return mm->map_count + 2 >= mm->vm->spec.max_map_count - 3 ? VMSIM__L_ENOMEM : 0;
}

/* The mapping that has `old`, if the call may do with it what it wants. */
static int mapping_allowed(struct vmsim__mm *mm, uint64_t old, uint64_t old_length, uint64_t new_length,
                           unsigned flags) {
    const struct vmsim__vma *v = vmsim__vma_find(mm, old);
    return !v || v->start > old ? VMSIM__L_EFAULT : resizable(mm, v, old, old_length, new_length, flags);
}

/* Newer kernels know all that speaks against it before they unmap what is in the way. Before 6.17 the target is gone
 * already when the source turns out to be no mapping. Kernel: mremap_to. */
static int64_t mremap_to(struct vmsim__mm *mm, uint64_t old, uint64_t old_length, uint64_t new_length, unsigned flags,
                         uint64_t new) {
    const bool checks_first = mm->vm->kernel->mremap_checks_first;
    int e = place_allowed(mm, old, old_length, new_length, new);
    e = e || !checks_first ? e : mapping_allowed(mm, old, old_length, new_length, flags);
    if (e)
        return fail(e);
    if (flags & VMSIM__MREMAP_FIXED) {
        int64_t gone = vmsim__do_munmap(mm, new, new_length);
        if (gone)
            return gone;
    }
    if (old_length > new_length) {
        int64_t gone = vmsim__do_munmap(mm, old + new_length, old_length - new_length);
        if (gone)
            return gone;
        old_length = new_length;
    }
    e = mapping_allowed(mm, old, old_length, new_length, flags);
    if (e)
        return fail(e);
    struct vmsim__vma *v = vmsim__vma_find(mm, old);
    if ((flags & VMSIM__MREMAP_DONTUNMAP) && !vmsim__may_expand(mm, v->flags, old_length >> mm->vm->page_shift))
        return fail(VMSIM__L_ENOMEM);
    const struct vmsim__area_request rq = {
        .addr = new, .length = new_length, .map_flags = flags &VMSIM__MREMAP_FIXED ? VMSIM__MAP_FIXED : 0};
    int64_t at = vmsim__get_unmapped_area(mm, &rq);
    if (at < 0)
        return at;
    return move_vma(mm, v, old, old_length, new_length, (uint64_t)at, flags);
}

/* All mappings of [old, old + length) go to `new` with the gaps between them; only before the first there may be none.
 * What has moved when one cannot stays where it is. Kernel: remap_move. */
static int64_t move_many(struct vmsim__mm *mm, uint64_t old, uint64_t length, unsigned flags, uint64_t new) {
    const uint64_t end = old + length;
    int64_t result = fail(VMSIM__L_EFAULT);
    for (uint64_t at = old; at < end;) {
        const struct vmsim__vma *v = vmsim__vma_find(mm, at);
        if (!v || v->start >= end)
            break;
        if (at == old && v->start > old)
            return result;
        const uint64_t from = vmsim__max64(at, v->start), to = vmsim__min64(v->end, end);
        int64_t moved = mremap_to(mm, from, to - from, to - from, flags, new + (from - old));
        if (moved < 0)
            return moved;
        if (at == old)
            result = moved;
        at = to;
    }
    return result;
}

/* Grows at its end, where nothing is in the way. 1: done, 0: cannot, negative: errno. */
static int64_t grow_in_place(struct vmsim__mm *mm, struct vmsim__vma *v, uint64_t delta) {
    VMSIM__ASSERT(delta && !(delta & (mm->vm->page_size - 1)));
    const uint64_t end = v->end + delta, pages = delta >> mm->vm->page_shift;
    const struct vmsim__vma *next = v->next;
    if (end < v->end || (next && next->start < end) || end > mm->task_size)
        return 0;
    if ((v->flags & VMSIM__VM_ACCOUNT) && !vmsim__commit(mm, pages))
        return fail(VMSIM__L_ENOMEM);
    const struct vmsim__vma_want w = {.start = v->end,
                                      .end = end,
                                      .pgoff = v->pgoff + vmsim__vma_pages(v, mm->vm->page_shift),
                                      .flags = v->flags,
                                      .anon_vma = v->anon_vma,
                                      .file = v->file,
                                      .policy = v->policy,
                                      .pages_of = v};
    uint32_t flags = v->flags;
    if (!vmsim__vma_merge(mm, v, &w)) {
        if (flags & VMSIM__VM_ACCOUNT)
            vmsim__uncommit(mm->vm, pages);
        return fail(VMSIM__L_ENOMEM);
    }
    vmsim__stat_account(mm, flags, (int64_t)pages);
    if (flags & VMSIM__VM_LOCKED)
        mm->locked_vm += pages;
    return 1;
}

/* In place if what follows is free, since nothing has to be moved; only then somewhere else, and only with
 * MREMAP_MAYMOVE. */
static int64_t grow(struct vmsim__mm *mm, struct vmsim__vma *v, uint64_t old, uint64_t old_length, uint64_t new_length,
                    unsigned flags) {
    int e = resizable(mm, v, old, old_length, new_length, flags);
    if (e)
        return fail(e);
    if (old_length == v->end - old) {
        int64_t done = grow_in_place(mm, v, new_length - old_length);
        if (done)
            return done > 0 ? (int64_t)old : done;
    }
    if (!(flags & VMSIM__MREMAP_MAYMOVE))
        return fail(VMSIM__L_ENOMEM);
    const struct vmsim__area_request rq = {.length = new_length,
                                           .map_flags = v->flags & VMSIM__VM_MAYSHARE ? 0 : VMSIM__MAP_ANONYMOUS,
                                           .file = v->file,
                                           .offset = v->file ? vmsim__vma_index(v, old) << mm->vm->page_shift : 0};
    int64_t at = vmsim__get_unmapped_area(mm, &rq);
    return at < 0 ? at : move_vma(mm, v, old, old_length, new_length, (uint64_t)at, flags);
}

/* The order of these checks is what programs see as errno, and it changed: releases with mremap_checks_first judge
 * addresses before they look whether anything is mapped (EINVAL before EFAULT). A locked mapping's new pages are
 * faulted in at once. Kernel: sys_mremap, check_prep_vma. */
int64_t vmsim__mm_mremap(struct vmsim__mm *mm, uint64_t old, uint64_t old_length, uint64_t new_length, unsigned flags,
                         uint64_t new_addr, unsigned cpu) {
    const uint64_t page = mm->vm->page_size;
    mm->cpu = cpu;
    vmsim__vm_cost(mm->vm, mm->vm->spec.costs.mremap);
    if (vmsim__nommu(mm->vm))
        return vmsim__nommu_mremap(mm, old, old_length, new_length, flags, new_addr);
    const unsigned to_place = VMSIM__MREMAP_FIXED | VMSIM__MREMAP_DONTUNMAP;
    if (flags & ~(to_place | VMSIM__MREMAP_MAYMOVE))
        return fail(VMSIM__L_EINVAL);
    if ((flags & VMSIM__MREMAP_FIXED) && !(flags & VMSIM__MREMAP_MAYMOVE))
        return fail(VMSIM__L_EINVAL);
    if ((flags & VMSIM__MREMAP_DONTUNMAP) && (!(flags & VMSIM__MREMAP_MAYMOVE) || old_length != new_length))
        return fail(VMSIM__L_EINVAL);
    if (old & (page - 1))
        return fail(VMSIM__L_EINVAL);
    old_length = vmsim__align_up(old_length, page);
    new_length = vmsim__align_up(new_length, page);
    if (!new_length)
        return fail(VMSIM__L_EINVAL);
    if (mm->vm->kernel->mremap_checks_first && (flags & to_place)) {
        int e = place_allowed(mm, old, old_length, new_length, new_addr);
        if (e)
            return fail(e);
        if ((flags & VMSIM__MREMAP_FIXED) && old_length == new_length)
            return move_many(mm, old, old_length, flags, new_addr);
    }
    struct vmsim__vma *v = vmsim__vma_find(mm, old);
    if (!v || v->start > old)
        return fail(VMSIM__L_EFAULT);
    if (v->flags & VMSIM__VM_HUGETLB) { /* promises cannot grow */
        const uint64_t huge = vmsim__vma_page_size(v);
        old_length = vmsim__align_up(old_length, huge);
        new_length = vmsim__align_up(new_length, huge);
        if (((old | new_addr) & (huge - 1)) || new_length > old_length)
            return fail(VMSIM__L_EINVAL);
    }
    if (flags & to_place) {
        int64_t at = mremap_to(mm, old, old_length, new_length, flags, new_addr);
        v = at < 0 ? NULL : vmsim__vma_find(mm, (uint64_t)at);
        if (v && (v->flags & VMSIM__VM_LOCKED) && new_length > old_length)
            vmsim__mm_populate(mm, (uint64_t)at + old_length, new_length - old_length, cpu);
        return at;
    }
    if (old_length >= new_length) {
        int64_t e = old_length == new_length ? 0 : vmsim__do_munmap(mm, old + new_length, old_length - new_length);
        return e ? e : (int64_t)old;
    }
    int64_t at = grow(mm, v, old, old_length, new_length, flags);
    v = at < 0 ? NULL : vmsim__vma_find(mm, (uint64_t)at);
    if (v && (v->flags & VMSIM__VM_LOCKED))
        vmsim__mm_populate(mm, (uint64_t)at + old_length, new_length - old_length, cpu);
    return at;
}

/* ---- brk ---- */

/* The heap is one mapping as long as nothing comes between; each growth goes through the same limits as mmap (data,
 * locked, count, overcommit) but never moves. Kernel: do_brk_flags. */
static bool brk_grow(struct vmsim__mm *mm, uint64_t from, uint64_t to) {
    VMSIM__ASSERT(from < to && !((from | to) & (mm->vm->page_size - 1)));
    const uint64_t pages = (to - from) >> mm->vm->page_shift;
    const uint32_t flags = VMSIM__VM_READ | VMSIM__VM_WRITE | VMSIM__VM_MAYREAD | VMSIM__VM_MAYWRITE |
                           VMSIM__VM_MAYEXEC | VMSIM__VM_ACCOUNT | mm->def_flags;
    const struct vmsim__vma *next = vmsim__vma_find(mm, from);
    if (to > mm->task_size || (next && to + mm->vm->page_size > vmsim__vma_gap_start(next)))
        return false;
    if (!vmsim__mlock_room(mm, flags, to - from) || !vmsim__may_expand(mm, flags, pages) ||
        mm->map_count > mm->vm->spec.max_map_count || !vmsim__commit(mm, pages))
        return false;
    struct vmsim__vma *prev, *v;
    vmsim__vma_find_prev(mm, from, &prev);
    const struct vmsim__vma_want w = {.start = from, .end = to, .pgoff = from >> mm->vm->page_shift, .flags = flags};
    /* what ends before the heap begins, the program's bss, is not looked at */
    v = prev && prev->end > mm->start_brk ? vmsim__vma_merge(mm, prev, &w) : NULL;
    if (!v) {
        v = vmsim__vma_alloc(mm);
        if (!v) {
            vmsim__uncommit(mm->vm, pages);
            return false;
        }
        v->start = from;
        v->end = to;
        v->pgoff = w.pgoff;
        v->flags = flags;
        vmsim__vma_link(mm, v);
        mm->map_count++;
    }
    v->flags |= VMSIM__VM_SOFTDIRTY;
    vmsim__stat_account(mm, flags, (int64_t)pages);
    if (flags & VMSIM__VM_LOCKED)
        mm->locked_vm += pages;
    return true;
}

/* brk fails by giving back the old end, never by an errno: that is all that malloc sees. The end itself may lie within
 * a page, and only whole pages are mapped. Kernel: sys_brk. */
int64_t vmsim__mm_brk(struct vmsim__mm *mm, uint64_t brk, unsigned cpu) {
    const uint64_t page = mm->vm->page_size, limit = mm->rlimit[VMSIM__RLIMIT_DATA];
    mm->cpu = cpu;
    vmsim__vm_cost(mm->vm, mm->vm->spec.costs.brk);
    if (brk < mm->start_brk || brk > mm->task_size || vmsim__nommu(mm->vm))
        return (int64_t)mm->brk;
    if (limit != UINT64_MAX && brk - mm->start_brk + (mm->end_data - mm->start_data) > limit)
        return (int64_t)mm->brk;
    uint64_t new = vmsim__align_up(brk, page), old = vmsim__align_up(mm->brk, page);
    if (new < old) {
        if (vmsim__do_munmap(mm, new, old - new))
            return (int64_t)mm->brk;
    } else if (new > old) {
        if (!brk_grow(mm, old, new))
            return (int64_t)mm->brk;
        if (mm->def_flags & VMSIM__VM_LOCKED)
            vmsim__mm_populate(mm, old, new - old, cpu);
    }
    mm->brk = brk;
    return (int64_t)brk;
}
