/* SPDX-License-Identifier: MIT */
/* Between the page cache and the devices: transfers go out, completions come back as events and wake who waits. */
#include "machine/sched.h"

/* 128 bits: an exabyte times 10^9 would wrap in 64. Bandwidth 0: no time per byte. */
static bool submit(void *context, uint32_t id, const struct vmsim__file *file, uint64_t first, uint64_t pages,
                   bool write) {
    struct vmsim_machine *m = context;
    const struct vmsim__device_spec *d = &m->spec.cache.device;
    uint64_t bytes = pages << m->mem->page_shift, bandwidth = write ? d->write_bandwidth : d->read_bandwidth;
    uint64_t moving = bandwidth ? (uint64_t)((unsigned __int128)bytes * 1000000000u / bandwidth) : 0;
    (void)file, (void)first;
    m->device_free =
        vmsim__max64(m->mem->now.time, m->device_free) + (write ? d->write_latency : d->read_latency) + moving;
    return !vmsim__event_at(m, m->device_free, VMSIM__EVENT_IO, id);
}

static void wake(void *context, enum vmsim__wait_kind kind, vmsim__pfn pfn, int status) {
    struct vmsim_machine *m = context;
    vmsim__page_wake(m, kind, pfn, status, m->mem->now.time); /* no host memory: the error stays with the machine */
}

int vmsim__io_event(struct vmsim_machine *m, const struct vmsim__event *e) {
    vmsim__transfer_done(m->cache, (uint32_t)e->arg, 0);
    return vmsim__host_error(m);
}

void vmsim__io_init(struct vmsim_machine *m) {
    vmsim__cache_set_io(m->cache, &(struct vmsim__cache_io){.context = m, .submit = submit, .wake = wake});
}
