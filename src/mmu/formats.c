/* SPDX-License-Identifier: MIT */
/* The formats as data, one row each. Sources: Intel SDM volume 3 chapter 4, Arm ARM D8 (VMSAv8-64), RISC-V privileged
 * specification chapter "Supervisor-Level ISA", ARMv7-A ARM B3. Bit positions of leaves are in x86.c, arm64.c, riscv.c,
 * arm.c.
 *
 * Not-present entries of the OS (struct vmsim__pt_soft), bit by bit from 0, for a 64-bit entry:
 *
 *     x86:    P=0  marker  soft-dirty  payload 3-7   PROTNONE 8   payload 9-63
 *     arm64:  V=0  0       marker  soft-dirty  payload 4-57       PROTNONE 58
 *     riscv:  V=0  marker  soft-dirty  payload 3-4   PROTNONE 5   payload 6-63
 *     arm:    V=0  0       marker  soft-dirty  payload 4-10       PROTNONE 11   payload 12-31
 *
 * PROTNONE entries keep the layout of a present leaf, less its present bit. The PROTNONE bits are Linux's. */
#include "mmu/walker.h"
#include <string.h>

#define X86_SOFT                                                                                                       \
    .soft = {.none_bit = 8, .marker_bit = 1, .soft_dirty_bit = 2, .lo_shift = 3, .lo_bits = 5, .hi_shift = 9}
#define X86_COMMON(walker)                                                                                             \
    .arch = VMSIM__PT_ARCH_X86, .page_shift = 12, .hardware_accessed = true, .hardware_dirty = true,                   \
    .table_accessed = 0x20, X86_SOFT, .table_mask = 0x81, .table_value = 0x01, .table_shift = 12,                      \
    .encode = vmsim__x86_encode, .decode = vmsim__x86_decode, .encode_table = vmsim__x86_encode_table, .walk = walker
#define X86_WIDE .entry_bytes = 8, .swap_bits = 60, .no_execute = true, .table_address = UINT64_C(0x000ffffffffff000)

/* Long descriptors. The output address is bits 47 (LPAE: 39) down to the page's. */
#define ARM_LONG(shift_, pa_bits_)                                                                                     \
    .arch = VMSIM__PT_ARCH_ARM64, .page_shift = shift_, .entry_bytes = 8, .pa_bits = pa_bits_, .swap_bits = 54,        \
    .no_execute = true,                                                                                                \
    .soft = {.none_bit = 58, .marker_bit = 2, .soft_dirty_bit = 3, .lo_shift = 4, .lo_bits = 54, .hi_shift = 58},      \
    .table_mask = 3, .table_value = 3, .table_shift = shift_,                                                          \
    .table_address = ((UINT64_C(1) << (pa_bits_)) - 1) >> (shift_) << (shift_), .encode = vmsim__arm64_encode,         \
    .decode = vmsim__arm64_decode, .encode_table = vmsim__arm64_encode_table, .walk = vmsim__arm64_walk
/* DBM is on by default: Armv8.1 and later. */
#define ARM64_COMMON(shift_) ARM_LONG(shift_, 48), .va_bits = 48, .hardware_accessed = true, .hardware_dirty = true
/* Both flags are the OS's to set. Bit 51, which the hardware of LPAE ignores, stands for what Linux keeps in bit 58. */
#define ARM_LPAE ARM_LONG(12, 40), .va_bits = 32

/* A and D fault by default (Svade), as in SiFive's cores. */
#define RISCV_COMMON                                                                                                   \
    .arch = VMSIM__PT_ARCH_RISCV, .page_shift = 12, .no_execute = true,                                                \
    .soft = {.none_bit = 5, .marker_bit = 1, .soft_dirty_bit = 2, .lo_shift = 3, .lo_bits = 2, .hi_shift = 6},         \
    .table_mask = 0xf, .table_value = 0x1, .table_shift = 10, .encode = vmsim__riscv_encode,                           \
    .decode = vmsim__riscv_decode, .encode_table = vmsim__riscv_encode_table, .walk = vmsim__riscv_walk
#define RISCV_WIDE                                                                                                     \
    RISCV_COMMON, .entry_bytes = 8, .va_signed = true, .pa_bits = 56, .swap_bits = 60,                                 \
                  .table_address = UINT64_C(0x003ffffffffffc00), .contig_shift = {4}

