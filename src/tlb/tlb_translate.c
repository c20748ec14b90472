/* SPDX-License-Identifier: MIT */
/* One translation, the long way: levels in order, then a walk, then the fills. What hardware does on a miss of the
 * first level.
 *
 *     level k holds it, rights fit         enter it into levels 1 .. k-1, latencies of levels 1 .. k
 *     held, but a store to a clean page    walk to the entry and set D (or fault, software D), overwrite everywhere
 *     held, but forbidden                  drop it and what the walk caches know of va, walk anew from the root: the
 *                                          table may have been relaxed since; still forbidden is a fault (Linux calls
 *                                          the other case a spurious fault)
 *     held nowhere                         walk, enter it into every level, ask the prefetcher
 *
 * A fault leaves no translation of the page behind, as on x86. */
#include "tlb/tlb_fill.h"
#include "tlb/tlb_walk.h"

/* What a translation is about: two registers. */
struct request {
    uint64_t va;
    uint32_t how; /* type of the access in bits 1..0, user in bit 2 */
};

VMSIM__INLINE unsigned type_of(struct request q) {
    return q.how & 3;
}
VMSIM__INLINE bool is_fetch(struct request q) {
    return type_of(q) == VMSIM_FETCH;
}
VMSIM__INLINE bool is_write(struct request q) {
    return q.how & 1;
}
VMSIM__INLINE struct tlb_side *side_of(struct vmsim__tlb *t, struct request q) {
    return is_fetch(q) ? &t->side[1] : &t->side[0];
}

/* The entry that was found, its tag's place. */
struct found {
    struct tlb_array *array; /* NULL: nowhere */
    uint64_t *tag;
};

/* Flags that an entry must have. */
VMSIM__INLINE uint32_t need_of(struct request q) {
    static const uint16_t need[4] = {
        [VMSIM_LOAD] = VMSIM__PTE_READ,
        [VMSIM_STORE] = VMSIM__PTE_WRITE | VMSIM__PTE_DIRTY,
        [VMSIM_FETCH] = VMSIM__PTE_EXEC,
        [VMSIM_RMW] = VMSIM__PTE_READ | VMSIM__PTE_WRITE | VMSIM__PTE_DIRTY,
    };
    return need[type_of(q)] | (q.how & VMSIM__WALK_USER ? VMSIM__PTE_USER : 0);
}

/* Level after level, and the time that takes if it is found. */
VMSIM__INLINE struct found look_up(struct vmsim__tlb *t, struct request q) {
    const struct tlb_place *p;
    const struct tlb_side *s = side_of(t, q);
    for (const struct tlb_place *const *at = s->look; (p = *at); at++) {
        uint64_t *tag = tlb_look(p, t->asid, q.va);
        if (tag) {
            t->cycles += s->before[p->array->level - 1] + p->array->latency;
            return (struct found){p->array, tag};
        }
    }
    return (struct found){NULL, NULL};
}

/* What an entry for a smaller size holds of a page. */
static uint64_t piece_of(const struct vmsim__tlb *t, uint64_t va, unsigned class, unsigned as, uint64_t data) {
    unsigned down = t->class_shift[as] - t->page_shift;
    uint64_t inside = (va & ((UINT64_C(1) << t->class_shift[class]) - 1)) >> t->page_shift;
    return data + (inside >> down << down << TLB_FRAME_SHIFT);
}

/* Enters a page of `class` into the levels [0, end), each at its home, and counts a miss for those before level `held`,
 * which were found lacking it. Returns the entry of the first level, if it has a home there. */
VMSIM__INLINE uint64_t *fill_levels(struct vmsim__tlb *t, struct request q, unsigned held, unsigned end, unsigned class,
                                    uint64_t data) {
    uint16_t asid = VMSIM__UNLIKELY(data & VMSIM__PTE_GLOBAL) ? VMSIM__ASID_GLOBAL : t->asid;
    uint64_t *at = NULL;
    const struct tlb_side *s = side_of(t, q);
    for (unsigned k = end; k-- > 0;) {
        const struct tlb_place *p = s->home[k][class];
        at = NULL;
        if (VMSIM__UNLIKELY(!p))
            continue;
        uint64_t page = tlb_va57(q.va) >> p->shift, tag = tlb_tag(page, asid, 0) | p->tag;
        uint64_t piece = VMSIM__UNLIKELY(p->class != class) ? piece_of(t, q.va, class, p->class, data) : data;
        p->count->miss += k < held;
        if (k < held)
            at = tlb_fill_quick(t, p, k == 0, page, tag, piece);
        if (VMSIM__UNLIKELY(!at))
            at = vmsim__tlb_array_fill(t, p->array, q.va, p->class, piece, asid, k < held);
    }
    return at;
}

static void prefetch_pages(struct vmsim__tlb *t, struct request q, uint64_t pages, bool useful);

