/* SPDX-License-Identifier: MIT */
/* The shared part of all address spaces: its life, its knobs, the hooks it plugs into the page cache.
 *
 * The zero page is a page of the kernel's image: a frame that was reserved at boot, so that translations name a true
 * physical address and no allocator frame is spent. Kernel counterparts: mm/init-mm.c, mm/util.c. */
#include "vm/vm_hugetlb.h"

#include <string.h>

/* The page cache knows files and frames; whose page tables map them is known here. These five are what it asks. */
static bool on_mkclean(void *context, struct vmsim__file *file, uint64_t index, vmsim__pfn pfn, unsigned cpu) {
    (void)file, (void)index;
    return vmsim__page_mkclean(context, pfn, cpu) > 0;
}

/* The cache gives the last index, UINT64_MAX for "to the end"; the walk wants what is behind it. */
static void on_unmap(void *context, struct vmsim__file *file, uint64_t first, uint64_t last, bool even_cows,
                     unsigned cpu) {
    vmsim__vm_unmap_file(context, file, first, last == UINT64_MAX ? last : last + 1, even_cows, cpu);
}

/* By the memory policy of whoever faults, not by the file's. */
static vmsim__pfn on_alloc(void *context, const struct vmsim__alloc_request *rq) {
    return vmsim__vm_alloc_page(context, rq->gfp, rq->order, rq->cpu);
}

/* The pair of slot and page, for who follows contents; nobody listens otherwise. */
static void on_swapped(void *context, struct vmsim__swp e, vmsim__pfn pfn, bool write) {
    const struct vmsim__vm *vm = context;
    if (vm->hooks.swapped)
        vm->hooks.swapped(vm->hooks.context, e, pfn, write);
}

/* Contents of files pass through the cache, which knows no address spaces; whoever watches contents hears of both
 * here. */
static void on_content(void *context, enum vmsim__file_content what, const struct vmsim__file *file, uint64_t first,
                       uint64_t end, vmsim__pfn pfn) {
    const struct vmsim__vm *vm = context;
    if (vm->hooks.file_content)
        vm->hooks.file_content(vm->hooks.context, what, file, first, end, pfn);
}

static bool on_split(void *context, vmsim__pfn pfn, unsigned cpu) {
    return vmsim__thp_split_page(context, pfn, cpu);
}

static uint32_t on_huge_gfp(void *context) {
    return vmsim__thp_gfp_as(context, false);
}

/* Kernel: hugetlbfs_evict_inode. */
static void on_huge_gone(void *context, struct vmsim__file *file, unsigned cpu) {
    struct vmsim__vm *vm = context;
    struct vmsim__hugefile *huge = vmsim__hugefile_of(file);
    vmsim__hugefile_drop(vm, file, 0, cpu);
    VMSIM__ASSERT(!huge->nrpages && !huge->resv.count);
    vmsim__resv_fini(vm->alloc, &huge->resv);
    vmsim__radix_fini(&huge->pages);
    vmsim__free(vm->alloc, huge, sizeof *huge);
    file->huge = NULL;
}

/* First reserved frame that lies in a zone above the first page; the BIOS's page 0 is nobody's, and stands for it where
 * nothing else is reserved. */
static vmsim__pfn pick_zero(const struct vmsim__mem *mem) {
    for (size_t i = 0; i < mem->nr_reserved; i++) {
        vmsim__pfn pfn = mem->reserved[i].start ? mem->reserved[i].start : 1;
        if (pfn < mem->reserved[i].end && vmsim__mem_zone_of(mem, pfn))
            return pfn;
    }
    return 0;
}

/* Free memory at boot decides what overcommit mode 2 keeps: 1/32 of it, at most 8 MiB and 128 MiB. Kernel:
 * init_user_reserve, init_admin_reserve. Also what depends on the size of a huge page. Kernel: hugepage_init,
 * khugepaged's defaults. */
