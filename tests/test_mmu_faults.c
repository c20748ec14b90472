/* SPDX-License-Identifier: MIT */
/* Encodings and fault codes bit for bit, as the manuals give them; software entries; regions without an MMU. */
#include "mmu_memory.h"

#include "mmu/swp.h"

#define BIT(n) (UINT64_C(1) << (n))
#define P VMSIM__PTE_PRESENT
#define R VMSIM__PTE_READ
#define W VMSIM__PTE_WRITE
#define X VMSIM__PTE_EXEC
#define U VMSIM__PTE_USER
#define G VMSIM__PTE_GLOBAL
#define A VMSIM__PTE_ACCESSED
#define D VMSIM__PTE_DIRTY
#define C VMSIM__PTE_CONTIG

struct example {
    enum vmsim__pt_format_id id;
    unsigned level;
    uint64_t pfn;
    uint32_t flags;
    uint64_t raw;
};

static void entries_are_encoded_as_the_manuals_say(void **state) {
    (void)state;
    static const struct example examples[] = {
        {VMSIM__PT_X86_64, 0, 0x12345, P | R | W | U | A | D, BIT(63) | 0x12345067},
        {VMSIM__PT_X86_64, 0, 0x12345, P | R | X | G, 0x12345101},
        {VMSIM__PT_X86_64, 0, 0x12345, P | R | X | VMSIM__PTE_MEMTYPE(4), 0x12345081}, /* PAT is bit 7 of a page */
        {VMSIM__PT_X86_64, 1, 0x12200, P | R | X | VMSIM__PTE_MEMTYPE(4), 0x12201081}, /* and bit 12 of a large one */
        {VMSIM__PT_X86_64, 2, 0x40000, P | R | X | VMSIM__PTE_MEMTYPE(3), 0x40000099},
        {VMSIM__PT_X86_64, 0, 0x12345, VMSIM__PTE_PROTNONE | R | X | A, 0x12345120},
        {VMSIM__PT_X86_64, 0, 0x12345, P | R | X | VMSIM__PTE_SPECIAL | VMSIM__PTE_SOFT_DIRTY, 0x12345a01},
        {VMSIM__PT_X86_PAE, 1, 0x800200, P | R | W | X, UINT64_C(0x800200083)},
        {VMSIM__PT_X86_32, 0, 0xfffff, P | R | X | U, 0xfffff005},
        {VMSIM__PT_X86_32, 1, 0x12c00 | 0xab << 20, P | R | W | X, 0x12c00083 | 0xab << 13}, /* PSE-36 */
        {VMSIM__PT_ARM64_4K, 0, 0x12345, P | R | W | X | U | A | D, /* UXN clear, DBM, software dirty */
         0x12345000 | BIT(55) | BIT(53) | BIT(51) | BIT(11) | BIT(10) | 3 << 8 | BIT(6) | 3},
        {VMSIM__PT_ARM64_4K, 0, 0x12345, P | R | W | U | A, /* writable, clean: read-only and DBM */
         0x12345000 | BIT(54) | BIT(53) | BIT(51) | BIT(11) | BIT(10) | 3 << 8 | BIT(7) | BIT(6) | 3},
        {VMSIM__PT_ARM64_4K, 1, 0x12200, P | R | G | A | C | VMSIM__PTE_MEMTYPE(1),
         0x12200000 | BIT(54) | BIT(53) | BIT(52) | BIT(10) | 3 << 8 | BIT(7) | 1 << 2 | 1},
        {VMSIM__PT_ARM64_16K, 0, 0x12345, P | U | X, /* execute-only */
         UINT64_C(0x12345) << 14 | BIT(53) | BIT(11) | 3 << 8 | BIT(7) | 3},
        {VMSIM__PT_ARM, 0, 0x12345, P | R | W | X | U | A | D, UINT64_C(0x12345c7e1234515f)},
        {VMSIM__PT_ARM, 0, 0x12345, P | R | W | U | A, UINT64_C(0x12345e7f1234531f)}, /* clean: AP[2] is set */
        {VMSIM__PT_ARM, 0, 0x12345, P | R | W | U | D, 0x1234535d},                   /* not young: no word */
        {VMSIM__PT_ARM_LPAE, 0, 0x12345, P | R | X | U | A, UINT64_C(0x20000012345fc3)},
        {VMSIM__PT_ARM64_64K, 1, 0x2000, VMSIM__PTE_PROTNONE | R,
         UINT64_C(0x2000) << 16 | BIT(58) | BIT(54) | BIT(53) | BIT(11) | 3 << 8 | BIT(7)},
        {VMSIM__PT_RISCV_SV39, 0, 0x12345, P | R | W | U | A | D, 0x12345 << 10 | 0xd7},
        {VMSIM__PT_RISCV_SV39, 0, 0x12340, P | R | X | U | C, BIT(63) | 0x12348 << 10 | 0x1b},
        {VMSIM__PT_RISCV_SV48, 3, 0x8000000, P | R | W | X | G, UINT64_C(0x8000000) << 10 | 0x2f},
        {VMSIM__PT_RISCV_SV57, 1, 0x200, P | R | VMSIM__PTE_MEMTYPE(2), BIT(62) | 0x200 << 10 | 0x3},
        {VMSIM__PT_RISCV_SV32, 1, 0x3ffc00, P | X, 0xfff00009},
        {VMSIM__PT_RISCV_SV32, 0, 0x12345, VMSIM__PTE_PROTNONE | R, 0x12345 << 10 | 0x22},
    };
    for (size_t i = 0; i < TEST_COUNT(examples); i++) {
        const struct example *e = &examples[i];
        const struct vmsim__pt_format *f = vmsim__pt_format_get(e->id);
        assert_int_equal(f->encode(f, e->level, (struct vmsim__pte){e->pfn, e->flags}), e->raw);
        struct vmsim__pte pte = f->decode(f, e->level, e->raw);
        assert_int_equal(pte.pfn, e->pfn);
        assert_int_equal(pte.flags, e->flags | VMSIM__PTE_LEAF);
    }
}

