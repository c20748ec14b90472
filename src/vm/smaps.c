/* SPDX-License-Identifier: MIT */
/* What /proc/PID/smaps, pagemap and clear_refs see: a walk over the entries of each VMA.
 *
 * Pss is kept with 12 fraction bits, as the kernel does, so that sums round alike. The zero page is not resident
 * memory. Kernel counterpart: fs/proc/task_mmu.c. */
#include "vm/vm_hugetlb.h"

#include <string.h>

#define PSS_SHIFT 12

struct page_view {
    uint64_t size;
    int64_t mapcount;
    bool dirty, locked;
};

/* Kernel: smaps_page_accumulate. The kernel divides per page, so that each page's share is truncated on its own. */
static void add_share(struct vmsim__smaps *s, const struct vmsim__frame *head, const struct page_view *p) {
    VMSIM__ASSERT(p->size && p->mapcount >= 0);
    uint64_t pss = p->size << PSS_SHIFT;
    bool private = p->mapcount < 2;
    if (!private)
        pss /= (uint64_t)p->mapcount;
    s->pss += pss;
    if (vmsim__frame_is(head, VMSIM__FRAME_ANON))
        s->pss_anon += pss;
    else if (vmsim__frame_is(head, VMSIM__FRAME_SWAPBACKED))
        s->pss_shmem += pss;
    else
        s->pss_file += pss;
    s->locked += p->locked ? pss : 0;
    if (p->dirty) {
        s->pss_dirty += pss;
        *(private ? &s->private_dirty : &s->shared_dirty) += p->size;
    } else {
        *(private ? &s->private_clean : &s->shared_clean) += p->size;
    }
}

/* Kernel: smaps_account. */
static void account_entry(const struct vmsim__vma *vma, struct vmsim__smaps *s, struct vmsim__pte pte,
                          const struct vmsim__pt_slot *slot) {
    VMSIM__ASSERT(slot->entry);
    const struct vmsim__vm *vm = vma->mm->vm;
    const uint64_t size = UINT64_C(1) << vm->format->shift[slot->level];
    vmsim__pfn pfn = (vmsim__pfn)pte.pfn;
    const struct vmsim__frame *head = vmsim__vm_frame(vm, vmsim__vm_head(vm, pfn));
    bool dirty = (pte.flags & VMSIM__PTE_DIRTY) || vmsim__frame_is(head, VMSIM__FRAME_DIRTY);
    s->rss += size;
    if (vmsim__frame_is(head, VMSIM__FRAME_ANON)) {
        s->anonymous += size;
        if (!vmsim__frame_is(head, VMSIM__FRAME_SWAPBACKED) && !dirty)
            s->lazyfree += size;
        if (slot->level)
            s->anon_huge += size;
    } else if (slot->level) {
        *(vmsim__frame_is(head, VMSIM__FRAME_SWAPBACKED) ? &s->shmem_pmd : &s->file_pmd) += size;
    }
    if ((pte.flags & VMSIM__PTE_ACCESSED) || vmsim__frame_is(head, VMSIM__FRAME_REFERENCED))
        s->referenced += size;
    /* A 32-bit kernel has no room for the share of a whole huge page that is nobody else's: 2^21 << 12 is 0. */
    struct page_view p = {vm->page_size, 0, dirty, vma->flags & VMSIM__VM_LOCKED};
    if (VMSIM__UNLIKELY(slot->level && vmsim__arch_is_narrow(vm->mem->arch) && head->refcount == 1)) {
        *(dirty ? &s->private_dirty : &s->private_clean) += size;
        return;
    }
    for (uint64_t i = 0; i < size >> vm->page_shift; i++) {
        p.mapcount = vmsim__vm_mapcount(vm, pfn + (vmsim__pfn)i);
        add_share(s, head, &p);
    }
}

