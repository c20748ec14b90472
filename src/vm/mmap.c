/* SPDX-License-Identifier: MIT */
/* mmap: where a mapping goes, what it may be, and the VMA that comes of it. And munmap, which undoes it.
 *
 *     map_window +--------------------+ (task_size, but for x86 with five levels: the rest only by a hint above)
 *                | stack, guard gap   |
 *     mmap_base  +--------------------+ <- top-down: the highest free range below that fits
 *                | mappings           |
 *                | ...                |
 *     brk        | heap               |
 *     mmap_min   +--------------------+
 *
 * The checks come in Linux's order, because that order decides which errno a doubly wrong call gets.
 * Kernel counterparts: mm/mmap.c (do_mmap, mmap_region, do_mas_munmap), arch/x86/mm/mmap.c. */
#include "vm/collapse.h"
#include "vm/vm_hugetlb.h"

uint32_t vmsim__prot_to_flags(unsigned prot) {
    return (prot & VMSIM__PROT_READ ? VMSIM__VM_READ : 0) | (prot & VMSIM__PROT_WRITE ? VMSIM__VM_WRITE : 0) |
           (prot & VMSIM__PROT_EXEC ? VMSIM__VM_EXEC : 0);
}

static int64_t fail(int e) {
    return -(int64_t)e;
}

static uint64_t page_align(const struct vmsim__mm *mm, uint64_t x) {
    return vmsim__align_up(x, mm->vm->page_size);
}

/* ---- where ---- */

/* A mapping may lie below the window's end or above it, not across. Kernel: mmap_address_hint_valid. */
static bool hint_fits(struct vmsim__mm *mm, uint64_t addr, uint64_t length) {
    VMSIM__ASSERT(length <= mm->task_size);
    if (addr < mm->mmap_min || addr > mm->task_size - length)
        return false;
    if ((addr > mm->map_window) != (addr + length > mm->map_window))
        return false;
    struct vmsim__vma *prev, *v = vmsim__vma_find_prev(mm, addr, &prev);
    return (!v || addr + length <= vmsim__vma_gap_start(v)) && (!prev || addr >= prev->end);
}

/* Does the mapping begin where a huge page could? Of a disk file it does when a huge page fits into it; since 6.7 of
 * private anonymous memory, too, when it is whole huge pages and no place was asked for. Both also when huge pages are
 * off. What is shared is a file of shmem's, which aligns none without huge pages of its own. */
static bool wants_thp_alignment(const struct vmsim__mm *mm, const struct vmsim__area_request *rq, uint64_t huge) {
    if (rq->file) {
        uint64_t first = vmsim__align_up(rq->offset, huge), end = rq->offset + rq->length;
        return rq->file->kind == VMSIM__FILE_REGULAR && end > first && end - first >= huge;
    }
    const bool private = rq->map_flags & VMSIM__MAP_ANONYMOUS && !(rq->map_flags & VMSIM__MAP_SHARED);
    return mm->vm->kernel->thp_aligned_mmap && private && !rq->addr && rq->length && !(rq->length & (huge - 1));
}

/* The place at which file offset and address agree below the size of a huge page; UINT64_MAX: not wanted, or none. */
static uint64_t thp_aligned(struct vmsim__mm *mm, const struct vmsim__area_request *rq, uint64_t high) {
    const struct vmsim__pt_format *f = mm->vm->format;
    uint64_t huge = f->levels > 1 ? UINT64_C(1) << f->shift[1] : 0;
    if (!huge || !mm->topdown || !wants_thp_alignment(mm, rq, huge))
        return UINT64_MAX;
    uint64_t at = vmsim__gap_topdown(mm, rq->length + huge, mm->mmap_min, high);
    if (at == UINT64_MAX)
        return at;
    uint64_t off = (rq->offset - at) & (huge - 1);
    return at + (off || !mm->vm->kernel->thp_aligned_mmap ? off : huge); /* until 6.7 the lower of two places */
}

/* A mapping of shared memory that may have huge pages begins where one entry can map its first. UINT64_MAX: that is not
 * wanted, or there is no room. Kernel: shmem_get_unmapped_area. */
