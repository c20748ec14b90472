/* SPDX-License-Identifier: MIT */
/* x86 entries: 32-bit with PSE and PSE-36, PAE, long mode with four and five levels.
 *
 *     63  62..52  51 ............ 12  11   10  9    8   7       6  5  4    3    2   1   0
 *     NX  ignored  frame (PAE, long)   sd   -  spec  G  PS|PAT  D  A  PCD  PWT  US  RW  P
 *
 * Large leaves have PS in bit 7 and PAT in bit 12, and reserved bits between that and their frame. A 4 MiB leaf of the
 * 32-bit mode keeps address bits 39..32 in its bits 20..13 (PSE-36). The top entries of PAE have no RW, US, A: those
 * bits are reserved there; their references are counted as AMD's processors make them (Intel's keep the four entries in
 * registers). Not present with bit 8 set is Linux's PROTNONE. Software bits 9 and 11 are Linux's special and
 * soft-dirty.
 *
 * Kernel counterpart: arch/x86/include/asm/pgtable_types.h. */
#include "mmu/long_leaf.h"
#include "mmu/walker.h"

#define P UINT64_C(0x1)
#define RW UINT64_C(0x2)
#define US UINT64_C(0x4)
#define PWT UINT64_C(0x8)
#define PCD UINT64_C(0x10)
#define A UINT64_C(0x20)
#define D UINT64_C(0x40)
#define PS UINT64_C(0x80)
#define PAT UINT64_C(0x80)
#define G UINT64_C(0x100)
#define NONE UINT64_C(0x100)
#define SPECIAL UINT64_C(0x200)
#define SOFT_DIRTY UINT64_C(0x800)
#define PAT_LARGE UINT64_C(0x1000)
#define NX (UINT64_C(1) << 63)
#define FRAME UINT64_C(0x000ffffffffff000)

VMSIM__INLINE uint64_t leaf_frame(bool narrow, unsigned level, unsigned shift, uint64_t raw) {
    if (narrow && level)
        return (raw & 0xffc00000) >> 12 | (raw >> 13 & 0xff) << 20;
    return (raw & FRAME & ~((UINT64_C(1) << shift) - 1)) >> 12;
}

/* Bits that must be zero in a leaf of a level above 0, or in a table entry. */
VMSIM__INLINE bool reserved(const struct vmsim__pagetable *pt, bool narrow, bool pae, unsigned level, uint64_t raw) {
    if (narrow) {
        uint64_t high = UINT64_C(0x1fe000) & ~((UINT64_C(1) << (pt->pa_bits - 19)) - 1);
        return level && raw & PS && raw & (high | UINT64_C(1) << 21);
    }
    uint64_t bits = FRAME & ~((UINT64_C(1) << pt->pa_bits) - 1);
    if (pae)
        bits |= level == 2 ? NX | UINT64_C(0x7ff0000000000000) | 0x1e6 : UINT64_C(0x7ff0000000000000);
    if (level && raw & PS)
        bits |= level <= 2 ? ((UINT64_C(1) << (12 + 9 * level)) - 1) & ~UINT64_C(0x1fff) : PS;
    return raw & bits;
}

/* Shifts move each bit to its common place: RW 1 -> 2, US 2 -> 4, A and D 5, 6 -> 6, 7, NX 63 -> EXEC 3. */
VMSIM__INLINE uint32_t common(bool narrow, uint64_t raw) {
    uint32_t low = (uint32_t)raw;
    uint32_t flags =
        VMSIM__PTE_PRESENT | VMSIM__PTE_READ | (low & (uint32_t)(RW | A | D)) << 1 | (low & (uint32_t)US) << 2;
    return flags | (narrow ? VMSIM__PTE_EXEC : (uint32_t)(~raw >> 63) << 3);
}

VMSIM__INLINE uint32_t entry(const struct vmsim__pagetable *pt, bool narrow, bool pae, unsigned level, uint64_t raw,
                             uint64_t *pfn) {
    if (!(raw & P))
        return 0;
    if (VMSIM__UNLIKELY(reserved(pt, narrow, pae, level, raw)))
        return VMSIM__HW_RESERVED;
    if (!level || raw & PS) {
        *pfn = leaf_frame(narrow, level, pt->format->shift[level], raw);
        return common(narrow, raw) | VMSIM__PTE_LEAF | (raw & G ? VMSIM__PTE_GLOBAL : 0);
    }
    *pfn = (raw & FRAME) >> 12;
    if (pae && level == 2)
        return VMSIM__PTE_PRESENT | VMSIM__PTE_ACCESSED | VMSIM__PTE_RWXU;
    return common(narrow, raw);
}

