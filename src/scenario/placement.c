/* SPDX-License-Identifier: MIT */
/* The list of placed ranges (see placement.h). Programs have some dozens of them: insertion moves, a search halves, and
 * what a page's search found is remembered, because every reference asks. */
#include "scenario/placement.h"

#include <string.h>

#include "base/util.h"

#define BESIDE (UINT64_C(1) << 30) /* what is further away was not chosen for what lies there */

struct vmsim__placement *vmsim__placement_create(struct vmsim__alloc *a) {
    struct vmsim__placement *p = vmsim__calloc(a, 1, sizeof *p);
    if (p) {
        p->alloc = a;
        p->users = 1;
    }
    return p;
}

/* A child of fork has its parent's addresses until it maps something of its own. */
struct vmsim__placement *vmsim__placement_copy(const struct vmsim__placement *from) {
    VMSIM__ASSERT(from->users > 0);
    struct vmsim__placement *p = vmsim__placement_create(from->alloc);
    for (size_t i = 0; p && i < from->ranges.count; i++) {
        if (!vmsim__vec_push(p->alloc, &p->ranges, from->ranges.at[i])) {
            vmsim__placement_put(p);
            return NULL;
        }
    }
    if (p) {
        p->brk_start = from->brk_start;
        p->brk_top = from->brk_top;
    }
    return p;
}

void vmsim__placement_put(struct vmsim__placement *p) {
    VMSIM__ASSERT(!p || p->users > 0);
    if (!p || --p->users)
        return;
    vmsim__vec_fini(p->alloc, &p->ranges);
    vmsim__free(p->alloc, p, sizeof *p);
}

/* Number of the first range that ends behind `va`. Ranges are sorted and disjoint, so that their ends are in order,
 * too. */
static size_t search(const struct vmsim__placement *p, uint64_t va) {
    VMSIM__ASSERT(!p->ranges.count || p->ranges.at[p->ranges.count - 1].start < p->ranges.at[p->ranges.count - 1].end);
    size_t low = 0, high = p->ranges.count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (p->ranges.at[middle].end > va)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static bool insert(struct vmsim__placement *p, size_t at, struct vmsim__placed range) {
    VMSIM__ASSERT(at <= p->ranges.count && range.start < range.end);
    if (!vmsim__vec_push(p->alloc, &p->ranges, range))
        return false;
    memmove(p->ranges.at + at + 1, p->ranges.at + at, (p->ranges.count - 1 - at) * sizeof range);
    p->ranges.at[at] = range;
    return true;
}

static void take_out(struct vmsim__placement *p, size_t at) {
    VMSIM__ASSERT(at < p->ranges.count);
    p->ranges.count--;
    memmove(p->ranges.at + at, p->ranges.at + at + 1, (p->ranges.count - at) * sizeof *p->ranges.at);
}

/* What was remembered of pages is forgotten at every change: changes are system calls, and rare beside references. */
bool vmsim__placement_clear(struct vmsim__placement *p, uint64_t start, uint64_t end) {
    memset(p->page, 0, sizeof p->page);
    for (size_t i = search(p, start); i < p->ranges.count && p->ranges.at[i].start < end;) {
        struct vmsim__placed *r = &p->ranges.at[i], rest = *r;
        VMSIM__ASSERT(r->start < r->end);
        if (r->start < start && r->end > end) { /* a hole: the part behind it becomes a range of its own */
            r->end = start;
            rest.start = end;
            return insert(p, i + 1, rest);
        }
        if (r->start < start) {
            r->end = start;
            i++;
        } else if (r->end > end) {
            r->start = end;
            i++;
        } else {
            take_out(p, i);
        }
    }
    return true;
}

/* Ranges with one shift that touch are one range: the search of every reference goes by their number. */
bool vmsim__placement_set(struct vmsim__placement *p, uint64_t start, uint64_t end, uint64_t delta) {
    if (start >= end)
        return true;
    if (!vmsim__placement_clear(p, start, end))
        return false;
    size_t at = search(p, start);
    if (!insert(p, at, (struct vmsim__placed){.start = start, .end = end, .delta = delta}))
        return false;
    struct vmsim__placed *r = p->ranges.at;
    VMSIM__ASSERT((!at || r[at - 1].end <= start) && (at + 1 == p->ranges.count || r[at + 1].start >= end));
    if (at + 1 < p->ranges.count && r[at + 1].start == end && r[at + 1].delta == delta) {
        r[at].end = r[at + 1].end;
        take_out(p, at + 1);
    }
    if (at && r[at - 1].end == start && r[at - 1].delta == delta) {
        r[at - 1].end = r[at].end;
        take_out(p, at);
    }
    return true;
}

const struct vmsim__placed *vmsim__placement_from(const struct vmsim__placement *p, uint64_t va) {
    size_t at = search(p, va);
    return at < p->ranges.count ? &p->ranges.at[at] : NULL;
}

uint64_t vmsim__placement_of(const struct vmsim__placement *p, uint64_t va) {
    const struct vmsim__placed *r = vmsim__placement_from(p, va);
    return r && r->start <= va ? va + r->delta : va;
}

/* References a little outside of what was mapped are those of stacks that grow, and of calls that look beyond an end:
 * they belong where their neighbour was put. Farther away there is nobody to go by. */
uint64_t vmsim__placement_beside(const struct vmsim__placement *p, uint64_t va) {
    const size_t at = search(p, va);
    const struct vmsim__placed *above = at < p->ranges.count ? &p->ranges.at[at] : NULL;
    const struct vmsim__placed *below = at ? above ? above - 1 : &p->ranges.at[at - 1] : NULL;
    VMSIM__ASSERT((!above || above->end > va) && (!below || below->end <= va));
    const uint64_t up = !above ? UINT64_MAX : above->start <= va ? 0 : above->start - va;
    const uint64_t down = below ? va - below->end : UINT64_MAX;
    const struct vmsim__placed *nearest = up <= down ? above : below;
    return vmsim__min64(up, down) < BESIDE ? va + nearest->delta : va;
}

/* A reference to a page that is not remembered. */
static VMSIM__NOINLINE uint64_t remember(struct vmsim__placement *p, vmsim_access a, size_t slot, uint64_t key) {
    VMSIM__ASSERT(slot < VMSIM__PLACED_PAGES && key);
    const uint64_t va = vmsim_access_va(a), delta = vmsim__placement_of(p, va) - va;
    p->page[slot].key = key;
    p->page[slot].delta = delta << 7;
    return p->page[slot].delta;
}

/* The difference is kept shifted to the place of the address in a packed reference, so that a translation is one
 * addition; keys are pages plus one, since the memory of a new placement is zero. */
void vmsim__placement_translate(struct vmsim__placement *p, const vmsim_access *in, vmsim_access *out, size_t n) {
    VMSIM__ASSERT(p->users > 0 && (in || !n));
    for (size_t i = 0; i < n; i++) {
        uint64_t page = in[i] >> (7 + VMSIM__PLACED_SHIFT), slot = page % VMSIM__PLACED_PAGES,
                 delta = p->page[slot].delta;
        if (VMSIM__UNLIKELY(p->page[slot].key != page + 1))
            delta = remember(p, in[i], slot, page + 1);
        out[i] = in[i] + delta;
    }
}
