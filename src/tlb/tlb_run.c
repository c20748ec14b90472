/* SPDX-License-Identifier: MIT */
/* The hot loop: a batch of packed accesses through the filter, everything else out of line.
 *
 * For an access that hits the filter the loop does: one compare, one store of the time, one add of a byte lane (hits by
 * array, size and type). Nothing waits for a store, and the sum is the only chain.
 *
 *     access  63               19 18         7 6      2 1    0
 *            +-------------------+------------+--------+------+        page 4 KiB: key = access >> 19
 *            |   page number     |  offset    |  size  | type |        slot = filter[type][key mod N]
 *            +-------------------+------------+--------+------+
 *
 * Misses look ahead in the batch and prefetch what the coming ones will read: their set of the last level and their
 * PTE. */
#include <string.h>

#include "tlb/tlb_internal.h"

/* Accesses beyond a miss that have been looked at, at least; and how many are looked at in one go. */
#define AHEAD 12
#define STRIDE 12

struct run {
    const vmsim_access *a;
    size_t n, looked; /* looked: ahead up to here */
    size_t noted;     /* fetches up to here are known */
    struct vmsim__tlb_stop *stop;
    bool user;
};

static void fold_lanes(struct vmsim__tlb *t, uint64_t lanes) {
    for (unsigned i = 0; i < t->lanes; i++) {
        uint64_t hits = lanes >> 8 * i & 0xff;
        t->lane[i].count->hit += hits;
        t->cycles += hits * t->lane[i].latency;
        t->counter[t->lane[i].kind] += hits;
        t->counter[VMSIM__TLB_accesses] += hits;
    }
}

static void fold_kinds(struct vmsim__tlb *t, uint64_t kinds) {
    uint64_t loads = kinds & 0xffff, stores = (kinds >> 16 & 0xffff) + (kinds >> 48), fetches = kinds >> 32 & 0xffff;
    t->counter[VMSIM__TLB_loads] += loads;
    t->counter[VMSIM__TLB_stores] += stores;
    t->counter[VMSIM__TLB_fetches] += fetches;
    t->counter[VMSIM__TLB_accesses] += loads + stores + fetches;
}

/* Inline by force: gcc takes a function that only prefetches for one without effect, and drops the call. */
VMSIM__INLINE void prefetch_set(const struct tlb_place *p, uint64_t page) {
    const uint64_t *set = p->block + (page & p->mask) * p->stride;
    for (unsigned i = 0; i < 3; i++)
        __builtin_prefetch(set + 8 * i, 1);
}

/* The next accesses that the filter will not take: their sets of the last level, and their entries in leaf tables that
 * are known. */
VMSIM__INLINE void prefetch_ahead(const struct vmsim__tlb *t, const vmsim_access *a, const vmsim_access *end,
                                  const unsigned page_shift) {
    const unsigned table_shift = 7u + t->format->shift[1], entry_bytes = t->format->entry_bytes;
    const uint64_t index_mask = (UINT64_C(1) << t->format->index_bits[0]) - 1;
    const struct tlb_place *last[2] = {t->side[0].last, t->side[1].last};
    for (; a < end; a++) {
        uint64_t page = *a >> (7 + page_shift), upper = *a >> table_shift;
        if (t->filter[(*a & 3) << TLB_FILTER_BITS | (page & (TLB_FILTER_SLOTS - 1))].key == page)
            continue;
        const struct tlb_place *p = last[(*a & 3) == VMSIM_FETCH];
        if (p)
            prefetch_set(p, page);
        const struct tlb_leaf_table *leaf = &t->leaf[upper & (TLB_LEAF_TABLES - 1)];
        if (leaf->key == (upper << 16 | t->leaf_tag))
            __builtin_prefetch((unsigned char *)leaf->host + (page & index_mask) * entry_bytes, 1);
    }
}

