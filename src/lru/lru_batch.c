/* SPDX-License-Identifier: MIT */
/* The per-CPU batches that pages pass through on their way to a list or from one list to another.
 *
 *     cpu 0: lru_add [p p p p . . .]  --15 pages (31 since 6.6), or a drain-->  head  inactive file   tail
 *            activate [p p . . . . .]                                           head  active file     tail
 *            ...      each entry holds one reference                                 ...
 *
 * Until its batch is worked off a new page is on no list (no LRU flag). A batch of one kind is worked off in the order
 * in which it was filled. Kernel counterpart: mm/swap.c. */
#include "lru/lruvec.h"
#include "lru/workingset.h"

/* ---- what each batch does to a page ---- */

/* Kernel: lru_add_fn. Whether a page is evictable is judged now, not when it entered the batch: mlock may have come
 * between. */
static VMSIM__NOINLINE void add_fn(struct vmsim__lru *lru, vmsim__pfn pfn) {
    struct vmsim__frame *f = vmsim__lru_frame(lru, pfn);
    VMSIM__ASSERT(!vmsim__frame_is(f, VMSIM__FRAME_LRU) && f->refcount > 0);
    bool was_unevictable = vmsim__frame_is(f, VMSIM__FRAME_UNEVICTABLE);
    uint32_t pages = vmsim__frame_pages(f);
    f->flags &= ~VMSIM__FRAME_UNEVICTABLE;
    if (vmsim__folio_evictable(f)) {
        if (was_unevictable)
            vmsim__lru_event(lru, VMSIM__UNEVICTABLE_PGS_RESCUED, pages);
    } else {
        vmsim__lru_tell_unevictable(lru, pfn);
        f->flags = (f->flags & ~VMSIM__FRAME_ACTIVE) | VMSIM__FRAME_UNEVICTABLE;
        f->prev = vmsim__frame_is(f, VMSIM__FRAME_MLOCKED);
        if (!was_unevictable)
            vmsim__lru_event(lru, VMSIM__UNEVICTABLE_PGS_CULLED, pages);
    }
    vmsim__lruvec_add(lru, pfn, f, false);
    f->flags |= VMSIM__FRAME_LRU;
}

static void rotate_fn(struct vmsim__lru *lru, vmsim__pfn pfn, struct vmsim__frame *f) {
    vmsim__lruvec_del(lru, f);
    f->flags &= ~VMSIM__FRAME_ACTIVE;
    vmsim__lruvec_add(lru, pfn, f, true);
    vmsim__lru_event(lru, VMSIM__PGROTATED, vmsim__frame_pages(f));
}

/* Kernel: lru_deactivate_file_fn: a clean page goes to the tail, where reclaim takes it first; a dirty one to the
 * head, since its write-out has to come first, and RECLAIM makes the end of that rotate it. */
static void deactivate_file_fn(struct vmsim__lru *lru, vmsim__pfn pfn, struct vmsim__frame *f) {
    bool was_active = vmsim__frame_is(f, VMSIM__FRAME_ACTIVE);
    bool busy = vmsim__frame_is(f, VMSIM__FRAME_DIRTY | VMSIM__FRAME_WRITEBACK);
    uint32_t pages = vmsim__frame_pages(f);
    if (f->mapcount > 0)
        return;
    vmsim__lruvec_del(lru, f);
    f->flags &= ~(VMSIM__FRAME_ACTIVE | VMSIM__FRAME_REFERENCED);
    vmsim__lruvec_add(lru, pfn, f, !busy);
    if (busy)
        f->flags |= VMSIM__FRAME_RECLAIM;
    else
        vmsim__lru_event(lru, VMSIM__PGROTATED, pages);
    if (was_active)
        vmsim__lru_event(lru, VMSIM__PGDEACTIVATE, pages);
}

/* Kernel: lru_deactivate_fn. */
static void deactivate_fn(struct vmsim__lru *lru, vmsim__pfn pfn, struct vmsim__frame *f) {
    if (!vmsim__frame_is(f, VMSIM__FRAME_ACTIVE) && !lru->gen_enabled)
        return;
    vmsim__lruvec_del(lru, f);
    f->flags &= ~(VMSIM__FRAME_ACTIVE | VMSIM__FRAME_REFERENCED);
    vmsim__lruvec_add(lru, pfn, f, false);
    vmsim__lru_folio_event(lru, f, VMSIM__PGDEACTIVATE, vmsim__frame_pages(f));
}

static bool lazyfree_wanted(const struct vmsim__frame *f) {
    uint32_t need = VMSIM__FRAME_ANON | VMSIM__FRAME_SWAPBACKED,
             bar = VMSIM__FRAME_SWAPCACHE | VMSIM__FRAME_UNEVICTABLE;
    return (f->flags & need) == need && !(f->flags & bar);
}

