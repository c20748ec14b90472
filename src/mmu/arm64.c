/* SPDX-License-Identifier: MIT */
/* Armv8-A entries (VMSAv8-64, stage 1) for the 4, 16 and 64 KiB granules, 48-bit addresses. A page table is one half,
 * TTBR0's or TTBR1's; the latter hangs at the former as `upper`. 32-bit ARM with LPAE has the same for three levels and
 * 40 bits of output address.
 *
 *     63  58     57  56    55   54   53   52    51   50  47 ...... 12|14|16  11  10  9:8  7   6   5   4:2   1     0
 *     -   none   sd  spec  drty UXN  PXN  Cont  DBM  -   output address      nG  AF  SH   RO  U   NS  attr  type  valid
 *
 * Bits 1:0 are 11 for a table or a last-level page, 01 for a block. AP[2] (RO) with DBM is "writable, clean": hardware
 * that manages dirty state clears AP[2] at the first write, other hardware takes a permission fault. WRITE is therefore
 * DBM or not RO, and DIRTY is not RO; bit 55 keeps DIRTY of a read-only page, as Linux does. EXEC is UXN for user pages
 * and PXN for the kernel's; an execute-only user page, never writable, is a kernel page without UXN. Hierarchical
 * attributes of tables are taken as disabled (TCR.HPD), which is how Linux uses them.
 *
 * Kernel counterpart: arch/arm64/include/asm/pgtable-hwdef.h, pgtable-prot.h. */
#include "mmu/walker.h"

#define VALID UINT64_C(0x1)
#define TYPE UINT64_C(0x2)
#define ATTR_SHIFT 2
#define AP_USER (UINT64_C(1) << 6)
#define AP_RO (UINT64_C(1) << 7)
#define SH_INNER (UINT64_C(3) << 8)
#define AF (UINT64_C(1) << 10)
#define NG (UINT64_C(1) << 11)
#define DBM (UINT64_C(1) << 51)
#define CONT (UINT64_C(1) << 52)
#define PXN (UINT64_C(1) << 53)
#define UXN (UINT64_C(1) << 54)
#define SW_DIRTY (UINT64_C(1) << 55)
#define SPECIAL (UINT64_C(1) << 56)
#define SOFT_DIRTY (UINT64_C(1) << 57)
#define NONE (UINT64_C(1) << 58)

VMSIM__INLINE uint64_t leaf_frame(const struct vmsim__pt_format *f, unsigned level, uint64_t raw) {
    return (raw & ((UINT64_C(1) << f->pa_bits) - 1)) >> f->shift[level] << (f->shift[level] - f->page_shift);
}

/* Who may do what, and the bits the hardware keeps. What only the kernel may do with a page that user mode can reach is
 * not told: nobody maps such pages. */
VMSIM__INLINE uint32_t leaf_flags(uint64_t raw) {
    bool dirty = !(raw & AP_RO) || (raw & (SW_DIRTY | DBM)) == SW_DIRTY;
    uint32_t flags = VMSIM__PTE_PRESENT | VMSIM__PTE_LEAF | (dirty ? VMSIM__PTE_DIRTY : 0);
    uint32_t write = !(raw & AP_RO) || raw & DBM ? VMSIM__PTE_WRITE : 0;
    if (raw & AP_USER)
        flags |= write | VMSIM__PTE_READ | VMSIM__PTE_USER | (raw & UXN ? 0 : VMSIM__PTE_EXEC);
    else if (!(raw & UXN))
        flags |= VMSIM__PTE_USER | VMSIM__PTE_EXEC;
    else
        flags |= write | VMSIM__PTE_READ | (raw & PXN ? 0 : VMSIM__PTE_EXEC);
    flags |= raw & AF ? VMSIM__PTE_ACCESSED : 0;
    return flags | (raw & NG ? 0 : VMSIM__PTE_GLOBAL) | (raw & CONT ? VMSIM__PTE_CONTIG : 0);
}

VMSIM__INLINE uint32_t entry(const struct vmsim__pagetable *pt, unsigned level, uint64_t raw, uint64_t *pfn) {
    const struct vmsim__pt_format *f = pt->format;
    if (!(raw & VALID))
        return 0;
    if (level && raw & TYPE) {
        *pfn = vmsim__pt_table_pfn(f, raw);
        return VMSIM__PTE_PRESENT;
    }
    if (level ? !(f->leaf_levels >> level & 1) : !(raw & TYPE))
        return VMSIM__HW_RESERVED;
    *pfn = leaf_frame(f, level, raw);
    uint32_t flags = leaf_flags(raw);
    return f->contig_shift[level] ? flags : flags & ~VMSIM__PTE_CONTIG;
}
VMSIM__INLINE uint64_t touch(uint64_t raw, bool dirty) {
    raw |= AF;
    return dirty ? raw & ~AP_RO : raw;
}