static uint64_t shmem_aligned(struct vmsim__mm *mm, const struct vmsim__area_request *rq, uint64_t high) {
    const struct vmsim__pt_format *f = mm->vm->format;
    const uint64_t huge = f->levels > 1 ? UINT64_C(1) << f->shift[1] : 0, page = mm->vm->page_size;
    const bool shared = (rq->map_flags & VMSIM__MAP_ANONYMOUS) && (rq->map_flags & VMSIM__MAP_SHARED) && !rq->file;
    if (!huge || !mm->topdown || rq->addr || rq->length < huge ||
        !(shared || (rq->file && rq->file->kind == VMSIM__FILE_SHMEM)) ||
        !vmsim__shmem_may_be_huge(mm->vm->cache, rq->file))
        return UINT64_MAX;
    const uint64_t offset = rq->offset & (huge - 1), at = vmsim__gap_topdown(mm, rq->length, mm->mmap_min, high);
    if ((offset && offset + rq->length < 2 * huge) || at == UINT64_MAX || (at & (huge - 1)) == offset)
        return at;
    const uint64_t room = vmsim__gap_topdown(mm, rq->length + huge - page, mm->mmap_min, high);
    return room == UINT64_MAX ? at : room + ((offset - room) & (huge - 1));
}

/* Programs compute with addresses (arenas that are aligned by hand), and what they see has to lie in its huge page as
 * it did when it was recorded: the base goes down by less than one huge page for that. */
void vmsim__mm_begin_like(struct vmsim__mm *mm, uint64_t top, uint64_t va) {
    const struct vmsim__pt_format *f = mm->vm->format;
    const uint64_t huge = f->levels > 1 ? UINT64_C(1) << f->shift[1] : mm->vm->page_size;
    const uint64_t below = (top - va) & (huge - 1);
    if (vmsim__nommu(mm->vm) || !mm->topdown || !below || top > mm->mmap_base || top - mm->mmap_min < below)
        return;
    mm->mmap_base = top - below;
    VMSIM__ASSERT(!((mm->mmap_base - va) & (huge - 1)) && mm->mmap_base >= mm->mmap_min);
}

/* The same for one mapping that mmap would place otherwise. A gap with a huge page to spare always has such a place;
 * what the kernel aligns by itself is left to it. */
uint64_t vmsim__mm_place_like(struct vmsim__mm *mm, uint64_t va, uint64_t asked, unsigned map_flags) {
    const struct vmsim__pt_format *f = mm->vm->format;
    const uint64_t huge = f->levels > 1 ? UINT64_C(1) << f->shift[1] : 0;
    const uint64_t length = asked > mm->task_size ? asked : page_align(mm, asked); /* as mmap takes it */
    const struct vmsim__area_request rq = {.length = length, .map_flags = map_flags | VMSIM__MAP_ANONYMOUS};
    if (vmsim__nommu(mm->vm) || !huge || !mm->topdown || length < huge || length > mm->task_size ||
        wants_thp_alignment(mm, &rq, huge))
        return 0;
    uint64_t at = vmsim__gap_topdown(mm, length, mm->mmap_min, mm->mmap_base);
    if (at != UINT64_MAX && !((at - va) & (huge - 1)))
        return 0; /* it lies like that by itself */
    at = vmsim__gap_topdown(mm, length + huge, mm->mmap_min, mm->mmap_base);
    VMSIM__ASSERT(at == UINT64_MAX || at + length + huge <= mm->mmap_base);
    return at == UINT64_MAX ? 0 : at + huge - ((at - va) & (huge - 1));
}

/* The place that begins with a huge page; UINT64_MAX: none. Kernel: hugetlb_get_unmapped_area. */
static uint64_t search_huge(struct vmsim__mm *mm, const struct vmsim__area_request *rq, uint64_t huge) {
    const uint64_t third = page_align(mm, mm->map_window / 3), room = rq->length + huge - mm->vm->page_size;
    uint64_t at = mm->topdown ? vmsim__gap_topdown(mm, room, mm->mmap_min, mm->mmap_base) : UINT64_MAX;
    if (at != UINT64_MAX)
        return vmsim__align_down(at + room - rq->length, huge);
    at = vmsim__gap_bottomup(mm, room, third, mm->map_window);
    return at == UINT64_MAX ? at : vmsim__align_up(at, huge);
}

