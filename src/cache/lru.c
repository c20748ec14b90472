/* SPDX-License-Identifier: MIT */
/* LRU lists of each node and the per-CPU batches that pages pass through on their way to them.
 *
 *     cpu 0: lru_add [p p p p . . .]  --15 pages (31 since 6.6), or a drain-->  head  inactive file   tail
 *            activate [p p . . . . .]                                           head  active file     tail
 *            ...      each entry holds one reference                                 ...
 *
 * A list runs through frame.next and frame.prev, so that a page costs no memory here and moves in O(1). Until its
 * batch is worked off a new page is on no list (no LRU flag). Unevictable pages are only counted; `prev` of their frame
 * is the mlock count. A batch of one kind is worked off in the order in which it was filled. Kernel counterparts:
 * mm/swap.c, include/linux/mm_inline.h. */
#include "cache/cache_impl.h"

/* ---- lists ---- */

enum vmsim__lru_list vmsim__lru_list_of(const struct vmsim__frame *f) {
    if (vmsim__frame_is(f, VMSIM__FRAME_UNEVICTABLE))
        return VMSIM__LRU_UNEVICTABLE;
    return (vmsim__frame_is(f, VMSIM__FRAME_SWAPBACKED) ? VMSIM__LRU_INACTIVE_ANON : VMSIM__LRU_INACTIVE_FILE) +
           vmsim__frame_is(f, VMSIM__FRAME_ACTIVE);
}

struct vmsim__lruvec *vmsim__lruvec_of_node(struct vmsim__cache *c, unsigned node) {
    VMSIM__ASSERT(node < c->mem->nr_nodes);
    return &c->lruvecs[node];
}

static struct vmsim__lruvec *lruvec_of(struct vmsim__cache *c, const struct vmsim__frame *f) {
    return &c->lruvecs[vmsim__cache_zone(c, f)->node];
}

/* The two statistics follow the order of enum vmsim__lru_list, as in update_lru_size. */
static void count_lru(struct vmsim__cache *c, const struct vmsim__frame *f, enum vmsim__lru_list lru, int64_t pages) {
    VMSIM__ASSERT(pages >= 0 || lruvec_of(c, f)->count[lru] >= (uint64_t)-pages);
    lruvec_of(c, f)->count[lru] += (uint64_t)pages;
    vmsim__cache_node_add(c, f, (enum vmsim__node_stat)(VMSIM__NR_INACTIVE_ANON + lru), pages);
    vmsim__cache_zone_add(c, f, (enum vmsim__zone_stat)(VMSIM__NR_ZONE_INACTIVE_ANON + lru), pages);
}

void vmsim__lruvec_add(struct vmsim__cache *c, vmsim__pfn pfn, bool to_tail) {
    struct vmsim__frame *f = vmsim__cache_frame(c, pfn);
    enum vmsim__lru_list lru = vmsim__lru_list_of(f);
    struct vmsim__lruvec *v = lruvec_of(c, f);
    vmsim__pfn *head = &v->list[lru].head, *tail = &v->list[lru].tail;
    count_lru(c, f, lru, vmsim__frame_pages(f));
    if (lru == VMSIM__LRU_UNEVICTABLE)
        return;
    VMSIM__ASSERT((*head == VMSIM__PFN_NONE) == (*tail == VMSIM__PFN_NONE));
    f->next = to_tail ? VMSIM__PFN_NONE : *head;
    f->prev = to_tail ? *tail : VMSIM__PFN_NONE;
    if (f->next != VMSIM__PFN_NONE)
        vmsim__cache_frame(c, f->next)->prev = pfn;
    else
        *tail = pfn;
    if (f->prev != VMSIM__PFN_NONE)
        vmsim__cache_frame(c, f->prev)->next = pfn;
    else
        *head = pfn;
}

