/* SPDX-License-Identifier: MIT */
/* Frames as the address spaces use them: allocation, page tables in frames, and the accounts of mapping and unmapping.
 *
 *   reference of a mapped page:  1 a page-table entry  + 1 page cache (file pages)  + 1 a per-CPU LRU batch (until
 * drained) counters:  first entry of an anonymous page: nr_anon_pages; of a file page: nr_mapped; last one gone: back
 *   tables:    level 0 and 1 count in nr_page_table_pages, levels 0 to 2 in VmPTE, the root in neither (Linux 6.1)
 *
 * On x86-64 the root takes two frames, because the kernel is built with page-table isolation. Kernel counterparts:
 * mm/rmap.c (page_add_*, page_remove_rmap), include/asm-generic/pgalloc.h, arch/x86/mm/pgtable.c. */
#include "vm/vm_impl.h"

/* What few allocations need: a policy, or a test that wants to know. */
static VMSIM__NOINLINE vmsim__pfn alloc_placed(struct vmsim__vm *vm, const struct vmsim__mempolicy *area,
                                               uint64_t index, struct vmsim__alloc_request rq) {
    const bool huge = area && vm->format->levels > 1 && rq.order + vm->page_shift == vm->format->shift[1];
    if (vm->hooks.allocating)
        vm->hooks.allocating(vm->hooks.context, rq.cpu);
    return vmsim__mempolicy_alloc(vm->mem, vm->task_policy, area, index, huge, rq);
}

/* Without policies, nor anybody who watches, there is one node to ask for: the short way, since every fault comes
 * here. */
vmsim__pfn vmsim__vm_alloc_page(struct vmsim__vm *vm, uint32_t gfp, unsigned order, unsigned cpu) {
    VMSIM__ASSERT(cpu < vm->mem->nr_cpus && order <= vm->mem->top_order);
    const struct vmsim__alloc_request rq = {
        .gfp = gfp, .order = (uint8_t)order, .cpu = (uint16_t)cpu, .node = vm->mem->cpu_node[cpu]};
    if (VMSIM__UNLIKELY(vm->hooks.allocating || vm->task_policy))
        return alloc_placed(vm, NULL, VMSIM__IN_TURN, rq);
    return vmsim__mem_alloc(vm->mem, &rq);
}

vmsim__pfn vmsim__vm_charge(struct vmsim__vm *vm, vmsim__pfn pfn, uint32_t gfp, unsigned cpu) {
    if (VMSIM__LIKELY(pfn == VMSIM__PFN_NONE || vmsim__folio_charge(vm->lru, &vm->mem->now, pfn, gfp, cpu)))
        return pfn;
    vmsim__folio_put(vm->lru, pfn, cpu);
    return VMSIM__PFN_NONE;
}

vmsim__pfn vmsim__vma_alloc_folio(const struct vmsim__vma *vma, uint64_t va, uint32_t gfp, unsigned order,
                                  unsigned cpu) {
    return vmsim__vm_charge(vma->mm->vm, vmsim__vma_alloc_uncharged(vma, va, gfp, order, cpu), gfp, cpu);
}

/* Interleaving goes by the page's place in its object, whatever the order of faults. */
vmsim__pfn vmsim__vma_alloc_uncharged(const struct vmsim__vma *vma, uint64_t va, uint32_t gfp, unsigned order,
                                      unsigned cpu) {
    VMSIM__ASSERT(va >= vma->start && va < vma->end && cpu < vma->mm->vm->mem->nr_cpus);
    struct vmsim__vm *vm = vma->mm->vm;
    const struct vmsim__alloc_request rq = {
        .gfp = gfp, .order = (uint8_t)order, .cpu = (uint16_t)cpu, .node = vm->mem->cpu_node[cpu]};
    if (VMSIM__LIKELY(!order && !vm->hooks.allocating && !vm->task_policy && !vma->policy.mode))
        return vmsim__mem_alloc(vm->mem, &rq);
    const uint64_t index = (vma->pgoff >> order) + ((va - vma->start) >> (vm->page_shift + order));
    return alloc_placed(vm, &vma->policy, index, rq);
}

