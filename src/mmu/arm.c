/* SPDX-License-Identifier: MIT */
/* 32-bit ARM entries, the short descriptors of VMSAv7. (With LPAE it has the long ones: arm64.c.)
 *
 * The hardware's top table has 4,096 words, each for 1 MiB, and its leaf tables 256 words in 1 KiB. No word has room
 * for what the OS wants to know of a page: it keeps a word of its own for each, and so what takes one page of memory is
 * two tables of the hardware and their twins, for 2 MiB, and the top is handled in pairs of words. Here an entry is
 * such a pair, in 64 bits; where the words lie in memory is told by the references of a walk alone.
 *
 *     top:    31 .......... 0   the table of the lower 1 MiB       63 .......... 32   of the upper one, 1 KiB on
 *     leaf:   31 .......... 0   the OS's own word                  63 .......... 32   the hardware's
 *
 *     OS      31 .. 12  11         10  9   8  7   6      5     4:2   1      0       11 without valid: PROTNONE
 *             frame     global     sd  XN  U  RO  dirty  spec  type  young  valid
 *     hardware          11  10  9      8:6  5:4     3:2   1  0                      0: a translation fault
 *             frame     nG  S   AP[2]  TEX  AP[1:0] type  1  XN
 *     table   31 .. 10  9  8:5     4  3   2    1:0
 *             table     -  domain  -  NS  PXN  01
 *
 * The hardware's word follows from the other: none while the page is not young, and read-only while it is not dirty, so
 * that the first access and the first write fault. Sections and pages of 64 KiB, which no address space of a program
 * has, count as reserved.
 *
 * Kernel counterpart: arch/arm/include/asm/pgtable-2level.h, arch/arm/mm/proc-v7-2level.S (set_pte_ext). */
#include "mmu/walker.h"

#define VALID 0x1u
#define YOUNG 0x2u
#define TYPE_SHIFT 2
#define TYPE_NORMAL 7u /* write-allocate; the common index 0 */
#define SPECIAL 0x20u
#define DIRTY 0x40u
#define RDONLY 0x80u
#define USER 0x100u
#define XN 0x200u
#define SOFT_DIRTY 0x400u
#define GLOBAL 0x800u
#define NONE 0x800u
#define FRAME 0xfffff000u

#define HW_KIND 0x3u /* 1: 64 KiB; 2, 3: a small page without or with XN */
#define HW_PAGE 0x2u
#define HW_XN 0x1u
#define HW_AP0 0x10u
#define HW_AP1 0x20u
#define HW_TEX0 0x40u
#define HW_AP2 0x200u
#define HW_SHARED 0x400u
#define HW_NG 0x800u

#define TABLE 0x1u
#define TABLE_FLAGS 0x31u  /* a table in the domain of programs */
#define TABLE_FIRST 0x800u /* behind the twins */
#define TABLE_STEP 0x400u

/* The hardware's word of a leaf. */
VMSIM__INLINE uint32_t hardware_word(uint32_t os) {
    const uint32_t type = os >> TYPE_SHIFT & 7;
    if ((os & (VALID | YOUNG)) != (VALID | YOUNG))
        return 0;
    return (os & FRAME) | HW_PAGE | HW_AP0 | HW_SHARED | (type & 3) << 2 | (type & 4 ? HW_TEX0 : 0) |
           (os & XN ? HW_XN : 0) | (os & USER ? HW_AP1 : 0) | (os & GLOBAL ? 0 : HW_NG) |
           ((os & (RDONLY | DIRTY)) == DIRTY ? 0 : HW_AP2);
}
VMSIM__INLINE uint64_t pair(uint32_t os) {
    return (uint64_t)hardware_word(os) << 32 | os;
}