void vmsim__lruvec_del(struct vmsim__cache *c, vmsim__pfn pfn) {
    VMSIM__ASSERT(vmsim__frame_is(vmsim__cache_frame(c, pfn), VMSIM__FRAME_LRU));
    struct vmsim__frame *f = vmsim__cache_frame(c, pfn);
    enum vmsim__lru_list lru = vmsim__lru_list_of(f);
    struct vmsim__lruvec *v = lruvec_of(c, f);
    count_lru(c, f, lru, -(int64_t)vmsim__frame_pages(f));
    if (lru != VMSIM__LRU_UNEVICTABLE) {
        if (f->next != VMSIM__PFN_NONE)
            vmsim__cache_frame(c, f->next)->prev = f->prev;
        else
            v->list[lru].tail = f->prev;
        if (f->prev != VMSIM__PFN_NONE)
            vmsim__cache_frame(c, f->prev)->next = f->next;
        else
            v->list[lru].head = f->next;
    }
    f->next = f->prev = VMSIM__PFN_NONE;
}

bool vmsim__lru_evictable(const struct vmsim__cache *c, const struct vmsim__frame *f) {
    VMSIM__ASSERT(!vmsim__frame_is(f, VMSIM__FRAME_FILE) || (f->mapping < c->files.count && c->files.at[f->mapping]));
    if (vmsim__frame_is(f, VMSIM__FRAME_MLOCKED))
        return false;
    if (!vmsim__frame_is(f, VMSIM__FRAME_FILE))
        return true;
    return c->files.at[f->mapping]->kind != VMSIM__FILE_RAMFS;
}

/* ---- what each batch does to a page ---- */

/* Kernel: lru_add_fn. Whether a page is evictable is judged now, not when it entered the batch: mlock may have come
 * between. */
static void add_fn(struct vmsim__cache *c, vmsim__pfn pfn, struct vmsim__frame *f) {
    VMSIM__ASSERT(!vmsim__frame_is(f, VMSIM__FRAME_LRU) && f->refcount > 0);
    bool was_unevictable = vmsim__frame_is(f, VMSIM__FRAME_UNEVICTABLE);
    uint32_t pages = vmsim__frame_pages(f);
    f->flags &= ~VMSIM__FRAME_UNEVICTABLE;
    if (vmsim__lru_evictable(c, f)) {
        if (was_unevictable)
            vmsim__cache_event(c, VMSIM__UNEVICTABLE_PGS_RESCUED, pages);
    } else {
        f->flags = (f->flags & ~VMSIM__FRAME_ACTIVE) | VMSIM__FRAME_UNEVICTABLE;
        f->prev = vmsim__frame_is(f, VMSIM__FRAME_MLOCKED);
        if (!was_unevictable)
            vmsim__cache_event(c, VMSIM__UNEVICTABLE_PGS_CULLED, pages);
    }
    vmsim__lruvec_add(c, pfn, false);
}

static void rotate_fn(struct vmsim__cache *c, vmsim__pfn pfn, struct vmsim__frame *f) {
    vmsim__lruvec_del(c, pfn);
    f->flags &= ~VMSIM__FRAME_ACTIVE;
    vmsim__lruvec_add(c, pfn, true);
    vmsim__cache_event(c, VMSIM__PGROTATED, vmsim__frame_pages(f));
}

/* Kernel: lru_deactivate_file_fn: a clean page goes to the tail, where reclaim takes it first; a dirty one to the
 * head, since its write-out has to come first, and RECLAIM makes the end of that rotate it. */
static void deactivate_file_fn(struct vmsim__cache *c, vmsim__pfn pfn, struct vmsim__frame *f) {
    bool was_active = vmsim__frame_is(f, VMSIM__FRAME_ACTIVE);
    bool busy = vmsim__frame_is(f, VMSIM__FRAME_DIRTY | VMSIM__FRAME_WRITEBACK);
    uint32_t pages = vmsim__frame_pages(f);
    if (f->mapcount > 0)
        return;
    vmsim__lruvec_del(c, pfn);
    f->flags &= ~(VMSIM__FRAME_ACTIVE | VMSIM__FRAME_REFERENCED);
    vmsim__lruvec_add(c, pfn, !busy);
    if (busy)
        f->flags |= VMSIM__FRAME_RECLAIM;
    else
        vmsim__cache_event(c, VMSIM__PGROTATED, pages);
    if (was_active)
        vmsim__cache_event(c, VMSIM__PGDEACTIVATE, pages);
}

