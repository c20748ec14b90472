/* SPDX-License-Identifier: MIT */
/* Page faults: which VMA, is the access allowed, what is missing; the anonymous fault; stack growth; population.
 *
 *     no VMA, kernel half         SIGSEGV, MAPERR        no entry, anonymous   zero page (read) or a new page (write)
 *     VMA forbids the access      SIGSEGV, ACCERR        no entry, file        fault_file.c
 *     else handle_mm_fault:       pgfault +1             swap entry            the hook of swap
 *                                                        present, write        cow.c
 *                                                        present, otherwise    young / dirty bits, or spurious
 *
 * Kernel counterparts: mm/memory.c (handle_mm_fault and below), mm/mmap.c (expand_downwards), mm/gup.c (populate),
 * arch/x86/mm/fault.c. */
#include "vm/collapse.h"
#include "vm/thp_policies.h"
#include "vm/vm_hugetlb.h"

/* The slot is kept in the fault, so that the table is looked for once however many steps the fault takes. */
bool vmsim__fault_table(struct vmsim__fault_at *at) {
    VMSIM__ASSERT(!(at->va & (at->mm->vm->page_size - 1)));
    if (at->slot.entry && !at->slot.level)
        return true;
    return vmsim__mm_slot(at->mm, at->va, true, &at->slot) && !at->slot.level;
}

/* No walk has seen the table, so that no CPU has to forget it. */
void vmsim__fault_table_undo(struct vmsim__fault_at *at) {
    VMSIM__ASSERT(at->slot.entry && !at->slot.level);
    struct vmsim__pagetable *pt = &at->mm->pt;
    const struct vmsim__pt_format *f = pt->format;
    const uint64_t bytes = UINT64_C(1) << (f->shift[0] + f->index_bits[0]);
    const uint64_t start = vmsim__align_down(at->va, bytes), end = start + bytes;
    struct vmsim__pt_slot slot;
    uint64_t va = start;
    if (vmsim__pt_next(pt, &va, end, &slot))
        return;
    vmsim__pt_free_range(pt, start, end, start, end);
    at->slot.entry = NULL;
}

/* An empty leaf table goes, for a huge entry to take its place. Kernel: collapse_and_free_pmd. */
void vmsim__table_retract(struct vmsim__mm *mm, uint64_t start, unsigned cpu) {
    const struct vmsim__pt_format *f = mm->pt.format;
    const uint64_t end = start + (UINT64_C(1) << (f->shift[0] + f->index_bits[0]));
    struct vmsim__pt_slot slot;
    const unsigned own = mm->cpu;
    uint64_t va = start;
    if (vmsim__pt_next(&mm->pt, &va, end, &slot) || !vmsim__pt_slot(&mm->pt, start, 0, false, &slot) || !slot.entry ||
        slot.level)
        return;
    mm->cpu = cpu;
    vmsim__flush_range(mm, start, end, mm->vm->page_shift, true, cpu);
    vmsim__pt_free_range(&mm->pt, start, end, start, end);
    mm->cpu = own;
}

/* ---- anonymous ---- */

/* Kernel: do_anonymous_page: a read maps the zero page and costs no frame; the frame comes with the first write. */
static enum vmsim__fault_outcome anon_fault(struct vmsim__fault_at *at) {
    VMSIM__ASSERT(!at->vma->file);
    struct vmsim__mm *mm = at->mm;
    struct vmsim__vm *vm = mm->vm;
    struct vmsim__vma *vma = at->vma;
    uint32_t flags = vmsim__prot_flags(vma);
    if (!vmsim__fault_table(at))
        return VMSIM__FAULT_OOM;
    if (VMSIM__UNLIKELY(vmsim__thp_asks(vm))) {
        bool done;
        enum vmsim__fault_outcome o = vmsim__thp_reserve_fault(at, at->reserve, &done);
        if (done)
            return o;
    }
    if (!at->write) {
        const struct vmsim__pte zero = {vm->zero_pfn, flags | VMSIM__PTE_SPECIAL};
        vmsim__pt_set(mm->pt.format, &at->slot, zero);
        if (vmsim__vma_is_vdso(vma))
            vmsim__vdso_mapped(vma, 1);
        return VMSIM__FAULT_MINOR;
    }
    if (vmsim__anon_vma_prepare(vma))
        return VMSIM__FAULT_OOM;
    if (vm->kernel->thp_per_size) {
        bool done;
        enum vmsim__fault_outcome o = vmsim__thp_order_fault(at, &done);
        if (done)
            return o;
    }
    vmsim__pfn pfn = vmsim__vma_alloc_folio(vma, at->va, VMSIM__GFP_HIGHUSER_MOVABLE | VMSIM__GFP_ZERO, 0, at->cpu);
    if (pfn == VMSIM__PFN_NONE)
        return VMSIM__FAULT_OOM;
    VMSIM__ASSERT(!vmsim__pt_read(mm->pt.format, &at->slot)); /* reclaim empties entries, it fills none */
    vmsim__vm_fill(vm, pfn, VMSIM__PFN_NONE, 0);
    vmsim__map_new_anon(vma, pfn, at->va, at->cpu);
    if (vma->flags & VMSIM__VM_WRITE)
        flags |= VMSIM__PTE_WRITE | VMSIM__PTE_DIRTY | VMSIM__PTE_SOFT_DIRTY;
    const struct vmsim__pte pte = {pfn, flags};
    vmsim__pt_write(mm->pt.format, &at->slot, mm->pt.format->encode(mm->pt.format, 0, pte));
    vmsim__vm_cost(vm, vm->spec.costs.map);
    vmsim__vm_clear_cost(vm, vm->spec.costs.zero_page, 1, pfn, at->cpu);
    return VMSIM__FAULT_MINOR;
}

