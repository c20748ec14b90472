/* SPDX-License-Identifier: MIT */
/* Walkers of all formats against a decoder written here a second time, from the manuals' bit tables, without encode or
 * decode: random tables full of random entries, every answer, every reference and every changed bit compared. */
#include "mmu_memory.h"

#define TABLES 24u
#define BIT(n) (UINT64_C(1) << (n))
#define BITS(high, low) (((high) == 63 ? UINT64_MAX : BIT((high) + 1) - 1) & ~(BIT(low) - 1))

struct world {
    const struct vmsim__pt_format *f;
    struct mmu_memory *m;
    struct vmsim__pagetable pt;
};

/* What the reference decoder says. */
struct expected {
    enum vmsim__fault fault;
    unsigned level, refs, shift;
    uint64_t ref[5], pa;
    bool unclear; /* a case that the common flags cannot tell */
    bool read, write, exec, user, contig;
};

static uint64_t load(struct world *w, uint64_t pa) {
    unsigned char *frame = w->m->frame[pa >> w->m->page_shift];
    unsigned char *at = frame + (pa & (BIT(w->m->page_shift) - 1));
    return w->f->entry_bytes == 8 ? *(uint64_t *)at : *(uint32_t *)at;
}
static void store(struct world *w, uint64_t pa, uint64_t raw) {
    unsigned char *frame = w->m->frame[pa >> w->m->page_shift];
    unsigned char *at = frame + (pa & (BIT(w->m->page_shift) - 1));
    if (w->f->entry_bytes == 8)
        *(uint64_t *)at = raw;
    else
        *(uint32_t *)at = (uint32_t)raw;
}
static bool is_memory(struct world *w, uint64_t frame) {
    return frame < MMU_FRAMES && w->m->frame[frame];
}

/* ---- x86: SDM volume 3, tables 4-4 to 4-20 ---- */

static enum vmsim__fault x86_permission(unsigned mode, bool rw, bool us, bool nx, bool has_nx) {
    bool user = mode & VMSIM__WALK_USER, fetch = mode & VMSIM__WALK_FETCH;
    if (user && !us)
        return VMSIM__FAULT_USER;
    if (mode & VMSIM__WALK_WRITE && !rw)
        return VMSIM__FAULT_WRITE;
    if (fetch && (nx || (has_nx && !user && us)))
        return VMSIM__FAULT_EXEC;
    return VMSIM__FAULT_NONE;
}

static bool x86_reserved(struct world *w, unsigned level, uint64_t e) {
    unsigned m = w->pt.pa_bits;
    bool large = level && e & BIT(7);
    switch (w->f->id) {
    case VMSIM__PT_X86_32:
        return large && e & (BIT(21) | (m < 40 ? BITS(20, 13 + m - 32) : 0));
    case VMSIM__PT_X86_PAE:
        if (level == 2)
            return e & (BITS(2, 1) | BITS(8, 5) | BITS(63, m));
        return e & (BITS(62, m) | (large ? BITS(20, 13) : 0));
    default:
        if (m < 52 && e & BITS(51, m))
            return true;
        return large && (level > 2 || e & (level == 2 ? BITS(29, 13) : BITS(20, 13)));
    }
}