/* Down from the stack, as all do since 2.6.7; if that region is full, up from a third of the space, the legacy place. A
 * hint above 2^47 opens the upper part, which a program that keeps tags in pointers must never get unasked. Kernel:
 * arch_get_unmapped_area_topdown. */
static uint64_t search(struct vmsim__mm *mm, const struct vmsim__area_request *rq) {
    const uint64_t third = page_align(mm, mm->map_window / 3);
    const uint64_t beyond = rq->addr > mm->map_window ? mm->task_size - mm->map_window : 0; /* asked for by a hint */
    const uint64_t high = mm->mmap_base + beyond, end = mm->map_window + beyond;
    if (rq->map_flags & VMSIM__MAP_32BIT)
        return vmsim__gap_bottomup(mm, rq->length, UINT64_C(0x40000000), UINT64_C(0x80000000));
    if (!mm->topdown)
        return vmsim__gap_bottomup(mm, rq->length, third, end);
    uint64_t at = thp_aligned(mm, rq, high);
    if (at == UINT64_MAX)
        at = shmem_aligned(mm, rq, high);
    if (at == UINT64_MAX)
        at = vmsim__gap_topdown(mm, rq->length, mm->mmap_min, high);
    return at != UINT64_MAX ? at : vmsim__gap_bottomup(mm, rq->length, third, end);
}

/* Of the pages of a file of hugetlb pages; 0: it is none. */
static uint64_t huge_bytes(const struct vmsim__mm *mm, const struct vmsim__file *file) {
    return file && file->kind == VMSIM__FILE_HUGETLB
               ? UINT64_C(1) << vmsim__hstate_shift(mm->vm, vmsim__hugefile_of(file)->hstate)
               : 0;
}

/* Errors in the kernel's order: length before address, address before rights. Kernel: get_unmapped_area, with
 * hugetlb_get_unmapped_area. */
int64_t vmsim__get_unmapped_area(struct vmsim__mm *mm, const struct vmsim__area_request *rq) {
    const uint64_t length = rq->length;
    uint64_t addr = rq->addr;
    const uint64_t huge = huge_bytes(mm, rq->file);
    if (huge && (length & (huge - 1)))
        return fail(VMSIM__L_EINVAL);
    if (length > mm->task_size)
        return fail(VMSIM__L_ENOMEM);
    if (huge && (rq->map_flags & VMSIM__MAP_FIXED) && (addr & (huge - 1)))
        return fail(VMSIM__L_EINVAL);
    if (!(rq->map_flags & VMSIM__MAP_FIXED)) {
        addr = vmsim__align_up(addr, huge ? huge : mm->vm->page_size);
        if (!addr || !hint_fits(mm, addr, length))
            addr = huge ? search_huge(mm, rq, huge) : search(mm, rq);
        if (addr == UINT64_MAX)
            return fail(VMSIM__L_ENOMEM);
    }
    if (addr > mm->task_size - length)
        return fail(VMSIM__L_ENOMEM);
    if (addr & (mm->vm->page_size - 1))
        return fail(VMSIM__L_EINVAL);
    if (addr < mm->vm->spec.mmap_min_addr && !mm->privileged)
        return fail(VMSIM__L_EPERM);
    return (int64_t)addr;
}

/* ---- what ---- */

static bool accountable(uint32_t flags) {
    return (flags & (VMSIM__VM_NORESERVE | VMSIM__VM_SHARED | VMSIM__VM_WRITE | VMSIM__VM_HUGETLB)) == VMSIM__VM_WRITE;
}

/* Pages of [start, end) that are mapped already: MAP_FIXED gives them back first. */
static uint64_t pages_in(struct vmsim__mm *mm, uint64_t start, uint64_t end) {
    uint64_t n = 0;
    for (struct vmsim__vma *v = vmsim__vma_find(mm, start); v && v->start < end; v = v->next)
        n += (vmsim__min64(v->end, end) - vmsim__max64(v->start, start)) >> mm->vm->page_shift;
    return n;
}

