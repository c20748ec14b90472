/* SPDX-License-Identifier: MIT */
/* Between the page cache and the devices: transfers go out, completions come back as events and wake who waits.
 *
 *     cache: transfer of pages --> layout of the file --> block: requests --> event --> transfer done --> wake
 *
 * A file that was given no place before lies where there is room at its first transfer: all that it holds at once, so
 * that it is in one piece. On the device of a machine that describes none, files have no places at all: that device
 * serves one transfer after another, wherever it lies. Kernel counterparts: fs/ext4/inode.c (ext4_map_blocks),
 * mm/filemap.c (folio_end_read). */
#include "cache/swap_cache.h"
#include "machine/sched.h"

#include <stdio.h>

static bool no_memory(struct vmsim_machine *m) {
    m->host_nomem = true;
    return false;
}

/* ---- places ---- */

/* What the file holds on disk gets its place, if there is room; 0, VMSIM_ELIMIT or VMSIM_ENOMEM. Files that are
 * written grow on their device as pages reach it, not as a program writes them (delayed allocation). */
static int place_contents(struct vmsim_machine *m, struct vmsim__file *f) {
    f->layout.raw = m->serial_device || f->blockdev;
    if (!f->disk_size || f->layout.extents.count)
        return 0;
    return vmsim__layout_place(m->block, &f->layout, 0,
                               vmsim__align_up(f->disk_size, UINT64_C(1) << m->mem->page_shift));
}

/* Once, before anything of the file is on disk: where it lies does not change after. */
int vmsim__io_place(struct vmsim_machine *m, struct vmsim__file *f, const char *device, uint64_t fragment) {
    VMSIM__ASSERT(f->kind == VMSIM__FILE_REGULAR && !f->layout.extents.count);
    uint32_t found = device ? vmsim__block_find(m->block, device) : 0;
    if (found == VMSIM__BLOCK_NO_DEVICE)
        return vmsim__err_set(&m->err, VMSIM_EINVAL, "there is no device '%s'", device);
    if (fragment % VMSIM__LAYOUT_BLOCK)
        return vmsim__err_set(&m->err, VMSIM_EINVAL, "fragments of %llu bytes: not a multiple of 4096",
                              (unsigned long long)fragment);
    f->layout.device = found;
    f->layout.fragment = fragment;
    int err = place_contents(m, f);
    if (err == VMSIM_ENOMEM)
        return vmsim__err_set(&m->err, err, "no memory for the place of a file");
    if (err)
        return vmsim__err_set(&m->err, err, "the device '%s' is full: %llu bytes do not fit",
                              vmsim__block_name(m->block, found), (unsigned long long)f->disk_size);
    return 0;
}

/* Space of a truncated file goes back to its device at once; the kernel's does with the transaction. */
static void shrink(void *context, struct vmsim__file *f, uint64_t bytes) {
    VMSIM__ASSERT(f);
    struct vmsim_machine *m = context;
    if (bytes)
        vmsim__layout_cut(m->block, &f->layout, bytes);
    else
        vmsim__layout_release(m->block, &f->layout);
}

/* ---- transfers ---- */

/* Somebody waits for what is read, or soon will; writes go behind, as the kernel's schedulers have it, which tell them
 * apart by direction (mq-deadline). A full device fails the write: ENOSPC. The step in which virtual time ends goes a
 * little beyond it, and may ask a device for something then. */
static bool submit(void *context, uint32_t id, struct vmsim__file *f, uint64_t first, uint64_t pages, bool write) {
    VMSIM__ASSERT(f && pages > 0);
    struct vmsim_machine *m = context;
    unsigned shift = m->mem->page_shift;
    const uint64_t now = vmsim__min64(m->mem->now.time, VMSIM__BLOCK_LATEST);
    const struct vmsim__block_io io = {.op = write ? VMSIM__BLOCK_WRITE : VMSIM__BLOCK_READ,
                                       .sync = !write,
                                       .position = first << shift,
                                       .bytes = pages << shift,
                                       .cookie = id};
    vmsim__now_charge(&m->mem->now, vmsim__block_params(m->block, f->layout.device)->cpu_time);
    int err = place_contents(m, f);
    err = err == VMSIM_ENOMEM ? err : vmsim__layout_submit(m->block, &f->layout, now, &io);
    if (err == VMSIM_ELIMIT)
        vmsim__transfer_done(m->cache, id, -VMSIM__L_ENOSPC);
    return err != VMSIM_ENOMEM || no_memory(m);
}

/* Called by the cache when a page is unlocked or written: the waiters are the scheduler's. */
static void wake(void *context, enum vmsim__wait_kind kind, vmsim__pfn pfn, int status) {
    struct vmsim_machine *m = context;
    vmsim__page_wake(m, kind, pfn, status, m->mem->now.time); /* no host memory: the error stays with the machine */
}

static void zswap_full(void *context) {
    vmsim__zswap_wake(context);
}

/* Devices have no clock of their own: their events are the machine's. */
static bool schedule(void *context, uint64_t time, uint64_t arg) {
    struct vmsim_machine *m = context;
    return !vmsim__event_at(m, time, VMSIM__EVENT_IO, arg);
}

/* Swap and files share the devices and are told apart by the cookie. */
static void complete(void *context, uint64_t cookie, int status, uint64_t now) {
    struct vmsim_machine *m = context;
    VMSIM__ASSERT(m->mem->now.time == now);
    (void)now;
    if (cookie & VMSIM__SWAP_COOKIE)
        vmsim__swap_io_done(m->cache, cookie, status);
    else
        vmsim__transfer_done(m->cache, (uint32_t)cookie, status);
}