static void x86_expect(struct world *w, uint64_t va, unsigned mode, struct expected *x) {
    bool narrow = w->f->id == VMSIM__PT_X86_32, pae = w->f->id == VMSIM__PT_X86_PAE, probe = mode & VMSIM__WALK_PROBE;
    unsigned level = narrow ? 1 : pae ? 2 : w->f->id == VMSIM__PT_X86_64 ? 3 : 4, width = narrow ? 10 : 9;
    uint64_t table = w->pt.root, e;
    bool rw = true, us = true, nx = false;
    for (;; level--) {
        unsigned shift = 12 + width * level;
        uint64_t at = table * 4096 + ((va >> shift) & (BIT(width) - 1)) * (narrow ? 4 : 8);
        x->ref[x->refs++] = at;
        x->level = level;
        e = load(w, at);
        bool pdpte = pae && level == 2;
        x->fault = !(e & 1) ? VMSIM__FAULT_NOT_PRESENT : x86_reserved(w, level, e) ? VMSIM__FAULT_RESERVED : x->fault;
        if (x->fault)
            return;
        if (!pdpte) {
            rw = rw && e & 2;
            us = us && e & 4;
            nx = nx || (!narrow && e & BIT(63));
        }
        if (!level || (e & BIT(7) && !pdpte))
            break;
        if (!probe && !pdpte)
            store(w, at, e | BIT(5));
        table = (e & BITS(51, 12)) >> 12;
        if (!is_memory(w, table)) {
            x->fault = VMSIM__FAULT_BUS;
            return;
        }
    }
    x->read = true, x->write = rw, x->exec = !nx, x->user = us;
    x->fault = x86_permission(mode, rw, us, nx, !narrow);
    if (x->fault)
        return;
    if (!probe)
        store(w, x->ref[x->refs - 1], e | BIT(5) | (mode & VMSIM__WALK_WRITE ? BIT(6) : 0));
    x->shift = 12 + width * level;
    uint64_t base = e & BITS(51, 12) & ~(BIT(x->shift) - 1);
    if (narrow && level)
        base = (e & BITS(31, 22)) | (e & BITS(20, 13)) >> 13 << 32;
    x->pa = base + (va & (BIT(x->shift) - 1));
}

/* ---- Arm: D8.3, descriptor formats and attributes ---- */

static void arm64_leaf(struct world *w, unsigned mode, uint64_t e, struct expected *x) {
    bool user = mode & VMSIM__WALK_USER, write = mode & VMSIM__WALK_WRITE, fetch = mode & VMSIM__WALK_FETCH;
    bool el0 = e & BIT(6), ro = e & BIT(7), dbm = e & BIT(51), pxn = e & BIT(53), uxn = e & BIT(54);
    x->unclear = !el0 && !uxn;
    x->user = el0 || !uxn;
    x->read = el0 || uxn;
    x->write = x->read && (!ro || dbm);
    x->exec = x->user ? !uxn : !pxn;
    if (!(e & BIT(10)) && !w->pt.hardware_accessed && !(mode & VMSIM__WALK_PROBE))
        x->fault = VMSIM__FAULT_ACCESSED;
    else if (user && !el0 && uxn)
        x->fault = VMSIM__FAULT_USER;
    else if (write && (!x->write || (ro && !dbm)))
        x->fault = VMSIM__FAULT_WRITE;
    else if (fetch && (user ? uxn : x->user || pxn))
        x->fault = VMSIM__FAULT_EXEC;
    else if (user && !write && !fetch && !el0)
        x->fault = VMSIM__FAULT_READ;
    else if (write && ro && !w->pt.hardware_dirty && !(mode & VMSIM__WALK_PROBE))
        x->fault = VMSIM__FAULT_DIRTY;
}

