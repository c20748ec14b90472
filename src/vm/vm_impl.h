/* SPDX-License-Identifier: MIT */
/* What the files of vm/ share among themselves: the shared state, reverse-map objects, the gather of an unmap, and the
 * small inline steps that every fault takes. Nobody outside vm/ includes it (tests of vm/ may).
 *
 *   anon_vma  --vmas-->   avc, avc, ...              every VMA that may map pages of this anon_vma, by their pages
 *   vma       --chain-->  avc --same--> avc ...      every anon_vma whose pages this VMA may map, newest first
 *
 * A child of fork gets an anon_vma of its own and stays linked to those of its ancestors, so that a page is found
 * through the anon_vma of the process that made it. Kernel counterparts: mm/rmap.c, mm/mmu_gather.c,
 * include/linux/rmap.h. */
#ifndef VMSIM__VM_IMPL_H
#define VMSIM__VM_IMPL_H
#include "base/vec.h"
#include "lru/memcg.h"
#include "vm/vm.h"

struct vmsim__anon_vma {
    uint32_t id, root, parent;
    uint32_t children;                /* anon_vmas whose parent it is; a root counts itself */
    uint32_t active;                  /* VMAs whose own anon_vma it is */
    struct vmsim__interval_tree vmas; /* of avcs, by linear page index */
};
struct vmsim__avc {
    struct vmsim__vma *vma;
    struct vmsim__anon_vma *anon_vma;
    struct vmsim__avc *same;     /* next of the VMA's chain */
    struct vmsim__interval link; /* pages of the VMA, in the anon_vma's tree */
};

/* The VMAs that map a file. */
struct vmsim__imap {
    struct vmsim__interval_tree vmas; /* by page of the file */
    uint64_t precommitted;            /* pages of Committed_AS that the file holds whole (shared anonymous memory) */
};

/* Frames taken out of page tables, to be freed after the flush: 8 in place, then batches of a page's worth of pointers,
 * each costing one frame (GFP_NOWAIT), at most 19 of them (10,000 pages) between two flushes. A run of entries of one
 * large folio takes two places: the folio, and how many references go. */
#define VMSIM__GATHER_LOCAL 8
#define VMSIM__GATHER_BATCHES 19
struct vmsim__gathered {
    vmsim__pfn pfn;
    uint32_t refs;
};
struct vmsim__gather {
    struct vmsim__mm *mm;
    struct vmsim__gather *outer;   /* an unmap that this one interrupts: its memory was wanted, or its owner killed */
    struct vmsim__gathered *pages; /* vm->gathered, or `local` of one that interrupts another */
    struct vmsim__gathered local[VMSIM__GATHER_LOCAL];
    uint64_t start, end; /* to flush */
    unsigned stride_shift;
    bool freed_tables, whole, tables_go;
    uint32_t count;                            /* entries of vm->gathered in use */
    uint32_t used, room;                       /* places of the batch that is filled: taken, in all */
    uint32_t active;                           /* which it is; 0: the one in place */
    uint32_t batches;                          /* batch frames taken, at least `active` */
    uint32_t first[VMSIM__GATHER_BATCHES + 1]; /* entry with which each batch begins */
    vmsim__pfn batch[VMSIM__GATHER_BATCHES];
    vmsim__pfn table_batch, table_last; /* tables that wait for a grace period, while there are any (table_rcu.c) */
    uint32_t tables_count;
};

/* Batches of tables that a CPU has to free, in order: numbers `over` to `begun` - 1. */
struct vmsim__table_queue {
    uint64_t begun, over;
    vmsim__pfn first, last;
};

/* Leaf tables used before the last one, each in the place that its addresses give it: a reference anywhere in a few
 * gigabytes finds its entry by one look, where a walk takes four, the last of which is a miss of the host's caches. */
#define VMSIM__LEAVES 2048u
struct vmsim__leaf {
    uint64_t stamp, start; /* of the address space since it last let a table go; first address */
    unsigned char *host;   /* NULL: none */
    uint64_t table;
};

