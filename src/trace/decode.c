/* SPDX-License-Identifier: MIT */
/* Streams to references: the reading half of the coder described in codec.h, and the hot loop of every replay.
 *
 * Safety without a test per byte: one group reads at most 15 control bytes and 480 data bytes and writes at most 64
 * words. Behind the streams lie VMSIM__STREAM_PAD readable bytes, so a group may run over the end of a stream; one
 * compare per group then notices. Offsets of shapes only ever come from the table that the decoder itself fills. */
#include "trace/codec.h"

#include "base/util.h"
#include "vmsim/error.h"

bool vmsim__decoder_init(struct vmsim__decoder *d, struct vmsim__alloc *a) {
    *d = (struct vmsim__decoder){.alloc = a};
    return vmsim__shapes_init(a, &d->shapes);
}

void vmsim__decoder_fini(struct vmsim__decoder *d) {
    vmsim__shapes_fini(d->alloc, &d->shapes);
}

/* Four streams, one after the other, whose lengths stand before them; they must add up to the block, to the byte. */
int vmsim__decode_start(struct vmsim__decoder *d, const unsigned char *in, size_t bytes, uint64_t count) {
    if (bytes < VMSIM__CODEC_HEADER)
        return VMSIM_ECORRUPT;
    uint64_t length[4], sum = VMSIM__CODEC_HEADER;
    for (unsigned i = 0; i < 4; i++)
        sum += length[i] = vmsim__load_le32(in + 4 * i);
    if (sum != bytes)
        return VMSIM_ECORRUPT;
    d->code = in + VMSIM__CODEC_HEADER;
    d->code_end = d->control = d->code + length[0];
    d->control_end = d->data = d->control + length[1];
    d->data_end = d->slow = d->data + length[2];
    d->slow_end = d->slow + length[3];
    VMSIM__ASSERT(d->slow_end == in + bytes);
    d->current = 0;
    d->left = count;
    d->recent = (struct vmsim__recent){0};
    vmsim__shapes_reset(&d->shapes);
    return 0;
}

/* Address of one place of a new shape. NULL: corrupt. */
static const unsigned char *get_first(struct vmsim__decoder *d, const unsigned char *p, uint64_t *word) {
    VMSIM__ASSERT(word && p <= d->slow_end);
    uint64_t distance;
    if (d->slow_end - p < 3 || p[0] > 127 || (p[0] & 3) == VMSIM_FETCH || p[1] >= VMSIM__RECENT)
        return NULL;
    unsigned low = p[0], near = p[1];
    p = vmsim__get_varint(p + 2, d->slow_end, &distance);
    if (!p)
        return NULL;
    uint64_t va = d->recent.va[near] + (uint64_t)vmsim__unzigzag(distance);
    *word = va << 7 | low;
    vmsim__recent_note(&d->recent, near, (uint64_t)((int64_t)*word >> 7));
    return p;
}

/* Reads a new shape; 0 and *offset, or an error. */
static int get_shape(struct vmsim__decoder *d, uint32_t *offset) {
    VMSIM__ASSERT(d->slow <= d->slow_end);
    const unsigned char *p = d->slow;
    if (d->slow_end - p < 1)
        return VMSIM_ECORRUPT;
    unsigned k = *p >> 1, fetch = *p & 1;
    p++;
    if (k > VMSIM__GROUP_DATA || k + fetch == 0 || (!fetch && k != 1))
        return VMSIM_ECORRUPT;
    uint32_t at = vmsim__shapes_add(d->alloc, &d->shapes, k, fetch);
    if (!at)
        return VMSIM_ENOMEM;
    uint64_t *shape = d->shapes.words + at;
    if (fetch) {
        uint64_t difference;
        if (d->slow_end - p < 2 || *p > 31)
            return VMSIM_ECORRUPT;
        unsigned size = *p;
        p = vmsim__get_varint(p + 1, d->slow_end, &difference);
        if (!p)
            return VMSIM_ECORRUPT;
        uint64_t word = (d->recent.fetch + (uint64_t)vmsim__unzigzag(difference)) << 7 | size << 2 | VMSIM_FETCH;
        d->recent.fetch = vmsim_access_va(word);
        shape[VMSIM__SHAPE_FETCH] = word;
    }
    for (unsigned i = 0; i < k; i++) {
        p = get_first(d, p, &shape[VMSIM__SHAPE_SLOT + i]);
        if (!p)
            return VMSIM_ECORRUPT;
    }
    d->slow = p;
    *offset = at;
    return 0;
}

/* A shape named by its number. */
static int get_number(struct vmsim__decoder *d, uint32_t *offset) {
    VMSIM__ASSERT(d->slow <= d->slow_end);
    uint64_t number;
    const unsigned char *p = vmsim__get_varint(d->slow, d->slow_end, &number);
    if (!p || number == 0 || number >= d->shapes.count)
        return VMSIM_ECORRUPT;
    d->slow = p;
    *offset = d->shapes.offsets[number];
    VMSIM__ASSERT(*offset < d->shapes.used);
    return 0;
}

struct cursor {
    const unsigned char *control, *data;
    vmsim_access *out;
};

