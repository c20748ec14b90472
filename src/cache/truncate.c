/* SPDX-License-Identifier: MIT */
/* Pages leaving the cache because the file shrinks, gets a hole or goes away (their data is lost: dirty or not, mapped
 * or not), and because somebody wants the memory back (invalidation: only clean pages that nobody uses).
 *
 *     bytes:   start ........................ end
 *     pages:   [ partial ][ whole ][ whole ][ partial ]     whole pages go, partial ones are cleared and stay
 *
 * Both work in batches of 15 pages and drain this CPU's LRU batches when they release the first. Kernel counterparts:
 * mm/truncate.c, mm/fadvise.c, fs/drop_caches.c. */
#include "cache/cache_impl.h"

/* Shadows of [first, end) go with the data that they remember. Returns how many. Kernel: truncate_exceptional_entries.
 */
static uint64_t drop_shadows(struct vmsim__file *f, uint64_t first, uint64_t end) {
    VMSIM__ASSERT(f->pages.count >= f->nrpages + f->swapped);
    uint64_t dropped = 0, entry;
    for (uint64_t i = first;
         f->pages.count > f->nrpages + f->swapped && (entry = vmsim__radix_next(&f->pages, &i)) && i < end; i++) {
        if (vmsim__entry_tag(entry) == VMSIM__ENTRY_SHADOW)
            dropped += vmsim__radix_remove(&f->pages, i) != 0;
    }
    return dropped;
}

/* A folio that reaches over the border of a range comes apart, so that its part of it can go. One that cannot, since
 * somebody holds it, keeps its place if it has to be written, with zeroes in its part [first, end); else all of it
 * goes, to be read again. False: it is on its way, the operation waits. Kernel: truncate_inode_partial_folio. */
static bool part(struct vmsim__cache *c, struct vmsim__file *f, uint64_t border, uint64_t first, uint64_t end,
                 unsigned cpu) {
    const vmsim__pfn pfn = border ? vmsim__file_page(f, border) : VMSIM__PFN_NONE;
    if (pfn == VMSIM__PFN_NONE || vmsim__frame_index(vmsim__cache_frame(c, pfn)) == border)
        return true;
    if (!vmsim__filemap_settled(c, pfn))
        return false;
    if (!c->hooks.split || c->hooks.split(c->hooks.context, pfn, cpu))
        return true;
    const struct vmsim__frame *fr = vmsim__cache_frame(c, pfn);
    const uint64_t from = vmsim__max64(first, vmsim__frame_index(fr));
    const uint64_t to = vmsim__min64(end, vmsim__frame_index(fr) + vmsim__frame_pages(fr));
    if (f->kind == VMSIM__FILE_REGULAR && !vmsim__frame_is(fr, VMSIM__FRAME_DIRTY)) {
        if (c->hooks.unmap && f->mappings)
            c->hooks.unmap(c->hooks.context, f, vmsim__frame_index(fr),
                           vmsim__frame_index(fr) + vmsim__frame_pages(fr) - 1, false, cpu);
        vmsim__filemap_remove(c, f, vmsim__frame_index(fr), pfn, cpu);
        return true;
    }
    for (uint64_t i = from; i < to; i++) {
        vmsim__cache_clear(c, pfn, cpu);
        vmsim__cache_content(c, VMSIM__CONTENT_ZEROED, f, i, vmsim__folio_part(c->mem, pfn, i));
    }
    return true;
}

/* Kernel: truncate_inode_pages_range; mapped pages are unmapped in one sweep before, so that none is found mapped. What
 * was dropped before it waits stays dropped. */
bool vmsim__file_drop_pages(struct vmsim__cache *c, struct vmsim__file *f, uint64_t first, uint64_t end, bool even_cows,
                            unsigned cpu) {
    bool drained = false;
    if (first >= end)
        return true;
    if (c->hooks.unmap && f->mappings)
        c->hooks.unmap(c->hooks.context, f, first, end - 1, even_cows, cpu);
    if (!part(c, f, first, first, end, cpu) || !part(c, f, end, first, end, cpu))
        return false;
    vmsim__pfn pfn;
    for (uint64_t i = first; (pfn = vmsim__file_next_page(f, &i, end, VMSIM__MARK_PAGE)) != VMSIM__PFN_NONE; i++) {
        const struct vmsim__frame *fr = vmsim__cache_frame(c, pfn);
        const uint64_t index = vmsim__frame_index(fr), behind = index + vmsim__frame_pages(fr);
        if (!drained)
            vmsim__lru_drain_cpu(c->lru, cpu);
        drained = true;
        if (index >= first && behind <= end) {
            if (!vmsim__filemap_settled(c, pfn))
                return false;
            vmsim__filemap_remove(c, f, i, pfn, cpu);
            if (c->hooks.content)
                c->hooks.content(c->hooks.context, VMSIM__CONTENT_DROPPED, f, index, behind, VMSIM__PFN_NONE);
        }
        i = behind - 1;
    }
    if (c->hooks.content)
        c->hooks.content(c->hooks.context, VMSIM__CONTENT_DROPPED, f, first, end, VMSIM__PFN_NONE);
    vmsim__shmem_drop_slots(c, f, first, end, cpu);
    drop_shadows(f, first, end);
    return true;
}

