/* SPDX-License-Identifier: MIT */
/* Address spaces: VMAs, the mmap family, page faults, fork and copy-on-write, the reverse map.
 *
 * `struct vmsim__vm` is the part of a machine that all address spaces share; a `struct vmsim__mm` is one address space
 * with its page table.
 *
 *     vm --- mm --- VMA tree + list (by address) --- file -- i_mmap tree of VMAs
 *            |       \--- anon_vma chain                     (frame.mapping = file id, frame.index = page of file)
 *            \--- page table --> frame -- anon_vma id --> VMAs (frame.mapping = anon_vma id, frame.index = linear page)
 *
 * Calls return what the system call returns (a value or a negative Linux errno), -ERESTARTSYS when they have to wait;
 * faults return an outcome. Every call takes the CPU on which the task runs. What a call costs is charged to the
 * present (base/now.h). Kernel counterparts: mm/mmap.c, mm/memory.c, mm/mremap.c, mm/mprotect.c, mm/madvise.c,
 * mm/mlock.c, mm/rmap.c, mm/huge_memory.c, kernel/fork.c (dup_mmap), fs/exec.c, fs/binfmt_elf.c, mm/util.c,
 * fs/proc/task_mmu.c. */
#ifndef VMSIM__VM_H
#define VMSIM__VM_H
#include "base/interval_tree.h"
#include "base/linux_errno.h"
#include "cache/cache.h"
#include "lru/lru_gen.h"
#include "mmu/swp.h"
#include "zones/mempolicy.h"
#include "vm/vm_spec.h"

/* VMA flags: the kernel's bits (include/linux/mm.h), as VmFlags in smaps spells them. */
#define VMSIM__VM_READ 0x1u
#define VMSIM__VM_WRITE 0x2u
#define VMSIM__VM_EXEC 0x4u
#define VMSIM__VM_SHARED 0x8u
#define VMSIM__VM_MAYREAD 0x10u
#define VMSIM__VM_MAYWRITE 0x20u
#define VMSIM__VM_MAYEXEC 0x40u
#define VMSIM__VM_MAYSHARE 0x80u
#define VMSIM__VM_GROWSDOWN 0x100u
#define VMSIM__VM_PFNMAP 0x400u
#define VMSIM__VM_LOCKED 0x2000u
#define VMSIM__VM_IO 0x4000u
#define VMSIM__VM_SEQ_READ 0x8000u
#define VMSIM__VM_RAND_READ 0x10000u
#define VMSIM__VM_DONTCOPY 0x20000u
#define VMSIM__VM_DONTEXPAND 0x40000u
#define VMSIM__VM_LOCKONFAULT 0x80000u
#define VMSIM__VM_ACCOUNT 0x100000u
#define VMSIM__VM_NORESERVE 0x200000u
#define VMSIM__VM_HUGETLB 0x400000u
#define VMSIM__VM_WIPEONFORK 0x2000000u
#define VMSIM__VM_DONTDUMP 0x4000000u
#define VMSIM__VM_SOFTDIRTY 0x8000000u
#define VMSIM__VM_HUGEPAGE 0x20000000u
#define VMSIM__VM_NOHUGEPAGE 0x40000000u
#define VMSIM__VM_MERGEABLE 0x80000000u

/* Arguments, by Linux's x86-64 numbers. */
#define VMSIM__PROT_READ 1u
#define VMSIM__PROT_WRITE 2u
#define VMSIM__PROT_EXEC 4u
#define VMSIM__PROT_SEM 8u
#define VMSIM__PROT_GROWSDOWN 0x01000000u
#define VMSIM__PROT_GROWSUP 0x02000000u
#define VMSIM__MAP_SHARED 0x1u
#define VMSIM__MAP_PRIVATE 0x2u
#define VMSIM__MAP_SHARED_VALIDATE 0x3u
#define VMSIM__MAP_TYPE 0xfu
#define VMSIM__MAP_FIXED 0x10u
#define VMSIM__MAP_ANONYMOUS 0x20u
#define VMSIM__MAP_32BIT 0x40u
#define VMSIM__MAP_GROWSDOWN 0x100u
#define VMSIM__MAP_DENYWRITE 0x800u
#define VMSIM__MAP_EXECUTABLE 0x1000u
#define VMSIM__MAP_LOCKED 0x2000u
#define VMSIM__MAP_NORESERVE 0x4000u
#define VMSIM__MAP_POPULATE 0x8000u
#define VMSIM__MAP_NONBLOCK 0x10000u
#define VMSIM__MAP_STACK 0x20000u
#define VMSIM__MAP_HUGETLB 0x40000u
#define VMSIM__MAP_SYNC 0x80000u
#define VMSIM__MAP_FIXED_NOREPLACE 0x100000u
#define VMSIM__MAP_HUGE_SHIFT 26 /* log2 of the huge page's bytes stands above; 0: the default size */
/* The hstate of a mapping's MAP_HUGE_*; nr_hstates: none. */
unsigned vmsim__hugetlb_of_flags(const struct vmsim__mem *mem, unsigned map_flags);
#define VMSIM__MREMAP_MAYMOVE 1u
#define VMSIM__MREMAP_FIXED 2u
#define VMSIM__MREMAP_DONTUNMAP 4u
#define VMSIM__MCL_CURRENT 1u
#define VMSIM__MCL_FUTURE 2u
#define VMSIM__MCL_ONFAULT 4u
#define VMSIM__MLOCK_ONFAULT 1u
#define VMSIM__MLOCK_HOLE                                                                                              \
    0x80000000u /* ours: the call goes on into a hole, so it populates nothing and says ENOMEM                         \
                 */
