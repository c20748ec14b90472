/* SPDX-License-Identifier: MIT */
/* Invalidations: what INVLPG, INVPCID, CR3 writes, TLBI and SFENCE.VMA do to one CPU's arrays and walk caches. */
#include "tlb/tlb_internal.h"

/* A flush counts once, whatever it found: what hardware counts is the instruction. */
VMSIM__INLINE unsigned counted(struct vmsim__tlb *t, enum vmsim__tlb_counter what, unsigned entries) {
    VMSIM__ASSERT(what < VMSIM__TLB_COUNTER_COUNT);
    t->counter[what]++;
    t->counter[VMSIM__TLB_flushed_entries] += entries;
    return entries;
}

/* For a shootdown over many CPUs: what the flush of the next will touch is fetched from the host's memory while this
 * one is at work. */
void vmsim__tlb_expect_flush(const struct vmsim__tlb *t) {
    __builtin_prefetch(&t->ns, 1);
    __builtin_prefetch(t->look);
    __builtin_prefetch(&t->counter[VMSIM__TLB_flush_page], 1);
    __builtin_prefetch(&t->counter[VMSIM__TLB_ipi_received], 1);
    for (unsigned i = 0; i < VMSIM__TLB_LEVELS; i++)
        __builtin_prefetch(&t->array[i].place[0][0]);
}

/* Walk caches lose all of the ASID: INVLPG drops paging-structure entries whatever the address (Intel SDM volume 3,
 * 4.10.4.1). Nearly always the page is held nowhere, and after the first of several flushes no walk is: it has just
 * faulted, or this is one of many CPUs, which never saw it. So much is found out here, without a call. */
VMSIM__INLINE unsigned flush_page(struct vmsim__tlb *t, uint16_t asid, uint64_t va, unsigned page_shift) {
    unsigned dropped = 0;
    if (VMSIM__UNLIKELY(t->soft || tlb_holds(t->look, asid, va, page_shift)))
        dropped = vmsim__tlb_drop_page(t, asid, va, page_shift);
    if (VMSIM__UNLIKELY(tlb_walk_any(t)))
        vmsim__tlb_walk_drop_asid(t, asid);
    return counted(t, VMSIM__TLB_flush_page, dropped);
}

unsigned vmsim__tlb_flush_page(struct vmsim__tlb *t, uint16_t asid, uint64_t va, unsigned page_shift) {
    VMSIM__ASSERT(page_shift >= t->page_shift);
    return flush_page(t, asid, va, page_shift);
}

/* `va >= start` ends a range that runs over the top of the address space. Page by page, as Linux does below its
 * ceiling of 33 (tlb_single_page_flush_ceiling); above it flushes all, which is the caller's choice. */
unsigned vmsim__tlb_flush_range(struct vmsim__tlb *t, uint16_t asid, uint64_t start, uint64_t end,
                                unsigned stride_shift) {
    VMSIM__ASSERT(stride_shift >= t->page_shift && stride_shift < 64);
    unsigned dropped = 0;
    uint64_t stride = UINT64_C(1) << stride_shift;
    start &= ~(stride - 1);
    for (uint64_t va = start; va < end && va >= start; va += stride)
        dropped += flush_page(t, asid, va, stride_shift);
    t->counter[VMSIM__TLB_flush_range]++;
    return dropped;
}

/* What a sweep over all entries removes. */
struct sweep {
    bool every_asid, global;
    uint16_t asid;
};

static bool sweeps(const struct sweep *what, uint64_t tag) {
    uint16_t asid = tlb_tag_asid(tag);
    if (tag == TLB_INVALID)
        return false;
    if (asid == VMSIM__ASID_GLOBAL)
        return what->global;
    return what->every_asid || asid == what->asid;
}

/* Of one ASID alone: it runs over the whole array at many a switch of tasks. Sets without any are told without a branch
 * for each way. */
static unsigned sweep_asid(struct vmsim__tlb *t, struct tlb_array *r, uint16_t asid) {
    const uint32_t mask = UINT32_C(0xffff) << TLB_ASID_SHIFT, value = (uint32_t)asid << TLB_ASID_SHIFT;
    const uint32_t *left = &r->of_asid[asid % TLB_ASID_COUNTS];
    unsigned dropped = 0;
    VMSIM__ASSERT(asid != VMSIM__ASID_GLOBAL);
    for (uint32_t set = 0; set < r->sets && *left; set++) {
        uint64_t *tags = tlb_tags(r, set);
        uint32_t any = 0;
        for (uint32_t w = 0; w < r->ways; w++)
            any |= ((uint32_t)tags[w] & mask) == value;
        for (uint32_t w = 0; any && w < r->ways; w++)
            if (((uint32_t)tags[w] & mask) == value) {
                r->by_size[tlb_tag_class(tags[w])].flush++;
                vmsim__tlb_array_clear(t, r, tags + w);
                dropped++;
            }
    }
    return dropped;
}

/* It ends with the last valid entry, not with the array. */
static unsigned sweep_some(struct vmsim__tlb *t, struct tlb_array *r, const struct sweep *what) {
    unsigned dropped = 0;
    for (uint32_t set = 0; set < r->sets && r->valid; set++) {
        uint64_t *tags = tlb_tags(r, set);
        for (uint32_t w = 0; w < r->ways; w++) {
            if (!sweeps(what, tags[w]))
                continue;
            r->by_size[tlb_tag_class(tags[w])].flush++;
            vmsim__tlb_array_clear(t, r, tags + w);
            dropped++;
        }
    }
    return dropped;
}

static unsigned sweep(struct vmsim__tlb *t, const struct sweep *what) {
    VMSIM__ASSERT(what->global || what->every_asid || what->asid != VMSIM__ASID_GLOBAL);
    unsigned dropped = 0;
    if (VMSIM__UNLIKELY(t->softmmu.max))
        vmsim__tlb_softmmu_clear(t);
    for (unsigned i = 0; i < t->arrays; i++)
        dropped += what->every_asid || what->global ? sweep_some(t, &t->array[i], what)
                                                    : sweep_asid(t, &t->array[i], what->asid);
    return dropped;
}

/* Global entries stay: INVPCID type 1, TLBI ASIDE1. The leaf tables that are remembered go too, since what was
 * flushed may be freed. */
unsigned vmsim__tlb_flush_asid(struct vmsim__tlb *t, uint16_t asid) {
    struct sweep what = {.asid = asid};
    vmsim__tlb_leaf_forget(t);
    vmsim__tlb_walk_drop_asid(t, asid);
    return counted(t, VMSIM__TLB_flush_asid, sweep(t, &what));
}

/* A CR3 write without PCID, or TLBI VMALLE1 where the kernel's entries are global. */
unsigned vmsim__tlb_flush_nonglobal(struct vmsim__tlb *t) {
    struct sweep what = {.every_asid = true};
    vmsim__tlb_leaf_forget(t);
    vmsim__tlb_walk_drop_all(t);
    return counted(t, VMSIM__TLB_flush_nonglobal, sweep(t, &what));
}

/* A write to CR4.PGE; TLBI VMALLE1. */
unsigned vmsim__tlb_flush_all(struct vmsim__tlb *t) {
    struct sweep what = {.every_asid = true, .global = true};
    vmsim__tlb_leaf_forget(t);
    vmsim__tlb_walk_drop_all(t);
    return counted(t, VMSIM__TLB_flush_all, sweep(t, &what));
}
