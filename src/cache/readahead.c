/* SPDX-License-Identifier: MIT */
/* Readahead: which pages come in when one is missing, and when the next ones are asked for.
 *
 *     start              start + size - async_size            start + size
 *       |---- needed now ------|---- read ahead of need -----------|
 *                              ^ marked page: whoever touches it starts the next window behind this one
 *
 * Which window it is, is a policy's decision (`policies: readahead`, by default that of Linux, cache/ra_linux.c); here
 * it is asked and read. Decisions are in pages of the file; pages already cached are passed over. Kernel counterpart:
 * mm/readahead.c. */
#include "cache/cache_impl.h"

void vmsim__ra_init(struct vmsim__cache *c, struct vmsim__file_ra *ra) {
    *ra = (struct vmsim__file_ra){.ra_pages = (uint32_t)(c->spec.read_ahead >> c->mem->page_shift),
                                  .prev_pos = UINT64_MAX};
}

/* ---- sizes ---- */

/* What the file's device likes at once. Kernel: bdi->io_pages. */
static uint64_t io_pages_of(const struct vmsim__cache *c, const struct vmsim__file *f) {
    uint64_t bytes = c->io.largest ? c->io.largest(c->io.context, f) : c->spec.device.optimal_io;
    return bytes >> c->mem->page_shift;
}

/* Largest window for this request: more than ra_pages only if the request is and the device likes it. */
static uint64_t max_size(const struct vmsim__cache *c, const struct vmsim__file *f, const struct vmsim__file_ra *ra,
                         uint64_t pages) {
    uint64_t io_pages = io_pages_of(c, f);
    return pages > ra->ra_pages && io_pages > ra->ra_pages ? vmsim__min64(pages, io_pages) : ra->ra_pages;
}

/* ---- reading ---- */

/* One contiguous run of new pages, LOCKED already, is asked of the device; holes are only cleared. */
static void submit(struct vmsim__cache *c, struct vmsim__file *f, uint64_t first, uint64_t pages, unsigned cpu) {
    uint64_t on_disk = vmsim__cache_pages_of(c, f->disk_size);
    if (f->kind != VMSIM__FILE_REGULAR || !pages)
        return;
    uint64_t stored = first < on_disk ? vmsim__min64(pages, on_disk - first) : 0;
    for (uint64_t i = stored; i < pages; i++) {
        const vmsim__pfn pfn = vmsim__file_page(f, first + i);
        vmsim__cache_clear(c, pfn, cpu);
        if (pfn != VMSIM__PFN_NONE) /* reclaim was faster */
            vmsim__cache_content(c, VMSIM__CONTENT_ZEROED, f, first + i, vmsim__folio_part(c->mem, pfn, first + i));
    }
    if (!stored)
        return;
    vmsim__transfer_start(c, f, first, stored, false, cpu);
}

/* Do pages [first, first + pages) all have to be read, or none of them? */
static bool alike(const struct vmsim__cache *c, const struct vmsim__file *f, uint64_t first, uint64_t pages) {
    return vmsim__file_on_disk(c, f, first) == vmsim__file_on_disk(c, f, first + pages - 1);
}

/* The largest order of up to `most` that is aligned at page i, ends before `end` and meets no cached page. */
static unsigned order_at(const struct vmsim__cache *c, const struct vmsim__file *f, uint64_t i, uint64_t end,
                         unsigned most) {
    unsigned order = i && (unsigned)__builtin_ctzll(i) < most ? (unsigned)__builtin_ctzll(i) : most;
    while (order && (i + (UINT64_C(1) << order) > end || !alike(c, f, i, UINT64_C(1) << order) ||
                     !vmsim__filemap_none_in(f, i, UINT64_C(1) << order)))
        order--;
    return order;
}

/* A folio of this order for page i, or a page where memory has none. VMSIM__PFN_NONE: not that either. Kernel:
 * ra_alloc_folio. */
static vmsim__pfn bring(struct vmsim__cache *c, struct vmsim__file *f, uint64_t i, unsigned order, uint32_t gfp,
                        unsigned cpu) {
    vmsim__pfn pfn = order ? vmsim__filemap_alloc(c, gfp, order, NULL, cpu) : VMSIM__PFN_NONE;
    if (pfn == VMSIM__PFN_NONE)
        return vmsim__filemap_create(c, f, i, gfp, NULL, cpu);
    if (vmsim__filemap_none_in(f, i, UINT64_C(1) << order))
        return vmsim__filemap_add(c, f, i, pfn, gfp, cpu) ? pfn : VMSIM__PFN_NONE;
    vmsim__folio_put(c->lru, pfn, cpu); /* finding it has let others bring a page */
    return vmsim__filemap_create(c, f, i, gfp, NULL, cpu);
}

/* Others want the CPU in the middle of a window, kswapd above all, which the window itself may have woken: they have
 * it, and the read comes back to the rest. Kernel: might_alloc. */