static void arm64_expect(struct world *w, uint64_t va, unsigned mode, struct expected *x) {
    const bool lpae = w->f->id == VMSIM__PT_ARM_LPAE;
    unsigned g = w->f->page_shift, stride = g - 3, level = g == 16 || lpae ? 1 : 0, shift; /* Arm's level */
    const unsigned va_bits = lpae ? 32 : 48, pa_top = lpae ? 39 : 47;
    uint64_t table = w->pt.root, e;
    for (;; level++) {
        shift = (3 - level) * stride + g;
        uint64_t at = (table << g) + ((va >> shift) & (BIT(stride) - 1) & (BIT(va_bits - shift) - 1)) * 8;
        x->ref[x->refs++] = at;
        x->level = 3 - level;
        e = load(w, at);
        bool table_type = (e & 3) == 3 && level < 3;
        bool block = (e & 3) == 1 && (level == 2 || (level == 1 && g == 12));
        bool page = (e & 3) == 3 && level == 3;
        if (!table_type && !block && !page) {
            x->fault = e & 1 ? VMSIM__FAULT_RESERVED : VMSIM__FAULT_NOT_PRESENT;
            return;
        }
        if (!table_type)
            break;
        table = (e & BITS(pa_top, g)) >> g;
        if (!is_memory(w, table)) {
            x->fault = VMSIM__FAULT_BUS;
            return;
        }
    }
    arm64_leaf(w, mode, e, x);
    if (x->fault)
        return;
    uint64_t after = e | BIT(10);
    if (mode & VMSIM__WALK_WRITE)
        after &= ~BIT(7);
    if (!(mode & VMSIM__WALK_PROBE))
        store(w, x->ref[x->refs - 1], after);
    static const unsigned pages[3] = {16, 128, 32}, blocks[3] = {16, 32, 32};
    uint64_t group = (level == 3 ? pages : blocks)[(g - 12) / 2], out = e & BITS(pa_top, shift);
    x->shift = shift;
    x->pa = out + (va & (BIT(shift) - 1));
    if (lpae && level == 1) /* four entries are no group */
        group = 0;
    if (group && e & BIT(52) && (out >> shift) % group == (va >> shift) % group) {
        x->contig = true;
        x->shift += (unsigned)__builtin_ctzll(group);
    }
}

/* ---- 32-bit ARM: ARMv7-A B3.5, short descriptors, with the OS's word in front of each ---- */

/* Where the hardware reads a word that stands in a pair here: the tables of 1 KiB lie in the second half of the page.
 */
static void arm_refs(uint64_t va, struct expected *x) {
    for (unsigned i = 0; i < x->refs; i++) {
        const uint64_t page = x->ref[i] & ~BITS(11, 0), index = (va >> 12) % 256, table = va >> 20 & 1;
        x->ref[i] = i ? page + 0x800 + table * 0x400 + index * 4 : x->ref[i] + table * 4;
    }
}

static void arm_leaf(struct world *w, unsigned mode, uint64_t e, struct expected *x) {
    const bool user = mode & VMSIM__WALK_USER, write = mode & VMSIM__WALK_WRITE, fetch = mode & VMSIM__WALK_FETCH;
    const bool probe = mode & VMSIM__WALK_PROBE, missing = !(e >> 32 & 3);
    const bool dirty = e & BIT(6), clean = e & BIT(0) && !(e & BIT(7)) && !dirty;
    x->read = true;
    x->user = missing ? e & BIT(8) : e >> 32 & BIT(5);
    x->exec = missing ? !(e & BIT(9)) : !(e >> 32 & 1);
    x->write = missing ? !(e & BIT(7)) : !(e >> 32 & BIT(9)) || clean;
    const bool set = missing ? dirty : !(e >> 32 & BIT(9)) || dirty;
    if (missing && !w->pt.hardware_accessed && !probe)
        x->fault = VMSIM__FAULT_ACCESSED;
    else if (user && !x->user)
        x->fault = VMSIM__FAULT_USER;
    else if (write && !x->write)
        x->fault = VMSIM__FAULT_WRITE;
    else if (fetch && (!x->exec || (!user && x->user)))
        x->fault = VMSIM__FAULT_EXEC;
    else if (write && !set && !w->pt.hardware_dirty && !probe)
        x->fault = VMSIM__FAULT_DIRTY;
    if (x->fault || probe || !(missing || (write && !set)))
        return;
    uint64_t os = (e & BITS(31, 0)) | BIT(1) | (write ? BIT(6) : 0);
    uint64_t hw = (os & BITS(31, 12)) | BIT(1) | BIT(4) | BIT(10) | (os & BIT(9) ? 1 : 0) | (os & BIT(8) ? BIT(5) : 0);
    hw |= (os >> 2 & 3) << 2 | (os & BIT(4) ? BIT(6) : 0) | (os & BIT(11) ? 0 : BIT(11));
    hw |= os & BIT(7) || !(os & BIT(6)) ? BIT(9) : 0;
    store(w, x->ref[x->refs - 1], os | hw << 32);
}