struct vmsim__vm {
    struct vmsim__mem *mem; /* hot fields first */
    struct vmsim__lru *lru;
    struct vmsim__cache *cache;
    const struct vmsim__pt_format *format;
    vmsim__pfn zero_pfn;
    uint64_t vdso_mapped; /* entries of all vdsos */
    uint64_t page_size;
    unsigned page_shift;
    struct vmsim__vm_spec spec;
    const struct vmsim__kernel *kernel;
    /* how faults count that wait for a page and are entered again: by whose I/O it was, or as population does */
    enum { VMSIM__RETRY_BY_IO, VMSIM__RETRY_MINOR, VMSIM__RETRY_MAJOR } retries_count;
    struct vmsim__alloc *alloc;
    struct vmsim__vm_hooks hooks;
    const struct vmsim__swap_ops *swap;     /* NULL: there is none */
    struct vmsim__swap_ops cache_swap;      /* those of the cache's swap (swap_in.c) */
    struct vmsim__task_policy *task_policy; /* of the running task; NULL: local node */
    int64_t committed;                      /* pages, without what tmpfs files hold */
    uint64_t swap_pages;
    struct vmsim__mm *first_mm, *last_mm;
    uint32_t next_mm_id, nr_mms;
    struct vmsim__slab vmas, avcs, anon_vmas, imaps, opened;
    struct vmsim__slab huge_nodes; /* of the trees of files of hugetlb pages */
    struct vmsim__slab tables;     /* host memory of page tables: a frame of ordinary data needs none */
    struct {
        VMSIM__VEC(struct vmsim__anon_vma *);
    } anon_table; /* by id; entry 0 unused */
    struct {
        VMSIM__VEC(uint32_t);
    } anon_free;
    struct vmsim__gather *gather;            /* the innermost unmap in progress, or NULL */
    struct vmsim__gathered *gathered;        /* room for all that a gather can hold */
    struct vmsim__table_queue *table_queues; /* by CPU; NULL: tables are freed at once */
    vmsim__pfn huge_zero;                    /* PFN_NONE: not allocated */
    uint64_t huge_zero_users;
    uint64_t huge_files;                      /* huge entries that map folios of files */
    struct vmsim__thp_choice *thp_policy;     /* NULL: Linux decides */
    bool host_nomem;                          /* the host refused memory: the last call failed for that reason */
    uint64_t leaf_stamps;                     /* given out */
    struct vmsim__leaf leaves[VMSIM__LEAVES]; /* of all address spaces */
};

#define VMSIM__GATHER_ROOM (VMSIM__GATHER_LOCAL + VMSIM__GATHER_BATCHES * 512u)

/* ---- small steps ---- */

/* No MMU: nommu_map.c has what mappings are then. */
VMSIM__INLINE bool vmsim__nommu(const struct vmsim__vm *vm) {
    return !vm->format->levels;
}

VMSIM__INLINE struct vmsim__frame *vmsim__vm_frame(const struct vmsim__vm *vm, vmsim__pfn pfn) {
    return vmsim__frame_at(&vm->mem->frames, pfn);
}
VMSIM__INLINE void vmsim__vm_event(struct vmsim__vm *vm, enum vmsim__event_stat e, uint64_t n) {
    vm->mem->event[e] += n;
}
/* One that the cgroup of the running task counts, too. Kernel: count_memcg_event_mm. */
VMSIM__INLINE void vmsim__vm_task_event(struct vmsim__vm *vm, enum vmsim__event_stat e, uint64_t n) {
    vm->mem->event[e] += n;
    if (VMSIM__UNLIKELY(vm->mem->now.memcg))
        vmsim__memcg_event_add(vm->lru, vm->mem->now.memcg, e, n);
}
VMSIM__INLINE void vmsim__vm_node_stat(struct vmsim__vm *vm, const struct vmsim__frame *f, enum vmsim__node_stat s,
                                       int64_t n) {
    vmsim__folio_stat_add(vm->lru, f, s, n);
    vm->mem->nodes[vm->mem->zones[vmsim__frame_zone(f)].node].stat[s] += n;
}
VMSIM__INLINE void vmsim__vm_cost(struct vmsim__vm *vm, uint64_t ns) {
    vmsim__now_charge(&vm->mem->now, ns);
}
/* Base pages from `pfn` on are cleared, which takes `ns` where the memory is the CPU's own; one is copied. */
VMSIM__INLINE void vmsim__vm_clear_cost(struct vmsim__vm *vm, uint64_t ns, uint64_t pages, vmsim__pfn pfn,
                                        unsigned cpu) {
    vmsim__vm_cost(vm, vmsim__mem_fill_time(vm->mem, ns, pages << vm->mem->page_shift, cpu, pfn));
}
VMSIM__INLINE void vmsim__vm_copy_cost(struct vmsim__vm *vm, vmsim__pfn to, vmsim__pfn from, unsigned cpu) {
    vmsim__vm_cost(
        vm, vmsim__mem_copy_time(vm->mem, vm->spec.costs.copy_page, UINT64_C(1) << vm->mem->page_shift, cpu, to, from));
}
/* Fixed costs of a call, which it does not pay again when it is entered again. */
VMSIM__INLINE void vmsim__vm_call_cost(struct vmsim__vm *vm, uint64_t ns) {
    if (!vmsim__now_call(&vm->mem->now)->entered)
        vmsim__vm_cost(vm, ns);
}
VMSIM__INLINE uint64_t vmsim__vma_pages(const struct vmsim__vma *v, unsigned page_shift) {
    return (v->end - v->start) >> page_shift;
}
VMSIM__INLINE uint64_t vmsim__vma_last_index(const struct vmsim__vma *v) {
    return v->pgoff + vmsim__vma_pages(v, v->mm->vm->page_shift) - 1;
}
/* Linear page index of an address in its object. */
VMSIM__INLINE uint64_t vmsim__vma_index(const struct vmsim__vma *v, uint64_t va) {
    return v->pgoff + ((va - v->start) >> v->mm->vm->page_shift);
}
static inline bool vmsim__vma_accessible(const struct vmsim__vma *v) {
    return v->flags & (VMSIM__VM_READ | VMSIM__VM_WRITE | VMSIM__VM_EXEC);
}
static inline bool vmsim__vma_private_writable(const struct vmsim__vma *v) {
    return (v->flags & (VMSIM__VM_SHARED | VMSIM__VM_MAYWRITE)) == VMSIM__VM_MAYWRITE;
}
#define VMSIM__VM_SPECIAL (VMSIM__VM_IO | VMSIM__VM_DONTEXPAND | VMSIM__VM_PFNMAP)
#define VMSIM__VM_ACCESS (VMSIM__VM_READ | VMSIM__VM_WRITE | VMSIM__VM_EXEC)