/* ---- present entries ---- */

/* The end of handle_pte_fault: a spurious fault on a write means that this CPU's TLB holds an older entry. */
static enum vmsim__fault_outcome present_fault(struct vmsim__fault_at *at) {
    VMSIM__ASSERT(at->slot.entry && !at->slot.level);
    if (at->write && !(at->pte.flags & VMSIM__PTE_WRITE))
        return vmsim__fault_wp(at);
    uint32_t want = VMSIM__PTE_ACCESSED | (at->write ? VMSIM__PTE_DIRTY | VMSIM__PTE_SOFT_DIRTY : 0);
    if ((at->pte.flags & want) == want) {
        if (at->write)
            vmsim__flush_page(at->mm, at->va, at->cpu);
        return VMSIM__FAULT_SPURIOUS;
    }
    at->pte.flags |= want;
    vmsim__pt_set(at->mm->pt.format, &at->slot, at->pte);
    return VMSIM__FAULT_MINOR;
}

/* Kernel: handle_pte_fault. */
static enum vmsim__fault_outcome pte_fault(struct vmsim__fault_at *at) {
    const struct vmsim__pt_format *f = at->mm->pt.format;
    uint64_t raw = at->slot.entry ? vmsim__pt_read(f, &at->slot) : 0;
    if (VMSIM__UNLIKELY(at->mm->vm->mem->kmap_time) && at->slot.entry) /* pte_offset_map */
        vmsim__vm_cost(at->mm->vm, vmsim__mem_window(at->mm->vm->mem, 1, (vmsim__pfn)at->slot.table));
    if (!raw)
        return at->vma->file ? vmsim__fault_file(at) : anon_fault(at);
    at->pte = vmsim__pt_get(f, &at->slot);
    if (at->pte.flags & VMSIM__PTE_SWAP)
        return vmsim__nonpresent_fault(at);
    if (VMSIM__UNLIKELY(at->pte.flags & VMSIM__PTE_PROTNONE)) /* the area allows the access, or it were refused */
        return vmsim__numa_fault(at);
    return present_fault(at);
}

/* What an empty range begins with. */
static enum vmsim_thp_size first_size(struct vmsim__fault_at *at) {
    const bool allowed = vmsim__thp_allowed(at->vma, at->va);
    if (!vmsim__thp_asks(at->mm->vm) || !vmsim__thp_possible(at->vma, at->va))
        return allowed ? VMSIM_THP_HUGE : VMSIM_THP_BASE;
    const uint64_t start = vmsim__align_down(at->va, UINT64_C(1) << at->mm->pt.format->shift[1]);
    vmsim__khugepaged_enter(at->vma);
    const enum vmsim_thp_size size = vmsim__thp_ask_fault(at->vma, start, at->write, allowed, at->cpu);
    at->reserve = size == VMSIM_THP_RESERVE;
    return size;
}