#define VMSIM__MS_ASYNC 1u
#define VMSIM__MS_INVALIDATE 2u
#define VMSIM__MS_SYNC 4u
enum vmsim__madvice {
    VMSIM__MADV_NORMAL = 0,
    VMSIM__MADV_RANDOM = 1,
    VMSIM__MADV_SEQUENTIAL = 2,
    VMSIM__MADV_WILLNEED = 3,
    VMSIM__MADV_DONTNEED = 4,
    VMSIM__MADV_FREE = 8,
    VMSIM__MADV_REMOVE = 9,
    VMSIM__MADV_DONTFORK = 10,
    VMSIM__MADV_DOFORK = 11,
    VMSIM__MADV_MERGEABLE = 12,
    VMSIM__MADV_UNMERGEABLE = 13,
    VMSIM__MADV_HUGEPAGE = 14,
    VMSIM__MADV_NOHUGEPAGE = 15,
    VMSIM__MADV_DONTDUMP = 16,
    VMSIM__MADV_DODUMP = 17,
    VMSIM__MADV_WIPEONFORK = 18,
    VMSIM__MADV_KEEPONFORK = 19,
    VMSIM__MADV_COLD = 20,
    VMSIM__MADV_PAGEOUT = 21,
    VMSIM__MADV_POPULATE_READ = 22,
    VMSIM__MADV_POPULATE_WRITE = 23,
    VMSIM__MADV_DONTNEED_LOCKED = 24,
    VMSIM__MADV_COLLAPSE = 25,
    VMSIM__MADV_GUARD_INSTALL = 102,
    VMSIM__MADV_GUARD_REMOVE = 103
};

/* What a page fault came to. */
enum vmsim__fault_outcome {
    VMSIM__FAULT_MINOR,    /* resolved without I/O */
    VMSIM__FAULT_MAJOR,    /* resolved with I/O */
    VMSIM__FAULT_SPURIOUS, /* nothing to do: stale TLB entry, A/D set (counts as minor) */
    VMSIM__FAULT_SIGSEGV_MAPERR,
    VMSIM__FAULT_SIGSEGV_ACCERR,
    VMSIM__FAULT_SIGBUS,
    VMSIM__FAULT_OOM,   /* no frame could be had */
    VMSIM__FAULT_RETRY, /* enter it again at once; within vm/ alone */
    VMSIM__FAULT_WAIT   /* enter it again when what the present waits for has happened */
};
static inline bool vmsim__fault_resolved(enum vmsim__fault_outcome o) {
    return o <= VMSIM__FAULT_SPURIOUS;
}

struct vmsim__vm;
struct vmsim__mm;
struct vmsim__vma;
struct vmsim__avc;
struct vmsim__numa_hooks;
struct vmsim__resv_map;

/* What vm/ asks of the machine around it. */
struct vmsim__vm_hooks {
    void *context;
    /* Translations of [start, end) of mm may be cached on any CPU: drop them. `stride_shift`: log2 of the smallest leaf
     * cleared; freed_tables: page tables went away too. Called before any frame or table of the range is freed. */
    void (*flush_range)(void *context, struct vmsim__mm *mm, uint64_t start, uint64_t end, unsigned stride_shift,
                        bool freed_tables, unsigned cpu);
    void (*flush_mm)(void *context, struct vmsim__mm *mm, unsigned cpu);
    /* A frame is about to be asked for; whatever reclaim may do while memory is found may be done here. For tests; may
     * be NULL. */
    void (*allocating)(void *context, unsigned cpu);
    /* The content of a page: `to` becomes a copy of `from` (VMSIM__PFN_NONE: zeroes), 1 << order frames. For the
     * content oracle; may be NULL. */
    void (*fill)(void *context, vmsim__pfn to, vmsim__pfn from, unsigned order);
    /* The content of a page goes to a slot of swap, or comes from there. For the content oracle; may be NULL. */
    void (*swapped)(void *context, struct vmsim__swp e, vmsim__pfn pfn, bool write);
    /* What happens to contents of files (see struct vmsim__cache_hooks). For the content oracle; may be NULL. */
    void (*file_content)(void *context, enum vmsim__file_content what, const struct vmsim__file *file, uint64_t first,
                         uint64_t end, vmsim__pfn pfn);
    /* By its own will, or since a file got shorter, a program has no pages of its own in [start, end) any more;
     * `lazily`: they may go. [0, UINT64_MAX): the address space ends. For the content oracle; may be NULL. */
    void (*dropped)(void *context, struct vmsim__mm *mm, uint64_t start, uint64_t end, bool lazily);
    /* mremap: pages of [from, from + length) stand at `to` now. For the content oracle; may be NULL. */
    void (*moved)(void *context, struct vmsim__mm *mm, uint64_t from, uint64_t to, uint64_t length);
    /* fork: `child` has what `parent` has in [start, end). For the content oracle; may be NULL. */
    void (*inherited)(void *context, struct vmsim__mm *child, struct vmsim__mm *parent, uint64_t start, uint64_t end);
    /* A page of mm was unmapped at `va` and may be flushed later, with others: true when it was noted for
     * flush_deferred (try_to_unmap with VMSIM__TTU_BATCH_FLUSH); false: flush now. Both NULL: always now. */
    bool (*flush_defer)(void *context, struct vmsim__mm *mm, uint64_t va, unsigned cpu);
    void (*flush_deferred)(void *context, unsigned cpu);
    /* vmsim__tables_grace_over(cpu, batch) is to be called after a grace period from now; false: it cannot. NULL:
     * grace periods take no time. Kernel: call_rcu. */
    bool (*grace)(void *context, unsigned cpu, uint64_t batch);
    /* A fault met a page that is being migrated: what comes of it. NULL: SIGBUS. */
    enum vmsim__fault_outcome (*migration_wait)(void *context, struct vmsim__vma *vma, uint64_t va, vmsim__pfn pfn,
                                                unsigned cpu);
    const struct vmsim__numa_hooks *numa; /* of NUMA balancing (numa_hint.h); NULL: entries are only made whole again */
    /* Reclaims folios of one node that were taken off their lists, with a reference each, and puts the others back;
     * VMSIM__ISOLATE_MAX at most. NULL: MADV_PAGEOUT does no more than age. Kernel: reclaim_pages. */
    void (*reclaim)(void *context, vmsim__pfn *folio, uint32_t count, unsigned cpu);
    /* An address space comes to those that khugepaged looks at. NULL: nobody does. */
    void (*collapsible)(void *context);
};

