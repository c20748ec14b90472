/* SPDX-License-Identifier: MIT */
/* Two-dimensional walks: how many references, in which order, and whose fault it is. */
#include "mmu_memory.h"

#define HOST_FRAMES 2048u

/* A guest whose frames are given to the host's frames in reverse, 2 MiB leaves where asked. */
struct nest {
    struct mmu_memory *guest_memory, *host_memory;
    struct vmsim__pagetable guest, host;
    bool large; /* the host maps the guest's memory one to one with 2 MiB leaves */
};

static uint64_t to_host(const struct nest *n, uint64_t gpa) {
    return n->large ? gpa : ((HOST_FRAMES - (gpa >> 12)) << 12) + (gpa & 0xfff);
}

static void set(struct vmsim__pagetable *pt, uint64_t va, unsigned level, uint64_t pfn, uint32_t flags) {
    struct vmsim__pt_slot slot;
    assert_true(vmsim__pt_slot(pt, va, level, true, &slot));
    vmsim__pt_set(pt->format, &slot, (struct vmsim__pte){pfn, flags | VMSIM__PTE_PRESENT | VMSIM__PTE_READ});
}

static void nest_begin(struct nest *n, enum vmsim__pt_format_id guest, enum vmsim__pt_format_id host, bool large) {
    const struct vmsim__pt_format *g = vmsim__pt_format_get(guest), *h = vmsim__pt_format_get(host);
    n->guest_memory = mmu_memory_new(g);
    n->host_memory = mmu_memory_new(h);
    n->large = large;
    assert_true(vmsim__pagetable_init(&n->guest, g, &n->guest_memory->mem));
    assert_true(vmsim__pagetable_init(&n->host, h, &n->host_memory->mem));
    n->host.hardware_accessed = n->host.hardware_dirty = true;
    n->guest.hardware_accessed = n->guest.hardware_dirty = true;
    for (uint64_t pfn = 0; h->levels && pfn < HOST_FRAMES; pfn += large ? 512 : 1)
        set(&n->host, pfn << 12, large, to_host(n, pfn << 12) >> 12, VMSIM__PTE_RWXU);
}
static void nest_end(struct nest *n) {
    vmsim__pagetable_fini(&n->guest);
    vmsim__pagetable_fini(&n->host);
    mmu_memory_end(n->guest_memory);
    mmu_memory_end(n->host_memory);
}

static unsigned references(enum vmsim__pt_format_id guest, enum vmsim__pt_format_id host, unsigned guest_level,
                           bool host_large) {
    struct nest n;
    struct vmsim__walk w;
    bool host_fault;
    uint64_t va = 0x40200000;
    nest_begin(&n, guest, host, host_large);
    set(&n.guest, va, guest_level, 512, VMSIM__PTE_USER);
    assert_true(vmsim__mmu_walk_nested(&n.guest, &n.host, va + 0x123, VMSIM__WALK_USER, &w, &host_fault));
    assert_false(host_fault);
    assert_int_equal(w.pa, to_host(&n, 0x200123));
    assert_int_equal(w.pfn << 12, w.pa & ~((UINT64_C(1) << w.page_shift) - 1));
    assert_int_equal(w.page_shift, guest_level && host_large && n.host.format->levels ? 21 : 12);
    nest_end(&n);
    return w.refs;
}

static void references_are_those_of_the_textbook(void **state) {
    (void)state;
    assert_int_equal(references(VMSIM__PT_X86_64, VMSIM__PT_X86_64, 0, false), 24);
    assert_int_equal(references(VMSIM__PT_X86_64_LA57, VMSIM__PT_X86_64_LA57, 0, false), 35);
    assert_int_equal(references(VMSIM__PT_X86_64_LA57, VMSIM__PT_X86_64, 0, false), 29);
    assert_int_equal(references(VMSIM__PT_X86_64, VMSIM__PT_X86_64, 1, false), 19);
    assert_int_equal(references(VMSIM__PT_X86_64, VMSIM__PT_X86_64, 1, true), 15);
    assert_int_equal(references(VMSIM__PT_X86_64, VMSIM__PT_X86_64, 0, true), 19);
    assert_int_equal(references(VMSIM__PT_RISCV_SV39, VMSIM__PT_RISCV_SV39, 0, false), 15);
    assert_int_equal(references(VMSIM__PT_RISCV_SV48, VMSIM__PT_ARM64_4K, 0, false), 24);
    assert_int_equal(references(VMSIM__PT_X86_64, VMSIM__PT_NOMMU, 0, true), 4);
}

