/* SPDX-License-Identifier: MIT */
/* Entries of zswap, their order, and the limits of its pool (see zswap.h). */
#include "swap/zswap.h"

#include <stddef.h>

#include "vmsim/error.h"

#define NONE UINT32_MAX
#define HEADER 8u /* bytes that say whose slot it is, before what zbud keeps: zbud writes back by itself */
/* As from reclaim, which may take the last frames. */
#define GFP_STORE (VMSIM__GFP_KSWAPD_RECLAIM | VMSIM__GFP_NOWARN | VMSIM__GFP_NORETRY | VMSIM__GFP_MEMALLOC)

static const char *const pool_names[] = {"zbud", "zsmalloc", "default", NULL};

#define AT(field) offsetof(struct vmsim__zswap_spec, field)
const struct vmsim_param vmsim__zswap_spec_params[] = {
    {.name = "enabled",
     .type = VMSIM_PARAM_BOOL,
     .offset = AT(enabled),
     .fallback = "false",
     .doc = "Pages on their way to swap are kept in memory, compressed; Debian builds it in, and leaves it off."},
    {.name = "zpool",
     .type = VMSIM_PARAM_ENUM,
     .offset = AT(pool),
     .fallback = "default",
     .choices = pool_names,
     .doc = "How compressed pages lie in frames: zbud, two a frame (the default of Debian's 6.1), or zsmalloc, by size "
            "(of later kernels)."},
    {.name = "max_pool_percent",
     .type = VMSIM_PARAM_UINT,
     .offset = AT(max_pool),
     .fallback = "20",
     .max = 100,
     .doc = "Of memory that the pool may take; above it the oldest pages go on to their devices."},
    {.name = "accept_threshold_percent",
     .type = VMSIM_PARAM_UINT,
     .offset = AT(accept_threshold),
     .fallback = "90",
     .max = 100,
     .doc = "Of that: once it was full it takes no page until it has shrunk below."},
    {.name = "same_filled_pages_enabled",
     .type = VMSIM_PARAM_BOOL,
     .offset = AT(same_filled),
     .fallback = "true",
     .doc = "Pages that have one word all over take no memory; the switch is gone since 6.10."},
    VMSIM__COMPRESS_ROWS(AT(compress), "lzo"),
    {0},
};

const char *vmsim__zswap_judge(const struct vmsim__zswap_spec *spec, const char **key) {
    return vmsim__compress_judge(&spec->compress, key);
}

/* ---- life ---- */

void vmsim__zswap_init(struct vmsim__zswap *z, const struct vmsim__zswap_spec *spec, struct vmsim__alloc *alloc,
                       struct vmsim__slab *nodes, struct vmsim__mem *mem, uint64_t seed) {
    *z = (struct vmsim__zswap){.spec = *spec, .alloc = alloc, .mem = mem, .oldest = NONE, .newest = NONE, .free = NONE};
    vmsim__zspool_init(&z->zs, alloc, mem);
    vmsim__zbud_init(&z->zbud, alloc, mem);
    vmsim__radix_init(&z->entries, nodes);
    vmsim__compress_settle(&z->spec.compress, z->zs.page, seed);
    if (spec->pool == VMSIM__ZPOOL_DEFAULT)
        z->spec.pool = mem->kernel->zswap_exclusive ? VMSIM__ZPOOL_ZSMALLOC : VMSIM__ZPOOL_ZBUD;
}

void vmsim__zswap_fini(struct vmsim__zswap *z) {
    uint64_t slot = 0;
    while (vmsim__radix_next(&z->entries, &slot))
        vmsim__zswap_drop(z, vmsim__swp_of_slot_word(slot), 0);
    vmsim__zspool_fini(&z->zs);
    vmsim__zbud_fini(&z->zbud);
    vmsim__radix_fini(&z->entries);
    vmsim__vec_fini(z->alloc, &z->at);
}

/* ---- the pool ---- */

static bool has_zbud(const struct vmsim__zswap *z) {
    return z->spec.pool == VMSIM__ZPOOL_ZBUD;
}

uint64_t vmsim__zswap_pages(const struct vmsim__zswap *z) {
    return z->zs.pages + z->zbud.pages;
}

static bool is_full(const struct vmsim__zswap *z) {
    return vmsim__zswap_pages(z) > z->mem->totalram * z->spec.max_pool / 100;
}

bool vmsim__zswap_can_accept(const struct vmsim__zswap *z) {
    return vmsim__zswap_pages(z) < z->mem->totalram * z->spec.accept_threshold / 100 * z->spec.max_pool / 100;
}