/* The levels above the leaf table, then huge pages, then the entry. */
static VMSIM__NOINLINE enum vmsim__fault_outcome walk_fault(struct vmsim__fault_at *at) {
    struct vmsim__mm *mm = at->mm;
    bool done = false;
    enum vmsim__fault_outcome o = VMSIM__FAULT_OOM;
    if (mm->pt.format->levels > 1 && !vmsim__pt_slot(&mm->pt, at->va, 1, true, &at->slot))
        return VMSIM__FAULT_OOM;
    if (!vmsim__mm_slot(mm, at->va, false, &at->slot))
        return VMSIM__FAULT_OOM;
    if (at->slot.entry && at->slot.level) {
        struct vmsim__pt_slot huge = at->slot;
        o = vmsim__thp_wp(at, &huge, &done);
    } else if (!at->slot.entry && first_size(at) == VMSIM_THP_HUGE) {
        o = vmsim__thp_fault(at->vma, at->va, at->write, at->cpu, &done);
    }
    if (done)
        return o;
    if (vmsim__now_waits(&mm->vm->mem->now) || !vmsim__mm_slot(mm, at->va, false, &at->slot))
        return VMSIM__FAULT_OOM;
    return pte_fault(at);
}

/* Faults of a thread are folded into the counters of its address space every 64th time. Kernel: check_sync_rss_stat,
 * TASK_RSS_EVENTS_THRESH. */
static void rss_event(struct vmsim__mm *mm) {
    if (mm->rss_events++ > 64)
        vmsim__rss_sync(mm);
}

/* Kernel: mm_account_fault. */
static void count_task_fault(struct vmsim__mm *mm, enum vmsim__fault_outcome o) {
    struct vmsim__now *c = &mm->vm->mem->now;
    if (o == VMSIM__FAULT_MAJOR) {
        c->maj_flt++;
        mm->maj_flt++;
    } else if (vmsim__fault_resolved(o)) {
        c->min_flt++;
        mm->min_flt++;
    }
}

/* What a fault comes to that was entered more than once. Population counts one that waited by the retry, not by the I/O
 * (faultin_page reports VM_FAULT_RETRY). */
static enum vmsim__fault_outcome after_tries(const struct vmsim__vm *vm, const struct vmsim__call *call) {
    if (vm->retries_count != VMSIM__RETRY_BY_IO)
        return vm->retries_count == VMSIM__RETRY_MAJOR ? VMSIM__FAULT_MAJOR : VMSIM__FAULT_MINOR;
    return call->major || vm->kernel->retry_is_major ? VMSIM__FAULT_MAJOR : VMSIM__FAULT_MINOR;
}

/* The outcome of an entry, begun at `begin`, that waits, fails, or is not the first; what the next one has to know
 * stands in `call`. */
static enum vmsim__fault_outcome settle(const struct vmsim__vm *vm, struct vmsim__call *call,
                                        enum vmsim__fault_outcome o, uint64_t begin) {
    VMSIM__ASSERT(call->fault_since <= begin && begin <= vm->mem->now.time);
    if (o == VMSIM__FAULT_OOM && vmsim__now_waits(&vm->mem->now)) /* an allocation waits: wherever that was */
        o = VMSIM__FAULT_WAIT;
    if (o == VMSIM__FAULT_WAIT && vm->mem->now.wait.kind == VMSIM__WAIT_LOCKED)
        call->page = vm->mem->now.wait.what + 1;
    call->stalled = o == VMSIM__FAULT_WAIT && (vm->mem->now.wait.kind == VMSIM__WAIT_THROTTLE || call->inside);
    call->inside = false;
    if (o == VMSIM__FAULT_WAIT && !call->fault_since)
        call->fault_since = begin;
    if (call->stalled)
        return o;
    if (o == VMSIM__FAULT_RETRY || o == VMSIM__FAULT_WAIT) {
        call->tried = true;
        call->readahead_over = false; /* entered anew, it looks for its page first */
        return o;
    }
    if (call->tried && vmsim__fault_resolved(o))
        o = after_tries(vm, call);
    else if (call->major && vmsim__fault_resolved(o))
        o = VMSIM__FAULT_MAJOR;
    call->tried = call->major = call->alone = false;
    vmsim__readahead_end(call);
    call->circles = 0;
    call->fault_since = call->page = 0;
    return o;
}

/* Kernel: handle_mm_fault. Until 6.4 pgfault counts every entry, resolved or not; the task's own counters only those
 * resolved. */