struct vmsim__pte vmsim__arm64_decode(const struct vmsim__pt_format *f, unsigned level, uint64_t raw) {
    VMSIM__ASSERT(level < f->levels);
    if (vmsim__pt_is_table(f, level, raw))
        return (struct vmsim__pte){vmsim__pt_table_pfn(f, raw), VMSIM__PTE_PRESENT};
    if (!(raw & VALID) && !(raw & NONE))
        return vmsim__soft_decode(f, raw);
    uint32_t flags = leaf_flags(raw) | VMSIM__PTE_MEMTYPE(raw >> ATTR_SHIFT & 7);
    flags |= (raw & SW_DIRTY ? VMSIM__PTE_DIRTY : 0) | (raw & SPECIAL ? VMSIM__PTE_SPECIAL : 0);
    flags |= raw & SOFT_DIRTY ? VMSIM__PTE_SOFT_DIRTY : 0;
    if (!(raw & VALID))
        flags = (flags ^ (VMSIM__PTE_PRESENT | VMSIM__PTE_PROTNONE)) & ~VMSIM__PTE_GLOBAL;
    return (struct vmsim__pte){leaf_frame(f, level, raw), flags};
}

static uint64_t encode_permissions(uint32_t flags) {
    bool user = flags & VMSIM__PTE_USER, read = flags & VMSIM__PTE_READ, exec = flags & VMSIM__PTE_EXEC;
    uint64_t raw = user && (read || !exec) ? AP_USER : 0;
    raw |= (user && exec ? 0 : UXN) | (!user && exec ? 0 : PXN);
    if (flags & VMSIM__PTE_WRITE && (read || !user))
        raw |= DBM | (flags & VMSIM__PTE_DIRTY ? 0 : AP_RO);
    else
        raw |= AP_RO;
    return raw | (flags & VMSIM__PTE_DIRTY ? SW_DIRTY : 0);
}

uint64_t vmsim__arm64_encode(const struct vmsim__pt_format *f, unsigned level, struct vmsim__pte pte) {
    VMSIM__ASSERT(level < f->levels);
    uint32_t flags = pte.flags;
    if (!(flags & (VMSIM__PTE_PRESENT | VMSIM__PTE_PROTNONE)))
        return flags & VMSIM__PTE_SWAP ? vmsim__soft_encode(f, pte) : 0;
    VMSIM__ASSERT(!(pte.pfn & ((UINT64_C(1) << (f->shift[level] - f->page_shift)) - 1)));
    uint64_t raw = pte.pfn << f->page_shift | encode_permissions(flags) | SH_INNER | (level ? 0 : TYPE);
    raw |= (uint64_t)(flags >> VMSIM__PTE_MEMTYPE_SHIFT & 7) << ATTR_SHIFT;
    raw |= (flags & VMSIM__PTE_ACCESSED ? AF : 0) | (flags & VMSIM__PTE_GLOBAL ? 0 : NG);
    raw |= (flags & VMSIM__PTE_SPECIAL ? SPECIAL : 0) | (flags & VMSIM__PTE_SOFT_DIRTY ? SOFT_DIRTY : 0);
    raw |= flags & VMSIM__PTE_CONTIG && f->contig_shift[level] ? CONT : 0;
    return raw | (flags & VMSIM__PTE_PROTNONE ? NONE : VALID);
}

uint64_t vmsim__arm64_encode_table(const struct vmsim__pt_format *f, unsigned level, uint64_t table_pfn) {
    VMSIM__ASSERT(level > 0 && level < f->levels);
    (void)level;
    return table_pfn << f->page_shift | TYPE | VALID;
}

static const struct vmsim__walk_ops ops = {.entry = entry, .touch = touch, .access_first = true, .open_read = true};

/* A walk from the top begins at the half's own root; one from further down has its table already. */
bool vmsim__arm64_walk(VMSIM__WALK_PARAMETERS) {
    const struct vmsim__pagetable *half = vmsim__pt_half(pt, &va);
    if (VMSIM__UNLIKELY(half != pt) && (start >> 4 & 15) + 1 == half->format->levels) {
        table = half->root;
        table_host = half->root_table;
    }
    pt = half;
    return vmsim__walk_body(&ops, VMSIM__WALK_ARGUMENTS);
}

/* Fault status codes of ESR_ELx: `level` is Arm's, 3 at the last one. A reserved descriptor is an invalid one; a dirty
 * fault is a permission fault; an address out of range is a translation fault of level 0. */
uint32_t vmsim__arm64_fault_code(enum vmsim__fault fault, unsigned level) {
    VMSIM__ASSERT(level <= 3);
    switch (fault) {
    case VMSIM__FAULT_NONE:
        return 0;
    case VMSIM__FAULT_NOT_PRESENT:
    case VMSIM__FAULT_RESERVED:
    case VMSIM__FAULT_NONCANONICAL:
        return 0x04 + level;
    case VMSIM__FAULT_ACCESSED:
        return 0x08 + level;
    case VMSIM__FAULT_BUS: /* external abort on the walk: of the descriptor that could not be read, one further down */
        return 0x14 + level + 1;
    default:
        return 0x0c + level;
    }
}
