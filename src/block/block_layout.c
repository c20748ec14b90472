/* SPDX-License-Identifier: MIT */
/* Extents of files, and the free ranges of devices that they are taken from (see block_layout.h).
 *
 * Free ranges are an array by position, neighbours joined. A new extent is looked for
 *     1. right behind the file's extent that comes before it, for as much as is free there,
 *     2. in the first range that holds all of the rest,
 *     3. in the first range, for what it holds.
 * With `fragment`, each piece is looked for at a goal of its own instead, from there on and around. */
#include "block/block_layout.h"

#include <string.h>

#include "block/block_impl.h"

static uint64_t blocks_up(uint64_t bytes) {
    return vmsim__align_up(bytes, VMSIM__LAYOUT_BLOCK);
}

/* ---- free ranges ---- */

/* First range that ends behind `position`. */
static size_t range_at(const struct vmsim__device *d, uint64_t position) {
    size_t low = 0, high = d->space.count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (d->space.at[middle].position + d->space.at[middle].bytes <= position)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void remove_range(struct vmsim__device *d, size_t i) {
    VMSIM__ASSERT(i < d->space.count);
    memmove(&d->space.at[i], &d->space.at[i + 1], (--d->space.count - i) * sizeof *d->space.at);
}

/* Room for one more has been made. */
static void insert_range(struct vmsim__device *d, size_t i, uint64_t position, uint64_t bytes) {
    VMSIM__ASSERT(d->space.count < d->space.capacity && i <= d->space.count);
    memmove(&d->space.at[i + 1], &d->space.at[i], (d->space.count++ - i) * sizeof *d->space.at);
    d->space.at[i] = (struct vmsim__range){position, bytes};
}

/* Takes [position, position + bytes) out of range `i`, which holds it. */
static void take(struct vmsim__device *d, size_t i, uint64_t position, uint64_t bytes) {
    struct vmsim__range *r = &d->space.at[i];
    uint64_t end = r->position + r->bytes;
    VMSIM__ASSERT(position >= r->position && bytes > 0 && position + bytes <= end);
    r->bytes = position - r->position;
    d->placed += bytes;
    if (position + bytes < end)
        insert_range(d, i + 1, position + bytes, end - position - bytes);
    if (!d->space.at[i].bytes)
        remove_range(d, i);
}

/* Room for one more has been made. */
static void give_back(struct vmsim__device *d, uint64_t position, uint64_t bytes) {
    size_t i = range_at(d, position);
    bool before = i && d->space.at[i - 1].position + d->space.at[i - 1].bytes == position;
    bool behind = i < d->space.count && d->space.at[i].position == position + bytes;
    VMSIM__ASSERT(d->placed >= bytes && (i == d->space.count || d->space.at[i].position >= position + bytes));
    d->placed -= bytes;
    if (before && behind) {
        d->space.at[i - 1].bytes += bytes + d->space.at[i].bytes;
        remove_range(d, i);
    } else if (before) {
        d->space.at[i - 1].bytes += bytes;
    } else if (behind) {
        d->space.at[i] = (struct vmsim__range){position, d->space.at[i].bytes + bytes};
    } else {
        insert_range(d, i, position, bytes);
    }
}

/* ---- choosing a place ---- */

struct place {
    size_t range;
    uint64_t position, bytes;
};

static struct place from_range(const struct vmsim__device *d, size_t i, uint64_t position, uint64_t bytes) {
    const struct vmsim__range *r = &d->space.at[i];
    uint64_t start = vmsim__max64(position, r->position);
    return (struct place){i, start, vmsim__min64(bytes, r->position + r->bytes - start)};
}

/* At a goal, from there on, and around to the beginning. */
static struct place scattered(struct vmsim__device *d, uint64_t bytes) {
    uint64_t hash =
        ++d->scattered * UINT64_C(0x9E3779B97F4A7C15); /* 2^64 / golden ratio: spreads evenly at any count */
    uint64_t goal = (uint64_t)((unsigned __int128)hash * d->params.size >> 64);
    goal = vmsim__align_down(goal, VMSIM__LAYOUT_BLOCK);
    size_t i = range_at(d, goal);
    return i < d->space.count ? from_range(d, i, goal, bytes) : from_range(d, 0, 0, bytes);
}

static struct place first_fit(const struct vmsim__device *d, uint64_t bytes) {
    for (size_t i = 0; i < d->space.count; i++) {
        if (d->space.at[i].bytes >= bytes)
            return from_range(d, i, 0, bytes);
    }
    return from_range(d, 0, 0, bytes);
}

/* Where the next part of a gap of `bytes` behind extent `before` (SIZE_MAX: none) goes. Something is free. */
static struct place choose(struct vmsim__device *d, const struct vmsim__layout *l, size_t before, uint64_t bytes) {
    VMSIM__ASSERT(d->space.count > 0);
    if (l->fragment)
        return scattered(d, vmsim__min64(bytes, l->fragment));
    if (before != SIZE_MAX) {
        uint64_t goal = l->extents.at[before].position + l->extents.at[before].bytes;
        size_t i = range_at(d, goal);
        if (i < d->space.count && d->space.at[i].position <= goal)
            return from_range(d, i, goal, bytes);
    }
    return first_fit(d, bytes);
}

/* ---- extents ---- */

/* First extent that ends behind `offset`. */
static size_t extent_at(const struct vmsim__layout *l, uint64_t offset) {
    size_t low = 0, high = l->extents.count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (l->extents.at[middle].offset + l->extents.at[middle].bytes <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* A new extent before extent `i`, joined to the one that it continues. Room has been made. */
static void add_extent(struct vmsim__layout *l, size_t i, uint64_t offset, const struct place *p) {
    struct vmsim__file_extent *before = i ? &l->extents.at[i - 1] : NULL;
    if (before && !l->fragment && before->offset + before->bytes == offset &&
        before->position + before->bytes == p->position) {
        before->bytes += p->bytes;
        return;
    }
    VMSIM__ASSERT(l->extents.count < l->extents.capacity);
    memmove(&l->extents.at[i + 1], &l->extents.at[i], (l->extents.count++ - i) * sizeof *l->extents.at);
    l->extents.at[i] = (struct vmsim__file_extent){offset, p->position, p->bytes};
}

/* The first part of [offset, end) without a place; its length, 0 when there is none. */
static uint64_t next_gap(const struct vmsim__layout *l, uint64_t *offset, uint64_t end, size_t *extent) {
    size_t i = extent_at(l, *offset);
    for (; i < l->extents.count && l->extents.at[i].offset <= *offset; i++)
        *offset = l->extents.at[i].offset + l->extents.at[i].bytes;
    *extent = i;
    if (*offset >= end)
        return 0;
    return (i < l->extents.count ? vmsim__min64(end, l->extents.at[i].offset) : end) - *offset;
}

static uint64_t missing(const struct vmsim__layout *l, uint64_t offset, uint64_t end) {
    uint64_t sum = 0, gap;
    size_t i;
    while ((gap = next_gap(l, &offset, end, &i)) != 0) {
        sum += gap;
        offset += gap;
    }
    return sum;
}

/* Room for one more extent, and for as many free ranges as may lie between all extents: then nothing that takes or
 * gives back needs memory. */
static bool make_room(struct vmsim__block *b, struct vmsim__device *d, struct vmsim__layout *l) {
    return vmsim__vec_reserve(b->alloc, &l->extents, l->extents.count + 1) &&
           vmsim__vec_reserve(b->alloc, &d->space, d->extents + 2);
}

int vmsim__layout_place(struct vmsim__block *b, struct vmsim__layout *l, uint64_t offset, uint64_t bytes) {
    VMSIM__ASSERT(l->device < b->count && l->fragment % VMSIM__LAYOUT_BLOCK == 0);
    VMSIM__ASSERT(offset <= VMSIM__BLOCK_LATEST && bytes <= VMSIM__BLOCK_LATEST - offset);
    struct vmsim__device *d = &b->devices[l->device];
    uint64_t end = blocks_up(offset + bytes), gap;
    size_t i;
    if (l->raw)
        return offset + bytes <= d->params.size ? 0 : VMSIM_ELIMIT;
    offset = vmsim__align_down(offset, VMSIM__LAYOUT_BLOCK);
    const uint64_t wanted = missing(l, offset, end);
    if (!wanted) /* as nearly always: it has been written before */
        return 0;
    if (wanted > d->room - d->placed)
        return VMSIM_ELIMIT;
    while ((gap = next_gap(l, &offset, end, &i)) != 0) {
        if (!make_room(b, d, l))
            return VMSIM_ENOMEM;
        struct place p = choose(d, l, i ? i - 1 : SIZE_MAX, gap);
        size_t before = l->extents.count;
        take(d, p.range, p.position, p.bytes);
        add_extent(l, i, offset, &p);
        d->extents += l->extents.count - before;
        offset += p.bytes;
    }
    return 0;
}

void vmsim__layout_cut(struct vmsim__block *b, struct vmsim__layout *l, uint64_t bytes) {
    struct vmsim__device *d = &b->devices[l->device];
    uint64_t end = blocks_up(bytes);
    while (l->extents.count) {
        struct vmsim__file_extent *last = &l->extents.at[l->extents.count - 1];
        uint64_t keep = last->offset < end ? vmsim__min64(end - last->offset, last->bytes) : 0;
        if (keep == last->bytes)
            return;
        give_back(d, last->position + keep, last->bytes - keep);
        last->bytes = keep;
        if (keep)
            return;
        l->extents.count--;
        d->extents--;
    }
}

void vmsim__layout_release(struct vmsim__block *b, struct vmsim__layout *l) {
    vmsim__layout_cut(b, l, 0);
    vmsim__vec_fini(b->alloc, &l->extents);
}

/* ---- use ---- */

bool vmsim__layout_map(const struct vmsim__block *b, const struct vmsim__layout *l, uint64_t offset, uint64_t *position,
                       uint64_t *bytes) {
    VMSIM__ASSERT(l->device < b->count);
    if (l->raw) {
        uint64_t size = b->devices[l->device].params.size;
        *position = offset;
        *bytes = offset < size ? size - offset : 0;
        return *bytes != 0;
    }
    size_t i = extent_at(l, offset);
    if (i == l->extents.count || l->extents.at[i].offset > offset)
        return false;
    const struct vmsim__file_extent *e = &l->extents.at[i];
    *position = e->position + (offset - e->offset);
    *bytes = e->bytes - (offset - e->offset);
    return true;
}

/* The part of the transfer behind its first `done` bytes that lies in one piece. All of it has a place. */
static struct vmsim__block_io run_at(const struct vmsim__block *b, const struct vmsim__layout *l,
                                     const struct vmsim__block_io *io, uint64_t done) {
    struct vmsim__block_io run = *io;
    uint64_t bytes = 0;
    bool placed = vmsim__layout_map(b, l, io->position + done, &run.position, &bytes);
    VMSIM__ASSERT(placed && bytes > 0);
    run.bytes = placed ? vmsim__min64(bytes, io->bytes - done) : io->bytes - done;
    return run;
}

int vmsim__layout_submit(struct vmsim__block *b, struct vmsim__layout *l, uint64_t now,
                         const struct vmsim__block_io *io) {
    VMSIM__ASSERT(io->bytes > 0);
    struct vmsim__block_io run;
    uint64_t pieces = 0;
    uint32_t parent = VMSIM__BLOCK_NONE;
    int err = vmsim__layout_place(b, l, io->position, io->bytes);
    if (err)
        return err;
    for (uint64_t done = 0; done < io->bytes; done += run.bytes) {
        run = run_at(b, l, io, done);
        pieces += vmsim__block_pieces(b, l->device, run.bytes);
    }
    err = vmsim__block_prepare(b, l->device, now, pieces);
    for (uint64_t done = 0; done < io->bytes && !err; done += run.bytes) {
        run = run_at(b, l, io, done);
        vmsim__block_queue(b, l->device, now, &run, &parent);
    }
    return err;
}

uint64_t vmsim__layout_bytes(const struct vmsim__layout *l) {
    uint64_t sum = 0;
    for (size_t i = 0; i < l->extents.count; i++)
        sum += l->extents.at[i].bytes;
    return sum;
}

uint64_t vmsim__block_placed(const struct vmsim__block *b, uint32_t device) {
    VMSIM__ASSERT(device < b->count);
    return b->devices[device].placed;
}

/* ---- the check ---- */

int vmsim__layout_check(const struct vmsim__block *b, const struct vmsim__layout *l, struct vmsim__err *err) {
    uint64_t end = 0;
    for (size_t i = 0; i < l->extents.count; i++) {
        const struct vmsim__file_extent *e = &l->extents.at[i];
        const struct vmsim__device *d = &b->devices[l->device];
        size_t r = range_at(d, e->position);
        bool is_free = r < d->space.count && d->space.at[r].position < e->position + e->bytes;
        if (e->offset < end || !e->bytes || e->position > d->room || e->bytes > d->room - e->position || is_free ||
            (l->fragment && e->bytes > l->fragment))
            return vmsim__err_set(err, VMSIM_ECHECK, "device %s: extent %zu at %llu of %llu bytes", d->name, i,
                                  (unsigned long long)e->position, (unsigned long long)e->bytes);
        end = e->offset + e->bytes;
    }
    return 0;
}
