/* SPDX-License-Identifier: MIT */
/* Bringing slots back: one page, or those that lie beside it on the device.
 *
 *     slots   ... [ 8  9 10 11 | 12 13 14 15 ] ...     a miss at 13, window of 4: 12 to 15; 13 alone carries no mark
 *
 * A window is a block of slots of its own size, aligned to it. It grows with the share of marked pages that were used
 * since, and shrinks by halves. Faults on private memory follow addresses instead where no area turns (vm/swap_in.c);
 * shared memory always comes by slots. Kernel counterpart: mm/swap_state.c. */
#include "cache/cache_impl.h"
#include "cache/swap_cache.h"

void vmsim__swap_count_major(struct vmsim__cache *c) {
    struct vmsim__call *call = vmsim__now_call(&c->mem->now);
    if (!call->major) {
        vmsim__cache_event(c, VMSIM__PGMAJFAULT, 1);
        if (VMSIM__UNLIKELY(c->mem->now.memcg))
            vmsim__memcg_event_add(c->lru, c->mem->now.memcg, VMSIM__PGMAJFAULT, 1);
    }
    call->major = true;
}

vmsim__pfn vmsim__swap_look_up(struct vmsim__cache *c, struct vmsim__swp e, bool *ahead) {
    const vmsim__pfn pfn = vmsim__swap_cache_page(c, e);
    *ahead = false;
    if (pfn == VMSIM__PFN_NONE)
        return pfn;
    struct vmsim__frame *f = vmsim__cache_frame(c, pfn);
    *ahead = vmsim__frame_is(f, VMSIM__FRAME_READAHEAD);
    f->flags &= ~VMSIM__FRAME_READAHEAD;
    if (*ahead)
        vmsim__cache_event(c, VMSIM__SWAP_RA_HIT, 1);
    return pfn;
}

/* A new frame for the page of a slot. The cgroup that pays for the slot pays for the page, if it is still there; else
 * that of who brings it. Kernel: mem_cgroup_swapin_charge_folio. */
vmsim__pfn vmsim__swap_frame(struct vmsim__cache *c, struct vmsim__swp e, const struct vmsim__swap_reader *r) {
    const vmsim__pfn pfn = r->alloc(r->context);
    const uint16_t recorded = vmsim__swap_memcg(c->swap, e);
    const struct vmsim__memcg *m = vmsim__memcg_by_id(c->lru, recorded);
    const uint16_t payer = m && m->online ? recorded : c->mem->now.memcg;
    if (pfn == VMSIM__PFN_NONE || !payer || vmsim__folio_charge_to(c->lru, payer, pfn, VMSIM__GFP_KERNEL, r->cpu))
        return pfn;
    vmsim__folio_put(c->lru, pfn, r->cpu);
    return VMSIM__PFN_NONE;
}

vmsim__pfn vmsim__swap_fetch(struct vmsim__cache *c, struct vmsim__swp e, const struct vmsim__swap_reader *r,
                             bool *fresh) {
    *fresh = false;
    vmsim__pfn there = vmsim__swap_cache_page(c, e);
    if (there != VMSIM__PFN_NONE || !vmsim__swap_users(c->swap, e))
        return there;
    const vmsim__pfn pfn = vmsim__swap_frame(c, e, r);
    if (pfn == VMSIM__PFN_NONE)
        return pfn;
    there = vmsim__swap_cache_page(c, e); /* things went on while memory was found */
    if (there == VMSIM__PFN_NONE && vmsim__swap_users(c->swap, e)) {
        *fresh = vmsim__swap_cache_read(c, e, pfn, r->cpu);
        if (*fresh)
            return vmsim__swap_cache_page(c, e);
    }
    vmsim__folio_put(c->lru, pfn, r->cpu);
    return there;
}

void vmsim__swap_mark_ahead(struct vmsim__cache *c, vmsim__pfn pfn) {
    vmsim__cache_frame(c, pfn)->flags |= VMSIM__FRAME_READAHEAD;
    vmsim__cache_event(c, VMSIM__SWAP_RA, 1);
}

uint32_t vmsim__swap_ra_window(bool adjacent, uint32_t hits, uint32_t pages, uint32_t last) {
    uint32_t window = 4;
    VMSIM__ASSERT(pages > 0);
    if (!hits) {
        window = adjacent ? 2 : 1;
    } else {
        while (window < hits + 2)
            window *= 2;
    }
    window = window < pages ? window : pages;
    return window < last / 2 ? last / 2 : window; /* no faster down than by halves */
}

void vmsim__swap_ra_hit(struct vmsim__cache *c) {
    c->swap_ra.hits++;
}

/* Kernel: swapin_nr_pages and the beginning of swap_cluster_readahead. */
static uint32_t window_at(struct vmsim__cache *c, struct vmsim__swp e, uint64_t *first) {
    struct vmsim__swap_ra *ra = &c->swap_ra;
    const uint64_t slot = e.offset, slots = c->swap->area[e.type]->seen.slots;
    *first = slot;
    if (!*c->page_cluster)
        return 1;
    const uint32_t window = vmsim__swap_ra_window(slot == ra->last + 1 || slot + 1 == ra->last, ra->hits,
                                                  1u << *c->page_cluster, ra->window);
    if (!ra->hits)
        ra->last = slot;
    ra->hits = 0;
    ra->window = window;
    const uint64_t block = vmsim__align_down(slot, window);
    *first = vmsim__max64(block, 1);
    return (uint32_t)(vmsim__min64(block + window, slots) - *first);
}

bool vmsim__swap_read_cluster(struct vmsim__cache *c, struct vmsim__swp e, const struct vmsim__swap_reader *r) {
    struct vmsim__call *call = vmsim__now_call(&c->mem->now);
    if (call->readahead_over)
        return true;
    if (e.offset < call->readahead || e.offset - call->readahead >= call->readahead_pages) {
        call->readahead_pages = window_at(c, e, &call->readahead);
        call->readahead_done = 0;
    }
    const uint64_t first = call->readahead;
    const uint32_t pages = call->readahead_pages;
    VMSIM__ASSERT(call->readahead_done <= pages);
    for (; call->readahead_done < pages; call->readahead_done++) {
        const uint64_t slot = first + call->readahead_done;
        bool fresh;
        const vmsim__pfn pfn = vmsim__swap_fetch(c, (struct vmsim__swp){.type = e.type, .offset = slot}, r, &fresh);
        if (vmsim__now_waits(&c->mem->now))
            return false;
        if (fresh && pfn != VMSIM__PFN_NONE && slot != e.offset)
            vmsim__swap_mark_ahead(c, pfn);
    }
    call->readahead_pages = 0;
    call->readahead_over = true;
    call->alone = pages == 1; /* swap_readpage, synchronous */
    if (pages > 1)
        vmsim__lru_drain_cpu(c->lru, r->cpu);
    return true;
}
