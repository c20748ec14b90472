/* SPDX-License-Identifier: MIT */
/* mbind, set_mempolicy, get_mempolicy: policies of areas and of the running task (zones/mempolicy.h has what they do).
 *
 * An area's policy concerns the faults that come; pages that are there stay where they are unless the call says
 * MPOL_MF_MOVE (vm_relocate.c). Areas that differ in their policy alone do not merge. Kernel counterpart:
 * mm/mempolicy.c. */
#include "vm/vm_impl.h"

#define MOVE_OR_STRICT (VMSIM__MPOL_MF_STRICT | VMSIM__MPOL_MF_MOVE | VMSIM__MPOL_MF_MOVE_ALL)

static int64_t fail(int e) {
    return -(int64_t)e;
}

/* ---- areas ---- */

/* The node that holds the page at va; -1: none is there. */
static int node_of(struct vmsim__mm *mm, uint64_t va) {
    const struct vmsim__vm *vm = mm->vm;
    struct vmsim__pte pte = vmsim__mm_pagemap(mm, va);
    if (!(pte.flags & (VMSIM__PTE_PRESENT | VMSIM__PTE_PROTNONE)) || (pte.flags & VMSIM__PTE_SPECIAL))
        return -1;
    return vm->mem->zones[vmsim__frame_zone(vmsim__vm_frame(vm, (vmsim__pfn)pte.pfn))].node;
}

/* Is every page of [start, end) where the mask wants it? Kernel: queue_pages_range with MPOL_MF_STRICT. */
static bool well_placed(struct vmsim__mm *mm, uint64_t start, uint64_t end, uint64_t nodes) {
    VMSIM__ASSERT(start < end);
    struct vmsim__pt_slot slot;
    for (uint64_t va = start; va < end && vmsim__pt_next(&mm->pt, &va, end, &slot);
         va += UINT64_C(1) << mm->pt.format->shift[slot.level]) {
        const int node = node_of(mm, vmsim__max64(va, start));
        if (node >= 0 && !(nodes >> node & 1))
            return false;
    }
    return true;
}

/* Holes are an error unless the policy is taken away; STRICT alone minds pages that lie elsewhere. Kernel:
 * queue_pages_test_walk. */
static int check_range(struct vmsim__mm *mm, uint64_t start, uint64_t end, unsigned mode, uint64_t nodes,
                       unsigned flags) {
    const bool strict = mode && (flags & MOVE_OR_STRICT) == VMSIM__MPOL_MF_STRICT;
    for (uint64_t at = start; at < end;) {
        const struct vmsim__vma *v = vmsim__vma_find(mm, at);
        const bool hole = !v || v->start > at;
        if (hole && (mode || !v || v->start >= end))
            return mode || at == start ? VMSIM__L_EFAULT : 0;
        at = vmsim__max64(at, v->start);
        const uint64_t to = vmsim__min64(v->end, end);
        if (strict && !well_placed(mm, at, to, nodes))
            return VMSIM__L_EIO;
        at = to;
    }
    return 0;
}

/* Kernel: mbind_range. */
static int bind_range(struct vmsim__mm *mm, uint64_t start, uint64_t end, const struct vmsim__mempolicy *p) {
    VMSIM__ASSERT(start < end && !((start | end) & (mm->vm->page_size - 1)));
    for (uint64_t at = start; at < end;) {
        struct vmsim__vma *v = vmsim__vma_find(mm, at), *out;
        if (!v || v->start >= end)
            return 0;
        at = vmsim__max64(at, v->start);
        const uint64_t to = vmsim__min64(v->end, end);
        if (!vmsim__mempolicy_equal(&v->policy, p)) {
            int e = vmsim__vma_set_policy(mm, v, at, to, p, &out);
            if (e)
                return -e;
        }
        at = to;
    }
    return 0;
}

/* The order of errors is the kernel's. With MF_STRICT alone nothing moves, and what lies elsewhere is EIO before the
 * policy is set; with MF_MOVE what could not move is told after. Kernel: do_mbind. */