/* Kind of RSS that a page counts as. */
static inline enum vmsim__rss_kind vmsim__rss_kind_of(const struct vmsim__frame *f) {
    if (vmsim__frame_is(f, VMSIM__FRAME_ANON))
        return VMSIM__RSS_ANON;
    return vmsim__frame_is(f, VMSIM__FRAME_SWAPBACKED) ? VMSIM__RSS_SHMEM : VMSIM__RSS_FILE;
}
/* Compound pages: the head of any of its frames. */
static inline vmsim__pfn vmsim__vm_head(const struct vmsim__vm *vm, vmsim__pfn pfn) {
    const struct vmsim__frame *f = vmsim__vm_frame(vm, pfn);
    return vmsim__frame_is(f, VMSIM__FRAME_TAIL) ? f->next : pfn;
}

/* The entry of one page in its leaf table; level 1 when a huge leaf covers it. `fresh`: encoded value and common form.
 */
VMSIM__INLINE void vmsim__mm_forget_leaf(struct vmsim__mm *mm) {
    mm->leaf = NULL;
    mm->leaf_stamp = ++mm->vm->leaf_stamps;
}
bool vmsim__mm_leaf_recall(struct vmsim__mm *mm, uint64_t va); /* is its table remembered? It is the last one then */
/* The level-0 slot of va when its table is one used before, mostly the last: faults and walks come in ascending
 * addresses, and the walk from the root costs more than the rest of a minor fault. */
VMSIM__INLINE bool vmsim__mm_leaf_slot(struct vmsim__mm *mm, uint64_t va, struct vmsim__pt_slot *slot) {
    const struct vmsim__pt_format *f = mm->pt.format;
    uint64_t index = (va - mm->leaf_start) >> f->shift[0];
    if (VMSIM__UNLIKELY(!mm->leaf || index >> f->index_bits[0])) {
        if (!vmsim__mm_leaf_recall(mm, va))
            return false;
        index = (va - mm->leaf_start) >> f->shift[0];
    }
    slot->entry = mm->leaf + index * f->entry_bytes;
    slot->table = mm->leaf_table;
    slot->index = (uint32_t)index;
    slot->level = 0;
    return true;
}

/* ---- vma_tree.c ---- */
struct vmsim__vma *vmsim__vma_find(struct vmsim__mm *mm, uint64_t va); /* first whose end is above va */
struct vmsim__vma *vmsim__vma_find_prev(struct vmsim__mm *mm, uint64_t va, struct vmsim__vma **prev);
struct vmsim__vma *vmsim__vma_intersection(struct vmsim__mm *mm, uint64_t start, uint64_t end);
void vmsim__vma_link(struct vmsim__mm *mm, struct vmsim__vma *vma); /* into tree and list; not files, not counts */
void vmsim__vma_unlink(struct vmsim__mm *mm, struct vmsim__vma *vma);
void vmsim__vma_resized(struct vmsim__mm *mm, struct vmsim__vma *vma); /* after start, end or GROWSDOWN changed */
uint64_t vmsim__vma_gap_start(const struct vmsim__vma *vma);           /* start less the stack guard gap */
/* Start of a free range of `length` bytes in [low, high): the highest or the lowest; UINT64_MAX: none. */
uint64_t vmsim__gap_topdown(struct vmsim__mm *mm, uint64_t length, uint64_t low, uint64_t high);
uint64_t vmsim__gap_bottomup(struct vmsim__mm *mm, uint64_t length, uint64_t low, uint64_t high);

/* ---- vma.c, vma_merge.c ---- */
struct vmsim__vma *vmsim__vma_alloc(struct vmsim__mm *mm); /* NULL: host memory */
void vmsim__vma_free(struct vmsim__mm *mm, struct vmsim__vma *vma,
                     unsigned cpu); /* unlinked already; drops file, anon_vmas */
/* Into i_mmap, by the range that the VMA has; takes a reference. `after`: another VMA of the file with the same first
 * page, whose neighbour it becomes, or NULL. False: host memory. */
