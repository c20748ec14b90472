/* SPDX-License-Identifier: MIT */
/* Pages entering and leaving the swap cache, and their transfers (see swap_cache.h).
 *
 * A transfer is one page; its cookie names the frame, which cannot go while it is LOCKED or under WRITEBACK.
 * Neighbouring slots are joined to one request by the device's queue. */
#include "cache/swap_cache.h"
#include "cache/cache_impl.h"
#include "zones/columns.h"

/* 63: of swap | 62: write | 47-32: CPU that asked, and is told | 31-0: pfn */
#define COOKIE_WRITE (UINT64_C(1) << 62)
#define COOKIE_CPU 32u

void vmsim__cache_set_swap(struct vmsim__cache *c, struct vmsim__swap *swap, const uint64_t *page_cluster) {
    VMSIM__ASSERT(!c->swap && swap);
    c->swap = swap;
    c->page_cluster = page_cluster;
    c->swap_ra.hits = VMSIM__SWAP_HITS_FIRST;
    for (unsigned i = 0; i < VMSIM__SWP_AREAS; i++)
        vmsim__radix_init(&c->swapped[i], &c->nodes);
    vmsim__lru_set_swap(c->lru, swap->slots, swap->free);
}

struct vmsim__swap *vmsim__cache_swap(const struct vmsim__cache *c) {
    return c->swap;
}

static bool no_memory(struct vmsim__cache *c) {
    c->error = VMSIM_ENOMEM;
    return false;
}

/* Whoever asks whether anonymous memory can go anywhere asks the lists. */
static void tell_lists(const struct vmsim__cache *c) {
    vmsim__lru_set_swap(c->lru, c->swap->slots, c->swap->free);
}

void vmsim__cache_swap_changed(struct vmsim__cache *c) {
    tell_lists(c);
}

/* ---- which page, which slot ---- */

vmsim__pfn vmsim__swap_cache_page(const struct vmsim__cache *c, struct vmsim__swp e) {
    VMSIM__ASSERT(vmsim__swp_is_swap(e));
    return vmsim__entry_pfn(vmsim__radix_get(&c->swapped[e.type], e.offset));
}

struct vmsim__swp vmsim__swap_cache_slot(const struct vmsim__cache *c, vmsim__pfn pfn) {
    const uint64_t slot = vmsim__column_read(c->mem, VMSIM__COLUMN_SWAP, pfn);
    VMSIM__ASSERT(slot && vmsim__frame_is(vmsim__cache_frame(c, pfn), VMSIM__FRAME_SWAPCACHE));
    return vmsim__swp_of_slot_word(slot);
}

static void count_page(struct vmsim__cache *c, const struct vmsim__frame *f, int64_t pages) {
    vmsim__cache_node_add(c, f, VMSIM__NR_FILE_PAGES, pages);
    vmsim__cache_node_add(c, f, VMSIM__NR_SWAPCACHED, pages);
}

/* The slot is marked as cached by the caller. False: no host memory, nothing changed. */
static bool insert(struct vmsim__cache *c, struct vmsim__swp e, vmsim__pfn pfn, uint64_t *old) {
    struct vmsim__frame *f = vmsim__cache_frame(c, pfn);
    VMSIM__ASSERT(!vmsim__frame_is(f, VMSIM__FRAME_SWAPCACHE));
    if (!vmsim__column_write(c->mem, VMSIM__COLUMN_SWAP, pfn, vmsim__swp_slot_word(e)))
        return no_memory(c);
    if (!vmsim__radix_set(&c->swapped[e.type], e.offset, vmsim__entry_make(VMSIM__ENTRY_PAGE, pfn), old)) {
        vmsim__column_write(c->mem, VMSIM__COLUMN_SWAP, pfn, 0);
        return no_memory(c);
    }
    VMSIM__ASSERT(vmsim__entry_pfn(*old) == VMSIM__PFN_NONE);
    f->flags |= VMSIM__FRAME_SWAPCACHE;
    count_page(c, f, 1);
    return true;
}

/* A slot that is free keeps nothing, and nobody pays for it. */
static void slot_freed(struct vmsim__cache *c, struct vmsim__swp e) {
    vmsim__memcg_uncharge_swap(c->lru, vmsim__swap_memcg(c->swap, e), 1);
    vmsim__swap_set_memcg(c->swap, e, VMSIM__MEMCG_ROOT);
    vmsim__radix_remove(&c->swapped[e.type], e.offset);
    tell_lists(c);
}

