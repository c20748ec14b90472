/* SPDX-License-Identifier: MIT */
#ifndef VMSIM_ACCESS_H
#define VMSIM_ACCESS_H
/**
 * @file access.h
 * @brief One memory reference, packed into 64 bits.
 *
 *     63                            7 6       2 1  0
 *     +------------------------------+---------+----+
 *     |  virtual address (57 bits)   | size    |type|
 *     +------------------------------+---------+----+
 *
 * The address is stored sign-extended from bit 56, which holds every canonical address of every format that
 * vmsim knows (57 bits is the widest: x86-64 with LA57 and RISC-V Sv57). A page number is one shift away, a batch
 * of references is half the size of a struct, and traces, generators and the access path share the form.
 */
#include <stdint.h>

/** A packed memory reference. */
typedef uint64_t vmsim_access;

/** What a reference does. */
enum vmsim_access_type {
    VMSIM_LOAD = 0,  /**< data read */
    VMSIM_STORE = 1, /**< data write */
    VMSIM_FETCH = 2, /**< instruction fetch */
    VMSIM_RMW = 3    /**< atomic read-modify-write: needs write permission, counts once */
};

/** Number of size codes: codes 0..15 are 1..16 bytes, then the wider ones of vmsim_access_sizes(). */
#define VMSIM_ACCESS_SIZE_CODES 32

/** Bytes of a size code 0..31: 1..16, then 20 24 28 32 40 48 56 64 80 96 112 128 256 512 1024 4096. */
static inline uint32_t vmsim_access_code_bytes(unsigned code) {
    static const uint16_t bytes[VMSIM_ACCESS_SIZE_CODES] = {1,  2,  3,  4,  5,   6,   7,   8,   9,    10,  11,
                                                            12, 13, 14, 15, 16,  20,  24,  28,  32,   40,  48,
                                                            56, 64, 80, 96, 112, 128, 256, 512, 1024, 4096};
    return bytes[code & 31u];
}

/** The smallest size code that covers `bytes` (1..4096; more is taken as 4096). */
static inline unsigned vmsim_access_size_code(uint32_t bytes) {
    if (bytes <= 16)
        return bytes ? bytes - 1 : 0;
    unsigned code = 16;
    while (code < 31 && vmsim_access_code_bytes(code) < bytes)
        code++;
    return code;
}

/** Packs a reference; `va` must be sign-extended from bit 56. */
static inline vmsim_access vmsim_access_make(uint64_t va, uint32_t bytes, enum vmsim_access_type type) {
    return va << 7 | (uint64_t)vmsim_access_size_code(bytes) << 2 | (uint64_t)type;
}

/** Virtual address of a reference, sign-extended. */
static inline uint64_t vmsim_access_va(vmsim_access a) {
    return (uint64_t)((int64_t)a >> 7);
}
/** Size in bytes. */
static inline uint32_t vmsim_access_bytes(vmsim_access a) {
    return vmsim_access_code_bytes((unsigned)(a >> 2) & 31u);
}
/** Load, store, fetch or atomic. */
static inline enum vmsim_access_type vmsim_access_kind(vmsim_access a) {
    return (enum vmsim_access_type)(a & 3u);
}

#endif
