/* SPDX-License-Identifier: MIT */
/* Under memory pressure every few references bring a page and let one go, and what that takes stands in a dozen arrays
 * of the host, each so large that looking something up in it is a miss of the host's caches. Where the next references
 * go is known, though:
 *
 *     batch   ... fault | + 1 ... + AHEAD | ...
 *                            |  leaf entry (fetched by the TLB's loop, which looks further ahead)
 *                            |-- present: the frame's record and its policy's, which are told of the reference
 *                            `-- in swap: slot, who pays for it, the place in the swap cache's tree, the shadow
 *
 * All of it is fetched while the fault is handled. Nothing simulated is read for a decision, or changed: a run is the
 * same without this file. Kernel counterpart: none, hardware does not wait for a simulator's arrays. */
#include "cache/swap_cache.h"
#include "machine/machine.h"

#define AHEAD 10u /* references: two or three faults; the TLB is twelve ahead, at least */

/* Stale as an entry may be, it names a frame or a slot that there once was: both are looked up within bounds. */
static void fetch(const struct vmsim_machine *m, struct vmsim__pte pte) {
    if ((pte.flags & VMSIM__PTE_PRESENT) && m->reclaim.watching) {
        vmsim__lruvec_policies_expect(&m->reclaim, pte.pfn);
    } else if (pte.flags & VMSIM__PTE_SWAP) {
        const struct vmsim__swp e = vmsim__swp_of(pte);
        if (!vmsim__swp_is_swap(e))
            return;
        vmsim__swap_cache_expect(m->cache, e);
        if (m->reclaim.watching)
            vmsim__lruvec_policies_expect_slot(&m->reclaim, vmsim__swp_slot_word(e));
    }
}

/* Entries are looked at without a trace: neither counters nor ages of the TLB change, or what is fetched ahead would
 * show. */
void vmsim__look_ahead(const struct vmsim_machine *m, struct vmsim__cpu *c, const vmsim_access *a, size_t n) {
    VMSIM__ASSERT(c->tlb && c->mm && m->swap);
    const size_t end = vmsim__min64(n, AHEAD);
    size_t i = (size_t)(c->looked - (uintptr_t)a) / sizeof *a; /* by a fault of the same batch shortly before */
    for (i = i <= end ? i : 0; i < end; i++) {
        uint64_t raw;
        if (vmsim__tlb_peek(c->tlb, vmsim_access_va(a[i]), &raw) && raw)
            fetch(m, m->format->decode(m->format, 0, raw));
    }
    c->looked = (uintptr_t)(a + end);
}