/* Kernel: smaps_pte_entry. A page under migration is seen as its owner's alone, neither young nor dirty. */
static void account_nonpresent(const struct vmsim__vma *vma, struct vmsim__smaps *s, struct vmsim__swp e) {
    const struct vmsim__vm *vm = vma->mm->vm;
    if (vmsim__swp_is_swap(e)) {
        const unsigned n = vm->swap && vm->swap->count ? vm->swap->count(vm->swap->context, e) : 1;
        s->swap += vm->page_size;
        s->swap_pss += (vm->page_size << PSS_SHIFT) / (n > 1 ? n : 1);
    } else if (vmsim__swp_is_migration(e)) {
        const struct vmsim__frame *head = vmsim__vm_frame(vm, vmsim__vm_head(vm, (vmsim__pfn)e.offset));
        const struct page_view p = {vm->page_size, 1, vmsim__frame_is(head, VMSIM__FRAME_DIRTY),
                                    vma->flags & VMSIM__VM_LOCKED};
        s->rss += vm->page_size;
        s->anonymous += vmsim__frame_is(head, VMSIM__FRAME_ANON) ? vm->page_size : 0;
        s->referenced += vmsim__frame_is(head, VMSIM__FRAME_REFERENCED) ? vm->page_size : 0;
        add_share(s, head, &p);
    }
}

/* A page of the kernel's own code, which every process with a vdso shares. */
static void account_vdso(const struct vmsim__vma *vma, struct vmsim__smaps *s) {
    const struct vmsim__vm *vm = vma->mm->vm;
    VMSIM__ASSERT(vm->vdso_mapped > 0);
    s->rss += vm->page_size;
    s->referenced += vm->page_size;
    s->pss += (vm->page_size << PSS_SHIFT) / vm->vdso_mapped;
    s->pss_file += (vm->page_size << PSS_SHIFT) / vm->vdso_mapped;
    *(vm->vdso_mapped > 1 ? &s->shared_clean : &s->private_clean) += vm->page_size;
}

/* Kernel: smaps_hugetlb_range. */
static void account_hugetlb(const struct vmsim__vma *vma, struct vmsim__smaps *s) {
    struct vmsim__mm *mm = vma->mm;
    const uint64_t size = vmsim__vma_page_size(vma);
    struct vmsim__pt_slot slot;
    for (uint64_t va = vma->start; va < vma->end; va += size) {
        if (!vmsim__huge_slot(mm, va, vmsim__vma_hstate(vma), false, &slot) || !slot.entry ||
            !vmsim__pt_read(mm->pt.format, &slot))
            continue;
        const vmsim__pfn pfn = (vmsim__pfn)vmsim__pt_get(mm->pt.format, &slot).pfn;
        *(vmsim__vm_mapcount(mm->vm, pfn) > 1 ? &s->shared_hugetlb : &s->private_hugetlb) += size;
    }
}

static bool maps_nothing(const struct vmsim__vma *vma, uint64_t va) {
    struct vmsim__pt_slot slot;
    return !vmsim__pt_slot(&vma->mm->pt, va, 0, false, &slot) || !slot.entry ||
           !vmsim__pt_read(vma->mm->pt.format, &slot);
}

/* Pages of shared memory that are in swap have no entries of page tables; private copies have, and count for
 * themselves. Kernel: shmem_swap_usage, smaps_pte_hole. */
static void account_shmem_swap(const struct vmsim__vma *vma, struct vmsim__smaps *s) {
    const struct vmsim__vm *vm = vma->mm->vm;
    const struct vmsim__file *f = vma->file;
    const bool private = !(vma->flags & VMSIM__VM_SHARED) && (vma->flags & VMSIM__VM_WRITE);
    const uint64_t end = vma->pgoff + ((vma->end - vma->start) >> vm->page_shift);
    uint64_t at = vma->pgoff;
    if (!f || f->kind != VMSIM__FILE_SHMEM || !f->swapped)
        return;
    for (uint64_t entry; (entry = vmsim__radix_next(&f->pages, &at)) && at < end; at++) {
        const uint64_t va = vma->start + ((at - vma->pgoff) << vm->page_shift);
        if (vmsim__entry_tag(entry) == VMSIM__ENTRY_SWAP && (!private || maps_nothing(vma, va)))
            s->swap += vm->page_size;
    }
}