/* What a module of swap areas does for address spaces. An entry in a page table holds one count of its slot; so does
 * the swap cache. Any function but swap_in, duplicate, release and put may be NULL. */
struct vmsim__swap_ops {
    void *context;
    /* The slot of a page in the swap cache (VMSIM__FRAME_SWAPCACHE). Kernel: page_private. */
    struct vmsim__swp (*slot_of)(void *context, vmsim__pfn pfn);
    bool (*duplicate)(void *context, struct vmsim__swp e);             /* swap_duplicate; false: no memory */
    void (*put)(void *context, struct vmsim__swp e);                   /* swap_free: a page in the cache stays there */
    void (*release)(void *context, struct vmsim__swp e, unsigned cpu); /* free_swap_and_cache: unless nobody maps it */
    unsigned (*count)(void *context, struct vmsim__swp e);             /* swp_swapcount: entries that name it */
    bool (*cached)(void *context, struct vmsim__swp e);                /* mincore: is the page in memory? */
    void (*prefetch)(void *context, struct vmsim__vma *vma, uint64_t va, struct vmsim__swp e); /* MADV_WILLNEED */
    bool (*free_slot)(void *context, vmsim__pfn pfn, unsigned cpu); /* folio_free_swap: the page leaves the cache */
    /* `to` takes the place of `from` in the swap cache, with its reference, charge and flag. NULL: such pages are not
     * moved. */
    void (*migrate)(void *context, vmsim__pfn from, vmsim__pfn to);
    bool (*full)(void *context, vmsim__pfn pfn);       /* mem_cgroup_swap_full: a slot is not kept for it */
    bool (*going)(void *context, struct vmsim__swp e); /* a swapoff empties the slot's area */
    /* do_swap_page: finds or reads the page, then vmsim__swap_map. */
    enum vmsim__fault_outcome (*swap_in)(void *context, struct vmsim__vma *vma, uint64_t va,
                                         const struct vmsim__pt_slot *slot, bool write, unsigned cpu);
};

enum vmsim__rlimit {
    VMSIM__RLIMIT_AS,
    VMSIM__RLIMIT_DATA,
    VMSIM__RLIMIT_STACK,
    VMSIM__RLIMIT_MEMLOCK,
    VMSIM__RLIMIT_FSIZE,
    VMSIM__RLIMITS
};
enum vmsim__rss_kind { VMSIM__RSS_FILE, VMSIM__RSS_ANON, VMSIM__RSS_SWAP, VMSIM__RSS_SHMEM, VMSIM__RSS_KINDS };

/* One mapping: [start, end), page aligned. Read it freely, change it only through the calls below. */
struct vmsim__vma {
    struct vmsim__avl node; /* tree by address; what a lookup reads comes first: one cache line */
    uint64_t start, end;
    uint64_t pgoff;    /* of start in the file, or start >> page_shift when it was anonymous at birth */
    uint32_t flags;    /* VMSIM__VM_* */
    uint32_t anon_vma; /* id of the anon_vma of its private pages; 0: none yet */
    struct vmsim__mm *mm;
    struct vmsim__file *file;         /* NULL: anonymous */
    struct vmsim__vma *next, *prev;   /* by address */
    uint64_t gap, max_gap;            /* free bytes below start, largest of the subtree */
    struct vmsim__mempolicy policy;   /* mode 0: the task's */
    struct vmsim__avc *chain;         /* anon_vmas whose pages it may map */
    struct vmsim__interval file_link; /* its pages of the file, in the file's i_mmap tree */
    const char *name;                 /* "[heap]" is derived; static text of special mappings ("[vdso]"), else NULL */
    bool temporary_stack;             /* during exec: no THP */
    bool resv_unmapped;               /* of hugetlb pages: lost one to the process that it was forked from */
    struct vmsim__resv_map *resv;     /* of private hugetlb pages: promises that are used up; NULL: it has none */
    uint64_t top;                     /* nommu: end of its memory, at or above `end` */
    struct vmsim__opened *opened;     /* that `file` was mapped through; NULL without one */
    struct vmsim__swap_ra swap_ra;    /* readahead state of faults on pages in swap */
};

/* An open file as its mappings know it, which share how its faults read ahead: those that lie side by side in one
 * address space, as a loader maps an object, and their copies by fork. Kernel: struct file. */
struct vmsim__opened {
    uint32_t users; /* VMAs */
    struct vmsim__file_ra ra;
};