static bool cut(const struct vmsim__cache *c, struct vmsim__call *call, uint64_t next, uint64_t end, uint64_t marked,
                unsigned most) {
    if (!call->cuttable || !vmsim__cache_others_first(c))
        return false;
    call->window_next = next;
    call->window_end = end;
    call->window_mark = marked;
    call->window_order = (uint8_t)most;
    return true;
}

/* Reads those of [first, end) that are not cached; page `marked` is marked, if it is new. Stops when frames run out:
 * nobody waits for readahead. Kernel: page_cache_ra_unbounded; with folios of up to order `most` page_cache_ra_order.
 * One transfer a run of missing pages; its pages are in the cache at once. */
static void read_pages(struct vmsim__cache *c, struct vmsim__file *f, uint64_t first, uint64_t end, uint64_t marked,
                       unsigned most, unsigned cpu) {
    uint64_t run = first, i = first;
    uint32_t gfp = VMSIM__GFP_NORETRY | VMSIM__GFP_NOWARN;
    struct vmsim__call *call = vmsim__now_call(&c->mem->now);
    call->plugged = true;
    for (; i < end && !cut(c, call, i, end, marked, most); i++) {
        if (vmsim__file_page(f, i) != VMSIM__PFN_NONE) {
            submit(c, f, run, i - run, cpu);
            run = i + 1;
            continue;
        }
        vmsim__pfn pfn = bring(c, f, i, most ? order_at(c, f, i, end, most) : 0, gfp, cpu);
        if (pfn == VMSIM__PFN_NONE)
            break;
        if (vmsim__file_on_disk(c, f, i)) /* from now on: the next allocation may reclaim */
            vmsim__cache_frame(c, pfn)->flags |= VMSIM__FRAME_LOCKED;
        const uint32_t size = vmsim__frame_pages(vmsim__cache_frame(c, pfn));
        if (marked - i < size)
            vmsim__cache_frame(c, pfn)->flags |= VMSIM__FRAME_READAHEAD;
        i += size - 1;
    }
    call->plugged = false;
    submit(c, f, run, i - run, cpu);
}

/* Pages [first, first + pages) of which the file has; the one `ahead` pages before the end of that is marked. */
static void read_window(struct vmsim__cache *c, struct vmsim__file *f, uint64_t first, uint64_t pages, uint64_t ahead,
                        unsigned most, unsigned cpu) {
    const uint64_t all = vmsim__cache_pages_of(c, f->size);
    const uint64_t end = first < all ? vmsim__min64(all, first + pages) : first;
    read_pages(c, f, first, end, ahead && end - first >= ahead ? end - ahead : UINT64_MAX, most, cpu);
}

bool vmsim__ra_resume(struct vmsim__cache *c, struct vmsim__file *f, unsigned cpu) {
    struct vmsim__call *call = vmsim__now_call(&c->mem->now);
    const uint64_t end = vmsim__min64(call->window_end, vmsim__cache_pages_of(c, f->size));
    call->window_end = 0;
    if (call->window_next < end)
        read_pages(c, f, call->window_next, end, call->window_mark, call->window_order, cpu);
    return !call->window_end;
}

/* Kernel: force_page_cache_ra: pieces of 2 MiB, so that a large request does not hold all its frames before the
 * device starts. */
static void force_read(struct vmsim__cache *c, struct vmsim__file *f, struct vmsim__file_ra *ra, uint64_t index,
                       uint64_t pages, unsigned cpu) {
    uint64_t io_pages = io_pages_of(c, f), chunk = (2u << 20) >> c->mem->page_shift;
    pages = vmsim__min64(pages, vmsim__max64(io_pages, ra->ra_pages));
    while (pages && !vmsim__now_call(&c->mem->now)->window_end) {
        uint64_t now = vmsim__min64(pages, vmsim__max64(chunk, 1));
        read_window(c, f, index, now, 0, 0, cpu);
        index += now;
        pages -= now;
    }
}

void vmsim__file_willneed(struct vmsim__cache *c, struct vmsim__file *f, struct vmsim__file_ra *ra, uint64_t index,
                          uint64_t pages, unsigned cpu) {
    if (f->kind == VMSIM__FILE_REGULAR)
        force_read(c, f, ra ? ra : &f->ra, index, pages, cpu);
}

/* ---- decisions: the policy's ---- */

struct question {
    const struct vmsim__file *file;
};

/* Kernel: count_history_pages. */
static uint64_t cached_before(void *host, uint64_t index, uint64_t limit) {
    const struct question *q = host;
    uint64_t n = 0;
    while (n < limit && n < index && vmsim__file_page(q->file, index - 1 - n) != VMSIM__PFN_NONE)
        n++;
    return n;
}

/* Kernel: page_cache_next_miss. */
static uint64_t next_missing(void *host, uint64_t index, uint64_t limit) {
    const struct question *q = host;
    for (uint64_t i = 0; i < limit; i++)
        if (vmsim__file_page(q->file, index + i) == VMSIM__PFN_NONE)
            return index + i;
    return UINT64_MAX;
}

