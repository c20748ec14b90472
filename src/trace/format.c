/* SPDX-License-Identifier: MIT */
/* Headers of the container, growing byte arrays and checked cursors (see format.h). */
#include "trace/format.h"

#include <xxhash.h>
#include <zstd.h>

#include "base/util.h"

/* The hash ends the header, so that a version that needs more fields finds zeroes which older ones have hashed, too. */
void vmsim__put_file_header(unsigned char out[VMSIM__FILE_HEADER], const struct vmsim__file_header *h) {
    VMSIM__ASSERT(h->page_size > 0);
    memset(out, 0, VMSIM__FILE_HEADER);
    memcpy(out, VMSIM__TRACE_MAGIC, 8);
    vmsim__store_le32(out + 8, h->version);
    vmsim__store_le32(out + 12, VMSIM__FILE_HEADER);
    vmsim__store_le32(out + 16, h->page_size);
    vmsim__store_le32(out + 20, h->block_refs);
    vmsim__store_le64(out + 56, XXH64(out, 56, 0));
}

/* In this order, so that a file of another kind, and one of another version, is not called damaged. */
int vmsim__get_file_header(const unsigned char in[VMSIM__FILE_HEADER], struct vmsim__file_header *h, const char **why) {
    VMSIM__ASSERT(h && why);
    if (memcmp(in, VMSIM__TRACE_MAGIC, 8) != 0) {
        *why = "not a vmsim trace";
        return VMSIM_EFORMAT;
    }
    h->version = vmsim__load_le32(in + 8);
    if (h->version != VMSIM_TRACE_VERSION) {
        *why = "written in another version of the trace format";
        return VMSIM_EVERSION;
    }
    h->page_size = vmsim__load_le32(in + 16);
    h->block_refs = vmsim__load_le32(in + 20);
    if (vmsim__load_le64(in + 56) != XXH64(in, 56, 0) || vmsim__load_le32(in + 12) != VMSIM__FILE_HEADER) {
        *why = "the file header is damaged";
        return VMSIM_ECORRUPT;
    }
    return 0;
}

/* The header has a hash of its own, and that of the payload: where a recording was cut off is found by headers alone.
 */
void vmsim__put_block_header(unsigned char out[VMSIM__BLOCK_HEADER], const struct vmsim__block_header *h) {
    VMSIM__ASSERT(h->kind < VMSIM__BLOCK_KINDS && h->refs <= VMSIM__BLOCK_REFS_MAX);
    const uint32_t words[8] = {VMSIM__BLOCK_MAGIC, h->kind,       h->refs_packed, h->refs_raw,
                               h->events_packed,   h->events_raw, h->refs,        h->events};
    memset(out, 0, VMSIM__BLOCK_HEADER);
    for (unsigned i = 0; i < 8; i++)
        vmsim__store_le32(out + 4 * i, words[i]);
    vmsim__store_le64(out + 32, h->first_ref);
    vmsim__store_le64(out + 40, h->first_event);
    for (unsigned i = 0; i < 4; i++)
        vmsim__store_le32(out + 48 + 4 * i, h->kinds[i]);
    vmsim__store_le64(out + 64, h->payload_hash);
    vmsim__store_le64(out + 88, XXH64(out, 88, 0));
}

/* Sizes that no writer makes: they would only cost memory. */
static const char *refuse_sizes(const struct vmsim__block_header *h) {
    VMSIM__ASSERT(h);
    uint64_t kinds = (uint64_t)h->kinds[0] + h->kinds[1] + h->kinds[2] + h->kinds[3];
    uint64_t events_max = h->kind == VMSIM__BLOCK_DATA ? VMSIM__EVENTS_MAX : VMSIM__INDEX_MAX;
    if (h->kind >= VMSIM__BLOCK_KINDS)
        return "a block is of unknown kind";
    if (h->refs > VMSIM__BLOCK_REFS_MAX || kinds != h->refs || h->refs_raw > 34 * (uint64_t)h->refs + 1024)
        return "a block's reference counts make no sense";
    if (h->events_raw > events_max || (h->kind != VMSIM__BLOCK_DATA && h->refs))
        return "a block's event counts make no sense";
    if (h->refs_packed > ZSTD_compressBound(h->refs_raw) || h->events_packed > ZSTD_compressBound(h->events_raw))
        return "a block's sizes make no sense";
    return NULL;
}