struct vmsim__mm {
    struct vmsim__vm *vm;
    uint32_t id;    /* never reused */
    uint32_t users; /* tasks that share it */
    struct vmsim__pagetable pt;
    struct vmsim__ptmem ptmem;
    struct vmsim__regions regions; /* nommu: instead of a page table */
    struct vmsim__avl *root;       /* of its VMAs */
    struct vmsim__vma *first, *cached;
    /* the last leaf table used: virtual address of its first entry, its host memory */
    uint64_t leaf_start;
    unsigned char *leaf;
    uint64_t leaf_table;
    uint64_t leaf_stamp; /* what the machine remembers of its other leaf tables is true under this stamp alone */
    uint32_t map_count;
    uint32_t def_flags;                                                   /* of new mappings: mlockall(MCL_FUTURE) */
    uint64_t total_vm, locked_vm, data_vm, exec_vm, stack_vm, hiwater_vm; /* pages */
    int64_t rss[VMSIM__RSS_KINDS];                                        /* what /proc/PID/status shows */
    int64_t rss_cache[VMSIM__RSS_KINDS]; /* not yet folded in: rss + rss_cache is exact */
    uint32_t rss_events;
    int64_t rss_folded[VMSIM__RSS_KINDS]; /* 6.12: what the per-CPU parts have handed over; lags behind rss */
    int64_t rss_batch[VMSIM__RSS_KINDS];  /* 6.12: between vmsim__rss_batch_start and _end */
    int32_t *rss_cpu;                     /* 6.12: a row of VMSIM__RSS_KINDS for each CPU */
    bool flush_pending;                   /* pages of it were unmapped whose flush was deferred */
    bool rss_batching;
    uint64_t hiwater_rss; /* pages */
    vmsim__pfn deposit;   /* leaf tables in reserve for huge entries, linked by frame.mapping */
    uint32_t deposits;
    uint64_t hugetlb_pages;    /* base pages of the hugetlb pages that it maps */
    uint64_t pgtables_bytes;   /* VmPTE */
    uint64_t min_flt, maj_flt; /* of all tasks that used it */
    uint64_t task_size, mmap_base, mmap_min;
    uint64_t map_window; /* what mmap uses of it unless a hint above asks for all: x86 with five levels */
    uint64_t start_code, end_code, start_data, end_data, start_brk, brk, start_stack, arg_start, arg_end, env_start,
        env_end, vdso;
    uint64_t rlimit[VMSIM__RLIMITS]; /* bytes; UINT64_MAX: unlimited */
    bool topdown, privileged, thp_disabled;
    bool collapsible;                       /* khugepaged looks at it: MMF_VM_HUGEPAGE */
    uint8_t exec_step;                      /* of vmsim__mm_exec: what comes next (vm_exec.c) */
    struct vmsim__file_ra exec_ra[2];       /* of the program as exec opened it, and of the interpreter */
    const struct vmsim__file_ra *mapped_ra; /* state that a file's first mapping begins with; NULL: a fresh one */
    uint64_t exec_bss;                      /* where the memory begins that the step is to clear; 0: nowhere */
    struct vmsim__mm *next, *prev;          /* all of a vm, in order of creation */
    void *user;                             /* machine/'s own */
    void *contents;                         /* the content oracle's */
    unsigned cpu;                           /* of the call in progress */
};

/* ---- the shared part ---- */

struct vmsim__vm_init {
    const struct vmsim__vm_spec *spec; /* copied */
    const struct vmsim__kernel *kernel;
    struct vmsim__alloc *alloc;
    struct vmsim__mem *mem;
    struct vmsim__lru *lru;
    struct vmsim__cache *cache;
    const struct vmsim__pt_format *format;
    struct vmsim__vm_hooks hooks;
};
/* Plugs itself into the cache's hooks. Everything that `init` points to must outlive it. */
int vmsim__vm_create(struct vmsim__vm **out, const struct vmsim__vm_init *init, struct vmsim__err *err);
/* Page tables that a CPU unmapped up to this batch are freed. Kernel: rcu_do_batch. */
void vmsim__tables_grace_over(struct vmsim__vm *vm, unsigned cpu, uint64_t batch);
/* All page tables that wait for a grace period are freed now. Kernel: rcu_barrier. */
void vmsim__tables_barrier(struct vmsim__vm *vm);
/* All address spaces must be gone; gives the zero pages back. */
void vmsim__vm_destroy(struct vmsim__vm *vm);
/* 0, or VMSIM_ENOMEM once the host refused memory (calls then return -ENOMEM or VMSIM__FAULT_OOM). */
int vmsim__vm_error(struct vmsim__vm *vm);
struct vmsim__vm_spec *vmsim__vm_knobs(struct vmsim__vm *vm); /* sysctl writes at run time go here */
const struct vmsim__pt_format *vmsim__vm_format(const struct vmsim__vm *vm);
bool vmsim__vm_hardware_accessed(const struct vmsim__vm *vm); /* CPUs set the accessed flag themselves */
uint64_t vmsim__vm_committed(const struct vmsim__vm *vm);     /* Committed_AS, pages */
uint64_t vmsim__vm_commit_limit(const struct vmsim__vm *vm);  /* CommitLimit, pages */
/* Memory policy of the running task; NULL: local node. The pointer is kept. */
void vmsim__vm_set_policy(struct vmsim__vm *vm, struct vmsim__task_policy *policy);
/* set_mempolicy: 0 or -EINVAL. mode: VMSIM__MPOL_* with flags or'ed in; nodes: a mask. */
int64_t vmsim__vm_set_mempolicy(struct vmsim__vm *vm, struct vmsim__task_policy *task, unsigned mode, uint64_t nodes);
void vmsim__vm_set_swap_pages(struct vmsim__vm *vm, uint64_t pages); /* total of swap areas, for CommitLimit */
/* The swap module; NULL: none (an entry of a swap area is then SIGBUS). The pointer is kept. */
void vmsim__vm_set_swap(struct vmsim__vm *vm, const struct vmsim__swap_ops *ops);
/* The swap module is the cache's (cache/swap_cache.h), which has areas. */
void vmsim__vm_use_swap(struct vmsim__vm *vm);
/* Pages of a swap area that entries of an address space name come back, from the address *va on, which says where to go
 * on: after -ERESTARTSYS when the present has waited; 0 at the end. -ENOMEM. Kernel: unuse_mm. */
