/* SPDX-License-Identifier: MIT */
/* The coding of references inside a block: packed words to four byte streams and back.
 *
 * A program repeats itself translation block by translation block, so the coder cuts the words into *groups*: one
 * fetch and the data references that follow it (up to GROUP_DATA), or one data reference alone when no fetch leads.
 * What is fixed about a group (address and size of the fetch, kinds and sizes of its references) is its *shape*;
 * a shape is written once and afterwards named. What varies are the data addresses, each coded as the difference to
 * the address which the same place of the same shape had last time:
 *
 *     codes   a byte a group: 0 / 1 = the shape that followed this shape last / last but one,
 *             2 = a number in `slow`, 3 = a new shape in `slow`
 *     control a byte per 4 data references: 2 bits each choose 0, 1, 3 or 8 bytes
 *     data    zig-zag differences of that many bytes, little-endian
 *     slow    shape numbers (varint), new shapes (varints)
 *
 * Decoding a group is then a load of the shape, a copy of its fetch and four branch-free additions a control byte.
 * Each block starts with no shapes: it decodes without any other. All of it is bounded by the number of references
 * that the block header promises, and no length is trusted (see decode.c).
 */
#ifndef VMSIM__CODEC_H
#define VMSIM__CODEC_H
#include <endian.h>
#include <string.h>

#include "base/vec.h"
#include "vmsim/access.h"

enum {
    VMSIM__GROUP_DATA = 60,   /* data references a group at most: 15 control bytes */
    VMSIM__GROUP_WORDS = 64,  /* words that decoding one group may write, padding included */
    VMSIM__STREAM_PAD = 1024, /* zero bytes behind the streams that decoding may read */
    VMSIM__CODEC_HEADER = 16, /* lengths of the four streams, u32 each */
    VMSIM__RECENT = 8         /* addresses that a new shape's first addresses are coded against */
};

/* A shape in the arena of 64-bit words, on a 64-byte line of its own: up to 4 data references cost one line.
 *     [FETCH] the packed fetch, or 0   [NEXT] offsets of two successors, 32 bits each   [META] counts   [SLOT...] */
enum { VMSIM__SHAPE_FETCH, VMSIM__SHAPE_NEXT, VMSIM__SHAPE_META, VMSIM__SHAPE_SLOT };
/* META: data references | control bytes << 8 | has a fetch << 16. */
#define VMSIM__META(k, fetch) ((uint64_t)(k) | (uint64_t)(((k) + 3u) / 4u) << 8 | (uint64_t)(fetch) << 16)

struct vmsim__shapes {
    uint64_t *words; /* the arena, 64-byte aligned; shape 0 is empty and its own successor */
    size_t used, capacity;
    uint32_t *offsets; /* number -> offset in words */
    size_t count, room;
};

struct vmsim__recent {
    uint64_t va[VMSIM__RECENT];
    uint64_t fetch;
    unsigned victim;
};

bool vmsim__shapes_init(struct vmsim__alloc *a, struct vmsim__shapes *s);
void vmsim__shapes_fini(struct vmsim__alloc *a, struct vmsim__shapes *s);
void vmsim__shapes_reset(struct vmsim__shapes *s);
/* Room for one shape of `k` data references; its offset, or 0 when there is no memory. META is set. */
uint32_t vmsim__shapes_add(struct vmsim__alloc *a, struct vmsim__shapes *s, unsigned k, unsigned fetch);

/* Encoder: tables reused from block to block. */
struct vmsim__encoder {
    struct vmsim__alloc *alloc;
    struct vmsim__shapes shapes;
    uint32_t *hash; /* open addressing: shape number, 0 = free */
    size_t hash_size;
    unsigned char *out; /* result: VMSIM__CODEC_HEADER and the streams */
    size_t out_bytes, out_capacity;
    unsigned char *work; /* the four streams while they grow */
    size_t work_capacity;
    struct vmsim__recent recent;
};
void vmsim__encoder_init(struct vmsim__encoder *e, struct vmsim__alloc *a);
void vmsim__encoder_fini(struct vmsim__encoder *e);
/* Encodes one block; out/out_bytes hold the result until the next call. 0 or VMSIM_ENOMEM. */
int vmsim__encode(struct vmsim__encoder *e, const vmsim_access *words, size_t count);

struct vmsim__decoder {
    struct vmsim__alloc *alloc;
    struct vmsim__shapes shapes;
    const unsigned char *code, *code_end, *control, *control_end, *data, *data_end, *slow, *slow_end;
    uint32_t current; /* offset of the shape decoded last */
    uint64_t left;    /* words still to come */
    struct vmsim__recent recent;
};
bool vmsim__decoder_init(struct vmsim__decoder *d, struct vmsim__alloc *a);
void vmsim__decoder_fini(struct vmsim__decoder *d);
/* Starts a block of `count` words. `in` stays valid while decoding and has VMSIM__STREAM_PAD readable bytes behind
 * `bytes`. 0 or VMSIM_ECORRUPT. */
int vmsim__decode_start(struct vmsim__decoder *d, const unsigned char *in, size_t bytes, uint64_t count);
/* Decodes at most `max` words (at least one group unless the end is reached) into `out`, which has room for
 * max + VMSIM__GROUP_WORDS. Returns how many, 0 at the end, or a negative error. */
int64_t vmsim__decode_some(struct vmsim__decoder *d, vmsim_access *out, size_t max);

/* varints: 7 bits a byte, lowest first, at most 10 bytes. */
static inline unsigned char *vmsim__put_varint(unsigned char *p, uint64_t v) {
    while (v >= 128) {
        *p++ = (unsigned char)(v | 128);
        v >>= 7;
    }
    *p++ = (unsigned char)v;
    return p;
}
/* NULL when the input ends or the number does not fit in 64 bits. */
static inline const unsigned char *vmsim__get_varint(const unsigned char *p, const unsigned char *end, uint64_t *v) {
    uint64_t sum = 0;
    for (unsigned shift = 0; p < end && shift < 64; shift += 7) {
        uint64_t byte = *p++;
        sum |= (byte & 127) << shift;
        if (byte < 128) {
            *v = sum;
            return shift == 63 && byte > 1 ? NULL : p;
        }
    }
    return NULL;
}
static inline uint64_t vmsim__zigzag(int64_t v) {
    return (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
}
static inline int64_t vmsim__unzigzag(uint64_t v) {
    return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}
static inline uint64_t vmsim__load_le64(const unsigned char *p) {
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return le64toh(v);
}
static inline void vmsim__store_le64(unsigned char *p, uint64_t v) {
    v = htole64(v);
    memcpy(p, &v, sizeof v);
}
static inline uint32_t vmsim__load_le32(const unsigned char *p) {
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return le32toh(v);
}
static inline void vmsim__store_le32(unsigned char *p, uint32_t v) {
    v = htole32(v);
    memcpy(p, &v, sizeof v);
}
/* Remembers `va` in place of entry `near` when it is close to it, else of the oldest. */
static inline void vmsim__recent_note(struct vmsim__recent *r, unsigned near, uint64_t va) {
    uint64_t distance = va - r->va[near];
    if (distance + (1u << 20) < (2u << 20))
        r->va[near] = va;
    else
        r->va[r->victim++ % VMSIM__RECENT] = va;
}

#endif