static VMSIM__NOINLINE void look_ahead(const struct vmsim__tlb *t, struct run *run, size_t i) {
    size_t from = i + 1 > run->looked ? i + 1 : run->looked;
    size_t end = i + AHEAD + STRIDE < run->n ? i + AHEAD + STRIDE : run->n;
    if (t->page_shift == 12)
        prefetch_ahead(t, run->a + from, run->a + end, 12);
    else
        prefetch_ahead(t, run->a + from, run->a + end, t->page_shift);
    run->looked = end;
}

/* True when the access crosses a page border. Nearly all are of at most 16 bytes (code = bytes - 1) and not that near
 * to it: a look at the packed form tells. */
VMSIM__INLINE bool straddles(vmsim_access x, unsigned page_shift) {
    const uint64_t page = UINT64_C(1) << page_shift, offset = x & (page - 1) << 7;
    if (VMSIM__LIKELY(offset <= (page - 16) << 7 && !(x & 16 << 2)))
        return false;
    return (offset >> 7) + vmsim_access_bytes(x) > page;
}

static VMSIM__NOINLINE bool straddling_access(struct vmsim__tlb *t, const struct run *run, vmsim_access x,
                                              uint64_t *pa) {
    uint64_t va = vmsim_access_va(x), last = va + vmsim_access_bytes(x) - 1, other;
    uint64_t page = last & ~((UINT64_C(1) << t->page_shift) - 1);
    if (!vmsim__tlb_translate(t, va, x & 3, run->user, pa, run->stop) ||
        !vmsim__tlb_translate(t, page, x & 3, run->user, &other, run->stop))
        return false;
    t->counter[VMSIM__TLB_straddles]++;
    return true;
}

/* For the policies that want to know: the last fetch among what was before `end`. The filter takes most accesses
 * without a look at what they are, so this is made up for when somebody asks. */
static VMSIM__NOINLINE void note_fetches(struct vmsim__tlb *t, struct run *run, size_t end) {
    VMSIM__ASSERT(end <= run->n);
    for (; run->noted < end; run->noted++)
        if ((run->a[run->noted] & 3) == VMSIM_FETCH)
            t->last_fetch = vmsim_access_va(run->a[run->noted]);
}

/* One access that the filter did not take. False: *run->stop. */
VMSIM__INLINE bool slow_access(struct vmsim__tlb *t, struct run *run, size_t i, bool cross, uint64_t *pa) {
    vmsim_access x = run->a[i];
    if (t->missed && i + AHEAD >= run->looked)
        look_ahead(t, run, i);
    if (VMSIM__UNLIKELY(t->wants_access)) {
        note_fetches(t, run, i);
        t->access = x & 3;
    }
    if (VMSIM__UNLIKELY(cross))
        return straddling_access(t, run, x, pa);
    const struct tlb_side *side = &t->side[(x & 3) == VMSIM_FETCH];
    if (VMSIM__LIKELY(side->pair.first != NULL) && run->user)
        return vmsim__tlb_plain_miss(t, side, x, pa, run->stop);
    return vmsim__tlb_translate(t, vmsim_access_va(x), x & 3, run->user, pa, run->stop);
}

/* &t->filter[type][page mod N], in as few instructions as it takes. */
VMSIM__INLINE const struct tlb_filter_slot *slot_of(const struct vmsim__tlb *t, vmsim_access x, unsigned page_shift) {
    const unsigned size_shift = 5;
    static_assert(sizeof(struct tlb_filter_slot) == 1 << 5, "size_shift");
    uint64_t page = x >> (7 + page_shift - size_shift) & (uint64_t)(TLB_FILTER_SLOTS - 1) << size_shift;
    uint64_t type = x << (TLB_FILTER_BITS + size_shift) & UINT64_C(3) << (TLB_FILTER_BITS + size_shift);
    return (const struct tlb_filter_slot *)((uintptr_t)t->filter + (page | type));
}

/* At most TLB_CHUNK accesses from `i`; returns where it ended: earlier than `end` by a fault (*ok false). *lanes are
 * those that the filter took, *kinds those that the long way did. */