static uint32_t entry_legacy(const struct vmsim__pagetable *pt, unsigned level, uint64_t raw, uint64_t *pfn) {
    bool narrow = pt->format->entry_bytes == 4;
    return entry(pt, narrow, !narrow, level, raw, pfn);
}
VMSIM__INLINE uint32_t entry_long(const struct vmsim__pagetable *pt, unsigned level, uint64_t raw, uint64_t *pfn) {
    return entry(pt, false, false, level, raw, pfn);
}
VMSIM__INLINE uint64_t touch(uint64_t raw, bool dirty) {
    return raw | A | (dirty ? D : 0);
}

/* The same for what software and the memory type have: special stays at 9, soft-dirty 11 -> 10, PWT and PCD 3, 4 -> 16,
 * 17, PAT 7, in large leaves 12 -> 18. */
VMSIM__INLINE uint32_t soft_flags(unsigned level, uint64_t raw) {
    uint32_t low = (uint32_t)raw;
    return (low & (uint32_t)SPECIAL) | (low & (uint32_t)SOFT_DIRTY) >> 1 | (low & (uint32_t)(PWT | PCD)) << 13 |
           (level ? (low & (uint32_t)PAT_LARGE) << 6 : (low & (uint32_t)PAT) << 11);
}
/* And back, of a leaf: the inverse of both. */
VMSIM__INLINE uint32_t encode_flags(unsigned level, uint32_t flags) {
    uint32_t type = flags >> VMSIM__PTE_MEMTYPE_SHIFT & 7;
    return (flags & (VMSIM__PTE_WRITE | VMSIM__PTE_ACCESSED | VMSIM__PTE_DIRTY)) >> 1 | (flags & VMSIM__PTE_USER) >> 2 |
           (flags & VMSIM__PTE_SPECIAL) | (flags & VMSIM__PTE_SOFT_DIRTY) << 1 | (type & 3) << 3 |
           (level ? (uint32_t)PS | type >> 2 << 12 : type >> 2 << 7);
}
static_assert(VMSIM__PTE_WRITE == RW << 1 && VMSIM__PTE_ACCESSED == A << 1 && VMSIM__PTE_DIRTY == D << 1 &&
                  VMSIM__PTE_USER == US << 2 && VMSIM__PTE_SPECIAL == SPECIAL &&
                  VMSIM__PTE_SOFT_DIRTY == SOFT_DIRTY >> 1 && VMSIM__PTE_MEMTYPE(1) == PWT << 13 &&
                  VMSIM__PTE_MEMTYPE(4) == PAT << 11 && VMSIM__PTE_MEMTYPE(4) == PAT_LARGE << 6,
              "shifts");

struct vmsim__pte vmsim__x86_decode(const struct vmsim__pt_format *f, unsigned level, uint64_t raw) {
    VMSIM__ASSERT(level < f->levels);
    bool narrow = f->entry_bytes == 4;
    if (vmsim__pt_is_table(f, level, raw))
        return (struct vmsim__pte){vmsim__pt_table_pfn(f, raw), common(narrow, raw)};
    if (!(raw & (P | NONE)))
        return vmsim__soft_decode(f, raw);
    uint32_t flags = common(narrow, raw) | soft_flags(level, raw) | VMSIM__PTE_LEAF;
    if (!(raw & P))
        flags ^= VMSIM__PTE_PRESENT | VMSIM__PTE_PROTNONE;
    else if (raw & G)
        flags |= VMSIM__PTE_GLOBAL;
    return (struct vmsim__pte){leaf_frame(narrow, level, f->shift[level], raw), flags};
}

static uint64_t encode_frame(const struct vmsim__pt_format *f, unsigned level, uint64_t pfn) {
    if (f->entry_bytes == 8 || !level)
        return pfn << 12;
    return (pfn & 0xffc00) << 12 | pfn >> 20 << 13;
}

uint64_t vmsim__x86_encode(const struct vmsim__pt_format *f, unsigned level, struct vmsim__pte pte) {
    uint32_t flags = pte.flags;
    VMSIM__ASSERT(level < f->levels);
    if (!(flags & (VMSIM__PTE_PRESENT | VMSIM__PTE_PROTNONE)))
        return flags & VMSIM__PTE_SWAP ? vmsim__soft_encode(f, pte) : 0;
    VMSIM__ASSERT(!(pte.pfn & ((UINT64_C(1) << (f->shift[level] - 12)) - 1)));
    uint64_t raw = encode_frame(f, level, pte.pfn) | encode_flags(level, flags);
    raw |= f->no_execute && !(flags & VMSIM__PTE_EXEC) ? NX : 0;
    if (flags & VMSIM__PTE_PROTNONE)
        return raw | NONE;
    return raw | P | (flags & VMSIM__PTE_GLOBAL ? G : 0);
}