/* Files of one size begin at different nodes. */
const struct vmsim__alloc_request *vmsim__shared_place(const struct vmsim__vma *vma, uint64_t va, unsigned cpu,
                                                       struct vmsim__alloc_request *rq) {
    VMSIM__ASSERT(vma->file);
    if (!vma->policy.mode || vma->file->kind != VMSIM__FILE_SHMEM)
        return NULL;
    *rq = (struct vmsim__alloc_request){.gfp = VMSIM__GFP_HIGHUSER_MOVABLE, .cpu = (uint16_t)cpu};
    vmsim__mempolicy_place(vma->mm->vm->mem, &vma->policy, vmsim__vma_index(vma, va) + vma->file->id, rq);
    return rq;
}

/* ---- page tables ---- */

/* x86-64's PGD_ALLOCATION_ORDER is 1: the second half is the user's copy of the kernel's top table under page-table
 * isolation. */
static unsigned table_order(const struct vmsim__vm *vm, unsigned level) {
    VMSIM__ASSERT(level < vm->format->levels);
    const struct vmsim__pt_format *f = vm->format;
    if (level + 1u != f->levels)
        return 0;
    return f->arch == VMSIM__PT_ARCH_X86 && f->levels > 3 ? 1 : f->root_order;
}

/* Host memory of a table's entries. */
static void *table_entries(struct vmsim__vm *vm, unsigned level) {
    if (vm->format->root_order && level + 1u == vm->format->levels)
        return vmsim__calloc(vm->alloc, 1, vm->page_size << vm->format->root_order);
    return vmsim__slab_alloc(&vm->tables);
}
static void table_entries_free(struct vmsim__vm *vm, unsigned level, void *host) {
    if (vm->format->root_order && level + 1u == vm->format->levels)
        vmsim__free(vm->alloc, host, vm->page_size << vm->format->root_order);
    else
        vmsim__slab_free(&vm->tables, host);
}

/* What VmPTE counts of a table: its entries, which on 32-bit ARM fill half of the page; their twins are the hardware's.
 * Kernel: mm_inc_nr_ptes. */
uint64_t vmsim__table_bytes(const struct vmsim__vm *vm) {
    return vm->format->arch == VMSIM__PT_ARCH_ARM ? vm->page_size / 2 : vm->page_size;
}

/* Counts a table that comes (+1) or goes (-1). */
static void table_account(struct vmsim__mm *mm, const struct vmsim__frame *f, unsigned level, int sign) {
    VMSIM__ASSERT(sign == 1 || sign == -1);
    struct vmsim__vm *vm = mm->vm;
    vmsim__vm_cost(vm, vm->spec.costs.table);
    if (level + 1u == vm->format->levels)
        return;
    if (level <= (vm->kernel->pud_accounted ? 2u : 1u))
        vmsim__vm_node_stat(vm, f, VMSIM__NR_PAGE_TABLE_PAGES, sign);
    if (level <= 2)
        mm->pgtables_bytes += (uint64_t)((int64_t)vmsim__table_bytes(vm) * sign);
}

/* The frame is simulated memory, the entries are in host memory beside it: frames of ordinary data need no host memory
 * at all. */
static uint64_t table_alloc(void *context, unsigned level) {
    struct vmsim__mm *mm = context;
    struct vmsim__vm *vm = mm->vm;
    unsigned order = table_order(vm, level);
    const uint16_t memcg = vm->mem->now.memcg;
    const uint32_t high = level == 0 && vmsim__arch_is_narrow(vm->mem->arch) ? VMSIM__GFP_HIGHMEM : 0; /* HIGHPTE */
    vmsim__pfn pfn = vmsim__vm_alloc_page(vm, VMSIM__GFP_PGTABLE | high, order, mm->cpu);
    if (pfn == VMSIM__PFN_NONE)
        return VMSIM__NO_FRAME;
    void *host = table_entries(vm, level);
    vm->host_nomem |= !host;
    if (!host || (memcg && !vmsim__kmem_charge_to(vm->lru, memcg, pfn, order, VMSIM__GFP_PGTABLE, mm->cpu))) {
        table_entries_free(vm, level, host);
        vmsim__mem_free(vm->mem, pfn, order, mm->cpu);
        return VMSIM__NO_FRAME;
    }
    struct vmsim__frame *f = vmsim__vm_frame(vm, pfn);
    f->flags |= VMSIM__FRAME_TABLE;
    vmsim__frame_set_table(f, host);
    VMSIM__ASSERT(!f->mapcount && !f->mapping);
    table_account(mm, f, level, 1);
    return pfn;
}