/* A page of which a part is cleared: it is read if need be, and is dirty afterwards. 0, -ENOMEM, -EIO, -ERESTARTSYS. */
static int clear_partial(struct vmsim__cache *c, struct vmsim__file *f, uint64_t index, unsigned cpu) {
    int error = vmsim__filemap_error(c);
    if (error)
        return error;
    vmsim__pfn pfn = vmsim__file_page(f, index);
    if (pfn == VMSIM__PFN_NONE) {
        const bool swapped = vmsim__shmem_swapped(f, index);
        if (!swapped && !vmsim__file_on_disk(c, f, index))
            return 0;
        pfn =
            swapped ? vmsim__shmem_swap_in(c, f, index, NULL, false, cpu) : vmsim__filemap_read_page(c, f, index, cpu);
        if (pfn == VMSIM__PFN_NONE)
            return vmsim__now_waits(&c->mem->now) ? -VMSIM__ERESTARTSYS : -VMSIM__L_ENOMEM;
    }
    if (!vmsim__filemap_arrived(c, pfn))
        return -VMSIM__ERESTARTSYS;
    vmsim__cache_clear(c, pfn, cpu);
    vmsim__cache_content(c, VMSIM__CONTENT_STORED, f, index, vmsim__folio_part(c->mem, pfn, index));
    vmsim__page_dirty(c, pfn);
    return 0;
}

/* Nothing is on its way to or from the pages from `first` on; else it waits for the first of which that is not so. */
static bool at_rest(struct vmsim__cache *c, const struct vmsim__file *f, uint64_t first) {
    vmsim__pfn pfn;
    for (uint64_t i = first; (pfn = vmsim__file_next_page(f, &i, UINT64_MAX, VMSIM__MARK_PAGE)) != VMSIM__PFN_NONE; i++)
        if (!vmsim__filemap_settled(c, pfn))
            return false;
    return true;
}

/* Growth adds a hole. The partial page is cleared before the size changes, while its data is still inside the file;
 * once. Whoever waits may be killed, in the kernel when the call is over, here at once: the file keeps its size until
 * all pages behind the new one can go. */
int vmsim__file_truncate(struct vmsim__cache *c, struct vmsim__file *f, uint64_t size, unsigned cpu) {
    uint64_t page = vmsim__cache_page_size(c), end = vmsim__cache_pages_of(c, size);
    struct vmsim__call *call = vmsim__now_call(&c->mem->now);
    if (size > INT64_MAX)
        return -VMSIM__L_EINVAL;
    if (size > VMSIM__FILE_SIZE_MAX)
        return -VMSIM__L_EFBIG;
    if (!call->started && size >= f->size) {
        f->size = size;
        return 0;
    }
    if (!call->started && (size & (page - 1))) {
        int rc = clear_partial(c, f, size >> c->mem->page_shift, cpu);
        if (rc)
            return rc;
    }
    call->started = !at_rest(c, f, end);
    if (call->started)
        return -VMSIM__ERESTARTSYS;
    f->size = size;
    f->disk_size = vmsim__min64(f->disk_size, size);
    bool dropped = vmsim__file_drop_pages(c, f, end, UINT64_MAX, true, cpu);
    VMSIM__ASSERT(dropped);
    (void)dropped;
    if (c->io.shrink)
        c->io.shrink(c->io.context, f, end << c->mem->page_shift);
    return 0;
}

int vmsim__file_punch(struct vmsim__cache *c, struct vmsim__file *f, uint64_t start, uint64_t end, unsigned cpu) {
    VMSIM__ASSERT(start <= end);
    uint64_t mask = vmsim__cache_page_size(c) - 1, first = vmsim__cache_pages_of(c, start);
    unsigned shift = c->mem->page_shift;
    uint64_t last = end >= f->size ? vmsim__cache_pages_of(c, end) : end >> shift;
    int rc = 0;
    if ((start & mask) && start < f->size)
        rc = clear_partial(c, f, start >> shift, cpu);
    if (!rc && (end & mask) && end < f->size && (end >> shift != start >> shift || !(start & mask)))
        rc = clear_partial(c, f, end >> shift, cpu);
    if (!rc && !vmsim__file_drop_pages(c, f, first, last, false, cpu))
        rc = -VMSIM__ERESTARTSYS;
    return rc;
}

/* ---- invalidation ---- */

/* mapping_evict_folio: nobody but the cache may hold the page. */
static bool can_invalidate(const struct vmsim__frame *f) {
    return !vmsim__frame_is(f, VMSIM__FRAME_DIRTY | VMSIM__FRAME_WRITEBACK | VMSIM__FRAME_LOCKED) &&
           f->refcount == (int32_t)vmsim__frame_pages(f) && f->mapcount == 0;
}

