/* SPDX-License-Identifier: MIT */
/* ASIDs, lazy mode and shootdowns over several CPUs, by the rules of x86 and arm64 Linux; and a random run of maps,
 * unmaps, switches and accesses in which no CPU may ever hold a usable stale translation. */
#include "tlb_rig.h"

#define VA UINT64_C(0x7f0000001000)
#define MMS 12

struct machine {
    struct mmu_memory *memory;
    struct vmsim__alloc *alloc;
    struct vmsim__policy_registry *policies;
    struct vmsim__tlb_system *s;
    struct vmsim__pagetable pt[MMS];
    struct vmsim__tlb_mm mm[MMS];
};

static struct machine *machine_open(unsigned cpus, struct vmsim__asid_spec asid, int mode) {
    struct machine *m = calloc(1, sizeof *m);
    const struct vmsim__pt_format *f = vmsim__pt_format_find("x86_64");
    struct vmsim__tlb_spec spec = *vmsim__tlb_spec_default();
    assert_non_null(m);
    spec.asid = asid;
    spec.shootdown.mode = mode;
    m->memory = mmu_memory_new(f);
    m->alloc = test_alloc();
    m->policies = vmsim__policy_registry_create(m->alloc);
    assert_int_equal(vmsim__tlb_policies_add(m->policies, NULL), 0);
    assert_int_equal(vmsim__tlb_system_create(&m->s, m->alloc, &spec, f, cpus, m->policies, 1, NULL), 0);
    for (unsigned i = 0; i < MMS; i++) {
        assert_true(vmsim__pagetable_init(&m->pt[i], f, &m->memory->mem));
        vmsim__tlb_mm_init(m->s, &m->mm[i], &m->pt[i]);
    }
    return m;
}

static void machine_close(struct machine *m) {
    for (unsigned i = 0; i < MMS; i++) {
        if (m->mm[i].ctx_id)
            vmsim__tlb_mm_fini(m->s, &m->mm[i]);
        vmsim__pagetable_fini(&m->pt[i]);
    }
    vmsim__tlb_system_destroy(m->s);
    vmsim__policy_registry_destroy(m->policies);
    mmu_memory_end(m->memory);
    test_alloc_end(m->alloc);
    free(m);
}

static void map(struct machine *m, unsigned mm, uint64_t va, uint64_t pfn) {
    struct vmsim__pt_slot slot;
    assert_true(vmsim__pt_slot(&m->pt[mm], va, 0, true, &slot));
    vmsim__pt_set(m->pt[mm].format, &slot, (struct vmsim__pte){pfn, pfn ? RIGHTS_RW : 0});
}

/* The mm runs on the CPU and reads va; what it read from, 0 for a fault. */
static uint64_t touch(struct machine *m, unsigned cpu, unsigned mm, uint64_t va) {
    vmsim_access a = vmsim_access_make(va, 8, VMSIM_STORE);
    struct vmsim__tlb_stop stop;
    uint64_t pa = 0;
    uint16_t asid = vmsim__tlb_switch(m->s, cpu, &m->mm[mm]);
    return vmsim__tlb_run(vmsim__tlb_cpu(m->s, cpu), &m->pt[mm], asid, true, &a, 1, &pa, &stop) ? pa : 0;
}

static uint64_t counter(struct machine *m, unsigned cpu, enum vmsim__tlb_counter c) {
    struct vmsim__tlb_stats stats;
    vmsim__tlb_snapshot(vmsim__tlb_cpu(m->s, cpu), &stats);
    return stats.counter[c];
}

static int check(struct machine *m) {
    struct vmsim__err err = {0};
    int e = vmsim__tlb_system_check(m->s, NULL, &err);
    if (e)
        print_message("%s\n", err.text);
    return e;
}

static const struct vmsim__asid_spec pcid = {VMSIM__ASID_DYNAMIC, 12, 6};

static void six_address_spaces_keep_their_entries_and_a_seventh_takes_the_first_slot(void **state) {
    (void)state;
    struct machine *m = machine_open(1, pcid, VMSIM__SHOOTDOWN_IPI);
    for (unsigned i = 0; i < 7; i++)
        map(m, i, VA, 100 + i);
    for (unsigned round = 0; round < 2; round++)
        for (unsigned i = 0; i < 6; i++)
            assert_int_equal(touch(m, 0, i, VA), (100 + i) << 12);
    assert_int_equal(counter(m, 0, VMSIM__TLB_walks), 6);
    assert_int_equal(counter(m, 0, VMSIM__TLB_asid_reused), 6);
    assert_int_equal(touch(m, 0, 6, VA), 106 << 12);
    assert_int_equal(counter(m, 0, VMSIM__TLB_asid_recycled), 1);
    assert_int_equal(touch(m, 0, 1, VA), 101 << 12); /* still there */
    assert_int_equal(counter(m, 0, VMSIM__TLB_walks), 7);
    assert_int_equal(touch(m, 0, 0, VA), 100 << 12); /* had to go, and takes slot 1's place now */
    assert_int_equal(counter(m, 0, VMSIM__TLB_walks), 8);
    assert_int_equal(check(m), 0);
    machine_close(m);
}

