/* SPDX-License-Identifier: MIT */
/* Readahead: which pages come in when one is missing, and when the next ones are asked for.
 *
 *     start              start + size - async_size            start + size
 *       |---- needed now ------|---- read ahead of need -----------|
 *                              ^ marked page: whoever touches it starts the next window behind this one
 *
 * Windows start small and double up to ra_pages. A miss is judged by what came before it: beginning of the file, right
 * behind the last window, right behind the last read, behind a run of cached pages, or none of these (random: just what
 * was asked for). Faults without advice read around the address instead. Decisions are in pages of the file; pages
 * already cached are passed over. Kernel counterpart: mm/readahead.c. */
#include "cache/cache_impl.h"

void vmsim__ra_init(struct vmsim__cache *c, struct vmsim__file_ra *ra) {
    *ra = (struct vmsim__file_ra){.ra_pages = (uint32_t)(c->spec.read_ahead >> c->mem->page_shift),
                                  .prev_pos = UINT64_MAX};
}

/* ---- window sizes ---- */

static uint64_t roundup_pow2(uint64_t n) {
    VMSIM__ASSERT(n <= UINT64_C(1) << 63);
    return n <= 1 ? 1 : UINT64_C(1) << (vmsim__log2(n - 1) + 1);
}

/* First window of a stream whose first request is for `pages`. Kernel: get_init_ra_size. */
static uint32_t first_size(uint64_t pages, uint64_t max) {
    VMSIM__ASSERT(max > 0);
    uint64_t size = roundup_pow2(pages);
    if (size <= max / 32)
        size *= 4;
    else if (size <= max / 4)
        size *= 2;
    else
        size = max;
    return (uint32_t)size;
}

/* The window after one of `size`; a window that a large request made bigger than `max` is followed by its like.
 * Kernel: get_next_ra_size. */
static uint32_t next_size(uint32_t size, uint64_t max, bool keep) {
    VMSIM__ASSERT(max > 0);
    uint64_t next = size < max / 16 ? (uint64_t)size * 4 : size <= max / 2 ? (uint64_t)size * 2 : max;
    return (uint32_t)(keep ? vmsim__max64(next, size) : next);
}

/* Largest window for this request: more than ra_pages only if the request is and the device likes it. */
static uint64_t max_size(const struct vmsim__cache *c, const struct vmsim__file_ra *ra, uint64_t pages) {
    uint64_t io_pages = c->spec.device.optimal_io >> c->mem->page_shift;
    return pages > ra->ra_pages && io_pages > ra->ra_pages ? vmsim__min64(pages, io_pages) : ra->ra_pages;
}

/* ---- reading ---- */

/* One contiguous run of new pages goes to the device, LOCKED until it has arrived; holes are only cleared. */
static void submit(struct vmsim__cache *c, struct vmsim__file *f, uint64_t first, uint64_t pages, unsigned cpu) {
    uint64_t on_disk = vmsim__cache_pages_of(c, f->disk_size);
    if (f->kind != VMSIM__FILE_REGULAR || !pages)
        return;
    uint64_t stored = first < on_disk ? vmsim__min64(pages, on_disk - first) : 0;
    vmsim__cache_charge(c, (pages - stored) * c->spec.zero_cost);
    if (!stored)
        return;
    for (uint64_t i = first; i < first + stored; i++)
        vmsim__cache_frame(c, vmsim__file_page(f, i))->flags |= VMSIM__FRAME_LOCKED;
    vmsim__transfer_start(c, f, first, stored, false, cpu);
}

/* Reads those of [first, first + pages) that are inside the file and not cached; the page `ahead` pages before the
 * end of that is marked, if it is new. Stops when frames run out: nobody waits for readahead. Kernel:
 * page_cache_ra_unbounded. One transfer a run of missing pages; its pages are in the cache at once. */
