/* SPDX-License-Identifier: MIT */
/* The manager alone (`machine.tlb.bypass`): no arrays, no walk caches, no walks. Each reference asks the page table
 * what it says at present, as if translation were free.
 *
 *     access --> leaf table known? --> entry allows it as it is --> physical address
 *                     | no                   | no: A or D to be set, or a fault
 *                     +----------------------+--> the whole way down (vmsim__mmu_walk) --> address, or *stop
 *
 * Nothing is cached that the simulated machine could notice: where a leaf table lies is host knowledge, and held
 * against the entry that points to it at each use. So accessed bits are set by every reference, not by those that miss
 * alone. */
#include "mmu/long_leaf.h"
#include "tlb/tlb_walk.h"

#define AHEAD 12 /* references between a prefetch and its use */

/* The entry for a page in a leaf table that is known, and still where it was; NULL: it is not. */
VMSIM__INLINE const uint64_t *known_entry(const struct vmsim__tlb *t, uint64_t page) {
    const struct tlb_leaf_table *leaf = &t->leaf[page >> 9 & (TLB_LEAF_TABLES - 1)];
    const struct tlb_leaf_table *middle = &t->middle[page >> 18 & (TLB_MIDDLE_TABLES - 1)];
    if (VMSIM__UNLIKELY(leaf->key != (page >> 9 << 16 | t->leaf_tag) ||
                        middle->key != (page >> 18 << 16 | t->leaf_tag) || !leaf->raw))
        return NULL;
    const uint64_t *pdes = middle->host, *ptes = leaf->host;
    return VMSIM__LIKELY(pdes[page >> 9 & 511] == leaf->raw) ? &ptes[page & 511] : NULL;
}

static VMSIM__NOINLINE bool ask(struct vmsim__tlb *t, uint64_t va, unsigned type, bool user, uint64_t *pa,
                                struct vmsim__tlb_stop *stop) {
    struct vmsim__walk w;
    VMSIM__ASSERT(!t->walk_list[0] && !t->arrays);
    if (VMSIM__LIKELY(vmsim__tlb_walk(t, va, tlb_walk_mode(type, user), &w))) {
        *pa = w.pa;
        return true;
    }
    tlb_fault(t, &w, type, va, stop);
    return false;
}

static VMSIM__NOINLINE bool straddling(struct vmsim__tlb *t, vmsim_access x, bool user, uint64_t *pa,
                                       struct vmsim__tlb_stop *stop) {
    const uint64_t va = vmsim_access_va(x), last = va + vmsim_access_bytes(x) - 1;
    uint64_t other;
    if (!ask(t, va, x & 3, user, pa, stop) ||
        !ask(t, last & ~((UINT64_C(1) << t->page_shift) - 1), x & 3, user, &other, stop))
        return false;
    t->counter[VMSIM__TLB_straddles]++;
    return true;
}

/* A user's reference within a page of x86 long mode. */
VMSIM__INLINE bool plain(struct vmsim__tlb *t, vmsim_access x, uint64_t *pa, struct vmsim__tlb_stop *stop) {
    const unsigned type = x & 3, mode = tlb_walk_mode(type, true);
    const uint64_t *entry = known_entry(t, x >> 19);
    const uint64_t data = VMSIM__LIKELY(entry != NULL) ? vmsim__long_leaf(t->pt, *entry, mode) : 0;
    if (VMSIM__UNLIKELY(!data))
        return ask(t, vmsim_access_va(x), type, true, pa, stop);
    *pa = (data >> TLB_FRAME_SHIFT << 12) + (x >> 7 & 4095);
    return true;
}

VMSIM__INLINE bool crosses(vmsim_access x, unsigned page_shift) {
    const uint64_t page = UINT64_C(1) << page_shift;
    return (x >> 7 & (page - 1)) + vmsim_access_bytes(x) > page;
}

size_t vmsim__tlb_run_bypass(struct vmsim__tlb *t, bool user, const vmsim_access *a, size_t n, uint64_t *pa_out,
                             struct vmsim__tlb_stop *stop) {
    const bool quick = t->format->long_mode && user;
    uint64_t count[4] = {0};
    size_t i = 0;
    VMSIM__ASSERT(t->bypass && !t->memory);
    for (; i < n; i++) {
        uint64_t pa;
        if (quick && i + AHEAD < n) {
            const uint64_t *entry = known_entry(t, a[i + AHEAD] >> 19);
            __builtin_prefetch(entry, 1);
        }
        const bool ok = VMSIM__UNLIKELY(crosses(a[i], t->page_shift)) ? straddling(t, a[i], user, &pa, stop)
                        : quick                                       ? plain(t, a[i], &pa, stop)
                                : ask(t, vmsim_access_va(a[i]), a[i] & 3, user, &pa, stop);
        if (VMSIM__UNLIKELY(!ok))
            break;
        count[a[i] & 3]++;
        if (pa_out)
            pa_out[i] = pa;
    }
    tlb_count_types(t, count);
    return i;
}