/* A table's frame becomes an ordinary one, which nobody is charged for. */
void vmsim__table_strip(struct vmsim__vm *vm, vmsim__pfn pfn, unsigned level, unsigned cpu) {
    struct vmsim__frame *f = vmsim__vm_frame(vm, pfn);
    VMSIM__ASSERT(vmsim__frame_is(f, VMSIM__FRAME_TABLE) && vmsim__frame_table(f));
    if (VMSIM__UNLIKELY(f->memcg))
        vmsim__kmem_uncharge(vm->lru, pfn, table_order(vm, level), cpu);
    table_entries_free(vm, level, vmsim__frame_table(f));
    f->flags &= ~VMSIM__FRAME_TABLE;
    f->next = f->prev = 0;
}

/* A table that goes in an unmap waits for the flush with the pages, as a walker may still be in it; or for longer
 * (table_rcu.c). */
static void table_release(void *context, uint64_t pfn, unsigned level) {
    struct vmsim__mm *mm = context;
    struct vmsim__vm *vm = mm->vm;
    const bool gathered = vm->gather && vm->gather->mm == mm && level + 1u != vm->format->levels;
    table_account(mm, vmsim__vm_frame(vm, (vmsim__pfn)pfn), level, -1);
    vmsim__mm_forget_leaf(mm);
    if (gathered) {
        vm->gather->freed_tables = true;
        if (vm->gather->tables_go && vmsim__gather_table(vm->gather, (vmsim__pfn)pfn))
            return;
    }
    vmsim__table_strip(vm, (vmsim__pfn)pfn, level, mm->cpu);
    if (gathered)
        vmsim__gather_page(vm->gather, (vmsim__pfn)pfn);
    else
        vmsim__mem_free(vm->mem, (vmsim__pfn)pfn, table_order(vm, level), mm->cpu);
}

/* A walker may follow an entry that was never one of ours (a torn or wrong one in tests of hardware alone): only what
 * is a table's frame is read. */
static void *table_host(void *context, uint64_t pfn) {
    struct vmsim__mm *mm = context;
    const struct vmsim__frames *t = &mm->vm->mem->frames;
    if (pfn >= t->end || !t->chunk[pfn >> t->shift])
        return NULL;
    struct vmsim__frame *f = vmsim__frame_at(t, (vmsim__pfn)pfn);
    return vmsim__frame_is(f, VMSIM__FRAME_TABLE) ? vmsim__frame_table(f) : NULL;
}

/* A PAE kernel makes the middle tables of the user's three gigabytes with the top one, whose entries a CPU keeps in
 * registers. Kernel: preallocate_pmds. */
static bool make_middle(struct vmsim__mm *mm) {
    struct vmsim__pt_slot slot;
    bool ok = true;
    for (uint64_t at = 0; ok && mm->vm->format->id == VMSIM__PT_X86_PAE && at < UINT64_C(3) << 30; at += 1u << 30)
        ok = vmsim__pt_slot(&mm->pt, at, 1, true, &slot);
    return ok;
}

/* Walkers find tables by the frames' own records, without a call: see struct vmsim__ptmem.directory. */
bool vmsim__ptmem_setup(struct vmsim__mm *mm) {
    const struct vmsim__frames *t = &mm->vm->mem->frames;
    vmsim__mm_forget_leaf(mm);
    mm->ptmem =
        (struct vmsim__ptmem){.context = mm, .table = table_host, .alloc = table_alloc, .release = table_release};
    mm->ptmem.directory.row = (const unsigned char *const *)t->chunk;
    mm->ptmem.directory.limit = t->end;
    mm->ptmem.directory.row_shift = (uint8_t)t->shift;
    mm->ptmem.directory.record_shift = 5;
    mm->ptmem.directory.record_offset = 0;
    if (!vmsim__pagetable_init(&mm->pt, mm->vm->format, &mm->ptmem))
        return false;
    if (mm->vm->spec.hardware_flags) {
        mm->pt.hardware_accessed = vmsim__vm_hardware_accessed(mm->vm);
        mm->pt.hardware_dirty = mm->vm->spec.hardware_flags == VMSIM__HARDWARE_BOTH;
    }
    if (make_middle(mm))
        return true;
    vmsim__pagetable_fini(&mm->pt);
    return false;
}

