/* SPDX-License-Identifier: MIT */
/* Dirty pages: how they are counted, how many there may be, and how they are written when somebody waits for it.
 *
 * Only pages of regular files count: nr_dirty and nr_zone_write_pending while they are dirty, nr_dirtied and nr_written
 * as they come and go. A page that is written through a shared mapping is made dirty by the fault on its first store
 * (page_mkwrite); writing it out takes the right to write away again, so the next store is seen, too.
 * The flusher and the throttling of writers are not here. Kernel counterpart: mm/page-writeback.c. */
#include "cache/cache_impl.h"

/* ---- accounting ---- */

/* Kernel: folio_mark_dirty: RECLAIM goes, since the page has new data that reclaim did not ask for;
 * folio_account_dirtied counts pages of file systems with write-back only. The bounds of the file's dirty indices
 * only widen here, and write-out passes over what became clean. */
bool vmsim__page_dirty(struct vmsim__cache *c, vmsim__pfn pfn) {
    struct vmsim__frame *fr = vmsim__cache_frame(c, pfn);
    if (vmsim__frame_is(fr, VMSIM__FRAME_DIRTY))
        return false;
    fr->flags |= VMSIM__FRAME_DIRTY;
    if (!vmsim__frame_is(fr, VMSIM__FRAME_FILE))
        return true;
    struct vmsim__file *f = c->files.at[fr->mapping];
    VMSIM__ASSERT(fr->mapping && fr->mapping < c->files.count && f);
    fr->flags &= ~VMSIM__FRAME_RECLAIM;
    if (vmsim__file_accounts_dirty(f)) {
        uint64_t index = vmsim__frame_index(fr);
        f->dirty_first = f->dirty_pages ? vmsim__min64(f->dirty_first, index) : index;
        f->dirty_last = f->dirty_pages ? vmsim__max64(f->dirty_last, index) : index;
        f->dirty_pages++;
        VMSIM__ASSERT(f->dirty_first <= index && index <= f->dirty_last);
        vmsim__cache_node_add(c, fr, VMSIM__NR_DIRTY, 1);
        vmsim__cache_node_add(c, fr, VMSIM__NR_DIRTIED, 1);
        vmsim__cache_zone_add(c, fr, VMSIM__NR_ZONE_WRITE_PENDING, 1);
    }
    return true;
}

/* The page is clean from now on, written or not. False: it was not dirty. Kernel: folio_clear_dirty_for_io,
 * folio_cancel_dirty. */
static bool clear_dirty(struct vmsim__cache *c, struct vmsim__file *f, struct vmsim__frame *fr) {
    if (!vmsim__frame_is(fr, VMSIM__FRAME_DIRTY))
        return false;
    fr->flags &= ~VMSIM__FRAME_DIRTY;
    VMSIM__ASSERT(fr->mapping == f->id);
    if (vmsim__file_accounts_dirty(f)) {
        VMSIM__ASSERT(f->dirty_pages > 0);
        f->dirty_pages--;
        vmsim__cache_node_add(c, fr, VMSIM__NR_DIRTY, -1);
        vmsim__cache_zone_add(c, fr, VMSIM__NR_ZONE_WRITE_PENDING, -1);
    }
    return true;
}

void vmsim__dirty_cancel(struct vmsim__cache *c, struct vmsim__file *f, vmsim__pfn pfn) {
    clear_dirty(c, f, vmsim__cache_frame(c, pfn));
}

bool vmsim__file_wants_mkwrite(const struct vmsim__file *f) {
    return vmsim__file_accounts_dirty(f);
}

/* Only a page that was clean counts: a further store, by whatever mapping, has nothing left to account. */
void vmsim__file_mkwrite(struct vmsim__cache *c, struct vmsim__file *f, vmsim__pfn pfn) {
    if (vmsim__page_dirty(c, pfn))
        f->mkwrite_pages++;
}

/* ---- limits ---- */

/* Free pages above a reserve plus those that reclaim could turn over. Kernel: node_dirtyable_memory and
 * global_dirtyable_memory: active file pages count as well, because balancing between the lists is reclaim's affair.
 * */
