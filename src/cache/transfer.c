/* SPDX-License-Identifier: MIT */
/* Transfers between files and their device: what is on its way, and what happens when it arrives.
 *
 *     vmsim__transfer_start --> the device (machine's) --> vmsim__transfer_done, at a later time
 *        read:  pages LOCKED  ...............................  unlocked, or gone if it failed; waiters wake
 *        write: pages WRITEBACK .............................  clean; waiters wake
 *
 * A transfer is a run of pages of one file. It holds a reference on the file, so that no file goes while pages of it
 * are on their way; the pages are found again by their indices, since nothing takes a locked page, or one under
 * writeback, out of its file. Without a device (io.submit is NULL) a transfer is done when it is started.
 *
 * A device that does not reach all of memory (io.reach) has its pages copied: bounce buffers, which it holds until it
 * is done. A kernel with high memory takes pages of low memory for them, without waiting for any, and then those that
 * it keeps (64); others have a pool below 4 GiB (64 MiB). Who finds none waits in Linux until some come back; here such
 * pages go through in turns: they are copied and counted, and hold nothing. Kernel counterparts: struct bio,
 * mpage_end_io, folio_end_writeback, folio_unlock; block/bounce.c, kernel/dma/swiotlb.c. */
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

/* A folio whose read failed holds no data: it leaves the file, and who comes next reads it again. Returns its pages. */
static uint32_t folio_read(struct vmsim__cache *c, const struct vmsim__transfer *t, uint64_t index, int status) {
    vmsim__pfn pfn = vmsim__file_page(t->file, index);
    VMSIM__ASSERT(pfn != VMSIM__PFN_NONE && vmsim__frame_is(vmsim__cache_frame(c, pfn), VMSIM__FRAME_LOCKED));
    vmsim__cache_frame(c, pfn)->flags &= ~VMSIM__FRAME_LOCKED;
    const uint32_t pages = vmsim__frame_pages(vmsim__cache_frame(c, pfn));
    for (uint32_t i = 0; !status && i < pages; i++)
        vmsim__cache_content(c, VMSIM__CONTENT_READ, t->file, index + i, pfn + i);
    if (c->io.wake)
        c->io.wake(c->io.context, VMSIM__WAIT_LOCKED, pfn, status);
    if (status)
        vmsim__filemap_remove(c, t->file, index, pfn, t->cpu);
    return pages;
}

static uint32_t folio_written(struct vmsim__cache *c, const struct vmsim__transfer *t, uint64_t index, int status) {
    vmsim__pfn pfn = vmsim__file_page(t->file, index);
    VMSIM__ASSERT(pfn != VMSIM__PFN_NONE);
    for (uint32_t i = 0; VMSIM__UNLIKELY(status) && i < vmsim__frame_pages(vmsim__cache_frame(c, pfn)); i++)
        vmsim__cache_content(c, VMSIM__CONTENT_LOST, t->file, index + i, VMSIM__PFN_NONE);
    const uint32_t pages = vmsim__writeback_end(c, t->file, pfn, t->cpu);
    if (c->io.wake)
        c->io.wake(c->io.context, VMSIM__WAIT_WRITEBACK, pfn, 0);
    return pages;
}

/* ---- bounce buffers ---- */

#define KEPT_PAGES 64          /* POOL_SIZE of block/bounce.c */
#define POOL_BYTES (64u << 20) /* default of swiotlb */

static bool beyond(const struct vmsim__cache *c, const struct vmsim__transfer *t, uint64_t index, uint64_t reach) {
    const vmsim__pfn pfn = vmsim__file_page(t->file, index);
    return pfn != VMSIM__PFN_NONE && (uint64_t)pfn + 1 > reach >> c->mem->page_shift;
}

