/* SPDX-License-Identifier: MIT */
/* Faults on pages in swap, and reading ahead of them.
 *
 *     entry --in the swap cache?-- yes --> arrived? -- yes --> vmsim__swap_map
 *                    | no                     `-- no: waits, and the fault is entered again
 *                    `--> a window around it is asked for, then as above
 *
 * The window follows the addresses of the faults, or, once an area lies on a disk that turns, the slots: what lies side
 * by side there is read in one go. Pages read ahead carry a mark that their first use takes away, and the share used
 * decides how large the next window is. A fault that waits for memory in the middle of its window goes on where it was:
 * what it has asked for may be gone again, and to ask for that anew, as often as memory is short, would never end.
 * Kernel counterparts: do_swap_page of mm/memory.c, mm/swap_state.c. */
#include "cache/swap_cache.h"
#include "vm/vm_impl.h"

#define WINDOW_CEILING 5u /* log2: SWAP_RA_ORDER_CEILING */
#define HITS_MAX 63u
#define SPLIT_PAUSE UINT64_C(1000000) /* ns */

/* A fault, and where its window is. */
struct swap_fault {
    struct vmsim__vm *vm;
    struct vmsim__vma *vma;
    uint64_t va;
    struct vmsim__swp e;
    unsigned cpu;
};

static bool by_address(const struct vmsim__vm *vm) {
    return !vmsim__cache_swap(vm->cache)->rotational;
}

/* ---- one page ---- */

/* Its page, if there is one. */
static vmsim__pfn look_up(const struct swap_fault *s) {
    bool ahead;
    const vmsim__pfn pfn = vmsim__swap_look_up(s->vm->cache, s->e, &ahead);
    struct vmsim__swap_ra *ra = &s->vma->swap_ra;
    if (pfn == VMSIM__PFN_NONE)
        return pfn;
    vmsim__lru_tell_evictable(s->vm->lru, pfn, s->cpu);
    if (!by_address(s->vm)) {
        if (ahead)
            vmsim__swap_ra_hit(s->vm->cache);
        return pfn;
    }
    ra->hits = ra->last || ra->window ? ra->hits : VMSIM__SWAP_HITS_FIRST;
    ra->hits += ahead && ra->hits < HITS_MAX;
    ra->last = s->va >> s->vm->page_shift;
    return pfn;
}

static vmsim__pfn alloc_page(void *context) {
    const struct swap_fault *s = context;
    return vmsim__vma_alloc_uncharged(s->vma, s->va, VMSIM__GFP_HIGHUSER_MOVABLE, 0, s->cpu);
}

static vmsim__pfn fetch(struct swap_fault s, struct vmsim__swp e, uint64_t va, bool *fresh) {
    VMSIM__ASSERT(vmsim__swp_is_swap(e));
    s.va = va;
    return vmsim__swap_fetch(s.vm->cache, e, &(struct vmsim__swap_reader){alloc_page, &s, s.cpu}, fresh);
}

/* ---- windows ---- */

/* Pages [*first, + the result) around the fault's, within its VMA and page table. Kernel: swap_ra_info. */
static uint32_t window_by_address(const struct swap_fault *s, uint64_t *first) {
    struct vmsim__vm *vm = s->vm;
    const unsigned shift = vm->page_shift, table_shift = shift + vm->format->index_bits[0];
    const uint64_t page = s->va >> shift, table = s->va >> table_shift << (table_shift - shift);
    const unsigned most = (unsigned)vmsim__min64(vm->spec.page_cluster, WINDOW_CEILING);
    const struct vmsim__swap_ra ra = s->vma->swap_ra;
    const uint32_t hits = ra.last || ra.window ? ra.hits : VMSIM__SWAP_HITS_FIRST;
    const bool up = page == ra.last + 1, down = page + 1 == ra.last;
    *first = page;
    if (!most)
        return 1;
    const uint32_t window = vmsim__swap_ra_window(up || down, hits, 1u << most, ra.window);
    s->vma->swap_ra = (struct vmsim__swap_ra){.last = page, .window = window};
    if (window == 1)
        return 1;
    const uint64_t before = up ? 0 : down ? window - 1 : (window - 1) / 2;
    const uint64_t low = vmsim__max64(s->vma->start >> shift, table);
    const uint64_t high = vmsim__min64(s->vma->end >> shift, table + (UINT64_C(1) << (table_shift - shift)));
    const uint64_t end = vmsim__min64(page - vmsim__min64(page, before) + window, high);
    *first = vmsim__max64(page - vmsim__min64(page, before), low);
    VMSIM__ASSERT(*first <= page && end > page);
    return (uint32_t)(end - *first);
}