/* The tree has been seen to, but for a slot that becomes free. */
static void leave(struct vmsim__cache *c, struct vmsim__swp e, vmsim__pfn pfn, unsigned cpu) {
    struct vmsim__frame *f = vmsim__cache_frame(c, pfn);
    VMSIM__ASSERT(!vmsim__frame_is(f, VMSIM__FRAME_LOCKED | VMSIM__FRAME_WRITEBACK));
    f->flags &= ~VMSIM__FRAME_SWAPCACHE;
    vmsim__column_write(c->mem, VMSIM__COLUMN_SWAP, pfn, 0);
    count_page(c, f, -1);
    if (vmsim__swap_uncached(c->swap, e))
        slot_freed(c, e);
    vmsim__folio_put(c->lru, pfn, cpu);
}

/* ---- in and out ---- */

bool vmsim__swap_cache_add(struct vmsim__cache *c, vmsim__pfn pfn, const struct vmsim__swp *before, unsigned cpu) {
    struct vmsim__frame *f = vmsim__cache_frame(c, pfn);
    VMSIM__ASSERT(!vmsim__frame_is(f, VMSIM__FRAME_HEAD | VMSIM__FRAME_TAIL | VMSIM__FRAME_SWAPCACHE));
    struct vmsim__swp e;
    uint64_t old = 0;
    const struct vmsim_swap_request r = {.cpu = cpu,
                                         .slots = 1,
                                         .cgroup = f->memcg,
                                         .space = f->mapping,
                                         .index = vmsim__frame_index(f),
                                         .neighbour = before ? before->offset : UINT64_MAX,
                                         .neighbour_area = before ? before->type : 0};
    if (!c->swap || !vmsim__swap_take(c->swap, &r, &e)) {
        if (c->swap && c->swap->host_nomem)
            no_memory(c);
        if (f->memcg)
            vmsim__memcg_memory_event(vmsim__memcg_by_id(c->lru, f->memcg), VMSIM__MEMCG_SWAP_FAIL);
        return false;
    }
    uint16_t payer;
    if (!vmsim__memcg_charge_swap(c->lru, f->memcg, 1, &payer)) {
        vmsim__swap_uncached(c->swap, e);
        return false;
    }
    vmsim__swap_set_memcg(c->swap, e, payer);
    if (!insert(c, e, pfn, &old)) {
        if (vmsim__swap_uncached(c->swap, e))
            slot_freed(c, e);
        return false;
    }
    vmsim__folio_get(c->lru, pfn);
    f->flags |= VMSIM__FRAME_DIRTY;
    tell_lists(c);
    return true;
}

void vmsim__swap_cache_remove(struct vmsim__cache *c, vmsim__pfn pfn, uint64_t shadow, unsigned cpu) {
    const struct vmsim__swp e = vmsim__swap_cache_slot(c, pfn);
    struct vmsim__radix *tree = &c->swapped[e.type];
    VMSIM__ASSERT(!vmsim__cache_frame(c, pfn)->mapcount && vmsim__swap_cache_page(c, e) == pfn);
    if (shadow == VMSIM__NO_SHADOW)
        vmsim__radix_remove(tree, e.offset);
    else
        vmsim__radix_set(tree, e.offset, vmsim__entry_make(VMSIM__ENTRY_SHADOW, shadow), NULL);
    leave(c, e, pfn, cpu);
}

bool vmsim__swap_cache_free(struct vmsim__cache *c, vmsim__pfn pfn, unsigned cpu) {
    struct vmsim__frame *f = vmsim__cache_frame(c, pfn);
    if (!vmsim__frame_is(f, VMSIM__FRAME_SWAPCACHE) || vmsim__frame_is(f, VMSIM__FRAME_WRITEBACK | VMSIM__FRAME_LOCKED))
        return false;
    const struct vmsim__swp e = vmsim__swap_cache_slot(c, pfn);
    if (vmsim__swap_users(c->swap, e))
        return false;
    f->flags |= VMSIM__FRAME_DIRTY;
    vmsim__radix_remove(&c->swapped[e.type], e.offset);
    leave(c, e, pfn, cpu);
    return true;
}

