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
    for (unsigned i = 0; i < VMSIM__SWP_AREAS; i++) {
        vmsim__radix_init(&c->swapped[i], &c->nodes);
        c->swapped[i].bill = &c->swap_bill;
    }
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

void vmsim__swap_cache_expect(const struct vmsim__cache *c, struct vmsim__swp e) {
    VMSIM__ASSERT(vmsim__swp_is_swap(e));
    if (vmsim__swap_expect(c->swap, e))
        vmsim__radix_expect(&c->swapped[e.type], e.offset);
}

/* The frame that holds and is flagged for all of a large page. */
static vmsim__pfn head_of(const struct vmsim__cache *c, vmsim__pfn pfn) {
    const struct vmsim__frame *f = vmsim__cache_frame(c, pfn);
    return vmsim__frame_is(f, VMSIM__FRAME_TAIL) ? f->next : pfn;
}

static struct vmsim__swp slot_at(struct vmsim__swp first, uint64_t i) {
    first.offset += i;
    return first;
}

struct vmsim__swp vmsim__swap_cache_slot(const struct vmsim__cache *c, vmsim__pfn pfn) {
    const vmsim__pfn head = head_of(c, pfn);
    const uint64_t slot = vmsim__column_read(c->mem, VMSIM__COLUMN_SWAP, head);
    VMSIM__ASSERT(slot && vmsim__frame_is(vmsim__cache_frame(c, head), VMSIM__FRAME_SWAPCACHE));
    return slot_at(vmsim__swp_of_slot_word(slot), pfn - head);
}

/* Cached on the node, but no file of a cgroup's memory.stat. Kernel: add_to_swap_cache. */
static void count_page(struct vmsim__cache *c, const struct vmsim__frame *f, int64_t pages) {
    c->mem->nodes[vmsim__cache_zone(c, f)->node].stat[VMSIM__NR_FILE_PAGES] += pages;
    vmsim__cache_node_add(c, f, VMSIM__NR_SWAPCACHED, pages);
}

/* The slots are marked as cached by the caller. False: no host memory, nothing changed. `old`: what stood at the first.
 */
static bool insert(struct vmsim__cache *c, struct vmsim__swp e, vmsim__pfn pfn, uint64_t *old) {
    struct vmsim__frame *f = vmsim__cache_frame(c, pfn);
    struct vmsim__radix *tree = &c->swapped[e.type];
    const uint32_t pages = vmsim__frame_pages(f);
    uint32_t i = 0;
    VMSIM__ASSERT(!vmsim__frame_is(f, VMSIM__FRAME_SWAPCACHE | VMSIM__FRAME_TAIL));
    if (!vmsim__column_write(c->mem, VMSIM__COLUMN_SWAP, pfn, vmsim__swp_slot_word(e)))
        return no_memory(c);
    while (i < pages &&
           vmsim__radix_set(tree, e.offset + i, vmsim__entry_make(VMSIM__ENTRY_PAGE, pfn + i), i ? NULL : old))
        i++;
    if (i < pages) {
        while (i--)
            vmsim__radix_remove(tree, e.offset + i);
        vmsim__column_write(c->mem, VMSIM__COLUMN_SWAP, pfn, 0);
        return no_memory(c);
    }
    f->flags |= VMSIM__FRAME_SWAPCACHE;
    count_page(c, f, pages);
    return true;
}

/* What zswap has of a slot goes, if anything. */
static void leave_zswap(struct vmsim__cache *c, struct vmsim__swp e) {
    const struct vmsim__zswap_entry *entry = c->swap->zswap ? vmsim__zswap_find(c->swap->zswap, e) : NULL;
    if (!entry)
        return;
    vmsim__memcg_zswap(c->lru, vmsim__swap_memcg(c->swap, e), -(int64_t)entry->bytes, -1);
    vmsim__zswap_drop(c->swap->zswap, e, c->mem->now.cpu);
}

/* A slot that is free keeps nothing, and nobody pays for it. */
static void slot_freed(struct vmsim__cache *c, struct vmsim__swp e) {
    leave_zswap(c, e);
    vmsim__memcg_uncharge_swap(c->lru, vmsim__swap_memcg(c->swap, e), 1);
    vmsim__swap_set_memcg(c->swap, e, VMSIM__MEMCG_ROOT);
    vmsim__radix_remove(&c->swapped[e.type], e.offset);
    if (c->swap->area[e.type]->zram)
        vmsim__zram_free(c->swap->area[e.type]->zram, e.offset, c->mem->now.cpu);
    tell_lists(c);
}