/* The object behind MAP_SHARED|MAP_ANONYMOUS: a nameless shmem file, charged whole. */
static struct vmsim__file *shared_zero(struct vmsim__mm *mm, uint64_t length, uint32_t flags) {
    struct vmsim__vm *vm = mm->vm;
    if (!(flags & VMSIM__VM_NORESERVE) && !vmsim__commit(mm, length >> vm->page_shift))
        return NULL;
    struct vmsim__file *file = vmsim__file_create(vm->cache, VMSIM__FILE_SHMEM, NULL, length);
    if (!file) {
        vm->host_nomem = true;
        if (!(flags & VMSIM__VM_NORESERVE))
            vmsim__uncommit(vm, length >> vm->page_shift);
    }
    return file;
}

/* A new VMA of its own, linked and counted. NULL: -ENOMEM, or the present waits. */
static struct vmsim__vma *new_vma(struct vmsim__mm *mm, uint64_t addr, uint64_t length, uint32_t flags,
                                  struct vmsim__file *file, uint64_t pgoff) {
    struct vmsim__vma *v = vmsim__vma_alloc(mm);
    struct vmsim__file *own = NULL;
    if (!v)
        return NULL;
    v->start = addr;
    v->end = addr + length;
    v->flags = flags;
    v->pgoff = pgoff;
    if (!file && (flags & VMSIM__VM_SHARED))
        own = file = shared_zero(mm, length, flags);
    if (((flags & VMSIM__VM_SHARED) && !file) || (file && !vmsim__vma_set_file(v, file, NULL))) {
        if (own) {
            vmsim__uncommit(mm->vm, flags & VMSIM__VM_NORESERVE ? 0 : length >> mm->vm->page_shift);
            vmsim__file_put(mm->vm->cache, own, mm->cpu);
        }
        vmsim__slab_free(&mm->vm->vmas, v);
        return NULL;
    }
    if (own) {
        ((struct vmsim__imap *)own->mappings)->precommitted =
            flags & VMSIM__VM_NORESERVE ? 0 : length >> mm->vm->page_shift;
        vmsim__file_put(mm->vm->cache, own, mm->cpu); /* the VMA holds it now */
    }
    if ((flags & VMSIM__VM_HUGETLB) && vmsim__hugetlb_vma_reserve(v)) {
        vmsim__vma_free(mm, v, mm->cpu);
        return NULL;
    }
    if (flags & VMSIM__VM_HUGETLB)
        vmsim__hugetlb_extend(v);
    vmsim__vma_link(mm, v);
    mm->map_count++;
    return v;
}

/* What lies there goes first, and the limit is asked twice, since replacing costs less than adding. A mapping that may
 * wait for memory leaves the hole: the call is entered again and finds nothing to unmap. Kernel: mmap_region. */
int64_t vmsim__mmap_region(struct vmsim__mm *mm, uint64_t addr, uint64_t length, uint32_t flags,
                           struct vmsim__file *file, uint64_t pgoff) {
    VMSIM__ASSERT(length && !((addr | length) & (mm->vm->page_size - 1)));
    const uint64_t pages = length >> mm->vm->page_shift;
    if (!vmsim__may_expand(mm, flags, pages) &&
        !vmsim__may_expand(mm, flags, pages - pages_in(mm, addr, addr + length)))
        return fail(VMSIM__L_ENOMEM);
    if (vmsim__vma_intersection(mm, addr, addr + length) && vmsim__do_munmap(mm, addr, length))
        return fail(VMSIM__L_ENOMEM);
    if (accountable(flags)) {
        if (!vmsim__commit(mm, pages))
            return fail(VMSIM__L_ENOMEM);
        flags |= VMSIM__VM_ACCOUNT;
    }
    struct vmsim__vma *prev, *v = NULL;
    vmsim__vma_find_prev(mm, addr, &prev);
    const struct vmsim__vma_want w = {
        .start = addr, .end = addr + length, .pgoff = pgoff, .flags = flags, .file = file, .fresh = true};
    if (file || !(flags & VMSIM__VM_SHARED))
        v = vmsim__vma_merge(mm, prev, &w);
    if (!v)
        v = new_vma(mm, addr, length, flags, file, pgoff);
    if (!v) {
        if (flags & VMSIM__VM_ACCOUNT)
            vmsim__uncommit(mm->vm, pages);
        return vmsim__now_waits(&mm->vm->mem->now) ? -VMSIM__ERESTARTSYS : fail(VMSIM__L_ENOMEM);
    }
    v->flags |= VMSIM__VM_SOFTDIRTY;
    if (v->file && v->file->kind == VMSIM__FILE_SHMEM && !mm->collapsible && mm->vm->format->levels > 1)
        vmsim__khugepaged_enter(v);
    vmsim__stat_account(mm, flags, (int64_t)pages);
    if (flags & VMSIM__VM_LOCKED)
        mm->locked_vm += pages;
    return (int64_t)addr;
}

