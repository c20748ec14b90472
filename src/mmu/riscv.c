/* SPDX-License-Identifier: MIT */
/* RISC-V entries: Sv32 in 32 bits, Sv39, Sv48 and Sv57 in 64, with Svnapot and Svpbmt.
 *
 *     63  62:61  60..54    53 ........ 10  9   8     7  6  5  4  3  2  1  0
 *     N   PBMT   reserved  frame number    sd  spec  D  A  G  U  X  W  R  V          (Sv32: frame in 31..10)
 *
 * An entry with any of R, W, X is a leaf; W without R is reserved. N marks an entry of 16 that map 64 KiB together: its
 * frame number ends in 1000 and is otherwise the group's. A pointer has D, A, U, N and PBMT clear. A leaf above level 0
 * must be aligned. G of a pointer makes everything below global. Not valid with bit 5 set is PROTNONE.
 *
 * Kernel counterpart: arch/riscv/include/asm/pgtable-bits.h, pgtable-64.h. */
#include "mmu/walker.h"

#define V UINT64_C(0x1)
#define R UINT64_C(0x2)
#define W UINT64_C(0x4)
#define X UINT64_C(0x8)
#define U UINT64_C(0x10)
#define G UINT64_C(0x20)
#define NONE UINT64_C(0x20)
#define A UINT64_C(0x40)
#define D UINT64_C(0x80)
#define SPECIAL UINT64_C(0x100)
#define SOFT_DIRTY UINT64_C(0x200)
#define PBMT_SHIFT 61
#define PBMT (UINT64_C(3) << PBMT_SHIFT)
#define N (UINT64_C(1) << 63)
#define RESERVED (UINT64_C(0x7f) << 54)
#define PPN_SHIFT 10
#define PPN (UINT64_C(0xfffffffffff))
#define NAPOT_MASK UINT64_C(15)
#define NAPOT_64K UINT64_C(8)

/* The hardware's flags V R W X U G A D stand in the order of the common ones but for the place of V: no shift at all.
 */
static_assert(VMSIM__PTE_PRESENT == V && VMSIM__PTE_READ == R && VMSIM__PTE_WRITE == W && VMSIM__PTE_EXEC == X &&
                  VMSIM__PTE_USER == U && VMSIM__PTE_GLOBAL == G && VMSIM__PTE_ACCESSED == A && VMSIM__PTE_DIRTY == D,
              "common flags are RISC-V's");

VMSIM__INLINE bool reserved_leaf(const struct vmsim__pt_format *f, unsigned level, uint64_t raw) {
    uint64_t ppn = raw >> PPN_SHIFT & PPN;
    return (raw & (R | W)) == W || (raw & PBMT) == PBMT || raw & RESERVED || !(f->leaf_levels >> level & 1) ||
           (raw & N && (level || (ppn & NAPOT_MASK) != NAPOT_64K)) ||
           ppn & ((UINT64_C(1) << (f->shift[level] - 12)) - 1);
}

VMSIM__INLINE uint32_t entry(const struct vmsim__pagetable *pt, unsigned level, uint64_t raw, uint64_t *pfn) {
    if (!(raw & V))
        return 0;
    *pfn = raw >> PPN_SHIFT & PPN;
    if (!(raw & (R | W | X))) {
        bool wrong = !level || raw & (D | A | U | N | PBMT | RESERVED);
        return VMSIM__UNLIKELY(wrong) ? VMSIM__HW_RESERVED : (uint32_t)(raw & (V | G));
    }
    if (VMSIM__UNLIKELY(reserved_leaf(pt->format, level, raw)))
        return VMSIM__HW_RESERVED;
    uint32_t flags = (uint32_t)raw & 0xff;
    if (raw & N) {
        *pfn &= ~NAPOT_MASK;
        flags |= VMSIM__PTE_CONTIG;
    }
    return flags | VMSIM__PTE_LEAF;
}
VMSIM__INLINE uint64_t touch(uint64_t raw, bool dirty) {
    return raw | A | (dirty ? D : 0);
}

