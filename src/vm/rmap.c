/* SPDX-License-Identifier: MIT */
/* The reverse map: from a frame to every page-table entry that maps it.
 *
 * A file page is found through the interval tree of the VMAs that map its file; a private page through that of its
 * anon_vma, which holds every VMA that may have inherited it by fork. Anon_vmas have ids because a frame has 32 bits
 * for what it belongs to. As in Linux a VMA that forks reuses an ancestor's anon_vma which has lost its own VMAs and
 * has at most one child, so that repeated fork-and-exit does not grow chains without bound. Kernel counterpart:
 * mm/rmap.c. */
#include "vm/vm_impl.h"

/* Kernel: anon_vma_alloc; ids in place of pointers, since a frame has 32 bits for its owner. */
static struct vmsim__anon_vma *anon_vma_new(struct vmsim__vm *vm) {
    struct vmsim__anon_vma *a = vmsim__slab_alloc(&vm->anon_vmas);
    if (!a)
        return NULL;
    if (vm->anon_free.count) {
        a->id = vm->anon_free.at[--vm->anon_free.count];
    } else {
        /* room for the id to come back is made now: freeing must not fail */
        if (!vmsim__vec_reserve(vm->alloc, &vm->anon_free, vm->anon_table.count + 1) ||
            !vmsim__vec_push(vm->alloc, &vm->anon_table, (struct vmsim__anon_vma *)NULL)) {
            vmsim__slab_free(&vm->anon_vmas, a);
            return NULL;
        }
        a->id = (uint32_t)vm->anon_table.count - 1;
    }
    vm->anon_table.at[a->id] = a;
    a->root = a->parent = a->id;
    return a;
}

/* Its id comes back at once: no frame names it any more, as a page keeps the VMAs that may map it until it is freed. */
static void anon_vma_free(struct vmsim__vm *vm, struct vmsim__anon_vma *a) {
    VMSIM__ASSERT(!a->vmas.root && !a->active && vm->anon_table.at[a->id] == a);
    vm->anon_table.at[a->id] = NULL;
    vm->anon_free.at[vm->anon_free.count++] = a->id;
    vmsim__slab_free(&vm->anon_vmas, a);
}

/* Kernel: anon_vma_chain_link. The newest is first in the VMA's chain and, among VMAs of the same pages, last in the
 * anon_vma's tree: walks go from the oldest VMA to the newest. */
static bool chain_link(struct vmsim__vma *vma, struct vmsim__anon_vma *a) {
    VMSIM__ASSERT(a->id && a->id < vma->mm->vm->anon_table.count);
    struct vmsim__avc *c = vmsim__slab_alloc(&vma->mm->vm->avcs);
    if (!c)
        return false;
    c->vma = vma;
    c->anon_vma = a;
    c->same = vma->chain;
    vma->chain = c;
    c->link.start = vma->pgoff;
    c->link.last = vmsim__vma_last_index(vma);
    vmsim__interval_insert(&a->vmas, &c->link);
    return true;
}

/* A neighbour whose pages could be this VMA's own after an mprotect: they share an anon_vma so that they can merge
 * later. Kernel: reusable_anon_vma. A chain of one means that the neighbour was never forked: only then its anon_vma
 * says no more than its own pages. */
static uint32_t reusable(const struct vmsim__vma *a, const struct vmsim__vma *b, const struct vmsim__vma *from) {
    const uint32_t loose = VMSIM__VM_ACCESS | VMSIM__VM_SOFTDIRTY;
    if (!a || !b || a->end != b->start || a->file != b->file || ((a->flags ^ b->flags) & ~loose))
        return 0;
    if (b->pgoff != a->pgoff + vmsim__vma_pages(a, a->mm->vm->page_shift) || !from->anon_vma)
        return 0;
    return from->chain && !from->chain->same ? from->anon_vma : 0;
}

/* Kernel: __anon_vma_prepare. */
int vmsim__anon_vma_attach(struct vmsim__vma *vma) {
    VMSIM__ASSERT(!vma->anon_vma);
    struct vmsim__vm *vm = vma->mm->vm;
    uint32_t id = reusable(vma, vma->next, vma->next);
    if (!id)
        id = reusable(vma->prev, vma, vma->prev);
    struct vmsim__anon_vma *a = id ? vmsim__anon_vma_at(vm, id) : anon_vma_new(vm);
    if (!a || !chain_link(vma, a)) {
        if (a && !id)
            anon_vma_free(vm, a);
        vm->host_nomem = true;
        return -VMSIM__L_ENOMEM;
    }
    if (!id)
        a->children = 1;
    vma->anon_vma = a->id;
    a->active++;
    return 0;
}

/* Both ends at once: an avc is in one chain and one tree, and the caller has taken it out of the chain. */
static void avc_unlink(struct vmsim__vm *vm, struct vmsim__avc *c) {
    vmsim__interval_remove(&c->anon_vma->vmas, &c->link);
    vmsim__slab_free(&vm->avcs, c);
}

/* Kernel: unlink_anon_vmas. `active` counts VMAs that fault new pages in here, which is what makes an anon_vma of no
 * VMA of its own reusable by a later fork. */
