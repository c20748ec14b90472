/* SPDX-License-Identifier: MIT */
/* The page cache as a whole: creation, settings, time, and the one device under all regular files.
 *
 * Time. The cache works on behalf of one running CPU; machine/ tells it that CPU's clock and takes the bill afterwards:
 * CPU time, and time blocked on the device. The device serves requests in order, each latency + bytes / bandwidth, so
 * a request that is not waited for (readahead) still delays those behind it. Kernel counterparts: the clock has none;
 * block/blk-core.c counts pgpgin and pgpgout as here. */
#include "cache/cache_impl.h"

static void free_tables(struct vmsim__cache *c) {
    vmsim__free(c->alloc, c->by_path, c->path_slots * sizeof *c->by_path);
}

/* File 0 stays NULL: frame.mapping uses 0 for "no owner". */
struct vmsim__cache *vmsim__cache_create(struct vmsim__alloc *alloc, struct vmsim__mem *mem, struct vmsim__lru *lru,
                                         const struct vmsim__kernel *kernel, const struct vmsim__cache_spec *spec) {
    VMSIM__ASSERT(mem->nr_nodes > 0 && lru);
    struct vmsim__cache *c = vmsim__calloc(alloc, 1, sizeof *c);
    if (!c)
        return NULL;
    *c = (struct vmsim__cache){.alloc = alloc, .mem = mem, .lru = lru, .kernel = kernel, .spec = *spec};
    c->path_slots = 16;
    c->by_path = vmsim__calloc(alloc, c->path_slots, sizeof *c->by_path);
    if (!c->by_path || !vmsim__vec_push(alloc, &c->files, NULL)) {
        free_tables(c);
        vmsim__free(alloc, c, sizeof *c);
        return NULL;
    }
    vmsim__radix_slab_init(&c->nodes, alloc);
    vmsim__slab_init(&c->file_slab, alloc, sizeof(struct vmsim__file));
    return c;
}

void vmsim__cache_destroy(struct vmsim__cache *c) {
    if (!c)
        return;
    for (size_t i = 1; i < c->files.count; i++) {
        if (c->files.at[i] && c->files.at[i]->path)
            vmsim__strfree(c->alloc, c->files.at[i]->path);
    }
    vmsim__vec_fini(c->alloc, &c->files);
    vmsim__vec_fini(c->alloc, &c->free_ids);
    vmsim__slab_fini(&c->file_slab);
    vmsim__slab_fini(&c->nodes);
    free_tables(c);
    vmsim__free(c->alloc, c, sizeof *c);
}

void vmsim__cache_set_hooks(struct vmsim__cache *c, const struct vmsim__cache_hooks *hooks) {
    c->hooks = *hooks;
}

struct vmsim__cache_spec *vmsim__cache_spec(struct vmsim__cache *c) {
    return &c->spec;
}

struct vmsim__mem *vmsim__cache_mem(struct vmsim__cache *c) {
    return c->mem;
}

int vmsim__cache_error(const struct vmsim__cache *c) {
    return c->error;
}

void vmsim__cache_clear_error(struct vmsim__cache *c) {
    c->error = 0;
}

/* Shmem and page-cache pages follow the policy of the task that brings them in, not of the file (alloc_pages of the
 * task's mempolicy, as filemap_alloc_folio). */
void vmsim__cache_set_policy(struct vmsim__cache *c, const struct vmsim__alloc_request *policy) {
    c->policy = policy;
}

/* ---- time and device ---- */

void vmsim__cache_set_time(struct vmsim__cache *c, uint64_t now_ns) {
    c->now = now_ns;
}

void vmsim__cache_take_cost(struct vmsim__cache *c, uint64_t *cpu_ns, uint64_t *wait_ns) {
    *cpu_ns = c->cpu_ns;
    *wait_ns = c->wait_ns;
    c->cpu_ns = c->wait_ns = 0;
}

void vmsim__cache_wait(struct vmsim__cache *c, uint64_t when) {
    if (when <= c->now)
        return;
    c->wait_ns += when - c->now;
    c->now = when;
}

/* 128 bits: an exabyte times 10^9 would wrap in 64. Bandwidth 0: no time per byte. */
static uint64_t transfer(struct vmsim__cache *c, uint64_t pages, uint64_t latency, uint64_t bandwidth) {
    uint64_t bytes = pages << c->mem->page_shift;
    uint64_t moving = bandwidth ? (uint64_t)((unsigned __int128)bytes * 1000000000u / bandwidth) : 0;
    c->device_free = vmsim__max64(c->now, c->device_free) + latency + moving;
    VMSIM__ASSERT(c->device_free >= c->now);
    return c->device_free;
}

/* pgpgin and pgpgout count KiB on every architecture, as the kernel's count in sectors is halved for /proc/vmstat. */
uint64_t vmsim__device_read(struct vmsim__cache *c, uint64_t pages) {
    vmsim__cache_event(c, VMSIM__PGPGIN, pages << c->mem->page_shift >> 10);
    return transfer(c, pages, c->spec.device.read_latency, c->spec.device.read_bandwidth);
}

uint64_t vmsim__device_write(struct vmsim__cache *c, uint64_t pages) {
    vmsim__cache_event(c, VMSIM__PGPGOUT, pages << c->mem->page_shift >> 10);
    return transfer(c, pages, c->spec.device.write_latency, c->spec.device.write_bandwidth);
}
