/* SPDX-License-Identifier: MIT */
/* A hash table of shadows (see reclaim_shadows.h): linear probing, and entries behind a hole move up when one goes, so
 * that there are no tombstones. */
#include "reclaim/reclaim_shadows.h"

#define LEAST_SLOTS 64u

void vmsim__reclaim_shadows_fini(struct vmsim__reclaim_shadows *s) {
    if (s->slot)
        vmsim__free(s->alloc, s->slot, s->slots * sizeof *s->slot);
    s->slot = NULL;
    s->slots = s->count = 0;
}

/* Finalizer of MurmurHash3's 64-bit form: every bit of the key reaches the low ones. */
static size_t home_of(const struct vmsim__reclaim_shadows *s, struct vmsim__shadow_key key) {
    uint64_t h = key.index ^ key.object * UINT64_C(0x9e3779b97f4a7c15);
    h = (h ^ h >> 33) * UINT64_C(0xff51afd7ed558ccd);
    h = (h ^ h >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    return (size_t)(h ^ h >> 33) & (s->slots - 1);
}

/* The slot of a key, or the empty one where it would be. */
static size_t find(const struct vmsim__reclaim_shadows *s, struct vmsim__shadow_key key) {
    VMSIM__ASSERT(s->slots && s->count < s->slots);
    size_t i = home_of(s, key);
    while (s->slot[i].shadow && (s->slot[i].key.object != key.object || s->slot[i].key.index != key.index))
        i = (i + 1) & (s->slots - 1);
    return i;
}

/* At most two of three slots are taken. False: no host memory, and all is as it was. */
static bool make_place(struct vmsim__reclaim_shadows *s) {
    if (3 * (s->count + 1) <= 2 * s->slots)
        return true;
    struct vmsim__reclaim_shadows bigger = {.slots = s->slots ? 2 * s->slots : LEAST_SLOTS, .alloc = s->alloc};
    bigger.slot = vmsim__calloc(s->alloc, bigger.slots, sizeof *bigger.slot);
    if (!bigger.slot)
        return false;
    for (size_t i = 0; i < s->slots; i++) {
        if (s->slot[i].shadow)
            bigger.slot[find(&bigger, s->slot[i].key)] = s->slot[i];
    }
    bigger.count = s->count;
    vmsim__reclaim_shadows_fini(s);
    *s = bigger;
    return true;
}

uint64_t vmsim__reclaim_shadow_look(const struct vmsim__reclaim_shadows *s, struct vmsim__shadow_key key) {
    return s->count ? s->slot[find(s, key)].shadow : 0;
}

void vmsim__reclaim_shadow_expect(const struct vmsim__reclaim_shadows *s, struct vmsim__shadow_key key) {
    if (s->count)
        __builtin_prefetch(&s->slot[home_of(s, key)], 1);
}

uint64_t vmsim__reclaim_shadow_take(struct vmsim__reclaim_shadows *s, struct vmsim__shadow_key key) {
    if (!s->count)
        return 0;
    size_t hole = find(s, key);
    const uint64_t shadow = s->slot[hole].shadow;
    if (!shadow)
        return 0;
    s->count--;
    for (size_t i = (hole + 1) & (s->slots - 1); s->slot[i].shadow; i = (i + 1) & (s->slots - 1)) {
        const size_t home = home_of(s, s->slot[i].key);
        if (((i - home) & (s->slots - 1)) < ((i - hole) & (s->slots - 1)))
            continue; /* it would come before its home */
        s->slot[hole] = s->slot[i];
        hole = i;
    }
    s->slot[hole] = (struct vmsim__shadow_slot){.shadow = 0};
    return shadow;
}

void vmsim__reclaim_shadow_put(struct vmsim__reclaim_shadows *s, struct vmsim__shadow_key key, uint64_t shadow) {
    if (!shadow || !make_place(s)) {
        vmsim__reclaim_shadow_take(s, key);
        return;
    }
    const size_t i = find(s, key);
    s->count += !s->slot[i].shadow;
    s->slot[i] = (struct vmsim__shadow_slot){key, shadow};
}
