/* SPDX-License-Identifier: MIT */
/* Dirty pages: how they are counted, how many there may be, and how they are written when somebody waits for it.
 *
 * Only pages of regular files count: nr_dirty and nr_zone_write_pending while they are dirty, nr_dirtied and nr_written
 * as they come and go. A page that is written through a shared mapping is made dirty by the fault on its first store
 * (page_mkwrite); writing it out takes the right to write away again, so the next store is seen, too.
 * Writing starts a transfer; the page is clean at once, and under writeback until the device has it.
 * The flusher and the throttling of writers are not here. Kernel counterpart: mm/page-writeback.c. */
#include "cache/cache_impl.h"

/* ---- accounting ---- */

/* Kernel: folio_mark_dirty: RECLAIM goes, since the page has new data that reclaim did not ask for;
 * folio_account_dirtied counts and marks pages of file systems with write-back only. */
bool vmsim__page_dirty(struct vmsim__cache *c, vmsim__pfn pfn) {
    struct vmsim__frame *fr = vmsim__cache_frame(c, pfn);
    VMSIM__ASSERT(!vmsim__frame_is(fr, VMSIM__FRAME_TAIL));
    if (vmsim__frame_is(fr, VMSIM__FRAME_DIRTY))
        return false;
    fr->flags |= VMSIM__FRAME_DIRTY;
    if (!vmsim__frame_is(fr, VMSIM__FRAME_FILE))
        return true;
    struct vmsim__file *f = c->files.at[fr->mapping];
    VMSIM__ASSERT(fr->mapping && fr->mapping < c->files.count && f);
    fr->flags &= ~VMSIM__FRAME_RECLAIM;
    if (vmsim__file_accounts_dirty(f)) {
        if (!vmsim__radix_any(&f->pages, VMSIM__MARK_DIRTY))
            f->dirtied_when = c->mem->now.time;
        const uint32_t pages = vmsim__frame_pages(fr);
        uint64_t index = vmsim__frame_index(fr);
        const uint64_t end = index + pages;
        do
            vmsim__radix_mark(&f->pages, index, VMSIM__MARK_DIRTY);
        while (VMSIM__UNLIKELY(++index < end));
        if (!vmsim__frame_is(fr, VMSIM__FRAME_BUFFERS | VMSIM__FRAME_HEAD))
            vmsim__filemap_make_buffers(c, pfn, VMSIM__GFP_NOFAIL);
        vmsim__cache_node_add(c, fr, VMSIM__NR_DIRTY, pages);
        vmsim__cache_node_add(c, fr, VMSIM__NR_DIRTIED, pages);
        vmsim__cache_zone_add(c, fr, VMSIM__NR_ZONE_WRITE_PENDING, pages);
    }
    return true;
}