bool vmsim__vma_set_file(struct vmsim__vma *vma, struct vmsim__file *file, struct vmsim__vma *after);
/* Around a change of a VMA's pages (start, end, pgoff): the reverse map has it under them. Kernel: vma_prepare and
 * vma_complete. */
void vmsim__vma_prepare(struct vmsim__vma *vma);
void vmsim__vma_complete(struct vmsim__vma *vma);
struct vmsim__vma *vmsim__vma_dup(struct vmsim__mm *mm,
                                  const struct vmsim__vma *from); /* no chain, no file, in no list */
/* Splits at `at` (inside); the VMA keeps the lower part. 0, -ENOMEM. The upper part is vma->next. */
int vmsim__vma_split(struct vmsim__mm *mm, struct vmsim__vma *vma, uint64_t at);
struct vmsim__vma_want {
    uint64_t start, end, pgoff;
    uint32_t flags, anon_vma;
    struct vmsim__file *file;
    struct vmsim__mempolicy policy;
    struct vmsim__vma *self;     /* the VMA that has the range now, or NULL */
    struct vmsim__vma *pages_of; /* the VMA whose pages it has or gets: self, or what mremap moves; NULL: none */
    bool fresh;                  /* a new mapping: mmap */
};
/* Makes [start, end) with the wanted properties part of a neighbour, if that is allowed: the VMA that has it then, or
 * NULL. */
struct vmsim__vma *vmsim__vma_merge(struct vmsim__mm *mm, struct vmsim__vma *prev, const struct vmsim__vma_want *w);
/* Gives [start, end) of vma new flags: merges, or splits at the ends. 0 or -ENOMEM; *out covers exactly the range or,
 * after a merge, more. */
int vmsim__vma_modify(struct vmsim__mm *mm, struct vmsim__vma *vma, uint64_t start, uint64_t end, uint32_t flags,
                      struct vmsim__vma **out);

/* The same with a new policy. */
int vmsim__vma_set_policy(struct vmsim__mm *mm, struct vmsim__vma *vma, uint64_t start, uint64_t end,
                          const struct vmsim__mempolicy *policy, struct vmsim__vma **out);

/* Pages of [start, end) outside `nodes` go where their areas' policies say; `all`: also those that others map, too.
 * Pages that stayed, or -ERESTARTSYS (vm_relocate.c). */
int64_t vmsim__relocate_range(struct vmsim__mm *mm, uint64_t start, uint64_t end, uint64_t nodes, bool all);

/* ---- accounting.c ---- */
bool vmsim__may_expand(const struct vmsim__mm *mm, uint32_t flags, uint64_t pages);
void vmsim__stat_account(struct vmsim__mm *mm, uint32_t flags, int64_t pages);
bool vmsim__commit(struct vmsim__mm *mm, uint64_t pages); /* charges Committed_AS; false: refused */
void vmsim__uncommit(struct vmsim__vm *vm, uint64_t pages);
bool vmsim__mlock_allowed(const struct vmsim__mm *mm);
/* May `flags` (LOCKED or not) pin `bytes` more? */
bool vmsim__mlock_room(const struct vmsim__mm *mm, uint32_t flags, uint64_t bytes);
/* The part of a change that kernels with per-CPU counters see. */
void vmsim__rss_percpu_add(struct vmsim__mm *mm, enum vmsim__rss_kind kind, int64_t pages);
VMSIM__INLINE void vmsim__rss_add(struct vmsim__mm *mm, enum vmsim__rss_kind kind, int64_t pages) {
    VMSIM__ASSERT(kind < VMSIM__RSS_KINDS);
    mm->rss[kind] += pages;
    if (mm->rss_cpu)
        vmsim__rss_percpu_add(mm, kind, pages);
}
/* Faults of one page each, which alone go through the task's lagging cache. Kernel: add_mm_counter_fast (6.1). */
VMSIM__INLINE void vmsim__rss_add_fast(struct vmsim__mm *mm, enum vmsim__rss_kind kind, int64_t pages) {
    VMSIM__ASSERT(kind < VMSIM__RSS_KINDS);
    if (mm->rss_cpu)
        vmsim__rss_add(mm, kind, pages);
    else
        mm->rss_cache[kind] += pages;
}
/* The pages of [vdso] lie in the kernel's image: special entries, which count as a file's. */
static inline bool vmsim__vma_is_vdso(const struct vmsim__vma *v) {
    return v->name && !(v->flags & VMSIM__VM_PFNMAP);
}
void vmsim__vdso_mapped(struct vmsim__vma *vma, int entries);
/* What is added between the two reaches the per-CPU counters in one sum a kind, as loops over a page table add it. */
void vmsim__rss_batch_start(struct vmsim__mm *mm);
void vmsim__rss_batch_end(struct vmsim__mm *mm);
void vmsim__rss_sync(struct vmsim__mm *mm);
void vmsim__hiwater_rss(struct vmsim__mm *mm);

