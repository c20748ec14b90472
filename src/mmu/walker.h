/* SPDX-License-Identifier: MIT */
/* The body of every page-table walker, private to src/mmu.
 *
 * Each architecture's file instantiates vmsim__walk_body with its own `vmsim__walk_ops`, a constant: the compiler
 * inlines the entry decoder and drops what the architecture has not, so that one text gives walkers as fast as
 * hand-written ones. The loop does per level what the hardware does: read the entry, check it, combine permissions,
 * follow the pointer. Everything rare (faults, A/D updates) is in walk.c and not inlined.
 *
 *     entry(raw) -> common flags        0: not present
 *                   | VMSIM__HW_RESERVED  reserved bits or encodings
 *                   PRESENT without LEAF: *pfn is a table
 *                   PRESENT|LEAF: *pfn is the frame (of the group's start for Svnapot) */
#ifndef VMSIM__WALKER_H
#define VMSIM__WALKER_H
#include "mmu/mmu.h"

#define VMSIM__HW_RESERVED (1u << 31)

struct vmsim__walk_ops {
    uint32_t (*entry)(const struct vmsim__pagetable *pt, unsigned level, uint64_t raw, uint64_t *pfn);
    uint64_t (*touch)(uint64_t raw, bool dirty); /* the entry with A, and D, set */
    bool combine;                                /* upper levels restrict permissions and have A (x86) */
    bool access_first;                           /* the access-flag fault goes before permission faults (arm64) */
    bool open_read;                              /* the supervisor reads every page (x86, arm64) */
    uint8_t nine_levels; /* not 0: this many levels of 9 bits over 4 KiB, 8-byte entries, signed: folded constants */
};

/* All the walker needs to finish a leaf. */
struct vmsim__walk_leaf {
    void *entry;
    uint64_t raw;
    uint32_t flags;
    uint8_t level;
};
/* The uncommon end of a walk: permission and A/D faults, A/D updates. Returns the flags after it, or 0 with w->fault
 * set. */
uint32_t vmsim__walk_slow(const struct vmsim__pagetable *pt, const struct vmsim__walk_ops *ops, unsigned mode,
                          const struct vmsim__walk_leaf *leaf, struct vmsim__walk *w);

VMSIM__INLINE unsigned vmsim__walk_shift(const struct vmsim__walk_ops *ops, const struct vmsim__pt_format *f,
                                         unsigned level) {
    return ops->nine_levels ? 12 + 9 * level : f->shift[level];
}
VMSIM__INLINE uint64_t vmsim__walk_index(const struct vmsim__walk_ops *ops, const struct vmsim__pt_format *f,
                                         unsigned level, uint64_t va) {
    unsigned bits = ops->nine_levels ? 9 : f->index_bits[level];
    return (va >> vmsim__walk_shift(ops, f, level)) & ((UINT64_C(1) << bits) - 1);
}
VMSIM__INLINE bool vmsim__walk_canonical(const struct vmsim__walk_ops *ops, const struct vmsim__pt_format *f,
                                         uint64_t va) {
    unsigned spare = 64u - (12u + 9u * ops->nine_levels);
    return ops->nine_levels ? (uint64_t)((int64_t)(va << spare) >> spare) == va : vmsim__va_canonical(f, va);
}
VMSIM__INLINE bool vmsim__walk_fail(struct vmsim__walk *w, enum vmsim__fault fault, unsigned level, unsigned refs) {
    w->fault = (uint8_t)fault;
    w->level = (uint8_t)level;
    w->refs = (uint8_t)refs;
    return false;
}
VMSIM__INLINE void vmsim__walk_store(bool wide, void *entry, uint64_t raw) {
    if (wide)
        *(uint64_t *)entry = raw;
    else
        *(uint32_t *)entry = (uint32_t)raw;
}
/* What the access demands of the translation: VMSIM__PTE_* bits. Relies on the order of the flag bits. */
VMSIM__INLINE uint32_t vmsim__walk_need(unsigned mode) {
    return (mode & 7) << 2 | (uint32_t) !(mode & 3) << 1;
}

