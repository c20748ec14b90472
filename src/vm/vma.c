/* SPDX-License-Identifier: MIT */
/* The life of a VMA: birth, its place in the file's list of mappings, splitting, death. Also the shared part's own
 * life.
 *
 * A VMA belongs to a file through the file's i_mmap list and one reference on it; the list hangs on file->mappings
 * (struct vmsim__imap) and goes away with the last VMA, and with it what shared anonymous memory had charged to
 * Committed_AS. Kernel counterpart: mm/mmap.c (vm_area_dup, __split_vma, remove_vma), mm/interval_tree.c. */
#include "vm/vm_impl.h"

#include <string.h>

struct vmsim__vma *vmsim__vma_alloc(struct vmsim__mm *mm) {
    struct vmsim__vma *v = vmsim__slab_alloc(&mm->vm->vmas);
    if (!v) {
        mm->vm->host_nomem = true;
        return NULL;
    }
    v->mm = mm;
    vmsim__ra_init(mm->vm->cache, &v->ra);
    return v;
}

bool vmsim__vma_set_file(struct vmsim__vma *vma, struct vmsim__file *file) {
    VMSIM__ASSERT(!vma->file_prev && !vma->file_next);
    struct vmsim__vm *vm = vma->mm->vm;
    struct vmsim__imap *map = file->mappings;
    if (!map) {
        map = vmsim__slab_alloc(&vm->imaps);
        if (!map) {
            vm->host_nomem = true;
            return false;
        }
        file->mappings = map;
    }
    vma->file = file;
    vma->file_prev = map->last;
    *(map->last ? &map->last->file_next : &map->first) = vma;
    map->last = vma;
    vmsim__file_get(file);
    return true;
}

/* The last mapping takes the list with it: files that nobody maps cost nothing. */
static void drop_file(struct vmsim__vma *vma, unsigned cpu) {
    VMSIM__ASSERT((vma->file_prev ? vma->file_prev->file_next : ((struct vmsim__imap *)vma->file->mappings)->first) ==
                  vma);
    VMSIM__ASSERT((vma->file_next ? vma->file_next->file_prev : ((struct vmsim__imap *)vma->file->mappings)->last) ==
                  vma);
    struct vmsim__vm *vm = vma->mm->vm;
    struct vmsim__file *file = vma->file;
    struct vmsim__imap *map = file->mappings;
    *(vma->file_prev ? &vma->file_prev->file_next : &map->first) = vma->file_next;
    *(vma->file_next ? &vma->file_next->file_prev : &map->last) = vma->file_prev;
    if (!map->first) {
        vmsim__uncommit(vm, map->precommitted);
        vmsim__slab_free(&vm->imaps, map);
        file->mappings = NULL;
    }
    vmsim__file_put(vm->cache, file, cpu);
    vma->file = NULL;
}

/* Kernel: remove_vma and vm_area_free. */
void vmsim__vma_free(struct vmsim__mm *mm, struct vmsim__vma *vma, unsigned cpu) {
    VMSIM__ASSERT(vma->mm == mm);
    vmsim__anon_vma_unlink(vma);
    if (vma->file)
        drop_file(vma, cpu);
    vmsim__slab_free(&mm->vm->vmas, vma);
}

/* A copy that is in no list yet: without anon_vma chain and file link. */
struct vmsim__vma *vmsim__vma_dup(struct vmsim__mm *mm, const struct vmsim__vma *from) {
    struct vmsim__vma *v = vmsim__vma_alloc(mm);
    if (!v)
        return NULL;
    *v = *from;
    v->mm = mm;
    v->next = v->prev = v->left = v->right = v->parent = NULL;
    v->file_next = v->file_prev = NULL;
    v->chain = NULL;
    v->file = NULL;
    return v;
}

/* Kernel: __split_vma. All that can fail comes first; a huge entry across the border is split before the VMAs part. */
int vmsim__vma_split(struct vmsim__mm *mm, struct vmsim__vma *vma, uint64_t at) {
    VMSIM__ASSERT(at > vma->start && at < vma->end && !(at & (mm->vm->page_size - 1)));
    struct vmsim__vma *upper = vmsim__vma_dup(mm, vma);
    if (!upper)
        return -VMSIM__L_ENOMEM;
    if ((vma->chain && vmsim__anon_vma_clone(upper, vma)) || (vma->file && !vmsim__vma_set_file(upper, vma->file))) {
        upper->file = NULL;
        vmsim__anon_vma_unlink(upper);
        vmsim__slab_free(&mm->vm->vmas, upper);
        return -VMSIM__L_ENOMEM;
    }
    vmsim__thp_split_at(vma, at, mm->cpu);
    upper->start = at;
    upper->pgoff += (at - vma->start) >> mm->vm->page_shift;
    vma->end = at;
    vmsim__vma_resized(mm, vma);
    vmsim__vma_link(mm, upper);
    mm->map_count++;
    return 0;
}

struct vmsim__vma *vmsim__mm_find_vma(struct vmsim__mm *mm, uint64_t va) {
    return vmsim__vma_find(mm, va);
}

/* Kernel: show_map_vma: the heap is what overlaps [start_brk, brk], the stack what holds start_stack. */
const char *vmsim__vma_name(const struct vmsim__vma *vma) {
    const struct vmsim__mm *mm = vma->mm;
    if (vma->file)
        return vma->file->path ? vma->file->path : "/dev/zero (deleted)";
    if (vma->name)
        return vma->name;
    if (vma->start <= mm->brk && vma->end >= mm->start_brk && mm->start_brk)
        return "[heap]";
    return vma->start <= mm->start_stack && vma->end >= mm->start_stack && mm->start_stack ? "[stack]" : "";
}