/* A header whose hash is right may still have been made to mislead: sizes are held against what a block can have. */
int vmsim__get_block_header(const unsigned char in[VMSIM__BLOCK_HEADER], struct vmsim__block_header *h,
                            const char **why) {
    VMSIM__ASSERT(h && why);
    *why = "a block's header is damaged";
    if (vmsim__load_le32(in) != VMSIM__BLOCK_MAGIC || vmsim__load_le64(in + 88) != XXH64(in, 88, 0))
        return VMSIM_ECORRUPT;
    *h = (struct vmsim__block_header){.kind = vmsim__load_le32(in + 4),
                                      .refs_packed = vmsim__load_le32(in + 8),
                                      .refs_raw = vmsim__load_le32(in + 12),
                                      .events_packed = vmsim__load_le32(in + 16),
                                      .events_raw = vmsim__load_le32(in + 20),
                                      .refs = vmsim__load_le32(in + 24),
                                      .events = vmsim__load_le32(in + 28),
                                      .first_ref = vmsim__load_le64(in + 32),
                                      .first_event = vmsim__load_le64(in + 40),
                                      .payload_hash = vmsim__load_le64(in + 64)};
    for (unsigned i = 0; i < 4; i++)
        h->kinds[i] = vmsim__load_le32(in + 48 + 4 * i);
    *why = refuse_sizes(h);
    return *why ? VMSIM_ECORRUPT : 0;
}

/* The file's length is in it: what was appended to a trace, or cut off and written again, has a trailer that is not at
 * its place. */
void vmsim__put_trailer(unsigned char out[VMSIM__TRAILER], uint64_t index_offset, uint64_t file_bytes) {
    VMSIM__ASSERT(index_offset < file_bytes);
    memcpy(out, VMSIM__TRACE_END, 8);
    vmsim__store_le64(out + 8, index_offset);
    vmsim__store_le64(out + 16, file_bytes);
    vmsim__store_le64(out + 24, XXH64(out, 24, 0));
}

bool vmsim__get_trailer(const unsigned char in[VMSIM__TRAILER], uint64_t *index_offset, uint64_t *file_bytes) {
    *index_offset = vmsim__load_le64(in + 8);
    *file_bytes = vmsim__load_le64(in + 16);
    return memcmp(in, VMSIM__TRACE_END, 8) == 0 && vmsim__load_le64(in + 24) == XXH64(in, 24, 0);
}

/* Failure sticks, so that writers of many numbers ask once at their end. */
unsigned char *vmsim__bytes_room(struct vmsim__bytes *b, size_t n) {
    VMSIM__ASSERT(b->count <= b->capacity && n > 0);
    if (b->capacity - b->count < n) {
        size_t capacity = (b->count + n) * 2 + 256;
        unsigned char *at = vmsim__realloc(b->alloc, b->at, b->capacity, capacity);
        if (!at) {
            b->failed = true;
            return NULL;
        }
        b->at = at;
        b->capacity = capacity;
    }
    return b->at + b->count;
}

/* Ten bytes are what 64 bits take at most, seven a byte. */
void vmsim__bytes_varint(struct vmsim__bytes *b, uint64_t v) {
    unsigned char *p = vmsim__bytes_room(b, 10);
    if (p)
        b->count += (size_t)(vmsim__put_varint(p, v) - p);
}

void vmsim__bytes_string(struct vmsim__bytes *b, const char *s) {
    size_t n = s ? strlen(s) : 0;
    vmsim__bytes_varint(b, n);
    unsigned char *p = n ? vmsim__bytes_room(b, n) : NULL;
    if (!p)
        return;
    memcpy(p, s, n);
    b->count += n;
    VMSIM__ASSERT(b->count <= b->capacity);
}

void vmsim__bytes_fini(struct vmsim__bytes *b) {
    vmsim__free(b->alloc, b->at, b->capacity);
    *b = (struct vmsim__bytes){.alloc = b->alloc};
}

/* A cursor that has failed gives zeroes: readers of many numbers look once, as writers do. */
uint64_t vmsim__cursor_varint(struct vmsim__cursor *c) {
    VMSIM__ASSERT(c->at <= c->end);
    uint64_t v = 0;
    const unsigned char *p = c->failed ? NULL : vmsim__get_varint(c->at, c->end, &v);
    if (!p) {
        c->failed = true;
        return 0;
    }
    c->at = p;
    return v;
}

/* Not ended by 0: it points into the input. Too long, or beyond the end, is damage, and the cursor remembers it. */
const char *vmsim__cursor_string(struct vmsim__cursor *c, size_t max, size_t *length) {
    VMSIM__ASSERT(length && c->at <= c->end);
    uint64_t n = vmsim__cursor_varint(c);
    *length = 0;
    if (c->failed || n > max || n > (uint64_t)(c->end - c->at)) {
        c->failed = true;
        return NULL;
    }
    const char *s = (const char *)c->at;
    c->at += n;
    *length = (size_t)n;
    return s;
}