VMSIM__INLINE enum vmsim__fault_outcome handle_fault(struct vmsim__vma *vma, uint64_t va, bool write, bool fetch,
                                                     unsigned cpu) {
    VMSIM__ASSERT(va >= vma->start && va < vma->end && cpu < vma->mm->vm->mem->nr_cpus);
    struct vmsim__mm *mm = vma->mm;
    struct vmsim__vm *vm = mm->vm;
    struct vmsim__fault_at at = {
        .mm = mm, .vma = vma, .va = va & ~(vm->page_size - 1), .write = write, .fetch = fetch, .cpu = cpu};
    struct vmsim__call *call = vmsim__now_call(&vm->mem->now);
    const uint64_t begin = vm->mem->now.time;
    mm->cpu = cpu;
    vm->mem->now.in_lru_fault = !(vma->flags & (VMSIM__VM_SEQ_READ | VMSIM__VM_RAND_READ)); /* lru_gen_enter_fault */
    if (!call->stalled) {
        if (!call->tried || vm->kernel->retry_counts_twice)
            vmsim__vm_task_event(vm, VMSIM__PGFAULT, 1);
        rss_event(mm);
        vmsim__vm_cost(vm, vm->spec.costs.fault);
    }
    enum vmsim__fault_outcome o;
    if (VMSIM__UNLIKELY(vma->flags & VMSIM__VM_HUGETLB))
        o = vmsim__hugetlb_fault(&at);
    else
        o = VMSIM__LIKELY(vmsim__mm_leaf_slot(mm, at.va, &at.slot)) ? pte_fault(&at) : walk_fault(&at);
    vm->mem->now.in_lru_fault = false;
    if (VMSIM__UNLIKELY(!vmsim__fault_resolved(o) | call->stalled | call->tried | call->major))
        o = settle(vm, call, o, begin);
    count_task_fault(mm, o);
    return o;
}

enum vmsim__fault_outcome vmsim__handle_fault(struct vmsim__vma *vma, uint64_t va, bool write, bool fetch,
                                              unsigned cpu) {
    return handle_fault(vma, va, write, fetch, cpu);
}

/* Kernel: access_error of arch/x86: a fetch is an ordinary read where entries cannot forbid execution. */
static bool access_allowed(const struct vmsim__vma *v, bool write, bool fetch) {
    if (write)
        return v->flags & VMSIM__VM_WRITE;
    if (fetch && v->mm->pt.format->no_execute)
        return v->flags & VMSIM__VM_EXEC;
    return vmsim__vma_accessible(v);
}

enum vmsim__fault_outcome vmsim__mm_fault(struct vmsim__mm *mm, uint64_t va, bool write, bool fetch, unsigned cpu) {
    mm->cpu = cpu;
    if (VMSIM__UNLIKELY(va >= mm->task_size))
        return VMSIM__FAULT_SIGSEGV_MAPERR;
    struct vmsim__vma *v = vmsim__vma_find(mm, va);
    if (VMSIM__UNLIKELY(!v))
        return VMSIM__FAULT_SIGSEGV_MAPERR;
    if (VMSIM__UNLIKELY(va < v->start)) {
        if (!(v->flags & VMSIM__VM_GROWSDOWN) || vmsim__expand_stack(v, va))
            return VMSIM__FAULT_SIGSEGV_MAPERR;
    }
    if (VMSIM__UNLIKELY(!access_allowed(v, write, fetch)))
        return VMSIM__FAULT_SIGSEGV_ACCERR;
    if (VMSIM__UNLIKELY(vmsim__nommu(mm->vm))) /* the first half of a reference that leaves the mapping */
        return VMSIM__FAULT_SIGSEGV_MAPERR;
    enum vmsim__fault_outcome o;
    do
        o = handle_fault(v, va, write, fetch, cpu);
    while (VMSIM__UNLIKELY(o == VMSIM__FAULT_RETRY));
    return o;
}

/* The kernel's own store to user memory (clear_child_tid, a futex of a robust list): through the entry if it allows it,
 * else by a fault that cannot raise a signal. */
bool vmsim__mm_put_user(struct vmsim__mm *mm, uint64_t va, unsigned cpu) {
    struct vmsim__pt_slot slot;
    if (va < mm->task_size && vmsim__mm_slot(mm, va & ~(mm->vm->page_size - 1), false, &slot) && slot.entry) {
        struct vmsim__pte pte = vmsim__pt_get(mm->pt.format, &slot);
        const uint32_t set = VMSIM__PTE_ACCESSED | VMSIM__PTE_DIRTY | VMSIM__PTE_SOFT_DIRTY;
        if ((pte.flags & (VMSIM__PTE_PRESENT | VMSIM__PTE_WRITE)) == (VMSIM__PTE_PRESENT | VMSIM__PTE_WRITE)) {
            pte.flags |= set;
            vmsim__pt_set(mm->pt.format, &slot, pte);
            return true;
        }
    }
    return vmsim__fault_resolved(vmsim__mm_fault(mm, va, true, false, cpu));
}