static void read_window(struct vmsim__cache *c, struct vmsim__file *f, uint64_t first, uint64_t pages, uint64_t ahead,
                        unsigned cpu) {
    uint64_t end = vmsim__cache_pages_of(c, f->size), run = first, i = first;
    uint32_t gfp = VMSIM__GFP_NORETRY | VMSIM__GFP_NOWARN;
    end = first < end ? vmsim__min64(end, first + pages) : first;
    uint64_t marked = ahead && end - first >= ahead ? end - ahead : UINT64_MAX;
    for (; i < end; i++) {
        if (vmsim__file_page(f, i) != VMSIM__PFN_NONE) {
            submit(c, f, run, i - run, cpu);
            run = i + 1;
            continue;
        }
        vmsim__pfn pfn = vmsim__filemap_create(c, f, i, gfp, c->policy, cpu);
        if (pfn == VMSIM__PFN_NONE)
            break;
        if (i == marked)
            vmsim__cache_frame(c, pfn)->flags |= VMSIM__FRAME_READAHEAD;
    }
    submit(c, f, run, i - run, cpu);
}

/* The window of `ra`; one that begins at the page wanted now and is all readahead takes the next one along (6.1). */
static void read_ra(struct vmsim__cache *c, struct vmsim__file *f, struct vmsim__file_ra *ra, uint64_t index,
                    uint64_t max, unsigned cpu) {
    if (c->kernel->ra_miss_continues && index == ra->start && ra->size == ra->async_size) {
        uint32_t more = next_size(ra->size, max, false);
        bool fits = ra->size + (uint64_t)more <= max;
        ra->async_size = fits ? more : (uint32_t)(max >> 1);
        ra->size = fits ? ra->size + more : (uint32_t)max;
    }
    read_window(c, f, ra->start, ra->size, ra->async_size, cpu);
}

/* Kernel: force_page_cache_ra: pieces of 2 MiB, so that a large request does not hold all its frames before the
 * device starts. */
static void force_read(struct vmsim__cache *c, struct vmsim__file *f, struct vmsim__file_ra *ra, uint64_t index,
                       uint64_t pages, unsigned cpu) {
    uint64_t io_pages = c->spec.device.optimal_io >> c->mem->page_shift, chunk = (2u << 20) >> c->mem->page_shift;
    pages = vmsim__min64(pages, vmsim__max64(io_pages, ra->ra_pages));
    while (pages) {
        uint64_t now = vmsim__min64(pages, vmsim__max64(chunk, 1));
        read_window(c, f, index, now, 0, cpu);
        index += now;
        pages -= now;
    }
}

void vmsim__file_willneed(struct vmsim__cache *c, struct vmsim__file *f, struct vmsim__file_ra *ra, uint64_t index,
                          uint64_t pages, unsigned cpu) {
    if (f->kind == VMSIM__FILE_REGULAR)
        force_read(c, f, ra ? ra : &f->ra, index, pages, cpu);
}

/* ---- decisions ---- */

/* Cached pages right before `index`, up to `max`. Kernel: count_history_pages. */
static uint64_t cached_before(const struct vmsim__file *f, uint64_t index, uint64_t max) {
    uint64_t n = 0;
    while (n < max && n < index && vmsim__file_page(f, index - 1 - n) != VMSIM__PFN_NONE)
        n++;
    return n;
}

static void start_window(struct vmsim__cache *c, struct vmsim__file_ra *ra, uint64_t index, uint64_t pages,
                         uint64_t max) {
    ra->start = index;
    ra->size = first_size(pages, max);
    if (ra->size > pages)
        ra->async_size = ra->size - (uint32_t)pages;
    else
        ra->async_size = c->kernel->ra_async_half ? ra->size >> 1 : ra->size;
}

static void next_window(struct vmsim__file_ra *ra, uint64_t max) {
    ra->start += ra->size;
    ra->size = next_size(ra->size, max, true);
    ra->async_size = ra->size;
}

/* A miss in the middle of nowhere: a stream that somebody else's cached pages betray, or a random read.
 * Kernel: try_context_readahead. */
