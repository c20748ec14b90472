/* SPDX-License-Identifier: MIT */
/* References to streams: the writing half of the coder described in codec.h.
 *
 * Shapes are found by their prediction first (two compares hit nine groups in ten), else by a hash over the group's
 * fetch and kinds. */
#include "trace/codec.h"

#include "base/util.h"
#include "vmsim/error.h"

struct streams {
    unsigned char *code, *control, *data, *slow;
};
struct group {
    const vmsim_access *words; /* the fetch if there is one, then `k` data references */
    unsigned fetch, k;
};

void vmsim__encoder_init(struct vmsim__encoder *e, struct vmsim__alloc *a) {
    *e = (struct vmsim__encoder){.alloc = a};
}

void vmsim__encoder_fini(struct vmsim__encoder *e) {
    vmsim__shapes_fini(e->alloc, &e->shapes);
    vmsim__free(e->alloc, e->hash, e->hash_size * sizeof *e->hash);
    vmsim__free(e->alloc, e->out, e->out_capacity);
    vmsim__free(e->alloc, e->work, e->work_capacity);
    *e = (struct vmsim__encoder){.alloc = e->alloc};
}

/* Most bytes that `n` references can take: code 1, control 1, data 8, slow 24 each (a new shape of one reference). */
static size_t code_room(size_t n) {
    return n + 64;
}
static size_t data_room(size_t n) {
    return 8 * n + 64;
}
static size_t slow_room(size_t n) {
    return 24 * n + 64;
}

/* Room for the worst that so many references can become, so that no stream is asked whether it still fits. A block
 * knows nothing of the one before: each can be decoded alone. */
static bool prepare(struct vmsim__encoder *e, size_t count) {
    VMSIM__ASSERT(count <= UINT32_MAX);
    size_t need = 2 * code_room(count) + data_room(count) + slow_room(count);
    if (!e->shapes.words && !vmsim__shapes_init(e->alloc, &e->shapes))
        return false;
    if (e->work_capacity < need) {
        vmsim__free(e->alloc, e->work, e->work_capacity);
        e->work = vmsim__malloc(e->alloc, need);
        e->work_capacity = e->work ? need : 0;
    }
    if (!e->hash) {
        e->hash_size = 1u << 12;
        e->hash = vmsim__calloc(e->alloc, e->hash_size, sizeof *e->hash);
    }
    if (!e->work || !e->hash)
        return false;
    memset(e->hash, 0, e->hash_size * sizeof *e->hash);
    vmsim__shapes_reset(&e->shapes);
    e->recent = (struct vmsim__recent){0};
    return true;
}

/* A group may end in the middle of a translation block only at its limit, so that the same code is cut alike each
 * time. */
static struct group cut(const vmsim_access *words, size_t count) {
    VMSIM__ASSERT(count > 0);
    struct group g = {words, 0, 1};
    if (vmsim_access_kind(words[0]) != VMSIM_FETCH)
        return g;
    size_t i = 1;
    while (i < count && i <= VMSIM__GROUP_DATA && vmsim_access_kind(words[i]) != VMSIM_FETCH)
        i++;
    VMSIM__ASSERT(i <= count && i - 1 <= VMSIM__GROUP_DATA);
    return (struct group){words, 1, (unsigned)i - 1};
}

/* The low seven bits hold kind and size; addresses of a shape's places are free, but for that of the fetch. */
static bool matches(const uint64_t *shape, struct group g) {
    if (shape[VMSIM__SHAPE_META] != VMSIM__META(g.k, g.fetch) || (g.fetch && shape[VMSIM__SHAPE_FETCH] != g.words[0]))
        return false;
    uint64_t differ = 0;
    for (unsigned i = 0; i < g.k; i++)
        differ |= shape[VMSIM__SHAPE_SLOT + i] ^ g.words[g.fetch + i];
    return (differ & 127) == 0;
}

/* Addresses of data are left out, as a shape is the same wherever its data lies. */
static uint64_t hash_of(struct group g) {
    uint64_t h = g.k + (g.fetch ? g.words[0] : 1);
    for (unsigned i = 0; i < g.k; i++)
        h = (h ^ (g.words[g.fetch + i] & 127)) * UINT64_C(0x9e3779b97f4a7c15);
    h *= UINT64_C(0xff51afd7ed558ccd);
    return h ^ h >> 29;
}