/* Kernel: lru_deactivate_fn. */
static void deactivate_fn(struct vmsim__cache *c, vmsim__pfn pfn, struct vmsim__frame *f) {
    if (!vmsim__frame_is(f, VMSIM__FRAME_ACTIVE))
        return;
    vmsim__lruvec_del(c, pfn);
    f->flags &= ~(VMSIM__FRAME_ACTIVE | VMSIM__FRAME_REFERENCED);
    vmsim__lruvec_add(c, pfn, false);
    vmsim__cache_event(c, VMSIM__PGDEACTIVATE, vmsim__frame_pages(f));
}

static bool lazyfree_wanted(const struct vmsim__frame *f) {
    uint32_t need = VMSIM__FRAME_ANON | VMSIM__FRAME_SWAPBACKED,
             bar = VMSIM__FRAME_SWAPCACHE | VMSIM__FRAME_UNEVICTABLE;
    return (f->flags & need) == need && !(f->flags & bar);
}

/* Kernel: lru_lazyfree_fn: without SWAPBACKED the page counts as a clean file page, which reclaim may drop without
 * swap. */
static void lazyfree_fn(struct vmsim__cache *c, vmsim__pfn pfn, struct vmsim__frame *f) {
    if (!lazyfree_wanted(f))
        return;
    vmsim__lruvec_del(c, pfn);
    f->flags &= ~(VMSIM__FRAME_ACTIVE | VMSIM__FRAME_REFERENCED | VMSIM__FRAME_SWAPBACKED);
    vmsim__lruvec_add(c, pfn, false);
    vmsim__cache_event(c, VMSIM__PGLAZYFREE, vmsim__frame_pages(f));
}

/* Kernel: folio_activate_fn. */
static void activate_fn(struct vmsim__cache *c, vmsim__pfn pfn, struct vmsim__frame *f) {
    if (vmsim__frame_is(f, VMSIM__FRAME_ACTIVE))
        return;
    vmsim__lruvec_del(c, pfn);
    f->flags |= VMSIM__FRAME_ACTIVE;
    vmsim__lruvec_add(c, pfn, false);
    vmsim__cache_event(c, VMSIM__PGACTIVATE, vmsim__frame_pages(f));
}

/* One page of a batch. All but lru_add and mlock pass over pages that left the lists or became unevictable. */
static void apply(struct vmsim__cache *c, enum vmsim__lru_batch_kind kind, vmsim__pfn pfn, uint8_t tag) {
    struct vmsim__frame *f = vmsim__cache_frame(c, pfn);
    if (kind == VMSIM__BATCH_MLOCK) {
        vmsim__mlock_apply(c, pfn, tag);
        return;
    }
    if (kind == VMSIM__BATCH_ADD) {
        add_fn(c, pfn, f);
        f->flags |= VMSIM__FRAME_LRU;
        return;
    }
    if (!vmsim__frame_is(f, VMSIM__FRAME_LRU) || vmsim__frame_is(f, VMSIM__FRAME_UNEVICTABLE))
        return;
    static void (*const fn[])(struct vmsim__cache *, vmsim__pfn, struct vmsim__frame *) = {
        [VMSIM__BATCH_ROTATE] = rotate_fn,         [VMSIM__BATCH_DEACTIVATE_FILE] = deactivate_file_fn,
        [VMSIM__BATCH_DEACTIVATE] = deactivate_fn, [VMSIM__BATCH_LAZYFREE] = lazyfree_fn,
        [VMSIM__BATCH_ACTIVATE] = activate_fn,
    };
    fn[kind](c, pfn, f);
}

/* ---- batches ---- */

/* Kernel: folio_batch_move_lru. References are dropped after all entries were applied and the batch is empty: the
 * last put may free a page, and freeing must find no batch that still names it. */
static void work_off(struct vmsim__cache *c, enum vmsim__lru_batch_kind kind, unsigned cpu) {
    VMSIM__ASSERT(cpu < c->cpus && kind < VMSIM__BATCH_KINDS);
    VMSIM__ASSERT(c->batches[cpu].kind[kind].count <= VMSIM__BATCH_MAX);
    struct vmsim__lru_batch *b = &c->batches[cpu].kind[kind];
    uint32_t count = b->count;
    for (uint32_t i = 0; i < count; i++)
        apply(c, kind, b->page[i], b->tag[i]);
    b->count = 0;
    for (uint32_t i = 0; i < count; i++)
        vmsim__page_put(c, b->page[i], cpu);
}

