/* SPDX-License-Identifier: MIT */
/* One array of TLB entries: find, touch, fill with eviction, invalidate. Layout in tlb/tlb_internal.h. */
#include "tlb/tlb_fill.h"

/* Sizes of which nothing is there are not looked for: most programs have one. */
uint64_t *vmsim__tlb_array_find(const struct vmsim__tlb *t, const struct tlb_array *r, uint16_t asid, uint64_t va) {
    VMSIM__ASSERT(r >= t->array && r < t->array + t->arrays);
    (void)t;
    for (unsigned i = 0; i < r->classes; i++) {
        unsigned c = r->class_at[i];
        uint64_t *tag = r->present[c] ? tlb_look(&r->place[0][c], asid, va) : NULL;
        if (!tag && r->global[c])
            tag = tlb_look(&r->place[1][c], asid, va);
        if (tag)
            return tag;
    }
    return NULL;
}

/* Adds one look for each size that the array holds, and one more where some of that size are global. */
static const struct tlb_place **list_array(const struct tlb_array *r, const struct tlb_place **end) {
    for (unsigned i = 0; i < r->classes; i++) {
        unsigned c = r->class_at[i];
        if (r->present[c])
            *end++ = &r->place[0][c];
        if (r->global[c])
            *end++ = &r->place[1][c];
    }
    return end;
}

VMSIM__NOINLINE void vmsim__tlb_list_looks(struct vmsim__tlb *t) {
    const struct tlb_place **end = t->look;
    for (unsigned i = 0; i < t->arrays; i++)
        end = list_array(&t->array[i], end);
    *end = NULL;
    for (unsigned fetch = 0; fetch < 2; fetch++) {
        end = t->side[fetch].look;
        for (struct tlb_array *const *at = t->side[fetch].path; *at; at++)
            end = list_array(*at, end);
        VMSIM__ASSERT(end < t->side[fetch].look + VMSIM__COUNT(t->side[fetch].look));
        *end = NULL;
        vmsim__tlb_find_pair(t, &t->side[fetch]);
    }
}

/* An entry comes or goes. The first and last of a size, or global ones of it, change what is to be looked for.
 * Counts are what lets a flush of an address space with no entries, or a look for a size that is not there, cost
 * nothing. */
static void count_in(struct vmsim__tlb *t, struct tlb_array *r, uint64_t tag) {
    unsigned c = tlb_tag_class(tag);
    bool global = tlb_tag_asid(tag) == VMSIM__ASID_GLOBAL;
    r->valid++;
    ++*tlb_of_asid(r, tag);
    r->global[c] += global;
    if (!r->present[c]++ || (global && r->global[c] == 1))
        vmsim__tlb_list_looks(t);
    VMSIM__ASSERT(r->valid <= r->entries && r->present[c] >= r->global[c]);
}

static void count_out(struct vmsim__tlb *t, struct tlb_array *r, uint64_t tag) {
    unsigned c = tlb_tag_class(tag);
    bool global = tlb_tag_asid(tag) == VMSIM__ASID_GLOBAL;
    VMSIM__ASSERT(r->valid && r->present[c] && r->global[c] >= global);
    r->valid--;
    --*tlb_of_asid(r, tag);
    r->global[c] -= global;
    if (!--r->present[c] || (global && !r->global[c]))
        vmsim__tlb_list_looks(t);
}

static uint32_t set_number(const struct tlb_array *r, const uint64_t *tag) {
    VMSIM__ASSERT(tag >= r->block && tag < r->block + (size_t)r->sets * r->stride);
    return (uint32_t)((size_t)(tag - r->block) / r->stride);
}

/* What a policy sees of a set, when it is about the translation of tag `about`. Pages of 57 bits are signed again,
 * so that a policy sees kernel addresses as they are. */
static struct vmsim_tlb_set set_of(const struct vmsim__tlb *t, const struct tlb_array *r, uint32_t set,
                                   uint64_t about) {
    unsigned class = tlb_tag_class(about);
    uint64_t va = about >> TLB_PAGE_SHIFT << t->class_shift[class];
    VMSIM__ASSERT(about != TLB_INVALID && class < t->classes && set < r->sets);
    return (struct vmsim_tlb_set){.set = set,
                                  .ways = r->ways,
                                  .last_use = tlb_tags(r, set) + r->use,
                                  .now = t->now,
                                  .page = (uint64_t)((int64_t)(va << (64 - 57)) >> (64 - 57 + t->page_shift)),
                                  .pc = t->wants_access ? t->last_fetch : 0,
                                  .asid = tlb_tag_asid(about),
                                  .page_shift = t->class_shift[class],
                                  .access = t->access};
}

static uint32_t way_of(const struct tlb_array *r, const uint64_t *tag) {
    VMSIM__ASSERT(tag >= r->block && (size_t)(tag - r->block) % r->stride < r->ways);
    return (uint32_t)((size_t)(tag - r->block) % r->stride);
}