/* An entry that allows the access. */
static VMSIM__NOINLINE bool hit(struct vmsim__tlb *t, struct request q, struct found f, uint64_t *pa) {
    unsigned class = tlb_tag_class(*f.tag);
    uint64_t data = *tlb_data(f.array, f.tag), size = UINT64_C(1) << t->class_shift[class];
    bool first_use = data & TLB_PREFETCHED;
    vmsim__tlb_array_touch(t, f.array, f.tag);
    f.array->by_size[class].hit++;
    if (VMSIM__UNLIKELY(first_use)) {
        *tlb_data(f.array, f.tag) &= ~(uint64_t)TLB_PREFETCHED;
        t->counter[VMSIM__TLB_prefetch_useful]++;
    }
    if (f.array->level == 1) {
        vmsim__tlb_filter_add(t, f.array, f.tag, q.va, type_of(q));
    } else {
        unsigned held = f.array->level - 1u;
        uint64_t *at = fill_levels(t, q, held, held, class, data & ~(uint64_t)(TLB_PREFETCHED | TLB_FILTERED));
        if (VMSIM__LIKELY(at != NULL))
            vmsim__tlb_filter_add(t, side_of(t, q)->home[0][class]->array, at, q.va, type_of(q));
        if (VMSIM__UNLIKELY(first_use))
            prefetch_pages(t, q, size >> t->page_shift, true);
    }
    *pa = (data >> TLB_FRAME_SHIFT << t->page_shift) + (q.va & (size - 1));
    return true;
}

static bool fault(struct vmsim__tlb *t, struct request q, unsigned held, const struct vmsim__walk *w,
                  struct vmsim__tlb_stop *stop) {
    if (VMSIM__UNLIKELY(held < t->levels || tlb_holds(t->side[!is_fetch(q)].look, t->asid, q.va, t->page_shift)))
        vmsim__tlb_drop_page(t, t->asid, q.va, t->page_shift);
    vmsim__tlb_walk_drop_va(t, t->asid, q.va);
    for (struct tlb_array *const *at = side_of(t, q)->path; *at && (*at)->level <= held; at++)
        (*at)->fault_miss++;
    tlb_fault(t, w, type_of(q), q.va, stop);
    return false;
}

VMSIM__INLINE uint64_t walk_data(const struct vmsim__walk *w) {
    return w->pfn << TLB_FRAME_SHIFT | (w->flags & TLB_FLAGS);
}

static void prefetch_one(struct vmsim__tlb *t, struct request q, uint64_t page) {
    struct request p = {(uint64_t)((int64_t)(page << (64 - 57 + t->page_shift)) >> (64 - 57)),
                        q.how & (VMSIM__WALK_USER | (is_fetch(q) ? VMSIM_FETCH : 0))};
    struct vmsim__walk w;
    unsigned last = t->levels - 1u;
    t->counter[VMSIM__TLB_prefetch_issued]++;
    for (struct tlb_array *const *at = side_of(t, p)->path; *at; at++)
        if ((*at)->level == t->levels && vmsim__tlb_array_find(t, *at, t->asid, p.va))
            return;
    bool ok = vmsim__mmu_walk(t->pt, p.va, tlb_walk_mode(type_of(p), p.how & VMSIM__WALK_USER) | VMSIM__WALK_PROBE, &w);
    t->counter[VMSIM__TLB_prefetch_references] += w.refs;
    if (!ok || !(w.flags & VMSIM__PTE_ACCESSED))
        return;
    const struct tlb_place *home = side_of(t, p)->home[last][t->class_of[w.page_shift]];
    if (!home)
        return;
    uint64_t data = piece_of(t, p.va, t->class_of[w.page_shift], home->class, walk_data(&w)) | TLB_PREFETCHED;
    t->now++;
    vmsim__tlb_array_fill(t, home->array, p.va, home->class, data,
                          w.flags & VMSIM__PTE_GLOBAL ? VMSIM__ASID_GLOBAL : t->asid, false);
    t->counter[VMSIM__TLB_prefetch_filled]++;
}

/* Asks the prefetcher after a miss of everything, or after the first use of what it brought. */
static void prefetch_pages(struct vmsim__tlb *t, struct request q, uint64_t pages, bool useful) {
    uint64_t want[VMSIM_TLB_PREFETCH_MAX];
    struct vmsim_tlb_miss miss = {(uint64_t)((int64_t)q.va >> t->page_shift), pages, is_write(q), is_fetch(q), t->asid,
                                  t->wants_access ? t->last_fetch : 0};
    uint32_t (*ask)(void *, const struct vmsim_tlb_miss *, uint64_t *, uint32_t) =
        useful ? t->prefetch->useful : t->prefetch->miss;
    uint32_t n = ask ? ask(t->prefetch_instance.context, &miss, want, VMSIM_TLB_PREFETCH_MAX) : 0;
    if (VMSIM__UNLIKELY(n > VMSIM_TLB_PREFETCH_MAX)) {
        vmsim__policy_fallback(&t->prefetch_instance, "asked for %u pages after page %llx, where %d are the most", n,
                               (unsigned long long)miss.page, VMSIM_TLB_PREFETCH_MAX);
        n = 0;
    }
    for (uint32_t i = 0; i < n; i++)
        prefetch_one(t, q, want[i]);
}

