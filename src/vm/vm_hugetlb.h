/* SPDX-License-Identifier: MIT */
/* Mappings of hugetlb pages: what the files of vm/ share of them.
 *
 * Every such mapping has a file behind it (kind HUGETLB), a nameless one for MAP_HUGETLB. Its pages stand in a tree of
 * their own, by index in units of the huge page; zones/hugetlb.c has the pools. A page is one folio:
 *
 *   head        refcount: 1 an entry + 1 the file       mapping, index: as of any page, index in base pages
 *   first tail  mapping:  entries that map it           PINNED: it is a pool's     REFERENCED: its promise comes back
 *
 * Promises (reservations) are kept as ranges, whose meaning depends on who keeps them:
 *
 *   file     MAP_SHARED    ranges that were promised once: who faults there takes a page for sure
 *   mapping  MAP_PRIVATE   of the task that called mmap: ranges whose promise is used up; all others are promised
 *
 * A child of fork has no promises for private memory. When the pool is empty and the owner has to copy, the page is
 * taken away from the children, which get SIGBUS when they touch it. Pages are on no LRU list, in no RSS and in no
 * charge of ordinary memory. Kernel counterparts: mm/hugetlb.c, fs/hugetlbfs/inode.c. */
#ifndef VMSIM__VM_HUGETLB_H
#define VMSIM__VM_HUGETLB_H
#include "lru/hugetlb_cgroup.h"
#include "vm/vm_impl.h"

/* Ranges of indices, ascending, disjoint; what one cgroup pays for is one range. */
struct vmsim__resv_region {
    uint64_t from, to;
    uint16_t memcg; /* of a file: who was charged when it was promised; 0: nobody */
};
struct vmsim__resv_map {
    VMSIM__VEC(struct vmsim__resv_region);
    uint32_t users; /* VMAs that share it: parts of one mapping */
    uint16_t memcg; /* of a private mapping: who was charged for all of it; 0: nobody */
};

/* What a file of huge pages has beyond other files. */
struct vmsim__hugefile {
    uint8_t hstate;
    struct vmsim__radix pages; /* index -> pfn + 1 */
    uint64_t nrpages;
    struct vmsim__resv_map resv;
};

/* ---- hugetlb_resv.c: who was promised what ---- */
/* Indices of [from, to) in the map. */
uint64_t vmsim__resv_count(const struct vmsim__resv_map *m, uint64_t from, uint64_t to);
/* Room for one more add or del, whatever its range, so that they cannot fail. False: no host memory. */
bool vmsim__resv_room(struct vmsim__alloc *a, struct vmsim__resv_map *m);
/* What of the range is not there yet, paid for by the cgroup. */
void vmsim__resv_add(struct vmsim__resv_map *m, uint64_t from, uint64_t to, uint16_t memcg);
void vmsim__resv_del(struct vmsim__resv_map *m, uint64_t from, uint64_t to);
void vmsim__resv_cut(struct vmsim__resv_map *m, uint64_t from); /* all from there on; needs no room */
/* Cgroups get back what they paid for promises of the range, which are deleted next. Kernel:
 * hugetlb_cgroup_uncharge_file_region. */
void vmsim__resv_uncharge(struct vmsim__vm *vm, const struct vmsim__hugefile *huge, uint64_t from, uint64_t to);
void vmsim__resv_fini(struct vmsim__alloc *a, struct vmsim__resv_map *m);
/* Promises for a new mapping. 0, or -ENOMEM, -ERESTARTSYS. Kernel: hugetlb_reserve_pages. */
int vmsim__hugetlb_vma_reserve(struct vmsim__vma *v);
/* A VMA became two, or took the place of one: they share what was promised. Kernel: hugetlb_vm_op_open. */
void vmsim__hugetlb_vma_share(struct vmsim__vma *to, const struct vmsim__vma *from);
/* It gives up its part without giving promises back. Kernel: clear_vma_resv_huge_pages. */
void vmsim__hugetlb_vma_forget(struct vmsim__vma *v);
/* It goes: promises that nobody used go back to the pool. Kernel: hugetlb_vm_op_close. */
void vmsim__hugetlb_vma_close(struct vmsim__vma *v);