static uint64_t *order_of(const struct tlb_array *r, const uint64_t *tag) {
    VMSIM__ASSERT(r->order && tag >= r->block);
    return &r->order[(size_t)(tag - r->block) / r->stride];
}

/* An order knows no times: nothing but which way was used after which. */
void vmsim__tlb_array_touch(struct vmsim__tlb *t, struct tlb_array *r, uint64_t *tag) {
    VMSIM__ASSERT(*tag != TLB_INVALID);
    if (r->order) {
        uint64_t *order = order_of(r, tag);
        *order = tlb_order_touch(*order, r->ways, way_of(r, tag));
        return;
    }
    *tlb_use(r, tag) = t->now;
    if (VMSIM__UNLIKELY(r->policy->hit != NULL)) {
        struct vmsim_tlb_set set = set_of(t, r, set_number(r, tag), *tag);
        r->policy->hit(r->instance.context, &set, way_of(r, tag));
    }
}

/* The entry stops being what it is: gone from what finds entries, filter and hash. Counts are the caller's. */
static void unlink(struct vmsim__tlb *t, struct tlb_array *r, uint64_t *tag) {
    uint64_t old = *tag, *data = tlb_data(r, tag);
    VMSIM__ASSERT(old != TLB_INVALID);
    if (*data & TLB_FILTERED)
        tlb_filter_drop(t, old, *data, tag + r->use);
    if (r->wide.head)
        tlb_wide_remove(&r->wide, (uint32_t)(tag - r->block), old);
}

/* An empty way has no time of use, or is last in the order, and so is the first victim of every policy. */
void vmsim__tlb_array_clear(struct vmsim__tlb *t, struct tlb_array *r, uint64_t *tag) {
    VMSIM__ASSERT(*tag != TLB_INVALID);
    unlink(t, r, tag);
    count_out(t, r, *tag);
    *tag = TLB_INVALID;
    *tlb_data(r, tag) = 0;
    if (r->order) {
        uint64_t *order = order_of(r, tag);
        *order = tlb_order_empty(*order, way_of(r, tag));
        return;
    }
    *tlb_use(r, tag) = 0;
    if (r->wide.head)
        vmsim__tlb_wide_empty(&r->wide, (uint32_t)(tag - r->block));
    if (r->policy->invalidate)
        r->policy->invalidate(r->instance.context, set_number(r, tag), way_of(r, tag));
}

/* What leaves an inclusive array leaves the levels before it. */
static void back_invalidate(struct vmsim__tlb *t, const struct tlb_array *r, uint64_t tag) {
    VMSIM__ASSERT(r->inclusive && tag != TLB_INVALID);
    unsigned shift = t->class_shift[tlb_tag_class(tag)];
    uint64_t va = tag >> TLB_PAGE_SHIFT << shift;
    for (unsigned i = 0; i < t->arrays; i++)
        if (t->array[i].level < r->level && (r->holds == VMSIM__TLB_BOTH || t->array[i].holds == r->holds))
            vmsim__tlb_array_drop(t, &t->array[i], tlb_tag_asid(tag), va, shift, false);
}

/* By the order. Limits make a way's number matter: an empty way is the first one by number, as elsewhere. */
static uint32_t least_in_order(const struct tlb_array *r, uint32_t set, uint32_t first, uint32_t count) {
    const uint64_t *tags = tlb_tags(r, set);
    uint64_t order = r->order[set];
    for (uint32_t w = first; w < first + count; w++)
        if (tags[w] == TLB_INVALID)
            return w;
    while (tlb_order_oldest(order) - first >= count)
        order >>= 4;
    return tlb_order_oldest(order);
}

/* The least recently used way of those that a class may take, the first empty one if there is any. */
static uint32_t least_used(struct tlb_array *r, uint32_t set, unsigned class) {
    const uint32_t first = r->first[class], count = r->count[class];
    if (r->order)
        return least_in_order(r, set, first, count);
    const uint64_t *use = tlb_tags(r, set) + r->use;
    if (!r->wide.head)
        return first + tlb_oldest(use + first, count);
    uint32_t w = vmsim__tlb_wide_oldest(&r->wide, set) - set * r->ways;
    if (!r->lru && !use[w])
        for (w = 0; use[w]; w++)
            ;
    return w;
}

/* The policy's victim among ways that are all taken. One from a plugin may answer anything: what lies outside the ways
 * is reported, and the least recently used goes. */
static uint32_t policy_victim(struct vmsim__tlb *t, struct tlb_array *r, uint32_t set, uint64_t about) {
    unsigned class = tlb_tag_class(about);
    struct vmsim_tlb_set seen = set_of(t, r, set, about);
    seen.first = r->first[class];
    seen.ways = r->count[class];
    uint32_t w = r->policy->victim(r->instance.context, &seen);
    if (VMSIM__LIKELY(w >= seen.first && w - seen.first < seen.ways))
        return w;
    vmsim__policy_fallback(&r->instance,
                           "chose way %u of set %u of TLB array %s, where ways %u to %u are to choose from", w, set,
                           r->name, seen.first, seen.first + seen.ways - 1);
    return least_used(r, set, class);
}

