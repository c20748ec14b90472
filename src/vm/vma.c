/* SPDX-License-Identifier: MIT */
/* The life of a VMA: birth, its place among the file's mappings, splitting, death.
 *
 * A VMA belongs to a file through the file's i_mmap tree and one reference on it; the tree hangs on file->mappings
 * (struct vmsim__imap) and goes away with the last VMA, and with it what shared anonymous memory had charged to
 * Committed_AS. Kernel counterpart: mm/mmap.c (vm_area_dup, __split_vma, remove_vma), mm/interval_tree.c. */
#include "vm/vm_hugetlb.h"

#include <string.h>

struct vmsim__vma *vmsim__vma_alloc(struct vmsim__mm *mm) {
    struct vmsim__vma *v = vmsim__slab_alloc(&mm->vm->vmas);
    if (!v) {
        mm->vm->host_nomem = true;
        return NULL;
    }
    v->mm = mm;
    return v;
}

/* Of a VMA that is linked: there is a tree as long as it is in it. */
static struct vmsim__imap *imap_of(const struct vmsim__vma *v) {
    VMSIM__ASSERT(v->file && v->file->mappings);
    return v->file->mappings;
}

/* A copy by fork has the same place in the file as its original, so it goes beside it, without a search. */
static void file_link(struct vmsim__vma *v, struct vmsim__vma *after) {
    VMSIM__ASSERT(!after || (after->file == v->file && after->pgoff == v->pgoff));
    v->file_link.start = v->pgoff;
    v->file_link.last = vmsim__vma_last_index(v);
    if (after)
        vmsim__interval_insert_after(&imap_of(v)->vmas, &v->file_link, &after->file_link);
    else
        vmsim__interval_insert(&imap_of(v)->vmas, &v->file_link);
}

/* A neighbour that maps the same file came of the same open file. A copy has its original's (vmsim__vma_dup). */
static struct vmsim__opened *opened_beside(const struct vmsim__vma *vma, const struct vmsim__file *file) {
    struct vmsim__mm *mm = vma->mm;
    const struct vmsim__vma *before = vma->start ? vmsim__vma_find(mm, vma->start - 1) : NULL;
    const struct vmsim__vma *behind = vmsim__vma_find(mm, vma->end);
    if (vma->opened)
        return vma->opened;
    if (before && before->start < vma->start && before->file == file)
        return before->opened;
    return behind && behind->start == vma->end && behind->file == file ? behind->opened : NULL;
}

static bool set_opened(struct vmsim__vma *vma, const struct vmsim__file *file) {
    struct vmsim__vm *vm = vma->mm->vm;
    struct vmsim__opened *o = opened_beside(vma, file);
    if (!o && (o = vmsim__slab_alloc(&vm->opened)) != NULL) {
        if (vma->mm->mapped_ra)
            o->ra = *vma->mm->mapped_ra;
        else
            vmsim__ra_init(vm->cache, &o->ra);
    }
    if (!o)
        return false;
    VMSIM__ASSERT(o->users < UINT32_MAX);
    o->users++;
    vma->opened = o;
    return true;
}

static void drop_opened(struct vmsim__vma *vma) {
    VMSIM__ASSERT(vma->opened && vma->opened->users > 0);
    if (!--vma->opened->users)
        vmsim__slab_free(&vma->mm->vm->opened, vma->opened);
    vma->opened = NULL;
}

/* The tree of a file's mappings exists while the file is mapped at all: most files are read, never mapped. */
bool vmsim__vma_set_file(struct vmsim__vma *vma, struct vmsim__file *file, struct vmsim__vma *after) {
    VMSIM__ASSERT(!vmsim__interval_linked(&vma->file_link) && vma->start < vma->end);
    struct vmsim__vm *vm = vma->mm->vm;
    struct vmsim__imap *map = file->mappings ? file->mappings : vmsim__slab_alloc(&vm->imaps);
    if (!map || !set_opened(vma, file)) {
        if (map && !file->mappings)
            vmsim__slab_free(&vm->imaps, map);
        vm->host_nomem = true;
        return false;
    }
    file->mappings = map;
    vma->file = file;
    file_link(vma, after);
    vmsim__file_get(file);
    return true;
}

/* The last mapping takes the list with it: files that nobody maps cost nothing. */
static void drop_file(struct vmsim__vma *vma, unsigned cpu) {
    VMSIM__ASSERT(vmsim__interval_linked(&vma->file_link));
    struct vmsim__vm *vm = vma->mm->vm;
    struct vmsim__file *file = vma->file;
    struct vmsim__imap *map = imap_of(vma);
    drop_opened(vma);
    vmsim__interval_remove(&map->vmas, &vma->file_link);
    if (!map->vmas.root) {
        vmsim__uncommit(vm, map->precommitted);
        vmsim__slab_free(&vm->imaps, map);
        file->mappings = NULL;
    }
    vmsim__file_put(vm->cache, file, cpu);
    vma->file = NULL;
}