/* Kernel: lru_lazyfree_fn: without SWAPBACKED the page counts as a clean file page, which reclaim may drop without
 * swap. */
static void lazyfree_fn(struct vmsim__lru *lru, vmsim__pfn pfn, struct vmsim__frame *f) {
    if (!lazyfree_wanted(f))
        return;
    vmsim__lruvec_del(lru, f);
    f->flags &= ~(VMSIM__FRAME_ACTIVE | VMSIM__FRAME_REFERENCED | VMSIM__FRAME_SWAPBACKED);
    vmsim__lruvec_add(lru, pfn, f, false);
    vmsim__lru_tell_evictable(lru, pfn, VMSIM__NO_CPU); /* without swap it was not before */
    vmsim__lru_folio_event(lru, f, VMSIM__PGLAZYFREE, vmsim__frame_pages(f));
}

/* Kernel: folio_activate_fn. */
static void activate_fn(struct vmsim__lru *lru, vmsim__pfn pfn, struct vmsim__frame *f) {
    if (vmsim__frame_is(f, VMSIM__FRAME_ACTIVE))
        return;
    vmsim__lruvec_del(lru, f);
    f->flags |= VMSIM__FRAME_ACTIVE;
    vmsim__lruvec_add(lru, pfn, f, false);
    vmsim__lru_folio_event(lru, f, VMSIM__PGACTIVATE, vmsim__frame_pages(f));
}

/* One page of another batch. All but mlock pass over pages that left the lists or became unevictable. */
static void apply(struct vmsim__lru *lru, enum vmsim__lru_batch_kind kind, vmsim__pfn pfn, uint8_t tag) {
    struct vmsim__frame *f = vmsim__lru_frame(lru, pfn);
    if (kind == VMSIM__BATCH_MLOCK) {
        vmsim__mlock_apply(lru, pfn, tag);
        return;
    }
    if (!vmsim__frame_is(f, VMSIM__FRAME_LRU) || vmsim__frame_is(f, VMSIM__FRAME_UNEVICTABLE))
        return;
    static void (*const fn[])(struct vmsim__lru *, vmsim__pfn, struct vmsim__frame *) = {
        [VMSIM__BATCH_ROTATE] = rotate_fn,         [VMSIM__BATCH_DEACTIVATE_FILE] = deactivate_file_fn,
        [VMSIM__BATCH_DEACTIVATE] = deactivate_fn, [VMSIM__BATCH_LAZYFREE] = lazyfree_fn,
        [VMSIM__BATCH_ACTIVATE] = activate_fn,
    };
    fn[kind](lru, pfn, f);
}

/* ---- batches ---- */

/* Kernel: folio_batch_move_lru. References are dropped after all entries were applied and the batch is empty: the
 * last put may free a page, and freeing must find no batch that still names it. */
static void work_off(struct vmsim__lru *lru, enum vmsim__lru_batch_kind kind, unsigned cpu) {
    VMSIM__ASSERT(cpu < lru->cpus && kind < VMSIM__BATCH_KINDS);
    VMSIM__ASSERT(lru->batches[cpu].kind[kind].count <= VMSIM__BATCH_MAX);
    struct vmsim__lru_batch *b = &lru->batches[cpu].kind[kind];
    uint32_t count = b->count;
    for (uint32_t i = 0; i < count; i++) {
        if (kind == VMSIM__BATCH_ADD)
            add_fn(lru, b->page[i]);
        else
            apply(lru, kind, b->page[i], b->tag[i]);
    }
    b->count = 0;
    for (uint32_t i = 0; i < count; i++)
        vmsim__folio_put(lru, b->page[i], cpu);
}

void vmsim__lru_batch_add(struct vmsim__lru *lru, enum vmsim__lru_batch_kind kind, vmsim__pfn pfn, uint8_t tag,
                          unsigned cpu) {
    VMSIM__ASSERT(cpu < lru->cpus && vmsim__lru_frame(lru, pfn)->refcount > 0);
    VMSIM__ASSERT(lru->batches[cpu].kind[kind].count < lru->kernel->lru_batch);
    struct vmsim__lru_batch *b = &lru->batches[cpu].kind[kind];
    vmsim__lru_frame(lru, pfn)->refcount++;
    b->page[b->count] = pfn;
    b->tag[b->count++] = tag;
    if (b->count == lru->kernel->lru_batch || vmsim__frame_is(vmsim__lru_frame(lru, pfn), VMSIM__FRAME_HEAD))
        work_off(lru, kind, cpu);
}

void vmsim__lru_drain_cpu(struct vmsim__lru *lru, unsigned cpu) {
    for (unsigned kind = 0; kind < VMSIM__BATCH_KINDS; kind++) {
        if (lru->batches[cpu].kind[kind].count)
            work_off(lru, (enum vmsim__lru_batch_kind)kind, cpu);
    }
}

