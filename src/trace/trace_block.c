/* SPDX-License-Identifier: MIT */
/* Single blocks: read, checked against their hashes, decompressed (see trace_block.h). Messages name the file, the byte
 * offset of the block, and what is wrong with it. */
#include "trace/trace_block.h"
#include "base/util.h"

#include <errno.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

/* A loader has buffers and a decompressor of its own: each thread that reads has one, over the same descriptor. */
bool vmsim__loader_init(struct vmsim__loader *l, struct vmsim__alloc *a, int fd, const char *path,
                        uint64_t file_bytes) {
    VMSIM__ASSERT(fd >= 0);
    *l =
        (struct vmsim__loader){.alloc = a, .fd = fd, .path = path, .file_bytes = file_bytes, .zstd = ZSTD_createDCtx()};
    return l->zstd != NULL;
}

void vmsim__loader_fini(struct vmsim__loader *l) {
    if (!l->alloc)
        return;
    ZSTD_freeDCtx(l->zstd);
    vmsim__free(l->alloc, l->packed, l->packed_size);
    vmsim__free(l->alloc, l->refs, l->refs_size);
    vmsim__free(l->alloc, l->events, l->events_size);
}

static int fail(const struct vmsim__loader *l, struct vmsim__err *err, int code, uint64_t offset, const char *why) {
    VMSIM__ASSERT(code < 0 && why);
    return vmsim__err_set(err, code, "%s: byte %llu: %s", l->path, (unsigned long long)offset, why);
}

/* pread, so that the index can be read while a second thread reads blocks: no shared file position. */
int vmsim__loader_read(struct vmsim__loader *l, uint64_t offset, void *to, size_t n, struct vmsim__err *err) {
    VMSIM__ASSERT(l->fd >= 0 && (to || !n));
    unsigned char *p = to;
    while (n) {
        ssize_t done = pread(l->fd, p, n, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return fail(l, err, VMSIM_EIO, offset, strerror(errno));
        if (done == 0)
            return fail(l, err, VMSIM_ETRUNCATED, offset, "the file ends here");
        p += done;
        offset += (uint64_t)done;
        n -= (size_t)done;
    }
    return 0;
}

/* That the whole block lies within the file is looked at here, by its header alone: a recording that was cut off ends
 * in front of the first block of which that is not so. */
int vmsim__loader_header(struct vmsim__loader *l, uint64_t offset, struct vmsim__block_header *h,
                         struct vmsim__err *err) {
    unsigned char raw[VMSIM__BLOCK_HEADER];
    const char *why;
    if (offset > l->file_bytes || l->file_bytes - offset < sizeof raw)
        return fail(l, err, VMSIM_ETRUNCATED, offset, "the file ends within a block's header");
    int code = vmsim__loader_read(l, offset, raw, sizeof raw, err);
    if (code)
        return code;
    code = vmsim__get_block_header(raw, h, &why);
    if (code)
        return fail(l, err, code, offset, why);
    if (l->file_bytes - offset < vmsim__block_bytes(h))
        return fail(l, err, VMSIM_ETRUNCATED, offset, "the file ends within a block");
    return 0;
}

/* The old contents are of no use, so that nothing is copied. */
static bool make_room(struct vmsim__loader *l, unsigned char **buffer, size_t *size, size_t need) {
    VMSIM__ASSERT(*buffer || !*size);
    if (need <= *size)
        return true;
    vmsim__free(l->alloc, *buffer, *size);
    *buffer = vmsim__malloc(l->alloc, need);
    *size = *buffer ? need : 0;
    return *buffer != NULL;
}

/* Decompresses a frame that must give exactly `raw` bytes. */
static bool unpack(struct vmsim__loader *l, unsigned char *to, size_t raw, const unsigned char *from, size_t packed) {
    VMSIM__ASSERT(to && from);
    if (!raw || !packed)
        return !raw && !packed;
    return ZSTD_decompressDCtx(l->zstd, to, raw, from, packed) == raw;
}

/* The hash is checked before the bytes go to the decompressor: zstd is robust against damage, but says "damaged" for
 * what a good frame of another block would pass. */
int vmsim__loader_block(struct vmsim__loader *l, uint64_t offset, struct vmsim__block_header *h, bool refs,
                        struct vmsim__err *err) {
    VMSIM__ASSERT(l->zstd && l->alloc);
    int code = vmsim__loader_header(l, offset, h, err);
    if (code)
        return code;
    size_t packed = (size_t)h->refs_packed + h->events_packed;
    if (!make_room(l, &l->packed, &l->packed_size, packed + 1) ||
        !make_room(l, &l->events, &l->events_size, (size_t)h->events_raw + 1) ||
        !make_room(l, &l->refs, &l->refs_size, (size_t)h->refs_raw + VMSIM__STREAM_PAD))
        return fail(l, err, VMSIM_ENOMEM, offset, "no memory for the block");
    code = vmsim__loader_read(l, offset + VMSIM__BLOCK_HEADER, l->packed, packed, err);
    if (code)
        return code;
    if (XXH64(l->packed, packed, 0) != h->payload_hash)
        return fail(l, err, VMSIM_ECORRUPT, offset, "a block's contents are damaged");
    if (!unpack(l, l->events, h->events_raw, l->packed + h->refs_packed, h->events_packed) ||
        (refs && !unpack(l, l->refs, h->refs_raw, l->packed, h->refs_packed)))
        return fail(l, err, VMSIM_ECORRUPT, offset, "a block cannot be decompressed");
    if (refs)
        memset(l->refs + h->refs_raw, 0, VMSIM__STREAM_PAD);
    return 0;
}