static uint64_t dirtyable(int64_t free, uint64_t reserve, int64_t file) {
    uint64_t pages = free > 0 ? (uint64_t)free : 0;
    return pages - vmsim__min64(pages, reserve) + (file > 0 ? (uint64_t)file : 0);
}

uint64_t vmsim__dirtyable_memory(struct vmsim__cache *c) {
    int64_t free = 0, file = 0;
    for (unsigned z = 0; z < c->mem->nr_zones; z++) {
        if (c->mem->zones[z].type == VMSIM__ZONE_HIGHMEM) /* vm.highmem_is_dirtyable is 0 */
            continue;
        const int64_t *stat = c->mem->zones[z].stat;
        free += stat[VMSIM__NR_FREE_PAGES];
        file += stat[VMSIM__NR_ZONE_INACTIVE_FILE] + stat[VMSIM__NR_ZONE_ACTIVE_FILE];
    }
    return dirtyable(free, c->mem->totalreserve, file) + 1;
}

/* A share of memory in percent, in the kernel's arithmetic: the percentage in 1/PAGE_SIZE first. */
static uint64_t share(const struct vmsim__cache *c, uint64_t memory, uint64_t percent) {
    VMSIM__ASSERT(percent <= 100);
    uint64_t page = vmsim__cache_page_size(c), ratio = percent * page / 100;
    return (uint64_t)((unsigned __int128)ratio * memory >> c->mem->page_shift);
}

/* Kernel: domain_dirty_limits; a background limit at or above the other one would never be reached, so it is half of
 * it. */
void vmsim__dirty_limits(struct vmsim__cache *c, uint64_t *thresh, uint64_t *background) {
    const struct vmsim__cache_spec *s = &c->spec;
    uint64_t memory = vmsim__dirtyable_memory(c);
    *thresh = s->dirty_bytes ? vmsim__cache_pages_of(c, s->dirty_bytes) : share(c, memory, s->dirty_ratio);
    *background = s->dirty_background_bytes ? vmsim__cache_pages_of(c, s->dirty_background_bytes)
                                            : share(c, memory, s->dirty_background_ratio);
    if (*background >= *thresh)
        *background = *thresh / 2;
}

/* Kernel: node_dirty_limit: a node gets the share of the limit that its dirtyable memory is of all. */
bool vmsim__node_dirty_ok(struct vmsim__cache *c, unsigned node) {
    VMSIM__ASSERT(node < c->mem->nr_nodes);
    const struct vmsim__node *n = &c->mem->nodes[node];
    int64_t free = 0;
    for (unsigned z = 0; z < n->nr_zones; z++)
        free += c->mem->zones[n->zone[z]].stat[VMSIM__NR_FREE_PAGES];
    uint64_t memory =
        dirtyable(free, n->totalreserve, n->stat[VMSIM__NR_INACTIVE_FILE] + n->stat[VMSIM__NR_ACTIVE_FILE]);
    uint64_t limit = memory * c->spec.dirty_ratio / 100;
    if (c->spec.dirty_bytes) {
        uint64_t pages = vmsim__cache_pages_of(c, c->spec.dirty_bytes);
        limit = (uint64_t)((unsigned __int128)pages * memory / vmsim__dirtyable_memory(c));
    }
    return n->stat[VMSIM__NR_DIRTY] + n->stat[VMSIM__NR_WRITEBACK] <= (int64_t)limit;
}

/* ---- writing ---- */

static void count_writeback(struct vmsim__cache *c, const struct vmsim__frame *fr, int64_t pages) {
    vmsim__cache_node_add(c, fr, VMSIM__NR_WRITEBACK, pages);
    vmsim__cache_zone_add(c, fr, VMSIM__NR_ZONE_WRITE_PENDING, pages);
}

/* One page goes out: stores through mappings are asked for first. Kernel: clear_page_dirty_for_io, then
 * folio_start_writeback. The device grows by what is written: pages beyond were holes. */