/* When the host has no memory, which ends the run, neither has a slot any more. */
void vmsim__swap_cache_migrate(struct vmsim__cache *c, vmsim__pfn from, vmsim__pfn to) {
    struct vmsim__frame *old = vmsim__cache_frame(c, from), *new = vmsim__cache_frame(c, to);
    const struct vmsim__swp e = vmsim__swap_cache_slot(c, from);
    const uint64_t slot = vmsim__column_read(c->mem, VMSIM__COLUMN_SWAP, from);
    VMSIM__ASSERT(!vmsim__frame_is(old, VMSIM__FRAME_LOCKED | VMSIM__FRAME_WRITEBACK));
    old->flags &= ~VMSIM__FRAME_SWAPCACHE;
    old->refcount--;
    count_page(c, old, -1);
    vmsim__memcg_migrate(c->lru, from, to);
    vmsim__column_write(c->mem, VMSIM__COLUMN_SWAP, from, 0);
    if (!vmsim__column_write(c->mem, VMSIM__COLUMN_SWAP, to, slot)) {
        no_memory(c);
        vmsim__radix_remove(&c->swapped[e.type], e.offset);
        if (vmsim__swap_uncached(c->swap, e))
            slot_freed(c, e);
        return;
    }
    vmsim__radix_set(&c->swapped[e.type], e.offset, vmsim__entry_make(VMSIM__ENTRY_PAGE, to), NULL);
    new->flags |= VMSIM__FRAME_SWAPCACHE;
    new->refcount++;
    count_page(c, new, 1);
}

bool vmsim__swap_cache_full(const struct vmsim__cache *c, vmsim__pfn pfn) {
    return c->swap &&
           (vmsim__swap_is_full(c->swap) || vmsim__memcg_swap_full(c->lru, vmsim__cache_frame(c, pfn)->memcg));
}

/* ---- users of a slot ---- */

void vmsim__swap_entry_get(struct vmsim__cache *c, struct vmsim__swp e) {
    vmsim__swap_get(c->swap, e);
}

void vmsim__swap_entry_put(struct vmsim__cache *c, struct vmsim__swp e) {
    if (vmsim__swap_put(c->swap, e))
        slot_freed(c, e);
}

void vmsim__swap_entry_zap(struct vmsim__cache *c, struct vmsim__swp e, unsigned cpu) {
    vmsim__swap_entry_put(c, e);
    if (vmsim__swap_users(c->swap, e) || !vmsim__swap_is_cached(c->swap, e))
        return;
    const vmsim__pfn pfn = vmsim__swap_cache_page(c, e);
    VMSIM__ASSERT(pfn != VMSIM__PFN_NONE);
    if (!vmsim__folio_mapped(c->lru, pfn) || vmsim__swap_cache_full(c, pfn))
        vmsim__swap_cache_free(c, pfn, cpu);
}

int vmsim__swap_cache_unuse(struct vmsim__cache *c, uint8_t type, unsigned cpu) {
    const struct vmsim__swap_area *a = c->swap->area[type];
    for (uint64_t slot = 1; (slot = vmsim__swap_next_used(a, slot)) != 0; slot++) {
        const vmsim__pfn pfn = vmsim__swap_cache_page(c, (struct vmsim__swp){.type = type, .offset = slot});
        if (pfn == VMSIM__PFN_NONE || vmsim__swap_cache_free(c, pfn, cpu))
            continue;
        const uint32_t on_its_way = vmsim__cache_frame(c, pfn)->flags & (VMSIM__FRAME_LOCKED | VMSIM__FRAME_WRITEBACK);
        if (!on_its_way)
            continue;
        vmsim__now_wait(&c->mem->now, on_its_way & VMSIM__FRAME_LOCKED ? VMSIM__WAIT_LOCKED : VMSIM__WAIT_WRITEBACK,
                        pfn, VMSIM__TIME_NEVER);
        return -VMSIM__ERESTARTSYS;
    }
    return 0;
}

uint64_t vmsim__cache_swapped(const struct vmsim__cache *c) {
    uint64_t sum = 0;
    for (size_t i = 1; i < c->files.count; i++)
        sum += c->files.at[i] ? c->files.at[i]->swapped : 0;
    return sum;
}

/* ---- transfers ---- */

static void submit(struct vmsim__cache *c, struct vmsim__swp e, vmsim__pfn pfn, bool write, unsigned cpu) {
    const uint64_t cookie = VMSIM__SWAP_COOKIE | (write ? COOKIE_WRITE : 0) | (uint64_t)cpu << COOKIE_CPU | pfn;
    VMSIM__ASSERT(cpu <= UINT16_MAX);
    vmsim__cache_event(c, write ? VMSIM__PGPGOUT : VMSIM__PGPGIN, vmsim__cache_page_size(c) >> 10);
    vmsim__cache_event(c, write ? VMSIM__PSWPOUT : VMSIM__PSWPIN, 1);
    if (c->hooks.swapped)
        c->hooks.swapped(c->hooks.context, e, pfn, write);
    if (vmsim__swap_submit(c->swap, e, 1, write, cookie, c->mem->now.time)) {
        no_memory(c); /* the run ends with this error: the page need not wait for anything */
        vmsim__swap_io_done(c, cookie, 0);
    }
}