uint64_t vmsim__vma_page_size(const struct vmsim__vma *vma) {
    return vma->flags & VMSIM__VM_HUGETLB ? UINT64_C(1) << vmsim__hstate_shift(vma->mm->vm, vmsim__vma_hstate(vma))
                                          : vma->mm->vm->page_size;
}

/* Kernel: smap_gather_stats. */
void vmsim__vma_smaps(const struct vmsim__vma *vma, struct vmsim__smaps *sum) {
    struct vmsim__mm *mm = vma->mm;
    struct vmsim__pt_slot slot;
    if (vmsim__nommu(mm->vm)) /* task_nommu.c has no such file */
        return;
    if (vma->flags & VMSIM__VM_HUGETLB) {
        account_hugetlb(vma, sum);
        return;
    }
    account_shmem_swap(vma, sum);
    for (uint64_t va = vma->start; va < vma->end && vmsim__pt_next(&mm->pt, &va, vma->end, &slot);
         va += UINT64_C(1) << mm->pt.format->shift[slot.level]) {
        struct vmsim__pte pte = vmsim__pt_get(mm->pt.format, &slot);
        if (pte.flags & VMSIM__PTE_SWAP) {
            account_nonpresent(vma, sum, vmsim__swp_of(pte));
        } else if (!(pte.flags & VMSIM__PTE_SPECIAL)) {
            account_entry(vma, sum, pte, &slot);
        } else if (vmsim__vma_is_vdso(vma)) {
            account_vdso(vma, sum);
        }
    }
}

void vmsim__mm_rollup(const struct vmsim__mm *mm, struct vmsim__smaps *out) {
    memset(out, 0, sizeof *out);
    for (const struct vmsim__vma *v = mm->first; v; v = v->next)
        vmsim__vma_smaps(v, out);
}

/* Kernel: show_smap_vma_flags: two letters and a blank each, in the order of the flags' bits. */
void vmsim__vma_flags_text(const struct vmsim__vma *vma, char *out, size_t size) {
    static const struct {
        uint32_t flag;
        char code[3];
    } codes[] = {
        {VMSIM__VM_READ, "rd"},       {VMSIM__VM_WRITE, "wr"},       {VMSIM__VM_EXEC, "ex"},
        {VMSIM__VM_SHARED, "sh"},     {VMSIM__VM_MAYREAD, "mr"},     {VMSIM__VM_MAYWRITE, "mw"},
        {VMSIM__VM_MAYEXEC, "me"},    {VMSIM__VM_MAYSHARE, "ms"},    {VMSIM__VM_GROWSDOWN, "gd"},
        {VMSIM__VM_PFNMAP, "pf"},     {VMSIM__VM_LOCKED, "lo"},      {VMSIM__VM_IO, "io"},
        {VMSIM__VM_SEQ_READ, "sr"},   {VMSIM__VM_RAND_READ, "rr"},   {VMSIM__VM_DONTCOPY, "dc"},
        {VMSIM__VM_DONTEXPAND, "de"}, {VMSIM__VM_LOCKONFAULT, "lf"}, {VMSIM__VM_ACCOUNT, "ac"},
        {VMSIM__VM_NORESERVE, "nr"},  {VMSIM__VM_HUGETLB, "ht"},     {VMSIM__VM_WIPEONFORK, "wf"},
        {VMSIM__VM_DONTDUMP, "dd"},   {VMSIM__VM_SOFTDIRTY, "sd"},   {VMSIM__VM_HUGEPAGE, "hg"},
        {VMSIM__VM_NOHUGEPAGE, "nh"}, {VMSIM__VM_MERGEABLE, "mg"},
    };
    size_t at = 0;
    for (size_t i = 0; i < VMSIM__COUNT(codes) && at + 4 <= size; i++) {
        if (vma->flags & codes[i].flag) {
            memcpy(out + at, codes[i].code, 2);
            out[at + 2] = ' ';
            at += 3;
        }
    }
    if (size)
        out[at < size ? at : size - 1] = '\0';
}