static unsigned leaf_shift(const struct vmsim__pt_format *f) {
    return f->shift[0] + f->index_bits[0];
}

static struct vmsim__leaf *leaf_of(const struct vmsim__mm *mm, uint64_t va) {
    return &mm->vm->leaves[va >> leaf_shift(mm->pt.format) & (VMSIM__LEAVES - 1)];
}

bool vmsim__mm_leaf_recall(struct vmsim__mm *mm, uint64_t va) {
    VMSIM__ASSERT(mm->pt.format->levels && mm->leaf_stamp);
    const struct vmsim__leaf *l = leaf_of(mm, va);
    if (l->stamp != mm->leaf_stamp || (va ^ l->start) >> leaf_shift(mm->pt.format))
        return false;
    VMSIM__ASSERT(l->host);
    mm->leaf = l->host;
    mm->leaf_table = l->table;
    mm->leaf_start = l->start;
    return true;
}

/* The leaf table is kept: the next slot is nearly always in it, and found by one subtraction. */
bool vmsim__mm_slot_walk(struct vmsim__mm *mm, uint64_t va, bool create, struct vmsim__pt_slot *slot) {
    const struct vmsim__pt_format *f = mm->pt.format;
    if (!vmsim__pt_slot(&mm->pt, va, 0, create, slot))
        return false;
    if (slot->entry && !slot->level) {
        mm->leaf = (unsigned char *)slot->entry - (size_t)slot->index * f->entry_bytes;
        mm->leaf_table = slot->table;
        mm->leaf_start = va & ~((UINT64_C(1) << leaf_shift(f)) - 1);
        *leaf_of(mm, va) = (struct vmsim__leaf){mm->leaf_stamp, mm->leaf_start, mm->leaf, mm->leaf_table};
    }
    return true;
}

/* Must the first write to a clean page of this shared mapping be seen? Kernel: vma_wants_writenotify. */
static bool wants_writenotify(const struct vmsim__vma *vma) {
    const uint32_t both = VMSIM__VM_WRITE | VMSIM__VM_SHARED;
    if ((vma->flags & both) != both)
        return false;
    return !(vma->flags & VMSIM__VM_SOFTDIRTY) || (vma->file && vmsim__file_wants_mkwrite(vma->file));
}

/* Shared and writable begins read-only where the file system wants to hear of the first store (dirty accounting).
 * PROT_NONE keeps the entry, without PRESENT, so that the frame is found again. Kernel: vm_get_page_prot,
 * vma_wants_writenotify. */
uint32_t vmsim__prot_flags(const struct vmsim__vma *vma) {
    uint32_t flags = VMSIM__PTE_USER | VMSIM__PTE_ACCESSED | VMSIM__PTE_READ;
    if (!vmsim__vma_accessible(vma))
        return VMSIM__PTE_PROTNONE | VMSIM__PTE_USER | VMSIM__PTE_ACCESSED;
    flags |= VMSIM__PTE_PRESENT;
    if (vma->flags & VMSIM__VM_EXEC)
        flags |= VMSIM__PTE_EXEC;
    const uint32_t both = VMSIM__VM_WRITE | VMSIM__VM_SHARED;
    if ((vma->flags & both) == both && !wants_writenotify(vma))
        flags |= VMSIM__PTE_WRITE;
    return flags;
}

void vmsim__flush_range(struct vmsim__mm *mm, uint64_t start, uint64_t end, unsigned stride_shift, bool tables,
                        unsigned cpu) {
    const struct vmsim__vm_hooks *h = &mm->vm->hooks;
    if (h->flush_range)
        h->flush_range(h->context, mm, start, end, stride_shift, tables, cpu);
}

