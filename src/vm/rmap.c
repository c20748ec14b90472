/* SPDX-License-Identifier: MIT */
/* The reverse map: from a frame to every page-table entry that maps it.
 *
 * A file page is found through the list of VMAs that map its file; a private page through its anon_vma, whose list
 * holds every VMA that may have inherited it by fork. Anon_vmas have ids because a frame has 32 bits for what it
 * belongs to. As in Linux a VMA that forks reuses an ancestor's anon_vma which has lost its own VMAs and has at most
 * one child, so that repeated fork-and-exit does not grow chains without bound. Kernel counterpart: mm/rmap.c. */
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

static void anon_vma_free(struct vmsim__vm *vm, struct vmsim__anon_vma *a) {
    VMSIM__ASSERT(!a->first && !a->active && vm->anon_table.at[a->id] == a);
    vm->anon_table.at[a->id] = NULL;
    vm->anon_free.at[vm->anon_free.count++] = a->id;
    vmsim__slab_free(&vm->anon_vmas, a);
}

/* Kernel: anon_vma_chain_link. The newest is first in the VMA's chain and last in the anon_vma's list: walks go from
 * the oldest VMA to the newest. */
static bool chain_link(struct vmsim__vma *vma, struct vmsim__anon_vma *a) {
    VMSIM__ASSERT(a->id && a->id < vma->mm->vm->anon_table.count);
    struct vmsim__avc *c = vmsim__slab_alloc(&vma->mm->vm->avcs);
    if (!c)
        return false;
    c->vma = vma;
    c->anon_vma = a;
    c->same = vma->chain;
    vma->chain = c;
    c->prev = a->last;
    *(a->last ? &a->last->next : &a->first) = c;
    a->last = c;
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
int vmsim__anon_vma_prepare(struct vmsim__vma *vma) {
    if (VMSIM__LIKELY(vma->anon_vma))
        return 0;
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

static void avc_unlink(struct vmsim__vm *vm, struct vmsim__avc *c) {
    VMSIM__ASSERT((c->prev ? c->prev->next : c->anon_vma->first) == c);
    VMSIM__ASSERT((c->next ? c->next->prev : c->anon_vma->last) == c);
    struct vmsim__anon_vma *a = c->anon_vma;
    *(c->prev ? &c->prev->next : &a->first) = c->next;
    *(c->next ? &c->next->prev : &a->last) = c->prev;
    vmsim__slab_free(&vm->avcs, c);
}

/* Kernel: unlink_anon_vmas. */
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
        if (a->first)
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

/* Kernel: anon_vma_fork. */
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

/* The entry of `vma` for page `index` of its object, if it maps `pfn`. Kernel: page_vma_mapped_walk, vma_address. */
static bool maps(struct vmsim__vma *vma, uint64_t index, vmsim__pfn pfn, struct vmsim__mapping *m) {
    unsigned shift = vma->mm->vm->page_shift;
    if (index < vma->pgoff || index - vma->pgoff >= vmsim__vma_pages(vma, shift))
        return false;
    m->vma = vma;
    m->va = vma->start + ((index - vma->pgoff) << shift);
    const struct vmsim__pt_format *f = vma->mm->pt.format;
    if (!vmsim__pt_slot(&vma->mm->pt, m->va, 0, false, &m->slot) || !m->slot.entry)
        return false;
    m->pte = vmsim__pt_get(f, &m->slot);
    if (!(m->pte.flags & (VMSIM__PTE_PRESENT | VMSIM__PTE_PROTNONE)) || (m->pte.flags & VMSIM__PTE_SPECIAL))
        return false;
    if (m->slot.level) {
        m->va &= ~((UINT64_C(1) << f->shift[m->slot.level]) - 1);
        return m->pte.pfn == vmsim__vm_head(vma->mm->vm, pfn);
    }
    return m->pte.pfn == pfn;
}

/* Kernel: rmap_walk_file. The next VMA is read first: the callback may split or unmap the present one's entries,
 * never its place in the list. */
static bool walk_file(struct vmsim__file *file, uint64_t index, vmsim__pfn pfn, vmsim__rmap_fn fn, void *context) {
    const struct vmsim__imap *map = file ? file->mappings : NULL;
    struct vmsim__mapping m;
    for (struct vmsim__vma *v = map ? map->first : NULL; v;) {
        struct vmsim__vma *next = v->file_next;
        if (maps(v, index, pfn, &m) && !fn(context, &m))
            return false;
        v = next;
    }
    return true;
}

/* One base frame. Kernel: rmap_walk_anon. */
static bool walk_one(struct vmsim__vm *vm, vmsim__pfn pfn, vmsim__rmap_fn fn, void *context) {
    VMSIM__ASSERT(pfn < vm->mem->frames.end);
    const struct vmsim__frame *f = vmsim__vm_frame(vm, vmsim__vm_head(vm, pfn));
    uint64_t index = vmsim__frame_index(f) + (pfn - vmsim__vm_head(vm, pfn));
    if (!vmsim__frame_is(f, VMSIM__FRAME_ANON))
        return walk_file(vmsim__file_by_id(vm->cache, f->mapping), index, pfn, fn, context);
    const struct vmsim__anon_vma *a = vmsim__anon_vma_at(vm, f->mapping);
    struct vmsim__mapping m;
    for (struct vmsim__avc *c = a ? a->first : NULL; c;) {
        struct vmsim__avc *next = c->next;
        if (maps(c->vma, index, pfn, &m) && !fn(context, &m))
            return false;
        c = next;
    }
    return true;
}

struct once {
    vmsim__rmap_fn fn;
    void *context;
    bool first;
};
/* A huge entry is met once for each of its frames: only the first time counts. */
static bool skip_huge(void *context, struct vmsim__mapping *m) {
    struct once *o = context;
    return m->slot.level && !o->first ? true : o->fn(o->context, m);
}

/* A compound page is walked frame by frame, because base entries may map any part of it. */
bool vmsim__rmap_walk(struct vmsim__vm *vm, vmsim__pfn pfn, vmsim__rmap_fn fn, void *context) {
    const struct vmsim__frame *f = vmsim__vm_frame(vm, pfn);
    if (!f->mapping && !vmsim__frame_is(f, VMSIM__FRAME_TAIL))
        return true;
    if (!vmsim__frame_is(f, VMSIM__FRAME_HEAD))
        return walk_one(vm, pfn, fn, context);
    struct once o = {fn, context, true};
    for (uint32_t i = 0; i < UINT32_C(1) << vmsim__frame_order(f); i++, o.first = false) {
        if (!walk_one(vm, pfn + i, skip_huge, &o))
            return false;
    }
    return true;
}