/* For whoever watches: from arrival to completion, queueing included. */
static void served(void *context, uint32_t device, enum vmsim__block_op op, uint64_t bytes, uint64_t arrived,
                   uint64_t now) {
    const struct vmsim_machine *m = context;
    if (vmsim__watched(&m->mem->now.watch, VMSIM_EVENT_IO))
        vmsim__tell(&m->mem->now.watch, VMSIM_EVENT_IO, arrived, now, vmsim__block_name(m->block, device), bytes,
                    op == VMSIM__BLOCK_WRITE, device, 0);
}

/* What completes may wake, start other transfers, or find no host memory: the machine is asked at the end. */
int vmsim__io_event(struct vmsim_machine *m, const struct vmsim__event *e) {
    if (vmsim__block_event(m->block, e->arg, e->time))
        no_memory(m);
    return vmsim__host_error(m);
}

/* ---- life ---- */

/* Bytes of one request; readahead cuts there. A device without a limit takes anything. */
uint64_t vmsim__io_largest(const struct vmsim_machine *m, uint32_t device) {
    const uint64_t most = vmsim__block_params(m->block, device)->max_request;
    return m->serial_device ? m->spec.cache.device.optimal_io : most ? most : UINT64_C(1) << 62;
}

static uint64_t largest(void *context, const struct vmsim__file *file) {
    return vmsim__io_largest(context, file->layout.device);
}

static uint64_t reach(void *context, const struct vmsim__file *file) {
    const struct vmsim_machine *m = context;
    return vmsim__block_params(m->block, file->layout.device)->reach;
}

bool vmsim__io_limited(const struct vmsim_machine *m) {
    bool limited = false;
    for (uint32_t i = 0; i < vmsim__block_devices(m->block); i++)
        limited |= vmsim__block_params(m->block, i)->reach != 0;
    return limited;
}

/* As the device node of its name; one that a workload reads as a file is the same. */
static struct vmsim__file *blockdev(void *context, const struct vmsim__file *file) {
    struct vmsim_machine *m = context;
    VMSIM__ASSERT(file->kind == VMSIM__FILE_REGULAR);
    char path[256];
    if (snprintf(path, sizeof path, "/dev/%s", vmsim__block_name(m->block, file->layout.device)) >= (int)sizeof path)
        return NULL;
    struct vmsim__file *f = vmsim__file_find(m->cache, path);
    if (!f && (f = vmsim__file_create(m->cache, VMSIM__FILE_REGULAR, path,
                                      vmsim__block_params(m->block, file->layout.device)->size))) {
        f->blockdev = true;
        f->layout.device = file->layout.device;
    }
    return f && f->blockdev ? f : NULL;
}

/* The cache knows no devices, the devices no pages: this is where they meet. */
int vmsim__io_init(struct vmsim_machine *m) {
    struct vmsim__block_spec one;
    const struct vmsim__block_spec *devices;
    size_t count = vmsim__machine_devices(&m->spec, &one, &devices);
    m->serial_device = devices == &one;
    m->block =
        vmsim__block_create(m->alloc, devices, count, &(struct vmsim__block_hooks){m, schedule, complete, served});
    if (!m->block)
        return vmsim__err_set(&m->err, VMSIM_ENOMEM, "no memory for the storage devices");
    vmsim__cache_set_io(m->cache, &(struct vmsim__cache_io){.context = m,
                                                            .submit = submit,
                                                            .throttle = vmsim__flusher_throttle,
                                                            .wake = wake,
                                                            .zswap_full = zswap_full,
                                                            .largest = largest,
                                                            .reach = reach,
                                                            .blockdev = blockdev,
                                                            .shrink = shrink});
    return 0;
}

/* Devices and extents, and that what all files and swap areas have of a device is what the device gave. */
int vmsim__io_check(struct vmsim_machine *m) {
    uint32_t devices = vmsim__block_devices(m->block), id = 1;
    int err = vmsim__block_check(m->block, &m->err);
    for (struct vmsim__file *f; !err && (f = vmsim__file_next(m->cache, &id)) != NULL; id++)
        err = vmsim__layout_check(m->block, &f->layout, &m->err);
    for (uint32_t d = 0; d < devices && !err; d++) {
        uint64_t sum = 0;
        id = 1;
        for (struct vmsim__file *f; (f = vmsim__file_next(m->cache, &id)) != NULL; id++)
            sum += f->layout.device == d ? vmsim__layout_bytes(&f->layout) : 0;
        for (uint32_t a = 0; m->swap && a < m->swap->areas; a++)
            sum += m->swap->area[a] && !m->swap->area[a]->zram && m->swap->area[a]->layout.device == d
                       ? vmsim__layout_bytes(&m->swap->area[a]->layout)
                       : 0;
        if (sum != vmsim__block_placed(m->block, d))
            err = vmsim__err_set(&m->err, VMSIM_ECHECK, "device %s: files and swap have %llu bytes of it, it gave %llu",
                                 vmsim__block_name(m->block, d), (unsigned long long)sum,
                                 (unsigned long long)vmsim__block_placed(m->block, d));
    }
    return err;
}

/* Behind what a task waits for; nothing where no device hangs. */
void vmsim__io_hung_text(const struct vmsim_machine *m, char *out, size_t size) {
    VMSIM__ASSERT(out && size > 0);
    uint32_t device = 0;
    size_t hung = vmsim__block_hung(m->block, &device);
    out[0] = '\0';
    if (hung)
        snprintf(out, size, "; %zu transfer%s, of device %s first, will never complete", hung, hung == 1 ? "" : "s",
                 vmsim__block_name(m->block, device));
}