void vmsim__lru_batch_add(struct vmsim__cache *c, enum vmsim__lru_batch_kind kind, vmsim__pfn pfn, uint8_t tag,
                          unsigned cpu) {
    VMSIM__ASSERT(cpu < c->cpus && vmsim__cache_frame(c, pfn)->refcount > 0);
    VMSIM__ASSERT(c->batches[cpu].kind[kind].count < c->kernel->lru_batch);
    struct vmsim__lru_batch *b = &c->batches[cpu].kind[kind];
    vmsim__cache_frame(c, pfn)->refcount++;
    b->page[b->count] = pfn;
    b->tag[b->count++] = tag;
    if (b->count == c->kernel->lru_batch || vmsim__frame_is(vmsim__cache_frame(c, pfn), VMSIM__FRAME_HEAD))
        work_off(c, kind, cpu);
}

void vmsim__lru_drain_cpu(struct vmsim__cache *c, unsigned cpu) {
    for (unsigned kind = 0; kind < VMSIM__BATCH_KINDS; kind++) {
        if (c->batches[cpu].kind[kind].count)
            work_off(c, (enum vmsim__lru_batch_kind)kind, cpu);
    }
}

void vmsim__lru_drain_all(struct vmsim__cache *c) {
    for (unsigned cpu = 0; cpu < c->cpus; cpu++)
        vmsim__lru_drain_cpu(c, cpu);
}

/* ---- requests ---- */

void vmsim__lru_add(struct vmsim__cache *c, vmsim__pfn pfn, unsigned cpu) {
    vmsim__lru_batch_add(c, VMSIM__BATCH_ADD, pfn, 0, cpu);
}

void vmsim__lru_activate(struct vmsim__cache *c, vmsim__pfn pfn, unsigned cpu) {
    const struct vmsim__frame *f = vmsim__cache_frame(c, pfn);
    if (vmsim__frame_is(f, VMSIM__FRAME_LRU) && !vmsim__frame_is(f, VMSIM__FRAME_ACTIVE | VMSIM__FRAME_UNEVICTABLE))
        vmsim__lru_batch_add(c, VMSIM__BATCH_ACTIVATE, pfn, 0, cpu);
}

/* A page that still waits in this CPU's lru_add batch is made active where it lies (and counts in no pgactivate). */
static void activate_in_batch(struct vmsim__cache *c, vmsim__pfn pfn, unsigned cpu) {
    const struct vmsim__lru_batch *b = &c->batches[cpu].kind[VMSIM__BATCH_ADD];
    for (uint32_t i = b->count; i-- > 0;) {
        if (b->page[i] == pfn) {
            vmsim__cache_frame(c, pfn)->flags |= VMSIM__FRAME_ACTIVE;
            return;
        }
    }
}

/* Kernel: folio_mark_accessed: unreferenced, referenced, active. A working set that is activated ages the shadows of
 * those evicted. */
void vmsim__lru_mark_accessed(struct vmsim__cache *c, vmsim__pfn pfn, unsigned cpu) {
    struct vmsim__frame *f = vmsim__cache_frame(c, pfn);
    if (!vmsim__frame_is(f, VMSIM__FRAME_REFERENCED)) {
        f->flags |= VMSIM__FRAME_REFERENCED;
        return;
    }
    if (vmsim__frame_is(f, VMSIM__FRAME_UNEVICTABLE | VMSIM__FRAME_ACTIVE))
        return;
    if (vmsim__frame_is(f, VMSIM__FRAME_LRU))
        vmsim__lru_activate(c, pfn, cpu);
    else
        activate_in_batch(c, pfn, cpu);
    f->flags &= ~VMSIM__FRAME_REFERENCED;
    lruvec_of(c, f)->nonresident_age += vmsim__frame_pages(f);
}

void vmsim__lru_deactivate(struct vmsim__cache *c, vmsim__pfn pfn, unsigned cpu) {
    uint32_t flags = vmsim__cache_frame(c, pfn)->flags, need = VMSIM__FRAME_LRU | VMSIM__FRAME_ACTIVE;
    if ((flags & need) == need && !(flags & VMSIM__FRAME_UNEVICTABLE))
        vmsim__lru_batch_add(c, VMSIM__BATCH_DEACTIVATE, pfn, 0, cpu);
}

