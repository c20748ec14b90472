/* SPDX-License-Identifier: MIT */
/* A swap area that fits into a test: slots with counts and contents, and the swap cache as a table. Contents are tags:
 * a page's tag follows it through copies, slots and back, as the oracle of contents sees it. */
#ifndef VM_SWAP_H
#define VM_SWAP_H
#include "vm_machine.h"

#define TOY_SLOTS 4096u
#define TOY_FRAMES 600000u

struct toy_swap {
    struct vm_machine *m;
    struct vmsim__swap_ops ops;
    unsigned count[TOY_SLOTS]; /* entries that name the slot */
    vmsim__pfn cached[TOY_SLOTS];
    uint32_t content[TOY_SLOTS];
    uint32_t slot[TOY_FRAMES]; /* of a page in the cache */
    uint32_t tag[TOY_FRAMES];
    unsigned next, reads, prefetched;
    bool full; /* refuses further counts */
};

TEST_UNUSED static void toy_fill(void *context, vmsim__pfn to, vmsim__pfn from, unsigned order) {
    struct toy_swap *t = ((struct vm_machine *)context)->fill_context;
    for (uint32_t i = 0; i < 1u << order; i++)
        t->tag[to + i] = from == VMSIM__PFN_NONE ? 0 : t->tag[from + i];
}

TEST_UNUSED static struct vmsim__swp toy_slot_of(void *context, vmsim__pfn pfn) {
    return (struct vmsim__swp){.offset = ((struct toy_swap *)context)->slot[pfn], .type = 3};
}
TEST_UNUSED static bool toy_duplicate(void *context, struct vmsim__swp e) {
    struct toy_swap *t = context;
    assert_true(e.type == 3 && e.offset < TOY_SLOTS);
    if (t->full)
        return false;
    t->count[e.offset]++;
    return true;
}
TEST_UNUSED static unsigned toy_count(void *context, struct vmsim__swp e) {
    return ((struct toy_swap *)context)->count[e.offset];
}
TEST_UNUSED static bool toy_cached(void *context, struct vmsim__swp e) {
    return ((struct toy_swap *)context)->cached[e.offset] != VMSIM__PFN_NONE;
}
TEST_UNUSED static void toy_leave_cache(struct toy_swap *t, uint32_t slot) {
    vmsim__pfn pfn = t->cached[slot];
    vmsim__vm_frame(t->m->vm, pfn)->flags &= ~VMSIM__FRAME_SWAPCACHE;
    t->cached[slot] = VMSIM__PFN_NONE;
    t->content[slot] = t->tag[pfn];
    vmsim__folio_put(t->m->vm->lru, pfn, 0);
}
TEST_UNUSED static void toy_put(void *context, struct vmsim__swp e) {
    struct toy_swap *t = context;
    assert_true(t->count[e.offset] > 0);
    t->count[e.offset]--;
}
TEST_UNUSED static void toy_release(void *context, struct vmsim__swp e, unsigned cpu) {
    struct toy_swap *t = context;
    (void)cpu;
    assert_true(t->count[e.offset] > 0);
    if (--t->count[e.offset] == 0 && t->cached[e.offset] != VMSIM__PFN_NONE)
        toy_leave_cache(t, (uint32_t)e.offset);
}
TEST_UNUSED static bool toy_free_slot(void *context, vmsim__pfn pfn, unsigned cpu) {
    struct toy_swap *t = context;
    (void)cpu;
    if (t->count[t->slot[pfn]])
        return false;
    toy_leave_cache(t, t->slot[pfn]);
    return true;
}
TEST_UNUSED static void toy_migrate(void *context, vmsim__pfn from, vmsim__pfn to) {
    struct toy_swap *t = context;
    t->slot[to] = t->slot[from];
    t->cached[t->slot[to]] = to;
    vmsim__vm_frame(t->m->vm, to)->flags |= VMSIM__FRAME_SWAPCACHE;
    vmsim__vm_frame(t->m->vm, to)->refcount++;
    vmsim__vm_frame(t->m->vm, from)->flags &= ~VMSIM__FRAME_SWAPCACHE;
    vmsim__vm_frame(t->m->vm, from)->refcount--;
}
TEST_UNUSED static void toy_prefetch(void *context, struct vmsim__vma *v, uint64_t va, struct vmsim__swp e) {
    (void)v, (void)va, (void)e;
    ((struct toy_swap *)context)->prefetched++;
}

