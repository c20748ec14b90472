/* SPDX-License-Identifier: MIT */
/* mlock: pages that no reclaim may take. An mlocked page sits on the unevictable list, which is only a count; the
 * number of areas that lock it is kept in `prev` of its frame (mlock_count), as no list needs the link.
 *
 * Locking and unlocking go through a batch of their own, whose entries say what is asked: lock a page that may be on a
 * list, lock one that was just born, unlock. Kernel counterpart: mm/mlock.c (since 5.18). */
#include "lru/lruvec.h"

enum mlock_tag { TAG_MUNLOCK, TAG_LOCK, TAG_LOCK_NEW };

/* The flag and nr_mlock change at once, the list only when the batch is worked off: what a reader of vmstat sees
 * between the two is what Linux shows. */
static void set_mlocked(struct vmsim__lru *lru, struct vmsim__frame *f) {
    VMSIM__ASSERT(f->refcount > 0);
    uint32_t pages = vmsim__frame_pages(f);
    if (vmsim__frame_is(f, VMSIM__FRAME_MLOCKED))
        return;
    f->flags |= VMSIM__FRAME_MLOCKED;
    vmsim__lru_zone_add(lru, f, VMSIM__NR_MLOCK, pages);
    vmsim__lru_event(lru, VMSIM__UNEVICTABLE_PGS_MLOCKED, pages);
}

void vmsim__lru_mlock(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned cpu) {
    set_mlocked(lru, vmsim__lru_frame(lru, pfn));
    vmsim__lru_batch_add(lru, VMSIM__BATCH_MLOCK, pfn, TAG_LOCK, cpu);
}

void vmsim__lru_munlock(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned cpu) {
    vmsim__lru_batch_add(lru, VMSIM__BATCH_MLOCK, pfn, TAG_MUNLOCK, cpu);
}

void vmsim__lru_add_mlocked(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned cpu) {
    set_mlocked(lru, vmsim__lru_frame(lru, pfn));
    vmsim__lru_batch_add(lru, VMSIM__BATCH_MLOCK, pfn, TAG_LOCK_NEW, cpu);
}

/* Off the lists or from another list to the unevictable one; the page is on none at this moment. */
static void make_unevictable(struct vmsim__lru *lru, vmsim__pfn pfn, struct vmsim__frame *f) {
    VMSIM__ASSERT(!vmsim__folio_evictable(f));
    vmsim__lru_tell_unevictable(lru, pfn);
    f->flags = (f->flags & ~VMSIM__FRAME_ACTIVE) | VMSIM__FRAME_UNEVICTABLE;
    vmsim__lruvec_add(lru, pfn, f, false);
    f->prev = vmsim__frame_is(f, VMSIM__FRAME_MLOCKED);
    vmsim__lru_event(lru, VMSIM__UNEVICTABLE_PGS_CULLED, vmsim__frame_pages(f));
}

static void rescue(struct vmsim__lru *lru, vmsim__pfn pfn, struct vmsim__frame *f) {
    VMSIM__ASSERT(vmsim__frame_is(f, VMSIM__FRAME_UNEVICTABLE | VMSIM__FRAME_LRU));
    vmsim__lruvec_del(lru, f);
    f->flags &= ~VMSIM__FRAME_UNEVICTABLE;
    vmsim__lruvec_add(lru, pfn, f, false);
    vmsim__lru_event(lru, VMSIM__UNEVICTABLE_PGS_RESCUED, vmsim__frame_pages(f));
}

/* Kernel: __mlock_folio. */
static void lock_page(struct vmsim__lru *lru, vmsim__pfn pfn, struct vmsim__frame *f) {
    if (!vmsim__frame_is(f, VMSIM__FRAME_LRU))
        return;
    if (vmsim__folio_evictable(f)) { /* unlocked again before the batch came here */
        if (vmsim__frame_is(f, VMSIM__FRAME_UNEVICTABLE))
            rescue(lru, pfn, f);
        vmsim__lru_tell_evictable(lru, pfn, VMSIM__NO_CPU);
    } else if (vmsim__frame_is(f, VMSIM__FRAME_UNEVICTABLE)) {
        f->prev += vmsim__frame_is(f, VMSIM__FRAME_MLOCKED);
    } else {
        vmsim__lruvec_del(lru, f);
        make_unevictable(lru, pfn, f);
    }
}

/* Kernel: __mlock_new_folio. */
static void lock_new_page(struct vmsim__lru *lru, vmsim__pfn pfn, struct vmsim__frame *f) {
    if (vmsim__frame_is(f, VMSIM__FRAME_LRU))
        return;
    if (vmsim__folio_evictable(f)) {
        vmsim__lruvec_add(lru, pfn, f, false);
        vmsim__lru_tell_evictable(lru, pfn, VMSIM__NO_CPU);
    } else {
        make_unevictable(lru, pfn, f);
    }
    f->flags |= VMSIM__FRAME_LRU;
}

/* Kernel: __munlock_folio. A page that is isolated keeps its flag UNEVICTABLE and counts as stranded: whoever puts it
 * back finds it evictable. */
static void unlock_page(struct vmsim__lru *lru, vmsim__pfn pfn, struct vmsim__frame *f) {
    bool listed = vmsim__frame_is(f, VMSIM__FRAME_LRU), unevictable = vmsim__frame_is(f, VMSIM__FRAME_UNEVICTABLE);
    uint32_t pages = vmsim__frame_pages(f);
    if (listed && unevictable && f->prev && --f->prev)
        return; /* another area still locks it */
    if (vmsim__frame_is(f, VMSIM__FRAME_MLOCKED)) {
        f->flags &= ~VMSIM__FRAME_MLOCKED;
        vmsim__lru_zone_add(lru, f, VMSIM__NR_MLOCK, -(int64_t)pages);
        vmsim__lru_event(
            lru, listed || !unevictable ? VMSIM__UNEVICTABLE_PGS_MUNLOCKED : VMSIM__UNEVICTABLE_PGS_STRANDED, pages);
    }
    if (listed && unevictable && vmsim__folio_evictable(f))
        rescue(lru, pfn, f);
    if (listed && vmsim__folio_evictable(f))
        vmsim__lru_tell_evictable(lru, pfn, VMSIM__NO_CPU);
}

void vmsim__mlock_apply(struct vmsim__lru *lru, vmsim__pfn pfn, uint8_t tag) {
    VMSIM__ASSERT(tag <= TAG_LOCK_NEW);
    struct vmsim__frame *f = vmsim__lru_frame(lru, pfn);
    if (tag == TAG_LOCK)
        lock_page(lru, pfn, f);
    else if (tag == TAG_LOCK_NEW)
        lock_new_page(lru, pfn, f);
    else
        unlock_page(lru, pfn, f);
}

void vmsim__mlock_clear(struct vmsim__lru *lru, struct vmsim__frame *f) {
    VMSIM__ASSERT(vmsim__frame_is(f, VMSIM__FRAME_MLOCKED) && f->refcount == 0);
    uint32_t pages = vmsim__frame_pages(f);
    f->flags &= ~VMSIM__FRAME_MLOCKED;
    vmsim__lru_zone_add(lru, f, VMSIM__NR_MLOCK, -(int64_t)pages);
    vmsim__lru_event(lru, VMSIM__UNEVICTABLE_PGS_CLEARED, pages);
}