void vmsim__lru_deactivate_file(struct vmsim__cache *c, vmsim__pfn pfn, unsigned cpu) {
    if (!vmsim__frame_is(vmsim__cache_frame(c, pfn), VMSIM__FRAME_UNEVICTABLE))
        vmsim__lru_batch_add(c, VMSIM__BATCH_DEACTIVATE_FILE, pfn, 0, cpu);
}

void vmsim__lru_lazyfree(struct vmsim__cache *c, vmsim__pfn pfn, unsigned cpu) {
    const struct vmsim__frame *f = vmsim__cache_frame(c, pfn);
    if (vmsim__frame_is(f, VMSIM__FRAME_LRU) && lazyfree_wanted(f))
        vmsim__lru_batch_add(c, VMSIM__BATCH_LAZYFREE, pfn, 0, cpu);
}

void vmsim__lru_rotate(struct vmsim__cache *c, vmsim__pfn pfn, unsigned cpu) {
    uint32_t flags = vmsim__cache_frame(c, pfn)->flags;
    if ((flags & VMSIM__FRAME_LRU) && !(flags & (VMSIM__FRAME_DIRTY | VMSIM__FRAME_UNEVICTABLE)))
        vmsim__lru_batch_add(c, VMSIM__BATCH_ROTATE, pfn, 0, cpu);
}

/* Kernel: folio_isolate_lru. */
bool vmsim__lru_isolate(struct vmsim__cache *c, vmsim__pfn pfn) {
    struct vmsim__frame *f = vmsim__cache_frame(c, pfn);
    if (!vmsim__frame_is(f, VMSIM__FRAME_LRU))
        return false;
    vmsim__lruvec_del(c, pfn);
    f->flags &= ~VMSIM__FRAME_LRU;
    f->refcount++;
    VMSIM__ASSERT(f->refcount > 1);
    return true;
}

void vmsim__lru_putback(struct vmsim__cache *c, vmsim__pfn pfn, unsigned cpu) {
    vmsim__lru_add(c, pfn, cpu);
    vmsim__page_put(c, pfn, cpu);
}

/* ---- references ---- */

void vmsim__page_get(struct vmsim__cache *c, vmsim__pfn pfn) {
    VMSIM__ASSERT(vmsim__cache_frame(c, pfn)->refcount > 0 &&
                  !vmsim__frame_is(vmsim__cache_frame(c, pfn), VMSIM__FRAME_TAIL));
    vmsim__cache_frame(c, pfn)->refcount++;
}

/* Kernel: __page_cache_release, then free_unref_page. */
void vmsim__page_put(struct vmsim__cache *c, vmsim__pfn pfn, unsigned cpu) {
    VMSIM__ASSERT(cpu < c->cpus);
    struct vmsim__frame *f = vmsim__cache_frame(c, pfn);
    VMSIM__ASSERT(f->refcount > 0);
    VMSIM__ASSERT(!vmsim__frame_is(f, VMSIM__FRAME_BUDDY | VMSIM__FRAME_PCP | VMSIM__FRAME_TAIL));
    if (--f->refcount)
        return;
    VMSIM__ASSERT(f->mapcount == 0 && !vmsim__frame_is(f, VMSIM__FRAME_FILE));
    if (vmsim__frame_is(f, VMSIM__FRAME_LRU))
        vmsim__lruvec_del(c, pfn);
    if (vmsim__frame_is(f, VMSIM__FRAME_MLOCKED))
        vmsim__mlock_clear(c, f);
    unsigned order = vmsim__frame_is(f, VMSIM__FRAME_HEAD) ? vmsim__frame_order(f) : 0;
    f->flags &= ~(VMSIM__FRAME_LRU | VMSIM__FRAME_ACTIVE | VMSIM__FRAME_REFERENCED | VMSIM__FRAME_UNEVICTABLE |
                  VMSIM__FRAME_MLOCKED | VMSIM__FRAME_ANON | VMSIM__FRAME_SWAPBACKED | VMSIM__FRAME_DIRTY |
                  VMSIM__FRAME_EXCLUSIVE | VMSIM__FRAME_WORKINGSET | VMSIM__FRAME_RECLAIM);
    f->mapping = 0;
    f->index = 0;
    vmsim__mem_free(c->mem, pfn, order, cpu);
}
