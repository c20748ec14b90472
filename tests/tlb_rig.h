/* SPDX-License-Identifier: MIT */
/* A TLB over a small page table, for the tests of tlb/: map, unmap, access, faults counted. */
#ifndef TEST_TLB_RIG_H
#define TEST_TLB_RIG_H
#include "helpers.h"
#include "mmu_memory.h"
#include "tlb/shootdown.h"

#define RIGHTS_RW (VMSIM__PTE_PRESENT | VMSIM__PTE_READ | VMSIM__PTE_WRITE | VMSIM__PTE_EXEC | VMSIM__PTE_USER)

struct tlb_rig {
    struct mmu_memory *memory;
    struct vmsim__pagetable pt;
    struct vmsim__alloc *alloc;
    struct vmsim__policy_registry *policies;
    struct vmsim__tlb *tlb;
    struct vmsim__tlb_stop stop;
};

TEST_UNUSED static void rig_open(struct tlb_rig *r, const char *format, const struct vmsim__tlb_spec *spec) {
    const struct vmsim__pt_format *f = vmsim__pt_format_find(format);
    struct vmsim__err err = {0};
    assert_non_null(f);
    memset(r, 0, sizeof *r);
    r->memory = mmu_memory_new(f);
    assert_true(vmsim__pagetable_init(&r->pt, f, &r->memory->mem));
    r->alloc = test_alloc();
    r->policies = vmsim__policy_registry_create(r->alloc);
    assert_int_equal(vmsim__tlb_policies_add(r->policies, &err), 0);
    if (vmsim__tlb_create(&r->tlb, r->alloc, spec, f, r->policies, 7, 0, &err))
        fail_msg("%s", err.text);
}

TEST_UNUSED static void rig_close(struct tlb_rig *r) {
    vmsim__tlb_destroy(r->tlb);
    vmsim__policy_registry_destroy(r->policies);
    vmsim__pagetable_fini(&r->pt);
    mmu_memory_end(r->memory);
    test_alloc_end(r->alloc);
}

TEST_UNUSED static void rig_map(struct tlb_rig *r, uint64_t va, unsigned level, uint64_t pfn, uint32_t rights) {
    struct vmsim__pt_slot slot;
    assert_true(vmsim__pt_slot(&r->pt, va, level, true, &slot));
    assert_int_equal(slot.level, level);
    vmsim__pt_set(r->pt.format, &slot, (struct vmsim__pte){pfn, rights});
}

TEST_UNUSED static void rig_unmap(struct tlb_rig *r, uint64_t va, unsigned level) {
    struct vmsim__pt_slot slot;
    assert_true(vmsim__pt_slot(&r->pt, va, level, false, &slot));
    vmsim__pt_write(r->pt.format, &slot, 0);
}

TEST_UNUSED static uint32_t rig_flags(struct tlb_rig *r, uint64_t va) {
    struct vmsim__pt_slot slot;
    assert_true(vmsim__pt_slot(&r->pt, va, 0, false, &slot));
    return vmsim__pt_get(r->pt.format, &slot).flags;
}

/* One access; true: done, *pa (or NULL) is where. */
TEST_UNUSED static bool rig_access(struct tlb_rig *r, uint16_t asid, uint64_t va, uint32_t bytes,
                                   enum vmsim_access_type type, uint64_t *pa) {
    vmsim_access a = vmsim_access_make(va, bytes, type);
    uint64_t out;
    bool done = vmsim__tlb_run(r->tlb, &r->pt, asid, true, &a, 1, &out, &r->stop) == 1;
    if (done && pa)
        *pa = out;
    return done;
}

TEST_UNUSED static uint64_t rig_counter(struct tlb_rig *r, enum vmsim__tlb_counter c) {
    struct vmsim__tlb_stats stats;
    vmsim__tlb_snapshot(r->tlb, &stats);
    return stats.counter[c];
}

TEST_UNUSED static const struct vmsim__pagetable *rig_resolve(void *context, uint16_t asid) {
    (void)asid;
    return &((struct tlb_rig *)context)->pt;
}

TEST_UNUSED static int rig_check(struct tlb_rig *r, struct vmsim__err *err) {
    return vmsim__tlb_check(r->tlb, rig_resolve, r, err);
}

#endif