static void arm_expect(struct world *w, uint64_t va, unsigned mode, struct expected *x) {
    x->ref[0] = w->pt.root * 4096 + (va >> 21) * 8;
    x->refs = 1;
    x->level = 1;
    uint64_t e = load(w, x->ref[0]), low = e & BITS(31, 0);
    if ((low & 0xc03) != 0x801 || e >> 32 != ((low + 0x400) & BITS(31, 0)))
        x->fault = low & 3 ? VMSIM__FAULT_RESERVED : VMSIM__FAULT_NOT_PRESENT;
    else if (!is_memory(w, low >> 12))
        x->fault = VMSIM__FAULT_BUS;
    if (x->fault)
        return;
    x->ref[x->refs++] = (low & BITS(31, 12)) + (va >> 12) % 512 * 8;
    x->level = 0;
    e = load(w, x->ref[1]);
    const uint64_t hw = e >> 32;
    if (hw & 3 ? !(hw & BIT(1)) || !(hw & BIT(4)) : !(e & 1))
        x->fault = hw & 3 ? VMSIM__FAULT_RESERVED : VMSIM__FAULT_NOT_PRESENT;
    if (!x->fault)
        arm_leaf(w, mode, e, x);
    x->shift = 12;
    x->pa = ((hw & 3 ? hw : e) & BITS(31, 12)) + (va & BITS(11, 0));
}

/* ---- RISC-V: privileged specification, "Virtual Address Translation Process" ---- */

static bool riscv_step(struct world *w, unsigned level, uint64_t e, struct expected *x, bool *leaf) {
    bool rv32 = w->f->id == VMSIM__PT_RISCV_SV32;
    bool r = e & 2, wr = e & 4, ex = e & 8, n = !rv32 && e >> 63;
    unsigned pbmt = rv32 ? 0 : (unsigned)(e >> 61) & 3;
    uint64_t ppn = rv32 ? e >> 10 : (e >> 10) & (BIT(44) - 1);
    if (!(e & 1))
        x->fault = VMSIM__FAULT_NOT_PRESENT;
    else if ((wr && !r) || (!rv32 && e & BITS(60, 54)) || pbmt == 3)
        x->fault = VMSIM__FAULT_RESERVED;
    *leaf = r || ex;
    if (x->fault)
        return false;
    if (!*leaf)
        x->fault = !level || n || pbmt || e & (BIT(4) | BIT(6) | BIT(7)) ? VMSIM__FAULT_RESERVED : VMSIM__FAULT_NONE;
    else if (n && (level || (ppn & 15) != 8))
        x->fault = VMSIM__FAULT_RESERVED;
    else if (ppn % BIT((rv32 ? 10 : 9) * level))
        x->fault = VMSIM__FAULT_RESERVED;
    return !x->fault;
}

static void riscv_leaf(struct world *w, unsigned mode, uint64_t e, struct expected *x) {
    bool user = mode & VMSIM__WALK_USER, write = mode & VMSIM__WALK_WRITE, fetch = mode & VMSIM__WALK_FETCH;
    bool probe = mode & VMSIM__WALK_PROBE;
    x->read = e & 2, x->write = e & 4, x->exec = e & 8, x->user = e & 16;
    if (user && !x->user)
        x->fault = VMSIM__FAULT_USER;
    else if (write && !x->write)
        x->fault = VMSIM__FAULT_WRITE;
    else if (fetch && (!x->exec || (!user && x->user)))
        x->fault = VMSIM__FAULT_EXEC;
    else if (!write && !fetch && !x->read)
        x->fault = VMSIM__FAULT_READ;
    else if (!(e & BIT(6)) && !w->pt.hardware_accessed && !probe)
        x->fault = VMSIM__FAULT_ACCESSED;
    else if (write && !(e & BIT(7)) && !w->pt.hardware_dirty && !probe)
        x->fault = VMSIM__FAULT_DIRTY;
}

