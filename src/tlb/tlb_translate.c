/* SPDX-License-Identifier: MIT */
/* One translation, the long way: levels in order, then a walk, then the fills. What hardware does on a miss of the
 * first level.
 *
 *     level k holds it, rights fit    enter it into levels 1 .. k-1                          latencies 1 .. k
 *     held, but a store to a clean page   walk to the entry and set D (or fault, software D), overwrite everywhere
 *     held, but forbidden             drop it and what the walk caches know of va, walk anew from the root: the table
 * may have been relaxed since; still forbidden is a fault (Linux calls the other case a spurious fault) held nowhere
 * walk, enter it into every level, ask the prefetcher
 *
 * A fault leaves no translation of the page behind, as on x86. */
#include "tlb/tlb_internal.h"

/* What a translation is about, and what it found. */
struct lookup {
    uint64_t va;
    unsigned type;
    bool fetch, user;
    uint32_t need; /* flags that an entry must have */
    struct tlb_array *array;
    uint64_t *tag;
    unsigned level; /* from 0; t->levels: nowhere */
};

static uint32_t need_of(unsigned type, bool user) {
    static const uint16_t need[4] = {
        [VMSIM_LOAD] = VMSIM__PTE_READ,
        [VMSIM_STORE] = VMSIM__PTE_WRITE | VMSIM__PTE_DIRTY,
        [VMSIM_FETCH] = VMSIM__PTE_EXEC,
        [VMSIM_RMW] = VMSIM__PTE_READ | VMSIM__PTE_WRITE | VMSIM__PTE_DIRTY,
    };
    return need[type] | (user ? VMSIM__PTE_USER : 0);
}

static unsigned walk_mode(const struct lookup *l) {
    return (l->type & 1 ? VMSIM__WALK_WRITE : 0) | (l->fetch ? VMSIM__WALK_FETCH : 0) |
           (l->user ? VMSIM__WALK_USER : 0);
}

static void look_up(struct vmsim__tlb *t, struct lookup *l) {
    for (l->level = 0; l->level < t->levels; l->level++) {
        for (unsigned i = 0; i < t->look_count[l->fetch][l->level]; i++) {
            l->array = &t->array[t->look[l->fetch][l->level][i]];
            l->tag = tlb_find(t, l->array, t->asid, l->va);
            if (l->tag) {
                t->cycles += l->array->latency;
                return;
            }
        }
        t->cycles += t->level_latency[l->fetch][l->level];
    }
}

/* vmsim__tlb_array_fill for the case that nearly all fills are: a plain array in which the entry is absent and the
 * least recently used one of the set is of the same size, neither of them global. NULL: another case. */
VMSIM__INLINE uint64_t *fill_plain(struct vmsim__tlb *t, struct tlb_array *r, uint64_t va, unsigned class,
                                   uint64_t data, uint16_t asid) {
    uint64_t page = tlb_va57(va) >> t->class_shift[class], *tags = tlb_tags(r, tlb_set(r, page));
    uint64_t *at = tags + (r->ways == 8 ? tlb_oldest(tags + r->column, 8) : tlb_oldest(tags + r->column, 4)), old = *at;
    if (tlb_tag_class(old) != class || tlb_tag_asid(old) == VMSIM__ASID_GLOBAL || asid == VMSIM__ASID_GLOBAL)
        return NULL;
    if (*tlb_data(r, at) & TLB_FILTERED)
        tlb_filter_drop(t, old, *tlb_data(r, at), tlb_use(r, at));
    r->by_size[class].evict++;
    r->by_size[class].fill++;
    *at = tlb_tag(page, asid, class);
    *tlb_use(r, at) = t->now;
    *tlb_data(r, at) = data;
    return at;
}

/* Enters a page of `class` into the levels [0, end), each at its home, and counts a miss for those that were found
 * lacking it. A page that was held nowhere comes to the filter with its second use: many have none. */