static void derive_knobs(struct vmsim__vm *vm) {
    const unsigned kb = vm->page_shift - 10;
    uint64_t part = (vmsim__mem_early_free(vm->mem) << kb) / 32;
    if (!vm->spec.admin_reserve_kbytes)
        vm->spec.admin_reserve_kbytes = vmsim__min64(part, 1u << 13);
    if (!vm->spec.user_reserve_kbytes)
        vm->spec.user_reserve_kbytes = vmsim__min64(part, 1u << 17);
    if (!vm->spec.max_map_count)
        vm->spec.max_map_count = vm->kernel->max_map_count;
    const uint64_t huge = UINT64_C(1) << vm->mem->pageblock_order;
    vm->spec.khugepaged.pages_to_scan = huge * 8;
    vm->spec.khugepaged.max_ptes_none = huge - 1;
    vm->spec.khugepaged.max_ptes_swap = huge / 8;
    vm->spec.khugepaged.max_ptes_shared = huge / 2;
    if (!vm->mem->thp_available) { /* too little memory: boot clears all flags; who writes one sets it again */
        vm->spec.thp_defrag = VMSIM__DEFRAG_NEVER;
        vm->spec.thp_use_zero_page = vm->spec.khugepaged.defrag = false;
    }
}

/* The gather's room is there from the start: unmapping must not fail for lack of host memory. Anonymous reverse maps
 * are numbered from 1, so that 0 in a frame is none. */
int vmsim__vm_create(struct vmsim__vm **out, const struct vmsim__vm_init *init, struct vmsim__err *err) {
    *out = NULL;
    if (init->format->page_shift != init->mem->page_shift)
        return vmsim__err_set(err, VMSIM_EINVAL, "page tables of %s do not fit the page size of the memory",
                              init->format->name);
    struct vmsim__vm *vm = vmsim__calloc(init->alloc, 1, sizeof *vm);
    struct vmsim__gathered *pages = vmsim__malloc(init->alloc, VMSIM__GATHER_ROOM * sizeof *pages);
    const bool wait = vmsim__tables_wait(init->format, init->kernel);
    struct vmsim__table_queue *queues = wait ? vmsim__calloc(init->alloc, init->mem->nr_cpus, sizeof *queues) : NULL;
    if (vm) {
        vm->alloc = init->alloc;
        vmsim__slab_init(&vm->vmas, vm->alloc, vmsim__align_up(sizeof(struct vmsim__vma), 64)); /* whole lines */
        vmsim__slab_init(&vm->avcs, vm->alloc, sizeof(struct vmsim__avc));
        vmsim__slab_init(&vm->anon_vmas, vm->alloc, sizeof(struct vmsim__anon_vma));
        vmsim__slab_init(&vm->imaps, vm->alloc, sizeof(struct vmsim__imap));
        vmsim__slab_init(&vm->opened, vm->alloc, sizeof(struct vmsim__opened));
        vmsim__radix_slab_init(&vm->huge_nodes, vm->alloc);
        vmsim__slab_init(&vm->tables, vm->alloc, (size_t)1 << init->format->page_shift);
    }
    if (!vm || !pages || (wait && !queues) ||
        !vmsim__vec_push(vm->alloc, &vm->anon_table, (struct vmsim__anon_vma *)NULL)) {
        vmsim__free(init->alloc, pages, VMSIM__GATHER_ROOM * sizeof *pages);
        if (queues)
            vmsim__free(init->alloc, queues, init->mem->nr_cpus * sizeof *queues);
        if (vm)
            vmsim__free(init->alloc, vm, sizeof *vm);
        return vmsim__err_set(err, VMSIM_ENOMEM, "address spaces");
    }
    vm->mem = init->mem;
    vm->lru = init->lru;
    vm->cache = init->cache;
    vm->format = init->format;
    vm->page_shift = init->format->page_shift;
    vm->page_size = UINT64_C(1) << vm->page_shift;
    vm->spec = *init->spec;
    vm->kernel = init->kernel;
    vm->hooks = init->hooks;
    vm->gathered = pages;
    vm->table_queues = queues;
    vm->huge_zero = VMSIM__PFN_NONE;
    vm->zero_pfn = pick_zero(init->mem);
    derive_knobs(vm);
    const struct vmsim__cache_hooks hooks = {.context = vm,
                                             .mkclean = on_mkclean,
                                             .unmap = on_unmap,
                                             .alloc = on_alloc,
                                             .swapped = on_swapped,
                                             .content = on_content,
                                             .split = on_split,
                                             .huge_gfp = on_huge_gfp,
                                             .huge_gone = on_huge_gone};
    vmsim__cache_set_hooks(vm->cache, &hooks);
    const struct vmsim__pt_format *f = vm->format;
    const unsigned order = f->levels > 1 && (f->leaf_levels & 2) ? (unsigned)f->shift[1] - vm->page_shift : 0;
    vmsim__cache_set_huge_order(vm->cache, order <= vm->mem->top_order ? order : 0);
    *out = vm;
    return 0;
}