/* MAP_* to VM_*: 0 or an errno. */
static int mapping_flags(struct vmsim__mm *mm, unsigned prot, unsigned map, const struct vmsim__file *file,
                         uint32_t *out) {
    uint32_t flags =
        vmsim__prot_to_flags(prot) | mm->def_flags | VMSIM__VM_MAYREAD | VMSIM__VM_MAYWRITE | VMSIM__VM_MAYEXEC;
    if (map & VMSIM__MAP_GROWSDOWN)
        flags |= VMSIM__VM_GROWSDOWN;
    if ((map & VMSIM__MAP_STACK) && mm->vm->kernel->map_stack_small)
        flags |= VMSIM__VM_NOHUGEPAGE;
    if (map & VMSIM__MAP_LOCKED) {
        flags |= VMSIM__VM_LOCKED;
        if (!vmsim__mlock_allowed(mm))
            return VMSIM__L_EPERM;
    }
    switch (map & VMSIM__MAP_TYPE) {
    case VMSIM__MAP_SHARED:
    case VMSIM__MAP_SHARED_VALIDATE:
        if ((map & VMSIM__MAP_TYPE) == VMSIM__MAP_SHARED_VALIDATE && (!file || (map & VMSIM__MAP_SYNC)))
            return file ? VMSIM__L_EOPNOTSUPP : VMSIM__L_EINVAL;
        if (map & VMSIM__MAP_GROWSDOWN)
            return VMSIM__L_EINVAL;
        flags |= VMSIM__VM_SHARED | VMSIM__VM_MAYSHARE;
        break;
    case VMSIM__MAP_PRIVATE:
        if (file && (map & VMSIM__MAP_GROWSDOWN))
            return VMSIM__L_EINVAL;
        break;
    default:
        return VMSIM__L_EINVAL;
    }
    if (file && file->kind == VMSIM__FILE_HUGETLB)
        flags |= VMSIM__VM_HUGETLB | VMSIM__VM_DONTEXPAND;
    if ((map & VMSIM__MAP_NORESERVE) && (mm->vm->spec.overcommit_memory != 2 || (flags & VMSIM__VM_HUGETLB)))
        flags |= VMSIM__VM_NORESERVE;
    *out = flags;
    return 0;
}

/* do_mmap: length is aligned already. */
static int64_t do_mmap(struct vmsim__mm *mm, uint64_t addr, uint64_t length, unsigned prot, unsigned map,
                       struct vmsim__file *file, uint64_t pgoff) {
    uint32_t flags;
    if (map & VMSIM__MAP_FIXED_NOREPLACE)
        map |= VMSIM__MAP_FIXED;
    if (!(map & VMSIM__MAP_FIXED)) {
        addr &= ~(mm->vm->page_size - 1);
        if (addr && addr < mm->vm->spec.mmap_min_addr)
            addr = page_align(mm, mm->vm->spec.mmap_min_addr);
    }
    if (mm->map_count > mm->vm->spec.max_map_count)
        return fail(VMSIM__L_ENOMEM);
    const struct vmsim__area_request rq = {addr, length, map, file, pgoff << mm->vm->page_shift};
    int64_t at = vmsim__get_unmapped_area(mm, &rq);
    if (at < 0)
        return at;
    addr = (uint64_t)at;
    if ((map & VMSIM__MAP_FIXED_NOREPLACE) && vmsim__vma_intersection(mm, addr, addr + length))
        return fail(VMSIM__L_EEXIST);
    int e = mapping_flags(mm, prot, map, file, &flags);
    if (e)
        return fail(e);
    if (!vmsim__mlock_room(mm, flags, length))
        return fail(VMSIM__L_EAGAIN);
    if (!file)
        pgoff = flags & VMSIM__VM_SHARED ? 0 : addr >> mm->vm->page_shift;
    if ((flags & VMSIM__VM_HUGETLB) && ((pgoff << mm->vm->page_shift) & (huge_bytes(mm, file) - 1)))
        return fail(VMSIM__L_EINVAL);
    return vmsim__mmap_region(mm, addr, length, flags, file, pgoff);
}