int vmsim__mm_unuse(struct vmsim__mm *mm, uint8_t type, uint64_t *va, unsigned cpu);
/* Could this much more be committed? Nothing is. Kernel: security_vm_enough_memory_mm. */
bool vmsim__mm_enough_memory(const struct vmsim__mm *mm, uint64_t pages);
/* The slot of the page before this one in the first address space that maps it. False: it has none. */
bool vmsim__swap_before(struct vmsim__vm *vm, vmsim__pfn pfn, struct vmsim__swp *before);
struct vmsim__mm *vmsim__vm_first_mm(const struct vmsim__vm *vm);
/* For who comes later than the machine: the content oracle. */
struct vmsim__vm_hooks *vmsim__vm_hooks(struct vmsim__vm *vm);
vmsim__pfn vmsim__vm_zero_pfn(const struct vmsim__vm *vm); /* a reserved frame: no allocator frame */

/* ---- address spaces ---- */

/* Handles the fault of one access at `va`. Works for every access that the walker refused (any enum vmsim__fault). */
enum vmsim__fault_outcome vmsim__mm_fault(struct vmsim__mm *mm, uint64_t va, bool write, bool fetch, unsigned cpu);

/* Population at the end of mmap and its like. When it has to wait, the call's record says where it stopped: who began
 * the call goes on with it there, and the call itself is over. Kernel: mm_populate. */
void vmsim__mm_populate(struct vmsim__mm *mm, uint64_t start, uint64_t length, unsigned cpu);

/* The kernel writes to a word of user memory. Kernel: put_user. False: it cannot (EFAULT), or has to wait. */
bool vmsim__mm_put_user(struct vmsim__mm *mm, uint64_t va, unsigned cpu);
/* The program calls into its vdso, which reads the first page of [vvar]; no vdso: nothing. */
void vmsim__mm_vdso_call(struct vmsim__mm *mm, unsigned cpu);

struct vmsim__mm *vmsim__mm_create(struct vmsim__vm *vm, unsigned cpu); /* empty; NULL: no frame or no host memory */
struct vmsim__mm *vmsim__mm_fork(struct vmsim__mm *parent, unsigned cpu,
                                 int *error);           /* dup_mmap, with an MMU; NULL: *error = -ENOMEM */
void vmsim__mm_get(struct vmsim__mm *mm);               /* one more task shares it (CLONE_VM) */
void vmsim__mm_put(struct vmsim__mm *mm, unsigned cpu); /* the last put is exit_mmap */

/* prot: PROT_* and flags: MAP_* of Linux x86-64; file NULL: anonymous (MAP_ANONYMOUS must agree, else -EBADF). All
 * return the system call's result: mmap and mremap an address, brk the (new or old) break, the others 0. Lengths and
 * offsets in bytes. */
int64_t vmsim__mm_mmap(struct vmsim__mm *mm, uint64_t addr, uint64_t length, unsigned prot, unsigned flags,
                       struct vmsim__file *file, uint64_t offset, unsigned cpu);
/* Mappings begin below `top` at an address that agrees with `va` below the size of a huge page, as a base that was
 * drawn by chance might. */
void vmsim__mm_begin_like(struct vmsim__mm *mm, uint64_t top, uint64_t va);
/* A hint for a private mapping that shall agree with `va` below the size of a huge page, as if the kernel had aligned
 * it so; 0: it is too short for one, there is no such place, or the kernel aligns by itself. */
uint64_t vmsim__mm_place_like(struct vmsim__mm *mm, uint64_t va, uint64_t length, unsigned map_flags);
int64_t vmsim__mm_munmap(struct vmsim__mm *mm, uint64_t addr, uint64_t length, unsigned cpu);
int64_t vmsim__mm_mprotect(struct vmsim__mm *mm, uint64_t addr, uint64_t length, unsigned prot, unsigned cpu);
int64_t vmsim__mm_mremap(struct vmsim__mm *mm, uint64_t old, uint64_t old_length, uint64_t new_length, unsigned flags,
                         uint64_t new_addr, unsigned cpu);
/* mbind: MOVE takes along the pages that are there and this address space alone maps, MOVE_ALL all. flags:
 * VMSIM__MPOL_MF_*. */
#define VMSIM__MPOL_MF_STRICT 1u
#define VMSIM__MPOL_MF_MOVE 2u
#define VMSIM__MPOL_MF_MOVE_ALL 4u
int64_t vmsim__mm_mbind(struct vmsim__mm *mm, uint64_t addr, uint64_t length, unsigned mode, uint64_t nodes,
                        unsigned flags, unsigned cpu);
/* migrate_pages: those on the n-th node of `from` go to the n-th of `to`; `all`: also those that others map. Pages that
 * stayed, or a negative errno. */
