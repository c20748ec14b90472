/* SPDX-License-Identifier: MIT */
/* Marking entries, and the faults of marked ones (numa_hint.h). */
#include "vm/numa_hint.h"

#include "vm/migrate.h"
#include "vm/vm_impl.h"
#include "zones/columns.h"

/* By the frame's zone: of tail frames, too. */
static unsigned node_of(const struct vmsim__vm *vm, vmsim__pfn pfn) {
    return vm->mem->zones[vmsim__frame_zone(vmsim__vm_frame(vm, pfn))].node;
}

/* ---- marking ---- */

/* A policy that says where pages lie is followed, unless it allows balancing within its nodes. */
bool vmsim__numa_follows(const struct vmsim__mempolicy *area, const struct vmsim__mempolicy *task) {
    const struct vmsim__mempolicy *p = area->mode ? area : task;
    return !p->mode || (p->flags & VMSIM__MPOL_F_NUMA_BALANCING);
}

/* Kernel: the conditions at the head of task_numa_work's loop: code and read-only data of files are in everybody's
 * caches. */
static bool worth_a_look(const struct vmsim__vma *v, const struct vmsim__mempolicy *task) {
    if ((v->flags & (VMSIM__VM_IO | VMSIM__VM_PFNMAP | VMSIM__VM_HUGETLB)) || !vmsim__vma_accessible(v))
        return false;
    if (v->file && (v->flags & (VMSIM__VM_READ | VMSIM__VM_WRITE)) == VMSIM__VM_READ)
        return false;
    return vmsim__numa_follows(&v->policy, task);
}

/* Kernel: change_pte_range with MM_CP_PROT_NUMA. A page that others map, or that is dirty and a file's, would not be
 * moved: its fault would be for nothing. The column has the time of the mark, where the page's node is timed
 * (tiering). */
static bool mark(const struct vmsim__vma *v, const struct vmsim__numa_scan *s, const struct vmsim__pt_slot *slot) {
    VMSIM__ASSERT(!slot->level);
    struct vmsim__vm *vm = v->mm->vm;
    struct vmsim__pte pte = vmsim__pt_get(vm->format, slot);
    if (!(pte.flags & VMSIM__PTE_PRESENT) || (pte.flags & VMSIM__PTE_SPECIAL))
        return false;
    const struct vmsim__frame *f = vmsim__vm_frame(vm, (vmsim__pfn)pte.pfn);
    const bool file = !vmsim__frame_is(f, VMSIM__FRAME_ANON | VMSIM__FRAME_SWAPBACKED);
    const unsigned node = node_of(vm, (vmsim__pfn)pte.pfn);
    if (vmsim__frame_is(f, VMSIM__FRAME_HEAD | VMSIM__FRAME_TAIL) || (s->passed >> node & 1) ||
        (file && vmsim__frame_is(f, VMSIM__FRAME_DIRTY)) ||
        (vmsim__frame_is(f, VMSIM__FRAME_ANON) && !(v->flags & VMSIM__VM_SHARED) && f->refcount != 1))
        return false;
    if ((s->timed >> node & 1) && !vmsim__column_write(vm->mem, VMSIM__COLUMN_CPUPID, (vmsim__pfn)pte.pfn, s->stamp)) {
        vm->host_nomem = true;
        return false;
    }
    pte.flags = (pte.flags & ~VMSIM__PTE_PRESENT) | VMSIM__PTE_PROTNONE;
    vmsim__pt_set(vm->format, slot, pte);
    vmsim__vm_cost(vm, vm->spec.costs.protect_page);
    return true;
}

/* Kernel: change_prot_numa. One flush for all: an entry that a TLB still has would never fault. */
static uint64_t mark_range(const struct vmsim__vma *v, const struct vmsim__numa_scan *s, uint64_t start, uint64_t end,
                           unsigned cpu) {
    struct vmsim__mm *mm = v->mm;
    struct vmsim__pt_slot slot;
    uint64_t updates = 0;
    VMSIM__ASSERT(start < end && start >= v->start && end <= v->end);
    for (uint64_t va = start; va < end && vmsim__pt_next(&mm->pt, &va, end, &slot);) {
        const uint64_t size = UINT64_C(1) << mm->pt.format->shift[slot.level];
        updates += !slot.level && mark(v, s, &slot);
        va = vmsim__align_down(va, size) + size;
    }
    if (updates)
        vmsim__flush_range(mm, start, end, mm->vm->page_shift, false, cpu);
    return updates;
}