/* Soft-dirty is that of the entry or of the whole VMA: a new mapping is all dirty (VM_SOFTDIRTY). */
struct vmsim__pte vmsim__mm_pagemap(struct vmsim__mm *mm, uint64_t va) {
    struct vmsim__pt_slot slot;
    struct vmsim__pte none = {0, 0};
    if (vmsim__nommu(mm->vm) || va >= mm->task_size || !vmsim__pt_slot(&mm->pt, va, 0, false, &slot) || !slot.entry)
        return none;
    struct vmsim__pte pte = vmsim__pt_get(mm->pt.format, &slot);
    const struct vmsim__vma *v = vmsim__vma_find(mm, va);
    if (v && v->start <= va && (v->flags & VMSIM__VM_SOFTDIRTY))
        pte.flags |= VMSIM__PTE_SOFT_DIRTY;
    if (slot.level)
        pte.pfn +=
            (va >> mm->vm->page_shift) & ((UINT64_C(1) << (mm->pt.format->shift[slot.level] - mm->vm->page_shift)) - 1);
    return pte;
}

/* ---- clear_refs ---- */

/* Kernel: clear_soft_dirty and clear_refs_pte_range: without the write bit the next store faults, and the fault sets
 * soft-dirty. */
static void clear_entry(struct vmsim__vma *v, const struct vmsim__pt_slot *slot, bool soft_dirty) {
    const struct vmsim__pt_format *f = v->mm->pt.format;
    struct vmsim__pte pte = vmsim__pt_get(f, slot);
    if (soft_dirty) {
        pte.flags &= ~VMSIM__PTE_SOFT_DIRTY;
        if (!(pte.flags & VMSIM__PTE_SWAP))
            pte.flags &= ~VMSIM__PTE_WRITE;
    } else {
        if ((pte.flags & (VMSIM__PTE_SPECIAL | VMSIM__PTE_SWAP)) || !(pte.flags & VMSIM__PTE_PRESENT))
            return;
        pte.flags &= ~VMSIM__PTE_ACCESSED;
        struct vmsim__vm *vm = v->mm->vm;
        vmsim__vm_frame(vm, vmsim__vm_head(vm, (vmsim__pfn)pte.pfn))->flags &= ~VMSIM__FRAME_REFERENCED;
    }
    vmsim__pt_set(f, slot, pte);
}

static void clear_vma(struct vmsim__vma *v, bool soft_dirty) {
    struct vmsim__mm *mm = v->mm;
    struct vmsim__pt_slot slot;
    for (uint64_t va = v->start; va < v->end && vmsim__pt_next(&mm->pt, &va, v->end, &slot);
         va += UINT64_C(1) << mm->pt.format->shift[slot.level])
        clear_entry(v, &slot, soft_dirty);
}

/* Kernel: clear_refs_write. */
int64_t vmsim__mm_clear_refs(struct vmsim__mm *mm, int what, unsigned cpu) {
    mm->cpu = cpu;
    if (what < 1 || what > 5 || vmsim__nommu(mm->vm))
        return -VMSIM__L_EINVAL;
    if (what == 5) {
        mm->hiwater_rss = 0;
        vmsim__hiwater_rss(mm);
        return 0;
    }
    for (struct vmsim__vma *v = mm->first; v; v = v->next) {
        if (what == 4)
            v->flags &= ~VMSIM__VM_SOFTDIRTY;
        if ((v->flags & (VMSIM__VM_PFNMAP | VMSIM__VM_HUGETLB)) || (what == 2 && v->file) || (what == 3 && !v->file))
            continue;
        clear_vma(v, what == 4);
    }
    const struct vmsim__vm_hooks *h = &mm->vm->hooks;
    if (what == 4 && h->flush_mm)
        h->flush_mm(h->context, mm, cpu);
    return 0;
}