static void every_leaf_size_is_walked_as_it_was_encoded(void **state) {
    (void)state;
    struct vmsim__rng r = test_rng("leaf sizes");
    for (int id = 0; id < VMSIM__PT_NOMMU; id++) {
        const struct vmsim__pt_format *f = vmsim__pt_format_get((enum vmsim__pt_format_id)id);
        struct mmu_memory *m = mmu_memory_new(f);
        struct vmsim__pagetable pt;
        struct vmsim__pt_slot slot;
        struct vmsim__walk w;
        assert_true(vmsim__pagetable_init(&pt, f, &m->mem));
        for (unsigned n = 0; n < 2000; n++) {
            unsigned level = n % f->levels;
            uint64_t bytes = BIT(f->shift[level]), va = vmsim__rng_next(&r) >> (65 - f->va_bits);
            if (!(f->leaf_levels >> level & 1)) {
                assert_int_equal(vmsim__pt_leaf_level(f, f->shift[level]), -1);
                continue;
            }
            assert_int_equal(vmsim__pt_leaf_level(f, f->shift[level]), level);
            unsigned pa_bits = id == VMSIM__PT_X86_32 && !level ? 32 : f->pa_bits;
            uint64_t pa = vmsim__rng_next(&r) >> (64 - pa_bits) & ~(bytes - 1);
            uint32_t flags = P | R | A | D | ((uint32_t)vmsim__rng_next(&r) & (W | U | G));
            flags |= f->no_execute ? (uint32_t)vmsim__rng_next(&r) & X : X;
            assert_true(vmsim__pt_slot(&pt, va, level, true, &slot));
            vmsim__pt_set(f, &slot, (struct vmsim__pte){pa >> f->page_shift, flags});
            assert_true(vmsim__mmu_walk(&pt, va, 0, &w));
            assert_int_equal(w.pa, pa | (va & (bytes - 1)));
            assert_int_equal(w.pfn, pa >> f->page_shift);
            assert_int_equal(w.page_shift, f->shift[level]);
            assert_int_equal(w.refs, f->levels - level);
            assert_int_equal(w.flags, flags | VMSIM__PTE_LEAF);
            vmsim__pagetable_fini(&pt);
            assert_true(vmsim__pagetable_init(&pt, f, &m->mem));
        }
        vmsim__pagetable_fini(&pt);
        mmu_memory_end(m);
    }
}