/* Room for a compressed page; 0: none, and why is counted. */
static uint32_t find_room(struct vmsim__zswap *z, uint32_t bytes, unsigned cpu) {
    VMSIM__ASSERT(bytes > 0 && bytes <= z->zs.page);
    if (has_zbud(z) ? !vmsim__zbud_takes(&z->zbud, bytes + HEADER) : bytes == z->zs.page) {
        z->stat.compress_poor += z->mem->kernel->zswap_exclusive; /* 6.1 counts it nowhere */
        return 0;
    }
    const uint32_t gfp = GFP_STORE | VMSIM__GFP_HIGHMEM | VMSIM__GFP_MOVABLE_BIT;
    const uint32_t object = has_zbud(z) ? vmsim__zbud_alloc(&z->zbud, bytes + HEADER, GFP_STORE, cpu)
                                        : vmsim__zs_alloc(&z->zs, bytes, gfp, cpu);
    z->host_nomem |= z->zbud.host_nomem || z->zs.host_nomem;
    z->stat.alloc_fail += !object;
    return object;
}

static void give_room(struct vmsim__zswap *z, uint32_t object, unsigned cpu) {
    if (!object)
        return;
    if (has_zbud(z))
        vmsim__zbud_free(&z->zbud, object, cpu);
    else
        vmsim__zs_free(&z->zs, object, cpu);
}

/* ---- order: of those that take memory ---- */

/* Oldest first: what is written back when the pool is full. Pages of one word take no memory, and are not in it. */
static void append(struct vmsim__zswap *z, uint32_t i) {
    z->at.at[i].next = NONE;
    z->at.at[i].prev = z->newest;
    if (z->newest != NONE)
        z->at.at[z->newest].next = i;
    else
        z->oldest = i;
    z->newest = i;
}

static void unlink_entry(struct vmsim__zswap *z, uint32_t i) {
    const struct vmsim__zswap_entry *n = &z->at.at[i];
    if (n->prev != NONE)
        z->at.at[n->prev].next = n->next;
    else
        z->oldest = n->next;
    if (n->next != NONE)
        z->at.at[n->next].prev = n->prev;
    else
        z->newest = n->prev;
}

/* By slot: area and place in one word, as swap entries are. */
static uint32_t number_of(const struct vmsim__zswap *z, struct vmsim__swp e) {
    const uint64_t found = vmsim__radix_get(&z->entries, vmsim__swp_slot_word(e));
    return found ? (uint32_t)found - 1 : NONE;
}

const struct vmsim__zswap_entry *vmsim__zswap_find(const struct vmsim__zswap *z, struct vmsim__swp e) {
    const uint32_t i = number_of(z, e);
    return i == NONE ? NULL : &z->at.at[i];
}

/* A second chance for what was stored or used since it came by last; after one round everybody has had it. Kernel:
 * zswap_shrink since 6.8; before, `referenced` is never set. */
bool vmsim__zswap_victim(struct vmsim__zswap *z, struct vmsim__swp *e) {
    for (uint64_t n = 0; z->oldest != NONE && n <= z->stat.stored; n++) {
        struct vmsim__zswap_entry *oldest = &z->at.at[z->oldest];
        *e = vmsim__swp_of_slot_word(oldest->slot);
        if (!oldest->referenced)
            return true;
        vmsim__zswap_rotate(z, *e);
    }
    return false;
}

/* Also for a victim that cannot go now: the next one is tried. */
void vmsim__zswap_rotate(struct vmsim__zswap *z, struct vmsim__swp e) {
    const uint32_t i = number_of(z, e);
    VMSIM__ASSERT(i != NONE);
    z->at.at[i].referenced = false;
    unlink_entry(z, i);
    append(z, i);
}

/* ---- entries ---- */

/* May a page be taken now? Kernel: the beginning of both stores. With hysteresis: once it was full it takes nothing
 * until it has shrunk below the acceptance threshold, or it would write one page out for each that it takes in. */
static bool accepts(struct vmsim__zswap *z) {
    if (!z->spec.enabled)
        return false;
    if (is_full(z)) {
        z->stat.limit_hit++;
        z->was_full = true;
        z->shrink = true;
        return false;
    }
    z->was_full = z->was_full && !vmsim__zswap_can_accept(z);
    return !z->was_full;
}

/* A record in no order yet; NONE: no host memory. */
static uint32_t new_entry(struct vmsim__zswap *z) {
    if (z->free != NONE) {
        const uint32_t i = z->free;
        z->free = z->at.at[i].next;
        return i;
    }
    if (!vmsim__vec_push(z->alloc, &z->at, (struct vmsim__zswap_entry){0}))
        return NONE;
    return (uint32_t)z->at.count - 1;
}