VMSIM__INLINE size_t chunk(struct vmsim__tlb *t, struct run *run, size_t i, size_t end, uint64_t *pa_out,
                           unsigned page_shift, uint64_t *lanes_out, uint64_t *kinds_out, bool *ok_out) {
    const vmsim_access *a = run->a;
    uint64_t lanes = 0, kinds = 0, now = t->now;
    for (; i < end; i++) {
        vmsim_access x = a[i];
        uint64_t key = x >> (7 + page_shift), pa;
        const struct tlb_filter_slot *s = slot_of(t, x, page_shift);
        bool cross = straddles(x, page_shift);
        if (VMSIM__LIKELY(s->key == key && !cross)) {
            *s->use = ++now;
            lanes += s->lane;
            pa = s->page | (x >> 7 & ((UINT64_C(1) << page_shift) - 1));
        } else {
            t->now = now;
            bool ok = slow_access(t, run, i, cross, &pa);
            now = t->now;
            if (VMSIM__UNLIKELY(!ok)) {
                *ok_out = false;
                break;
            }
            kinds += UINT64_C(1) << (x << 4 & 63); /* 16 bits for each type */
        }
        if (pa_out)
            pa_out[i] = pa;
    }
    t->now = now;
    *lanes_out = lanes;
    *kinds_out = kinds;
    return i;
}

VMSIM__INLINE size_t run_all(struct vmsim__tlb *t, struct run *run, uint64_t *pa_out, unsigned page_shift) {
    size_t i = 0;
    bool ok = true;
    while (i < run->n && ok) {
        size_t end = run->n - i > TLB_CHUNK ? i + TLB_CHUNK : run->n;
        uint64_t lanes, kinds;
        i = chunk(t, run, i, end, pa_out, page_shift, &lanes, &kinds, &ok);
        if (lanes)
            fold_lanes(t, lanes);
        fold_kinds(t, kinds);
        if (t->lanes_short)
            vmsim__tlb_filter_clear(t);
    }
    return i;
}

static size_t run_4k(struct vmsim__tlb *t, struct run *run) {
    return run_all(t, run, NULL, 12);
}
static size_t run_4k_pa(struct vmsim__tlb *t, struct run *run, uint64_t *pa_out) {
    return run_all(t, run, pa_out, 12);
}
static size_t run_any(struct vmsim__tlb *t, struct run *run, uint64_t *pa_out) {
    return run_all(t, run, pa_out, t->page_shift);
}

size_t vmsim__tlb_run(struct vmsim__tlb *t, const struct vmsim__pagetable *pt, uint16_t asid, bool user,
                      const vmsim_access *a, size_t n, uint64_t *pa_out, struct vmsim__tlb_stop *stop) {
    struct run run = {a, n, 0, 0, stop, user};
    VMSIM__ASSERT(asid != VMSIM__ASID_GLOBAL && pt->format == t->format);
    *stop = (struct vmsim__tlb_stop){0};
    if (t->filter_asid != asid || t->filter_user != user) {
        vmsim__tlb_filter_clear(t);
        t->filter_asid = asid;
        t->filter_user = user;
    }
    t->pt = pt;
    t->asid = asid;
    vmsim__tlb_leaf_begin(t);
    if (VMSIM__UNLIKELY(t->bypass))
        return vmsim__tlb_run_bypass(t, user, a, n, pa_out, stop);
    if (VMSIM__UNLIKELY(t->softmmu.max))
        return vmsim__tlb_run_softmmu(t, user, a, n, pa_out, stop);
    if (t->wants_access && t->fetch_asid != asid) {
        t->fetch_asid = asid;
        t->last_fetch = 0;
    }
    if (a == t->resume)
        run.looked = t->resume_looked;
    size_t done = t->page_shift != 12 ? run_any(t, &run, pa_out)
                  : pa_out            ? run_4k_pa(t, &run, pa_out)
                                      : run_4k(t, &run);
    VMSIM__ASSERT(done == n || stop->fault != VMSIM__FAULT_NONE);
    if (t->wants_access)
        note_fetches(t, &run, done);
    t->resume = done < n ? a + done : NULL;
    t->resume_looked = run.looked > done ? run.looked - done : 0;
    return done;
}
