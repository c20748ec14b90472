/* SPDX-License-Identifier: MIT */
/* Readahead "linux": windows start small and double up to the largest.
 *
 * A miss is judged by what came before it: beginning of the file, right behind the last window, right behind the last
 * read, behind a run of cached pages, or none of these (random: just what was asked for). A mark that is touched where
 * the last window has it starts the next one behind that. Faults without advice read around the address instead. Kernel
 * counterpart: ondemand_readahead and get_init_ra_size, get_next_ra_size of mm/readahead.c; do_sync_mmap_readahead. */
#include "cache/readahead_policies.h"

static uint64_t roundup_pow2(uint64_t n) {
    VMSIM__ASSERT(n <= UINT64_C(1) << 63);
    return UINT64_C(1) << vmsim__log2_up(n);
}

/* First window of a stream whose first request is for `pages`. Kernel: get_init_ra_size. */
static uint32_t first_size(uint64_t pages, uint64_t most) {
    VMSIM__ASSERT(most > 0);
    uint64_t size = roundup_pow2(pages);
    if (size <= most / 32)
        size *= 4;
    else if (size <= most / 4)
        size *= 2;
    else
        size = most;
    return (uint32_t)size;
}

/* The window after one of `size`; a window that a large request made bigger than `most` is followed by its like.
 * Kernel: get_next_ra_size. */
static uint32_t next_size(uint32_t size, uint64_t most, bool keep) {
    VMSIM__ASSERT(most > 0);
    uint64_t next = size < most / 16 ? (uint64_t)size * 4 : size <= most / 2 ? (uint64_t)size * 2 : most;
    return (uint32_t)(keep ? vmsim__max64(next, size) : next);
}

static void start_window(const struct vmsim_readahead_request *r, struct vmsim_readahead_window *w) {
    w->start = r->index;
    w->pages = first_size(r->wanted, r->most);
    if (w->pages > r->wanted)
        w->ahead = w->pages - (uint32_t)r->wanted;
    else
        w->ahead = r->half_ahead ? w->pages >> 1 : w->pages;
}

static void next_window(const struct vmsim_readahead_request *r, struct vmsim_readahead_window *w) {
    w->start += w->pages;
    w->pages = next_size(w->pages, r->most, true);
    w->ahead = w->pages;
}

/* One that begins at the page needed now and is all ahead of need takes the next one along (6.1). */
static bool settle(const struct vmsim_readahead_request *r, struct vmsim_readahead_window *w) {
    if (r->miss_continues && r->index == w->start && w->pages == w->ahead) {
        uint32_t more = next_size(w->pages, r->most, false);
        bool fits = w->pages + (uint64_t)more <= r->most;
        w->ahead = fits ? more : (uint32_t)(r->most >> 1);
        w->pages = fits ? w->pages + more : (uint32_t)r->most;
    }
    return true;
}

/* A miss in the middle of nowhere: a stream that somebody else's cached pages betray, or a random read.
 * Kernel: try_context_readahead. */
static bool by_context(const struct vmsim_readahead_request *r, struct vmsim_readahead_window *w) {
    uint64_t before = r->cache->cached_before(r->cache->host, r->index, r->most);
    if (before <= r->wanted)
        return false;
    if (before >= r->index)
        before *= 2;
    *w = (struct vmsim_readahead_window){r->index, (uint32_t)vmsim__min64(before + r->wanted, r->most), 1};
    return settle(r, w);
}

static bool behind(const struct vmsim_readahead_request *r) {
    uint64_t end = r->last.start + r->last.pages;
    return r->index == end - r->last.ahead || r->index == end;
}

static bool on_miss(const struct vmsim_readahead_request *r, struct vmsim_readahead_window *w) {
    if (r->index && r->miss_continues && behind(r))
        next_window(r, w);
    else if (!r->index || r->wanted > r->most || r->index - r->previous <= 1)
        start_window(r, w);
    else
        return by_context(r, w);
    return settle(r, w);
}

/* A marked page that is not where the last window has it: the next window begins at the next page that is missing. The
 * tail of ondemand_readahead. */
static bool resume(const struct vmsim_readahead_request *r, struct vmsim_readahead_window *w) {
    uint64_t hole = r->cache->next_missing(r->cache->host, r->index + 1, r->most);
    if (hole == UINT64_MAX)
        return false;
    w->start = hole;
    w->pages = w->ahead = next_size((uint32_t)(hole - r->index + r->wanted), r->most, false);
    return settle(r, w);
}

static bool on_mark(const struct vmsim_readahead_request *r, struct vmsim_readahead_window *w) {
    uint64_t end = r->last.start + r->last.pages;
    if (!r->index && r->miss_continues)
        start_window(r, w);
    else if (r->index == end - r->last.ahead || (r->miss_continues && r->index == end))
        next_window(r, w);
    else
        return resume(r, w);
    return settle(r, w);
}

/* Half of the window lies before the address, for code is entered anywhere. */
static bool around(const struct vmsim_readahead_request *r, struct vmsim_readahead_window *w) {
    uint64_t half = r->most / 2;
    *w = (struct vmsim_readahead_window){r->index > half ? r->index - half : 0, (uint32_t)r->most,
                                         (uint32_t)(r->most / 4)};
    return true;
}

static bool linux_window(void *context, const struct vmsim_readahead_request *r, struct vmsim_readahead_window *w) {
    (void)context;
    *w = r->last;
    if (r->why == VMSIM_READAHEAD_AROUND)
        return around(r, w);
    return r->why == VMSIM_READAHEAD_MARK ? on_mark(r, w) : on_miss(r, w);
}

const struct vmsim_readahead_policy vmsim__readahead_linux = {
    .policy = {sizeof vmsim__readahead_linux, VMSIM_POLICY_ABI, VMSIM_POLICY_READAHEAD, "linux",
               "Windows that double while a file is read in sequence, as Linux has them.", NULL, 0},
    .window = linux_window};