static void riscv_expect(struct world *w, uint64_t va, unsigned mode, struct expected *x) {
    bool rv32 = w->f->id == VMSIM__PT_RISCV_SV32, leaf;
    unsigned width = rv32 ? 10 : 9, level = rv32 ? 1 : w->f->id - VMSIM__PT_RISCV_SV39 + 2, size = rv32 ? 4 : 8;
    uint64_t a = w->pt.root, e, ppn;
    for (;; level--) {
        uint64_t at = a * 4096 + ((va >> (12 + width * level)) % BIT(width)) * size;
        x->ref[x->refs++] = at;
        x->level = level;
        e = load(w, at);
        if (!riscv_step(w, level, e, x, &leaf))
            return;
        ppn = rv32 ? e >> 10 : (e >> 10) & (BIT(44) - 1);
        if (leaf)
            break;
        a = ppn;
        if (!is_memory(w, a)) {
            x->fault = VMSIM__FAULT_BUS;
            return;
        }
    }
    riscv_leaf(w, mode, e, x);
    if (x->fault)
        return;
    if (!(mode & VMSIM__WALK_PROBE))
        store(w, x->ref[x->refs - 1], e | BIT(6) | (mode & VMSIM__WALK_WRITE ? BIT(7) : 0));
    x->shift = 12 + width * level;
    x->contig = !rv32 && e >> 63;
    if (x->contig) {
        x->shift = 16;
        ppn = (ppn & ~UINT64_C(15)) | (va >> 12 & 15);
    }
    x->pa = (ppn << 12) + (va & (BIT(12 + width * level) - 1));
}

/* ---- random tables ---- */

/* The first table is the root, the others take turns as tables of the lower levels. */
static unsigned frame_level(struct world *w, uint64_t frame) {
    unsigned top = w->f->levels - 1u;
    return frame <= BIT(w->f->root_order) ? top : (unsigned)(frame % top);
}
static uint64_t random_table(struct world *w, struct vmsim__rng *r, unsigned level) {
    for (unsigned n = 0;; n++) {
        uint64_t frame = 1 + vmsim__rng_below(r, TABLES);
        if (n > 200 || frame_level(w, frame) + 1 == level || !vmsim__rng_below(r, 200))
            return frame;
    }
}

static uint64_t random_entry(struct world *w, struct vmsim__rng *r, unsigned level) {
    unsigned g = w->f->page_shift;
    uint64_t table = random_table(w, r, level), noise = vmsim__rng_next(r), e;
    uint64_t frame = noise & ((BIT(w->f->entry_bytes == 4 ? 20 : 24) - 1) >> (g - 12));
    unsigned kind = (unsigned)vmsim__rng_below(r, 20);
    bool pointer = level && kind < 15;
    if (!pointer && !(w->f->leaf_levels >> level & 1) && vmsim__rng_below(r, 8))
        pointer = true;
    if (kind == 19)
        return noise & 1 ? 0 : vmsim__rng_next(r);
    switch (w->f->arch) {
    case VMSIM__PT_ARCH_X86:
        e = pointer ? table << 12 : frame << 12 & ~(BIT(w->f->shift[level]) - 1);
        e |= (vmsim__rng_next(r) & 0x67) | (vmsim__rng_below(r, 8) ? 0x7 : 0) | (level && !pointer ? BIT(7) : 0);
        e |= vmsim__rng_next(r) & 0xe00;
        if (w->f->entry_bytes == 4 && level && !pointer)
            e |= vmsim__rng_next(r) & BITS(vmsim__rng_below(r, 4) ? 16 : 20, 13);
        if (w->f->id == VMSIM__PT_X86_PAE && level == 2)
            e &= ~UINT64_C(0x1e6);
        else if (w->f->entry_bytes == 8 && !vmsim__rng_below(r, 6))
            e |= BIT(63);
        break;
    case VMSIM__PT_ARCH_ARM64:
        e = pointer ? table << g | 3 : (frame << g & ~(BIT(w->f->shift[level]) - 1)) | (level ? 1 : 3);
        e |= vmsim__rng_next(r) & (BIT(6) | BIT(7) | BIT(10) | BIT(11) | BITS(58, 51));
        break;
    case VMSIM__PT_ARCH_ARM:
        if (level) {
            e = ((vmsim__rng_below(r, 40) ? table : noise) << 12 & BITS(31, 12)) | 0x831;
            e |= (e + 0x400) << 32;
            break;
        }
        e = (frame << 12 & BITS(31, 12)) | (vmsim__rng_next(r) & 0xfff);
        e |= (e & BITS(31, 12)) << 32 | (vmsim__rng_next(r) & 0xfef) << 32 | BIT(36);
        if (!vmsim__rng_below(r, 3))
            e &= BITS(31, 0);
        break;
    default:
        if (level)
            frame &= ~(BIT(w->f->shift[level] - 12) - 1);
        e = (pointer ? table : frame) << 10 | 1 | (pointer ? 0 : vmsim__rng_next(r) & 0x3fe);
        if (!pointer && w->f->entry_bytes == 8 && !level && vmsim__rng_below(r, 3) == 0)
            e = (e & ~BITS(13, 10)) | BIT(63) | BIT(13);
        break;
    }
    if (!vmsim__rng_below(r, 12))
        e ^= BIT(vmsim__rng_below(r, w->f->entry_bytes * 8u));
    return e;
}