/* Permissive, accessed and dirty, as Linux makes them: leaves decide. PAE's top entries hold P only. */
uint64_t vmsim__x86_encode_table(const struct vmsim__pt_format *f, unsigned level, uint64_t table_pfn) {
    VMSIM__ASSERT(level > 0 && level < f->levels);
    bool bare = f->id == VMSIM__PT_X86_PAE && level == 2;
    return table_pfn << 12 | P | (bare ? 0 : RW | US | A | D);
}

#define X86_OPS(entry_, levels_)                                                                                       \
    { .entry = entry_, .touch = touch, .combine = true, .open_read = true, .nine_levels = levels_ }
static const struct vmsim__walk_ops ops_legacy = X86_OPS(entry_legacy, 0);
static const struct vmsim__walk_ops ops_long4 = X86_OPS(entry_long, 4);
static const struct vmsim__walk_ops ops_long5 = X86_OPS(entry_long, 5);

bool vmsim__x86_walk(VMSIM__WALK_PARAMETERS) {
    return vmsim__walk_body(&ops_legacy, VMSIM__WALK_ARGUMENTS);
}

/* What the fast walk below wants of a pointer, as Linux makes them. */
#define POINTER (P | RW | US | A)
#define POINTER_MASK (POINTER | PS | NX)

/* The last step of a fast walk. A, D and permissions must allow the access, `seen` is all entries ORed. */
VMSIM__INLINE bool fast_leaf(const struct vmsim__pagetable *pt, uint64_t va, unsigned mode, unsigned level,
                             unsigned refs, uint64_t raw, uint64_t seen, struct vmsim__walk *w) {
    const unsigned shift = 12 + 9 * level;
    const uint64_t offset = (UINT64_C(1) << shift) - 1;
    const uint64_t large = level ? PS : 0, reserved_bits = level ? offset & FRAME & ~PAT_LARGE : 0;
    uint64_t mask = vmsim__long_demand[mode].mask | large | reserved_bits,
             value = vmsim__long_demand[mode].value | large;
    if (VMSIM__UNLIKELY((raw & mask) != value || (seen & FRAME) >> pt->pa_bits))
        return false;
    w->pa = (raw & FRAME & ~offset) | (va & offset);
    w->pfn = (raw & FRAME & ~offset) >> 12;
    w->flags = common(false, raw) | VMSIM__PTE_LEAF | (uint32_t)(raw & G) >> 3;
    w->page_shift = (uint8_t)shift;
    w->level = (uint8_t)level;
    w->fault = VMSIM__FAULT_NONE;
    w->refs = (uint8_t)refs;
    return true;
}

/* By the directory alone: without a call in it, a walk needs no stack. */
VMSIM__INLINE void *direct_table(const struct vmsim__ptmem *m, uint64_t pfn) {
    return VMSIM__LIKELY(pfn < m->directory.limit) ? vmsim__ptmem_record(m, pfn) : NULL;
}

/* The walk as it nearly always is: every entry there, A set, pointers without restrictions, nothing to update. `from`
 * is a constant, so that the loop unrolls. False: something was otherwise, and nothing has been changed or decided. */
VMSIM__INLINE bool fast_walk(const unsigned from, const bool direct, const struct vmsim__pagetable *pt, uint64_t va,
                             unsigned mode, uint64_t table, void *host, struct vmsim__walk *w) {
    const struct vmsim__ptmem *mem = pt->mem;
    uint64_t seen = 0, base = table << 12;
    static_assert((uint32_t)G >> 3 == VMSIM__PTE_GLOBAL && US == VMSIM__WALK_USER, "shifts of fast_leaf");
    for (unsigned level = from;; level--) {
        uint64_t index = va >> (12 + 9 * level) & 0x1ff, raw = ((const uint64_t *)host)[index];
        w->table[level] = table;
        w->table_host[level] = host;
        w->table_flags[level] = VMSIM__PTE_RWXU;
        w->ref[from - level] = base + index * 8;
        seen |= raw;
        if (!level)
            return fast_leaf(pt, va, mode, 0, from + 1, raw, seen, w);
        if (VMSIM__UNLIKELY((raw & POINTER_MASK) != POINTER))
            return level < 3 && fast_leaf(pt, va, mode, level, from - level + 1, raw, seen, w);
        base = raw & FRAME;
        table = base >> 12;
        host = direct ? direct_table(mem, table) : vmsim__ptmem_table(mem, table);
        if (VMSIM__UNLIKELY(!host))
            return false;
    }
}