static void software_entries_are_nothing_to_the_hardware(void **state) {
    (void)state;
    struct vmsim__rng r = test_rng("software");
    for (int id = 0; id < VMSIM__PT_NOMMU; id++) {
        const struct vmsim__pt_format *f = vmsim__pt_format_get((enum vmsim__pt_format_id)id);
        for (unsigned n = 0; n < 400; n++) {
            unsigned level = n % f->levels;
            uint64_t payload = n < 4   ? 0
                               : n < 8 ? UINT64_MAX >> (64 - f->swap_bits)
                                       : vmsim__rng_next(&r) >> (64 - f->swap_bits);
            uint32_t flags = VMSIM__PTE_SWAP | (n & 1 ? VMSIM__PTE_SOFT_DIRTY : 0);
            uint64_t raw = f->encode(f, level, (struct vmsim__pte){payload, flags});
            struct vmsim__pte pte = f->decode(f, level, raw);
            assert_true(raw && !(raw & 1) && !vmsim__pt_is_table(f, level, raw));
            assert_true(f->entry_bytes == 8 || raw <= UINT32_MAX);
            assert_int_equal(pte.pfn, payload);
            assert_int_equal(pte.flags, flags);
        }
        assert_int_equal(f->encode(f, 0, (struct vmsim__pte){5, R | W}), 0);
        assert_int_equal(f->decode(f, 0, 0).flags, 0);
    }
}

static void same_entry(const struct vmsim__pt_format *f, struct vmsim__swp e, bool soft) {
    const bool ad = vmsim__swp_is_migration(e) && vmsim__swp_keeps_ad(f);
    for (unsigned level = 0; level < f->levels; level++) {
        uint64_t raw = f->encode(f, level, vmsim__swp_pte(f, e, soft));
        struct vmsim__pte pte = f->decode(f, level, raw);
        struct vmsim__swp back = vmsim__swp_of(pte);
        assert_true(raw && !(raw & 1) && !vmsim__pt_is_table(f, level, raw));
        assert_int_equal(pte.flags, VMSIM__PTE_SWAP | (soft ? VMSIM__PTE_SOFT_DIRTY : 0));
        assert_int_equal(back.type, e.type);
        assert_int_equal(back.offset, e.offset);
        assert_int_equal(back.exclusive, vmsim__swp_is_swap(e) && e.exclusive);
        assert_int_equal(back.young, ad && e.young);
        assert_int_equal(back.dirty, ad && e.dirty);
    }
}

static void typed_entries_keep_what_they_say_in_every_format(void **state) {
    (void)state;
    struct vmsim__rng r = test_rng("typed");
    for (int id = 0; id < VMSIM__PT_NOMMU; id++) {
        const struct vmsim__pt_format *f = vmsim__pt_format_get((enum vmsim__pt_format_id)id);
        /* base entries of 32-bit x86 name 4 GiB, whatever its large pages reach; simulated frames have 32-bit numbers
         */
        const unsigned bits = id == VMSIM__PT_X86_32 ? 20u : (unsigned)f->pa_bits - f->page_shift;
        const uint64_t slots = vmsim__swp_max_offset(f), pfns = UINT64_C(1) << (bits < 32 ? bits : 32);
        assert_true(pfns - 1 <= slots);
        for (unsigned n = 0; n < 600; n++) {
            struct vmsim__swp e = {.type = (uint8_t)(n % VMSIM__SWP_TYPES)};
            uint64_t limit = vmsim__swp_is_swap(e) ? slots : e.type == VMSIM__SWP_MARKER ? 3 : pfns - 1;
            e.offset = n < 64 ? limit : n < 128 ? 0 : vmsim__rng_below(&r, limit + 1);
            e.exclusive = vmsim__swp_is_swap(e) && vmsim__rng_below(&r, 2);
            e.young = vmsim__swp_is_migration(e) && vmsim__rng_below(&r, 2);
            e.dirty = vmsim__swp_is_migration(e) && vmsim__rng_below(&r, 2);
            same_entry(f, e, vmsim__rng_below(&r, 2));
        }
    }
}