static void references_come_in_the_order_of_the_hardware(void **state) {
    (void)state;
    struct nest n;
    struct vmsim__walk w, g, h;
    bool host_fault;
    nest_begin(&n, VMSIM__PT_X86_64, VMSIM__PT_X86_64, false);
    set(&n.guest, 0x7000, 0, 99, VMSIM__PTE_RWXU);
    assert_true(vmsim__mmu_walk_nested(&n.guest, &n.host, 0x7008, VMSIM__WALK_WRITE, &w, &host_fault));
    assert_true(vmsim__mmu_walk(&n.guest, 0x7008, VMSIM__WALK_PROBE, &g));
    unsigned ref = 0;
    for (unsigned i = 0; i < 4; i++) {
        assert_true(vmsim__mmu_walk(&n.host, g.ref[i], VMSIM__WALK_PROBE, &h));
        for (unsigned k = 0; k < 4; k++)
            assert_int_equal(w.ref[ref++], h.ref[k]);
        assert_int_equal(w.ref[ref++], to_host(&n, g.ref[i]));
    }
    assert_true(vmsim__mmu_walk(&n.host, g.pa, VMSIM__WALK_PROBE, &h));
    for (unsigned k = 0; k < 4; k++)
        assert_int_equal(w.ref[ref++], h.ref[k]);
    assert_int_equal(ref, w.refs);
    assert_true(g.flags & VMSIM__PTE_DIRTY); /* the guest's own leaf became dirty, and so did its frame's in the host */
    assert_true(h.flags & VMSIM__PTE_DIRTY);
    nest_end(&n);
}

static void each_side_faults_for_itself(void **state) {
    (void)state;
    struct nest n;
    struct vmsim__walk w;
    bool host_fault;
    nest_begin(&n, VMSIM__PT_X86_64, VMSIM__PT_X86_64, false);
    set(&n.guest, 0x7000, 0, 99, VMSIM__PTE_USER);
    /* The guest: nothing there, or not allowed. */
    assert_false(vmsim__mmu_walk_nested(&n.guest, &n.host, 0x9000, VMSIM__WALK_USER, &w, &host_fault));
    assert_false(host_fault);
    assert_int_equal(w.fault, VMSIM__FAULT_NOT_PRESENT);
    assert_int_equal(w.refs, 20);
    assert_false(
        vmsim__mmu_walk_nested(&n.guest, &n.host, 0x7000, VMSIM__WALK_USER | VMSIM__WALK_WRITE, &w, &host_fault));
    assert_false(host_fault);
    assert_int_equal(w.fault, VMSIM__FAULT_WRITE);
    /* The host: the page, then the guest's root table. */
    struct vmsim__pt_slot slot;
    assert_true(vmsim__pt_slot(&n.host, 99 << 12, 0, false, &slot));
    vmsim__pt_write(n.host.format, &slot, 0);
    assert_false(vmsim__mmu_walk_nested(&n.guest, &n.host, 0x7abc, VMSIM__WALK_USER, &w, &host_fault));
    assert_true(host_fault);
    assert_int_equal(w.fault, VMSIM__FAULT_NOT_PRESENT);
    assert_int_equal(w.pa, (99 << 12) + 0xabc);
    assert_int_equal(w.refs, 24);
    assert_true(vmsim__pt_slot(&n.host, n.guest.root << 12, 0, false, &slot));
    vmsim__pt_write(n.host.format, &slot, 0);
    assert_false(vmsim__mmu_walk_nested(&n.guest, &n.host, 0x7abc, VMSIM__WALK_USER, &w, &host_fault));
    assert_true(host_fault);
    assert_int_equal(w.pa, n.guest.root << 12);
    assert_int_equal(w.refs, 4);
    nest_end(&n);
}

static void permissions_are_what_both_give(void **state) {
    (void)state;
    struct nest n;
    struct vmsim__walk w;
    bool host_fault;
    nest_begin(&n, VMSIM__PT_X86_64, VMSIM__PT_X86_64, false);
    set(&n.guest, 0x7000, 0, 99, VMSIM__PTE_RWXU);
    set(&n.host, 99 << 12, 0, 55, VMSIM__PTE_USER);
    assert_true(vmsim__mmu_walk_nested(&n.guest, &n.host, 0x7000, VMSIM__WALK_USER, &w, &host_fault));
    assert_int_equal(w.flags & VMSIM__PTE_RWXU, VMSIM__PTE_READ | VMSIM__PTE_USER);
    assert_false(vmsim__mmu_walk_nested(&n.guest, &n.host, 0x7000, VMSIM__WALK_WRITE, &w, &host_fault));
    assert_true(host_fault);
    assert_int_equal(w.fault, VMSIM__FAULT_WRITE);
    /* A guest's table in a page that the host write-protects cannot take the A bit. */
    set(&n.host, n.guest.root << 12, 0, to_host(&n, n.guest.root << 12) >> 12, VMSIM__PTE_USER);
    assert_false(vmsim__mmu_walk_nested(&n.guest, &n.host, 0x7000, 0, &w, &host_fault));
    assert_true(host_fault && w.fault == VMSIM__FAULT_WRITE);
    assert_true(vmsim__mmu_walk_nested(&n.guest, &n.host, 0x7000, VMSIM__WALK_PROBE, &w, &host_fault));
    nest_end(&n);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(references_are_those_of_the_textbook),
        cmocka_unit_test(references_come_in_the_order_of_the_hardware),
        cmocka_unit_test(each_side_faults_for_itself),
        cmocka_unit_test(permissions_are_what_both_give),
    };
    return cmocka_run_group_tests_name("mmu_nested", tests, NULL, NULL);
}
