/* SPDX-License-Identifier: MIT */
/* One array of TLB entries: find, touch, fill with eviction, invalidate. Layout in tlb/tlb_internal.h.
 *
 * Lookups of one array may take several probes, because the place of a page depends on its size: one for each size that
 * the array holds at the moment, and a second one under the global tag where global entries of that size are present.
 * Machines with one size in use pay for one. */
#include "tlb/tlb_internal.h"

/* The comparison is written so that the compiler can do the common widths without a branch a way. */
VMSIM__INLINE uint64_t *find_n(uint64_t *tags, uint64_t tag, uint32_t ways) {
    for (uint32_t w = 0; w < ways; w++)
        if (tags[w] == tag)
            return tags + w;
    return NULL;
}

VMSIM__INLINE uint64_t *find_mask8(uint64_t *tags, uint64_t tag) {
    unsigned m = 0;
    for (unsigned w = 0; w < 8; w++)
        m |= (unsigned)(tags[w] == tag) << w;
    return m ? tags + __builtin_ctz(m) : NULL;
}

static uint64_t *find_wide(uint64_t *tags, uint64_t tag, uint32_t ways) {
    uint32_t w = 0;
    for (; w + 8 <= ways; w += 8) {
        uint64_t *hit = find_mask8(tags + w, tag);
        if (hit)
            return hit;
    }
    return find_n(tags + w, tag, ways - w);
}

VMSIM__INLINE uint64_t *find(uint64_t *tags, uint64_t tag, uint32_t ways) {
    if (ways == 4)
        return find_n(tags, tag, 4);
    return ways == 8 ? find_mask8(tags, tag) : find_wide(tags, tag, ways);
}

uint64_t *vmsim__tlb_array_find(const struct vmsim__tlb *t, const struct tlb_array *r, uint16_t asid, uint64_t va) {
    for (unsigned i = 0; i < r->classes; i++) {
        unsigned c = r->class_at[i];
        if (!r->present[c])
            continue;
        uint64_t page = tlb_va57(va) >> t->class_shift[c];
        uint64_t *tags = tlb_tags(r, tlb_set(r, page)), *hit = find(tags, tlb_tag(page, asid, c), r->ways);
        if (!hit && r->global[c])
            hit = find(tags, tlb_tag(page, VMSIM__ASID_GLOBAL, c), r->ways);
        if (hit)
            return hit;
    }
    return NULL;
}

static struct vmsim_tlb_set set_of(const struct vmsim__tlb *t, const struct tlb_array *r, const uint64_t *tag) {
    uint32_t set = (uint32_t)((size_t)(tag - r->block) / (3 * (size_t)r->ways));
    return (struct vmsim_tlb_set){set, 0, r->ways, r->block + (size_t)set * 3 * r->ways + r->ways, t->now};
}

static uint32_t way_of(const struct tlb_array *r, const uint64_t *tag) {
    return (uint32_t)((size_t)(tag - r->block) % (3 * (size_t)r->ways));
}

void vmsim__tlb_array_touch(struct vmsim__tlb *t, struct tlb_array *r, uint64_t *tag) {
    *tlb_use(r, tag) = t->now;
    if (VMSIM__UNLIKELY(r->policy->hit != NULL)) {
        struct vmsim_tlb_set set = set_of(t, r, tag);
        r->policy->hit(r->instance.context, &set, way_of(r, tag));
    }
}

static void forget(struct vmsim__tlb *t, struct tlb_array *r, uint64_t *tag) {
    uint64_t old = *tag, *data = tlb_data(r, tag);
    unsigned c = tlb_tag_class(old);
    if (*data & TLB_FILTERED)
        vmsim__tlb_filter_drop(t, old, tlb_use(r, tag));
    r->present[c]--;
    r->global[c] -= tlb_tag_asid(old) == VMSIM__ASID_GLOBAL;
    r->valid--;
}

void vmsim__tlb_array_clear(struct vmsim__tlb *t, struct tlb_array *r, uint64_t *tag) {
    forget(t, r, tag);
    *tag = TLB_INVALID;
    *tlb_use(r, tag) = 0;
    *tlb_data(r, tag) = 0;
    if (r->policy->invalidate)
        r->policy->invalidate(r->instance.context, set_of(t, r, tag).set, way_of(r, tag));
}

/* What leaves an inclusive array leaves the levels before it. */
static void back_invalidate(struct vmsim__tlb *t, const struct tlb_array *r, uint64_t tag) {
    unsigned shift = t->class_shift[tlb_tag_class(tag)];
    uint64_t va = tag >> TLB_PAGE_SHIFT << shift;
    for (unsigned i = 0; i < t->arrays; i++)
        if (t->array[i].level < r->level && (r->holds == VMSIM__TLB_BOTH || t->array[i].holds == r->holds))
            vmsim__tlb_array_drop(t, &t->array[i], tlb_tag_asid(tag), va, shift, false);
}