static void read_by_context(struct vmsim__cache *c, struct vmsim__file *f, struct vmsim__file_ra *ra, uint64_t index,
                            uint64_t pages, uint64_t max, unsigned cpu) {
    uint64_t before = cached_before(f, index, max);
    if (before <= pages) {
        read_window(c, f, index, pages, 0, cpu);
        return;
    }
    if (before >= index)
        before *= 2;
    ra->start = index;
    ra->size = (uint32_t)vmsim__min64(before + pages, max);
    ra->async_size = 1;
    read_ra(c, f, ra, index, max, cpu);
}

/* Kernel: page_cache_sync_ra and ondemand_readahead. */
void vmsim__ra_sync(struct vmsim__cache *c, struct vmsim__file *f, struct vmsim__file_ra *ra, uint64_t index,
                    uint64_t pages, unsigned cpu) {
    if (!ra->ra_pages || ra->advice == VMSIM__READ_RANDOM) {
        force_read(c, f, ra, index, ra->ra_pages ? pages : 1, cpu);
        return;
    }
    uint64_t max = max_size(c, ra, pages), previous = ra->prev_pos >> c->mem->page_shift;
    bool behind = index == ra->start + ra->size - ra->async_size || index == ra->start + ra->size;
    if (index && c->kernel->ra_miss_continues && behind)
        next_window(ra, max);
    else if (!index || pages > max || index - previous <= 1)
        start_window(c, ra, index, pages, max);
    else {
        read_by_context(c, f, ra, index, pages, max, cpu);
        return;
    }
    read_ra(c, f, ra, index, max, cpu);
}

/* A marked page that is not where the state expects it: the next window begins at the next page that is missing. The
 * tail of ondemand_readahead: page_cache_next_miss finds where the stream goes on. */
static bool resume_window(const struct vmsim__file *f, struct vmsim__file_ra *ra, uint64_t index, uint64_t pages,
                          uint64_t max) {
    uint64_t hole = index + 1;
    while (hole - index <= max && vmsim__file_page(f, hole) != VMSIM__PFN_NONE)
        hole++;
    if (hole - index > max)
        return false;
    ra->start = hole;
    ra->size = next_size((uint32_t)(hole - index + pages), max, false);
    ra->async_size = ra->size;
    return true;
}

/* Kernel: page_cache_async_ra. The mark goes first: it starts one window only. */
void vmsim__ra_async(struct vmsim__cache *c, struct vmsim__file *f, struct vmsim__file_ra *ra, vmsim__pfn pfn,
                     uint64_t index, uint64_t pages, unsigned cpu) {
    struct vmsim__frame *fr = vmsim__cache_frame(c, pfn);
    if (!ra->ra_pages || vmsim__frame_is(fr, VMSIM__FRAME_WRITEBACK))
        return;
    fr->flags &= ~VMSIM__FRAME_READAHEAD;
    uint64_t max = max_size(c, ra, pages);
    if (!index && c->kernel->ra_miss_continues)
        start_window(c, ra, index, pages, max);
    else if (index == ra->start + ra->size - ra->async_size ||
             (c->kernel->ra_miss_continues && index == ra->start + ra->size))
        next_window(ra, max);
    else if (!resume_window(f, ra, index, pages, max))
        return;
    read_ra(c, f, ra, index, max, cpu);
}

/* The second half of do_sync_mmap_readahead: half of the window lies before the address, for code is entered
 * anywhere. */
void vmsim__ra_around(struct vmsim__cache *c, struct vmsim__file *f, struct vmsim__file_ra *ra, uint64_t index,
                      unsigned cpu) {
    uint64_t half = ra->ra_pages / 2;
    ra->start = index > half ? index - half : 0;
    ra->size = ra->ra_pages;
    ra->async_size = ra->ra_pages / 4;
    read_window(c, f, ra->start, ra->size, ra->async_size, cpu);
}