/* Kernel: folio_cancel_dirty. */
void vmsim__dirty_cancel(struct vmsim__cache *c, const struct vmsim__file *f, struct vmsim__frame *fr) {
    VMSIM__ASSERT(vmsim__frame_is(fr, VMSIM__FRAME_DIRTY) && fr->mapping == f->id);
    fr->flags &= ~VMSIM__FRAME_DIRTY;
    if (vmsim__file_accounts_dirty(f)) {
        const int64_t pages = vmsim__frame_pages(fr);
        vmsim__cache_node_add(c, fr, VMSIM__NR_DIRTY, -pages);
        vmsim__cache_zone_add(c, fr, VMSIM__NR_ZONE_WRITE_PENDING, -pages);
    }
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

static int64_t zone_files(const struct vmsim__zone *z) {
    return z->stat[VMSIM__NR_ZONE_INACTIVE_FILE] + z->stat[VMSIM__NR_ZONE_ACTIVE_FILE];
}

/* High memory is left out, each zone's above its high watermark, since vm.highmem_is_dirtyable is 0: the metadata that
 * writing needs must lie in low memory. Kernel: global_dirtyable_memory, highmem_dirtyable_memory. */
uint64_t vmsim__dirtyable_memory(struct vmsim__cache *c) {
    int64_t free = 0, file = 0;
    uint64_t high = 0;
    for (unsigned i = 0; i < c->mem->nr_zones; i++) {
        const struct vmsim__zone *z = &c->mem->zones[i];
        free += z->stat[VMSIM__NR_FREE_PAGES];
        file += zone_files(z);
        if (vmsim__zone_is_highmem(c->mem, z))
            high += dirtyable(z->stat[VMSIM__NR_FREE_PAGES], vmsim__zone_wmark(z, VMSIM__WMARK_HIGH), zone_files(z));
    }
    uint64_t all = dirtyable(free, c->mem->totalreserve, file);
    return all - vmsim__min64(all, high) + 1;
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

/* A cgroup's part of a limit that is given in bytes, in 1/PAGE_SIZE of all, else the percentage. */
static uint64_t memcg_share(const struct vmsim__cache *c, uint64_t memory, uint64_t all, uint64_t bytes,
                            uint64_t percent) {
    const uint64_t page = vmsim__cache_page_size(c);
    if (!bytes)
        return share(c, memory, percent);
    return (uint64_t)((unsigned __int128)vmsim__min64((bytes + all - 1) / all, page) * memory >> c->mem->page_shift);
}

/* Pages below the nearest limit on the way up. */
static uint64_t headroom(const struct vmsim__memcg *m) {
    uint64_t room = UINT64_MAX;
    for (; m->parent; m = m->parent) {
        const uint64_t ceiling = vmsim__min64(m->memory.max, m->memory.high);
        room = vmsim__min64(room, ceiling - vmsim__min64(ceiling, m->memory.usage));
    }
    return room;
}

static uint64_t memcg_pages(const struct vmsim__cache *c, const struct vmsim__memcg *m, enum vmsim__seen_stat stat) {
    uint64_t pages = 0;
    for (unsigned n = 0; n < c->mem->nr_nodes; n++)
        pages += vmsim__lruvec_seen(&m->lruvec[n], stat);
    return pages;
}

/* As its statistics are seen. Dirtyable are the cgroup's pages of files, and the room below its limits as far as
 * others' clean pages could give it. Kernel: mem_cgroup_wb_stats, mdtc_calc_avail. */
void vmsim__memcg_dirty_limits(struct vmsim__cache *c, uint16_t memcg, struct vmsim__memcg_dirty *out) {
    const struct vmsim__memcg *m = vmsim__memcg_by_id(c->lru, memcg);
    const struct vmsim__cache_spec *s = &c->spec;
    *out = (struct vmsim__memcg_dirty){.thresh = UINT64_MAX, .background = UINT64_MAX};
    if (!m || !m->parent)
        return;
    const uint64_t all = vmsim__dirtyable_memory(c);
    uint64_t all_dirty = 0;
    for (unsigned n = 0; n < c->mem->nr_nodes; n++)
        all_dirty += (uint64_t)c->mem->nodes[n].stat[VMSIM__NR_DIRTY];
    vmsim__stats_flush_for_reclaim(c->lru);
    const uint64_t files = memcg_pages(c, m, VMSIM__SEEN_INACTIVE_FILE) + memcg_pages(c, m, VMSIM__SEEN_ACTIVE_FILE);
    out->dirty = memcg_pages(c, m, VMSIM__SEEN_DIRTY) + memcg_pages(c, m, VMSIM__SEEN_WRITEBACK);
    const uint64_t clean = files - vmsim__min64(files, out->dirty), all_clean = all - vmsim__min64(all, all_dirty);
    const uint64_t memory = files + vmsim__min64(headroom(m), all_clean - vmsim__min64(all_clean, clean));
    out->thresh = memcg_share(c, memory, all, s->dirty_bytes, s->dirty_ratio);
    out->background = memcg_share(c, memory, all, s->dirty_background_bytes, s->dirty_background_ratio);
    if (out->background >= out->thresh)
        out->background = out->thresh / 2;
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

/* One folio goes out, which begins at `index`: stores through mappings are asked for first. Kernel:
 * clear_page_dirty_for_io, then folio_start_writeback. The device grows by what is written: pages beyond were holes. */
static void start_writeback(struct vmsim__cache *c, struct vmsim__file *f, uint64_t index, vmsim__pfn pfn,
                            unsigned cpu) {
    VMSIM__ASSERT(!vmsim__frame_is(vmsim__cache_frame(c, pfn), VMSIM__FRAME_WRITEBACK));
    struct vmsim__frame *fr = vmsim__cache_frame(c, pfn);
    if (f->mappings && c->hooks.mkclean)
        c->hooks.mkclean(c->hooks.context, f, index, pfn, cpu);
    const uint32_t pages = vmsim__frame_pages(fr);
    VMSIM__ASSERT(vmsim__frame_is(fr, VMSIM__FRAME_DIRTY) && vmsim__file_accounts_dirty(f));
    fr->flags = (fr->flags & ~VMSIM__FRAME_DIRTY) | VMSIM__FRAME_WRITEBACK;
    struct vmsim__node *node = &c->mem->nodes[vmsim__cache_zone(c, fr)->node];
    vmsim__folio_stat_move(c->lru, fr, VMSIM__NR_DIRTY, VMSIM__NR_WRITEBACK, pages); /* pending it was and is */
    node->stat[VMSIM__NR_DIRTY] -= pages;
    node->stat[VMSIM__NR_WRITEBACK] += pages;
    uint64_t i = index;
    do {
        vmsim__cache_content(c, VMSIM__CONTENT_WRITING, f, i, pfn + (vmsim__pfn)(i - index));
        vmsim__radix_move_mark(&f->pages, i, VMSIM__MARK_DIRTY, VMSIM__MARK_WRITEBACK);
        if (VMSIM__UNLIKELY(vmsim__radix_any(&f->pages, VMSIM__MARK_TOWRITE)))
            vmsim__radix_unmark(&f->pages, i, VMSIM__MARK_TOWRITE);
    } while (VMSIM__UNLIKELY(++i < index + pages));
    f->disk_size = vmsim__max64(f->disk_size, vmsim__min64(f->size, (index + pages) << c->mem->page_shift));
}

/* One that somebody wanted back meanwhile goes where reclaim looks first. Kernel: folio_end_writeback. */
VMSIM__INLINE void over(struct vmsim__cache *c, vmsim__pfn pfn, struct vmsim__frame *fr, uint32_t pages, unsigned cpu) {
    VMSIM__ASSERT(vmsim__frame_is(fr, VMSIM__FRAME_WRITEBACK));
    fr->flags &= ~VMSIM__FRAME_WRITEBACK;
    vmsim__writeback_count(c, fr, -(int64_t)pages);
    vmsim__cache_node_add(c, fr, VMSIM__NR_WRITTEN, pages);
    if (VMSIM__UNLIKELY(vmsim__frame_is(fr, VMSIM__FRAME_RECLAIM))) {
        fr->flags &= ~VMSIM__FRAME_RECLAIM;
        vmsim__lru_rotate(c->lru, pfn, cpu);
    }
}

void vmsim__writeback_over(struct vmsim__cache *c, vmsim__pfn pfn, unsigned cpu) {
    struct vmsim__frame *fr = vmsim__cache_frame(c, pfn);
    over(c, pfn, fr, vmsim__frame_pages(fr), cpu);
}

uint32_t vmsim__writeback_end(struct vmsim__cache *c, struct vmsim__file *f, vmsim__pfn pfn, unsigned cpu) {
    struct vmsim__frame *fr = vmsim__cache_frame(c, pfn);
    const uint32_t pages = vmsim__frame_pages(fr);
    uint64_t i = vmsim__frame_index(fr);
    const uint64_t end = i + pages;
    do
        vmsim__radix_unmark(&f->pages, i, VMSIM__MARK_WRITEBACK);
    while (VMSIM__UNLIKELY(++i < end));
    over(c, pfn, fr, pages, cpu);
    return pages;
}

/* Pages of a large folio, which begins at `index`, that the file has: what is behind its end is not written. */
static VMSIM__NOINLINE uint64_t inside_file(const struct vmsim__cache *c, const struct vmsim__file *f, uint64_t index,
                                            const struct vmsim__frame *fr) {
    const uint64_t end = vmsim__cache_pages_of(c, f->size);
    return vmsim__max64(vmsim__min64(vmsim__frame_pages(fr), end - index), 1);
}

/* Sends the pages of [first, end) that have the mark, neighbours in one transfer. One that is still under writeback
 * from before is passed over, or, if all have to be written, ends the walk; *first goes to where it ended. Returns the
 * pages sent. Kernel: write_cache_pages, one bio for a run without a gap. */
static uint64_t write_range(struct vmsim__cache *c, struct vmsim__file *f, uint64_t *first, uint64_t end,
                            enum vmsim__mark mark, bool all, unsigned cpu) {
    uint64_t run = 0, next = 0, pages = 0, i = *first;
    vmsim__pfn pfn;
    for (; (pfn = vmsim__file_next_page(f, &i, end, mark)) != VMSIM__PFN_NONE; i++) {
        const struct vmsim__frame *fr = vmsim__cache_frame(c, pfn);
        if (vmsim__frame_is(fr, VMSIM__FRAME_WRITEBACK)) {
            if (all)
                break;
            continue;
        }
        i = vmsim__frame_index(fr);
        start_writeback(c, f, i, pfn, cpu);
        if (run && i != next) {
            vmsim__transfer_start(c, f, next - run, run, true, cpu);
            run = 0;
        }
        const uint64_t inside = VMSIM__LIKELY(!vmsim__frame_is(fr, VMSIM__FRAME_HEAD)) ? 1 : inside_file(c, f, i, fr);
        run += inside;
        pages += inside;
        next = i + inside;
        i += vmsim__frame_pages(fr) - 1;
    }
    if (run)
        vmsim__transfer_start(c, f, next - run, run, true, cpu);
    *first = pfn != VMSIM__PFN_NONE ? i : end;
    return pages;
}

uint64_t vmsim__file_write_start(struct vmsim__cache *c, struct vmsim__file *f, uint64_t first, uint64_t end,
                                 unsigned cpu) {
    return write_range(c, f, &first, end, VMSIM__MARK_DIRTY, false, cpu);
}

/* Writes what was dirty when the operation began; what becomes dirty while it waits is not its affair, so that what is
 * left then is tagged. False: it waits. Kernel: write_cache_pages with WB_SYNC_ALL, tag_pages_for_writeback. */
static bool write_all(struct vmsim__cache *c, struct vmsim__file *f, uint64_t first, uint64_t end, unsigned cpu) {
    struct vmsim__call *call = vmsim__now_call(&c->mem->now);
    const enum vmsim__mark mark = call->started ? VMSIM__MARK_TOWRITE : VMSIM__MARK_DIRTY;
    write_range(c, f, &first, end, mark, true, cpu);
    for (uint64_t i = first; !call->started && vmsim__file_next_page(f, &i, end, mark) != VMSIM__PFN_NONE; i++)
        vmsim__radix_mark(&f->pages, i, VMSIM__MARK_TOWRITE);
    call->started = true;
    return first == end || vmsim__filemap_settled(c, vmsim__file_page(f, first));
}

/* Waits for all of [first, end) that is under writeback. False: the operation waits. Kernel: filemap_fdatawait_range.
 */
static bool wait_range(struct vmsim__cache *c, struct vmsim__file *f, uint64_t first, uint64_t end) {
    vmsim__pfn pfn = vmsim__file_next_page(f, &first, end, VMSIM__MARK_WRITEBACK);
    return pfn == VMSIM__PFN_NONE || vmsim__filemap_settled(c, pfn);
}

/* A page under writeback is waited for also when it came to that later, as in the kernel. The file's error is told to
 * the first that asks. */
int vmsim__file_sync(struct vmsim__cache *c, struct vmsim__file *f, uint64_t first, uint64_t end, unsigned cpu) {
    if (!write_all(c, f, first, end, cpu) || !wait_range(c, f, first, end))
        return -VMSIM__ERESTARTSYS;
    int error = f->write_error;
    f->write_error = 0;
    vmsim__now_call(&c->mem->now)->started = false;
    return error;
}

/* Kernel: ksys_sync: everything is started first, then everything is waited for. */
int vmsim__cache_sync(struct vmsim__cache *c, unsigned cpu) {
    struct vmsim__call *call = vmsim__now_call(&c->mem->now);
    uint32_t id = 1;
    for (struct vmsim__file *f; !call->started && (f = vmsim__file_next(c, &id)) != NULL; id++)
        vmsim__file_write_start(c, f, 0, UINT64_MAX, cpu);
    call->started = true;
    id = 1;
    for (struct vmsim__file *f; (f = vmsim__file_next(c, &id)) != NULL; id++) {
        if (!wait_range(c, f, 0, UINT64_MAX))
            return -VMSIM__ERESTARTSYS;
    }
    vmsim__call_over(call);
    return 0;
}