/* The walkers of long mode, tried in turn; all have the same arguments, so that each hands over to the next by a jump:
 * dispatch -> a fast walk by the directory -> one by the callback -> the general body. One function for each level to
 * begin at, as few registers do for each.
 *
 * Dispatch leaves to the body what is not canonical, fetched by the supervisor, or restricted by levels above. */
#define SIMPLE_START(mode, level) VMSIM__WALK_START(mode, level, VMSIM__PTE_RWXU)
VMSIM__INLINE bool is_simple(uint32_t start) {
    return (start & 6) != VMSIM__WALK_FETCH && (start & SIMPLE_START(0, 0)) == SIMPLE_START(0, 0);
}
/* A user's access from the leaf table: that one was known. */
VMSIM__INLINE bool is_usual(uint32_t start) {
    const uint32_t usual = SIMPLE_START(VMSIM__WALK_USER, 0);
    return (start & (usual | 0xf0)) == usual;
}

/* A fast walk that gives up has left in *w where it began. */
#define LONG_FROM(name, from)                                                                                          \
    static VMSIM__NOINLINE bool name##_callback##from(VMSIM__WALK_PARAMETERS) {                                        \
        return fast_walk(from, false, pt, va, start & 15, table, table_host, w) || name##_body(VMSIM__WALK_ARGUMENTS); \
    }                                                                                                                  \
    static VMSIM__NOINLINE bool name##_direct##from(VMSIM__WALK_PARAMETERS) {                                          \
        return fast_walk(from, true, pt, va, start & 15, table, table_host, w) ||                                      \
               name##_callback##from(pt, va, SIMPLE_START(start & 15, from), w->table[from], w->table_host[from], w);  \
    }
#define LONG_WALK(name, ops)                                                                                           \
    static VMSIM__NOINLINE bool name##_body(VMSIM__WALK_PARAMETERS) {                                                  \
        return vmsim__walk_body(&ops, VMSIM__WALK_ARGUMENTS);                                                          \
    }                                                                                                                  \
    LONG_FROM(name, 1)                                                                                                 \
    LONG_FROM(name, 2)                                                                                                 \
    LONG_FROM(name, 3)                                                                                                 \
    LONG_FROM(name, 4)                                                                                                 \
    bool vmsim__x86_##name##_walk(VMSIM__WALK_PARAMETERS) {                                                            \
        const uint32_t level = start & 0xf0;                                                                           \
        if (VMSIM__UNLIKELY(!vmsim__walk_canonical(&ops, pt->format, va)))                                             \
            return name##_body(VMSIM__WALK_ARGUMENTS);                                                                 \
        if (VMSIM__UNLIKELY(!is_usual(start) && !is_simple(start)))                                                    \
            return name##_body(VMSIM__WALK_ARGUMENTS);                                                                 \
        if (VMSIM__LIKELY(!level))                                                                                     \
            return fast_walk(0, true, pt, va, start & 15, table, table_host, w) || name##_body(VMSIM__WALK_ARGUMENTS); \
        if (level == 0x10)                                                                                             \
            return name##_direct1(VMSIM__WALK_ARGUMENTS);                                                              \
        return level == 0x20   ? name##_direct2(VMSIM__WALK_ARGUMENTS)                                                 \
               : level == 0x30 ? name##_direct3(VMSIM__WALK_ARGUMENTS)                                                 \
                               : name##_direct4(VMSIM__WALK_ARGUMENTS);                                                \
    }
LONG_WALK(long4, ops_long4)
LONG_WALK(long5, ops_long5)

/* The error code that #PF pushes; #GP of a non-canonical address pushes 0. I/D is reported where NX exists. */
uint32_t vmsim__x86_fault_code(const struct vmsim__pt_format *f, enum vmsim__fault fault, bool write, bool fetch,
                               bool user) {
    if (fault == VMSIM__FAULT_NONE || fault == VMSIM__FAULT_NONCANONICAL || fault == VMSIM__FAULT_BUS)
        return 0;
    uint32_t code = fault == VMSIM__FAULT_NOT_PRESENT ? 0 : 1;
    code |= (write ? 2u : 0u) | (user ? 4u : 0u) | (fault == VMSIM__FAULT_RESERVED ? 8u : 0u);
    return code | (fetch && f->no_execute ? 16u : 0u);
}
