/* SPDX-License-Identifier: MIT */
/* Page tables in their real encodings, and the hardware that walks them. Knows nothing of tasks, VMAs, zones.
 *
 * A *format* describes one paging mode as data: index bits per level, leaf sizes, bit positions, and encode/decode of
 * an entry to the common `struct vmsim__pte`. A *page table* is a root frame, a format and a `struct vmsim__ptmem` that
 * says where table frames live: the machine gives frames of its buddy allocator, a user who drives the MMU alone gives
 * memory of his own.
 *
 * Levels count from the leaf: level 0 is the table of last-level entries (Linux: PTE), 1 PMD, 2 PUD, 3 P4D/PGD, 4 PGD.
 *
 *     va:  | sign | index[levels-1] | ... | index[1] | index[0] | offset |
 *                                           ^shift[1]  ^shift[0] = page_shift
 *
 * Two views of an entry are kept apart. The *hardware* view is what the walker acts on: an entry is a table, a leaf, or
 * nothing. The *software* view (decode) also knows what the OS keeps in entries that the hardware ignores: swap
 * payloads and PROTNONE mappings.
 *
 * Kernel counterparts: arch/<arch>/include/asm/pgtable*.h; walkers have none (they are hardware). */
#ifndef VMSIM__MMU_H
#define VMSIM__MMU_H
#include "base/util.h"

#define VMSIM__PT_LEVELS 5
#define VMSIM__NO_FRAME UINT64_MAX

enum vmsim__pt_format_id {
    VMSIM__PT_X86_32,
    VMSIM__PT_X86_PAE,
    VMSIM__PT_X86_64,
    VMSIM__PT_X86_64_LA57,
    VMSIM__PT_ARM64_4K,
    VMSIM__PT_ARM64_16K,
    VMSIM__PT_ARM64_64K,
    VMSIM__PT_RISCV_SV32,
    VMSIM__PT_RISCV_SV39,
    VMSIM__PT_RISCV_SV48,
    VMSIM__PT_RISCV_SV57,
    VMSIM__PT_ARM,
    VMSIM__PT_ARM_LPAE,
    VMSIM__PT_NOMMU,
    VMSIM__PT_FORMATS
};

/* ARM64 has the long descriptors of 32-bit ARM (LPAE) as well, ARM the short ones. */
enum vmsim__pt_arch {
    VMSIM__PT_ARCH_X86,
    VMSIM__PT_ARCH_ARM64,
    VMSIM__PT_ARCH_RISCV,
    VMSIM__PT_ARCH_ARM,
    VMSIM__PT_ARCH_NOMMU
};

/* Common flags of an entry, whatever the encoding. */
#define VMSIM__PTE_PRESENT (1u << 0) /* the hardware may use it */
/* Always set with PRESENT on x86. On arm64, PRESENT|USER|EXEC without READ is an execute-only user page. */
#define VMSIM__PTE_READ (1u << 1)
#define VMSIM__PTE_WRITE (1u << 2)
#define VMSIM__PTE_EXEC (1u << 3)
#define VMSIM__PTE_USER (1u << 4)
#define VMSIM__PTE_GLOBAL (1u << 5)
#define VMSIM__PTE_ACCESSED (1u << 6)
#define VMSIM__PTE_DIRTY (1u << 7)
#define VMSIM__PTE_CONTIG (1u << 8)  /* arm64 contiguous hint, RISC-V Svnapot; ignored where contig_shift is 0 */
#define VMSIM__PTE_SPECIAL (1u << 9) /* software: no frame metadata behind it (zero page, device) */
#define VMSIM__PTE_SOFT_DIRTY (1u << 10)
#define VMSIM__PTE_PROTNONE (1u << 11) /* not present for the hardware, present for the OS; GLOBAL is not kept */
#define VMSIM__PTE_LEAF (1u << 12)     /* maps memory; absent: points to a table (or is empty, or swap) */
#define VMSIM__PTE_SWAP (1u << 13)     /* not present, not empty: `pfn` is a payload of format->swap_bits bits */
/* Memory type, as the architecture's own index: x86 PAT index (PAT|PCD|PWT), arm64 AttrIndx, RISC-V PBMT. 0: normal. */
#define VMSIM__PTE_MEMTYPE_SHIFT 16
#define VMSIM__PTE_MEMTYPE(index) ((uint32_t)(index) << VMSIM__PTE_MEMTYPE_SHIFT)
#define VMSIM__PTE_MEMTYPE_MASK VMSIM__PTE_MEMTYPE(7)
#define VMSIM__PTE_RWXU (VMSIM__PTE_READ | VMSIM__PTE_WRITE | VMSIM__PTE_EXEC | VMSIM__PTE_USER)