int64_t vmsim__mm_migrate_pages(struct vmsim__mm *mm, uint64_t from, uint64_t to, bool all, unsigned cpu);
/* move_pages: a page a request. */
struct vmsim__move_pages {
    size_t count;
    const uint64_t *addresses;
    const int32_t *nodes; /* NULL: only asks */
    int32_t *status;      /* out: the node, or a negative errno; untouched behind the request that ended the call */
    bool privileged;      /* who calls (CAP_SYS_NICE) */
    uint64_t mems;        /* nodes that whose pages they are may use (his cpuset); 0: all */
};
int64_t vmsim__mm_move_pages(struct vmsim__mm *mm, const struct vmsim__move_pages *mp, unsigned flags, unsigned cpu);
/* set_mempolicy_home_node. */
int64_t vmsim__mm_set_home_node(struct vmsim__mm *mm, uint64_t addr, uint64_t length, uint64_t node, uint64_t flags,
                                unsigned cpu);
/* get_mempolicy: the mode with its flags, or with MPOL_F_NODE a node, or a negative errno; the mask in *nodes. */
#define VMSIM__MPOL_F_NODE 1u
#define VMSIM__MPOL_F_ADDR 2u
#define VMSIM__MPOL_F_MEMS_ALLOWED 4u
int64_t vmsim__mm_get_mempolicy(struct vmsim__mm *mm, const struct vmsim__task_policy *task, uint64_t addr,
                                unsigned flags, uint64_t *nodes, unsigned cpu);
int64_t vmsim__mm_brk(struct vmsim__mm *mm, uint64_t brk, unsigned cpu);
int64_t vmsim__mm_madvise(struct vmsim__mm *mm, uint64_t addr, uint64_t length, int advice, unsigned cpu);
int64_t vmsim__mm_mlock(struct vmsim__mm *mm, uint64_t addr, uint64_t length, unsigned flags, unsigned cpu);
int64_t vmsim__mm_munlock(struct vmsim__mm *mm, uint64_t addr, uint64_t length, unsigned cpu);
int64_t vmsim__mm_mlockall(struct vmsim__mm *mm, unsigned flags, unsigned cpu);
int64_t vmsim__mm_munlockall(struct vmsim__mm *mm, unsigned cpu);
int64_t vmsim__mm_msync(struct vmsim__mm *mm, uint64_t addr, uint64_t length, unsigned flags, unsigned cpu);
/* resident: bitmap, one bit a page, room for length / page size bits; may be NULL. */
int64_t vmsim__mm_mincore(struct vmsim__mm *mm, uint64_t addr, uint64_t length, uint64_t *resident, unsigned cpu);
/* What a process keeps over exec: its limits, and that it wants no huge pages. */
void vmsim__mm_inherit(struct vmsim__mm *mm, const struct vmsim__mm *before);
void vmsim__mm_set_rlimit(struct vmsim__mm *mm, enum vmsim__rlimit which, uint64_t bytes);

/* Unmaps pages [first, end) of the file from every address space (truncation; `even_cows`: private copies too).
 * vm_create plugs this and mkclean into the cache, so that truncate and write-out reach every mapping. */
void vmsim__vm_unmap_file(struct vmsim__vm *vm, struct vmsim__file *file, uint64_t first, uint64_t end, bool even_cows,
                          unsigned cpu);

/* ---- exec ---- */

struct vmsim__exec_segment {
    uint64_t vaddr, offset, file_bytes, memory_bytes; /* PT_LOAD as in the file */
    unsigned prot;
};
struct vmsim__exec_object {
    struct vmsim__file *file;
    const struct vmsim__exec_segment *segments;
    size_t count;
    bool fixed; /* ET_EXEC: vaddr is absolute; else placed (program: ELF_ET_DYN_BASE, interpreter: below mmap_base) */
};
struct vmsim__exec {
    struct vmsim__exec_object program;
    struct vmsim__exec_object interpreter; /* file NULL: static */
    uint64_t argument_bytes;               /* strings of argv and envp with their NULs, and the file name */
    uint32_t argument_count;               /* argv and envp entries: their pointers lie on the stack, too */
    bool executable_stack;
    uint64_t stack_top; /* end of the stack area; 0: where the layout puts it. A recorded program keeps its own */
    uint64_t start_brk; /* first break; 0: behind the program's bss */
    uint64_t vdso;      /* where it shall lie, if there is room; 0: where the layout puts it */
    bool no_vdso;       /* the recorded program had none */
};
/* Fills an empty address space as execve does: argument pages first (they fault before the old image goes), then stack,
 * segments, bss, interpreter, vdso, break. 0 or -ENOMEM, -EINVAL; on failure the address space is fit for vmsim__mm_put
 * alone. -ERESTARTSYS: it has to wait, and goes on where it was when it is called again for this address space. */
int64_t vmsim__mm_exec(struct vmsim__mm *mm, const struct vmsim__exec *image, unsigned cpu);

/* ---- looking ---- */

struct vmsim__vma *vmsim__mm_find_vma(struct vmsim__mm *mm, uint64_t va); /* first VMA whose end is above va, or NULL */
const char *vmsim__vma_name(const struct vmsim__vma *vma); /* "[heap]", "[stack]", "[vdso]", path or "" */
/* As the kernel reads it: it lags behind by what threads or CPUs have not folded in. Kernel: get_mm_counter. */
uint64_t vmsim__mm_counter(const struct vmsim__mm *mm, enum vmsim__rss_kind kind);
uint64_t vmsim__mm_rss(const struct vmsim__mm *mm, enum vmsim__rss_kind kind); /* exact, pages */