static const struct vmsim__pt_format formats[VMSIM__PT_FORMATS] = {
    [VMSIM__PT_X86_32] = {.name = "x86_32",
                          .id = VMSIM__PT_X86_32,
                          X86_COMMON(vmsim__x86_walk),
                          .levels = 2,
                          .entry_bytes = 4,
                          .va_bits = 32,
                          .pa_bits = 40,
                          .swap_bits = 28,
                          .table_address = 0xfffff000,
                          .index_bits = {10, 10},
                          .shift = {12, 22},
                          .leaf_levels = 0x3},
    [VMSIM__PT_X86_PAE] = {.name = "x86_pae",
                           .id = VMSIM__PT_X86_PAE,
                           X86_COMMON(vmsim__x86_walk),
                           X86_WIDE,
                           .levels = 3,
                           .va_bits = 32,
                           .pa_bits = 36,
                           .index_bits = {9, 9, 2},
                           .shift = {12, 21, 30},
                           .leaf_levels = 0x3},
    [VMSIM__PT_X86_64] = {.name = "x86_64",
                          .id = VMSIM__PT_X86_64,
                          X86_COMMON(vmsim__x86_long4_walk),
                          .long_mode = true,
                          X86_WIDE,
                          .levels = 4,
                          .va_bits = 48,
                          .va_signed = true,
                          .pa_bits = 52,
                          .index_bits = {9, 9, 9, 9},
                          .shift = {12, 21, 30, 39},
                          .leaf_levels = 0x7},
    [VMSIM__PT_X86_64_LA57] = {.name = "x86_64_la57",
                               .id = VMSIM__PT_X86_64_LA57,
                               X86_COMMON(vmsim__x86_long5_walk),
                               .long_mode = true,
                               X86_WIDE,
                               .levels = 5,
                               .va_bits = 57,
                               .va_signed = true,
                               .pa_bits = 52,
                               .index_bits = {9, 9, 9, 9, 9},
                               .shift = {12, 21, 30, 39, 48},
                               .leaf_levels = 0x7},
    [VMSIM__PT_ARM64_4K] = {.name = "arm64_4k",
                            .id = VMSIM__PT_ARM64_4K,
                            ARM64_COMMON(12),
                            .levels = 4,
                            .index_bits = {9, 9, 9, 9},
                            .shift = {12, 21, 30, 39},
                            .leaf_levels = 0x7,
                            .contig_shift = {4, 4, 4}},
    [VMSIM__PT_ARM64_16K] = {.name = "arm64_16k",
                             .id = VMSIM__PT_ARM64_16K,
                             ARM64_COMMON(14),
                             .levels = 4,
                             .index_bits = {11, 11, 11, 1},
                             .shift = {14, 25, 36, 47},
                             .leaf_levels = 0x3,
                             .contig_shift = {7, 5}},
    [VMSIM__PT_ARM64_64K] = {.name = "arm64_64k",
                             .id = VMSIM__PT_ARM64_64K,
                             ARM64_COMMON(16),
                             .levels = 3,
                             .index_bits = {13, 13, 6},
                             .shift = {16, 29, 42},
                             .leaf_levels = 0x3,
                             .contig_shift = {5, 5}},
    [VMSIM__PT_RISCV_SV32] = {.name = "riscv_sv32",
                              .id = VMSIM__PT_RISCV_SV32,
                              RISCV_COMMON,
                              .levels = 2,
                              .entry_bytes = 4,
                              .va_bits = 32,
                              .pa_bits = 34,
                              .swap_bits = 28,
                              .table_address = 0xfffffc00,
                              .index_bits = {10, 10},
                              .shift = {12, 22},
                              .leaf_levels = 0x3},
    [VMSIM__PT_RISCV_SV39] = {.name = "riscv_sv39",
                              .id = VMSIM__PT_RISCV_SV39,
                              RISCV_WIDE,
                              .levels = 3,
                              .va_bits = 39,
                              .index_bits = {9, 9, 9},
                              .shift = {12, 21, 30},
                              .leaf_levels = 0x7},
    [VMSIM__PT_RISCV_SV48] = {.name = "riscv_sv48",
                              .id = VMSIM__PT_RISCV_SV48,
                              RISCV_WIDE,
                              .levels = 4,
                              .va_bits = 48,
                              .index_bits = {9, 9, 9, 9},
                              .shift = {12, 21, 30, 39},
                              .leaf_levels = 0xf},
    [VMSIM__PT_RISCV_SV57] = {.name = "riscv_sv57",
                              .id = VMSIM__PT_RISCV_SV57,
                              RISCV_WIDE,
                              .levels = 5,
                              .va_bits = 57,
                              .index_bits = {9, 9, 9, 9, 9},
                              .shift = {12, 21, 30, 39, 48},
                              .leaf_levels = 0x1f},
    [VMSIM__PT_ARM] =
        {.name = "arm",
         .id = VMSIM__PT_ARM,
         .arch = VMSIM__PT_ARCH_ARM,
         .page_shift = 12,
         .levels = 2,
         .entry_bytes = 8,
         .root_order = 2,
         .va_bits = 32,
         .pa_bits = 32,
         .swap_bits = 27,
         .index_bits = {9, 11},
         .shift = {12, 21},
         .leaf_levels = 0x1,
         .no_execute = true,
         .soft = {.none_bit = 11, .marker_bit = 2, .soft_dirty_bit = 3, .lo_shift = 4, .lo_bits = 7, .hi_shift = 12},
         .table_mask = 3,
         .table_value = 1,
         .table_address = 0xfffff000,
         .table_shift = 12,
         .encode = vmsim__arm_encode,
         .decode = vmsim__arm_decode,
         .encode_table = vmsim__arm_encode_table,
         .walk = vmsim__arm_walk},
    [VMSIM__PT_ARM_LPAE] = {.name = "arm_lpae",
                            .id = VMSIM__PT_ARM_LPAE,
                            ARM_LPAE,
                            .levels = 3,
                            .index_bits = {9, 9, 2},
                            .shift = {12, 21, 30},
                            .leaf_levels = 0x7,
                            .contig_shift = {4, 4}},
    [VMSIM__PT_NOMMU] = {.name = "nommu",
                         .id = VMSIM__PT_NOMMU,
                         .arch = VMSIM__PT_ARCH_NOMMU,
                         .page_shift = 12,
                         .entry_bytes = 8,
                         .va_bits = 64,
                         .pa_bits = 64,
                         .no_execute = true,
                         .encode = vmsim__nommu_encode,
                         .decode = vmsim__nommu_decode,
                         .encode_table = vmsim__nommu_encode_table,
                         .walk = vmsim__nommu_walk},
};