/* Nothing may be left by then: each address space has given back what it was charged, and a difference is a leak of
 * ours. */
void vmsim__vm_destroy(struct vmsim__vm *vm) {
    if (!vm)
        return;
    VMSIM__ASSERT(!vm->first_mm);
    vmsim__tables_barrier(vm);
    VMSIM__ASSERT(!vm->gather && !vm->nr_mms && !vm->committed && !vm->tables.used);
    if (vm->huge_zero != VMSIM__PFN_NONE)
        vmsim__mem_free(vm->mem, vm->huge_zero, vm->format->shift[1] - vm->page_shift, 0);
    uint32_t id = 1;
    for (struct vmsim__file *f; (f = vmsim__file_next(vm->cache, &id)) != NULL; id++) {
        if (f->kind == VMSIM__FILE_HUGETLB) /* named ones outlive their mappings */
            on_huge_gone(vm, f, 0);
    }
    const struct vmsim__cache_hooks none = {0};
    vmsim__cache_set_hooks(vm->cache, &none);
    vmsim__vec_fini(vm->alloc, &vm->anon_table);
    vmsim__vec_fini(vm->alloc, &vm->anon_free);
    vmsim__slab_fini(&vm->vmas);
    vmsim__slab_fini(&vm->avcs);
    vmsim__slab_fini(&vm->anon_vmas);
    vmsim__slab_fini(&vm->imaps);
    vmsim__slab_fini(&vm->opened);
    vmsim__slab_fini(&vm->tables);
    vmsim__slab_fini(&vm->huge_nodes);
    vmsim__free(vm->alloc, vm->gathered, VMSIM__GATHER_ROOM * sizeof *vm->gathered);
    if (vm->table_queues)
        vmsim__free(vm->alloc, vm->table_queues, vm->mem->nr_cpus * sizeof *vm->table_queues);
    vmsim__free(vm->alloc, vm, sizeof *vm);
}

/* Sticky: an operation that lacked host memory has failed half-way, and all that follows may differ from a run with
 * enough. */
int vmsim__vm_error(struct vmsim__vm *vm) {
    return vm->host_nomem ? VMSIM_ENOMEM : 0;
}

struct vmsim__vm_spec *vmsim__vm_knobs(struct vmsim__vm *vm) {
    return &vm->spec;
}

const struct vmsim__pt_format *vmsim__vm_format(const struct vmsim__vm *vm) {
    return vm->format;
}

bool vmsim__vm_hardware_accessed(const struct vmsim__vm *vm) {
    const enum vmsim__hardware_flags flags = vm->spec.hardware_flags;
    return flags ? flags != VMSIM__HARDWARE_NONE : vm->format->hardware_accessed;
}

/* What overcommit and CommitLimit go by; changes with swapon and swapoff. */
void vmsim__vm_set_swap_pages(struct vmsim__vm *vm, uint64_t pages) {
    vm->swap_pages = pages;
}

/* NULL: entries of swap cannot come to be. A table, since swap lies in the cache's layer and tests put their own in. */
void vmsim__vm_set_swap(struct vmsim__vm *vm, const struct vmsim__swap_ops *ops) {
    VMSIM__ASSERT(!ops || (ops->duplicate && ops->release && ops->put && ops->swap_in));
    vm->swap = ops;
}

struct vmsim__mm *vmsim__vm_first_mm(const struct vmsim__vm *vm) {
    return vm->first_mm;
}

/* For those who listen while a machine runs (the content oracle): set and taken away between operations. */
struct vmsim__vm_hooks *vmsim__vm_hooks(struct vmsim__vm *vm) {
    return &vm->hooks;
}

vmsim__pfn vmsim__vm_zero_pfn(const struct vmsim__vm *vm) {
    return vm->zero_pfn;
}