int64_t vmsim__mm_mbind(struct vmsim__mm *mm, uint64_t addr, uint64_t length, unsigned mode, uint64_t nodes,
                        unsigned flags, unsigned cpu) {
    const uint64_t page = mm->vm->page_size;
    struct vmsim__mempolicy p;
    mm->cpu = cpu;
    if (!vmsim__vm_has_numa(mm->vm))
        return fail(VMSIM__L_ENOSYS);
    vmsim__vm_call_cost(mm->vm, mm->vm->spec.costs.mprotect);
    if (flags & ~(VMSIM__MPOL_MF_STRICT | VMSIM__MPOL_MF_MOVE | VMSIM__MPOL_MF_MOVE_ALL))
        return fail(VMSIM__L_EINVAL);
    if ((flags & VMSIM__MPOL_MF_MOVE_ALL) && !mm->privileged)
        return fail(VMSIM__L_EPERM);
    if (addr & (page - 1))
        return fail(VMSIM__L_EINVAL);
    const uint64_t end = addr + vmsim__align_up(length, page);
    if (end < addr)
        return fail(VMSIM__L_EINVAL);
    if (end == addr)
        return 0;
    int e = vmsim__mempolicy_make(mm->vm->mem, mode, nodes, vmsim__mems_allowed(mm->vm->mem), &p);
    e = e ? e : check_range(mm, addr, end, p.mode, nodes, flags);
    e = e ? e : bind_range(mm, addr, end, &p);
    if (e || !(flags & MOVE_OR_STRICT & ~VMSIM__MPOL_MF_STRICT))
        return fail(e);
    const int64_t left = vmsim__relocate_range(mm, addr, end, nodes, flags & VMSIM__MPOL_MF_MOVE_ALL);
    return left > 0 ? fail(p.mode && (flags & VMSIM__MPOL_MF_STRICT) ? VMSIM__L_EIO : 0) : left;
}

/* ---- the task ---- */

void vmsim__vm_set_policy(struct vmsim__vm *vm, struct vmsim__task_policy *policy) {
    vm->task_policy = policy;
}

int64_t vmsim__vm_set_mempolicy(struct vmsim__vm *vm, struct vmsim__task_policy *task, unsigned mode, uint64_t nodes) {
    struct vmsim__mempolicy p;
    if (!vmsim__vm_has_numa(vm))
        return fail(VMSIM__L_ENOSYS);
    int e = vmsim__mempolicy_make(vm->mem, mode, nodes, vmsim__mems_allowed(vm->mem), &p);
    if (!e)
        vmsim__task_policy_set(task, &p);
    return fail(e);
}

/* Kernel: get_policy_nodemask. */
static uint64_t shown_nodes(const struct vmsim__mempolicy *p) {
    const unsigned keeps = VMSIM__MPOL_F_STATIC_NODES | VMSIM__MPOL_F_RELATIVE_NODES;
    return p->flags & keeps ? p->user : p->nodes;
}

/* MPOL_F_NODE: where the page at addr lies, or whose turn comes next. */
static int64_t node_asked_for(struct vmsim__mm *mm, const struct vmsim__task_policy *task, uint64_t addr,
                              unsigned flags) {
    if (flags & VMSIM__MPOL_F_ADDR) { /* the page is brought in if it has to be */
        if (node_of(mm, addr) < 0 && !vmsim__fault_resolved(vmsim__mm_fault(mm, addr, false, false, mm->cpu)))
            return fail(VMSIM__L_EFAULT);
        const int node = node_of(mm, addr);
        return node >= 0 ? node : mm->vm->mem->zones[0].node; /* the zero page is of the kernel's image */
    }
    if (!task || (task->policy.mode != VMSIM__MPOL_INTERLEAVE && task->policy.mode != VMSIM__MPOL_WEIGHTED_INTERLEAVE))
        return fail(VMSIM__L_EINVAL);
    return vmsim__task_policy_next(mm->vm->mem, task);
}

/* The address's own policy, or the task's where it has none; MPOL_F_NODE asks where the page is (or the next of an
 * interleave would be) instead of the mode. Kernel: do_get_mempolicy. */
int64_t vmsim__mm_get_mempolicy(struct vmsim__mm *mm, const struct vmsim__task_policy *task, uint64_t addr,
                                unsigned flags, uint64_t *nodes, unsigned cpu) {
    const struct vmsim__mempolicy *p = task ? &task->policy : &(const struct vmsim__mempolicy){0};
    mm->cpu = cpu;
    *nodes = 0;
    if (!vmsim__vm_has_numa(mm->vm))
        return fail(VMSIM__L_ENOSYS);
    if (flags & ~(VMSIM__MPOL_F_NODE | VMSIM__MPOL_F_ADDR | VMSIM__MPOL_F_MEMS_ALLOWED))
        return fail(VMSIM__L_EINVAL);
    if (flags & VMSIM__MPOL_F_MEMS_ALLOWED) {
        *nodes = vmsim__mems_allowed(mm->vm->mem);
        return flags & (VMSIM__MPOL_F_NODE | VMSIM__MPOL_F_ADDR) ? fail(VMSIM__L_EINVAL) : 0;
    }
    if (flags & VMSIM__MPOL_F_ADDR) {
        const struct vmsim__vma *v = vmsim__vma_find(mm, addr);
        if (!v || v->start > addr)
            return fail(VMSIM__L_EFAULT);
        p = v->policy.mode ? &v->policy : p;
    } else if (addr) {
        return fail(VMSIM__L_EINVAL);
    }
    *nodes = shown_nodes(p);
    return flags & VMSIM__MPOL_F_NODE ? node_asked_for(mm, task, addr, flags)
                                      : p->mode | (p->flags & VMSIM__MPOL_F_ALL);
}