/* ---- pages.c: frames and their mappings ---- */
/* A page of the kernel's own, or of nobody in particular, by the policy of the task. While memory is found,
 * reclaim may unmap any page and split any huge entry: hold what must stay, look again at what was read before. */
vmsim__pfn vmsim__vm_alloc_page(struct vmsim__vm *vm, uint32_t gfp, unsigned order, unsigned cpu);
/* A page for `va` of an area, by the area's policy or the task's. All user memory of vm/ comes from here. Kernel:
 * vma_alloc_folio. */
vmsim__pfn vmsim__vma_alloc_folio(const struct vmsim__vma *vma, uint64_t va, uint32_t gfp, unsigned order,
                                  unsigned cpu);
/* Its two halves: the frames; their charge to the cgroup of the present, without which they go back (PFN_NONE). */
vmsim__pfn vmsim__vma_alloc_uncharged(const struct vmsim__vma *vma, uint64_t va, uint32_t gfp, unsigned order,
                                      unsigned cpu);
vmsim__pfn vmsim__vm_charge(struct vmsim__vm *vm, vmsim__pfn pfn, uint32_t gfp, unsigned cpu);
/* Where a page of shared memory goes that this area's policy brings in; NULL: the area has none. Kernel:
 * shmem_get_policy. */
const struct vmsim__alloc_request *vmsim__shared_place(const struct vmsim__vma *vma, uint64_t va, unsigned cpu,
                                                       struct vmsim__alloc_request *rq);
bool vmsim__ptmem_setup(struct vmsim__mm *mm);
void vmsim__table_strip(struct vmsim__vm *vm, vmsim__pfn pfn, unsigned level, unsigned cpu);
uint64_t vmsim__table_bytes(const struct vmsim__vm *vm);
/* Does the kernel know calls about nodes? One without MMU or CONFIG_NUMA answers ENOSYS. */
static inline bool vmsim__vm_has_numa(const struct vmsim__vm *vm) {
    return !vmsim__nommu(vm) && vmsim__mem_has_numa(vm->mem);
}
void vmsim__map_new_anon(struct vmsim__vma *vma, vmsim__pfn pfn, uint64_t va, unsigned cpu); /* rmap, counters, LRU */
/* The same for all frames of a large folio, each by an entry of its own: takes the references of those, too. */
void vmsim__map_new_folio(struct vmsim__vma *vma, vmsim__pfn head, uint64_t va, unsigned order, unsigned cpu);
/* Tells the content oracle. */
static inline void vmsim__vm_fill(struct vmsim__vm *vm, vmsim__pfn to, vmsim__pfn from, unsigned order) {
    if (VMSIM__UNLIKELY(vm->hooks.fill != NULL))
        vm->hooks.fill(vm->hooks.context, to, from, order);
}
static inline void vmsim__vm_dropped(struct vmsim__mm *mm, uint64_t start, uint64_t end, bool lazily) {
    if (VMSIM__UNLIKELY(mm->vm->hooks.dropped != NULL))
        mm->vm->hooks.dropped(mm->vm->hooks.context, mm, start, end, lazily);
}
/* Maps that come back to a page which has its mapping and index already; RSS is the caller's. */
void vmsim__map_anon(struct vmsim__vma *vma, vmsim__pfn pfn, bool exclusive, unsigned cpu); /* page_add_anon_rmap */
/* A base entry maps a frame of a large folio of a file. */
void vmsim__thp_map_sub(struct vmsim__vma *vma, vmsim__pfn pfn);
static inline void vmsim__remap_file(struct vmsim__vma *vma, vmsim__pfn pfn, unsigned cpu) {
    struct vmsim__vm *vm = vma->mm->vm;
    struct vmsim__frame *f = vmsim__vm_frame(vm, pfn);
    VMSIM__ASSERT(!vmsim__frame_is(f, VMSIM__FRAME_ANON));
    if (VMSIM__UNLIKELY(vmsim__frame_is(f, VMSIM__FRAME_HEAD | VMSIM__FRAME_TAIL))) {
        vmsim__thp_map_sub(vma, pfn);
        return;
    }
    if (vmsim__frame_map(f, 1) == 1)
        vmsim__vm_node_stat(vm, f, VMSIM__NR_MAPPED, 1);
    if (VMSIM__UNLIKELY((vma->flags & (VMSIM__VM_LOCKED | VMSIM__VM_SPECIAL)) == VMSIM__VM_LOCKED))
        vmsim__lru_mlock(vm->lru, pfn, cpu);
}
/* Kernel: page_add_file_rmap. */
static inline void vmsim__map_file(struct vmsim__vma *vma, vmsim__pfn pfn, unsigned cpu) {
    const struct vmsim__vm *vm = vma->mm->vm;
    vmsim__rss_add_fast(vma->mm, vmsim__rss_kind_of(vmsim__vm_frame(vm, vmsim__vm_head(vm, pfn))), 1);
    vmsim__remap_file(vma, pfn, cpu);
}
/* Base entries of a compound page, of a file's or an anonymous one, go. */
void vmsim__thp_unmap_sub(struct vmsim__vma *vma, vmsim__pfn pfn, uint32_t n);
/* Kernel: page_remove_rmap. */
static inline void vmsim__unmap_page(struct vmsim__vma *vma, vmsim__pfn pfn, unsigned cpu) {
    struct vmsim__vm *vm = vma->mm->vm;
    struct vmsim__frame *f = vmsim__vm_frame(vm, pfn);
    if (VMSIM__UNLIKELY(vmsim__frame_is(f, VMSIM__FRAME_HEAD | VMSIM__FRAME_TAIL))) {
        vmsim__thp_unmap_sub(vma, pfn, 1);
        return;
    }
    if (!vmsim__frame_map(f, -1)) {
        bool anon = vmsim__frame_is(f, VMSIM__FRAME_ANON);
        vmsim__vm_node_stat(vm, f, anon ? VMSIM__NR_ANON_PAGES : VMSIM__NR_MAPPED, -1);
    }
    if (VMSIM__UNLIKELY(vma->flags & VMSIM__VM_LOCKED))
        vmsim__lru_munlock(vm->lru, pfn, cpu);
}
uint32_t
vmsim__prot_flags(const struct vmsim__vma *vma); /* PTE flags of vm_page_prot: no WRITE for private or watched ones */
/* The level-0 slot of va. create: makes tables; false: no frame. Without: slot.entry may be NULL. */
bool vmsim__mm_slot_walk(struct vmsim__mm *mm, uint64_t va, bool create, struct vmsim__pt_slot *slot);
VMSIM__INLINE bool vmsim__mm_slot(struct vmsim__mm *mm, uint64_t va, bool create, struct vmsim__pt_slot *slot) {
    return vmsim__mm_leaf_slot(mm, va, slot) || vmsim__mm_slot_walk(mm, va, create, slot);
}
void vmsim__flush_page(struct vmsim__mm *mm, uint64_t va, unsigned cpu);
void vmsim__flush_pending(struct vmsim__mm *mm,
                          unsigned cpu); /* before rights or pages are taken away (rmap_folio.c) */