const struct vmsim__pt_format *vmsim__pt_format_get(enum vmsim__pt_format_id id) {
    return (unsigned)id < VMSIM__PT_FORMATS ? &formats[id] : NULL;
}

const struct vmsim__pt_format *vmsim__pt_format_find(const char *name) {
    for (size_t i = 0; i < VMSIM__COUNT(formats); i++)
        if (!strcmp(formats[i].name, name))
            return &formats[i];
    return NULL;
}

int vmsim__pt_leaf_level(const struct vmsim__pt_format *f, unsigned shift) {
    VMSIM__ASSERT(f->levels <= VMSIM__PT_LEVELS);
    for (unsigned level = 0; level < f->levels; level++)
        if (f->shift[level] == shift && f->leaf_levels >> level & 1)
            return (int)level;
    return -1;
}

const char *vmsim__fault_name(enum vmsim__fault fault) {
    static const char *const names[] = {
        [VMSIM__FAULT_NONE] = "none",         [VMSIM__FAULT_NOT_PRESENT] = "not present",
        [VMSIM__FAULT_WRITE] = "write",       [VMSIM__FAULT_READ] = "read",
        [VMSIM__FAULT_EXEC] = "execute",      [VMSIM__FAULT_USER] = "user",
        [VMSIM__FAULT_ACCESSED] = "accessed", [VMSIM__FAULT_DIRTY] = "dirty",
        [VMSIM__FAULT_RESERVED] = "reserved", [VMSIM__FAULT_NONCANONICAL] = "non-canonical",
        [VMSIM__FAULT_BUS] = "bus",
    };
    return (unsigned)fault < VMSIM__COUNT(names) ? names[fault] : "?";
}

uint32_t vmsim__fault_code(const struct vmsim__pt_format *f, enum vmsim__fault fault, unsigned level, bool write,
                           bool fetch, bool user) {
    VMSIM__ASSERT(fault <= VMSIM__FAULT_BUS);
    switch (f->arch) {
    case VMSIM__PT_ARCH_X86:
        return vmsim__x86_fault_code(f, fault, write, fetch, user);
    case VMSIM__PT_ARCH_ARM64:
        return vmsim__arm64_fault_code(fault, fault == VMSIM__FAULT_NONCANONICAL ? 0 : 3 - level);
    case VMSIM__PT_ARCH_RISCV:
        return vmsim__riscv_fault_code(fault, write, fetch);
    case VMSIM__PT_ARCH_ARM:
        return vmsim__arm_fault_code(fault, fault == VMSIM__FAULT_NONCANONICAL ? 1 : level);
    case VMSIM__PT_ARCH_NOMMU:
        break;
    }
    return (uint32_t)fault;
}