/* What stands at one page of the window. False: nothing in swap. */
static bool entry_at(const struct swap_fault *s, uint64_t at, struct vmsim__swp *e, uint64_t *va) {
    struct vmsim__pt_slot slot;
    *va = at << s->vm->page_shift;
    if (*va < s->vma->start || *va >= s->vma->end) /* the VMA has changed while it waited */
        return false;
    if (!vmsim__mm_slot(s->vma->mm, *va, false, &slot) || !slot.entry || slot.level)
        return false;
    const struct vmsim__pte pte = vmsim__pt_get(s->vm->format, &slot);
    if (!(pte.flags & VMSIM__PTE_SWAP))
        return false;
    *e = vmsim__swp_of(pte);
    return vmsim__swp_is_swap(*e);
}

/* Kernel: swap_vma_readahead. False: it waits for memory. */
static bool read_around(const struct swap_fault *s) {
    struct vmsim__vm *vm = s->vm;
    struct vmsim__call *call = vmsim__now_call(&vm->mem->now);
    const uint64_t page = s->va >> vm->page_shift;
    if (call->readahead_over)
        return true;
    if (page < call->readahead || page - call->readahead >= call->readahead_pages) {
        call->readahead_pages = window_by_address(s, &call->readahead);
        call->readahead_done = 0;
    }
    const uint64_t first = call->readahead;
    const uint32_t pages = call->readahead_pages;
    VMSIM__ASSERT(first <= page && page - first < pages);
    for (; call->readahead_done < pages; call->readahead_done++) {
        const uint64_t at = first + call->readahead_done;
        struct vmsim__swp e;
        uint64_t va;
        bool fresh;
        if (!entry_at(s, at, &e, &va))
            continue;
        const vmsim__pfn pfn = fetch(*s, e, va, &fresh);
        if (vmsim__now_waits(&vm->mem->now))
            return false;
        if (fresh && pfn != VMSIM__PFN_NONE && va != s->va)
            vmsim__swap_mark_ahead(vm->cache, pfn);
    }
    call->readahead_pages = 0;
    call->readahead_over = true;
    call->alone = pages == 1; /* swap_readpage, synchronous */
    if (pages > 1)
        vmsim__lru_drain_cpu(vm->lru, s->cpu);
    return true;
}

/* ---- large pages ---- */

/* A large page is in the cache on its way out: it is split for whoever needs a part of it, once it is written. NONE:
 * the present waits. */
static vmsim__pfn base_page(const struct swap_fault *s, vmsim__pfn pfn) {
    struct vmsim__vm *vm = s->vm;
    const vmsim__pfn head = vmsim__vm_head(vm, pfn);
    if (!vmsim__frame_is(vmsim__vm_frame(vm, head), VMSIM__FRAME_HEAD))
        return pfn;
    if (vmsim__frame_is(vmsim__vm_frame(vm, head), VMSIM__FRAME_WRITEBACK)) {
        vmsim__now_wait(&vm->mem->now, VMSIM__WAIT_WRITEBACK, head, VMSIM__TIME_NEVER);
        return VMSIM__PFN_NONE;
    }
    if (!vmsim__thp_split_page(vm, head, s->cpu)) { /* somebody holds it for a moment */
        vmsim__lru_drain_all(vm->lru);
        if (!vmsim__thp_split_page(vm, head, s->cpu)) {
            vmsim__now_wait(&vm->mem->now, VMSIM__WAIT_TIME, 0, vm->mem->now.time + SPLIT_PAUSE);
            return VMSIM__PFN_NONE;
        }
    }
    return vmsim__swap_cache_page(vm->cache, s->e);
}

/* ---- the fault ---- */

/* A slot of memory itself that one entry names: its page comes for that entry alone, no other is read, and the slot is
 * free afterwards. */
static bool comes_alone(const struct swap_fault *s) {
    const struct vmsim__swap *swap = vmsim__cache_swap(s->vm->cache);
    return vmsim__swap_synchronous(swap, s->e) && vmsim__swap_users(swap, s->e) == 1 &&
           !vmsim__swap_is_cached(swap, s->e);
}