static void fill_levels(struct vmsim__tlb *t, const struct lookup *l, unsigned end, unsigned class, uint64_t data) {
    uint16_t asid = data & VMSIM__PTE_GLOBAL ? VMSIM__ASID_GLOBAL : t->asid;
    for (unsigned k = end; k-- > 0;) {
        unsigned home = t->home[l->fetch][k][class], as = t->home_class[l->fetch][k][class];
        if (home == TLB_NONE)
            continue;
        struct tlb_array *r = &t->array[home];
        r->by_size[as].miss += k < l->level;
        uint64_t piece = data;
        if (VMSIM__UNLIKELY(as != class)) {
            unsigned down = t->class_shift[as] - t->page_shift;
            piece += (l->va & ((UINT64_C(1) << t->class_shift[class]) - 1)) >> t->page_shift >> down << down
                                                                                                     << TLB_FRAME_SHIFT;
        }
        uint64_t *tag = r->plain && k < l->level ? fill_plain(t, r, l->va, as, piece, asid) : NULL;
        if (VMSIM__UNLIKELY(!tag))
            tag = vmsim__tlb_array_fill(t, r, l->va, as, piece, asid, k < l->level);
        if (k == 0 && l->level < t->levels)
            vmsim__tlb_filter_add(t, r, tag, l->va, l->type);
    }
}

static uint64_t pa_of(const struct vmsim__tlb *t, const struct lookup *l) {
    uint64_t size = UINT64_C(1) << t->class_shift[tlb_tag_class(*l->tag)];
    return (*tlb_data(l->array, l->tag) >> TLB_FRAME_SHIFT << t->page_shift) + (l->va & (size - 1));
}

static void prefetch_pages(struct vmsim__tlb *t, const struct lookup *l, uint64_t pages, bool useful);

/* The first use of what the prefetcher brought. */
static void prefetch_was_useful(struct vmsim__tlb *t, const struct lookup *l) {
    *tlb_data(l->array, l->tag) &= ~(uint64_t)TLB_PREFETCHED;
    t->counter[VMSIM__TLB_prefetch_useful]++;
}

static uint64_t hit(struct vmsim__tlb *t, const struct lookup *l) {
    struct tlb_array *r = l->array;
    unsigned class = tlb_tag_class(*l->tag);
    uint64_t pa = pa_of(t, l), data = *tlb_data(r, l->tag);
    bool first_use = data & TLB_PREFETCHED;
    vmsim__tlb_array_touch(t, r, l->tag);
    r->by_size[class].hit++;
    if (VMSIM__UNLIKELY(first_use))
        prefetch_was_useful(t, l);
    if (l->level == 0) {
        vmsim__tlb_filter_add(t, r, l->tag, l->va, l->type);
        return pa;
    }
    fill_levels(t, l, l->level, class, data & ~(uint64_t)(TLB_PREFETCHED | TLB_FILTERED));
    if (VMSIM__UNLIKELY(first_use))
        prefetch_pages(t, l, UINT64_C(1) << (t->class_shift[class] - t->page_shift), true);
    return pa;
}

static void drop_page(struct vmsim__tlb *t, uint64_t va) {
    for (unsigned i = 0; i < t->arrays; i++)
        if (t->array[i].valid)
            vmsim__tlb_array_drop(t, &t->array[i], t->asid, va, t->page_shift, true);
    vmsim__tlb_walk_drop_va(t, t->asid, va);
}

static bool fault(struct vmsim__tlb *t, const struct lookup *l, const struct vmsim__walk *w,
                  struct vmsim__tlb_stop *stop) {
    drop_page(t, l->va);
    t->counter[VMSIM__TLB_faults]++;
    for (unsigned k = 0; k < l->level; k++)
        for (unsigned i = 0; i < t->look_count[l->fetch][k]; i++)
            t->array[t->look[l->fetch][k][i]].fault_miss++;
    *stop = (struct vmsim__tlb_stop){w->fault, w->level, l->type & 1, l->fetch, l->va};
    return false;
}

static bool count_walk(struct vmsim__tlb *t, uint64_t va, unsigned mode, struct vmsim__walk *w) {
    bool ok = vmsim__tlb_walk(t, va, mode, w);
    uint64_t cost = t->walk_latency + w->refs * t->walk_reference;
    t->cycles += cost;
    t->counter[VMSIM__TLB_walks]++;
    t->counter[VMSIM__TLB_walk_references] += w->refs;
    t->counter[VMSIM__TLB_walk_cycles] += cost;
    return ok;
}

VMSIM__INLINE uint64_t walk_data(const struct vmsim__walk *w) {
    return w->pfn << TLB_FRAME_SHIFT | (w->flags & TLB_FLAGS);
}