/* One fault of one format: what a page gives, what is tried, what the CPU says. */
struct fault_case {
    enum vmsim__pt_format_id id;
    uint32_t page; /* flags; 0: nothing mapped */
    unsigned mode;
    enum vmsim__fault fault;
    uint32_t code;
};

static void causes_and_codes_are_those_of_the_architecture(void **state) {
    (void)state;
    enum { WR = VMSIM__WALK_WRITE, FE = VMSIM__WALK_FETCH, US = VMSIM__WALK_USER };
    static const struct fault_case cases[] = {
        {VMSIM__PT_X86_64, 0, 0, VMSIM__FAULT_NOT_PRESENT, 0},
        {VMSIM__PT_X86_64, 0, WR | US, VMSIM__FAULT_NOT_PRESENT, 6},
        {VMSIM__PT_X86_64, 0, FE | US, VMSIM__FAULT_NOT_PRESENT, 0x14},
        {VMSIM__PT_X86_64, P | R | U | A, WR | US, VMSIM__FAULT_WRITE, 7},
        {VMSIM__PT_X86_64, P | R | W | A, US, VMSIM__FAULT_USER, 5},
        {VMSIM__PT_X86_64, P | R | U | A, FE | US, VMSIM__FAULT_EXEC, 0x15},
        {VMSIM__PT_X86_64, P | R | U | X | A, FE, VMSIM__FAULT_EXEC, 0x11}, /* SMEP */
        {VMSIM__PT_X86_64, VMSIM__PTE_PROTNONE | R | U, US, VMSIM__FAULT_NOT_PRESENT, 4},
        {VMSIM__PT_X86_32, 0, FE | US, VMSIM__FAULT_NOT_PRESENT, 4}, /* no NX: no I/D */
        {VMSIM__PT_X86_PAE, P | R | A | U, FE | US, VMSIM__FAULT_EXEC, 0x15},
        {VMSIM__PT_ARM64_4K, 0, US, VMSIM__FAULT_NOT_PRESENT, 0x07},
        {VMSIM__PT_ARM64_4K, P | R | U | A, US | WR, VMSIM__FAULT_WRITE, 0x0f},
        {VMSIM__PT_ARM64_4K, P | U | X | A, US, VMSIM__FAULT_READ, 0x0f},
        {VMSIM__PT_ARM64_4K, P | R | W | A, US, VMSIM__FAULT_USER, 0x0f},
        {VMSIM__PT_ARM64_64K, P | R | U, US, VMSIM__FAULT_ACCESSED, 0x0b},
        {VMSIM__PT_ARM64_64K, P | R | U, US | WR, VMSIM__FAULT_ACCESSED, 0x0b}, /* before permissions */
        {VMSIM__PT_ARM64_16K, P | R | W | U | A, US | WR, VMSIM__FAULT_DIRTY, 0x0f},
        {VMSIM__PT_RISCV_SV39, 0, FE | US, VMSIM__FAULT_NOT_PRESENT, 12},
        {VMSIM__PT_RISCV_SV39, 0, US, VMSIM__FAULT_NOT_PRESENT, 13},
        {VMSIM__PT_RISCV_SV39, P | R | U | A, US | WR, VMSIM__FAULT_WRITE, 15},
        {VMSIM__PT_RISCV_SV48, P | X | U | A, US, VMSIM__FAULT_READ, 13},
        {VMSIM__PT_RISCV_SV48, P | R | U, US, VMSIM__FAULT_ACCESSED, 13},
        {VMSIM__PT_RISCV_SV57, P | R | W | U | A, US | WR, VMSIM__FAULT_DIRTY, 15},
        {VMSIM__PT_ARM, 0, US, VMSIM__FAULT_NOT_PRESENT, 0x07},
        {VMSIM__PT_ARM, P | R | U, US | WR, VMSIM__FAULT_ACCESSED, 0x07},
        {VMSIM__PT_ARM, P | R | W | U | A, US | WR, VMSIM__FAULT_DIRTY, 0x0f},
        {VMSIM__PT_ARM, P | R | A, US, VMSIM__FAULT_USER, 0x0f},
        {VMSIM__PT_ARM_LPAE, P | R | W | U, US, VMSIM__FAULT_ACCESSED, 0x0b},
        {VMSIM__PT_RISCV_SV32, P | R | X | U | A, FE, VMSIM__FAULT_EXEC, 12},
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        const struct fault_case *c = &cases[i];
        const struct vmsim__pt_format *f = vmsim__pt_format_get(c->id);
        struct mmu_memory *m = mmu_memory_new(f);
        struct vmsim__pagetable pt;
        struct vmsim__pt_slot slot;
        struct vmsim__walk w;
        assert_true(vmsim__pagetable_init(&pt, f, &m->mem));
        pt.hardware_accessed = pt.hardware_dirty = f->arch == VMSIM__PT_ARCH_X86;
        assert_true(vmsim__pt_slot(&pt, 0x70000, 0, true, &slot));
        vmsim__pt_set(f, &slot, (struct vmsim__pte){9, c->page});
        assert_false(vmsim__mmu_walk(&pt, 0x70000, c->mode, &w));
        assert_int_equal(w.fault, c->fault);
        assert_int_equal(vmsim__fault_code(f, c->fault, w.level, c->mode & 1, c->mode & 2, c->mode & 4), c->code);
        vmsim__pagetable_fini(&pt);
        mmu_memory_end(m);
    }
}