static void without_asids_every_switch_forgets(void **state) {
    (void)state;
    struct machine *m = machine_open(1, (struct vmsim__asid_spec){VMSIM__ASID_NONE, 0, 1}, VMSIM__SHOOTDOWN_IPI);
    map(m, 0, VA, 100);
    map(m, 1, VA, 101);
    for (unsigned round = 0; round < 3; round++)
        for (unsigned i = 0; i < 2; i++)
            assert_int_equal(touch(m, 0, i, VA), (100 + i) << 12);
    assert_int_equal(counter(m, 0, VMSIM__TLB_walks), 6);
    machine_close(m);
}

static void an_unmap_reaches_the_other_cpus_and_costs_one_interrupt_each(void **state) {
    (void)state;
    struct machine *m = machine_open(3, pcid, VMSIM__SHOOTDOWN_IPI);
    map(m, 0, VA, 100);
    for (unsigned cpu = 0; cpu < 3; cpu++)
        assert_int_equal(touch(m, cpu, 0, VA), 100 << 12);
    for (unsigned cpu = 0; cpu < 3; cpu++)
        vmsim__tlb_take_ns(vmsim__tlb_cpu(m->s, cpu));
    map(m, 0, VA, 0);
    assert_int_equal(check(m), VMSIM_ECHECK); /* the flush is still to come */
    assert_int_equal(vmsim__tlb_flush_mm(m->s, 0, &m->mm[0], VA, VA + 4096, 12, false), 50 + 1500 + 100);
    assert_int_equal(check(m), 0);
    assert_int_equal(vmsim__tlb_take_ns(vmsim__tlb_cpu(m->s, 0)), 1650);
    assert_int_equal(vmsim__tlb_take_ns(vmsim__tlb_cpu(m->s, 1)), 500 + 50);
    for (unsigned cpu = 0; cpu < 3; cpu++) {
        assert_int_equal(touch(m, cpu, 0, VA), 0);
        assert_int_equal(counter(m, cpu, VMSIM__TLB_ipi_received), cpu != 0);
        assert_int_equal(counter(m, cpu, VMSIM__TLB_local_flush_one), 1);
    }
    assert_int_equal(counter(m, 0, VMSIM__TLB_ipi_sent), 1);
    machine_close(m);
}

static void thirty_three_pages_go_one_by_one_and_thirty_four_at_once(void **state) {
    (void)state;
    struct machine *m = machine_open(1, pcid, VMSIM__SHOOTDOWN_IPI);
    map(m, 0, VA + 100 * 4096, 100);
    touch(m, 0, 0, VA + 100 * 4096);
    vmsim__tlb_flush_mm(m->s, 0, &m->mm[0], VA, VA + 33 * 4096, 12, false);
    assert_int_equal(counter(m, 0, VMSIM__TLB_local_flush_one), 33);
    assert_int_equal(counter(m, 0, VMSIM__TLB_local_flush_all), 0);
    assert_int_equal(vmsim__tlb_probe(vmsim__tlb_cpu(m->s, 0), 1, VA + 100 * 4096, false, NULL), 1);
    vmsim__tlb_flush_mm(m->s, 0, &m->mm[0], VA, VA + 34 * 4096, 12, false);
    assert_int_equal(counter(m, 0, VMSIM__TLB_local_flush_one), 33);
    assert_int_equal(counter(m, 0, VMSIM__TLB_local_flush_all), 1);
    assert_int_equal(vmsim__tlb_probe(vmsim__tlb_cpu(m->s, 0), 1, VA + 100 * 4096, false, NULL), 0);
    vmsim__tlb_flush_mm(m->s, 0, &m->mm[0], VA & ~UINT64_C(0x1fffff), (VA & ~UINT64_C(0x1fffff)) + (33 << 21), 21,
                        false);
    assert_int_equal(counter(m, 0, VMSIM__TLB_local_flush_one), 66); /* strides of 2 MiB */
    machine_close(m);
}