/* /proc/PID/status, in kB. The Rss lines lag on kernels without per-CPU counters, as Linux's do. max_rss is
 * getrusage's, which never asks what CPUs keep to themselves. */
struct vmsim__mm_status {
    uint64_t vm_peak, vm_size, vm_lck, vm_pin, vm_hwm, vm_rss, rss_anon, rss_file, rss_shmem, vm_data, vm_stk, vm_exe,
        vm_lib, vm_pte, vm_swap, hugetlb, max_rss;
};
void vmsim__mm_status(const struct vmsim__mm *mm, struct vmsim__mm_status *out);

/* /proc/PID/smaps of one VMA, or a sum of them, in bytes; Pss with 12 fraction bits (bytes << 12). */
struct vmsim__smaps {
    uint64_t rss, pss, pss_anon, pss_file, pss_shmem, pss_dirty, shared_clean, shared_dirty, private_clean,
        private_dirty, referenced, anonymous, lazyfree, anon_huge, shmem_pmd, file_pmd, shared_hugetlb, private_hugetlb,
        swap, swap_pss, locked /* << 12 */;
};
void vmsim__vma_smaps(const struct vmsim__vma *vma, struct vmsim__smaps *sum); /* adds to *sum */
void vmsim__mm_rollup(const struct vmsim__mm *mm, struct vmsim__smaps *out);
bool vmsim__vma_thp_eligible(const struct vmsim__vma *vma);
uint64_t vmsim__vma_page_size(const struct vmsim__vma *vma); /* of its entries: that of its hugetlb pages, or base */
/* "rd wr mr mw me ac sd " into out (room for 64 bytes). */
void vmsim__vma_flags_text(const struct vmsim__vma *vma, char *out, size_t size);
/* /proc/PID/clear_refs: 1 all, 2 anonymous, 3 file, 4 soft-dirty, 5 peak RSS. 0 or -EINVAL. */
int64_t vmsim__mm_clear_refs(struct vmsim__mm *mm, int what, unsigned cpu);
/* /proc/PID/pagemap: the entry of one page as the common pte (flags 0: nothing there). */
struct vmsim__pte vmsim__mm_pagemap(struct vmsim__mm *mm, uint64_t va);

/* ---- reverse map: for reclaim, compaction and checks ---- */

/* One mapping of a frame: its entry. */
struct vmsim__mapping {
    struct vmsim__vma *vma;
    uint64_t va;
    struct vmsim__pt_slot slot;
    struct vmsim__pte pte;
};
/* A walk over the VMAs that may map a page, and in each over the entries that do: one descent a VMA and leaf table.
 *
 *     vmsim__rmap_start(&w, vm, pfn);
 *     while (vmsim__rmap_next_vma(&w))          w.vma; [w.va, w.end) is the page's part of it
 *         while (vmsim__rmap_next(&w, &m))      m: one entry, base or huge
 *
 * pfn: a base frame, the head of a compound page (all its frames) or a tail (that frame alone). VMAs come in the order
 * of their first page, then of age. Entries that were met may be changed; VMAs may not come or go. */
struct vmsim__rmap_walk {
    struct vmsim__vm *vm;
    const struct vmsim__interval_tree *tree; /* NULL: nobody maps it */
    struct vmsim__interval *node;
    vmsim__pfn pfn;
    uint32_t pages;
    uint64_t index; /* of pfn in its object */
    bool anon;
    struct vmsim__vma *vma;
    uint64_t va, end;
    struct vmsim__pt_slot slot; /* of va; entry NULL: to be looked for */
    uint64_t met;               /* address of the entry returned last */
    bool migration;             /* entries that wait for these frames are looked for, not those that map them */
};
void vmsim__rmap_start(struct vmsim__rmap_walk *w, struct vmsim__vm *vm, vmsim__pfn pfn);
/* The page will be looked for soon: the host fetches the first entry that may map it. */
void vmsim__rmap_expect(struct vmsim__vm *vm, vmsim__pfn pfn);
bool vmsim__rmap_next_vma(struct vmsim__rmap_walk *w);
bool vmsim__rmap_next(struct vmsim__rmap_walk *w, struct vmsim__mapping *m);
void vmsim__rmap_again(struct vmsim__rmap_walk *w); /* looks at the last one's place again: it was split */
/* The same as one call. Return false to stop. */
typedef bool (*vmsim__rmap_fn)(void *context, struct vmsim__mapping *m);
/* False: stopped early. */
bool vmsim__rmap_walk(struct vmsim__vm *vm, vmsim__pfn pfn, vmsim__rmap_fn fn, void *context);

/* ---- what reclaim and migration do through it ---- */

/* Takes the accessed bits of all mappings of a page. */
struct vmsim__referenced {
    /* Of which address spaces the use counts (those of a memory cgroup); NULL: of all. */
    bool (*counts)(void *context, const struct vmsim__mm *mm);
    void *context;
    const struct vmsim__young_sink *around; /* hears of the neighbours of used entries, too; NULL: nobody */
    unsigned vmas;                          /* out: VMAs through which it was used since the last time */
    uint32_t vm_flags; /* out: VMSIM__VM_* of those; VM_LOCKED: the page is locked, and the walk ended there */
};
/* All pages of an address space that were used since the last time. Kernel: walk_mm. */
void vmsim__mm_walk_young(struct vmsim__mm *mm, const struct vmsim__young_sink *s);
/* The entry and up to 63 neighbours in its table and VMA. Kernel: lru_gen_look_around. */
void vmsim__look_around(const struct vmsim__mapping *m, const struct vmsim__young_sink *s);
/* Kernel: folio_referenced. The page must be isolated from the lists or otherwise held. */
void vmsim__folio_referenced(struct vmsim__vm *vm, vmsim__pfn pfn, struct vmsim__referenced *r, unsigned cpu);