/* The walk read its entries where its tables are; what was referred to comes after it, if there is a page. */
static VMSIM__NOINLINE void wait_for_memory(struct vmsim__tlb *t, const struct vmsim__walk *w, bool data) {
    for (unsigned i = 0; i < w->refs; i++)
        tlb_wait_walk(t, w->ref[i] >> t->page_shift);
    if (data)
        tlb_wait_data(t, w->pa >> t->page_shift);
}

/* Walks, and enters what is found into all `levels`. `held`: the level, from 0, whose entry did not do; `levels`: none
 * had one. A page that was held nowhere comes to the filter with its second use: many have none. */
static bool miss(struct vmsim__tlb *t, struct request q, unsigned held, unsigned levels, uint64_t *pa,
                 struct vmsim__tlb_stop *stop) {
    struct vmsim__walk w;
    bool ok = vmsim__tlb_walk(t, q.va, tlb_walk_mode(type_of(q), q.how & VMSIM__WALK_USER), &w);
    tlb_count_walk(t, w.refs);
    if (VMSIM__UNLIKELY(t->memory != NULL))
        wait_for_memory(t, &w, ok && held == levels);
    tlb_record_walk(t, &w);
    if (VMSIM__UNLIKELY(!ok))
        return fault(t, q, held, &w, stop);
    unsigned class = t->class_of[w.page_shift];
    t->walks_by_size[class]++;
    uint64_t *at = fill_levels(t, q, held, levels, class, walk_data(&w));
    if (held < levels && at)
        vmsim__tlb_filter_add(t, side_of(t, q)->home[0][class]->array, at, q.va, type_of(q));
    *pa = w.pa;
    if (VMSIM__UNLIKELY(t->prefetch != NULL))
        prefetch_pages(t, q, UINT64_C(1) << (w.page_shift - t->page_shift), false);
    return true;
}

/* A held entry that does not do counts as a hit of its array; what follows is one walk more. */
static VMSIM__NOINLINE bool insufficient(struct vmsim__tlb *t, struct request q, struct found f, uint64_t lacks,
                                         uint64_t *pa, struct vmsim__tlb_stop *stop) {
    unsigned held = f.array->level - 1u;
    f.array->by_size[tlb_tag_class(*f.tag)].hit++;
    vmsim__tlb_array_touch(t, f.array, f.tag);
    if (lacks == VMSIM__PTE_DIRTY) {
        t->counter[VMSIM__TLB_dirty_walks]++;
    } else {
        t->counter[VMSIM__TLB_permission_walks]++;
        vmsim__tlb_drop_page(t, t->asid, q.va, t->page_shift);
        vmsim__tlb_walk_drop_va(t, t->asid, q.va);
    }
    return miss(t, q, held, t->levels, pa, stop);
}

bool vmsim__tlb_absent(struct vmsim__tlb *t, uint64_t va, unsigned type, bool user, uint64_t *pa,
                       struct vmsim__tlb_stop *stop) {
    const struct request q = {va, type | (user ? VMSIM__WALK_USER : 0)};
    VMSIM__ASSERT(!tlb_holds(t->side[is_fetch(q)].look, t->asid, va, t->page_shift));
    t->now++;
    t->missed = true;
    t->cycles += side_of(t, q)->before[t->levels];
    return miss(t, q, t->levels, t->levels, pa, stop);
}

bool vmsim__tlb_translate(struct vmsim__tlb *t, uint64_t va, unsigned type, bool user, uint64_t *pa,
                          struct vmsim__tlb_stop *stop) {
    const struct request q = {va, type | (user ? VMSIM__WALK_USER : 0)};
    t->now++;
    struct found f = look_up(t, q);
    t->missed = !f.array || f.array->level > 1;
    if (!f.array) {
        t->cycles += side_of(t, q)->before[t->levels];
        return miss(t, q, t->levels, t->levels, pa, stop);
    }
    uint64_t data = *tlb_data(f.array, f.tag), lacks = need_of(q) & ~data;
    if (VMSIM__UNLIKELY(!user && is_fetch(q)))
        lacks |= data & VMSIM__PTE_USER; /* SMEP, PXN: the walk will refuse */
    if (VMSIM__UNLIKELY(lacks))
        return insufficient(t, q, f, lacks, pa, stop);
    return hit(t, q, f, pa);
}
