/* SPDX-License-Identifier: MIT */
/* The container on disk, all numbers little-endian:
 *
 *     +-------------+------------+--------------+-----+--------------+-------------+---------+
 *     | file header | meta block | data block 0 | ... | data block n | index block | trailer |
 *     |    64 bytes |            |              |     |              |             | 32 bytes|
 *     +-------------+------------+--------------+-----+--------------+-------------+---------+
 *
 * A block is a header of 96 bytes, then two zstd frames: references (codec.h) and events (below). The header has a
 * hash of itself and one of the payload, so damage is noticed before anything is decoded and stays in its block: a
 * data block needs no other to be read. Meta and index blocks use the second frame only.
 *
 * Events frame: entries of varints, each {references since the last entry, op, ...}. Op 0 changes the task of the
 * references that follow; op t + 1 is an event of type t (event.c). Every data block begins with an op 0.
 *
 * The index repeats what can also be found by reading all blocks; a trace whose writer was killed has none.
 */
#ifndef VMSIM__FORMAT_H
#define VMSIM__FORMAT_H
#include "base/err.h"
#include "trace/codec.h"
#include "vmsim/trace.h"

#define VMSIM__TRACE_MAGIC "VMSIMTRC"
#define VMSIM__TRACE_END "VMSIMEND"

enum {
    VMSIM__FILE_HEADER = 64,
    VMSIM__BLOCK_HEADER = 96,
    VMSIM__TRAILER = 32,
    VMSIM__BLOCK_MAGIC = 0x4b4c4256, /* "VBLK" */
    VMSIM__BLOCK_REFS = 1 << 20,     /* default references a block: 256 Ki of them cost 15 % more bytes */
    VMSIM__BLOCK_REFS_MAX = 1 << 24,
    VMSIM__EVENTS_FULL = 4 << 20, /* bytes of events that end a block */
    VMSIM__EVENTS_MAX = 64 << 20, /* bytes of events that a reader accepts in a data block */
    VMSIM__INDEX_MAX = 512 << 20,
    VMSIM__TASKS_MAX = 1 << 20,
    VMSIM__PATH_MAX = 65535,
    VMSIM__SEGMENTS_MAX = 1024,
    VMSIM__EXEC_NUMBERS = 14, /* leading 64-bit members of struct vmsim_trace_exec */
};

enum vmsim__block_kind { VMSIM__BLOCK_DATA, VMSIM__BLOCK_META, VMSIM__BLOCK_INDEX, VMSIM__BLOCK_KINDS };

struct vmsim__block_header {
    uint32_t kind;
    uint32_t refs_packed, refs_raw, events_packed, events_raw; /* bytes */
    uint32_t refs, events;                                     /* how many */
    uint64_t first_ref, first_event;                           /* how many before this block */
    uint32_t kinds[4];                                         /* references by vmsim_access_type */
    uint64_t payload_hash;
};

struct vmsim__file_header {
    uint32_t version, page_size, block_refs;
};

void vmsim__put_file_header(unsigned char out[VMSIM__FILE_HEADER], const struct vmsim__file_header *h);
/* 0, or VMSIM_EFORMAT / _EVERSION / _ECORRUPT with *why a static text. */
int vmsim__get_file_header(const unsigned char in[VMSIM__FILE_HEADER], struct vmsim__file_header *h, const char **why);
void vmsim__put_block_header(unsigned char out[VMSIM__BLOCK_HEADER], const struct vmsim__block_header *h);
/* 0 or VMSIM_ECORRUPT with *why: magic, hash, kind and every size are checked. */
int vmsim__get_block_header(const unsigned char in[VMSIM__BLOCK_HEADER], struct vmsim__block_header *h,
                            const char **why);
void vmsim__put_trailer(unsigned char out[VMSIM__TRAILER], uint64_t index_offset, uint64_t file_bytes);
bool vmsim__get_trailer(const unsigned char in[VMSIM__TRAILER], uint64_t *index_offset, uint64_t *file_bytes);

/* A growing array of bytes. `failed` sticks: callers test once at the end. */
struct vmsim__bytes {
    struct vmsim__alloc *alloc;
    unsigned char *at;
    size_t count, capacity;
    bool failed;
};
/* Room for `n` more bytes, or NULL (and failed). The caller adds to count what it used. */
unsigned char *vmsim__bytes_room(struct vmsim__bytes *b, size_t n);
void vmsim__bytes_varint(struct vmsim__bytes *b, uint64_t v);
void vmsim__bytes_string(struct vmsim__bytes *b, const char *s); /* length, bytes; NULL as "" */
void vmsim__bytes_fini(struct vmsim__bytes *b);

/* A cursor over bytes that are not trusted; `failed` sticks. */
struct vmsim__cursor {
    const unsigned char *at, *end;
    bool failed;
};
uint64_t vmsim__cursor_varint(struct vmsim__cursor *c);
/* Bytes of a string in place (not terminated) and its length; NULL when damaged or longer than `max`. */
const char *vmsim__cursor_string(struct vmsim__cursor *c, size_t max, size_t *length);

/* One event without its position. */
void vmsim__put_event(struct vmsim__bytes *b, const struct vmsim_trace_event *e);
/* Room for what an event points to. */
struct vmsim__event_room {
    unsigned char *at; /* 16-byte aligned */
    size_t used, capacity;
};
/* Most bytes that one event takes of a room. */
#define VMSIM__EVENT_ROOM                                                                                              \
    (VMSIM__PATH_MAX + 64 + sizeof(struct vmsim_trace_exec) + VMSIM__SEGMENTS_MAX * sizeof(struct vmsim_trace_segment))
/* Decodes an event of type `type`; false when damaged. The room has VMSIM__EVENT_ROOM bytes left. */
bool vmsim__get_event(struct vmsim__cursor *c, unsigned type, struct vmsim_trace_event *e,
                      struct vmsim__event_room *room);

#endif