/* What the OS's word says; LEAF and PRESENT or PROTNONE are for the caller to add. */
VMSIM__INLINE uint32_t os_flags(uint32_t os) {
    uint32_t flags = VMSIM__PTE_READ | (os & RDONLY ? 0 : VMSIM__PTE_WRITE) | (os & XN ? 0 : VMSIM__PTE_EXEC);
    flags |= (os & USER ? VMSIM__PTE_USER : 0) | (os & YOUNG ? VMSIM__PTE_ACCESSED : 0);
    return flags | (os & DIRTY ? VMSIM__PTE_DIRTY : 0);
}

/* Writable, but clean, is what the OS alone knows. */
VMSIM__INLINE uint32_t hardware_flags(uint32_t os, uint32_t hw) {
    uint32_t flags = VMSIM__PTE_READ | VMSIM__PTE_ACCESSED | (hw & HW_XN ? 0 : VMSIM__PTE_EXEC);
    flags |= (hw & HW_AP1 ? VMSIM__PTE_USER : 0) | (hw & HW_NG ? 0 : VMSIM__PTE_GLOBAL);
    if (!(hw & HW_AP2))
        return flags | VMSIM__PTE_WRITE | VMSIM__PTE_DIRTY;
    if (os & DIRTY)
        return flags | VMSIM__PTE_DIRTY;
    return flags | ((os & (VALID | RDONLY)) == VALID ? VMSIM__PTE_WRITE : 0);
}

VMSIM__INLINE uint32_t entry(const struct vmsim__pagetable *pt, unsigned level, uint64_t raw, uint64_t *pfn) {
    const uint32_t low = (uint32_t)raw, high = (uint32_t)(raw >> 32);
    (void)pt;
    *pfn = low >> 12;
    if (level) {
        const bool twins = (low & (HW_KIND | 0xc00)) == (TABLE | TABLE_FIRST) && high == low + TABLE_STEP;
        return twins ? VMSIM__PTE_PRESENT : low & HW_KIND ? VMSIM__HW_RESERVED : 0;
    }
    if (!(high & HW_KIND)) {
        const uint32_t global = low & GLOBAL ? VMSIM__PTE_GLOBAL : 0;
        return low & VALID ? (os_flags(low) & ~VMSIM__PTE_ACCESSED) | global | VMSIM__PTE_PRESENT | VMSIM__PTE_LEAF : 0;
    }
    if (!(high & HW_PAGE) || !(high & HW_AP0))
        return VMSIM__HW_RESERVED;
    *pfn = high >> 12;
    return hardware_flags(low, high) | VMSIM__PTE_PRESENT | VMSIM__PTE_LEAF;
}

/* What the OS does in the fault, where it is left to the walker. A word of the hardware that allows the access stays.
 */
VMSIM__INLINE uint64_t touch(uint64_t raw, bool dirty) {
    const uint32_t hw = (uint32_t)(raw >> 32);
    if (hw & HW_KIND && !(dirty && hw & HW_AP2))
        return raw;
    return pair((uint32_t)raw | YOUNG | (dirty ? DIRTY : 0));
}

struct vmsim__pte vmsim__arm_decode(const struct vmsim__pt_format *f, unsigned level, uint64_t raw) {
    VMSIM__ASSERT(level < f->levels);
    const uint32_t os = (uint32_t)raw;
    if (vmsim__pt_is_table(f, level, raw))
        return (struct vmsim__pte){vmsim__pt_table_pfn(f, raw), VMSIM__PTE_PRESENT};
    if (!(os & (VALID | NONE)))
        return vmsim__soft_decode(f, raw);
    VMSIM__ASSERT(!level);
    uint32_t flags = os_flags(os) | VMSIM__PTE_LEAF | VMSIM__PTE_MEMTYPE((os >> TYPE_SHIFT & 7) ^ TYPE_NORMAL);
    flags |= (os & SPECIAL ? VMSIM__PTE_SPECIAL : 0) | (os & SOFT_DIRTY ? VMSIM__PTE_SOFT_DIRTY : 0);
    flags |= os & VALID ? VMSIM__PTE_PRESENT | (os & GLOBAL ? VMSIM__PTE_GLOBAL : 0) : VMSIM__PTE_PROTNONE;
    return (struct vmsim__pte){os >> 12, flags};
}