void vmsim__swap_cache_write(struct vmsim__cache *c, vmsim__pfn pfn, unsigned cpu) {
    struct vmsim__frame *f = vmsim__cache_frame(c, pfn);
    VMSIM__ASSERT(vmsim__frame_is(f, VMSIM__FRAME_DIRTY) && !vmsim__frame_is(f, VMSIM__FRAME_WRITEBACK));
    if (vmsim__swap_cache_free(c, pfn, cpu))
        return;
    f->flags = (f->flags & ~VMSIM__FRAME_DIRTY) | VMSIM__FRAME_WRITEBACK;
    c->swap->writing++;
    vmsim__writeback_count(c, f, 1);
    submit(c, vmsim__swap_cache_slot(c, pfn), pfn, true, cpu);
}

/* The lists' batch takes a reference of its own. */
bool vmsim__swap_cache_read(struct vmsim__cache *c, struct vmsim__swp e, vmsim__pfn pfn, unsigned cpu) {
    struct vmsim__frame *f = vmsim__cache_frame(c, pfn);
    uint64_t old = 0;
    VMSIM__ASSERT(vmsim__swap_users(c->swap, e) && f->refcount == 1 && !f->mapping);
    if (!insert(c, e, pfn, &old))
        return false;
    vmsim__swap_cached(c->swap, e);
    f->flags |= VMSIM__FRAME_SWAPBACKED | VMSIM__FRAME_LOCKED;
    if (vmsim__entry_tag(old) == VMSIM__ENTRY_SHADOW)
        vmsim__workingset_refault(c->lru, pfn, vmsim__entry_content(old));
    vmsim__lru_add(c->lru, pfn, cpu);
    submit(c, e, pfn, false, cpu);
    return true;
}

static void wake(struct vmsim__cache *c, enum vmsim__wait_kind kind, vmsim__pfn pfn, int status) {
    if (c->io.wake)
        c->io.wake(c->io.context, kind, pfn, status);
}

/* A page that could not be read leaves the cache, and who comes next tries again. */
static void page_read(struct vmsim__cache *c, vmsim__pfn pfn, int status, unsigned cpu) {
    struct vmsim__frame *f = vmsim__cache_frame(c, pfn);
    VMSIM__ASSERT(vmsim__frame_is(f, VMSIM__FRAME_LOCKED));
    f->flags &= ~VMSIM__FRAME_LOCKED;
    wake(c, VMSIM__WAIT_LOCKED, pfn, status);
    if (status)
        vmsim__swap_cache_remove(c, pfn, VMSIM__NO_SHADOW, cpu);
}

/* One that could not be written is dirty again, and reclaim tries it again some day. Kernel: end_swap_bio_write,
 * folio_end_writeback. */
static void page_written(struct vmsim__cache *c, vmsim__pfn pfn, int status, unsigned cpu) {
    struct vmsim__frame *f = vmsim__cache_frame(c, pfn);
    VMSIM__ASSERT(vmsim__frame_is(f, VMSIM__FRAME_WRITEBACK));
    if (status)
        f->flags = (f->flags & ~VMSIM__FRAME_RECLAIM) | VMSIM__FRAME_DIRTY;
    VMSIM__ASSERT(c->swap->writing > 0);
    c->swap->writing--;
    vmsim__writeback_over(c, pfn, cpu);
    wake(c, VMSIM__WAIT_WRITEBACK, pfn, 0);
}

void vmsim__swap_io_done(struct vmsim__cache *c, uint64_t cookie, int status) {
    const vmsim__pfn pfn = (vmsim__pfn)(cookie & UINT32_MAX);
    const unsigned cpu = cookie >> COOKIE_CPU & UINT16_MAX;
    VMSIM__ASSERT(cookie & VMSIM__SWAP_COOKIE);
    VMSIM__ASSERT(vmsim__frame_is(vmsim__cache_frame(c, pfn), VMSIM__FRAME_SWAPCACHE));
    if (cookie & COOKIE_WRITE)
        page_written(c, pfn, status, cpu);
    else
        page_read(c, pfn, status, cpu);
}