/* In huge-page steps, from where the last scan ended; at the end of the address space it begins anew. Two bounds:
 * pages that were marked, and span that was looked at, so that sparse spaces cost no more. Kernel: task_numa_work. */
void vmsim__numa_mark(struct vmsim__mm *mm, struct vmsim__numa_scan *s, unsigned cpu) {
    const struct vmsim__vm *vm = mm->vm;
    const uint64_t huge = UINT64_C(1) << vm->format->shift[1];
    struct vmsim__vma *v = vmsim__vma_find(mm, s->at);
    uint64_t at = s->at;
    mm->cpu = cpu;
    s->updates = 0;
    vmsim__flush_pending(mm, cpu);
    for (v = v ? v : mm->first; v && s->pages > 0 && s->span > 0; v = at >= v->end ? v->next : v) {
        if (at >= v->end || at < v->start)
            at = v->start;
        if (!worth_a_look(v, s->task)) {
            at = v->end;
            continue;
        }
        uint64_t end = vmsim__align_up(at + ((uint64_t)s->pages << vm->page_shift), huge);
        end = end > at ? vmsim__min64(end, v->end) : v->end;
        const uint64_t updates = mark_range(v, s, at, end, cpu);
        const int64_t pages = (int64_t)((end - at) >> vm->page_shift);
        s->updates += updates;
        s->pages -= updates ? pages : 0;
        s->span -= pages;
        at = end;
    }
    s->at = v ? at : 0;
    vmsim__vm_event(mm->vm, VMSIM__NUMA_PTE_UPDATES, s->updates);
}

/* ---- moving ---- */

struct target {
    struct vmsim__vm *vm;
    uint16_t node, cpu;
};

/* Kernel: alloc_misplaced_dst_page. From that node or not at all, and without reclaim: moving a page is a favour. */
static vmsim__pfn target_get(void *context, vmsim__pfn from) {
    const struct target *t = context;
    const struct vmsim__alloc_request rq = {.gfp = ((VMSIM__GFP_HIGHUSER_MOVABLE | VMSIM__GFP_THISNODE |
                                                     VMSIM__GFP_NOMEMALLOC | VMSIM__GFP_NORETRY | VMSIM__GFP_NOWARN) &
                                                    ~(VMSIM__GFP_DIRECT_RECLAIM | VMSIM__GFP_KSWAPD_RECLAIM)),
                                            .cpu = t->cpu,
                                            .node = t->node};
    (void)from;
    return vmsim__mem_alloc(t->vm->mem, &rq);
}
/* A frame that was not needed after all. */
static void target_put(void *context, vmsim__pfn to) {
    const struct target *t = context;
    vmsim__folio_put(t->vm->lru, to, t->cpu);
}

/* A zone of the node has room above its high watermark. Kernel: migrate_balanced_pgdat. */
static bool has_room(const struct vmsim__mem *mem, unsigned node) {
    const struct vmsim__node *n = &mem->nodes[node];
    for (unsigned i = 0; i < n->nr_zones; i++) {
        const struct vmsim__zone *z = &mem->zones[n->zone[i]];
        if (vmsim__zone_populated(z) &&
            vmsim__zone_watermark_ok(mem, z, 0, vmsim__zone_wmark(z, VMSIM__WMARK_HIGH) + 1, VMSIM__ZONE_MOVABLE, 0))
            return true;
    }
    return false;
}