void vmsim__anon_vma_unlink(struct vmsim__vma *vma) {
    struct vmsim__vm *vm = vma->mm->vm;
    if (vma->anon_vma) {
        vmsim__anon_vma_at(vm, vma->anon_vma)->active--;
        vma->anon_vma = 0;
    }
    /* newest first: a child is gone before its parent */
    while (vma->chain) {
        struct vmsim__avc *c = vma->chain;
        struct vmsim__anon_vma *a = c->anon_vma;
        vma->chain = c->same;
        avc_unlink(vm, c);
        if (a->vmas.root)
            continue;
        if (a->parent != a->id)
            vmsim__anon_vma_at(vm, a->parent)->children--;
        anon_vma_free(vm, a);
    }
}

/* Undoes a clone that ran out of memory; nothing becomes empty, because `from` is still linked. */
static void unclone(struct vmsim__vma *to) {
    struct vmsim__vm *vm = to->mm->vm;
    while (to->chain) {
        struct vmsim__avc *c = to->chain;
        to->chain = c->same;
        avc_unlink(vm, c);
    }
    to->anon_vma = 0;
}

/* Kernel: anon_vma_clone. An anon_vma without VMAs of its own and with one child at most is taken over, which bounds
 * the depth of a chain of forks. */
int vmsim__anon_vma_clone(struct vmsim__vma *to, struct vmsim__vma *from) {
    VMSIM__ASSERT(!to->chain);
    struct vmsim__vm *vm = to->mm->vm;
    /* oldest first, so that the new chain has the order of the old one */
    struct vmsim__avc *reversed = NULL;
    for (struct vmsim__avc *c = from->chain; c;) {
        struct vmsim__avc *next = c->same;
        c->same = reversed;
        reversed = c;
        c = next;
    }
    from->chain = NULL;
    bool ok = true;
    for (struct vmsim__avc *c = reversed; c;) {
        struct vmsim__avc *next = c->same;
        c->same = from->chain;
        from->chain = c;
        ok = ok && chain_link(to, c->anon_vma);
        if (ok && !to->anon_vma && from->anon_vma && c->anon_vma->children < 2 && !c->anon_vma->active)
            to->anon_vma = c->anon_vma->id;
        c = next;
    }
    if (!ok) {
        unclone(to);
        vm->host_nomem = true;
        return -VMSIM__L_ENOMEM;
    }
    if (to->anon_vma)
        vmsim__anon_vma_at(vm, to->anon_vma)->active++;
    return 0;
}

/* Kernel: anon_vma_fork. A child's new pages belong to it alone: with an anon_vma of its own, rmap of such a page
 * does not walk the parent's mappings. Pages from before the fork are found through the chain. */
int vmsim__anon_vma_fork(struct vmsim__vma *child, struct vmsim__vma *parent) {
    VMSIM__ASSERT(!child->chain);
    struct vmsim__vm *vm = child->mm->vm;
    if (!parent->anon_vma)
        return 0;
    child->anon_vma = 0;
    if (vmsim__anon_vma_clone(child, parent))
        return -VMSIM__L_ENOMEM;
    if (child->anon_vma) /* an old one was free for reuse */
        return 0;
    struct vmsim__anon_vma *a = anon_vma_new(vm);
    if (!a || !chain_link(child, a)) {
        if (a)
            anon_vma_free(vm, a);
        vmsim__anon_vma_unlink(child);
        vm->host_nomem = true;
        return -VMSIM__L_ENOMEM;
    }
    struct vmsim__anon_vma *up = vmsim__anon_vma_at(vm, parent->anon_vma);
    VMSIM__ASSERT(up && up != a);
    a->root = up->root;
    a->parent = up->id;
    up->children++;
    child->anon_vma = a->id;
    a->active++;
    return 0;
}

/* ---- walking ---- */

/* A tail frame is looked for alone, any other page with all of its frames. Kernel: rmap_walk. */
void vmsim__rmap_start(struct vmsim__rmap_walk *w, struct vmsim__vm *vm, vmsim__pfn pfn) {
    VMSIM__ASSERT(pfn < vm->mem->frames.end);
    const vmsim__pfn head = vmsim__vm_head(vm, pfn);
    const struct vmsim__frame *f = vmsim__vm_frame(vm, head);
    const bool whole = pfn == head && vmsim__frame_is(f, VMSIM__FRAME_HEAD);
    *w = (struct vmsim__rmap_walk){.vm = vm, .pfn = pfn, .pages = whole ? vmsim__frame_pages(f) : 1};
    w->index = vmsim__frame_index(f) + (pfn - head);
    w->anon = vmsim__frame_is(f, VMSIM__FRAME_ANON);
    if (!f->mapping)
        return;
    if (w->anon) {
        const struct vmsim__anon_vma *a = vmsim__anon_vma_at(vm, f->mapping);
        w->tree = a ? &a->vmas : NULL;
    } else {
        const struct vmsim__file *file = vmsim__file_by_id(vm->cache, f->mapping);
        w->tree = file && file->mappings ? &((const struct vmsim__imap *)file->mappings)->vmas : NULL;
    }
}