/* Kernel: mempool_alloc tries without waiting and without reserves, then takes what the pool holds. */
static void borrow(struct vmsim__cache *c, struct vmsim__transfer *t) {
    const bool narrow = vmsim__arch_is_narrow(c->mem->arch);
    const struct vmsim__alloc_request rq = {.gfp = VMSIM__GFP_KSWAPD_RECLAIM | VMSIM__GFP_NORETRY | VMSIM__GFP_NOWARN |
                                                   VMSIM__GFP_NOMEMALLOC,
                                            .cpu = t->cpu,
                                            .node = c->mem->cpu_node[t->cpu]};
    const vmsim__pfn pfn = narrow ? vmsim__mem_alloc(c->mem, &rq) : VMSIM__PFN_NONE;
    c->bounce.pages++;
    if (pfn != VMSIM__PFN_NONE) {
        struct vmsim__frame *f = vmsim__cache_frame(c, pfn);
        f->next = t->buffers;
        t->buffers = pfn;
        vmsim__cache_zone_add(c, f, VMSIM__NR_BOUNCE, 1);
    } else if (c->bounce.used < (narrow ? KEPT_PAGES : POOL_BYTES >> c->mem->page_shift)) {
        c->bounce.used++;
        t->buffered++;
    } else {
        c->bounce.in_turns++;
    }
}

/* The copy of what is read comes when the device is done, by an interrupt on the CPU that asked: its time is that
 * CPU's, and is charged with the rest. */
static void bounce(struct vmsim__cache *c, struct vmsim__transfer *t) {
    const uint64_t reach = c->io.reach ? c->io.reach(c->io.context, t->file) : 0;
    t->buffers = VMSIM__PFN_NONE;
    for (uint64_t i = t->first; reach && i < t->first + t->pages; i++) {
        if (!beyond(c, t, i, reach))
            continue;
        borrow(c, t);
        vmsim__cache_charge(c, vmsim__mem_copy_time(c->mem, c->spec.bounce_cost, vmsim__cache_page_size(c), t->cpu,
                                                    vmsim__file_page(t->file, i), VMSIM__PFN_NONE));
    }
}

static void give_back(struct vmsim__cache *c, const struct vmsim__transfer *t) {
    VMSIM__ASSERT(c->bounce.used >= t->buffered);
    c->bounce.used -= t->buffered;
    for (vmsim__pfn next, pfn = t->buffers; pfn != VMSIM__PFN_NONE; pfn = next) {
        struct vmsim__frame *f = vmsim__cache_frame(c, pfn);
        next = f->next;
        f->next = 0;
        f->refcount = 0;
        vmsim__cache_zone_add(c, f, VMSIM__NR_BOUNCE, -1);
        vmsim__mem_free(c->mem, pfn, 0, t->cpu);
    }
}

uint64_t vmsim__cache_bounced(const struct vmsim__cache *c, bool in_turns) {
    return in_turns ? c->bounce.in_turns : c->bounce.pages;
}

static void finish(struct vmsim__cache *c, const struct vmsim__transfer *t, int status) {
    VMSIM__ASSERT(t->file && status <= 0);
    for (uint64_t i = t->first; i < t->first + t->pages;)
        i += t->write ? folio_written(c, t, i, status) : folio_read(c, t, i, status);
    if (t->write && status)
        t->file->write_error = status;
    vmsim__file_put(c, t->file, t->cpu);
}

void vmsim__transfer_done(struct vmsim__cache *c, uint32_t id, int status) {
    VMSIM__ASSERT(id < c->transfers.count && c->transfers.at[id].file);
    const struct vmsim__transfer t = c->transfers.at[id];
    free_id(c, id);
    give_back(c, &t);
    finish(c, &t, status);
}

/* pgpgin and pgpgout count KiB on every architecture, as the kernel's count in sectors is halved for /proc/vmstat. */
void vmsim__transfer_start(struct vmsim__cache *c, struct vmsim__file *f, uint64_t first, uint64_t pages, bool write,
                           unsigned cpu) {
    VMSIM__ASSERT(pages && f->kind == VMSIM__FILE_REGULAR);
    vmsim__cache_event(c, write ? VMSIM__PGPGOUT : VMSIM__PGPGIN, pages << c->mem->page_shift >> 10);
    struct vmsim__transfer t = {.file = f, .first = first, .pages = pages, .write = write, .cpu = (uint16_t)cpu};
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
    bounce(c, &t);
    c->transfers.at[id] = t;
    c->in_flight++;
    if (!c->io.submit(c->io.context, id, f, first, pages, write))
        vmsim__transfer_done(c, id, 0);
}
