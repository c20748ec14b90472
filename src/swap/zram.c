/* SPDX-License-Identifier: MIT */
/* Blocks of zram devices (see zram.h). */
#include "swap/zram.h"

#include <stddef.h>
#include <stdio.h>

#include "base/linux_errno.h"
#include "swap/swap_spec.h"
#include "vmsim/error.h"

#define SAME (UINT64_C(1) << 63)
/* As from reclaim, which may take the last frames: that is where writes come from. */
#define GFP_STORE                                                                                                      \
    (VMSIM__GFP_KSWAPD_RECLAIM | VMSIM__GFP_NOWARN | VMSIM__GFP_HIGHMEM | VMSIM__GFP_MOVABLE_BIT | VMSIM__GFP_MEMALLOC)

#define AT(field) offsetof(struct vmsim__zram_spec, field)
const struct vmsim_param vmsim__zram_spec_params[] = {
    {.name = "size",
     .type = VMSIM_PARAM_SIZE,
     .offset = AT(size),
     .fallback = "0",
     .doc = "What it holds uncompressed (disksize); there is no default."},
    {.name = "mem_limit",
     .type = VMSIM_PARAM_SIZE,
     .offset = AT(mem_limit),
     .fallback = "0",
     .doc = "Memory that it may take: a write that would need more fails. 0: no limit."},
    VMSIM__COMPRESS_ROWS(AT(compress), "lzo-rle"),
    {0},
};

/* NULL: it can be; else what is wrong, and *key is the key that it is about. */
const char *vmsim__zram_judge(const struct vmsim__zram_spec *spec, const char **key) {
    *key = "size";
    if (!spec->size)
        return "a zram device needs a size: what it holds uncompressed, like 1GiB";
    return spec->size < VMSIM__SWAP_SIZE_MIN ? "less than ten pages of 4 KiB are too little for swap"
                                             : vmsim__compress_judge(&spec->compress, key);
}

void vmsim__zram_init(struct vmsim__zram *z, unsigned number, const struct vmsim__zram_spec *spec,
                      struct vmsim__alloc *alloc, struct vmsim__slab *nodes, struct vmsim__mem *mem, uint64_t seed) {
    VMSIM__ASSERT(spec->size);
    *z = (struct vmsim__zram){.spec = *spec};
    snprintf(z->name, sizeof z->name, "zram%u", number);
    vmsim__zspool_init(&z->pool, alloc, mem);
    vmsim__radix_init(&z->blocks, nodes);
    vmsim__compress_settle(&z->spec.compress, z->pool.page, seed);
}

/* CPU 0 frees: the machine is going. */
void vmsim__zram_fini(struct vmsim__zram *z) {
    uint64_t block = 0;
    while (vmsim__radix_next(&z->blocks, &block))
        vmsim__zram_free(z, block, 0);
    vmsim__zspool_fini(&z->pool);
    vmsim__radix_fini(&z->blocks);
}

static void pay(const struct vmsim__zram *z, uint64_t ns) {
    vmsim__now_charge(&z->pool.mem->now, ns);
}

/* Frames for so many bytes; 0: none, or more than allowed. The limit is asked behind the allocation, since only then
 * is it known how many frames it took. Kernel: zs_get_total_pages against limit_pages. */
static uint32_t store(struct vmsim__zram *z, uint32_t bytes, unsigned cpu) {
    const uint32_t object = vmsim__zs_alloc(&z->pool, bytes, GFP_STORE, cpu);
    if (!object)
        return 0;
    z->stat.used_max = vmsim__max64(z->stat.used_max, z->pool.pages);
    if (!z->spec.mem_limit || z->pool.pages * z->pool.page <= z->spec.mem_limit)
        return object;
    vmsim__zs_free(&z->pool, object, cpu);
    return 0;
}

/* What a block held goes. */
static void release(struct vmsim__zram *z, uint64_t entry, unsigned cpu) {
    if (!entry)
        return;
    const uint32_t bytes = (uint32_t)(entry >> 32) & ~(1u << 31);
    VMSIM__ASSERT(z->stat.stored > 0);
    z->stat.stored--;
    if (entry & SAME) {
        z->stat.same--;
        return;
    }
    z->stat.bytes -= bytes;
    z->stat.huge -= bytes == z->pool.page;
    vmsim__zs_free(&z->pool, (uint32_t)entry, cpu);
}

/* Kernel: __zram_bvec_write. The new contents are there before the old ones go: a write that fails leaves what was
 * stored. What does not compress well is stored whole, a page of one word in no frame at all. */
int vmsim__zram_write(struct vmsim__zram *z, uint64_t block, uint64_t space, uint64_t index, unsigned cpu) {
    const struct vmsim__compress_spec *c = &z->spec.compress;
    uint32_t bytes = vmsim__compressed_size(c, space, index, z->pool.page), object = 0;
    uint64_t old = 0;
    VMSIM__ASSERT(block < z->spec.size / z->pool.page);
    pay(z, c->copy + (bytes ? c->compress : 0));
    if (bytes) {
        bytes = bytes >= z->pool.huge ? z->pool.page : bytes;
        object = store(z, bytes, cpu);
    }
    const bool kept =
        (!bytes || object) && vmsim__radix_set(&z->blocks, block, bytes ? (uint64_t)bytes << 32 | object : SAME, &old);
    if (!kept) {
        z->pool.host_nomem |= !bytes || object;
        if (object)
            vmsim__zs_free(&z->pool, object, cpu);
        z->stat.failed++;
        return -VMSIM__L_ENOMEM;
    }
    z->stat.writes++;
    z->stat.stored++;
    z->stat.same += !bytes;
    z->stat.bytes += bytes;
    z->stat.huge += bytes == z->pool.page;
    z->stat.huge_since += bytes == z->pool.page;
    release(z, old, cpu);
    return 0;
}

/* Contents are nobody's business here: what it costs is. */
void vmsim__zram_read(struct vmsim__zram *z, uint64_t block) {
    const uint64_t entry = vmsim__radix_get(&z->blocks, block);
    const bool whole = entry & SAME || entry >> 32 == z->pool.page;
    VMSIM__ASSERT(entry);
    z->stat.reads++;
    pay(z, whole ? z->spec.compress.copy : z->spec.compress.decompress);
}

/* A slot that is given back is discarded at once (swap_slot_free_notify): the device does not fill up with what
 * nobody wants. */
void vmsim__zram_free(struct vmsim__zram *z, uint64_t block, unsigned cpu) {
    const uint64_t entry = vmsim__radix_remove(&z->blocks, block);
    z->stat.freed += entry != 0;
    release(z, entry, cpu);
}

int vmsim__zram_check(const struct vmsim__zram *z, struct vmsim__err *err) {
    struct vmsim__zram_stat found = {0};
    uint64_t block = 0;
    for (uint64_t entry; (entry = vmsim__radix_next(&z->blocks, &block)) != 0; block++) {
        const uint64_t bytes = entry & SAME ? 0 : entry >> 32;
        found.stored++;
        found.same += !bytes;
        found.huge += bytes == z->pool.page;
        found.bytes += bytes;
    }
    if (found.stored != z->stat.stored || found.same != z->stat.same || found.huge != z->stat.huge ||
        found.bytes != z->stat.bytes || found.stored - found.same != z->pool.objects)
        return vmsim__err_set(err, VMSIM_ECHECK, "%s: %llu pages (%llu same, %llu huge) of %llu bytes, not as counted",
                              z->name, (unsigned long long)found.stored, (unsigned long long)found.same,
                              (unsigned long long)found.huge, (unsigned long long)found.bytes);
    return vmsim__zspool_check(&z->pool, err);
}