/* A way for a page of tag `about`: an empty one, else the policy's victim. */
static uint32_t find_room(struct vmsim__tlb *t, struct tlb_array *r, uint32_t set, uint64_t about) {
    VMSIM__ASSERT(tlb_tag_class(about) < t->classes && r->count[tlb_tag_class(about)]);
    if (r->lru || r->valid < r->entries) {
        uint32_t w = least_used(r, set, tlb_tag_class(about));
        if (r->lru || tlb_tags(r, set)[w] == TLB_INVALID)
            return w;
    }
    return policy_victim(t, r, set, about);
}

/* Out of the way for a page that looks go by alike? Then what is to be looked for stays as it is, and the counts
 * need no change. */
static bool evict(struct vmsim__tlb *t, struct tlb_array *r, uint64_t *tag, uint64_t for_tag) {
    uint64_t old = *tag;
    bool alike = tlb_replaces(r, old, for_tag);
    r->by_size[tlb_tag_class(old)].evict++;
    unlink(t, r, tag);
    if (!alike)
        count_out(t, r, old);
    if (VMSIM__UNLIKELY(r->inclusive))
        back_invalidate(t, r, old);
    return alike;
}

/* `absent`: the caller has just missed, so that the page cannot be there. A page that is there already is replaced
 * where it is, with its new rights. */
uint64_t *vmsim__tlb_array_fill(struct vmsim__tlb *t, struct tlb_array *r, uint64_t va, unsigned class, uint64_t data,
                                uint16_t asid, bool absent) {
    VMSIM__ASSERT(class < t->classes && r->count[class]);
    uint64_t page = tlb_va57(va) >> t->class_shift[class], tag = tlb_tag(page, asid, class);
    uint32_t set = tlb_set(r, page);
    uint64_t *tags = tlb_tags(r, set), *at = absent || !r->present[class] ? NULL : tlb_find_tag(r, tags, tag);
    bool counted = at != NULL; /* among those present already */
    if (at)
        unlink(t, r, at);
    else
        at = tags + find_room(t, r, set, tag);
    if (!counted && *at != TLB_INVALID)
        counted = evict(t, r, at, tag);
    const uint32_t way = (uint32_t)(at - tags);
    *at = tag;
    *tlb_data(r, at) = data;
    if (r->order)
        r->order[set] = tlb_order_touch(r->order[set], r->ways, way);
    else
        *tlb_use(r, at) = t->now;
    if (r->wide.head)
        tlb_wide_insert(&r->wide, (uint32_t)(at - r->block), tag, t->now);
    if (!counted)
        count_in(t, r, tag);
    r->by_size[class].fill++;
    if (VMSIM__UNLIKELY(r->policy->fill != NULL)) {
        struct vmsim_tlb_set filled = set_of(t, r, set, tag);
        filled.prefetched = data & TLB_PREFETCHED;
        r->policy->fill(r->instance.context, &filled, way);
    }
    return at;
}

/* At most one: a tag stands once in its set. */
static unsigned drop_tag(struct vmsim__tlb *t, struct tlb_array *r, uint64_t page, uint16_t asid, unsigned class) {
    VMSIM__ASSERT(class < t->classes);
    uint64_t *hit = tlb_find_tag(r, tlb_tags(r, tlb_set(r, page)), tlb_tag(page, asid, class));
    if (!hit)
        return 0;
    vmsim__tlb_array_clear(t, r, hit);
    r->by_size[class].flush++;
    return 1;
}

/* Entries of `class`, smaller than the range: every one of them is looked at. Such a flush is rare (a huge page that
 * was split, a range of large stride): a sweep of the array costs less than a probe for each small page inside. */
static unsigned drop_scan(struct vmsim__tlb *t, struct tlb_array *r, uint16_t asid, uint64_t va, unsigned shift,
                          unsigned class, bool global) {
    VMSIM__ASSERT(class < t->classes && shift > t->class_shift[class]);
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
    VMSIM__ASSERT(shift >= t->page_shift && shift < 64);
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

/* Nearly always it is held nowhere: it has just faulted. */
unsigned vmsim__tlb_drop_page(struct vmsim__tlb *t, uint16_t asid, uint64_t va, unsigned shift) {
    VMSIM__ASSERT(shift >= t->page_shift && shift < 64);
    unsigned dropped = 0;
    if (VMSIM__UNLIKELY(t->soft))
        return asid == t->softmmu.asid ? vmsim__tlb_softmmu_drop(t, va, shift) : 0;
    if (VMSIM__UNLIKELY(tlb_holds(t->look, asid, va, shift)))
        for (unsigned i = 0; i < t->arrays; i++)
            dropped += vmsim__tlb_array_drop(t, &t->array[i], asid, va, shift, true);
    return dropped;
}
