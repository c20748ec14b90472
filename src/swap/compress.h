/* SPDX-License-Identifier: MIT */
/* How well pages compress, and what that costs: a model, as simulated pages have no contents.
 *
 * A page's compressed size follows from the seed, the address space (or file) it belongs to and its place there: the
 * same page compresses alike whenever it is written. So many of all pages have one word all over, so many do not
 * compress at all, and the sizes of the rest lie evenly around a mean. Kernel counterpart: crypto/ (lzo, lz4, zstd),
 * and page_same_filled of zram and zswap. */
#ifndef VMSIM__COMPRESS_H
#define VMSIM__COMPRESS_H
#include <stdint.h>

#include "vmsim/param.h"

struct vmsim__compress_spec {
    int compressor;                       /* index of vmsim__compressor_names */
    uint64_t size;                        /* mean of what compresses, millionths of a page; 0: the compressor's */
    uint64_t spread;                      /* millionths of the mean: as far below and above it sizes lie */
    uint64_t same_filled, incompressible; /* millionths of all pages */
    uint64_t compress, decompress;        /* ns a page; 0: the compressor's */
    uint64_t copy;                        /* ns of a page that is looked through, or stored as it is */
    uint64_t seed;
};
extern const char *const vmsim__compressor_names[];
/* Rows for a table whose struct has a struct vmsim__compress_spec at offset `at`, with the compressor `its` at first.
 */
#define VMSIM__COMPRESS_ROWS(at, its)                                                                                  \
    {.name = "compressor",                                                                                             \
     .type = VMSIM_PARAM_ENUM,                                                                                         \
     .offset = (at) + offsetof(struct vmsim__compress_spec, compressor),                                               \
     .fallback = its,                                                                                                  \
     .choices = vmsim__compressor_names,                                                                               \
     .doc =                                                                                                            \
         "What compresses: gives the defaults of `compressed`, `compress` and `decompress`. Ratio and speed of lzo "   \
         "2.09, lz4 r131 and zstd 0.8 -1 on the Silesia corpus, a Core i7-3930K at 4.5 GHz (zstd's README)."},         \
        {.name = "compressed",                                                                                         \
         .type = VMSIM_PARAM_RATIO,                                                                                    \
         .offset = (at) + offsetof(struct vmsim__compress_spec, size),                                                 \
         .fallback = "0",                                                                                              \
         .max = 1000000,                                                                                               \
         .doc = "Mean size of what compresses, as a share of its page; 0: the compressor's (lzo and lz4 48 %, zstd "   \
                "35 %)."},                                                                                             \
        {.name = "spread",                                                                                             \
         .type = VMSIM_PARAM_RATIO,                                                                                    \
         .offset = (at) + offsetof(struct vmsim__compress_spec, spread),                                               \
         .fallback = "50%",                                                                                            \
         .max = 1000000,                                                                                               \
         .doc = "Sizes lie evenly between the mean less this share of it, and the mean and as much more."},            \
        {.name = "same_filled",                                                                                        \
         .type = VMSIM_PARAM_RATIO,                                                                                    \
         .offset = (at) + offsetof(struct vmsim__compress_spec, same_filled),                                          \
         .fallback = "10%",                                                                                            \
         .max = 1000000,                                                                                               \
         .doc = "Share of pages that have one word all over, zero mostly: they take no memory. 10 to 20 % by the "     \
                "documentation of zswap."},                                                                            \
        {.name = "incompressible",                                                                                     \
         .type = VMSIM_PARAM_RATIO,                                                                                    \
         .offset = (at) + offsetof(struct vmsim__compress_spec, incompressible),                                       \
         .fallback = "5%",                                                                                             \
         .max = 1000000,                                                                                               \
         .doc = "Share of pages that do not compress (compressed or encrypted data). An estimate."},                   \
        {.name = "compress",                                                                                           \
         .type = VMSIM_PARAM_TIME,                                                                                     \
         .offset = (at) + offsetof(struct vmsim__compress_spec, compress),                                             \
         .fallback = "0",                                                                                              \
         .max = UINT64_C(1) << 40,                                                                                     \
         .doc = "Time to compress a page; 0: the compressor's for its size (4 KiB: lzo 6.7 us, lz4 6.6 us, zstd "      \
                "12.4 us)."},                                                                                          \
        {.name = "decompress",                                                                                         \
         .type = VMSIM_PARAM_TIME,                                                                                     \
         .offset = (at) + offsetof(struct vmsim__compress_spec, decompress),                                           \
         .fallback = "0",                                                                                              \
         .max = UINT64_C(1) << 40,                                                                                     \
         .doc = "Time to decompress one; 0: the compressor's (4 KiB: lzo 4.7 us, lz4 1.3 us, zstd 4.4 us)."},          \
    {                                                                                                                  \
        .name = "copy", .type = VMSIM_PARAM_TIME, .offset = (at) + offsetof(struct vmsim__compress_spec, copy),        \
        .fallback = "400ns", .max = UINT64_C(1) << 40,                                                                 \
        .doc = "Time to look through a page for one word, or to copy one that is kept as it is: 4 KiB at 10 GB/s."     \
    }

/* The compressor's figures where none are given, for pages of `page` bytes. */
void vmsim__compress_settle(struct vmsim__compress_spec *c, uint64_t page, uint64_t seed);
/* What cannot be: a text, with the key that it is about; NULL: nothing. */
const char *vmsim__compress_judge(const struct vmsim__compress_spec *c, const char **key);
/* Bytes of a page: 0: it has one word all over; `page`: it does not compress. */
uint32_t vmsim__compressed_size(const struct vmsim__compress_spec *c, uint64_t space, uint64_t index, uint32_t page);

#endif