/* The tree has been seen to, but for slots that become free. */
static void leave(struct vmsim__cache *c, struct vmsim__swp e, vmsim__pfn pfn, unsigned cpu) {
    struct vmsim__frame *f = vmsim__cache_frame(c, pfn);
    const uint32_t pages = vmsim__frame_pages(f);
    VMSIM__ASSERT(!vmsim__frame_is(f, VMSIM__FRAME_LOCKED | VMSIM__FRAME_WRITEBACK));
    f->flags &= ~VMSIM__FRAME_SWAPCACHE;
    vmsim__column_write(c->mem, VMSIM__COLUMN_SWAP, pfn, 0);
    count_page(c, f, -(int64_t)pages);
    for (uint32_t i = 0; i < pages; i++) {
        if (vmsim__swap_uncached(c->swap, slot_at(e, i)))
            slot_freed(c, slot_at(e, i));
    }
    f->refcount -= (int32_t)pages - 1;
    vmsim__folio_put(c->lru, pfn, cpu);
}

/* ---- in and out ---- */

/* Slots that were taken for a page that does not get them. */
static void give_slots_back(struct vmsim__cache *c, struct vmsim__swp e, uint32_t pages) {
    for (uint32_t i = 0; i < pages; i++) {
        if (vmsim__swap_uncached(c->swap, slot_at(e, i)))
            slot_freed(c, slot_at(e, i));
    }
}

bool vmsim__swap_cache_add(struct vmsim__cache *c, vmsim__pfn pfn, const struct vmsim__swp *before, unsigned cpu) {
    struct vmsim__frame *f = vmsim__cache_frame(c, pfn);
    const uint32_t pages = vmsim__frame_pages(f);
    VMSIM__ASSERT(!vmsim__frame_is(f, VMSIM__FRAME_TAIL | VMSIM__FRAME_SWAPCACHE));
    struct vmsim__swp e;
    uint64_t old = 0;
    const struct vmsim_swap_request r = {.cpu = cpu,
                                         .slots = pages,
                                         .cgroup = f->memcg,
                                         .space = f->mapping,
                                         .index = vmsim__frame_index(f),
                                         .neighbour = before ? before->offset : UINT64_MAX,
                                         .neighbour_area = before ? before->type : 0};
    if (!c->swap || pages > VMSIM__SWAP_CLUSTER || !vmsim__swap_take(c->swap, &r, &e)) {
        if (c->swap && c->swap->host_nomem)
            no_memory(c);
        if (f->memcg)
            vmsim__memcg_memory_event(vmsim__memcg_by_id(c->lru, f->memcg), VMSIM__MEMCG_SWAP_FAIL);
        return false;
    }
    uint16_t payer;
    if (!vmsim__memcg_charge_swap(c->lru, f->memcg, pages, &payer)) {
        give_slots_back(c, e, pages);
        return false;
    }
    for (uint32_t i = 0; i < pages; i++)
        vmsim__swap_set_memcg(c->swap, slot_at(e, i), payer);
    if (!insert(c, e, pfn, &old)) {
        give_slots_back(c, e, pages);
        return false;
    }
    vmsim__folio_get(c->lru, pfn);
    f->refcount += (int32_t)pages - 1;
    f->flags |= VMSIM__FRAME_DIRTY;
    tell_lists(c);
    return true;
}

void vmsim__swap_cache_remove(struct vmsim__cache *c, vmsim__pfn pfn, uint64_t shadow, unsigned cpu) {
    const struct vmsim__swp e = vmsim__swap_cache_slot(c, pfn);
    struct vmsim__radix *tree = &c->swapped[e.type];
    VMSIM__ASSERT(!vmsim__cache_frame(c, pfn)->mapcount && vmsim__swap_cache_page(c, e) == pfn);
    for (uint32_t i = 0; i < vmsim__frame_pages(vmsim__cache_frame(c, pfn)); i++) {
        if (shadow == VMSIM__NO_SHADOW)
            vmsim__radix_remove(tree, e.offset + i);
        else
            vmsim__radix_set(tree, e.offset + i, vmsim__entry_make(VMSIM__ENTRY_SHADOW, shadow), NULL);
    }
    leave(c, e, pfn, cpu);
}