static void a_lazy_cpu_is_left_alone_and_catches_up(void **state) {
    (void)state;
    struct machine *m = machine_open(2, pcid, VMSIM__SHOOTDOWN_IPI);
    map(m, 0, VA, 100);
    touch(m, 0, 0, VA);
    touch(m, 1, 0, VA);
    vmsim__tlb_enter_lazy(m->s, 1);
    map(m, 0, VA, 200);
    vmsim__tlb_flush_mm(m->s, 0, &m->mm[0], VA, VA + 4096, 12, false);
    assert_int_equal(counter(m, 1, VMSIM__TLB_ipi_received), 0);
    assert_int_equal(counter(m, 1, VMSIM__TLB_lazy_skipped), 1);
    assert_int_equal(check(m), 0); /* stale, but no one can use it */
    assert_int_equal(vmsim__tlb_probe(vmsim__tlb_cpu(m->s, 1), 1, VA, false, NULL), 1);
    assert_int_equal(touch(m, 1, 0, VA), 200 << 12);
    assert_int_equal(check(m), 0);
    vmsim__tlb_enter_lazy(m->s, 1);
    vmsim__tlb_flush_mm(m->s, 0, &m->mm[0], VA, VA + 4096, 12, true); /* page tables go: lazy ones must hear it */
    assert_int_equal(counter(m, 1, VMSIM__TLB_ipi_received), 1);
    machine_close(m);
}

static void a_cpu_that_went_elsewhere_flushes_when_it_comes_back(void **state) {
    (void)state;
    struct machine *m = machine_open(2, pcid, VMSIM__SHOOTDOWN_IPI);
    map(m, 0, VA, 100);
    map(m, 0, VA + 4096, 101);
    map(m, 1, VA, 300);
    touch(m, 0, 0, VA);
    touch(m, 1, 0, VA);
    touch(m, 1, 0, VA + 4096);
    touch(m, 1, 1, VA); /* CPU 1 goes elsewhere; slot of mm 0 stays */
    map(m, 0, VA, 200);
    vmsim__tlb_flush_mm(m->s, 0, &m->mm[0], VA, VA + 4096, 12, false);
    assert_int_equal(counter(m, 1, VMSIM__TLB_ipi_received), 0);
    assert_int_equal(check(m), 0);
    assert_int_equal(touch(m, 1, 0, VA), 200 << 12);
    assert_int_equal(counter(m, 1, VMSIM__TLB_local_flush_all), 1);
    assert_int_equal(check(m), 0);
    machine_close(m);
}

static void a_batch_flushes_the_union_of_cpus_once(void **state) {
    (void)state;
    struct machine *m = machine_open(4, pcid, VMSIM__SHOOTDOWN_IPI);
    struct vmsim__tlb_batch batch = {0};
    for (unsigned i = 0; i < 3; i++) {
        map(m, i, VA, 100 + i);
        touch(m, i, i, VA);
    }
    for (unsigned i = 0; i < 3; i++) {
        map(m, i, VA, 0);
        assert_true(vmsim__tlb_batch_add(m->s, &batch, &m->mm[i], 3));
    }
    vmsim__tlb_batch_flush(m->s, 3, &batch);
    assert_int_equal(check(m), 0);
    assert_int_equal(counter(m, 3, VMSIM__TLB_ipi_sent), 1);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(counter(m, i, VMSIM__TLB_ipi_received), 1);
        assert_int_equal(touch(m, i, i, VA), 0);
    }
    machine_close(m);
}

/* Kernel: should_defer_flush: it is interrupts that a batch saves. */
static void a_page_that_no_other_cpu_may_hold_is_not_deferred(void **state) {
    (void)state;
    struct vmsim__asid_spec arm = {VMSIM__ASID_ARCHITECTURAL, 16, 1};
    struct machine *m = machine_open(2, pcid, VMSIM__SHOOTDOWN_IPI),
                   *broadcast = machine_open(2, arm, VMSIM__SHOOTDOWN_BROADCAST);
    struct vmsim__tlb_batch batch = {0};
    map(m, 0, VA, 100);
    touch(m, 0, 0, VA);
    assert_false(vmsim__tlb_batch_add(m->s, &batch, &m->mm[0], 0));
    assert_int_equal(m->mm[0].tlb_gen, 1);
    assert_true(vmsim__tlb_batch_add(m->s, &batch, &m->mm[0], 1));
    vmsim__tlb_batch_flush(m->s, 1, &batch);
    map(broadcast, 0, VA, 100);
    touch(broadcast, 0, 0, VA);
    assert_false(vmsim__tlb_batch_add(broadcast->s, &batch, &broadcast->mm[0], 1));
    assert_false(batch.pending);
    machine_close(m);
    machine_close(broadcast);
}