/* Kernel: migrate_misplaced_page. Executable pages that several map stay: they are in everybody's caches. */
static bool move(const struct vmsim__numa_hint *h, unsigned node) {
    struct vmsim__vm *vm = h->vma->mm->vm;
    const struct vmsim__frame *f = vmsim__vm_frame(vm, h->pfn);
    const bool file = !vmsim__frame_is(f, VMSIM__FRAME_ANON | VMSIM__FRAME_SWAPBACKED);
    struct target t = {vm, (uint16_t)node, h->cpu};
    const struct vmsim__migration how = {.mode = VMSIM__MIGRATE_ASYNC,
                                         .reason = VMSIM__MR_NUMA_MISPLACED,
                                         .context = &t,
                                         .get = target_get,
                                         .put = target_put};
    if ((file && vmsim__frame_is(f, VMSIM__FRAME_DIRTY)) ||
        (file && (h->vma->flags & VMSIM__VM_EXEC) && vmsim__vm_mapcount(vm, h->pfn) != 1))
        return false;
    if (!has_room(vm->mem, node) || !vmsim__lru_isolate(vm->lru, h->pfn))
        return false;
    struct vmsim__folio_chain chain = vmsim__folio_chain_empty();
    vmsim__folio_chain_push(vm, &chain, h->pfn);
    const bool moved = vmsim__migrate_pages(vm, &how, &chain, h->cpu).succeeded;
    vmsim__folio_chain_putback(vm, &chain, h->cpu);
    if (moved)
        vmsim__vm_event(vm, VMSIM__NUMA_PAGES_MIGRATED, 1);
    return moved;
}

/* ---- faults ---- */

/* The entry is what it was before it was marked. */
static void restore(const struct vmsim__fault_at *at) {
    struct vmsim__pte pte = at->pte;
    pte.flags = (pte.flags & ~VMSIM__PTE_PROTNONE) | vmsim__prot_flags(at->vma) | VMSIM__PTE_ACCESSED;
    vmsim__pt_set(at->mm->pt.format, &at->slot, pte);
    vmsim__vm_cost(at->mm->vm, at->mm->vm->spec.costs.map);
}

/* The entry is restored first, so that whatever becomes of the page, the reference goes on. Kernel: do_numa_page. */
enum vmsim__fault_outcome vmsim__numa_fault(struct vmsim__fault_at *at) {
    struct vmsim__vm *vm = at->mm->vm;
    const struct vmsim__numa_hooks *hooks = vm->hooks.numa;
    const vmsim__pfn pfn = (vmsim__pfn)at->pte.pfn;
    VMSIM__ASSERT((at->pte.flags & VMSIM__PTE_PROTNONE) && vmsim__vma_accessible(at->vma));
    restore(at);
    if (!hooks || (at->pte.flags & VMSIM__PTE_SPECIAL) ||
        vmsim__frame_is(vmsim__vm_frame(vm, pfn), VMSIM__FRAME_HEAD | VMSIM__FRAME_TAIL))
        return VMSIM__FAULT_MINOR;
    const struct vmsim__numa_hint h = {
        .vma = at->vma,
        .va = at->va,
        .pfn = pfn,
        .node = (uint16_t)node_of(vm, pfn),
        .cpu = (uint16_t)at->cpu,
        .shared = vmsim__vm_mapcount(vm, pfn) > 1 && (at->vma->flags & VMSIM__VM_SHARED),
        .writable = at->pte.flags & VMSIM__PTE_WRITE,
    };
    vmsim__vm_event(vm, VMSIM__NUMA_HINT_FAULTS, 1);
    vmsim__vm_event(vm, VMSIM__NUMA_HINT_FAULTS_LOCAL, h.node == vm->mem->cpu_node[at->cpu]);
    const int node = hooks->misplaced(vm->hooks.context, &h);
    VMSIM__ASSERT(node < (int)vm->mem->nr_nodes);
    const enum vmsim__numa_move what = node < 0                   ? VMSIM__NUMA_STAYS
                                       : move(&h, (unsigned)node) ? VMSIM__NUMA_MOVED
                                                                  : VMSIM__NUMA_FAILED;
    hooks->done(vm->hooks.context, &h, what == VMSIM__NUMA_MOVED ? (unsigned)node : h.node, what);
    return VMSIM__FAULT_MINOR;
}