/* Address, page and size of the leaf into *w. The contiguous hint counts only where the entry's frame fits its place.
 */
VMSIM__INLINE void vmsim__walk_result(const struct vmsim__walk_ops *ops, const struct vmsim__pt_format *f, uint64_t va,
                                      unsigned level, uint64_t pfn, uint32_t flags, struct vmsim__walk *w) {
    unsigned page_shift = ops->nine_levels ? 12 : f->page_shift, shift = vmsim__walk_shift(ops, f, level);
    if (VMSIM__UNLIKELY(flags & VMSIM__PTE_CONTIG)) {
        unsigned group = f->contig_shift[level];
        uint64_t place = pfn >> (shift - page_shift), mask = (UINT64_C(1) << group) - 1;
        if (f->arch == VMSIM__PT_ARCH_RISCV || !((place ^ va >> shift) & mask)) {
            shift += group;
            pfn &= ~((UINT64_C(1) << (shift - page_shift)) - 1);
        } else {
            flags &= ~VMSIM__PTE_CONTIG;
        }
    }
    w->pfn = pfn;
    w->pa = pfn << page_shift | (va & ((UINT64_C(1) << shift) - 1));
    w->flags = flags;
    w->page_shift = (uint8_t)shift;
}

VMSIM__INLINE bool vmsim__walk_body(const struct vmsim__walk_ops *ops, const struct vmsim__pagetable *pt, uint64_t va,
                                    uint32_t start, uint64_t table, void *host, struct vmsim__walk *w) {
    const struct vmsim__pt_format *f = pt->format;
    const bool wide = ops->nine_levels || f->entry_bytes == 8;
    const unsigned page_shift = ops->nine_levels ? 12 : f->page_shift;
    const unsigned top = (ops->nine_levels ? ops->nine_levels : f->levels) - 1u;
    const unsigned mode = start & 15;
    unsigned level = start >> 4 & 15;
    uint32_t allowed = level == top ? VMSIM__PTE_RWXU : start >> 8;
    struct vmsim__walk_leaf leaf;
    unsigned refs = 0;
    uint64_t pfn;
    if (VMSIM__UNLIKELY(!vmsim__walk_canonical(ops, f, va)))
        return vmsim__walk_fail(w, VMSIM__FAULT_NONCANONICAL, top, 0);
    for (;; level--) {
        uint64_t at = vmsim__walk_index(ops, f, level, va) << (wide ? 3 : 2);
        leaf.entry = (unsigned char *)host + at;
        leaf.raw = wide ? *(uint64_t *)leaf.entry : *(uint32_t *)leaf.entry;
        w->table[level] = table;
        w->table_host[level] = host;
        w->table_flags[level] = allowed;
        w->ref[refs++] = (table << page_shift) + at;
        leaf.flags = ops->entry(pt, level, leaf.raw, &pfn);
        if (VMSIM__UNLIKELY(!leaf.flags))
            return vmsim__walk_fail(w, VMSIM__FAULT_NOT_PRESENT, level, refs);
        if (VMSIM__UNLIKELY(leaf.flags & VMSIM__HW_RESERVED))
            return vmsim__walk_fail(w, VMSIM__FAULT_RESERVED, level, refs);
        if (leaf.flags & VMSIM__PTE_LEAF)
            break;
        if (ops->combine) {
            allowed &= leaf.flags;
            if (VMSIM__UNLIKELY(!(leaf.flags & VMSIM__PTE_ACCESSED)) && !(mode & VMSIM__WALK_PROBE))
                vmsim__walk_store(wide, leaf.entry, ops->touch(leaf.raw, false));
        } else {
            allowed |= leaf.flags & VMSIM__PTE_GLOBAL;
        }
        table = pfn;
        host = vmsim__ptmem_table(pt->mem, table);
        if (VMSIM__UNLIKELY(!host))
            return vmsim__walk_fail(w, VMSIM__FAULT_BUS, level, refs);
    }
    w->refs = (uint8_t)refs;
    w->level = leaf.level = (uint8_t)level;
    w->fault = VMSIM__FAULT_NONE;
    if (ops->combine)
        leaf.flags &= allowed | ~VMSIM__PTE_RWXU;
    else
        leaf.flags |= allowed & VMSIM__PTE_GLOBAL;
    uint32_t need = vmsim__walk_need(mode) | VMSIM__PTE_ACCESSED;
    need |= (mode & VMSIM__WALK_WRITE) << 7; /* DIRTY */
    if (VMSIM__UNLIKELY((need & ~leaf.flags) || (mode & (VMSIM__WALK_FETCH | VMSIM__WALK_USER)) == VMSIM__WALK_FETCH)) {
        leaf.flags = vmsim__walk_slow(pt, ops, mode, &leaf, w);
        if (!leaf.flags)
            return false;
    }
    vmsim__walk_result(ops, f, va, level, pfn, leaf.flags, w);
    return true;
}