static void architectural_asids_roll_over(void **state) {
    (void)state;
    struct machine *m =
        machine_open(2, (struct vmsim__asid_spec){VMSIM__ASID_ARCHITECTURAL, 3, 1}, VMSIM__SHOOTDOWN_BROADCAST);
    for (unsigned i = 0; i < MMS; i++)
        map(m, i, VA, 100 + i);
    for (unsigned round = 0; round < 5; round++)
        for (unsigned i = 0; i < MMS; i++) {
            assert_int_equal(touch(m, i & 1, i, VA), (100 + i) << 12);
            assert_int_equal(check(m), 0);
        }
    assert_true(counter(m, 0, VMSIM__TLB_asid_rollovers) >= 5);
    assert_int_equal(counter(m, 0, VMSIM__TLB_ipi_sent), 0);
    machine_close(m);
}

/* Anything in any order; after each flush the machine is checked, and every access must see the newest mapping. */
static void random_life(struct vmsim__asid_spec asid, int mode) {
    struct machine *m = machine_open(4, asid, mode);
    struct vmsim__rng rng = test_rng("tlb-life");
    uint64_t where[MMS][64] = {{0}}, next = 1000;
    for (unsigned step = 0; step < 4000; step++) {
        uint64_t r = vmsim__rng_next(&rng);
        unsigned cpu = r >> 8 & 3, mm = (unsigned)(r >> 16) % MMS, page = r >> 32 & 63, kind = (unsigned)(r >> 40) % 16;
        if (kind == 0) {
            vmsim__tlb_enter_lazy(m->s, cpu);
        } else if (kind < 4) {
            unsigned n = kind == 1 ? 1 : 1 + (unsigned)(r >> 48) % 50, end = page + n > 64 ? 64 : page + n;
            for (unsigned p = page; p < end; p++)
                map(m, mm, VA + p * 4096, where[mm][p] = r >> 56 & 1 ? next++ : 0);
            vmsim__tlb_flush_mm(m->s, cpu, &m->mm[mm], VA + page * 4096, VA + end * 4096, 12, r >> 57 & 1);
            assert_int_equal(check(m), 0);
        } else if (kind == 4 && step % 16 == 0) {
            vmsim__tlb_mm_fini(m->s, &m->mm[mm]);
            vmsim__tlb_mm_init(m->s, &m->mm[mm], &m->pt[mm]);
        } else {
            assert_int_equal(touch(m, cpu, mm, VA + page * 4096), where[mm][page] << 12);
        }
    }
    machine_close(m);
}

static void no_cpu_ever_uses_a_stale_translation(void **state) {
    (void)state;
    random_life(pcid, VMSIM__SHOOTDOWN_IPI);
    random_life((struct vmsim__asid_spec){VMSIM__ASID_DYNAMIC, 12, 2}, VMSIM__SHOOTDOWN_IPI);
    random_life((struct vmsim__asid_spec){VMSIM__ASID_NONE, 0, 1}, VMSIM__SHOOTDOWN_IPI);
    random_life((struct vmsim__asid_spec){VMSIM__ASID_ARCHITECTURAL, 3, 1}, VMSIM__SHOOTDOWN_BROADCAST);
    random_life((struct vmsim__asid_spec){VMSIM__ASID_ARCHITECTURAL, 16, 1}, VMSIM__SHOOTDOWN_IPI);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(six_address_spaces_keep_their_entries_and_a_seventh_takes_the_first_slot),
        cmocka_unit_test(without_asids_every_switch_forgets),
        cmocka_unit_test(an_unmap_reaches_the_other_cpus_and_costs_one_interrupt_each),
        cmocka_unit_test(thirty_three_pages_go_one_by_one_and_thirty_four_at_once),
        cmocka_unit_test(a_lazy_cpu_is_left_alone_and_catches_up),
        cmocka_unit_test(a_cpu_that_went_elsewhere_flushes_when_it_comes_back),
        cmocka_unit_test(a_batch_flushes_the_union_of_cpus_once),
        cmocka_unit_test(a_page_that_no_other_cpu_may_hold_is_not_deferred),
        cmocka_unit_test(architectural_asids_roll_over),
        cmocka_unit_test(no_cpu_ever_uses_a_stale_translation),
    };
    return cmocka_run_group_tests_name("tlb_shootdown", tests, NULL, NULL);
}