uint64_t vmsim__arm_encode(const struct vmsim__pt_format *f, unsigned level, struct vmsim__pte pte) {
    const uint32_t flags = pte.flags;
    (void)level;
    VMSIM__ASSERT(level < f->levels);
    if (!(flags & (VMSIM__PTE_PRESENT | VMSIM__PTE_PROTNONE)))
        return flags & VMSIM__PTE_SWAP ? vmsim__soft_encode(f, pte) : 0;
    VMSIM__ASSERT(!level && !(pte.pfn >> 20));
    uint32_t os = (uint32_t)pte.pfn << 12 | ((flags >> VMSIM__PTE_MEMTYPE_SHIFT & 7) ^ TYPE_NORMAL) << TYPE_SHIFT;
    os |= (flags & VMSIM__PTE_WRITE ? 0 : RDONLY) | (flags & VMSIM__PTE_EXEC ? 0 : XN);
    os |= (flags & VMSIM__PTE_USER ? USER : 0) | (flags & VMSIM__PTE_ACCESSED ? YOUNG : 0);
    os |= (flags & VMSIM__PTE_DIRTY ? DIRTY : 0) | (flags & VMSIM__PTE_SPECIAL ? SPECIAL : 0);
    os |= flags & VMSIM__PTE_SOFT_DIRTY ? SOFT_DIRTY : 0;
    if (flags & VMSIM__PTE_PROTNONE)
        return pair(os | NONE);
    return pair(os | VALID | (flags & VMSIM__PTE_GLOBAL ? GLOBAL : 0));
}

uint64_t vmsim__arm_encode_table(const struct vmsim__pt_format *f, unsigned level, uint64_t table_pfn) {
    VMSIM__ASSERT(level == 1 && f->levels == 2 && !(table_pfn >> 20));
    (void)f, (void)level;
    const uint32_t low = (uint32_t)table_pfn << 12 | TABLE_FIRST | TABLE_FLAGS;
    return (uint64_t)(low + TABLE_STEP) << 32 | low;
}

static const struct vmsim__walk_ops ops = {.entry = entry, .touch = touch, .access_first = true, .open_read = true};

/* Pairs are read as wholes; the references are those of the words that the hardware reads. */
bool vmsim__arm_walk(VMSIM__WALK_PARAMETERS) {
    const bool ok = vmsim__walk_body(&ops, VMSIM__WALK_ARGUMENTS);
    unsigned level = start >> 4 & 15;
    VMSIM__ASSERT(w->refs <= level + 1u);
    for (unsigned i = 0; i < w->refs; i++, level--) {
        const uint64_t at = w->ref[i] & 0xfff;
        w->ref[i] = level ? w->ref[i] | (va >> 20 & 1) << 2 : w->ref[i] - at + TABLE_FIRST + at / 2;
    }
    return ok;
}

/* Fault status of the DFSR: a page that is not young has no entry, one that is not dirty none to write. */
uint32_t vmsim__arm_fault_code(enum vmsim__fault fault, unsigned level) {
    VMSIM__ASSERT(level <= 1);
    const uint32_t leaf = level ? 0 : 2;
    switch (fault) {
    case VMSIM__FAULT_NONE:
        return 0;
    case VMSIM__FAULT_NOT_PRESENT:
    case VMSIM__FAULT_RESERVED:
    case VMSIM__FAULT_NONCANONICAL:
    case VMSIM__FAULT_ACCESSED:
        return 0x05 + leaf;
    case VMSIM__FAULT_BUS: /* of the descriptor that could not be read, one further down */
        return 0x0e;
    default:
        return 0x0d + leaf;
    }
}