static void levels_reserved_bits_and_addresses_show_in_the_code(void **state) {
    (void)state;
    const struct vmsim__pt_format *x86 = vmsim__pt_format_get(VMSIM__PT_X86_64);
    const struct vmsim__pt_format *arm = vmsim__pt_format_get(VMSIM__PT_ARM64_4K);
    const struct vmsim__pt_format *riscv = vmsim__pt_format_get(VMSIM__PT_RISCV_SV39);
    assert_int_equal(vmsim__fault_code(x86, VMSIM__FAULT_RESERVED, 1, false, false, true), 0xd);
    assert_int_equal(vmsim__fault_code(x86, VMSIM__FAULT_NONCANONICAL, 3, true, false, true), 0); /* #GP(0) */
    for (unsigned level = 0; level < 4; level++)
        assert_int_equal(vmsim__fault_code(arm, VMSIM__FAULT_NOT_PRESENT, level, false, false, true), 4 + 3 - level);
    assert_int_equal(vmsim__fault_code(arm, VMSIM__FAULT_NONCANONICAL, 3, false, false, true), 4);
    assert_int_equal(vmsim__fault_code(arm, VMSIM__FAULT_BUS, 1, false, false, true), 0x17);
    assert_int_equal(vmsim__fault_code(riscv, VMSIM__FAULT_NONCANONICAL, 2, true, false, true), 15);
    assert_int_equal(vmsim__fault_code(riscv, VMSIM__FAULT_BUS, 2, false, false, true), 5);
    for (int id = 0; id < VMSIM__PT_FORMATS; id++) {
        const struct vmsim__pt_format *f = vmsim__pt_format_get((enum vmsim__pt_format_id)id);
        assert_ptr_equal(vmsim__pt_format_find(f->name), f);
        assert_int_equal(f->id, id);
    }
    assert_null(vmsim__pt_format_find("x86"));
    assert_null(vmsim__pt_format_get(VMSIM__PT_FORMATS));
}

