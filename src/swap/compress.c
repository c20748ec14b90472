/* SPDX-License-Identifier: MIT */
/* Sizes of compressed pages, and the figures of compressors (see compress.h). */
#include "swap/compress.h"

#include <stddef.h>

#include "base/util.h"

#define MILLION UINT64_C(1000000)

const char *const vmsim__compressor_names[] = {"lzo", "lzo-rle", "lz4", "zstd", NULL};

/* lzo-rle is lzo with a shortcut for runs of zeros, which whole pages of zeros do not come to. MB are 10^6 bytes. */
static const struct figures {
    uint64_t size;                 /* millionths */
    uint64_t compress, decompress; /* MB/s */
} figures[] = {{474834, 610, 870}, {474834, 610, 870}, {475964, 620, 3100}, {347584, 330, 940}};

void vmsim__compress_settle(struct vmsim__compress_spec *c, uint64_t page, uint64_t seed) {
    VMSIM__ASSERT((size_t)c->compressor < VMSIM__COUNT(figures) && page > 0);
    const struct figures *f = &figures[c->compressor];
    c->size = c->size ? c->size : f->size;
    c->compress = c->compress ? c->compress : page * 1000 / f->compress;
    c->decompress = c->decompress ? c->decompress : page * 1000 / f->decompress;
    c->seed = seed;
}

const char *vmsim__compress_judge(const struct vmsim__compress_spec *c, const char **key) {
    *key = "incompressible";
    return c->same_filled + c->incompressible > MILLION
               ? "more than all pages: `same_filled` and `incompressible` are shares of the same pages"
               : NULL;
}

/* All bits of the result depend on all of both words (the finalizer of splitmix64, twice). */
static uint64_t scatter(uint64_t a, uint64_t b) {
    for (unsigned i = 0; i < 2; i++) {
        a = (a ^ a >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        a = (a ^ a >> 27) * UINT64_C(0x94d049bb133111eb);
        a = (a ^ a >> 31) + (i ? 0 : b * UINT64_C(0x9e3779b97f4a7c15));
    }
    return a;
}

uint32_t vmsim__compressed_size(const struct vmsim__compress_spec *c, uint64_t space, uint64_t index, uint32_t page) {
    VMSIM__ASSERT(c->size && page >= 4096);
    const uint64_t chance = scatter(c->seed ^ space << 1, index);
    const uint64_t kind = (chance >> 40) * MILLION >> 24, within = chance & UINT32_MAX;
    if (kind < c->same_filled)
        return 0;
    if (kind < c->same_filled + c->incompressible)
        return page;
    const uint64_t mean = c->size * page / MILLION, half = mean * c->spread / MILLION;
    const uint64_t size = mean - half + (within * (2 * half + 1) >> 32);
    return (uint32_t)vmsim__min64(vmsim__max64(size, 1), page);
}