/* The order among VMAs with the same first page is that of the last change, as in the kernel. Trees are sorted by
 * the borders that are about to change: out before, in after. Kernel: vma_prepare. */
void vmsim__vma_prepare(struct vmsim__vma *vma) {
    if (vma->file)
        vmsim__interval_remove(&imap_of(vma)->vmas, &vma->file_link);
    for (struct vmsim__avc *c = vma->chain; c; c = c->same)
        vmsim__interval_remove(&c->anon_vma->vmas, &c->link);
}

/* Its borders have changed: back into the trees that vmsim__vma_prepare took it out of. Kernel: vma_complete. */
void vmsim__vma_complete(struct vmsim__vma *vma) {
    VMSIM__ASSERT(vma->start < vma->end);
    for (struct vmsim__avc *c = vma->chain; c; c = c->same) {
        c->link.start = vma->pgoff;
        c->link.last = vmsim__vma_last_index(vma);
        vmsim__interval_insert(&c->anon_vma->vmas, &c->link);
    }
    if (vma->file)
        file_link(vma, NULL);
}

/* Kernel: remove_vma and vm_area_free. */
void vmsim__vma_free(struct vmsim__mm *mm, struct vmsim__vma *vma, unsigned cpu) {
    VMSIM__ASSERT(vma->mm == mm);
    vmsim__hugetlb_vma_close(vma);
    vmsim__anon_vma_unlink(vma);
    if (vma->file)
        drop_file(vma, cpu);
    vmsim__slab_free(&mm->vm->vmas, vma);
}

/* A copy that is in no list yet: without anon_vma chain and file link. Everything else is as in the original, policy
 * and flags too. What the original owns by reference is not copied: whoever completes the copy takes its own. */
struct vmsim__vma *vmsim__vma_dup(struct vmsim__mm *mm, const struct vmsim__vma *from) {
    struct vmsim__vma *v = vmsim__vma_alloc(mm);
    if (!v)
        return NULL;
    *v = *from;
    v->mm = mm;
    v->next = v->prev = NULL;
    v->node = (struct vmsim__avl){0};
    v->file_link = (struct vmsim__interval){0};
    v->chain = NULL;
    v->file = NULL;
    v->resv = NULL;
    v->resv_unmapped = false;
    return v;
}

/* Kernel: __split_vma. All that can fail comes first; a huge entry across the border is split before the VMAs part. A
 * hugetlb page cannot be. */
int vmsim__vma_split(struct vmsim__mm *mm, struct vmsim__vma *vma, uint64_t at) {
    VMSIM__ASSERT(at > vma->start && at < vma->end && !(at & (mm->vm->page_size - 1)));
    if (!vmsim__vma_huge_aligned(vma, at))
        return -VMSIM__L_EINVAL;
    struct vmsim__vma *upper = vmsim__vma_dup(mm, vma);
    if (!upper)
        return -VMSIM__L_ENOMEM;
    upper->start = at;
    upper->pgoff += (at - vma->start) >> mm->vm->page_shift;
    if ((vma->chain && vmsim__anon_vma_clone(upper, vma)) ||
        (vma->file && !vmsim__vma_set_file(upper, vma->file, NULL))) {
        upper->file = NULL;
        vmsim__anon_vma_unlink(upper);
        vmsim__slab_free(&mm->vm->vmas, upper);
        return -VMSIM__L_ENOMEM;
    }
    vmsim__hugetlb_vma_share(upper, vma);
    vmsim__thp_split_at(vma, at, mm->cpu);
    vmsim__vma_prepare(vma);
    vma->end = at;
    vmsim__vma_complete(vma);
    vmsim__vma_resized(mm, vma);
    vmsim__vma_link(mm, upper);
    mm->map_count++;
    VMSIM__ASSERT(vma->next == upper && vma->end == upper->start);
    return 0;
}

/* The first that ends above `va`, which need not begin below it. Kernel: find_vma. */
struct vmsim__vma *vmsim__mm_find_vma(struct vmsim__mm *mm, uint64_t va) {
    return vmsim__vma_find(mm, va);
}

/* Kernel: show_map_vma: the heap is what overlaps [start_brk, brk], the stack what holds start_stack. */
const char *vmsim__vma_name(const struct vmsim__vma *vma) {
    const struct vmsim__mm *mm = vma->mm;
    if (vma->file)
        return vma->file->path                  ? vma->file->path
               : vma->flags & VMSIM__VM_HUGETLB ? "/anon_hugepage (deleted)"
                                                : "/dev/zero (deleted)";
    if (vma->name)
        return vma->name;
    if (vma->start <= mm->brk && vma->end >= mm->start_brk && mm->start_brk)
        return "[heap]";
    return vma->start <= mm->start_stack && vma->end >= mm->start_stack && mm->start_stack ? "[stack]" : "";
}