/* A device that needs no read-around (zram, one user): the page never enters the swap cache, and its slot is free at
 * once. While memory was found the entry may have become somebody else's. Kernel: do_swap_page with
 * SWP_SYNCHRONOUS_IO. */
static vmsim__pfn read_alone(struct swap_fault *s) {
    const vmsim__pfn pfn = vmsim__swap_frame(s->vm->cache, s->e, &(struct vmsim__swap_reader){alloc_page, s, s->cpu});
    if (pfn == VMSIM__PFN_NONE)
        return pfn;
    if (comes_alone(s)) {
        vmsim__swap_read_alone(s->vm->cache, s->e, pfn, s->cpu);
        return pfn;
    }
    vmsim__folio_put(s->vm->lru, pfn, s->cpu); /* things went on while memory was found: it is entered again */
    return VMSIM__PFN_NONE;
}

/* Kernel: swapin_readahead. */
static vmsim__pfn read_in(struct swap_fault *s) {
    struct vmsim__cache *c = s->vm->cache;
    bool fresh;
    const bool read = by_address(s->vm)
                          ? read_around(s)
                          : vmsim__swap_read_cluster(c, s->e, &(struct vmsim__swap_reader){alloc_page, s, s->cpu});
    return read ? fetch(*s, s->e, s->va, &fresh) : VMSIM__PFN_NONE;
}

/* Kernel: do_swap_page. Who writes wants to be the only one that holds the page: those that wait in the CPU's batches
 * are put on their lists first. */
static enum vmsim__fault_outcome swap_in(void *context, struct vmsim__vma *v, uint64_t va,
                                         const struct vmsim__pt_slot *slot, bool write, unsigned cpu) {
    struct vmsim__vm *vm = context;
    const struct vmsim__pte entry = vmsim__pt_get(vm->format, slot);
    struct swap_fault s = {.vm = vm, .vma = v, .va = va, .e = vmsim__swp_of(entry), .cpu = cpu};
    struct vmsim__call *call = vmsim__now_call(&vm->mem->now);
    VMSIM__ASSERT(!(va & (vm->page_size - 1)) && vmsim__swp_is_swap(s.e));
    const int error = call->error;
    call->error = 0;
    if (error)
        return VMSIM__FAULT_SIGBUS;
    vmsim__pfn pfn = call->readahead_pages ? VMSIM__PFN_NONE : look_up(&s); /* its own window first */
    if (pfn == VMSIM__PFN_NONE) {
        vmsim__swap_count_major(vm->cache);
        if (comes_alone(&s)) {
            pfn = read_alone(&s);
            return pfn == VMSIM__PFN_NONE ? VMSIM__FAULT_OOM : vmsim__swap_map(v, va, entry, pfn, true, write, cpu);
        }
        pfn = read_in(&s);
    }
    if (pfn == VMSIM__PFN_NONE)
        return VMSIM__FAULT_OOM;
    pfn = base_page(&s, pfn);
    if (pfn == VMSIM__PFN_NONE)
        return VMSIM__FAULT_WAIT;
    const struct vmsim__frame *f = vmsim__vm_frame(vm, pfn);
    if (vmsim__frame_is(f, VMSIM__FRAME_LOCKED)) {
        call->inside = call->alone;
        vmsim__now_wait(&vm->mem->now, VMSIM__WAIT_LOCKED, pfn, VMSIM__TIME_NEVER);
        return VMSIM__FAULT_WAIT;
    }
    if (write && !vmsim__frame_is(f, VMSIM__FRAME_LRU))
        vmsim__lru_drain_cpu(vm->lru, cpu);
    vmsim__folio_get(vm->lru, pfn);
    return vmsim__swap_map(v, va, entry, pfn, true, write, cpu);
}

/* ---- swapoff ---- */

/* The page of an entry, when nothing is on its way to it or from it. PFN_NONE: *rc says why, 0: nobody uses the slot
 * any more. */
