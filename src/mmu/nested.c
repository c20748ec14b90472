/* SPDX-License-Identifier: MIT */
/* Two-dimensional walks: a guest's tables hold guest-physical addresses, and the host's tables translate each of them
 * before the entry can be read.
 *
 *     guest level   4        3        2        1        the page
 *                   h h h h  h h h h  h h h h  h h h h  h h h h     host references, for the address of what follows
 *                          g        g        g        g             the guest's entry itself
 *
 * With g guest and h host levels that is g * (h + 1) + h = (g + 1)(h + 1) - 1 references, 24 for 4 and 4. The guest is
 * first walked as a probe, which gives the addresses of its entries without a trace; then the host's dimension is
 * walked in the order of the hardware, and the guest's walk is done in earnest before the page itself is translated. So
 * nothing of the guest has changed when the host has no page for one of its tables.
 *
 * Hardware: Intel EPT (SDM volume 3 chapter 29), AMD nested paging, Arm stage 2, RISC-V G-stage. */
#include "mmu/mmu.h"
#include <string.h>

/* Appends the references of one host walk. False: it faulted, and *w says why. */
static bool host_walk(const struct vmsim__pagetable *host, uint64_t gpa, unsigned mode, struct vmsim__walk *w,
                      struct vmsim__walk *h) {
    VMSIM__ASSERT(w->refs < VMSIM__WALK_REFS);
    bool ok = vmsim__mmu_walk(host, gpa, mode | VMSIM__WALK_USER, h);
    VMSIM__ASSERT(w->refs + h->refs <= VMSIM__WALK_REFS);
    memcpy(&w->ref[w->refs], h->ref, h->refs * sizeof *h->ref);
    w->refs = (uint8_t)(w->refs + h->refs);
    if (!ok) {
        w->fault = h->fault;
        w->level = h->level;
        w->pa = gpa;
    }
    return ok;
}

/* Copies what is the guest's alone. */
static void take_guest(struct vmsim__walk *w, const struct vmsim__walk *g) {
    memcpy(w->table, g->table, sizeof w->table);
    memcpy(w->table_host, g->table_host, sizeof w->table_host);
    memcpy(w->table_flags, g->table_flags, sizeof w->table_flags);
    w->flags = g->flags;
    w->level = g->level;
    w->fault = g->fault;
}

/* Both dimensions' answer: permissions that both give, the smaller page. */
static void combine(struct vmsim__walk *w, const struct vmsim__walk *g, const struct vmsim__walk *h,
                    const struct vmsim__pt_format *f) {
    VMSIM__ASSERT(g->page_shift && h->page_shift);
    w->flags = g->flags & (h->flags | ~(VMSIM__PTE_READ | VMSIM__PTE_WRITE | VMSIM__PTE_EXEC));
    w->page_shift = (uint8_t)vmsim__min64(g->page_shift, h->page_shift);
    w->pa = h->pa;
    w->pfn = (h->pa & ~((UINT64_C(1) << w->page_shift) - 1)) >> f->page_shift;
}

bool vmsim__mmu_walk_nested(const struct vmsim__pagetable *guest, const struct vmsim__pagetable *host, uint64_t va,
                            unsigned mode, struct vmsim__walk *w, bool *host_fault) {
    struct vmsim__walk g = {0}, h;
    unsigned probe = mode & VMSIM__WALK_PROBE;
    unsigned table_mode = probe || !guest->hardware_accessed ? probe : VMSIM__WALK_WRITE;
    w->refs = 0;
    *host_fault = true;
    bool ok = vmsim__mmu_walk(guest, va, mode | VMSIM__WALK_PROBE, &g);
    for (unsigned i = 0; i < g.refs; i++) {
        if (!host_walk(host, g.ref[i], table_mode, w, &h))
            return false;
        w->ref[w->refs++] = h.pa;
    }
    if (!probe)
        ok = vmsim__mmu_walk(guest, va, mode, &g);
    take_guest(w, &g);
    if (ok && !host_walk(host, g.pa, mode & ~VMSIM__WALK_USER, w, &h))
        return false;
    *host_fault = false;
    if (ok)
        combine(w, &g, &h, host->format);
    return ok;
}
