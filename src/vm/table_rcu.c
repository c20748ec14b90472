/* SPDX-License-Identifier: MIT */
/* Page tables that outlive their unmap: where a walk by software may read tables without a lock, while no interrupt
 * tells it that they go, a table is freed only when every CPU has been out of such a walk once.
 *
 *     gather      batch frame -> table -> table ...            509 of them fit into a page of 4 KiB
 *     CPU's queue batch -> batch ...                           each until its grace period is over
 *
 * A batch takes a frame of its own, so that an unmap allocates; both are seen in pgalloc, pgfree and free memory.
 * Frames are linked by their own fields: next from a batch to its first table, mapping from there on, prev from a batch
 * to the next one. A table keeps its entries, all clear, and its charge until the end.
 * Who needs it so: arm64 and 32-bit ARM with LPAE; RISC-V since 6.10. x86 interrupts CPUs instead, and frees at once.
 *
 * Kernel counterpart: mm/mmu_gather.c (tlb_remove_table, tlb_table_flush), CONFIG_MMU_GATHER_RCU_TABLE_FREE. */
#include "vm/vm_impl.h"

/* Pointers that fit behind a struct mmu_table_batch: its head of RCU, and a count that fills a word. */
static uint32_t room_of(const struct vmsim__vm *vm) {
    const uint32_t word = vmsim__arch_is_narrow(vm->mem->arch) ? 4 : 8;
    return (uint32_t)(vm->page_size / word) - 3;
}

/* The kernel's choice by architecture: where a flush interrupts all CPUs, whoever walks with interrupts off holds
 * tables back by that; where hardware broadcasts flushes, nothing would. */
bool vmsim__tables_wait(const struct vmsim__pt_format *f, const struct vmsim__kernel *k) {
    switch (f->arch) {
    case VMSIM__PT_ARCH_ARM64:
        return true;
    case VMSIM__PT_ARCH_ARM:
        return f->id == VMSIM__PT_ARM_LPAE;
    case VMSIM__PT_ARCH_RISCV:
        return k->riscv_tables_wait;
    default:
        return false;
    }
}

/* The batch goes last: it holds what goes before. Kernel: tlb_remove_table_rcu. */
static void free_batch(struct vmsim__vm *vm, vmsim__pfn batch, unsigned cpu) {
    struct vmsim__frame *b = vmsim__vm_frame(vm, batch);
    vmsim__pfn pfn = b->next;
    VMSIM__ASSERT(pfn != VMSIM__PFN_NONE && !vmsim__frame_is(b, VMSIM__FRAME_TABLE));
    while (pfn != VMSIM__PFN_NONE) {
        struct vmsim__frame *f = vmsim__vm_frame(vm, pfn);
        const vmsim__pfn next = f->mapping;
        VMSIM__ASSERT(f->refcount == 1);
        f->mapping = 0;
        vmsim__table_strip(vm, pfn, 0, cpu);
        vmsim__mem_free(vm->mem, pfn, 0, cpu);
        pfn = next;
    }
    b->next = b->prev = 0;
    vmsim__mem_free(vm->mem, batch, 0, cpu);
}

/* Kernel: call_rcu. Where nobody tells of grace periods (a manager without a machine), there are none. */
void vmsim__tables_queue(struct vmsim__gather *g) {
    struct vmsim__vm *vm = g->mm->vm;
    const unsigned cpu = g->mm->cpu;
    if (!g->tables_count)
        return;
    struct vmsim__table_queue *q = &vm->table_queues[cpu];
    if (!vm->hooks.grace || !vm->hooks.grace(vm->hooks.context, cpu, q->begun)) {
        free_batch(vm, g->table_batch, cpu);
    } else {
        vmsim__vm_frame(vm, g->table_batch)->prev = VMSIM__PFN_NONE;
        if (q->begun++ == q->over)
            q->first = g->table_batch;
        else
            vmsim__vm_frame(vm, q->last)->prev = g->table_batch;
        q->last = g->table_batch;
    }
    g->tables_count = 0;
}

/* Only what goes in here waits: deposits of huge pages, which are freed by the way, no walk has ever seen. */
void vmsim__gather_tables(struct vmsim__gather *g, uint64_t start, uint64_t end, uint64_t floor, uint64_t ceiling) {
    VMSIM__ASSERT(g->mm->vm->gather == g && !g->tables_go);
    g->tables_go = g->mm->vm->table_queues != NULL;
    vmsim__pt_free_range(&g->mm->pt, start, end, floor, ceiling);
    g->tables_go = false;
}

/* Kernel: tlb_remove_table. Without room for a batch it interrupts all CPUs, and frees the table at once. */
bool vmsim__gather_table(struct vmsim__gather *g, vmsim__pfn pfn) {
    struct vmsim__vm *vm = g->mm->vm;
    VMSIM__ASSERT(vm->gather == g && g->tables_go);
    if (!g->tables_count) {
        g->table_batch = vmsim__vm_alloc_page(vm, VMSIM__GFP_NOWAIT | VMSIM__GFP_NOWARN, 0, g->mm->cpu);
        if (g->table_batch == VMSIM__PFN_NONE)
            return false;
        vmsim__vm_frame(vm, g->table_batch)->next = pfn;
    } else {
        vmsim__vm_frame(vm, g->table_last)->mapping = pfn;
    }
    vmsim__vm_frame(vm, pfn)->mapping = VMSIM__PFN_NONE;
    g->table_last = pfn;
    if (++g->tables_count == room_of(vm))
        vmsim__tables_queue(g);
    return true;
}

/* A CPU's callbacks are run in the order in which they came. */
void vmsim__tables_grace_over(struct vmsim__vm *vm, unsigned cpu, uint64_t batch) {
    struct vmsim__table_queue *q = &vm->table_queues[cpu];
    VMSIM__ASSERT(q->over <= q->begun && batch < q->begun);
    while (q->over <= batch) { /* of an earlier number nothing is left if somebody did not wait */
        const vmsim__pfn first = q->first;
        q->first = vmsim__vm_frame(vm, first)->prev;
        q->over++;
        free_batch(vm, first, cpu);
    }
}

/* For the end of a machine, and for who compares with one that was idle for longer than a grace period. */
void vmsim__tables_barrier(struct vmsim__vm *vm) {
    for (unsigned cpu = 0; vm->table_queues && cpu < vm->mem->nr_cpus; cpu++)
        if (vm->table_queues[cpu].begun)
            vmsim__tables_grace_over(vm, cpu, vm->table_queues[cpu].begun - 1);
}