static vmsim__pfn settled(struct swap_fault *s, int *rc) {
    struct vmsim__now *now = &s->vm->mem->now;
    vmsim__pfn pfn = look_up(s);
    if (pfn == VMSIM__PFN_NONE)
        pfn = read_in(s);
    if (pfn != VMSIM__PFN_NONE)
        pfn = base_page(s, pfn);
    const uint32_t flags = pfn == VMSIM__PFN_NONE ? 0 : vmsim__vm_frame(s->vm, pfn)->flags;
    if (flags & (VMSIM__FRAME_LOCKED | VMSIM__FRAME_WRITEBACK))
        vmsim__now_wait(now, flags & VMSIM__FRAME_LOCKED ? VMSIM__WAIT_LOCKED : VMSIM__WAIT_WRITEBACK, pfn,
                        VMSIM__TIME_NEVER);
    *rc = -VMSIM__ERESTARTSYS;
    if (vmsim__now_waits(now))
        return VMSIM__PFN_NONE;
    *rc = pfn == VMSIM__PFN_NONE && vmsim__swap_users(vmsim__cache_swap(s->vm->cache), s->e) ? -VMSIM__L_ENOMEM : 0;
    return pfn;
}

/* What could not be read is lost to whoever uses it, but to nobody else. Kernel: unuse_pte, of a page that is not up to
 * date. */
static void poison(const struct swap_fault *s, const struct vmsim__pt_slot *slot, struct vmsim__pte pte) {
    const struct vmsim__swp marker = {.type = VMSIM__SWP_MARKER, .offset = VMSIM__MARKER_POISONED};
    const struct vmsim__pt_format *f = s->vm->format;
    vmsim__pt_set(f, slot, vmsim__swp_pte(f, marker, pte.flags & VMSIM__PTE_SOFT_DIRTY));
    vmsim__rss_add(s->vma->mm, VMSIM__RSS_SWAP, -1);
    vmsim__swap_entry_put(s->vm->cache, s->e);
}

/* One entry gets its page back, which nobody has used for that. Kernel: unuse_pte_range, unuse_pte. */
static int unuse_entry(struct vmsim__vma *v, uint64_t va, const struct vmsim__pt_slot *at, struct vmsim__pte pte,
                       unsigned cpu) {
    struct vmsim__vm *vm = v->mm->vm;
    struct vmsim__call *call = vmsim__now_call(&vm->mem->now);
    struct swap_fault s = {.vm = vm, .vma = v, .va = va, .e = vmsim__swp_of(pte), .cpu = cpu};
    struct vmsim__pt_slot slot;
    int rc = 0;
    if (call->error) {
        call->error = 0;
        poison(&s, at, pte);
        return 0;
    }
    const vmsim__pfn pfn = settled(&s, &rc);
    if (pfn == VMSIM__PFN_NONE)
        return rc;
    vmsim__readahead_end(call);
    vmsim__folio_get(vm->lru, pfn);
    vmsim__swap_map(v, va, pte, pfn, true, false, cpu);
    if (vmsim__mm_slot(v->mm, va, false, &slot) && slot.entry && !slot.level) {
        pte = vmsim__pt_get(vm->format, &slot);
        pte.flags &= ~(pte.flags & VMSIM__PTE_PRESENT ? VMSIM__PTE_ACCESSED : 0u);
        vmsim__pt_set(vm->format, &slot, pte);
    }
    vmsim__swap_cache_free(vm->cache, pfn, cpu);
    return 0;
}

/* Where it waits, *va stays at the entry: a swapoff of gigabytes is entered again many times and does not begin anew.
 * Kernel: unuse_mm. */
int vmsim__mm_unuse(struct vmsim__mm *mm, uint8_t type, uint64_t *va, unsigned cpu) {
    struct vmsim__pt_slot slot;
    VMSIM__ASSERT(type < VMSIM__SWP_AREAS);
    mm->cpu = cpu;
    for (struct vmsim__vma *v = vmsim__vma_find(mm, *va); v; v = v->next) {
        uint64_t at = vmsim__max64(*va, v->start);
        for (; v->anon_vma && at < v->end && vmsim__pt_next(&mm->pt, &at, v->end, &slot);
             at += UINT64_C(1) << mm->pt.format->shift[slot.level]) {
            const struct vmsim__pte pte = vmsim__pt_get(mm->pt.format, &slot);
            if (slot.level || !(pte.flags & VMSIM__PTE_SWAP) || vmsim__swp_of(pte).type != type)
                continue;
            *va = at;
            const int rc = unuse_entry(v, at, &slot, pte, cpu);
            if (rc)
                return rc;
        }
    }
    *va = 0;
    return 0;
}