static void prefetch_one(struct vmsim__tlb *t, const struct lookup *l, uint64_t page) {
    struct lookup p = {.va = (uint64_t)((int64_t)(page << (64 - 57 + t->page_shift)) >> (64 - 57)),
                       .fetch = l->fetch,
                       .user = l->user};
    struct vmsim__walk w;
    unsigned last = t->levels - 1u;
    t->counter[VMSIM__TLB_prefetch_issued]++;
    for (unsigned i = 0; i < t->look_count[p.fetch][last]; i++)
        if (vmsim__tlb_array_find(t, &t->array[t->look[p.fetch][last][i]], t->asid, p.va))
            return;
    bool ok = vmsim__mmu_walk(t->pt, p.va, walk_mode(&p) | VMSIM__WALK_PROBE, &w);
    t->counter[VMSIM__TLB_prefetch_references] += w.refs;
    if (!ok || !(w.flags & VMSIM__PTE_ACCESSED))
        return;
    unsigned class = t->class_of[w.page_shift], home = t->home[p.fetch][last][class],
             as = t->home_class[p.fetch][last][class];
    if (home == TLB_NONE)
        return;
    uint64_t size = UINT64_C(1) << t->class_shift[as],
             inside = (p.va & ((UINT64_C(1) << w.page_shift) - 1)) & ~(size - 1);
    t->now++;
    vmsim__tlb_array_fill(t, &t->array[home], p.va, as,
                          (walk_data(&w) + (inside >> t->page_shift << TLB_FRAME_SHIFT)) | TLB_PREFETCHED,
                          w.flags & VMSIM__PTE_GLOBAL ? VMSIM__ASID_GLOBAL : t->asid, false);
    t->counter[VMSIM__TLB_prefetch_filled]++;
}

/* Asks the prefetcher after a miss of everything, or after the first use of what it brought. */
static void prefetch_pages(struct vmsim__tlb *t, const struct lookup *l, uint64_t pages, bool useful) {
    uint64_t want[VMSIM_TLB_PREFETCH_MAX];
    struct vmsim_tlb_miss miss = {(uint64_t)((int64_t)l->va >> t->page_shift), pages, l->type & 1, l->fetch, t->asid};
    uint32_t (*ask)(void *, const struct vmsim_tlb_miss *, uint64_t *, uint32_t) =
        useful ? t->prefetch->useful : t->prefetch->miss;
    uint32_t n = ask ? ask(t->prefetch_instance.context, &miss, want, VMSIM_TLB_PREFETCH_MAX) : 0;
    for (uint32_t i = 0; i < n && i < VMSIM_TLB_PREFETCH_MAX; i++)
        prefetch_one(t, l, want[i]);
}

static bool miss(struct vmsim__tlb *t, struct lookup *l, uint64_t *pa, struct vmsim__tlb_stop *stop) {
    struct vmsim__walk w;
    if (!count_walk(t, l->va, walk_mode(l), &w))
        return fault(t, l, &w, stop);
    unsigned class = t->class_of[w.page_shift];
    t->walks_by_size[class]++;
    fill_levels(t, l, t->levels, class, walk_data(&w));
    *pa = w.pa;
    if (VMSIM__UNLIKELY(t->prefetch != NULL))
        prefetch_pages(t, l, UINT64_C(1) << (w.page_shift - t->page_shift), false);
    return true;
}

bool vmsim__tlb_translate(struct vmsim__tlb *t, uint64_t va, unsigned type, bool user, uint64_t *pa,
                          struct vmsim__tlb_stop *stop) {
    struct lookup l = {.va = va, .type = type, .fetch = type == VMSIM_FETCH, .user = user, .need = need_of(type, user)};
    t->now++;
    look_up(t, &l);
    t->missed = l.level > 0;
    if (l.level == t->levels)
        return miss(t, &l, pa, stop);
    uint64_t data = *tlb_data(l.array, l.tag), lacks = l.need & ~data;
    if (VMSIM__UNLIKELY(!user && l.fetch))
        lacks |= data & VMSIM__PTE_USER; /* SMEP, PXN: the walk will refuse */
    if (VMSIM__LIKELY(!lacks)) {
        *pa = hit(t, &l);
        return true;
    }
    /* A held entry that does not do counts as a hit of its array; what follows is one walk more. */
    l.array->by_size[tlb_tag_class(*l.tag)].hit++;
    vmsim__tlb_array_touch(t, l.array, l.tag);
    if (lacks == VMSIM__PTE_DIRTY) {
        t->counter[VMSIM__TLB_dirty_walks]++;
    } else {
        t->counter[VMSIM__TLB_permission_walks]++;
        drop_page(t, va);
    }
    return miss(t, &l, pa, stop);
}