/* The mark of a large folio stands for the page within it that the window has. */
static struct vmsim_readahead_window last_window(const struct vmsim__file_ra *ra, uint64_t index,
                                                 enum vmsim_readahead_why why, unsigned order) {
    struct vmsim_readahead_window w = {ra->start, ra->size, ra->async_size};
    const uint64_t end = w.start + w.pages, mark = end - w.ahead;
    if (why == VMSIM_READAHEAD_MARK && order && index == vmsim__align_down(mark, UINT64_C(1) << order) &&
        end - index <= w.pages)
        w.ahead = (uint32_t)(end - index);
    return w;
}

/* Folios grow by two orders with each window that is read in sequence, and are no larger than it. Kernel:
 * page_cache_ra_order. */
static unsigned window_order(const struct vmsim__cache *c, const struct vmsim_readahead_window *w, unsigned order) {
    if (w->pages < 4)
        return 0;
    order += order < c->huge_order ? 2 : 0;
    order = order < c->huge_order ? order : c->huge_order;
    return order < vmsim__log2(w->pages) ? order : vmsim__log2(w->pages);
}

/* Asks for a window, and reads it. `order`: of the folio whose mark was met; 0: there was none. False: the policy wants
 * none. */
static bool read_ahead(struct vmsim__cache *c, struct vmsim__file *f, struct vmsim__file_ra *ra,
                       enum vmsim_readahead_why why, uint64_t index, uint64_t wanted, unsigned order, unsigned cpu) {
    struct question q = {f};
    const struct vmsim_readahead_services services = {sizeof services, VMSIM_POLICY_ABI, &q, cached_before,
                                                      next_missing};
    const struct vmsim_readahead_request r = {
        .size = sizeof r,
        .why = (uint8_t)why,
        .miss_continues = c->kernel->ra_miss_continues,
        .half_ahead = c->kernel->ra_async_half,
        .file = f->id,
        .file_pages = vmsim__cache_pages_of(c, f->size),
        .index = index,
        .wanted = wanted,
        .most = why == VMSIM_READAHEAD_AROUND ? ra->ra_pages : max_size(c, f, ra, wanted),
        .previous = ra->prev_pos == UINT64_MAX ? UINT64_MAX : ra->prev_pos >> c->mem->page_shift,
        .last = last_window(ra, index, why, order),
        .cache = &services};
    struct vmsim_readahead_window w = r.last;
    VMSIM__ASSERT(ra->ra_pages && r.most);
    if (!c->readahead.policy->window(c->readahead.instance.context, &r, &w))
        return false;
    if (VMSIM__UNLIKELY(w.ahead > w.pages)) {
        vmsim__policy_fallback(&c->readahead.instance, "wanted %u pages ahead of need of %u of file %u", w.ahead,
                               w.pages, f->id);
        return false;
    }
    ra->start = w.start;
    ra->size = w.pages;
    ra->async_size = w.ahead;
    read_window(c, f, w.start, w.pages, w.ahead, vmsim__file_has_large(c, f) ? window_order(c, &w, order) : 0, cpu);
    return true;
}

/* Kernel: page_cache_sync_ra. */
void vmsim__ra_sync(struct vmsim__cache *c, struct vmsim__file *f, struct vmsim__file_ra *ra, uint64_t index,
                    uint64_t pages, unsigned cpu) {
    if (!ra->ra_pages || ra->advice == VMSIM__READ_RANDOM)
        force_read(c, f, ra, index, ra->ra_pages ? pages : 1, cpu);
    else if (!read_ahead(c, f, ra, VMSIM_READAHEAD_MISS, index, pages, 0, cpu))
        read_window(c, f, index, pages, 0, 0, cpu);
}

/* Kernel: page_cache_async_ra. The mark goes first: it starts one window only. */
void vmsim__ra_async(struct vmsim__cache *c, struct vmsim__file *f, struct vmsim__file_ra *ra, vmsim__pfn pfn,
                     uint64_t index, uint64_t pages, unsigned cpu) {
    struct vmsim__frame *fr = vmsim__cache_frame(c, pfn);
    if (!ra->ra_pages || vmsim__frame_is(fr, VMSIM__FRAME_WRITEBACK))
        return;
    fr->flags &= ~VMSIM__FRAME_READAHEAD;
    pages += vmsim__frame_is(fr, VMSIM__FRAME_HEAD) ? index - vmsim__frame_index(fr) : 0;
    index = vmsim__frame_index(fr);
    vmsim__folio_get(c->lru, pfn); /* finding memory for the window may reclaim, but not what is about to be used */
    read_ahead(c, f, ra, VMSIM_READAHEAD_MARK, index, pages, vmsim__folio_order(fr), cpu);
    vmsim__folio_put(c->lru, pfn, cpu);
}

/* The second half of do_sync_mmap_readahead. */
void vmsim__ra_around(struct vmsim__cache *c, struct vmsim__file *f, struct vmsim__file_ra *ra, uint64_t index,
                      unsigned cpu) {
    read_ahead(c, f, ra, VMSIM_READAHEAD_AROUND, index, 1, 0, cpu);
}