struct vmsim__pte {
    uint64_t pfn;   /* physical frame of 1 << page_shift bytes (a leaf at level n is aligned to its size) */
    uint32_t flags; /* VMSIM__PTE_* */
};

struct vmsim__pagetable;
struct vmsim__walk;

/* Where software keeps its own things in an entry that the hardware sees as not present. */
struct vmsim__pt_soft {
    uint8_t none_bit;       /* set: PROTNONE */
    uint8_t marker_bit;     /* set: SWAP */
    uint8_t soft_dirty_bit; /* of a SWAP entry */
    uint8_t lo_shift;       /* payload bits 0 .. lo_bits - 1 */
    uint8_t lo_bits;
    uint8_t hi_shift; /* the rest of the payload, beyond none_bit */
};

struct vmsim__pt_format {
    const char *name; /* "x86_64", "arm64_4k", "riscv_sv39"... as `arch:` spells it */
    enum vmsim__pt_format_id id;
    enum vmsim__pt_arch arch;
    uint8_t page_shift;  /* of the base page */
    uint8_t levels;      /* tables passed by a full walk; 0: no translation (nommu) */
    uint8_t entry_bytes; /* 4 or 8 */
    uint8_t root_order;  /* log2 of the base pages of the top table */
    uint8_t va_bits;     /* width of an address that is translated */
    bool va_signed;      /* upper half: addresses sign-extend; otherwise they are below 2^va_bits (arm64: a half) */
    uint8_t pa_bits;     /* default physical width of the page tables of this format */
    uint8_t swap_bits;   /* payload bits of a SWAP entry */
    uint8_t index_bits[VMSIM__PT_LEVELS];   /* entries of a table at each level = 1 << bits */
    uint8_t shift[VMSIM__PT_LEVELS];        /* lowest va bit of the index at each level = log2 size of a leaf there */
    uint8_t leaf_levels;                    /* bit n: level n may hold leaves */
    uint8_t contig_shift[VMSIM__PT_LEVELS]; /* log2 entries of a contiguous group at each level; 0: none */
    bool hardware_accessed, hardware_dirty; /* default of new page tables: the walker sets A / D itself, or it faults */
    uint64_t table_accessed;                /* the bit A in upper levels (x86); 0: they have none */
    bool no_execute;                        /* entries can forbid execution */
    bool long_mode;                         /* tables of 9 bits over 4 KiB whose leaves mmu/long_leaf.h knows */
    struct vmsim__pt_soft soft;
    /* A raw entry above level 0 is a pointer to a table when (raw & table_mask) == table_value; the table's pfn is
     * (raw & table_address) >> table_shift. */
    uint64_t table_mask, table_value, table_address;
    uint8_t table_shift;
    /* raw <-> common; `level` decides where the format has different leaf bits. Encode makes a leaf (LEAF is implied);
     * flags without PRESENT, PROTNONE and SWAP give 0. Decode of an empty entry gives flags 0. A RISC-V Svnapot entry
     * does not know its place in the group: decode gives the group's first pfn (see vmsim__pt_get). */
    uint64_t (*encode)(const struct vmsim__pt_format *f, unsigned level, struct vmsim__pte pte);
    struct vmsim__pte (*decode)(const struct vmsim__pt_format *f, unsigned level, uint64_t raw);
    uint64_t (*encode_table)(const struct vmsim__pt_format *f, unsigned level, uint64_t table_pfn);
    /* The walker of the format; call it through vmsim__mmu_walk and vmsim__mmu_walk_from. */
    bool (*walk)(const struct vmsim__pagetable *pt, uint64_t va, uint32_t start, uint64_t table, void *table_host,
                 struct vmsim__walk *w);
};
/* NULL for a number out of range. */
const struct vmsim__pt_format *vmsim__pt_format_get(enum vmsim__pt_format_id id);
const struct vmsim__pt_format *vmsim__pt_format_find(const char *name); /* NULL: unknown */
/* The level whose leaves are 1 << shift bytes, contiguous groups not counted; -1: none. */
int vmsim__pt_leaf_level(const struct vmsim__pt_format *f, unsigned shift);