static void start_writeback(struct vmsim__cache *c, struct vmsim__file *f, uint64_t index, vmsim__pfn pfn,
                            unsigned cpu) {
    VMSIM__ASSERT(!vmsim__frame_is(vmsim__cache_frame(c, pfn), VMSIM__FRAME_WRITEBACK));
    struct vmsim__frame *fr = vmsim__cache_frame(c, pfn);
    if (f->mappings && c->hooks.mkclean)
        c->hooks.mkclean(c->hooks.context, f, index, pfn, cpu);
    clear_dirty(c, f, fr);
    fr->flags |= VMSIM__FRAME_WRITEBACK;
    count_writeback(c, fr, 1);
    f->disk_size = vmsim__max64(f->disk_size, vmsim__min64(f->size, (index + 1) << c->mem->page_shift));
}

/* The device has the page. One that somebody wanted back meanwhile goes where reclaim looks first.
 * Kernel: folio_end_writeback. */
static void end_writeback(struct vmsim__cache *c, vmsim__pfn pfn, unsigned cpu) {
    VMSIM__ASSERT(vmsim__frame_is(vmsim__cache_frame(c, pfn), VMSIM__FRAME_WRITEBACK));
    struct vmsim__frame *fr = vmsim__cache_frame(c, pfn);
    fr->flags &= ~VMSIM__FRAME_WRITEBACK;
    count_writeback(c, fr, -1);
    vmsim__cache_node_add(c, fr, VMSIM__NR_WRITTEN, 1);
    if (vmsim__frame_is(fr, VMSIM__FRAME_RECLAIM)) {
        fr->flags &= ~VMSIM__FRAME_RECLAIM;
        vmsim__lru_rotate(c->lru, pfn, cpu);
    }
}

/* Writes the dirty pages of [first, end), neighbours in one request; with `wait` they are done at once. When the last
 * of them is done goes to *done. Kernel: write_cache_pages, one bio for a run without a gap. dirty_first and
 * dirty_last spare the walk over clean files. */
static uint64_t write_range(struct vmsim__cache *c, struct vmsim__file *f, uint64_t first, uint64_t end, bool wait,
                            unsigned cpu, uint64_t *done) {
    uint64_t index = vmsim__max64(first, f->dirty_first), stop = vmsim__min64(end, f->dirty_last + 1);
    uint64_t run = 0, next = 0, pages = 0;
    for (uint64_t value; f->dirty_pages && index < stop; index++) {
        value = vmsim__radix_next(&f->pages, &index);
        if (!value || index >= stop)
            break;
        vmsim__pfn pfn = (vmsim__pfn)(value - 1);
        if (!vmsim__frame_is(vmsim__cache_frame(c, pfn), VMSIM__FRAME_DIRTY))
            continue;
        start_writeback(c, f, index, pfn, cpu);
        if (wait)
            end_writeback(c, pfn, cpu);
        if (run && index != next) {
            *done = vmsim__device_write(c, run);
            run = 0;
        }
        run++;
        next = index + 1;
        pages++;
    }
    if (run)
        *done = vmsim__device_write(c, run);
    return pages;
}

uint64_t vmsim__file_write_start(struct vmsim__cache *c, struct vmsim__file *f, uint64_t first, uint64_t end,
                                 unsigned cpu) {
    uint64_t done = 0;
    return write_range(c, f, first, end, false, cpu, &done);
}

void vmsim__file_write_end(struct vmsim__cache *c, struct vmsim__file *f, uint64_t first, uint64_t end, unsigned cpu) {
    uint64_t index = first;
    for (uint64_t value; (value = vmsim__radix_next(&f->pages, &index)) != 0 && index < end; index++) {
        if (vmsim__frame_is(vmsim__cache_frame(c, (vmsim__pfn)(value - 1)), VMSIM__FRAME_WRITEBACK))
            end_writeback(c, (vmsim__pfn)(value - 1), cpu);
    }
}

uint64_t vmsim__file_sync(struct vmsim__cache *c, struct vmsim__file *f, uint64_t first, uint64_t end, unsigned cpu) {
    uint64_t done = 0, pages = write_range(c, f, first, end, true, cpu, &done);
    vmsim__cache_wait(c, done);
    return pages;
}

void vmsim__cache_sync(struct vmsim__cache *c, unsigned cpu) {
    uint64_t done = 0;
    uint32_t id = 1;
    for (struct vmsim__file *f; (f = vmsim__file_next(c, &id)) != NULL; id++)
        write_range(c, f, 0, UINT64_MAX, true, cpu, &done);
    vmsim__cache_wait(c, done);
}