/* MAP_HUGETLB: a nameless file of huge pages, which goes with the last mapping. Kernel: hugetlb_file_setup. */
static int64_t map_hugetlb(struct vmsim__mm *mm, uint64_t addr, uint64_t length, unsigned prot, unsigned flags,
                           uint64_t pgoff) {
    struct vmsim__vm *vm = mm->vm;
    const unsigned h = vmsim__hugetlb_of_flags(vm->mem, flags);
    if (vmsim__nommu(vm) || h >= vm->mem->nr_hstates || !vmsim__hugetlb_mappable(vm, h))
        return fail(VMSIM__L_EINVAL);
    length = vmsim__align_up(length, UINT64_C(1) << vmsim__hstate_shift(vm, h));
    if (!length)
        return fail(VMSIM__L_EINVAL);
    struct vmsim__file *file = vmsim__hugetlb_file(vm, h, NULL, length);
    if (!file)
        return fail(VMSIM__L_ENOMEM);
    const int64_t at = do_mmap(mm, addr, length, prot, flags, file, pgoff);
    vmsim__file_put(vm->cache, file, mm->cpu);
    return at;
}

/* The arguments that do not depend on the machine come first, in ksys_mmap_pgoff's and do_mmap's order. Populating
 * comes after the mapping is there, and its failure is not mmap's. */
int64_t vmsim__mm_mmap(struct vmsim__mm *mm, uint64_t addr, uint64_t length, unsigned prot, unsigned flags,
                       struct vmsim__file *file, uint64_t offset, unsigned cpu) {
    struct vmsim__vm *vm = mm->vm;
    mm->cpu = cpu;
    vmsim__vm_cost(vm, vm->spec.costs.mmap);
    if (offset & (vm->page_size - 1))
        return fail(VMSIM__L_EINVAL);
    if (flags & VMSIM__MAP_ANONYMOUS)
        file = NULL;
    else if (!file)
        return fail(VMSIM__L_EBADF);
    else if ((flags & VMSIM__MAP_HUGETLB) && file->kind != VMSIM__FILE_HUGETLB)
        return fail(VMSIM__L_EINVAL);
    if (!length)
        return fail(VMSIM__L_EINVAL);
    if (length > mm->task_size)
        return fail(VMSIM__L_ENOMEM);
    length = vmsim__align_up(length, file && huge_bytes(mm, file) ? huge_bytes(mm, file) : vm->page_size);
    uint64_t pgoff = offset >> vm->page_shift;
    if (pgoff + (length >> vm->page_shift) < pgoff)
        return fail(VMSIM__L_EOVERFLOW);
    if (vmsim__nommu(vm))
        return vmsim__nommu_mmap(mm, length, prot, flags, file, pgoff);
    int64_t at = !file && (flags & VMSIM__MAP_HUGETLB) ? map_hugetlb(mm, addr, length, prot, flags, pgoff)
                                                       : do_mmap(mm, addr, length, prot, flags, file, pgoff);
    if (at < 0)
        return at;
    const struct vmsim__vma *v = vmsim__vma_find(mm, (uint64_t)at);
    if ((v->flags & VMSIM__VM_LOCKED) || (flags & (VMSIM__MAP_POPULATE | VMSIM__MAP_NONBLOCK)) == VMSIM__MAP_POPULATE)
        vmsim__mm_populate(mm, (uint64_t)at, length, cpu);
    return at;
}