/* Back from a shape to the words that made it, for a table that grows. */
static struct group group_of(const uint64_t *shape, vmsim_access *words) {
    struct group g = {words, (unsigned)(shape[VMSIM__SHAPE_META] >> 16) & 1, (unsigned)shape[VMSIM__SHAPE_META] & 255};
    VMSIM__ASSERT(g.k <= VMSIM__GROUP_DATA);
    words[0] = shape[VMSIM__SHAPE_FETCH];
    memcpy(words + g.fetch, shape + VMSIM__SHAPE_SLOT, g.k * sizeof *words);
    return g;
}

/* Doubles the hash table and enters every shape anew. */
static bool rehash(struct vmsim__encoder *e) {
    VMSIM__ASSERT(vmsim__is_pow2(e->hash_size));
    size_t size = e->hash_size * 2;
    uint32_t *hash = vmsim__calloc(e->alloc, size, sizeof *hash);
    vmsim_access words[VMSIM__GROUP_WORDS];
    if (!hash)
        return false;
    for (size_t n = 1; n < e->shapes.count; n++) {
        uint64_t h = hash_of(group_of(e->shapes.words + e->shapes.offsets[n], words));
        while (hash[h & (size - 1)])
            h++;
        hash[h & (size - 1)] = (uint32_t)n;
    }
    vmsim__free(e->alloc, e->hash, e->hash_size * sizeof *e->hash);
    e->hash = hash;
    e->hash_size = size;
    return true;
}

/* Number of the group's shape, or 0; *place is where it belongs in the hash table. At most half of the places are
 * taken (see define), so that the search ends. */
static uint32_t find(const struct vmsim__encoder *e, struct group g, size_t *place) {
    VMSIM__ASSERT(vmsim__is_pow2(e->hash_size) && e->shapes.count <= e->hash_size);
    uint64_t h = hash_of(g);
    for (;; h++) {
        *place = h & (e->hash_size - 1);
        uint32_t number = e->hash[*place];
        if (!number || matches(e->shapes.words + e->shapes.offsets[number], g))
            return number;
    }
}

/* First address of a new shape's place: the nearest recent address and the difference to it. Eight recent addresses,
 * as programs walk a few arrays at a time: the nearest of them makes the shortest difference. */
static unsigned char *put_first(struct vmsim__recent *r, unsigned char *p, uint64_t va) {
    VMSIM__ASSERT(p);
    unsigned best = 0;
    uint64_t least = UINT64_MAX;
    for (unsigned i = 0; i < VMSIM__RECENT; i++) {
        uint64_t distance = vmsim__zigzag((int64_t)(va - r->va[i]));
        if (distance < least) {
            least = distance;
            best = i;
        }
    }
    *p++ = (unsigned char)best;
    p = vmsim__put_varint(p, least);
    vmsim__recent_note(r, best, va);
    return p;
}

/* Writes a new shape: counts, fetch, kinds, first addresses. Returns its offset, 0 without memory. The most that one
 * group can add to `slow` is counted in slow_room. */
static uint32_t define(struct vmsim__encoder *e, struct group g, size_t place, struct streams *s) {
    if (e->shapes.count * 2 > e->hash_size) {
        if (!rehash(e))
            return 0;
        find(e, g, &place);
    }
    uint32_t offset = vmsim__shapes_add(e->alloc, &e->shapes, g.k, g.fetch);
    if (!offset)
        return 0;
    VMSIM__ASSERT(place < e->hash_size && !e->hash[place]);
    e->hash[place] = (uint32_t)(e->shapes.count - 1);
    uint64_t *shape = e->shapes.words + offset;
    unsigned char *p = s->slow;
    VMSIM__ASSERT(g.k <= VMSIM__GROUP_DATA && e->hash[place] == e->shapes.count - 1);
    *p++ = (unsigned char)(g.k << 1 | g.fetch);
    if (g.fetch) {
        uint64_t va = vmsim_access_va(g.words[0]);
        shape[VMSIM__SHAPE_FETCH] = g.words[0];
        *p++ = (unsigned char)(g.words[0] >> 2 & 31);
        p = vmsim__put_varint(p, vmsim__zigzag((int64_t)(va - e->recent.fetch)));
        e->recent.fetch = va;
    }
    for (unsigned i = 0; i < g.k; i++) {
        vmsim_access w = g.words[g.fetch + i];
        shape[VMSIM__SHAPE_SLOT + i] = w;
        *p++ = (unsigned char)(w & 127);
        p = put_first(&e->recent, p, vmsim_access_va(w));
    }
    s->slow = p;
    return offset;
}

/* Differences of a known shape's addresses; its places then hold the new ones. Eight bytes are stored whatever the
 * length, and the next store begins where this one counts: no branch on the length. */