/* NULL: no host memory; the caller has its room back. */
static const struct vmsim__zswap_entry *insert(struct vmsim__zswap *z, const struct vmsim__zswap_entry *what) {
    const uint32_t i = new_entry(z);
    const bool kept = i != NONE && vmsim__radix_set(&z->entries, what->slot, (uint64_t)i + 1, NULL);
    if (!kept) {
        z->host_nomem = true;
        if (i != NONE) {
            z->at.at[i].next = z->free;
            z->free = i;
        }
        return NULL;
    }
    z->at.at[i] = *what;
    if (what->object)
        append(z, i);
    z->stat.stored++;
    z->stat.same += !what->object;
    z->stat.bytes += what->bytes;
    return &z->at.at[i];
}

/* NULL: the page goes to its device. Time is paid for compression also where the pool then has no room. */
const struct vmsim__zswap_entry *vmsim__zswap_store(struct vmsim__zswap *z, struct vmsim__swp e, uint64_t space,
                                                    uint64_t index, unsigned cpu) {
    const struct vmsim__compress_spec *c = &z->spec.compress;
    VMSIM__ASSERT(number_of(z, e) == NONE);
    if (!accepts(z))
        return NULL;
    uint32_t bytes = vmsim__compressed_size(c, space, index, z->zs.page);
    if (!bytes && !z->spec.same_filled)
        bytes = 64; /* what a page of one word compresses to: a few tens of bytes */
    vmsim__now_charge(&z->mem->now, c->copy + (bytes ? c->compress : 0));
    const uint32_t object = bytes ? find_room(z, bytes, cpu) : 0;
    if (bytes && !object)
        return NULL;
    const struct vmsim__zswap_entry *entry =
        insert(z, &(struct vmsim__zswap_entry){.slot = vmsim__swp_slot_word(e),
                                               .object = object,
                                               .bytes = (uint16_t)bytes,
                                               .referenced = z->mem->kernel->zswap_exclusive});
    if (!entry)
        give_room(z, object, cpu);
    return entry;
}

/* The entry stays; newer kernels drop it then, which is the caller's choice (zswap_exclusive). */
void vmsim__zswap_load(struct vmsim__zswap *z, const struct vmsim__zswap_entry *entry) {
    const struct vmsim__compress_spec *c = &z->spec.compress;
    VMSIM__ASSERT(entry && entry->slot);
    vmsim__now_charge(&z->mem->now, entry->object ? c->decompress : c->copy);
}

void vmsim__zswap_drop(struct vmsim__zswap *z, struct vmsim__swp e, unsigned cpu) {
    const uint32_t i = number_of(z, e);
    VMSIM__ASSERT(i != NONE && z->stat.stored > 0);
    struct vmsim__zswap_entry *n = &z->at.at[i];
    vmsim__radix_remove(&z->entries, n->slot);
    if (n->object)
        unlink_entry(z, i);
    give_room(z, n->object, cpu);
    z->stat.stored--;
    z->stat.same -= !n->object;
    z->stat.bytes -= n->bytes;
    *n = (struct vmsim__zswap_entry){.next = z->free};
    z->free = i;
}

int vmsim__zswap_check(const struct vmsim__zswap *z, struct vmsim__err *err) {
    uint64_t stored = 0, same = 0, bytes = 0, listed = 0, slot = 0;
    for (uint64_t found; (found = vmsim__radix_next(&z->entries, &slot)) != 0; slot++) {
        const struct vmsim__zswap_entry *n = &z->at.at[found - 1];
        stored++;
        same += !n->object;
        bytes += n->bytes;
        if (n->slot != slot)
            return vmsim__err_set(err, VMSIM_ECHECK, "zswap: an entry is found by another's slot");
    }
    for (uint32_t i = z->oldest; i != NONE && listed <= stored; i = z->at.at[i].next)
        listed++;
    if (stored != z->stat.stored || same != z->stat.same || bytes != z->stat.bytes || listed != stored - same ||
        listed != z->zs.objects + z->zbud.objects)
        return vmsim__err_set(err, VMSIM_ECHECK, "zswap: %llu pages (%llu same) of %llu bytes, not as counted",
                              (unsigned long long)stored, (unsigned long long)same, (unsigned long long)bytes);
    int e = vmsim__zspool_check(&z->zs, err);
    return e ? e : vmsim__zbud_check(&z->zbud, err);
}