/* clock_gettime and its like touch code and data of the vDSO; both pages are the kernel's, so that the first call has
 * two minor faults. */
void vmsim__mm_vdso_call(struct vmsim__mm *mm, unsigned cpu) {
    const uint64_t at[] = {mm->vdso, mm->vdso - (mm->vm->spec.vvar_pages << mm->vm->page_shift)};
    struct vmsim__pt_slot slot;
    for (unsigned i = 0; mm->vdso && i < VMSIM__COUNT(at); i++) {
        if (!vmsim__mm_slot(mm, at[i], false, &slot) || !slot.entry || !vmsim__pt_read(mm->pt.format, &slot))
            vmsim__mm_fault(mm, at[i], false, i == 0, cpu);
    }
}

/* ---- stacks ---- */

/* Kernel: acct_stack_growth. It charges the growth of every mapping, and munmap gives back what is VM_ACCOUNT alone: a
 * read-only or MAP_NORESERVE mapping that grows leaks Committed_AS. The room is asked for here as there; the leak is
 * not imitated. */
static int stack_allowed(struct vmsim__mm *mm, const struct vmsim__vma *v, uint64_t size, uint64_t grow) {
    if (!vmsim__may_expand(mm, v->flags, grow))
        return -VMSIM__L_ENOMEM;
    if (size > mm->rlimit[VMSIM__RLIMIT_STACK])
        return -VMSIM__L_ENOMEM;
    if (!vmsim__mlock_room(mm, v->flags, grow << mm->vm->page_shift))
        return -VMSIM__L_ENOMEM;
    if (!vmsim__commit(mm, grow))
        return -VMSIM__L_ENOMEM;
    if (!(v->flags & VMSIM__VM_ACCOUNT))
        vmsim__uncommit(mm->vm, grow);
    return 0;
}

/* Kernel: expand_downwards. The gap to what lies below is kept unless that is a stack as well or cannot be accessed: an
 * inaccessible mapping is a guard itself. */
int vmsim__expand_stack(struct vmsim__vma *vma, uint64_t va) {
    VMSIM__ASSERT(vma->flags & VMSIM__VM_GROWSDOWN && va < vma->start);
    struct vmsim__mm *mm = vma->mm;
    struct vmsim__vm *vm = mm->vm;
    const struct vmsim__vma *prev = vma->prev;
    uint64_t guard = vm->spec.stack_guard_gap << vm->page_shift;
    va &= ~(vm->page_size - 1);
    if (va < vm->spec.mmap_min_addr)
        return -VMSIM__L_EPERM;
    if (prev && !(prev->flags & VMSIM__VM_GROWSDOWN) && vmsim__vma_accessible(prev) &&
        (prev->end > va || va - prev->end < guard))
        return -VMSIM__L_ENOMEM;
    if (vmsim__anon_vma_prepare(vma))
        return -VMSIM__L_ENOMEM;
    uint64_t grow = (vma->start - va) >> vm->page_shift;
    if (grow > vma->pgoff)
        return -VMSIM__L_ENOMEM;
    int e = stack_allowed(mm, vma, vma->end - va, grow);
    if (e)
        return e;
    if (vma->flags & VMSIM__VM_LOCKED)
        mm->locked_vm += grow;
    vmsim__stat_account(mm, vma->flags, (int64_t)grow);
    vmsim__vma_prepare(vma);
    vma->start = va;
    vma->pgoff -= grow;
    vmsim__vma_complete(vma);
    VMSIM__ASSERT(vma->start < vma->end && (!vma->prev || vma->prev->end <= vma->start));
    vmsim__vma_resized(mm, vma);
    return 0;
}

/* ---- population: get_user_pages ---- */

/* Is the page there in the way that is wanted? Then it is touched: marked accessed, and dirty for a write. Kernel:
 * follow_page_pte with FOLL_TOUCH. */
