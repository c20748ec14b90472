/* SPDX-License-Identifier: MIT */
/* Transfers between files and their device: what is on its way, and what happens when it arrives.
 *
 *     vmsim__transfer_start --> the device (machine's) --> vmsim__transfer_done, at a later time
 *        read:  pages LOCKED  ...............................  unlocked, or gone if it failed; waiters wake
 *        write: pages WRITEBACK .............................  clean; waiters wake
 *
 * A transfer is a run of pages of one file. It holds a reference on the file, so that no file goes while pages of it
 * are on their way; the pages are found again by their indices, since nothing takes a locked page, or one under
 * writeback, out of its file. Without a device (io.submit is NULL) a transfer is done when it is started. Kernel
 * counterparts: struct bio, mpage_end_io, folio_end_writeback, folio_unlock. */
#include "cache/cache_impl.h"

/* An id for a transfer; UINT32_MAX: no host memory. Ids are used again, last in, first out. */
static uint32_t new_id(struct vmsim__cache *c) {
    if (c->transfer_free != UINT32_MAX) {
        uint32_t id = c->transfer_free;
        c->transfer_free = c->transfers.at[id].next_free;
        return id;
    }
    VMSIM__ASSERT(c->transfers.count < UINT32_MAX);
    if (!vmsim__vec_push(c->alloc, &c->transfers, (struct vmsim__transfer){0}))
        return UINT32_MAX;
    return (uint32_t)c->transfers.count - 1;
}

static void free_id(struct vmsim__cache *c, uint32_t id) {
    VMSIM__ASSERT(id < c->transfers.count && c->transfers.at[id].file);
    c->transfers.at[id] = (struct vmsim__transfer){.next_free = c->transfer_free};
    c->transfer_free = id;
    c->in_flight--;
}

/* A page whose read failed holds no data: it leaves the file, and who comes next reads it again. */
static void page_read(struct vmsim__cache *c, const struct vmsim__transfer *t, uint64_t index, int status) {
    vmsim__pfn pfn = vmsim__file_page(t->file, index);
    VMSIM__ASSERT(pfn != VMSIM__PFN_NONE && vmsim__frame_is(vmsim__cache_frame(c, pfn), VMSIM__FRAME_LOCKED));
    vmsim__cache_frame(c, pfn)->flags &= ~VMSIM__FRAME_LOCKED;
    if (!status)
        vmsim__cache_content(c, VMSIM__CONTENT_READ, t->file, index, pfn);
    if (c->io.wake)
        c->io.wake(c->io.context, VMSIM__WAIT_LOCKED, pfn, status);
    if (status)
        vmsim__filemap_remove(c, t->file, index, pfn, t->cpu);
}

static void page_written(struct vmsim__cache *c, const struct vmsim__transfer *t, uint64_t index, int status) {
    vmsim__pfn pfn = vmsim__file_page(t->file, index);
    VMSIM__ASSERT(pfn != VMSIM__PFN_NONE);
    if (status)
        vmsim__cache_content(c, VMSIM__CONTENT_LOST, t->file, index, pfn);
    vmsim__writeback_end(c, t->file, pfn, t->cpu);
    if (c->io.wake)
        c->io.wake(c->io.context, VMSIM__WAIT_WRITEBACK, pfn, 0);
}

static void finish(struct vmsim__cache *c, const struct vmsim__transfer *t, int status) {
    VMSIM__ASSERT(t->file && status <= 0);
    for (uint64_t i = t->first; i < t->first + t->pages; i++) {
        if (t->write)
            page_written(c, t, i, status);
        else
            page_read(c, t, i, status);
    }
    if (t->write && status)
        t->file->write_error = status;
    vmsim__file_put(c, t->file, t->cpu);
}

void vmsim__transfer_done(struct vmsim__cache *c, uint32_t id, int status) {
    VMSIM__ASSERT(id < c->transfers.count && c->transfers.at[id].file);
    const struct vmsim__transfer t = c->transfers.at[id];
    free_id(c, id);
    finish(c, &t, status);
}

/* pgpgin and pgpgout count KiB on every architecture, as the kernel's count in sectors is halved for /proc/vmstat. */
void vmsim__transfer_start(struct vmsim__cache *c, struct vmsim__file *f, uint64_t first, uint64_t pages, bool write,
                           unsigned cpu) {
    VMSIM__ASSERT(pages && f->kind == VMSIM__FILE_REGULAR);
    vmsim__cache_event(c, write ? VMSIM__PGPGOUT : VMSIM__PGPGIN, pages << c->mem->page_shift >> 10);
    const struct vmsim__transfer t = {.file = f, .first = first, .pages = pages, .write = write, .cpu = (uint16_t)cpu};
    vmsim__file_get(f);
    if (!c->io.submit) {
        finish(c, &t, 0);
        return;
    }
    uint32_t id = new_id(c);
    if (id == UINT32_MAX) { /* the run ends with this error: its pages need not wait for anything */
        c->error = VMSIM_ENOMEM;
        finish(c, &t, 0);
        return;
    }
    c->transfers.at[id] = t;
    c->in_flight++;
    if (!c->io.submit(c->io.context, id, f, first, pages, write))
        vmsim__transfer_done(c, id, 0);
}