static void fill(struct world *w, struct vmsim__rng *r) {
    for (uint64_t frame = 1; frame <= TABLES; frame++)
        for (uint64_t at = 0; at < BIT(w->f->page_shift); at += w->f->entry_bytes)
            store(w, (frame << w->f->page_shift) + at, random_entry(w, r, frame_level(w, frame)));
}

static void expect(struct world *w, uint64_t va, unsigned mode, struct expected *x) {
    *x = (struct expected){.level = w->f->levels - 1u};
    unsigned spare = 64u - w->f->va_bits;
    bool canonical = w->f->va_signed ? (uint64_t)((int64_t)(va << spare) >> spare) == va : va >> w->f->va_bits == 0;
    if (!canonical)
        x->fault = VMSIM__FAULT_NONCANONICAL;
    else if (w->f->arch == VMSIM__PT_ARCH_X86)
        x86_expect(w, va, mode, x);
    else if (w->f->arch == VMSIM__PT_ARCH_ARM64)
        arm64_expect(w, va, mode, x);
    else if (w->f->arch == VMSIM__PT_ARCH_ARM)
        arm_expect(w, va, mode, x);
    else
        riscv_expect(w, va, mode, x);
}

/* The raw entries that a walk reads. */
static void entries(struct world *w, const struct expected *x, uint64_t raw[5]) {
    for (unsigned i = 0; i < x->refs; i++)
        raw[i] = load(w, x->ref[i]);
}

static void compare(struct world *w, const struct expected *x, const struct vmsim__walk *k) {
    assert_int_equal(k->fault, x->fault);
    assert_int_equal(k->refs, x->refs);
    assert_memory_equal(k->ref, x->ref, x->refs * sizeof *x->ref);
    assert_int_equal(k->level, x->level);
    if (x->fault)
        return;
    assert_int_equal(k->pa, x->pa);
    assert_int_equal(k->page_shift, x->shift);
    assert_int_equal(k->pfn << w->f->page_shift, x->pa & ~(BIT(x->shift) - 1));
    assert_int_equal(!!(k->flags & VMSIM__PTE_CONTIG), x->contig);
    uint32_t rwxu = (x->read ? VMSIM__PTE_READ : 0) | (x->write ? VMSIM__PTE_WRITE : 0) |
                    (x->exec ? VMSIM__PTE_EXEC : 0) | (x->user ? VMSIM__PTE_USER : 0);
    assert_int_equal(k->flags & VMSIM__PTE_RWXU, rwxu);
}