struct vmsim__pte vmsim__riscv_decode(const struct vmsim__pt_format *f, unsigned level, uint64_t raw) {
    VMSIM__ASSERT(level < f->levels);
    if (vmsim__pt_is_table(f, level, raw))
        return (struct vmsim__pte){vmsim__pt_table_pfn(f, raw), (uint32_t)(raw & (V | G))};
    if (!(raw & (V | NONE)))
        return vmsim__soft_decode(f, raw);
    uint32_t flags = ((uint32_t)raw & 0xff) | VMSIM__PTE_LEAF | VMSIM__PTE_MEMTYPE(raw >> PBMT_SHIFT & 3);
    flags |= (raw & SPECIAL ? VMSIM__PTE_SPECIAL : 0) | (raw & SOFT_DIRTY ? VMSIM__PTE_SOFT_DIRTY : 0);
    uint64_t pfn = raw >> PPN_SHIFT & PPN;
    if (raw & N) {
        flags |= VMSIM__PTE_CONTIG;
        pfn &= ~NAPOT_MASK;
    }
    if (!(raw & V))
        flags = (flags & ~VMSIM__PTE_GLOBAL) | VMSIM__PTE_PROTNONE;
    return (struct vmsim__pte){pfn & ~((UINT64_C(1) << (f->shift[level] - 12)) - 1), flags};
}

/* A mapping without any permission would be a pointer, and so becomes PROTNONE; a writable one is readable. */
uint64_t vmsim__riscv_encode(const struct vmsim__pt_format *f, unsigned level, struct vmsim__pte pte) {
    VMSIM__ASSERT(level < f->levels);
    uint32_t flags = pte.flags;
    if (!(flags & (VMSIM__PTE_PRESENT | VMSIM__PTE_PROTNONE)))
        return flags & VMSIM__PTE_SWAP ? vmsim__soft_encode(f, pte) : 0;
    VMSIM__ASSERT(!(pte.pfn & ((UINT64_C(1) << (f->shift[level] - 12)) - 1)));
    uint64_t raw = flags & (R | W | X | U | A | D);
    raw |= raw & W ? R : 0;
    raw |= (flags & VMSIM__PTE_SPECIAL ? SPECIAL : 0) | (flags & VMSIM__PTE_SOFT_DIRTY ? SOFT_DIRTY : 0);
    if (f->entry_bytes == 8)
        raw |= (uint64_t)(flags >> VMSIM__PTE_MEMTYPE_SHIFT & 3) << PBMT_SHIFT;
    if (flags & VMSIM__PTE_CONTIG && f->contig_shift[level])
        raw |= N | ((pte.pfn & ~NAPOT_MASK) | NAPOT_64K) << PPN_SHIFT;
    else
        raw |= pte.pfn << PPN_SHIFT;
    if (flags & VMSIM__PTE_PROTNONE || !(raw & (R | W | X)))
        return raw | NONE;
    return raw | V | (flags & VMSIM__PTE_GLOBAL);
}

uint64_t vmsim__riscv_encode_table(const struct vmsim__pt_format *f, unsigned level, uint64_t table_pfn) {
    VMSIM__ASSERT(level > 0 && level < f->levels);
    (void)f, (void)level;
    return table_pfn << PPN_SHIFT | V;
}

static const struct vmsim__walk_ops ops = {.entry = entry, .touch = touch};

bool vmsim__riscv_walk(VMSIM__WALK_PARAMETERS) {
    return vmsim__walk_body(&ops, VMSIM__WALK_ARGUMENTS);
}

/* scause: 12, 13, 15 page faults of fetch, load, store; 1, 5, 7 access faults, when a table is not memory. */
uint32_t vmsim__riscv_fault_code(enum vmsim__fault fault, bool write, bool fetch) {
    if (fault == VMSIM__FAULT_NONE)
        return 0;
    if (fault == VMSIM__FAULT_BUS)
        return fetch ? 1 : write ? 7 : 5;
    return fetch ? 12 : write ? 15 : 13;
}