TEST_UNUSED static enum vmsim__fault_outcome toy_swap_in(void *context, struct vmsim__vma *v, uint64_t va,
                                                         const struct vmsim__pt_slot *slot, bool write, unsigned cpu) {
    struct toy_swap *t = context;
    struct vmsim__pte pte = vmsim__pt_get(v->mm->pt.format, slot);
    uint32_t at = (uint32_t)vmsim__swp_of(pte).offset;
    vmsim__pfn pfn = t->cached[at];
    bool cached = pfn != VMSIM__PFN_NONE;
    assert_true(vmsim__swp_of(pte).type == 3 && t->count[at] > 0);
    if (cached) {
        vmsim__folio_get(t->m->vm->lru, pfn);
    } else {
        pfn = vmsim__vm_alloc_page(t->m->vm, VMSIM__GFP_HIGHUSER_MOVABLE, 0, cpu);
        if (pfn == VMSIM__PFN_NONE)
            return VMSIM__FAULT_OOM;
        t->tag[pfn] = t->content[at];
        t->reads++;
        if (t->cached[at] != VMSIM__PFN_NONE || !t->count[at]) { /* things went on while memory was found */
            vmsim__folio_put(t->m->vm->lru, pfn, cpu);
            return VMSIM__FAULT_MINOR;
        }
    }
    return vmsim__swap_map(v, va, pte, pfn, cached, write, cpu);
}

TEST_UNUSED static void toy_start(struct toy_swap *t, struct vm_machine *m) {
    memset(t, 0, sizeof *t);
    for (unsigned i = 0; i < TOY_SLOTS; i++)
        t->cached[i] = VMSIM__PFN_NONE;
    t->m = m;
    t->ops = (struct vmsim__swap_ops){.context = t,
                                      .slot_of = toy_slot_of,
                                      .duplicate = toy_duplicate,
                                      .put = toy_put,
                                      .release = toy_release,
                                      .count = toy_count,
                                      .cached = toy_cached,
                                      .prefetch = toy_prefetch,
                                      .free_slot = toy_free_slot,
                                      .migrate = toy_migrate,
                                      .swap_in = toy_swap_in};
    vmsim__vm_set_swap(m->vm, &t->ops);
}

/* Into the swap cache: a free slot and a reference. */
TEST_UNUSED static bool toy_add(struct toy_swap *t, vmsim__pfn pfn) {
    for (unsigned n = 0; n < TOY_SLOTS; n++) {
        uint32_t at = t->next++ % TOY_SLOTS;
        if (t->count[at] || t->cached[at] != VMSIM__PFN_NONE)
            continue;
        t->cached[at] = pfn;
        t->slot[pfn] = at;
        vmsim__vm_frame(t->m->vm, pfn)->flags |= VMSIM__FRAME_SWAPCACHE;
        vmsim__folio_get(t->m->vm->lru, pfn);
        return true;
    }
    return false;
}

/* What reclaim does to one base page. True: it is gone. */
TEST_UNUSED static bool toy_evict(struct toy_swap *t, vmsim__pfn pfn) {
    struct vmsim__lru *lru = t->m->vm->lru;
    struct vmsim__frame *f = vmsim__vm_frame(t->m->vm, pfn);
    const bool anon = vmsim__frame_is(f, VMSIM__FRAME_ANON);
    if (vmsim__frame_is(f, VMSIM__FRAME_HEAD | VMSIM__FRAME_TAIL | VMSIM__FRAME_UNEVICTABLE) || !f->mapcount ||
        !vmsim__lru_isolate(lru, pfn))
        return false;
    if (anon && vmsim__frame_is(f, VMSIM__FRAME_SWAPBACKED) && !vmsim__frame_is(f, VMSIM__FRAME_SWAPCACHE) &&
        !toy_add(t, pfn)) {
        vmsim__lru_putback(lru, pfn, 0);
        return false;
    }
    bool gone = vmsim__try_to_unmap(t->m->vm, pfn, 0, 0);
    const bool cached = vmsim__frame_is(f, VMSIM__FRAME_SWAPCACHE);
    if (gone && cached && f->refcount == 2) {
        toy_leave_cache(t, t->slot[pfn]);
        f->flags &= ~VMSIM__FRAME_DIRTY;
        vmsim__folio_put(lru, pfn, 0);
        return true;
    }
    if (cached && !t->count[t->slot[pfn]])
        toy_leave_cache(t, t->slot[pfn]);
    gone = gone && anon && f->refcount == 1;
    vmsim__lru_putback(lru, pfn, 0);
    return gone;
}

/* Nothing may be left when all address spaces are gone. */
TEST_UNUSED static void toy_end(struct toy_swap *t) {
    for (unsigned i = 0; i < TOY_SLOTS; i++) {
        assert_int_equal(t->count[i], 0);
        if (t->cached[i] != VMSIM__PFN_NONE)
            toy_leave_cache(t, i);
    }
    vmsim__vm_set_swap(t->m->vm, NULL);
}

#endif