/* ---- the other services ---- */

static struct vmsim__swp slot_of(void *context, vmsim__pfn pfn) {
    return vmsim__swap_cache_slot(((struct vmsim__vm *)context)->cache, pfn);
}

static bool duplicate(void *context, struct vmsim__swp e) {
    vmsim__swap_entry_get(((struct vmsim__vm *)context)->cache, e);
    return true;
}

static void put(void *context, struct vmsim__swp e) {
    vmsim__swap_entry_put(((struct vmsim__vm *)context)->cache, e);
}

static void release(void *context, struct vmsim__swp e, unsigned cpu) {
    vmsim__swap_entry_zap(((struct vmsim__vm *)context)->cache, e, cpu);
}

static unsigned count(void *context, struct vmsim__swp e) {
    return vmsim__swap_users(vmsim__cache_swap(((struct vmsim__vm *)context)->cache), e);
}

static bool cached(void *context, struct vmsim__swp e) {
    struct vmsim__vm *vm = context;
    const vmsim__pfn pfn = vmsim__swap_cache_page(vm->cache, e);
    return pfn != VMSIM__PFN_NONE && !vmsim__frame_is(vmsim__vm_frame(vm, pfn), VMSIM__FRAME_LOCKED);
}

static void prefetch(void *context, struct vmsim__vma *v, uint64_t va, struct vmsim__swp e) {
    const struct swap_fault s = {.vm = context, .vma = v, .va = va, .e = e, .cpu = v->mm->cpu};
    bool fresh;
    fetch(s, e, va, &fresh);
}

static bool free_slot(void *context, vmsim__pfn pfn, unsigned cpu) {
    return vmsim__swap_cache_free(((struct vmsim__vm *)context)->cache, pfn, cpu);
}

static void migrate(void *context, vmsim__pfn from, vmsim__pfn to) {
    vmsim__swap_cache_migrate(((struct vmsim__vm *)context)->cache, from, to);
}

static bool full(void *context, vmsim__pfn pfn) {
    return vmsim__swap_cache_full(((struct vmsim__vm *)context)->cache, pfn);
}

static bool going(void *context, struct vmsim__swp e) {
    VMSIM__ASSERT(vmsim__swp_is_swap(e));
    return vmsim__swap_going(vmsim__cache_swap(((struct vmsim__vm *)context)->cache), e);
}

void vmsim__vm_use_swap(struct vmsim__vm *vm) {
    VMSIM__ASSERT(vmsim__cache_swap(vm->cache));
    vm->cache_swap = (struct vmsim__swap_ops){.context = vm,
                                              .slot_of = slot_of,
                                              .duplicate = duplicate,
                                              .put = put,
                                              .release = release,
                                              .count = count,
                                              .cached = cached,
                                              .prefetch = prefetch,
                                              .free_slot = free_slot,
                                              .migrate = migrate,
                                              .full = full,
                                              .going = going,
                                              .swap_in = swap_in};
    vmsim__vm_set_swap(vm, &vm->cache_swap);
}

bool vmsim__swap_before(struct vmsim__vm *vm, vmsim__pfn pfn, struct vmsim__swp *before) {
    struct vmsim__rmap_walk w;
    struct vmsim__mapping m;
    struct vmsim__pt_slot slot;
    vmsim__rmap_start(&w, vm, pfn);
    if (!vmsim__rmap_next_vma(&w) || !vmsim__rmap_next(&w, &m) || m.va - vm->page_size < m.vma->start)
        return false;
    if (!vmsim__mm_slot(m.vma->mm, m.va - vm->page_size, false, &slot) || !slot.entry || slot.level)
        return false;
    const struct vmsim__pte pte = vmsim__pt_get(vm->format, &slot);
    if (pte.flags & VMSIM__PTE_SWAP) {
        *before = vmsim__swp_of(pte);
        return vmsim__swp_is_swap(*before);
    }
    if (!(pte.flags & VMSIM__PTE_PRESENT) || (pte.flags & VMSIM__PTE_SPECIAL) ||
        !vmsim__frame_is(vmsim__vm_frame(vm, (vmsim__pfn)pte.pfn), VMSIM__FRAME_SWAPCACHE))
        return false;
    *before = vmsim__swap_cache_slot(vm->cache, (vmsim__pfn)pte.pfn);
    return true;
}
