/* SPDX-License-Identifier: MIT */
/* The uncommon end of a walk, shared by all walkers: the leaf was found, but it does not simply allow the access.
 * Kept out of line so that the walkers' loops stay small (walker.h). */
#include "mmu/walker.h"

/* Order of the checks where several fail: the page's owner first, then what was tried. */
static enum vmsim__fault permission_fault(const struct vmsim__pagetable *pt, const struct vmsim__walk_ops *ops,
                                          unsigned mode, uint32_t flags) {
    uint32_t missing = vmsim__walk_need(mode) & ~flags;
    if (ops->open_read && !(mode & VMSIM__WALK_USER))
        missing &= ~VMSIM__PTE_READ;
    if (missing & VMSIM__PTE_USER)
        return VMSIM__FAULT_USER;
    if (missing & VMSIM__PTE_WRITE)
        return VMSIM__FAULT_WRITE;
    if (missing & VMSIM__PTE_EXEC)
        return VMSIM__FAULT_EXEC;
    if (missing & VMSIM__PTE_READ)
        return VMSIM__FAULT_READ;
    bool guarded = pt->format->no_execute && flags & VMSIM__PTE_USER;
    return mode & VMSIM__WALK_FETCH && !(mode & VMSIM__WALK_USER) && guarded ? VMSIM__FAULT_EXEC : VMSIM__FAULT_NONE;
}

static enum vmsim__fault update_fault(const struct vmsim__pagetable *pt, unsigned mode, uint32_t flags) {
    if (mode & VMSIM__WALK_PROBE)
        return VMSIM__FAULT_NONE;
    if (!(flags & VMSIM__PTE_ACCESSED) && !pt->hardware_accessed)
        return VMSIM__FAULT_ACCESSED;
    if (mode & VMSIM__WALK_WRITE && !(flags & VMSIM__PTE_DIRTY) && !pt->hardware_dirty)
        return VMSIM__FAULT_DIRTY;
    return VMSIM__FAULT_NONE;
}

VMSIM__NOINLINE uint32_t vmsim__walk_slow(const struct vmsim__pagetable *pt, const struct vmsim__walk_ops *ops,
                                          unsigned mode, const struct vmsim__walk_leaf *leaf, struct vmsim__walk *w) {
    VMSIM__ASSERT(leaf->level < pt->format->levels);
    uint32_t flags = leaf->flags;
    enum vmsim__fault permission = permission_fault(pt, ops, mode, flags), update = update_fault(pt, mode, flags);
    enum vmsim__fault fault = permission ? permission : update;
    if (ops->access_first && update == VMSIM__FAULT_ACCESSED)
        fault = update;
    w->flags = flags;
    w->fault = (uint8_t)fault;
    if (fault)
        return 0;
    if (mode & VMSIM__WALK_PROBE)
        return flags;
    bool dirty = mode & VMSIM__WALK_WRITE;
    uint64_t raw = ops->touch(leaf->raw, dirty);
    if (raw != leaf->raw)
        vmsim__walk_store(pt->format->entry_bytes == 8, leaf->entry, raw);
    return flags | VMSIM__PTE_ACCESSED | (dirty ? VMSIM__PTE_DIRTY : 0);
}