static inline bool vmsim__pt_is_table(const struct vmsim__pt_format *f, unsigned level, uint64_t raw) {
    return level && (raw & f->table_mask) == f->table_value;
}
static inline uint64_t vmsim__pt_table_pfn(const struct vmsim__pt_format *f, uint64_t raw) {
    VMSIM__ASSERT(f->levels > 1);
    return (raw & f->table_address) >> f->table_shift;
}

/* Where table frames live. pfns are in units of the format's base page; every table takes one base page, also where
 * fewer entries are used (the top of PAE and arm64); the top of a format with root_order takes so many in a row, and
 * `alloc` gives the first. */
struct vmsim__ptmem {
    void *context;
    void *(*table)(void *context, uint64_t pfn);      /* host memory of a table frame; NULL: not memory -> bus error */
    uint64_t (*alloc)(void *context, unsigned level); /* a zeroed table, or VMSIM__NO_FRAME */
    void (*release)(void *context, uint64_t pfn, unsigned level);
    /* Optional shortcut past `table`, for speed: a record for each frame, 1 << record_shift bytes long, in rows of
     * 1 << row_shift records; its pointer at record_offset is what `table` would answer for frames that are tables.
     * It is used for pfn < limit; a NULL row means: ask `table`. The owner keeps it current. */
    struct {
        const unsigned char *const *row;
        uint64_t limit;
        uint8_t row_shift, record_shift, record_offset;
    } directory;
};
VMSIM__INLINE void *vmsim__ptmem_record(const struct vmsim__ptmem *m, uint64_t pfn) {
    const unsigned char *row = m->directory.row[pfn >> m->directory.row_shift];
    uint64_t at = pfn & ((UINT64_C(1) << m->directory.row_shift) - 1);
    return VMSIM__LIKELY(row) ? *(void *const *)(row + (at << m->directory.record_shift) + m->directory.record_offset)
                              : NULL;
}
static inline void *vmsim__ptmem_table(const struct vmsim__ptmem *m, uint64_t pfn) {
    void *host = pfn < m->directory.limit ? vmsim__ptmem_record(m, pfn) : NULL;
    return host ? host : m->table(m->context, pfn);
}

/* nommu: what is allowed where. Sorted, not overlapping; storage belongs to the caller (an MPU has few). */
struct vmsim__region {
    uint64_t start, last; /* bytes, inclusive */
    uint32_t flags;       /* VMSIM__PTE_READ | WRITE | EXEC | USER */
};
struct vmsim__regions {
    struct vmsim__region *at;
    uint32_t count, capacity;
};
/* Sets the flags of [start, last], 0 = nothing there any more; splits and merges. False: capacity does not suffice
 * (two more than `count` always do), nothing changed. */
bool vmsim__regions_set(struct vmsim__regions *r, uint64_t start, uint64_t last, uint32_t flags);
/* The region that holds `address`, or NULL. */
const struct vmsim__region *vmsim__regions_find(const struct vmsim__regions *r, uint64_t address);

struct vmsim__pagetable {
    const struct vmsim__pt_format *format;
    const struct vmsim__ptmem *mem;
    uint64_t root;                          /* pfn of the top table */
    void *root_table;                       /* its host memory */
    uint64_t tables[VMSIM__PT_LEVELS];      /* table frames in use, by level (root included) */
    uint64_t released;                      /* tables so far: whoever remembers where tables lie must ask again */
    const struct vmsim__pagetable *upper;   /* arm64: TTBR1, for addresses that begin with ones; NULL: they fault */
    const struct vmsim__regions *regions;   /* nommu: the protection; NULL: everything is allowed */
    uint8_t pa_bits;                        /* of the CPU; higher address bits in an x86 entry are reserved */
    bool hardware_accessed, hardware_dirty; /* of the CPU (Svade and Armv8.0: false); may be changed at any time */
};

/* One entry in its table. */
struct vmsim__pt_slot {
    void *entry;    /* host address of the raw entry, NULL when its table does not exist */
    uint64_t table; /* pfn of the table */
    uint32_t index; /* in the table */
    uint8_t level;
};

/* False: no frame for the root (and nothing to fini). nommu takes no table; `mem` may be NULL then. */
bool vmsim__pagetable_init(struct vmsim__pagetable *pt, const struct vmsim__pt_format *f,
                           const struct vmsim__ptmem *mem);
/* Releases every table; what leaves map is the caller's affair. Harmless on a zeroed one. */
void vmsim__pagetable_fini(struct vmsim__pagetable *pt);

/* Descends to `level` for va. create: makes missing tables (false when a table cannot be had; what was made stays,
 * empty and counted). Stops early at a leaf above `level` (swap and PROTNONE included): slot->level says where. Without
 * create, a missing table gives slot->entry NULL and slot->level, table, index of the hole's entry, and returns true.
 * False also for an address that is not canonical. Not for nommu. */