void vmsim__lru_drain_all(struct vmsim__lru *lru) {
    for (unsigned cpu = 0; cpu < lru->cpus; cpu++)
        vmsim__lru_drain_cpu(lru, cpu);
}

/* ---- requests ---- */

/* Kernel: folio_add_lru: with generations, what a fault brings in begins young, readahead's pages included. */
void vmsim__lru_add(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned cpu) {
    struct vmsim__frame *f = vmsim__lru_frame(lru, pfn);
    if (vmsim__folio_evictable(f))
        vmsim__lru_tell_evictable(lru, pfn, cpu);
    if (VMSIM__UNLIKELY(lru->gen_enabled) && lru->mem->now.in_lru_fault &&
        !vmsim__frame_is(f, VMSIM__FRAME_UNEVICTABLE))
        f->flags |= VMSIM__FRAME_ACTIVE;
    vmsim__lru_batch_add(lru, VMSIM__BATCH_ADD, pfn, 0, cpu);
}

void vmsim__lru_activate(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned cpu) {
    const struct vmsim__frame *f = vmsim__lru_frame(lru, pfn);
    if (vmsim__frame_is(f, VMSIM__FRAME_LRU) && !vmsim__frame_is(f, VMSIM__FRAME_ACTIVE | VMSIM__FRAME_UNEVICTABLE))
        vmsim__lru_batch_add(lru, VMSIM__BATCH_ACTIVATE, pfn, 0, cpu);
}

/* A page that still waits in this CPU's lru_add batch is made active where it lies (and counts in no pgactivate). */
static void activate_in_batch(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned cpu) {
    const struct vmsim__lru_batch *b = &lru->batches[cpu].kind[VMSIM__BATCH_ADD];
    for (uint32_t i = b->count; i-- > 0;) {
        if (b->page[i] == pfn) {
            vmsim__lru_frame(lru, pfn)->flags |= VMSIM__FRAME_ACTIVE;
            return;
        }
    }
}

/* Kernel: folio_mark_accessed: unreferenced, referenced, active. A working set that is activated ages the shadows of
 * those evicted. */
void vmsim__lru_mark_accessed(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned cpu) {
    struct vmsim__frame *f = vmsim__lru_frame(lru, pfn);
    if (VMSIM__UNLIKELY(lru->watch != NULL))
        lru->watch->accessed(lru->watch->context, pfn);
    if (VMSIM__UNLIKELY(lru->gen_enabled)) {
        vmsim__folio_inc_refs(f);
        return;
    }
    if (!vmsim__frame_is(f, VMSIM__FRAME_REFERENCED)) {
        f->flags |= VMSIM__FRAME_REFERENCED;
        return;
    }
    if (vmsim__frame_is(f, VMSIM__FRAME_UNEVICTABLE | VMSIM__FRAME_ACTIVE))
        return;
    if (vmsim__frame_is(f, VMSIM__FRAME_LRU))
        vmsim__lru_activate(lru, pfn, cpu);
    else
        activate_in_batch(lru, pfn, cpu);
    f->flags &= ~VMSIM__FRAME_REFERENCED;
    vmsim__workingset_age(vmsim__lruvec_of(lru, f), vmsim__frame_pages(f));
}

void vmsim__lru_deactivate(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned cpu) {
    const uint32_t flags = vmsim__lru_frame(lru, pfn)->flags;
    const uint32_t need = VMSIM__FRAME_LRU | (lru->gen_enabled ? 0 : VMSIM__FRAME_ACTIVE);
    if ((flags & need) == need && !(flags & VMSIM__FRAME_UNEVICTABLE))
        vmsim__lru_batch_add(lru, VMSIM__BATCH_DEACTIVATE, pfn, 0, cpu);
}

void vmsim__lru_deactivate_file(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned cpu) {
    if (!vmsim__frame_is(vmsim__lru_frame(lru, pfn), VMSIM__FRAME_UNEVICTABLE))
        vmsim__lru_batch_add(lru, VMSIM__BATCH_DEACTIVATE_FILE, pfn, 0, cpu);
}

void vmsim__lru_lazyfree(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned cpu) {
    const struct vmsim__frame *f = vmsim__lru_frame(lru, pfn);
    if (vmsim__frame_is(f, VMSIM__FRAME_LRU) && lazyfree_wanted(f))
        vmsim__lru_batch_add(lru, VMSIM__BATCH_LAZYFREE, pfn, 0, cpu);
}

void vmsim__lru_rotate(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned cpu) {
    uint32_t flags = vmsim__lru_frame(lru, pfn)->flags;
    if ((flags & VMSIM__FRAME_LRU) && !(flags & (VMSIM__FRAME_DIRTY | VMSIM__FRAME_UNEVICTABLE)))
        vmsim__lru_batch_add(lru, VMSIM__BATCH_ROTATE, pfn, 0, cpu);
}