/* ---- munmap ---- */

/* Cuts VMAs so that [start, end) begins and ends at VMA borders. */
static int cut_borders(struct vmsim__mm *mm, uint64_t start, uint64_t end) {
    VMSIM__ASSERT(start < end && !((start | end) & (mm->vm->page_size - 1)));
    struct vmsim__vma *v = vmsim__vma_find(mm, start);
    if (v && start > v->start) {
        if (end < v->end && mm->map_count >= mm->vm->spec.max_map_count)
            return -VMSIM__L_ENOMEM;
        const int e = vmsim__vma_split(mm, v, start);
        if (e)
            return e;
    }
    v = vmsim__vma_find(mm, end - 1);
    return v && v->start < end && end < v->end ? vmsim__vma_split(mm, v, end) : 0;
}

/* Pages and tables of the VMAs of [start, end), which stay in the tree: their neighbours bound what tables may go. */
static void unmap_region(struct vmsim__mm *mm, struct vmsim__vma *first, uint64_t end) {
    struct vmsim__gather g;
    struct vmsim__vma *last = first;
    uint64_t floor = first->prev ? first->prev->end : 0;
    vmsim__gather_start(&g, mm, false);
    vmsim__hiwater_rss(mm);
    for (struct vmsim__vma *v = first; v && v->start < end; last = v, v = v->next)
        vmsim__zap_range(&g, v, v->start, v->end, VMSIM__ZAP_COWS | VMSIM__ZAP_MARKERS);
    vmsim__vm_dropped(mm, first->start, last->end, false);
    uint64_t ceiling = last->next ? last->next->start : 0;
    uint64_t before = mm->pt.tables[0];
    vmsim__gather_tables(&g, first->start, last->end, floor, ceiling);
    if (mm->pt.tables[0] != before)
        vmsim__gather_range(&g, first->start, last->end, g.stride_shift);
    vmsim__gather_finish(&g);
}

/* Split at the borders first, the only step that may fail; then pages go, and at last the mappings and what was charged
 * for them. Unmapping nothing succeeds. Kernel: do_vmi_align_munmap. */
int64_t vmsim__do_munmap(struct vmsim__mm *mm, uint64_t start, uint64_t length) {
    struct vmsim__vm *vm = mm->vm;
    if ((start & (vm->page_size - 1)) || start > mm->task_size || length > mm->task_size - start)
        return fail(VMSIM__L_EINVAL);
    uint64_t end = start + page_align(mm, length);
    if (end == start)
        return fail(VMSIM__L_EINVAL);
    if (!vmsim__vma_intersection(mm, start, end))
        return 0;
    const int e = cut_borders(mm, start, end);
    if (e)
        return e;
    mm->hiwater_vm = vmsim__max64(mm->hiwater_vm, mm->total_vm);
    struct vmsim__vma *v = vmsim__vma_find(mm, start);
    VMSIM__ASSERT(v && v->start >= start && v->start < end);
    unmap_region(mm, v, end);
    for (struct vmsim__vma *next; v && v->start < end; v = next) {
        uint64_t pages = vmsim__vma_pages(v, vm->page_shift);
        next = v->next;
        if (v->flags & VMSIM__VM_LOCKED)
            mm->locked_vm -= pages;
        if (v->flags & VMSIM__VM_ACCOUNT)
            vmsim__uncommit(vm, pages);
        vmsim__stat_account(mm, v->flags, -(int64_t)pages);
        vmsim__vma_unlink(mm, v);
        vmsim__vma_free(mm, v, mm->cpu);
        mm->map_count--;
    }
    return 0;
}

int64_t vmsim__mm_munmap(struct vmsim__mm *mm, uint64_t addr, uint64_t length, unsigned cpu) {
    mm->cpu = cpu;
    vmsim__vm_cost(mm->vm, mm->vm->spec.costs.munmap);
    return vmsim__nommu(mm->vm) ? vmsim__nommu_munmap(mm, addr, length) : vmsim__do_munmap(mm, addr, length);
}