/* Folios that lie in the range as a whole. Kernel: mapping_try_invalidate, find_lock_entries. */
static uint64_t invalidate(struct vmsim__cache *c, struct vmsim__file *f, uint64_t first, uint64_t end, unsigned cpu,
                           uint64_t *failed) {
    uint64_t dropped = 0, in_batch = 0;
    bool drained = false;
    vmsim__pfn pfn;
    for (uint64_t i = first; (pfn = vmsim__file_next_page(f, &i, end, VMSIM__MARK_PAGE)) != VMSIM__PFN_NONE; i++) {
        const struct vmsim__frame *fr = vmsim__cache_frame(c, pfn);
        const uint64_t index = vmsim__frame_index(fr), behind = index + vmsim__frame_pages(fr);
        i = behind - 1;
        if (index < first || behind > end)
            continue;
        if (can_invalidate(fr)) {
            vmsim__filemap_remove(c, f, index, pfn, cpu);
            dropped += behind - index;
        } else {
            vmsim__lru_deactivate_file(c->lru, pfn, cpu);
            ++*failed;
        }
        if (++in_batch == VMSIM__READ_BATCH && !drained) {
            vmsim__lru_drain_cpu(c->lru, cpu);
            drained = true;
        }
    }
    if (in_batch && !drained)
        vmsim__lru_drain_cpu(c->lru, cpu);
    return dropped + drop_shadows(f, first, end);
}

uint64_t vmsim__file_invalidate(struct vmsim__cache *c, struct vmsim__file *f, uint64_t first, uint64_t end,
                                unsigned cpu) {
    uint64_t failed = 0;
    return invalidate(c, f, first, end, cpu, &failed);
}

uint64_t vmsim__cache_drop(struct vmsim__cache *c, unsigned cpu) {
    uint64_t dropped = 0;
    uint32_t id = 1;
    vmsim__lru_drain_all(c->lru);
    for (struct vmsim__file *f; (f = vmsim__file_next(c, &id)) != NULL; id++)
        dropped += vmsim__file_invalidate(c, f, 0, UINT64_MAX, cpu);
    vmsim__cache_event(c, VMSIM__DROP_PAGECACHE, 1);
    return dropped;
}

/* ---- posix_fadvise ---- */

enum { FADV_NORMAL, FADV_RANDOM, FADV_SEQUENTIAL, FADV_WILLNEED, FADV_DONTNEED, FADV_NOREUSE };

/* Whole pages of the range, and the last page of the file even when it is not whole. Dirty ones are sent to the device
 * and stay; pages that somebody holds may only be in the batch of another CPU and get a second chance. */
static void advise_dontneed(struct vmsim__cache *c, struct vmsim__file *f, uint64_t pos, uint64_t end, unsigned cpu) {
    unsigned shift = c->mem->page_shift;
    bool to_end = end >= f->size;
    uint64_t first = vmsim__cache_pages_of(c, pos), stop = to_end ? UINT64_MAX : end >> shift, failed = 0;
    uint64_t dirty_end = to_end ? UINT64_MAX : vmsim__cache_pages_of(c, end);
    vmsim__file_write_start(c, f, pos >> shift, dirty_end, cpu);
    vmsim__lru_drain_cpu(c->lru, cpu);
    if (first < stop)
        invalidate(c, f, first, stop, cpu, &failed);
    if (failed) {
        vmsim__lru_drain_all(c->lru);
        invalidate(c, f, first, stop, cpu, &failed);
    }
}

int vmsim__file_fadvise(struct vmsim__cache *c, struct vmsim__file *f, struct vmsim__file_ra *ra, uint64_t pos,
                        uint64_t length, int advice, unsigned cpu) {
    ra = ra ? ra : &f->ra;
    unsigned shift = c->mem->page_shift;
    uint64_t end = length && pos < UINT64_MAX - length ? pos + length : UINT64_MAX >> 1;
    if (advice < FADV_NORMAL || advice > FADV_NOREUSE)
        return -VMSIM__L_EINVAL;
    if (f->kind != VMSIM__FILE_REGULAR && advice >= FADV_WILLNEED) /* memory is all they have */
        return 0;
    if (advice <= FADV_SEQUENTIAL) {
        ra->advice = (uint8_t)advice;
        if (advice != FADV_RANDOM)
            ra->ra_pages = (uint32_t)(c->spec.read_ahead >> shift) * (advice == FADV_SEQUENTIAL ? 2 : 1);
    } else if (advice == FADV_WILLNEED) {
        uint64_t first = pos >> shift, last = vmsim__cache_pages_of(c, vmsim__min64(end, f->size));
        if (last > first)
            vmsim__file_willneed(c, f, ra, first, last - first, cpu);
    } else if (advice == FADV_DONTNEED) {
        advise_dontneed(c, f, pos, end, cpu);
    }
    return 0;
}