/* An entry to which one bit is added. `table`: the pointer that the tree has there; else `raw`. */
struct reserved_case {
    enum vmsim__pt_format_id id;
    unsigned pa_bits, level;
    bool table;
    uint64_t raw;
    uint64_t reserved; /* bits that fault */
    uint64_t skip;     /* bits that make something else of it */
};
#define BITS(high, low) ((UINT64_MAX >> (63 - (high))) & ~(BIT(low) - 1))

static void each_reserved_bit_faults_and_no_other(void **state) {
    (void)state;
    static const struct reserved_case cases[] = {
        {VMSIM__PT_X86_64, 46, 3, true, 0, BITS(51, 46) | BIT(7), 0},
        {VMSIM__PT_X86_64, 46, 2, true, 0, BITS(51, 46), BIT(7)},
        {VMSIM__PT_X86_64, 46, 1, true, 0, BITS(51, 46), BIT(7)},
        {VMSIM__PT_X86_64, 46, 2, false, 0xe7, BITS(51, 46) | BITS(29, 13), 0},
        {VMSIM__PT_X86_64, 46, 1, false, 0xe7, BITS(51, 46) | BITS(20, 13), 0},
        {VMSIM__PT_X86_64, 46, 0, false, 0x67, BITS(51, 46), 0},
        {VMSIM__PT_X86_64_LA57, 52, 4, true, 0, BIT(7), 0},
        {VMSIM__PT_X86_64_LA57, 52, 3, true, 0, BIT(7), 0},
        {VMSIM__PT_X86_64_LA57, 52, 1, false, 0xe7, BITS(20, 13), 0},
        {VMSIM__PT_X86_PAE, 36, 2, true, 0, BITS(63, 36) | BITS(8, 5) | BITS(2, 1), 0},
        {VMSIM__PT_X86_PAE, 36, 1, true, 0, BITS(62, 36), BIT(7)},
        {VMSIM__PT_X86_PAE, 36, 1, false, 0xe7, BITS(62, 36) | BITS(20, 13), 0},
        {VMSIM__PT_X86_PAE, 40, 0, false, 0x67, BITS(62, 40), 0},
        {VMSIM__PT_X86_32, 40, 1, false, 0xe7, BIT(21), 0},
        {VMSIM__PT_X86_32, 36, 1, false, 0xe7, BIT(21) | BITS(20, 17), 0},
        {VMSIM__PT_X86_32, 40, 1, true, 0, 0, BIT(7)},
        {VMSIM__PT_X86_32, 40, 0, false, 0x67, 0, 0},
        {VMSIM__PT_RISCV_SV39, 56, 2, true, 0, BITS(63, 54) | BITS(7, 6) | BIT(4) | BIT(2), BIT(1) | BIT(3)},
        {VMSIM__PT_RISCV_SV39, 56, 0, false, 0xcb, BITS(60, 54) | BIT(63), 0},
        {VMSIM__PT_RISCV_SV39, 56, 0, false, 0xcb | BIT(61), BITS(60, 54) | BITS(63, 62), 0},
        {VMSIM__PT_RISCV_SV39, 56, 0, false, 0xcb | BIT(63) | BIT(13), BITS(60, 54) | BITS(12, 10), 0},
        {VMSIM__PT_RISCV_SV48, 56, 1, false, 0xcb, BITS(60, 54) | BIT(63) | BITS(18, 10), 0},
        {VMSIM__PT_RISCV_SV57, 56, 3, false, 0xcb, BITS(60, 54) | BIT(63) | BITS(36, 10), 0},
        {VMSIM__PT_RISCV_SV32, 34, 1, false, 0xcb, BITS(19, 10), 0},
        {VMSIM__PT_RISCV_SV32, 34, 1, true, 0, BITS(7, 6) | BIT(4) | BIT(2), BIT(1) | BIT(3)},
        {VMSIM__PT_ARM64_4K, 48, 0, false, 0x443, 0, 0},
        {VMSIM__PT_ARM64_4K, 48, 1, false, 0x441, 0, BIT(1)},
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        const struct reserved_case *c = &cases[i];
        const struct vmsim__pt_format *f = vmsim__pt_format_get(c->id);
        struct mmu_memory *m = mmu_memory_new(f);
        struct vmsim__pagetable pt;
        struct vmsim__pt_slot slot;
        struct vmsim__walk w;
        assert_true(vmsim__pagetable_init(&pt, f, &m->mem));
        pt.pa_bits = (uint8_t)c->pa_bits;
        assert_true(vmsim__pt_slot(&pt, 0, c->table ? 0 : c->level, true, &slot));
        assert_true(vmsim__pt_slot(&pt, 0, c->level, false, &slot));
        uint64_t raw = c->table ? vmsim__pt_read(f, &slot) : c->raw;
        for (unsigned bit = 0; bit < f->entry_bytes * 8u; bit++) {
            if ((raw | c->skip) & BIT(bit))
                continue;
            vmsim__pt_write(f, &slot, raw | BIT(bit));
            vmsim__mmu_walk(&pt, 0, VMSIM__WALK_PROBE, &w);
            assert_int_equal(w.fault == VMSIM__FAULT_RESERVED, c->reserved >> bit & 1);
            assert_true(w.fault != VMSIM__FAULT_RESERVED || w.level == c->level);
        }
        vmsim__pt_write(f, &slot, c->table ? raw : 0);
        vmsim__pagetable_fini(&pt);
        mmu_memory_end(m);
    }
}