/* The part of the page that lies in the VMA, as addresses. Kernel: vma_address. */
bool vmsim__rmap_next_vma(struct vmsim__rmap_walk *w) {
    const uint64_t last = w->index + w->pages - 1;
    if (!w->tree)
        return false;
    w->node = w->node ? vmsim__interval_next(w->node, w->index, last) : vmsim__interval_first(w->tree, w->index, last);
    if (!w->node)
        return false;
    struct vmsim__vma *v = w->anon ? vmsim__avc_of_link(w->node)->vma : vmsim__vma_of_file_link(w->node);
    const unsigned shift = w->vm->page_shift;
    uint64_t from = vmsim__max64(w->index, w->node->start), to = vmsim__min64(last, w->node->last);
    w->vma = v;
    w->va = v->start + ((from - v->pgoff) << shift);
    w->end = v->start + ((to + 1 - v->pgoff) << shift);
    w->slot.entry = NULL;
    VMSIM__ASSERT(w->va >= v->start && w->va < w->end && w->end <= v->end);
    return true;
}

/* Does this entry map the frame that the walk expects at its address, or has it taken the place of one that did? A
 * present entry proves nothing by itself: the VMA may have copied the page (COW) or map another in its place. */
static bool expected(const struct vmsim__rmap_walk *w, uint64_t va, struct vmsim__pte pte, unsigned level) {
    const struct vmsim__pt_format *f = w->vm->format;
    const uint64_t base = va & ~((UINT64_C(1) << f->shift[level]) - 1);
    const uint64_t pfn = w->pfn + (vmsim__vma_index(w->vma, va) - w->index);
    if (w->migration) {
        const struct vmsim__swp e = pte.flags & VMSIM__PTE_SWAP ? vmsim__swp_of(pte) : (struct vmsim__swp){0};
        return (pte.flags & VMSIM__PTE_SWAP) && vmsim__swp_is_migration(e) && e.offset == pfn;
    }
    if (!(pte.flags & (VMSIM__PTE_PRESENT | VMSIM__PTE_PROTNONE)) || (pte.flags & VMSIM__PTE_SPECIAL))
        return false;
    return pte.pfn + ((va - base) >> w->vm->page_shift) == pfn;
}

/* One descent for each table that the page touches in this VMA. Kernel: page_vma_mapped_walk. Entries of one table
 * lie one behind the other: after the first only the pointer moves on, which makes a run of a large folio's pages
 * cost one descent. */
bool vmsim__rmap_next(struct vmsim__rmap_walk *w, struct vmsim__mapping *m) {
    const struct vmsim__pt_format *f = w->vm->format;
    while (w->va < w->end) {
        if (!w->slot.entry && !vmsim__mm_slot(w->vma->mm, w->va, false, &w->slot))
            return false;
        const struct vmsim__pt_slot slot = w->slot;
        const uint64_t va = w->va, size = UINT64_C(1) << f->shift[slot.level];
        w->va = vmsim__align_down(va, size) + size;
        if (slot.entry && !slot.level && slot.index + 1u < UINT32_C(1) << f->index_bits[0]) {
            w->slot.entry = (char *)slot.entry + f->entry_bytes;
            w->slot.index++;
        } else {
            w->slot.entry = NULL;
        }
        if (!slot.entry || !vmsim__pt_read(f, &slot))
            continue;
        const struct vmsim__pte pte = vmsim__pt_get(f, &slot);
        if (expected(w, va, pte, slot.level)) {
            w->met = va;
            *m = (struct vmsim__mapping){w->vma, vmsim__align_down(va, size), slot, pte};
            return true;
        }
    }
    return false;
}

/* Entries of pages that go one after the other lie anywhere: the host would wait for each. */
void vmsim__rmap_expect(struct vmsim__vm *vm, vmsim__pfn pfn) {
    struct vmsim__rmap_walk w;
    struct vmsim__pt_slot slot;
    if (vmsim__nommu(vm))
        return;
    vmsim__rmap_start(&w, vm, pfn);
    if (vmsim__rmap_next_vma(&w) && vmsim__mm_slot(w.vma->mm, w.va, false, &slot))
        __builtin_prefetch(slot.entry, 1);
}

/* For whoever has split the huge entry that was met: its place is walked once more, by base entries. */
void vmsim__rmap_again(struct vmsim__rmap_walk *w) {
    VMSIM__ASSERT(w->met < w->va);
    w->va = w->met;
    w->slot.entry = NULL;
}

/* False: `fn` ended it. It may change the entry that it is given, not the tree of VMAs. */
bool vmsim__rmap_walk(struct vmsim__vm *vm, vmsim__pfn pfn, vmsim__rmap_fn fn, void *context) {
    struct vmsim__rmap_walk w;
    struct vmsim__mapping m;
    vmsim__rmap_start(&w, vm, pfn);
    while (vmsim__rmap_next_vma(&w)) {
        while (vmsim__rmap_next(&w, &m)) {
            if (!fn(context, &m))
                return false;
        }
    }
    return true;
}