static void put_data(uint64_t *shape, struct group g, struct streams *s) {
    VMSIM__ASSERT((shape[VMSIM__SHAPE_META] & 255) == g.k);
    static const unsigned char lengths[4] = {0, 1, 3, 8};
    for (unsigned i = 0; i < g.k; i += 4) {
        unsigned control = 0;
        for (unsigned j = 0; j < 4 && i + j < g.k; j++) {
            vmsim_access w = g.words[g.fetch + i + j];
            uint64_t d = vmsim__zigzag((int64_t)(w - shape[VMSIM__SHAPE_SLOT + i + j]) >> 7);
            unsigned c = (unsigned)(d != 0) + (unsigned)(d > 0xff) + (unsigned)(d > 0xffffff);
            control |= c << 2 * j;
            vmsim__store_le64(s->data, d);
            s->data += lengths[c];
            shape[VMSIM__SHAPE_SLOT + i + j] = w;
        }
        *s->control++ = (unsigned char)control;
    }
}

/* Encodes one group after the shape at *current. The successor just seen becomes the first guess and the former first
 * one the second: loops with two ways through are predicted either way. */
static bool put_group(struct vmsim__encoder *e, struct group g, uint32_t *current, struct streams *s) {
    VMSIM__ASSERT(*current < e->shapes.used);
    uint64_t next = e->shapes.words[*current + VMSIM__SHAPE_NEXT];
    uint32_t first = (uint32_t)next, second = (uint32_t)(next >> 32), offset;
    if (matches(e->shapes.words + first, g)) {
        *s->code++ = 0;
        put_data(e->shapes.words + first, g, s);
        *current = first;
        return true;
    }
    size_t place;
    uint32_t number;
    if (matches(e->shapes.words + second, g)) {
        *s->code++ = 1;
        put_data(e->shapes.words + second, g, s);
        offset = second;
    } else if ((number = find(e, g, &place)) != 0) {
        *s->code++ = 2;
        s->slow = vmsim__put_varint(s->slow, number);
        offset = e->shapes.offsets[number];
        put_data(e->shapes.words + offset, g, s);
    } else {
        *s->code++ = 3;
        offset = define(e, g, place, s);
        if (!offset)
            return false;
    }
    VMSIM__ASSERT(offset && offset < e->shapes.used);
    e->shapes.words[*current + VMSIM__SHAPE_NEXT] = (uint64_t)first << 32 | offset;
    *current = offset;
    return true;
}

/* Puts the four streams one behind the other, their lengths first. */
static int gather(struct vmsim__encoder *e, const struct streams *begin, const struct streams *end) {
    VMSIM__ASSERT(end->code >= begin->code && end->data >= begin->data && end->slow >= begin->slow);
    const unsigned char *from[4] = {begin->code, begin->control, begin->data, begin->slow};
    size_t length[4] = {(size_t)(end->code - begin->code), (size_t)(end->control - begin->control),
                        (size_t)(end->data - begin->data), (size_t)(end->slow - begin->slow)};
    size_t need = VMSIM__CODEC_HEADER + length[0] + length[1] + length[2] + length[3];
    if (need > e->out_capacity) {
        vmsim__free(e->alloc, e->out, e->out_capacity);
        e->out = vmsim__malloc(e->alloc, need + need / 4);
        e->out_capacity = e->out ? need + need / 4 : 0;
        if (!e->out)
            return VMSIM_ENOMEM;
    }
    unsigned char *p = e->out + VMSIM__CODEC_HEADER;
    for (unsigned i = 0; i < 4; i++) {
        vmsim__store_le32(e->out + 4 * i, (uint32_t)length[i]);
        memcpy(p, from[i], length[i]);
        p += length[i];
    }
    e->out_bytes = need;
    return 0;
}

/* The four streams grow in one buffer at their largest possible sizes, so that nothing is checked while they do. */
int vmsim__encode(struct vmsim__encoder *e, const vmsim_access *words, size_t count) {
    VMSIM__ASSERT(words || !count);
    if (!prepare(e, count))
        return VMSIM_ENOMEM;
    struct streams begin = {.code = e->work};
    begin.control = begin.code + code_room(count);
    begin.data = begin.control + code_room(count);
    begin.slow = begin.data + data_room(count);
    struct streams s = begin;
    uint32_t current = 0;
    for (size_t i = 0; i < count;) {
        struct group g = cut(words + i, count - i);
        if (!put_group(e, g, &current, &s))
            return VMSIM_ENOMEM;
        i += g.fetch + g.k;
    }
    VMSIM__ASSERT(s.code <= begin.control && s.control <= begin.data && s.data <= begin.slow);
    return gather(e, &begin, &s);
}