void vmsim__flush_range(struct vmsim__mm *mm, uint64_t start, uint64_t end, unsigned stride_shift, bool tables,
                        unsigned cpu);

/* ---- gather.c ---- */
void vmsim__gather_start(struct vmsim__gather *g, struct vmsim__mm *mm, bool whole);
void vmsim__gather_page(struct vmsim__gather *g, vmsim__pfn pfn);
void vmsim__gather_folio(struct vmsim__gather *g, vmsim__pfn pfn, uint32_t refs); /* a run of its entries */
void vmsim__gather_range(struct vmsim__gather *g, uint64_t start, uint64_t end, unsigned shift);
void vmsim__gather_finish(struct vmsim__gather *g);

/* ---- table_rcu.c ---- */
/* Do they wait for a grace period before they are freed? */
bool vmsim__tables_wait(const struct vmsim__pt_format *f, const struct vmsim__kernel *k);
/* Tables of [start, end) below the top level go, where nothing within [floor, ceiling) needs them. Kernel:
 * free_pgd_range. */
void vmsim__gather_tables(struct vmsim__gather *g, uint64_t start, uint64_t end, uint64_t floor, uint64_t ceiling);
/* One of them, which is counted as gone; false: there is no frame for the batch, it goes with the pages. */
bool vmsim__gather_table(struct vmsim__gather *g, vmsim__pfn pfn);
/* Those of a gather begin to wait. Kernel: tlb_table_flush. */
void vmsim__tables_queue(struct vmsim__gather *g);
/* Entries from `slot` on, at most `most`, that map one frame of a large folio after the other; 0: not of one. */
uint32_t vmsim__folio_run(const struct vmsim__vma *vma, struct vmsim__pt_slot slot, uint32_t most);
/* Takes the pages of [start, end) of vma out of the page table. */
#define VMSIM__ZAP_COWS 1u    /* private copies of a file, too, and all that is swapped */
#define VMSIM__ZAP_MARKERS 2u /* the VMA goes: guards, too */
void vmsim__zap_range(struct vmsim__gather *g, struct vmsim__vma *vma, uint64_t start, uint64_t end, unsigned zap);
/* zap_page_range: gather, zap, finish. */
void vmsim__zap(struct vmsim__vma *vma, uint64_t start, uint64_t end, unsigned cpu);

struct vmsim__fault_at;

/* ---- swap_entry.c: entries that are neither empty nor present ---- */
enum vmsim__rss_kind vmsim__swp_rss_kind(const struct vmsim__vm *vm, struct vmsim__swp e);
enum vmsim__fault_outcome vmsim__nonpresent_fault(struct vmsim__fault_at *at);
void vmsim__nonpresent_zap(struct vmsim__mm *mm, const struct vmsim__pt_slot *slot, struct vmsim__pte pte,
                           unsigned zap);