bool vmsim__pt_slot(struct vmsim__pagetable *pt, uint64_t va, unsigned level, bool create, struct vmsim__pt_slot *slot);
static inline uint64_t vmsim__pt_read(const struct vmsim__pt_format *f, const struct vmsim__pt_slot *slot) {
    VMSIM__ASSERT(slot->entry && slot->level < f->levels);
    return f->entry_bytes == 8 ? *(const uint64_t *)slot->entry : *(const uint32_t *)slot->entry;
}
static inline void vmsim__pt_write(const struct vmsim__pt_format *f, const struct vmsim__pt_slot *slot, uint64_t raw) {
    VMSIM__ASSERT(slot->entry && slot->level < f->levels);
    if (f->entry_bytes == 8)
        *(uint64_t *)slot->entry = raw;
    else
        *(uint32_t *)slot->entry = (uint32_t)raw;
}
/* The same in common form; get gives the pfn of this very entry also within a Svnapot group. */
static inline struct vmsim__pte vmsim__pt_get(const struct vmsim__pt_format *f, const struct vmsim__pt_slot *slot) {
    struct vmsim__pte pte = f->decode(f, slot->level, vmsim__pt_read(f, slot));
    if (VMSIM__UNLIKELY(pte.flags & VMSIM__PTE_CONTIG && f->arch == VMSIM__PT_ARCH_RISCV))
        pte.pfn += slot->index & ((1u << f->contig_shift[slot->level]) - 1);
    return pte;
}
/* An entry is written in one store, as hardware may read it at any time. */
static inline void vmsim__pt_set(const struct vmsim__pt_format *f, const struct vmsim__pt_slot *slot,
                                 struct vmsim__pte pte) {
    vmsim__pt_write(f, slot, f->encode(f, slot->level, pte));
}
/* First non-empty leaf-position entry (leaf, swap or protnone) at or after *va and below end (0 = top); moves *va to
 * the start of what it maps, which is below the *va given when that lies inside a large leaf. Skips holes a table at a
 * time. False: none, *va unchanged. */
bool vmsim__pt_next(struct vmsim__pagetable *pt, uint64_t *va, uint64_t end, struct vmsim__pt_slot *slot);
/* Frees tables that lie wholly between floor and ceiling (the neighbours' limits; ceiling 0 = top) and cover part of
 * [start, end) (end 0 = top), as munmap does. Entries in them must be empty already. Returns tables freed. */
uint64_t vmsim__pt_free_range(struct vmsim__pagetable *pt, uint64_t start, uint64_t end, uint64_t floor,
                              uint64_t ceiling);
/* The slot's entry points to a table: clears the entry and releases the table with all below (THP collapse). */
void vmsim__pt_free_table(struct vmsim__pagetable *pt, const struct vmsim__pt_slot *slot);

/* Why a walk ended without a translation: what the CPU reports. */
enum vmsim__fault {
    VMSIM__FAULT_NONE,
    VMSIM__FAULT_NOT_PRESENT,  /* no valid entry at `level` */
    VMSIM__FAULT_WRITE,        /* write to a read-only translation */
    VMSIM__FAULT_READ,         /* read of an execute-only translation */
    VMSIM__FAULT_EXEC,         /* fetch from no-execute, or by the supervisor from a user page */
    VMSIM__FAULT_USER,         /* user access to a supervisor translation */
    VMSIM__FAULT_ACCESSED,     /* A clear and no hardware update */
    VMSIM__FAULT_DIRTY,        /* D clear on a write and no hardware update */
    VMSIM__FAULT_NONCANONICAL, /* x86: #GP, not a page fault */
    VMSIM__FAULT_RESERVED,     /* reserved bits or encodings in an entry */
    VMSIM__FAULT_BUS           /* a table's address is not memory */
};
const char *vmsim__fault_name(enum vmsim__fault fault);
/* The architecture's own report: x86 page-fault error code (P 1, W 2, U 4, RSVD 8, I 16; 0 for #GP), arm64 fault status
 * code (DFSC/IFSC, with the level as Arm counts it), RISC-V scause. `write`, `fetch`, `user` of the access. */
uint32_t vmsim__fault_code(const struct vmsim__pt_format *f, enum vmsim__fault fault, unsigned level, bool write,
                           bool fetch, bool user);