static void walk_once(struct world *w, uint64_t va, unsigned mode, uint64_t *translated, uint64_t faults[]) {
    struct expected before, x;
    struct vmsim__walk k;
    uint64_t old[5], reference[5], walked[5];
    expect(w, va, mode | VMSIM__WALK_PROBE, &before); /* for the addresses */
    entries(w, &before, old);
    expect(w, va, mode, &x);
    entries(w, &before, reference);
    for (unsigned i = before.refs; i-- > 0;)
        store(w, before.ref[i], old[i]);
    bool ok = vmsim__mmu_walk(&w->pt, va, mode, &k);
    assert_int_equal(ok, !k.fault);
    if (w->f->arch == VMSIM__PT_ARCH_ARM)
        arm_refs(va, &x);
    if (!x.unclear || mode & VMSIM__WALK_USER) {
        compare(w, &x, &k);
        entries(w, &before, walked);
        assert_memory_equal(walked, reference, before.refs * sizeof *old);
    }
    *translated += !x.fault;
    faults[x.fault]++;
}

static uint64_t random_va(struct world *w, struct vmsim__rng *r) {
    uint64_t va = vmsim__rng_next(r);
    if (!vmsim__rng_below(r, 50))
        return va;
    return mmu_va(w->f, w->f->va_bits == 64 ? va : va & (BIT(w->f->va_bits) - 1));
}

/* x86 has no unreadable pages and updates A and D itself; its 32-bit mode has no NX. Nor has 32-bit ARM such pages. */
static bool never(const struct vmsim__pt_format *f, unsigned fault) {
    if (f->arch == VMSIM__PT_ARCH_ARM)
        return fault == VMSIM__FAULT_READ;
    bool x86 = fault == VMSIM__FAULT_READ || fault == VMSIM__FAULT_ACCESSED || fault == VMSIM__FAULT_DIRTY;
    return f->arch == VMSIM__PT_ARCH_X86 && (x86 || (fault == VMSIM__FAULT_EXEC && f->id == VMSIM__PT_X86_32));
}

static void walk_format(enum vmsim__pt_format_id id) {
    struct vmsim__rng r = test_rng("walk");
    struct world w = {.f = vmsim__pt_format_get(id)};
    uint64_t translated = 0, faults[VMSIM__FAULT_BUS + 1] = {0};
    w.m = mmu_memory_new(w.f);
    assert_true(vmsim__pagetable_init(&w.pt, w.f, &w.m->mem));
    while (w.m->used < TABLES)
        mmu_memory_take(w.m, 0);
    for (unsigned round = 0; round < 12; round++) {
        w.pt.hardware_accessed = round & 1;
        w.pt.hardware_dirty = round >> 1 & 1;
        if (w.f->arch == VMSIM__PT_ARCH_X86) {
            w.pt.hardware_accessed = w.pt.hardware_dirty = true;
            w.pt.pa_bits = (uint8_t)(round & 1 ? w.f->pa_bits : 36);
        }
        fill(&w, &r);
        for (unsigned n = 0; n < 6000; n++)
            walk_once(&w, random_va(&w, &r), (unsigned)vmsim__rng_below(&r, 16), &translated, faults);
    }
    assert_true(translated > 500); /* the test tests something */
    for (unsigned i = VMSIM__FAULT_NOT_PRESENT; i <= VMSIM__FAULT_BUS; i++)
        assert_int_equal(faults[i] == 0, never(w.f, i));
    const unsigned root = 1u << w.f->root_order;
    mmu_memory_release(w.m, 1, w.f->levels - 1u);
    for (unsigned frame = 1 + root; frame < TABLES + root; frame++)
        mmu_memory_release(w.m, frame, 0);
    mmu_memory_end(w.m);
}

static void every_walker_agrees_with_the_manuals(void **state) {
    (void)state;
    for (int id = 0; id < VMSIM__PT_NOMMU; id++)
        walk_format((enum vmsim__pt_format_id)id);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_walker_agrees_with_the_manuals),
    };
    return cmocka_run_group_tests_name("mmu_walk", tests, NULL, NULL);
}