/* Least recently used of n ways; an empty one (0) comes before all. */
VMSIM__INLINE uint32_t oldest(const uint64_t *use, uint32_t n) {
    uint32_t at = 0;
    uint64_t least = use[0];
    for (uint32_t w = 1; w < n; w++) {
        at = use[w] < least ? w : at;
        least = use[w] < least ? use[w] : least;
    }
    return at;
}

/* A way for a page of `class`: an empty one, else the policy's victim, evicted. */
static uint64_t *make_room(struct vmsim__tlb *t, struct tlb_array *r, uint64_t *tags, unsigned class) {
    uint32_t first = r->first[class], count = r->count[class];
    const uint64_t *use = tags + r->ways;
    uint32_t w = first + (count == 8   ? oldest(use + first, 8)
                          : count == 4 ? oldest(use + first, 4)
                                       : oldest(use + first, count));
    if (!use[w])
        return tags + w;
    if (VMSIM__UNLIKELY(!r->lru)) {
        struct vmsim_tlb_set set = set_of(t, r, tags);
        set.first = first;
        set.ways = count;
        w = r->policy->victim(r->instance.context, &set);
        if (w < first || w - first >= count)
            w = first;
    }
    uint64_t old = tags[w];
    r->by_size[tlb_tag_class(old)].evict++;
    forget(t, r, tags + w);
    if (VMSIM__UNLIKELY(r->inclusive))
        back_invalidate(t, r, old);
    return tags + w;
}

uint64_t *vmsim__tlb_array_fill(struct vmsim__tlb *t, struct tlb_array *r, uint64_t va, unsigned class, uint64_t data,
                                uint16_t asid) {
    uint64_t page = tlb_va57(va) >> t->class_shift[class], tag = tlb_tag(page, asid, class);
    uint64_t *tags = tlb_tags(r, tlb_set(r, page)), *at = r->present[class] ? find(tags, tag, r->ways) : NULL;
    if (at)
        forget(t, r, at);
    else
        at = make_room(t, r, tags, class);
    *at = tag;
    *tlb_use(r, at) = t->now;
    *tlb_data(r, at) = data;
    r->present[class]++;
    r->global[class] += asid == VMSIM__ASID_GLOBAL;
    r->valid++;
    r->by_size[class].fill++;
    if (VMSIM__UNLIKELY(r->policy->fill != NULL)) {
        struct vmsim_tlb_set set = set_of(t, r, at);
        r->policy->fill(r->instance.context, &set, way_of(r, at));
    }
    return at;
}

static unsigned drop_tag(struct vmsim__tlb *t, struct tlb_array *r, uint64_t page, uint16_t asid, unsigned class) {
    uint64_t *hit = find(tlb_tags(r, tlb_set(r, page)), tlb_tag(page, asid, class), r->ways);
    if (!hit)
        return 0;
    vmsim__tlb_array_clear(t, r, hit);
    r->by_size[class].flush++;
    return 1;
}

/* Entries of `class`, smaller than the range: every one of them is looked at. */
static unsigned drop_scan(struct vmsim__tlb *t, struct tlb_array *r, uint16_t asid, uint64_t va, unsigned shift,
                          unsigned class, bool global) {
    unsigned dropped = 0, up = shift - t->class_shift[class];
    for (uint32_t s = 0; s < r->sets; s++) {
        uint64_t *tags = tlb_tags(r, s);
        for (uint32_t w = 0; w < r->ways; w++) {
            uint64_t tag = tags[w];
            if (tlb_tag_class(tag) != class || tag >> TLB_PAGE_SHIFT >> up != va >> shift)
                continue;
            if (tlb_tag_asid(tag) == asid || (global && tlb_tag_asid(tag) == VMSIM__ASID_GLOBAL)) {
                vmsim__tlb_array_clear(t, r, tags + w);
                r->by_size[class].flush++;
                dropped++;
            }
        }
    }
    return dropped;
}

unsigned vmsim__tlb_array_drop(struct vmsim__tlb *t, struct tlb_array *r, uint16_t asid, uint64_t va, unsigned shift,
                               bool global) {
    unsigned dropped = 0;
    va = tlb_va57(va);
    for (unsigned i = 0; i < r->classes; i++) {
        unsigned c = r->class_at[i];
        if (!r->present[c])
            continue;
        if (t->class_shift[c] < shift) {
            dropped += drop_scan(t, r, asid, va, shift, c, global);
            continue;
        }
        dropped += drop_tag(t, r, va >> t->class_shift[c], asid, c);
        if (global && r->global[c])
            dropped += drop_tag(t, r, va >> t->class_shift[c], VMSIM__ASID_GLOBAL, c);
    }
    return dropped;
}