#define VMSIM__TTU_IGNORE_MLOCK 1u
#define VMSIM__TTU_BATCH_FLUSH 2u /* the caller calls vmsim__unmap_flush before the page is freed or written */
/* Takes a page out of all page tables: entries of a swapped page name its slot (it must be in the swap cache), those of
 * a clean MADV_FREE page and of file pages vanish. What entries knew (dirty) is handed to the page. Huge entries are
 * split first. True: no entry is left. The caller holds a reference. Kernel: try_to_unmap. */
bool vmsim__try_to_unmap(struct vmsim__vm *vm, vmsim__pfn pfn, unsigned ttu, unsigned cpu);
void vmsim__unmap_flush(struct vmsim__vm *vm, unsigned cpu); /* try_to_unmap_flush */

/* Write-protects and cleans all shared mappings of a file page. Entries that were changed. Kernel: folio_mkclean. */
unsigned vmsim__page_mkclean(struct vmsim__vm *vm, vmsim__pfn pfn, unsigned cpu);

/* Replaces all entries of a page by migration entries. False: some are left (call vmsim__remove_migration with twice
 * the same page). Kernel: try_to_migrate. */
bool vmsim__try_to_migrate(struct vmsim__vm *vm, vmsim__pfn pfn, unsigned ttu, unsigned cpu);
/* Entries that wait for `from` map `to`, which has its mapping, index and order (or is the same page). Kernel:
 * remove_migration_ptes. */
void vmsim__remove_migration(struct vmsim__vm *vm, vmsim__pfn from, vmsim__pfn to, unsigned cpu);

/* The end of a fault on a swap entry: maps the page, which is up to date and locked or held by the caller, in place of
 * the entry in `slot`, and gives the entry's count back. `cached`: the page is in the swap cache; else it is new and
 * goes on the lists. Does nothing when the entry changed meanwhile. Kernel: the end of do_swap_page. */
enum vmsim__fault_outcome vmsim__swap_map(struct vmsim__vma *vma, uint64_t va, struct vmsim__pte entry, vmsim__pfn pfn,
                                          bool cached, bool write, unsigned cpu);

/* Splits a compound anonymous page (its huge entries first) into base frames. False: someone else holds a reference;
 * its entries are base entries then. */
bool vmsim__thp_split_page(struct vmsim__vm *vm, vmsim__pfn pfn, unsigned cpu);
/* The same of one that the caller has isolated from its list: its first frame is the caller's still, the others go to
 * the lists. */
bool vmsim__thp_split_isolated(struct vmsim__vm *vm, vmsim__pfn head, unsigned cpu);
/* A round of reclaim at this priority (12 .. 0) splits folios of which parts are mapped no more. Folios that were
 * split. Kernel: deferred_split_count, deferred_split_scan. */
uint64_t vmsim__thp_shrink(struct vmsim__vm *vm, uint16_t memcg, int priority, unsigned cpu);
/* Whom to ask about huge pages (thp_policies.h); it must outlive the address spaces. NULL: Linux decides. */
struct vmsim__thp_choice;
void vmsim__vm_set_thp_policy(struct vmsim__vm *vm, struct vmsim__thp_choice *choice);
/* hugepages-<size>kB/stats of an order. */
uint64_t vmsim__vm_thp_stat(const struct vmsim__vm *vm, unsigned order, enum vmsim__thp_size_stat stat);
/* The sizes that have such a folder: the first order after `order` (0: the first at all), or 0. */
unsigned vmsim__thp_next_order(const struct vmsim__vm *vm, unsigned order);
/* hugepages-<size>kB/enabled of an order: enum vmsim__thp_size_mode, never DEFAULT. */
int vmsim__thp_size_mode(const struct vmsim__vm *vm, unsigned order);

/* Files of hugetlb pages, of MAP_HUGETLB (path NULL) and of a hugetlbfs (hugetlb_file.c). NULL: there is one of this
 * name, or no host memory. */
struct vmsim__file *vmsim__hugetlb_file(struct vmsim__vm *vm, unsigned hstate, const char *path, uint64_t size);
/* What their calls return, as far as they differ from those of other files: bytes, 0 or a negative errno. Waits for
 * pages of the pool are -ERESTARTSYS. */
int64_t vmsim__hugetlb_read(struct vmsim__vm *vm, const struct vmsim__file *f, uint64_t pos, uint64_t count);
int vmsim__hugetlb_truncate(struct vmsim__vm *vm, struct vmsim__file *f, uint64_t size, unsigned cpu);
int vmsim__hugetlb_fallocate(struct vmsim__mm *mm, struct vmsim__file *f, unsigned mode, uint64_t pos, uint64_t length);
/* Can the page tables map pages of this size? */
bool vmsim__hugetlb_mappable(const struct vmsim__vm *vm, unsigned hstate);

/* Entries that map one base frame, huge ones included. */
int64_t vmsim__vm_mapcount(const struct vmsim__vm *vm, vmsim__pfn pfn);

/* Every invariant of every address space; VMSIM_ECHECK with a text, or 0. */
int vmsim__vm_check(struct vmsim__vm *vm, struct vmsim__err *err);

#endif