#define VMSIM__WALK_WRITE 1u
#define VMSIM__WALK_FETCH 2u
#define VMSIM__WALK_USER 4u
#define VMSIM__WALK_PROBE 8u /* change nothing: no A/D update (and no fault for the lack of one) */

#define VMSIM__WALK_REFS 35 /* 5-level guest on 5-level host: (5+1)(5+1)-1 */

/* The answer of a walk. Only what is named valid is written: no need to clear it before. */
struct vmsim__walk {
    uint64_t pa;    /* of the byte asked for; of no meaning after a fault */
    uint64_t pfn;   /* first base frame of the translation's page */
    uint32_t flags; /* combined permissions (VMSIM__PTE_*), incl. ACCESSED, DIRTY, GLOBAL, CONTIG as found after it */
    uint8_t page_shift;                     /* log2 bytes covered (contiguous groups included) */
    uint8_t level;                          /* of the leaf, or where the fault arose */
    uint8_t fault;                          /* enum vmsim__fault */
    uint8_t refs;                           /* entries read */
    uint64_t ref[VMSIM__WALK_REFS];         /* their physical addresses, in order */
    uint64_t table[VMSIM__PT_LEVELS];       /* pfn of the table visited at each level (valid for levels walked) */
    void *table_host[VMSIM__PT_LEVELS];     /* its host memory: what a walk cache stores */
    uint32_t table_flags[VMSIM__PT_LEVELS]; /* permissions combined down to (and excluding) that level */
};

/* How a walk begins, in one register: mode in bits 3..0, level in 7..4, inherited permissions above. */
#define VMSIM__WALK_START(mode, level, inherited) ((mode) | ((level)&15u) << 4 | ((inherited)&0x3fu) << 8)

/* Walks from the table `table_host` (pfn `table`) at `level` with permissions `inherited` (a table_flags of an earlier
 * walk; ignored at the top level) down to the leaf. Returns w->fault == NONE. The CPU is taken to run with CR0.WP, SMEP
 * (or PXN, and RISC-V's rule) and, for data, with user access allowed to the supervisor (stac, PAN off, SUM). */
static inline bool vmsim__mmu_walk_from(const struct vmsim__pagetable *pt, uint64_t va, unsigned mode, unsigned level,
                                        uint64_t table, void *table_host, uint32_t inherited, struct vmsim__walk *w) {
    return pt->format->walk(pt, va, VMSIM__WALK_START(mode, level, inherited), table, table_host, w);
}
static inline bool vmsim__mmu_walk(const struct vmsim__pagetable *pt, uint64_t va, unsigned mode,
                                   struct vmsim__walk *w) {
    return pt->format->walk(pt, va, VMSIM__WALK_START(mode, pt->format->levels - 1u, VMSIM__PTE_RWXU), pt->root,
                            pt->root_table, w);
}
static inline bool vmsim__va_canonical(const struct vmsim__pt_format *f, uint64_t va) {
    unsigned spare = 64u - f->va_bits;
    return f->va_signed ? (uint64_t)((int64_t)(va << spare) >> spare) == va : !spare || !(va >> f->va_bits);
}

/* The half that translates *va, which becomes the address within it: the upper one's tables do not see the ones in
 * front. */
static inline const struct vmsim__pagetable *vmsim__pt_half(const struct vmsim__pagetable *pt, uint64_t *va) {
    if (VMSIM__LIKELY(!pt->upper || ~*va >> pt->format->va_bits))
        return pt;
    *va &= (UINT64_C(1) << pt->format->va_bits) - 1;
    return pt->upper;
}

/* Two-dimensional walk: guest tables hold guest-physical frames, each translated through `host` (user mode there, and
 * as a write where the guest's hardware may set A or D, as EPT and NPT do it). w reports guest and host references in
 * the order of the hardware, pa and pfn are host-physical, flags hold what both allow, page_shift is the smaller of the
 * two, table* are the guest's. When the host side faulted *host_fault is true, w->fault and level are the host's, and
 * w->pa is the guest-physical address that could not be translated. */
bool vmsim__mmu_walk_nested(const struct vmsim__pagetable *guest, const struct vmsim__pagetable *host, uint64_t va,
                            unsigned mode, struct vmsim__walk *w, bool *host_fault);

/* Text of one address's walk, level by level, for people (`vmsim walk`): calls `line` for each line (without newline).
 * Changes nothing in the tables. */
void vmsim__walk_describe(const struct vmsim__pagetable *pt, uint64_t va, unsigned mode,
                          void (*line)(void *context, const char *text), void *context);

#endif
