/* SPDX-License-Identifier: MIT */
/* Reading and checking single blocks of a container, and turning data blocks into chunks of items. */
#ifndef VMSIM__TRACE_BLOCK_H
#define VMSIM__TRACE_BLOCK_H
#include "trace/tables.h"

/* One open container. Buffers are reused from block to block. */
struct vmsim__loader {
    struct vmsim__alloc *alloc;
    int fd;
    const char *path;
    uint64_t file_bytes;
    void *zstd; /* ZSTD_DCtx */
    unsigned char *packed, *refs, *events;
    size_t packed_size, refs_size, events_size;
};
bool vmsim__loader_init(struct vmsim__loader *l, struct vmsim__alloc *a, int fd, const char *path, uint64_t file_bytes);
void vmsim__loader_fini(struct vmsim__loader *l);
/* Reads exactly `n` bytes at `offset`. 0, VMSIM_ETRUNCATED or VMSIM_EIO. */
int vmsim__loader_read(struct vmsim__loader *l, uint64_t offset, void *to, size_t n, struct vmsim__err *err);
/* Header of the block at `offset`, payload within the file. */
int vmsim__loader_header(struct vmsim__loader *l, uint64_t offset, struct vmsim__block_header *h,
                         struct vmsim__err *err);
/* Whole block: checks the payload, leaves events in l->events and, if `refs`, coded references in l->refs (with
 * VMSIM__STREAM_PAD zero bytes behind). */
int vmsim__loader_block(struct vmsim__loader *l, uint64_t offset, struct vmsim__block_header *h, bool refs,
                        struct vmsim__err *err);
/* Bytes of the block in the file. */
static inline uint64_t vmsim__block_bytes(const struct vmsim__block_header *h) {
    return VMSIM__BLOCK_HEADER + (uint64_t)h->refs_packed + h->events_packed;
}

enum {
    VMSIM__CHUNK_REFS = 1 << 15, /* references decoded at a time: 256 KiB, so they are in cache when used */
    VMSIM__CHUNK_ITEMS = 1 << 11,
};

/* A piece of the trace, decoded. */
struct vmsim__chunk {
    vmsim_access *words; /* VMSIM__CHUNK_REFS + VMSIM__GROUP_WORDS */
    struct vmsim_trace_item *items;
    struct vmsim_trace_event *events; /* as many as items */
    size_t count, event_count;
    struct vmsim__event_room room;
    int status; /* 1 items, 0 end, or a negative error */
    struct vmsim__err err;
};
bool vmsim__chunk_init(struct vmsim__chunk *c, struct vmsim__alloc *a);
void vmsim__chunk_fini(struct vmsim__chunk *c, struct vmsim__alloc *a);

/* Decoding of data blocks in order. */
struct vmsim__pipe {
    struct vmsim__alloc *alloc;
    struct vmsim__loader loader;
    const struct vmsim__tables *tables; /* only `blocks` is read */
    struct vmsim__decoder decoder;
    bool skip_damaged;
    uint64_t damaged;
    struct vmsim__err damage; /* the last one skipped */
    /* where it stands */
    size_t next_block;
    uint64_t from; /* items before this reference are dropped */
    bool in_block;
    struct vmsim__block_header header;
    uint64_t offset;             /* of the block in the file */
    struct vmsim__cursor cursor; /* in its events */
    uint64_t entry;              /* references before the next entry; UINT64_MAX when none is left */
    uint64_t position;           /* references of the block delivered */
    uint32_t task, events_seen;
    const vmsim_access *carry; /* decoded, not delivered: the chunk had too many items */
    size_t carry_count;
};
/* `a` is used by whoever calls vmsim__pipe_fill(), and must not be used by another thread meanwhile. */
bool vmsim__pipe_init(struct vmsim__pipe *p, struct vmsim__alloc *a, int fd, const char *path, uint64_t file_bytes,
                      const struct vmsim__tables *tables);
void vmsim__pipe_fini(struct vmsim__pipe *p);
/* Goes to reference `index`. */
void vmsim__pipe_seek(struct vmsim__pipe *p, uint64_t index);
/* Fills a chunk; sets and returns its status. The chunk filled before is still intact. */
int vmsim__pipe_fill(struct vmsim__pipe *p, struct vmsim__chunk *c);

#endif