/* A page for `va`. */
struct vmsim__huge_page {
    vmsim__pfn pfn;   /* PFN_NONE: there is none (SIGBUS), unless the present waits or the host has no memory */
    bool on_promise;  /* it used one up */
    bool map_changed; /* its index was noted in a map */
};
/* avoid_reserve: without touching promises. Kernel: alloc_huge_page. */
struct vmsim__huge_page vmsim__hugetlb_alloc(struct vmsim__vma *v, uint64_t va, bool avoid_reserve, unsigned cpu);
/* It was not needed: as if it had never been taken. Kernel: restore_reserve_on_error. */
void vmsim__hugetlb_unalloc(struct vmsim__vma *v, uint64_t va, struct vmsim__huge_page page, unsigned cpu);
/* A promise comes back with the page that `va` maps, when that is freed. Kernel: the end of __unmap_hugepage_range,
 * since 6.9. */
bool vmsim__hugetlb_restore(struct vmsim__vma *v, uint64_t va);

/* ---- hugetlb_map.c: entries ---- */
static inline struct vmsim__hugefile *vmsim__hugefile_of(const struct vmsim__file *f) {
    VMSIM__ASSERT(f->kind == VMSIM__FILE_HUGETLB && f->huge);
    return f->huge;
}
static inline unsigned vmsim__vma_hstate(const struct vmsim__vma *v) {
    VMSIM__ASSERT(v->flags & VMSIM__VM_HUGETLB);
    return vmsim__hugefile_of(v->file)->hstate;
}
static inline unsigned vmsim__hstate_shift(const struct vmsim__vm *vm, unsigned hstate) {
    return vm->mem->hstate[hstate].order + vm->page_shift;
}
/* Index of an address in its file, in huge pages. Kernel: vma_hugecache_offset. */
static inline uint64_t vmsim__huge_index(const struct vmsim__vma *v, uint64_t va) {
    return vmsim__vma_index(v, va) >> v->mm->vm->mem->hstate[vmsim__vma_hstate(v)].order;
}
static inline bool vmsim__vma_huge_aligned(const struct vmsim__vma *v, uint64_t x) {
    return !(v->flags & VMSIM__VM_HUGETLB) ||
           !(x & ((UINT64_C(1) << vmsim__hstate_shift(v->mm->vm, vmsim__vma_hstate(v))) - 1));
}
/* The first entry of the huge page at va. False: no frame for a table. entry NULL: there is no table. */
bool vmsim__huge_slot(struct vmsim__mm *mm, uint64_t va, unsigned hstate, bool create, struct vmsim__pt_slot *slot);
/* All entries of it: those of a run with the contiguous hint are written alike. pte.flags 0 empties them. */
void vmsim__huge_set(struct vmsim__mm *mm, unsigned hstate, const struct vmsim__pt_slot *slot, struct vmsim__pte pte);
/* One entry more or fewer maps the page. */
void vmsim__huge_map(struct vmsim__vma *v, vmsim__pfn pfn, int n);
/* Drops references; with the last the page goes back to its pool. */
void vmsim__hugetlb_put_refs(struct vmsim__vm *vm, vmsim__pfn pfn, uint32_t refs, unsigned cpu);
void vmsim__hugetlb_zap(struct vmsim__gather *g, struct vmsim__vma *v, uint64_t start, uint64_t end);
int vmsim__hugetlb_copy(struct vmsim__vma *to, struct vmsim__vma *from); /* fork; 0 or -ENOMEM */
/* mremap; bytes moved. Kernel: move_hugetlb_page_tables. */
uint64_t vmsim__hugetlb_move(struct vmsim__vma *from, uint64_t old, uint64_t to, uint64_t length);

/* ---- hugetlb_file.c ---- */
/* A page of the pool becomes the file's at the place that `va` has in it. False: no host memory. */
bool vmsim__hugetlb_into_file(const struct vmsim__vma *v, uint64_t va, vmsim__pfn pfn);
void vmsim__hugetlb_clear(struct vmsim__vm *vm, vmsim__pfn pfn, unsigned order, unsigned cpu);
/* A new mapping that may be written makes the file as long as it reaches. */
void vmsim__hugetlb_extend(const struct vmsim__vma *v);
/* Pages of the file from `first` on (in huge pages) go, and with them what was promised there. */
void vmsim__hugefile_drop(struct vmsim__vm *vm, struct vmsim__file *f, uint64_t first, unsigned cpu);
/* The whole huge pages of base pages [first, end) become a hole, unmapped everywhere. Kernel: hugetlbfs_punch_hole. */
void vmsim__hugetlb_punch(struct vmsim__vm *vm, struct vmsim__file *f, uint64_t first, uint64_t end, unsigned cpu);

/* ---- hugetlb_fault.c ---- */
enum vmsim__fault_outcome vmsim__hugetlb_fault(struct vmsim__fault_at *at);

#endif