bool vmsim__nonpresent_copy(struct vmsim__vma *to, const struct vmsim__vma *from, const struct vmsim__pt_slot *src,
                            const struct vmsim__pt_slot *dst, struct vmsim__pte pte); /* false: no memory */
void vmsim__nonpresent_protect(const struct vmsim__vma *v, const struct vmsim__pt_slot *slot, struct vmsim__pte pte);

/* ---- nommu_map.c: the calls, on arguments of whole pages, and what stands for the page table ---- */
void vmsim__nommu_init(struct vmsim__mm *mm);
void vmsim__nommu_fini(struct vmsim__mm *mm);
int64_t vmsim__nommu_mmap(struct vmsim__mm *mm, uint64_t length, unsigned prot, unsigned map, struct vmsim__file *file,
                          uint64_t pgoff);
int64_t vmsim__nommu_munmap(struct vmsim__mm *mm, uint64_t start, uint64_t length);
int64_t vmsim__nommu_mremap(struct vmsim__mm *mm, uint64_t old, uint64_t old_length, uint64_t new_length,
                            unsigned flags, uint64_t new_address);
void vmsim__nommu_unmap_all(struct vmsim__mm *mm);
int vmsim__nommu_check(const struct vmsim__mm *mm, struct vmsim__err *err);

/* ---- munmap.c ---- */
int64_t vmsim__do_munmap(struct vmsim__mm *mm, uint64_t start, uint64_t length);

/* ---- mmap.c ---- */
struct vmsim__area_request {
    uint64_t addr, length;
    uint32_t map_flags;             /* MAP_FIXED, MAP_32BIT, MAP_ANONYMOUS */
    const struct vmsim__file *file; /* NULL: none */
    uint64_t offset;                /* in the file, bytes */
};
int64_t vmsim__get_unmapped_area(struct vmsim__mm *mm, const struct vmsim__area_request *rq);
int64_t vmsim__mmap_region(struct vmsim__mm *mm, uint64_t addr, uint64_t length, uint32_t flags,
                           struct vmsim__file *file, uint64_t pgoff);
uint32_t vmsim__prot_to_flags(unsigned prot);

/* ---- fault.c, fault_file.c, cow.c ---- */
struct vmsim__fault_at {
    struct vmsim__mm *mm;
    struct vmsim__vma *vma;
    uint64_t va;                /* page aligned */
    struct vmsim__pt_slot slot; /* level 0; entry NULL while its table is missing */
    struct vmsim__pte pte;
    bool write, fetch;
    bool reserve; /* an empty range begins with a block in reserve */
    unsigned cpu;
};
enum vmsim__fault_outcome vmsim__handle_fault(struct vmsim__vma *vma, uint64_t va, bool write, bool fetch,
                                              unsigned cpu);
enum vmsim__fault_outcome vmsim__fault_file(struct vmsim__fault_at *at);
enum vmsim__fault_outcome vmsim__numa_fault(struct vmsim__fault_at *at); /* of an entry that a scan has marked */
enum vmsim__fault_outcome vmsim__fault_wp(struct vmsim__fault_at *at);
bool vmsim__fault_table(struct vmsim__fault_at *at);          /* makes the leaf table and fills at->slot */
void vmsim__fault_table_undo(struct vmsim__fault_at *at);     /* gives an empty leaf table back */
void vmsim__mm_layout(struct vmsim__mm *mm);                  /* mmap_base from the limit of the stack (fork.c) */
int vmsim__expand_stack(struct vmsim__vma *vma, uint64_t va); /* 0 or negative errno */
/* Faults in [start, end) as get_user_pages does; pages that are there are touched. 0, or -EFAULT, -ENOMEM,
 * -ERESTARTSYS. What is behind the call's `done` is not touched again. */
enum { VMSIM__POPULATE_WRITE = 1, VMSIM__POPULATE_ACCESS = 2, VMSIM__POPULATE_ADVICE = 4 };
int vmsim__populate_vma(struct vmsim__vma *vma, uint64_t start, uint64_t end, unsigned mode, unsigned cpu);

/* ---- mprotect.c ---- */
void vmsim__change_protection(struct vmsim__vma *vma, uint64_t start, uint64_t end, bool upgrade_writable,
                              unsigned cpu);