bool vmsim__swap_cache_free(struct vmsim__cache *c, vmsim__pfn pfn, unsigned cpu) {
    struct vmsim__frame *f = vmsim__cache_frame(c, pfn);
    if (!vmsim__frame_is(f, VMSIM__FRAME_SWAPCACHE) || vmsim__frame_is(f, VMSIM__FRAME_WRITEBACK | VMSIM__FRAME_LOCKED))
        return false;
    const struct vmsim__swp e = vmsim__swap_cache_slot(c, pfn);
    const uint32_t pages = vmsim__frame_pages(f);
    for (uint32_t i = 0; i < pages; i++) {
        if (vmsim__swap_users(c->swap, slot_at(e, i)))
            return false;
    }
    f->flags |= VMSIM__FRAME_DIRTY;
    for (uint32_t i = 0; i < pages; i++)
        vmsim__radix_remove(&c->swapped[e.type], e.offset + i);
    leave(c, e, pfn, cpu);
    return true;
}

/* Each frame of a large page becomes the page of its slot. */
bool vmsim__swap_cache_may_split(struct vmsim__cache *c, vmsim__pfn head) {
    const struct vmsim__frame *f = vmsim__cache_frame(c, head);
    const struct vmsim__swp e = vmsim__swap_cache_slot(c, head);
    if (vmsim__frame_is(f, VMSIM__FRAME_WRITEBACK))
        return false;
    for (uint32_t i = 1; i < vmsim__frame_pages(f); i++) {
        if (!vmsim__column_write(c->mem, VMSIM__COLUMN_SWAP, head + i, vmsim__swp_slot_word(slot_at(e, i))))
            return no_memory(c);
    }
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
    const vmsim__pfn pfn = head_of(c, vmsim__swap_cache_page(c, e));
    VMSIM__ASSERT(vmsim__swap_cache_page(c, e) != VMSIM__PFN_NONE);
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

/* Whoever follows contents is told. */
static void told(struct vmsim__cache *c, struct vmsim__swp e, vmsim__pfn pfn, bool write) {
    if (VMSIM__LIKELY(!c->hooks.swapped))
        return;
    for (uint32_t i = 0; i < vmsim__frame_pages(vmsim__cache_frame(c, pfn)); i++)
        c->hooks.swapped(c->hooks.context, slot_at(e, i), pfn + i, write);
}

/* zram is asked a page at a time until large ones come as bios. */
static void count(struct vmsim__cache *c, struct vmsim__swp e, const struct vmsim__frame *f, bool write) {
    const uint32_t pages = vmsim__frame_pages(f);
    if (!vmsim__swap_synchronous(c->swap, e) || !c->mem->kernel->rw_page || pages > 1)
        vmsim__cache_event(c, write ? VMSIM__PGPGOUT : VMSIM__PGPGIN, pages * vmsim__cache_page_size(c) >> 10);
    vmsim__cache_event(c, write ? VMSIM__PSWPOUT : VMSIM__PSWPIN, pages);
    if (pages == VMSIM__SWAP_CLUSTER)
        vmsim__cache_event(c, VMSIM__THP_SWPOUT, 1);
    if (pages > 1 && write)
        vmsim__thp_stat_add(c->lru, vmsim__folio_order(f), VMSIM__THP_SIZE_SWPOUT, 1);
}

/* Whose contents they are, for the guess at how they compress: a page that nobody has mapped is known by its slot. */
static void identity(const struct vmsim__frame *f, struct vmsim__swp e, uint64_t *space, uint64_t *index) {
    *space = f->mapping ? f->mapping : UINT64_MAX;
    *index = f->mapping ? vmsim__frame_index(f) : vmsim__swp_slot_word(e);
}

static void zswap_event(struct vmsim__cache *c, uint16_t memcg, enum vmsim__event_stat event) {
    vmsim__cache_event(c, event, 1);
    if (memcg)
        vmsim__memcg_event_add(c->lru, memcg, event, 1);
}

/* zswap keeps the page, or not: what it had before is out of date either way. Kernel: zswap_frontswap_store. */
static bool into_zswap(struct vmsim__cache *c, struct vmsim__swp e, vmsim__pfn pfn, unsigned cpu) {
    struct vmsim__zswap *z = c->swap->zswap;
    const struct vmsim__frame *f = vmsim__cache_frame(c, pfn);
    uint64_t space, index;
    if (!z || vmsim__frame_is(f, VMSIM__FRAME_HEAD))
        return false;
    leave_zswap(c, e);
    if (!vmsim__memcg_may_zswap(c->lru, f->memcg))
        return false;
    const bool shrinks = z->shrink;
    identity(f, e, &space, &index);
    const struct vmsim__zswap_entry *entry = vmsim__zswap_store(z, e, space, index, cpu);
    if (z->host_nomem)
        no_memory(c);
    if (z->shrink && !shrinks && c->io.zswap_full)
        c->io.zswap_full(c->io.context);
    if (!entry)
        return false;
    vmsim__memcg_zswap(c->lru, vmsim__swap_memcg(c->swap, e), entry->bytes, 1);
    zswap_event(c, f->memcg, VMSIM__ZSWPOUT);
    return true;
}

/* A page comes out of zswap, where it may stay: then its slot has it still, else it is all that there is of it. Kernel:
 * zswap_frontswap_load, zswap_load. */
static bool out_of_zswap(struct vmsim__cache *c, struct vmsim__swp e, vmsim__pfn pfn) {
    struct vmsim__zswap *z = c->swap->zswap;
    struct vmsim__frame *f = vmsim__cache_frame(c, pfn);
    const struct vmsim__zswap_entry *entry = z ? vmsim__zswap_find(z, e) : NULL;
    if (!entry)
        return false;
    vmsim__zswap_load(z, entry);
    zswap_event(c, f->memcg, VMSIM__ZSWPIN);
    if (c->mem->kernel->zswap_exclusive && vmsim__frame_is(f, VMSIM__FRAME_SWAPCACHE)) {
        leave_zswap(c, e);
        f->flags |= VMSIM__FRAME_DIRTY;
    }
    return true;
}

/* 0, or why zram did not take the page. */
static int move_zram(struct vmsim__cache *c, struct vmsim__swp e, vmsim__pfn pfn, bool write, unsigned cpu) {
    struct vmsim__zram *z = c->swap->area[e.type]->zram;
    uint64_t space, index;
    const struct vmsim__frame *f = vmsim__cache_frame(c, pfn);
    int status = 0;
    count(c, e, f, write);
    if (!write) {
        vmsim__zram_read(z, e.offset);
        return 0;
    }
    identity(f, e, &space, &index);
    for (uint32_t i = 0; i < vmsim__frame_pages(f) && !status; i++)
        status = vmsim__zram_write(z, e.offset + i, space, index + i, cpu);
    if (z->pool.host_nomem)
        no_memory(c);
    return status;
}

static uint64_t cookie_of(vmsim__pfn pfn, bool write, unsigned cpu) {
    VMSIM__ASSERT(cpu <= UINT16_MAX);
    return VMSIM__SWAP_COOKIE | (write ? COOKIE_WRITE : 0) | (uint64_t)cpu << COOKIE_CPU | pfn;
}

/* To the slot's device, or from there. */
static void submit(struct vmsim__cache *c, struct vmsim__swp e, vmsim__pfn pfn, bool write, unsigned cpu) {
    const uint64_t cookie = cookie_of(pfn, write, cpu);
    if (vmsim__swap_synchronous(c->swap, e)) {
        vmsim__swap_io_done(c, cookie, move_zram(c, e, pfn, write, cpu));
        return;
    }
    const struct vmsim__frame *f = vmsim__cache_frame(c, pfn);
    count(c, e, f, write);
    if (vmsim__swap_submit(c->swap, e, vmsim__frame_pages(f), write, cookie, &c->mem->now)) {
        no_memory(c); /* the run ends with this error: the page need not wait for anything */
        vmsim__swap_io_done(c, cookie, 0);
    }
}

static void start_writing(struct vmsim__cache *c, struct vmsim__frame *f) {
    f->flags = (f->flags & ~VMSIM__FRAME_DIRTY) | VMSIM__FRAME_WRITEBACK;
    c->swap->writing++;
    vmsim__writeback_count(c, f, vmsim__frame_pages(f));
}

bool vmsim__swap_cache_write(struct vmsim__cache *c, vmsim__pfn pfn, unsigned cpu) {
    struct vmsim__frame *f = vmsim__cache_frame(c, pfn);
    VMSIM__ASSERT(vmsim__frame_is(f, VMSIM__FRAME_DIRTY) && !vmsim__frame_is(f, VMSIM__FRAME_WRITEBACK));
    if (vmsim__swap_cache_free(c, pfn, cpu))
        return true;
    const struct vmsim__swp e = vmsim__swap_cache_slot(c, pfn);
    told(c, e, pfn, true);
    const bool kept = into_zswap(c, e, pfn, cpu);
    if (!kept && !vmsim__memcg_may_write_back(c->lru, f->memcg))
        return false;
    start_writing(c, f);
    if (kept)
        vmsim__swap_io_done(c, cookie_of(pfn, true, cpu), 0);
    else
        submit(c, e, pfn, true, cpu);
    return true;
}

/* The frame becomes the page of the slot, gets what zswap has, and is on its way at once. Kernel:
 * zswap_writeback_entry. */
static bool write_back(struct vmsim__cache *c, struct vmsim__swp e, vmsim__pfn pfn, unsigned cpu) {
    struct vmsim__zswap *z = c->swap->zswap;
    struct vmsim__frame *f = vmsim__cache_frame(c, pfn);
    uint64_t old = 0;
    if (!insert(c, e, pfn, &old))
        return false;
    vmsim__swap_cached(c->swap, e);
    f->flags |= VMSIM__FRAME_SWAPBACKED | VMSIM__FRAME_RECLAIM;
    vmsim__lru_add(c->lru, pfn, cpu);
    told(c, e, pfn, false);
    vmsim__zswap_load(z, vmsim__zswap_find(z, e));
    leave_zswap(c, e);
    z->stat.written_back++;
    start_writing(c, f);
    told(c, e, pfn, true);
    submit(c, e, pfn, true, cpu);
    return true;
}

/* One that somebody has in memory is passed over; so is one of a cgroup whose pages stay. */
bool vmsim__zswap_write_oldest(struct vmsim__cache *c, const struct vmsim__swap_reader *r) {
    struct vmsim__zswap *z = c->swap->zswap;
    struct vmsim__swp e;
    if (!vmsim__zswap_victim(z, &e))
        return false;
    const bool fixed = vmsim__swap_is_cached(c->swap, e) || !vmsim__swap_users(c->swap, e) ||
                       !vmsim__memcg_may_write_back(c->lru, vmsim__swap_memcg(c->swap, e));
    const vmsim__pfn pfn = fixed ? VMSIM__PFN_NONE : vmsim__swap_frame(c, e, r);
    if (pfn != VMSIM__PFN_NONE && write_back(c, e, pfn, r->cpu))
        return true;
    if (pfn != VMSIM__PFN_NONE)
        vmsim__folio_put(c->lru, pfn, r->cpu);
    z->stat.reclaim_fail++;
    if (vmsim__zswap_find(z, e)) /* it may have gone while a frame was found */
        vmsim__zswap_rotate(z, e);
    return false;
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
    told(c, e, pfn, false);
    if (out_of_zswap(c, e, pfn))
        vmsim__swap_io_done(c, cookie_of(pfn, false, cpu), 0);
    else
        submit(c, e, pfn, false, cpu);
    return true;
}

/* Kernel: the first half of do_swap_page for SWP_SYNCHRONOUS_IO. */
void vmsim__swap_read_alone(struct vmsim__cache *c, struct vmsim__swp e, vmsim__pfn pfn, unsigned cpu) {
    struct vmsim__frame *f = vmsim__cache_frame(c, pfn);
    const uint64_t old = vmsim__radix_get(&c->swapped[e.type], e.offset);
    VMSIM__ASSERT(vmsim__swap_synchronous(c->swap, e) && vmsim__swap_users(c->swap, e) == 1);
    VMSIM__ASSERT(f->refcount == 1 && !f->mapping && !vmsim__swap_is_cached(c->swap, e));
    f->flags |= VMSIM__FRAME_SWAPBACKED;
    c->lru->slot = vmsim__swp_slot_word(e);
    if (vmsim__entry_tag(old) == VMSIM__ENTRY_SHADOW)
        vmsim__workingset_refault(c->lru, pfn, vmsim__entry_content(old));
    c->lru->slot = 0;
    vmsim__lru_add(c->lru, pfn, cpu);
    told(c, e, pfn, false);
    if (!out_of_zswap(c, e, pfn))
        move_zram(c, e, pfn, false, cpu);
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