/* A page takes A on a read and D on a write; upper entries take A on x86 alone; a probe leaves no trace. */
static void hardware_updates_what_the_access_used(void **state) {
    (void)state;
    for (int id = 0; id < VMSIM__PT_NOMMU; id++) {
        const struct vmsim__pt_format *f = vmsim__pt_format_get((enum vmsim__pt_format_id)id);
        struct mmu_memory *m = mmu_memory_new(f);
        struct vmsim__pagetable pt;
        struct vmsim__pt_slot leaf, up;
        struct vmsim__walk w;
        assert_true(vmsim__pagetable_init(&pt, f, &m->mem));
        pt.hardware_accessed = pt.hardware_dirty = true;
        assert_true(vmsim__pt_slot(&pt, 0x70000, 0, true, &leaf));
        assert_true(vmsim__pt_slot(&pt, 0x70000, 1, false, &up));
        vmsim__pt_set(f, &leaf, (struct vmsim__pte){9, P | R | W});
        if (f->table_accessed)
            vmsim__pt_write(f, &up, vmsim__pt_read(f, &up) & ~UINT64_C(0x20));
        uint64_t before = vmsim__pt_read(f, &leaf), table = vmsim__pt_read(f, &up);
        assert_true(vmsim__mmu_walk(&pt, 0x70000, VMSIM__WALK_WRITE | VMSIM__WALK_PROBE, &w));
        assert_int_equal(vmsim__pt_read(f, &leaf), before);
        assert_int_equal(vmsim__pt_read(f, &up), table);
        assert_true(vmsim__mmu_walk(&pt, 0x70000, 0, &w));
        assert_int_equal(vmsim__pt_get(f, &leaf).flags & (A | D), A);
        assert_int_equal(w.flags & (A | D), A);
        assert_int_equal(vmsim__pt_read(f, &up), f->table_accessed ? table | 0x20 : table);
        assert_true(vmsim__mmu_walk(&pt, 0x70000, VMSIM__WALK_WRITE, &w));
        assert_int_equal(vmsim__pt_get(f, &leaf).flags & (A | D), A | D);
        assert_int_equal(w.flags & (A | D), A | D);
        vmsim__pagetable_fini(&pt);
        mmu_memory_end(m);
    }
}