void vmsim__flush_page(struct vmsim__mm *mm, uint64_t va, unsigned cpu) {
    VMSIM__ASSERT(!(va & (mm->vm->page_size - 1)));
    vmsim__flush_range(mm, va, va + mm->vm->page_size, mm->vm->page_shift, false, cpu);
}

/* ---- mapped pages ---- */

/* Kernel: folio_add_new_anon_rmap and folio_add_lru_vma: the page is this process's own from birth. */
VMSIM__INLINE void new_anon(struct vmsim__vma *vma, vmsim__pfn head, uint64_t va, uint32_t pages, unsigned cpu) {
    VMSIM__ASSERT(vma->anon_vma && va >= vma->start && va < vma->end);
    struct vmsim__vm *vm = vma->mm->vm;
    struct vmsim__frame *f = vmsim__vm_frame(vm, head);
    f->flags |= VMSIM__FRAME_ANON | VMSIM__FRAME_SWAPBACKED | VMSIM__FRAME_EXCLUSIVE;
    f->mapping = vma->anon_vma;
    vmsim__frame_set_index(f, vmsim__vma_index(vma, va));
    f->mapcount = 1;
    vmsim__vm_node_stat(vm, f, VMSIM__NR_ANON_PAGES, pages);
    vmsim__rss_add_fast(vma->mm, VMSIM__RSS_ANON, pages);
    vmsim__lru_add_vma(vm->lru, head, (vma->flags & (VMSIM__VM_LOCKED | VMSIM__VM_SPECIAL)) == VMSIM__VM_LOCKED, cpu);
}

void vmsim__map_new_anon(struct vmsim__vma *vma, vmsim__pfn pfn, uint64_t va, unsigned cpu) {
    new_anon(vma, pfn, va, 1, cpu);
}

/* Each base page is one mapping and one reference, as mTHP has it since 6.8: any of them may be unmapped alone. Order 1
 * does not exist for anonymous memory, which has no room for its deferred list then. */
void vmsim__map_new_folio(struct vmsim__vma *vma, vmsim__pfn head, uint64_t va, unsigned order, unsigned cpu) {
    VMSIM__ASSERT(order > 1 && !(va & ((vma->mm->vm->page_size << order) - 1)));
    struct vmsim__vm *vm = vma->mm->vm;
    const uint32_t pages = UINT32_C(1) << order;
    VMSIM__ASSERT(vmsim__frame_is(vmsim__vm_frame(vm, head), VMSIM__FRAME_HEAD));
    for (uint32_t i = 1; i < pages; i++) {
        vmsim__vm_frame(vm, head + i)->mapcount = 1;
        vmsim__vm_frame(vm, head + i)->flags |= VMSIM__FRAME_EXCLUSIVE;
    }
    vmsim__vm_frame(vm, head)->refcount += (int32_t)pages - 1;
    vmsim__thp_stat_add(vm->lru, order, VMSIM__THP_NR_ANON, 1);
    new_anon(vma, head, va, pages, cpu);
}

/* nr_anon_pages counts frames, not entries: only the first mapping adds. A locked mapping's pages leave the LRU lists
 * with the head, which stands for the folio. */
void vmsim__map_anon(struct vmsim__vma *vma, vmsim__pfn pfn, bool exclusive, unsigned cpu) {
    struct vmsim__vm *vm = vma->mm->vm;
    struct vmsim__frame *f = vmsim__vm_frame(vm, pfn);
    const vmsim__pfn head = vmsim__vm_head(vm, pfn);
    VMSIM__ASSERT(vmsim__frame_is(vmsim__vm_frame(vm, head), VMSIM__FRAME_ANON) && f->mapcount >= 0);
    vmsim__frame_map(f, 1);
    if (vmsim__vm_mapcount(vm, pfn) == 1)
        vmsim__vm_node_stat(vm, f, VMSIM__NR_ANON_PAGES, 1);
    if (exclusive)
        f->flags |= VMSIM__FRAME_EXCLUSIVE;
    if (VMSIM__UNLIKELY((vma->flags & (VMSIM__VM_LOCKED | VMSIM__VM_SPECIAL)) == VMSIM__VM_LOCKED) && pfn == head)
        vmsim__lru_mlock(vm->lru, pfn, cpu);
}