/* Adds a difference, whose length `control` chooses, to an address of a shape. Returns the data behind it. */
VMSIM__INLINE const unsigned char *get_difference(uint64_t *slot, const unsigned char *data, unsigned control) {
    static const unsigned char lengths[4] = {0, 1, 3, 8};
    static const uint64_t masks[4] = {0, 0xff, 0xffffff, UINT64_MAX};
    *slot += (uint64_t)vmsim__unzigzag(vmsim__load_le64(data) & masks[control & 3]) << 7;
    return data + lengths[control & 3];
}

/* Adds the differences of one group to its shape's addresses and writes the references. Most groups have one data
 * reference or none, and in a third of all control bytes nothing differs: both take no more than that costs. */
VMSIM__INLINE void get_data(uint64_t *shape, struct cursor *c) {
    const uint64_t meta = shape[VMSIM__SHAPE_META];
    uint64_t *slot = shape + VMSIM__SHAPE_SLOT;
    vmsim_access *out = c->out;
    *out = shape[VMSIM__SHAPE_FETCH];
    out += meta >> 16;
    c->out = out + (meta & 255);
    if ((meta & 255) == 1) {
        unsigned control = *c->control++;
        if (control)
            c->data = get_difference(slot, c->data, control);
        *out = *slot;
        return;
    }
    const unsigned char *data = c->data;
    for (unsigned q = (unsigned)(meta >> 8) & 255; q; q--) {
        unsigned control = *c->control++;
        if (!control)
            memcpy(out, slot, 4 * sizeof *out);
#ifdef __OPTIMIZE__ /* else gcc warns that it does not */
#pragma GCC unroll 4
#endif
        for (unsigned j = 0; control && j < 4; j++) {
            data = get_difference(&slot[j], data, control >> 2 * j);
            out[j] = slot[j];
        }
        slot += 4;
        out += 4;
    }
    c->data = data;
}

/* A group whose shape is not the expected one: finds it and makes it the expected one for next time.
 * Returns 0, or 1 when it was new (its references are already in the shape), or an error. */
static VMSIM__NOINLINE int get_unexpected(struct vmsim__decoder *d, unsigned code, uint32_t *current) {
    VMSIM__ASSERT(code > 1 && *current < d->shapes.used);
    uint32_t offset;
    int err = code == 3 ? get_shape(d, &offset) : code == 2 ? get_number(d, &offset) : VMSIM_ECORRUPT;
    if (err)
        return err;
    uint64_t *next = &d->shapes.words[*current + VMSIM__SHAPE_NEXT];
    *next = *next << 32 | offset;
    *current = offset;
    return code == 3;
}

/* Writes a new shape's references as they stand. */
static void put_new(const uint64_t *shape, struct cursor *c) {
    uint64_t meta = shape[VMSIM__SHAPE_META];
    VMSIM__ASSERT((meta & 255) <= VMSIM__GROUP_WORDS && meta >> 16 <= 1);
    if (meta >> 16)
        *c->out++ = shape[VMSIM__SHAPE_FETCH];
    memcpy(c->out, shape + VMSIM__SHAPE_SLOT, (meta & 255) * sizeof *c->out);
    c->out += meta & 255;
}

/* Everything that a group needs is in registers; bounds are looked at once a group, since streams are followed by room
 * for the largest one. At the end each stream must be used up. */
int64_t vmsim__decode_some(struct vmsim__decoder *d, vmsim_access *out, size_t max) {
    struct cursor c = {d->control, d->data, out};
    const unsigned char *code = d->code;
    uint64_t *words = d->shapes.words;
    uint32_t current = d->current;
    VMSIM__ASSERT(code <= d->code_end && d->control <= d->control_end && d->data <= d->data_end);
    const vmsim_access *stop = out + vmsim__min64(max, d->left);
    while (c.out < stop) {
        if (VMSIM__UNLIKELY(code >= d->code_end || c.control > d->control_end || c.data > d->data_end))
            return VMSIM_ECORRUPT;
        unsigned kind = *code++;
        if (VMSIM__LIKELY(kind == 0)) { /* a plain chain of loads: nothing is written back on the way */
            current = (uint32_t)words[current + VMSIM__SHAPE_NEXT];
            get_data(words + current, &c);
            continue;
        }
        if (kind == 1) {
            uint64_t *next = &words[current + VMSIM__SHAPE_NEXT];
            *next = *next >> 32 | *next << 32;
            current = (uint32_t)*next;
            get_data(words + current, &c);
            continue;
        }
        int fresh = get_unexpected(d, kind, &current);
        if (fresh < 0)
            return fresh;
        words = d->shapes.words;
        if (fresh)
            put_new(words + current, &c);
        else
            get_data(words + current, &c);
    }
    int64_t count = c.out - out;
    if ((uint64_t)count > d->left || c.control > d->control_end || c.data > d->data_end)
        return VMSIM_ECORRUPT;
    d->left -= (uint64_t)count;
    d->code = code;
    d->control = c.control;
    d->data = c.data;
    d->current = current;
    VMSIM__ASSERT(current < d->shapes.used);
    if (!d->left &&
        (code != d->code_end || c.control != d->control_end || c.data != d->data_end || d->slow != d->slow_end))
        return VMSIM_ECORRUPT;
    return count;
}