/* ---- rmap.c ---- */
_Static_assert(offsetof(struct vmsim__vma, node) == 0, "a VMA is its node");
static inline struct vmsim__vma *vmsim__vma_of_node(const struct vmsim__avl *n) {
    return (struct vmsim__vma *)n;
}
static inline struct vmsim__vma *vmsim__vma_of_file_link(const struct vmsim__interval *link) {
    return (struct vmsim__vma *)((char *)link - offsetof(struct vmsim__vma, file_link));
}
static inline struct vmsim__avc *vmsim__avc_of_link(const struct vmsim__interval *link) {
    return (struct vmsim__avc *)((char *)link - offsetof(struct vmsim__avc, link));
}
int vmsim__anon_vma_attach(struct vmsim__vma *vma); /* finds or makes it one; 0 or -ENOMEM */
static inline int vmsim__anon_vma_prepare(struct vmsim__vma *vma) {
    return VMSIM__LIKELY(vma->anon_vma) ? 0 : vmsim__anon_vma_attach(vma);
}
int vmsim__anon_vma_clone(struct vmsim__vma *to, struct vmsim__vma *from);
int vmsim__anon_vma_fork(struct vmsim__vma *child, struct vmsim__vma *parent);
void vmsim__anon_vma_unlink(struct vmsim__vma *vma);
static inline struct vmsim__anon_vma *vmsim__anon_vma_at(const struct vmsim__vm *vm, uint32_t id) {
    return id < vm->anon_table.count ? vm->anon_table.at[id] : NULL;
}

/* ---- thp_orders.c: large pages of all orders ---- */
bool vmsim__thp_suits(const struct vmsim__vma *vma); /* may it have large pages, whatever the switches say? */
bool vmsim__thp_order_enabled(const struct vmsim__vma *vma, unsigned order);
bool vmsim__thp_any_order(
    const struct vmsim__vma *vma); /* has it room for one of the enabled orders below a huge entry's? */
/* Tries a folio of an order between; *done false: go on with a base page. */
enum vmsim__fault_outcome vmsim__thp_order_fault(struct vmsim__fault_at *at, bool *done);
/* Counts what happened to one of them: by order, and in /proc/vmstat if it is of a huge entry's size. */
void vmsim__thp_count(struct vmsim__vm *vm, unsigned order, enum vmsim__thp_size_stat stat,
                      enum vmsim__event_stat event);

/* ---- thp.c ---- */
uint32_t vmsim__thp_gfp(const struct vmsim__vma *vma); /* how hard a fault tries */
bool vmsim__thp_allowed(const struct vmsim__vma *vma, uint64_t va);
/* Could a huge page lie there at all, the switches aside? */
bool vmsim__thp_possible(const struct vmsim__vma *vma, uint64_t va);
/* A leaf table, which is empty and out of the page table, becomes the reserve of a huge entry. */
void vmsim__thp_deposit_table(struct vmsim__mm *mm, vmsim__pfn table);
/* A new huge page whose contents are there is mapped at an empty entry with a deposit; RSS is the caller's. */
void vmsim__thp_install(struct vmsim__vma *vma, uint64_t start, vmsim__pfn pfn, const struct vmsim__pt_slot *slot,
                        unsigned cpu);
/* Tries a PMD-sized page; *done false: go on with base pages. */
enum vmsim__fault_outcome vmsim__thp_fault(struct vmsim__vma *vma, uint64_t va, bool write, unsigned cpu, bool *done);
/* A fault on a present huge entry. *done false: it was split, go on with base pages. */
enum vmsim__fault_outcome vmsim__thp_wp(struct vmsim__fault_at *at, struct vmsim__pt_slot *slot, bool *done);
/* A folio with frames that nobody maps waits until memory is short. Kernel: deferred_split_folio. */
void vmsim__thp_defer_split(struct vmsim__vm *vm, vmsim__pfn head);
/* Turns a huge entry that covers va into a table of base entries. 0 or -ENOMEM (no deposit: cannot happen for anon). */
void vmsim__table_retract(struct vmsim__mm *mm, uint64_t start, unsigned cpu);
/* How hard a huge page is looked for, whether it was advised or not. */
uint32_t vmsim__thp_gfp_as(const struct vmsim__vm *vm, bool advised);
/* One entry for a folio of a file that was brought for this fault, where it fits. */
bool vmsim__thp_map_file(struct vmsim__fault_at *at, vmsim__pfn head);
/* A huge entry becomes base entries of the same pages; a file's goes, to be found again by a fault. */
int vmsim__thp_split_pmd(struct vmsim__vma *vma, uint64_t va, const struct vmsim__pt_slot *slot, unsigned cpu);
void vmsim__thp_split_at(struct vmsim__vma *vma, uint64_t va, unsigned cpu); /* when va lies inside a huge entry */
void vmsim__thp_zap(struct vmsim__gather *g, struct vmsim__vma *vma, uint64_t va, const struct vmsim__pt_slot *slot);
int vmsim__thp_copy(struct vmsim__vma *to, struct vmsim__vma *from, uint64_t va, const struct vmsim__pt_slot *slot,
                    unsigned cpu);
/* Does the slot hold a huge entry still? An allocation between may have split it. */
bool vmsim__thp_still_huge(const struct vmsim__mm *mm, const struct vmsim__pt_slot *slot);
bool vmsim__thp_move(struct vmsim__vma *from, uint64_t old, uint64_t new_va, const struct vmsim__pt_slot *slot);

#endif