/* Swap payloads: common to all formats, positions in format->soft. */
static inline uint64_t vmsim__soft_encode(const struct vmsim__pt_format *f, struct vmsim__pte pte) {
    const struct vmsim__pt_soft *s = &f->soft;
    VMSIM__ASSERT(!(pte.pfn >> f->swap_bits));
    uint64_t low = pte.pfn & ((UINT64_C(1) << s->lo_bits) - 1);
    uint64_t raw = UINT64_C(1) << s->marker_bit | low << s->lo_shift | (pte.pfn >> s->lo_bits) << s->hi_shift;
    return pte.flags & VMSIM__PTE_SOFT_DIRTY ? raw | UINT64_C(1) << s->soft_dirty_bit : raw;
}
static inline struct vmsim__pte vmsim__soft_decode(const struct vmsim__pt_format *f, uint64_t raw) {
    VMSIM__ASSERT(f->soft.marker_bit != f->soft.none_bit);
    const struct vmsim__pt_soft *s = &f->soft;
    if (!(raw >> s->marker_bit & 1))
        return (struct vmsim__pte){0, 0};
    uint64_t low = raw >> s->lo_shift & ((UINT64_C(1) << s->lo_bits) - 1), high = raw >> s->hi_shift;
    return (struct vmsim__pte){high << s->lo_bits | low,
                               VMSIM__PTE_SWAP | (raw >> s->soft_dirty_bit & 1 ? VMSIM__PTE_SOFT_DIRTY : 0)};
}

/* What the architectures give to the table of formats. */
#define VMSIM__WALK_PARAMETERS                                                                                         \
    const struct vmsim__pagetable *pt, uint64_t va, uint32_t start, uint64_t table, void *table_host,                  \
        struct vmsim__walk *w
#define VMSIM__WALK_ARGUMENTS pt, va, start, table, table_host, w
#define VMSIM__DECLARE_WALK(name) bool vmsim__##name##_walk(VMSIM__WALK_PARAMETERS)
#define VMSIM__DECLARE_ARCH(arch)                                                                                      \
    uint64_t vmsim__##arch##_encode(const struct vmsim__pt_format *f, unsigned level, struct vmsim__pte pte);          \
    struct vmsim__pte vmsim__##arch##_decode(const struct vmsim__pt_format *f, unsigned level, uint64_t raw);          \
    uint64_t vmsim__##arch##_encode_table(const struct vmsim__pt_format *f, unsigned level, uint64_t table_pfn);       \
    VMSIM__DECLARE_WALK(arch)
VMSIM__DECLARE_ARCH(x86);
VMSIM__DECLARE_WALK(x86_long4);
VMSIM__DECLARE_WALK(x86_long5);
VMSIM__DECLARE_ARCH(arm64);
VMSIM__DECLARE_ARCH(riscv);
VMSIM__DECLARE_ARCH(arm);
VMSIM__DECLARE_ARCH(nommu);
uint32_t vmsim__x86_fault_code(const struct vmsim__pt_format *f, enum vmsim__fault fault, bool write, bool fetch,
                               bool user);
uint32_t vmsim__arm64_fault_code(enum vmsim__fault fault, unsigned level);
uint32_t vmsim__arm_fault_code(enum vmsim__fault fault, unsigned level);
uint32_t vmsim__riscv_fault_code(enum vmsim__fault fault, bool write, bool fetch);

#endif