/* Regions against one flag byte an address. */
static void regions_say_what_was_set_last(void **state) {
    (void)state;
    struct vmsim__rng r = test_rng("regions");
    struct vmsim__region storage[80];
    struct vmsim__regions regions = {storage, 0, TEST_COUNT(storage)};
    uint32_t flags[64] = {0};
    for (unsigned n = 0; n < 20000; n++) {
        uint64_t a = vmsim__rng_below(&r, 64), b = vmsim__rng_below(&r, 64);
        uint64_t start = vmsim__min64(a, b), last = vmsim__max64(a, b);
        uint32_t set = vmsim__rng_below(&r, 3) ? (uint32_t)(1 + vmsim__rng_below(&r, 3)) << 1 : 0;
        assert_true(vmsim__regions_set(&regions, start, last, set));
        for (uint64_t i = start; i <= last; i++)
            flags[i] = set;
        uint32_t count = 0;
        for (unsigned i = 0; i < 64; i++) {
            const struct vmsim__region *found = vmsim__regions_find(&regions, i);
            assert_int_equal(found ? found->flags : 0, flags[i]);
            count += flags[i] && (!i || flags[i - 1] != flags[i]);
        }
        assert_int_equal(regions.count, count); /* alike neighbours are one */
    }
    regions = (struct vmsim__regions){storage, 0, 1};
    assert_true(vmsim__regions_set(&regions, 0, UINT64_MAX, R));
    assert_false(vmsim__regions_set(&regions, 5, 6, W)); /* an MPU out of regions */
    assert_int_equal(regions.count, 1);
    assert_true(vmsim__regions_set(&regions, 5, UINT64_MAX, 0));
    assert_int_equal(regions.at[0].last, 4);
}

static void without_an_mmu_addresses_are_physical_and_regions_protect(void **state) {
    (void)state;
    struct vmsim__region storage[4];
    struct vmsim__regions regions = {storage, 0, 4};
    struct vmsim__pagetable pt;
    struct vmsim__walk w;
    assert_true(vmsim__pagetable_init(&pt, vmsim__pt_format_get(VMSIM__PT_NOMMU), NULL));
    assert_true(vmsim__mmu_walk(&pt, UINT64_MAX, VMSIM__WALK_FETCH | VMSIM__WALK_USER, &w));
    assert_int_equal(w.pa, UINT64_MAX);
    pt.regions = &regions;
    assert_true(vmsim__regions_set(&regions, 0x1000, 0x1fff, R | U));
    assert_true(vmsim__regions_set(&regions, 0x2000, 0x2fff, R | W));
    assert_true(vmsim__mmu_walk(&pt, 0x1234, VMSIM__WALK_USER, &w));
    assert_int_equal(w.pa, 0x1234);
    assert_int_equal(w.refs, 0);
    assert_false(vmsim__mmu_walk(&pt, 0x1234, VMSIM__WALK_WRITE, &w));
    assert_int_equal(w.fault, VMSIM__FAULT_WRITE);
    assert_false(vmsim__mmu_walk(&pt, 0x2000, VMSIM__WALK_USER, &w));
    assert_int_equal(w.fault, VMSIM__FAULT_USER);
    assert_false(vmsim__mmu_walk(&pt, 0x2000, VMSIM__WALK_FETCH, &w));
    assert_int_equal(w.fault, VMSIM__FAULT_EXEC);
    assert_false(vmsim__mmu_walk(&pt, 0x3000, 0, &w));
    assert_int_equal(w.fault, VMSIM__FAULT_NOT_PRESENT);
    vmsim__pagetable_fini(&pt);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_encoded_as_the_manuals_say),
        cmocka_unit_test(every_leaf_size_is_walked_as_it_was_encoded),
        cmocka_unit_test(software_entries_are_nothing_to_the_hardware),
        cmocka_unit_test(typed_entries_keep_what_they_say_in_every_format),
        cmocka_unit_test(causes_and_codes_are_those_of_the_architecture),
        cmocka_unit_test(levels_reserved_bits_and_addresses_show_in_the_code),
        cmocka_unit_test(each_reserved_bit_faults_and_no_other),
        cmocka_unit_test(hardware_updates_what_the_access_used),
        cmocka_unit_test(regions_say_what_was_set_last),
        cmocka_unit_test(without_an_mmu_addresses_are_physical_and_regions_protect),
    };
    return cmocka_run_group_tests_name("mmu_faults", tests, NULL, NULL);
}