static bool present_as_wanted(struct vmsim__vma *vma, uint64_t va, bool write) {
    struct vmsim__mm *mm = vma->mm;
    const struct vmsim__pt_format *f = mm->pt.format;
    struct vmsim__pt_slot slot;
    if (!vmsim__mm_slot(mm, va, false, &slot) || !slot.entry)
        return false;
    struct vmsim__pte pte = vmsim__pt_get(f, &slot);
    if (!(pte.flags & VMSIM__PTE_PRESENT) || (write && !(pte.flags & VMSIM__PTE_WRITE)))
        return false;
    if ((pte.flags & VMSIM__PTE_SPECIAL) || (vma->flags & VMSIM__VM_HUGETLB))
        return true;
    vmsim__pfn pfn = vmsim__vm_head(mm->vm, (vmsim__pfn)pte.pfn);
    if (write && !(pte.flags & VMSIM__PTE_DIRTY))
        vmsim__page_dirty(mm->vm->cache, pfn);
    vmsim__lru_mark_accessed(mm->vm->lru, pfn, mm->cpu);
    return true;
}

/* Kernel: vm_fault_to_errno; hardware poison has no place here. */
static int fault_errno(enum vmsim__fault_outcome o) {
    if (o == VMSIM__FAULT_WAIT)
        return -VMSIM__ERESTARTSYS;
    return o == VMSIM__FAULT_OOM ? -VMSIM__L_ENOMEM : -VMSIM__L_EFAULT;
}

/* Kernel: faultin_page in a loop, as __get_user_pages: a fault may have to be followed by another, first the page,
 * then the right to write. */
static int populate_pages(struct vmsim__vma *vma, uint64_t start, uint64_t end, bool write, unsigned cpu) {
    VMSIM__ASSERT(start >= vma->start && end <= vma->end);
    struct vmsim__call *call = vmsim__now_call(&vma->mm->vm->mem->now);
    for (uint64_t va = vmsim__max64(start, call->done); va < end; va += vma->mm->vm->page_size) {
        while (!present_as_wanted(vma, va, write)) {
            enum vmsim__fault_outcome o = vmsim__handle_fault(vma, va, write, false, cpu);
            if (o == VMSIM__FAULT_RETRY)
                continue;
            call->done = o == VMSIM__FAULT_WAIT ? va : 0;
            if (!vmsim__fault_resolved(o))
                return fault_errno(o);
            if (write && !(vma->flags & VMSIM__VM_WRITE))
                break; /* forced: a private copy that stays read-only */
        }
    }
    return 0;
}

int vmsim__populate_vma(struct vmsim__vma *vma, uint64_t start, uint64_t end, unsigned mode, unsigned cpu) {
    VMSIM__ASSERT(start <= end && !((start | end) & (vma->mm->vm->page_size - 1)));
    struct vmsim__vm *vm = vma->mm->vm;
    vma->mm->cpu = cpu;
    vm->retries_count =
        mode & VMSIM__POPULATE_ADVICE && vm->kernel->populate_retry_major ? VMSIM__RETRY_MAJOR : VMSIM__RETRY_MINOR;
    int e = populate_pages(vma, start, end, mode & VMSIM__POPULATE_WRITE, cpu);
    vm->retries_count = VMSIM__RETRY_BY_IO;
    return e;
}

/* Kernel: __mm_populate: errors are swallowed, as mmap has succeeded by then. A shared mapping is only read,
 * so that no page of the file becomes dirty for nothing. */
void vmsim__mm_populate(struct vmsim__mm *mm, uint64_t start, uint64_t length, unsigned cpu) {
    uint64_t end = start + length;
    struct vmsim__call *call = vmsim__now_call(&mm->vm->mem->now);
    call->populate = call->populate_end = 0;
    for (uint64_t at = start; at < end;) {
        struct vmsim__vma *v = vmsim__vma_find(mm, at);
        if (!v || v->start >= end)
            break;
        uint64_t from = vmsim__max64(at, v->start), to = vmsim__min64(end, v->end);
        at = v->end;
        if ((v->flags & (VMSIM__VM_IO | VMSIM__VM_PFNMAP)) || (v->flags & VMSIM__VM_LOCKONFAULT) ||
            !vmsim__vma_accessible(v))
            continue;
        bool write = (v->flags & (VMSIM__VM_WRITE | VMSIM__VM_SHARED)) == VMSIM__VM_WRITE;
        if (vmsim__populate_vma(v, from, to, write ? VMSIM__POPULATE_WRITE : 0, cpu) == -VMSIM__ERESTARTSYS) {
            call->populate = call->done;
            call->populate_end = end;
            call->done = 0;
            return;
        }
    }
}
